//! All certified states of the parties, every branch of them (stratum 1a of I7).
//!
//! Which states there are, what descends from what, and who may continue a chain depends on the
//! states alone: not on what delegates said, nor on which branch is followed. So the charter can be
//! read from it, and the charter then says which branch of a fork is followed ([`super`]).
//!
//! Rules P1 to P6 of `specs/party.md`: [`judge_state`], one variant of [`StateError`] each.

use crate::{
    authority::tree::Tree,
    certificate::{self, PartyState},
    id::{EntryId, PartyId},
    key::PublicKey,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use thiserror::Error;

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

/// Every party's states, by party. Clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartyTrees {
    trees: BTreeMap<PartyId, Arc<PartyTree>>,
}

impl PartyTrees {
    /// Puts the states that hang together in order. Signatures (P4, P5) were judged when each state
    /// was let in; a state without its parent here, or at the wrong height, is left out.
    pub fn grow(states: &[(EntryId, &PartyState)]) -> Self {
        let mut by_party: BTreeMap<PartyId, Vec<(EntryId, &PartyState)>> = BTreeMap::new();
        for (id, state) in states {
            let party = match &state.parent {
                None => certificate::party_id(state),
                Some((party, _)) => *party,
            };
            by_party.entry(party).or_default().push((*id, *state));
        }
        let trees = by_party
            .into_iter()
            .filter_map(|(party, states)| Some((party, Arc::new(PartyTree::grow(party, &states)?))))
            .collect();
        Self { trees }
    }

    /// The states of a party whose first state is here.
    pub fn tree(&self, party: &PartyId) -> Option<&PartyTree> {
        self.trees.get(party).map(|it| &**it)
    }

    /// All parties that are known, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PartyId, &Arc<PartyTree>)> {
        self.trees.iter()
    }
}

/// A set of delegates, and how many of them speak for the party.
type Speakers = (Vec<PublicKey>, u64);

/// All certified states of one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyTree {
    party: PartyId,
    root: EntryId,
    states: BTreeMap<EntryId, PartyState>,
    pub(super) tree: Tree,
    /// Who speaks for the party in some state, each once, with the places of those states, ascending.
    speakers: BTreeMap<Speakers, Vec<usize>>,
}

impl PartyTree {
    fn grow(party: PartyId, states: &[(EntryId, &PartyState)]) -> Option<Self> {
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
        let mut states = BTreeMap::new();
        let mut speakers: BTreeMap<Speakers, Vec<usize>> = BTreeMap::new();
        for (id, state) in by_id {
            let Some(range) = tree.range(&id) else {
                continue;
            };
            let these = (state.delegates.clone(), state.delegates_needed);
            speakers.entry(these).or_default().push(*range.start());
            states.insert(id, state.clone());
        }
        speakers.values_mut().for_each(|it| it.sort_unstable());
        Some(Self {
            party,
            root: *root,
            states,
            tree,
            speakers,
        })
    }

    /// The party.
    pub fn party(&self) -> PartyId {
        self.party
    }

    /// The first state.
    pub fn first(&self) -> (EntryId, &PartyState) {
        (self.root, &self.states[&self.root])
    }

    /// A state of any branch.
    pub fn state(&self, id: &EntryId) -> Option<&PartyState> {
        self.states.get(id)
    }

    /// The states of all branches, ascending by id.
    pub fn states(&self) -> impl Iterator<Item = (&EntryId, &PartyState)> {
        self.states.iter()
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

    /// Delegates, and how many of them are needed, of a state and of all below it on any branch: each
    /// set once.
    pub(in crate::authority) fn speakers_from(
        &self,
        from: &EntryId,
    ) -> impl Iterator<Item = (&[PublicKey], u64)> {
        let range = self.tree.range(from);
        let stands = move |places: &[usize]| {
            range.as_ref().is_some_and(|range| {
                let at = places.partition_point(|it| it < range.start());
                places.get(at).is_some_and(|it| range.contains(it))
            })
        };
        let found = self.speakers.iter().filter(move |(_, it)| stands(it));
        found.map(|((delegates, needed), _)| (delegates.as_slice(), *needed))
    }
}

/// P1 to P6: whether a state with these signers continues the chain of a party.
///
/// # Errors
/// [`StateError`] names the first rule that is broken.
pub fn judge_state(
    state: &PartyState,
    signers: &[PublicKey],
    tree: &PartyTree,
) -> Result<(), StateError> {
    let (party, parent) = p1_later(state)?;
    let parent = p2_parent(party, &parent, tree)?;
    judge_place(state, parent)?;
    judge_signers(signers, parent)
}

/// P1: only a state with a parent continues a chain.
fn p1_later(state: &PartyState) -> Result<(PartyId, EntryId), StateError> {
    state.parent.ok_or(StateError::NotFirst)
}

/// P2: the parent is here, and a state of the same party.
fn p2_parent<'a>(
    party: PartyId,
    parent: &EntryId,
    tree: &'a PartyTree,
) -> Result<&'a PartyState, StateError> {
    let parent = tree.state(parent).filter(|_| party == tree.party);
    parent.ok_or(StateError::NoParent)
}

/// What the state itself says about its place: P3, P6.
pub(in crate::authority) fn judge_place(
    state: &PartyState,
    parent: &PartyState,
) -> Result<(), StateError> {
    p3_height(state, parent)?;
    p6_proposer(state, parent)
}

/// P3: the height is one more than the parent's.
fn p3_height(state: &PartyState, parent: &PartyState) -> Result<(), StateError> {
    let (expected, found) = (parent.height + 1, state.height);
    match found == expected {
        true => Ok(()),
        false => Err(StateError::Height { expected, found }),
    }
}

/// P6: the proposer is a delegate of the parent.
fn p6_proposer(state: &PartyState, parent: &PartyState) -> Result<(), StateError> {
    match parent.delegates.binary_search(&state.proposer) {
        Ok(_) => Ok(()),
        Err(_) => Err(StateError::Proposer),
    }
}

/// Who signed: P4, P5.
pub(in crate::authority) fn judge_signers(
    signers: &[PublicKey],
    parent: &PartyState,
) -> Result<(), StateError> {
    p4_signers(signers, parent)?;
    p5_enough(signers, parent)
}

/// P4: every signer is a delegate of the parent.
fn p4_signers(signers: &[PublicKey], parent: &PartyState) -> Result<(), StateError> {
    let is_stranger = |it: &&PublicKey| parent.delegates.binary_search(it).is_err();
    match signers.iter().find(is_stranger) {
        None => Ok(()),
        Some(stranger) => Err(StateError::Signer(*stranger)),
    }
}

/// P5: as many of the parent's delegates sign as it needs.
fn p5_enough(signers: &[PublicKey], parent: &PartyState) -> Result<(), StateError> {
    let needed = parent.delegates_needed;
    let signed = signers.iter().collect::<BTreeSet<_>>().len() as u64;
    match signed >= needed {
        true => Ok(()),
        false => Err(StateError::TooFew { needed, signed }),
    }
}
