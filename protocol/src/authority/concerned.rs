//! Whom what was taken concerns: for coverage, which answers for these keys, and for nodes, which
//! acknowledge narrowings of the keys they hold entries of.
//!
//! Spec: `specs/cuts.md` §2 (narrowings), §6 (receipts that lift).

use super::{Authority, parties::Capacity};
use crate::{
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

impl Authority {
    /// The narrowings that stand in the way of some device in a space, with these devices.
    pub fn narrowed_in(&self, space: SpaceId) -> BTreeMap<EntryId, BTreeSet<PublicKey>> {
        let mut narrowed: BTreeMap<EntryId, BTreeSet<PublicKey>> = BTreeMap::new();
        if self.narrowings.is_empty() {
            return narrowed;
        }
        let rules = self.rules.get(&space);
        for device in self.roster.seats.devices() {
            for (path, seat) in self.roster.seats.paths(device) {
                let once = seat.once.iter().flat_map(|(_, grant)| grant.narrowings());
                let bars = path.bars.iter().chain(&seat.bars).map(|bar| bar.narrowing);
                let dropped = rules.and_then(|rules| rules.dropped_from_group(seat));
                for narrowing in bars.chain(once).chain(dropped) {
                    narrowed.entry(narrowing).or_default().insert(*device);
                }
            }
        }
        for narrowing in rules.into_iter().flat_map(|rules| rules.narrowed_for_all()) {
            let devices = self.roster.seats.devices().copied();
            narrowed.entry(narrowing).or_default().extend(devices);
        }
        narrowed
    }

    /// Every key that has or had something from a party: those its states ever listed, everybody it
    /// ever admitted, and every device that one of them ever linked. Whoever takes a party's standing
    /// names the chains of all these in the cuts; a key that was taken before is covered by both.
    pub fn keys_ever_of(&self, party: &PartyId) -> BTreeSet<PublicKey> {
        let mut keys: BTreeSet<PublicKey> = self.roster.seats.roots_of(party).collect();
        let chain = self.chains.chain(party);
        for state in chain.into_iter().flat_map(|it| it.states()) {
            let lists = Capacity::ALL.iter().flat_map(|it| it.keys(state.1));
            let groups = state.1.groups.iter().flat_map(|it| &it.keys);
            keys.extend(lists.chain(groups));
        }
        let devices: Vec<PublicKey> = keys.iter().flat_map(|it| self.devices_ever(it)).collect();
        keys.extend(devices);
        keys
    }

    /// Whether nothing that was taken stands between a device and writing any kind in a space: then
    /// no cut need be asked for what it wrote.
    pub fn writes_unnarrowed(&self, space: SpaceId, device: &PublicKey) -> bool {
        let Some(rules) = self.rules.get(&space) else {
            return false;
        };
        let mut paths = self.roster.seats.paths(device);
        let is_whole = paths.all(|(path, seat)| {
            path.bars.is_empty()
                && !seat.is_narrowed_as(rules.writing_roles())
                && rules.dropped_from_group(seat).is_none()
        });
        is_whole
            && rules.narrowed_for_all().next().is_none()
            && self
                .authorize_contribution(space, device, super::Act::Create)
                .is_ok()
    }
}
