//! What does not change during a run: parties, motions, and the real rules, asked once per question.

use super::symmetry::Symmetry;
use crate::assembly::{Assembly, key, rename, secret};
use comity_protocol::{
    authority::{
        charter::{Charter, ResolutionError, demands, judge},
        deliberation::{Approved, Deliberation, Outcome, Proposed, Refusal, Voices},
        parties::{Choices, Parties},
    },
    certificate::{CertificateBody, Change, Resolution},
    id::{EntryId, domain},
    key::PublicKey,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Most motions in a run.
pub(super) const MOTIONS_MAX: usize = 3;
/// The delegate of the party that asks in.
const NEWCOMER: u16 = 31;

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
    /// D3: enough rejections free.
    Dead,
    /// D3: one rejection is not enough.
    DeadByCount,
    /// D4: nothing is approved beside what has passed.
    Current,
    /// Forks: choices decide, and not what came first.
    ForkChoice,
    /// Forks: of equals the lowest id.
    LowestId,
    /// Forks: who chose both counts for neither.
    NeitherForBoth,
}

/// What a motion is about; numbers are those of parties, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Rename,
    Quorum,
    Admit,
    Expel(usize),
    Take(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Delegates of each party; a majority of them is needed, and of the parties.
    pub(super) parties: Vec<Vec<u16>>,
    pub(super) malicious: Vec<u16>,
    pub(super) motions: Vec<Sort>,
    /// Whether the run is about choices between certificates instead of approvals.
    pub(super) choices: bool,
    pub(super) without: Option<Rule>,
}

