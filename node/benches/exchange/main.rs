//! Figures of two nodes: one JSON line each, with its target where there is one, then a table.
//!
//! Two real nodes of this process over loopback, with the fixed corpus of `figures`. Ratios compare
//! things measured in this same run. Both nodes share the cores, the disk and the process, as they
//! do on no two machines: what a figure says of one side is an upper bound.
//!
//! Run with `cargo bench -p comity-node --bench exchange`; `COMITY_BENCH_ENTRIES` changes the corpus.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod cold;
#[path = "../figures/corpus.rs"]
#[allow(dead_code)]
mod corpus;
mod live;
mod pair;

use comity_tests::figures::Figures;
use corpus::Corpus;

/// Contributions that are published one by one.
const LIVE: usize = 300;

fn main() {
    // `cargo test` runs benches with `--test`: nothing to do there.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let entries = std::env::var("COMITY_BENCH_ENTRIES")
        .ok()
        .map_or(10_000, |text| {
            text.parse().expect("COMITY_BENCH_ENTRIES is a number")
        });
    eprintln!(
        "signing {entries} contributions by {} authors",
        corpus::AUTHORS
    );
    let corpus = Corpus::make(entries + LIVE);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut figures = Figures::default();
    runtime.block_on(async {
        let local = cold::local_rate(&corpus, entries, &mut figures);
        let pair = cold::cold_sync(&corpus, entries, local, &mut figures).await;
        let pair = cold::nothing_new(pair, &mut figures).await;
        live::live(&pair, &corpus, entries, &mut figures).await;
        pair.stop().await;
    });
    figures.print();
}
