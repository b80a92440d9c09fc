//! A tree of certified states, and for which branch of a fork a delegate spoke.
//!
//! Shared by the chains of parties and of the charter. Every state gets the interval of positions
//! that its subtree takes in a depth-first walk, so descent is a comparison and the branch on which
//! a word lies is a search; forks, delegates and words never multiply.

use crate::{id::EntryId, key::PublicKey};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// What delegates said for certified states: what they chose by `BranchChoice` records and what they
/// approved by `Approval` records, by signer. Signatures inside certificates are no words: two nodes
/// may hold different sufficient ones (decision 0009).
pub type Words = BTreeMap<PublicKey, BTreeSet<EntryId>>;

/// Two or more certified children of one state, and the one that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The state that they share.
    pub parent: EntryId,
    /// The children, ascending.
    pub children: Vec<EntryId>,
    /// The one that is followed.
    pub winner: EntryId,
    /// Whether the charter names a state on its branch, so that no word moves it.
    pub pinned: bool,
}

/// Positions of a subtree in the walk: its root's own, and the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: usize,
    last: usize,
}

/// What hangs together below one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    root: EntryId,
    spans: BTreeMap<EntryId, Span>,
    /// Ascending in each list, which is the order of the walk.
    children: BTreeMap<EntryId, Vec<EntryId>>,
}

/// Where the words of each signer lie in one tree: ascending.
pub(super) type Places = BTreeMap<PublicKey, Vec<usize>>;

impl Tree {
    /// The tree below `root`. What is not reachable from it is left out.
    pub(super) fn grow(root: EntryId, mut links: BTreeMap<EntryId, Vec<EntryId>>) -> Self {
        let mut tree = Self {
            root,
            spans: BTreeMap::new(),
            children: BTreeMap::new(),
        };
        // A state is left when all that was pushed after it is done.
        enum Step {
            Enter(EntryId),
            Leave(EntryId),
        }
        let mut walk = vec![Step::Enter(root)];
        while let Some(step) = walk.pop() {
            match step {
                Step::Enter(id) => {
                    let first = tree.spans.len();
                    tree.spans.insert(id, Span { first, last: first });
                    walk.push(Step::Leave(id));
                    if let Some(mut children) = links.remove(&id) {
                        children.sort();
                        children.dedup();
                        walk.extend(children.iter().rev().map(|it| Step::Enter(*it)));
                        tree.children.insert(id, children);
                    }
                }
                Step::Leave(id) => {
                    let last = tree.spans.len() - 1;
                    if let Some(span) = tree.spans.get_mut(&id) {
                        span.last = last;
                    }
                }
            }
        }
        tree
    }

    /// Whether `to` is `from` or stands below it.
    pub(super) fn descends(&self, from: &EntryId, to: &EntryId) -> bool {
        match (self.spans.get(from), self.spans.get(to)) {
            (Some(from), Some(to)) => (from.first..=from.last).contains(&to.first),
            _ => false,
        }
    }

    pub(super) fn children(&self, of: &EntryId) -> &[EntryId] {
        self.children.get(of).map_or(&[], Vec::as_slice)
    }

    /// Where the words that fall into this tree lie.
    pub(super) fn places(&self, words: &Words) -> Places {
        let mut places = Places::new();
        for (signer, said) in words {
            let mut found: Vec<usize> = said
                .iter()
                .filter_map(|id| Some(self.spans.get(id)?.first))
                .collect();
            if !found.is_empty() {
                found.sort_unstable();
                places.insert(*signer, found);
            }
        }
        places
    }

    /// The positions of a state and all below it.
    pub(super) fn range(&self, from: &EntryId) -> Option<RangeInclusive<usize>> {
        let span = self.spans.get(from)?;
        Some(span.first..=span.last)
    }

    /// The child of `parent` that a state is or stands below.
    pub(super) fn branch_of(&self, parent: &EntryId, state: &EntryId) -> Option<EntryId> {
        self.branch_at(parent, self.spans.get(state)?.first)
    }

    fn branch_at(&self, parent: &EntryId, position: usize) -> Option<EntryId> {
        let span = self.spans.get(parent)?;
        let children = self.children(parent);
        let at = children.partition_point(|it| self.spans[it].first <= position);
        let is_below = position <= span.last;
        children
            .get(at.checked_sub(1)?)
            .filter(|_| is_below)
            .copied()
    }

    /// The child of `parent` for which a signer spoke, by a word for itself or for something below it.
    /// None if there is no word, or if words lie on two of its branches.
    pub(super) fn spoken_for(
        &self,
        parent: &EntryId,
        signer: &PublicKey,
        places: &Places,
    ) -> Option<EntryId> {
        let span = self.spans.get(parent)?;
        let mine = places.get(signer)?;
        let below = &mine[mine.partition_point(|it| *it <= span.first)
            ..mine.partition_point(|it| *it <= span.last)];
        let (first, last) = (below.first()?, below.last()?);
        let child = self.branch_at(parent, *first)?;
        (*last <= self.spans[&child].last).then_some(child)
    }

    /// Every fork with its winner: the child on whose branch `pinned` lies, else that with most votes
    /// by `votes`, of several the lowest id. `votes` is asked at most once per fork.
    pub(super) fn forks(
        &self,
        pinned: Option<&EntryId>,
        mut votes: impl FnMut(&EntryId) -> BTreeMap<EntryId, usize>,
    ) -> Vec<Fork> {
        let mut forks = Vec::new();
        for (parent, children) in &self.children {
            if children.len() < 2 {
                continue;
            }
            let named = pinned.and_then(|it| self.branch_of(parent, it));
            let winner = named.or_else(|| {
                let votes = votes(parent);
                let of = |child: &EntryId| votes.get(child).copied().unwrap_or(0);
                let most = children.iter().map(of).max().unwrap_or(0);
                // They ascend, so the first with most votes has the lowest id.
                children.iter().find(|it| of(it) == most).copied()
            });
            if let Some(winner) = winner {
                forks.push(Fork {
                    parent: *parent,
                    children: children.clone(),
                    winner,
                    pinned: named.is_some(),
                });
            }
        }
        forks
    }

    /// The states from the root to the head, following the winner of every fork.
    pub(super) fn path(&self, forks: &[Fork]) -> Vec<EntryId> {
        self.path_from(self.root, forks)
    }

    /// The states from one to the head that it would lead to.
    pub(super) fn path_from(&self, from: EntryId, forks: &[Fork]) -> Vec<EntryId> {
        let winners: BTreeMap<EntryId, EntryId> =
            forks.iter().map(|it| (it.parent, it.winner)).collect();
        let mut path = vec![from];
        let mut at = from;
        while let Some(next) = winners.get(&at).or_else(|| self.children(&at).first()) {
            path.push(*next);
            at = *next;
        }
        path
    }

    /// Everything beside the path, by the state of the path that won over the branch it stands on.
    pub(super) fn lost(&self, path: &[EntryId]) -> BTreeMap<EntryId, Vec<EntryId>> {
        let mut lost = BTreeMap::new();
        for step in path.windows(2) {
            let children = self.children(&step[0]).iter();
            let mut below: Vec<EntryId> = children.filter(|it| **it != step[1]).copied().collect();
            let mut read = 0;
            while let Some(id) = below.get(read).copied() {
                below.extend(self.children(&id));
                read += 1;
            }
            if !below.is_empty() {
                lost.insert(step[1], below);
            }
        }
        lost
    }
}
