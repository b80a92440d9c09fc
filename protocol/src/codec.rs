//! Canonical CBOR: the deterministic subset of RFC 8949 §4.2 that Comity speaks.
//!
//! Allowed are unsigned and negative integers that fit `i64`/`u64`, byte strings, text strings,
//! arrays, maps with text keys, `false`, `true` and `null`. Lengths are definite, every head is in
//! its shortest form, map keys are strictly ascending in their encoded form. Everything else is an
//! error, so one value has exactly one encoding and `decode ∘ encode` is the identity both ways.
//!
//! The reader never allocates on the word of its input: a declared length is compared with the
//! bytes that remain before anything is built from it.
//!
//! Spec: `specs/contribution.md` §2 (encoding).

use thiserror::Error;

/// Why bytes are not canonical CBOR of the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The input ended inside an item.
    #[error("the input ends inside an item")]
    Truncated,
    /// Bytes follow the item that should be the last.
    #[error("{0} bytes follow the end of the item")]
    TrailingBytes(usize),
    /// An integer or length is not in its shortest form.
    #[error("an integer or length is not in its shortest form")]
    NotShortest,
    /// An indefinite length, which has no canonical form.
    #[error("an item has an indefinite length")]
    IndefiniteLength,
    /// Tags, floats, and simple values other than false, true and null.
    #[error("an item is of a type that is not used here (initial byte {0:#04x})")]
    Unsupported(u8),
    /// An item of another type stands where one was expected.
    #[error("expected {expected}, found initial byte {found:#04x}")]
    WrongType {
        /// What the format asks for here.
        expected: &'static str,
        /// The initial byte that was read.
        found: u8,
    },
    /// An array or byte string does not have the length the format fixes.
    #[error("expected length {expected}, found {found}")]
    WrongLength {
        /// The length the format fixes.
        expected: usize,
        /// The length that was read.
        found: u64,
    },
    /// A text string is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// Map keys are not strictly ascending in their encoded form.
    #[error("map keys are not strictly ascending")]
    KeyOrder,
    /// An integer does not fit the range of its field.
    #[error("an integer is outside the range of its field")]
    OutOfRange,
    /// A count or length is above the limit of its field.
    #[error("{found} items or bytes where at most {limit} are allowed")]
    TooLong {
        /// The limit of the field.
        limit: usize,
        /// What was declared.
        found: u64,
    },
    /// Items are nested deeper than [`crate::limits::DEPTH_MAX`].
    #[error("items are nested too deeply")]
    TooDeep,
}

const MAJOR_UINT: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_BYTES: u8 = 2;
const MAJOR_TEXT: u8 = 3;
const MAJOR_ARRAY: u8 = 4;
const MAJOR_MAP: u8 = 5;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Builds canonical CBOR into a growing buffer.
///
/// The caller announces the length of arrays and maps, and writes map entries in [`key_order`].
#[derive(Debug, Default, Clone)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes written so far, consuming the writer.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        match argument {
            0..=23 => self.out.push(major | argument as u8),
            24..=0xff => self.out.extend([major | 24, argument as u8]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend((argument as u16).to_be_bytes());
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend((argument as u32).to_be_bytes());
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend(argument.to_be_bytes());
            }
        }
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.head(MAJOR_UINT, value);
        self
    }

    /// Writes a signed integer.
    pub fn int(&mut self, value: i64) -> &mut Self {
        if value < 0 {
            self.head(MAJOR_NEGATIVE, !value as u64);
        } else {
            self.head(MAJOR_UINT, value as u64);
        }
        self
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.head(MAJOR_BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
        self
    }

    /// Writes a text string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.head(MAJOR_TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
        self
    }

    /// Announces an array of `len` items, which the caller writes next.
    pub fn array(&mut self, len: usize) -> &mut Self {
        self.head(MAJOR_ARRAY, len as u64);
        self
    }

    /// Announces a map of `len` entries, which the caller writes next in canonical key order.
    pub fn map(&mut self, len: usize) -> &mut Self {
        self.head(MAJOR_MAP, len as u64);
        self
    }

    /// Writes `false` or `true`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.out.push(if value { TRUE } else { FALSE });
        self
    }

    /// Writes `null`.
    pub fn null(&mut self) -> &mut Self {
        self.out.push(NULL);
        self
    }

    /// Writes a byte string, or `null` where there is none.
    pub fn optional_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(bytes) => self.bytes(bytes),
            None => self.null(),
        }
    }
}

/// Canonical order of two text keys: shorter encodings first, then bytewise (RFC 8949 §4.2.1).
pub fn key_order(a: &str, b: &str) -> std::cmp::Ordering {
    (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes()))
}

