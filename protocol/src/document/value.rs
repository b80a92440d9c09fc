//! Values of documents: one type, generic over what stands at a text leaf.
//!
//! In a shape a leaf is its two lengths ([`Leaf`]); in a draft it is the text itself. Sharing the
//! type keeps the two from ever differing in structure.
//!
//! Spec: `specs/derivation.md` §2 (values).

use crate::id::{DocumentId, EntryId};
use std::collections::BTreeMap;

/// The lengths of a text that stands in the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Length in Unicode code points.
    pub code_points: u32,
    /// Length in UTF-8 bytes.
    pub bytes: u32,
}

impl Leaf {
    /// The lengths of `text`, or nothing if they do not fit 32 bits.
    pub fn of(text: &str) -> Option<Self> {
        Some(Self {
            code_points: u32::try_from(text.chars().count()).ok()?,
            bytes: u32::try_from(text.len()).ok()?,
        })
    }

    /// Whether any UTF-8 text has these lengths: a code point takes one to four bytes.
    pub const fn is_possible(self) -> bool {
        self.code_points <= self.bytes && self.bytes as u64 <= 4 * self.code_points as u64
    }
}

/// A reference to a document, optionally to one exact version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The document that is meant.
    pub document: DocumentId,
    /// Heads of the version that is meant, strictly ascending, at most
    /// [`crate::limits::DEPS_MAX`]; empty for the document as such.
    pub heads: Vec<EntryId>,
}

impl From<DocumentId> for Reference {
    fn from(document: DocumentId) -> Self {
        Self {
            document,
            heads: Vec::new(),
        }
    }
}

/// A value of a document, with `T` at its text leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<T> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed 64-bit integer.
    Int(i64),
    /// A text.
    Text(T),
    /// A reference to a document.
    Reference(Reference),
    /// Values by key.
    Map(BTreeMap<Key, Value<T>>),
    /// Values in order.
    List(Vec<Value<T>>),
}

/// Key of a map; ordered as canonical CBOR orders it: shorter first, then bytewise.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        crate::codec::key_order(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Value<T> {
    /// The same value with every leaf mapped by `map`, leaves visited in shape order.
    pub(crate) fn try_map<U, E>(
        &self,
        map: &mut impl FnMut(&T) -> Result<U, E>,
    ) -> Result<Value<U>, E> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Text(leaf) => Value::Text(map(leaf)?),
            Self::Reference(reference) => Value::Reference(reference.clone()),
            Self::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.try_map(map)?)))
                    .collect::<Result<_, E>>()?,
            ),
            Self::List(items) => Value::List(
                items
                    .iter()
                    .map(|item| item.try_map(map))
                    .collect::<Result<_, E>>()?,
            ),
        })
    }

    /// How many operations it takes to put this value: one for itself and each value inside it.
    /// The code points of its texts count as words, not as operations.
    pub fn derived_ops(&self) -> u64 {
        1 + match self {
            Self::Map(entries) => entries.values().map(Self::derived_ops).sum(),
            Self::List(items) => items.iter().map(Self::derived_ops).sum(),
            _ => 0,
        }
    }

    /// Whether a text stands anywhere in it. Such a value never equals another: each text is new.
    pub fn has_text(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Map(entries) => entries.values().any(Self::has_text),
            Self::List(items) => items.iter().any(Self::has_text),
            _ => false,
        }
    }
}

impl From<&str> for Value<String> {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value<String> {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T> From<i64> for Value<T> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<T> From<bool> for Value<T> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<T> From<Reference> for Value<T> {
    fn from(reference: Reference) -> Self {
        Self::Reference(reference)
    }
}

/// A map value of the given entries.
pub fn map<T, const N: usize>(entries: [(&str, Value<T>); N]) -> Value<T> {
    Value::Map(
        entries
            .into_iter()
            .map(|(key, value)| (Key::from(key), value))
            .collect(),
    )
}
