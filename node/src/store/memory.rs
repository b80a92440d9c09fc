//! The store in memory: what [`super::RecordStore`] does, without anything that can fail.
//!
//! Written separately, so that the conformance suite compares two implementations.

use super::{
    BackupReport, Committed, Direction, EntryPage, EntryRef, Erasure, IndexBatch, IndexEngine,
    IndexPage, IndexPlace, IndexReader, IndexScan, NewEntry, NoProjection, Opened, Options, Placed,
    Position, Progress, Projection, RecordStore, Stats, Store, StoreError, StoreState, StoredEntry,
    VerifyReport, Words,
    files::RealFiles,
    frame::FRAME_MAX_BYTES,
    sync::{lock, read, write},
};
use comity_protocol::id::EntryId;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, RwLock},
};
use tokio::sync::watch;

/// A store that ends with the process.
pub struct MemoryStore {
    /// Held during a commit, so that entries are projected in record order.
    entries: Mutex<Vec<StoredEntry>>,
    index: MemoryIndex,
    engine: Mutex<IndexEngine>,
    projection: Arc<dyn Projection>,
    state: watch::Sender<StoreState>,
}

#[derive(Default)]
struct MemoryIndex {
    keys: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
    positions: RwLock<BTreeMap<EntryId, Position>>,
}

impl MemoryStore {
    pub fn new(projection: Arc<dyn Projection>) -> Self {
        Self {
            entries: Mutex::default(),
            index: MemoryIndex::default(),
            engine: Mutex::default(),
            projection,
            state: watch::Sender::new(StoreState::Ready),
        }
    }

    fn check_open(&self) -> Result<(), StoreError> {
        match *self.state.borrow() {
            StoreState::Closed => Err(StoreError::Closed),
            _ => Ok(()),
        }
    }

    fn project(&self, entry: &StoredEntry) -> Result<(), StoreError> {
        let visible = EntryRef {
            kind: entry.kind,
            id: entry.id,
            header: &entry.header,
            signature: &entry.signature,
            shape: &entry.shape,
        };
        let mut batch = IndexBatch::default();
        self.projection
            .project(entry.position, &visible, &self.index, &mut batch)?;
        let mut keys = write(&self.index.keys);
        for (key, value) in batch.changes {
            match value {
                Some(value) => keys.insert(key, value),
                None => keys.remove(&key),
            };
        }
        write(&self.index.positions).insert(entry.id, entry.position);
        Ok(())
    }

    fn commit_one(
        &self,
        entries: &mut Vec<StoredEntry>,
        new: NewEntry,
    ) -> Result<Committed, StoreError> {
        let before = self.index.position_of(&new.id)?;
        if let Some(position) = before {
            let wordless = entries[position.to_u64() as usize].words == Words::Absent;
            if !wordless || new.words.is_none() {
                return Ok(Committed::AlreadyPresent(position));
            }
        }
        let position = Position::from_u64(entries.len() as u64);
        let NewEntry {
            kind,
            id,
            header,
            signature,
            shape,
            words,
        } = new;
        let words = words.map_or(Words::Absent, Words::Present);
        entries.push(StoredEntry {
            position,
            kind,
            id,
            header,
            signature,
            shape,
            words,
        });
        self.project(&entries[position.to_u64() as usize])?;
        Ok(match before {
            Some(_) => Committed::Restored(position),
            None => Committed::Added(position),
        })
    }
}

impl Store for MemoryStore {
    fn commit(&self, new: Vec<NewEntry>) -> Result<Vec<Committed>, StoreError> {
        self.check_open()?;
        for entry in &new {
            let words = entry.words.as_ref().map_or(0, Vec::len);
            let bytes = (entry.header.len() + entry.shape.len() + words) as u64;
            if bytes > FRAME_MAX_BYTES {
                return Err(StoreError::TooLarge {
                    bytes,
                    max: FRAME_MAX_BYTES,
                });
            }
        }
        let mut entries = lock(&self.entries);
        new.into_iter()
            .map(|entry| self.commit_one(&mut entries, entry))
            .collect()
    }

    fn get(&self, id: &EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.check_open()?;
        let position = self.index.position_of(id)?;
        Ok(position.map(|position| lock(&self.entries)[position.to_u64() as usize].clone()))
    }

    fn contains(&self, id: &EntryId) -> Result<bool, StoreError> {
        self.check_open()?;
        Ok(self.index.position_of(id)?.is_some())
    }

    fn read_at(&self, position: Position) -> Result<StoredEntry, StoreError> {
        self.check_open()?;
        let entries = lock(&self.entries);
        entries
            .get(position.to_u64() as usize)
            .cloned()
            .ok_or(StoreError::NoEntry { position })
    }

    fn iterate(&self, from: Position, limit: usize) -> Result<EntryPage, StoreError> {
        self.check_open()?;
        let entries = lock(&self.entries);
        let mut page = EntryPage {
            entries: Vec::new(),
            next: from,
            at_end: false,
        };
        for entry in entries.iter().skip(from.to_u64() as usize) {
            if page.entries.len() >= limit.max(1) {
                return Ok(page);
            }
            if self.index.position_of(&entry.id)? == Some(entry.position) {
                page.entries.push(entry.clone());
            }
            page.next = Position::from_u64(entry.position.to_u64() + 1);
        }
        page.at_end = true;
        Ok(page)
    }

    fn places(&self, visit: &mut dyn FnMut(Placed)) -> Result<(), StoreError> {
        self.check_open()?;
        for entry in lock(&self.entries).iter() {
            let seen = EntryRef {
                kind: entry.kind,
                id: entry.id,
                header: &entry.header,
                signature: &entry.signature,
                shape: &entry.shape,
            };
            visit(match self.projection.place(&seen) {
                Some((space, key)) => Placed::Contribution {
                    position: entry.position,
                    space,
                    key,
                },
                None => Placed::Other(entry.clone()),
            });
        }
        Ok(())
    }

