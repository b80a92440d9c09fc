//! What one node of a simulation found out and the others need not find out again.
//!
//! Fifty nodes check the same signatures and evaluate the same sets. Both are pure functions, so an
//! answer to the same question is taken from memory. That they are pure is what is to be shown,
//! though: some questions are answered anew and compared, authority in the order in which the node
//! at hand learned of things.

use comity_node::{
    archive::Archive,
    ingest::{Computed, Reckon, Refusal},
    store::StoredEntry,
};
use comity_protocol::{
    authority::Authority,
    entry::{Entry, Verified},
    id::{CommunityId, EntryId},
    key::PublicKey,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Of so many answers from memory about signatures one is computed as well.
const SIGNATURES_SAMPLE: u64 = 64;
/// Of so many answers from memory about authority one is computed as well.
const AUTHORITY_SAMPLE: u64 = 10;

/// A set: the ids in it in order. Signers are part of it where they are not part of the id.
type Set = Vec<(EntryId, Vec<PublicKey>)>;

/// See the [module documentation](self).
#[derive(Default)]
pub(super) struct Shared(Mutex<Known>);

#[derive(Default)]
struct Known {
    verified: HashMap<Vec<u8>, Verified<Entry>>,
    authorities: HashMap<Set, Arc<Authority>>,
    decoded: HashMap<EntryId, Vec<(StoredEntry, Arc<Entry>)>>,
    remembered: u64,
    reckoned: u64,
    differs: Option<String>,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    ) -> BTreeMap<EntryId, Arc<Entry>> {
        let mut known = self.known();
        ids.filter_map(|id| {
            let stored = archive.store().get(&id).ok()??;
            let decoded = known.decoded.entry(id).or_default();
            let before = decoded.iter().find(|(it, _)| same_parts(it, &stored));
            let entry = match before {
                Some((_, entry)) => entry.clone(),
                None => {
                    let entry = Arc::new(archive.get(&id).ok()??);
                    decoded.push((stored, entry.clone()));
                    entry
                }
            };
            Some((id, entry))
        })
        .collect()
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
        let set = set_of(entries);
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

fn set_of(entries: &[Verified<Entry>]) -> Set {
    let mut set: Set = entries
        .iter()
        .map(|entry| match &**entry {
            Entry::Certificate(it) => (it.id(), it.signers().collect()),
            other => (other.id(), Vec::new()),
        })
        .collect();
    set.sort_unstable();
    set.dedup();
    set
}
