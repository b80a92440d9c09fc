//! What the governance space holds: everything *validly enveloped*, whether it counts or not.
//!
//! Letting an entry in is monotone: what a set lets in, every larger set lets in. So a node that is
//! told records in any order holds the same set in the end. Known keys never look at cuts: records
//! beyond a cut, and losing branches, are in the set and do not count.
//!
//! The rules, E1 to E18 of `specs/access.md` §1, are in [`rules`], with one variant of
//! [`EnvelopeError`] each; E7, which keys are known, is in [`keys`]. Which of them an entry has to
//! keep stands here and in [`certificates`], with what an entry that breaks one waits for.

use super::{charter::CharterState, parties::PartyTrees};
use crate::{
    certificate::{self, CertificateBody, Genesis, PartyState, Resolution, SpaceDeclaration},
    codec::Origin,
    entry::{BareHeader, Entry, Record},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{Proposal, RecordBody},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod certificates;
mod error;
mod keys;
mod rules;

pub use error::{DeclarationFault, EnvelopeError, OrderFault};
use keys::Keys;

/// What an entry that is not let in waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Anything about the key.
    Key(PublicKey),
    /// A state, a resolution, the genesis.
    Entry(EntryId),
    /// That somebody names the party.
    Party(PartyId),
    /// Nothing that could come.
    Nothing,
}

/// Why an entry is not let in, and when to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    reason: EnvelopeError,
    needs: Need,
}

impl Refused {
    /// For rules that hold once something else is here.
    fn until(needs: Need) -> impl Fn(EnvelopeError) -> Self {
        move |reason| Self { reason, needs }
    }
}

/// For good, as far as this set decides what else comes in; but for what is missing by name.
impl From<EnvelopeError> for Refused {
    fn from(reason: EnvelopeError) -> Self {
        let needs = match &reason {
            EnvelopeError::Builds(id) => Need::Entry(*id),
            _ => Need::Nothing,
        };
        Self { reason, needs }
    }
}

/// What is still to be judged.
#[derive(Default)]
struct Agenda<'a> {
    first: VecDeque<&'a Entry>,
    resolutions: VecDeque<&'a Entry>,
    waiting: BTreeMap<Need, Vec<&'a Entry>>,
}

impl<'a> Agenda<'a> {
    fn add(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries {
            match entry {
                Entry::Certificate(it) if matches!(it.body(), CertificateBody::Resolution(_)) => {
                    self.resolutions.push_back(entry);
                }
                _ => self.first.push_back(entry),
            }
        }
    }

    fn wait(&mut self, needs: Need, entry: &'a Entry) {
        if needs != Need::Nothing {
            self.waiting.entry(needs).or_default().push(entry);
        }
    }

    fn retry(&mut self, learned: Vec<Need>) {
        for need in learned {
            let released = self.waiting.remove(&need).into_iter().flatten();
            self.add(released);
        }
    }
}

/// The set, as far as it decides what else comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    community: CommunityId,
    governance_space: SpaceId,
    /// The genesis with its id as a certificate, founded or not.
    pub(super) genesis: Option<(EntryId, Genesis)>,
    /// Parties whose first states may come in.
    named: BTreeSet<PartyId>,
    pub(super) states: BTreeMap<EntryId, PartyState>,
    /// The parties that start with these states. Each is told by a digest of all that the state says,
    /// so it is reckoned once, however many states build on it.
    starts: BTreeMap<EntryId, PartyId>,
    pub(super) resolutions: BTreeMap<EntryId, (Resolution, Vec<PublicKey>)>,
    /// Of every branch: the genesis once it is founded, and what resolutions made of it.
    charters: BTreeMap<EntryId, CharterState>,
    pub(super) restricted: BTreeMap<SpaceId, SpaceDeclaration>,
    /// Spaces that some charter state declares.
    spaces: BTreeSet<SpaceId>,
    pub(super) keys: Keys,
    /// The roots of the sealed cuts of everything that narrows, or would.
    sealed: BTreeMap<EntryId, [u8; 32]>,
    /// The states in order, with all their branches: what counts never depends on which is followed.
    pub(super) trees: PartyTrees,
    /// Whether states came since they were put in order.
    trees_lag: bool,
}

