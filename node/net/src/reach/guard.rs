//! A fence around behaviours of libp2p that dial, or tell addresses, because a peer said so.
//!
//! - What they find out about this node's own addresses stays here: libp2p would hand it to identify,
//!   which tells it to every peer, strangers included. The driver learns it from their events.
//! - A dial that a peer asked for is compared with a [`Rule`] before it goes out, so that nobody
//!   makes this node knock at a third party's door.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::{ConnectedPoint, Endpoint, transport::PortUse};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use super::Admission;

/// Addresses that one attempt at hole punching may try: libp2p offers up to 20 of its own.
pub(crate) const PUNCH_ADDRESSES_MAX: usize = 20;

/// Attempts at hole punching, with all peers together: so many at once, then one in a while.
const PUNCHES_BURST: u32 = 32;
const PUNCHES_EVERY: Duration = Duration::from_secs(5);

/// Addresses dialed back for AutoNAT, with all peers together.
const DIAL_BACKS_BURST: u32 = 64;
const DIAL_BACKS_EVERY: Duration = Duration::from_secs(2);

/// Why a dial that a peer asked for was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("the peer was not admitted")]
    NotAdmitted,
    #[error("the address is not one from which the peer is connected")]
    Foreign,
    #[error("too many addresses, or such that cannot be dialed")]
    Addresses,
    #[error("too many attempts of this kind for now")]
    TooMany,
}

/// What dials of a behaviour must keep to.
#[derive(Debug)]
pub(crate) enum Rule {
    /// Dials are this node's own idea.
    Quiet,
    /// Hole punching: few addresses, not too often.
    Punch(Bucket),
    /// AutoNAT's dials: an admitted peer, at the network address it is connected from.
    DialBack {
        admission: Admission,
        seen: BTreeMap<PeerId, BTreeMap<ConnectionId, IpAddr>>,
        bucket: Bucket,
    },
}

impl Rule {
    pub(crate) fn punch() -> Self {
        Self::Punch(Bucket::new(PUNCHES_BURST, PUNCHES_EVERY))
    }

    pub(crate) fn dial_back(admission: Admission) -> Self {
        Self::DialBack {
            admission,
            seen: BTreeMap::new(),
            bucket: Bucket::new(DIAL_BACKS_BURST, DIAL_BACKS_EVERY),
        }
    }

    fn check(
        &mut self,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        now: Instant,
    ) -> Result<(), Refused> {
        let bucket = match self {
            Self::Quiet => return Ok(()),
            Self::Punch(bucket) => {
                let fine = addresses.len() <= PUNCH_ADDRESSES_MAX
                    && addresses.iter().all(|it| ip_of(it).is_some());
                fine.then_some(bucket).ok_or(Refused::Addresses)?
            }
            Self::DialBack {
                admission,
                seen,
                bucket,
            } => {
                let peer = peer
                    .filter(|it| admission.allows(it))
                    .ok_or(Refused::NotAdmitted)?;
                let own: BTreeSet<&IpAddr> = seen
                    .get(&peer)
                    .into_iter()
                    .flat_map(BTreeMap::values)
                    .collect();
                let is_own = |it: &Multiaddr| ip_of(it).is_some_and(|ip| own.contains(&ip));
                addresses
                    .iter()
                    .all(is_own)
                    .then_some(bucket)
                    .ok_or(Refused::Foreign)?
            }
        };
        bucket.take(now).then_some(()).ok_or(Refused::TooMany)
    }

    fn look(&mut self, event: &FromSwarm<'_>) {
        let Self::DialBack { seen, .. } = self else {
            return;
        };
        match event {
            // Where a peer calls from says where it is; what this node dialed was named by somebody.
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint: ConnectedPoint::Listener { send_back_addr, .. },
                ..
            }) => {
                if let Some(ip) = ip_of(send_back_addr) {
                    seen.entry(*peer_id).or_default().insert(*connection_id, ip);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                ..
            }) => {
                if let Some(own) = seen.get_mut(peer_id) {
                    own.remove(connection_id);
                    if own.is_empty() {
                        seen.remove(peer_id);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The network address of a plain TCP address; none for circuits, names and whatever else.
fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    let is_circuit = address.iter().any(|part| part == Protocol::P2pCircuit);
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let is_tcp = matches!(parts.next(), Some(Protocol::Tcp(_)));
    (is_tcp && !is_circuit).then_some(ip)
}

/// So many at once, then one more after each interval.
#[derive(Debug)]
pub struct Bucket {
    burst: u32,
    every: Duration,
    left: u32,
    filled: Option<Instant>,
}

impl Bucket {
    pub fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst,
            every,
            left: burst,
            filled: None,
        }
    }

    /// Takes one; `false` if there is none now.
    pub fn take(&mut self, now: Instant) -> bool {
        let filled = *self.filled.get_or_insert(now);
        let passed =
            now.saturating_duration_since(filled).as_millis() / self.every.as_millis().max(1);
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        if passed > 0 {
            self.left = self.left.saturating_add(passed).min(self.burst);
            self.filled = Some(filled + self.every.saturating_mul(passed));
        }
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or(self.left);
        taken.is_some()
    }
}

impl Bucket {
    /// Puts one back that was taken for nothing.
    pub(crate) fn give_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.burst);
    }

    /// Whether it holds all it can.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        let taken = self.take(now);
        if taken {
            self.give_back();
        }
        self.left >= self.burst
    }
}

