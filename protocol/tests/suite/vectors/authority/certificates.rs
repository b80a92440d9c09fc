//! Single entries: party states by P1 to P6, resolutions by R1 to R12, what sets let in by E1 to E8.

use super::{Book, verdict};
use crate::{
    community::{Chain, NODE, TIME_MS, arrive, genesis, public, receipt, secret},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, device, first_state, group},
};
use comity_protocol::{
    authority::{Authority, charter::judge, parties::judge_state},
    certificate::{
        self, Certificate, CertificateBody, Change, Cuts, Declarer, ErasureOrder, ForkProof,
        Genesis, PartyState, Promise, Readers, Resolution, Space, SpaceDeclaration, Writers,
    },
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{Acknowledge, RecordBody, Role},
};
use serde_json::json;

fn signed(body: CertificateBody, by: &[u8]) -> Certificate {
    let keys: Vec<_> = by.iter().map(|it| secret(*it)).collect();
    Certificate::sign(body, &keys.iter().collect::<Vec<_>>())
}

fn declared(world: &World, declarer: Declarer, readers: Readers, by: &[u8]) -> (SpaceId, Entry) {
    let declaration = SpaceDeclaration {
        community: world.id,
        declarer,
        space: Space::new("board room", readers, Writers::Members),
        nonce: [4; 16],
        time_ms: TIME_MS,
    };
    let certificate = signed(CertificateBody::SpaceDeclaration(declaration), by);
    (
        certificate.home(world.governance),
        Entry::Certificate(certificate),
    )
}

/// A space that our party declares for its board.
pub(super) fn for_the_board(world: &World, by: &[u8]) -> (SpaceId, Entry) {
    let declarer = Declarer::Party {
        party: world.ours,
        state: world.states[&world.ours].0,
        proposer: public(ADA),
    };
    let readers = Readers::Groups(vec![(world.ours, "board".into())]);
    declared(world, declarer, readers, by)
}

/// A space that a person opens for itself and Leo.
pub(super) fn for_persons(world: &World, root: u8, signer: u8) -> (SpaceId, Entry) {
    let declarer = Declarer::Member {
        root: public(root),
        signer: public(signer),
    };
    let mut persons = vec![public(root), public(LEO)];
    persons.sort();
    declared(world, declarer, Readers::Persons(persons), &[signer])
}

pub(super) fn write(book: &mut Book) {
    states(book);
    resolutions(book);
    letting_in(book);
}

/// What a rule says of a certificate beside a set, and that the set lets it in or not.
fn judged<E: std::fmt::Debug>(
    book: &mut Book,
    name: &str,
    set: &str,
    certificate: Certificate,
    (judged, expected): (Result<(), E>, &str),
) {
    let found = verdict(judged);
    assert_eq!(found, expected, "{name}");
    let entry = Entry::Certificate(certificate);
    arrive(&entry);
    let of = book.write(&[entry]).remove(0);
    book.judged.push(json!({
        "name": name,
        "beside": set,
        "certificate": of,
        "verdict": found,
    }));
}

/// P1 to P6.
fn states(book: &mut Book) {
    let world = World::new();
    let set = "founded-by-two-parties";
    let authority = book.set(set, world.id, &world.entries);
    let chain = authority.party_chains().chain(&world.ours).unwrap();
    let mut add = |name: &str, state: PartyState, by: &[u8], expected: &str| {
        let certificate = signed(CertificateBody::Party(state.clone()), by);
        let signers: Vec<PublicKey> = certificate.signers().collect();
        let found = judge_state(&state, &signers, chain);
        judged(book, name, set, certificate, (found, expected));
    };
    let (parent, first) = world.states[&world.ours].clone();
    let both = &[ADA, BEN];
    let later = |change: &dyn Fn(&mut PartyState)| {
        let mut state = PartyState {
            parent: Some((world.ours, parent)),
            height: 1,
            proposer: public(ADA),
            name: "Tea Club".into(),
            ..first.clone()
        };
        change(&mut state);
        state
    };
    let lost = EntryId::from_bytes([9; 32]);
    let (ours, theirs) = (world.ours, world.theirs);
    add("p-a-later-state", later(&|_| {}), both, "Ok");
    add("p1-a-first-state", first.clone(), both, "NotFirst");
    let orphan = later(&|it| it.parent = Some((ours, lost)));
    add("p2-a-parent-that-is-not-here", orphan, both, "NoParent");
    let foreign = later(&|it| it.parent = Some((theirs, parent)));
    add("p2-a-parent-of-another-party", foreign, both, "NoParent");
    let high = later(&|it| it.height = 2);
    add("p3-a-height-left-out", high, both, "Height");
    let three = &[ADA, BEN, STRANGER];
    add("p4-a-stranger-signs-too", later(&|_| {}), three, "Signer");
    add("p5-one-of-two-delegates", later(&|_| {}), &[ADA], "TooFew");
    let proposed = later(&|it| it.proposer = public(ZOE));
    add("p6-a-stranger-proposes", proposed, both, "Proposer");
}

