//! The charter: what the parties have resolved, and which branch of it is followed (stratum 1 of I7).
//!
//! The genesis and every certified resolution make a tree of [`CharterState`]s. Whether a resolution
//! counts depends on its parent, the party states it pins and who signed, never on what else there
//! is: [`judge`], rules R1 to R13. Which path through the tree is followed depends on what delegates
//! chose and approved, and may change when more of it arrives: [`Charter::forks`].
//!
//! Of the parties nothing is read but which states there are, on every branch: which branch of a party
//! is followed depends on the charter, and not the other way round.
//!
//! Spec: `specs/charter.md` (resolutions, forks).

use super::{
    parties::{Fork, PartyTrees, Words},
    tree::{Places, Tree},
};
use crate::{
    certificate::{self, Change, Genesis, Resolution},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

mod error;
mod fold;
mod rules;
mod state;

pub use error::{BoundsFault, CHARTER_ITEMS_MAX, PinFault, ReadersFault, ResolutionError};
use rules::Case;
pub use rules::{Demands, Side};
pub use state::{CharterState, DeclaredSpace};

/// Why there is no charter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CharterError {
    /// The genesis is another community's.
    #[error("the genesis is that of another community")]
    OtherCommunity,
    /// The first state of a founding party is not here.
    #[error("the first state of founding party {0} has not arrived")]
    NoParty(PartyId),
    /// A founding party did not sign.
    #[error("founding party {0} did not sign the genesis by enough of its delegates")]
    NotFounded(PartyId),
}

/// All certified states of a charter and the path that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    states: BTreeMap<EntryId, CharterState>,
    path: Vec<EntryId>,
    forks: Vec<Fork>,
    ended_parties: BTreeMap<PartyId, EntryId>,
    revocations: Vec<(PartyId, PublicKey, EntryId)>,
    node_cuts: BTreeMap<PublicKey, Vec<EntryId>>,
}

impl Charter {
    /// Judges every resolution under its parent and follows the winners. Resolutions that do not
    /// count are left out.
    ///
    /// # Errors
    /// [`CharterError`] if the genesis does not found this community.
    pub fn evaluate(
        community: CommunityId,
        genesis: (EntryId, &Genesis),
        resolutions: &[(EntryId, &Resolution, &[PublicKey])],
        trees: &PartyTrees,
        words: &Words,
    ) -> Result<Self, CharterError> {
        let root = found(community, genesis, trees)?;
        let root_id = root.id;
        let mut states = BTreeMap::from([(root_id, root)]);
        let mut links: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
        let mut ordered: Vec<_> = resolutions.iter().collect();
        // R2 puts a child above its parent.
        ordered.sort_by_key(|(id, resolution, _)| (resolution.height, *id));
        for (id, resolution, signers) in ordered {
            // One body may come with several lists of signers: one that suffices is enough.
            if !states.contains_key(id)
                && let Some(parent) = states.get(&resolution.parent)
                && let Ok(state) = enact(*id, resolution, signers, parent, trees)
            {
                links.entry(resolution.parent).or_default().push(*id);
                states.insert(*id, state);
            }
        }
        let tree = Tree::grow(root_id, links);
        let places = tree.places(words);
        let forks = tree.forks(None, |parent| {
            parties_votes(&tree, &states, &states[parent], trees, &places)
        });
        let path = tree.path(&forks);
        let mut charter = Self {
            states,
            path,
            forks,
            ended_parties: BTreeMap::new(),
            revocations: Vec::new(),
            node_cuts: BTreeMap::new(),
        };
        charter.walk_path(resolutions, trees);
        Ok(charter)
    }

    /// Gathers along the path what lower strata ask for: ended parties, revocations, cuts of nodes.
    fn walk_path(
        &mut self,
        resolutions: &[(EntryId, &Resolution, &[PublicKey])],
        trees: &PartyTrees,
    ) {
        let by_id: BTreeMap<EntryId, &Resolution> =
            resolutions.iter().map(|(id, it, _)| (*id, *it)).collect();
        for step in self.path.windows(2) {
            let (before, after) = (&self.states[&step[0]], &self.states[&step[1]]);
            let resolution = by_id[&after.id];
            let ended = before.parties.keys();
            for party in ended.filter(|it| !after.parties.contains_key(it)) {
                let left = trees.tree(party).and_then(|tree| {
                    let pins = &resolution.pins;
                    let (_, pin) = pins[pins.binary_search_by_key(party, |(it, _)| *it).ok()?];
                    let state = tree.state(&pin)?;
                    state.left.contains(&before.community).then_some(pin)
                });
                self.ended_parties.insert(*party, left.unwrap_or(after.id));
            }
            for party in after.parties.keys() {
                self.ended_parties.remove(party);
            }
            for change in &resolution.changes {
                match change {
                    Change::Revoke(party, key) => {
                        self.revocations.push((*party, *key, after.id));
                    }
                    Change::CutNode(key) => {
                        self.node_cuts.entry(*key).or_default().push(after.id);
                    }
                    _ => {}
                }
            }
        }
    }

    /// What is in force: the state at the end of the path.
    pub fn current(&self) -> &CharterState {
        &self.states[&self.path[self.path.len() - 1]]
    }

    /// A certified state of any branch.
    pub fn state(&self, id: &EntryId) -> Option<&CharterState> {
        self.states.get(id)
    }

    /// The certified states of all branches, ascending by id.
    pub fn states(&self) -> impl Iterator<Item = (&EntryId, &CharterState)> {
        self.states.iter()
    }

    /// The genesis and the resolutions in force, in order.
    pub fn path(&self) -> &[EntryId] {
        &self.path
    }

