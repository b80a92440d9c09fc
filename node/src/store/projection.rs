//! What the index holds, decided by the caller: a projection from entries to index keys.

use super::{
    entry::{EntryRef, Position},
    error::StoreError,
};
use comity_protocol::{
    id::{EntryId, SpaceId},
    sync::Key,
};

/// Derives index keys from entries.
///
/// Called by one thread, in record order, once an entry is durable. It must be a pure function of
/// the entry and the index before it: the index can be thrown away and built again at any time.
///
/// It must also be idempotent. After a crash the last entries are projected again, and `view` may
/// then already hold what they, or entries after them, put there. The same entry comes again, at a
/// later position, when a damaged or wordless copy was replaced.
pub trait Projection: Send + Sync + 'static {
    /// Changes when the same entries would give other keys; the index is then rebuilt.
    fn version(&self) -> u32;

    /// # Errors
    /// Only what `view` returned: the index is then rebuilt.
    fn project(
        &self,
        position: Position,
        entry: &EntryRef<'_>,
        view: &dyn IndexReader,
        out: &mut IndexBatch,
    ) -> Result<(), StoreError>;

    /// Where a contribution stands in the set of its space, for [`super::Store::places`]. None for
    /// everything else, and for what cannot be read. Follows from the entry alone.
    fn place(&self, _entry: &EntryRef<'_>) -> Option<(SpaceId, Key)> {
        None
    }
}

/// Keeps no keys: the store then only knows entries by id and position.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProjection;

impl Projection for NoProjection {
    fn version(&self) -> u32 {
        0
    }

    fn project(
        &self,
        _: Position,
        _: &EntryRef<'_>,
        _: &dyn IndexReader,
        _: &mut IndexBatch,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Changes of the index, in order; the last one of a key counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexBatch {
    pub(crate) changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl IndexBatch {
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), Some(value.into())));
    }

    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.changes.push((key.into(), None));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// One page of keys that share a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexScan {
    pub prefix: Vec<u8>,
    /// Begin after (or, backward, before) this key; it need not exist any more.
    pub after: Option<Vec<u8>>,
    pub direction: Direction,
    /// Most items of the page; at least 1.
    pub limit: usize,
}

impl IndexScan {
    pub fn forward(prefix: impl Into<Vec<u8>>, limit: usize) -> Self {
        Self {
            prefix: prefix.into(),
            after: None,
            direction: Direction::Forward,
            limit,
        }
    }

    pub fn backward(prefix: impl Into<Vec<u8>>, limit: usize) -> Self {
        Self {
            prefix: prefix.into(),
            after: None,
            direction: Direction::Backward,
            limit,
        }
    }

    /// The same scan, from a cursor on.
    pub fn after(mut self, cursor: Option<Vec<u8>>) -> Self {
        self.after = cursor;
        self
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPage {
    pub items: Vec<(Vec<u8>, Vec<u8>)>,
    /// The cursor of the next page; `None` if this is the last.
    pub next: Option<Vec<u8>>,
}

/// Reads the index. One call sees one state; two calls may see two.
pub trait IndexReader: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    fn scan(&self, scan: &IndexScan) -> Result<IndexPage, StoreError>;
    /// Where an entry is.
    fn position_of(&self, id: &EntryId) -> Result<Option<Position>, StoreError>;
}
