//! A full disk: read-only with the reason, nothing lost, going on once there is room.

use super::{
    common::{ByKind, assert_holds, entry, id, open_on, usable, with_each_engine},
    sim::SimFiles,
};
use comity_node::store::{IndexEngine, Options, RecordStore, Store, StoreError, StoreState};
use std::{path::Path, process::Command, sync::Arc};

#[test]
fn a_full_disk_makes_the_store_read_only_until_there_is_room() {
    let files = SimFiles::default();
    let (store, _) = open_on(Arc::new(files.clone()));
    let state = store.state();
    store.commit((0..10).map(entry).collect()).unwrap();
    files.set_room(Some(600));
    let error = store.commit((10..30).map(entry).collect()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(state.has_changed().unwrap());
    let StoreState::ReadOnly { reason } = state.borrow().clone() else {
        panic!("still ready")
    };
    assert!(reason.contains("No space left on device"), "{reason}");
    let error = store.commit(vec![entry(31)]).unwrap_err();
    assert!(error.to_string().contains("takes no writes"), "{error}");
    assert_holds(&store, 0..10);
    assert!(!store.contains(&id(10)).unwrap());
    store.try_resume().unwrap_err();
    assert_ne!(*store.state().borrow(), StoreState::Ready);
    files.set_room(None);
    store.try_resume().unwrap();
    assert_eq!(*store.state().borrow(), StoreState::Ready);
    store.commit((10..60).map(entry).collect()).unwrap();
    assert_holds(&store, 0..60);
    drop(store);
    let (store, report) = open_on(Arc::new(files));
    assert_eq!(report.torn, []);
    assert_holds(&store, 0..60);
}

const HOME: &str = "COMITY_TEST_FULL_HOME";
const ENGINE: &str = "COMITY_TEST_FULL_ENGINE";
/// Words of an entry, in bytes.
const ENTRY_BYTES: usize = 100_000;

/// Largest file of the engine's test, in KiB: `fjall` sets 64 MiB aside for its journal.
fn limit_kib(engine: IndexEngine) -> u64 {
    match engine {
        IndexEngine::Sled => 3 * 1024,
        IndexEngine::Fjall => 67 * 1024,
    }
}

/// Runs with a limit on file sizes, as a full disk would show.
fn child(home: &Path) {
    let engine: IndexEngine = std::env::var(ENGINE).unwrap().parse().unwrap();
    let options = Options {
        segment_bytes: 256 * 1024 * 1024,
        index_engine: engine,
        ..Options::default()
    };
    let open = || usable(RecordStore::open(home, Arc::new(ByKind), options.clone()).unwrap()).0;
    let large = |number| {
        let mut entry = entry(number);
        entry.words = Some(vec![number as u8; ENTRY_BYTES]);
        entry
    };
    let store = open();
    let saved = (0..)
        .take_while(|number| store.commit(vec![large(*number)]).is_ok())
        .count();
    let most = limit_kib(engine) as usize * 1024 / ENTRY_BYTES;
    assert!(
        (most - 11..=most).contains(&saved),
        "{saved} of {most} entries"
    );
    let StoreState::ReadOnly { reason } = store.state().borrow().clone() else {
        panic!("ready")
    };
    assert!(reason.contains("File too large"), "{reason}");
    let whole = |store: &RecordStore| {
        for number in 0..saved as u64 {
            let stored = store
                .get(&id(number))
                .unwrap()
                .expect("acknowledged, so there");
            assert_eq!(stored.header, large(number).header);
        }
    };
    whole(&store);
    store.try_resume().unwrap_err();
    drop(store);
    let store = open();
    whole(&store);
    let unlimited = rustix::process::Rlimit {
        current: None,
        maximum: None,
    };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, unlimited).unwrap();
    store.try_resume().unwrap();
    let more = saved as u64 + 1;
    store
        .commit((more..more + 20).map(large).collect())
        .unwrap();
    whole(&store);
    store.close().unwrap();
    println!("\nsurvived {saved}");
}

#[test]
fn a_file_size_limit_loses_nothing_acknowledged() {
    match std::env::var_os(HOME) {
        Some(home) => child(Path::new(&home)),
        None => with_each_engine(a_file_size_limit_loses_nothing_with),
    }
}

fn a_file_size_limit_loses_nothing_with(engine: IndexEngine) {
    let home = tempfile::tempdir().unwrap();
    // The signal that comes with the limit is ignored, so that writing fails with an error.
    let script = format!(
        "trap '' XFSZ; ulimit -S -f {}; exec \"$0\" \"$@\"",
        limit_kib(engine)
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::full_disk::a_file_size_limit_loses_nothing_acknowledged",
        ])
        .arg("--nocapture")
        .env(HOME, home.path())
        .env(ENGINE, engine.name())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("survived"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
