//! Figures of the node: one JSON line each, with its target where there is one, then a table.
//!
//! Ratios compare things measured in this same run, so they hold on other machines. The corpus is
//! fixed: 2,000 authors, sizes and kinds by a fixed generator; raw size is header, signature and
//! payload. Run with `cargo bench -p comity-node`; `COMITY_BENCH_ENTRIES` changes the corpus.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod corpus;

use comity_node::{
    archive::Archive,
    ingest::{Ingest, Outcome},
    ledger::Ledger,
    library::Library,
    pending::Source,
    projection::EntryProjection,
    store::{Opened, Options, RecordStore, Store},
};
use comity_protocol::{
    derive::{DerivedDocument, Input},
    document::{Shape, Words as Opened_},
    entry::{Entry, Verified, Words},
    id::CommunityId,
};
use corpus::Corpus;
use std::{fs, path::Path, sync::Arc, thread, time::Instant};

struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    target: Option<(&'static str, f64)>,
}

fn main() {
    // `cargo test` runs benches with `--test`: nothing to do there.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let entries = std::env::var("COMITY_BENCH_ENTRIES")
        .ok()
        .map_or(100_000, |text| {
            text.parse().expect("COMITY_BENCH_ENTRIES is a number")
        });
    let mut figures = Vec::new();
    eprintln!(
        "signing {entries} contributions by {} authors",
        corpus::AUTHORS
    );
    let corpus = Corpus::make(entries);
    ingest(&corpus, &mut figures);
    drop(corpus);
    for edits in [100, 1_000, 5_000] {
        derivation(edits, &mut figures);
    }
    print(&figures);
}

fn verification_per_second(encoded: &[Vec<u8>]) -> f64 {
    let decoded: Vec<Entry> = encoded
        .iter()
        .map(|bytes| Entry::decode(bytes).unwrap())
        .collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = decoded.len().div_ceil(cores);
    let mut shares: Vec<Vec<Vec<Entry>>> = Vec::new();
    for share in decoded.chunks(share) {
        shares.push(share.chunks(64).map(<[Entry]>::to_vec).collect());
    }
    let started = Instant::now();
    thread::scope(|scope| {
        for share in shares {
            scope.spawn(move || {
                let mut rng = corpus::system_rng();
                for batch in share {
                    let verdicts = Verified::check_batch(batch, &mut rng);
                    assert!(verdicts.iter().all(Result::is_ok));
                }
            });
        }
    });
    encoded.len() as f64 / started.elapsed().as_secs_f64()
}

fn open(home: &Path, community: CommunityId) -> (Archive, Ingest, Arc<Library>) {
    let opened = RecordStore::open(home, Arc::new(EntryProjection), Options::default()).unwrap();
    let Opened::Ready(store, _) = opened else {
        panic!("a fresh store is ready")
    };
    let archive = Archive::new(Arc::new(store) as Arc<dyn Store>);
    let ledger = Ledger::load(&archive, &[community], &mut |_| {}).unwrap();
    let library = Library::open(archive.clone());
    let ingest = Ingest::new(archive.clone(), library.clone(), ledger);
    (archive, ingest, library)
}

fn ingest(corpus: &Corpus, figures: &mut Vec<Figure>) {
    let sample = corpus.contributions.len().min(20_000);
    let verified = verification_per_second(&corpus.contributions[..sample]);
    let home = tempfile::tempdir().unwrap();
    let (archive, ingest, library) = open(home.path(), corpus.community);
    take_in(&ingest, corpus.community, &corpus.governance);
    let started = Instant::now();
    for batch in corpus.contributions.chunks(500) {
        take_in(&ingest, corpus.community, batch);
    }
    let ingested = corpus.contributions.len() as f64 / started.elapsed().as_secs_f64();
    let rss = resident_bytes();
    library.close();
    archive.store().close().unwrap();
    drop((archive, ingest, library));
    let disk = folder_bytes(home.path());
    let started = Instant::now();
    let (archive, ingest, library) = open(home.path(), corpus.community);
    let reopened = started.elapsed().as_secs_f64();
    let held: u64 = ingest
        .ledger()
        .spaces()
        .values()
        .map(|space| space.trie.len())
        .sum();
    assert_eq!(
        held as usize,
        corpus.contributions.len() + corpus.governance.len()
    );
    library.close();
    archive.store().close().unwrap();
    let raw = corpus.raw_bytes as f64;
    let at_least = |bound| Some((">=", bound));
    let at_most = |bound| Some(("<=", bound));
    figures.extend([
        Figure {
            name: "verify_per_second",
            value: verified,
            unit: "1/s",
            target: None,
        },
        Figure {
            name: "ingest_per_second",
            value: ingested,
            unit: "1/s",
            target: None,
        },
        Figure {
            name: "ingest_over_verification",
            value: ingested / verified,
            unit: "ratio",
            target: at_least(0.10),
        },
        Figure {
            name: "raw_bytes_per_entry",
            value: raw / corpus.contributions.len() as f64,
            unit: "B",
            target: None,
        },
        Figure {
            name: "disk_over_raw",
            value: disk as f64 / raw,
            unit: "ratio",
            target: at_most(3.0),
        },
        Figure {
            name: "open",
            value: reopened,
            unit: "s",
            target: at_most(1.0),
        },
        Figure {
            name: "rss_after_ingest",
            value: rss as f64 / 1e6,
            unit: "MB",
            target: None,
        },
    ]);
}

