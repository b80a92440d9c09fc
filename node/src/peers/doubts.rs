//! Doubts about this node's own clock, from grants that look as if they had ended.
//!
//! Peers show no grant that has ended by their own clocks. If most of what they show has ended by
//! ours, it is rather ours that is wrong, and people should hear of it: restricted spaces stay shut.

use comity_protocol::{access::clock_in_doubt, sync::PeerNumber};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use tracing::warn;

/// What the sessions of a node were shown.
#[derive(Default)]
pub(crate) struct ClockDoubts(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Of each session: grants that had ended when they were shown, and all.
    sessions: BTreeMap<PeerNumber, (usize, usize)>,
    in_doubt: bool,
}

impl Seen {
    fn counts(&self) -> (usize, usize) {
        let counts = self.sessions.values();
        counts.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    }
}

impl ClockDoubts {
    /// Notes the grants of a session; none when it is over.
    pub(crate) fn note(&self, session: PeerNumber, ended_of_shown: Option<(usize, usize)>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match ended_of_shown {
            Some(counts) => seen.sessions.insert(session, counts),
            None => seen.sessions.remove(&session),
        };
        let (ended, shown) = seen.counts();
        let in_doubt = clock_in_doubt(ended, shown);
        if in_doubt && !seen.in_doubt {
            warn!("{}", words(ended, shown));
        }
        seen.in_doubt = in_doubt;
    }

    /// The doubt in words, if there is one.
    pub(crate) fn tell(&self) -> Option<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ended, shown) = seen.counts();
        clock_in_doubt(ended, shown).then(|| words(ended, shown))
    }
}

fn words(ended: usize, shown: usize) -> String {
    format!(
        "{ended} of {shown} grants that connected peers show have ended by this node's clock. Most \
         likely the clock is ahead: check it. Until then these peers get no restricted spaces here"
    )
}
