//! Homes and identities on a file system that is mounted read-only.

use super::{Actor, FAILURE, founder, refused, treasure};
use comity_tests::stories::read_only::ReadOnly;
use std::{fs, path::Path};

/// These folders as read-only mounts; none, said aloud, where tests may not mount anything.
fn read_only(folders: &[&Path]) -> Option<ReadOnly> {
    ReadOnly::mounts(folders)
        .inspect_err(|why| eprintln!("skipped: this system makes no read-only mounts: {why}"))
        .ok()
}

#[test]
fn a_home_on_a_read_only_mount_is_refused_and_can_be_copied() {
    let stage = tempfile::tempdir().unwrap();
    let mut alice = founder(stage.path());
    let before = treasure(&alice);
    let published = alice.ok(&["list", "--json"]);
    fs::write(alice.folder().join("a.md"), "Lost words?").unwrap();
    fs::write(alice.folder().join("items.jsonl"), "").unwrap();
    let home = alice.home();
    let Some(mount) = read_only(&[&home]) else {
        return;
    };
    alice.sees_read_only(Some(mount));
    let commands: [&[&str]; 10] = [
        &["list"],
        &["show", "0123"],
        &["verify"],
        &["export", "--format", "jsonl"],
        &["publish", "a.md", "--space", "lobby"],
        &["import", "jsonl", "items.jsonl", "--space", "lobby"],
        &["community", "create", "Tea"],
        &["sync", "status"],
        &["node", "start"],
        &["reindex"],
    ];
    let home = home.to_str().unwrap().to_owned();
    let says = [
        &*format!("home {home} cannot be opened"),
        "its file system is read-only",
        "Nothing was changed",
        "mount it writable again",
        &*format!("comity restore {home} --home"),
    ];
    for words in commands {
        refused(&alice, FAILURE, words, &says);
    }
    let asked = alice.run(&["whoami"]);
    assert_eq!(asked.code, Some(0), "{}", asked.err);
    assert!(asked.err.contains("its file system is read-only"));
    assert!(!asked.err.contains("comity init"), "{}", asked.err);

    // What the refusal advises: everything can be read from a copy, even now.
    let copy = stage.path().join("copy");
    let copy = copy.to_str().unwrap();
    alice.ok(&["restore", &home, "--home", copy]);
    let exported = alice.ok(&["export", "--format", "jsonl", "--home", copy]);
    assert_eq!(exported, before.0);

    alice.sees_read_only(None);
    assert_eq!(treasure(&alice), before);
    assert_eq!(alice.ok(&["list", "--json"]), published);
    alice.ok(&["publish", "a.md", "--space", "lobby"]);
}

/// The node writes, the command only speaks to it: as in a container that sees the home read-only.
#[test]
fn a_running_node_serves_who_sees_its_home_read_only() {
    let stage = tempfile::tempdir().unwrap();
    let mut alice = founder(stage.path());
    let Some(mount) = read_only(&[&alice.home()]) else {
        return;
    };
    alice.start();
    alice.sees_read_only(Some(mount));
    assert!(alice.ok(&["list"]).contains("First"));
    let publish = ["publish", "-", "--space", "lobby", "--title", "Second"];
    alice.ok_with(&publish, "More words");
    assert!(alice.ok(&["list"]).contains("Second"));
}

#[test]
fn an_identity_on_a_read_only_mount_reads_and_does_not_sign() {
    let stage = tempfile::tempdir().unwrap();
    let mut alice = founder(stage.path());
    let before = treasure(&alice);
    fs::write(alice.folder().join("a.md"), "Lost words?").unwrap();
    let identity = alice.identity();
    let Some(mount) = read_only(&[&identity]) else {
        return;
    };
    alice.sees_read_only(Some(mount));
    assert!(alice.ok(&["list"]).contains("First"));
    let publish = ["publish", "a.md", "--space", "lobby"];
    let says = [
        "cannot write in",
        "identity",
        "Read-only",
        "COMITY_IDENTITY",
    ];
    refused(&alice, FAILURE, &publish, &says);
    assert_eq!(treasure(&alice), before);
    alice.sees_read_only(None);
    alice.ok(&publish);
}

#[test]
fn nothing_is_made_on_a_read_only_mount() {
    let stage = tempfile::tempdir().unwrap();
    let mut bob = Actor::new(stage.path(), "bob");
    let disk = bob.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(mount) = read_only(&[&disk]) else {
        return;
    };
    bob.sees_read_only(Some(mount));
    let init = ["init", "--name", "B", "--home"];
    let says = ["disk", "cannot be written", "Read-only", "COMITY_HOME"];
    refused(&bob, FAILURE, &[&init[..], &["disk/home"]].concat(), &says);
    refused(&bob, FAILURE, &[&init[..], &["disk"]].concat(), &says);
    assert!(!bob.identity().exists(), "a refused init left keys behind");
    let keys = ["init", "--name", "B", "--identity", "disk/keys"];
    let says = [
        "cannot write in",
        "disk/keys",
        "Read-only",
        "COMITY_IDENTITY",
    ];
    refused(&bob, FAILURE, &keys, &says);
    bob.init();
}
