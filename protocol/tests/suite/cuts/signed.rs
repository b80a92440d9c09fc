//! The same with entries as they travel: signed, with the tables of a sealed tree.

use super::world::{SPACE, World, id, key, party};
use crate::community::{Chain, public};
use comity_protocol::authority::coverage::{Coverage, NodeTenure, SpaceCoverage};
use comity_protocol::authority::narrowing::{Issuer, Narrowing, openly_listed_keys};
use comity_protocol::authority::receipts::SpaceRecords;
use comity_protocol::authority::segments::{ChainEntry, PART_MAX_BYTES, cuts_for};
use comity_protocol::authority::{AuthorLink, ChainLinks};
use comity_protocol::certificate::{CUT_KEYS_MAX, CUT_SEGMENTS_MAX, Cuts, SealedCuts, SpaceCut};
use comity_protocol::contribution::ChainLink;
use comity_protocol::document::Kind;
use comity_protocol::entry::{Entry, Record};
use comity_protocol::id::EntryId;
use comity_protocol::key::PublicKey;
use comity_protocol::record::{Acknowledge, ChainHead, Erasure, Receipt, RecordBody};
use std::collections::{BTreeMap, BTreeSet};

const STEWARD: u8 = 31;
const NODE_OF_B: u8 = 32;
const DELEGATE: u8 = 33;

/// A space as a node holds it: records, headers, and the coverage it last built.
struct Holder {
    world: World,
    records: SpaceRecords,
    coverage: SpaceCoverage,
    built: usize,
}

impl Holder {
    fn new(narrowing: Narrowing) -> Self {
        let mut world = World::default();
        world.narrowings.insert(narrowing.id, narrowing);
        world.narrowed.insert(public(STEWARD));
        world.node(public(NODE_OF_B), &[2]);
        Self {
            coverage: world.coverage(),
            records: SpaceRecords::new(),
            world,
            built: 0,
        }
    }

    fn arrive(&mut self, entry: &Entry) {
        let affects = self.coverage.affects(entry, &self.records, &self.world);
        let place = match entry {
            Entry::Contribution(it) => AuthorLink {
                author: it.header().author,
                link: it.header().link,
            },
            Entry::Record(it) => {
                self.records.add(it);
                AuthorLink {
                    author: it.header().author,
                    link: it.header().link,
                }
            }
            Entry::Certificate(_) | Entry::Bare(_) => unreachable!("neither stands on a chain"),
        };
        self.world.headers.insert(entry.id(), place);
        if affects {
            self.built += 1;
            self.coverage = self.world.coverage_by(&self.records, &self.world.headers);
        }
    }

    fn covered(&self, narrowing: EntryId, ids: &[EntryId]) -> Vec<bool> {
        let author = public(STEWARD);
        let covers = |id: &EntryId| self.coverage.covers(&narrowing, &author, id);
        ids.iter().map(covers).collect()
    }
}

fn receipt(node: &mut Chain, heads: &[&Entry]) -> Entry {
    let head = |entry: &&Entry| {
        let key = entry.key();
        ChainHead {
            author: key.author,
            seq: key.seq,
            id: key.id,
        }
    };
    let heads = heads.iter().map(head).collect();
    Entry::Record(node.record(RecordBody::Receipt(Receipt { heads })))
}

fn acknowledge(node: &mut Chain, narrowing: EntryId) -> Entry {
    let narrowings = vec![narrowing];
    Entry::Record(node.record(RecordBody::Acknowledge(Acknowledge { narrowings })))
}

