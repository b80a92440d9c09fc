//! Writes to the end of the record and gets out of trouble when that fails.
//!
//! After a failed `fdatasync` the kernel may have marked the unwritten pages clean: a second
//! `fdatasync` would succeed without the bytes being on disk, and reading would show them all the
//! same. So a failed sync is never tried again on the same bytes. The whole batch is cut off, and
//! writing goes on in a new segment. Spec: `specs/record-format.md` §6.

use super::{Record, Segment};
use crate::metrics::StoreMetrics;
use crate::store::{
    entry::Position,
    error::StoreError,
    frame::{self, Marker, Place, Prepared, SEGMENT_HEADER_BYTES},
    sync::{read, write},
};
use std::{sync::Arc, time::Instant};

/// Written and removed again to find out whether there is space, in bytes.
const PROBE_BYTES: usize = 64 * 1024;

pub(crate) struct Appender {
    record: Arc<Record>,
    segment: Arc<Segment>,
    end: u32,
    segment_max_bytes: u32,
    next_number: u32,
    /// A cut that failed; nothing may be written before it is done.
    cut: Option<Position>,
    /// A sync failed in this segment: nothing more is appended to it.
    suspect: bool,
}

struct Failure {
    error: StoreError,
    sync_failed: bool,
}

impl Failure {
    fn write(error: StoreError) -> Self {
        Self {
            error,
            sync_failed: false,
        }
    }

    fn sync(error: StoreError) -> Self {
        Self {
            error,
            sync_failed: true,
        }
    }
}

impl Appender {
    /// Appends to `segment` from `end`.
    pub(crate) fn new(
        record: Arc<Record>,
        segment: Arc<Segment>,
        end: u32,
        next_number: u32,
        segment_max_bytes: u32,
    ) -> Self {
        Self {
            record,
            segment,
            end,
            segment_max_bytes,
            next_number,
            cut: None,
            suspect: false,
        }
    }

    pub(crate) fn position(&self) -> Position {
        Position::new(self.segment.number, self.end)
    }

    /// Writes all frames and makes them durable, or leaves none of them.
    pub(crate) fn append(
        &mut self,
        frames: &mut [Prepared],
        metrics: &StoreMetrics,
    ) -> Result<Vec<Position>, StoreError> {
        let start = self.position();
        self.write_batch(frames, metrics).map_err(|failure| {
            self.suspect |= failure.sync_failed;
            self.retreat(start);
            failure.error
        })
    }

    fn write_batch(
        &mut self,
        frames: &mut [Prepared],
        metrics: &StoreMetrics,
    ) -> Result<Vec<Position>, Failure> {
        let mut positions = Vec::with_capacity(frames.len());
        let mut bytes = Vec::new();
        for prepared in frames {
            let at = u64::from(self.end) + bytes.len() as u64;
            let fits = at + u64::from(prepared.len()) <= u64::from(self.segment_max_bytes);
            if !fits && at > u64::from(SEGMENT_HEADER_BYTES) {
                self.write_durably(&bytes, metrics)?;
                bytes.clear();
                self.roll()?;
            }
            let offset = self.end + bytes.len() as u32;
            let place = Place {
                marker: self.segment.marker,
                segment: self.segment.number,
                offset,
            };
            bytes.extend_from_slice(prepared.seal(place, self.end));
            positions.push(Position::new(self.segment.number, offset));
        }
        self.write_durably(&bytes, metrics)?;
        Ok(positions)
    }

