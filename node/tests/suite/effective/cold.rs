//! A node that hears of a removal before it hears what was written until then.

use super::{bare::Bare, world::World};
use comity_node::pending::{PENDING_OF_PEERS_MAX_BYTES, Source};
use comity_protocol::entry::Entry;
use comity_tests::community::{Person, document, put, topic};

/// More than the waiting room of one source holds.
const PROLIFIC: usize = 5_000;

/// A topic, and a change of it, which waits where the topic is not.
fn created_and_changed(author: &mut Person, world: &World) -> [Entry; 2] {
    let first = author.device.create(world.public, &topic("First", ""));
    let change = vec![put("title", "Changed")];
    let (document, deps) = (document(&first), [first.id()]);
    let edit = author.device.edit(world.public, document, &deps, change);
    [first, edit]
}

#[test]
fn a_long_chain_below_a_cut_arrives_in_order_through_a_flood() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let chain: Vec<Entry> = (0..PROLIFIC)
        .map(|n| {
            ada.device
                .create(world.public, &topic(&format!("Note {n}"), ""))
        })
        .collect();
    let beyond = ada.device.create(world.public, &topic("Beyond", "No."));
    let top = chain.last().unwrap().id();
    let revocation = world.revoke(&ada, &[top]);
    let node = Bare::new(world.id);
    node.save(world.governance.iter().chain([&revocation]));

    let mut eve = Person::new("eve");
    let peer = Source::Peer("peer".to_owned());
    node.take_from(&[&beyond], &peer);
    for (n, part) in chain.chunks(250).enumerate() {
        let flood: Vec<Entry> = (0..250)
            .map(|m| {
                let draft = topic(&format!("Flood {n} {m}"), "");
                eve.device.create(world.public, &draft)
            })
            .collect();
        node.take_from(&part.iter().collect::<Vec<_>>(), &peer);
        node.take_from(&flood.iter().collect::<Vec<_>>(), &peer);
    }
    let ledger = node.ingest.ledger();
    assert_eq!(ledger.spaces()[&world.public].trie.len(), PROLIFIC as u64);
    drop(ledger);
    assert!(!node.is_in_effect(&beyond));
    let (missing, unauthorized) = node.ingest.pending();
    println!("{PROLIFIC} entries in effect; still waiting: {missing}, {unauthorized}");
    assert_eq!(missing, 0);
}

#[test]
fn peers_without_end_keep_nobody_else_from_waiting() {
    let mut world = World::new();
    let (mut ada, mut eve) = (world.member("ada"), Person::new("eve"));
    let node = Bare::new(world.id);
    node.save(&world.governance);
    for n in 0..700 {
        let draft = topic(&format!("Flood {n}"), "");
        let flood = eve.device.create(world.public, &draft);
        node.take_from(&[&flood], &Source::Peer(format!("peer {n}")));
    }
    let [first, edit] = created_and_changed(&mut ada, &world);
    // In the wrong order, from two who have nothing waiting yet.
    for (n, source) in [Source::Local, Source::Peer("honest".to_owned())]
        .iter()
        .enumerate()
    {
        let (missing, _) = node.ingest.pending();
        assert_eq!(missing, n);
        let other = ada.device.edit(
            world.public,
            document(&first),
            &[first.id()],
            vec![put("title", &format!("{n}"))],
        );
        node.take_from(&[&other], source);
    }
    node.take_from(&[&edit], &Source::Local);
    let (missing, unauthorized) = node.ingest.pending();
    assert_eq!(missing, 3);
    assert!(unauthorized < 700, "bounded: {unauthorized}");
    node.save([&first]);
    assert!(node.is_in_effect(&edit));
    assert_eq!(node.ingest.pending().0, 0);
}

#[test]
fn ten_peers_that_flood_take_no_room_of_one_with_little() {
    let mut world = World::new();
    let (mut ada, mut eve) = (world.member("ada"), Person::new("eve"));
    let node = Bare::new(world.id);
    node.save(&world.governance);
    let [first, edit] = created_and_changed(&mut ada, &world);
    // It waits before all others do, so it is the oldest.
    node.take_from(&[&edit], &Source::Peer("honest".to_owned()));
    let long = "x".repeat(200_000);
    for n in 0..400 {
        let flood = eve
            .device
            .create(world.public, &topic(&format!("Flood {n}"), &long));
        node.take_from(&[&flood], &Source::Peer(format!("peer {}", n % 10)));
    }
    let (missing, unauthorized) = node.ingest.pending();
    assert_eq!(missing, 1);
    assert!(unauthorized <= PENDING_OF_PEERS_MAX_BYTES / long.len());
    node.save([&first]);
    assert!(node.is_in_effect(&edit));
}

#[test]
fn who_is_gone_gives_way_before_who_is_there() {
    let mut world = World::new();
    let (mut ada, mut eve) = (world.member("ada"), Person::new("eve"));
    let node = Bare::new(world.id);
    node.save(&world.governance);
    let [first, edit] = created_and_changed(&mut ada, &world);
    node.take_from(&[&edit], &Source::Peer("honest".to_owned()));
    // One peer after the other, under names without end.
    for n in 0..1_000 {
        let source = Source::Peer(format!("peer {n}"));
        let flood = eve
            .device
            .create(world.public, &topic(&format!("Flood {n}"), ""));
        node.take_from(&[&flood], &source);
        node.ingest.gone(&source);
    }
    assert_eq!(node.ingest.pending().0, 1);
    node.save([&first]);
    assert!(node.is_in_effect(&edit));
}
