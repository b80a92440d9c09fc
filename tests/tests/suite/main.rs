//! What whole nodes and the repository as a whole promise, in one binary so that it links once.
#![allow(clippy::unwrap_used)]

mod errors;
mod network;
mod orders;
mod simulation;
mod stories;
mod tidy;
mod two_processes;
