//! What keeps the index on disk: the engines there are, and what each of them has to do.

use super::tree::{Bounds, Item};
use crate::store::projection::Direction;
use std::{fmt, str::FromStr};
use thiserror::Error;

/// An engine that keeps the index. Which one is a setting of the home; all of them hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum IndexEngine {
    /// `sled` 0.34: a tree of pages.
    #[default]
    Sled,
    /// `fjall` 3: sorted tables, merged in the background.
    Fjall,
}

/// A name that is none of an engine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name:?} is no index engine; choose one of {}", IndexEngine::names())]
pub struct UnknownEngine {
    name: String,
}

impl IndexEngine {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Sled, Self::Fjall];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        }
    }

    /// The folder of its files in a home. Each has its own: none ever opens the files of another.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Sled => "index",
            Self::Fjall => "index-fjall",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for IndexEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for IndexEngine {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        let known = Self::ALL.into_iter().find(|engine| engine.name() == name);
        known.ok_or_else(|| UnknownEngine {
            name: name.to_owned(),
        })
    }
}

/// One change of a key.
pub(crate) type KeyChange<'a> = (&'a [u8], Option<&'a [u8]>);
/// Keys in order.
pub(crate) type Items<'a> = dyn Iterator<Item = Result<Item, String>> + 'a;
/// Looks at keys in order; called once.
pub(crate) type Visit<'a> = dyn FnMut(&mut Items<'_>) -> Result<(), String> + 'a;

/// An ordered map of bytes. Errors are texts: whatever went wrong, the index is rebuilt.
///
/// An engine may lose its last changes when the process ends without [`Self::flush`], but only the
/// last: of two calls of [`Self::apply`] the later never survives without the earlier.
pub(crate) trait Engine: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String>;

    /// Changes in the order of their keys, at most [`Self::batch_max`] of them.
    fn apply(&self, changes: &[KeyChange<'_>]) -> Result<(), String>;

    /// How many changes one call may hold.
    fn batch_max(&self) -> usize;

    /// Gives the keys between the bounds to `visit`, in the order of `direction`.
    fn range(
        &self,
        bounds: &Bounds,
        direction: Direction,
        visit: &mut Visit<'_>,
    ) -> Result<(), String>;

    /// Hands everything to the operating system.
    fn flush(&self) -> Result<(), String>;

    /// What its files take on disk, in bytes.
    fn bytes(&self) -> u64;
}
