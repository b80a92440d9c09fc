//! Checking, rebuilding and copying the node's home.

use super::{
    App,
    error::Failure,
    extract::{Body, State, blocking},
};
use crate::{
    home::write_atomically,
    projection::LATE_WORDS,
    random,
    store::{IndexEngine, Position, Progress, StoredEntry, UnknownEngine},
    tasks::{Unit, What, Work},
};
use axum::Json;
use comity_client::types::{BackupRequest, MaintenanceReport, ReindexRequest};
use comity_protocol::{
    certificate::CertificateBody,
    entry::{Entry, Verified},
    id::{EntryId, SpaceId},
    record::RecordBody,
};
use std::{collections::HashSet, fs, path::PathBuf, sync::Arc};
use tracing::info;

/// Entries checked at once.
const PAGE: usize = 256;
/// Problems listed; more are counted.
const PROBLEMS_MAX: usize = 1_000;

pub(super) async fn verify(
    State(app): State<Arc<App>>,
) -> Result<Json<MaintenanceReport>, Failure> {
    blocking(&app, |app| {
        let store = app.inner.archive.store();
        let work = app.begin(What::Verify, Unit::Bytes, "checking the record")?;
        let report = store.verify(&mut |progress| {
            if let Progress::Verifying { done, total } = progress {
                work.at(done, Some(total));
            }
        })?;
        drop(work);
        let mut check = Check {
            app,
            problems: Vec::new(),
            more: 0,
            hidden: app.hidden(),
            in_hidden: 0,
        };
        for damage in &report.damage {
            let (start, kind) = (damage.start, damage.kind);
            match damage.id {
                Some(id) => {
                    check.problem_of(id, format!("damage at {start} (entry {id}): {kind:?}"))
                }
                None => check.problem(format!("damage at {start}: {kind:?}")),
            }
        }
        for id in &report.missing_in_index {
            check.problem_of(
                *id,
                format!("entry {id} is missing in the index; run `comity reindex`"),
            );
        }
        let entries = check.entries()?;
        check.sets()?;
        if check.in_hidden > 0 {
            check.problems.push(format!(
                "and {} with entries of spaces that you do not read: somebody who reads them sees \
                 which",
                check.in_hidden
            ));
        }
        if check.more > 0 {
            check.problems.push(format!("and {} more", check.more));
        }
        Ok(Json(MaintenanceReport {
            entries,
            problems: check.problems,
            bytes: report.bytes,
        }))
    })
    .await
}

impl App {
    /// The ids of everything in spaces that the caller does not read.
    fn hidden(&self) -> HashSet<EntryId> {
        let spaces: Vec<SpaceId> = {
            let ledger = self.inner.ingest.ledger();
            ledger.spaces().keys().copied().collect()
        };
        let hidden: Vec<SpaceId> = spaces.into_iter().filter(|it| !self.shows(it)).collect();
        let mut ids = HashSet::new();
        let ledger = self.inner.ingest.ledger();
        let held = self.inner.archive.held();
        for space in &hidden {
            let known = ledger.spaces().get(space);
            let keys = known.into_iter().flat_map(|it| it.trie.keys());
            ids.extend(keys.map(|(key, _)| key.id));
            ids.extend(held.in_space(space).map(|it| it.key.id));
        }
        ids
    }

    /// Begins work over the whole record.
    fn begin(&self, what: What, unit: Unit, label: &str) -> Result<Work, Failure> {
        let stats = self.inner.archive.store().stats()?;
        let total = match unit {
            Unit::Bytes => stats.record_bytes,
            Unit::Entries => stats.entries,
        };
        Ok(self.inner.tasks.begin(what, unit, label, Some(total)))
    }
}

struct Check<'a> {
    app: &'a App,
    problems: Vec<String>,
    more: usize,
    /// Entries of spaces that the caller does not read, and problems with them, which are counted.
    hidden: HashSet<EntryId>,
    in_hidden: usize,
}

