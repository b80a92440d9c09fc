//! Rounds: alternate claims until the differences are known, exchange entries, finish.

use super::expected::Expected;
use super::send::Plan;
use super::{
    Context, Effect, FROM_PEER_MAX, Misbehaviour, Role, Session, UNASKED_MAX, WASTED_MAX_BYTES,
    WINDOW_BYTES, fruit::Brought,
};
use crate::id::{SpaceId, digest};
use crate::sync::claim::{self, Findings};
use crate::sync::key::{Item, Prefix, TrieHash};
use crate::sync::message::{Claim, Compare, Message, Salt};
use crate::sync::parts::Parts;
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
    /// What this session pulls in this space, and whether it should be much.
    parts: Parts,
    lacked_much: bool,
    expected: Expected,
    pub(super) plan: Plan,
    pub(super) sent_done: bool,
    got_done: bool,
    /// Our root at the start.
    ours: TrieHash,
    /// Whether entries came, and whether entries went.
    got: bool,
    pub(super) gave: bool,
    pub(super) active_ms: u64,
}

impl Round {
    fn new(
        number: u64,
        salt: Salt,
        next_turn: u64,
        parts: Parts,
        trie: &Trie,
        now_ms: u64,
    ) -> Self {
        Self {
            number,
            salt,
            next_turn,
            comparing: true,
            parts,
            lacked_much: false,
            expected: Expected::default(),
            plan: Plan::default(),
            sent_done: false,
            got_done: false,
            ours: trie.root(),
            got: false,
            gave: false,
            active_ms: now_ms,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.expected.held_bytes() + self.plan.held_bytes()
    }

    /// Notes what the peer may send because of what we are about to tell it.
    fn expect(&mut self, claims: &[Claim], wants: &[Item]) {
        if !self.parts.is_none() {
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
        // Numbers of the two sides never meet: those of the acceptor are odd.
        self.started = match self.started {
            0 if self.role == Role::Acceptor => 1,
            last => last + 2,
        };
        let number = self.started;
        let whole = digest(SALT, &[&self.seed, &number.to_be_bytes()]);
        let mut salt = [0; 8];
        salt.copy_from_slice(&whole[..8]);
        let parts = context.in_flight.take_space(
            space,
            self.peer,
            Parts::ALL,
            state.lacks_much(trie),
            context.now_ms,
        );
        let mut round = Round::new(number, salt, 1, parts, trie, context.now_ms);
        round.lacked_much = state.lacks_much(trie);
        // Who pulls a share claims nothing about the rest, which would come, too.
        let whole = vec![Prefix::ALL];
        let subjects = match parts.is_none() {
            true => whole,
            false => parts.prefixes(),
        };
        let claims: Vec<Claim> = (subjects.iter())
            .map(|it| claim::state(trie, &salt, it).unwrap_or_else(|| claim::state_nothing(it)))
            .collect();
        round.expect(&claims, &[]);
        state.round = Some(round);
        if self.role == Role::Acceptor {
            // What the opener told before it ends this round says nothing new.
            state.heard = None;
            state.last_round = number;
        }
        let by_opener = self.role == Role::Opener;
        *self.settled.entry(space).or_default() |= by_opener;
        let wants = Vec::new();
        let turn = 0;
        self.send(Message::Compare(Compare {
            space,
            round: number,
            turn,
            salt,
            pull: !parts.is_none(),
            claims,
            wants,
        }));
    }

    pub(super) fn heard_compare(&mut self, theirs: Compare, context: &mut Context<'_>) {
        if self.open_space(&theirs.space, context).is_none() {
            return;
        }
        if theirs.turn == 0 {
            match self.may_join(&theirs) {
                Ok(true) => self.join_round(&theirs, context),
                Ok(false) => return,
                Err(how) => return self.misbehaved(how),
            }
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
        let found = findings(trie, &round.salt, &theirs.claims, state.exact);
        if theirs.pull {
            round.plan.add(found.surplus);
        }
        state.deferred = Parts::ALL.without(round.parts);
        let wants = round.parts.items_in(found.lacking);
        let differing = match round.parts.is_none() {
            true => found.differing,
            false => round.parts.prefixes_in(found.differing),
        };
        let goes_on = theirs.pull || !round.parts.is_none();
        let claims = if theirs.turn + 1 < TURNS_MAX && goes_on {
            detail(trie, &round.salt, differing)
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
            pull: !round.parts.is_none(),
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
        if cut_off && state.fruit.note_vain(context.now_ms) {
            return self.misbehaved(Misbehaviour::Fruitless);
        }
        self.sending.forget(&theirs.space);
        let told = theirs.claims.iter().map(Claim::subject);
        let parts = context.in_flight.take_space(
            theirs.space,
            self.peer,
            told.fold(Parts::NONE, |all, it| all.or(Parts::of(&it))),
            state.lacks_much(trie),
            context.now_ms,
        );
        let mut round = Round::new(theirs.round, theirs.salt, 0, parts, trie, context.now_ms);
        round.lacked_much = state.lacks_much(trie);
        match self.role {
            Role::Acceptor => state.heard = None,
            Role::Opener => state.last_round = theirs.round,
        }
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
                round.got = true;
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
        match state.lacks_much(trie) || round.lacked_much {
            true => (context.in_flight).end_share(&space, self.peer, round.got, context.now_ms),
            false => context.in_flight.release_space(&space, self.peer),
        }
        state.from_peer.clear();
        let ours = trie.root();
        state.exact = true;
        match self.role {
            Role::Opener => {
                let sent = round.plan.sent > 0;
                if state.fruit.opener_ends(ours, sent, context.now_ms) {
                    return self.misbehaved(Misbehaviour::Fruitless);
                }
                // The acceptor's root as heard before the round still stands: it tells of changes.
                state.answered = state.heard.map(|heard| (ours, heard));
                self.tell_roots(&[space], context);
            }
            Role::Acceptor => state.fruit.acceptor_ends(Brought {
                here: round.got && ours != round.ours,
                sent: round.gave,
            }),
        }
        self.consider(space, context);
    }
}

fn findings(trie: &Trie, salt: &Salt, claims: &[Claim], exact: bool) -> Findings {
    let mut found = Findings::new(exact);
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
