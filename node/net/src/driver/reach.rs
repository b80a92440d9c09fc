//! Being reached: places at relays, addresses tried from outside, holes punched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use libp2p::autonat::v2 as autonat;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{FromSwarm, NewExternalAddrCandidate};
use libp2p::swarm::{ConnectionId, NetworkBehaviour};
use libp2p::{Multiaddr, PeerId, dcutr, relay};

use super::{Driver, innermost, ip_of};
use crate::error::ReserveError;
use crate::event::{Direction, Event};
use crate::reach::{
    BehaviourEvent, Bucket, Probe, PunchCount, ReachReport, Reservation, Serving, is_private,
    widest,
};

/// Places at relays that are held or asked for at one time.
pub const RESERVATIONS_MAX: usize = 8;

/// Addresses of one place that are told: the one that was dialed, and others the relay names.
const RESERVATION_ADDRESSES_MAX: usize = 4;

/// Outcomes of probes that are kept, the newest of each address.
const PROBES_MAX: usize = 32;

/// Addresses made of one peer's observation.
const CANDIDATES_PER_OBSERVATION: usize = 4;

/// Addresses that libp2p is given to try: it remembers each for good, so peers that see this node
/// somewhere else each time must not fill its memory.
const CANDIDATES_BURST: u32 = 32;
const CANDIDATES_EVERY: Duration = Duration::from_secs(10 * 60);

struct Held {
    listener: ListenerId,
    dialed: Multiaddr,
    addresses: Vec<Multiaddr>,
    failed: Option<String>,
}

pub(super) struct Reach {
    public: bool,
    held: BTreeMap<PeerId, Held>,
    probes: VecDeque<Probe>,
    candidates: BTreeSet<Multiaddr>,
    candidates_left: Bucket,
    punches: PunchCount,
    guests: BTreeSet<PeerId>,
    serving: Serving,
}

impl Reach {
    pub(super) fn new(public: bool) -> Self {
        Self {
            public,
            held: BTreeMap::new(),
            probes: VecDeque::new(),
            candidates: BTreeSet::new(),
            candidates_left: Bucket::new(CANDIDATES_BURST, CANDIDATES_EVERY),
            punches: PunchCount::default(),
            guests: BTreeSet::new(),
            serving: Serving::default(),
        }
    }

    /// Whether a dial may come from the port that this node listens on. Through a router that shows
    /// others where it can be called back, so hole punching needs it. Two nodes that call each other
    /// so at one moment would meet in one connection that both believe to have opened; so it is left
    /// alone within a local network, and by nodes that others call anyway.
    pub(super) fn shows_its_port(&self, addresses: &[Multiaddr]) -> bool {
        !self.public
            && addresses
                .iter()
                .all(|it| !is_circuit(it) && !is_private(it))
    }

    fn held_by(&mut self, listener: ListenerId) -> Option<(&PeerId, &mut Held)> {
        self.held
            .iter_mut()
            .find(|(_, held)| held.listener == listener)
    }
}

pub(super) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

fn tcp_port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    })
}

pub(super) fn without_peer(address: &Multiaddr) -> Multiaddr {
    let parts = address.iter();
    parts
        .filter(|part| !matches!(part, Protocol::P2p(_)))
        .collect()
}

fn with_port(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(port))
}

impl Driver {
    pub(super) fn reserve(&mut self, relay: PeerId) -> Result<(), ReserveError> {
        if let Some(held) = self.reach.held.get(&relay)
            && held.failed.is_none()
        {
            return Ok(());
        }
        let others = self.reach.held.len() - usize::from(self.reach.held.contains_key(&relay));
        if others >= RESERVATIONS_MAX {
            return Err(ReserveError::TooMany {
                max: RESERVATIONS_MAX,
            });
        }
        let dialed = self
            .peers
            .dialed_address(&relay)
            .ok_or(ReserveError::NotCalled { relay })?;
        let dialed = without_peer(&dialed)
            .with(Protocol::P2p(relay))
            .with(Protocol::P2pCircuit);
        let listening = self.swarm.listen_on(dialed.clone());
        let listener = listening.map_err(|error| ReserveError::Refused {
            relay,
            cause: error.to_string(),
        })?;
        let own = Protocol::P2p(*self.swarm.local_peer_id());
        self.reach.held.insert(
            relay,
            Held {
                listener,
                dialed: dialed.with(own),
                addresses: Vec::new(),
                failed: None,
            },
        );
        Ok(())
    }

