//! What a node says about its space: what reached it, which narrowings it has seen.
//!
//! Spec: `specs/contribution.md` §6 (records), `specs/roster.md` (form of the records).

use super::{Body, BodyError, read_ids, read_key, write_ids};
use crate::{
    codec::{Reader, Writer},
    id::EntryId,
    key::PublicKey,
    limits::SEQ_MAX,
};

/// Most chain heads that one receipt names.
pub const RECEIPT_HEADS_MAX: usize = 256;
/// Most narrowings that one acknowledgement names.
pub const NARROWINGS_MAX: usize = 256;

/// The last entry of one author's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainHead {
    /// The author's key.
    pub author: PublicKey,
    /// Sequence number of the entry.
    pub seq: u64,
    /// Id of the entry.
    pub id: EntryId,
}

/// A node's statement of what reached it in this space since its last receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Chain heads, strictly ascending: 1 to [`RECEIPT_HEADS_MAX`].
    pub heads: Vec<ChainHead>,
}

/// A node's statement that it has seen narrowings: receipts after it lift none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// Records and certificates that narrow, strictly ascending: 1 to [`NARROWINGS_MAX`].
    pub narrowings: Vec<EntryId>,
}

impl Body for Receipt {
    fn write(&self, w: &mut Writer) {
        w.array(self.heads.len());
        for head in &self.heads {
            w.array(3).bytes(head.author.as_bytes()).uint(head.seq);
            w.bytes(head.id.as_bytes());
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        let count = r.array(RECEIPT_HEADS_MAX)?;
        let mut heads: Vec<ChainHead> = Vec::with_capacity(count);
        for _ in 0..count {
            r.array_of(3)?;
            let author = read_key(r)?;
            let seq = r.uint_max(SEQ_MAX)?;
            let head = ChainHead {
                author,
                seq,
                id: EntryId::from_bytes(r.fixed()?),
            };
            if heads.last().is_some_and(|last| *last >= head) {
                return Err(BodyError::Order);
            }
            heads.push(head);
        }
        if heads.is_empty() {
            Err(BodyError::Empty)
        } else {
            Ok(Self { heads })
        }
    }
}

impl Body for Acknowledge {
    fn write(&self, w: &mut Writer) {
        w.array(1);
        write_ids(w, &self.narrowings);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(1)?;
        let narrowings = read_ids(r, NARROWINGS_MAX)?;
        if narrowings.is_empty() {
            return Err(BodyError::Empty);
        }
        Ok(Self { narrowings })
    }
}
