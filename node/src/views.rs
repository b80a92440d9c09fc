//! How readers see documents: lists, threads, histories, who wrote what. Views are total: whatever
//! is in effect gives a view or a stub, never a failure.

pub(crate) mod held;
mod json;

use crate::{
    archive::{Archive, ArchiveError},
    authors::Authors,
    library::{Library, LibraryError, Listed, Shelved},
    projection::{KindCode, position_of_key, thread_prefix},
    store::{IndexScan, StoreError},
};
use comity_client::types::{
    BlameSpan, ConcurrentValue, DocumentSummary, DocumentView, ExportLine, Field, HistoryItem,
    Origin,
};
use comity_protocol::{
    derive::{Blame, Candidate, Outcome, Stub, View, Viewed},
    document::{FILLER, Step, kind::Form},
    id::{DocumentId, EntryId, SpaceId},
    pipeline::Known,
};
use json::{fields_json, to_json};
use thiserror::Error;

/// Replies shown with a document at once, and those counted in a line of a list.
const THREAD_MAX: usize = 1_000;

/// Which part of a thread is shown with a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadPart {
    /// Whether what is held of it stands in its place, without words.
    pub stubs: bool,
    /// Begin after this position, which [`DocumentView::next`] named.
    pub after: Option<u64>,
}
/// Longest title made from the first words of a body, in code points.
const EXCERPT_CODE_POINTS: usize = 80;

/// Why a view cannot be given.
#[derive(Debug, Error)]
pub enum ViewError {
    /// The document cannot be derived.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The heads asked for are not here.
    #[error("{0}")]
    Heads(Stub),
    /// Words of it are not here.
    #[error("words of {lacking} contributions to the document are not kept here")]
    NotKept {
        /// How many contributions lack theirs.
        lacking: usize,
    },
    /// A field is not a text.
    #[error("the document has no text in a field {0:?}")]
    NoText(String),
}

impl From<ArchiveError> for ViewError {
    fn from(error: ArchiveError) -> Self {
        Self::Library(error.into())
    }
}

/// What a document is, in a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// Its kind.
    pub kind: String,
    /// Its title, or the first words of its body.
    pub title: String,
}

/// Views of the documents of one community.
pub struct Views<'a> {
    /// Entries.
    pub archive: &'a Archive,
    /// Documents.
    pub library: &'a Library,
    /// People.
    pub authors: Authors<'a>,
}

