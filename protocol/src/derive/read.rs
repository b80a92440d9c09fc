//! Reading a derived document: views at heads, and who made what.
//!
//! An op id names its actor, the actor is the contribution: attribution needs nothing else.
//!
//! Spec: `specs/derivation.md` §10 (views), §11 (attribution).

use super::apply::parse_reference;
use super::view::{Candidate, View, Viewed};
use crate::document::{Kind, Step};
use crate::id::EntryId;
use automerge::{
    Automerge, ChangeHash, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value, ValueRef,
};
use std::collections::BTreeMap;

/// Conflicted list items of one view for which all values are shown; of further ones, the first.
const CONFLICTED_ITEMS_MAX: usize = 256;

/// Who made what stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// A text: its spans in order, without gaps.
    Text(Vec<Span>),
    /// Any other value: the contribution that put it there.
    Value(EntryId),
}

/// A run of code points that one contribution wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it starts, in code points.
    pub start: usize,
    /// Its length, in code points.
    pub len: usize,
    /// Who wrote it.
    pub by: EntryId,
}

pub(super) fn view(kind: Kind, doc: &Automerge, heads: Option<&[ChangeHash]>) -> View {
    let mut reader = Reader {
        doc,
        heads,
        conflicted_items: CONFLICTED_ITEMS_MAX,
    };
    View {
        kind,
        fields: reader.map(&ROOT),
    }
}

struct Reader<'a> {
    doc: &'a Automerge,
    heads: Option<&'a [ChangeHash]>,
    conflicted_items: usize,
}

impl Reader<'_> {
    fn map(&mut self, object: &ObjId) -> BTreeMap<String, Vec<Candidate>> {
        let keys: Vec<String> = match self.heads {
            None => self.doc.keys(object).collect(),
            Some(heads) => self.doc.keys_at(object, heads).collect(),
        };
        keys.into_iter()
            .map(|key| {
                let values = self.all(object, Prop::from(key.as_str()));
                (key, values)
            })
            .collect()
    }

    fn list(&mut self, object: &ObjId) -> Vec<Vec<Candidate>> {
        let doc = self.doc;
        let range = match self.heads {
            None => doc.list_range(object, ..),
            Some(heads) => doc.list_range_at(object, .., heads),
        };
        range
            .map(|item| {
                if item.conflict && self.conflicted_items > 0 {
                    self.conflicted_items -= 1;
                    return self.all(object, Prop::from(item.index));
                }
                let id = item.id();
                let value = match item.value {
                    ValueRef::Object(kind) => self.object(kind, &id),
                    ValueRef::Scalar(value) => scalar(&ScalarValue::from(value)),
                };
                candidate(&id, value).into_iter().collect()
            })
            .collect()
    }

    /// All values at a place, the winner (of the greatest op id) first.
    fn all(&mut self, object: &ObjId, at: Prop) -> Vec<Candidate> {
        let doc = self.doc;
        let found = match self.heads {
            None => doc.get_all(object, at),
            Some(heads) => doc.get_all_at(object, at, heads),
        };
        found
            .unwrap_or_default()
            .into_iter()
            .rev()
            .filter_map(|(value, id)| {
                let value = match value {
                    Value::Object(kind) => self.object(kind, &id),
                    Value::Scalar(value) => scalar(&value),
                };
                candidate(&id, value)
            })
            .collect()
    }

    fn object(&mut self, kind: ObjType, id: &ObjId) -> Viewed {
        match kind {
            ObjType::Map | ObjType::Table => Viewed::Map(self.map(id)),
            ObjType::List => Viewed::List(self.list(id)),
            ObjType::Text => {
                let text = match self.heads {
                    None => self.doc.text(id),
                    Some(heads) => self.doc.text_at(id, heads),
                };
                Viewed::Text(text.unwrap_or_default())
            }
        }
    }
}

fn candidate(id: &ObjId, value: Viewed) -> Option<Candidate> {
    contribution(id).map(|by| Candidate { by, value })
}

fn scalar(value: &ScalarValue) -> Viewed {
    match value {
        ScalarValue::Boolean(truth) => Viewed::Bool(*truth),
        ScalarValue::Int(number) => Viewed::Int(*number),
        ScalarValue::Str(text) => parse_reference(text).map_or(Viewed::Null, Viewed::Reference),
        _ => Viewed::Null,
    }
}

/// The contribution whose change holds an operation.
fn contribution(id: &ObjId) -> Option<EntryId> {
    match id {
        ObjId::Root => None,
        ObjId::Id(_, actor, _) => actor.to_bytes().try_into().ok().map(EntryId::from_bytes),
    }
}

pub(super) fn blame(doc: &Automerge, path: &[Step]) -> Option<Blame> {
    let mut object = ROOT;
    let mut place = None;
    for step in path {
        let at = match step {
            Step::Key(key) => Prop::from(key.as_str()),
            Step::Index(index) => Prop::from(*index as usize),
        };
        let (value, id) = doc.get(&object, at).ok()??;
        object = id;
        place = Some(value.into_owned());
    }
    match place? {
        Value::Object(ObjType::Text) => Some(Blame::Text(spans(doc, &object))),
        _ => contribution(&object).map(Blame::Value),
    }
}

fn spans(doc: &Automerge, text: &ObjId) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (start, item) in doc.list_range(text, ..).enumerate() {
        let Some(by) = contribution(&item.id()) else {
            continue;
        };
        match spans.last_mut() {
            Some(last) if last.by == by => last.len += 1,
            _ => spans.push(Span { start, len: 1, by }),
        }
    }
    spans
}
