//! The rules of what a set lets in, numbered as in `specs/access.md` §1: one function each, and one
//! variant of [`EnvelopeError`]. Each reads what it is given and nothing else; what it is given only
//! grows with the set, so what a rule lets in once it lets in for good.
//!
//! E7 says which keys are known: [`Keys`].

use super::{DeclarationFault, EnvelopeError, keys::Keys};
use crate::{
    authority::{
        charter::{self, CharterState},
        orders,
        parties::{PartyTrees, StateError, judge_place, judge_signers},
    },
    certificate::{self, Genesis, PartyState, Resolution},
    entry::{Entry, Record},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{CutTable, RecordBody},
};
use std::collections::{BTreeMap, BTreeSet};

type Judged<T = ()> = Result<T, EnvelopeError>;

/// The error if the rule does not hold.
fn holds(rule: bool, or: EnvelopeError) -> Judged {
    if rule { Ok(()) } else { Err(or) }
}

/// E1: the genesis is told by its digest.
pub(super) fn e1_genesis(it: &Genesis, community: CommunityId) -> Judged {
    let is_ours = certificate::community_id(it) == community;
    holds(is_ours, EnvelopeError::OtherGenesis)
}

/// E2: a first state is told by the digest that the genesis names, or a resolution or proposal that
/// adds the party.
pub(super) fn e2_named(party: PartyId, named: &BTreeSet<PartyId>) -> Judged {
    holds(named.contains(&party), EnvelopeError::UnknownParty(party))
}

/// E3: a later state continues a state that is here, by its delegates.
pub(super) fn e3_state(
    state: &PartyState,
    signers: &[PublicKey],
    (of, before): (Option<PartyId>, &PartyState),
) -> Judged {
    let of_one_party = match state.parent {
        Some((party, _)) if Some(party) == of => Ok(()),
        Some(_) => Err(StateError::NoParent),
        None => Err(StateError::NotFirst),
    };
    of_one_party
        .and_then(|()| judge_place(state, before))
        .and_then(|()| judge_signers(signers, before))
        .map_err(EnvelopeError::State)
}

/// E4: a resolution keeps the rules of the charter at its parent.
pub(super) fn e4_resolution(
    it: &Resolution,
    signers: &[PublicKey],
    parent: &CharterState,
    trees: &PartyTrees,
) -> Judged {
    charter::judge(it, signers, parent, trees)
        .map_err(|fault| EnvelopeError::Resolution(Box::new(fault)))
}

/// E5: a party declares a space by enough delegates of a state of it, and nobody else.
pub(super) fn e5_party_declares(
    party: PartyId,
    (of, state): (Option<PartyId>, &PartyState),
    signers: &[PublicKey],
) -> Judged {
    let speaks = |key: &&PublicKey| state.delegates.binary_search(key).is_ok();
    let signed = signers.iter().filter(speaks).count() as u64;
    let needed = state.delegates_needed;
    let fault = if of != Some(party) {
        Some(DeclarationFault::OtherParty)
    } else if let Some(stranger) = signers.iter().find(|key| !speaks(key)) {
        Some(DeclarationFault::Signer(*stranger))
    } else {
        (signed < needed).then_some(DeclarationFault::TooFew { needed, signed })
    };
    fault.map_or(Ok(()), |fault| Err(EnvelopeError::PartyDeclares(fault)))
}

/// E6: whoever signs a record of governance, or passes on a table of cuts, is known.
pub(super) fn e6_signer(signer: &PublicKey, keys: &Keys) -> Judged {
    holds(keys.is_known(signer), EnvelopeError::NoStanding)
}

/// E8: a table of cuts leads to the root that a narrowing states, or the proposal of one, for this
/// space.
pub(super) fn e8_table(
    it: &CutTable,
    space: SpaceId,
    sealed: &BTreeMap<EntryId, [u8; 32]>,
) -> Judged {
    let leads = it.cut.space == space && sealed.get(&it.narrowing) == Some(&it.root());
    holds(leads, EnvelopeError::UnknownTable)
}

/// E9: an entry stands in the set of its own space, and is of a type for it.
pub(super) fn e9_place(entry: &Entry, space: SpaceId, governance: SpaceId) -> Judged {
    let belongs = match entry {
        Entry::Contribution(_) | Entry::Bare(_) => false,
        Entry::Certificate(it) => it.home(governance) == space,
        Entry::Record(it) => it.header().space == space && is_for(it, space == governance),
    };
    holds(belongs, EnvelopeError::WrongSpace)
}

/// Whether a record's type is one of the governance space, or else of the others.
fn is_for(record: &Record, governance: bool) -> bool {
    match record.body() {
        RecordBody::Receipt(_) | RecordBody::Acknowledge(_) => true,
        RecordBody::Erasure(_) | RecordBody::CutTable(_) => !governance,
        _ => governance,
    }
}

/// E10: a certificate that names a community names this one.
pub(super) fn e10_community(named: CommunityId, community: CommunityId) -> Judged {
    holds(named == community, EnvelopeError::OtherCommunity)
}

/// E11: what a certificate builds on stands in the set.
pub(super) fn e11_builds_on<T>(id: EntryId, held: &BTreeMap<EntryId, T>) -> Judged<&T> {
    held.get(&id).ok_or(EnvelopeError::Builds(id))
}

/// E12: before the genesis nobody is named and no space is declared.
pub(super) fn e12_genesis_is_here<T>(genesis: Option<&T>) -> Judged {
    holds(genesis.is_some(), EnvelopeError::NoGenesis)
}

/// E13: nodes sign receipts and acknowledgements, and nobody else.
pub(super) fn e13_node(signer: &PublicKey, keys: &Keys) -> Judged {
    holds(keys.is_node(signer), EnvelopeError::NotANode)
}

/// E14: what stands in a space needs it to be declared.
pub(super) fn e14_declared(is_declared: bool) -> Judged {
    holds(is_declared, EnvelopeError::UnknownSpace)
}

/// E15: a person declares a space with the root key or a device that it ever linked.
pub(super) fn e15_person_declares(root: &PublicKey, signer: &PublicKey, keys: &Keys) -> Judged {
    let speaks = keys.is_root(root) && (signer == root || keys.was_linked(signer, root));
    holds(speaks, EnvelopeError::PersonDeclares)
}

/// E16: an order of erasure is signed like a resolution whose parent is the charter state it names.
pub(super) fn e16_order(
    signers: &[PublicKey],
    charter: &CharterState,
    states: &BTreeMap<EntryId, PartyState>,
) -> Judged {
    orders::judge_signers(signers, charter, |_, pin| states.get(pin)).map_err(EnvelopeError::Order)
}

/// E17: words are erased by the device that wrote them, or a root key that ever linked it.
pub(super) fn e17_writer(signer: &PublicKey, written_by: &PublicKey, keys: &Keys) -> Judged {
    let speaks = signer == written_by || keys.was_linked(written_by, signer);
    holds(speaks, EnvelopeError::NotTheWriter)
}

/// E18: a bare header stands where a narrowing covers what it heads.
pub(super) fn e18_covered(is_covered: bool) -> Judged {
    holds(is_covered, EnvelopeError::NotCovered)
}
