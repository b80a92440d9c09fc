//! States that differ only in which of several equal delegates and motions is which are one state.
//!
//! The rules do not look at names. Where they look at ids, to settle a tie between branches, motions are
//! kept apart.

use super::{
    machine::State,
    world::{MOTIONS_MAX, Sort, View, World},
};

/// A way to exchange equal delegates and equal motions.
pub(super) struct Symmetry {
    /// Sets of delegates, by the set that they become.
    sets: Vec<u8>,
    /// The node that each node becomes.
    nodes: Vec<usize>,
    /// The motion that each motion becomes.
    motions: Vec<usize>,
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let longer = shorter.iter().flat_map(|it| {
        (0..count).map(|at| {
            let mut longer = it.clone();
            longer.insert(at, count - 1);
            longer
        })
    });
    longer.collect()
}

impl Symmetry {
    /// All that leave the run as it is, the one that exchanges nothing included.
    pub(super) fn of(world: &World) -> Vec<Self> {
        let motions = world.bounds.motions.len();
        let sorts = &world.bounds.motions;
        let alike = sorts.iter().all(|it| *it == Sort::Rename);
        let moves = sorts.iter().any(|it| matches!(it, Sort::Move(_)));
        let keep = |count: usize| vec![(0..count).collect::<Vec<_>>()];
        let delegates = world.delegates.len();
        let of_delegates = match alike || moves {
            true => permutations(delegates),
            false => keep(delegates),
        };
        let of_motions = match alike && !world.bounds.choices && !world.bounds.second_node {
            true => permutations(motions),
            false => keep(motions),
        };
        // Those about whom a motion is, or who have two nodes.
        let mut fixed = world.replaced | world.successor;
        if world.bounds.second_node {
            fixed |= world.honest[0];
        }
        let mut found = Vec::new();
        for delegates in of_delegates {
            let become_of = |set: u8| -> u8 {
                let members = delegates.iter().enumerate();
                members
                    .filter(|(at, _)| set >> at & 1 == 1)
                    .map(|(_, to)| 1 << to)
                    .sum()
            };
            let keeps_parties = world
                .of_party
                .iter()
                .all(|party| world.of_party.contains(&become_of(*party)));
            let keeps_fixed = become_of(fixed) == fixed;
            if !keeps_parties || !keeps_fixed || become_of(world.malicious) != world.malicious {
                continue;
            }
            let node = |(at, of): (usize, &u8)| match become_of(*of) == *of {
                true => at,
                false => {
                    let other = become_of(*of);
                    world.honest.iter().position(|it| *it == other).unwrap()
                }
            };
            for motions in &of_motions {
                found.push(Self {
                    sets: (0..=u8::MAX).map(become_of).collect(),
                    nodes: world.honest.iter().enumerate().map(node).collect(),
                    motions: motions.clone(),
                });
            }
        }
        found
    }

    fn view(&self, view: &View) -> View {
        let mut other = View {
            hidden: view.hidden,
            ..View::default()
        };
        for (from, to) in self.motions.iter().enumerate() {
            let set = |of: &[u8; MOTIONS_MAX]| self.sets[usize::from(of[from])];
            other.approvals[*to] = set(&view.approvals);
            other.rejections[*to] = set(&view.rejections);
            other.choices[*to] = set(&view.choices);
        }
        let certificates = view.certificates.iter();
        other.certificates = certificates
            .map(|it| self.motions[usize::from(*it)] as u8)
            .collect();
        other
    }

    fn state(&self, state: &State) -> State {
        let mut views = state.views.clone();
        for (from, view) in state.views.iter().enumerate() {
            views[self.nodes[from]] = self.view(view);
        }
        let mut signed = state.signed;
        for (from, to) in self.motions.iter().enumerate() {
            signed[*to] = self.sets[usize::from(state.signed[from])];
        }
        State {
            views,
            signed,
            ..*state
        }
    }

    /// The least of all states that are one with this.
    pub(super) fn least(all: &[Self], state: State) -> State {
        let others = all.iter().map(|it| it.state(&state));
        others.min().unwrap_or(state)
    }
}
