//! An empty node gets everything; then both meet again with nothing new.

use crate::{
    corpus::Corpus,
    pair::{Pair, Side},
};
use comity_node::{
    archive::Archive,
    ingest::{Ingest, Outcome},
    ledger::Ledger,
    library::Library,
    pending::Source,
    projection::EntryProjection,
    store::{Opened, Options, RecordStore, Store},
};
use comity_tests::figures::{Figures, Target};
use std::{sync::Arc, time::Instant};

/// How many contributions a second are taken in without any network.
pub(crate) fn local_rate(corpus: &Corpus, entries: usize, figures: &mut Figures) -> f64 {
    let home = tempfile::tempdir().unwrap();
    let opened = RecordStore::open(home.path(), Arc::new(EntryProjection), Options::default());
    let Opened::Ready(store, _) = opened.unwrap() else {
        panic!("a fresh store is ready")
    };
    let archive = Archive::new(Arc::new(store) as Arc<dyn Store>);
    let ledger = Ledger::load(&archive, &[corpus.community], &mut |_| {}).unwrap();
    let library = Library::open(archive.clone());
    let ingest = Ingest::new(archive.clone(), library.clone(), ledger);
    let take_in = |batch: &[Vec<u8>]| {
        let outcomes = ingest.take_in(corpus.community, batch, &Source::Local);
        for (id, outcome) in outcomes.unwrap() {
            assert_eq!(outcome, Outcome::Saved, "{id:?}");
        }
    };
    take_in(&corpus.governance);
    let started = Instant::now();
    corpus.contributions[..entries]
        .chunks(500)
        .for_each(take_in);
    let rate = entries as f64 / started.elapsed().as_secs_f64();
    library.close();
    archive.store().close().unwrap();
    figures.add("local_ingest_per_second", rate, "1/s", Target::None);
    rate
}

/// Target of the time for 10,000 contributions.
fn at_most_seconds(entries: usize) -> Target {
    if entries == 10_000 {
        Target::AtMost(0.6)
    } else {
        Target::None
    }
}

pub(crate) async fn cold_sync(
    corpus: &Corpus,
    entries: usize,
    local: f64,
    figures: &mut Figures,
) -> Pair {
    let full = Side::start().await;
    full.take_part(corpus, &corpus.governance).await;
    let contributions = &corpus.contributions[..entries];
    full.submit(corpus, contributions).await;
    let fresh = Side::start().await;
    fresh.take_part(corpus, &corpus.governance).await;
    let all = (corpus.governance.len() + entries) as u64;
    let (before, started) = (fresh.traffic.bytes(), Instant::now());
    let busy = processor_seconds();
    fresh.connect(&full).await;
    let seconds = fresh.wait_for(started, all).await;
    let busy = processor_seconds() - busy;
    let bytes = fresh.traffic.bytes() - before;
    tell_stages(&fresh, seconds).await;
    figures.add("cold_sync_processor", busy, "s", Target::None);
    let raw: usize = contributions.iter().map(Vec::len).sum();
    figures.add("cold_sync", seconds, "s", at_most_seconds(entries));
    figures.add(
        "cold_sync_rate_over_local_ingest",
        entries as f64 / seconds / local,
        "ratio",
        Target::AtLeast(0.7),
    );
    figures.add(
        "wire_over_encoded",
        bytes as f64 / raw as f64,
        "ratio",
        Target::None,
    );
    let per_entry = corpus.raw_bytes as f64 / corpus.contributions.len() as f64;
    figures.add(
        "wire_over_raw",
        bytes as f64 / entries as f64 / per_entry,
        "ratio",
        Target::AtMost(1.1),
    );
    let stranger = Side::start().await;
    stranger.take_part(corpus, &[]).await;
    let started = Instant::now();
    stranger.connect(&full).await;
    let seconds = stranger.wait_for(started, all).await;
    figures.add("cold_sync_with_governance", seconds, "s", Target::None);
    stranger.node.stop().await;
    Pair { full, fresh }
}

/// Where the time of the side that got everything went, by what it counts of itself.
async fn tell_stages(side: &Side, seconds: f64) {
    eprintln!("stages of the receiving side in {seconds:.3} s:");
    let metrics = side.client.metrics().await.unwrap();
    for line in String::from_utf8_lossy(&metrics).lines() {
        let of_stages = line.contains("_sum") || line.contains("_count");
        if of_stages && (line.contains("ingest") || line.contains("store")) {
            eprintln!("  {line}");
        }
    }
}

/// Processor time of all threads of this process, both nodes, in seconds; 0 where nobody tells.
fn processor_seconds() -> f64 {
    /// Ticks of `/proc` in a second.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields = after_name.split(' ').skip(11).take(2);
    fields.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// Both restart and meet again.
pub(crate) async fn nothing_new(pair: Pair, figures: &mut Figures) -> Pair {
    let started = Instant::now();
    pair.fresh.wait_in_sync(started).await;
    // Receipts settle within their calm.
    loop {
        let (full, fresh) = (roots(&pair.full).await, roots(&pair.fresh).await);
        if full == fresh {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let fresh = pair.fresh.restart().await;
    let full = pair.full.restart().await;
    let (before, started) = (fresh.traffic.bytes(), Instant::now());
    fresh.connect(&full).await;
    let seconds = fresh.wait_in_sync(started).await;
    let bytes = fresh.traffic.bytes() - before;
    figures.add("nothing_new_until_equal", seconds * 1e3, "ms", Target::None);
    figures.add("nothing_new_all_protocols", bytes as f64, "B", Target::None);
    Pair { full, fresh }
}

async fn roots(side: &Side) -> Vec<(String, String)> {
    let status = side.client.sync_status(None).await.unwrap();
    let mut roots: Vec<_> = status
        .spaces
        .into_iter()
        .map(|it| (it.id, it.root))
        .collect();
    roots.sort();
    roots
}
