//! The sync machine of one peer: inputs in, effects out, no I/O.
//!
//! A session is one `/comity/sync/1` stream. For every space that both sides have opened they tell
//! each other their roots. Where roots differ one side starts a *round*: the peers alternate in
//! stating what they have where they differ ([`claim`](super::claim)), then each sends what the other
//! lacks, in its local order, within the credit it was given. The side that accepted the stream
//! starts rounds, but the first about a space the one that has more; the side that opened the stream
//! ends a round by telling its root again. New entries are announced by key while no round runs.
//!
//! The node owns tries and entries; a session owns cursors, and each of them is bounded. A session
//! that saw the peer break the protocol says so once and is deaf from then on.
//!
//! Spec: `specs/sync.md` §4 to §9.

mod expected;
mod first;
mod fruit;
mod io;
mod learning;
mod news;
mod round;
mod send;

use super::in_flight::{IDLE_MS, PeerNumber, SHARED_FROM};
use super::key::{Key, TrieHash};
use super::message::{CloseReason, Message, ROOTS_MAX, SpaceRoot};
use super::parts::Parts;
use super::trie::Trie;
use crate::access::GRANTS_MAX;
use crate::id::{EntryId, SpaceId};
use first::FirstRound;
use fruit::Fruit;
pub use io::{Context, Effect, Input, Misbehaviour, Replica, Role};
use learning::Learning;
use round::Round;
use send::Sending;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bytes of entries a peer may send before it is given credit: the window of a stream.
pub const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// While more than this waits to be written, the driver should not read from the peer, in bytes.
pub const OUTBOX_HIGH_BYTES: usize = 1024 * 1024;
/// If a message comes while more than this waits, the session ends, in bytes.
pub const OUTBOX_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most spaces open in one session.
pub const SPACES_MAX: usize = 1024;
/// A changed root is told at least so often while nothing else happens, in milliseconds.
pub const ROOTS_EVERY_MS: u64 = 5_000;
/// Without a sign of life for so long a round that waits for the peer fails, in milliseconds.
pub const SILENCE_MS: u64 = 120_000;
/// How long the side that accepted the stream leaves the first round about a space to the side that
/// has more, in milliseconds.
pub const FIRST_ROUND_MS: u64 = 10_000;
/// Longest pause before a round that brought nothing is tried again, in milliseconds.
pub const RETRY_MAX_MS: u64 = 60_000;
/// Most announced keys asked for and not yet here, per space.
pub const WANTED_MAX: usize = 1024;
/// Most announced keys a peer may have asked for and not yet got, per space.
pub const ASKED_MAX: usize = 4096;
/// Most spaces asked about and not yet declared.
pub const LEARNING_MAX: usize = 256;
/// `Grants` taken within [`GRANTS_PERIOD_MS`] before the peer is taken for hostile.
pub const GRANTS_PER_PERIOD_MAX: u32 = 256;
/// See [`GRANTS_PER_PERIOD_MAX`], in milliseconds.
pub const GRANTS_PERIOD_MS: u64 = 60_000;
/// Most entries from the peer that we remember so as not to announce them back, per space.
const FROM_PEER_MAX: usize = 4096;
/// Entries that nobody asked for before the peer is taken for hostile.
const UNASKED_MAX: u32 = 16;
/// Bytes of entries of rounds long over before the peer is taken for hostile.
const WASTED_MAX_BYTES: u64 = 2 * WINDOW_BYTES;

