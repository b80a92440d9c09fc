//! Erasure: afterwards the words are nowhere, and everything else is where it was.

use comity_client::types::ExportLine;
use comity_protocol::{
    entry::Entry,
    id::SpaceId,
    sync::{Key, Message},
};
use comity_tests::{
    community::{Community, Person, document, page, splice, topic},
    files,
    nodes::{TestNode, base64, encoded, wait_for_equal_roots},
    stranger::Stranger,
};
use std::path::Path;

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
    let alice = TestNode::start().await;
    let bob = TestNode::start().await;
    let late = TestNode::start().await;
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
    let offline = late.stop().await;
    assert!(!files::search(&offline.home(), SECRET).0.is_empty());

    // Nobody else can.
    let foreign = it.other.device.erase(space, it.post.id());
    let submit = comity_client::types::Submit {
        community: id.to_string(),
        entries: encoded(&[foreign]),
    };
    let result = &alice.client.submit(&submit).await.unwrap().results[0];
    assert_eq!(result.state, "refused", "{result:?}");
    assert!(
        result
            .reason
            .as_ref()
            .unwrap()
            .contains("only the device that wrote")
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
    alice.submit(id, &erasures).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let late = offline.start().await;
    wait_for_equal_roots(&[&alice, &bob, &late]).await;
    let joined = TestNode::start().await;
    joined.take_part(&it.community).await;
    joined.connect(&bob).await;
    joined
        .wait_for_entries(space, alice.set_of(space).await.0)
        .await;

    let frame = frame_of(&alice, &it.community, space, &it.post).await;
    assert!(!files::contains(&frame, SECRET.as_bytes()));
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
        again.client.reindex().await.unwrap();
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
