//! How delegates come to decisions in the open, and how some of them break the rules of it: they
//! approve two children of one state, or approve and reject the same.

use super::{Enacted, Mischief, Sight, World};
use crate::{community::START_MS, random::Random};
use comity_protocol::{
    certificate::{
        CertificateBody, Change, Cuts, ErasureOrder, PartyState, Resolution, body_id, sign_body,
    },
    id::{EntryId, PartyId},
    key::PublicKey,
    record::{Approval, Proposal, RecordBody, Rejection},
};
use std::collections::BTreeMap;

/// A proposed body: its id and its encoding.
type Put = (EntryId, Vec<u8>);

impl World {
    /// Something is proposed that could pass, and delegates answer it.
    pub(super) fn deliberate(&mut self, random: &mut Random, sight: &dyn Sight) {
        self.note_passed(sight);
        match random.below(9) {
            0..2 => self.carry(random, sight, true),
            2..4 => self.carry(random, sight, false),
            4 => self.approve_twice(random, sight),
            5 => self.approve_and_reject(random, sight),
            6 | 7 => self.cross(random, sight),
            _ => self.carry_order(random, sight),
        }
    }

    /// What passed by approvals alone is what others build on.
    fn note_passed(&mut self, sight: &dyn Sight) {
        for (id, body) in self.proposals.clone() {
            let known = self.charter.iter().any(|it| it.id == id)
                || self
                    .sides
                    .iter()
                    .any(|it| it.states.iter().any(|it| it.0 == id));
            if known || !sight.sees(&id) {
                continue;
            }
            match (Proposal { body }).decoded() {
                Ok(CertificateBody::Resolution(it)) => self.enact(id, &it),
                Ok(CertificateBody::Party(state)) => {
                    let of = state.parent.map(|(of, _)| of);
                    let side = self.sides.iter_mut().find(|it| Some(it.id) == of);
                    side.unwrap().states.push((id, state));
                }
                _ => {}
            }
        }
    }

    /// A resolution is what others build on now.
    pub(super) fn enact(&mut self, id: EntryId, resolution: &Resolution) {
        self.note_spaces(resolution);
        let removed = |party: &PartyId| {
            let mut changes = resolution.changes.iter();
            changes.any(|it| *it == Change::RemoveParty(*party))
        };
        let pins = resolution.pins.iter().filter(|(party, _)| !removed(party));
        self.charter.push(Enacted {
            id,
            height: resolution.height,
            pins: pins.copied().collect(),
        });
    }

    /// The charter in force where the deed is done.
    pub(super) fn in_force(&self, sight: &dyn Sight) -> Enacted {
        if let Some((id, height, pins)) = sight.charter() {
            return Enacted { id, height, pins };
        }
        let mut known = self.charter.iter().filter(|it| sight.sees(&it.id));
        known.next_back().unwrap_or(&self.charter[0]).clone()
    }

    /// The state of a party in force where the deed is done.
    pub(super) fn head_of(&self, side: usize, sight: &dyn Sight) -> (EntryId, PartyState) {
        let Some(head) = sight.state(&self.sides[side].id) else {
            return self.sides[side].states.last().unwrap().clone();
        };
        let mut states = self.sides[side].states.iter();
        let found = states.find(|(id, _)| *id == head);
        found.unwrap_or(&self.sides[side].states[0]).clone()
    }

    /// A resolution upon the charter in force, pinned mostly to the states in force.
    pub(super) fn upon_charter(
        &mut self,
        random: &mut Random,
        sight: &dyn Sight,
        changes: Vec<Change>,
    ) -> Resolution {
        let parent = self.in_force(sight);
        let mut pins = parent.pins;
        for (party, pin) in &mut pins {
            if random.chance(80) {
                *pin = sight.state(party).unwrap_or(*pin);
            }
        }
        let cuts = match changes.iter().any(Change::is_narrowing) {
            true => {
                let keys: Vec<PublicKey> = self.chains.keys().map(|(_, key)| *key).collect();
                let drawn = super::Drawn::any(random);
                self.draw_cuts(random, &keys, drawn).0
            }
            false => Cuts::default(),
        };
        let mut states = pins.iter().filter_map(|(of, at)| self.state_of(of, at));
        let proposer = states.next().map(|it| it.delegates[0]);
        Resolution {
            community: self.id,
            parent: parent.id,
            height: parent.height + 1,
            proposer: proposer.unwrap_or(self.people[0].root.public()),
            pins: pins.into_iter().collect(),
            fork_proofs: Vec::new(),
            nonce: self.nonce(),
            changes,
            cuts,
            reason: String::new(),
            time_ms: START_MS,
        }
    }

    fn some_resolution(&mut self, random: &mut Random, sight: &dyn Sight) -> Resolution {
        let change = match random.chance(50) {
            true => self.change(random),
            false => Change::SetArticle(
                format!("article {}", self.entries.len()),
                "As we agreed.".to_owned(),
            ),
        };
        self.upon_charter(random, sight, vec![change])
    }

    /// Who has a say in a body, by party.
    fn electors(&self, body: &CertificateBody) -> Vec<Vec<usize>> {
        let pins: Vec<(PartyId, EntryId)> = match body {
            CertificateBody::Resolution(it) => it.pins.clone(),
            CertificateBody::Party(it) => it.parent.into_iter().collect(),
            CertificateBody::ErasureOrder(it) => {
                let named = self.charter.iter().find(|known| known.id == it.charter);
                let pins = named.map(|it| it.pins.clone()).unwrap_or_default();
                pins.into_iter().collect()
            }
            _ => Vec::new(),
        };
        let states = pins.iter().filter_map(|(of, at)| self.state_of(of, at));
        let people = |state: &PartyState| {
            let keys = state.delegates.iter();
            keys.filter_map(|key| self.person_with(key)).collect()
        };
        states.map(people).collect()
    }

