//! The protocol's tests in one binary: one link instead of many.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod sync;
