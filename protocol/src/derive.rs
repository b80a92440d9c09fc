//! Derivation: from contributions to a document, purely and alike everywhere (I1 to I5).
//!
//! Members sign *operations*, not Automerge changes. Each node derives the changes itself, so no
//! byte from the network ever reaches Automerge. A change is derived at exactly the `deps` of its
//! contribution, with the contribution's id as actor: what it becomes depends on its causal past
//! alone, never on what else a node holds or in which order it came.
//!
//! [`DerivedDocument`] is the machine: [`extend`](DerivedDocument::extend) it with contributions in
//! causal order, read [outcomes](Outcome), [views](DerivedDocument::view) and
//! [blame](DerivedDocument::blame). Inside, `graph` knows who depends on whom, `plan` checks
//! operations before Automerge is touched, `apply` turns a plan into a change, `lines` keeps
//! documents at the heads where work goes on, and `read` looks at the result.
//!
//! Spec: `specs/derivation.md`.

mod apply;
mod graph;
mod lines;
mod plan;
mod read;
mod view;

pub use read::{Blame, Span};
pub use view::{Candidate, Stub, View, Viewed};

use crate::document::{Intent, Kind, RuleError, Shape, ShapeError, Step, Words};
use crate::id::{DocumentId, EntryId};
use crate::key::PublicKey;
use graph::{Cost, Graph, Index};
use lines::Lines;
use std::collections::BTreeMap;
use thiserror::Error;

/// One contribution, verified and authorized, as derivation needs it.
#[derive(Debug, Clone)]
pub struct Input {
    /// Id of the contribution.
    pub id: EntryId,
    /// The document it belongs to; for a `create` its own id.
    pub document: DocumentId,
    /// The heads its author saw; empty if and only if it is the `create`.
    pub deps: Vec<EntryId>,
    /// The device key that signed it.
    pub author: PublicKey,
    /// Claimed time, in milliseconds since the Unix epoch; noted in the change, for display only.
    pub time_ms: u64,
    /// The decoded shape, or why it does not decode.
    pub shape: Result<Shape, ShapeError>,
    /// The words as far as they are here; see [`Words::open`].
    pub words: Words,
}

/// What became of a contribution. It depends on its causal past alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the document.
    Changed,
    /// It is effective and changes nothing: an empty merge, or values that stood there already.
    Unchanged,
    /// It has no effect. It stays a node of the graph: what depends on it is not orphaned.
    Void(VoidReason),
    /// The document was made by a later version of the software: kept, not judged.
    Newer(Newer),
}

impl Outcome {
    /// Whether the contribution takes effect.
    pub fn is_effective(&self) -> bool {
        matches!(self, Self::Changed | Self::Unchanged)
    }
}

/// Why a document cannot be derived here yet. No contribution to it is ever void for this: that
/// verdict would have to be taken back by an update, and replicas would differ until then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Newer {
    /// A later derivation version.
    #[error("it uses derivation version {0}; update this software to read it")]
    Version(u64),
    /// A kind that came later.
    #[error("it is of kind {0:?}, unknown here; update this software to read it")]
    Kind(String),
}

/// Why a contribution has no effect. The checks run in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VoidReason {
    /// The `create` of its document is void.
    #[error("the contribution that created the document is void")]
    CreateIsVoid,
    /// The shape matches its digest but does not decode.
    #[error("{0}")]
    MalformedShape(ShapeError),
    /// It makes a document but belongs to one.
    #[error("it makes a document but names one it belongs to")]
    CreateInsideDocument,
    /// It edits but names no document.
    #[error("it edits but names no document it belongs to")]
    EditWithoutDocument,
    /// It breaks a rule of its kind.
    #[error("{0}")]
    Rule(#[from] RuleError),
    /// It exceeds what a document, or one author's share of it, may cost.
    #[error("{0}")]
    Limit(#[from] Limit),
    /// An operation does not fit the document its author saw.
    #[error("operation {operation}: {failure}")]
    Operation {
        /// Which one, counted from 0.
        operation: usize,
        /// What is wrong with it.
        failure: Failure,
    },
    /// Automerge refused a plan that passed every check: a defect of this software, alike on all
    /// nodes that run it.
    #[error("the change could not be built; please report this with the document's id")]
    Refused,
}

/// A limit of the causal past, the contribution itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Limit {
    /// Derived operations in the document.
    #[error("the document would exceed its limit of derived operations")]
    DocumentOperations,
    /// Words in the document.
    #[error("the document would exceed its limit of words")]
    DocumentWords,
    /// Derived operations of one author key.
    #[error("the author would exceed their share of the document's derived operations")]
    AuthorOperations,
    /// Words of one author key.
    #[error("the author would exceed their share of the document's words")]
    AuthorWords,
}

