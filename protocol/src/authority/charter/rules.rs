//! The rules by which a resolution counts, one function and one error each.
//!
//! R1 to R8, R11 and R13 read the charter at the parent and who signed; R9, R10 and R12 read the charter
//! as the changes before one left it, and are asked once per change by [`super::fold`].
//!
//! Spec: `specs/charter.md` (resolutions), where the rules have the same numbers.

use super::{
    error::{BoundsFault, CHARTER_ITEMS_MAX, PinFault, ReadersFault, ResolutionError},
    state::{CharterState, clamp_quorum, is_quorum},
};
use crate::{
    authority::parties::PartyTrees,
    certificate::{Change, PartyState, Readers, Resolution, Space},
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// A resolution with what its rules ask about, gathered once.
pub(super) struct Case<'a> {
    pub(super) resolution: &'a Resolution,
    pub(super) parent: &'a CharterState,
    signers: &'a BTreeSet<PublicKey>,
    /// The pinned states, by party.
    pinned: BTreeMap<PartyId, &'a PartyState>,
    /// Parties of the parent whose pinned state says that they left.
    pub(super) gone: BTreeSet<PartyId>,
    /// All other parties of the parent.
    voters: BTreeSet<PartyId>,
    /// Parties that a fork proof leads over to another branch of their chain.
    led: BTreeSet<PartyId>,
    /// Pinned parties that approve, newcomers included.
    approving: BTreeSet<PartyId>,
}

impl<'a> Case<'a> {
    /// R1 to R3 come first: nothing else can be asked before the pins are known.
    pub(super) fn open(
        resolution: &'a Resolution,
        signers: &'a BTreeSet<PublicKey>,
        parent: &'a CharterState,
        trees: &'a PartyTrees,
    ) -> Result<Self, ResolutionError> {
        r1_parent(resolution, parent)?;
        r2_height(resolution, parent)?;
        let pinned = r3_pins(resolution, parent, trees)?;
        let has_left = |party: &PartyId| pinned[party].left.contains(&parent.community);
        let (gone, voters) = parent.parties.keys().partition(|it| has_left(it));
        let approves = |state: &PartyState| {
            let signed = state.delegates.iter().filter(|it| signers.contains(it));
            signed.count() as u64 >= state.delegates_needed
        };
        let approving = pinned.iter().filter(|(_, state)| approves(state));
        let approving = approving.map(|(party, _)| *party).collect();
        let led = resolution.fork_proofs.iter().map(|it| it.party).collect();
        Ok(Self {
            resolution,
            parent,
            signers,
            pinned,
            gone,
            voters,
            led,
            approving,
        })
    }

    /// R11: who signed.
    pub(super) fn check_signers(&self) -> Result<(), ResolutionError> {
        r11_signers(self)
    }

    /// R4 to R8, R13: whether those who signed are enough.
    pub(super) fn check_approval(&self) -> Result<(), ResolutionError> {
        r4_quorum(self)?;
        r5_quorum_change(self)?;
        r6_newcomers(self)?;
        r7_removal(self)?;
        r8_consent(self)?;
        r13_leading(self)
    }

    /// Parties that a resolution with this parent and these pins needs.
    pub(super) fn quorum(&self) -> u64 {
        clamp_quorum(self.parent.party_quorum, self.voters.len())
    }

    /// The state that the resolution pins of a party.
    pub(super) fn pin(&self, party: &PartyId) -> Option<EntryId> {
        let mut pins = self.resolution.pins.iter();
        pins.find(|(it, _)| it == party).map(|(_, pin)| *pin)
    }

    /// Whether it pins another state of a party of the parent than the parent does.
    fn moves_pins(&self) -> bool {
        let mut before = self.parent.parties.iter();
        before.any(|(party, pin)| self.pin(party) != Some(*pin))
    }

    fn changes(&self) -> impl Iterator<Item = (usize, &'a Change)> {
        self.resolution.changes.iter().enumerate()
    }

    fn removed(&self) -> BTreeSet<PartyId> {
        let named = self.changes().filter_map(|(_, change)| match change {
            Change::RemoveParty(party) => Some(*party),
            _ => None,
        });
        named.filter(|it| self.voters.contains(it)).collect()
    }

    /// What it takes for this resolution to pass.
    pub(super) fn demands(&self) -> Demands {
        let mut required: BTreeSet<PartyId> = newcomers(self.resolution).collect();
        if changes_quorum(self.resolution) {
            required.extend(&self.voters);
        }
        let removed = self.removed();
        if !removed.is_empty() {
            required.extend(self.voters.difference(&removed));
        }
        if !self.led.is_empty() {
            required.extend(self.voters.difference(&self.led));
        }
        for (_, change) in self.changes() {
            required.extend(asked(self, change));
        }
        let pins: BTreeMap<PartyId, EntryId> = self.resolution.pins.iter().copied().collect();
        let sides = self.pinned.iter().map(|(party, state)| Side {
            party: *party,
            pinned: pins[party],
            delegates: state.delegates.clone(),
            delegates_needed: state.delegates_needed,
            votes: self.voters.contains(party),
            required: required.contains(party),
        });
        Demands {
            party_quorum: self.quorum(),
            sides: sides.collect(),
        }
    }
}

