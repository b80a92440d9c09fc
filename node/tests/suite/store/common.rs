//! Entries, a projection and a random source that the store's tests share.

use comity_node::store::{
    EntryRef, IndexBatch, IndexEngine, IndexPlace, IndexReader, NewEntry, OpenReport, Opened,
    Options, Placed, Position, Projection, RecordStore, SIGNATURE_BYTES, Store, StoreError,
    StoredEntry, Words, files::Files,
};
use comity_protocol::{
    id::{EntryId, SpaceId},
    sync::{AuthorTag, Key},
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Xorshift: small, seeded, the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

pub(crate) fn id(number: u64) -> EntryId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&Random::new(number + 1).next().to_le_bytes());
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    EntryId::from_bytes(bytes)
}

/// All parts follow from the number. Words are absent for every seventh entry.
pub(crate) fn entry(number: u64) -> NewEntry {
    let words = format!("the words of entry {number}, ").repeat(1 + (number % 3) as usize);
    NewEntry {
        kind: (number % 3) as u8,
        id: id(number),
        header: format!("header {number}").into_bytes(),
        signature: [number as u8; SIGNATURE_BYTES],
        shape: vec![number as u8; (number % 40) as usize],
        words: (number % 7 != 6).then(|| words.into_bytes()),
    }
}

pub(crate) fn assert_same(stored: &StoredEntry, expected: &NewEntry) {
    assert_eq!(stored.kind, expected.kind);
    assert_eq!(stored.id, expected.id);
    assert_eq!(stored.header, expected.header);
    assert_eq!(stored.signature, expected.signature);
    assert_eq!(stored.shape, expected.shape);
    assert_eq!(
        stored.words,
        expected.words.clone().map_or(Words::Absent, Words::Present)
    );
}

/// Keys by kind and by header, and the latest position of each kind, which needs the view.
pub(crate) struct ByKind;

impl Projection for ByKind {
    fn version(&self) -> u32 {
        7
    }

    fn project(
        &self,
        position: Position,
        entry: &EntryRef<'_>,
        view: &dyn IndexReader,
        out: &mut IndexBatch,
    ) -> Result<(), StoreError> {
        let here = position.to_u64().to_be_bytes();
        out.put(
            [b"kind/", &[entry.kind][..], entry.id.as_bytes()].concat(),
            here,
        );
        out.put([b"header/", entry.header].concat(), *entry.id.as_bytes());
        let latest = latest_key(entry.kind);
        let before = view.get(&latest)?.unwrap_or_default();
        if before.as_slice() < &here[..] {
            out.put(latest, here);
        }
        Ok(())
    }

    fn place(&self, entry: &EntryRef<'_>) -> Option<(SpaceId, Key)> {
        place_of(entry)
    }
}

/// Where a contribution of [`ByKind`] stands: 30 authors in three spaces.
fn place_of(entry: &EntryRef<'_>) -> Option<(SpaceId, Key)> {
    let number = std::str::from_utf8(entry.header).ok()?;
    let number: u64 = number.strip_prefix("header ")?.parse().ok()?;
    let key = Key {
        author: AuthorTag::from_bytes([(number % 30) as u8; 32]),
        seq: number,
        id: entry.id,
    };
    (entry.kind == 0).then_some((SpaceId::from_bytes([(number % 3) as u8; 32]), key))
}

/// Position and id of every entry that the store places, each id once.
pub(crate) fn placed(store: &dyn Store) -> BTreeMap<EntryId, Position> {
    let mut found = BTreeMap::new();
    let visit = &mut |placed: Placed| {
        let (position, id) = match placed {
            Placed::Contribution {
                position,
                space,
                key,
            } => {
                let stored = NewEntry {
                    kind: 0,
                    ..entry(key.seq)
                };
                assert_eq!(key.id, stored.id);
                assert_eq!(space, SpaceId::from_bytes([(key.seq % 3) as u8; 32]));
                assert_eq!(
                    key.author,
                    AuthorTag::from_bytes([(key.seq % 30) as u8; 32])
                );
                (position, key.id)
            }
            Placed::Other(stored) => {
                assert_ne!(stored.kind, 0);
                (stored.position, stored.id)
            }
        };
        found.insert(id, position);
    };
    store.places(visit).unwrap();
    found
}

/// The same, read from the record.
pub(crate) fn iterated(store: &dyn Store) -> BTreeMap<EntryId, Position> {
    let (mut from, mut found) = (Position::START, BTreeMap::new());
    loop {
        let page = store.iterate(from, 100).unwrap();
        found.extend(page.entries.iter().map(|it| (it.id, it.position)));
        if page.at_end {
            return found;
        }
        from = page.next;
    }
}

pub(crate) fn latest_key(kind: u8) -> Vec<u8> {
    vec![b'l', kind]
}

pub(crate) fn small() -> Options {
    Options {
        segment_bytes: 4096,
        index_cache_bytes: 1024 * 1024,
        boot: Some("this boot".into()),
        ..Options::default()
    }
}

/// What every engine must survive, one after the other.
pub(crate) fn with_each_engine(check: impl Fn(IndexEngine)) {
    for engine in IndexEngine::ALL {
        println!("engine {engine}");
        check(engine);
    }
}

pub(crate) fn small_in(engine: IndexEngine) -> Options {
    Options {
        index_engine: engine,
        ..small()
    }
}

pub(crate) fn open(home: &Path) -> (RecordStore, OpenReport) {
    open_in(home, IndexEngine::default())
}

pub(crate) fn open_in(home: &Path, engine: IndexEngine) -> (RecordStore, OpenReport) {
    usable(RecordStore::open(home, Arc::new(ByKind), small_in(engine)).unwrap())
}

pub(crate) fn open_on(files: Arc<dyn Files>) -> (RecordStore, OpenReport) {
    let opened = RecordStore::open_on(files, IndexPlace::Memory, Arc::new(ByKind), small());
    usable(opened.unwrap())
}

pub(crate) fn usable(opened: Opened) -> (RecordStore, OpenReport) {
    match opened {
        Opened::Ready(store, report) => {
            assert_eq!(report.damage, []);
            (store, report)
        }
        Opened::Damaged(store, report) => {
            assert_ne!(report.damage, []);
            (store, report)
        }
        Opened::Locked { pid } => panic!("locked by {pid:?}"),
        Opened::TooNew { version, .. } => panic!("too new: {version}"),
    }
}

/// Every number is there, whole, and known to the index under all its keys.
pub(crate) fn assert_holds(store: &dyn Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let expected = entry(number);
        let stored = store.get(&expected.id).unwrap();
        let stored = stored.unwrap_or_else(|| panic!("entry {number} is lost"));
        assert_same(&stored, &expected);
        let by_kind = [b"kind/", &[expected.kind][..], expected.id.as_bytes()].concat();
        let indexed = store.index().get(&by_kind).unwrap();
        assert_eq!(
            indexed,
            Some(stored.position.to_u64().to_be_bytes().to_vec())
        );
        let by_header = [b"header/", &expected.header[..]].concat();
        let indexed = store.index().get(&by_header).unwrap();
        assert_eq!(indexed, Some(expected.id.as_bytes().to_vec()));
    }
}

/// Every file under a folder, with its bytes.
pub(crate) fn all_files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        match path.is_dir() {
            true => found.extend(all_files(&path)),
            false => found.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}
