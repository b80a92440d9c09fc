//! What a party's delegates change in its lists and numbers, and how they refuse each other.

use super::{charter::Table, says};
use serde_json::Value;

impl Table {
    /// The party as JSON.
    fn club(&self) -> Value {
        self.json(&["party", "show", "Club"])
    }

    /// The keys in one of its lists.
    fn listed(&self, list: &str) -> Vec<String> {
        let club = self.club();
        let key = |it: &Value| it.as_str().or(it["key"].as_str()).unwrap().to_owned();
        club[list].as_array().unwrap().iter().map(key).collect()
    }

    fn club_of(names: &[&str]) -> Self {
        let table = Self::of(names);
        table.ok(
            "keys",
            &["community", "create", "Coffee", "--party", "Club"],
        );
        table
    }
}

#[test]
fn every_list_of_a_party_takes_keys_and_gives_them_back() {
    let table = Table::club_of(&["Bob", "Carol"]);
    let [bob, carol] = ["bob", "carol"].map(|it| table.root(it));
    for list in ["stewards", "moderators", "nodes", "bridges", "observers"] {
        let before = table.listed(list);
        let added = table.tells("keys", &["party", list, "add", &bob, &carol]);
        says(&added.err, &["in force"]);
        let with = table.listed(list);
        assert_eq!(with.len(), before.len() + 2, "{list}: {with:?}");
        for key in [&bob, &carol] {
            assert!(with.contains(key), "{list}: {with:?}");
        }
        says(
            &table.fails("keys", &["party", list, "add", &bob]),
            &["cannot change Club", "the party is like that already"],
        );
        says(
            &table.fails("bob", &["party", list, "remove", &carol]),
            &["you are no delegate of a party here"],
        );
        table.ok("keys", &["party", list, "remove", &bob]);
        let kept = table.listed(list);
        assert!(kept.contains(&carol) && !kept.contains(&bob), "{kept:?}");
        table.ok("keys", &["party", list, "remove", &carol]);
        assert_eq!(table.listed(list), before, "{list}");
        says(
            &table.fails("keys", &["party", list, "remove", &carol]),
            &["is not in the list", "party show"],
        );
    }

    table.ok("keys", &["party", "groups", "add", "board", &bob, &carol]);
    let board = |table: &Table| table.club()["groups"].as_array().unwrap().clone();
    assert_eq!(board(&table)[0]["members"].as_array().unwrap().len(), 2);
    table.ok("keys", &["party", "groups", "remove", "board", &bob]);
    assert_eq!(board(&table)[0]["members"][0]["key"], carol);
    table.ok("keys", &["party", "groups", "remove", "board"]);
    assert_eq!(board(&table), [] as [Value; 0]);
    says(
        &table.fails("keys", &["party", "groups", "remove", "board"]),
        &["the party has no group \"board\""],
    );
}

#[test]
fn thresholds_change_by_themselves_and_stay_possible() {
    let table = Table::club_of(&["Bob", "Carol"]);
    let [bob, carol] = ["bob", "carol"].map(|it| table.root(it));
    table.ok("keys", &["party", "delegates", "add", &bob]);
    let third = table.ok(
        "keys",
        &["party", "delegates", "add", &carol, "--needed", "2"],
    );
    table.ok("bob", &["party", "approve", &third, "--yes"]);
    let thresholds = |more: &[&str]| table.run("keys", &[&["party", "thresholds"], more].concat());
    assert_eq!(thresholds(&[]).code, 2);
    for impossible in [
        ["--needed", "1"],
        ["--needed", "4"],
        ["--admission-needed", "0"],
    ] {
        let refused = thresholds(&impossible);
        assert_eq!((refused.code, refused.out.as_str()), (1, ""));
        says(&refused.err, &["cannot change Club", "more than half"]);
    }
    let changed = thresholds(&["--needed", "3", "--admission-needed", "2"]);
    let id = changed.out.trim();
    let numbers = || {
        let club = table.club();
        let number = |name: &str| club[name].as_u64().unwrap();
        (number("delegates_needed"), number("admission_needed"))
    };
    assert_eq!(numbers(), (2, 1), "one delegate alone changes nothing");
    table.ok("bob", &["party", "approve", id, "--yes"]);
    assert_eq!(numbers(), (3, 2));
    // The other number stays.
    let back = thresholds(&["--admission-needed", "1"]);
    let id = back.out.trim();
    table.ok("bob", &["party", "approve", id, "--yes"]);
    assert_eq!(numbers(), (3, 2), "three are needed now");
    table.ok("carol", &["party", "approve", id, "--yes"]);
    assert_eq!(numbers(), (3, 1));
}

#[test]
fn a_change_of_a_party_that_is_rejected_sets_its_delegates_free() {
    let table = Table::club_of(&["Bob", "Carol"]);
    let [bob, carol] = ["bob", "carol"].map(|it| table.root(it));
    table.ok("keys", &["party", "delegates", "add", &bob]);
    let first = table.ok("keys", &["party", "stewards", "add", &carol]);
    // Alice approved it, so she can propose nothing else for now.
    says(
        &table.fails("keys", &["party", "moderators", "add", &carol]),
        &["cannot propose another change", "may still pass"],
    );
    says(
        &table.fails("carol", &["party", "reject", &first]),
        &["cannot reject", "party show"],
    );
    let why = ["--reason", "she has enough to do"];
    let rejected = table.tells(
        "bob",
        &[&["party", "reject", &first[..8]], &why[..]].concat(),
    );
    says(
        &rejected.err,
        &["for good", "it is dead", "free to approve"],
    );
    says(
        &table.fails("bob", &["party", "approve", &first, "--yes"]),
        &["cannot approve", "a rejection binds"],
    );
    says(
        &table.ok("keys", &["charter", "proposals", &first]),
        &["she has enough to do"],
    );
    let second = table.ok("keys", &["party", "moderators", "add", &carol]);
    table.ok("bob", &["party", "approve", &second, "--yes"]);
    assert_eq!(table.listed("moderators"), std::slice::from_ref(&carol));
    assert!(!table.listed("stewards").contains(&carol));
}
