//! Counters since start, for `status` pages and tests.

use crate::events::QueueCounters;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metrics {
    pub connected_peers: usize,
    pub connections_opened: u64,
    pub connections_closed: u64,
    /// Incoming connections turned away: blocked, over a limit, or a failed handshake.
    pub inbound_refused: u64,
    pub dials_failed: u64,
    pub reconnect_attempts: u64,
    pub gossip_published: u64,
    pub gossip_received: u64,
    pub gossip_accepted: u64,
    pub gossip_rejected: u64,
    /// Messages that peers were too slow to take from this node.
    pub gossip_not_sent: u64,
    pub streams_accepted: u64,
    pub pings_missed: u64,
    pub queue: QueueCounters,
}
