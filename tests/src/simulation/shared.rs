//! What one node of a simulation found out and the others need not find out again.
//!
//! Fifty nodes check the same signatures and evaluate the same sets. Both are pure functions, so an
//! answer to the same question is taken from memory. That they are pure is what is to be shown,
//! though: some questions are answered anew and compared, authority in the order in which the node
//! at hand learned of things.

use super::fault::Fault;
use comity_node::{
    archive::Archive,
    ingest::{Computed, Reckon, Refusal},
    store::StoredEntry,
};
use comity_protocol::{
    authority::Authority,
    certificate::check_approval,
    entry::{Entry, Verified},
    id::{CommunityId, EntryId},
    key::PublicKey,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Of so many answers from memory about signatures one is computed as well.
const SIGNATURES_SAMPLE: u64 = 64;
/// Of so many answers from memory about authority one is computed as well.
const AUTHORITY_SAMPLE: u64 = 10;

/// A set: the ids in it in order. Signers are part of it where they are not part of the id.
type Set = Vec<(EntryId, Vec<PublicKey>)>;

/// A stored entry, and who really signed it.
pub(super) struct Read {
    pub(super) entry: Entry,
    /// Signers of a certificate whose signature holds; the author of a record if its signatures do.
    pub(super) signed_by: BTreeSet<PublicKey>,
}

/// See the [module documentation](self).
#[derive(Default)]
pub(super) struct Shared {
    known: Mutex<Known>,
    fault: Option<Fault>,
}

#[derive(Default)]
pub(super) struct Known {
    verified: HashMap<Vec<u8>, Verified<Entry>>,
    authorities: HashMap<Set, Arc<Authority>>,
    read: HashMap<EntryId, Vec<(StoredEntry, Arc<Read>)>>,
    /// Delegates by party state, for faults.
    pub(super) delegates: BTreeMap<EntryId, Vec<PublicKey>>,
    remembered: u64,
    reckoned: u64,
    differs: Option<String>,
}

impl Shared {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        let known = Mutex::default();
        Self { known, fault }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was answered in two ways, if anything was.
    pub(super) fn differs(&self) -> Option<String> {
        self.known().differs.take()
    }

    /// These entries as a node stores them. What it stores is read, and decoded unless the very same
    /// bytes were before.
    pub(super) fn stored(
        &self,
        archive: &Archive,
        ids: impl Iterator<Item = EntryId>,
    ) -> BTreeMap<EntryId, Arc<Read>> {
        let mut known = self.known();
        ids.filter_map(|id| {
            let stored = archive.store().get(&id).ok()??;
            let variants = known.read.entry(id).or_default();
            let before = variants.iter().find(|(it, _)| same_parts(it, &stored));
            let read = match before {
                Some((_, read)) => read.clone(),
                None => {
                    let entry = archive.get(&id).ok()??;
                    let signed_by = signed_by(&entry);
                    let read = Arc::new(Read { entry, signed_by });
                    variants.push((stored, read.clone()));
                    read
                }
            };
            Some((id, read))
        })
        .collect()
    }

    /// The authority that follows from a set, whatever rule the nodes break.
    pub(super) fn truth<'a>(
        &self,
        community: CommunityId,
        entries: impl Iterator<Item = &'a Entry> + Clone,
    ) -> Arc<Authority> {
        let set = set_of(entries.clone());
        if let Some(before) = self.known().authorities.get(&set) {
            return before.clone();
        }
        let entries = entries.cloned().map(Verified::from_own_record);
        let entries: Vec<_> = entries.collect();
        let computed = Computed.evaluate(community, &entries);
        self.known().authorities.insert(set, computed.clone());
        computed
    }

    fn evaluate_set(&self, community: CommunityId, entries: &[Verified<Entry>]) -> Arc<Authority> {
        let set = set_of(entries.iter().map(|it| &**it));
        let mut known = self.known();
        let before = known.authorities.get(&set).cloned();
        if let Some(before) = &before {
            known.reckoned += 1;
            if !known.reckoned.is_multiple_of(AUTHORITY_SAMPLE) {
                return before.clone();
            }
        }
        let computed = Computed.evaluate(community, entries);
        match before {
            Some(before) if before != computed => {
                let count = entries.len();
                let what = format!("{count} entries in two orders give two authorities");
                known.differs = Some(what);
                computed
            }
            Some(before) => before,
            None => {
                known.authorities.insert(set, computed.clone());
                computed
            }
        }
    }
}

fn same_parts(a: &StoredEntry, b: &StoredEntry) -> bool {
    (a.kind, &a.header, a.signature, &a.shape, &a.words)
        == (b.kind, &b.header, b.signature, &b.shape, &b.words)
}

impl Reckon for Shared {
    fn verify(&self, entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>> {
        let mut known = self.known();
        let mut verdicts = Vec::with_capacity(entries.len());
        let mut asked = Vec::new();
        for (number, bytes) in entries.iter().enumerate() {
            let believed = self.fault.and_then(|it| it.believe(bytes, &mut known));
            if believed.is_some() {
                verdicts.push(believed);
                continue;
            }
            let before = known.verified.get(bytes).cloned();
            known.remembered += u64::from(before.is_some());
            if before.is_none() || known.remembered.is_multiple_of(SIGNATURES_SAMPLE) {
                asked.push(number);
            }
            verdicts.push(before.map(Ok));
        }
        let bytes: Vec<Vec<u8>> = asked.iter().map(|it| entries[*it].clone()).collect();
        for (number, verdict) in asked.into_iter().zip(Computed.verify(&bytes)) {
            if let Some(before) = &verdicts[number]
                && *before != verdict
            {
                known.differs = Some(format!("verified before, and now: {verdict:?}"));
            }
            if let Ok(entry) = &verdict {
                let bytes = entries[number].clone();
                known.verified.insert(bytes, entry.clone());
            }
            verdicts[number] = Some(verdict);
        }
        verdicts.into_iter().flatten().collect()
    }

    fn evaluate(&self, community: CommunityId, entries: &[Verified<Entry>]) -> Arc<Authority> {
        match self.fault {
            None => self.evaluate_set(community, entries),
            Some(fault) => Computed.evaluate(community, &fault.bend(entries)),
        }
    }
}

fn set_of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Set {
    let mut set: Set = entries
        .map(|entry| match entry {
            Entry::Certificate(it) => (it.id(), it.signers().collect()),
            other => (other.id(), Vec::new()),
        })
        .collect();
    set.sort_unstable();
    set.dedup();
    set
}

fn signed_by(entry: &Entry) -> BTreeSet<PublicKey> {
    match entry {
        Entry::Certificate(it) => it
            .signatures()
            .filter(|(key, signature)| check_approval(key, it.body_bytes(), signature).is_ok())
            .map(|(key, _)| key)
            .collect(),
        other => match Verified::check(other.clone()) {
            Ok(_) => BTreeSet::from([other.key().author]),
            Err(_) => BTreeSet::new(),
        },
    }
}
