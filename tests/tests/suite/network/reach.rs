//! Nodes in networks of their own, as real processes: behind routers, over relays, with cut wires.

use comity_tests::{
    netlab::{Lab, Space},
    nodes::{PATIENCE_MS, POLL},
    stories::actor::Actor,
};
use serde_json::Value;
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Waits until `look` gives something.
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        thread::sleep(POLL);
    }
}

fn person(stage: &Path, name: &str, space: &Space) -> Actor {
    let mut actor = Actor::new(stage, name);
    actor.lives_in(space);
    actor.init();
    actor
}

/// Addresses at which a node says it can be called.
fn addresses(actor: &Actor) -> Vec<String> {
    let status = json(&actor.ok(&["node", "status", "--json"]));
    let listening = status["listening"].as_array().unwrap();
    let texts = listening.iter().map(|it| it.as_str().unwrap().to_owned());
    texts.collect()
}

fn circuit(actor: &Actor) -> String {
    let is_circuit = |it: &String| it.contains("/p2p-circuit/");
    until("a place at the relay", || {
        addresses(actor).into_iter().find(is_circuit)
    })
}

#[test]
fn two_nodes_behind_routers_meet_over_a_third() {
    let Some(mut lab) = Lab::new("two_nodes_behind_routers_meet_over_a_third") else {
        return;
    };
    let stage = tempfile::tempdir().unwrap();
    let [alices, bobs, between] = ["alice", "bob", "relay"].map(|it| lab.space(it));
    lab.wire([(&alices, "10.0.1.2/24"), (&between, "10.0.1.1/24")]);
    lab.wire([(&bobs, "10.0.2.2/24"), (&between, "10.0.2.1/24")]);
    let carol = person(stage.path(), "carol", &between);
    let alice = person(stage.path(), "alice", &alices);
    let bob = person(stage.path(), "bob", &bobs);
    carol.ok(&["community", "create", "Coffee", "--party", "Club"]);
    let listen = ["node", "start", "--listen", "/ip4/0.0.0.0/tcp/7440"];
    carol.ok(&[&listen[..], &["--public"]].concat());
    alice.ok(&listen);
    bob.ok(&listen);
    for member in [&alice, &bob] {
        let ticket = carol.ok(&["invite"]);
        member.ok(&["join", &ticket, "--wait"]);
    }
    let address = circuit(&bob);
    circuit(&alice);
    alice.ok(&["node", "connect", &address]);
    let status = json(&alice.ok(&["node", "status", "--json"]));
    let peers = status["peers"].as_array().unwrap();
    let over_a_third = |it: &&Value| it["address"].as_str().unwrap().contains("/p2p-circuit/");
    assert_eq!(peers.iter().filter(over_a_third).count(), 1, "{status:#}");
}
