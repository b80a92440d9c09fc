//! A full disk under a node: it says so, loses nothing, and goes on by itself.

use comity_client::types::Submit;
use comity_protocol::entry::Entry;
use comity_tests::{
    community::{Community, document, reply, topic},
    nodes::{TestNode, encoded, patiently},
};
use std::{process::Command, time::Duration};

const CHILD: &str = "COMITY_TEST_FULL_DISK";
const NAME: &str = "network::full_disk::a_full_disk_makes_a_node_read_only_until_there_is_room";
const LIMIT_KIB: u64 = 3_072;

/// Runs with a limit on file sizes, which shows as a full disk does.
async fn child() {
    let node = TestNode::start().await;
    let community = Community::found("Full", &[node.node.key()]);
    node.take_part(&community).await;
    let (space, mut author) = (community.space("public"), community.delegate.device.clone());
    let mut saved: Vec<Entry> = Vec::new();
    let refused = loop {
        assert!(saved.len() < 60, "the limit was never met");
        let large = author.create(space, &topic("Large", &"all work ".repeat(10_000)));
        let request = Submit {
            community: community.id.to_string(),
            entries: encoded(std::slice::from_ref(&large)),
        };
        match node.client.submit(&request).await {
            Ok(answer) => {
                assert_eq!(answer.results[0].state, "saved");
                saved.push(large);
            }
            Err(error) => break error,
        }
    };
    assert!(saved.len() > 20, "{}", saved.len());
    assert_eq!(refused.code(), Some("read_only"));
    let told = refused.to_string();
    assert!(
        told.contains("nothing was saved") && told.contains("File too large"),
        "{told}"
    );
    let status = node.client.status().await.unwrap();
    assert_eq!(status.store, "read_only");
    assert!(status.store_reason.unwrap().contains("File too large"));
    let all_there = async |node: &TestNode| {
        for entry in &saved {
            let view = node.show(entry.id()).await;
            assert_eq!(view.text("body").unwrap().len(), 90_000);
        }
    };
    all_there(&node).await;
    let unlimited = rustix::process::Rlimit {
        current: None,
        maximum: None,
    };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, unlimited).unwrap();
    let ready = async {
        while node.client.status().await.unwrap().store != "ready" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    patiently("room", ready).await;
    let answer = author.create(space, &reply(document(&saved[0]), "Room again."));
    node.submit(community.id, &[answer]).await;
    let node = node.restart().await;
    all_there(&node).await;
    assert_eq!(node.show(saved[0].id()).await.replies.len(), 1);
    node.stop().await;
    println!("\nsurvived {}", saved.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_makes_a_node_read_only_until_there_is_room() {
    if std::env::var_os(CHILD).is_some() {
        return child().await;
    }
    // The signal that comes with the limit is ignored, so that writing fails with an error.
    let script = format!("trap '' XFSZ; ulimit -S -f {LIMIT_KIB}; exec \"$0\" \"$@\"");
    let exe = std::env::current_exe().unwrap();
    let running = tokio::task::spawn_blocking(move || {
        Command::new("bash")
            .args(["-c", &script])
            .arg(exe)
            .args(["--exact", NAME, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap()
    });
    let output = running.await.unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(out.contains("survived"), "{out}\n{err}");
}
