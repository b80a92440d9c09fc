//! Sets: what delegates approved, what the charter names, and keys that a party dropped.

use super::{
    Book,
    certificates::of_three,
    sets::{choose, set},
};
use crate::{
    community::{public, secret},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE},
};
use comity_protocol::{
    certificate::{self, CertificateBody, Change, ForkProof, PartyState, Resolution},
    entry::Entry,
    id::EntryId,
    record::{Approval, RecordBody},
};

pub(super) fn write(book: &mut Book) {
    parties(book);
    charters(book);
    dropped(book);
    led(book);
}

/// Says in a record what the signature in the certificate says already.
fn approve(world: &mut World, by: &[u8], certificate: EntryId) {
    let found = world.entries.iter().find_map(|it| match it {
        Entry::Certificate(it) if it.id() == certificate => Some(it.body().encode()),
        _ => None,
    });
    let body = found.unwrap();
    for by in by {
        let signature = certificate::sign_body(&secret(*by), &body);
        let approval = Approval {
            certificate,
            signature,
        };
        world.say(*by, RecordBody::Approval(approval));
    }
}

/// Ours with two states of one parent, the lower id first.
fn forked(world: &mut World) -> [EntryId; 2] {
    let before = world.states.clone();
    let mut branches = ["Left", "Right"].map(|name| {
        world.states = before.clone();
        let id = world.amend(world.ours, &[ADA, BEN], |state| state.name = name.into());
        (id, world.states[&world.ours].clone())
    });
    branches.sort_by_key(|(id, _)| *id);
    // The higher one is what the next resolution names.
    world.states.insert(world.ours, branches[1].1.clone());
    branches.map(|(id, _)| id)
}

/// P7.
fn parties(book: &mut Book) {
    let mut world = World::new();
    let [low, high] = forked(&mut world);
    approve(&mut world, &[ADA, BEN], high);
    set(book, "p7-fork-approvals-count-as-choices", &world);
    choose(&mut world, &[ADA, BEN], low);
    set(
        book,
        "p7-fork-who-approved-one-and-chose-the-other-counts-for-neither",
        &world,
    );

    let mut world = World::new();
    let [low, _] = forked(&mut world);
    world.resolve(vec![Change::ConfirmStates], &[ADA, BEN, ZOE]);
    choose(&mut world, &[ADA, BEN], low);
    set(
        book,
        "p7-fork-the-charter-names-one-and-delegates-choose-the-other",
        &world,
    );
    let (mut world, _) = of_three();
    let [low, _] = forked(&mut world);
    choose(&mut world, &[ADA, BEN], low);
    world.resolve(vec![Change::RemoveParty(world.ours)], &[ZOE, LEO]);
    set(
        book,
        "p7-fork-the-charter-named-one-of-a-party-that-it-removed-since",
        &world,
    );
}

/// `charter.md` §9.
fn charters(book: &mut Book) {
    let all = &[ADA, BEN, ZOE];
    let mut world = World::new();
    let before = world.charter;
    let branches = ["Left", "Right"].map(|name| {
        world.charter = before;
        world.resolve(vec![Change::SetName(name.into())], all)
    });
    approve(&mut world, all, branches[1]);
    set(book, "charter-fork-approvals-count-as-choices", &world);

    let mut world = World::new();
    world.amend(world.ours, &[ADA, BEN], |state| state.name = "Tea".into());
    world.resolve(vec![Change::ConfirmStates], all);
    set(book, "charter-confirms-states", &world);
}

/// Theirs and Growers have replaced their delegates. Somebody has the old keys, and certifies by them
/// what stands beside the first thing that the new ones resolved.
fn dropped(book: &mut Book) {
    let (mut world, growers) = of_three();
    let before = (world.states.clone(), world.charter);
    let successor = |key| move |state: &mut PartyState| state.delegates = vec![public(key)];
    world.amend(world.theirs, &[ZOE], successor(STRANGER));
    world.amend(growers, &[LEO], successor(MIA));
    let real = world.resolve(vec![Change::SetName("Tea".into())], &[STRANGER, MIA]);
    (world.states, world.charter) = before;
    let mut mine = world.resolution(vec![Change::SetName("Mine".into())], ZOE);
    let id_of =
        |it: &Resolution| certificate::body_id(&CertificateBody::Resolution(it.clone()).encode());
    while id_of(&mine) >= real {
        mine.time_ms += 1;
    }
    let mine = world.certify(CertificateBody::Resolution(mine), &[ZOE, LEO]);
    choose(&mut world, &[ZOE, LEO], mine);
    set(
        book,
        "charter-fork-dropped-keys-where-nobody-else-spoke",
        &world,
    );
    approve(&mut world, &[STRANGER, MIA], real);
    set(
        book,
        "charter-fork-dropped-keys-and-their-successors-the-lowest-id",
        &world,
    );
    choose(&mut world, &[ADA, BEN], real);
    set(
        book,
        "charter-fork-dropped-keys-and-a-party-that-still-has-its-own",
        &world,
    );
}

/// R13.
fn led(book: &mut Book) {
    let (mut world, _) = of_three();
    let [low, high] = forked(&mut world);
    world.resolve(vec![Change::ConfirmStates], &[ADA, BEN, ZOE]);
    choose(&mut world, &[ADA, BEN], high);
    let mut over = world.resolution(vec![Change::SetName("Milk".into())], ZOE);
    let (party, left, right) = (world.ours, high, low);
    over.pins.iter_mut().for_each(|(it, pin)| {
        if *it == party {
            *pin = low;
        }
    });
    over.fork_proofs = vec![ForkProof { party, left, right }];
    let mut itself = world.clone();
    itself.certify(CertificateBody::Resolution(over.clone()), &[ADA, BEN, ZOE]);
    set(book, "charter-over-by-one-other-and-itself", &itself);
    world.certify(CertificateBody::Resolution(over), &[ZOE, LEO]);
    set(book, "charter-over-by-all-others", &world);
}
