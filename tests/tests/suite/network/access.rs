//! What a peer gets to see: public spaces by default, members' spaces with a grant, and of the
//! rest not even that it exists (I9).

use comity_protocol::{
    id::SpaceId,
    key::PublicKey,
    sync::{Key, Message, TrieHash, message::SpaceRoot},
};
use comity_tests::{
    community::{Community, Person, key, page, topic},
    nodes::{POLL, TestNode, patiently, wait_for_equal_roots},
    stranger::{Conversation, Stranger, grants, now_ms},
};
use std::collections::BTreeSet;

const HOUR_MS: u64 = 3_600_000;

/// A node with a fixed key, so that two runs have the same community.
async fn node_of_a_club() -> (TestNode, Community) {
    let node = TestNode::start_named("Club/node", false).await;
    let mut community = Community::found("Club", &[node.node.key()]);
    community.member("Club/member");
    node.take_part(&community).await;
    (node, community)
}

fn root(space: SpaceId, root: TrieHash) -> Message {
    Message::Roots(vec![SpaceRoot {
        space,
        root,
        count: 0,
        after: 0,
    }])
}

/// Listens, agreeing to every root, until the node refuses `last`; gives back all frames.
async fn listen_until(talk: &mut Conversation, last: SpaceId) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(frame) = talk.hear().await {
        let message = Message::decode(&frame).unwrap();
        frames.push(frame);
        match message {
            Message::Roots(roots) => talk.say(&Message::Roots(roots)).await,
            Message::Refuse { space } if space == last => return frames,
            _ => {}
        }
    }
    let last = frames.last().map(|frame| Message::decode(frame));
    panic!("the node hung up after {last:?}")
}

/// Everything a stranger can try on a space.
fn probes(space: SpaceId, author: &PublicKey) -> Vec<Message> {
    let first = Key::new(
        &space,
        author,
        1,
        comity_protocol::id::EntryId::from_bytes([1; 32]),
    );
    let keys = vec![first];
    vec![
        root(space, TrieHash::EMPTY),
        Message::Want {
            space,
            keys: keys.clone(),
        },
        Message::Announce { space, keys },
        Message::Done { space, round: 1 },
    ]
}

/// What a stranger hears, told apart by what is about the space in question.
async fn probe(node: &TestNode, community: &Community, space: SpaceId) -> Vec<Vec<u8>> {
    let stranger = Stranger::meeting(node, "Club/stranger", true).await;
    stranger.greet(node, &[community.id]).await;
    let mut talk = stranger.sync(node).await;
    for message in probes(space, &community.delegate.device.public()) {
        talk.say(&message).await;
    }
    let last = SpaceId::from_bytes([0xee; 32]);
    let mut frames = Vec::new();
    for round in 1..=3_u8 {
        // Public spaces open after governance is equal: the later barriers come after that.
        let barrier = SpaceId::from_bytes([0xee - round; 32]);
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        talk.say(&root(barrier, TrieHash::EMPTY)).await;
        frames.extend(listen_until(&mut talk, barrier).await);
    }
    talk.say(&root(last, TrieHash::EMPTY)).await;
    frames.extend(listen_until(&mut talk, last).await);
    stranger.network.shutdown().await;
    frames
}

