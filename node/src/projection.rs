//! What the index holds: keys derived from each entry in record order, never words.
//!
//! | key | value | answers |
//! |---|---|---|
//! | `d` document, position | – | the contributions of a document |
//! | `l` space, position | kind code | documents of a space, by arrival |
//! | `t` thread, position | kind code | replies of a thread in one space, and acceptances |
//! | `p` space, device, position | document id | profiles |
//! | `e` contribution id | id of its erasure or order | which words were erased, and the proof |
//! | `r` space, author, node | seq, time | who holds an author's words, by receipts |
//!
//! Positions are those of the record, eight bytes, big endian: order of arrival at this node. The
//! entry itself is read there. A thread is the digest of its root document, a space and a kind: what
//! is written elsewhere must not stand in the way. In `d`, `l` and `t` an id is cut to its first 16 bytes, since small
//! keys decide what the index costs (`specs/decisions/0010-small-index.md`): nobody can make two
//! ids that share them, and nothing but what readers are offered rests on it. The set of a space is
//! not in the index: it is read from the headers in the record when the node opens.

use crate::store::{EntryRef, IndexBatch, IndexReader, Position, Projection, StoreError};
use comity_protocol::{
    certificate::{Certificate, CertificateBody},
    contribution::{Header, Target},
    document::{Intent, Key, Shape, Value},
    entry::Record,
    id::{DocumentId, EntryId, SpaceId, digest},
    key::{PublicKey, Signature},
    record::RecordBody,
    sync::Key as SetKey,
};

/// The store's kind of a contribution.
pub const CONTRIBUTION: u8 = 0;
/// The store's kind of a record.
pub const RECORD: u8 = 1;
/// The store's kind of a certificate; its shape part holds the space in whose set it stands.
pub const CERTIFICATE: u8 = 2;
/// The store's kind of the bare header of a contribution.
pub const BARE_CONTRIBUTION: u8 = 3;
/// The store's kind of the bare header of a record.
pub const BARE_RECORD: u8 = 4;
/// The store's kind of words that came after their contribution, under an id of their own; the header
/// is the id of the contribution.
pub const LATE_WORDS: u8 = 5;

/// Codes of kinds in the index; not on any wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindCode(pub u8);

impl KindCode {
    /// A kind this version does not know.
    pub const OTHER: Self = Self(0);

    /// The code of a kind's name.
    pub fn of(kind: &str) -> Self {
        Self(match kind {
            "topic" => 1,
            "reply" => 2,
            "page" => 3,
            "profile" => 4,
            "accept" => 5,
            _ => 0,
        })
    }
}

/// The projection of Comity's entries.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryProjection;

impl Projection for EntryProjection {
    fn version(&self) -> u32 {
        4
    }

    fn project(
        &self,
        position: Position,
        entry: &EntryRef<'_>,
        view: &dyn IndexReader,
        out: &mut IndexBatch,
    ) -> Result<(), StoreError> {
        match entry.kind {
            CONTRIBUTION => project_contribution(position, entry, view, out)?,
            RECORD => project_record(entry, view, out)?,
            CERTIFICATE => project_certificate(entry, view, out)?,
            _ => {}
        }
        Ok(())
    }

    fn place(&self, entry: &EntryRef<'_>) -> Option<(SpaceId, SetKey)> {
        if entry.kind != CONTRIBUTION {
            return None;
        }
        let it = Header::decode_own_record(entry.header).ok()?;
        let key = SetKey::new(&it.space, &it.author, it.link.seq, entry.id);
        Some((it.space, key))
    }
}

/// Bytes of an id in a key of many entries.
const SHORT_ID_BYTES: usize = 16;

fn short_prefix(tag: u8, id: &[u8; 32]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(1 + SHORT_ID_BYTES + 8);
    prefix.push(tag);
    prefix.extend_from_slice(&id[..SHORT_ID_BYTES]);
    prefix
}

/// Prefix of the contributions of a document.
pub fn document_prefix(document: &DocumentId) -> Vec<u8> {
    short_prefix(b'd', document.as_bytes())
}

/// Prefix of the documents of a space.
pub fn list_prefix(space: &SpaceId) -> Vec<u8> {
    short_prefix(b'l', space.as_bytes())
}

/// Prefix of the documents of a kind in a thread, as far as they stand in one space.
pub fn thread_prefix(root: &DocumentId, space: &SpaceId, kind: KindCode) -> Vec<u8> {
    let thread = [&root.as_bytes()[..], space.as_bytes(), &[kind.0]];
    short_prefix(b't', &digest(b"comity/1/index-thread\0", &thread))
}

/// Prefix of the profiles that a device made in a space.
pub fn profile_prefix(space: &SpaceId, device: &PublicKey) -> Vec<u8> {
    [&b"p"[..], space.as_bytes(), device.as_bytes()].concat()
}

/// Key of the erasure of a contribution.
pub fn erasure_key(contribution: &EntryId) -> Vec<u8> {
    [&b"e"[..], contribution.as_bytes()].concat()
}

/// Prefix of the contributions of all documents, in the order of document ids.
pub const DOCUMENTS: &[u8] = b"d";
/// Bytes of the position at the end of a key.
pub const POSITION_BYTES: usize = 8;

