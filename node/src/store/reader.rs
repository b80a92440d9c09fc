//! [`RecordStore`]: hands changes to the writer thread and reads on the caller's own.

use super::{
    BackupReport, Committed, EntryPage, Erasure, IndexPage, IndexReader, IndexScan, NewEntry,
    Position, Progress, Stats, Store, StoreError, StoreState, StoredEntry, VerifyReport,
    entry::Words,
    frame::{FRAME_MAX_BYTES, Prepared, WordsRef},
    index::IndexEngine,
    open::spawn,
    places::Placed,
    report::{Damage, DamageKind},
    scan::Found,
    shared::Shared,
    sync::{lock, read},
    verify,
    writer::{Command, Reply, Writer},
};
use comity_protocol::id::EntryId;
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};
use tokio::sync::watch;

/// Commands that may wait for the writer thread.
const COMMANDS_MAX: usize = 1024;
/// Largest page of an iteration, in bytes of the record.
const PAGE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A store in segment files, indexed by one of the engines.
pub struct RecordStore {
    reader: Reader,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock_file: Mutex<Option<fs::File>>,
}

impl RecordStore {
    pub(super) fn run(
        shared: Arc<Shared>,
        writer: Writer,
        indexing: JoinHandle<()>,
        lock_file: Option<fs::File>,
    ) -> Result<Self, StoreError> {
        let (commands, receiver) = sync_channel(COMMANDS_MAX);
        let writing = spawn("comity-store", move || writer.run(receiver))?;
        Ok(Self {
            reader: Reader { shared, commands },
            threads: Mutex::new(vec![writing, indexing]),
            lock_file: Mutex::new(lock_file),
        })
    }

    fn shared(&self) -> &Shared {
        &self.reader.shared
    }

    /// An entry at a position, with damage noted.
    fn read_noting(
        &self,
        position: Position,
        id: Option<EntryId>,
    ) -> Result<StoredEntry, StoreError> {
        let entry = self
            .shared()
            .record
            .read_entry(position)
            .map_err(|error| match error {
                StoreError::Damaged { .. } => {
                    let end = Position::from_u64(position.to_u64() + 1);
                    self.shared().note_damage(frame_damage(position, end, id));
                    StoreError::Damaged { id, position }
                }
                other => other,
            })?;
        if entry.words == Words::Damaged {
            let (start, end) = (position, Position::from_u64(position.to_u64() + 1));
            let (kind, id) = (DamageKind::Words, Some(entry.id));
            self.shared().note_damage(Damage {
                start,
                end,
                kind,
                id,
            });
        }
        Ok(entry)
    }
}

impl Store for RecordStore {
    fn commit(&self, entries: Vec<NewEntry>) -> Result<Vec<Committed>, StoreError> {
        let frames: Result<Vec<Prepared>, StoreError> = entries
            .iter()
            .map(|entry| {
                Prepared::new(entry).map_err(|bytes| StoreError::TooLarge {
                    bytes,
                    max: FRAME_MAX_BYTES,
                })
            })
            .collect();
        let frames = frames?;
        self.reader.ask(|reply| Command::Commit { frames, reply })
    }

    fn get(&self, id: &EntryId) -> Result<Option<StoredEntry>, StoreError> {
        let mut before = None;
        loop {
            let Some(position) = self.reader.position_of(id)? else {
                return Ok(None);
            };
            match self.read_noting(position, Some(*id)) {
                Ok(entry) if entry.id == *id => return Ok(Some(entry)),
                // It may have been replaced between the two reads.
                _ if before != Some(position) => before = Some(position),
                Err(error @ StoreError::Io { .. }) => return Err(error),
                _ => {
                    return Err(StoreError::Damaged {
                        id: Some(*id),
                        position,
                    });
                }
            }
        }
    }

    fn contains(&self, id: &EntryId) -> Result<bool, StoreError> {
        let position = self.reader.position_of(id)?;
        Ok(position.is_some_and(|position| !self.shared().known_damaged(position)))
    }

    fn read_at(&self, position: Position) -> Result<StoredEntry, StoreError> {
        self.reader.check_open()?;
        self.read_noting(position, None)
    }

    fn iterate(&self, from: Position, limit: usize) -> Result<EntryPage, StoreError> {
        let mut page = EntryPage {
            entries: Vec::new(),
            next: from,
            at_end: false,
        };
        let mut bytes = 0;
        for (segment, end) in self.shared().record.readable()? {
            if segment.number < from.segment() {
                continue;
            }
            let first = if segment.number == from.segment() {
                from.offset()
            } else {
                0
            };
            let mut scan = segment.scan(first, end);
            loop {
                if page.entries.len() >= limit.max(1) || bytes >= PAGE_MAX_BYTES {
                    return Ok(page);
                }
                let before = scan.at();
                let found = {
                    let _no_patch = self.shared().record.hold_patches();
                    next_entry(&mut scan, segment.number)
                };
                match found.map_err(StoreError::io("read a page of the record"))? {
                    None => break,
                    Some(Next::Other) => {}
                    Some(Next::Damaged(damage)) => self.shared().note_damage(damage),
                    Some(Next::Entry(entry)) => {
                        if self.reader.position_of(&entry.id)? == Some(entry.position) {
                            page.entries.push(entry);
                        }
                    }
                }
                bytes += scan.at() - before;
                page.next = Position::new(segment.number, scan.at() as u32);
            }
        }
        page.at_end = true;
        Ok(page)
    }

