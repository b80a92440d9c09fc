//! Sync: the trie, its messages, and sessions that converge whatever happens between them.

mod equal;
mod figures;
mod first;
pub(crate) mod harness;
mod hostile;
pub(crate) mod messages;
mod restricted;
mod sessions;
mod shares;
mod trie;
mod vain;
mod vectors;