impl Check<'_> {
    fn problem_of(&mut self, id: EntryId, problem: String) {
        match self.hidden.contains(&id) {
            true => self.in_hidden += 1,
            false => self.problem(problem),
        }
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Decodes every entry anew, as if it came from a stranger; gives how many there are.
    fn entries(&mut self) -> Result<u64, Failure> {
        let store = self.app.inner.archive.store();
        let label = "checking signatures and links";
        let work = self.app.begin(What::Verify, Unit::Entries, label)?;
        let total = store.stats()?.entries;
        let mut from = Position::START;
        let mut count = 0;
        loop {
            let page = store.iterate(from, PAGE)?;
            count += page.entries.len() as u64;
            let entries: Vec<Entry> = page
                .entries
                .into_iter()
                .filter_map(|stored| self.decode(stored))
                .collect();
            for entry in &entries {
                self.links(entry)?;
            }
            let ids: Vec<EntryId> = entries.iter().map(Entry::id).collect();
            let verdicts = Verified::check_batch(entries, &mut random::rng());
            for (id, verdict) in ids.iter().zip(verdicts) {
                if let Err(error) = verdict {
                    self.problem_of(*id, format!("entry {id} is not signed as it says: {error}"));
                }
            }
            work.at(count, Some(total));
            from = page.next;
            if page.at_end {
                return Ok(count);
            }
        }
    }

    fn decode(&mut self, stored: StoredEntry) -> Option<Entry> {
        let id = stored.id;
        // They are checked with the contribution that they belong to.
        if stored.kind == LATE_WORDS {
            return None;
        }
        match self.app.inner.archive.entry(stored) {
            // The bytes are read again as they travel: keys are checked anew.
            Ok(entry) => match Entry::decode(&entry.encode()) {
                Ok(entry) if entry.id() == id => return Some(entry),
                Ok(entry) => {
                    let other = entry.id();
                    self.problem_of(id, format!("entry {id} is stored under the id of {other}"));
                }
                Err(error) => self.problem_of(id, format!("entry {id} cannot be read: {error}")),
            },
            Err(error) => self.problem_of(id, error.to_string()),
        }
        None
    }

    /// What an entry builds on is here, and it stands in the set of its space.
    fn links(&mut self, entry: &Entry) -> Result<(), Failure> {
        let app = self.app;
        let id = entry.id();
        let needed: Vec<EntryId> = match entry {
            Entry::Contribution(it) => it.header().deps().to_vec(),
            Entry::Record(it) => match it.body() {
                RecordBody::Erasure(erasure) => vec![erasure.contribution],
                _ => Vec::new(),
            },
            Entry::Certificate(it) => match it.body() {
                CertificateBody::ErasureOrder(order) => vec![order.contribution],
                _ => Vec::new(),
            },
            // It builds on nothing, and stands in the set only while a cut leads through it.
            Entry::Bare(_) => return Ok(()),
        };
        for needed in needed {
            if !app.inner.archive.contains(&needed)? {
                self.problem_of(
                    id,
                    format!("entry {id} builds on {needed}, which is not here"),
                );
            }
        }
        let key = entry.key();
        let is_kept = app.inner.archive.held().contains(&id);
        let stands = app.stored_place_of(entry).is_some_and(|(space, _)| {
            let key = key.in_set_of(&space);
            let ledger = app.inner.ingest.ledger();
            ledger
                .spaces()
                .get(&space)
                .is_some_and(|it| it.trie.contains(&key))
        });
        // What is held stands in no set, as it should.
        if !stands && !is_kept {
            self.problem_of(
                id,
                format!(
                    "entry {id} is in the record but in no space's set; run `comity reindex` and \
                     restart the node"
                ),
            );
        }
        Ok(())
    }

    /// The index leads to every entry of every set.
    fn sets(&mut self) -> Result<(), Failure> {
        let app = self.app;
        let held: Vec<(SpaceId, Vec<EntryId>)> = {
            let ledger = app.inner.ingest.ledger();
            let spaces = ledger.spaces().iter();
            spaces
                .map(|(id, space)| (*id, space.trie.keys().map(|(key, _)| key.id).collect()))
                .collect()
        };
        let index = app.inner.archive.store().index();
        let total = held.iter().map(|(_, ids)| ids.len() as u64).sum();
        let label = "checking the index";
        let tasks = &app.inner.tasks;
        let work = tasks.begin(What::Verify, Unit::Entries, label, Some(total));
        let mut done = 0;
        for (space, ids) in held {
            let mut lost = 0;
            for page in ids.chunks(PAGE) {
                for id in page {
                    lost += u64::from(index.position_of(id)?.is_none());
                }
                done += page.len() as u64;
                work.at(done, Some(total));
            }
            if lost > 0 && !app.shows(&space) {
                self.in_hidden += 1;
            } else if lost > 0 {
                let held = ids.len();
                self.problem(format!(
                    "the index leads to all but {lost} of the {held} entries of space {space}; run \
                     `comity reindex`"
                ));
            }
        }
        Ok(())
    }
}

