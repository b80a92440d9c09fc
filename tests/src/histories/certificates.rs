//! What parties decide: states of a party, resolutions, deliberation, declarations, erasures.

use super::{Enacted, Sight, World};
use crate::{community::START_MS, random::Random};
use comity_protocol::{
    certificate::{
        CertificateBody, Change, Cuts, Declarer, ErasureOrder, ForkProof, Group, PartyState,
        Promise, Readers, Resolution, Space, SpaceDeclaration, Writers, body_id, sign_body,
        space_id,
    },
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{Approval, BranchChoice, Proposal, RecordBody, Rejection},
};
use std::collections::BTreeMap;

impl World {
    /// Somebody moves a party, the charter or a space.
    pub(super) fn decide(&mut self, random: &mut Random, sight: &dyn Sight) {
        match random.below(12) {
            0..3 => self.amend(random, sight),
            3..6 => self.resolve(random, sight),
            6 => self.propose(random, sight),
            7..9 => self.answer(random),
            9 => self.choose(random),
            10 => self.declare(random, sight),
            _ => self.order_erasure(random, sight),
        }
    }

    /// A later state of a party, mostly upon its newest one.
    fn amend(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let state = self.next_state(random, sight, side);
        let Some((_, parent)) = state.parent else {
            return;
        };
        let states = &self.sides[side].states;
        let (_, before) = states.iter().find(|(id, _)| *id == parent).unwrap();
        let mut signers = before.delegates.clone();
        random.shuffle(&mut signers);
        let enough = before.delegates_needed as usize;
        let few = if random.chance(85) {
            enough
        } else {
            enough - 1
        };
        signers.truncate(few.max(1));
        if signers.len() >= enough {
            self.certify_state(side, state, &signers);
        } else {
            self.certify(CertificateBody::Party(state), &signers);
        }
    }

    pub(super) fn next_state(
        &mut self,
        random: &mut Random,
        sight: &dyn Sight,
        side: usize,
    ) -> PartyState {
        let states = &self.sides[side].states;
        let known: Vec<usize> = (0..states.len())
            .filter(|it| sight.sees(&states[*it].0))
            .collect();
        let (parent, before) = states[upon(&known, random)].clone();
        let member = *random.pick(&self.root_keys()).unwrap();
        let mut state = PartyState {
            parent: Some((self.sides[side].id, parent)),
            height: before.height + 1,
            proposer: before.delegates[0],
            cuts: Cuts::default(),
            ..before
        };
        let toggle = |keys: &mut Vec<PublicKey>, key: PublicKey| match keys.binary_search(&key) {
            Ok(place) => drop(keys.remove(place)),
            Err(place) => keys.insert(place, key),
        };
        let mut dropped = vec![member];
        match random.below(8) {
            0 | 1 => {
                toggle(&mut state.delegates, member);
                if state.delegates.is_empty() {
                    state.delegates.push(member);
                }
                let delegates = state.delegates.len() as u64;
                state.delegates_needed = delegates / 2 + 1;
                state.admission_needed = state.admission_needed.min(delegates);
            }
            2 => toggle(&mut state.stewards, member),
            3 => toggle(&mut state.observers, member),
            4 | 5 => {
                let node = random.pick(&self.nodes).unwrap().public();
                toggle(&mut state.nodes, node);
                dropped = vec![node];
            }
            6 => {
                let name = "Gardeners".to_owned();
                let keys = vec![member];
                state.groups = match state.groups.is_empty() || random.chance(50) {
                    true => vec![Group { name, keys }],
                    false => Vec::new(),
                };
            }
            _ if random.chance(30) => toggle_left(&mut state, self.id),
            _ if random.chance(50) => {
                let delegates = state.delegates.len();
                state.admission_needed = 1 + random.below(delegates) as u64;
                dropped.clone_from(&state.delegates);
            }
            _ => state.name = format!("Party of {}", self.entries.len()),
        }
        if random.chance(60) {
            let drawn = super::Drawn::any(random);
            state.cuts = self.draw_cuts(random, &dropped, drawn).0;
        }
        state
    }

