//! Invitations, and the persons whom countersignatures let in by them.
//!
//! Spec: `specs/roster.md` §4.

use super::{Bar, Grant, Signers};
use crate::{
    entry::Record,
    id::EntryId,
    key::PublicKey,
    record::{Countersignature, Invitation, RecordBody},
};
use std::collections::{BTreeMap, BTreeSet};

/// An invitation that enough delegates of its party stood behind.
pub(super) struct Offered<'a> {
    pub(super) by: PublicKey,
    pub(super) offer: &'a Invitation,
    /// What the delegates gave, with what was taken from them since.
    pub(super) grant: Grant,
}

/// The invitations that enough delegates stood behind, by id.
///
/// One counts if enough delegates of its party stand behind it, its signer among them, and it names
/// a key that is or was a node or delegate of that party.
pub(super) fn invitations_that_count<'a>(
    signers: &Signers<'_>,
    records: &[&'a Record],
) -> BTreeMap<EntryId, Offered<'a>> {
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
        if let Some(grant) = offered(signers, record, offer, approvals) {
            let by = record.header().author;
            count.insert(record.id(), Offered { by, offer, grant });
        }
    }
    count
}

fn offered<'a>(
    signers: &Signers<'_>,
    record: &Record,
    offer: &Invitation,
    approvals: impl Iterator<Item = &'a Record>,
) -> Option<Grant> {
    let party = &offer.party;
    let mut inviter = signers.statement(record, party)?;
    if !signers.ever_countersigner(&offer.countersigner, party) {
        return None;
    }
    // Its signer must be among them: whatever bars that one bars all of it.
    let bars = std::mem::take(&mut inviter.bars);
    let approvals = approvals.filter_map(|it| signers.statement(it, party));
    Grant::agreed_by(bars, std::iter::once(inviter).chain(approvals).collect())
}

/// A countersignature within its quota.
pub(super) struct LetIn<'a> {
    pub(super) record: &'a Record,
    pub(super) it: &'a Countersignature,
    /// In which ways its signer is a countersigner, each with what stands in the way.
    pub(super) standing: Vec<Vec<Bar>>,
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
/// `prev`, and nothing else is counted. One that is barred takes its use all the same, so that
/// nobody is let in or out by what is taken from others.
pub(super) fn countersignatures_that_count<'a>(
    signers: &Signers<'_>,
    invitations: &BTreeMap<EntryId, Offered<'_>>,
    records: &[&'a Record],
) -> Vec<LetIn<'a>> {
    let countersigners: BTreeSet<PublicKey> = invitations
        .values()
        .map(|it| it.offer.countersigner)
        .collect();
    let mut next: BTreeMap<EntryId, Vec<&'a Record>> = BTreeMap::new();
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
            && let standing = signers.countersigns(record, &offer.party)
            && !standing.is_empty()
        {
            let members = used.entry(it.invitation).or_default();
            let is_new = !members.contains(&it.member);
            if !is_new || (members.len() as u64) < offer.uses {
                count.push(LetIn {
                    record,
                    it,
                    standing,
                });
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
    invitations: &BTreeMap<EntryId, Offered<'a>>,
    record: &Record,
    it: &Countersignature,
) -> Option<&'a Invitation> {
    let offer = invitations.get(&it.invitation)?.offer;
    (offer.countersigner == record.header().author && offer.invitation_key == it.invitation_key)
        .then_some(offer)
}
