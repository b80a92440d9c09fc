//! What must hold in every state. The counting here is its own, and not that of the rules.

use super::{
    machine::{State, bits},
    world::{Bounds, Sort, View, World, chose_several},
};
use stateright::Property;

pub(super) const EQUAL: &str = "honest nodes with equal records agree";
pub(super) const NO_FORK: &str = "without malicious delegates no two children are certified";
pub(super) const NO_MINORITY: &str = "no minority of parties changes the charter";
pub(super) const QUORUM_BY_ALL: &str = "only all change the quorum";
pub(super) const ADMITTED: &str = "no party is admitted by one, or unasked";
pub(super) const EXPELLED: &str = "no party is removed but by all others";
pub(super) const TAKEN: &str = "nothing is taken from a party without it";
pub(super) const NOT_STALE: &str = "nobody honest approves under a state that was replaced";
pub(super) const NOT_BESIDE: &str = "nobody honest approves beside what has passed";
pub(super) const DISSOLVES: &str = "honest delegates can always end a deadlock";
pub(super) const NO_DOUBLE_VOICE: &str = "who chose both branches sways nothing";

const PASSES: &str = "something passes";
const DIES: &str = "something dies";
const FORKS: &str = "there is a fork";
const MOVES: &str = "a party moves on while a resolution is open";
/// What must be found in some state, or the run shows nothing.
pub(super) const EXAMPLES: [&str; 4] = [PASSES, DIES, FORKS, MOVES];

impl Bounds {
    /// Whether a run with these bounds comes to such a state.
    pub(super) fn shows(&self, example: &str) -> bool {
        match example {
            DIES => !self.choices && !self.second_node && self.malicious.len() < 2,
            FORKS => self.motions.len() > 1 && !self.malicious.is_empty(),
            MOVES => self.motions.iter().any(|it| matches!(it, Sort::Move(_))),
            _ => true,
        }
    }
}

pub(super) fn all() -> Vec<Property<World>> {
    vec![
        Property::always(EQUAL, equal),
        Property::always(NO_FORK, |world, state| {
            world.malicious != 0 || !has_fork(world, state)
        }),
        Property::always(NO_MINORITY, |world, state| {
            by_each(world, state, |sort, approving| {
                matches!(sort, Sort::Move(_)) || founders(approving) >= 2
            })
        }),
        Property::always(QUORUM_BY_ALL, |world, state| {
            by_each(world, state, |sort, approving| {
                sort != Sort::Quorum || founders(approving) == 3
            })
        }),
        Property::always(ADMITTED, |world, state| {
            by_each(world, state, |sort, approving| {
                sort != Sort::Admit || founders(approving) >= 2 && approving.contains(&3)
            })
        }),
        Property::always(EXPELLED, |world, state| {
            by_each(world, state, |sort, approving| match sort {
                Sort::Expel(party) => (0..3).all(|it| it == party || approving.contains(&it)),
                _ => true,
            })
        }),
        Property::always(TAKEN, |world, state| {
            by_each(world, state, |sort, approving| match sort {
                Sort::Take(party) => approving.contains(&party),
                _ => true,
            })
        }),
        Property::always(NOT_BESIDE, |_, state: &State| !state.beside),
        Property::always(NOT_STALE, |_, state: &State| !state.stale),
        Property::always(DISSOLVES, dissolves),
        Property::always(NO_DOUBLE_VOICE, |world, state: &State| {
            state.views.iter().all(|view| {
                let both = chose_several(&view.choices);
                let mut without = view.clone();
                without.choices.iter_mut().for_each(|it| *it &= !both);
                world.verdicts(view).head == world.verdicts(&without).head
            })
        }),
        Property::sometimes(PASSES, |_, state: &State| !certified(state).is_empty()),
        Property::sometimes(DIES, |world, state: &State| {
            let dead = |view: &View| world.verdicts(view).dead != 0;
            state.views.iter().any(dead)
        }),
        Property::sometimes(FORKS, has_fork),
        Property::sometimes(MOVES, |world, state: &State| {
            let is_open = |view: &View| {
                let approvals = view.approvals.iter().enumerate();
                let mut open = approvals.filter(|(at, by)| world.is_child(*at) && **by != 0);
                world.has_moved(view) && open.next().is_some()
            };
            state.views.iter().any(is_open)
        }),
    ]
}

/// Motions of which some honest node holds a certificate, ascending.
fn certified(state: &State) -> Vec<usize> {
    let mut all: Vec<usize> = state
        .views
        .iter()
        .flat_map(|it| &it.certificates)
        .map(|it| usize::from(*it))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Asks of every certified motion which parties approve it: numbers from 0, the newcomer is 3.
fn by_each(world: &World, state: &State, holds: fn(Sort, &[usize]) -> bool) -> bool {
    certified(state).into_iter().all(|motion| {
        let signed = world.signatures(state, motion);
        let approves = |bits: &u8| (signed & bits).count_ones() > bits.count_ones() / 2;
        let speakers = world.speakers(motion);
        let parties = speakers.iter().enumerate();
        let approving: Vec<usize> = parties
            .filter(|(_, bits)| approves(bits))
            .map(|(party, _)| party)
            .collect();
        holds(world.bounds.motions[motion], &approving)
    })
}

/// Whether two resolutions are certified: all motions that are no moves are children of the genesis.
fn has_fork(world: &World, state: &State) -> bool {
    let children = certified(state).into_iter();
    children.filter(|it| world.is_child(*it)).count() > 1
}

/// Parties of the genesis among these.
fn founders(approving: &[usize]) -> usize {
    approving.iter().filter(|it| **it < 3).count()
}

fn equal(world: &World, state: &State) -> bool {
    let records = |view: &View| {
        let mut view = view.clone();
        view.certificates.sort_unstable();
        view
    };
    let views = &state.views;
    views.iter().enumerate().all(|(at, one)| {
        let mut others = views[at + 1..]
            .iter()
            .filter(|it| records(it) == records(one));
        others.all(|other| world.verdicts(one) == world.verdicts(other))
    })
}

/// If all sync and reject whatever they may, something has passed, or all are free for something new.
fn dissolves(world: &World, state: &State) -> bool {
    if world.malicious != 0 || world.bounds.choices {
        return true;
    }
    let start = state.views[0].clone();
    let mut all = state
        .views
        .iter()
        .fold(start, |all, it| world.merge(it, &all));
    let free = world.honest.iter().map(|of| of & !world.lost(&all));
    let free: Vec<u8> = free.collect();
    for me in free.iter().flat_map(|of| bits(*of)) {
        for motion in world.motions() {
            if world.verdicts(&all).may_reject[motion] & me != 0 {
                all.rejections[motion] |= me;
            }
        }
    }
    let fresh = world.bounds.motions.len() + usize::from(world.has_moved(&all));
    let fresh = world.verdicts(&all).may_approve[fresh];
    let mut passed = all.certificates.iter().map(|it| usize::from(*it));
    passed.any(|it| world.is_child(it)) || free.iter().all(|me| fresh & me != 0)
}
