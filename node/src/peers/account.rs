//! What a peer may use up of this node: streams of each protocol, gossip, and work that brought this
//! node nothing. A pure machine, fed with the time.
//!
//! Work is charged by what it costs here, not by the length of what was asked: a request of some bytes
//! that makes this node compare or read much is as dear as what it brings about. What brings something
//! new is paid back, and what a peer is given for the first time costs nothing, so honest peers are
//! never slowed down, however much they have to exchange. Who has used up an allowance is not read from
//! until it has filled again; nothing else happens to it.
//!
//! Spec: `specs/wire.md` §8.

use super::{hello, joining, linking, session, telling, words};
use comity_net::Bucket;
use comity_protocol::{
    id::SpaceId,
    sync::{Message, message::Claim},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Work that may be in advance, in microseconds of a core.
pub(super) const WORK_BURST_MICROS: i64 = 100_000;
/// Work a second, in microseconds of a core: ten such peers take a quarter of one.
pub(super) const WORK_PER_SECOND_MICROS: i64 = 25_000;
/// Of peers that are throttled, one such part.
const THROTTLE: u32 = 4;
/// Longest pause, after which one message more is read whatever is owed.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// Gossip messages heard at once, and how long until another is.
const GOSSIP_BURST: u32 = 128;
const GOSSIP_EVERY: Duration = Duration::from_millis(20);
/// How long a peer that gossips too much is not heard.
const GOSSIP_MUTED: Duration = Duration::from_secs(60);
/// How often a peer is given all entries of a space for nothing, and so many more.
const GIVEN_FREELY: u64 = 2;
const GIVEN_FREELY_MORE: u64 = 4_096;
/// Requests of one peer that are read or answered at a time.
const TALKS_MAX: usize = 8;
/// Streams at once, and how long until another is answered.
const HELLO: (u32, Duration) = (16, Duration::from_secs(1));
const SYNC: (u32, Duration) = (32, Duration::from_secs(2));
const JOIN: (u32, Duration) = (32, Duration::from_secs(1));
const LINK: (u32, Duration) = (16, Duration::from_secs(5));
const ADDRESSES: (u32, Duration) = (64, Duration::from_secs(1));
const WORDS: (u32, Duration) = (256, Duration::from_millis(125));

/// What single things cost, in microseconds of a core, rounded up.
pub(super) const ENTRY_MICROS: i64 = 120;
const FRAME_MICROS: i64 = 10;
/// A refusal in answer included.
const ROOT_MICROS: i64 = 40;
/// Of an entry, before it is known what became of it; paid back by what is new.
const HEARD_MICROS: i64 = 15;
/// A stream of sync that begins: all spaces are opened and told.
const SESSION_MICROS: i64 = 2_000;
const CLAIM_MICROS: i64 = 20;
const ITEM_MICROS: i64 = 5;
const KEY_MICROS: i64 = 3;
const GRANT_MICROS: i64 = 60;
const ASKED_SPACE_MICROS: i64 = 50;
/// What is given a second time: reading it, encrypting it.
const GIVEN_AGAIN_MICROS: i64 = 60;
const GIVEN_AGAIN_BYTES_PER_MICRO: i64 = 64;

/// Whether a stream is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admittance {
    /// It is.
    Yes,
    /// Too many at a time: it is not, and that is no offence.
    Busy,
    /// Too many in a short time: it is not, and going on like that is an offence.
    TooMany,
}

/// Work of a peer that brought nothing.
#[derive(Debug)]
struct Work {
    left_micros: i64,
    filled: Instant,
}

impl Work {
    fn fill(&mut self, now: Instant, throttled: bool) {
        let passed = now.saturating_duration_since(self.filled);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let pace = WORK_PER_SECOND_MICROS / divisor(throttled);
        let more = passed.saturating_mul(pace) / 1_000;
        if more > 0 {
            self.left_micros = self.left_micros.saturating_add(more).min(WORK_BURST_MICROS);
            self.filled = now;
        }
    }
}

fn divisor(throttled: bool) -> i64 {
    if throttled { i64::from(THROTTLE) } else { 1 }
}

