//! What attackers try.

use super::{Drawn, Mischief, Sight, World, stranger};
use crate::{
    community::{Signer, page, put, splice, topic},
    random::Random,
};
use comity_protocol::{
    certificate::{PartyState, governance_space, party_id},
    contribution::ChainLink,
    entry::Entry,
    id::{CommunityId, SpaceId},
    record::{Admission, RecordBody, Revocation, Role, Target},
};

/// How many entries a flood has.
const FLOOD: usize = 6;

impl World {
    /// Somebody breaks a rule.
    pub(super) fn cheat(&mut self, random: &mut Random, sight: &dyn Sight) {
        match random.below(11) {
            0 => self.admit_oneself(random),
            1 => self.admit_by_anybody(random),
            2 => self.equivocate_in_content(random, sight),
            3 => self.equivocate_in_governance(random),
            4 => self.leave_a_gap(random, sight),
            5 => self.flood(random),
            6 => self.expel_for_others(random),
            7 => self.expel_each_other(random),
            8 => self.backdate(random, sight),
            9 => self.replay(random),
            _ => self.forge(random),
        }
    }

    fn admit_oneself(&mut self, random: &mut Random) {
        self.count(Mischief::SelfAdmission);
        let side = random.below(self.sides.len());
        let who = self.newcomer(side);
        let roles = [Role::Member, Role::Steward].into();
        self.admit(who, self.sides[side].id, who, roles);
        self.link(who, 0, 0);
    }

    fn admit_by_anybody(&mut self, random: &mut Random) {
        self.count(Mischief::AdmissionByAnybody);
        let (by, who) = (
            random.below(self.people.len()),
            random.below(self.people.len()),
        );
        let side = random.below(self.sides.len());
        self.admit(by, self.sides[side].id, who, [Role::Member].into());
    }

    /// Two contributions with one number on one chain, concurrent to each other.
    fn equivocate_in_content(&mut self, random: &mut Random, sight: &dyn Sight) {
        let person = random.below(self.people.len());
        let Some((paper, seen)) = self.some_paper(random, sight) else {
            return;
        };
        self.count(Mischief::EquivocationInContent);
        let space = self.papers[paper].space;
        let link = self.people[person].devices[0].next_link(space);
        for words in ["left ", "right "] {
            self.people[person].devices[0].set_next_link(space, link);
            let deps = vec![*random.pick(&seen).unwrap()];
            self.sign_edit(paper, person, 0, deps, vec![splice(0, 0, words)]);
        }
    }

    fn equivocate_in_governance(&mut self, random: &mut Random) {
        self.count(Mischief::EquivocationInGovernance);
        let side = random.below(self.sides.len());
        let (by, space) = (self.delegate(side, random), self.governance);
        let link = self.people[by].root.next_link(space);
        for _ in 0..2 {
            self.people[by].root.set_next_link(space, link);
            let who = random.below(self.people.len());
            self.admit(by, self.sides[side].id, who, [Role::Member].into());
        }
    }

    /// An entry is left out of a chain for good.
    fn leave_a_gap(&mut self, random: &mut Random, sight: &dyn Sight) {
        self.count(Mischief::Gap);
        let person = random.below(self.people.len());
        let space = match random.chance(50) {
            true => self.public,
            false => self.governance,
        };
        let signer = match space == self.governance {
            true => &mut self.people[person].root,
            false => &mut self.people[person].devices[0],
        };
        let link = signer.next_link(space);
        let never_seen = signer.create(space, &topic("Nobody sees this", "")).id();
        signer.set_next_link(space, ChainLink::after(link.seq, never_seen));
        self.edit(random, sight, person);
    }

    /// More people on one invitation than it allows, and invitations without end.
    fn flood(&mut self, random: &mut Random) {
        self.count(Mischief::InvitationFlood);
        let side = random.below(self.sides.len());
        for _ in 0..FLOOD / 2 {
            self.invite(random, side);
        }
        for _ in 0..FLOOD {
            let who = self.newcomer(side);
            self.countersign(random, who);
        }
    }

    /// A delegate of one party revokes a member of another.
    pub(crate) fn expel_for_others(&mut self, random: &mut Random) {
        self.count(Mischief::RemovalForOthers);
        let side = random.below(self.sides.len());
        let by = self.delegate(side, random);
        let victim = random.below(self.people.len());
        let party = self.sides[self.people[victim].party].id;
        let target = Target::Member(self.people[victim].root.public());
        self.sign_revocation(random, by, party, target, victim);
    }

