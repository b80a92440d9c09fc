//! How delegates come to a certificate: proposals, approvals, rejections, choice of a branch.
//!
//! Spec: `specs/charter.md` (form of proposals and approvals).

use super::{Body, BodyError};
use crate::{
    certificate::{BODY_MAX_BYTES, CertificateBody, TEXT_MAX_BYTES},
    codec::{Origin, Reader, Writer},
    id::EntryId,
    key::Signature,
};

/// A body put before the delegates whose signatures would certify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The encoded body of a later party state, a resolution or an order of erasure; its certificate has
    /// the id
    /// [`crate::certificate::body_id`].
    pub body: Vec<u8>,
}

impl Proposal {
    /// What is proposed.
    ///
    /// # Errors
    /// [`BodyError`] if it is no body, or one that needs no deliberation.
    pub fn decoded(&self) -> Result<CertificateBody, BodyError> {
        self.decoded_from(Origin::Anywhere)
    }

    fn decoded_from(&self, origin: Origin) -> Result<CertificateBody, BodyError> {
        let body = CertificateBody::decode_from(origin, &self.body)?;
        if body.is_proposable() {
            Ok(body)
        } else {
            Err(BodyError::NotProposable)
        }
    }
}

/// A delegate's signature under a proposed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The id that the certificate has.
    pub certificate: EntryId,
    /// The delegate's signature, to be put into the certificate: over the body, under
    /// [`crate::id::domain::CERTIFICATE_SIGNATURE`]. It can only be checked beside the body.
    pub signature: Signature,
}

/// A delegate's binding word never to approve a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The id that the certificate would have.
    pub certificate: EntryId,
    /// Why; Markdown, may be empty.
    pub reason: String,
}

/// A delegate's choice between certified children of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchChoice {
    /// The child, or a certificate further along its branch.
    pub chosen: EntryId,
}

impl Body for Proposal {
    fn write(&self, w: &mut Writer) {
        w.array(1).bytes(&self.body);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(1)?;
        let proposal = Self {
            body: r.bytes(BODY_MAX_BYTES)?.to_vec(),
        };
        proposal.decoded_from(r.origin())?;
        Ok(proposal)
    }
}

impl Body for Approval {
    fn write(&self, w: &mut Writer) {
        w.array(2)
            .bytes(self.certificate.as_bytes())
            .bytes(self.signature.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(2)?;
        Ok(Self {
            certificate: EntryId::from_bytes(r.fixed()?),
            signature: Signature::from_bytes(r.fixed()?),
        })
    }
}

impl Body for Rejection {
    fn write(&self, w: &mut Writer) {
        w.array(2)
            .bytes(self.certificate.as_bytes())
            .text(&self.reason);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(2)?;
        Ok(Self {
            certificate: EntryId::from_bytes(r.fixed()?),
            reason: r.text(TEXT_MAX_BYTES)?.to_owned(),
        })
    }
}

impl Body for BranchChoice {
    fn write(&self, w: &mut Writer) {
        w.array(1).bytes(self.chosen.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(1)?;
        Ok(Self {
            chosen: EntryId::from_bytes(r.fixed()?),
        })
    }
}
