//! What the handle asks of the driver.

use std::collections::BTreeSet;

use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use tokio::sync::oneshot;

use crate::error::{
    DialError, ListenError, PublishError, ReconnectError, ReserveError, SubscribeError,
};
use crate::event::{GossipGroup, GossipId};
use crate::metrics::Metrics;
use crate::network::{ConnectedPeer, Verdict};
use crate::reach::ReachReport;
use crate::streams::StreamError;

pub(crate) type Reply<T> = oneshot::Sender<T>;

pub(crate) enum Command {
    Listen {
        address: Multiaddr,
        reply: Reply<Result<Vec<Multiaddr>, ListenError>>,
    },
    Dial {
        address: Multiaddr,
        reply: Reply<Result<PeerId, DialError>>,
    },
    /// Connects with known addresses unless a connection stands.
    Ensure {
        peer: PeerId,
        reply: Reply<Result<PeerId, DialError>>,
    },
    /// To a peer that is connected.
    OpenStream {
        peer: PeerId,
        protocol: StreamProtocol,
        reply: Reply<Result<Stream, StreamError>>,
    },
    Disconnect {
        peer: PeerId,
        reply: Reply<bool>,
    },
    Block {
        peer: PeerId,
        reply: Reply<bool>,
    },
    Unblock {
        peer: PeerId,
        reply: Reply<bool>,
    },
    Gossip(GossipCommand),
    Peers {
        reply: Reply<Vec<ConnectedPeer>>,
    },
    ListenAddresses {
        reply: Reply<Vec<Multiaddr>>,
    },
    SetReconnect {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        reply: Reply<Result<(), ReconnectError>>,
    },
    Forget {
        peer: PeerId,
        reply: Reply<bool>,
    },
    /// Asks a connected peer for a place.
    Reserve {
        relay: PeerId,
        reply: Reply<Result<(), ReserveError>>,
    },
    Release {
        relay: PeerId,
        reply: Reply<bool>,
    },
    /// A peer has become trustworthy: what it observed counts.
    Admitted {
        peer: PeerId,
    },
    Reach {
        reply: Reply<ReachReport>,
    },
    Metrics {
        reply: Reply<Metrics>,
    },
    Shutdown,
}

pub(crate) enum GossipCommand {
    Admit {
        peer: PeerId,
        groups: BTreeSet<GossipGroup>,
        reply: Reply<bool>,
    },
    Subscribe {
        group: GossipGroup,
        topic: String,
        reply: Reply<Result<bool, SubscribeError>>,
    },
    Unsubscribe {
        group: GossipGroup,
        topic: String,
        reply: Reply<bool>,
    },
    Publish {
        group: GossipGroup,
        topic: String,
        data: Vec<u8>,
        reply: Reply<Result<GossipId, PublishError>>,
    },
    ReportValidation {
        id: GossipId,
        verdict: Verdict,
        reply: Reply<bool>,
    },
}
