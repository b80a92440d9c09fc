//! A community made by hand: one party, its delegate, members, and what they sign.
//!
//! Everything follows from names, so two runs sign the same bytes. Entries come back encoded or
//! whole and go wherever the test wants them, in whatever order.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_protocol::{
    access::{NodeGrant, READER_LIFETIME_MS, ReaderToken},
    certificate::{
        Certificate, CertificateBody, Genesis, PartyState, Readers, Space, Writers, community_id,
        governance_space, party_id,
    },
    contribution::{self, ChainLink, Context, Payload, Target},
    document::{Draft, Kind, Operation, Reference, Step, Value, kind::Form, value},
    entry::Entry,
    id::{CommunityId, DocumentId, EntryId, GovernanceDigest, PartyId, SpaceId, digest, domain},
    key::{PublicKey, SecretKey},
    record::{self, Admission, DeviceLink, Erasure, Invitation, RecordBody, Role, consent_message},
};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Claimed time of the first entry; each further one is a second later.
pub const START_MS: u64 = 1_700_000_000_000;

/// A secret key that follows from a name.
pub fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(&digest(b"comity-tests/key\0", &[name.as_bytes()]))
}

/// A key that signs, and its chains.
#[derive(Clone)]
pub struct Signer {
    secret: SecretKey,
    chains: BTreeMap<SpaceId, ChainLink>,
    signed: u64,
}

impl Signer {
    /// The signer of a name.
    pub fn new(name: &str) -> Self {
        Self {
            secret: key(name),
            chains: BTreeMap::new(),
            signed: 0,
        }
    }

    /// Its key.
    pub fn public(&self) -> PublicKey {
        self.secret.public()
    }

    /// Its secret key.
    pub fn secret(&self) -> &SecretKey {
        &self.secret
    }

    fn context(&self, space: SpaceId) -> Context {
        Context {
            space,
            link: self.next_link(space),
            governance: GovernanceDigest::from_bytes([0; 32]),
            time_ms: START_MS + self.signed * 1000,
        }
    }

    /// Where its next entry in a space stands.
    pub fn next_link(&self, space: SpaceId) -> ChainLink {
        self.chains.get(&space).copied().unwrap_or(ChainLink::FIRST)
    }

    /// Makes its next entry in a space stand somewhere else: for gaps and forks.
    pub fn set_next_link(&mut self, space: SpaceId, link: ChainLink) {
        self.chains.insert(space, link);
    }

    fn advance(&mut self, space: SpaceId, link: ChainLink, id: EntryId) {
        self.chains.insert(space, ChainLink::after(link.seq, id));
        self.signed += 1;
    }

    /// Signs a record.
    pub fn record(&mut self, space: SpaceId, body: RecordBody) -> Entry {
        let context = self.context(space);
        let record = record::sign(&self.secret, &context, body);
        self.advance(space, context.link, record.id());
        Entry::Record(record)
    }

    /// Signs a contribution.
    pub fn contribute(&mut self, space: SpaceId, target: Target, draft: &Draft) -> Entry {
        let seed = [&self.public().as_bytes()[..], &self.signed.to_be_bytes()].concat();
        let sealed = draft
            .seal(digest(b"comity-tests/nonce\0", &[&seed]))
            .unwrap();
        let payload = Payload {
            shape: sealed.shape,
            words: sealed.words,
        };
        let context = self.context(space);
        let signed = contribution::sign(&self.secret, &context, target, payload).unwrap();
        self.advance(space, context.link, signed.id());
        Entry::Contribution(signed)
    }

    /// Signs the create of a document.
    pub fn create(&mut self, space: SpaceId, draft: &Draft) -> Entry {
        self.contribute(space, Target::Create, draft)
    }

    /// Signs an edit of a document as it stood at `deps`.
    pub fn edit(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        deps: &[EntryId],
        operations: Vec<Operation<String>>,
    ) -> Entry {
        let mut deps = deps.to_vec();
        deps.sort();
        let target = Target::Edit { document, deps };
        self.contribute(space, target, &Draft::edit(operations))
    }

