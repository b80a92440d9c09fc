//! An entry: one element of a space's set, as it stands on the wire, and the first two stages of
//! the pipeline, `decode → verify`.
//!
//! Decoding checks everything that needs nothing but the bytes: canonical form, limits, and that
//! each part matches the digest that its header commits to. [`Verified`] can only be built by
//! checking signatures, and later stages take nothing else.
//!
//! Spec: `specs/contribution.md` §2 (wire form), §7 (erased words).

use crate::{
    certificate::{Certificate, CertificateError},
    codec::{CodecError, ItemType, Origin, Reader, Writer},
    contribution::{self, Header, HeaderError, Payload},
    document,
    id::{EntryId, SpaceId, domain},
    key::{BatchItem, Signature},
    limits::{HEADER_MAX_BYTES, PAYLOAD_MAX_BYTES},
    record::{self, BodyError, RecordBody, RecordHeader},
};
use thiserror::Error;

mod bare;
mod consent;
mod erased;
mod place;
mod verified;
mod wordless;

pub use bare::{BareHeader, Headed, bare_id};
pub use erased::{ErasedBy, ORDER_MAX_BYTES};
pub use place::EntryKey;
pub use verified::{Verified, VerifyError};

/// Largest encoding of an entry, in bytes: payload, header, signature, framing, and the order of
/// erasure that may stand in place of a few words. An erasure by the author is smaller than what
/// headers leave of their limit.
pub const ENTRY_MAX_BYTES: usize = PAYLOAD_MAX_BYTES + HEADER_MAX_BYTES + 1024 + ORDER_MAX_BYTES;

const TAG_CONTRIBUTION: u64 = 0;
const TAG_RECORD: u64 = 1;
const TAG_CERTIFICATE: u64 = 2;

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntryError {
    /// Not canonical CBOR of the form.
    #[error("the entry is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// Its header breaks a rule.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The body of a record breaks a rule.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// A certificate breaks a rule.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The shape is not the one its header commits to.
    #[error("the shape does not match the digest in the header")]
    ShapeHash,
    /// The words are not those the header commits to.
    #[error("the words do not match the digest in the header")]
    WordsHash,
    /// The body of a record is not the one its header commits to.
    #[error("the body of the record does not match the digest in its header")]
    BodyHash,
    /// Words are absent and no erasure of this contribution stands beside it.
    #[error("words are absent without an erasure of this contribution")]
    WordsMissing,
    /// An entry type this version does not know.
    #[error("entry type {0} is not known here; a newer comity may read it")]
    UnknownType(u64),
}

/// The words of a contribution, or what stands in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Nonce and texts, matching their digest.
    Present(Vec<u8>),
    /// The erasure by their author, or the order of a quorum.
    Erased(ErasedBy),
    /// Whoever gave the contribution does not keep them. What they are is known by their digest, and
    /// they are to be fetched from somebody who does. Never a reason to give up words that are here.
    NotKept,
}

/// A contribution whose parts match its header; its signature is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    id: EntryId,
    header: Header,
    header_bytes: Vec<u8>,
    signature: Signature,
    shape: Vec<u8>,
    words: Words,
}

impl Contribution {
    pub(crate) fn from_parts(
        header: Header,
        header_bytes: Vec<u8>,
        signature: Signature,
        payload: Payload,
    ) -> Self {
        let id = contribution::id_of(&header_bytes);
        let words = Words::Present(payload.words);
        Self {
            id,
            header,
            header_bytes,
            signature,
            shape: payload.shape,
            words,
        }
    }

    /// Assembles a contribution from its stored parts.
    ///
    /// # Errors
    /// If a part breaks a rule or does not match the header.
    pub fn assemble(
        header_bytes: Vec<u8>,
        signature: Signature,
        shape: Vec<u8>,
        words: Words,
    ) -> Result<Self, EntryError> {
        let header = Header::decode(&header_bytes)?;
        Self::from_checked(header, header_bytes, signature, shape, words)
    }

