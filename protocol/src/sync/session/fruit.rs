//! Whether rounds bring anything, and how soon the next may start.
//!
//! An opener ends the stream if the acceptor starts one round after the other that brings nothing.
//! Honest acceptors never get there, since they judge each round by what both sides know, and more
//! strictly than the opener does: whatever brought something by the acceptor's count did so by the
//! opener's. What both know is whether the opener sent entries, and the root that it told after the
//! round, beside the one that it told after the round before. That the acceptor sent something is no
//! fruit by itself: it may wait there for others, or for another governance, for a long time.
//!
//! After rounds in vain an acceptor waits. So fewer of them follow each other within the time that
//! an opener counts over than it puts up with, whatever happens to the sets meanwhile.
//!
//! Spec: `specs/sync.md` §5.1 (rounds in vain).

use super::{RETRY_MAX_MS, ROOTS_EVERY_MS};
use crate::sync::key::TrieHash;

/// Rounds in vain, within [`COUNTED_OVER_MS`], before the acceptor is taken for hostile.
pub(super) const VAIN_MAX: u32 = 64;
/// See [`VAIN_MAX`], in milliseconds.
const COUNTED_OVER_MS: u64 = 2 * RETRY_MAX_MS;
/// Rounds in vain that still count when that time is over.
const VAIN_KEPT: u32 = 6;
/// Rounds in vain after which the next follows at once if the roots are others.
const VAIN_FREE: u32 = 8;
/// Longest pause after rounds in vain if there is a reason for one, in milliseconds.
const ASKED_MAX_MS: u64 = 15_000;

// What an opener can count at most: what it kept, what follows at once, what is spaced.
const _: () = assert!(
    VAIN_KEPT as u64 + VAIN_FREE as u64 + COUNTED_OVER_MS / ROOTS_EVERY_MS + 1 < VAIN_MAX as u64
);

/// What the acceptor saw of a round of which the opener has not told the end yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brought {
    /// Entries came from the opener, and our set is another one.
    pub(super) here: bool,
    /// Entries went to the opener.
    pub(super) sent: bool,
}

/// What became of the rounds about a space. See the [module documentation](self).
#[derive(Debug, Default)]
pub(super) struct Fruit {
    /// Rounds in vain in a row, and since when they are counted.
    vain: u32,
    since_ms: u64,
    /// The opener's root after the last round.
    ended: Option<TrieHash>,
    /// Whether the opener told another since then.
    told_other: bool,
    /// A round that the opener has yet to tell the end of.
    open: Option<Brought>,
    /// The roots, ours and theirs, after a round in vain.
    pair: Option<(TrieHash, TrieHash)>,
    /// When a round may follow if the roots are still these, and if they are not.
    same_from_ms: u64,
    asked_from_ms: u64,
    other_from_ms: u64,
    /// Whether somebody asked for a round about the same roots: one side may fetch now what another
    /// session fetched before.
    is_asked: bool,
}

impl Fruit {
    /// Notes another round in vain; whether there were more than any honest peer makes.
    pub(super) fn note_vain(&mut self, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.since_ms) >= COUNTED_OVER_MS {
            self.vain = self.vain.min(VAIN_KEPT);
            self.since_ms = now_ms;
        }
        self.vain += 1;
        self.vain > VAIN_MAX
    }

    /// The opener tells a root.
    pub(super) fn opener_tells(&mut self, root: TrieHash) {
        self.told_other |= self.ended.is_some_and(|ended| ended != root);
    }

    /// The opener ends a round with this root, in which it sent entries or none. Whether there were
    /// too many in vain.
    pub(super) fn opener_ends(&mut self, root: TrieHash, sent: bool, now_ms: u64) -> bool {
        let is_other = self.ended.replace(root) != Some(root);
        let told_other = std::mem::take(&mut self.told_other);
        if sent || is_other || told_other {
            self.vain = 0;
            return false;
        }
        self.note_vain(now_ms)
    }

    /// The acceptor ends a round; it is judged when the opener has told its root.
    pub(super) fn acceptor_ends(&mut self, brought: Brought) {
        self.open = Some(brought);
    }

    /// There is a reason for a round though the roots may be the same, unless that is the root told
    /// after the last one.
    pub(super) fn asked(&mut self) {
        self.is_asked = self.open.is_none();
    }

    /// The acceptor compares the roots, ours and theirs, while no round runs.
    pub(super) fn acceptor_hears(&mut self, roots: (TrieHash, TrieHash), now_ms: u64) {
        let Some(brought) = self.open.take() else {
            return;
        };
        let is_other = self.ended.replace(roots.1) != Some(roots.1);
        if brought.here || (brought.sent && is_other) {
            self.vain = 0;
            self.pair = None;
            return;
        }
        self.note_vain(now_ms);
        self.pair = Some(roots);
        self.is_asked = false;
        let pause_ms = RETRY_MAX_MS.min(1000 << self.vain.min(VAIN_KEPT));
        self.same_from_ms = now_ms + pause_ms;
        self.asked_from_ms = now_ms + pause_ms.min(ASKED_MAX_MS);
        let is_free = self.vain <= VAIN_FREE;
        self.other_from_ms = if is_free { 0 } else { now_ms + ROOTS_EVERY_MS };
    }

    /// From when on the acceptor may start a round about these roots, in milliseconds.
    pub(super) fn starts_ms(&self, roots: (TrieHash, TrieHash)) -> u64 {
        match self.pair {
            Some(pair) if pair == roots && self.is_asked => self.asked_from_ms,
            Some(pair) if pair == roots => self.same_from_ms,
            Some(_) => self.other_from_ms,
            None => 0,
        }
    }
}
