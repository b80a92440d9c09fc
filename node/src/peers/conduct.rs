//! How peers conduct themselves: offences, scores that fade, and how long somebody is kept out. A
//! pure machine, fed with the time.
//!
//! Only what no honest software does is an offence. An older or newer version, a kind or a type of
//! entry that is not known here, an entry that lacks authority because governance has not arrived, a
//! space whose right has just ended, silence and lines that break cost nothing, however often. Nor does
//! whoever asks faster than it is answered for a while: it waits.
//!
//! Spec: `specs/wire.md` §8.

use comity_net::PeerId;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// From so many points on it is told to people.
pub(super) const WARNED_FROM: u32 = 25;
/// From so many points on a peer's allowance fills at a quarter of the pace.
pub(super) const THROTTLED_FROM: u32 = 50;
/// From so many points on a peer is kept out.
pub(super) const BANNED_FROM: u32 = 100;
/// How long somebody is kept out the first time; twice as long each time after.
pub(super) const BAN: Duration = Duration::from_secs(10 * 60);
/// Nobody is kept out for longer.
pub(super) const BAN_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// So long after the end of a ban it is forgotten.
const BAN_REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// Points fade in such steps, by a fifteenth each: by half in about ten minutes.
const FADE_EVERY: Duration = Duration::from_secs(60);
const FADE_DIVISOR: u64 = 15;
/// Peers of whom something is remembered.
const PEERS_MAX: usize = 1_024;
const MILLIS: u64 = 1_000;

/// What no honest software does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Offence {
    /// A message that is none in the version agreed on, or a frame that is too long.
    BrokenMessage,
    /// A rule of an open conversation broken: a turn out of order, entries unasked, too much credit.
    BrokenRule,
    /// An entry or statement whose signature does not hold, or whose parts are not those it commits to.
    Forged,
    /// Going on asking after it was not answered any more.
    Flood,
}

impl Offence {
    /// All there are.
    pub(crate) const ALL: [Self; 4] = [
        Self::BrokenMessage,
        Self::BrokenRule,
        Self::Forged,
        Self::Flood,
    ];

    /// Its points.
    pub(crate) const fn weight(self) -> u32 {
        match self {
            Self::BrokenMessage => 20,
            Self::BrokenRule => 25,
            Self::Forged => 10,
            Self::Flood => 2,
        }
    }

    /// Its label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BrokenMessage => "broken_message",
            Self::BrokenRule => "broken_rule",
            Self::Forged => "forged",
            Self::Flood => "flood",
        }
    }

    /// For people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::BrokenMessage => "sends what is no message",
            Self::BrokenRule => "breaks the rules of sync",
            Self::Forged => "sends what nobody signed",
            Self::Flood => "asks without end",
        }
    }
}

/// How a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Nothing to say.
    Good,
    /// Told to people.
    Warned,
    /// Given less.
    Throttled,
    /// Kept out.
    Banned,
}

/// Somebody who is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Banned {
    /// Who.
    pub(crate) peer: PeerId,
    /// What it did last.
    pub(crate) offence: Offence,
    /// How long it still is.
    pub(crate) left: Duration,
    /// How often it was kept out lately, this time included.
    pub(crate) times: u32,
}

#[derive(Debug)]
struct Record {
    millipoints: u64,
    faded: Instant,
    last: Offence,
    times: u32,
    /// Until when it is, or was, kept out.
    until: Option<Instant>,
    /// Whether its ban has begun and its end was not told.
    kept_out: bool,
}

impl Record {
    fn fade(&mut self, now: Instant) {
        let every = FADE_EVERY.as_millis().max(1);
        let steps = now.saturating_duration_since(self.faded).as_millis() / every;
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        for _ in 0..steps {
            if self.millipoints == 0 {
                break;
            }
            self.millipoints -= self.millipoints.div_ceil(FADE_DIVISOR);
        }
        self.faded += FADE_EVERY.saturating_mul(steps);
    }