/// The account of one peer.
#[derive(Debug)]
pub(crate) struct Account {
    work: Work,
    gossip: Bucket,
    hello: Bucket,
    sync: Bucket,
    join: Bucket,
    link: Bucket,
    addresses: Bucket,
    words: Bucket,
    talks: usize,
    /// Until when nothing of its gossip is taken.
    muted: Option<Instant>,
    /// Entries given to it, by space.
    given: BTreeMap<SpaceId, u64>,
}

impl Account {
    pub(crate) fn new(now: Instant) -> Self {
        let bucket = |(burst, every)| Bucket::new(burst, every);
        Self {
            work: Work {
                left_micros: WORK_BURST_MICROS,
                filled: now,
            },
            gossip: Bucket::new(GOSSIP_BURST, GOSSIP_EVERY),
            hello: bucket(HELLO),
            sync: bucket(SYNC),
            join: bucket(JOIN),
            link: bucket(LINK),
            addresses: bucket(ADDRESSES),
            words: bucket(WORDS),
            talks: 0,
            muted: None,
            given: BTreeMap::new(),
        }
    }

    /// Whether a stream that the peer opened is answered. Of requests, which end with their answer,
    /// [`Account::answered`] is to follow.
    pub(crate) fn opens(&mut self, protocol: &str, now: Instant) -> Admittance {
        let bucket = match protocol {
            hello::PROTOCOL => &mut self.hello,
            session::PROTOCOL => &mut self.sync,
            joining::PROTOCOL => &mut self.join,
            linking::PROTOCOL => &mut self.link,
            telling::PROTOCOL => &mut self.addresses,
            words::PROTOCOL => &mut self.words,
            _ => return Admittance::Busy,
        };
        let is_request = protocol != session::PROTOCOL;
        if !bucket.take(now) {
            return Admittance::TooMany;
        }
        if !is_request {
            self.charge(SESSION_MICROS, now);
        }
        if is_request && self.talks >= TALKS_MAX {
            return Admittance::Busy;
        }
        self.talks += usize::from(is_request);
        Admittance::Yes
    }

    /// A request is dealt with.
    pub(crate) fn answered(&mut self) {
        self.talks = self.talks.saturating_sub(1);
    }

    /// Whether a message of gossip is looked at. Who sends too many is not listened to for a while.
    pub(crate) fn gossips(&mut self, now: Instant) -> bool {
        self.work.fill(now, false);
        let heard = self.gossip.take(now) && self.work.left_micros >= 0;
        if !heard {
            self.muted = Some(now + GOSSIP_MUTED);
        }
        heard
    }

    /// Until when nothing of its gossip is taken, if that is ahead.
    pub(crate) fn muted_until(&self, now: Instant) -> Option<Instant> {
        self.muted.filter(|until| *until > now)
    }

    /// Charges entries that came in: those that brought nothing cost what they cost, the others are paid
    /// for and pay back.
    pub(crate) fn brought(&mut self, entries: usize, of_use: usize, now: Instant) {
        let signed = |it: usize| i64::try_from(it).unwrap_or(i64::MAX);
        let of_no_use = signed(entries).saturating_sub(signed(of_use));
        self.charge(
            (of_no_use - signed(of_use)).saturating_mul(ENTRY_MICROS),
            now,
        );
    }

    /// Charges entries given to the peer, of a space that holds so many: all of them, and once more,
    /// are free.
    pub(crate) fn gave(
        &mut self,
        space: SpaceId,
        (entries, bytes): (u64, u64),
        held: u64,
        now: Instant,
    ) {
        let free = held
            .saturating_mul(GIVEN_FREELY)
            .saturating_add(GIVEN_FREELY_MORE);
        let given = self.given.entry(space).or_default();
        *given = given.saturating_add(entries);
        if *given > free {
            self.charge(cost_of_giving_again(entries, bytes), now);
        }
    }

    /// Charges work, or pays it back where it is negative.
    pub(crate) fn charge(&mut self, micros: i64, now: Instant) {
        self.work.fill(now, false);
        let left = self.work.left_micros.saturating_sub(micros);
        self.work.left_micros = left.min(WORK_BURST_MICROS);
    }