    pub(super) fn release(&mut self, relay: &PeerId) -> bool {
        let Some(held) = self.reach.held.remove(relay) else {
            return false;
        };
        self.swarm.remove_listener(held.listener);
        self.events.push(Event::ReachChanged);
        true
    }

    /// The relay agreed. `false` if the listener is none of a relay's.
    pub(super) fn on_place(&mut self, listener: ListenerId, address: &Multiaddr) -> bool {
        let Some((_, held)) = self.reach.held_by(listener) else {
            return false;
        };
        let dialed = held.dialed.clone();
        for address in [&dialed, address] {
            if !held.addresses.contains(address) && held.addresses.len() < RESERVATION_ADDRESSES_MAX
            {
                held.addresses.push(address.clone());
            }
        }
        self.events.push(Event::ReachChanged);
        true
    }

    pub(super) fn on_place_lost(&mut self, listener: ListenerId, reason: &io::Result<()>) {
        let Some((relay, held)) = self.reach.held_by(listener) else {
            return;
        };
        let why = match reason {
            Ok(()) => "the connection to it ended".to_owned(),
            Err(error) => innermost(error),
        };
        tracing::debug!(%relay, %why, "no place at a relay");
        held.addresses.clear();
        held.failed = Some(why);
        self.events.push(Event::ReachChanged);
    }

    /// This node listens somewhere new, or somewhere no longer.
    pub(super) fn on_own_addresses(&mut self) {
        if self.reach.public {
            let told = widest(self.own_listeners());
            let before: Vec<Multiaddr> = self.swarm.external_addresses().cloned().collect();
            for gone in before.iter().filter(|it| !told.contains(*it)) {
                self.swarm.remove_external_address(gone);
            }
            for new in told.into_iter().filter(|it| !before.contains(it)) {
                self.swarm.add_external_address(new);
            }
        }
        let admitted: Vec<PeerId> = self.peers.ids().collect();
        for peer in admitted {
            self.consider_observations(&peer);
        }
        self.events.push(Event::ReachChanged);
    }

    pub(super) fn own_listeners(&self) -> impl Iterator<Item = &Multiaddr> {
        self.swarm.listeners().filter(|it| !is_circuit(it))
    }

