//! Who is connected, and how connections begin and end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::swarm::{ConnectionError, ConnectionId};
use libp2p::{Multiaddr, PeerId, ping};

use super::{Driver, jitter};
use crate::event::{Direction, DisconnectReason, Event};
use crate::network::ConnectedPeer;

/// A peer that misses this many pings in a row is gone: TCP alone would wait for many minutes.
const MAX_MISSED_PINGS: u32 = 2;

#[derive(Default)]
struct Peer {
    connections: BTreeMap<ConnectionId, (Direction, Multiaddr)>,
    rtt: Option<Duration>,
    missed_pings: u32,
    /// Why this node is closing the connections, if it does.
    closing: Option<DisconnectReason>,
}

/// Bounded by the connection limit.
#[derive(Default)]
pub(super) struct Peers {
    peers: BTreeMap<PeerId, Peer>,
}

impl Peers {
    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn snapshot(&self) -> Vec<ConnectedPeer> {
        let snapshot = |(id, peer): (&PeerId, &Peer)| ConnectedPeer {
            peer: *id,
            connections: peer.connections.values().cloned().collect(),
            rtt: peer.rtt,
        };
        self.peers.iter().map(snapshot).collect()
    }

    /// Takes leave of everybody.
    pub(super) fn end_all(&mut self) -> Vec<Event> {
        let reason = DisconnectReason::Shutdown;
        let gone = std::mem::take(&mut self.peers).into_keys();
        gone.map(|peer| Event::Disconnected {
            peer,
            reason: reason.clone(),
        })
        .collect()
    }
}

impl Driver {
    pub(super) fn on_established(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        self.metrics.connections_opened += 1;
        let direction = if endpoint.is_dialer() {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let address = endpoint.get_remote_address().clone();
        let is_first = !self.peers.is_connected(&peer);
        let entry = self.peers.peers.entry(peer).or_default();
        entry
            .connections
            .insert(connection, (direction, address.clone()));
        if is_first {
            self.reconnect.connected(&peer, Instant::now());
            self.events.push(Event::Connected {
                peer,
                direction,
                address,
            });
        }
        self.dials.succeeded(connection, peer);
    }

    pub(super) fn on_closed(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        cause: Option<ConnectionError>,
    ) {
        self.metrics.connections_closed += 1;
        let Some(entry) = self.peers.peers.get_mut(&peer) else {
            return;
        };
        entry.connections.remove(&connection);
        if !entry.connections.is_empty() {
            return;
        }
        let reason = entry.closing.take().unwrap_or_else(|| match cause {
            None => DisconnectReason::Requested,
            Some(ConnectionError::KeepAliveTimeout) => DisconnectReason::Idle,
            Some(ConnectionError::IO(error)) => DisconnectReason::Lost {
                detail: error.to_string(),
            },
        });
        self.end(peer, reason);
    }

    fn end(&mut self, peer: PeerId, reason: DisconnectReason) {
        if self.peers.peers.remove(&peer).is_some() {
            self.reconnect.disconnected(&peer, Instant::now(), jitter());
            self.events.push(Event::Disconnected { peer, reason });
        }
    }

    pub(super) fn disconnect(&mut self, peer: PeerId) -> bool {
        if let Some(entry) = self.peers.peers.get_mut(&peer) {
            entry.closing = Some(DisconnectReason::Requested);
        }
        self.swarm.disconnect_peer_id(peer).is_ok()
    }

    /// The peer is gone for the owner at this moment, even if it is slow to let go of its
    /// connection: nothing it sent and nothing it sends is handed out any more.
    pub(super) fn block(&mut self, peer: PeerId) -> bool {
        let is_new = self.swarm.behaviour_mut().gate.block_peer(peer);
        self.reconnect.forget(&peer);
        self.end(peer, DisconnectReason::Blocked);
        self.events.purge(&peer);
        is_new
    }

    pub(super) fn on_ping(&mut self, event: ping::Event) {
        let Some(entry) = self.peers.peers.get_mut(&event.peer) else {
            return;
        };
        match event.result {
            Ok(rtt) => {
                entry.rtt = Some(rtt);
                entry.missed_pings = 0;
                self.events.push(Event::PingRtt {
                    peer: event.peer,
                    rtt,
                });
            }
            // A peer may choose not to answer pings.
            Err(ping::Failure::Unsupported) => {}
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                self.metrics.pings_missed += 1;
                entry.missed_pings += 1;
                if entry.missed_pings >= MAX_MISSED_PINGS {
                    entry.closing = Some(DisconnectReason::Unresponsive);
                    self.swarm.close_connection(event.connection);
                }
            }
        }
    }
}
