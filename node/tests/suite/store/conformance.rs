//! What every engine must do, run for each of them.

use super::common::{
    ByKind, assert_holds, assert_same, entry, id, iterated, latest_key, open, open_in, open_on,
    placed, usable, with_each_engine,
};
use super::sim::SimFiles;
use comity_node::store::{
    Committed, Direction, Erasure, IndexEngine, IndexScan, MemoryStore, Opened, Options, Position,
    Progress, RecordStore, Store, StoreError, StoreState, Words,
};
use std::sync::Arc;

fn on_each_engine(check: impl Fn(&dyn Store)) {
    check(&MemoryStore::new(Arc::new(ByKind)));
    check(&open_on(Arc::new(SimFiles::default())).0);
    with_each_engine(|engine| {
        let home = tempfile::tempdir().unwrap();
        check(&open_in(home.path(), engine).0);
    });
}

fn fill(store: &dyn Store, count: u64) -> Vec<Position> {
    let outcomes = store.commit((0..count).map(entry).collect()).unwrap();
    outcomes.iter().map(Committed::position).collect()
}

#[test]
fn entries_come_back_as_they_went_in() {
    on_each_engine(|store| {
        let positions = fill(store, 100);
        assert_holds(store, 0..100);
        for (number, position) in positions.iter().enumerate() {
            assert_same(&store.read_at(*position).unwrap(), &entry(number as u64));
        }
        assert_eq!(store.get(&id(100)).unwrap(), None);
        assert!(store.contains(&id(99)).unwrap());
        assert!(!store.contains(&id(100)).unwrap());
        assert_eq!(store.stats().unwrap().entries, 100);
    });
}

#[test]
fn empty_parts_are_kept_apart_from_absent_ones() {
    on_each_engine(|store| {
        let mut bare = entry(1);
        bare.header = Vec::new();
        bare.shape = Vec::new();
        bare.words = Some(Vec::new());
        store.commit(vec![bare.clone()]).unwrap();
        assert_same(&store.get(&id(1)).unwrap().unwrap(), &bare);
        let mut absent = entry(2);
        absent.words = None;
        store.commit(vec![absent]).unwrap();
        assert_eq!(store.get(&id(2)).unwrap().unwrap().words, Words::Absent);
        assert_eq!(store.commit(Vec::new()).unwrap(), []);
    });
}

#[test]
fn an_id_that_is_there_is_reported_and_not_written_again() {
    on_each_engine(|store| {
        let positions = fill(store, 3);
        let again = store.commit(vec![entry(1), entry(3), entry(3)]).unwrap();
        assert_eq!(again[0], Committed::AlreadyPresent(positions[1]));
        assert!(matches!(again[1], Committed::Added(at) if at > positions[2]));
        assert_eq!(again[2], Committed::AlreadyPresent(again[1].position()));
        assert_eq!(store.stats().unwrap().entries, 4);
    });
}

#[test]
fn words_that_come_later_complete_the_entry() {
    on_each_engine(|store| {
        fill(store, 3);
        let mut bare = entry(5);
        bare.words = None;
        let first = store.commit(vec![bare]).unwrap()[0].position();
        let outcome = store.commit(vec![entry(5)]).unwrap()[0];
        assert!(matches!(outcome, Committed::Restored(at) if at > first));
        assert_holds(store, 0..3);
        assert_holds(store, [5]);
        assert_eq!(store.stats().unwrap().entries, 4);
        let page = store.iterate(Position::START, 10).unwrap();
        let ids: Vec<_> = page.entries.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [id(0), id(1), id(2), id(5)]);
        assert!(store.verify(&mut |_| {}).unwrap().is_clean());
    });
}

#[test]
fn iteration_pages_through_the_record_in_order() {
    on_each_engine(|store| {
        fill(store, 95);
        let (mut from, mut seen) = (Position::START, Vec::new());
        loop {
            let page = store.iterate(from, 10).unwrap();
            assert!(page.entries.len() <= 10);
            seen.extend(page.entries.iter().map(|entry| entry.id));
            from = page.next;
            if page.at_end {
                break;
            }
        }
        assert_eq!(seen, (0..95).map(id).collect::<Vec<_>>());
        store.commit(vec![entry(95)]).unwrap();
        let more = store.iterate(from, 10).unwrap();
        assert_eq!(
            more.entries
                .iter()
                .map(|entry| entry.id)
                .collect::<Vec<_>>(),
            [id(95)]
        );
    });
}