    fn root_keys(&self) -> Vec<PublicKey> {
        self.people.iter().map(|it| it.root.public()).collect()
    }

    /// A resolution, mostly by enough parties and upon the newest state.
    fn resolve(&mut self, random: &mut Random, sight: &dyn Sight) {
        let (resolution, parent) = self.next_resolution(random, sight);
        let parties = parent.pins.len();
        self.resolve_by(random, resolution, None, parties);
    }

    /// A party resolves something without the others.
    pub(crate) fn resolve_alone(&mut self, random: &mut Random) {
        let (resolution, parent) = self.next_resolution(random, &Everything);
        self.resolve_by(random, resolution, Some(1), parent.pins.len());
    }

    fn resolve_by(
        &mut self,
        random: &mut Random,
        resolution: Resolution,
        approve: Option<usize>,
        parties: usize,
    ) {
        let mut ids: Vec<PartyId> = resolution.pins.iter().map(|(id, _)| *id).collect();
        random.shuffle(&mut ids);
        let approve = approve.unwrap_or_else(|| match random.below(10) {
            0..5 => parties,
            5..9 => parties / 2 + 1,
            _ => (parties / 2).max(1),
        });
        ids.truncate(approve.max(1));
        let pinned: BTreeMap<PartyId, EntryId> = resolution.pins.iter().copied().collect();
        let mut signers = Vec::new();
        for party in ids {
            let state = self.state_of(&party, &pinned[&party]);
            let needed = state.map_or(0, |it| it.delegates_needed as usize);
            let delegates = state.map(|it| it.delegates.clone()).unwrap_or_default();
            signers.extend(delegates.into_iter().take(needed));
        }
        signers.sort();
        signers.dedup();
        if signers.is_empty() {
            return;
        }
        let enacted = Enacted {
            id: EntryId::from_bytes([0; 32]),
            height: resolution.height,
            pins: pinned,
        };
        self.note_spaces(&resolution);
        let id = self.certify(CertificateBody::Resolution(resolution), &signers);
        if approve > parties / 2 {
            self.charter.push(Enacted { id, ..enacted });
        }
    }

    pub(super) fn note_spaces(&mut self, resolution: &Resolution) {
        let body = CertificateBody::Resolution(resolution.clone()).encode();
        let id = body_id(&body);
        for (index, change) in resolution.changes.iter().enumerate() {
            if let Change::DeclareSpace(_) = change {
                let space = space_id(self.id, id.as_bytes(), index as u64 + 1);
                self.spaces.push(space);
            }
        }
    }

    pub(super) fn state_of(&self, party: &PartyId, state: &EntryId) -> Option<&PartyState> {
        let side = self.sides.iter().find(|it| it.id == *party)?;
        let found = side.states.iter().find(|(id, _)| id == state)?;
        Some(&found.1)
    }

