//! `GET /v0/communities/{id}/members`: who is and who was a member, with which devices, and what
//! waits for more delegates.

use super::{
    App,
    error::Failure,
    extract::{Name, State, blocking},
};
use crate::authors::Authors;
use axum::Json;
use comity_client::types::{
    Ending, MemberStanding, PendingRecord, Roster, RosterDevice, RosterMember,
};
use comity_protocol::{
    authority::Authority,
    entry::{Entry, Record},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
    record::{RecordBody, Role, Roles, Target},
    sync::AuthorTag,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) async fn members(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<Json<Roster>, Failure> {
    blocking(&app, move |app| {
        let community = app.find_community(&id)?;
        let unknown = || super::lookup::unknown("community", &id);
        let views = app.views(community).ok_or_else(unknown)?;
        let records = records(app, &community);
        let reading = Reading {
            app,
            community,
            authors: &views.authors,
            ends: Ends::of(&views.authors.authority, &records),
        };
        Ok(Json(Roster {
            members: reading.members(),
            pending: pending(&views.authors.authority, &reading.ends, &records),
        }))
    })
    .await
}

/// The records of the community's governance space, by signer and number.
fn records(app: &App, community: &CommunityId) -> Vec<Record> {
    let ledger = app.inner.ingest.ledger();
    let known = ledger.communities().get(community);
    let entries = known.into_iter().flat_map(|it| it.governance());
    let records = entries.filter_map(|entry| match &**entry {
        Entry::Record(record) => Some(record.clone()),
        _ => None,
    });
    let mut records: Vec<Record> = records.collect();
    records.sort_by_key(|it| (it.header().author, it.header().link.seq, it.id()));
    records
}

/// Records that count and say that something ended.
#[derive(Default)]
struct Ends<'a> {
    members: BTreeMap<(PublicKey, PartyId), Vec<&'a Record>>,
    devices: BTreeMap<PublicKey, Vec<&'a Record>>,
}

impl<'a> Ends<'a> {
    fn of(authority: &Authority, records: &'a [Record]) -> Self {
        let mut ends = Self::default();
        let counting = records
            .iter()
            .filter(|it| authority.narrowings().contains_key(&it.id()));
        for record in counting {
            match record.body() {
                RecordBody::Revocation(it) => match it.target {
                    Target::Member(root) => ends.member(root, it.party, record),
                    Target::Device(device) => ends.device(device, record),
                    Target::Role(..) => {}
                },
                RecordBody::Departure(it) => ends.member(record.header().author, it.party, record),
                RecordBody::DeviceRevocation(it) => ends.device(it.device, record),
                _ => {}
            }
        }
        ends
    }

    fn member(&mut self, root: PublicKey, party: PartyId, record: &'a Record) {
        self.members.entry((root, party)).or_default().push(record);
    }

    fn device(&mut self, device: PublicKey, record: &'a Record) {
        self.devices.entry(device).or_default().push(record);
    }
}

struct Reading<'a> {
    app: &'a App,
    community: CommunityId,
    authors: &'a Authors<'a>,
    ends: Ends<'a>,
}

impl Reading<'_> {
    fn authority(&self) -> &Authority {
        &self.authors.authority
    }

    fn members(&self) -> Vec<RosterMember> {
        let now = self.authority().members().keys();
        let once = self.ends.members.keys().map(|(root, _)| root);
        let roots: BTreeSet<&PublicKey> = now.chain(once).collect();
        roots.into_iter().map(|root| self.member(root)).collect()
    }

    fn member(&self, root: &PublicKey) -> RosterMember {
        let mut standings: BTreeMap<PartyId, MemberStanding> = BTreeMap::new();
        let held = self.authority().members().get(root);
        for (party, membership) in held.into_iter().flatten() {
            let standing = MemberStanding {
                roles: role_names(&membership.roles),
                admitted_by: Some(membership.admitted_by.to_string()),
                ..self.standing(party)
            };
            standings.insert(*party, standing);
        }
        let devices: Vec<PublicKey> = self.authority().devices_ever(root).collect();
        for ((_, party), records) in self.ends.members.iter().filter(|((of, _), _)| of == root) {
            if standings.contains_key(party) {
                continue;
            }
            let standing = MemberStanding {
                ended: Some(self.ending(records, &devices)),
                ..self.standing(party)
            };
            standings.insert(*party, standing);
        }
        RosterMember {
            root: root.to_string(),
            name: self.authors.name(root),
            standings: standings.into_values().collect(),
            devices: self.devices(root),
        }
    }

    fn standing(&self, party: &PartyId) -> MemberStanding {
        let chain = self.authority().party_chains().chain(party);
        MemberStanding {
            party: party.to_string(),
            party_name: chain.map_or_else(String::new, |it| it.current().1.name.clone()),
            roles: Vec::new(),
            admitted_by: None,
            ended: None,
        }
    }

    fn devices(&self, root: &PublicKey) -> Vec<RosterDevice> {
        let slots = self.authority().device_slots(root);
        let slot_of = |device: &PublicKey| {
            let mut slots = slots.into_iter().flatten();
            slots.find(|(_, it)| *it == device).map(|(slot, _)| *slot)
        };
        let devices = self.authority().devices_ever(root).map(|device| {
            let ends = self.ends.devices.get(&device);
            RosterDevice {
                key: device.to_string(),
                slot: slot_of(&device),
                ended: ends.map(|records| self.ending(records, &[device])),
            }
        });
        let mut devices: Vec<RosterDevice> = devices.collect();
        devices.sort_by(|a, b| {
            let of = |it: &RosterDevice| (it.slot.is_none(), it.slot, it.key.clone());
            of(a).cmp(&of(b))
        });
        devices
    }

    fn ending(&self, records: &[&Record], devices: &[PublicKey]) -> Ending {
        let left = records
            .iter()
            .all(|it| matches!(it.body(), RecordBody::Departure(_)));
        Ending {
            how: if left { "left" } else { "revoked" }.to_owned(),
            records: records.iter().map(|it| it.id().to_string()).collect(),
            by: records
                .iter()
                .map(|it| it.header().author.to_string())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            beyond: self.beyond(devices),
        }
    }

    /// How many entries of these devices are held, in the spaces that the caller reads.
    fn beyond(&self, devices: &[PublicKey]) -> u64 {
        let spaces = self.app.shown_spaces(&self.community);
        let held = self.app.inner.archive.held();
        let chains = spaces
            .iter()
            .flat_map(|space| devices.iter().map(move |device| (space, device)));
        let counts = chains.map(|(space, device)| {
            let tag = AuthorTag::new(space, device);
            held.of_author(space, &tag).count() as u64
        });
        counts.sum()
    }
}