/// Prefix of all erasures.
pub const ERASURES: &[u8] = b"e";

/// Prefix of the receipts for an author's words in a space.
pub fn receipts_prefix(space: &SpaceId, author: &PublicKey) -> Vec<u8> {
    [&b"r"[..], space.as_bytes(), author.as_bytes()].concat()
}

/// A receipt's value: newest sequence number, claimed time.
pub fn receipt_value(seq: u64, time_ms: u64) -> Vec<u8> {
    [seq.to_be_bytes(), time_ms.to_be_bytes()].concat()
}

/// Reads a receipt's value.
pub fn read_receipt(value: &[u8]) -> Option<(u64, u64)> {
    let (seq, time) = value.split_first_chunk::<8>()?;
    Some((
        u64::from_be_bytes(*seq),
        u64::from_be_bytes(time.try_into().ok()?),
    ))
}

/// The position at the end of an index key.
pub fn position_of_key(key: &[u8]) -> Option<Position> {
    let bytes = key.last_chunk::<8>()?;
    Some(Position::from_u64(u64::from_be_bytes(*bytes)))
}

/// Reads an item of a list or thread: where the create of the document is, and its kind.
pub fn read_listed(key: &[u8], value: &[u8]) -> Option<(Position, KindCode)> {
    Some((position_of_key(key)?, KindCode(*value.first()?)))
}

fn at(prefix: Vec<u8>, position: Position) -> Vec<u8> {
    let mut key = prefix;
    key.extend(position.to_u64().to_be_bytes());
    key
}

fn project_contribution(
    position: Position,
    entry: &EntryRef<'_>,
    view: &dyn IndexReader,
    out: &mut IndexBatch,
) -> Result<(), StoreError> {
    let Ok(header) = Header::decode_own_record(entry.header) else {
        return Ok(());
    };
    let keys = contribution_keys(&header, entry);
    match view.position_of(&entry.id)? {
        // A replay of what a later copy has replaced.
        Some(known) if known > position => return Ok(()),
        // This copy replaces a damaged one, whose place leads nowhere any more.
        Some(known) if known < position => {
            for (prefix, _) in &keys {
                out.delete(at(prefix.clone(), known));
            }
        }
        _ => {}
    }
    for (prefix, value) in keys {
        out.put(at(prefix, position), value);
    }
    Ok(())
}

/// The keys of a contribution, without the position at their end, and their values.
fn contribution_keys(header: &Header, entry: &EntryRef<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let document = header.document(entry.id);
    let mut keys = vec![(document_prefix(&document), Vec::new())];
    if header.target != Target::Create {
        return keys;
    }
    let Ok(Intent::Create { kind, fields }) = Shape::decode(entry.shape) else {
        keys.push((list_prefix(&header.space), vec![KindCode::OTHER.0]));
        return keys;
    };
    let code = KindCode::of(kind.as_str());
    if let Some(Value::Reference(root)) = fields.get(&Key::from("topic")) {
        let prefix = thread_prefix(&root.document, &header.space, code);
        keys.push((prefix, vec![code.0]));
    }
    if code == KindCode::of("profile") {
        let prefix = profile_prefix(&header.space, &header.author);
        keys.push((prefix, document.as_bytes().to_vec()));
    }
    keys.push((list_prefix(&header.space), vec![code.0]));
    keys
}

fn project_certificate(
    entry: &EntryRef<'_>,
    view: &dyn IndexReader,
    out: &mut IndexBatch,
) -> Result<(), StoreError> {
    let Ok(certificate) = Certificate::decode(entry.header) else {
        return Ok(());
    };
    match certificate.body() {
        CertificateBody::ErasureOrder(it) => {
            project_erasure(&it.contribution, &entry.id, view, out)
        }
        _ => Ok(()),
    }
}

/// Several erasures of one contribution prove the same; the lowest id is kept, so that equal sets give
/// equal bytes.
fn project_erasure(
    contribution: &EntryId,
    proof: &EntryId,
    view: &dyn IndexReader,
    out: &mut IndexBatch,
) -> Result<(), StoreError> {
    let key = erasure_key(contribution);
    let known = view.get(&key)?;
    if known.is_none_or(|known| proof.as_bytes()[..] < known[..]) {
        out.put(key, *proof.as_bytes());
    }
    Ok(())
}

fn project_record(
    entry: &EntryRef<'_>,
    view: &dyn IndexReader,
    out: &mut IndexBatch,
) -> Result<(), StoreError> {
    let signature = Signature::from_bytes(*entry.signature);
    let Ok(record) =
        Record::assemble_own_record(entry.header.to_vec(), signature, entry.shape.to_vec())
    else {
        return Ok(());
    };
    let header = record.header();
    match record.body() {
        RecordBody::Erasure(it) => project_erasure(&it.contribution, &entry.id, view, out)?,
        RecordBody::Receipt(receipt) => {
            for head in &receipt.heads {
                let mut key = receipts_prefix(&header.space, &head.author);
                key.extend(header.author.as_bytes());
                let newest = view.get(&key)?.as_deref().and_then(read_receipt);
                if newest.is_none_or(|(seq, _)| head.seq > seq) {
                    out.put(key, receipt_value(head.seq, header.time_ms));
                }
            }
        }
        _ => {}
    }
    Ok(())
}
