//! Nodes in networks of their own, as real processes: behind routers, over relays, with cut wires.

use comity_tests::{
    netlab::{Lab, Space, Wire},
    nodes::POLL,
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

/// Longer than elsewhere: that a wire was cut, or a machine is gone, shows after two missed pings.
const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until `look` gives something.
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
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

/// Three people in one community. Carol's node is public; the others listen, and joined by hers.
struct Three {
    carol: Actor,
    alice: Actor,
    bob: Actor,
    _stage: tempfile::TempDir,
}

const LISTEN: [&str; 4] = ["node", "start", "--listen", "/ip4/0.0.0.0/tcp/7440"];

impl Three {
    fn meet([carols, alices, bobs]: [&Space; 3], carols_address: &[&str]) -> Self {
        let stage = tempfile::tempdir().unwrap();
        let carol = person(stage.path(), "carol", carols);
        let alice = person(stage.path(), "alice", alices);
        let bob = person(stage.path(), "bob", bobs);
        carol.ok(&["community", "create", "Coffee", "--party", "Club"]);
        carol.ok(&[&LISTEN[..], &["--public"]].concat());
        for member in [&alice, &bob] {
            member.ok(&LISTEN);
            let ticket = carol.ok(&[&["invite"], carols_address].concat());
            member.ok(&["join", &ticket, "--wait"]);
        }
        Self {
            carol,
            alice,
            bob,
            _stage: stage,
        }
    }
}

fn peer_id(actor: &Actor) -> String {
    let status = json(&actor.ok(&["node", "status", "--json"]));
    status["peer_id"].as_str().unwrap().to_owned()
}

/// How a node is connected to another: `direct` or `relayed`, from its doctor.
fn connected(actor: &Actor, other: &str) -> Option<String> {
    let doctor = json(&actor.ok(&["node", "doctor", "--json"]));
    let peers = doctor["peers"].as_array().unwrap();
    let peer = peers.iter().find(|it| it["peer_id"] == other)?;
    let links = peer["links"].as_array().unwrap();
    let direct = links.iter().any(|it| it["relayed"] == false);
    Some(if direct { "direct" } else { "relayed" }.to_owned())
}

fn publish(actor: &Actor, title: &str) {
    let words = [
        "publish", "-", "--title", title, "--space", "lobby", "--yes",
    ];
    actor.ok_with(&words, "words");
}

fn titles(actor: &Actor) -> Vec<String> {
    let list = json(&actor.ok(&["list", "--json"]));
    let items = list["items"].as_array().unwrap();
    let titles = items
        .iter()
        .map(|it| it["title"].as_str().unwrap().to_owned());
    titles.collect()
}

fn until_shown(actors: &[&Actor], title: &str) {
    for actor in actors {
        let what = format!("{title} at {}", actor.name);
        until(&what, || {
            titles(actor).iter().any(|it| it == title).then_some(())
        });
    }
}

/// Alice and Bob have a wire to the relay each, and nothing passes from one to the other. Gives the
/// ends of Alice's wire, then of Bob's.
fn separate(lab: &mut Lab) -> ([Space; 3], [[Wire; 2]; 2]) {
    let [alices, bobs, between] = ["alice", "bob", "relay"].map(|it| lab.space(it));
    let alices_wire = lab.wire([(&alices, "10.0.1.2/24"), (&between, "10.0.1.1/24")]);
    let bobs_wire = lab.wire([(&bobs, "10.9.2.2/24"), (&between, "10.9.2.1/24")]);
    ([between, alices, bobs], [alices_wire, bobs_wire])
}

#[test]
fn two_nodes_in_separate_networks_find_each_other_over_a_third() {
    let test = "two_nodes_in_separate_networks_find_each_other_over_a_third";
    let Some(mut lab) = Lab::new(test) else {
        return;
    };
    let (spaces, [[alices_end, _], [bobs_end, _]]) = separate(&mut lab);
    let three = Three::meet(spaces.each_ref(), &[]);
    let Three {
        carol, alice, bob, ..
    } = &three;
    // Nobody told either of the other: they stand in the address book.
    let (alices_id, bobs_id) = (peer_id(alice), peer_id(bob));
    until("alice and bob to meet", || connected(alice, &bobs_id));
    assert_eq!(connected(alice, &bobs_id).as_deref(), Some("relayed"));
    assert_eq!(connected(bob, &alices_id).as_deref(), Some("relayed"));
    publish(alice, "first");
    until_shown(&[bob, carol], "first");

    // Cut off, each goes on alone; healed, all are equal.
    for end in [&alices_end, &bobs_end] {
        end.cut();
    }
    publish(alice, "alone");
    publish(bob, "alone too");
    assert!(!titles(bob).contains(&"alone".to_owned()));
    for end in [&alices_end, &bobs_end] {
        end.heal();
    }
    until_shown(&[bob, carol], "alone");
    until_shown(&[alice, carol], "alone too");

    // The relay dies, and with it every connection there is.
    carol.kill();
    publish(alice, "without carol");
    let gone = || connected(bob, &alices_id).is_none().then_some(());
    until("bob to notice", gone);
    carol.ok(&LISTEN);
    until_shown(&[bob, carol], "without carol");
    until("alice and bob to meet again", || connected(alice, &bobs_id));
}

#[test]
fn two_nodes_behind_routers_make_a_hole_and_meet_directly() {
    let test = "two_nodes_behind_routers_make_a_hole_and_meet_directly";
    let Some(mut lab) = Lab::new(test) else {
        return;
    };
    let [world, carols] = ["world", "carol"].map(|it| lab.space(it));
    lab.wire([(&world, "198.51.100.1/24"), (&carols, "198.51.100.2/24")]);
    lab.default_route(&carols, "198.51.100.1");
    lab.forward(&world);
    let homes = [
        ("alice", "203.0.113", "10.0.1"),
        ("bob", "192.0.2", "10.9.2"),
    ];
    let homes = homes.map(|(name, outer, inner)| {
        let router = lab.space(&format!("{name}-router"));
        let home = lab.space(name);
        let at = |net: &str, number| format!("{net}.{number}/24");
        let [_, outside] = lab.wire([(&world, &at(outer, 1)), (&router, &at(outer, 2))]);
        lab.wire([(&router, &at(inner, 1)), (&home, &at(inner, 2))]);
        lab.default_route(&router, &format!("{outer}.1"));
        lab.default_route(&home, &format!("{inner}.1"));
        lab.forward(&router);
        lab.translate(test, &router, &outside).then_some(home)
    });
    let [Some(alices), Some(bobs)] = &homes else {
        return;
    };
    let three = Three::meet(
        [&carols, alices, bobs],
        &["--address", "/ip4/198.51.100.2/tcp/7440"],
    );
    let Three {
        carol, alice, bob, ..
    } = &three;
    let (alices_id, bobs_id) = (peer_id(alice), peer_id(bob));
    let direct = |from: &Actor, to: &str| {
        let how = connected(from, to)?;
        (how == "direct").then_some(())
    };
    until("alice to have a direct connection", || {
        direct(alice, &bobs_id)
    });
    until("bob to have a direct connection", || {
        direct(bob, &alices_id)
    });
    publish(alice, "through the hole");
    until_shown(&[bob, carol], "through the hole");

    // The doctor knows that nobody can just call, who can carry, and which port to forward.
    let told = until("carol's attempt to call alice", || {
        let told = alice.ok(&["node", "doctor"]);
        told.contains("Nobody can call this node directly")
            .then_some(told)
    });
    assert!(told.contains("203.0.113.2"), "{told}");
    assert!(told.contains("Forward TCP port 7440"), "{told}");
    assert!(told.contains("Others can call this node through"), "{told}");
}

#[test]
fn a_node_that_moved_is_found_again_through_the_address_book() {
    let test = "a_node_that_moved_is_found_again_through_the_address_book";
    let Some(mut lab) = Lab::new(test) else {
        return;
    };
    let (spaces, [[_, carols_end], _]) = separate(&mut lab);
    let three = Three::meet(spaces.each_ref(), &[]);
    let Three { carol, alice, .. } = &three;
    let carols_id = peer_id(carol);
    let knows = |actor: &Actor, address: &str| {
        let book = std::fs::read_to_string(actor.home().join("addresses")).ok()?;
        let hex: String = address.bytes().map(|it| format!("{it:02x}")).collect();
        book.contains(&hex).then_some(())
    };
    until("alice's address in carol's book", || {
        knows(carol, "/ip4/10.0.1.2/tcp/7440")
    });

    // Alice calls the old address in vain. Carol finds her in the book, which outlives a restart.
    carol.stop();
    carols_end.readdress("10.0.1.1/24", "10.0.1.7/24");
    carol.ok(&LISTEN);
    let link = || {
        let doctor = json(&alice.ok(&["node", "doctor", "--json"]));
        let peers = doctor["peers"].as_array()?.clone();
        let carol = peers
            .into_iter()
            .find(|it| it["peer_id"] == carols_id.as_str())?;
        Some(carol["links"][0].clone())
    };
    let called = until("carol to call alice", link);
    assert_eq!(called["direction"], "inbound", "{called}");

    // Now Carol remembers nobody. Alice calls her where she said she had moved to.
    until("carol's new address in alice's book", || {
        knows(alice, "/ip4/10.0.1.7/tcp/7440")
    });
    carol.stop();
    std::fs::remove_file(carol.home().join("addresses")).unwrap();
    carol.ok(&LISTEN);
    let called = until("alice to call carol", link);
    assert_eq!(called["direction"], "outbound", "{called}");
    assert!(
        called["address"].as_str().unwrap().contains("10.0.1.7"),
        "{called}"
    );
}
