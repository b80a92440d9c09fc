//! What the protocol promises, seen from outside; one binary, so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod derivation;
mod identity;
mod signatures;
mod sync;
