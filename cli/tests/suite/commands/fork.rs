//! Two certified states of one party, at nodes that did not meet: shown, chosen, and settled by a
//! resolution that names one of them.

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

    /// The child of the party's fork that is not followed.
    fn losing(&self) -> String {
        let party = self.party();
        let fork = &party["forks"][0];
        let children = fork["children"].as_array().unwrap();
        let lost = children.iter().find(|it| **it != fork["winner"]);
        lost.unwrap().as_str().unwrap().to_owned()
    }

    fn party_of_charter(&self, name: &str) -> Value {
        let charter = self.json(&["charter", "show"]);
        let parties = charter["parties"].as_array().unwrap();
        parties
            .iter()
            .find(|it| it["name"] == name)
            .unwrap()
            .clone()
    }

    fn pinned(&self) -> Value {
        self.json(&["charter", "show"])["parties"][0].clone()
    }
}

#[test]
fn a_fork_of_a_party_is_shown_and_chosen_until_the_charter_names_a_branch() {
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
    let theirs = there.certify(("carol", "bob"), &["party", "moderators", "add", &bob]);
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
    // Delegates of the common parent choose. Bob approved both, so his word counts for neither; whoever
    // approved the lowest and now chooses the other counts for neither too, and the third one decides.
    here.ok("keys", &["charter", "choose", other]);
    there.ok("carol", &["charter", "choose", other]);
    for node in [&here, &there] {
        node.follows(other);
        says(&node.ok("keys", &["party", "show"]), &["charter choose"]);
    }
    // Once the charter names that branch, no choice moves it.
    let confirm = ["charter", "propose", "--confirm-states"];
    here.certify(("keys", "bob"), &confirm);
    for who in ["keys", "bob"] {
        here.ok(who, &["charter", "choose", lowest]);
    }
    there.ok("carol", &["charter", "choose", lowest]);
    there.certify(("carol", "bob"), &["charter", "propose", "--name", "Wood"]);
    for node in [&here, &there] {
        node.is_called("Wood");
        node.follows(other);
        assert_eq!(node.pinned()["pinned"], **other);
        assert_eq!(node.party()["forks"][0]["pinned"], true);
        let shown = node.ok("keys", &["party", "show"]);
        says(&shown, &["the charter names a state of the branch"]);
    }
    // Nor does a resolution: leading over takes all other parties, and there is none.
    let over = format!("Club={}", &lowest[..12]);
    says(
        &here.fails("keys", &["charter", "propose", "--lead-over", &over]),
        &["cannot lead over Club", "all other parties"],
    );
    says(
        &here.fails("keys", &confirm),
        &["cannot confirm", "names the present ones"],
    );
}

/// Three parties of one delegate each, Alice's, Bob's and Carol's.
fn of_three() -> Table {
    let table = Table::of(&["Bob", "Carol"]);
    let mut create = ["community", "create", "Coffee", "--party", "Club"]
        .map(str::to_owned)
        .to_vec();
    for (who, party) in [("bob", "Users"), ("carol", "Growers")] {
        let code = table.ok(who, &["party", "create", party]);
        create.extend(["--with".to_owned(), code]);
    }
    let create: Vec<&str> = create.iter().map(String::as_str).collect();
    let draft = table.ok("keys", &create);
    let sign = |who| table.ok(who, &["community", "sign", &draft, "--yes"]);
    let signed = ["keys", "bob", "carol"].map(sign);
    let [a, b, c] = &signed;
    table.ok("keys", &["community", "found", &draft, a, b, c]);
    table
}

/// The charter names what a thief made with Alice's key, before anybody noticed.
#[test]
fn all_other_parties_lead_a_party_over_to_another_branch() {
    let here = of_three();
    let there = here.doubled();
    let stolen = here.ok("keys", &["party", "moderators", "add", &here.root("bob")]);
    here.certify(("keys", "bob"), &["charter", "propose", "--confirm-states"]);
    there.ok("keys", &["party", "stewards", "add", &there.root("carol")]);
    let right = there.ok("keys", &["party", "observers", "add", &there.root("bob")]);
    let address = here.0.start();
    there.0.start();
    there.0.ok(&["node", "connect", &address]);
    let started = Instant::now();
    while here.party()["forks"] == Value::Array(Vec::new()) {
        assert!(started.elapsed() < PATIENCE, "no fork is shown");
        there.0.run(&["sync", "--wait"]);
    }
    here.follows(&stolen);
    let chosen = here.tells("keys", &["charter", "choose", &here.losing()]);
    says(
        &chosen.err,
        &[
            "the charter names a state of the other branch",
            "--lead-over",
        ],
    );
    here.follows(&stolen);
    // The state is the end of that branch, whichever of it is named.
    let over = format!("Club={}", here.losing());
    let proposed = here.ok("bob", &["charter", "propose", "--lead-over", &over]);
    says(
        &here
            .tells("carol", &["charter", "approve", &proposed, "--yes"])
            .err,
        &["in force"],
    );
    here.follows(&right);
    assert_eq!(here.party_of_charter("Club")["pinned"], *right);
    let nowhere = format!("Club={}", &right[..12]);
    let refused = here.fails("bob", &["charter", "propose", "--lead-over", &nowhere]);
    says(&refused, &["cannot lead Club over", "no other branch"]);
}

/// A party of one delegate replaces the key, and says so to the charter.
#[test]
fn a_dropped_key_is_warned_about_until_the_charter_names_the_state_that_dropped_it() {
    let table = Table::founded();
    let [alice, bob] = ["keys", "bob"].map(|it| table.root(it));
    table.ok("keys", &["party", "delegates", "add", &bob]);
    let remove = ["party", "delegates", "remove", &alice, "--needed", "1"];
    table.certify(
        ("keys", "bob"),
        &[&remove[..], &["--party", "Vendor"]].concat(),
    );
    let still = "can speak for it in resolutions";
    let warning = [alice.as_str(), still, "--confirm-states"];
    says(
        &table.tells("bob", &["party", "show", "Vendor"]).err,
        &warning,
    );
    says(
        &table.ok("bob", &["charter", "show"]),
        &["can still speak for it in resolutions", "--confirm-states"],
    );
    // Bob speaks for both parties now.
    let confirmed = table.tells("bob", &["charter", "propose", "--confirm-states"]);
    says(&confirmed.err, &["in force"]);
    let diff = table.ok("bob", &["charter", "diff", confirmed.out.trim()]);
    says(&diff, &["states of the parties", "speak for it no more"]);
    says(
        &table.ok("bob", &["charter", "log"]),
        &["states of the parties"],
    );
    for shown in [
        table.tells("bob", &["party", "show", "Vendor"]),
        table.tells("bob", &["charter", "show"]),
    ] {
        let all = shown.out + &shown.err;
        assert!(!all.contains("in resolutions"), "{all}");
    }
}
