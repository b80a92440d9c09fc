//! Erasure: afterwards the words are nowhere, and everything else is where it was.

use comity_client::types::{ExportLine, ReindexRequest};
use comity_net::{PeerId, tap::Way};
use comity_protocol::{
    entry::{Entry, Words},
    id::SpaceId,
    limits::NONCE_BYTES,
    sync::{Key, Message},
};
use comity_tests::{
    community::{Community, Person, document, page, splice, topic},
    files,
    nodes::{POLL, TestNode, base64, encoded, patiently, wait_for_equal_roots},
    stranger::Stranger,
    transcript::Moment,
};
use std::{collections::BTreeSet, path::Path};

const SYNC: &str = "/comity/sync/1";
const SECRET: &str = "quagga-ravine-8841";

fn assert_nowhere(home: &Path) {
    let (found, searched) = files::search(home, SECRET);
    assert!(searched > 1_000, "nothing was searched");
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
}

async fn export(node: &TestNode) -> Vec<ExportLine> {
    let mut lines = node.client.export(None).await.unwrap();
    let mut all = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        all.push(line);
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

/// The frame with which a node gives an entry of a public space to a stranger.
async fn frame_of(
    node: &TestNode,
    community: &Community,
    space: SpaceId,
    entry: &Entry,
) -> Vec<u8> {
    let stranger = Stranger::meeting(node, "Erasure/stranger", true).await;
    stranger.greet(node, &[community.id]).await;
    let mut talk = stranger.sync(node).await;
    let key = entry.key();
    let key = Key::new(&space, &key.author, key.seq, key.id);
    loop {
        let frame = talk.hear().await.unwrap();
        match Message::decode(&frame).unwrap() {
            Message::Roots(roots) => {
                let opened = roots.iter().any(|it| it.space == space);
                talk.say(&Message::Roots(roots)).await;
                if opened {
                    let keys = vec![key];
                    talk.say(&Message::Want { space, keys }).await;
                }
            }
            Message::Entries { .. } => {
                stranger.network.shutdown().await;
                return frame;
            }
            _ => {}
        }
    }
}

/// What no frame may hold: the secret, and the nonces of both texts.
fn forbidden(it: &Erased) -> Vec<Vec<u8>> {
    let nonces = [&it.post, &it.edit].map(|entry| match entry {
        Entry::Contribution(contribution) => match contribution.words() {
            Words::Present(words) => words[..NONCE_BYTES].to_vec(),
            Words::Erased(_) | Words::NotKept => panic!("made with words"),
        },
        _ => panic!("no contribution"),
    });
    [nonces.to_vec(), vec![SECRET.as_bytes().to_vec()]].concat()
}

/// Whom a node sent these bytes to since a moment, on whatever protocol.
fn told(node: &TestNode, bytes: &[u8], since: Moment) -> BTreeSet<PeerId> {
    let sent = node.transcript().sent_with(bytes, since);
    sent.into_iter().map(|(peer, _)| peer).collect()
}

fn assert_in_no_frame(it: &Erased, nodes: &[(&TestNode, Moment)]) {
    for (number, (node, since)) in nodes.iter().enumerate() {
        let searched = node.transcript().bytes_sent(*since);
        assert!(searched > 1_000, "node {number} sent {searched} bytes");
        for bytes in forbidden(it) {
            let sent = node.transcript().sent_with(&bytes, *since);
            assert_eq!(sent, Vec::new(), "node {number} sent {bytes:x?}");
        }
    }
}

/// The frames of sync are messages, and among them are those with these entries.
fn assert_frames_are_whole(node: &TestNode, entries: &[Vec<u8>]) {
    let mut awaited: BTreeSet<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let frames = node.transcript().frames();
    for frame in frames.iter().filter(|frame| frame.protocol == SYNC) {
        let message = Message::decode(&frame.bytes).unwrap();
        if let (Way::Received, Message::Entries { entries, .. }) = (frame.way, message) {
            awaited.retain(|awaited| !entries.iter().any(|it| it == awaited));
        }
    }
    assert!(awaited.is_empty(), "{} did not come", awaited.len());
}

async fn peer_of(node: &TestNode) -> PeerId {
    let status = node.client.status().await.unwrap();
    status.peer_id.parse().unwrap()
}

/// A peer that missed the erasure passes the words on by gossip, then something new; once
/// `further` has the new one, `node` has judged both.
async fn gossip_stale(node: &TestNode, further: &TestNode, it: &mut Erased, space: SpaceId) {
    let stranger = Stranger::meeting(node, "Erasure/stale", true).await;
    let fresh = it.author.device.create(space, &topic("Fresh", "news"));
    let topic = format!("comity/1/{space}");
    stranger.greet(node, &[it.community.id]).await;
    let group = stranger.gossip(node, it.community.id).await;
    stranger
        .network
        .subscribe(group, topic.clone())
        .await
        .unwrap();
    for entry in [&it.post, &it.edit, &fresh] {
        stranger.publish(group, space, entry).await;
    }
    let arrived = async {
        while further.client.entry(&fresh.id().to_string()).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    };
    patiently("the news", arrived).await;
    stranger.network.shutdown().await;
    let heard = node.transcript().frames();
    let heard = heard.iter().filter(|frame| frame.way == Way::Received);
    let secret = SECRET.as_bytes();
    assert!(heard.clone().any(|it| files::contains(&it.bytes, secret)));
}

struct Erased {
    community: Community,
    author: Person,
    other: Person,
    post: Entry,
    edit: Entry,
}

/// A post and an edit of a page that hold the secret, known to all these nodes.
async fn publish(nodes: &[&TestNode], mut community: Community) -> Erased {
    let (mut author, other) = (
        community.member("Erasure/author"),
        community.member("Erasure/other"),
    );
    for node in nodes {
        node.take_part(&community).await;
    }
    let space = community.space("public");
    let title = format!("Title {SECRET}");
    let post = author
        .device
        .create(space, &topic(&title, &format!("Body {SECRET} end")));
    let text = author.device.create(space, &page("Page", "before after"));
    let edit = author.device.edit(
        space,
        document(&text),
        &[text.id()],
        vec![splice(7, 0, &format!("{SECRET} "))],
    );
    let entries = [post.clone(), text.clone(), edit.clone()];
    nodes[0].submit(community.id, &entries).await;
    wait_for_equal_roots(nodes).await;
    Erased {
        community,
        author,
        other,
        post,
        edit,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_words_are_in_no_file_frame_export_or_view() {
    let alice = TestNode::start_tapped().await;
    let bob = TestNode::start_tapped().await;
    let late = TestNode::start_tapped().await;
    let keys = [alice.node.key(), bob.node.key(), late.node.key()];
    bob.connect(&alice).await;
    late.connect(&alice).await;
    let community = Community::found("Erasure", &keys);
    let mut it = publish(&[&alice, &bob, &late], community).await;
    let (id, space) = (it.community.id, it.community.space("public"));
    let text = it.edit.clone();
    let Entry::Contribution(contribution) = &text else {
        panic!("no contribution")
    };
    let page = contribution.header().document(text.id());
    let before = bob.show(page).await;
    assert_eq!(
        before.text("body"),
        Some(format!("before {SECRET} after").as_str())
    );
    assert!(!files::search(&bob.home(), SECRET).0.is_empty());
    let frame = frame_of(&alice, &it.community, space, &it.post).await;
    assert!(files::contains(&frame, SECRET.as_bytes()));
    let (bob_peer, late_peer) = (peer_of(&bob).await, peer_of(&late).await);
    let start = Moment::default();
    for bytes in forbidden(&it) {
        assert!(told(&alice, &bytes, start).is_superset(&[bob_peer, late_peer].into()));
    }
    let asked = alice.transcript().sent_with(SECRET.as_bytes(), start);
    assert!(asked.iter().any(|(_, protocol)| protocol == SYNC));
    let late_since = late.transcript().now();
    let offline = late.stop().await;
    assert!(!files::search(&offline.home(), SECRET).0.is_empty());

    // Nobody else can.
    let foreign = it.other.device.erase(space, it.post.id());
    let submit = comity_client::types::Submit {
        community: id.to_string(),
        entries: encoded(&[foreign]),
    };
    let result = &alice.client.submit(&submit).await.unwrap().results[0];
    assert_eq!(result.state, "unauthorized", "{result:?}");
    assert!(
        result
            .reason
            .as_ref()
            .unwrap()
            .contains("only the person who wrote")
    );
    assert!(
        bob.show(it.post.id())
            .await
            .text("body")
            .unwrap()
            .contains(SECRET)
    );

    let heads = before.summary.heads.clone();
    let erasures = [it.post.id(), it.edit.id()].map(|id| it.author.device.erase(space, id));
    // All who are here have the words, so nobody has a reason to send them from now on.
    let before_erasure = [&alice, &bob].map(|node| node.transcript().now());
    alice.submit(id, &erasures).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let late = offline.start().await;
    wait_for_equal_roots(&[&alice, &bob, &late]).await;
    let joined = TestNode::start_tapped().await;
    joined.take_part(&it.community).await;
    joined.connect(&bob).await;
    joined
        .wait_for_entries(space, alice.set_of(space).await.0)
        .await;

    let frame = frame_of(&alice, &it.community, space, &it.post).await;
    assert!(!files::contains(&frame, SECRET.as_bytes()));
    let joined_peer = peer_of(&joined).await;
    let erasures = erasures.map(|it| it.encode());
    for erasure in &erasures {
        assert!(told(&alice, erasure, start).is_superset(&[bob_peer, late_peer].into()));
        assert_eq!(told(&bob, erasure, start), [joined_peer].into());
    }
    assert_frames_are_whole(&joined, &erasures);
    gossip_stale(&joined, &bob, &mut it, space).await;
    wait_for_equal_roots(&[&alice, &bob, &late, &joined]).await;
    let watched = [
        (&alice, before_erasure[0]),
        (&bob, before_erasure[1]),
        (&late, late_since),
        (&joined, start),
    ];
    assert_in_no_frame(&it, &watched);
    let exported = export(&alice).await;
    assert_eq!(
        exported.iter().map(|line| line.erased.len()).sum::<usize>(),
        2
    );
    let nodes = [alice, bob, late, joined];
    for node in &nodes {
        assert_nowhere(&node.home());
        let view = node.show(page).await;
        assert_eq!(view.summary.heads, heads);
        let body = view.text("body").unwrap();
        assert_eq!(
            body.chars().count(),
            before.text("body").unwrap().chars().count()
        );
        assert!(
            body.starts_with("before ") && body.ends_with("after"),
            "{body}"
        );
        let view = node.show(it.post.id()).await;
        assert!(view.summary.erased);
        assert!(!format!("{view:?}").contains(SECRET));
        let lines = export(node).await;
        assert_eq!(lines, exported);
        assert!(!serde_json::to_string(&lines).unwrap().contains(SECRET));
        let raw = node.client.entry(&it.post.id().to_string()).await.unwrap();
        assert_ne!(raw.entry, base64(&it.post.encode()));
        let events = node.client.events(Some(0)).await.unwrap();
        assert!(!all_past(events).await.contains(SECRET));
        let report = node.client.verify().await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
    for node in nodes {
        let stopped = node.stop().await;
        assert_nowhere(&stopped.home());
        let again = stopped.start().await;
        assert_eq!(export(&again).await, exported);
        again
            .client
            .reindex(&ReindexRequest::default())
            .await
            .unwrap();
        assert_eq!(export(&again).await, exported);
        assert_nowhere(&again.stop().await.home());
    }
}

async fn all_past(mut events: comity_client::EventStream) -> String {
    let mut all = String::new();
    while let Some(event) = events.next().await.unwrap() {
        if event.event == "caught_up" {
            break;
        }
        all.push_str(&format!("{event:?}\n"));
    }
    all
}
