//! What records say, one type each, with its canonical encoding.
//!
//! Spec: `specs/contribution.md` §6 (records), §7 (erasure), `specs/roster.md` (form of the
//! records), `specs/charter.md` (form of proposals and approvals).

use crate::{
    certificate::{CertificateError, CutTable},
    codec::{CodecError, Origin, Reader, Writer},
    id::EntryId,
    key::{KeyError, PublicKey},
};
use thiserror::Error;

mod deliberation;
mod erasure;
mod links;
mod membership;
mod narrowing;
mod receipt;
mod role;

pub use deliberation::{Approval, BranchChoice, Proposal, Rejection};
pub use erasure::Erasure;
pub use links::{DeviceLink, NodeLink, consent_message};
pub use membership::{Admission, Countersignature, Invitation, InvitationApproval, join_message};
pub use narrowing::{Departure, DeviceRevocation, Revocation, Target};
pub use receipt::{Acknowledge, ChainHead, NARROWINGS_MAX, RECEIPT_HEADS_MAX, Receipt};
pub use role::{Role, Roles};

/// Why bytes are not the body of a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Not canonical CBOR of the form.
    #[error("the body is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside is not usable: {0}")]
    Key(#[from] KeyError),
    /// A type this version does not know.
    #[error("record type {0} is not known here; a newer comity may read it")]
    UnknownType(u64),
    /// A role this version does not know.
    #[error("role {0} is not known here; a newer comity may read it")]
    UnknownRole(u64),
    /// The certificate's body in a proposal, or cuts, break a rule.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// A proposal of what needs no deliberation.
    #[error("only later states of a party, resolutions and orders of erasure are proposed")]
    NotProposable,
    /// A list is not strictly ascending.
    #[error("a list is not strictly ascending")]
    Order,
    /// A list that must name something is empty.
    #[error("a list that must name something is empty")]
    Empty,
}

/// The body of one type of record.
trait Body: Sized {
    fn write(&self, w: &mut Writer);
    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError>;
}

impl Body for CutTable {
    fn write(&self, w: &mut Writer) {
        Self::write(self, w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self::read(r)?)
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// See [`Invitation`].
    Invitation(Invitation),
    /// See [`Countersignature`].
    Countersignature(Countersignature),
    /// See [`Admission`].
    Admission(Admission),
    /// See [`DeviceLink`].
    DeviceLink(DeviceLink),
    /// See [`NodeLink`].
    NodeLink(NodeLink),
    /// See [`Revocation`].
    Revocation(Revocation),
    /// See [`Departure`].
    Departure(Departure),
    /// See [`DeviceRevocation`].
    DeviceRevocation(DeviceRevocation),
    /// See [`InvitationApproval`].
    InvitationApproval(InvitationApproval),
    /// See [`Proposal`].
    Proposal(Proposal),
    /// See [`Approval`].
    Approval(Approval),
    /// See [`Rejection`].
    Rejection(Rejection),
    /// See [`BranchChoice`].
    BranchChoice(BranchChoice),
    /// See [`Receipt`].
    Receipt(Receipt),
    /// See [`Erasure`].
    Erasure(Erasure),
    /// See [`Acknowledge`].
    Acknowledge(Acknowledge),
    /// See [`CutTable`].
    CutTable(CutTable),
}

impl RecordBody {
    /// The code of the record's type.
    pub fn record_type(&self) -> u64 {
        match self {
            Self::Invitation(_) => 1,
            Self::Countersignature(_) => 2,
            Self::Admission(_) => 3,
            Self::DeviceLink(_) => 4,
            Self::NodeLink(_) => 5,
            Self::Revocation(_) => 6,
            Self::Departure(_) => 7,
            Self::DeviceRevocation(_) => 8,
            Self::InvitationApproval(_) => 9,
            Self::Proposal(_) => 10,
            Self::Approval(_) => 11,
            Self::Rejection(_) => 12,
            Self::BranchChoice(_) => 13,
            Self::Receipt(_) => 16,
            Self::Erasure(_) => 17,
            Self::Acknowledge(_) => 18,
            Self::CutTable(_) => 19,
        }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let w = &mut writer;
        match self {
            Self::Invitation(it) => it.write(w),
            Self::Countersignature(it) => it.write(w),
            Self::Admission(it) => it.write(w),
            Self::DeviceLink(it) => it.write(w),
            Self::NodeLink(it) => it.write(w),
            Self::Revocation(it) => it.write(w),
            Self::Departure(it) => it.write(w),
            Self::DeviceRevocation(it) => it.write(w),
            Self::InvitationApproval(it) => it.write(w),
            Self::Proposal(it) => it.write(w),
            Self::Approval(it) => it.write(w),
            Self::Rejection(it) => it.write(w),
            Self::BranchChoice(it) => it.write(w),
            Self::Receipt(it) => it.write(w),
            Self::Erasure(it) => it.write(w),
            Self::Acknowledge(it) => it.write(w),
            Self::CutTable(it) => Body::write(it, w),
        }
        writer.finish()
    }

    /// Reads the body of a record of type `record_type`.
    ///
    /// # Errors
    /// [`BodyError`] names the first rule that is broken.
    pub fn decode(record_type: u64, bytes: &[u8]) -> Result<Self, BodyError> {
        Self::decode_from(Origin::Anywhere, record_type, bytes)
    }

    pub(crate) fn decode_from(
        origin: Origin,
        record_type: u64,
        bytes: &[u8],
    ) -> Result<Self, BodyError> {
        let mut reader = Reader::over(bytes, origin);
        let r = &mut reader;
        let body = match record_type {
            1 => Self::Invitation(Body::read(r)?),
            2 => Self::Countersignature(Body::read(r)?),
            3 => Self::Admission(Body::read(r)?),
            4 => Self::DeviceLink(Body::read(r)?),
            5 => Self::NodeLink(Body::read(r)?),
            6 => Self::Revocation(Body::read(r)?),
            7 => Self::Departure(Body::read(r)?),
            8 => Self::DeviceRevocation(Body::read(r)?),
            9 => Self::InvitationApproval(Body::read(r)?),
            10 => Self::Proposal(Body::read(r)?),
            11 => Self::Approval(Body::read(r)?),
            12 => Self::Rejection(Body::read(r)?),
            13 => Self::BranchChoice(Body::read(r)?),
            16 => Self::Receipt(Body::read(r)?),
            17 => Self::Erasure(Body::read(r)?),
            18 => Self::Acknowledge(Body::read(r)?),
            19 => Self::CutTable(Body::read(r)?),
            unknown => return Err(BodyError::UnknownType(unknown)),
        };
        reader.end()?;
        Ok(body)
    }
}

pub(crate) fn read_key(reader: &mut Reader<'_>) -> Result<PublicKey, BodyError> {
    Ok(PublicKey::of(reader.fixed()?, reader.origin())?)
}

fn write_ids(w: &mut Writer, ids: &[EntryId]) {
    w.array(ids.len());
    for id in ids {
        w.bytes(id.as_bytes());
    }
}

/// Ids, strictly ascending.
fn read_ids(r: &mut Reader<'_>, limit: usize) -> Result<Vec<EntryId>, BodyError> {
    let count = r.array(limit)?;
    let mut ids: Vec<EntryId> = Vec::with_capacity(count);
    for _ in 0..count {
        let id = EntryId::from_bytes(r.fixed()?);
        if ids.last().is_some_and(|last| *last >= id) {
            return Err(BodyError::Order);
        }
        ids.push(id);
    }
    Ok(ids)
}
