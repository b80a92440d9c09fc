//! The roster: who is or was a member, by whose grant, with which devices and nodes.
//!
//! A function of the set: each record counts or does not by what lower strata say of its signer
//! ([`signers`]), never by when it came. What counts then makes *seats*, a person's standing with
//! one party, and *paths* from devices to them ([`seats`]); what was taken from members, or from
//! those who let them in ([`grants`]), bars them up to its cuts ([`bars`]).
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
mod error;
mod grants;
mod invitations;
mod reasons;
mod seats;
mod signers;

pub(super) use bars::{Bar, within};
use bars::{Bars, bars_that_count};
pub use error::RosterError;
pub(super) use grants::Grant;
use grants::{Grants, Said, Sources, Statement};
use invitations::Offered;
use reasons::WithoutEffect;
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
    /// The records that have no effect.
    without_effect: WithoutEffect,
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
    let mut roster = Roster::default();
    let without_effect = &mut roster.without_effect;
    let (charter, narrowings) = (ground.charter, ground.narrowings);
    let bars = bars_that_count(&signers, charter, narrowings, records, without_effect);
    let mut grants = Grants::default();
    admissions(&signers, records, &mut grants, without_effect);
    let offered = invitations::invitations_that_count(&signers, records, without_effect);
    let known = offered.iter().filter(|(_, it)| it.grant.is_free());
    let known = known.map(|(id, it)| {
        let known = KnownInvitation {
            by: it.by,
            offer: it.offer.clone(),
            used_by: BTreeSet::new(),
        };
        (*id, known)
    });
    roster.invitations = known.collect();
    roster.countersigned(&signers, records, &offered, &mut grants);
    let seats = seat_all(ground, &bars, &grants);
    for seat in seats.iter().filter(|seat| seat.is_held()) {
        let membership = Membership {
            roles: seat.roles(),
            admitted_by: seat.granted_by(),
        };
        let of = roster.members.entry(seat.root).or_default();
        of.insert(seat.party, membership);
    }
    let linked = link_all(&mut roster, &bars, &seats, records);
    roster.seats = Seats::new(seats, linked);
    roster.narrowings = bars.narrowings();
    roster
}

impl Roster {
    /// 4.2 to 4.6: whom countersignatures let in.
    fn countersigned(
        &mut self,
        signers: &Signers<'_>,
        records: &[&Record],
        offered: &BTreeMap<EntryId, Offered<'_>>,
        grants: &mut Grants,
    ) {
        let without_effect = &mut self.without_effect;
        let let_in =
            invitations::countersignatures_that_count(signers, offered, records, without_effect);
        for it in let_in {
            let (invitation, member, by) = (it.it.invitation, it.it.member, it.record.id());
            if let Some(known) = self.invitations.get_mut(&invitation) {
                known.used_by.insert(member);
            }
            let Some(Offered { offer, grant, .. }) = offered.get(&invitation) else {
                continue;
            };
            // One way that stands freely is enough.
            let ways = it.standing.iter().map(|standing| {
                let grant = grant.behind(standing);
                grants.add(member, offer.party, &offer.roles, &grant, by)
            });
            if let Some(Err(why)) = ways.min() {
                without_effect.note(by, why);
            }
        }
    }
}

