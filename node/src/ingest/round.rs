//! One round of the single writer: what a commit will hold, and what linking and authority see of it
//! before it is durable.

use super::{Candidate, Ingest, Outcome, Refusal, assembly};
use crate::{
    archive::facts_of,
    effect,
    held::Reason,
    ledger::Space,
    pending::{Pending, Source, Waits},
    store::StoreError,
};
use comity_protocol::{
    authority::{
        Authority,
        coverage::{Coverage, NoCuts, SpaceCoverage},
    },
    certificate::{CertificateBody, governance_space},
    contribution::Header,
    entry::{BareHeader, Contribution, Entry, EntryError, Verified, Words},
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    key::PublicKey,
    pipeline::{AuthorizeError, Known, KnownContribution, KnownDocument, LinkError, Linked},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

pub(super) struct Accepted {
    pub(super) entry: Verified<Entry>,
    pub(super) space: SpaceId,
    pub(super) community: CommunityId,
    pub(super) source: Source,
}

/// What is to be done about a candidate.
pub(super) enum Verdict {
    /// Nothing more.
    Settled(Outcome),
    /// It takes effect, and with it, before it, these unauthorized contributions that wait.
    Accept { adopting: Vec<EntryId> },
    /// It waits.
    Wait(Outcome, Waits),
    /// It came without words, and who erased them may not, as far as is known. It is not kept, unless
    /// governance of the same call says otherwise.
    Unproven(Outcome),
}

/// What one commit will hold.
pub(super) struct Change {
    pub(super) accepted: Vec<Accepted>,
    /// Spaces in which what waits now leads further down from the top of a cut.
    pub(super) connected: BTreeSet<SpaceId>,
    /// Documents in which unauthorized contributions were adopted.
    pub(super) regrouped: BTreeSet<(SpaceId, DocumentId)>,
    /// What waits and is covered: its bare header belongs into the set.
    pub(super) headed: BTreeSet<(SpaceId, EntryId)>,
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.connected.is_empty() && self.headed.is_empty()
    }

    /// Communities in which a certificate may be complete with this.
    pub(super) fn completing(&self) -> BTreeSet<CommunityId> {
        let accepted = self.accepted.iter();
        let completing = accepted.filter(|it| assembly::may_complete(&it.entry));
        completing.map(|it| it.community).collect()
    }
}

pub(super) struct Round<'a> {
    ingest: &'a Ingest,
    pub(super) accepted: Vec<Accepted>,
    ids: HashSet<EntryId>,
    contributions: HashMap<EntryId, KnownContribution>,
    documents: HashMap<DocumentId, KnownDocument>,
    /// Communities with governance records in this round, which are not in effect yet.
    pub(super) governed: HashSet<CommunityId>,
    authorities: HashMap<CommunityId, Arc<Authority>>,
    coverages: HashMap<SpaceId, Option<Arc<SpaceCoverage>>>,
    connected: BTreeSet<SpaceId>,
    regrouped: BTreeSet<(SpaceId, DocumentId)>,
    headed: BTreeSet<(SpaceId, EntryId)>,
    /// Bare headers of what was refused, to be judged by themselves.
    pub(super) loose: Vec<Candidate>,
}

impl<'a> Round<'a> {
    pub(super) fn new(ingest: &'a Ingest) -> Self {
        Self {
            ingest,
            accepted: Vec::new(),
            ids: HashSet::new(),
            contributions: HashMap::new(),
            documents: HashMap::new(),
            governed: HashSet::new(),
            authorities: HashMap::new(),
            coverages: HashMap::new(),
            connected: BTreeSet::new(),
            regrouped: BTreeSet::new(),
            headed: BTreeSet::new(),
            loose: Vec::new(),
        }
    }

    pub(super) fn into_change(self) -> Change {
        Change {
            accepted: self.accepted,
            connected: self.connected,
            regrouped: self.regrouped,
            headed: self.headed,
        }
    }

