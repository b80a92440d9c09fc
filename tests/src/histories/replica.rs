//! A node without network and API: the real way in, over a store in memory.

use super::{InForce, Sight};
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
    authority::{
        Authority,
        deliberation::{Deliberation, Motion, Voices},
    },
    certificate::CertificateBody,
    derive::View,
    document::Step,
    entry::Entry,
    id::{CommunityId, DocumentId, EntryId, PartyId, SpaceId},
    record::RecordBody,
    sync::TrieHash,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
    /// What is proposed, who said what about it, and how it stands.
    pub motions: Vec<Motion>,
}

impl Picture {
    /// Says in a few words where two pictures differ.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self == other {
            return None;
        }
        if !agree(&self.authority, &other.authority) {
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
        let documents: BTreeSet<&DocumentId> = self
            .documents
            .keys()
            .chain(other.documents.keys())
            .collect();
        for id in documents {
            let (seen, other) = (self.documents.get(id), other.documents.get(id));
            if seen != other {
                what.push(format!("document {id}: {seen:?} against {other:?}"));
            }
        }
        if self.motions != other.motions {
            what.push(first_difference(
                &format!("{:#?}", self.motions),
                &format!("{:#?}", other.motions),
            ));
        }
        (!what.is_empty()).then(|| what.join("\n"))
    }
}

/// Whether two authorities say the same of everything that can be asked. They may differ in who
/// signed a certificate, where nodes made it from approvals: each takes the first that suffice.
fn agree(a: &Authority, b: &Authority) -> bool {
    let slots = |it: &Authority| {
        let roots = it.members().keys().copied();
        let slots = roots.map(|root| (root, it.device_slots(&root).cloned()));
        slots.collect::<Vec<_>>()
    };
    a == b
        || a.charter() == b.charter()
            && a.party_chains() == b.party_chains()
            && a.parties() == b.parties()
            && a.spaces() == b.spaces()
            && a.members() == b.members()
            && a.invitations() == b.invitations()
            && a.narrowings() == b.narrowings()
            && slots(a) == slots(b)
}

fn first_difference(a: &str, b: &str) -> String {
    let mut lines = a.lines().zip(b.lines()).enumerate();
    let place = lines.find(|(_, (a, b))| a != b).map_or(0, |(n, _)| n);
    let around = |text: &str| {
        let lines = text.lines().skip(place.saturating_sub(12)).take(20);
        lines.collect::<Vec<_>>().join("\n")
    };
    format!("{}\nagainst\n{}", around(a), around(b))
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

    /// Whether an entry stands in its set.
    pub fn has_in_effect(&self, id: &EntryId) -> bool {
        self.archive.contains(id).unwrap_or(false) && !self.archive.held().contains(id)
    }

    /// What is proposed and how it stands, by those of these entries that are in effect.
    pub fn motions(&self, said: &[EntryId]) -> Vec<Motion> {
        let entries = said.iter().filter_map(|id| self.archive.get(id).unwrap());
        let entries: Vec<Entry> = entries.collect();
        let records = entries.iter().filter_map(|it| match it {
            Entry::Record(it) => Some((it.header().author, it.body())),
            _ => None,
        });
        let (proposed, mut voices) = Voices::gather(records);
        for (id, body) in &proposed {
            if matches!(body, CertificateBody::ErasureOrder(_)) && self.has_in_effect(id) {
                voices.certify_order(*id);
            }
        }
        let authority = self.authority();
        let (charter, parties) = (authority.charter(), authority.party_chains());
        let weighed = Deliberation::weigh(charter, parties, proposed, &voices);
        weighed.motions().cloned().collect()
    }

    /// Everything except motions, with what became of these entries. Gives them once more to find
    /// out.
    pub fn picture(
        &self,
        entries: &[Vec<u8>],
        documents: impl Iterator<Item = DocumentId>,
    ) -> Picture {
        let outcomes = self.take(entries, &Source::Local);
        let outcomes = outcomes.iter().zip(entries);
        let verdicts = outcomes.map(|(it, entry)| match it {
            Outcome::Saved | Outcome::AlreadyPresent => "in effect".to_owned(),
            // What it erases is looked for among what ever was in effect here. Whether that holds it
            // without effect, or never did, the one thing alike is that nothing is erased.
            _ if is_erasure(entry) => "erases nothing".to_owned(),
            // Which of the two is said, and of which ancestor, depends on what is known of that one.
            Outcome::Pending(_) | Outcome::Blocked(_) => "waits for what it builds on".to_owned(),
            other => format!("{other:?}"),
        });
        Picture {
            motions: Vec::new(),
            verdicts: verdicts.collect(),
            authority: self.authority(),
            sets: self.sets(),
            documents: documents
                .filter_map(|it| Some((it, self.seen(&it)?)))
                .collect(),
        }
    }
}

/// Whether encoded bytes are somebody's erasure, or order one.
fn is_erasure(bytes: &[u8]) -> bool {
    match Entry::decode(bytes) {
        Ok(Entry::Record(it)) => matches!(it.body(), RecordBody::Erasure(_)),
        Ok(Entry::Certificate(it)) => matches!(it.body(), CertificateBody::ErasureOrder(_)),
        _ => false,
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

    fn charter(&self) -> Option<InForce> {
        let authority = self.authority();
        let charter = authority.charter()?.current();
        Some((charter.id, charter.height, (*charter.parties).clone()))
    }

    fn state(&self, party: &PartyId) -> Option<EntryId> {
        let authority = self.authority();
        Some(authority.party_chains().chain(party)?.current().0)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.library.close();
    }
}
