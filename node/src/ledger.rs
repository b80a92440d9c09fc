//! What takes effect, in memory: the set of every space as a trie, and the authority of every
//! community. Built from the record at start, changed by the single writer only.

use crate::{
    archive::{Archive, ArchiveError},
    store::{Position, StoreError},
};
use comity_protocol::{
    authority::Authority,
    certificate::governance_space,
    entry::{Entry, Verified},
    id::{CommunityId, EntryId, GovernanceDigest, SpaceId},
    sync::{Key, Trie},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tracing::warn;

/// Entries read at once when opening.
const RECORD_PAGE: usize = 256;

/// One community as this node knows it.
pub struct Community {
    authority: Arc<Authority>,
    governance: Vec<Verified<Entry>>,
}

impl Community {
    /// Who may do what, by the records known here.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The entries of the governance space.
    pub(crate) fn governance(&self) -> &[Verified<Entry>] {
        &self.governance
    }
}

/// One space: whose it is, and its set.
pub struct Space {
    /// Its community.
    pub community: CommunityId,
    /// Its set.
    pub trie: Trie,
}

/// All communities and spaces.
#[derive(Default)]
pub struct Ledger {
    communities: BTreeMap<CommunityId, Community>,
    spaces: BTreeMap<SpaceId, Space>,
}

impl Ledger {
    /// Reads the sets of the given communities from the record. `on_page` is told how many entries
    /// were read so far.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn load(
        archive: &Archive,
        communities: &[CommunityId],
        on_page: &mut dyn FnMut(u64),
    ) -> Result<Self, StoreError> {
        let mut sets = read_sets(archive, on_page)?;
        let mut ledger = Self::default();
        for community in communities {
            ledger.track(*community);
            let space = governance_space(*community);
            let trie = build_trie(sets.remove(&space));
            let governance = trie
                .keys()
                .filter_map(|(key, _)| read_own(archive, key.id))
                .collect();
            ledger.put_set(*community, space, trie);
            ledger.set_governance(*community, governance);
            let declared: Vec<SpaceId> = ledger
                .communities
                .get(community)
                .map(|it| it.authority.spaces().keys().copied().collect())
                .unwrap_or_default();
            for space in declared {
                ledger.put_set(*community, space, build_trie(sets.remove(&space)));
            }
        }
        Ok(ledger)
    }

    fn put_set(&mut self, community: CommunityId, space: SpaceId, trie: Trie) {
        self.spaces.insert(space, Space { community, trie });
    }

    /// Starts to take part in a community; does nothing if it does already.
    pub fn track(&mut self, community: CommunityId) {
        self.communities
            .entry(community)
            .or_insert_with(|| Community {
                authority: Arc::new(Authority::unknown(community)),
                governance: Vec::new(),
            });
        self.spaces
            .entry(governance_space(community))
            .or_insert_with(|| Space {
                community,
                trie: Trie::new(),
            });
    }

    fn set_governance(&mut self, id: CommunityId, governance: Vec<Verified<Entry>>) {
        if let Some(community) = self.communities.get_mut(&id) {
            community.governance = governance;
            community.authority = Arc::new(Authority::evaluate(id, &community.governance));
            for space in community.authority.spaces().keys() {
                self.spaces.entry(*space).or_insert_with(|| Space {
                    community: id,
                    trie: Trie::new(),
                });
            }
        }
    }

    /// Takes entries out of their sets that the record has lost, so that sync fetches them again.
    pub(crate) fn forget(&mut self, lost: &[EntryId]) {
        if lost.is_empty() {
            return;
        }
        let lost: BTreeSet<&EntryId> = lost.iter().collect();
        for space in self.spaces.values_mut() {
            let gone: Vec<Key> = space
                .trie
                .keys()
                .map(|(key, _)| key)
                .filter(|key| lost.contains(&key.id))
                .collect();
            for key in gone {
                space.trie.remove(&key);
            }
            space.trie.rehash();
        }
    }

    /// The communities, by id.
    pub fn communities(&self) -> &BTreeMap<CommunityId, Community> {
        &self.communities
    }

    /// The authority of a community this node takes part in.
    pub fn authority(&self, community: &CommunityId) -> Option<Arc<Authority>> {
        self.communities
            .get(community)
            .map(|it| it.authority.clone())
    }

    /// The spaces, by id.
    pub fn spaces(&self) -> &BTreeMap<SpaceId, Space> {
        &self.spaces
    }

    /// The digest of the governance known of a community: the root of its governance set.
    pub fn governance_digest(&self, community: &CommunityId) -> GovernanceDigest {
        let space = self.spaces.get(&governance_space(*community));
        let root = space
            .map(|it| *it.trie.root().as_bytes())
            .unwrap_or_default();
        GovernanceDigest::from_bytes(root)
    }

    /// Takes durable entries into effect. True if the authority of the community changed.
    pub(crate) fn apply(&mut self, applied: &[Applied]) -> bool {
        let mut governed: BTreeMap<CommunityId, Vec<Verified<Entry>>> = BTreeMap::new();
        for it in applied {
            let Some(space) = self.spaces.get_mut(&it.space) else {
                continue;
            };
            if !space.trie.insert(&it.key, it.local) {
                continue;
            }
            if it.space == governance_space(space.community) {
                governed
                    .entry(space.community)
                    .or_default()
                    .push(it.entry.clone());
            }
        }
        let touched: BTreeSet<SpaceId> = applied.iter().map(|it| it.space).collect();
        for space in touched {
            if let Some(space) = self.spaces.get_mut(&space) {
                space.trie.rehash();
            }
        }
        let mut changed = false;
        for (id, mut entries) in governed {
            let Some(community) = self.communities.get_mut(&id) else {
                continue;
            };
            let mut governance = std::mem::take(&mut community.governance);
            governance.append(&mut entries);
            let before = community.authority.clone();
            self.set_governance(id, governance);
            changed |= self
                .communities
                .get(&id)
                .is_some_and(|it| it.authority != before);
        }
        changed
    }
}

/// A durable entry about to take effect.
pub(crate) struct Applied {
    pub(crate) space: SpaceId,
    pub(crate) key: Key,
    pub(crate) local: u64,
    pub(crate) entry: Verified<Entry>,
}

type Sets = BTreeMap<SpaceId, Vec<(Key, u64)>>;

/// The sets of all spaces, from the headers in the record.
fn read_sets(archive: &Archive, on_page: &mut dyn FnMut(u64)) -> Result<Sets, StoreError> {
    let (mut sets, mut read) = (Sets::new(), 0);
    let mut from = Position::START;
    loop {
        let page = archive.store().iterate(from, RECORD_PAGE)?;
        for stored in &page.entries {
            if let Some((space, key)) = crate::archive::place_of(stored) {
                let local = stored.position.to_u64();
                sets.entry(space).or_default().push((key, local));
            }
        }
        read += page.entries.len() as u64;
        on_page(read);
        if page.at_end {
            return Ok(sets);
        }
        from = page.next;
    }
}

/// A set in order is built fastest.
fn build_trie(set: Option<Vec<(Key, u64)>>) -> Trie {
    let mut set = set.unwrap_or_default();
    set.sort_unstable();
    set.into_iter().collect()
}

fn read_own(archive: &Archive, id: EntryId) -> Option<Verified<Entry>> {
    match archive.get(&id) {
        Ok(Some(entry)) => Some(Verified::from_own_record(entry)),
        Ok(None) => None,
        Err(error @ (ArchiveError::Damaged { .. } | ArchiveError::Store(_))) => {
            warn!(%id, %error, "a governance record cannot be read");
            None
        }
    }
}
