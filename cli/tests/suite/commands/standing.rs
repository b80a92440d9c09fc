//! How a standing begins and ends between two nodes: tickets that run out, leaving, coming back.

use super::{Person, says, together::joined};

/// Waits until a command of somebody says something.
fn until_says(person: &Person, args: &[&str], part: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        person.run(&["sync", "--wait"]);
        let done = person.run(args);
        if done.out.contains(part) {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{part:?} is not in {done:?}"
        );
    }
}

#[test]
fn whoever_leaves_alone_reads_on_and_writes_no_more() {
    let (alice, bob) = joined();
    let open = bob.publish("lobby", "idea", "For everybody");
    let inside = bob.publish("members", "idea", "Among us");
    let answer = alice.publish("members", "idea", "And so say we");
    until_says(&alice, &["list", "--all"], "Among us");
    until_says(&bob, &["list", "--all"], "And so say we");
    assert_eq!(bob.run(&["member", "leave"]).code, 2);
    let left = bob.run(&["member", "leave", "--yes"]);
    assert_eq!(left.code, 0, "{left:?}");
    says(
        &left.err,
        &[
            "you keep your copy of everything",
            "you have left Coffee Club",
        ],
    );
    until_says(&alice, &["member", "list"], "left");

    // Both have all that was there; what comes later in the members' space reaches Bob no more.
    for who in [&alice, &bob] {
        says(&who.ok(&["show", &open]), &["Bob (once Coffee Club)"]);
        says(&who.ok(&["show", &inside]), &["Among us"]);
        says(&who.ok(&["show", &answer]), &["And so say we"]);
    }
    let later = alice.publish("members", "idea", "Without Bob");
    let file = alice.write("wider.md", "For Bob too");
    let public = alice.ok(&["publish", &file, "--space", "lobby", "--yes"]);
    until_says(&bob, &["list", "--all"], "For Bob too");
    says(&bob.ok(&["show", &public]), &["For Bob too"]);
    says(&bob.fails(1, &["show", &later]), &["there is no document"]);
    let file = bob.write("more.md", "More");
    says(
        &bob.fails(1, &["publish", &file, "--space", "lobby", "--yes"]),
        &[
            "cannot write in Coffee/lobby",
            "after the member left Coffee Club",
        ],
    );
    says(
        &bob.fails(1, &["member", "leave", "--yes"]),
        &["not a member"],
    );
    // Somebody else at Bob's node is shown none of it.
    let guest = Person::ready("Guest");
    let mut command = guest.command(&["show", &inside]);
    let seen = super::ended(command.env("COMITY_HOME", bob.home()));
    assert_eq!(seen.code, 1, "{seen:?}");

    // The key is used up, by ticket as by name.
    let key = bob.json(&["whoami"])["root"].as_str().unwrap().to_owned();
    says(
        &alice.fails(1, &["member", "admit", &key]),
        &["cannot admit this key", "for good", "new key"],
    );
    let ticket = alice.ok(&["invite"]);
    let back = bob.run(&["join", &ticket, "--wait", "--timeout", "10s"]);
    assert_eq!(back.code, 1, "{back:?}");
    says(&back.err, &["for good", "new key"]);
}

#[test]
fn tickets_end_by_time_and_by_number() {
    let alice = Person::founder();
    alice.start();
    let short = alice.ok(&["invite", "--expires", "1s"]);
    let two = alice.ok(&["invite", "--uses", "2", "--expires", "never"]);
    for name in ["Bob", "Carol"] {
        let person = Person::ready(name);
        person.start();
        person.ok(&["join", &two, "--wait"]);
    }
    let dan = Person::ready("Dan");
    dan.start();
    says(
        &dan.fails(1, &["join", &two, "--wait"]),
        &["cannot join Coffee", "used up", "new"],
    );
    // More than a second has passed on the clock of the node that would let him in.
    std::thread::sleep(std::time::Duration::from_secs(1));
    says(
        &dan.fails(1, &["join", &short, "--wait"]),
        &["cannot join Coffee", "expired", "new"],
    );
    says(&alice.ok(&["community", "show"]), &["3 members"]);
}