/// What it takes for a resolution to pass, to be shown while delegates deliberate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    /// Parties of the parent that must approve at least (R4).
    pub party_quorum: u64,
    /// Every pinned party, ascending.
    pub sides: Vec<Side>,
}

/// A party with a say in a resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The party.
    pub party: PartyId,
    /// The state of its chain by which its approval counts.
    pub pinned: EntryId,
    /// Delegates of the pinned state, strictly ascending.
    pub delegates: Vec<PublicKey>,
    /// How many of them make its approval.
    pub delegates_needed: u64,
    /// Whether it counts for the quorum: it is a party of the parent and has not left.
    pub votes: bool,
    /// Whether nothing passes without it, by R5 to R8 and R13.
    pub required: bool,
}

fn newcomers(resolution: &Resolution) -> impl Iterator<Item = PartyId> {
    resolution.changes.iter().filter_map(|change| match change {
        Change::AddParty(party) => Some(*party),
        _ => None,
    })
}

fn changes_quorum(resolution: &Resolution) -> bool {
    let is_one = |change: &Change| matches!(change, Change::SetPartyQuorum(_));
    resolution.changes.iter().any(is_one)
}

/// R1: the parent is the state it is judged under, of the same community.
fn r1_parent(resolution: &Resolution, parent: &CharterState) -> Result<(), ResolutionError> {
    let fits = resolution.parent == parent.id && resolution.community == parent.community;
    fits.then_some(()).ok_or(ResolutionError::Parent)
}

/// R2: its height is one more than the parent's.
fn r2_height(resolution: &Resolution, parent: &CharterState) -> Result<(), ResolutionError> {
    let (expected, found) = (parent.height + 1, resolution.height);
    if expected == found {
        Ok(())
    } else {
        Err(ResolutionError::Height { expected, found })
    }
}

/// R3: it pins one state of each party of the parent and of each party added, and of no other. A pin
/// is the one that was pinned last or follows it, or a fork proof leads to it: also of a party that
/// comes back.
fn r3_pins<'a>(
    resolution: &Resolution,
    parent: &CharterState,
    trees: &'a PartyTrees,
) -> Result<BTreeMap<PartyId, &'a PartyState>, ResolutionError> {
    let refuse = |party, fault| Err(ResolutionError::Pin { party, fault });
    let pins: BTreeMap<PartyId, EntryId> = resolution.pins.iter().copied().collect();
    let added: BTreeSet<PartyId> = newcomers(resolution).collect();
    let mut expected = parent.parties.keys().chain(&added);
    if let Some(party) = expected.find(|it| !pins.contains_key(it)) {
        return refuse(*party, PinFault::Missing);
    }
    let known = |it: &PartyId| parent.parties.contains_key(it) || added.contains(it);
    if let Some(proof) = resolution.fork_proofs.iter().find(|it| !known(&it.party)) {
        return refuse(proof.party, PinFault::ForkProof);
    }
    let mut pinned = BTreeMap::new();
    for (party, pin) in &pins {
        if !known(party) {
            return refuse(*party, PinFault::NotAParty);
        }
        let tree = trees.tree(party);
        let Some((tree, state)) = tree.and_then(|it| Some((it, it.state(pin)?))) else {
            return refuse(*party, PinFault::Unknown);
        };
        let before = parent.pinned(party);
        let follows = before.is_none_or(|before| tree.descends(before, pin));
        let mut proofs = resolution
            .fork_proofs
            .iter()
            .filter(|it| it.party == *party);
        match (proofs.next(), before) {
            (None, _) if follows => {}
            (None, _) => return refuse(*party, PinFault::Unrelated),
            (Some(proof), Some(before))
                if !follows
                    && proofs.next().is_none()
                    && tree.are_siblings(&proof.left, &proof.right)
                    && tree.descends(&proof.left, before)
                    && tree.descends(&proof.right, pin) => {}
            (Some(_), _) => return refuse(*party, PinFault::ForkProof),
        }
        pinned.insert(*party, state);
    }
    Ok(pinned)
}

