//! Reconciling spaces between two nodes: the set, its messages, and the machine that speaks them.
//!
//! Two nodes that agree about governance hold the same set of entries in each space, or soon will.
//! [`trie`] keeps that set so that equal roots mean equal sets; [`message`] is what travels on a
//! `/comity/sync/1` stream; [`claim`] states and compares what lies under a prefix; [`session`] is
//! the state machine of one peer, free of I/O; [`in_flight`] keeps several sessions from fetching
//! the same things, and shares what is much among them by [`parts`].
//!
//! Nothing is remembered about a peer between connections. What a cut transfer has brought is in
//! the trie, so resuming is nothing but starting again.
//!
//! Spec: `specs/sync.md`, `specs/wire.md`.

pub mod claim;
pub mod in_flight;
pub mod key;
pub mod message;
pub mod parts;
pub mod session;
pub mod trie;

pub use in_flight::{InFlight, PeerNumber};
pub use key::{AuthorTag, Key, Prefix, TrieHash};
pub use message::Message;
pub use session::{Context, Effect, Misbehaviour, Replica, Role, Session};
pub use trie::Trie;
