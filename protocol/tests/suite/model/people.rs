//! Who is a member, by records of delegates over the real roster.
//!
//! Honest delegates admit and revoke for their own party; malicious ones say for every party what
//! they like and tell each node what they like. Every set of records that a node can hold is given
//! to the real `Authority::evaluate`, forward and backward. A rule is left out by saying the same in
//! the name of those whom the rule asks for.

use super::world::Rule;
use crate::{
    community::{Chain, TIME_MS, public, secret, verified},
    roster::world::first_state,
};
use comity_protocol::{
    authority::Authority,
    certificate::{
        self, Certificate, CertificateBody, Cuts, Genesis, PartyState, Readers, Space, Writers,
    },
    entry::{Entry, Verified},
    id::{CommunityId, PartyId, SpaceId},
    record::{Admission, RecordBody, Revocation, Role, Roles, Target},
};
use stateright::{Model, Property};
use std::{collections::BTreeMap, sync::Mutex};

pub(super) const EQUAL: &str = "honest nodes with equal records agree";
pub(super) const ADMITTED: &str = "nobody admits for another party";
pub(super) const EXPELLED: &str = "nobody expels for another party";
pub(super) const STAYS_OUT: &str = "nobody comes back with the key that was revoked";
const IN: &str = "an honest party admits";
const OUT: &str = "an honest party expels";
/// What must be found in some state.
pub(super) const EXAMPLES: [&str; 2] = [IN, OUT];

/// Delegates of the first party, two of whom admit and expel together; of the second; of the third.
const ADA: u8 = 1;
pub(super) const BEN: u8 = 5;
pub(super) const ZOE: u8 = 6;
pub(super) const EVE: u8 = 8;
/// Who may be a member, of several parties.
const MIA: u8 = 11;
const PARTIES: [&[u8]; 3] = [&[ADA, BEN], &[ZOE], &[EVE]];

/// One statement: who says of which party, and whether Mia comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Statement {
    by: u8,
    party: usize,
    admits: bool,
}

const fn says(by: u8, party: usize, admits: bool) -> Statement {
    Statement { by, party, admits }
}

/// All that is said in a run.
const STATEMENTS: [Statement; 10] = [
    says(ADA, 0, true),
    says(BEN, 0, true),
    says(ADA, 0, false),
    says(BEN, 0, false),
    says(ZOE, 1, true),
    says(ZOE, 1, false),
    says(ZOE, 0, true),
    says(EVE, 0, true),
    says(EVE, 0, false),
    says(EVE, 1, false),
];

/// Statements as bits.
type Set = u16;

/// Members of each of the three parties, as bits.
type Members = u8;

pub(super) struct Roster {
    /// Delegates who are malicious.
    malicious: Vec<u8>,
    without: Option<Rule>,
    community: CommunityId,
    parties: Vec<PartyId>,
    founding: Vec<Verified<Entry>>,
    /// By who says it, for whom, and whether she comes.
    records: BTreeMap<(u8, usize, bool), Verified<Entry>>,
    /// The members by a set, read forward and backward.
    known: Mutex<BTreeMap<Set, (Members, Members)>>,
}

fn record(governance: SpaceId, party: PartyId, it: Statement) -> Entry {
    let body = match it.admits {
        true => RecordBody::Admission(Admission {
            party,
            member: public(MIA),
            roles: Roles::from([Role::Member]),
        }),
        false => RecordBody::Revocation(Revocation {
            party,
            target: Target::Member(public(MIA)),
            cuts: Cuts::default(),
            replaces: None,
        }),
    };
    Entry::Record(Chain::new(it.by, governance).record(body))
}

