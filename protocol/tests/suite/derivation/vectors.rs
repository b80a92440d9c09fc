//! The vectors in `specs/vectors`: made by this code, and held fixed by it.
//!
//! `COMITY_WRITE_VECTORS=1 cargo test -p comity-protocol --test suite vectors` writes them anew.
//! A difference in a version that was released is a break of consensus, not a new vector.

use super::world::{author, entry, first_draft, path, reference};
use comity_protocol::codec::Writer;
use comity_protocol::derive::{Blame, Candidate, DerivedDocument, Input, Outcome, Viewed};
use comity_protocol::document::value::map;
use comity_protocol::document::{
    Draft, Intent, Kind, Operation, Shape, Step, Value, Words, shape_hash, words_hash,
};
use comity_protocol::id::{DocumentId, EntryId};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn check(name: &str, made: &Json) {
    let file = format!("{}/../specs/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("COMITY_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(made).unwrap();
        std::fs::write(&file, text + "\n").unwrap();
    }
    let held: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(&held, made, "{name} differs");
}

// ---- shapes ----

type Fill = fn(&mut Writer);

fn bytes(fill: Fill) -> Vec<u8> {
    let mut w = Writer::new();
    fill(&mut w);
    w.finish()
}

/// An edit with one operation, written by hand.
fn edit_of(fill: Fill) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2).uint(1).array(1);
    fill(&mut w);
    w.finish()
}

/// `put` at `/body` of a value written by hand.
fn put_of(fill: Fill) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2)
        .uint(1)
        .array(1)
        .array(3)
        .uint(0)
        .array(1)
        .text("body");
    fill(&mut w);
    w.finish()
}

fn raw(shape: &str) -> Vec<u8> {
    hex::decode(shape).unwrap()
}

