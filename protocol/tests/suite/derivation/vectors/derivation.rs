//! Derivation: outcomes, changes, views and blame of small graphs.

use super::super::world::{author, entry, first_draft, path, reference};
use super::{NONCE, bytes, check, code, raw, splice, words_of};
use comity_protocol::derive::{Blame, Candidate, DerivedDocument, Input, Outcome, Viewed};
use comity_protocol::document::value::map;
use comity_protocol::document::{Draft, Kind, Operation, Shape, Step, Value, Words};
use comity_protocol::id::EntryId;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

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

fn put_item(index: u32, text: &str) -> Draft {
    let path = vec![Step::from("tags"), Step::from(index)];
    Draft::edit(vec![Operation::Put {
        path,
        value: text.into(),
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
            name: "concurrent-puts-of-one-item",
            steps: vec![
                page(),
                made(&[0], 1, &put_item(1, "one")),
                made(&[0], 2, &put_item(1, "two")),
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
                Outcome::Void(reason) => json!({ "void": code(reason) }),
                Outcome::Newer(newer) => json!({ "newer": code(newer) }),
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
