//! Every refusal says what was attempted, why it failed and what to do next, in words and in JSON,
//! ends with the right exit code, and loses nothing.

mod read_only;

use comity_tests::stories::actor::{Actor, free_port};
use serde_json::Value;
use std::{collections::BTreeSet, fs, net::TcpListener, path::Path};

const FAILURE: i32 = 1;
const MISUSE: i32 = 2;

/// Runs a command that must be refused, once for people and once for programs. `says` must all
/// stand in what people read.
#[track_caller]
fn refused(actor: &Actor, code: i32, words: &[&str], says: &[&str]) {
    let shown = actor.run(words);
    let what = format!("comity {}\n{}{}", words.join(" "), shown.out, shown.err);
    assert_eq!(shown.code, Some(code), "{what}");
    assert_eq!(shown.out, "", "data beside an error: {what}");
    for needle in ["error: ", "hint: "].iter().chain(says) {
        assert!(shown.err.contains(needle), "{needle:?} is not said: {what}");
    }
    let told = actor.run(&[words, &["--json"]].concat());
    assert_eq!((told.code, told.out.as_str()), (Some(code), ""), "{what}");
    let line = told.err.lines().last().unwrap_or_default();
    let value: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line} after {what}"));
    let error = &value["error"];
    let kind = if code == MISUSE { "usage" } else { "failure" };
    assert_eq!(error["kind"], kind, "{line}");
    assert!(!error["message"].as_str().unwrap().is_empty(), "{line}");
    let hints = error["hints"].as_array().unwrap();
    assert!(!hints.is_empty(), "no hint: {line}");
}

/// Everything a node holds, and that it is sound.
#[track_caller]
fn treasure(actor: &Actor) -> (String, String) {
    actor.ok(&["verify"]);
    let whole = actor.ok(&["export", "--format", "jsonl"]);
    assert!(!whole.is_empty());
    (whole, actor.ok(&["community", "list", "--json"]))
}

fn founder(stage: &Path) -> Actor {
    let alice = Actor::new(stage, "alice");
    alice.init();
    alice.ok(&["community", "create", "Coffee", "--party", "Club"]);
    let publish = ["publish", "-", "--space", "lobby", "--title", "First"];
    alice.ok_with(&publish, "Some words");
    alice
}

#[test]
fn tickets_and_membership() {
    let stage = tempfile::tempdir().unwrap();
    let alice = founder(stage.path());
    let before = treasure(&alice);
    let (bob, carol) = (
        Actor::new(stage.path(), "bob"),
        Actor::new(stage.path(), "carol"),
    );
    bob.init();
    carol.init();
    alice.start();
    bob.start();
    carol.start();
    let ticket = alice.ok(&["invite"]);
    let cut = &ticket[..ticket.len() - 5];
    for broken in ["comity1abc", "hello", cut] {
        let says = ["cannot join", "not a usable ticket", "ask for a new one"];
        refused(&bob, FAILURE, &["join", broken], &says);
    }
    bob.ok(&["join", &ticket, "--wait"]);
    refused(
        &bob,
        FAILURE,
        &["join", &ticket],
        &["a member of Coffee already"],
    );
    let says = ["cannot join Coffee", "used up", "for a new one"];
    refused(&carol, FAILURE, &["join", &ticket, "--wait"], &says);
    refused(
        &bob,
        FAILURE,
        &["invite"],
        &["only delegates", "ask one of them"],
    );

    // Carol serves a copy of Bob's node, and is a member of nothing.
    let copy = stage.path().join("copy");
    bob.ok(&["backup", copy.to_str().unwrap()]);
    carol.stop();
    fs::remove_dir_all(carol.home()).unwrap();
    carol.ok(&["restore", copy.to_str().unwrap()]);
    fs::write(carol.folder().join("a.md"), "Buy my beans").unwrap();
    let publish = ["publish", "a.md", "--space", "lobby"];
    refused(
        &carol,
        FAILURE,
        &publish,
        &["cannot write in Coffee/lobby", "ticket"],
    );
    assert_eq!(treasure(&alice).0, before.0);
}

