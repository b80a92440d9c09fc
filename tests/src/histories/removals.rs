//! Delegates and parties who remove each other, at once or in a circle.

use super::{Mischief, Sight, World};
use crate::random::Random;
use comity_protocol::{
    certificate::{CertificateBody, Change, Cuts, PartyState},
    id::{EntryId, PartyId},
    key::PublicKey,
    record::Target,
};

impl World {
    /// A state that follows another one, with nothing changed yet.
    pub(super) fn after(&self, side: usize, head: &(EntryId, PartyState)) -> PartyState {
        let (id, before) = head;
        PartyState {
            parent: Some((self.sides[side].id, *id)),
            height: before.height + 1,
            proposer: before.delegates[0],
            cuts: Cuts::default(),
            ..before.clone()
        }
    }

    /// A state signed by these is what others build on now.
    pub(super) fn certify_state(
        &mut self,
        side: usize,
        state: PartyState,
        signers: &[PublicKey],
    ) -> (EntryId, PartyState) {
        let siblings = self.sides[side].states.iter();
        if siblings.filter(|(_, it)| it.parent == state.parent).count() > 0 {
            self.count(Mischief::Fork);
        }
        let id = self.certify(CertificateBody::Party(state.clone()), signers);
        self.sides[side].states.push((id, state.clone()));
        (id, state)
    }

    /// The state of a party in force; a later one with more delegates if it has too few.
    fn with_delegates(
        &mut self,
        sight: &dyn Sight,
        side: usize,
        at_least: usize,
    ) -> (EntryId, PartyState) {
        let head = self.head_of(side, sight);
        if head.1.delegates.len() >= at_least {
            return head;
        }
        let mut state = self.after(side, &head);
        let own = (0..self.people.len()).filter(|it| self.people[*it].party == side);
        let mut own: Vec<usize> = own.collect();
        while state.delegates.len() < at_least {
            let who = own.pop().unwrap_or_else(|| self.newcomer(side));
            let key = self.people[who].root.public();
            if let Err(place) = state.delegates.binary_search(&key) {
                state.delegates.insert(place, key);
            }
        }
        state.delegates_needed = state.delegates.len() as u64 / 2 + 1;
        state.admission_needed = 1;
        self.certify_state(side, state, &head.1.delegates)
    }

    /// States of one party that follow one state, each without a delegate who signed the others.
    pub(super) fn drop_each_other(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let head = self.with_delegates(sight, side, 3);
        let dropped = 2 + random.below(2);
        self.count(Mischief::MutualDrop);
        for number in 0..dropped {
            let key = head.1.delegates[number];
            let mut state = self.after(side, &head);
            state.delegates.retain(|it| *it != key);
            let left = state.delegates.clone();
            state.delegates_needed = left.len() as u64 / 2 + 1;
            state.admission_needed = state.admission_needed.min(left.len() as u64);
            state.proposer = left[0];
            let victim = self.person_with(&key).unwrap_or_default();
            let keys = self.keys_of(victim);
            let drawn = super::Drawn::any(random);
            state.cuts = self.draw_cuts(random, &keys, drawn).0;
            self.removed.insert(victim);
            self.certify_state(side, state, &left);
        }
    }

    /// Each delegate of some revokes the next one, the last one the first.
    pub(super) fn revoke_in_a_circle(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let around = 2 + random.below(2);
        let (_, state) = self.with_delegates(sight, side, around);
        let all: Vec<usize> = state
            .delegates
            .iter()
            .filter_map(|it| self.person_with(it))
            .collect();
        self.count(match around {
            2 => Mischief::MutualRevocation,
            _ => Mischief::CircularRevocation,
        });
        let needed = state.admission_needed as usize;
        let party = self.sides[side].id;
        for number in 0..around {
            let victim = all[(number + 1) % around];
            let target = Target::Member(self.people[victim].root.public());
            let others = (0..all.len()).map(|it| all[(number + it) % all.len()]);
            let others: Vec<usize> = others.filter(|it| *it != victim).collect();
            for by in others.into_iter().take(needed) {
                self.sign_revocation(random, by, party, target, victim);
            }
        }
    }

    /// Resolutions upon one charter, each removing a party that carries the others.
    pub(super) fn remove_each_other(&mut self, random: &mut Random, sight: &dyn Sight) {
        let mut parties: Vec<PartyId> = self.in_force(sight).pins.into_keys().collect();
        random.shuffle(&mut parties);
        let around = match random.chance(60) {
            true => 3.min(parties.len()),
            false => 2,
        };
        if parties.len() < 2 {
            return;
        }
        self.count(match around {
            2 => Mischief::MutualRemovalOfParties,
            _ => Mischief::CircularRemovalOfParties,
        });
        for victim in parties.into_iter().take(around) {
            let changes = vec![Change::RemoveParty(victim)];
            let mut resolution = self.upon_charter(random, sight, changes);
            let others = resolution.pins.iter().filter(|(it, _)| *it != victim);
            let states = others.filter_map(|(of, at)| self.state_of(of, at));
            let states: Vec<&PartyState> = states.collect();
            let signers = states.iter().flat_map(|it| it.delegates.clone());
            let mut signers: Vec<PublicKey> = signers.collect();
            signers.sort();
            signers.dedup();
            let Some(first) = signers.first() else {
                continue;
            };
            resolution.proposer = *first;
            let body = CertificateBody::Resolution(resolution.clone());
            let id = self.certify(body, &signers);
            self.enact(id, &resolution);
        }
        self.count(Mischief::Fork);
    }
}