    fn places(&self, visit: &mut dyn FnMut(Placed)) -> Result<(), StoreError> {
        self.reader.check_open()?;
        self.shared().places(&self.reader, visit)
    }

    fn erase_words(&self, id: &EntryId) -> Result<Erasure, StoreError> {
        let id = *id;
        self.reader.ask(|reply| Command::Erase { id, reply })
    }

    fn index(&self) -> &dyn IndexReader {
        &self.reader
    }

    fn reindex(&self, engine: Option<IndexEngine>) -> Result<(), StoreError> {
        self.reader.ask(|reply| Command::Reindex { engine, reply })
    }

    fn verify(&self, progress: &mut dyn FnMut(Progress)) -> Result<VerifyReport, StoreError> {
        self.reader.check_open()?;
        verify::verify(self.shared(), &self.reader, progress)
    }

    fn discard_damage(&self) -> Result<usize, StoreError> {
        self.reader.ask(|reply| Command::DiscardDamage { reply })
    }

    fn stats(&self) -> Result<Stats, StoreError> {
        let shared = self.shared();
        let readable = shared.record.readable()?;
        Ok(Stats {
            entries: shared.entries.load(Ordering::Relaxed),
            segments: readable.len() as u32,
            record_bytes: readable.iter().map(|(_, end)| end).sum(),
            index_engine: shared.engine(),
            index_bytes: shared.index.bytes(),
            index_behind: shared.index.behind(),
            damaged: lock(&shared.damage).len(),
            state: shared.state.borrow().clone(),
        })
    }

    fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BackupReport, StoreError> {
        self.reader.check_open()?;
        verify::backup(self.shared(), to, progress)
    }

    fn state(&self) -> watch::Receiver<StoreState> {
        self.shared().state.subscribe()
    }

    fn try_resume(&self) -> Result<(), StoreError> {
        self.reader.ask(|reply| Command::Resume { reply })
    }

    fn close(&self) -> Result<(), StoreError> {
        let outcome = self.reader.ask(|reply| Command::Close { reply });
        for thread in lock(&self.threads).drain(..) {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
        lock(&self.lock_file).take();
        match outcome {
            Err(StoreError::Closed) => Ok(()),
            other => other,
        }
    }
}

impl Drop for RecordStore {
    fn drop(&mut self) {
        // Who needs to know whether closing worked calls `close`.
        let _ = self.close();
    }
}

fn frame_damage(start: Position, end: Position, id: Option<EntryId>) -> Damage {
    Damage {
        start,
        end,
        kind: DamageKind::Frame,
        id,
    }
}

enum Next {
    Entry(StoredEntry),
    Damaged(Damage),
    Other,
}

fn next_entry(scan: &mut super::scan::Scan<'_>, segment: u32) -> std::io::Result<Option<Next>> {
    let at = |offset| Position::new(segment, offset);
    Ok(scan.next()?.map(|found| match found {
        Found::Filler => Next::Other,
        Found::Damaged {
            start,
            end,
            likely_id,
        } => Next::Damaged(frame_damage(at(start), at(end), likely_id)),
        Found::Entry {
            offset,
            entry,
            words,
            ..
        } => Next::Entry(stored(at(offset), &entry, words)),
    }))
}

fn stored(position: Position, entry: &super::EntryRef<'_>, words: WordsRef<'_>) -> StoredEntry {
    StoredEntry {
        position,
        kind: entry.kind,
        id: entry.id,
        header: entry.header.to_vec(),
        signature: *entry.signature,
        shape: entry.shape.to_vec(),
        words: words.to_words(),
    }
}

/// Reads the index for callers; a damaged one is rebuilt before they get their answer.
pub(super) struct Reader {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
}

impl Reader {
    fn check_open(&self) -> Result<(), StoreError> {
        match *self.shared.state.borrow() {
            StoreState::Closed => Err(StoreError::Closed),
            _ => Ok(()),
        }
    }

    fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        self.commands
            .send(command(reply))
            .map_err(|_| StoreError::Closed)?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }

    fn healing<T>(&self, action: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.check_open()?;
        let seen = self.shared.generation.load(Ordering::Relaxed);
        let attempt = || {
            let _whole = read(&self.shared.gate);
            action()
        };
        match attempt() {
            Err(StoreError::Index { .. }) => {
                self.check_open()?;
                self.ask(|reply| Command::Heal { seen, reply })?;
                attempt()
            }
            other => other,
        }
    }
}

impl IndexReader for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.healing(|| self.shared.index.get(key))
    }

    fn scan(&self, scan: &IndexScan) -> Result<IndexPage, StoreError> {
        self.healing(|| self.shared.index.scan(scan))
    }

    fn position_of(&self, id: &EntryId) -> Result<Option<Position>, StoreError> {
        self.healing(|| self.shared.index.position_of(id))
    }
}
