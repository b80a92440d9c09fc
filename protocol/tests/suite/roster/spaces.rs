//! Spaces: who reads and writes them, which kinds they take, how they end, and restricted ones.

use super::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, ZOES_NODE, content, device, group};
use crate::community::{NODE, TIME_MS, public, verified};
use comity_protocol::{
    authority::{
        Act, Authority, DeclarationFault, EnvelopeError, Unauthorized,
        coverage::{Coverage, NoCuts},
    },
    certificate::{
        Certificate, CertificateBody, Change, Declarer, Readers, Space, SpaceDeclaration, Writers,
    },
    entry::Entry,
    id::{EntryId, SpaceId},
    key::PublicKey,
    record::Role,
};

/// Mia with us, Leo with them, one device each.
fn world() -> World {
    let mut world = World::with_mia();
    world.admit(ZOE, world.theirs, LEO, &[Role::Member]);
    world.link(LEO, device(LEO), 0);
    world
}

fn reads(world: &World, space: SpaceId) -> Vec<u8> {
    let authority = world.authority();
    let keys = [device(MIA), device(LEO), NODE, ZOES_NODE, STRANGER, MIA];
    let readers = keys
        .into_iter()
        .filter(|key| authority.may_read(Some(&public(*key)), space));
    readers.collect()
}

#[test]
fn a_space_for_a_party_is_for_its_people_and_nodes() {
    let world = world();
    assert_eq!(reads(&world, world.space("inner")), [device(MIA), NODE]);
    let members = [device(MIA), device(LEO), NODE, ZOES_NODE];
    assert_eq!(reads(&world, world.space("office")), members);
    assert!(!world.authority().may_read(None, world.space("inner")));
    assert!(world.authority().may_read(None, world.space("lobby")));
    assert!(world.writes("inner", device(MIA)).is_ok());
    assert_eq!(
        world.writes("inner", device(LEO)).map(drop),
        Err(Unauthorized::NotAReader)
    );
}

fn of_kind(
    authority: &Authority,
    space: SpaceId,
    kind: &str,
    coverage: &dyn Coverage,
) -> Result<(), Unauthorized> {
    let author = public(device(MIA));
    authority
        .authorize(
            space,
            &content(),
            &author,
            Some(kind),
            Act::Create,
            coverage,
        )
        .map(drop)
}

#[test]
fn spaces_take_the_kinds_they_name_until_a_resolution_narrows_them() {
    let mut world = world();
    let (wiki, lobby) = (world.space("wiki"), world.space("lobby"));
    let authority = world.authority();
    assert_eq!(of_kind(&authority, wiki, "page", &NoCuts), Ok(()));
    assert_eq!(
        of_kind(&authority, wiki, "topic", &NoCuts),
        Err(Unauthorized::KindNotAllowed)
    );
    assert_eq!(of_kind(&authority, lobby, "anything", &NoCuts), Ok(()));
    let narrowed = world.resolve(
        vec![Change::NarrowKinds(lobby, vec!["topic".into()])],
        &[ADA, BEN, ZOE],
    );
    let authority = world.authority();
    let beyond = Err(Unauthorized::KindForbidden(narrowed));
    assert_eq!(of_kind(&authority, lobby, "topic", &NoCuts), beyond);
    let covered = super::Covered([narrowed].into());
    assert_eq!(of_kind(&authority, lobby, "topic", &covered), Ok(()));
    assert_eq!(of_kind(&authority, lobby, "page", &NoCuts), Ok(()));
}

#[test]
fn a_closed_space_keeps_what_its_cuts_name() {
    let mut world = world();
    let lobby = world.space("lobby");
    let closed = world.resolve(vec![Change::CloseSpace(lobby)], &[ADA, BEN, ZOE]);
    let beyond = Err(Unauthorized::SpaceClosed(closed));
    assert_eq!(world.writes("lobby", device(MIA)).map(drop), beyond);
    assert!(world.counts_under("lobby", device(MIA), &[closed]).is_ok());
    assert!(world.authority().may_read(None, lobby), "still readable");
    let all = world.authority().narrowed_keys(&lobby);
    assert!(all.contains(&public(device(LEO))));
}

#[test]
fn a_later_space_is_declared_by_a_resolution() {
    let mut world = world();
    let space = Space::new("news", Readers::Members, Writers::Stewards);
    let declared = world.resolve(vec![Change::DeclareSpace(space)], &[ADA, BEN, ZOE]);
    let id = comity_protocol::certificate::space_id(world.id, declared.as_bytes(), 1);
    assert_eq!(world.authority().spaces()[&id].name, "news");
    assert_eq!(
        reads(&world, id),
        [device(MIA), device(LEO), NODE, ZOES_NODE]
    );
}

fn declare(
    world: &World,
    declarer: Declarer,
    readers: Readers,
    signers: &[u8],
) -> (SpaceId, Entry) {
    let declaration = SpaceDeclaration {
        community: world.id,
        declarer,
        space: Space::new("board", readers, Writers::Members),
        nonce: [7; 16],
        time_ms: TIME_MS,
    };
    let keys: Vec<_> = signers
        .iter()
        .map(|it| crate::community::secret(*it))
        .collect();
    let body = CertificateBody::SpaceDeclaration(declaration);
    let certificate = Certificate::sign(body, &keys.iter().collect::<Vec<_>>());
    (
        certificate.home(world.governance),
        Entry::Certificate(certificate),
    )
}

