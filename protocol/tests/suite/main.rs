<<<<<<< HEAD
//! Integration tests of the protocol, one binary.
#![allow(clippy::unwrap_used)]

mod derivation;
=======
//! What the protocol promises, seen from outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod identity;
mod signatures;
>>>>>>> identity
