//! Taking things away, with honest cuts and others.

use super::{Mischief, World};
use crate::random::Random;
use comity_protocol::{
    certificate::{Cuts, DeviceCut, SealedCuts, SpaceCut},
    id::{EntryId, SpaceId},
    key::PublicKey,
    record::{Departure, DeviceRevocation, RecordBody, Revocation, Role, Target},
};

/// How a cut is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Drawn {
    /// At the end of everything.
    Honest,
    /// Somewhere before the end.
    Early,
    /// At nothing.
    Zero,
    /// At ids that nobody knows.
    Unknown,
}

impl Drawn {
    pub(super) fn any(random: &mut Random) -> Self {
        match random.below(10) {
            0..5 => Self::Honest,
            5..8 => Self::Early,
            8 => Self::Zero,
            _ => Self::Unknown,
        }
    }
}

impl World {
    /// Every key of a person.
    pub(super) fn keys_of(&self, person: usize) -> Vec<PublicKey> {
        let actor = &self.people[person];
        let devices = actor.devices.iter().map(|it| it.public());
        devices.chain([actor.root.public()]).collect()
    }

    /// Cuts of these keys: of public spaces in the open, of others sealed. The tables of the latter
    /// are records that the issuer signs in those spaces once the narrowing has an id.
    pub(super) fn draw_cuts(
        &mut self,
        random: &mut Random,
        keys: &[PublicKey],
        drawn: Drawn,
    ) -> (Cuts, Option<SealedCuts>) {
        match drawn {
            Drawn::Zero => self.count(Mischief::CutAtZero),
            Drawn::Unknown => self.count(Mischief::UnknownCut),
            Drawn::Honest | Drawn::Early => {}
        }
        let mut by_space: std::collections::BTreeMap<SpaceId, Vec<DeviceCut>> = Default::default();
        for ((space, key), chain) in self
            .chains
            .iter()
            .filter(|((_, key), _)| keys.contains(key))
        {
            let last = match drawn {
                Drawn::Zero => continue,
                Drawn::Unknown => EntryId::from_bytes(random.bytes()),
                Drawn::Honest => chain[chain.len() - 1],
                Drawn::Early => chain[random.below(chain.len())],
            };
            let cut = DeviceCut {
                key: *key,
                last: vec![last],
            };
            by_space.entry(*space).or_default().push(cut);
        }
        let (mut open, mut sealed) = (Vec::new(), Vec::new());
        for (space, mut devices) in by_space {
            devices.sort_by_key(|it| it.key);
            let cut = SpaceCut { space, devices };
            match space == self.governance || space == self.public {
                true => open.push(cut),
                false => sealed.push((random.bytes(), cut)),
            }
        }
        if sealed.is_empty() {
            let sealed = [0; 32];
            return (Cuts { open, sealed }, None);
        }
        let padding: Vec<[u8; 32]> = (0..SealedCuts::padding(sealed.len()))
            .map(|_| random.bytes())
            .collect();
        let tree = SealedCuts::build(sealed, &padding).unwrap();
        let sealed = tree.root();
        (Cuts { open, sealed }, Some(tree))
    }

    /// The tables that belong to a narrowing, signed by a person's root key, some of them withheld.
    pub(super) fn publish_tables(
        &mut self,
        random: &mut Random,
        by: usize,
        narrowing: EntryId,
        tree: Option<SealedCuts>,
    ) {
        for table in tree.iter().flat_map(|it| it.tables(narrowing)) {
            let space = table.cut.space;
            if random.chance(70) {
                let entry = self.people[by]
                    .root
                    .record(space, RecordBody::CutTable(table));
                self.said(space, entry);
            }
        }
    }

    /// Somebody takes something from somebody.
    pub(crate) fn narrow(&mut self, random: &mut Random) {
        let drawn = Drawn::any(random);
        let person = random.below(self.people.len());
        match random.below(10) {
            0..2 => self.depart(random, person, drawn),
            2..4 => self.revoke_device(random, person, drawn),
            _ => {
                let side = match random.chance(85) {
                    true => self.people[person].party,
                    false => random.below(self.sides.len()),
                };
                self.revoke(random, side, person, drawn);
            }
        }
    }

    fn depart(&mut self, random: &mut Random, person: usize, drawn: Drawn) {
        let party = self.sides[self.people[person].party].id;
        let keys = self.keys_of(person);
        let (cuts, tree) = self.draw_cuts(random, &keys, drawn);
        let id = self.say(person, RecordBody::Departure(Departure { party, cuts }));
        self.removed.insert(person);
        self.publish_tables(random, person, id, tree);
    }

    fn revoke_device(&mut self, random: &mut Random, person: usize, drawn: Drawn) {
        let devices: Vec<PublicKey> = self.people[person]
            .devices
            .iter()
            .map(|it| it.public())
            .collect();
        let device = *random.pick(&devices).unwrap();
        self.disown(random, person, device, drawn);
    }

    /// A person revokes a device of theirs.
    pub(super) fn disown(
        &mut self,
        random: &mut Random,
        person: usize,
        device: PublicKey,
        drawn: Drawn,
    ) {
        let (cuts, tree) = self.draw_cuts(random, &[device], drawn);
        let replaces = self.replaced(random, person);
        let body = DeviceRevocation {
            device,
            cuts,
            replaces,
        };
        let id = self.say(person, RecordBody::DeviceRevocation(body));
        self.narrowings.push((id, person));
        self.publish_tables(random, person, id, tree);
    }

    /// As many delegates as the party wants, or one fewer, revoke a person or what is theirs.
    fn revoke(&mut self, random: &mut Random, side: usize, person: usize, drawn: Drawn) {
        let keys = self.keys_of(person);
        let root = self.people[person].root.public();
        let (target, keys) = match random.below(6) {
            0 => (Target::Device(keys[0]), vec![keys[0]]),
            1 => {
                let role = *random.pick(&Role::ALL).unwrap();
                (Target::Role(root, role), keys)
            }
            _ => (Target::Member(root), keys),
        };
        let (_, state) = random.pick(&self.sides[side].states).unwrap();
        let mut needed = state.admission_needed as usize;
        if random.chance(20) {
            needed -= 1;
        }
        let delegates: Vec<_> = state.delegates.iter().rev().take(needed).copied().collect();
        let party = self.sides[side].id;
        for delegate in delegates {
            let Some(by) = self.person_with(&delegate) else {
                continue;
            };
            let (cuts, tree) = self.draw_cuts(random, &keys, drawn);
            let replaces = self.replaced(random, by);
            let body = Revocation {
                party,
                target,
                cuts,
                replaces,
            };
            let id = self.say(by, RecordBody::Revocation(body));
            self.narrowings.push((id, by));
            if let Target::Member(_) = target {
                self.removed.insert(person);
            }
            self.publish_tables(random, by, id, tree);
        }
    }

    /// Sometimes an earlier narrowing, mostly of the same issuer.
    fn replaced(&self, random: &mut Random, by: usize) -> Option<EntryId> {
        let strangers = random.chance(10);
        let own = self
            .narrowings
            .iter()
            .filter(|(_, it)| strangers || *it == by);
        let own: Vec<EntryId> = own.map(|(id, _)| *id).collect();
        random
            .chance(40)
            .then(|| random.pick(&own).copied())
            .flatten()
    }
}
