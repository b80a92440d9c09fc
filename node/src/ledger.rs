//! What takes effect, in memory: the set of every space as a trie, what is known there about cuts,
//! and the authority of every community. Built from the record at start, changed by the single
//! writer only.
//!
//! A change goes in three steps. [`Ledger::enter`] puts durable entries into their sets. Then
//! [`effect::judge`](crate::effect::judge) finds out, with readers undisturbed, which authority and
//! which cuts follow and which documents they touch. [`Ledger::install`] lets that take effect at
//! once: authority, cuts, and every contribution that moved between its set and what is held.

mod load;
mod statements;

use crate::{
    archive::Archive,
    effect::{Judgement, Move},
};
use comity_protocol::{
    authority::{Authority, coverage::SpaceCoverage},
    certificate::{CertificateBody, governance_space},
    entry::{Entry, Verified},
    id::{CommunityId, DocumentId, EntryId, GovernanceDigest, SpaceId},
    key::PublicKey,
    record::RecordBody,
    sync::{AuthorTag, Key, Trie},
};
pub(crate) use statements::Statements;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One community as this node knows it.
pub struct Community {
    authority: Arc<Authority>,
    governance: Vec<Verified<Entry>>,
}

impl Community {
    /// Who may do what, by the records known here.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// What authority is evaluated from: the governance space, and declarations of restricted spaces,
    /// which stand in their own.
    pub(crate) fn governance(&self) -> &[Verified<Entry>] {
        &self.governance
    }
}

/// One space: whose it is, its set, and what is said in it about cuts.
pub struct Space {
    /// Its community.
    pub community: CommunityId,
    /// Its set: everything in effect, and bare headers of what cuts lead through.
    pub trie: Trie,
    /// The certificate in its set that declares it; none if the public governance does.
    pub declaration: Option<Key>,
    /// Up to where narrowed keys count here; none while nobody is narrowed.
    coverage: Option<Arc<SpaceCoverage>>,
    statements: Statements,
}

impl Space {
    fn new(community: CommunityId, trie: Trie, statements: Statements) -> Self {
        Self {
            community,
            trie,
            declaration: None,
            coverage: None,
            statements,
        }
    }

    /// Up to where narrowed keys count here; none while nobody is narrowed.
    pub fn coverage(&self) -> Option<&Arc<SpaceCoverage>> {
        self.coverage.as_ref()
    }

    pub(crate) fn statements(&self) -> &Statements {
        &self.statements
    }
}

/// How often documents were evaluated anew because authority changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilds {
    /// Changes of authority or cuts that touched documents.
    pub changes: u64,
    /// Documents evaluated anew, all changes together.
    pub documents: u64,
    /// Documents evaluated anew by the last change.
    pub last_documents: u64,
}

/// All communities and spaces.
#[derive(Default)]
pub struct Ledger {
    communities: BTreeMap<CommunityId, Community>,
    spaces: BTreeMap<SpaceId, Space>,
    /// Sets in the record of spaces that nobody declares, as far as is known now.
    undeclared: BTreeMap<SpaceId, load::Set>,
    rebuilds: Rebuilds,
}

impl Ledger {
    /// Starts to take part in a community; does nothing if it does already.
    pub fn track(&mut self, community: CommunityId) {
        self.communities
            .entry(community)
            .or_insert_with(|| Community {
                authority: Arc::new(Authority::unknown(community)),
                governance: Vec::new(),
            });
        self.add_space(community, governance_space(community));
    }

    /// True if the record held a set of it.
    fn add_space(&mut self, community: CommunityId, space: SpaceId) -> bool {
        if self.spaces.contains_key(&space) {
            return false;
        }
        let set = self.undeclared.remove(&space);
        let was_here = set.is_some();
        let (trie, statements) = set.unwrap_or_default().build();
        let known = Space::new(community, trie, statements);
        self.spaces.insert(space, known);
        was_here
    }

    /// Takes entries out of their sets that the record has lost, so that sync fetches them again.
    pub(crate) fn forget(&mut self, archive: &Archive, lost: &[EntryId]) {
        if lost.is_empty() {
            return;
        }
        let lost: BTreeSet<&EntryId> = lost.iter().collect();
        for space in self.spaces.values_mut() {
            let gone: Vec<Key> = space
                .trie
                .keys()
                .map(|(key, _)| key)
                .filter(|key| lost.contains(&key.id))
                .collect();
            for key in gone {
                space.trie.remove(&key);
            }
            space.trie.rehash();
        }
        archive.bare_mut().forget(&lost);
        let mut held = archive.held_mut();
        for id in lost {
            held.release(id);
        }
    }

    /// The communities, by id.
    pub fn communities(&self) -> &BTreeMap<CommunityId, Community> {
        &self.communities
    }