#[test]
fn the_index_pages_both_ways_from_a_cursor() {
    on_each_engine(|store| {
        fill(store, 60);
        let all: Vec<Vec<u8>> = {
            let page = store
                .index()
                .scan(&IndexScan::forward("kind/", 1000))
                .unwrap();
            page.items.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(all.len(), 60);
        assert!(all.is_sorted());
        for direction in [Direction::Forward, Direction::Backward] {
            let mut scan = IndexScan {
                direction,
                ..IndexScan::forward("kind/", 7)
            };
            let mut seen = Vec::new();
            loop {
                let page = store.index().scan(&scan).unwrap();
                seen.extend(page.items.into_iter().map(|(key, _)| key));
                if page.next.is_none() {
                    break;
                }
                scan = scan.after(page.next);
            }
            if direction == Direction::Backward {
                seen.reverse();
            }
            assert_eq!(seen, all);
        }
        let cursor = IndexScan::backward("kind/", 5).after(Some(b"zzz".to_vec()));
        assert_eq!(store.index().scan(&cursor).unwrap().items.len(), 5);
        let cursor = IndexScan::forward("kind/", 5).after(Some(b"zzz".to_vec()));
        assert_eq!(store.index().scan(&cursor).unwrap().items, []);
        let cursor = IndexScan::backward("kind/", 5).after(Some(b"a".to_vec()));
        assert_eq!(store.index().scan(&cursor).unwrap().items, []);
    });
}

#[test]
fn a_projection_sees_what_came_before_in_the_same_commit() {
    on_each_engine(|store| {
        let positions = fill(store, 30);
        for kind in 0..3 {
            let latest = store.index().get(&latest_key(kind)).unwrap().unwrap();
            let expected = positions[27 + kind as usize].to_u64().to_be_bytes();
            assert_eq!(latest, expected);
        }
    });
}

#[test]
fn reindexing_gives_the_same_index() {
    on_each_engine(|store| {
        fill(store, 50);
        let before = store.index().scan(&IndexScan::forward("", 1000)).unwrap();
        store.reindex(None).unwrap();
        assert_eq!(
            store.index().scan(&IndexScan::forward("", 1000)).unwrap(),
            before
        );
        assert_eq!(before.items.len(), 103);
        assert_eq!(store.stats().unwrap().entries, 50);
        assert_holds(store, 0..50);
    });
}

#[test]
fn the_index_moves_to_every_engine_and_back() {
    on_each_engine(|store| {
        fill(store, 50);
        let all = IndexScan::forward("", 1000);
        let before = store.index().scan(&all).unwrap();
        for engine in [IndexEngine::Fjall, IndexEngine::Sled, IndexEngine::Fjall] {
            store.reindex(Some(engine)).unwrap();
            let stats = store.stats().unwrap();
            assert_eq!((stats.index_engine, stats.entries), (engine, 50));
            assert_eq!(store.index().scan(&all).unwrap(), before);
        }
        store.commit(vec![entry(50)]).unwrap();
        assert_holds(store, 0..51);
    });
}

#[test]
fn erased_words_stay_erased() {
    on_each_engine(|store| {
        fill(store, 10);
        let len = entry(2).words.unwrap().len() as u32;
        assert_eq!(store.erase_words(&id(2)).unwrap(), Erasure::Erased);
        assert_eq!(store.erase_words(&id(2)).unwrap(), Erasure::AlreadyErased);
        assert_eq!(store.erase_words(&id(6)).unwrap(), Erasure::NoWords);
        assert_eq!(store.erase_words(&id(77)).unwrap(), Erasure::Unknown);
        let again = store.commit(vec![entry(2)]).unwrap()[0];
        assert!(matches!(again, Committed::AlreadyPresent(_)));
        let stored = store.get(&id(2)).unwrap().unwrap();
        assert_eq!(stored.words, Words::Erased { len });
        assert_eq!(stored.header, entry(2).header);
        assert!(store.verify(&mut |_| {}).unwrap().is_clean());
    });
}

#[test]
fn places_are_those_of_the_record() {
    on_each_engine(|store| {
        assert!(placed(store).is_empty());
        fill(store, 2_500);
        assert_eq!(placed(store), iterated(store));
        for number in [3_000, 3_001] {
            let mut bare = entry(number);
            bare.words = None;
            store.commit(vec![bare]).unwrap();
            store.commit(vec![entry(number)]).unwrap();
        }
        store.erase_words(&id(0)).unwrap();
        assert_eq!(placed(store).len(), 2_502);
        assert_eq!(placed(store), iterated(store));
    });
}

#[test]
fn verify_counts_and_says_how_far_it_is() {
    on_each_engine(|store| {
        fill(store, 40);
        let mut last = None;
        let report = store.verify(&mut |progress| last = Some(progress)).unwrap();
        assert!(report.is_clean());
        assert_eq!(report.entries, 40);
        let Some(Progress::Verifying { done, total }) = last else {
            panic!("no progress")
        };
        assert_eq!(done, total);
    });
}

#[test]
fn a_backup_opens_as_a_store() {
    on_each_engine(|store| {
        fill(store, 80);
        store.erase_words(&id(3)).unwrap();
        let target = tempfile::tempdir().unwrap();
        let mut last = None;
        let report = store
            .backup(target.path(), &mut |progress| last = Some(progress))
            .unwrap();
        let all = report.bytes;
        let whole = Progress::Copying {
            done: all,
            total: all,
        };
        assert_eq!(last, Some(whole));
        assert!(report.bytes > 0);
        assert!(matches!(
            store.backup(target.path(), &mut |_| {}),
            Err(StoreError::BackupTarget(_))
        ));
        store.commit(vec![entry(80)]).unwrap();
        let opened = RecordStore::open(target.path(), Arc::new(ByKind), Options::default());
        let (copy, _) = usable(opened.unwrap());
        assert_holds(&copy, (0..80).filter(|number| *number != 3));
        assert!(matches!(
            copy.get(&id(3)).unwrap().unwrap().words,
            Words::Erased { .. }
        ));
        assert!(!copy.contains(&id(80)).unwrap());
    });
}

#[test]
fn callers_at_once_each_get_their_own_answer() {
    on_each_engine(|store| {
        std::thread::scope(|scope| {
            for caller in 0..8 {
                scope.spawn(move || {
                    for step in 0..20 {
                        let number = step * 8 + caller;
                        let outcome = store.commit(vec![entry(number)]).unwrap()[0];
                        let stored = store.read_at(outcome.position()).unwrap();
                        assert_same(&stored, &entry(number));
                        assert_holds(store, [number]);
                    }
                });
            }
        });
        assert_holds(store, 0..160);
        assert_eq!(store.verify(&mut |_| {}).unwrap().entries, 160);
    });
}

#[test]
fn a_closed_store_says_so() {
    on_each_engine(|store| {
        fill(store, 1);
        assert_eq!(*store.state().borrow(), StoreState::Ready);
        store.close().unwrap();
        store.close().unwrap();
        assert_eq!(*store.state().borrow(), StoreState::Closed);
        assert!(matches!(
            store.commit(vec![entry(1)]),
            Err(StoreError::Closed)
        ));
        assert!(matches!(store.get(&id(0)), Err(StoreError::Closed)));
    });
}

#[test]
fn an_entry_over_the_limit_is_refused_with_its_size() {
    on_each_engine(|store| {
        let mut large = entry(1);
        large.words = Some(vec![1; 17 * 1024 * 1024]);
        let outcome = store.commit(vec![entry(0), large]);
        assert!(matches!(outcome, Err(StoreError::TooLarge { .. })));
        assert!(!store.contains(&id(0)).unwrap());
    });
}

#[test]
fn a_store_in_use_names_the_process_that_uses_it() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open(home.path());
    let second = RecordStore::open(home.path(), Arc::new(ByKind), Options::default()).unwrap();
    let Opened::Locked { pid } = second else {
        panic!("opened twice")
    };
    assert_eq!(pid, Some(std::process::id()));
    store.close().unwrap();
    open(home.path());
}