impl Roster {
    pub(super) fn new(malicious: &[u8], without: Option<Rule>) -> Self {
        let names = ["Coffee Club", "Roasters", "Growers"];
        let states = PARTIES
            .iter()
            .zip(names)
            .map(|(delegates, name)| PartyState {
                admission_needed: delegates.len() as u64,
                ..first_state(name, delegates, &[])
            });
        let states: Vec<PartyState> = states.collect();
        let parties: Vec<PartyId> = states.iter().map(certificate::party_id).collect();
        let mut sorted = parties.clone();
        sorted.sort();
        let everybody = PARTIES.concat();
        let mut founders: Vec<_> = everybody.iter().map(|it| public(*it)).collect();
        founders.sort();
        let genesis = Genesis {
            nonce: [2; 16],
            name: "Coffee".into(),
            purpose: "Better coffee.".into(),
            parties: sorted,
            founders,
            party_quorum: 2,
            spaces: vec![Space::new("lobby", Readers::Everyone, Writers::Members)],
            promises: Vec::new(),
            rules: Vec::new(),
            labels: Vec::new(),
            articles: Vec::new(),
            continues: None,
            time_ms: TIME_MS,
        };
        let community = certificate::community_id(&genesis);
        let governance = certificate::governance_space(community);
        let sign = |body, by: &[u8]| {
            let keys: Vec<_> = by.iter().map(|it| secret(*it)).collect();
            Entry::Certificate(Certificate::sign(body, &keys.iter().collect::<Vec<_>>()))
        };
        let mut founding = vec![sign(CertificateBody::Genesis(genesis), &everybody)];
        let states = states.into_iter().zip(PARTIES);
        founding.extend(states.map(|(state, by)| sign(CertificateBody::Party(state), by)));
        let mut records = BTreeMap::new();
        for by in everybody {
            for (party, id) in parties.iter().enumerate() {
                for admits in [true, false] {
                    let entry = record(governance, *id, says(by, party, admits));
                    let entry = verified(&[entry]).remove(0);
                    records.insert((by, party, admits), entry);
                }
            }
        }
        Self {
            malicious: malicious.to_vec(),
            without,
            community,
            parties,
            founding: verified(&founding),
            records,
            known: Mutex::default(),
        }
    }

    /// Bounds for the report.
    pub(super) fn bounds(&self) -> String {
        let malicious = &self.malicious;
        format!("3 parties, 4 delegates, 10 records, malicious {malicious:?}")
    }

    /// The honest delegates of every party that has some: they share a node.
    fn nodes(&self) -> Vec<Vec<u8>> {
        let honest = PARTIES.iter().map(|of| {
            let of = of.iter().copied();
            of.filter(|it| !self.malicious.contains(it)).collect()
        });
        honest.filter(|of: &Vec<u8>| !of.is_empty()).collect()
    }

    /// The records of a set. Where a rule is left out, what breaks it is said by those it asks for.
    fn held(&self, set: Set) -> Vec<Verified<Entry>> {
        let mut held = self.founding.clone();
        let said: Vec<Statement> = statements(set).collect();
        for it in &said {
            let own = PARTIES[it.party];
            let named: Vec<u8> = match self.without {
                Some(Rule::OwnDelegates) if !own.contains(&it.by) => own.to_vec(),
                Some(Rule::EnoughDelegates) if own.contains(&it.by) => own.to_vec(),
                _ => vec![it.by],
            };
            let is_lifted = !it.admits
                && self.without == Some(Rule::ForGood)
                && said.contains(&says(it.by, it.party, true));
            if !is_lifted {
                let records = named.iter().map(|by| (*by, it.party, it.admits));
                held.extend(records.map(|it| self.records[&it].clone()));
            }
        }
        held
    }

    fn members(&self, entries: &[Verified<Entry>]) -> Members {
        let authority = Authority::evaluate(self.community, entries);
        let of = authority.members().get(&public(MIA));
        let parties = self.parties.iter().enumerate();
        parties
            .filter(|(_, party)| of.is_some_and(|it| it.contains_key(*party)))
            .map(|(at, _)| 1 << at)
            .sum()
    }

