//! News: entries that are new on either side while no round runs.

use super::{Context, OUTBOX_HIGH_BYTES, Session, WANTED_MAX};
use crate::id::SpaceId;
use crate::sync::key::Key;
use crate::sync::message::{ANNOUNCE_MAX, Message};
use crate::sync::trie::Trie;

impl Session {
    pub(super) fn inserted(&mut self, space: SpaceId, keys: &[Key], context: &mut Context<'_>) {
        let Some(state) = self.spaces.get_mut(&space) else {
            return;
        };
        let mut news = Vec::new();
        for key in keys {
            state.wanted.remove(key);
            context.in_flight.release_entry(&space, &key.id);
            if !state.from_peer.remove(&key.id) {
                news.push(*key);
            }
        }
        if state.round.is_none() && state.heard == context.replica.trie(&space).map(Trie::root) {
            // An announced entry closed the last gap.
            self.consider(space, context);
        }
        let Some(state) = self.spaces.get_mut(&space) else {
            return;
        };
        if news.is_empty() || !state.live || state.refused || state.round.is_some() {
            return;
        }
        if self.outbox_bytes > OUTBOX_HIGH_BYTES {
            // The next roots tell of it.
            return;
        }
        if news.len() > ANNOUNCE_MAX {
            return self.tell_roots(&[space], context);
        }
        news.sort_unstable();
        news.dedup();
        self.send(Message::Announce { space, keys: news });
    }

    pub(super) fn heard_announce(
        &mut self,
        space: SpaceId,
        keys: &[Key],
        context: &mut Context<'_>,
    ) {
        let peer = self.peer;
        let Some(state) = self.open_space(&space, context) else {
            return;
        };
        let Some(trie) = context.replica.trie(&space) else {
            return;
        };
        let mut wants = Vec::new();
        for key in keys {
            let room = state.wanted.len() < WANTED_MAX;
            if room
                && !trie.contains(key)
                && !state.wanted.contains_key(key)
                && context
                    .in_flight
                    .take_entry(space, key.id, peer, context.now_ms)
            {
                state.wanted.insert(*key, context.now_ms);
                wants.push(*key);
            }
        }
        if !wants.is_empty() {
            self.send(Message::Want { space, keys: wants });
        }
    }
}