fn invalid_shapes() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty-input", vec![]),
        ("truncated", raw("8201")),
        ("trailing-byte", raw("82018000")),
        ("intent-code-not-shortest", raw("82180180")),
        ("operations-of-indefinite-length", raw("82019fff")),
        ("intent-is-a-map", raw("a10180")),
        ("intent-code-unknown", raw("820280")),
        ("edit-with-third-item", raw("83018000")),
        ("create-without-fields", raw("8300016470616765")),
        (
            "create-of-version-zero",
            bytes(|w| {
                w.array(4).uint(0).uint(0).text("page").map(0);
            }),
        ),
        (
            "create-with-empty-kind",
            bytes(|w| {
                w.array(4).uint(0).uint(1).text("").map(0);
            }),
        ),
        (
            "create-with-kind-of-65-bytes",
            bytes(|w| {
                w.array(4).uint(0).uint(1).text(&"k".repeat(65)).map(0);
            }),
        ),
        (
            "create-whose-fields-are-a-list",
            bytes(|w| {
                w.array(4)
                    .uint(0)
                    .uint(1)
                    .text("page")
                    .array(2)
                    .uint(1)
                    .array(0);
            }),
        ),
        (
            "operation-code-unknown",
            edit_of(|w| {
                w.array(2).uint(4).array(1).text("body");
            }),
        ),
        (
            "delete-with-value",
            edit_of(|w| {
                w.array(3).uint(1).array(1).text("body").null();
            }),
        ),
        (
            "path-empty",
            edit_of(|w| {
                w.array(2).uint(1).array(0);
            }),
        ),
        (
            "path-of-17-steps",
            edit_of(|w| {
                w.array(2).uint(1).array(17);
                (0..17).for_each(|_| {
                    w.uint(0);
                });
            }),
        ),
        (
            "path-with-negative-index",
            edit_of(|w| {
                w.array(2).uint(1).array(1).int(-1);
            }),
        ),
        (
            "path-index-above-32-bits",
            edit_of(|w| {
                w.array(2).uint(1).array(1).uint(1 << 32);
            }),
        ),
        (
            "path-key-empty",
            edit_of(|w| {
                w.array(2).uint(1).array(1).text("");
            }),
        ),
        (
            "insert-without-index",
            edit_of(|w| {
                w.array(3).uint(2).array(1).text("tags").null();
            }),
        ),
        (
            "splice-that-does-nothing",
            edit_of(|w| {
                w.array(5).uint(3).array(1).text("body").uint(0).uint(0);
                w.array(3).uint(0).uint(0).uint(0);
            }),
        ),
        (
            "splice-of-a-list",
            edit_of(|w| {
                w.array(5).uint(3).array(1).text("body").uint(0).uint(1);
                w.array(3).uint(1).uint(0).uint(0);
            }),
        ),
        (
            "splice-that-deletes-16384",
            edit_of(|w| {
                w.array(5)
                    .uint(3)
                    .array(1)
                    .text("body")
                    .uint(0)
                    .uint(16_384);
                w.array(3).uint(0).uint(0).uint(0);
            }),
        ),
        ("value-is-a-float", [put_of(|_| {}), raw("f93c00")].concat()),
        (
            "value-is-a-byte-string",
            put_of(|w| {
                w.bytes(b"x");
            }),
        ),
        (
            "value-is-a-bare-text",
            put_of(|w| {
                w.text("x");
            }),
        ),
        ("value-is-undefined", [put_of(|_| {}), raw("f7")].concat()),
        ("value-is-tagged", [put_of(|_| {}), raw("c000")].concat()),
        (
            "value-code-unknown",
            put_of(|w| {
                w.array(2).uint(3).array(0);
            }),
        ),
        (
            "integer-below-64-bits",
            [put_of(|_| {}), raw("3b8000000000000000")].concat(),
        ),
        (
            "integer-above-64-bits",
            put_of(|w| {
                w.uint(1 << 63);
            }),
        ),
        (
            "leaf-with-fewer-bytes-than-code-points",
            put_of(|w| {
                w.array(3).uint(0).uint(2).uint(1);
            }),
        ),
        (
            "leaf-with-five-bytes-per-code-point",
            put_of(|w| {
                w.array(3).uint(0).uint(1).uint(5);
            }),
        ),
        (
            "leaf-larger-than-a-payload",
            put_of(|w| {
                w.array(3).uint(0).uint(262_144).uint(262_144);
            }),
        ),
        (
            "map-keys-out-of-order",
            put_of(|w| {
                w.map(2).text("b").null().text("a").null();
            }),
        ),
        (
            "map-keys-bytewise-but-not-by-length",
            put_of(|w| {
                w.map(2).text("aa").null().text("b").null();
            }),
        ),
        (
            "map-key-twice",
            put_of(|w| {
                w.map(2).text("a").null().text("a").null();
            }),
        ),
        (
            "map-key-is-an-integer",
            put_of(|w| {
                w.map(1).uint(0).null();
            }),
        ),
        (
            "reference-heads-out-of-order",
            put_of(|w| {
                w.array(3)
                    .uint(2)
                    .bytes(&[0; 32])
                    .array(2)
                    .bytes(&[2; 32])
                    .bytes(&[1; 32]);
            }),
        ),
        (
            "reference-head-twice",
            put_of(|w| {
                w.array(3)
                    .uint(2)
                    .bytes(&[0; 32])
                    .array(2)
                    .bytes(&[1; 32])
                    .bytes(&[1; 32]);
            }),
        ),
        (
            "reference-of-31-bytes",
            put_of(|w| {
                w.array(3).uint(2).bytes(&[0; 31]).array(0);
            }),
        ),
        (
            "value-below-16-steps",
            put_of(|w| {
                (0..16).for_each(|_| {
                    w.array(2).uint(1).array(1);
                });
                w.null();
            }),
        ),
        (
            "list-of-16384-items",
            put_of(|w| {
                w.array(2).uint(1).array(16_384);
                (0..16_384).for_each(|_| {
                    w.null();
                });
            }),
        ),
    ]
}