impl Envelope {
    /// The empty set of a community.
    pub(super) fn new(community: CommunityId) -> Self {
        Self {
            community,
            governance_space: certificate::governance_space(community),
            genesis: None,
            named: BTreeSet::new(),
            states: BTreeMap::new(),
            starts: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            charters: BTreeMap::new(),
            restricted: BTreeMap::new(),
            spaces: BTreeSet::new(),
            keys: Keys::default(),
            sealed: BTreeMap::new(),
            trees: PartyTrees::default(),
            trees_lag: false,
        }
    }

    /// Whether the set holds a state of a party or a resolution with this id.
    pub(super) fn holds_certificate(&self, id: &EntryId) -> bool {
        self.states.contains_key(id) || self.resolutions.contains_key(id)
    }

    /// The spaces that were ever declared, as far as is known here, on any branch of the charter.
    pub(super) fn declared(&self) -> impl Iterator<Item = SpaceId> {
        let restricted = self.restricted.keys();
        self.spaces.iter().chain(restricted).copied()
    }

    /// Decides whether a certificate or record belongs into the set of `space`.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the first rule that does not hold.
    pub(super) fn lets_in(&self, space: SpaceId, entry: &Entry) -> Result<(), EnvelopeError> {
        self.judge(space, entry).map_err(|refused| refused.reason)
    }

    fn judge(&self, space: SpaceId, entry: &Entry) -> Result<(), Refused> {
        rules::e9_place(entry, space, self.governance_space)?;
        match entry {
            Entry::Contribution(_) | Entry::Bare(_) => Ok(()),
            Entry::Certificate(it) => self.judge_certificate(it),
            Entry::Record(it) if space == self.governance_space => self.judge_record(it),
            Entry::Record(it) => self.judge_in_space(space, it),
        }
    }

    /// A record of the governance space.
    fn judge_record(&self, record: &Record) -> Result<(), Refused> {
        let signer = &record.header().author;
        let judged = match record.body() {
            RecordBody::Receipt(_) | RecordBody::Acknowledge(_) => {
                rules::e13_node(signer, &self.keys)
            }
            _ => rules::e6_signer(signer, &self.keys),
        };
        judged.map_err(Refused::until(Need::Key(*signer)))
    }

    /// A record of another space.
    fn judge_in_space(&self, space: SpaceId, record: &Record) -> Result<(), Refused> {
        self.judge_space(&space)?;
        let signer = &record.header().author;
        match record.body() {
            RecordBody::Receipt(_) | RecordBody::Acknowledge(_) => {
                rules::e13_node(signer, &self.keys)?;
            }
            // The narrowing itself vouches for what it says, whoever passes it on.
            RecordBody::CutTable(it) => {
                rules::e6_signer(signer, &self.keys)?;
                rules::e8_table(it, space, &self.sealed)?;
            }
            // Of erasures E17 was asked when it was known what they erase; they need no other
            // standing, and none can be taken from them.
            _ => {}
        }
        Ok(())
    }

    /// Whether the space was ever declared, as far as is known here.
    fn judge_space(&self, space: &SpaceId) -> Result<(), EnvelopeError> {
        rules::e12_genesis_is_here(self.genesis.as_ref())?;
        rules::e14_declared(self.spaces.contains(space) || self.restricted.contains_key(space))
    }

    /// Whether a key may erase what a device wrote.
    pub(super) fn lets_erase(
        &self,
        signer: &PublicKey,
        written_by: &PublicKey,
    ) -> Result<(), EnvelopeError> {
        rules::e17_writer(signer, written_by, &self.keys)
    }

    /// Whether a bare header with this space may stand in the set of `space`, covered or not.
    pub(super) fn lets_in_bare(
        &self,
        space: SpaceId,
        header: &BareHeader,
        is_covered: bool,
    ) -> Result<(), EnvelopeError> {
        match space == self.governance_space || header.space() != space {
            true => Err(EnvelopeError::WrongSpace),
            false => rules::e18_covered(is_covered),
        }
    }

