//! Opens a record after whatever happened to it. Spec: `specs/record-format.md` §4.
//!
//! What an unfinished group commit left is cut off; what had been acknowledged and is damaged now
//! is kept, reported and skipped. The two are told apart by the `batch_offset` of later frames.

use super::{
    Record, Segment,
    append::{Appender, create_segment},
    patch::Patcher,
    session::LastSession,
};
use crate::store::{
    entry::Position,
    error::StoreError,
    files::{File, Files},
    frame::{
        self, HeaderState, Marker, PREFIX_BYTES, Place, Prefix, SEGMENT_HEADER_BYTES, WordsRef,
    },
    report::{Damage, DamageKind},
    scan::Found,
};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, RwLock, atomic::AtomicU64},
};

const COPY_BYTES: usize = 1024 * 1024;

/// A record that is ready for reading and writing.
pub(crate) struct Recovered {
    pub(crate) record: Arc<Record>,
    pub(crate) appender: Appender,
    pub(crate) patcher: Patcher,
    pub(crate) damage: Vec<Damage>,
    pub(crate) torn: Vec<Damage>,
}

pub(crate) enum OpenFailure {
    TooNew(u32),
    Error(StoreError),
}

impl From<StoreError> for OpenFailure {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

pub(crate) fn open(
    files: Arc<dyn Files>,
    segment_max_bytes: u32,
    last: &LastSession,
) -> Result<Recovered, OpenFailure> {
    let mut found = open_segments(files.as_ref())?;
    let record = Arc::new(Record {
        files,
        segments: RwLock::new(found.segments),
        tail: AtomicU64::new(0),
        patching: RwLock::new(()),
    });
    let patcher = Patcher::open(record.clone())?;
    let last_readable = super::read(&record.segments).values().next_back().cloned();
    let (mut torn, mut patcher) = (Vec::new(), patcher);
    let (segment, end) = match last_readable {
        Some(segment) if segment.number + 1 == found.next_number => {
            let tail = recover_tail(&segment, last, &mut patcher)?;
            found.damage.extend(tail.damage);
            torn = tail.torn;
            (segment, tail.end)
        }
        _ => {
            let segment = create_segment(&record, found.next_number)?;
            found.next_number += 1;
            (segment, SEGMENT_HEADER_BYTES)
        }
    };
    record.set_tail(Position::new(segment.number, end));
    let appender = Appender::new(
        record.clone(),
        segment,
        end,
        found.next_number,
        segment_max_bytes,
    );
    Ok(Recovered {
        record,
        appender,
        patcher,
        damage: found.damage,
        torn,
    })
}

struct FoundSegments {
    segments: BTreeMap<u32, Arc<Segment>>,
    next_number: u32,
    damage: Vec<Damage>,
}

fn open_segments(files: &dyn Files) -> Result<FoundSegments, OpenFailure> {
    let names = files
        .list()
        .map_err(StoreError::io("list the record's folder"))?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| Segment::parse_name(name))
        .collect();
    numbers.sort_unstable();
    let mut found = FoundSegments {
        segments: BTreeMap::new(),
        next_number: 0,
        damage: Vec::new(),
    };
    for (at, number) in numbers.iter().copied().enumerate() {
        for missing in found.next_number..number {
            found.damage.push(whole_segment(missing, 0));
        }
        let is_last = at + 1 == numbers.len();
        let attempted = format!("open segment {number} of the record");
        open_segment(files, number, is_last, &mut found)
            .map_err(StoreError::io(attempted))?
            .map_or(Ok(()), |version| Err(OpenFailure::TooNew(version)))?;
    }
    Ok(found)
}

fn whole_segment(number: u32, len: u64) -> Damage {
    let (start, end) = (Position::new(number, 0), Position::new(number, len as u32));
    Damage {
        start,
        end,
        kind: DamageKind::Segment,
        id: None,
    }
}

/// Gives the version back if it is too new.
fn open_segment(
    files: &dyn Files,
    number: u32,
    is_last: bool,
    found: &mut FoundSegments,
) -> io::Result<Option<u32>> {
    let name = Segment::name(number);
    let file = files.open(&name)?;
    let len = file.size()?;
    let mut header = vec![0; SEGMENT_HEADER_BYTES as usize];
    let read = file.read_at(0, &mut header)?;
    let (marker, intact) = match frame::read_segment_header(&header[..read], number) {
        HeaderState::TooNew(version) => return Ok(Some(version)),
        HeaderState::Good(marker) => (Some(marker), true),
        HeaderState::HalfDamaged(marker) => (Some(marker), false),
        HeaderState::Damaged => (marker_of_first_frame(file.as_ref(), number)?, false),
    };
    let torn_creation = is_last && !intact && len <= u64::from(SEGMENT_HEADER_BYTES);
    if torn_creation {
        // The header is synced before any frame is written, so there was none.
        files.remove(&name)?;
        files.sync()?;
        return Ok(None);
    }
    found.next_number = number + 1;
    let Some(marker) = marker else {
        found.damage.push(whole_segment(number, len));
        return Ok(None);
    };
    if !intact {
        found.damage.push(Damage {
            start: Position::new(number, 0),
            end: Position::new(number, SEGMENT_HEADER_BYTES),
            kind: DamageKind::SegmentHeader,
            id: None,
        });
        file.write_at(0, &frame::segment_header(marker, number))?;
        file.sync()?;
    }
    found.segments.insert(
        number,
        Arc::new(Segment {
            number,
            marker,
            file,
        }),
    );
    Ok(None)
}

