//! Places at relays: a node that nobody can call directly asks public nodes of its communities for
//! one, and gives it up once it can be called.
//!
//! Which relays to ask is decided by a pure function of what the network found out.

use super::{address, hub::Hub};
use crate::random;
use comity_net::{Multiaddr, PeerId, ReachReport, is_private, reconnect::Backoff};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tracing::{debug, info};

/// Places that a node wants: with one alone it could not be called while that relay restarts.
const PLACES_WANTED: usize = 2;
/// A look at it is due after this even if nothing was told.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Between attempts at one relay.
const RETRY: Backoff = Backoff {
    first_delay: Duration::from_secs(2),
    longest_delay: Duration::from_secs(300),
    stable_after: Duration::from_secs(60),
};

/// When relays that refused are asked again.
#[derive(Debug, Default)]
struct Waiting(BTreeMap<PeerId, (u32, Instant)>);

impl Waiting {
    fn refused(&mut self, relay: PeerId, now: Instant, random: u64) {
        let (failures, until) = self.0.entry(relay).or_insert((0, now));
        if *until <= now {
            *until = now + RETRY.delay(*failures, random);
            *failures = failures.saturating_add(1);
        }
    }

    fn is_over(&self, relay: &PeerId, now: Instant) -> bool {
        self.0.get(relay).is_none_or(|(_, until)| *until <= now)
    }
}

/// What to do about places now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    ask: Vec<PeerId>,
    give_up: Vec<PeerId>,
}

/// Keeps the places that the node needs.
pub(super) async fn keep_places(hub: Arc<Hub>) {
    let mut waiting = Waiting::default();
    let mut changed = hub.reach_changed.subscribe();
    loop {
        let Ok(report) = hub.network.reach().await else {
            return;
        };
        let now = Instant::now();
        let connected: Vec<PeerId> = report.relays.iter().map(|(relay, _)| *relay).collect();
        // Who is gone is asked at once when it is back; so the list is bounded, too.
        waiting.0.retain(|relay, _| connected.contains(relay));
        for place in report.reservations.iter().filter(|it| it.failed.is_some()) {
            if connected.contains(&place.relay) {
                waiting.refused(place.relay, now, random::number());
            }
        }
        let own = hub.network.peer_id();
        let steps = decide(&report, &own, |relay| waiting.is_over(relay, now));
        for relay in steps.give_up {
            let _ = hub.network.release(relay).await;
        }
        for relay in steps.ask {
            match hub.network.reserve(relay).await {
                Ok(()) => info!(%relay, "asking for a place, so that others can call this node"),
                Err(error) => debug!(%error, "no relay was asked"),
            }
        }
        let _ = timeout(LOOK_AGAIN, changed.changed()).await;
    }
}

/// A place is needed where a relay is and no address of this node was reached: a home network says
/// nothing about the world, nor the other way round.
fn decide(report: &ReachReport, own: &PeerId, may_ask: impl Fn(&PeerId) -> bool) -> Steps {
    let needed = |at: &Multiaddr| {
        !report
            .confirmed()
            .any(|it| is_private(it) == is_private(at))
    };
    let mut steps = Steps::default();
    let mut held = 0;
    for place in &report.reservations {
        let called = report
            .relays
            .iter()
            .find(|(relay, _)| *relay == place.relay);
        match (&place.failed, called) {
            (Some(_), None) => steps.give_up.push(place.relay),
            // Kept for people to see, until it is asked again.
            (Some(_), Some(_)) => {}
            (None, Some((_, at))) if !needed(at) => steps.give_up.push(place.relay),
            (None, _) => held += 1,
        }
    }
    let taken = |relay: &PeerId| {
        let place = report.reservations.iter().find(|it| it.relay == *relay);
        place.is_some_and(|it| it.failed.is_none())
    };
    let mut able: Vec<PeerId> = report
        .relays
        .iter()
        .filter(|(relay, at)| needed(at) && !taken(relay) && may_ask(relay))
        .map(|(relay, _)| *relay)
        .collect();
    // Each node has an order of its own, so that not all ask the same relay.
    able.sort_by_key(|relay| distance(own, relay));
    able.truncate(PLACES_WANTED.saturating_sub(held));
    steps.ask = able;
    steps
}

