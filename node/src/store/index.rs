//! The index: what the projection derived, in an engine, behind a map of what that does not have yet.
//!
//! Reads look into the fresh map first, so they see every entry as soon as it is durable, although
//! one thread brings the changes into the engine later. Nothing here is irreplaceable. Spec:
//! `specs/record-format.md` §8.

pub(crate) mod engine;
mod fjall;
pub(crate) mod merge;
mod sled;
pub(crate) mod tree;

use super::{
    entry::Position,
    error::StoreError,
    projection::{Direction, IndexPage, IndexReader, IndexScan},
    sync::{lock, read, write},
};
use comity_protocol::id::EntryId;
pub use engine::{IndexEngine, UnknownEngine};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, Condvar, Mutex, RwLock},
};
pub(crate) use tree::Tree;

/// Changes that may wait for the engine before the writer waits for them.
pub(crate) const BEHIND_MAX: usize = 50_000;
/// Changes that are put into key order before they go to the engine, where neighbours cost less.
const ROUND_MAX: usize = 25_000;
const CALLER: u8 = 1;
const ENTRY_POSITION: &[u8] = b"\0i";
const WATERMARK: &[u8] = b"\0w";

type Bytes = Arc<[u8]>;

/// How far the index covers which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// All entries before this are in the index.
    pub(crate) end: Position,
    pub(crate) entries: u64,
    /// Marker of the record's first segment: an index never serves another record.
    pub(crate) identity: [u8; 8],
    pub(crate) projection: u32,
}

impl Watermark {
    const BYTES: usize = 8 + 8 + 8 + 4;

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend_from_slice(&self.end.to_u64().to_be_bytes());
        bytes.extend_from_slice(&self.entries.to_be_bytes());
        bytes.extend_from_slice(&self.identity);
        bytes.extend_from_slice(&self.projection.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        Some(Self {
            end: Position::from_u64(u64::from_be_bytes(bytes[..8].try_into().ok()?)),
            entries: u64::from_be_bytes(bytes[8..16].try_into().ok()?),
            identity: bytes[16..24].try_into().ok()?,
            projection: u32::from_be_bytes(bytes[24..].try_into().ok()?),
        })
    }
}

struct Fresh {
    value: Option<Bytes>,
    sequence: u64,
}

struct Change {
    key: Bytes,
    value: Option<Bytes>,
    sequence: u64,
}

#[derive(Default)]
struct Queue {
    changes: VecDeque<Change>,
    applying: usize,
    next_sequence: u64,
    failed: Option<String>,
    closing: bool,
}

pub(crate) struct Index {
    tree: RwLock<Option<Tree>>,
    fresh: RwLock<BTreeMap<Bytes, Fresh>>,
    queue: Mutex<Queue>,
    work: Condvar,
    progress: Condvar,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            tree: RwLock::new(None),
            fresh: RwLock::default(),
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    /// Drops the tree and everything that was to go into it.
    pub(crate) fn take_tree(&self) {
        let mut queue = lock(&self.queue);
        queue.changes.clear();
        while queue.applying > 0 {
            queue = self
                .progress
                .wait(queue)
                .unwrap_or_else(|error| error.into_inner());
        }
        write(&self.fresh).clear();
        if let Some(tree) = write(&self.tree).take() {
            tree.close();
        }
    }

    pub(crate) fn set_tree(&self, tree: Tree) {
        *write(&self.tree) = Some(tree);
        lock(&self.queue).failed = None;
    }

