//! Walks the frames of one segment and finds its way again after damage.

use super::{
    entry::EntryRef,
    files::File,
    frame::{self, Marker, PREFIX_BYTES, Place, Prefix, SEGMENT_HEADER_BYTES, WordsRef},
};
use comity_protocol::id::{EntryId, ID_BYTES};
use std::io;

const CHUNK_BYTES: usize = 512 * 1024;
/// Unit in which an unreadable area is stepped over.
const SECTOR_BYTES: usize = 4096;

/// What stands at one place of a segment.
pub(crate) enum Found<'a> {
    Entry {
        offset: u32,
        prefix: Prefix,
        entry: EntryRef<'a>,
        words: WordsRef<'a>,
    },
    Filler,
    /// No frame can be read from `start` to `end`.
    Damaged {
        start: u32,
        end: u32,
        likely_id: Option<EntryId>,
    },
}

/// Reads a segment from an offset where a frame begins (or damage) up to `end`.
pub(crate) struct Scan<'a> {
    file: &'a dyn File,
    marker: Marker,
    segment: u32,
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_at: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a dyn File, marker: Marker, segment: u32, at: u32, end: u64) -> Self {
        let at = u64::from(at.max(SEGMENT_HEADER_BYTES));
        Self {
            file,
            marker,
            segment,
            at,
            end,
            buffer: Vec::new(),
            buffer_at: 0,
        }
    }

    /// Where the next frame begins.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let start = self.at;
        let Some(prefix) = self.prefix_at(start)? else {
            return self.damage(start).map(Some);
        };
        let len = prefix.frame_len();
        if prefix.is_filler() {
            self.at = start + len;
            return Ok(Some(Found::Filler));
        }
        self.fill(start, len as usize)?;
        self.at = start + len;
        let from = (start - self.buffer_at) as usize;
        let bytes = &self.buffer[from..from + len as usize];
        let offset = start as u32;
        Ok(Some(match frame::decode(&prefix, bytes) {
            Some((entry, words)) => Found::Entry {
                offset,
                prefix,
                entry,
                words,
            },
            None => Found::Damaged {
                start: offset,
                end: self.at as u32,
                likely_id: Some(frame::id_of(bytes)),
            },
        }))
    }

    /// The prefix at this offset, if it is whole and its frame ends inside the segment.
    fn prefix_at(&mut self, offset: u64) -> io::Result<Option<Prefix>> {
        let place = Place {
            marker: self.marker,
            segment: self.segment,
            offset: offset as u32,
        };
        let end = self.end;
        let prefix = Prefix::decode(self.fill(offset, PREFIX_BYTES)?, place);
        Ok(prefix.filter(|prefix| offset + prefix.frame_len() <= end))
    }

    /// Looks for the next frame after a place where none can be read.
    fn damage(&mut self, start: u64) -> io::Result<Found<'_>> {
        let head = self.fill(start, PREFIX_BYTES + ID_BYTES)?;
        let likely_id = (head.len() == PREFIX_BYTES + ID_BYTES).then(|| frame::id_of(head));
        let mut at = start + 1;
        let end = loop {
            match self.find_marker(at)? {
                None => break self.end,
                Some(hit) if self.prefix_at(hit)?.is_some() => break hit,
                Some(hit) => at = hit + 1,
            }
        };
        self.at = end;
        Ok(Found::Damaged {
            start: start as u32,
            end: end as u32,
            likely_id,
        })
    }

    fn find_marker(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        let marker = self.marker.0;
        while at + marker.len() as u64 <= self.end {
            let window = self.fill(at, CHUNK_BYTES)?;
            if let Some(hit) = window
                .windows(marker.len())
                .position(|bytes| bytes == marker)
            {
                return Ok(Some(at + hit as u64));
            }
            at += (window.len() - (marker.len() - 1)) as u64;
        }
        Ok(None)
    }

    /// Up to `len` bytes from `offset`, fewer only at the end.
    fn fill(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = len.min((self.end - offset) as usize);
        let have = self.buffer_at + self.buffer.len() as u64;
        if offset < self.buffer_at || offset + len as u64 > have {
            let want = len.max(CHUNK_BYTES).min((self.end - offset) as usize);
            self.buffer.resize(want, 0);
            self.buffer_at = offset;
            read_around_errors(self.file, offset, &mut self.buffer)?;
        }
        let from = (offset - self.buffer_at) as usize;
        Ok(&self.buffer[from..from + len])
    }
}

/// An unreadable sector reads as zeros, so that the checksum reports it as damage and the rest of
/// the segment stays readable.
fn read_around_errors(file: &dyn File, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    if let Ok(read) = file.read_at(offset, buffer) {
        buffer[read..].fill(0);
        return Ok(());
    }
    let (mut failed, mut last_error) = (0, None);
    let sectors = buffer.len().div_ceil(SECTOR_BYTES);
    for (number, sector) in buffer.chunks_mut(SECTOR_BYTES).enumerate() {
        match file.read_at(offset + (number * SECTOR_BYTES) as u64, sector) {
            Ok(read) => sector[read..].fill(0),
            Err(error) => {
                sector.fill(0);
                failed += 1;
                last_error = Some(error);
            }
        }
    }
    match last_error {
        Some(error) if failed == sectors => Err(error),
        _ => Ok(()),
    }
}