    /// Has the addresses tried at which an admitted peer sees this node.
    pub(super) fn consider_observations(&mut self, peer: &PeerId) {
        if !self.admission.allows(peer) {
            return;
        }
        let ports: BTreeSet<u16> = self.own_listeners().filter_map(tcp_port).collect();
        let mut found = Vec::new();
        for (direction, shows_port, observed) in self.peers.observations(peer) {
            let (Some(ip), Some(port)) = (ip_of(observed), tcp_port(observed)) else {
                continue;
            };
            let called = direction == Direction::Inbound || shows_port;
            let mut seen: Vec<u16> = called.then_some(port).into_iter().collect();
            // Called from a passing port, it is the address that counts, and the port is its own.
            if direction == Direction::Outbound {
                seen.extend(ports.iter().filter(|it| **it != port));
            }
            let seen = seen.into_iter().take(CANDIDATES_PER_OBSERVATION);
            found.extend(seen.map(|port| with_port(ip, port)));
        }
        for address in found {
            if self.reach.candidates.contains(&address)
                || !self.reach.candidates_left.take(Instant::now())
            {
                continue;
            }
            let reach = &mut self.swarm.behaviour_mut().reach;
            let candidate =
                || FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr: &address });
            reach.autonat_client.inner.on_swarm_event(candidate());
            reach.dcutr.inner.on_swarm_event(candidate());
            self.reach.candidates.insert(address);
        }
        self.events.push(Event::ReachChanged);
    }

    pub(super) fn on_reach_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::RelayClient(event) => tracing::debug!(?event, "relay"),
            BehaviourEvent::RelayServer(event) => self.on_relay_event(event),
            BehaviourEvent::AutonatClient(event) => self.on_probe(event),
            BehaviourEvent::AutonatServer(event) => {
                self.end_dial_back(event.client, &event.tested_addr);
            }
            BehaviourEvent::Dcutr(event) => self.on_punch(event),
        }
    }

    fn on_relay_event(&mut self, event: relay::Event) {
        let reach = &mut self.reach;
        match event {
            relay::Event::ReservationReqAccepted { src_peer_id, .. } => {
                reach.guests.insert(src_peer_id);
            }
            relay::Event::ReservationTimedOut { src_peer_id } => {
                reach.guests.remove(&src_peer_id);
            }
            relay::Event::ReservationReqDenied { .. } | relay::Event::CircuitReqDenied { .. } => {
                reach.serving.refused += 1;
            }
            relay::Event::CircuitReqAccepted { .. } => reach.serving.circuits += 1,
            relay::Event::CircuitClosed { .. } => {
                reach.serving.circuits = reach.serving.circuits.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn on_probe(&mut self, event: autonat::client::Event) {
        let address = event.tested_addr;
        self.reach.probes.retain(|it| it.address != address);
        if self.reach.probes.len() >= PROBES_MAX {
            self.reach.probes.pop_front();
        }
        self.reach.probes.push_back(Probe {
            address,
            by: event.server,
            failed: event.result.err().map(|error| error.to_string()),
            at: Instant::now(),
        });
        self.events.push(Event::ReachChanged);
    }

    /// A connection made for trying an address has done its work.
    fn end_dial_back(&mut self, client: PeerId, tested: &Multiaddr) {
        let tested = without_peer(tested);
        let dialed = |address: &Multiaddr| without_peer(address) == tested;
        if let Some(id) = self.peers.last_of_several(&client, dialed) {
            self.swarm.close_connection(id);
        }
    }

    fn on_punch(&mut self, event: dcutr::Event) {
        let peer = event.remote_peer_id;
        match event.result {
            Ok(_) => {
                tracing::debug!(%peer, "a direct connection replaces the relayed one");
                self.reach.punches.made += 1;
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "no direct connection; the relay goes on carrying it");
                self.reach.punches.failed += 1;
                self.reach.punches.last_failure = Some((peer, error.to_string()));
            }
        }
        self.events.push(Event::ReachChanged);
    }

    /// A relay need not carry what goes directly.
    pub(super) fn leave_relays(&mut self, peer: &PeerId) {
        let ids: Vec<ConnectionId> = self.peers.needlessly_relayed(peer);
        for id in ids {
            self.swarm.close_connection(id);
        }
    }

    pub(super) fn gone(&mut self, peer: &PeerId) {
        self.admission.disconnected(peer);
        self.reach.guests.remove(peer);
    }

    pub(super) fn reach_report(&self) -> ReachReport {
        let reach = &self.reach;
        let listening: Vec<Multiaddr> = self.own_listeners().cloned().collect();
        let mut observed = Vec::new();
        for peer in self.peers.ids().filter(|it| self.admission.allows(it)) {
            let seen = self.peers.observations(&peer);
            observed.extend(seen.map(|(_, _, address)| (address.clone(), peer)));
        }
        let ips: BTreeSet<IpAddr> = listening
            .iter()
            .chain(observed.iter().map(|(address, _)| address))
            .filter_map(ip_of)
            .collect();
        // Where the node is no longer, nobody reaches it, whatever was true once.
        let still = |it: &&Probe| ip_of(&it.address).is_some_and(|ip| ips.contains(&ip));
        let place = |(relay, held): (&PeerId, &Held)| Reservation {
            relay: *relay,
            addresses: held.addresses.clone(),
            failed: held.failed.clone(),
        };
        ReachReport {
            probes: reach.probes.iter().filter(still).cloned().collect(),
            reservations: reach.held.iter().map(place).collect(),
            relays: self.peers.relays(&self.admission),
            punches: reach.punches.clone(),
            serving: reach.public.then_some(Serving {
                reservations: reach.guests.len(),
                ..reach.serving
            }),
            listening,
            observed,
        }
    }
}
