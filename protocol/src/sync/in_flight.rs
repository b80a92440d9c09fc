//! What the node is fetching from whom, so that several sessions do not fetch it twice.
//!
//! Shared by all sessions of a node. Whoever pulls in a round holds parts of the space, all of them
//! where little is lacking or nobody else has it; whoever asks for an announced entry holds that
//! entry. Holding ends by release or by time, so a peer that takes a question and never answers
//! delays the others a little and no more.
//!
//! Spec: `specs/sync.md` §8 (several peers).

use super::parts::{PARTS, Parts};
use crate::id::{EntryId, SpaceId};
use std::collections::{BTreeMap, BTreeSet};

/// A number the node gives a session; no two live sessions share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNumber(pub u64);

/// How long a holder may go without bringing anything, in milliseconds.
pub const IDLE_MS: u64 = 10_000;
/// How long a holder may keep others waiting without bringing [`HELD_WORTH_BYTES`], in milliseconds.
pub const HELD_MAX_MS: u64 = 60_000;
/// What a holder of a space must bring in [`HELD_MAX_MS`] to go on holding it, in bytes.
pub const HELD_WORTH_BYTES: usize = 256 * 1024;
/// From so many entries on that a peer's set is larger than ours, what is lacking is shared among
/// the peers that have as much.
pub const SHARED_FROM: u64 = 1_024;
/// Most entries held at once, over all peers; past it sessions wait.
pub const HELD_ENTRIES_MAX: usize = 65_536;

#[derive(Debug, Clone, Copy)]
struct Held {
    by: PeerNumber,
    since_ms: u64,
    active_ms: u64,
    brought_bytes: usize,
}

impl Held {
    fn new(by: PeerNumber, now_ms: u64) -> Self {
        Self {
            by,
            since_ms: now_ms,
            active_ms: now_ms,
            brought_bytes: 0,
        }
    }

    fn expired(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.active_ms) >= IDLE_MS
            || now_ms.saturating_sub(self.since_ms) >= HELD_MAX_MS
    }
}

/// The shared set. See the [module documentation](self).
#[derive(Debug, Default)]
pub struct InFlight {
    spaces: BTreeMap<SpaceId, BTreeMap<PeerNumber, (Parts, Held)>>,
    /// Peers that may have much of a space that we lack.
    sources: BTreeMap<SpaceId, BTreeSet<PeerNumber>>,
    /// Peers that had a share of a space in a round that is over, the parts of which they brought
    /// nothing, and since when these are left to others.
    done: BTreeMap<(SpaceId, PeerNumber), (Parts, u64)>,
    entries: BTreeMap<(SpaceId, EntryId), Held>,
}

