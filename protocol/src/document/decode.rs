//! Strict decoding of shapes: whatever decodes is within the limits of one contribution.
//!
//! The decoder counts derived operations and words as it reads, so memory is bounded by the limits
//! and not by what the input declares.
//!
//! Spec: `specs/derivation.md` §2 to §3 (encoding), §5 (limits).

use super::encode::{CREATE, DELETE, EDIT, INSERT, LIST, PUT, REFERENCE, SPLICE, TEXT};
use super::{
    DERIVATION_VERSION, Intent, Key, Leaf, Operation, Path, Reference, Shape, Step, Value,
};
use crate::codec::{CodecError, ItemType, Reader};
use crate::id::{DocumentId, EntryId};
use crate::limits::{
    DEPS_MAX, DEPTH_MAX, DERIVED_OPS_PER_CONTRIBUTION_MAX, KEY_MAX_BYTES, NONCE_BYTES,
    PAYLOAD_MAX_BYTES,
};
use std::collections::BTreeMap;
use thiserror::Error;

/// Why bytes are not a shape of derivation version 1. Such a contribution is void, except for
/// [`ShapeError::Newer`], which says that this software is too old to know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// The bytes are not canonical CBOR of the expected form.
    #[error("the shape is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// The document was made for a later derivation.
    #[error("the document uses derivation version {version}; update this software to read it")]
    Newer {
        /// The version that stands in the `create`.
        version: u64,
    },
    /// The version is 0, which never was one.
    #[error("derivation version 0 does not exist")]
    VersionZero,
    /// A code for an intent, operation or value type that does not exist.
    #[error("{code} is not the code of {what}")]
    UnknownCode {
        /// What was being read.
        what: &'static str,
        /// The code found.
        code: u64,
    },
    /// A key or kind has no characters.
    #[error("a key or kind is empty")]
    EmptyKey,
    /// A path has no steps.
    #[error("a path is empty")]
    EmptyPath,
    /// The path of an insert does not end in a list index.
    #[error("the path of an insert does not end in a list index")]
    InsertWithoutIndex,
    /// A splice neither deletes nor inserts.
    #[error("a splice neither deletes nor inserts")]
    EmptySplice,
    /// No UTF-8 text has the lengths of a leaf.
    #[error("no text has {code_points} code points in {bytes} bytes")]
    ImpossibleLeaf {
        /// Declared length in code points.
        code_points: u32,
        /// Declared length in UTF-8 bytes.
        bytes: u32,
    },
    /// Heads of a reference are not strictly ascending.
    #[error("the heads of a reference are not strictly ascending")]
    HeadOrder,
    /// More derived operations than one contribution may cause.
    #[error("more than {DERIVED_OPS_PER_CONTRIBUTION_MAX} derived operations")]
    TooManyOperations,
    /// Shape and words together exceed the payload.
    #[error("shape and words are larger than {PAYLOAD_MAX_BYTES} bytes")]
    TooLarge,
}

impl Shape {
    /// Decodes a shape of derivation version 1.
    ///
    /// # Errors
    /// [`ShapeError`]: the contribution is then void, or of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, ShapeError> {
        if bytes.len() + NONCE_BYTES > PAYLOAD_MAX_BYTES {
            return Err(ShapeError::TooLarge);
        }
        let mut decoder = Decoder {
            r: Reader::new(bytes),
            ops: DERIVED_OPS_PER_CONTRIBUTION_MAX,
            words: (PAYLOAD_MAX_BYTES - NONCE_BYTES - bytes.len()) as u64,
        };
        let shape = decoder.intent()?;
        decoder.r.end()?;
        Ok(shape)
    }
}

/// The kind that the shape of a create names, whatever follows it and in whatever version; empty if
/// none can be read.
pub fn kind_named_in(shape: &[u8]) -> &str {
    let mut r = Reader::new(shape);
    let mut read = || -> Result<&str, CodecError> {
        r.array(PAYLOAD_MAX_BYTES)?;
        if r.uint()? != CREATE {
            return Ok("");
        }
        r.uint()?;
        r.text(KEY_MAX_BYTES)
    };
    read().unwrap_or_default()
}

struct Decoder<'a> {
    r: Reader<'a>,
    /// Derived operations that may still follow.
    ops: u64,
    /// Bytes of words that may still follow.
    words: u64,
}