    pub(super) fn judge(
        &mut self,
        candidate: &Candidate,
        pending: &Pending,
    ) -> Result<Verdict, StoreError> {
        let (entry, community) = (&candidate.entry, candidate.community);
        let id = entry.id();
        // Peers may keep less than all; who hands in what they wrote has its words.
        if candidate.source == Source::Local
            && matches!(&**entry, Entry::Contribution(it) if it.lacks_words())
        {
            let refusal = Refusal::Entry(EntryError::WordsMissing);
            return Ok(Verdict::Settled(Outcome::Refused(refusal)));
        }
        if self.ids.contains(&id) || self.ingest.archive.contains(&id)? {
            let held = self.ingest.archive.held();
            let outcome = match held.get(&id).map(|it| it.reason) {
                Some(Reason::Unauthorized(reason)) => Outcome::Unauthorized(reason.into()),
                Some(Reason::Builds(on)) => Outcome::Blocked(on),
                None => Outcome::AlreadyPresent,
            };
            return Ok(Verdict::Settled(outcome));
        }
        let Some(authority) = self.authority(community) else {
            let refusal = Refusal::UnknownCommunity;
            return Ok(Verdict::Settled(Outcome::Refused(refusal)));
        };
        if self.is_foreign(entry, community) {
            return Ok(Verdict::Settled(Outcome::Refused(Refusal::ForeignSpace)));
        }
        if let Entry::Bare(it) = &**entry
            && self.stands_by_itself(&it.of())?
        {
            return Ok(Verdict::Settled(Outcome::AlreadyPresent));
        }
        // An erasure waits until what it erases is durable; a contribution builds on what waits too.
        let sight = Sight {
            round: self,
            pending: matches!(**entry, Entry::Contribution(_)).then_some(pending),
        };
        let linked = match Linked::link(entry.clone(), governance_space(community), &sight) {
            Ok(linked) => linked,
            Err(LinkError::Pending(missing)) => {
                self.note(entry, &authority);
                let outcome = Outcome::Pending(missing.clone());
                return Ok(Verdict::Wait(outcome, Waits::For(missing)));
            }
            Err(broken) => {
                self.keep_header(candidate, &authority);
                let refusal = Refusal::Link(broken);
                return Ok(Verdict::Settled(Outcome::Refused(refusal)));
            }
        };
        match &**entry {
            Entry::Contribution(it) => {
                return Ok(self.judge_contribution(linked, it, &authority, pending));
            }
            Entry::Bare(it) => return Ok(self.judge_bare(linked, it, &authority)),
            Entry::Record(_) | Entry::Certificate(_) => {}
        }
        Ok(match linked.authorize(&authority, &NoCuts) {
            Ok(_) => Verdict::Accept {
                adopting: Vec::new(),
            },
            Err((_, reason)) => {
                self.note(entry, &authority);
                Verdict::Wait(Outcome::Unauthorized(reason), Waits::ForAuthority)
            }
        })
    }

    fn judge_contribution(
        &mut self,
        linked: Linked,
        it: &Contribution,
        authority: &Authority,
        pending: &Pending,
    ) -> Verdict {
        let (id, header) = (it.id(), it.header());
        // Whoever strips the words of another's contribution makes bytes with its id: they must
        // neither be stored nor wait in the place of the true ones.
        if let Words::Erased(proof) = it.words()
            && let Err(reason) = authority.judge_erasure(proof, &header.author)
        {
            return Verdict::Unproven(Outcome::Unauthorized(reason.into()));
        }
        let space = header.space;
        let coverage = self.coverage(space);
        let cuts: &dyn Coverage = match &coverage {
            Some(coverage) => &**coverage,
            None => &NoCuts,
        };
        let sight = Sight {
            round: self,
            pending: Some(pending),
        };
        let document = header.document(id);
        let verdict = match linked.authorize(authority, cuts) {
            Ok(_) => sight.adopting(authority, cuts, document, header),
            Err((_, reason)) => Err(Hindrance::Unauthorized(reason)),
        };
        match verdict {
            Ok(ancestors) => {
                if !ancestors.is_empty() {
                    self.regrouped.insert((space, document));
                }
                let waits = |id: &EntryId| pending.unauthorized(id).is_some();
                Verdict::Accept {
                    adopting: ancestors.into_iter().filter(waits).collect(),
                }
            }
            Err(Hindrance::Missing(missing)) => {
                Verdict::Wait(Outcome::Pending(missing.clone()), Waits::For(missing))
            }
            Err(Hindrance::Blocked(on)) => {
                self.note_place(space, &header.author, id, authority);
                Verdict::Wait(Outcome::Blocked(on), Waits::ForAuthority)
            }
            Err(Hindrance::Unauthorized(reason)) => {
                let waits = waits_for(authority, coverage.as_deref(), &header.author, &id);
                self.note_place(space, &header.author, id, authority);
                Verdict::Wait(Outcome::Unauthorized(reason), waits)
            }
        }
    }

