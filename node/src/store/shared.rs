//! What the writer thread and all readers of a [`super::RecordStore`] share.

use super::{
    entry::{EntryRef, Position},
    error::StoreError,
    frame::PREFIX_BYTES,
    index::{Index, IndexEngine, Tree, Watermark},
    open::IndexPlace,
    places::{PLACES, Places},
    projection::{IndexBatch, IndexPage, IndexReader, IndexScan, Projection},
    record::Record,
    report::{Damage, DamageKind, OnProgress, Progress, StoreState},
    scan::Found,
    sync::{lock, read, write},
};
use crate::metrics::StoreMetrics;
use comity_protocol::id::EntryId;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

const FILLER_MIN_BYTES: u32 = PREFIX_BYTES as u32;
/// How often a replay says where it is and moves the watermark, in entries.
const REPLAY_STEP: u64 = 2_000;

/// Bytes of the record that nothing refers to any more.
pub(crate) struct Obsolete {
    pub(crate) position: Position,
    pub(crate) len: u32,
}

pub(crate) struct Shared {
    pub(crate) record: Arc<Record>,
    pub(crate) index: Index,
    pub(crate) place: IndexPlace,
    /// Changed by the writer only, with [`Self::gate`] held.
    pub(crate) engine: RwLock<IndexEngine>,
    pub(crate) cache_bytes: u64,
    pub(crate) projection: Arc<dyn Projection>,
    /// Damage found since opening, by where it starts.
    pub(crate) damage: Mutex<BTreeMap<Position, Damage>>,
    /// Held for writing while the index is built: readers wait rather than see half of it.
    pub(crate) gate: RwLock<()>,
    /// Counts rebuilds, so that several readers of a damaged index cause one.
    pub(crate) generation: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) places: Mutex<Places>,
    pub(crate) progress: Option<OnProgress>,
    pub(crate) metrics: Arc<StoreMetrics>,
    pub(crate) state: watch::Sender<StoreState>,
}

/// The index, of which one answer is known: looking for what is not there costs most of a lookup.
struct Knowing<'a> {
    index: &'a Index,
    id: EntryId,
    position: Option<Position>,
}

impl IndexReader for Knowing<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.index.get(key)
    }

    fn scan(&self, scan: &IndexScan) -> Result<IndexPage, StoreError> {
        self.index.scan(scan)
    }

    fn position_of(&self, id: &EntryId) -> Result<Option<Position>, StoreError> {
        match *id == self.id {
            true => Ok(self.position),
            false => self.index.position_of(id),
        }
    }
}

impl Shared {
    pub(crate) fn report(&self, progress: Progress) {
        if let Some(report) = &self.progress {
            report(progress);
        }
    }

    pub(crate) fn note_damage(&self, damage: Damage) {
        if matches!(damage.kind, DamageKind::Frame | DamageKind::Segment) {
            self.distrust_places();
        }
        lock(&self.damage).insert(damage.start, damage);
    }

