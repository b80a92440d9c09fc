//! Who may do what: a pure function of the set of governance records (I7).
//!
//! Evaluation goes through strata, each reading only those before it:
//! 1. party states, each valid by the delegates' signatures inside;
//! 2. the genesis whose digest is the community's id, signed by every founding party;
//! 3. the roster: invitations, countersignatures, admissions, device and node links.
//!
//! Never arrival order, never a clock: two nodes with equal records answer every question alike.
//! Changes of parties and charter, revocation and cuts build on these strata. Nothing here takes a
//! grant away: whatever a set of records allows, every larger set allows too.
//!
//! Spec: `specs/charter.md`, `specs/roster.md`.

use crate::{
    certificate::{
        self, Certificate, CertificateBody, Genesis, PartyState, Readers, Space, Writers,
    },
    entry::{Entry, Record, Verified},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{RecordBody, Role, Roles},
};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

pub mod charter;
pub mod deliberation;
pub mod parties;
mod branches;
pub mod coverage;
pub mod effective;
pub mod narrowing;
pub mod receipts;
mod roster;
pub mod segments;
mod tree;

pub use branches::{AuthorLink, ChainLinks};

/// A person's standing with one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Roles granted, all grants together.
    pub roles: Roles,
    /// The record that first admitted the person (lowest id).
    pub admitted_by: EntryId,
}

/// An invitation that a delegate of its party really made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownInvitation {
    /// The delegate.
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

/// Why an entry has no effect for lack of authority. It may gain it when records arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unauthorized {
    /// The community's genesis is not known here yet.
    #[error("the community's genesis has not arrived yet")]
    NoGenesis,
    /// The community declares no such space.
    #[error("the community declares no such space")]
    UnknownSpace,
    /// The key is no device of a member.
    #[error("the key belongs to no member of this community")]
    NotAMember,
    /// The member's roles do not cover writing here.
    #[error("the member's roles do not allow writing in this space")]
    RoleMissing,
    /// Someone else's document.
    #[error("only the person who wrote this document may change it")]
    NotTheOwner,
    /// The signer has no standing in the governance of this community.
    #[error("the signer has no standing in this community")]
    NoStanding,
    /// Only nodes that serve the community sign receipts.
    #[error("the signer is no node of this community")]
    NotANode,
    /// Certificates stand in the governance space only, and content never does.
    #[error("an entry of this type does not belong into this space")]
    WrongSpace,
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
    genesis: Option<Genesis>,
    founding: BTreeSet<PartyId>,
    parties: BTreeMap<PartyId, PartyState>,
    spaces: BTreeMap<SpaceId, Space>,
    members: BTreeMap<PublicKey, BTreeMap<PartyId, Membership>>,
    devices: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    device_slots: BTreeMap<PublicKey, BTreeMap<u64, PublicKey>>,
    member_nodes: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    invitations: BTreeMap<EntryId, KnownInvitation>,
}

impl Authority {
    /// The authority of a community of which nothing but the id is known.
    pub fn unknown(community: CommunityId) -> Self {
        Self {
            community,
            governance_space: certificate::governance_space(community),
            genesis: None,
            founding: BTreeSet::new(),
            parties: BTreeMap::new(),
            spaces: BTreeMap::new(),
            members: BTreeMap::new(),
            devices: BTreeMap::new(),
            device_slots: BTreeMap::new(),
            member_nodes: BTreeMap::new(),
            invitations: BTreeMap::new(),
        }
    }

