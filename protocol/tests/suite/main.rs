//! Integration tests of the protocol, one binary.
#![allow(clippy::unwrap_used)]

mod derivation;
