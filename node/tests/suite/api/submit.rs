use super::{Running, decode, encode, refused};
use comity_client::types::Submit;
use comity_protocol::record::Role;
use comity_tests::community::{Community, Person, document, put, reply, topic};

#[tokio::test]
async fn an_entry_is_saved_once_and_read_back_whole() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let hello = ada.device.create(space, &topic("Hello", "Good morning."));

    let first = node.submit(garden.id, &[&hello, &hello]).await;
    let states: Vec<&str> = first.iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["saved", "already_present"]);
    assert_eq!(first[0].id, hello.id().to_string());

    let raw = node.client.entry(&hello.id().to_string()).await.unwrap();
    assert_eq!(decode(&raw.entry), hello.encode());
    assert_eq!(raw.community, garden.id.to_string());
    assert_eq!(raw.space, space.to_string());
    assert_eq!(raw.document, Some(hello.id().to_string()));
}

#[tokio::test]
async fn certificates_and_records_are_read_back_too() {
    let garden = Community::found("Garden", &[]);
    let node = Running::with(&garden).await;
    for record in garden.records() {
        let id = comity_protocol::entry::Entry::decode(&record).unwrap().id();
        let raw = node.client.entry(&id.to_string()).await.unwrap();
        assert_eq!(decode(&raw.entry), record);
        assert_eq!(raw.space, garden.governance().to_string());
        assert_eq!(raw.document, None);
    }
}

#[tokio::test]
async fn what_builds_on_missing_entries_waits_for_them() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let create = ada.device.create(space, &topic("One", "First."));
    let edit = ada.device.edit(
        space,
        document(&create),
        &[create.id()],
        vec![put("title", "Two")],
    );

    let result = &node.submit(garden.id, &[&edit]).await[0];
    assert_eq!(result.state, "pending");
    assert!(
        result
            .reason
            .as_ref()
            .unwrap()
            .contains(&create.id().to_string())
    );
    assert_eq!(node.client.sync_status(None).await.unwrap().pending, 1);

    node.save(garden.id, &[&create]).await;
    let id = create.id().to_string();
    let view = node.client.document(&id, &[]).await.unwrap();
    assert_eq!(view.text("title"), Some("Two"));
    assert_eq!(node.client.sync_status(None).await.unwrap().pending, 0);
}

#[tokio::test]
async fn a_stranger_is_told_why_and_let_in_once_admitted() {
    let mut garden = Community::found("Garden", &[]);
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let mut eve = Person::new("eve");
    let post = eve.device.create(space, &topic("Hi", "It is me."));

    let result = &node.submit(garden.id, &[&post]).await[0];
    assert_eq!(result.state, "unauthorized");
    let reason = result.reason.as_ref().unwrap();
    assert!(
        reason.contains("no member") && reason.contains("invitation"),
        "{reason}"
    );
    let listed = node.client.documents(&Default::default()).await.unwrap();
    assert!(listed.items.is_empty());
    assert_eq!(node.client.sync_status(None).await.unwrap().unauthorized, 1);

    let admission = garden.admit(&eve, &[Role::Member]);
    let link = garden.link(&mut eve);
    node.save(garden.id, &[&admission, &link]).await;
    let listed = node.client.documents(&Default::default()).await.unwrap();
    assert_eq!(listed.items[0].id, post.id().to_string());
}

#[tokio::test]
async fn only_stewards_write_the_news() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("news");
    let by_member = ada.device.create(space, &topic("Psst", "Rumours."));
    let mut steward = garden.delegate.clone();
    let by_steward = steward.device.create(space, &topic("News", "Facts."));
    let results = node.submit(garden.id, &[&by_member, &by_steward]).await;
    assert_eq!(results[0].state, "unauthorized");
    assert!(results[0].reason.as_ref().unwrap().contains("role"));
    assert_eq!(results[1].state, "saved");
}

