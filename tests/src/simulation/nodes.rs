//! One node: a replica, what its sessions share, and what was promised to people.

use super::{
    fault::Fault,
    malice::Malice,
    shared::{Read, Shared},
};
use crate::histories::replica::Replica;
use comity_node::{
    ingest::Inserted,
    peers::LedgerReplica,
    projection::EntryProjection,
    store::{MemoryStore, NewEntry, Position, Store, Words},
};
use comity_protocol::{
    access::VerifiedGrant,
    authority::Authority,
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
    sync::{Context, InFlight, Key, Session, session::Input},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::broadcast;

/// Governance entries by id.
pub(super) type Entries = BTreeMap<EntryId, Arc<Read>>;

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
    /// Authority as it was last looked at, and what really follows from the set.
    pub(super) checked_authority: Option<(Arc<Authority>, Arc<Authority>)>,
    /// What people let it read for them.
    pub(super) grants: Vec<VerifiedGrant>,
    /// What it stores that decides about authority, as far as it was read for the checks.
    pub(super) governance: Entries,
    store: Arc<MemoryStore>,
    shared: Arc<Shared>,
    running: Option<Running>,
}

struct Running {
    replica: Replica,
    news: broadcast::Receiver<Arc<Inserted>>,
    authority: Arc<Authority>,
}

impl Running {
    fn over(store: &Arc<MemoryStore>, community: CommunityId, shared: &Arc<Shared>) -> Self {
        let replica = Replica::reckoned(store.clone(), community, shared.clone());
        Self {
            news: replica.ingest.announcements(),
            authority: replica.authority(),
            replica,
        }
    }
}

impl Node {
    pub(super) fn new(
        key: PublicKey,
        community: CommunityId,
        malice: Option<Malice>,
        shared: &Arc<Shared>,
    ) -> Self {
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
            grants: Vec::new(),
            governance: Entries::new(),
            running: Some(Running::over(&store, community, shared)),
            store,
            shared: shared.clone(),
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

    /// Whether the node may read a space, by itself or for somebody, as it knows.
    pub(super) fn reads(&self, space: &SpaceId, now_ms: u64) -> bool {
        self.is_up() && self.reads_by(&self.authority(), space, now_ms)
    }

    /// The same, as that authority knows.
    pub(super) fn reads_by(&self, authority: &Authority, space: &SpaceId, now_ms: u64) -> bool {
        let grants = self.grants.iter().map(VerifiedGrant::grant);
        let holding = grants.filter(|it| now_ms < it.expires_ms);
        let mut readers = holding.map(|it| &it.device).chain([&self.key]);
        readers.any(|it| authority.may_read(Some(it), *space))
    }

    /// Everything that is not durable is gone.
    pub(super) fn lose(&mut self, fault: Option<Fault>) {
        self.running = None;
        self.in_flight = InFlight::new();
        if fault == Some(Fault::RecordCut) {
            self.store = half_of(&self.store);
        }
    }

    pub(super) fn start(&mut self, community: CommunityId) {
        if self.running.is_none() {
            self.running = Some(Running::over(&self.store, community, &self.shared));
            self.checked_authority = None;
            self.governance.clear();
        }
    }

    /// Reads what came into the governance space, and declarations, since the last time.
    pub(super) fn read_governance(&mut self) {
        let Some(running) = &self.running else { return };
        let ledger = running.replica.ingest.ledger();
        let space = ledger.spaces().get(&running.authority.governance_space());
        let ids = space.into_iter().flat_map(|it| it.trie.keys());
        let declared = ledger.spaces().values().filter_map(|it| it.declaration);
        let ids = ids.map(|(key, _)| key.id).chain(declared.map(|it| it.id));
        let new = ids.filter(|id| !self.governance.contains_key(id));
        let new = self.shared.stored(&running.replica.archive, new);
        drop(ledger);
        self.governance.extend(new);
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
            replica: &LedgerReplica(&ledger),
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

/// The first half of what is stored, as a store.
fn half_of(store: &MemoryStore) -> Arc<MemoryStore> {
    let half = Arc::new(MemoryStore::new(Arc::new(EntryProjection)));
    let page = store.iterate(Position::START, usize::MAX).unwrap();
    let count = page.entries.len() / 2;
    let entries = page.entries.into_iter().take(count).map(|it| NewEntry {
        kind: it.kind,
        id: it.id,
        header: it.header,
        signature: it.signature,
        shape: it.shape,
        words: match it.words {
            Words::Present(words) => Some(words),
            _ => None,
        },
    });
    half.commit(entries.collect()).unwrap();
    half
}
