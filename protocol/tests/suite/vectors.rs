//! The vectors `authority`, `contribution`, `record`, `certificate`, `ticket` and `hello` in `specs/vectors`.
//!
//! `COMITY_WRITE_VECTORS=1 cargo test -p comity-protocol --test suite vectors` writes them anew.

mod authority;
mod certificate;
mod contribution;
mod hello;
mod record;
mod ticket;

use crate::derivation::vectors::check;
use comity_protocol::codec::Writer;
use serde_json::{Value as Json, json};
use std::fmt::Debug;

/// The names of an error and of its causes, without their details: `Header.Codec.NotShortest`.
fn code(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    let end = text.find([' ', '{']).unwrap_or(text.len());
    let names = text[..end].split(['(', ')']);
    let names = names.filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
    names.collect::<Vec<_>>().join(".")
}

/// A name that says what is wrong, the bytes, and the code of the error they must meet.
type Case = (&'static str, Vec<u8>, String);

fn case(name: &'static str, bytes: Vec<u8>, error: &str) -> Case {
    (name, bytes, error.to_owned())
}

fn refused<T: Debug, E: Debug>(
    cases: Vec<Case>,
    decode: impl Fn(&[u8]) -> Result<T, E>,
) -> Vec<Json> {
    let judged = cases.into_iter().map(|(name, bytes, expected)| {
        let error = code(&decode(&bytes).expect_err(name));
        assert_eq!(error, expected, "{name}");
        json!({ "name": name, "bytes": hex::encode(bytes), "error": error })
    });
    judged.collect()
}

fn written(fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::new();
    fill(&mut w);
    w.finish()
}

/// The one place of `from` in `bytes` becomes `to`, of any length.
fn spliced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut places = bytes.windows(from.len()).enumerate();
    let at = places
        .find(|(_, window)| *window == from)
        .expect("something to replace")
        .0;
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// What is wrong in the same way for every form; `codec` names how its error names the codec's.
fn damaged(bytes: &[u8], codec: &str) -> Vec<Case> {
    let len = bytes[0] & 0x1f;
    let with = |head: &[u8]| [head, &bytes[1..]].concat();
    let broken = [
        ("empty-input", vec![], "Truncated"),
        ("cut-short", bytes[..bytes.len() - 1].to_vec(), "Truncated"),
        ("trailing-byte", [bytes, &[0]].concat(), "TrailingBytes"),
        ("indefinite-array", with(&[0x9f]), "IndefiniteLength"),
        (
            "array-length-not-shortest",
            with(&[0x98, len]),
            "NotShortest",
        ),
        ("map-in-place-of-array", with(&[0xa0 | len]), "WrongType"),
    ];
    let named = broken.map(|(name, bytes, error)| (name, bytes, format!("{codec}.{error}")));
    named.to_vec()
}
