//! What a caller decides about its node on the network; everything else is fixed here.

use std::fmt;
use std::time::Duration;

use libp2p::StreamProtocol;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::reconnect::Backoff;

/// Sent by identify; nodes of another value speak another protocol family.
pub const IDENTIFY_PROTOCOL: &str = "/comity/1";

/// Spoken on streams of gossip, behind the name of the group.
pub const GOSSIP_PROTOCOL: &str = "/comity/gossip/1";

/// Largest gossip message that is published or accepted.
pub const MAX_GOSSIP_BYTES: usize = 64 * 1024;

/// Most topics that this node, or one peer in one group, may be subscribed to.
pub const MAX_TOPICS: usize = 1_024;

/// Most groups that topics of this node may be in.
pub const MAX_GOSSIP_GROUPS: usize = 1_024;

/// Most groups whose gossip one peer takes part in: the lowest, of more.
pub const MAX_GOSSIP_GROUPS_PER_PEER: usize = 32;

/// Longest name of a topic.
pub const MAX_TOPIC_BYTES: usize = 128;

/// The secret from which the node's network key is made. Wiped from memory when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NodeSeed(pub(crate) [u8; 32]);

impl NodeSeed {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl fmt::Debug for NodeSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeSeed(secret)")
    }
}

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// TCP with noise and yamux.
    Tcp,
    /// Channels inside this process (`/memory/N`), with noise and yamux on top: for tests.
    Memory,
}

/// Bounds for those who call, by the place they call from: an IPv4 address, or a /56 of IPv6.
#[derive(Debug, Clone, Copy)]
pub struct DoorLimits {
    /// Connections being set up from one place.
    pub pending_per_place: usize,
    /// Calls from one place at once, without those of peers that are known.
    pub calls_per_place: u32,
    /// How long until there is another.
    pub calls_every: Duration,
    /// Connections from one place of peers that are not known.
    pub strangers_per_place: usize,
    /// The same from anywhere; the rest of `max_connections` is left to those who are known.
    pub strangers: usize,
}

/// Bounds that hold whatever peers do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub door: DoorLimits,
    pub max_connections: u32,
    pub max_connections_per_peer: u32,
    /// Connections being set up, per direction.
    pub max_pending_connections: u32,
    /// Commands waiting for the driver; callers wait when it is full.
    pub max_queued_commands: usize,
    /// Gossip messages waiting for the consumer of events; more are dropped and counted.
    pub max_queued_gossip: usize,
    /// Bytes of gossip waiting for the consumer.
    pub max_queued_gossip_bytes: usize,
    /// Incoming streams waiting for the consumer; more are reset and counted.
    pub max_queued_streams: usize,
    /// Other events that may be missed (listening, identify, ping, failed attempts).
    pub max_queued_notices: usize,
    /// `open_stream` calls in progress; more wait, within their timeout.
    pub max_opening_streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            door: DoorLimits::default(),
            max_connections: 600,
            max_connections_per_peer: 2,
            max_pending_connections: 128,
            max_queued_commands: 256,
            max_queued_gossip: 1_024,
            max_queued_gossip_bytes: 16 * 1024 * 1024,
            max_queued_streams: 256,
            max_queued_notices: 256,
            max_opening_streams: 128,
        }
    }
}

/// Durations that a caller, above all a test, may want shorter.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From the first byte to a connection that is encrypted and multiplexed.
    pub connect: Duration,
    /// Between pings; a peer that misses two in a row is disconnected.
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// A connection without streams and outside every gossip mesh is closed after this.
    pub idle: Duration,
    /// How long `shutdown` waits for peers to take note.
    pub shutdown: Duration,
    pub backoff: Backoff,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            // Below the 10 s that AutoNAT waits for a dial back, so that it hears of the failure.
            connect: Duration::from_secs(8),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(20),
            idle: Duration::from_secs(60 * 60),
            shutdown: Duration::from_secs(2),
            backoff: Backoff::default(),
        }
    }
}

/// Everything that [`Network::start`](crate::Network::start) needs.
#[derive(Debug, Clone)]
pub struct Config {
    pub seed: NodeSeed,
    pub carrier: Carrier,
    /// Protocols whose incoming streams are accepted.
    pub protocols: Vec<StreamProtocol>,
    /// Shown to peers by identify, such as `comity/0.1.0`.
    pub agent: String,
    /// Whether others can call this node, so that it carries and calls back those who cannot be.
    pub public: bool,
    pub limits: Limits,
    pub timing: Timing,
}

impl Config {
    /// TCP with the default limits.
    pub fn new(seed: NodeSeed, protocols: Vec<StreamProtocol>) -> Self {
        Self {
            seed,
            carrier: Carrier::Tcp,
            protocols,
            agent: concat!("comity/", env!("CARGO_PKG_VERSION")).to_owned(),
            public: false,
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}