    /// Evaluates a set of governance entries. Order and repetition do not matter.
    pub fn evaluate(community: CommunityId, entries: &[Verified<Entry>]) -> Self {
        let mut authority = Self::unknown(community);
        let certificates = entries.iter().filter_map(|entry| match &**entry {
            Entry::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        let (parties, charters): (Vec<_>, Vec<_>) =
            certificates.partition(|it| matches!(it.body(), CertificateBody::Party(_)));
        authority.read_parties(&parties);
        authority.read_genesis(&charters);
        let mut records: BTreeMap<EntryId, &Record> = BTreeMap::new();
        for entry in entries {
            if let Entry::Record(record) = &**entry
                && record.header().space == authority.governance_space
            {
                records.insert(record.id(), record);
            }
        }
        roster::evaluate(&mut authority, &records);
        authority
    }

    fn read_parties(&mut self, certificates: &[&Certificate]) {
        for certificate in certificates {
            if let CertificateBody::Party(state) = certificate.body()
                && state.parent.is_none()
            {
                self.parties
                    .insert(certificate::party_id(state), state.clone());
            }
        }
    }

    fn read_genesis(&mut self, certificates: &[&Certificate]) {
        let mut founded = None;
        for certificate in certificates {
            let CertificateBody::Genesis(genesis) = certificate.body() else {
                continue;
            };
            if certificate::community_id(genesis) != self.community {
                continue;
            }
            self.founding = genesis.parties.iter().copied().collect();
            let signed_by_all = genesis.parties.iter().all(|party| {
                self.parties
                    .get(party)
                    .is_some_and(|state| is_certified(certificate, state))
            });
            if signed_by_all {
                founded = Some(genesis.clone());
            }
        }
        let Some(genesis) = founded else {
            self.parties.clear();
            return;
        };
        self.parties
            .retain(|party, _| genesis.parties.contains(party));
        self.spaces = genesis
            .spaces(self.community)
            .map(|(id, space)| (id, space.clone()))
            .collect();
        self.genesis = Some(genesis);
    }

    /// The community.
    pub fn community(&self) -> CommunityId {
        self.community
    }

    /// The space of the community's public governance records.
    pub fn governance_space(&self) -> SpaceId {
        self.governance_space
    }

    /// The genesis, once it and its parties' signatures have arrived.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    /// The parties of the community.
    pub fn parties(&self) -> &BTreeMap<PartyId, PartyState> {
        &self.parties
    }

    /// The declared spaces.
    pub fn spaces(&self) -> &BTreeMap<SpaceId, Space> {
        &self.spaces
    }

    /// Members by root key, with their standing per party.
    pub fn members(&self) -> &BTreeMap<PublicKey, BTreeMap<PartyId, Membership>> {
        &self.members
    }

    /// Devices of each root key, by slot.
    pub fn device_slots(&self, root: &PublicKey) -> Option<&BTreeMap<u64, PublicKey>> {
        self.device_slots.get(root)
    }

    /// Valid invitations by record id.
    pub fn invitations(&self) -> &BTreeMap<EntryId, KnownInvitation> {
        &self.invitations
    }

    /// Root keys that linked a device; more than one only if its holder consented to several.
    fn roots_of(&self, device: &PublicKey) -> impl Iterator<Item = PublicKey> {
        self.devices.get(device).into_iter().flatten().copied()
    }

    /// The person behind a device, member or not. Of several the lowest member, else the lowest.
    pub fn root_of(&self, device: &PublicKey) -> Option<PublicKey> {
        self.standing(device)
            .map(|standing| standing.root)
            .or_else(|| self.roots_of(device).next())
    }

    /// The standing of the person behind a device.
    pub fn standing(&self, device: &PublicKey) -> Option<Standing> {
        self.standings(device).next()
    }

    fn standings(&self, device: &PublicKey) -> impl Iterator<Item = Standing> {
        self.roots_of(device).filter_map(|root| {
            let party = *self.members.get(&root)?.keys().next()?;
            Some(Standing { root, party })
        })
    }

    /// The party or member that a node serves.
    pub fn node_party(&self, node: &PublicKey) -> Option<PartyId> {
        let of_party = self
            .parties
            .iter()
            .find(|(_, state)| state.nodes.contains(node));
        of_party.map(|(party, _)| *party).or_else(|| {
            let roots = self.member_nodes.get(node)?;
            roots
                .iter()
                .find_map(|root| self.members.get(root)?.keys().next().copied())
        })
    }

    /// Whether a device's holder, or a node of a party, may read a space.
    pub fn may_read(&self, reader: Option<&PublicKey>, space: SpaceId) -> bool {
        if space == self.governance_space {
            return true;
        }
        match self.spaces.get(&space).map(|space| &space.readers) {
            None => false,
            Some(Readers::Everyone) => true,
            Some(Readers::Members) => reader.is_some_and(|key| self.is_reader(key)),
            // Not judged yet.
            Some(Readers::Parties(_) | Readers::Groups(_) | Readers::Persons(_)) => false,
        }
    }

    fn is_reader(&self, key: &PublicKey) -> bool {
        self.standing(key).is_some() || self.parties.values().any(|it| it.nodes.contains(key))
    }

    /// Decides whether a contribution's author may do `act` in `space`.
    ///
    /// # Errors
    /// [`Unauthorized`] names the first rule that does not hold.
    pub fn authorize_contribution(
        &self,
        space: SpaceId,
        author: &PublicKey,
        act: Act,
    ) -> Result<Standing, Unauthorized> {
        if space == self.governance_space {
            return Err(Unauthorized::WrongSpace);
        }
        if self.genesis.is_none() {
            return Err(Unauthorized::NoGenesis);
        }
        let rules = self.spaces.get(&space).ok_or(Unauthorized::UnknownSpace)?;
        let mut refusal = Unauthorized::NotAMember;
        for standing in self.standings(author) {
            if !self.may_write(&standing.root, rules.writers) {
                refusal = Unauthorized::RoleMissing;
            } else if let Act::EditOwned { owner } = act
                && !self.roots_of(&owner).any(|root| root == standing.root)
            {
                refusal = Unauthorized::NotTheOwner;
            } else {
                return Ok(standing);
            }
        }
        Err(refusal)
    }

    fn may_write(&self, root: &PublicKey, writers: Writers) -> bool {
        let roles = self.roles(root);
        match writers {
            Writers::Members => [Role::Member, Role::Steward, Role::Bridge]
                .iter()
                .any(|it| roles.contains(it)),
            Writers::Stewards => roles.contains(&Role::Steward),
        }
    }

    /// Decides whether a record or certificate belongs into the set of `space`.
    ///
    /// # Errors
    /// [`Unauthorized`] names the first rule that does not hold.
    pub fn authorize_statement(&self, space: SpaceId, entry: &Entry) -> Result<(), Unauthorized> {
        let in_governance = space == self.governance_space;
        match entry {
            Entry::Contribution(_) => Err(Unauthorized::WrongSpace),
            Entry::Certificate(certificate) => {
                if !in_governance {
                    return Err(Unauthorized::WrongSpace);
                }
                self.authorize_certificate(certificate)
            }
            Entry::Record(record) => {
                if !in_governance && !self.spaces.contains_key(&space) {
                    return Err(match self.genesis {
                        None => Unauthorized::NoGenesis,
                        Some(_) => Unauthorized::UnknownSpace,
                    });
                }
                let signer = &record.header().author;
                match record.body() {
                    RecordBody::Receipt(_) if self.node_party(signer).is_none() => {
                        Err(Unauthorized::NotANode)
                    }
                    RecordBody::Receipt(_) => Ok(()),
                    RecordBody::Erasure(_) if in_governance => Err(Unauthorized::WrongSpace),
                    // Whether it is the author's own was checked when it was linked to its target;
                    // an erasure needs no other standing and none can be taken from it.
                    RecordBody::Erasure(_) => Ok(()),
                    _ if !in_governance => Err(Unauthorized::WrongSpace),
                    _ if self.has_standing(signer) => Ok(()),
                    _ => Err(Unauthorized::NoStanding),
                }
            }
        }
    }

    /// The genesis is told by its digest alone, the parties' first states by those it names: nothing
    /// else ever enters the set, not even before it is complete.
    fn authorize_certificate(&self, certificate: &Certificate) -> Result<(), Unauthorized> {
        let belongs = match certificate.body() {
            CertificateBody::Genesis(genesis) => {
                certificate::community_id(genesis) == self.community
            }
            CertificateBody::Party(_) if self.founding.is_empty() => {
                return Err(Unauthorized::NoGenesis);
            }
            // Changes of a party come with the rules that judge them.
            CertificateBody::Party(state) => {
                state.parent.is_none() && self.founding.contains(&certificate::party_id(state))
            }
            CertificateBody::Resolution(_)
            | CertificateBody::SpaceDeclaration(_)
            | CertificateBody::ErasureOrder(_) => false,
        };
        if belongs {
            Ok(())
        } else {
            Err(Unauthorized::NoStanding)
        }
    }

    fn has_standing(&self, key: &PublicKey) -> bool {
        self.members.contains_key(key)
            || self.parties.values().any(|party| {
                [&party.delegates, &party.nodes]
                    .iter()
                    .any(|keys| keys.contains(key))
            })
    }

    fn roles(&self, root: &PublicKey) -> Roles {
        let memberships = self
            .members
            .get(root)
            .into_iter()
            .flat_map(BTreeMap::values);
        memberships
            .flat_map(|membership| membership.roles.iter().copied())
            .collect()
    }

    /// Whether two devices belong to one person.
    pub fn same_person(&self, a: &PublicKey, b: &PublicKey) -> bool {
        a == b
            || self
                .roots_of(a)
                .any(|root| self.roots_of(b).any(|other| other == root))
    }
}

/// Whether enough of a party's delegates signed a certificate.
fn is_certified(certificate: &Certificate, state: &PartyState) -> bool {
    let signed = certificate
        .signers()
        .filter(|key| state.delegates.binary_search(key).is_ok())
        .count();
    signed as u64 >= state.delegates_needed
}
