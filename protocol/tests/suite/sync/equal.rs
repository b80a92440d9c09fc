//! When a session says that both sides are equal.

use super::harness::{Rng, World, entry, space};
use comity_protocol::sync::session::{Input, ROOTS_EVERY_MS};

const HERE: usize = 0;
const THERE: usize = 1;

fn says_equal(world: &World, side: usize) -> bool {
    let end = &world.links[0].ends[side];
    let ours = world.nodes[end.node].root(&space(0));
    end.session.is_in_sync(&space(0), ours)
}

#[test]
fn whoever_has_written_something_is_equal_only_once_the_peer_says_so() {
    let mut world = World::new(2, &[space(0)]);
    for number in 0..40 {
        world.nodes[HERE].insert(space(0), entry(number, 1, 0, 100));
    }
    world.connect(HERE, THERE);
    world.settle(&mut Rng(7));
    // Roots were told a moment ago, so that by itself neither side tells the next for a while.
    world.publish(HERE, space(0), entry(40, 1, 0, 100));
    world.settle_in_lockstep();
    world.tick(ROOTS_EVERY_MS);
    world.settle_in_lockstep();
    assert!(says_equal(&world, HERE) && says_equal(&world, THERE));

    world.publish(HERE, space(0), entry(41, 1, 0, 100));
    assert!(!says_equal(&world, HERE), "nothing was delivered yet");
    world.settle_in_lockstep();
    world.tick(1);
    world.settle_in_lockstep();
    assert_eq!(
        world.nodes[HERE].root(&space(0)),
        world.nodes[THERE].root(&space(0))
    );
    assert!(
        !says_equal(&world, HERE),
        "the peer has it and did not say so"
    );

    world.input(0, HERE, Input::Asked);
    world.settle_in_lockstep();
    assert!(says_equal(&world, HERE) && says_equal(&world, THERE));
    world.assert_no_faults();
}
