//! What narrowings leave in force in one space: the cuts they list, and what receipts lift.
//!
//! A pure function of the narrowings, the records of the space and the headers known there. With
//! more headers it only grows; more records may also take back (a fork in a node's chain).
//!
//! Cost: each header of a narrowed key is read once, whatever the number of narrowings and heads;
//! each receipt's head costs a look-up; a question costs some look-ups per node.
//!
//! Spec: `specs/cuts.md` §4 to §7.

use super::{
    branches::{AuthorLink, Branches, ChainLinks, Firsts, Reach},
    narrowing::{Issuer, Narrowing},
    receipts::{ChainChange, RecordChain, SpaceRecords, Statement},
};
use crate::{
    entry::Entry,
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::RecordBody,
};
use std::collections::{BTreeMap, BTreeSet};

/// What narrowings leave in force in one space.
pub trait Coverage {
    /// Whether the entry `id` of `key` goes on to count under a narrowing: a cut lists it, or a
    /// receipt lifts the cut to it.
    fn covers(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool;

    /// The same without receipts: what a key signed in its capacity as a *node* counts so far only.
    fn covers_unlifted(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool;
}

/// The coverage of a space of which no cut and no receipt is known: every narrowing cuts at zero.
/// Where nothing is narrowed, nobody asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoCuts;

impl Coverage for NoCuts {
    fn covers(&self, _: &EntryId, _: &PublicKey, _: &EntryId) -> bool {
        false
    }

    fn covers_unlifted(&self, _: &EntryId, _: &PublicKey, _: &EntryId) -> bool {
        false
    }
}

/// That a key is, or was, a node of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTenure {
    /// A party that is or was one of the charter's.
    pub party: PartyId,
    /// What took that standing away, as far as it is in force: the party state that dropped the key,
    /// the party's removal, cuts on the key by a quorum. Empty: it is a node now.
    pub narrowings: Vec<EntryId>,
}

/// Which keys are nodes, from party chains and charter.
pub trait NodeStanding {
    /// Every party whose node the key is or was; parties that were never in the charter aside.
    fn tenures(&self, key: &PublicKey) -> Vec<NodeTenure>;
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceCoverage {
    space: SpaceId,
    issuers: BTreeMap<EntryId, Issuer>,
    sealed: BTreeMap<EntryId, [u8; 32]>,
    keys: BTreeMap<PublicKey, KeyCoverage>,
    nodes: BTreeMap<PublicKey, CountedNode>,
    awaited: BTreeSet<EntryId>,
}

/// One key: its chain, what each narrowing lists of it, and when each node receipted it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KeyCoverage {
    branches: Branches,
    listed: BTreeMap<EntryId, Reach>,
    named: BTreeMap<EntryId, BTreeSet<EntryId>>,
    receipted: BTreeMap<PublicKey, Firsts>,
}

/// A node whose receipts may lift.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CountedNode {
    /// For each party up to which sequence number its records count as those of a node; without
    /// bound while it is one.
    counts_to: Vec<(PartyId, u64)>,
    /// Where it first acknowledged each narrowing.
    acknowledged: BTreeMap<EntryId, u64>,
}

/// The ids that narrowings list, by key.
type Listed = BTreeMap<PublicKey, BTreeMap<EntryId, BTreeSet<EntryId>>>;
/// The heads of one key that a node's receipts name: sequence number of the receipt, id.
type Receipted = BTreeMap<PublicKey, BTreeMap<PublicKey, Vec<(u64, EntryId)>>>;

