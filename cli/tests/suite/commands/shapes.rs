//! With `--json` standard output holds values whose shape scripts rely on.

use super::{Person, says};
use serde_json::Value;

#[track_caller]
fn has(value: &Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "{name} is not in {value}");
    }
}

#[test]
fn every_command_that_gives_data_gives_json() {
    let alice = Person::new();
    has(
        &alice.json(&["init", "--name", "Alice", "--no-passphrase"]),
        &["home", "node", "root", "device", "identity"],
    );
    let community = alice.json(&["community", "create", "Coffee", "--space", "lobby:everyone"]);
    has(
        &community,
        &["id", "name", "complete", "parties", "spaces", "members"],
    );
    assert_eq!(community["spaces"].as_array().unwrap().len(), 1);
    let file = alice.write("a.md", "Hello");
    // The only space need not be named.
    let published = alice.json(&["publish", &file, "--kind", "page"]);
    has(&published, &["id", "community", "space", "saved", "peers"]);
    let id = published["id"].as_str().unwrap();
    let edited = alice.json(&["edit", id, &alice.write("b.md", "Hello!")]);
    has(&edited, &["id", "heads", "changed", "peers"]);
    has(
        &alice.json(&["show", id]),
        &["summary", "at", "fields", "replies"],
    );
    has(&alice.json(&["list"]), &["items", "next"]);
    has(
        &alice.json(&["list", "--author", "me", "--limit", "1"])["items"][0],
        &["id", "author"],
    );
    assert_eq!(alice.json(&["history", id]).as_array().unwrap().len(), 2);
    has(&alice.json(&["diff", id, id]), &["a", "b", "fields"]);
    has(&alice.json(&["blame", id])[0], &["text", "by", "author"]);
    has(
        &alice.json(&["sync", "status"]),
        &["spaces", "peers", "mine"],
    );
    has(
        &alice.json(&["node", "status"]),
        &["node", "peer_id", "store", "entries"],
    );
    has(&alice.json(&["verify"]), &["entries", "problems", "bytes"]);
    has(
        &alice.json(&["invite"]),
        &["ticket", "addresses", "expires_ms", "uses"],
    );
    assert_eq!(alice.json(&["join", "--status"]), Value::Array(Vec::new()));
    has(&alice.json(&["community", "list"])[0], &["id", "members"]);
    has(
        &alice.json(&["space", "list"])[0],
        &["id", "readers", "writers", "root"],
    );
    has(
        &alice.json(&["erase", id, "--yes"]),
        &["document", "erased"],
    );
    let events = alice.ok(&["watch", "--since", "0", "--json"]);
    for line in events.lines() {
        has(&serde_json::from_str(line).unwrap(), &["cursor", "event"]);
    }
    let error = alice.fails(1, &["show", "0000000000", "--json"]);
    has(
        &serde_json::from_str::<Value>(&error).unwrap()["error"],
        &["message", "hints"],
    );
}

#[test]
fn a_watch_goes_on_where_the_last_one_ended() {
    let alice = Person::founder();
    alice.publish("lobby", "note", "one");
    let events = alice.ok(&["watch", "--since", "0", "--json", "--stop-when-caught-up"]);
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "caught_up");
    alice.publish("lobby", "note", "two");
    let cursor = last["cursor"].to_string();
    let more = alice.ok(&["watch", "--since", &cursor, "--stop-when-caught-up"]);
    assert_eq!(more.lines().count(), 1, "{more}");
    says(&more, &["entry create topic", "two", "by Alice"]);
}

#[test]
fn completions_and_version_need_nothing() {
    let nobody = Person::new();
    for shell in ["bash", "zsh", "fish"] {
        says(&nobody.ok(&["completions", shell]), &["comity"]);
    }
    says(
        &nobody.ok(&["--version"]),
        &["comity ", env!("CARGO_PKG_VERSION")],
    );
    says(
        &nobody.ok(&["publish", "--help"]),
        &["Examples:", "--origin"],
    );
}
