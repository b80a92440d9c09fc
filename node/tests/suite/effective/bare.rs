//! A node without API and network: its store, sets and way in.

use comity_node::{
    archive::Archive,
    ingest::{Ingest, Outcome},
    ledger::{Ledger, Rebuilds},
    library::Library,
    pending::Source,
    projection::EntryProjection,
    store::{Opened, Options, RecordStore, Store},
};
use comity_protocol::{
    entry::Entry,
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    sync::TrieHash,
};
use comity_tests::files;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tempfile::TempDir;

pub(super) struct Bare {
    pub(super) archive: Archive,
    pub(super) ingest: Ingest,
    pub(super) library: Arc<Library>,
    community: CommunityId,
    home: TempDir,
}

impl Bare {
    pub(super) fn new(community: CommunityId) -> Self {
        Self::open(tempfile::tempdir().unwrap(), community)
    }

    fn open(home: TempDir, community: CommunityId) -> Self {
        let options = Options::default();
        let opened = RecordStore::open(home.path(), Arc::new(EntryProjection), options).unwrap();
        let Opened::Ready(store, _) = opened else {
            panic!("the store is ready")
        };
        let archive = Archive::new(Arc::new(store) as Arc<dyn Store>);
        let ledger = Ledger::load(&archive, &[community], &mut |_| ()).unwrap();
        let library = Library::open(archive.clone());
        let ingest = Ingest::new(archive.clone(), library.clone(), ledger);
        Self {
            archive,
            ingest,
            library,
            community,
            home,
        }
    }

    /// The same node, closed and opened again.
    pub(super) fn reopened(self) -> Self {
        self.library.close();
        self.archive.store().close().unwrap();
        let (home, community) = (self.home, self.community);
        drop((self.archive, self.ingest, self.library));
        Self::open(home, community)
    }

    pub(super) fn take_from(&self, entries: &[&Entry], source: &Source) -> Vec<Outcome> {
        let encoded: Vec<Vec<u8>> = entries.iter().map(|it| it.encode()).collect();
        let taken = self.ingest.take_in(self.community, &encoded, source);
        taken.unwrap().into_iter().map(|(_, it)| it).collect()
    }

    pub(super) fn take(&self, entries: &[&Entry]) -> Vec<Outcome> {
        self.take_from(entries, &Source::Local)
    }

    /// Takes in what must be saved.
    pub(super) fn save<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) {
        let entries: Vec<&Entry> = entries.into_iter().collect();
        for outcome in self.take(&entries) {
            assert_eq!(outcome, Outcome::Saved);
        }
    }

    /// Whether these bytes are in any file of the node.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        let (found, searched) = files::search_bytes(self.home.path(), bytes);
        assert!(searched > 1_000, "nothing was searched");
        !found.is_empty()
    }

    pub(super) fn is_in_effect(&self, entry: &Entry) -> bool {
        let (id, ledger) = (entry.id(), self.ingest.ledger());
        let mut tries = ledger.spaces().values().map(|it| &it.trie);
        tries.any(|trie| trie.keys().any(|(key, _)| key.id == id))
    }

    /// The ids of everything in its sets.
    pub(super) fn in_effect(&self) -> BTreeSet<EntryId> {
        let ledger = self.ingest.ledger();
        let tries = ledger.spaces().values().map(|it| &it.trie);
        tries
            .flat_map(|trie| trie.keys().map(|(key, _)| key.id))
            .collect()
    }

    pub(super) fn is_held(&self, entry: &Entry) -> bool {
        self.archive.held().contains(&entry.id())
    }

    pub(super) fn roots(&self) -> BTreeMap<SpaceId, (TrieHash, u64)> {
        let ledger = self.ingest.ledger();
        let spaces = ledger.spaces().iter();
        spaces
            .map(|(id, space)| (*id, (space.trie.root(), space.trie.len())))
            .collect()
    }

    pub(super) fn rebuilds(&self) -> Rebuilds {
        self.ingest.ledger().rebuilds()
    }

    /// Every text field and head of a document; none if it is not in effect.
    pub(super) fn seen(&self, document: DocumentId) -> Option<(Vec<EntryId>, Vec<String>)> {
        self.library
            .read(&document, |shelved| {
                let view = shelved.derived.view().unwrap();
                let texts = ["title", "body"].iter().filter_map(|name| view.text(name));
                let texts = texts.map(str::to_owned).collect();
                (shelved.derived.heads(), texts)
            })
            .ok()
    }
}
