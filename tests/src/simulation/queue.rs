//! What is to happen, and when.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The founders publish the genesis.
    Found,
    /// Somebody does something.
    Deed,
    /// Somebody declares a restricted space.
    Declare,
    /// Two nodes try to connect.
    Connect { link: usize },
    /// A frame of a stream reaches one side of a link.
    Arrive {
        link: usize,
        side: usize,
        stream: u64,
        frame: Vec<u8>,
    },
    /// Time passes for a node.
    Tick { node: usize },
    /// People give a node again what it has not saved.
    Retry { node: usize },
    /// A node's process dies.
    Lose { node: usize },
    /// It starts again.
    Start { node: usize },
    /// The network falls into parts, others than before.
    Part,
    /// From now on all is well, but for those who lie.
    Heal,
    /// A look whether everything is equal.
    Look { healed_ms: u64 },
}

impl Event {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Deed => "deed",
            Self::Declare => "declare",
            Self::Connect { .. } => "connect",
            Self::Arrive { .. } => "arrive",
            Self::Tick { .. } => "tick",
            Self::Retry { .. } => "retry",
            Self::Lose { .. } => "lose",
            Self::Start { .. } => "start",
            Self::Part => "part",
            Self::Heal => "heal",
            Self::Look { .. } => "look",
        }
    }
}

/// Events by time; of one time by when they were added.
#[derive(Default)]
pub(super) struct Queue {
    order: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    added: u64,
}

impl Queue {
    pub(super) fn add(&mut self, at_ms: u64, event: Event) {
        self.added += 1;
        self.order.push(Reverse((at_ms, self.added)));
        self.events.insert(self.added, event);
    }

    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        let Reverse((at_ms, number)) = self.order.pop()?;
        Some((at_ms, self.events.remove(&number)?))
    }
}
