//! What tests of several crates share.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should fail where it stands"
)]

pub mod alliance;
pub mod arguments;
pub mod community;
pub mod figures;
pub mod files;
pub mod histories;
pub mod joining;
pub mod netlab;
pub mod nodes;
pub mod proxy;
pub mod random;
pub mod sightings;
pub mod simulation;
pub mod stories;
pub mod stranger;
pub mod transcript;
