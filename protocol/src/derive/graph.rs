//! The graph of contributions, and the smaller graph of those that changed something.
//!
//! Indexes are given in the order contributions come in, which is one of the topological orders.
//! Nothing that is decided depends on which.

use super::{Limit, Outcome};
use crate::id::EntryId;
use crate::key::PublicKey;
use crate::limits::{
    AUTHOR_SHARE_DIVISOR, DERIVED_OPS_PER_DOCUMENT_MAX, WORDS_PER_DOCUMENT_MAX_BYTES,
};
use automerge::{Change, ChangeHash};
use std::collections::{BTreeMap, BTreeSet};

/// Local number of a contribution.
pub(super) type Index = usize;

/// What a contribution costs, from its shape alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) ops: u64,
    pub(super) words: u64,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            ops: self.ops + other.ops,
            words: self.words + other.words,
        }
    }

    fn check_document(self) -> Result<(), Limit> {
        if self.ops > DERIVED_OPS_PER_DOCUMENT_MAX {
            return Err(Limit::DocumentOperations);
        }
        if self.words > WORDS_PER_DOCUMENT_MAX_BYTES {
            return Err(Limit::DocumentWords);
        }
        Ok(())
    }

    fn check_author(self) -> Result<(), Limit> {
        if self.ops > DERIVED_OPS_PER_DOCUMENT_MAX / AUTHOR_SHARE_DIVISOR {
            return Err(Limit::AuthorOperations);
        }
        if self.words > WORDS_PER_DOCUMENT_MAX_BYTES / AUTHOR_SHARE_DIVISOR {
            return Err(Limit::AuthorWords);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Node {
    id: EntryId,
    author: PublicKey,
    deps: Vec<Index>,
    children: Vec<Index>,
    /// How many dependencies have no outcome yet.
    unmet: usize,
    /// How many children have no outcome yet.
    waiting_children: usize,
    outcome: Option<Outcome>,
    /// Itself if it changed something, else its nearest changed ancestors.
    stands_for: Vec<Index>,
    /// For one that changed something: the changed ones right before it.
    parents: Vec<Index>,
    /// Longest way to the create over `parents`.
    depth: u32,
    cost: Cost,
    hash: Option<ChangeHash>,
    change: Option<Change>,
}

/// All contributions taken in.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    by_id: BTreeMap<EntryId, Index>,
    heads: BTreeSet<Index>,
    changed_heads: BTreeSet<Index>,
    /// Sums over everything derived here. They are at least those of any causal past, so as long
    /// as they are within the limits nothing needs to be counted.
    total: Cost,
    by_author: BTreeMap<PublicKey, Cost>,
    marks: Marks,
}

/// A set of indexes that is emptied in constant time.
#[derive(Debug, Default)]
struct Marks {
    round: u32,
    seen: Vec<u32>,
}

impl Marks {
    fn clear(&mut self, len: usize) {
        if self.round == u32::MAX {
            self.seen.fill(0);
            self.round = 0;
        }
        self.round += 1;
        self.seen.resize(len, 0);
    }

    /// Adds an index; false if it was there.
    fn insert(&mut self, index: Index) -> bool {
        std::mem::replace(&mut self.seen[index], self.round) != self.round
    }

    fn contains(&self, index: Index) -> bool {
        self.seen[index] == self.round
    }
}

impl Graph {
    pub(super) fn find(&self, id: &EntryId) -> Option<Index> {
        self.by_id.get(id).copied()
    }

    /// Adds a contribution whose dependencies are here; unknown ones are not counted.
    pub(super) fn add(&mut self, id: EntryId, deps: &[EntryId], author: PublicKey) -> Index {
        let index = self.nodes.len();
        let mut deps: Vec<Index> = deps.iter().filter_map(|dep| self.find(dep)).collect();
        deps.sort_unstable();
        deps.dedup();
        let mut unmet = 0;
        for dep in &deps {
            let node = &mut self.nodes[*dep];
            node.children.push(index);
            node.waiting_children += 1;
            unmet += usize::from(node.outcome.is_none());
            self.heads.remove(dep);
        }
        self.nodes.push(Node {
            id,
            author,
            deps,
            children: Vec::new(),
            unmet,
            waiting_children: 0,
            outcome: None,
            stands_for: Vec::new(),
            parents: Vec::new(),
            depth: 0,
            cost: Cost::default(),
            hash: None,
            change: None,
        });
        self.by_id.insert(id, index);
        self.heads.insert(index);
        index
    }

    pub(super) fn is_ready(&self, index: Index) -> bool {
        self.nodes[index].unmet == 0
    }

    /// Tells the children of a settled contribution; returns those that are ready now.
    pub(super) fn release_children(&mut self, index: Index) -> Vec<Index> {
        for dep in self.nodes[index].deps.clone() {
            self.nodes[dep].waiting_children -= 1;
        }
        let mut ready = Vec::new();
        for child in self.nodes[index].children.clone() {
            let node = &mut self.nodes[child];
            node.unmet -= 1;
            if node.unmet == 0 {
                ready.push(child);
            }
        }
        ready
    }

    /// Whether more than the one being derived now is going to be derived right after `index`.
    pub(super) fn is_wanted_again(&self, index: Index) -> bool {
        self.nodes[index].waiting_children > 1
    }

    /// Notes an outcome other than a change.
    pub(super) fn settle(&mut self, index: Index, outcome: Outcome, stands_for: Vec<Index>) {
        let node = &mut self.nodes[index];
        node.outcome = Some(outcome);
        node.stands_for = stands_for;
    }

    /// Notes that a contribution changed the document after `parents`.
    pub(super) fn change(&mut self, index: Index, parents: Vec<Index>, cost: Cost) {
        let depth = parents
            .iter()
            .map(|parent| self.nodes[*parent].depth + 1)
            .max();
        for parent in &parents {
            self.changed_heads.remove(parent);
        }
        self.changed_heads.insert(index);
        let node = &mut self.nodes[index];
        node.outcome = Some(Outcome::Changed);
        node.stands_for = vec![index];
        node.parents = parents;
        node.depth = depth.unwrap_or(0);
        node.cost = cost;
        self.total = self.total.plus(cost);
        let of_author = self.by_author.entry(node.author).or_default();
        *of_author = of_author.plus(cost);
    }

    pub(super) fn outcome(&self, index: Index) -> Option<&Outcome> {
        self.nodes[index].outcome.as_ref()
    }

    pub(super) fn heads(&self) -> Vec<EntryId> {
        let mut heads: Vec<EntryId> = self.heads.iter().map(|head| self.nodes[*head].id).collect();
        heads.sort_unstable();
        heads
    }

    /// The changed contributions that no changed one depends on, ascending.
    pub(super) fn changed_heads(&self) -> Vec<Index> {
        self.changed_heads.iter().copied().collect()
    }

    /// What the dependencies of a contribution stand for.
    pub(super) fn changed_frontier(&mut self, index: Index) -> Vec<Index> {
        let deps = self.nodes[index].deps.clone();
        self.frontier_of(&deps)
    }

    /// What a set of settled contributions stands for: changed ones, none an ancestor of another,
    /// ascending.
    pub(super) fn frontier_of(&mut self, indexes: &[Index]) -> Vec<Index> {
        let mut frontier: Vec<Index> = indexes
            .iter()
            .flat_map(|index| self.nodes[*index].stands_for.iter().copied())
            .collect();
        frontier.sort_unstable();
        frontier.dedup();
        if frontier.len() < 2 {
            return frontier;
        }
        // No ancestor of a node is at its depth or deeper, so the walk ends at the least depth.
        let floor = frontier
            .iter()
            .map(|index| self.nodes[*index].depth)
            .min()
            .unwrap_or(0);
        self.marks.clear(self.nodes.len());
        let mut stack = frontier.clone();
        while let Some(index) = stack.pop() {
            for parent in &self.nodes[index].parents {
                if self.nodes[*parent].depth >= floor && self.marks.insert(*parent) {
                    stack.push(*parent);
                }
            }
        }
        frontier.retain(|index| !self.marks.contains(*index));
        frontier
    }

    /// The changed contributions at and before a frontier, ascending.
    pub(super) fn past(&mut self, frontier: &[Index]) -> Vec<Index> {
        self.marks.clear(self.nodes.len());
        let mut past: Vec<Index> = Vec::new();
        for index in frontier {
            if self.marks.insert(*index) {
                past.push(*index);
            }
        }
        let mut next = 0;
        while next < past.len() {
            for parent in &self.nodes[past[next]].parents {
                if self.marks.insert(*parent) {
                    past.push(*parent);
                }
            }
            next += 1;
        }
        past.sort_unstable();
        past
    }

    /// Checks the limits of the causal past, exactly.
    ///
    /// Sums over whole documents answer almost always. Only where they exceed a limit is the past
    /// walked: once per contribution, a step for each change in it, which costs far less than
    /// deriving anything on a document of that size.
    pub(super) fn check_limits(
        &mut self,
        index: Index,
        parents: &[Index],
        cost: Cost,
    ) -> Result<(), Limit> {
        let author = self.nodes[index].author;
        let of_author = self.by_author.get(&author).copied().unwrap_or_default();
        let document = self.total.plus(cost).check_document();
        let share = of_author.plus(cost).check_author();
        if document.is_ok() && share.is_ok() {
            return Ok(());
        }
        let (mut all, mut own) = (cost, cost);
        for before in self.past(parents) {
            let node = &self.nodes[before];
            all = all.plus(node.cost);
            if node.author == author {
                own = own.plus(node.cost);
            }
        }
        all.check_document()?;
        own.check_author()
    }

    pub(super) fn hash(&self, index: Index) -> Option<ChangeHash> {
        self.nodes[index].hash
    }

    pub(super) fn set_hash(&mut self, index: Index, hash: ChangeHash) {
        self.nodes[index].hash = Some(hash);
    }

    pub(super) fn change_of(&self, index: Index) -> Option<&Change> {
        self.nodes[index].change.as_ref()
    }

    /// Keeps a change that was derived here, by its actor.
    pub(super) fn keep_change(&mut self, change: Change) {
        let Ok(actor) = <[u8; 32]>::try_from(change.actor_id().to_bytes()) else {
            return;
        };
        if let Some(index) = self.find(&EntryId::from_bytes(actor)) {
            self.nodes[index].change = Some(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn graph(parents: &[&[Index]]) -> Graph {
        let author = SecretKey::from_seed(&[1; 32]).public();
        let mut graph = Graph::default();
        for (index, parents) in parents.iter().enumerate() {
            let deps: Vec<EntryId> = parents.iter().map(|dep| graph.nodes[*dep].id).collect();
            graph.add(EntryId::from_bytes([index as u8; 32]), &deps, author);
            let parents = graph.changed_frontier(index);
            graph.change(index, parents, Cost { ops: 1, words: 0 });
        }
        graph
    }

    #[test]
    fn a_frontier_holds_no_ancestor_of_its_own() {
        // 0 ← 1 ← 3 ← 4 and 0 ← 2 ← 4.
        let mut graph = graph(&[&[], &[0], &[0], &[1], &[2, 3]]);
        assert_eq!(graph.frontier_of(&[0, 1, 3]), [3]);
        assert_eq!(graph.frontier_of(&[1, 2]), [1, 2]);
        assert_eq!(graph.frontier_of(&[2, 4]), [4]);
        assert_eq!(graph.changed_heads(), [4]);
        assert_eq!(graph.past(&[3]), [0, 1, 3]);
    }

    #[test]
    fn void_contributions_stand_for_what_is_before_them() {
        let mut graph = graph(&[&[], &[0]]);
        let author = graph.nodes[0].author;
        let id = EntryId::from_bytes([9; 32]);
        let void = graph.add(id, &[graph.nodes[1].id, graph.nodes[0].id], author);
        let parents = graph.changed_frontier(void);
        graph.settle(void, Outcome::Unchanged, parents);
        assert_eq!(graph.frontier_of(&[void]), [1]);
        assert_eq!(graph.heads(), [id]);
        assert_eq!(graph.changed_heads(), [1]);
    }
}
