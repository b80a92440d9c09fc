//! Views: what a reader sees of a document, concurrent values included.
//!
//! A view is total: any effective `create` gives one, whatever happened to the document since.
//!
//! Spec: `specs/derivation.md` §10 (views).

use super::read::{Blame, Span};
use super::{Input, Newer, VoidReason};
use crate::document::{Draft, Intent, Kind, Reference, Step, Value};
use crate::id::EntryId;
use std::collections::BTreeMap;
use thiserror::Error;

/// A document as it reads at some heads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its kind.
    pub kind: Kind,
    /// Its fields. Each has at least one value, the one shown first; more are concurrent to it.
    pub fields: BTreeMap<String, Vec<Candidate>>,
}

/// One of the values that stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The contribution that put it there.
    pub by: EntryId,
    /// The value.
    pub value: Viewed,
}

/// A value in a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewed {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text; erased parts read as [`crate::document::FILLER`].
    Text(String),
    /// A reference.
    Reference(Reference),
    /// Values by key, each with what is concurrent to it.
    Map(BTreeMap<String, Vec<Candidate>>),
    /// Items in order, each with what is concurrent to it.
    List(Vec<Vec<Candidate>>),
}

/// Why there is no view.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Stub {
    /// The `create` is void, so there is no document.
    #[error("this document cannot be shown: {0}")]
    Void(VoidReason),
    /// The document is of a later version.
    #[error("this document cannot be shown: {0}")]
    Newer(Newer),
    /// A head that is not of this document, or has not arrived.
    #[error("no contribution {0} to this document is here; sync, or check the id")]
    UnknownHead(EntryId),
    /// A head that was taken in but not derived.
    #[error("contribution {0} is here but not derived yet; try again in a moment")]
    NotDerived(EntryId),
    /// A defect: Automerge refused a checked document.
    #[error("the document could not be built; please report this with its id")]
    Refused,
}

impl View {
    /// The value of a field that is shown first.
    pub fn value(&self, field: &str) -> Option<&Viewed> {
        self.fields.get(field)?.first().map(|first| &first.value)
    }

    /// The text of a field; nothing if the document has no such field.
    pub fn text(&self, field: &str) -> Option<&str> {
        match self.value(field)? {
            Viewed::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer in a field.
    pub fn int(&self, field: &str) -> Option<i64> {
        match self.value(field)? {
            Viewed::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The reference in a field.
    pub fn reference(&self, field: &str) -> Option<&Reference> {
        match self.value(field)? {
            Viewed::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    /// The texts of a list of texts, first ones of concurrent items; empty if there is none.
    pub fn texts(&self, field: &str) -> Vec<&str> {
        let Some(Viewed::List(items)) = self.value(field) else {
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| match &item.first()?.value {
                Viewed::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }
}

/// The view of a document that was never edited (I5).
pub(super) fn of_create(kind: Kind, create: &Input) -> View {
    let fields = match draft(create) {
        Some(Draft::Create { fields, .. }) => fields
            .iter()
            .map(|(key, value)| (key.as_str().to_owned(), candidates(create.id, value)))
            .collect(),
        _ => BTreeMap::new(),
    };
    View { kind, fields }
}

fn draft(create: &Input) -> Option<Draft> {
    let shape = create.shape.as_ref().ok()?;
    Some(shape.with_words(&create.words))
}

fn candidates(by: EntryId, value: &Value<String>) -> Vec<Candidate> {
    let value = match value {
        Value::Null => Viewed::Null,
        Value::Bool(truth) => Viewed::Bool(*truth),
        Value::Int(number) => Viewed::Int(*number),
        Value::Text(text) => Viewed::Text(text.clone()),
        Value::Reference(reference) => Viewed::Reference(reference.clone()),
        Value::Map(entries) => Viewed::Map(
            entries
                .iter()
                .map(|(key, value)| (key.as_str().to_owned(), candidates(by, value)))
                .collect(),
        ),
        Value::List(items) => Viewed::List(items.iter().map(|item| candidates(by, item)).collect()),
    };
    vec![Candidate { by, value }]
}

/// Who made what in a document that was never edited: its creator.
pub(super) fn blame_create(create: &Input, path: &[Step]) -> Option<Blame> {
    let Some(Intent::Create { fields, .. }) = draft(create) else {
        return None;
    };
    let root = Value::Map(fields);
    let mut value = &root;
    for step in path {
        value = match (value, step) {
            (Value::Map(entries), Step::Key(key)) => entries.get(key)?,
            (Value::List(items), Step::Index(index)) => items.get(*index as usize)?,
            _ => return None,
        };
    }
    Some(match value {
        Value::Text(text) => Blame::Text(
            Some(text.chars().count())
                .filter(|len| *len > 0)
                .map(|len| Span {
                    start: 0,
                    len,
                    by: create.id,
                })
                .into_iter()
                .collect(),
        ),
        _ => Blame::Value(create.id),
    })
}
