//! The effective set of one document: what is authorized, and what the authorized rests on (I8).
//!
//! A pure function of the document's contributions and the verdict on each: linear in the
//! dependencies, and without recursion, so that no chain is too deep.
//!
//! Spec: `specs/cuts.md` §8 (effective set).

use super::{Standing, Unauthorized};
use crate::id::EntryId;
use std::collections::{BTreeMap, BTreeSet};

/// A contribution and what authority says of it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its id.
    pub id: EntryId,
    /// The heads its author saw, of the same document; empty for the create.
    pub deps: Vec<EntryId>,
    /// Whether its author may do what it does.
    pub verdict: Result<Standing, Unauthorized>,
    /// Whether others may build on it though its author may not: in co-written documents always, in
    /// owner-written ones if its author was ever linked to the owner.
    pub adoptable: bool,
}

/// What becomes of a contribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It is in effect by its author's own authority.
    Authorized(Standing),
    /// It is in effect because an authorized contribution builds on it. That gives it presence and
    /// its author no authority.
    Adopted {
        /// Who builds on it: of the authorized contributions that are nearest, the lowest id.
        by: EntryId,
    },
    /// It has no effect: its author may not, and nothing that is authorized builds on it.
    Unauthorized(Unauthorized),
    /// It has no effect: its author may, but it builds on something that has none and that cannot be
    /// adopted.
    Blocked {
        /// The lowest id among what stands in the way.
        ancestor: EntryId,
    },
}

impl Effect {
    /// Whether the contribution is part of the document.
    pub fn is_effective(&self) -> bool {
        matches!(self, Self::Authorized(_) | Self::Adopted { .. })
    }
}

/// What becomes of each contribution of a document. Order and repetition do not matter.
///
/// A dependency that is not among them stands in the way like one that cannot be adopted.
pub fn effective_set(document: &[Judged]) -> BTreeMap<EntryId, Effect> {
    let graph = Graph::new(document);
    let order = graph.ancestors_first();
    let blocked = graph.blocked(&order);
    let adopters = graph.adopters(&order, &blocked);
    let effect = |at: usize| match (&graph.items[at].verdict, blocked[at], adopters[at]) {
        (Ok(standing), None, _) => Effect::Authorized(*standing),
        (Ok(_), Some(ancestor), _) => Effect::Blocked { ancestor },
        (Err(_), _, Some(by)) => Effect::Adopted { by },
        (Err(reason), _, None) => Effect::Unauthorized(*reason),
    };
    let numbers = 0..graph.items.len();
    numbers.map(|at| (graph.items[at].id, effect(at))).collect()
}

/// The contributions of a document by number, in the order of their ids.
struct Graph<'a> {
    items: Vec<&'a Judged>,
    /// The dependencies of each that are here, each once.
    deps: Vec<Vec<usize>>,
    /// The lowest dependency of each that is not here.
    missing: Vec<Option<EntryId>>,
}

impl<'a> Graph<'a> {
    fn new(document: &'a [Judged]) -> Self {
        let mut items: Vec<&Judged> = document.iter().collect();
        items.sort_unstable_by_key(|it| it.id);
        items.dedup_by_key(|it| it.id);
        let number = |id: &EntryId| items.binary_search_by_key(id, |it| it.id);
        let mut deps = Vec::with_capacity(items.len());
        let mut missing = Vec::with_capacity(items.len());
        for it in &items {
            let here: BTreeSet<usize> = it.deps.iter().filter_map(|id| number(id).ok()).collect();
            deps.push(here.into_iter().collect());
            let absent = it.deps.iter().filter(|id| number(id).is_err());
            missing.push(absent.min().copied());
        }
        Self {
            items,
            deps,
            missing,
        }
    }

    fn is_authorized(&self, at: usize) -> bool {
        self.items[at].verdict.is_ok()
    }

    /// All numbers, each after its dependencies. What depends on itself, which no hash allows, is
    /// left out.
    fn ancestors_first(&self) -> Vec<usize> {
        let mut children = vec![Vec::new(); self.items.len()];
        let mut waiting_for: Vec<usize> = self.deps.iter().map(Vec::len).collect();
        for (at, deps) in self.deps.iter().enumerate() {
            for dep in deps {
                children[*dep].push(at);
            }
        }
        let mut order: Vec<usize> = (0..self.items.len())
            .filter(|at| waiting_for[*at] == 0)
            .collect();
        let mut done = 0;
        while let Some(at) = order.get(done).copied() {
            done += 1;
            for child in &children[at] {
                waiting_for[*child] -= 1;
                if waiting_for[*child] == 0 {
                    order.push(*child);
                }
            }
        }
        order
    }

    /// For each that builds on what cannot be adopted: the lowest such ancestor.
    fn blocked(&self, order: &[usize]) -> Vec<Option<EntryId>> {
        // Whatever the order leaves out depends on itself, and so stands in its own way.
        let mut blocked: Vec<_> = self.items.iter().map(|it| Some(it.id)).collect();
        for at in order {
            let stands_in_the_way = |dep: &&usize| {
                let it = self.items[**dep];
                it.verdict.is_err() && !it.adoptable
            };
            let deps = &self.deps[*at];
            let nearest = deps.iter().filter(stands_in_the_way);
            let nearest = nearest.map(|dep| self.items[*dep].id);
            let further = deps.iter().filter_map(|dep| blocked[*dep]);
            let lowest = nearest.chain(further).chain(self.missing[*at]).min();
            blocked[*at] = lowest;
        }
        blocked
    }

    /// For each unauthorized one that something in effect builds on: who adopts it.
    fn adopters(&self, order: &[usize], blocked: &[Option<EntryId>]) -> Vec<Option<EntryId>> {
        let mut adopters: Vec<Option<EntryId>> = vec![None; self.items.len()];
        for at in order.iter().rev() {
            let by = match (self.is_authorized(*at), blocked[*at]) {
                (true, None) => Some(self.items[*at].id),
                (true, Some(_)) => None,
                (false, _) => adopters[*at],
            };
            let Some(by) = by else { continue };
            for dep in self.deps[*at].iter().filter(|it| !self.is_authorized(**it)) {
                let lowest = adopters[*dep].map_or(by, |other| by.min(other));
                adopters[*dep] = Some(lowest);
            }
        }
        adopters
    }
}