/// What one node knows: sets of delegates as bits, by motion, and certificates as they arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct View {
    pub(super) approvals: [u8; MOTIONS_MAX],
    pub(super) rejections: [u8; MOTIONS_MAX],
    pub(super) choices: [u8; MOTIONS_MAX],
    pub(super) certificates: Vec<u8>,
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
    /// Every delegate, the newcomer last: bits count from the first.
    delegates: Vec<PublicKey>,
    /// Bits of each party's delegates, the newcomer's last.
    pub(super) of_party: Vec<u8>,
    pub(super) malicious: u8,
    /// Bits of honest delegates; each has a node.
    pub(super) honest: Vec<u8>,
    assembly: Assembly,
    parties: Parties,
    genesis: Charter,
    resolutions: Vec<(EntryId, Resolution)>,
    proposed: Proposed,
    /// By motion, then delegate.
    approved: Vec<Vec<Approved>>,
    verdicts: Mutex<BTreeMap<View, Arc<Verdicts>>>,
    admitted: Mutex<BTreeMap<(usize, u8), bool>>,
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
        let genesis = assembly.charter();
        let mut changes: Vec<Change> = bounds
            .motions
            .iter()
            .enumerate()
            .map(|(index, sort)| match sort {
                Sort::Rename => rename(&format!("name {index}")),
                Sort::Quorum => Change::SetPartyQuorum(3),
                Sort::Admit => Change::AddParty(assembly.ids[3]),
                Sort::Expel(party) => Change::RemoveParty(assembly.ids[*party]),
                Sort::Take(party) => Change::Revoke(assembly.ids[*party], key(40)),
            })
            .collect();
        changes.push(rename("fresh"));
        let mut resolutions = Vec::new();
        let mut proposed = Proposed::new();
        let mut approved = Vec::new();
        for change in changes {
            let draft = assembly.draft(genesis.current(), vec![change]);
            let body = CertificateBody::Resolution(draft.clone());
            let bytes = body.encode();
            let by = |number: &u16| {
                let signature = secret(*number).sign(domain::CERTIFICATE_SIGNATURE, &bytes);
                Approved::check(&bytes, key(*number), signature).unwrap()
            };
            let of_motion: Vec<Approved> = numbers.iter().flatten().map(by).collect();
            let id = of_motion[0].certificate();
            approved.push(of_motion);
            proposed.insert(id, body);
            resolutions.push((id, draft));
        }
        let mut next = 0;
        let mut bits = |count: usize| {
            let bits = ((1u8 << count) - 1) << next;
            next += count;
            bits
        };
        let of_party: Vec<u8> = numbers.iter().map(|it| bits(it.len())).collect();
        let flat: Vec<u16> = numbers.concat();
        let bit_of = |it: &u16| 1u8 << flat.iter().position(|other| other == it).unwrap();
        let is_honest = |it: &&u16| !bounds.malicious.contains(it);
        let mut world = Self {
            symmetries: Vec::new(),
            malicious: bounds.malicious.iter().map(bit_of).sum(),
            honest: flat.iter().filter(is_honest).map(bit_of).collect(),
            delegates: flat.iter().map(|it| key(*it)).collect(),
            of_party,
            parties: assembly.parties(),
            assembly,
            genesis,
            resolutions,
            proposed,
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

    fn keys(&self, bits: u8) -> Vec<PublicKey> {
        let keys = self.delegates.iter().enumerate();
        let mut keys: Vec<PublicKey> = keys
            .filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, key)| *key)
            .collect();
        keys.sort();
        keys
    }

    /// Delegates who have a say in a motion.
    fn concerned(&self, motion: usize) -> u8 {
        let parties = match self.bounds.motions.get(motion) {
            Some(Sort::Admit) => 4,
            _ => 3,
        };
        self.of_party.iter().take(parties).sum()
    }

    /// Whether a certificate of a motion with these signatures counts: R1 to R12.
    pub(super) fn admits(&self, motion: usize, signers: u8) -> bool {
        let signers = signers & self.concerned(motion);
        if let Some(known) = self.admitted.lock().unwrap().get(&(motion, signers)) {
            return *known;
        }
        let (_, resolution) = &self.resolutions[motion];
        let keys = self.keys(signers);
        let admits = match judge(resolution, &keys, self.genesis.current(), &self.parties) {
            Ok(()) => true,
            Err(error) => match (&error, self.bounds.without) {
                // What comes after R4 is still asked.
                (ResolutionError::Quorum { .. }, Some(Rule::Quorum)) => {
                    let state = self.genesis.current();
                    let demands = demands(resolution, state, &self.parties).unwrap();
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
        };
        self.admitted
            .lock()
            .unwrap()
            .insert((motion, signers), admits);
        admits
    }

    /// What follows from a view: by the real functions, but for the rule left out.
    pub(super) fn verdicts(&self, view: &View) -> Arc<Verdicts> {
        if let Some(known) = self.verdicts.lock().unwrap().get(view) {
            return Arc::clone(known);
        }
        let charter = self.charter(view);
        let mut verdicts = Verdicts {
            head: self.head(view, &charter),
            ..Verdicts::default()
        };
        let voices = self.voices(view, self.without(Rule::Dead));
        let asked = self.weigh(&charter, &voices);
        for (motion, (id, _)) in self.resolutions.iter().enumerate() {
            let (mut approve, mut reject) = (0, 0);
            for (at, delegate) in self.delegates.iter().enumerate() {
                let allowed = match asked.may_approve(delegate, id) {
                    Ok(()) => !rejected(view, motion, at),
                    Err(refusal) => self.lets(view, &charter, (motion, at), &refusal),
                };
                approve |= u8::from(allowed) << at;
                let allowed = match asked.may_reject(delegate, id) {
                    Err(Refusal::Approved) => self.without(Rule::OneWord),
                    other => other.is_ok(),
                };
                reject |= u8::from(allowed) << at;
            }
            verdicts.may_approve.push(approve);
            verdicts.may_reject.push(reject);
            let dead = asked.motion_of(id).unwrap().outcome == Outcome::Dead;
            verdicts.dead |= u8::from(dead) << motion;
        }
        let verdicts = Arc::new(verdicts);
        let mut known = self.verdicts.lock().unwrap();
        known.insert(view.clone(), Arc::clone(&verdicts));
        verdicts
    }

    /// Whether a refusal falls with the rule that is left out.
    fn lets(
        &self,
        view: &View,
        charter: &Charter,
        (motion, delegate): (usize, usize),
        refusal: &Refusal,
    ) -> bool {
        match (self.bounds.without, refusal) {
            (Some(Rule::Bound), Refusal::Bound(_)) => true,
            (Some(Rule::Current), Refusal::NotCurrent { .. } | Refusal::Overtaken(_)) => true,
            (Some(Rule::DeadByCount), Refusal::Bound(other)) => {
                let at = self.resolutions.iter().position(|(id, _)| id == other);
                view.rejections[at.unwrap()] != 0
            }
            // As if that word had not been given; whatever else there is still stands against it.
            (Some(Rule::OneWord), Refusal::Rejected) => {
                let mut unsaid = view.clone();
                unsaid.rejections[motion] &= !(1 << delegate);
                let voices = self.voices(&unsaid, false);
                let asked = self.weigh(charter, &voices);
                let (id, _) = self.resolutions[motion];
                asked.may_approve(&self.delegates[delegate], &id).is_ok()
            }
            _ => false,
        }
    }

    fn weigh<'a>(&'a self, charter: &'a Charter, voices: &'a Voices) -> Deliberation<'a> {
        Deliberation::weigh(Some(charter), &self.parties, self.proposed.clone(), voices)
    }

    fn voices(&self, view: &View, deaf_to_rejections: bool) -> Voices {
        let mut voices = Voices::default();
        for motion in self.motions() {
            for (at, delegate) in self.delegates.iter().enumerate() {
                if view.approvals[motion] >> at & 1 == 1 {
                    voices.approve(self.approved[motion][at]);
                }
                if rejected(view, motion, at) && !deaf_to_rejections {
                    voices.reject(self.resolutions[motion].0, *delegate);
                }
            }
        }
        voices
    }

    /// The charter by a view's certificates, given in the order in which they arrived.
    fn charter(&self, view: &View) -> Charter {
        let signers: Vec<Vec<PublicKey>> = view
            .certificates
            .iter()
            .map(|it| self.keys(self.concerned(usize::from(*it))))
            .collect();
        let certified: Vec<(EntryId, &Resolution, &[PublicKey])> = view
            .certificates
            .iter()
            .zip(&signers)
            .map(|(it, signers)| {
                let (id, resolution) = &self.resolutions[usize::from(*it)];
                (*id, resolution, signers.as_slice())
            })
            .collect();
        let mut choices = Choices::new();
        for motion in self.motions() {
            for by in self.keys(view.choices[motion]) {
                let chosen = choices.entry(by).or_default();
                chosen.insert(self.resolutions[motion].0);
            }
        }
        let genesis = (self.assembly.genesis_id(), &self.assembly.genesis);
        let community = self.assembly.community;
        Charter::evaluate(community, genesis, &certified, &self.parties, &choices).unwrap()
    }

    fn head(&self, view: &View, charter: &Charter) -> Option<u8> {
        let tied = |votes: &dyn Fn(u8) -> usize| {
            let most = view.certificates.iter().map(|it| votes(*it)).max()?;
            let mut best = view.certificates.iter().filter(|it| votes(**it) == most);
            best.next().copied()
        };
        let count = |choices: &[u8; MOTIONS_MAX], motion: u8| {
            let of_party = |party: &&u8| {
                let chose = choices[usize::from(motion)] & **party;
                chose.count_ones() > party.count_ones() / 2
            };
            self.of_party.iter().take(3).filter(of_party).count()
        };
        match self.bounds.without {
            Some(Rule::ForkChoice) => view.certificates.first().copied(),
            Some(Rule::LowestId) => {
                let mut choices = view.choices;
                let both = chose_several(&choices);
                choices.iter_mut().for_each(|it| *it &= !both);
                tied(&|motion| count(&choices, motion))
            }
            Some(Rule::NeitherForBoth) => {
                let mut choices = view.choices;
                for motion in 1..MOTIONS_MAX {
                    let before = choices[..motion].iter().fold(0, |all, it| all | it);
                    choices[motion] &= !before;
                }
                let mut sorted = view.clone();
                sorted.certificates.sort();
                let most = sorted
                    .certificates
                    .iter()
                    .map(|it| count(&choices, *it))
                    .max()?;
                let mut best = sorted.certificates.iter();
                best.find(|it| count(&choices, **it) == most).copied()
            }
            _ => {
                let id = charter.current().id;
                let at = self.resolutions.iter().position(|(it, _)| *it == id)?;
                Some(at as u8)
            }
        }
    }
}

fn rejected(view: &View, motion: usize, delegate: usize) -> bool {
    let bits = view.rejections.get(motion).copied().unwrap_or(0);
    bits >> delegate & 1 == 1
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
