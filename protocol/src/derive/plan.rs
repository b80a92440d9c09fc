//! Planning: every check of a contribution's operations, before Automerge is asked for anything.
//!
//! The plan works on an overlay that holds only the objects the operations touch, as they stand at
//! `deps`, and follows each operation's effect on it. A contribution that fails leaves nothing to
//! roll back, and what passes cannot fail in Automerge.
//!
//! Spec: `specs/derivation.md` §8 (operations at `deps`).

use super::apply::reference_text;
use super::{Failure, VoidReason};
use crate::document::{Leaf, Operation, Step, Value};
use crate::limits::LIST_ITEMS_MAX;
use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, ValueRef};
use std::collections::BTreeMap;

/// An object of the overlay.
pub(super) type ObjectIndex = usize;

/// A place inside an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Key(String),
    Index(usize),
    /// The object itself: a splice.
    Whole,
}

/// An operation that changes something, with its path resolved.
#[derive(Debug)]
pub(super) struct PlannedStep {
    /// Which operation of the contribution it is.
    pub(super) operation: usize,
    pub(super) object: ObjectIndex,
    pub(super) place: Place,
    /// Number of the first object the operation makes; further ones follow in shape order.
    pub(super) first_new: ObjectIndex,
}

/// Operations that change something, and the objects they speak of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<PlannedStep>,
    /// Automerge's id of each object that was there before.
    pub(super) objects: Vec<Option<ObjId>>,
}

/// Plans operations on a document that stands at exactly their `deps`.
///
/// # Errors
/// The first operation that does not fit.
pub(super) fn plan(doc: &Automerge, operations: &[Operation<Leaf>]) -> Result<Plan, VoidReason> {
    let mut overlay = Overlay {
        doc,
        objects: vec![Object {
            id: Some(ROOT),
            state: State::Unread(ObjType::Map),
        }],
        first_new: 0,
    };
    let mut steps = Vec::new();
    for (operation, wanted) in operations.iter().enumerate() {
        let planned = overlay
            .follow(operation, wanted)
            .map_err(|failure| VoidReason::Operation { operation, failure })?;
        steps.extend(planned);
    }
    Ok(Plan {
        steps,
        objects: overlay
            .objects
            .into_iter()
            .map(|object| object.id)
            .collect(),
    })
}

struct Overlay<'a> {
    doc: &'a Automerge,
    objects: Vec<Object>,
    /// Number of the first object of the value added last.
    first_new: ObjectIndex,
}

struct Object {
    id: Option<ObjId>,
    state: State,
}

enum State {
    Unread(ObjType),
    Map(BTreeMap<String, Slot>),
    List(Vec<Slot>),
    /// A text, of which only the length in code points matters.
    Text(usize),
}

/// What stands at a place.
#[derive(Clone)]
struct Slot {
    value: SlotValue,
    /// Whether concurrent values stand here; this is the one shown first.
    conflicted: bool,
}

#[derive(Clone, PartialEq)]
enum SlotValue {
    Null,
    Bool(bool),
    Int(i64),
    Reference(String),
    Object(ObjectIndex),
}