impl SpaceCoverage {
    /// Evaluates the cuts of a space.
    ///
    /// `narrowed` names every key that a narrowing may touch, also those that no cut lists (cut at
    /// zero): no receipt lifts anything for a key that is neither there nor listed. `links` answers
    /// for contributions and records alike.
    pub fn build(
        space: SpaceId,
        narrowings: &BTreeMap<EntryId, Narrowing>,
        narrowed: &BTreeSet<PublicKey>,
        records: &SpaceRecords,
        links: &dyn ChainLinks,
        standing: &dyn NodeStanding,
    ) -> Self {
        let listed = listed(space, narrowings, records);
        let tenures: BTreeMap<PublicKey, Vec<NodeTenure>> = records
            .chains()
            .map(|(key, _)| (*key, standing.tenures(key)))
            .filter(|(_, tenures)| !tenures.is_empty())
            .collect();
        let keys: BTreeSet<PublicKey> = narrowed.iter().chain(listed.keys()).copied().collect();
        let receipted = receipted(&keys, &tenures, records);
        let keys: BTreeMap<PublicKey, KeyCoverage> = keys
            .into_iter()
            .map(|key| (key, KeyCoverage::build(key, &listed, &receipted, links)))
            .collect();
        let counted = |(node, tenures): (&PublicKey, &Vec<NodeTenure>)| {
            let chain = records.chain(node)?;
            Some((
                *node,
                CountedNode::new(chain, tenures, keys.get(node), narrowings),
            ))
        };
        let nodes = tenures.iter().filter_map(counted).collect();
        let awaited = keys.values().flat_map(|it| it.branches.awaited()).collect();
        Self {
            space,
            issuers: narrowings.iter().map(|(id, it)| (*id, it.issuer)).collect(),
            sealed: narrowings
                .iter()
                .map(|(id, it)| (*id, it.cuts.sealed))
                .collect(),
            keys,
            nodes,
            awaited,
        }
    }

    /// The space.
    pub fn space(&self) -> SpaceId {
        self.space
    }

    /// The keys it answers for: those that were named as narrowed, and those that cuts here list.
    pub fn narrowed_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.keys()
    }

    /// Whether an entry of this space that has just arrived may change an answer, so that the
    /// coverage must be built again. `records` are those without it.
    ///
    /// Never false where an answer would change. What a revoked key goes on to sign asks for nothing.
    pub fn affects(
        &self,
        entry: &Entry,
        records: &SpaceRecords,
        standing: &dyn NodeStanding,
    ) -> bool {
        match entry {
            Entry::Contribution(it) => self.awaits(&it.id()),
            Entry::Bare(it) => self.awaits(&it.of()),
            Entry::Certificate(_) => false,
            Entry::Record(it) if matches!(it.body(), RecordBody::Erasure(_)) => {
                self.awaits(&it.id())
            }
            Entry::Record(it) => {
                let header = it.header();
                let place = AuthorLink {
                    author: header.author,
                    link: header.link,
                };
                self.statement_affects(it.id(), place, &Statement::of(it), records, standing)
            }
        }
    }

    /// Whether a header of this id, of a contribution or record, leads further down.
    pub fn awaits(&self, id: &EntryId) -> bool {
        self.awaited.contains(id)
    }

    /// Whether cuts or receipts lead to entries of a key whose headers are not here: any of its
    /// entries may still turn out to stand below them.
    pub fn awaits_chain_of(&self, key: &PublicKey) -> bool {
        let key = self.keys.get(key);
        key.is_some_and(|it| it.branches.awaited().next().is_some())
    }

    /// As [`SpaceCoverage::affects`], for what a record says.
    pub fn statement_affects(
        &self,
        id: EntryId,
        place: AuthorLink,
        says: &Statement,
        records: &SpaceRecords,
        standing: &dyn NodeStanding,
    ) -> bool {
        self.awaits(&id)
            || self.table_affects(says)
            || self.chain_affects(id, place, says, records, standing)
    }

    fn table_affects(&self, says: &Statement) -> bool {
        let Statement::CutTable {
            narrowing,
            root,
            cut,
        } = says
        else {
            return false;
        };
        let is_named = |key: &PublicKey, id: &EntryId| {
            let named = self.keys.get(key).and_then(|it| it.named.get(narrowing));
            named.is_some_and(|ids| ids.contains(id))
        };
        cut.space == self.space
            && self.sealed.get(narrowing) == Some(root)
            && !cut
                .devices
                .iter()
                .all(|device| device.last.iter().all(|id| is_named(&device.key, id)))
    }

    fn chain_affects(
        &self,
        id: EntryId,
        place: AuthorLink,
        says: &Statement,
        records: &SpaceRecords,
        standing: &dyn NodeStanding,
    ) -> bool {
        let change = match records.chain(&place.author) {
            Some(chain) => chain.change_by(id, place.link),
            None => RecordChain::default().change_by(id, place.link),
        };
        let names_news = || match says {
            Statement::Receipt(heads) => heads
                .iter()
                .any(|head| self.is_news(&place.author, &head.author, &head.id)),
            _ => false,
        };
        let moves = match change {
            ChainChange::None => false,
            ChainChange::LongerByOne => names_news(),
            ChainChange::Many => true,
        };
        moves && !standing.tenures(&place.author).is_empty()
    }

    /// Whether a node has not receipted this entry of a narrowed key before.
    fn is_news(&self, node: &PublicKey, key: &PublicKey, id: &EntryId) -> bool {
        self.keys
            .get(key)
            .is_some_and(|it| it.first_receipt(node, id).is_none())
    }

    /// The keys for whose entries an answer may differ from that of another coverage of the space,
    /// between which no narrowing was added, replaced or removed.
    pub fn differing_keys(&self, other: &Self) -> BTreeSet<PublicKey> {
        let node_differs = |node: &PublicKey| self.nodes.get(node) != other.nodes.get(node);
        let differs = |key: &PublicKey| match (self.keys.get(key), other.keys.get(key)) {
            (Some(mine), Some(theirs)) => mine != theirs || mine.receipted.keys().any(node_differs),
            (mine, theirs) => mine.is_some() != theirs.is_some(),
        };
        let keys = self.keys.keys().chain(other.keys.keys());
        keys.filter(|key| differs(key)).copied().collect()
    }

    /// The keys of whose entries others may be covered by some narrowing than by another coverage of
    /// the space, whatever was narrowed between them.
    pub fn keys_covered_anew(&self, other: Option<&Self>) -> BTreeSet<PublicKey> {
        match other {
            Some(other) if self.issuers == other.issuers => self.differing_keys(other),
            Some(other) => self.keys.keys().chain(other.keys.keys()).copied().collect(),
            None => self.keys.keys().copied().collect(),
        }
    }
}

