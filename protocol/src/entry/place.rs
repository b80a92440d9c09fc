//! Where an entry stands in the set of its space.

use crate::{
    id::{EntryId, SpaceId},
    key::PublicKey,
    sync::Key,
};

/// Where an entry stands in its space's set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryKey {
    /// Who signed; the first signer of a certificate.
    pub author: PublicKey,
    /// Place in the signer's chain; 0 for certificates, which stand on none.
    pub seq: u64,
    /// The entry's id.
    pub id: EntryId,
    /// Whether it is a bare header: those of an author stand by themselves, apart from the chain.
    pub is_bare: bool,
}

impl EntryKey {
    /// Its key in the set of `space`. Spec: `specs/sync.md` §2.
    pub fn in_set_of(&self, space: &SpaceId) -> Key {
        match self.is_bare {
            true => Key::bare(space, &self.author, self.seq, self.id),
            false => Key::new(space, &self.author, self.seq, self.id),
        }
    }
}
