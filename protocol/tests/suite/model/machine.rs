//! What can happen: every honest delegate has a node; malicious ones tell each node what they like.

use super::{
    properties,
    symmetry::Symmetry,
    world::{View, World},
};
use stateright::{Model, Property};

/// What the nodes know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct State {
    /// By honest delegate.
    pub(super) views: Vec<View>,
    /// Whether an honest delegate approved something beside what its node knew to have passed.
    pub(super) beside: bool,
}

/// A step. Nodes are counted from 0, delegates given by their bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Approve {
        node: usize,
        motion: usize,
    },
    Reject {
        node: usize,
        motion: usize,
    },
    Choose {
        node: usize,
        motion: usize,
    },
    /// One node tells another everything.
    Sync {
        from: usize,
        to: usize,
    },
    /// Somebody hands a node a certificate made of all approvals there are.
    Certify {
        node: usize,
        motion: usize,
    },
    TellApproval {
        node: usize,
        motion: usize,
        by: u8,
    },
    TellRejection {
        node: usize,
        motion: usize,
        by: u8,
    },
    TellChoice {
        node: usize,
        motion: usize,
        by: u8,
    },
}

impl World {
    /// Everybody whose signature under a motion exists, or could.
    pub(super) fn signatures(&self, state: &State, motion: usize) -> u8 {
        if self.bounds.choices {
            return u8::MAX;
        }
        let public = state.views.iter().map(|it| it.approvals[motion]);
        self.malicious | public.fold(0, |all, it| all | it)
    }

    /// A node makes a certificate as soon as it can.
    fn settle(&self, view: &mut View) {
        for motion in self.motions() {
            if self.admits(motion, view.approvals[motion]) {
                take_in(view, motion);
            }
        }
    }

    pub(super) fn merge(&self, from: &View, to: &View) -> View {
        let mut merged = to.clone();
        for motion in self.motions() {
            merged.approvals[motion] |= from.approvals[motion];
            merged.rejections[motion] |= from.rejections[motion];
            merged.choices[motion] |= from.choices[motion];
        }
        for certificate in &from.certificates {
            take_in(&mut merged, usize::from(*certificate));
        }
        self.settle(&mut merged);
        merged
    }

    fn deliberate(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let view = &state.views[node];
        let me = self.honest[node];
        let verdicts = self.verdicts(view);
        for motion in self.motions() {
            if verdicts.may_approve[motion] & me != 0 && view.approvals[motion] & me == 0 {
                actions.push(Action::Approve { node, motion });
            }
            if verdicts.may_reject[motion] & me != 0 && view.rejections[motion] & me == 0 {
                actions.push(Action::Reject { node, motion });
            }
            for by in bits(self.malicious) {
                if view.approvals[motion] & by == 0 {
                    actions.push(Action::TellApproval { node, motion, by });
                }
                // A rejection sets somebody free for another motion, and does nothing else.
                if self.motions().len() > 1 && view.rejections[motion] & by == 0 {
                    actions.push(Action::TellRejection { node, motion, by });
                }
            }
        }
    }

    fn choose(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let view = &state.views[node];
        let me = self.honest[node];
        let is_fork = view.certificates.len() > 1;
        let undecided = view.choices.iter().all(|it| it & me == 0);
        for motion in view.certificates.iter().map(|it| usize::from(*it)) {
            if is_fork && undecided {
                actions.push(Action::Choose { node, motion });
            }
            for by in bits(self.malicious) {
                if view.choices[motion] & by == 0 {
                    actions.push(Action::TellChoice { node, motion, by });
                }
            }
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            views: vec![View::default(); self.honest.len()],
            beside: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (node, view) in state.views.iter().enumerate() {
            if self.bounds.choices {
                self.choose(state, node, actions);
            } else {
                self.deliberate(state, node, actions);
            }
            for motion in self.motions() {
                let is_here = view.certificates.contains(&(motion as u8));
                if !is_here && self.admits(motion, self.signatures(state, motion)) {
                    actions.push(Action::Certify { node, motion });
                }
            }
            for (from, other) in state.views.iter().enumerate() {
                if from != node && self.merge(other, view) != *view {
                    actions.push(Action::Sync { from, to: node });
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let at = match action {
            Action::Approve { node, motion } => {
                let view = &mut state.views[node];
                state.beside |= view
                    .certificates
                    .iter()
                    .any(|it| usize::from(*it) != motion);
                view.approvals[motion] |= self.honest[node];
                node
            }
            Action::Reject { node, motion } => {
                state.views[node].rejections[motion] |= self.honest[node];
                node
            }
            Action::Choose { node, motion } => {
                state.views[node].choices[motion] |= self.honest[node];
                node
            }
            Action::Sync { from, to } => {
                state.views[to] = self.merge(&state.views[from], &state.views[to]);
                to
            }
            Action::Certify { node, motion } => {
                take_in(&mut state.views[node], motion);
                node
            }
            Action::TellApproval { node, motion, by } => {
                state.views[node].approvals[motion] |= by;
                node
            }
            Action::TellRejection { node, motion, by } => {
                state.views[node].rejections[motion] |= by;
                node
            }
            Action::TellChoice { node, motion, by } => {
                state.views[node].choices[motion] |= by;
                node
            }
        };
        self.settle(&mut state.views[at]);
        Some(Symmetry::least(&self.symmetries, state))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

fn take_in(view: &mut View, motion: usize) {
    let motion = motion as u8;
    if !view.certificates.contains(&motion) {
        view.certificates.push(motion);
    }
}

fn bits(of: u8) -> impl Iterator<Item = u8> {
    (0..8).map(|at| 1 << at).filter(move |bit| of & bit != 0)
}
