//! Rounds: alternate claims until the differences are known, exchange entries, finish.

use super::expected::Expected;
use super::send::Plan;
use super::{
    Context, Effect, FROM_PEER_MAX, FRUITLESS_MAX, Misbehaviour, RETRY_MAX_MS, Role, Session,
    SpaceState, UNASKED_MAX, WASTED_MAX_BYTES, WINDOW_BYTES,
};
use crate::id::{SpaceId, digest};
use crate::sync::claim::{self, Findings};
use crate::sync::key::{Item, Prefix, TrieHash};
use crate::sync::message::{Claim, Compare, Message, Salt};
use crate::sync::trie::Trie;

/// Domain of the salts of rounds.
const SALT: &[u8] = b"comity/1/sync-salt\0";
/// Most turns of one round; what is not found by then is left to the next.
pub(super) const TURNS_MAX: u64 = 64;
/// Claims of one turn end here, in bytes; what does not fit is left to the next round.
const CLAIMS_MAX_BYTES: usize = 512 * 1024;

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: u64,
    salt: Salt,
    /// The turn the peer is to take next.
    next_turn: u64,
    /// Whether turns are still being taken.
    pub(super) comparing: bool,
    /// Whether this session is the one that pulls in this space.
    pulling: bool,
    expected: Expected,
    pub(super) plan: Plan,
    pub(super) sent_done: bool,
    got_done: bool,
    /// Roots at the start: ours, and the peer's if we started.
    ours: TrieHash,
    theirs: Option<TrieHash>,
    /// Whether entries went either way.
    pub(super) moved: bool,
    pub(super) active_ms: u64,
}

impl Round {
    fn new(
        number: u64,
        salt: Salt,
        next_turn: u64,
        pulling: bool,
        trie: &Trie,
        now_ms: u64,
    ) -> Self {
        Self {
            number,
            salt,
            next_turn,
            comparing: true,
            pulling,
            expected: Expected::default(),
            plan: Plan::default(),
            sent_done: false,
            got_done: false,
            ours: trie.root(),
            theirs: None,
            moved: false,
            active_ms: now_ms,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.expected.held_bytes() + self.plan.held_bytes()
    }

    /// Notes what the peer may send because of what we are about to tell it.
    fn expect(&mut self, claims: &[Claim], wants: &[Item]) {
        if self.pulling {
            for claim in claims {
                self.expected.add(&Item::Under(claim.subject()));
            }
        }
        wants.iter().for_each(|item| self.expected.add(item));
    }
}

impl Session {
    pub(super) fn start_round(&mut self, space: SpaceId, context: &mut Context<'_>) {
        let (Some(state), Some(trie)) = (self.spaces.get_mut(&space), context.replica.trie(&space))
        else {
            return;
        };
        self.last_round += 1;
        let number = self.last_round;
        let whole = digest(SALT, &[&self.seed, &number.to_be_bytes()]);
        let mut salt = [0; 8];
        salt.copy_from_slice(&whole[..8]);
        let pull = context
            .in_flight
            .take_space(space, self.peer, context.now_ms);
        let mut round = Round::new(number, salt, 1, pull, trie, context.now_ms);
        round.theirs = state.heard.take();
        let claims =
            vec![claim::state(trie, &salt, &Prefix::ALL).unwrap_or_else(claim::state_nothing)];
        round.expect(&claims, &[]);
        state.last_round = number;
        state.round = Some(round);
        let wants = Vec::new();
        let turn = 0;
        self.send(Message::Compare(Compare {
            space,
            round: number,
            turn,
            salt,
            pull,
            claims,
            wants,
        }));
    }

