//! For issuers: which ids a cut has to name so that everything effective stays.
//!
//! Spec: `specs/cuts.md` §4 (cuts).

use crate::{
    certificate::{CUT_KEYS_MAX, CUT_SEGMENTS_MAX, DeviceCut, SpaceCut},
    contribution::ChainLink,
    id::{EntryId, SpaceId},
    key::PublicKey,
    limits::PAYLOAD_MAX_BYTES,
};
use std::collections::{BTreeMap, BTreeSet};

/// Largest encoding of the keys and ids of one part, in bytes: half of what a record holds.
pub const PART_MAX_BYTES: usize = PAYLOAD_MAX_BYTES / 2;
/// Encoding of an id.
const ID_BYTES_ENCODED: usize = 34;
/// Encoding of a key with the heads of its arrays.
const KEY_BYTES: usize = 34 + 8;

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

/// The cuts of one space that keep these effective entries in force; keys without any are left out.
///
/// One part unless it would be larger than [`PART_MAX_BYTES`], name more keys than a cut holds, or
/// more segments of one key; together they list every segment. One part may stand in the open list;
/// several go into the sealed table as one leaf each, whoever reads the space: all tables of a space
/// that fit the root count. No part: the space is not listed, which cuts it at zero.
pub fn cuts_for(space: SpaceId, effective: &BTreeMap<PublicKey, Vec<ChainEntry>>) -> Vec<SpaceCut> {
    let mut parts: Vec<SpaceCut> = Vec::new();
    let mut bytes = 0;
    for (key, entries) in effective {
        for last in segment_ends(entries).chunks(CUT_SEGMENTS_MAX) {
            let added = KEY_BYTES + last.len() * ID_BYTES_ENCODED;
            let fits = parts.last().is_some_and(|part| {
                bytes + added <= PART_MAX_BYTES
                    && part.devices.len() < CUT_KEYS_MAX
                    && part.devices.last().is_none_or(|device| device.key != *key)
            });
            if !fits {
                bytes = 0;
                let devices = Vec::new();
                parts.push(SpaceCut { space, devices });
            }
            bytes += added;
            if let Some(part) = parts.last_mut() {
                let last = last.to_vec();
                part.devices.push(DeviceCut { key: *key, last });
            }
        }
    }
    parts
}
