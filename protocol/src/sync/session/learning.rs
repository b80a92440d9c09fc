//! Learning of spaces that the public governance does not declare.
//!
//! Whoever opens such a space to a peer tells its id first. A peer that does not know the space asks
//! for what declares it: a certificate from whose id the id of the space follows, so that nothing else
//! can stand for it. Only when that is taken in here does the space exist here, and can be opened.
//!
//! Spec: `specs/sync.md` §10.

use super::{
    Context, Effect, GRANTS_PER_PERIOD_MAX, GRANTS_PERIOD_MS, LEARNING_MAX, Misbehaviour,
    SPACES_MAX, Session,
};
use crate::access::ShownGrant;
use crate::id::{CommunityId, SpaceId};
use crate::sync::in_flight::IDLE_MS;
use crate::sync::key::TrieHash;
use crate::sync::message::{Message, SpaceRoot};
use std::collections::BTreeMap;

/// A space asked about.
#[derive(Debug)]
struct Asked {
    community: CommunityId,
    since_ms: u64,
    /// The peer's root as it told it last meanwhile, and its number of keys as it told it first.
    heard: Option<(TrieHash, u64)>,
    /// Whether the declaration came and is being taken in.
    declared: bool,
}

/// Spaces asked about and not open yet.
#[derive(Debug, Default)]
pub(super) struct Learning {
    asked: BTreeMap<SpaceId, Asked>,
    /// How many declarations the peer has brought on this stream.
    learnt: usize,
}

impl Learning {
    pub(super) fn is_about(&self, space: &SpaceId) -> bool {
        self.asked.contains_key(space)
    }

    /// Ends learning of a space; gives back the root that the peer told last meanwhile, and the
    /// number of keys that it told first.
    pub(super) fn end(&mut self, space: &SpaceId) -> Option<(TrieHash, u64)> {
        self.asked.remove(space)?.heard
    }

    /// Notes a root told about a space that is not open yet.
    pub(super) fn heard(&mut self, theirs: &SpaceRoot) {
        if let Some(asked) = self.asked.get_mut(&theirs.space) {
            let (root, _) = asked.heard.get_or_insert((theirs.root, theirs.count));
            *root = theirs.root;
        }
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        self.asked
            .retain(|_, asked| now_ms.saturating_sub(asked.since_ms) < IDLE_MS);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.asked.len() * 2 * (size_of::<SpaceId>() + size_of::<Asked>())
    }
}

impl Session {
    /// Tells the peer of a space that it cannot know of from the public governance.
    pub(super) fn tell_of(&mut self, space: SpaceId, context: &Context<'_>) {
        if let Some((community, _)) = context.replica.declaration(&space) {
            let spaces = vec![space];
            self.send(Message::Spaces { community, spaces });
        }
    }

    pub(super) fn heard_spaces(
        &mut self,
        community: CommunityId,
        spaces: &[SpaceId],
        context: &Context<'_>,
    ) {
        if !context.replica.takes_part(&community) {
            return;
        }
        let mut unknown = Vec::new();
        for space in spaces {
            let learning = &mut self.learning;
            let room = learning.asked.len() < LEARNING_MAX
                && learning.asked.len() + learning.learnt < SPACES_MAX;
            // Whether it is held here must not show: what is not open to this peer is unknown.
            if room && !self.spaces.contains_key(space) && !learning.is_about(space) {
                let asked = Asked {
                    community,
                    since_ms: context.now_ms,
                    heard: None,
                    declared: false,
                };
                learning.asked.insert(*space, asked);
                unknown.push(*space);
            }
        }
        if !unknown.is_empty() {
            self.send(Message::Learn { spaces: unknown });
        }
    }

    pub(super) fn heard_learn(&mut self, spaces: &[SpaceId], context: &Context<'_>) {
        for space in spaces {
            let declared_by = context.replica.declaration(space);
            let Some(state) = self.open_space(space, context) else {
                continue;
            };
            if let Some((_, key)) = declared_by
                && !state.asked.contains(&key)
                && state.asked.len() < super::ASKED_MAX
            {
                state.asked.push_back(key);
            }
        }
    }

    /// Takes the declaration of a space asked about, and nothing else, for its first entry.
    pub(super) fn heard_declaration(
        &mut self,
        space: SpaceId,
        mut entries: Vec<Vec<u8>>,
        bytes: u64,
        context: &Context<'_>,
    ) {
        let Some(asked) = self.learning.asked.get_mut(&space) else {
            return;
        };
        if std::mem::replace(&mut asked.declared, true) {
            return self.waste(bytes);
        }
        let community = asked.community;
        let entry = entries.swap_remove(0);
        let replica = context.replica;
        if !entries.is_empty() || !replica.declares(&community, &space, &entry) {
            return self.misbehaved(Misbehaviour::NotAnEntry);
        }
        self.learning.learnt += 1;
        self.outbox.push_back(Effect::Learn {
            community,
            space,
            entry,
        });
    }

    pub(super) fn heard_grants(
        &mut self,
        community: CommunityId,
        grants: Vec<ShownGrant>,
        now_ms: u64,
    ) {
        let (heard, since) = self.grants_heard;
        let (heard, since) = match now_ms.saturating_sub(since) < GRANTS_PERIOD_MS {
            true => (heard + 1, since),
            false => (1, now_ms),
        };
        self.grants_heard = (heard, since);
        if heard > GRANTS_PER_PERIOD_MAX {
            return self.misbehaved(Misbehaviour::TooManyGrants);
        }
        self.outbox.push_back(Effect::Granted { community, grants });
    }
}
