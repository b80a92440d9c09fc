//! What whole nodes promise together, in one binary so that it links once.
#![allow(clippy::unwrap_used)]

mod tidy;
