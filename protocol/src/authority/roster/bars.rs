//! What was taken from members: by delegates, by their own leaving, by the charter; and devices by
//! their owners.
//!
//! A *bar* is a narrowing as it stands in the way of one right: what is signed counts up to where
//! the narrowing covers it. Bars are for good. A grant made later lifts none.
//!
//! Spec: `specs/roster.md` §6.

use super::{RosterError, Signers, WithoutEffect, agreed};
use crate::{
    authority::{
        Unauthorized,
        charter::Charter,
        coverage::Coverage,
        narrowing::{Issuer, Narrowing, in_force},
    },
    entry::Record,
    id::{EntryId, PartyId},
    key::PublicKey,
    record::{RecordBody, Role, Target},
};
use std::collections::{BTreeMap, BTreeSet};

/// A narrowing in the way of a right, and what to say of what lies beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::authority) struct Bar {
    pub(in crate::authority) narrowing: EntryId,
    pub(in crate::authority) reason: Unauthorized,
}

/// Whether every bar covers an entry; else the reason of one that does not.
pub(in crate::authority) fn within(
    bars: &[Bar],
    coverage: &dyn Coverage,
    key: &PublicKey,
    id: &EntryId,
) -> Result<(), Unauthorized> {
    match bars
        .iter()
        .find(|bar| !coverage.covers(&bar.narrowing, key, id))
    {
        None => Ok(()),
        Some(bar) => Err(bar.reason),
    }
}

/// All bars of the roster, by what they take.
#[derive(Default)]
pub(super) struct Bars {
    members: BTreeMap<(PublicKey, PartyId), Vec<Bar>>,
    roles: BTreeMap<(PublicKey, PartyId, Role), Vec<Bar>>,
    /// By (device, party): taken by delegates.
    devices: BTreeMap<(PublicKey, PartyId), Vec<Bar>>,
    /// By (device, root): taken by its owner.
    owned: BTreeMap<(PublicKey, PublicKey), Vec<Bar>>,
}

fn of<'a, K: Ord>(bars: &'a BTreeMap<K, Vec<Bar>>, key: &K) -> &'a [Bar] {
    bars.get(key).map_or(&[], Vec::as_slice)
}

impl Bars {
    pub(super) fn of_member(&self, root: PublicKey, party: PartyId) -> &[Bar] {
        of(&self.members, &(root, party))
    }

    pub(super) fn of_role(&self, root: PublicKey, party: PartyId, role: Role) -> &[Bar] {
        of(&self.roles, &(root, party, role))
    }

    /// Whether the owner removed the device.
    pub(super) fn is_removed(&self, device: PublicKey, root: PublicKey) -> bool {
        self.owned.contains_key(&(device, root))
    }

    /// Every narrowing in the way of something.
    pub(super) fn narrowings(&self) -> BTreeSet<EntryId> {
        let members = self.members.values().chain(self.roles.values());
        let devices = self.devices.values().chain(self.owned.values());
        let all = members.chain(devices).flatten();
        all.map(|bar| bar.narrowing).collect()
    }

    /// Of a device as one of this person in this party.
    pub(super) fn of_device(&self, device: PublicKey, root: PublicKey, party: PartyId) -> Vec<Bar> {
        let by_party = of(&self.devices, &(device, party));
        let by_owner = of(&self.owned, &(device, root));
        [by_owner, by_party].concat()
    }
}

/// A narrowing that a record states, should it count.
pub(super) fn candidate(record: &Record) -> Option<Narrowing> {
    let (issuer, cuts, replaces) = match record.body() {
        RecordBody::Revocation(it) => (Issuer::Party(it.party), &it.cuts, it.replaces),
        RecordBody::Departure(it) => (Issuer::Person(record.header().author), &it.cuts, None),
        RecordBody::DeviceRevocation(it) => {
            let by = Issuer::Person(record.header().author);
            (by, &it.cuts, it.replaces)
        }
        _ => return None,
    };
    Some(Narrowing {
        id: record.id(),
        issuer,
        cuts: cuts.clone(),
        replaces,
    })
}

