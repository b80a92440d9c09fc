//! The chains of the parties: who speaks for each, now and before (stratum 1 of I7).
//!
//! Rules, numbered as in `specs/party.md`, each in one function:
//! - P1 to P6: whether a state continues a chain: [`judge_state`], one variant of [`StateError`] each.
//! - P7: which child of a fork is followed: [`PartyChain::forks`].
//! - P8: the current state is the head of the path that follows the winners: [`PartyChain::current`].
//! - P9: a key that a state drops, or that only a losing branch lists, was in office until that
//!   state, or the one that won: [`PartyChain::tenure`].
//! - P10: a party leaves a community by naming it in its state: [`PartyChain::left`].
//!
//! All of it is a function of the set of states and choices; order plays no part.

use super::tree::{Places, Tree};
use crate::{
    certificate::{self, PartyState},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

pub use super::tree::{Choices, Fork};

/// Why a state does not continue the chain of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StateError {
    /// P1: a first state is judged by the digest that names it, a later one by its parent.
    #[error("the state names no parent, and it is not the first state of this party")]
    NotFirst,
    /// P2: the parent is here and belongs to the same party. It may arrive.
    #[error("the state before it is not here, or belongs to another party")]
    NoParent,
    /// P3: heights count from 0 without a gap.
    #[error("the state has height {found}; after its parent comes {expected}")]
    Height {
        /// One more than the parent's.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// P4: nobody but delegates of the parent signs.
    #[error("a signer is no delegate of the state before it")]
    Signer(PublicKey),
    /// P5: enough delegates of the parent sign.
    #[error("{signed} delegates signed, and {needed} are needed")]
    TooFew {
        /// The parent's `delegates_needed`.
        needed: u64,
        /// Delegates who signed.
        signed: u64,
    },
    /// P6: the proposer, under whom it is filed, is a delegate of the parent.
    #[error("the proposer is no delegate of the state before it")]
    Proposer,
}

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
    chains: BTreeMap<PartyId, PartyChain>,
}

impl Parties {
    /// Puts the states that hang together in order. Signatures (P4, P5) were judged when each state
    /// was let in; a state without its parent here, or at the wrong height, is left out.
    pub fn evaluate(states: &[(EntryId, &PartyState)], choices: &Choices) -> Self {
        let mut by_party: BTreeMap<PartyId, Vec<(EntryId, &PartyState)>> = BTreeMap::new();
        for (id, state) in states {
            let party = match &state.parent {
                None => certificate::party_id(state),
                Some((party, _)) => *party,
            };
            by_party.entry(party).or_default().push((*id, *state));
        }
        let chains = by_party
            .into_iter()
            .filter_map(|(party, states)| {
                Some((party, PartyChain::evaluate(party, &states, choices)?))
            })
            .collect();
        Self { chains }
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
    party: PartyId,
    states: BTreeMap<EntryId, PartyState>,
    tree: Tree,
    path: Vec<EntryId>,
    forks: Vec<Fork>,
    /// By the winning child of a fork on the path: the states of the branches that lost to it.
    lost: BTreeMap<EntryId, Vec<EntryId>>,
    tenures: BTreeMap<(PublicKey, Capacity), Tenure>,
    narrowings: Vec<EntryId>,
    left: BTreeMap<CommunityId, EntryId>,
}

impl PartyChain {
    fn evaluate(
        party: PartyId,
        states: &[(EntryId, &PartyState)],
        choices: &Choices,
    ) -> Option<Self> {
        let (root, _) = states.iter().find(|(_, state)| state.parent.is_none())?;
        let by_id: BTreeMap<EntryId, &PartyState> = states.iter().copied().collect();
        let mut links: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
        for (id, state) in &by_id {
            if let Some((_, parent)) = &state.parent
                && let Some(parent_state) = by_id.get(parent)
                && judge_place(state, parent_state).is_ok()
            {
                links.entry(*parent).or_default().push(*id);
            }
        }
        let tree = Tree::grow(*root, links);
        let states: BTreeMap<EntryId, PartyState> = by_id
            .into_iter()
            .filter(|(id, _)| tree.contains(id))
            .map(|(id, state)| (id, state.clone()))
            .collect();
        let places = tree.places(choices);
        let forks = tree.forks(|parent| delegates_votes(&tree, parent, &states[parent], &places));
        let path = tree.path(&forks);
        let lost = tree.lost(&path);
        let mut chain = Self {
            party,
            states,
            tree,
            path,
            forks,
            lost,
            tenures: BTreeMap::new(),
            narrowings: Vec::new(),
            left: BTreeMap::new(),
        };
        chain.walk_path();
        Some(chain)
    }

