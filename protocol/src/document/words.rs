//! Words: the texts of a contribution, behind a nonce, and how they join a shape.
//!
//! Words whose digest is right but that do not fit their shape are the author's doing. They count
//! as erased, so that every node sees the same and nothing waits for bytes that do not exist.
//!
//! Spec: `specs/derivation.md` §4 (words).

use super::{Draft, FILLER, Intent, Leaf, Shape, ShapeError, shape_hash, words_hash};
use crate::id::{ShapeHash, WordsHash};
use crate::limits::{NONCE_BYTES, PAYLOAD_MAX_BYTES};
use std::convert::Infallible;
use thiserror::Error;

/// A draft cannot become a payload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DraftError {
    /// Nodes would refuse its shape.
    #[error("this cannot be signed: {0}; shorten it or split it into several contributions")]
    Shape(#[from] ShapeError),
    /// It breaks a rule of its kind.
    #[error("this cannot be signed: {0}")]
    Rule(#[from] super::RuleError),
}

/// The two parts of a payload, as they travel beside the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The encoded shape.
    pub shape: Vec<u8>,
    /// The nonce, then the texts in shape order.
    pub words: Vec<u8>,
}

impl Sealed {
    /// Digest of the shape, for the header.
    pub fn shape_hash(&self) -> ShapeHash {
        shape_hash(&self.shape)
    }

    /// Digest of the words, for the header.
    pub fn words_hash(&self) -> WordsHash {
        words_hash(&self.words)
    }
}

impl Draft {
    /// The lengths in place of the texts.
    ///
    /// # Errors
    /// [`ShapeError::TooLarge`] if a text is longer than any payload.
    pub fn shape(&self) -> Result<Shape, ShapeError> {
        self.try_map(&mut |text| match Leaf::of(text) {
            Some(leaf) if text.len() <= PAYLOAD_MAX_BYTES => Ok(leaf),
            _ => Err(ShapeError::TooLarge),
        })
    }

    /// Splits a draft into shape and words. `nonce` must be fresh and unpredictable: it keeps the
    /// digest of short texts from being guessed once they are erased.
    ///
    /// # Errors
    /// [`DraftError`] if nodes would find the shape malformed, or void for what it says no matter
    /// on which document.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES]) -> Result<Sealed, DraftError> {
        let shape = self.shape()?;
        let encoded = shape.encode();
        Shape::decode(&encoded)?;
        if let Intent::Create { kind, fields } = &shape {
            super::Kind::named(kind)?.check_create(fields)?;
        }
        let mut words = nonce.to_vec();
        let Ok(_) = self.try_map(&mut |text: &String| -> Result<(), Infallible> {
            words.extend_from_slice(text.as_bytes());
            Ok(())
        });
        Ok(Sealed {
            shape: encoded,
            words,
        })
    }
}

/// The words of a contribution, matched with its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// The texts, one for each leaf in shape order.
    Present(Vec<String>),
    /// Erased, or never fitted the shape: fillers stand in.
    Erased,
}

impl Words {
    /// Splits words, nonce included, along the leaves of their shape. The caller has checked their
    /// digest. Words that do not fit in length, UTF-8 or code points count as erased.
    pub fn open(shape: &Shape, words: &[u8]) -> Self {
        Self::split(shape, words).map_or(Self::Erased, Self::Present)
    }

    fn split(shape: &Shape, words: &[u8]) -> Option<Vec<String>> {
        let mut rest = words.get(NONCE_BYTES..)?;
        let mut texts = Vec::new();
        for leaf in shape.leaves() {
            let (bytes, after) = rest.split_at_checked(leaf.bytes as usize)?;
            let text = std::str::from_utf8(bytes).ok()?;
            if text.chars().count() != leaf.code_points as usize {
                return None;
            }
            texts.push(text.to_owned());
            rest = after;
        }
        rest.is_empty().then_some(texts)
    }
}

impl Shape {
    /// The leaves in shape order.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        let Ok(_) = self.try_map(&mut |leaf: &Leaf| -> Result<(), Infallible> {
            leaves.push(*leaf);
            Ok(())
        });
        leaves
    }

    /// How many bytes of texts belong to this shape, nonce not counted.
    pub fn words_bytes(&self) -> u64 {
        self.leaves().iter().map(|leaf| u64::from(leaf.bytes)).sum()
    }

    /// The intent with its texts; fillers of equal code-point length stand for erased ones.
    pub fn with_words(&self, words: &Words) -> Draft {
        let mut texts = match words {
            Words::Present(texts) => Some(texts.iter()),
            Words::Erased => None,
        };
        let Ok(draft) = self.try_map(&mut |leaf: &Leaf| -> Result<String, Infallible> {
            let text = texts.as_mut().and_then(Iterator::next);
            Ok(match text {
                // Words opened along another shape must not move positions.
                Some(text) if Leaf::of(text) == Some(*leaf) => text.clone(),
                _ => filler(*leaf),
            })
        });
        draft
    }
}

fn filler(leaf: Leaf) -> String {
    std::iter::repeat_n(FILLER, leaf.code_points as usize).collect()
}
