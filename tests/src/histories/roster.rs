//! Who belongs where: admissions, invitations, devices.

use super::{Actor, Mischief, World};
use crate::{
    community::{Signer, key},
    random::Random,
};
use comity_protocol::{
    certificate::PartyState,
    id::{EntryId, PartyId, domain},
    key::SecretKey,
    record::{
        Admission, Countersignature, DeviceLink, Invitation, InvitationApproval, NodeLink,
        RecordBody, Role, Roles, consent_message, join_message,
    },
};

fn roles(random: &mut Random) -> Roles {
    let mut roles = Roles::from([Role::Member]);
    if random.chance(20) {
        roles.insert(*random.pick(&Role::ALL).unwrap());
    }
    if random.chance(5) {
        roles = Roles::from([Role::Observer]);
    }
    roles
}

impl World {
    /// Enough delegates admit a person of the beginning, who links the device.
    pub(super) fn settle(&mut self, person: usize) {
        let party = self.people[person].party;
        let state = &self.sides[party].states[0].1;
        let needed = state.admission_needed as usize;
        let delegates = state.delegates[..needed].to_vec();
        for delegate in delegates {
            let by = self.person_with(&delegate).unwrap_or(0);
            self.admit(
                by,
                self.sides[party].id,
                person,
                Roles::from([Role::Member]),
            );
        }
        self.link(person, 0, 0);
    }

    pub(super) fn admit(&mut self, by: usize, party: PartyId, who: usize, roles: Roles) -> EntryId {
        if self.removed.contains(&who) {
            self.count(Mischief::Readmission);
        }
        if by != who && self.was_removed(by, party) {
            self.count(Mischief::RemovedDelegateAdmits);
        }
        let member = self.people[who].root.public();
        let admission = Admission {
            party,
            member,
            roles,
        };
        self.say(by, RecordBody::Admission(admission))
    }

    /// Whether a person spoke for a party once, and was removed or is no delegate of its newest state.
    fn was_removed(&self, person: usize, party: PartyId) -> bool {
        let key = self.people[person].root.public();
        let speaks = |it: &PartyState| it.delegates.contains(&key);
        let side = self.sides.iter().find(|it| it.id == party);
        let states = side.map(|it| it.states.as_slice()).unwrap_or_default();
        let is = states.last().is_some_and(|(_, it)| speaks(it));
        let was = states.iter().any(|(_, it)| speaks(it));
        was && (!is || self.removed.contains(&person))
    }

    pub(super) fn link(&mut self, person: usize, device: usize, slot: u64) -> EntryId {
        let actor = &self.people[person];
        let (root, device) = (actor.root.public(), &actor.devices[device]);
        let message = consent_message(self.governance, &root, &device.public());
        let by_device = device
            .secret()
            .sign(domain::DEVICE_CONSENT_SIGNATURE, &message);
        let link = DeviceLink {
            device: device.public(),
            slot,
            by_device,
        };
        self.say(person, RecordBody::DeviceLink(link))
    }

    pub(super) fn newcomer(&mut self, party: usize) -> usize {
        let number = self.people.len();
        let actor = Actor {
            root: Signer::new(&format!("new/{number}/root")),
            devices: vec![Signer::new(&format!("new/{number}/device"))],
            party,
        };
        let root = actor.root.public();
        self.secrets.insert(root, actor.root.secret().clone());
        self.people.push(actor);
        number
    }

    /// An ordinary deed of those who keep the roster.
    pub(super) fn keep_roster(&mut self, random: &mut Random) {
        let side = random.below(self.sides.len());
        match random.below(8) {
            0 | 1 => {
                let who = self.newcomer(side);
                let both = random.chance(60);
                self.admit_by_delegates(random, side, who, both);
                self.link(who, 0, 0);
            }
            2 => {
                let who = random.below(self.people.len());
                self.admit_by_delegates(random, side, who, true);
            }
            3 => {
                self.invite(random, side);
            }
            4 => {
                let who = self.newcomer(side);
                self.countersign(random, who);
                self.link(who, 0, 0);
            }
            5 | 6 => self.add_device(random),
            _ => {
                let person = random.below(self.people.len());
                let node = random.below(self.nodes.len());
                self.link_node(person, node);
            }
        }
    }

    pub(super) fn admit_by_delegates(
        &mut self,
        random: &mut Random,
        side: usize,
        who: usize,
        enough: bool,
    ) {
        let party = self.sides[side].id;
        let state = &self.sides[side].states.last().unwrap().1;
        let needed = if enough { state.admission_needed } else { 1 };
        let delegates: Vec<_> = state
            .delegates
            .iter()
            .take(needed as usize)
            .copied()
            .collect();
        let roles = roles(random);
        for delegate in delegates {
            if let Some(by) = self.person_with(&delegate) {
                self.admit(by, party, who, roles.clone());
            }
        }
    }

    pub(super) fn invite(&mut self, random: &mut Random, side: usize) -> EntryId {
        self.invite_until(random, side, None)
    }

    pub(super) fn invite_until(
        &mut self,
        random: &mut Random,
        side: usize,
        expires_ms: Option<u64>,
    ) -> EntryId {
        let secret: SecretKey = key(&format!("invitation/{}", self.made));
        self.made += 1;
        let by = self.delegate(side, random);
        let node = *random.pick(&self.sides[side].nodes).unwrap();
        let offer = Invitation {
            party: self.sides[side].id,
            invitation_key: secret.public(),
            countersigner: self.nodes[node].public(),
            roles: roles(random),
            uses: 1 + random.below(3) as u64,
            expires_ms,
        };
        let id = self.say(by, RecordBody::Invitation(offer));
        if random.chance(50) {
            let by = self.delegate(side, random);
            let invitation = id;
            self.say(
                by,
                RecordBody::InvitationApproval(InvitationApproval { invitation }),
            );
        }
        self.invitations.push((id, secret, node));
        id
    }

    /// A node lets a person in on an invitation, whether it still may or not.
    pub(super) fn countersign(&mut self, random: &mut Random, who: usize) {
        if !self.invitations.is_empty() {
            let number = random.below(self.invitations.len());
            self.countersign_on(number, who);
        }
    }

    /// The same, on this invitation.
    pub(super) fn countersign_on(&mut self, number: usize, who: usize) {
        let (invitation, secret, node) = self.invitations[number].clone();
        let member = self.people[who].root.public();
        let message = join_message(self.governance, invitation, &member);
        let body = Countersignature {
            invitation,
            invitation_key: secret.public(),
            member,
            by_invitation: secret.sign(domain::JOIN_SIGNATURE, &message),
            by_member: self.people[who]
                .root
                .secret()
                .sign(domain::JOIN_SIGNATURE, &message),
        };
        let space = self.governance;
        let entry = self.nodes[node].record(space, RecordBody::Countersignature(body));
        self.said(space, entry);
    }

    fn add_device(&mut self, random: &mut Random) {
        let person = random.below(self.people.len());
        let number = self.people[person].devices.len();
        if number < 3 {
            let device = Signer::new(&format!("device/{person}/{number}"));
            self.people[person].devices.push(device);
        }
        let device = random.below(self.people[person].devices.len());
        self.link(person, device, random.below(3) as u64);
    }

    fn link_node(&mut self, person: usize, node: usize) {
        let root = self.people[person].root.public();
        let node = &self.nodes[node];
        let message = consent_message(self.governance, &root, &node.public());
        let by_node = node.secret().sign(domain::NODE_CONSENT_SIGNATURE, &message);
        let node = node.public();
        self.say(person, RecordBody::NodeLink(NodeLink { node, by_node }));
    }
}
