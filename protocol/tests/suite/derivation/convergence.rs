//! Equal sets give equal documents.

use super::world::{
    Random, World, author, derive, derive_at_once, entry, first_draft, input, path,
};
use automerge::Automerge;
use comity_protocol::derive::{Blame, Candidate, DerivedDocument, Input, Outcome, Viewed};
use comity_protocol::document::{Draft, FILLER, Kind, Operation, Words};
use comity_protocol::id::{DocumentId, EntryId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

fn assert_equal(a: &mut DerivedDocument, b: &mut DerivedDocument, inputs: &[Input]) {
    for input in inputs {
        assert_eq!(a.outcome(&input.id), b.outcome(&input.id));
        assert!(a.outcome(&input.id).is_some());
    }
    assert_eq!(a.heads(), b.heads());
    assert_eq!(a.view(), b.view());
    let edited = inputs[1..]
        .iter()
        .any(|input| a.outcome(&input.id) == Some(&Outcome::Changed));
    if edited {
        for input in inputs {
            assert_eq!(a.change_hash(&input.id), b.change_hash(&input.id));
        }
    }
    let (one, other) = (a.save().unwrap(), b.save().unwrap());
    let one = Automerge::load(&one).unwrap();
    let other = Automerge::load(&other).unwrap();
    assert_eq!(one.get_heads(), other.get_heads());
    let heads = a.heads();
    assert_eq!(a.view_at(&heads), a.view());
    for input in inputs.iter().step_by(5) {
        assert_eq!(a.view_at(&[input.id]), b.view_at(&[input.id]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Orders, batches and budgets do not matter.
    #[test]
    fn orders_and_batches_give_equal_documents(seed: u64) {
        let world = World::random(seed, 40);
        let mut random = Random(!seed);
        let mut reference = derive_at_once(&world.inputs);
        for _ in 0..4 {
            let order = world.shuffled(&mut random);
            let mut other = derive(&order, &mut random);
            assert_equal(&mut reference, &mut other, &world.inputs);
        }
    }

    /// What a contribution becomes depends on its causal past alone: with nothing else there, the
    /// outcome and the change are the same.
    #[test]
    fn a_causal_past_alone_gives_the_same_changes(seed: u64) {
        let world = World::random(seed, 30);
        let mut whole = derive_at_once(&world.inputs);
        for last in [10, 20, 29] {
            let past = past_of(&world.inputs, world.inputs[last].id);
            let alone = derive_at_once(&past);
            for input in &past {
                prop_assert_eq!(alone.outcome(&input.id), whole.outcome(&input.id));
                if let Some(hash) = alone.change_hash(&input.id) {
                    prop_assert_eq!(Some(hash), whole.change_hash(&input.id));
                }
            }
            prop_assert_eq!(alone.view().unwrap(), whole.view_at(&[world.inputs[last].id]).unwrap());
        }
    }

    /// Erasing words moves nothing.
    #[test]
    fn erasure_keeps_outcomes_heads_and_positions(seed: u64) {
        let world = World::random(seed, 30);
        let before = derive_at_once(&world.inputs);
        let mut random = Random(seed);
        let mut erased = BTreeSet::new();
        let inputs: Vec<Input> = world.inputs.iter().cloned().map(|mut input| {
            if random.chance(50) {
                input.words = Words::Erased;
                erased.insert(input.id);
            }
            input
        }).collect();
        let after = derive_at_once(&inputs);
        for input in &inputs {
            prop_assert_eq!(before.outcome(&input.id), after.outcome(&input.id));
        }
        prop_assert_eq!(before.heads(), after.heads());
        let (old, new) = (before.view().unwrap(), after.view().unwrap());
        prop_assert_eq!(structure(&old.fields), structure(&new.fields));
        for field in ["title", "body", "name", "about"] {
            let (a, b) = (before.blame(&path(&[field])).unwrap(), after.blame(&path(&[field])).unwrap());
            prop_assert_eq!(&a, &b);
            let (Some(Blame::Text(spans)), Some(text)) = (b, new.text(field)) else { continue };
            let chars: Vec<char> = text.chars().collect();
            for span in spans.iter().filter(|span| erased.contains(&span.by)) {
                prop_assert!(chars[span.start..span.start + span.len].iter().all(|c| *c == FILLER));
            }
        }
    }
}

/// A view with texts replaced by their lengths.
fn structure(fields: &BTreeMap<String, Vec<Candidate>>) -> String {
    fn candidates(values: &[Candidate]) -> String {
        values
            .iter()
            .map(|candidate| match &candidate.value {
                Viewed::Text(text) => format!("{}:{} ", candidate.by, text.chars().count()),
                Viewed::Map(entries) => structure(entries),
                Viewed::List(items) => items.iter().map(|item| candidates(item)).collect(),
                other => format!("{}:{other:?} ", candidate.by),
            })
            .collect()
    }
    fields
        .iter()
        .map(|(key, values)| format!("{key}={} ", candidates(values)))
        .collect()
}

fn past_of(inputs: &[Input], last: EntryId) -> Vec<Input> {
    let mut past = BTreeSet::from([last]);
    for input in inputs.iter().rev() {
        if past.contains(&input.id) {
            past.extend(&input.deps);
        }
    }
    let is_past = |input: &&Input| past.contains(&input.id);
    inputs.iter().filter(is_past).cloned().collect()
}

/// The random worlds are worth testing: every sort of outcome is common in them.
#[test]
fn random_worlds_hold_every_sort_of_outcome() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..40 {
        let world = World::random(seed, 40);
        let document = derive_at_once(&world.inputs);
        for input in &world.inputs {
            let sort = match document.outcome(&input.id).unwrap() {
                Outcome::Changed => "changed",
                Outcome::Unchanged => "unchanged",
                Outcome::Void(reason) => match reason {
                    comity_protocol::derive::VoidReason::MalformedShape(_) => "malformed",
                    comity_protocol::derive::VoidReason::CreateInsideDocument => "create",
                    comity_protocol::derive::VoidReason::Rule(_) => "rule",
                    comity_protocol::derive::VoidReason::Operation { .. } => "operation",
                    other => panic!("unexpected: {other}"),
                },
                Outcome::Newer(newer) => panic!("unexpected: {newer}"),
            };
            *counts.entry(sort).or_default() += 1;
        }
        let view = document.view().unwrap();
        if view.fields.values().any(|values| values.len() > 1) {
            *counts.entry("conflict").or_default() += 1;
        }
    }
    println!("outcomes in 40 worlds: {counts:?}");
    for sort in [
        "changed",
        "unchanged",
        "malformed",
        "create",
        "rule",
        "operation",
        "conflict",
    ] {
        assert!(
            counts.get(sort).is_some_and(|count| *count > 5),
            "{sort} is rare: {counts:?}"
        );
    }
    assert!(counts["changed"] > 400, "{counts:?}");
}

/// Three hundred authors edit one page, ten edits each, on four nodes in partitions that heal in
/// random order.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "prints a figure; nothing depends on it"
)]
fn three_hundred_authors_in_partitions_converge() {
    const NODES: usize = 4;
    let mut random = Random(300);
    let first = entry(0);
    let page = DocumentId::from(first);
    let create = input(first, page, vec![], author(0), &first_draft(Kind::Page));
    let mut all: Vec<Input> = Vec::new();
    let mut nodes: Vec<(DerivedDocument, usize)> = (0..NODES)
        .map(|_| (DerivedDocument::new(create.clone()).unwrap(), 0))
        .collect();
    let mut logs: Vec<Vec<Input>> = vec![Vec::new(); NODES];
    let keys: Vec<_> = (0..300).map(author).collect();
    let mut turns: Vec<usize> = (0..3000).map(|turn| turn % 300).collect();
    random.shuffle(&mut turns);
    let begin = Instant::now();
    for round in turns.chunks(150) {
        for writer in round {
            let at = writer % NODES;
            let (node, _) = &mut nodes[at];
            // At least this long: "First line." and what was inserted since.
            let len = 11 + 2 * logs[at].len();
            let operation = Operation::Splice {
                path: path(&["body"]),
                position: random.below(len) as u32,
                delete: 0,
                insert: format!("{writer} "),
            };
            let id = entry(random.next());
            let heads = node.heads();
            let edit = input(
                id,
                page,
                heads,
                keys[*writer],
                &Draft::edit(vec![operation]),
            );
            node.extend(vec![edit.clone()], u64::MAX).unwrap();
            logs[at].push(edit.clone());
            all.push(edit);
        }
        heal(&mut nodes, &mut logs, &mut random);
    }
    for (at, (node, _)) in nodes.iter_mut().enumerate() {
        for other in logs.iter() {
            extend_causally(node, other);
        }
        assert_eq!(node.remaining(), 0, "node {at}");
    }
    let took = begin.elapsed();
    let heads = nodes[0].0.heads();
    let view = nodes[0].0.view().unwrap();
    for (node, _) in &nodes[1..] {
        assert_eq!(node.heads(), heads);
        assert_eq!(node.view().unwrap(), view);
    }
    let body = view.text("body").unwrap();
    for writer in 0..300 {
        assert!(body.contains(&format!("{writer} ")));
    }
    let effective = all
        .iter()
        .filter(|edit| nodes[0].0.outcome(&edit.id) == Some(&Outcome::Changed))
        .count();
    assert_eq!(effective, 3000);
    let begin = Instant::now();
    let mut fresh = DerivedDocument::new(create).unwrap();
    fresh.extend(all, u64::MAX).unwrap();
    let once = begin.elapsed();
    assert_eq!(fresh.view().unwrap(), view);
    println!("300 authors, 3,000 edits: 4 nodes live {took:?}; one node at once {once:?}");
}

/// Splits the nodes into random groups; within each, everybody learns everything.
fn heal(nodes: &mut [(DerivedDocument, usize)], logs: &mut [Vec<Input>], random: &mut Random) {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    random.shuffle(&mut order);
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let (group, after) = rest.split_at(1 + random.below(rest.len()));
        let mut seen = BTreeSet::new();
        let union: Vec<Input> = group
            .iter()
            .flat_map(|at| logs[*at].iter())
            .filter(|edit| seen.insert(edit.id))
            .cloned()
            .collect();
        for at in group {
            extend_causally(&mut nodes[*at].0, &union);
            logs[*at] = union.clone();
        }
        rest = after;
    }
}