    /// Lets in what the rules let in, until nothing more comes: the least fixed point, whatever the
    /// order. Returns the records among them in the order of (signer, seq, id).
    pub(super) fn close<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Vec<&'a Record> {
        let mut entries: Vec<&Entry> = entries.filter(|entry| self.may_stand(entry)).collect();
        // A certificate may come with several lists of signers, of which one suffices: all are looked
        // at, in an order that does not depend on how they came.
        entries.sort_by_cached_key(|entry| (entry.key(), signers(entry)));
        entries.dedup_by_key(|entry| (entry.id(), signers(entry)));
        let mut agenda = Agenda::default();
        let (certificates, records): (Vec<&Entry>, Vec<&Entry>) = entries
            .into_iter()
            .partition(|entry| matches!(entry, Entry::Certificate(_)));
        agenda.add(certificates.into_iter().chain(records));
        let mut held: Vec<&Record> = Vec::new();
        while let Some(entry) = self.next(&mut agenda) {
            let space = match entry {
                Entry::Certificate(it) => it.home(self.governance_space),
                _ => self.governance_space,
            };
            if self.holds_certificate(&entry.id()) {
                continue;
            }
            match self.judge(space, entry) {
                Ok(()) => {
                    if let Entry::Record(record) = entry {
                        held.push(record);
                    }
                    let learned = self.take(entry);
                    agenda.retry(learned);
                }
                Err(refused) => agenda.wait(refused.needs, entry),
            }
        }
        held.sort_by_key(|it| (it.header().author, it.header().link.seq, it.id()));
        held
    }

    /// What to look at next. Resolutions come last, once the states of parties are in order: that
    /// costs as much as there are states, so it is done for many at once.
    fn next<'a>(&mut self, agenda: &mut Agenda<'a>) -> Option<&'a Entry> {
        loop {
            if let Some(entry) = agenda.first.pop_front() {
                return Some(entry);
            }
            if !self.grow_trees() {
                return agenda.resolutions.pop_front();
            }
            let mut learned = Vec::new();
            self.found(&mut learned);
            agenda.retry(learned);
        }
    }

    /// Whether the entry is one of the governance space or a declaration: the rest is content.
    fn may_stand(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Contribution(_) | Entry::Bare(_) => false,
            Entry::Record(it) => it.header().space == self.governance_space,
            Entry::Certificate(it) => !matches!(it.body(), CertificateBody::ErasureOrder(_)),
        }
    }

    /// Learns from an entry that was let in. Returns what others may have waited for.
    fn take(&mut self, entry: &Entry) -> Vec<Need> {
        let mut learned = Vec::new();
        match entry {
            Entry::Contribution(_) | Entry::Bare(_) => {}
            Entry::Certificate(it) => self.take_certificate(it, &mut learned),
            Entry::Record(it) => self.take_record(it, &mut learned),
        }
        learned
    }

    /// E7, and E2 for parties that a proposal names.
    fn take_record(&mut self, record: &Record, learned: &mut Vec<Need>) {
        let signer = record.header().author;
        match record.body() {
            RecordBody::Admission(it) => self.keys.admit(it.party, signer, it.member, learned),
            RecordBody::Invitation(it) => self.keys.invite(record.id(), it.party, learned),
            RecordBody::Countersignature(it) => {
                self.keys
                    .countersign(it.invitation, signer, it.member, learned);
            }
            RecordBody::DeviceLink(it) => self.keys.link(signer, it.device, false, learned),
            RecordBody::NodeLink(it) => self.keys.link(signer, it.node, true, learned),
            RecordBody::Revocation(it) => {
                self.sealed.insert(record.id(), it.cuts.sealed);
            }
            RecordBody::Departure(it) => {
                self.sealed.insert(record.id(), it.cuts.sealed);
            }
            RecordBody::DeviceRevocation(it) => {
                self.sealed.insert(record.id(), it.cuts.sealed);
            }
            RecordBody::Proposal(it) => self.take_proposal(it, learned),
            _ => {}
        }
    }

    /// A proposal says all that its certificate will say: which parties it adds, and to which tables
    /// of cuts it commits. So both may come before it, and are here when it takes effect.
    fn take_proposal(&mut self, it: &Proposal, learned: &mut Vec<Need>) {
        let narrowing = certificate::body_id(&it.body);
        // Checked when the record was decoded, keys included.
        match CertificateBody::decode_from(Origin::OwnRecord, &it.body) {
            Ok(CertificateBody::Resolution(it)) => {
                self.name_parties(&it, learned);
                self.sealed.insert(narrowing, it.cuts.sealed);
            }
            Ok(CertificateBody::Party(it)) => {
                self.sealed.insert(narrowing, it.cuts.sealed);
            }
            _ => {}
        }
    }
}

/// Who signed a certificate; nobody for the rest, which has one signer.
fn signers(entry: &Entry) -> Vec<PublicKey> {
    match entry {
        Entry::Certificate(it) => it.signers().collect(),
        _ => Vec::new(),
    }
}