    /// Signs the erasure of a contribution's words.
    pub fn erase(&mut self, space: SpaceId, contribution: EntryId) -> Entry {
        self.record(space, RecordBody::Erasure(Erasure { contribution }))
    }
}

/// A person: a root key and one device.
#[derive(Clone)]
pub struct Person {
    /// Signs governance.
    pub root: Signer,
    /// Signs content.
    pub device: Signer,
}

impl Person {
    /// The person of a name.
    pub fn new(name: &str) -> Self {
        Self {
            root: Signer::new(&format!("{name}/root")),
            device: Signer::new(&format!("{name}/device")),
        }
    }

    /// The leave for a node to read on the person's behalf.
    pub fn grant(&self, community: CommunityId, node: PublicKey, expires_ms: u64) -> NodeGrant {
        NodeGrant::sign(self.device.secret(), community, node, expires_ms)
    }

    /// The proof to a node's local API, as the header carries it.
    pub fn reader_token(&self, node: PublicKey) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or_default();
        let token = ReaderToken::sign(self.device.secret(), node, now_ms + READER_LIFETIME_MS);
        STANDARD_NO_PAD.encode(token.encode())
    }
}

/// A community with one party.
pub struct Community {
    /// Its id.
    pub id: CommunityId,
    /// Its party's id.
    pub party: PartyId,
    /// Its delegate, who is a member too.
    pub delegate: Person,
    spaces: BTreeMap<String, SpaceId>,
    records: Vec<Entry>,
}

impl Community {
    /// A community with the spaces `public` (everyone reads), `members` (members read) and `news`
    /// (stewards write), served by these nodes. Its delegate is a member and a steward.
    pub fn found(name: &str, nodes: &[PublicKey]) -> Self {
        let delegate = Person::new(&format!("{name}/delegate"));
        let nonce = digest(b"comity-tests/nonce\0", &[name.as_bytes()]);
        let nonce = *nonce.first_chunk::<16>().unwrap();
        let mut nodes = nodes.to_vec();
        nodes.sort();
        let party =
            PartyState::founding(format!("{name} Ltd"), nonce, delegate.root.public(), nodes);
        let genesis = Genesis {
            nonce,
            name: name.to_owned(),
            purpose: format!("{name} for all of us"),
            parties: vec![party_id(&party)],
            founders: vec![delegate.root.public()],
            party_quorum: 1,
            spaces: vec![
                Space::new("public", Readers::Everyone, Writers::Members),
                Space::new("members", Readers::Members, Writers::Members),
                Space::new("news", Readers::Everyone, Writers::Stewards),
            ],
            promises: Vec::new(),
            rules: Vec::new(),
            labels: Vec::new(),
            articles: Vec::new(),
            continues: None,
            time_ms: START_MS,
        };
        let id = community_id(&genesis);
        let spaces = genesis
            .spaces(id)
            .map(|(id, space)| (space.name.clone(), id))
            .collect();
        let certify = |body| Entry::Certificate(Certificate::sign(body, &[delegate.root.secret()]));
        let records = vec![
            certify(CertificateBody::Party(party.clone())),
            certify(CertificateBody::Genesis(genesis)),
        ];
        let mut community = Self {
            id,
            party: party_id(&party),
            delegate,
            spaces,
            records,
        };
        let mut delegate = community.delegate.clone();
        let roles = [Role::Member, Role::Steward];
        community.admit(&delegate, &roles);
        delegate.root = community.delegate.root.clone();
        community.link(&mut delegate);
        community.delegate = delegate;
        community
    }

    /// The space of its records.
    pub fn governance(&self) -> SpaceId {
        governance_space(self.id)
    }

    /// A space by name.
    pub fn space(&self, name: &str) -> SpaceId {
        self.spaces[name]
    }

    /// Its records so far, encoded, in causal order.
    pub fn records(&self) -> Vec<Vec<u8>> {
        self.records.iter().map(Entry::encode).collect()
    }

