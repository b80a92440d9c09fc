//! Two people, two node processes.

use super::{Person, says};
use serde_json::Value;

pub(super) fn joined() -> (Person, Person) {
    let (alice, bob) = (Person::founder(), Person::ready("Bob"));
    says(&alice.start(), &["/ip4/127.0.0.1/tcp/", "/p2p/"]);
    let invited = alice.run(&["invite"]);
    says(&invited.err, &["secret", "this machine only", "7 days"]);
    // Queued while Bob's node does not run, answered once it does.
    let asked = bob.run(&["join", invited.out.trim()]);
    says(&asked.err, &["not answered yet", "comity node start"]);
    bob.start();
    let waited = bob.run(&["join", invited.out.trim(), "--wait"]);
    assert!(
        waited.code == 0 || waited.err.contains("already"),
        "{waited:?}"
    );
    (alice, bob)
}

fn roots(person: &Person) -> Vec<(Value, Value)> {
    let status = person.json(&["sync", "status"]);
    let spaces = status["spaces"].as_array().unwrap().iter();
    spaces
        .map(|it| (it["id"].clone(), it["root"].clone()))
        .collect()
}

#[test]
fn words_travel_both_ways_and_sets_become_equal() {
    let (alice, bob) = joined();
    let topic = alice.publish("members", "idea", "A better grinder");
    bob.ok(&["sync", "--wait"]);
    says(
        &bob.ok(&["show", &topic[..10]]),
        &["A better grinder", "Alice (Coffee Club)"],
    );
    let reply = bob.run(&["reply", &topic[..10], "-m", "Yes"]);
    says(&reply.err, &["on its way to 1 peer"]);
    bob.ok(&["sync", "--wait"]);
    says(&alice.ok(&["show", &topic]), &["Bob (Coffee Club)", "Yes"]);
    says(&alice.ok(&["community", "show"]), &["2 members", "Bob"]);

    bob.ok(&["node", "stop"]);
    let offline = bob.run(&["reply", &topic, "-m", "Written offline"]);
    says(&offline.err, &["not yet at any peer"]);
    bob.start();
    bob.ok(&["sync", "--wait"]);
    says(&alice.ok(&["show", &topic]), &["Written offline"]);

    // Receipts go on for a moment; equal sets come soon after.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while roots(&alice) != roots(&bob) {
        assert!(std::time::Instant::now() < deadline, "sets differ");
        bob.ok(&["sync", "--wait"]);
    }
    assert_eq!(alice.ok(&["export"]), bob.ok(&["export"]));
    bob.ok(&["node", "stop"]);
    alice.ok(&["node", "stop"]);
    says(&alice.ok(&["node", "logs"]), &["connected"]);
}

#[test]
fn a_sync_without_a_running_node_reaches_peers_by_itself() {
    let (alice, bob) = joined();
    bob.ok(&["node", "stop"]);
    let topic = alice.publish("lobby", "note", "News");
    bob.ok(&["sync", "--wait"]);
    says(&bob.ok(&["show", &topic]), &["News"]);
}

#[test]
fn the_demonstration_ends_well() {
    let somebody = Person::new();
    let told = somebody.ok(&["demo"]);
    says(
        &told,
        &[
            "alice$ comity invite",
            "bob$ comity join",
            "batches of 200 grams",
            "equal sets",
        ],
    );
    let demo = somebody.json(&["demo"]);
    assert_eq!(demo["equal"], true);
    assert_eq!(demo["heads"].as_array().unwrap().len(), 2);
    says(demo["text"].as_str().unwrap(), &["200 grams", "two days"]);
}
