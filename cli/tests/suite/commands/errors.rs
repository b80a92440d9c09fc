//! Every error says what was attempted, why it failed and what to do; data and errors stay apart.

use super::{Person, says};
use std::net::TcpListener;

#[test]
fn without_an_identity_init_is_named() {
    let nobody = Person::new();
    for command in [
        &["publish", "-"][..],
        &["whoami"],
        &["reply", "abcd", "-m", "x"],
        &["community", "create", "X"],
    ] {
        says(&nobody.fails(1, command), &["no identity", "comity init"]);
    }
}

#[test]
fn without_a_node_home_init_is_named() {
    let person = Person::ready("Alice");
    std::fs::remove_dir_all(person.home()).unwrap();
    says(
        &person.fails(1, &["list"]),
        &["no node home", "comity init"],
    );
    says(&person.fails(1, &["node", "start"]), &["no node home"]);
}

#[test]
fn misuse_ends_with_two_and_speaks_json_if_asked() {
    let person = Person::new();
    says(&person.fails(2, &["publish"]), &["required", "Usage"]);
    let error = person.fails(2, &["publish", "--json"]);
    let error: serde_json::Value = serde_json::from_str(error.trim()).unwrap();
    assert_eq!(error["error"]["kind"], "usage");
    says(&person.fails(2, &["frobnicate"]), &["frobnicate"]);
}

#[test]
fn a_second_init_changes_nothing() {
    let person = Person::ready("Alice");
    let before = person.json(&["whoami"]);
    says(
        &person.fails(1, &["init", "--name", "Eve"]),
        &["already", "--identity"],
    );
    assert_eq!(person.json(&["whoami"]), before);
}

#[test]
fn a_bad_ticket_is_told_from_a_used_one() {
    let bob = Person::ready("Bob");
    says(
        &bob.fails(1, &["join", "comity1abc"]),
        &["not a usable ticket", "again"],
    );
    says(&bob.fails(1, &["join", "hello"]), &["a ticket starts with"]);
    let alice = Person::founder();
    alice.start();
    let ticket = alice.ok(&["invite", "--uses", "1"]);
    bob.start();
    bob.ok(&["join", &ticket, "--wait"]);
    says(&bob.fails(1, &["join", &ticket]), &["already"]);
    let carol = Person::ready("Carol");
    carol.start();
    says(
        &carol.fails(1, &["join", &ticket, "--wait"]),
        &["cannot join Coffee", "used up", "new"],
    );
}

#[test]
fn a_wrong_passphrase_is_named() {
    let person = Person::new();
    let right = person.write("right", "correct horse");
    let wrong = person.write("wrong", "battery staple");
    person.ok(&["init", "--name", "Ada", "--passphrase-file", &right]);
    let create = ["community", "create", "X", "--passphrase-file"];
    let error = person.fails(1, &[&create[..], &[&wrong]].concat());
    says(&error, &["passphrase is wrong", "24 words"]);
    says(
        &person.fails(2, &create[..3]),
        &["passphrase", "COMITY_PASSPHRASE"],
    );
    person.ok(&[&create[..], &[&right]].concat());
}