fn spaces_told(frames: &[Vec<u8>]) -> BTreeSet<SpaceId> {
    let messages = frames.iter().map(|it| Message::decode(it).unwrap());
    let told = messages.filter_map(|message| match message {
        Message::Roots(roots) => Some(roots),
        _ => None,
    });
    told.flatten().map(|it| it.space).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_cannot_tell_an_empty_hidden_space_from_a_busy_or_absent_one() {
    let (quiet, community) = node_of_a_club().await;
    let members = community.space("members");
    let empty = probe(&quiet, &community, members).await;
    let nowhere = SpaceId::from_bytes([0x11; 32]);
    let absent = probe(&quiet, &community, nowhere).await;
    quiet.stop().await;

    let (busy, community) = node_of_a_club().await;
    let mut author = community.delegate.clone();
    let some: Vec<_> = (0..40)
        .map(|number| {
            author
                .device
                .create(members, &topic(&format!("{number}"), "Hidden."))
        })
        .collect();
    busy.submit(community.id, &some).await;
    // And more while the stranger looks.
    let writing = async {
        for number in 0..20 {
            let more = author
                .device
                .create(members, &topic(&format!("more {number}"), "Hidden."));
            busy.submit(community.id, &[more]).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let (full, ()) = tokio::join!(probe(&busy, &community, members), writing);
    assert!(busy.set_of(members).await.0 >= 60);
    assert_eq!(empty, full, "frames and their order and sizes");
    let expected: BTreeSet<SpaceId> = [
        community.governance(),
        community.space("public"),
        community.space("news"),
    ]
    .into();
    assert_eq!(spaces_told(&full), expected);
    // Absent and forbidden differ in the id that the stranger itself named, and in nothing else.
    let renamed: Vec<Vec<u8>> = absent
        .iter()
        .map(|frame| match Message::decode(frame).unwrap() {
            Message::Refuse { space } if space == nowhere => {
                Message::Refuse { space: members }.encode()
            }
            other => other.encode(),
        })
        .collect();
    assert_eq!(renamed, empty);
    busy.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_grant_for_this_very_node_that_has_not_expired_opens_a_members_space() {
    let node = TestNode::start_with(false).await;
    let mut community = Community::found("Grants", &[node.node.key()]);
    let member = community.member("Grants/member");
    let outsider = Person::new("Grants/outsider");
    node.take_part(&community).await;
    let members = community.space("members");
    let stranger = Stranger::meeting(&node, "Grants/stranger", true).await;
    let own = stranger.key();
    let mut forged = member.grant(community.id, own, now_ms() + HOUR_MS);
    forged.expires_ms += 1;
    let worthless = vec![
        member.grant(community.id, own, now_ms() - 1_000),
        member.grant(
            community.id,
            key("another node").public(),
            now_ms() + HOUR_MS,
        ),
        outsider.grant(community.id, own, now_ms() + HOUR_MS),
        forged,
    ];
    stranger.greet(&node, &[community.id]).await;
    let mut talk = stranger.sync(&node).await;
    talk.say(&grants(community.id, &worthless)).await;
    talk.say(&root(members, TrieHash::EMPTY)).await;
    let mut heard = listen_until(&mut talk, members).await;
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    talk.say(&root(members, TrieHash::EMPTY)).await;
    heard.extend(listen_until(&mut talk, members).await);
    let told = spaces_told(&heard);
    assert!(told.contains(&community.space("public")), "{told:?}");
    assert!(!told.contains(&members));

    // A good grant, shown on the same connection, opens the same stream; when it ends, so does that.
    let good = member.grant(community.id, own, now_ms() + 3_000);
    talk.say(&grants(community.id, &[good])).await;
    let opened_and_closed = async {
        let mut opened = false;
        loop {
            let frame = talk.hear().await.unwrap();
            match Message::decode(&frame).unwrap() {
                Message::Roots(roots) => opened |= roots.iter().any(|it| it.space == members),
                Message::Refuse { space } if space == members => return opened,
                _ => {}
            }
        }
    };
    assert!(patiently("the members' space", opened_and_closed).await);
    stranger.network.shutdown().await;
    node.stop().await;
}

/// What a node says about its own clock.
async fn clock_doubts(node: &TestNode) -> Vec<String> {
    let warnings = node.client.status().await.unwrap().warnings;
    let about_grants = |it: &String| it.contains("grants that connected peers show");
    warnings.into_iter().filter(about_grants).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_to_which_most_grants_look_expired_doubts_its_own_clock() {
    let node = TestNode::start_with(false).await;
    let mut community = Community::found("Clock", &[node.node.key()]);
    let [one, two, three] =
        ["one", "two", "three"].map(|it| community.member(&format!("Clock/{it}")));
    node.take_part(&community).await;
    let members = community.space("members");
    let show = async |name: &str, shown: &[(&Person, u64)]| {
        let stranger = Stranger::meeting(&node, name, true).await;
        stranger.greet(&node, &[community.id]).await;
        let mut talk = stranger.sync(&node).await;
        let grant =
            |(person, end): &(&Person, u64)| person.grant(community.id, stranger.key(), *end);
        let shown: Vec<_> = shown.iter().map(grant).collect();
        talk.say(&grants(community.id, &shown)).await;
        // Answered after the grants were read: whatever is answered.
        let nowhere = SpaceId::from_bytes([9; 32]);
        talk.say(&root(nowhere, TrieHash::EMPTY)).await;
        listen_until(&mut talk, nowhere).await;
        (stranger, talk)
    };
    let (ended, lasting) = (now_ms() - 1_000, now_ms() + HOUR_MS);
    // One grant says nothing about a clock.
    let (first, _first_talk) = show("Clock/first", &[(&one, ended)]).await;
    assert_eq!(clock_doubts(&node).await, [""; 0]);
    // Half of them do not either.
    let (second, second_talk) = show("Clock/second", &[(&two, lasting)]).await;
    assert_eq!(clock_doubts(&node).await, [""; 0]);
    // Most do.
    let (third, third_talk) = show("Clock/third", &[(&three, ended)]).await;
    let doubts = clock_doubts(&node).await;
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    for part in [
        "2 of 3 grants",
        "the clock is ahead: check it",
        "no restricted spaces",
    ] {
        assert!(doubts[0].contains(part), "{part:?} is not in {doubts:?}");
    }
    // It opens nothing for that, and the doubt goes with those who gave cause for it.
    assert_eq!(node.set_of(members).await.0, 0);
    drop((second_talk, third_talk));
    second.network.shutdown().await;
    third.network.shutdown().await;
    let gone = async {
        while !clock_doubts(&node).await.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    };
    patiently("the doubt to go", gone).await;
    first.network.shutdown().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_gets_a_members_space_as_soon_as_one_of_its_people_grants_it() {
    let alice = TestNode::start_with(false).await;
    let bob = TestNode::start_with(false).await;
    let mut community = Community::found("Later", &[alice.node.key()]);
    let member = community.member("Later/member");
    alice.take_part(&community).await;
    bob.take_part(&community).await;
    let (public, members) = (community.space("public"), community.space("members"));
    let mut author = community.delegate.clone();
    let open = author.device.create(public, &topic("Open", "For all."));
    let hidden = author
        .device
        .create(members, &page("Hidden", "For members."));
    alice.submit(community.id, &[open, hidden.clone()]).await;
    bob.connect(&alice).await;
    bob.sync().await;
    bob.wait_for_entries(public, 1).await;
    assert_eq!(bob.set_of(members).await.0, 0);
    assert!(
        bob.client
            .document(&hidden.id().to_string(), &[])
            .await
            .is_err()
    );

    bob.grant(community.id, &member).await;
    bob.wait_for_entries(members, 1).await;
    assert_eq!(
        bob.show(hidden.id()).await.text("body"),
        Some("For members.")
    );
    wait_for_equal_roots(&[&alice, &bob]).await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_brings_what_stands_in_its_space_and_nothing_else() {
    let node = TestNode::start().await;
    let community = Community::found("Whispers", &[node.node.key()]);
    node.take_part(&community).await;
    let (public, members) = (community.space("public"), community.space("members"));
    let mut author = community.delegate.clone();
    let hidden = author.device.create(members, &topic("Hidden", "Leaked."));
    let open = author.device.create(public, &topic("Open", "Welcome."));
    let stranger = Stranger::meeting(&node, "Whispers/stranger", true).await;
    stranger.greet(&node, &[community.id]).await;
    let group = stranger.gossip(&node, community.id).await;
    stranger.publish(group, public, &hidden).await;
    stranger.publish(group, public, &open).await;
    node.wait_for_entries(public, 1).await;
    assert_eq!(node.show(open.id()).await.text("body"), Some("Welcome."));
    assert_eq!(node.set_of(members).await.0, 0);
    stranger.network.shutdown().await;
    node.stop().await;
}
