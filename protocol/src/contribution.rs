//! A contribution: one signed, immutable step on one document.
//!
//! The header commits to everything; the payload travels beside it in two parts, the shape
//! (structure) and the words (texts), each under its own digest, so that words can be erased while
//! identity, order and structure stay (I6). The id is the digest of the header and excludes the
//! signature: an author cannot make two ids from one statement.
//!
//! Spec: `specs/contribution.md` §4 (header), §5 (payload).

use crate::{
    codec::{CodecError, Origin, Reader, Writer},
    document::{shape_hash, words_hash},
    id::{DocumentId, EntryId, GovernanceDigest, ShapeHash, SpaceId, WordsHash, digest, domain},
    key::{KeyError, PublicKey, SecretKey, Signature},
    limits::{DEPS_MAX, HEADER_MAX_BYTES, NONCE_BYTES, PAYLOAD_MAX_BYTES, SEQ_MAX, TIME_MAX_MS},
};
use thiserror::Error;

/// The header format this crate writes and reads.
pub const HEADER_VERSION: u64 = 1;

const HEADER_FIELDS: usize = 13;

/// Why bytes are not the header of a contribution.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Not canonical CBOR of the form.
    #[error("the header is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// Longer than [`HEADER_MAX_BYTES`].
    #[error("the header has {0} bytes; at most {HEADER_MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// A format this version does not know.
    #[error("format version {0} is not known here; a newer comity may read it")]
    UnknownVersion(u64),
    /// The author is no usable public key.
    #[error("the author's key is not usable: {0}")]
    Author(#[from] KeyError),
    /// The sequence number is 0, or `prev` is absent beyond 1, or present at 1.
    #[error("sequence number and previous id do not fit: the first entry has 1 and none")]
    Chain,
    /// Dependencies are absent although a document is named, or the reverse.
    #[error("dependencies must be empty exactly where a document is created")]
    DepsAndDocument,
    /// Dependencies are not strictly ascending.
    #[error("dependencies are not strictly ascending")]
    DepsOrder,
    /// The declared lengths exceed the limit or leave no room for the nonce.
    #[error("a payload of {shape} + {words} bytes is outside the limits")]
    PayloadLength {
        /// Declared bytes of the shape.
        shape: u64,
        /// Declared bytes of the words, nonce included.
        words: u64,
    },
}

/// Where an entry stands in its signer's chain in one space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    /// Position in the chain, from 1.
    pub seq: u64,
    /// Id of the entry before it; none at 1.
    pub prev: Option<EntryId>,
}

impl ChainLink {
    /// The link of a signer's first entry in a space.
    pub const FIRST: Self = Self { seq: 1, prev: None };

    /// The link that follows the entry `prev` at `seq`.
    pub fn after(seq: u64, prev: EntryId) -> Self {
        Self {
            seq: seq + 1,
            prev: Some(prev),
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer
            .uint(self.seq)
            .optional_bytes(self.prev.as_ref().map(|id| &id.as_bytes()[..]));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, HeaderError> {
        let seq = reader.uint_max(SEQ_MAX)?;
        let prev = reader.optional_fixed()?.map(EntryId::from_bytes);
        if seq == 0 || (seq == 1) != prev.is_none() {
            return Err(HeaderError::Chain);
        }
        Ok(Self { seq, prev })
    }
}

/// Which document a contribution creates or edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// It creates a document; its own id becomes the document's.
    Create,
    /// It edits `document` as it stood at `deps`.
    Edit {
        /// The document.
        document: DocumentId,
        /// Heads its author saw: 1 to [`DEPS_MAX`], strictly ascending.
        deps: Vec<EntryId>,
    },
}

/// What a contribution's author states, bound to space, chain and payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The space, which binds the community: no replay elsewhere.
    pub space: SpaceId,
    /// The author's device key.
    pub author: PublicKey,
    /// Place in the author's chain in this space.
    pub link: ChainLink,
    /// Document and dependencies.
    pub target: Target,
    /// Digest of the governance records the author knew: a hint of what to fetch.
    pub governance: GovernanceDigest,
    /// Claimed time in milliseconds since the Unix epoch; for display only.
    pub time_ms: u64,
    /// Digest of the shape.
    pub shape_hash: ShapeHash,
    /// Digest of the words.
    pub words_hash: WordsHash,
    /// Bytes of the shape.
    pub shape_bytes: u32,
    /// Bytes of the words, nonce included.
    pub words_bytes: u32,
}

