//! A small community to test with: one party, its node, a founder, and whoever joins.

use comity_protocol::{
    authority::Authority,
    certificate::{
        self, Certificate, CertificateBody, ErasureOrder, Genesis, PartyState, Promise, Readers,
        Space, Writers,
    },
    contribution::{self, ChainLink, Context, Payload, Target},
    document::{Draft, Kind},
    entry::{BareHeader, Contribution, Entry, Record, Verified},
    id::{CommunityId, DocumentId, EntryId, GovernanceDigest, PartyId, SpaceId, domain},
    key::{PublicKey, SecretKey, Signature},
    record::{
        self, Admission, ChainHead, Countersignature, DeviceLink, Erasure, Invitation, NodeLink,
        Receipt, RecordBody, Role, Roles,
    },
};

/// Not before a known date, so that times look like times.
pub(crate) const TIME_MS: u64 = 1_790_000_000_000;
pub(crate) const NONCE: [u8; 32] = [0x5a; 32];

pub(crate) const FOUNDER: u8 = 1;
pub(crate) const FOUNDERS_DEVICE: u8 = 2;
pub(crate) const NODE: u8 = 3;
pub(crate) const TICKET: u8 = 4;
pub(crate) const MEMBER: u8 = 11;
pub(crate) const MEMBERS_DEVICE: u8 = 12;
pub(crate) const MEMBERS_NODE: u8 = 13;
pub(crate) const STRANGER: u8 = 21;

pub(crate) fn secret(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

pub(crate) fn public(number: u8) -> PublicKey {
    secret(number).public()
}

/// One signer's chain in one space.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) secret: SecretKey,
    pub(crate) space: SpaceId,
    pub(crate) link: ChainLink,
}

impl Chain {
    pub(crate) fn new(number: u8, space: SpaceId) -> Self {
        Self {
            secret: secret(number),
            space,
            link: ChainLink::FIRST,
        }
    }

    fn context(&self) -> Context {
        Context {
            space: self.space,
            link: self.link,
            governance: GovernanceDigest::from_bytes([9; 32]),
            time_ms: TIME_MS,
        }
    }

    pub(crate) fn record(&mut self, body: RecordBody) -> Record {
        let record = record::sign(&self.secret, &self.context(), body);
        self.link = ChainLink::after(self.link.seq, record.id());
        record
    }

    pub(crate) fn contribute(&mut self, target: Target, draft: &Draft) -> Contribution {
        let sealed = draft.seal(NONCE).unwrap();
        let payload = Payload {
            shape: sealed.shape,
            words: sealed.words,
        };
        let made = contribution::sign(&self.secret, &self.context(), target, payload).unwrap();
        self.link = ChainLink::after(self.link.seq, made.id());
        made
    }

    pub(crate) fn create(&mut self, kind: Kind) -> Contribution {
        let form = [
            ("title", "Grinders".into()),
            ("body", "Which one?".into()),
            ("form", 1.into()),
        ];
        let page = [("title", "Beans".into()), ("body", "Fresh.".into())];
        let draft = match kind {
            Kind::Page => Draft::create(kind, page),
            _ => Draft::create(Kind::Topic, form),
        };
        self.contribute(Target::Create, &draft)
    }

    pub(crate) fn join_heads(&mut self, document: EntryId, deps: &[EntryId]) -> Contribution {
        let target = Target::Edit {
            document: DocumentId::from(document),
            deps: deps.to_vec(),
        };
        self.contribute(target, &Draft::edit(vec![]))
    }

    pub(crate) fn erase(&mut self, contribution: EntryId) -> Record {
        self.record(RecordBody::Erasure(Erasure { contribution }))
    }
}

pub(crate) struct Community {
    pub(crate) id: CommunityId,
    pub(crate) governance: SpaceId,
    pub(crate) party: PartyId,
    pub(crate) genesis: Genesis,
    pub(crate) lobby: SpaceId,
    pub(crate) office: SpaceId,
    /// The founder's chain in the governance space.
    pub(crate) founder: Chain,
    /// The party's node's.
    pub(crate) node: Chain,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) fn party_state() -> PartyState {
    let nodes = vec![public(NODE)];
    PartyState::founding("Coffee Club".into(), [1; 16], public(FOUNDER), nodes)
}

