//! The community that is asked: governance of five parties, and the cuts and receipts of one space.

use comity_protocol::{
    authority::{
        AuthorLink, Authority,
        coverage::SpaceCoverage,
        receipts::{SpaceRecords, Statement},
    },
    certificate::{
        self, Certificate, CertificateBody, Cuts, DeviceCut, Genesis, PartyState, Readers, Space,
        SpaceCut, Writers,
    },
    contribution::{ChainLink, Context},
    entry::{Entry, Verified},
    id::{CommunityId, EntryId, GovernanceDigest, PartyId, SpaceId, digest, domain},
    key::{PublicKey, SecretKey},
    record::{
        self, Admission, ChainHead, DeviceLink, Invitation, NodeLink, RecordBody, Revocation, Role,
        Roles, Target,
    },
};
use std::{collections::BTreeMap, time::Instant};

pub const PARTIES: u64 = 5;
pub const MEMBERS: u64 = 10_000;
const RECORDS: usize = 100_000;
/// Contributions in the chain of each revoked author who is covered.
const CHAIN: u64 = 200;
/// How many of them a receipt moves on.
const RECEIPT_STEP: usize = 10;
const TIME_MS: u64 = 1_790_000_000_000;
/// Root of the tables of those whose cuts are listed.
const SEALED: [u8; 32] = [9; 32];

/// What became of an author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A member.
    Member,
    /// Revoked; nothing counts.
    CutAtZero,
    /// Revoked; a table of cuts lists the chain.
    Listed,
    /// Revoked with a cut at zero, which receipts lift.
    Receipted,
}

impl Fate {
    fn of(number: u64) -> Self {
        match number % 200 {
            49 | 99 => Self::CutAtZero,
            149 => Self::Listed,
            199 => Self::Receipted,
            _ => Self::Member,
        }
    }
}

pub struct Author {
    pub device: PublicKey,
    pub fate: Fate,
    /// What is asked about; empty: it does not matter.
    pub chain: Vec<EntryId>,
}

pub struct Corpus {
    pub authority: Authority,
    pub coverage: SpaceCoverage,
    pub authors: Vec<Author>,
    pub space: SpaceId,
    pub records: usize,
}

fn secret(kind: u8, number: u64) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// The chain of one key in the governance space.
struct Chain {
    secret: SecretKey,
    space: SpaceId,
    link: ChainLink,
}

impl Chain {
    fn new(secret: SecretKey, space: SpaceId) -> Self {
        let link = ChainLink::FIRST;
        Self {
            secret,
            space,
            link,
        }
    }

    fn sign(&mut self, body: RecordBody, to: &mut Vec<Verified<Entry>>) -> EntryId {
        let context = Context {
            space: self.space,
            link: self.link,
            governance: GovernanceDigest::from_bytes([0; 32]),
            time_ms: TIME_MS,
        };
        let record = record::sign(&self.secret, &context, body);
        let id = record.id();
        self.link = ChainLink::after(self.link.seq, id);
        to.push(Verified::from_own_record(Entry::Record(record)));
        id
    }
}

struct Party {
    id: PartyId,
    delegate: Chain,
    node: PublicKey,
}

struct Founded {
    community: CommunityId,
    governance: SpaceId,
    space: SpaceId,
    parties: Vec<Party>,
    entries: Vec<Verified<Entry>>,
}