    /// The authority of a community this node takes part in.
    pub fn authority(&self, community: &CommunityId) -> Option<Arc<Authority>> {
        self.communities
            .get(community)
            .map(|it| it.authority.clone())
    }

    /// The spaces, by id.
    pub fn spaces(&self) -> &BTreeMap<SpaceId, Space> {
        &self.spaces
    }

    /// How often documents were evaluated anew since the node opened.
    pub fn rebuilds(&self) -> Rebuilds {
        self.rebuilds
    }

    /// The digest of the governance known of a community: the root of its governance set.
    pub fn governance_digest(&self, community: &CommunityId) -> GovernanceDigest {
        let space = self.spaces.get(&governance_space(*community));
        let root = space
            .map(|it| *it.trie.root().as_bytes())
            .unwrap_or_default();
        GovernanceDigest::from_bytes(root)
    }

    /// Puts durable entries into their sets, and says what they may change.
    pub(crate) fn enter(&mut self, archive: &Archive, applied: &[Applied]) -> Entered {
        let mut entered = Entered::default();
        let mut touched = BTreeSet::new();
        for it in applied {
            if is_declaration(&it.entry) {
                self.add_space(it.community, it.space);
            }
            let Some(space) = self.spaces.get_mut(&it.space) else {
                continue;
            };
            // A bare header enters once it is known whether it belongs there.
            if let Entry::Bare(header) = &*it.entry {
                let coverage = space.coverage.as_deref();
                if coverage.is_some_and(|coverage| coverage.awaits(&header.of())) {
                    entered.covered.insert(it.space);
                }
                continue;
            }
            if !space.trie.insert(&it.key, it.local) {
                continue;
            }
            touched.insert(it.space);
            if is_declaration(&it.entry) {
                space.declaration = Some(it.key);
            }
            let Some(community) = self.communities.get_mut(&space.community) else {
                continue;
            };
            if it.space == governance_space(space.community) || is_declaration(&it.entry) {
                community.governance.push(it.entry.clone());
                entered.governed.insert(space.community);
            }
            if it.space != governance_space(space.community) {
                let coverage = space.coverage.as_deref();
                if space.statements.enter(it, coverage, &community.authority) {
                    entered.covered.insert(it.space);
                }
            }
            let document = touched_document(archive, it);
            entered.add_documents(document.map(|document| (it.space, document)));
        }
        self.rehash(touched);
        entered
    }

    fn rehash(&mut self, touched: BTreeSet<SpaceId>) {
        for space in touched {
            if let Some(space) = self.spaces.get_mut(&space) {
                space.trie.rehash();
            }
        }
    }

    /// Lets a judgement take effect. Gives back spaces that were declared by it and of which the
    /// record held entries already: they are still to be judged.
    pub(crate) fn install(&mut self, archive: &Archive, judgement: &Judgement) -> Entered {
        let mut entered = Entered::default();
        for (community, authority) in &judgement.authorities {
            if let Some(known) = self.communities.get_mut(community) {
                known.authority = authority.clone();
                self.add_declared(*community, &mut entered);
            }
        }
        for (space, coverage) in &judgement.coverages {
            if let Some(space) = self.spaces.get_mut(space) {
                space.coverage = coverage.clone();
            }
        }
        let mut held = archive.held_mut();
        let mut touched = BTreeSet::new();
        for it in &judgement.moves {
            match it {
                Move::Hold(entry) => {
                    if let Some(space) = self.spaces.get_mut(&entry.space)
                        && space.trie.remove(&entry.key)
                    {
                        touched.insert(entry.space);
                    }
                    held.hold(entry.clone());
                }
                Move::Restore { id, .. } => {
                    if let Some(entry) = held.release(id)
                        && let Some(space) = self.spaces.get_mut(&entry.space)
                    {
                        space.trie.insert(&entry.key, entry.local);
                        touched.insert(entry.space);
                    }
                }
                Move::Adopt { id, by } => held.adopt(*id, *by),
            }
        }
        drop(held);
        self.rehash(touched);
        if judgement.documents > 0 {
            self.rebuilds.changes += 1;
            self.rebuilds.documents += judgement.documents;
            self.rebuilds.last_documents = judgement.documents;
        }
        entered
    }

    /// Lets bare headers enter and leave their sets.
    pub(crate) fn shift_headers(
        &mut self,
        enter: &[(SpaceId, Key, u64)],
        leave: &[(SpaceId, Key)],
    ) {
        let mut touched = BTreeSet::new();
        for (id, key, local) in enter {
            if let Some(space) = self.spaces.get_mut(id) {
                space.trie.insert(key, *local);
                touched.insert(*id);
            }
        }
        for (id, key) in leave {
            if let Some(space) = self.spaces.get_mut(id) {
                space.trie.remove(key);
                touched.insert(*id);
            }
        }
        self.rehash(touched);
    }

