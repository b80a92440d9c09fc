//! Random worlds: several authors, replicas that see each other now and then, and contributions of
//! every sort, void and empty ones included.

use comity_protocol::derive::{DerivedDocument, Input};
use comity_protocol::document::value::map;
use comity_protocol::document::{Draft, Kind, Operation, Reference, Shape, Step, Value, Words};
use comity_protocol::id::{DocumentId, EntryId, digest};
use comity_protocol::key::{PublicKey, SecretKey};
use std::collections::{BTreeMap, BTreeSet};

/// SplitMix64: a few lines, the same everywhere.
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

pub(super) fn author(number: usize) -> PublicKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    SecretKey::from_seed(&seed).public()
}

pub(super) fn entry(number: u64) -> EntryId {
    EntryId::from_bytes(digest(b"test\0", &[&number.to_le_bytes()]))
}

pub(super) fn path(steps: &[&str]) -> Vec<Step> {
    steps.iter().map(|step| Step::from(*step)).collect()
}

/// An input as the pipeline would make it: sealed, encoded, decoded, opened.
pub(super) fn input(
    id: EntryId,
    document: DocumentId,
    deps: Vec<EntryId>,
    author: PublicKey,
    draft: &Draft,
) -> Input {
    let shape = draft.shape().unwrap();
    let mut words = vec![0; 32];
    words.extend(texts(draft).concat().into_bytes());
    let shape = Shape::decode(&shape.encode());
    let words = match &shape {
        Ok(shape) => Words::open(shape, &words),
        Err(_) => Words::Erased,
    };
    Input {
        id,
        document,
        deps,
        author,
        time_ms: 1_700_000_000_000,
        shape,
        words,
    }
}

