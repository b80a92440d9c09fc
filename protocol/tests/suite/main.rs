//! What the protocol promises, seen from outside; one binary, so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod assembly;
mod authority;
mod certificate;
mod charter;
mod codec;
mod community;
mod contradictions;
mod cuts;
mod deliberation;
mod derivation;
mod effective;
mod entry;
mod envelope;
mod floods;
mod forms;
mod governance;

mod identity;
mod link;
mod model;
mod orders;
mod parties;
mod pipeline;
mod record;
mod roster;
mod rules;
mod sealed;
mod signatures;
mod sync;
mod vectors;
mod words;

/// How many cases of a kind to try: as many times more as `COMITY_TEST_FACTOR` says.
fn times_factor(cases: usize) -> usize {
    let factor = std::env::var("COMITY_TEST_FACTOR").map_or(1, |it| it.parse().unwrap());
    cases * std::cmp::max(1usize, factor)
}