    /// The delegate admits a person.
    pub fn admit(&mut self, person: &Person, roles: &[Role]) -> Entry {
        let admission = Admission {
            party: self.party,
            member: person.root.public(),
            roles: roles.iter().copied().collect(),
        };
        let space = self.governance();
        let entry = self
            .delegate
            .root
            .record(space, RecordBody::Admission(admission));
        self.records.push(entry.clone());
        entry
    }

    /// A person's root key links their device.
    pub fn link(&mut self, person: &mut Person) -> Entry {
        let space = self.governance();
        let device = person.device.public();
        let message = consent_message(space, &person.root.public(), &device);
        let link = DeviceLink {
            device,
            slot: 0,
            by_device: person
                .device
                .secret()
                .sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
        };
        let entry = person.root.record(space, RecordBody::DeviceLink(link));
        self.records.push(entry.clone());
        entry
    }

    /// The delegate invites whoever holds a key, countersigned by a node.
    pub fn invite(
        &mut self,
        name: &str,
        countersigner: PublicKey,
        uses: u64,
        expires_ms: Option<u64>,
    ) -> Invite {
        let secret = key(name);
        let offer = Invitation {
            party: self.party,
            invitation_key: secret.public(),
            countersigner,
            roles: [Role::Member].into(),
            uses,
            expires_ms,
        };
        let space = self.governance();
        let record = self
            .delegate
            .root
            .record(space, RecordBody::Invitation(offer));
        self.records.push(record.clone());
        Invite { record, secret }
    }

    /// A new member with a linked device.
    pub fn member(&mut self, name: &str) -> Person {
        let mut person = Person::new(name);
        self.admit(&person, &[Role::Member]);
        self.link(&mut person);
        person
    }
}

/// An invitation and the secret half of its key, as a ticket holds it.
pub struct Invite {
    /// The record.
    pub record: Entry,
    /// The key.
    pub secret: SecretKey,
}

/// A topic for discussion.
pub fn topic(title: &str, body: &str) -> Draft {
    Draft::create(
        Kind::Topic,
        [
            ("form", Form::Discussion.code().into()),
            ("title", title.into()),
            ("body", body.into()),
        ],
    )
}

/// A topic with tags that came from elsewhere.
pub fn imported(title: &str, tags: &[&str], system: &str, id: &str) -> Draft {
    let origin = value::map([
        ("system", system.into()),
        ("id", id.into()),
        ("author", "somebody there".into()),
    ]);
    let tags = Value::List(tags.iter().map(|tag| Value::from(*tag)).collect());
    Draft::create(
        Kind::Topic,
        [
            ("form", Form::Question.code().into()),
            ("title", title.into()),
            ("body", "As it was asked there.".into()),
            ("tags", tags),
            ("origin", origin),
        ],
    )
}

/// A reply to a topic.
pub fn reply(topic: DocumentId, body: &str) -> Draft {
    let to = || Value::from(Reference::from(topic));
    Draft::create(
        Kind::Reply,
        [("topic", to()), ("parent", to()), ("body", body.into())],
    )
}

/// A page.
pub fn page(title: &str, body: &str) -> Draft {
    Draft::create(Kind::Page, [("title", title.into()), ("body", body.into())])
}

/// A profile.
pub fn profile(name: &str) -> Draft {
    Draft::create(Kind::Profile, [("name", name.into())])
}

/// Sets a text field.
pub fn put(field: &str, text: &str) -> Operation<String> {
    Operation::Put {
        path: vec![Step::from(field)],
        value: text.into(),
    }
}

/// Replaces a range of the body.
pub fn splice(position: u32, delete: u32, insert: &str) -> Operation<String> {
    Operation::Splice {
        path: vec![Step::from("body")],
        position,
        delete,
        insert: insert.to_owned(),
    }
}

/// The document that an entry created.
pub fn document(create: &Entry) -> DocumentId {
    DocumentId::from(create.id())
}
