//! What the `comity` command promises, seen from outside, in one binary so that it links once.
#![allow(clippy::unwrap_used)]

mod commands;
mod identity;
mod identity_vectors;
mod import;
