//! Two certified states of one party, at nodes that did not meet: shown, chosen, and healed by a
//! resolution that carries the proof.

use super::{Person, charter::Table, says};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Copies a folder. A node in it gets a key of its own.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        let kind = file.file_type().unwrap();
        if kind.is_dir() {
            copy(&file.path(), &to);
        } else if kind.is_file() {
            fs::copy(file.path(), &to).unwrap();
            if file.file_name() == "node.key" {
                fs::write(to, [7; 32]).unwrap();
            }
        }
    }
}

impl Table {
    /// The same people and records at another node.
    fn doubled(&self) -> Self {
        let double = Person::new();
        copy(self.0.folder.path(), double.folder.path());
        Self(double)
    }

    fn party(&self) -> Value {
        self.json(&["party", "show", "Club"])
    }

    /// Waits until a state of the party is in force here.
    fn follows(&self, state: &str) {
        let started = Instant::now();
        while self.party()["state"] != state {
            assert!(started.elapsed() < PATIENCE, "{state} never in force");
            self.0.run(&["sync", "--wait"]);
        }
    }

    /// Waits until the charter here says so.
    fn is_called(&self, name: &str) {
        let started = Instant::now();
        while self.json(&["charter", "show"])["name"] != name {
            assert!(started.elapsed() < PATIENCE, "never called {name}");
            self.0.run(&["sync", "--wait"]);
        }
    }

    fn certify(&self, (proposer, seconder): (&str, &str), change: &[&str]) -> String {
        let id = self.ok(proposer, change);
        let approved = self.tells(seconder, &[change[0], "approve", &id, "--yes"]);
        says(&approved.err, &["in force"]);
        id
    }

    fn pinned(&self) -> Value {
        self.json(&["charter", "show"])["parties"][0].clone()
    }
}

#[test]
fn a_fork_of_a_party_is_shown_chosen_and_proven_to_the_charter() {
    let here = Table::of(&["Bob", "Carol"]);
    here.ok(
        "keys",
        &["community", "create", "Coffee", "--party", "Club"],
    );
    let [bob, carol] = ["bob", "carol"].map(|it| here.root(it));
    here.ok("keys", &["party", "delegates", "add", &bob]);
    let third = ["party", "delegates", "add", &carol, "--needed", "2"];
    let common = here.certify(("keys", "bob"), &third);

    // Bob signs both: here with Alice, there with Carol.
    let there = here.doubled();
    let ours = here.certify(("keys", "bob"), &["party", "groups", "add", "board", &bob]);
    here.certify(
        ("keys", "bob"),
        &["charter", "propose", "--name", "Orchard"],
    );
    let theirs = there.certify(("carol", "bob"), &["party", "moderators", "add", &bob]);
    assert_eq!(here.pinned()["pinned"], *ours);
    assert_eq!(here.pinned()["fork_proof"], Value::Null);
    here.fails("keys", &["charter", "choose", &ours]);

    let address = here.0.start();
    there.0.start();
    there.0.ok(&["node", "connect", &address]);
    let (lowest, other) = match ours < theirs {
        true => (&ours, &theirs),
        false => (&theirs, &ours),
    };
    for node in [&here, &there] {
        // The alarm stands at both once both have both, and nobody has chosen: the lowest id.
        let started = Instant::now();
        while node.party()["forks"] == Value::Array(Vec::new()) {
            assert!(started.elapsed() < PATIENCE, "no fork is shown");
            node.0.run(&["sync", "--wait"]);
        }
        node.follows(lowest);
        let fork = &node.party()["forks"][0];
        assert_eq!(fork["parent"], *common);
        assert_eq!(
            fork["children"],
            Value::from(vec![lowest.clone(), other.clone()])
        );
        says(
            &node.ok("keys", &["party", "show"]),
            &[
                "FORK at",
                &ours[..8],
                &theirs[..8],
                "NOT IN FORCE: a losing branch",
            ],
        );
    }
    // Delegates of the common parent choose: two of three move it.
    here.ok("keys", &["charter", "choose", other]);
    there.ok("carol", &["charter", "choose", other]);
    for node in [&here, &there] {
        node.follows(other);
    }
    // Who chooses both counts for neither, and then Bob's word decides. Back and forth until the state
    // that the charter named has lost.
    if *other == ours {
        here.ok("keys", &["charter", "choose", &theirs]);
        there.ok("carol", &["charter", "choose", &theirs]);
        there.ok("bob", &["charter", "choose", &theirs]);
    }
    for node in [&here, &there] {
        node.follows(&theirs);
        node.is_called("Orchard");
        let proof = &node.pinned()["fork_proof"];
        let mut proven = [&proof[0], &proof[1]].map(|it| it.as_str().unwrap().to_owned());
        proven.sort();
        assert_eq!(proven, [lowest.clone(), other.clone()]);
    }
    // The next resolution embeds the proof, else no node would take it: its pin does not descend from
    // the one before.
    there.certify(("carol", "bob"), &["charter", "propose", "--name", "Wood"]);
    for node in [&here, &there] {
        node.is_called("Wood");
        assert_eq!(node.pinned()["pinned"], *theirs);
        assert_eq!(node.pinned()["fork_proof"], Value::Null);
    }
}