    /// Why changes no longer reach the tree, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.queue).failed.clone()
    }

    /// Nothing more goes into this tree.
    pub(crate) fn fail(&self, reason: &str) {
        lock(&self.queue).failed = Some(reason.to_owned());
    }

    pub(crate) fn behind(&self) -> usize {
        let queue = lock(&self.queue);
        queue.changes.len() + queue.applying
    }

    pub(crate) fn bytes(&self) -> u64 {
        read(&self.tree).as_ref().map_or(0, Tree::bytes)
    }

    pub(crate) fn watermark(&self) -> Result<Option<Watermark>, StoreError> {
        Ok(self
            .get_raw(WATERMARK)?
            .and_then(|bytes| Watermark::decode(&bytes)))
    }

    /// Makes the changes of one entry visible, and queues them.
    pub(crate) fn publish(
        &self,
        id: &EntryId,
        position: Position,
        changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) {
        let own = (
            entry_key(id).into(),
            Some(position.to_u64().to_be_bytes().to_vec().into()),
        );
        let callers = changes
            .into_iter()
            .map(|(key, value)| (caller_key(&key).into(), value.map(Bytes::from)));
        self.push(callers.chain([own]));
    }

    /// To be called after [`Self::publish`] of every entry it covers.
    pub(crate) fn publish_watermark(&self, watermark: Watermark) {
        self.push([(WATERMARK.into(), Some(watermark.encode().into()))].into_iter());
    }

    fn push(&self, changes: impl Iterator<Item = (Bytes, Option<Bytes>)>) {
        let mut queue = lock(&self.queue);
        while queue.changes.len() >= BEHIND_MAX && queue.failed.is_none() {
            queue = self
                .progress
                .wait(queue)
                .unwrap_or_else(|error| error.into_inner());
        }
        let mut fresh = write(&self.fresh);
        for (key, value) in changes {
            queue.next_sequence += 1;
            let sequence = queue.next_sequence;
            fresh.insert(
                key.clone(),
                Fresh {
                    value: value.clone(),
                    sequence,
                },
            );
            queue.changes.push_back(Change {
                key,
                value,
                sequence,
            });
        }
        drop(fresh);
        drop(queue);
        self.work.notify_one();
    }

    /// Waits until everything is in the tree, then flushes it.
    pub(crate) fn drain(&self) -> Result<(), StoreError> {
        let mut queue = lock(&self.queue);
        while (queue.applying > 0 || !queue.changes.is_empty()) && queue.failed.is_none() {
            queue = self
                .progress
                .wait(queue)
                .unwrap_or_else(|error| error.into_inner());
        }
        if let Some(reason) = &queue.failed {
            return Err(StoreError::index("write the index", reason));
        }
        drop(queue);
        let tree = read(&self.tree);
        tree.as_ref()
            .map_or(Ok(()), Tree::flush)
            .map_err(|reason| StoreError::index("flush the index", reason))
    }

    /// Ends [`Self::run`].
    pub(crate) fn stop(&self) {
        lock(&self.queue).closing = true;
        self.work.notify_all();
    }

    /// Brings changes into the tree until [`Self::stop`]. Runs in a thread of its own.
    pub(crate) fn run(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while !queue.closing && (queue.changes.is_empty() || queue.failed.is_some()) {
                queue = self
                    .work
                    .wait(queue)
                    .unwrap_or_else(|error| error.into_inner());
            }
            if queue.closing && (queue.changes.is_empty() || queue.failed.is_some()) {
                return;
            }
            let count = queue.changes.len().min(ROUND_MAX);
            let batch: Vec<Change> = queue.changes.drain(..count).collect();
            queue.applying = batch.len();
            drop(queue);
            let outcome = self.apply(&batch);
            let mut queue = lock(&self.queue);
            queue.applying = 0;
            if let Err(reason) = outcome {
                queue.failed = Some(reason);
            }
            drop(queue);
            self.progress.notify_all();
        }
    }

    /// Of each key the last change counts. The watermark goes last, whatever its key: until then a
    /// crash only means that these entries are projected again.
    fn apply(&self, batch: &[Change]) -> Result<(), String> {
        let tree = read(&self.tree);
        let tree = tree.as_ref().ok_or("the index is not open")?;
        let mut last: BTreeMap<&[u8], Option<&[u8]>> = batch
            .iter()
            .map(|change| (&change.key[..], change.value.as_deref()))
            .collect();
        let watermark = last.remove_entry(WATERMARK);
        let ordered: Vec<_> = last.into_iter().collect();
        tree.apply(&ordered)?;
        if let Some(watermark) = watermark {
            tree.apply(&[watermark])?;
        }
        let mut fresh = write(&self.fresh);
        for change in batch {
            if fresh
                .get(&change.key)
                .is_some_and(|kept| kept.sequence == change.sequence)
            {
                fresh.remove(&change.key);
            }
        }
        Ok(())
    }

    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(fresh) = read(&self.fresh).get(key) {
            return Ok(fresh.value.as_ref().map(|value| value.to_vec()));
        }
        let tree = read(&self.tree);
        let tree = tree.as_ref().ok_or_else(not_open)?;
        tree.get(key)
            .map_err(|reason| StoreError::index("read the index", reason))
    }
}

fn not_open() -> StoreError {
    StoreError::index("read the index", "it is not open")
}

fn entry_key(id: &EntryId) -> Vec<u8> {
    [ENTRY_POSITION, id.as_bytes()].concat()
}

