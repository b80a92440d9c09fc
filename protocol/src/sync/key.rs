//! Where an entry stands in the trie of its space: its key, and prefixes of keys.
//!
//! A key is `author tag (32) ‖ seq (8, big endian) ‖ id (32)`. The tag is a digest over space and
//! author, so authors spread evenly, cannot choose their neighbours cheaply, and stand at unrelated
//! places in different spaces. The entries of one author are neighbours in chain order.
//!
//! Spec: `specs/sync.md` §2 (keys).

use crate::id::{EntryId, SpaceId, digest, domain};
use crate::key::PublicKey;
use std::fmt;

/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 72;
/// Length of a key, in nibbles of four bits.
pub const KEY_NIBBLES: usize = 2 * KEY_BYTES;
/// Where the author tag ends, in nibbles.
pub const TAG_NIBBLES: usize = 64;
/// Where the sequence number ends, in nibbles.
pub const SEQ_NIBBLES: usize = 80;

/// Digest of a set of keys: the root of a trie, or the hash of a subtree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrieHash([u8; 32]);

impl TrieHash {
    /// The root of the empty set.
    pub const EMPTY: Self = Self([0; 32]);

    /// Wraps the bytes of a hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TrieHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TrieHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrieHash({}…)", hex::encode(&self.0[..4]))
    }
}

/// An author's place in the trie of one space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorTag([u8; 32]);

impl AuthorTag {
    /// The tag of `author` in `space`.
    pub fn new(space: &SpaceId, author: &PublicKey) -> Self {
        Self(digest(
            domain::TRIE_AUTHOR,
            &[space.as_bytes(), author.as_bytes()],
        ))
    }

    /// The tag under which the bare headers of `author` stand in `space`, apart from the chain.
    pub fn of_bare(space: &SpaceId, author: &PublicKey) -> Self {
        Self(digest(
            domain::TRIE_BARE,
            &[space.as_bytes(), author.as_bytes()],
        ))
    }

    /// Wraps a tag that was read from the wire or the store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for AuthorTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorTag({}…)", hex::encode(&self.0[..4]))
    }
}

/// The place of one entry in the trie of its space. Ordered like its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Who wrote the entry.
    pub author: AuthorTag,
    /// Its number in the author's chain in this space.
    pub seq: u64,
    /// Its id.
    pub id: EntryId,
}

impl Key {
    /// The key of the entry `id` that `author` numbered `seq` in `space`.
    pub fn new(space: &SpaceId, author: &PublicKey, seq: u64, id: EntryId) -> Self {
        Self {
            author: AuthorTag::new(space, author),
            seq,
            id,
        }
    }

    /// The key of the bare header `id` of what `author` numbered `seq` in `space`.
    pub fn bare(space: &SpaceId, author: &PublicKey, seq: u64, id: EntryId) -> Self {
        Self {
            author: AuthorTag::of_bare(space, author),
            seq,
            id,
        }
    }

    /// The key in the byte form that places it in the trie.
    pub fn to_bytes(&self) -> [u8; KEY_BYTES] {
        let mut bytes = [0; KEY_BYTES];
        bytes[..32].copy_from_slice(&self.author.0);
        bytes[32..40].copy_from_slice(&self.seq.to_be_bytes());
        bytes[40..].copy_from_slice(self.id.as_bytes());
        bytes
    }
}

/// The nibble at `index` of a key in its byte form.
pub(crate) fn nibble(bytes: &[u8; KEY_BYTES], index: usize) -> usize {
    usize::from((bytes[index / 2] >> (4 * (1 - index % 2))) & 0xf)
}

/// The first nibble in which two keys differ, or [`KEY_NIBBLES`] if they are equal.
pub(crate) fn divergence(a: &[u8; KEY_BYTES], b: &[u8; KEY_BYTES]) -> usize {
    match a.iter().zip(b).position(|(a, b)| a != b) {
        None => KEY_NIBBLES,
        Some(byte) => 2 * byte + usize::from((a[byte] ^ b[byte]) & 0xf0 == 0),
    }
}

/// The first nibbles of a key; what lies under one is a set of neighbours.
///
/// Ordered by its bytes, then its length, so a prefix stands before what it covers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// All nibbles from `len` on are zero.
    bytes: [u8; KEY_BYTES],
    len: u8,
}

impl Prefix {
    /// The prefix of every key.
    pub const ALL: Self = Self {
        bytes: [0; KEY_BYTES],
        len: 0,
    };

