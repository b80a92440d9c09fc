//! What a node finds out about how it can be reached, for its owner and for people.

use std::time::Instant;

use libp2p::{Multiaddr, PeerId};

use crate::event::Direction;

/// One connection of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub direction: Direction,
    pub address: Multiaddr,
    /// Whether a third node carries it.
    pub relayed: bool,
}

/// An address of this node that a peer tried from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub address: Multiaddr,
    pub by: PeerId,
    /// Why it was not reached; none if it was.
    pub failed: Option<String>,
    pub at: Instant,
}

/// A place at a relay, or the attempt to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub relay: PeerId,
    /// At which this node can be called through the relay; none until the relay has agreed.
    pub addresses: Vec<Multiaddr>,
    /// Why there is no place; none while one is held or asked for.
    pub failed: Option<String>,
}

/// How often holes were punched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PunchCount {
    pub made: u64,
    pub failed: u64,
    /// The peer and the reason of the last failure.
    pub last_failure: Option<(PeerId, String)>,
}

/// What a public node does for others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Serving {
    /// Peers that hold a place here.
    pub reservations: usize,
    pub circuits: usize,
    /// Places and circuits refused since the start.
    pub refused: u64,
}

/// How this node can be reached, as far as it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReachReport {
    /// What it listens on itself, without circuits.
    pub listening: Vec<Multiaddr>,
    /// Where admitted peers see it, and which did.
    pub observed: Vec<(Multiaddr, PeerId)>,
    /// The last attempt at each address.
    pub probes: Vec<Probe>,
    pub reservations: Vec<Reservation>,
    /// Admitted peers that this node called and that carry others, and where it called them.
    pub relays: Vec<(PeerId, Multiaddr)>,
    pub punches: PunchCount,
    /// None unless the node is public.
    pub serving: Option<Serving>,
}

impl ReachReport {
    /// Addresses that were reached from outside, and are still where the node is.
    pub fn confirmed(&self) -> impl Iterator<Item = &Multiaddr> {
        let reached = |probe: &&Probe| probe.failed.is_none();
        self.probes.iter().filter(reached).map(|it| &it.address)
    }

    /// Addresses through relays.
    pub fn circuits(&self) -> impl Iterator<Item = &Multiaddr> {
        self.reservations.iter().flat_map(|it| &it.addresses)
    }
}
