//! What a change of authority or cuts does to documents (I8).
//!
//! [`judge`] reads and changes nothing: it evaluates authority and cuts, finds the keys and spaces
//! for which they answer differently, the documents with contributions by these keys, and, document
//! by document, which contributions are in effect. Several changes in one commit are one judgement,
//! so a document is evaluated once however many of them touch it.

mod document;

use crate::{
    archive::Archive,
    held::HeldEntry,
    ingest::Reckon,
    ledger::{Entered, Ledger, Space},
    pending::Pending,
    store::StoreError,
};
use comity_protocol::{
    authority::{
        AuthorLink, Authority, ChainLinks, Changed,
        coverage::{Coverage, NoCuts, SpaceCoverage},
    },
    certificate::governance_space,
    contribution::Header,
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    key::PublicKey,
    record::RecordHeader,
    sync::{AuthorTag, Prefix},
};
use document::Question;
pub(crate) use document::{adoptable, verdict};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tracing::info;

/// What becomes of a stored contribution, or of the erasure of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// It leaves its set, or is held for another reason than before.
    Hold(HeldEntry),
    /// It is in effect again.
    Restore {
        space: SpaceId,
        document: DocumentId,
        id: EntryId,
    },
    /// It is in effect because another builds on it; none: by its author's own authority.
    Adopt { id: EntryId, by: Option<EntryId> },
}

impl Move {
    /// What enters or leaves its set, so that its bare header may leave or enter.
    pub(crate) fn shifted(&self) -> Option<(SpaceId, EntryId)> {
        match self {
            Self::Hold(entry) => Some((entry.space, entry.key.id)),
            Self::Restore { space, id, .. } => Some((*space, *id)),
            Self::Adopt { .. } => None,
        }
    }
}

/// What a change comes to.
#[derive(Default)]
pub(crate) struct Judgement {
    pub(crate) authorities: BTreeMap<CommunityId, Arc<Authority>>,
    pub(crate) coverages: BTreeMap<SpaceId, Option<Arc<SpaceCoverage>>>,
    pub(crate) moves: Vec<Move>,
    /// Documents that were evaluated.
    pub(crate) documents: u64,
    /// Communities whose authority says something else than before.
    pub(crate) changed: BTreeSet<CommunityId>,
    /// Keys whose waiting contributions may be authorized now, by space.
    pub(crate) waiting: BTreeMap<SpaceId, BTreeSet<PublicKey>>,
    /// Keys of whose entries others may be covered now, by space.
    pub(crate) covered_anew: BTreeMap<SpaceId, BTreeSet<PublicKey>>,
}

impl Judgement {
    /// Documents in which other contributions are in effect than before.
    pub(crate) fn moved(&self) -> BTreeSet<DocumentId> {
        let documents = self.moves.iter().filter_map(|it| match it {
            Move::Hold(entry) => Some(entry.document),
            Move::Restore { document, .. } => Some(*document),
            Move::Adopt { .. } => None,
        });
        documents.collect()
    }

    /// What comes into effect again.
    pub(crate) fn restored(&self, archive: &Archive) -> Vec<HeldEntry> {
        let held = archive.held();
        let restored = self.moves.iter().filter_map(|it| match it {
            Move::Restore { id, .. } => held.get(id).cloned(),
            _ => None,
        });
        restored.collect()
    }

    /// Spaces whose sets something leaves.
    pub(crate) fn left(&self) -> BTreeSet<(CommunityId, SpaceId)> {
        let left = self.moves.iter().filter_map(|it| match it {
            Move::Hold(entry) => Some((entry.community, entry.space)),
            _ => None,
        });
        left.collect()
    }
}

/// Finds out what entries that have entered their sets come to.
///
/// # Errors
/// If the store cannot be read.
pub(crate) fn judge(
    ledger: &Ledger,
    archive: &Archive,
    pending: &Pending,
    entered: &Entered,
    reckon: &dyn Reckon,
) -> Result<Judgement, StoreError> {
    let mut judgement = Judgement::default();
    let mut communities = entered.governed.clone();
    let spaces = entered.covered.iter().chain(&entered.whole);
    let spaces = spaces.chain(entered.documents.keys());
    communities.extend(spaces.filter_map(|it| Some(ledger.spaces().get(it)?.community)));
    for community in communities {
        let bench = Bench {
            ledger,
            archive,
            pending,
            entered,
            reckon,
            community,
        };
        bench.judge(&mut judgement)?;
    }
    if judgement.documents > 0 {
        info!(
            documents = judgement.documents,
            moved = judgement.moves.len(),
            "evaluated the documents that a change of authority touches"
        );
    }
    Ok(judgement)
}

