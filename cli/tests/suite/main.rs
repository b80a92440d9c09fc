//! What the `comity` command promises, seen from outside.
#![allow(clippy::unwrap_used)]

mod identity;
mod identity_vectors;
