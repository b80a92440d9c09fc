//! Documents, derived when somebody reads them.
//!
//! Derived documents live in memory only: on disk there is the record, from which they follow, so
//! erased words cannot linger in them. A reader pays for a bounded amount of derivation; a worker
//! goes on with the rest, one slice per document in turn, so one expensive document cannot hold up
//! the others.

use crate::{
    archive::{Archive, ArchiveError},
    held::Reason,
    projection::{document_prefix, position_of_key},
    store::{IndexScan, StoreError},
};
use comity_protocol::{
    derive::{DeriveError, DerivedDocument, Input},
    document::{Shape, Words as OpenedWords},
    entry::{Contribution, Entry, ErasedBy, Words},
    id::{DocumentId, EntryId},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
};
use thiserror::Error;
use tracing::warn;

/// Derivation a reader waits for, in derived operations.
const READER_BUDGET: u64 = 100_000;
/// Derivation the worker does for one document before it turns to the next.
const WORKER_BUDGET: u64 = 20_000;
/// Derived documents kept in memory.
const CACHE_MAX: usize = 64;
const SCAN_PAGE: usize = 1_024;

/// Why a document cannot be derived.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// No contribution of it is here.
    #[error("no document {0} is here")]
    Unknown(DocumentId),
    /// It is here and not in effect.
    #[error("the document {document} is not in effect: {reason}")]
    Held {
        /// The document.
        document: DocumentId,
        /// Why.
        reason: Reason,
    },
    /// Its contributions cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A defect of derivation.
    #[error("document {document} could not be derived: {source}")]
    Derive {
        /// The document.
        document: DocumentId,
        /// What went wrong.
        source: DeriveError,
    },
}

/// A document as far as it is derived, with what derivation does not know.
pub struct Shelved {
    /// The derived document.
    pub derived: DerivedDocument,
    /// Headers and sizes of its contributions, in record order.
    pub contributions: Vec<Listed>,
    known: BTreeSet<EntryId>,
}

impl Shelved {
    /// Contributions whose words are not kept here.
    pub fn not_kept(&self) -> impl Iterator<Item = &EntryId> {
        let lacking = self.contributions.iter().filter(|it| it.not_kept);
        lacking.map(|it| &it.id)
    }
}

/// What is read of a document beside what is derived.
#[derive(Default)]
struct Shelf {
    shelved: Option<Shelved>,
    /// Where reading the index goes on.
    cursor: Option<Vec<u8>>,
    /// Contributions that stand in the record before something they build on: a copy that replaced
    /// a damaged one stands where it arrived.
    early: Vec<(Input, Listed)>,
}

/// One contribution of a document.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: EntryId,
    /// Its header.
    pub header: comity_protocol::contribution::Header,
    /// Whether its words were erased.
    pub erased: bool,
    /// Whether its words are not kept here: what is shown of it are fillers.
    pub not_kept: bool,
    /// The order of a quorum that erased them; none if their author did.
    pub order: Option<EntryId>,
    /// Top-level fields it touches; empty for a merge.
    pub fields: BTreeSet<String>,
}

type Slot = Arc<Mutex<Shelf>>;

#[derive(Default)]
struct Cache {
    slots: HashMap<DocumentId, (u64, Slot)>,
    clock: u64,
}

#[derive(Default)]
struct Work {
    unfinished: BTreeSet<DocumentId>,
    closed: bool,
}

/// All documents of an archive.
pub struct Library {
    archive: Archive,
    cache: Mutex<Cache>,
    work: Mutex<Work>,
    wake: Condvar,
}

impl Library {
    /// Opens the library of an archive and starts its worker, which ends with it.
    pub fn open(archive: Archive) -> Arc<Self> {
        let library = Arc::new(Self {
            archive,
            cache: Mutex::default(),
            work: Mutex::default(),
            wake: Condvar::new(),
        });
        let weak = Arc::downgrade(&library);
        thread::Builder::new()
            .name("comity-derive".into())
            .spawn(move || work(&weak))
            .map_err(|error| warn!(%error, "no background derivation"))
            .ok();
        library
    }

    /// How many documents wait for the worker.
    pub fn backlog(&self) -> usize {
        lock(&self.work).unfinished.len()
    }

    /// Stops the worker.
    pub fn close(&self) {
        lock(&self.work).closed = true;
        self.wake.notify_all();
    }

