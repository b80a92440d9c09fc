//! What the records of one space say about cuts: receipts, acknowledgements and sealed cut tables,
//! and how far the chain of each signer can be relied on.
//!
//! Spec: `specs/cuts.md` §5 (sealed tables), §6 (receipts that lift).

use crate::{
    certificate::SpaceCut,
    contribution::ChainLink,
    entry::Record,
    id::EntryId,
    key::PublicKey,
    record::{ChainHead, RecordBody},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a record says, as far as cuts are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Chain heads that reached a node.
    Receipt(Vec<ChainHead>),
    /// Narrowings that a node has seen.
    Acknowledge(Vec<EntryId>),
    /// A leaf of the sealed cuts of a narrowing.
    CutTable {
        /// The narrowing.
        narrowing: EntryId,
        /// The Merkle root that the leaf and its path lead to.
        root: [u8; 32],
        /// The leaf's cut.
        cut: SpaceCut,
    },
    /// Anything else: only its place in the chain matters.
    Other,
}

impl Statement {
    /// What a record says about cuts.
    pub fn of(record: &Record) -> Self {
        match record.body() {
            RecordBody::Receipt(receipt) => Self::Receipt(receipt.heads.clone()),
            RecordBody::Acknowledge(seen) => Self::Acknowledge(seen.narrowings.clone()),
            RecordBody::CutTable(table) => Self::CutTable {
                narrowing: table.narrowing,
                root: table.root(),
                cut: table.cut.clone(),
            },
            _ => Self::Other,
        }
    }
}

/// A record of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    prev: Option<EntryId>,
    says: Statement,
}

/// The records of one signer in one space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordChain {
    at: BTreeMap<u64, BTreeMap<EntryId, Place>>,
    end: u64,
}

impl RecordChain {
    fn insert(&mut self, id: EntryId, link: ChainLink, says: Statement) {
        let places = self.at.entry(link.seq).or_default();
        if places.contains_key(&id) {
            return;
        }
        let prev = link.prev;
        places.insert(id, Place { prev, says });
        if link.seq <= self.end {
            self.end = link.seq - 1;
        }
        while self.continues(self.end + 1) {
            self.end += 1;
        }
    }

    /// Whether exactly one record stands at `seq`, right behind the end.
    fn continues(&self, seq: u64) -> bool {
        self.only(seq)
            .is_some_and(|(_, place)| place.prev == self.only(seq - 1).map(|(id, _)| id))
    }

    fn only(&self, seq: u64) -> Option<(EntryId, &Place)> {
        let places = self.at.get(&seq)?;
        let (id, place) = places.first_key_value()?;
        (places.len() == 1).then_some((*id, place))
    }

    /// Sequence number of the last record of the unbroken, unforked beginning; 0 if the first is
    /// missing or there are two.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The id at `seq`, up to [`RecordChain::end`].
    pub fn id_at(&self, seq: u64) -> Option<EntryId> {
        (seq <= self.end)
            .then(|| self.only(seq).map(|(id, _)| id))
            .flatten()
    }

    /// The statements of the unbroken, unforked beginning, by sequence number from 1.
    pub fn statements(&self) -> impl Iterator<Item = (u64, &Statement)> {
        let range = self.at.range(..=self.end);
        range.filter_map(|(seq, places)| Some((*seq, &places.first_key_value()?.1.says)))
    }

    /// Where each narrowing was first acknowledged within the unbroken, unforked beginning.
    pub fn acknowledged(&self) -> BTreeMap<EntryId, u64> {
        let mut first = BTreeMap::new();
        for (seq, statement) in self.statements() {
            if let Statement::Acknowledge(narrowings) = statement {
                for narrowing in narrowings {
                    first.entry(*narrowing).or_insert(seq);
                }
            }
        }
        first
    }

    /// What the beginning would gain or lose by one more record.
    pub(super) fn change_by(&self, id: EntryId, link: ChainLink) -> ChainChange {
        let here = self.at.get(&link.seq);
        if here.is_some_and(|places| places.contains_key(&id)) {
            ChainChange::None
        } else if link.seq <= self.end {
            ChainChange::Many
        } else if link.seq > self.end + 1 || here.is_some() || link.prev != self.id_at(self.end) {
            ChainChange::None
        } else if self.at.contains_key(&(link.seq + 1)) {
            ChainChange::Many
        } else {
            ChainChange::LongerByOne
        }
    }
}

/// See [`RecordChain::change_by`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainChange {
    /// The beginning stays as it is.
    None,
    /// It ends with the new record.
    LongerByOne,
    /// It breaks off earlier, or goes on with records that were here before.
    Many,
}

/// The records of one space that decide about cuts. A set: order and repetition do not matter.
///
/// All records of the space belong in, whatever their type: a missing one breaks its signer's chain.
/// But erasures: whether one stands in the set depends on what it erases, so each is a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpaceRecords {
    chains: BTreeMap<PublicKey, RecordChain>,
    tables: BTreeMap<(EntryId, [u8; 32]), BTreeMap<EntryId, SpaceCut>>,
    heads_of: Option<BTreeSet<PublicKey>>,
}

impl SpaceRecords {
    /// No records yet; keeps all that receipts say.
    pub fn new() -> Self {
        Self::default()
    }

    /// No records yet; of receipts keeps only the heads of these keys, to save memory. What is built
    /// from it answers for these keys only: when more are narrowed, records are read again.
    pub fn keeping_heads_of(keys: BTreeSet<PublicKey>) -> Self {
        Self {
            heads_of: Some(keys),
            ..Self::default()
        }
    }

    /// Adds a record of the space; leaves erasures out.
    pub fn add(&mut self, record: &Record) {
        if matches!(record.body(), RecordBody::Erasure(_)) {
            return;
        }
        let header = record.header();
        self.add_statement(
            record.id(),
            header.author,
            header.link,
            Statement::of(record),
        );
    }

    /// Adds what a record says.
    pub fn add_statement(
        &mut self,
        id: EntryId,
        signer: PublicKey,
        link: ChainLink,
        says: Statement,
    ) {
        let says = match says {
            Statement::CutTable {
                narrowing,
                root,
                cut,
            } => {
                let tables = self.tables.entry((narrowing, root)).or_default();
                tables.insert(id, cut);
                Statement::Other
            }
            Statement::Receipt(mut heads) => {
                if let Some(keys) = &self.heads_of {
                    heads.retain(|head| keys.contains(&head.author));
                }
                Statement::Receipt(heads)
            }
            says => says,
        };
        let chain = self.chains.entry(signer).or_default();
        chain.insert(id, link, says);
    }

    /// The chain of a signer; none if no record of theirs is here.
    pub fn chain(&self, signer: &PublicKey) -> Option<&RecordChain> {
        self.chains.get(signer)
    }

    /// All chains by signer.
    pub fn chains(&self) -> impl Iterator<Item = (&PublicKey, &RecordChain)> {
        self.chains.iter()
    }

    /// The cuts that were shown to belong to `narrowing` under the Merkle root `sealed`.
    pub fn tables(&self, narrowing: EntryId, sealed: [u8; 32]) -> impl Iterator<Item = &SpaceCut> {
        let tables = self.tables.get(&(narrowing, sealed));
        tables.into_iter().flat_map(BTreeMap::values)
    }
}
