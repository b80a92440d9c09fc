//! What the governance space holds: everything *validly enveloped*, whether it counts or not.
//!
//! Letting an entry in is monotone: what a set lets in, every larger set lets in. So a node that is
//! told records in any order holds the same set in the end. Known keys never look at cuts: records
//! beyond a cut, and losing branches, are in the set and do not count.
//!
//! The rules, numbered as in `specs/access.md` §1:
//! - E1 to E5, certificates: [`certificates`].
//! - E6: a record in the governance space is signed by a key that the set knows: [`Envelope::judge`].
//! - E7: a key is known once a state of a party lists it, a delegate or node of a party admits it,
//!   or a root that is known so links it: [`keys`].
//! - E8: in other spaces stand receipts and acknowledgements of nodes, tables of cuts to which a
//!   narrowing commits, and erasures by the writer or the writer's root: [`Envelope::judge_in_space`].

use super::{Unauthorized, charter::CharterState, parties::PartyTrees};
use crate::{
    certificate::{self, CertificateBody, Genesis, PartyState, Resolution, SpaceDeclaration},
    codec::Origin,
    entry::{Entry, Record},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::RecordBody,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod certificates;
mod keys;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused {
    reason: Unauthorized,
    needs: Need,
}

impl Refused {
    fn for_good(reason: Unauthorized) -> Self {
        let needs = Need::Nothing;
        Self { reason, needs }
    }

    fn until(needs: Need, reason: Unauthorized) -> Self {
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
    pub(super) resolutions: BTreeMap<EntryId, (Resolution, Vec<PublicKey>)>,
    /// Of every branch: the genesis once it is founded, and what resolutions made of it.
    charters: BTreeMap<EntryId, CharterState>,
    pub(super) restricted: BTreeMap<SpaceId, SpaceDeclaration>,
    /// Spaces that some charter state declares.
    spaces: BTreeSet<SpaceId>,
    pub(super) keys: Keys,
    /// The roots of the sealed cuts of everything that may narrow.
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

    /// Whether a space was ever declared, as far as is known here.
    fn knows_space(&self, space: &SpaceId) -> bool {
        self.spaces.contains(space) || self.restricted.contains_key(space)
    }

    /// Decides whether a certificate or record belongs into the set of `space`.
    ///
    /// # Errors
    /// [`Unauthorized`] names the first rule that does not hold.
    pub(super) fn lets_in(&self, space: SpaceId, entry: &Entry) -> Result<(), Unauthorized> {
        self.judge(space, entry).map_err(|refused| refused.reason)
    }

    fn judge(&self, space: SpaceId, entry: &Entry) -> Result<(), Refused> {
        match entry {
            Entry::Contribution(_) | Entry::Bare(_) => {
                Err(Refused::for_good(Unauthorized::WrongSpace))
            }
            Entry::Certificate(it) if it.home(self.governance_space) != space => {
                Err(Refused::for_good(Unauthorized::WrongSpace))
            }
            Entry::Certificate(it) => self.judge_certificate(it),
            Entry::Record(it) if it.header().space != space => {
                Err(Refused::for_good(Unauthorized::WrongSpace))
            }
            Entry::Record(it) if space == self.governance_space => self.judge_record(it),
            Entry::Record(it) => self.judge_in_space(space, it),
        }
    }

    /// E6.
    fn judge_record(&self, record: &Record) -> Result<(), Refused> {
        let signer = &record.header().author;
        let needs = Need::Key(*signer);
        match record.body() {
            RecordBody::Erasure(_) | RecordBody::CutTable(_) => {
                Err(Refused::for_good(Unauthorized::WrongSpace))
            }
            RecordBody::Receipt(_) | RecordBody::Acknowledge(_) if !self.keys.is_node(signer) => {
                Err(Refused::until(needs, Unauthorized::NotANode))
            }
            _ if self.keys.is_known(signer) => Ok(()),
            _ => Err(Refused::until(needs, Unauthorized::NoStanding)),
        }
    }

    /// E8.
    fn judge_in_space(&self, space: SpaceId, record: &Record) -> Result<(), Refused> {
        if !self.knows_space(&space) {
            return Err(Refused::for_good(match self.genesis {
                None => Unauthorized::NoGenesis,
                Some(_) => Unauthorized::UnknownSpace,
            }));
        }
        let signer = &record.header().author;
        let refused = match record.body() {
            RecordBody::Receipt(_) | RecordBody::Acknowledge(_) => {
                (!self.keys.is_node(signer)).then_some(Unauthorized::NotANode)
            }
            // The narrowing itself vouches for what it says, whoever passes it on.
            RecordBody::CutTable(_) if !self.keys.is_known(signer) => {
                Some(Unauthorized::NoStanding)
            }
            RecordBody::CutTable(it) => (it.cut.space != space
                || self.sealed.get(&it.narrowing) != Some(&it.root()))
            .then_some(Unauthorized::UnknownTable),
            // Whose words they are was asked when it was linked to its target; it needs no other
            // standing, and none can be taken from it.
            RecordBody::Erasure(_) => None,
            _ => Some(Unauthorized::WrongSpace),
        };
        refused.map_or(Ok(()), |reason| Err(Refused::for_good(reason)))
    }

    /// Lets in what the rules let in, until nothing more comes: the least fixed point, whatever the
    /// order. Returns the records among them in the order of (signer, seq, id).
    pub(super) fn close<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> Vec<&'a Record> {
        let mut entries: Vec<&Entry> = entries.filter(|entry| self.may_stand(entry)).collect();
        entries.sort_by_cached_key(|entry| entry.key());
        entries.dedup_by_key(|entry| entry.id());
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
            RecordBody::Proposal(it) => {
                // Checked when the record was decoded, keys included.
                if let Ok(CertificateBody::Resolution(it)) =
                    CertificateBody::decode_from(Origin::OwnRecord, &it.body)
                {
                    self.name_parties(&it, learned);
                }
            }
            _ => {}
        }
    }
}
