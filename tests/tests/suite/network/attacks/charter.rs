//! A delegate who signs two resolutions for one place.

use super::{stop, tapped};
use comity_protocol::certificate::Change;
use comity_tests::{
    alliance::{A, Alliance, B, C, party},
    nodes::{POLL, TestNode, patiently, wait_for_equal_roots},
};

/// Waits until all nodes call the community so.
async fn called(nodes: [&TestNode; 3], alliance: &Alliance, name: &str) {
    let waiting = async {
        for node in nodes {
            while node
                .client
                .community(&alliance.id.to_string())
                .await
                .unwrap()
                .name
                != name
            {
                tokio::time::sleep(POLL).await;
            }
        }
    };
    patiently(&format!("the name {name}"), waiting).await;
}

/// The one fork that a node shows: its children and the winner. It keeps both certificates.
async fn fork(node: &TestNode, alliance: &Alliance) -> (Vec<String>, String) {
    let charter = node.client.charter(&alliance.id.to_string(), None).await;
    let forks = charter.unwrap().forks;
    assert_eq!(forks.len(), 1, "{forks:?}");
    for child in &forks[0].children {
        node.client.entry(child).await.unwrap();
    }
    (forks[0].children.clone(), forks[0].winner.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delegate_who_signs_two_resolutions_is_proven_and_splits_nobody() {
    let alder = tapped("Twice signed/alder").await;
    let birch = tapped("Twice signed/birch").await;
    let cedar = tapped("Twice signed/cedar").await;
    let nodes = [&alder, &birch, &cedar];
    let keys = nodes.map(|it| [it.node.key()]);
    let mut alliance = Alliance::found(
        "Twice signed",
        &[
            party("Alder", &keys[0]),
            party("Birch", &keys[1]),
            party("Cedar", &keys[2]),
        ],
    );
    for node in nodes {
        node.take_part_in(&alliance).await;
    }
    // Birch's delegate certifies one with Alder and the other with Cedar, out of each other's sight.
    let rename =
        |by: &[usize], name: &str| alliance.resolution(by, vec![Change::SetName(name.to_owned())]);
    let with_alder = rename(&[A, B], "Orchard");
    let with_cedar = rename(&[B, C], "Wood");
    alder
        .submit(alliance.id, std::slice::from_ref(&with_alder))
        .await;
    cedar
        .submit(alliance.id, std::slice::from_ref(&with_cedar))
        .await;
    birch.connect(&alder).await;
    cedar.connect(&birch).await;
    wait_for_equal_roots(&nodes).await;
    let (lower, lower_name, higher, higher_name) = if with_alder.id() < with_cedar.id() {
        (with_alder.id(), "Orchard", with_cedar.id(), "Wood")
    } else {
        (with_cedar.id(), "Wood", with_alder.id(), "Orchard")
    };
    // Nobody has chosen: the lowest id. Both stay at every node, and with them the proof.
    called(nodes, &alliance, lower_name).await;
    let proof = vec![lower.to_string(), higher.to_string()];
    for node in nodes {
        let shown = fork(node, &alliance).await;
        assert_eq!(shown, (proof.clone(), lower.to_string()));
    }
    // One party's choice moves it, the same party's second choice takes its word away, and the word of
    // most parties decides: everywhere alike.
    for (node, side, chosen, name) in [
        (&alder, B, higher, higher_name),
        (&cedar, B, lower, lower_name),
        (&birch, A, higher, higher_name),
        (&alder, C, higher, higher_name),
    ] {
        let choice = alliance.choose(side, chosen);
        node.submit(alliance.id, &[choice]).await;
        wait_for_equal_roots(&nodes).await;
        called(nodes, &alliance, name).await;
    }
    for node in nodes {
        let shown = fork(node, &alliance).await;
        assert_eq!(shown, (proof.clone(), higher.to_string()));
    }
    // After a restart too.
    let cedar = cedar.restart().await;
    called([&alder, &birch, &cedar], &alliance, higher_name).await;
    stop([alder, birch, cedar]).await;
}