    /// Two delegates of one party revoke each other at once.
    fn expel_each_other(&mut self, random: &mut Random) {
        let side = random.below(self.sides.len());
        let (a, b) = (self.delegate(side, random), self.delegate(side, random));
        if a != b {
            self.count(Mischief::MutualRevocation);
        }
        let party = self.sides[side].id;
        for (by, victim) in [(a, b), (b, a)] {
            let target = Target::Member(self.people[victim].root.public());
            self.sign_revocation(random, by, party, target, victim);
        }
    }

    pub(super) fn sign_revocation(
        &mut self,
        random: &mut Random,
        by: usize,
        party: comity_protocol::id::PartyId,
        target: Target,
        victim: usize,
    ) {
        let keys = self.keys_of(victim);
        let drawn = Drawn::any(random);
        let (cuts, tree) = self.draw_cuts(random, &keys, drawn);
        let replaces = None;
        let body = Revocation {
            party,
            target,
            cuts,
            replaces,
        };
        let id = self.say(by, RecordBody::Revocation(body));
        self.narrowings.push((id, by));
        self.removed.insert(victim);
        self.publish_tables(random, by, id, tree);
    }

    /// A chain is started anew at its beginning, or somewhere on the way, with new words.
    fn backdate(&mut self, random: &mut Random, sight: &dyn Sight) {
        let person = random.below(self.people.len());
        let space = self.public;
        let key = self.people[person].devices[0].public();
        let chain = self.chains.get(&(space, key)).cloned().unwrap_or_default();
        let link = match random.pick(&chain) {
            Some(id) => {
                let seq = chain.iter().position(|it| it == id).unwrap_or_default() as u64;
                ChainLink::after(seq + 1, *id)
            }
            None => ChainLink::FIRST,
        };
        if !chain.is_empty() {
            self.count(Mischief::Backdating);
        }
        let honest = self.people[person].devices[0].next_link(space);
        self.people[person].devices[0].set_next_link(space, link);
        for _ in 0..3 {
            self.edit(random, sight, person);
        }
        if random.chance(50) {
            self.people[person].devices[0].set_next_link(space, honest);
        }
    }

    /// Entries of another community, by the same keys, and entries of this one for other spaces.
    fn replay(&mut self, random: &mut Random) {
        self.count(Mischief::Replay);
        let person = random.below(self.people.len());
        let foreign = governance_space(CommunityId::from_bytes(random.bytes()));
        let side = random.below(self.sides.len());
        let admission = RecordBody::Admission(Admission {
            party: self.sides[side].id,
            member: self.people[person].root.public(),
            roles: [Role::Steward].into(),
        });
        let by = self.delegate(side, random);
        let mut twin = Signer::new("twin");
        std::mem::swap(&mut twin, &mut self.people[by].root);
        let elsewhere = twin.clone().record(foreign, admission.clone());
        let misplaced = twin.clone().record(self.public, admission);
        std::mem::swap(&mut twin, &mut self.people[by].root);
        let device = self.people[person].devices[0].clone();
        let nowhere = SpaceId::from_bytes(random.bytes());
        let lost = device.clone().create(nowhere, &page("Elsewhere", ""));
        for entry in [elsewhere, misplaced, lost] {
            self.noise.push(entry.encode());
        }
    }

    /// Bytes with one bit changed, words of a stranger, a party nobody knows.
    fn forge(&mut self, random: &mut Random) {
        let Some(entry) = random.pick(&self.entries) else {
            return;
        };
        let mut bytes = entry.encode();
        self.count(Mischief::Forgery);
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
        self.noise.push(bytes);
        let secret = stranger(random);
        let nodes = vec![secret.public()];
        let party =
            PartyState::founding("Nobody".to_owned(), random.bytes(), secret.public(), nodes);
        let mut stranger = Signer::new(&format!("stranger/{}", random.draw()));
        let by = stranger.public();
        let admission = RecordBody::Admission(Admission {
            party: party_id(&party),
            member: by,
            roles: [Role::Member].into(),
        });
        let admission = stranger.record(self.governance, admission);
        let words = stranger.create(self.public, &topic("Buy this", "Cheap."));
        let paper = random
            .pick(&self.papers)
            .map(|it| (it.space, it.id, it.said.clone()));
        let vandal = paper.map(|(space, id, said)| {
            let deps = vec![*random.pick(&said).unwrap()];
            stranger.edit(space, id, &deps, vec![put("title", "Mine")])
        });
        let all = [Some(admission), Some(words), vandal];
        self.noise.extend(all.iter().flatten().map(Entry::encode));
    }
}
