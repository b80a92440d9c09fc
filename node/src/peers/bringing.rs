//! How far a session is in bringing what the peer has and this node lacks.
//!
//! A peer tells with each root how many entries its set has. What is more than ours is expected at
//! least; if both sides have something of their own, more comes, and the total grows with it. A few
//! entries, as when somebody writes, are not worth telling.

use crate::tasks::{Tasks, Unit, What, Work};
use comity_protocol::{id::SpaceId, sync::Message};
use std::collections::{BTreeMap, BTreeSet};

/// From this many entries on it is told.
const LONG_ENTRIES: u64 = 32;

/// What one session brings, by space; spaces are bounded by those that are open.
pub(super) struct Bringing {
    tasks: Tasks,
    spaces: BTreeMap<SpaceId, Space>,
}

#[derive(Default)]
struct Space {
    /// Entries of the peer's set, as it last said.
    theirs: u64,
    /// Brought since the sets were last equal.
    brought: u64,
    work: Option<Work>,
}

impl Bringing {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self {
            tasks,
            spaces: BTreeMap::new(),
        }
    }

    /// The peer said something; only what it says of spaces that are open matters.
    pub(super) fn heard(&mut self, message: &Message, open: &BTreeSet<SpaceId>) {
        if let Message::Roots(roots) = message {
            for root in roots.iter().filter(|root| open.contains(&root.space)) {
                self.spaces.entry(root.space).or_default().theirs = root.count;
            }
        }
    }

    /// Entries of a space came in and are being dealt with; `held` are here before them.
    pub(super) fn coming(&mut self, space: SpaceId, held: u64, name: impl FnOnce() -> String) {
        let Some(state) = self.spaces.get_mut(&space) else {
            return;
        };
        if state.work.is_none() && state.missing(held).unwrap_or(state.brought) >= LONG_ENTRIES {
            let label = format!("bringing {}", name());
            let total = state
                .missing(held)
                .map(|missing| state.brought.saturating_add(missing));
            let unit = Unit::Entries;
            let work = self
                .tasks
                .begin_in(space.to_string(), What::Sync, unit, &label, total);
            work.at(state.brought, total);
            state.work = Some(work);
        }
    }

    /// So many of them have been dealt with; `held` are here now.
    pub(super) fn brought(&mut self, space: SpaceId, entries: usize, held: u64) {
        let Some(state) = self.spaces.get_mut(&space) else {
            return;
        };
        state.brought += entries as u64;
        if let Some(work) = &state.work {
            let missing = state.missing(held).unwrap_or_default();
            work.at(state.brought, Some(state.brought.saturating_add(missing)));
        }
    }

    /// Ends what is told of spaces that need no more.
    pub(super) fn end_where(&mut self, in_sync: impl Fn(&SpaceId) -> bool) {
        for (space, state) in &mut self.spaces {
            if state.brought > 0 && in_sync(space) {
                state.brought = 0;
                state.work = None;
            }
        }
    }

    /// Forgets spaces that are not open any more.
    pub(super) fn keep(&mut self, open: &BTreeSet<SpaceId>) {
        self.spaces.retain(|space, _| open.contains(space));
    }
}

impl Space {
    /// How many entries are expected at least, if the peer's set is the larger one.
    fn missing(&self, held: u64) -> Option<u64> {
        self.theirs.checked_sub(held).filter(|missing| *missing > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::sync::{Trie, message::SpaceRoot};

    fn roots(space: SpaceId, count: u64) -> Message {
        Message::Roots(vec![SpaceRoot {
            space,
            root: Trie::new().root(),
            count,
            after: 0,
        }])
    }

    fn told(tasks: &Tasks) -> Vec<(u64, Option<u64>)> {
        let running = tasks.running();
        running.iter().map(|it| (it.done, it.total)).collect()
    }

    #[test]
    fn what_the_peer_has_more_is_expected_and_counted() {
        let space = SpaceId::from_bytes([1; 32]);
        let (tasks, open) = (Tasks::default(), BTreeSet::from([space]));
        let mut bringing = Bringing::new(tasks.clone());
        bringing.heard(&roots(space, 110), &open);
        bringing.coming(space, 10, String::new);
        assert_eq!(told(&tasks), [(0, Some(100))]);
        let task = tasks.running().remove(0);
        assert_eq!(task.space, Some(space.to_string()));
        bringing.brought(space, 60, 70);
        assert_eq!(told(&tasks), [(60, Some(100))]);
        // It got more meanwhile.
        bringing.heard(&roots(space, 120), &open);
        bringing.brought(space, 40, 110);
        assert_eq!(told(&tasks), [(100, Some(110))]);
        bringing.end_where(|_| false);
        bringing.brought(space, 10, 120);
        assert_eq!(told(&tasks), [(110, Some(110))]);
        bringing.end_where(|_| true);
        assert_eq!(told(&tasks), []);
    }

    #[test]
    fn a_few_entries_and_spaces_that_are_not_open_are_not_told() {
        let (space, closed) = (SpaceId::from_bytes([1; 32]), SpaceId::from_bytes([2; 32]));
        let (tasks, open) = (Tasks::default(), BTreeSet::from([space]));
        let mut bringing = Bringing::new(tasks.clone());
        bringing.heard(&roots(space, LONG_ENTRIES - 1), &open);
        bringing.coming(space, 0, String::new);
        bringing.heard(&roots(closed, 1_000), &open);
        bringing.coming(closed, 0, String::new);
        assert_eq!(told(&tasks), []);
        // Sets of one size may differ in all they hold: then nobody knows how much will come.
        for _ in 0..2 {
            bringing.coming(space, 1_000, String::new);
            bringing.brought(space, LONG_ENTRIES as usize, 1_000);
        }
        assert_eq!(told(&tasks).len(), 1);
        bringing.keep(&BTreeSet::new());
        assert_eq!(told(&tasks), []);
    }
}
