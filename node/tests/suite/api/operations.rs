//! What operators are told: metrics that move when things happen, and whether the node is well.

use super::Running;
use comity_tests::{
    community::{Community, document, topic},
    nodes::{TestNode, patiently},
};
use std::collections::{BTreeMap, BTreeSet};

/// The samples of an exposition, each by name and labels.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    async fn of(client: &comity_client::Client) -> Self {
        let text = client.metrics().await.unwrap();
        Self(parsed(&String::from_utf8(text).unwrap()))
    }

    #[track_caller]
    fn get(&self, sample: &str) -> f64 {
        let value = self.0.get(sample);
        *value.unwrap_or_else(|| panic!("{sample} is not among {:?}", self.0.keys()))
    }
}

/// Reads the text format line by line, and holds every line to it.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut samples = BTreeMap::new();
    let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && !help.contains('\\'), "{line}");
            assert!(helped.insert(name.to_owned()), "twice: {line}");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "no HELP before {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            if kind == "histogram" {
                assert!(name.ends_with("_seconds"), "{line}");
            }
            typed.insert(name.to_owned(), kind.to_owned());
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let is_name = |it: &str| it.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(name.starts_with("comity_") && is_name(name), "{line}");
        let labels = labels.strip_suffix('}').unwrap();
        for label in labels.split(',').filter(|it| !it.is_empty()) {
            let (label, of) = label.split_once('=').unwrap();
            let of = of.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            assert!(is_name(label) && !of.contains('"'), "{line}");
            // Fixed words and bounds only: nothing as long as an id or a key.
            assert!(of.len() <= 16, "{line}");
        }
        let suffixes = ["_bucket", "_sum", "_count"];
        let of_histogram = suffixes.iter().find_map(|it| name.strip_suffix(it));
        let family = of_histogram.filter(|it| typed.contains_key(*it));
        assert!(
            typed.contains_key(family.unwrap_or(name)),
            "no TYPE: {line}"
        );
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0, "{line}");
        assert!(samples.insert(sample.to_owned(), value).is_none(), "{line}");
    }
    let families: BTreeSet<String> = typed.into_keys().collect();
    assert_eq!(families, helped);
    samples
}

