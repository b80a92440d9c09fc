//! What frames tell, before encryption: hello names nothing, grants go to known nodes only, and of
//! spaces that a peer may not read there is no trace, however busy they are (I9).

use comity_net::{GossipGroup, PeerId, tap::Way};
use comity_protocol::{
    access::{Agreement, Hello},
    id::{CommunityId, SpaceId},
    sync::{Message, TrieHash, message::SpaceRoot},
};
use comity_tests::{
    community::{Community, Person, page, topic},
    nodes::{POLL, Stopped, TestNode, patiently, wait_for_equal_roots},
    stranger::{Stranger, grants, now_ms},
    transcript::{Frame, Transcript},
};
use std::collections::BTreeSet;

const HELLO: &str = "/comity/hello/1";
const SYNC: &str = "/comity/sync/1";
const GOSSIP: &str = "/comity/gossip/1";
const HOUR_MS: u64 = 3_600_000;

async fn tapped(name: &str, gossip: bool) -> TestNode {
    let mut stopped = Stopped::new(gossip);
    stopped.name(name);
    stopped.keep_transcript();
    stopped.start().await
}

async fn peer_of(node: &TestNode) -> PeerId {
    let status = node.client.status().await.unwrap();
    status.peer_id.parse().unwrap()
}

/// The bodies of frames between a node and a peer, oldest first.
fn frames(transcript: &Transcript, peer: PeerId, way: Way, protocol: &str) -> Vec<Vec<u8>> {
    let fits = |it: &Frame| it.peer == peer && it.way == way && it.protocol == protocol;
    let frames = transcript.frames().into_iter().filter(fits);
    frames.map(|it| it.bytes).collect()
}

