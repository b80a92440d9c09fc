//! Keys that a party dropped, in the hands of a thief: the party's chain is forked by them, and with
//! others like them the charter.

use super::{Enacted, Mischief, Sight, World};
use crate::{community::START_MS, random::Random};
use comity_protocol::{
    certificate::{CertificateBody, Change, Cuts, PartyState, Resolution},
    id::EntryId,
    key::PublicKey,
    record::{BranchChoice, RecordBody},
};

impl World {
    /// A party hands over to somebody else, and mostly has that named by the charter. Then those who
    /// spoke for it before fork its chain where they were dropped, and the charter at what it was then.
    pub(super) fn take_back(&mut self, random: &mut Random, sight: &dyn Sight) {
        let side = random.below(self.sides.len());
        let (before, charter) = (self.head_of(side, sight), self.in_force(sight));
        let heir = self.newcomer(side);
        let mut state = self.after(side, &before);
        state.delegates = vec![self.people[heir].root.public()];
        (state.delegates_needed, state.admission_needed) = (1, 1);
        let (moved, _) = self.certify_state(side, state, &before.1.delegates);
        if random.chance(70) {
            self.confirm(random, sight, side, moved);
        }
        self.branch_off(random, side, &before);
        if random.chance(60) {
            self.build_on(random, charter, &before.1);
        }
    }

    /// The charter names the state, by everybody.
    fn confirm(&mut self, random: &mut Random, sight: &dyn Sight, side: usize, moved: EntryId) {
        let mut resolution = self.upon_charter(random, sight, vec![Change::ConfirmStates]);
        let party = self.sides[side].id;
        let Some(pin) = resolution.pins.iter_mut().find(|(it, _)| *it == party) else {
            return;
        };
        pin.1 = moved;
        self.count(Mischief::DroppedAndNamed);
        let id = self.pass(&mut resolution);
        self.enact(id, &resolution);
        let signers = self.delegates_of(&resolution);
        self.speak_for(&signers, id);
    }

    /// A second state after the one that was in force, by those who were dropped, who choose it.
    fn branch_off(&mut self, random: &mut Random, side: usize, before: &(EntryId, PartyState)) {
        let mut state = self.after(side, before);
        state.nonce = random.bytes();
        let (back, state) = self.certify_state(side, state, &before.1.delegates);
        self.count(Mischief::DroppedKeysForkTheParty);
        self.speak_for(&state.delegates, back);
    }

    /// A second child of the charter as it was, pinned as it was, which they choose.
    fn build_on(&mut self, random: &mut Random, charter: Enacted, before: &PartyState) {
        let mut resolution = Resolution {
            community: self.id,
            parent: charter.id,
            height: charter.height + 1,
            pins: charter.pins.into_iter().collect(),
            fork_proofs: Vec::new(),
            proposer: before.delegates[0],
            nonce: random.bytes(),
            changes: vec![Change::SetName("Ours again".to_owned())],
            cuts: Cuts::default(),
            reason: String::new(),
            time_ms: START_MS,
        };
        let id = self.pass(&mut resolution);
        self.count(Mischief::DroppedKeysForkTheCharter);
        self.speak_for(&before.delegates, id);
    }

    fn delegates_of(&self, resolution: &Resolution) -> Vec<PublicKey> {
        let pins = resolution.pins.iter();
        let states = pins.filter_map(|(of, at)| self.state_of(of, at));
        let mut signers: Vec<PublicKey> = states.flat_map(|it| it.delegates.clone()).collect();
        signers.sort();
        signers.dedup();
        signers
    }

    /// Certifies by all delegates of the pinned states.
    fn pass(&mut self, resolution: &mut Resolution) -> EntryId {
        let signers = self.delegates_of(resolution);
        if let Some(first) = signers.first() {
            resolution.proposer = *first;
        }
        self.certify(CertificateBody::Resolution(resolution.clone()), &signers)
    }

    fn speak_for(&mut self, keys: &[PublicKey], chosen: EntryId) {
        for by in keys
            .iter()
            .filter_map(|it| self.person_with(it))
            .collect::<Vec<_>>()
        {
            self.say(by, RecordBody::BranchChoice(BranchChoice { chosen }));
        }
    }
}
