//! The set of a space as a Merkle trie: equal roots mean equal sets.
//!
//! Compressed and 16-ary, so its form depends on the keys alone, never on the order in which they
//! came. A branch stands where keys under it first differ; a leaf is a whole key. Hashes are
//! domain-separated and commit to position and count, so no two sets share a root unless BLAKE3
//! collides; there is no sum for an author to grind against.
//!
//! Everything lives in three arenas of plain records linked by 32-bit numbers. A leaf does not
//! repeat its author's tag, a branch does not store its prefix (any leaf under it has it), and leaf
//! hashes are recomputed where needed. Hashes of branches are made when asked for: call
//! [`Trie::rehash`] after a batch of changes; without it [`Trie::root`] is right but works anew each
//! time.
//!
//! Each leaf carries the node's local number of its entry (order of arrival, which is causal). It
//! is no part of any hash; it only orders what is sent.
//!
//! Spec: `specs/sync.md` §3 (trie).

mod arena;
mod query;

use super::key::{AuthorTag, KEY_BYTES};
use super::key::{KEY_NIBBLES, Key, Prefix, TAG_NIBBLES, TrieHash, divergence, nibble};
use crate::id::{EntryId, digest, domain};
use arena::{Arena, Link, Node};
pub use query::{AuthorRun, Cells, Keys, Summary};

/// Children of a branch.
pub const FANOUT: usize = 16;

/// One key and its local number. Byte arrays keep the alignment at four.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    author: u32,
    seq: [u8; 8],
    local: [u8; 8],
    id: [u8; 32],
}

#[derive(Debug, Clone)]
struct Branch {
    hash: TrieHash,
    children: [Link; FANOUT],
    count: u32,
    /// The nibble in which the children differ; all before it they share.
    depth: u8,
    /// Whether `hash` is that of the present children.
    clean: bool,
}

impl Branch {
    fn child(&self, nibble: usize) -> Link {
        self.children[nibble]
    }

    fn present(&self) -> impl DoubleEndedIterator<Item = (usize, Link)> + '_ {
        let links = self.children.iter().copied().enumerate();
        links.filter(|(_, link)| link.node().is_some())
    }
}

#[derive(Debug, Clone, Copy)]
struct Author {
    tag: AuthorTag,
    leaves: u32,
}

/// The set of keys of one space. See the [module documentation](self).
#[derive(Debug, Clone, Default)]
pub struct Trie {
    root: Link,
    leaves: Arena<Leaf>,
    branches: Arena<Branch>,
    authors: Arena<Author>,
    last_local: u64,
}