    /// A bare header enters the set if a narrowing covers what it heads.
    fn judge_bare(&mut self, linked: Linked, it: &BareHeader, authority: &Authority) -> Verdict {
        let coverage = self.coverage(it.space());
        let cuts: &dyn Coverage = match &coverage {
            Some(coverage) => &**coverage,
            None => &NoCuts,
        };
        match linked.authorize(authority, cuts) {
            Ok(_) => Verdict::Accept {
                adopting: Vec::new(),
            },
            Err((_, reason)) => {
                let waits = waits_for(authority, coverage.as_deref(), &it.author(), &it.of());
                self.connect(it.space(), &it.of(), coverage.as_deref());
                Verdict::Wait(Outcome::Unauthorized(reason), waits)
            }
        }
    }

    /// Whether an entry is in its set, or will be with this round: then its bare header is of no use.
    fn stands_by_itself(&self, id: &EntryId) -> Result<bool, StoreError> {
        let archive = &self.ingest.archive;
        Ok(self.ids.contains(id) || (archive.contains(id)? && !archive.held().contains(id)))
    }

    /// What waits may be what connects others to the top of a cut, and its header may be what other
    /// nodes lack.
    fn note(&mut self, entry: &Entry, authority: &Authority) {
        if let (Some(space), false) = (entry.space(), matches!(entry, Entry::Certificate(_))) {
            self.note_place(space, &entry.key().author, entry.id(), authority);
        }
    }

    fn note_place(
        &mut self,
        space: SpaceId,
        author: &PublicKey,
        id: EntryId,
        authority: &Authority,
    ) {
        let Some(coverage) = self.coverage(space) else {
            return;
        };
        self.connect(space, &id, Some(&coverage));
        if authority.is_covered(author, &id, &*coverage) {
            self.headed.insert((space, id));
        }
    }

    /// Of what is refused for what it builds on, the header may still be part of a chain that a cut
    /// leads through: other nodes may have it, because they could not see that it is broken.
    fn keep_header(&mut self, candidate: &Candidate, authority: &Authority) {
        let Some(bare) = candidate.entry.bare() else {
            return;
        };
        let place = bare.space().and_then(|space| self.coverage(space));
        let (author, id) = (bare.key().author, candidate.entry.id());
        if place.is_some_and(|coverage| {
            coverage.awaits_chain_of(&author) || authority.is_covered(&author, &id, &*coverage)
        }) {
            self.loose.push(Candidate {
                entry: bare,
                community: candidate.community,
                source: candidate.source.clone(),
                index: None,
            });
        }
    }

    fn connect(&mut self, space: SpaceId, id: &EntryId, coverage: Option<&SpaceCoverage>) {
        if coverage.is_some_and(|coverage| coverage.awaits(id)) {
            self.connected.insert(space);
        }
    }

    /// Whether the entry names a space that belongs to another community here.
    fn is_foreign(&self, entry: &Entry, community: CommunityId) -> bool {
        entry.space().is_some_and(|space| {
            let ledger = self.ingest.ledger();
            ledger
                .spaces()
                .get(&space)
                .is_some_and(|known| known.community != community)
        })
    }

    fn authority(&mut self, community: CommunityId) -> Option<Arc<Authority>> {
        if let Some(authority) = self.authorities.get(&community) {
            return Some(authority.clone());
        }
        let authority = self.ingest.ledger().authority(&community)?;
        self.authorities.insert(community, authority.clone());
        Some(authority)
    }

    fn coverage(&mut self, space: SpaceId) -> Option<Arc<SpaceCoverage>> {
        if let Some(coverage) = self.coverages.get(&space) {
            return coverage.clone();
        }
        let ledger = self.ingest.ledger();
        let known = ledger.spaces().get(&space).and_then(Space::coverage);
        let coverage = known.cloned();
        drop(ledger);
        self.coverages.insert(space, coverage.clone());
        coverage
    }

    pub(super) fn accept(
        &mut self,
        entry: Verified<Entry>,
        community: CommunityId,
        source: Source,
    ) {
        let space = entry.space().unwrap_or(governance_space(community));
        if !self.ids.insert(entry.id()) {
            return;
        }
        match &*entry {
            Entry::Contribution(it) => {
                let (known, document) = facts_of(it);
                self.contributions.insert(it.id(), known);
                if let Some(document) = document {
                    self.documents.insert(known.document, document);
                }
            }
            Entry::Certificate(it) if matches!(it.body(), CertificateBody::ErasureOrder(_)) => {}
            // Other certificates outside of the governance space declare restricted spaces.
            Entry::Certificate(_) => {
                self.governed.insert(community);
            }
            Entry::Record(_) if space == governance_space(community) => {
                self.governed.insert(community);
            }
            Entry::Record(_) | Entry::Bare(_) => {}
        }
        // Words that arrive erased come with the proof, which is an entry of its own.
        let erasure = entry
            .erasure()
            .filter(|erasure| !self.is_here(&erasure.id()));
        self.accepted.push(Accepted {
            entry,
            space,
            community,
            source: source.clone(),
        });
        if let Some(entry) = erasure {
            self.ids.insert(entry.id());
            self.accepted.push(Accepted {
                entry,
                space,
                community,
                source,
            });
        }
    }

