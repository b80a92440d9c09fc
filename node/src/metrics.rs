//! What the node counts of itself, for whoever operates it.
//!
//! Plain atomics: whoever counts takes no lock, and nothing is counted more often than once per call
//! and kind. Labels are fixed texts of this program, never what somebody wrote: there is no way to put
//! an id or a name into a metric (I9). [`text`] is the one place that writes the exposition format.
//!
//! A registry of a library was left aside: a few counters and their text are less than its types.
//!
//! Spec: `specs/http-api.md` (`GET /v0/metrics`).

mod text;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
pub(crate) use text::Text;

/// Upper bounds of the buckets of every histogram, in nanoseconds, and in seconds as they are written.
/// From a check in memory up to a disk that hangs.
const BOUNDS: [(u64, &str); 15] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (2_500_000_000, "2.5"),
    (10_000_000_000, "10"),
];
/// Statuses that the API answers with; all others are counted together.
const STATUSES: [(u16, &str); 9] = [
    (200, "200"),
    (403, "403"),
    (404, "404"),
    (409, "409"),
    (413, "413"),
    (422, "422"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
];

/// A number that only grows, or that is set.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, more: u64) {
        if more > 0 {
            self.0.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Sets it.
    pub fn set(&self, now: usize) {
        self.0.store(now as u64, Ordering::Relaxed);
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, each time.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By bucket, the last one without a bound.
    counts: [Count; BOUNDS.len() + 1],
    sum_nanos: Count,
}

impl Histogram {
    /// Notes one duration.
    pub fn note(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| nanos <= *bound);
        self.counts[bucket.unwrap_or(BOUNDS.len())].add(1);
        self.sum_nanos.add(nanos);
    }

    /// Notes the time since `then`, and gives the moment back.
    pub fn note_since(&self, then: Instant) -> Instant {
        let now = Instant::now();
        self.note(now.saturating_duration_since(then));
        now
    }
}

/// What the store's writer counts.
#[derive(Debug, Default)]
pub struct StoreMetrics {
    /// Group commits that became durable: all of one, its sync included.
    pub(crate) commits: Histogram,
    /// Syncs of the record among them.
    pub(crate) syncs: Histogram,
    /// Group commits that failed.
    pub(crate) failed: Count,
    /// Bytes that became durable.
    pub(crate) bytes: Count,
}

/// What the way in counts.
#[derive(Debug, Default)]
pub struct IngestMetrics {
    pub(crate) saved: Count,
    pub(crate) present: Count,
    pub(crate) waiting: Count,
    pub(crate) refused: Refused,
    /// Entries that wait now.
    pub(crate) pending: Count,
    pub(crate) stages: Stages,
}

/// Entries that are broken for good, by what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) unreadable: Count,
    pub(crate) signature: Count,
    pub(crate) links: Count,
    pub(crate) community: Count,
}

/// Where a call of the way in spends its time, each stage from the end of the one before.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    /// From its arrival by the network until its turn.
    pub(crate) queued: Histogram,
    pub(crate) verified: Histogram,
    pub(crate) durable: Histogram,
    pub(crate) visible: Histogram,
}

/// What is exchanged with peers.
#[derive(Debug, Default)]
pub(crate) struct ExchangeMetrics {
    pub(crate) sessions: Count,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
    pub(crate) heard: Heard,
}

/// One direction of sync.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) entries: Count,
    pub(crate) bytes: Count,
}

/// What gossip brought.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) new: Count,
    pub(crate) known: Count,
    pub(crate) refused: Count,
    pub(crate) ignored: Count,
    /// Not looked at: too much came at once.
    pub(crate) dropped: Count,
}

/// Answers of the local API by status.
#[derive(Debug, Default)]
pub(crate) struct Answers([Count; STATUSES.len() + 1]);

impl Answers {
    pub(crate) fn count(&self, status: u16) {
        let known = STATUSES.iter().position(|(it, _)| *it == status);
        self.0[known.unwrap_or(STATUSES.len())].add(1);
    }

    /// Each status with its count.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        let names = STATUSES.iter().map(|(_, name)| *name).chain(["other"]);
        names.zip(self.0.iter().map(Count::get)).collect()
    }
}

/// What the parts of a node count that have no owner of their own.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) store: Arc<StoreMetrics>,
    pub(crate) exchange: ExchangeMetrics,
    pub(crate) answers: Answers,
}
