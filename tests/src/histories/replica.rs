//! A node without network and API: the real way in, over a store in memory.

use super::Sight;
use comity_node::{
    archive::Archive,
    ingest::{Computed, Ingest, Outcome, Reckon},
    ledger::Ledger,
    library::Library,
    pending::Source,
    projection::EntryProjection,
    store::{MemoryStore, Store},
};
use comity_protocol::{
    authority::Authority,
    derive::View,
    document::Step,
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    sync::TrieHash,
};
use std::{collections::BTreeMap, sync::Arc};

/// A replica. See the [module documentation](self).
pub struct Replica {
    /// Its store.
    pub archive: Archive,
    /// Its way in.
    pub ingest: Ingest,
    /// Its documents.
    pub library: Arc<Library>,
    community: CommunityId,
    store: Arc<MemoryStore>,
}

/// What a reader sees of one document: its heads, its view, and who wrote what of its text.
pub type Seen = (Vec<EntryId>, String, String);

/// Everything two replicas with equal records agree on.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Who may do what.
    pub authority: Arc<Authority>,
    /// Root and size of the set of every space.
    pub sets: BTreeMap<SpaceId, (TrieHash, u64)>,
    /// Every document that is in effect.
    pub documents: BTreeMap<DocumentId, Seen>,
    /// What became of every entry.
    pub verdicts: Vec<String>,
}

impl Picture {
    /// Says in a few words where two pictures differ.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if *self.authority != *other.authority {
            return Some(first_difference(
                &format!("{:#?}", self.authority),
                &format!("{:#?}", other.authority),
            ));
        }
        let verdicts = self.verdicts.iter().zip(&other.verdicts).enumerate();
        let differ = verdicts.filter(|(_, (a, b))| a != b);
        let mut what: Vec<String> = differ
            .take(5)
            .map(|(n, (a, b))| format!("entry {n}: {a} against {b}"))
            .collect();
        if self.sets != other.sets {
            what.push(format!("sets: {:?} against {:?}", self.sets, other.sets));
        }
        for (id, seen) in &self.documents {
            if other.documents.get(id) != Some(seen) {
                let other = other.documents.get(id);
                what.push(format!("document {id}: {seen:?} against {other:?}"));
            }
        }
        let equal = self == other;
        (!equal).then(|| what.join("\n"))
    }
}

fn first_difference(a: &str, b: &str) -> String {
    let mut lines = a.lines().zip(b.lines()).enumerate();
    let place = lines.find(|(_, (a, b))| a != b).map_or(0, |(n, _)| n);
    let around = |text: &str| {
        let lines = text.lines().skip(place.saturating_sub(12)).take(20);
        lines.collect::<Vec<_>>().join("\n")
    };
    format!("authority:\n{}\nagainst\n{}", around(a), around(b))
}

impl Replica {
    /// An empty one that takes part in a community.
    pub fn new(community: CommunityId) -> Self {
        Self::over(
            Arc::new(MemoryStore::new(Arc::new(EntryProjection))),
            community,
        )
    }

    /// What a process finds in a store when it starts.
    pub fn over(store: Arc<MemoryStore>, community: CommunityId) -> Self {
        Self::reckoned(store, community, Arc::new(Computed))
    }

    /// The same, where something else answers what costs most on the way in. What is read at the
    /// start is computed all the same.
    pub fn reckoned(
        store: Arc<MemoryStore>,
        community: CommunityId,
        reckon: Arc<dyn Reckon>,
    ) -> Self {
        let archive = Archive::new(store.clone() as Arc<dyn Store>);
        let ledger = Ledger::load(&archive, &[community], &mut |_| {}).unwrap();
        let library = Library::open(archive.clone());
        Self {
            ingest: Ingest::reckoned(archive.clone(), library.clone(), ledger, reckon),
            archive,
            library,
            community,
            store,
        }
    }

    /// The same after its process has died.
    pub fn restarted(self) -> Self {
        let store = self.store.clone();
        let community = self.community;
        drop(self);
        Self::over(store, community)
    }

    /// Gives it encoded entries.
    pub fn take<B: AsRef<[u8]>>(&self, entries: &[B], source: &Source) -> Vec<Outcome> {
        let entries: Vec<Vec<u8>> = entries.iter().map(|it| it.as_ref().to_vec()).collect();
        let taken = self.ingest.take_in(self.community, &entries, source);
        taken.unwrap().into_iter().map(|(_, it)| it).collect()
    }

    /// Who may do what, as it knows.
    pub fn authority(&self) -> Arc<Authority> {
        self.ingest.ledger().authority(&self.community).unwrap()
    }

    /// Root and size of the set of every space.
    pub fn sets(&self) -> BTreeMap<SpaceId, (TrieHash, u64)> {
        let ledger = self.ingest.ledger();
        let sets = ledger.spaces().iter();
        sets.map(|(id, it)| (*id, (it.trie.root(), it.trie.len())))
            .collect()
    }

    /// A document as readers see it; none if it is not in effect.
    pub fn seen(&self, document: &DocumentId) -> Option<Seen> {
        let read = self.library.read(document, |shelved| {
            let derived = &mut shelved.derived;
            let view: Result<View, _> = derived.view();
            let blame = ["title", "body"].map(|field| derived.blame(&[Step::from(field)]));
            (derived.heads(), format!("{view:?}"), format!("{blame:?}"))
        });
        read.ok()
    }

    /// Everything, with what became of these entries. Gives them once more to find out.
    pub fn picture(
        &self,
        entries: &[Vec<u8>],
        documents: impl Iterator<Item = DocumentId>,
    ) -> Picture {
        let outcomes = self.take(entries, &Source::Local);
        let verdicts = outcomes.iter().map(|it| match it {
            Outcome::Saved | Outcome::AlreadyPresent => "in effect".to_owned(),
            // Which of the two is said, and of which ancestor, depends on what is known of that one.
            Outcome::Pending(_) | Outcome::Blocked(_) => "waits for what it builds on".to_owned(),
            other => format!("{other:?}"),
        });
        Picture {
            verdicts: verdicts.collect(),
            authority: self.authority(),
            sets: self.sets(),
            documents: documents
                .filter_map(|it| Some((it, self.seen(&it)?)))
                .collect(),
        }
    }
}

/// Somebody who reads everything, at this replica.
impl Sight for Replica {
    fn sees(&self, id: &EntryId) -> bool {
        self.archive.contains(id).unwrap_or(false)
    }

    fn offers(&self, _: &SpaceId) -> bool {
        true
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.library.close();
    }
}