    fn erase_words(&self, id: &EntryId) -> Result<Erasure, StoreError> {
        self.check_open()?;
        let mut entries = lock(&self.entries);
        let Some(position) = self.index.position_of(id)? else {
            return Ok(Erasure::Unknown);
        };
        let words = &mut entries[position.to_u64() as usize].words;
        match words {
            Words::Absent => Ok(Erasure::NoWords),
            Words::Erased { .. } => Ok(Erasure::AlreadyErased),
            Words::Present(bytes) => {
                *words = Words::Erased {
                    len: bytes.len() as u32,
                };
                Ok(Erasure::Erased)
            }
            Words::Damaged => unreachable!("nothing in memory is ever marked damaged"),
        }
    }

    fn index(&self) -> &dyn IndexReader {
        &self.index
    }

    fn reindex(&self, engine: Option<IndexEngine>) -> Result<(), StoreError> {
        self.check_open()?;
        // Nothing here is in an engine; the name is remembered as a store would.
        if let Some(engine) = engine {
            *lock(&self.engine) = engine;
        }
        let entries = lock(&self.entries);
        write(&self.index.keys).clear();
        write(&self.index.positions).clear();
        entries.iter().try_for_each(|entry| self.project(entry))
    }

    fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError> {
        let stats = self.stats()?;
        progress(Progress::Verifying {
            done: stats.record_bytes,
            total: stats.record_bytes,
        });
        Ok(VerifyReport {
            entries: stats.entries,
            bytes: stats.record_bytes,
            ..VerifyReport::default()
        })
    }

    fn discard_damage(&self) -> Result<usize, StoreError> {
        self.check_open().map(|()| 0)
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let words = |entry: &StoredEntry| match &entry.words {
            Words::Present(words) => words.len(),
            _ => 0,
        };
        let entries = lock(&self.entries);
        let bytes = entries
            .iter()
            .map(|entry| (entry.header.len() + entry.shape.len() + words(entry)) as u64);
        Ok(Stats {
            entries: read(&self.index.positions).len() as u64,
            segments: 0,
            record_bytes: bytes.sum(),
            index_engine: *lock(&self.engine),
            index_bytes: 0,
            index_behind: 0,
            damaged: 0,
            state: self.state.borrow().clone(),
        })
    }

    fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BackupReport, StoreError> {
        self.check_open()?;
        let attempted = format!("back up to {}", to.display());
        let files = RealFiles::create(&to.join("record")).map_err(StoreError::io(attempted))?;
        if !super::files::Files::list(&files)
            .map_err(StoreError::io("look there"))?
            .is_empty()
        {
            return Err(StoreError::BackupTarget(to.to_owned()));
        }
        let options = Options::default();
        let opened = RecordStore::open_on(
            Arc::new(files),
            IndexPlace::Memory,
            Arc::new(NoProjection),
            options,
        )?;
        let Opened::Ready(copy, _) = opened else {
            return Err(StoreError::Unreadable);
        };
        for entry in lock(&self.entries).iter() {
            let id = entry.id;
            let erased = matches!(entry.words, Words::Erased { .. });
            copy.commit(vec![as_new(entry)])?;
            if erased {
                copy.erase_words(&id)?;
            }
        }
        let stats = copy.stats()?;
        copy.close()?;
        progress(Progress::Copying {
            done: stats.record_bytes,
            total: stats.record_bytes,
        });
        Ok(BackupReport {
            bytes: stats.record_bytes,
            segments: stats.segments,
        })
    }

    fn state(&self) -> watch::Receiver<StoreState> {
        self.state.subscribe()
    }

    fn try_resume(&self) -> Result<(), StoreError> {
        self.check_open()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.state.send_replace(StoreState::Closed);
        Ok(())
    }
}

fn as_new(entry: &StoredEntry) -> NewEntry {
    NewEntry {
        kind: entry.kind,
        id: entry.id,
        header: entry.header.clone(),
        signature: entry.signature,
        shape: entry.shape.clone(),
        words: match &entry.words {
            Words::Present(words) => Some(words.clone()),
            Words::Erased { len } => Some(vec![0; *len as usize]),
            Words::Absent | Words::Damaged => None,
        },
    }
}

impl IndexReader for MemoryIndex {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(read(&self.keys).get(key).cloned())
    }

    fn scan(&self, scan: &IndexScan) -> Result<IndexPage, StoreError> {
        let keys = read(&self.keys);
        let inside = keys
            .range(scan.prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&scan.prefix))
            .filter(|(key, _)| match (&scan.after, scan.direction) {
                (None, _) => true,
                (Some(after), Direction::Forward) => *key > after,
                (Some(after), Direction::Backward) => *key < after,
            })
            .map(|(key, value)| (key.clone(), value.clone()));
        let limit = scan.limit.max(1);
        let items: Vec<_> = match scan.direction {
            Direction::Forward => inside.take(limit).collect(),
            Direction::Backward => {
                let mut all: Vec<_> = inside.collect();
                all.reverse();
                all.truncate(limit);
                all
            }
        };
        let next = if items.len() < limit {
            None
        } else {
            items.last().map(|(key, _)| key.clone())
        };
        Ok(IndexPage { items, next })
    }

    fn position_of(&self, id: &EntryId) -> Result<Option<Position>, StoreError> {
        Ok(read(&self.positions).get(id).copied())
    }
}
