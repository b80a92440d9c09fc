//! The bytes of the file of places. Spec: `specs/record-format.md` §9.

use crate::store::{entry::Position, frame::Marker};
use comity_protocol::{
    id::{EntryId, ID_BYTES, SpaceId},
    sync::{AuthorTag, Key},
};
use std::collections::HashMap;

/// Version of the format that this code writes and reads; any other is not used.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"comity.p";
pub(super) const HEADER_BYTES: usize = 32;
pub(super) const BLOCK_HEAD_BYTES: usize = 40;
/// Rows of a block when it is written without anything that forces it.
pub(super) const BLOCK_ROWS: u32 = 1_000;
/// Largest block, without its head: bounds what a reader allocates.
const BLOCK_MAX_BYTES: u32 = BLOCK_ROWS * ROW_MAX_BYTES as u32;
const ROW_MAX_BYTES: usize = 1 + POSITION_BYTES + 2 * ID_BYTES + POSITION_BYTES + ID_BYTES;
const POSITION_BYTES: usize = 8;
/// Authors that are written once and then by number. More than these are written out each time.
const NUMBERED_MAX: usize = 65_536;

/// An entry that says itself where it stands.
const ROW_OTHER: u8 = 0;
/// A contribution by an author who gets the next number.
const ROW_NEW: u8 = 1;
/// A contribution by an author with a number.
const ROW_NUMBERED: u8 = 2;
/// A contribution by an author for whom there is no number left.
const ROW_WHOLE: u8 = 3;

/// What the file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) projection: u32,
    /// Marker of the record's first segment.
    pub(crate) identity: [u8; 8],
}

impl Owner {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.projection.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.identity);
        let crc = crc32c::crc32c(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// Head of a block: the part of the record that its rows cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) len: u32,
    pub(super) rows: u32,
    /// Where the block before ends.
    pub(super) start: Position,
    pub(super) end: Position,
    /// Marker of the segment in which it ends.
    pub(super) marker: Marker,
}

impl BlockHead {
    pub(super) fn encode(&self, rows: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK_HEAD_BYTES + rows.len());
        bytes.extend_from_slice(&self.len.to_le_bytes());
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.extend_from_slice(&self.start.to_u64().to_le_bytes());
        bytes.extend_from_slice(&self.end.to_u64().to_le_bytes());
        bytes.extend_from_slice(&self.marker.0);
        bytes.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), rows);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(rows);
        bytes
    }

    /// `None` for anything that no block begins with.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let bytes = bytes.get(..BLOCK_HEAD_BYTES)?;
        let head = Self {
            len: u32::from_le_bytes(bytes[..4].try_into().ok()?),
            rows: u32::from_le_bytes(bytes[4..8].try_into().ok()?),
            start: position_at(bytes, 8)?,
            end: position_at(bytes, 16)?,
            marker: Marker(bytes[24..32].try_into().ok()?),
        };
        let crc = u32::from_le_bytes(bytes[36..40].try_into().ok()?);
        let fits = head.len <= BLOCK_MAX_BYTES && head.rows > 0 && head.rows <= BLOCK_ROWS;
        (fits && bytes[32..36] == [0; 4]).then_some((head, crc))
    }

    pub(super) fn crc(bytes: &[u8]) -> u32 {
        let head = crc32c::crc32c(&bytes[..BLOCK_HEAD_BYTES - 4]);
        crc32c::crc32c_append(head, &bytes[BLOCK_HEAD_BYTES..])
    }
}

fn position_at(bytes: &[u8], at: usize) -> Option<Position> {
    let raw = bytes.get(at..at + POSITION_BYTES)?.try_into().ok()?;
    Some(Position::from_u64(u64::from_le_bytes(raw)))
}

/// Authors by number, as both sides of the file build them.
#[derive(Default)]
pub(super) struct Authors {
    numbers: HashMap<(SpaceId, AuthorTag), u32>,
    by_number: Vec<(SpaceId, AuthorTag)>,
}

impl Authors {
    fn add(&mut self, author: (SpaceId, AuthorTag)) {
        self.numbers.insert(author, self.by_number.len() as u32);
        self.by_number.push(author);
    }

    /// Writes a row.
    pub(super) fn encode(
        &mut self,
        position: Position,
        place: Option<&(SpaceId, Key)>,
        out: &mut Vec<u8>,
    ) {
        let Some((space, key)) = place else {
            out.push(ROW_OTHER);
            out.extend_from_slice(&position.to_u64().to_le_bytes());
            return;
        };
        let author = (*space, key.author);
        let number = self.numbers.get(&author).copied();
        let is_new = number.is_none() && self.by_number.len() < NUMBERED_MAX;
        out.push(match (number, is_new) {
            (Some(_), _) => ROW_NUMBERED,
            (None, true) => ROW_NEW,
            (None, false) => ROW_WHOLE,
        });
        out.extend_from_slice(&position.to_u64().to_le_bytes());
        match number {
            Some(number) => out.extend_from_slice(&number.to_le_bytes()),
            None => {
                out.extend_from_slice(space.as_bytes());
                out.extend_from_slice(key.author.as_bytes());
            }
        }
        if is_new {
            self.add(author);
        }
        out.extend_from_slice(&key.seq.to_le_bytes());
        out.extend_from_slice(key.id.as_bytes());
    }

    /// Reads a row off the front of `bytes`.
    pub(super) fn decode(
        &mut self,
        bytes: &mut &[u8],
    ) -> Option<(Position, Option<(SpaceId, Key)>)> {
        let tag = take::<1>(bytes)?[0];
        let position = Position::from_u64(u64::from_le_bytes(take(bytes)?));
        let (space, author) = match tag {
            ROW_OTHER => return Some((position, None)),
            ROW_NUMBERED => {
                let number = u32::from_le_bytes(take(bytes)?);
                *self.by_number.get(number as usize)?
            }
            ROW_NEW | ROW_WHOLE => {
                let space = SpaceId::from_bytes(take(bytes)?);
                let author = (space, AuthorTag::from_bytes(take(bytes)?));
                if tag == ROW_NEW {
                    self.add(author);
                }
                author
            }
            _ => return None,
        };
        let seq = u64::from_le_bytes(take(bytes)?);
        let id = EntryId::from_bytes(take(bytes)?);
        Some((position, Some((space, Key { author, seq, id }))))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*front)
}
