//! A process killed at random moments.

use super::common::{Random, assert_holds, entry, id, iterated, open_in, placed};
use comity_node::store::{IndexEngine, Store, Words};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const HOME: &str = "COMITY_TEST_CRASH_HOME";
const FIRST: &str = "COMITY_TEST_CRASH_FIRST";
const ENGINE: &str = "COMITY_TEST_CRASH_ENGINE";
const ROUNDS: u64 = 50;

/// Saves and erases until it is killed; tells each number once it was acknowledged.
fn child(home: &Path) {
    let engine = std::env::var(ENGINE).unwrap().parse().unwrap();
    let (store, _) = open_in(home, engine);
    let mut number: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let mut random = Random::new(number);
    let mut out = std::io::stdout();
    loop {
        let count = 1 + random.below(20);
        store
            .commit((number..number + count).map(entry).collect())
            .unwrap();
        writeln!(out, "\nsaved {number} {count}").unwrap();
        if random.below(4) == 0 {
            let victim = number + random.below(count);
            writeln!(out, "\nerasing {victim}").unwrap();
            store.erase_words(&id(victim)).unwrap();
            writeln!(out, "\nerased {victim}").unwrap();
        }
        number += count;
    }
}

#[test]
fn killed_fifty_times_nothing_acknowledged_is_lost() {
    killed_fifty_times(
        IndexEngine::Sled,
        "store::crash::killed_fifty_times_nothing_acknowledged_is_lost",
    );
}

#[test]
fn killed_fifty_times_with_fjall_nothing_acknowledged_is_lost() {
    killed_fifty_times(
        IndexEngine::Fjall,
        "store::crash::killed_fifty_times_with_fjall_nothing_acknowledged_is_lost",
    );
}

/// `name` is the test that calls this: the killed child is another run of it.
fn killed_fifty_times(engine: IndexEngine, name: &str) {
    if let Some(home) = std::env::var_os(HOME) {
        return child(Path::new(&home));
    }
    let home = tempfile::tempdir().unwrap();
    let (mut saved, mut erasing, mut erased) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..ROUNDS {
        let first = round * 1_000_000;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .arg("--nocapture")
            .env(HOME, home.path())
            .env(FIRST, first.to_string())
            .env(ENGINE, engine.name())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut random = Random::new(round);
        let mut wait_for = 1 + random.below(12);
        let delay = Duration::from_micros(random.below(3000));
        for line in lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            match words[0] {
                "saved" if words.len() == 3 => saved.extend(number(1)..number(1) + number(2)),
                "erasing" => _ = erasing.insert(number(1)),
                "erased" => _ = erased.insert(number(1)),
                _ => continue,
            }
            if wait_for > 0 {
                wait_for -= 1;
                if wait_for == 0 {
                    // The moment of death is the point: somewhere inside the next operation.
                    std::thread::sleep(delay);
                    child.kill().unwrap();
                }
            }
        }
        assert!(!child.wait().unwrap().success());
        assert_eq!(wait_for, 0, "round {round}: the child ended by itself");
    }
    let (store, report) = open_in(home.path(), engine);
    assert_eq!(report.rebuilt, None, "the index outlives a killed process");
    assert!(saved.len() > 500);
    assert_holds(&store, saved.difference(&erasing).copied());
    for number in erased {
        let words = store.get(&id(number)).unwrap().unwrap().words;
        assert!(matches!(words, Words::Erased { .. } | Words::Absent));
    }
    assert_eq!(placed(&store), iterated(&store));
    assert!(store.verify(&mut |_| {}).unwrap().is_clean());
}