    fn next_resolution(&mut self, random: &mut Random, sight: &dyn Sight) -> (Resolution, Enacted) {
        let charter = &self.charter;
        let known: Vec<usize> = (0..charter.len())
            .filter(|it| sight.sees(&charter[*it].id))
            .collect();
        let parent = charter[upon(&known, random)].clone();
        let mut changes = vec![self.change(random)];
        if random.chance(30) {
            changes.push(Change::SetArticle(
                "more".to_owned(),
                "Also this.".to_owned(),
            ));
        }
        let mut pins = parent.pins.clone();
        for change in &changes {
            if let Change::AddParty(party) = change {
                pins.entry(*party).or_insert(EntryId::from_bytes([0; 32]));
            }
        }
        // Each party is pinned at its newest state, or somewhere else.
        for (party, pin) in &mut pins {
            let Some(side) = self.sides.iter().find(|it| it.id == *party) else {
                continue;
            };
            let mut known = side.states.iter().filter(|it| sight.sees(&it.0));
            let state = match random.chance(85) {
                true => known.next_back(),
                false => random.pick(&side.states),
            };
            *pin = state.map_or(*pin, |it| it.0);
        }
        let mut fork_proofs = Vec::new();
        if random.chance(10) {
            let side = &self.sides[random.below(self.sides.len())];
            let (left, right) = (side.states[0].0, side.states.last().unwrap().0);
            if left != right && pins.contains_key(&side.id) {
                let party = side.id;
                fork_proofs.push(ForkProof { party, left, right });
            }
        }
        let narrows = changes.iter().any(Change::is_narrowing);
        let cuts = match narrows && random.chance(60) {
            true => {
                let keys: Vec<PublicKey> = self.chains.keys().map(|(_, key)| *key).collect();
                let drawn = super::Drawn::any(random);
                self.draw_cuts(random, &keys, drawn).0
            }
            false => Cuts::default(),
        };
        let pinned = pins
            .iter()
            .next()
            .and_then(|(party, state)| self.state_of(party, state));
        let proposer = pinned.map_or(self.people[0].root.public(), |it| it.delegates[0]);
        let resolution = Resolution {
            community: self.id,
            parent: parent.id,
            height: parent.height + 1,
            pins: pins.into_iter().collect(),
            fork_proofs,
            proposer,
            nonce: self.nonce(),
            changes,
            cuts,
            reason: String::new(),
            time_ms: START_MS,
        };
        (resolution, parent)
    }

    pub(super) fn change(&self, random: &mut Random) -> Change {
        let number = self.entries.len();
        let name = || format!("name {number}");
        let party = random.pick(&self.sides).unwrap().id;
        let space = *random.pick(&self.spaces).unwrap();
        let person = random.pick(&self.people).unwrap();
        match random.below(16) {
            0 => Change::SetName(name()),
            1 => Change::SetPurpose(name()),
            2 => Change::AddParty(party),
            3 => Change::RemoveParty(party),
            4 => Change::SetPartyQuorum(1 + random.below(self.sides.len()) as u64),
            5 | 6 => Change::DeclareSpace(Space::new(name(), Readers::Members, Writers::Members)),
            7 => Change::CloseSpace(space),
            8 => Change::NarrowKinds(space, vec!["page".to_owned()]),
            9 => Change::SetPromise(Promise {
                party: random.chance(50).then_some(party),
                name: "answer".to_owned(),
                days: random.below(30) as u64,
            }),
            10 => Change::RemovePromise(None, "answer".to_owned()),
            11 => Change::Revoke(self.sides[person.party].id, person.root.public()),
            12 => Change::CutNode(random.pick(&self.nodes).unwrap().public()),
            14 => Change::ConfirmStates,
            13 => Change::SetLabel(name(), "A label.".to_owned()),
            _ => Change::SetArticle(name(), "An article.".to_owned()),
        }
    }

    /// A delegate puts a resolution or a state of the party to the others.
    fn propose(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let body = match random.chance(70) {
            true => CertificateBody::Resolution(self.next_resolution(random, sight).0),
            false => CertificateBody::Party(self.next_state(random, sight, side)),
        };
        let body = body.encode();
        let by = self.delegate(side, random);
        self.proposals.push((body_id(&body), body.clone()));
        self.say(by, RecordBody::Proposal(Proposal { body }));
    }

    /// Delegates approve and reject proposals, also several of one parent and one of them twice.
    fn answer(&mut self, random: &mut Random) {
        for _ in 0..1 + random.below(4) {
            let Some((certificate, body)) = random.pick(&self.proposals).cloned() else {
                return;
            };
            let side = random.below(self.sides.len());
            let by = self.delegate(side, random);
            let body = match random.chance(75) {
                true => RecordBody::Approval(Approval {
                    certificate,
                    signature: sign_body(self.people[by].root.secret(), &body),
                }),
                false => RecordBody::Rejection(Rejection {
                    certificate,
                    reason: String::new(),
                }),
            };
            self.say(by, body);
        }
    }

