//! A node that hears of a removal before it hears what was written until then.

use super::{bare::Bare, world::World};
use comity_node::pending::Source;
use comity_protocol::entry::Entry;
use comity_tests::community::{Person, topic};

/// More than the waiting room of one source holds.
const PROLIFIC: usize = 5_000;

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