#[test]
fn signed_receipts_acknowledgements_and_tables_do_what_they_say() {
    let mut steward = Chain::new(STEWARD, SPACE);
    let words: Vec<Entry> = (0..4)
        .map(|_| Entry::Contribution(steward.create(Kind::Topic)))
        .collect();
    let ids: Vec<EntryId> = words.iter().map(Entry::id).collect();
    let removal = id("removal");
    let effective = words.iter().take(1).map(|it| ChainEntry {
        id: it.id(),
        link: ChainLink::FIRST,
    });
    let kept = BTreeMap::from([(public(STEWARD), effective.collect())]);
    let cut = cuts_for(SPACE, &kept).remove(0);
    let sealed = SealedCuts::build(vec![([1; 32], cut)], &[[2; 32]; 7]).unwrap();
    let narrowing = Narrowing {
        id: removal,
        issuer: Issuer::Party(party(1)),
        cuts: Cuts {
            open: Vec::new(),
            sealed: sealed.root(),
        },
        replaces: None,
    };
    let mut holder = Holder::new(narrowing);
    for entry in &words {
        holder.arrive(entry);
    }
    assert_eq!(holder.covered(removal, &ids), [false; 4]);
    assert_eq!(holder.built, 0, "nothing narrowed leads to these yet");

    let table = sealed.table(0, removal).unwrap();
    let table = Chain::new(DELEGATE, SPACE).record(RecordBody::CutTable(table));
    holder.arrive(&Entry::Record(table));
    assert_eq!(holder.covered(removal, &ids), [true, false, false, false]);

    let mut node = Chain::new(NODE_OF_B, SPACE);
    holder.arrive(&receipt(&mut node, &[&words[1]]));
    assert_eq!(holder.covered(removal, &ids), [true, true, false, false]);
    let built = holder.built;
    holder.arrive(&acknowledge(&mut node, removal));
    assert_eq!(
        holder.built, built,
        "an end of a chain alone changes nothing"
    );
    holder.arrive(&receipt(&mut node, &[&words[3]]));
    assert_eq!(holder.covered(removal, &ids), [true, true, false, false]);
    // Another node, which heard of the removal later.
    holder.world.node(public(DELEGATE + 1), &[2, 3]);
    let mut late = Chain::new(DELEGATE + 1, SPACE);
    holder.arrive(&receipt(&mut late, &[&words[2]]));
    assert_eq!(holder.covered(removal, &ids), [true, true, true, false]);
    assert_eq!(
        holder.coverage.narrowed_keys().collect::<Vec<_>>(),
        [&public(STEWARD)]
    );
}

#[test]
fn an_erasure_in_a_nodes_chain_breaks_it_whether_it_is_here_or_not() {
    let mut steward = Chain::new(STEWARD, SPACE);
    let words: Vec<Entry> = (0..2)
        .map(|_| Entry::Contribution(steward.create(Kind::Topic)))
        .collect();
    let ids: Vec<EntryId> = words.iter().map(Entry::id).collect();
    let removal = id("removal");
    let narrowing = Narrowing {
        id: removal,
        issuer: Issuer::Party(party(1)),
        cuts: Cuts::default(),
        replaces: None,
    };
    let mut node = Chain::new(NODE_OF_B, SPACE);
    let first = receipt(&mut node, &[&words[0]]);
    let contribution = id("not in effect everywhere");
    let erasure = node.record(RecordBody::Erasure(Erasure { contribution }));
    let last = receipt(&mut node, &[&words[1]]);
    // One who has the erasure, and one to whom nobody may offer it.
    for has_erasure in [true, false] {
        let mut holder = Holder::new(narrowing.clone());
        let erasure = has_erasure.then(|| Entry::Record(erasure.clone()));
        for entry in words.iter().chain([&first]).chain(&erasure).chain([&last]) {
            holder.arrive(entry);
        }
        assert_eq!(
            holder.covered(removal, &ids),
            [true, false],
            "{has_erasure}"
        );
    }
}

