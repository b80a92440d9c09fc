//! Sending entries: what a peer asked for, in local order, within its credit.

use super::expected::without_overlap;
use super::{Context, Effect, Misbehaviour, OUTBOX_HIGH_BYTES, Session, WINDOW_BYTES};
use crate::id::{EntryId, SpaceId};
use crate::sync::key::Item;
use crate::sync::message::{ENTRIES_MAX, Message};
use crate::sync::trie::Trie;
use std::collections::VecDeque;

/// Most items a peer may have asked for in one round; the rest is left to the next.
const PLAN_ITEMS_MAX: usize = 16_384;
/// Ids looked up ahead for one plan.
const PLAN_AHEAD: usize = 16_384;
/// Most entries loaded at a time.
const LOAD_MAX: usize = 256;
/// Bytes of entries loaded at a time, and sent in one frame, unless a single one is larger.
const LOAD_MAX_BYTES: usize = 256 * 1024;

/// What a peer is to get in a round.
#[derive(Debug, Default)]
pub(super) struct Plan {
    items: Vec<Item>,
    ready: VecDeque<(u64, EntryId)>,
    /// The last local number looked up, and the last that counts.
    after: Option<u64>,
    until: u64,
    exhausted: bool,
    pub(super) sent: u64,
}

impl Plan {
    pub(super) fn add(&mut self, items: Vec<Item>) {
        let room = PLAN_ITEMS_MAX.saturating_sub(self.items.len());
        self.items.extend(items.into_iter().take(room));
    }

    /// Fixes where the plan ends, so that entries that arrive while it is carried out do not keep
    /// it going for ever.
    pub(super) fn start(&mut self, trie: &Trie) {
        self.items = without_overlap(std::mem::take(&mut self.items));
        self.until = trie.last_local();
    }

    fn next_batch(&mut self, trie: &Trie) -> VecDeque<EntryId> {
        if self.ready.is_empty() && !self.exhausted {
            let found = trie.first_by_local(&self.items, self.after, self.until, PLAN_AHEAD);
            self.exhausted = found.len() < PLAN_AHEAD;
            self.after = found.last().map(|(local, _)| *local).or(self.after);
            self.ready = found.into();
        }
        let batch = self.ready.len().min(LOAD_MAX);
        self.sent += batch as u64;
        self.ready.drain(..batch).map(|(_, id)| id).collect()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.items.capacity() * size_of::<Item>()
            + self.ready.capacity() * size_of::<(u64, EntryId)>()
    }
}

/// The batch of entries being sent; one at a time over all spaces.
#[derive(Debug)]
pub(super) struct Sending {
    credit: u64,
    space: Option<SpaceId>,
    round: u64,
    /// Ids not yet loaded; those of `loading` at the front are being loaded.
    ids: VecDeque<EntryId>,
    loading: usize,
    loaded: VecDeque<Vec<u8>>,
    /// The space served last, so that they take turns.
    served: Option<SpaceId>,
}

impl Sending {
    pub(super) fn new() -> Self {
        Self {
            credit: WINDOW_BYTES,
            space: None,
            round: 0,
            ids: VecDeque::new(),
            loading: 0,
            loaded: VecDeque::new(),
            served: None,
        }
    }

    pub(super) fn add_credit(&mut self, bytes: u64) -> Result<(), Misbehaviour> {
        let credit = self.credit.saturating_add(bytes);
        if credit > WINDOW_BYTES {
            return Err(Misbehaviour::TooMuchCredit);
        }
        self.credit = credit;
        Ok(())
    }

    pub(super) fn loaded(&mut self, space: &SpaceId, entries: Vec<Option<Vec<u8>>>) {
        let count = entries.len().min(self.loading);
        self.loading = 0;
        if self.space.as_ref() != Some(space) {
            return;
        }
        if count == 0 {
            // Never ask for the same one without end.
            self.ids.pop_front();
        }
        self.ids.drain(..count.min(self.ids.len()));
        self.loaded
            .extend(entries.into_iter().take(count).flatten());
    }