fn caller_key(key: &[u8]) -> Vec<u8> {
    [&[CALLER], key].concat()
}

/// The first key after all keys with this prefix.
pub(crate) fn prefix_end(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

/// The keys a scan still has to look at.
pub(crate) fn scan_bounds(
    prefix: &[u8],
    after: Option<&[u8]>,
    direction: Direction,
) -> Option<tree::Bounds> {
    let (mut from, mut to) = (Bound::Included(prefix.to_vec()), prefix_end(prefix));
    match (after, direction) {
        (Some(after), Direction::Forward) if after >= prefix => {
            from = Bound::Excluded(after.to_vec());
        }
        (Some(after), Direction::Backward) => {
            let inside = match &to {
                Bound::Excluded(end) => after < end.as_slice(),
                _ => true,
            };
            if inside {
                to = Bound::Excluded(after.to_vec());
            }
        }
        _ => {}
    }
    let empty = match (&from, &to) {
        (Bound::Included(from), Bound::Excluded(to))
        | (Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        _ => false,
    };
    (!empty).then_some((from, to))
}

/// Without healing: for the writer thread, which heals.
impl IndexReader for Index {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_raw(&caller_key(key))
    }

    fn scan(&self, scan: &IndexScan) -> Result<IndexPage, StoreError> {
        let prefix = caller_key(&scan.prefix);
        let after = scan.after.as_deref().map(caller_key);
        let Some(bounds) = scan_bounds(&prefix, after.as_deref(), scan.direction) else {
            return Ok(IndexPage::default());
        };
        let limit = scan.limit.max(1);
        // The fresh map is held for the whole page: nothing moves from it into the tree meanwhile.
        let fresh = read(&self.fresh);
        let recent = fresh
            .range::<[u8], _>((
                bounds.0.as_ref().map(Vec::as_slice),
                bounds.1.as_ref().map(Vec::as_slice),
            ))
            .map(|(key, fresh)| {
                (
                    key.to_vec(),
                    fresh.value.as_ref().map(|value| value.to_vec()),
                )
            });
        let tree = read(&self.tree);
        let tree = tree.as_ref().ok_or_else(not_open)?;
        let items = match scan.direction {
            Direction::Forward => tree.range(&bounds, scan.direction, |settled| {
                merge::merge(recent, settled, scan.direction, limit)
            }),
            Direction::Backward => tree.range(&bounds, scan.direction, |settled| {
                merge::merge(recent.rev(), settled, scan.direction, limit)
            }),
        }
        .map_err(|reason| StoreError::index("scan the index", reason))?;
        let items: Vec<_> = items
            .into_iter()
            .map(|(key, value)| (key[1..].to_vec(), value))
            .collect();
        let next = if items.len() < limit {
            None
        } else {
            items.last().map(|(key, _)| key.clone())
        };
        Ok(IndexPage { items, next })
    }

    fn position_of(&self, id: &EntryId) -> Result<Option<Position>, StoreError> {
        let value = self.get_raw(&entry_key(id))?;
        value
            .map(|bytes| {
                let raw = bytes.as_slice().try_into().map(u64::from_be_bytes);
                raw.map(Position::from_u64)
                    .map_err(|_| StoreError::index("read a position", "it is not eight bytes"))
            })
            .transpose()
    }
}

impl Index {
    /// Ids of entries whose position lies in one of the ranges, with that position.
    pub(crate) fn ids_between(
        &self,
        inside: impl Fn(Position) -> bool,
    ) -> Result<Vec<(Position, EntryId)>, StoreError> {
        let bounds = (
            Bound::Included(ENTRY_POSITION.to_vec()),
            prefix_end(ENTRY_POSITION),
        );
        let mut found = Vec::new();
        let tree = read(&self.tree);
        let tree = tree.as_ref().ok_or_else(not_open)?;
        tree.range(&bounds, Direction::Forward, |settled| {
            for item in settled {
                let (key, value) = item?;
                let id = key[ENTRY_POSITION.len()..]
                    .try_into()
                    .map(EntryId::from_bytes);
                let raw = value.as_slice().try_into().map(u64::from_be_bytes);
                if let (Ok(id), Ok(raw)) = (id, raw) {
                    let position = Position::from_u64(raw);
                    if inside(position) {
                        found.push((position, id));
                    }
                }
            }
            Ok(())
        })
        .map_err(|reason: String| StoreError::index("look up damaged entries", reason))?;
        found.sort();
        Ok(found)
    }
}
