//! A person's identity: two keys in a folder that belongs to the person, not to a node.
//!
//! The **root key** says who somebody is and does little: it links devices. The **device key**
//! signs contributions. Both lie encrypted in one folder (`$COMITY_IDENTITY`), apart from any node's
//! home, so that one node serves several people and holds no person's key.
//!
//! - [`folder`] the folder: create, look at, unlock, sign while holding its lock
//! - [`material`] what the keys are made of; [`phrase`] the 24 words that bring the root key back
//! - [`envelope`] the encrypted file format; [`backup`] everything in one such file
//! - [`chains`] what this device signed last, so that a lost store is noticed before a fork
//! - [`passphrase`] where the passphrase comes from; [`environment`] the variables that are read
//!
//! Spec: `specs/identity.md`.

pub mod backup;
pub mod chains;
pub mod envelope;
pub mod environment;
pub mod error;
mod files;
pub mod folder;
pub mod material;
pub mod passphrase;
pub mod phrase;
pub mod public;

pub use chains::{ChainHead, ChainMemory, Expect};
pub use envelope::KdfParams;
pub use environment::Environment;
pub use error::IdentityError;
pub use folder::{Identity, IdentityFolder, Notice, SigningSession};
pub use material::{DisplayName, Material, Slot};
pub use passphrase::{Passphrase, PassphraseOptions};
pub use phrase::RecoveryPhrase;
pub use public::PublicIdentity;
