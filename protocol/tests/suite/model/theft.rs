//! What a thief can do by keys that parties have dropped, beside what honest delegates say.
//!
//! All certificates are there from the beginning; the states are all sets of words about them. The thief
//! has the sole keys that two of three parties had at first, and made by them a second child of the
//! genesis and a second successor of the first party's state, each with a lower id than the honest one:
//! a tie would be the thief's. A rule is left out by not telling it to the real functions, or by counting
//! without it.

use super::world::Rule;
use crate::assembly::{Assembly, key, keys, rename};
use comity_protocol::{
    authority::parties::{Parties, Words},
    certificate::Change,
    id::EntryId,
};
use stateright::{Model, Property};
use std::collections::BTreeMap;

const EQUAL: &str = "the order of what is known plays no part";
pub(super) const STANDS: &str =
    "what those approved who came later, and a party whose key nobody stole, is followed";
pub(super) const NAMED: &str = "a chain is not won back from a state that the charter names";
const WINS: &str = "the thief's branch of the charter is followed";
const KEEPS: &str =
    "the honest branch of the charter is followed, with everything that the thief says";
/// What must be found in some state.
pub(super) const EXAMPLES: [&str; 2] = [WINS, KEEPS];

/// The keys that the thief has; the thief's own; who followed the stolen ones; who never changed.
const STOLEN: [u16; 2] = [1, 11];
const THIEF: u16 = 3;
const SUCCESSORS: [u16; 2] = [2, 12];
const UNCHANGED: u16 = 21;

/// Something that somebody may say.
#[derive(Debug, Clone, Copy)]
struct Word {
    by: u16,
    of: EntryId,
    /// Otherwise a choice.
    approves: bool,
}

/// Words as bits.
type Said = u16;

pub(super) struct Theft {
    assembly: Assembly,
    words: Vec<Word>,
    /// Children of the genesis, and the first party's second states.
    honest: EntryId,
    stolen: EntryId,
    moved: EntryId,
    without: Option<Rule>,
}

impl Theft {
    pub(super) fn new(without: Option<Rule>) -> Self {
        let parties: [&[u16]; 3] = [&STOLEN[..1], &STOLEN[1..], &[UNCHANGED]];
        let mut assembly = Assembly::new(&parties);
        let genesis = assembly.charter().current().clone();
        let old = assembly.draft(&genesis, vec![rename("mine")]);
        let first = [assembly.head(0), assembly.head(1)];
        let [moved, _] = [0, 1].map(|party| {
            assembly.grow(party, first[party], 1, |state| {
                state.delegates = keys(&SUCCESSORS[party..=party]);
            })
        });
        let confirms = assembly.draft(&genesis, vec![Change::ConfirmStates]);
        let honest = assembly.enact(confirms, &SUCCESSORS);
        let stolen = assembly.enact_below(old, honest, &STOLEN);
        let back = assembly.grow_below(0, (first[0], moved), |state| {
            state.delegates = keys(&[THIEF]);
        });
        let says = |by, of, approves| Word { by, of, approves };
        let words = vec![
            says(STOLEN[0], moved, true),
            says(SUCCESSORS[0], honest, true),
            says(SUCCESSORS[1], honest, true),
            says(UNCHANGED, honest, true),
            says(STOLEN[0], stolen, false),
            says(STOLEN[1], stolen, false),
            says(STOLEN[0], back, false),
            says(THIEF, back, false),
            says(THIEF, stolen, false),
        ];
        Self {
            assembly,
            words,
            honest,
            stolen,
            moved,
            without,
        }
    }

    pub(super) fn bounds(&self) -> String {
        format!("3 parties, 2 stolen keys, {} words", self.words.len())
    }

    fn said(&self, said: Said) -> impl Iterator<Item = &Word> {
        let words = self.words.iter().enumerate();
        words
            .filter(move |(at, _)| said >> at & 1 == 1)
            .map(|(_, it)| it)
    }

    fn heard(&self, said: Said) -> Words {
        let mut heard = Words::new();
        let deaf = self.without == Some(Rule::Approvals);
        for word in self.said(said).filter(|it| !deaf || !it.approves) {
            heard.entry(key(word.by)).or_default().insert(word.of);
        }
        heard
    }

    /// The child of the genesis that is followed, and the first party's chain.
    fn follow(&self, said: Said, backward: bool) -> (EntryId, Parties) {
        let mut known = self.assembly.clone();
        if backward {
            known.states.reverse();
            known.resolutions.reverse();
        }
        known.words = self.heard(said);
        let charter = known.charter();
        let mut followed = charter.current().id;
        if self.without == Some(Rule::Later) {
            followed = self.by_the_pinned(&known.words);
        }
        let pins = match (self.without, charter.state(&followed)) {
            (Some(Rule::Named), _) | (_, None) => BTreeMap::new(),
            (_, Some(state)) => state.pins(),
        };
        (
            followed,
            Parties::follow(&known.trees(), &pins, &known.words),
        )
    }

    /// As if the delegates of the states that the genesis pins were all who have a say.
    fn by_the_pinned(&self, words: &Words) -> EntryId {
        let votes = |child: &EntryId, other: &EntryId| {
            let pinned = [STOLEN[0], STOLEN[1], UNCHANGED];
            let said = pinned.iter().filter_map(|it| words.get(&key(*it)));
            said.filter(|it| it.contains(child) && !it.contains(other))
                .count()
        };
        let for_honest = votes(&self.honest, &self.stolen);
        match for_honest > votes(&self.stolen, &self.honest) {
            true => self.honest,
            false => self.stolen,
        }
    }

    fn stands(&self, said: Said) -> bool {
        let approved = |by: u16| {
            let mut words = self.said(said);
            words.any(|it| it.by == by && it.of == self.honest)
        };
        SUCCESSORS.into_iter().chain([UNCHANGED]).all(approved)
    }
}

impl Model for Theft {
    type State = Said;
    type Action = usize;

    fn init_states(&self) -> Vec<Said> {
        vec![0]
    }

    fn actions(&self, said: &Said, actions: &mut Vec<usize>) {
        actions.extend((0..self.words.len()).filter(|at| said >> at & 1 == 0));
    }

    fn next_state(&self, said: &Said, at: usize) -> Option<Said> {
        Some(said | 1 << at)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(EQUAL, |world: &Self, said: &Said| {
                world.follow(*said, false) == world.follow(*said, true)
            }),
            Property::always(STANDS, |world: &Self, said: &Said| {
                !world.stands(*said) || world.follow(*said, false).0 == world.honest
            }),
            Property::always(NAMED, |world: &Self, said: &Said| {
                let (followed, parties) = world.follow(*said, false);
                let chain = parties.chain(&world.assembly.ids[0]).unwrap();
                followed != world.honest || chain.current().0 == world.moved
            }),
            Property::sometimes(WINS, |world: &Self, said: &Said| {
                world.follow(*said, false).0 == world.stolen
            }),
            Property::sometimes(KEEPS, |world: &Self, said: &Said| {
                let all = (1 << world.words.len()) - 1;
                *said == all && world.follow(*said, false).0 == world.honest
            }),
        ]
    }
}
