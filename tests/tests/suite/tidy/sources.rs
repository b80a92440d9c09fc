//! Rules about sources and manifests.

use super::{File, assert_none, code, files, find, read, root, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Longest source file, in lines.
const FILE_LINES_MAX: usize = 600;

/// Files that are longer: path, most lines allowed, reason.
const LONG_FILES: &[(&str, usize, &str)] = &[];

/// Sources that take wall-clock time or randomness from the system. Everything else is given both.
const CLOCK_AND_RANDOM: &[(&str, &str)] = &[
    ("node/src/random.rs", "the node's one place for both"),
    (
        "node/src/store/record/append.rs",
        "the marker of a new segment",
    ),
    (
        "node/net/src/driver.rs",
        "jitter of reconnects, handed to a pure machine",
    ),
    (
        "cli/src/identity/envelope.rs",
        "salt and nonce of sealed files",
    ),
    ("cli/src/identity/material.rs", "new keys"),
    ("cli/src/moment.rs", "the command line's clock"),
    ("cli/src/random.rs", "the command line's randomness"),
];

/// Names of the packages a manifest depends on outside tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut names = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
        } else if section.ends_with("dependencies") && !section.contains("dev-") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn protocol_depends_on_nothing_that_acts() {
    let allowed = BTreeSet::from(
        [
            "automerge",
            "blake3",
            "bs58",
            "curve25519-dalek",
            "ed25519-dalek",
            "ed25519-zebra",
            "hex",
            "rand_core",
            "thiserror",
        ]
        .map(str::to_owned),
    );
    let found: Vec<String> = dependencies(&read("protocol/Cargo.toml"))
        .difference(&allowed)
        .cloned()
        .collect();
    assert_none("protocol is pure; it gained dependencies:", &found);
}

#[test]
fn protocol_reads_no_files_sockets_clocks_or_randomness() {
    let banned = [
        "tokio",
        "libp2p",
        "sled",
        "fjall",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "fs::read",
        "Instant",
        "SystemTime",
        "UNIX_EPOCH",
        "getrandom",
        "SysRng",
        "OsRng",
        "RandomState",
        "println!",
        "print!(",
        "eprint!(",
    ];
    let sources = sources();
    let protocol: Vec<File> = sources
        .iter()
        .filter(|file| file.path.starts_with("protocol/src/"))
        .map(code)
        .collect();
    assert!(
        protocol.len() > 20,
        "the sources of protocol were not found"
    );
    assert_none("protocol is pure:", &find(&protocol, &banned));
}

#[test]
fn clocks_and_randomness_are_read_in_few_places() {
    let needles = [
        "SystemTime::now",
        "getrandom::",
        "SysRng",
        "OsRng",
        "thread_rng",
    ];
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    for file in sources()
        .iter()
        .filter(|file| file.path.contains("/src/") && !file.path.starts_with("tests/"))
    {
        let places = find([&code(file)], &needles);
        if places.is_empty() {
            continue;
        }
        match CLOCK_AND_RANDOM.iter().find(|(path, _)| *path == file.path) {
            Some((path, _)) => drop(used.insert(*path)),
            // What only names the error of the generator reads nothing.
            None => found.extend(
                places
                    .into_iter()
                    .filter(|it| !it.contains("getrandom::Error")),
            ),
        }
    }
    assert_none(
        "take time and randomness as arguments, or from the crate's one place:",
        &found,
    );
    let unused: Vec<String> = CLOCK_AND_RANDOM
        .iter()
        .filter(|(path, _)| !used.contains(path) && root().join(path).exists())
        .map(|(path, reason)| format!("{path} ({reason})"))
        .collect();
    assert_none("no longer needed in CLOCK_AND_RANDOM:", &unused);
}

#[test]
fn the_stricter_clippy_file_bans_what_the_root_bans() {
    let bans = |path: &str| -> BTreeSet<String> {
        let text = read(path);
        let paths = text.split("path = \"").skip(1);
        paths
            .filter_map(|it| it.split('"').next())
            .map(str::to_owned)
            .collect()
    };
    let (root, protocol) = (bans("clippy.toml"), bans("protocol/clippy.toml"));
    assert!(root.contains("tokio::sync::mpsc::unbounded_channel"));
    // Crates that protocol does not depend on cannot be called there.
    let missing: Vec<String> = root
        .difference(&protocol)
        .filter(|it| it.starts_with("std::"))
        .cloned()
        .collect();
    assert_none(
        "banned in clippy.toml but not in protocol/clippy.toml:",
        &missing,
    );
    for path in ["std::time::Instant::now", "std::time::SystemTime::now"] {
        assert!(protocol.contains(path), "protocol may call {path}");
    }
}

