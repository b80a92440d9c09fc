//! The queue between the driver and the owner of the network.
//!
//! The driver must never wait for the owner, or a slow disk would stop pings and handshakes. So
//! each kind of event that may be missed has room of its own, with a share per peer, and what
//! does not fit is dropped and counted; the count goes out as [`Event::Backpressure`] before the
//! next event, needing no room itself. What is safe to miss: gossip (reconciliation brings it),
//! streams (the peer sees a reset and tries again), notices (the latest state can be asked for).
//!
//! `Connected` and `Disconnected` are never dropped. When many wait, a pair "came and went" that
//! nobody has seen cancels out, so they too are bounded, by three times the connection limit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::PeerId;
use tokio::sync::Notify;

use crate::config::Limits;
use crate::event::{Dropped, Event};

/// Of each queue, one peer may fill this fraction.
const PEER_SHARE_DIVISOR: usize = 2;

const KINDS: [Dropped; 3] = [Dropped::Gossip, Dropped::IncomingStreams, Dropped::Notices];

/// What went through the queue so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounters {
    pub dropped_gossip: u64,
    pub dropped_streams: u64,
    pub dropped_notices: u64,
    /// Pairs of `Connected` and `Disconnected` that cancelled out unseen.
    pub coalesced_connections: u64,
    /// Events waiting now.
    pub waiting: usize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Event>,
    waiting_by_kind: [usize; 3],
    waiting_by_peer: BTreeMap<PeerId, [usize; 2]>,
    gossip_bytes: usize,
    connection_events: usize,
    unreported: [u64; 3],
    dropped: [u64; 3],
    coalesced: u64,
    closed: bool,
}

struct Shared {
    inner: Mutex<Inner>,
    arrived: Notify,
    limits: Limits,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every critical section leaves the queue consistent, so a panic elsewhere is no harm.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver's end. Never waits.
pub(crate) struct EventSender(Arc<Shared>);

/// The owner's end of the queue of events.
pub struct Events(Arc<Shared>);

pub(crate) fn queue(limits: Limits) -> (EventSender, Events) {
    let shared = Arc::new(Shared {
        inner: Mutex::default(),
        arrived: Notify::new(),
        limits,
    });
    (EventSender(Arc::clone(&shared)), Events(shared))
}

impl EventSender {
    /// Queues the event; `false` when it was dropped.
    pub(crate) fn push(&self, event: Event) -> bool {
        let mut inner = self.0.lock();
        if inner.closed {
            return false;
        }
        let pushed = match kind(&event) {
            None => inner.push_connection_event(event, &self.0.limits),
            Some(kind) => inner.push_droppable(event, kind, &self.0.limits),
        };
        drop(inner);
        self.0.arrived.notify_one();
        pushed
    }

    /// Counts a loss that happened before the queue.
    pub(crate) fn count_dropped(&self, kind: Dropped, count: u64) {
        if count > 0 {
            self.0.lock().count_dropped(kind, count);
            self.0.arrived.notify_one();
        }
    }

    /// Removes what a peer that is no longer welcome has left behind.
    pub(crate) fn purge(&self, peer: &PeerId) {
        let mut inner = self.0.lock();
        let waiting = std::mem::take(&mut inner.waiting);
        for event in waiting {
            if kind(&event).is_some() && sender(&event) == Some(*peer) {
                inner.release(&event);
            } else {
                inner.waiting.push_back(event);
            }
        }
    }

    pub(crate) fn counters(&self) -> QueueCounters {
        let inner = self.0.lock();
        let [dropped_gossip, dropped_streams, dropped_notices] = inner.dropped;
        QueueCounters {
            dropped_gossip,
            dropped_streams,
            dropped_notices,
            coalesced_connections: inner.coalesced,
            waiting: inner.waiting.len(),
        }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_one();
    }
}

impl Events {
    /// The next event; `None` once the network has ended and everything was taken.
    /// Cancel safe.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            {
                let mut inner = self.0.lock();
                if let Some(event) = inner.pop() {
                    return Some(event);
                }
                if inner.closed {
                    return None;
                }
            }
            self.0.arrived.notified().await;
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        *inner = Inner {
            closed: true,
            ..Inner::default()
        };
    }
}

impl Inner {
    fn push_connection_event(&mut self, event: Event, limits: &Limits) -> bool {
        let soft_limit = usize::try_from(limits.max_connections).unwrap_or(usize::MAX);
        if let Event::Disconnected { peer, .. } = &event
            && self.connection_events >= soft_limit
            && let Some(index) = self.waiting.iter().rposition(
                |waiting| matches!(waiting, Event::Connected { peer: other, .. } if other == peer),
            )
        {
            self.waiting.remove(index);
            self.connection_events -= 1;
            self.coalesced += 1;
            return true;
        }
        self.connection_events += 1;
        self.waiting.push_back(event);
        true
    }

    fn push_droppable(&mut self, event: Event, kind: Dropped, limits: &Limits) -> bool {
        let max = match kind {
            Dropped::Gossip => limits.max_queued_gossip,
            Dropped::IncomingStreams => limits.max_queued_streams,
            Dropped::Notices => limits.max_queued_notices,
        };
        let bytes = gossip_bytes(&event);
        let full = self.waiting_by_kind[index(kind)] >= max
            || self.gossip_bytes + bytes > limits.max_queued_gossip_bytes
            || shared_slot(kind)
                .zip(sender(&event))
                .is_some_and(|(slot, peer)| {
                    let used = self.waiting_by_peer.get(&peer).map_or(0, |used| used[slot]);
                    used >= (max / PEER_SHARE_DIVISOR).max(1)
                });
        if full {
            self.count_dropped(kind, 1);
            return false;
        }
        self.waiting_by_kind[index(kind)] += 1;
        self.gossip_bytes += bytes;
        if let Some((slot, peer)) = shared_slot(kind).zip(sender(&event)) {
            self.waiting_by_peer.entry(peer).or_default()[slot] += 1;
        }
        self.waiting.push_back(event);
        true
    }

