//! Everything works without a running node, and says that it has reached nobody.

use super::{Person, says};
use serde_json::Value;

#[test]
fn publish_edit_reply_and_show_work_without_a_node() {
    let alice = Person::founder();
    let file = alice.write("a.md", "# Beans\n\nOne line.\nAnother line.\n");
    let published = alice.run(&[
        "publish", &file, "--space", "lobby", "--kind", "page", "--tag", "x",
    ]);
    assert_eq!(published.code, 0, "{published:?}");
    says(&published.err, &["saved here, not yet at any peer"]);
    let id = published.out.trim();
    assert_eq!(id.len(), 64, "a copyable id is whole: {id}");

    let edited = alice.run_with_input(
        &["edit", &id[..8], "-"],
        "# Beans\n\nOne line!\nAnother line.\n",
    );
    assert_eq!(edited.code, 0, "{edited:?}");
    let heads = edited.out.trim().to_owned();
    assert_ne!(heads, id);
    let same = alice.run_with_input(&["edit", id, "-"], "# Beans\n\nOne line!\nAnother line.\n");
    says(&same.err, &["nothing changed"]);

    let reply = alice.ok(&["reply", &id[..8], "-m", "Fine."]);
    let nested = alice.ok(&["reply", &reply, "-m", "Indeed."]);
    let shown = alice.ok(&["show", &id[..8]]);
    says(
        &shown,
        &[
            "Beans  [page]",
            id,
            &heads,
            "One line!",
            "2 replies",
            &nested,
            "Indeed.",
        ],
    );
    assert_eq!(shown.matches("Alice (Coffee Club)").count(), 3, "{shown}");

    says(&alice.ok(&["show", id, "--at", id]), &["One line.\n"]);
    let diff = alice.ok(&["diff", id, id, &heads]);
    says(&diff, &["-One line.", "+One line!"]);
    says(&alice.ok(&["blame", id]), &["│ One line", "│ !"]);
    let history = alice.ok(&["history", id]);
    says(&history, &[id, &heads, "create", "edit", "effective"]);
    says(&alice.ok(&["sync", "status"]), &["not yet at any peer"]);
    says(&alice.ok(&["verify"]), &["checked"]);
    says(&alice.ok(&["reindex"]), &["indexed"]);
    says(&alice.ok(&["node", "status"]), &["(sled)"]);
    says(&alice.ok(&["reindex", "--engine", "fjall"]), &["indexed"]);
    says(&alice.ok(&["node", "status"]), &["(fjall)"]);
    says(&alice.ok(&["show", id]), &["One line!"]);
}

#[test]
fn erased_words_are_gone_and_the_rest_stays() {
    let alice = Person::founder();
    let id = alice.publish("lobby", "note", "xyzzy-secret");
    alice.ok(&["reply", &id, "-m", "I saw it"]);
    alice.ok(&["erase", &id, "--yes"]);
    let shown = alice.ok(&["show", &id]);
    says(&shown, &["erased by their author", "I saw it"]);
    for command in [
        &["show", id.as_str()][..],
        &["export"],
        &["watch", "--since", "0"],
        &["list"],
    ] {
        assert!(!alice.ok(command).contains("xyzzy"), "{command:?}");
    }
}

