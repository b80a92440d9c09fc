//! Where the entries of the record stand in the sets of their spaces, in a file of small rows, so
//! that a node opens without reading the whole record.
//!
//! The file only repeats what the headers say, never words, and is never believed over the record:
//! every block carries a checksum, the part of the record that it covers and the marker of a segment,
//! and the entry of the last row has to stand where the row says. What the file does not cover, and
//! what does not fit, is read from the record. So rows need no sync, any write may be lost or torn,
//! and no failure here is an error of the store. Spec: `specs/record-format.md` §9.

mod format;

use super::{
    entry::{Position, StoredEntry},
    error::StoreError,
    files::File,
    frame::{self, SEGMENT_HEADER_BYTES},
    projection::IndexReader,
    record::Record,
    report::{Damage, DamageKind},
    scan::Found,
    shared::Shared,
    sync::lock,
};
use comity_protocol::{id::SpaceId, sync::Key};
pub(crate) use format::Owner;
use format::{Authors, BLOCK_HEAD_BYTES, BLOCK_ROWS, BlockHead, HEADER_BYTES};
use std::{io, sync::Arc};

pub(crate) const PLACES: &str = "places";

/// Where an entry stands: its place in the set of its space, or the entry itself where the place
/// alone does not say enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// A contribution.
    Contribution {
        /// Where it is in the record.
        position: Position,
        /// Its space.
        space: SpaceId,
        /// Its key there.
        key: Key,
    },
    /// Anything else.
    Other(StoredEntry),
}

/// Where an entry is, and its place; no place: the entry says it.
type Row = (Position, Option<(SpaceId, Key)>);

/// Before every entry.
const FIRST: Position = Position::new(0, SEGMENT_HEADER_BYTES);

/// The file, as far as it can be used.
pub(crate) struct Places {
    file: Option<Arc<dyn File>>,
    /// Where the next block goes.
    at: u64,
    authors: Authors,
    /// All before this is in the file or in `rows`.
    covered: Position,
    /// Where the rows that are not written yet begin.
    start: Position,
    rows: Vec<u8>,
    count: u32,
}

impl Places {
    fn none() -> Self {
        Self {
            file: None,
            at: 0,
            authors: Authors::default(),
            covered: FIRST,
            start: FIRST,
            rows: Vec::new(),
            count: 0,
        }
    }

    /// Opens the file of a record and reads as much of it as fits the record, up to what opening gave
    /// up as torn. With `is_damaged` nothing of it is used, so that all damage is found.
    pub(crate) fn open(
        record: &Record,
        owner: Owner,
        is_damaged: bool,
        torn: Option<Position>,
    ) -> Self {
        let mut places = Self::none();
        // Without the file everything is read from the record.
        if places.read_file(record, &owner, is_damaged, torn).is_err() {
            return Self::none();
        }
        places
    }

    fn read_file(
        &mut self,
        record: &Record,
        owner: &Owner,
        is_damaged: bool,
        torn: Option<Position>,
    ) -> io::Result<()> {
        let is_there = record.files.list()?.iter().any(|name| name == PLACES);
        let file = match is_there {
            true => record.files.open(PLACES)?,
            false => record.files.create(PLACES)?,
        };
        let mut head = [0; HEADER_BYTES];
        let read = file.read_at(0, &mut head)?;
        self.at = HEADER_BYTES as u64;
        let mut is_ours = !is_damaged && read == HEADER_BYTES && head == owner.encode();
        if is_ours {
            let mut last = None;
            while let Some((head, rows)) = read_block(&*file, self.at, self.covered)? {
                if torn.is_some_and(|torn| head.end > torn) {
                    break;
                }
                let Some(row) = each_row(&mut self.authors, &head, &rows, &mut |_| {}) else {
                    is_ours = false;
                    break;
                };
                self.covered = head.end;
                self.at += (BLOCK_HEAD_BYTES + rows.len()) as u64;
                last = Some((row, head));
            }
            is_ours &= last.is_none_or(|(row, head)| fits(record, &row, &head));
        }
        if !is_ours {
            *self = Self::none();
            self.at = HEADER_BYTES as u64;
            file.truncate(0)?;
            file.write_at(0, &owner.encode())?;
        } else if file.size()? > self.at {
            file.truncate(self.at)?;
        }
        self.start = self.covered;
        self.file = Some(file);
        Ok(())
    }