    /// P9, P10: who came and went along the path.
    fn walk_path(&mut self) {
        let mut before: Option<&PartyState> = None;
        for id in &self.path {
            let state = &self.states[id];
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
                for key in lost.flat_map(|it| capacity.keys(&self.states[it])) {
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

    /// The party.
    pub fn party(&self) -> PartyId {
        self.party
    }

    /// P8: the head of the path that follows the winners, and what it says.
    pub fn current(&self) -> (EntryId, &PartyState) {
        let id = self.path[self.path.len() - 1];
        (id, &self.states[&id])
    }

    /// The first state.
    pub fn first(&self) -> (EntryId, &PartyState) {
        (self.path[0], &self.states[&self.path[0]])
    }

    /// A state of any branch.
    pub fn state(&self, id: &EntryId) -> Option<&PartyState> {
        self.states.get(id)
    }

    /// The states of all branches, ascending by id.
    pub fn states(&self) -> impl Iterator<Item = (&EntryId, &PartyState)> {
        self.states.iter()
    }

    /// The states from the first to the current one.
    pub fn path(&self) -> &[EntryId] {
        &self.path
    }

    /// P7: states with several certified children, ascending by parent. One such is a proof that
    /// delegates signed two children, and an alarm.
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The states of the branches that lost to a state of the path, in no order that means anything.
    pub(super) fn lost_to(&self, winner: &EntryId) -> impl Iterator<Item = (EntryId, &PartyState)> {
        let lost = self.lost.get(winner).into_iter().flatten();
        lost.filter_map(|id| Some((*id, self.states.get(id)?)))
    }

    /// Whether `to` is `from` or descends from it, on any branch.
    pub fn descends(&self, from: &EntryId, to: &EntryId) -> bool {
        self.tree.descends(from, to)
    }

    /// Whether two different states are children of one state.
    pub fn are_siblings(&self, left: &EntryId, right: &EntryId) -> bool {
        let parent = |id| self.states.get(id).and_then(|state| state.parent);
        left != right && parent(left).is_some_and(|it| parent(right) == Some(it))
    }

    /// The certified children of a state, ascending.
    pub fn children(&self, of: &EntryId) -> &[EntryId] {
        self.tree.children(of)
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

/// P1 to P6: whether a state with these signers continues the chain.
///
/// # Errors
/// [`StateError`] names the first rule that is broken.
pub fn judge_state(
    state: &PartyState,
    signers: &[PublicKey],
    chain: &PartyChain,
) -> Result<(), StateError> {
    let (party, parent) = state.parent.ok_or(StateError::NotFirst)?;
    let parent = chain.state(&parent).filter(|_| party == chain.party);
    let parent = parent.ok_or(StateError::NoParent)?;
    judge_place(state, parent)?;
    judge_signers(signers, parent)
}

/// P3, P6: what the state itself says about its place.
pub(super) fn judge_place(state: &PartyState, parent: &PartyState) -> Result<(), StateError> {
    let expected = parent.height + 1;
    if state.height != expected {
        return Err(StateError::Height {
            expected,
            found: state.height,
        });
    }
    if parent.delegates.binary_search(&state.proposer).is_err() {
        return Err(StateError::Proposer);
    }
    Ok(())
}

/// P4, P5: who signed.
pub(super) fn judge_signers(signers: &[PublicKey], parent: &PartyState) -> Result<(), StateError> {
    let stranger = signers
        .iter()
        .find(|it| parent.delegates.binary_search(it).is_err());
    if let Some(stranger) = stranger {
        return Err(StateError::Signer(*stranger));
    }
    let signed = signers.iter().collect::<BTreeSet<_>>().len() as u64;
    if signed < parent.delegates_needed {
        return Err(StateError::TooFew {
            needed: parent.delegates_needed,
            signed,
        });
    }
    Ok(())
}

/// P7: how many delegates of the parent chose each child. Who chose both counts for neither.
fn delegates_votes(
    tree: &Tree,
    parent: &EntryId,
    state: &PartyState,
    places: &Places,
) -> BTreeMap<EntryId, usize> {
    let mut votes = BTreeMap::new();
    let chosen = state
        .delegates
        .iter()
        .filter_map(|it| tree.chosen(parent, it, places));
    for child in chosen {
        *votes.entry(child).or_insert(0) += 1;
    }
    votes
}
