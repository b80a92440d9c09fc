//! Chains that show that something was withheld or doubled, found in the sets of the spaces.
//!
//! Finding them takes a pass over a set, so what was found is kept until the set's root changes.

use super::App;
use crate::{bare::Bares, ledger::Space};
use comity_client::types::IrregularChain;
use comity_protocol::{
    id::{EntryId, SpaceId},
    sync::{AuthorTag, Trie, TrieHash},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Irregular chains kept and told per space.
const IRREGULAR_MAX: usize = 1_000;

/// An irregular chain, by an entry of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Irregular {
    /// An entry of the chain, to tell whose it is.
    pub(super) witness: EntryId,
    /// First missing sequence number.
    pub(super) gap_at: Option<u64>,
    /// First sequence number with two entries, and the two lowest ids.
    pub(super) fork_at: Option<(u64, EntryId, EntryId)>,
}

type Found = Arc<Vec<Irregular>>;

/// What was found, by space and the root it was found under.
#[derive(Default)]
pub(super) struct Chains {
    found: Mutex<HashMap<SpaceId, (TrieHash, Found)>>,
}

impl Chains {
    fn of(&self, space: &SpaceId, trie: &Trie, bare: &Bares) -> Found {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let root = trie.root();
        if let Some((under, known)) = found.get(space)
            && *under == root
        {
            return known.clone();
        }
        let fresh = Arc::new(irregular(trie, |tag| bare.is_tag(space, tag)));
        found.insert(*space, (root, fresh.clone()));
        fresh
    }
}

/// Goes once through a set; keys come by author, then sequence number, then id.
/// Bare headers stand in no chain.
fn irregular(trie: &Trie, is_bare: impl Fn(&AuthorTag) -> bool) -> Vec<Irregular> {
    let mut all = Vec::new();
    let mut chain: Option<(AuthorTag, Irregular)> = None;
    let mut before: (u64, Option<EntryId>) = (0, None);
    // Certificates have no place in a chain and the number 0.
    for (key, _) in trie.keys().filter(|(key, _)| key.seq > 0) {
        if is_bare(&key.author) {
            continue;
        }
        if chain.as_ref().is_none_or(|(tag, _)| *tag != key.author) {
            finish(chain.take(), &mut all);
            let fresh = Irregular {
                witness: key.id,
                gap_at: None,
                fork_at: None,
            };
            chain = Some((key.author, fresh));
            before = (0, None);
        }
        let Some((_, it)) = &mut chain else { continue };
        if key.seq > before.0 + 1 {
            it.gap_at.get_or_insert(before.0 + 1);
        }
        if let (true, Some(other)) = (key.seq == before.0, before.1) {
            it.fork_at.get_or_insert((key.seq, other, key.id));
        }
        before = (key.seq, Some(key.id));
    }
    finish(chain, &mut all);
    all
}

fn finish(chain: Option<(AuthorTag, Irregular)>, all: &mut Vec<Irregular>) {
    if let Some((_, it)) = chain
        && (it.gap_at.is_some() || it.fork_at.is_some())
        && all.len() < IRREGULAR_MAX
    {
        all.push(it);
    }
}

impl App {
    /// How many chains of the spaces that the caller reads have gaps, and forks.
    pub(super) fn count_irregular(&self) -> (usize, usize) {
        let found: Vec<_> = {
            let ledger = self.inner.ingest.ledger();
            let bare = self.inner.archive.bare();
            let spaces = ledger.spaces().iter();
            spaces
                .map(|(id, space)| (*id, self.chains.of(id, &space.trie, &bare)))
                .collect()
        };
        let mut counts = (0, 0);
        for (id, irregular) in found {
            if irregular.is_empty() || !self.shows(&id) {
                continue;
            }
            for it in irregular.iter() {
                counts.0 += usize::from(it.gap_at.is_some());
                counts.1 += usize::from(it.fork_at.is_some());
            }
        }
        counts
    }

    /// All irregular chains with their signers.
    pub(super) fn irregular_chains(&self) -> Vec<IrregularChain> {
        let found: Vec<_> = {
            let ledger = self.inner.ingest.ledger();
            let bare = self.inner.archive.bare();
            let spaces = ledger.spaces().iter();
            let of = |id, space: &Space| self.chains.of(id, &space.trie, &bare);
            spaces
                .map(|(id, space)| (*id, space.community, of(id, space)))
                .collect()
        };
        let mut chains = Vec::new();
        for (space, community, irregular) in found {
            if !self.shows(&space) {
                continue;
            }
            let Some(views) = self.views(community) else {
                continue;
            };
            for it in irregular.iter() {
                // Damaged witnesses are told of by the store.
                let Ok(Some(entry)) = self.inner.archive.get(&it.witness) else {
                    continue;
                };
                let signer = entry.key().author;
                let root = views.authors.authority.root_of(&signer).unwrap_or(signer);
                chains.push(IrregularChain {
                    space: space.to_string(),
                    author: signer.to_string(),
                    name: views.authors.name(&root),
                    gap_at: it.gap_at,
                    fork_at: it
                        .fork_at
                        .map(|(seq, one, other)| (seq, one.to_string(), other.to_string())),
                });
            }
        }
        chains
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::sync::Key;

    fn trie(keys: &[(u8, u64, u8)]) -> Trie {
        let key = |(author, seq, id): &(u8, u64, u8)| Key {
            author: AuthorTag::from_bytes([*author; 32]),
            seq: *seq,
            id: EntryId::from_bytes([*id; 32]),
        };
        keys.iter().map(|it| (key(it), 0)).collect()
    }

    fn id(id: u8) -> EntryId {
        EntryId::from_bytes([id; 32])
    }

    #[test]
    fn an_unbroken_chain_is_regular() {
        let regular = trie(&[(1, 0, 9), (1, 0, 8), (1, 1, 1), (1, 2, 2), (2, 1, 3)]);
        assert_eq!(irregular(&regular, |_| false), Vec::new());
    }

    #[test]
    fn first_gap_and_first_fork_of_each_chain_are_found() {
        let broken = trie(&[
            (1, 1, 1),
            (1, 3, 3),
            (1, 5, 5),
            (2, 1, 10),
            (2, 2, 12),
            (2, 2, 11),
            (2, 2, 13),
            (3, 2, 20),
        ]);
        let expected = vec![
            Irregular {
                witness: id(1),
                gap_at: Some(2),
                fork_at: None,
            },
            Irregular {
                witness: id(10),
                gap_at: None,
                fork_at: Some((2, id(11), id(12))),
            },
            Irregular {
                witness: id(20),
                gap_at: Some(1),
                fork_at: None,
            },
        ];
        assert_eq!(irregular(&broken, |_| false), expected);
        let first = AuthorTag::from_bytes([1; 32]);
        assert_eq!(irregular(&broken, |tag| *tag == first), expected[1..]);
    }
}
