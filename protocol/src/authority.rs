//! Who may do what: a pure function of the set of governance records (I7).
//!
//! [`Authority::evaluate`] goes through strata, each reading only those below it:
//! 0. `envelope`: what the set holds at all, whatever it counts for. Monotone.
//! 1. [`parties`], [`charter`], in four steps. First what counts, of every branch: the states of the
//!    parties ([`parties::PartyTrees`]), and by them the resolutions. Then which branch is followed:
//!    of the charter, by what delegates of all those states said; and of each party, by what the
//!    charter followed so names of it, else by what its delegates said. So the charter never reads
//!    which branch of a party is followed, and there is no circle.
//! 2. Who spoke for each party up to when: tenures along the path that is followed.
//! 3. [`coverage`]: up to where things count that a [`narrowing`] took, by cuts and [`receipts`].
//! 4. `roster`: who is or was a member, with which roles, devices and nodes.
//! 5. content: [`Authority::authorize`] for one contribution, [`effective`] for a document.
//!
//! Never arrival order, never a clock: two nodes with equal records answer every question alike.
//!
//! Spec: `specs/charter.md`, `specs/roster.md`, `specs/access.md`.

use crate::{
    certificate::{self, Genesis, PartyState, Space},
    contribution::ChainLink,
    entry::{BareHeader, Entry, Record, Verified},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{RecordBody, Roles},
};
use std::collections::{BTreeMap, BTreeSet};

mod branches;
mod changed;
pub mod charter;
mod concerned;
pub mod coverage;
pub mod deliberation;
pub mod effective;
mod envelope;
mod narrowed;
pub mod narrowing;
mod orders;
pub mod parties;
pub mod receipts;
mod rights;
mod roster;
pub mod segments;
mod tree;
mod unauthorized;

pub use branches::{AuthorLink, ChainLinks};
pub use changed::Changed;
pub use envelope::{DeclarationFault, EnvelopeError, OrderFault};
pub use roster::RosterError;
pub use unauthorized::Unauthorized;

use charter::Charter;
use coverage::{Coverage, NoCuts, NodeStanding, NodeTenure, SpaceCoverage};
use envelope::Envelope;
use narrowed::certified_narrowings;
use narrowing::Narrowing;
use parties::{Capacity, Parties, Tenure, Words};
use receipts::SpaceRecords;
use rights::SpaceRules;
use roster::{Ground, Roster, Seat};

/// A person's standing with one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Roles held now, all grants together.
    pub roles: Roles,
    /// The record or certificate that first admitted the person (lowest id).
    pub admitted_by: EntryId,
}

/// An invitation that enough delegates of its party stand behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownInvitation {
    /// The delegate who signed it.
    pub by: PublicKey,
    /// What it offers.
    pub offer: crate::record::Invitation,
    /// Members it has let in so far.
    pub used_by: BTreeSet<PublicKey>,
}

/// What a contribution wants to do, as far as authority is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Create a document.
    Create,
    /// Edit a document that anyone who may write in the space edits.
    EditShared,
    /// Edit a document that only its owner edits: the one linked to this device.
    EditOwned {
        /// The device that created it.
        owner: PublicKey,
    },
}

/// An author's standing at the moment of authorization, to be shown beside the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The person's root key.
    pub root: PublicKey,
    /// The party that vouches; the lowest id where there are several.
    pub party: PartyId,
}

/// Everything that follows from one set of governance records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    community: CommunityId,
    governance_space: SpaceId,
    envelope: Envelope,
    chains: Parties,
    charter: Option<Charter>,
    /// The parties that are or were in the charter.
    ever: BTreeSet<PartyId>,
    roster: Roster,
    narrowings: BTreeMap<EntryId, Narrowing>,
    rules: BTreeMap<SpaceId, SpaceRules>,
    parties: BTreeMap<PartyId, PartyState>,
    spaces: BTreeMap<SpaceId, Space>,
}

