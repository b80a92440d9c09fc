//! Long work, told as it goes on: opening, indexing, checking, copying, syncing.
//!
//! Work writes where it is on a board; whoever wants to know looks at the board. There is no queue:
//! a listener that is slow or gone holds nothing up and costs nothing, it only sees fewer steps. Of
//! each piece of work everybody is told the beginning and the end, and in between at most a step
//! every [`TELL_EVERY`]. The board is bounded: work beyond [`RUNNING_MAX`] goes on untold, and a
//! listener that sleeps through more than [`ENDED_MAX`] endings misses the oldest of them.

use crate::store::{OnProgress, Progress};
use comity_client::types::Task;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tracing::{info, warn};

/// Steps of one piece of work are told at most this often.
pub const TELL_EVERY: Duration = Duration::from_millis(200);
/// Pieces of work that are told of at the same time.
pub const RUNNING_MAX: usize = 64;
/// Pieces of work that are over and kept for listeners who have not looked since.
pub const ENDED_MAX: usize = 64;
/// Work is written to the log at most this often, and not at all if it is over sooner.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Which work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// What is in effect is read from the record, at start.
    Open,
    /// The index is built, or catches up with the record.
    Index,
    /// Everything that is stored is checked.
    Verify,
    /// The home is copied.
    Backup,
    /// Entries of a space are brought from a peer.
    Sync,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Index => "index",
            Self::Verify => "verify",
            Self::Backup => "backup",
            Self::Sync => "sync",
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Entries.
    Entries,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Entries => "entries",
        }
    }
}

/// The board of a node. Clones are handles of the same board.
#[derive(Clone, Default)]
pub struct Tasks(Arc<watch::Sender<Board>>);

#[derive(Default)]
struct Board {
    last_id: u64,
    /// Counts what was told, so that each listener knows how far it has read.
    revision: u64,
    running: BTreeMap<u64, Line>,
    ended: VecDeque<Line>,
}

/// One piece of work on the board.
struct Line {
    first: Task,
    begun: u64,
    told: Task,
    changed: u64,
    now: Task,
    told_at: Instant,
    logged_at: Instant,
}

impl Line {
    /// What a listener that has read up to a revision has not seen, by revision.
    fn since(&self, seen: u64) -> impl Iterator<Item = (u64, &Task)> {
        let first = (self.begun > seen).then_some((self.begun, &self.first));
        let last = (self.changed > seen.max(self.begun)).then_some((self.changed, &self.told));
        first.into_iter().chain(last)
    }
}

impl Board {
    fn tell(&mut self, id: u64, now: Instant) {
        let Some(line) = self.running.get_mut(&id) else {
            return;
        };
        self.revision += 1;
        line.told = line.now.clone();
        line.told_at = now;
        line.changed = self.revision;
    }
}

impl Tasks {
    /// Begins a piece of work; it is over when what is given back is dropped.
    pub fn begin(&self, what: What, unit: Unit, label: &str, total: Option<u64>) -> Work {
        self.begin_at(what, unit, label, None, total, Instant::now())
    }

    /// The same for work about one space.
    pub fn begin_in(
        &self,
        space: String,
        what: What,
        unit: Unit,
        label: &str,
        total: Option<u64>,
    ) -> Work {
        self.begin_at(what, unit, label, Some(space), total, Instant::now())
    }

    fn begin_at(
        &self,
        what: What,
        unit: Unit,
        label: &str,
        space: Option<String>,
        total: Option<u64>,
        now: Instant,
    ) -> Work {
        let mut id = None;
        self.0.send_if_modified(|board| {
            if board.running.len() >= RUNNING_MAX {
                return false;
            }
            board.last_id += 1;
            board.revision += 1;
            let first = Task {
                id: board.last_id,
                what: what.name().to_owned(),
                label: label.to_owned(),
                space,
                done: 0,
                total,
                unit: unit.name().to_owned(),
                finished: false,
            };
            let line = Line {
                begun: board.revision,
                told: first.clone(),
                changed: board.revision,
                now: first.clone(),
                first,
                told_at: now,
                logged_at: now,
            };
            board.running.insert(board.last_id, line);
            id = Some(board.last_id);
            true
        });
        Work {
            tasks: self.clone(),
            id,
        }
    }

