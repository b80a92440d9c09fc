//! The fixed corpus: a community, its members, and what they write.

use comity_protocol::{
    certificate::{
        self, Certificate, CertificateBody, Genesis, PartyState, Readers, Space, Writers,
        governance_space,
    },
    contribution::{self, ChainLink, Context, Payload, Target},
    document::{Draft, Kind, Operation, Reference, Step, Value},
    entry::Entry,
    id::{CommunityId, DocumentId, EntryId, GovernanceDigest, SpaceId, domain},
    key::SecretKey,
    record::{self, Admission, DeviceLink, RecordBody, Role},
};
use std::collections::BTreeSet;

pub(crate) const AUTHORS: usize = 2_000;

pub(crate) struct Corpus {
    pub(crate) community: CommunityId,
    pub(crate) governance: Vec<Vec<u8>>,
    pub(crate) contributions: Vec<Vec<u8>>,
    pub(crate) raw_bytes: u64,
}

/// A small generator with a fixed sequence (splitmix64), so that the corpus never varies.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes());
        }
        bytes
    }

    fn prose(&mut self, words: u64) -> String {
        const WORDS: [&str; 12] = [
            "the", "node", "keeps", "every", "word", "that", "people", "write", "here", "and",
            "gives", "reasons",
        ];
        let words = (0..words).map(|_| WORDS[self.below(12) as usize]);
        words.collect::<Vec<_>>().join(" ")
    }
}

struct Member {
    root: SecretKey,
    device: SecretKey,
    link: ChainLink,
}

pub(crate) fn system_rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}

impl Corpus {
    pub(crate) fn make(entries: usize) -> Self {
        let mut generator = Generator(42);
        let mut members: Vec<Member> = (0..AUTHORS)
            .map(|_| Member {
                root: SecretKey::from_seed(&generator.bytes()),
                device: SecretKey::from_seed(&generator.bytes()),
                link: ChainLink::FIRST,
            })
            .collect();
        let (community, space, governance) = found(&members);
        let mut contributions = Vec::with_capacity(entries);
        let mut raw_bytes = 0;
        let mut topics: Vec<DocumentId> = Vec::new();
        for number in 0..entries {
            let author = generator.below(AUTHORS as u64) as usize;
            let draft = match (generator.below(4), topics.is_empty()) {
                (0, _) | (_, true) => topic(&mut generator),
                _ => {
                    let topic = topics[generator.below(topics.len() as u64) as usize];
                    reply(&mut generator, topic)
                }
            };
            let is_topic = matches!(&draft, Draft::Create { kind, .. } if kind.as_str() == "topic");
            let entry = sign(
                &mut members[author],
                space,
                number,
                Target::Create,
                draft,
                &mut generator,
            );
            if is_topic {
                topics.push(entry.id().into());
            }
            let Entry::Contribution(it) = &entry else {
                unreachable!("sign gives contributions")
            };
            let header = it.header();
            raw_bytes += (it.header_bytes().len() + 64) as u64
                + u64::from(header.shape_bytes)
                + u64::from(header.words_bytes);
            contributions.push(entry.encode());
        }
        Self {
            community,
            governance,
            contributions,
            raw_bytes,
        }
    }
}

fn topic(generator: &mut Generator) -> Draft {
    let (title, body) = (6 + generator.below(6), 20 + generator.below(80));
    Draft::create(
        Kind::Topic,
        [
            ("title", Value::Text(generator.prose(title))),
            ("body", Value::Text(generator.prose(body))),
            ("form", Value::Int(1)),
            ("tags", Value::List(vec![Value::Text(generator.prose(1))])),
        ],
    )
}

fn reply(generator: &mut Generator, topic: DocumentId) -> Draft {
    let body = 10 + generator.below(60);
    Draft::create(
        Kind::Reply,
        [
            ("body", Value::Text(generator.prose(body))),
            ("topic", Value::Reference(Reference::from(topic))),
            ("parent", Value::Reference(Reference::from(topic))),
        ],
    )
}

fn sign(
    author: &mut Member,
    space: SpaceId,
    number: usize,
    target: Target,
    draft: Draft,
    generator: &mut Generator,
) -> Entry {
    let sealed = draft.seal(generator.bytes()).unwrap();
    let context = Context {
        space,
        link: author.link,
        governance: GovernanceDigest::from_bytes([0; 32]),
        time_ms: 1_790_000_000_000 + number as u64 * 1_000,
    };
    let payload = Payload {
        shape: sealed.shape,
        words: sealed.words,
    };
    let signed = contribution::sign(&author.device, &context, target, payload).unwrap();
    author.link = ChainLink::after(author.link.seq, signed.id());
    Entry::Contribution(signed)
}