impl Views<'_> {
    /// One line of a list.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or cannot be read.
    pub fn summary(&self, document: &DocumentId) -> Result<DocumentSummary, ViewError> {
        let mut summary = self
            .library
            .glance(document, |shelved| self.summarize(document, shelved))?;
        self.add_thread_facts(document, &mut summary)?;
        Ok(summary)
    }

    /// A document, now or at given heads, with a part of its thread.
    ///
    /// # Errors
    /// [`ViewError`] if it is unknown, cannot be read, or the heads are not here.
    pub fn document(
        &self,
        document: &DocumentId,
        at: &[EntryId],
        part: ThreadPart,
    ) -> Result<DocumentView, ViewError> {
        let stubs = part.stubs;
        let read = self
            .library
            .read(document, |shelved| self.view(document, shelved, at));
        let mut view = match read {
            Ok(view) => view?,
            Err(LibraryError::Held { reason, .. }) if stubs => self.stub(document, reason)?,
            Err(LibraryError::Held { reason, .. }) => return self.stub(document, reason),
            Err(error) => return Err(error.into()),
        };
        view.held = self.held_of(document);
        self.add_thread_facts(document, &mut view.summary)?;
        let (replies, next) = self.in_thread(document, "reply", part)?;
        view.next = next.map(|it| it.to_string());
        for reply in replies {
            let read = self
                .library
                .glance(&reply, |shelved| self.view(&reply, shelved, &[]));
            match read {
                Ok(Ok(reply)) => view.replies.push(reply),
                Err(LibraryError::Held { reason, .. }) if stubs => {
                    view.replies.extend(self.stub(&reply, reason));
                }
                // A reply that cannot be read must not hide the rest of the thread.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Ok(view)
    }

    fn view(
        &self,
        document: &DocumentId,
        shelved: &mut Shelved,
        at: &[EntryId],
    ) -> Result<DocumentView, ViewError> {
        let summary = self.summarize(document, shelved);
        let heads = if at.is_empty() {
            shelved.derived.heads()
        } else {
            at.to_vec()
        };
        let view = match at.is_empty() {
            true => shelved.derived.view(),
            false => shelved.derived.view_at(at),
        };
        let fields = match view {
            Ok(view) => self.fields(&view, &shelved.contributions),
            Err(stub @ (Stub::UnknownHead(_) | Stub::NotDerived(_))) => {
                return Err(ViewError::Heads(stub));
            }
            // The summary says why there is nothing to show.
            Err(_) => Vec::new(),
        };
        Ok(DocumentView {
            summary,
            at: heads.iter().map(ToString::to_string).collect(),
            fields,
            underived: shelved.derived.remaining() as u64,
            replies: Vec::new(),
            next: None,
            held: Vec::new(),
            adopted: self.adopted_of(&shelved.contributions),
        })
    }

    fn fields(&self, view: &View, contributions: &[Listed]) -> Vec<Field> {
        let shown = |candidates: &Vec<Candidate>| -> Vec<ConcurrentValue> {
            if candidates.len() < 2 {
                return Vec::new();
            }
            let concurrent = candidates.iter().map(|candidate| ConcurrentValue {
                value: to_json(&candidate.value),
                by: candidate.by.to_string(),
                author: self.author_of(&candidate.by, contributions),
            });
            concurrent.collect()
        };
        view.fields
            .iter()
            .filter_map(|(name, candidates)| {
                let first = candidates.first()?;
                Some(Field {
                    name: name.clone(),
                    value: to_json(&first.value),
                    by: first.by.to_string(),
                    concurrent: shown(candidates),
                })
            })
            .collect()
    }

    fn author_of(
        &self,
        contribution: &EntryId,
        contributions: &[Listed],
    ) -> comity_client::types::Author {
        let found = contributions.iter().find(|it| it.id == *contribution);
        match found {
            Some(it) => self.authors.author(&it.header.author),
            None => comity_client::types::Author {
                device: String::new(),
                root: None,
                name: None,
                party: None,
                once: None,
            },
        }
    }

    fn summarize(&self, document: &DocumentId, shelved: &Shelved) -> DocumentSummary {
        let create = &shelved.contributions[0];
        let space = create.header.space;
        let declared = self.authors.authority.spaces().get(&space);
        let (view, void) = match shelved.derived.view() {
            Ok(view) => (Some(view), None),
            Err(stub) => (None, Some(stub.to_string())),
        };
        let updated = shelved
            .contributions
            .iter()
            .map(|it| it.header.time_ms)
            .max();
        let reference = |field: &str| {
            let view = view.as_ref()?;
            Some(view.reference(field)?.document.to_string())
        };
        DocumentSummary {
            id: document.to_string(),
            community: self.authors.community.to_string(),
            space: space.to_string(),
            space_name: declared.map(|it| it.name.clone()).unwrap_or_default(),
            kind: kind_name(view.as_ref(), shelved),
            form: view.as_ref().and_then(form),
            title: view.as_ref().map(title).unwrap_or_default(),
            author: self.authors.author(&create.header.author),
            created_ms: create.header.time_ms,
            updated_ms: updated.unwrap_or(create.header.time_ms),
            heads: shelved
                .derived
                .heads()
                .iter()
                .map(ToString::to_string)
                .collect(),
            contributions: shelved.contributions.len() as u64,
            replies: 0,
            parent: reference("parent"),
            accepted: None,
            tags: view
                .as_ref()
                .map(|view| view.texts("tags").into_iter().map(str::to_owned).collect())
                .unwrap_or_default(),
            origin: view.as_ref().and_then(origin),
            erased: create.erased,
            not_kept: shelved.not_kept().count() as u64,
            erased_by_order: create.order.map(|it| it.to_string()),
            void,
            held: None,
        }
    }

    fn add_thread_facts(
        &self,
        document: &DocumentId,
        summary: &mut DocumentSummary,
    ) -> Result<(), ViewError> {
        let Some(topic) = self.archive.contribution(EntryId::from(*document)) else {
            return Ok(());
        };
        let all = ThreadPart::default();
        let (replies, _) = self.in_thread(document, "reply", all)?;
        summary.replies = replies.len() as u64;
        for id in self.in_thread(document, "accept", all)?.0 {
            let accepted = self.library.glance(&id, |shelved| {
                // Accepting is for the one who asked; anybody may sign such a document.
                let author = &shelved.contributions[0].header.author;
                let by_asker = self.authors.authority.same_person(author, &topic.author);
                let view = shelved.derived.view().ok()?;
                let withdrawn = matches!(view.value("withdrawn"), Some(Viewed::Bool(true)));
                let reply = view.reference("reply")?.document.to_string();
                (by_asker && !withdrawn).then_some(reply)
            });
            // Of several the lowest id is shown, alike on all nodes; succession comes later.
            if let Ok(Some(reply)) = accepted
                && summary.accepted.as_ref().is_none_or(|shown| reply < *shown)
            {
                summary.accepted = Some(reply);
            }
        }
        Ok(())
    }

    /// Documents of a kind that name the document as their thread, from the same space, in the order
    /// in which they came, and where the next part begins: what is written elsewhere does not reach
    /// into it.
    fn in_thread(
        &self,
        root: &DocumentId,
        kind: &str,
        part: ThreadPart,
    ) -> Result<(Vec<DocumentId>, Option<u64>), StoreError> {
        let Some(topic) = self.archive.contribution((*root).into()) else {
            return Ok((Vec::new(), None));
        };
        let prefix = thread_prefix(root, &topic.space, KindCode::of(kind));
        let after = part
            .after
            .map(|at| [&prefix[..], &at.to_be_bytes()].concat());
        let scan = IndexScan::forward(prefix, THREAD_MAX).after(after);
        let page = self.archive.store().index().scan(&scan)?;
        let listed = page.items.iter().filter_map(|(key, _)| {
            let position = position_of_key(key)?;
            let document = self.archive.document_at(position);
            let held_at = || self.archive.held_at(position);
            document.or_else(|| part.stubs.then(held_at).flatten())
        });
        let next = page.next.as_deref().and_then(position_of_key);
        Ok((listed.collect(), next.map(|it| it.to_u64())))
    }

    /// The contributions of a document, each after what it depends on.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or cannot be read.
    pub fn history(&self, document: &DocumentId) -> Result<Vec<HistoryItem>, ViewError> {
        let items = self.library.read(document, |shelved| self.items(shelved))?;
        Ok(items)
    }

    fn items(&self, shelved: &Shelved) -> Vec<HistoryItem> {
        let derived = &shelved.derived;
        let items = shelved.contributions.iter().map(|it| {
            let outcome = derived.outcome(&it.id);
            HistoryItem {
                id: it.id.to_string(),
                author: self.authors.author(&it.header.author),
                seq: it.header.link.seq,
                time_ms: it.header.time_ms,
                deps: it.header.deps().iter().map(ToString::to_string).collect(),
                what: what(it).into(),
                fields: it.fields.iter().cloned().collect(),
                verdict: match outcome {
                    None => "underived",
                    Some(outcome) if outcome.is_effective() => "effective",
                    Some(Outcome::Newer(_)) => "newer",
                    Some(_) => "void",
                }
                .into(),
                reason: outcome.and_then(reason).or_else(|| self.adopted(&it.id)),
                erased: it.erased,
                not_kept: it.not_kept,
                erased_by_order: it.order.map(|it| it.to_string()),
            }
        });
        items.collect()
    }

    /// Who wrote which part of a text field.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or the field holds no text.
    pub fn blame(&self, document: &DocumentId, field: &str) -> Result<Vec<BlameSpan>, ViewError> {
        let no_text = || ViewError::NoText(field.to_owned());
        self.library.read(document, |shelved| {
            let view = shelved.derived.view().map_err(ViewError::Heads)?;
            let text = view.text(field).ok_or_else(no_text)?;
            let blamed = shelved.derived.blame(&[Step::Key(field.into())]);
            let Ok(Some(Blame::Text(spans))) = blamed else {
                return Err(no_text());
            };
            let code_points: Vec<char> = text.chars().collect();
            let spans = spans.iter().map(|span| {
                let by = shelved.contributions.iter().find(|it| it.id == span.by);
                BlameSpan {
                    text: code_points.iter().skip(span.start).take(span.len).collect(),
                    by: span.by.to_string(),
                    author: self.author_of(&span.by, &shelved.contributions),
                    time_ms: by.map_or(0, |it| it.header.time_ms),
                    adopted: self.adoption(&span.by),
                }
            });
            Ok(spans.collect())
        })?
    }

    /// The document as a standard Automerge file.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or void, or words of it are not kept here: the file
    /// would hold others than those that were written.
    pub fn automerge(&self, document: &DocumentId) -> Result<Vec<u8>, ViewError> {
        let read = self.library.read(document, |shelved| {
            let lacking = shelved.not_kept().count();
            match lacking {
                0 => shelved.derived.save().map_err(ViewError::Heads),
                lacking => Err(ViewError::NotKept { lacking }),
            }
        });
        read?
    }

    /// The document for an export that is equal on all nodes with equal sets.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or cannot be read.
    pub fn export(&self, document: &DocumentId) -> Result<ExportLine, ViewError> {
        loop {
            // A reader derives a bounded part; an export has to show the whole.
            let (remaining, line) = self.library.glance(document, |shelved| {
                (
                    shelved.derived.remaining(),
                    self.export_line(document, shelved),
                )
            })?;
            if remaining == 0 {
                return Ok(line);
            }
        }
    }

    fn export_line(&self, document: &DocumentId, shelved: &Shelved) -> ExportLine {
        let create = &shelved.contributions[0].header;
        let declared = self.authors.authority.spaces().get(&create.space);
        let view = shelved.derived.view().ok();
        let mut contributions: Vec<(String, String)> = shelved
            .contributions
            .iter()
            .map(|it| (it.id.to_string(), it.header.author.to_string()))
            .collect();
        contributions.sort();
        let mut erased: Vec<String> = shelved
            .contributions
            .iter()
            .filter(|it| it.erased)
            .map(|it| it.id.to_string())
            .collect();
        erased.sort();
        let mut not_kept: Vec<String> = shelved.not_kept().map(ToString::to_string).collect();
        not_kept.sort();
        ExportLine {
            id: document.to_string(),
            community: self.authors.community.to_string(),
            space: declared.map(|it| it.name.clone()).unwrap_or_default(),
            kind: kind_name(view.as_ref(), shelved),
            author: create.author.to_string(),
            party: self
                .authors
                .authority
                .standing(&create.author)
                .map(|standing| standing.party.to_string()),
            created_ms: create.time_ms,
            heads: shelved
                .derived
                .heads()
                .iter()
                .map(ToString::to_string)
                .collect(),
            fields: view.as_ref().map(fields_json).unwrap_or_default(),
            contributions,
            erased,
            not_kept,
        }
    }

    /// Kind and title alone, for lines of news.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or cannot be read.
    pub fn headline(&self, document: &DocumentId) -> Result<Headline, ViewError> {
        Ok(self.library.glance(document, |shelved| {
            let view = shelved.derived.view().ok();
            Headline {
                kind: kind_name(view.as_ref(), shelved),
                title: view.as_ref().map(title).unwrap_or_default(),
            }
        })?)
    }

    /// The space a document is in.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown.
    pub fn space_of(&self, document: &DocumentId) -> Result<SpaceId, ViewError> {
        Ok(self
            .library
            .glance(document, |shelved| shelved.contributions[0].header.space)?)
    }
}

/// What a contribution does to its document.
fn what(it: &Listed) -> &'static str {
    match (it.header.deps(), it.fields.is_empty()) {
        ([], _) => "create",
        (_, true) => "merge",
        _ => "edit",
    }
}

fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Void(reason) => Some(reason.to_string()),
        Outcome::Newer(newer) => Some(newer.to_string()),
        Outcome::Changed | Outcome::Unchanged => None,
    }
}

fn kind_name(view: Option<&View>, shelved: &Shelved) -> String {
    match (view, shelved.derived.kind()) {
        (Some(view), _) => view.kind.name().to_owned(),
        (None, Ok(kind)) => kind.name().to_owned(),
        (None, Err(_)) => "unknown".to_owned(),
    }
}

fn form(view: &View) -> Option<String> {
    let form = Form::from_code(view.int("form")?)?;
    Some(format!("{form:?}").to_lowercase())
}

fn title(view: &View) -> String {
    let text = view
        .text("title")
        .or_else(|| view.text("name"))
        .or_else(|| view.text("body"));
    let text = text.unwrap_or_default();
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    if line.chars().count() <= EXCERPT_CODE_POINTS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(EXCERPT_CODE_POINTS).collect();
    format!("{cut}…")
}

fn origin(view: &View) -> Option<Origin> {
    let Some(Viewed::Map(entries)) = view.value("origin") else {
        return None;
    };
    let text = |key: &str| match &entries.get(key)?.first()?.value {
        Viewed::Text(text) => Some(text.clone()),
        _ => None,
    };
    let time_ms = match entries
        .get("time")
        .and_then(|it| it.first())
        .map(|it| &it.value)
    {
        Some(Viewed::Int(time)) => Some(*time),
        _ => None,
    };
    Some(Origin {
        system: text("system")?,
        id: text("id")?,
        author: text("author").unwrap_or_default(),
        time_ms,
    })
}

/// Origin of a document, for finding what was imported before.
pub fn origin_key(view: &View) -> Option<(String, String)> {
    let origin = origin(view)?;
    let erased = |text: &str| text.chars().all(|it| it == FILLER);
    (!erased(&origin.id)).then_some((origin.system, origin.id))
}
