//! Contributions whose words are not kept here, and words that come after them.
//!
//! Spec: `specs/partial.md`.

use super::{Ingest, Writer, round::Accepted};
use crate::{
    archive::{ArchiveError, facts_of, late_words},
    home::HomeError,
    pending::Source,
    random,
    store::{NewEntry, StoreError},
};
use comity_protocol::{
    entry::{Contribution, Entry, Verified, Words},
    id::{EntryId, SpaceId},
    key::PublicKey,
    pipeline::Known,
};
use std::io;

/// A contribution that is made durable without its words.
pub(super) struct Lack {
    space: SpaceId,
    id: EntryId,
    author: PublicKey,
}

impl Writer {
    /// The entry with the words with which it waits already, if it came without.
    pub(super) fn with_words(
        &mut self,
        entry: Verified<Entry>,
        source: Source,
    ) -> (Verified<Entry>, Source) {
        match &*entry {
            Entry::Contribution(it) if it.lacks_words() => {
                let waiting = self.pending.take_one(&it.id());
                waiting.map_or((entry, source), |(entry, _, source)| (entry, source))
            }
            _ => (entry, source),
        }
    }
}

impl Ingest {
    /// Whether words that a peer gave are kept here. Those of profiles are, whatever was decided:
    /// they are who people are, and small.
    pub(super) fn keeps_words_of(&self, it: &Contribution) -> bool {
        let header = it.header();
        let keep = self.archive.kept().of(&header.space);
        if keep.is_everything() || keep.keeps_words_of(header.time_ms, random::now_ms()) {
            return true;
        }
        let known = match header.deps().is_empty() {
            true => facts_of(it).1,
            false => self.archive.document(header.document(it.id())),
        };
        known.is_some_and(|it| it.kind.as_ref() == "profile")
    }

    /// Takes in words that a contribution lacks here. False if they are not its words, or it lacks
    /// none any more.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn add_words(&self, id: &EntryId, words: Vec<u8>) -> Result<bool, ArchiveError> {
        let _turn = self.writer();
        let Some(Entry::Contribution(lacking)) = self.archive.get(id)? else {
            return Ok(false);
        };
        let (space, document) = (lacking.header().space, lacking.header().document(*id));
        if !lacking.lacks_words() || lacking.with_words(words.clone()).is_err() {
            return Ok(false);
        }
        self.archive.store().commit(vec![late_words(*id, words)])?;
        self.archive.kept().note_found(&space, id);
        self.library.forget(&document);
        Ok(true)
    }

    /// Finds what is about to be stored without words that were not erased; durable first that there
    /// is such.
    pub(super) fn expect_lacks(
        &self,
        accepted: &[Accepted],
        kept: &[NewEntry],
    ) -> Result<Vec<Lack>, StoreError> {
        let mut lacks = Vec::new();
        for (it, kept) in accepted.iter().zip(kept) {
            let Entry::Contribution(contribution) = &*it.entry else {
                continue;
            };
            let erased = matches!(contribution.words(), Words::Erased(_));
            if kept.words.is_some() || erased || self.archive.erasure_of(&kept.id)?.is_some() {
                continue;
            }
            self.archive
                .kept()
                .expect_lacks(it.space)
                .map_err(as_store_error)?;
            lacks.push(Lack {
                space: it.space,
                id: kept.id,
                author: contribution.header().author,
            });
        }
        Ok(lacks)
    }

    pub(super) fn note_lacks(&self, lacks: Vec<Lack>) {
        let kept = self.archive.kept();
        lacks
            .into_iter()
            .for_each(|it| kept.note_lack(it.space, it.id, it.author));
    }
}

fn as_store_error(error: HomeError) -> StoreError {
    StoreError::io("remember that words are missing")(io::Error::other(error))
}
