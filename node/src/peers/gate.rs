//! What one peer may read, asked before every frame (I9).
//!
//! The answer follows from the communities in common, the grants the peer has shown on this
//! connection, the authority of the moment and the time. It is worked out again when one of these has
//! changed and handed out as it is otherwise, so asking costs next to nothing.

use crate::ledger::Ledger;
use comity_protocol::{
    access::{ShownGrant, VerifiedGrant, next_end_ms, readable_spaces},
    authority::Authority,
    id::{CommunityId, SpaceId},
    key::PublicKey,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Spaces that a peer may read.
pub(crate) type Readable = Arc<BTreeSet<SpaceId>>;

/// The gate of one session.
pub(crate) struct Gate {
    node: PublicKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    communities: BTreeSet<CommunityId>,
    grants: BTreeMap<CommunityId, Vec<VerifiedGrant>>,
    answer: Option<Answer>,
}

/// An answer and what it rests on.
struct Answer {
    readable: Readable,
    authorities: Vec<Arc<Authority>>,
    until_ms: Option<u64>,
}

impl Gate {
    /// The gate for the node at the other end, closed but for what everyone reads.
    pub(crate) fn new(node: PublicKey) -> Self {
        Self {
            node,
            state: Mutex::default(),
        }
    }

    /// The node at the other end.
    pub(crate) fn node(&self) -> &PublicKey {
        &self.node
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Communities that both take part in, as the last hello told.
    pub(crate) fn share(&self, communities: BTreeSet<CommunityId>) {
        let mut state = self.state();
        state.grants.retain(|it, _| communities.contains(it));
        state.communities = communities;
        state.answer = None;
    }

    /// Takes the grants that the peer shows, in place of earlier ones; those that do not hold for it
    /// are passed over.
    pub(crate) fn take_grants(&self, community: CommunityId, shown: &[ShownGrant]) {
        let mut state = self.state();
        if !state.communities.contains(&community) {
            return;
        }
        let verified = shown
            .iter()
            .filter_map(|it| it.verify(community, self.node).ok())
            .collect();
        state.grants.insert(community, verified);
        state.answer = None;
    }

    /// How many of the grants shown have ended, and how many there are.
    pub(crate) fn ended_of_shown(&self, now_ms: u64) -> (usize, usize) {
        let state = self.state();
        let all = state.grants.values().flatten();
        let ended = all.clone().filter(|it| it.grant().expires_ms <= now_ms);
        (ended.count(), all.count())
    }

    /// The spaces that the peer may read now.
    pub(crate) fn readable(&self, ledger: &Ledger, now_ms: u64) -> Readable {
        let mut state = self.state();
        let state = &mut *state;
        let authorities = state
            .communities
            .iter()
            .filter_map(|it| ledger.authority(it));
        if let Some(answer) = &state.answer
            && answer.until_ms.is_none_or(|end| now_ms < end)
            && authorities
                .clone()
                .map(|it| Arc::as_ptr(&it))
                .eq(answer.authorities.iter().map(Arc::as_ptr))
        {
            return answer.readable.clone();
        }
        let authorities: Vec<Arc<Authority>> = authorities.collect();
        let mut readable = BTreeSet::new();
        for authority in &authorities {
            let grants = state.grants.get(&authority.community());
            let grants = grants.map_or(&[][..], Vec::as_slice);
            readable.extend(readable_spaces(authority, &self.node, grants, now_ms));
        }
        let readable = Arc::new(readable);
        let ends = state
            .grants
            .values()
            .filter_map(|it| next_end_ms(it, now_ms));
        state.answer = Some(Answer {
            readable: readable.clone(),
            until_ms: ends.min(),
            authorities,
        });
        readable
    }
}
