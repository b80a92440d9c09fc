//! Figures of the store at scale: `cargo bench -p comity-node --bench scale`.
//!
//! For each index engine: how fast fresh contributions come in, measured against signature checks in
//! the same run; what they take on disk; how long a node takes to open and what it then holds in
//! memory, each in a process of its own, so that nothing of the corpus is counted. One JSON line for
//! each figure, then a table.
//!
//! `COMITY_BENCH_ENTRIES` (100,000) sets the number of contributions, `COMITY_BENCH_ENGINES`
//! (`sled,fjall`) the engines, `COMITY_BENCH_CACHE` a folder in which the signed corpus is kept.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod cache;
#[path = "../figures/corpus.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod corpus;
#[path = "../figures/measure.rs"]
mod measure;

use comity_node::store::{IndexEngine, Options};
use comity_protocol::id::CommunityId;
use corpus::Corpus;
use measure::{
    Figure, folder_bytes, open, print, resident_bytes, take_in, verification_per_second,
};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

const BATCH: usize = 500;
/// Contributions whose signatures are checked for comparison, before and after ingest.
const SAMPLE: usize = 20_000;
/// Contributions that come in right before the node is killed.
const LAST: usize = 2_000;
/// How long an opened node is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(2);
const ROLE: &str = "COMITY_SCALE_ROLE";
const HOME: &str = "COMITY_SCALE_HOME";
const ENGINE: &str = "COMITY_SCALE_ENGINE";
const COMMUNITY: &str = "COMITY_SCALE_COMMUNITY";

fn main() {
    // `cargo test` runs benches with `--test`: nothing to do there.
    if env::args().any(|argument| argument == "--test") {
        return;
    }
    let entries = env::var("COMITY_BENCH_ENTRIES").map_or(100_000, |it| it.parse().unwrap());
    if let Ok(role) = env::var(ROLE) {
        return child(&role, entries);
    }
    let engines = env::var("COMITY_BENCH_ENGINES").unwrap_or("sled,fjall".into());
    let corpus = cache::corpus(entries);
    let mut figures = Vec::new();
    for engine in engines.split(',').map(|it| it.parse().unwrap()) {
        eprintln!("{entries} contributions with {engine}");
        of_engine(&corpus, engine, entries, &mut figures);
    }
    print(&figures);
}

fn options(engine: IndexEngine) -> Options {
    Options {
        index_engine: engine,
        ..Options::default()
    }
}

fn of_engine(corpus: &Corpus, engine: IndexEngine, entries: usize, figures: &mut Vec<Figure>) {
    let home = tempfile::tempdir().unwrap();
    let count = corpus.contributions.len() - LAST;
    let fresh = &corpus.contributions[..count];
    let sample = &fresh[..count.min(SAMPLE)];
    let before = verification_per_second(sample);
    let (archive, ingest, library) = open(home.path(), corpus.community, options(engine));
    take_in(&ingest, corpus.community, &corpus.governance);
    let (started, cpu) = (Instant::now(), cpu_seconds());
    // As from several peers at once: while one batch is written, the next is verified.
    let batches = Mutex::new(fresh.chunks(BATCH));
    let next = || batches.lock().unwrap().next();
    let callers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                while let Some(batch) = next() {
                    take_in(&ingest, corpus.community, batch);
                }
            });
        }
    });
    let ingested = count as f64 / started.elapsed().as_secs_f64();
    let ingest_cpu = (cpu_seconds() - cpu) / count as f64;
    let cpu = cpu_seconds();
    let after = verification_per_second(sample);
    let verify_cpu = (cpu_seconds() - cpu) / sample.len() as f64;
    let verified = (before + after) / 2.0;
    library.close();
    archive.store().close().unwrap();
    drop((archive, ingest, library));
    let raw = corpus.raw_bytes as f64 * count as f64 / (count + LAST) as f64;
    let disk = folder_bytes(home.path()) as f64;
    let run = |role| run_child(role, home.path(), engine, corpus.community);
    let clean = run("open");
    run("kill");
    let killed = run("open");
    let name = |figure: &str| format!("{engine}_{figure}");
    let (ingest_bound, rss_bound) = match engine {
        IndexEngine::Sled => (0.13, rss_bound(entries)),
        IndexEngine::Fjall => (0.35, rss_bound(entries)),
    };
    figures.extend([
        Figure::new(name("verify_per_second"), verified, "1/s"),
        Figure::new(name("ingest_per_second"), ingested, "1/s"),
        Figure::new(
            name("ingest_over_verification"),
            ingested / verified,
            "ratio",
        )
        .at_least(ingest_bound),
        // On a busy machine these vary less than the clock does.
        Figure::new(name("verify_cpu"), verify_cpu * 1e6, "us"),
        Figure::new(name("ingest_cpu"), ingest_cpu * 1e6, "us"),
        Figure::new(name("disk_over_raw"), disk / raw, "ratio").at_most(2.5),
        Figure::new(name("open_after_stop"), clean.seconds, "s").at_most(3.0),
        Figure::new(name("open_cpu"), clean.cpu_seconds, "s"),
        Figure::new(name("open_after_kill"), killed.seconds, "s").at_most(10.0),
        Figure::new(name("rss_idle"), clean.rss_bytes / 1e6, "MB").at_most(rss_bound),
    ]);
}

/// 100 MB up to 100,000 contributions, 400 MB at 1,000,000; between them in proportion.
fn rss_bound(entries: usize) -> f64 {
    100.0 + 300.0 * entries.saturating_sub(100_000) as f64 / 900_000.0
}

/// User and system time of this process, all threads together.
fn cpu_seconds() -> f64 {
    let usage = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = usage.rsplit(") ").next().unwrap().split(' ').skip(11);
    let ticks: u64 = fields.take(2).map(|it| it.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}

struct Opening {
    seconds: f64,
    rss_bytes: f64,
    cpu_seconds: f64,
}

fn run_child(role: &str, home: &Path, engine: IndexEngine, community: CommunityId) -> Opening {
    let output = Command::new(env::current_exe().unwrap())
        .env(ROLE, role)
        .env(HOME, home)
        .env(ENGINE, engine.name())
        .env(COMMUNITY, community.to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|it| it.parse().unwrap());
    Opening {
        seconds: numbers.next().unwrap_or_default(),
        rss_bytes: numbers.next().unwrap_or_default(),
        cpu_seconds: numbers.next().unwrap_or_default(),
    }
}

/// `open`: opens the node, says how long that took and what it holds, and stops it. `kill`: takes in
/// the last contributions and dies.
fn child(role: &str, entries: usize) {
    let home = PathBuf::from(env::var(HOME).unwrap());
    let community = env::var(COMMUNITY).unwrap().parse().unwrap();
    let engine = env::var(ENGINE).unwrap().parse().unwrap();
    let last = (role == "kill").then(|| cache::corpus(entries).contributions);
    let started = Instant::now();
    let (archive, ingest, library) = open(&home, community, options(engine));
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds());
    if let Some(last) = last {
        for batch in last[last.len() - LAST..].chunks(BATCH) {
            take_in(&ingest, community, batch);
        }
        std::process::abort();
    }
    thread::sleep(IDLE);
    println!("{seconds} {} {cpu}", resident_bytes());
    let held: u64 = {
        let ledger = ingest.ledger();
        ledger.spaces().values().map(|it| it.trie.len()).sum()
    };
    assert!(held as usize >= entries - LAST);
    library.close();
    archive.store().close().unwrap();
}