fn valid_shapes() -> Vec<(&'static str, Draft)> {
    let put = |value| {
        Draft::edit(vec![Operation::Put {
            path: path(&["body"]),
            value,
        }])
    };
    let tag = |index: u32| vec![Step::from("tags"), Step::from(index)];
    let mut exact = comity_protocol::document::Reference::from(DocumentId::from_bytes([3; 32]));
    exact.heads = vec![EntryId::from_bytes([1; 32]), EntryId::from_bytes([2; 32])];
    vec![
        ("create-topic", first_draft(Kind::Topic)),
        ("create-reply", first_draft(Kind::Reply)),
        ("create-page", first_draft(Kind::Page)),
        ("create-profile", first_draft(Kind::Profile)),
        ("create-accept", first_draft(Kind::Accept)),
        ("edit-without-operations", Draft::edit(vec![])),
        ("put-null", put(Value::Null)),
        ("put-true", put(true.into())),
        ("put-least-integer", put(i64::MIN.into())),
        ("put-greatest-integer", put(i64::MAX.into())),
        ("put-empty-text", put("".into())),
        ("put-text-of-every-width", put("aß中🔊".into())),
        ("put-exact-reference", put(exact.into())),
        (
            "put-map-in-canonical-order",
            put(map([("b", 1.into()), ("aa", 2.into())])),
        ),
        (
            "put-nested-list",
            put(Value::List(vec![Value::List(vec![]), "x".into()])),
        ),
        (
            "delete",
            Draft::edit(vec![Operation::Delete { path: tag(0) }]),
        ),
        (
            "insert",
            Draft::edit(vec![Operation::Insert {
                path: tag(0),
                value: "t".into(),
            }]),
        ),
        ("splice", splice(5, 2, "🔊 ")),
    ]
}

fn splice(position: u32, delete: u32, insert: &str) -> Draft {
    Draft::edit(vec![Operation::Splice {
        path: path(&["body"]),
        position,
        delete,
        insert: insert.to_owned(),
    }])
}

const NONCE: [u8; 32] = [0x5a; 32];

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

#[test]
fn shape_vectors_hold() {
    let valid: Vec<Json> = valid_shapes()
        .into_iter()
        .map(|(name, draft)| {
            let encoded = draft.shape().unwrap().encode();
            let shape = Shape::decode(&encoded).unwrap();
            let words = words_of(&draft);
            json!({
                "name": name,
                "shape": hex::encode(&encoded),
                "words": hex::encode(&words),
                "shape_hash": shape_hash(&encoded).to_string(),
                "words_hash": words_hash(&words).to_string(),
                "derived_ops": shape.derived_ops(),
                "words_bytes": shape.words_bytes(),
                "leaves": shape.leaves().iter().map(|l| [l.code_points, l.bytes]).collect::<Vec<_>>(),
            })
        })
        .collect();
    let invalid: Vec<Json> = invalid_shapes()
        .into_iter()
        .map(|(name, encoded)| {
            let error = Shape::decode(&encoded).expect_err(name);
            json!({ "name": name, "shape": hex::encode(&encoded), "error": error.to_string() })
        })
        .collect();
    let newer = bytes(|w| {
        w.array(5).uint(0).uint(2).text("page").map(0).null();
    });
    let newer_error = Shape::decode(&newer).expect_err("newer");
    let erased: Vec<Json> = erased_words()
        .into_iter()
        .map(|(name, words)| {
            let shape = splice(0, 0, "né").shape().unwrap();
            assert_eq!(Words::open(&shape, &words), Words::Erased, "{name}");
            json!({ "name": name, "shape": hex::encode(shape.encode()), "words": hex::encode(words) })
        })
        .collect();
    check(
        "shape.json",
        &json!({
            "valid": valid,
            "invalid": invalid,
            "newer": [{ "name": "create-of-version-2", "shape": hex::encode(newer), "error": newer_error.to_string() }],
            "words_that_count_as_erased": erased,
        }),
    );
}

