//! What goes into a session and what comes out.

use crate::access::ShownGrant;
use crate::id::{CommunityId, EntryId, SpaceId};
use crate::sync::in_flight::InFlight;
use crate::sync::key::Key;
use crate::sync::message::{CloseReason, Message};
use crate::sync::trie::Trie;

/// Which end of the stream this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The side that opened the stream. It ends rounds, and may start the first about a space.
    Opener,
    /// The side that accepted the stream. It starts all other rounds.
    Acceptor,
}

/// What the node shows of itself to a session.
pub trait Replica {
    /// The trie of a space; `None` if the node does not hold the space.
    fn trie(&self, space: &SpaceId) -> Option<&Trie>;

    /// The key of an entry, read from its bytes without checking signatures; `None` if the bytes
    /// are no entry of the space.
    fn key_of(&self, space: &SpaceId, entry: &[u8]) -> Option<Key>;

    /// For a space that the public governance does not declare: its community and the key of the
    /// certificate in its set that does. `None` for all other spaces.
    fn declaration(&self, space: &SpaceId) -> Option<(CommunityId, Key)>;

    /// Whether an entry is, by its bytes alone, a certificate from whose id the id of this space
    /// follows.
    fn declares(&self, community: &CommunityId, space: &SpaceId, entry: &[u8]) -> bool;

    /// Whether the node takes part in a community.
    fn takes_part(&self, community: &CommunityId) -> bool;
}

/// What every input is handled with.
pub struct Context<'a> {
    /// The node's tries.
    pub replica: &'a dyn Replica,
    /// What the node fetches from whom.
    pub in_flight: &'a mut InFlight,
    /// Milliseconds on a clock of the node's choice that never goes back.
    pub now_ms: u64,
}

/// What happens to a session.
#[derive(Debug, Clone)]
pub enum Input {
    /// The peer may read the space and the node holds it.
    SpaceOpened(SpaceId),
    /// The space is no longer to be spoken about.
    SpaceClosed(SpaceId),
    /// Grants are to be shown to the peer, in place of those shown before.
    ShowGrants {
        /// The community they are for.
        community: CommunityId,
        /// The grants; past [`GRANTS_MAX`](crate::access::GRANTS_MAX) they are left out.
        grants: Vec<ShownGrant>,
    },
    /// The peer sent a message.
    Received(Message),
    /// Entries are durable and in the trie, wherever they came from; to be told to all sessions.
    Inserted {
        /// The space.
        space: SpaceId,
        /// The keys.
        keys: Vec<Key>,
    },
    /// The answer to [`Effect::Load`]: the first entries asked for, at least one, in the order in
    /// which they were asked for; `None` for those that are gone.
    Loaded {
        /// The space.
        space: SpaceId,
        /// The entries.
        entries: Vec<Option<Vec<u8>>>,
    },
    /// Entries of an [`Effect::Ingest`] have been dealt with, well or badly.
    Ingested {
        /// The space.
        space: SpaceId,
        /// How many.
        entries: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// Effects were taken from the outbox and written: there may be room again.
    Writable,
    /// Time passed; expected about once a second.
    Tick,
    /// Somebody asks whether both sides are equal: a root that has changed is told at once, and the peer
    /// answers with its own as soon as they are.
    Asked,
}

/// What a session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write a message to the peer.
    Send(Message),
    /// Read entries and answer with [`Input::Loaded`]; at most one is open at a time.
    Load {
        /// The space.
        space: SpaceId,
        /// The entries, in local order.
        ids: Vec<EntryId>,
        /// Stop before the entry that would pass this many bytes, but give at least one.
        max_bytes: usize,
    },
    /// Give entries to the ingest path in this order, and answer with [`Input::Ingested`].
    Ingest {
        /// The space.
        space: SpaceId,
        /// The entries as they came.
        entries: Vec<Vec<u8>>,
    },
    /// Give the declaration of a space that is not known here to the ingest path, and answer with
    /// [`Input::Ingested`]; whether the space is to be opened follows from authority.
    Learn {
        /// The community that the peer named.
        community: CommunityId,
        /// The space; its id fits the declaration.
        space: SpaceId,
        /// The declaration as it came.
        entry: Vec<u8>,
    },
    /// The peer showed grants, in place of those it showed before; nothing about them is checked.
    Granted {
        /// The community they are for.
        community: CommunityId,
        /// The grants.
        grants: Vec<ShownGrant>,
    },
    /// The roots were equal; told again only when they were equal at another value.
    InSync {
        /// The space.
        space: SpaceId,
    },
    /// The peer broke the protocol or is dead; the session is over.
    PeerMisbehaved(Misbehaviour),
    /// The peer ended the stream; the session is over.
    Closed(CloseReason),
}

/// How a peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// It sent bytes that are no entry of the space.
    #[error("sent bytes that are no entry of the space")]
    NotAnEntry,
    /// It sent entries that were not asked for.
    #[error("sent entries that were not asked for")]
    Unasked,
    /// It sent more than it had credit for.
    #[error("sent more than it had credit for")]
    OverCredit,
    /// It gave more credit than may be outstanding.
    #[error("gave more credit than the window allows")]
    TooMuchCredit,
    /// It sent a turn out of order.
    #[error("sent a turn out of order")]
    WrongTurn,
    /// It started a round that is not its to start.
    #[error("started a round that was not its to start")]
    WrongRole,
    /// It goes on sending without reading the answers.
    #[error("goes on sending without reading the answers")]
    DoesNotRead,
    /// It makes us compare again and again to no end.
    #[error("makes us compare again and again to no end")]
    Fruitless,
    /// It shows grants without end.
    #[error("shows grants without end")]
    TooManyGrants,
    /// It stopped answering within a round.
    #[error("stopped answering")]
    Silent,
}