pub(super) async fn reindex(
    State(app): State<Arc<App>>,
    Body(request): Body<Option<ReindexRequest>>,
) -> Result<Json<MaintenanceReport>, Failure> {
    blocking(&app, move |app| {
        let store = app.inner.archive.store();
        let engine = request.unwrap_or_default().engine;
        let engine: Option<IndexEngine> =
            engine
                .map(|it| it.parse())
                .transpose()
                .map_err(|error: UnknownEngine| {
                    Failure::invalid(format!("could not rebuild the index: {error}"))
                })?;
        store.reindex(engine)?;
        if let Some(engine) = engine {
            // Last: if this fails, the next opening builds the index once more in the old engine.
            app.inner
                .state
                .change(|state| state.index_engine = Some(engine.to_string()))
                .map_err(Failure::internal)?;
        }
        app.forget_caches();
        let stats = store.stats()?;
        info!(entries = stats.entries, "the index was rebuilt");
        Ok(Json(MaintenanceReport {
            entries: stats.entries,
            problems: Vec::new(),
            bytes: stats.record_bytes,
        }))
    })
    .await
}

pub(super) async fn backup(
    State(app): State<Arc<App>>,
    Body(request): Body<BackupRequest>,
) -> Result<Json<MaintenanceReport>, Failure> {
    blocking(&app, move |app| {
        let to = PathBuf::from(&request.to);
        if !to.is_absolute() {
            return Err(
                Failure::invalid(format!("{} is no absolute path", to.display()))
                    .hint("The node may run in another folder than you: give the whole path."),
            );
        }
        let cannot = |error: std::io::Error| {
            Failure::invalid(format!("could not back up to {}: {error}", to.display()))
                .hint("Name a new or empty folder that the node may write to.")
        };
        fs::create_dir_all(&to).map_err(cannot)?;
        if fs::read_dir(&to).map_err(cannot)?.next().is_some() {
            return Err(Failure::invalid(format!(
                "could not back up to {}: it is not empty",
                to.display()
            ))
            .hint("Name a new or empty folder."));
        }
        let work = app.begin(What::Backup, Unit::Bytes, "copying the record")?;
        let store = app.inner.archive.store();
        let report = store.backup(&to, &mut |progress| {
            if let Progress::Copying { done, total } = progress {
                work.at(done, Some(total));
            }
        })?;
        drop(work);
        let entries = app.inner.archive.store().stats()?.entries;
        write_atomically(&to.join("node.key"), app.inner.key.seed()).map_err(cannot)?;
        let state = app.inner.state.read().clone();
        let state = serde_json::to_vec_pretty(&state).map_err(Failure::internal)?;
        write_atomically(&to.join("state.json"), &state).map_err(cannot)?;
        Ok(Json(MaintenanceReport {
            entries,
            problems: Vec::new(),
            bytes: report.bytes,
        }))
    })
    .await
}
