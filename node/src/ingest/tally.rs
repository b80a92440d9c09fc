//! What the way in counts: outcomes once per call, and where its time goes.

use super::{Outcome, Refusal};
use crate::metrics::{IngestMetrics, Stages};
use comity_protocol::id::EntryId;
use std::time::Instant;

/// Notes how long each stage of a call took.
pub(super) struct Clock<'a> {
    stages: &'a Stages,
    then: Instant,
}

impl<'a> Clock<'a> {
    pub(super) fn start(stages: &'a Stages) -> Self {
        let then = Instant::now();
        Self { stages, then }
    }

    pub(super) fn verified(&mut self) {
        self.then = self.stages.verified.note_since(self.then);
    }

    pub(super) fn durable(&mut self) {
        self.then = self.stages.durable.note_since(self.then);
    }

    pub(super) fn visible(&mut self) {
        self.then = self.stages.visible.note_since(self.then);
    }
}

/// Counts what became of the entries of a call.
///
/// Whatever waits is counted alike: why it does would tell somebody who hands in guesses what is here
/// of a space they may not read (I9).
pub(super) fn count(metrics: &IngestMetrics, outcomes: &[(Option<EntryId>, Outcome)]) {
    let (mut saved, mut present, mut waiting) = (0, 0, 0);
    for (_, outcome) in outcomes {
        match outcome {
            Outcome::Saved => saved += 1,
            Outcome::AlreadyPresent => present += 1,
            Outcome::Pending(_) | Outcome::Unauthorized(_) | Outcome::Blocked(_) => waiting += 1,
            Outcome::Refused(refusal) => count_refusal(metrics, refusal),
        }
    }
    metrics.saved.add(saved);
    metrics.present.add(present);
    metrics.waiting.add(waiting);
}

fn count_refusal(metrics: &IngestMetrics, refusal: &Refusal) {
    let refused = &metrics.refused;
    match refusal {
        Refusal::Entry(_) => refused.unreadable.add(1),
        Refusal::Verify(_) => refused.signature.add(1),
        Refusal::UnknownCommunity | Refusal::ForeignSpace => refused.community.add(1),
        _ => refused.links.add(1),
    }
}
