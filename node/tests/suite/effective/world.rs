//! A community of two parties, each with a delegate and a node, made by hand.

use comity_protocol::{
    certificate::{
        Certificate, CertificateBody, Cuts, DeviceCut, Genesis, PartyState, Readers, Space,
        SpaceCut, Writers, community_id, governance_space, party_id,
    },
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId, domain},
    key::PublicKey,
    record::{
        Acknowledge, Admission, ChainHead, DeviceLink, Receipt, RecordBody, Revocation, Role,
        Target, consent_message,
    },
};
use comity_tests::community::{Person, START_MS, Signer};

pub(super) struct Party {
    pub(super) id: PartyId,
    pub(super) delegate: Person,
    pub(super) node: Signer,
}

pub(super) struct World {
    pub(super) id: CommunityId,
    pub(super) public: SpaceId,
    pub(super) a: Party,
    pub(super) b: Party,
    pub(super) governance: Vec<Entry>,
}

fn party(name: &str, node: Option<PublicKey>) -> (PartyState, Party) {
    let delegate = Person::new(&format!("{name}/delegate"));
    let signer = Signer::new(&format!("{name}/node"));
    let node = node.unwrap_or(signer.public());
    let mut nonce = [0; 16];
    nonce[..name.len()].copy_from_slice(name.as_bytes());
    let state = PartyState::founding(name.to_owned(), nonce, delegate.root.public(), vec![node]);
    let party = Party {
        id: party_id(&state),
        delegate,
        node: signer,
    };
    (state, party)
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_node_of_b(None)
    }

    /// The same, with this key for the node of party B.
    pub(super) fn with_node_of_b(node: Option<PublicKey>) -> Self {
        let ((state_a, a), (state_b, b)) = (party("Alder", None), party("Birch", node));
        let mut parties = vec![a.id, b.id];
        parties.sort();
        let mut founders = vec![a.delegate.root.public(), b.delegate.root.public()];
        founders.sort();
        let genesis = Genesis {
            nonce: [7; 16],
            name: "Grove".to_owned(),
            purpose: "Two trees".to_owned(),
            parties,
            founders,
            party_quorum: 2,
            spaces: vec![Space::new("public", Readers::Everyone, Writers::Members)],
            promises: Vec::new(),
            rules: Vec::new(),
            labels: Vec::new(),
            articles: Vec::new(),
            continues: None,
            time_ms: START_MS,
        };
        let id = community_id(&genesis);
        let public = genesis.spaces(id).next().unwrap().0;
        let keys = [a.delegate.root.secret(), b.delegate.root.secret()];
        let certify = |body, keys: &[_]| Entry::Certificate(Certificate::sign(body, keys));
        let governance = vec![
            certify(CertificateBody::Party(state_a), &keys[..1]),
            certify(CertificateBody::Party(state_b), &keys[1..]),
            certify(CertificateBody::Genesis(genesis), &keys),
        ];
        Self {
            id,
            public,
            a,
            b,
            governance,
        }
    }

    pub(super) fn space(&self) -> SpaceId {
        governance_space(self.id)
    }

    /// A new member of party A with one device.
    pub(super) fn member(&mut self, name: &str) -> Person {
        let space = self.space();
        let mut person = Person::new(name);
        let admission = Admission {
            party: self.a.id,
            member: person.root.public(),
            roles: [Role::Member].into(),
        };
        let admission = RecordBody::Admission(admission);
        let admission = self.a.delegate.root.record(space, admission);
        let device = person.device.public();
        let message = consent_message(space, &person.root.public(), &device);
        let by_device = person
            .device
            .secret()
            .sign(domain::DEVICE_CONSENT_SIGNATURE, &message);
        let link = RecordBody::DeviceLink(DeviceLink {
            device,
            slot: 0,
            by_device,
        });
        let link = person.root.record(space, link);
        self.governance.extend([admission, link]);
        person
    }

    /// Party A removes a member; what their device wrote up to `last` stays. None: cut at zero. What
    /// their root key signed in the governance space stays, or the device would be nobody's.
    pub(super) fn revoke(&mut self, person: &Person, last: &[EntryId]) -> Entry {
        let space = self.space();
        let mut last = last.to_vec();
        last.sort();
        let linked = person.root.next_link(space).prev;
        let cut = |space, key, last| SpaceCut {
            space,
            devices: vec![DeviceCut { key, last }],
        };
        let mut open = vec![cut(
            space,
            person.root.public(),
            linked.into_iter().collect(),
        )];
        if !last.is_empty() {
            open.push(cut(self.public, person.device.public(), last));
        }
        open.sort_by_key(|cut| cut.space);
        let revocation = Revocation {
            party: self.a.id,
            target: Target::Member(person.root.public()),
            cuts: Cuts {
                open,
                sealed: [9; 32],
            },
            replaces: None,
        };
        self.a
            .delegate
            .root
            .record(space, RecordBody::Revocation(revocation))
    }
}

/// A node's receipt for the newest of an author's entries.
pub(super) fn receipt(node: &mut Signer, space: SpaceId, newest: &Entry) -> Entry {
    let key = newest.key();
    let heads = vec![ChainHead {
        author: key.author,
        seq: key.seq,
        id: key.id,
    }];
    node.record(space, RecordBody::Receipt(Receipt { heads }))
}

pub(super) fn acknowledge(node: &mut Signer, space: SpaceId, narrowing: &Entry) -> Entry {
    let narrowings = vec![narrowing.id()];
    node.record(space, RecordBody::Acknowledge(Acknowledge { narrowings }))
}
