//! The published vectors, `specs/vectors/trie.json` and `sync-messages.json`.
//!
//! `COMITY_WRITE_VECTORS=1 cargo test -p comity-protocol --test suite vectors` writes them anew; what
//! changed is then for people to judge.

use super::harness::{author, space};
use super::messages::{key, samples};
use comity_protocol::id::EntryId;
use comity_protocol::key::SecretKey;
use comity_protocol::sync::claim::fingerprint;
use comity_protocol::sync::{AuthorTag, Key, Message, Trie, TrieHash};
use serde_json::{Value, json};
use std::path::PathBuf;

fn check(name: &str, made: Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../specs/vectors")
        .join(name);
    if std::env::var_os("COMITY_WRITE_VECTORS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let published: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(published, made, "{name} differs from what the code makes");
}

fn one(tag: [u8; 32], seq: u64, id: u8) -> Key {
    Key {
        author: AuthorTag::from_bytes(tag),
        seq,
        id: EntryId::from_bytes([id; 32]),
    }
}

fn trie_cases() -> Vec<(&'static str, Vec<Key>)> {
    let (a, b) = ([0x11; 32], [0x91; 32]);
    let mut near = a;
    near[31] = 0x12;
    vec![
        ("empty", vec![]),
        ("one-key", vec![one(a, 1, 1)]),
        ("split-in-first-nibble", vec![one(a, 1, 1), one(b, 1, 1)]),
        (
            "split-in-last-nibble-of-tag",
            vec![one(a, 1, 1), one(near, 1, 1)],
        ),
        ("split-in-seq", vec![one(a, 1, 1), one(a, 2, 2)]),
        (
            "split-in-high-half-of-seq-byte",
            vec![one(a, 1, 1), one(a, 0x11, 2)],
        ),
        ("two-ids-at-one-seq", vec![one(a, 1, 0x10), one(a, 1, 0x20)]),
        (
            "full-branch",
            (1..=16)
                .map(|seq| one(a, seq - 1 + 0x20, seq as u8))
                .collect(),
        ),
        (
            "nested",
            (1..=40)
                .map(|seq| one(if seq % 3 == 0 { b } else { a }, seq, 7))
                .collect(),
        ),
    ]
}

#[test]
fn trie_vectors() {
    let device = SecretKey::from_seed(&[1; 32]).public();
    let sets: Vec<Value> = trie_cases()
        .into_iter()
        .map(|(name, keys)| {
            let trie: Trie = keys.iter().map(|key| (*key, 1)).collect();
            let keys: Vec<_> = keys.iter().map(|key| hex::encode(key.to_bytes())).collect();
            json!({ "name": name, "keys": keys, "root": trie.root().to_string() })
        })
        .collect();
    let hash = TrieHash::from_bytes([0x33; 32]);
    let made = json!({
        "about": "Keys and roots of tries; see specs/sync.md sections 2, 3 and 5.",
        "author-tags": [{
            "space": space(7).to_string(),
            "author": hex::encode(device.as_bytes()),
            "tag": hex::encode(AuthorTag::new(&space(7), &device).as_bytes()),
        }],
        "fingerprints": [{
            "salt": hex::encode([6; 8]),
            "hash": hash.to_string(),
            "fingerprint": hex::encode(fingerprint(&[6; 8], &hash)),
        }],
        "sets": sets,
    });
    check("trie.json", made);
}

/// Replaces the one place where `from` stands.
fn altered(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

fn invalid() -> Vec<(&'static str, Vec<u8>)> {
    let sample = |name: &str| {
        let (_, message) = samples().into_iter().find(|(own, _)| *own == name).unwrap();
        message.encode()
    };
    let two = [key(1), key(2)];
    let announce = |keys: &[Key]| {
        Message::Announce {
            space: space(7),
            keys: keys.to_vec(),
        }
        .encode()
    };
    let roots = sample("roots");
    let wants = sample("compare-wants");
    let runs = sample("compare-runs");
    let tag = author(1);
    let span_numbers = [&[0x04, 0x1b][..], &(1u64 << 40).to_be_bytes()].concat();
    vec![
        ("empty-input", vec![]),
        ("not-an-array", vec![0xa0]),
        (
            "unknown-message-number",
            altered(&sample("credit"), &[0x82, 6], &[0x82, 12]),
        ),
        ("too-few-fields", vec![0x81, 7]),
        (
            "too-many-fields",
            [&sample("refuse")[..], &[0]].concat().tap(|b| b[0] = 0x83),
        ),
        ("trailing-byte", [&sample("done")[..], &[0]].concat()),
        (
            "number-not-shortest",
            altered(&sample("done"), &[0x83, 3], &[0x83, 0x18, 3]),
        ),
        (
            "indefinite-array",
            sample("done").tap(|bytes| bytes[0] = 0x9f),
        ),
        ("cut-short", sample("done")[..20].to_vec()),
        (
            "space-too-short",
            altered(&sample("refuse"), &[0x58, 32, 7], &[0x58, 31]),
        ),
        ("credit-of-nothing", vec![0x82, 6, 0]),
        (
            "credit-too-large",
            vec![0x82, 6, 0x1b, 0, 0, 0, 1, 0, 0, 0, 1],
        ),
        ("unknown-close-reason", vec![0x82, 8, 4]),
        (
            "done-with-round-zero",
            altered(&sample("done"), &[7, 2], &[7, 0]),
        ),
        ("roots-empty", vec![0x82, 0, 0x80]),
        ("roots-count-above-limit", vec![0x82, 0, 0x99, 0x04, 0x01]),
        ("roots-count-beyond-input", vec![0x82, 0, 0x99, 0x04, 0x00]),
        ("roots-not-ascending", altered(&roots, &[2; 32], &[0; 32])),
        (
            "empty-root-with-keys",
            altered(&roots, &[0, 3, 0x84], &[1, 3, 0x84]),
        ),
        (
            "announce-empty",
            altered(&announce(&[key(1)]), &announce(&[key(1)])[36..], &[0x80]),
        ),
        ("announce-not-ascending", announce(&[two[1], two[0]])),
        ("announce-twice-the-same", announce(&[two[0], two[0]])),
        ("seq-above-53-bits", {
            let seq = 1 << 53;
            announce(&[Key { seq, ..two[0] }])
        }),
        ("entries-empty", {
            let one = Message::Entries {
                space: space(7),
                round: 0,
                entries: vec![vec![1]],
            };
            altered(&one.encode(), &[0, 0x81, 0x41, 1], &[0, 0x80])
        }),
        (
            "prefix-longer-than-a-key",
            altered(&wants, &[0x83, 0, 3], &[0x83, 0, 0x18, 145]),
        ),
        (
            "prefix-with-too-many-bytes",
            altered(&wants, &[0x83, 0, 3], &[0x83, 0, 2]),
        ),
        ("prefix-padding-not-zero", {
            let packed = [tag.as_bytes()[0], tag.as_bytes()[1] & 0xf0];
            altered(&wants, &packed, &[packed[0], packed[1] | 1])
        }),
        (
            "span-backwards",
            altered(&wants, &span_numbers, &[0x04, 0x03]),
        ),
        (
            "run-outside-of-prefix",
            altered(&runs, tag.as_bytes(), &[0; 32]),
        ),
        ("cells-fewer-than-slots", {
            altered(
                &sample("compare-cells"),
                &[[0x80, 0x01, 0x50].as_slice(), &[0; 8]].concat(),
                &[0x80, 0x01, 0x48],
            )
        }),
        ("cells-none", {
            let cells = [&[0x80, 0x01, 0x50][..], &[0; 8], &[15; 8]].concat();
            altered(&sample("compare-cells"), &cells, &[0, 0, 0x40])
        }),
        (
            "claims-overlap",
            altered(
                &sample("compare-cells"),
                &[2, 0x41, 5, 2, 2],
                &[2, 0x41, 5, 0, 2],
            ),
        ),
        (
            "claims-not-ascending",
            altered(
                &sample("compare-cells"),
                &[2, 0x41, 5, 2],
                &[2, 0x41, 0xb5, 2],
            ),
        ),
        ("spaces-empty", {
            let told = sample("spaces");
            [&told[..told.len() - 69], &[0x80]].concat()
        }),
        (
            "spaces-not-ascending",
            altered(&sample("spaces"), &[1; 32], &[8; 32]),
        ),
        ("learn-empty", vec![0x82, 11, 0x80]),
        ("learn-count-above-limit", vec![0x82, 11, 0x99, 0x01, 0x01]),
        ("grants-65", {
            let none = sample("grants-none");
            [&none[..none.len() - 1], &[0x98, 65]].concat()
        }),
        (
            "grant-by-small-order",
            altered(
                &sample("grants"),
                crate::access::grant().device.as_bytes(),
                &[0; 32],
            ),
        ),
        ("keys-outside-of-prefix", {
            let keys = sample("compare-keys");
            let at = keys
                .windows(32)
                .rposition(|window| window == tag.as_bytes())
                .unwrap();
            keys.tap(|bytes| bytes[at] = 0xff)
        }),
    ]
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Vec<u8> {}

#[test]
fn message_vectors() {
    let valid: Vec<Value> = samples()
        .iter()
        .map(|(name, message)| {
            let frame = message.to_frame();
            assert_eq!(Message::decode(&frame[4..]).as_ref(), Ok(message));
            json!({ "name": name, "frame": hex::encode(frame) })
        })
        .collect();
    let invalid: Vec<Value> = invalid()
        .iter()
        .map(|(name, bytes)| {
            let why = Message::decode(bytes).expect_err(name);
            json!({ "name": name, "body": hex::encode(bytes), "error": why.to_string() })
        })
        .collect();
    let made = json!({
        "about": "Sync messages; see specs/wire.md. Frames are whole, bodies lack their length. \
                  Error texts are for people and not normative.",
        "valid": valid,
        "invalid": invalid,
    });
    check("sync-messages.json", made);
}