/// Ours, theirs, and Growers, whose delegate is Leo; two are needed.
fn of_three() -> (World, PartyId) {
    let mut world = World::new();
    let growers = first_state("Growers", &[LEO], &[]);
    let party = certificate::party_id(&growers);
    let state = world.certify(CertificateBody::Party(growers.clone()), &[LEO]);
    world.states.insert(party, (state, growers));
    world.resolve(vec![Change::AddParty(party)], &[ADA, BEN, ZOE, LEO]);
    (world, party)
}

/// R1 to R12.
fn resolutions(book: &mut Book) {
    let (mut world, growers) = of_three();
    // A party that would join, and a fork of ours whose winner is not pinned.
    let bakers = first_state("Bakers", &[MIA], &[]);
    let newcomer = certificate::party_id(&bakers);
    let pinned = world.states.clone();
    let fork = ["Left", "Right"].map(|name| {
        world.states = pinned.clone();
        world.amend(world.ours, &[ADA, BEN], |state| state.name = name.into())
    });
    world.states = pinned;
    world.states.get_mut(&world.ours).unwrap().0 = fork[0];
    world.resolve(vec![Change::SetName("Tea".into())], &[ADA, BEN, ZOE]);
    let named = world.resolution(vec![Change::AddParty(newcomer)], ADA);
    let proposal = comity_protocol::record::Proposal {
        body: CertificateBody::Resolution(named).encode(),
    };
    world.say(ADA, RecordBody::Proposal(proposal));
    let first = world.certify(CertificateBody::Party(bakers.clone()), &[MIA]);
    let set = "three-parties-one-forked-and-one-that-would-join";
    let authority = book.set(set, world.id, &world.entries);
    assert!(authority.party_chains().chain(&newcomer).is_some());
    let parent = authority.charter().unwrap().state(&world.charter.0).unwrap();
    let chains = authority.party_chains();
    let mut add = |name: &str, it: Resolution, by: &[u8], expected: &str| {
        let certificate = signed(CertificateBody::Resolution(it.clone()), by);
        let signers: Vec<PublicKey> = certificate.signers().collect();
        let found = judge(&it, &signers, parent, chains);
        judged(book, name, set, certificate, (found, expected));
    };
    let mut say = |change: Change| world.resolution(vec![change], ZOE);
    let rename = || Change::SetName("Milk".into());
    let (two, all) = (&[ZOE, LEO][..], &[ADA, BEN, ZOE, LEO][..]);
    add("r-two-of-three-parties", say(rename()), two, "Ok");
    let elsewhere = Resolution {
        community: CommunityId::from_bytes([7; 32]),
        ..say(rename())
    };
    add("r1-another-community", elsewhere, all, "Parent");
    let below = Resolution {
        parent: EntryId::from_bytes([7; 32]),
        ..say(rename())
    };
    add("r1-another-parent", below, all, "Parent");
    let mut high = say(rename());
    high.height += 1;
    add("r2-a-height-left-out", high, all, "Height");
    let pin = |mut it: Resolution, state: Option<EntryId>| {
        it.pins.retain(|(party, _)| *party != growers || state.is_some());
        let mut pins = it.pins.iter_mut();
        if let (Some(state), Some(pin)) = (state, pins.find(|(party, _)| *party == growers)) {
            pin.1 = state;
        }
        it
    };
    add("r3-a-party-is-not-pinned", pin(say(rename()), None), all, "Pin");
    let unknown = Some(EntryId::from_bytes([7; 32]));
    add("r3-a-state-that-is-not-here", pin(say(rename()), unknown), all, "Pin");
    let ours = world_party(&authority, ADA);
    let over = |mut it: Resolution, to: EntryId, proof: Option<(EntryId, EntryId)>| {
        let mut pins = it.pins.iter_mut();
        pins.find(|(party, _)| *party == ours).unwrap().1 = to;
        let proofs = proof.into_iter();
        it.fork_proofs = proofs
            .map(|(left, right)| ForkProof {
                party: ours,
                left,
                right,
            })
            .collect();
        it
    };
    let proof = Some((fork[0], fork[1]));
    add("r3-over-by-a-fork-proof", over(say(rename()), fork[1], proof), two, "Ok");
    add("r3-over-without-a-proof", over(say(rename()), fork[1], None), two, "Pin");
    add("r3-a-proof-without-need", over(say(rename()), fork[0], proof), two, "Pin");
    let before = chains.chain(&ours).unwrap().first().0;
    add("r3-back-to-an-earlier-state", over(say(rename()), before, None), two, "Pin");
    add("r4-one-of-three-parties", say(rename()), &[ZOE], "Quorum");
    add("r4-a-party-by-one-of-two-delegates", say(rename()), &[ADA, ZOE], "Quorum");
    add("r5-the-quorum-by-all", say(Change::SetPartyQuorum(3)), all, "Ok");
    add("r5-the-quorum-by-two", say(Change::SetPartyQuorum(3)), two, "QuorumChange");
    let join = |mut it: Resolution| {
        it.pins.push((newcomer, first));
        it.pins.sort();
        it
    };
    let asked = || Change::AddParty(newcomer);
    add("r6-with-the-newcomer", join(say(asked())), &[ZOE, LEO, MIA], "Ok");
    add("r6-without-the-newcomer", join(say(asked())), two, "Newcomer");
    add("r7-by-all-others", say(Change::RemoveParty(ours)), two, "Ok");
    let (three, without) = (&[ADA, BEN, ZOE][..], Change::RemoveParty(ours));
    add("r7-without-one-of-the-others", say(without), three, "Removal");
    let promise = |days| {
        Change::SetPromise(Promise {
            party: Some(ours),
            name: "repair".into(),
            days,
        })
    };
    add("r8-a-promise-by-who-makes-it", say(promise(2)), three, "Ok");
    add("r8-a-promise-for-another", say(promise(2)), two, "Consent");
    let space = |readers, successor_of| {
        Change::DeclareSpace(Space {
            successor_of,
            ..Space::new("garden", readers, Writers::Members)
        })
    };
    let known = Readers::Parties(vec![growers]);
    add("r9-a-space-for-a-party", say(space(known, None)), two, "Ok");
    let unknown = Readers::Parties(vec![newcomer]);
    add("r9-a-space-for-no-party", say(space(unknown, None)), two, "Readers");
    let after = Some(SpaceId::from_bytes([7; 32]));
    let follows = space(Readers::Everyone, after);
    add("r9-a-successor-of-nothing", say(follows), two, "Readers");
    add("r10-a-quorum-of-one", say(Change::SetPartyQuorum(1)), all, "Bounds");
    add("r10-a-quorum-above-all", say(Change::SetPartyQuorum(4)), all, "Bounds");
    let taken = Space::new("lobby", Readers::Everyone, Writers::Members);
    add("r10-a-name-twice", say(Change::DeclareSpace(taken)), two, "Bounds");
    add("r11-a-stranger-signs-too", say(rename()), &[ZOE, LEO, STRANGER], "Signer");
    let mut proposed = say(rename());
    proposed.proposer = public(STRANGER);
    add("r11-a-stranger-proposes", proposed, two, "Signer");
    let same = Change::SetName("Tea".into());
    add("r12-the-name-as-it-is", say(same), two, "NoChange");
    let nothing = Change::RemoveLabel("spam".into());
    add("r12-ending-what-is-not-there", say(nothing), two, "NoChange");
}

