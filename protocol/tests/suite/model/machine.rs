//! What can happen: every honest delegate has a node; malicious ones tell each node what they like.

use super::{
    properties,
    symmetry::Symmetry,
    world::{MOTIONS_MAX, Rule, Sort, View, World},
};
use stateright::{Model, Property};

/// What the nodes know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct State {
    /// By honest delegate.
    pub(super) views: Vec<View>,
    /// Honest delegates who signed, by motion.
    pub(super) signed: [u8; MOTIONS_MAX],
    /// Whether an honest delegate approved something beside what its node knew to have passed.
    pub(super) beside: bool,
    /// Whether one approved under a state that its node knew to be replaced.
    pub(super) stale: bool,
}

/// A step. Nodes are counted from 0, delegates given by their bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Approve {
        node: usize,
        motion: usize,
        by: u8,
    },
    Reject {
        node: usize,
        motion: usize,
        by: u8,
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
        self.malicious | state.signed[motion]
    }

    /// A node makes a certificate as soon as it can.
    fn settle(&self, view: &mut View) {
        for motion in self.motions() {
            let is_here = view.hidden >> motion & 1 == 0 && self.is_ready(motion, view);
            if is_here && self.admits(motion, view.approvals[motion]) {
                take_in(view, motion);
            }
        }
        if self.is_settled(view) {
            // No word changes what the node does any more, nor what others do to whom it tells of
            // the certificate.
            let certificates = std::mem::take(&mut view.certificates);
            let choices = view.choices;
            *view = View {
                certificates,
                choices,
                ..View::default()
            };
        }
    }

    /// Whether a resolution has passed here, and binds.
    fn is_settled(&self, view: &View) -> bool {
        let mut passed = view.certificates.iter().map(|it| usize::from(*it));
        !self.bounds.choices && !self.without(Rule::Current) && passed.any(|it| self.is_child(it))
    }

    pub(super) fn merge(&self, from: &View, to: &View) -> View {
        let mut merged = to.clone();
        for motion in self.motions() {
            merged.approvals[motion] |= from.approvals[motion];
            merged.rejections[motion] |= from.rejections[motion];
            merged.choices[motion] |= from.choices[motion];
        }
        merged.hidden &= from.hidden;
        for certificate in &from.certificates {
            take_in(&mut merged, usize::from(*certificate));
        }
        self.settle(&mut merged);
        merged
    }

    fn deliberate(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        let view = &state.views[node];
        if self.is_settled(view) {
            return;
        }
        let verdicts = self.verdicts(view);
        for motion in self.motions() {
            for by in bits(self.honest[node]) {
                if verdicts.may_approve[motion] & by != 0 && view.approvals[motion] & by == 0 {
                    actions.push(Action::Approve { node, motion, by });
                }
                let may_reject = verdicts.may_reject[motion] & by != 0 && !self.bounds.second_node;
                if may_reject && view.rejections[motion] & by == 0 {
                    actions.push(Action::Reject { node, motion, by });
                }
            }
            if self.bounds.puppets {
                continue;
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

    /// What a delegate says at one of its nodes the others know, whether they know the body or not.
    fn say(&self, state: &mut State, by: u8, word: impl Fn(&mut View)) {
        for (node, of) in self.honest.iter().enumerate() {
            if of & by != 0 && !self.is_settled(&state.views[node]) {
                word(&mut state.views[node]);
                self.settle(&mut state.views[node]);
            }
        }
    }

    /// Whether two different motions change one state.
    pub(super) fn are_siblings(&self, one: usize, other: usize) -> bool {
        one != other && self.is_child(one) && self.is_child(other)
    }

    /// Whether a motion stands under a state that was replaced, as far as a node knows.
    fn is_stale(&self, motion: usize, view: &View) -> bool {
        self.has_moved(view) && self.sort(motion) == Sort::Rename
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
            views: (0..self.honest.len())
                .map(|it| self.first_view(it))
                .collect(),
            signed: [0; MOTIONS_MAX],
            beside: false,
            stale: false,
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
                let can_be = !is_here && self.is_ready(motion, view);
                if can_be && self.admits(motion, self.signatures(state, motion)) {
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
            Action::Approve { node, motion, by } => {
                let view = &state.views[node];
                state.beside |= view
                    .certificates
                    .iter()
                    .any(|it| self.are_siblings(usize::from(*it), motion));
                state.stale |= self.is_stale(motion, view);
                state.signed[motion] |= by;
                self.say(&mut state, by, |view| view.approvals[motion] |= by);
                node
            }
            Action::Reject { node, motion, by } => {
                self.say(&mut state, by, |view| view.rejections[motion] |= by);
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
                state.views[node].hidden &= !(1 << motion);
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

pub(super) fn bits(of: u8) -> impl Iterator<Item = u8> {
    (0..8).map(|at| 1 << at).filter(move |bit| of & bit != 0)
}