    /// How long the peer is not read from.
    pub(crate) fn pause(&mut self, now: Instant, throttled: bool) -> Option<Duration> {
        self.work.fill(now, throttled);
        let owed = u64::try_from(-self.work.left_micros)
            .ok()
            .filter(|it| *it > 0)?;
        let pace = u64::try_from(WORK_PER_SECOND_MICROS / divisor(throttled)).unwrap_or(1);
        let pause = Duration::from_millis(owed.saturating_mul(1_000).div_ceil(pace.max(1)));
        Some(pause.min(PAUSE_MAX))
    }

    /// Whether it says nothing that a new account would not.
    pub(crate) fn is_as_new(&mut self, now: Instant) -> bool {
        self.work.fill(now, false);
        self.talks == 0
            && self.work.left_micros >= WORK_BURST_MICROS
            && self.muted_until(now).is_none()
    }
}

/// What a message of sync costs whoever hears it, entries apart: these are charged by what became of
/// them.
pub(crate) fn cost_of(message: &Message) -> i64 {
    let times = |count: usize, micros: i64| {
        i64::try_from(count)
            .unwrap_or(i64::MAX)
            .saturating_mul(micros)
    };
    let more = match message {
        Message::Roots(roots) => times(roots.len(), ROOT_MICROS),
        Message::Compare(it) => {
            let claims: i64 = it
                .claims
                .iter()
                .map(|claim| times(parts(claim), ITEM_MICROS))
                .sum();
            claims + times(it.claims.len(), CLAIM_MICROS) + times(it.wants.len(), ITEM_MICROS)
        }
        Message::Announce { keys, .. } | Message::Want { keys, .. } => {
            times(keys.len(), KEY_MICROS)
        }
        Message::Grants { grants, .. } => times(grants.len(), GRANT_MICROS),
        Message::Spaces { spaces, .. } | Message::Learn { spaces } => {
            times(spaces.len(), ASKED_SPACE_MICROS)
        }
        Message::Entries { entries, .. } => times(entries.len(), HEARD_MICROS),
        Message::Done { .. }
        | Message::Credit { .. }
        | Message::Refuse { .. }
        | Message::Close(_) => 0,
    };
    FRAME_MICROS + more
}

/// What a message of sync costs whoever says it in answer.
pub(crate) fn cost_of_answer(message: &Message) -> i64 {
    match message {
        Message::Compare(_) => cost_of(message),
        _ => 0,
    }
}

/// What it costs to give entries that were given before.
fn cost_of_giving_again(entries: u64, bytes: u64) -> i64 {
    let each = signed(entries).saturating_mul(GIVEN_AGAIN_MICROS);
    each.saturating_add(signed(bytes) / GIVEN_AGAIN_BYTES_PER_MICRO)
}

fn signed(it: u64) -> i64 {
    i64::try_from(it).unwrap_or(i64::MAX)
}

