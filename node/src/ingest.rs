//! The one way in: whatever takes effect on this node, local or remote, comes through here.
//!
//! Verification runs on all cores before the writer's turn. Then one writer at a time links,
//! authorizes, makes durable (I12) and only then applies: sets, authority, caches, announcements.
//! Entries that wait are tried again as soon as what they wait for is in effect.

mod announcements;
mod assembly;
mod erasure;
mod reckon;
mod round;
mod sources;
mod tally;
mod verify;
mod words;

use crate::{
    archive::{Archive, to_store},
    bare::{self, StoredHeader},
    effect::{self, Move},
    ledger::{Applied, Entered, Ledger},
    library::Library,
    metrics::IngestMetrics,
    pending::{Pending, Released, Source, Waits},
    store::{NewEntry, StoreError},
};
use announcements::Announcements;
use comity_protocol::{
    certificate::CertificateBody,
    entry::{Entry, EntryError, Verified, VerifyError, Words},
    id::{CommunityId, EntryId, SpaceId},
    pipeline::{AuthorizeError, LinkError},
    record::RecordBody,
    sync::Key,
};
pub use reckon::{Computed, Reckon};
use round::{Change, Round, Verdict};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tally::Clock;
use thiserror::Error;
use tokio::sync::{broadcast, watch};
use tracing::{debug, info, warn};

/// Entries made durable at once.
const COMMIT_MAX: usize = 500;
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
    Unauthorized(AuthorizeError),
    /// Kept until what it builds on is authorized, which it cannot adopt.
    Blocked(EntryId),
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

/// Entries of one space that took effect, in order; none if some only left its set.
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

/// What only the single writer touches.
#[derive(Default)]
struct Writer {
    pending: Pending,
    /// What entered the sets and was not judged yet.
    unjudged: Entered,
    /// Whose bare headers are still to be looked at.
    due: bare::Due,
}

impl Writer {
    /// Lets a candidate wait. Gives back what may adopt it, now that it is here.
    fn wait(&mut self, candidate: Candidate, waits: Waits) -> Vec<Released> {
        let id = candidate.entry.id();
        let is_whole = !matches!(waits, Waits::For(_));
        let (community, source) = (candidate.community, candidate.source);
        self.pending.add(candidate.entry, community, source, waits);
        match is_whole {
            true => self.pending.released_by(&[id]),
            false => Vec::new(),
        }
    }
}

/// Sets, authority and the way in.
pub struct Ingest {
    archive: Archive,
    library: Arc<Library>,
    reckon: Arc<dyn Reckon>,
    ledger: RwLock<Ledger>,
    writer: Mutex<Writer>,
    announcements: broadcast::Sender<Arc<Inserted>>,
    applied: watch::Sender<u64>,
    erasures: watch::Sender<u64>,
    metrics: IngestMetrics,
}

impl Ingest {
    /// The way into an archive.
    pub fn new(archive: Archive, library: Arc<Library>, ledger: Ledger) -> Self {
        Self::reckoned(archive, library, ledger, Arc::new(Computed))
    }

    /// The same, where something else answers what costs most.
    pub fn reckoned(
        archive: Archive,
        library: Arc<Library>,
        ledger: Ledger,
        reckon: Arc<dyn Reckon>,
    ) -> Self {
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS);
        let newest = ledger.spaces().values().map(|it| it.trie.last_local());
        let applied = watch::Sender::new(newest.max().unwrap_or_default());
        let due = bare::Due::everything(&ledger);
        let ingest = Self {
            applied,
            erasures: watch::Sender::new(0),
            archive,
            library,
            reckon,
            ledger: RwLock::new(ledger),
            writer: Mutex::default(),
            announcements,
            metrics: IngestMetrics::default(),
        };
        ingest.writer().due = due;
        // What a crash left undone. If nothing can be written now, the next commit does it.
        let shifted = ingest.shift_headers(&mut ingest.writer(), &mut Announcements::default());
        if let Err(error) = shifted {
            warn!(%error, "headers below cuts could not be saved yet");
        }
        ingest
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