impl Authority {
    /// The authority of a community of which nothing but the id is known.
    pub fn unknown(community: CommunityId) -> Self {
        Self {
            community,
            governance_space: certificate::governance_space(community),
            envelope: Envelope::new(community),
            chains: Parties::default(),
            charter: None,
            ever: BTreeSet::new(),
            roster: Roster::default(),
            narrowings: BTreeMap::new(),
            rules: BTreeMap::new(),
            parties: BTreeMap::new(),
            spaces: BTreeMap::new(),
        }
    }

    /// Evaluates a set: entries of the governance space, and declarations of restricted spaces that
    /// are known here. Order and repetition do not matter, nor does what no rule lets in. Signatures
    /// were checked before, and are not again.
    pub fn evaluate(community: CommunityId, entries: &[Verified<Entry>]) -> Self {
        let mut authority = Self::unknown(community);
        let records = authority
            .envelope
            .close(entries.iter().map(|entry| &**entry));
        let words = words(&records);
        let trees = &authority.envelope.trees;
        let charter = authority.followed_charter(&words);
        let pins = charter.as_ref().map(|it| it.current().pins());
        authority.chains = Parties::follow(trees, &pins.unwrap_or_default(), &words);
        if let Some(charter) = charter {
            authority.take_office(charter, &records);
        }
        authority
    }

    /// The charter, once the community is founded.
    fn followed_charter(&self, words: &Words) -> Option<Charter> {
        let (id, genesis) = self.envelope.genesis.as_ref()?;
        let resolutions = self.envelope.resolutions.iter();
        let resolutions: Vec<_> = resolutions
            .map(|(id, (resolution, signers))| (*id, resolution, signers.as_slice()))
            .collect();
        let trees = &self.envelope.trees;
        Charter::evaluate(self.community, (*id, genesis), &resolutions, trees, words).ok()
    }

    /// The strata above the charter.
    fn take_office(&mut self, charter: Charter, records: &[&Record]) {
        let path = charter.path().iter().filter_map(|id| charter.state(id));
        self.ever = path.flat_map(|it| it.parties.keys().copied()).collect();
        let mut narrowings =
            certified_narrowings(&self.envelope, &self.chains, &charter, &self.ever);
        let candidates = roster::candidates(records.iter().copied());
        narrowings.extend(candidates.map(|it| (it.id, it)));
        self.charter = Some(charter);
        let coverage = self.governance_coverage(&narrowings, records);
        let Some(charter) = &self.charter else { return };
        let ground = Ground {
            community: self.community,
            parties: &self.chains,
            ever: &self.ever,
            charter,
            narrowings: &narrowings,
            coverage: &coverage,
        };
        self.roster = roster::evaluate(&ground, records);
        let counting = &self.roster.narrowings;
        let is_record = |it: &Narrowing| !self.envelope.holds_certificate(&it.id);
        narrowings.retain(|id, it| !is_record(it) || counting.contains(id));
        self.narrowings = narrowings;
        self.rules = rights::rules(&self.envelope, charter, &self.chains);
        self.spaces = self
            .rules
            .iter()
            .map(|(id, rules)| (*id, rules.space.clone()))
            .collect();
        self.parties = charter
            .current()
            .parties
            .keys()
            .filter_map(|party| Some((*party, self.chains.chain(party)?)))
            .filter(|(_, chain)| chain.left(&self.community).is_none())
            .map(|(party, chain)| (party, chain.current().1.clone()))
            .collect();
    }

    /// What narrowings cover in the governance space, by its own records.
    fn governance_coverage(
        &self,
        narrowings: &BTreeMap<EntryId, Narrowing>,
        records: &[&Record],
    ) -> SpaceCoverage {
        let mut spoken = SpaceRecords::new();
        let nodes = records
            .iter()
            .filter(|it| self.envelope.keys.is_node(&it.header().author));
        for record in nodes {
            spoken.add(record);
        }
        let links = Links(records.iter().map(|it| (it.id(), *it)).collect());
        let narrowed = match narrowings.is_empty() {
            true => BTreeSet::new(),
            false => records.iter().map(|it| it.header().author).collect(),
        };
        SpaceCoverage::build(
            self.governance_space,
            narrowings,
            &narrowed,
            &spoken,
            &links,
            self,
        )
    }

