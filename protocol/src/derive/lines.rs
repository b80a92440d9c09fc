//! Automerge documents at the heads where derivation goes on.
//!
//! The main line holds everything and is what views read. A contribution whose dependencies are
//! not all there is needs a document at exactly those. Making one from nothing costs as much as
//! the document has changes, so lines are kept where they are likely to be continued: a branch is
//! derived on one line, and a join starts from the kept line that lacks least. What was derived
//! apart from the main line joins it in one batch.
//!
//! Which lines are kept affects time only.

use super::graph::{Graph, Index};
use super::plan::plan;
use super::{DeriveError, Input, Outcome, VoidReason, apply};
use crate::document::{Intent, Shape};
use automerge::{Automerge, ChangeHash};

/// Documents kept beside the main line while a batch is derived.
const LINES_MAX: usize = 8;
/// Documents kept when nothing waits: the branch that grows while another is main.
const LINES_IDLE_MAX: usize = 1;

/// Earlier states of the main line that are kept once a document has seen concurrency: a branch
/// that arrives late starts from one of them. The first is at most this many changes behind …
const ANCHOR_GAP: usize = 32;
/// … each further one this many times as far, and there are this many.
const ANCHOR_FACTOR: usize = 8;
const ANCHORS: usize = 3;

/// A document at some heads.
#[derive(Debug, Clone)]
struct Line {
    doc: Automerge,
    tip: Vec<Index>,
    /// How many changes it holds.
    size: usize,
    /// Automerge's heads when its changes were last handed to the graph.
    exported: Vec<ChangeHash>,
}

impl Line {
    /// Hands the changes made here to the graph, so that other lines can apply them.
    fn export(&mut self, graph: &mut Graph) {
        let heads = self.doc.get_heads();
        if heads != self.exported {
            for change in self.doc.get_changes(&self.exported) {
                graph.keep_change(change);
            }
            self.exported = heads;
        }
    }

    fn advance(&mut self, graph: &Graph, missing: &[Index]) -> Result<(), DeriveError> {
        let changes: Vec<_> = missing
            .iter()
            .filter_map(|index| graph.change_of(*index).cloned())
            .collect();
        if changes.len() != missing.len() {
            return Err(DeriveError::Automerge("a change is not kept".to_owned()));
        }
        self.doc
            .apply_changes(changes)
            .map_err(|error| DeriveError::Automerge(error.to_string()))?;
        self.size += missing.len();
        self.exported = self.doc.get_heads();
        Ok(())
    }
}

/// Where a contribution is derived.
#[derive(Debug)]
pub(super) struct Base(Option<Line>);

/// The main line and those beside it, oldest first.
#[derive(Debug, Default)]
pub(super) struct Lines {
    main: Option<Line>,
    beside: Vec<Line>,
    /// Earlier states of the main line, newest first.
    anchors: Vec<Line>,
    has_branches: bool,
    /// Changes that the main line lacks.
    apart: Vec<Index>,
}

impl Lines {
    /// The document that views read; nothing before the first edit (I5).
    pub(super) fn main(&self) -> Option<&Automerge> {
        self.main.as_ref().map(|line| &line.doc)
    }

    /// A document that stands at exactly `parents`. Adds what it cost to `work`.
    pub(super) fn at(
        &mut self,
        graph: &mut Graph,
        parents: &[Index],
        create: &Input,
        work: &mut u64,
    ) -> Result<Base, DeriveError> {
        let again = parents.iter().any(|index| graph.is_wanted_again(*index));
        let main = match self.main.take() {
            Some(main) => main,
            None => first(graph, create)?,
        };
        let main = self.main.insert(main);
        if main.tip == parents {
            if again {
                let copy = main.clone();
                self.keep(graph, copy);
            }
            self.anchor(graph);
            return Ok(Base(None));
        }
        self.has_branches = true;
        if let Some(at) = self.beside.iter().position(|line| line.tip == parents) {
            let line = self.beside.remove(at);
            if again {
                self.keep(graph, line.clone());
            }
            return Ok(Base(Some(line)));
        }
        let line = self.build(graph, parents, work)?;
        if again {
            self.keep(graph, line.clone());
        }
        Ok(Base(Some(line)))
    }

    /// Makes a document at `parents` from the line inside their past that lacks least.
    fn build(
        &mut self,
        graph: &mut Graph,
        parents: &[Index],
        work: &mut u64,
    ) -> Result<Line, DeriveError> {
        self.export(graph);
        let past = graph.past(parents);
        let usable = |line: &&Line| line.tip.iter().all(|tip| past.binary_search(tip).is_ok());
        let nearest = self
            .main
            .iter()
            .chain(&self.beside)
            .chain(&self.anchors)
            .filter(usable)
            .max_by_key(|line| line.size);
        let mut line = match nearest {
            Some(line) => line.clone(),
            None => Line {
                doc: apply::empty(),
                tip: Vec::new(),
                size: 0,
                exported: Vec::new(),
            },
        };
        let held = graph.past(&line.tip);
        let missing: Vec<Index> = past
            .into_iter()
            .filter(|index| held.binary_search(index).is_err())
            .collect();
        line.advance(graph, &missing)?;
        line.tip = parents.to_vec();
        *work += missing.len() as u64;
        Ok(line)
    }