    /// How many erasures took effect since this node opened: what was read before the newest may hold
    /// words that are erased by now.
    pub fn erasures(&self) -> watch::Receiver<u64> {
        self.erasures.subscribe()
    }

    /// What it counts.
    pub fn metrics(&self) -> &IngestMetrics {
        &self.metrics
    }

    /// How many entries wait for others, and for authority.
    pub fn pending(&self) -> (usize, usize) {
        self.writer().pending.counts()
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to take part in a community.
    pub fn track(&self, community: CommunityId) {
        let _turn = self.writer();
        self.change_ledger().track(community);
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
        let mut clock = Clock::start(&self.metrics.stages);
        for (index, verified) in self.reckon.verify(entries).into_iter().enumerate() {
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
        clock.verified();
        for (index, outcome) in self.write(turn, &mut clock)? {
            // Another variant of a certificate that waited is present now; this one was saved.
            let again = outcome == Outcome::AlreadyPresent && outcomes[index].1 == Outcome::Saved;
            if !again {
                outcomes[index].1 = outcome;
            }
        }
        tally::count(&self.metrics, &outcomes);
        Ok(outcomes)
    }

    /// The writer's turn. Candidates that wait for records of the same turn are judged again after
    /// these took effect: authority is evaluated once per commit, not once per candidate.
    fn write(
        &self,
        candidates: Vec<Candidate>,
        clock: &mut Clock<'_>,
    ) -> Result<Vec<(usize, Outcome)>, StoreError> {
        let mut writer = self.writer();
        let mut outcomes = Vec::new();
        // What waits for a later entry of the same call gets its final outcome in this call.
        let asked: HashMap<EntryId, usize> = candidates
            .iter()
            .filter_map(|it| Some((it.entry.id(), it.index?)))
            .collect();
        let mut queue: VecDeque<Candidate> = candidates.into();
        let mut unproven = Vec::new();
        let again = |released: Vec<Released>| {
            let candidates = released
                .into_iter()
                .map(|(entry, community, source)| Candidate {
                    index: asked.get(&entry.id()).copied(),
                    entry,
                    community,
                    source,
                });
            candidates.collect::<Vec<_>>()
        };
        while !queue.is_empty() {
            let mut round = Round::new(self);
            let mut put_off = Vec::new();
            while let Some(candidate) = queue.pop_front() {
                let index = candidate.index;
                let verdict = round.judge(&candidate, &writer.pending)?;
                queue.extend(round.loose.drain(..));
                let outcome = match verdict {
                    Verdict::Settled(outcome) => outcome,
                    Verdict::Unproven(outcome) => {
                        unproven.push(candidate);
                        outcome
                    }
                    Verdict::Accept { adopting } => {
                        for id in adopting {
                            let adopted = writer.pending.take_one(&id);
                            if let Some((entry, community, source)) = adopted {
                                round.accept(entry, community, source);
                            }
                        }
                        let (entry, source) = writer.with_words(candidate.entry, candidate.source);
                        round.accept(entry, candidate.community, source);
                        Outcome::Saved
                    }
                    Verdict::Wait(..) if round.governed.contains(&candidate.community) => {
                        put_off.push(candidate);
                        continue;
                    }
                    Verdict::Wait(outcome, waits) => {
                        queue.extend(again(writer.wait(candidate, waits)));
                        outcome
                    }
                };
                outcomes.extend(index.map(|index| (index, outcome)));
                if round.accepted.len() >= COMMIT_MAX {
                    break;
                }
            }
            if !round.governed.is_empty() {
                queue.extend(unproven.drain(..));
            }
            let change = round.into_change();
            let completing = change.completing();
            let committed = self.commit(change, &mut writer, clock);
            self.metrics.pending.set(writer.pending.len());
            let released = committed?;
            put_off
                .into_iter()
                .rev()
                .for_each(|it| queue.push_front(it));
            queue.extend(again(released));
            for community in completing {
                queue.extend(self.carried(community));
            }
        }
        Ok(outcomes)
    }

    /// Certificates that what was committed completes.
    fn carried(&self, community: CommunityId) -> Vec<Candidate> {
        let carried = assembly::carried(&self.ledger(), &self.archive, &community);
        let verified = carried.into_iter().filter_map(|entry| {
            let id = entry.id();
            let verified = Verified::check(entry);
            verified
                .inspect_err(|error| warn!(%id, %error, "a certificate could not be assembled"))
                .ok()
        });
        let candidate = |entry: Verified<Entry>| {
            info!(id = %entry.id(), "approvals suffice: a certificate was assembled");
            Candidate {
                entry,
                community,
                source: Source::Local,
                index: None,
            }
        };
        verified.map(candidate).collect()
    }

    /// Makes entries durable, then lets them take effect; gives back what waited for them.
    fn commit(
        &self,
        change: Change,
        writer: &mut Writer,
        clock: &mut Clock<'_>,
    ) -> Result<Vec<Released>, StoreError> {
        if change.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.archive.store();
        let accepted = change.accepted.iter();
        let kept = accepted
            .map(|it| self.to_keep(it))
            .collect::<Result<Vec<NewEntry>, _>>()?;
        let wordless = self.expect_lacks(&change.accepted, &kept)?;
        let committed = store.commit(kept)?;
        self.note_lacks(wordless);
        clock.durable();
        let mut applied = Vec::with_capacity(change.accepted.len());
        let mut announcements = Announcements::default();
        // What is durable must enter its set whatever else fails: it would count as present and
        // yet be missing from every comparison until the next start.
        let mut failed = None;
        for (it, committed) in change.accepted.into_iter().zip(committed) {
            let local = committed.position().to_u64();
            let key = it.entry.key().in_set_of(&it.space);
            writer.due.extend_by(&it.entry, it.space, &self.archive);
            if let Entry::Bare(header) = &*it.entry {
                let (of, header) = StoredHeader::of(header, local);
                self.archive.bare_mut().add(of, header);
            } else {
                announcements.add((it.community, it.space), (key, local), &it.source);
            }
            if let Err(error) = self.take_effect(&it.entry) {
                failed.get_or_insert(error);
            }
            applied.push(Applied {
                community: it.community,
                space: it.space,
                key,
                local,
                entry: it.entry,
            });
        }
        let mut entered = self.change_ledger().enter(&self.archive, &applied);
        entered.covered.extend(change.connected);
        entered.add_documents(change.regrouped);
        for (space, of) in change.headed {
            writer.due.add_entry(space, of);
        }
        writer.unjudged.merge(entered);
        let mut released = Vec::new();
        if let Err(error) = self.rejudge(writer, &mut announcements, &mut released) {
            failed.get_or_insert(error);
        } else if let Err(error) = self.shift_headers(writer, &mut announcements) {
            failed.get_or_insert(error);
        }
        let newest = applied.iter().map(|it| it.local).max().unwrap_or_default();
        self.applied.send_if_modified(|known| {
            let newer = newest > *known;
            *known = newest.max(*known);
            newer
        });
        let mut arrived: Vec<EntryId> = applied.iter().map(|it| it.key.id).collect();
        for inserted in announcements.0 {
            arrived.extend(inserted.entries.iter().map(|(key, _)| key.id));
            // No listener is no error.
            let _ = self.announcements.send(Arc::new(inserted));
        }
        clock.visible();
        released.extend(writer.pending.released_by(&arrived));
        match failed {
            Some(error) => Err(error),
            None => Ok(released),
        }
    }

    /// Lets authority, cuts and documents follow what entered the sets. What could not be judged
    /// because the store failed is judged with the next commit.
    fn rejudge(
        &self,
        writer: &mut Writer,
        announcements: &mut Announcements,
        released: &mut Vec<Released>,
    ) -> Result<(), StoreError> {
        while !writer.unjudged.is_empty() {
            let judgement = effect::judge(
                &self.ledger(),
                &self.archive,
                &writer.pending,
                &writer.unjudged,
                &*self.reckon,
            )?;
            let restored = judgement.restored(&self.archive);
            writer.unjudged = self.change_ledger().install(&self.archive, &judgement);
            for document in judgement.moved() {
                self.library.forget(&document);
            }
            for it in restored {
                announcements.add((it.community, it.space), (it.key, it.local), &Source::Local);
            }
            for (community, space) in judgement.left() {
                announcements.mention(community, space);
            }
            for community in &judgement.changed {
                released.extend(writer.pending.released_by_authority(community));
            }
            let moved = judgement.moves.iter().filter_map(Move::shifted);
            moved.for_each(|(space, of)| writer.due.add_entry(space, of));
            for (space, keys) in judgement.waiting.iter().chain(&judgement.covered_anew) {
                released.extend(writer.pending.released_by_coverage(space, keys));
            }
            for (space, keys) in judgement.covered_anew {
                writer.due.add_keys(space, keys);
            }
        }
        Ok(())
    }

    /// Lets bare headers enter and leave the sets, those that are new here once they are durable.
    /// What could not be saved is looked at again with the next commit.
    fn shift_headers(
        &self,
        writer: &mut Writer,
        announcements: &mut Announcements,
    ) -> Result<(), StoreError> {
        if writer.due.is_empty() {
            return Ok(());
        }
        let shift = bare::shift(&self.ledger(), &self.archive, &writer.pending, &writer.due)?;
        let mut enter = shift.enter;
        for missing in shift.missing.chunks(COMMIT_MAX) {
            let stored = missing.iter().map(|it| to_store(&it.entry, it.space));
            let committed = self.archive.store().commit(stored.collect())?;
            for (it, committed) in missing.iter().zip(committed) {
                let Entry::Bare(header) = &*it.entry else {
                    continue;
                };
                let (of, stored) = StoredHeader::of(header, committed.position().to_u64());
                self.archive.bare_mut().add(of, stored);
                enter.push((it.space, stored.key, stored.local));
            }
        }
        self.change_ledger().shift_headers(&enter, &shift.leave);
        let ledger = self.ledger();
        let community = |space: &SpaceId| Some(ledger.spaces().get(space)?.community);
        for (space, key, local) in enter {
            if let Some(community) = community(&space) {
                announcements.add((community, space), (key, local), &Source::Local);
            }
        }
        for (space, _) in shift.leave {
            if let Some(community) = community(&space) {
                announcements.mention(community, space);
            }
        }
        writer.due = bare::Due::default();
        Ok(())
    }

    fn change_ledger(&self) -> RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Effects on what is stored and cached.
    fn take_effect(&self, entry: &Entry) -> Result<(), StoreError> {
        match entry {
            Entry::Contribution(it) => {
                self.archive.remember(it);
                let document = it.header().document(it.id());
                self.library.changed(&document);
                if let Words::Erased(proof) = it.words() {
                    debug!(id = %it.id(), erasure = %proof.id(), "arrived erased");
                }
            }
            Entry::Record(record) => {
                if let RecordBody::Erasure(erasure) = record.body() {
                    self.drop_words(&erasure.contribution)?;
                }
            }
            Entry::Certificate(certificate) => {
                if let CertificateBody::ErasureOrder(order) = certificate.body() {
                    self.drop_words(&order.contribution)?;
                }
            }
            Entry::Bare(_) => {}
        }
        Ok(())
    }
}

struct Candidate {
    entry: Verified<Entry>,
    community: CommunityId,
    source: Source,
    /// Where its outcome is to be reported, if anyone waits for it.
    index: Option<usize>,
}
