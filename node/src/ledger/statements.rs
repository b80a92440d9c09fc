//! What is said in a space beside contributions: receipts, acknowledgements and tables of cuts, which
//! decide up to where narrowed keys count, and erasures, which stand or fall with what they erase.

use super::Applied;
use comity_protocol::{
    authority::{Authority, coverage::SpaceCoverage, receipts::SpaceRecords},
    certificate::CertificateBody,
    entry::Entry,
    id::EntryId,
    key::PublicKey,
    record::RecordBody,
    sync::Key,
};
use std::collections::{BTreeMap, BTreeSet};

/// All of one space.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    records: SpaceRecords,
    erasures: BTreeMap<EntryId, BTreeMap<Key, u64>>,
    acknowledged: BTreeMap<PublicKey, BTreeSet<EntryId>>,
}

impl Statements {
    /// What decides about cuts.
    pub(crate) fn records(&self) -> &SpaceRecords {
        &self.records
    }

    /// Keys and positions of the erasures of a contribution's words.
    pub(crate) fn erasures_of(&self, contribution: &EntryId) -> Vec<(Key, u64)> {
        let erasures = self.erasures.get(contribution).into_iter().flatten();
        erasures.map(|(key, local)| (*key, *local)).collect()
    }

    /// Whether a node has acknowledged a narrowing here.
    pub(crate) fn has_acknowledged(&self, node: &PublicKey, narrowing: &EntryId) -> bool {
        self.acknowledged
            .get(node)
            .is_some_and(|known| known.contains(narrowing))
    }

    /// Takes an entry of the space in; true if cuts have to be read anew.
    pub(super) fn enter(
        &mut self,
        it: &Applied,
        coverage: Option<&SpaceCoverage>,
        authority: &Authority,
    ) -> bool {
        let affects = match coverage {
            Some(coverage) => coverage.affects(&it.entry, &self.records, authority),
            None => !authority.narrowings().is_empty(),
        };
        self.add(&it.entry, it.key, it.local);
        affects
    }

    pub(super) fn add(&mut self, entry: &Entry, key: Key, local: u64) {
        match entry {
            Entry::Contribution(_) | Entry::Bare(_) => {}
            Entry::Record(record) => {
                self.records.add(record);
                let signer = record.header().author;
                match record.body() {
                    RecordBody::Erasure(it) => self.erased(it.contribution, key, local),
                    RecordBody::Acknowledge(it) => {
                        let known = self.acknowledged.entry(signer).or_default();
                        known.extend(&it.narrowings);
                    }
                    _ => {}
                }
            }
            Entry::Certificate(it) => {
                if let CertificateBody::ErasureOrder(order) = it.body() {
                    self.erased(order.contribution, key, local);
                }
            }
        }
    }

    fn erased(&mut self, contribution: EntryId, key: Key, local: u64) {
        let erasures = self.erasures.entry(contribution).or_default();
        erasures.insert(key, local);
    }
}
