//! Equal entries give equal sets and documents, in whatever order they arrive.

use super::{
    bare::Bare,
    world::{World, acknowledge, receipt},
};
use comity_protocol::entry::Entry;
use comity_tests::{
    community::{document, page, put, splice, topic},
    random::Random,
};

/// Governance and content with cuts, receipts that lift them, and adoption.
fn history() -> (World, Vec<Entry>, Vec<Entry>) {
    let mut world = World::new();
    let (mut ada, mut ben) = (world.member("ada"), world.member("ben"));
    let mut cyd = world.member("cyd");
    let space = world.public;
    let mut entries = world.governance.clone();
    let mut creates = Vec::new();
    for n in 0..4 {
        for person in [&mut ada, &mut ben, &mut cyd] {
            let draft = topic(&format!("Topic {n}"), "Words.");
            creates.push(person.device.create(space, &draft));
        }
    }
    let shared = ada.device.create(space, &page("Page", "Ours."));
    let of = document(&shared);
    let by_ben = ben
        .device
        .edit(space, of, &[shared.id()], vec![splice(0, 0, "All ")]);
    let by_cyd = cyd
        .device
        .edit(space, of, &[by_ben.id()], vec![put("title", "Pages")]);
    let late = ada
        .device
        .edit(space, of, &[by_cyd.id()], vec![put("title", "Ada's")]);
    let erasure = ada.device.erase(space, creates[3].id());
    let of_held = ada.device.erase(space, creates[9].id());
    let receipted = receipt(&mut world.b.node, space, &creates[6]);
    let cut_ada = world.revoke(&ada, &[creates[0].id()]);
    let seen = acknowledge(&mut world.b.node, space, &cut_ada);
    let after = receipt(&mut world.b.node, space, &creates[9]);
    let cut_ben = world.revoke(&ben, &[by_ben.id()]);
    creates.push(shared);
    let said = [
        by_ben, by_cyd, late, erasure, of_held, receipted, cut_ada, seen, after, cut_ben,
    ];
    entries.extend(creates.iter().cloned());
    entries.extend(said);
    (world, entries, creates)
}

#[test]
fn arrival_order_does_not_matter() {
    let (world, entries, creates) = history();
    let mut expected = None;
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut order: Vec<&Entry> = entries.iter().collect();
        if seed > 0 {
            random.shuffle(&mut order);
        }
        let node = Bare::new(world.id);
        let mut at = 0;
        while at < order.len() {
            let many = 1 + random.below(5);
            let end = (at + many).min(order.len());
            node.take(&order[at..end]);
            at = end;
        }
        let seen: Vec<_> = creates
            .iter()
            .map(|create| node.seen(document(create)))
            .collect();
        let state = (node.roots(), seen);
        let expected = expected.get_or_insert_with(|| state.clone());
        assert_eq!(state, *expected, "seed {seed}");
        let roots = node.roots();
        assert_eq!(node.reopened().roots(), roots, "seed {seed}, opened again");
    }
}