pub(crate) fn genesis() -> Genesis {
    Genesis {
        nonce: [2; 16],
        name: "Coffee".into(),
        purpose: "Better coffee.".into(),
        parties: vec![certificate::party_id(&party_state())],
        founders: vec![public(FOUNDER)],
        party_quorum: 1,
        spaces: vec![
            Space::new("lobby", Readers::Everyone, Writers::Members),
            Space::new("office", Readers::Members, Writers::Stewards),
        ],
        promises: vec![Promise {
            party: None,
            name: "answer".into(),
            days: 3,
        }],
        rules: Vec::new(),
        labels: Vec::new(),
        articles: Vec::new(),
        continues: None,
        time_ms: TIME_MS,
    }
}

impl Community {
    /// Founded, with its founder admitted as member and steward, and one device of theirs.
    pub(crate) fn new() -> Self {
        let genesis = genesis();
        let id = certificate::community_id(&genesis);
        let governance = certificate::governance_space(id);
        let spaces: Vec<SpaceId> = genesis.spaces(id).map(|(id, _)| id).collect();
        let party = genesis.parties[0];
        let mut it = Self {
            id,
            governance,
            party,
            lobby: spaces[0],
            office: spaces[1],
            founder: Chain::new(FOUNDER, governance),
            node: Chain::new(NODE, governance),
            entries: Vec::new(),
            genesis: genesis.clone(),
        };
        let bodies = [
            CertificateBody::Genesis(genesis),
            CertificateBody::Party(party_state()),
        ];
        for body in bodies {
            let certificate = Certificate::sign(body, &[&secret(FOUNDER)]);
            it.entries.push(Entry::Certificate(certificate));
        }
        let roles = Roles::from([Role::Member, Role::Steward]);
        let admitted = it.founder.record(RecordBody::Admission(Admission {
            party,
            member: public(FOUNDER),
            roles,
        }));
        let linked = device_link(&mut it.founder, FOUNDERS_DEVICE, 0);
        it.entries.extend([admitted, linked].map(Entry::Record));
        it
    }

    /// The same with a member who joined by invitation, with a device and a node.
    pub(crate) fn with_member() -> Self {
        let mut it = Self::new();
        let invitation = it.invite(1);
        let countersigned = it.countersign(invitation, MEMBER);
        let mut chain = Chain::new(MEMBER, it.governance);
        let device = device_link(&mut chain, MEMBERS_DEVICE, 0);
        let node = node_link(&mut chain, MEMBERS_NODE);
        it.entries
            .extend([countersigned, device, node].map(Entry::Record));
        it
    }

    /// An invitation on the founder's chain, into the entries.
    pub(crate) fn invite(&mut self, uses: u64) -> EntryId {
        let invitation = self.founder.record(RecordBody::Invitation(Invitation {
            party: self.party,
            invitation_key: public(TICKET),
            countersigner: public(NODE),
            roles: Roles::from([Role::Member]),
            uses,
            expires_ms: Some(TIME_MS + 1),
        }));
        let id = invitation.id();
        self.entries.push(Entry::Record(invitation));
        id
    }

    /// The next countersignature on the node's chain; not into the entries.
    pub(crate) fn countersign(&mut self, invitation: EntryId, member: u8) -> Record {
        let body = countersignature(self.governance, invitation, member);
        self.node.record(body)
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::evaluate(self.id, &verified(&self.entries))
    }
}

pub(crate) fn countersignature(space: SpaceId, invitation: EntryId, member: u8) -> RecordBody {
    let (by_invitation, by_member) = asked(space, invitation, member);
    RecordBody::Countersignature(Countersignature {
        invitation,
        invitation_key: public(TICKET),
        member: public(member),
        by_invitation,
        by_member,
    })
}

/// The two signatures of a join request.
pub(crate) fn asked(space: SpaceId, invitation: EntryId, member: u8) -> (Signature, Signature) {
    let message = record::join_message(space, invitation, &public(member));
    let sign = |number| secret(number).sign(domain::JOIN_SIGNATURE, &message);
    (sign(TICKET), sign(member))
}

pub(crate) fn device_link(chain: &mut Chain, device: u8, slot: u64) -> Record {
    let message = record::consent_message(chain.space, &chain.secret.public(), &public(device));
    chain.record(RecordBody::DeviceLink(DeviceLink {
        device: public(device),
        slot,
        by_device: secret(device).sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
    }))
}

