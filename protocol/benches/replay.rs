//! What it costs to derive a page that very many people edit at once, against Automerge applying the
//! very changes that come out.
//!
//! 300 authors write 10 edits each, every one on a branch of their own from the same first version.
//! The edits come author by author, or in turns of all authors; at once, or turn by turn as they
//! would arrive. Automerge gets all changes in one batch, in the same order. Ratios are of the same
//! run, the best of some repetitions each. Run with `cargo bench -p comity-protocol --bench replay`. One JSON line
//! for each figure, with its target.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    dead_code,
    unreachable_pub
)]

#[path = "../tests/suite/derivation/world.rs"]
mod world;

use automerge::{Automerge, Change};
use comity_protocol::{
    derive::{DerivedDocument, Input},
    document::{Draft, Kind, Operation},
    id::DocumentId,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use world::{Random, author, entry, input, path};

const AUTHORS: usize = 300;
const EDITS: usize = 10;
const REPETITIONS: usize = 5;
const FIRST: &str = "What we know about heat pumps, by all of us, for whoever asks next. ";
const SEED: u64 = 1;
/// How often the first words stand in the first version.
const PAGES: [(usize, &str); 2] = [(1, "short page"), (20, "long page")];

/// In what order the edits come.
#[derive(Clone, Copy)]
enum Order {
    ByBranch,
    Interleaved,
}

struct Case {
    name: &'static str,
    order: Order,
    /// Edits that come at once.
    batch: usize,
    target: f64,
}

fn main() {
    // `cargo test` runs benches with `--test`: nothing to do there.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let all = AUTHORS * EDITS;
    let case = |name, order, batch, target| Case {
        name,
        order,
        batch,
        target,
    };
    let cases = [
        case("replay by branch, at once", Order::ByBranch, all, 3.0),
        case(
            "replay by branch, branch by branch",
            Order::ByBranch,
            EDITS,
            3.0,
        ),
        case("replay interleaved, at once", Order::Interleaved, all, 6.0),
        case(
            "replay interleaved, turn by turn",
            Order::Interleaved,
            AUTHORS,
            6.0,
        ),
    ];
    for (first, page) in PAGES {
        let edits = edits(first);
        for case in &cases {
            measure(case, first, page, &edits);
        }
    }
}

fn measure(case: &Case, first: usize, page: &str, edits: &[Vec<Input>]) {
    let ordered = in_order(edits, case.order);
    let (mut derived_in, mut applied_in) = (Duration::MAX, Duration::MAX);
    for _ in 0..REPETITIONS {
        let (document, time) = derive(first, &ordered, case.batch);
        derived_in = derived_in.min(time);
        let changes = changes(first, &document, &ordered);
        applied_in = applied_in.min(apply(changes, &document));
    }
    let ratio = derived_in.as_secs_f64() / applied_in.as_secs_f64();
    println!(
        "{{\"figure\":\"{}, {page}\",\"value\":{ratio:.2},\"unit\":\"÷ Automerge\",\"target\":\"<= {}\",\"holds\":{},\"ms\":{:.0},\"automerge_ms\":{:.0}}}",
        case.name,
        case.target,
        ratio <= case.target,
        derived_in.as_secs_f64() * 1e3,
        applied_in.as_secs_f64() * 1e3,
    );
}

fn create(first: usize) -> Input {
    let draft = Draft::create(
        Kind::Page,
        [
            ("title", "Heat pumps".into()),
            ("body", FIRST.repeat(first).as_str().into()),
        ],
    );
    let id = entry(0);
    input(id, DocumentId::from(id), Vec::new(), author(0), &draft)
}

/// The edits of each author, in the author's order.
fn edits(first: usize) -> Vec<Vec<Input>> {
    let mut random = Random(SEED);
    let (root, length_first) = (create(first), FIRST.repeat(first).chars().count());
    let mut branches = Vec::new();
    for writer in 0..AUTHORS {
        let (mut deps, mut length) = (vec![root.id], length_first);
        let mut branch = Vec::new();
        for edit in 0..EDITS {
            let id = entry(1 + (writer * EDITS + edit) as u64);
            let text = format!("{writer} says {edit}. ");
            let delete = random.below(4);
            let position = random.below(length - delete);
            length = length - delete + text.chars().count();
            let splice = Operation::Splice {
                path: path(&["body"]),
                position: position as u32,
                delete: delete as u32,
                insert: text,
            };
            let draft = Draft::edit(vec![splice]);
            branch.push(input(id, root.document, deps, author(writer + 1), &draft));
            deps = vec![id];
        }
        branches.push(branch);
    }
    branches
}

fn in_order(edits: &[Vec<Input>], order: Order) -> Vec<Input> {
    match order {
        Order::ByBranch => edits.concat(),
        Order::Interleaved => {
            let turns = (0..EDITS).flat_map(|turn| edits.iter().map(move |it| it[turn].clone()));
            turns.collect()
        }
    }
}

fn derive(first: usize, edits: &[Input], batch: usize) -> (DerivedDocument, Duration) {
    let batches: Vec<Vec<Input>> = edits.chunks(batch).map(<[Input]>::to_vec).collect();
    let began = Instant::now();
    let mut document = DerivedDocument::new(create(first)).unwrap();
    for batch in batches {
        document.extend(batch, u64::MAX).unwrap();
    }
    assert!(document.view().is_ok());
    let time = began.elapsed();
    assert_eq!(document.remaining(), 0);
    let effective = |it: &Input| document.outcome(&it.id).unwrap().is_effective();
    assert!(edits.iter().all(effective), "every edit counts");
    (document, time)
}

/// The changes that were derived, in the order of the edits.
fn changes(first: usize, document: &DerivedDocument, edits: &[Input]) -> Vec<Change> {
    let whole = Automerge::load(&document.save().unwrap()).unwrap();
    let all = whole.get_changes(&[]).into_iter();
    let mut all: BTreeMap<[u8; 32], Change> = all.map(|it| (it.hash().0, it)).collect();
    let ids = std::iter::once(create(first).id).chain(edits.iter().map(|it| it.id));
    ids.map(|id| all.remove(&document.change_hash(&id).unwrap()).unwrap())
        .collect()
}

fn apply(changes: Vec<Change>, document: &DerivedDocument) -> Duration {
    let began = Instant::now();
    let mut plain = Automerge::new();
    plain.apply_changes(changes).unwrap();
    let time = began.elapsed();
    let expected = Automerge::load(&document.save().unwrap())
        .unwrap()
        .get_heads();
    assert_eq!(plain.get_heads(), expected, "the same document");
    time
}
