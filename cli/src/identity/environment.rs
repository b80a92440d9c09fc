//! The environment variables that concern a person's identity, read once and passed along, so that
//! tests and embedders can set them without touching the process.

use super::{envelope::KdfParams, error::IdentityError};
use etcetera::{BaseStrategy as _, choose_base_strategy};
use std::{ffi::OsString, path::PathBuf};

/// What the environment says.
#[derive(Default, Clone)]
pub struct Environment {
    /// `COMITY_IDENTITY`: the folder of the identity.
    pub identity: Option<OsString>,
    /// `COMITY_PASSPHRASE`: the passphrase itself.
    pub passphrase: Option<OsString>,
    /// `COMITY_PASSPHRASE_FILE`: a file that holds the passphrase.
    pub passphrase_file: Option<OsString>,
    /// `COMITY_TEST_FAST_KDF=1`: cheap key derivation, for tests only.
    pub fast_kdf: bool,
}

impl Environment {
    /// What the environment of this process says. An empty variable counts as unset, except that an
    /// empty `COMITY_PASSPHRASE` is kept, to be refused with an explanation where that matters.
    pub fn of_process() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            identity: set("COMITY_IDENTITY"),
            passphrase: std::env::var_os("COMITY_PASSPHRASE"),
            passphrase_file: set("COMITY_PASSPHRASE_FILE"),
            fast_kdf: set("COMITY_TEST_FAST_KDF").is_some_and(|value| value == "1"),
        }
    }

    /// The cost of key derivation for new files.
    pub const fn kdf(&self) -> KdfParams {
        if self.fast_kdf {
            KdfParams::FOR_TESTS
        } else {
            KdfParams::INTERACTIVE
        }
    }

    /// The folder of the identity: `COMITY_IDENTITY`, else `comity/identity` in the platform's
    /// folder for a person's data.
    ///
    /// # Errors
    /// If the variable is unset and there is no home folder.
    pub fn identity_path(&self) -> Result<PathBuf, IdentityError> {
        match &self.identity {
            Some(path) => Ok(path.into()),
            None => choose_base_strategy()
                .map(|strategy| strategy.data_dir().join("comity").join("identity"))
                .map_err(|_| IdentityError::NoHome),
        }
    }
}

// Debug output ends up in logs, and the passphrase must not.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("identity", &self.identity)
            .field("passphrase", &self.passphrase.as_ref().map(|_| "(hidden)"))
            .field("passphrase_file", &self.passphrase_file)
            .field("fast_kdf", &self.fast_kdf)
            .finish()
    }
}