    /// What goes on now, oldest first.
    pub fn running(&self) -> Vec<Task> {
        let board = self.0.borrow();
        board.running.values().map(|it| it.now.clone()).collect()
    }

    /// Listens from now on; what goes on already is told first.
    pub fn listen(&self) -> Listener {
        let board = self.0.subscribe();
        let seen = board.borrow().revision;
        Listener {
            board,
            seen,
            running: self.running(),
        }
    }

    /// Tells of the long work of a store.
    pub fn of_store(&self) -> OnProgress {
        let tasks = self.clone();
        let indexing: Mutex<Option<Work>> = Mutex::default();
        Arc::new(move |progress| {
            let mut indexing = indexing.lock().unwrap_or_else(PoisonError::into_inner);
            match progress {
                Progress::Rebuilding { reason } => warn!(%reason, "the index is built anew"),
                Progress::Indexing { done, total } => indexing
                    .get_or_insert_with(|| {
                        let label = "building the index";
                        tasks.begin(What::Index, Unit::Bytes, label, Some(total))
                    })
                    .at(done, Some(total)),
                Progress::Indexed => *indexing = None,
                // Who asked for these is told by the call itself.
                Progress::Verifying { .. } | Progress::Copying { .. } => {}
            }
        })
    }
}

/// A piece of work that goes on; over when dropped.
pub struct Work {
    tasks: Tasks,
    /// None if the board was full.
    id: Option<u64>,
}

impl Work {
    /// So much is done, of so much if that is known.
    pub fn at(&self, done: u64, total: Option<u64>) {
        self.at_time(done, total, Instant::now());
    }

    fn at_time(&self, done: u64, total: Option<u64>, now: Instant) {
        let Some(id) = self.id else { return };
        self.tasks.0.send_if_modified(|board| {
            let Some(line) = board.running.get_mut(&id) else {
                return false;
            };
            let task = &mut line.now;
            task.done = task.done.max(done);
            task.total = total.map(|total| total.max(task.done));
            if now.saturating_duration_since(line.told_at) < TELL_EVERY {
                return false;
            }
            if now.saturating_duration_since(line.logged_at) >= LOG_EVERY {
                line.logged_at = now;
                let Task { done, total, .. } = line.now;
                let Task {
                    label, unit, what, ..
                } = &line.now;
                // Names of spaces are words: the log names ids.
                match &line.now.space {
                    Some(space) => info!(done, total, unit, space, "{what}"),
                    None => info!(done, total, unit, "{label}"),
                }
            }
            board.tell(id, now);
            true
        });
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        self.tasks.0.send_if_modified(|board| {
            if let Some(line) = board.running.get_mut(&id) {
                line.now.finished = true;
            }
            board.tell(id, Instant::now());
            board.ended.extend(board.running.remove(&id));
            if board.ended.len() > ENDED_MAX {
                board.ended.pop_front();
            }
            true
        });
    }
}

/// Somebody who looks at the board.
pub struct Listener {
    board: watch::Receiver<Board>,
    seen: u64,
    /// What went on when listening began, until it is told.
    running: Vec<Task>,
}

impl Listener {
    /// What is new, in the order in which it was told; at most two steps of each piece of work,
    /// the first and the last.
    pub fn news(&mut self) -> Vec<Task> {
        let board = self.board.borrow_and_update();
        let lines = board.ended.iter().chain(board.running.values());
        let mut news: Vec<_> = lines.flat_map(|line| line.since(self.seen)).collect();
        news.sort_by_key(|(revision, _)| *revision);
        let mut told = std::mem::take(&mut self.running);
        told.extend(news.into_iter().map(|(_, task)| task.clone()));
        self.seen = board.revision;
        told
    }

