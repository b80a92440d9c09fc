//! The chains of the parties: who speaks for each, now and before (strata 1a and 1b of I7).
//!
//! Rules, numbered as in `specs/party.md`, each in one function:
//! - P1 to P6: whether a state continues a chain: [`judge_state`], one variant of [`StateError`] each.
//! - P7: which child of a fork is followed: [`PartyChain::forks`].
//! - P8: the current state is the head of the path that follows the winners: [`PartyChain::current`].
//! - P9: a key that a state drops, or that only a losing branch lists, was in office until that
//!   state, or the one that won: [`PartyChain::tenure`].
//! - P10: a party leaves a community by naming it in its state: [`PartyChain::left`].
//!
//! [`trees`] holds every branch (1a); the charter reads nothing else of the parties. Which branch is
//! followed (1b) reads the charter in its turn: a state that it names wins over what delegates say,
//! so that whoever gets hold of keys that were dropped before cannot win the chain back.
//!
//! All of it is a function of the set of states, words and what the charter names; order plays no
//! part.

use super::tree::{Places, Tree};
use crate::{
    certificate::PartyState,
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

mod trees;

pub use super::tree::{Fork, Words};
pub use trees::{PartyTree, PartyTrees, StateError, judge_state};
pub(super) use trees::{judge_place, judge_signers};

/// What a party's state lists keys for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capacity {
    /// Speaks for the party.
    Delegate,
    /// May answer for it.
    Steward,
    /// Signs its labels.
    Moderator,
    /// Serves it.
    Node,
    /// Speaks for another system.
    Bridge,
    /// Reads only.
    Observer,
}

impl Capacity {
    /// All capacities.
    pub const ALL: [Self; 6] = [
        Self::Delegate,
        Self::Steward,
        Self::Moderator,
        Self::Node,
        Self::Bridge,
        Self::Observer,
    ];

    /// The keys that a state lists for it: strictly ascending.
    pub fn keys(self, state: &PartyState) -> &[PublicKey] {
        match self {
            Self::Delegate => &state.delegates,
            Self::Steward => &state.stewards,
            Self::Moderator => &state.moderators,
            Self::Node => &state.nodes,
            Self::Bridge => &state.bridges,
            Self::Observer => &state.observers,
        }
    }
}

/// Whether a key is in office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenure {
    /// No state lists it.
    Never,
    /// The current state lists it.
    Now,
    /// It was listed, and this state was the last to drop it, or to win over a branch that lists it:
    /// its cuts say up to where it counts.
    Until(EntryId),
}

/// Every party's chain, by party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parties {
    trees: PartyTrees,
    chains: BTreeMap<PartyId, PartyChain>,
}

impl Parties {
    /// Follows a branch of every party: the one on which the state lies that the charter in force
    /// named last, by party, and else the one for which delegates spoke.
    pub fn follow(trees: &PartyTrees, pins: &BTreeMap<PartyId, EntryId>, words: &Words) -> Self {
        let chains = trees.iter().map(|(party, tree)| {
            let chain = PartyChain::follow(Arc::clone(tree), pins.get(party), words);
            (*party, chain)
        });
        Self {
            chains: chains.collect(),
            trees: trees.clone(),
        }
    }

    /// The states of all branches.
    pub fn trees(&self) -> &PartyTrees {
        &self.trees
    }

    /// The chain of a party whose first state is here.
    pub fn chain(&self, party: &PartyId) -> Option<&PartyChain> {
        self.chains.get(party)
    }

    /// All parties that are known, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&PartyId, &PartyChain)> {
        self.chains.iter()
    }
}

/// What is known of one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyChain {
    tree: Arc<PartyTree>,
    path: Vec<EntryId>,
    forks: Vec<Fork>,
    /// By the winning child of a fork on the path: the states of the branches that lost to it.
    lost: BTreeMap<EntryId, Vec<EntryId>>,
    tenures: BTreeMap<(PublicKey, Capacity), Tenure>,
    narrowings: Vec<EntryId>,
    left: BTreeMap<CommunityId, EntryId>,
}

impl PartyChain {
    fn follow(party: Arc<PartyTree>, pinned: Option<&EntryId>, words: &Words) -> Self {
        let tree = &party.tree;
        let places = tree.places(words);
        let forks = tree.forks(pinned, |parent| {
            let state = party.state(parent);
            state.map_or_else(BTreeMap::new, |it| {
                delegates_votes(tree, parent, it, &places)
            })
        });
        let path = tree.path(&forks);
        let lost = tree.lost(&path);
        let mut chain = Self {
            tree: party,
            path,
            forks,
            lost,
            tenures: BTreeMap::new(),
            narrowings: Vec::new(),
            left: BTreeMap::new(),
        };
        chain.walk_path();
        chain
    }