    /// The same without the costly check of the author's key. Only for a node's own record.
    ///
    /// # Errors
    /// As [`Contribution::assemble`].
    pub fn assemble_own_record(
        header_bytes: Vec<u8>,
        signature: Signature,
        shape: Vec<u8>,
        words: Words,
    ) -> Result<Self, EntryError> {
        let header = Header::decode_own_record(&header_bytes)?;
        Self::from_checked(header, header_bytes, signature, shape, words)
    }

    fn from_checked(
        header: Header,
        header_bytes: Vec<u8>,
        signature: Signature,
        shape: Vec<u8>,
        words: Words,
    ) -> Result<Self, EntryError> {
        let id = contribution::id_of(&header_bytes);
        if shape.len() != header.shape_bytes as usize
            || document::shape_hash(&shape) != header.shape_hash
        {
            return Err(EntryError::ShapeHash);
        }
        match &words {
            Words::Present(words) => {
                if words.len() != header.words_bytes as usize
                    || document::words_hash(words) != header.words_hash
                {
                    return Err(EntryError::WordsHash);
                }
            }
            Words::Erased(proof) => {
                if !proof.erases(&header, id) {
                    return Err(EntryError::WordsMissing);
                }
            }
            Words::NotKept => {}
        }
        Ok(Self {
            id,
            header,
            header_bytes,
            signature,
            shape,
            words,
        })
    }

    /// Its id.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// What the author states.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as it is hashed and signed.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The author's signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The shape's bytes.
    pub fn shape(&self) -> &[u8] {
        &self.shape
    }

    /// The words, or the proof of their erasure.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// The same contribution with its words replaced by the proof of their erasure.
    ///
    /// # Errors
    /// [`EntryError::WordsMissing`] if `proof` does not erase this contribution in its space.
    pub fn erased_by(mut self, proof: impl Into<ErasedBy>) -> Result<Self, EntryError> {
        let proof = proof.into();
        if !proof.erases(&self.header, self.id) {
            return Err(EntryError::WordsMissing);
        }
        self.words = Words::Erased(proof);
        Ok(self)
    }
}

/// A record whose body matches its header; its signature is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    id: EntryId,
    header: RecordHeader,
    header_bytes: Vec<u8>,
    signature: Signature,
    body: RecordBody,
    body_bytes: Vec<u8>,
}

impl Record {
    pub(crate) fn from_parts(
        header: RecordHeader,
        header_bytes: Vec<u8>,
        signature: Signature,
        body: RecordBody,
        body_bytes: Vec<u8>,
    ) -> Self {
        let id = record::id_of(&header_bytes);
        Self {
            id,
            header,
            header_bytes,
            signature,
            body,
            body_bytes,
        }
    }

    /// Assembles a record from its stored parts.
    ///
    /// # Errors
    /// If a part breaks a rule or does not match the header.
    pub fn assemble(
        header_bytes: Vec<u8>,
        signature: Signature,
        body_bytes: Vec<u8>,
    ) -> Result<Self, EntryError> {
        Self::assemble_from(Origin::Anywhere, header_bytes, signature, body_bytes)
    }

    /// The same without the costly check of the keys in it. Only for a node's own record.
    ///
    /// # Errors
    /// As [`Record::assemble`].
    pub fn assemble_own_record(
        header_bytes: Vec<u8>,
        signature: Signature,
        body_bytes: Vec<u8>,
    ) -> Result<Self, EntryError> {
        Self::assemble_from(Origin::OwnRecord, header_bytes, signature, body_bytes)
    }

