//! What follows from what a node knows: by the real functions, but for the rule left out.

use super::world::{MOTIONS_MAX, Rule, Sort, Verdicts, View, World, chose_several};
use comity_protocol::{
    authority::{
        charter::Charter,
        deliberation::{Deliberation, Outcome, Proposed, Refusal, Voices},
        parties::{Parties, Words},
    },
    certificate::Resolution,
    id::EntryId,
    key::PublicKey,
};
use std::sync::Arc;

/// One thing that may be done: by whom, counted from 0, with what.
type Deed = (usize, usize);

impl World {
    /// What follows from a view.
    pub(super) fn verdicts(&self, view: &View) -> Arc<Verdicts> {
        if let Some(known) = self.verdicts.lock().unwrap().get(view) {
            return Arc::clone(known);
        }
        let charter = self.charter(view);
        let mut verdicts = Verdicts {
            head: self.head(view, &charter),
            ..Verdicts::default()
        };
        let lost = self.lost(view);
        // What malicious delegates reject for whoever may approve a motion, motion by motion.
        let spoken: Vec<Voices> = match self.bounds.puppets {
            true => (0..self.bodies.len())
                .map(|motion| self.voices(&self.as_puppets_say(view, motion)))
                .collect(),
            false => vec![self.voices(view)],
        };
        let asked = spoken.iter().map(|it| self.weigh(view, &charter, it));
        let asked: Vec<Deliberation<'_>> = asked.collect();
        for (motion, (id, _)) in self.bodies.iter().enumerate() {
            let asked = &asked[motion.min(asked.len() - 1)];
            let (mut approve, mut reject) = (0, 0);
            for (at, delegate) in self.delegates.iter().enumerate() {
                if lost >> at & 1 == 1 {
                    continue;
                }
                let allowed = match asked.may_approve(delegate, id) {
                    Ok(()) => !rejected(view, motion, at),
                    Err(refusal) => self.lets(view, &charter, (at, motion), &refusal),
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
            let dead = asked
                .motion_of(id)
                .is_some_and(|it| it.outcome == Outcome::Dead);
            verdicts.dead |= u8::from(dead) << motion;
        }
        let verdicts = Arc::new(verdicts);
        let mut known = self.verdicts.lock().unwrap();
        known.insert(view.clone(), Arc::clone(&verdicts));
        verdicts
    }

    /// Malicious delegates say at every moment what opens most: they reject all but one motion.
    fn as_puppets_say(&self, view: &View, but: usize) -> View {
        let mut said = view.clone();
        for motion in self.motions().filter(|it| *it != but) {
            said.rejections[motion] |= self.malicious;
        }
        said
    }

    /// Whether a refusal falls with the rule that is left out.
    fn lets(
        &self,
        view: &View,
        charter: &Charter,
        (delegate, motion): Deed,
        refusal: &Refusal,
    ) -> bool {
        let (id, _) = self.bodies[motion];
        match (self.bounds.without, refusal) {
            (Some(Rule::Bound), Refusal::Bound(_)) => true,
            (Some(Rule::Current), Refusal::NotCurrent { .. } | Refusal::Overtaken(_)) => true,
            (Some(Rule::DeadByCount), Refusal::Bound(other)) => {
                view.rejections[self.motion(other)] != 0
            }
            // Its own approvals bind as before.
            (Some(Rule::Replacement), Refusal::Bound(other)) => {
                view.approvals[self.motion(other)] >> delegate & 1 == 0
            }
            // As if that word had not been given; whatever else there is still stands against it.
            (Some(Rule::OneWord), Refusal::Rejected) => {
                let mut unsaid = view.clone();
                unsaid.rejections[motion] &= !(1 << delegate);
                let voices = self.voices(&unsaid);
                let asked = self.weigh(view, charter, &voices);
                asked.may_approve(&self.delegates[delegate], &id).is_ok()
            }
            // As if the party had not moved on.
            (Some(Rule::OldPin), Refusal::OldPin(_)) => {
                let voices = self.voices(view);
                let proposed = self.proposed(view);
                let asked = Deliberation::weigh(Some(charter), &self.parties, proposed, &voices);
                asked.may_approve(&self.delegates[delegate], &id).is_ok()
            }
            _ => false,
        }
    }

    fn motion(&self, id: &EntryId) -> usize {
        let mut bodies = self.bodies.iter();
        bodies.position(|(other, _)| id == other).unwrap()
    }

    fn parties(&self, view: &View) -> &Parties {
        match &self.moved {
            Some(moved) if self.has_moved(view) => moved,
            _ => &self.parties,
        }
    }

    fn weigh<'a>(
        &'a self,
        view: &View,
        charter: &'a Charter,
        voices: &'a Voices,
    ) -> Deliberation<'a> {
        let proposed = self.proposed(view);
        Deliberation::weigh(Some(charter), self.parties(view), proposed, voices)
    }

