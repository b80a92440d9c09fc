//! Makes `corpus/TARGET` from the vectors in `specs/vectors`, valid and invalid alike, so that a
//! fuzzer starts from what the formats look like rather than from nothing.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`, from `protocol/`.

use serde_json::Value;
use std::{fs, path::Path};

/// Target, file of vectors, list in it, field of each of its cases.
const SOURCES: [(&str, &str, &str, &str); 36] = [
    ("certificate", "certificate", "valid", "bytes"),
    ("certificate", "certificate", "invalid", "bytes"),
    ("certificate", "certificate", "not_verified", "bytes"),
    ("entry", "certificate", "valid", "entry"),
    ("entry", "contribution", "valid", "bytes"),
    ("entry", "contribution", "invalid_entries", "bytes"),
    ("entry", "contribution", "not_verified", "bytes"),
    ("entry", "contribution", "bare", "bytes"),
    ("entry", "contribution", "invalid_bare", "bytes"),
    ("entry", "contribution", "bare_not_verified", "bytes"),
    ("entry", "record", "valid", "bytes"),
    ("entry", "record", "invalid_entries", "bytes"),
    ("entry", "record", "not_verified", "bytes"),
    ("header", "contribution", "valid", "header"),
    ("header", "contribution", "invalid_headers", "bytes"),
    ("record_header", "record", "valid", "header"),
    ("record_header", "record", "invalid_headers", "bytes"),
    ("record_body", "record", "invalid_bodies", "bytes"),
    ("shape", "shape", "valid", "shape"),
    ("shape", "shape", "newer", "shape"),
    ("shape", "shape", "invalid", "shape"),
    ("hello", "hello", "hello", "bytes"),
    ("hello", "hello", "invalid_hellos", "bytes"),
    ("grant", "hello", "grant", "bytes"),
    ("grant", "hello", "grants_not_verified", "bytes"),
    ("grant", "hello", "invalid_grants", "bytes"),
    ("reader_token", "hello", "reader_token", "bytes"),
    ("reader_token", "hello", "invalid_reader_tokens", "bytes"),
    ("join_request", "hello", "join_request", "bytes"),
    ("join_request", "hello", "invalid_join_requests", "bytes"),
    ("join_answer", "hello", "join_answers", "bytes"),
    ("join_answer", "hello", "invalid_join_answers", "bytes"),
    ("sync_message", "sync-messages", "invalid", "body"),
    ("ticket", "ticket", "valid", "content"),
    ("ticket", "ticket", "valid", "text"),
    ("ticket", "ticket", "invalid_contents", "bytes"),
];

/// Bytes before the body of a frame.
const FRAME_PREFIX_BYTES: usize = 4;

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|it| it.to_digit(16).and_then(|it| u8::try_from(it).ok()))
        .collect();
    let digits = digits?;
    (digits.len() % 2 == 0).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

/// The bytes that a text of a vector stands for: hexadecimal, or itself.
fn bytes_of(text: &str) -> Vec<u8> {
    unhex(text).unwrap_or_else(|| text.as_bytes().to_vec())
}

fn cases(list: &Value) -> &[Value] {
    match list {
        Value::Array(cases) => cases,
        one => std::slice::from_ref(one),
    }
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().expect("a text")
}

/// Code and body of a record, as the target wants them.
fn record_body(case: &Value) -> Vec<u8> {
    let code = case["type"].as_u64().expect("a number");
    let mut bytes = vec![u8::try_from(code).expect("codes are small")];
    bytes.extend(bytes_of(text(case, "body")));
    bytes
}

/// Contributions of a document, as the target wants them: what they build on, length, shape.
fn derivation(case: &Value) -> Vec<u8> {
    let contributions = cases(&case["contributions"]);
    let mut bytes = Vec::new();
    for it in contributions {
        let place = |id: &Value| contributions.iter().position(|other| other["id"] == *id);
        let deps: Vec<usize> = cases(&it["deps"]).iter().filter_map(place).collect();
        let first = deps.first().copied().unwrap_or_default();
        let last = deps.last().copied().unwrap_or_default();
        let shape = bytes_of(text(it, "shape"));
        let (Ok(picks), Ok(length)) = (u8::try_from(first | last << 4), u8::try_from(shape.len()))
        else {
            continue;
        };
        bytes.extend([picks, length]);
        bytes.extend(shape);
    }
    bytes
}

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = fuzz.join("../../specs/vectors");
    let load = |file: &str| -> Value {
        let path = vectors.join(format!("{file}.json"));
        let text = fs::read_to_string(&path).expect("the vectors are here");
        serde_json::from_str(&text).expect("the vectors are JSON")
    };
    let mut seeds: Vec<(&str, Vec<u8>)> = Vec::new();
    for (target, file, list, field) in SOURCES {
        let found = load(file);
        let found = cases(&found[list]);
        seeds.extend(found.iter().map(|it| (target, bytes_of(text(it, field)))));
    }
    for case in cases(&load("record")["valid"]) {
        seeds.push(("record_body", record_body(case)));
    }
    for case in cases(&load("ticket")["invalid_texts"]) {
        seeds.push(("ticket", text(case, "text").as_bytes().to_vec()));
    }
    for case in cases(&load("sync-messages")["valid"]) {
        let frame = bytes_of(text(case, "frame"));
        seeds.push(("sync_message", frame[FRAME_PREFIX_BYTES..].to_vec()));
    }
    let derivations = load("derivation");
    for list in ["valid", "invalid"] {
        for case in cases(&derivations[list]) {
            seeds.push(("derivation", derivation(case)));
        }
    }
    for (number, (target, bytes)) in seeds.iter().enumerate() {
        let folder = fuzz.join("corpus").join(target);
        fs::create_dir_all(&folder).expect("the corpus can be written");
        fs::write(folder.join(format!("vector-{number:03}")), bytes).expect("a seed is written");
    }
    println!("{} seeds in {}", seeds.len(), fuzz.join("corpus").display());
}
