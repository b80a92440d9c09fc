//! Reading a trie: iteration, and the summaries that peers compare.

use super::{Link, Node, Trie, branch_digest};
use crate::id::EntryId;
use crate::sync::key::{
    AuthorTag, Item, KEY_BYTES, KEY_NIBBLES, Key, Prefix, TAG_NIBBLES, TrieHash, nibble,
};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Hash and size of a set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Hash of the set as a trie of its own.
    pub hash: TrieHash,
    /// How many keys it has.
    pub count: u64,
}

/// What a trie holds of one author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorRun {
    /// The author.
    pub author: AuthorTag,
    /// The highest sequence number present.
    pub last: u64,
    /// Hash and size of the author's set.
    pub summary: Summary,
}

/// The parts of a set that differ in the `levels` nibbles after `base`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// What all keys of the set have in common, as far as it was asked for.
    pub base: Prefix,
    /// How many nibbles tell the parts apart.
    pub levels: usize,
    /// The parts, ascending by those nibbles read as a number; none is empty.
    pub cells: Vec<(usize, TrieHash)>,
}

/// Keys of a trie in ascending order, with their local numbers.
#[derive(Debug)]
pub struct Keys<'a> {
    trie: &'a Trie,
    seqs: Option<RangeInclusive<u64>>,
    stack: Vec<Link>,
}

impl Keys<'_> {
    /// Whether a branch may hold sequence numbers of the range.
    fn overlaps(&self, link: Link, depth: usize) -> bool {
        let Some(seqs) = &self.seqs else { return true };
        let Some(leaf) = self.trie.first_leaf(link) else {
            return false;
        };
        let first = self.trie.key(leaf).seq;
        let free_bits = 4 * (TAG_NIBBLES + 16).saturating_sub(depth.max(TAG_NIBBLES)) as u32;
        let mask = 1u64.checked_shl(free_bits).map_or(u64::MAX, |bit| bit - 1);
        (first & !mask) <= *seqs.end() && (first | mask) >= *seqs.start()
    }
}

impl Iterator for Keys<'_> {
    type Item = (Key, u64);

    fn next(&mut self) -> Option<(Key, u64)> {
        while let Some(link) = self.stack.pop() {
            match link.node()? {
                Node::Leaf(index) => {
                    let key = self.trie.key(index);
                    if self
                        .seqs
                        .as_ref()
                        .is_none_or(|seqs| seqs.contains(&key.seq))
                    {
                        let local = u64::from_be_bytes(self.trie.leaves.get(index).local);
                        return Some((key, local));
                    }
                }
                Node::Branch(index) => {
                    let branch = self.trie.branches.get(index);
                    if self.overlaps(link, usize::from(branch.depth)) {
                        self.stack
                            .extend(branch.present().rev().map(|(_, child)| child));
                    }
                }
            }
        }
        None
    }
}