fn by_party(world: &World) -> Declarer {
    Declarer::Party {
        party: world.ours,
        state: world.states[&world.ours].0,
        proposer: public(ADA),
    }
}

#[test]
fn a_party_declares_a_space_for_a_group_of_its_own() {
    let mut world = world();
    world.admit(ADA, world.ours, LEO, &[Role::Member]);
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.groups = vec![group("board", &[MIA])];
    });
    let readers = || Readers::Groups(vec![(world.ours, "board".into())]);
    let (space, declared) = declare(&world, by_party(&world), readers(), &[ADA, BEN]);
    let authority = world.authority();
    assert_eq!(authority.lets_in(space, &declared), Ok(()));
    assert_eq!(
        authority.lets_in(world.governance, &declared),
        Err(EnvelopeError::WrongSpace),
        "it stands in its own space only"
    );
    let (elsewhere, alone) = declare(&world, by_party(&world), readers(), &[ADA]);
    assert_eq!(
        authority.lets_in(elsewhere, &alone),
        Err(EnvelopeError::PartyDeclares(DeclarationFault::TooFew {
            needed: 2,
            signed: 1
        })),
        "one of two delegates"
    );
    assert!(
        !authority.may_read(Some(&public(device(MIA))), space),
        "not known here"
    );
    assert!(!authority.spaces().contains_key(&space));
    world.entries.push(declared);
    assert_eq!(
        reads(&world, space),
        [device(MIA)],
        "not even the party's node by itself"
    );
    let writes = |world: &World, by: u8, coverage: &dyn Coverage| {
        let (authority, author) = (world.authority(), public(by));
        authority
            .authorize(space, &content(), &author, None, Act::Create, coverage)
            .map(drop)
    };
    assert_eq!(writes(&world, device(MIA), &NoCuts), Ok(()));
    assert_eq!(
        writes(&world, device(LEO), &NoCuts),
        Err(Unauthorized::NotAReader)
    );
    // Who leaves the group wrote up to what the state's cuts say.
    let dropped = world.amend(world.ours, &[ADA, BEN], |state| {
        state.groups = vec![group("board", &[LEO])];
    });
    assert_eq!(reads(&world, space), [device(LEO)]);
    assert_eq!(
        writes(&world, device(MIA), &NoCuts),
        Err(Unauthorized::NotAReader)
    );
    let covered = super::Covered([dropped].into());
    assert_eq!(writes(&world, device(MIA), &covered), Ok(()));
    assert!(world.authority().narrowings().contains_key(&dropped));
}

#[test]
fn members_open_spaces_for_people_they_name() {
    let mut world = world();
    let persons = |people: &[u8]| {
        let mut keys: Vec<PublicKey> = people.iter().map(|it| public(*it)).collect();
        keys.sort();
        Readers::Persons(keys)
    };
    let by = |root: u8, signer: u8| Declarer::Member {
        root: public(root),
        signer: public(signer),
    };
    let authority = world.authority();
    let lets_in = |root: u8, signer: u8| {
        let (space, declared) = declare(&world, by(root, signer), persons(&[root, LEO]), &[signer]);
        authority.lets_in(space, &declared)
    };
    assert_eq!(lets_in(MIA, MIA), Ok(()));
    assert_eq!(lets_in(MIA, device(MIA)), Ok(()));
    assert_eq!(
        lets_in(MIA, device(LEO)),
        Err(EnvelopeError::PersonDeclares)
    );
    assert_eq!(
        lets_in(STRANGER, STRANGER),
        Err(EnvelopeError::PersonDeclares)
    );
    let (space, declared) = declare(
        &world,
        by(MIA, device(MIA)),
        persons(&[MIA, LEO]),
        &[device(MIA)],
    );
    world.entries.push(declared);
    assert_eq!(reads(&world, space), [device(MIA), device(LEO)]);
    // Who is no member any more reads no more.
    let cuts = world.cuts_at_the_end_of(&[MIA]);
    let target = comity_protocol::record::Target::Member(public(MIA));
    world.revoke(ADA, target, cuts);
    assert_eq!(reads(&world, space), [device(LEO)]);
}

/// What is known of one space tells nothing of another, and declarations of strangers add nothing.
#[test]
fn a_declaration_by_nobody_declares_nothing() {
    let mut world = world();
    let before = world.authority();
    let by = Declarer::Member {
        root: public(STRANGER),
        signer: public(STRANGER),
    };
    let readers = Readers::Persons(vec![public(STRANGER)]);
    let (space, declared) = declare(&world, by, readers, &[STRANGER]);
    world.entries.push(declared);
    let after = Authority::evaluate(world.id, &verified(&world.entries));
    assert_eq!(before, after);
    assert!(!after.may_read(Some(&public(STRANGER)), space));
    let id = EntryId::from_bytes([1; 32]);
    let asked = after.authorize(space, &id, &public(STRANGER), None, Act::Create, &NoCuts);
    assert_eq!(asked.map(drop), Err(Unauthorized::UnknownSpace));
}
