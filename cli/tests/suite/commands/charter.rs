//! Parties and their charter: several people at one node, each with keys of their own.

use super::{Ended, Person, says};
use serde_json::Value;

/// Alice's node home, with the keys of others beside hers.
pub(super) struct Table(pub(super) Person);

impl Table {
    pub(super) fn of(names: &[&str]) -> Self {
        let table = Self(Person::ready("Alice"));
        for name in names {
            let key = name.to_lowercase();
            table.ok(&key, &["init", "--name", name, "--no-passphrase"]);
        }
        table
    }

    /// Alice founds a community with Bob: two parties, both signed.
    pub(super) fn founded() -> Self {
        let table = Self::of(&["Bob"]);
        table.ok("bob", &["party", "create", "Users", "--out", "users.party"]);
        let draft = table.ok(
            "keys",
            &[
                "community",
                "create",
                "Coffee",
                "--party",
                "Vendor",
                "--with",
                "users.party",
            ],
        );
        let by_alice = table.ok("keys", &["community", "sign", &draft, "--yes"]);
        let by_bob = table.ok("bob", &["community", "sign", &draft, "--yes"]);
        let alone = table.fails("keys", &["community", "found", &draft]);
        says(
            &alone,
            &["not every founder has signed", "the signature of Users"],
        );
        table.ok("keys", &["community", "found", &draft, &by_bob]);
        table.ok("bob", &["community", "found", &draft, &by_alice]);
        table
    }

    pub(super) fn run(&self, who: &str, args: &[&str]) -> Ended {
        let keys = self.0.folder.path().join(who);
        let keys = keys.to_string_lossy().into_owned();
        self.0.run(&[args, &["--identity", &keys]].concat())
    }

    #[track_caller]
    pub(super) fn ok(&self, who: &str, args: &[&str]) -> String {
        self.tells(who, args).out.trim().to_owned()
    }

    #[track_caller]
    pub(super) fn tells(&self, who: &str, args: &[&str]) -> Ended {
        let ended = self.run(who, args);
        assert_eq!(ended.code, 0, "{who} {args:?}: {ended:?}");
        ended
    }

