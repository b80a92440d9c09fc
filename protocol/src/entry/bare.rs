//! A bare header: the signed header of a contribution or record, without the rest of it.
//!
//! Which entries of a narrowed key count follows from how its chain hangs together, so headers that a
//! narrowing covers are shared though what they head has no effect. A bare header says nothing about
//! texts: the digest of the words covers their nonce.
//!
//! Spec: `specs/contribution.md` §2 (wire form), `specs/cuts.md` §7 (what nodes keep).

use super::{Entry, EntryError};
use crate::{
    codec::{Reader, Writer},
    contribution::{self, ChainLink, Header, HeaderError},
    id::{EntryId, SpaceId, digest, domain},
    key::{PublicKey, Signature},
    limits::HEADER_MAX_BYTES,
    record::{self, RecordHeader},
};

/// What a bare header heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Headed {
    /// A contribution.
    Contribution,
    /// A record.
    Record,
}

const TAG_CONTRIBUTION: u64 = 3;
const TAG_RECORD: u64 = 4;

impl Headed {
    /// What an entry with this first number heads; none for entries that are more than a header.
    pub(super) fn of_tag(tag: u64) -> Option<Self> {
        match tag {
            TAG_CONTRIBUTION => Some(Self::Contribution),
            TAG_RECORD => Some(Self::Record),
            _ => None,
        }
    }

    fn tag(self) -> u64 {
        match self {
            Self::Contribution => TAG_CONTRIBUTION,
            Self::Record => TAG_RECORD,
        }
    }

    fn signature_domain(self) -> &'static [u8] {
        match self {
            Self::Contribution => domain::CONTRIBUTION_SIGNATURE,
            Self::Record => domain::RECORD_SIGNATURE,
        }
    }

    fn id_of(self, header: &[u8]) -> EntryId {
        match self {
            Self::Contribution => contribution::id_of(header),
            Self::Record => record::id_of(header),
        }
    }

    fn read(self, header: &[u8], is_own: bool) -> Result<Place, HeaderError> {
        Ok(match (self, is_own) {
            (Self::Contribution, false) => Place::of_contribution(&Header::decode(header)?),
            (Self::Contribution, true) => {
                Place::of_contribution(&Header::decode_own_record(header)?)
            }
            (Self::Record, false) => Place::of_record(&RecordHeader::decode(header)?),
            (Self::Record, true) => Place::of_record(&RecordHeader::decode_own_record(header)?),
        })
    }
}

/// What of a header matters without the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) space: SpaceId,
    pub(super) author: PublicKey,
    pub(super) link: ChainLink,
}

impl Place {
    fn of_contribution(it: &Header) -> Self {
        Self {
            space: it.space,
            author: it.author,
            link: it.link,
        }
    }

    fn of_record(it: &RecordHeader) -> Self {
        Self {
            space: it.space,
            author: it.author,
            link: it.link,
        }
    }
}

/// The id under which the bare header of an entry stands, so that it never stands in the entry's way.
pub fn bare_id(of: &EntryId) -> EntryId {
    EntryId::from_bytes(digest(domain::BARE_ID, &[of.as_bytes()]))
}

/// A header alone, with its signature, which is not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareHeader {
    id: EntryId,
    of: EntryId,
    heads: Headed,
    place: Place,
    header_bytes: Vec<u8>,
    signature: Signature,
}

impl BareHeader {
    /// Assembles a bare header from its parts.
    ///
    /// # Errors
    /// If the header breaks a rule of the headers of what it is said to head.
    pub fn assemble(
        heads: Headed,
        header_bytes: Vec<u8>,
        signature: Signature,
    ) -> Result<Self, EntryError> {
        let place = heads.read(&header_bytes, false)?;
        Ok(Self::from_parts(heads, place, header_bytes, signature))
    }

    fn from_parts(
        heads: Headed,
        place: Place,
        header_bytes: Vec<u8>,
        signature: Signature,
    ) -> Self {
        let of = heads.id_of(&header_bytes);
        Self {
            id: bare_id(&of),
            of,
            heads,
            place,
            header_bytes,
            signature,
        }
    }

    /// The header of an entry; none for certificates, which stand on no chain, and for what is bare.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let (heads, place, header_bytes, signature) = match entry {
            Entry::Contribution(it) => (
                Headed::Contribution,
                Place::of_contribution(&it.header),
                &it.header_bytes,
                it.signature,
            ),
            Entry::Record(it) => (
                Headed::Record,
                Place::of_record(&it.header),
                &it.header_bytes,
                it.signature,
            ),
            Entry::Certificate(_) | Entry::Bare(_) => return None,
        };
        Some(Self::from_parts(
            heads,
            place,
            header_bytes.clone(),
            signature,
        ))
    }

    /// Where stored header bytes stand, read without checking what was checked before they were
    /// stored: the id of what they head, space, signer and place in the chain.
    ///
    /// # Errors
    /// If they are no header.
    pub fn place_in_own_record(
        heads: Headed,
        header: &[u8],
    ) -> Result<(EntryId, SpaceId, PublicKey, ChainLink), HeaderError> {
        let Place {
            space,
            author,
            link,
        } = heads.read(header, true)?;
        Ok((heads.id_of(header), space, author, link))
    }

    pub(super) fn read(heads: Headed, reader: &mut Reader<'_>) -> Result<Self, EntryError> {
        let header_bytes = reader.bytes(HEADER_MAX_BYTES)?.to_vec();
        let signature = Signature::from_bytes(reader.fixed()?);
        Self::assemble(heads, header_bytes, signature)
    }

    pub(super) fn encode_into(&self, writer: &mut Writer) {
        writer.array(3).uint(self.heads.tag());
        writer
            .bytes(&self.header_bytes)
            .bytes(self.signature.as_bytes());
    }

    /// Its own id, which is not that of the entry it heads.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// The id of the entry it heads.
    pub fn of(&self) -> EntryId {
        self.of
    }

    /// What kind of entry it heads.
    pub fn heads(&self) -> Headed {
        self.heads
    }

    /// The space.
    pub fn space(&self) -> SpaceId {
        self.place.space
    }

    /// Who signed.
    pub fn author(&self) -> PublicKey {
        self.place.author
    }

    /// The place in the signer's chain in this space.
    pub fn link(&self) -> ChainLink {
        self.place.link
    }

    /// The header as it is hashed and signed.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The signature: the same as that of the entry.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(super) fn signature_domain(&self) -> &'static [u8] {
        self.heads.signature_domain()
    }
}
