//! Flipped bits, torn tails and missing files: detected, reported, repaired.

use super::common::{
    ByKind, Random, all_files, assert_holds, assert_same, entry, id, open, open_in, placed, small,
    small_in, usable, with_each_engine,
};
use comity_node::store::{
    Committed, DamageKind, EntryRef, IndexBatch, IndexEngine, IndexReader, Opened, Options,
    Position, Progress, Projection, RecordStore, Store, StoreError, Words,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

fn segment(home: &Path, number: u32) -> PathBuf {
    home.join(format!("record/{number:08}.seg"))
}

fn build(home: &Path, count: u64) {
    build_in(home, IndexEngine::default(), count);
}

fn build_in(home: &Path, engine: IndexEngine, count: u64) {
    let (store, _) = open_in(home, engine);
    store.commit((0..count).map(entry).collect()).unwrap();
    store.close().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, bytes) in all_files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

fn flip(path: &Path, at: usize, mask: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= mask;
    fs::write(path, bytes).unwrap();
}

/// Each byte of a small record, one after the other.
#[test]
fn a_flipped_byte_is_reported_and_costs_one_entry_at_most() {
    let original = tempfile::tempdir().unwrap();
    build(original.path(), 4);
    let len = fs::read(segment(original.path(), 0)).unwrap().len();
    assert!(len > 700);
    let home = tempfile::tempdir().unwrap();
    copy(original.path(), home.path());
    for at in 0..len {
        let masks = [0xFF, 1 << (at % 8)];
        let path = segment(home.path(), 0);
        let mask = masks[at / 8 % 2];
        fs::copy(segment(original.path(), 0), &path).unwrap();
        // The index is built anew, so that the whole record is looked at with nothing to lean on.
        fs::remove_dir_all(home.path().join("index")).unwrap();
        fs::copy(
            original.path().join("record/session"),
            home.path().join("record/session"),
        )
        .unwrap();
        flip(&path, at, mask);
        let opened = RecordStore::open(home.path(), Arc::new(ByKind), small()).unwrap();
        let Opened::Damaged(store, report) = opened else {
            panic!("byte {at} was flipped and nobody noticed")
        };
        assert_eq!(
            report.torn,
            [],
            "byte {at}: acknowledged entries are never cut off"
        );
        assert_eq!(report.damage.len(), 1, "byte {at}: {:?}", report.damage);
        let damage = &report.damage[0];
        let whole = |number: &u64| {
            matches!(store.get(&id(*number)), Ok(Some(stored))
            if stored.words != Words::Damaged)
        };
        let lost: Vec<u64> = (0..4).filter(|number| !whole(number)).collect();
        match damage.kind {
            DamageKind::SegmentHeader => assert!(lost.is_empty(), "byte {at}: {lost:?}"),
            _ => {
                assert_eq!(lost.len(), 1, "byte {at}");
                restore(&store, lost[0]);
            }
        }
        assert_holds(&store, 0..4);
        // Only where the id itself was hit is there nothing that leads from entry to damage.
        let named = lost.iter().all(|number| damage.id == Some(id(*number)));
        let discarded = store.discard_damage().unwrap();
        assert_eq!(discarded, usize::from(!named), "byte {at}");
        assert!(store.verify(&mut |_| {}).unwrap().is_clean(), "byte {at}");
        // Its index must be out of the way before the next byte is tried.
        store.close().unwrap();
    }
}

fn restore(store: &RecordStore, number: u64) {
    let outcome = store.commit(vec![entry(number)]).unwrap()[0];
    assert!(matches!(
        outcome,
        Committed::Restored(_) | Committed::Added(_)
    ));
}

#[test]
fn damage_in_the_middle_is_found_by_verify_named_and_mended() {
    with_each_engine(|engine| {
        let home = tempfile::tempdir().unwrap();
        build_in(home.path(), engine, 100);
        let (store, _) = open_in(home.path(), engine);
        let segments = store.stats().unwrap().segments;
        assert!(segments >= 3);
        let position = store.index().position_of(&id(2)).unwrap().unwrap();
        let at = position.to_u64() as u32 as usize;
        flip(&segment(home.path(), 0), at + 40, 0x10);
        let report = store.verify(&mut |_| {}).unwrap();
        assert_eq!(report.damage.len(), 1);
        assert_eq!(
            report.damage[0].id,
            Some(id(2)),
            "the index knows who stood there"
        );
        assert_eq!(report.entries, 99);
        assert!(
            !store.contains(&id(2)).unwrap(),
            "so that it is asked for again"
        );
        assert!(matches!(store.get(&id(2)), Err(StoreError::Damaged { .. })));
        let page = store.iterate(Position::START, 1000).unwrap();
        assert_eq!(page.entries.len(), 99);
        let outcome = store.commit(vec![entry(2)]).unwrap()[0];
        assert!(matches!(outcome, Committed::Restored(_)));
        assert!(store.verify(&mut |_| {}).unwrap().is_clean());
        store.close().unwrap();
        let (store, _) = open_in(home.path(), engine);
        assert_holds(&store, 0..100);
        assert_eq!(store.stats().unwrap().entries, 100);
    });
}

#[test]
fn damaged_words_leave_the_rest_readable_until_they_come_again() {
    let home = tempfile::tempdir().unwrap();
    build(home.path(), 10);
    let path = segment(home.path(), 0);
    let bytes = fs::read(&path).unwrap();
    let needle = b"the words of entry 4,";
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap();
    flip(&path, at + 5, 1);
    let (store, _) = open(home.path());
    let stored = store.get(&id(4)).unwrap().unwrap();
    assert_eq!(stored.words, Words::Damaged);
    assert_eq!(stored.header, entry(4).header);
    let report = store.verify(&mut |_| {}).unwrap();
    assert_eq!(
        (report.damage[0].kind, report.damage[0].id),
        (DamageKind::Words, Some(id(4)))
    );
    store.commit(vec![entry(4)]).unwrap();
    assert_holds(&store, 0..10);
    assert!(store.verify(&mut |_| {}).unwrap().is_clean());
}

#[test]
fn words_cannot_carry_a_forged_frame() {
    let source = tempfile::tempdir().unwrap();
    build(source.path(), 3);
    let forged = fs::read(segment(source.path(), 0)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open(home.path());
    let mut carrier = entry(50);
    carrier.words = Some(forged[64..].to_vec());
    store.commit(vec![carrier, entry(51)]).unwrap();
    store.close().unwrap();
    flip(&segment(home.path(), 0), 64 + 3, 0xFF);
    fs::remove_dir_all(home.path().join("index")).unwrap();
    let (store, report) = open(home.path());
    assert_eq!(report.damage.len(), 1);
    assert_holds(&store, [51]);
    assert_eq!(store.stats().unwrap().entries, 1);
}

#[test]
fn a_torn_tail_is_cut_at_any_length() {
    let original = tempfile::tempdir().unwrap();
    let (store, _) = open(original.path());
    for number in 0..4 {
        store.commit(vec![entry(number)]).unwrap();
    }
    let third = store.index().position_of(&id(3)).unwrap().unwrap().to_u64() as u32 as u64;
    let crashed = tempfile::tempdir().unwrap();
    copy(original.path(), crashed.path());
    let len = fs::metadata(segment(crashed.path(), 0)).unwrap().len();
    for cut in (third + 1..len).step_by(7) {
        let home = tempfile::tempdir().unwrap();
        copy(&crashed.path().join("record"), &home.path().join("record"));
        let path = segment(home.path(), 0);
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(cut)
            .unwrap();
        let (store, report) = open(home.path());
        assert_eq!(report.damage, []);
        assert_eq!(report.torn.len(), 1);
        assert_holds(&store, 0..3);
        assert!(!store.contains(&id(3)).unwrap());
        store.commit(vec![entry(3), entry(4)]).unwrap();
        assert_holds(&store, 0..5);
    }
}

#[test]
fn a_missing_segment_is_reported_and_the_rest_is_served() {
    with_each_engine(|engine| {
        let home = tempfile::tempdir().unwrap();
        build_in(home.path(), engine, 120);
        fs::remove_file(segment(home.path(), 1)).unwrap();
        let (store, report) = open_in(home.path(), engine);
        assert!(
            report
                .damage
                .iter()
                .all(|damage| damage.kind == DamageKind::Segment)
        );
        let lost: Vec<u64> = (0..120).filter(|n| store.get(&id(*n)).is_err()).collect();
        assert!(!lost.is_empty());
        let mut named: Vec<_> = report
            .damage
            .iter()
            .filter_map(|damage| damage.id)
            .collect();
        let mut expected: Vec<_> = lost.iter().map(|number| id(*number)).collect();
        named.sort();
        expected.sort();
        assert_eq!(named, expected, "the index still knows what stood there");
        store
            .commit(lost.iter().map(|number| entry(*number)).collect())
            .unwrap();
        assert_holds(&store, 0..120);
    });
}

#[test]
fn a_record_of_a_newer_format_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    build(home.path(), 2);
    let path = segment(home.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    for copy in [0, 32] {
        bytes[copy + 8] = 9;
        let crc = crc32c(&bytes[copy..copy + 28]);
        bytes[copy + 28..copy + 32].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&path, &bytes).unwrap();
    let opened = RecordStore::open(home.path(), Arc::new(ByKind), small()).unwrap();
    assert!(matches!(
        opened,
        Opened::TooNew {
            version: 9,
            known: 1
        }
    ));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// CRC-32C bit by bit, to hold the format against a second implementation.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn a_missing_index_is_rebuilt_and_said() {
    with_each_engine(|engine| {
        let home = tempfile::tempdir().unwrap();
        build_in(home.path(), engine, 50);
        let (_, report) = open_in(home.path(), engine);
        assert_eq!((report.rebuilt, report.replayed), (None, 0));
        fs::remove_dir_all(home.path().join(engine.folder())).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let progress = {
            let told = told.clone();
            move |progress| told.lock().unwrap().push(progress)
        };
        let options = Options {
            progress: Some(Arc::new(progress)),
            ..small_in(engine)
        };
        let (store, report) =
            usable(RecordStore::open(home.path(), Arc::new(ByKind), options).unwrap());
        assert_eq!(report.rebuilt.as_deref(), Some("it is missing"));
        assert_eq!(report.replayed, 50);
        assert!(matches!(
            told.lock().unwrap()[0],
            Progress::Rebuilding { .. }
        ));
        assert_holds(&store, 0..50);
    });
}

#[test]
fn after_a_power_cut_the_index_is_not_believed() {
    with_each_engine(|engine| {
        let home = tempfile::tempdir().unwrap();
        let (store, _) = open_in(home.path(), engine);
        store.commit((0..50).map(entry).collect()).unwrap();
        // As if the machine stopped here: the files stay, the boot changes.
        let left = tempfile::tempdir().unwrap();
        copy(home.path(), left.path());
        let other_boot = Options {
            boot: Some("another boot".into()),
            ..small_in(engine)
        };
        let (copy, report) =
            usable(RecordStore::open(left.path(), Arc::new(ByKind), other_boot).unwrap());
        assert!(report.rebuilt.unwrap().contains("machine stopped"));
        assert_holds(&copy, 0..50);
    });
}

/// Another set of keys.
struct Other;

impl Projection for Other {
    fn version(&self) -> u32 {
        8
    }

    fn project(
        &self,
        _: Position,
        entry: &EntryRef<'_>,
        _: &dyn IndexReader,
        out: &mut IndexBatch,
    ) -> Result<(), StoreError> {
        out.put(entry.header, [1]);
        Ok(())
    }
}

#[test]
fn a_new_projection_rebuilds_the_index() {
    with_each_engine(|engine| {
        let home = tempfile::tempdir().unwrap();
        build_in(home.path(), engine, 5);
        let (store, report) =
            usable(RecordStore::open(home.path(), Arc::new(Other), small_in(engine)).unwrap());
        assert!(report.rebuilt.is_some());
        assert_eq!(store.index().get(b"header 3").unwrap(), Some(vec![1]));
        assert_eq!(store.index().get(b"header/header 3").unwrap(), None);
        assert_same(&store.get(&id(3)).unwrap().unwrap(), &entry(3));
    });
}

#[test]
fn a_damaged_index_never_gives_wrong_answers() {
    with_each_engine(|engine| {
        let original = tempfile::tempdir().unwrap();
        build_in(original.path(), engine, 300);
        let mut rebuilt = 0;
        for seed in 0..40 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let home = tempfile::tempdir().unwrap();
            copy(original.path(), home.path());
            let files = all_files(&home.path().join(engine.folder()));
            let used: Vec<_> = files
                .iter()
                .filter(|(_, bytes)| !bytes.is_empty())
                .collect();
            let (path, bytes) = used[random.below(used.len() as u64) as usize];
            // sled keeps room after what it wrote; a flip there says nothing.
            let written = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
            flip(
                path,
                random.below(written as u64) as usize,
                1 << random.below(8),
            );
            let (store, report) = open_in(home.path(), engine);
            rebuilt += u64::from(report.rebuilt.is_some());
            // As a node does first of all.
            assert_eq!(placed(&store).len(), 300);
            assert_holds(&store, 0..300);
            store.commit(vec![entry(300)]).unwrap();
            assert_holds(&store, [300]);
            assert!(store.verify(&mut |_| {}).unwrap().is_clean());
        }
        println!("{rebuilt} of 40 were rebuilt at opening");
        assert!(rebuilt > 5, "the flips hit nothing that matters");
    });
}
