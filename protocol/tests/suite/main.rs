//! What the protocol promises, seen from outside; one binary, so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod authority;
mod certificate;
mod codec;
mod community;
mod derivation;
mod entry;
mod identity;
mod pipeline;
mod record;
mod signatures;
mod sync;
mod vectors;