/// What keeps an operation from applying at `deps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// The path leads nowhere, or to something of another type.
    #[error("there is nothing at its path")]
    NotFound,
    /// An index beyond the end of a list.
    #[error("its index lies beyond the end of the list")]
    IndexOutOfRange,
    /// An insert into a list that is full (see [`crate::limits::LIST_ITEMS_MAX`]).
    #[error("the list is full")]
    ListFull,
    /// A range beyond the end of a text.
    #[error("its range reaches beyond the end of the text")]
    RangeOutOfText,
}

/// The caller broke the contract of [`DerivedDocument`]; nothing was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeriveError {
    /// A dependency is neither derived nor earlier in the batch.
    #[error("{id} depends on {missing}, which is not here: give dependencies first")]
    MissingDependency {
        /// The contribution that was offered.
        id: EntryId,
        /// What it depends on.
        missing: EntryId,
    },
    /// A contribution to another document, or a second first one.
    #[error("{id} does not belong to document {document}")]
    WrongDocument {
        /// The contribution that was offered.
        id: EntryId,
        /// The document it was offered to.
        document: DocumentId,
    },
    /// A contribution without dependencies that is not the `create`.
    #[error("{id} names no dependencies but did not create the document")]
    NoDependencies {
        /// The contribution that was offered.
        id: EntryId,
    },
    /// Automerge refused changes that this software derived itself.
    #[error("derived changes could not be joined: {0}; rebuild the document, and report this")]
    Automerge(String),
}

/// What one call of [`DerivedDocument::extend`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Contributions that now have an outcome.
    pub derived: Vec<EntryId>,
    /// Contributions taken in that have none yet: call again with an empty batch.
    pub remaining: usize,
    /// Work done: derived operations, plus one for each contribution judged and each change that
    /// was applied to get to its dependencies. At most one contribution goes beyond the budget.
    pub work: u64,
}

/// A document as its contributions make it. Equal sets of contributions give equal outcomes, heads
/// and views, whatever the order and the batches.
///
/// After an erasure, or when authority changed what is effective, build it anew from what counts
/// now: an erased contribution comes with [`Words::Erased`], and nothing moves.
#[derive(Debug)]
pub struct DerivedDocument {
    document: DocumentId,
    kind: Result<Kind, Outcome>,
    create: Input,
    graph: Graph,
    lines: Lines,
    waiting: BTreeMap<Index, Input>,
    ready: Vec<Index>,
}

impl DerivedDocument {
    /// Starts from the contribution that created the document. No Automerge document is made until
    /// the first edit (I5).
    ///
    /// # Errors
    /// [`DeriveError::WrongDocument`] if the id of `create` is not that of its document or it has
    /// dependencies.
    pub fn new(create: Input) -> Result<Self, DeriveError> {
        let document = create.document;
        if document != DocumentId::from(create.id) || !create.deps.is_empty() {
            return Err(DeriveError::WrongDocument {
                id: create.id,
                document,
            });
        }
        let kind = judge_create(&create);
        let mut graph = Graph::default();
        let root = graph.add(create.id, &[], create.author);
        match &kind {
            Ok(_) => graph.change(root, Vec::new(), cost(&create)),
            Err(outcome) => graph.settle(root, outcome.clone(), Vec::new()),
        }
        Ok(Self {
            document,
            kind,
            create,
            graph,
            lines: Lines::default(),
            waiting: BTreeMap::new(),
            ready: Vec::new(),
        })
    }

    /// Takes in contributions, each after what it depends on, and derives within a budget of work
    /// (see [`Progress::work`]). Contributions that are known already are passed over.
    ///
    /// # Errors
    /// [`DeriveError`] if the batch breaks the contract; then nothing of it was taken in. After
    /// [`DeriveError::Automerge`] the document must be built anew.
    pub fn extend(&mut self, batch: Vec<Input>, budget: u64) -> Result<Progress, DeriveError> {
        self.admit(batch)?;
        let mut progress = Progress::default();
        while progress.work < budget {
            let Some(index) = self.ready.pop() else { break };
            let Some(input) = self.waiting.remove(&index) else {
                continue;
            };
            progress.work += self.derive(index, &input)?;
            progress.derived.push(input.id);
            self.release_children(index);
        }
        progress.remaining = self.waiting.len();
        self.lines.join(&mut self.graph)?;
        if progress.remaining == 0 {
            self.lines.shrink(&mut self.graph);
        }
        Ok(progress)
    }

