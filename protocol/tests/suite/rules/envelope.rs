//! What a set does not let in, rule by rule. Spec: `specs/access.md` §1.

use crate::{
    community::{Chain, NODE, TIME_MS, public, receipt, secret},
    governance::cut_table,
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, device, first_state},
};
use comity_protocol::{
    authority::{Authority, DeclarationFault, EnvelopeError, OrderFault, coverage::NoCuts},
    certificate::{
        Certificate, CertificateBody, Change, Declarer, ErasureOrder, Genesis, Readers, Space,
        SpaceDeclaration, Writers,
    },
    document::Kind,
    entry::{BareHeader, Entry},
    id::{CommunityId, EntryId, SpaceId},
    record::RecordBody,
};

/// The rules, and the name by which a case refers to each. A new error does not compile without.
fn name(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::OtherGenesis => "E1",
        EnvelopeError::UnknownParty(_) => "E2",
        EnvelopeError::State(_) => "E3",
        EnvelopeError::Resolution(_) => "E4",
        EnvelopeError::PartyDeclares(DeclarationFault::OtherParty) => "E5 party",
        EnvelopeError::PartyDeclares(DeclarationFault::Signer(_)) => "E5 signer",
        EnvelopeError::PartyDeclares(DeclarationFault::TooFew { .. }) => "E5 too few",
        EnvelopeError::NoStanding => "E6",
        EnvelopeError::UnknownTable => "E8",
        EnvelopeError::WrongSpace => "E9",
        EnvelopeError::OtherCommunity => "E10",
        EnvelopeError::Builds(_) => "E11",
        EnvelopeError::NoGenesis => "E12",
        EnvelopeError::NotANode => "E13",
        EnvelopeError::UnknownSpace => "E14",
        EnvelopeError::PersonDeclares => "E15",
        EnvelopeError::Order(OrderFault::Signer(_)) => "E16 signer",
        EnvelopeError::Order(OrderFault::Quorum { .. }) => "E16 quorum",
        EnvelopeError::NotTheWriter => "E17",
        EnvelopeError::NotCovered => "E18",
    }
}

const ALL: [&str; 20] = [
    "E1",
    "E2",
    "E3",
    "E4",
    "E5 party",
    "E5 signer",
    "E5 too few",
    "E6",
    "E8",
    "E9",
    "E10",
    "E11",
    "E12",
    "E13",
    "E14",
    "E15",
    "E16 signer",
    "E16 quorum",
    "E17",
    "E18",
];

const NOWHERE: EntryId = EntryId::from_bytes([7; 32]);
const ELSEWHERE: CommunityId = CommunityId::from_bytes([8; 32]);

fn certified(body: CertificateBody, signers: &[u8]) -> Certificate {
    let keys: Vec<_> = signers.iter().map(|it| secret(*it)).collect();
    Certificate::sign(body, &keys.iter().collect::<Vec<_>>())
}

/// What the set of the governance space says of the last entry that is made.
fn last(make: impl FnOnce(&mut World)) -> Result<(), EnvelopeError> {
    let mut world = World::with_mia();
    let authority = world.authority();
    make(&mut world);
    authority.lets_in(world.governance, world.entries.last().unwrap())
}