    /// An unreadable index counts as "not here": committing twice is no error.
    fn is_here(&self, id: &EntryId) -> bool {
        self.ids.contains(id) || self.ingest.archive.contains(id).unwrap_or(false)
    }

    /// Whether a contribution is in effect, or will be with this round.
    fn is_in_effect(&self, id: &EntryId) -> bool {
        self.ids.contains(id)
            || (self.ingest.archive.contribution(*id).is_some()
                && !self.ingest.archive.held().contains(id))
    }
}

/// What an entry of a key waits for that authority does not let in.
fn waits_for(
    authority: &Authority,
    coverage: Option<&SpaceCoverage>,
    author: &PublicKey,
    id: &EntryId,
) -> Waits {
    match coverage {
        Some(coverage) if coverage.awaits_chain_of(author) => Waits::ForCut {
            named: coverage.awaits(id),
            person: authority.root_of(author).unwrap_or(*author),
        },
        _ => Waits::ForAuthority,
    }
}

/// Why a contribution cannot take effect now.
enum Hindrance {
    Missing(Vec<EntryId>),
    Unauthorized(AuthorizeError),
    Blocked(EntryId),
}

/// What linking sees: what is stored, in effect or held, what this round accepted, and for
/// contributions also what waits for authority.
struct Sight<'r, 'a> {
    round: &'r Round<'a>,
    pending: Option<&'r Pending>,
}

impl Sight<'_, '_> {
    fn waiting(&self, id: &EntryId) -> Option<&Contribution> {
        match &**self.pending?.unauthorized(id)? {
            Entry::Contribution(it) => Some(it),
            _ => None,
        }
    }

    fn header(&self, id: &EntryId) -> Option<Header> {
        match self.waiting(id) {
            Some(it) => Some(it.header().clone()),
            None => self.round.ingest.archive.header(id),
        }
    }

    /// Whether it waits in a form that somebody erased who may not.
    fn is_forged(&self, id: &EntryId, authority: &Authority) -> bool {
        self.waiting(id).is_some_and(|it| match it.words() {
            Words::Erased(proof) => authority.judge_erasure(proof, &it.header().author).is_err(),
            Words::Present(_) | Words::NotKept => false,
        })
    }

    /// The ancestors of an authorized contribution that are not in effect and come into it with this
    /// one, each after what it builds on.
    fn adopting(
        &self,
        authority: &Authority,
        cuts: &dyn Coverage,
        document: DocumentId,
        header: &Header,
    ) -> Result<Vec<EntryId>, Hindrance> {
        if header.deps().iter().all(|id| self.round.is_in_effect(id)) {
            return Ok(Vec::new());
        }
        let Some(facts) = self.document(document) else {
            return Err(Hindrance::Missing(vec![document.into()]));
        };
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        let mut walk: Vec<(EntryId, bool)> = header.deps().iter().map(|id| (*id, false)).collect();
        while let Some((id, is_done)) = walk.pop() {
            if is_done {
                order.push(id);
                continue;
            }
            if self.round.is_in_effect(&id) || !seen.insert(id) {
                continue;
            }
            // Words that somebody else erased have to arrive once more, from someone who is honest.
            let Some(of) = self.header(&id).filter(|_| !self.is_forged(&id, authority)) else {
                return Err(Hindrance::Missing(vec![id]));
            };
            let asked = (&id, &of.author, of.deps().is_empty());
            let verdict = effect::verdict(authority, cuts, of.space, &facts, asked);
            if verdict.is_err() && !effect::adoptable(authority, &facts, &of.author) {
                return Err(Hindrance::Blocked(id));
            }
            walk.push((id, true));
            walk.extend(of.deps().iter().map(|dep| (*dep, false)));
        }
        Ok(order)
    }
}

impl Known for Sight<'_, '_> {
    fn contribution(&self, id: EntryId) -> Option<KnownContribution> {
        let accepted = self.round.contributions.get(&id).copied();
        accepted
            .or_else(|| self.round.ingest.archive.contribution(id))
            .or_else(|| Some(facts_of(self.waiting(&id)?).0))
    }

    fn document(&self, id: DocumentId) -> Option<KnownDocument> {
        let accepted = self.round.documents.get(&id).cloned();
        accepted
            .or_else(|| self.round.ingest.archive.document(id))
            .or_else(|| facts_of(self.waiting(&id.into())?).1)
    }
}
