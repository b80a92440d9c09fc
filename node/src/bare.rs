//! Bare headers: of what a narrowing covers and what is not in effect, the header is shared all the
//! same, so that all nodes read one chain and agree how far a cut reaches.
//!
//! In the set of a space stands the bare header of every entry whose header is known here, that some
//! narrowing covers and that is not in effect here. [`shift`] finds what has to enter or leave for
//! that. What was stored stays stored, and its place in the chain known, also while it is not in the
//! set.
//!
//! The index is in memory and follows from the record: it is found again when the node opens.
//!
//! Spec: `specs/cuts.md` §7 (what nodes keep).

use crate::{
    archive::Archive,
    effect::Links,
    ledger::{Ledger, Space},
    pending::Pending,
    projection::{CONTRIBUTION, RECORD},
    store::StoreError,
};
use comity_protocol::{
    authority::{AuthorLink, Authority, ChainLinks},
    entry::{BareHeader, Entry, Headed, Verified, bare_id},
    id::{EntryId, SpaceId},
    key::{PublicKey, Signature},
    sync::{AuthorTag, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use tracing::warn;

/// A stored bare header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredHeader {
    pub(crate) space: SpaceId,
    /// Signer and place in the chain of what it heads.
    pub(crate) place: AuthorLink,
    /// Its key in the set of the space, if it stands there.
    pub(crate) key: Key,
    /// Its position in the record.
    pub(crate) local: u64,
}

impl StoredHeader {
    /// The id of what a header heads, and where the header stands when it is stored at `local`.
    pub(crate) fn of(header: &BareHeader, local: u64) -> (EntryId, Self) {
        let (space, author, link) = (header.space(), header.author(), header.link());
        let stored = Self {
            space,
            place: AuthorLink { author, link },
            key: Key::bare(&space, &author, link.seq, header.id()),
            local,
        };
        (header.of(), stored)
    }
}

/// All stored bare headers, by the id of what they head.
#[derive(Debug, Default)]
pub struct Bares {
    headers: HashMap<EntryId, StoredHeader>,
    by_author: BTreeMap<(SpaceId, PublicKey), BTreeSet<EntryId>>,
    tags: BTreeSet<(SpaceId, AuthorTag)>,
}

impl Bares {
    pub(crate) fn add(&mut self, of: EntryId, it: StoredHeader) {
        let author = (it.space, it.place.author);
        self.by_author.entry(author).or_default().insert(of);
        self.tags.insert((it.space, it.key.author));
        self.headers.insert(of, it);
    }

    /// Forgets headers that the record has lost, by their own ids.
    pub(crate) fn forget(&mut self, lost: &BTreeSet<&EntryId>) {
        let gone = |(of, it): (&EntryId, &StoredHeader)| lost.contains(&it.key.id).then_some(*of);
        let gone: Vec<EntryId> = self.headers.iter().filter_map(gone).collect();
        for of in gone {
            if let Some(it) = self.headers.remove(&of)
                && let Some(ids) = self.by_author.get_mut(&(it.space, it.place.author))
            {
                ids.remove(&of);
            }
        }
    }

    pub(crate) fn get(&self, of: &EntryId) -> Option<&StoredHeader> {
        match self.headers.is_empty() {
            true => None,
            false => self.headers.get(of),
        }
    }

    /// Whether bare headers stand under this tag, and no chain.
    pub(crate) fn is_tag(&self, space: &SpaceId, tag: &AuthorTag) -> bool {
        !self.tags.is_empty() && self.tags.contains(&(*space, *tag))
    }

    fn of_author(&self, space: SpaceId, author: PublicKey) -> impl Iterator<Item = EntryId> {
        let ids = self.by_author.get(&(space, author));
        ids.into_iter().flatten().copied()
    }
}

/// What is to be looked at: single entries, and everything known of a key.
#[derive(Debug, Default)]
pub(crate) struct Due {
    entries: BTreeMap<SpaceId, BTreeSet<EntryId>>,
    keys: BTreeMap<SpaceId, BTreeSet<PublicKey>>,
}

impl Due {
    /// Every narrowed key of every space.
    pub(crate) fn everything(ledger: &Ledger) -> Self {
        let keys = ledger.spaces().iter().filter_map(|(id, space)| {
            let keys = space.coverage()?.narrowed_keys();
            Some((*id, keys.copied().collect()))
        });
        Self {
            keys: keys.collect(),
            ..Self::default()
        }
    }

    pub(crate) fn add_entry(&mut self, space: SpaceId, of: EntryId) {
        self.entries.entry(space).or_default().insert(of);
    }

    /// An entry that was stored: a bare header may enter, or leave since what it heads is here.
    pub(crate) fn extend_by(&mut self, entry: &Entry, space: SpaceId, archive: &Archive) {
        match entry {
            Entry::Bare(it) => self.add_entry(space, it.of()),
            _ if archive.bare().get(&entry.id()).is_some() => self.add_entry(space, entry.id()),
            _ => {}
        }
    }

    pub(crate) fn add_keys(&mut self, space: SpaceId, keys: impl IntoIterator<Item = PublicKey>) {
        self.keys.entry(space).or_default().extend(keys);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.keys.is_empty()
    }

    fn spaces(&self) -> BTreeSet<SpaceId> {
        self.entries
            .keys()
            .chain(self.keys.keys())
            .copied()
            .collect()
    }
}

/// A bare header that belongs into a set and is not stored yet.
pub(crate) struct Missing {
    pub(crate) space: SpaceId,
    pub(crate) entry: Verified<Entry>,
}

/// What has to happen to the sets.
#[derive(Default)]
pub(crate) struct Shift {
    /// To be made durable first.
    pub(crate) missing: Vec<Missing>,
    pub(crate) enter: Vec<(SpaceId, Key, u64)>,
    pub(crate) leave: Vec<(SpaceId, Key)>,
}

/// Finds out which bare headers enter or leave their sets.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn shift(
    ledger: &Ledger,
    archive: &Archive,
    pending: &Pending,
    due: &Due,
) -> Result<Shift, StoreError> {
    let mut shift = Shift::default();
    for id in due.spaces() {
        let Some(space) = ledger.spaces().get(&id) else {
            continue;
        };
        let Some(authority) = ledger.authority(&space.community) else {
            continue;
        };
        let bench = Bench {
            archive,
            pending,
            id,
            space,
            authority,
        };
        let mut entries = due.entries.get(&id).cloned().unwrap_or_default();
        if let Some(keys) = due.keys.get(&id) {
            entries.extend(bench.known_of(keys));
        }
        for of in entries {
            bench.look_at(of, &mut shift)?;
        }
    }
    // Peers get them in the order in which they are stored: along the chain, like all else.
    shift.missing.sort_by_cached_key(|it| it.entry.key().seq);
    Ok(shift)
}