/// Sorts out which revocations and departures count, and what they bar.
pub(super) fn bars_that_count(
    signers: &Signers<'_>,
    charter: &Charter,
    narrowings: &BTreeMap<EntryId, Narrowing>,
    records: &[&Record],
    without_effect: &mut WithoutEffect,
) -> Bars {
    let mut bars = Bars::default();
    let mut said: BTreeMap<(PartyId, &Target), Vec<&Record>> = BTreeMap::new();
    let mut by_owner: BTreeMap<(PublicKey, PublicKey), BTreeSet<EntryId>> = BTreeMap::new();
    for record in records {
        let signer = record.header().author;
        match record.body() {
            RecordBody::Revocation(it) => {
                said.entry((it.party, &it.target)).or_default().push(record);
            }
            RecordBody::Departure(it) => {
                let bar = Bar {
                    narrowing: record.id(),
                    reason: Unauthorized::Departed(it.party),
                };
                let member = (signer, it.party);
                bars.members.entry(member).or_default().push(bar);
            }
            RecordBody::DeviceRevocation(it) => {
                let device = (it.device, signer);
                by_owner.entry(device).or_default().insert(record.id());
            }
            _ => {}
        }
    }
    for (device, said) in by_owner {
        let left = not_replaced(narrowings, &said, without_effect);
        let taken = taken(&left, Unauthorized::DeviceRemoved);
        bars.owned.insert(device, taken);
    }
    for ((party, target), records) in said {
        let said = said_by_enough(signers, &party, &records, without_effect);
        let left = not_replaced(narrowings, &said, without_effect);
        bars.revoke(party, target, &left);
    }
    for (party, member, by) in charter.revocations() {
        let bar = Bar {
            narrowing: *by,
            reason: Unauthorized::Revoked(*party),
        };
        let member = (*member, *party);
        bars.members.entry(member).or_default().push(bar);
    }
    bars
}

/// The revocations of one target that count; none if too few delegates signed them.
fn said_by_enough(
    signers: &Signers<'_>,
    party: &PartyId,
    records: &[&Record],
    without_effect: &mut WithoutEffect,
) -> BTreeSet<EntryId> {
    let mut said: BTreeMap<EntryId, (PublicKey, u64)> = BTreeMap::new();
    for record in records {
        match signers.freely_among(record, party) {
            Ok(among) => drop(said.insert(record.id(), (record.header().author, among))),
            Err(why) => without_effect.note(record.id(), why),
        }
    }
    match agreed(said.values().copied()) {
        Ok(()) => said.into_keys().collect(),
        Err(why) => {
            let too_few = said.into_keys();
            too_few.for_each(|id| without_effect.note(id, why));
            BTreeSet::new()
        }
    }
}

impl Bars {
    fn revoke(&mut self, party: PartyId, target: &Target, said: &BTreeSet<EntryId>) {
        if said.is_empty() {
            return;
        }
        let taken = |reason| taken(said, reason);
        match target {
            Target::Member(root) => {
                let of = self.members.entry((*root, party)).or_default();
                of.extend(taken(Unauthorized::Revoked(party)));
            }
            Target::Role(root, role) => {
                let of = self.roles.entry((*root, party, *role)).or_default();
                of.extend(taken(Unauthorized::RoleRemoved(party)));
            }
            Target::Device(device) => {
                let of = self.devices.entry((*device, party)).or_default();
                of.extend(taken(Unauthorized::DeviceRevoked(party)));
            }
        }
    }
}

/// `specs/cuts.md` §3: of several statements on one target those that no other one replaces.
fn not_replaced(
    narrowings: &BTreeMap<EntryId, Narrowing>,
    said: &BTreeSet<EntryId>,
    without_effect: &mut WithoutEffect,
) -> BTreeSet<EntryId> {
    let left = in_force(narrowings, said);
    let replaced = said.difference(&left);
    replaced.for_each(|id| without_effect.note(*id, RosterError::Replaced));
    left
}

/// What several statements on one target take: each up to its own cuts.
fn taken(left: &BTreeSet<EntryId>, reason: Unauthorized) -> Vec<Bar> {
    let left = left.iter().copied();
    left.map(|narrowing| Bar { narrowing, reason }).collect()
}