fn erased_words() -> Vec<(&'static str, Vec<u8>)> {
    let with = |text: &[u8]| [NONCE.as_slice(), text].concat();
    vec![
        ("nonce-too-short", NONCE[..31].to_vec()),
        ("text-missing", with(b"")),
        ("text-too-short", with("né".as_bytes().get(..2).unwrap())),
        ("text-too-long", with("nén".as_bytes())),
        ("text-not-utf8", with(&[0x6e, 0xc3, 0x28])),
        ("text-of-equal-bytes-but-other-code-points", with(b"nee")),
        ("utf8-surrogate", with(&[0xed, 0xa0, 0x80])),
    ]
}

// ---- derivation ----

struct Case {
    name: &'static str,
    steps: Vec<Made>,
}

struct Made {
    deps: Vec<usize>,
    by: usize,
    shape: Vec<u8>,
    words: Option<Vec<u8>>,
}

fn made(deps: &[usize], by: usize, draft: &Draft) -> Made {
    Made {
        deps: deps.to_vec(),
        by,
        shape: draft.shape().unwrap().encode(),
        words: Some(words_of(draft)),
    }
}

fn page() -> Made {
    made(&[], 0, &first_draft(Kind::Page))
}

/// A page and one contribution to it that is void.
fn void(name: &'static str, draft: Draft) -> Case {
    Case {
        name,
        steps: vec![page(), made(&[0], 1, &draft)],
    }
}

fn put(field: &str, value: Value<String>) -> Draft {
    Draft::edit(vec![Operation::Put {
        path: path(&[field]),
        value,
    }])
}

fn valid_cases() -> Vec<Case> {
    let tag = |index: u32| vec![Step::from("tags"), Step::from(index)];
    let insert = |index, text: &str| {
        Draft::edit(vec![Operation::Insert {
            path: tag(index),
            value: text.into(),
        }])
    };
    let mut erased = made(&[0], 1, &splice(5, 0, "abc"));
    erased.words = None;
    let topic = || made(&[], 0, &first_draft(Kind::Topic));
    vec![
        Case {
            name: "single-create",
            steps: vec![page()],
        },
        Case {
            name: "one-edit",
            steps: vec![page(), made(&[0], 1, &splice(5, 1, " 🔊 "))],
        },
        Case {
            name: "concurrent-splices-and-empty-merge",
            steps: vec![
                page(),
                made(&[0], 1, &splice(0, 0, "A")),
                made(&[0], 2, &splice(0, 0, "B")),
                made(&[1, 2], 1, &Draft::edit(vec![])),
                made(&[3], 2, &splice(1, 1, "C")),
            ],
        },
        Case {
            name: "concurrent-titles-are-both-shown",
            steps: vec![
                page(),
                made(&[0], 1, &put("title", "One".into())),
                made(&[0], 2, &put("title", "Two".into())),
            ],
        },
        Case {
            name: "edit-after-void-stands-on-what-is-before",
            steps: vec![
                page(),
                made(&[0], 1, &splice(999, 0, "x")),
                made(&[1], 2, &splice(0, 0, "y")),
            ],
        },
        Case {
            name: "equal-value-changes-nothing",
            steps: vec![
                topic(),
                made(&[0], 0, &put("form", 1.into())),
                made(&[1], 0, &put("form", 2.into())),
            ],
        },
        Case {
            name: "equal-value-resolves-a-conflict",
            steps: vec![
                topic(),
                made(&[0], 0, &put("form", 2.into())),
                made(&[0], 1, &put("form", 3.into())),
                made(&[1, 2], 0, &put("form", 3.into())),
            ],
        },
        Case {
            name: "list-insert-delete-and-concurrent-insert",
            steps: vec![
                page(),
                made(&[0], 1, &insert(2, "end")),
                made(
                    &[0],
                    2,
                    &Draft::edit(vec![Operation::Delete { path: tag(0) }]),
                ),
                made(&[1, 2], 3, &insert(0, "first")),
            ],
        },
        Case {
            name: "operations-see-those-before-them",
            steps: vec![
                page(),
                made(
                    &[0],
                    1,
                    &Draft::edit(vec![
                        Operation::Put {
                            path: path(&["tags"]),
                            value: Value::List(vec![]),
                        },
                        Operation::Insert {
                            path: tag(0),
                            value: "b".into(),
                        },
                        Operation::Insert {
                            path: tag(0),
                            value: "a".into(),
                        },
                        Operation::Splice {
                            path: tag(1),
                            position: 1,
                            delete: 0,
                            insert: "c".into(),
                        },
                    ]),
                ),
            ],
        },
        Case {
            name: "dependency-that-another-dependency-covers",
            steps: vec![
                page(),
                made(&[0], 1, &splice(0, 0, "A")),
                made(&[1], 2, &splice(0, 0, "B")),
                made(&[0, 2], 1, &splice(0, 0, "C")),
            ],
        },
        Case {
            name: "erased-words",
            steps: vec![page(), erased],
        },
        Case {
            name: "accept",
            steps: vec![made(&[], 0, &first_draft(Kind::Accept))],
        },
        Case {
            name: "unknown-kind-is-newer-not-void",
            steps: vec![
                Made {
                    deps: vec![],
                    by: 0,
                    shape: bytes(|w| {
                        w.array(4).uint(0).uint(1).text("poem").map(0);
                    }),
                    words: Some(NONCE.to_vec()),
                },
                made(&[0], 1, &Draft::edit(vec![])),
            ],
        },
    ]
}