fn sent(node: &TestNode, peer: PeerId) -> Vec<Message> {
    let frames = frames(node.transcript(), peer, Way::Sent, SYNC);
    let messages = frames.iter().map(|it| Message::decode(it).unwrap());
    messages.collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hello_tells_a_stranger_nothing_not_even_how_much_stayed_the_same() {
    let node = TestNode::start_with(false).await;
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    let mut ids = Vec::new();
    for name in ["Secret/a", "Secret/b", "Secret/c"] {
        let mut community = Community::found(name, &[node.node.key()]);
        let member = community.member(&format!("{name}/member"));
        node.take_part(&community).await;
        node.grant(community.id, &member).await;
        secrets.push(community.id.as_bytes().to_vec());
        secrets.push(community.party.as_bytes().to_vec());
        let spaces = [community.governance(), community.space("members")];
        secrets.extend(spaces.map(|it| it.as_bytes().to_vec()));
        secrets.push(member.device.public().as_bytes().to_vec());
        secrets.push(member.root.public().as_bytes().to_vec());
        ids.push(community.id);
    }
    let stranger = Stranger::meeting(&node, "Secret/stranger", true).await;
    let mut seen: BTreeSet<[u8; 32]> = BTreeSet::new();
    for _ in 0..3 {
        let bytes = stranger
            .hello_bytes(&node, &stranger.hello_to(&node, &[]).encode())
            .await
            .unwrap();
        for secret in &secrets {
            assert!(!contains(&bytes, secret));
        }
        let answer = Hello::decode(&bytes).unwrap();
        // As many as a node without any community would tell.
        assert_eq!(answer.communities.len(), 8);
        for it in &answer.communities {
            assert!(seen.insert(it.community) && seen.insert(it.governance));
        }
        assert!(seen.insert(answer.nonce));
        // Who knows a community recognizes it, in this direction and with its own key only.
        let from_to = [&node.node.key(), &stranger.key()];
        let governance = comity_protocol::id::GovernanceDigest::from_bytes([0; 32]);
        for id in &ids {
            let agreement = answer.agreement(from_to, *id, governance);
            assert_eq!(agreement, Some(Agreement::Different));
            let back = [from_to[1], from_to[0]];
            assert_eq!(answer.agreement(back, *id, governance), None);
        }
    }
    // On the sync stream a node of no common community hears refusals and nothing else.
    let mut talk = stranger.sync(&node).await;
    for number in [1, 2, 3] {
        let space = SpaceId::from_bytes([number; 32]);
        let root = SpaceRoot {
            space,
            root: TrieHash::EMPTY,
            count: 0,
            after: 0,
        };
        talk.say(&Message::Roots(vec![root])).await;
        let heard = Message::decode(&talk.hear().await.unwrap()).unwrap();
        assert_eq!(heard, Message::Refuse { space });
    }
    stranger.network.shutdown().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_equal_governance_hello_is_one_message_each_way_and_nothing_is_compared() {
    let alice = tapped("Equal/alice", false).await;
    let bob = TestNode::start_with(false).await;
    let community = Community::found("Equal", &[alice.node.key(), bob.node.key()]);
    alice.take_part(&community).await;
    bob.take_part(&community).await;
    bob.connect(&alice).await;
    bob.sync().await;
    let peer = peer_of(&bob).await;
    for way in [Way::Sent, Way::Received] {
        let hellos = frames(alice.transcript(), peer, way, HELLO);
        assert_eq!(hellos.len(), 1, "{way:?}");
        let talk = frames(alice.transcript(), peer, way, SYNC);
        let messages: Vec<_> = talk.iter().map(|it| Message::decode(it).unwrap()).collect();
        let mut roots = Vec::new();
        for message in &messages {
            match message {
                Message::Roots(told) => roots.extend(told.iter().map(|it| it.space)),
                other => panic!("{way:?}: {other:?}"),
            }
        }
        // Each space once: governance is not waited for before the others are opened.
        let mut spaces = vec![community.governance()];
        spaces.extend(["public", "members", "news"].map(|it| community.space(it)));
        spaces.sort();
        assert_eq!(roots, spaces, "{way:?}");
        let bytes: usize = hellos.iter().chain(&talk).map(Vec::len).sum();
        println!(
            "{way:?}: 1 hello and {} frames of sync, {bytes} bytes",
            talk.len()
        );
    }
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_are_the_first_frame_to_a_known_node_and_no_frame_to_any_other() {
    let bob = tapped("Shown/bob", false).await;
    let alice = tapped("Shown/alice", false).await;
    let mut community = Community::found("Shown", &[alice.node.key()]);
    let member = community.member("Shown/member");
    alice.take_part(&community).await;
    bob.take_part(&community).await;
    let mut author = community.delegate.clone();
    let members = community.space("members");
    let hidden = author
        .device
        .create(members, &page("Hidden", "For members."));
    alice.submit(community.id, &[hidden]).await;
    for node in [&alice, &bob] {
        node.grant(community.id, &member).await;
    }
    // Nobody knows bob's node: it shows its grant and is shown none.
    bob.connect(&alice).await;
    bob.wait_for_entries(members, 1).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let (to_alice, to_bob) = (
        sent(&bob, peer_of(&alice).await),
        sent(&alice, peer_of(&bob).await),
    );
    let is_grants = |it: &Message| matches!(it, Message::Grants { .. });
    assert!(is_grants(&to_alice[0]), "{to_alice:?}");
    assert_eq!(to_alice.iter().filter(|it| is_grants(it)).count(), 1);
    assert_eq!(to_bob.iter().filter(|it| is_grants(it)).count(), 0);
    // Nor is a stranger that takes part in the community, or any message with the signature inside.
    let stranger = Stranger::meeting(&bob, "Shown/stranger", true).await;
    stranger.greet(&bob, &[community.id]).await;
    let mut talk = stranger.sync(&bob).await;
    talk.say(&grants(community.id, &[])).await;
    let barrier = SpaceId::from_bytes([0xee; 32]);
    let spaces = vec![barrier];
    talk.say(&Message::Learn { spaces }).await;
    while let Some(frame) = talk.hear().await {
        let message = Message::decode(&frame).unwrap();
        assert!(!is_grants(&message));
        if message == (Message::Refuse { space: barrier }) {
            break;
        }
    }
    let Message::Grants { grants: shown, .. } = &to_alice[0] else {
        panic!("{to_alice:?}")
    };
    let signature = shown[0].signature.as_bytes();
    let heard_by = bob.transcript().sent_with(signature, Default::default());
    assert_eq!(heard_by, vec![(peer_of(&alice).await, SYNC.to_owned())]);
    stranger.network.shutdown().await;
    alice.stop().await;
    bob.stop().await;
}

/// What alice's node sent to a node that may not read the hidden space, while that space was empty or
/// busy with people and a peer that reads it.
async fn towards_a_non_reader(busy: bool) -> (Vec<usize>, Vec<Vec<u8>>) {
    let alice = tapped("Hidden/alice", true).await;
    let carol = tapped("Hidden/carol", true).await;
    let bob = tapped("Hidden/bob", true).await;
    let community = Community::found("Hidden", &[alice.node.key(), carol.node.key()]);
    for node in [&alice, &bob, &carol] {
        node.take_part(&community).await;
    }
    let members = community.space("members");
    carol.connect(&alice).await;
    bob.connect(&alice).await;
    bob.sync().await;
    let mut author = community.delegate.clone();
    let mut written = 0;
    if busy {
        for number in 0..30 {
            let title = format!("Hidden {number}");
            let some: Vec<_> = (0..2)
                .map(|_| {
                    author
                        .device
                        .create(members, &topic(&title, "Not for bob."))
                })
                .collect();
            written += some.len() as u64;
            [&alice, &carol][number % 2]
                .submit(community.id, &some)
                .await;
        }
        for node in [&alice, &carol] {
            // Receipts of both nodes included.
            node.wait_for_entries(members, written + 2).await;
        }
        wait_for_equal_roots(&[&alice, &carol]).await;
    } else {
        // As long as changed roots take to be told again.
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    }
    // A last frame that both runs wait for: what was to be said before it has been said.
    let after = patiently("the roots of all public spaces", async {
        loop {
            let talk = frames(alice.transcript(), peer_of(&bob).await, Way::Sent, SYNC);
            if talk.len() >= 4 && bob.sync().await.peers.iter().all(|it| it.in_sync) {
                return talk;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    let peer = peer_of(&bob).await;
    let hellos = frames(alice.transcript(), peer, Way::Sent, HELLO);
    // Bob names the space, which the charter declares, and is refused as for any other.
    for frame in &after {
        match Message::decode(frame).unwrap() {
            Message::Refuse { space } => assert_eq!(space, members),
            _ => assert!(!contains(frame, members.as_bytes())),
        }
    }
    for needle in [members.to_string().into_bytes(), b"Not for bob".to_vec()] {
        let told = alice.transcript().sent_with(&needle, Default::default());
        assert!(told.iter().all(|(to, _)| *to != peer), "{told:?}");
        // Restricted spaces are nothing to gossip about, even among readers.
        assert!(told.iter().all(|(_, on)| on == SYNC), "{told:?}");
    }
    assert_eq!(bob.set_of(members).await.0, 0);
    for node in [alice, bob, carol] {
        node.stop().await;
    }
    (hellos.iter().map(Vec::len).collect(), after)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_to_a_non_reader_are_the_same_whether_a_hidden_space_is_empty_or_busy() {
    let (quiet_hellos, quiet) = towards_a_non_reader(false).await;
    let (busy_hellos, busy) = towards_a_non_reader(true).await;
    assert_eq!(quiet_hellos, busy_hellos, "number and sizes of hellos");
    assert_eq!(quiet, busy, "frames of sync, byte for byte and in order");
    assert_eq!(quiet.len(), 4, "three roots and a refusal");
    println!(
        "{} hellos and {} frames alike",
        busy_hellos.len(),
        busy.len()
    );
}

/// To whom a node sent these bytes by gossip.
fn gossiped_to(node: &TestNode, bytes: &[u8]) -> BTreeSet<PeerId> {
    let told = node.transcript().sent_with(bytes, Default::default());
    let told = told.into_iter().filter(|(_, on)| on == GOSSIP);
    told.map(|(peer, _)| peer).collect()
}

async fn wait_for_gossip(node: &TestNode, bytes: &[u8], to: PeerId) {
    patiently("gossip", async {
        while !gossiped_to(node, bytes).contains(&to) {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

/// What gossip of a community begins with, and the topics of its public spaces.
fn names(it: &Community) -> [Vec<u8>; 3] {
    let [governance, public] =
        [it.governance(), it.space("public")].map(|space| format!("comity/1/{space}").into_bytes());
    [it.id.as_bytes().to_vec(), governance, public]
}

fn assert_never_told(node: &TestNode, peer: PeerId, bytes: &[u8]) {
    let told = node.transcript().sent_with(bytes, Default::default());
    assert!(told.iter().all(|(to, _)| *to != peer), "{told:?}");
}

/// The stranger guesses right, which takes ids that it was not told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_tells_a_stranger_nothing_and_others_of_what_they_share() {
    const NEWS: &str = "News for those who are in it.";
    let node = tapped("Whispers/node", true).await;
    let friend = TestNode::start().await;
    let keys = [node.node.key(), friend.node.key()];
    let shared = Community::found("Whispers/shared", &keys);
    let other = Community::found("Whispers/other", &keys);
    let stranger = Stranger::meeting(&node, "Whispers/stranger", true).await;
    let (at, peer) = (peer_of(&node).await, stranger.network.peer_id());
    let groups = [&shared, &other].map(|it| GossipGroup::new(*it.id.as_bytes()));
    let listens = stranger.network.admit_to_gossip(at, groups.into()).await;
    assert!(listens.unwrap());
    for (group, community) in groups.into_iter().zip([&shared, &other]) {
        for space in [community.governance(), community.space("public")] {
            let topic = format!("comity/1/{space}");
            stranger.network.subscribe(group, topic).await.unwrap();
        }
        node.take_part(community).await;
        friend.take_part(community).await;
    }
    friend.connect(&node).await;
    // All that the node may tell its friend it tells, and the other way round.
    let friend_peer = peer_of(&friend).await;
    for name in [names(&shared), names(&other)].concat() {
        wait_for_gossip(&node, &name, friend_peer).await;
        patiently("gossip of the friend", async {
            let heard = || frames(node.transcript(), friend_peer, Way::Received, GOSSIP);
            while !heard().iter().any(|it| contains(it, &name)) {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    }
    let mut author = shared.delegate.clone();
    let mut post = |text: &str| {
        let space = shared.space("public");
        author.device.create(space, &topic("News", text))
    };
    node.submit(shared.id, &[post(NEWS)]).await;
    wait_for_gossip(&node, NEWS.as_bytes(), friend_peer).await;
    // Before hello, and after one that names communities of others.
    for _ in 0..2 {
        for name in [names(&shared), names(&other)].concat() {
            assert_never_told(&node, peer, &name);
        }
        assert_never_told(&node, peer, NEWS.as_bytes());
        let sent = frames(node.transcript(), peer, Way::Sent, GOSSIP);
        assert!(sent.is_empty(), "{sent:x?}");
        let elsewhere = CommunityId::from_bytes([7; 32]);
        stranger.greet(&node, &[elsewhere]).await;
    }
    let heard = frames(node.transcript(), peer, Way::Received, GOSSIP);
    let groups = groups.map(|it| it.as_bytes().to_vec());
    let heard: BTreeSet<Vec<u8>> = heard.into_iter().collect();
    assert_eq!(heard, groups.into(), "the rest was not even read");

    // Whoever shares a community hears of that one,
    stranger.greet(&node, &[shared.id]).await;
    for name in names(&shared) {
        wait_for_gossip(&node, &name, peer).await;
    }
    stranger.greet(&node, &[shared.id]).await;
    for name in names(&other) {
        assert_never_told(&node, peer, &name);
    }
    // and no more of it when they are not in it any more.
    stranger.greet(&node, &[]).await;
    patiently("the end of gossip", async {
        for number in 0.. {
            let news = format!("News, number {number} of many.");
            node.submit(shared.id, &[post(&news)]).await;
            wait_for_gossip(&node, news.as_bytes(), friend_peer).await;
            // There and back on its connection: what was queued for it has been sent.
            stranger.greet(&node, &[]).await;
            if !gossiped_to(&node, news.as_bytes()).contains(&peer) {
                return;
            }
        }
    })
    .await;
    stranger.network.shutdown().await;
    node.stop().await;
    friend.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_to_which_most_grants_look_expired_says_that_its_clock_may_be_wrong() {
    let node = TestNode::start_with(false).await;
    let mut community = Community::found("Clock", &[node.node.key()]);
    let people: Vec<Person> = (0..3)
        .map(|it| community.member(&format!("Clock/{it}")))
        .collect();
    node.take_part(&community).await;
    let stranger = Stranger::meeting(&node, "Clock/stranger", true).await;
    stranger.greet(&node, &[community.id]).await;
    let mut talk = stranger.sync(&node).await;
    let until = |end: u64| {
        let all = people.iter();
        let shown = all.map(|it| it.grant(community.id, stranger.key(), end));
        grants(community.id, &shown.collect::<Vec<_>>())
    };
    let doubt = async || {
        let status = node.client.status().await.unwrap();
        let mut warnings = status.warnings.into_iter();
        warnings.find(|it| it.contains("this node's clock"))
    };
    assert_eq!(doubt().await, None);
    talk.say(&until(now_ms() - 1_000)).await;
    let text = patiently("a doubt", async {
        loop {
            match doubt().await {
                Some(text) => return text,
                None => tokio::time::sleep(POLL).await,
            }
        }
    });
    let text = text.await;
    assert!(
        text.contains("3 of 3 grants") && text.contains("check it"),
        "{text}"
    );
    talk.say(&until(now_ms() + HOUR_MS)).await;
    patiently("no doubt any more", async {
        while doubt().await.is_some() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    stranger.network.shutdown().await;
    node.stop().await;
}
