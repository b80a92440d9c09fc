//! Several peers have what one lacks: each brings a share, and nothing comes twice.

use super::harness::{Rng, World, entry, space};
use comity_protocol::sync::Key;

const TOTAL: u64 = 9_000;
const SINK: usize = 0;

/// A node that lacks everything, and three that have it; some streams it opened, some they did.
fn world(seed: u64) -> World {
    let mut world = World::new(4, &[space(0)]);
    for number in 0..TOTAL {
        let bytes = entry(number % 300, 1 + number / 300, 0, 600);
        for source in 1..4 {
            world.nodes[source].insert(space(0), bytes.clone());
        }
    }
    for source in 1..4 {
        match seed >> source & 1 {
            0 => world.connect(SINK, source),
            _ => world.connect(source, SINK),
        };
    }
    world
}

fn run_until(world: &mut World, rng: &mut Rng, arrived: usize) {
    while world.nodes[SINK].arrived.len() < arrived {
        assert!(world.step(rng), "it stands still");
    }
}

/// Virtual time until the node has everything, in milliseconds.
fn time_to_end(world: &mut World, rng: &mut Rng) -> u64 {
    let begun_ms = world.now_ms;
    while world.nodes[SINK].spaces[&space(0)].trie.len() < TOTAL {
        while world.step(rng) {}
        world.tick(500);
        assert!(world.now_ms < begun_ms + 60_000, "it never ends");
    }
    world.now_ms - begun_ms
}

/// How many entries came over each link.
fn shares(world: &World) -> Vec<usize> {
    let links = world.links.iter();
    let brought = links.map(|link| {
        let sink = link.ends.iter().find(|it| it.node == SINK).unwrap();
        sink.brought
    });
    brought.collect()
}

fn once(arrived: &[Key]) -> usize {
    let mut ids: Vec<_> = arrived.iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

#[test]
fn each_of_three_peers_brings_a_share_and_nothing_comes_twice() {
    for seed in 0..8 {
        let (mut rng, mut world) = (Rng(seed), world(seed));
        time_to_end(&mut world, &mut rng);
        world.settle(&mut rng);
        world.assert_no_faults();
        assert_eq!(world.nodes[SINK].received as u64, TOTAL);
        for brought in shares(&world) {
            assert!(brought as u64 > TOTAL / 6, "{:?}", shares(&world));
        }
    }
}

#[test]
fn others_take_over_from_one_that_stalls_and_one_that_dies() {
    for seed in 0..8 {
        let (mut rng, mut world) = (Rng(100 + seed), world(seed));
        run_until(&mut world, &mut rng, 1_000);
        world.stall(0);
        run_until(&mut world, &mut rng, 2_000);
        world.hang_up(1);
        let took_ms = time_to_end(&mut world, &mut rng);
        assert!(took_ms < 30_000, "{took_ms} ms");
        assert_eq!(once(&world.nodes[SINK].arrived) as u64, TOTAL);
        assert_eq!(world.nodes[SINK].received as u64, TOTAL);
    }
}

/// It claims to have everything and sends nothing.
#[test]
fn who_promises_and_does_not_deliver_delays_its_share_a_little() {
    for seed in 0..8 {
        let (mut rng, mut world) = (Rng(200 + seed), world(seed));
        let liar = 1 + seed as usize % 3;
        world.nodes[liar]
            .spaces
            .get_mut(&space(0))
            .unwrap()
            .entries
            .clear();
        let took_ms = time_to_end(&mut world, &mut rng);
        assert!(took_ms < 30_000, "{took_ms} ms");
        assert_eq!(world.nodes[SINK].received as u64, TOTAL);
    }
}