    /// The bodies that are here.
    fn proposed(&self, view: &View) -> Proposed {
        let bodies = self.bodies.iter().enumerate();
        let here = bodies.filter(|(at, _)| !hidden(view, *at));
        here.map(|(_, it)| it.clone()).collect()
    }

    fn voices(&self, view: &View) -> Voices {
        let mut voices = Voices::default();
        for motion in self.motions() {
            let (id, _) = &self.bodies[motion];
            for (at, delegate) in self.delegates.iter().enumerate() {
                if view.approvals[motion] >> at & 1 == 1 {
                    match (hidden(view, motion), self.bounds.without) {
                        (false, _) => voices.approve(self.approved[motion][at]),
                        (true, Some(Rule::Unseen)) => {}
                        (true, _) => voices.approve_unseen(*id, *delegate),
                    }
                }
                let deaf = match self.bounds.without {
                    Some(Rule::Dead) => true,
                    Some(Rule::Successors) => self.concerned(motion) >> at & 1 == 0,
                    _ => false,
                };
                if rejected(view, motion, at) && !deaf {
                    voices.reject(*id, *delegate);
                }
            }
        }
        voices
    }

    /// The charter by a view's certificates, given in the order in which they arrived.
    fn charter(&self, view: &View) -> Charter {
        let resolutions = view.certificates.iter().filter_map(|it| {
            let motion = usize::from(*it);
            let (id, resolution) = &self.resolutions[motion];
            Some((*id, resolution.as_ref()?, self.concerned(motion)))
        });
        let signed: Vec<(EntryId, &Resolution, Vec<PublicKey>)> = resolutions
            .map(|(id, resolution, by)| (id, resolution, self.keys(by)))
            .collect();
        let certified: Vec<(EntryId, &Resolution, &[PublicKey])> = signed
            .iter()
            .map(|(id, it, signers)| (*id, *it, signers.as_slice()))
            .collect();
        let mut words = Words::new();
        for motion in self.motions() {
            for by in self.keys(view.choices[motion]) {
                let chosen = words.entry(by).or_default();
                chosen.insert(self.bodies[motion].0);
            }
        }
        let genesis = (self.assembly.genesis_id(), &self.assembly.genesis);
        let community = self.assembly.community;
        let trees = self.parties(view).trees();
        Charter::evaluate(community, genesis, &certified, trees, &words).unwrap()
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
                let mut sorted = view.certificates.clone();
                sorted.sort_unstable();
                let most = sorted.iter().map(|it| count(&choices, *it)).max()?;
                let mut best = sorted.iter();
                best.find(|it| count(&choices, **it) == most).copied()
            }
            _ => {
                let id = charter.current().id;
                let at = self.bodies.iter().position(|(it, _)| *it == id)?;
                Some(at as u8)
            }
        }
    }

    /// Whether the party of the run has moved on, as far as is known here.
    pub(super) fn has_moved(&self, view: &View) -> bool {
        let mut certificates = view.certificates.iter();
        certificates.any(|it| matches!(self.sort(usize::from(*it)), Sort::Move(_)))
    }

    /// Delegates who were replaced: their keys are gone.
    pub(super) fn lost(&self, view: &View) -> u8 {
        match self.has_moved(view) {
            true => self.replaced,
            false => 0,
        }
    }
}

fn hidden(view: &View, motion: usize) -> bool {
    view.hidden >> motion & 1 == 1
}

fn rejected(view: &View, motion: usize, delegate: usize) -> bool {
    let bits = view.rejections.get(motion).copied().unwrap_or(0);
    bits >> delegate & 1 == 1
}
