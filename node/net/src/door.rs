//! Who is let in before anything is known of them: a bound for each place that calls, and room that
//! strangers leave to those whom the owner knows.
//!
//! A place is an IPv4 address or a /56 of IPv6, which is what one subscriber has. Whoever calls from
//! one place shares its bounds, so they are those of an office, not of a person. A call is weighed
//! before its handshake, which is the most that a stranger can make this node compute for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::{ConnectedPoint, Endpoint, transport::PortUse};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, behaviour::ConnectionEstablished, dummy,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use crate::config::DoorLimits;
use crate::reach::Bucket;

/// Peers that the owner knows.
const KNOWN_MAX: usize = 8_192;
/// Places that are remembered; those that say nothing give way first.
const PLACES_MAX: usize = 4_096;

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum TurnedAway {
    #[error("too many connections are being set up from there")]
    Pending,
    #[error("too many calls came from there lately")]
    TooOften,
    #[error("too many strangers are connected from there")]
    Strangers,
    #[error("the room left is for peers that are known")]
    Reserved,
}

/// Peers whom the owner knows: they find room where strangers find none. Clones are one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<Mutex<BTreeSet<PeerId>>>);

impl Known {
    /// Adds a peer; `false` if it was there, or the list is full.
    pub(crate) fn add(&self, peer: PeerId) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() < KNOWN_MAX && known.insert(peer)
    }

    fn has(&self, peer: &PeerId) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(peer)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    V4(Ipv4Addr),
    /// The first 56 bits.
    V6([u8; 7]),
}

impl Place {
    fn of(address: &Multiaddr) -> Option<Self> {
        let ip = address.iter().find_map(|part| match part {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
            _ => None,
        })?;
        Some(match ip {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let first = ip.octets().first_chunk::<7>().copied();
                Self::V6(first.unwrap_or_default())
            }
        })
    }
}

/// A connection that somebody else opened.
struct Call {
    place: Option<Place>,
    /// None while it is set up.
    peer: Option<PeerId>,
}

/// What decides, apart from the swarm.
pub(crate) struct Door {
    limits: DoorLimits,
    known: Known,
    calls: BTreeMap<ConnectionId, Call>,
    lately: BTreeMap<Place, Bucket>,
}

impl Door {
    pub(crate) fn new(limits: DoorLimits, known: Known) -> Self {
        Self {
            limits,
            known,
            calls: BTreeMap::new(),
            lately: BTreeMap::new(),
        }
    }

    fn from(&self, place: Place) -> impl Iterator<Item = &Call> {
        self.calls
            .values()
            .filter(move |it| it.place == Some(place))
    }

    fn is_stranger(&self, call: &Call) -> bool {
        call.peer.is_some_and(|peer| !self.known.has(&peer))
    }

    /// Somebody calls from a place; none where it has no network address.
    fn rings(
        &mut self,
        id: ConnectionId,
        place: Option<Place>,
        now: Instant,
    ) -> Result<(), TurnedAway> {
        if let Some(place) = place {
            let pending = self.from(place).filter(|it| it.peer.is_none()).count();
            if pending >= self.limits.pending_per_place {
                return Err(TurnedAway::Pending);
            }
            if !self.lately.contains_key(&place) && self.lately.len() >= PLACES_MAX {
                self.lately.retain(|_, bucket| !bucket.is_full(now));
                if self.lately.len() >= PLACES_MAX {
                    self.lately.pop_first();
                }
            }
            let (burst, every) = (self.limits.calls_per_place, self.limits.calls_every);
            let bucket = self
                .lately
                .entry(place)
                .or_insert_with(|| Bucket::new(burst, every));
            if !bucket.take(now) {
                return Err(TurnedAway::TooOften);
            }
        }
        self.calls.insert(id, Call { place, peer: None });
        Ok(())
    }

    /// The handshake has told who it is.
    fn names(&mut self, id: ConnectionId, peer: PeerId) -> Result<(), TurnedAway> {
        let place = self.calls.get(&id).and_then(|it| it.place);
        if self.known.has(&peer) {
            // Who is known did not call in vain, so others at the same place may call once more.
            if let Some(bucket) = place.and_then(|place| self.lately.get_mut(&place)) {
                bucket.give_back();
            }
            return Ok(());
        }
        if self
            .calls
            .values()
            .filter(|it| self.is_stranger(it))
            .count()
            >= self.limits.strangers
        {
            return Err(TurnedAway::Reserved);
        }
        let strangers = |place| self.from(place).filter(|it| self.is_stranger(it)).count();
        match place.map(strangers) {
            Some(count) if count >= self.limits.strangers_per_place => Err(TurnedAway::Strangers),
            _ => Ok(()),
        }
    }

    fn established(&mut self, id: ConnectionId, peer: PeerId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.peer = Some(peer);
        }
    }

    fn gone(&mut self, id: ConnectionId) {
        self.calls.remove(&id);
    }
}

