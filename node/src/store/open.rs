//! Opens a store: the lock, the record, then the index, which catches up or is built anew.

use super::{
    entry::Position,
    error::StoreError,
    files::{Files, RealFiles},
    frame::FORMAT_VERSION,
    index::{Index, IndexEngine, Watermark},
    places::{Owner, Places},
    projection::Projection,
    reader::RecordStore,
    record::{
        recover::{self, OpenFailure, Recovered},
        session::{LastSession, Session},
    },
    report::{DamageKind, OnProgress, OpenReport, Progress, StoreState},
    shared::Shared,
    sync::lock,
    writer::Writer,
};
use crate::metrics::StoreMetrics;
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock, atomic::AtomicU64},
    thread,
    time::Duration,
};
use tokio::sync::watch;

const LOCK_FILE: &str = "lock";
/// Between tries for the lock, and how many follow the first.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_PAUSES: u32 = 25;
const RECORD_FOLDER: &str = "record";
const SEGMENT_MIN_BYTES: u32 = 4 * 1024;
const SEGMENT_MAX_BYTES: u32 = 1024 * 1024 * 1024;

/// Settings of a [`RecordStore`].
#[derive(Clone)]
pub struct Options {
    /// Size at which a new segment is begun, in bytes; 4 KiB to 1 GiB. An entry that is larger gets
    /// a segment of its own.
    pub segment_bytes: u32,
    /// What keeps the index. With another one than last time it is built anew.
    pub index_engine: IndexEngine,
    /// What the index may keep in memory, in bytes.
    pub index_cache_bytes: u64,
    /// Told about work that takes long.
    pub progress: Option<OnProgress>,
    /// Where the store counts what it does.
    pub metrics: Arc<StoreMetrics>,
    /// Names this start of the machine; `None` asks the operating system. Only tests set it.
    pub boot: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            index_engine: IndexEngine::default(),
            index_cache_bytes: 64 * 1024 * 1024,
            progress: None,
            metrics: Arc::default(),
            boot: None,
        }
    }
}

/// Where the index is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexPlace {
    /// In a folder of this home, which is named after its engine.
    Home(PathBuf),
    /// Nowhere: built from the record at each opening.
    Memory,
}

/// What came of opening.
pub enum Opened {
    Ready(RecordStore, OpenReport),
    /// Usable, but acknowledged entries are damaged: fetch those named in the report again.
    Damaged(RecordStore, OpenReport),
    /// Another process uses it.
    Locked {
        pid: Option<u32>,
    },
    /// Written by a newer version of this program.
    TooNew {
        version: u32,
        known: u32,
    },
}

impl RecordStore {
    /// Opens or creates the store in a folder.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or a setting is out of range.
    pub fn open(
        home: &Path,
        projection: Arc<dyn Projection>,
        options: Options,
    ) -> Result<Opened, StoreError> {
        let attempted = || format!("open the store in {}", home.display());
        fs::create_dir_all(home).map_err(StoreError::io(attempted()))?;
        let lock = match take_lock(home).map_err(StoreError::io(attempted()))? {
            Ok(lock) => lock,
            Err(pid) => return Ok(Opened::Locked { pid }),
        };
        let files =
            RealFiles::create(&home.join(RECORD_FOLDER)).map_err(StoreError::io(attempted()))?;
        let place = IndexPlace::Home(home.to_owned());
        Self::start(Arc::new(files), place, projection, options, Some(lock))
    }

