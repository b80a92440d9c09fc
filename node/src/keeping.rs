//! What this node keeps of each space, as its operator decided, and which words it lacks.
//!
//! A decision about this disk: it changes nothing of what is true, nothing that others keep, and
//! nothing of the sets. Of a space that is kept in part every contribution is here with header and
//! shape, so everything that is decided is decided alike; words may be missing.
//!
//! Spec: `specs/partial.md`.

mod count;
mod lacks;
mod policy;

use crate::home::{HomeError, write_atomically};
use comity_protocol::{
    id::{EntryId, SpaceId},
    key::PublicKey,
};
pub(crate) use count::count;
use lacks::Lacks;
pub use policy::{Keep, KeepError};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

const VERSION: u32 = 1;

/// The file: only what is not the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    version: u32,
    spaces: BTreeMap<String, OfSpace>,
}

/// What is remembered of one space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OfSpace {
    #[serde(default, skip_serializing_if = "Keep::is_everything")]
    keep: Keep,
    /// Whether words may be missing: set before the first is, cleared after all are here.
    #[serde(default)]
    partial: bool,
}

#[derive(Debug, Default)]
struct State {
    spaces: BTreeMap<SpaceId, OfSpace>,
    lacks: Lacks,
}

/// What is here of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Everything that reached this node, but for what was erased.
    Complete,
    /// Words are missing.
    Partial {
        /// How many contributions are here without their words; none while that is being counted.
        lacking: Option<u64>,
    },
    /// Nothing new: it is not exchanged.
    Nothing,
}

/// What a node keeps. See the [module documentation](self).
#[derive(Debug)]
pub struct Keeping {
    path: Option<PathBuf>,
    state: Mutex<State>,
    decisions: watch::Sender<u64>,
    changes: watch::Sender<u64>,
    settled: watch::Sender<u64>,
}

impl Default for Keeping {
    /// Everything, remembered nowhere: for simulations and tests.
    fn default() -> Self {
        Self {
            path: None,
            state: Mutex::default(),
            decisions: watch::Sender::new(0),
            changes: watch::Sender::new(0),
            settled: watch::Sender::new(0),
        }
    }
}

