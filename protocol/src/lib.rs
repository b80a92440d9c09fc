//! Comity's protocol, pure: inputs in, effects out. No clock, no randomness, no files, no network,
//! no runtime; time and randomness are arguments.
//!
//! Where to start: [`id`] and [`key`] name things, [`codec`] is the one encoding, [`limits`] the
//! bounds.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod codec;
pub mod id;
pub mod key;
pub mod limits;
pub mod sync;