fn distance(own: &PeerId, relay: &PeerId) -> Vec<u8> {
    let bytes = |peer: &PeerId| match address::node_of(peer) {
        Some(node) => node.as_bytes().to_vec(),
        None => peer.to_bytes(),
    };
    let (own, relay) = (bytes(own), bytes(relay));
    own.iter().zip(&relay).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_net::{Probe, Reservation};
    use comity_protocol::key::SecretKey;

    const GLOBAL: &str = "/ip4/198.51.100.1/tcp/7440";
    const PRIVATE: &str = "/ip4/192.168.1.1/tcp/7440";

    fn peer(number: u8) -> PeerId {
        address::peer_of(&SecretKey::from_seed(&[number; 32]).public()).unwrap()
    }

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn with_relays(addresses: &[&str]) -> ReachReport {
        let relays = addresses
            .iter()
            .zip(1..)
            .map(|(it, number)| (peer(number), at(it)));
        ReachReport {
            relays: relays.collect(),
            ..ReachReport::default()
        }
    }

    fn confirm(report: &mut ReachReport, address: &str) {
        report.probes.push(Probe {
            address: at(address),
            by: peer(1),
            failed: None,
            at: Instant::now(),
        });
    }

    fn hold(report: &mut ReachReport, number: u8, failed: Option<&str>) {
        report.reservations.push(Reservation {
            relay: peer(number),
            addresses: Vec::new(),
            failed: failed.map(str::to_owned),
        });
    }

    #[test]
    fn two_places_are_asked_for_and_no_more() {
        let mut report = with_relays(&[GLOBAL; 5]);
        let steps = decide(&report, &peer(9), |_| true);
        assert_eq!((steps.ask.len(), steps.give_up.len()), (2, 0));
        hold(&mut report, 3, None);
        let steps = decide(&report, &peer(9), |_| true);
        assert_eq!(steps.ask.len(), 1);
        assert_ne!(steps.ask, [peer(3)]);
        hold(&mut report, 4, None);
        assert_eq!(decide(&report, &peer(9), |_| true), Steps::default());
    }

    #[test]
    fn not_all_nodes_ask_the_same_relay() {
        let report = with_relays(&[GLOBAL; 5]);
        let first = |own| decide(&report, &peer(own), |_| true).ask[0];
        let asked: std::collections::BTreeSet<PeerId> = (100..120).map(first).collect();
        assert!(asked.len() > 2, "{asked:?}");
    }

    #[test]
    fn who_can_be_called_from_the_world_needs_no_place_there() {
        let mut report = with_relays(&[GLOBAL]);
        confirm(&mut report, PRIVATE);
        assert_eq!(decide(&report, &peer(9), |_| true).ask, [peer(1)]);
        hold(&mut report, 1, None);
        confirm(&mut report, GLOBAL);
        let steps = decide(&report, &peer(9), |_| true);
        assert_eq!((steps.ask, steps.give_up), (vec![], vec![peer(1)]));
    }

    #[test]
    fn a_relay_that_refused_waits_its_turn_and_one_that_is_gone_is_forgotten() {
        let mut report = with_relays(&[GLOBAL, GLOBAL]);
        hold(&mut report, 1, Some("full"));
        let steps = decide(&report, &peer(9), |relay| *relay != peer(1));
        assert_eq!((steps.ask, steps.give_up), (vec![peer(2)], vec![]));
        hold(&mut report, 7, Some("gone"));
        assert_eq!(decide(&report, &peer(9), |_| false).give_up, [peer(7)]);

        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.refused(peer(1), now, 0);
        // Told again of the same refusal.
        waiting.refused(peer(1), now, 0);
        assert!(!waiting.is_over(&peer(1), now));
        assert!(waiting.is_over(&peer(1), now + RETRY.first_delay));
        waiting.refused(peer(1), now + RETRY.first_delay, 0);
        assert!(!waiting.is_over(&peer(1), now + RETRY.first_delay * 3 / 2));
    }
}
