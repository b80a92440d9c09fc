//! Two and three real nodes over loopback.

mod access;
mod attacks;
mod crash;
mod cut_off;
mod equivocation;
mod erasure;
mod expelled;
mod full_disk;
mod hostile;
mod joining;
mod linking;
mod ordered;
mod partial;
mod partitions;
mod privacy;
mod progress;
mod reach;
mod restricted;
mod transfer;

use comity_client::types::DocumentQuery;
use comity_tests::{
    community::{Community, document, page, reply, splice, topic},
    nodes::{TestNode, wait_for_equal_roots},
};

async fn two_nodes(gossip: bool) -> (TestNode, TestNode, Community) {
    let alice = TestNode::start_with(gossip).await;
    let bob = TestNode::start_with(gossip).await;
    let community = Community::found("Pilot", &[alice.node.key(), bob.node.key()]);
    alice.take_part(&community).await;
    bob.take_part(&community).await;
    (alice, bob, community)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_reaches_the_other() {
    let (alice, bob, mut community) = two_nodes(true).await;
    let space = community.space("public");
    let mut author = community.delegate.clone();
    let question = author
        .device
        .create(space, &topic("Where is it?", "I looked everywhere."));
    alice
        .submit(community.id, std::slice::from_ref(&question))
        .await;
    bob.connect(&alice).await;
    bob.sync().await;
    let view = bob
        .client
        .document(&question.id().to_string(), &[])
        .await
        .unwrap();
    assert_eq!(view.summary.title, "Where is it?");
    assert_eq!(view.text("body"), Some("I looked everywhere."));

    let answer = author
        .device
        .create(space, &reply(document(&question), "Under the table."));
    bob.submit(community.id, &[answer]).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let view = alice
        .client
        .document(&question.id().to_string(), &[])
        .await
        .unwrap();
    assert_eq!(view.replies.len(), 1);
    community.delegate = author;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_converge_without_gossip() {
    let (alice, bob, community) = two_nodes(false).await;
    let mut author = community.delegate.clone();
    bob.connect(&alice).await;
    bob.sync().await;
    let space = community.space("members");
    let text = author.device.create(space, &page("Plan", "one two three"));
    alice
        .submit(community.id, std::slice::from_ref(&text))
        .await;
    let heads = [text.id()];
    let edit = author
        .device
        .edit(space, document(&text), &heads, vec![splice(0, 3, "ONE")]);
    alice.submit(community.id, &[edit]).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let view = bob
        .client
        .document(&text.id().to_string(), &[])
        .await
        .unwrap();
    assert_eq!(view.text("body"), Some("ONE two three"));
    let list = bob
        .client
        .documents(&DocumentQuery::default())
        .await
        .unwrap();
    assert_eq!(list.items.len(), 1);
    alice.stop().await;
    bob.stop().await;
}
