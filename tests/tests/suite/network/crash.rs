//! A node in a process of its own, killed at random moments while people write to it.
//!
//! `COMITY_TEST_KILLS` gives the number of rounds.

use comity_client::{
    Client, Transport,
    types::{EntryResult, ReindexRequest, Submit},
};
use comity_node::node::{Node, NodeOptions};
use comity_protocol::entry::Entry;
use comity_tests::{
    community::{Community, topic},
    nodes::{Stopped, encoded, patiently},
    random::Random,
};
use std::{path::PathBuf, process::Command, time::Duration};

const HOME: &str = "COMITY_TEST_NODE_HOME";
const NAME: &str = "network::crash::a_node_that_is_killed_keeps_all_it_acknowledged";
const KILLS: usize = 10;

/// Serves until it is killed.
async fn child(home: PathBuf) {
    let node = Node::open(NodeOptions::offline(&home)).await.unwrap();
    node.serve().await.unwrap();
}

async fn running(client: &Client) {
    let waiting = async {
        while client.status().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    patiently("the child's socket", waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_keeps_all_it_acknowledged() {
    if let Some(home) = std::env::var_os(HOME) {
        return child(home.into()).await;
    }
    let kills = std::env::var("COMITY_TEST_KILLS").map_or(KILLS, |it| it.parse().unwrap());
    let fresh = Stopped::new(false).start().await;
    let community = Community::found("Crash", &[fresh.node.key()]);
    fresh.take_part(&community).await;
    let (home, mut author) = (fresh.home(), community.delegate.device.clone());
    let stopped = fresh.stop().await;
    let client = Client::new(Transport::Socket(home.join("node.sock")));
    let mut unsure: Vec<Entry> = Vec::new();
    let (space, mut acknowledged, mut random) =
        (community.space("public"), Vec::new(), Random::new(7));
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env(HOME, &home)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        running(&client).await;
        // The moment of death is the point: somewhere while it takes things in.
        let delay = Duration::from_millis(20 + random.below(150) as u64);
        let killer = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            child.kill().unwrap();
            child.wait().unwrap()
        });
        let before = acknowledged.len();
        loop {
            if unsure.is_empty() {
                let count = 1 + random.below(12);
                let one =
                    |number| author.create(space, &topic(&format!("{round}/{number}"), "Safe?"));
                unsure = (0..count).map(one).collect();
            }
            let request = Submit {
                community: community.id.to_string(),
                entries: encoded(&unsure),
            };
            let Ok(answer) = client.submit(&request).await else {
                // Nobody knows what became of these: they are handed in again.
                break;
            };
            let here = |it: &EntryResult| it.state == "saved" || it.state == "already_present";
            assert!(answer.results.iter().all(here), "{answer:?}");
            acknowledged.extend(std::mem::take(&mut unsure).iter().map(Entry::id));
        }
        assert!(!killer.await.unwrap().success());
        println!(
            "round {round}: {} acknowledged",
            acknowledged.len() - before
        );
    }
    assert!(acknowledged.len() > kills, "too few to tell");
    let node = stopped.start().await;
    node.submit_again(community.id, &unsure).await;
    for entry in &acknowledged {
        node.client.entry(&entry.to_string()).await.unwrap();
    }
    let status = node.client.status().await.unwrap();
    assert_eq!(status.warnings, Vec::<String>::new());
    let report = node.client.verify().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    // Receipts for what the last round brought are still being signed.
    let set = loop {
        let set = node.set_of(space).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        if set == node.set_of(space).await {
            break set;
        }
    };
    assert!(set.0 >= acknowledged.len() as u64);
    node.client
        .reindex(&ReindexRequest::default())
        .await
        .unwrap();
    let node = node.restart().await;
    assert_eq!(node.set_of(space).await, set);
    node.stop().await;
}
