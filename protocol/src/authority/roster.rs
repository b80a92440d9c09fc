//! The roster: who is a member, by whose grant, with which devices and nodes.
//!
//! Rules, each in one function:
//! 1. An invitation counts if a delegate of its party signed it, the party admits by one delegate,
//!    and it names a node or delegate of that party as countersigner.
//! 2. A countersignature counts if the named countersigner signed it for a known invitation and
//!    both the invitation key and the person signed the request; along the countersigner's chain
//!    only the first `uses` persons count.
//! 3. An admission counts if a delegate of its party signed it and the party admits by one.
//! 4. A device belongs to the root key that linked it with the device's consent; of two claims for
//!    one slot or one device the lower (seq, id) or root key counts.
//! 5. A node serves a member who linked it with the node's consent: the first eight per root key.

use super::{Authority, DEVICE_SLOTS, KnownInvitation, Membership, NODES_PER_ROOT_MAX};
use crate::{
    entry::Record,
    id::{EntryId, PartyId, domain},
    key::{self, PublicKey},
    record::{self, Countersignature, DeviceLink, Invitation, NodeLink, RecordBody, Roles},
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
    for record in in_chain_order(records) {
        match record.body() {
            RecordBody::Countersignature(it) => countersign(authority, record, it),
            RecordBody::Admission(it) if delegate_admits(authority, record, &it.party) => {
                admit(authority, it.member, it.party, &it.roles, record.id());
            }
            RecordBody::DeviceLink(it) => link_device(authority, record, it),
            RecordBody::NodeLink(it) => link_node(authority, record, it),
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

fn countersign(authority: &mut Authority, record: &Record, it: &Countersignature) {
    let space = authority.governance_space;
    let Some(invitation) = authority.invitations.get_mut(&it.invitation) else {
        return;
    };
    if invitation.offer.countersigner != record.header().author {
        return;
    }
    let message = record::join_message(space, it.invitation, &it.member);
    let holds =
        |key, signature| key::verify(key, domain::JOIN_SIGNATURE, &message, signature).is_ok();
    if !holds(&invitation.offer.invitation_key, &it.by_invitation)
        || !holds(&it.member, &it.by_member)
    {
        return;
    }
    if !invitation.used_by.contains(&it.member)
        && invitation.used_by.len() as u64 >= invitation.offer.uses
    {
        return;
    }
    invitation.used_by.insert(it.member);
    let (party, roles) = (invitation.offer.party, invitation.offer.roles.clone());
    admit(authority, it.member, party, &roles, record.id());
}

fn delegate_admits(authority: &Authority, record: &Record, party: &PartyId) -> bool {
    authority.parties.get(party).is_some_and(|state| {
        state.admission_needed == 1 && state.delegates.contains(&record.header().author)
    })
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

fn link_device(authority: &mut Authority, record: &Record, it: &DeviceLink) {
    let root = record.header().author;
    let message = record::consent_message(record.header().space, &root, &it.device);
    let domain = domain::DEVICE_CONSENT_SIGNATURE;
    if key::verify(&it.device, domain, &message, &it.by_device).is_err() {
        return;
    }
    let slots = authority.device_slots.entry(root).or_default();
    if slots.len() >= DEVICE_SLOTS || slots.contains_key(&it.slot) {
        return;
    }
    slots.insert(it.slot, it.device);
    // A device whose holder consented to two root keys belongs to the lower one: signers come in
    // ascending order.
    authority.devices.entry(it.device).or_insert(root);
}

fn link_node(authority: &mut Authority, record: &Record, it: &NodeLink) {
    let root = record.header().author;
    let message = record::consent_message(record.header().space, &root, &it.node);
    if key::verify(
        &it.node,
        domain::NODE_CONSENT_SIGNATURE,
        &message,
        &it.by_node,
    )
    .is_err()
    {
        return;
    }
    let count = authority
        .member_nodes
        .values()
        .filter(|owner| **owner == root)
        .count();
    if count < NODES_PER_ROOT_MAX {
        authority.member_nodes.entry(it.node).or_insert(root);
    }
}
