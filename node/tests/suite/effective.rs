//! The effective set on one node: what a change of authority does to sets, views and what waits.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

mod adoption;
mod bare;
mod certificates;
mod cold;
mod headers;
mod narrowing;
mod ordered;
mod orders;
mod room;
mod views;
mod world;
