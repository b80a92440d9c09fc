//! The one way in: whatever takes effect on this node, local or remote, comes through here.
//!
//! Verification runs on all cores before the writer's turn. Then one writer at a time links,
//! authorizes, makes durable (I12) and only then applies: sets, authority, caches, announcements.
//! Entries that wait are tried again as soon as what they wait for is in effect.

use crate::{
    archive::{Archive, to_store},
    ledger::{Applied, Ledger},
    library::Library,
    pending::{Pending, Source, Waits},
    store::StoreError,
};
use comity_protocol::{
    authority::{Authority, Unauthorized, coverage::NoCuts},
    certificate::governance_space,
    entry::{Entry, EntryError, Verified, VerifyError},
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    pipeline::{Authorized, Known, KnownContribution, KnownDocument, LinkError, Linked},
    record::RecordBody,
    sync::Key,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
    thread,
};
use thiserror::Error;
use tokio::sync::{broadcast, watch};
use tracing::{debug, warn};

/// Entries made durable at once.
const COMMIT_MAX: usize = 500;
/// From this many on, verification uses all cores.
const PARALLEL_FROM: usize = 128;
/// Announcements kept for slow listeners.
const ANNOUNCEMENTS: usize = 1_024;

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and in effect.
    Saved,
    /// It was in effect already.
    AlreadyPresent,
    /// Kept in memory until what it builds on arrives.
    Pending(Vec<EntryId>),
    /// Kept in memory until records that authorize it arrive.
    Unauthorized(Unauthorized),
    /// Not an entry, or broken for good.
    Refused(Refusal),
}

