//! What people do, and to which nodes they give it.

use super::{Fault, Simulation, Step, nodes::Node};
use crate::histories::{Granted, Sight};
use comity_node::{ingest::Outcome, pending::Source};
use comity_protocol::{
    entry::Entry,
    id::{EntryId, SpaceId},
};

/// What a person sees on one node at a time.
struct Desk<'a>(&'a Node, u64);

impl Sight for Desk<'_> {
    fn sees(&self, id: &EntryId) -> bool {
        self.0.replica().archive.contains(id).unwrap_or(false)
    }

    fn offers(&self, space: &SpaceId) -> bool {
        self.0.reads(space, self.1)
    }
}

impl Simulation {
    /// The founders bring what they signed, each party to a node of its own.
    pub(super) fn found(&mut self) {
        let entries: Vec<Vec<u8>> = self.world.entries.iter().map(Entry::encode).collect();
        for party in 0..self.size.parties {
            let mut own = (0..self.nodes.len()).filter(|it| self.world.party_of_node(*it) == party);
            let honest = own.find(|it| self.nodes[*it].malice.is_none());
            match honest {
                Some(node) if self.nodes[node].is_up() => self.submit(node, entries.clone()),
                Some(node) => self.nodes[node].unsaved.extend(entries.clone()),
                None => {}
            }
        }
    }

    pub(super) fn deed(&mut self, line: &mut Step) {
        let up: Vec<usize> = (0..self.nodes.len())
            .filter(|it| self.nodes[*it].is_up() && self.nodes[*it].malice.is_none())
            .collect();
        let Some(node) = self.random.pick(&up).copied() else {
            return;
        };
        let (node, entries) = self.act_at(node);
        line.detail = format!("{} entries signed at node {node}", entries.len());
        // What belongs into a restricted space is given to somebody who holds it.
        let (aside, entries): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|it| {
            let space = it.space().filter(|it| self.world.is_restricted(it));
            space.is_some_and(|space| !self.nodes[node].reads(&space, self.now_ms))
        });
        let mut bytes: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect();
        let noise = std::mem::take(&mut self.world.noise);
        bytes.extend(noise);
        self.submit(node, bytes);
        self.check_event(node);
        for entry in aside {
            self.give_aside(&entry);
        }
    }

    /// Lets somebody do something: now and then what a fault needs, or in a restricted space, at a
    /// node that holds it.
    fn act_at(&mut self, node: usize) -> (usize, Vec<Entry>) {
        if let Some(fault) = self.fault
            && self.random.chance(30)
        {
            let before = self.world.entries.len();
            match fault {
                Fault::SignaturesBelieved => self.world.resolve_alone(&mut self.random),
                Fault::AnyoneRemoves => self.world.expel_for_others(&mut self.random),
                Fault::RemovalsIgnored => self.world.narrow(&mut self.random),
                _ => {}
            }
            return (node, self.world.entries[before..].to_vec());
        }
        if self.random.chance(20)
            && let Some(it) = self.random.pick(self.world.restricted())
        {
            let (space, now_ms) = (it.space, self.now_ms);
            let honest = self.honest().filter(|(_, it)| it.reads(&space, now_ms));
            let readers: Vec<usize> = honest.map(|(number, _)| number).collect();
            if let Some(node) = self.random.pick(&readers).copied() {
                let desk = Desk(&self.nodes[node], now_ms);
                let entries = self.world.write_in(&mut self.random, &desk, space);
                return (node, entries);
            }
        }
        let desk = Desk(&self.nodes[node], self.now_ms);
        (node, self.world.act(&mut self.random, &desk))
    }

    /// Somebody declares a restricted space at a node that may hold it.
    pub(super) fn declare(&mut self, line: &mut Step) {
        let declared = self.world.declare_restricted(&mut self.random, self.now_ms);
        let (declaration, granted) = declared;
        line.detail = format!("{} declared", declaration.id());
        for Granted { node, grant } in granted {
            let own = self.nodes[node].key;
            let verified = grant.shown().verify(self.world.id, own);
            self.nodes[node].grants.push(verified.unwrap());
            for (link, side) in self.ends_of(node) {
                self.open_spaces(link, side);
            }
        }
        self.give_aside(&declaration);
    }

    /// Gives an entry of a restricted space to an honest node that may hold it.
    fn give_aside(&mut self, entry: &Entry) {
        let Some(space) = entry.space() else { return };
        let nodes = self.nodes.iter().enumerate();
        let honest = nodes.filter(|(_, it)| it.malice.is_none());
        let may: Vec<usize> = honest
            .map(|(number, _)| number)
            .filter(|it| self.may_ever_hold(*it, &space))
            .collect();
        let Some(node) = self.random.pick(&may).copied() else {
            return;
        };
        match self.nodes[node].is_up() {
            true => self.submit(node, vec![entry.encode()]),
            false => self.nodes[node].unsaved.push(entry.encode()),
        }
    }

    /// Whether people may give bytes to a node: words only where it reads them; what declares a space
    /// wherever the space may be held.
    fn may_be_given(&self, node: usize, bytes: &[u8]) -> bool {
        let Some(space) = Entry::peek(bytes).and_then(|(space, _)| space) else {
            return true;
        };
        match Entry::decode(bytes) {
            Ok(Entry::Certificate(_)) => self.may_ever_hold(node, &space),
            _ => self.nodes[node].reads(&space, self.now_ms),
        }
    }

    /// People give entries to a node; what is not saved they give again later.
    fn submit(&mut self, node: usize, entries: Vec<Vec<u8>>) {
        let outcomes = self.nodes[node].replica().take(&entries, &Source::Local);
        for (bytes, outcome) in entries.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Saved | Outcome::AlreadyPresent => {
                    if let Some((_, key)) = Entry::peek(&bytes) {
                        self.nodes[node].acknowledged.push(key.id);
                        self.report.acknowledged += 1;
                    }
                }
                Outcome::Refused(_) => {}
                _ => self.nodes[node].unsaved.push(bytes),
            }
        }
        self.hear(node);
    }

    pub(super) fn retry(&mut self, node: usize) {
        if !self.nodes[node].is_up() || self.nodes[node].unsaved.is_empty() {
            return;
        }
        let unsaved = std::mem::take(&mut self.nodes[node].unsaved);
        // People do not give words to a node that may not read them.
        let (now, later): (Vec<_>, Vec<_>) = unsaved
            .into_iter()
            .partition(|bytes| self.may_be_given(node, bytes));
        self.submit(node, now);
        self.nodes[node].unsaved.extend(later);
    }
}