/// A behaviour behind the fence.
pub(crate) struct Guarded<B: NetworkBehaviour> {
    pub(crate) inner: B,
    rule: Rule,
    /// Dials on their way from the behaviour to the swarm.
    dials: BTreeSet<ConnectionId>,
}

impl<B: NetworkBehaviour> Guarded<B> {
    pub(crate) fn new(inner: B, rule: Rule) -> Self {
        Self {
            inner,
            rule,
            dials: BTreeSet::new(),
        }
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Guarded<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner
            .handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.dials.remove(&id) {
            let checked = self.rule.check(peer, addresses, Instant::now());
            checked.map_err(|refused| {
                tracing::debug!(?peer, %refused, "a dial that a peer asked for is not made");
                ConnectionDenied::new(refused)
            })?;
        }
        self.inner
            .handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::DialFailure(DialFailure { connection_id, .. }) = &event {
            self.dials.remove(connection_id);
        }
        self.rule.look(&event);
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match self.inner.poll(cx) {
                Poll::Ready(
                    ToSwarm::ExternalAddrConfirmed(_)
                    | ToSwarm::ExternalAddrExpired(_)
                    | ToSwarm::NewExternalAddrCandidate(_),
                ) => {}
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    self.dials.insert(opts.connection_id());
                    return Poll::Ready(ToSwarm::Dial { opts });
                }
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts
            .iter()
            .map(|it| it.parse().expect("an address"))
            .collect()
    }

    #[test]
    fn a_dial_back_goes_to_an_admitted_peer_where_it_is_connected_from() {
        let (admission, peer, now) = (Admission::default(), PeerId::random(), Instant::now());
        let mut rule = Rule::dial_back(admission.clone());
        let (own, other) = (
            addresses(&["/ip4/192.0.2.1/tcp/1"]),
            addresses(&["/ip4/192.0.2.2/tcp/1"]),
        );
        let endpoint = ConnectedPoint::Listener {
            local_addr: Multiaddr::empty(),
            send_back_addr: "/ip4/192.0.2.1/tcp/40000".parse().expect("an address"),
        };
        let connection_id = ConnectionId::new_unchecked(1);
        let established = |endpoint| {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id,
                endpoint,
                failed_addresses: &[],
                other_established: 0,
            })
        };
        admission.connected(peer);
        rule.look(&established(&endpoint));
        assert_eq!(rule.check(Some(peer), &own, now), Err(Refused::NotAdmitted));
        admission.set(peer, true);
        assert_eq!(rule.check(Some(peer), &other, now), Err(Refused::Foreign));
        assert_eq!(rule.check(Some(peer), &own, now), Ok(()));
        assert_eq!(rule.check(None, &own, now), Err(Refused::NotAdmitted));
        // Where this node called it says nothing: others told that address.
        let dialed = ConnectedPoint::Dialer {
            address: other[0].clone(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        rule.look(&established(&dialed));
        assert_eq!(rule.check(Some(peer), &other, now), Err(Refused::Foreign));
        for _ in 0..DIAL_BACKS_BURST {
            let _ = rule.check(Some(peer), &own, now);
        }
        assert_eq!(rule.check(Some(peer), &own, now), Err(Refused::TooMany));
    }

    #[test]
    fn a_hole_is_punched_with_few_plain_addresses_and_not_too_often() {
        let (mut rule, peer, now) = (Rule::punch(), PeerId::random(), Instant::now());
        let many =
            vec!["/ip4/192.0.2.1/tcp/1".parse().expect("an address"); PUNCH_ADDRESSES_MAX + 1];
        assert_eq!(rule.check(Some(peer), &many, now), Err(Refused::Addresses));
        for odd in [
            "/dns4/example.org/tcp/1",
            "/ip4/192.0.2.1/udp/1",
            "/memory/1",
        ] {
            let odd = addresses(&[odd]);
            assert_eq!(rule.check(Some(peer), &odd, now), Err(Refused::Addresses));
        }
        let few = &many[1..];
        for _ in 0..PUNCHES_BURST {
            assert_eq!(rule.check(Some(peer), few, now), Ok(()));
        }
        assert_eq!(rule.check(Some(peer), few, now), Err(Refused::TooMany));
        assert_eq!(rule.check(Some(peer), few, now + PUNCHES_EVERY), Ok(()));
    }

    #[test]
    fn a_bucket_fills_up_to_its_burst_and_no_further() {
        let (second, now) = (Duration::from_secs(1), Instant::now());
        let mut bucket = Bucket::new(2, second);
        assert!(bucket.take(now) && bucket.take(now) && !bucket.take(now));
        let later = now + second * 100;
        assert!(bucket.take(later) && bucket.take(later) && !bucket.take(later));
        assert!(!bucket.take(later + second / 2));
        assert!(bucket.take(later + second));
    }
}
