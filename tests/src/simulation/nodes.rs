//! One node: a replica, what its sessions share, and what was promised to people.

use super::malice::Malice;
use crate::histories::replica::Replica;
use comity_node::{
    ingest::Inserted, ledger::Ledger, projection::EntryProjection, store::MemoryStore,
};
use comity_protocol::{
    authority::Authority,
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
    sync::{Context, InFlight, Key, Replica as Sets, Session, Trie, session::Input},
};
use std::sync::Arc;
use tokio::sync::broadcast;

pub(super) struct Node {
    pub(super) key: PublicKey,
    pub(super) malice: Option<Malice>,
    /// What people were told is saved.
    pub(super) acknowledged: Vec<EntryId>,
    /// What people still want saved.
    pub(super) unsaved: Vec<Vec<u8>>,
    /// What took effect since the last check.
    pub(super) fresh: Vec<(SpaceId, Key)>,
    pub(super) in_flight: InFlight,
    pub(super) checked: usize,
    pub(super) checked_authority: Option<Arc<Authority>>,
    store: Arc<MemoryStore>,
    running: Option<Running>,
}

struct Running {
    replica: Replica,
    news: broadcast::Receiver<Arc<Inserted>>,
    authority: Arc<Authority>,
}

impl Running {
    fn over(store: &Arc<MemoryStore>, community: CommunityId) -> Self {
        let replica = Replica::over(store.clone(), community);
        Self {
            news: replica.ingest.announcements(),
            authority: replica.authority(),
            replica,
        }
    }
}

/// The sets of a ledger, as a session looks at them.
struct Shown<'a>(&'a Ledger);

impl Sets for Shown<'_> {
    fn trie(&self, space: &SpaceId) -> Option<&Trie> {
        self.0.spaces().get(space).map(|it| &it.trie)
    }

    fn key_of(&self, space: &SpaceId, entry: &[u8]) -> Option<Key> {
        let (named, key) = Entry::peek(entry)?;
        (named.is_none() || named == Some(*space)).then(|| key.in_set_of(space))
    }

    fn declaration(&self, space: &SpaceId) -> Option<(CommunityId, Key)> {
        let known = self.0.spaces().get(space)?;
        Some((known.community, known.declaration?))
    }

    fn declares(&self, _: &CommunityId, _: &SpaceId, _: &[u8]) -> bool {
        // Nobody declares spaces in a simulation: see `Shape::declares`.
        false
    }

    fn takes_part(&self, community: &CommunityId) -> bool {
        self.0.communities().contains_key(community)
    }
}

impl Node {
    pub(super) fn new(key: PublicKey, community: CommunityId, malice: Option<Malice>) -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(EntryProjection)));
        Self {
            key,
            malice,
            acknowledged: Vec::new(),
            unsaved: Vec::new(),
            fresh: Vec::new(),
            in_flight: InFlight::new(),
            checked: 0,
            checked_authority: None,
            running: Some(Running::over(&store, community)),
            store,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// The replica of a node that is up.
    pub(super) fn replica(&self) -> &Replica {
        &self.running.as_ref().unwrap().replica
    }

    pub(super) fn authority(&self) -> Arc<Authority> {
        self.replica().authority()
    }

    /// Whether the node itself may read a space, as it knows.
    pub(super) fn reads(&self, space: &SpaceId) -> bool {
        self.is_up() && self.authority().may_read(Some(&self.key), *space)
    }

    /// Everything that is not durable is gone.
    pub(super) fn lose(&mut self) {
        self.running = None;
        self.in_flight = InFlight::new();
    }

    pub(super) fn start(&mut self, community: CommunityId) {
        if self.running.is_none() {
            self.running = Some(Running::over(&self.store, community));
            self.checked_authority = None;
        }
    }

    /// Something that was acknowledged and is not stored.
    pub(super) fn lost_acknowledged(&self) -> Option<EntryId> {
        let replica = self.replica();
        let is_stored = |id: &&EntryId| replica.archive.contains(id).unwrap_or(false);
        self.acknowledged.iter().find(|id| !is_stored(id)).copied()
    }

    pub(super) fn handle(&mut self, session: &mut Session, input: Input, now_ms: u64) {
        let Some(running) = &self.running else { return };
        let ledger = running.replica.ingest.ledger();
        let mut context = Context {
            replica: &Shown(&ledger),
            in_flight: &mut self.in_flight,
            now_ms,
        };
        session.handle(input, &mut context);
    }

    pub(super) fn load(&self, ids: &[EntryId], max_bytes: usize) -> Vec<Option<Vec<u8>>> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for id in ids {
            let entry = self.replica().archive.get(id).ok().flatten();
            let entry = entry.map(|it| it.encode());
            let len = entry.as_ref().map_or(0, Vec::len);
            if !entries.is_empty() && bytes + len > max_bytes {
                break;
            }
            bytes += len;
            entries.push(entry);
        }
        entries
    }

    /// What took effect since the last call: keys by space, none where a set only lost some.
    pub(super) fn news(&mut self) -> Vec<(SpaceId, Option<Key>)> {
        let mut all = Vec::new();
        let Some(running) = &mut self.running else {
            return all;
        };
        while let Ok(inserted) = running.news.try_recv() {
            all.push((inserted.space, None));
            let keys = inserted.entries.iter().map(|(key, _)| *key);
            self.fresh
                .extend(keys.clone().map(|key| (inserted.space, key)));
            all.extend(keys.map(|key| (inserted.space, Some(key))));
        }
        all
    }

    /// Whether authority is another than at the last call.
    pub(super) fn authority_changed(&mut self) -> bool {
        let Some(running) = &mut self.running else {
            return false;
        };
        let now = running.replica.authority();
        let changed = !Arc::ptr_eq(&now, &running.authority);
        running.authority = now;
        changed
    }

    /// One line for whoever steps through.
    pub(super) fn summary(&self) -> String {
        if !self.is_up() {
            return "down".to_owned();
        }
        let sets = self.replica().sets();
        let entries: u64 = sets.values().map(|(_, count)| count).sum();
        let (missing, waiting) = self.replica().ingest.pending();
        format!(
            "{entries} entries in {} sets, {missing} wait for others, {waiting} for authority, {} held, charter height {}",
            sets.len(),
            self.replica().archive.held().len(),
            self.authority()
                .charter()
                .map_or(0, |it| it.current().height),
        )
    }
}
