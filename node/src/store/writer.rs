//! The one thread that changes the store.
//!
//! It takes whatever waits, up to the limits of a group commit, writes it with one sync, projects
//! it, and only then answers. So a caller who is alone waits for one sync and nothing else, and
//! callers who come while a sync is under way share the next one; nobody ever waits for a timer.

use super::{
    entry::{Committed, Erasure, Position},
    error::StoreError,
    frame::{Prepared, WordsRef},
    index::{IndexEngine, tree::sync_folder},
    open::token,
    projection::IndexReader,
    record::{append::Appender, patch::Patcher, session::Session},
    report::{Damage, DamageKind, Progress, StoreState},
    scan::Found,
    shared::{Obsolete, Shared},
    sync::lock,
};
use comity_protocol::id::EntryId;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender},
    },
    time::Instant,
};

/// Largest group commit, in entries; a single larger call is still one commit.
const GROUP_MAX_ENTRIES: usize = 500;
/// Largest group commit, in bytes; a single larger call is still one commit.
const GROUP_MAX_BYTES: u64 = 1024 * 1024;

pub(crate) type Reply<T> = SyncSender<Result<T, StoreError>>;

pub(crate) enum Command {
    Commit {
        frames: Vec<Prepared>,
        reply: Reply<Vec<Committed>>,
    },
    Erase {
        id: EntryId,
        reply: Reply<Erasure>,
    },
    /// Only if the index is still of the generation that was found damaged.
    Heal {
        seen: u64,
        reply: Reply<()>,
    },
    /// None: in the engine that has it now.
    Reindex {
        engine: Option<IndexEngine>,
        reply: Reply<()>,
    },
    DiscardDamage {
        reply: Reply<usize>,
    },
    Resume {
        reply: Reply<()>,
    },
    Close {
        reply: Reply<()>,
    },
}

struct Call {
    frames: Vec<Prepared>,
    reply: Reply<Vec<Committed>>,
}

/// What happens to one entry of a commit.
#[derive(Clone, Copy)]
enum Plan {
    Keep(Position),
    /// The same id as another frame of this batch.
    SameAs(usize),
    Write {
        frame: usize,
        replaces: bool,
        /// The index has nothing of this id.
        is_new: bool,
    },
}

enum Existing {
    /// Not even the index knows it.
    New,
    None,
    Whole(Position),
    Replace(Obsolete),
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) appender: Appender,
    pub(crate) patcher: Patcher,
    pub(crate) session: Session,
    pub(crate) boot: Option<String>,
}

impl Writer {
    pub(crate) fn run(mut self, commands: Receiver<Command>) {
        let mut next = None;
        // A caller that went away does not need its answer, so failed replies are ignored.
        while let Some(command) = next.take().or_else(|| commands.recv().ok()) {
            match command {
                Command::Commit { frames, reply } => {
                    let mut calls = vec![Call { frames, reply }];
                    next = gather(&commands, &mut calls);
                    self.commit(calls);
                }
                Command::Erase { id, reply } => {
                    let outcome = self.erase(&id);
                    let _ = reply.send(outcome);
                }
                Command::Heal { seen, reply } => {
                    let outcome = match seen == self.shared.generation.load(Ordering::Relaxed) {
                        true => self.heal(),
                        false => Ok(()),
                    };
                    let _ = reply.send(outcome);
                }
                Command::Reindex { engine, reply } => {
                    let outcome = self.reindex(engine);
                    let _ = reply.send(outcome);
                }
                Command::DiscardDamage { reply } => {
                    let outcome = self.discard_damage();
                    let _ = reply.send(outcome);
                }
                Command::Resume { reply } => {
                    let outcome = self.resume();
                    let _ = reply.send(outcome);
                }
                Command::Close { reply } => {
                    let outcome = self.close();
                    let _ = reply.send(outcome);
                    return;
                }
            }
        }
    }