    /// Waits for news; none once the board is gone. May be cancelled without loss.
    pub async fn next(&mut self) -> Option<Vec<Task>> {
        loop {
            let news = self.news();
            if !news.is_empty() {
                return Some(news);
            }
            self.board.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(tasks: &Tasks, total: u64, now: Instant) -> Work {
        tasks.begin_at(What::Verify, Unit::Bytes, "x", None, Some(total), now)
    }

    fn steps(told: &[Task]) -> Vec<(u64, u64, bool)> {
        told.iter()
            .map(|it| (it.id, it.done, it.finished))
            .collect()
    }

    #[test]
    fn steps_are_told_five_times_a_second_at_most_and_the_first_and_last_always() {
        let (tasks, start) = (Tasks::default(), Instant::now());
        let mut listener = tasks.listen();
        let work = begin(&tasks, 10_000, start);
        let mut told = listener.news();
        // A listener as fast as can be, and a step every millisecond for ten seconds.
        for done in 1..=9_999 {
            work.at_time(done, Some(10_000), start + Duration::from_millis(done));
            told.extend(listener.news());
        }
        assert_eq!(tasks.running()[0].done, 9_999);
        drop(work);
        told.extend(listener.news());
        assert_eq!(steps(&told)[0], (1, 0, false));
        assert_eq!(steps(&told)[1], (1, 200, false));
        assert_eq!(told.len(), 1 + 49 + 1);
        // The last one tells what was not told before.
        assert_eq!(steps(&told)[50], (1, 9_999, true));
        assert_eq!(listener.news(), []);
        assert_eq!(tasks.running(), []);
    }

    #[test]
    fn who_was_asleep_is_told_the_first_and_the_last_step() {
        let (tasks, start) = (Tasks::default(), Instant::now());
        let mut listener = tasks.listen();
        let work = begin(&tasks, 5, start);
        work.at_time(3, Some(5), start + TELL_EVERY);
        let mut late = tasks.listen();
        drop(work);
        assert_eq!(steps(&listener.news()), [(1, 0, false), (1, 3, true)]);
        // Who came while it went on is told where it was then.
        assert_eq!(steps(&late.news()), [(1, 3, false), (1, 3, true)]);
        assert_eq!(steps(&tasks.listen().news()), []);
    }

    #[test]
    fn what_is_done_never_decreases_nor_exceeds_the_total() {
        let (tasks, start) = (Tasks::default(), Instant::now());
        let work = begin(&tasks, 5, start);
        let mut at = start;
        let mut seen = Vec::new();
        for (done, total) in [(3, Some(5)), (2, Some(5)), (9, Some(5)), (9, None)] {
            at += TELL_EVERY;
            work.at_time(done, total, at);
            let task = tasks.running().remove(0);
            seen.push((task.done, task.total));
        }
        assert_eq!(seen, [(3, Some(5)), (3, Some(5)), (9, Some(9)), (9, None)]);
    }

    #[test]
    fn the_board_is_bounded() {
        let (tasks, start) = (Tasks::default(), Instant::now());
        let mut asleep = tasks.listen();
        let many: Vec<Work> = (0..10 * RUNNING_MAX)
            .map(|_| begin(&tasks, 1, start))
            .collect();
        assert_eq!(tasks.running().len(), RUNNING_MAX);
        // Work that is not told of goes on all the same.
        many.iter().for_each(|work| work.at_time(1, Some(1), start));
        drop(many);
        for _ in 0..10 * ENDED_MAX {
            drop(begin(&tasks, 1, start));
        }
        assert_eq!(tasks.running(), []);
        assert_eq!(tasks.0.borrow().ended.len(), ENDED_MAX);
        assert_eq!(asleep.news().len(), 2 * ENDED_MAX);
        drop(tasks);
        assert_eq!(asleep.news(), []);
    }

    #[tokio::test]
    async fn a_listener_wakes_up_and_ends_with_the_board() {
        let tasks = Tasks::default();
        let mut listener = tasks.listen();
        let waiting = tokio::spawn(async move {
            let mut told = Vec::new();
            while let Some(news) = listener.next().await {
                told.extend(news);
            }
            told
        });
        tokio::task::yield_now().await;
        let work = tasks.begin(What::Sync, Unit::Entries, "x", None);
        tokio::task::yield_now().await;
        drop((work, tasks));
        let told = waiting.await.unwrap();
        assert_eq!(steps(&told), [(1, 0, false), (1, 0, true)]);
    }
}
