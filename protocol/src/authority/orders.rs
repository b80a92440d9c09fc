//! Orders of erasure: what it takes for a quorum of parties to have words erased.
//!
//! An order is no step of the charter: it changes no state, has no siblings and pins nothing by
//! itself. It is judged by the charter state that it names and the party states which that one pins,
//! so what is let in once is let in for good (E16).
//!
//! Spec: `specs/access.md` §1 (E16), `specs/charter.md` §10 (D1 to D4 for orders).

use super::{
    charter::{CharterState, Demands, Side},
    deliberation::Flaw,
    envelope::OrderFault,
    parties::PartyTrees,
};
use crate::{
    certificate::{ErasureOrder, PartyState},
    id::{EntryId, PartyId},
    key::PublicKey,
};

/// E16: whether these signed enough for an order under a charter state: delegates of pinned states
/// and nobody else, enough of each for as many parties as a resolution needs.
///
/// # Errors
/// [`OrderFault`] says who signed and may not, or how many parties are missing.
pub(super) fn judge_signers<'a>(
    signers: &[PublicKey],
    charter: &CharterState,
    state_of: impl Fn(&PartyId, &EntryId) -> Option<&'a PartyState>,
) -> Result<(), OrderFault> {
    let pinned = charter.parties.iter();
    let states: Vec<&PartyState> = pinned
        .filter_map(|(party, pin)| state_of(party, pin))
        .collect();
    let speaks = |state: &PartyState, key: &PublicKey| state.delegates.binary_search(key).is_ok();
    let approves = |state: &&&PartyState| {
        let signed = signers.iter().filter(|key| speaks(state, key));
        signed.count() as u64 >= state.delegates_needed
    };
    let is_delegate = |key: &PublicKey| states.iter().any(|state| speaks(state, key));
    if let Some(stranger) = signers.iter().find(|key| !is_delegate(key)) {
        return Err(OrderFault::Signer(*stranger));
    }
    let (needed, approving) = (
        charter.party_quorum,
        states.iter().filter(approves).count() as u64,
    );
    match approving >= needed {
        true => Ok(()),
        false => Err(OrderFault::Quorum { needed, approving }),
    }
}

/// What it takes for a proposed order to pass.
///
/// # Errors
/// [`Flaw`] if it never can, or must not be proposed in the open.
pub(super) fn demands(
    order: &ErasureOrder,
    charter: &CharterState,
    trees: &PartyTrees,
) -> Result<Demands, Flaw> {
    if order.community != charter.community {
        return Err(Flaw::OtherCommunity);
    }
    // Proposals stand in the governance space, which everyone reads: a space that only its readers
    // know of must not be named there.
    if !charter.spaces.contains_key(&order.space) {
        return Err(Flaw::HiddenSpace);
    }
    let pinned = charter.parties.iter();
    let sides = pinned.filter_map(|(party, pin)| {
        let state = trees.tree(party)?.state(pin)?;
        Some(Side {
            party: *party,
            pinned: *pin,
            delegates: state.delegates.clone(),
            delegates_needed: state.delegates_needed,
            votes: true,
            required: false,
        })
    });
    Ok(Demands {
        party_quorum: charter.party_quorum,
        sides: sides.collect(),
    })
}

/// Whether an order signed by these would be let in.
pub(super) fn carries(signers: &[PublicKey], charter: &CharterState, trees: &PartyTrees) -> bool {
    let state_of = |party: &PartyId, pin: &EntryId| trees.tree(party)?.state(pin);
    judge_signers(signers, charter, state_of).is_ok()
}
