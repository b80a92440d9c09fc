//! What this device signed last in each space.
//!
//! A device's contributions to a space form a chain; two contributions with one sequence number are
//! a fork that everybody sees for good. A node whose store was lost, is older, or has not yet
//! synced does not know the end of the chain, so the device remembers it and refuses to continue
//! from an earlier place.
//!
//! The memory is written **after** a node has acknowledged a contribution as durable: it never
//! names one that nobody may have, and a node that knows more than the memory is believed.

use super::error::IdentityError;
use comity_protocol::{
    id::{EntryId, SpaceId},
    key::PublicKey,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// Newest version of `chains.json` this program reads, and the one it writes.
pub const CHAINS_VERSION: u64 = 1;

/// The last contribution of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainHead {
    /// Its sequence number, from 1.
    pub seq: u64,
    /// Its id.
    pub id: EntryId,
}

/// Whether a chain can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Sign this number after this contribution.
    Next {
        /// The number to sign.
        seq: u64,
        /// The previous contribution; none before the first.
        prev: Option<EntryId>,
    },
    /// The node knows less than was signed here: signing now would fork the chain.
    Behind {
        /// What this device signed last.
        remembered: ChainHead,
        /// What the node knows.
        node: Option<ChainHead>,
    },
    /// The node has another contribution of the same number: the chain is forked already.
    Forked {
        /// What this device signed last.
        remembered: ChainHead,
        /// What the node knows.
        node: ChainHead,
    },
}

/// The last contribution this device signed in each space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainMemory {
    device: PublicKey,
    heads: BTreeMap<SpaceId, ChainHead>,
    restored_ms: Option<u64>,
}

impl ChainMemory {
    /// The memory of a device that has signed nothing.
    pub const fn new(device: PublicKey) -> Self {
        Self {
            device,
            heads: BTreeMap::new(),
            restored_ms: None,
        }
    }

    /// The memory of a device that came back from a backup at `restored_ms`.
    pub(super) const fn restored(
        device: PublicKey,
        heads: BTreeMap<SpaceId, ChainHead>,
        restored_ms: u64,
    ) -> Self {
        Self {
            device,
            heads,
            restored_ms: Some(restored_ms),
        }
    }

    /// Whether and how the chain in `space` goes on, given the last contribution of this device
    /// that the node knows there.
    pub fn expect_next(&self, space: &SpaceId, node_says: Option<ChainHead>) -> Expect {
        let remembered = self.heads.get(space).copied();
        match (remembered, node_says) {
            (Some(remembered), Some(node)) if node.seq == remembered.seq && node != remembered => {
                Expect::Forked { remembered, node }
            }
            (Some(remembered), node) if node.is_none_or(|node| node.seq < remembered.seq) => {
                Expect::Behind { remembered, node }
            }
            (_, head) => Expect::Next {
                seq: head.map_or(1, |head| head.seq + 1),
                prev: head.map(|head| head.id),
            },
        }
    }

    /// Remembers a contribution that a node acknowledged as durable. Going back is ignored.
    pub fn advance(&mut self, space: SpaceId, head: ChainHead) {
        let kept = self.heads.entry(space).or_insert(head);
        if head.seq > kept.seq {
            *kept = head;
        }
    }

    /// What was signed last in `space`.
    pub fn last(&self, space: &SpaceId) -> Option<ChainHead> {
        self.heads.get(space).copied()
    }

    /// Every space with what was signed last there.
    pub fn heads(&self) -> impl Iterator<Item = (&SpaceId, &ChainHead)> {
        self.heads.iter()
    }

    /// When this device came back from a backup, if it has not been in touch with others since
    /// (milliseconds since the Unix epoch). Until then the memory may be older than the chains:
    /// sync before signing.
    pub const fn restored_unconfirmed(&self) -> Option<u64> {
        self.restored_ms
    }

