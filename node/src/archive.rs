//! Between entries and the store: what of an entry goes where, and back.

use crate::{
    bare::{Bares, StoredHeader},
    held::Held,
    keeping::Keeping,
    projection::{
        BARE_CONTRIBUTION, BARE_RECORD, CERTIFICATE, CONTRIBUTION, LATE_WORDS, RECORD,
        document_prefix, erasure_key, position_of_key,
    },
    store::{IndexScan, NewEntry, Position, Store, StoreError, StoredEntry, Words as StoredWords},
};
use comity_protocol::{
    authority::AuthorLink,
    certificate::Certificate,
    contribution::Header,
    document::{Intent, Kind, Shape, kind_named_in},
    entry::{
        BareHeader, Contribution, Entry, EntryError, ErasedBy, Headed, Record, Words, bare_id,
    },
    id::{DocumentId, EntryId, SpaceId, digest, domain},
    key::Signature,
    pipeline::{Known, KnownContribution, KnownDocument},
    record::RecordHeader,
    sync::Key,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use thiserror::Error;
use tracing::warn;

/// Why a stored entry cannot be given.
#[derive(Debug, Clone, Error)]
pub enum ArchiveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored bytes are no longer an entry.
    #[error("entry {id} is damaged in the record: {source}; it will be fetched again from a peer")]
    Damaged {
        /// The entry.
        id: EntryId,
        /// What does not fit.
        source: EntryError,
    },
}

/// Entries in a store.
#[derive(Clone)]
pub struct Archive {
    store: Arc<dyn Store>,
    facts: Arc<Mutex<Facts>>,
    held: Arc<RwLock<Held>>,
    bare: Arc<RwLock<Bares>>,
    keeping: Arc<Keeping>,
}

/// Facts that linking asks again and again; immutable, so a bounded cache is always right.
#[derive(Default)]
struct Facts {
    contributions: HashMap<EntryId, KnownContribution>,
    documents: HashMap<DocumentId, KnownDocument>,
}

const FACTS_MAX: usize = 20_000;
const HEADERS_PAGE: usize = 1_024;