    /// Opens a record in any [`Files`], without a lock: for tests and simulation.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        files: Arc<dyn Files>,
        place: IndexPlace,
        projection: Arc<dyn Projection>,
        options: Options,
    ) -> Result<Opened, StoreError> {
        Self::start(files, place, projection, options, None)
    }

    fn start(
        files: Arc<dyn Files>,
        place: IndexPlace,
        projection: Arc<dyn Projection>,
        options: Options,
        lock_file: Option<fs::File>,
    ) -> Result<Opened, StoreError> {
        if !(SEGMENT_MIN_BYTES..=SEGMENT_MAX_BYTES).contains(&options.segment_bytes) {
            let range = "the segment size has to be between 4 KiB and 1 GiB";
            return Err(StoreError::Settings(range.into()));
        }
        let session = Session::open(files.as_ref())
            .map_err(StoreError::io("read the record's session file"))?;
        let recovered = match recover::open(files, options.segment_bytes, &session.last) {
            Ok(recovered) => recovered,
            Err(OpenFailure::TooNew(version)) => {
                return Ok(Opened::TooNew {
                    version,
                    known: FORMAT_VERSION,
                });
            }
            Err(OpenFailure::Error(error)) => return Err(error),
        };
        let places = open_places(&recovered, projection.version());
        let shared = Arc::new(Shared {
            record: recovered.record,
            index: Index::new(),
            place,
            engine: RwLock::new(options.index_engine),
            cache_bytes: options.index_cache_bytes,
            projection,
            damage: Mutex::new(BTreeMap::new()),
            gate: RwLock::new(()),
            generation: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            places: Mutex::new(places),
            progress: options.progress.clone(),
            metrics: options.metrics.clone(),
            state: watch::Sender::new(StoreState::Ready),
        });
        for damage in recovered
            .damage
            .iter()
            .filter(|d| d.kind != DamageKind::SegmentHeader)
        {
            shared.note_damage(damage.clone());
        }
        let boot = options.boot.clone().or_else(boot_id);
        let indexing = spawn("comity-index", {
            let shared = shared.clone();
            move || shared.index.run()
        })?;
        let opened = open_index(&shared, &session, boot.as_deref());
        let mut report = match opened {
            Ok(report) => report,
            Err(error) => {
                shared.index.stop();
                return Err(error);
            }
        };
        report.torn = recovered.torn;
        let mut damage = recovered.damage;
        damage.extend(lock(&shared.damage).values().cloned());
        damage.sort();
        damage.dedup();
        report.damage = shared.name_damage(damage).unwrap_or_default();
        let writer = Writer {
            shared: shared.clone(),
            appender: recovered.appender,
            patcher: recovered.patcher,
            session,
            boot,
        };
        let store = Self::run(shared, writer, indexing, lock_file)?;
        Ok(match report.damage.is_empty() {
            true => Opened::Ready(store, report),
            false => Opened::Damaged(store, report),
        })
    }
}

fn open_places(recovered: &Recovered, projection: u32) -> Places {
    let owner = Owner {
        projection,
        identity: recovered.record.identity(),
    };
    let is_lost = |kind| matches!(kind, DamageKind::Frame | DamageKind::Segment);
    let is_damaged = recovered.damage.iter().any(|it| is_lost(it.kind));
    let torn = recovered.torn.iter().map(|it| it.start).min();
    Places::open(&recovered.record, owner, is_damaged, torn)
}

pub(super) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(StoreError::io("start a thread of the store"))
}

/// Tries for a moment: who just let go of the lock may have started a child process, which holds
/// copies of all open files until it runs its own program.
fn patient_lock(file: &fs::File) -> Result<(), rustix::io::Errno> {
    let mut pauses = LOCK_PAUSES;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if pauses > 0 => {
                pauses -= 1;
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// The pid of the holder as the error, if it could be read.
fn take_lock(home: &Path) -> io::Result<Result<fs::File, Option<u32>>> {
    let path = home.join(LOCK_FILE);
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    match patient_lock(&file) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            return Ok(Err(text.trim().parse().ok()));
        }
        Err(error) => return Err(error.into()),
    }
    // The pid is for people only; on a full disk the lock holds without it.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    Ok(Ok(file))
}

fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Differs after a restart of the machine and in a copy of the index folder.
pub(super) fn token(shared: &Shared, boot: Option<&str>) -> String {
    let (Some(folder), Some(boot)) = (shared.index_folder(), boot) else {
        return String::new();
    };
    match fs::metadata(folder) {
        Ok(meta) => format!("{boot} {}:{}", meta.dev(), meta.ino()),
        Err(_) => String::new(),
    }
}