impl Trie {
    /// All keys, ascending.
    pub fn keys(&self) -> Keys<'_> {
        self.keys_under(&Prefix::ALL)
    }

    /// The keys under a prefix, ascending.
    pub fn keys_under(&self, prefix: &Prefix) -> Keys<'_> {
        let here = self.locate(prefix);
        let stack = if here.node().is_some() {
            vec![here]
        } else {
            Vec::new()
        };
        Keys {
            trie: self,
            seqs: None,
            stack,
        }
    }

    /// The keys of one author with sequence numbers in a range, ascending.
    pub fn keys_of(&self, author: &AuthorTag, seqs: RangeInclusive<u64>) -> Keys<'_> {
        Keys {
            seqs: Some(seqs),
            ..self.keys_under(&Prefix::of_author(author))
        }
    }

    /// The keys of an item, ascending.
    pub fn keys_in(&self, item: &Item) -> Keys<'_> {
        match item {
            Item::Under(prefix) => self.keys_under(prefix),
            Item::Span {
                author,
                first,
                last,
            } => self.keys_of(author, *first..=*last),
        }
    }

    /// Of all keys of the items, the `max` with the lowest local numbers above `after` and not
    /// above `until`, in that order.
    pub fn first_by_local(
        &self,
        items: &[Item],
        after: Option<u64>,
        until: u64,
        max: usize,
    ) -> Vec<(u64, EntryId)> {
        let mut found: BTreeSet<(u64, EntryId)> = BTreeSet::new();
        for (key, local) in items.iter().flat_map(|item| self.keys_in(item)) {
            let late = found.len() == max && found.last() < Some(&(local, key.id));
            if !late && local <= until && after.is_none_or(|after| local > after) {
                found.insert((local, key.id));
                if found.len() > max {
                    found.pop_last();
                }
            }
        }
        found.into_iter().collect()
    }

    /// Hash and size of what lies under a prefix.
    pub fn summary(&self, prefix: &Prefix) -> Summary {
        self.summary_of(self.locate(prefix))
    }

    fn summary_of(&self, link: Link) -> Summary {
        Summary {
            hash: self.hash(link),
            count: self.count(link),
        }
    }

    /// Hash and size of what an author has up to `last`, that number included.
    pub fn summary_until(&self, author: &AuthorTag, last: u64) -> Summary {
        let mut bound = [0xff; KEY_BYTES];
        bound[..32].copy_from_slice(author.as_bytes());
        bound[32..40].copy_from_slice(&last.to_be_bytes());
        self.until(self.locate(&Prefix::of_author(author)), &bound)
    }

    /// The part of a subtree that is not above `bound`, as a set of its own.
    fn until(&self, link: Link, bound: &[u8; KEY_BYTES]) -> Summary {
        const NONE: Summary = Summary {
            hash: TrieHash::EMPTY,
            count: 0,
        };
        let Some(first) = self.first_leaf(link) else {
            return NONE;
        };
        let first = self.key_bytes(first);
        let Some(Node::Branch(index)) = link.node() else {
            return if first <= *bound {
                self.summary_of(link)
            } else {
                NONE
            };
        };
        let branch = self.branches.get(index);
        let depth = usize::from(branch.depth);
        let shared = Prefix::of_bytes(&first, depth);
        let edge = Prefix::of_bytes(bound, depth);
        match shared.cmp(&edge) {
            std::cmp::Ordering::Less => return self.summary_of(link),
            std::cmp::Ordering::Greater => return NONE,
            std::cmp::Ordering::Equal => {}
        }
        let edge = nibble(bound, depth);
        let parts: Vec<(usize, Summary)> = branch
            .present()
            .filter(|(slot, _)| *slot <= edge)
            .map(|(slot, child)| {
                let whole = slot < edge;
                (
                    slot,
                    if whole {
                        self.summary_of(child)
                    } else {
                        self.until(child, bound)
                    },
                )
            })
            .filter(|(_, part)| part.count > 0)
            .collect();
        match parts.as_slice() {
            [] => NONE,
            [(_, only)] => *only,
            _ => {
                let count = parts.iter().map(|(_, part)| part.count).sum();
                let hashes = parts.iter().map(|(slot, part)| (*slot, part.hash));
                Summary {
                    hash: branch_digest(branch.depth, count, hashes),
                    count,
                }
            }
        }
    }

    /// The authors with keys under a prefix that is no longer than a tag, ascending, or `None` if
    /// they are more than `max`.
    pub fn authors_under(&self, prefix: &Prefix, max: usize) -> Option<Vec<AuthorRun>> {
        let mut found = Vec::new();
        let mut stack = vec![self.locate(prefix)];
        while let Some(link) = stack.pop() {
            let depth = match link.node() {
                None => continue,
                Some(Node::Leaf(_)) => KEY_NIBBLES,
                Some(Node::Branch(index)) => usize::from(self.branches.get(index).depth),
            };
            if let (true, Some(Node::Branch(index))) = (depth < TAG_NIBBLES, link.node()) {
                stack.extend(
                    self.branches
                        .get(index)
                        .present()
                        .rev()
                        .map(|(_, child)| child),
                );
                continue;
            }
            if found.len() == max {
                return None;
            }
            found.extend(self.run_of(link));
        }
        Some(found)
    }

    /// What is held of one author, if anything.
    pub fn author_run(&self, author: &AuthorTag) -> Option<AuthorRun> {
        self.run_of(self.locate(&Prefix::of_author(author)))
    }

    fn run_of(&self, link: Link) -> Option<AuthorRun> {
        let mut last = link;
        while let Some(Node::Branch(index)) = last.node() {
            last = self.branches.get(index).present().next_back()?.1;
        }
        let Some(Node::Leaf(index)) = last.node() else {
            return None;
        };
        let key = self.key(index);
        Some(AuthorRun {
            author: key.author,
            last: key.seq,
            summary: self.summary_of(link),
        })
    }

    /// The longest prefix that all keys under `prefix` share; `None` if there are no such keys.
    pub fn common_prefix(&self, prefix: &Prefix) -> Option<Prefix> {
        let here = self.locate(prefix);
        let first = self.key_bytes(self.first_leaf(here)?);
        Some(match here.node()? {
            Node::Leaf(_) => Prefix::of_bytes(&first, KEY_NIBBLES),
            Node::Branch(index) => {
                Prefix::of_bytes(&first, usize::from(self.branches.get(index).depth))
            }
        })
    }

    /// What lies under `base`, told apart by the `levels` nibbles after it (together at most
    /// [`KEY_NIBBLES`]).
    pub fn cells(&self, base: &Prefix, levels: usize) -> Cells {
        let end = base.len() + levels;
        let mut cells = Vec::new();
        let mut stack = vec![self.locate(base)];
        while let Some(link) = stack.pop() {
            if let Some(Node::Branch(index)) = link.node() {
                let branch = self.branches.get(index);
                if usize::from(branch.depth) < end {
                    stack.extend(branch.present().rev().map(|(_, child)| child));
                    continue;
                }
            }
            if let Some(leaf) = self.first_leaf(link) {
                let key = self.key_bytes(leaf);
                let slot = (base.len()..end).fold(0, |slot, at| slot << 4 | nibble(&key, at));
                cells.push((slot, self.hash(link)));
            }
        }
        Cells {
            base: *base,
            levels,
            cells,
        }
    }

    /// The largest subtrees under `cover` that lie beside the way to `base`, as prefixes.
    pub fn beside(&self, cover: &Prefix, base: &Prefix) -> Vec<Prefix> {
        let mut found = Vec::new();
        let mut here = self.locate(cover);
        loop {
            let Some(first) = self.first_leaf(here) else {
                return found;
            };
            let first = self.key_bytes(first);
            let branch = match here.node() {
                Some(Node::Branch(index)) => Some(self.branches.get(index)),
                _ => None,
            };
            let depth = branch.map_or(KEY_NIBBLES, |branch| usize::from(branch.depth));
            let apart = crate::sync::key::divergence(&first, base.first_key());
            if apart < depth.min(base.len()) {
                found.push(Prefix::of_bytes(&first, apart + 1));
                return found;
            }
            let Some(branch) = branch.filter(|_| depth < base.len()) else {
                return found;
            };
            let way = base.nibble(depth);
            for (slot, _) in branch.present().filter(|(slot, _)| *slot != way) {
                found.push(Prefix::of_bytes(&first, depth).extended(1, slot));
            }
            here = branch.child(way);
        }
    }
}
