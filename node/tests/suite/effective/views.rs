//! What readers are told of what is held, and what a node says about narrowings by itself.

use super::world::World;
use crate::api::Running;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client, Transport,
    types::{Adoption, QuarantineQuery, TrackCommunity},
};
use comity_node::node::{Node, NodeOptions};
use comity_tests::community::{document, page, splice, topic};

async fn track(client: &Client, world: &World) {
    let entries = world.governance.iter();
    let request = TrackCommunity {
        community: world.id.to_string(),
        entries: entries
            .map(|it| STANDARD_NO_PAD.encode(it.encode()))
            .collect(),
    };
    client.track(&request).await.unwrap();
}

#[tokio::test]
async fn what_is_held_shows_as_a_stub_and_in_full_on_request() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let node = Running::new().await;
    track(&node.client, &world).await;
    let first = ada.device.create(world.public, &topic("First", "Stays."));
    let second = ada.device.create(world.public, &topic("Second", "Goes."));
    let edit = ada.device.edit(
        world.public,
        document(&first),
        &[first.id()],
        vec![comity_tests::community::put("title", "Changed late")],
    );
    let revocation = world.revoke(&ada, &[first.id()]);
    node.save(world.id, &[&first, &second, &edit, &revocation])
        .await;

    let listed = node.client.documents(&Default::default()).await.unwrap();
    let titles: Vec<&str> = listed.items.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(titles, ["First"]);
    // Held entries stand in no set, and that is no damage.
    assert_eq!(node.client.verify().await.unwrap().problems, [""; 0]);
    let shown = node
        .client
        .document(&first.id().to_string(), &[])
        .await
        .unwrap();
    assert_eq!(shown.text("title"), Some("First"));
    let held: Vec<&str> = shown.held.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(held, ["after removal by Alder"]);

    let stub = node
        .client
        .document(&second.id().to_string(), &[])
        .await
        .unwrap();
    assert!(stub.fields.is_empty() && stub.summary.title.is_empty());
    assert_eq!(stub.summary.held.as_deref(), Some("after removal by Alder"));
    let whole = node
        .client
        .document_with_held(&second.id().to_string())
        .await
        .unwrap();
    assert_eq!(whole.text("body"), Some("Goes."));
    assert_eq!(whole.summary.held, stub.summary.held);
    let history = node
        .client
        .history_with_held(&first.id().to_string())
        .await
        .unwrap();
    let verdicts: Vec<&str> = history.iter().map(|it| it.verdict.as_str()).collect();
    assert_eq!(verdicts, ["effective", "held"]);

    let mut told = Vec::new();
    let mut query = QuarantineQuery {
        limit: Some(1),
        ..QuarantineQuery::default()
    };
    loop {
        let page = node.client.quarantine(&query).await.unwrap();
        assert_eq!((page.held, page.rebuilds.documents), (2, 2));
        told.extend(page.items.into_iter().map(|it| it.id));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(told, [second.id().to_string(), edit.id().to_string()]);

    // Who signs next in this chain follows what is held.
    let author = ada.device.public().to_string();
    let context = node
        .client
        .signing_context(&world.public.to_string(), &author)
        .await
        .unwrap();
    assert_eq!(context.next_seq, 4);
}

/// A node that signs receipts, as that of party B.
async fn node_of_b() -> (Running, World) {
    let home = tempfile::tempdir().unwrap();
    let options = NodeOptions {
        network: true,
        ..NodeOptions::offline(home.path())
    };
    let node = Node::open(options).await.unwrap();
    let world = World::with_node_of_b(Some(node.key()));
    let running = Running {
        client: Client::new(Transport::InProcess(node.in_process())),
        node,
        home,
    };
    (running, world)
}