#[test]
fn identities_and_passphrases() {
    let stage = tempfile::tempdir().unwrap();
    let nobody = Actor::new(stage.path(), "nobody");
    let create = ["community", "create", "X"];
    refused(
        &nobody,
        FAILURE,
        &create,
        &["there is no identity", "comity init"],
    );
    refused(
        &nobody,
        FAILURE,
        &["list"],
        &["there is no node home", "comity init"],
    );

    let alice = founder(stage.path());
    let before = treasure(&alice);
    let wrong = alice.folder().join("wrong");
    fs::write(&wrong, "not hers").unwrap();
    let wrong = ["--passphrase-file", wrong.to_str().unwrap()];
    let words = [&create[..], &wrong].concat();
    refused(
        &alice,
        FAILURE,
        &words,
        &["cannot unlock", "passphrase is wrong", "24 words"],
    );
    let absent = [&create[..], &["--passphrase-file", "absent"]].concat();
    refused(
        &alice,
        FAILURE,
        &absent,
        &["cannot read the passphrase file"],
    );
    let taken = ["init", "--name", "Other"];
    refused(&alice, FAILURE, &taken, &["nothing to do", "comity whoami"]);

    let secret = alice.identity().join("secret");
    let sound = fs::read(&secret).unwrap();
    let mut damaged = sound.clone();
    damaged.truncate(sound.len() / 2);
    fs::write(&secret, &damaged).unwrap();
    refused(
        &alice,
        FAILURE,
        &create,
        &["secret", "damaged", "comity identity restore"],
    );
    fs::write(&secret, &sound).unwrap();
    assert_eq!(treasure(&alice), before);
}

/// Makes so many documents that two ids begin with the same four digits: without such a pair, one
/// run in thirty million would fail here.
fn shared_beginning(actor: &Actor) -> String {
    let lines: String = (0..1_500)
        .map(|item| {
            format!(
                "{{\"kind\":\"topic\",\"title\":\"Topic {item}\",\"body\":\"\",\"origin\":\
                 {{\"system\":\"made\",\"id\":\"{item}\",\"author\":\"nobody\"}}}}\n"
            )
        })
        .collect();
    fs::write(actor.folder().join("items.jsonl"), lines).unwrap();
    actor.ok(&["import", "jsonl", "items.jsonl", "--space", "lobby"]);
    let page: Value = serde_json::from_str(&actor.ok(&["list", "--all", "--json"])).unwrap();
    let items = page["items"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap()[..4].to_owned())
        .find(|beginning| !seen.insert(beginning.clone()))
        .expect("of 1,500 ids, two begin with the same four digits")
}

#[test]
fn ids_spaces_and_sizes() {
    let stage = tempfile::tempdir().unwrap();
    let alice = founder(stage.path());
    let shared = shared_beginning(&alice);
    let before = treasure(&alice);
    refused(
        &alice,
        FAILURE,
        &["show", &"0".repeat(64)],
        &["no document", "comity list"],
    );
    refused(&alice, MISUSE, &["show", "xyz"], &["not the id"]);
    refused(
        &alice,
        MISUSE,
        &["show", &shared],
        &[&shared, "stands for", "more digits"],
    );

    let folder = alice.folder();
    fs::write(folder.join("large.md"), "x".repeat(300 * 1024)).unwrap();
    fs::write(folder.join("bytes.md"), [0xff, 0xfe]).unwrap();
    let publish = |file| ["publish", file, "--space", "lobby", "--title", "T"];
    refused(&alice, FAILURE, &publish("large.md"), &["256 KiB", "split"]);
    refused(&alice, FAILURE, &publish("bytes.md"), &["as text", "UTF-8"]);
    refused(
        &alice,
        FAILURE,
        &publish("absent.md"),
        &["cannot read absent.md"],
    );
    let attic = ["publish", "absent.md", "--space", "attic"];
    refused(&alice, FAILURE, &attic, &["absent.md"]);
    fs::write(folder.join("small.md"), "# Words").unwrap();
    let nowhere = ["publish", "small.md"];
    refused(&alice, MISUSE, &nowhere, &["say which", "Coffee/lobby"]);
    assert_eq!(treasure(&alice), before);
}

