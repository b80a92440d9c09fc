//! Folding a resolution into the state it changes.

use super::{
    error::ResolutionError,
    rules::{Case, r9_readers, r10_bounds, r12_changes},
    state::{CharterState, DeclaredSpace, clamp_quorum},
};
use crate::{
    certificate::{self, Change, Space},
    id::{EntryId, PartyId},
};
use std::{collections::BTreeMap, sync::Arc};

/// The state after the resolution `id`, its changes taken in order; R9, R10 and R12 are asked of each.
pub(super) fn fold(id: EntryId, case: &Case<'_>) -> Result<CharterState, ResolutionError> {
    if case.resolution.changes.is_empty() {
        return Err(ResolutionError::NoChange { change: 0 });
    }
    let mut state = case.parent.clone();
    state.id = id;
    state.height = case.resolution.height;
    let stay = case.resolution.pins.iter().copied();
    let pins: BTreeMap<PartyId, EntryId> = stay
        .filter(|(it, _)| state.parties.contains_key(it) && !case.gone.contains(it))
        .collect();
    if pins != *state.parties {
        state.parties = Arc::new(pins);
    }
    for party in &case.gone {
        part_with(&mut state, party, case);
    }
    state.party_quorum = clamp_quorum(state.party_quorum, state.parties.len());
    for (index, change) in case.resolution.changes.iter().enumerate() {
        if let Change::DeclareSpace(space) = change {
            r9_readers(index, space, &state)?;
        }
        r10_bounds(index, change, &state)?;
        r12_changes(index, change, case, &state)?;
        apply(&mut state, id, index, change, case);
    }
    Ok(state)
}

fn apply(state: &mut CharterState, id: EntryId, index: usize, change: &Change, case: &Case<'_>) {
    match change {
        Change::SetName(name) => state.name = name.as_str().into(),
        Change::SetPurpose(purpose) => state.purpose = purpose.as_str().into(),
        Change::AddParty(party) => {
            let pins = case.resolution.pins.iter();
            let pin = pins.filter(|(it, _)| it == party).copied();
            Arc::make_mut(&mut state.parties).extend(pin);
            if state.former.contains_key(party) {
                Arc::make_mut(&mut state.former).remove(party);
            }
            state.party_quorum = clamp_quorum(state.party_quorum, state.parties.len());
        }
        Change::RemoveParty(party) => {
            Arc::make_mut(&mut state.parties).remove(party);
            part_with(state, party, case);
            state.party_quorum = clamp_quorum(state.party_quorum, state.parties.len());
        }
        Change::SetPartyQuorum(quorum) => state.party_quorum = *quorum,
        Change::DeclareSpace(space) => declare(state, id, index, space),
        Change::CloseSpace(space) => {
            if let Some(it) = Arc::make_mut(&mut state.spaces).get_mut(space) {
                it.closed = Some(id);
            }
        }
        Change::NarrowKinds(space, kinds) => {
            if let Some(it) = Arc::make_mut(&mut state.spaces).get_mut(space) {
                for kind in kinds {
                    it.forbidden_kinds.entry(kind.clone()).or_insert(id);
                }
            }
        }
        Change::SetPromise(it) => {
            let key = (it.party, it.name.clone());
            Arc::make_mut(&mut state.promises).insert(key, it.days);
        }
        Change::RemovePromise(party, name) => {
            Arc::make_mut(&mut state.promises).remove(&(*party, name.clone()));
        }
        Change::SetRule(it) => {
            Arc::make_mut(&mut state.rules).insert(it.name.clone(), it.clone());
        }
        Change::RemoveRule(name) => drop(Arc::make_mut(&mut state.rules).remove(name)),
        Change::SetLabel(name, text) => {
            Arc::make_mut(&mut state.labels).insert(name.clone(), text.clone());
        }
        Change::RemoveLabel(name) => drop(Arc::make_mut(&mut state.labels).remove(name)),
        Change::SetArticle(name, text) => {
            Arc::make_mut(&mut state.articles).insert(name.clone(), text.clone());
        }
        Change::RemoveArticle(name) => drop(Arc::make_mut(&mut state.articles).remove(name)),
        // What they narrow is in the roster and in receipts, which read them along the path; pins have
        // moved before all changes.
        Change::Revoke(..) | Change::CutNode(_) | Change::ConfirmStates => {}
    }
}

fn declare(state: &mut CharterState, id: EntryId, index: usize, space: &Space) {
    let space_id = certificate::space_id(state.community, id.as_bytes(), index as u64 + 1);
    let declared = DeclaredSpace {
        space: space.clone(),
        declared_by: id,
        closed: None,
        forbidden_kinds: BTreeMap::new(),
    };
    Arc::make_mut(&mut state.spaces).insert(space_id, declared);
}

/// The promises of a party end with its being one. Its last pin stays known.
fn part_with(state: &mut CharterState, party: &PartyId, case: &Case<'_>) {
    if let Some(pin) = case.pin(party) {
        Arc::make_mut(&mut state.former).insert(*party, pin);
    }
    forget_promises(state, party);
}

fn forget_promises(state: &mut CharterState, party: &PartyId) {
    let is_theirs = |it: &Option<PartyId>| it.as_ref() == Some(party);
    if state.promises.keys().any(|(it, _)| is_theirs(it)) {
        Arc::make_mut(&mut state.promises).retain(|(it, _), _| !is_theirs(it));
    }
}