impl Trie {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys it holds.
    pub fn len(&self) -> u64 {
        self.count(self.root)
    }

    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.root.node().is_none()
    }

    /// How many authors have a key in it.
    pub fn author_count(&self) -> usize {
        self.authors.len()
    }

    /// The highest local number that was ever inserted; 0 in a new trie.
    pub fn last_local(&self) -> u64 {
        self.last_local
    }

    /// Bytes of memory held, spare capacity included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.leaves.memory_bytes()
            + self.branches.memory_bytes()
            + self.authors.memory_bytes()
    }

    /// Whether the key is in the set.
    pub fn contains(&self, key: &Key) -> bool {
        self.local(key).is_some()
    }

    /// The local number of a key, if it is in the set.
    pub fn local(&self, key: &Key) -> Option<u64> {
        let bytes = key.to_bytes();
        let leaf = self.nearest(&bytes)?;
        (self.key_bytes(leaf) == bytes).then(|| u64::from_be_bytes(self.leaves.get(leaf).local))
    }

    /// Adds a key with the node's local number of its entry. Returns whether it was missing; a key
    /// that is present keeps its number.
    pub fn insert(&mut self, key: &Key, local: u64) -> bool {
        let bytes = key.to_bytes();
        let Some(near) = self.nearest(&bytes) else {
            let author = self.new_author(key.author);
            self.root = Link::leaf(self.new_leaf(author, key, local));
            return true;
        };
        let near_bytes = self.key_bytes(near);
        let depth = divergence(&bytes, &near_bytes);
        if depth == KEY_NIBBLES {
            return false;
        }
        // The nearest leaf shares the longest prefix of all, so a new author is known by it.
        let author = if depth >= TAG_NIBBLES {
            let author = self.leaves.get(near).author;
            self.authors.get_mut(author).leaves += 1;
            author
        } else {
            self.new_author(key.author)
        };
        let leaf = Link::leaf(self.new_leaf(author, key, local));
        self.attach(&bytes, nibble(&near_bytes, depth), depth, leaf);
        true
    }

    /// Hangs `leaf` where its key first differs (at `depth`) from those under `other`'s side.
    fn attach(&mut self, bytes: &[u8; KEY_BYTES], other: usize, depth: usize, leaf: Link) {
        let mut parent: Option<u32> = None;
        let mut here = self.root;
        while let Some(Node::Branch(index)) = here.node() {
            let branch = self.branches.get_mut(index);
            let at = usize::from(branch.depth);
            if at > depth {
                break;
            }
            branch.count += 1;
            branch.clean = false;
            if at == depth {
                branch.children[nibble(bytes, depth)] = leaf;
                return;
            }
            parent = Some(index);
            here = branch.child(nibble(bytes, at));
        }
        let mut children = [Link::default(); FANOUT];
        children[other] = here;
        children[nibble(bytes, depth)] = leaf;
        let split = Link::branch(self.branches.put(Branch {
            hash: TrieHash::EMPTY,
            children,
            count: self.count(here) as u32 + 1,
            depth: depth as u8,
            clean: false,
        }));
        self.relink(parent, bytes, split);
    }

    /// Makes `link` the child of `parent` on the way to `bytes`, or the root.
    fn relink(&mut self, parent: Option<u32>, bytes: &[u8; KEY_BYTES], link: Link) {
        match parent {
            None => self.root = link,
            Some(index) => {
                let branch = self.branches.get_mut(index);
                branch.children[nibble(bytes, usize::from(branch.depth))] = link;
            }
        }
    }

    /// Takes a key out. Returns whether it was there.
    pub fn remove(&mut self, key: &Key) -> bool {
        let bytes = key.to_bytes();
        let Some(leaf) = self
            .nearest(&bytes)
            .filter(|leaf| self.key_bytes(*leaf) == bytes)
        else {
            return false;
        };
        let mut grandparent = None;
        let mut parent = None;
        let mut here = self.root;
        while let Some(Node::Branch(index)) = here.node() {
            let branch = self.branches.get_mut(index);
            branch.count -= 1;
            branch.clean = false;
            grandparent = parent;
            parent = Some(index);
            here = branch.child(nibble(&bytes, usize::from(branch.depth)));
        }
        self.relink(parent, &bytes, Link::default());
        if let Some(index) = parent {
            let mut left = self.branches.get(index).present();
            if let (Some((_, only)), None) = (left.next(), left.next()) {
                drop(left);
                self.relink(grandparent, &bytes, only);
                self.branches.free(index);
            }
        }
        let author = self.leaves.get(leaf).author;
        self.leaves.free(leaf);
        self.authors.get_mut(author).leaves -= 1;
        if self.authors.get(author).leaves == 0 {
            self.authors.free(author);
        }
        true
    }

    /// The digest of the whole set; [`TrieHash::EMPTY`] if it is empty.
    pub fn root(&self) -> TrieHash {
        self.hash(self.root)
    }

    /// Brings the stored hashes up to date and returns the root. Costs what changed since the last
    /// call, times the depth.
    pub fn rehash(&mut self) -> TrieHash {
        if let Some(Node::Branch(index)) = self.root.node() {
            self.rehash_branch(index);
        }
        self.root()
    }

    fn rehash_branch(&mut self, index: u32) {
        if self.branches.get(index).clean {
            return;
        }
        for child in self.branches.get(index).children {
            if let Some(Node::Branch(child)) = child.node() {
                self.rehash_branch(child);
            }
        }
        let hash = self.branch_hash(self.branches.get(index));
        let branch = self.branches.get_mut(index);
        branch.hash = hash;
        branch.clean = true;
    }

    fn hash(&self, link: Link) -> TrieHash {
        match link.node() {
            None => TrieHash::EMPTY,
            Some(Node::Leaf(index)) => leaf_hash(&self.key_bytes(index)),
            Some(Node::Branch(index)) => {
                let branch = self.branches.get(index);
                if branch.clean {
                    branch.hash
                } else {
                    self.branch_hash(branch)
                }
            }
        }
    }

    fn branch_hash(&self, branch: &Branch) -> TrieHash {
        let children = branch.present().map(|(slot, link)| (slot, self.hash(link)));
        branch_digest(branch.depth, u64::from(branch.count), children)
    }

    fn count(&self, link: Link) -> u64 {
        match link.node() {
            None => 0,
            Some(Node::Leaf(_)) => 1,
            Some(Node::Branch(index)) => u64::from(self.branches.get(index).count),
        }
    }

    /// A leaf that shares as long a prefix with the key as any leaf does.
    fn nearest(&self, bytes: &[u8; KEY_BYTES]) -> Option<u32> {
        let mut here = self.root;
        loop {
            match here.node()? {
                Node::Leaf(index) => return Some(index),
                Node::Branch(index) => {
                    let branch = self.branches.get(index);
                    let wanted = branch.child(nibble(bytes, usize::from(branch.depth)));
                    here = match wanted.node() {
                        Some(_) => wanted,
                        None => branch.present().next().map(|(_, link)| link)?,
                    };
                }
            }
        }
    }

    fn key_bytes(&self, leaf: u32) -> [u8; KEY_BYTES] {
        self.key(leaf).to_bytes()
    }

    fn key(&self, leaf: u32) -> Key {
        let leaf = self.leaves.get(leaf);
        Key {
            author: self.authors.get(leaf.author).tag,
            seq: u64::from_be_bytes(leaf.seq),
            id: EntryId::from_bytes(leaf.id),
        }
    }

    fn new_author(&mut self, tag: AuthorTag) -> u32 {
        self.authors.put(Author { tag, leaves: 1 })
    }

    fn new_leaf(&mut self, author: u32, key: &Key, local: u64) -> u32 {
        self.last_local = self.last_local.max(local);
        self.leaves.put(Leaf {
            author,
            seq: key.seq.to_be_bytes(),
            local: local.to_be_bytes(),
            id: *key.id.as_bytes(),
        })
    }
}

