//! Reaching nodes behind routers: relays, hole punching, and finding out who can be reached.
//!
//! Every node can ask: it keeps a place at a relay (circuit relay v2), takes part in hole punching
//! (DCUtR) and has its addresses tried from outside (AutoNAT v2). Only a node set `public` answers:
//! it carries the traffic of others and dials back, within the bounds below, for peers that were
//! admitted. Which peers those are is told to this crate ([`Admission`]); whom to ask for a place is
//! decided by the owner as well.

mod admission;
mod guard;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::autonat::v2 as autonat;
use libp2p::identity::PublicKey;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Multiaddr, dcutr, relay};

pub use admission::Admission;
pub use guard::Bucket;
pub(crate) use guard::{Guarded, Rule};
pub use report::{Link, Probe, PunchCount, ReachReport, Reservation, Serving};

/// Places that a public node gives away: each lets one peer be called through it.
pub const RELAY_RESERVATIONS_MAX: usize = 256;

/// libp2p grants one more than it is told, for a place that is being renewed.
const RELAY_RESERVATIONS_PER_PEER: usize = 1;

/// A place is kept this long, and renewed before.
pub const RELAY_RESERVATION: Duration = Duration::from_secs(60 * 60);

/// Circuits through a public node at one time.
pub const RELAY_CIRCUITS_MAX: usize = 128;

/// Circuits through a public node that one peer may take part in, less one.
pub const RELAY_CIRCUITS_PER_PEER: usize = 7;

/// A circuit ends after this, whatever goes on in it; the peers then make another.
pub const RELAY_CIRCUIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Bytes that a circuit carries, each way: libp2p's 128 KiB would not bring over a community's first
/// page, and 256 MiB are some 400,000 contributions.
pub const RELAY_CIRCUIT_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How many places or circuits one peer may ask for at once, and how long until it may ask again.
const PER_PEER_BURST: u32 = 16;
const PER_PEER_EVERY: Duration = Duration::from_secs(20);

/// The same for one address of the network, behind which an office may sit.
const PER_IP_BURST: u32 = 64;
const PER_IP_EVERY: Duration = Duration::from_secs(5);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) relay_client: Guarded<relay::client::Behaviour>,
    pub(crate) relay_server: Toggle<relay::Behaviour>,
    pub(crate) autonat_client: Guarded<autonat::client::Behaviour>,
    pub(crate) autonat_server: Toggle<Guarded<autonat::server::Behaviour>>,
    pub(crate) dcutr: Guarded<dcutr::Behaviour>,
}

/// The behaviour, and the transport over which circuits are dialed and accepted: the two only work
/// together.
pub(crate) fn build(
    key: &PublicKey,
    public: bool,
    admission: &Admission,
) -> (relay::client::Transport, Behaviour) {
    let own_id = key.to_peer_id();
    let (transport, relay_client) = relay::client::new(own_id);
    let relay_server = public.then(|| {
        let mut server = relay::Behaviour::new(own_id, relay_config(admission));
        server.set_status(Some(relay::Status::Enable));
        server
    });
    let autonat_server = public.then(|| {
        let rule = Rule::dial_back(admission.clone());
        Guarded::new(autonat::server::Behaviour::default(), rule)
    });
    let behaviour = Behaviour {
        relay_client: Guarded::new(relay_client, Rule::Quiet),
        relay_server: relay_server.into(),
        autonat_client: Guarded::new(autonat::client::Behaviour::default(), Rule::Quiet),
        autonat_server: autonat_server.into(),
        dcutr: Guarded::new(dcutr::Behaviour::new(own_id), Rule::punch()),
    };
    (transport, behaviour)
}

fn relay_config(admission: &Admission) -> relay::Config {
    let per = |number: u32| NonZeroU32::new(number).expect("the limits above are not zero");
    // Asked in order: who is not admitted uses up nothing.
    relay::Config {
        max_reservations: RELAY_RESERVATIONS_MAX,
        max_reservations_per_peer: RELAY_RESERVATIONS_PER_PEER,
        reservation_duration: RELAY_RESERVATION,
        reservation_rate_limiters: vec![admission.as_limiter()],
        max_circuits: RELAY_CIRCUITS_MAX,
        max_circuits_per_peer: RELAY_CIRCUITS_PER_PEER,
        max_circuit_duration: RELAY_CIRCUIT,
        max_circuit_bytes: RELAY_CIRCUIT_MAX_BYTES,
        circuit_src_rate_limiters: vec![admission.as_limiter()],
    }
    .reservation_rate_per_peer(per(PER_PEER_BURST), PER_PEER_EVERY)
    .reservation_rate_per_ip(per(PER_IP_BURST), PER_IP_EVERY)
    .circuit_src_per_peer(per(PER_PEER_BURST), PER_PEER_EVERY)
    .circuit_src_per_ip(per(PER_IP_BURST), PER_IP_EVERY)
}

/// Whether an address means something within one machine or one local network only. Circuits are as
/// private as their relay.
pub fn is_private(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => is_private_ip(IpAddr::V4(ip)),
        Some(Protocol::Ip6(ip)) => is_private_ip(IpAddr::V6(ip)),
        Some(Protocol::Memory(_)) | None => true,
        Some(_) => false,
    }
}

/// Of addresses those that mean something to most others: to all the world, to a network, or to this
/// machine.
pub fn widest<'a>(addresses: impl Iterator<Item = &'a Multiaddr>) -> BTreeSet<Multiaddr> {
    let is_loopback = |address: &Multiaddr| match address.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        _ => false,
    };
    let mut ranked: BTreeMap<(bool, bool), BTreeSet<Multiaddr>> = BTreeMap::new();
    for address in addresses {
        let rank = (is_private(address), is_loopback(address));
        ranked.entry(rank).or_default().insert(address.clone());
    }
    let first = ranked.pop_first();
    first.map(|(_, widest)| widest).unwrap_or_default()
}

fn is_private_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            // 100.64.0.0/10 lies between a provider's customers and its router.
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || is_shared
        }
        IpAddr::V6(ip) => {
            let is_local = ip.is_unique_local() || ip.is_unicast_link_local();
            ip.is_loopback() || ip.is_unspecified() || is_local
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_homes_and_offices_are_private() {
        for (text, private) in [
            ("/ip4/192.168.1.7/tcp/7440", true),
            ("/ip4/10.1.2.3/tcp/7440", true),
            ("/ip4/127.0.0.1/tcp/7440", true),
            ("/ip4/100.64.0.1/tcp/7440", true),
            ("/ip6/fd00::1/tcp/7440", true),
            ("/ip6/::1/tcp/7440", true),
            ("/ip4/198.51.100.1/tcp/7440", false),
            ("/ip4/100.128.0.1/tcp/7440", false),
            ("/ip6/2001:db8::1/tcp/7440", false),
        ] {
            let address: Multiaddr = text.parse().expect("an address");
            assert_eq!(is_private(&address), private, "{text}");
        }
    }
}
