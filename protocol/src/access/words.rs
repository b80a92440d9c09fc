//! Words of contributions, asked for by id: what a node lacks that keeps a space only in part, or that
//! got contributions from such a node.
//!
//! What is not here, what was erased and what the asker may not read is answered alike.
//!
//! Spec: `specs/partial.md` §4.

use super::{AccessError, within};
use crate::{
    codec::{CodecError, ItemType, Reader, Writer},
    id::{EntryId, SpaceId},
    limits::PAYLOAD_MAX_BYTES,
};

/// Most contributions in one request.
pub const WORDS_ASKED_MAX: usize = 256;
/// Largest request, in bytes.
pub const WORDS_REQUEST_MAX_BYTES: usize = 16 * 1024;
/// Largest answer, in bytes: what fits is answered, the rest is to be asked for again.
pub const WORDS_ANSWER_MAX_BYTES: usize = 1024 * 1024;

/// What is asked about contributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordsAsked {
    /// Their words.
    Give,
    /// Whether their words are there to stay.
    Keep,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsRequest {
    /// The space in which all of them stand.
    pub space: SpaceId,
    /// What is asked.
    pub asked: WordsAsked,
    /// The contributions, strictly ascending; at most [`WORDS_ASKED_MAX`].
    pub ids: Vec<EntryId>,
}

impl WordsRequest {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3).bytes(self.space.as_bytes());
        w.bool(self.asked == WordsAsked::Give).array(self.ids.len());
        for id in &self.ids {
            w.bytes(id.as_bytes());
        }
        w.finish()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, WORDS_REQUEST_MAX_BYTES)?;
        r.array_of(3)?;
        let space = SpaceId::from_bytes(r.fixed()?);
        let asked = match r.bool()? {
            true => WordsAsked::Give,
            false => WordsAsked::Keep,
        };
        let mut ids: Vec<EntryId> = Vec::new();
        for _ in 0..r.array(WORDS_ASKED_MAX)? {
            let id = EntryId::from_bytes(r.fixed()?);
            if ids.last().is_some_and(|last| *last >= id) {
                return Err(AccessError::Order);
            }
            ids.push(id);
        }
        r.end()?;
        Ok(Self { space, asked, ids })
    }
}

/// What is answered about one contribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordsGiven {
    /// Nothing: they are not there, are erased, or are not for the asker.
    Nothing,
    /// They are there to stay.
    Kept,
    /// The words, to be compared with their digest.
    Words(Vec<u8>),
}

/// An answer: one item for each of the first contributions asked about, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordsAnswer(pub Vec<WordsGiven>);

impl WordsAnswer {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(self.0.len());
        for item in &self.0 {
            match item {
                WordsGiven::Nothing => w.null(),
                WordsGiven::Kept => w.bool(true),
                WordsGiven::Words(words) => w.bytes(words),
            };
        }
        w.finish()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, WORDS_ANSWER_MAX_BYTES)?;
        let items = (0..r.array(WORDS_ASKED_MAX)?).map(|_| read_item(&mut r));
        let items = items.collect::<Result<_, AccessError>>()?;
        r.end()?;
        Ok(Self(items))
    }
}

fn read_item(r: &mut Reader<'_>) -> Result<WordsGiven, AccessError> {
    Ok(match r.peek()? {
        ItemType::Null => r.null().map(|()| WordsGiven::Nothing)?,
        // False would be a second way to say nothing.
        ItemType::Bool if r.bool()? => WordsGiven::Kept,
        ItemType::Bool => return Err(CodecError::OutOfRange.into()),
        _ => WordsGiven::Words(r.bytes(PAYLOAD_MAX_BYTES)?.to_vec()),
    })
}