    /// Reads a document, deriving what is new within the reader's budget.
    ///
    /// # Errors
    /// [`LibraryError`] if it is unknown or cannot be derived.
    pub fn read<T>(
        &self,
        document: &DocumentId,
        read: impl FnOnce(&mut Shelved) -> T,
    ) -> Result<T, LibraryError> {
        self.derive(document, READER_BUDGET, read)
    }

    fn derive<T>(
        &self,
        document: &DocumentId,
        budget: u64,
        read: impl FnOnce(&mut Shelved) -> T,
    ) -> Result<T, LibraryError> {
        let slot = self.slot(document);
        let mut shelf = lock(&slot);
        if let Err(error) = self.bring_up_to_date(document, &mut shelf, budget, Of::Effective) {
            *shelf = Shelf::default();
            return Err(error);
        }
        let Some(shelved) = shelf.shelved.as_mut() else {
            return Err(LibraryError::Unknown(*document));
        };
        if shelved.derived.remaining() > 0 {
            lock(&self.work).unfinished.insert(*document);
            self.wake.notify_one();
        }
        Ok(read(shelved))
    }

    /// Reads a document that may never have been edited without keeping it in the cache.
    ///
    /// # Errors
    /// As [`Library::read`].
    pub fn glance<T>(
        &self,
        document: &DocumentId,
        read: impl FnOnce(&mut Shelved) -> T,
    ) -> Result<T, LibraryError> {
        let scan = IndexScan::forward(document_prefix(document), 2);
        let page = self.archive.store().index().scan(&scan)?;
        if page.items.len() != 1 {
            return self.read(document, read);
        }
        self.read_apart(document, Of::Effective, read)
    }

    /// Reads a document with what is held of it, as if that were in effect. Nothing of it is cached.
    ///
    /// # Errors
    /// As [`Library::read`].
    pub fn read_with_held<T>(
        &self,
        document: &DocumentId,
        read: impl FnOnce(&mut Shelved) -> T,
    ) -> Result<T, LibraryError> {
        self.read_apart(document, Of::Stored, read)
    }

    fn read_apart<T>(
        &self,
        document: &DocumentId,
        of: Of,
        read: impl FnOnce(&mut Shelved) -> T,
    ) -> Result<T, LibraryError> {
        let mut shelf = Shelf::default();
        self.bring_up_to_date(document, &mut shelf, READER_BUDGET, of)?;
        let unknown = LibraryError::Unknown(*document);
        let mut shelved = shelf.shelved.ok_or(unknown)?;
        Ok(read(&mut shelved))
    }

    /// A contribution arrived; what is cached is brought up to date at the next reading.
    pub fn changed(&self, document: &DocumentId) {
        if lock(&self.cache).slots.contains_key(document) {
            lock(&self.work).unfinished.insert(*document);
            self.wake.notify_one();
        }
    }

    /// Words of a document were erased, or other contributions of it are in effect than before: it
    /// is built anew at the next reading.
    pub fn forget(&self, document: &DocumentId) {
        lock(&self.cache).slots.remove(document);
    }

    fn slot(&self, document: &DocumentId) -> Slot {
        let mut cache = lock(&self.cache);
        cache.clock += 1;
        let now = cache.clock;
        if let Some((used, slot)) = cache.slots.get_mut(document) {
            *used = now;
            return slot.clone();
        }
        if cache.slots.len() >= CACHE_MAX
            && let Some(oldest) = cache
                .slots
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(id, _)| *id)
        {
            cache.slots.remove(&oldest);
        }
        let slot = Slot::default();
        cache.slots.insert(*document, (now, slot.clone()));
        slot
    }

    fn bring_up_to_date(
        &self,
        document: &DocumentId,
        shelf: &mut Shelf,
        budget: u64,
        of: Of,
    ) -> Result<(), LibraryError> {
        let mut budget = budget;
        loop {
            let scan = IndexScan::forward(document_prefix(document), SCAN_PAGE)
                .after(shelf.cursor.clone());
            let page = self.archive.store().index().scan(&scan)?;
            for (key, _) in &page.items {
                let Some(position) = position_of_key(key) else {
                    continue;
                };
                match self.archive.at(position)? {
                    Entry::Contribution(it)
                        if it.header().document(it.id()) == *document
                            && (of == Of::Stored || !self.archive.held().contains(&it.id())) =>
                    {
                        shelf.early.push(open(&it));
                    }
                    // Held, or another document whose id begins alike.
                    _ => {}
                }
            }
            if let Some((last, _)) = page.items.last() {
                shelf.cursor = Some(last.clone());
            }
            budget = shelf.derive(document, budget)?;
            if page.next.is_none() {
                break;
            }
        }
        if shelf.shelved.is_some() {
            return Ok(());
        }
        let held = self.archive.held();
        Err(match held.get(&EntryId::from(*document)) {
            Some(it) => LibraryError::Held {
                document: *document,
                reason: it.reason,
            },
            None => LibraryError::Unknown(*document),
        })
    }
}