    fn admit(&mut self, batch: Vec<Input>) -> Result<(), DeriveError> {
        let mut fresh = std::collections::BTreeSet::new();
        for input in &batch {
            let id = input.id;
            if input.document != self.document {
                return Err(DeriveError::WrongDocument {
                    id,
                    document: self.document,
                });
            }
            if input.deps.is_empty() && id != self.create.id {
                return Err(DeriveError::NoDependencies { id });
            }
            let known = |dep: &&EntryId| self.graph.find(dep).is_some() || fresh.contains(*dep);
            if let Some(missing) = input.deps.iter().find(|dep| !known(dep)) {
                return Err(DeriveError::MissingDependency {
                    id,
                    missing: *missing,
                });
            }
            fresh.insert(id);
        }
        let mut newly_ready = Vec::new();
        for input in batch {
            if self.graph.find(&input.id).is_some() {
                continue;
            }
            let index = self.graph.add(input.id, &input.deps, input.author);
            if self.graph.is_ready(index) {
                newly_ready.push(index);
            }
            self.waiting.insert(index, input);
        }
        // Taken from the end: the earliest come first, then whatever continues them.
        self.ready.extend(newly_ready.into_iter().rev());
        Ok(())
    }

    fn release_children(&mut self, index: Index) {
        let children = self.graph.release_children(index);
        self.ready.extend(children.into_iter().rev());
    }

    /// Judges one contribution and says how much work that was.
    fn derive(&mut self, index: Index, input: &Input) -> Result<u64, DeriveError> {
        let parents = self.graph.changed_frontier(index);
        let mut work = 1;
        let outcome = match self.judge(index, input, &parents) {
            Err(outcome) => outcome,
            Ok(shape) if shape.derived_ops() == 0 => Outcome::Unchanged,
            Ok(shape) => {
                work += shape.derived_ops();
                let base = self
                    .lines
                    .at(&mut self.graph, &parents, &self.create, &mut work)?;
                self.lines
                    .derive(&mut self.graph, base, index, input, shape)?
            }
        };
        match outcome {
            Outcome::Changed => self.graph.change(index, parents, cost(input)),
            other => self.graph.settle(index, other, parents),
        }
        Ok(work)
    }

