//! Documents in the order in which they arrived at this node, over one or several spaces.

use crate::{
    archive::Archive,
    projection::{KindCode, list_prefix, read_listed},
    store::{Direction, IndexScan, Position, StoreError},
};
use comity_protocol::id::SpaceId;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

const PAGE: usize = 128;
const COUNT_PAGE: usize = 4_096;

/// A document and when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Position of its create in the record: where a list goes on after it.
    pub(super) position: Position,
    pub(super) kind: KindCode,
}

/// Merges lists of the index, each ordered by arrival, into one.
pub(super) struct Arrivals<'a> {
    archive: &'a Archive,
    direction: Direction,
    lists: Vec<List>,
}

struct List {
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    buffer: VecDeque<Arrival>,
    at_end: bool,
}

impl<'a> Arrivals<'a> {
    /// Reads the lists under these prefixes, after a position if one is given.
    pub(super) fn new(
        archive: &'a Archive,
        prefixes: Vec<Vec<u8>>,
        direction: Direction,
        after: Option<u64>,
    ) -> Self {
        let lists = prefixes
            .into_iter()
            .map(|prefix| List {
                after: after.map(|at| [&prefix[..], &at.to_be_bytes()].concat()),
                prefix,
                buffer: VecDeque::new(),
                at_end: false,
            })
            .collect();
        Self {
            archive,
            direction,
            lists,
        }
    }

    /// The next document; none after the last.
    pub(super) fn next(&mut self) -> Result<Option<Arrival>, StoreError> {
        for list in &mut self.lists {
            list.fill(self.archive, self.direction)?;
        }
        let heads = self.lists.iter_mut().filter(|list| !list.buffer.is_empty());
        let position = |list: &&mut List| list.buffer[0].position;
        let next = match self.direction {
            Direction::Forward => heads.min_by_key(position),
            Direction::Backward => heads.max_by_key(position),
        };
        Ok(next.and_then(|list| list.buffer.pop_front()))
    }
}

impl List {
    fn fill(&mut self, archive: &Archive, direction: Direction) -> Result<(), StoreError> {
        if !self.buffer.is_empty() || self.at_end {
            return Ok(());
        }
        let scan = IndexScan {
            prefix: self.prefix.clone(),
            after: self.after.take(),
            direction,
            limit: PAGE,
        };
        let page = archive.store().index().scan(&scan)?;
        self.buffer
            .extend(page.items.iter().filter_map(|(key, value)| {
                let (position, kind) = read_listed(key, value)?;
                Some(Arrival { position, kind })
            }));
        self.at_end = page.next.is_none();
        self.after = page.next;
        Ok(())
    }
}

/// The key up to which documents were counted, and how many there were.
type Counted = (Option<Vec<u8>>, u64);

/// How many documents each space has: counted once, then only what is new.
#[derive(Default)]
pub(super) struct Counts {
    counted: Mutex<HashMap<SpaceId, Counted>>,
}

impl Counts {
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SpaceId, Counted>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of documents in a space.
    pub(super) fn of(&self, archive: &Archive, space: &SpaceId) -> Result<u64, StoreError> {
        let mut counted = self.lock();
        let (after, count) = counted.entry(*space).or_default();
        loop {
            let scan = IndexScan::forward(list_prefix(space), COUNT_PAGE).after(after.clone());
            let page = archive.store().index().scan(&scan)?;
            *count += page.items.len() as u64;
            if let Some((last, _)) = page.items.last() {
                *after = Some(last.clone());
            }
            if page.next.is_none() {
                return Ok(count.saturating_sub(archive.held().documents(space)));
            }
        }
    }
}
