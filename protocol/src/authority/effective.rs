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
    let judged: BTreeMap<EntryId, &Judged> = document.iter().map(|it| (it.id, it)).collect();
    let order = ancestors_first(&judged);
    let blocked = blocked(&judged, &order);
    let adopters = adopters(&judged, &order, &blocked);
    let effect = |(id, it): (EntryId, &Judged)| {
        let effect = match (&it.verdict, blocked.get(&id), adopters.get(&id)) {
            (Ok(standing), None, _) => Effect::Authorized(*standing),
            (Ok(_), Some(ancestor), _) => Effect::Blocked {
                ancestor: *ancestor,
            },
            (Err(_), _, Some(by)) => Effect::Adopted { by: *by },
            (Err(reason), _, None) => Effect::Unauthorized(*reason),
        };
        (id, effect)
    };
    judged.into_iter().map(effect).collect()
}

/// All ids, each after its dependencies. What depends on itself, which no hash allows, is left out.
fn ancestors_first(judged: &BTreeMap<EntryId, &Judged>) -> Vec<EntryId> {
    let mut children: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
    let mut waiting_for: BTreeMap<EntryId, usize> = BTreeMap::new();
    let mut order = Vec::with_capacity(judged.len());
    for (id, it) in judged {
        let known: BTreeSet<&EntryId> = it.deps.iter().filter(|it| judged.contains_key(it)).collect();
        if known.is_empty() {
            order.push(*id);
        } else {
            waiting_for.insert(*id, known.len());
        }
        for dep in known {
            children.entry(*dep).or_default().push(*id);
        }
    }
    let mut at = 0;
    while let Some(id) = order.get(at).copied() {
        at += 1;
        for child in children.get(&id).into_iter().flatten() {
            if let Some(count) = waiting_for.get_mut(child) {
                *count -= 1;
                if *count == 0 {
                    order.push(*child);
                }
            }
        }
    }
    order
}

/// For each contribution that builds on what cannot be adopted: the lowest such ancestor.
fn blocked(
    judged: &BTreeMap<EntryId, &Judged>,
    order: &[EntryId],
) -> BTreeMap<EntryId, EntryId> {
    let mut blocked: BTreeMap<EntryId, EntryId> = BTreeMap::new();
    let mut visited = BTreeSet::new();
    for id in order {
        let deps = &judged[id].deps;
        let itself = |dep: &EntryId| {
            let stands_in_the_way = judged
                .get(dep)
                .is_none_or(|it| it.verdict.is_err() && !it.adoptable);
            stands_in_the_way.then_some(*dep)
        };
        let nearest = deps.iter().filter_map(itself);
        let further = deps.iter().filter_map(|dep| blocked.get(dep).copied());
        if let Some(lowest) = nearest.chain(further).min() {
            blocked.insert(*id, lowest);
        }
        visited.insert(*id);
    }
    for (id, it) in judged {
        if !visited.contains(id) {
            let lowest = it.deps.iter().min().unwrap_or(id);
            blocked.insert(*id, *lowest);
        }
    }
    blocked
}

/// For each unauthorized contribution that something in effect builds on: who adopts it.
fn adopters(
    judged: &BTreeMap<EntryId, &Judged>,
    order: &[EntryId],
    blocked: &BTreeMap<EntryId, EntryId>,
) -> BTreeMap<EntryId, EntryId> {
    let mut adopters: BTreeMap<EntryId, EntryId> = BTreeMap::new();
    for id in order.iter().rev() {
        let it = judged[id];
        let by = match it.verdict {
            Ok(_) if !blocked.contains_key(id) => Some(*id),
            Ok(_) => None,
            Err(_) => adopters.get(id).copied(),
        };
        let Some(by) = by else { continue };
        for dep in &it.deps {
            if judged.get(dep).is_some_and(|dep| dep.verdict.is_err()) {
                let lowest = adopters.entry(*dep).or_insert(by);
                *lowest = by.min(*lowest);
            }
        }
    }
    adopters
}