struct Bench<'a> {
    ledger: &'a Ledger,
    archive: &'a Archive,
    pending: &'a Pending,
    entered: &'a Entered,
    reckon: &'a dyn Reckon,
    community: CommunityId,
}

impl Bench<'_> {
    fn judge(&self, judgement: &mut Judgement) -> Result<(), StoreError> {
        let Some(known) = self.ledger.communities().get(&self.community) else {
            return Ok(());
        };
        let before = known.authority().clone();
        let mut after = before.clone();
        let mut changed = Changed::default();
        if self.entered.governed.contains(&self.community) {
            let evaluated = self.reckon.evaluate(self.community, known.governance());
            if evaluated != before {
                changed = evaluated.changed_keys(&before);
                after = evaluated;
                judgement.authorities.insert(self.community, after.clone());
                judgement.changed.insert(self.community);
            }
        }
        let governance = governance_space(self.community);
        let spaces = self.ledger.spaces().iter();
        for (id, space) in
            spaces.filter(|(id, it)| it.community == self.community && **id != governance)
        {
            self.judge_space(judgement, *id, space, (&before, &after), &changed)?;
        }
        Ok(())
    }

    fn judge_space(
        &self,
        judgement: &mut Judgement,
        id: SpaceId,
        space: &Space,
        (before, after): (&Arc<Authority>, &Arc<Authority>),
        changed: &Changed,
    ) -> Result<(), StoreError> {
        let known = space.coverage();
        let mut coverage = known.cloned();
        let mut keys = changed.keys.clone();
        let whole = self.entered.whole.contains(&id);
        let differ = || cuts_differ(id, before, after);
        if self.entered.covered.contains(&id) || whole || differ() {
            coverage = self.read_cuts(id, space, after);
            if let (Some(known), Some(new)) = (known, &coverage) {
                keys.extend(new.differing_keys(known));
            }
            let known = known.map(|it| &**it);
            let anew = match &coverage {
                Some(new) => new.keys_covered_anew(known),
                None => known
                    .map(|it| it.keys_covered_anew(None))
                    .unwrap_or_default(),
            };
            if !anew.is_empty() {
                judgement.covered_anew.insert(id, anew);
            }
            judgement.coverages.insert(id, coverage.clone());
        }
        let no_cuts = NoCuts;
        let coverage: &dyn Coverage = match &coverage {
            Some(coverage) => &**coverage,
            None => &no_cuts,
        };
        let mut documents = self.entered.documents.get(&id).cloned().unwrap_or_default();
        if whole {
            documents.extend(self.documents_of_suspects(id, space, after));
        } else if changed.spaces.contains(&id) {
            documents.extend(self.documents_of_all(id, space));
        } else {
            // Whoever writes freely before and after has everything in effect before and after.
            let is_free = |key: &&PublicKey| {
                [before, after]
                    .iter()
                    .all(|it| it.writes_unnarrowed(id, key))
            };
            for key in keys.iter().filter(|key| !is_free(key)) {
                self.add_documents_of(id, &AuthorTag::new(&id, key), &mut documents);
            }
        }
        if !keys.is_empty() {
            judgement.waiting.entry(id).or_default().extend(keys);
        }
        for document in documents {
            judgement.documents += 1;
            let question = Question {
                ledger: self.ledger,
                archive: self.archive,
                community: self.community,
                space: id,
                authority: after,
                coverage,
            };
            question.evaluate(document, &mut judgement.moves)?;
        }
        Ok(())
    }

    fn read_cuts(
        &self,
        id: SpaceId,
        space: &Space,
        authority: &Authority,
    ) -> Option<Arc<SpaceCoverage>> {
        if authority.narrowings().is_empty() {
            return None;
        }
        let coverage = SpaceCoverage::build(
            id,
            authority.narrowings(),
            &authority.narrowed_keys(&id),
            space.statements().records(),
            &Links {
                space: id,
                archive: self.archive,
                pending: self.pending,
            },
            authority,
        );
        Some(Arc::new(coverage))
    }

    /// Everything stored of one author names its documents.
    fn add_documents_of(
        &self,
        space: SpaceId,
        author: &AuthorTag,
        documents: &mut BTreeSet<DocumentId>,
    ) {
        for key in self.ledger.stored_of(self.archive, &space, author).keys() {
            if let Some(header) = self.archive.header(&key.id) {
                documents.insert(header.document(key.id));
            }
        }
    }

    fn documents_of_all(&self, id: SpaceId, space: &Space) -> BTreeSet<DocumentId> {
        let mut documents = BTreeSet::new();
        let authors = space.trie.authors_under(&Prefix::ALL, usize::MAX);
        for run in authors.unwrap_or_default() {
            self.add_documents_of(id, &run.author, &mut documents);
        }
        let held = self.archive.held();
        documents.extend(held.in_space(&id).map(|it| it.document));
        documents
    }

    /// Documents with contributions by authors whose right to write here is not whole. Nobody else
    /// ever lost one, and what is stored was in effect once: no need to look at the rest.
    fn documents_of_suspects(
        &self,
        id: SpaceId,
        space: &Space,
        authority: &Authority,
    ) -> BTreeSet<DocumentId> {
        let mut documents = BTreeSet::new();
        let authors = space.trie.authors_under(&Prefix::ALL, usize::MAX);
        for run in authors.unwrap_or_default() {
            let last = space.trie.keys_of(&run.author, run.last..=run.last).next();
            let author = last.and_then(|(key, _)| link_of(self.archive, &key.id));
            if author.is_none_or(|it| !authority.writes_unnarrowed(id, &it.author)) {
                self.add_documents_of(id, &run.author, &mut documents);
            }
        }
        documents
    }
}

