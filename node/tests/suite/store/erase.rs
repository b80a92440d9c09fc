//! Erased words are in no file afterwards.

use super::common::{all_files, entry, id, open};
use comity_node::store::{Erasure, Store, Words};

#[test]
fn erased_words_are_in_no_file() {
    let home = tempfile::tempdir().unwrap();
    let secret = b"the words that somebody wants back".repeat(3);
    let (store, _) = open(home.path());
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
    store.reindex().unwrap();
    store.close().unwrap();
    assert_eq!(found(home.path()), 0);
    let (store, _) = open(home.path());
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
    let home = tempfile::tempdir().unwrap();
    let (store, _) = open(home.path());
    store.commit((0..200).map(entry).collect()).unwrap();
    store.close().unwrap();
    for (path, bytes) in all_files(&home.path().join("index")) {
        let leaked = bytes.windows(9).any(|window| window == b"the words");
        assert!(!leaked, "{} holds words", path.display());
    }
}