/// Gives what is new. Logs are joined from causal orders, so one pass over them is causal.
fn extend_causally(node: &mut DerivedDocument, edits: &[Input]) {
    let fresh: Vec<Input> = edits
        .iter()
        .filter(|edit| node.outcome(&edit.id).is_none())
        .cloned()
        .collect();
    node.extend(fresh, u64::MAX).unwrap();
}

/// A document that was never edited reads as if it had been derived (I5).
#[test]
fn an_unedited_document_reads_as_a_derived_one() {
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        let first = entry(number as u64);
        let create = input(first, first.into(), vec![], author(0), &first_draft(kind));
        let plain = DerivedDocument::new(create.clone()).unwrap();
        assert_eq!(plain.change_hash(&first), None, "no Automerge yet");
        let field = if kind == Kind::Accept {
            "withdrawn"
        } else {
            kind.fields()[0].name
        };
        let value = if kind == Kind::Accept {
            true.into()
        } else {
            "new".into()
        };
        let put = Operation::Put {
            path: path(&[field]),
            value,
        };
        let edit = input(
            entry(99),
            first.into(),
            vec![first],
            author(1),
            &Draft::edit(vec![put]),
        );
        let mut edited = DerivedDocument::new(create).unwrap();
        edited.extend(vec![edit], u64::MAX).unwrap();
        assert_eq!(edited.outcome(&entry(99)), Some(&Outcome::Changed));
        assert_ne!(edited.view(), plain.view());
        assert_eq!(edited.view_at(&[first]), plain.view());
        let loaded = Automerge::load(&plain.save().unwrap()).unwrap();
        assert_eq!(loaded.get_heads()[0].0, edited.change_hash(&first).unwrap());
        for name in ["title", "tags", "form"] {
            let edited = edited.blame(&path(&[name])).unwrap();
            assert_eq!(plain.blame(&path(&[name])).unwrap(), edited);
        }
    }
}
