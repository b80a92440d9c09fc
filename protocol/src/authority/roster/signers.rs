//! Whose records count: those of delegates and nodes of a party, now or up to where they count.
//!
//! Spec: `specs/roster.md` §3.

use crate::{
    authority::{
        charter::Charter,
        coverage::Coverage,
        parties::{Capacity, Parties, PartyChain, Tenure},
    },
    entry::Record,
    id::{EntryId, PartyId},
    key::PublicKey,
};
use std::collections::BTreeMap;

/// How many delegates of a party an admission takes, and since which state.
struct Threshold {
    now: u64,
    /// States that raised it, latest first, with what it was before.
    raised: Vec<(EntryId, u64)>,
}

impl Threshold {
    fn of(chain: &PartyChain) -> Self {
        let (_, current) = chain.current();
        let states: Vec<_> = chain
            .path()
            .iter()
            .filter_map(|id| Some((*id, chain.state(id)?.admission_needed)))
            .collect();
        let raises = states.windows(2).rev();
        Self {
            now: current.admission_needed,
            raised: raises
                .filter(|pair| pair[1].1 > pair[0].1)
                .map(|pair| (pair[1].0, pair[0].1))
                .collect(),
        }
    }
}

/// Answers whether a record counts as one of a delegate or a node of a party.
pub(super) struct Signers<'a> {
    parties: &'a Parties,
    charter: &'a Charter,
    coverage: &'a dyn Coverage,
    thresholds: BTreeMap<PartyId, Threshold>,
}

impl<'a> Signers<'a> {
    /// The signers of the parties that are or were in the charter.
    pub(super) fn new(
        parties: &'a Parties,
        charter: &'a Charter,
        coverage: &'a dyn Coverage,
        of: impl Iterator<Item = PartyId>,
    ) -> Self {
        let thresholds = of
            .filter_map(|party| Some((party, Threshold::of(parties.chain(&party)?))))
            .collect();
        Self {
            parties,
            charter,
            coverage,
            thresholds,
        }
    }

    /// The chain of a party that is or was in the charter.
    fn chain(&self, party: &PartyId) -> Option<&'a PartyChain> {
        self.thresholds.contains_key(party).then_some(())?;
        self.parties.chain(party)
    }

    /// Whether a record counts as one by a key in this capacity: it has it now, or had it and what
    /// took it covers the record.
    fn counts_as(&self, record: &Record, party: &PartyId, capacity: Capacity) -> bool {
        let (signer, id) = (record.header().author, record.id());
        let Some(chain) = self.chain(party) else {
            return false;
        };
        match (chain.tenure(&signer, capacity), capacity) {
            (Tenure::Never, _) => false,
            (Tenure::Now, _) => true,
            // What a node signed as a node is for its party alone to say: no receipt lifts it.
            (Tenure::Until(by), Capacity::Node) => self.coverage.covers_unlifted(&by, &signer, &id),
            (Tenure::Until(by), _) => self.coverage.covers(&by, &signer, &id),
        }
    }

    /// As one of how many delegates a record counts: of `admission_needed` as it is now, or as it was
    /// before it was raised, if what raised it covers the record. None: it does not count.
    pub(super) fn delegate_among(&self, record: &Record, party: &PartyId) -> Option<u64> {
        if !self.counts_as(record, party, Capacity::Delegate) {
            return None;
        }
        let threshold = self.thresholds.get(party)?;
        let signer = record.header().author;
        let before = threshold
            .raised
            .iter()
            .take_while(|(by, _)| self.coverage.covers(by, &signer, &record.id()));
        Some(before.fold(threshold.now, |least, (_, before)| least.min(*before)))
    }

    /// Whether a record counts as one by a node or delegate of the party: a countersigner.
    pub(super) fn countersigns(&self, record: &Record, party: &PartyId) -> bool {
        let (signer, id) = (record.header().author, record.id());
        let cuts = self.charter.node_cuts().get(&signer);
        let within_node_cuts = cuts
            .into_iter()
            .flatten()
            .all(|by| self.coverage.covers_unlifted(by, &signer, &id));
        self.counts_as(record, party, Capacity::Delegate)
            || (within_node_cuts && self.counts_as(record, party, Capacity::Node))
    }

    /// Whether a key is or was a node or delegate of the party.
    pub(super) fn ever_countersigner(&self, key: &PublicKey, party: &PartyId) -> bool {
        self.chain(party).is_some_and(|chain| {
            [Capacity::Node, Capacity::Delegate]
                .iter()
                .any(|capacity| chain.tenure(key, *capacity) != Tenure::Never)
        })
    }
}

/// Whether enough different delegates said the same: for some number at least that many whose
/// record counts as one of so many or fewer.
pub(super) fn agreed(said: impl Iterator<Item = (PublicKey, u64)>) -> bool {
    let mut least: BTreeMap<PublicKey, u64> = BTreeMap::new();
    for (by, among) in said {
        if among <= 1 {
            return true;
        }
        let known = least.entry(by).or_insert(among);
        *known = among.min(*known);
    }
    let mut needed: Vec<u64> = least.into_values().collect();
    needed.sort_unstable();
    needed
        .iter()
        .zip(1..)
        .any(|(among, delegates): (&u64, u64)| *among <= delegates)
}
