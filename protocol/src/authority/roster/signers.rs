//! Whose records count: those of delegates and nodes of a party, now or up to where they count; and
//! what stands in the way of those beyond.
//!
//! Spec: `specs/roster.md` §3.

use super::{Bar, RosterError, Statement};
use crate::{
    authority::{
        Unauthorized,
        charter::Charter,
        coverage::Coverage,
        parties::{Capacity, Parties, PartyChain, Tenure},
    },
    entry::Record,
    id::{EntryId, PartyId},
    key::PublicKey,
    record::Invitation,
};
use std::collections::BTreeMap;

/// How many delegates of a party an admission takes, and since which state.
struct Threshold {
    now: u64,
    /// States that raised it, latest first, with the least it was before: in the state before, and
    /// on branches that lost to this one.
    raised: Vec<(EntryId, u64)>,
}

impl Threshold {
    fn of(chain: &PartyChain) -> Self {
        let (_, current) = chain.current();
        let mut raised = Vec::new();
        for step in chain.path().windows(2).rev() {
            let Some(state) = chain.state(&step[1]) else {
                continue;
            };
            let lost = chain.lost_to(&step[1]).map(|(_, state)| state);
            let before = chain.state(&step[0]).into_iter().chain(lost);
            let least = before.map(|it| it.admission_needed).min();
            raised.extend(
                least
                    .filter(|least| *least < state.admission_needed)
                    .map(|least| (step[1], least)),
            );
        }
        Self {
            now: current.admission_needed,
            raised,
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

    /// 3.3: the party is or was in the charter.
    fn chain(&self, party: &PartyId) -> Result<&'a PartyChain, RosterError> {
        let ever = self.thresholds.contains_key(party);
        let chain = self.parties.chain(party).filter(|_| ever);
        chain.ok_or(RosterError::NeverAParty(*party))
    }

    /// What stands in the way of a record as one by a key in this capacity: nothing if it has it
    /// now, or if what took it covers the record. None: it never had it.
    fn counts_as(
        &self,
        record: &Record,
        party: &PartyId,
        capacity: Capacity,
    ) -> Result<Option<Option<EntryId>>, RosterError> {
        let (signer, id) = (record.header().author, record.id());
        let taken = match (self.chain(party)?.tenure(&signer, capacity), capacity) {
            (Tenure::Never, _) => return Ok(None),
            (Tenure::Now, _) => return Ok(Some(None)),
            // What a node signed as a node is for its party alone to say: no receipt lifts it.
            (Tenure::Until(by), Capacity::Node) => {
                (by, self.coverage.covers_unlifted(&by, &signer, &id))
            }
            (Tenure::Until(by), _) => (by, self.coverage.covers(&by, &signer, &id)),
        };
        let (by, covers) = taken;
        Ok(Some((!covers).then_some(by)))
    }

    /// 3.1, 3.4: what a record says as one of several delegates: of `admission_needed` as it is now,
    /// or as it was before it was raised, if what raised it covers the record; else that bars it.
    pub(super) fn statement(
        &self,
        record: &Record,
        party: &PartyId,
    ) -> Result<Statement, RosterError> {
        let taken = self.counts_as(record, party, Capacity::Delegate)?;
        let taken = taken.ok_or(RosterError::NotADelegate(*party))?;
        let bar = |narrowing, reason| Bar { narrowing, reason };
        let removed = Unauthorized::AdmitterRemoved(*party);
        let threshold = self.thresholds.get(party);
        let threshold = threshold.ok_or(RosterError::NeverAParty(*party))?;
        let (signer, id) = (record.header().author, record.id());
        let mut it = Statement {
            by: signer,
            bars: taken.into_iter().map(|by| bar(by, removed)).collect(),
            among: threshold.now,
            fewer: Vec::new(),
        };
        for (by, before) in &threshold.raised {
            let least = it.fewer.last().map_or(it.among, |(_, among)| *among);
            if least <= 1 {
                break;
            }
            let least = least.min(*before);
            let covers = self.coverage.covers(by, &signer, &id);
            match (covers, it.fewer.last_mut()) {
                (true, None) => it.among = least,
                (true, Some((_, among))) => *among = least,
                (false, _) => {
                    let raised = Unauthorized::AdmissionRaised(*party);
                    it.fewer.push((bar(*by, raised), least));
                }
            }
        }
        // Steps at the end by which it counts as one of no fewer.
        while let Some((_, among)) = it.fewer.last() {
            let place = it.fewer.len() - 1;
            let before = match place.checked_sub(1) {
                Some(place) => it.fewer[place].1,
                None => it.among,
            };
            if *among < before {
                break;
            }
            it.fewer.pop();
        }
        Ok(it)
    }

    /// 3.8: as one of how many delegates a record counts that takes something. It counts if its
    /// signer is a delegate, or what took that covers the record.
    pub(super) fn freely_among(
        &self,
        record: &Record,
        party: &PartyId,
    ) -> Result<u64, RosterError> {
        let said = self.statement(record, party)?;
        match said.bars.first() {
            None => Ok(said.among),
            Some(bar) => Err(RosterError::TakesNothing(bar.narrowing)),
        }
    }

    /// 3.2: in which ways a record is one by a node or delegate of the party, a countersigner: each
    /// with what stands in its way.
    pub(super) fn countersigns(
        &self,
        record: &Record,
        party: &PartyId,
    ) -> Result<Vec<Vec<Bar>>, RosterError> {
        let (signer, id) = (record.header().author, record.id());
        let bar = |narrowing, reason| Bar { narrowing, reason };
        let delegate = self.counts_as(record, party, Capacity::Delegate)?;
        let delegate = delegate.map(|taken| {
            let reason = Unauthorized::AdmitterRemoved(*party);
            taken.map(|by| bar(by, reason)).into_iter().collect()
        });
        let node = self.counts_as(record, party, Capacity::Node)?;
        let node = node.map(|taken| {
            let dropped = taken.map(|by| bar(by, Unauthorized::CountersignerRemoved(*party)));
            let cuts = self.charter.node_cuts().get(&signer);
            let cuts = cuts.into_iter().flatten();
            let cuts = cuts.filter(|by| !self.coverage.covers_unlifted(by, &signer, &id));
            let cuts = cuts.map(|by| bar(*by, Unauthorized::CountersignerCut(*by)));
            dropped.into_iter().chain(cuts).collect()
        });
        let ways: Vec<Vec<Bar>> = delegate.into_iter().chain(node).collect();
        match ways.is_empty() {
            true => Err(RosterError::NotACountersigner(signer)),
            false => Ok(ways),
        }
    }

    /// 4.1: the countersigner that an invitation names is or was a node or delegate of the party.
    pub(super) fn names_a_countersigner(&self, it: &Invitation) -> Result<(), RosterError> {
        let chain = self.chain(&it.party)?;
        let ever = |capacity| chain.tenure(&it.countersigner, capacity) != Tenure::Never;
        match ever(Capacity::Node) || ever(Capacity::Delegate) {
            true => Ok(()),
            false => Err(RosterError::NotACountersigner(it.countersigner)),
        }
    }
}

/// 3.5: enough different delegates said the same: for some number at least that many whose record
/// counts as one of so many or fewer.
pub(super) fn agreed(said: impl Iterator<Item = (PublicKey, u64)>) -> Result<(), RosterError> {
    let mut least: BTreeMap<PublicKey, u64> = BTreeMap::new();
    for (by, among) in said {
        if among <= 1 {
            return Ok(());
        }
        let known = least.entry(by).or_insert(among);
        *known = among.min(*known);
    }
    let mut needed: Vec<u64> = least.into_values().collect();
    needed.sort_unstable();
    let said = needed.len() as u64;
    match needed
        .iter()
        .zip(1..)
        .any(|(among, delegates): (&u64, u64)| *among <= delegates)
    {
        true => Ok(()),
        false => Err(RosterError::TooFew {
            needed: needed.first().copied().unwrap_or(1),
            said,
        }),
    }
}