    pub(super) fn heard_compare(&mut self, theirs: Compare, context: &mut Context<'_>) {
        if self.open_space(&theirs.space, context).is_none() {
            return;
        }
        if theirs.turn == 0 {
            if self.role == Role::Acceptor {
                return self.misbehaved(Misbehaviour::WrongRole);
            }
            if theirs.round <= self.last_round {
                return self.misbehaved(Misbehaviour::WrongTurn);
            }
            self.join_round(&theirs, context);
        }
        let (Some(state), Some(trie)) = (
            self.spaces.get_mut(&theirs.space),
            context.replica.trie(&theirs.space),
        ) else {
            return;
        };
        // A turn of a round that a reopened space has forgotten is late, not wrong.
        let Some(round) = state
            .round
            .as_mut()
            .filter(|round| round.number == theirs.round)
        else {
            return;
        };
        if theirs.turn != round.next_turn || !round.comparing || theirs.salt != round.salt {
            return self.misbehaved(Misbehaviour::WrongTurn);
        }
        round.next_turn += 2;
        round.active_ms = context.now_ms;
        round.plan.add(theirs.wants);
        if theirs.claims.is_empty() {
            round.comparing = false;
            round.plan.start(trie);
            return;
        }
        let found = findings(trie, &round.salt, &theirs.claims);
        if theirs.pull {
            round.plan.add(found.surplus);
        }
        let wants = if round.pulling {
            found.lacking
        } else {
            Vec::new()
        };
        state.deferred |= !round.pulling;
        let claims = if theirs.turn + 1 < TURNS_MAX && (theirs.pull || round.pulling) {
            detail(trie, &round.salt, found.differing)
        } else {
            Vec::new()
        };
        round.expect(&claims, &wants);
        if claims.is_empty() {
            round.comparing = false;
            round.plan.start(trie);
        }
        let answer = Compare {
            space: theirs.space,
            round: round.number,
            turn: theirs.turn + 1,
            salt: round.salt,
            pull: round.pulling,
            claims,
            wants,
        };
        self.send(Message::Compare(answer));
    }

    fn join_round(&mut self, theirs: &Compare, context: &mut Context<'_>) {
        let (Some(state), Some(trie)) = (
            self.spaces.get_mut(&theirs.space),
            context.replica.trie(&theirs.space),
        ) else {
            return;
        };
        // A round that a new one cuts off brought nothing, whatever was asked for in it.
        let cut_off = state.round.is_some();
        if cut_off && state.note_fruitless(context.now_ms) > FRUITLESS_MAX {
            return self.misbehaved(Misbehaviour::Fruitless);
        }
        self.last_round = theirs.round;
        self.sending.forget(&theirs.space);
        let pull = context
            .in_flight
            .take_space(theirs.space, self.peer, context.now_ms);
        let round = Round::new(theirs.round, theirs.salt, 0, pull, trie, context.now_ms);
        state.last_round = theirs.round;
        state.round = Some(round);
    }

    pub(super) fn heard_entries(
        &mut self,
        space: SpaceId,
        number: u64,
        entries: Vec<Vec<u8>>,
        context: &mut Context<'_>,
    ) {
        let bytes: u64 = entries.iter().map(|entry| entry.len() as u64).sum();
        let Some(window) = self.window.checked_sub(bytes) else {
            return self.misbehaved(Misbehaviour::OverCredit);
        };
        self.window = window;
        if number == 0 && self.learning.is_about(&space) {
            return self.heard_declaration(space, entries, bytes, context);
        }
        let (Some(state), Some(trie)) = (self.spaces.get_mut(&space), context.replica.trie(&space))
        else {
            // Sent before the peer knew that the space was closed.
            return self.waste(bytes);
        };
        let mut taken = Vec::new();
        let (mut taken_bytes, mut late_bytes) = (0, 0);
        for entry in entries {
            let Some(key) = context.replica.key_of(&space, &entry) else {
                return self.misbehaved(Misbehaviour::NotAnEntry);
            };
            let size = entry.len() as u64;
            let current = state.round.as_mut().filter(|round| round.number == number);
            let asked = match (&current, number) {
                (_, 0) => state.wanted.remove(&key).is_some(),
                (Some(round), _) => round.expected.contains(&key),
                (None, _) => false,
            };
            if trie.contains(&key) {
                continue;
            }
            if !asked {
                match current {
                    Some(_) => self.unasked += 1,
                    None => late_bytes += size,
                }
                continue;
            }
            if let Some(round) = current {
                round.moved = true;
                round.active_ms = context.now_ms;
            }
            if state.from_peer.len() < FROM_PEER_MAX {
                state.from_peer.insert(key.id);
            }
            taken_bytes += size;
            taken.push(entry);
        }
        context
            .in_flight
            .touch_space(&space, self.peer, taken_bytes as usize, context.now_ms);
        state.ingesting += taken.len();
        if !taken.is_empty() {
            self.outbox.push_back(Effect::Ingest {
                space,
                entries: taken,
            });
        }
        if self.unasked > UNASKED_MAX {
            return self.misbehaved(Misbehaviour::Unasked);
        }
        self.credit(bytes - taken_bytes - late_bytes);
        self.waste(late_bytes);
    }

