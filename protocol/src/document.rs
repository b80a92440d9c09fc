//! What a contribution says: its shape, its words, and the kinds of documents (I6).
//!
//! A payload has two parts with separate digests. The **shape** holds everything that decides
//! validity and structure: operations, paths, kind, keys, numbers, references and the lengths of
//! texts. The **words** hold the texts. Words can be erased and everything else stays in place.
//!
//! [`Intent`] is the one form of both: `Intent<Leaf>` is a [`Shape`], `Intent<String>` a [`Draft`].
//! Authors build a `Draft` and [`seal`](Intent::seal) it; readers [`Shape::decode`] and
//! [`Words::open`], and get the draft back with [`Shape::with_words`].
//!
//! Spec: `specs/derivation.md` §2 to §4.

mod decode;
mod encode;
pub mod kind;
pub mod operation;
pub mod value;
pub mod words;

pub use decode::{ShapeError, kind_named_in};
pub use kind::{Kind, RuleError};
pub use operation::{Operation, Path, Step};
pub use value::{Key, Leaf, Reference, Value};
pub use words::{DraftError, Sealed, Words};

use crate::id::{ShapeHash, WordsHash, digest, domain};
use std::collections::BTreeMap;

/// The derivation that this software implements; it stands in each `create`.
pub const DERIVATION_VERSION: u64 = 1;

/// What stands in for each code point of an erased text: U+2588, full block.
pub const FILLER: char = '\u{2588}';

/// What a contribution wants, with `T` at text leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent<T> {
    /// Makes a document.
    Create {
        /// The name of its kind; see [`Kind::named`].
        kind: Key,
        /// Its first fields.
        fields: BTreeMap<Key, Value<T>>,
    },
    /// Changes a document. Without operations it only joins heads.
    Edit {
        /// Applied in order, all or none.
        operations: Vec<Operation<T>>,
    },
}

/// An intent as validity and structure read it: lengths in place of texts.
pub type Shape = Intent<Leaf>;

/// An intent as its author writes it: with its texts.
pub type Draft = Intent<String>;

impl<T> Intent<T> {
    /// How many operations this counts as towards the limits (`specs/derivation.md` §5).
    pub fn derived_ops(&self) -> u64 {
        match self {
            Self::Create { fields, .. } => fields.values().map(Value::derived_ops).sum(),
            Self::Edit { operations } => operations.iter().map(Operation::derived_ops).sum(),
        }
    }

    /// The same intent with every leaf mapped, leaves visited in shape order: operations in order,
    /// map entries in canonical key order, list items in order.
    pub(crate) fn try_map<U, E>(
        &self,
        map: &mut impl FnMut(&T) -> Result<U, E>,
    ) -> Result<Intent<U>, E> {
        Ok(match self {
            Self::Create { kind, fields } => Intent::Create {
                kind: kind.clone(),
                fields: fields
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.try_map(map)?)))
                    .collect::<Result<_, E>>()?,
            },
            Self::Edit { operations } => Intent::Edit {
                operations: operations
                    .iter()
                    .map(|operation| operation.try_map(map))
                    .collect::<Result<_, E>>()?,
            },
        })
    }
}

impl Draft {
    /// A draft that makes a document.
    pub fn create<const N: usize>(kind: Kind, fields: [(&str, Value<String>); N]) -> Self {
        Self::Create {
            kind: kind.name().into(),
            fields: fields
                .into_iter()
                .map(|(key, value)| (Key::from(key), value))
                .collect(),
        }
    }

    /// A draft that changes a document.
    pub fn edit(operations: Vec<Operation<String>>) -> Self {
        Self::Edit { operations }
    }
}

/// Digest of the encoded shape, as it stands in the header.
pub fn shape_hash(shape: &[u8]) -> ShapeHash {
    ShapeHash::from_bytes(digest(domain::SHAPE, &[shape]))
}

/// Digest of the words, nonce included, as it stands in the header.
pub fn words_hash(words: &[u8]) -> WordsHash {
    WordsHash::from_bytes(digest(domain::WORDS, &[words]))
}