struct Bench<'a> {
    archive: &'a Archive,
    pending: &'a Pending,
    id: SpaceId,
    space: &'a Space,
    authority: Arc<Authority>,
}

impl Bench<'_> {
    /// Everything of these keys whose header is known and that is not in effect, or was not.
    fn known_of(&self, keys: &BTreeSet<PublicKey>) -> BTreeSet<EntryId> {
        let mut known: BTreeSet<EntryId> = self.pending.headed_by(&self.id, keys).collect();
        let (held, bare) = (self.archive.held(), self.archive.bare());
        for key in keys {
            let tag = AuthorTag::new(&self.id, key);
            known.extend(held.of_author(&self.id, &tag).map(|it| it.key.id));
            known.extend(bare.of_author(self.id, *key));
        }
        known
    }

    fn look_at(&self, of: EntryId, shift: &mut Shift) -> Result<(), StoreError> {
        let links = Links {
            space: self.id,
            archive: self.archive,
            pending: self.pending,
        };
        let Some(AuthorLink { author, link }) = links.link(&of) else {
            return Ok(());
        };
        let own = Key::new(&self.id, &author, link.seq, of);
        let bare = Key::bare(&self.id, &author, link.seq, bare_id(&of));
        let trie = &self.space.trie;
        let is_wanted = !trie.contains(&own)
            && self
                .space
                .coverage()
                .is_some_and(|coverage| self.authority.is_covered(&author, &of, &**coverage));
        match (is_wanted, trie.contains(&bare)) {
            (true, false) => {
                let stored = self.archive.bare().get(&of).copied();
                match stored {
                    Some(stored) => shift.enter.push((self.id, stored.key, stored.local)),
                    None => shift.missing.extend(self.make(&of)?),
                }
            }
            (false, true) => shift.leave.push((self.id, bare)),
            _ => {}
        }
        Ok(())
    }

    /// The bare header of what waits or is stored; none if no more than its place is known.
    fn make(&self, of: &EntryId) -> Result<Option<Missing>, StoreError> {
        let entry = match self.pending.header(of) {
            Some(entry) => Some(entry),
            None => self.stored_header(of)?,
        };
        let space = self.id;
        Ok(entry.map(|entry| Missing { space, entry }))
    }

    fn stored_header(&self, of: &EntryId) -> Result<Option<Verified<Entry>>, StoreError> {
        let stored = match self.archive.store().get(of) {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            Err(error @ (StoreError::Damaged { .. } | StoreError::NoEntry { .. })) => {
                warn!(%of, %error, "its header is left out until it is fetched again");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let heads = match stored.kind {
            CONTRIBUTION => Headed::Contribution,
            RECORD => Headed::Record,
            _ => return Ok(None),
        };
        let signature = Signature::from_bytes(stored.signature);
        let header = BareHeader::assemble(heads, stored.header, signature);
        Ok(header
            .inspect_err(|error| warn!(%of, %error, "its header cannot be read"))
            .ok()
            .map(|it| Verified::from_own_record(Entry::Bare(it))))
    }
}