fn found(members: &[Member]) -> (CommunityId, SpaceId, Vec<Vec<u8>>) {
    let founder = &members[0].root;
    let state = PartyState::founding("Founders".into(), [1; 16], founder.public(), Vec::new());
    let party = certificate::party_id(&state);
    let genesis = Genesis {
        nonce: [2; 16],
        name: "Corpus".into(),
        purpose: "To be measured.".into(),
        parties: vec![party],
        founders: vec![founder.public()],
        party_quorum: 1,
        spaces: vec![Space::new("lobby", Readers::Everyone, Writers::Members)],
        promises: Vec::new(),
        rules: Vec::new(),
        labels: Vec::new(),
        articles: Vec::new(),
        continues: None,
        time_ms: 1_790_000_000_000,
    };
    let community = certificate::community_id(&genesis);
    let space = genesis.spaces(community).next().unwrap().0;
    let governance_space = governance_space(community);
    let certificates = [
        CertificateBody::Party(state),
        CertificateBody::Genesis(genesis),
    ];
    let mut entries: Vec<Vec<u8>> = certificates
        .into_iter()
        .map(|body| Entry::Certificate(Certificate::sign(body, &[founder])).encode())
        .collect();
    let mut founder_link = ChainLink::FIRST;
    for (index, member) in members.iter().enumerate() {
        let admission = RecordBody::Admission(Admission {
            party,
            member: member.root.public(),
            roles: BTreeSet::from([Role::Member]),
        });
        let admitted = record_entry(founder, &mut founder_link, governance_space, admission);
        let root = member.root.public();
        let device = member.device.public();
        let message = record::consent_message(governance_space, &root, &device);
        let by_device = member
            .device
            .sign(domain::DEVICE_CONSENT_SIGNATURE, &message);
        let link = RecordBody::DeviceLink(DeviceLink {
            device,
            slot: 0,
            by_device,
        });
        let mut own = ChainLink::FIRST;
        let chain = if index == 0 {
            &mut founder_link
        } else {
            &mut own
        };
        entries.push(admitted);
        entries.push(record_entry(&member.root, chain, governance_space, link));
    }
    (community, space, entries)
}

fn record_entry(
    signer: &SecretKey,
    link: &mut ChainLink,
    space: SpaceId,
    body: RecordBody,
) -> Vec<u8> {
    let context = Context {
        space,
        link: *link,
        governance: GovernanceDigest::from_bytes([0; 32]),
        time_ms: 1_790_000_000_000,
    };
    let record = record::sign(signer, &context, body);
    *link = ChainLink::after(link.seq, record.id());
    Entry::Record(record).encode()
}

/// A page and `edits` edits of it, one after the other by eight authors, each a small splice.
pub(crate) fn page_with_edits(edits: usize) -> Vec<Entry> {
    let mut generator = Generator(7);
    let mut authors: Vec<Member> = (0..8)
        .map(|_| {
            let seed = generator.bytes();
            Member {
                root: SecretKey::from_seed(&seed),
                device: SecretKey::from_seed(&seed),
                link: ChainLink::FIRST,
            }
        })
        .collect();
    let space = SpaceId::from_bytes([9; 32]);
    let page = Draft::create(
        Kind::Page,
        [
            ("title", Value::Text("A page".into())),
            ("body", Value::Text(generator.prose(200))),
        ],
    );
    let first = sign(
        &mut authors[0],
        space,
        0,
        Target::Create,
        page,
        &mut generator,
    );
    let document = DocumentId::from(first.id());
    let mut head: EntryId = first.id();
    let mut entries = vec![first];
    for number in 1..=edits {
        let splice = Operation::Splice {
            path: vec![Step::Key("body".into())],
            position: generator.below(200) as u32,
            delete: 0,
            insert: generator.prose(4),
        };
        let target = Target::Edit {
            document,
            deps: vec![head],
        };
        let author = &mut authors[number % 8];
        let entry = sign(
            author,
            space,
            number,
            target,
            Draft::edit(vec![splice]),
            &mut generator,
        );
        head = entry.id();
        entries.push(entry);
    }
    entries
}
