//! Replicas converge: whatever they hold, in whatever order things arrive, however often links break.

use super::harness::{Rng, World, author, entry, key_of, space};
use comity_protocol::sync::session::Input;
use comity_protocol::sync::{Effect, Message};
use proptest::prelude::*;

/// Random entries with gaps and forks for every node, partly shared.
fn fill(world: &mut World, rng: &mut Rng, spaces: u8, entries: usize, authors: usize) {
    let nodes = world.nodes.len();
    for _ in 0..entries {
        let space = space(rng.below(usize::from(spaces)) as u8);
        let fork = if rng.below(20) == 0 {
            rng.below(3) as u64
        } else {
            0
        };
        let (who, seq) = (rng.below(authors) as u64, 1 + rng.below(60) as u64);
        let bytes = entry(who, seq, fork, 60 + rng.below(200));
        let holders = rng.next();
        for node in (0..nodes).filter(|node| holders >> node & 1 == 1) {
            world.nodes[node].insert(space, bytes.clone());
        }
    }
}

pub(super) fn assert_converged(world: &World, spaces: u8) {
    world.assert_no_faults();
    for number in 0..spaces {
        let space = space(number);
        let first = world.nodes[0].root(&space);
        for node in &world.nodes {
            assert_eq!(node.root(&space), first);
            assert_eq!(
                node.spaces[&space].trie.len(),
                node.spaces[&space].entries.len() as u64
            );
        }
        for end in world.links.iter().flat_map(|link| &link.ends) {
            assert!(
                end.session.is_in_sync(&space, first),
                "node {} is not told",
                end.node
            );
        }
    }
    for in_flight in &world.in_flight {
        assert!(
            in_flight.is_empty(),
            "something is still held: {in_flight:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn replicas_converge(
        seed in any::<u64>(),
        nodes in prop::sample::select(vec![2usize, 3, 5]),
        entries in 0usize..400,
        authors in 1usize..60,
        spaces in 1u8..4,
        live in 0usize..20,
        cuts in 0usize..4,
    ) {
        let mut rng = Rng(seed);
        let ids: Vec<_> = (0..spaces).map(space).collect();
        let mut world = World::new(nodes, &ids);
        fill(&mut world, &mut rng, spaces, entries, authors);
        for node in 1..nodes {
            world.connect(node, rng.below(node));
        }
        if nodes > 2 {
            world.connect(0, nodes - 1);
        }
        for event in 0..live + cuts {
            for _ in 0..rng.below(60) {
                world.step(&mut rng);
            }
            if event % 7 == 3 {
                world.tick(1_000);
            }
            if event < live {
                let (node, space) = (rng.below(nodes), space(rng.below(usize::from(spaces)) as u8));
                world.publish(node, space, entry(1_000 + node as u64, 1 + event as u64, 0, 90));
            } else {
                let link = rng.below(world.links.len());
                world.cut(link);
            }
        }
        world.settle(&mut rng);
        assert_converged(&world, spaces);
    }
}

#[test]
fn a_large_difference_with_many_authors_converges() {
    let mut rng = Rng(7);
    let mut world = World::new(2, &[space(0)]);
    for number in 0..6_000 {
        let bytes = entry(number % 3_000, 1 + number / 3_000, 0, 60);
        world.nodes[rng.below(2)].insert(space(0), bytes);
    }
    world.connect(0, 1);
    world.settle(&mut rng);
    assert_converged(&world, 1);
    assert_eq!(world.nodes[0].spaces[&space(0)].entries.len(), 6_000);
}

#[test]
fn entries_arrive_in_the_local_order_of_the_sender() {
    let mut rng = Rng(3);
    let mut world = World::new(2, &[space(0)]);
    let mut order = Vec::new();
    for number in 0..3_000u64 {
        let bytes = entry(number * 7919 % 40, 1 + number, 0, 300);
        order.push(key_of(&bytes).unwrap());
        world.nodes[0].insert(space(0), bytes);
    }
    world.connect(1, 0);
    world.settle(&mut rng);
    assert_converged(&world, 1);
    assert_eq!(world.nodes[1].arrived, order);
}

#[test]
fn two_peers_are_not_asked_for_the_same() {
    let mut rng = Rng(5);
    let mut world = World::new(3, &[space(0)]);
    for number in 0..2_000u64 {
        let bytes = entry(number % 50, 1 + number / 50, 0, 200);
        world.nodes[0].insert(space(0), bytes.clone());
        world.nodes[1].insert(space(0), bytes);
    }
    world.connect(2, 0);
    world.connect(2, 1);
    world.settle(&mut rng);
    assert_converged(&world, 1);
    assert_eq!(world.traffic.entries, 2_000);
    assert_eq!(world.nodes[2].repeated, 0);
}

#[test]
fn an_announced_entry_is_fetched_from_one_peer() {
    let mut rng = Rng(11);
    let mut world = World::new(3, &[space(0)]);
    for (a, b) in [(0, 1), (1, 2), (0, 2)] {
        world.connect(a, b);
    }
    world.settle(&mut rng);
    let before = world.traffic;
    world.publish(0, space(0), entry(1, 1, 0, 500));
    while world.step(&mut rng) {}
    assert_eq!(
        world.traffic.entries - before.entries,
        2,
        "one for each node that lacked it"
    );
    world.settle(&mut rng);
    assert_converged(&world, 1);
}

#[test]
fn a_cut_transfer_goes_on_where_it_was() {
    let mut rng = Rng(13);
    let mut world = World::new(2, &[space(0)]);
    for number in 0..20_000u64 {
        world.nodes[0].insert(space(0), entry(number % 100, 1 + number / 100, 0, 600));
    }
    let link = world.connect(1, 0);
    while world.nodes[1].arrived.len() < 10_000 {
        assert!(world.step(&mut rng));
    }
    let sent_before = world.traffic.entries;
    let had = world.nodes[1].arrived.len();
    world.cut(link);
    world.settle(&mut rng);
    assert_converged(&world, 1);
    assert_eq!(world.traffic.entries - sent_before, 20_000 - had);
}

#[test]
fn what_one_side_never_accepts_does_not_keep_them_busy() {
    let mut rng = Rng(17);
    let mut world = World::new(2, &[space(0)]);
    world.nodes[1].refuses = vec![author(3)];
    for number in 0..200u64 {
        world.nodes[0].insert(space(0), entry(number % 5, 1 + number / 5, 0, 100));
    }
    world.connect(0, 1);
    while world.step(&mut rng) {}
    let before = world.traffic;
    for _ in 0..600 {
        world.tick(1_000);
        while world.step(&mut rng) {}
    }
    world.assert_no_faults();
    let rounds = (world.traffic.entries - before.entries) / 40;
    assert!(
        (1..=20).contains(&rounds),
        "{rounds} repeats in ten minutes"
    );
    assert_eq!(world.nodes[1].spaces[&space(0)].entries.len(), 160);
}

/// Certificates stand at sequence number 0, several under one key: sets that differ in these alone,
/// and news of them, are told like all others.
#[test]
fn what_stands_at_sequence_number_zero_is_synced() {
    let mut rng = Rng(41);
    let mut world = World::new(2, &[space(0)]);
    for number in 0..30 {
        let bytes = entry(number % 5, number / 25, number, 200);
        world.nodes[(number % 2) as usize].insert(space(0), bytes.clone());
        if number % 3 == 0 {
            world.nodes[1 - (number % 2) as usize].insert(space(0), bytes);
        }
    }
    world.connect(0, 1);
    world.settle(&mut rng);
    assert_converged(&world, 1);
    world.publish(0, space(0), entry(2, 0, 77, 200));
    world.settle(&mut rng);
    assert_converged(&world, 1);
    assert_eq!(world.nodes[1].spaces[&space(0)].entries.len(), 31);
}

#[test]
fn absent_and_forbidden_spaces_are_refused_alike() {
    let mut world = World::new(2, &[space(1)]);
    // Node 1 also holds space 2 but does not open it to node 0; space 3 nobody holds.
    world.connect(0, 1);
    world.settle_in_lockstep();
    world.nodes[1].insert(space(2), entry(1, 1, 0, 100));
    let answer = |world: &mut World, number: u8| {
        let root = comity_protocol::sync::message::SpaceRoot {
            space: space(number),
            root: comity_protocol::sync::TrieHash::from_bytes([9; 32]),
            count: 3,
            after: 0,
        };
        world.links[0].cut = true;
        let before = world.traffic;
        world.input(0, 1, Input::Received(Message::Roots(vec![root])));
        world.links[0].cut = false;
        (
            world.traffic.messages - before.messages,
            world.traffic.bytes - before.bytes,
        )
    };
    let forbidden = answer(&mut world, 2);
    let absent = answer(&mut world, 3);
    assert_eq!(forbidden, absent);
    assert_eq!(
        forbidden,
        (1, Message::Refuse { space: space(2) }.to_frame().len())
    );
}

#[test]
fn a_space_opened_late_or_again_is_synced() {
    let mut rng = Rng(19);
    let mut world = World::new(2, &[space(0)]);
    for number in 0..500u64 {
        world.nodes[(number % 2) as usize].insert(space(0), entry(number, 1, 0, 100));
    }
    world.connect(0, 1);
    for round in 0..30 {
        for _ in 0..rng.below(25) {
            world.step(&mut rng);
        }
        let side = rng.below(2);
        world.input(0, side, Input::SpaceClosed(space(0)));
        for _ in 0..rng.below(10) {
            world.step(&mut rng);
        }
        world.input(0, side, Input::SpaceOpened(space(0)));
        world.publish(side, space(0), entry(900, 1 + round, 0, 100));
    }
    world.settle(&mut rng);
    assert_converged(&world, 1);
}

#[test]
fn a_silent_peer_is_dropped_and_another_takes_over() {
    let mut rng = Rng(23);
    let mut world = World::new(3, &[space(0)]);
    for number in 0..300u64 {
        for node in 0..2 {
            world.nodes[node].insert(space(0), entry(number % 9, 1 + number / 9, 0, 100));
        }
    }
    let silent = world.connect(0, 2);
    while !world.links[silent].ends[1].session.has_effects()
        && world.in_flight[2].is_empty()
        && world.step(&mut rng)
    {}
    assert!(!world.in_flight[2].is_empty(), "node 2 pulls from node 0");
    world.links[silent].cut = true;
    world.links[silent].ends[0].arriving.clear();
    world.links[silent].ends[1].arriving.clear();
    world.connect(1, 2);
    for _ in 0..200 {
        while world.step(&mut rng) {}
        world.tick(1_000);
    }
    assert_eq!(
        world.nodes[2].root(&space(0)),
        world.nodes[1].root(&space(0))
    );
    let fault = &world.links[silent].ends[1].fault;
    assert!(
        matches!(fault, Some(Effect::PeerMisbehaved(_))),
        "{fault:?}"
    );
}
