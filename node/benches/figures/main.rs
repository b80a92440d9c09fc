//! Figures of the node: one JSON line each, with its target where there is one, then a table.
//!
//! Ratios compare things measured in this same run, so they hold on other machines. The corpus is
//! fixed: 2,000 authors, sizes and kinds by a fixed generator; raw size is header, signature and
//! payload. Run with `cargo bench -p comity-node`; `COMITY_BENCH_ENTRIES` changes the corpus.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod corpus;
mod measure;

use comity_node::store::Options;
use comity_protocol::{
    derive::{DerivedDocument, Input},
    document::{Shape, Words as Opened_},
    entry::{Entry, Words},
};
use corpus::Corpus;
use measure::{
    Figure, folder_bytes, open, print, resident_bytes, take_in, verification_per_second,
};
use std::time::Instant;

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

fn ingest(corpus: &Corpus, figures: &mut Vec<Figure>) {
    let sample = corpus.contributions.len().min(20_000);
    let verified = verification_per_second(&corpus.contributions[..sample]);
    let home = tempfile::tempdir().unwrap();
    let (archive, ingest, library) = open(home.path(), corpus.community, Options::default());
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
    let (archive, ingest, library) = open(home.path(), corpus.community, Options::default());
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
    let entries = corpus.contributions.len() as f64;
    figures.extend([
        Figure::new("verify_per_second", verified, "1/s"),
        Figure::new("ingest_per_second", ingested, "1/s"),
        Figure::new("ingest_over_verification", ingested / verified, "ratio").at_least(0.10),
        Figure::new("raw_bytes_per_entry", raw / entries, "B"),
        Figure::new("disk_over_raw", disk as f64 / raw, "ratio").at_most(3.0),
        Figure::new("open", reopened, "s").at_most(1.0),
        Figure::new("rss_after_ingest", rss as f64 / 1e6, "MB"),
    ]);
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
    let value = started.elapsed().as_secs_f64() * 1e3 / count as f64;
    figures.push(Figure::new(
        format!("derive_edit_after_{edits}"),
        value,
        "ms",
    ));
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