impl Header {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(HEADER_FIELDS).uint(HEADER_VERSION);
        writer
            .bytes(self.space.as_bytes())
            .bytes(self.author.as_bytes());
        self.link.write(&mut writer);
        match &self.target {
            Target::Create => {
                writer.null().array(0);
            }
            Target::Edit { document, deps } => {
                writer.bytes(document.as_bytes()).array(deps.len());
                for dep in deps {
                    writer.bytes(dep.as_bytes());
                }
            }
        }
        writer.bytes(self.governance.as_bytes()).uint(self.time_ms);
        writer
            .bytes(self.shape_hash.as_bytes())
            .bytes(self.words_hash.as_bytes());
        writer
            .uint(self.shape_bytes.into())
            .uint(self.words_bytes.into());
        writer.finish()
    }

    /// Reads a header and checks everything that needs nothing but the header.
    ///
    /// # Errors
    /// [`HeaderError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::decode_from(Origin::Anywhere, bytes)
    }

    /// Reads a header that this node checked before it stored it: the same, but for the author's
    /// key, whose check is costly. Only for a node's own record.
    ///
    /// # Errors
    /// As [`Header::decode`].
    pub fn decode_own_record(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::decode_from(Origin::OwnRecord, bytes)
    }

    pub(crate) fn decode_from(origin: Origin, bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = begin_header(bytes, HEADER_FIELDS)?;
        let space = SpaceId::from_bytes(reader.fixed()?);
        let author = PublicKey::of(reader.fixed()?, origin)?;
        let link = ChainLink::read(&mut reader)?;
        let target = read_target(&mut reader)?;
        let governance = GovernanceDigest::from_bytes(reader.fixed()?);
        let time_ms = reader.uint_max(TIME_MAX_MS)?;
        let shape_hash = ShapeHash::from_bytes(reader.fixed()?);
        let words_hash = WordsHash::from_bytes(reader.fixed()?);
        let (shape_bytes, words_bytes) = read_lengths(&mut reader)?;
        reader.end()?;
        Ok(Self {
            space,
            author,
            link,
            target,
            governance,
            time_ms,
            shape_hash,
            words_hash,
            shape_bytes,
            words_bytes,
        })
    }

    /// The contribution's id: digest of the encoded header.
    pub fn id(&self) -> EntryId {
        id_of(&self.encode())
    }

    /// The document this contribution belongs to, given its id.
    pub fn document(&self, id: EntryId) -> DocumentId {
        match &self.target {
            Target::Create => id.into(),
            Target::Edit { document, .. } => *document,
        }
    }

    /// The heads its author saw; empty for a create.
    pub fn deps(&self) -> &[EntryId] {
        match &self.target {
            Target::Create => &[],
            Target::Edit { deps, .. } => deps,
        }
    }
}

/// Starts to read a header of this format with so many fields, the version among them.
pub(crate) fn begin_header(bytes: &[u8], fields: usize) -> Result<Reader<'_>, HeaderError> {
    if bytes.len() > HEADER_MAX_BYTES {
        return Err(HeaderError::TooLarge(bytes.len()));
    }
    let mut reader = Reader::new(bytes);
    let found = reader.array(HEADER_MAX_BYTES)?;
    let version = reader.uint()?;
    if version != HEADER_VERSION {
        return Err(HeaderError::UnknownVersion(version));
    }
    if found != fields {
        let found = found as u64;
        return Err(CodecError::WrongLength {
            expected: fields,
            found,
        }
        .into());
    }
    Ok(reader)
}

fn read_target(reader: &mut Reader<'_>) -> Result<Target, HeaderError> {
    let document = reader.optional_fixed()?.map(DocumentId::from_bytes);
    let count = reader.array(DEPS_MAX)?;
    let mut deps: Vec<EntryId> = Vec::with_capacity(count);
    for _ in 0..count {
        let dep = EntryId::from_bytes(reader.fixed()?);
        if deps.last().is_some_and(|last| *last >= dep) {
            return Err(HeaderError::DepsOrder);
        }
        deps.push(dep);
    }
    match document {
        None if deps.is_empty() => Ok(Target::Create),
        Some(document) if !deps.is_empty() => Ok(Target::Edit { document, deps }),
        _ => Err(HeaderError::DepsAndDocument),
    }
}

fn read_lengths(reader: &mut Reader<'_>) -> Result<(u32, u32), HeaderError> {
    let shape = reader.uint()?;
    let words = reader.uint()?;
    let fits = shape.saturating_add(words) <= PAYLOAD_MAX_BYTES as u64;
    match (u32::try_from(shape), u32::try_from(words)) {
        (Ok(shape), Ok(words)) if fits && words as usize >= NONCE_BYTES => Ok((shape, words)),
        _ => Err(HeaderError::PayloadLength { shape, words }),
    }
}

/// The id of a contribution whose header has this encoding.
pub(crate) fn id_of(header: &[u8]) -> EntryId {
    EntryId::from_bytes(digest(domain::CONTRIBUTION_ID, &[header]))
}

/// The two parts of a payload as their author made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Structure: operations, paths, kinds, keys, references, lengths.
    pub shape: Vec<u8>,
    /// Nonce, then the leaf texts in order.
    pub words: Vec<u8>,
}

/// The context in which an author signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Space of the entry.
    pub space: SpaceId,
    /// Place in the signer's chain there.
    pub link: ChainLink,
    /// Governance the signer knows.
    pub governance: GovernanceDigest,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// A payload, or the header around it, is outside the limits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// The payload does not fit.
    #[error(
        "the contribution has {0} bytes of content; at most {PAYLOAD_MAX_BYTES} fit into one. \
         Shorten it or split it into several"
    )]
    PayloadTooLarge(usize),
    /// The header would be refused by every reader.
    #[error("the contribution would be refused by every node: {0}")]
    Header(#[from] HeaderError),
}

/// Signs a contribution.
///
/// # Errors
/// If the payload or the header is outside the limits, which every reader would refuse.
pub fn sign(
    secret: &SecretKey,
    context: &Context,
    target: Target,
    payload: Payload,
) -> Result<crate::entry::Contribution, SignError> {
    let size = payload.shape.len() + payload.words.len();
    if size > PAYLOAD_MAX_BYTES {
        return Err(SignError::PayloadTooLarge(size));
    }
    let header = Header {
        space: context.space,
        author: secret.public(),
        link: context.link,
        target,
        governance: context.governance,
        time_ms: context.time_ms,
        shape_hash: shape_hash(&payload.shape),
        words_hash: words_hash(&payload.words),
        shape_bytes: payload.shape.len() as u32,
        words_bytes: payload.words.len() as u32,
    };
    let encoded = header.encode();
    // The reader's checks are the writer's checks: what is signed here is accepted everywhere.
    Header::decode(&encoded)?;
    let signature: Signature = secret.sign(domain::CONTRIBUTION_SIGNATURE, &encoded);
    Ok(crate::entry::Contribution::from_parts(
        header, encoded, signature, payload,
    ))
}