/// What the set of a certificate's own space says of it.
fn of_its_space(
    make: impl FnOnce(&World) -> (CertificateBody, &'static [u8]),
) -> Result<(), EnvelopeError> {
    let world = World::with_mia();
    let (body, signers) = make(&world);
    let certificate = certified(body, signers);
    let space = certificate.home(world.governance);
    world
        .authority()
        .lets_in(space, &Entry::Certificate(certificate))
}

/// What the set of a space says of a record in it.
fn in_space(signer: u8, space: &str, body: fn(&World) -> RecordBody) -> Result<(), EnvelopeError> {
    let world = World::with_mia();
    let space = match space {
        "nowhere" => SpaceId::from_bytes([9; 32]),
        name => world.space(name),
    };
    let record = Chain::new(signer, space).record(body(&world));
    world.authority().lets_in(space, &Entry::Record(record))
}

fn declared(declarer: Declarer, community: CommunityId, readers: Readers) -> CertificateBody {
    CertificateBody::SpaceDeclaration(SpaceDeclaration {
        community,
        declarer,
        space: Space::new("board room", readers, Writers::Members),
        nonce: [4; 16],
        time_ms: TIME_MS,
    })
}

fn for_our_board(world: &World, state: EntryId) -> CertificateBody {
    let declarer = Declarer::Party {
        party: world.ours,
        state,
        proposer: public(ADA),
    };
    let readers = Readers::Groups(vec![(world.ours, "board".into())]);
    declared(declarer, world.id, readers)
}

fn order(world: &World, community: CommunityId) -> CertificateBody {
    CertificateBody::ErasureOrder(ErasureOrder {
        community,
        charter: world.charter.0,
        space: world.space("lobby"),
        contribution: NOWHERE,
        proposer: public(ADA),
        reason: String::new(),
        time_ms: TIME_MS,
    })
}

fn our_state(world: &World) -> EntryId {
    world.states[&world.ours].0
}

/// A set that breaks each rule.
fn cases() -> Vec<(&'static str, Result<(), EnvelopeError>)> {
    let received = |world: &World| receipt(&world.entries[0]);
    vec![
        (
            "E1",
            last(|world| {
                let other = Genesis {
                    parties: vec![world.ours],
                    founders: vec![public(STRANGER)],
                    ..crate::community::genesis()
                };
                world.certify(CertificateBody::Genesis(other), &[STRANGER]);
            }),
        ),
        (
            "E2",
            last(|world| {
                let state = first_state("Bakers", &[LEO], &[]);
                world.certify(CertificateBody::Party(state), &[LEO]);
            }),
        ),
        (
            "E3",
            last(|world| {
                world.amend(world.ours, &[ADA], |_| {});
            }),
        ),
        (
            "E4",
            last(|world| {
                world.resolve(vec![Change::SetName("Tea".into())], &[ADA, BEN]);
            }),
        ),
        (
            "E5 party",
            of_its_space(|world| (for_our_board(world, world.states[&world.theirs].0), &[ADA])),
        ),
        (
            "E5 signer",
            of_its_space(|world| (for_our_board(world, our_state(world)), &[ADA, BEN, ZOE])),
        ),
        (
            "E5 too few",
            of_its_space(|world| (for_our_board(world, our_state(world)), &[ADA])),
        ),
        (
            "E6",
            last(|world| {
                world.admit(STRANGER, world.ours, STRANGER, &[]);
            }),
        ),
        (
            "E8",
            in_space(ADA, "lobby", |_| RecordBody::CutTable(cut_table())),
        ),
        (
            "E9",
            last(|world| {
                let lobby = world.space("lobby");
                let record = Chain::new(NODE, lobby).record(receipt(&world.entries[0]));
                world.entries.push(Entry::Record(record));
            }),
        ),
        (
            "E10",
            of_its_space(|world| (order(world, ELSEWHERE), &[ADA, BEN, ZOE])),
        ),
        (
            "E11",
            last(|world| {
                world.charter.0 = NOWHERE;
                world.resolve(vec![Change::SetName("Tea".into())], &[ADA, BEN, ZOE]);
            }),
        ),
        ("E12", {
            let world = World::new();
            let nothing = Authority::unknown(world.id);
            nothing.lets_in(world.governance, &world.entries[1])
        }),
        ("E13", in_space(MIA, "lobby", received)),
        ("E14", in_space(NODE, "nowhere", received)),
        (
            "E15",
            of_its_space(|world| {
                let mut persons = vec![public(MIA), public(LEO)];
                persons.sort();
                let declarer = Declarer::Member {
                    root: public(MIA),
                    signer: public(device(LEO)),
                };
                let body = declared(declarer, world.id, Readers::Persons(persons));
                (body, &[LEO + 100])
            }),
        ),
        (
            "E16 signer",
            of_its_space(|world| (order(world, world.id), &[ADA, BEN, ZOE, STRANGER])),
        ),
        (
            "E16 quorum",
            of_its_space(|world| (order(world, world.id), &[ADA, BEN])),
        ),
        ("E17", {
            let world = World::with_mia();
            world
                .authority()
                .may_erase(&public(LEO), &public(device(MIA)))
        }),
        ("E18", {
            let world = World::with_mia();
            let lobby = world.space("lobby");
            let post = Chain::new(device(MIA), lobby).create(Kind::Topic);
            let bare = BareHeader::of_entry(&Entry::Contribution(post)).unwrap();
            world.authority().lets_in_bare(lobby, &bare, &NoCuts)
        }),
    ]
}

#[test]
fn every_rule_of_the_envelope_is_broken_by_a_set() {
    super::assert_each_is_broken(&ALL, &cases(), name);
}
