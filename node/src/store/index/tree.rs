//! One ordered map of bytes: `sled` on disk, or memory where no disk may be touched.
//!
//! `sled` 0.34 panics on damaged files, at opening as well as later. Every call is guarded: a panic
//! becomes an error, and the index is then set aside and rebuilt.

use crate::store::{
    projection::Direction,
    sync::{read, write},
};
use std::{
    collections::BTreeMap,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::RwLock,
};

type Item = (Vec<u8>, Vec<u8>);
pub(crate) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

pub(crate) enum Tree {
    Sled { db: sled::Db, folder: PathBuf },
    Memory(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>),
}

fn guarded<T>(action: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|_| Err("its files are damaged".into()))
}

impl Tree {
    pub(crate) fn open_sled(folder: &Path, cache_bytes: u64) -> Result<Self, String> {
        guarded(|| {
            let db = sled::Config::default()
                .path(folder)
                .cache_capacity(cache_bytes)
                .open();
            db.map(|db| Self::Sled {
                db,
                folder: folder.to_owned(),
            })
            .map_err(|e| e.to_string())
        })
    }

    pub(crate) fn memory() -> Self {
        Self::Memory(RwLock::default())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Sled { db, .. } => guarded(|| {
                let value = db.get(key).map_err(|error| error.to_string())?;
                Ok(value.map(|value| value.to_vec()))
            }),
            Self::Memory(map) => Ok(read(map).get(key).cloned()),
        }
    }

    pub(crate) fn apply<'a>(
        &self,
        changes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), String> {
        match self {
            Self::Sled { db, .. } => guarded(|| {
                let mut batch = sled::Batch::default();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                db.apply_batch(batch).map_err(|error| error.to_string())
            }),
            Self::Memory(map) => {
                let mut map = write(map);
                for (key, value) in changes {
                    match value {
                        Some(value) => map.insert(key.to_vec(), value.to_vec()),
                        None => map.remove(key),
                    };
                }
                Ok(())
            }
        }
    }

    /// Gives the keys between the bounds to `visit`, in the order of `direction`.
    pub(crate) fn range<T>(
        &self,
        bounds: &Bounds,
        direction: Direction,
        visit: impl FnOnce(&mut dyn Iterator<Item = Result<Item, String>>) -> Result<T, String>,
    ) -> Result<T, String> {
        match self {
            Self::Sled { db, .. } => guarded(|| {
                let items = db.range(bounds.clone()).map(|item| {
                    let (key, value) = item.map_err(|error| error.to_string())?;
                    Ok((key.to_vec(), value.to_vec()))
                });
                match direction {
                    Direction::Forward => visit(&mut { items }),
                    Direction::Backward => visit(&mut items.rev()),
                }
            }),
            Self::Memory(map) => {
                let map = read(map);
                let items = map
                    .range(bounds.clone())
                    .map(|(k, v)| Ok((k.clone(), v.clone())));
                match direction {
                    Direction::Forward => visit(&mut { items }),
                    Direction::Backward => visit(&mut items.rev()),
                }
            }
        }
    }

    /// `sled` only writes here; making it durable is [`sync_folder`], after closing.
    pub(crate) fn flush(&self) -> Result<(), String> {
        match self {
            Self::Sled { db, .. } => guarded(|| match db.flush() {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            }),
            Self::Memory(_) => Ok(()),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Sled { folder, .. } => folder_bytes(folder),
            Self::Memory(_) => 0,
        }
    }

    /// Dropping `sled` flushes, which may panic like any other call.
    pub(crate) fn close(self) {
        let _ = guarded(|| {
            drop(self);
            Ok(())
        });
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// What `sled` itself never does: syncs every file of the folder.
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
