//! Spaces that not everyone may know of: declared by a party for its own, or by a person for some,
//! and the grants by which nodes read them for people.

use super::{Sight, World};
use crate::{
    community::{START_MS, page, splice},
    random::Random,
};
use comity_protocol::{
    access::NodeGrant,
    certificate::{
        CertificateBody, Declarer, PartyState, Readers, Space, SpaceDeclaration, Writers, space_id,
    },
    entry::Entry,
    id::{PartyId, SpaceId},
    key::PublicKey,
    record::RecordBody,
};
use std::collections::BTreeSet;

/// Persons of a small space at the beginning, the one who declares it included.
const PERSONS_MAX: usize = 3;

/// Who reads a restricted space.
enum Circle {
    /// A party, by number.
    Party(usize),
    /// Persons, by number; never others.
    Persons(Vec<usize>),
}

/// A restricted space.
pub(crate) struct Restricted {
    pub(crate) space: SpaceId,
    circle: Circle,
}

/// A device's leave for a node to read.
pub(crate) struct Granted {
    /// The node, by number.
    pub(crate) node: usize,
    pub(crate) grant: NodeGrant,
}

impl World {
    /// Somebody declares a restricted space, as an entry, and lets nodes read it for those whom
    /// nodes of their party do not serve. Some of these grants end soon.
    pub(crate) fn declare_restricted(
        &mut self,
        random: &mut Random,
        now_ms: u64,
    ) -> (Entry, Vec<Granted>) {
        let person = random.below(self.people.len());
        let side = self.people[person].party;
        let (circle, declarer, readers, signers) = match random.chance(40) {
            true => {
                let (id, state) = self.sides[side].states[0].clone();
                let declarer = Declarer::Party {
                    party: self.sides[side].id,
                    state: id,
                    proposer: state.delegates[0],
                };
                let readers = Readers::Parties(vec![self.sides[side].id]);
                (Circle::Party(side), declarer, readers, state.delegates)
            }
            false => {
                let root = self.people[person].root.public();
                let mut persons = BTreeSet::from([person]);
                for _ in 1..PERSONS_MAX {
                    persons.insert(random.below(self.people.len()));
                }
                let keys = persons.iter().map(|it| self.people[*it].root.public());
                let mut keys: Vec<PublicKey> = keys.collect();
                keys.sort();
                let declarer = Declarer::Member { root, signer: root };
                let circle = Circle::Persons(persons.into_iter().collect());
                (circle, declarer, Readers::Persons(keys), vec![root])
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
        let space = space_id(self.id, id.as_bytes(), 1);
        self.spaces.push(space);
        let readers = match &circle {
            // One of the party reads from elsewhere.
            Circle::Party(_) => vec![person],
            Circle::Persons(persons) => persons.clone(),
        };
        self.restricted.push(Restricted { space, circle });
        let grants = readers
            .into_iter()
            .map(|person| self.grant(random, person, now_ms));
        let grants = grants.collect();
        let entry = self.entries[self.entries.len() - 1].clone();
        (entry, grants)
    }

    /// A person lets a node read: mostly one of the party, sometimes any.
    fn grant(&mut self, random: &mut Random, person: usize, now_ms: u64) -> Granted {
        let node = match random.chance(70) {
            true => *random
                .pick(&self.sides[self.people[person].party].nodes)
                .unwrap(),
            false => random.below(self.nodes.len()),
        };
        let lasts_ms = match random.chance(20) {
            true => 1_000 + random.below(60_000) as u64,
            false => comity_protocol::access::GRANT_LIFETIME_MS,
        };
        let device = self.people[person].devices[0].secret();
        let key = self.nodes[node].public();
        let grant = NodeGrant::sign(device, self.id, key, now_ms + lasts_ms);
        self.granted.push((person, node));
        Granted { node, grant }
    }

    /// The restricted spaces that were declared so far.
    pub(crate) fn restricted(&self) -> &[Restricted] {
        &self.restricted
    }

    /// Whether a space is restricted.
    pub(crate) fn is_restricted(&self, space: &SpaceId) -> bool {
        self.restricted.iter().any(|it| it.space == *space)
    }

    /// One who reads the space writes there.
    pub(crate) fn write_in(
        &mut self,
        random: &mut Random,
        sight: &dyn Sight,
        space: SpaceId,
    ) -> Vec<Entry> {
        let Some(number) = self.restricted.iter().position(|it| it.space == space) else {
            return Vec::new();
        };
        let people: Vec<usize> = (0..self.people.len())
            .filter(|it| self.belongs(&self.restricted[number].circle, *it))
            .collect();
        let Some(person) = random.pick(&people).copied() else {
            return Vec::new();
        };
        let papers: Vec<usize> = (0..self.papers.len())
            .filter(|it| self.papers[*it].space == space && sight.sees(&self.papers[*it].said[0]))
            .collect();
        let entry = match random.pick(&papers) {
            Some(paper) if random.chance(70) => {
                let said = self.papers[*paper].said.iter();
                let seen: Vec<_> = said.filter(|it| sight.sees(it)).copied().collect();
                let deps = vec![*random.pick(&seen).unwrap()];
                self.sign_edit(*paper, person, 0, deps, vec![splice(0, 0, "quietly ")])
            }
            _ => {
                let draft = page("Aside", "Between us.");
                let entry = self.people[person].devices[0].create(space, &draft);
                self.open_paper(space, &entry, true, person);
                self.said(space, entry.clone());
                entry
            }
        };
        vec![entry]
    }

    fn belongs(&self, circle: &Circle, person: usize) -> bool {
        match circle {
            Circle::Party(side) => self.people[person].party == *side,
            Circle::Persons(persons) => persons.contains(&person),
        }
    }

    /// Whether a node could ever rightly hold a restricted space: it stands in some state of the
    /// party, signed or proposed, or serves or was granted leave by somebody who ever belonged to
    /// those who read it. Asks nothing of what counts: it allows more than authority ever does.
    pub(crate) fn may_ever_hold(&self, node: usize, space: &SpaceId) -> bool {
        let Some(known) = self.restricted.iter().find(|it| it.space == *space) else {
            return true;
        };
        let key = self.nodes[node].public();
        let people: BTreeSet<PublicKey> = match &known.circle {
            Circle::Persons(persons) => {
                let roots = persons.iter().map(|it| self.people[*it].root.public());
                roots.collect()
            }
            Circle::Party(side) => {
                let party = self.sides[*side].id;
                if self.states_of(party).any(|it| it.nodes.contains(&key)) {
                    return true;
                }
                self.ever_admitted(*side)
            }
        };
        let granted = self.granted.iter();
        let mut granted = granted.filter(|(_, of)| *of == node);
        granted.any(|(person, _)| people.contains(&self.people[*person].root.public()))
            || self.entries.iter().any(|entry| match entry {
                Entry::Record(it) => match it.body() {
                    RecordBody::NodeLink(link) => {
                        link.node == key && people.contains(&it.header().author)
                    }
                    _ => false,
                },
                _ => false,
            })
    }

    /// Every state of a party that anybody signed or proposed.
    fn states_of(&self, party: PartyId) -> impl Iterator<Item = PartyState> {
        let own = move |body: CertificateBody| match body {
            CertificateBody::Party(state) => {
                let of = state.parent.map(|(of, _)| of);
                let of = of.unwrap_or_else(|| comity_protocol::certificate::party_id(&state));
                (of == party).then_some(state)
            }
            _ => None,
        };
        let bodies = self.entries.iter().filter_map(|entry| match entry {
            Entry::Certificate(it) => Some(it.body().clone()),
            Entry::Record(it) => match it.body() {
                RecordBody::Proposal(it) => it.decoded().ok(),
                _ => None,
            },
            Entry::Contribution(_) | Entry::Bare(_) => None,
        });
        bodies.filter_map(own)
    }

    /// The root keys that anybody ever wanted in a party.
    fn ever_admitted(&self, side: usize) -> BTreeSet<PublicKey> {
        let party = self.sides[side].id;
        let mut roots = BTreeSet::new();
        for it in self.states_of(party) {
            let listed = [it.delegates, it.stewards, it.moderators, it.observers];
            roots.extend(listed.into_iter().flatten());
        }
        for entry in &self.entries {
            let Entry::Record(record) = entry else {
                continue;
            };
            match record.body() {
                RecordBody::Admission(it) if it.party == party => roots.insert(it.member),
                RecordBody::Countersignature(it) => roots.insert(it.member),
                _ => false,
            };
        }
        roots
    }
}