fn found() -> Founded {
    let state = |number: u64| {
        PartyState::founding(
            format!("Party {number}"),
            [number as u8; 16],
            secret(1, number).public(),
            vec![secret(2, number).public()],
        )
    };
    let states: Vec<PartyState> = (0..PARTIES).map(state).collect();
    let mut ids: Vec<PartyId> = states.iter().map(certificate::party_id).collect();
    let of_states = ids.clone();
    ids.sort();
    let delegates: Vec<SecretKey> = (0..PARTIES).map(|number| secret(1, number)).collect();
    let mut founders: Vec<PublicKey> = delegates.iter().map(SecretKey::public).collect();
    founders.sort();
    let genesis = Genesis {
        nonce: [2; 16],
        name: "Coffee".into(),
        purpose: String::new(),
        parties: ids,
        founders,
        party_quorum: PARTIES / 2 + 1,
        spaces: vec![Space::new("members", Readers::Members, Writers::Members)],
        promises: Vec::new(),
        rules: Vec::new(),
        labels: Vec::new(),
        articles: Vec::new(),
        continues: None,
        time_ms: TIME_MS,
    };
    let community = certificate::community_id(&genesis);
    let governance = certificate::governance_space(community);
    let space = certificate::space_id(community, community.as_bytes(), 1);
    let certify = |body, signers: &[&SecretKey]| {
        Verified::from_own_record(Entry::Certificate(Certificate::sign(body, signers)))
    };
    let mut entries = Vec::new();
    for (state, delegate) in states.into_iter().zip(&delegates) {
        entries.push(certify(CertificateBody::Party(state), &[delegate]));
    }
    let signers: Vec<&SecretKey> = delegates.iter().collect();
    entries.push(certify(CertificateBody::Genesis(genesis), &signers));
    let party = |number: u64| Party {
        id: of_states[number as usize],
        delegate: Chain::new(secret(1, number), governance),
        node: secret(2, number).public(),
    };
    Founded {
        community,
        governance,
        space,
        parties: (0..PARTIES).map(party).collect(),
        entries,
    }
}

/// The chain that an author wrote in the space.
fn written(device: PublicKey, links: &mut BTreeMap<EntryId, AuthorLink>) -> Vec<EntryId> {
    let mut link = ChainLink::FIRST;
    let mut chain = Vec::new();
    for seq in 1..=CHAIN {
        let id = EntryId::from_bytes(digest(
            b"bench contribution",
            &[device.as_bytes(), &seq.to_be_bytes()],
        ));
        let author = device;
        links.insert(id, AuthorLink { author, link });
        link = ChainLink::after(seq, id);
        chain.push(id);
    }
    chain
}

/// Statements of one signer in the space, one after the other.
struct Speaker {
    key: PublicKey,
    link: ChainLink,
}

impl Speaker {
    fn new(key: PublicKey) -> Self {
        let link = ChainLink::FIRST;
        Self { key, link }
    }

    fn say(&mut self, says: Statement, records: &mut SpaceRecords) {
        let seq = self.link.seq.to_be_bytes();
        let id = EntryId::from_bytes(digest(b"bench statement", &[self.key.as_bytes(), &seq]));
        records.add_statement(id, self.key, self.link, says);
        self.link = ChainLink::after(self.link.seq, id);
    }
}

/// Everybody with their devices, revoked or not.
fn populate(
    founded: &mut Founded,
    links: &mut BTreeMap<EntryId, AuthorLink>,
    records: &mut SpaceRecords,
) -> Vec<Author> {
    let (governance, space) = (founded.governance, founded.space);
    let mut tables = Speaker::new(secret(7, 0).public());
    let mut authors = Vec::new();
    let mut revoked = Vec::new();
    for number in 0..MEMBERS {
        let entries = &mut founded.entries;
        let party = &mut founded.parties[(number % PARTIES) as usize];
        let (root, device) = (secret(3, number), secret(4, number));
        let admission = Admission {
            party: party.id,
            member: root.public(),
            roles: Roles::from([Role::Member]),
        };
        party
            .delegate
            .sign(RecordBody::Admission(admission), entries);
        let mut own = Chain::new(root, governance);
        let linked = own.sign(device_link(governance, &own.secret, &device), entries);
        if number % 10 == 0 {
            own.sign(node_link(governance, &own.secret, number), entries);
        }
        let fate = Fate::of(number);
        if fate != Fate::Member {
            revoked.push((number, own.secret.public(), linked));
        }
        let chain = match fate {
            Fate::Listed | Fate::Receipted => written(device.public(), links),
            _ => Vec::new(),
        };
        authors.push(Author {
            device: device.public(),
            fate,
            chain,
        });
    }
    receipts(&authors, founded, records);
    for (number, root, linked) in revoked {
        let author = &authors[number as usize];
        let party = &mut founded.parties[(number % PARTIES) as usize];
        let body = revocation(party.id, governance, (root, linked), author.fate);
        let narrowing = party.delegate.sign(body, &mut founded.entries);
        if author.fate == Fate::Listed {
            let cut = cut(space, author.device, author.chain[author.chain.len() - 1]);
            let root = SEALED;
            let table = Statement::CutTable {
                narrowing,
                root,
                cut,
            };
            tables.say(table, records);
        }
    }
    authors
}

