//! Cuts, what lifts them, and what is kept.

use super::{
    bare::Bare,
    world::{World, acknowledge, receipt},
};
use comity_node::{archive::to_store, ingest::Outcome};
use comity_tests::community::{document, topic};

#[test]
fn a_revocation_holds_later_words_and_leaves_earlier_ones() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let node = Bare::new(world.id);
    let first = ada.device.create(world.public, &topic("First", "Stays."));
    let second = ada.device.create(world.public, &topic("Second", "Goes."));
    node.save(world.governance.iter().chain([&first, &second]));

    let revocation = world.revoke(&ada, &[first.id()]);
    node.save([&revocation]);
    assert!(node.is_in_effect(&first) && !node.is_held(&first));
    assert!(!node.is_in_effect(&second) && node.is_held(&second));
    assert!(node.seen(document(&first)).is_some());
    assert!(node.seen(document(&second)).is_none());

    let third = ada
        .device
        .create(world.public, &topic("Third", "Too late."));
    let outcome = node.take(&[&third]).remove(0);
    assert!(matches!(outcome, Outcome::Unauthorized(_)), "{outcome:?}");
    assert!(
        !node.is_held(&third),
        "what never was in effect is not kept"
    );
}

#[test]
fn receipts_of_another_party_lift_a_cut_at_zero_up_to_their_acknowledgement() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let node = Bare::new(world.id);
    let first = ada
        .device
        .create(world.public, &topic("First", "Read by B."));
    let second = ada
        .device
        .create(world.public, &topic("Second", "Read later."));
    node.save(world.governance.iter().chain([&first, &second]));
    let by_own = receipt(&mut world.a.node, world.public, &second);
    let revocation = world.revoke(&ada, &[]);
    node.save([&by_own, &revocation]);
    assert!(node.is_held(&first) && node.is_held(&second));

    let by_other = receipt(&mut world.b.node, world.public, &first);
    node.save([&by_other]);
    assert!(node.is_in_effect(&first), "B's node had it before it knew");
    assert!(node.is_held(&second));

    let seen = acknowledge(&mut world.b.node, world.public, &revocation);
    let too_late = receipt(&mut world.b.node, world.public, &second);
    node.save([&seen, &too_late]);
    assert!(
        node.is_held(&second),
        "after its acknowledgement B lifts nothing"
    );
    assert!(node.is_in_effect(&first));
}

#[test]
fn opening_again_finds_the_same_sets() {
    let mut world = World::new();
    let (mut ada, mut ben) = (world.member("ada"), world.member("ben"));
    let node = Bare::new(world.id);
    node.save(&world.governance);
    let topics: Vec<_> = (0..20)
        .flat_map(|n| {
            let draft = topic(&format!("Topic {n}"), "Words.");
            [
                ada.device.create(world.public, &draft),
                ben.device.create(world.public, &draft),
            ]
        })
        .collect();
    node.save(&topics);
    let by_other = receipt(&mut world.b.node, world.public, &topics[12]);
    let revocation = world.revoke(&ada, &[topics[4].id()]);
    node.save([&by_other, &revocation]);
    let (roots, held) = (node.roots(), node.archive.held().len());
    assert_eq!(held, 13, "up to the seventh stays, by the receipt");
    let node = node.reopened();
    assert_eq!(node.roots(), roots);
    assert_eq!(node.archive.held().len(), held);
}

#[test]
fn a_crash_between_saving_and_judging_loses_nothing() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let (whole, broken) = (Bare::new(world.id), Bare::new(world.id));
    let first = ada.device.create(world.public, &topic("First", "Stays."));
    let second = ada.device.create(world.public, &topic("Second", "Goes."));
    let revocation = world.revoke(&ada, &[first.id()]);
    for node in [&whole, &broken] {
        node.save(world.governance.iter().chain([&first, &second]));
    }
    whole.save([&revocation]);
    // The record has it, and the process ends before anything follows from it.
    let stored = vec![to_store(&revocation, world.space())];
    broken.archive.store().commit(stored).unwrap();
    assert!(broken.is_in_effect(&second));
    let broken = broken.reopened();
    assert!(broken.is_held(&second) && broken.is_in_effect(&first));
    assert_eq!(broken.roots(), whole.roots());
}

#[test]
fn a_revocation_evaluates_only_the_documents_it_touches() {
    let mut world = World::new();
    let mut people: Vec<_> = (0..10).map(|n| world.member(&format!("p{n}"))).collect();
    let node = Bare::new(world.id);
    node.save(&world.governance);
    for round in 0..20 {
        let posts: Vec<_> = people
            .iter_mut()
            .enumerate()
            // The first writes seven in all.
            .filter(|(n, _)| *n > 0 || round < 7)
            .map(|(n, it)| {
                let draft = topic(&format!("{n} in round {round}"), "Words.");
                it.device.create(world.public, &draft)
            })
            .collect();
        node.save(&posts);
    }
    assert_eq!(node.rebuilds().documents, 0);
    let (first, second) = (people[0].clone(), people[1].clone());
    let revocation = world.revoke(&first, &[]);
    node.save([&revocation]);
    let rebuilds = node.rebuilds();
    println!(
        "187 documents by 10 authors; a revocation evaluated {}",
        rebuilds.documents
    );
    assert_eq!((rebuilds.changes, rebuilds.documents), (1, 7));

    // Two in one commit are one rebuild.
    let both = [
        world.revoke(&second, &[]),
        world.revoke(&people[2].clone(), &[]),
    ];
    node.save(&both);
    let rebuilds = node.rebuilds();
    assert_eq!((rebuilds.changes, rebuilds.last_documents), (2, 40));
}