/// What a session knows about one space.
#[derive(Debug, Default)]
struct SpaceState {
    /// Our root as we last told it, and when.
    told: Option<TrieHash>,
    told_ms: u64,
    /// The peer's root as it last told it, if it is not outdated by a round.
    heard: Option<TrieHash>,
    /// How many keys the peer has, as it last told.
    heard_count: u64,
    /// The pair of roots (ours, theirs) that we last answered with our own.
    answered: Option<(TrieHash, TrieHash)>,
    in_sync_at: Option<TrieHash>,
    refused: bool,
    /// Whether both sides have compared: from then on news are announced.
    live: bool,
    round: Option<Round>,
    /// What decides who starts the first round.
    first: FirstRound,
    /// The last round that the acceptor started, 0 if none.
    last_round: u64,
    /// Entries given to the ingest path and not yet reported.
    ingesting: usize,
    /// What we did not ask for because other sessions were pulling it.
    deferred: Parts,
    /// A comparison is due that was put off until `not_before_ms`.
    put_off: bool,
    not_before_ms: u64,
    fruit: Fruit,
    /// A round has ended since the sets were last equal: what differs is compared without guesses.
    exact: bool,
    wanted: BTreeMap<Key, u64>,
    from_peer: BTreeSet<EntryId>,
    asked: VecDeque<Key>,
}

/// The session with one peer. See the [module documentation](self).
#[derive(Debug)]
pub struct Session {
    role: Role,
    peer: PeerNumber,
    seed: [u8; 32],
    /// The last round of this stream that we started and that the peer started, over all spaces.
    started: u64,
    joined: u64,
    /// Spaces whose first round is no question any more, and whether the opener has started it.
    settled: BTreeMap<SpaceId, bool>,
    spaces: BTreeMap<SpaceId, SpaceState>,
    sending: Sending,
    learning: Learning,
    /// Grants heard since when.
    grants_heard: (u32, u64),
    /// What the peer may still send, and what we will allow it next.
    window: u64,
    credit_due: u64,
    unasked: u32,
    wasted: u64,
    outbox: VecDeque<Effect>,
    outbox_bytes: usize,
    over: bool,
}

impl Session {
    /// A session over a fresh stream. `seed` must be unpredictable to anyone else: it salts the
    /// fingerprints by which subtrees are compared.
    pub fn new(role: Role, peer: PeerNumber, seed: [u8; 32]) -> Self {
        Self {
            role,
            peer,
            seed,
            started: 0,
            joined: 0,
            settled: BTreeMap::new(),
            spaces: BTreeMap::new(),
            sending: Sending::new(),
            learning: Learning::default(),
            grants_heard: (0, 0),
            window: WINDOW_BYTES,
            credit_due: 0,
            unasked: 0,
            wasted: 0,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            over: false,
        }
    }

