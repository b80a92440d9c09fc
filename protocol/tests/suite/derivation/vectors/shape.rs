//! Shapes and words: what decodes, what does not, what counts as erased.

use super::super::world::{first_draft, path};
use super::{NONCE, bytes, check, code, raw, splice, words_of};
use comity_protocol::codec::Writer;
use comity_protocol::document::value::map;
use comity_protocol::document::{
    Draft, Kind, Operation, Reference, Shape, Step, Value, Words, shape_hash, words_hash,
};
use comity_protocol::id::{DocumentId, EntryId};
use serde_json::{Value as Json, json};

/// An edit with one operation, written by hand.
fn edit_of(fill: super::Fill) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2).uint(1).array(1);
    fill(&mut w);
    w.finish()
}

/// `put` at `/body` of a value written by hand.
fn put_of(fill: super::Fill) -> Vec<u8> {
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
    let mut exact = Reference::from(DocumentId::from_bytes([3; 32]));
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
            json!({ "name": name, "shape": hex::encode(&encoded), "error": code(&error) })
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
            "newer": [{ "name": "create-of-version-2", "shape": hex::encode(newer), "error": code(&newer_error) }],
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