/// Which contributions of a document are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Those in effect.
    Effective,
    /// All that are stored.
    Stored,
}

impl Shelf {
    /// Derives what has all it builds on; gives back what is left of the budget.
    fn derive(&mut self, document: &DocumentId, budget: u64) -> Result<u64, LibraryError> {
        let failed = |source| LibraryError::Derive {
            document: *document,
            source,
        };
        let create = self.early.iter().position(|(it, _)| it.deps.is_empty());
        if let (None, Some(at)) = (&self.shelved, create) {
            let (input, listed) = self.early.remove(at);
            self.shelved = Some(Shelved {
                known: BTreeSet::from([input.id]),
                derived: DerivedDocument::new(input).map_err(failed)?,
                contributions: vec![listed],
            });
        }
        let Some(shelved) = &mut self.shelved else {
            return Ok(budget);
        };
        let mut inputs = Vec::new();
        loop {
            let before = inputs.len();
            for (input, listed) in std::mem::take(&mut self.early) {
                if shelved.known.contains(&input.id) {
                    continue;
                }
                if input.deps.iter().all(|dep| shelved.known.contains(dep)) {
                    shelved.known.insert(input.id);
                    shelved.contributions.push(listed);
                    inputs.push(input);
                } else {
                    self.early.push((input, listed));
                }
            }
            // Usually all stand after what they build on, and one pass is enough.
            if self.early.is_empty() || inputs.len() == before {
                break;
            }
        }
        if inputs.is_empty() && (shelved.derived.remaining() == 0 || budget == 0) {
            return Ok(budget);
        }
        let progress = shelved.derived.extend(inputs, budget).map_err(failed)?;
        Ok(budget.saturating_sub(progress.work))
    }
}

/// What derivation needs of a contribution, and what readers want to know beside it.
fn open(it: &Contribution) -> (Input, Listed) {
    let header = it.header();
    let shape = Shape::decode(it.shape());
    let words = match (it.words(), &shape) {
        (Words::Present(words), Ok(shape)) => OpenedWords::open(shape, words),
        _ => OpenedWords::Erased,
    };
    let fields = shape.as_ref().map(touched_fields).unwrap_or_default();
    let listed = Listed {
        id: it.id(),
        header: header.clone(),
        erased: matches!(it.words(), Words::Erased(_)),
        not_kept: it.lacks_words(),
        order: match it.words() {
            Words::Erased(proof @ ErasedBy::Order(_)) => Some(proof.id()),
            _ => None,
        },
        fields,
    };
    let input = Input {
        id: it.id(),
        document: header.document(it.id()),
        deps: header.deps().to_vec(),
        author: header.author,
        time_ms: header.time_ms,
        shape,
        words,
    };
    (input, listed)
}

fn touched_fields(shape: &Shape) -> BTreeSet<String> {
    use comity_protocol::document::{Intent, Step};
    match shape {
        Intent::Create { fields, .. } => fields.keys().map(|key| key.as_str().to_owned()).collect(),
        Intent::Edit { operations } => operations
            .iter()
            .filter_map(|operation| match operation.path().first()? {
                Step::Key(key) => Some(key.as_str().to_owned()),
                Step::Index(_) => None,
            })
            .collect(),
    }
}

/// The worker: takes unfinished documents in turn, a slice each.
fn work(library: &Weak<Library>) {
    let mut after: Option<DocumentId> = None;
    loop {
        let Some(library) = library.upgrade() else {
            return;
        };
        let next = {
            let mut work = lock(&library.work);
            if work.unfinished.is_empty() && !work.closed {
                // Wakes now and then to notice that the library is gone.
                let patience = std::time::Duration::from_secs(2);
                work = library
                    .wake
                    .wait_timeout(work, patience)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            if work.closed {
                return;
            }
            let beyond = after.and_then(|after| {
                let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
                work.unfinished.range(range).next().copied()
            });
            let next = beyond.or_else(|| work.unfinished.first().copied());
            if let Some(next) = &next {
                work.unfinished.remove(next);
            }
            next
        };
        let Some(document) = next else { continue };
        after = Some(document);
        if let Err(error) = library.derive(&document, WORKER_BUDGET, |_| ()) {
            warn!(%document, %error, "background derivation failed");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