/// The party of a delegate.
fn world_party(authority: &Authority, delegate: u8) -> PartyId {
    let mut parties = authority.parties().iter();
    let found = parties.find(|(_, it)| it.delegates.contains(&public(delegate)));
    *found.unwrap().0
}

/// E1 to E8.
fn letting_in(book: &mut Book) {
    let mut world = World::with_mia();
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.groups = vec![group("board", &[MIA])];
    });
    let set = "a-member-with-a-device-and-a-board";
    let authority = book.set(set, world.id, &world.entries);
    let governance = world.governance;
    let lobby = world.space("lobby");
    let mut add = |name: &str, space: SpaceId, entry: &Entry, expected: &str| {
        arrive(entry);
        book.judge(name, (set, &authority), (space, entry), expected);
    };
    add("e1-the-genesis", governance, &world.entries[0], "Ok");
    let other = Genesis {
        parties: vec![world.ours],
        founders: vec![public(STRANGER)],
        ..genesis()
    };
    let other = Entry::Certificate(signed(CertificateBody::Genesis(other), &[STRANGER]));
    add("e1-another-genesis", governance, &other, "NoStanding");
    add("e2-a-party-of-the-genesis", governance, &world.entries[1], "Ok");
    let bakers = CertificateBody::Party(first_state("Bakers", &[LEO], &[]));
    let bakers = Entry::Certificate(signed(bakers, &[LEO]));
    add("e2-a-party-that-nobody-named", governance, &bakers, "UnknownParty");

    let last = |change: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        change(&mut world);
        world.entries.pop().unwrap()
    };
    let amend = |by: &'static [u8], parent: Option<EntryId>| {
        last(&|world| {
            let party = world.ours;
            world.amend(party, by, |state| {
                state.name = "Tea Club".into();
                if let Some(parent) = parent {
                    state.parent = Some((party, parent));
                }
            });
        })
    };
    let lost = Some(EntryId::from_bytes([7; 32]));
    add("e3-a-later-state", governance, &amend(&[ADA, BEN], None), "Ok");
    add("e3-by-one-of-two", governance, &amend(&[ADA], None), "NotCertified");
    add("e3-without-its-parent", governance, &amend(&[ADA, BEN], lost), "Builds");
    let resolve = |by: &'static [u8], parent: Option<EntryId>| {
        last(&|world| {
            if let Some(parent) = parent {
                world.charter.0 = parent;
            }
            world.resolve(vec![Change::SetName("Tea".into())], by);
        })
    };
    let all = &[ADA, BEN, ZOE];
    add("e4-a-resolution", governance, &resolve(all, None), "Ok");
    add("e4-by-one-of-two-parties", governance, &resolve(&[ADA, BEN], None), "NotCertified");
    add("e4-without-its-parent", governance, &resolve(all, lost), "Builds");

    let depart = |by: u8| {
        last(&|world| {
            world.depart(by, Cuts::default());
        })
    };
    add("e6-a-record-by-a-member", governance, &depart(MIA), "Ok");
    add("e6-a-record-by-a-stranger", governance, &depart(STRANGER), "NoStanding");
    add("e7-a-key-that-a-known-person-linked", governance, &depart(device(MIA)), "Ok");
    add("e7-a-key-that-a-stranger-linked", governance, &depart(device(STRANGER)), "NoStanding");
    let heard = |by: u8, space: SpaceId| {
        let heard = receipt(&world.entries[0]);
        Entry::Record(Chain::new(by, space).record(heard))
    };
    add("e6-a-receipt-by-a-node", governance, &heard(NODE, governance), "Ok");
    add("e6-a-receipt-by-a-member", governance, &heard(MIA, governance), "NotANode");
    let erased = Entry::Record(Chain::new(MIA, governance).erase(EntryId::from_bytes([4; 32])));
    add("e6-an-erasure-where-no-words-are", governance, &erased, "WrongSpace");

    let (board, by_both) = for_the_board(&world, &[ADA, BEN]);
    add("e5-a-space-by-a-party", board, &by_both, "Ok");
    let (board, by_one) = for_the_board(&world, &[ADA]);
    add("e5-a-space-by-one-of-two-delegates", board, &by_one, "NotCertified");
    add("e5-a-declaration-in-another-space", governance, &by_both, "WrongSpace");
    let (space, opened) = for_persons(&world, MIA, device(MIA));
    add("e5-a-space-by-a-members-device", space, &opened, "Ok");
    let (space, opened) = for_persons(&world, STRANGER, STRANGER);
    add("e5-a-space-by-a-stranger", space, &opened, "NoStanding");
    let order = |by: &[u8]| {
        let order = ErasureOrder {
            community: world.id,
            charter: world.charter.0,
            space: lobby,
            contribution: EntryId::from_bytes([4; 32]),
            proposer: public(ADA),
            reason: String::new(),
            time_ms: TIME_MS,
        };
        Entry::Certificate(signed(CertificateBody::ErasureOrder(order), by))
    };
    add("e5-an-order-of-erasure", lobby, &order(all), "Ok");
    add("e5-an-order-by-one-of-two-parties", lobby, &order(&[ADA, BEN]), "NotCertified");
    add("e8-a-receipt-by-a-node", lobby, &heard(NODE, lobby), "Ok");
    add("e8-a-receipt-by-a-member", lobby, &heard(MIA, lobby), "NotANode");
    let nowhere = SpaceId::from_bytes([7; 32]);
    add("e8-a-receipt-in-no-space", nowhere, &heard(NODE, nowhere), "UnknownSpace");
    let narrowings = vec![EntryId::from_bytes([1; 32])];
    let heard = RecordBody::Acknowledge(Acknowledge { narrowings });
    let heard = Entry::Record(Chain::new(NODE, lobby).record(heard));
    add("e8-an-acknowledgement-by-a-node", lobby, &heard, "Ok");
    let table = RecordBody::CutTable(crate::governance::cut_table());
    let table = Entry::Record(Chain::new(ADA, lobby).record(table));
    add("e8-a-table-that-no-narrowing-states", lobby, &table, "UnknownTable");
    let admission = {
        let mut world = world.clone();
        world.governance = lobby;
        world.admit(LEO, world.ours, LEO, &[Role::Member]);
        world.entries.pop().unwrap()
    };
    add("e8-an-admission-outside-of-governance", lobby, &admission, "WrongSpace");
}