impl InFlight {
    /// Nothing in flight.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many spaces and entries are held.
    pub fn len(&self) -> usize {
        let spaces: usize = self.spaces.values().map(BTreeMap::len).sum();
        spaces + self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes whether a peer may have much of a space that we lack.
    pub(crate) fn note_source(&mut self, space: SpaceId, peer: PeerNumber, has_much: bool) {
        if has_much {
            self.sources.entry(space).or_default().insert(peer);
        } else if let Some(sources) = self.sources.get_mut(&space) {
            sources.remove(&peer);
            if sources.is_empty() {
                self.sources.remove(&space);
            }
        }
        if !has_much {
            self.done.remove(&(space, peer));
        }
    }

    /// Takes the pull of these parts of a space for a peer, in place of what it held, unless others
    /// hold them: all that are free, but if they are to be shared no more than an equal share.
    pub(crate) fn take_space(
        &mut self,
        space: SpaceId,
        by: PeerNumber,
        within: Parts,
        shared: bool,
        now_ms: u64,
    ) -> Parts {
        let holders = self.spaces.entry(space).or_default();
        holders.retain(|peer, (_, held)| *peer != by && !held.expired(now_ms));
        let taken = holders.values();
        let taken = taken.fold(Parts::NONE, |all, (parts, _)| all.or(*parts));
        let sources = self.sources.get(&space).map_or(1, BTreeSet::len).max(1);
        let done = self.done.get(&(space, by));
        let barren = match done {
            Some((parts, since_ms))
                if sources > 1 && now_ms.saturating_sub(*since_ms) < IDLE_MS =>
            {
                *parts
            }
            _ => Parts::NONE,
        };
        // Who has brought its share may have all that is free by now: others have theirs.
        let share = match shared && done.is_none() {
            true => PARTS.div_ceil(u32::try_from(sources).unwrap_or(PARTS)),
            false => PARTS,
        };
        let parts = within.without(taken).without(barren).first(share);
        if !parts.is_none() {
            holders.insert(by, (parts, Held::new(by, now_ms)));
        } else if holders.is_empty() {
            self.spaces.remove(&space);
        }
        parts
    }

    /// The parts of a space whose pull could be taken.
    pub(crate) fn free_parts(&self, space: &SpaceId, by: PeerNumber, now_ms: u64) -> Parts {
        let holders = self.spaces.get(space).into_iter().flatten();
        let others = holders.filter(|(peer, (_, held))| **peer != by && !held.expired(now_ms));
        others.fold(Parts::ALL, |free, (_, (parts, _))| free.without(*parts))
    }

    /// The holder has brought so many bytes.
    pub(crate) fn touch_space(
        &mut self,
        space: &SpaceId,
        by: PeerNumber,
        bytes: usize,
        now_ms: u64,
    ) {
        let holders = self.spaces.get_mut(space);
        if let Some((_, held)) = holders.and_then(|it| it.get_mut(&by)) {
            held.active_ms = now_ms;
            held.brought_bytes += bytes;
            if held.brought_bytes >= HELD_WORTH_BYTES {
                held.brought_bytes = 0;
                held.since_ms = now_ms;
            }
        }
    }

    /// Gives the pull of a space back, since nothing is to come any more.
    pub(crate) fn release_space(&mut self, space: &SpaceId, by: PeerNumber) {
        if let Some(holders) = self.spaces.get_mut(space) {
            holders.remove(&by);
            if holders.is_empty() {
                self.spaces.remove(space);
            }
        }
    }

    /// The same after a round of a peer that should have much, in which something came or nothing.
    pub(crate) fn end_share(
        &mut self,
        space: &SpaceId,
        by: PeerNumber,
        brought: bool,
        now_ms: u64,
    ) {
        let held = self.spaces.get(space).and_then(|it| it.get(&by));
        if let Some((parts, _)) = held {
            let barren = if brought { Parts::NONE } else { *parts };
            self.done.insert((*space, by), (barren, now_ms));
        }
        self.release_space(space, by);
    }

    /// Takes an entry for a peer, unless another holds it or too many are held.
    pub(crate) fn take_entry(
        &mut self,
        space: SpaceId,
        id: EntryId,
        by: PeerNumber,
        now_ms: u64,
    ) -> bool {
        if self.entries.len() >= HELD_ENTRIES_MAX {
            self.entries.retain(|_, held| !held.expired(now_ms));
        }
        self.entries.len() < HELD_ENTRIES_MAX && take(&mut self.entries, (space, id), by, now_ms)
    }

    /// An entry came, or is given up.
    pub(crate) fn release_entry(&mut self, space: &SpaceId, id: &EntryId) {
        self.entries.remove(&(*space, *id));
    }

    /// Gives back all that a peer holds; to be called when its session ends.
    pub fn release_peer(&mut self, by: PeerNumber) {
        self.spaces.retain(|_, holders| {
            holders.remove(&by);
            !holders.is_empty()
        });
        self.sources.retain(|_, sources| {
            sources.remove(&by);
            !sources.is_empty()
        });
        self.done.retain(|(_, peer), _| *peer != by);
        self.entries.retain(|_, held| held.by != by);
    }
}

fn take<K: Ord>(map: &mut BTreeMap<K, Held>, key: K, by: PeerNumber, now_ms: u64) -> bool {
    let fresh = Held::new(by, now_ms);
    let held = map.entry(key).or_insert(fresh);
    if held.by != by {
        if !held.expired(now_ms) {
            return false;
        }
        *held = fresh;
    }
    held.active_ms = now_ms;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId::from_bytes([1; 32]);
    const A: PeerNumber = PeerNumber(1);
    const B: PeerNumber = PeerNumber(2);

    fn take(held: &mut InFlight, by: PeerNumber, now_ms: u64) -> Parts {
        held.take_space(SPACE, by, Parts::ALL, true, now_ms)
    }

    #[test]
    fn parts_in_which_a_peer_brought_nothing_are_left_to_others_for_a_while() {
        let mut held = InFlight::new();
        held.note_source(SPACE, A, true);
        held.note_source(SPACE, B, true);
        let share = take(&mut held, A, 0);
        assert_eq!(share, Parts::ALL.first(8));
        held.end_share(&SPACE, A, false, 0);
        let rest = Parts::ALL.without(share);
        assert_eq!(take(&mut held, A, IDLE_MS - 1), rest);
        held.end_share(&SPACE, A, true, IDLE_MS - 1);
        assert_eq!(take(&mut held, B, IDLE_MS), share);
        assert_eq!(take(&mut held, A, IDLE_MS), rest);
        // The only one that has it is asked again at once.
        held.release_peer(B);
        held.end_share(&SPACE, A, false, IDLE_MS);
        assert_eq!(take(&mut held, A, IDLE_MS), Parts::ALL);
    }
}