/// R4: at least `party_quorum` parties of the parent approve. Parties that left are taken out first,
/// and the quorum is brought near to what remains.
fn r4_quorum(case: &Case<'_>) -> Result<(), ResolutionError> {
    let approving = case.approving.intersection(&case.voters).count() as u64;
    let needed = case.quorum();
    if approving >= needed {
        Ok(())
    } else {
        Err(ResolutionError::Quorum { needed, approving })
    }
}

/// R5: a change of the quorum needs all.
fn r5_quorum_change(case: &Case<'_>) -> Result<(), ResolutionError> {
    match case.voters.difference(&case.approving).next() {
        Some(party) if changes_quorum(case.resolution) => {
            Err(ResolutionError::QuorumChange(*party))
        }
        _ => Ok(()),
    }
}

/// R6: who joins agrees, by the state that is pinned, and has not left by it.
fn r6_newcomers(case: &Case<'_>) -> Result<(), ResolutionError> {
    let agrees = |party: &PartyId| {
        case.approving.contains(party) && !case.pinned[party].left.contains(&case.parent.community)
    };
    match newcomers(case.resolution).find(|it| !agrees(it)) {
        Some(party) => Err(ResolutionError::Newcomer(party)),
        None => Ok(()),
    }
}

/// R7: parties are removed by all others, and those are a quorum: two parties cannot expel each
/// other. To take out one that left needs no more than R4.
fn r7_removal(case: &Case<'_>) -> Result<(), ResolutionError> {
    let removed = case.removed();
    let others: BTreeSet<PartyId> = case.voters.difference(&removed).copied().collect();
    let approving = others.intersection(&case.approving).count() as u64;
    let (others, quorum) = (others.len() as u64, case.quorum());
    if removed.is_empty() || approving >= others.max(quorum) {
        Ok(())
    } else {
        Err(ResolutionError::Removal {
            others,
            quorum,
            approving,
        })
    }
}

/// R8: what takes rights, promises or admissions from a party needs that party.
fn r8_consent(case: &Case<'_>) -> Result<(), ResolutionError> {
    for (index, change) in case.changes() {
        let mut asked = asked(case, change).into_iter();
        if let Some(party) = asked.find(|it| !case.approving.contains(it)) {
            return Err(ResolutionError::Consent {
                change: index,
                party,
            });
        }
    }
    Ok(())
}

/// R13: a party is led over to another branch of its chain by all others, and those are a quorum, as it
/// takes to remove it: whoever has keys that the party dropped can make such a branch, so its own
/// approval is not asked. That the branch says that it left does not help.
fn r13_leading(case: &Case<'_>) -> Result<(), ResolutionError> {
    let others: BTreeSet<PartyId> = case.voters.difference(&case.led).copied().collect();
    let approving = others.intersection(&case.approving).count() as u64;
    let led = case.led.iter().filter(|it| case.gone.contains(it)).count();
    let quorum = clamp_quorum(case.parent.party_quorum, case.voters.len() + led);
    let others = others.len() as u64;
    if case.led.is_empty() || approving >= others.max(quorum) {
        Ok(())
    } else {
        Err(ResolutionError::Leading {
            others,
            quorum,
            approving,
        })
    }
}

/// The parties from which a change takes something (R8). Parties that left are not asked.
fn asked(case: &Case<'_>, change: &Change) -> Vec<PartyId> {
    let all = || case.voters.iter().copied().collect();
    let readers = |space: &SpaceId| match case.parent.spaces.get(space).map(|it| &it.space.readers)
    {
        Some(Readers::Parties(named)) => {
            let named = named.iter().filter(|it| case.voters.contains(it));
            named.copied().collect()
        }
        _ => Vec::new(),
    };
    match change {
        Change::Revoke(party, _) => vec![*party],
        Change::SetPromise(promise) => match promise.party {
            Some(party) => vec![party],
            None => {
                let promised = case.parent.promises.get(&(None, promise.name.clone()));
                match promised {
                    Some(days) if promise.days > *days => all(),
                    _ => Vec::new(),
                }
            }
        },
        Change::RemovePromise(Some(party), _) => vec![*party],
        Change::RemovePromise(None, _) => all(),
        Change::CloseSpace(space) | Change::NarrowKinds(space, _) => readers(space),
        _ => Vec::new(),
    }
}

/// R11: nobody but delegates of pinned states signs, and the proposer is one of them.
fn r11_signers(case: &Case<'_>) -> Result<(), ResolutionError> {
    let speaks = |key: &PublicKey| {
        let mut states = case.pinned.values();
        states.any(|it| it.delegates.binary_search(key).is_ok())
    };
    let mut keys = case.signers.iter().chain([&case.resolution.proposer]);
    match keys.find(|it| !speaks(it)) {
        Some(key) => Err(ResolutionError::Signer(*key)),
        None => Ok(()),
    }
}

