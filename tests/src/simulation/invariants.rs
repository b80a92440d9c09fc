//! What must hold after every event, and what must hold in the end.

use super::{Simulation, nodes::Node};
use comity_node::ledger::Space;
use comity_protocol::{
    authority::{
        Act, Authority,
        charter::CharterState,
        coverage::{Coverage, NoCuts},
    },
    certificate::governance_space,
    contribution::Header,
    entry::{Entry, Verified},
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
    pipeline::Known,
    record::{RecordBody, Target},
    sync::{Key, Message},
};
use std::collections::{BTreeMap, BTreeSet};

impl Simulation {
    /// What is cheap, at the node that something happened to.
    pub(super) fn check_event(&mut self, node: usize) {
        if !self.nodes[node].is_up() || self.nodes[node].malice.is_some() {
            self.nodes[node].fresh.clear();
            return;
        }
        let fresh = std::mem::take(&mut self.nodes[node].fresh);
        let found = fresh
            .iter()
            .find_map(|(space, key)| unauthorized(&self.nodes[node], space, key));
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
        let authority = self.nodes[node].authority();
        let known = &mut self.nodes[node].checked_authority;
        let same = |it: &std::sync::Arc<Authority>| std::sync::Arc::ptr_eq(it, &authority);
        if !known.as_ref().is_some_and(same) {
            *known = Some(authority.clone());
            self.check_authority(node, &authority);
        }
    }

    fn check_authority(&mut self, node: usize, authority: &Authority) {
        let entries = governance(&self.nodes[node], authority);
        if let Some(found) = without_quorum(authority, &entries) {
            self.broken("charter_needs_a_quorum", format!("node {node}: {found}"));
        }
        if let Some(found) = expelled_by_others(authority, &entries) {
            let found = format!("node {node}: {found}");
            self.broken("nobody_expels_for_another_party", found);
        }
    }

    /// An honest node says nothing about a space to a peer that may not read it.
    pub(super) fn check_sent(&mut self, node: usize, peer: usize, message: &Message) {
        let spaces = match message {
            Message::Roots(roots) => roots.iter().map(|it| it.space).collect(),
            Message::Compare(it) => vec![it.space],
            Message::Spaces { spaces, .. } | Message::Learn { spaces } => spaces.clone(),
            Message::Entries { space, .. }
            | Message::Announce { space, .. }
            | Message::Want { space, .. }
            | Message::Done { space, .. } => vec![*space],
            Message::Credit { .. }
            | Message::Refuse { .. }
            | Message::Close(_)
            | Message::Grants { .. } => Vec::new(),
        };
        let authority = self.nodes[node].authority();
        let key = self.nodes[peer].key;
        let forbidden = spaces
            .iter()
            .find(|it| !authority.may_read(Some(&key), **it));
        if let Some(space) = forbidden {
            let found = format!("node {node} speaks about {space} to node {peer}");
            self.broken("no_restricted_entry_at_a_non_reader", found);
        }
    }

    fn honest(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, it)| it.malice.is_none() && it.is_up())
    }

    /// Where honest nodes differ; none if nowhere.
    pub(super) fn unequal(&self) -> Option<String> {
        let mut roots: BTreeMap<SpaceId, (usize, (_, u64))> = BTreeMap::new();
        let governance = governance_space(self.world.id);
        for (number, node) in self.honest() {
            for (space, set) in node.replica().sets() {
                if space != governance && !node.reads(&space) {
                    continue;
                }
                let (first, expected) = *roots.entry(space).or_insert((number, set));
                if expected != set {
                    let (a, b) = (expected.1, set.1);
                    return Some(format!(
                        "{space}: {a} at node {first}, {b} at node {number}"
                    ));
                }
            }
        }
        None
    }

    /// Everything, on every honest node.
    pub(super) fn check_end(&mut self) {
        let mut found = Vec::new();
        let mut first: Option<(usize, std::sync::Arc<Authority>)> = None;
        for (number, node) in self.honest() {
            if let Some(id) = node.lost_acknowledged() {
                found.push(("acknowledged_is_never_lost", format!("{id} at {number}")));
            }
            let authority = node.authority();
            let (of, expected) = first.get_or_insert((number, authority.clone()));
            if **expected != *authority {
                let what = format!("nodes {of} and {number} differ with equal sets");
                found.push(("authority_is_a_function_of_the_set", what));
            }
            let ledger = node.replica().ingest.ledger();
            let keys = ledger.spaces().iter();
            let keys = keys.flat_map(|(space, it)| it.trie.keys().map(|(key, _)| (*space, key)));
            let keys: Vec<(SpaceId, Key)> = keys.collect();
            drop(ledger);
            if let Some(it) = keys
                .iter()
                .find_map(|(space, key)| unauthorized(node, space, key))
            {
                found.push(("no_unauthorized_in_a_set", format!("node {number}: {it}")));
            }
        }
        if let Some((number, authority)) = first {
            // The other way round, and some twice: it is a set.
            let node = &self.nodes[number];
            let mut entries: Vec<Entry> = governance(node, &authority).into_values().collect();
            entries.reverse();
            entries.extend(entries[..entries.len() / 2].to_vec());
            let entries: Vec<_> = entries.into_iter().map(Verified::from_own_record).collect();
            if Authority::evaluate(self.world.id, &entries) != *authority {
                let what = format!("node {number}: another evaluation differs");
                found.push(("authority_is_a_function_of_the_set", what));
            }
            self.report.charter_height = authority.charter().map_or(0, |it| it.current().height);
            self.report.narrowings = authority.narrowings().len();
            self.report.in_effect = node.replica().sets().values().map(|(_, count)| count).sum();
        }
        for (invariant, what) in found {
            self.broken(invariant, what);
        }
    }
}

