//! Whom to call of those in the address book: a few at a time, with pauses for those who do not
//! answer. A pure machine, fed with time and randomness.
//!
//! A statement may name anybody's address, so what others can make this node dial is bounded: so
//! many nodes at once, so many attempts at each, and none on networks this node is not part of.

use comity_net::{Multiaddr, PeerId, is_private};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

/// With so many peers connected nobody else is called.
pub(super) const PEERS_WANTED: usize = 24;
/// Calls to nodes of the book at one time.
pub(super) const CALLS_MAX: usize = 8;
/// After so many failures in a row a node rests, longer each time.
pub(super) const FAILURES_MAX: u32 = 4;
const REST: Duration = Duration::from_secs(5 * 60);
const REST_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// Calls under way, and nodes that did not answer.
#[derive(Debug, Default)]
pub(super) struct Calling {
    /// Failures in a row of those that are being called or were and are connected.
    called: BTreeMap<PeerId, u32>,
    /// How often a node was given up in a row, and until when it rests.
    resting: BTreeMap<PeerId, (u32, Instant)>,
}

/// What to do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) call: Vec<PeerId>,
    pub(super) forget: Vec<PeerId>,
}

impl Calling {
    /// `callable` are the nodes in the book that may be called, without those that are called anyway.
    pub(super) fn decide(
        &mut self,
        callable: &BTreeSet<PeerId>,
        connected: &BTreeSet<PeerId>,
        now: Instant,
        random: u64,
    ) -> Steps {
        self.resting.retain(|peer, _| callable.contains(peer));
        let mut forget = Vec::new();
        for (peer, failures) in &mut self.called {
            if connected.contains(peer) {
                *failures = 0;
                self.resting.remove(peer);
            } else if *failures >= FAILURES_MAX || !callable.contains(peer) {
                forget.push(*peer);
            }
        }
        for peer in forget.iter().filter(|it| callable.contains(it)) {
            let (times, until) = self.resting.entry(*peer).or_insert((0, now));
            let step = REST.saturating_mul(1 << (*times).min(16)).min(REST_MAX);
            let half_millis = u64::try_from(step.as_millis() / 2).unwrap_or(u64::MAX);
            *until = now + Duration::from_millis(half_millis + random % (half_millis + 1));
            *times += 1;
        }
        for peer in &forget {
            self.called.remove(peer);
        }
        let waiting = self.called.keys().filter(|it| !connected.contains(it));
        let room = CALLS_MAX.saturating_sub(waiting.count());
        let wanted = PEERS_WANTED.saturating_sub(connected.len()).min(room);
        let rests = |peer: &PeerId| {
            self.resting
                .get(peer)
                .is_some_and(|(_, until)| *until > now)
        };
        let able: Vec<PeerId> = callable
            .iter()
            .filter(|it| !connected.contains(it) && !self.called.contains_key(it) && !rests(it))
            .copied()
            .collect();
        // Each node begins at another place, so that not all call the same.
        let begin = usize::try_from(random % (able.len().max(1) as u64)).unwrap_or_default();
        let call: Vec<PeerId> = able
            .iter()
            .cycle()
            .skip(begin)
            .take(wanted.min(able.len()))
            .copied()
            .collect();
        self.called.extend(call.iter().map(|peer| (*peer, 0)));
        Steps { call, forget }
    }

    /// A call to a peer failed.
    pub(super) fn failed(&mut self, peer: &PeerId) {
        if let Some(failures) = self.called.get_mut(peer) {
            *failures = failures.saturating_add(1);
        }
    }

    /// A peer has told new addresses, which deserve a try; whether it is being called now.
    pub(super) fn moved(&mut self, peer: &PeerId) -> bool {
        self.resting.remove(peer);
        match self.called.get_mut(peer) {
            Some(failures) => {
                *failures = 0;
                true
            }
            None => false,
        }
    }
}

/// Whether an address that somebody stated may be dialed by a node that listens on these: never one
/// of its own machine, unless it is alone there, and on a local network only if it is part of it.
pub(super) fn may_dial(address: &Multiaddr, own: &[Multiaddr]) -> bool {
    let Some(ip) = ip_of(address) else {
        return false;
    };
    if ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    let mut listens = own.iter().filter_map(ip_of);
    if ip.is_loopback() {
        return !own.is_empty() && listens.all(|it| it.is_loopback());
    }
    !is_private(address) || listens.any(|it| same_network(it, ip))
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    let text = address.to_string();
    let mut parts = text.split('/').skip(1);
    let (family, ip, carrier) = (parts.next()?, parts.next()?, parts.next()?);
    match (family, carrier) {
        ("ip4", "tcp") => ip.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        ("ip6", "tcp") => ip.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    }
}