#[tokio::test]
async fn what_is_handed_in_is_counted_by_what_became_of_it() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let before = Scrape::of(&node.client).await;
    let space = garden.space("public");
    let post = ada.device.create(space, &topic("Seeds", "Which ones?"));
    node.save(garden.id, &[&post]).await;
    node.submit(garden.id, &[&post]).await;
    let missing = ada.device.create(space, &topic("Absent", "Not handed in."));
    let edit = comity_tests::community::put("title", "Late");
    let waits = ada
        .device
        .edit(space, document(&missing), &[missing.id()], vec![edit]);
    node.submit(garden.id, &[&waits]).await;
    let mut broken = super::decode(&super::encode(&post));
    let last = broken.len() - 1;
    broken[last] ^= 1;
    broken.truncate(last);
    let request = comity_client::types::Submit {
        community: garden.id.to_string(),
        entries: vec![comity_tests::nodes::base64(&broken)],
    };
    let answer = node.client.submit(&request).await.unwrap();
    assert_eq!(answer.results[0].state, "refused");
    assert!(node.client.document("ffffffff", &[]).await.is_err());
    let after = Scrape::of(&node.client).await;

    let grew = |sample: &str| after.get(sample) - before.get(sample);
    let outcome = |it: &str| grew(&format!("comity_ingest_entries_total{{outcome=\"{it}\"}}"));
    assert_eq!(outcome("saved"), 1.0);
    assert_eq!(outcome("already_present"), 1.0);
    assert_eq!(outcome("waiting"), 1.0);
    assert_eq!(after.get("comity_pending_entries"), 1.0);
    let refused = |it: &str| grew(&format!("comity_ingest_refused_total{{reason=\"{it}\"}}"));
    let reasons = ["unreadable", "signature", "links", "community"].map(refused);
    assert_eq!(reasons, [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(grew("comity_store_entries"), 1.0);
    assert_eq!(grew("comity_store_commit_seconds_count"), 1.0);
    assert_eq!(grew("comity_store_fsync_seconds_count"), 1.0);
    assert!(grew("comity_store_fsync_seconds_sum") > 0.0);
    assert!(grew("comity_store_fsync_seconds_sum") <= grew("comity_store_commit_seconds_sum"));
    let record = "comity_store_disk_bytes{part=\"record\"}";
    assert_eq!(grew("comity_store_written_bytes_total"), grew(record));
    assert!(grew(record) > post.encode().len() as f64 / 2.0);
    let stage = |it: &str| {
        grew(&format!(
            "comity_live_stage_seconds_count{{stage=\"{it}\"}}"
        ))
    };
    let stages = ["queued", "verified", "durable", "visible"].map(stage);
    assert_eq!(stages, [0.0, 4.0, 1.0, 1.0]);
    let answered = |it: &str| grew(&format!("comity_api_requests_total{{status=\"{it}\"}}"));
    // Four submissions, and the first look itself.
    assert_eq!((answered("200"), answered("404")), (5.0, 1.0));
    assert_eq!(after.get("comity_store_read_only"), 0.0);
    assert_eq!(after.get("comity_network_up"), 0.0);
}

#[tokio::test]
async fn what_two_nodes_exchange_is_counted_on_both_sides() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let (one, two) = (TestNode::start().await, TestNode::start().await);
    one.take_part(&garden).await;
    two.take_part(&garden).await;
    let space = garden.space("public");
    let posts: Vec<_> = (0..3)
        .map(|n| {
            ada.device
                .create(space, &topic(&format!("Post {n}"), "Text."))
        })
        .collect();
    one.submit(garden.id, &posts).await;
    one.connect(&two).await;
    let (entries, _) = one.set_of(space).await;
    patiently("the posts", two.wait_for_entries(space, entries)).await;
    one.sync().await;
    let (ours, theirs) = (Scrape::of(&one.client).await, Scrape::of(&two.client).await);
    assert_eq!(ours.get("comity_connections{direction=\"outbound\"}"), 1.0);
    assert_eq!(theirs.get("comity_connections{direction=\"inbound\"}"), 1.0);
    for scrape in [&ours, &theirs] {
        assert_eq!(scrape.get("comity_network_up"), 1.0);
        assert!(scrape.get("comity_sync_sessions_total") >= 1.0);
    }
    let (sent, received) = (
        "comity_sync_entries_total{direction=\"sent\"}",
        "comity_sync_entries_total{direction=\"received\"}",
    );
    assert!(ours.get(sent) >= 3.0, "{}", ours.get(sent));
    assert!(theirs.get(received) >= 3.0, "{}", theirs.get(received));
    let size: usize = posts.iter().map(|it| it.encode().len()).sum();
    let bytes = theirs.get("comity_sync_bytes_total{direction=\"received\"}");
    assert!(bytes > size as f64, "{bytes} of {size}");
    assert!(ours.get("comity_sync_bytes_total{direction=\"sent\"}") > size as f64);
    let queued = "comity_live_stage_seconds_count{stage=\"queued\"}";
    assert!(theirs.get(queued) >= 1.0);
    let health = one.client.health().await.unwrap();
    assert_eq!((health.state.as_str(), health.reasons), ("ok", Vec::new()));
    // Whether others reach a node shows in who called whom.
    let called = |it: comity_client::types::NodeStatus| it.peers[0].called_here;
    assert!(!called(one.client.status().await.unwrap()));
    assert!(called(two.client.status().await.unwrap()));
}

#[tokio::test]
async fn a_node_without_network_says_that_it_is_not_well_and_why() {
    let node = Running::new().await;
    let health = node.client.health().await.unwrap();
    assert_eq!(health.state, "unwell");
    let codes: Vec<&str> = health.reasons.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["no_network"]);
    node.node.stop().await;
    let health = node.client.health().await.unwrap();
    assert_eq!(health.reasons[0].code, "stopping");
}
