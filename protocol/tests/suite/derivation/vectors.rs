//! The vectors in `specs/vectors`: made by this code, and held fixed by it.
//!
//! `COMITY_WRITE_VECTORS=1 cargo test -p comity-protocol --test suite vectors` writes them anew.
//! A difference in a version that was released is a break of consensus, not a new vector.

mod derivation;
mod shape;

use super::world::path;
use comity_protocol::codec::Writer;
use comity_protocol::document::{Draft, Intent, Operation, Value, Words};
use serde_json::Value as Json;

pub(crate) fn check(name: &str, made: &Json) {
    let file = format!("{}/../specs/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("COMITY_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(made).unwrap();
        std::fs::write(&file, text + "\n").unwrap();
    }
    let held: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(&held, made, "{name} differs");
}

/// The names of an error and of what caused it, without their details: `Rule.WrongType`.
fn code(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    let mut names = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
    let first = names.next().unwrap_or_default().to_owned();
    match (first.as_str(), names.next()) {
        ("Rule" | "MalformedShape" | "Operation" | "Limit" | "Codec", Some(second)) => {
            format!("{first}.{second}")
        }
        _ => first,
    }
}

type Fill = fn(&mut Writer);

fn bytes(fill: Fill) -> Vec<u8> {
    let mut w = Writer::new();
    fill(&mut w);
    w.finish()
}

fn raw(shape: &str) -> Vec<u8> {
    hex::decode(shape).unwrap()
}

fn splice(position: u32, delete: u32, insert: &str) -> Draft {
    Draft::edit(vec![Operation::Splice {
        path: path(&["body"]),
        position,
        delete,
        insert: insert.to_owned(),
    }])
}

fn words_of(draft: &Draft) -> Vec<u8> {
    let mut words = NONCE.to_vec();
    let shape = draft.shape().unwrap();
    // Texts in shape order are what the words hold after the nonce; `Words::open` is the judge.
    collect(draft, &mut words);
    assert_eq!(&shape.with_words(&Words::open(&shape, &words)), draft);
    words
}

fn collect(draft: &Draft, out: &mut Vec<u8>) {
    fn value(item: &Value<String>, out: &mut Vec<u8>) {
        match item {
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Map(entries) => entries.values().for_each(|entry| value(entry, out)),
            Value::List(items) => items.iter().for_each(|entry| value(entry, out)),
            _ => {}
        }
    }
    match draft {
        Intent::Create { fields, .. } => fields.values().for_each(|entry| value(entry, out)),
        Intent::Edit { operations } => operations.iter().for_each(|operation| match operation {
            Operation::Put { value: item, .. } | Operation::Insert { value: item, .. } => {
                value(item, out);
            }
            Operation::Splice { insert, .. } => out.extend_from_slice(insert.as_bytes()),
            Operation::Delete { .. } => {}
        }),
    }
}

const NONCE: [u8; 32] = [0x5a; 32];