fn role_names(roles: &Roles) -> Vec<String> {
    roles.iter().map(|it| it.name().to_owned()).collect()
}

/// What several delegates have to agree to, told apart by what it says.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Admission(PublicKey),
    Revocation(Target),
    Invitation(EntryId),
}

/// What delegates of parties signed and too few of them so far.
fn pending(authority: &Authority, ends: &Ends<'_>, records: &[Record]) -> Vec<PendingRecord> {
    let mut pending: BTreeMap<(PartyId, Subject), PendingRecord> = BTreeMap::new();
    for record in records {
        let Some((party, subject, roles)) = waiting(authority, record) else {
            continue;
        };
        if let Subject::Admission(member) = subject
            && ends.members.contains_key(&(member, party))
        {
            // Ended for good: no agreement brings it back.
            continue;
        }
        let signer = record.header().author;
        let Some(state) = authority.parties().get(&party) else {
            continue;
        };
        if state.admission_needed <= 1 || !state.delegates.contains(&signer) {
            continue;
        }
        let (what, target, about) = words(&subject);
        let of = pending
            .entry((party, subject))
            .or_insert_with(|| PendingRecord {
                id: record.id().to_string(),
                what: what.to_owned(),
                party: party.to_string(),
                target: target.map(str::to_owned),
                subject: about.map(|it| it.to_string()),
                roles: role_names(&roles),
                by: Vec::new(),
                needed: state.admission_needed,
            });
        let signer = signer.to_string();
        if !of.by.contains(&signer) {
            of.by.push(signer);
        }
    }
    add_approvals(authority, records, &mut pending);
    pending.into_values().collect()
}

fn words(subject: &Subject) -> (&'static str, Option<&'static str>, Option<PublicKey>) {
    match subject {
        Subject::Admission(member) => ("admission", None, Some(*member)),
        Subject::Revocation(Target::Member(root)) => ("revocation", Some("member"), Some(*root)),
        Subject::Revocation(Target::Device(it)) => ("revocation", Some("device"), Some(*it)),
        Subject::Revocation(Target::Role(root, _)) => ("revocation", Some("role"), Some(*root)),
        Subject::Invitation(_) => ("invitation", None, None),
    }
}

/// What a record asks for, unless it counts already.
fn waiting(authority: &Authority, record: &Record) -> Option<(PartyId, Subject, Roles)> {
    match record.body() {
        RecordBody::Admission(it) => {
            let known = authority.members().get(&it.member);
            let known = known.and_then(|of| of.get(&it.party));
            let granted = known.is_some_and(|known| it.roles.is_subset(&known.roles));
            let subject = Subject::Admission(it.member);
            (!granted).then(|| (it.party, subject, it.roles.clone()))
        }
        RecordBody::Revocation(it) => {
            let counts = authority.narrowings().contains_key(&record.id());
            let roles: Roles = match it.target {
                Target::Role(_, role) => [role].into_iter().collect(),
                Target::Member(_) | Target::Device(_) => BTreeSet::<Role>::new(),
            };
            (!counts).then_some((it.party, Subject::Revocation(it.target), roles))
        }
        RecordBody::Invitation(it) => {
            let counts = authority.invitations().contains_key(&record.id());
            let subject = Subject::Invitation(record.id());
            (!counts).then(|| (it.party, subject, it.roles.clone()))
        }
        _ => None,
    }
}

fn add_approvals(
    authority: &Authority,
    records: &[Record],
    pending: &mut BTreeMap<(PartyId, Subject), PendingRecord>,
) {
    for record in records {
        let RecordBody::InvitationApproval(it) = record.body() else {
            continue;
        };
        let signer = record.header().author;
        for (party, state) in authority.parties() {
            let subject = (*party, Subject::Invitation(it.invitation));
            if let Some(of) = pending.get_mut(&subject)
                && state.delegates.contains(&signer)
                && !of.by.contains(&signer.to_string())
            {
                of.by.push(signer.to_string());
            }
        }
    }
}