    /// States with several certified children, ascending by parent. One such is a proof that
    /// delegates signed two resolutions, and an alarm.
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// Parties of the past: each with the resolution that removed it, or the state of its own by
    /// which it left.
    pub fn ended_parties(&self) -> &BTreeMap<PartyId, EntryId> {
        &self.ended_parties
    }

    /// Members whose standing a resolution ended, in the order of the path.
    pub fn revocations(&self) -> &[(PartyId, PublicKey, EntryId)] {
        &self.revocations
    }

    /// Nodes whose chains were cut by resolutions, in the order of the path.
    pub fn node_cuts(&self) -> &BTreeMap<PublicKey, Vec<EntryId>> {
        &self.node_cuts
    }
}

/// The state that a genesis makes: G1 its digest is the community's id, G2 the first state of every
/// party it names is here, G3 enough delegates of each are among its founders.
pub(super) fn found(
    community: CommunityId,
    (id, genesis): (EntryId, &Genesis),
    trees: &PartyTrees,
) -> Result<CharterState, CharterError> {
    if certificate::community_id(genesis) != community {
        return Err(CharterError::OtherCommunity);
    }
    let mut pins = BTreeMap::new();
    for party in &genesis.parties {
        let tree = trees.tree(party).ok_or(CharterError::NoParty(*party))?;
        let (first, state) = tree.first();
        let founders = state
            .delegates
            .iter()
            .filter(|it| genesis.founders.binary_search(it).is_ok());
        if (founders.count() as u64) < state.delegates_needed {
            return Err(CharterError::NotFounded(*party));
        }
        pins.insert(*party, first);
    }
    Ok(CharterState::founded(community, id, genesis, pins))
}

/// Judges a resolution by R1 to R13.
///
/// # Errors
/// [`ResolutionError`] names the first rule that is broken.
pub fn judge(
    resolution: &Resolution,
    signers: &[PublicKey],
    parent: &CharterState,
    trees: &PartyTrees,
) -> Result<(), ResolutionError> {
    // The ids of declared spaces do not matter for the rules.
    enact(parent.id, resolution, signers, parent, trees).map(drop)
}

/// The state after the resolution `id`, if it counts.
///
/// # Errors
/// [`ResolutionError`] names the first rule that is broken.
pub fn enact(
    id: EntryId,
    resolution: &Resolution,
    signers: &[PublicKey],
    parent: &CharterState,
    trees: &PartyTrees,
) -> Result<CharterState, ResolutionError> {
    let signers: BTreeSet<PublicKey> = signers.iter().copied().collect();
    let case = Case::open(resolution, &signers, parent, trees)?;
    // What it says comes first: no number of signatures mends that.
    let state = fold::fold(id, &case)?;
    case.check_signers()?;
    case.check_approval()?;
    Ok(state)
}

/// What it takes for a resolution to pass.
///
/// # Errors
/// [`ResolutionError`] if it never can: a rule that is not about approval is broken.
pub fn demands(
    resolution: &Resolution,
    parent: &CharterState,
    trees: &PartyTrees,
) -> Result<Demands, ResolutionError> {
    let nobody = BTreeSet::new();
    let case = Case::open(resolution, &nobody, parent, trees)?;
    fold::fold(parent.id, &case)?;
    case.check_signers()?;
    Ok(case.demands())
}

/// How many parties of the parent stand for each child (§9). A party does so by a state of its chain:
/// the one pinned at the parent or any that follows it, if as many of its delegates as it needs spoke
/// for that child. Who spoke for two counts for neither, and so does a party that stands for two, by
/// whatever states: once those who came later have spoken, keys that it dropped can take its voice
/// away and not give it to another branch. What a child pins instead, by leading over (R13), speaks as
/// well: else the keys that it left behind would speak alone.
fn parties_votes(
    tree: &Tree,
    states: &BTreeMap<EntryId, CharterState>,
    parent: &CharterState,
    trees: &PartyTrees,
    places: &Places,
) -> BTreeMap<EntryId, usize> {
    let spoken = places.keys().filter_map(|signer| {
        let child = tree.spoken_for(&parent.id, signer, places)?;
        Some((*signer, child))
    });
    let spoken: BTreeMap<PublicKey, EntryId> = spoken.collect();
    let mut votes = BTreeMap::new();
    for (party, pin) in parent.parties.iter().filter(|_| !spoken.is_empty()) {
        let Some(of_party) = trees.tree(party) else {
            continue;
        };
        let children = tree.children(&parent.id).iter();
        let pinned = children.filter_map(|it| states.get(it)?.parties.get(party));
        let from: BTreeSet<&EntryId> = pinned.chain([pin]).collect();
        let speakers = from.into_iter().flat_map(|it| of_party.speakers_from(it));
        let stands_for = speakers.filter_map(|(them, needed)| enough(them, needed, &spoken));
        let stands_for: BTreeSet<EntryId> = stands_for.collect();
        if let (1, Some(child)) = (stands_for.len(), stands_for.first()) {
            *votes.entry(*child).or_insert(0) += 1;
        }
    }
    votes
}

/// The child for which enough of these delegates spoke. More than half are needed, so there is at most
/// one.
fn enough(
    delegates: &[PublicKey],
    needed: u64,
    spoken: &BTreeMap<PublicKey, EntryId>,
) -> Option<EntryId> {
    let mut counts: BTreeMap<EntryId, u64> = BTreeMap::new();
    for child in delegates.iter().filter_map(|it| spoken.get(it)) {
        *counts.entry(*child).or_insert(0) += 1;
    }
    let mut counts = counts.into_iter();
    counts.find(|(_, count)| *count >= needed).map(|(it, _)| it)
}