    #[track_caller]
    pub(super) fn fails(&self, who: &str, args: &[&str]) -> String {
        let ended = self.run(who, args);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (1, ""),
            "{who} {args:?}: {ended:?}"
        );
        ended.err
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        self.0.json(args)
    }

    pub(super) fn root(&self, who: &str) -> String {
        let shown = self.ok(who, &["whoami", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let root = shown.pointer("/identity/root").or(shown.get("root"));
        root.and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{shown}"))
            .to_owned()
    }
}

#[test]
fn a_single_party_changes_its_charter_alone() {
    let alice = Person::founder();
    let proposed = alice.run(&[
        "charter",
        "propose",
        "--space",
        "support:everyone:stewards:topic,reply",
        "--promise",
        "answer=14",
        "--rule",
        "features=ranked:50%:66.7%",
        "--label",
        "spam=unasked",
        "--reason",
        "one place to ask",
    ]);
    assert_eq!(proposed.code, 0, "{proposed:?}");
    says(&proposed.err, &["in force"]);
    let shown = alice.ok(&["charter", "show"]);
    says(
        &shown,
        &[
            "1 resolution",
            "support",
            "written by stewards, only reply, topic",
            "answer: 14 days by every party",
            "66.7% for it",
            "spam: unasked",
        ],
    );
    says(
        &alice.ok(&["charter", "log"]),
        &[
            "0 genesis",
            "1 resolution",
            "one place to ask",
            "+ space support",
        ],
    );
    says(&alice.ok(&["space", "list"]), &["support"]);
    says(
        &alice.ok(&["charter", "diff", proposed.out.trim()]),
        &["+ promise answer by every party: 14 days"],
    );
    let genesis = alice.json(&["charter", "log"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    says(
        &alice.ok(&["charter", "diff", &genesis[..12]]),
        &["+   answer: 14 days by every party"],
    );
    says(
        &alice.ok(&["charter", "show", "--at", &genesis[..12]]),
        &["as founded, not in force"],
    );
    // What is not there cannot be changed, and says so.
    says(
        &alice.fails(2, &["charter", "propose"]),
        &["nothing is proposed"],
    );
    says(
        &alice.fails(2, &["charter", "propose", "--close-space", "attic"]),
        &["there is lobby"],
    );
    says(
        &alice.fails(1, &["charter", "propose", "--quorum", "2"]),
        &["more than half"],
    );
    says(
        &alice.fails(1, &["charter", "approve", "abcd"]),
        &["no proposal abcd"],
    );
    alice.ok(&[
        "charter",
        "propose",
        "--name",
        "Tea",
        "--remove-promise",
        "answer",
    ]);
    assert_eq!(alice.json(&["community", "show", "Tea"])["name"], "Tea");
}

#[test]
fn two_parties_change_the_charter_together() {
    let table = Table::founded();
    let alone = table.tells(
        "keys",
        &["charter", "propose", "--space", "support:everyone"],
    );
    says(
        &alone.err,
        &["Not in force: needs approval by Users", "charter approve"],
    );
    let spaces = table.json(&["space", "list"]);
    assert!(!spaces.to_string().contains("support"), "{spaces}");
    // Who approved one change must not approve another before that is dead.
    says(
        &table.fails("keys", &["charter", "propose", "--name", "Tea"]),
        &[
            "cannot propose another change",
            "may still pass",
            "charter reject",
        ],
    );
    let id = alone.out.trim();
    let document = table.ok("bob", &["charter", "proposals", &id[..8]]);
    says(
        &document,
        &[
            "+ space support: read by everyone",
            "at least 2 of 2 parties",
            "Vendor: approves",
        ],
    );
    // Without a terminal it does not assume that Bob means it.
    assert_eq!(table.run("bob", &["charter", "approve", &id[..8]]).code, 2);
    let approved = table.tells("bob", &["charter", "approve", &id[..8], "--yes"]);
    says(&approved.err, &["What changes", "in force"]);
    assert!(
        table
            .json(&["space", "list"])
            .to_string()
            .contains("support")
    );
    says(
        &table.fails("keys", &["charter", "approve", &id[..8], "--yes"]),
        &["passed already"],
    );
}

#[test]
fn two_proposals_at_once_are_sorted_out() {
    let table = Table::founded();
    let tea = table.ok("keys", &["charter", "propose", "--name", "Tea"]);
    let cocoa = table.ok("bob", &["charter", "propose", "--name", "Cocoa"]);
    says(
        &table.fails("bob", &["charter", "approve", &tea, "--yes"]),
        &["cannot approve", "may still pass", "charter reject"],
    );
    says(
        &table.fails("bob", &["charter", "reject", &cocoa]),
        &["approved it already"],
    );
    let rejected = table.tells(
        "keys",
        &["charter", "reject", &cocoa, "--reason", "tea is better"],
    );
    says(&rejected.err, &["it is dead", "free to approve another"]);
    says(
        &table.fails("keys", &["charter", "approve", &cocoa, "--yes"]),
        &["rejected it", "binds"],
    );
    says(
        &table
            .tells("bob", &["charter", "approve", &tea, "--yes"])
            .err,
        &["in force"],
    );
    says(&table.ok("keys", &["charter", "show"]), &["Charter of Tea"]);
    let all = table.json(&["charter", "proposals", "--all"]);
    let states: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect();
    assert!(
        states.contains(&"certified") && states.contains(&"dead"),
        "{states:?}"
    );
}

#[test]
fn a_third_party_joins_with_its_own_word() {
    let table = Table::founded();
    let ticket = table.ok(
        "keys",
        &["party", "invite", "--address", "/ip4/192.0.2.7/tcp/7440"],
    );
    table.ok("cy", &["init", "--name", "Cy", "--no-passphrase"]);
    let code = table.ok("cy", &["party", "accept", &ticket, "--name", "Partners"]);
    let proposed = table.tells("keys", &["charter", "propose", "--add-party", &code]);
    says(&proposed.err, &["Partners", "Users"]);
    let id = proposed.out.trim();
    says(
        &table.tells("bob", &["charter", "approve", id, "--yes"]).err,
        &["needs approval by Partners"],
    );
    let joined = table.tells("cy", &["charter", "approve", id, "--yes"]);
    says(&joined.err, &["Partners, which joins", "in force"]);
    says(
        &table.ok("keys", &["charter", "show"]),
        &["2 of 3 parties", "Partners"],
    );
    // The newcomer is a member and writes.
    let file = table.0.write("hello.md", "Hello");
    table.ok("cy", &["publish", &file, "--space", "lobby"]);
    says(
        &table.ok("keys", &["community", "show"]),
        &["Cy (Partners)"],
    );
}

#[test]
fn delegates_change_their_party() {
    let table = Table::founded();
    says(
        &table.tells("keys", &["party", "show", "Vendor"]).err,
        &["one delegate", "Add a second one"],
    );
    let bob = table.root("bob");
    let added = table.tells(
        "keys",
        &["party", "delegates", "add", &bob, "--party", "Vendor"],
    );
    says(&added.err, &["in force"]);
    says(
        &table.ok("keys", &["party", "show", "Vendor"]),
        &["2 of 2 delegates", "change 1", "+ "],
    );
    says(
        &table.fails("keys", &["party", "delegates", "add", &bob]),
        &["like that already"],
    );
    let group = table.tells("keys", &["party", "groups", "add", "board", &bob]);
    says(&group.err, &["Not in force: needs approval by Vendor"]);
    says(
        &table
            .tells("bob", &["party", "approve", group.out.trim(), "--yes"])
            .err,
        &["in force"],
    );
    // Bob wrote where not everybody reads: the cut there is sealed, and its table travels in the space.
    let file = table.0.write("inside.md", "Among us");
    table.ok("bob", &["publish", &file, "--space", "members"]);
    let removed = table.ok(
        "keys",
        &["party", "delegates", "remove", &bob, "--needed", "1"],
    );
    // The table is in the space before anybody carries the removal: nothing waits for Alice's next word.
    assert!(!has_files(&table.0.folder.path().join("keys/cuts")));
    table.ok("bob", &["party", "approve", &removed, "--yes"]);
    let shown = table.json(&["party", "show", "Vendor"]);
    assert_eq!(
        (&shown["delegates_needed"], &shown["height"]),
        (&1.into(), &3.into()),
        "{shown}"
    );
    let last = table.fails(
        "keys",
        &["party", "delegates", "remove", &table.root("keys")],
    );
    says(&last, &["last one"]);
    table.ok("keys", &["party", "nodes", "add", &table.root("bob")]);
}

fn has_files(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
}

#[test]
fn whoever_leaves_goes_on_with_everything() {
    let alice = Person::founder();
    let topic = alice.publish("lobby", "idea", "A better grinder");
    alice.ok(&[
        "charter",
        "propose",
        "--promise",
        "answer=14",
        "--article",
        &format!("conduct={}", alice.write("conduct.md", "Be kind.")),
    ]);
    let forked = alice.run(&["community", "fork", "Free Coffee"]);
    assert_eq!(forked.code, 0, "{forked:?}");
    says(&forked.err, &["Free Coffee goes on from Coffee"]);
    // What was written before is in the list of the new community's space, and still says so.
    says(
        &alice.ok(&["list", "--space", "Free Coffee/lobby"]),
        &["A better grinder"],
    );
    assert!(
        !alice
            .ok(&["list", "--space", "Free Coffee/members"])
            .contains("grinder")
    );
    let file = alice.write("new.md", "News");
    alice.ok(&[
        "publish",
        &file,
        "--space",
        "Free Coffee/lobby",
        "--title",
        "News",
    ]);
    says(
        &alice.ok(&["list", "--space", "Free Coffee/lobby"]),
        &["A better grinder", "News"],
    );
    assert!(
        !alice
            .ok(&["list", "--space", "Coffee/lobby"])
            .contains("News")
    );
    says(
        &alice.ok(&["charter", "show", "--community", "Free Coffee"]),
        &["continues", "14 days by every party", "Be kind."],
    );
    // Leaving keeps the copy.
    assert_eq!(alice.run(&["community", "leave", "Coffee"]).code, 2);
    says(
        &alice.run(&["community", "leave", "Coffee", "--yes"]).err,
        &["keeps everything", "left Coffee"],
    );
    says(
        &alice.ok(&["community", "list"]),
        &["history of Free Coffee"],
    );
    says(&alice.ok(&["show", &topic]), &["A better grinder"]);
    let verified = alice.json(&["verify"]);
    assert_eq!(verified["problems"], serde_json::json!([]), "{verified}");
    // What is there as history is in nobody's way, and ends with what goes on with it.
    alice.ok(&["publish", &file, "--space", "lobby", "--title", "More news"]);
    says(
        &alice.ok(&["list", "--space", "Free Coffee/lobby"]),
        &["A better grinder", "More news"],
    );
    let left = alice.json(&["community", "leave", "Free Coffee", "--yes"]);
    assert_eq!(left["ended"].as_array().unwrap().len(), 1, "{left}");
    let communities = alice.json(&["community", "list"]);
    let communities = communities.as_array().unwrap();
    assert!(
        communities.iter().all(|it| it["left"] == true),
        "{communities:?}"
    );
    says(&alice.ok(&["show", &topic]), &["A better grinder"]);
}

#[test]
fn parties_erase_together_what_somebody_else_wrote() {
    let table = Table::founded();
    let alice = &table.0;
    let id = alice.publish("lobby", "idea", "The address is Walrus Lane 8");
    let erase = ["erase", &id, "--by-quorum", "--reason", "a home address"];
    says(
        &table.run("bob", &erase[..3]).err,
        &["--reason", "required"],
    );
    says(&table.run("bob", &erase).err, &["--yes"]);
    let proposed = table.tells("bob", &[&erase[..], &["--yes"]].concat());
    says(
        &proposed.err,
        &[
            "everybody reads the proposal",
            "needs approval by Vendor",
            "comity charter approve",
        ],
    );
    let proposal = proposed.out.trim();
    says(&alice.ok(&["show", &id]), &["Walrus Lane 8"]);
    let twice = table.fails("bob", &[&erase[..], &["--yes"]].concat());
    says(&twice, &["proposes that already", &proposal[..8]]);

    // Everybody sees what is proposed; the words themselves, who may read them.
    let listed = alice.ok(&["charter", "proposals"]);
    says(&listed, &["open", "the words of", &id[..8], "Vendor"]);
    let shown = alice.ok(&["charter", "proposals", proposal]);
    says(
        &shown,
        &[
            "to erase words in Coffee",
            "a home address",
            &format!("the words of {} in lobby", &id[..8]),
            "at least 2 of 2 parties",
            "The words are by",
        ],
    );
    let kinds = table.json(&["charter", "proposals"]);
    assert_eq!(kinds[0]["kind"], "erasure");
    assert_eq!(kinds[0]["changes"][0]["id"], serde_json::json!(id));

    // An order stands in nobody's way: another change is proposed meanwhile.
    table.ok("bob", &["charter", "propose", "--name", "Tea"]);
    let approved = table.tells("keys", &["charter", "approve", proposal, "--yes"]);
    says(
        &approved.err,
        &["nobody can bring them back", "the words are erased here"],
    );
    let after = alice.ok(&["show", &id]);
    says(&after, &["words were erased by order", "of a quorum"]);
    assert!(!after.contains("Walrus"), "{after}");
    says(
        &alice.ok(&["charter", "proposals", "--all"]),
        &["certified"],
    );
    let again = table.fails("bob", &[&erase[..], &["--yes"]].concat());
    says(&again, &["no words are there"]);
    let done = table.fails("bob", &["charter", "reject", proposal]);
    says(&done, &["passed already"]);

    // What only its readers know of is not named before everybody.
    table.ok("keys", &["space", "declare", "board"]);
    let hidden = alice.publish("board", "note", "For us alone");
    let erase = ["erase", &hidden, "--by-quorum", "--reason", "a slip"];
    let refused = table.fails("keys", &[&erase[..], &["--yes"]].concat());
    says(&refused, &["only its readers know", "--order"]);
    assert_eq!(
        alice.ok(&["charter", "proposals", "--all"]).lines().count(),
        3,
        "a heading, the order, the change"
    );
}

#[test]
fn a_fork_keeps_what_its_party_promised_and_names_what_it_cannot() {
    let table = Table::founded();
    let proposed = table.ok(
        "keys",
        &[
            "charter",
            "propose",
            "--promise",
            "Vendor:answer=14",
            "--promise",
            "Users:test=7",
            "--promise",
            "listen=3",
            "--space",
            "theirs:Users",
        ],
    );
    table.ok("bob", &["charter", "approve", &proposed, "--yes"]);
    let forked = table.tells("keys", &["community", "fork", "Free Coffee"]);
    says(
        &forked.err,
        &[
            "not carried over: the promise test of Users, which takes no part",
            "not carried over: the space theirs, which you do not read",
        ],
    );
    let charter = table.ok("keys", &["charter", "show", "--community", "Free Coffee"]);
    says(
        &charter,
        &["answer: 14 days by Vendor", "listen: 3 days by every party"],
    );
    assert!(
        !charter.contains("test: 7") && !charter.contains("theirs"),
        "{charter}"
    );
    let parties = |name: &str| {
        let shown = table.json(&["charter", "show", "--community", name]);
        let all = shown["parties"].as_array().unwrap();
        let vendor = all.iter().find(|it| it["name"] == "Vendor").unwrap();
        vendor["id"].clone()
    };
    assert_ne!(parties("Coffee"), parties("Free Coffee"));
}
