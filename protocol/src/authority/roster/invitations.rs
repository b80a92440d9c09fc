//! Invitations, and the persons whom countersignatures let in by them.
//!
//! Spec: `specs/roster.md` §4.

use super::{Bar, Grant, RosterError, Signers, Statement, WithoutEffect};
use crate::{
    entry::Record,
    id::EntryId,
    key::PublicKey,
    record::{Countersignature, Invitation, InvitationApproval, RecordBody},
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
    without_effect: &mut WithoutEffect,
) -> BTreeMap<EntryId, Offered<'a>> {
    let mut offers: BTreeMap<EntryId, (&Record, &Invitation, Vec<Statement>)> = BTreeMap::new();
    for record in records {
        if let RecordBody::Invitation(offer) = record.body() {
            offers.insert(record.id(), (record, offer, Vec::new()));
        }
    }
    let mut approvals = Vec::new();
    for record in records {
        let RecordBody::InvitationApproval(it) = record.body() else {
            continue;
        };
        match approval(signers, record, it, offers.get_mut(&it.invitation)) {
            Ok(()) => approvals.push((record.id(), it.invitation)),
            Err(why) => without_effect.note(record.id(), why),
        }
    }
    let mut count = BTreeMap::new();
    for (id, (record, offer, approvals)) in offers {
        let offered = offered(signers, record, offer, approvals);
        let freely = offered.as_ref().map_err(|why| *why);
        if let Err(why) = freely.and_then(Grant::freely) {
            without_effect.note(id, why);
        }
        if let Ok(grant) = offered {
            let by = record.header().author;
            count.insert(id, Offered { by, offer, grant });
        }
    }
    for (approval, invitation) in approvals {
        if let Some(why) = without_effect.get(&invitation) {
            without_effect.note(approval, why);
        }
    }
    count
}

/// 4.2: an approval is a word for the invitation that it names, by a delegate of its party.
fn approval(
    signers: &Signers<'_>,
    record: &Record,
    it: &InvitationApproval,
    offer: Option<&mut (&Record, &Invitation, Vec<Statement>)>,
) -> Result<(), RosterError> {
    let (_, offer, said) = offer.ok_or(RosterError::NoInvitation(it.invitation))?;
    let statement = signers.statement(record, &offer.party)?;
    said.push(statement);
    Ok(())
}

fn offered(
    signers: &Signers<'_>,
    record: &Record,
    offer: &Invitation,
    approvals: Vec<Statement>,
) -> Result<Grant, RosterError> {
    let mut inviter = signers.statement(record, &offer.party)?;
    signers.names_a_countersigner(offer)?;
    // Its signer must be among them: whatever bars that one bars all of it.
    let bars = std::mem::take(&mut inviter.bars);
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
enum Walk {
    /// The record at this place.
    Enter(usize),
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
    without_effect: &mut WithoutEffect,
) -> Vec<LetIn<'a>> {
    let countersigners: BTreeSet<PublicKey> = invitations
        .values()
        .map(|it| it.offer.countersigner)
        .collect();
    let mut next: BTreeMap<EntryId, Vec<usize>> = BTreeMap::new();
    let mut walk = Vec::new();
    for (place, record) in records.iter().enumerate() {
        if countersigners.contains(&record.header().author) {
            match record.header().link.prev {
                None => walk.push(Walk::Enter(place)),
                Some(prev) => next.entry(prev).or_default().push(place),
            }
        }
    }
    let mut used: BTreeMap<EntryId, BTreeSet<PublicKey>> = BTreeMap::new();
    let mut reached = vec![false; records.len()];
    let mut count = Vec::new();
    while let Some(step) = walk.pop() {
        let place = match step {
            Walk::Enter(place) => place,
            Walk::Forget(invitation, member) => {
                used.entry(invitation).or_default().remove(&member);
                continue;
            }
        };
        let record = records[place];
        reached[place] = true;
        if let RecordBody::Countersignature(it) = record.body() {
            let judged = standing(signers, invitations, record, it).and_then(|(offer, ways)| {
                let members = used.entry(it.invitation).or_default();
                Ok((is_within_uses(offer, it, members)?, ways))
            });
            match judged {
                Ok((is_new, standing)) => {
                    if is_new {
                        let members = used.entry(it.invitation).or_default();
                        members.insert(it.member);
                        walk.push(Walk::Forget(it.invitation, it.member));
                    }
                    count.push(LetIn {
                        record,
                        it,
                        standing,
                    });
                }
                Err(why) => without_effect.note(record.id(), why),
            }
        }
        let following = next.get(&record.id()).into_iter().flatten();
        let following = following.filter(|place| follows(records[**place], record));
        walk.extend(following.map(|place| Walk::Enter(*place)));
    }
    let beyond = records
        .iter()
        .zip(&reached)
        .filter(|(_, reached)| !**reached);
    for (record, _) in beyond {
        if let RecordBody::Countersignature(it) = record.body() {
            // 4.5: the way from the beginning of the chain does not lead to it.
            let judged = standing(signers, invitations, record, it);
            let why = judged.err().unwrap_or(RosterError::Gap);
            without_effect.note(record.id(), why);
        }
    }
    count
}

/// Whether a record is the next one of its signer's chain.
fn follows(record: &Record, before: &Record) -> bool {
    let (header, before) = (record.header(), before.header());
    header.author == before.author && header.link.seq == before.link.seq + 1
}

/// The invitation of a countersignature, and in which ways its signer is a countersigner.
fn standing<'a>(
    signers: &Signers<'_>,
    invitations: &BTreeMap<EntryId, Offered<'a>>,
    record: &Record,
    it: &Countersignature,
) -> Result<(&'a Invitation, Vec<Vec<Bar>>), RosterError> {
    let offer = offer_of(invitations, it)?;
    is_by_the_countersigner(offer, record)?;
    names_its_key(offer, it)?;
    Ok((offer, signers.countersigns(record, &offer.party)?))
}

/// 4.2: the invitation that it names counts.
fn offer_of<'a>(
    invitations: &BTreeMap<EntryId, Offered<'a>>,
    it: &Countersignature,
) -> Result<&'a Invitation, RosterError> {
    let offered = invitations.get(&it.invitation);
    let offer = offered.map(|it| it.offer);
    offer.ok_or(RosterError::NoInvitation(it.invitation))
}

/// 4.3: it is signed by the key that the invitation names for that.
fn is_by_the_countersigner(offer: &Invitation, record: &Record) -> Result<(), RosterError> {
    match offer.countersigner == record.header().author {
        true => Ok(()),
        false => Err(RosterError::OtherCountersigner(offer.countersigner)),
    }
}

/// 4.4: it names the invitation's key.
fn names_its_key(offer: &Invitation, it: &Countersignature) -> Result<(), RosterError> {
    match offer.invitation_key == it.invitation_key {
        true => Ok(()),
        false => Err(RosterError::OtherKey(offer.invitation_key)),
    }
}

/// 4.6: fewer than `uses` other persons were let in on this branch, or this person was already.
/// Says whether the person is new.
fn is_within_uses(
    offer: &Invitation,
    it: &Countersignature,
    members: &BTreeSet<PublicKey>,
) -> Result<bool, RosterError> {
    if members.contains(&it.member) {
        return Ok(false);
    }
    match (members.len() as u64) < offer.uses {
        true => Ok(true),
        false => Err(RosterError::UsedUp { uses: offer.uses }),
    }
}
