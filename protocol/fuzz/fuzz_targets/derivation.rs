//! Derivation of arbitrary shapes on arbitrary graphs: no panic, one result however it is batched,
//! and a document that still gives a view or a stub.
//!
//! The input is a list of contributions: a byte that picks one or two dependencies, a byte of
//! length, the shape. The first is the create. Every second one has its words, the others are
//! erased.
#![no_main]

use comity_protocol::{
    derive::{DerivedDocument, Input},
    document::{Shape, Words},
    id::{DocumentId, EntryId},
    key::SecretKey,
    limits::NONCE_BYTES,
};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

const CONTRIBUTIONS_MAX: usize = 16;

fn id(number: usize) -> EntryId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64 + 1).to_le_bytes());
    EntryId::from_bytes(bytes)
}

/// Words that fit where a code point has a byte, and count as erased elsewhere.
fn words(shape: &Shape) -> Words {
    const ROOM_MAX: u64 = 1 << 16;
    let texts = usize::try_from(shape.words_bytes().min(ROOM_MAX)).expect("bounded");
    Words::open(shape, &vec![b'x'; NONCE_BYTES + texts])
}

fn inputs(mut bytes: &[u8]) -> Vec<Input> {
    let author = SecretKey::from_seed(&[1; 32]).public();
    let mut inputs: Vec<Input> = Vec::new();
    while let [picks, len, rest @ ..] = bytes
        && inputs.len() < CONTRIBUTIONS_MAX
    {
        let (shape, after) = rest.split_at(rest.len().min(usize::from(*len)));
        bytes = after;
        let number = inputs.len();
        let deps = match number {
            0 => vec![],
            _ => {
                let picked = [picks & 0x0f, picks >> 4].map(|it| usize::from(it) % number);
                BTreeSet::from(picked).into_iter().map(id).collect()
            }
        };
        let shape = Shape::decode(shape);
        let words = match &shape {
            Ok(shape) if number % 2 == 0 => words(shape),
            _ => Words::Erased,
        };
        inputs.push(Input {
            id: id(number),
            document: DocumentId::from(id(0)),
            deps,
            author,
            time_ms: 0,
            shape,
            words,
        });
    }
    inputs
}

fuzz_target!(|bytes: &[u8]| {
    let inputs = inputs(bytes);
    let Some((create, edits)) = inputs.split_first() else {
        return;
    };
    let mut at_once = DerivedDocument::new(create.clone()).expect("a create comes first");
    at_once
        .extend(edits.to_vec(), u64::MAX)
        .expect("its dependencies are here");
    let mut one_by_one = DerivedDocument::new(create.clone()).expect("a create comes first");
    for edit in edits {
        one_by_one
            .extend(vec![edit.clone()], u64::MAX)
            .expect("its dependencies are here");
    }
    assert_eq!(at_once.view(), one_by_one.view());
    assert_eq!(at_once.heads(), one_by_one.heads());
});
