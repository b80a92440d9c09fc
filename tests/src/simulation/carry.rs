//! What sessions want done, and what they are told of it.

use super::Simulation;
use comity_node::pending::Source;
use comity_protocol::{
    id::SpaceId,
    sync::{Effect, session::Input},
};
use std::collections::BTreeMap;

impl Simulation {
    /// Handles inputs until nothing follows any more.
    pub(super) fn settle(&mut self) {
        while let Some((link, side, input)) = self.work.pop_front() {
            self.input(link, side, input);
        }
    }

    fn input(&mut self, link: usize, side: usize, input: Input) {
        let node = self.links[link].ends[side].node;
        if !self.nodes[node].is_up() {
            return;
        }
        let is_writable = matches!(input, Input::Writable);
        let Some(session) = &mut self.links[link].ends[side].session else {
            return;
        };
        self.nodes[node].handle(session, input, self.now_ms);
        if session.has_effects() || !is_writable {
            self.perform(link, side);
        }
    }

    /// Carries out the effects of a session: what is to be sent first, then the rest.
    fn perform(&mut self, link: usize, side: usize) {
        let node = self.links[link].ends[side].node;
        let mut ingests = Vec::new();
        let mut ended = false;
        let mut any = false;
        while let Some(session) = &mut self.links[link].ends[side].session
            && let Some(effect) = session.next_effect()
        {
            any = true;
            match effect {
                Effect::Send(message) => self.send(link, side, message),
                Effect::Load {
                    space,
                    ids,
                    max_bytes,
                } => {
                    let entries = self.nodes[node].load(&ids, max_bytes);
                    let loaded = Input::Loaded { space, entries };
                    self.work.push_back((link, side, loaded));
                }
                Effect::Ingest { space, entries } => ingests.push((space, entries)),
                Effect::Learn { space, entry, .. } => ingests.push((space, vec![entry])),
                Effect::Granted { grants, .. } => self.granted(link, side, &grants),
                Effect::InSync { space } => {
                    if space == self.governance {
                        self.links[link].ends[side].synced = true;
                    }
                }
                Effect::PeerMisbehaved(how) => {
                    self.caught(link, side, &how.to_string());
                    ended = true;
                }
                Effect::Closed(_) => ended = true,
            }
        }
        for (space, entries) in ingests {
            self.ingest(link, side, space, entries);
        }
        if ended {
            return self.hang_up(link);
        }
        self.open_spaces(link, side);
        if any {
            self.work.push_back((link, side, Input::Writable));
        }
    }

    /// A peer broke the protocol: an honest one never does.
    pub(super) fn caught(&mut self, link: usize, side: usize, how: &str) {
        self.report.caught += 1;
        let peer = self.links[link].ends[1 - side].node;
        let own = self.links[link].ends[side].node;
        if self.nodes[peer].malice.is_none() && self.nodes[own].malice.is_none() {
            let found = format!("node {own} says that node {peer} {how}");
            self.broken("honest_peers_trust_each_other", found);
        }
    }

    fn ingest(&mut self, link: usize, side: usize, space: SpaceId, entries: Vec<Vec<u8>>) {
        let node = self.links[link].ends[side].node;
        let peer = self.links[link].ends[1 - side].node;
        self.check_received(link, side, &space);
        let bytes = entries.iter().map(|it| it.len() as u64).sum();
        let source = Source::Peer(format!("node {peer}"));
        self.nodes[node].replica().take(&entries, &source);
        let entries = entries.len();
        let ingested = Input::Ingested {
            space,
            entries,
            bytes,
        };
        self.work.push_back((link, side, ingested));
        self.hear(node);
    }

    /// Tells every session of a node what took effect, and lets spaces follow authority.
    pub(super) fn hear(&mut self, node: usize) {
        let news = self.nodes[node].news();
        let mut keys = BTreeMap::new();
        for (space, key) in &news {
            keys.entry(*space).or_insert_with(Vec::new).extend(*key);
        }
        for (space, keys) in keys {
            for (link, side) in self.ends_of(node) {
                let keys = keys.clone();
                let inserted = Input::Inserted { space, keys };
                self.work.push_back((link, side, inserted));
            }
        }
        if self.nodes[node].authority_changed() {
            for (link, side) in self.ends_of(node) {
                self.open_spaces(link, side);
            }
        }
    }
}
