//! The signatures that a record carries beside its author's: consents of devices, nodes and those who
//! ask in.

use super::Record;
use crate::{
    id::domain,
    key::{self, BadSignature, PublicKey, Signature},
    record::{self, RecordBody},
};

impl Record {
    /// Checks the signature and the consents inside.
    ///
    /// # Errors
    /// [`BadSignature`] if one does not hold.
    pub(super) fn check(&self) -> Result<(), BadSignature> {
        let author = &self.header.author;
        key::verify(
            author,
            domain::RECORD_SIGNATURE,
            &self.header_bytes,
            &self.signature,
        )?;
        self.consents()
            .iter()
            .try_for_each(|it| key::verify(&it.key, it.domain, &it.message, &it.signature))
    }

    /// The signatures inside by which others agree to what the record says about them.
    pub(super) fn consents(&self) -> Vec<Consent> {
        let header = &self.header;
        match &self.body {
            RecordBody::DeviceLink(it) => vec![Consent {
                key: it.device,
                domain: domain::DEVICE_CONSENT_SIGNATURE,
                message: record::consent_message(header.space, &header.author, &it.device),
                signature: it.by_device,
            }],
            RecordBody::NodeLink(it) => vec![Consent {
                key: it.node,
                domain: domain::NODE_CONSENT_SIGNATURE,
                message: record::consent_message(header.space, &header.author, &it.node),
                signature: it.by_node,
            }],
            RecordBody::Countersignature(it) => {
                let message = record::join_message(header.space, it.invitation, &it.member);
                let asked = |key, signature| Consent {
                    key,
                    domain: domain::JOIN_SIGNATURE,
                    message: message.clone(),
                    signature,
                };
                vec![
                    asked(it.invitation_key, it.by_invitation),
                    asked(it.member, it.by_member),
                ]
            }
            _ => Vec::new(),
        }
    }
}

/// A signature inside a record, and what it is over.
pub(super) struct Consent {
    pub(super) key: PublicKey,
    pub(super) domain: &'static [u8],
    pub(super) message: Vec<u8>,
    pub(super) signature: Signature,
}
