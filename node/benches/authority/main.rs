//! What authorizing costs in a large community, as a ratio to one signature verification.
//!
//! 10,000 members, 100,000 governance records: admissions, device and node links, role grants,
//! invitations, and revocations with cuts at zero of every hundredth member. Authors are uniform; the
//! caches of the processor are swept before every few questions. Prints one JSON line per figure.
//!
//! `cargo bench -p comity-node --bench authority`

use comity_protocol::{
    authority::{Act, Authority, coverage::NoCuts},
    certificate::{
        self, Certificate, CertificateBody, Cuts, Genesis, PartyState, Readers, Space, Writers,
    },
    contribution::{ChainLink, Context},
    entry::{Entry, Verified},
    id::{EntryId, GovernanceDigest, SpaceId, domain},
    key::{self, PublicKey, SecretKey},
    record::{
        self, Admission, DeviceLink, Invitation, NodeLink, RecordBody, Revocation, Role, Roles,
        Target,
    },
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const MEMBERS: u64 = 10_000;
const RECORDS: usize = 100_000;
const ROUNDS: u64 = 400;
/// Questions between two sweeps of the caches.
const QUESTIONS: u64 = 25;
/// Larger than the caches of most processors.
const SWEEP_BYTES: usize = 256 * 1024 * 1024;
const TARGET: f64 = 0.25;

fn secret(kind: u8, number: u64) -> SecretKey {
    let mut seed = [kind; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    SecretKey::from_seed(&seed)
}

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

    fn sign(&mut self, body: RecordBody, to: &mut Vec<Verified<Entry>>) {
        let context = Context {
            space: self.space,
            link: self.link,
            governance: GovernanceDigest::from_bytes([0; 32]),
            time_ms: 1_790_000_000_000,
        };
        let record = record::sign(&self.secret, &context, body);
        self.link = ChainLink::after(self.link.seq, record.id());
        to.push(Verified::from_own_record(Entry::Record(record)));
    }
}

struct Corpus {
    authority: Authority,
    entries: Vec<Verified<Entry>>,
    devices: Vec<PublicKey>,
    space: SpaceId,
}

fn corpus() -> Corpus {
    let delegate = secret(1, 0);
    let node = secret(2, 0);
    let state = PartyState::founding(
        "Coffee Club".into(),
        [1; 16],
        delegate.public(),
        vec![node.public()],
    );
    let party = certificate::party_id(&state);
    let genesis = Genesis {
        nonce: [2; 16],
        name: "Coffee".into(),
        purpose: String::new(),
        parties: vec![party],
        founders: vec![delegate.public()],
        party_quorum: 1,
        spaces: vec![Space {
            name: "members".into(),
            readers: Readers::Members,
            writers: Writers::Members,
            kinds: None,
            successor_of: None,
            continues: None,
        }],
        promises: Vec::new(),
        rules: Vec::new(),
        labels: Vec::new(),
        articles: Vec::new(),
        continues: None,
        time_ms: 1_790_000_000_000,
    };
    let community = certificate::community_id(&genesis);
    let governance = certificate::governance_space(community);
    let space = certificate::space_id(community, community.as_bytes(), 1);
    let certificates = [
        CertificateBody::Party(state),
        CertificateBody::Genesis(genesis),
    ];
    let mut entries: Vec<Verified<Entry>> = certificates
        .map(|body| Certificate::sign(body, &[&delegate]))
        .map(|it| Verified::from_own_record(Entry::Certificate(it)))
        .into();
    let mut by_delegate = Chain::new(delegate, governance);
    let mut devices = Vec::new();
    for number in 0..MEMBERS {
        let root = secret(3, number);
        let device = secret(4, number);
        let admission = Admission {
            party,
            member: root.public(),
            roles: Roles::from([Role::Member]),
        };
        by_delegate.sign(RecordBody::Admission(admission), &mut entries);
        let message = record::consent_message(governance, &root.public(), &device.public());
        let link = DeviceLink {
            device: device.public(),
            slot: 0,
            by_device: device.sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
        };
        let mut own = Chain::new(root, governance);
        own.sign(RecordBody::DeviceLink(link), &mut entries);
        if number % 10 == 0 {
            let served = secret(5, number);
            let root = own.secret.public();
            let message = record::consent_message(governance, &root, &served.public());
            let link = NodeLink {
                node: served.public(),
                by_node: served.sign(domain::NODE_CONSENT_SIGNATURE, &message),
            };
            own.sign(RecordBody::NodeLink(link), &mut entries);
        }
        if number % 100 == 99 {
            let revocation = Revocation {
                party,
                target: Target::Member(own.secret.public()),
                cuts: Cuts::default(),
                replaces: None,
            };
            by_delegate.sign(RecordBody::Revocation(revocation), &mut entries);
        }
        devices.push(device.public());
    }
    let mut number = 0;
    while entries.len() < RECORDS {
        let body = match number % 2 {
            0 => RecordBody::Admission(Admission {
                party,
                member: secret(3, number % MEMBERS).public(),
                roles: Roles::from([Role::Member, Role::Steward]),
            }),
            _ => RecordBody::Invitation(Invitation {
                party,
                invitation_key: secret(6, number).public(),
                countersigner: node.public(),
                roles: Roles::from([Role::Member]),
                uses: 1,
                expires_ms: None,
            }),
        };
        by_delegate.sign(body, &mut entries);
        number += 1;
    }
    let started = Instant::now();
    let authority = Authority::evaluate(community, &entries);
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"figure\":\"evaluate {RECORDS} governance records, s\",\"value\":{seconds:.3}}}");
    Corpus {
        authority,
        entries,
        devices,
        space,
    }
}

