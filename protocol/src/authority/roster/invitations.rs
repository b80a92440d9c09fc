//! Invitations, and the persons whom countersignatures let in by them.
//!
//! Spec: `specs/roster.md` §4.

use super::{Signers, agreed};
use crate::{
    authority::KnownInvitation,
    entry::Record,
    id::EntryId,
    key::PublicKey,
    record::{Countersignature, Invitation, RecordBody},
};
use std::collections::{BTreeMap, BTreeSet};

/// The invitations that count, by id.
///
/// One counts if enough delegates of its party stand behind it, its signer among them, and it names
/// a key that is or was a node or delegate of that party.
pub(super) fn invitations_that_count(
    signers: &Signers<'_>,
    records: &[&Record],
) -> BTreeMap<EntryId, KnownInvitation> {
    let mut approvals: BTreeMap<EntryId, Vec<&Record>> = BTreeMap::new();
    for record in records {
        if let RecordBody::InvitationApproval(it) = record.body() {
            approvals.entry(it.invitation).or_default().push(record);
        }
    }
    let mut count = BTreeMap::new();
    for record in records {
        let RecordBody::Invitation(offer) = record.body() else {
            continue;
        };
        let approvals = approvals.get(&record.id()).into_iter().flatten().copied();
        if invitation_counts(signers, record, offer, approvals) {
            let known = KnownInvitation {
                by: record.header().author,
                offer: offer.clone(),
                used_by: BTreeSet::new(),
            };
            count.insert(record.id(), known);
        }
    }
    count
}

fn invitation_counts<'a>(
    signers: &Signers<'_>,
    record: &'a Record,
    offer: &Invitation,
    approvals: impl Iterator<Item = &'a Record>,
) -> bool {
    let party = &offer.party;
    let said = |it: &Record| Some((it.header().author, signers.delegate_among(it, party)?));
    said(record).is_some_and(|inviter| {
        signers.ever_countersigner(&offer.countersigner, party)
            && agreed(std::iter::once(inviter).chain(approvals.filter_map(said)))
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
///
/// A further record never takes one back: what precedes an entry on its own branch is fixed by
/// `prev`, and nothing else is counted.
pub(super) fn countersignatures_that_count<'a>(
    signers: &Signers<'_>,
    invitations: &BTreeMap<EntryId, KnownInvitation>,
    records: &[&'a Record],
) -> Vec<(&'a Record, &'a Countersignature)> {
    let countersigners: BTreeSet<PublicKey> = invitations
        .values()
        .map(|it| it.offer.countersigner)
        .collect();
    let mut next: BTreeMap<EntryId, Vec<&Record>> = BTreeMap::new();
    let mut walk = Vec::new();
    for record in records {
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
            && let Some(offer) = offer_of(invitations, record, it)
            && signers.countersigns(record, &offer.party)
        {
            let members = used.entry(it.invitation).or_default();
            let is_new = !members.contains(&it.member);
            if !is_new || (members.len() as u64) < offer.uses {
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

/// The invitation that a countersignature is for, if it is one by its countersigner with its key.
fn offer_of<'a>(
    invitations: &'a BTreeMap<EntryId, KnownInvitation>,
    record: &Record,
    it: &Countersignature,
) -> Option<&'a Invitation> {
    let offer = &invitations.get(&it.invitation)?.offer;
    (offer.countersigner == record.header().author && offer.invitation_key == it.invitation_key)
        .then_some(offer)
}