/// The door in the swarm.
pub(crate) struct Behaviour(pub(crate) Door);

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let rung = self.0.rings(id, Place::of(remote), Instant::now());
        rung.map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.0.names(id, peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint: ConnectedPoint::Listener { .. },
                ..
            }) => self.0.established(connection_id, peer_id),
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.0.gone(connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// What a door allows unless its owner says otherwise.
impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            pending_per_place: 16,
            calls_per_place: 128,
            calls_every: Duration::from_millis(500),
            strangers_per_place: 64,
            strangers: 400,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Street {
        door: Door,
        known: Known,
        next: usize,
        now: Instant,
    }

    impl Street {
        fn new(limits: DoorLimits) -> Self {
            let known = Known::default();
            let door = Door::new(limits, known.clone());
            let now = Instant::now();
            Self {
                door,
                known,
                next: 0,
                now,
            }
        }

        fn ring(&mut self, from: &str) -> Result<ConnectionId, TurnedAway> {
            self.next += 1;
            let id = ConnectionId::new_unchecked(self.next);
            let place = Place::of(&from.parse().unwrap());
            self.door.rings(id, place, self.now).map(|()| id)
        }

        fn enter(&mut self, from: &str, peer: PeerId) -> Result<ConnectionId, TurnedAway> {
            let id = self.ring(from)?;
            match self.door.names(id, peer) {
                Ok(()) => self.door.established(id, peer),
                Err(why) => {
                    self.door.gone(id);
                    return Err(why);
                }
            }
            Ok(id)
        }
    }

    fn turned_away(
        of: usize,
        mut call: impl FnMut() -> Result<ConnectionId, TurnedAway>,
    ) -> Vec<TurnedAway> {
        let mut away: Vec<_> = (0..of).filter_map(|_| call().err()).collect();
        away.dedup();
        away
    }

    const HERE: &str = "/ip4/192.0.2.1/tcp/1";
    const THERE: &str = "/ip4/192.0.2.2/tcp/1";

    #[test]
    fn handshakes_begun_at_one_place_leave_room_to_others() {
        let mut street = Street::new(DoorLimits::default());
        let first = street.ring(HERE).unwrap();
        assert_eq!(
            turned_away(200, || street.ring(HERE)),
            [TurnedAway::Pending]
        );
        assert!(street.ring(THERE).is_ok());
        street.door.gone(first);
        assert!(street.ring(HERE).is_ok());
        assert_eq!(street.ring(HERE), Err(TurnedAway::Pending));
    }

    #[test]
    fn who_calls_again_and_again_in_vain_is_not_even_greeted() {
        let mut street = Street::new(DoorLimits::default());
        let calls = |street: &mut Street| {
            (0..10_000)
                .filter(|_| {
                    let rung = street.ring(HERE);
                    if let Ok(id) = rung {
                        street.door.gone(id);
                    }
                    rung.is_ok()
                })
                .count()
        };
        assert_eq!(calls(&mut street), 128);
        street.now += Duration::from_secs(5);
        assert_eq!(calls(&mut street), 10);
        assert!(street.ring(THERE).is_ok());
        // Whoever is known does not use the calls up.
        let mut street = Street::new(DoorLimits::default());
        let friend = PeerId::random();
        street.known.add(friend);
        for _ in 0..1_000 {
            let id = street.enter(HERE, friend).unwrap();
            street.door.gone(id);
        }
    }

    #[test]
    fn strangers_leave_room_to_those_who_are_known() {
        let mut street = Street::new(DoorLimits {
            strangers: 100,
            ..DoorLimits::default()
        });
        let friend = PeerId::random();
        street.known.add(friend);
        let at_once = turned_away(70, || street.enter(HERE, PeerId::random()));
        assert_eq!(at_once, [TurnedAway::Strangers]);
        assert!(street.enter(HERE, friend).is_ok());
        let at_once = turned_away(70, || street.enter(THERE, PeerId::random()));
        assert_eq!(at_once, [TurnedAway::Reserved]);
        assert!(street.enter(THERE, friend).is_ok());
        // Who becomes known takes up no stranger's room any more.
        let peer = street
            .door
            .calls
            .values()
            .find_map(|it| it.peer.filter(|it| *it != friend));
        street.known.add(peer.unwrap());
        assert!(
            street
                .enter("/ip4/192.0.2.3/tcp/1", PeerId::random())
                .is_ok()
        );
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_place_and_memory_is_none() {
        let mut street = Street::new(DoorLimits::default());
        let away = (0..64).filter_map(|number| {
            let from = format!("/ip6/2001:db8:0:{number:x}::{number:x}/tcp/1");
            street.ring(&from).err()
        });
        assert_eq!(away.count(), 64 - 16);
        assert!(street.ring("/ip6/2001:db8:0:100::1/tcp/1").is_ok());
        // As IPv4 it is the same place as without the coat.
        for _ in 0..16 {
            assert!(street.ring(HERE).is_ok());
        }
        assert!(street.ring("/ip6/::ffff:192.0.2.1/tcp/1").is_err());
        for _ in 0..1_000 {
            assert!(street.ring("/memory/7").is_ok());
        }
    }
}
