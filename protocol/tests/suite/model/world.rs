//! What does not change during a run: parties, motions, and the real rules, asked once per question.

use super::symmetry::Symmetry;
use crate::assembly::{Assembly, key, keys, next_state, rename, secret};
use comity_protocol::{
    authority::{
        charter::{CharterState, ResolutionError, demands, judge},
        deliberation::Approved,
        parties::{Parties, judge_state},
    },
    certificate::{CertificateBody, Change, PartyState, Resolution},
    id::{EntryId, domain},
    key::PublicKey,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

/// Most motions in a run.
pub(super) const MOTIONS_MAX: usize = 3;
/// The delegate of the party that asks in.
const NEWCOMER: u16 = 31;
/// The delegate of a party that moves on, in the place of those before.
const SUCCESSOR: u16 = 32;

/// A rule that can be left out of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// R4.
    Quorum,
    /// R5.
    All,
    /// R6.
    Newcomer,
    /// R7.
    Removal,
    /// R8.
    Consent,
    /// D1: no delegate both approves and rejects.
    OneWord,
    /// D2: an approval binds.
    Bound,
    /// D2: what earlier delegates of one's party approved binds.
    Replacement,
    /// D2: an approval of what is not here binds.
    Unseen,
    /// D3: enough rejections free.
    Dead,
    /// D3: one rejection is not enough.
    DeadByCount,
    /// D3: where a party has moved on its current delegates reject in place of earlier ones.
    Successors,
    /// D4: nothing is approved beside what has passed.
    Current,
    /// D4: nothing is approved under a party's earlier state.
    OldPin,
    /// Forks: choices decide, and not what came first.
    ForkChoice,
    /// Forks: of equals the lowest id.
    LowestId,
    /// Forks: who chose both counts for neither.
    NeitherForBoth,
    /// R1.
    Parent,
    /// R2.
    Height,
    /// R3.
    Pins,
    /// R9.
    Readers,
    /// R10.
    Bounds,
    /// R11.
    Signers,
    /// R12.
    Changes,
    /// R13.
    Leading,
    /// Forks: approvals count as choices.
    Approvals,
    /// Forks of the charter: who came later speaks for a party too.
    Later,
    /// P7: what the charter names decides a fork of a party.
    Named,
    /// P4.
    PartySigners,
    /// P5.
    PartyNumber,
    /// Roster §3: only a party's own delegates admit and expel for it.
    OwnDelegates,
    /// Roster §3: as many as the party asks for.
    EnoughDelegates,
    /// Roster §6: what was taken is taken for good.
    ForGood,
}

/// What a motion is about; numbers are those of parties, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Rename,
    Quorum,
    Admit,
    Expel(usize),
    Take(usize),
    /// A later state of a party: another delegate in the place of all.
    Move(usize),
    /// A resolution that pins the state to which a party moves.
    RenameAfter,
}

#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Delegates of each party; a majority of them is needed, and of the parties.
    pub(super) parties: Vec<Vec<u16>>,
    pub(super) malicious: Vec<u16>,
    pub(super) motions: Vec<Sort>,
    /// Whether the run is about choices between certificates instead of approvals.
    pub(super) choices: bool,
    /// Whether malicious delegates say at every moment and at every node what opens most, instead
    /// of words that stay: more can happen, in fewer states.
    pub(super) puppets: bool,
    /// Whether the first delegate has a second node, which knows at once what that delegate signed
    /// but lacks the body of the first motion. In such a run nobody rejects.
    pub(super) second_node: bool,
    pub(super) without: Option<Rule>,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delegates: usize = self.parties.iter().map(Vec::len).sum();
        write!(
            f,
            "3 parties, {delegates} delegates, motions {:?}",
            self.motions
        )?;
        let malicious = &self.malicious;
        match (malicious.is_empty(), self.puppets) {
            (true, _) => Ok(()),
            (false, false) => write!(f, ", malicious {malicious:?}"),
            (false, true) => write!(f, ", malicious {malicious:?} by free words"),
        }
    }
}

/// What one node knows: sets of delegates as bits, by motion, and certificates as they arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct View {
    pub(super) approvals: [u8; MOTIONS_MAX],
    pub(super) rejections: [u8; MOTIONS_MAX],
    pub(super) choices: [u8; MOTIONS_MAX],
    pub(super) certificates: Vec<u8>,
    /// Motions whose bodies are not here.
    pub(super) hidden: u8,
}

/// What follows from what a node knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    /// Who may approve each motion, and last the fresh one.
    pub(super) may_approve: Vec<u8>,
    /// Who may reject each motion.
    pub(super) may_reject: Vec<u8>,
    /// Motions that are dead.
    pub(super) dead: u8,
    /// The motion in force; none: the genesis.
    pub(super) head: Option<u8>,
}