    /// Everything that is decided without looking into the document, in the order of the spec.
    fn judge<'a>(
        &mut self,
        index: Index,
        input: &'a Input,
        parents: &[Index],
    ) -> Result<&'a Shape, Outcome> {
        let kind = match &self.kind {
            Ok(kind) => *kind,
            Err(Outcome::Newer(newer)) => return Err(Outcome::Newer(newer.clone())),
            Err(_) => return Err(Outcome::Void(VoidReason::CreateIsVoid)),
        };
        let shape = decoded(input).map_err(Outcome::Void)?;
        if matches!(shape, Intent::Create { .. }) {
            return Err(Outcome::Void(VoidReason::CreateInsideDocument));
        }
        kind.check(shape)
            .map_err(|error| Outcome::Void(error.into()))?;
        self.graph
            .check_limits(index, parents, cost(input))
            .map_err(|limit| Outcome::Void(limit.into()))?;
        Ok(shape)
    }

    /// The document this is.
    pub fn document(&self) -> DocumentId {
        self.document
    }

    /// Its kind, or what became of the `create` if that is not effective.
    ///
    /// # Errors
    /// The outcome of a `create` that is void or newer.
    pub fn kind(&self) -> Result<Kind, &Outcome> {
        self.kind.as_ref().copied()
    }

    /// What became of a contribution; nothing if it is unknown or not derived yet.
    pub fn outcome(&self, id: &EntryId) -> Option<&Outcome> {
        self.graph.outcome(self.graph.find(id)?)
    }

    /// The contributions that no other here depends on, ascending; void ones and those not derived
    /// yet included. They are what the next contribution names as `deps`.
    pub fn heads(&self) -> Vec<EntryId> {
        self.graph.heads()
    }

    /// How many contributions were taken in but not derived yet.
    pub fn remaining(&self) -> usize {
        self.waiting.len()
    }

    /// What everybody sees now.
    ///
    /// # Errors
    /// [`Stub`] if the `create` is void or newer.
    pub fn view(&self) -> Result<View, Stub> {
        let kind = self.effective_kind()?;
        Ok(match self.lines.main() {
            Some(main) => read::view(kind, main, None),
            None => view::of_create(kind, &self.create),
        })
    }

    /// What somebody saw who had exactly these contributions and those before them.
    ///
    /// # Errors
    /// [`Stub`] if the `create` is void or newer, or a head is unknown or not derived yet.
    pub fn view_at(&mut self, heads: &[EntryId]) -> Result<View, Stub> {
        let kind = self.effective_kind()?;
        let hashes = self.hashes_at(heads)?;
        Ok(match self.lines.main() {
            Some(main) => read::view(kind, main, Some(&hashes)),
            None => view::of_create(kind, &self.create),
        })
    }

    fn hashes_at(&mut self, heads: &[EntryId]) -> Result<Vec<automerge::ChangeHash>, Stub> {
        let mut indexes = Vec::with_capacity(heads.len());
        for head in heads {
            let index = self.graph.find(head).ok_or(Stub::UnknownHead(*head))?;
            if self.graph.outcome(index).is_none() {
                return Err(Stub::NotDerived(*head));
            }
            indexes.push(index);
        }
        let frontier = self.graph.frontier_of(&indexes);
        Ok(frontier
            .iter()
            .filter_map(|index| self.graph.hash(*index))
            .collect())
    }

    /// Who made what stands at `path`: for a text, span by span. Of concurrent values the one shown
    /// first is meant. Nothing if nothing is there.
    ///
    /// # Errors
    /// [`Stub`] if the `create` is void or newer.
    pub fn blame(&self, path: &[Step]) -> Result<Option<Blame>, Stub> {
        self.effective_kind()?;
        Ok(match self.lines.main() {
            Some(main) => read::blame(main, path),
            None => view::blame_create(&self.create, path),
        })
    }

    /// The document as a standard Automerge file, every change in it.
    ///
    /// # Errors
    /// [`Stub`] if the `create` is void or newer.
    pub fn save(&self) -> Result<Vec<u8>, Stub> {
        self.effective_kind()?;
        match self.lines.main() {
            Some(main) => Ok(main.save()),
            None => {
                let (doc, _) = apply::create(&self.create).map_err(|_| Stub::Refused)?;
                Ok(doc.save())
            }
        }
    }

    /// The hash of the Automerge change of a contribution: for vectors and other implementations.
    /// Erasure alters it. Nothing if there is no change or, by I5, none was needed yet.
    pub fn change_hash(&self, id: &EntryId) -> Option<[u8; 32]> {
        self.graph.hash(self.graph.find(id)?).map(|hash| hash.0)
    }

    fn effective_kind(&self) -> Result<Kind, Stub> {
        self.kind
            .as_ref()
            .copied()
            .map_err(|outcome| match outcome {
                Outcome::Newer(newer) => Stub::Newer(newer.clone()),
                Outcome::Void(reason) => Stub::Void(reason.clone()),
                Outcome::Changed | Outcome::Unchanged => Stub::Refused,
            })
    }
}

fn judge_create(create: &Input) -> Result<Kind, Outcome> {
    let shape = match &create.shape {
        Err(ShapeError::Newer { version }) => return Err(Outcome::Newer(Newer::Version(*version))),
        _ => decoded(create).map_err(Outcome::Void)?,
    };
    let Intent::Create { kind: name, .. } = shape else {
        return Err(Outcome::Void(VoidReason::EditWithoutDocument));
    };
    let kind = match Kind::named(name) {
        Ok(kind) => kind,
        Err(_) => return Err(Outcome::Newer(Newer::Kind(name.to_string()))),
    };
    kind.check(shape)
        .map_err(|error| Outcome::Void(error.into()))?;
    Ok(kind)
}

fn decoded(input: &Input) -> Result<&Shape, VoidReason> {
    input
        .shape
        .as_ref()
        .map_err(|error| VoidReason::MalformedShape(error.clone()))
}

fn cost(input: &Input) -> Cost {
    input.shape.as_ref().map_or(Cost::default(), |shape| Cost {
        ops: shape.derived_ops(),
        words: shape.words_bytes(),
    })
}
