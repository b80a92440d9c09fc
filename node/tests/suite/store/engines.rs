//! Moving a store from one index engine to another, with everything that may get in the way.

use super::common::{ByKind, all_files, assert_holds, entry, id, open_in, small_in, usable};
use comity_node::store::{
    EntryRef, IndexBatch, IndexEngine, IndexReader, Position, Projection, RecordStore, Store,
    StoreError,
};
use std::{fs, path::Path, sync::Arc};

const SLED: IndexEngine = IndexEngine::Sled;
const FJALL: IndexEngine = IndexEngine::Fjall;

fn exist(home: &Path) -> Vec<&'static str> {
    let folders = IndexEngine::ALL.map(IndexEngine::folder);
    let there = folders.into_iter().filter(|it| home.join(it).exists());
    there.collect()
}

#[test]
fn a_move_stays_and_leaves_no_files_of_the_other_engine() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open_in(home.path(), SLED);
    store.commit((0..80).map(entry).collect()).unwrap();
    for (from, to) in [(SLED, FJALL), (FJALL, SLED), (SLED, FJALL)] {
        assert_eq!(exist(home.path()), [from.folder()]);
        store.reindex(Some(to)).unwrap();
        assert_eq!(exist(home.path()), [to.folder()]);
        assert_holds(&store, 0..80);
    }
    store.commit(vec![entry(80)]).unwrap();
    store.close().unwrap();
    let (store, report) = open_in(home.path(), FJALL);
    assert_eq!((report.rebuilt, report.replayed), (None, 0));
    assert_holds(&store, 0..81);
}

#[test]
fn opened_with_another_engine_the_index_is_rebuilt_and_said() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open_in(home.path(), SLED);
    store.commit((0..30).map(entry).collect()).unwrap();
    store.close().unwrap();
    let (store, report) = open_in(home.path(), FJALL);
    assert_eq!(report.rebuilt.as_deref(), Some("it is missing"));
    assert_eq!(exist(home.path()), [FJALL.folder()]);
    assert_holds(&store, 0..30);
}

/// What is in the way here is a file where the new index should be, which no engine made.
#[test]
fn a_move_that_fails_leaves_the_index_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open_in(home.path(), SLED);
    store.commit((0..40).map(entry).collect()).unwrap();
    let in_the_way = home.path().join(FJALL.folder());
    fs::write(&in_the_way, b"not an index").unwrap();
    store.reindex(Some(FJALL)).unwrap_err();
    let stats = store.stats().unwrap();
    assert_eq!((stats.index_engine, stats.entries), (SLED, 40));
    store.commit(vec![entry(40)]).unwrap();
    assert_holds(&store, 0..41);
}

/// A copy of the home is what a killed process leaves, but for the token, which names the folder.
#[test]
fn after_a_kill_in_the_middle_of_a_move_the_old_engine_serves_all() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open_in(home.path(), SLED);
    store.commit((0..60).map(entry).collect()).unwrap();
    store.reindex(Some(FJALL)).unwrap();
    store.close().unwrap();
    // The new index is half built, the old one is still there, and the setting names the old one.
    let (store, _) = open_in(home.path(), SLED);
    store.close().unwrap();
    let half = home.path().join(FJALL.folder());
    fs::create_dir_all(half.join("keyspaces")).unwrap();
    fs::write(half.join("0.jnl"), [7; 100]).unwrap();
    let opened = RecordStore::open(home.path(), Arc::new(ByKind), small_in(SLED));
    let (store, report) = usable(opened.unwrap());
    assert_eq!(report.rebuilt, None);
    assert_holds(&store, 0..60);
    assert_eq!(exist(home.path()), [SLED.folder()]);
    store.reindex(Some(FJALL)).unwrap();
    assert_holds(&store, 0..60);
    let files = all_files(&home.path().join(FJALL.folder()));
    assert!(files.iter().all(|(_, bytes)| bytes[..] != [7; 100]));
}

/// After a rebuild the session has to name the new folder, or a crash would cost another rebuild.
#[test]
fn a_rebuilt_index_outlives_a_killed_process() {
    for engine in IndexEngine::ALL {
        let home = tempfile::tempdir().unwrap();
        let (store, _) = open_in(home.path(), engine);
        store.commit((0..20).map(entry).collect()).unwrap();
        store.reindex(None).unwrap();
        let token = fs::read(home.path().join("record/session")).unwrap();
        let meta = fs::metadata(home.path().join(engine.folder())).unwrap();
        let folder = std::os::unix::fs::MetadataExt::ino(&meta).to_string();
        let named = token
            .windows(folder.len())
            .any(|it| it == folder.as_bytes());
        assert!(named, "{engine}: the session names another folder");
        store.close().unwrap();
    }
}

/// Makes keys that sled takes and fjall does not, as a disk that gets full would do.
struct LongKeys;

impl Projection for LongKeys {
    fn version(&self) -> u32 {
        9
    }

    fn project(
        &self,
        _: Position,
        entry: &EntryRef<'_>,
        _: &dyn IndexReader,
        out: &mut IndexBatch,
    ) -> Result<(), StoreError> {
        out.put([entry.header, &[7; 70_000][..]].concat(), [1]);
        Ok(())
    }
}

/// Writing begins to fail only after the new index was opened and all changes were queued.
#[test]
fn a_move_that_fails_late_leaves_the_index_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let opened = RecordStore::open(home.path(), Arc::new(LongKeys), small_in(SLED));
    let (store, _) = usable(opened.unwrap());
    store.commit((0..10).map(entry).collect()).unwrap();
    store.reindex(Some(FJALL)).unwrap_err();
    let stats = store.stats().unwrap();
    assert_eq!((stats.index_engine, stats.entries), (SLED, 10));
    assert_eq!(exist(home.path()), [SLED.folder()]);
    store.commit(vec![entry(10)]).unwrap();
    for number in 0..11 {
        assert!(store.get(&id(number)).unwrap().is_some());
    }
}