fn device_link(governance: SpaceId, root: &SecretKey, device: &SecretKey) -> RecordBody {
    let message = record::consent_message(governance, &root.public(), &device.public());
    RecordBody::DeviceLink(DeviceLink {
        device: device.public(),
        slot: 0,
        by_device: device.sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
    })
}

fn node_link(governance: SpaceId, root: &SecretKey, number: u64) -> RecordBody {
    let served = secret(5, number);
    let message = record::consent_message(governance, &root.public(), &served.public());
    RecordBody::NodeLink(NodeLink {
        node: served.public(),
        by_node: served.sign(domain::NODE_CONSENT_SIGNATURE, &message),
    })
}

fn cut(space: SpaceId, key: PublicKey, last: EntryId) -> SpaceCut {
    let devices = vec![DeviceCut {
        key,
        last: vec![last],
    }];
    SpaceCut { space, devices }
}

/// What the root key signed in the governance space stays, so that the device remains theirs.
fn revocation(
    party: PartyId,
    governance: SpaceId,
    (root, linked): (PublicKey, EntryId),
    fate: Fate,
) -> RecordBody {
    RecordBody::Revocation(Revocation {
        party,
        target: Target::Member(root),
        cuts: Cuts {
            open: vec![cut(governance, root, linked)],
            sealed: match fate {
                Fate::Listed => SEALED,
                _ => [8; 32],
            },
        },
        replaces: None,
    })
}

/// The nodes of all parties receipt, step by step, what the authors wrote whom receipts keep. No node
/// has acknowledged a removal, so each receipt of another party's node lifts.
fn receipts(authors: &[Author], founded: &Founded, records: &mut SpaceRecords) {
    let receipted: Vec<&Author> = authors
        .iter()
        .filter(|it| it.fate == Fate::Receipted)
        .collect();
    for party in &founded.parties {
        let mut node = Speaker::new(party.node);
        for end in (RECEIPT_STEP..=CHAIN as usize).step_by(RECEIPT_STEP) {
            let head = |it: &&Author| ChainHead {
                author: it.device,
                seq: end as u64,
                id: it.chain[end - 1],
            };
            let mut heads: Vec<ChainHead> = receipted.iter().map(head).collect();
            heads.sort_by_key(|it| it.author);
            node.say(Statement::Receipt(heads), records);
        }
    }
}

/// More roles, and invitations that nobody used.
fn fill(founded: &mut Founded) {
    let mut number = 0;
    while founded.entries.len() < RECORDS {
        let of = number / 2 % MEMBERS;
        let party = &mut founded.parties[(of % PARTIES) as usize];
        let body = match number % 2 {
            0 => RecordBody::Admission(Admission {
                party: party.id,
                member: secret(3, of).public(),
                roles: Roles::from([Role::Member, Role::Steward]),
            }),
            _ => RecordBody::Invitation(Invitation {
                party: party.id,
                invitation_key: secret(6, number).public(),
                countersigner: party.node,
                roles: Roles::from([Role::Member]),
                uses: 1,
                expires_ms: None,
            }),
        };
        party.delegate.sign(body, &mut founded.entries);
        number += 1;
    }
}

fn figure(name: &str, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"figure\":\"{name}, s\",\"value\":{seconds:.3}}}");
}

pub fn corpus() -> Corpus {
    let mut founded = found();
    let mut links = BTreeMap::new();
    let mut records = SpaceRecords::new();
    let authors = populate(&mut founded, &mut links, &mut records);
    fill(&mut founded);
    let started = Instant::now();
    let authority = Authority::evaluate(founded.community, &founded.entries);
    figure(&format!("evaluate {RECORDS} governance records"), started);
    assert_eq!(authority.parties().len() as u64, PARTIES);
    let started = Instant::now();
    let coverage = SpaceCoverage::build(
        founded.space,
        authority.narrowings(),
        &authority.narrowed_keys(&founded.space),
        &records,
        &links,
        &authority,
    );
    figure("evaluate the cuts of the space", started);
    Corpus {
        authority,
        coverage,
        authors,
        space: founded.space,
        records: founded.entries.len(),
    }
}
