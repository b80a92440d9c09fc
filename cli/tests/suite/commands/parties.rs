//! What parties do about themselves and each other: leaving, being removed, forks, delegates who
//! decide together, groups. Several people at one node unless it takes two.

use super::{Person, charter::Table, ended, says};
use serde_json::Value;

impl Table {
    fn publish(&self, who: &str, space: &str, title: &str) -> String {
        let file = self.0.write("words.md", title);
        // In whatever space, whoever reads it.
        let to = ["publish", &file, "--space", space, "--title", title];
        self.ok(who, &[&to[..], &["--yes"]].concat())
    }

    fn cannot_publish(&self, who: &str, space: &str) -> String {
        let file = self.0.write("words.md", "More");
        let to = ["publish", &file, "--space", space, "--title", "More"];
        self.fails(who, &[&to[..], &["--yes"]].concat())
    }

    /// What waits for more delegates.
    fn waiting(&self) -> Vec<Value> {
        let roster = self.json(&["member", "list"]);
        roster["pending"].as_array().unwrap().clone()
    }

    /// Three parties, each with the person of its name as its delegate.
    fn of_three() -> Self {
        let table = Self::founded();
        table.ok("cy", &["init", "--name", "Cy", "--no-passphrase"]);
        let code = table.ok("cy", &["party", "create", "Partners"]);
        let id = table.ok("keys", &["charter", "propose", "--add-party", &code]);
        table.ok("bob", &["charter", "approve", &id, "--yes"]);
        table.ok("cy", &["charter", "approve", &id, "--yes"]);
        table
    }
}