fn open_index(
    shared: &Shared,
    session: &Session,
    boot: Option<&str>,
) -> Result<OpenReport, StoreError> {
    let mut report = OpenReport::default();
    let before = token(shared, boot);
    let last = &session.last;
    let trusted = last.closed_at.is_some() || (!before.is_empty() && last.token == before);
    let write_session = StoreError::io;
    session
        .begin("")
        .map_err(write_session("write the record's session file"))?;
    match try_open_index(shared, last, trusted) {
        Ok(replayed) => report.replayed = replayed,
        Err(Unusable {
            reason,
            keep_old,
            told,
        }) => {
            if told {
                shared.report(Progress::Rebuilding {
                    reason: reason.clone(),
                });
                report.rebuilt = Some(reason);
            }
            match shared.rebuild(keep_old) {
                Ok((replayed, set_aside)) => {
                    report.replayed = replayed;
                    report.set_aside = set_aside;
                }
                Err(error @ StoreError::Index { .. }) => read_without_index(shared, &error)?,
                Err(error) => return Err(error),
            }
        }
    }
    session
        .begin(&token(shared, boot))
        .map_err(write_session("write the record's session file"))?;
    // They only take space; a next opening tries again.
    let _ = shared.remove_other_indexes();
    Ok(report)
}

/// With no space for an index, reading still works: it is built in memory for this time.
fn read_without_index(shared: &Shared, error: &StoreError) -> Result<(), StoreError> {
    shared.index.take_tree();
    shared.index.set_tree(super::index::Tree::memory());
    shared
        .entries
        .store(0, std::sync::atomic::Ordering::Relaxed);
    shared.replay(Position::START)?;
    shared.index.fail("it is kept in memory only");
    shared.state.send_replace(StoreState::ReadOnly {
        reason: error.with_cause(),
    });
    Ok(())
}

struct Unusable {
    reason: String,
    keep_old: bool,
    /// Whether anyone has to hear about it.
    told: bool,
}

fn try_open_index(shared: &Shared, last: &LastSession, trusted: bool) -> Result<u64, Unusable> {
    let unusable = |reason: &str, keep_old| Unusable {
        reason: reason.into(),
        keep_old,
        told: true,
    };
    match shared.index_folder() {
        Some(folder) if folder.exists() => {}
        _ => {
            let empty =
                shared.record.tail() <= Position::new(0, super::frame::SEGMENT_HEADER_BYTES);
            let memory = shared.place == IndexPlace::Memory;
            return Err(Unusable {
                told: !empty && !memory,
                ..unusable("it is missing", false)
            });
        }
    }
    if !trusted {
        return Err(unusable(
            "the machine stopped before the store was closed",
            false,
        ));
    }
    let failed = |error: StoreError| unusable(&error.with_cause(), true);
    shared.index.set_tree(shared.open_tree().map_err(failed)?);
    let Some(mark) = shared.index.watermark().map_err(failed)? else {
        return Err(unusable("it does not say what it covers", false));
    };
    if let Some(reason) = outdated(shared, &mark, last) {
        return Err(unusable(reason, false));
    }
    shared
        .entries
        .store(mark.entries, std::sync::atomic::Ordering::Relaxed);
    shared.replay(mark.end).map_err(failed)
}

fn outdated(shared: &Shared, mark: &Watermark, last: &LastSession) -> Option<&'static str> {
    if mark.identity != shared.record.identity() {
        return Some("it belongs to another record");
    }
    if mark.projection != shared.projection.version() {
        return Some("this version of the program keeps other keys");
    }
    if mark.end > shared.record.tail() {
        return Some("it is ahead of the record");
    }
    if last.closed_at.is_some_and(|closed| closed > mark.end) {
        return Some("it has lost what was written to it");
    }
    None
}