    /// Lets the next opening read the whole record, because something in it is not what it was.
    pub(crate) fn distrust_places(&self) {
        // What is open goes on without a name.
        let files = &self.record.files;
        let removed = match files.remove(PLACES) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| files.sync()),
        };
        if removed.is_err() {
            lock(&self.places).forget();
        }
    }

    /// Whether the structural part at this position is known to be unreadable.
    pub(crate) fn known_damaged(&self, position: Position) -> bool {
        let damage = lock(&self.damage);
        damage
            .range(..=position)
            .next_back()
            .is_some_and(|(_, damage)| damage.kind == DamageKind::Frame && position < damage.end)
    }

    /// The range at this position, if nothing can be read there now either.
    pub(crate) fn damaged_range(&self, position: Position) -> Option<Obsolete> {
        let (segment, end) = self.record.readable_segment(position.segment()).ok()??;
        let mut scan = segment.scan(position.offset(), end);
        match scan.next() {
            Ok(Some(Found::Damaged { start, end, .. })) if end - start >= FILLER_MIN_BYTES => {
                Some(Obsolete {
                    position: Position::new(segment.number, start),
                    len: end - start,
                })
            }
            _ => None,
        }
    }

    /// Projects one durable entry and makes it visible in the index.
    pub(crate) fn project(
        &self,
        position: Position,
        entry: &EntryRef<'_>,
    ) -> Result<(), StoreError> {
        let before = self.index.position_of(&entry.id)?;
        self.project_knowing(before, position, entry)
    }

    /// The same where somebody looked up already where the index has the entry.
    pub(crate) fn project_knowing(
        &self,
        before: Option<Position>,
        position: Position,
        entry: &EntryRef<'_>,
    ) -> Result<(), StoreError> {
        let view = Knowing {
            index: &self.index,
            id: entry.id,
            position: before,
        };
        let mut batch = IndexBatch::default();
        // A panic must not take the writer thread with it.
        catch_unwind(AssertUnwindSafe(|| {
            self.projection.project(position, entry, &view, &mut batch)
        }))
        .unwrap_or_else(|_| {
            Err(StoreError::index(
                "project an entry",
                "the projection panicked",
            ))
        })?;
        self.index.publish(&entry.id, position, batch.changes);
        // Replayed after a crash, an entry may already stand at this position.
        if before.is_none_or(|before| before == position) {
            self.entries.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(crate) fn mark(&self, end: Position) {
        self.index.publish_watermark(Watermark {
            end,
            entries: self.entries.load(Ordering::Relaxed),
            identity: self.record.identity(),
            projection: self.projection.version(),
        });
    }

    /// Projects all entries from a position on; returns how many. Says how far it is, unless there
    /// is nothing to do.
    pub(crate) fn replay(&self, from: Position) -> Result<u64, StoreError> {
        if from >= self.record.tail() {
            self.mark(self.record.tail());
            return Ok(0);
        }
        let replayed = self.replay_telling(from);
        self.report(Progress::Indexed);
        replayed
    }

    fn replay_telling(&self, from: Position) -> Result<u64, StoreError> {
        let readable = self.record.readable()?;
        let total = readable.iter().map(|(_, end)| end).sum();
        let (mut done, mut replayed) = (0, 0);
        for (segment, end) in readable {
            if segment.number < from.segment() {
                done += end;
                continue;
            }
            let first = if segment.number == from.segment() {
                from.offset()
            } else {
                0
            };
            let mut scan = segment.scan(first, end);
            self.report(Progress::Indexing {
                done: done + u64::from(first),
                total,
            });
            loop {
                let found = scan
                    .next()
                    .map_err(StoreError::io("read the record for the index"))?;
                match found {
                    None => break,
                    Some(Found::Filler) => continue,
                    Some(Found::Damaged {
                        start,
                        end,
                        likely_id,
                    }) => {
                        let at = |offset| Position::new(segment.number, offset);
                        let (start, end) = (at(start), at(end));
                        let kind = DamageKind::Frame;
                        self.note_damage(Damage {
                            start,
                            end,
                            kind,
                            id: likely_id,
                        });
                        continue;
                    }
                    Some(Found::Entry { offset, entry, .. }) => {
                        self.project(Position::new(segment.number, offset), &entry)?;
                    }
                }
                replayed += 1;
                if replayed % REPLAY_STEP == 0 {
                    // Otherwise the whole record would wait in memory for an engine that takes nothing.
                    if let Some(reason) = self.index.failure() {
                        return Err(StoreError::index("write the index", reason));
                    }
                    self.mark(Position::new(segment.number, scan.at() as u32));
                    self.report(Progress::Indexing {
                        done: done + scan.at(),
                        total,
                    });
                }
            }
            done += end;
        }
        self.report(Progress::Indexing { done, total });
        self.mark(self.record.tail());
        Ok(replayed)
    }

    /// Throws the index away and builds it from the record.
    ///
    /// `keep_old` puts damaged files aside instead of removing them; the newest one is kept.
    pub(crate) fn rebuild(&self, keep_old: bool) -> Result<(u64, Option<PathBuf>), StoreError> {
        let _alone = write(&self.gate);
        self.index.take_tree();
        let set_aside = match self.index_folder() {
            None => None,
            Some(folder) => {
                set_aside(&folder, keep_old).map_err(StoreError::io("set the old index aside"))?
            }
        };
        Ok((self.build()?, set_aside))
    }

    /// Builds the index in another engine; the old one stays in use if that fails.
    pub(crate) fn move_index(&self, to: IndexEngine) -> Result<(), StoreError> {
        let _alone = write(&self.gate);
        let (from, old) = (self.engine(), self.index_folder());
        let entries = self.entries.load(Ordering::Relaxed);
        self.index.drain()?;
        self.index.take_tree();
        *write(&self.engine) = to;
        let new = self.index_folder();
        let removed = |folder: Option<PathBuf>| {
            folder
                .map_or(Ok(None), |folder| set_aside(&folder, false))
                .map(drop)
                .map_err(StoreError::io("remove an index that is not in use"))
        };
        let moved = removed(new.clone())
            .and_then(|()| self.build())
            // Building only queues: the old index is needed until the new one has it all.
            .and_then(|_| self.index.drain());
        match moved {
            Ok(()) => removed(old),
            Err(error) => {
                self.index.take_tree();
                *write(&self.engine) = from;
                // What is left of it is removed when the next move or opening succeeds.
                let _ = removed(new);
                self.entries.store(entries, Ordering::Relaxed);
                self.index.set_tree(self.open_tree()?);
                Err(error)
            }
        }
    }

    /// Fills an index that has nothing in it yet.
    fn build(&self) -> Result<u64, StoreError> {
        self.index.set_tree(self.open_tree()?);
        self.entries.store(0, Ordering::Relaxed);
        let replayed = self.replay(Position::START)?;
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(replayed)
    }

    pub(crate) fn engine(&self) -> IndexEngine {
        *read(&self.engine)
    }

    /// Where the files of the index are, if it has any.
    pub(crate) fn index_folder(&self) -> Option<PathBuf> {
        match &self.place {
            IndexPlace::Memory => None,
            IndexPlace::Home(home) => Some(home.join(self.engine().folder())),
        }
    }

    /// Removes what other engines left in the home, once this one is in use.
    pub(crate) fn remove_other_indexes(&self) -> std::io::Result<()> {
        let IndexPlace::Home(home) = &self.place else {
            return Ok(());
        };
        let others = IndexEngine::ALL
            .into_iter()
            .filter(|it| *it != self.engine());
        for other in others {
            set_aside(&home.join(other.folder()), false)?;
        }
        Ok(())
    }

    pub(crate) fn open_tree(&self) -> Result<Tree, StoreError> {
        match self.index_folder() {
            None => Ok(Tree::memory()),
            Some(folder) => Tree::open(self.engine(), &folder, self.cache_bytes)
                .map_err(|reason| StoreError::index("open the index", reason)),
        }
    }

    /// Damage ranges with the ids that the index knows to have stood there.
    pub(crate) fn name_damage(&self, damage: Vec<Damage>) -> Result<Vec<Damage>, StoreError> {
        let lost = |damage: &Damage| matches!(damage.kind, DamageKind::Frame | DamageKind::Segment);
        if !damage.iter().any(lost) {
            return Ok(damage);
        }
        let covers = |damage: &Damage, position: Position| match damage.kind {
            DamageKind::Segment => damage.start.segment() == position.segment(),
            _ => damage.start <= position && position < damage.end,
        };
        let ids: Vec<(Position, EntryId)> = self
            .index
            .ids_between(|position| damage.iter().any(|d| lost(d) && covers(d, position)))?;
        let mut named = Vec::new();
        for damage in damage {
            let inside: Vec<EntryId> = ids
                .iter()
                .filter(|(position, _)| lost(&damage) && covers(&damage, *position))
                .map(|(_, id)| *id)
                .collect();
            if inside.is_empty() {
                named.push(damage);
                continue;
            }
            named.extend(inside.into_iter().map(|id| Damage {
                id: Some(id),
                ..damage.clone()
            }));
        }
        Ok(named)
    }
}

/// Moves a folder out of the way. Gives the new path back if it is kept.
fn set_aside(folder: &std::path::Path, keep: bool) -> std::io::Result<Option<PathBuf>> {
    if !folder.exists() {
        return Ok(None);
    }
    let numbered = |number: u32| folder.with_extension(format!("set-aside-{number}"));
    let mut number = 1;
    while numbered(number).exists() {
        number += 1;
    }
    let target = numbered(number);
    std::fs::rename(folder, &target)?;
    if !keep {
        std::fs::remove_dir_all(&target)?;
        return Ok(None);
    }
    for older in 1..number {
        if numbered(older).exists() {
            std::fs::remove_dir_all(numbered(older))?;
        }
    }
    Ok(Some(target))
}
