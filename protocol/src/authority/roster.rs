//! The roster: who is or was a member, by whose grant, with which devices and nodes.
//!
//! A function of the set: each record counts or does not by what lower strata say of its signer
//! ([`signers`]), never by when it came. What counts then makes *seats*, a person's standing with
//! one party, and *paths* from devices to them ([`seats`]); what was taken from members bars them
//! up to its cuts ([`bars`]).
//!
//! The consents of members, devices and nodes are checked with the record's own signature, in
//! [`crate::entry::Verified`].
//!
//! Spec: `specs/roster.md`.

use super::{
    KnownInvitation, Membership, Unauthorized,
    charter::Charter,
    coverage::Coverage,
    narrowing::Narrowing,
    parties::{Capacity, Parties, PartyChain, Tenure},
};
use crate::{
    entry::Record,
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
    record::{RecordBody, Role, Roles},
};
use std::collections::{BTreeMap, BTreeSet};

mod bars;
mod invitations;
mod seats;
mod signers;

pub(super) use bars::{Bar, within};
use bars::{Bars, bars_that_count};
pub(super) use seats::{Path, Seat, Seats};
use signers::{Signers, agreed};

/// What the records of a community say of its people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Roster {
    pub(super) seats: Seats,
    pub(super) members: BTreeMap<PublicKey, BTreeMap<PartyId, Membership>>,
    pub(super) invitations: BTreeMap<EntryId, KnownInvitation>,
    /// Devices that their owner did not remove, by slot.
    pub(super) device_slots: BTreeMap<PublicKey, BTreeMap<u64, PublicKey>>,
    /// Nodes that members linked.
    pub(super) member_nodes: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// The narrowings that records state and that bar something.
    pub(super) narrowings: BTreeSet<EntryId>,
}

/// The narrowings that the records would state if all of them counted.
pub(super) fn candidates<'a>(
    records: impl Iterator<Item = &'a Record>,
) -> impl Iterator<Item = Narrowing> {
    records.filter_map(bars::candidate)
}

/// What stands below the roster.
pub(super) struct Ground<'a> {
    pub(super) community: CommunityId,
    pub(super) parties: &'a Parties,
    /// The parties that are or were in the charter.
    pub(super) ever: &'a BTreeSet<PartyId>,
    pub(super) charter: &'a Charter,
    /// Everything that narrows or would, by id.
    pub(super) narrowings: &'a BTreeMap<EntryId, Narrowing>,
    /// What the narrowings cover in the governance space.
    pub(super) coverage: &'a dyn Coverage,
}

/// Parties with their chains.
pub(super) fn chains_of<'a>(
    parties: &'a BTreeSet<PartyId>,
    chains: &'a Parties,
) -> impl Iterator<Item = (PartyId, &'a PartyChain)> {
    let parties = parties.iter();
    parties.filter_map(|party| Some((*party, chains.chain(party)?)))
}

/// What ended a party, if something did: its own state by which it left, or a resolution.
pub(super) fn party_ended(
    community: CommunityId,
    charter: &Charter,
    party: PartyId,
    chain: &PartyChain,
) -> BTreeSet<EntryId> {
    let ended = charter.ended_parties().get(&party).copied();
    chain.left(&community).into_iter().chain(ended).collect()
}

impl<'a> Ground<'a> {
    fn parties_ever(&self) -> impl Iterator<Item = (PartyId, &'a PartyChain)> {
        chains_of(self.ever, self.parties)
    }

    fn party_bars(&self, party: PartyId, chain: &PartyChain) -> Vec<Bar> {
        let ended = party_ended(self.community, self.charter, party, chain);
        ended
            .into_iter()
            .map(|narrowing| Bar {
                narrowing,
                reason: match chain.state(&narrowing) {
                    Some(_) => Unauthorized::PartyLeft(party),
                    None => Unauthorized::PartyRemoved(party),
                },
            })
            .collect()
    }
}

/// Evaluates records, given in the order of (signer, seq, id).
pub(super) fn evaluate(ground: &Ground<'_>, records: &[&Record]) -> Roster {
    let ever = ground.ever.iter().copied();
    let signers = Signers::new(ground.parties, ground.charter, ground.coverage, ever);
    let bars = bars_that_count(&signers, ground.charter, ground.narrowings, records);
    let mut roster = Roster {
        invitations: invitations::invitations_that_count(&signers, records),
        ..Roster::default()
    };
    let mut grants = Grants::default();
    admissions(&signers, records, &mut grants);
    let countersigned =
        invitations::countersignatures_that_count(&signers, &roster.invitations, records);
    for (record, it) in countersigned {
        if let Some(invitation) = roster.invitations.get_mut(&it.invitation) {
            invitation.used_by.insert(it.member);
            let offer = &invitation.offer;
            grants.add(it.member, offer.party, &offer.roles, record.id());
        }
    }
    let seats = seat_all(ground, &bars, &grants);
    for seat in seats.iter().filter(|seat| seat.is_held()) {
        let membership = Membership {
            roles: seat.roles(),
            admitted_by: seat.granted_by,
        };
        let of = roster.members.entry(seat.root).or_default();
        of.insert(seat.party, membership);
    }
    let linked = link_all(&mut roster, ground.coverage, &bars, &seats, records);
    roster.seats = Seats::new(seats, linked);
    roster.narrowings = bars.narrowings();
    roster
}

/// Roles that records grant, each with the lowest record that does.
#[derive(Default)]
struct Grants(BTreeMap<(PublicKey, PartyId), BTreeMap<Role, EntryId>>);

impl Grants {
    fn add(&mut self, root: PublicKey, party: PartyId, roles: &Roles, by: EntryId) {
        let of = self.0.entry((root, party)).or_default();
        for role in roles {
            let known = of.entry(*role).or_insert(by);
            *known = by.min(*known);
        }
    }
}