    /// Takes the next effect out. The driver performs effects in this order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        let effect = self.outbox.pop_front()?;
        if let Effect::Send(message) = &effect {
            self.outbox_bytes -= message.weight();
        }
        Some(effect)
    }

    /// The number this session was made with.
    pub fn peer(&self) -> PeerNumber {
        self.peer
    }

    /// Whether [`Session::next_effect`] has something.
    pub fn has_effects(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether the driver may read another message from the peer. While it may not, it writes.
    pub fn ready_for_message(&self) -> bool {
        !self.over && self.outbox_bytes <= OUTBOX_HIGH_BYTES
    }

    /// Whether the session is over; the effects still in the outbox are its last.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the peer last told the root that our set has now, `ours`, and nothing is under way: then
    /// it holds all that we hold.
    pub fn is_in_sync(&self, space: &SpaceId, ours: TrieHash) -> bool {
        let state = self.spaces.get(space);
        state.is_some_and(|state| {
            let equal = |root: Option<TrieHash>| root == Some(ours);
            state.round.is_none() && equal(state.in_sync_at) && equal(state.heard)
        })
    }

    /// Whether the peer last said that it does not speak about the space: it does not hold it, or we
    /// may not read it; which of the two is not ours to know.
    pub fn is_refused(&self, space: &SpaceId) -> bool {
        self.spaces.get(space).is_some_and(|state| state.refused)
    }

    /// An upper estimate of the memory held for this peer, in bytes, apart from loaded tries.
    pub fn held_bytes(&self) -> usize {
        let spaces: usize = self.spaces.values().map(SpaceState::held_bytes).sum();
        let settled = self.settled.len() * 2 * size_of::<(SpaceId, bool)>();
        let waiting = self.outbox_bytes + self.sending.held_bytes() + self.learning.held_bytes();
        spaces + settled + waiting
    }

    /// Handles one input; what follows is in the outbox.
    pub fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        if self.over {
            return;
        }
        match input {
            Input::SpaceOpened(space) => self.opened(space, context),
            Input::SpaceClosed(space) => self.closed(space, context),
            Input::ShowGrants {
                community,
                mut grants,
            } => {
                grants.truncate(GRANTS_MAX);
                self.send(Message::Grants { community, grants });
            }
            Input::Received(message) => self.received(message, context),
            Input::Inserted { space, keys } => self.inserted(space, &keys, context),
            Input::Loaded { space, entries } => self.sending.loaded(&space, entries),
            Input::Ingested {
                space,
                entries,
                bytes,
            } => {
                self.ingested(space, entries, bytes, context);
            }
            Input::Writable => {}
            Input::Tick => self.tick(ROOTS_EVERY_MS, context),
            Input::Asked => self.tick(0, context),
        }
        self.pump(context);
        if self.over {
            context.in_flight.release_peer(self.peer);
        }
    }

    fn send(&mut self, message: Message) {
        self.outbox_bytes += message.weight();
        self.outbox.push_back(Effect::Send(message));
    }

    fn misbehaved(&mut self, how: Misbehaviour) {
        let reason = match how {
            Misbehaviour::Silent | Misbehaviour::DoesNotRead => CloseReason::Silence,
            _ => CloseReason::Protocol,
        };
        self.outbox.clear();
        self.outbox_bytes = 0;
        self.send(Message::Close(reason));
        self.outbox.push_back(Effect::PeerMisbehaved(how));
        self.finish();
    }

    fn finish(&mut self) {
        self.over = true;
        self.spaces.clear();
        self.learning = Learning::default();
        self.sending = Sending::new();
    }

    fn opened(&mut self, space: SpaceId, context: &mut Context<'_>) {
        if self.spaces.len() >= SPACES_MAX || self.spaces.contains_key(&space) {
            return;
        }
        if context.replica.trie(&space).is_some() {
            let mut state = SpaceState::default();
            if let Some((root, first_count)) = self.learning.end(&space) {
                state.heard = Some(root);
                state.first.heard(first_count);
                state.heard_count = first_count;
            }
            self.spaces.insert(space, state);
            // Until it has told.
            context.in_flight.note_source(space, self.peer, true);
            self.tell_of(space, context);
            self.tell_roots(&[space], context);
            if self.may_start(&space, context) {
                self.consider(space, context);
            }
        }
    }

    fn closed(&mut self, space: SpaceId, context: &mut Context<'_>) {
        if self.spaces.contains_key(&space) {
            self.forget(&space, context);
            self.spaces.remove(&space);
            self.settled.entry(space).or_default();
            self.unsay(&space);
            self.send(Message::Refuse { space });
        }
    }

    /// Takes back what waits to be said or done about a space, as if it had never been open.
    fn unsay(&mut self, space: &SpaceId) {
        for effect in std::mem::take(&mut self.outbox) {
            match effect {
                Effect::Send(message) => {
                    self.outbox_bytes -= message.weight();
                    if let Some(rest) = message.only_about(|about| about != space) {
                        self.send(rest);
                    }
                }
                Effect::Load { space: of, .. } if of == *space => self.sending.not_loading(),
                Effect::InSync { space: of } if of == *space => {}
                other => self.outbox.push_back(other),
            }
        }
    }

    /// Drops all that is under way about a space.
    fn forget(&mut self, space: &SpaceId, context: &mut Context<'_>) {
        context.in_flight.release_space(space, self.peer);
        context.in_flight.note_source(*space, self.peer, false);
        self.sending.forget(space);
        if let Some(state) = self.spaces.get_mut(space) {
            for key in state.wanted.keys() {
                context.in_flight.release_entry(space, &key.id);
            }
            let ingesting = state.ingesting;
            *state = SpaceState {
                ingesting,
                ..SpaceState::default()
            };
        }
    }

    fn received(&mut self, message: Message, context: &mut Context<'_>) {
        if self.outbox_bytes > OUTBOX_MAX_BYTES {
            return self.misbehaved(Misbehaviour::DoesNotRead);
        }
        match message {
            Message::Roots(roots) => {
                roots.iter().for_each(|root| self.heard_root(root, context));
            }
            Message::Compare(compare) => self.heard_compare(compare, context),
            Message::Entries {
                space,
                round,
                entries,
            } => {
                self.heard_entries(space, round, entries, context);
            }
            Message::Done { space, round } => self.heard_done(space, round, context),
            Message::Announce { space, keys } => self.heard_announce(space, &keys, context),
            Message::Want { space, keys } => {
                if let Some(state) = self.open_space(&space, context) {
                    let room = ASKED_MAX.saturating_sub(state.asked.len());
                    state.asked.extend(keys.into_iter().take(room));
                }
            }
            Message::Credit { bytes } => match self.sending.add_credit(bytes) {
                Ok(()) => {}
                Err(how) => self.misbehaved(how),
            },
            Message::Grants { community, grants } => {
                self.heard_grants(community, grants, context.now_ms);
            }
            Message::Spaces { community, spaces } => {
                self.heard_spaces(community, &spaces, context);
            }
            Message::Learn { spaces } => self.heard_learn(&spaces, context),
            Message::Refuse { space } => {
                self.learning.end(&space);
                self.settle_if_compared(space);
                self.forget(&space, context);
                if let Some(state) = self.spaces.get_mut(&space) {
                    state.refused = true;
                }
            }
            Message::Close(reason) => {
                self.finish();
                self.outbox.push_back(Effect::Closed(reason));
            }
        }
    }

    /// The state of a space that is open here, else a refusal to the peer.
    fn open_space(&mut self, space: &SpaceId, context: &Context<'_>) -> Option<&mut SpaceState> {
        if !self.spaces.contains_key(space) || context.replica.trie(space).is_none() {
            if self.learning.is_about(space) {
                // It will be open soon, and we shall tell our root then.
                return None;
            }
            self.send(Message::Refuse { space: *space });
            return None;
        }
        self.spaces.get_mut(space)
    }

    fn tell_roots(&mut self, spaces: &[SpaceId], context: &Context<'_>) {
        let mut roots = Vec::new();
        for space in spaces {
            let Some(trie) = context.replica.trie(space) else {
                continue;
            };
            let Some(state) = self.spaces.get_mut(space) else {
                continue;
            };
            let root = trie.root();
            if self.role == Role::Opener {
                state.fruit.opener_tells(root);
            }
            state.told = Some(root);
            state.told_ms = context.now_ms;
            state.first.told(trie.len());
            let after = state.last_round;
            roots.push(SpaceRoot {
                space: *space,
                root,
                count: trie.len(),
                after,
            });
        }
        for chunk in roots.chunks(ROOTS_MAX) {
            self.send(Message::Roots(chunk.to_vec()));
        }
    }

    fn heard_root(&mut self, theirs: &SpaceRoot, context: &mut Context<'_>) {
        let role = self.role;
        let Some(state) = self.open_space(&theirs.space, context) else {
            self.learning.heard(theirs);
            return;
        };
        state.refused = false;
        if role == Role::Acceptor && theirs.after < state.last_round {
            // Sent before the round that we started meanwhile: it says nothing new.
            return;
        }
        if role == Role::Acceptor && state.round.is_none() {
            state.fruit.asked();
        }
        state.heard = Some(theirs.root);
        state.first.heard(theirs.count);
        state.heard_count = theirs.count;
        if let Some(trie) = context.replica.trie(&theirs.space) {
            let has_much = state.lacks_much(trie);
            (context.in_flight).note_source(theirs.space, self.peer, has_much);
        }
        self.consider(theirs.space, context);
    }

    /// Draws the consequences of the roots told and heard, unless a round is under way.
    fn consider(&mut self, space: SpaceId, context: &mut Context<'_>) {
        let Some(trie) = context.replica.trie(&space) else {
            return;
        };
        let by_opener = self.opener_starts(&space, trie.len());
        let Some(state) = self.spaces.get_mut(&space) else {
            return;
        };
        let Some(heard) = state.heard.filter(|_| state.round.is_none()) else {
            return;
        };
        let ours = trie.root();
        state.put_off = false;
        state.live = true;
        if self.role == Role::Acceptor {
            state.fruit.acceptor_hears((ours, heard), context.now_ms);
        }
        if ours == heard {
            state.deferred = Parts::NONE;
            state.exact = false;
            if state.in_sync_at.replace(ours) != Some(ours) {
                self.outbox.push_back(Effect::InSync { space });
            }
            if self
                .spaces
                .get(&space)
                .is_some_and(|state| state.told != Some(ours))
            {
                self.tell_roots(&[space], context);
            }
            return;
        }
        let pair = (ours, heard);
        if by_opener {
            return self.leave_to_opener_or_start(space, context);
        }
        match self.role {
            Role::Acceptor => {
                let from_ms = state.fruit.starts_ms(pair);
                if context.now_ms >= from_ms {
                    return self.start_round(space, context);
                }
                state.put_off = true;
                state.not_before_ms = from_ms;
            }
            Role::Opener => {
                if state.told != Some(ours) || state.answered != Some(pair) {
                    state.answered = Some(pair);
                    self.tell_roots(&[space], context);
                }
            }
        }
    }

    /// Tells roots that are others than told, but for those told less than `rest_ms` ago, and whatever
    /// else time brings.
    fn tick(&mut self, rest_ms: u64, context: &mut Context<'_>) {
        let now_ms = context.now_ms;
        self.learning.expire(now_ms);
        let mut tell = Vec::new();
        let mut consider = Vec::new();
        for (space, state) in &mut self.spaces {
            let expired: Vec<Key> = (state.wanted.iter())
                .filter(|(_, since)| now_ms.saturating_sub(**since) >= IDLE_MS)
                .map(|(key, _)| *key)
                .collect();
            for key in expired {
                state.wanted.remove(&key);
                context.in_flight.release_entry(space, &key.id);
            }
            let Some(root) = context.replica.trie(space).map(Trie::root) else {
                continue;
            };
            if let Some(round) = &state.round {
                if state.ingesting == 0 && now_ms.saturating_sub(round.active_ms) >= SILENCE_MS {
                    return self.misbehaved(Misbehaviour::Silent);
                }
                continue;
            }
            if state.refused {
                continue;
            }
            let free = context.in_flight.free_parts(space, self.peer, now_ms);
            let is_free = !free.and(state.deferred).is_none();
            let due = now_ms.saturating_sub(state.told_ms) >= rest_ms;
            if is_free || (state.told != Some(root) && due) {
                if is_free && self.role == Role::Acceptor {
                    state.fruit.asked();
                }
                state.deferred = state.deferred.without(free);
                tell.push(*space);
            }
            let equal = state.heard == Some(root) && state.in_sync_at != Some(root);
            if equal || (state.put_off && now_ms >= state.not_before_ms) {
                consider.push(*space);
            }
        }
        self.tell_roots(&tell, context);
        tell.retain(|space| self.may_start(space, context));
        consider.extend(tell);
        for space in consider {
            self.consider(space, context);
        }
    }
}

impl SpaceState {
    /// Whether the peer has so much more that it is worth sharing among several.
    fn lacks_much(&self, trie: &Trie) -> bool {
        self.heard_count.saturating_sub(trie.len()) >= SHARED_FROM
    }

    fn held_bytes(&self) -> usize {
        let keys = self.wanted.len() + self.asked.len();
        size_of::<Self>()
            + keys * 2 * size_of::<Key>()
            + self.from_peer.len() * 2 * size_of::<EntryId>()
            + self.round.as_ref().map_or(0, Round::held_bytes)
    }
}