    /// The community.
    pub fn community(&self) -> CommunityId {
        self.community
    }

    /// The space of the community's public governance records.
    pub fn governance_space(&self) -> SpaceId {
        self.governance_space
    }

    /// The genesis, once it and the first states of its parties are here.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.charter.as_ref()?;
        self.envelope.genesis.as_ref().map(|(_, genesis)| genesis)
    }

    /// The charter: its branches and what is in force; none until the community is founded.
    pub fn charter(&self) -> Option<&Charter> {
        self.charter.as_ref()
    }

    /// The chains of all parties that were ever named, of this community or for it.
    pub fn party_chains(&self) -> &Parties {
        &self.chains
    }

    /// The parties of the community now, in their current states.
    pub fn parties(&self) -> &BTreeMap<PartyId, PartyState> {
        &self.parties
    }

    /// The spaces of the charter, closed ones included, and the restricted ones that are known here.
    pub fn spaces(&self) -> &BTreeMap<SpaceId, Space> {
        &self.spaces
    }

    /// The spaces of all branches of the charter, those that are not followed included, and the
    /// restricted ones that are known here: what statements may stand in, whoever reads there.
    pub fn spaces_ever(&self) -> impl Iterator<Item = SpaceId> {
        self.envelope.declared()
    }

    /// Everything that took something, with its cuts: for the coverage of the other spaces.
    pub fn narrowings(&self) -> &BTreeMap<EntryId, Narrowing> {
        &self.narrowings
    }

    /// Members by root key, with their standing per party.
    pub fn members(&self) -> &BTreeMap<PublicKey, BTreeMap<PartyId, Membership>> {
        &self.roster.members
    }

    /// Devices of a root key that it did not remove, by slot.
    pub fn device_slots(&self, root: &PublicKey) -> Option<&BTreeMap<u64, PublicKey>> {
        self.roster.device_slots.get(root)
    }

    /// Every device that a root key ever linked.
    pub fn devices_ever(&self, root: &PublicKey) -> impl Iterator<Item = PublicKey> {
        self.envelope.keys.linked_by(root)
    }

    /// Whether a root key ever linked a device.
    pub fn was_linked(&self, device: &PublicKey, root: &PublicKey) -> bool {
        self.envelope.keys.was_linked(device, root)
    }

    /// Valid invitations by record id.
    pub fn invitations(&self) -> &BTreeMap<EntryId, KnownInvitation> {
        &self.roster.invitations
    }

    /// The person behind a device, member or not. Of several the lowest member, else the lowest.
    pub fn root_of(&self, device: &PublicKey) -> Option<PublicKey> {
        self.standing(device)
            .map(|standing| standing.root)
            .or_else(|| self.envelope.keys.owners(device).next())
    }

    /// The standing of the person behind a device, now.
    pub fn standing(&self, device: &PublicKey) -> Option<Standing> {
        self.seats_now(device).next().map(|seat| Standing {
            root: seat.root,
            party: seat.party,
        })
    }

    /// The seats that a device speaks for now.
    fn seats_now(&self, device: &PublicKey) -> impl Iterator<Item = &Seat> {
        let paths = self.roster.seats.paths(device);
        paths
            .filter(|(path, seat)| path.is_open() && seat.is_held())
            .map(|(_, seat)| seat)
    }

    /// The party that a node serves now, by itself or by a member who linked it.
    pub fn node_party(&self, node: &PublicKey) -> Option<PartyId> {
        if self.is_cut_node(node) {
            return None;
        }
        let of_party = self
            .parties
            .iter()
            .find(|(_, state)| state.nodes.contains(node));
        of_party.map(|(party, _)| *party).or_else(|| {
            let roots = self.roster.member_nodes.get(node)?;
            roots
                .iter()
                .find_map(|root| self.members().get(root)?.keys().next().copied())
        })
    }

    /// Whether two devices belong, or belonged, to one person.
    pub fn same_person(&self, a: &PublicKey, b: &PublicKey) -> bool {
        let mut owners = self.envelope.keys.owners(a);
        a == b || owners.any(|root| self.was_linked(b, &root))
    }

    /// Whether a record or certificate belongs into the set of `space`, whether it counts or not.
    /// What is let in stays in, whatever else arrives.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the first rule that does not hold.
    pub fn lets_in(&self, space: SpaceId, entry: &Entry) -> Result<(), EnvelopeError> {
        self.envelope.lets_in(space, entry)
    }

    /// Why a record of the roster that is in the set has no effect, by the rules that evaluation went by.
    /// Records that are not about the roster are not judged.
    ///
    /// # Errors
    /// [`RosterError`] names the rule that it does not meet.
    pub fn judge_record(&self, record: &Record) -> Result<(), RosterError> {
        self.roster.judge(record)
    }

    /// Whether at least one narrowing in force covers an entry: what stands below it may count because
    /// of it, whether it counts itself or not.
    pub fn is_covered(&self, key: &PublicKey, id: &EntryId, coverage: &dyn Coverage) -> bool {
        let mut narrowings = self.narrowings.keys();
        narrowings.any(|it| coverage.covers(it, key, id))
    }

    /// Whether a bare header belongs into the set of `space`, as long as what it heads is not in
    /// effect. Spec: `specs/cuts.md` §7.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the rule that does not hold.
    pub fn lets_in_bare(
        &self,
        space: SpaceId,
        header: &BareHeader,
        coverage: &dyn Coverage,
    ) -> Result<(), EnvelopeError> {
        let is_covered = self.is_covered(&header.author(), &header.of(), coverage);
        self.envelope.lets_in_bare(space, header, is_covered)
    }

    /// Whether a contribution with this author, made now, would count: no cut is asked.
    ///
    /// # Errors
    /// As [`Authority::authorize`].
    pub fn authorize_contribution(
        &self,
        space: SpaceId,
        author: &PublicKey,
        act: Act,
    ) -> Result<Standing, Unauthorized> {
        let id = EntryId::from_bytes([0; 32]);
        self.authorize(space, &id, author, None, act, &NoCuts)
    }
}

