//! A full disk, played by a limit on file sizes in a process of its own.

use super::{Running, encode, refused};
use comity_client::types::Submit;
use comity_node::node::{Node, NodeOptions};
use comity_tests::community::{Community, topic};
use std::{path::Path, process::Command, time::Duration};

const HOME: &str = "COMITY_TEST_FULL_API_HOME";
const LIMIT_KIB: u64 = 3_072;
/// Looks at the status before the test gives up; writing is tried every three seconds.
const LOOKS_MAX: usize = 300;

async fn child(home: &Path) {
    let node = Node::open(NodeOptions::offline(home)).await.unwrap();
    let client = comity_client::Client::new(comity_client::Transport::InProcess(node.in_process()));
    let running = Running {
        node,
        client,
        home: tempfile::tempdir().unwrap(),
    };
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    running.track(&garden).await;
    let space = garden.space("public");
    let mut saved = Vec::new();
    let (last, error) = loop {
        let post = ada
            .device
            .create(space, &topic("Long", &"x".repeat(150_000)));
        let request = Submit {
            community: garden.id.to_string(),
            entries: vec![encode(&post)],
        };
        match running.client.submit(&request).await {
            Ok(_) => saved.push(post),
            failed => break (request, refused(failed, "read_only")),
        }
        assert!(saved.len() < 100, "the limit does not work");
    };
    assert!(error.message.contains("File too large"), "{error:?}");
    assert!(error.hints.iter().any(|it| it.contains("Free space")));
    let status = running.client.status().await.unwrap();
    assert_eq!(status.store, "read_only");
    assert!(status.store_reason.unwrap().contains("File too large"));
    // Reading goes on, nothing acknowledged is lost, and nothing else was saved.
    let mut query = comity_client::types::DocumentQuery {
        limit: Some(500),
        oldest_first: true,
        ..Default::default()
    };
    let listed = running.client.documents(&query).await.unwrap();
    let ids = |items: &[comity_client::types::DocumentSummary]| {
        items.iter().map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    let expected: Vec<String> = saved.iter().map(|it| it.id().to_string()).collect();
    assert_eq!(ids(&listed.items), expected);
    refused(running.client.submit(&last).await, "read_only");

    let unlimited = rustix::process::Rlimit {
        current: None,
        maximum: None,
    };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, unlimited).unwrap();
    let mut looks = 0;
    while running.client.status().await.unwrap().store != "ready" {
        looks += 1;
        assert!(looks < LOOKS_MAX, "writing did not resume");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let results = running.client.submit(&last).await.unwrap().results;
    assert_eq!(results[0].state, "saved");
    query.cursor = None;
    let listed = running.client.documents(&query).await.unwrap();
    assert_eq!(listed.items.len(), saved.len() + 1);
    running.node.stop().await;
    println!("\nsurvived {}", saved.len());
}

#[tokio::test]
async fn a_full_disk_refuses_submissions_and_writing_resumes_by_itself() {
    if let Some(home) = std::env::var_os(HOME) {
        return child(Path::new(&home)).await;
    }
    let home = tempfile::tempdir().unwrap();
    // The signal that comes with the limit is ignored, so that writing fails with an error.
    let script = format!("trap '' XFSZ; ulimit -S -f {LIMIT_KIB}; exec \"$0\" \"$@\"");
    let output = Command::new("bash")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "api::read_only::a_full_disk_refuses_submissions_and_writing_resumes_by_itself",
        ])
        .arg("--nocapture")
        .env(HOME, home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("survived"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
