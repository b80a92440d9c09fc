//! What stands in place of words that were erased: the proof that they may be gone.
//!
//! Spec: `specs/contribution.md` §7 (erasure).

use super::{Entry, EntryError, Record, TAG_CERTIFICATE, TAG_RECORD, VerifyError, read_record};
use crate::{
    certificate::{Certificate, CertificateBody},
    codec::{Reader, Writer},
    contribution::Header,
    id::EntryId,
    record::RecordBody,
};

/// Largest encoding of an order of erasure, in bytes: the longest reason, every signature, framing.
pub const ORDER_MAX_BYTES: usize = 44 * 1024;

/// The proof in place of erased words. Its form and signatures are checked with the contribution;
/// whether its signers may erase the words is for [`crate::authority::Authority::judge_erasure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasedBy {
    /// The erasure, by the device that wrote the words or its root key.
    Record(Box<Record>),
    /// The order of a quorum of parties. Any sufficient set of signatures is the same order, so two
    /// nodes may hold different ones.
    Order(Box<Certificate>),
}

impl ErasedBy {
    /// The id of the proof, which is an entry by itself.
    pub fn id(&self) -> EntryId {
        match self {
            Self::Record(it) => it.id(),
            Self::Order(it) => it.id(),
        }
    }

    /// The proof as the entry that it is.
    pub fn to_entry(&self) -> Entry {
        match self {
            Self::Record(it) => Entry::Record((**it).clone()),
            Self::Order(it) => Entry::Certificate((**it).clone()),
        }
    }

    /// The proof that an entry is; none if it erases nothing.
    pub fn from_entry(entry: Entry) -> Option<Self> {
        let proof = match entry {
            Entry::Record(it) => Self::from(it),
            Entry::Certificate(it) => Self::from(it),
            _ => return None,
        };
        proof.contribution().is_some().then_some(proof)
    }

    /// The contribution whose words go; none for a record or certificate that erases nothing.
    pub fn contribution(&self) -> Option<EntryId> {
        match self {
            Self::Record(it) => match it.body() {
                RecordBody::Erasure(it) => Some(it.contribution),
                _ => None,
            },
            Self::Order(it) => match it.body() {
                CertificateBody::ErasureOrder(it) => Some(it.contribution),
                _ => None,
            },
        }
    }

    /// Whether it names this contribution, in its space.
    pub(super) fn erases(&self, header: &Header, id: EntryId) -> bool {
        let space = match self {
            Self::Record(it) => Some(it.header.space),
            Self::Order(it) => it.own_space(),
        };
        self.contribution() == Some(id) && space == Some(header.space)
    }

    /// Checks the signatures.
    pub(super) fn check(&self) -> Result<(), VerifyError> {
        match self {
            Self::Record(it) => Ok(it.check()?),
            Self::Order(it) => Ok(it.check()?),
        }
    }

    pub(super) fn encode_into(&self, writer: &mut Writer) {
        match self {
            Self::Record(it) => it.encode_into(writer),
            Self::Order(it) => {
                writer.array(2).uint(TAG_CERTIFICATE).bytes(&it.encode());
            }
        }
    }

    /// Reads what stands in place of words: the array of the entry that it is.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, EntryError> {
        let fields = reader.array(8)?;
        let expect = |expected| Entry::expect_fields(fields, expected);
        if fields != 2 {
            expect(4)?;
        }
        match reader.uint()? {
            TAG_RECORD => {
                expect(4)?;
                Ok(read_record(reader)?.into())
            }
            TAG_CERTIFICATE => {
                expect(2)?;
                let bytes = reader.bytes(ORDER_MAX_BYTES)?;
                Ok(Certificate::decode(bytes)?.into())
            }
            unknown => Err(EntryError::UnknownType(unknown)),
        }
    }
}

impl From<Record> for ErasedBy {
    fn from(record: Record) -> Self {
        Self::Record(Box::new(record))
    }
}

impl From<Certificate> for ErasedBy {
    fn from(order: Certificate) -> Self {
        Self::Order(Box::new(order))
    }
}