#[tokio::test]
async fn what_a_removed_member_gets_adopted_is_acknowledged_before_it_is_receipted() {
    let (running, mut world) = node_of_b().await;
    let (mut mallory, mut ben) = (world.member("mallory"), world.member("ben"));
    track(&running.client, &world).await;
    // The node knows of the removal before it has a word of hers.
    let removal = world.revoke(&mallory, &[]);
    running.save(world.id, &[&removal]).await;
    let smuggled = mallory.device.create(world.public, &topic("Smuggled", ""));
    let own = mallory
        .device
        .create(world.public, &page("Tea", "Boil water."));
    let on = ben.device.edit(
        world.public,
        document(&own),
        &[own.id()],
        vec![splice(0, 0, "First. ")],
    );
    let mut events = running.client.events(Some(0)).await.unwrap();
    let states = running.submit(world.id, &[&own, &on]).await;
    assert_eq!(states[1].state, "saved");
    let mut said = Vec::new();
    while !said.contains(&"receipt".to_owned()) {
        let event = events.next().await.unwrap().unwrap();
        let what = event.what.unwrap_or_default();
        if ["receipt", "acknowledge"].contains(&what.as_str()) {
            said.push(what);
        }
    }
    assert_eq!(said, ["acknowledge", "receipt"]);
    // Else the receipt for the page would lift what stands below it in her chain.
    let states = running.submit(world.id, &[&smuggled]).await;
    assert_eq!(states[0].state, "unauthorized");
    let history = running.client.history(&own.id().to_string()).await.unwrap();
    assert_eq!(history.len(), 2);
    let reason = history[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains(&on.id().short()), "not adopted: {reason}");
    // Presence, never authority: whoever reads is told whose work keeps it here.
    let shown = running.client.document(&own.id().to_string(), &[]).await;
    let adopted = shown.unwrap().adopted;
    assert_eq!(adopted.len(), 1, "{adopted:?}");
    assert_eq!(
        (&adopted[0].id, adopted[0].what.as_str()),
        (&own.id().to_string(), "create")
    );
    let by = |device: &comity_protocol::key::PublicKey, adoption: &Adoption| {
        (adoption.by == on.id().to_string()) && adoption.author.device == device.to_string()
    };
    assert!(
        by(&ben.device.public(), &adopted[0].adoption),
        "{adopted:?}"
    );
    let spans = running
        .client
        .blame(&own.id().to_string(), "body")
        .await
        .unwrap();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!(
        (spans[0].text.as_str(), &spans[0].adopted),
        ("First. ", &None)
    );
    let adoption = spans[1].adopted.as_ref().unwrap();
    assert!(by(&ben.device.public(), adoption), "{adoption:?}");
    running.node.stop().await;
}

#[tokio::test]
async fn a_node_receipts_what_it_held_and_then_acknowledges() {
    let (running, mut world) = node_of_b().await;
    let mut ada = world.member("ada");
    track(&running.client, &world).await;
    let first = ada.device.create(world.public, &topic("First", "Read."));
    running.save(world.id, &[&first]).await;
    let revocation = world.revoke(&ada, &[]);
    let mut events = running.client.events(Some(0)).await.unwrap();
    running.save(world.id, &[&revocation]).await;

    // The cut at zero is lifted by what this node had before it knew.
    let mut said = Vec::new();
    let mut rebuilt = false;
    while !said.contains(&"acknowledge".to_owned()) {
        let event = events.next().await.unwrap().unwrap();
        let what = event.what.unwrap_or_default();
        rebuilt |= event.event == "rebuilt";
        if ["receipt", "acknowledge"].contains(&what.as_str()) {
            said.push(what);
        }
    }
    assert_eq!(said.last().map(String::as_str), Some("acknowledge"));
    assert!(said.len() > 1, "{said:?}");
    assert!(rebuilt, "the revocation touched a document");
    let shown = running
        .client
        .document(&first.id().to_string(), &[])
        .await
        .unwrap();
    assert_eq!(shown.text("title"), Some("First"));
    let quarantine = running
        .client
        .quarantine(&Default::default())
        .await
        .unwrap();
    assert_eq!(quarantine.held, 0);
    running.node.stop().await;
}
