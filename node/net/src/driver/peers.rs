//! Who is connected, and how connections begin and end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::core::{ConnectedPoint, transport::PortUse};
use libp2p::swarm::{ConnectionError, ConnectionId};
use libp2p::{Multiaddr, PeerId, identify, ping, relay};

use super::{Driver, jitter};
use crate::event::{Direction, DisconnectReason, Event};
use crate::network::ConnectedPeer;
use crate::reach::{Admission, Link};

/// A peer that misses this many pings in a row is gone: TCP alone would wait for many minutes.
const MAX_MISSED_PINGS: u32 = 2;

struct Connection {
    link: Link,
    /// Whether this node called from the port on which it listens.
    shows_port: bool,
    /// Where the peer sees this node.
    observed: Option<Multiaddr>,
}

#[derive(Default)]
struct Peer {
    connections: BTreeMap<ConnectionId, Connection>,
    /// Whether it says that it carries others.
    is_relay: bool,
    rtt: Option<Duration>,
    missed_pings: u32,
    /// Why this node is closing the connections, if it does.
    closing: Option<DisconnectReason>,
}

impl Peer {
    fn links(&self) -> impl Iterator<Item = &Link> {
        self.connections.values().map(|it| &it.link)
    }
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
            connections: peer.links().cloned().collect(),
            rtt: peer.rtt,
        };
        self.peers.iter().map(snapshot).collect()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.peers.keys().copied()
    }

    /// Takes note of what a peer said of itself and of this node.
    pub(super) fn identified(&mut self, peer: &PeerId, id: ConnectionId, info: &identify::Info) {
        let Some(peer) = self.peers.get_mut(peer) else {
            return;
        };
        peer.is_relay = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        if let Some(connection) = peer.connections.get_mut(&id)
            && !connection.link.relayed
        {
            connection.observed = Some(info.observed_addr.clone());
        }
    }

    /// Where a peer sees this node: who called, whether from the listener's port, the address.
    pub(super) fn observations(
        &self,
        peer: &PeerId,
    ) -> impl Iterator<Item = (Direction, bool, &Multiaddr)> {
        let connections = self.peers.get(peer).into_iter();
        connections
            .flat_map(|it| it.connections.values())
            .filter_map(|it| Some((it.link.direction, it.shows_port, it.observed.as_ref()?)))
    }

    /// Where this node called a peer that is connected without a relay.
    pub(super) fn dialed_address(&self, peer: &PeerId) -> Option<Multiaddr> {
        let mut links = self.peers.get(peer)?.links();
        let dialed = links.find(|it| it.direction == Direction::Outbound && !it.relayed)?;
        Some(dialed.address.clone())
    }

    /// Admitted peers that carry others and were called by this node, and where.
    pub(super) fn relays(&self, admission: &Admission) -> Vec<(PeerId, Multiaddr)> {
        let able = self.peers.iter().filter(|(_, peer)| peer.is_relay);
        able.filter(|(id, _)| admission.allows(id))
            .filter_map(|(id, _)| Some((*id, self.dialed_address(id)?)))
            .collect()
    }

    /// Whether this node called a peer directly before and now again. The second connection would take
    /// the place that a peer has for calling back.
    pub(super) fn has_called_twice(&self, peer: &PeerId, newest: ConnectionId) -> bool {
        let called = |it: &Connection| it.link.direction == Direction::Outbound && !it.link.relayed;
        let Some(peer) = self.peers.get(peer) else {
            return false;
        };
        peer.connections.get(&newest).is_some_and(called)
            && peer.connections.values().filter(|it| called(it)).count() > 1
    }

    /// Relayed connections of a peer that has a direct one.
    pub(super) fn needlessly_relayed(&self, peer: &PeerId) -> Vec<ConnectionId> {
        let Some(peer) = self.peers.get(peer) else {
            return Vec::new();
        };
        if peer.links().all(|it| it.relayed) {
            return Vec::new();
        }
        let relayed = peer.connections.iter().filter(|(_, it)| it.link.relayed);
        relayed.map(|(id, _)| *id).collect()
    }

    /// The newest connection that this node opened to such an address, if the peer has others.
    pub(super) fn last_of_several(
        &self,
        peer: &PeerId,
        dialed: impl Fn(&Multiaddr) -> bool,
    ) -> Option<ConnectionId> {
        let connections = &self.peers.get(peer)?.connections;
        let such = connections
            .iter()
            .rfind(|(_, it)| it.link.direction == Direction::Outbound && dialed(&it.link.address));
        let (id, _) = such.filter(|_| connections.len() > 1)?;
        Some(*id)
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
        let reused = matches!(
            endpoint,
            ConnectedPoint::Dialer {
                port_use: PortUse::Reuse,
                ..
            }
        );
        entry.connections.insert(
            connection,
            Connection {
                link: Link {
                    direction,
                    address: address.clone(),
                    relayed: endpoint.is_relayed(),
                },
                shows_port: reused,
                observed: None,
            },
        );
        if is_first {
            self.admission.connected(peer);
            self.reconnect.connected(&peer, Instant::now());
            self.events.push(Event::Connected {
                peer,
                direction,
                address,
            });
        }
        self.dials.succeeded(connection, peer);
        self.leave_relays(&peer);
        if self.peers.has_called_twice(&peer, connection) {
            self.swarm.close_connection(connection);
        }
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
            self.gone(&peer);
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
