//! One ordered map of bytes: an engine on disk, or memory where no disk may be touched.
//!
//! Engines may panic on damaged files, at opening as well as later. Every call is guarded: a panic
//! becomes an error, and the index is then set aside and rebuilt.

use super::{
    engine::{Engine, IndexEngine, Items, KeyChange, Visit},
    fjall::FjallEngine,
    sled::SledEngine,
};
use crate::store::{
    projection::Direction,
    sync::{read, write},
};
use std::{
    collections::BTreeMap,
    ops::Bound,
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::RwLock,
};

pub(crate) type Item = (Vec<u8>, Vec<u8>);
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Unit of a file's allocated blocks, whatever the file system, in bytes.
const BLOCK_BYTES: u64 = 512;

pub(crate) struct Tree(Box<dyn Engine>);

fn guarded<T>(action: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|_| Err("its files are damaged".into()))
}

impl Tree {
    pub(crate) fn open(
        engine: IndexEngine,
        folder: &Path,
        cache_bytes: u64,
    ) -> Result<Self, String> {
        guarded(|| {
            Ok(Self(match engine {
                IndexEngine::Sled => Box::new(SledEngine::open(folder, cache_bytes)?),
                IndexEngine::Fjall => Box::new(FjallEngine::open(folder, cache_bytes)?),
            }))
        })
    }

    pub(crate) fn memory() -> Self {
        Self(Box::new(MemoryEngine::default()))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        guarded(|| self.0.get(key))
    }

    /// Changes in the order of their keys. They reach the engine in that order, in parts.
    pub(crate) fn apply(&self, changes: &[KeyChange<'_>]) -> Result<(), String> {
        for part in changes.chunks(self.0.batch_max()) {
            guarded(|| self.0.apply(part))?;
        }
        Ok(())
    }

    /// Gives the keys between the bounds to `visit`, in the order of `direction`.
    pub(crate) fn range<T>(
        &self,
        bounds: &Bounds,
        direction: Direction,
        visit: impl FnOnce(&mut Items<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let (mut visit, mut outcome) = (Some(visit), None);
        guarded(|| {
            self.0.range(bounds, direction, &mut |items| {
                outcome = visit.take().map(|visit| visit(items));
                Ok(())
            })
        })?;
        outcome.unwrap_or_else(|| Err("its keys could not be read".into()))
    }

    /// Engines only write here; making it durable is [`sync_folder`], after closing.
    pub(crate) fn flush(&self) -> Result<(), String> {
        guarded(|| self.0.flush())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Dropping an engine writes, which may panic like any other call.
    pub(crate) fn close(self) {
        let _ = guarded(|| {
            drop(self);
            Ok(())
        });
    }
}

/// Where no disk may be touched, or none has room.
#[derive(Default)]
struct MemoryEngine(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Engine for MemoryEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        Ok(read(&self.0).get(key).cloned())
    }

    fn apply(&self, changes: &[KeyChange<'_>]) -> Result<(), String> {
        let mut map = write(&self.0);
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key.to_vec(), value.to_vec()),
                None => map.remove(*key),
            };
        }
        Ok(())
    }

    fn batch_max(&self) -> usize {
        usize::MAX
    }

    fn range(
        &self,
        bounds: &Bounds,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), String> {
        let map = read(&self.0);
        let items = map.range(bounds.clone());
        let items = items.map(|(key, value)| Ok((key.clone(), value.clone())));
        match direction {
            Direction::Forward => visit(&mut { items }),
            Direction::Backward => visit(&mut items.rev()),
        }
    }

    fn flush(&self) -> Result<(), String> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

/// What the files of a folder take on disk: engines set space aside that holds nothing yet.
pub(super) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * BLOCK_BYTES,
            Err(_) => 0,
        })
        .sum()
}

/// Syncs every file of the folder, which not every engine does by itself.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_folder(&path)?;
        } else {
            std::fs::File::open(&path)?.sync_all()?;
        }
    }
    std::fs::File::open(folder)?.sync_all()
}