#[test]
fn nodes_ports_and_peers() {
    let stage = tempfile::tempdir().unwrap();
    let alice = founder(stage.path());
    let before = treasure(&alice);
    refused(
        &alice,
        FAILURE,
        &["node", "stop"],
        &["no node runs", "comity node start"],
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let start = ["node", "start", "--listen", &address];
    refused(
        &alice,
        FAILURE,
        &start,
        &["did not start", &address, "another port"],
    );
    let port_only = ["node", "start", "--listen", "7440"];
    refused(&alice, MISUSE, &port_only, &["not a multiaddress", "/ip4/"]);

    alice.start();
    let again = ["node", "start"];
    refused(
        &alice,
        FAILURE,
        &again,
        &["runs already", "comity node stop"],
    );
    let nobody = format!("/ip4/127.0.0.1/tcp/{}", free_port());
    refused(
        &alice,
        FAILURE,
        &["node", "connect", &nobody],
        &[&nobody, "cannot reach"],
    );
    // What is known of spaces is data, and is printed before the error.
    let alone = alice.run(&["sync", "--wait", "--timeout", "2s"]);
    assert_eq!(alone.code, Some(FAILURE), "{}", alone.err);
    assert!(
        alone.err.contains("no peer could be reached"),
        "{}",
        alone.err
    );
    assert!(
        alone.err.contains("hint: what you wrote is saved here"),
        "{}",
        alone.err
    );
    assert_eq!(treasure(&alice).0, before.0);
}

/// Tests may run as root, whom no permission stops: a home below a file cannot be written by
/// anybody.
#[test]
fn homes_that_cannot_be_used() {
    let stage = tempfile::tempdir().unwrap();
    let alice = Actor::new(stage.path(), "alice");
    fs::write(alice.folder().join("file"), "").unwrap();
    let init = ["init", "--name", "A", "--home"];
    let below = [&init[..], &["file/home"]].concat();
    refused(&alice, FAILURE, &below, &["cannot be written", "--home"]);
    let long = "x".repeat(100);
    let long = [&init[..], &[&long]].concat();
    refused(&alice, FAILURE, &long, &["socket path", "103", "shorter"]);
    let keys = ["init", "--name", "A", "--identity", "file/keys"];
    refused(
        &alice,
        FAILURE,
        &keys,
        &["file/keys", "check that the path is right"],
    );
    assert!(
        !alice.identity().exists(),
        "a refused init left keys behind"
    );
}

#[test]
fn stores_in_use_too_new_or_damaged() {
    let stage = tempfile::tempdir().unwrap();
    let alice = founder(stage.path());
    let before = treasure(&alice);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = comity_node::node::NodeOptions::offline(&alice.home());
    let node = runtime
        .block_on(comity_node::node::Node::open(options))
        .unwrap();
    let pid = std::process::id().to_string();
    refused(&alice, FAILURE, &["list"], &["in use", &pid]);
    runtime.block_on(node.stop());
    drop((node, runtime));
    assert_eq!(treasure(&alice), before);

    let state = alice.home().join("state.json");
    let key = alice.home().join("node.key");
    for (file, damage, says) in [
        (&state, "{", "is not understood"),
        (&key, "short", "should hold 32 bytes"),
    ] {
        let sound = fs::read(file).unwrap();
        fs::write(file, damage).unwrap();
        refused(&alice, FAILURE, &["list"], &[says, "backup"]);
        assert_eq!(fs::read(file).unwrap(), damage.as_bytes(), "it was touched");
        fs::write(file, sound).unwrap();
        assert_eq!(treasure(&alice), before);
    }

    let segment = alice.home().join("record/00000000.seg");
    let sound = fs::read(&segment).unwrap();
    let mut newer = sound.clone();
    for copy in newer[..64].chunks_exact_mut(32) {
        copy[8..12].copy_from_slice(&99_u32.to_le_bytes());
        let sum = crc32c(&copy[..28]);
        copy[28..].copy_from_slice(&sum.to_le_bytes());
    }
    fs::write(&segment, &newer).unwrap();
    refused(&alice, FAILURE, &["list"], &["format 99", "Update comity"]);
    assert_eq!(fs::read(&segment).unwrap(), newer, "it was touched");
    fs::write(&segment, &sound).unwrap();
    assert_eq!(treasure(&alice), before);
}

#[test]
fn damaged_words_are_found_and_the_rest_is_read() {
    let stage = tempfile::tempdir().unwrap();
    let alice = founder(stage.path());
    let publish = ["publish", "-", "--space", "lobby", "--title", "Second"];
    alice.ok_with(&publish, "Other words");
    let segment = alice.home().join("record/00000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let needle = b"Some words";
    let at = bytes.windows(needle.len()).position(|it| it == needle);
    bytes[at.unwrap()] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let checked = alice.run(&["verify"]);
    assert_eq!(checked.code, Some(FAILURE), "{}", checked.out);
    assert!(checked.out.contains("problem: "), "{}", checked.out);
    for said in ["problems found", "hint: ", "comity sync", "comity restore"] {
        assert!(checked.err.contains(said), "{said}: {}", checked.err);
    }
    let listed = alice.ok(&["list"]);
    assert!(listed.contains("Second"), "{listed}");
    let warned = alice.run(&["node", "status"]).err;
    assert!(warned.contains("damaged"), "{warned}");
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(!0, byte)
}