    /// Derives a checked contribution on the document at its dependencies.
    pub(super) fn derive(
        &mut self,
        graph: &mut Graph,
        base: Base,
        index: Index,
        input: &Input,
        shape: &Shape,
    ) -> Result<Outcome, DeriveError> {
        let Base(mut apart) = base;
        let is_main = apart.is_none();
        let Some(line) = apart.as_mut().or(self.main.as_mut()) else {
            return Err(DeriveError::Automerge("there is no main line".to_owned()));
        };
        let operations = match shape {
            Intent::Edit { operations } => operations.as_slice(),
            Intent::Create { .. } => &[],
        };
        let outcome = match plan(&line.doc, operations) {
            Err(reason) => Outcome::Void(reason),
            Ok(plan) if plan.steps.is_empty() => Outcome::Unchanged,
            Ok(plan) => match apply::edit(&mut line.doc, input, shape, &plan) {
                Ok(hash) => {
                    graph.set_hash(index, hash);
                    line.tip = vec![index];
                    line.size += 1;
                    if !is_main {
                        self.apart.push(index);
                    }
                    Outcome::Changed
                }
                Err(_) => {
                    self.distrust(graph, apart)?;
                    return Ok(Outcome::Void(VoidReason::Refused));
                }
            },
        };
        if let Some(line) = apart {
            self.keep(graph, line);
        }
        Ok(outcome)
    }

    /// Replaces a document on which Automerge failed: whether it rolls back completely is not ours
    /// to know.
    fn distrust(&mut self, graph: &mut Graph, apart: Option<Line>) -> Result<(), DeriveError> {
        let (mut failed, is_main) = match (apart, self.main.take()) {
            (Some(line), main) => {
                self.main = main;
                (line, false)
            }
            (None, Some(main)) => (main, true),
            (None, None) => return Ok(()),
        };
        failed.export(graph);
        if is_main {
            let mut line = Line {
                doc: apply::empty(),
                size: 0,
                exported: Vec::new(),
                tip: failed.tip,
            };
            let past = graph.past(&line.tip);
            line.advance(graph, &past)?;
            self.main = Some(line);
        }
        Ok(())
    }

    /// Brings everything derived apart into the main line, in one batch.
    pub(super) fn join(&mut self, graph: &mut Graph) -> Result<(), DeriveError> {
        if self.apart.is_empty() {
            return Ok(());
        }
        self.export(graph);
        if let Some(main) = &mut self.main {
            self.apart.sort_unstable();
            main.advance(graph, &self.apart)?;
            main.tip = graph.changed_heads();
            self.apart.clear();
        }
        Ok(())
    }

    /// Lets go of documents that are only useful while much is derived.
    pub(super) fn shrink(&mut self, graph: &mut Graph) {
        while self.beside.len() > LINES_IDLE_MAX {
            self.beside.remove(0).export(graph);
        }
    }

    fn keep(&mut self, graph: &mut Graph, line: Line) {
        if self.beside.len() >= LINES_MAX {
            self.beside.remove(0).export(graph);
        }
        self.beside.push(line);
    }

    fn export(&mut self, graph: &mut Graph) {
        for line in self.main.iter_mut().chain(&mut self.beside) {
            line.export(graph);
        }
    }

    /// Keeps the main line as it stands, if the last such state is far enough behind.
    fn anchor(&mut self, graph: &mut Graph) {
        let Some(main) = self.main.as_mut().filter(|_| self.has_branches) else {
            return;
        };
        let mut newer = None;
        let mut gap = ANCHOR_GAP;
        for at in 0..ANCHORS {
            match self.anchors.get_mut(at) {
                Some(anchor) if main.size - anchor.size < gap => return,
                Some(anchor) => {
                    let next = newer.take().unwrap_or_else(|| {
                        main.export(graph);
                        main.clone()
                    });
                    newer = Some(std::mem::replace(anchor, next));
                }
                None => {
                    let next = newer.take().unwrap_or_else(|| {
                        main.export(graph);
                        main.clone()
                    });
                    self.anchors.push(next);
                    return;
                }
            }
            gap *= ANCHOR_FACTOR;
        }
    }
}

fn first(graph: &mut Graph, create: &Input) -> Result<Line, DeriveError> {
    let (doc, hash) =
        apply::create(create).map_err(|error| DeriveError::Automerge(error.to_string()))?;
    let root = graph.find(&create.id).unwrap_or_default();
    graph.set_hash(root, hash);
    Ok(Line {
        doc,
        tip: vec![root],
        size: 1,
        exported: Vec::new(),
    })
}