    /// Bytes came that are of no use, though that may be nobody's fault.
    pub(super) fn waste(&mut self, bytes: u64) {
        self.wasted += bytes;
        if self.wasted > WASTED_MAX_BYTES {
            return self.misbehaved(Misbehaviour::Unasked);
        }
        self.credit(bytes);
    }

    /// Lets the peer send as much again, in steps worth a message.
    fn credit(&mut self, bytes: u64) {
        self.credit_due += bytes;
        if self.credit_due >= WINDOW_BYTES / 4 {
            let bytes = std::mem::take(&mut self.credit_due);
            self.window += bytes;
            self.send(Message::Credit { bytes });
        }
    }

    pub(super) fn ingested(
        &mut self,
        space: SpaceId,
        entries: usize,
        bytes: u64,
        context: &mut Context<'_>,
    ) {
        self.credit(bytes);
        if let Some(state) = self.spaces.get_mut(&space) {
            state.ingesting = state.ingesting.saturating_sub(entries);
            if let Some(round) = &mut state.round {
                round.active_ms = context.now_ms;
            }
            self.end_round(space, context);
        }
    }

    pub(super) fn heard_done(&mut self, space: SpaceId, number: u64, context: &mut Context<'_>) {
        let Some(state) = self.open_space(&space, context) else {
            return;
        };
        let Some(round) = state.round.as_mut().filter(|round| round.number == number) else {
            return;
        };
        if round.comparing || round.got_done {
            return self.misbehaved(Misbehaviour::WrongTurn);
        }
        round.got_done = true;
        round.active_ms = context.now_ms;
        self.end_round(space, context);
    }

    /// Ends the round of a space if both sides have sent everything and ours is ingested.
    pub(super) fn end_round(&mut self, space: SpaceId, context: &mut Context<'_>) {
        let (Some(state), Some(trie)) = (self.spaces.get_mut(&space), context.replica.trie(&space))
        else {
            return;
        };
        let ready = |round: &mut Round| round.sent_done && round.got_done;
        if state.ingesting > 0 {
            return;
        }
        let Some(round) = state.round.take_if(ready) else {
            return;
        };
        context.in_flight.release_space(&space, self.peer);
        state.from_peer.clear();
        let ours = trie.root();
        if round.moved && (ours != round.ours || round.plan.sent > 0) {
            state.fruitless = 0;
        } else if state.note_fruitless(context.now_ms) > FRUITLESS_MAX {
            return self.misbehaved(Misbehaviour::Fruitless);
        } else {
            state.fruitless_pair = round.theirs.map(|theirs| (ours, theirs));
        }
        match self.role {
            Role::Opener => {
                // The acceptor's root as heard before the round still stands: it tells of changes.
                state.answered = state.heard.map(|heard| (ours, heard));
                self.tell_roots(&[space], context);
            }
            Role::Acceptor => {}
        }
        self.consider(space, context);
    }
}

impl SpaceState {
    /// Counts a round that brought nothing and puts off the next; returns how many there were of
    /// late.
    fn note_fruitless(&mut self, now_ms: u64) -> u32 {
        if now_ms.saturating_sub(self.fruitless_since_ms) >= RETRY_MAX_MS * 2 {
            self.fruitless = self.fruitless.min(6);
            self.fruitless_since_ms = now_ms;
        }
        self.fruitless += 1;
        self.not_before_ms = now_ms + RETRY_MAX_MS.min(1000 << self.fruitless.min(6));
        self.fruitless
    }
}

fn findings(trie: &Trie, salt: &Salt, claims: &[Claim]) -> Findings {
    let mut found = Findings::default();
    for claim in claims {
        claim::compare(trie, salt, claim, &mut found);
    }
    if trie.is_empty() && !found.lacking.is_empty() {
        found.lacking = vec![Item::Under(Prefix::ALL)];
    }
    found
}

/// Our state where more detail is needed, as far as it fits one message.
///
/// No claim is about something within another, as the format demands.
fn detail(trie: &Trie, salt: &Salt, mut prefixes: Vec<Prefix>) -> Vec<Claim> {
    prefixes.sort_unstable();
    prefixes.dedup_by(|later, earlier| earlier.covers_prefix(later));
    let mut claims = Vec::new();
    let mut bytes = 0;
    for prefix in prefixes {
        let Some(claim) = claim::state(trie, salt, &prefix) else {
            continue;
        };
        bytes += claim.weight();
        if bytes > CLAIMS_MAX_BYTES {
            break;
        }
        claims.push(claim);
    }
    claims
}
