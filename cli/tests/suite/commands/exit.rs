//! Exit with everything: a fork has the history, also for those who join it later.

use super::{Ended, Person, says};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// What only members of the old community may ever read.
const INSIDE: &str = "walrus-ravine-4417";
/// What its author erased.
const ERASED: &str = "quagga-lane-8841";

/// What was written in the open, by id.
struct Public {
    page: String,
    erased: String,
    topic: String,
    adopted: String,
    /// Beyond the cut of somebody who was removed: nobody gets it any more.
    beyond: String,
}

impl Public {
    fn ids(&self) -> [&String; 5] {
        let Self {
            page,
            erased,
            topic,
            adopted,
            beyond,
        } = self;
        [page, erased, topic, adopted, beyond]
    }
}

impl Person {
    fn run_as(&self, who: &str, args: &[&str]) -> Ended {
        let keys = self.folder.path().join(who).to_string_lossy().into_owned();
        self.run(&[args, &["--identity", &keys]].concat())
    }

    #[track_caller]
    fn ok_as(&self, who: &str, args: &[&str]) -> String {
        let ended = self.run_as(who, args);
        assert_eq!(ended.code, 0, "{who} {args:?}: {ended:?}");
        ended.out.trim().to_owned()
    }

    /// Joins by a ticket, with a running node.
    fn join(&self, ticket: &str) {
        self.start();
        let joined = self.run(&["join", ticket, "--wait"]);
        assert_eq!(joined.code, 0, "{joined:?}");
    }

    /// Exchanges until a command succeeds and says this.
    #[track_caller]
    fn gets(&self, args: &[&str], part: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ended = self.run(args);
            if ended.code == 0 && ended.out.contains(part) {
                return;
            }
            assert!(Instant::now() < deadline, "{args:?}: {part:?}: {ended:?}");
            self.run(&["sync", "--wait"]);
        }
    }
}

/// A vendor and customers at nodes of their own, who share a community with a past.
fn with_a_past() -> (Person, Person, Public, String) {
    let (alice, bob) = (Person::ready("Alice"), Person::ready("Bob"));
    let code = bob.ok(&["party", "create", "Customers"]);
    let create = ["community", "create", "Coffee", "--party", "Vendor"];
    let draft = alice.ok(&[&create[..], &["--with", &code]].concat());
    let by_alice = alice.ok(&["community", "sign", &draft, "--yes"]);
    let by_bob = bob.ok(&["community", "sign", &draft, "--yes"]);
    alice.ok(&["community", "found", &draft, &by_bob]);
    bob.ok(&["community", "found", &draft, &by_alice]);

    let page = alice.publish("lobby", "page", "Grind fine.");
    alice.ok(&["edit", &page, &alice.write("page.md", "Grind very fine.")]);
    let erased = alice.publish("lobby", "note", &format!("I live in {ERASED}."));
    alice.ok(&["erase", &erased, "--yes"]);
    alice.ok_as("mallory", &["init", "--name", "Mallory", "--no-passphrase"]);
    let mallory = alice.ok_as("mallory", &["whoami", "--json"]);
    let mallory: serde_json::Value = serde_json::from_str(&mallory).unwrap();
    let mallory = mallory.pointer("/identity/root").or(mallory.get("root"));
    let mallory = mallory.unwrap().as_str().unwrap();
    alice.ok(&["member", "admit", mallory]);
    let spam = alice.write("spam.md", "Buy my beans!");
    let lobby = ["--space", "lobby"];
    let beyond = alice.ok_as("mallory", &[&["publish", &spam][..], &lobby].concat());
    let tips = alice.write("tips.md", "Tips: clean it.");
    let write = [&["publish", &tips, "--kind", "page"][..], &lobby].concat();
    let adopted = alice.ok_as("mallory", &write);
    alice.ok(&[
        "edit",
        &adopted,
        &alice.write("tips.md", "Tips: clean it daily."),
    ]);
    alice.ok(&["member", "revoke", mallory, "--keep", "none", "--yes"]);
    let topic = alice.publish("lobby", "idea", "A better grinder");
    let inside = alice.publish("members", "note", INSIDE);

    let address = alice.start();
    bob.start();
    bob.ok(&["node", "connect", &address]);
    bob.gets(&["show", &inside], INSIDE);
    bob.gets(&["show", &topic], "A better grinder");
    for (who, at) in [(&alice, "alice"), (&bob, "bob")] {
        says(&who.ok(&["show", &page]), &["very fine", "Alice (Vendor)"]);
        let stub = who.run(&["show", &beyond]);
        assert!(!stub.out.contains("beans"), "{at}: {stub:?}");
    }
    let public = Public {
        page,
        erased,
        topic,
        adopted,
        beyond,
    };
    (alice, bob, public, inside)
}

fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|it| {
        let path = it.unwrap().path();
        match path.is_dir() {
            true => holds(&path, text),
            // A socket cannot be read.
            false => fs::read(&path)
                .is_ok_and(|it| it.windows(text.len()).any(|it| it == text.as_bytes())),
        }
    })
}

/// Both show the same of what was public.
fn assert_equal(one: &Person, other: &Person, public: &Public) {
    for id in public.ids() {
        let [one, other] = [one, other].map(|it| it.run(&["show", id, "--json"]));
        assert_eq!((one.code, &one.out), (other.code, &other.out), "{id}");
    }
    let shows = |id: &str, parts: &[&str]| says(&other.ok(&["show", id]), parts);
    shows(&public.page, &["Grind very fine.", "Alice (Vendor)"]);
    shows(&public.topic, &["A better grinder", "Alice (Vendor)"]);
    shows(&public.erased, &["erased"]);
    shows(&public.adopted, &["Tips: clean it daily.", "once Vendor"]);
    other.fails(1, &["show", &public.beyond]);
    let history = ["history", &public.page];
    assert_eq!(one.ok(&history), other.ok(&history));
}

#[test]
fn who_joins_a_fork_gets_the_public_history_and_nothing_else() {
    let (alice, bob, public, inside) = with_a_past();
    alice.ok(&["node", "stop"]);
    drop(alice);
    let fork = |from: &str, name: &str| {
        bob.ok(&["community", "fork", name, "--community", from]);
        let left = bob.run(&["community", "leave", from, "--yes"]);
        assert_eq!(left.code, 0, "{left:?}");
        says(&left.err, &["as the history of", name, "until you leave"]);
    };
    fork("Coffee", "Free Coffee");
    let ticket = bob.ok(&["invite"]);

    let cleo = Person::ready("Cleo");
    cleo.join(&ticket);
    let lobby = ["list", "--space", "Free Coffee/lobby"];
    cleo.gets(&lobby, "A better grinder");
    cleo.gets(&["show", &public.topic], "A better grinder");
    says(
        &cleo.ok(&["community", "list"]),
        &["Free Coffee", "history of Free Coffee"],
    );
    // Words among members of the new community reach her, those among members of the old do not.
    let among = bob.publish("Free Coffee/members", "note", "Welcome among us");
    cleo.gets(&["show", &among], "Welcome among us");
    cleo.ok(&["sync", "--wait"]);
    bob.ok(&["show", &inside]);
    cleo.fails(1, &["show", &inside]);
    assert!(holds(&bob.home(), INSIDE));
    assert!(!holds(&cleo.home(), INSIDE));
    assert!(!holds(&cleo.home(), ERASED));

    // A fork of the fork: who joins that gets all of it, too.
    fork("Free Coffee", "Freer Coffee");
    let ticket = bob.ok(&["invite"]);
    let dan = Person::ready("Dan");
    dan.join(&ticket);
    let lobby = ["list", "--space", "Freer Coffee/lobby"];
    dan.gets(&lobby, "A better grinder");
    bob.ok(&["node", "stop"]);
    for (who, home) in [(&cleo, "cleo"), (&dan, "dan")] {
        who.ok(&["node", "stop"]);
        assert_equal(&bob, who, &public);
        let verified = who.json(&["verify"]);
        let entries = verified["entries"].as_u64().unwrap();
        assert!(entries > 20, "{home}: {verified}");
        assert_eq!(verified["problems"], serde_json::json!([]), "{home}");
        assert!(!holds(&who.home(), INSIDE), "{home}");
    }
    // What is read along takes no words: nobody there has a seat in it.
    let reply = cleo.fails(1, &["reply", &public.topic, "-m", "Me too"]);
    says(&reply, &["cannot write in Coffee/lobby"]);

    // It is known after a restart, and ends with what goes on with it.
    let state = cleo.json(&["community", "list"]);
    let old = |state: &serde_json::Value| {
        let all = state.as_array().unwrap().clone();
        all.into_iter().find(|it| it["name"] == "Coffee").unwrap()
    };
    assert_eq!(old(&state)["history"], true, "{state}");
    let left = cleo.run(&["community", "leave", "Free Coffee", "--yes"]);
    says(&left.err, &["its history in Coffee is exchanged no longer"]);
    let state = cleo.json(&["community", "list"]);
    assert_eq!(old(&state)["left"], true, "{state}");
}