pub(crate) fn node_link(chain: &mut Chain, node: u8) -> Record {
    let message = record::consent_message(chain.space, &chain.secret.public(), &public(node));
    chain.record(RecordBody::NodeLink(NodeLink {
        node: public(node),
        by_node: secret(node).sign(domain::NODE_CONSENT_SIGNATURE, &message),
    }))
}

pub(crate) fn receipt(of: &Entry) -> RecordBody {
    let key = of.key();
    RecordBody::Receipt(Receipt {
        heads: vec![ChainHead {
            author: key.author,
            seq: key.seq,
            id: key.id,
        }],
    })
}

/// Entries as a node has them: read from bytes, signatures checked.
pub(crate) fn verified(entries: &[Entry]) -> Vec<Verified<Entry>> {
    entries.iter().map(arrive).collect()
}

pub(crate) fn arrive(entry: &Entry) -> Verified<Entry> {
    Verified::check(Entry::decode(&entry.encode()).unwrap()).unwrap()
}

/// One entry of every sort, by name.
pub(crate) fn samples() -> Vec<(&'static str, Entry)> {
    let mut community = Community::with_member();
    let mut chain = Chain::new(FOUNDERS_DEVICE, community.lobby);
    let created = chain.create(Kind::Page);
    let edited = chain.join_heads(created.id(), &[created.id()]);
    let erasure = chain.erase(created.id());
    let erased = created.clone().erased_by(erasure.clone()).unwrap();
    let order = crate::governance::certify(
        CertificateBody::ErasureOrder(ErasureOrder {
            space: community.lobby,
            contribution: created.id(),
            ..crate::governance::erasure_order()
        }),
        &[FOUNDER, MEMBER],
    );
    let erased_by_order = created.clone().erased_by(order).unwrap();
    let received = receipt(&Entry::Record(erasure.clone()));
    let received = Chain::new(NODE, community.lobby).record(received);
    let bare = |of: &Entry| Entry::Bare(BareHeader::of_entry(of).expect("on a chain"));
    let mut it = vec![
        ("create-bare", bare(&Entry::Contribution(created.clone()))),
        ("erasure-bare", bare(&Entry::Record(erasure.clone()))),
        ("create", Entry::Contribution(created)),
        ("edit", Entry::Contribution(edited)),
        ("create-erased", Entry::Contribution(erased)),
        (
            "create-erased-by-order",
            Entry::Contribution(erased_by_order),
        ),
        ("erasure", Entry::Record(erasure)),
        ("receipt", Entry::Record(received)),
    ];
    let names = [
        "genesis",
        "party",
        "admission",
        "device-link",
        "invitation",
        "countersignature",
        "members-device-link",
        "node-link",
    ];
    assert_eq!(names.len(), community.entries.len());
    it.extend(names.into_iter().zip(community.entries.drain(..)));
    it.extend(crate::governance::samples(community.governance));
    it
}

pub(crate) fn sample(name: &str) -> Entry {
    let found = samples().into_iter().find(|(own, _)| *own == name);
    found.expect("a sample of this name").1
}

pub(crate) fn record_sample(name: &str) -> Record {
    match sample(name) {
        Entry::Record(record) => record,
        _ => panic!("{name} is no record"),
    }
}

pub(crate) fn contribution_sample(name: &str) -> Contribution {
    match sample(name) {
        Entry::Contribution(it) => it,
        _ => panic!("{name} is no contribution"),
    }
}

/// Encodings of public keys that no decoder may take, by what is wrong with them.
pub(crate) fn unusable_keys() -> Vec<(&'static str, [u8; 32])> {
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut not_canonical = [0xff; 32];
    not_canonical[0] = 0xee;
    not_canonical[31] = 0x7f;
    let mut negative_zero = identity;
    negative_zero[31] = 0x80;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    vec![
        ("small-order", identity),
        ("small-order-of-order-4", [0; 32]),
        ("not-canonical-negative-zero", negative_zero),
        ("not-canonical", not_canonical),
        ("not-a-point", no_point),
    ]
}

/// `bytes` with every copy of one part replaced by another of the same length.
pub(crate) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut out = bytes.to_vec();
    let mut found = false;
    for at in 0..=out.len() - from.len() {
        if out[at..at + from.len()] == *from {
            out[at..at + from.len()].copy_from_slice(to);
            found = true;
        }
    }
    assert!(found, "nothing to replace");
    out
}
