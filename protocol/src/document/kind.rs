//! Kinds of documents: data that says which fields there are, and a rule about what they say.
//!
//! Whether an operation fits its kind is decided on the shape alone, without the document: types
//! follow from paths, required fields cannot be deleted, fixed ones not changed. So every state a
//! document can reach has all required fields, each of its type, however contributions merge.
//! Rules about who may write are not here (authorization).
//!
//! Spec: `specs/derivation.md` §6 (kinds).

mod accept;
mod origin;
mod page;
mod profile;
mod reply;
mod topic;

use super::{Intent, Key, Leaf, Operation, Shape, Step, Value};
use std::collections::BTreeMap;
use thiserror::Error;

pub use topic::Form;

/// A kind of document that derivation version 1 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Opens a conversation: discussion, question, idea, announcement or note. Owner-written.
    Topic,
    /// Answers a topic, reply or page. Owner-written.
    Reply,
    /// A text that many write. Co-written.
    Page,
    /// Who somebody is, for one audience. Owner-written.
    Profile,
    /// Says that a reply answers a topic. Owner-written.
    Accept,
}

/// A field of a kind, or of a map inside it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Key of the field.
    pub name: &'static str,
    /// What may stand there.
    pub of: FieldType,
    /// Whether every document has it.
    pub required: bool,
    /// Whether only the `create` may set it.
    pub fixed: bool,
}

impl Field {
    const fn required(name: &'static str, of: FieldType) -> Self {
        Self {
            name,
            of,
            required: true,
            fixed: false,
        }
    }

    const fn optional(name: &'static str, of: FieldType) -> Self {
        Self {
            name,
            of,
            required: false,
            fixed: false,
        }
    }

    const fn fixed(self) -> Self {
        Self {
            fixed: true,
            ..self
        }
    }
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy)]
pub enum FieldType {
    /// A text; when it is put it has at least this many code points (a splice may empty it).
    Text {
        /// Least number of code points.
        least: u32,
    },
    /// An integer in this range, ends included.
    Int {
        /// The lowest allowed.
        min: i64,
        /// The highest allowed.
        max: i64,
    },
    /// True or false.
    Bool,
    /// A reference.
    Reference,
    /// A list; when it is put it has at most `most` items.
    List {
        /// Type of each item.
        of: &'static FieldType,
        /// Most items in a put or create.
        most: usize,
    },
    /// A map with these fields.
    Map(&'static [Field]),
}

impl FieldType {
    const fn name(self) -> &'static str {
        match self {
            Self::Text { .. } => "a text",
            Self::Int { .. } => "an integer",
            Self::Bool => "true or false",
            Self::Reference => "a reference",
            Self::List { .. } => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// The fields of a `create`.
type Fields = BTreeMap<Key, Value<Leaf>>;

/// A kind as data.
struct Definition {
    name: &'static str,
    co_written: bool,
    fields: &'static [Field],
    /// What a `create` must obey beyond the types of its fields.
    rule: fn(&Fields) -> Result<(), RuleError>,
}

/// A shape breaks the rules of its kind; the contribution is void.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// The kind is not one of derivation version 1. In a `create` this is no fault but a newer
    /// document; see [`crate::derive::Outcome::Newer`].
    #[error("kind {0:?} is not known to this version; update this software to read it")]
    UnknownKind(String),
    /// The kind has no such field.
    #[error("there is no field {0}")]
    UnknownField(String),
    /// A required field is missing from a new value.
    #[error("the required field {0} is missing")]
    MissingField(String),
    /// A required field would be deleted.
    #[error("the required field {0} cannot be deleted")]
    RequiredField(String),
    /// A field that only a `create` sets would be changed.
    #[error("the field {0} cannot change once the document exists")]
    FixedField(String),
    /// A value or path of another type than the field has.
    #[error("{at} takes {expected}")]
    WrongType {
        /// The place.
        at: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// An integer outside the range of its field.
    #[error("{value} is not an allowed value of {at}")]
    OutOfRange {
        /// The place.
        at: String,
        /// The value found.
        value: i64,
    },
    /// A text shorter than its field allows.
    #[error("{0} must not be empty")]
    EmptyText(String),
    /// More items than the list may hold.
    #[error("{at} takes at most {most} items")]
    TooManyItems {
        /// The place.
        at: String,
        /// The limit.
        most: usize,
    },
    /// An acceptance whose reply is its topic.
    #[error("a topic cannot be accepted as its own answer")]
    AcceptsItself,
}

impl Kind {
    /// All kinds of derivation version 1.
    pub const ALL: [Self; 5] = [
        Self::Topic,
        Self::Reply,
        Self::Page,
        Self::Profile,
        Self::Accept,
    ];

    fn definition(self) -> &'static Definition {
        match self {
            Self::Topic => &topic::DEFINITION,
            Self::Reply => &reply::DEFINITION,
            Self::Page => &page::DEFINITION,
            Self::Profile => &profile::DEFINITION,
            Self::Accept => &accept::DEFINITION,
        }
    }

    /// The name that stands in the `create`.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The kind of this name.
    ///
    /// # Errors
    /// [`RuleError::UnknownKind`] if derivation version 1 of this software has none.
    pub fn named(name: &Key) -> Result<Self, RuleError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name.as_str())
            .ok_or_else(|| RuleError::UnknownKind(name.as_str().to_owned()))
    }