    /// The first `len` nibbles of a key in its byte form; at most [`KEY_NIBBLES`].
    pub(crate) fn of_bytes(key: &[u8; KEY_BYTES], len: usize) -> Self {
        let len = len.min(KEY_NIBBLES);
        let mut bytes = [0; KEY_BYTES];
        bytes[..len / 2].copy_from_slice(&key[..len / 2]);
        if len % 2 == 1 {
            bytes[len / 2] = key[len / 2] & 0xf0;
        }
        Self {
            bytes,
            len: len as u8,
        }
    }

    /// The prefix that covers all entries of one author.
    pub fn of_author(author: &AuthorTag) -> Self {
        let mut bytes = [0; KEY_BYTES];
        bytes[..32].copy_from_slice(&author.0);
        Self {
            bytes,
            len: TAG_NIBBLES as u8,
        }
    }

    /// The prefix that covers one key alone.
    pub fn of_key(key: &Key) -> Self {
        Self::of_bytes(&key.to_bytes(), KEY_NIBBLES)
    }

    /// Rebuilds a prefix from its packed form: `len` nibbles in as few bytes as hold them, the last
    /// one padded with zero bits. `None` if that is not what `packed` is.
    pub fn unpack(len: usize, packed: &[u8]) -> Option<Self> {
        if len > KEY_NIBBLES || packed.len() != len.div_ceil(2) {
            return None;
        }
        if len % 2 == 1 && packed[len / 2] & 0xf != 0 {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        bytes[..packed.len()].copy_from_slice(packed);
        Some(Self {
            bytes,
            len: len as u8,
        })
    }

    /// The packed form that [`Prefix::unpack`] reads.
    pub fn packed(&self) -> &[u8] {
        &self.bytes[..self.len().div_ceil(2)]
    }

    /// How many nibbles it has, from 0 to [`KEY_NIBBLES`].
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether this is [`Prefix::ALL`].
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The nibbles, followed by zeros, in the byte form of a key: the least key covered.
    pub(crate) const fn first_key(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    pub(crate) fn nibble(&self, index: usize) -> usize {
        nibble(&self.bytes, index)
    }

    /// The first `len` nibbles of this prefix.
    pub(crate) fn shortened(&self, len: usize) -> Self {
        Self::of_bytes(&self.bytes, len.min(self.len()))
    }

    /// This prefix and the `levels` nibbles of `slot` after it.
    pub(crate) fn extended(&self, levels: usize, slot: usize) -> Self {
        let mut longer = *self;
        for level in (0..levels).rev() {
            let nibble = (slot >> (4 * level) & 0xf) as u8;
            let at = longer.len();
            longer.bytes[at / 2] |= nibble << (4 * (1 - at % 2));
            longer.len += 1;
        }
        longer
    }

    /// Whether it covers the key in byte form.
    pub(crate) fn covers_bytes(&self, key: &[u8; KEY_BYTES]) -> bool {
        divergence(&self.bytes, key) >= self.len()
    }

    /// Whether the key lies under this prefix.
    pub fn covers(&self, key: &Key) -> bool {
        self.covers_bytes(&key.to_bytes())
    }

    /// Whether everything under `other` lies under this prefix.
    pub fn covers_prefix(&self, other: &Self) -> bool {
        self.len <= other.len && self.covers_bytes(&other.bytes)
    }

    /// The author all keys under this prefix belong to, if it is long enough to tell.
    pub fn author(&self) -> Option<AuthorTag> {
        (self.len() >= TAG_NIBBLES).then(|| {
            let mut tag = [0; 32];
            tag.copy_from_slice(&self.bytes[..32]);
            AuthorTag(tag)
        })
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.packed());
        write!(f, "Prefix({})", &digits[..self.len()])
    }
}

/// A set of keys that one peer asks of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// Everything under a prefix.
    Under(Prefix),
    /// What one author numbered from `first` to `last`, both included.
    Span {
        /// The author.
        author: AuthorTag,
        /// The lowest number asked for.
        first: u64,
        /// The highest number asked for; not below `first`.
        last: u64,
    },
}

impl Item {
    /// Whether the key belongs to the set.
    pub fn contains(&self, key: &Key) -> bool {
        match self {
            Self::Under(prefix) => prefix.covers(key),
            Self::Span {
                author,
                first,
                last,
            } => key.author == *author && (*first..=*last).contains(&key.seq),
        }
    }
}