/// Whether cuts may say something else under the newer authority.
fn cuts_differ(space: SpaceId, before: &Arc<Authority>, after: &Arc<Authority>) -> bool {
    let nothing_narrowed = before.narrowings().is_empty() && after.narrowings().is_empty();
    if Arc::ptr_eq(before, after) || nothing_narrowed {
        return false;
    }
    before.narrowings() != after.narrowings()
        || before.narrowed_keys(&space) != after.narrowed_keys(&space)
        || before.party_chains() != after.party_chains()
        || before.charter() != after.charter()
}

/// The headers known here of one space: stored ones, bare or not, and those of what waits.
pub(crate) struct Links<'a> {
    pub(crate) space: SpaceId,
    pub(crate) archive: &'a Archive,
    pub(crate) pending: &'a Pending,
}

impl ChainLinks for Links<'_> {
    fn link(&self, id: &EntryId) -> Option<AuthorLink> {
        if let Some(link) = self.pending.link(id) {
            return (link.space == self.space).then_some(AuthorLink {
                author: link.author,
                link: link.link,
            });
        }
        stored_link(self.archive, id, Some(self.space)).or_else(|| {
            let bare = self.archive.bare();
            let header = bare.get(id).filter(|it| it.space == self.space)?;
            Some(header.place)
        })
    }
}

fn link_of(archive: &Archive, id: &EntryId) -> Option<AuthorLink> {
    stored_link(archive, id, None)
}

fn stored_link(archive: &Archive, id: &EntryId, of: Option<SpaceId>) -> Option<AuthorLink> {
    let stored = archive.store().get(id).ok()??;
    let (space, author, link) = match stored.kind {
        crate::projection::CONTRIBUTION => {
            let it = Header::decode_own_record(&stored.header).ok()?;
            (it.space, it.author, it.link)
        }
        crate::projection::RECORD => {
            let it = RecordHeader::decode_own_record(&stored.header).ok()?;
            (it.space, it.author, it.link)
        }
        _ => return None,
    };
    of.is_none_or(|of| of == space)
        .then_some(AuthorLink { author, link })
}
