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
    sync::{Key, Message, TrieHash},
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

    /// The honest nodes that read each space, as whoever knows the space sees it.
    pub(super) fn readers(&self) -> BTreeMap<SpaceId, Vec<usize>> {
        let mut known: BTreeMap<SpaceId, Arc<Authority>> = BTreeMap::new();
        for (_, node) in self.honest() {
            let authority = node.authority();
            for space in authority.spaces().keys() {
                known.entry(*space).or_insert_with(|| authority.clone());
            }
        }
        let readers = known.into_iter().map(|(space, authority)| {
            let nodes = self.honest();
            let reads = nodes.filter(|(_, it)| it.reads_by(&authority, &space, self.now_ms));
            (space, reads.map(|(number, _)| number).collect())
        });
        readers.collect()
    }

    /// Where honest nodes differ; none if nowhere.
    pub(super) fn unequal(&self) -> Option<String> {
        let everyone = self.honest().map(|(number, _)| number).collect();
        let mut readers = self.readers();
        readers.insert(self.governance, everyone);
        let sets: BTreeMap<usize, _> = self
            .honest()
            .map(|(number, node)| (number, node.replica().sets()))
            .collect();
        for (space, nodes) in readers {
            let mut first: Option<(usize, Option<(TrieHash, u64)>)> = None;
            for number in nodes {
                let set = sets.get(&number).and_then(|it| it.get(&space)).copied();
                let (of, expected) = *first.get_or_insert((number, set));
                if expected != set {
                    let count = |it: Option<(_, u64)>| it.map_or(0, |(_, count)| count);
                    let (a, b) = (count(expected), count(set));
                    return Some(format!("{space}: {a} at node {of}, {b} at node {number}"));
                }
            }
        }
        None
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
            let readers = self.readers();
            let restricted = self.world.restricted().iter().map(|it| it.space);
            let of_reader = restricted.filter_map(|space| {
                let reader = *readers.get(&space)?.first()?;
                Some(self.nodes[reader].replica().sets().get(&space)?.1)
            });
            self.report.restricted = of_reader.sum();
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
