//! Entries that wait: for what they build on, or for authority. In memory and bounded per source,
//! so nobody can fill a node with them; what is dropped comes again by sync.

use comity_protocol::{
    entry::{Entry, Verified},
    id::{CommunityId, EntryId},
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Most entries that wait per source.
pub const PENDING_PER_SOURCE_MAX: usize = 4_096;
/// Most bytes that wait per source.
pub const PENDING_PER_SOURCE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most sources whose entries wait.
const SOURCES_MAX: usize = 256;

/// Who gave an entry: the local API, or a peer by its id in text form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The local API.
    Local,
    /// A peer.
    Peer(String),
}

/// Why an entry waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// For entries that have not arrived.
    For(Vec<EntryId>),
    /// For governance that authorizes it.
    ForAuthority,
}

struct Waiting {
    entry: Verified<Entry>,
    community: CommunityId,
    source: Source,
    bytes: usize,
    waits: Waits,
}

#[derive(Default)]
struct Quota {
    order: VecDeque<EntryId>,
    bytes: usize,
}

/// The waiting room.
#[derive(Default)]
pub struct Pending {
    waiting: HashMap<EntryId, Waiting>,
    by_missing: BTreeMap<EntryId, BTreeSet<EntryId>>,
    quotas: BTreeMap<Source, Quota>,
}

impl Pending {
    /// How many entries wait for what they build on, and how many for authority.
    pub fn counts(&self) -> (usize, usize) {
        let authority = self
            .waiting
            .values()
            .filter(|it| it.waits == Waits::ForAuthority)
            .count();
        (self.waiting.len() - authority, authority)
    }

    /// Lets an entry wait. The oldest of the same source give way when there is no room.
    pub fn add(
        &mut self,
        entry: Verified<Entry>,
        community: CommunityId,
        source: Source,
        waits: Waits,
    ) {
        let id = entry.id();
        self.remove(&id);
        if !self.quotas.contains_key(&source) && self.quotas.len() >= SOURCES_MAX {
            return;
        }
        let bytes = entry.encode().len();
        if let Waits::For(missing) = &waits {
            for dependency in missing {
                self.by_missing.entry(*dependency).or_default().insert(id);
            }
        }
        let quota = self.quotas.entry(source.clone()).or_default();
        quota.order.push_back(id);
        quota.bytes += bytes;
        self.waiting.insert(
            id,
            Waiting {
                entry,
                community,
                source: source.clone(),
                bytes,
                waits,
            },
        );
        self.make_room(&source);
    }

    fn make_room(&mut self, source: &Source) {
        while let Some(quota) = self.quotas.get(source)
            && (quota.order.len() > PENDING_PER_SOURCE_MAX
                || quota.bytes > PENDING_PER_SOURCE_MAX_BYTES)
            && let Some(oldest) = quota.order.front().copied()
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &EntryId) -> Option<Waiting> {
        let waiting = self.waiting.remove(id)?;
        if let Waits::For(missing) = &waiting.waits {
            for dependency in missing {
                if let Some(waiters) = self.by_missing.get_mut(dependency) {
                    waiters.remove(id);
                    if waiters.is_empty() {
                        self.by_missing.remove(dependency);
                    }
                }
            }
        }
        if let Some(quota) = self.quotas.get_mut(&waiting.source) {
            quota.bytes -= waiting.bytes;
            if let Some(at) = quota.order.iter().position(|other| other == id) {
                quota.order.remove(at);
            }
            if quota.order.is_empty() {
                self.quotas.remove(&waiting.source);
            }
        }
        Some(waiting)
    }

    /// Takes out what waited for one of these entries.
    pub fn released_by(
        &mut self,
        arrived: &[EntryId],
    ) -> Vec<(Verified<Entry>, CommunityId, Source)> {
        let waiters: BTreeSet<EntryId> = arrived
            .iter()
            .filter_map(|id| self.by_missing.get(id))
            .flatten()
            .copied()
            .collect();
        self.take(waiters)
    }

    /// Takes out what waited for authority in a community.
    pub fn released_by_authority(
        &mut self,
        community: &CommunityId,
    ) -> Vec<(Verified<Entry>, CommunityId, Source)> {
        let waiters = self
            .waiting
            .iter()
            .filter(|(_, it)| it.community == *community && it.waits == Waits::ForAuthority)
            .map(|(id, _)| *id)
            .collect();
        self.take(waiters)
    }

    fn take(&mut self, ids: BTreeSet<EntryId>) -> Vec<(Verified<Entry>, CommunityId, Source)> {
        ids.iter()
            .filter_map(|id| self.remove(id))
            .map(|it| (it.entry, it.community, it.source))
            .collect()
    }
}