/// A small generator that needs no crate: order of authors only.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn main() {
    let corpus = corpus();
    let mut sweep = vec![1u8; SWEEP_BYTES];
    let mut seed = 0x5eed_u64;
    let id = EntryId::from_bytes([7; 32]);
    let (mut authorizing, mut refused) = (Duration::ZERO, 0);
    for round in 0..ROUNDS {
        for line in sweep.chunks_mut(64) {
            line[0] = line[0].wrapping_add(round as u8);
        }
        black_box(&sweep);
        let authors: Vec<PublicKey> = (0..QUESTIONS)
            .map(|_| corpus.devices[(next(&mut seed) % MEMBERS) as usize])
            .collect();
        let started = Instant::now();
        for author in &authors {
            let verdict = corpus.authority.authorize(
                corpus.space,
                &id,
                black_box(author),
                Some("topic"),
                Act::Create,
                &NoCuts,
            );
            refused += u64::from(black_box(verdict).is_err());
        }
        authorizing += started.elapsed();
    }
    let asked = ROUNDS * QUESTIONS;
    assert!(
        refused > 0 && refused < asked / 20,
        "about one author in a hundred is revoked, {refused} of {asked} were refused"
    );
    let authorizing = authorizing.as_secs_f64() / asked as f64;
    let signer = secret(9, 9);
    let message = [3u8; 300];
    let signature = signer.sign(domain::CONTRIBUTION_SIGNATURE, &message);
    let started = Instant::now();
    for _ in 0..asked {
        let verdict = key::verify(
            black_box(&signer.public()),
            domain::CONTRIBUTION_SIGNATURE,
            &message,
            &signature,
        );
        assert!(black_box(verdict).is_ok());
    }
    let verifying = started.elapsed().as_secs_f64() / asked as f64;
    let ratio = authorizing / verifying;
    let met = ratio <= TARGET;
    println!(
        "{{\"figure\":\"authorize one contribution ÷ verify one signature\",\"value\":{ratio:.4},\"target\":\"<= {TARGET}\",\"met\":{met},\"authorize_us\":{:.3},\"verify_us\":{:.3},\"members\":{MEMBERS},\"records\":{}}}",
        authorizing * 1e6,
        verifying * 1e6,
        corpus.entries.len(),
    );
    if !met {
        std::process::exit(1);
    }
}