/// With both copies of the header damaged the first frame still holds the marker.
fn marker_of_first_frame(file: &dyn File, segment: u32) -> io::Result<Option<Marker>> {
    let mut bytes = [0; PREFIX_BYTES];
    file.read_at(u64::from(SEGMENT_HEADER_BYTES), &mut bytes)?;
    let mut marker = [0; 8];
    marker.copy_from_slice(&bytes[..8]);
    let place = Place {
        marker: Marker(marker),
        segment,
        offset: SEGMENT_HEADER_BYTES,
    };
    Ok(Prefix::decode(&bytes, place).map(|_| Marker(marker)))
}

struct Tail {
    end: u32,
    damage: Vec<Damage>,
    torn: Vec<Damage>,
}

/// Walks the last segment, cuts off or discards what was never acknowledged.
fn recover_tail(
    segment: &Segment,
    last: &LastSession,
    patcher: &mut Patcher,
) -> Result<Tail, StoreError> {
    let attempt = "read the last segment of the record";
    let len = segment.file.size().map_err(StoreError::io(attempt))?;
    let walked = walk(segment, len).map_err(StoreError::io(attempt))?;
    let closed = last
        .closed_at
        .filter(|closed| closed.segment() == segment.number);
    let known = walked
        .known
        .max(closed.map_or(0, Position::offset))
        .min(len as u32);
    let (damage, mut torn): (Vec<_>, Vec<_>) = walked
        .holes
        .into_iter()
        .partition(|hole| hole.start.offset() < known);
    let mut end = len as u32;
    let mut cut_from = torn.len();
    while cut_from > 0 && torn[cut_from - 1].end.offset() == end {
        cut_from -= 1;
        end = torn[cut_from].start.offset();
    }
    for hole in &torn[..cut_from] {
        let hole_len = hole.end.offset() - hole.start.offset();
        if hole_len as usize >= PREFIX_BYTES {
            patcher.discard(hole.start, hole_len)?;
        }
    }
    let confirm = || {
        if u64::from(end) < len {
            segment.file.truncate(u64::from(end))?;
        }
        write_again(segment.file.as_ref(), u64::from(known), u64::from(end))
    };
    confirm().map_err(StoreError::io("make the end of the record durable"))?;
    torn.sort();
    Ok(Tail { end, damage, torn })
}

struct Walked {
    holes: Vec<Damage>,
    /// Everything before this offset had been acknowledged.
    known: u32,
}

fn walk(segment: &Segment, len: u64) -> io::Result<Walked> {
    let mut walked = Walked {
        holes: Vec::new(),
        known: SEGMENT_HEADER_BYTES,
    };
    let mut scan = segment.scan(SEGMENT_HEADER_BYTES, len);
    let at = |offset| Position::new(segment.number, offset);
    while let Some(found) = scan.next()? {
        match found {
            Found::Filler => {}
            Found::Entry {
                offset,
                prefix,
                entry,
                words,
            } => {
                walked.known = walked.known.max(prefix.batch_offset);
                if matches!(words, WordsRef::Damaged) {
                    let end = at(offset + prefix.frame_len() as u32);
                    let id = Some(entry.id);
                    let start = at(offset);
                    walked.holes.push(Damage {
                        start,
                        end,
                        kind: DamageKind::Words,
                        id,
                    });
                }
            }
            Found::Damaged {
                start,
                end,
                likely_id,
            } => {
                let (start, end) = (at(start), at(end));
                let kind = DamageKind::Frame;
                walked.holes.push(Damage {
                    start,
                    end,
                    kind,
                    id: likely_id,
                });
            }
        }
    }
    Ok(walked)
}

/// Writes what may never have been acknowledged once more, then syncs.
///
/// A process that crashed after a failed sync leaves pages that read well, count as clean and are
/// not on disk. Written again they are dirty, and this sync tells the truth about them.
fn write_again(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let mut bytes = vec![0; COPY_BYTES.min((to - at) as usize)];
        let read = file.read_at(at, &mut bytes)?;
        if read == 0 {
            break;
        }
        file.write_at(at, &bytes[..read])?;
        at += read as u64;
    }
    file.sync()
}