/// Why an entry is broken for good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It does not decode.
    #[error("it cannot be read: {0}")]
    Entry(#[from] EntryError),
    /// Its signatures do not hold.
    #[error("{0}")]
    Verify(#[from] VerifyError),
    /// It contradicts what it builds on.
    #[error("{0}")]
    Link(LinkError),
    /// It belongs to a community this node does not take part in.
    #[error("this node does not take part in the community")]
    UnknownCommunity,
    /// It names a space of another community.
    #[error("it belongs to a space of another community")]
    ForeignSpace,
}

/// Entries of one space that took effect, in order.
#[derive(Debug, Clone)]
pub struct Inserted {
    /// The community.
    pub community: CommunityId,
    /// The space.
    pub space: SpaceId,
    /// Key and record position of each.
    pub entries: Vec<(Key, u64)>,
    /// Who gave them.
    pub source: Source,
}

/// Sets, authority and the way in.
pub struct Ingest {
    archive: Archive,
    library: Arc<Library>,
    ledger: RwLock<Ledger>,
    writer: Mutex<Pending>,
    announcements: broadcast::Sender<Arc<Inserted>>,
    applied: watch::Sender<u64>,
}

impl Ingest {
    /// The way into an archive.
    pub fn new(archive: Archive, library: Arc<Library>, ledger: Ledger) -> Self {
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS);
        let newest = ledger.spaces().values().map(|it| it.trie.last_local());
        let applied = watch::Sender::new(newest.max().unwrap_or_default());
        Self {
            applied,
            archive,
            library,
            ledger: RwLock::new(ledger),
            writer: Mutex::default(),
            announcements,
        }
    }

    /// Sets and authority as they are now.
    pub fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What takes effect from now on.
    pub fn announcements(&self) -> broadcast::Receiver<Arc<Inserted>> {
        self.announcements.subscribe()
    }

    /// The newest position of the record whose entry, with all before it, is in effect.
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// How many entries wait for others, and for authority.
    pub fn pending(&self) -> (usize, usize) {
        self.writer().counts()
    }

    fn writer(&self) -> MutexGuard<'_, Pending> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to take part in a community.
    pub fn track(&self, community: CommunityId) {
        let _turn = self.writer();
        self.ledger
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .track(community);
    }

    /// Takes encoded entries in. Blocks: decode and verify on all cores, then the writer's turn.
    ///
    /// # Errors
    /// [`StoreError`] if nothing could be made durable; entries are then not in effect.
    pub fn take_in(
        &self,
        community: CommunityId,
        entries: &[Vec<u8>],
        source: &Source,
    ) -> Result<Vec<(Option<EntryId>, Outcome)>, StoreError> {
        let mut outcomes: Vec<(Option<EntryId>, Outcome)> = Vec::with_capacity(entries.len());
        let mut turn = Vec::new();
        for (index, verified) in verify_all(entries).into_iter().enumerate() {
            match verified {
                Ok(entry) => {
                    outcomes.push((Some(entry.id()), Outcome::AlreadyPresent));
                    turn.push(Candidate {
                        entry,
                        community,
                        source: source.clone(),
                        index: Some(index),
                    });
                }
                Err(refusal) => {
                    debug!(%refusal, ?source, "an entry was refused");
                    outcomes.push((None, Outcome::Refused(refusal)));
                }
            }
        }
        for (index, outcome) in self.write(turn)? {
            outcomes[index].1 = outcome;
        }
        Ok(outcomes)
    }

    /// The writer's turn. Candidates that wait for records of the same turn are judged again after
    /// these took effect: authority is evaluated once per commit, not once per candidate.
    fn write(&self, candidates: Vec<Candidate>) -> Result<Vec<(usize, Outcome)>, StoreError> {
        let mut pending = self.writer();
        let mut outcomes = Vec::new();
        // What waits for a later entry of the same call gets its final outcome in this call.
        let asked: HashMap<EntryId, usize> = candidates
            .iter()
            .filter_map(|it| Some((it.entry.id(), it.index?)))
            .collect();
        let mut queue: VecDeque<Candidate> = candidates.into();
        while !queue.is_empty() {
            let mut round = Round::new(self);
            let mut put_off = Vec::new();
            while let Some(candidate) = queue.pop_front() {
                let outcome = round.judge(&candidate)?;
                let waits = match &outcome {
                    Outcome::Pending(missing) => Some(Waits::For(missing.clone())),
                    Outcome::Unauthorized(_) => Some(Waits::ForAuthority),
                    _ => None,
                };
                if waits.is_some() && round.governed.contains(&candidate.community) {
                    put_off.push(candidate);
                    continue;
                }
                outcomes.extend(candidate.index.map(|index| (index, outcome)));
                if let Some(waits) = waits {
                    let Candidate {
                        entry,
                        community,
                        source,
                        ..
                    } = candidate;
                    pending.add(entry, community, source, waits);
                }
                if round.accepted.len() >= COMMIT_MAX {
                    break;
                }
            }
            let accepted = round.accepted;
            let released = self.commit(accepted, &mut pending)?;
            put_off
                .into_iter()
                .rev()
                .for_each(|it| queue.push_front(it));
            queue.extend(
                released
                    .into_iter()
                    .map(|(entry, community, source)| Candidate {
                        index: asked.get(&entry.id()).copied(),
                        entry,
                        community,
                        source,
                    }),
            );
        }
        Ok(outcomes)
    }

    /// Makes entries durable, then lets them take effect; gives back what waited for them.
    fn commit(
        &self,
        accepted: Vec<Accepted>,
        pending: &mut Pending,
    ) -> Result<Vec<(Verified<Entry>, CommunityId, Source)>, StoreError> {
        if accepted.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.archive.store();
        let stored = accepted
            .iter()
            .map(|it| to_store(&it.entry, it.space))
            .collect();
        let committed = store.commit(stored)?;
        let mut applied = Vec::with_capacity(accepted.len());
        let mut arrived = Vec::with_capacity(accepted.len());
        let mut communities: HashSet<CommunityId> = HashSet::new();
        let mut announcements: Vec<Inserted> = Vec::new();
        // What is durable must enter its set whatever else fails: it would count as present and
        // yet be missing from every comparison until the next start.
        let mut failed = None;
        for (it, committed) in accepted.into_iter().zip(committed) {
            let position = committed.position();
            let local = position.to_u64();
            let entry_key = it.entry.key();
            let key = Key::new(&it.space, &entry_key.author, entry_key.seq, entry_key.id);
            announce(&mut announcements, &it, key, local);
            arrived.push(entry_key.id);
            communities.insert(it.community);
            if let Err(error) = self.take_effect(&it.entry) {
                failed.get_or_insert(error);
            }
            applied.push(Applied {
                space: it.space,
                key,
                local,
                entry: it.entry,
            });
        }
        let changed = self
            .ledger
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(&applied);
        let newest = applied.iter().map(|it| it.local).max().unwrap_or_default();
        self.applied.send_if_modified(|known| {
            let newer = newest > *known;
            *known = newest.max(*known);
            newer
        });
        for inserted in announcements {
            // No listener is no error.
            let _ = self.announcements.send(Arc::new(inserted));
        }
        let mut released = pending.released_by(&arrived);
        if changed {
            for community in &communities {
                released.extend(pending.released_by_authority(community));
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(released),
        }
    }

    /// Effects on what is stored and cached.
    fn take_effect(&self, entry: &Entry) -> Result<(), StoreError> {
        match entry {
            Entry::Contribution(it) => {
                self.archive.remember(it);
                let document = it.header().document(it.id());
                self.library.changed(&document);
                if let comity_protocol::entry::Words::Erased(record) = it.words() {
                    debug!(id = %it.id(), erasure = %record.id(), "arrived erased");
                }
            }
            Entry::Record(record) => {
                if let RecordBody::Erasure(erasure) = record.body() {
                    self.archive.store().erase_words(&erasure.contribution)?;
                    if let Some(known) = self.archive.contribution(erasure.contribution) {
                        self.library.erased(&known.document);
                    }
                }
            }
            Entry::Certificate(_) => {}
        }
        Ok(())
    }

    /// Finishes erasures that a crash may have interrupted: the record of the erasure is durable
    /// first, the words are overwritten after.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn finish_erasures(&self) -> Result<usize, StoreError> {
        let store = self.archive.store();
        let mut cursor = None;
        let mut finished = 0;
        loop {
            let scan =
                crate::store::IndexScan::forward(crate::projection::ERASURES, 1024).after(cursor);
            let page = store.index().scan(&scan)?;
            for (key, _) in &page.items {
                let Some(id) = key.get(1..).and_then(|id| <[u8; 32]>::try_from(id).ok()) else {
                    continue;
                };
                let id = EntryId::from_bytes(id);
                if let Some(stored) = store.get(&id)?
                    && matches!(stored.words, crate::store::Words::Present(_))
                {
                    store.erase_words(&id)?;
                    finished += 1;
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(finished);
            }
        }
    }
}

struct Candidate {
    entry: Verified<Entry>,
    community: CommunityId,
    source: Source,
    /// Where its outcome is to be reported, if anyone waits for it.
    index: Option<usize>,
}

struct Accepted {
    entry: Verified<Entry>,
    space: SpaceId,
    community: CommunityId,
    source: Source,
}

fn announce(announcements: &mut Vec<Inserted>, it: &Accepted, key: Key, local: u64) {
    match announcements.last_mut() {
        Some(last) if last.space == it.space && last.source == it.source => {
            last.entries.push((key, local));
        }
        _ => announcements.push(Inserted {
            community: it.community,
            space: it.space,
            entries: vec![(key, local)],
            source: it.source.clone(),
        }),
    }
}

/// What one commit will hold, and what linking and authority see of it before it is durable.
struct Round<'a> {
    ingest: &'a Ingest,
    accepted: Vec<Accepted>,
    ids: HashSet<EntryId>,
    contributions: HashMap<EntryId, KnownContribution>,
    documents: HashMap<DocumentId, KnownDocument>,
    /// Communities with governance records in this round, which are not in effect yet.
    governed: HashSet<CommunityId>,
    authorities: HashMap<CommunityId, Arc<Authority>>,
}