#[test]
fn importing_twice_adds_nothing_and_authors_are_not_vouched_for() {
    let alice = Person::founder();
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/suite/commands/items.jsonl"
    );
    let import = ["import", "jsonl", data, "--space", "lobby"];
    let dry = alice.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(
        (&dry["new"], &dry["dry_run"]),
        (&Value::from(4), &Value::from(true))
    );
    let first = alice.json(&import);
    assert_eq!(
        (&first["new"], &first["already_here"]),
        (&Value::from(4), &Value::from(0)),
        "{first}"
    );
    assert_eq!(first["skipped"].as_array().unwrap().len(), 1, "{first}");
    let second = alice.json(&import);
    assert_eq!(
        (&second["new"], &second["already_here"]),
        (&Value::from(0), &Value::from(4))
    );
    let listed = alice.json(&["list", "--kind", "topic"]);
    let question = listed["items"][0]["id"].as_str().unwrap();
    let shown = alice.ok(&["show", question]);
    says(
        &shown,
        &[
            "imported, author not verified: Quinn",
            "[accepted answer]",
            "Alice (Coffee Club)",
        ],
    );
    assert_eq!(
        shown.matches("imported, author not verified").count(),
        3,
        "{shown}"
    );
    for command in ["blame", "history"] {
        let told = alice.run(&[command, question]);
        says(&told.err, &["imported, author not verified: Quinn"]);
    }
}

#[test]
fn an_export_can_be_read_by_other_tools() {
    let alice = Person::founder();
    let id = alice.publish("lobby", "page", "# Title\n\nText\n");
    let out = alice.folder.path().join("md");
    alice.ok(&[
        "export",
        "--format",
        "markdown",
        "--to",
        &out.to_string_lossy(),
        "--space",
        "lobby",
    ]);
    let page = std::fs::read_dir(
        out.join(format!("lobby-{}", community(&alice)))
            .join("page"),
    )
    .unwrap()
    .next()
    .unwrap()
    .unwrap();
    says(
        &std::fs::read_to_string(page.path()).unwrap(),
        &[&id, "Text"],
    );
    let out = alice.folder.path().join("am");
    alice.ok(&[
        "export",
        "--format",
        "automerge",
        "--to",
        &out.to_string_lossy(),
    ]);
    let file = std::fs::read_dir(
        out.join(format!("lobby-{}", community(&alice)))
            .join("page"),
    )
    .unwrap()
    .next()
    .unwrap()
    .unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    assert_eq!(
        bytes[..4],
        [0x85, 0x6f, 0x4a, 0x83],
        "the magic bytes of Automerge"
    );
}

fn community(person: &Person) -> String {
    person.json(&["community", "show"])["id"].as_str().unwrap()[..8].to_owned()
}

#[test]
fn an_identity_comes_back_from_its_words_and_writes_as_a_new_device() {
    let alice = Person::founder();
    let words = alice.ok(&["identity", "phrase"]);
    let before = alice.json(&["whoami"]);
    std::fs::remove_dir_all(alice.folder.path().join("keys")).unwrap();
    let restore = [
        "identity",
        "restore",
        "--phrase",
        "--name",
        "Alice",
        "--no-passphrase",
    ];
    let restored = alice.run_with_input(&restore, &words);
    assert_eq!(restored.code, 0, "{restored:?}");
    let after = alice.json(&["whoami"]);
    assert_eq!(before["root"], after["root"]);
    assert_ne!(before["device"], after["device"]);
    let id = alice.publish("lobby", "note", "Back again");
    says(&alice.ok(&["show", &id]), &["Alice (Coffee Club)"]);
    let wrong = alice.run_with_input(
        &["identity", "restore", "--phrase", "--name", "A"],
        "one two",
    );
    assert_eq!(wrong.code, 1, "an identity is never overwritten: {wrong:?}");
}

/// A device that comes back from a backup must not go on from an earlier place.
#[test]
fn a_store_that_lost_words_is_noticed_before_a_fork() {
    let alice = Person::founder();
    let copy = alice.folder.path().join("copy");
    alice.publish("lobby", "note", "one");
    alice.ok(&["backup", &copy.to_string_lossy()]);
    alice.publish("lobby", "note", "two");
    std::fs::remove_dir_all(alice.home()).unwrap();
    alice.ok(&["restore", &copy.to_string_lossy()]);
    let file = alice.write("three.md", "three");
    let error = alice.fails(1, &["publish", &file, "--space", "lobby"]);
    says(&error, &["cannot sign", "fork", "comity sync"]);
}