    fn standing(&self) -> Standing {
        let points = u32::try_from(self.millipoints / MILLIS).unwrap_or(u32::MAX);
        match points {
            _ if self.kept_out => Standing::Banned,
            THROTTLED_FROM.. => Standing::Throttled,
            WARNED_FROM.. => Standing::Warned,
            _ => Standing::Good,
        }
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        let remembered = |until| now.saturating_duration_since(until) < BAN_REMEMBERED;
        self.millipoints == 0 && !self.kept_out && !self.until.is_some_and(remembered)
    }
}

/// What is remembered of peers, until the node stops.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    peers: BTreeMap<PeerId, Record>,
    /// Who gave way while kept out, and is to be let in again.
    gave_way: Vec<PeerId>,
}

impl Conduct {
    /// Takes note of offences; gives the new standing if it is another one.
    pub(crate) fn note(
        &mut self,
        peer: PeerId,
        offence: Offence,
        count: u32,
        now: Instant,
    ) -> Option<Standing> {
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEERS_MAX {
            self.make_room(now);
        }
        let record = self.peers.entry(peer).or_insert(Record {
            millipoints: 0,
            faded: now,
            last: offence,
            times: 0,
            until: None,
            kept_out: false,
        });
        record.fade(now);
        let before = record.standing();
        if before == Standing::Banned {
            return None;
        }
        record.last = offence;
        let points = u64::from(offence.weight()).saturating_mul(u64::from(count));
        record.millipoints = record
            .millipoints
            .saturating_add(points.saturating_mul(MILLIS));
        if record.millipoints >= u64::from(BANNED_FROM) * MILLIS {
            let factor = 1_u32 << record.times.min(16);
            record.until = Some(now + BAN.saturating_mul(factor).min(BAN_MAX));
            record.times = record.times.saturating_add(1);
            record.kept_out = true;
            // The time outside is the answer; who comes back begins anew, but for its length.
            record.millipoints = 0;
        }
        let after = record.standing();
        (after != before).then_some(after)
    }

    /// How a peer stands.
    pub(crate) fn standing(&mut self, peer: &PeerId, now: Instant) -> Standing {
        let Some(record) = self.peers.get_mut(peer) else {
            return Standing::Good;
        };
        record.fade(now);
        record.standing()
    }

    /// Points of a peer.
    #[cfg(test)]
    pub(crate) fn points(&mut self, peer: &PeerId, now: Instant) -> u32 {
        let record = self.peers.get_mut(peer);
        record.map_or(0, |it| {
            it.fade(now);
            u32::try_from(it.millipoints / MILLIS).unwrap_or(u32::MAX)
        })
    }

    /// Those whose time outside is over, once each.
    pub(crate) fn ended(&mut self, now: Instant) -> Vec<PeerId> {
        let mut ended = std::mem::take(&mut self.gave_way);
        for (peer, record) in &mut self.peers {
            if record.kept_out && record.until.is_none_or(|until| until <= now) {
                record.kept_out = false;
                ended.push(*peer);
            }
        }
        ended
    }

