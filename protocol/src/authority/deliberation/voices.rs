//! What delegates said about motions.

use crate::{
    certificate::{self, CertificateBody},
    id::{EntryId, domain},
    key::{self, PublicKey, Signature},
    record::RecordBody,
};
use std::collections::{BTreeMap, BTreeSet};

/// An approval whose signature holds under the body it approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approved {
    certificate: EntryId,
    by: PublicKey,
    signature: Signature,
}

impl Approved {
    /// Checks the signature under an encoded body. None if it does not hold, and so approves nothing.
    pub fn check(body: &[u8], by: PublicKey, signature: Signature) -> Option<Self> {
        let holds = key::verify(&by, domain::CERTIFICATE_SIGNATURE, body, &signature).is_ok();
        holds.then(|| Self {
            certificate: certificate::body_id(body),
            by,
            signature,
        })
    }

    /// The body that is approved, by its id.
    pub fn certificate(&self) -> EntryId {
        self.certificate
    }

    /// Who approves.
    pub fn by(&self) -> PublicKey {
        self.by
    }
}

/// Bodies that were proposed, by the id that their certificate has.
pub type Proposed = BTreeMap<EntryId, CertificateBody>;

/// What was said about motions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voices {
    approvals: BTreeMap<EntryId, BTreeMap<PublicKey, Signature>>,
    unseen: BTreeMap<PublicKey, BTreeSet<EntryId>>,
    rejections: BTreeMap<EntryId, BTreeSet<PublicKey>>,
    ordered: BTreeSet<EntryId>,
}

impl Voices {
    /// Gathers proposals, approvals and rejections from the records of a governance space, each
    /// given with its signer. Approvals whose signature does not hold are none.
    pub fn gather<'a>(
        records: impl IntoIterator<Item = (PublicKey, &'a RecordBody)>,
    ) -> (Proposed, Self) {
        let mut bodies: BTreeMap<EntryId, &[u8]> = BTreeMap::new();
        let mut proposed = Proposed::new();
        let mut approvals = Vec::new();
        let mut voices = Self::default();
        for (by, record) in records {
            match record {
                RecordBody::Proposal(it) => {
                    if let Ok(body) = it.decoded() {
                        let id = certificate::body_id(&it.body);
                        bodies.insert(id, &it.body);
                        proposed.insert(id, body);
                    }
                }
                RecordBody::Approval(it) => approvals.push((by, it)),
                RecordBody::Rejection(it) => voices.reject(it.certificate, by),
                _ => {}
            }
        }
        for (by, it) in approvals {
            match bodies.get(&it.certificate) {
                None => voices.approve_unseen(it.certificate, by),
                Some(body) => {
                    if let Some(it) = Approved::check(body, by, it.signature) {
                        voices.approve(it);
                    }
                }
            }
        }
        (proposed, voices)
    }

    /// Takes in an approval.
    pub fn approve(&mut self, approved: Approved) {
        let of_motion = self.approvals.entry(approved.certificate).or_default();
        // Of several signatures by one key any holds; the lowest is kept, so that order plays no part.
        let signature = of_motion.entry(approved.by).or_insert(approved.signature);
        if approved.signature.as_bytes() < signature.as_bytes() {
            *signature = approved.signature;
        }
    }

    /// Takes in an approval of something that is not here: whoever gave it must wait for it.
    pub fn approve_unseen(&mut self, certificate: EntryId, by: PublicKey) {
        self.unseen.entry(by).or_default().insert(certificate);
    }

    /// Takes in a rejection.
    pub fn reject(&mut self, certificate: EntryId, by: PublicKey) {
        self.rejections.entry(certificate).or_default().insert(by);
    }

    /// Says that an order of erasure is certified: its certificate stands in the set of another space,
    /// which deliberation does not read.
    pub fn certify_order(&mut self, order: EntryId) {
        self.ordered.insert(order);
    }

    pub(super) fn is_ordered(&self, order: &EntryId) -> bool {
        self.ordered.contains(order)
    }

    pub(super) fn approved(&self, motion: &EntryId, by: &PublicKey) -> bool {
        let of_motion = self.approvals.get(motion);
        of_motion.is_some_and(|it| it.contains_key(by))
    }

    pub(super) fn rejected(&self, motion: &EntryId, by: &PublicKey) -> bool {
        self.rejections
            .get(motion)
            .is_some_and(|it| it.contains(by))
    }

    pub(super) fn approvals_of(&self, motion: &EntryId) -> Option<&BTreeMap<PublicKey, Signature>> {
        self.approvals.get(motion)
    }

    pub(super) fn unseen_of(&self, by: &PublicKey) -> impl Iterator<Item = &EntryId> {
        self.unseen.get(by).into_iter().flatten()
    }
}
