//! What a session sees of the node's sets.

use crate::ledger::Ledger;
use comity_protocol::{
    certificate::{CertificateBody, governance_space},
    entry::Entry,
    id::{CommunityId, SpaceId},
    sync::{Key, Replica, Trie},
};

/// The sets of a ledger. Public for simulations, which run sessions without a network.
pub struct LedgerReplica<'a>(pub &'a Ledger);

impl Replica for LedgerReplica<'_> {
    fn trie(&self, space: &SpaceId) -> Option<&Trie> {
        self.0.spaces().get(space).map(|space| &space.trie)
    }

    fn key_of(&self, space: &SpaceId, entry: &[u8]) -> Option<Key> {
        let (named, key) = Entry::peek(entry)?;
        (named.is_none() || named == Some(*space)).then(|| key.in_set_of(space))
    }

    fn declaration(&self, space: &SpaceId) -> Option<(CommunityId, Key)> {
        let known = self.0.spaces().get(space)?;
        Some((known.community, known.declaration?))
    }

    fn declares(&self, community: &CommunityId, space: &SpaceId, entry: &[u8]) -> bool {
        declares(*community, *space, entry)
    }

    fn takes_part(&self, community: &CommunityId) -> bool {
        self.0.communities().contains_key(community)
    }
}

/// Whether these bytes are the certificate that a space outside of the public governance is declared
/// by. The id of the space follows from that of the certificate, so no other can be.
fn declares(community: CommunityId, space: SpaceId, entry: &[u8]) -> bool {
    let Ok(Entry::Certificate(certificate)) = Entry::decode(entry) else {
        return false;
    };
    matches!(certificate.body(), CertificateBody::SpaceDeclaration(it) if it.community == community)
        && certificate.home(governance_space(community)) == space
}