    /// When the next ban ends.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        let kept_out = self.peers.values().filter(|it| it.kept_out);
        kept_out.filter_map(|it| it.until).min()
    }

    /// Who is kept out now.
    pub(crate) fn banned(&self, now: Instant) -> Vec<Banned> {
        let kept_out = self.peers.iter().filter(|(_, it)| it.kept_out);
        kept_out
            .map(|(peer, it)| Banned {
                peer: *peer,
                offence: it.last,
                left: it
                    .until
                    .map_or(Duration::ZERO, |until| until.saturating_duration_since(now)),
                times: it.times,
            })
            .collect()
    }

    /// Whoever was forgotten anyway gives way, else the one with the fewest points, those kept out last.
    fn make_room(&mut self, now: Instant) {
        for record in self.peers.values_mut() {
            record.fade(now);
        }
        self.peers.retain(|_, it| !it.is_forgotten(now));
        if self.peers.len() < PEERS_MAX {
            return;
        }
        let least = self
            .peers
            .iter()
            .min_by_key(|(peer, it)| (it.kept_out, it.until, it.millipoints, **peer));
        if let Some((peer, it)) = least.map(|(peer, it)| (*peer, it)) {
            if it.kept_out {
                self.gave_way.push(peer);
            }
            self.peers.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until_banned(conduct: &mut Conduct, peer: PeerId, now: Instant) -> usize {
        for times in 1.. {
            if conduct.note(peer, Offence::BrokenRule, 1, now) == Some(Standing::Banned) {
                return times;
            }
        }
        unreachable!("a ban comes with enough offences")
    }

    #[test]
    fn a_peer_is_warned_then_given_less_then_kept_out() {
        let (mut conduct, peer, now) = (Conduct::default(), PeerId::random(), Instant::now());
        let mut said = Vec::new();
        for _ in 0..10 {
            said.extend(conduct.note(peer, Offence::Forged, 1, now));
        }
        assert_eq!(
            said,
            [Standing::Warned, Standing::Throttled, Standing::Banned]
        );
        let [banned] = &conduct.banned(now)[..] else {
            panic!("{:?}", conduct.banned(now))
        };
        assert_eq!((banned.left, banned.times), (BAN, 1));
        // Nobody else is.
        assert_eq!(conduct.standing(&PeerId::random(), now), Standing::Good);
    }

    #[test]
    fn points_fade_by_half_in_about_ten_minutes_and_to_nothing_in_the_end() {
        let (mut conduct, peer, now) = (Conduct::default(), PeerId::random(), Instant::now());
        conduct.note(peer, Offence::Flood, 40, now);
        assert_eq!(conduct.points(&peer, now), 80);
        let half = conduct.points(&peer, now + Duration::from_secs(600));
        assert!((38..=42).contains(&half), "{half}");
        assert_eq!(conduct.points(&peer, now + Duration::from_secs(86_400)), 0);
        // One stray offence every now and then never adds up.
        let (mut conduct, mut now) = (Conduct::default(), now);
        for _ in 0..1_000 {
            assert_eq!(
                conduct
                    .note(peer, Offence::BrokenRule, 1, now)
                    .filter(|it| *it > Standing::Warned),
                None
            );
            now += Duration::from_secs(1_800);
        }
    }

    #[test]
    fn who_comes_back_to_do_the_same_stays_out_twice_as_long_up_to_a_day() {
        let (mut conduct, peer, mut now) = (Conduct::default(), PeerId::random(), Instant::now());
        let mut expected = BAN;
        for _ in 0..12 {
            until_banned(&mut conduct, peer, now);
            assert_eq!(conduct.next_end(), Some(now + expected));
            let nearly = now + expected - Duration::from_millis(1);
            assert_eq!(conduct.ended(nearly), []);
            now += expected;
            assert_eq!(conduct.ended(now), [peer]);
            assert_eq!(conduct.ended(now), [], "it is told once");
            assert_eq!(conduct.standing(&peer, now), Standing::Good);
            expected = (expected * 2).min(BAN_MAX);
        }
        // A day of peace, and all is as in the beginning.
        now += BAN_REMEMBERED;
        for _ in 0..PEERS_MAX {
            conduct.note(PeerId::random(), Offence::Flood, 1, now);
        }
        until_banned(&mut conduct, peer, now);
        assert_eq!(conduct.next_end(), Some(now + BAN));
    }

    #[test]
    fn a_crowd_of_new_names_frees_nobody_who_is_kept_out_before_all_others() {
        let (mut conduct, peer, now) = (Conduct::default(), PeerId::random(), Instant::now());
        until_banned(&mut conduct, peer, now);
        for _ in 0..PEERS_MAX * 2 {
            conduct.note(PeerId::random(), Offence::Forged, 1, now);
        }
        assert_eq!(conduct.peers.len(), PEERS_MAX);
        assert_eq!(conduct.standing(&peer, now), Standing::Banned);
        // Where all are kept out, whoever gives way is told, so that no block outlives its entry.
        for _ in 0..PEERS_MAX {
            until_banned(&mut conduct, PeerId::random(), now + BAN / 2);
        }
        assert_eq!(conduct.peers.len(), PEERS_MAX);
        assert_eq!(conduct.ended(now), [peer]);
    }
}
