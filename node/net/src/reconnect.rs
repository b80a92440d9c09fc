//! When to call a lost peer again: a pure machine, fed with time and randomness.
//!
//! Delays double from `first_delay` to `longest_delay`, each drawn from the upper half of its
//! range, so that the nodes of an office that lost its line do not all return in one second.
//! A connection counts as proof of health only after `stable_after`: a peer that accepts and at
//! once hangs up (it is full, or blocks us) keeps its place on the ladder.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

/// At most this many peers are kept; the caller is told when there is no room.
pub const MAX_RECONNECT_PEERS: usize = 1_024;

/// At most this many addresses of one peer are tried; the rest is ignored.
pub const MAX_RECONNECT_ADDRESSES: usize = 16;

/// The ladder of delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub first_delay: Duration,
    pub longest_delay: Duration,
    /// A connection that lasted this long puts the peer back on the first step.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(300),
            stable_after: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The delay after `failures` failures in a row: between half and all of the step's length.
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
        let step = self
            .first_delay
            .saturating_mul(factor)
            .min(self.longest_delay);
        let half_millis = u64::try_from(step.as_millis() / 2).unwrap_or(u64::MAX / 2);
        let jitter = random % (half_millis + 1);
        Duration::from_millis(half_millis + jitter)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Dialing,
    Connected { since: Instant },
}

#[derive(Debug)]
struct Entry {
    addresses: Vec<Multiaddr>,
    failures: u32,
    state: State,
}

/// All peers that this node wants to stay connected to.
#[derive(Debug)]
pub struct Reconnect {
    backoff: Backoff,
    peers: BTreeMap<PeerId, Entry>,
}

impl Reconnect {
    pub fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            peers: BTreeMap::new(),
        }
    }

    /// Wants `peer`, at these addresses from now on; due at once unless `connected`.
    /// Returns `false`, changing nothing, when there is no room.
    pub fn set(
        &mut self,
        peer: PeerId,
        mut addresses: Vec<Multiaddr>,
        connected: bool,
        now: Instant,
    ) -> bool {
        addresses.truncate(MAX_RECONNECT_ADDRESSES);
        if let Some(entry) = self.peers.get_mut(&peer) {
            // New addresses deserve a try now, whatever the old ones earned.
            if entry.addresses != addresses && matches!(entry.state, State::Waiting { .. }) {
                entry.state = State::Waiting { until: now };
                entry.failures = 0;
            }
            entry.addresses = addresses;
            return true;
        }
        if self.peers.len() >= MAX_RECONNECT_PEERS {
            return false;
        }
        let state = if connected {
            State::Connected { since: now }
        } else {
            State::Waiting { until: now }
        };
        self.peers.insert(
            peer,
            Entry {
                addresses,
                failures: 0,
                state,
            },
        );
        true
    }

    pub fn forget(&mut self, peer: &PeerId) -> bool {
        self.peers.remove(peer).is_some()
    }

    pub fn addresses(&self, peer: &PeerId) -> Option<&[Multiaddr]> {
        self.peers.get(peer).map(|entry| entry.addresses.as_slice())
    }

    /// A connection stands, whichever side opened it.
    pub fn connected(&mut self, peer: &PeerId, now: Instant) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.state = State::Connected { since: now };
        }
    }

    /// The last connection is gone. Returns how long until the next attempt.
    pub fn disconnected(&mut self, peer: &PeerId, now: Instant, random: u64) -> Option<Duration> {
        let entry = self.peers.get_mut(peer)?;
        if let State::Connected { since } = entry.state
            && now.saturating_duration_since(since) >= self.backoff.stable_after
        {
            entry.failures = 0;
        }
        Some(entry.retreat(&self.backoff, now, random))
    }

    /// An attempt failed. Returns how long until the next one.
    pub fn failed(&mut self, peer: &PeerId, now: Instant, random: u64) -> Option<Duration> {
        let entry = self.peers.get_mut(peer)?;
        match entry.state {
            // The peer called us in the meantime.
            State::Connected { .. } => None,
            State::Waiting { .. } | State::Dialing => {
                Some(entry.retreat(&self.backoff, now, random))
            }
        }
    }

    /// When `due` next has something to say.
    pub fn next_due(&self) -> Option<Instant> {
        self.peers.values().filter_map(Entry::waits_until).min()
    }

    /// Takes up to `limit` peers whose time has come, the longest waiting first; each is then
    /// being dialed until `connected` or `failed` is reported.
    pub fn due(&mut self, now: Instant, limit: usize) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let waiting = |(peer, entry): (&PeerId, &Entry)| Some((entry.waits_until()?, *peer));
        let mut due: Vec<_> = self.peers.iter().filter_map(waiting).collect();
        due.retain(|(until, _)| *until <= now);
        due.sort_unstable();
        due.truncate(limit);
        let mut taken = Vec::with_capacity(due.len());
        for (_, peer) in due {
            if let Some(entry) = self.peers.get_mut(&peer) {
                entry.state = State::Dialing;
                taken.push((peer, entry.addresses.clone()));
            }
        }
        taken
    }
}

