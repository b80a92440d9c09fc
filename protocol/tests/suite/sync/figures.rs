//! What sync costs, printed (`cargo test -p comity-protocol figures -- --nocapture`) and bounded.

use super::harness::{Rng, Traffic, World, entry, space};

const SIZE: usize = 700;

/// Two replicas with `total` entries by `authors` each; node 1 has `newer` more, spread over authors.
fn world(total: u64, authors: u64, newer: u64) -> World {
    let mut world = World::new(2, &[space(0)]);
    let mut rng = Rng(1);
    let mut last = vec![0u64; authors as usize];
    for number in 0..total + newer {
        let who = if number < total {
            number % authors
        } else {
            rng.next() % authors
        };
        last[who as usize] += 1;
        let bytes = entry(who, last[who as usize], 0, SIZE);
        if number < total {
            world.nodes[0].insert(space(0), bytes.clone());
        }
        world.nodes[1].insert(space(0), bytes);
    }
    for node in &mut world.nodes {
        node.spaces.get_mut(&space(0)).unwrap().trie.rehash();
    }
    world
}

/// Runs one session; returns one-way trips until the roots were equal, and the traffic until rest.
fn run(mut world: World, lacking_opens: bool, name: &str) -> (usize, Traffic) {
    let (opener, acceptor) = if lacking_opens { (0, 1) } else { (1, 0) };
    world.connect(opener, acceptor);
    let mut ways = 0;
    let mut equal_after = None;
    while world.one_way() {
        ways += 1;
        if world.nodes[0].root(&space(0)) == world.nodes[1].root(&space(0)) {
            equal_after = equal_after.or(Some(ways));
        }
    }
    world.assert_no_faults();
    let equal_after = equal_after.expect("the roots become equal");
    let traffic = world.traffic;
    println!(
        "{name}: equal after {equal_after} one-way trips, {} messages, {} bytes beyond {} entries",
        traffic.messages,
        traffic.overhead(),
        traffic.entries
    );
    (equal_after, traffic)
}

#[test]
fn figures_of_nothing_new() {
    let (ways, traffic) = run(world(20_000, 500, 0), true, "nothing new");
    assert_eq!(ways, 1, "both tell their roots at once");
    assert_eq!(traffic.messages, 2);
    assert!(traffic.bytes <= 200, "{traffic:?}");
}

#[test]
fn figures_of_ten_new_in_a_hundred_thousand() {
    for lacking_opens in [true, false] {
        let (ways, traffic) = run(world(100_000, 2_000, 10), lacking_opens, "10 of 100,000");
        assert_eq!(ways, 4, "two round trips, whoever lacks them");
        assert_eq!(traffic.entries, 10);
        assert!(traffic.overhead() <= 8 * 1024, "{traffic:?}");
    }
}

#[test]
fn figures_of_a_thousand_new_in_a_hundred_thousand() {
    let (_, traffic) = run(world(100_000, 2_000, 1_000), true, "1,000 of 100,000");
    assert_eq!(traffic.entries, 1_000);
    assert!(traffic.overhead() <= 300 * 1024, "{traffic:?}");
}

#[test]
fn figures_of_one_side_empty() {
    for empty_opens in [true, false] {
        let (_, traffic) = run(world(0, 2_000, 20_000), empty_opens, "one side empty");
        assert_eq!(traffic.entries, 20_000);
        assert!(traffic.overhead() <= 8 * 20_000, "{traffic:?}");
        // A few entries come before what is beyond the credit could hold them up.
        let (ways, _) = run(
            world(0, 10, 100),
            empty_opens,
            "one side empty, 100 entries",
        );
        assert_eq!(ways, 3, "who has nothing says so, and gets everything");
    }
}
