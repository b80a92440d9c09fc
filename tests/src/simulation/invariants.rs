//! What must hold after every event, and what must hold in the end.

use super::{
    Simulation,
    nodes::Node,
    rules::{expelled_by_others, unauthorized, without_quorum},
};
use comity_protocol::{
    authority::Authority,
    entry::Verified,
    id::{EntryId, SpaceId},
    sync::{Key, Message},
};
use std::{collections::BTreeMap, sync::Arc};

/// The names of all invariants.
pub const INVARIANTS: [&str; 10] = [
    "acknowledged_is_never_lost",
    "authority_is_a_function_of_the_set",
    "charter_needs_a_quorum",
    "honest_frames_can_be_read",
    "honest_peers_trust_each_other",
    "no_restricted_entry_at_a_non_reader",
    "no_unauthorized_in_a_set",
    "nobody_expels_for_another_party",
    "restricted_space_reaches_only_its_readers",
    "sets_equal_after_healing",
];

/// A node that reads a space.
struct Reader {
    by_itself: bool,
    /// Whether the public governance knows it, so that others may show it grants.
    is_known: bool,
    node: usize,
}

impl Reader {
    /// Whether the two find out that the other reads.
    fn tells(&self, other: &Self) -> bool {
        (self.by_itself || other.is_known) && (other.by_itself || self.is_known)
    }
}

impl Simulation {
    /// What is cheap, at the node that something happened to.
    pub(super) fn check_event(&mut self, node: usize) {
        if !self.nodes[node].is_up() || self.nodes[node].malice.is_some() {
            self.nodes[node].fresh.clear();
            return;
        }
        if let Some(what) = self.shared.differs() {
            let found = format!("node {node}: {what}");
            self.broken("authority_is_a_function_of_the_set", found);
        }
        let truth = self.check_authority(node);
        let fresh = std::mem::take(&mut self.nodes[node].fresh);
        let found = fresh
            .iter()
            .find_map(|(space, key)| unauthorized(&self.nodes[node], &truth, space, key));
        if let Some(found) = found {
            self.broken("no_unauthorized_in_a_set", format!("node {node}: {found}"));
        }
        // One promise after the other is looked at again.
        let it = &mut self.nodes[node];
        if !it.acknowledged.is_empty() {
            it.checked = (it.checked + 1) % it.acknowledged.len();
            let id = it.acknowledged[it.checked];
            if !it.replica().archive.contains(&id).unwrap_or(false) {
                self.broken("acknowledged_is_never_lost", format!("{id} at node {node}"));
            }
        }
    }

    /// Looks at authority where it is another than before. Gives what really follows from the set.
    fn check_authority(&mut self, node: usize) -> Arc<Authority> {
        let authority = self.nodes[node].authority();
        if let Some((of, truth)) = &self.nodes[node].checked_authority
            && Arc::ptr_eq(of, &authority)
        {
            return truth.clone();
        }
        self.nodes[node].read_governance();
        let entries = &self.nodes[node].governance;
        let set = entries.values().map(|it| &it.entry);
        let truth = self.shared.truth(self.world.id, set);
        let charter = without_quorum(&authority, entries);
        let expelled = expelled_by_others(&authority, &truth, entries);
        let differs = (truth != authority).then(|| "its set says otherwise".to_owned());
        for (invariant, found) in [
            ("charter_needs_a_quorum", charter),
            ("nobody_expels_for_another_party", expelled),
            ("authority_is_a_function_of_the_set", differs),
        ] {
            if let Some(found) = found {
                self.broken(invariant, format!("node {node}: {found}"));
            }
        }
        self.nodes[node].checked_authority = Some((authority, truth.clone()));
        truth
    }

