//! Entries as the store sees them: opaque parts under an id. What they mean is decided above.

use comity_protocol::id::EntryId;
use std::fmt;

/// Length of an entry's signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// Where an entry's frame begins: segment number and byte offset. Ordered as the record is.
///
/// A position is stable for the life of a record. It says nothing outside of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Before every entry: iteration from here sees the whole record.
    pub const START: Self = Self(0);

    pub(crate) const fn new(segment: u32, offset: u32) -> Self {
        Self(((segment as u64) << 32) | offset as u64)
    }

    /// From a number that [`Self::to_u64`] gave.
    pub const fn from_u64(raw: u64) -> Self {
        Self(raw)
    }

    /// As a number, to be kept in an index or a cursor.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    pub(crate) const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) const fn offset(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.segment(), self.offset())
    }
}

/// An entry to be committed.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// What the caller says it is; the store only keeps it.
    pub kind: u8,
    pub id: EntryId,
    pub header: Vec<u8>,
    pub signature: [u8; SIGNATURE_BYTES],
    /// May be empty.
    pub shape: Vec<u8>,
    /// `None`: the words never arrived. They can follow in a later commit of the same id.
    pub words: Option<Vec<u8>>,
}

/// Words are user content: never in a log line.
impl fmt::Debug for NewEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewEntry({:?}, kind {})", self.id, self.kind)
    }
}

/// The words of a stored entry.
#[derive(Clone, PartialEq, Eq)]
pub enum Words {
    /// They never arrived.
    Absent,
    Present(Vec<u8>),
    /// Erased for good; zeros of this length stand in the record.
    Erased {
        len: u32,
    },
    /// Their checksum is wrong: to be fetched again. The rest of the entry is fine.
    Damaged,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Present(words) => write!(f, "Present({} bytes)", words.len()),
            Self::Erased { len } => write!(f, "Erased({len} bytes)"),
            Self::Damaged => f.write_str("Damaged"),
        }
    }
}

/// An entry as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    pub position: Position,
    pub kind: u8,
    pub id: EntryId,
    pub header: Vec<u8>,
    pub signature: [u8; SIGNATURE_BYTES],
    pub shape: Vec<u8>,
    pub words: Words,
}

/// What a projection may see of an entry: all but the words, so that they cannot reach the index.
#[derive(Debug, Clone, Copy)]
pub struct EntryRef<'a> {
    pub kind: u8,
    pub id: EntryId,
    pub header: &'a [u8],
    pub signature: &'a [u8; SIGNATURE_BYTES],
    pub shape: &'a [u8],
}

/// What became of one entry of a commit. Durable in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// New in the record.
    Added(Position),
    /// The id was there already, whole or erased; nothing was written.
    AlreadyPresent(Position),
    /// The id was there, but damaged or without the words that came now; this copy replaces it.
    Restored(Position),
}

impl Committed {
    /// Where the entry is now.
    pub fn position(&self) -> Position {
        match self {
            Self::Added(position) | Self::AlreadyPresent(position) | Self::Restored(position) => {
                *position
            }
        }
    }
}

/// What `erase_words` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// The words are gone from every file of the store.
    Erased,
    AlreadyErased,
    /// The entry has no words.
    NoWords,
    /// No such id.
    Unknown,
}

/// One page of an iteration over the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPage {
    pub entries: Vec<StoredEntry>,
    /// Where to go on, now or once more has been committed.
    pub next: Position,
    /// Nothing more was in the record when this page was made.
    pub at_end: bool,
}
