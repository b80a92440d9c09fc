//! Where entries that wait below a cut stand in their chains, those that gave way included.

use comity_protocol::{
    contribution::{ChainLink, Header},
    id::{EntryId, SpaceId},
    key::PublicKey,
};
use std::collections::{BTreeMap, HashMap};

/// Most places kept per chain: some 100 bytes each.
const LINKS_PER_CHAIN_MAX: usize = 262_144;

/// The place of an entry in its author's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The space of the chain.
    pub space: SpaceId,
    /// The device.
    pub author: PublicKey,
    /// Its number and what it follows.
    pub link: ChainLink,
}

impl Link {
    /// The place that a header names.
    pub fn of(header: &Header) -> Self {
        Self {
            space: header.space,
            author: header.author,
            link: header.link,
        }
    }
}

#[derive(Default)]
pub(super) struct Links {
    links: HashMap<EntryId, Link>,
    chains: BTreeMap<(SpaceId, PublicKey), BTreeMap<u64, Vec<EntryId>>>,
    counts: BTreeMap<(SpaceId, PublicKey), usize>,
}

impl Links {
    pub(super) fn get(&self, id: &EntryId) -> Option<Link> {
        self.links.get(id).copied()
    }

    /// Keeps a place; the highest of the chain gives way when there is no room.
    pub(super) fn add(&mut self, id: EntryId, link: Link) {
        if self.links.insert(id, link).is_some() {
            return;
        }
        let chain = (link.space, link.author);
        let ids = self.chains.entry(chain).or_default();
        ids.entry(link.link.seq).or_default().push(id);
        let count = self.counts.entry(chain).or_default();
        *count += 1;
        if *count > LINKS_PER_CHAIN_MAX
            && let Some(highest) = ids
                .last_key_value()
                .and_then(|(_, ids)| ids.last().copied())
        {
            self.remove(&highest);
        }
    }

    pub(super) fn remove(&mut self, id: &EntryId) {
        let Some(link) = self.links.remove(id) else {
            return;
        };
        let chain = (link.space, link.author);
        if let Some(ids) = self.chains.get_mut(&chain)
            && let Some(same) = ids.get_mut(&link.link.seq)
        {
            same.retain(|other| other != id);
            if same.is_empty() {
                ids.remove(&link.link.seq);
            }
        }
        if let Some(count) = self.counts.get_mut(&chain) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&chain);
                self.chains.remove(&chain);
            }
        }
    }
}