    /// An honest node says nothing about a space to a peer that may not read it.
    pub(super) fn check_sent(&mut self, link: usize, side: usize, message: &Message) {
        let (own, other) = (
            &self.links[link].ends[side],
            &self.links[link].ends[1 - side],
        );
        let (node, peer) = (own.node, other.node);
        let spaces = match message {
            Message::Roots(roots) => roots.iter().map(|it| it.space).collect(),
            Message::Compare(it) => vec![it.space],
            Message::Spaces { spaces, .. } => spaces.clone(),
            Message::Entries { space, .. }
            | Message::Announce { space, .. }
            | Message::Want { space, .. }
            | Message::Done { space, .. } => vec![*space],
            // These say nothing but what the peer named first.
            Message::Refuse { .. } | Message::Learn { .. } => Vec::new(),
            Message::Credit { .. } | Message::Close(_) | Message::Grants { .. } => Vec::new(),
        };
        let authority = self.nodes[node].authority();
        let key = self.nodes[peer].key;
        let holds = own.heard.iter().map(|it| it.grant());
        let holds = holds.filter(|it| it.node == key && self.now_ms < it.expires_ms);
        let readers: Vec<_> = holds.map(|it| it.device).chain([key]).collect();
        let may = |space: &SpaceId| {
            let mut readers = readers.iter();
            readers.any(|it| authority.may_read(Some(it), *space))
        };
        let forbidden = spaces.iter().find(|it| !may(it));
        if let Some(space) = forbidden {
            let found = format!("node {node} speaks about {space} to node {peer}");
            self.broken("no_restricted_entry_at_a_non_reader", found);
        }
        let stranger = spaces.iter().find(|it| !self.may_ever_hold(peer, it));
        if let Some(space) = stranger {
            let found = format!("node {node} names {space} to node {peer}");
            self.broken("restricted_space_reaches_only_its_readers", found);
        }
    }

    /// What honest nodes give reaches nobody who never could read it, liars included.
    pub(super) fn check_received(&mut self, link: usize, side: usize, space: &SpaceId) {
        let ends = &self.links[link].ends;
        let (node, peer) = (ends[side].node, ends[1 - side].node);
        if self.nodes[peer].malice.is_none() && !self.may_ever_hold(node, space) {
            let found = format!("node {node} gets entries of {space} from node {peer}");
            self.broken("restricted_space_reaches_only_its_readers", found);
        }
    }

    /// Remembers what [`World::may_ever_hold`](crate::histories::World) says.
    pub(super) fn may_ever_hold(&self, node: usize, space: &SpaceId) -> bool {
        if !self.world.is_restricted(space) {
            return true;
        }
        let signed = self.world.entries.len();
        let mut known = self.ever.borrow_mut();
        let (at, may) = known.entry((node, *space)).or_insert((0, false));
        if !*may && *at < signed {
            (*at, *may) = (signed, self.world.may_ever_hold(node, space));
        }
        *may
    }

