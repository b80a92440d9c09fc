//! Who is removed while connected is cut off before the next frame: the node of a device, and a node
//! of a party. What they say afterwards is a stub wherever it arrived.

use super::restricted::{only_refused, peer_of, tapped};
use comity_client::types::QuarantineQuery;
use comity_protocol::{
    certificate::{Cuts, DeviceCut, SpaceCut},
    entry::Entry,
    id::SpaceId,
    record::{DeviceRevocation, RecordBody, Revocation, Role, Target},
};
use comity_tests::{
    alliance::{A, Alliance, Founder, party},
    community::{Community, Signer, key, topic},
    nodes::{POLL, TestNode, patiently, wait_for_equal_roots},
    transcript::Moment,
};

/// Words that only those who are still there may get.
pub(super) const HIDDEN: &str = "Not for those who went.";

pub(super) fn hidden(author: &mut Signer, space: SpaceId) -> Vec<Entry> {
    let draft = |it| topic(&format!("Hidden {it}"), HIDDEN);
    (0..5).map(|it| author.create(space, &draft(it))).collect()
}

pub(super) async fn has(node: &TestNode, entry: &Entry) {
    let id = entry.id().to_string();
    let arrived = async {
        while node.client.document(&id, &[]).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    };
    patiently("a document", arrived).await;
}

