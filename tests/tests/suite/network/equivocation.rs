//! Authors who sign two contributions with one number, or withhold one.

use comity_client::types::SyncStatus;
use comity_protocol::{contribution::ChainLink, entry::Entry, id::SpaceId};
use comity_tests::{
    community::{Community, Person, topic},
    nodes::{TestNode, wait_for_equal_roots},
};

async fn two_nodes(name: &str) -> (TestNode, TestNode, Community) {
    let alice = TestNode::start().await;
    let bob = TestNode::start().await;
    let community = Community::found(name, &[alice.node.key(), bob.node.key()]);
    alice.take_part(&community).await;
    bob.take_part(&community).await;
    (alice, bob, community)
}

/// Topics that all stand at one place of the author's chain.
fn doubles(author: &mut Person, space: SpaceId, link: ChainLink, count: usize) -> Vec<Entry> {
    let double = |number| {
        author.device.set_next_link(space, link);
        author
            .device
            .create(space, &topic(&format!("Version {number}"), "Which?"))
    };
    (0..count).map(double).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_and_a_thousand_entries_with_one_number_split_nobody() {
    let (alice, bob, community) = two_nodes("Doubles").await;
    let space = community.space("public");
    let mut author = community.delegate.clone();
    for (count, seq) in [(2, 1), (1_000, 2)] {
        let link = author.device.next_link(space);
        assert_eq!(link.seq, seq);
        let entries = doubles(&mut author, space, link, count);
        let (ours, theirs) = entries.split_at(count / 2);
        alice.submit(community.id, ours).await;
        bob.submit(community.id, theirs).await;
        if seq == 1 {
            bob.connect(&alice).await;
        }
        wait_for_equal_roots(&[&alice, &bob]).await;
        let forked = |status: &SyncStatus| {
            let space = space.to_string();
            let chain = status.irregular.iter().find(|it| it.space == space)?;
            assert_eq!(chain.author, community.delegate.device.public().to_string());
            assert_eq!(chain.gap_at, None);
            chain.fork_at.clone()
        };
        let shown = alice.wait_for("the fork", forked).await;
        assert_eq!(bob.wait_for("the fork", forked).await, shown);
        assert_eq!(shown.0, 1);
        assert_ne!(shown.1, shown.2);
        for node in [&alice, &bob] {
            assert!(node.set_of(space).await.0 >= count as u64);
            for entry in [&entries[0], &entries[count - 1]] {
                node.show(entry.id()).await;
            }
        }
    }
    let (entries, root) = alice.set_of(space).await;
    assert!(entries >= 1_002);
    // The fork outlives a restart, and so does the set.
    let bob = bob.restart().await;
    let forks = bob.wait_for("the fork", |it| it.irregular.first()?.fork_at.clone());
    assert_eq!(forks.await.0, 1);
    wait_for_equal_roots(&[&alice, &bob]).await;
    assert_eq!(bob.set_of(space).await.1, alice.set_of(space).await.1);
    assert!(!root.is_empty());
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withheld_entry_shows_as_a_gap_everywhere_until_it_arrives() {
    let (alice, bob, community) = two_nodes("Gap").await;
    bob.connect(&alice).await;
    let space = community.space("public");
    let mut author = community.delegate.clone();
    let mut create = |title| author.device.create(space, &topic(title, "Text."));
    let (first, withheld, third) = (create("First"), create("Withheld"), create("Third"));
    alice.submit(community.id, &[first, third.clone()]).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let gap = |status: &SyncStatus| {
        let space = space.to_string();
        status.irregular.iter().find(|it| it.space == space)?.gap_at
    };
    for node in [&alice, &bob] {
        assert_eq!(node.wait_for("a gap", gap).await, 2);
        // A gap holds nothing back.
        assert_eq!(node.show(third.id()).await.summary.title, "Third");
    }
    bob.submit(community.id, &[withheld]).await;
    for node in [&alice, &bob] {
        let whole = |status: &SyncStatus| status.irregular.is_empty().then_some(());
        node.wait_for("no gap", whole).await;
    }
    alice.stop().await;
    bob.stop().await;
}