pub(super) struct World {
    pub(super) bounds: Bounds,
    pub(super) symmetries: Vec<Symmetry>,
    /// Every delegate, the newcomer or successor last: bits count from the first.
    pub(super) delegates: Vec<PublicKey>,
    /// Bits of each party's delegates, the newcomer's last.
    pub(super) of_party: Vec<u8>,
    /// The delegates that a party replaces when it moves on, and who comes.
    pub(super) replaced: u8,
    pub(super) successor: u8,
    pub(super) malicious: u8,
    /// Bits of the honest delegates at each node.
    pub(super) honest: Vec<u8>,
    pub(super) assembly: Assembly,
    pub(super) parties: Parties,
    /// After the move.
    pub(super) moved: Option<Parties>,
    genesis: CharterState,
    /// All motions, and last fresh ones: before and after the move.
    pub(super) bodies: Vec<(EntryId, CertificateBody)>,
    /// The same, where they are resolutions.
    pub(super) resolutions: Vec<(EntryId, Option<Resolution>)>,
    /// By motion, then delegate.
    pub(super) approved: Vec<Vec<Approved>>,
    pub(super) verdicts: Mutex<BTreeMap<View, Arc<Verdicts>>>,
    admitted: Mutex<BTreeMap<(usize, u8), bool>>,
}

/// The state by which a party moves on.
fn successor_state(assembly: &Assembly, party: usize) -> PartyState {
    let (_, first) = &assembly.states[party];
    PartyState {
        delegates: keys(&[SUCCESSOR]),
        delegates_needed: 1,
        ..next_state(assembly.ids[party], first, 3)
    }
}

impl World {
    pub(super) fn new(bounds: Bounds) -> Self {
        let slices: Vec<&[u16]> = bounds.parties.iter().map(Vec::as_slice).collect();
        let mut assembly = Assembly::new(&slices);
        let mut numbers = bounds.parties.clone();
        if bounds.motions.contains(&Sort::Admit) {
            assembly.party("newcomer", &[NEWCOMER]);
            numbers.push(vec![NEWCOMER]);
        }
        let mover = bounds.motions.iter().find_map(|it| match it {
            Sort::Move(party) => Some(*party),
            _ => None,
        });
        let parties = assembly.parties();
        let genesis = assembly.charter().current().clone();
        let draft = |assembly: &Assembly, change| {
            CertificateBody::Resolution(assembly.draft(&genesis, vec![change]))
        };
        let mut after = Assembly::new(&slices);
        if let Some(party) = mover {
            let state = successor_state(&assembly, party);
            after
                .states
                .push((crate::assembly::state_id(&state), state));
        }
        let motions = bounds.motions.iter().enumerate();
        let mut bodies: Vec<CertificateBody> = motions
            .map(|(index, sort)| match sort {
                Sort::Rename => draft(&assembly, rename(&format!("name {index}"))),
                Sort::Quorum => draft(&assembly, Change::SetPartyQuorum(3)),
                Sort::Admit => draft(&assembly, Change::AddParty(assembly.ids[3])),
                Sort::Expel(party) => draft(&assembly, Change::RemoveParty(assembly.ids[*party])),
                Sort::Take(party) => {
                    draft(&assembly, Change::Revoke(assembly.ids[*party], key(40)))
                }
                Sort::Move(party) => CertificateBody::Party(successor_state(&assembly, *party)),
                Sort::RenameAfter => draft(&after, rename(&format!("name {index}"))),
            })
            .collect();
        bodies.push(draft(&assembly, rename("fresh")));
        if mover.is_some() {
            bodies.push(draft(&after, rename("fresh")));
        }
        let mut flat: Vec<u16> = numbers.concat();
        flat.extend(mover.map(|_| SUCCESSOR));
        let approved = bodies.iter().map(|body| {
            let bytes = body.encode();
            let by = |number: &u16| {
                let signature = secret(*number).sign(domain::CERTIFICATE_SIGNATURE, &bytes);
                Approved::check(&bytes, key(*number), signature).unwrap()
            };
            flat.iter().map(by).collect()
        });
        let approved: Vec<Vec<Approved>> = approved.collect();
        let ids = approved.iter().map(|it| it[0].certificate());
        let bodies: Vec<(EntryId, CertificateBody)> = ids.zip(bodies).collect();
        let resolutions = bodies.iter().map(|(id, body)| match body {
            CertificateBody::Resolution(it) => (*id, Some(it.clone())),
            _ => (*id, None),
        });
        let mut next = 0;
        let mut bits = |count: usize| {
            let bits = ((1u8 << count) - 1) << next;
            next += count;
            bits
        };
        let of_party: Vec<u8> = numbers.iter().map(|it| bits(it.len())).collect();
        let successor = if mover.is_some() { bits(1) } else { 0 };
        let bit_of = |it: &u16| 1u8 << flat.iter().position(|other| other == it).unwrap();
        let is_honest = |it: &&u16| !bounds.malicious.contains(it);
        // A party that moves on has one node, at which its delegates follow each other.
        let at_node = |it: &u16| match mover {
            Some(party) if of_party[party] & bit_of(it) != 0 => of_party[party] | successor,
            _ => bit_of(it),
        };
        let honest = flat.iter().filter(is_honest).map(at_node);
        let mut honest: Vec<u8> = honest.filter(|it| *it != successor).collect();
        if bounds.second_node {
            honest.insert(0, honest[0]);
        }
        let mut world = Self {
            symmetries: Vec::new(),
            malicious: bounds.malicious.iter().map(bit_of).sum(),
            honest,
            delegates: flat.iter().map(|it| key(*it)).collect(),
            replaced: mover.map_or(0, |party| of_party[party]),
            successor,
            of_party,
            parties,
            moved: mover.map(|_| after.parties()),
            resolutions: resolutions.collect(),
            assembly,
            genesis,
            bodies,
            approved,
            verdicts: Mutex::default(),
            admitted: Mutex::default(),
            bounds,
        };
        world.symmetries = Symmetry::of(&world);
        world
    }