/// 4.7: an admission counts for each role that enough delegates grant to the same person.
fn admissions(
    signers: &Signers<'_>,
    records: &[&Record],
    grants: &mut Grants,
    without_effect: &mut WithoutEffect,
) {
    let mut said: BTreeMap<(PublicKey, PartyId, Role), Said> = BTreeMap::new();
    for record in records {
        let RecordBody::Admission(it) = record.body() else {
            continue;
        };
        let statement = match signers.statement(record, &it.party) {
            Ok(statement) => statement,
            Err(why) => {
                without_effect.note(record.id(), why);
                continue;
            }
        };
        if statement.is_free() && statement.among <= 1 {
            grants.add_free(it.member, it.party, &it.roles, record.id());
            continue;
        }
        for role in &it.roles {
            let of = said.entry((it.member, it.party, *role)).or_default();
            of.add(statement.clone(), record.id());
        }
    }
    let mut counting = Vec::new();
    for ((member, party, role), mut said) in said {
        let judged = said.grant().and_then(|grant| {
            let lowest = said.records().next();
            let by = lowest.ok_or(RosterError::TooFew { needed: 1, said: 0 })?;
            grants.add(member, party, &Roles::from([role]), &grant, by)
        });
        match judged {
            Ok(()) => counting.push(said),
            Err(why) => said.records().for_each(|id| without_effect.note(id, why)),
        }
    }
    // One role that a record gives is an effect.
    let counting = counting.iter().flat_map(Said::records);
    counting.for_each(|id| without_effect.forget(&id));
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
    let mut grant = |root: PublicKey, party: PartyId, role, by: EntryId, grant: Grant| {
        let Some(of_party) = parties.get(&party) else {
            return;
        };
        let seat = seats.entry((root, party)).or_insert_with(|| {
            let bars = [bars.of_member(root, party), of_party].concat();
            Seat::new(root, party, by, bars)
        });
        seat.grant(role, by, grant);
    };
    for (party, chain) in ground.parties_ever() {
        for (root, role, by) in ever_listed(chain) {
            let tenure = listed(role).map(|capacity| chain.tenure(&root, capacity));
            let dropped = match tenure {
                Some(Tenure::Now) => Vec::new(),
                Some(Tenure::Until(narrowing)) => {
                    let reason = Unauthorized::RoleRemoved(party);
                    vec![Bar { narrowing, reason }]
                }
                Some(Tenure::Never) | None => continue,
            };
            grant(root, party, role, by, Grant::barred_by(dropped));
        }
    }
    for (root, party, role, sources) in grants.iter() {
        let taken = bars.of_role(root, party, role);
        match sources {
            Sources::Free(by) => grant(root, party, role, *by, Grant::barred_by(taken.to_vec())),
            Sources::Barred(grants) => {
                for (it, by) in grants {
                    grant(root, party, role, *by, it.behind(taken));
                }
            }
        }
    }
    seats.into_values().map(Seat::settled).collect()
}

/// Every key that the states of a party list for a role, with the first state of the path that did,
/// or one of a branch that lost.
fn ever_listed(chain: &PartyChain) -> Vec<(PublicKey, Role, EntryId)> {
    let mut first: BTreeMap<(PublicKey, Role), EntryId> = BTreeMap::new();
    let path = chain.path().iter();
    let on_path = path.clone().filter_map(|id| Some((*id, chain.state(id)?)));
    let beside = path.flat_map(|id| chain.lost_to(id));
    for (id, state) in on_path.chain(beside) {
        let lists = [
            (Role::Steward, &state.stewards),
            (Role::Moderator, &state.moderators),
            (Role::Bridge, &state.bridges),
            (Role::Observer, &state.observers),
        ];
        for (role, keys) in lists {
            for key in keys {
                first.entry((*key, role)).or_insert(id);
            }
        }
    }
    let all = first.into_iter();
    all.map(|((key, role), by)| (key, role, by)).collect()
}

/// The paths of all devices. What takes a member bars the seat; so it needs not bar the links, which
/// are the member's own.
fn link_all(
    roster: &mut Roster,
    bars: &Bars,
    seats: &[Seat],
    records: &[&Record],
) -> Vec<(PublicKey, Path)> {
    let mut linked: BTreeMap<(PublicKey, u32), Path> = BTreeMap::new();
    for record in records {
        let root = record.header().author;
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
        for (seat, place) in seats::of_root(seats, root) {
            linked.entry((key, place)).or_insert_with(|| Path {
                seat: place,
                bars: bars.of_device(key, root, seat.party),
            });
        }
    }
    let paths = linked.into_iter();
    paths.map(|((key, _), path)| (key, path)).collect()
}