    fn read(&self, set: Set) -> (Members, Members) {
        if let Some(known) = self.known.lock().unwrap().get(&set) {
            return *known;
        }
        let mut entries = self.held(set);
        let forward = self.members(&entries);
        entries.reverse();
        entries.extend_from_within(..);
        let read = (forward, self.members(&entries));
        self.known.lock().unwrap().insert(set, read);
        read
    }

    /// Whether all delegates that a party asks for said so.
    fn said_by_own(&self, set: Set, party: usize, admits: bool) -> bool {
        let said = |by: &u8| statements(set).any(|it| it == says(*by, party, admits));
        PARTIES[party].iter().all(said)
    }
}

fn statements(set: Set) -> impl Iterator<Item = Statement> {
    let all = STATEMENTS.into_iter().enumerate();
    all.filter(move |(at, _)| set >> at & 1 == 1)
        .map(|(_, it)| it)
}

/// A step: somebody's record reaches a node, by itself or with all that another has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Tell { node: usize, record: usize },
    Sync { from: usize, to: usize },
}

impl Model for Roster {
    type State = Vec<Set>;
    type Action = Step;

    fn init_states(&self) -> Vec<Vec<Set>> {
        vec![vec![0; self.nodes().len()]]
    }

    fn actions(&self, state: &Vec<Set>, actions: &mut Vec<Step>) {
        for (node, of) in self.nodes().into_iter().enumerate() {
            for (record, it) in STATEMENTS.iter().enumerate() {
                // Honest delegates speak for their own party.
                let honest = of.contains(&it.by) && PARTIES[it.party].contains(&it.by);
                let malicious = self.malicious.contains(&it.by);
                if (honest || malicious) && state[node] >> record & 1 == 0 {
                    actions.push(Step::Tell { node, record });
                }
            }
            let others = state.iter().enumerate();
            let news = others.filter(|(_, other)| *other & !state[node] != 0);
            actions.extend(news.map(|(from, _)| Step::Sync { from, to: node }));
        }
    }

    fn next_state(&self, last: &Vec<Set>, step: Step) -> Option<Vec<Set>> {
        let mut state = last.clone();
        match step {
            Step::Tell { node, record } => state[node] |= 1 << record,
            Step::Sync { from, to } => state[to] |= state[from],
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn each(
            world: &Roster,
            state: &[Set],
            holds: impl Fn(Set, Members, usize) -> bool,
        ) -> bool {
            state.iter().all(|set| {
                let (members, _) = world.read(*set);
                (0..3).all(|party| holds(*set, members, party))
            })
        }
        vec![
            Property::always(EQUAL, |world: &Self, state: &Vec<Set>| {
                let mut read = state.iter().map(|set| world.read(*set));
                read.all(|(forward, backward)| forward == backward)
            }),
            Property::always(ADMITTED, |world: &Self, state: &Vec<Set>| {
                each(world, state, |set, members, party| {
                    members >> party & 1 == 0 || world.said_by_own(set, party, true)
                })
            }),
            Property::always(EXPELLED, |world: &Self, state: &Vec<Set>| {
                each(world, state, |set, members, party| {
                    members >> party & 1 == 1
                        || !world.said_by_own(set, party, true)
                        || world.said_by_own(set, party, false)
                })
            }),
            Property::always(STAYS_OUT, |world: &Self, state: &Vec<Set>| {
                each(world, state, |set, members, party| {
                    members >> party & 1 == 0 || !world.said_by_own(set, party, false)
                })
            }),
            Property::sometimes(IN, |world: &Self, state: &Vec<Set>| {
                state.iter().any(|set| world.read(*set).0 & 3 == 3)
            }),
            Property::sometimes(OUT, |world: &Self, state: &Vec<Set>| {
                let admitted = |set: &Set| world.said_by_own(*set, 1, true);
                let mut out = state.iter().filter(|set| admitted(set));
                out.any(|set| world.read(*set).0 & 2 == 0)
            }),
        ]
    }
}