    /// A load that was asked for will not be carried out after all.
    pub(super) fn not_loading(&mut self) {
        self.loading = 0;
    }

    /// Drops the batch if it is of this space. A load under way stays to be answered.
    pub(super) fn forget(&mut self, space: &SpaceId) {
        if self.space.as_ref() == Some(space) {
            self.space = None;
            self.ids.clear();
            self.loaded.clear();
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.loaded.iter().map(Vec::len).sum::<usize>() + self.ids.len() * size_of::<EntryId>()
    }

    /// As many loaded entries as one frame and the credit hold.
    fn frame(&mut self) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.loaded.front() {
            let grown = bytes + next.len();
            let full = entries.len() == ENTRIES_MAX || (bytes > 0 && grown > LOAD_MAX_BYTES);
            if full || grown as u64 > self.credit {
                break;
            }
            bytes = grown;
            entries.extend(self.loaded.pop_front());
        }
        self.credit -= bytes as u64;
        entries
    }
}

impl Session {
    /// Sends what can be sent now, and asks for what is to be sent next.
    pub(super) fn pump(&mut self, context: &mut Context<'_>) {
        while !self.over && self.outbox_bytes <= OUTBOX_HIGH_BYTES {
            if !self.sending.loaded.is_empty() {
                let entries = self.sending.frame();
                let Some(space) = self.sending.space.filter(|_| !entries.is_empty()) else {
                    return;
                };
                let number = self.sending.round;
                self.send(Message::Entries {
                    space,
                    round: number,
                    entries,
                });
                if let Some(round) = self.spaces.get_mut(&space).and_then(|s| s.round.as_mut()) {
                    round.gave |= round.number == number;
                    round.active_ms = context.now_ms;
                }
                continue;
            }
            if self.sending.loading > 0 {
                return;
            }
            match self.sending.space.filter(|_| !self.sending.ids.is_empty()) {
                Some(space) => {
                    let ids: Vec<_> = self.sending.ids.iter().take(LOAD_MAX).copied().collect();
                    self.sending.loading = ids.len();
                    let max_bytes = LOAD_MAX_BYTES;
                    self.outbox.push_back(Effect::Load {
                        space,
                        ids,
                        max_bytes,
                    });
                    return;
                }
                None if self.next_batch(context) => {}
                None => return,
            }
        }
    }

    /// Finds the next batch, taking turns between spaces. Returns whether anything was done.
    fn next_batch(&mut self, context: &mut Context<'_>) -> bool {
        let served = self.sending.served;
        let after = self.spaces.keys().filter(|space| Some(**space) > served);
        let before = self.spaces.keys().filter(|space| Some(**space) <= served);
        let order: Vec<SpaceId> = after.chain(before).copied().collect();
        for space in order {
            let (Some(state), Some(trie)) =
                (self.spaces.get_mut(&space), context.replica.trie(&space))
            else {
                continue;
            };
            if !state.asked.is_empty() {
                let batch = state.asked.len().min(LOAD_MAX);
                let mut ids: Vec<_> = (state.asked.drain(..batch))
                    .filter_map(|key| trie.local(&key).map(|local| (local, key.id)))
                    .collect();
                ids.sort_unstable();
                self.sending
                    .begin(space, 0, ids.into_iter().map(|(_, id)| id).collect());
                return true;
            }
            let Some(round) = state
                .round
                .as_mut()
                .filter(|r| !r.comparing && !r.sent_done)
            else {
                continue;
            };
            let number = round.number;
            let ids = round.plan.next_batch(trie);
            if ids.is_empty() {
                round.sent_done = true;
                self.send(Message::Done {
                    space,
                    round: number,
                });
                self.end_round(space, context);
            } else {
                self.sending.begin(space, number, ids);
            }
            return true;
        }
        false
    }
}

impl Sending {
    fn begin(&mut self, space: SpaceId, round: u64, ids: VecDeque<EntryId>) {
        self.served = Some(space);
        self.space = Some(space);
        self.round = round;
        self.ids = ids;
    }
}
