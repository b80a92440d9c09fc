//! What takes standing away by certificates, and whose.
//!
//! Spec: `specs/roster.md` §6, `specs/access.md` §5.

use super::{
    Authority,
    charter::Charter,
    envelope::Envelope,
    narrowing::{Issuer, Narrowing},
    parties::{Capacity, Parties},
};
use crate::{
    certificate::{Change, Cuts, PartyState},
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// The narrowings by states of parties and by resolutions, on the paths that are followed.
pub(super) fn certified_narrowings(
    envelope: &Envelope,
    chains: &Parties,
    charter: &Charter,
    ever: &BTreeSet<PartyId>,
) -> BTreeMap<EntryId, Narrowing> {
    let narrowing = |id: EntryId, issuer, cuts: &Cuts| Narrowing {
        id,
        issuer,
        cuts: cuts.clone(),
        replaces: None,
    };
    let mut narrowings = BTreeMap::new();
    for (party, chain) in ever.iter().filter_map(|it| Some((it, chains.chain(it)?))) {
        for step in chain.path().windows(2) {
            let (Some(before), Some(after)) = (chain.state(&step[0]), chain.state(&step[1])) else {
                continue;
            };
            let mut lost = chain.lost_to(&step[1]).map(|(_, state)| state);
            if narrows(before, after) || lost.any(|state| narrows(state, after)) {
                let it = narrowing(step[1], Issuer::Party(*party), &after.cuts);
                narrowings.insert(it.id, it);
            }
        }
    }
    for id in charter.path() {
        if let Some((resolution, _)) = envelope.resolutions.get(id)
            && resolution.changes.iter().any(takes)
        {
            narrowings.insert(*id, narrowing(*id, Issuer::Quorum, &resolution.cuts));
        }
    }
    narrowings
}

/// Whether a state of a party takes something that the one before it, or a branch that lost to it, gave.
fn narrows(before: &PartyState, after: &PartyState) -> bool {
    let misses = |before: &[PublicKey], after: &[PublicKey]| {
        let mut before = before.iter();
        before.any(|key| after.binary_search(key).is_err())
    };
    let lists = Capacity::ALL.iter();
    let drops = lists.map(|it| misses(it.keys(before), it.keys(after)));
    let groups = before.groups.iter().map(|group| {
        let same = after.groups.iter().find(|it| it.name == group.name);
        misses(&group.keys, same.map_or(&[], |it| &it.keys))
    });
    after.admission_needed > before.admission_needed
        || after.left.iter().any(|it| !before.left.contains(it))
        || drops.chain(groups).any(|dropped| dropped)
}

/// Whether a change of the charter takes something that contributions may rest on.
fn takes(change: &Change) -> bool {
    matches!(
        change,
        Change::RemoveParty(_)
            | Change::CloseSpace(_)
            | Change::NarrowKinds(..)
            | Change::Revoke(..)
            | Change::CutNode(_)
    )
}

impl Authority {
    /// The devices whose contributions to a space may count up to a cut only: where none of their
    /// entries stand, the coverage of the space need not be asked.
    pub fn narrowed_keys(&self, space: &SpaceId) -> BTreeSet<PublicKey> {
        let Some(rules) = self.rules.get(space) else {
            return BTreeSet::new();
        };
        let seats = &self.roster.seats;
        let is_narrowed = |device: &&PublicKey| {
            let mut paths = seats.paths(device);
            rules.is_narrowed()
                || paths.any(|(path, seat)| {
                    !path.is_open() || seat.is_narrowed_as(rules.writing_roles())
                })
        };
        seats.devices().filter(is_narrowed).copied().collect()
    }
}
