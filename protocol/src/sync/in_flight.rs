//! What the node is fetching from whom, so that several sessions do not fetch it twice.
//!
//! Shared by all sessions of a node. Whoever pulls in a round holds the space; whoever asks for an
//! announced entry holds that entry. Holding ends by release or by time, so a peer that takes a
//! question and never answers delays the others a little and no more.
//!
//! Spec: `specs/sync.md` §8 (several peers).

use crate::id::{EntryId, SpaceId};
use std::collections::BTreeMap;

/// A number the node gives a session; no two live sessions share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNumber(pub u64);

/// How long a holder may go without bringing anything, in milliseconds.
pub const IDLE_MS: u64 = 10_000;
/// How long a holder may keep others waiting without bringing [`HELD_WORTH_BYTES`], in milliseconds.
pub const HELD_MAX_MS: u64 = 60_000;
/// What a holder of a space must bring in [`HELD_MAX_MS`] to go on holding it, in bytes.
pub const HELD_WORTH_BYTES: usize = 256 * 1024;
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
    fn expired(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.active_ms) >= IDLE_MS
            || now_ms.saturating_sub(self.since_ms) >= HELD_MAX_MS
    }
}

/// The shared set. See the [module documentation](self).
#[derive(Debug, Default)]
pub struct InFlight {
    spaces: BTreeMap<SpaceId, Held>,
    entries: BTreeMap<(SpaceId, EntryId), Held>,
}

impl InFlight {
    /// Nothing in flight.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many spaces and entries are held.
    pub fn len(&self) -> usize {
        self.spaces.len() + self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the pull of a space for a peer, unless another holds it.
    pub(crate) fn take_space(&mut self, space: SpaceId, by: PeerNumber, now_ms: u64) -> bool {
        take(&mut self.spaces, space, by, now_ms)
    }

    /// Whether the pull of a space could be taken.
    pub(crate) fn space_is_free(&self, space: &SpaceId, by: PeerNumber, now_ms: u64) -> bool {
        self.spaces
            .get(space)
            .is_none_or(|held| held.by == by || held.expired(now_ms))
    }

    /// The holder has brought so many bytes.
    pub(crate) fn touch_space(
        &mut self,
        space: &SpaceId,
        by: PeerNumber,
        bytes: usize,
        now_ms: u64,
    ) {
        if let Some(held) = self.spaces.get_mut(space).filter(|held| held.by == by) {
            held.active_ms = now_ms;
            held.brought_bytes += bytes;
            if held.brought_bytes >= HELD_WORTH_BYTES {
                held.brought_bytes = 0;
                held.since_ms = now_ms;
            }
        }
    }

    /// Gives the pull of a space back.
    pub(crate) fn release_space(&mut self, space: &SpaceId, by: PeerNumber) {
        if self.spaces.get(space).is_some_and(|held| held.by == by) {
            self.spaces.remove(space);
        }
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
        self.spaces.retain(|_, held| held.by != by);
        self.entries.retain(|_, held| held.by != by);
    }
}

fn take<K: Ord>(map: &mut BTreeMap<K, Held>, key: K, by: PeerNumber, now_ms: u64) -> bool {
    let fresh = Held {
        by,
        since_ms: now_ms,
        active_ms: now_ms,
        brought_bytes: 0,
    };
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
