//! Figures of the store on this machine: `cargo run --release -p comity-node --example store_figures`.
//!
//! Prints one JSON line each: commits per second, disk ÷ raw, time to open, memory.

use comity_node::store::{
    EntryRef, IndexBatch, IndexReader, NewEntry, Opened, Options, Position, Projection,
    RecordStore, SIGNATURE_BYTES, Store, StoreError,
};
use comity_protocol::id::{EntryId, digest, domain};
use std::{error::Error, sync::Arc, time::Instant};

const ENTRIES: u64 = 100_000;
const BATCH: u64 = 500;
const HEADER_BYTES: usize = 240;
const SHAPE_BYTES: usize = 96;
const WORDS_BYTES: usize = 300;

/// Four keys of some 30 bytes each per entry.
struct FourKeys;

impl Projection for FourKeys {
    fn version(&self) -> u32 {
        1
    }

    fn project(
        &self,
        position: Position,
        entry: &EntryRef<'_>,
        _: &dyn IndexReader,
        out: &mut IndexBatch,
    ) -> Result<(), StoreError> {
        for tag in 0..4 {
            let key = [&[tag], &entry.header[tag as usize * 16..][..16]].concat();
            out.put(key, position.to_u64().to_be_bytes());
        }
        Ok(())
    }
}

fn entry(number: u64) -> NewEntry {
    let seed = digest(domain::CONTRIBUTION_ID, &[&number.to_be_bytes()]);
    let fill = |len: usize| seed.iter().copied().cycle().take(len).collect::<Vec<u8>>();
    let mut header = fill(HEADER_BYTES);
    // Half of the keys come in order, as an author's sequence does; half at random.
    header[16..24].copy_from_slice(&number.to_be_bytes());
    header[48..56].copy_from_slice(&number.to_be_bytes());
    NewEntry {
        kind: 1,
        id: EntryId::from_bytes(seed),
        header,
        signature: [7; SIGNATURE_BYTES],
        shape: fill(SHAPE_BYTES),
        words: Some(fill(WORDS_BYTES)),
    }
}

fn open(home: &std::path::Path) -> Result<RecordStore, Box<dyn Error>> {
    match RecordStore::open(home, Arc::new(FourKeys), Options::default())? {
        Opened::Ready(store, _) => Ok(store),
        _ => Err("the store did not open as ready".into()),
    }
}

/// User and system time of this process: steadier than the clock on a machine that others use.
fn cpu_seconds() -> f64 {
    let usage = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = usage.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

fn memory_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let store = open(home.path())?;
    let batches: Vec<Vec<NewEntry>> = (0..ENTRIES / BATCH)
        .map(|batch| (batch * BATCH..(batch + 1) * BATCH).map(entry).collect())
        .collect();
    let raw = ENTRIES * (HEADER_BYTES + SIGNATURE_BYTES + SHAPE_BYTES + WORDS_BYTES) as u64;
    let (start, cpu_before) = (Instant::now(), cpu_seconds());
    for batch in batches {
        store.commit(batch)?;
    }
    let committed = start.elapsed();
    let stats = store.stats()?;
    store.close()?;
    let closed = start.elapsed();
    let cpu = cpu_seconds() - cpu_before;
    println!(
        "{{\"figure\":\"commit_cpu_us\",\"value\":{:.1}}}",
        cpu * 1e6 / ENTRIES as f64
    );
    println!(
        "{{\"figure\":\"commit_per_s\",\"value\":{:.0}}}",
        ENTRIES as f64 / committed.as_secs_f64()
    );
    println!(
        "{{\"figure\":\"commit_and_close_per_s\",\"value\":{:.0}}}",
        ENTRIES as f64 / closed.as_secs_f64()
    );
    println!(
        "{{\"figure\":\"peak_rss_mib\",\"value\":{}}}",
        memory_kib("VmHWM:") / 1024
    );
    drop(store);
    let start = Instant::now();
    let store = open(home.path())?;
    println!(
        "{{\"figure\":\"open_ms\",\"value\":{}}}",
        start.elapsed().as_millis()
    );
    let after = store.stats()?;
    let disk = after.record_bytes + after.index_bytes;
    println!(
        "{{\"figure\":\"record_bytes\",\"value\":{}}}",
        stats.record_bytes
    );
    println!(
        "{{\"figure\":\"index_bytes\",\"value\":{}}}",
        after.index_bytes
    );
    println!(
        "{{\"figure\":\"disk_by_raw\",\"value\":{:.2}}}",
        disk as f64 / raw as f64
    );
    let start = Instant::now();
    let report = store.verify(&mut |_| {})?;
    println!(
        "{{\"figure\":\"verify_ms\",\"value\":{},\"entries\":{}}}",
        start.elapsed().as_millis(),
        report.entries
    );
    let start = Instant::now();
    store.reindex(None)?;
    println!(
        "{{\"figure\":\"reindex_per_s\",\"value\":{:.0}}}",
        ENTRIES as f64 / start.elapsed().as_secs_f64()
    );
    let start = Instant::now();
    for number in 0..2000 {
        store.commit(vec![entry(ENTRIES + number)])?;
    }
    println!(
        "{{\"figure\":\"single_commit_us\",\"value\":{}}}",
        start.elapsed().as_micros() / 2000
    );
    Ok(())
}