    pub(super) fn honest(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, it)| it.malice.is_none() && it.is_up())
    }

    /// Pairs of honest nodes that read a space and can tell each other, so many that all that can
    /// reach each other do. Who reads for somebody shows that to nodes only that governance knows.
    pub(super) fn pairs(&self) -> Vec<(SpaceId, usize, usize)> {
        let honest: Vec<(usize, &Node)> = self.honest().collect();
        let everyone = honest.windows(2);
        let mut pairs: Vec<_> = everyone
            .map(|it| (self.governance, it[0].0, it[1].0))
            .collect();
        let mut known: BTreeMap<SpaceId, Arc<Authority>> = BTreeMap::new();
        for (_, node) in &honest {
            let authority = node.authority();
            for space in authority.spaces().keys() {
                known.entry(*space).or_insert_with(|| authority.clone());
            }
        }
        for (space, authority) in known {
            let readers = honest.iter();
            let readers = readers.filter(|(_, it)| it.reads_by(&authority, &space, self.now_ms));
            let mut readers: Vec<Reader> = readers
                .map(|(number, node)| Reader {
                    by_itself: authority.may_read(Some(&node.key), space),
                    is_known: authority.node_party(&node.key).is_some(),
                    node: *number,
                })
                .collect();
            readers.sort_by_key(|it| (!it.by_itself, !it.is_known));
            for (at, reader) in readers.iter().enumerate() {
                let before = readers[..at].iter();
                if let Some(other) = before.rev().find(|it| it.tells(reader)) {
                    pairs.push((space, other.node, reader.node));
                }
            }
        }
        pairs
    }

    /// Where honest nodes differ; none if nowhere.
    pub(super) fn unequal(&self) -> Option<String> {
        let nodes = self.honest();
        let sets: BTreeMap<usize, _> = nodes
            .map(|(number, node)| (number, node.replica().sets()))
            .collect();
        let set = |node: usize, space: &SpaceId| sets.get(&node)?.get(space).copied();
        self.pairs().into_iter().find_map(|(space, a, b)| {
            let (of_a, of_b) = (set(a, &space), set(b, &space));
            let count = |it: Option<(_, u64)>| it.map_or(0, |(_, count)| count);
            let (here, there) = (count(of_a), count(of_b));
            let what = format!("{space}: {here} at node {a}, {there} at node {b}");
            (of_a != of_b).then_some(what)
        })
    }

    /// Everything, on every honest node.
    pub(super) fn check_end(&mut self) {
        for node in &mut self.nodes {
            node.governance.clear();
            node.read_governance();
        }
        let mut found = Vec::new();
        // Who knows of the same restricted spaces knows the same.
        let mut first: BTreeMap<Vec<EntryId>, (usize, Arc<Authority>)> = BTreeMap::new();
        for (number, node) in self.honest() {
            if let Some(id) = node.lost_acknowledged() {
                found.push(("acknowledged_is_never_lost", format!("{id} at {number}")));
            }
            let authority = node.authority();
            let (of, expected) = first
                .entry(node.governance.keys().copied().collect())
                .or_insert((number, authority.clone()));
            if **expected != *authority {
                let what = format!("nodes {of} and {number} differ with equal sets");
                found.push(("authority_is_a_function_of_the_set", what));
            }
            // Computed once more, in an order that is the node's own, and some twice: it is a set.
            let entries = node.governance.values();
            let entries = entries.map(|it| Verified::from_own_record(it.entry.clone()));
            let mut entries: Vec<_> = entries.collect();
            let middle = number * 7 % entries.len().max(1);
            entries.rotate_left(middle);
            if number % 2 == 0 {
                entries.reverse();
            }
            entries.extend(entries[..middle].to_vec());
            if Authority::evaluate(self.world.id, &entries) != *authority {
                let what = format!("node {number}: another evaluation differs");
                found.push(("authority_is_a_function_of_the_set", what));
            }
            let ledger = node.replica().ingest.ledger();
            let keys = ledger.spaces().iter();
            let keys = keys.flat_map(|(space, it)| it.trie.keys().map(|(key, _)| (*space, key)));
            let keys: Vec<(SpaceId, Key)> = keys.collect();
            drop(ledger);
            if let Some(it) = keys
                .iter()
                .find_map(|(space, key)| unauthorized(node, &authority, space, key))
            {
                found.push(("no_unauthorized_in_a_set", format!("node {number}: {it}")));
            }
        }
        if let Some((number, authority)) = first.into_values().next() {
            let node = &self.nodes[number];
            let restricted = self.world.restricted().iter().map(|it| it.space);
            let most = restricted.filter_map(|space| {
                let nodes = self.honest();
                let sets = nodes.filter_map(|(_, it)| Some(it.replica().sets().get(&space)?.1));
                sets.max()
            });
            self.report.restricted = most.sum();
            self.report.charter_height = authority.charter().map_or(0, |it| it.current().height);
            self.report.narrowings = authority.narrowings().len();
            self.report.in_effect = node.replica().sets().values().map(|(_, count)| count).sum();
        }
        found.extend(self.strangers());
        for (invariant, what) in found {
            self.broken(invariant, what);
        }
    }

    /// Nodes that hold what they never could read, where no liar could have given it to them.
    fn strangers(&self) -> Vec<(&'static str, String)> {
        let nodes = || self.nodes.iter().enumerate().filter(|(_, it)| it.is_up());
        let mut found = Vec::new();
        for it in self.world.restricted() {
            let mut liars = nodes().filter(|(_, it)| it.malice.is_some());
            if liars.any(|(number, _)| self.may_ever_hold(number, &it.space)) {
                continue;
            }
            for (number, node) in nodes() {
                let holds = node.replica().sets().contains_key(&it.space);
                if holds && !self.may_ever_hold(number, &it.space) {
                    let what = format!("node {number} holds {}", it.space);
                    found.push(("restricted_space_reaches_only_its_readers", what));
                }
            }
        }
        found
    }
}
