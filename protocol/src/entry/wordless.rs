//! A contribution as somebody gives it who does not keep its words.
//!
//! Header, signature and shape are whole, so all that is decided about it is decided as ever: who may
//! write, what is in effect, what a document consists of. Only what it says is to be fetched elsewhere,
//! and whether that is right tells the digest in the header. It is the same entry, with the same id and
//! the same place in the set, as the one with words.
//!
//! Spec: `specs/partial.md` §2.

use super::{Contribution, Entry, EntryError, TAG_CONTRIBUTION, Words};
use crate::{
    codec::{CodecError, Reader, Writer},
    key::Signature,
    limits::{HEADER_MAX_BYTES, PAYLOAD_MAX_BYTES},
};

/// The first number of a contribution without words, which has four fields.
pub(super) const TAG: u64 = 5;

impl Contribution {
    pub(super) fn encode_into(&self, writer: &mut Writer) {
        let (tag, fields) = match self.words {
            Words::NotKept => (TAG, 4),
            Words::Present(_) | Words::Erased(_) => (TAG_CONTRIBUTION, 5),
        };
        writer.array(fields).uint(tag).bytes(&self.header_bytes);
        writer.bytes(self.signature.as_bytes()).bytes(&self.shape);
        match &self.words {
            Words::Present(words) => {
                writer.bytes(words);
            }
            Words::Erased(proof) => proof.encode_into(writer),
            Words::NotKept => {}
        }
    }

    pub(super) fn read_wordless(reader: &mut Reader<'_>) -> Result<Self, EntryError> {
        let header_bytes = reader.bytes(HEADER_MAX_BYTES)?.to_vec();
        let signature = Signature::from_bytes(reader.fixed()?);
        let shape = reader.bytes(PAYLOAD_MAX_BYTES)?.to_vec();
        Self::assemble(header_bytes, signature, shape, Words::NotKept)
    }

    /// Whether its words are neither here nor proven to be erased.
    pub fn lacks_words(&self) -> bool {
        self.words == Words::NotKept
    }

    /// The same contribution as somebody gives it who does not keep its words. Erased ones stay so.
    pub fn without_words(mut self) -> Self {
        if matches!(self.words, Words::Present(_)) {
            self.words = Words::NotKept;
        }
        self
    }

    /// The same contribution with the words that it lacked.
    ///
    /// # Errors
    /// [`EntryError::WordsHash`] if these are not the words its header commits to.
    pub fn with_words(self, words: Vec<u8>) -> Result<Self, EntryError> {
        let words = Words::Present(words);
        Self::from_checked(
            self.header,
            self.header_bytes,
            self.signature,
            self.shape,
            words,
        )
    }
}

impl Entry {
    /// Whether these bytes claim to be a contribution without words, read without checking anything
    /// that costs.
    pub fn peek_lacks_words(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        let mut read =
            || -> Result<bool, CodecError> { Ok(reader.array(8)? == 4 && reader.uint()? == TAG) };
        read().unwrap_or(false)
    }
}
