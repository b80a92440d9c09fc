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
        let equal = world.bounds.motions.iter().all(|it| *it == Sort::Rename);
        let keep = |count: usize| vec![(0..count).collect::<Vec<_>>()];
        let delegates: u32 = world.of_party.iter().map(|it| it.count_ones()).sum();
        let (of_delegates, of_motions) = match (equal, world.bounds.choices) {
            (false, _) => (keep(delegates as usize), keep(motions)),
            (true, true) => (permutations(delegates as usize), keep(motions)),
            (true, false) => (permutations(delegates as usize), permutations(motions)),
        };
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
            if !keeps_parties || become_of(world.malicious) != world.malicious {
                continue;
            }
            let node = |bit: &u8| {
                let other = become_of(*bit);
                world.honest.iter().position(|it| *it == other).unwrap()
            };
            for motions in &of_motions {
                found.push(Self {
                    sets: (0..=u8::MAX).map(become_of).collect(),
                    nodes: world.honest.iter().map(node).collect(),
                    motions: motions.clone(),
                });
            }
        }
        found
    }

    fn view(&self, view: &View) -> View {
        let mut other = View::default();
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
        State { views, ..*state }
    }

    /// The least of all states that are one with this.
    pub(super) fn least(all: &[Self], state: State) -> State {
        let others = all.iter().map(|it| it.state(&state));
        others.min().unwrap_or(state)
    }
}
