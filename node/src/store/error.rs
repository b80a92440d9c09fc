//! What can go wrong in the store. Each text names what was attempted, why it failed, what to do.

use super::entry::Position;
use comity_protocol::id::EntryId;
use std::{io, path::PathBuf, sync::Arc};
use thiserror::Error;

/// Why a call to the store failed. Cloned to every caller of one group commit.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("could not {attempted}; check the disk and the permissions of the node's home")]
    Io {
        attempted: String,
        source: Arc<io::Error>,
    },
    /// Writing failed earlier; reading goes on.
    #[error(
        "the store takes no writes: {reason}; free space or repair the disk, \
         then writing resumes by itself"
    )]
    ReadOnly { reason: String },
    /// The entry does not fit into one frame.
    #[error("an entry of {bytes} bytes is over the store's limit of {max} bytes; split it")]
    TooLarge { bytes: u64, max: u64 },
    /// The bytes on disk do not match their checksum.
    #[error("the entry at {position} is damaged on disk; it has to be fetched again from a peer")]
    Damaged {
        id: Option<EntryId>,
        position: Position,
    },
    /// No entry begins at this position.
    #[error("no entry begins at {position}; use positions that this store gave")]
    NoEntry { position: Position },
    /// The index cannot be read or written. The record is not touched by this.
    #[error("could not {attempted}: {reason}; the index is rebuilt with `comity reindex`")]
    Index { attempted: String, reason: String },
    /// A backup never overwrites.
    #[error("could not back up to {}: it already holds a record; name an empty folder", .0.display())]
    BackupTarget(PathBuf),
    /// The directory holds a record that nothing can be read from.
    #[error("could not read any segment of the record; restore it from a backup")]
    Unreadable,
    /// A setting is out of range.
    #[error("could not open the store: {0}")]
    Settings(String),
    /// The store was closed.
    #[error("the store is closed; open it again")]
    Closed,
}

impl StoreError {
    pub(crate) fn io(attempted: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let attempted = attempted.into();
        move |source| Self::Io {
            attempted,
            source: Arc::new(source),
        }
    }

    pub(crate) fn index(attempted: impl Into<String>, reason: impl ToString) -> Self {
        Self::Index {
            attempted: attempted.into(),
            reason: reason.to_string(),
        }
    }

    /// The error with its cause in one line, for a state that people read.
    pub fn with_cause(&self) -> String {
        match self {
            Self::Io { attempted, source } => format!("could not {attempted}: {source}"),
            other => other.to_string(),
        }
    }
}
