//! Opening up: a successor with more readers, and authors who carry over what they agree to.

use super::{Person, charter::Table, says};

fn open_up(alice: &Person) {
    let opened = alice.run(&[
        "space",
        "successor",
        "members",
        "open",
        "--readers",
        "everyone",
        "--reason",
        "ask in public",
    ]);
    assert_eq!(opened.code, 0, "{opened:?}");
    says(
        &opened.err,
        &[
            "Coffee/members keeps its readers for good",
            "comity space carry ID --to open",
            "in force",
        ],
    );
}

#[test]
fn a_successor_names_the_space_it_goes_on_from() {
    let alice = Person::founder();
    says(
        &alice.fails(2, &["space", "successor", "members", "open"]),
        &["needs readers", "--readers everyone"],
    );
    open_up(&alice);
    says(
        &alice.ok(&["space", "show", "open"]),
        &["readers  everyone", "goes on from members"],
    );
    says(
        &alice.ok(&["space", "show", "members"]),
        &["members (", "goes on in open"],
    );
    says(
        &alice.ok(&["space", "list"]),
        &["SUCCESSION", "goes on from members"],
    );
    let (old, new) = (
        alice.json(&["space", "show", "members"]),
        alice.json(&["space", "show", "open"]),
    );
    assert_eq!(new["successor_of"], old["id"]);
    assert_eq!(old["succeeded_by"], serde_json::json!([new["id"]]));
    let help = alice.ok(&["space", "successor", "--help"]);
    says(
        &help,
        &[
            "Readers of a space never widen",
            "Each author carries over what they agree to",
        ],
    );
}

#[test]
fn what_is_carried_over_names_where_it_stood() {
    let alice = Person::founder();
    let file = alice.write("text.md", "How much sugar?");
    let question = alice.ok(&[
        "publish", &file, "--space", "members", "--kind", "question", "--title", "Sugar", "--tag",
        "sweet",
    ]);
    let reply = alice.ok(&["reply", &question, "-m", "Two spoons"]);
    let deeper = alice.ok(&["reply", &reply, "-m", "Or three"]);
    open_up(&alice);

    // Alone a reply would answer nothing there.
    says(
        &alice.fails(1, &["space", "carry", &reply, "--to", "open", "--yes"]),
        &["what it answers is not in that space"],
    );
    let carry = ["space", "carry", &deeper, &reply, &question, "--to", "open"];
    let asked = alice.run(&carry);
    assert_eq!((asked.code, asked.out.as_str()), (2, ""), "{asked:?}");
    says(
        &asked.err,
        &[
            "readers: everyone",
            "these words stand in Coffee/members",
            "fewer people",
            "--yes",
        ],
    );
    let made = alice.json(&[&carry[..], &["--yes"]].concat());
    let made = made.as_array().unwrap();
    let new_of = |old: &str| {
        let found = made.iter().find(|it| it["from"] == old).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let shown = alice.json(&["show", &new_of(&question)]);
    let summary = &shown["summary"];
    assert_eq!(
        (
            &summary["title"],
            &summary["form"],
            &summary["space_name"],
            &summary["tags"][0]
        ),
        (
            &"Sugar".into(),
            &"question".into(),
            &"open".into(),
            &"sweet".into()
        )
    );
    assert_eq!(summary["origin"]["id"], question.as_str());
    let replies = shown["replies"].as_array().unwrap();
    assert_eq!(replies.len(), 2, "{shown}");
    let deep = replies
        .iter()
        .find(|it| it["summary"]["id"] == new_of(&deeper).as_str());
    assert_eq!(deep.unwrap()["summary"]["parent"], new_of(&reply).as_str());
    says(
        &alice.ok(&["show", &new_of(&question)]),
        &["carried over from", &question, "as its author says"],
    );
    // The old ones stay, and nothing is carried twice.
    says(
        &alice.ok(&["show", &question]),
        &["How much sugar?", "Two spoons"],
    );
    let again = alice.run(&[&carry[..], &["--yes"]].concat());
    assert_eq!((again.code, again.out.as_str()), (0, ""), "{again:?}");
    says(&again.err, &["carried over already", "nothing is left"]);
}

#[test]
fn nobody_carries_the_words_of_others() {
    let table = Table::founded();
    let mine = table.0.publish("members", "page", "Alice began this");
    let file = table.0.write("page.md", "Alice began this, Bob went on");
    table.ok("bob", &["edit", &mine, &file]);
    let whole = table.0.publish("members", "idea", "Alice alone");
    let carry =
        |who: &str, id: &str| table.fails(who, &["space", "carry", id, "--to", "lobby", "--yes"]);
    let refused = [
        "others wrote it, or a part of it",
        "what they wrote themselves",
    ];
    says(&carry("keys", &mine), &refused);
    says(&carry("bob", &whole), &refused);
    table.ok("keys", &["erase", &whole, "--yes"]);
    says(&carry("keys", &whole), &["erased"]);
}

#[test]
fn a_space_that_few_know_of_is_succeeded_among_them() {
    let table = Table::founded();
    let here = table.0.publish("lobby", "note", "Hello");
    table.ok("bob", &["reply", &here, "-m", "Hello"]);
    table.ok("keys", &["space", "open", "roasting", "--with", "Alice"]);
    says(
        &{
            let ended = table.run(
                "keys",
                &[
                    "space",
                    "successor",
                    "roasting",
                    "open",
                    "--readers",
                    "everyone",
                ],
            );
            assert_eq!(ended.code, 2, "{ended:?}");
            ended.err
        },
        &["known to its readers alone", "tell everybody", "--with"],
    );
    table.ok(
        "keys",
        &[
            "space",
            "successor",
            "roasting",
            "roasters",
            "--with",
            "Bob",
        ],
    );
    says(
        &table.ok("keys", &["space", "show", "roasters"]),
        &["Alice", "Bob", "2 people", "goes on from roasting"],
    );
    // Bob reads the new one alone: the old one is absent, also as what this goes on from.
    let shown = table.ok("bob", &["space", "show", "roasters"]);
    assert!(!shown.contains("goes on"), "{shown}");
    assert!(!table.ok("bob", &["space", "list"]).contains("roasting"));
}