impl Archive {
    /// An archive over a store that keeps everything.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::keeping(store, Arc::default())
    }

    /// An archive over a store that keeps what was decided.
    pub fn keeping(store: Arc<dyn Store>, keeping: Arc<Keeping>) -> Self {
        Self {
            store,
            facts: Arc::default(),
            held: Arc::default(),
            bare: Arc::default(),
            keeping,
        }
    }

    /// What is kept of each space.
    pub fn kept(&self) -> &Arc<Keeping> {
        &self.keeping
    }

    /// What is stored and not in effect.
    pub fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bare headers that are stored, in their sets or not.
    pub fn bare(&self) -> RwLockReadGuard<'_, Bares> {
        self.bare.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bare_mut(&self) -> RwLockWriteGuard<'_, Bares> {
        self.bare.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The contributions of a document that are stored, held ones included, in record order.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn headers_of(
        &self,
        document: &DocumentId,
    ) -> Result<Vec<(Position, EntryId, Header)>, StoreError> {
        let mut headers = Vec::new();
        let mut cursor = None;
        loop {
            let scan = IndexScan::forward(document_prefix(document), HEADERS_PAGE).after(cursor);
            let page = self.store.index().scan(&scan)?;
            let keys = page.items.iter();
            for position in keys.filter_map(|(key, _)| position_of_key(key)) {
                let stored = match self.store.read_at(position) {
                    Ok(stored) => stored,
                    Err(error @ (StoreError::Damaged { .. } | StoreError::NoEntry { .. })) => {
                        warn!(%position, %error, "left out until it is fetched again");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let Ok(header) = Header::decode_own_record(&stored.header) else {
                    continue;
                };
                // Another document whose id begins alike is none of ours.
                if header.document(stored.id) == *document {
                    headers.push((position, stored.id, header));
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(headers);
            }
        }
    }

    /// The header of a stored contribution; none for what is no contribution or not here.
    pub(crate) fn header(&self, id: &EntryId) -> Option<Header> {
        let stored = self.store.get(id).ok()??;
        match stored.kind {
            CONTRIBUTION => Header::decode_own_record(&stored.header).ok(),
            _ => None,
        }
    }

    /// The store itself.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Whether an entry is stored.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn contains(&self, id: &EntryId) -> Result<bool, StoreError> {
        self.store.contains(id)
    }

    /// A stored entry; none if it never arrived.
    ///
    /// # Errors
    /// [`ArchiveError`] if it cannot be read.
    pub fn get(&self, id: &EntryId) -> Result<Option<Entry>, ArchiveError> {
        match self.store.get(id)? {
            None => Ok(None),
            Some(stored) => self.entry(stored).map(Some),
        }
    }

    /// The entry at a position that the index names.
    ///
    /// # Errors
    /// [`ArchiveError`] if it cannot be read.
    pub fn at(&self, position: Position) -> Result<Entry, ArchiveError> {
        self.entry(self.store.read_at(position)?)
    }

    /// The document whose create stands at a position; none if it is held or cannot be read.
    pub fn document_at(&self, position: Position) -> Option<DocumentId> {
        match self.store.read_at(position) {
            Ok(create) if self.held().contains(&create.id) => None,
            Ok(create) => Some(create.id.into()),
            Err(error) => {
                warn!(%position, %error, "left out of a list");
                None
            }
        }
    }

    /// The document whose create stands at a position and is held; none if it is in effect.
    pub fn held_at(&self, position: Position) -> Option<DocumentId> {
        if self.held().is_empty() {
            return None;
        }
        let create = self.store.read_at(position).ok()?;
        let is_held = self.held().contains(&create.id);
        is_held.then(|| create.id.into())
    }

    /// The id of the proof that a contribution's words are erased, if there is one: an erasure or an
    /// order of erasure.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn erasure_of(&self, contribution: &EntryId) -> Result<Option<EntryId>, StoreError> {
        let value = self.store.index().get(&erasure_key(contribution))?;
        Ok(value.and_then(|bytes| Some(EntryId::from_bytes(bytes.try_into().ok()?))))
    }

    /// The entry that these stored parts make.
    pub(crate) fn entry(&self, stored: StoredEntry) -> Result<Entry, ArchiveError> {
        let id = stored.id;
        let damaged = |source| ArchiveError::Damaged { id, source };
        let signature = Signature::from_bytes(stored.signature);
        match stored.kind {
            CERTIFICATE => Certificate::decode_own_record(&stored.header)
                .map(Entry::Certificate)
                .map_err(|error| damaged(error.into())),
            RECORD => Record::assemble_own_record(stored.header, signature, stored.shape)
                .map(Entry::Record)
                .map_err(damaged),
            BARE_CONTRIBUTION | BARE_RECORD => {
                let heads = headed(stored.kind).unwrap_or(Headed::Contribution);
                BareHeader::assemble(heads, stored.header, signature)
                    .map(Entry::Bare)
                    .map_err(damaged)
            }
            LATE_WORDS => Err(damaged(EntryError::UnknownType(LATE_WORDS.into()))),
            _ => {
                let erased = self.erasure_of(&id)?;
                let words = match (erased, stored.words) {
                    (None, StoredWords::Present(words)) => Words::Present(words),
                    (Some(proof), _) => match self.get(&proof)?.and_then(ErasedBy::from_entry) {
                        Some(proof) => Words::Erased(proof),
                        None => return Err(damaged(EntryError::WordsMissing)),
                    },
                    (None, StoredWords::Absent) => self.late_words_of(&id)?,
                    (None, _) => return Err(damaged(EntryError::WordsMissing)),
                };
                Contribution::assemble_own_record(stored.header, signature, stored.shape, words)
                    .map(Entry::Contribution)
                    .map_err(damaged)
            }
        }
    }

    /// Words that came after their contribution.
    fn late_words_of(&self, contribution: &EntryId) -> Result<Words, StoreError> {
        let late = self.store.get(&late_words_id(contribution))?;
        Ok(match late.map(|it| it.words) {
            Some(StoredWords::Present(words)) => Words::Present(words),
            // Damaged ones are fetched again like any that are not here.
            _ => Words::NotKept,
        })
    }

    /// Whether a contribution is here whose words are not, nor proven to be erased.
    ///
    /// # Errors
    /// [`ArchiveError`] if it cannot be read.
    pub fn lacks_words_of(&self, id: &EntryId) -> Result<bool, ArchiveError> {
        let entry = self.get(id)?;
        Ok(matches!(entry, Some(Entry::Contribution(it)) if it.lacks_words()))
    }

    /// Remembers what linking will ask about a contribution.
    pub fn remember(&self, contribution: &Contribution) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.contributions.len() >= FACTS_MAX {
            facts.contributions.clear();
            facts.documents.clear();
        }
        let (known, document) = facts_of(contribution);
        facts.contributions.insert(contribution.id(), known);
        if let Some(document) = document {
            facts.documents.insert(known.document, document);
        }
    }
}

/// What linking will ask about a contribution and, for a create, about its document.
pub(crate) fn facts_of(it: &Contribution) -> (KnownContribution, Option<KnownDocument>) {
    let header = it.header();
    let document = header
        .deps()
        .is_empty()
        .then(|| known_document(header, it.shape()));
    (known_contribution(it.id(), header), document)
}

fn known_contribution(id: EntryId, header: &Header) -> KnownContribution {
    KnownContribution {
        space: header.space,
        document: header.document(id),
        author: header.author,
    }
}

fn known_document(header: &Header, shape: &[u8]) -> KnownDocument {
    let co_written = match Shape::decode(shape) {
        Ok(Intent::Create { kind, .. }) => Kind::named(&kind).is_ok_and(Kind::is_co_written),
        _ => false,
    };
    KnownDocument {
        owner: header.author,
        kind: kind_named_in(shape).into(),
        co_written,
    }
}