fn parts(claim: &Claim) -> usize {
    match claim {
        Claim::Cells { cells, .. } => cells.len(),
        Claim::Runs { runs, .. } => runs.len(),
        Claim::Keys { keys, .. } => keys.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::sync::{Trie, message::SpaceRoot};

    const SECOND: Duration = Duration::from_secs(1);

    fn account() -> (Account, Instant) {
        let now = Instant::now();
        (Account::new(now), now)
    }

    #[test]
    fn whoever_brings_news_is_never_slowed_down_and_whoever_brings_none_is() {
        let (mut account, now) = account();
        for _ in 0..1_000 {
            account.brought(1_024, 1_024, now);
            assert_eq!(account.pause(now, false), None);
        }
        let mut entries = 0;
        while account.pause(now, false).is_none() {
            account.brought(64, 0, now);
            entries += 64;
        }
        // A tenth of a second's worth at once.
        assert!((800..1_000).contains(&entries), "{entries}");
        let pause = account.pause(now, false).unwrap();
        let longer = account.pause(now, true).unwrap();
        assert!(longer >= pause * 3, "{longer:?} {pause:?}");
        assert_eq!(account.pause(now + pause, false), None);
        // What is owed holds nobody up for ever: a message a while goes through.
        account.brought(1_000_000, 0, now);
        assert_eq!(account.pause(now, false), Some(PAUSE_MAX));
    }

    #[test]
    fn all_entries_are_given_freely_and_then_paid_for() {
        let (mut account, now) = account();
        let space = SpaceId::from_bytes([1; 32]);
        let held = 100_000;
        for _ in 0..GIVEN_FREELY * held / 1_000 {
            account.gave(space, (1_000, 700_000), held, now);
        }
        assert_eq!(account.pause(now, false), None);
        let mut given = 0;
        while account.pause(now, false).is_none() {
            account.gave(space, (1_000, 700_000), held, now);
            given += 1_000;
        }
        assert!(given <= GIVEN_FREELY_MORE + 9_000, "{given}");
        // Another space is another thing.
        let (mut account, other) = (Account::new(now), SpaceId::from_bytes([2; 32]));
        account.gave(space, (GIVEN_FREELY_MORE, 0), 0, now);
        account.gave(other, (GIVEN_FREELY_MORE, 0), 0, now);
        assert_eq!(account.work.left_micros, WORK_BURST_MICROS);
    }

    #[test]
    fn a_question_costs_what_its_answer_does() {
        let root = SpaceRoot {
            space: SpaceId::from_bytes([1; 32]),
            root: Trie::new().root(),
            count: 0,
            after: 0,
        };
        let one = cost_of(&Message::Roots(vec![root]));
        let many = cost_of(&Message::Roots(vec![root; 1_000]));
        assert!(many > 500 * one, "{one} {many}");
        let (mut account, now) = account();
        let asks = |account: &mut Account, now| {
            let mut asked = 0;
            while account.pause(now, false).is_none() {
                account.charge(many, now);
                asked += 1;
            }
            asked
        };
        let at_once = asks(&mut account, now);
        let mut after = 0;
        for second in 1..=60 {
            after += asks(&mut account, now + SECOND * second);
        }
        assert!((2..=4).contains(&at_once), "{at_once}");
        assert!(after <= 60, "{after} of a thousand spaces in a minute");
    }

    #[test]
    fn streams_of_a_protocol_and_requests_at_a_time_are_bounded() {
        let (mut account, now) = account();
        for protocol in [
            hello::PROTOCOL,
            joining::PROTOCOL,
            linking::PROTOCOL,
            telling::PROTOCOL,
        ] {
            let mut opened = 0;
            while account.opens(protocol, now) == Admittance::Yes {
                account.answered();
                opened += 1;
            }
            assert!((16..=64).contains(&opened), "{protocol} {opened}");
            assert_eq!(account.opens(protocol, now), Admittance::TooMany);
            let later = now + SECOND * 5;
            assert_eq!(
                account.opens(protocol, later),
                Admittance::Yes,
                "{protocol}"
            );
            account.answered();
        }
        // Silent ones take up no more than their places.
        let mut account = Account::new(now);
        let yes = (0..12).filter(|_| account.opens(hello::PROTOCOL, now) == Admittance::Yes);
        assert_eq!(yes.count(), TALKS_MAX);
        assert_eq!(account.opens(joining::PROTOCOL, now), Admittance::Busy);
        assert_eq!(account.opens(session::PROTOCOL, now), Admittance::Yes);
        assert_eq!(account.opens("/comity/unknown/7", now), Admittance::Busy);
        account.answered();
        assert_eq!(account.opens(joining::PROTOCOL, now), Admittance::Yes);
    }

    #[test]
    fn who_gossips_too_much_is_not_heard_for_a_minute() {
        let (mut account, now) = account();
        let heard = (0..10_000).filter(|_| account.gossips(now)).count();
        assert_eq!(heard, GOSSIP_BURST as usize);
        assert_eq!(account.muted_until(now), Some(now + GOSSIP_MUTED));
        assert!(!account.is_as_new(now));
        assert_eq!(account.muted_until(now + GOSSIP_MUTED), None);
        assert!(account.gossips(now + GOSSIP_MUTED));
    }
}