/// What the next item is, without consuming it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemType {
    /// Unsigned integer.
    Uint,
    /// Negative integer.
    Negative,
    /// Byte string.
    Bytes,
    /// Text string.
    Text,
    /// Array.
    Array,
    /// Map.
    Map,
    /// `false` or `true`.
    Bool,
    /// `null`.
    Null,
}

/// Where bytes come from, which says whether the keys inside are still to be checked: that costs
/// more than all other reading together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A peer, a person, a file.
    Anywhere,
    /// The node's own record, for which they were checked before they were stored.
    OwnRecord,
}

/// Reads canonical CBOR and refuses everything else.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    origin: Origin,
}

impl<'a> Reader<'a> {
    /// A reader over `input`, from its first byte.
    pub fn new(input: &'a [u8]) -> Self {
        Self::over(input, Origin::Anywhere)
    }

    /// The same, over bytes of this origin.
    pub(crate) fn over(input: &'a [u8], origin: Origin) -> Self {
        Self {
            rest: input,
            origin,
        }
    }

    /// Where the bytes come from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// How many bytes are still unread.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Ends reading.
    ///
    /// # Errors
    /// [`CodecError::TrailingBytes`] if anything is left.
    pub fn end(self) -> Result<(), CodecError> {
        match self.rest.len() {
            0 => Ok(()),
            n => Err(CodecError::TrailingBytes(n)),
        }
    }

    /// The type of the next item.
    ///
    /// # Errors
    /// If the input ends here or the item is of a type that is not used.
    pub fn peek(&self) -> Result<ItemType, CodecError> {
        let initial = *self.rest.first().ok_or(CodecError::Truncated)?;
        match (initial >> 5, initial) {
            (MAJOR_UINT, _) => Ok(ItemType::Uint),
            (MAJOR_NEGATIVE, _) => Ok(ItemType::Negative),
            (MAJOR_BYTES, _) => Ok(ItemType::Bytes),
            (MAJOR_TEXT, _) => Ok(ItemType::Text),
            (MAJOR_ARRAY, _) => Ok(ItemType::Array),
            (MAJOR_MAP, _) => Ok(ItemType::Map),
            (_, FALSE | TRUE) => Ok(ItemType::Bool),
            (_, NULL) => Ok(ItemType::Null),
            _ => Err(CodecError::Unsupported(initial)),
        }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], CodecError> {
        let len = usize::try_from(len).map_err(|_| CodecError::Truncated)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn head(&mut self, major: u8, expected: &'static str) -> Result<u64, CodecError> {
        let initial = *self.rest.first().ok_or(CodecError::Truncated)?;
        if initial >> 5 != major {
            // A wrong type that is not even used here is reported as such.
            self.peek()?;
            return Err(CodecError::WrongType {
                expected,
                found: initial,
            });
        }
        self.rest = &self.rest[1..];
        let (argument, least) = match initial & 0x1f {
            small @ 0..=23 => (u64::from(small), 0),
            24 => (self.big_endian(1)?, 24),
            25 => (self.big_endian(2)?, 0x100),
            26 => (self.big_endian(4)?, 0x1_0000),
            27 => (self.big_endian(8)?, 0x1_0000_0000),
            31 => return Err(CodecError::IndefiniteLength),
            _ => return Err(CodecError::Unsupported(initial)),
        };
        if argument < least {
            return Err(CodecError::NotShortest);
        }
        Ok(argument)
    }

    fn big_endian(&mut self, len: u64) -> Result<u64, CodecError> {
        Ok(self
            .take(len)?
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Reads an unsigned integer.
    ///
    /// # Errors
    /// If the next item is anything else.
    pub fn uint(&mut self) -> Result<u64, CodecError> {
        self.head(MAJOR_UINT, "an unsigned integer")
    }

    /// Reads an unsigned integer of at most `max`.
    ///
    /// # Errors
    /// [`CodecError::OutOfRange`] above `max`; otherwise as [`Reader::uint`].
    pub fn uint_max(&mut self, max: u64) -> Result<u64, CodecError> {
        match self.uint()? {
            value if value <= max => Ok(value),
            _ => Err(CodecError::OutOfRange),
        }
    }

    /// Reads a signed 64-bit integer.
    ///
    /// # Errors
    /// If the next item is no integer or does not fit.
    pub fn int(&mut self) -> Result<i64, CodecError> {
        if self.peek()? == ItemType::Negative {
            let argument = self.head(MAJOR_NEGATIVE, "an integer")?;
            let magnitude = i64::try_from(argument).map_err(|_| CodecError::OutOfRange)?;
            return Ok(!magnitude);
        }
        let argument = self.head(MAJOR_UINT, "an integer")?;
        i64::try_from(argument).map_err(|_| CodecError::OutOfRange)
    }

    /// Reads a byte string of at most `limit` bytes.
    ///
    /// # Errors
    /// If the next item is no byte string, is longer, or is cut short.
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], CodecError> {
        let len = self.head(MAJOR_BYTES, "a byte string")?;
        self.check_limit(len, limit)?;
        self.take(len)
    }

    /// Reads a byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// If the next item is no byte string of that length.
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let len = self.head(MAJOR_BYTES, "a byte string")?;
        if len != N as u64 {
            return Err(CodecError::WrongLength {
                expected: N,
                found: len,
            });
        }
        let mut out = [0; N];
        out.copy_from_slice(self.take(len)?);
        Ok(out)
    }

    /// Reads a byte string of exactly `N` bytes, or `null`.
    ///
    /// # Errors
    /// If the next item is neither.
    pub fn optional_fixed<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CodecError> {
        if self.peek()? == ItemType::Null {
            self.null()?;
            return Ok(None);
        }
        self.fixed().map(Some)
    }

    /// Reads a text string of at most `limit` bytes.
    ///
    /// # Errors
    /// If the next item is no text, is longer, is cut short, or is not UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<&'a str, CodecError> {
        let len = self.head(MAJOR_TEXT, "a text")?;
        self.check_limit(len, limit)?;
        std::str::from_utf8(self.take(len)?).map_err(|_| CodecError::NotUtf8)
    }