    /// Whether everybody with the right to write in the space may edit it, or only its owner.
    pub fn is_co_written(self) -> bool {
        self.definition().co_written
    }

    /// The fields, in canonical key order.
    pub fn fields(self) -> &'static [Field] {
        self.definition().fields
    }

    /// Checks a shape for a document of this kind.
    ///
    /// # Errors
    /// [`RuleError`], the first in shape order; the contribution is void.
    pub fn check(self, shape: &Shape) -> Result<(), RuleError> {
        match shape {
            Intent::Create { fields, .. } => self.check_create(fields),
            Intent::Edit { operations } => operations
                .iter()
                .try_for_each(|operation| self.check_operation(operation)),
        }
    }

    pub(super) fn check_create(self, fields: &Fields) -> Result<(), RuleError> {
        check_fields(self.fields(), fields, "")?;
        (self.definition().rule)(fields)
    }

    fn check_operation(self, operation: &Operation<Leaf>) -> Result<(), RuleError> {
        let path = operation.path();
        let at = describe(path);
        let place = self.place(path)?;
        match operation {
            Operation::Put { value, .. } => check_value(place.of, value, &at),
            Operation::Insert { value, .. } => check_value(place.of, value, &at),
            Operation::Delete { .. } if place.required => Err(RuleError::RequiredField(at)),
            Operation::Delete { .. } => Ok(()),
            Operation::Splice { .. } => match place.of {
                FieldType::Text { .. } => Ok(()),
                other => Err(wrong_type(&at, other)),
            },
        }
    }

    fn place(self, path: &[Step]) -> Result<Place, RuleError> {
        let mut place = Place {
            of: FieldType::Map(self.fields()),
            required: true,
        };
        for (depth, step) in path.iter().enumerate() {
            place = match (place.of, step) {
                (FieldType::Map(fields), Step::Key(key)) => {
                    let at = || describe(&path[..=depth]);
                    let field = find(fields, key).ok_or_else(|| RuleError::UnknownField(at()))?;
                    if field.fixed {
                        return Err(RuleError::FixedField(at()));
                    }
                    Place {
                        of: field.of,
                        required: field.required,
                    }
                }
                (FieldType::List { of, .. }, Step::Index(_)) => Place {
                    of: *of,
                    required: false,
                },
                (other, _) => return Err(wrong_type(&describe(&path[..depth]), other)),
            };
        }
        Ok(place)
    }
}

/// What the kind says about the place a path leads to.
struct Place {
    of: FieldType,
    required: bool,
}

fn find(fields: &'static [Field], key: &Key) -> Option<&'static Field> {
    fields.iter().find(|field| field.name == key.as_str())
}

fn check_fields(fields: &'static [Field], values: &Fields, at: &str) -> Result<(), RuleError> {
    for (key, value) in values {
        let at = format!("{at}/{key}");
        let field = find(fields, key).ok_or_else(|| RuleError::UnknownField(at.clone()))?;
        check_value(field.of, value, &at)?;
    }
    let missing = fields
        .iter()
        .find(|field| field.required && !values.contains_key(&Key::from(field.name)));
    missing.map_or(Ok(()), |field| {
        Err(RuleError::MissingField(format!("{at}/{}", field.name)))
    })
}

fn check_value(of: FieldType, value: &Value<Leaf>, at: &str) -> Result<(), RuleError> {
    match (of, value) {
        (FieldType::Text { least }, Value::Text(leaf)) if leaf.code_points < least => {
            Err(RuleError::EmptyText(at.to_owned()))
        }
        (FieldType::Int { min, max }, Value::Int(value)) if !(min..=max).contains(value) => {
            Err(RuleError::OutOfRange {
                at: at.to_owned(),
                value: *value,
            })
        }
        (FieldType::List { most, .. }, Value::List(items)) if items.len() > most => {
            Err(RuleError::TooManyItems {
                at: at.to_owned(),
                most,
            })
        }
        (FieldType::List { of, .. }, Value::List(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| check_value(*of, item, &format!("{at}/{index}"))),
        (FieldType::Map(fields), Value::Map(values)) => check_fields(fields, values, at),
        (FieldType::Text { .. }, Value::Text(_))
        | (FieldType::Int { .. }, Value::Int(_))
        | (FieldType::Bool, Value::Bool(_))
        | (FieldType::Reference, Value::Reference(_)) => Ok(()),
        (expected, _) => Err(wrong_type(at, expected)),
    }
}

fn wrong_type(at: &str, expected: FieldType) -> RuleError {
    RuleError::WrongType {
        at: if at.is_empty() { "/" } else { at }.to_owned(),
        expected: expected.name(),
    }
}

/// A path as people read it: `/tags/0`.
fn describe(path: &[Step]) -> String {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => format!("/{key}"),
            Step::Index(index) => format!("/{index}"),
        })
        .collect()
}

fn no_further_rule(_: &Fields) -> Result<(), RuleError> {
    Ok(())
}

const TEXT: FieldType = FieldType::Text { least: 0 };
const TITLE: FieldType = FieldType::Text { least: 1 };
/// Short labels; 32 is more than any list of them that people still read.
const TAGS: FieldType = FieldType::List {
    of: &TITLE,
    most: 32,
};

#[cfg(test)]
mod tests;