impl Coverage for SpaceCoverage {
    fn covers(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool {
        self.covers_unlifted(narrowing, key, id) || self.is_lifted(narrowing, key, id)
    }

    fn covers_unlifted(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool {
        self.keys
            .get(key)
            .is_some_and(|it| it.is_listed(narrowing, id))
    }
}

impl SpaceCoverage {
    fn is_lifted(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool {
        let (Some(issuer), Some(chain)) = (self.issuers.get(narrowing), self.keys.get(key)) else {
            return false;
        };
        let Some(spot) = chain.branches.spot(id) else {
            return false;
        };
        chain.receipted.iter().any(|(node, firsts)| {
            let first = firsts.first(spot);
            let node = self.nodes.get(node);
            first
                .zip(node)
                .is_some_and(|(seq, node)| node.lifts(*issuer, narrowing, seq))
        })
    }
}

impl KeyCoverage {
    fn build(
        key: PublicKey,
        listed: &Listed,
        receipted: &Receipted,
        links: &dyn ChainLinks,
    ) -> Self {
        let named = listed.get(&key).cloned().unwrap_or_default();
        let by_node = receipted.get(&key);
        let mut heads: BTreeSet<EntryId> = named.values().flatten().copied().collect();
        heads.extend(
            by_node
                .iter()
                .flat_map(|it| it.values().flatten())
                .map(|(_, id)| *id),
        );
        let branches = Branches::read(key, &heads, links);
        let mut reaches = BTreeMap::new();
        for (narrowing, ids) in &named {
            let mut reach = Reach::default();
            for spot in ids.iter().filter_map(|id| branches.spot(id)) {
                reach.add(&branches, spot);
            }
            reaches.insert(*narrowing, reach);
        }
        let mut firsts_by_node = BTreeMap::new();
        for (node, heads) in by_node.into_iter().flatten() {
            let mut firsts = Firsts::default();
            for (seq, id) in heads {
                if let Some(spot) = branches.spot(id) {
                    firsts.add(&branches, *seq, spot);
                }
            }
            firsts_by_node.insert(*node, firsts);
        }
        Self {
            branches,
            listed: reaches,
            named,
            receipted: firsts_by_node,
        }
    }

    fn is_listed(&self, narrowing: &EntryId, id: &EntryId) -> bool {
        let reach = self.listed.get(narrowing);
        reach
            .zip(self.branches.spot(id))
            .is_some_and(|(reach, spot)| reach.holds(spot))
    }

    fn first_receipt(&self, node: &PublicKey, id: &EntryId) -> Option<u64> {
        self.receipted.get(node)?.first(self.branches.spot(id)?)
    }
}

impl CountedNode {
    fn new(
        chain: &RecordChain,
        tenures: &[NodeTenure],
        own: Option<&KeyCoverage>,
        narrowings: &BTreeMap<EntryId, Narrowing>,
    ) -> Self {
        let counts_to = |tenure: &NodeTenure| {
            let cuts = tenure.narrowings.iter();
            let least = cuts.map(|narrowing| listed_to(chain, own, narrowing)).min();
            (tenure.party, least.unwrap_or(u64::MAX))
        };
        let mut acknowledged = chain.acknowledged();
        acknowledged.retain(|narrowing, _| narrowings.contains_key(narrowing));
        Self {
            counts_to: tenures.iter().map(counts_to).collect(),
            acknowledged,
        }
    }

    /// Whether a receipt at `seq` of its chain lifts the cuts of a narrowing.
    fn lifts(&self, issuer: Issuer, narrowing: &EntryId, seq: u64) -> bool {
        let stands_before = |other: &u64| seq < *other;
        self.acknowledged.get(narrowing).is_none_or(stands_before)
            && self
                .counts_to
                .iter()
                .any(|(party, to)| seq <= *to && may_lift(issuer, *party))
    }
}

/// Whether receipts by a node of `party` lift cuts by this issuer.
fn may_lift(issuer: Issuer, party: PartyId) -> bool {
    match issuer {
        Issuer::Party(own) => own != party,
        Issuer::Quorum => false,
        Issuer::Person(_) => true,
    }
}

/// Up to which sequence number of a node's unforked beginning a narrowing lists it.
fn listed_to(chain: &RecordChain, own: Option<&KeyCoverage>, narrowing: &EntryId) -> u64 {
    let is_listed = |seq: u64| {
        own.zip(chain.id_at(seq))
            .is_some_and(|(own, id)| own.is_listed(narrowing, &id))
    };
    // What is listed is closed downwards, so the border is found by halving.
    let (mut low, mut high) = (0, chain.end());
    while low < high {
        let middle = high - (high - low) / 2;
        if is_listed(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// What the narrowings list in a space, openly or in tables that fit their sealed root.
fn listed(
    space: SpaceId,
    narrowings: &BTreeMap<EntryId, Narrowing>,
    records: &SpaceRecords,
) -> Listed {
    let mut listed = Listed::new();
    for (id, narrowing) in narrowings {
        let tables = records.tables(*id, narrowing.cuts.sealed);
        let tables = tables.filter(|cut| cut.space == space);
        for cut in narrowing.open_cut(space).into_iter().chain(tables) {
            for device in &cut.devices {
                let by_narrowing = listed.entry(device.key).or_default();
                let ids = by_narrowing.entry(*id).or_default();
                ids.extend(&device.last);
            }
        }
    }
    listed
}

/// The heads of `keys` that nodes receipted within the unforked beginning of their chains.
fn receipted(
    keys: &BTreeSet<PublicKey>,
    tenures: &BTreeMap<PublicKey, Vec<NodeTenure>>,
    records: &SpaceRecords,
) -> Receipted {
    let mut receipted = Receipted::new();
    let chains = records.chains();
    for (node, chain) in chains.filter(|(key, _)| tenures.contains_key(key)) {
        for (seq, statement) in chain.statements() {
            let Statement::Receipt(heads) = statement else {
                continue;
            };
            for head in heads.iter().filter(|head| keys.contains(&head.author)) {
                let by_node = receipted.entry(head.author).or_default();
                by_node.entry(*node).or_default().push((seq, head.id));
            }
        }
    }
    receipted
}