#[test]
fn unknown_and_malformed_ids_are_told_apart() {
    let alice = Person::founder();
    says(
        &alice.fails(1, &["show", "0123456789"]),
        &["no document", "comity list"],
    );
    says(
        &alice.fails(2, &["show", "xyz"]),
        &["not the id", "64 digits"],
    );
    let community = alice.json(&["community", "show"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    says(&alice.fails(1, &["show", &community]), &["is a community"]);
}

#[test]
fn a_space_must_be_named_when_there_are_several() {
    let alice = Person::founder();
    let file = alice.write("a.md", "Hello");
    says(
        &alice.fails(2, &["publish", &file]),
        &["say which", "Coffee/lobby", "Coffee/members"],
    );
    let error = alice.fails(1, &["publish", &file, "--space", "attic"]);
    says(&error, &["no space \"attic\"", "Coffee/lobby"]);
}

#[test]
fn who_is_not_a_member_cannot_write() {
    let alice = Person::founder();
    let copy = alice.folder.path().join("copy");
    alice.ok(&["backup", &copy.to_string_lossy()]);
    let bob = Person::ready("Bob");
    std::fs::remove_dir_all(bob.home()).unwrap();
    bob.ok(&["restore", &copy.to_string_lossy()]);
    let file = bob.write("a.md", "Hello");
    let error = bob.fails(1, &["publish", &file, "--space", "lobby"]);
    says(
        &error,
        &["cannot write in Coffee/lobby", "member", "ticket"],
    );
    says(&bob.fails(1, &["invite"]), &["only delegates"]);
}

#[test]
fn what_is_too_large_is_said_with_the_limit() {
    let alice = Person::founder();
    let file = alice.write("large.md", &"x".repeat(300 * 1024));
    let error = alice.fails(1, &["publish", &file, "--space", "lobby"]);
    says(&error, &["256 KiB", "split"]);
    let file = alice.write("bytes.md", "");
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    says(
        &alice.fails(1, &["publish", &file, "--space", "lobby", "--title", "x"]),
        &["UTF-8"],
    );
    says(
        &alice.fails(1, &["publish", "absent.md", "--space", "lobby"]),
        &["read absent.md"],
    );
}

#[test]
fn one_node_per_home_and_one_program_per_port() {
    let alice = Person::founder();
    alice.start();
    says(
        &alice.fails(1, &["node", "start"]),
        &["runs already", "comity node stop"],
    );
    alice.ok(&["node", "stop"]);
    says(
        &alice.fails(1, &["node", "stop"]),
        &["no node runs", "comity node start"],
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let error = alice.fails(1, &["node", "start", "--listen", &address]);
    says(&error, &["did not start", &address, "--listen"]);
    says(
        &alice.fails(2, &["node", "start", "--listen", "7440"]),
        &["not a multiaddress"],
    );
}

#[test]
fn a_store_that_another_process_holds_is_said_to_be_in_use() {
    let alice = Person::founder();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = comity_node::node::NodeOptions::offline(&alice.home());
    let node = runtime
        .block_on(comity_node::node::Node::open(options))
        .unwrap();
    says(
        &alice.fails(1, &["list"]),
        &["in use", &std::process::id().to_string()],
    );
    runtime.block_on(node.stop());
    drop(node);
    drop(runtime);
    alice.ok(&["list"]);
}

#[test]
fn homes_that_cannot_be_used_are_refused_before_anything_is_made() {
    let person = Person::new();
    let long = format!("{}/{}", person.folder.path().display(), "x".repeat(100));
    let init = ["init", "--name", "A", "--no-passphrase", "--home"];
    let error = person.fails(1, &[&init[..], &[&long]].concat());
    says(&error, &["socket path", "103"]);
    let file = person.write("file", "");
    let under = format!("{file}/home");
    let error = person.fails(1, &[&init[..], &[&under]].concat());
    says(&error, &["cannot be written", "--home"]);
    says(&person.fails(1, &["whoami"]), &["no identity"]);
}

#[test]
fn a_peer_that_does_not_answer_is_named() {
    let alice = Person::founder();
    says(
        &alice.fails(1, &["node", "connect", "/ip4/127.0.0.1/tcp/1"]),
        &["no node runs"],
    );
    alice.start();
    let error = alice.fails(1, &["node", "connect", "/ip4/127.0.0.1/tcp/1"]);
    says(&error, &["/ip4/127.0.0.1/tcp/1", "cannot reach"]);
    let error = alice.run(&["sync"]);
    assert_eq!(error.code, 1);
    says(&error.err, &["no peer could be reached", "saved here"]);
}

#[test]
fn erasing_needs_consent_and_own_words() {
    let alice = Person::founder();
    let id = alice.publish("lobby", "note", "Secret");
    says(
        &alice.fails(2, &["erase", &id]),
        &["consent", "--yes", "backups is out of reach"],
    );
    alice.ok(&["erase", &id, "--yes"]);
    says(
        &alice.fails(1, &["erase", &id, "--yes"]),
        &["erased already"],
    );
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let alice = Person::founder();
    let record = alice.home().join("record");
    let segment = std::fs::read_dir(&record)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "seg"))
        .unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    for copy in bytes[..64].chunks_exact_mut(32) {
        copy[8..12].copy_from_slice(&99u32.to_le_bytes());
        let crc = crc32c(&copy[..28]);
        copy[28..].copy_from_slice(&crc.to_le_bytes());
    }
    std::fs::write(&segment, &bytes).unwrap();
    says(
        &alice.fails(1, &["list"]),
        &["format 99", "Update comity", "nothing was changed"],
    );
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(!0, byte)
}