    fn write_durably(&mut self, bytes: &[u8], metrics: &StoreMetrics) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let name = Segment::name(self.segment.number);
        let file = &self.segment.file;
        file.write_at(u64::from(self.end), bytes)
            .map_err(StoreError::io(format!("append to {name}")))
            .map_err(Failure::write)?;
        let begun = Instant::now();
        file.sync()
            .map_err(StoreError::io(format!("sync {name}")))
            .map_err(Failure::sync)?;
        metrics.syncs.note_since(begun);
        metrics.bytes.add(bytes.len() as u64);
        self.end += bytes.len() as u32;
        Ok(())
    }

    fn roll(&mut self) -> Result<(), Failure> {
        let segment = create_segment(&self.record, self.next_number).map_err(Failure::write)?;
        self.next_number += 1;
        self.segment = segment;
        self.end = SEGMENT_HEADER_BYTES;
        self.suspect = false;
        Ok(())
    }

    /// Goes back to where the failed batch began.
    fn retreat(&mut self, start: Position) {
        self.cut = Some(start);
        // A failure here leaves `cut` set: `resume` tries again.
        let _ = self.finish_cut();
    }

    fn finish_cut(&mut self) -> Result<(), StoreError> {
        let Some(cut) = self.cut else { return Ok(()) };
        let later: Vec<u32> = read(&self.record.segments)
            .range(cut.segment() + 1..)
            .map(|(n, _)| *n)
            .collect();
        for number in later {
            let name = Segment::name(number);
            self.record
                .files
                .remove(&name)
                .map_err(StoreError::io(format!("remove the unfinished {name}")))?;
            write(&self.record.segments).remove(&number);
            self.next_number = self.next_number.min(number);
        }
        self.record
            .files
            .sync()
            .map_err(StoreError::io("sync the record's folder"))?;
        if let Some(segment) = self.record.segment(cut.segment()) {
            self.segment = segment;
            self.end = cut.offset();
        }
        self.truncate_here()?;
        self.cut = None;
        Ok(())
    }

    fn truncate_here(&mut self) -> Result<(), StoreError> {
        let name = Segment::name(self.segment.number);
        let file = &self.segment.file;
        file.truncate(u64::from(self.end))
            .and_then(|()| file.sync())
            .map_err(StoreError::io(format!(
                "cut an unfinished write off {name}"
            )))
    }

    /// Finds out whether writing works again.
    pub(crate) fn resume(&mut self) -> Result<(), StoreError> {
        self.finish_cut()?;
        let start = self.position();
        let outcome = if self.suspect {
            self.roll()
        } else {
            self.probe()
        };
        outcome.map_err(|failure| {
            self.suspect |= failure.sync_failed;
            self.retreat(start);
            failure.error
        })
    }

    fn probe(&mut self) -> Result<(), Failure> {
        let file = self.segment.file.clone();
        file.write_at(u64::from(self.end), &[0; PROBE_BYTES])
            .map_err(StoreError::io("write to the record"))
            .map_err(Failure::write)?;
        file.sync()
            .map_err(StoreError::io("sync the record"))
            .map_err(Failure::sync)?;
        self.truncate_here().map_err(Failure::sync)
    }
}

/// Creates a segment; header and name are durable afterwards.
pub(crate) fn create_segment(record: &Record, number: u32) -> Result<Arc<Segment>, StoreError> {
    let name = Segment::name(number);
    let mut marker = [0; 8];
    getrandom::fill(&mut marker)
        .map_err(|error| std::io::Error::other(error.to_string()))
        .map_err(StoreError::io("draw a random marker"))?;
    let marker = Marker(marker);
    let create = || {
        let file = match record.files.create(&name) {
            // Left over from a creation that failed before anything was written into it.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                record.files.remove(&name)?;
                record.files.create(&name)?
            }
            other => other?,
        };
        file.write_at(0, &frame::segment_header(marker, number))?;
        file.sync()?;
        record.files.sync()?;
        Ok(file)
    };
    let file = create().map_err(|error| {
        // Best effort: an empty segment at the end is also removed when the record is opened.
        let _ = record.files.remove(&name);
        StoreError::io(format!("create {name}"))(error)
    })?;
    let segment = Arc::new(Segment {
        number,
        marker,
        file,
    });
    write(&record.segments).insert(number, segment.clone());
    Ok(segment)
}
