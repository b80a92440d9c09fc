//! Why something about an identity failed, and what the person can do about it.

use super::{
    envelope::EnvelopeError, material::NameError, passphrase::PassphraseError, phrase::PhraseError,
};
use crate::error::{CommandError, ErrorKind};
use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Why something about an identity failed. Each message says what was attempted.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// No folder was named and the platform names none.
    #[error("cannot tell where your identity is: there is no home folder")]
    NoHome,
    /// There is no identity in the folder.
    #[error("there is no identity in {}", .0.display())]
    Missing(PathBuf),
    /// An identity would be overwritten.
    #[error("cannot make an identity in {}: one is there already", .0.display())]
    AlreadyExists(PathBuf),
    /// A backup would overwrite a file.
    #[error("cannot write the backup {}: a file is there already", .0.display())]
    BackupExists(PathBuf),
    /// The passphrase does not open the file.
    #[error("cannot unlock {}: the passphrase is wrong", .0.display())]
    WrongPassphrase(PathBuf),
    /// The file is not what was written.
    #[error("cannot read {}: the file is damaged ({what})", .path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file is of a kind that does not belong here.
    #[error("cannot read {}: it is {found}, not {expected}", .path.display())]
    WrongFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// The file was written by a newer program.
    #[error(
        "cannot read {}: it has format {found}, and this program reads formats up to {known}",
        .path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format this program reads.
        known: u64,
    },
    /// `identity.json` and `secret` are of two identities.
    #[error(
        "cannot use the identity in {}: identity.json and secret do not belong together",
        .0.display()
    )]
    Mismatch(PathBuf),
    /// The folder cannot be written.
    #[error("cannot write in {}", .path.display())]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Anything else the file system refused.
    #[error("cannot {attempted} {}", .path.display())]
    Io {
        /// What was attempted, as a verb.
        attempted: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Only the root key can do it, and another device has it.
    #[error("cannot do this here: the identity in {} has no root key", .0.display())]
    NoRoot(PathBuf),
    /// Another process signs with this identity.
    #[error("cannot sign: another comity process is using the identity in {}", .0.display())]
    Busy(PathBuf),
    /// The operating system gave no randomness.
    #[error("cannot make a key: the operating system gave no randomness")]
    Randomness(#[source] getrandom::Error),
    /// The key derivation failed, for lack of memory most likely.
    #[error("cannot derive a key from the passphrase")]
    Kdf(#[source] argon2::Error),
    /// The display name is unusable.
    #[error("cannot use this name")]
    Name(#[from] NameError),
    /// The recovery phrase is wrong.
    #[error("cannot read the recovery phrase")]
    Phrase(#[from] PhraseError),
    /// There is no usable passphrase.
    #[error("cannot get the passphrase")]
    Passphrase(#[from] PassphraseError),
}

impl IdentityError {
    pub(super) fn io(attempted: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                if attempted != "read" =>
            {
                Self::NotWritable {
                    path: path.to_owned(),
                    source,
                }
            }
            _ => Self::Io {
                attempted,
                path: path.to_owned(),
                source,
            },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    pub(super) fn envelope(path: &Path, error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::WrongPassphrase => Self::WrongPassphrase(path.to_owned()),
            EnvelopeError::TooNew { found, known } => Self::TooNew {
                path: path.to_owned(),
                found: found.into(),
                known: known.into(),
            },
            EnvelopeError::WrongKind { found, expected } => Self::WrongFile {
                path: path.to_owned(),
                found,
                expected,
            },
            EnvelopeError::Kdf(error) => Self::Kdf(error),
            EnvelopeError::Randomness(error) => Self::Randomness(error),
            EnvelopeError::Damaged(what) => Self::damaged(path, what),
        }
    }

    /// What the person can do about it.
    pub fn hints(&self) -> Vec<String> {
        let hints: &[&str] = match self {
            Self::NoHome => &["name the folder with COMITY_IDENTITY"],
            Self::Missing(_) => &[
                "make one with `comity init`",
                "or bring one back with `comity identity restore`",
                "if it is elsewhere, name its folder with COMITY_IDENTITY",
            ],
            Self::AlreadyExists(_) => &[
                "name another folder with COMITY_IDENTITY, or move this one away first",
                "`comity whoami` shows whose identity it is",
            ],
            Self::BackupExists(_) => &["name a file that does not exist yet"],
            Self::WrongPassphrase(_) => &[
                "try again; upper and lower case and the keyboard layout matter",
                "without the passphrase, `comity identity restore --phrase` brings the identity back \
                 from its 24 words, as a new device",
            ],
            Self::Damaged { path, .. } if path.ends_with("identity.json") => {
                &["move identity.json away: it is made again from `secret` when you next unlock"]
            }
            Self::Damaged { path, .. } if path.ends_with("chains.json") => &[
                "move chains.json away, then run `comity sync` before you write anything: without it \
                 a store that lost data cannot be noticed",
            ],
            Self::Damaged { .. } | Self::Mismatch(_) => &[
                "restore a backup into another folder with `comity identity restore FILE`",
                "or bring the identity back from its 24 words with `comity identity restore --phrase`",
            ],
            Self::WrongFile { .. } => &["check the name of the file"],
            Self::TooNew { .. } => &["update comity on this machine"],
            Self::NotWritable { .. } => {
                &["make the folder writable for you, or name another one with COMITY_IDENTITY"]
            }
            Self::Io { .. } => &["check that the path is right, and that the disk is not full"],
            Self::Busy(_) => &["wait until the other command has ended, then try again"],
            Self::NoRoot(_) => &[
                "this device was linked by another one of yours: do it on that one, which has the root key",
                "or bring the root key back with its 24 words: `comity identity restore --phrase`",
            ],
            Self::Randomness(_) => &["check that /dev/urandom can be read"],
            Self::Kdf(_) => &["it needs 64 MiB of free memory: close other programs and try again"],
            Self::Name(_) => &["give a name of 1 to 64 characters, without control characters"],
            Self::Phrase(error) => return error.hints(),
            Self::Passphrase(error) => return error.hints(),
        };
        hints.iter().map(ToString::to_string).collect()
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) => ErrorKind::Usage,
            Self::Passphrase(error) if error.is_usage() => ErrorKind::Usage,
            _ => ErrorKind::Failure,
        }
    }
}

impl From<IdentityError> for CommandError {
    fn from(error: IdentityError) -> Self {
        Self::of(error.kind(), &error).hints(error.hints())
    }
}