#[test]
fn a_party_leaves_and_all_its_words_stay() {
    let table = Table::founded();
    let open = table.publish("bob", "lobby", "For everybody");
    let inside = table.publish("bob", "members", "Among us");
    // Nothing is left unasked.
    let unasked = table.run("bob", &["party", "leave"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    says(&unasked.err, &["Users leaves Coffee", "--yes"]);
    let left = table.tells("bob", &["party", "leave", "--yes"]);
    says(
        &left.err,
        &["everything that was written stays", "in force"],
    );
    assert!(!left.err.contains("Add a second one"), "{}", left.err);

    for id in [&open, &inside] {
        says(&table.ok("keys", &["show", id]), &["Bob (once Users)"]);
    }
    says(
        &table.tells("keys", &["quarantine", "list"]).err,
        &["everything that is kept here is in effect"],
    );
    says(
        &table.cannot_publish("bob", "lobby"),
        &[
            "cannot write in Coffee/lobby",
            "after Users left the community",
        ],
    );
    // Alice reads here too, so Bob is shown nothing of what only members read.
    says(&table.ok("bob", &["show", &open]), &["For everybody"]);
    table.fails("bob", &["show", &inside]);
    // Its say has ended: the vendor decides alone, and the party cannot.
    says(
        &table
            .tells("keys", &["charter", "propose", "--name", "Tea"])
            .err,
        &["in force"],
    );
    says(
        &table.fails("bob", &["charter", "propose", "--name", "Cocoa"]),
        &["cannot propose changes of Tea", "party show"],
    );
}

#[test]
fn a_party_is_removed_by_all_others_and_never_by_one() {
    let table = Table::founded();
    // Of two, neither removes the other.
    let alone = table.run("keys", &["charter", "propose", "--remove-party", "Users"]);
    assert_eq!(alone.code, 1, "{alone:?}");
    says(
        &alone.err,
        &[
            "cannot remove Users",
            "at least 2 of them",
            "party leave",
            "community fork",
        ],
    );
    assert_eq!(
        table.json(&["charter", "show"])["parties"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let table = Table::of_three();
    let open = table.publish("cy", "lobby", "Before");
    let inside = table.publish("cy", "members", "Before, among us");
    let proposed = table.tells(
        "keys",
        &["charter", "propose", "--remove-party", "Partners"],
    );
    says(&proposed.err, &["Not in force: needs approval by Users"]);
    let id = proposed.out.trim();
    table.publish("cy", "lobby", "Still here");
    let approved = table.tells("bob", &["charter", "approve", id, "--yes"]);
    says(&approved.err, &["- party Partners", "in force"]);
    says(
        &table.cannot_publish("cy", "lobby"),
        &["after the removal of Partners"],
    );
    // What Alice's proposal names of the members' space goes out with her next word.
    let tea = table.ok("keys", &["charter", "propose", "--name", "Tea"]);
    table.ok("bob", &["charter", "approve", &tea, "--yes"]);
    for id in [&open, &inside] {
        says(
            &table.ok("keys", &["show", id]),
            &["Cy (once Partners)", "Before"],
        );
    }
    let list = table.ok("keys", &["list"]);
    assert!(!list.contains("Still here"), "{list}");
    says(
        &table.ok("keys", &["quarantine", "list"]),
        &["after the removal of Partners"],
    );
}

#[test]
fn delegates_admit_sign_and_remove_together() {
    let table = Table::of(&["Bob", "Carol", "Dan"]);
    table.ok(
        "keys",
        &["community", "create", "Coffee", "--party", "Club"],
    );
    let [bob, carol, dan] = ["bob", "carol", "dan"].map(|it| table.root(it));
    let show = |who: &str| table.tells(who, &["party", "show"]).err;
    says(&show("keys"), &["the party has one delegate"]);
    // Whoever is admitted by key writes at once; words of before stay when more have to agree.
    table.ok("keys", &["member", "admit", &carol]);
    let before = table.publish("carol", "lobby", "Before");
    table.ok("keys", &["member", "admit", &bob]);
    table.ok("keys", &["party", "delegates", "add", &bob]);
    says(&show("keys"), &["needs all of its delegates"]);
    let third = table.ok(
        "keys",
        &[
            "party",
            "delegates",
            "add",
            &carol,
            "--needed",
            "2",
            "--admission-needed",
            "2",
        ],
    );
    table.ok("bob", &["party", "approve", &third, "--yes"]);
    assert_eq!(show("keys"), "");
    says(
        &table.ok("keys", &["party", "show"]),
        &["2 of 3 delegates for a change, 2 for an admission"],
    );
    says(&table.ok("keys", &["show", &before]), &["Carol (Club)"]);
    assert_eq!(table.waiting(), [] as [Value; 0]);

    // One delegate's word admits nobody.
    let admitted = table.tells("keys", &["member", "admit", &dan]);
    says(
        &admitted.err,
        &["1 of 2 delegates so far", "member approve"],
    );
    table.cannot_publish("dan", "lobby");
    let id = admitted.out.trim();
    assert_eq!(table.waiting()[0]["id"], id);
    let without_effect = table.ok("keys", &["quarantine", "records"]);
    let why = "it gives nothing new: after Club began to ask for more delegates";
    says(&without_effect, &[&id[..8], "admission", why]);
    let told = table.json(&["quarantine", "records"]);
    assert_eq!(
        (&told["items"][0]["id"], &told["total"]),
        (&id.into(), &1.into())
    );
    says(
        &table.fails("keys", &["member", "approve", id]),
        &["signed this already", "other delegates"],
    );
    says(
        &table.fails("dan", &["member", "approve", id]),
        &["only delegates of the party"],
    );
    says(
        &table.tells("bob", &["member", "approve", &id[..8]]).err,
        &["enough delegates agree"],
    );
    table.publish("dan", "lobby", "At last");
    assert_eq!(table.waiting(), [] as [Value; 0]);
    says(
        &table.tells("keys", &["quarantine", "records"]).err,
        &["every record of membership has an effect"],
    );

    // A space of the party, by a file that goes round. Who does not speak for it spoils nothing.
    let draft = table.tells("keys", &["space", "declare", "board"]);
    says(
        &draft.err,
        &["2 delegates of Club have to sign it", "comity sign"],
    );
    table.0.write("board.json", &draft.out);
    says(
        &table.fails("dan", &["sign", "board.json", "--yes"]),
        &["cannot sign", "only delegates", "party show"],
    );
    assert!(!table.ok("keys", &["space", "list"]).contains("board"));
    assert_eq!(table.run("keys", &["sign", "board.json", "--yes"]).out, "");
    says(
        &table.tells("carol", &["sign", "board.json", "--yes"]).err,
        &["\"board\"", "enough have signed: it is in force"],
    );
    for who in ["keys", "dan"] {
        says(&table.ok(who, &["space", "list"]), &["board"]);
    }

    // A removal, and no way back for the key.
    let revoked = table.tells("keys", &["member", "revoke", "Dan", "--yes"]);
    says(&revoked.err, &["1 of 2 delegates so far"]);
    table.publish("dan", "lobby", "Still here");
    table.ok("carol", &["member", "approve", revoked.out.trim()]);
    says(
        &table.cannot_publish("dan", "lobby"),
        &["after removal by Club"],
    );
    assert_eq!(table.waiting(), [] as [Value; 0]);
    says(
        &table.fails("bob", &["member", "admit", &dan]),
        &["for good", "new key"],
    );
    // The fourth is one that was there: each delegate leaves what they know.
    says(&table.ok("keys", &["list"]), &["At last"]);
}

#[test]
fn roles_and_groups_give_and_take() {
    let table = Table::of(&["Bob", "Carol"]);
    table.ok(
        "keys",
        &[
            "community",
            "create",
            "Coffee",
            "--party",
            "Club",
            "--space",
            "lobby:everyone",
            "--space",
            "members:members",
            "--space",
            "news:everyone:stewards",
        ],
    );
    for who in ["bob", "carol"] {
        table.ok("keys", &["member", "admit", &table.root(who)]);
        table.publish(who, "lobby", "Hello");
    }
    says(
        &table.cannot_publish("bob", "news"),
        &["cannot write in Coffee/news", "roles"],
    );
    table.ok("keys", &["member", "roles", "add", "Bob", "steward"]);
    let news = table.publish("bob", "news", "Open on Sunday");
    says(
        &table.fails("keys", &["member", "roles", "remove", "Carol", "steward"]),
        &["Carol is not steward of Club", "member list"],
    );
    says(
        &table.fails("bob", &["member", "roles", "add", "Carol", "steward"]),
        &["only delegates of the party"],
    );
    table.ok("keys", &["member", "roles", "remove", "Bob", "steward"]);
    says(&table.ok("keys", &["show", &news]), &["Open on Sunday"]);
    says(
        &table.cannot_publish("bob", "news"),
        &["after Club took the role from the member"],
    );

    // A group, and a space that it alone reads: not even the delegate who declares it.
    says(
        &table.fails(
            "keys",
            &["space", "declare", "beans", "--group", "roasting"],
        ),
        &[
            "Club has no group \"roasting\"",
            "party groups add roasting",
        ],
    );
    table.ok("keys", &["party", "groups", "add", "roasting", "Bob"]);
    let declared = table.tells(
        "keys",
        &["space", "declare", "beans", "--group", "roasting"],
    );
    says(&declared.err, &["is declared", "not among its readers"]);
    let secret = table.publish("bob", "beans", "From Huila");
    says(
        &table.ok("bob", &["space", "list"]),
        &["roasting of Club (1 person"],
    );
    for who in ["keys", "carol"] {
        assert!(
            !table.ok(who, &["space", "list"]).contains("beans"),
            "{who}"
        );
        table.fails(who, &["show", &secret]);
    }
    let alice = table.root("keys");
    table.ok(
        "keys",
        &["party", "groups", "add", "roasting", "Carol", &alice],
    );
    says(&table.ok("carol", &["show", &secret]), &["From Huila"]);
    // Out of the group: nothing more to write, and to read at a node that others use too. What was
    // written stays for the others.
    table.ok("keys", &["party", "groups", "remove", "roasting", "Bob"]);
    table.fails("bob", &["show", &secret]);
    assert_ne!(
        table
            .run("bob", &["publish", "words.md", "--space", "beans"])
            .code,
        0
    );
    says(
        &table.ok("carol", &["show", &secret]),
        &["From Huila", "Bob"],
    );
    says(
        &table.fails("keys", &["party", "groups", "remove", "roasting", "Bob"]),
        &["cannot change Club", "party show"],
    );
}

/// Bob's keys are in two places, as after a restored backup, at nodes that do not meet: with Alice he
/// certifies one change, with Cy another.
#[test]
fn a_fork_of_the_charter_is_shown_and_chosen() {
    let (alice, bob, cy) = (
        Person::ready("Alice"),
        Person::ready("Bob"),
        Person::ready("Cy"),
    );
    let of_bob = bob.ok(&["party", "create", "Users"]);
    let of_cy = cy.ok(&["party", "create", "Partners"]);
    let create = ["community", "create", "Coffee", "--party", "Vendor"];
    let draft = alice.ok(&[&create[..], &["--with", &of_bob, "--with", &of_cy]].concat());
    let sign = |who: &Person| who.ok(&["community", "sign", &draft, "--yes"]);
    let signed = [sign(&alice), sign(&bob), sign(&cy)];
    for who in [&alice, &cy] {
        let [a, b, c] = &signed;
        who.ok(&["community", "found", &draft, a, b, c]);
    }
    let keys = bob.folder.path().join("keys");
    let copy = bob.folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&keys).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let bob_at = |home: &Person, keys: &std::path::Path, args: &[&str]| {
        let mut command = bob.command(args);
        command.env("COMITY_HOME", home.home());
        command.env("COMITY_IDENTITY", keys);
        let done = ended(&mut command);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done
    };
    let with_alice = alice.ok(&["charter", "propose", "--name", "Orchard"]);
    let with_cy = cy.ok(&["charter", "propose", "--name", "Wood"]);
    says(
        &bob_at(&alice, &keys, &["charter", "approve", &with_alice, "--yes"]).err,
        &["in force"],
    );
    says(
        &bob_at(&cy, &copy, &["charter", "approve", &with_cy, "--yes"]).err,
        &["in force"],
    );
    let name = |who: &Person| {
        who.json(&["charter", "show"])["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!((name(&alice), name(&cy)), ("Orchard".into(), "Wood".into()));
    says(
        &alice.fails(1, &["charter", "choose", &with_alice]),
        &["not one branch of a fork"],
    );

    let address = alice.start();
    cy.start();
    cy.ok(&["node", "connect", &address]);
    let becomes = |who: &Person, wanted: &str| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while name(who) != wanted {
            assert!(
                std::time::Instant::now() < deadline,
                "never called {wanted}"
            );
            cy.run(&["sync", "--wait"]);
        }
    };
    let (lowest, other, other_name) = match with_alice < with_cy {
        true => ("Orchard", &with_cy, "Wood"),
        false => ("Wood", &with_alice, "Orchard"),
    };
    for who in [&alice, &cy] {
        becomes(who, lowest);
        says(
            &who.ok(&["charter", "show"]),
            &["FORK at", &with_alice[..8], &with_cy[..8]],
        );
    }
    // Each approved one, and Bob both, so he counts for neither. Whoever approved the lowest and now
    // chooses the other counts for neither too, and then the third one's word decides.
    let wavers = if *other == with_cy { &alice } else { &cy };
    let chosen = wavers.run(&["charter", "choose", &other[..12]]);
    says(&chosen.err, &["your choice is recorded", "most parties"]);
    for who in [&alice, &cy] {
        becomes(who, other_name);
    }
}