impl NodeStanding for Authority {
    fn tenures(&self, key: &PublicKey) -> Vec<NodeTenure> {
        let Some(charter) = &self.charter else {
            return Vec::new();
        };
        let cuts = charter.node_cuts().get(key).into_iter().flatten();
        let cuts: Vec<EntryId> = cuts.copied().collect();
        let mut tenures = Vec::new();
        for (party, chain) in roster::chains_of(&self.ever, &self.chains) {
            let dropped = match chain.tenure(key, Capacity::Node) {
                Tenure::Never => continue,
                Tenure::Now => None,
                Tenure::Until(by) => Some(by),
            };
            let ended = roster::party_ended(self.community, charter, party, chain);
            tenures.push(NodeTenure {
                party,
                narrowings: cuts.iter().copied().chain(dropped).chain(ended).collect(),
            });
        }
        tenures
    }
}

/// The headers of records by id.
struct Links<'a>(BTreeMap<EntryId, &'a Record>);

impl ChainLinks for Links<'_> {
    fn link(&self, id: &EntryId) -> Option<AuthorLink> {
        let header = self.0.get(id)?.header();
        let (author, link): (PublicKey, ChainLink) = (header.author, header.link);
        Some(AuthorLink { author, link })
    }
}

/// What delegates said for certified states: choices and approvals alike. So a key cannot be turned
/// against a branch that it stood for, whoever holds it later.
fn words(records: &[&Record]) -> Words {
    let mut words = Words::new();
    for record in records {
        let said = match record.body() {
            RecordBody::BranchChoice(it) => it.chosen,
            RecordBody::Approval(it) => it.certificate,
            _ => continue,
        };
        words
            .entry(record.header().author)
            .or_default()
            .insert(said);
    }
    words
}
