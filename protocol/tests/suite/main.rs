//! The protocol's tests in one binary: one link instead of many.

mod sync;