#[test]
fn no_channel_is_unbounded() {
    // Clippy bans the calls it knows; this also finds those of crates it was not told about.
    let needles = [
        concat!("unbounded", "_channel("),
        concat!("::unbound", "ed("),
        concat!("Unbounded", "Sender"),
    ];
    assert_none(
        "bound every queue and say what happens when it is full:",
        &find(&sources(), &needles),
    );
}

/// The tap sees words before encryption: only tests and benches put it on, and no command or request
/// can.
#[test]
fn only_tests_tap_the_network() {
    const CARRY_IT: [&str; 2] = ["node/src/node.rs", "node/src/peers.rs"];
    let of_net = |path: &str| {
        ["node/net/", "tests/", "node/benches/"]
            .iter()
            .any(|folder| path.starts_with(folder))
    };
    let sources = sources();
    let others: Vec<File> = sources
        .iter()
        .filter(|file| !of_net(&file.path) && !CARRY_IT.contains(&file.path.as_str()))
        .map(code)
        .collect();
    assert!(others.len() > 50, "the sources were not found");
    let found = find(&others, &["tap::", "Tap::", "_tapped"]);
    assert_none("the tap is for tests:", &found);
    let carry: Vec<File> = sources
        .iter()
        .filter(|file| CARRY_IT.contains(&file.path.as_str()))
        .map(code)
        .collect();
    assert_none("a tap is made by tests:", &find(&carry, &["Tap::new"]));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifest = read("Cargo.toml");
    for lint in [
        "unsafe_code = \"forbid\"",
        "unwrap_used = \"deny\"",
        "disallowed_methods = \"deny\"",
    ] {
        assert!(manifest.contains(lint), "Cargo.toml lacks {lint}");
    }
    let without: Vec<String> = files()
        .into_iter()
        .filter(|file| {
            file.path.ends_with("/Cargo.toml") && !file.path.starts_with("protocol/fuzz")
        })
        .filter(|file| !file.text.contains("[lints]\nworkspace = true"))
        .map(|file| file.path)
        .collect();
    assert_none("manifests without the workspace's lints:", &without);
    assert!(read("protocol/src/lib.rs").contains("#![deny(missing_docs)]"));
}

#[test]
fn modules_are_named_after_their_files() {
    let found: Vec<String> = sources()
        .into_iter()
        .map(|file| file.path)
        .filter(|path| path.ends_with("/mod.rs"))
        .collect();
    assert_none("name a module foo.rs, with its parts in foo/:", &found);
}

#[test]
fn files_stay_short() {
    let mut found = Vec::new();
    let lengths: BTreeMap<String, usize> = sources()
        .into_iter()
        .map(|file| (file.path, file.text.lines().count()))
        .collect();
    for (path, lines) in &lengths {
        let listed = LONG_FILES.iter().find(|(listed, ..)| listed == path);
        let most = listed.map_or(FILE_LINES_MAX, |(_, most, _)| *most);
        if *lines > most {
            found.push(format!("{path}: {lines} lines, at most {most}"));
        }
    }
    assert_none("one idea, one file:", &found);
    let unused: Vec<String> = LONG_FILES
        .iter()
        .filter(|(path, ..)| {
            lengths
                .get(*path)
                .is_none_or(|lines| *lines <= FILE_LINES_MAX)
        })
        .map(|(path, _, reason)| format!("{path} ({reason})"))
        .collect();
    assert_none("no longer needed in LONG_FILES:", &unused);
}

#[test]
fn nothing_is_left_undone_in_silence() {
    let needles = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[igno", "re"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    assert_none(
        "finish it, or say in an error what is missing:",
        &find(&sources(), &needles),
    );
}

#[test]
fn unsafe_code_and_lint_escapes_are_visible() {
    let needles = [
        concat!("allow(", "unsafe_code"),
        concat!("allow(", "warnings"),
        concat!("allow(", "clippy::all"),
    ];
    assert_none(
        "do not switch lints off wholesale:",
        &find(&sources(), &needles),
    );
}

#[test]
fn consensus_and_storage_are_pinned() {
    let manifest = read("Cargo.toml");
    let pins = [
        "automerge = \"=0.12.0\"",
        "sled = \"=0.34.7\"",
        "fjall = { version = \"=3.1.13\"",
    ];
    for pin in pins {
        assert!(
            manifest.contains(pin),
            "Cargo.toml lacks {pin}; it needs a decision record"
        );
    }
}