fn texts(draft: &Draft) -> Vec<String> {
    fn of(value: &Value<String>, out: &mut Vec<String>) {
        match value {
            Value::Text(text) => out.push(text.clone()),
            Value::Map(entries) => entries.values().for_each(|value| of(value, out)),
            Value::List(items) => items.iter().for_each(|value| of(value, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    match draft {
        Draft::Create { fields, .. } => fields.values().for_each(|value| of(value, &mut out)),
        Draft::Edit { operations } => {
            for operation in operations {
                match operation {
                    Operation::Put { value, .. } | Operation::Insert { value, .. } => {
                        of(value, &mut out);
                    }
                    Operation::Splice { insert, .. } => out.push(insert.clone()),
                    Operation::Delete { .. } => {}
                }
            }
        }
    }
    out
}

pub(super) fn reference(byte: u8) -> Value<String> {
    Reference::from(DocumentId::from_bytes([byte; 32])).into()
}

pub(super) fn first_draft(kind: Kind) -> Draft {
    let tags = || Value::List(vec!["née".into(), "β".into()]);
    let origin = || {
        map([
            ("system", "mail".into()),
            ("id", "<1@x>".into()),
            ("time", (-5).into()),
        ])
    };
    match kind {
        Kind::Topic => Draft::create(
            kind,
            [
                ("title", "Heat pumps".into()),
                ("body", "Whose is loud? 🔊".into()),
                ("form", 1.into()),
                ("tags", tags()),
                ("origin", origin()),
            ],
        ),
        Kind::Reply => Draft::create(
            kind,
            [
                ("topic", reference(1)),
                ("parent", reference(2)),
                ("body", "Ours, at night.".into()),
            ],
        ),
        Kind::Page => Draft::create(
            kind,
            [
                ("title", "Guide".into()),
                ("body", "First line.".into()),
                ("tags", tags()),
            ],
        ),
        Kind::Profile => Draft::create(
            kind,
            [
                ("name", "Ada".into()),
                ("about", "Plumber".into()),
                ("expertise", tags()),
            ],
        ),
        Kind::Accept => Draft::create(kind, [("topic", reference(1)), ("reply", reference(2))]),
    }
}

const WORDS: [&str; 8] = [
    "",
    "a",
    "über",
    "日本",
    "🎈🎈",
    "e\u{301}",
    "x y z",
    "\u{200d}\n",
];

fn any_value(random: &mut Random, depth: usize) -> Value<String> {
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => random.chance(50).into(),
        2 => (random.below(6) as i64).into(),
        3 | 4 => WORDS[random.below(8)].into(),
        5 => reference(random.below(4) as u8),
        6 => Value::List(
            (0..random.below(4))
                .map(|_| any_value(random, depth - 1))
                .collect(),
        ),
        _ => map([("id", any_value(random, depth - 1))]),
    }
}

fn fitting_value(random: &mut Random, field: &str) -> Value<String> {
    match field {
        "form" => (random.below(5) as i64).into(),
        "withdrawn" => random.chance(50).into(),
        "tags" | "expertise" => Value::List(
            (0..random.below(3))
                .map(|_| WORDS[1 + random.below(7)].into())
                .collect(),
        ),
        _ => WORDS[1 + random.below(7)].into(),
    }
}

const FIELDS: [&str; 10] = [
    "title",
    "body",
    "form",
    "tags",
    "name",
    "about",
    "expertise",
    "withdrawn",
    "origin",
    "nosuch",
];

fn fields_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Topic => &["title", "body", "body", "form", "tags", "tags"],
        Kind::Reply => &["body"],
        Kind::Page => &["title", "body", "body", "body", "tags", "tags"],
        Kind::Profile => &["name", "about", "about", "expertise", "expertise"],
        Kind::Accept => &["withdrawn"],
    }
}

pub(super) fn any_operation(random: &mut Random, kind: Kind) -> Operation<String> {
    let mut field = fields_of(kind)[random.below(fields_of(kind).len())];
    if random.chance(3) {
        field = FIELDS[random.below(FIELDS.len())];
    }
    let is_list = matches!(field, "tags" | "expertise");
    let is_text = matches!(field, "title" | "body" | "name" | "about");
    let at = |random: &mut Random| vec![Step::from(field), Step::from(random.below(4) as u32)];
    match random.below(10) {
        0..=2 if is_list => Operation::Insert {
            path: at(random),
            value: WORDS[1 + random.below(7)].into(),
        },
        3 | 4 if is_list => Operation::Delete { path: at(random) },
        5 if is_list => Operation::Put {
            path: at(random),
            value: WORDS[1 + random.below(7)].into(),
        },
        0..=7 if is_text => {
            let (mut insert, delete) = (WORDS[random.below(8)], random.below(3) as u32);
            if insert.is_empty() && delete == 0 {
                insert = "!";
            }
            Operation::Splice {
                path: path(&[field]),
                position: random.below(9) as u32,
                delete,
                insert: insert.into(),
            }
        }
        8 if random.chance(30) => Operation::Delete {
            path: path(&[field]),
        },
        9 if random.chance(10) => Operation::Put {
            path: path(&[field]),
            value: any_value(random, 3),
        },
        _ => Operation::Put {
            path: path(&[field]),
            value: fitting_value(random, field),
        },
    }
}

/// A document's contributions in one causal order.
pub(super) struct World {
    pub(super) inputs: Vec<Input>,
}

/// What a replica has: contributions by number, and their heads.
#[derive(Clone, Default)]
struct Replica {
    known: BTreeSet<usize>,
}

impl Replica {
    fn heads(&self, inputs: &[Input]) -> Vec<EntryId> {
        let mut heads: BTreeSet<EntryId> = self.known.iter().map(|i| inputs[*i].id).collect();
        for index in &self.known {
            for dep in &inputs[*index].deps {
                heads.remove(dep);
            }
        }
        heads.into_iter().take(64).collect()
    }
}

impl World {
    /// `size` contributions by four authors on four replicas.
    pub(super) fn random(seed: u64, size: usize) -> Self {
        let mut random = Random(seed);
        let kind = Kind::ALL[random.below(5)];
        let first = entry(random.next());
        let document = DocumentId::from(first);
        let mut inputs = vec![input(
            first,
            document,
            vec![],
            author(0),
            &first_draft(kind),
        )];
        let mut replicas = vec![
            Replica {
                known: BTreeSet::from([0])
            };
            4
        ];
        let merge_percent = 5 + random.below(40);
        while inputs.len() < size {
            let at = random.below(4);
            if random.chance(merge_percent) {
                let other = replicas[random.below(4)].known.clone();
                replicas[at].known.extend(other);
            }
            let operations = match random.below(10) {
                0 => vec![],
                n => (0..1 + n / 4)
                    .map(|_| any_operation(&mut random, kind))
                    .collect(),
            };
            let deps = replicas[at].heads(&inputs);
            let id = entry(random.next());
            let mut made = input(id, document, deps, author(at), &Draft::edit(operations));
            if random.chance(2) {
                made.shape = Shape::decode(&[0xff]);
            }
            if random.chance(2) {
                made.shape = first_draft(kind).shape().map_err(|_| unreachable!());
            }
            if random.chance(5) {
                made.words = Words::Erased;
            }
            replicas[at].known.insert(inputs.len());
            inputs.push(made);
        }
        Self { inputs }
    }

    /// The same contributions in another causal order.
    pub(super) fn shuffled(&self, random: &mut Random) -> Vec<Input> {
        let mut unmet: BTreeMap<EntryId, usize> = self
            .inputs
            .iter()
            .map(|input| (input.id, input.deps.len()))
            .collect();
        let mut ready: Vec<&Input> = self.inputs.iter().take(1).collect();
        let mut order = Vec::new();
        while !ready.is_empty() {
            let next = ready.swap_remove(random.below(ready.len()));
            order.push(next.clone());
            for input in &self.inputs {
                if input.deps.contains(&next.id) {
                    let left = unmet.get_mut(&input.id).unwrap();
                    *left -= 1;
                    if *left == 0 {
                        ready.push(input);
                    }
                }
            }
        }
        assert_eq!(order.len(), self.inputs.len());
        order
    }
}

/// Derives in the given order, in random batches with random budgets.
pub(super) fn derive(order: &[Input], random: &mut Random) -> DerivedDocument {
    let mut document = DerivedDocument::new(order[0].clone()).unwrap();
    let mut rest = &order[1..];
    while !rest.is_empty() {
        let most = 1 + random.below(30);
        let size = 1 + random.below(rest.len().min(most));
        let (batch, after) = rest.split_at(size);
        let budget = 1 + random.below(200) as u64;
        document.extend(batch.to_vec(), budget).unwrap();
        rest = after;
    }
    while document.remaining() > 0 {
        document.extend(vec![], 50).unwrap();
    }
    document
}

pub(super) fn derive_at_once(order: &[Input]) -> DerivedDocument {
    let mut document = DerivedDocument::new(order[0].clone()).unwrap();
    let progress = document.extend(order[1..].to_vec(), u64::MAX).unwrap();
    assert_eq!(progress.remaining, 0);
    document
}
