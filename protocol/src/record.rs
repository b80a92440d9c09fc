//! A record: one signed statement about the community rather than a document.
//!
//! Invitations, admissions, device links, receipts and erasures share this one envelope. A record
//! stands on its signer's chain in one space, the same chain that the signer's contributions
//! there stand on, so a gap or a fork shows whatever was withheld or doubled.
//!
//! Spec: `specs/contribution.md` §6 (records).

use crate::{
    codec::{Origin, Writer},
    contribution::{ChainLink, Context, HEADER_VERSION, HeaderError, begin_header},
    id::{EntryId, GovernanceDigest, ID_BYTES, SpaceId, digest, domain},
    key::{PublicKey, SecretKey},
    limits::{PAYLOAD_MAX_BYTES, TIME_MAX_MS},
};

mod body;

pub use crate::certificate::CutTable;
pub use body::{
    Acknowledge, Admission, Approval, BodyError, BranchChoice, ChainHead, Countersignature,
    Departure, DeviceLink, DeviceRevocation, Erasure, Invitation, InvitationApproval,
    NARROWINGS_MAX, NodeLink, Proposal, RECEIPT_HEADS_MAX, Receipt, RecordBody, Rejection,
    Revocation, Role, Roles, Target, consent_message, join_message,
};

const HEADER_FIELDS: usize = 10;

/// What a record's signer states about it, bound to space, chain and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Code of the record's type; unknown ones are kept out with a clear reason.
    pub record_type: u64,
    /// The space whose set holds the record.
    pub space: SpaceId,
    /// Who signs: a root key, device, delegate or node.
    pub author: PublicKey,
    /// Place in the signer's chain in this space.
    pub link: ChainLink,
    /// Digest of the governance records the signer knew.
    pub governance: GovernanceDigest,
    /// Claimed time in milliseconds since the Unix epoch; for display only.
    pub time_ms: u64,
    /// Digest of the body.
    pub body_hash: [u8; ID_BYTES],
    /// Bytes of the body.
    pub body_bytes: u32,
}

impl RecordHeader {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer
            .array(HEADER_FIELDS)
            .uint(HEADER_VERSION)
            .uint(self.record_type);
        writer
            .bytes(self.space.as_bytes())
            .bytes(self.author.as_bytes());
        self.link.write(&mut writer);
        writer.bytes(self.governance.as_bytes()).uint(self.time_ms);
        writer.bytes(&self.body_hash).uint(self.body_bytes.into());
        writer.finish()
    }

    /// Reads a record header and checks everything that needs nothing but the header.
    ///
    /// # Errors
    /// [`HeaderError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::decode_from(Origin::Anywhere, bytes)
    }

    /// Reads a record header without the costly check of its signer's key. Only for a node's own
    /// record, or where nothing rests on the key.
    ///
    /// # Errors
    /// As [`RecordHeader::decode`].
    pub fn decode_own_record(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::decode_from(Origin::OwnRecord, bytes)
    }

    pub(crate) fn decode_from(origin: Origin, bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = begin_header(bytes, HEADER_FIELDS)?;
        let record_type = reader.uint()?;
        let space = SpaceId::from_bytes(reader.fixed()?);
        let author = PublicKey::of(reader.fixed()?, origin)?;
        let link = ChainLink::read(&mut reader)?;
        let governance = GovernanceDigest::from_bytes(reader.fixed()?);
        let time_ms = reader.uint_max(TIME_MAX_MS)?;
        let body_hash = reader.fixed()?;
        let body_bytes = reader.uint_max(PAYLOAD_MAX_BYTES as u64)? as u32;
        reader.end()?;
        Ok(Self {
            record_type,
            space,
            author,
            link,
            governance,
            time_ms,
            body_hash,
            body_bytes,
        })
    }
}

/// The id of a record whose header has this encoding.
pub(crate) fn id_of(header: &[u8]) -> EntryId {
    EntryId::from_bytes(digest(domain::RECORD_ID, &[header]))
}

pub(crate) fn body_hash(body: &[u8]) -> [u8; ID_BYTES] {
    digest(domain::RECORD_BODY, &[body])
}

/// Signs a record.
///
/// # Panics
/// If the body is larger than [`PAYLOAD_MAX_BYTES`]; bodies are bounded by their own limits.
pub fn sign(secret: &SecretKey, context: &Context, body: RecordBody) -> crate::entry::Record {
    let encoded_body = body.encode();
    assert!(
        encoded_body.len() <= PAYLOAD_MAX_BYTES,
        "record bodies are bounded by their limits"
    );
    let header = RecordHeader {
        record_type: body.record_type(),
        space: context.space,
        author: secret.public(),
        link: context.link,
        governance: context.governance,
        time_ms: context.time_ms,
        body_hash: body_hash(&encoded_body),
        body_bytes: encoded_body.len() as u32,
    };
    let encoded = header.encode();
    let signature = secret.sign(domain::RECORD_SIGNATURE, &encoded);
    crate::entry::Record::from_parts(header, encoded, signature, body, encoded_body)
}