fn take_in(ingest: &Ingest, community: CommunityId, batch: &[Vec<u8>]) {
    let outcomes = ingest.take_in(community, batch, &Source::Local).unwrap();
    let bad = outcomes
        .iter()
        .find(|(_, outcome)| *outcome != Outcome::Saved);
    assert!(bad.is_none(), "{bad:?}");
}

/// Time to derive one more edit of a page that has `edits` already.
fn derivation(edits: usize, figures: &mut Vec<Figure>) {
    let inputs: Vec<Input> = corpus::page_with_edits(edits + 20)
        .iter()
        .map(input)
        .collect();
    let mut inputs = inputs.into_iter();
    let mut document = DerivedDocument::new(inputs.next().unwrap()).unwrap();
    let known: Vec<Input> = inputs.by_ref().take(edits - 1).collect();
    document.extend(known, u64::MAX).unwrap();
    let more: Vec<Input> = inputs.collect();
    let count = more.len();
    let started = Instant::now();
    for one in more {
        document.extend(vec![one], u64::MAX).unwrap();
    }
    let name = match edits {
        100 => "derive_edit_after_100",
        1_000 => "derive_edit_after_1000",
        _ => "derive_edit_after_5000",
    };
    let value = started.elapsed().as_secs_f64() * 1e3 / count as f64;
    figures.push(Figure {
        name,
        value,
        unit: "ms",
        target: None,
    });
}

fn input(entry: &Entry) -> Input {
    let Entry::Contribution(it) = entry else {
        panic!("the page consists of contributions")
    };
    let shape = Shape::decode(it.shape()).unwrap();
    let Words::Present(words) = it.words() else {
        panic!("nothing was erased")
    };
    let words = Opened_::open(&shape, words);
    Input {
        id: it.id(),
        document: it.header().document(it.id()),
        deps: it.header().deps().to_vec(),
        author: it.header().author,
        time_ms: it.header().time_ms,
        shape: Ok(shape),
        words,
    }
}

fn folder_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            it if it.is_dir() => folder_bytes(&entry.path()),
            it => it.len(),
        })
        .sum()
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

fn print(figures: &[Figure]) {
    for it in figures {
        let target = it.target.map(|(sign, bound)| format!("{sign} {bound}"));
        let holds = it.target.map(|(sign, bound)| match sign {
            ">=" => it.value >= bound,
            _ => it.value <= bound,
        });
        let line = serde_json::json!({
            "figure": it.name, "value": it.value, "unit": it.unit, "target": target, "holds": holds,
        });
        println!("{line}");
    }
    println!(
        "\n{:<28} {:>14} {:<6} {:>8}  holds",
        "figure", "value", "unit", "target"
    );
    for it in figures {
        let (target, holds) = match it.target {
            None => (String::new(), ""),
            Some((sign, bound)) => {
                let holds = if sign == ">=" {
                    it.value >= bound
                } else {
                    it.value <= bound
                };
                (format!("{sign} {bound}"), if holds { "yes" } else { "NO" })
            }
        };
        println!(
            "{:<28} {:>14.3} {:<6} {:>8}  {holds}",
            it.name, it.value, it.unit, target
        );
    }
}
