//! The index in `fjall`: one keyspace, and a journal that is not synced, since the record is the
//! truth.
//!
//! Blocks and journal batches carry checksums. After a crash of the process the journal gives back
//! a prefix of what was applied, with the watermark that belongs to it.

use super::{
    engine::{Engine, KeyChange, Visit},
    tree::{Bounds, folder_bytes},
};
use crate::store::projection::Direction;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, PersistMode,
    config::{FilterPolicy, FilterPolicyEntry},
};
use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Changes given to `fjall` at once; its cost per change no longer falls beyond.
const BATCH_MAX: usize = 5_000;
/// What is collected in memory before it becomes a table, in bytes.
const MEMTABLE_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Tables that may wait to be written. At four `fjall` itself would wait in a loop that does not end
/// if the thread that writes them has met a full disk.
const UNWRITTEN_MAX: usize = 3;
/// Between looks at whether a table was written.
const UNWRITTEN_PAUSE: Duration = Duration::from_millis(2);
/// Files that `fjall` may keep open.
const OPEN_FILES_MAX: usize = 64;
/// Bits of each key in the filters that answer "not here" without reading.
const FILTER_BITS_PER_KEY: f32 = 10.0;
const KEYSPACE: &str = "index";

pub(super) struct FjallEngine {
    keys: Keyspace,
    db: Database,
    folder: PathBuf,
}

impl FjallEngine {
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, String> {
        let db = Database::builder(folder)
            .cache_size(cache_bytes)
            .max_cached_files(Some(OPEN_FILES_MAX))
            .worker_threads(1)
            .manual_journal_persist(true)
            .open()
            .map_err(told)?;
        let options = || {
            let bits = fjall::config::BloomConstructionPolicy::BitsPerKey(FILTER_BITS_PER_KEY);
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_MAX_BYTES)
                .manual_journal_persist(true)
                .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(bits)))
        };
        let keys = db.keyspace(KEYSPACE, options).map_err(told)?;
        let folder = folder.to_owned();
        Ok(Self { keys, db, folder })
    }

    /// Waits until few enough tables are unwritten; fails if writing them has failed.
    fn wait_for_tables(&self) -> Result<(), String> {
        while self.keys.sealed_memtable_count() >= UNWRITTEN_MAX {
            self.db.persist(PersistMode::Buffer).map_err(told)?;
            thread::sleep(UNWRITTEN_PAUSE);
        }
        Ok(())
    }
}

fn told(error: fjall::Error) -> String {
    error.to_string()
}

impl Engine for FjallEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let value = self.keys.get(key).map_err(told)?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn apply(&self, changes: &[KeyChange<'_>]) -> Result<(), String> {
        self.wait_for_tables()?;
        let mut batch = self.db.batch();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.keys, *key, *value),
                None => batch.remove(&self.keys, *key),
            }
        }
        batch.commit().map_err(told)
    }

    fn batch_max(&self) -> usize {
        BATCH_MAX
    }

    fn range(
        &self,
        bounds: &Bounds,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), String> {
        let items = self.keys.range(bounds.clone()).map(|item| {
            let (key, value) = item.into_inner().map_err(told)?;
            Ok((key.to_vec(), value.to_vec()))
        });
        match direction {
            Direction::Forward => visit(&mut { items }),
            Direction::Backward => visit(&mut items.rev()),
        }
    }

    fn flush(&self) -> Result<(), String> {
        self.db.persist(PersistMode::SyncAll).map_err(told)
    }

    fn bytes(&self) -> u64 {
        folder_bytes(&self.folder)
    }
}
