//! Certificates that a node puts together itself: once the approvals that stand in the governance
//! space suffice, whoever has them has the certificate, and no delegate need be there for it.

use crate::{
    archive::Archive,
    ledger::{Community, Ledger},
};
use comity_protocol::{
    authority::deliberation::{Approved, Deliberation, Outcome, Voices},
    certificate::{self, CertificateBody},
    entry::Entry,
    id::{CommunityId, EntryId},
    record::RecordBody,
};
use std::collections::{BTreeMap, BTreeSet};

/// Whether an entry may be what a certificate still lacked.
pub(super) fn may_complete(entry: &Entry) -> bool {
    match entry {
        Entry::Record(it) => matches!(it.body(), RecordBody::Proposal(_) | RecordBody::Approval(_)),
        // It may be the parent of what is proposed.
        Entry::Certificate(_) => true,
        Entry::Contribution(_) | Entry::Bare(_) => false,
    }
}

/// The certificates of all proposals that are carried and not certified yet.
pub(super) fn carried(ledger: &Ledger, archive: &Archive, community: &CommunityId) -> Vec<Entry> {
    let Some(known) = ledger.communities().get(community) else {
        return Vec::new();
    };
    let mut proposed = proposed(known);
    // Orders of erasure stand in other sets. One that cannot be looked up is assembled once more.
    proposed.retain(|id, (body, _)| {
        let is_order = matches!(body, CertificateBody::ErasureOrder(_));
        !is_order || !archive.contains(id).unwrap_or(false)
    });
    if proposed.is_empty() {
        return Vec::new();
    }
    let voices = voices(known, &proposed);
    let authority = known.authority();
    let bodies = proposed
        .iter()
        .map(|(id, (body, _))| (*id, body.clone()))
        .collect();
    let weighed = Deliberation::weigh(
        authority.charter(),
        authority.party_chains(),
        bodies,
        &voices,
    );
    weighed
        .motions()
        .filter(|motion| motion.outcome == Outcome::Carried)
        .filter_map(|motion| weighed.assemble(&motion.id))
        .map(Entry::Certificate)
        .collect()
}

type Proposed<'a> = BTreeMap<EntryId, (CertificateBody, &'a [u8])>;

fn proposed(known: &Community) -> Proposed<'_> {
    let mut proposed = Proposed::new();
    let mut certified = BTreeSet::new();
    for entry in known.governance() {
        if let Entry::Certificate(it) = &**entry {
            certified.insert(it.id());
        } else if let Entry::Record(record) = &**entry
            && let RecordBody::Proposal(proposal) = record.body()
            && let Ok(body) = proposal.decoded()
        {
            let id = certificate::body_id(&proposal.body);
            proposed.insert(id, (body, proposal.body.as_slice()));
        }
    }
    proposed.retain(|id, _| !certified.contains(id));
    proposed
}

fn voices(known: &Community, proposed: &Proposed<'_>) -> Voices {
    let mut voices = Voices::default();
    for entry in known.governance() {
        let Entry::Record(record) = &**entry else {
            continue;
        };
        let by = record.header().author;
        match record.body() {
            RecordBody::Approval(it) => {
                let Some((_, body)) = proposed.get(&it.certificate) else {
                    continue;
                };
                if let Some(approved) = Approved::check(body, by, it.signature) {
                    voices.approve(approved);
                }
            }
            RecordBody::Rejection(it) => voices.reject(it.certificate, by),
            _ => {}
        }
    }
    voices
}