impl Known for Archive {
    fn contribution(&self, id: EntryId) -> Option<KnownContribution> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = facts.contributions.get(&id) {
            return Some(*known);
        }
        drop(facts);
        let stored = self.store.get(&id).ok()??;
        if stored.kind != CONTRIBUTION {
            return None;
        }
        let header = Header::decode_own_record(&stored.header).ok()?;
        Some(known_contribution(id, &header))
    }

    fn document(&self, id: DocumentId) -> Option<KnownDocument> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = facts.documents.get(&id) {
            return Some(known.clone());
        }
        drop(facts);
        let stored = self.store.get(&EntryId::from(id)).ok()??;
        if stored.kind != CONTRIBUTION {
            return None;
        }
        let header = Header::decode_own_record(&stored.header).ok()?;
        let known = known_document(&header, &stored.shape);
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.documents.insert(id, known.clone());
        Some(known)
    }
}

/// What the store keeps of an entry of `space`.
pub fn to_store(entry: &Entry, space: SpaceId) -> NewEntry {
    match entry {
        Entry::Contribution(it) => NewEntry {
            kind: CONTRIBUTION,
            id: it.id(),
            header: it.header_bytes().to_vec(),
            signature: *it.signature().as_bytes(),
            shape: it.shape().to_vec(),
            words: match it.words() {
                Words::Present(words) => Some(words.clone()),
                Words::Erased(_) | Words::NotKept => None,
            },
        },
        Entry::Record(it) => NewEntry {
            kind: RECORD,
            id: it.id(),
            header: it.header_bytes().to_vec(),
            signature: *it.signature().as_bytes(),
            shape: it.body_bytes().to_vec(),
            words: Some(Vec::new()),
        },
        Entry::Certificate(it) => NewEntry {
            kind: CERTIFICATE,
            id: it.id(),
            header: it.encode(),
            signature: [0; 64],
            shape: space.as_bytes().to_vec(),
            words: Some(Vec::new()),
        },
        Entry::Bare(it) => NewEntry {
            kind: match it.heads() {
                Headed::Contribution => BARE_CONTRIBUTION,
                Headed::Record => BARE_RECORD,
            },
            id: it.id(),
            header: it.header_bytes().to_vec(),
            signature: *it.signature().as_bytes(),
            shape: Vec::new(),
            words: Some(Vec::new()),
        },
    }
}

/// The id under which words stand that came after their contribution.
pub fn late_words_id(of: &EntryId) -> EntryId {
    EntryId::from_bytes(digest(domain::LATE_WORDS_ID, &[of.as_bytes()]))
}

/// What the store keeps of words that came after their contribution.
pub(crate) fn late_words(of: EntryId, words: Vec<u8>) -> NewEntry {
    NewEntry {
        kind: LATE_WORDS,
        id: late_words_id(&of),
        header: of.as_bytes().to_vec(),
        signature: [0; 64],
        shape: Vec::new(),
        words: Some(words),
    }
}

/// What stored bytes of this kind head; none if they are no bare header.
fn headed(kind: u8) -> Option<Headed> {
    match kind {
        BARE_CONTRIBUTION => Some(Headed::Contribution),
        BARE_RECORD => Some(Headed::Record),
        _ => None,
    }
}

/// A stored bare header: the id of what it heads, and where it stands. None if it is none.
pub(crate) fn bare_of(stored: &StoredEntry) -> Option<(EntryId, StoredHeader)> {
    let heads = headed(stored.kind)?;
    let (of, space, author, link) = BareHeader::place_in_own_record(heads, &stored.header).ok()?;
    let header = StoredHeader {
        space,
        place: AuthorLink { author, link },
        key: Key::bare(&space, &author, link.seq, bare_id(&of)),
        local: stored.position.to_u64(),
    };
    Some((of, header))
}

/// Where a stored entry stands in the set of its space, read without checking what was checked
/// before it was stored. None if it is no entry of any space.
pub(crate) fn place_of(stored: &StoredEntry) -> Option<(SpaceId, Key)> {
    match stored.kind {
        CONTRIBUTION => {
            let it = Header::decode_own_record(&stored.header).ok()?;
            Some((
                it.space,
                Key::new(&it.space, &it.author, it.link.seq, stored.id),
            ))
        }
        RECORD => {
            let it = RecordHeader::decode_own_record(&stored.header).ok()?;
            Some((
                it.space,
                Key::new(&it.space, &it.author, it.link.seq, stored.id),
            ))
        }
        CERTIFICATE => {
            let space = SpaceId::from_bytes(stored.shape.as_slice().try_into().ok()?);
            let signer = Certificate::decode_own_record(&stored.header)
                .ok()?
                .first_signer();
            Some((space, Key::new(&space, &signer, 0, stored.id)))
        }
        _ => None,
    }
}
