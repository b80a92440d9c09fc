//! Stored entries that are not in effect: what was in effect once is never thrown away.
//!
//! A contribution is *held* when it was in effect and authority took it back: what stands beyond a
//! cut, or builds on it. With it an erasure of its words is held, which is final all the same. Held
//! entries are not in the set of their space, so no peer is offered them, and nothing derives from
//! them; a reader may ask for them. They are kept like the set, in the order of their keys.
//!
//! All of this is in memory and follows from the record and the authority: it is found again when
//! the node opens.

use comity_protocol::{
    authority::Unauthorized,
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    sync::{AuthorTag, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};
use thiserror::Error;

/// Why a stored entry is not in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// Its author may not write it, and nothing in effect builds on it.
    #[error("{0}")]
    Unauthorized(Unauthorized),
    /// It builds on what is not in effect, or erases it.
    #[error("it builds on {}, which is not in effect", .0.short())]
    Builds(EntryId),
}

/// One held entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldEntry {
    /// Its community.
    pub community: CommunityId,
    /// Its space.
    pub space: SpaceId,
    /// Its place in the set of the space, if it were in effect.
    pub key: Key,
    /// Its position in the record.
    pub local: u64,
    /// The document it belongs to.
    pub document: DocumentId,
    /// Why it is not in effect.
    pub reason: Reason,
}

/// Everything that is held.
#[derive(Debug, Default)]
pub struct Held {
    entries: HashMap<EntryId, HeldEntry>,
    by_key: BTreeMap<SpaceId, BTreeMap<Key, EntryId>>,
    by_document: BTreeMap<DocumentId, BTreeSet<EntryId>>,
    /// Contributions that are in effect only because another builds on them, and that other one.
    adopted: HashMap<EntryId, EntryId>,
}

impl Held {
    /// Holds an entry, or gives a held one another reason.
    pub(crate) fn hold(&mut self, it: HeldEntry) {
        let id = it.key.id;
        self.by_key.entry(it.space).or_default().insert(it.key, id);
        self.by_document.entry(it.document).or_default().insert(id);
        self.entries.insert(id, it);
    }

    /// Lets an entry go, because it is in effect again or lost.
    pub(crate) fn release(&mut self, id: &EntryId) -> Option<HeldEntry> {
        let it = self.entries.remove(id)?;
        if let Some(keys) = self.by_key.get_mut(&it.space) {
            keys.remove(&it.key);
            if keys.is_empty() {
                self.by_key.remove(&it.space);
            }
        }
        if let Some(ids) = self.by_document.get_mut(&it.document) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_document.remove(&it.document);
            }
        }
        Some(it)
    }

    /// Remembers who adopted a contribution; none: it stands by its author's own authority.
    pub(crate) fn adopt(&mut self, id: EntryId, by: Option<EntryId>) {
        match by {
            Some(by) => self.adopted.insert(id, by),
            None => self.adopted.remove(&id),
        };
    }

    /// The contribution that gives this one presence, if it has no authority of its own.
    pub fn adopted_by(&self, id: &EntryId) -> Option<EntryId> {
        if self.adopted.is_empty() {
            return None;
        }
        self.adopted.get(id).copied()
    }

    /// Whether an entry is held.
    pub fn contains(&self, id: &EntryId) -> bool {
        !self.entries.is_empty() && self.entries.contains_key(id)
    }

    /// A held entry.
    pub fn get(&self, id: &EntryId) -> Option<&HeldEntry> {
        self.entries.get(id)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Held entries of a document, by id.
    pub fn of_document<'a>(
        &'a self,
        document: &DocumentId,
    ) -> impl Iterator<Item = &'a HeldEntry> + use<'a> {
        let ids = self.by_document.get(document).into_iter().flatten();
        ids.filter_map(|id| self.entries.get(id))
    }

    /// Held entries of one author in a space, along the chain.
    pub fn of_author<'a>(
        &'a self,
        space: &SpaceId,
        author: &AuthorTag,
    ) -> impl DoubleEndedIterator<Item = &'a HeldEntry> + use<'a> {
        let bound = |seq, id| Key {
            author: *author,
            seq,
            id: EntryId::from_bytes(id),
        };
        let range = bound(0, [0; 32])..=bound(u64::MAX, [0xff; 32]);
        let keys = self.by_key.get(space);
        keys.into_iter()
            .flat_map(move |keys| keys.range(range.clone()))
            .filter_map(|(_, id)| self.entries.get(id))
    }

    /// Held entries in the order of space and key, after a place in it.
    pub fn after(&self, place: Option<(SpaceId, Key)>) -> impl Iterator<Item = &HeldEntry> {
        let first = place.map(|(space, _)| space);
        let spaces = match first {
            Some(space) => self.by_key.range(space..),
            None => self.by_key.range(..),
        };
        spaces
            .flat_map(move |(space, keys)| {
                let from = match place {
                    Some((first, key)) if first == *space => Bound::Excluded(key),
                    _ => Bound::Unbounded,
                };
                keys.range((from, Bound::Unbounded))
            })
            .filter_map(|(_, id)| self.entries.get(id))
    }

    /// Whether something of a document is held for what it builds on, not for its author.
    pub fn waits_for_ancestors(&self, document: &DocumentId) -> bool {
        let blocked = |it: &HeldEntry| matches!(it.reason, Reason::Builds(_));
        !self.entries.is_empty() && self.of_document(document).any(blocked)
    }

    /// How many documents of a space are held from their create on.
    pub fn documents(&self, space: &SpaceId) -> u64 {
        let creates = self.in_space(space);
        let creates = creates.filter(|it| it.document == DocumentId::from(it.key.id));
        creates.count() as u64
    }

    /// The entries held in a space, in the order of their keys.
    pub fn in_space<'a>(
        &'a self,
        space: &SpaceId,
    ) -> impl Iterator<Item = &'a HeldEntry> + use<'a> {
        let keys = self.by_key.get(space).into_iter().flatten();
        keys.filter_map(|(_, id)| self.entries.get(id))
    }
}