pub(super) async fn holds(node: &TestNode, entry: &Entry, reason: &str) {
    let id = entry.id().to_string();
    let held = async {
        loop {
            let page = node.client.quarantine(&QuarantineQuery::default()).await;
            let items = page.unwrap().items;
            if let Some(found) = items.into_iter().find(|it| it.id == id) {
                return found.reason;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    assert_eq!(patiently("a stub", held).await, reason);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_of_a_device_that_is_ended_hears_no_more_and_its_words_are_stubs() {
    let (alice, carol, phone) = (tapped().await, tapped().await, TestNode::start().await);
    let mut community = Community::found("Lost", &[alice.node.key(), carol.node.key()]);
    let mut ada = community.member("Lost/ada");
    for node in [&alice, &carol, &phone] {
        node.take_part(&community).await;
    }
    let (public, members) = (community.space("public"), community.space("members"));
    let mut author = community.delegate.clone();
    let before = author
        .device
        .create(members, &topic("Before", "For members."));
    alice
        .submit(community.id, std::slice::from_ref(&before))
        .await;
    phone.grant(community.id, &ada).await;
    carol.connect(&alice).await;
    phone.connect(&alice).await;
    phone.connect(&carol).await;
    has(&phone, &before).await;
    let early = ada.device.create(public, &topic("Early", "Said by Ada."));
    let late = ada
        .device
        .create(public, &topic("Late", "Said by a thief."));
    phone
        .submit(community.id, std::slice::from_ref(&early))
        .await;
    wait_for_equal_roots(&[&alice, &carol, &phone]).await;
    // The thief writes on where no node of a party is there to receipt it.
    let hideout = TestNode::start().await;
    hideout.take_part(&community).await;
    hideout
        .submit(community.id, &[early.clone(), late.clone()])
        .await;

    // Ada ends the device, with a cut before what the thief wrote.
    let device = ada.device.public();
    let cut = SpaceCut {
        space: public,
        devices: vec![DeviceCut {
            key: device,
            last: vec![early.id()],
        }],
    };
    let cuts = Cuts {
        open: vec![cut],
        ..Cuts::default()
    };
    let ended = RecordBody::DeviceRevocation(DeviceRevocation {
        device,
        cuts,
        replaces: None,
    });
    let ended = ada.root.record(community.governance(), ended);
    let peer = peer_of(&phone).await;
    let since = alice.transcript().now();
    alice.submit(community.id, &[ended]).await;
    let more = hidden(&mut author.device, members);
    alice.submit(community.id, &more).await;
    let open = author.device.create(public, &topic("Open", "For all."));
    alice
        .submit(community.id, std::slice::from_ref(&open))
        .await;
    only_refused(&alice, peer, members, since).await;
    has(&phone, &open).await;
    has(&carol, &more[4]).await;
    for node in [&alice, &carol] {
        let leaked = node
            .transcript()
            .sent_with(HIDDEN.as_bytes(), Moment::default());
        assert!(leaked.iter().all(|(to, _)| *to != peer), "{leaked:?}");
    }
    hideout.connect(&alice).await;
    has(&hideout, &open).await;
    holds(&hideout, &late, "after the device was removed by its owner").await;
    for node in [&alice, &carol, &phone] {
        let states = node.states(community.id, std::slice::from_ref(&late)).await;
        assert_eq!(states, ["unauthorized"]);
        let shown = node.show(early.id()).await;
        assert_eq!(shown.text("body"), Some("Said by Ada."));
    }
    hideout.stop().await;
    for node in [alice, carol, phone] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_its_party_drops_hears_no_more() {
    let (alder, other) = (tapped().await, TestNode::start().await);
    let mut keys = [alder.node.key(), other.node.key()];
    keys.sort();
    let birch = [key("Dropped/birch").public()];
    let alders = Founder {
        name: "Alder",
        delegates: 1,
        nodes: &keys,
    };
    let mut alliance = Alliance::found("Dropped", &[alders, party("Birch", &birch)]);
    for node in [&alder, &other] {
        node.take_part_in(&alliance).await;
    }
    let (public, members) = (alliance.space("public"), alliance.space("members"));
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let before = author.create(members, &topic("Before", "For members."));
    alder
        .submit(alliance.id, std::slice::from_ref(&before))
        .await;
    other.connect(&alder).await;
    has(&other, &before).await;
    wait_for_equal_roots(&[&alder, &other]).await;

    let dropped = other.node.key();
    let state = alliance.next_state(A, &[0], |it| it.nodes.retain(|node| *node != dropped));
    let peer = peer_of(&other).await;
    let since = alder.transcript().now();
    alder.submit(alliance.id, &[state]).await;
    alder
        .submit(alliance.id, &hidden(&mut author, members))
        .await;
    let open = author.create(public, &topic("Open", "For all."));
    alder.submit(alliance.id, std::slice::from_ref(&open)).await;
    only_refused(&alder, peer, members, since).await;
    has(&other, &open).await;
    let leaked = alder.transcript().sent_with(HIDDEN.as_bytes(), since);
    assert_eq!(leaked, vec![]);
    // Nor after it comes back.
    let other = other.restart().await;
    other.connect(&alder).await;
    let after = author.create(public, &topic("After", "For all."));
    alder
        .submit(alliance.id, std::slice::from_ref(&after))
        .await;
    has(&other, &after).await;
    let leaked = alder.transcript().sent_with(HIDDEN.as_bytes(), since);
    assert_eq!(leaked, vec![]);
    for node in [alder, other] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_removed_is_admitted_in_vain() {
    let node = TestNode::start().await;
    let mut community = Community::found("In vain", &[node.node.key()]);
    let mut ben = community.member("In vain/ben");
    node.take_part(&community).await;
    let public = community.space("public");
    let early = ben.device.create(public, &topic("Early", "In standing."));
    node.submit(community.id, &[early]).await;
    let removal = RecordBody::Revocation(Revocation {
        party: community.party,
        target: Target::Member(ben.root.public()),
        cuts: Cuts::default(),
        replaces: None,
    });
    let governance = community.governance();
    let removal = community.delegate.root.record(governance, removal);
    node.submit(community.id, &[removal]).await;
    // The record is kept, and gives nothing: no role, no word, no reading.
    let again = community.admit(&ben, &[Role::Member, Role::Steward]);
    let link = community.link(&mut ben);
    node.submit(community.id, &[again, link]).await;
    let words = ben.device.create(public, &topic("Again", "I am back."));
    assert_eq!(node.states(community.id, &[words]).await, ["unauthorized"]);
    let roster = node
        .client
        .members(&community.id.to_string())
        .await
        .unwrap();
    let root = ben.root.public().to_string();
    let found = roster.members.iter().find(|it| it.root == root).unwrap();
    assert!(
        found
            .standings
            .iter()
            .all(|it| it.ended.is_some() && it.roles.is_empty())
    );
    assert_eq!(roster.pending, []);
    node.stop().await;
}
