//! A file layer in memory that can lose power, fail a sync, or run full.
//!
//! It keeps what a reader sees and what is on the platter apart. A write reaches the platter with
//! the next sync; at a power cut each unsynced write survives whole, in part, or not at all. After
//! a failed sync the writes stay readable but never reach the platter, as with a real kernel.

use super::common::Random;
use comity_node::store::files::{File, Files};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Truncate(len) => bytes.resize(*len as usize, 0),
            Self::Write(at, new) => {
                let end = *at as usize + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at as usize..end].copy_from_slice(new);
            }
        }
    }
}

#[derive(Clone, Default)]
struct Node {
    seen: Vec<u8>,
    platter: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Default)]
struct Disk {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    operations: u64,
    cut_at: Option<u64>,
    fail_sync_at: Option<u64>,
    /// Bytes that all files together may have.
    capacity: Option<u64>,
    syncs_fail: bool,
}

impl Disk {
    /// Counts a change; from the cut on nothing works.
    fn step(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.cut_at {
            Some(cut) if self.operations > cut => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct SimFiles(Arc<Mutex<Disk>>);

impl SimFiles {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Cuts the power after this many more changes.
    pub(crate) fn cut_after(&self, operations: u64) {
        let mut disk = self.disk();
        disk.cut_at = Some(disk.operations + operations);
    }

    pub(crate) fn fail_sync_after(&self, operations: u64) {
        let mut disk = self.disk();
        disk.fail_sync_at = Some(disk.operations + operations);
    }

    pub(crate) fn fail_all_syncs(&self, fail: bool) {
        let mut disk = self.disk();
        disk.syncs_fail = fail;
        disk.fail_sync_at = None;
    }

    pub(crate) fn set_room(&self, bytes: Option<u64>) {
        let mut disk = self.disk();
        let used: usize = disk
            .names
            .values()
            .map(|node| disk.nodes[*node].seen.len())
            .sum();
        disk.capacity = bytes.map(|bytes| used as u64 + bytes);
    }

    /// What is left once power is back.
    pub(crate) fn after_power_cut(&self, random: &mut Random) -> Self {
        let disk = self.disk();
        let keep_all_names = random.below(2) == 0;
        let names = if keep_all_names {
            &disk.names
        } else {
            &disk.durable_names
        };
        let mut left = Disk::default();
        for (name, node) in names {
            let node = &disk.nodes[*node];
            let mut bytes = node.platter.clone();
            let style = random.below(4);
            for change in &node.unsynced {
                survive(change, style, random, &mut bytes);
            }
            left.names.insert(name.clone(), left.nodes.len());
            left.nodes.push(Node {
                seen: bytes.clone(),
                platter: bytes,
                unsynced: Vec::new(),
            });
        }
        left.durable_names = left.names.clone();
        Self(Arc::new(Mutex::new(left)))
    }

    /// What the next process of the same boot sees.
    pub(crate) fn after_process_crash(&self) -> Self {
        let disk = self.disk();
        let left = Disk {
            nodes: disk.nodes.clone(),
            names: disk.names.clone(),
            durable_names: disk.durable_names.clone(),
            ..Disk::default()
        };
        Self(Arc::new(Mutex::new(left)))
    }

    /// Whether these bytes stand anywhere, seen or on the platter.
    pub(crate) fn holds_bytes(&self, needle: &[u8]) -> bool {
        let disk = self.disk();
        let within = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        disk.names
            .values()
            .any(|node| within(&disk.nodes[*node].seen) || within(&disk.nodes[*node].platter))
    }
}

fn survive(change: &Change, style: u64, random: &mut Random, bytes: &mut Vec<u8>) {
    match style {
        0 => {}
        1 => change.apply(bytes),
        2 if random.below(2) == 0 => change.apply(bytes),
        2 => {}
        _ => match change {
            // Some sectors of the write, in any combination; the file may have grown all the same.
            Change::Write(at, new) => {
                let sector = 1 + random.below(512) as usize;
                for (number, part) in new.chunks(sector).enumerate() {
                    if random.below(2) == 0 {
                        Change::Write(at + (number * sector) as u64, part.to_vec()).apply(bytes);
                    }
                }
            }
            Change::Truncate(_) => {
                if random.below(2) == 0 {
                    change.apply(bytes);
                }
            }
        },
    }
}

impl Files for SimFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let node = self.disk().names.get(name).copied();
        let node = node.ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Arc::new(SimFile {
            files: self.clone(),
            node,
        }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.step()?;
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = disk.nodes.len();
        disk.nodes.push(Node::default());
        disk.names.insert(name.to_owned(), node);
        Ok(Arc::new(SimFile {
            files: self.clone(),
            node,
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        disk.names.remove(name);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        disk.durable_names = disk.names.clone();
        Ok(())
    }
}

struct SimFile {
    files: SimFiles,
    node: usize,
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut disk = self.files.disk();
        let on = disk.step();
        let growth = match &change {
            Change::Write(at, new) => {
                (at + new.len() as u64).saturating_sub(disk.nodes[self.node].seen.len() as u64)
            }
            Change::Truncate(_) => 0,
        };
        let used: usize = disk
            .names
            .values()
            .map(|node| disk.nodes[*node].seen.len())
            .sum();
        let full = disk
            .capacity
            .is_some_and(|capacity| used as u64 + growth > capacity);
        // The write under way at the cut may be on its way to the platter already.
        let in_flight = disk.cut_at.is_none_or(|cut| disk.operations <= cut + 1);
        let node = &mut disk.nodes[self.node];
        if full {
            if let Change::Write(at, new) = &change {
                let part = Change::Write(*at, new[..new.len() / 2].to_vec());
                part.apply(&mut node.seen);
                node.unsynced.push(part);
            }
            return Err(io::Error::from_raw_os_error(28));
        }
        if in_flight {
            change.apply(&mut node.seen);
            node.unsynced.push(change);
        }
        on
    }
}

impl File for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.files.disk();
        let seen = &disk.nodes[self.node].seen;
        let from = seen.len().min(offset as usize);
        let len = buffer.len().min(seen.len() - from);
        buffer[..len].copy_from_slice(&seen[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, bytes.to_vec()))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.files.disk().nodes[self.node].seen.len() as u64)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(Change::Truncate(len))
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.step()?;
        let due = disk.fail_sync_at.is_some_and(|at| disk.operations > at);
        if due || disk.syncs_fail {
            disk.fail_sync_at = None;
            // The kernel forgets that these were never written: a truncation is metadata and stays.
            disk.nodes[self.node]
                .unsynced
                .retain(|change| matches!(change, Change::Truncate(_)));
            return Err(io::Error::from_raw_os_error(5));
        }
        let node = &mut disk.nodes[self.node];
        for change in std::mem::take(&mut node.unsynced) {
            change.apply(&mut node.platter);
        }
        Ok(())
    }
}
