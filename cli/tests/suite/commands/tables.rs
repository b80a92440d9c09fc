//! Tables of cuts travel with the proposal: once others carry it, nothing more is asked of whoever
//! proposed it, and restricted spaces keep what was written.

use super::{Person, says};

/// Two parties with a node each, Vendor of Alice and Users of Bob, who are not connected yet.
fn two_parties() -> (Person, Person) {
    let (alice, bob) = (Person::ready("Alice"), Person::ready("Bob"));
    let code = alice.folder.path().join("users.party");
    let code = code.to_string_lossy().into_owned();
    bob.ok(&["party", "create", "Users", "--out", &code]);
    let create = ["community", "create", "Coffee", "--party", "Vendor"];
    let spaces = ["--space", "members:members", "--space", "ours:Users"];
    let draft = alice.ok(&[&create[..], &["--with", &code], &spaces].concat());
    let by_alice = alice.ok(&["community", "sign", &draft, "--yes"]);
    let by_bob = bob.ok(&["community", "sign", &draft, "--yes"]);
    alice.ok(&["community", "found", &draft, &by_bob]);
    bob.ok(&["community", "found", &draft, &by_alice]);
    (alice, bob)
}

fn connect(who: &Person, other: &Person) {
    other.start();
    let status = other.json(&["node", "status"]);
    let address = status["listening"][0].as_str().unwrap().to_owned();
    who.start();
    who.ok(&["node", "connect", &address]);
}

/// Waits, with nothing but exchanges and questions, until what somebody is told says so.
#[track_caller]
fn until_says(person: &Person, args: &[&str], part: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        person.run(&["sync", "--wait", "--timeout", "2s"]);
        let done = person.run(args);
        if done.out.contains(part) {
            return;
        }
        let is_late = std::time::Instant::now() > deadline;
        assert!(!is_late, "{part:?} is not in {done:?}");
    }
}

/// Everything that a person's node keeps is in effect, these words among it.
#[track_caller]
fn keeps(person: &Person, documents: &[(&str, &str)]) {
    for (id, words) in documents {
        let shown = person.ok(&["show", id]);
        says(&shown, &[words]);
        assert!(!shown.contains("not in effect"), "{shown}");
    }
    let held = person.run(&["quarantine", "list"]);
    let is_all = held
        .err
        .contains("everything that is kept here is in effect");
    assert!(is_all, "{held:?}");
}

#[test]
fn a_space_that_others_close_keeps_its_words_with_no_more_from_who_proposed_it() {
    let (alice, bob) = two_parties();
    connect(&alice, &bob);
    let by_alice = alice.publish("members", "idea", "Said by Alice");
    let by_bob = bob.publish("members", "idea", "Said by Bob");
    until_says(&bob, &["list", "--all"], "Said by Alice");
    until_says(&alice, &["list", "--all"], "Said by Bob");
    let closing = alice.run(&["charter", "propose", "--close-space", "members"]);
    assert_eq!(closing.code, 0, "{closing:?}");
    assert!(!closing.err.contains("no peer has the cuts"), "{closing:?}");
    let id = closing.out.trim();
    until_says(&bob, &["charter", "proposals"], &id[..8]);
    says(
        &bob.run(&["charter", "approve", id, "--yes"]).err,
        &["in force"],
    );
    until_says(&alice, &["charter", "log"], "members");
    let file = alice.write("more.md", "More");
    let refused = alice.fails(1, &["publish", &file, "--space", "members", "--yes"]);
    says(&refused, &["closed"]);
    let written = [
        (by_alice.as_str(), "Said by Alice"),
        (by_bob.as_str(), "Said by Bob"),
    ];
    for person in [&alice, &bob] {
        keeps(person, &written);
    }
}

/// What only the leaving party's people read has no receipts of others that could lift anything, and
/// none of them reads it any more: the tables have to be there before the state is in force.
#[test]
fn who_stays_at_another_node_of_a_party_that_leaves_keeps_its_own_space() {
    let (_alice, bob) = two_parties();
    bob.start();
    let carol = Person::ready("Carol");
    carol.start();
    let ticket = bob.ok(&["invite"]);
    carol.ok(&["join", &ticket, "--wait"]);
    let by_bob = bob.publish("ours", "idea", "Said by Bob");
    until_says(&carol, &["list", "--all"], "Said by Bob");
    let by_carol = carol.publish("ours", "idea", "Said by Carol");
    until_says(&bob, &["list", "--all"], "Said by Carol");
    let left = bob.run(&["party", "leave", "--yes"]);
    assert_eq!(left.code, 0, "{left:?}");
    assert!(!left.err.contains("no peer has the cuts"), "{left:?}");
    let written = [
        (by_bob.as_str(), "Said by Bob"),
        (by_carol.as_str(), "Said by Carol"),
    ];
    // She is told first: what she writes before that is after the cut, and becomes a stub.
    until_says(
        &carol,
        &["party", "show", "Users"],
        "has left the community",
    );
    let file = carol.write("more.md", "More");
    let refused = carol.fails(1, &["publish", &file, "--space", "ours", "--yes"]);
    says(&refused, &["left the community"]);
    for person in [&bob, &carol] {
        keeps(person, &written);
    }
}

/// A node that meets nobody says what follows.
#[test]
fn who_leaves_alone_is_told_that_nobody_has_the_cuts() {
    let (_alice, bob) = two_parties();
    bob.publish("ours", "idea", "Said by Bob");
    let left = bob.run(&["party", "leave", "--yes"]);
    says(&left.err, &["no peer has the cuts", "in force"]);
}
