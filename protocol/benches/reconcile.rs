//! What it costs to find a few new entries among many: round trips, bytes, time of each side.
//!
//! Two replicas in memory, joined as the tests of sync join them; no network, no store, no
//! signatures. Entries by 2,000 authors. Run with `cargo bench -p comity-protocol`;
//! `COMITY_BENCH_ENTRIES` says how many both have. One JSON line for each figure, with its target.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    dead_code
)]

#[path = "../tests/suite/sync/harness.rs"]
mod harness;

use harness::{Rng, World, entry, space};
use std::time::{Duration, Instant};

const AUTHORS: u64 = 2_000;
const ENTRY_BYTES: usize = 700;

/// What is new, and what it may cost.
struct Case {
    newer: u64,
    trips: Option<f64>,
    overhead_bytes: f64,
    cpu_ms: Option<f64>,
}

fn main() {
    // `cargo test` runs benches with `--test`: nothing to do there.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let total = std::env::var("COMITY_BENCH_ENTRIES")
        .ok()
        .map_or(1_000_000, |text| {
            text.parse().expect("COMITY_BENCH_ENTRIES is a number")
        });
    let cases = [
        Case {
            newer: 0,
            trips: Some(1.0),
            overhead_bytes: 300.0,
            cpu_ms: None,
        },
        Case {
            newer: 10,
            trips: Some(2.0),
            overhead_bytes: 8.0 * 1024.0,
            cpu_ms: Some(5.0),
        },
        Case {
            newer: 1_000,
            trips: None,
            overhead_bytes: 300.0 * 1024.0,
            cpu_ms: None,
        },
    ];
    for case in &cases {
        for lacking_opens in [true, false] {
            measure(case, total, lacking_opens);
        }
    }
}

/// Two replicas with `total` entries each; node 1 has `newer` more, spread over authors.
fn world(total: u64, newer: u64) -> World {
    let mut world = World::new(2, &[space(0)]);
    let mut rng = Rng(1);
    let mut last = vec![0u64; AUTHORS as usize];
    for number in 0..total + newer {
        let old = number < total;
        let who = if old { number } else { rng.next() } % AUTHORS;
        last[who as usize] += 1;
        // What both have is never sent: only its key matters.
        let bytes = entry(
            who,
            last[who as usize],
            0,
            if old { 48 } else { ENTRY_BYTES },
        );
        if old {
            world.nodes[0].insert_key(space(0), &bytes);
            world.nodes[1].insert_key(space(0), &bytes);
        } else {
            world.nodes[1].insert(space(0), bytes);
        }
    }
    for node in &mut world.nodes {
        node.spaces.get_mut(&space(0)).unwrap().trie.rehash();
    }
    world
}

fn measure(case: &Case, total: u64, lacking_opens: bool) {
    let mut world = world(total, case.newer);
    let (opener, acceptor) = if lacking_opens { (0, 1) } else { (1, 0) };
    world.connect(opener, acceptor);
    let (mut ways, mut equal_after) = (0, None);
    let started = Instant::now();
    while world.one_way() {
        ways += 1;
        if world.nodes[0].root(&space(0)) == world.nodes[1].root(&space(0)) {
            equal_after = equal_after.or(Some(ways));
        }
    }
    // Both sides work in this one thread, in turns.
    let each: Duration = started.elapsed() / 2;
    world.assert_no_faults();
    assert_eq!(world.traffic.entries as u64, case.newer);
    let who = if lacking_opens { "opener" } else { "acceptor" };
    let name = format!("{}_new_of_{total}_{who}_lacks", case.newer);
    let trips = f64::from(equal_after.expect("the roots become equal")) / 2.0;
    // One way is all that each side hears: half of a round trip of both at once.
    let trips = if case.newer == 0 { trips.ceil() } else { trips };
    print(&name, "round_trips", trips, case.trips);
    let overhead = world.traffic.overhead() as f64;
    print(&name, "bytes_beyond", overhead, Some(case.overhead_bytes));
    print(
        &name,
        "cpu_ms_per_side",
        each.as_secs_f64() * 1e3,
        case.cpu_ms,
    );
}

fn print(case: &str, what: &str, value: f64, at_most: Option<f64>) {
    let number = |it: Option<f64>| it.map_or("null".into(), |it| it.to_string());
    let holds = at_most.map_or("null".into(), |bound| (value <= bound).to_string());
    println!(
        "{{\"figure\":\"{case}_{what}\",\"value\":{value},\"at_most\":{},\"holds\":{holds}}}",
        number(at_most)
    );
}