    pub(super) fn motions(&self) -> std::ops::Range<usize> {
        0..self.bounds.motions.len()
    }

    pub(super) fn without(&self, rule: Rule) -> bool {
        self.bounds.without == Some(rule)
    }

    /// What a motion is about; a fresh one is a renaming.
    pub(super) fn sort(&self, motion: usize) -> Sort {
        let sorts = &self.bounds.motions;
        match motion.checked_sub(sorts.len()) {
            None => sorts[motion],
            Some(0) => Sort::Rename,
            Some(_) => Sort::RenameAfter,
        }
    }

    /// Whether a motion changes the genesis, and not a party.
    pub(super) fn is_child(&self, motion: usize) -> bool {
        !matches!(self.sort(motion), Sort::Move(_))
    }

    /// The node's knowledge before anything was said.
    pub(super) fn first_view(&self, node: usize) -> View {
        View {
            hidden: u8::from(self.bounds.second_node && node == 1),
            ..View::default()
        }
    }

    pub(super) fn keys(&self, bits: u8) -> Vec<PublicKey> {
        let keys = self.delegates.iter().enumerate();
        let mut keys: Vec<PublicKey> = keys
            .filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, key)| *key)
            .collect();
        keys.sort();
        keys
    }

    /// The delegates of each party whose names count under a motion: the newcomer's last.
    pub(super) fn speakers(&self, motion: usize) -> Vec<u8> {
        let mut speakers = self.of_party.clone();
        match self.sort(motion) {
            Sort::Admit => {}
            Sort::Move(party) => {
                let others = speakers.iter_mut().enumerate();
                others
                    .filter(|(it, _)| *it != party)
                    .for_each(|(_, it)| *it = 0);
            }
            Sort::RenameAfter => {
                let of_mover = speakers.iter_mut().find(|it| **it == self.replaced);
                *of_mover.unwrap() = self.successor;
            }
            _ => speakers.truncate(3),
        }
        speakers
    }

    /// Delegates who have a say in a motion.
    pub(super) fn concerned(&self, motion: usize) -> u8 {
        self.speakers(motion)
            .into_iter()
            .fold(0, |all, it| all | it)
    }

    /// Whether a node can judge a motion: it has the states that the motion pins.
    pub(super) fn is_ready(&self, motion: usize, view: &View) -> bool {
        self.sort(motion) != Sort::RenameAfter || self.has_moved(view)
    }

    /// Whether a certificate of a motion with these signatures counts: R1 to R13, P1 to P6.
    pub(super) fn admits(&self, motion: usize, signers: u8) -> bool {
        let signers = signers & self.concerned(motion);
        if let Some(known) = self.admitted.lock().unwrap().get(&(motion, signers)) {
            return *known;
        }
        let keys = self.keys(signers);
        let admits = match &self.bodies[motion].1 {
            CertificateBody::Resolution(it) => self.carries(it, &keys),
            CertificateBody::Party(state) => {
                let (party, _) = state.parent.unwrap();
                judge_state(state, &keys, self.parties.trees().tree(&party).unwrap()).is_ok()
            }
            _ => false,
        };
        let mut known = self.admitted.lock().unwrap();
        known.insert((motion, signers), admits);
        admits
    }

    fn carries(&self, resolution: &Resolution, keys: &[PublicKey]) -> bool {
        let trees = self.moved.as_ref().unwrap_or(&self.parties).trees();
        match judge(resolution, keys, &self.genesis, trees) {
            Ok(()) => true,
            Err(error) => match (&error, self.bounds.without) {
                // What comes after R4 is still asked.
                (ResolutionError::Quorum { .. }, Some(Rule::Quorum)) => {
                    let demands = demands(resolution, &self.genesis, trees).unwrap();
                    demands.sides.iter().filter(|it| it.required).all(|side| {
                        let signed = side.delegates.iter().filter(|it| keys.contains(it));
                        signed.count() as u64 >= side.delegates_needed
                    })
                }
                (ResolutionError::QuorumChange(_), Some(Rule::All))
                | (ResolutionError::Newcomer(_), Some(Rule::Newcomer))
                | (ResolutionError::Removal { .. }, Some(Rule::Removal))
                | (ResolutionError::Consent { .. }, Some(Rule::Consent)) => true,
                _ => false,
            },
        }
    }
}

/// Delegates who chose more than one.
pub(super) fn chose_several(choices: &[u8; MOTIONS_MAX]) -> u8 {
    let (mut once, mut several) = (0, 0);
    for bits in choices {
        several |= once & bits;
        once |= bits;
    }
    several
}