    /// Adds the rows of entries that have just become durable, in record order: all that the record
    /// got between `start` and `end`.
    pub(crate) fn extend(
        &mut self,
        record: &Record,
        rows: impl Iterator<Item = Row>,
        (start, end): (Position, Position),
    ) {
        // Otherwise something before them is missing here. The next opening reads it.
        if self.file.is_none() || self.covered != start {
            return;
        }
        for row in rows {
            self.push(record, &row);
        }
        self.covered = end;
    }

    fn push(&mut self, record: &Record, (position, place): &Row) {
        // Nothing would ever take the rows out of memory.
        if self.file.is_none() {
            return;
        }
        if self.count >= BLOCK_ROWS {
            self.covered = *position;
            self.write(record);
        }
        self.authors
            .encode(*position, place.as_ref(), &mut self.rows);
        self.count += 1;
    }

    /// Writes the rows that wait as one block.
    pub(crate) fn write(&mut self, record: &Record) {
        let segment = record.segment(self.covered.segment());
        let (Some(file), Some(segment)) = (&self.file, segment) else {
            return;
        };
        if self.count == 0 {
            return;
        }
        let head = BlockHead {
            len: self.rows.len() as u32,
            rows: self.count,
            start: self.start,
            end: self.covered,
            marker: segment.marker,
        };
        let block = head.encode(&self.rows);
        if file.write_at(self.at, &block).is_err() {
            // A full disk: the next opening uses what is whole and reads on from there.
            self.file = None;
        }
        self.at += block.len() as u64;
        self.rows.clear();
        (self.count, self.start) = (0, self.covered);
    }

    /// What is open is not to be found by the next opening either.
    pub(crate) fn forget(&mut self) {
        if let Some(file) = self.file.take() {
            let _ = file.truncate(0).and_then(|()| file.sync());
        }
    }
}

type Read = (BlockHead, Vec<u8>);

/// The block at an offset, if it is whole and follows what is covered.
fn read_block(file: &dyn File, at: u64, covered: Position) -> io::Result<Option<Read>> {
    let mut bytes = vec![0; BLOCK_HEAD_BYTES];
    let read = file.read_at(at, &mut bytes)?;
    let Some((head, crc)) = BlockHead::decode(&bytes[..read]) else {
        return Ok(None);
    };
    bytes.resize(BLOCK_HEAD_BYTES + head.len as usize, 0);
    let read = file.read_at(at, &mut bytes)?;
    let is_whole = read == bytes.len() && BlockHead::crc(&bytes) == crc;
    if !is_whole || head.start != covered || head.end <= head.start {
        return Ok(None);
    }
    Ok(Some((head, bytes.split_off(BLOCK_HEAD_BYTES))))
}

/// Gives the rows of a block to `visit`, and the last one back; none if they cannot be read.
fn each_row(
    authors: &mut Authors,
    head: &BlockHead,
    mut bytes: &[u8],
    visit: &mut dyn FnMut(Row),
) -> Option<Row> {
    let mut last = None;
    for _ in 0..head.rows {
        let row = authors.decode(&mut bytes)?;
        visit(row);
        last = Some(row);
    }
    last.filter(|_| bytes.is_empty())
}

/// Whether the record holds what the last block says.
fn fits(record: &Record, (position, place): &Row, head: &BlockHead) -> bool {
    let segment = record.segment(head.end.segment());
    let is_here = segment.is_some_and(|segment| segment.marker == head.marker);
    if !is_here || head.end > record.tail() || *position >= head.end {
        return false;
    }
    match (record.read_raw(*position), place) {
        (Ok(raw), Some((_, key))) if !raw.prefix.is_filler() => frame::id_of(&raw.bytes) == key.id,
        // A frame that was replaced since.
        (Ok(_), _) => true,
        (Err(_), _) => false,
    }
}

