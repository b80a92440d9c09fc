//! What erasures do to what is stored.
//!
//! Spec: `specs/contribution.md` §7.

use super::{Ingest, round::Accepted};
use crate::{
    archive::{late_words_id, to_store},
    pending::Source,
    projection::ERASURES,
    store::{Erasure, IndexScan, NewEntry, StoreError, Words},
};
use comity_protocol::{entry::Entry, id::EntryId, pipeline::Known};

impl Ingest {
    /// What a durable erasure, or order of erasure, does here.
    pub(super) fn drop_words(&self, contribution: &EntryId) -> Result<(), StoreError> {
        let store = self.archive.store();
        let known = self.archive.contribution(*contribution);
        let late = store.erase_words(&late_words_id(contribution))?;
        let own = store.erase_words(contribution)?;
        let lacked = late == Erasure::Unknown && own == Erasure::NoWords;
        if let Some(it) = known.filter(|it| lacked && self.archive.kept().is_partial(&it.space)) {
            self.archive.kept().note_found(&it.space, contribution);
        }
        self.erasures.send_modify(|count| *count += 1);
        if let Some(known) = self.archive.contribution(*contribution) {
            self.library.forget(&known.document);
        }
        Ok(())
    }

    /// What the store is to keep. Words whose erasure is here are not written again, whoever still
    /// has them: a damaged contribution may be fetched from a peer that missed the erasure.
    pub(super) fn to_keep(&self, it: &Accepted) -> Result<NewEntry, StoreError> {
        let mut kept = to_store(&it.entry, it.space);
        let has_words = matches!(&*it.entry, Entry::Contribution(_)) && kept.words.is_some();
        if has_words && self.archive.erasure_of(&kept.id)?.is_some() {
            kept.words = None;
        }
        if let Entry::Contribution(contribution) = &*it.entry
            && kept.words.is_some()
            && it.source != Source::Local
            && !self.keeps_words_of(contribution)
        {
            kept.words = None;
        }
        Ok(kept)
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
            let scan = IndexScan::forward(ERASURES, 1024).after(cursor);
            let page = store.index().scan(&scan)?;
            for (key, _) in &page.items {
                let Some(id) = key.get(1..).and_then(|id| <[u8; 32]>::try_from(id).ok()) else {
                    continue;
                };
                let id = EntryId::from_bytes(id);
                for id in [id, late_words_id(&id)] {
                    if let Some(stored) = store.get(&id)?
                        && matches!(stored.words, Words::Present(_))
                    {
                        store.erase_words(&id)?;
                        finished += 1;
                    }
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(finished);
            }
        }
    }
}
