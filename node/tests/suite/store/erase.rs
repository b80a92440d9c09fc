//! Erased words are in no file afterwards.

use super::common::{all_files, entry, id, open_in, with_each_engine};
use comity_node::store::{Erasure, IndexEngine, Store, Words};

#[test]
fn erased_words_are_in_no_file() {
    with_each_engine(erased_words_are_in_no_file_of);
}

fn erased_words_are_in_no_file_of(engine: IndexEngine) {
    let home = tempfile::tempdir().unwrap();
    let secret = b"the words that somebody wants back".repeat(3);
    let (store, _) = open_in(home.path(), engine);
    let mut said = entry(1);
    said.words = Some(secret.clone());
    store
        .commit((10..60).map(entry).chain([said]).collect())
        .unwrap();
    let found = |home| {
        let holds = |bytes: &[u8]| bytes.windows(34).any(|window| window == &secret[..34]);
        all_files(home)
            .iter()
            .filter(|(_, bytes)| holds(bytes))
            .count()
    };
    assert_eq!(found(home.path()), 1, "the words are in the record, once");
    assert_eq!(store.erase_words(&id(1)).unwrap(), Erasure::Erased);
    assert_eq!(found(home.path()), 0);
    store.reindex(None).unwrap();
    store.close().unwrap();
    assert_eq!(found(home.path()), 0);
    let (store, _) = open_in(home.path(), engine);
    let words = store.get(&id(1)).unwrap().unwrap().words;
    assert_eq!(
        words,
        Words::Erased {
            len: secret.len() as u32
        }
    );
}

#[test]
fn words_never_reach_the_index() {
    with_each_engine(words_never_reach);
}

fn words_never_reach(engine: IndexEngine) {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open_in(home.path(), engine);
    store.commit((0..200).map(entry).collect()).unwrap();
    store.close().unwrap();
    let files = all_files(&home.path().join(engine.folder()));
    assert!(files.iter().any(|(_, bytes)| !bytes.is_empty()));
    for (path, bytes) in files {
        let leaked = bytes.windows(9).any(|window| window == b"the words");
        assert!(!leaked, "{} holds words", path.display());
    }
}
