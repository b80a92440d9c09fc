//! Fifty nodes of five parties under a virtual clock; see `comity_tests::simulation`.

use comity_tests::simulation::{Fault, INVARIANTS, Log, Simulation, Size, record};
use std::collections::BTreeSet;

/// Seeds, without `COMITY_TEST_FACTOR`.
const SEEDS: u64 = 10;
/// Fewer deeds than in the long runs of the example `simulate`: here nothing is optimized.
const SIZE: Size = Size {
    deeds: 30,
    ..Size::FULL
};

/// `COMITY_TEST_SEED=n` runs that seed alone.
fn seeds() -> Vec<u64> {
    let factor = std::env::var("COMITY_TEST_FACTOR").map_or(1, |it| it.parse().unwrap());
    match std::env::var("COMITY_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=SEEDS * factor).collect(),
    }
}

fn run(seed: u64) -> Option<String> {
    match Simulation::new(seed, SIZE, Log::Off).run() {
        Ok(report) => {
            println!("seed {seed}: {report:?}");
            assert!(
                report.acknowledged > 0 && report.frames > 1_000,
                "nothing happened"
            );
            None
        }
        Err((broken, _)) => {
            let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
            let path = path.join(format!("simulation-{seed}.jsonl"));
            std::fs::write(&path, record(seed, SIZE)).unwrap();
            Some(format!(
                "COMITY_TEST_SEED={seed}: {} does not hold: {} (event {}); all events: {}",
                broken.invariant,
                broken.found,
                broken.event,
                path.display()
            ))
        }
    }
}

#[test]
fn invariants_hold_among_fifty_nodes_with_liars() {
    let seeds = seeds();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let seeds: Vec<u64> = seeds.iter().copied().filter(|it| it % 2 == half).collect();
            scope.spawn(move || seeds.into_iter().filter_map(run).collect::<Vec<_>>())
        });
        let halves = halves.into_iter().map(|it| it.join().unwrap());
        halves.flatten().collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_seed_always_runs_alike() {
    let size = Size {
        parties: 3,
        nodes: 4,
        deeds: 20,
        restricted: 2,
    };
    let run = || Simulation::new(7, size, Log::Off).run();
    let (first, second) = (run().ok(), run().ok());
    assert!(first.is_some());
    assert_eq!(first, second);
}

/// Seeds after which a fault must have shown.
const SEEDS_OF_FAULT: u64 = 12;

/// A checker that was never seen to fail is worth nothing.
#[test]
fn every_invariant_is_seen_to_fail() {
    let size = Size {
        parties: 3,
        nodes: 4,
        deeds: 24,
        restricted: 2,
    };
    let shown: BTreeSet<&str> = Fault::CASES.iter().map(|(_, name)| *name).collect();
    assert_eq!(shown, BTreeSet::from(INVARIANTS));
    let missed: Vec<String> = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            scope.spawn(move || {
                let own = Fault::CASES.iter().skip(half).step_by(2);
                own.filter_map(|(fault, name)| miss(size, *fault, name))
                    .collect::<Vec<_>>()
            })
        });
        let halves = halves.into_iter().map(|it| it.join().unwrap());
        halves.flatten().collect()
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn miss(size: Size, fault: Fault, invariant: &'static str) -> Option<String> {
    for seed in 1..=SEEDS_OF_FAULT {
        if let Err((broken, _)) = Simulation::broken_by(seed, size, fault, invariant).run() {
            assert_eq!(broken.invariant, invariant);
            println!("{fault:?}, seed {seed}: {invariant}: {}", broken.found);
            return None;
        }
    }
    Some(format!(
        "{fault:?} was never noticed by {invariant} in {SEEDS_OF_FAULT} seeds"
    ))
}
