//! How the node does, for people and for scripts.

use super::{Person, ended, says, together::joined};
use std::process::Command;

/// Largest file that the node of the test may write.
const LIMIT_KIB: u64 = 3_072;
/// Publications before the test gives up on the limit.
const PUBLISHED_MAX: usize = 60;

#[test]
fn health_is_an_exit_code_and_status_says_it_in_words() {
    let somebody = Person::founder();
    let refused = somebody.fails(1, &["node", "health"]);
    says(&refused, &["no node runs", "comity node start"]);
    says(
        &somebody.ok(&["node", "status"]),
        &["running  no", "needs    a start", "comity node start"],
    );
    somebody.start();
    assert_eq!(somebody.ok(&["node", "health"]), "ok");
    assert_eq!(somebody.json(&["node", "health"])["state"], "ok");
    says(
        &somebody.ok(&["node", "status"]),
        &[
            "running  since",
            "peers    none connected",
            "reached  from this machine only",
            "sync     nobody to exchange with now",
            "needs    nothing",
        ],
    );
}

#[test]
fn status_says_who_called_and_that_all_is_equal() {
    let (alice, bob) = joined();
    bob.ok(&["sync", "--wait"]);
    alice.ok(&["sync", "--wait"]);
    let told = [&alice, &bob].map(|it| it.ok(&["node", "status"]));
    let called = told.iter().filter(|it| it.contains("reached  yes: 1 peer"));
    assert_eq!(called.count(), 1, "{told:?}");
    says(
        &told[0],
        &["sync     equal with 1 peer", "needs    nothing"],
    );
}

#[test]
fn a_node_that_cannot_write_is_not_well() {
    let somebody = Person::founder();
    // The signal that comes with the limit is ignored, so that writing fails with an error.
    let script = format!("trap '' XFSZ; ulimit -S -f {LIMIT_KIB}; exec \"$0\" \"$@\"");
    let start = ["node", "start", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let started = ended(
        Command::new("bash")
            .args(["-c", &script])
            .arg(env!("CARGO_BIN_EXE_comity"))
            .args(start)
            .env("HOME", somebody.folder.path())
            .env("COMITY_HOME", somebody.home()),
    );
    assert_eq!(started.code, 0, "{started:?}");
    let file = somebody.write("long.md", &"x".repeat(150_000));
    let publish = ["publish", &file, "--space", "lobby", "--kind", "note"];
    let failed = (0..PUBLISHED_MAX).any(|_| somebody.run(&publish).code != 0);
    assert!(failed, "the limit does not work");
    let unwell = somebody.fails(1, &["node", "health"]);
    says(
        &unwell,
        &["not well", "(read_only)", "File too large", "Free space"],
    );
    says(
        &somebody.fails(1, &["node", "health", "--json"]),
        &["\"kind\"", "(read_only)"],
    );
    says(
        &somebody.ok(&["node", "status"]),
        &["needs    attention", "takes no writes"],
    );
}
