//! The index in `sled`.
//!
//! `sled` 0.34 panics on damaged files, at opening as well as later; [`super::tree`] guards against
//! that. It never syncs its files; [`super::tree::sync_folder`] does, after closing.

use super::{
    engine::{Engine, KeyChange, Visit},
    tree::{Bounds, folder_bytes},
};
use crate::store::projection::Direction;
use std::path::{Path, PathBuf};

/// Changes given to `sled` at once. Large batches made it use gigabytes.
const BATCH_MAX: usize = 50;

pub(super) struct SledEngine {
    db: sled::Db,
    folder: PathBuf,
}

impl SledEngine {
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, String> {
        let db = sled::Config::default()
            .path(folder)
            .cache_capacity(cache_bytes)
            .open()
            .map_err(|error| error.to_string())?;
        let folder = folder.to_owned();
        Ok(Self { db, folder })
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let value = self.db.get(key).map_err(|error| error.to_string())?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn apply(&self, changes: &[KeyChange<'_>]) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(*key, *value),
                None => batch.remove(*key),
            }
        }
        let applied = self.db.apply_batch(batch);
        applied.map_err(|error| error.to_string())
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
        let items = self.db.range(bounds.clone()).map(|item| {
            let (key, value) = item.map_err(|error| error.to_string())?;
            Ok((key.to_vec(), value.to_vec()))
        });
        match direction {
            Direction::Forward => visit(&mut { items }),
            Direction::Backward => visit(&mut items.rev()),
        }
    }

    fn flush(&self) -> Result<(), String> {
        let flushed = self.db.flush();
        flushed.map(drop).map_err(|error| error.to_string())
    }

    fn bytes(&self) -> u64 {
        folder_bytes(&self.folder)
    }
}