#[test]
fn more_keys_and_segments_than_one_cut_holds_are_split_and_all_count() {
    // Many keys with an entry each, and one that left a gap after each of its entries.
    let many = CUT_KEYS_MAX + 500;
    let gaps = 2 * CUT_SEGMENTS_MAX + 10;
    let entry = |name: String, seq: u64| ChainEntry {
        id: id(&name),
        link: match seq {
            1 => ChainLink::FIRST,
            _ => ChainLink::after(seq - 1, id(&format!("withheld before {name}"))),
        },
    };
    let some_keys = (0..).map(|at| *id(&format!("key {at}")).as_bytes());
    let mut some_keys = some_keys.filter_map(|bytes| PublicKey::from_bytes(bytes).ok());
    let mut effective: BTreeMap<PublicKey, Vec<ChainEntry>> = some_keys
        .by_ref()
        .take(many)
        .enumerate()
        .map(|(number, key)| (key, vec![entry(format!("only {number}"), 1)]))
        .collect();
    let hostile = some_keys.next().unwrap();
    let segments = (0..gaps).map(|at| entry(format!("gap {at}"), 2 * at as u64 + 1));
    effective.insert(hostile, segments.collect());

    let parts = cuts_for(SPACE, &effective);
    assert!(parts.len() > 2, "{} parts", parts.len());
    let salted: Vec<([u8; 32], SpaceCut)> = parts.iter().map(|it| ([3; 32], it.clone())).collect();
    let random: Vec<[u8; 32]> = (0..SealedCuts::padding(parts.len()))
        .map(|at| *id(&format!("leaf {at}")).as_bytes())
        .collect();
    let sealed = SealedCuts::build(salted, &random).unwrap();
    let removal = id("removal");
    let narrowing = Narrowing {
        id: removal,
        issuer: Issuer::Quorum,
        cuts: Cuts {
            open: Vec::new(),
            sealed: sealed.root(),
        },
        replaces: None,
    };
    let mut records = SpaceRecords::new();
    let mut delegate = Chain::new(DELEGATE, SPACE);
    for table in sealed.tables(removal) {
        let record: Record = delegate.record(RecordBody::CutTable(table));
        assert!(record.body_bytes().len() < PART_MAX_BYTES + 1_000);
        let read = RecordBody::decode(record.header().record_type, record.body_bytes());
        assert!(read.is_ok(), "{read:?}");
        records.add(&record);
    }
    let mut world = World::default();
    world.narrowings.insert(removal, narrowing);
    let mut all = BTreeSet::new();
    for (author, entries) in &effective {
        for it in entries {
            let place = AuthorLink {
                author: *author,
                link: it.link,
            };
            world.headers.insert(it.id, place);
            all.insert((*author, it.id));
        }
    }
    let coverage = world.coverage_by(&records, &world.headers as &dyn ChainLinks);
    for (author, id) in &all {
        assert!(coverage.covers_unlifted(&removal, author, id));
    }
    assert_eq!(all.len(), many + gaps);
    assert!(openly_listed_keys(&world.narrowings).is_empty());
    assert_eq!(coverage.narrowed_keys().count(), many + 1);
}

#[test]
fn a_tenure_names_the_party_and_what_ended_it() {
    // A node that two parties list lifts cuts of either; one that ended counts up to its cut.
    let mut world = World::default();
    let mut steward = super::world::chain_of(key(11));
    let word = world.write(&mut steward, "word");
    world.narrowed.insert(key(11));
    let of_a = world.narrow("of a", Issuer::Party(party(1)), &[]);
    let of_b = world.narrow("of b", Issuer::Party(party(2)), &[]);
    let mut node = super::world::chain_of(key(22));
    world.receipt(&mut node, &[word]);
    let ended = world.narrow("ended", Issuer::Quorum, &[]);
    let tenure = |number, narrowings| NodeTenure {
        party: party(number),
        narrowings,
    };
    let both = vec![tenure(1, Vec::new()), tenure(2, Vec::new())];
    world.tenures.insert(key(22), both);
    let coverage = world.coverage();
    assert!(coverage.covers(&of_a, &key(11), &word));
    assert!(coverage.covers(&of_b, &key(11), &word));
    let ended = vec![tenure(1, Vec::new()), tenure(2, vec![ended])];
    world.tenures.insert(key(22), ended);
    let coverage = world.coverage();
    assert!(!coverage.covers(&of_a, &key(11), &word));
    assert!(coverage.covers(&of_b, &key(11), &word));
}