impl<'a> Round<'a> {
    fn new(ingest: &'a Ingest) -> Self {
        Self {
            ingest,
            accepted: Vec::new(),
            ids: HashSet::new(),
            contributions: HashMap::new(),
            documents: HashMap::new(),
            governed: HashSet::new(),
            authorities: HashMap::new(),
        }
    }

    fn judge(&mut self, candidate: &Candidate) -> Result<Outcome, StoreError> {
        let (entry, community) = (&candidate.entry, candidate.community);
        let id = entry.id();
        if self.ids.contains(&id) || self.ingest.archive.contains(&id)? {
            return Ok(Outcome::AlreadyPresent);
        }
        let Some(authority) = self.authority(community) else {
            return Ok(Outcome::Refused(Refusal::UnknownCommunity));
        };
        if self.is_foreign(entry, community) {
            return Ok(Outcome::Refused(Refusal::ForeignSpace));
        }
        let linked = match Linked::link(entry.clone(), governance_space(community), self) {
            Ok(linked) => linked,
            Err(LinkError::Pending(missing)) => return Ok(Outcome::Pending(missing)),
            Err(broken) => return Ok(Outcome::Refused(Refusal::Link(broken))),
        };
        match linked.authorize(&authority, &NoCuts) {
            Ok(authorized) => {
                self.accept(authorized, community, candidate.source.clone());
                Ok(Outcome::Saved)
            }
            Err((_, reason)) => Ok(Outcome::Unauthorized(reason)),
        }
    }

