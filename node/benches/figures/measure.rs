//! What the benchmark programs share: figures and their table, verification as the yardstick, a node
//! without its network.

use crate::corpus;
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
    entry::{Entry, Verified},
    id::CommunityId,
};
use std::{fs, os::unix::fs::MetadataExt, path::Path, sync::Arc, thread, time::Instant};

/// One measured value, with its target where there is one.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) target: Option<(&'static str, f64)>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            target: None,
        }
    }

    pub(crate) fn at_least(self, bound: f64) -> Self {
        let target = Some((">=", bound));
        Self { target, ..self }
    }

    pub(crate) fn at_most(self, bound: f64) -> Self {
        let target = Some(("<=", bound));
        Self { target, ..self }
    }
}

/// Signatures checked per second in batches of 64, on all cores: what ingest is compared with.
pub(crate) fn verification_per_second(encoded: &[Vec<u8>]) -> f64 {
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

pub(crate) fn open(
    home: &Path,
    community: CommunityId,
    options: Options,
) -> (Archive, Ingest, Arc<Library>) {
    let opened = RecordStore::open(home, Arc::new(EntryProjection), options).unwrap();
    let Opened::Ready(store, _) = opened else {
        panic!("the store is not ready")
    };
    let archive = Archive::new(Arc::new(store) as Arc<dyn Store>);
    let ledger = Ledger::load(&archive, &[community], &mut |_| {}).unwrap();
    let library = Library::open(archive.clone());
    let ingest = Ingest::new(archive.clone(), library.clone(), ledger);
    (archive, ingest, library)
}

pub(crate) fn take_in(ingest: &Ingest, community: CommunityId, batch: &[Vec<u8>]) {
    let outcomes = ingest.take_in(community, batch, &Source::Local).unwrap();
    let bad = outcomes
        .iter()
        .find(|(_, outcome)| *outcome != Outcome::Saved);
    assert!(bad.is_none(), "{bad:?}");
}

/// What the files of a folder take on disk: of files with holes, what is allocated.
pub(crate) fn folder_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            it if it.is_dir() => folder_bytes(&entry.path()),
            it => it.blocks() * 512,
        })
        .sum()
}

pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

pub(crate) fn print(figures: &[Figure]) {
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
