//! The two changes inside the record: erasing words and discarding damaged frames.
//!
//! Both overwrite in place, so a crash can leave them half done. What is about to happen is
//! written to `patches` first and done again when the record is opened. Spec:
//! `specs/record-format.md` §5.

use super::Record;
use crate::store::{
    entry::{Erasure, Position},
    error::StoreError,
    files::File,
    frame::{self, Prefix, WordsRef},
};
use comity_protocol::id::{EntryId, ID_BYTES};
use std::{io, sync::Arc};

pub(crate) const JOURNAL: &str = "patches";
const JOURNAL_BYTES: usize = 56;
const OP_ERASE: u8 = 1;
const OP_DISCARD: u8 = 2;
const ZEROS_BYTES: usize = 64 * 1024;

/// One change, as journalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patch {
    Erase {
        position: Position,
        id: EntryId,
    },
    /// A filler takes the place of `len` bytes that nothing refers to any more.
    Discard {
        position: Position,
        len: u32,
    },
}

impl Patch {
    fn encode(&self) -> [u8; JOURNAL_BYTES] {
        let mut bytes = [0; JOURNAL_BYTES];
        let (op, position, len) = match self {
            Self::Erase { position, id } => {
                bytes[16..16 + ID_BYTES].copy_from_slice(id.as_bytes());
                (OP_ERASE, position, 0)
            }
            Self::Discard { position, len } => (OP_DISCARD, position, *len),
        };
        bytes[..8].copy_from_slice(&position.to_u64().to_le_bytes());
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        bytes[12] = op;
        let crc = crc32c::crc32c(&bytes[..JOURNAL_BYTES - 4]);
        bytes[JOURNAL_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; JOURNAL_BYTES]) -> Option<Self> {
        let (body, crc) = bytes.split_at(JOURNAL_BYTES - 4);
        if crc32c::crc32c(body).to_le_bytes() != crc {
            return None;
        }
        let position = Position::from_u64(u64::from_le_bytes(body[..8].try_into().ok()?));
        let len = u32::from_le_bytes(body[8..12].try_into().ok()?);
        let id = EntryId::from_bytes(body[16..16 + ID_BYTES].try_into().ok()?);
        match body[12] {
            OP_ERASE => Some(Self::Erase { position, id }),
            OP_DISCARD => Some(Self::Discard { position, len }),
            _ => None,
        }
    }
}

/// Does patches one at a time. Owned by whoever owns the appender.
pub(crate) struct Patcher {
    record: Arc<Record>,
    journal: Arc<dyn File>,
    /// A patch that failed midway; nothing else may be patched before it is done.
    unfinished: Option<Patch>,
}

impl Patcher {
    /// Opens the journal and finishes what a crash interrupted.
    pub(crate) fn open(record: Arc<Record>) -> Result<Self, StoreError> {
        let open = || -> io::Result<(Arc<dyn File>, Option<Patch>)> {
            if !record.files.list()?.iter().any(|name| name == JOURNAL) {
                let journal = record.files.create(JOURNAL)?;
                // Takes its space now: erasing must work on a full disk.
                journal.write_at(0, &[0; JOURNAL_BYTES])?;
                journal.sync()?;
                record.files.sync()?;
                return Ok((journal, None));
            }
            let journal = record.files.open(JOURNAL)?;
            let mut bytes = [0; JOURNAL_BYTES];
            let read = journal.read_at(0, &mut bytes)?;
            let patch = if read == JOURNAL_BYTES {
                Patch::decode(&bytes)
            } else {
                None
            };
            Ok((journal, patch))
        };
        let (journal, unfinished) = open().map_err(StoreError::io("open the patch journal"))?;
        let mut patcher = Self {
            record,
            journal,
            unfinished,
        };
        patcher.finish()?;
        Ok(patcher)
    }

    /// Does again what failed or was interrupted. Every patch can be repeated.
    pub(crate) fn finish(&mut self) -> Result<(), StoreError> {
        match self.unfinished {
            Some(patch) => self.run(patch),
            None => Ok(()),
        }
    }

    /// Overwrites the words of the entry at this position.
    pub(crate) fn erase(&mut self, position: Position) -> Result<Erasure, StoreError> {
        self.finish()?;
        let raw = self.record.read_raw(position)?;
        let Some((entry, words)) = frame::decode(&raw.prefix, &raw.bytes) else {
            return Err(StoreError::Damaged { id: None, position });
        };
        match words {
            WordsRef::Absent => Ok(Erasure::NoWords),
            WordsRef::Erased { .. } => Ok(Erasure::AlreadyErased),
            WordsRef::Present(_) | WordsRef::Damaged => {
                self.run(Patch::Erase {
                    position,
                    id: entry.id,
                })?;
                Ok(Erasure::Erased)
            }
        }
    }

    /// Puts a filler over bytes that nothing refers to.
    pub(crate) fn discard(&mut self, position: Position, len: u32) -> Result<(), StoreError> {
        self.finish()?;
        self.run(Patch::Discard { position, len })
    }

    fn run(&mut self, patch: Patch) -> Result<(), StoreError> {
        self.unfinished = Some(patch);
        let attempt = || -> io::Result<()> {
            self.journal.write_at(0, &patch.encode())?;
            self.journal.sync()?;
            match patch {
                Patch::Erase { position, id } => self.overwrite_words(position, id)?,
                Patch::Discard { position, len } => self.overwrite_frame(position, len)?,
            }
            // Durable as well, so that no crash can bring a patch back once the place is reused.
            self.journal.write_at(0, &[0; JOURNAL_BYTES])?;
            self.journal.sync()
        };
        attempt().map_err(StoreError::io("overwrite bytes of the record in place"))?;
        self.unfinished = None;
        Ok(())
    }

    fn overwrite_words(&self, position: Position, id: EntryId) -> io::Result<()> {
        let Some(segment) = self.record.segment(position.segment()) else {
            return Ok(());
        };
        let Some(raw) = super::read_frame(&segment, position.offset())? else {
            return Ok(());
        };
        let Some(at) = raw.prefix.words_at() else {
            return Ok(());
        };
        if frame::decode(&raw.prefix, &raw.bytes).is_none_or(|(entry, _)| entry.id != id) {
            return Ok(());
        }
        let at = u64::from(position.offset()) + u64::from(at);
        let section = frame::erased_section(&raw.prefix);
        self.record
            .patch_bytes(|| segment.file.write_at(at, &section))?;
        segment.file.sync()
    }

    fn overwrite_frame(&self, position: Position, len: u32) -> io::Result<()> {
        let Some(segment) = self.record.segment(position.segment()) else {
            return Ok(());
        };
        let prefix = Prefix::filler(len).encode(segment.place(position.offset()));
        let start = u64::from(position.offset());
        let (mut at, end) = (start + prefix.len() as u64, start + u64::from(len));
        self.record.patch_bytes(|| {
            segment.file.write_at(start, &prefix)?;
            while at < end {
                let zeros = vec![0; ZEROS_BYTES.min((end - at) as usize)];
                segment.file.write_at(at, &zeros)?;
                at += zeros.len() as u64;
            }
            Ok(())
        })?;
        segment.file.sync()
    }
}
