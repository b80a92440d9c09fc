//! Keys and ids with the names that go with them.

use crate::authors::Authors;
use comity_client::types::KeyInfo;
use comity_protocol::{
    id::{PartyId, SpaceId},
    key::PublicKey,
};

/// Digits of an id that stand for a thing without a name.
const SHORT_DIGITS: usize = 8;

/// Finds names.
pub(super) struct Named<'a> {
    pub(super) authors: Authors<'a>,
}

impl Named<'_> {
    pub(super) fn key(&self, key: &PublicKey) -> KeyInfo {
        KeyInfo {
            key: key.to_string(),
            name: self.authors.name(key),
        }
    }

    pub(super) fn keys(&self, keys: &[PublicKey]) -> Vec<KeyInfo> {
        keys.iter().map(|key| self.key(key)).collect()
    }

    /// The name of a key, or the key.
    pub(super) fn person(&self, key: &PublicKey) -> String {
        self.authors.name(key).unwrap_or_else(|| key.to_string())
    }

    pub(super) fn party(&self, party: &PartyId) -> String {
        let chain = self.authors.authority.party_chains().chain(party);
        match chain {
            Some(chain) => chain.current().1.name.clone(),
            None => short(&party.to_string()),
        }
    }

    pub(super) fn space(&self, space: &SpaceId) -> String {
        match self.authors.authority.spaces().get(space) {
            Some(declared) => declared.name.clone(),
            None => short(&space.to_string()),
        }
    }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT_DIGITS).collect()
}