    /// A delegate says which branch of a fork to follow.
    fn choose(&mut self, random: &mut Random) {
        let side = random.below(self.sides.len());
        let by = self.delegate(side, random);
        let chosen = match random.chance(50) {
            true => random.pick(&self.charter).unwrap().id,
            false => random.pick(&self.sides[side].states).unwrap().0,
        };
        self.say(by, RecordBody::BranchChoice(BranchChoice { chosen }));
    }

    /// A restricted space of a party or of some people.
    fn declare(&mut self, random: &mut Random, sight: &dyn Sight) {
        if !self.shape.declares {
            return self.order_erasure(random, sight);
        }
        let person = random.below(self.people.len());
        let side = self.people[person].party;
        let (state_id, state) = self.sides[side].states.last().unwrap().clone();
        let root = self.people[person].root.public();
        let (declarer, readers, signers) = match random.chance(50) {
            true => {
                let (party, state) = (self.sides[side].id, state_id);
                let proposer = state_proposer(&self.sides[side].states);
                let declarer = Declarer::Party {
                    party,
                    state,
                    proposer,
                };
                (
                    declarer,
                    Readers::Parties(vec![party]),
                    self.sides[side].states.last().unwrap().1.delegates.clone(),
                )
            }
            false => {
                let mut persons = vec![root, *random.pick(&state.delegates).unwrap()];
                persons.sort();
                persons.dedup();
                let declarer = Declarer::Member { root, signer: root };
                (declarer, Readers::Persons(persons), vec![root])
            }
        };
        let declaration = SpaceDeclaration {
            community: self.id,
            declarer,
            space: Space::new("aside", readers, Writers::Members),
            nonce: self.nonce(),
            time_ms: START_MS,
        };
        let id = self.certify(CertificateBody::SpaceDeclaration(declaration), &signers);
        self.spaces.push(space_id(self.id, id.as_bytes(), 1));
    }

    /// Parties order the erasure of somebody's words.
    fn order_erasure(&mut self, random: &mut Random, sight: &dyn Sight) {
        let Some((paper, seen)) = self.some_paper(random, sight) else {
            return;
        };
        let charter = random.pick(&self.charter).unwrap().clone();
        let approve = 1 + random.below(charter.pins.len());
        let states = charter.pins.iter().take(approve);
        let states = states.filter_map(|(party, pin)| self.state_of(party, pin));
        let mut signers: Vec<PublicKey> = states.flat_map(|it| it.delegates.clone()).collect();
        signers.sort();
        signers.dedup();
        let order = ErasureOrder {
            community: self.id,
            charter: charter.id,
            space: self.papers[paper].space,
            contribution: *random.pick(&seen).unwrap(),
            proposer: signers[0],
            reason: String::new(),
            time_ms: START_MS,
        };
        self.certify(CertificateBody::ErasureOrder(order), &signers);
    }
}

/// The sight of somebody to whom nothing is hidden.
struct Everything;

impl Sight for Everything {
    fn sees(&self, _: &EntryId) -> bool {
        true
    }

    fn offers(&self, _: &SpaceId) -> bool {
        true
    }
}

fn state_proposer(states: &[(EntryId, PartyState)]) -> PublicKey {
    states.last().unwrap().1.delegates[0]
}

fn toggle_left(state: &mut PartyState, community: comity_protocol::id::CommunityId) {
    state.left = match state.left.is_empty() {
        true => vec![community],
        false => Vec::new(),
    };
}

/// Mostly the newest of what is known, else any of it; the first where nothing is.
fn upon(known: &[usize], random: &mut Random) -> usize {
    let any = match random.chance(80) {
        true => known.last(),
        false => random.pick(known),
    };
    any.copied().unwrap_or_default()
}