/// Local networks are told apart by their first 16 bits, those of IPv6 by their first 48.
fn same_network(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..2] == other.octets()[..2],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.segments()[..3] == other.segments()[..3],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::peer_of;
    use comity_protocol::key::SecretKey;

    fn peers(range: std::ops::Range<u8>) -> BTreeSet<PeerId> {
        let peer = |number| peer_of(&SecretKey::from_seed(&[number; 32]).public()).unwrap();
        range.map(peer).collect()
    }

    #[test]
    fn few_are_called_at_once_and_nobody_once_enough_are_connected() {
        let (mut calling, all, now) = (Calling::default(), peers(0..100), Instant::now());
        let steps = calling.decide(&all, &BTreeSet::new(), now, 77);
        assert_eq!((steps.call.len(), steps.forget.len()), (CALLS_MAX, 0));
        let more = calling.decide(&all, &BTreeSet::new(), now, 3);
        assert_eq!(more, Steps::default());
        let connected: BTreeSet<PeerId> = steps.call.into_iter().collect();
        let more = calling.decide(&all, &connected, now, 3);
        assert_eq!(more.call.len(), CALLS_MAX);
        assert!(more.call.iter().all(|it| !connected.contains(it)));
        let many: BTreeSet<PeerId> = all.iter().take(PEERS_WANTED).copied().collect();
        let mut calling = Calling::default();
        assert_eq!(calling.decide(&all, &many, now, 3), Steps::default());
    }

    #[test]
    fn who_does_not_answer_is_given_up_and_rests_longer_each_time() {
        let (mut calling, all, now) = (Calling::default(), peers(0..1), Instant::now());
        let [peer] = all.iter().copied().collect::<Vec<_>>()[..] else {
            panic!()
        };
        let nobody = BTreeSet::new();
        let mut now = now;
        for step in [REST, REST * 2, REST * 4] {
            assert_eq!(calling.decide(&all, &nobody, now, 0).call, [peer]);
            for _ in 0..FAILURES_MAX {
                assert_eq!(calling.decide(&all, &nobody, now, 0), Steps::default());
                calling.failed(&peer);
            }
            assert_eq!(calling.decide(&all, &nobody, now, 0).forget, [peer]);
            let nearly = now + step / 2 - Duration::from_millis(1);
            assert_eq!(calling.decide(&all, &nobody, nearly, 0), Steps::default());
            now += step / 2;
        }
        // Other addresses are tried at once.
        assert_eq!(calling.decide(&all, &nobody, now, 0).call, [peer]);
        (0..FAILURES_MAX).for_each(|_| calling.failed(&peer));
        calling.decide(&all, &nobody, now, 0);
        assert!(!calling.moved(&peer));
        assert_eq!(calling.decide(&all, &nobody, now, 0).call, [peer]);
        assert!(calling.moved(&peer));
        // And who left the book is not called any more.
        assert_eq!(calling.decide(&nobody, &nobody, now, 0).forget, [peer]);
    }

    #[test]
    fn nobody_makes_this_node_dial_its_own_machine_or_a_network_it_is_not_in() {
        let at = |text: &str| text.parse::<Multiaddr>().unwrap();
        let home = [
            at("/ip4/127.0.0.1/tcp/7440"),
            at("/ip4/192.168.1.7/tcp/7440"),
        ];
        let alone = [at("/ip4/127.0.0.1/tcp/7440")];
        for (text, from_home, from_alone) in [
            ("/ip4/198.51.100.1/tcp/7440", true, true),
            ("/ip6/2001:db8::1/tcp/7440", true, true),
            ("/ip4/127.0.0.1/tcp/6379", false, true),
            ("/ip4/192.168.1.1/tcp/80", true, false),
            ("/ip4/10.0.0.1/tcp/80", false, false),
            ("/ip4/169.254.169.254/tcp/80", false, false),
            ("/ip4/0.0.0.0/tcp/80", false, false),
            ("/ip4/198.51.100.1/udp/53", false, false),
            ("/memory/1", false, false),
        ] {
            assert_eq!(may_dial(&at(text), &home), from_home, "{text}");
            assert_eq!(may_dial(&at(text), &alone), from_alone, "{text}");
        }
        assert!(!may_dial(&at("/ip4/127.0.0.1/tcp/6379"), &[]));
    }
}