    /// P9, P10: who came and went along the path.
    fn walk_path(&mut self) {
        let tree = Arc::clone(&self.tree);
        let mut before: Option<&PartyState> = None;
        for (id, state) in self
            .path
            .iter()
            .filter_map(|id| Some((id, tree.state(id)?)))
        {
            let mut drops = false;
            for capacity in Capacity::ALL {
                let now = capacity.keys(state);
                for key in before.map_or(&[][..], |it| capacity.keys(it)) {
                    if now.binary_search(key).is_err() {
                        drops = true;
                        self.tenures.insert((*key, capacity), Tenure::Until(*id));
                    }
                }
                let lost = self.lost.get(id).into_iter().flatten();
                let lost = lost.filter_map(|it| tree.state(it));
                for key in lost.flat_map(|it| capacity.keys(it)) {
                    if now.binary_search(key).is_err() {
                        drops = true;
                        self.tenures.insert((*key, capacity), Tenure::Until(*id));
                    }
                }
                for key in now {
                    self.tenures.insert((*key, capacity), Tenure::Now);
                }
            }
            self.left.retain(|it, _| state.left.contains(it));
            for community in &state.left {
                self.left.entry(*community).or_insert_with(|| {
                    drops = true;
                    *id
                });
            }
            if drops && before.is_some() {
                self.narrowings.push(*id);
            }
            before = Some(state);
        }
    }

    /// The states of all its branches.
    pub fn tree(&self) -> &PartyTree {
        &self.tree
    }

    /// P8: the head of the path that follows the winners, and what it says.
    pub fn current(&self) -> (EntryId, &PartyState) {
        let first = self.tree.first();
        let head = self.path.last();
        let head = head.and_then(|id| Some((*id, self.tree.state(id)?)));
        head.unwrap_or(first)
    }

    /// The head that the path would have if it led to this state.
    pub fn head_from(&self, state: &EntryId) -> EntryId {
        let path = self.tree.tree.path_from(*state, &self.forks);
        path.last().copied().unwrap_or(*state)
    }

    /// The first state.
    pub fn first(&self) -> (EntryId, &PartyState) {
        self.tree.first()
    }

    /// A state of any branch.
    pub fn state(&self, id: &EntryId) -> Option<&PartyState> {
        self.tree.state(id)
    }

    /// The states of all branches, ascending by id.
    pub fn states(&self) -> impl Iterator<Item = (&EntryId, &PartyState)> {
        self.tree.states()
    }

    /// The states from the first to the current one.
    pub fn path(&self) -> &[EntryId] {
        &self.path
    }

    /// P7: states with several certified children, ascending by parent. One such is a proof that
    /// delegates signed two children, and an alarm. Of each that child is followed below which the
    /// state lies that the charter names, if one does, else that for which most delegates spoke.
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The states of the branches that lost to a state of the path, in no order that means anything.
    pub(super) fn lost_to(&self, winner: &EntryId) -> impl Iterator<Item = (EntryId, &PartyState)> {
        let lost = self.lost.get(winner).into_iter().flatten();
        lost.filter_map(|id| Some((*id, self.tree.state(id)?)))
    }

    /// Whether `to` is `from` or descends from it, on any branch.
    pub fn descends(&self, from: &EntryId, to: &EntryId) -> bool {
        self.tree.descends(from, to)
    }

    /// Keys that speak for the party in resolutions though it has dropped them: delegates of states from
    /// the one that the charter names on, but not of the current one.
    pub fn dropped_since(&self, pinned: &EntryId) -> BTreeSet<PublicKey> {
        let now = &self.current().1.delegates;
        let since = self.path.iter().skip_while(|it| *it != pinned);
        let states = since.filter_map(|id| self.tree.state(id));
        let keys = states.flat_map(|it| &it.delegates);
        keys.filter(|it| now.binary_search(it).is_err())
            .copied()
            .collect()
    }

    /// P9: whether a key is or was in office.
    pub fn tenure(&self, key: &PublicKey, capacity: Capacity) -> Tenure {
        let found = self.tenures.get(&(*key, capacity));
        found.copied().unwrap_or(Tenure::Never)
    }

    /// Whether the current state lists a key in one of its groups.
    pub fn in_group(&self, name: &str, key: &PublicKey) -> bool {
        let (_, state) = self.current();
        let group = state.groups.iter().find(|it| it.name == name);
        group.is_some_and(|it| it.keys.binary_search(key).is_ok())
    }

    /// The states on the path that drop a key from a list, win over a branch that lists it, or leave a
    /// community: their cuts count.
    pub fn narrowings(&self) -> &[EntryId] {
        &self.narrowings
    }

    /// P10: the state by which the party left a community, if its current state still says so.
    pub fn left(&self, community: &CommunityId) -> Option<EntryId> {
        self.left.get(community).copied()
    }
}

/// P7: how many delegates of the parent spoke for each child. Who spoke for two counts for neither.
fn delegates_votes(
    tree: &Tree,
    parent: &EntryId,
    state: &PartyState,
    places: &Places,
) -> BTreeMap<EntryId, usize> {
    let mut votes = BTreeMap::new();
    let delegates = state.delegates.iter();
    for child in delegates.filter_map(|it| tree.spoken_for(parent, it, places)) {
        *votes.entry(child).or_insert(0) += 1;
    }
    votes
}
