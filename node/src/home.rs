//! The node's home folder: its key, its settings, what it remembers about peers, its store.
//!
//! ```text
//! node.key          seed of the node's own key (mode 0600); never a member's key
//! state.json        communities, peers, grants, joins under way
//! keep.json         what is kept of each space, unless all of it
//! node.sock         the local API while the node runs
//! node.log          its log when started in the background
//! opening.json      how far opening the store is, until it is open (written by the program around)
//! record/, index/   the store
//! ```
//!
//! Everything here belongs to the node; people's identities live in folders of their own.

use comity_protocol::key::SecretKey;
use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Longest path of a Unix socket that every supported system takes, in bytes.
pub const SOCKET_PATH_MAX_BYTES: usize = 103;

const KEY_FILE: &str = "node.key";

/// Why a home cannot be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// It cannot be created or written.
    #[error(
        "the node's home {path} cannot be written. Choose another with COMITY_HOME or --home, or \
         change its permissions"
    )]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a node's home already, on a file system that is mounted read-only.
    #[error(
        "the node's home {path} cannot be opened: its file system is read-only, and a node writes \
         there even to be read. Nothing was changed"
    )]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file in it cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The key file has the wrong length.
    #[error(
        "{path} is damaged: it should hold 32 bytes. Restore it from a backup, or remove it to \
         give the node a new key (peers will see a new node)"
    )]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// The state file is not what this version writes.
    #[error("{path} is not understood: {why}. Restore it from a backup or move it away")]
    BadState {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The socket's path is too long for the system.
    #[error(
        "the socket path {path} has {len} bytes; systems take at most {SOCKET_PATH_MAX_BYTES}. \
         Choose a shorter home with COMITY_HOME or --home"
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length, in bytes.
        len: usize,
    },
}

/// A node's home folder, created and writable.
#[derive(Debug, Clone)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// Opens a home, creating it if it does not exist.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`] if it cannot be created or written, [`HomeError::ReadOnly`] if a
    /// node lives there and the file system is to blame.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let not_writable = |source: io::Error| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::ReadOnlyFilesystem if path.join(KEY_FILE).exists() => {
                    HomeError::ReadOnly { path, source }
                }
                _ => HomeError::NotWritable { path, source },
            }
        };
        fs::create_dir_all(path).map_err(not_writable)?;
        let home = Self {
            path: fs::canonicalize(path).map_err(not_writable)?,
        };
        fs::set_permissions(&home.path, fs::Permissions::from_mode(0o700)).map_err(not_writable)?;
        let probe = home.path.join(".writable");
        fs::write(&probe, b"").map_err(not_writable)?;
        fs::remove_file(&probe).map_err(not_writable)?;
        Ok(home)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the local API listens.
    ///
    /// # Errors
    /// [`HomeError::SocketPathTooLong`] if the system could not bind it.
    pub fn socket(&self) -> Result<PathBuf, HomeError> {
        let path = self.path.join("node.sock");
        let len = path.as_os_str().len();
        if len > SOCKET_PATH_MAX_BYTES {
            return Err(HomeError::SocketPathTooLong { path, len });
        }
        Ok(path)
    }

    /// Where the log of a background node goes.
    pub fn log(&self) -> PathBuf {
        self.path.join("node.log")
    }

    /// Where communities, peers, grants and joins are remembered.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// What is kept of each space.
    pub fn keeping(&self) -> PathBuf {
        self.path.join("keep.json")
    }

    /// Where nodes of its communities say they can be called.
    pub fn address_book(&self) -> PathBuf {
        self.path.join("addresses")
    }

    /// The node's key, made at first use.
    ///
    /// # Errors
    /// If it cannot be read or written, or is damaged.
    pub fn key(&self) -> Result<SecretKey, HomeError> {
        let path = self.path.join(KEY_FILE);
        match fs::read(&path) {
            Ok(bytes) => {
                let seed: [u8; 32] = bytes
                    .try_into()
                    .map_err(|_| HomeError::BadKey { path: path.clone() })?;
                Ok(SecretKey::from_seed(&seed))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed: [u8; 32] = crate::random::bytes();
                write_atomically(&path, &seed)
                    .map_err(|source| HomeError::NotWritable { path, source })?;
                Ok(SecretKey::from_seed(&seed))
            }
            Err(source) => Err(HomeError::Unreadable { path, source }),
        }
    }
}

/// Replaces a file so that a crash leaves either the old or the new one, readable by its owner only.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let temporary = path.with_extension("tmp");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
