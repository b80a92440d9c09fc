//! `identity.json`: who lives in the folder, readable without the passphrase.
//!
//! It holds nothing that `secret` does not hold too, so it can be made again; unlocking compares
//! the two.

use super::{
    envelope::KdfParams,
    error::IdentityError,
    material::{DisplayName, Material, Slot},
};
use comity_protocol::key::PublicKey;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Newest version of `identity.json` this program reads, and the one it writes.
pub const PUBLIC_VERSION: u64 = 1;

/// The public part of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    /// The key that says who the person is.
    pub root: PublicKey,
    /// The key that signs on this device.
    pub device: PublicKey,
    /// Which of the root key's device slots this device fills.
    pub slot: Slot,
    /// The person's name here.
    pub name: DisplayName,
    /// When the identity or this device was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Whether a passphrase that is not empty protects the secret.
    pub protected: bool,
    /// The cost of opening the secret.
    pub kdf: KdfParams,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u64,
    root: String,
    device: String,
    slot: u8,
    name: String,
    created_ms: u64,
    protected: bool,
    kdf: Kdf,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    algorithm: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    /// Present and true if the cost protects nothing, as in tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    weak_for_tests_only: bool,
}

const ALGORITHM: &str = "argon2id";

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl PublicIdentity {
    pub(super) fn of(material: &Material, protected: bool, kdf: KdfParams) -> Self {
        Self {
            root: material.root_public(),
            device: material.device().public(),
            slot: material.slot,
            name: material.name.clone(),
            created_ms: material.created_ms,
            protected,
            kdf,
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let file = File {
            version: PUBLIC_VERSION,
            root: self.root.to_string(),
            device: self.device.to_string(),
            slot: self.slot.number(),
            name: self.name.to_string(),
            created_ms: self.created_ms,
            protected: self.protected,
            kdf: Kdf {
                algorithm: ALGORITHM.to_owned(),
                memory_kib: self.kdf.memory_kib,
                passes: self.kdf.passes,
                lanes: self.kdf.lanes,
                weak_for_tests_only: self.kdf.is_weak(),
            },
        };
        let mut bytes =
            serde_json::to_vec_pretty(&file).expect("texts and numbers always serialize");
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn from_json(path: &Path, bytes: &[u8]) -> Result<Self, IdentityError> {
        let damaged = |what: String| IdentityError::damaged(path, what);
        // The version first: a newer file may hold anything else.
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if version > PUBLIC_VERSION {
            return Err(IdentityError::TooNew {
                path: path.to_owned(),
                found: version,
                known: PUBLIC_VERSION,
            });
        }
        let file: File =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let key = |field: &str, text: &str| {
            text.parse::<PublicKey>()
                .map_err(|error| damaged(format!("{field}: {error}")))
        };
        if file.kdf.algorithm != ALGORITHM {
            return Err(damaged("its key derivation is unknown".to_owned()));
        }
        Ok(Self {
            root: key("root", &file.root)?,
            device: key("device", &file.device)?,
            slot: Slot::new(file.slot).ok_or_else(|| damaged("slot: above 15".to_owned()))?,
            name: DisplayName::new(&file.name)
                .map_err(|error| damaged(format!("name: {error}")))?,
            created_ms: file.created_ms,
            protected: file.protected,
            kdf: KdfParams {
                memory_kib: file.kdf.memory_kib,
                passes: file.kdf.passes,
                lanes: file.kdf.lanes,
            },
        })
    }
}
