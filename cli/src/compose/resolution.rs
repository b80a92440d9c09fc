//! Deliberation: proposals, approvals, rejections, the choice of a branch.

use super::{Chain, ComposeError};
use comity_protocol::{
    certificate::{CertificateBody, CertificateError, body_id, sign_body},
    entry::Record,
    id::EntryId,
    key::SecretKey,
    record::{Approval, BranchChoice, Proposal, RecordBody, Rejection},
};

/// Puts a body before the delegates. Its certificate will have the id that comes with it.
///
/// # Errors
/// If the body breaks a rule by itself, such as a name that is too long.
pub fn propose(
    chain: &mut Chain<'_>,
    time_ms: u64,
    body: &CertificateBody,
) -> Result<(EntryId, Record), ComposeError> {
    body.check()?;
    let bytes = body.encode();
    // The reader's checks are the writer's checks.
    if CertificateBody::decode(&bytes)? != *body {
        return Err(CertificateError::Order.into());
    }
    let id = body_id(&bytes);
    let proposal = Proposal { body: bytes };
    Ok((id, chain.record(time_ms, RecordBody::Proposal(proposal))))
}

/// Approves a body: the signature goes into its certificate, and cannot be taken back.
pub fn approve(chain: &mut Chain<'_>, time_ms: u64, root: &SecretKey, body: &[u8]) -> Record {
    let approval = Approval {
        certificate: body_id(body),
        signature: sign_body(root, body),
    };
    chain.record(time_ms, RecordBody::Approval(approval))
}

/// Rejects a body, for good.
pub fn reject(chain: &mut Chain<'_>, time_ms: u64, id: EntryId, reason: &str) -> Record {
    let rejection = Rejection {
        certificate: id,
        reason: reason.to_owned(),
    };
    chain.record(time_ms, RecordBody::Rejection(rejection))
}

/// Chooses one of several certified children.
pub fn choose(chain: &mut Chain<'_>, time_ms: u64, id: EntryId) -> Record {
    chain.record(
        time_ms,
        RecordBody::BranchChoice(BranchChoice { chosen: id }),
    )
}
