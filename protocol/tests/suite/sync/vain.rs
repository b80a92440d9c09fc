//! Rounds that bring nothing, since what comes waits for others or is refused: honest peers put up
//! with each other, however long that lasts and whatever else changes meanwhile.

use super::harness::{Rng, World, author, entry, key_of, space};
use super::sessions::assert_converged;
use comity_protocol::sync::session::Input;

/// One trip of time, in milliseconds.
const TRIP_MS: u64 = 50;

/// Lets so much time pass, trip by trip, ticks every second.
fn pass(world: &mut World, ms: u64) {
    for _ in 0..ms / TRIP_MS {
        world.one_way();
        world.now_ms += TRIP_MS;
        if world.now_ms.is_multiple_of(1_000) {
            world.tick(0);
        }
    }
}

/// Two nodes, with an entry in common, of which the one waits for what the other does not think that
/// it lacks: there the chain goes on by as many numbers as it has more entries.
fn forked(holder: usize) -> World {
    let mut world = World::new(2, &[space(0)]);
    let [first, other, last] = [(1, 0), (2, 1), (3, 0)].map(|(seq, fork)| entry(1, seq, fork, 90));
    let needed = key_of(&first).unwrap().id;
    for node in &mut world.nodes {
        node.needs.insert(key_of(&last).unwrap().id, needed);
        node.insert(space(0), entry(2, 1, 0, 90));
    }
    world.nodes[1 - holder].insert(space(0), other);
    world.nodes[holder].insert(space(0), first);
    world.nodes[holder].insert(space(0), last);
    world.connect(0, 1);
    world
}

/// Simulation, seed 197.
#[test]
fn what_waits_for_an_entry_below_the_tail_is_followed_by_it() {
    for holder in 0..2 {
        let mut world = forked(holder);
        pass(&mut world, 10_000);
        assert_converged(&world, 1);
        // The last one in vain, then all three.
        assert!(world.traffic.entries <= 4, "{:?}", world.traffic);
    }
}

/// What one side publishes the other refuses, for minutes, and as fast as rounds follow each other.
#[test]
fn sides_whose_governance_differs_never_accuse_each_other() {
    for (refuses, holder) in [(0, 1), (1, 0)] {
        let mut world = World::new(2, &[space(0)]);
        for number in 0..40 {
            let bytes = entry(number % 8, 1 + number / 8, 0, 90);
            world.nodes[number as usize % 2].insert(space(0), bytes);
        }
        world.nodes[refuses].refuses.push(author(900));
        world.connect(0, 1);
        for seq in 1..=1_000u64 {
            world.publish(holder, space(0), entry(900, seq, 0, 90));
            pass(&mut world, 4 * TRIP_MS);
            world.assert_no_faults();
        }
        world.nodes[refuses].refuses.clear();
        world.publish(refuses, space(0), entry(901, 1, 0, 90));
        pass(&mut world, 20_000);
        world.settle(&mut Rng(1));
        assert_converged(&world, 1);
    }
}

#[test]
fn whatever_changes_between_and_during_rounds_honest_peers_trust_each_other() {
    for seed in 0..40 {
        let mut rng = Rng(seed);
        let mut world = World::new(2, &[space(0), space(1)]);
        for number in 0..60u64 {
            let (of, side) = (rng.below(2), rng.below(2));
            let bytes = entry(
                10 * of as u64 + number % 6,
                1 + rng.below(8) as u64,
                number % 2,
                90,
            );
            let (of, id) = (space(of as u8), key_of(&bytes).unwrap().id);
            let held = &world.nodes[side].spaces[&of].entries;
            let needed = held.keys().nth(rng.below(held.len().max(1))).copied();
            let is_new = world
                .nodes
                .iter()
                .all(|it| it.spaces.values().all(|it| !it.entries.contains_key(&id)));
            if let Some(needed) = needed.filter(|_| is_new && rng.below(2) == 0) {
                for node in &mut world.nodes {
                    node.needs.insert(id, needed);
                }
            }
            world.nodes[side].insert(of, bytes);
        }
        world.connect(0, 1);
        for event in 0..120u64 {
            for _ in 0..rng.below(12) {
                world.one_way();
                world.now_ms += TRIP_MS;
            }
            let (side, of) = (rng.below(2), space(rng.below(2) as u8));
            match rng.below(8) {
                0 => world.input(0, side, Input::SpaceClosed(of)),
                1 => world.nodes[side].refuses.push(author(rng.below(6) as u64)),
                2 => world.nodes[side].refuses.clear(),
                3 => world.tick(1_000),
                4 | 5 => world.input(0, side, Input::SpaceOpened(of)),
                _ => {
                    let bytes = entry(rng.below(6) as u64, 9 + event, rng.below(2) as u64, 90);
                    world.publish(side, of, bytes);
                }
            }
            world.assert_no_faults();
        }
        for side in 0..2 {
            world.nodes[side].refuses.clear();
            for of in 0..2 {
                world.input(0, side, Input::SpaceOpened(space(of)));
            }
        }
        pass(&mut world, 180_000);
        world.assert_no_faults();
        let [a, b] = [0, 1].map(|it| &world.nodes[it]);
        for of in [space(0), space(1)] {
            assert_eq!(a.root(&of), b.root(&of), "seed {seed}");
        }
    }
}