/// What one of several delegates said.
#[derive(Clone, Copy)]
struct Said {
    by: PublicKey,
    /// As one of how many it counts.
    among: u64,
    id: EntryId,
}

/// An admission counts for each role that enough delegates grant to the same person.
fn admissions(signers: &Signers<'_>, records: &[&Record], grants: &mut Grants) {
    let mut said: BTreeMap<(PublicKey, PartyId, Role), Vec<Said>> = BTreeMap::new();
    for record in records {
        let RecordBody::Admission(it) = record.body() else {
            continue;
        };
        match signers.delegate_among(record, &it.party) {
            None => {}
            Some(among) if among <= 1 => grants.add(it.member, it.party, &it.roles, record.id()),
            Some(among) => {
                let by = Said {
                    by: record.header().author,
                    among,
                    id: record.id(),
                };
                for role in &it.roles {
                    said.entry((it.member, it.party, *role))
                        .or_default()
                        .push(by);
                }
            }
        }
    }
    for ((member, party, role), said) in said {
        if agreed(said.iter().map(|it| (it.by, it.among))) {
            for it in said {
                grants.add(member, party, &Roles::from([role]), it.id);
            }
        }
    }
}

/// The capacity that a party's state lists for a role.
fn listed(role: Role) -> Option<Capacity> {
    match role {
        Role::Member => None,
        Role::Steward => Some(Capacity::Steward),
        Role::Moderator => Some(Capacity::Moderator),
        Role::Bridge => Some(Capacity::Bridge),
        Role::Observer => Some(Capacity::Observer),
    }
}

/// Every seat that was ever granted or listed, by (root, party).
fn seat_all(ground: &Ground<'_>, bars: &Bars, grants: &Grants) -> Vec<Seat> {
    let parties: BTreeMap<PartyId, Vec<Bar>> = ground
        .parties_ever()
        .map(|(party, chain)| (party, ground.party_bars(party, chain)))
        .collect();
    let mut seats: BTreeMap<(PublicKey, PartyId), Seat> = BTreeMap::new();
    let mut grant = |root: PublicKey, party: PartyId, role, by: EntryId, taken: Vec<Bar>| {
        let Some(of_party) = parties.get(&party) else {
            return;
        };
        let seat = seats.entry((root, party)).or_insert_with(|| {
            let bars = [bars.of_member(root, party), of_party].concat();
            Seat::new(root, party, by, bars)
        });
        seat.grant(role, taken);
        seat.granted_by = seat.granted_by.min(by);
    };
    for (party, chain) in ground.parties_ever() {
        for (root, role, by) in ever_listed(chain) {
            match listed(role).map(|capacity| chain.tenure(&root, capacity)) {
                Some(Tenure::Now) => grant(root, party, role, by, Vec::new()),
                Some(Tenure::Until(narrowing)) => {
                    let reason = Unauthorized::RoleRemoved(party);
                    grant(root, party, role, by, vec![Bar { narrowing, reason }]);
                }
                Some(Tenure::Never) | None => {}
            }
        }
    }
    for ((root, party), roles) in &grants.0 {
        for (role, by) in roles {
            let taken = bars.of_role(*root, *party, *role).to_vec();
            grant(*root, *party, *role, *by, taken);
        }
    }
    seats.into_values().collect()
}

/// Every key that the states of a party list for a role, with the first state that did.
fn ever_listed(chain: &PartyChain) -> Vec<(PublicKey, Role, EntryId)> {
    let mut first: BTreeMap<(PublicKey, Role), EntryId> = BTreeMap::new();
    for id in chain.path() {
        let Some(state) = chain.state(id) else {
            continue;
        };
        let lists = [
            (Role::Steward, &state.stewards),
            (Role::Moderator, &state.moderators),
            (Role::Bridge, &state.bridges),
            (Role::Observer, &state.observers),
        ];
        for (role, keys) in lists {
            for key in keys {
                first.entry((*key, role)).or_insert(*id);
            }
        }
    }
    let all = first.into_iter();
    all.map(|((key, role), by)| (key, role, by)).collect()
}

/// The paths of all devices. A link counts for a seat if what took the member covers the link.
fn link_all(
    roster: &mut Roster,
    coverage: &dyn Coverage,
    bars: &Bars,
    seats: &[Seat],
    records: &[&Record],
) -> Vec<(PublicKey, Path)> {
    let mut linked: BTreeMap<(PublicKey, u32), Path> = BTreeMap::new();
    for record in records {
        let (root, id) = (record.header().author, record.id());
        let device = match record.body() {
            RecordBody::DeviceLink(it) => it,
            RecordBody::NodeLink(it) => {
                roster.member_nodes.entry(it.node).or_default().insert(root);
                continue;
            }
            _ => continue,
        };
        let key = device.device;
        if !bars.is_removed(key, root) {
            // For display: of two devices in one slot the first along the chain is shown.
            let slots = roster.device_slots.entry(root).or_default();
            slots.entry(device.slot).or_insert(key);
        }
        let first = seats.partition_point(|seat| seat.root < root);
        let own = seats.iter().zip(0u32..).skip(first);
        for (seat, place) in own.take_while(|(seat, _)| seat.root == root) {
            let never = within(bars.of_member(root, seat.party), coverage, &root, &id).err();
            let path = linked.entry((key, place)).or_insert_with(|| Path {
                seat: place,
                bars: bars.of_device(key, root, seat.party),
                never,
            });
            // Of several links for one device one in time suffices.
            path.never = path.never.and(never);
        }
    }
    let paths = linked.into_iter();
    paths.map(|((key, _), path)| (key, path)).collect()
}