    fn put_forward(&mut self, random: &mut Random, body: &CertificateBody) -> Put {
        let electors = self.electors(body).concat();
        let by = random.pick(&electors).copied().unwrap_or_default();
        let body = body.encode();
        let put = (body_id(&body), body.clone());
        self.proposals.push(put.clone());
        self.say(by, RecordBody::Proposal(Proposal { body }));
        put
    }

    fn approve(&mut self, by: usize, (certificate, body): &Put) {
        let signature = sign_body(self.people[by].root.secret(), body);
        let certificate = *certificate;
        let approval = Approval {
            certificate,
            signature,
        };
        self.say(by, RecordBody::Approval(approval));
    }

    fn reject(&mut self, by: usize, (certificate, _): &Put) {
        let rejection = Rejection {
            certificate: *certificate,
            reason: String::new(),
        };
        self.say(by, RecordBody::Rejection(rejection));
    }

    /// All approve, or a quorum and some of the others.
    fn carry(&mut self, random: &mut Random, sight: &dyn Sight, all: bool) {
        let body = match random.chance(65) {
            true => CertificateBody::Resolution(self.some_resolution(random, sight)),
            false => {
                let side = random.below(self.sides.len());
                CertificateBody::Party(self.next_state(random, sight, side))
            }
        };
        let mut parties = self.electors(&body);
        let put = self.put_forward(random, &body);
        random.shuffle(&mut parties);
        let quorum = parties.len() / 2 + 1;
        for (number, electors) in parties.into_iter().enumerate() {
            for by in electors {
                if all || number < quorum || random.chance(30) {
                    self.approve(by, &put);
                } else if random.chance(50) {
                    self.reject(by, &put);
                }
            }
        }
    }

    /// Two children of the charter in force.
    fn put_siblings(
        &mut self,
        random: &mut Random,
        sight: &dyn Sight,
    ) -> (Vec<Vec<usize>>, [Put; 2]) {
        let left = CertificateBody::Resolution(self.some_resolution(random, sight));
        let right = CertificateBody::Resolution(self.some_resolution(random, sight));
        let electors = self.electors(&left);
        let siblings = [&left, &right].map(|it| self.put_forward(random, it));
        (electors, siblings)
    }

    fn approve_twice(&mut self, random: &mut Random, sight: &dyn Sight) {
        let (electors, siblings) = self.put_siblings(random, sight);
        let mut electors = electors.concat();
        random.shuffle(&mut electors);
        if let Some(traitor) = electors.pop() {
            self.count(Mischief::ApprovingTwice);
            siblings.iter().for_each(|it| self.approve(traitor, it));
        }
        for by in electors {
            self.approve(by, &siblings[random.below(2)]);
        }
    }

    fn approve_and_reject(&mut self, random: &mut Random, sight: &dyn Sight) {
        let body = CertificateBody::Resolution(self.some_resolution(random, sight));
        let mut electors = self.electors(&body).concat();
        let put = self.put_forward(random, &body);
        random.shuffle(&mut electors);
        if let Some(wavering) = electors.pop() {
            self.count(Mischief::ApprovingAndRejecting);
            self.reject(wavering, &put);
            self.approve(wavering, &put);
        }
        for by in electors {
            match random.below(10) {
                0..7 => self.approve(by, &put),
                7..9 => self.reject(by, &put),
                _ => {}
            }
        }
    }

    /// Every second party approves the one and rejects the other; the rest the other way round.
    fn cross(&mut self, random: &mut Random, sight: &dyn Sight) {
        let (parties, siblings) = self.put_siblings(random, sight);
        if parties.len() > 1 {
            self.count(Mischief::CrossingApprovals);
        }
        for (number, electors) in parties.into_iter().enumerate() {
            let (this, that) = (&siblings[number % 2], &siblings[1 - number % 2]);
            for by in electors {
                self.approve(by, this);
                self.reject(by, that);
            }
        }
    }

    /// All parties together order the erasure of what somebody said where everyone reads.
    fn carry_order(&mut self, random: &mut Random, sight: &dyn Sight) {
        let said: BTreeMap<EntryId, ()> = self
            .papers
            .iter()
            .filter(|it| it.space == self.public)
            .flat_map(|it| it.said.iter().map(|id| (*id, ())))
            .filter(|(id, ())| sight.sees(id))
            .collect();
        let said: Vec<EntryId> = said.into_keys().collect();
        let Some(contribution) = random.pick(&said).copied() else {
            return;
        };
        let charter = self.in_force(sight);
        let mut states = charter
            .pins
            .iter()
            .filter_map(|(of, at)| self.state_of(of, at));
        let proposer = states.next().map(|it| it.delegates[0]);
        let body = CertificateBody::ErasureOrder(ErasureOrder {
            community: self.id,
            charter: charter.id,
            space: self.public,
            contribution,
            proposer: proposer.unwrap_or(self.people[0].root.public()),
            reason: "By all of us".to_owned(),
            time_ms: START_MS,
        });
        let put = self.put_forward(random, &body);
        for by in self.electors(&body).concat() {
            self.approve(by, &put);
        }
    }
}