impl Decoder<'_> {
    fn intent(&mut self) -> Result<Shape, ShapeError> {
        // A later version may be longer, so the version is read before the length is judged.
        let len = self.r.array(PAYLOAD_MAX_BYTES)?;
        match self.r.uint()? {
            CREATE => {
                match self.r.uint()? {
                    0 => return Err(ShapeError::VersionZero),
                    DERIVATION_VERSION => expect_len(len, 4)?,
                    version => return Err(ShapeError::Newer { version }),
                }
                let kind = self.key(None)?;
                let fields = self.map(1)?;
                Ok(Intent::Create { kind, fields })
            }
            EDIT => {
                expect_len(len, 2)?;
                let count = self.r.array(DERIVED_OPS_PER_CONTRIBUTION_MAX as usize)?;
                let mut operations = Vec::with_capacity(count.min(64));
                for _ in 0..count {
                    operations.push(self.operation()?);
                }
                Ok(Intent::Edit { operations })
            }
            code => Err(ShapeError::UnknownCode {
                what: "an intent",
                code,
            }),
        }
    }

    fn operation(&mut self) -> Result<Operation<Leaf>, ShapeError> {
        let len = self.r.array(5)?;
        let code = self.r.uint()?;
        let expected = match code {
            PUT | INSERT => 3,
            DELETE => 2,
            SPLICE => 5,
            code => {
                return Err(ShapeError::UnknownCode {
                    what: "an operation",
                    code,
                });
            }
        };
        expect_len(len, expected)?;
        let path = self.path()?;
        let depth = path.len();
        match code {
            PUT => Ok(Operation::Put {
                path,
                value: self.value(depth)?,
            }),
            DELETE => {
                self.spend_ops(1)?;
                Ok(Operation::Delete { path })
            }
            INSERT => {
                if !matches!(path.last(), Some(Step::Index(_))) {
                    return Err(ShapeError::InsertWithoutIndex);
                }
                let value = self.value(depth)?;
                Ok(Operation::Insert { path, value })
            }
            _ => self.splice(path),
        }
    }

    fn splice(&mut self, path: Path) -> Result<Operation<Leaf>, ShapeError> {
        let position = self.u32()?;
        let delete = self.u32()?;
        self.spend_ops(1 + u64::from(delete))?;
        self.r.array_of(3)?;
        match self.r.uint()? {
            TEXT => {}
            code => {
                return Err(ShapeError::UnknownCode {
                    what: "a text",
                    code,
                });
            }
        }
        let insert = self.leaf()?;
        if delete == 0 && insert.code_points == 0 {
            return Err(ShapeError::EmptySplice);
        }
        Ok(Operation::Splice {
            path,
            position,
            delete,
            insert,
        })
    }

    fn path(&mut self) -> Result<Path, ShapeError> {
        let len = self.r.array(DEPTH_MAX)?;
        if len == 0 {
            return Err(ShapeError::EmptyPath);
        }
        let mut path = Vec::with_capacity(len);
        for _ in 0..len {
            path.push(match self.r.peek()? {
                ItemType::Text => Step::Key(self.key(None)?),
                _ => Step::Index(self.u32()?),
            });
        }
        Ok(path)
    }

    /// Reads a value that stands `depth` steps below the root.
    fn value(&mut self, depth: usize) -> Result<Value<Leaf>, ShapeError> {
        if depth > DEPTH_MAX {
            return Err(CodecError::TooDeep.into());
        }
        self.spend_ops(1)?;
        Ok(match self.r.peek()? {
            ItemType::Null => {
                self.r.null()?;
                Value::Null
            }
            ItemType::Bool => Value::Bool(self.r.bool()?),
            ItemType::Uint | ItemType::Negative => Value::Int(self.r.int()?),
            ItemType::Map => Value::Map(self.map(depth + 1)?),
            _ => self.tagged(depth)?,
        })
    }

    /// Reads what is encoded as an array: a text leaf, a list or a reference.
    fn tagged(&mut self, depth: usize) -> Result<Value<Leaf>, ShapeError> {
        let len = self.r.array(3)?;
        match self.r.uint()? {
            TEXT => {
                expect_len(len, 3)?;
                self.leaf().map(Value::Text)
            }
            LIST => {
                expect_len(len, 2)?;
                let count = self.r.array(DERIVED_OPS_PER_CONTRIBUTION_MAX as usize)?;
                let mut items = Vec::with_capacity(count.min(64));
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::List(items))
            }
            REFERENCE => {
                expect_len(len, 3)?;
                self.reference().map(Value::Reference)
            }
            code => Err(ShapeError::UnknownCode {
                what: "a value",
                code,
            }),
        }
    }

    fn reference(&mut self) -> Result<Reference, ShapeError> {
        let document = DocumentId::from_bytes(self.r.fixed()?);
        let count = self.r.array(DEPS_MAX)?;
        let mut heads = Vec::with_capacity(count);
        for _ in 0..count {
            let head = EntryId::from_bytes(self.r.fixed()?);
            if heads.last().is_some_and(|last| *last >= head) {
                return Err(ShapeError::HeadOrder);
            }
            heads.push(head);
        }
        Ok(Reference { document, heads })
    }

    fn map(&mut self, depth: usize) -> Result<BTreeMap<Key, Value<Leaf>>, ShapeError> {
        let count = self.r.map(DERIVED_OPS_PER_CONTRIBUTION_MAX as usize)?;
        let mut entries = BTreeMap::new();
        let mut previous: Option<Key> = None;
        for _ in 0..count {
            let key = self.key(previous.as_ref())?;
            entries.insert(key.clone(), self.value(depth)?);
            previous = Some(key);
        }
        Ok(entries)
    }

    fn key(&mut self, previous: Option<&Key>) -> Result<Key, ShapeError> {
        match self.r.key(previous.map(Key::as_str), KEY_MAX_BYTES)? {
            "" => Err(ShapeError::EmptyKey),
            key => Ok(key.into()),
        }
    }

    fn leaf(&mut self) -> Result<Leaf, ShapeError> {
        let leaf = Leaf {
            code_points: self.u32()?,
            bytes: self.u32()?,
        };
        if !leaf.is_possible() {
            return Err(ShapeError::ImpossibleLeaf {
                code_points: leaf.code_points,
                bytes: leaf.bytes,
            });
        }
        self.words = self
            .words
            .checked_sub(leaf.bytes.into())
            .ok_or(ShapeError::TooLarge)?;
        Ok(leaf)
    }

    fn u32(&mut self) -> Result<u32, ShapeError> {
        let value = self.r.uint_max(u32::MAX.into())?;
        Ok(u32::try_from(value).map_err(|_| CodecError::OutOfRange)?)
    }

    fn spend_ops(&mut self, ops: u64) -> Result<(), ShapeError> {
        self.ops = self
            .ops
            .checked_sub(ops)
            .ok_or(ShapeError::TooManyOperations)?;
        Ok(())
    }
}

fn expect_len(found: usize, expected: usize) -> Result<(), ShapeError> {
    if found != expected {
        return Err(CodecError::WrongLength {
            expected,
            found: found as u64,
        }
        .into());
    }
    Ok(())
}
