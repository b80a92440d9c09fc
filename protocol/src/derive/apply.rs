//! From a plan to an Automerge change.
//!
//! Spec: `specs/derivation.md` §9 (changes).

use super::Input;
use super::plan::{Place, Plan, PlannedStep};
use crate::document::{Intent, Operation, Reference, Shape, Value};
use crate::id::EntryId;
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{
    ActorId, Automerge, AutomergeError, ChangeHash, ObjId, ObjType, Prop, ROOT, ScalarValue,
    TextEncoding,
};

/// An empty document; the encoding decides what positions count, so it is never left to a default.
pub(super) fn empty() -> Automerge {
    Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint)
}

/// The text that stands for a reference: the id, then `@` and the heads if there are any. Texts of
/// people are text objects, never plain strings, so the two cannot be confused.
pub(super) fn reference_text(reference: &Reference) -> String {
    let heads: Vec<String> = reference.heads.iter().map(EntryId::to_string).collect();
    match heads.as_slice() {
        [] => reference.document.to_string(),
        heads => format!("{}@{}", reference.document, heads.join(",")),
    }
}

/// The reference that a text stands for.
pub(super) fn parse_reference(text: &str) -> Option<Reference> {
    let (document, heads) = match text.split_once('@') {
        Some((document, heads)) => (document, heads.split(',').collect()),
        None => (text, Vec::new()),
    };
    Some(Reference {
        document: document.parse().ok()?,
        heads: heads
            .into_iter()
            .map(|head| head.parse().ok())
            .collect::<Option<_>>()?,
    })
}

/// A new document with the change of a `create`.
///
/// # Errors
/// If Automerge refuses, which no checked shape brings about.
pub(super) fn create(input: &Input) -> Result<(Automerge, ChangeHash), AutomergeError> {
    let mut doc = empty();
    let hash = transact(&mut doc, input, |tx| {
        let Ok(shape) = &input.shape else {
            return Ok(());
        };
        if let Intent::Create { fields, .. } = shape.with_words(&input.words) {
            let mut made = Made::default();
            for (key, value) in &fields {
                made.put(tx, &ROOT, Prop::from(key.as_str()), value, false)?;
            }
        }
        Ok(())
    })?;
    Ok((doc, hash))
}

/// Makes the change of an edit, as the new head of `doc`.
///
/// # Errors
/// If Automerge refuses; the document is then rolled back.
pub(super) fn edit(
    doc: &mut Automerge,
    input: &Input,
    shape: &Shape,
    plan: &Plan,
) -> Result<ChangeHash, AutomergeError> {
    let Intent::Edit { operations } = shape.with_words(&input.words) else {
        return Err(AutomergeError::Fail);
    };
    transact(doc, input, |tx| {
        let mut made = Made {
            objects: plan.objects.clone(),
            next: 0,
        };
        plan.steps
            .iter()
            .try_for_each(|step| made.step(tx, step, &operations[step.operation]))
    })
}

fn transact(
    doc: &mut Automerge,
    input: &Input,
    fill: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
) -> Result<ChangeHash, AutomergeError> {
    // One actor per contribution: op ids are unique however its author equivocates (I2).
    doc.set_actor(ActorId::from(input.id.as_bytes().as_slice()));
    let mut tx = doc.transaction();
    if let Err(error) = fill(&mut tx) {
        tx.rollback();
        return Err(error);
    }
    let seconds = i64::try_from(input.time_ms / 1000).unwrap_or(i64::MAX);
    let (hash, _) = tx.commit_with(CommitOptions::default().with_time(seconds));
    hash.ok_or(AutomergeError::Fail)
}

/// Objects by their number in the plan; those made so far in this change included.
#[derive(Default)]
struct Made {
    objects: Vec<Option<ObjId>>,
    next: usize,
}

impl Made {
    fn step(
        &mut self,
        tx: &mut Transaction<'_>,
        step: &PlannedStep,
        operation: &Operation<String>,
    ) -> Result<(), AutomergeError> {
        let object = self
            .objects
            .get(step.object)
            .cloned()
            .flatten()
            .ok_or(AutomergeError::Fail)?;
        self.next = step.first_new;
        let prop = match &step.place {
            Place::Key(key) => Prop::from(key.as_str()),
            Place::Index(index) => Prop::from(*index),
            Place::Whole => Prop::from(0),
        };
        match operation {
            Operation::Put { value, .. } => self.put(tx, &object, prop, value, false),
            Operation::Insert { value, .. } => self.put(tx, &object, prop, value, true),
            Operation::Delete { .. } => tx.delete(&object, prop),
            Operation::Splice {
                position,
                delete,
                insert,
                ..
            } => {
                let delete = isize::try_from(*delete).map_err(|_| AutomergeError::Fail)?;
                tx.splice_text(&object, *position as usize, delete, insert)
            }
        }
    }

    /// Puts a value at a place, or inserts it in front of a list index.
    fn put(
        &mut self,
        tx: &mut Transaction<'_>,
        object: &ObjId,
        at: Prop,
        value: &Value<String>,
        insert: bool,
    ) -> Result<(), AutomergeError> {
        let (scalar, kind) = match value {
            Value::Null => (ScalarValue::Null, None),
            Value::Bool(truth) => (ScalarValue::Boolean(*truth), None),
            Value::Int(number) => (ScalarValue::Int(*number), None),
            Value::Reference(to) => (ScalarValue::Str(reference_text(to).into()), None),
            Value::Text(_) => (ScalarValue::Null, Some(ObjType::Text)),
            Value::Map(_) => (ScalarValue::Null, Some(ObjType::Map)),
            Value::List(_) => (ScalarValue::Null, Some(ObjType::List)),
        };
        let inner = match (kind, insert, at) {
            (None, true, Prop::Seq(index)) => return tx.insert(object, index, scalar),
            (None, _, at) => return tx.put(object, at, scalar),
            (Some(kind), true, Prop::Seq(index)) => tx.insert_object(object, index, kind)?,
            (Some(kind), _, at) => tx.put_object(object, at, kind)?,
        };
        self.note(inner.clone());
        match value {
            Value::Text(text) if !text.is_empty() => tx.splice_text(&inner, 0, 0, text),
            Value::Map(entries) => entries.iter().try_for_each(|(key, value)| {
                self.put(tx, &inner, Prop::from(key.as_str()), value, false)
            }),
            Value::List(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(index, item)| self.put(tx, &inner, Prop::from(index), item, true)),
            _ => Ok(()),
        }
    }

    fn note(&mut self, id: ObjId) {
        if self.objects.len() <= self.next {
            self.objects.resize(self.next + 1, None);
        }
        self.objects[self.next] = Some(id);
        self.next += 1;
    }
}