    /// Opens the spaces that a community declares, on whatever branch of its charter: which one is
    /// followed may have differed where the same entries came in another order. Of those that the record
    /// knew everything is to be judged, and of all of them the cuts are to be read.
    fn add_declared(&mut self, community: CommunityId, entered: &mut Entered) {
        let Some(authority) = self.authority(&community) else {
            return;
        };
        for space in authority.spaces_ever() {
            if self.spaces.contains_key(&space) {
                continue;
            }
            if self.add_space(community, space) {
                entered.whole.insert(space);
            }
            if !authority.narrowings().is_empty() {
                entered.covered.insert(space);
            }
        }
    }

    /// Everything stored by one author in a space, along the chain: in effect or held.
    pub(crate) fn stored_of(
        &self,
        archive: &Archive,
        space: &SpaceId,
        author: &AuthorTag,
    ) -> BTreeMap<Key, u64> {
        let held = archive.held();
        let held = held.of_author(space, author).map(|it| (it.key, it.local));
        let mut keys: BTreeMap<Key, u64> = held.collect();
        if let Some(space) = self.spaces.get(space) {
            keys.extend(space.trie.keys_of(author, 0..=u64::MAX));
        }
        keys
    }

    /// The highest entry of an author's chain, in effect or held; of several with one number the one
    /// with the lowest id. New entries follow it, or the chain would fork.
    pub fn newest_of(&self, archive: &Archive, space: &SpaceId, author: &PublicKey) -> Option<Key> {
        self.newest_of_tag(archive, space, &AuthorTag::new(space, author))
    }

    pub(crate) fn newest_of_tag(
        &self,
        archive: &Archive,
        space: &SpaceId,
        tag: &AuthorTag,
    ) -> Option<Key> {
        let in_effect = self.spaces.get(space).and_then(|known| {
            let last = known.trie.author_run(tag)?.last;
            let keys = known.trie.keys_of(tag, last..=last);
            keys.map(|(key, _)| key).min()
        });
        let held = archive.held();
        let highest = held.of_author(space, tag).next_back().map(|it| it.key.seq);
        let of_highest = held
            .of_author(space, tag)
            .map(|it| it.key)
            .find(|key| Some(key.seq) == highest);
        let higher = |key: &Key| (key.seq, std::cmp::Reverse(key.id));
        // Certificates stand in no chain, under the number 0.
        let newest = in_effect.into_iter().chain(of_highest).max_by_key(higher);
        newest.filter(|key| key.seq > 0)
    }
}

/// The document of which something held depends on this entry, or that it belongs with.
fn touched_document(archive: &Archive, it: &Applied) -> Option<DocumentId> {
    let held = archive.held();
    match &*it.entry {
        Entry::Contribution(contribution) => {
            let document = contribution.header().document(it.key.id);
            (held.contains(&it.key.id) || held.waits_for_ancestors(&document)).then_some(document)
        }
        Entry::Record(record) => match record.body() {
            RecordBody::Erasure(erasure) => Some(held.get(&erasure.contribution)?.document),
            _ => None,
        },
        Entry::Certificate(certificate) => match certificate.body() {
            CertificateBody::ErasureOrder(order) => Some(held.get(&order.contribution)?.document),
            _ => None,
        },
        Entry::Bare(_) => None,
    }
}

fn is_declaration(entry: &Entry) -> bool {
    match entry {
        Entry::Certificate(it) => matches!(it.body(), CertificateBody::SpaceDeclaration(_)),
        _ => false,
    }
}

/// A durable entry about to take effect.
pub(crate) struct Applied {
    pub(crate) community: CommunityId,
    pub(crate) space: SpaceId,
    pub(crate) key: Key,
    pub(crate) local: u64,
    pub(crate) entry: Verified<Entry>,
}

/// What entries that entered their sets may change.
#[derive(Debug, Default)]
pub(crate) struct Entered {
    /// Communities whose authority has to be evaluated.
    pub(crate) governed: BTreeSet<CommunityId>,
    /// Spaces whose cuts have to be read anew.
    pub(crate) covered: BTreeSet<SpaceId>,
    /// Documents in which something held may be in effect, now that an ancestor is here.
    pub(crate) documents: BTreeMap<SpaceId, BTreeSet<DocumentId>>,
    /// Spaces nothing of which was judged so far.
    pub(crate) whole: BTreeSet<SpaceId>,
}

impl Entered {
    pub(crate) fn add_documents(
        &mut self,
        documents: impl IntoIterator<Item = (SpaceId, DocumentId)>,
    ) {
        for (space, document) in documents {
            self.documents.entry(space).or_default().insert(document);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.governed.extend(other.governed);
        self.covered.extend(other.covered);
        self.whole.extend(other.whole);
        for (space, documents) in other.documents {
            self.documents.entry(space).or_default().extend(documents);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.governed.is_empty()
            && self.covered.is_empty()
            && self.documents.is_empty()
            && self.whole.is_empty()
    }
}
