//! Narrowings: what takes standing away, who issued it, and which of several on one target count.
//!
//! Spec: `specs/cuts.md` §2 (narrowings), §3 (replacing).

use crate::{
    certificate::{Cuts, SpaceCut},
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// Who took standing away. It decides who can lift the cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Issuer {
    /// A party: receipts by nodes of other parties lift its cuts.
    Party(PartyId),
    /// A quorum of parties: no receipt lifts its cuts.
    Quorum,
    /// A person, about own devices or own membership: receipts by nodes of any party lift the cuts,
    /// so that nobody takes back by leaving what others rely on.
    Person(PublicKey),
}

/// An entry that takes standing away, and what it leaves in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowing {
    /// The record or certificate.
    pub id: EntryId,
    /// Who issued it.
    pub issuer: Issuer,
    /// Up to where things go on to count.
    pub cuts: Cuts,
    /// The narrowing of the same issuer on the same target whose cuts it takes the place of.
    pub replaces: Option<EntryId>,
}

impl Narrowing {
    /// Its open cut of a space, if it lists one.
    pub fn open_cut(&self, space: SpaceId) -> Option<&SpaceCut> {
        self.cuts.open.iter().find(|cut| cut.space == space)
    }
}

/// Of the narrowings on one target, those whose cuts count.
///
/// One is replaced if `replaces` leads to it, over narrowings of one issuer on this target, from one
/// that nobody replaces. So replacements that form a circle never make each other vanish. An id that
/// is not among `narrowings` counts: it covers nothing.
pub fn in_force(
    narrowings: &BTreeMap<EntryId, Narrowing>,
    on_target: &BTreeSet<EntryId>,
) -> BTreeSet<EntryId> {
    let replaced_by = |id: &EntryId| -> Option<EntryId> {
        let replacing = narrowings.get(id)?;
        let replaced = replacing.replaces.filter(|it| on_target.contains(it))?;
        (narrowings.get(&replaced)?.issuer == replacing.issuer).then_some(replaced)
    };
    let named: BTreeSet<EntryId> = on_target.iter().filter_map(replaced_by).collect();
    let mut replaced = BTreeSet::new();
    for first in on_target.difference(&named) {
        let mut at = *first;
        while let Some(next) = replaced_by(&at) {
            if !replaced.insert(next) {
                break;
            }
            at = next;
        }
    }
    on_target.difference(&replaced).copied().collect()
}

/// Every key that an open cut of these narrowings lists in some space. Keys that are cut at zero
/// everywhere, or listed in sealed tables only, are not among them.
pub fn openly_listed_keys(narrowings: &BTreeMap<EntryId, Narrowing>) -> BTreeSet<PublicKey> {
    let cuts = narrowings.values().flat_map(|it| &it.cuts.open);
    cuts.flat_map(|cut| cut.devices.iter().map(|device| device.key))
        .collect()
}