    fn writable(&self) -> Result<(), StoreError> {
        match &*self.shared.state.borrow() {
            StoreState::Ready => Ok(()),
            StoreState::ReadOnly { reason } => Err(StoreError::ReadOnly {
                reason: reason.clone(),
            }),
            StoreState::Closed => Err(StoreError::Closed),
        }
    }

    fn turn_read_only(&self, error: &StoreError) {
        self.shared.state.send_replace(StoreState::ReadOnly {
            reason: error.with_cause(),
        });
    }

    fn commit(&mut self, calls: Vec<Call>) {
        let (mut frames, mut replies) = (Vec::new(), Vec::new());
        for call in calls {
            let begin = frames.len();
            frames.extend(call.frames);
            replies.push((begin..frames.len(), call.reply));
        }
        let begun = Instant::now();
        match self.commit_frames(frames) {
            Ok(outcomes) => {
                self.shared.metrics.commits.note_since(begun);
                for (range, reply) in replies {
                    let _ = reply.send(Ok(outcomes[range].to_vec()));
                }
            }
            Err(error) => {
                self.shared.metrics.failed.add(1);
                for (_, reply) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn commit_frames(&mut self, offered: Vec<Prepared>) -> Result<Vec<Committed>, StoreError> {
        self.writable()?;
        if self.shared.index.failure().is_some() {
            self.heal()?;
        }
        let (plans, obsolete) = match self.plan(&offered) {
            Err(StoreError::Index { .. }) => {
                self.heal()?;
                self.plan(&offered)?
            }
            planned => planned?,
        };
        let mut frames: Vec<Prepared> = offered
            .into_iter()
            .zip(&plans)
            .filter(|(_, plan)| matches!(plan, Plan::Write { .. }))
            .map(|(frame, _)| frame)
            .collect();
        let start = self.appender.position();
        let positions = self.appender.append(&mut frames, &self.shared.metrics);
        let positions = positions.inspect_err(|error| self.turn_read_only(error))?;
        let is_new = plans.iter().filter_map(|plan| match plan {
            Plan::Write { is_new, .. } => Some(*is_new),
            Plan::Keep(_) | Plan::SameAs(_) => None,
        });
        let written: Vec<_> = frames.iter().zip(is_new).zip(&positions).collect();
        self.publish(&written)?;
        self.place(start, &frames, &positions);
        for old in obsolete {
            self.discard(&old);
        }
        Ok(plans
            .into_iter()
            .map(|plan| match plan {
                Plan::Keep(position) => Committed::AlreadyPresent(position),
                Plan::SameAs(frame) => Committed::AlreadyPresent(positions[frame]),
                Plan::Write {
                    frame,
                    replaces: false,
                    ..
                } => Committed::Added(positions[frame]),
                Plan::Write {
                    frame,
                    replaces: true,
                    ..
                } => Committed::Restored(positions[frame]),
            })
            .collect())
    }

    fn plan(&self, offered: &[Prepared]) -> Result<(Vec<Plan>, Vec<Obsolete>), StoreError> {
        let (mut plans, mut obsolete) = (Vec::new(), Vec::new());
        // Of each id the frame number it gets, and whether that frame has words.
        let mut in_batch: BTreeMap<EntryId, (usize, bool)> = BTreeMap::new();
        let mut frames = 0;
        for prepared in offered {
            let mut is_new = false;
            let replaces = match in_batch.get(&prepared.id) {
                Some((frame, words)) if *words || !prepared.has_words() => {
                    plans.push(Plan::SameAs(*frame));
                    continue;
                }
                Some(_) => true,
                None => match self.existing(prepared)? {
                    Existing::Whole(position) => {
                        plans.push(Plan::Keep(position));
                        continue;
                    }
                    Existing::New => {
                        is_new = true;
                        false
                    }
                    Existing::None => false,
                    Existing::Replace(old) => {
                        obsolete.push(old);
                        true
                    }
                },
            };
            in_batch.insert(prepared.id, (frames, prepared.has_words()));
            plans.push(Plan::Write {
                frame: frames,
                replaces,
                is_new,
            });
            frames += 1;
        }
        Ok((plans, obsolete))
    }

    /// What the record has of this id, compared with what is offered.
    fn existing(&self, offered: &Prepared) -> Result<Existing, StoreError> {
        let Some(position) = self.shared.index.position_of(&offered.id)? else {
            return Ok(self
                .damaged_copy(&offered.id)
                .map_or(Existing::New, Existing::Replace));
        };
        let Some((segment, end)) = self.shared.record.readable_segment(position.segment())? else {
            return Ok(Existing::None);
        };
        let mut scan = segment.scan(position.offset(), end);
        let found = scan
            .next()
            .map_err(StoreError::io("read the copy that is here"))?;
        let whole = match &found {
            Some(Found::Entry {
                offset,
                entry,
                words,
                ..
            }) => {
                if *offset != position.offset() || entry.id != offered.id {
                    return Ok(Existing::None);
                }
                match words {
                    WordsRef::Present(_) | WordsRef::Erased { .. } => true,
                    WordsRef::Absent | WordsRef::Damaged => !offered.has_words(),
                }
            }
            Some(Found::Damaged { .. }) => false,
            Some(Found::Filler) | None => return Ok(Existing::None),
        };
        if whole {
            return Ok(Existing::Whole(position));
        }
        let len = (scan.at() - u64::from(position.offset())) as u32;
        Ok(Existing::Replace(Obsolete { position, len }))
    }

    /// With an index built after the damage, only the bytes themselves may still tell the id.
    fn damaged_copy(&self, id: &EntryId) -> Option<Obsolete> {
        let damage = lock(&self.shared.damage);
        let here = |damage: &&Damage| damage.kind == DamageKind::Frame && damage.id == Some(*id);
        damage
            .values()
            .find(here)
            .and_then(|damage| self.shared.damaged_range(damage.start))
    }

    /// Makes durable entries visible. From here on a failure cannot undo the commit.
    fn publish(&mut self, written: &[((&Prepared, bool), &Position)]) -> Result<(), StoreError> {
        let end = self.appender.position();
        let project = || -> Result<(), StoreError> {
            for ((frame, is_new), position) in written {
                let entry = frame.entry();
                match is_new {
                    true => self.shared.project_knowing(None, **position, &entry)?,
                    false => self.shared.project(**position, &entry)?,
                }
            }
            Ok(())
        };
        match project() {
            Ok(()) => {
                if !written.is_empty() {
                    self.shared.mark(end);
                }
                self.shared.record.set_tail(end);
                Ok(())
            }
            Err(_) => {
                self.shared.record.set_tail(end);
                self.heal()
            }
        }
    }

    fn place(&self, start: Position, frames: &[Prepared], positions: &[Position]) {
        let projection = &self.shared.projection;
        let rows = frames.iter().zip(positions);
        let rows = rows.map(|(frame, position)| (*position, projection.place(&frame.entry())));
        let range = (start, self.appender.position());
        lock(&self.shared.places).extend(&self.shared.record, rows, range);
    }

    fn discard(&mut self, old: &Obsolete) {
        match self.patcher.discard(old.position, old.len) {
            Ok(()) => {
                lock(&self.shared.damage).remove(&old.position);
            }
            Err(error) => self.turn_read_only(&error),
        }
    }

    /// Gives up what cannot be read, so that it is not reported for ever.
    fn discard_damage(&mut self) -> Result<usize, StoreError> {
        self.writable()?;
        let starts: Vec<Position> = lock(&self.shared.damage)
            .values()
            .filter(|damage| damage.kind == DamageKind::Frame)
            .map(|damage| damage.start)
            .collect();
        if !starts.is_empty() {
            self.shared.distrust_places();
        }
        let mut discarded = 0;
        for start in starts {
            if let Some(range) = self.shared.damaged_range(start) {
                self.discard(&range);
                self.writable()?;
                discarded += 1;
            }
        }
        Ok(discarded)
    }

    fn erase(&mut self, id: &EntryId) -> Result<Erasure, StoreError> {
        self.writable()?;
        let position = match self.shared.index.position_of(id) {
            Ok(position) => position,
            Err(_) => {
                self.heal()?;
                self.shared.index.position_of(id)?
            }
        };
        let Some(position) = position else {
            return Ok(Erasure::Unknown);
        };
        self.patcher.erase(position).inspect_err(|error| {
            if matches!(error, StoreError::Io { .. }) {
                self.turn_read_only(error);
            }
        })
    }

    /// Rebuilds a damaged index; if that fails as well, the store turns read-only.
    fn heal(&mut self) -> Result<(), StoreError> {
        let reason = self
            .shared
            .index
            .failure()
            .unwrap_or_else(|| "its files are damaged".into());
        self.shared.report(Progress::Rebuilding { reason });
        let outcome = self.shared.rebuild(true);
        outcome
            .and_then(|_| self.shared.index.drain())
            .and_then(|()| self.trust_index())
            .inspect_err(|error| self.turn_read_only(error))
    }

    fn reindex(&mut self, engine: Option<IndexEngine>) -> Result<(), StoreError> {
        if let Some(engine) = engine.filter(|engine| *engine != self.shared.engine()) {
            if self.shared.index.failure().is_some() {
                self.heal()?;
            }
            self.shared.move_index(engine)?;
        } else if let Err(error) = self.shared.rebuild(false) {
            self.turn_read_only(&error);
            return Err(error);
        }
        self.trust_index()
            .inspect_err(|error| self.turn_read_only(error))
    }

    /// The index has a new folder: after a crash it is known by that.
    fn trust_index(&self) -> Result<(), StoreError> {
        self.session
            .begin(&token(&self.shared, self.boot.as_deref()))
            .map_err(StoreError::io("write the record's session file"))
    }

    fn resume(&mut self) -> Result<(), StoreError> {
        if *self.shared.state.borrow() == StoreState::Ready {
            return Ok(());
        }
        let outcome = self.try_to_write();
        match &outcome {
            Ok(()) => {
                self.shared.state.send_replace(StoreState::Ready);
            }
            Err(error) => self.turn_read_only(error),
        }
        outcome
    }

    fn try_to_write(&mut self) -> Result<(), StoreError> {
        self.appender.resume()?;
        self.shared.record.set_tail(self.appender.position());
        self.patcher.finish()?;
        // The index writes to the same disk; one probe through all of it.
        if self.shared.index.failure().is_some() || self.shared.index.drain().is_err() {
            self.heal()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        lock(&self.shared.places).write(&self.shared.record);
        let drained = self.shared.index.drain();
        self.shared.index.stop();
        self.shared.index.take_tree();
        let in_order = drained.is_ok() && self.writable().is_ok();
        self.shared.state.send_replace(StoreState::Closed);
        if !in_order {
            return drained;
        }
        let end = || {
            if let Some(folder) = self.shared.index_folder() {
                sync_folder(&folder)?;
            }
            self.session.end(self.appender.position())
        };
        end().map_err(StoreError::io("close the store in good order"))
    }
}

/// Adds the commits that wait already; gives back the first command that is none.
fn gather(commands: &Receiver<Command>, calls: &mut Vec<Call>) -> Option<Command> {
    let size = |frames: &[Prepared]| {
        frames
            .iter()
            .map(|frame| u64::from(frame.len()))
            .sum::<u64>()
    };
    let (mut entries, mut bytes) = (calls[0].frames.len(), size(&calls[0].frames));
    while entries < GROUP_MAX_ENTRIES && bytes < GROUP_MAX_BYTES {
        match commands.try_recv() {
            Ok(Command::Commit { frames, reply }) => {
                entries += frames.len();
                bytes += size(&frames);
                calls.push(Call { frames, reply });
            }
            Ok(other) => return Some(other),
            Err(_) => break,
        }
    }
    None
}