impl Keeping {
    /// Reads what was decided.
    ///
    /// # Errors
    /// If the file cannot be read or is not understood.
    pub fn open(path: PathBuf) -> Result<Self, HomeError> {
        let bad = |why: String| HomeError::BadState {
            path: path.clone(),
            why,
        };
        let file = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::default(),
            Err(source) => return Err(HomeError::Unreadable { path, source }),
        };
        if file.version > VERSION {
            return Err(bad(format!(
                "it was written by a newer comity ({})",
                file.version
            )));
        }
        let mut state = State::default();
        for (id, of) in file.spaces {
            let space = id
                .parse()
                .map_err(|_| bad(format!("{id:?} is no id of a space")))?;
            if of.partial {
                state.lacks.expect(space);
            }
            state.spaces.insert(space, of);
        }
        Ok(Self {
            path: Some(path),
            state: Mutex::new(state),
            decisions: watch::Sender::new(0),
            changes: watch::Sender::new(0),
            settled: watch::Sender::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts decisions.
    pub fn decisions(&self) -> watch::Receiver<u64> {
        self.decisions.subscribe()
    }

    /// Counts changes of what is lacking.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Counts how often a space became complete.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }

    /// What is to be kept of a space.
    pub fn of(&self, space: &SpaceId) -> Keep {
        let state = self.state();
        state
            .spaces
            .get(space)
            .map(|it| it.keep)
            .unwrap_or_default()
    }

    /// Whether a space is exchanged at all.
    pub fn exchanges(&self, space: &SpaceId) -> bool {
        self.of(space) != Keep::Nothing
    }

    /// Decides, durably.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`]; what was decided before then stays.
    pub fn decide(&self, space: SpaceId, keep: Keep) -> Result<(), HomeError> {
        let before = self.of(&space);
        self.change(space, |of| of.keep = keep)?;
        if before.is_everything() != keep.is_everything() && self.is_partial(&space) {
            let lacks = &mut self.state().lacks;
            match keep.is_everything() {
                true => lacks.expect(space),
                false => lacks.want_none(&space),
            }
        }
        note(&self.decisions);
        Ok(())
    }

    /// Remembers that words of a space may be missing, before the first is.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn expect_lacks(&self, space: SpaceId) -> Result<(), HomeError> {
        if self.is_partial(&space) {
            return Ok(());
        }
        self.change(space, |of| of.partial = true)
    }

    fn change(&self, space: SpaceId, change: impl FnOnce(&mut OfSpace)) -> Result<(), HomeError> {
        let mut state = self.state();
        let mut spaces = state.spaces.clone();
        let of = spaces.entry(space).or_default();
        change(of);
        if *of == OfSpace::default() {
            spaces.remove(&space);
        }
        if spaces == state.spaces {
            return Ok(());
        }
        if let Some(path) = &self.path {
            let named = spaces.iter().map(|(id, of)| (id.to_string(), of.clone()));
            let file = File {
                version: VERSION,
                spaces: named.collect(),
            };
            let bytes = serde_json::to_vec_pretty(&file).map_err(|error| HomeError::BadState {
                path: path.clone(),
                why: error.to_string(),
            })?;
            write_atomically(path, &bytes).map_err(|source| HomeError::NotWritable {
                path: path.clone(),
                source,
            })?;
        }
        state.spaces = spaces;
        Ok(())
    }

    /// Whether words of a space may be missing.
    pub fn is_partial(&self, space: &SpaceId) -> bool {
        let state = self.state();
        state.spaces.get(space).is_some_and(|it| it.partial)
    }

    /// Spaces of which words may be missing.
    pub fn partial(&self) -> Vec<SpaceId> {
        let state = self.state();
        let partial = state.spaces.iter().filter(|(_, it)| it.partial);
        partial.map(|(space, _)| *space).collect()
    }

    /// What is here of a space.
    pub fn kept(&self, space: &SpaceId) -> Kept {
        let state = self.state();
        let of = state.spaces.get(space);
        match of.map(|it| (it.keep, it.partial)) {
            Some((Keep::Nothing, _)) => Kept::Nothing,
            None | Some((_, false)) => Kept::Complete,
            Some((_, true)) => Kept::Partial {
                lacking: state.lacks.count(space),
            },
        }
    }

    /// Whether this node may say of an author's chain that it arrived: it means to keep the space,
    /// and lacks no words of that author.
    pub fn may_receipt(&self, space: &SpaceId, author: &PublicKey) -> bool {
        let state = self.state();
        state
            .spaces
            .get(space)
            .is_none_or(|it| it.keep.is_everything() && state.lacks.has_all_of(space, author))
    }

    /// Notes that the words of a contribution by `author` are missing.
    pub fn note_lack(&self, space: SpaceId, id: EntryId, author: PublicKey) {
        let mut state = self.state();
        let keep = state.spaces.get(&space).map(|it| it.keep);
        let wanted = keep.unwrap_or_default().is_everything();
        state.lacks.add(space, id, author, wanted);
        drop(state);
        note(&self.changes);
    }

    /// Notes that words that were missing are here, or are erased.
    pub fn note_found(&self, space: &SpaceId, id: &EntryId) {
        self.state().lacks.remove(space, id);
        note(&self.changes);
    }

    /// Up to `most` contributions of spaces that are to be kept whole and whose words are missing,
    /// after a place in their order.
    pub fn wanted(
        &self,
        after: Option<(SpaceId, EntryId)>,
        most: usize,
    ) -> Vec<(SpaceId, EntryId)> {
        self.state().lacks.wanted_after(after).take(most).collect()
    }

    /// Spaces whose lacks were not counted since this node opened.
    pub fn uncounted(&self) -> Vec<SpaceId> {
        self.state().lacks.expected()
    }

    /// What was missing has been counted; with nothing missing the space is complete again.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn counted(&self, space: SpaceId) -> Result<(), HomeError> {
        self.state().lacks.counted(&space);
        self.settle(space)
    }

    /// Forgets that words may be missing, once a space that is kept whole lacks none.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn settle(&self, space: SpaceId) -> Result<(), HomeError> {
        let complete = {
            let state = self.state();
            let whole = state
                .spaces
                .get(&space)
                .is_some_and(|it| it.keep.is_everything());
            whole && state.lacks.is_complete(&space)
        };
        if complete {
            self.change(space, |of| of.partial = false)?;
            note(&self.settled);
        }
        Ok(())
    }
}

fn note(changes: &watch::Sender<u64>) {
    changes.send_modify(|count| *count = count.wrapping_add(1));
}

#[cfg(test)]
mod tests;