    fn count_dropped(&mut self, kind: Dropped, count: u64) {
        self.dropped[index(kind)] += count;
        self.unreported[index(kind)] += count;
    }

    fn pop(&mut self) -> Option<Event> {
        for what in KINDS {
            let dropped = std::mem::take(&mut self.unreported[index(what)]);
            if dropped > 0 {
                return Some(Event::Backpressure { what, dropped });
            }
        }
        let event = self.waiting.pop_front()?;
        self.release(&event);
        Some(event)
    }

    fn release(&mut self, event: &Event) {
        let Some(kind) = kind(event) else {
            self.connection_events -= 1;
            return;
        };
        self.waiting_by_kind[index(kind)] -= 1;
        self.gossip_bytes -= gossip_bytes(event);
        if let Some((slot, peer)) = shared_slot(kind).zip(sender(event))
            && let Some(used) = self.waiting_by_peer.get_mut(&peer)
        {
            used[slot] -= 1;
            if *used == [0, 0] {
                self.waiting_by_peer.remove(&peer);
            }
        }
    }
}

/// The queue an event goes to; `None` for those that are never dropped.
fn kind(event: &Event) -> Option<Dropped> {
    match event {
        Event::Connected { .. } | Event::Disconnected { .. } => None,
        Event::Gossip { .. } => Some(Dropped::Gossip),
        Event::IncomingStream { .. } => Some(Dropped::IncomingStreams),
        Event::Listening { .. }
        | Event::DialFailed { .. }
        | Event::IdentifyInfo { .. }
        | Event::PingRtt { .. }
        | Event::ReachChanged
        | Event::Backpressure { .. } => Some(Dropped::Notices),
    }
}

fn index(kind: Dropped) -> usize {
    match kind {
        Dropped::Gossip => 0,
        Dropped::IncomingStreams => 1,
        Dropped::Notices => 2,
    }
}

/// Kinds that peers can produce at will have a share per peer.
fn shared_slot(kind: Dropped) -> Option<usize> {
    match kind {
        Dropped::Gossip => Some(0),
        Dropped::IncomingStreams => Some(1),
        Dropped::Notices => None,
    }
}

fn sender(event: &Event) -> Option<PeerId> {
    match event {
        Event::Gossip { source, .. } => Some(*source),
        Event::IncomingStream { peer, .. }
        | Event::IdentifyInfo { peer, .. }
        | Event::PingRtt { peer, .. } => Some(*peer),
        _ => None,
    }
}

fn gossip_bytes(event: &Event) -> usize {
    match event {
        Event::Gossip { data, .. } => data.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{GossipGroup, GossipId};

    fn gossip(source: PeerId, bytes: usize) -> Event {
        let (topic, data, id) = ("t".to_owned(), vec![0; bytes], GossipId([0; 32]));
        Event::Gossip {
            source,
            group: GossipGroup::new([0; 32]),
            topic,
            data,
            id,
        }
    }

    fn limits() -> Limits {
        Limits {
            max_queued_gossip: 4,
            max_queued_gossip_bytes: 100,
            ..Limits::default()
        }
    }

    #[tokio::test]
    async fn the_whole_queue_is_bounded_and_so_is_each_peers_share() {
        let (sender, mut events) = queue(limits());
        let pushed: Vec<bool> = [1, 1, 1, 2, 2, 3]
            .into_iter()
            .scan(
                [PeerId::random(), PeerId::random(), PeerId::random()],
                |peers, number| Some(sender.push(gossip(peers[number - 1], 1))),
            )
            .collect();
        assert_eq!(pushed, [true, true, false, true, true, false]);
        match events.recv().await {
            Some(Event::Backpressure {
                what: Dropped::Gossip,
                dropped: 2,
            }) => {}
            other => panic!("{other:?}"),
        }
        assert!(matches!(events.recv().await, Some(Event::Gossip { .. })));
        assert!(
            sender.push(gossip(PeerId::random(), 1)),
            "taking one makes room for one"
        );
    }

    #[test]
    fn the_bytes_of_gossip_are_bounded_too() {
        let (sender, _events) = queue(limits());
        assert!(sender.push(gossip(PeerId::random(), 60)));
        assert!(!sender.push(gossip(PeerId::random(), 41)));
        assert!(sender.push(gossip(PeerId::random(), 40)));
    }

    #[tokio::test]
    async fn a_purge_takes_what_one_peer_sent_and_keeps_its_end() {
        let (sender, mut events) = queue(limits());
        let (bad, good) = (PeerId::random(), PeerId::random());
        let reason = crate::event::DisconnectReason::Blocked;
        assert!(sender.push(gossip(bad, 1)));
        assert!(sender.push(gossip(good, 1)));
        assert!(sender.push(Event::Disconnected { peer: bad, reason }));
        sender.purge(&bad);
        match events.recv().await {
            Some(Event::Gossip { source, .. }) => assert_eq!(source, good),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            events.recv().await,
            Some(Event::Disconnected { .. })
        ));
        assert!(
            sender.push(gossip(bad, 1)) && sender.push(gossip(bad, 1)),
            "its share is free"
        );
    }
}