    /// Reads the head of an array of at most `limit` items and returns its length.
    ///
    /// # Errors
    /// If the next item is no array, or declares more items than the limit or the bytes left.
    pub fn array(&mut self, limit: usize) -> Result<usize, CodecError> {
        let len = self.head(MAJOR_ARRAY, "an array")?;
        self.check_limit(len, limit)?;
        self.check_present(len, 1)
    }

    /// Reads the head of an array of exactly `len` items.
    ///
    /// # Errors
    /// If the next item is no array of that length.
    pub fn array_of(&mut self, len: usize) -> Result<(), CodecError> {
        let found = self.head(MAJOR_ARRAY, "an array")?;
        if found != len as u64 {
            return Err(CodecError::WrongLength {
                expected: len,
                found,
            });
        }
        Ok(())
    }

    /// Reads the head of a map of at most `limit` entries and returns its length. The caller reads
    /// keys with [`Reader::key`].
    ///
    /// # Errors
    /// If the next item is no map, or declares more entries than the limit or the bytes left.
    pub fn map(&mut self, limit: usize) -> Result<usize, CodecError> {
        let len = self.head(MAJOR_MAP, "a map")?;
        self.check_limit(len, limit)?;
        self.check_present(len, 2)
    }

    /// Reads a map key of at most `limit` bytes that follows `previous` in canonical order.
    ///
    /// # Errors
    /// [`CodecError::KeyOrder`] if it does not; otherwise as [`Reader::text`].
    pub fn key(&mut self, previous: Option<&str>, limit: usize) -> Result<&'a str, CodecError> {
        let key = self.text(limit)?;
        match previous {
            Some(previous) if key_order(previous, key).is_ge() => Err(CodecError::KeyOrder),
            _ => Ok(key),
        }
    }

    /// Reads `false` or `true`.
    ///
    /// # Errors
    /// If the next item is neither.
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        match self.rest.first() {
            Some(&FALSE) => self.take(1).map(|_| false),
            Some(&TRUE) => self.take(1).map(|_| true),
            Some(&found) => Err(CodecError::WrongType {
                expected: "false or true",
                found,
            }),
            None => Err(CodecError::Truncated),
        }
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// If the next item is anything else.
    pub fn null(&mut self) -> Result<(), CodecError> {
        match self.rest.first() {
            Some(&NULL) => self.take(1).map(|_| ()),
            Some(&found) => Err(CodecError::WrongType {
                expected: "null",
                found,
            }),
            None => Err(CodecError::Truncated),
        }
    }

    fn check_limit(&self, len: u64, limit: usize) -> Result<(), CodecError> {
        if len > limit as u64 {
            return Err(CodecError::TooLong { limit, found: len });
        }
        Ok(())
    }

    fn check_present(&self, len: u64, least_bytes_each: u64) -> Result<usize, CodecError> {
        if len.saturating_mul(least_bytes_each) > self.rest.len() as u64 {
            return Err(CodecError::Truncated);
        }
        usize::try_from(len).map_err(|_| CodecError::Truncated)
    }
}
