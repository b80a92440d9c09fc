//! One error type per command: each says what was attempted, why it failed, and what helps.

use std::io;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, StreamProtocol};
use thiserror::Error;

/// The driver has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the network of this node has been shut down")]
pub struct Stopped;

#[derive(Debug, Error)]
pub enum StartError {
    #[error("the protocol {0} is listed twice in the network configuration")]
    ProtocolTwice(StreamProtocol),
    #[error("the network key was refused: {0}")]
    Key(#[from] libp2p::identity::DecodingError),
    #[error("the swarm could not be built: {0}")]
    Build(String),
}

#[derive(Debug, Error)]
pub enum ListenError {
    #[error(
        "cannot listen on {address}: another program, or another node, uses it already ({cause}); \
         stop it or choose another port"
    )]
    InUse {
        address: Multiaddr,
        cause: io::Error,
    },
    #[error("cannot listen on {address}: this kind of address is not supported")]
    Unsupported { address: Multiaddr },
    #[error("cannot listen on {address}: {cause}")]
    Io {
        address: Multiaddr,
        cause: io::Error,
    },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

#[derive(Debug, Error)]
pub enum DialError {
    #[error("cannot dial {address}: this kind of address is not supported")]
    Unsupported { address: Multiaddr },
    #[error("{target} cannot be reached: {cause}; is the node running, and is its port open?")]
    Unreachable { target: String, cause: String },
    #[error("{target} did not complete a connection within {after:?}")]
    TimedOut { target: String, after: Duration },
    #[error("{address} answered as {found}, which is not the peer that was asked for")]
    WrongPeer { address: Multiaddr, found: PeerId },
    #[error("{target} is this node itself")]
    Own { target: String },
    #[error("{target} is blocked by this node")]
    Blocked { target: String },
    #[error("no connection to {target}: {limit}")]
    LimitReached { target: String, limit: String },
    #[error("no address of {peer} is known")]
    NoAddress { peer: PeerId },
    #[error("dialing {target} was given up, because the network is shutting down")]
    Aborted { target: String },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{peer} does not speak {protocol}")]
    Unsupported {
        peer: PeerId,
        protocol: StreamProtocol,
    },
    #[error("{peer} opened no {protocol} stream within {after:?}")]
    TimedOut {
        peer: PeerId,
        protocol: StreamProtocol,
        after: Duration,
    },
    #[error("the connection to {peer} ended while a stream was being opened: {cause}")]
    Closed { peer: PeerId, cause: io::Error },
}

impl From<Stopped> for OpenError {
    fn from(stopped: Stopped) -> Self {
        Self::Dial(DialError::Stopped(stopped))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubscribeError {
    #[error("the topic name has {bytes} bytes, at most {max_bytes} are allowed")]
    NameTooLong { bytes: usize, max_bytes: usize },
    #[error("this node is subscribed to {max} topics already, which is the most allowed")]
    TooMany { max: usize },
    #[error("topics of this node are in {max} groups already, which is the most allowed")]
    TooManyGroups { max: usize },
    #[error("the subscription was refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why nothing was published. Gossip is only a hint, so no caller needs to retry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    #[error("no connected peer is subscribed to the topic")]
    NoPeers,
    #[error("these bytes were published or received on this topic already")]
    Duplicate,
    /// A later attempt with the same bytes gives `Duplicate`: gossipsub has noted the message.
    #[error("the queues of all {peers} peers are full")]
    QueuesFull { peers: usize },
    #[error("the message has {bytes} bytes, at most {max_bytes} can be published")]
    TooLarge { bytes: usize, max_bytes: usize },
    #[error("the topic name has {bytes} bytes, at most {max_bytes} are allowed")]
    NameTooLong { bytes: usize, max_bytes: usize },
    #[error("the message was refused: {0}")]
    Refused(String),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReconnectError {
    #[error("{max} peers are kept connected already, which is the most allowed; forget one first")]
    TooMany { max: usize },
    #[error("no address of {peer} was given, so it cannot be called")]
    NoAddress { peer: PeerId },
    #[error("{peer} is blocked; unblock it first")]
    Blocked { peer: PeerId },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why no relay was asked for a place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReserveError {
    #[error(
        "{relay} cannot be asked for a place, as this node is not connected to it by a call of its own"
    )]
    NotCalled { relay: PeerId },
    #[error(
        "{max} places at relays are held already, which is the most allowed; release one first"
    )]
    TooMany { max: usize },
    #[error("{relay} cannot be asked for a place: {cause}")]
    Refused { relay: PeerId, cause: String },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
