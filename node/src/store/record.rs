//! The record: append-only segment files that hold every entry. Spec: `specs/record-format.md`.
//!
//! One [`Appender`] writes, anyone reads. Bytes before the tail never change, with two exceptions
//! that keep every length: erasure and the discarding of damaged frames, both journalled
//! ([`patch`]).

pub(crate) mod append;
pub(crate) mod patch;
pub(crate) mod recover;
pub(crate) mod session;

use super::{
    entry::{Position, StoredEntry},
    error::StoreError,
    files::{File, Files},
    frame::{self, Marker, Place, Prefix, SEGMENT_HEADER_BYTES},
    scan::Scan,
    sync::{read, write},
};
use std::{
    cmp::Ordering,
    collections::BTreeMap,
    io,
    sync::{
        Arc, RwLock,
        atomic::{self, AtomicU64},
    },
};

/// Most entries are smaller, so one read call fetches them.
const FIRST_READ_BYTES: usize = 4096;

pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) marker: Marker,
    pub(crate) file: Arc<dyn File>,
}

impl Segment {
    pub(crate) fn name(number: u32) -> String {
        format!("{number:08}.seg")
    }

    fn parse_name(name: &str) -> Option<u32> {
        let digits = name
            .strip_suffix(".seg")
            .filter(|digits| digits.len() == 8)?;
        digits.parse().ok()
    }

    fn place(&self, offset: u32) -> Place {
        Place {
            marker: self.marker,
            segment: self.number,
            offset,
        }
    }

    pub(crate) fn scan(&self, from: u32, end: u64) -> Scan<'_> {
        Scan::new(self.file.as_ref(), self.marker, self.number, from, end)
    }
}

pub(crate) struct Record {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) segments: RwLock<BTreeMap<u32, Arc<Segment>>>,
    /// End of what is durable and indexed: readers see nothing beyond.
    tail: AtomicU64,
    /// Held while bytes before the tail change, so that no reader sees half an erasure.
    patching: RwLock<()>,
}

/// A frame as read from disk.
pub(crate) struct RawFrame {
    pub(crate) prefix: Prefix,
    pub(crate) bytes: Vec<u8>,
}

impl Record {
    pub(crate) fn tail(&self) -> Position {
        Position::from_u64(self.tail.load(atomic::Ordering::Acquire))
    }

    pub(crate) fn set_tail(&self, tail: Position) {
        self.tail.store(tail.to_u64(), atomic::Ordering::Release);
    }

    /// Marker of the first segment: no other record has it.
    pub(crate) fn identity(&self) -> [u8; 8] {
        let segments = read(&self.segments);
        let first = segments.values().next();
        first.map_or([0; 8], |segment| segment.marker.0)
    }

    pub(crate) fn segment(&self, number: u32) -> Option<Arc<Segment>> {
        read(&self.segments).get(&number).cloned()
    }

    /// The segments up to the tail, each with the end of what may be read.
    pub(crate) fn readable(&self) -> Result<Vec<(Arc<Segment>, u64)>, StoreError> {
        let numbers: Vec<u32> = read(&self.segments).keys().copied().collect();
        let segments = numbers
            .into_iter()
            .map(|number| self.readable_segment(number));
        segments.filter_map(Result::transpose).collect()
    }

    /// One segment with the end of what may be read; `None` if there is none up to the tail.
    pub(crate) fn readable_segment(
        &self,
        number: u32,
    ) -> Result<Option<(Arc<Segment>, u64)>, StoreError> {
        let tail = self.tail();
        let Some(segment) = self.segment(number) else {
            return Ok(None);
        };
        let end = match number.cmp(&tail.segment()) {
            Ordering::Less => segment
                .file
                .size()
                .map_err(StoreError::io("read the length of a segment"))?,
            Ordering::Equal => u64::from(tail.offset()),
            Ordering::Greater => return Ok(None),
        };
        Ok(Some((segment, end)))
    }

    /// Reads the frame at a position, without checking its structural part.
    pub(crate) fn read_raw(&self, position: Position) -> Result<RawFrame, StoreError> {
        let damaged = StoreError::Damaged { id: None, position };
        if position >= self.tail() || position.offset() < SEGMENT_HEADER_BYTES {
            return Err(StoreError::NoEntry { position });
        }
        let Some(segment) = self.segment(position.segment()) else {
            return Err(damaged);
        };
        let _no_patch = read(&self.patching);
        read_frame(&segment, position.offset())
            .map_err(StoreError::io(format!("read the entry at {position}")))?
            .ok_or(damaged)
    }

    /// Reads and checks the entry at a position.
    pub(crate) fn read_entry(&self, position: Position) -> Result<StoredEntry, StoreError> {
        let raw = self.read_raw(position)?;
        if raw.prefix.is_filler() {
            return Err(StoreError::NoEntry { position });
        }
        let Some((entry, words)) = frame::decode(&raw.prefix, &raw.bytes) else {
            return Err(StoreError::Damaged { id: None, position });
        };
        Ok(StoredEntry {
            position,
            kind: entry.kind,
            id: entry.id,
            header: entry.header.to_vec(),
            signature: *entry.signature,
            shape: entry.shape.to_vec(),
            words: words.to_words(),
        })
    }

    /// Runs `change` while no reader looks at the bytes it changes.
    fn patch_bytes(&self, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let _alone = write(&self.patching);
        change()
    }

    /// Keeps erasures away while a copy is made or a whole segment is walked.
    pub(crate) fn hold_patches(&self) -> std::sync::RwLockReadGuard<'_, ()> {
        read(&self.patching)
    }
}

fn read_frame(segment: &Segment, offset: u32) -> io::Result<Option<RawFrame>> {
    let mut bytes = vec![0; FIRST_READ_BYTES];
    let mut have = segment.file.read_at(u64::from(offset), &mut bytes)?;
    let Some(prefix) = Prefix::decode(&bytes[..have], segment.place(offset)) else {
        return Ok(None);
    };
    let len = if prefix.is_filler() {
        have
    } else {
        prefix.frame_len() as usize
    };
    bytes.resize(len, 0);
    if len > have {
        have += segment
            .file
            .read_at(u64::from(offset) + have as u64, &mut bytes[have..])?;
    }
    Ok((have >= len).then_some(RawFrame { prefix, bytes }))
}