    /// Whether the entry names a space that belongs to another community here.
    fn is_foreign(&self, entry: &Entry, community: CommunityId) -> bool {
        entry.space().is_some_and(|space| {
            let ledger = self.ingest.ledger();
            ledger
                .spaces()
                .get(&space)
                .is_some_and(|known| known.community != community)
        })
    }

    fn authority(&mut self, community: CommunityId) -> Option<Arc<Authority>> {
        if let Some(authority) = self.authorities.get(&community) {
            return Some(authority.clone());
        }
        let authority = self.ingest.ledger().authority(&community)?;
        self.authorities.insert(community, authority.clone());
        Some(authority)
    }

    fn accept(&mut self, authorized: Authorized, community: CommunityId, source: Source) {
        let space = authorized.space();
        let entry = authorized.into_entry();
        self.ids.insert(entry.id());
        match &*entry {
            Entry::Contribution(it) => {
                let (known, document) = crate::archive::facts_of(it);
                self.contributions.insert(it.id(), known);
                if let Some(document) = document {
                    self.documents.insert(known.document, document);
                }
            }
            _ if space == governance_space(community) => {
                self.governed.insert(community);
            }
            _ => {}
        }
        // Words that arrive erased come with the proof, which is an entry of its own.
        let erasure = entry
            .erasure()
            .filter(|erasure| !self.is_here(&erasure.id()));
        self.accepted.push(Accepted {
            entry,
            space,
            community,
            source: source.clone(),
        });
        if let Some(entry) = erasure {
            self.ids.insert(entry.id());
            self.accepted.push(Accepted {
                entry,
                space,
                community,
                source,
            });
        }
    }

    /// An unreadable index counts as "not here": committing twice is no error.
    fn is_here(&self, id: &EntryId) -> bool {
        self.ids.contains(id) || self.ingest.archive.contains(id).unwrap_or(false)
    }
}

impl Known for Round<'_> {
    fn contribution(&self, id: EntryId) -> Option<KnownContribution> {
        self.contributions
            .get(&id)
            .copied()
            .or_else(|| self.ingest.archive.contribution(id))
    }

    fn document(&self, id: DocumentId) -> Option<KnownDocument> {
        self.documents
            .get(&id)
            .cloned()
            .or_else(|| self.ingest.archive.document(id))
    }
}

fn verify_all(entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>> {
    if entries.len() < PARALLEL_FROM {
        return verify_some(entries);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(cores);
    thread::scope(|scope| {
        let workers: Vec<_> = entries
            .chunks(share)
            .map(|chunk| (chunk.len(), scope.spawn(move || verify_some(chunk))))
            .collect();
        let mut verdicts = Vec::with_capacity(entries.len());
        for (_, worker) in workers {
            match worker.join() {
                Ok(part) => verdicts.extend(part),
                Err(panic) => {
                    warn!("verification panicked");
                    std::panic::resume_unwind(panic);
                }
            }
        }
        verdicts
    })
}

/// Signatures checked in one equation: larger batches save little more.
const BATCH: usize = 64;

fn verify_some(entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>> {
    let mut rng = crate::random::rng();
    let mut verdicts = Vec::with_capacity(entries.len());
    for chunk in entries.chunks(BATCH) {
        let decoded: Vec<_> = chunk.iter().map(|bytes| Entry::decode(bytes)).collect();
        let whole: Vec<Entry> = decoded.iter().filter_map(|it| it.clone().ok()).collect();
        let mut verified = Verified::check_batch(whole, &mut rng).into_iter();
        verdicts.extend(decoded.into_iter().map(|decoded| match decoded {
            Err(error) => Err(Refusal::from(error)),
            // One verdict for each entry that decoded, in order.
            Ok(_) => match verified.next() {
                Some(verdict) => verdict.map_err(Refusal::from),
                None => Err(Refusal::Verify(comity_protocol::key::BadSignature.into())),
            },
        }));
    }
    verdicts
}