    fn assemble_from(
        origin: Origin,
        header_bytes: Vec<u8>,
        signature: Signature,
        body_bytes: Vec<u8>,
    ) -> Result<Self, EntryError> {
        let header = RecordHeader::decode_from(origin, &header_bytes)?;
        if body_bytes.len() != header.body_bytes as usize
            || record::body_hash(&body_bytes) != header.body_hash
        {
            return Err(EntryError::BodyHash);
        }
        let body = RecordBody::decode_from(origin, header.record_type, &body_bytes)?;
        Ok(Self::from_parts(
            header,
            header_bytes,
            signature,
            body,
            body_bytes,
        ))
    }

    /// Its id.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// What the signer states about it.
    pub fn header(&self) -> &RecordHeader {
        &self.header
    }

    /// The header as it is hashed and signed.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The signer's signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What it says.
    pub fn body(&self) -> &RecordBody {
        &self.body
    }

    /// The body as its header commits to it.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body_bytes
    }

    fn encode_into(&self, writer: &mut Writer) {
        writer.array(4).uint(TAG_RECORD).bytes(&self.header_bytes);
        writer
            .bytes(self.signature.as_bytes())
            .bytes(&self.body_bytes);
    }
}

/// One element of a space's set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A step on a document.
    Contribution(Contribution),
    /// A statement about the community.
    Record(Record),
    /// A self-contained statement of a party or the charter.
    Certificate(Certificate),
    /// The header of a contribution or record without the rest.
    Bare(BareHeader),
}

