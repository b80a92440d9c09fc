//! Who starts the first round: whoever has more, unless the sides cannot agree on that.

use super::harness::{Rng, World, entry, space};
use super::sessions::assert_converged;
use comity_protocol::sync::message::{Compare, Message, SpaceRoot};
use comity_protocol::sync::session::{FIRST_ROUND_MS, Input, Misbehaviour};
use comity_protocol::sync::{Effect, TrieHash};

const OPENER: usize = 0;
const ACCEPTOR: usize = 1;

/// Two connected nodes with so many entries, half of those of the one with less shared; node 0 opened
/// the stream.
fn world(opener: u64, acceptor: u64) -> World {
    let mut world = World::new(2, &[space(0)]);
    let shared = opener.min(acceptor) / 2;
    for (node, count) in [(OPENER, opener), (ACCEPTOR, acceptor)] {
        for number in 0..count {
            let fork = if number < shared { 0 } else { 1 + node as u64 };
            let bytes = entry(number % 30, 1 + number / 30, fork, 100);
            world.nodes[node].insert(space(0), bytes);
        }
    }
    world.connect(0, 1);
    world
}

/// The first turn of a round, and nothing of what a frame says besides.
fn starts(frame: &[u8]) -> bool {
    let message = Message::decode(&frame[4..]).unwrap();
    matches!(message, Message::Compare(Compare { turn: 0, .. }))
}

/// Whether a first turn is on its way from a side.
fn has_started(world: &World, side: usize) -> bool {
    let arriving = &world.links[0].ends[1 - side].arriving;
    arriving.iter().any(|frame| starts(frame))
}

fn hear(world: &mut World, side: usize, message: Message) -> Option<Effect> {
    world.input(0, side, Input::Received(message));
    world.links[0].ends[side].fault.take()
}

fn root(count: u64) -> Message {
    let root = TrieHash::from_bytes([7; 32]);
    let space = space(0);
    Message::Roots(vec![SpaceRoot {
        space,
        root,
        count,
        after: 0,
    }])
}

fn first_turn(round: u64) -> Message {
    Message::Compare(Compare {
        space: space(0),
        round,
        turn: 0,
        salt: [1; 8],
        pull: true,
        claims: Vec::new(),
        wants: Vec::new(),
    })
}

#[test]
fn who_has_more_starts_and_who_has_nothing() {
    for (opener, acceptor, by_opener) in [
        (50, 40, true),
        (40, 50, false),
        (40, 40, false),
        (0, 40, true),
        (40, 0, false),
    ] {
        let mut world = world(opener, acceptor);
        world.one_way();
        assert_eq!(has_started(&world, OPENER), by_opener);
        assert_eq!(has_started(&world, ACCEPTOR), !by_opener);
        world.settle(&mut Rng(1));
        assert_converged(&world, 1);
    }
}

#[test]
fn an_opener_that_does_not_start_is_waited_for_a_while() {
    let mut world = world(0, 5);
    world.links[0].cut = true;
    world.links[0].ends[OPENER].arriving.clear();
    let started = |world: &mut World| {
        world.links[0].cut = false;
        world.input(0, ACCEPTOR, Input::Tick);
        world.links[0].cut = true;
        has_started(world, ACCEPTOR)
    };
    assert_eq!(hear(&mut world, ACCEPTOR, root(50)), None);
    assert!(!started(&mut world));
    // Saying it again does not make the wait longer.
    for _ in 0..9 {
        world.now_ms += FIRST_ROUND_MS / 10;
        assert_eq!(hear(&mut world, ACCEPTOR, root(50)), None);
        assert!(!started(&mut world));
    }
    world.now_ms += FIRST_ROUND_MS / 10;
    assert!(started(&mut world));
}

#[test]
fn an_opener_starts_one_round_about_a_space_and_no_other() {
    let mut world = world(0, 5);
    world.links[0].cut = true;
    assert_eq!(hear(&mut world, ACCEPTOR, root(50)), None);
    assert_eq!(hear(&mut world, ACCEPTOR, first_turn(2)), None);
    let done = Message::Done {
        space: space(0),
        round: 2,
    };
    assert_eq!(hear(&mut world, ACCEPTOR, done), None);
    let found_out = Some(Effect::PeerMisbehaved(Misbehaviour::WrongRole));
    assert_eq!(hear(&mut world, ACCEPTOR, first_turn(4)), found_out);
}

/// What the opener starts may cross what the acceptor starts when it has waited long enough.
#[test]
fn of_two_rounds_that_cross_the_acceptors_counts() {
    for seed in 0..20 {
        let mut rng = Rng(seed);
        let mut world = world(50 + seed, 40);
        world.one_way();
        world.tick(FIRST_ROUND_MS);
        assert!(has_started(&world, OPENER) && has_started(&world, ACCEPTOR));
        world.settle(&mut rng);
        assert_converged(&world, 1);
    }
}

/// Close, open again and change the sets while the two find out who starts.
#[test]
fn spaces_that_come_and_go_before_the_first_round_are_synced() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut world = world(30 + rng.below(4) as u64, 30 + rng.below(4) as u64);
        for event in 0..8 {
            for _ in 0..rng.below(5) {
                world.step(&mut rng);
            }
            let side = rng.below(2);
            match rng.below(4) {
                0 => world.input(0, side, Input::SpaceClosed(space(0))),
                1 => world.input(0, side, Input::SpaceOpened(space(0))),
                2 => world.tick(6_000),
                _ => world.publish(side, space(0), entry(900 + side as u64, 1 + event, 0, 90)),
            }
        }
        for side in 0..2 {
            world.input(0, side, Input::SpaceOpened(space(0)));
        }
        world.settle(&mut rng);
        assert_converged(&world, 1);
    }
}
