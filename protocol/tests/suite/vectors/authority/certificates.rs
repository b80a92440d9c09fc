//! Certificates by the rule they break: party states by P1 to P6, resolutions by R1 to R13.

use super::{Book, verdict};
use crate::{
    community::{public, secret},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, first_state},
};
use comity_protocol::{
    authority::{Authority, charter::judge, parties::judge_state},
    certificate::{
        self, Certificate, CertificateBody, Change, ForkProof, PartyState, Promise, Readers,
        Resolution, Space, Writers,
    },
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{Proposal, RecordBody},
};
use serde_json::json;

pub(super) fn signed(body: CertificateBody, by: &[u8]) -> Certificate {
    let keys: Vec<_> = by.iter().map(|it| secret(*it)).collect();
    Certificate::sign(body, &keys.iter().collect::<Vec<_>>())
}

pub(super) fn write(book: &mut Book) {
    states(book);
    resolutions(book);
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
    book.compare(name, &found, expected);
    let entry = Entry::Certificate(certificate);
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
        let found = judge_state(&state, &signers, chain.tree());
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

/// Proposes to add a party, so that its first state comes in, and resolves it.
pub(super) fn add_party(world: &mut World, party: PartyId, by: &[u8]) {
    let resolution = world.resolution(vec![Change::AddParty(party)], by[0]);
    let body = CertificateBody::Resolution(resolution);
    let proposal = Proposal {
        body: body.encode(),
    };
    world.say(by[0], RecordBody::Proposal(proposal));
    let id = world.certify(body, by);
    world.charter = (id, world.charter.1 + 1);
}

/// Ours, theirs, and Growers, whose delegate is Leo; two are needed.
pub(super) fn of_three() -> (World, PartyId) {
    let mut world = World::new();
    let growers = first_state("Growers", &[LEO], &[]);
    let party = certificate::party_id(&growers);
    let state = world.certify(CertificateBody::Party(growers.clone()), &[LEO]);
    world.states.insert(party, (state, growers));
    add_party(&mut world, party, &[ADA, BEN, ZOE, LEO]);
    (world, party)
}

/// R1 to R13.
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
    let first = world.certify(CertificateBody::Party(bakers), &[MIA]);
    let mut named = world.resolution(vec![Change::AddParty(newcomer)], ADA);
    named.pins.push((newcomer, first));
    named.pins.sort();
    let proposal = Proposal {
        body: CertificateBody::Resolution(named).encode(),
    };
    world.say(ADA, RecordBody::Proposal(proposal));
    let set = "three-parties-one-forked-and-one-that-would-join";
    let authority = book.set(set, world.id, &world.entries);
    assert!(authority.party_chains().chain(&newcomer).is_some());
    let parent = authority
        .charter()
        .unwrap()
        .state(&world.charter.0)
        .unwrap();
    let chains = authority.party_chains();
    let mut add = |name: &str, it: Resolution, by: &[u8], expected: &str| {
        let certificate = signed(CertificateBody::Resolution(it.clone()), by);
        let signers: Vec<PublicKey> = certificate.signers().collect();
        let found = judge(&it, &signers, parent, chains.trees());
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
        it.pins
            .retain(|(party, _)| *party != growers || state.is_some());
        let mut pins = it.pins.iter_mut();
        if let (Some(state), Some(pin)) = (state, pins.find(|(party, _)| *party == growers)) {
            pin.1 = state;
        }
        it
    };
    add(
        "r3-a-party-is-not-pinned",
        pin(say(rename()), None),
        all,
        "Pin",
    );
    let unknown = Some(EntryId::from_bytes([7; 32]));
    add(
        "r3-a-state-that-is-not-here",
        pin(say(rename()), unknown),
        all,
        "Pin",
    );
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
    add(
        "r3-over-by-a-fork-proof",
        over(say(rename()), fork[1], proof),
        two,
        "Ok",
    );
    add(
        "r3-over-without-a-proof",
        over(say(rename()), fork[1], None),
        two,
        "Pin",
    );
    add(
        "r3-a-proof-without-need",
        over(say(rename()), fork[0], proof),
        two,
        "Pin",
    );
    let before = chains.chain(&ours).unwrap().first().0;
    add(
        "r3-back-to-an-earlier-state",
        over(say(rename()), before, None),
        two,
        "Pin",
    );
    add("r4-one-of-three-parties", say(rename()), &[ZOE], "Quorum");
    add(
        "r4-a-party-by-one-of-two-delegates",
        say(rename()),
        &[ADA, ZOE],
        "Quorum",
    );
    add(
        "r5-the-quorum-by-all",
        say(Change::SetPartyQuorum(3)),
        all,
        "Ok",
    );
    add(
        "r5-the-quorum-by-two",
        say(Change::SetPartyQuorum(3)),
        two,
        "QuorumChange",
    );
    let join = |mut it: Resolution| {
        it.pins.push((newcomer, first));
        it.pins.sort();
        it
    };
    let asked = || Change::AddParty(newcomer);
    add(
        "r6-with-the-newcomer",
        join(say(asked())),
        &[ZOE, LEO, MIA],
        "Ok",
    );
    add(
        "r6-without-the-newcomer",
        join(say(asked())),
        two,
        "Newcomer",
    );
    add(
        "r7-by-all-others",
        say(Change::RemoveParty(ours)),
        two,
        "Ok",
    );
    let (three, without) = (&[ADA, BEN, ZOE][..], Change::RemoveParty(ours));
    add(
        "r7-without-one-of-the-others",
        say(without),
        three,
        "Removal",
    );
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
    add(
        "r9-a-space-for-no-party",
        say(space(unknown, None)),
        two,
        "Readers",
    );
    let after = Some(SpaceId::from_bytes([7; 32]));
    let follows = space(Readers::Everyone, after);
    add("r9-a-successor-of-nothing", say(follows), two, "Readers");
    add(
        "r10-a-quorum-of-one",
        say(Change::SetPartyQuorum(1)),
        all,
        "Bounds",
    );
    add(
        "r10-a-quorum-above-all",
        say(Change::SetPartyQuorum(4)),
        all,
        "Bounds",
    );
    let taken = Space::new("lobby", Readers::Everyone, Writers::Members);
    add(
        "r10-a-name-twice",
        say(Change::DeclareSpace(taken)),
        two,
        "Bounds",
    );
    add(
        "r11-a-stranger-signs-too",
        say(rename()),
        &[ZOE, LEO, STRANGER],
        "Signer",
    );
    let mut proposed = say(rename());
    proposed.proposer = public(STRANGER);
    add("r11-a-stranger-proposes", proposed, two, "Signer");
    let same = Change::SetName("Tea".into());
    add("r12-the-name-as-it-is", say(same), two, "NoChange");
    let nothing = Change::RemoveLabel("spam".into());
    add(
        "r12-ending-what-is-not-there",
        say(nothing),
        two,
        "NoChange",
    );
    let confirmed = say(Change::ConfirmStates);
    add("r12-no-state-to-confirm", confirmed, two, "NoChange");
    let mut moved = over(say(Change::ConfirmStates), fork[1], None);
    moved.pins.iter_mut().for_each(|it| {
        if it.0 == ours {
            it.1 = fork[0];
        }
    });
    add("r12-the-same-states-again", moved, two, "NoChange");
    add(
        "r13-its-own-approval-does-not-count",
        over(say(rename()), fork[1], proof),
        three,
        "Leading",
    );
}

/// The party of a delegate.
fn world_party(authority: &Authority, delegate: u8) -> PartyId {
    let mut parties = authority.parties().iter();
    let found = parties.find(|(_, it)| it.delegates.contains(&public(delegate)));
    *found.unwrap().0
}
