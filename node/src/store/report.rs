//! What the store says about itself: state, progress, damage, figures.

use super::{entry::Position, index::IndexEngine};
use comity_protocol::id::EntryId;
use std::{path::PathBuf, sync::Arc};

/// Whether the store takes writes. Watched by everything that tells people about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    Ready,
    /// A write failed. Reading goes on; `try_resume` finds out whether writing works again.
    ReadOnly {
        reason: String,
    },
    Closed,
}

/// What kind of thing is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DamageKind {
    /// Nothing can be read from the range.
    Frame,
    /// Only the words of the entry are lost.
    Words,
    /// One or both copies of a segment's header; its entries are readable.
    SegmentHeader,
    /// A segment file is missing or nothing in it can be read.
    Segment,
}

/// A range of the record whose bytes do not match their checksum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    pub start: Position,
    /// First position after the range.
    pub end: Position,
    pub kind: DamageKind,
    /// The entry that stood there, as far as index or bytes still tell: to be fetched again.
    pub id: Option<EntryId>,
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Acknowledged entries that are damaged, as far as opening looked: all segment headers, the
    /// last segment, and what had to be replayed. `verify` looks at everything.
    pub damage: Vec<Damage>,
    /// Unfinished writes of the last group commit that were cut off. An id here was never
    /// acknowledged, unless bits flipped in the same commit that a crash interrupted.
    pub torn: Vec<Damage>,
    /// Why the index was rebuilt, if it was.
    pub rebuilt: Option<String>,
    /// Where the old index was put, if it could not be read.
    pub set_aside: Option<PathBuf>,
    /// Entries of the record that were projected into the index while opening.
    pub replayed: u64,
}

/// A step of long work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The index is being built from the record. Units: bytes of the record.
    Indexing { done: u64, total: u64 },
    /// Building it has ended, well or not.
    Indexed,
    /// The record is being checked. Units: bytes of the record.
    Verifying { done: u64, total: u64 },
    /// The record is being copied. Units: bytes of the record.
    Copying { done: u64, total: u64 },
    /// The index could not be used and is made anew, for this reason.
    Rebuilding { reason: String },
}

/// Receives [`Progress`]; called from the store's own threads as well.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// What `verify` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Distinct entries that were read and match their checksums.
    pub entries: u64,
    pub bytes: u64,
    pub segments: u32,
    pub damage: Vec<Damage>,
    /// Whole entries of the record that the index does not know: `reindex` repairs this.
    pub missing_in_index: Vec<EntryId>,
}

impl VerifyReport {
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.missing_in_index.is_empty()
    }
}

/// Figures for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    pub entries: u64,
    pub segments: u32,
    pub record_bytes: u64,
    /// What keeps the index, unless it is in memory.
    pub index_engine: IndexEngine,
    pub index_bytes: u64,
    /// Index operations answered from memory that are not yet in the index files.
    pub index_behind: usize,
    /// Damaged ranges found since opening.
    pub damaged: usize,
    pub state: StoreState,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    pub bytes: u64,
    pub segments: u32,
}
