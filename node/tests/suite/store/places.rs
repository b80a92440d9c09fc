//! The file of places: what it saves, and that nothing it says is believed over the record.

use super::common::{Random, all_files, entry, id, iterated, open, placed};
use comity_node::store::{Position, RecordStore, Store};
use comity_protocol::id::EntryId;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn file(home: &Path) -> PathBuf {
    home.join("record/places")
}

fn segment(home: &Path, number: u32) -> PathBuf {
    home.join(format!("record/{number:08}.seg"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

fn build(home: &Path, numbers: std::ops::Range<u64>) -> BTreeMap<EntryId, Position> {
    let (store, _) = open(home);
    for batch in numbers.collect::<Vec<_>>().chunks(70) {
        let batch = batch.iter().map(|number| entry(*number));
        store.commit(batch.collect()).unwrap();
    }
    let all = iterated(&store);
    store.close().unwrap();
    all
}

fn reopened(home: &Path) -> RecordStore {
    open(home).0
}

/// A frame in the middle of an old segment is damaged: who reads the record misses its entry.
#[test]
fn an_opening_reads_the_places_and_not_the_record() {
    let home = tempfile::tempdir().unwrap();
    let all = build(home.path(), 0..300);
    let at = all[&id(3)].to_u64() as usize;
    flip(&segment(home.path(), 0), at + 40);
    assert_eq!(placed(&reopened(home.path())), all);
    fs::remove_file(file(home.path())).unwrap();
    let store = reopened(home.path());
    let mut left = all.clone();
    left.remove(&id(3));
    assert_eq!(placed(&store), left);
    assert_eq!(store.stats().unwrap().damaged, 1);
}

/// Whoever saw damage leaves it to the next opening to find it again, so that what is lost is in no
/// set and is fetched from peers.
#[test]
fn after_damage_was_seen_the_record_is_read_until_it_is_mended() {
    let home = tempfile::tempdir().unwrap();
    let mut all = build(home.path(), 0..300);
    let at = all[&id(3)].to_u64() as usize;
    flip(&segment(home.path(), 0), at + 40);
    let store = reopened(home.path());
    store.get(&id(3)).unwrap_err();
    store.close().unwrap();
    all.remove(&id(3));
    for _ in 0..2 {
        let store = reopened(home.path());
        assert_eq!(placed(&store), all);
        store.close().unwrap();
    }
    let store = reopened(home.path());
    placed(&store);
    store.discard_damage().unwrap();
    store.close().unwrap();
    let store = reopened(home.path());
    assert_eq!(placed(&store), all);
    store.commit(vec![entry(3)]).unwrap();
    store.close().unwrap();
    assert_eq!(placed(&reopened(home.path())).len(), 300);
}

#[test]
fn a_torn_or_damaged_file_costs_reading_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let all = build(home.path(), 0..2_400);
    let whole = fs::read(file(home.path())).unwrap();
    assert!(whole.len() > 2_400 * 20);
    let mut random = Random::new(1);
    for _ in 0..60 {
        let at = random.below(whole.len() as u64) as usize;
        let mut bytes = whole.clone();
        match random.below(3) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            _ => bytes[at..].fill(0),
        }
        fs::write(file(home.path()), &bytes).unwrap();
        let store = reopened(home.path());
        assert_eq!(placed(&store), all, "at byte {at}");
        store.close().unwrap();
        assert_eq!(fs::read(file(home.path())).unwrap(), whole, "at byte {at}");
    }
}

#[test]
fn rows_of_another_record_and_rows_ahead_of_it_are_not_used() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build(home.path(), 0..40);
    let early = all_files(&home.path().join("record"));
    let ahead = build(home.path(), 40..90);
    assert_eq!(ahead.len(), 90);
    build(other.path(), 100..120);
    // The rows of the whole record beside the early one.
    for (path, bytes) in &early {
        if !path.ends_with("places") {
            fs::write(path, bytes).unwrap();
        }
    }
    for number in 1.. {
        if fs::remove_file(segment(home.path(), number)).is_err() {
            break;
        }
    }
    // Then it goes another way than the rows say.
    let store = reopened(home.path());
    store.commit((200..230).map(entry).collect()).unwrap();
    assert_eq!(placed(&store), iterated(&store));
    store.close().unwrap();
    fs::copy(file(other.path()), file(home.path())).unwrap();
    let store = reopened(home.path());
    assert_eq!(placed(&store), iterated(&store));
}

#[test]
fn the_file_holds_no_words() {
    let home = tempfile::tempdir().unwrap();
    build(home.path(), 0..200);
    let bytes = fs::read(file(home.path())).unwrap();
    assert!(!bytes.windows(9).any(|window| window == b"the words"));
}

/// A kill before the next batch: nothing shows that the last one was acknowledged, so a damaged frame
/// in it is given up as torn, and its row with it.
#[test]
fn rows_of_what_was_given_up_as_torn_are_not_used() {
    let (home, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = open(home.path());
    store.commit((0..5).map(entry).collect()).unwrap();
    let all = placed(&store);
    fs::create_dir_all(left.path().join("record")).unwrap();
    for (path, bytes) in all_files(&home.path().join("record")) {
        fs::write(
            left.path().join("record").join(path.file_name().unwrap()),
            bytes,
        )
        .unwrap();
    }
    let at = all[&id(3)].to_u64() as u32 as usize;
    flip(
        &segment(left.path(), (all[&id(3)].to_u64() >> 32) as u32),
        at + 40,
    );
    let (store, report) = open(left.path());
    assert_eq!(report.torn.len(), 1);
    assert_eq!(placed(&store), iterated(&store));
    assert_eq!(placed(&store).len(), 4);
}