fn invalid_cases() -> Vec<Case> {
    let tag = |index: u32| vec![Step::from("tags"), Step::from(index)];
    let origin = map([("system", "s".into()), ("id", "1".into())]);
    let mut malformed = made(&[0], 1, &Draft::edit(vec![]));
    malformed.shape = raw("820280");
    let broken = Draft::create(Kind::Page, [("body", "no title".into())]);
    let same = Draft::create(
        Kind::Accept,
        [("topic", reference(1)), ("reply", reference(1))],
    );
    vec![
        Case {
            name: "malformed-shape",
            steps: vec![page(), malformed],
        },
        Case {
            name: "edit-without-document",
            steps: vec![made(&[], 0, &Draft::edit(vec![]))],
        },
        Case {
            name: "create-without-required-field",
            steps: vec![made(&[], 0, &broken), made(&[0], 1, &splice(0, 0, "x"))],
        },
        Case {
            name: "accept-of-itself",
            steps: vec![made(&[], 0, &same)],
        },
        void("create-inside-document", first_draft(Kind::Page)),
        void("unknown-field", put("colour", 1.into())),
        void("wrong-type", put("title", 1.into())),
        void("empty-title", put("title", "".into())),
        void("fixed-field", put("origin", origin)),
        void(
            "required-field-deleted",
            Draft::edit(vec![Operation::Delete {
                path: path(&["title"]),
            }]),
        ),
        void(
            "too-many-tags",
            put("tags", Value::List(vec!["t".into(); 33])),
        ),
        void(
            "delete-of-absent-field",
            Draft::edit(vec![
                Operation::Delete {
                    path: path(&["tags"]),
                },
                Operation::Delete {
                    path: path(&["tags"]),
                },
            ]),
        ),
        void(
            "index-beyond-list",
            Draft::edit(vec![Operation::Delete { path: tag(2) }]),
        ),
        void(
            "insert-beyond-list",
            Draft::edit(vec![Operation::Insert {
                path: tag(3),
                value: "t".into(),
            }]),
        ),
        void("splice-beyond-text", splice(11, 1, "")),
        void(
            "second-operation-fails-so-first-has-no-effect",
            Draft::edit(vec![
                Operation::Put {
                    path: path(&["title"]),
                    value: "gone".into(),
                },
                Operation::Splice {
                    path: path(&["body"]),
                    position: 12,
                    delete: 0,
                    insert: "x".into(),
                },
            ]),
        ),
    ]
}