impl Entry {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`EntryError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut reader = Reader::new(bytes);
        let entry = Self::read(&mut reader)?;
        reader.end()?;
        Ok(entry)
    }

    fn expect_fields(fields: usize, expected: usize) -> Result<(), CodecError> {
        let found = fields as u64;
        let fit = fields == expected;
        fit.then_some(())
            .ok_or(CodecError::WrongLength { expected, found })
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, EntryError> {
        let fields = reader.array(8)?;
        let expect = |expected| Self::expect_fields(fields, expected);
        match reader.uint()? {
            TAG_CONTRIBUTION => {
                expect(5)?;
                read_contribution(reader).map(Self::Contribution)
            }
            wordless::TAG => {
                expect(4)?;
                Contribution::read_wordless(reader).map(Self::Contribution)
            }
            TAG_RECORD => {
                expect(4)?;
                read_record(reader).map(Self::Record)
            }
            TAG_CERTIFICATE => {
                expect(2)?;
                let bytes = reader.bytes(PAYLOAD_MAX_BYTES)?;
                Ok(Self::Certificate(Certificate::decode(bytes)?))
            }
            tag => {
                let heads = Headed::of_tag(tag).ok_or(EntryError::UnknownType(tag))?;
                expect(3)?;
                BareHeader::read(heads, reader).map(Self::Bare)
            }
        }
    }

    /// Where an entry claims to stand, read without checking anything that costs: for telling
    /// whether it was asked for. None if even that cannot be read.
    pub fn peek(bytes: &[u8]) -> Option<(Option<SpaceId>, EntryKey)> {
        let mut reader = Reader::new(bytes);
        let fields = reader.array(8).ok()?;
        let tag = reader.uint().ok()?;
        if tag == TAG_CERTIFICATE {
            let Self::Certificate(certificate) = Self::decode(bytes).ok()? else {
                return None;
            };
            let entry = Self::Certificate(certificate);
            return Some((entry.space(), entry.key()));
        }
        let header = reader.bytes(HEADER_MAX_BYTES).ok()?;
        let heads = match (tag, fields) {
            (TAG_CONTRIBUTION, 5) | (wordless::TAG, 4) => Headed::Contribution,
            (TAG_RECORD, 4) => Headed::Record,
            (tag, 3) => Headed::of_tag(tag)?,
            _ => return None,
        };
        let is_bare = Headed::of_tag(tag).is_some();
        let (of, space, author, link) = BareHeader::place_in_own_record(heads, header).ok()?;
        let key = EntryKey {
            author,
            seq: link.seq,
            id: if is_bare { bare_id(&of) } else { of },
            is_bare,
        };
        Some((Some(space), key))
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Contribution(it) => it.encode_into(&mut writer),
            Self::Record(it) => it.encode_into(&mut writer),
            Self::Certificate(it) => {
                writer.array(2).uint(TAG_CERTIFICATE).bytes(&it.encode());
            }
            Self::Bare(it) => it.encode_into(&mut writer),
        }
        writer.finish()
    }

    /// Its id.
    pub fn id(&self) -> EntryId {
        match self {
            Self::Contribution(it) => it.id,
            Self::Record(it) => it.id,
            Self::Certificate(it) => it.id(),
            Self::Bare(it) => it.id(),
        }
    }

    /// The space it is bound to; none for certificates of the governance space, which do not name it
    /// by themselves.
    pub fn space(&self) -> Option<SpaceId> {
        match self {
            Self::Contribution(it) => Some(it.header.space),
            Self::Record(it) => Some(it.header.space),
            Self::Certificate(it) => it.own_space(),
            Self::Bare(it) => Some(it.space()),
        }
    }

    /// Its place in the set.
    pub fn key(&self) -> EntryKey {
        let (author, seq) = match self {
            Self::Contribution(it) => (it.header.author, it.header.link.seq),
            Self::Record(it) => (it.header.author, it.header.link.seq),
            Self::Certificate(it) => (it.first_signer(), 0),
            Self::Bare(it) => (it.author(), it.link().seq),
        };
        EntryKey {
            author,
            seq,
            id: self.id(),
            is_bare: matches!(self, Self::Bare(_)),
        }
    }

    fn batch_items(&self, items: &mut Vec<BatchItem>) {
        match self {
            Self::Contribution(it) => {
                let key = it.header.author;
                let domain = domain::CONTRIBUTION_SIGNATURE;
                items.push(BatchItem::new(key, domain, &it.header_bytes, it.signature));
                if let Words::Erased(ErasedBy::Record(record)) = &it.words {
                    items.push(record_item(record));
                }
            }
            Self::Record(it) => {
                items.push(record_item(it));
                items.extend(it.consents().into_iter().map(|consent| {
                    let consent::Consent {
                        key,
                        domain,
                        message,
                        signature,
                    } = consent;
                    BatchItem::new(key, domain, &message, signature)
                }));
            }
            // Certificates are rare and checked one by one.
            Self::Certificate(_) => {}
            Self::Bare(it) => {
                let (key, domain) = (it.author(), it.signature_domain());
                let signature = *it.signature();
                items.push(BatchItem::new(key, domain, it.header_bytes(), signature));
            }
        }
    }
}

fn record_item(record: &Record) -> BatchItem {
    let author = record.header.author;
    BatchItem::new(
        author,
        domain::RECORD_SIGNATURE,
        &record.header_bytes,
        record.signature,
    )
}

fn read_contribution(reader: &mut Reader<'_>) -> Result<Contribution, EntryError> {
    let header_bytes = reader.bytes(HEADER_MAX_BYTES)?.to_vec();
    let signature = Signature::from_bytes(reader.fixed()?);
    let shape = reader.bytes(PAYLOAD_MAX_BYTES)?.to_vec();
    let words = match reader.peek()? {
        ItemType::Array => Words::Erased(ErasedBy::read(reader)?),
        _ => Words::Present(reader.bytes(PAYLOAD_MAX_BYTES)?.to_vec()),
    };
    Contribution::assemble(header_bytes, signature, shape, words)
}

fn read_record(reader: &mut Reader<'_>) -> Result<Record, EntryError> {
    let header_bytes = reader.bytes(HEADER_MAX_BYTES)?.to_vec();
    let signature = Signature::from_bytes(reader.fixed()?);
    let body_bytes = reader.bytes(PAYLOAD_MAX_BYTES)?.to_vec();
    Record::assemble(header_bytes, signature, body_bytes)
}
