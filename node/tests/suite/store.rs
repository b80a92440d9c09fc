//! Tests of the store: one conformance suite for all engines, then what only files can suffer.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;
mod conformance;
mod crash;
mod damage;
mod engines;
mod erase;
mod full_disk;
mod places;
mod power_cut;
mod sim;