fn run(case: &Case, salt: u64) -> Json {
    let ids: Vec<EntryId> = (0..case.steps.len() as u64)
        .map(|n| entry(salt * 1000 + n))
        .collect();
    let inputs: Vec<Input> = case
        .steps
        .iter()
        .zip(&ids)
        .map(|(step, id)| {
            let shape = Shape::decode(&step.shape);
            let words = match (&shape, &step.words) {
                (Ok(shape), Some(words)) => Words::open(shape, words),
                _ => Words::Erased,
            };
            let mut deps: Vec<EntryId> = step.deps.iter().map(|dep| ids[*dep]).collect();
            deps.sort_unstable();
            Input {
                id: *id,
                document: ids[0].into(),
                deps,
                author: author(step.by),
                time_ms: 1_700_000_000_000,
                shape,
                words,
            }
        })
        .collect();
    let mut document = DerivedDocument::new(inputs[0].clone()).unwrap();
    document.extend(inputs[1..].to_vec(), u64::MAX).unwrap();
    let contributions: Vec<Json> = inputs
        .iter()
        .zip(&case.steps)
        .map(|(input, step)| {
            let outcome = match document.outcome(&input.id).unwrap() {
                Outcome::Changed => json!("changed"),
                Outcome::Unchanged => json!("unchanged"),
                Outcome::Void(reason) => json!({ "void": reason.to_string() }),
                Outcome::Newer(newer) => json!({ "newer": newer.to_string() }),
            };
            json!({
                "id": input.id.to_string(),
                "deps": input.deps.iter().map(EntryId::to_string).collect::<Vec<_>>(),
                "author": input.author.to_string(),
                "time_ms": input.time_ms,
                "shape": hex::encode(&step.shape),
                "words": step.words.as_ref().map(hex::encode),
                "outcome": outcome,
                "change_hash": document.change_hash(&input.id).map(hex::encode),
            })
        })
        .collect();
    let blame = match document.blame(&path(&["body"])) {
        Ok(Some(Blame::Text(spans))) => json!(
            spans
                .iter()
                .map(|s| json!([s.start, s.len, s.by.to_string()]))
                .collect::<Vec<_>>()
        ),
        _ => Json::Null,
    };
    json!({
        "name": case.name,
        "contributions": contributions,
        "heads": document.heads().iter().map(EntryId::to_string).collect::<Vec<_>>(),
        "view": document.view().map_or(Json::Null, |view| fields(&view.fields)),
        "blame_of_body": blame,
    })
}

fn fields(entries: &BTreeMap<String, Vec<Candidate>>) -> Json {
    entries
        .iter()
        .map(|(key, values)| (key.clone(), candidates(values)))
        .collect()
}

fn candidates(values: &[Candidate]) -> Json {
    values
        .iter()
        .map(|candidate| {
            let value = match &candidate.value {
                Viewed::Null => Json::Null,
                Viewed::Bool(truth) => json!(truth),
                Viewed::Int(number) => json!(number),
                Viewed::Text(text) => json!(text),
                Viewed::Reference(to) => json!({ "reference": to.document.to_string() }),
                Viewed::Map(entries) => json!({ "map": fields(entries) }),
                Viewed::List(items) => {
                    json!({ "list": items.iter().map(|i| candidates(i)).collect::<Vec<_>>() })
                }
            };
            json!({ "by": candidate.by.to_string(), "value": value })
        })
        .collect()
}

#[test]
fn derivation_vectors_hold() {
    let valid: Vec<Json> = valid_cases()
        .iter()
        .enumerate()
        .map(|(number, case)| run(case, 1 + number as u64))
        .collect();
    let invalid: Vec<Json> = invalid_cases()
        .iter()
        .enumerate()
        .map(|(number, case)| run(case, 101 + number as u64))
        .collect();
    for case in &invalid {
        let last = case["contributions"].as_array().unwrap().last().unwrap();
        assert!(
            last["outcome"]["void"].is_string(),
            "{} is not void",
            case["name"]
        );
    }
    check(
        "derivation.json",
        &json!({ "valid": valid, "invalid": invalid }),
    );
}