impl Overlay<'_> {
    /// Applies one operation to the overlay; nothing to do if it changes nothing.
    fn follow(
        &mut self,
        operation: usize,
        wanted: &Operation<Leaf>,
    ) -> Result<Option<PlannedStep>, Failure> {
        let path = wanted.path();
        if let Operation::Splice {
            position,
            delete,
            insert,
            ..
        } = wanted
        {
            let object = self.object_at(path)?;
            let State::Text(len) = &mut self.read(object).state else {
                return Err(Failure::NotFound);
            };
            let end = *position as usize + *delete as usize;
            if end > *len {
                return Err(Failure::RangeOutOfText);
            }
            *len = *len - *delete as usize + insert.code_points as usize;
            return Ok(Some(PlannedStep {
                operation,
                object,
                place: Place::Whole,
                first_new: 0,
            }));
        }
        let (last, container) = path.split_last().ok_or(Failure::NotFound)?;
        let object = self.object_at(container)?;
        let place = match wanted {
            Operation::Put { value, .. } => self.put(object, last, value)?,
            Operation::Insert { value, .. } => Some(self.insert(object, last, value)?),
            _ => Some(self.delete(object, last)?),
        };
        Ok(place.map(|place| PlannedStep {
            operation,
            object,
            place,
            first_new: self.first_new,
        }))
    }

    fn put(
        &mut self,
        object: ObjectIndex,
        at: &Step,
        value: &Value<Leaf>,
    ) -> Result<Option<Place>, Failure> {
        let old = match (&self.read(object).state, at) {
            (State::Map(entries), Step::Key(key)) => entries.get(key.as_str()).cloned(),
            (State::List(items), Step::Index(index)) => Some(
                items
                    .get(*index as usize)
                    .cloned()
                    .ok_or(Failure::IndexOutOfRange)?,
            ),
            _ => return Err(Failure::NotFound),
        };
        if let Some(old) = old
            && !value.has_text()
            && self.equals(&old, value)
        {
            return Ok(None);
        }
        self.first_new = self.objects.len();
        let slot = self.add(value);
        match (&mut self.objects[object].state, at) {
            (State::Map(entries), Step::Key(key)) => {
                entries.insert(key.as_str().to_owned(), slot);
                Ok(Some(Place::Key(key.as_str().to_owned())))
            }
            (State::List(items), Step::Index(index)) => {
                items[*index as usize] = slot;
                Ok(Some(Place::Index(*index as usize)))
            }
            _ => Err(Failure::NotFound),
        }
    }

    fn insert(
        &mut self,
        object: ObjectIndex,
        at: &Step,
        value: &Value<Leaf>,
    ) -> Result<Place, Failure> {
        let (State::List(items), Step::Index(index)) = (&self.read(object).state, at) else {
            return Err(Failure::NotFound);
        };
        let index = *index as usize;
        if index > items.len() {
            return Err(Failure::IndexOutOfRange);
        }
        if items.len() >= LIST_ITEMS_MAX {
            return Err(Failure::ListFull);
        }
        self.first_new = self.objects.len();
        let slot = self.add(value);
        if let State::List(items) = &mut self.objects[object].state {
            items.insert(index, slot);
        }
        Ok(Place::Index(index))
    }

    fn delete(&mut self, object: ObjectIndex, at: &Step) -> Result<Place, Failure> {
        match (&mut self.read(object).state, at) {
            (State::Map(entries), Step::Key(key)) => entries
                .remove(key.as_str())
                .map(|_| Place::Key(key.as_str().to_owned()))
                .ok_or(Failure::NotFound),
            (State::List(items), Step::Index(index)) if (*index as usize) < items.len() => {
                items.remove(*index as usize);
                Ok(Place::Index(*index as usize))
            }
            (State::List(_), Step::Index(_)) => Err(Failure::IndexOutOfRange),
            _ => Err(Failure::NotFound),
        }
    }

    /// The object a path leads to, through the values shown first.
    fn object_at(&mut self, path: &[Step]) -> Result<ObjectIndex, Failure> {
        let mut object = 0;
        for step in path {
            let slot = match (&self.read(object).state, step) {
                (State::Map(entries), Step::Key(key)) => {
                    entries.get(key.as_str()).ok_or(Failure::NotFound)?
                }
                (State::List(items), Step::Index(index)) => {
                    items.get(*index as usize).ok_or(Failure::IndexOutOfRange)?
                }
                _ => return Err(Failure::NotFound),
            };
            let SlotValue::Object(inner) = slot.value else {
                return Err(Failure::NotFound);
            };
            object = inner;
        }
        Ok(object)
    }

    /// The object, read from the document on first use.
    fn read(&mut self, index: ObjectIndex) -> &mut Object {
        let doc = self.doc;
        if let (State::Unread(kind), Some(id)) =
            (&self.objects[index].state, self.objects[index].id.clone())
        {
            let state = match kind {
                ObjType::Text => State::Text(doc.length(&id)),
                ObjType::List => State::List(
                    doc.list_range(&id, ..)
                        .map(|item| self.slot(&item.value, item.id(), item.conflict))
                        .collect(),
                ),
                ObjType::Map | ObjType::Table => State::Map(
                    doc.map_range(&id, ..)
                        .map(|entry| {
                            let slot = self.slot(&entry.value, entry.id(), entry.conflict);
                            (entry.key.into_owned(), slot)
                        })
                        .collect(),
                ),
            };
            self.objects[index].state = state;
        }
        &mut self.objects[index]
    }

    fn slot(&mut self, value: &ValueRef<'_>, id: ObjId, conflicted: bool) -> Slot {
        let value = match value {
            ValueRef::Object(kind) => {
                self.objects.push(Object {
                    id: Some(id),
                    state: State::Unread(*kind),
                });
                SlotValue::Object(self.objects.len() - 1)
            }
            ValueRef::Scalar(scalar) => match ScalarValue::from(scalar.clone()) {
                ScalarValue::Boolean(truth) => SlotValue::Bool(truth),
                ScalarValue::Int(number) => SlotValue::Int(number),
                ScalarValue::Str(text) => SlotValue::Reference(text.to_string()),
                _ => SlotValue::Null,
            },
        };
        Slot { value, conflicted }
    }

    /// Adds a new value; its objects are numbered in shape order, each before what is in it.
    fn add(&mut self, value: &Value<Leaf>) -> Slot {
        let value = match value {
            Value::Null => SlotValue::Null,
            Value::Bool(truth) => SlotValue::Bool(*truth),
            Value::Int(number) => SlotValue::Int(*number),
            Value::Reference(reference) => SlotValue::Reference(reference_text(reference)),
            Value::Text(leaf) => {
                SlotValue::Object(self.add_object(State::Text(leaf.code_points as usize)))
            }
            Value::Map(entries) => {
                let object = self.add_object(State::Map(BTreeMap::new()));
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.as_str().to_owned(), self.add(value)))
                    .collect();
                self.objects[object].state = State::Map(entries);
                SlotValue::Object(object)
            }
            Value::List(items) => {
                let object = self.add_object(State::List(Vec::new()));
                let items = items.iter().map(|item| self.add(item)).collect();
                self.objects[object].state = State::List(items);
                SlotValue::Object(object)
            }
        };
        Slot {
            value,
            conflicted: false,
        }
    }

    fn add_object(&mut self, state: State) -> ObjectIndex {
        self.objects.push(Object { id: None, state });
        self.objects.len() - 1
    }

    /// Whether exactly this value stands there, and nothing concurrent to it.
    fn equals(&mut self, slot: &Slot, value: &Value<Leaf>) -> bool {
        if slot.conflicted {
            return false;
        }
        match (&slot.value, value) {
            (SlotValue::Null, Value::Null) => true,
            (SlotValue::Bool(old), Value::Bool(new)) => old == new,
            (SlotValue::Int(old), Value::Int(new)) => old == new,
            (SlotValue::Reference(old), Value::Reference(new)) => *old == reference_text(new),
            (SlotValue::Object(object), Value::Map(entries)) => {
                let State::Map(old) = &self.read(*object).state else {
                    return false;
                };
                let old = old.clone();
                old.len() == entries.len()
                    && entries.iter().all(|(key, value)| {
                        old.get(key.as_str())
                            .is_some_and(|slot| self.equals(slot, value))
                    })
            }
            (SlotValue::Object(object), Value::List(items)) => {
                let State::List(old) = &self.read(*object).state else {
                    return false;
                };
                let old = old.clone();
                old.len() == items.len()
                    && old
                        .iter()
                        .zip(items)
                        .all(|(slot, value)| self.equals(slot, value))
            }
            _ => false,
        }
    }
}