    /// The device has synced since it came back: what others hold of its chains is known here.
    pub const fn confirm(&mut self) {
        self.restored_ms = None;
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let heads = self.heads.iter().map(|(space, head)| {
            let id = head.id.to_string();
            (space.to_string(), Head { seq: head.seq, id })
        });
        let file = File {
            version: CHAINS_VERSION,
            device: self.device.to_string(),
            restored_ms: self.restored_ms,
            spaces: heads.collect(),
        };
        let mut bytes =
            serde_json::to_vec_pretty(&file).expect("texts and numbers always serialize");
        bytes.push(b'\n');
        bytes
    }

    pub(super) fn from_json(
        path: &Path,
        bytes: &[u8],
        device: PublicKey,
    ) -> Result<Self, IdentityError> {
        let damaged = |what: String| IdentityError::damaged(path, what);
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if version > CHAINS_VERSION {
            return Err(IdentityError::TooNew {
                path: path.to_owned(),
                found: version,
                known: CHAINS_VERSION,
            });
        }
        let file: File =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if file.device != device.to_string() {
            return Err(damaged("it belongs to another device".to_owned()));
        }
        let mut heads = BTreeMap::new();
        for (space, head) in file.spaces {
            let space = space.parse().map_err(|error| damaged(format!("{error}")))?;
            let id = head
                .id
                .parse()
                .map_err(|error| damaged(format!("{error}")))?;
            heads.insert(space, ChainHead { seq: head.seq, id });
        }
        Ok(Self {
            device,
            heads,
            restored_ms: file.restored_ms,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u64,
    device: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored_ms: Option<u64>,
    spaces: BTreeMap<String, Head>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    seq: u64,
    id: String,
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::key::SecretKey;

    fn device() -> PublicKey {
        SecretKey::from_seed(&[1; 32]).public()
    }

    fn space(byte: u8) -> SpaceId {
        SpaceId::from_bytes([byte; 32])
    }

    fn head(seq: u64, byte: u8) -> ChainHead {
        ChainHead {
            seq,
            id: EntryId::from_bytes([byte; 32]),
        }
    }

    #[test]
    fn a_chain_starts_at_one_and_goes_on_after_what_the_node_knows() {
        let mut memory = ChainMemory::new(device());
        let first = Expect::Next { seq: 1, prev: None };
        assert_eq!(memory.expect_next(&space(1), None), first);
        memory.advance(space(1), head(3, 3));
        for node in [head(3, 3), head(5, 5)] {
            let next = Expect::Next {
                seq: node.seq + 1,
                prev: Some(node.id),
            };
            assert_eq!(memory.expect_next(&space(1), Some(node)), next);
        }
        assert_eq!(memory.expect_next(&space(2), None), first);
    }

    #[test]
    fn a_lost_or_older_store_is_noticed_before_a_fork_is_made() {
        let mut memory = ChainMemory::new(device());
        memory.advance(space(1), head(3, 3));
        for node in [None, Some(head(2, 2))] {
            let remembered = head(3, 3);
            let behind = Expect::Behind { remembered, node };
            assert_eq!(memory.expect_next(&space(1), node), behind);
        }
    }

    #[test]
    fn a_fork_that_exists_is_told_apart() {
        let mut memory = ChainMemory::new(device());
        memory.advance(space(1), head(3, 3));
        let forked = Expect::Forked {
            remembered: head(3, 3),
            node: head(3, 9),
        };
        assert_eq!(memory.expect_next(&space(1), Some(head(3, 9))), forked);
    }

    #[test]
    fn the_memory_never_goes_back() {
        let mut memory = ChainMemory::new(device());
        memory.advance(space(1), head(3, 3));
        memory.advance(space(1), head(2, 2));
        memory.advance(space(1), head(3, 9));
        assert_eq!(memory.last(&space(1)), Some(head(3, 3)));
    }

    #[test]
    fn the_file_belongs_to_one_device_and_survives_a_round_trip() {
        let mut memory = ChainMemory::restored(device(), BTreeMap::new(), 7);
        memory.advance(space(1), head(3, 3));
        let bytes = memory.to_json();
        let path = Path::new("chains.json");
        assert_eq!(
            ChainMemory::from_json(path, &bytes, device()).unwrap(),
            memory
        );
        let other = SecretKey::from_seed(&[2; 32]).public();
        assert!(ChainMemory::from_json(path, &bytes, other).is_err());
    }
}
