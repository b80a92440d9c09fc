//! Whatever bytes arrive: no panic, no partial effect.

use super::world::{
    Random, World, any_operation, author, derive, derive_at_once, entry, first_draft, input,
};
use automerge::Automerge;
use comity_protocol::derive::{DerivedDocument, Input};
use comity_protocol::document::{Draft, Intent, Kind, Shape, Words};
use comity_protocol::id::DocumentId;

const DECODES: usize = 100_000;
const DERIVATIONS: usize = 5_000;

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = bytes[at].wrapping_add(1),
            3 => {
                bytes.remove(at);
            }
            4 => bytes.insert(at, random.next() as u8),
            _ => {
                let from = random.below(bytes.len());
                let len = random.below(12).min(bytes.len() - from);
                let part = bytes[from..from + len].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}

fn any_shape(random: &mut Random) -> Shape {
    let kind = Kind::ALL[random.below(5)];
    if random.chance(30) {
        return first_draft(kind).shape().unwrap();
    }
    let operations = (0..random.below(5))
        .map(|_| any_operation(random, kind))
        .collect();
    Draft::edit(operations).shape().unwrap()
}

/// What decodes is exactly what its encoding says: nothing has two forms.
#[test]
fn mutated_shapes_decode_strictly_or_not_at_all() {
    let mut random = Random(1);
    let mut decoded = 0;
    let decodes = crate::times_factor(DECODES);
    for _ in 0..decodes {
        let mut bytes = any_shape(&mut random).encode();
        mutate(&mut bytes, &mut random);
        if let Ok(shape) = Shape::decode(&bytes) {
            decoded += 1;
            assert_eq!(shape.encode(), bytes);
            assert!(shape.derived_ops() <= 16_384);
            let words = vec![b'x'; 32 + shape.words_bytes() as usize];
            let draft = shape.with_words(&Words::open(&shape, &words));
            let lengths = |shape: &Shape| -> Vec<u32> {
                shape.leaves().iter().map(|leaf| leaf.code_points).collect()
            };
            assert_eq!(lengths(&draft.shape().unwrap()), lengths(&shape));
        }
    }
    println!("{decoded} of {decodes} mutated shapes still decode");
    assert!(
        decoded > decodes / 100 && decoded < decodes * 9 / 10,
        "{decoded}"
    );
}

/// Contributions whose shapes are mutated bytes, on documents that others edit: no panic, equal in
/// two orders, and the document still loads.
#[test]
fn hostile_derivations_do_no_harm() {
    let mut random = Random(2);
    let mut effective = 0;
    let derivations = crate::times_factor(DERIVATIONS);
    for seed in 0..(derivations / 50) as u64 {
        let mut world = World::random(seed, 50);
        for made in world.inputs.iter_mut().skip(1) {
            let Ok(shape) = &made.shape else { continue };
            let mut bytes = shape.encode();
            // Some unharmed, so that there is a document to attack.
            if random.chance(70) {
                mutate(&mut bytes, &mut random);
            }
            made.shape = Shape::decode(&bytes);
            made.words = match &made.shape {
                Ok(shape) => {
                    let bytes = vec![random.next() as u8; 32 + shape.words_bytes() as usize];
                    Words::open(shape, &bytes)
                }
                Err(_) => Words::Erased,
            };
        }
        let one = derive_at_once(&world.inputs);
        let other = derive(&world.shuffled(&mut random), &mut random);
        assert_eq!(one.view(), other.view(), "seed {seed}");
        Automerge::load(&one.save().unwrap()).unwrap();
        effective += world
            .inputs
            .iter()
            .filter(|input| one.outcome(&input.id).unwrap().is_effective())
            .count();
    }
    println!("{effective} of {derivations} hostile contributions were effective");
    assert!(effective > derivations / 10);
}

/// A `create` of mutated bytes gives a view or a stub.
#[test]
fn hostile_creates_give_a_view_or_a_stub() {
    let mut random = Random(3);
    let (mut views, mut stubs) = (0, 0);
    for number in 0..2_000 {
        let mut bytes = first_draft(Kind::ALL[random.below(5)])
            .shape()
            .unwrap()
            .encode();
        mutate(&mut bytes, &mut random);
        let id = entry(number);
        let create = Input {
            shape: Shape::decode(&bytes),
            words: Words::Erased,
            ..input(
                id,
                DocumentId::from(id),
                vec![],
                author(0),
                &Draft::edit(vec![]),
            )
        };
        let mut document = DerivedDocument::new(create).unwrap();
        let edit = Draft::edit(vec![any_operation(&mut random, Kind::Page)]);
        let edit = input(
            entry(number + 10_000),
            DocumentId::from(id),
            vec![id],
            author(1),
            &edit,
        );
        document.extend(vec![edit], u64::MAX).unwrap();
        match document.view() {
            Ok(_) => views += 1,
            Err(_) => stubs += 1,
        }
    }
    assert!(views > 50 && stubs > 50, "{views} views, {stubs} stubs");
}

/// Any author may sign two contributions that differ in nothing but their id.
#[test]
fn equivocation_only_makes_concurrency() {
    let world = World::random(9, 20);
    let mut inputs = world.inputs.clone();
    let twin = |input: &Input, number| Input {
        id: entry(number),
        ..input.clone()
    };
    let edit = inputs
        .iter()
        .find(|i| matches!(&i.shape, Ok(Intent::Edit { operations }) if !operations.is_empty()))
        .unwrap()
        .clone();
    inputs.extend((0..100).map(|n| twin(&edit, 77_000 + n)));
    let one = derive_at_once(&inputs);
    let mut rest = inputs[1..].to_vec();
    rest[19..].reverse();
    let mut order = vec![inputs[0].clone()];
    order.extend(rest);
    let other = derive(&order, &mut Random(4));
    assert_eq!(one.view(), other.view());
    for twin in &inputs[20..] {
        assert_eq!(one.outcome(&twin.id), one.outcome(&edit.id));
    }
}