impl Entry {
    fn waits_until(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Dialing | State::Connected { .. } => None,
        }
    }

    fn retreat(&mut self, backoff: &Backoff, now: Instant, random: u64) -> Duration {
        let delay = backoff.delay(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + delay };
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn machine() -> (Reconnect, PeerId, Instant) {
        let (mut machine, peer, now) = (
            Reconnect::new(Backoff::default()),
            PeerId::random(),
            Instant::now(),
        );
        assert!(machine.set(peer, Vec::new(), false, now));
        (machine, peer, now)
    }

    #[test]
    fn delays_double_up_to_the_longest_and_keep_half_of_each_step() {
        let backoff = Backoff::default();
        for (failures, step_seconds) in [(0, 1), (1, 2), (4, 16), (8, 256), (9, 300), (4_000, 300)]
        {
            let step = SECOND * step_seconds;
            assert_eq!(backoff.delay(failures, 0), step / 2);
            for random in [1, 77, u64::MAX, u64::MAX / 3] {
                let delay = backoff.delay(failures, random);
                assert!(
                    delay >= step / 2 && delay <= step,
                    "{failures} {random} {delay:?}"
                );
            }
        }
        assert_ne!(backoff.delay(9, 1), backoff.delay(9, 100_000));
    }

    #[test]
    fn a_new_peer_is_due_at_once_and_only_once() {
        let (mut machine, peer, now) = machine();
        assert_eq!(machine.next_due(), Some(now));
        assert_eq!(machine.due(now, 8), vec![(peer, Vec::new())]);
        assert_eq!(machine.due(now + SECOND, 8), vec![]);
        assert_eq!(machine.next_due(), None);
    }

    #[test]
    fn failures_climb_the_ladder_and_a_stable_connection_resets_it() {
        let (mut machine, peer, mut now) = machine();
        for expected_millis in [500, 1_000, 2_000, 4_000] {
            assert_eq!(machine.due(now, 8).len(), 1);
            let delay = machine.failed(&peer, now, 0).expect("known");
            assert_eq!(delay, Duration::from_millis(expected_millis));
            assert_eq!(
                machine.due(now + delay - Duration::from_millis(1), 8),
                vec![]
            );
            now += delay;
        }
        assert_eq!(machine.due(now, 8).len(), 1);
        machine.connected(&peer, now);
        let soon = now + SECOND;
        assert_eq!(
            machine.disconnected(&peer, soon, 0),
            Some(SECOND * 8),
            "too short to trust"
        );
        machine.connected(&peer, soon);
        let later = soon + Backoff::default().stable_after;
        assert_eq!(machine.disconnected(&peer, later, 0), Some(SECOND / 2));
    }

    #[test]
    fn a_failed_attempt_does_not_undo_a_connection_the_peer_opened() {
        let (mut machine, peer, now) = machine();
        machine.due(now, 8);
        machine.connected(&peer, now);
        assert_eq!(machine.failed(&peer, now, 0), None);
        assert_eq!(machine.next_due(), None);
    }

    #[test]
    fn forgotten_peers_are_never_due() {
        let (mut machine, peer, now) = machine();
        assert!(machine.forget(&peer));
        assert!(!machine.forget(&peer));
        assert_eq!(machine.failed(&peer, now, 0), None);
        assert_eq!(machine.disconnected(&peer, now, 0), None);
        assert_eq!(machine.due(now + SECOND * 1_000, 8), vec![]);
    }

    #[test]
    fn new_addresses_are_tried_at_once_and_old_ones_keep_their_delay() {
        let (mut machine, peer, now) = machine();
        machine.due(now, 8);
        let delay = machine.failed(&peer, now, 0).expect("known");
        machine.set(peer, Vec::new(), false, now);
        assert_eq!(machine.next_due(), Some(now + delay));
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/4000".parse().expect("valid");
        machine.set(peer, vec![address.clone(); 40], false, now);
        assert_eq!(
            machine.due(now, 8),
            vec![(peer, vec![address; MAX_RECONNECT_ADDRESSES])]
        );
    }

    #[test]
    fn the_table_is_bounded_and_one_round_takes_the_longest_waiting_first() {
        let (mut machine, first, now) = machine();
        for _ in 1..MAX_RECONNECT_PEERS {
            assert!(machine.set(PeerId::random(), Vec::new(), false, now + SECOND));
        }
        assert!(!machine.set(PeerId::random(), Vec::new(), false, now));
        let round = machine.due(now + SECOND, 3);
        assert_eq!(round.len(), 3);
        assert_eq!(round[0].0, first);
    }
}
