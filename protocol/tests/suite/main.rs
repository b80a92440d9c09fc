//! What the protocol promises, seen from outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod derivation;
mod identity;
mod signatures;
