//! What several do together, or one does in several steps.

use super::{Mischief, Sight, World};
use crate::{
    community::{START_MS, page},
    random::Random,
};
use comity_protocol::{
    certificate::{
        Certificate, CertificateBody, Declarer, Group, Readers, Space, SpaceDeclaration, Writers,
        space_id,
    },
    entry::Entry,
    key::{PublicKey, SecretKey},
    record::Role,
};

/// The group that parties have.
const GROUP: &str = "Gardeners";

impl World {
    /// Lets people do what takes more than one deed. Gives back what was signed.
    pub fn plot(&mut self, random: &mut Random, sight: &dyn Sight) -> Vec<Entry> {
        let before = self.entries.len();
        match random.below(25) {
            0..8 => self.deliberate(random, sight),
            8..10 => self.steal(random, sight),
            10 => self.drop_each_other(random, sight),
            11 => self.remove_each_other(random, sight),
            12 | 13 => self.revoke_in_a_circle(random, sight),
            14 => self.come_back(random, sight),
            15 => self.list_helpers(random, sight),
            16 => self.gather(random, sight),
            17 => self.invite_for_a_while(random),
            18 => self.strip(random),
            19 => self.take_back(random, sight),
            // New people take the places of those who were removed, and write.
            _ => self.found_anew(random, sight),
        }
        self.entries[before..].to_vec()
    }

    /// A party takes in somebody by those who speak for it now; the newcomer opens a page, and others
    /// write on it.
    fn found_anew(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let (_, state) = self.head_of(side, sight);
        let who = self.newcomer(side);
        let needed = state.admission_needed as usize;
        for delegate in state.delegates.iter().take(needed) {
            if let Some(by) = self.person_with(delegate) {
                self.admit(by, self.sides[side].id, who, [Role::Member].into());
            }
        }
        self.link(who, 0, 0);
        let space = self.public;
        let number = self.papers.len();
        let draft = page(&format!("Page {number}"), "Begun again.");
        let entry = self.people[who].devices[0].create(space, &draft);
        self.open_paper(space, &entry, true, who);
        self.said(space, entry);
        for person in [who, random.below(self.people.len()), who] {
            self.write_with(number, person, 0, "and ");
        }
    }

    /// A party drops a delegate, who admits somebody after that; and admits again who was removed.
    fn come_back(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let head = self.head_of(side, sight);
        let removed: Vec<usize> = self.removed.iter().copied().collect();
        if let Some(who) = random.pick(&removed).copied() {
            self.admit_by_delegates(random, side, who, true);
        }
        if head.1.delegates.len() < 2 {
            return;
        }
        let key = *random.pick(&head.1.delegates).unwrap();
        let by = self.person_with(&key).unwrap_or_default();
        let mut state = self.after(side, &head);
        state.delegates.retain(|it| *it != key);
        let left = state.delegates.len() as u64;
        state.delegates_needed = left / 2 + 1;
        state.admission_needed = state.admission_needed.min(left);
        let keys = self.keys_of(by);
        let drawn = super::Drawn::any(random);
        state.cuts = self.draw_cuts(random, &keys, drawn).0;
        self.certify_state(side, state, &head.1.delegates);
        let who = self.newcomer(side);
        self.admit(by, self.sides[side].id, who, [Role::Member].into());
        self.link(who, 0, 0);
    }

    /// A party lists a moderator and a key that speaks for another system.
    fn list_helpers(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let head = self.head_of(side, sight);
        let mut state = self.after(side, &head);
        let some = |random: &mut Random| random.pick(&self.people).unwrap().root.public();
        let (moderator, bridge) = (some(random), some(random));
        for (keys, key) in [
            (&mut state.moderators, moderator),
            (&mut state.bridges, bridge),
        ] {
            if let Err(place) = keys.binary_search(&key) {
                keys.insert(place, key);
            }
        }
        self.certify_state(side, state, &head.1.delegates);
    }

    /// A party opens a space that one of its groups reads; one of the group writes there, and one
    /// who is mostly not.
    fn gather(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let mut head = self.head_of(side, sight);
        let own = (0..self.people.len()).filter(|it| self.people[*it].party == side);
        let own: Vec<usize> = own.collect();
        let member = *random.pick(&own).unwrap();
        if head.1.groups.is_empty() {
            let mut state = self.after(side, &head);
            state.groups = vec![Group {
                name: GROUP.to_owned(),
                keys: vec![self.people[member].root.public()],
            }];
            head = self.certify_state(side, state, &head.1.delegates);
        }
        let (id, state) = head;
        let party = self.sides[side].id;
        let declaration = SpaceDeclaration {
            community: self.id,
            declarer: Declarer::Party {
                party,
                state: id,
                proposer: state.delegates[0],
            },
            space: Space::new(
                "greenhouse",
                Readers::Groups(vec![(party, GROUP.to_owned())]),
                Writers::Members,
            ),
            nonce: self.nonce(),
            time_ms: START_MS,
        };
        let body = CertificateBody::SpaceDeclaration(declaration);
        let id = self.certify(body, &state.delegates);
        let space = space_id(self.id, id.as_bytes(), 1);
        self.spaces.push(space);
        let grouped = state.groups.iter().flat_map(|it| it.keys.iter());
        let grouped: Vec<usize> = grouped.filter_map(|it| self.person_with(it)).collect();
        for person in [
            random.pick(&grouped).copied().unwrap_or(member),
            random.below(self.people.len()),
        ] {
            let draft = page("Under glass", "For gardeners.");
            let entry = self.people[person].devices[0].create(space, &draft);
            self.open_paper(space, &entry, true, person);
            self.said(space, entry);
        }
    }

    /// An invitation with an end, past or to come: whether it has come is for its node to say.
    fn invite_for_a_while(&mut self, random: &mut Random) {
        let side = random.below(self.sides.len());
        let ends_ms = START_MS + 1_000 * random.below(100_000) as u64;
        self.invite_until(random, side, Some(ends_ms));
        let who = self.newcomer(side);
        let newest = self.invitations.len() - 1;
        self.countersign_on(newest, who);
        self.link(who, 0, 0);
    }

    /// A certificate goes round with a signature less than it has.
    fn strip(&mut self, random: &mut Random) {
        let certificates = self.entries.iter().filter_map(|it| match it {
            Entry::Certificate(it) if it.signers().count() > 1 => Some(it),
            _ => None,
        });
        let certificates: Vec<&Certificate> = certificates.collect();
        let Some(whole) = random.pick(&certificates) else {
            return;
        };
        let mut signers: Vec<PublicKey> = whole.signers().collect();
        signers.remove(random.below(signers.len()));
        let keys: Vec<&SecretKey> = signers
            .iter()
            .filter_map(|it| self.secrets.get(it))
            .collect();
        let fewer = Certificate::sign(whole.body().clone(), &keys);
        self.noise.push(Entry::Certificate(fewer).encode());
        self.count(Mischief::StrippedCertificate);
    }
}