impl Shared {
    /// Gives every entry to `visit`, in record order. `index` heals what is damaged in the index;
    /// the writer does that and takes the lock of the places, so nobody holds it across a row.
    pub(crate) fn places(
        &self,
        index: &dyn IndexReader,
        visit: &mut dyn FnMut(Placed),
    ) -> Result<(), StoreError> {
        let mut failed = None;
        let mut give = |(position, place): Row| {
            if self.known_damaged(position) || failed.is_some() {
                return;
            }
            if let Some((space, key)) = place {
                visit(Placed::Contribution {
                    position,
                    space,
                    key,
                });
                return;
            }
            match self.current_at(index, position) {
                Ok(Some(entry)) => visit(Placed::Other(entry)),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        };
        let covered = self.rows_of_file(&mut give);
        self.rows_of_record(covered, &mut give)?;
        failed.map_or(Ok(()), Err)
    }

    /// Gives the rows of the file, and how much of the record they are. What cannot be read from it
    /// any more is left to the record.
    fn rows_of_file(&self, give: &mut dyn FnMut(Row)) -> Position {
        let (file, end, all) = {
            let mut places = lock(&self.places);
            places.write(&self.record);
            match &places.file {
                Some(file) => (file.clone(), places.at, places.covered),
                None => return FIRST,
            }
        };
        let (mut at, mut covered, mut authors) = (HEADER_BYTES as u64, FIRST, Authors::default());
        while at < end {
            let Ok(Some((head, rows))) = read_block(&*file, at, covered) else {
                self.distrust_places();
                return covered;
            };
            each_row(&mut authors, &head, &rows, give);
            covered = head.end;
            at += (BLOCK_HEAD_BYTES + rows.len()) as u64;
        }
        all
    }

    /// Gives the rows of the record from a position on, and adds them to the file.
    fn rows_of_record(&self, from: Position, give: &mut dyn FnMut(Row)) -> Result<(), StoreError> {
        let (record, mut covered) = (&self.record, from);
        let tail = record.tail();
        for (segment, end) in record.readable()? {
            if segment.number < from.segment() {
                continue;
            }
            let first = match segment.number == from.segment() {
                true => from.offset(),
                false => 0,
            };
            let mut scan = segment.scan(first, end);
            let at = |offset| Position::new(segment.number, offset);
            loop {
                let row = {
                    let _no_patch = record.hold_patches();
                    let found = scan
                        .next()
                        .map_err(StoreError::io("read the places of entries from the record"))?;
                    match found {
                        None => break,
                        Some(Found::Filler) => continue,
                        Some(Found::Damaged {
                            start,
                            end,
                            likely_id,
                        }) => Err(Damage {
                            start: at(start),
                            end: at(end),
                            kind: DamageKind::Frame,
                            id: likely_id,
                        }),
                        Some(Found::Entry { offset, entry, .. }) => {
                            Ok((at(offset), self.projection.place(&entry)))
                        }
                    }
                };
                match row {
                    Err(damage) => self.note_damage(damage),
                    Ok(row) => {
                        let range = (covered, at(scan.at() as u32));
                        lock(&self.places).extend(record, [row].into_iter(), range);
                        covered = range.1;
                        give(row);
                    }
                }
            }
        }
        let mut places = lock(&self.places);
        places.extend(record, std::iter::empty(), (covered, tail));
        places.write(record);
        Ok(())
    }

    /// The entry at a position, unless it is damaged or another copy has replaced it.
    fn current_at(
        &self,
        index: &dyn IndexReader,
        position: Position,
    ) -> Result<Option<StoredEntry>, StoreError> {
        match self.record.read_entry(position) {
            Ok(entry) => {
                let is_current = index.position_of(&entry.id)? == Some(position);
                Ok(is_current.then_some(entry))
            }
            Err(StoreError::NoEntry { .. }) => Ok(None),
            Err(StoreError::Damaged { id, .. }) => {
                let end = Position::from_u64(position.to_u64() + 1);
                self.note_damage(Damage {
                    start: position,
                    end,
                    kind: DamageKind::Frame,
                    id,
                });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        files::RealFiles,
        record::{recover, session::Session},
    };

    #[test]
    fn rows_that_no_file_takes_do_not_stay_in_memory() {
        let home = tempfile::tempdir().unwrap();
        let files = Arc::new(RealFiles::create(home.path()).unwrap());
        let last = Session::open(&*files).unwrap().last;
        let Ok(recovered) = recover::open(files, 4096, &last) else {
            panic!("a new record opens")
        };
        let mut places = Places::none();
        places.push(&recovered.record, &(FIRST, None));
        assert!(places.rows.is_empty());
    }
}
