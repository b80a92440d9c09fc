//! Erasure of words by their author.
//!
//! Spec: `specs/contribution.md` §7 (erasure).

use super::{Body, BodyError};
use crate::{
    codec::{Reader, Writer},
    id::EntryId,
};

/// An author's erasure of the words of own contributions; structure stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The contribution whose words go.
    pub contribution: EntryId,
}

impl Body for Erasure {
    fn write(&self, w: &mut Writer) {
        w.array(1).bytes(self.contribution.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(1)?;
        Ok(Self {
            contribution: EntryId::from_bytes(r.fixed()?),
        })
    }
}
