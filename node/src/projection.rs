//! What the index holds: keys derived from each entry in record order, never words.
//!
//! | key | value | answers |
//! |---|---|---|
//! | `k` space, author tag, seq, id | position | the set of a space, for its trie |
//! | `d` document, position | contribution id | the contributions of a document |
//! | `l` space, position | document id, kind code | documents of a space, by arrival |
//! | `t` root document, position | document id, kind code | replies and acceptances of a thread |
//! | `p` space, device, position | document id | profiles |
//! | `e` contribution id | erasure id | which words were erased, and the proof |
//! | `r` space, author, node | seq, time | who holds an author's words, by receipts |
//!
//! Positions are those of the record, eight bytes, big endian: order of arrival at this node.

use crate::store::{EntryRef, IndexBatch, IndexReader, Position, Projection, StoreError};
use comity_protocol::{
    contribution::{Header, Target},
    document::{Intent, Key, Shape, Value},
    entry::Record,
    id::{DocumentId, EntryId, SpaceId},
    key::{PublicKey, Signature},
    record::RecordBody,
    sync::AuthorTag,
};

/// The store's kind of a contribution.
pub const CONTRIBUTION: u8 = 0;
/// The store's kind of a record.
pub const RECORD: u8 = 1;
/// The store's kind of a certificate; its shape part holds the governance space.
pub const CERTIFICATE: u8 = 2;

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
        1
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
            RECORD => project_record(position, entry, view, out)?,
            CERTIFICATE => project_certificate(position, entry, out),
            _ => {}
        }
        Ok(())
    }
}

/// The key of an entry in the set of its space.
pub fn set_key(space: &SpaceId, tag: &AuthorTag, seq: u64, id: &EntryId) -> Vec<u8> {
    [
        &b"k"[..],
        space.as_bytes(),
        tag.as_bytes(),
        &seq.to_be_bytes(),
        id.as_bytes(),
    ]
    .concat()
}

/// Prefix of the set of a space.
pub fn set_prefix(space: &SpaceId) -> Vec<u8> {
    [&b"k"[..], space.as_bytes()].concat()
}

/// Prefix of the contributions of a document.
pub fn document_prefix(document: &DocumentId) -> Vec<u8> {
    [&b"d"[..], document.as_bytes()].concat()
}

/// Prefix of the documents of a space.
pub fn list_prefix(space: &SpaceId) -> Vec<u8> {
    [&b"l"[..], space.as_bytes()].concat()
}

/// Prefix of the documents of a thread.
pub fn thread_prefix(root: &DocumentId) -> Vec<u8> {
    [&b"t"[..], root.as_bytes()].concat()
}

/// Prefix of the profiles that a device made in a space.
pub fn profile_prefix(space: &SpaceId, device: &PublicKey) -> Vec<u8> {
    [&b"p"[..], space.as_bytes(), device.as_bytes()].concat()
}

/// Key of the erasure of a contribution.
pub fn erasure_key(contribution: &EntryId) -> Vec<u8> {
    [&b"e"[..], contribution.as_bytes()].concat()
}

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

/// Reads the value of a list or thread entry.
pub fn read_listed(value: &[u8]) -> Option<(DocumentId, KindCode)> {
    let (id, kind) = value.split_first_chunk::<32>()?;
    Some((DocumentId::from_bytes(*id), KindCode(*kind.first()?)))
}

fn at(prefix: Vec<u8>, position: Position) -> Vec<u8> {
    let mut key = prefix;
    key.extend(position.to_u64().to_be_bytes());
    key
}

fn put_in_set(
    out: &mut IndexBatch,
    space: &SpaceId,
    author: &PublicKey,
    seq: u64,
    id: &EntryId,
    position: Position,
) {
    let tag = AuthorTag::new(space, author);
    out.put(
        set_key(space, &tag, seq, id),
        position.to_u64().to_be_bytes(),
    );
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
    // A replaced copy of a damaged entry comes again at a later position: keep the first place.
    if view
        .get(&set_key(
            &header.space,
            &AuthorTag::new(&header.space, &header.author),
            header.link.seq,
            &entry.id,
        ))?
        .is_some_and(|known| known != position.to_u64().to_be_bytes())
    {
        return Ok(());
    }
    put_in_set(
        out,
        &header.space,
        &header.author,
        header.link.seq,
        &entry.id,
        position,
    );
    let document = header.document(entry.id);
    out.put(
        at(document_prefix(&document), position),
        *entry.id.as_bytes(),
    );
    if header.target != Target::Create {
        return Ok(());
    }
    let Ok(Intent::Create { kind, fields }) = Shape::decode(entry.shape) else {
        let listed = [&document.as_bytes()[..], &[KindCode::OTHER.0]].concat();
        out.put(at(list_prefix(&header.space), position), listed);
        return Ok(());
    };
    let code = KindCode::of(kind.as_str());
    let listed = [&document.as_bytes()[..], &[code.0]].concat();
    if let Some(Value::Reference(root)) = fields.get(&Key::from("topic")) {
        out.put(at(thread_prefix(&root.document), position), listed.clone());
    }
    if code == KindCode::of("profile") {
        let prefix = profile_prefix(&header.space, &header.author);
        out.put(at(prefix, position), *document.as_bytes());
    }
    out.put(at(list_prefix(&header.space), position), listed);
    Ok(())
}

fn project_record(
    position: Position,
    entry: &EntryRef<'_>,
    view: &dyn IndexReader,
    out: &mut IndexBatch,
) -> Result<(), StoreError> {
    let signature = Signature::from_bytes(*entry.signature);
    let Ok(record) = Record::assemble(entry.header.to_vec(), signature, entry.shape.to_vec())
    else {
        return Ok(());
    };
    let header = record.header();
    put_in_set(
        out,
        &header.space,
        &header.author,
        header.link.seq,
        &entry.id,
        position,
    );
    match record.body() {
        RecordBody::Erasure(erasure) => {
            // Several erasures of one contribution prove the same; the lowest id is kept, so that
            // equal sets give equal bytes.
            let key = erasure_key(&erasure.contribution);
            let known = view.get(&key)?;
            if known.is_none_or(|known| entry.id.as_bytes()[..] < known[..]) {
                out.put(key, *entry.id.as_bytes());
            }
        }
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

fn project_certificate(position: Position, entry: &EntryRef<'_>, out: &mut IndexBatch) {
    let Ok(space) = <[u8; 32]>::try_from(entry.shape) else {
        return;
    };
    let Ok(certificate) = comity_protocol::certificate::Certificate::decode(entry.header) else {
        return;
    };
    let space = SpaceId::from_bytes(space);
    put_in_set(
        out,
        &space,
        &certificate.first_signer(),
        0,
        &entry.id,
        position,
    );
}
