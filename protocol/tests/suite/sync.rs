//! Sync: the trie, its messages, and sessions that converge whatever happens between them.

mod figures;
mod harness;
mod hostile;
mod messages;
mod sessions;
mod trie;
mod vectors;