fn governance(node: &Node, authority: &Authority) -> BTreeMap<EntryId, Entry> {
    let ledger = node.replica().ingest.ledger();
    let space = ledger.spaces().get(&authority.governance_space());
    let ids = space.into_iter().flat_map(|it| it.trie.keys());
    let ids: Vec<EntryId> = ids.map(|(key, _)| key.id).collect();
    drop(ledger);
    let archive = &node.replica().archive;
    let entries = ids.into_iter();
    entries
        .filter_map(|id| Some((id, archive.get(&id).ok()??)))
        .collect()
}

/// What stands in a set without a right to; judged here, apart from the way in.
fn unauthorized(node: &Node, space: &SpaceId, key: &Key) -> Option<String> {
    let replica = node.replica();
    let ledger = replica.ingest.ledger();
    let known = ledger.spaces().get(space)?;
    if !known.trie.contains(key) {
        return None;
    }
    let authority = ledger.authority(&known.community)?;
    let entry = match replica.archive.get(&key.id) {
        Ok(Some(entry)) => entry,
        other => return Some(format!("{} cannot be read: {other:?}", key.id)),
    };
    let result = match &entry {
        Entry::Contribution(it) => {
            let adopted = replica.archive.held().adopted_by(&key.id).is_some();
            match adopted {
                true => return None,
                false => authorized(node, known, &authority, key.id, it.header()),
            }
        }
        Entry::Record(record) => match record.body() {
            RecordBody::Erasure(it) => {
                let author = replica.archive.contribution(it.contribution)?.author;
                authority.may_erase(&record.header().author, &author)
            }
            _ => authority.lets_in(*space, &entry),
        },
        Entry::Certificate(_) => authority.lets_in(*space, &entry),
        // Its contribution is not in effect here, and a cut or receipt leads to it.
        Entry::Bare(it) => {
            let own = Key::new(space, &it.author(), it.link().seq, it.of());
            if known.trie.contains(&own) {
                return Some(format!("{} stands beside what it heads", key.id));
            }
            match known.coverage() {
                Some(coverage) => authority.lets_in_bare(*space, it, &**coverage),
                None => authority.lets_in_bare(*space, it, &NoCuts),
            }
        }
    };
    result.err().map(|reason| format!("{}: {reason}", key.id))
}

fn authorized(
    node: &Node,
    space: &Space,
    authority: &Authority,
    id: EntryId,
    header: &Header,
) -> Result<(), comity_protocol::authority::Unauthorized> {
    let document = node
        .replica()
        .archive
        .document(header.document(id))
        .unwrap();
    let act = match (header.deps().is_empty(), document.co_written) {
        (true, _) => Act::Create,
        (false, true) => Act::EditShared,
        (false, false) => Act::EditOwned {
            owner: document.owner,
        },
    };
    let coverage: &dyn Coverage = match space.coverage() {
        Some(coverage) => &**coverage,
        None => &NoCuts,
    };
    let (author, kind) = (&header.author, Some(&*document.kind));
    let verdict = authority.authorize(header.space, &id, author, kind, act, coverage);
    verdict.map(drop)
}

/// A resolution on the winning path that too few parties of its parent signed.
fn without_quorum(authority: &Authority, entries: &BTreeMap<EntryId, Entry>) -> Option<String> {
    let charter = authority.charter()?;
    for pair in charter.path().windows(2) {
        let (parent, child) = (charter.state(&pair[0])?, charter.state(&pair[1])?);
        let Some(Entry::Certificate(certificate)) = entries.get(&child.id) else {
            return Some(format!("{} is not in the set", child.id));
        };
        let signers: BTreeSet<PublicKey> = certificate.signers().collect();
        let approving = approving(authority, parent, child, &signers);
        let stay = parent
            .parties
            .keys()
            .filter(|it| !has_left(authority, child, it));
        let stay = stay.count() as u64;
        let needed = parent.party_quorum.min(stay).max(1);
        if (approving as u64) < needed {
            return Some(format!("{}: {approving} of {needed} approve", child.id));
        }
    }
    None
}

fn has_left(authority: &Authority, child: &CharterState, party: &PartyId) -> bool {
    let chain = authority.party_chains().chain(party);
    let pinned = child.parties.get(party);
    let state = chain.and_then(|it| it.state(pinned?));
    state.is_some_and(|it| it.left.contains(&authority.community()))
}

/// Parties of the parent of which enough delegates of any one state signed.
fn approving(
    authority: &Authority,
    parent: &CharterState,
    _child: &CharterState,
    signers: &BTreeSet<PublicKey>,
) -> usize {
    let approves = |party: &&PartyId| {
        let chain = authority.party_chains().chain(party);
        chain.is_some_and(|chain| {
            chain.states().any(|(_, state)| {
                let signed = state.delegates.iter().filter(|it| signers.contains(it));
                signed.count() as u64 >= state.delegates_needed
            })
        })
    };
    parent.parties.keys().filter(approves).count()
}

/// A revocation that counts for a party, signed by somebody who never was its delegate.
fn expelled_by_others(authority: &Authority, entries: &BTreeMap<EntryId, Entry>) -> Option<String> {
    for id in authority.narrowings().keys() {
        let Some(Entry::Record(record)) = entries.get(id) else {
            continue;
        };
        let RecordBody::Revocation(it) = record.body() else {
            continue;
        };
        let author = record.header().author;
        let chain = authority.party_chains().chain(&it.party)?;
        let was_delegate = chain
            .states()
            .any(|(_, state)| state.delegates.contains(&author));
        if !was_delegate {
            let what = match it.target {
                Target::Member(_) => "member",
                Target::Device(_) => "device",
                Target::Role(..) => "role",
            };
            return Some(format!("{id} takes a {what} by no delegate of the party"));
        }
    }
    None
}
