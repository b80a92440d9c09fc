//! Walks the whole record: to check it, or to copy it.

use super::{
    entry::Position,
    error::StoreError,
    files::{Files, RealFiles},
    frame::{self, HeaderState, SEGMENT_HEADER_BYTES, WordsRef},
    projection::IndexReader,
    record::Segment,
    report::{BackupReport, Damage, DamageKind, Progress, VerifyReport},
    scan::Found,
    shared::Shared,
};
use comity_protocol::id::EntryId;
use std::path::Path;

const COPY_BYTES: usize = 1024 * 1024;
/// How often progress is told, in entries.
const STEP: u64 = 1_000;

pub(crate) fn verify(
    shared: &Shared,
    index: &dyn IndexReader,
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, StoreError> {
    let readable = shared.record.readable()?;
    let total: u64 = readable.iter().map(|(_, end)| end).sum();
    let mut report = VerifyReport {
        bytes: total,
        segments: readable.len() as u32,
        ..Default::default()
    };
    let (mut done, mut expected) = (0, 0);
    for (segment, end) in readable {
        for missing in expected..segment.number {
            report.damage.push(missing_segment(missing));
        }
        expected = segment.number + 1;
        let mut on_entry = |at| {
            progress(Progress::Verifying {
                done: done + at,
                total,
            })
        };
        verify_segment(shared, index, &segment, end, &mut report, &mut on_entry)?;
        done += end;
    }
    progress(Progress::Verifying { done: total, total });
    // The index of what is durable now has to be complete before it can name what is damaged.
    shared.index.drain()?;
    report.damage = shared.name_damage(std::mem::take(&mut report.damage))?;
    report.damage.sort();
    report.damage.dedup();
    for damage in report
        .damage
        .iter()
        .filter(|d| d.kind != DamageKind::SegmentHeader)
    {
        shared.note_damage(damage.clone());
    }
    Ok(report)
}

fn missing_segment(number: u32) -> Damage {
    let start = Position::new(number, 0);
    Damage {
        start,
        end: start,
        kind: DamageKind::Segment,
        id: None,
    }
}

fn verify_segment(
    shared: &Shared,
    index: &dyn IndexReader,
    segment: &Segment,
    end: u64,
    report: &mut VerifyReport,
    on_entry: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    let attempted = || format!("check segment {}", segment.number);
    let at = |offset| Position::new(segment.number, offset);
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    segment
        .file
        .read_at(0, &mut header)
        .map_err(StoreError::io(attempted()))?;
    if !matches!(
        frame::read_segment_header(&header, segment.number),
        HeaderState::Good(_)
    ) {
        let (start, end) = (at(0), at(SEGMENT_HEADER_BYTES));
        report.damage.push(Damage {
            start,
            end,
            kind: DamageKind::SegmentHeader,
            id: None,
        });
    }
    let mut scan = segment.scan(0, end);
    let mut seen = 0;
    loop {
        let found: Option<(Position, EntryId, bool, u32)> = {
            let _no_patch = shared.record.hold_patches();
            match scan.next().map_err(StoreError::io(attempted()))? {
                None => return Ok(()),
                Some(Found::Filler) => None,
                Some(Found::Damaged {
                    start,
                    end,
                    likely_id: id,
                }) => {
                    let (start, end) = (at(start), at(end));
                    report.damage.push(Damage {
                        start,
                        end,
                        kind: DamageKind::Frame,
                        id,
                    });
                    None
                }
                Some(Found::Entry {
                    offset,
                    prefix,
                    entry,
                    words,
                }) => {
                    let damaged = matches!(words, WordsRef::Damaged);
                    Some((at(offset), entry.id, damaged, prefix.frame_len() as u32))
                }
            }
        };
        let Some((position, id, words_damaged, len)) = found else {
            continue;
        };
        match index.position_of(&id)? {
            Some(current) if current == position => report.entries += 1,
            // A later copy took its place.
            Some(current) if current > position => continue,
            _ => report.missing_in_index.push(id),
        }
        if words_damaged {
            let (start, end) = (position, at(position.offset() + len));
            report.damage.push(Damage {
                start,
                end,
                kind: DamageKind::Words,
                id: Some(id),
            });
        }
        seen += 1;
        if seen % STEP == 0 {
            on_entry(scan.at());
        }
    }
}

/// Copies what is durable now. The copy has no index and opens like a store after a crash.
pub(crate) fn backup(
    shared: &Shared,
    to: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<BackupReport, StoreError> {
    let attempted = || format!("back up to {}", to.display());
    let files = RealFiles::create(&to.join("record")).map_err(StoreError::io(attempted()))?;
    if !files
        .list()
        .map_err(StoreError::io(attempted()))?
        .is_empty()
    {
        return Err(StoreError::BackupTarget(to.to_owned()));
    }
    // Half an erasure must not get into the copy.
    let _no_patch = shared.record.hold_patches();
    let mut report = BackupReport {
        bytes: 0,
        segments: 0,
    };
    let readable = shared.record.readable()?;
    let total = readable.iter().map(|(_, end)| end).sum();
    for (segment, end) in readable {
        let before = report.bytes;
        let mut on_chunk = |at| {
            let done = before + at;
            progress(Progress::Copying { done, total });
        };
        copy(&files, &segment, end, &mut on_chunk).map_err(StoreError::io(attempted()))?;
        report.bytes += end;
        report.segments += 1;
    }
    files.sync().map_err(StoreError::io(attempted()))?;
    Ok(report)
}

fn copy(
    files: &dyn Files,
    segment: &Segment,
    end: u64,
    on_chunk: &mut dyn FnMut(u64),
) -> std::io::Result<()> {
    let target = files.create(&Segment::name(segment.number))?;
    let mut at = 0;
    while at < end {
        let mut bytes = vec![0; COPY_BYTES.min((end - at) as usize)];
        let read = segment.file.read_at(at, &mut bytes)?;
        if read == 0 {
            break;
        }
        target.write_at(at, &bytes[..read])?;
        at += read as u64;
        on_chunk(at);
    }
    target.sync()
}
