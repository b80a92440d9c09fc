//! The roster: who is a member, by whose grant, with which devices and nodes.
//!
//! Rules, each in one function:
//! 1. An invitation counts if a delegate of its party signed it, the party admits by one delegate,
//!    and it names a node or delegate of that party as countersigner.
//! 2. A countersignature counts if the named countersigner signed it for a known invitation and
//!    it names the key of that invitation, and if fewer than `uses` other
//!    persons were let in before it along its own branch of the countersigner's chain, which must
//!    be here without a gap.
//! 3. An admission counts if a delegate of its party signed it and the party admits by one.
//! 4. A device belongs to every root key that linked it with the device's consent.
//! 5. A node serves every member who linked it with the node's consent.
//!
//! A further record never takes a grant away: what precedes an entry on its own branch is fixed by
//! `prev`, and nothing else is counted. Otherwise whoever forks their own chain could make nodes
//! disagree for good about what was in effect before. Narrowing is for revocations with cuts.
//!
//! The consents of invitation keys, members, devices and nodes are checked with the record's own signature, in
//! [`crate::entry::Verified`].

use super::{Authority, KnownInvitation, Membership};
use crate::{
    entry::Record,
    id::{EntryId, PartyId},
    key::PublicKey,
    record::{Countersignature, Invitation, RecordBody, Roles},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn evaluate(authority: &mut Authority, records: &BTreeMap<EntryId, &Record>) {
    for (id, record) in records {
        if let RecordBody::Invitation(offer) = record.body()
            && invitation_counts(authority, &record.header().author, offer)
        {
            let known = KnownInvitation {
                by: record.header().author,
                offer: offer.clone(),
                used_by: BTreeSet::new(),
            };
            authority.invitations.insert(*id, known);
        }
    }
    for (record, it) in countersignatures_that_count(authority, records) {
        if let Some(invitation) = authority.invitations.get_mut(&it.invitation) {
            invitation.used_by.insert(it.member);
            let (party, roles) = (invitation.offer.party, invitation.offer.roles.clone());
            admit(authority, it.member, party, &roles, record.id());
        }
    }
    for record in in_chain_order(records) {
        let signer = record.header().author;
        match record.body() {
            RecordBody::Admission(it) if delegate_admits(authority, &signer, &it.party) => {
                admit(authority, it.member, it.party, &it.roles, record.id());
            }
            RecordBody::DeviceLink(it) => {
                authority
                    .devices
                    .entry(it.device)
                    .or_default()
                    .insert(signer);
                // For display: of two devices in one slot the first along the chain is shown.
                let slots = authority.device_slots.entry(signer).or_default();
                slots.entry(it.slot).or_insert(it.device);
            }
            RecordBody::NodeLink(it) => {
                authority
                    .member_nodes
                    .entry(it.node)
                    .or_default()
                    .insert(signer);
            }
            _ => {}
        }
    }
}

/// Records of every signer along its chain, whatever order they arrived in.
fn in_chain_order<'a>(records: &BTreeMap<EntryId, &'a Record>) -> Vec<&'a Record> {
    let mut ordered: Vec<&Record> = records.values().copied().collect();
    ordered.sort_by_key(|it| (it.header().author, it.header().link.seq, it.id()));
    ordered
}

fn invitation_counts(authority: &Authority, by: &PublicKey, offer: &Invitation) -> bool {
    authority.parties.get(&offer.party).is_some_and(|party| {
        party.delegates.contains(by)
            && party.admission_needed == 1
            && (party.nodes.contains(&offer.countersigner)
                || party.delegates.contains(&offer.countersigner))
    })
}

/// A step of the walk over the branches of one signer's chain.
enum Walk<'a> {
    Enter(&'a Record),
    /// Back out of the branch on which this person was the invitation's newest.
    Forget(EntryId, PublicKey),
}

/// The countersignatures within their quota. Each branch of a forked chain counts by itself, so the
/// walk takes a use back when it leaves the branch: its cost does not grow with the forks.
fn countersignatures_that_count<'a>(
    authority: &Authority,
    records: &BTreeMap<EntryId, &'a Record>,
) -> Vec<(&'a Record, &'a Countersignature)> {
    let countersigners: BTreeSet<PublicKey> = authority
        .invitations
        .values()
        .map(|it| it.offer.countersigner)
        .collect();
    let mut next: BTreeMap<EntryId, Vec<&Record>> = BTreeMap::new();
    let mut walk = Vec::new();
    for record in records.values() {
        if countersigners.contains(&record.header().author) {
            match record.header().link.prev {
                None => walk.push(Walk::Enter(record)),
                Some(prev) => next.entry(prev).or_default().push(record),
            }
        }
    }
    let mut used: BTreeMap<EntryId, BTreeSet<PublicKey>> = BTreeMap::new();
    let mut count = Vec::new();
    while let Some(step) = walk.pop() {
        let record = match step {
            Walk::Enter(record) => record,
            Walk::Forget(invitation, member) => {
                used.entry(invitation).or_default().remove(&member);
                continue;
            }
        };
        if let RecordBody::Countersignature(it) = record.body()
            && let Some(uses) = uses_offered(authority, record, it)
        {
            let members = used.entry(it.invitation).or_default();
            let is_new = !members.contains(&it.member);
            if !is_new || (members.len() as u64) < uses {
                count.push((record, it));
                if is_new {
                    members.insert(it.member);
                    walk.push(Walk::Forget(it.invitation, it.member));
                }
            }
        }
        let following = next.get(&record.id()).into_iter().flatten();
        walk.extend(
            following
                .filter(|it| follows(it, record))
                .map(|it| Walk::Enter(it)),
        );
    }
    count
}

fn follows(record: &Record, before: &Record) -> bool {
    let (header, before) = (record.header(), before.header());
    header.author == before.author && header.link.seq == before.link.seq + 1
}

/// How many persons the invitation lets in, if this is a countersignature for it.
fn uses_offered(authority: &Authority, record: &Record, it: &Countersignature) -> Option<u64> {
    let offer = &authority.invitations.get(&it.invitation)?.offer;
    (offer.countersigner == record.header().author && offer.invitation_key == it.invitation_key)
        .then_some(offer.uses)
}

fn delegate_admits(authority: &Authority, signer: &PublicKey, party: &PartyId) -> bool {
    authority
        .parties
        .get(party)
        .is_some_and(|state| state.admission_needed == 1 && state.delegates.contains(signer))
}

fn admit(authority: &mut Authority, member: PublicKey, party: PartyId, roles: &Roles, by: EntryId) {
    let standing = authority.members.entry(member).or_default();
    let membership = standing.entry(party).or_insert_with(|| Membership {
        roles: Roles::new(),
        admitted_by: by,
    });
    membership.roles.extend(roles);
    membership.admitted_by = membership.admitted_by.min(by);
}