#[tokio::test]
async fn nobody_edits_the_topic_of_another() {
    let mut garden = Community::found("Garden", &[]);
    let (mut ada, mut ben) = (garden.member("ada"), garden.member("ben"));
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let create = ada.device.create(space, &topic("Mine", "Hands off."));
    let edit = ben.device.edit(
        space,
        document(&create),
        &[create.id()],
        vec![put("title", "Ours")],
    );
    let results = node.submit(garden.id, &[&create, &edit]).await;
    assert_eq!(results[1].state, "unauthorized");
    let reason = results[1].reason.as_ref().unwrap();
    assert!(reason.contains("reply instead"), "{reason}");
}

#[tokio::test]
async fn broken_entries_are_refused_one_by_one() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let good = ada.device.create(space, &topic("Good", "As it is."));
    let mut forged = good.encode();
    // The signature follows the header: flip a bit in the middle of it.
    let signature = match &good {
        comity_protocol::entry::Entry::Contribution(it) => *it.signature().as_bytes(),
        _ => unreachable!(),
    };
    let at = forged
        .windows(64)
        .position(|window| window == signature)
        .unwrap();
    forged[at + 10] ^= 1;
    let encode_bytes = |bytes: &[u8]| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
    };
    let request = Submit {
        community: garden.id.to_string(),
        entries: vec![
            encode_bytes(&forged),
            encode_bytes(b"nonsense"),
            encode(&good),
        ],
    };
    let results = node.client.submit(&request).await.unwrap().results;
    let states: Vec<&str> = results.iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["refused", "refused", "saved"]);
    assert!(results[0].reason.as_ref().unwrap().contains("signature"));
    assert!(results[1].reason.is_some());
}

#[tokio::test]
async fn requests_that_make_no_sense_are_errors_of_the_api() {
    let garden = Community::found("Garden", &[]);
    let node = Running::new().await;
    let to = |community: String, entries: Vec<String>| Submit { community, entries };
    let unknown = node
        .client
        .submit(&to(garden.id.to_string(), Vec::new()))
        .await;
    let error = refused(unknown, "not_found");
    assert!(!error.hints.is_empty());
    node.track(&garden).await;
    let padded = node
        .client
        .submit(&to(garden.id.to_string(), vec!["AA==".into()]))
        .await;
    refused(padded, "invalid");
    refused(node.client.entry("abc").await, "invalid");
    refused(node.client.entry(&"0".repeat(64)).await, "not_found");
    refused(node.client.community(&"0".repeat(64)).await, "not_found");
    refused(
        node.client.document(&"0".repeat(64), &[]).await,
        "not_found",
    );
}

#[tokio::test]
async fn a_space_of_another_community_is_no_way_in() {
    let mut garden = Community::found("Garden", &[]);
    let orchard = Community::found("Orchard", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    node.track(&orchard).await;
    let post = ada
        .device
        .create(garden.space("public"), &topic("Hello", "Hm."));
    let result = &node.submit(orchard.id, &[&post]).await[0];
    assert_eq!(result.state, "refused");
    assert!(
        result
            .reason
            .as_ref()
            .unwrap()
            .contains("another community")
    );
}

#[tokio::test]
async fn a_thread_comes_with_its_topic() {
    let mut garden = Community::found("Garden", &[]);
    let (mut ada, mut ben) = (garden.member("ada"), garden.member("ben"));
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let question = ada.device.create(space, &topic("Which seeds?", "For May."));
    let answer = ben
        .device
        .create(space, &reply(document(&question), "Beans."));
    node.save(garden.id, &[&question, &answer]).await;
    let view = node
        .client
        .document(&question.id().to_string(), &[])
        .await
        .unwrap();
    assert_eq!(view.summary.replies, 1);
    assert_eq!(view.replies[0].text("body"), Some("Beans."));
    assert_eq!(
        view.replies[0].summary.author.device,
        ben.device.public().to_string()
    );
    assert_eq!(
        view.replies[0].summary.parent,
        Some(question.id().to_string())
    );
}
