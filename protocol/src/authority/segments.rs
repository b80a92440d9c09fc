//! For issuers: which ids a cut has to name so that everything effective stays.
//!
//! Spec: `specs/cuts.md` §4 (cuts).

use crate::{
    certificate::{DeviceCut, SpaceCut},
    contribution::ChainLink,
    id::{EntryId, SpaceId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// An effective entry of one key in one space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEntry {
    /// Its id.
    pub id: EntryId,
    /// Its place in the chain.
    pub link: ChainLink,
}

/// The last id of every unbroken segment of these entries of one key, strictly ascending: those that
/// no other of them continues. A fork within a segment gives the end of each branch.
pub fn segment_ends(entries: &[ChainEntry]) -> Vec<EntryId> {
    let continued: BTreeSet<(EntryId, u64)> = entries
        .iter()
        .filter_map(|it| Some((it.link.prev?, it.link.seq.checked_sub(1)?)))
        .collect();
    let ends: BTreeSet<EntryId> = entries
        .iter()
        .filter(|it| !continued.contains(&(it.id, it.link.seq)))
        .map(|it| it.id)
        .collect();
    ends.into_iter().collect()
}

/// The cut of one space that keeps these effective entries in force; keys without any are left out.
/// None if nothing is left, which says the same as a space that is not listed: cut at zero.
pub fn cut_for(
    space: SpaceId,
    effective: &BTreeMap<PublicKey, Vec<ChainEntry>>,
) -> Option<SpaceCut> {
    let devices: Vec<DeviceCut> = effective
        .iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(key, entries)| DeviceCut {
            key: *key,
            last: segment_ends(entries),
        })
        .collect();
    (!devices.is_empty()).then_some(SpaceCut { space, devices })
}

/// The cuts of several spaces, ascending by space, for the open list or the leaves of a sealed table.
pub fn cuts_for(
    effective: &BTreeMap<SpaceId, BTreeMap<PublicKey, Vec<ChainEntry>>>,
) -> Vec<SpaceCut> {
    effective
        .iter()
        .filter_map(|(space, keys)| cut_for(*space, keys))
        .collect()
}
