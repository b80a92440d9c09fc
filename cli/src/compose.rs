//! Building and signing entries: keys, texts and what a node said go in, entries come out.
//!
//! Nothing here talks to a node, reads a clock or makes randomness, so every rule can be tested
//! without one.
//!
//! - [`chain`] signs one entry after the other on a signer's chain
//! - [`document`] what documents say; [`edit`] how a changed text becomes operations
//! - [`imported`] how an item of another system becomes a document
//! - [`devices`] how another device is linked; [`narrowing`] what cuts keep
//! - [`founding`] a new community; [`joining`] invitations, tickets and requests to join
//! - [`party`] states of parties and a genesis by several; [`resolution`] proposals and approvals
//! - [`codes`] what founders and parties hand each other as text

pub mod chain;
pub mod codes;
pub mod devices;
pub mod document;
pub mod edit;
pub mod founding;
#[cfg(test)]
mod hostile;
pub mod imported;
pub mod joining;
pub mod narrowing;
pub mod party;
pub mod party_ticket;
pub mod resolution;

pub use chain::Chain;

use comity_protocol::{
    certificate::CertificateError, contribution::SignError, document::DraftError,
};
use thiserror::Error;

/// Why something cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ComposeError {
    /// The draft breaks a limit or a rule of its kind.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// The payload does not fit.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A certificate contradicts itself.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl ComposeError {
    /// What the person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Draft(DraftError::Rule(_)) => "change what the message names and try again",
            Self::Draft(DraftError::Shape(_)) | Self::Sign(_) => {
                "one contribution holds 256 KiB: shorten the text, or split it into several"
            }
            Self::Certificate(_) => "change what the message names and try again",
        }
    }
}
