//! Who starts the first round about a space.
//!
//! A round takes fewest trips if the side that lacks entries answers the first claim: its answer
//! shows in detail what it has, and the other side can send the rest at once. So the side that has
//! more starts; or the one that has nothing, since everything can be sent to it without comparing.
//!
//! Both sides decide by the same two numbers, those told in the first `Roots` each way, so they
//! agree whatever happens to the sets meanwhile. Only the first round is decided so: later ones are
//! the acceptor's, who knows by `after` which roots are news. The opener starts at most one round
//! about a space on a stream, and once it was closed or a round began, none. Where the sides do not
//! agree all the same, since a space was closed meanwhile or a peer lies about its numbers, the
//! acceptor starts after [`FIRST_ROUND_MS`]; and if both have started, its round counts.
//!
//! Spec: `specs/sync.md` §4.1 (the first round).

use super::{Context, FIRST_ROUND_MS, Misbehaviour, Role, Session};
use crate::id::SpaceId;
use crate::sync::message::Compare;

/// The numbers of keys that both sides told first, and how long the acceptor waits.
#[derive(Debug, Default)]
pub(super) struct FirstRound {
    told: Option<u64>,
    heard: Option<u64>,
    until_ms: Option<u64>,
}

impl FirstRound {
    pub(super) fn told(&mut self, count: u64) {
        self.told.get_or_insert(count);
    }

    pub(super) fn heard(&mut self, count: u64) {
        self.heard.get_or_insert(count);
    }
}

/// Whether the first round is the opener's, by how many keys the sides have.
fn opener_has_to_start(opener: u64, acceptor: u64) -> bool {
    acceptor != 0 && (opener == 0 || opener > acceptor)
}

impl Session {
    /// Whether the next round about a space is the first, and the opener's to start. `count` is what
    /// we would tell now if we have not told it yet.
    pub(super) fn opener_starts(&self, space: &SpaceId, count: u64) -> bool {
        let Some(state) = self.spaces.get(space) else {
            return false;
        };
        let Some(theirs) = state.first.heard else {
            return false;
        };
        let ours = state.first.told.unwrap_or(count);
        let (opener, acceptor) = match self.role {
            Role::Opener => (ours, theirs),
            Role::Acceptor => (theirs, ours),
        };
        !self.settled.contains_key(space) && opener_has_to_start(opener, acceptor)
    }

    /// Whether a look at the roots of a space may lead us to start a round.
    pub(super) fn may_start(&self, space: &SpaceId, context: &Context<'_>) -> bool {
        let count = context.replica.trie(space).map_or(0, |trie| trie.len());
        self.role == Role::Acceptor || self.opener_starts(space, count)
    }

    /// Starts the first round if we opened the stream; else waits for it, but not for ever.
    pub(super) fn leave_to_opener_or_start(&mut self, space: SpaceId, context: &mut Context<'_>) {
        let Some(state) = self.spaces.get_mut(&space) else {
            return;
        };
        let until_ms = context.now_ms + FIRST_ROUND_MS;
        let until_ms = *state.first.until_ms.get_or_insert(until_ms);
        if self.role == Role::Opener || context.now_ms >= until_ms {
            return self.start_round(space, context);
        }
        state.put_off = true;
        state.not_before_ms = until_ms;
        if state.told.is_none() {
            // The opener cannot know yet that it is on it.
            self.tell_roots(&[space], context);
        }
    }

    /// Whether a round that the peer starts is to be joined. One that crossed a round of ours, or the
    /// end of the space here, is passed over: the opener gives it up as soon as it hears of that.
    pub(super) fn may_join(&mut self, theirs: &Compare) -> Result<bool, Misbehaviour> {
        let odd = theirs.round % 2 == 1;
        if odd == (self.role == Role::Acceptor) {
            return Err(Misbehaviour::WrongRole);
        }
        if theirs.round <= self.joined {
            return Err(Misbehaviour::WrongTurn);
        }
        self.joined = theirs.round;
        let settled = self.settled.get(&theirs.space).copied();
        let by_opener = self.role == Role::Acceptor;
        if by_opener && settled == Some(true) {
            return Err(Misbehaviour::WrongRole);
        }
        *self.settled.entry(theirs.space).or_default() |= by_opener;
        Ok(!by_opener || settled.is_none())
    }

    /// Notes that the first round is no question any more once the peer takes a space back about
    /// which it has told. Who has only not opened it yet can still start that round.
    pub(super) fn settle_if_compared(&mut self, space: SpaceId) {
        let state = self.spaces.get(&space);
        if state.is_some_and(|state| state.first.heard.is_some()) {
            self.settled.entry(space).or_default();
        }
    }
}
