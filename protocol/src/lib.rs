//! Comity's protocol, pure: inputs in, effects out. No clock, no randomness, no files, no network,
//! no runtime; time and randomness are arguments.
//!
//! The life of a contribution, module by module:
//! - [`document`] is what an author says: a draft, sealed into shape and words.
//! - [`contribution`] is the header that commits to it, and signing.
//! - [`entry`] is how it travels; decoding and verification give a [`entry::Verified`] entry.
//! - [`pipeline`] links it to what it builds on and authorizes it by [`authority`].
//! - [`derive`] turns the contributions of a document into its text.
//!
//! Beside it: [`record`] and [`certificate`] are statements about the community, [`access`] is what
//! nodes say before they share anything, [`id`] and [`key`] name things, [`codec`] is the one
//! encoding, [`limits`] the bounds.
#![warn(clippy::too_many_lines)]
#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod access;
pub mod authority;
pub mod certificate;
pub mod codec;
pub mod contribution;
pub mod derive;
pub mod document;
#[doc(hidden)]
pub mod effort;
pub mod entry;
pub mod id;
pub mod key;
pub mod limits;
pub mod pipeline;
pub mod record;
pub mod sync;