impl FromIterator<(Key, u64)> for Trie {
    /// Builds a trie with up-to-date hashes from keys and their local numbers, in any order; sorted
    /// keys are fastest.
    fn from_iter<I: IntoIterator<Item = (Key, u64)>>(keys: I) -> Self {
        let mut trie = Self::new();
        for (key, local) in keys {
            trie.insert(&key, local);
        }
        trie.rehash();
        trie
    }
}

/// Hash of a set of one key.
fn leaf_hash(key: &[u8; KEY_BYTES]) -> TrieHash {
    TrieHash::from_bytes(digest(domain::TRIE_LEAF, &[key]))
}

/// Hash of a set of two or more keys, from those of the parts that differ first at `depth`.
fn branch_digest(
    depth: u8,
    count: u64,
    children: impl Iterator<Item = (usize, TrieHash)>,
) -> TrieHash {
    let mut slots = 0u16;
    let mut hashes = [0; FANOUT * 32];
    let mut used = 0;
    for (slot, hash) in children {
        slots |= 0x8000 >> slot;
        hashes[used..used + 32].copy_from_slice(hash.as_bytes());
        used += 32;
    }
    TrieHash::from_bytes(digest(
        domain::TRIE_BRANCH,
        &[
            &[depth],
            &count.to_be_bytes(),
            &slots.to_be_bytes(),
            &hashes[..used],
        ],
    ))
}

/// What lies under a prefix, as far as [`Trie`] is concerned; see [`query`].
impl Trie {
    /// The subtree of all keys under a prefix.
    fn locate(&self, prefix: &Prefix) -> Link {
        let mut here = self.root;
        while let Some(Node::Branch(index)) = here.node() {
            let branch = self.branches.get(index);
            let depth = usize::from(branch.depth);
            if depth >= prefix.len() {
                break;
            }
            here = branch.child(prefix.nibble(depth));
        }
        match self.first_leaf(here) {
            Some(leaf) if prefix.covers_bytes(&self.key_bytes(leaf)) => here,
            _ => Link::default(),
        }
    }

    /// The least key of a subtree.
    fn first_leaf(&self, mut here: Link) -> Option<u32> {
        loop {
            match here.node()? {
                Node::Leaf(index) => return Some(index),
                Node::Branch(index) => here = self.branches.get(index).present().next()?.1,
            }
        }
    }
}
