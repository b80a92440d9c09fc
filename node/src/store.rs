//! Storage: a record that is the truth, and an index that can be rebuilt from it.
//!
//! Everything that reaches a node ends here, and nothing is announced, answered or shown as saved
//! before [`Store::commit`] returned (invariant I12). The store knows nothing about what entries
//! mean: it keeps their parts under an id, tells damage from unfinished writes, and lets a
//! [`Projection`] derive what the index holds.
//!
//! - [`RecordStore`]: segment files, and an index in one of several engines, for nodes.
//! - [`MemoryStore`]: the same behaviour in memory, for tests and simulation.
//!
//! One conformance suite holds for both. Spec: `specs/record-format.md`.

mod entry;
mod error;
pub mod files;
mod frame;
mod index;
mod memory;
mod open;
mod places;
mod projection;
mod reader;
mod record;
mod report;
mod scan;
mod shared;
mod sync;
mod verify;
mod writer;

pub use entry::{
    Committed, EntryPage, EntryRef, Erasure, NewEntry, Position, SIGNATURE_BYTES, StoredEntry,
    Words,
};
pub use error::StoreError;
pub use frame::{FORMAT_VERSION, FRAME_MAX_BYTES};
pub use index::{IndexEngine, UnknownEngine};
pub use memory::MemoryStore;
pub use open::{IndexPlace, Opened, Options};
pub use places::Placed;
pub use projection::{
    Direction, IndexBatch, IndexPage, IndexReader, IndexScan, NoProjection, Projection,
};
pub use reader::RecordStore;
pub use report::{
    BackupReport, Damage, DamageKind, OnProgress, OpenReport, Progress, Stats, StoreState,
    VerifyReport,
};

use comity_protocol::id::EntryId;
use std::path::Path;
use tokio::sync::watch;

/// A durable set of entries with an index. All calls block; any thread may call.
pub trait Store: Send + Sync {
    /// Makes entries durable. Calls that arrive together share one sync.
    ///
    /// On `Ok` every entry of the call is durable and visible, with one outcome each, in order. On
    /// `Err` none of them is visible, and none comes back unless the process ends before the store
    /// could cut them off. Entries are independent of each other: after a crash any of the entries
    /// of an unacknowledged call may be there, in the order of the call unless the disk reordered
    /// writes, and a concurrent reader may see the first ones a moment before the last.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] while writing does not work, [`StoreError::TooLarge`],
    /// [`StoreError::Io`] for the write that failed first.
    fn commit(&self, entries: Vec<NewEntry>) -> Result<Vec<Committed>, StoreError>;

    /// Reads an entry. `None`: no such id.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if its bytes do not match their checksum any more.
    fn get(&self, id: &EntryId) -> Result<Option<StoredEntry>, StoreError>;

    /// Whether the entry is here and not known to be damaged.
    fn contains(&self, id: &EntryId) -> Result<bool, StoreError>;

    /// Reads the entry at a position that this store gave.
    fn read_at(&self, position: Position) -> Result<StoredEntry, StoreError>;

    /// Up to `limit` entries from a position on, in record order, each id once. Damage is skipped
    /// (see [`Store::verify`]). A page may be short before the end of the record.
    fn iterate(&self, from: Position, limit: usize) -> Result<EntryPage, StoreError>;

    /// Gives every entry to `visit`, in record order: of contributions no more than their place, so
    /// that the record need not be read. A contribution of which a later copy has replaced an earlier
    /// one may come twice; the last counts. Damage is skipped, as far as it is known.
    fn places(&self, visit: &mut dyn FnMut(Placed)) -> Result<(), StoreError>;

    /// Erases the words of an entry from every file of the store; durable on `Ok`. The rest of the
    /// entry stays. Final: committing the id again with words does not bring them back.
    fn erase_words(&self, id: &EntryId) -> Result<Erasure, StoreError>;

    /// Reads what the projection derived.
    fn index(&self) -> &dyn IndexReader;

    /// Builds the index anew from the record, in another engine if one is named. Index reads wait
    /// meanwhile. If another engine fails, the index stays where it was, as it was.
    fn reindex(&self, engine: Option<IndexEngine>) -> Result<(), StoreError>;

    /// Reads and checks everything that is durable now.
    fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError>;

    /// Gives up the damaged ranges that were found since opening, so that [`Store::verify`] is
    /// clean again; returns how many. A commit of a damaged id does so for that id by itself: this
    /// is for damage that names no entry, once peers have sent what was missing.
    fn discard_damage(&self) -> Result<usize, StoreError>;

    fn stats(&self) -> Result<Stats, StoreError>;

    /// Copies the record as of now to `to`, an empty or new folder that opens as a store. Commits
    /// go on meanwhile, erasures wait.
    fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BackupReport, StoreError>;

    /// The state, to be read or awaited.
    fn state(&self) -> watch::Receiver<StoreState>;

    /// Finds out whether writing works again, with a probe write. Does nothing when writable.
    fn try_resume(&self) -> Result<(), StoreError>;

    /// Finishes and flushes. Later calls give [`StoreError::Closed`]; closing twice is no error.
    fn close(&self) -> Result<(), StoreError>;
}