/// R9: readers never widen. No change edits the readers of a space; what opens up is a new space,
/// which may name the one it follows. The charter declares spaces for all, members and parties only.
pub(super) fn r9_readers(
    change: usize,
    space: &Space,
    state: &CharterState,
) -> Result<(), ResolutionError> {
    let refuse = |fault| {
        Err(ResolutionError::Readers {
            change,
            name: space.name.clone(),
            fault,
        })
    };
    match &space.readers {
        Readers::Everyone | Readers::Members => {}
        Readers::Parties(named) => {
            if let Some(it) = named.iter().find(|it| !state.parties.contains_key(it)) {
                return refuse(ReadersFault::NotAParty(*it));
            }
        }
        Readers::Groups(_) | Readers::Persons(_) => return refuse(ReadersFault::Restricted),
    }
    match &space.successor_of {
        Some(before) if !state.spaces.contains_key(before) => refuse(ReadersFault::Predecessor),
        _ => Ok(()),
    }
}

/// R10: names are unique among what is in force, quorums are more than half of the parties and at
/// most all, and the charter does not grow without bounds.
pub(super) fn r10_bounds(
    index: usize,
    change: &Change,
    state: &CharterState,
) -> Result<(), ResolutionError> {
    let full = |held: usize, is_new: bool| {
        (is_new && held >= CHARTER_ITEMS_MAX).then_some(BoundsFault::Full)
    };
    let fault = match change {
        Change::SetPartyQuorum(quorum) => {
            (!is_quorum(*quorum, state.parties.len())).then_some(BoundsFault::Quorum {
                parties: state.parties.len() as u64,
            })
        }
        Change::DeclareSpace(space) => {
            let mut open = state.spaces.values().filter(|it| it.closed.is_none());
            let taken = open.any(|it| it.space.name == space.name);
            taken
                .then_some(BoundsFault::NameTaken)
                .or_else(|| full(state.spaces.len(), true))
        }
        Change::SetPromise(it) => {
            let key = (it.party, it.name.clone());
            let is_new = !state.promises.contains_key(&key);
            full(state.promises.len(), is_new)
        }
        Change::SetRule(it) => {
            let is_new = !state.rules.contains_key(&it.name);
            full(state.rules.len(), is_new)
        }
        Change::SetLabel(name, _) => {
            let is_new = !state.labels.contains_key(name);
            full(state.labels.len(), is_new)
        }
        Change::SetArticle(name, _) => {
            let is_new = !state.articles.contains_key(name);
            full(state.articles.len(), is_new)
        }
        _ => None,
    };
    match fault {
        Some(fault) => Err(ResolutionError::Bounds {
            change: index,
            fault,
        }),
        None => Ok(()),
    }
}

/// R12: a resolution changes something, and so does each of its changes.
pub(super) fn r12_changes(
    index: usize,
    change: &Change,
    case: &Case<'_>,
    state: &CharterState,
) -> Result<(), ResolutionError> {
    let open = |space: &SpaceId| state.spaces.get(space).filter(|it| it.closed.is_none());
    let changes = match change {
        Change::SetName(name) => *name != *state.name,
        Change::SetPurpose(purpose) => *purpose != *state.purpose,
        Change::AddParty(party) => !state.parties.contains_key(party),
        Change::RemoveParty(party) => {
            state.parties.contains_key(party) && case.parent.parties.contains_key(party)
                || case.gone.contains(party)
        }
        Change::SetPartyQuorum(quorum) => *quorum != state.party_quorum,
        Change::ConfirmStates => case.moves_pins(),
        // Each is a space of its own, whatever its name; a further cut may be a lower one.
        Change::DeclareSpace(_) | Change::Revoke(..) | Change::CutNode(_) => true,
        Change::CloseSpace(space) => open(space).is_some(),
        Change::NarrowKinds(space, kinds) => {
            open(space).is_some_and(|space| kinds.iter().any(|it| space.allows(it)))
        }
        Change::SetPromise(it) => {
            let key = (it.party, it.name.clone());
            let speaks = it.party.is_none_or(|it| state.parties.contains_key(&it));
            speaks && state.promises.get(&key) != Some(&it.days)
        }
        Change::RemovePromise(party, name) => state.promises.contains_key(&(*party, name.clone())),
        Change::SetRule(rule) => state.rules.get(&rule.name) != Some(rule),
        Change::RemoveRule(name) => state.rules.contains_key(name),
        Change::SetLabel(name, text) => state.labels.get(name) != Some(text),
        Change::RemoveLabel(name) => state.labels.contains_key(name),
        Change::SetArticle(name, text) => state.articles.get(name) != Some(text),
        Change::RemoveArticle(name) => state.articles.contains_key(name),
    };
    if changes {
        Ok(())
    } else {
        Err(ResolutionError::NoChange { change: index })
    }
}
