//! Operations: what an author wants done to a document as they saw it.
//!
//! Spec: `specs/derivation.md` §3 (operations).

use super::value::{Key, Value};

/// One step of a path: into a map by key, or into a list by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Entry of a map.
    Key(Key),
    /// Item of a list, counted from 0.
    Index(u32),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.into())
    }
}

impl From<u32> for Step {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

/// The place of a value, from the document root; 1 to [`crate::limits::DEPTH_MAX`] steps.
pub type Path = Vec<Step>;

/// One operation, with `T` at text leaves. Positions count Unicode code points. Each is evaluated
/// on the document at `deps` with the operations before it applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation<T> {
    /// Sets a map entry, present or not, or replaces an item of a list.
    Put {
        /// The place to set.
        path: Path,
        /// What stands there afterwards.
        value: Value<T>,
    },
    /// Removes a map entry or an item of a list; it must be there.
    Delete {
        /// The place to remove.
        path: Path,
    },
    /// Inserts an item into a list, in front of the item now at the index that ends the path.
    Insert {
        /// The list's path, then an index from 0 to the list's length.
        path: Path,
        /// The new item.
        value: Value<T>,
    },
    /// Replaces a range of a text.
    Splice {
        /// The place of the text.
        path: Path,
        /// Start of the range, in code points.
        position: u32,
        /// Length of the range, in code points.
        delete: u32,
        /// What stands in place of the range; with `delete` 0 it must not be empty.
        insert: T,
    },
}

impl<T> Operation<T> {
    /// Where the operation applies.
    pub fn path(&self) -> &[Step] {
        match self {
            Self::Put { path, .. }
            | Self::Delete { path }
            | Self::Insert { path, .. }
            | Self::Splice { path, .. } => path,
        }
    }

    /// How many operations this counts as towards the limits.
    pub fn derived_ops(&self) -> u64 {
        match self {
            Self::Put { value, .. } | Self::Insert { value, .. } => value.derived_ops(),
            Self::Delete { .. } => 1,
            Self::Splice { delete, .. } => 1 + u64::from(*delete),
        }
    }

    pub(crate) fn try_map<U, E>(
        &self,
        map: &mut impl FnMut(&T) -> Result<U, E>,
    ) -> Result<Operation<U>, E> {
        Ok(match self {
            Self::Put { path, value } => Operation::Put {
                path: path.clone(),
                value: value.try_map(map)?,
            },
            Self::Delete { path } => Operation::Delete { path: path.clone() },
            Self::Insert { path, value } => Operation::Insert {
                path: path.clone(),
                value: value.try_map(map)?,
            },
            Self::Splice {
                path,
                position,
                delete,
                insert,
            } => Operation::Splice {
                path: path.clone(),
                position: *position,
                delete: *delete,
                insert: map(insert)?,
            },
        })
    }
}
