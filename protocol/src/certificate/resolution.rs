//! A resolution: a change of the charter by a quorum of parties.
//!
//! Spec: `specs/charter.md` (resolutions).

use super::{Cuts, genesis::Space};
use crate::{
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
};

/// A child of a charter state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The community.
    pub community: CommunityId,
    /// The genesis or resolution that it changes.
    pub parent: EntryId,
    /// One more than the parent's; the genesis has 0.
    pub height: u64,
    /// The state of each party under which its approval counts: strictly ascending by party.
    pub pins: Vec<(PartyId, EntryId)>,
    /// Two certified children of one state of a party, where its pin leaves a losing branch.
    pub fork_proofs: Vec<ForkProof>,
    /// The delegate who wrote it, under whom it is filed.
    pub proposer: PublicKey,
    /// Random bytes that keep two equal resolutions apart.
    pub nonce: [u8; 16],
    /// What changes: at least one, at most [`CHANGES_MAX`].
    pub changes: Vec<Change>,
    /// What its narrowings leave in force.
    pub cuts: Cuts,
    /// Why; Markdown, may be empty.
    pub reason: String,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Most changes in one resolution.
pub const CHANGES_MAX: usize = 64;

/// Two certified children of one state of a party's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForkProof {
    /// The party.
    pub party: PartyId,
    /// The branch that the parent's pin stands on.
    pub left: EntryId,
    /// The branch that the new pin stands on.
    pub right: EntryId,
}

/// One change of the charter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new name of the community.
    SetName(String),
    /// A new purpose; Markdown.
    SetPurpose(String),
    /// A party joins; its pin names its state.
    AddParty(PartyId),
    /// A party is removed.
    RemoveParty(PartyId),
    /// Parties that a resolution needs.
    SetPartyQuorum(u64),
    /// A space is declared; its id follows from the resolution and the index of this change, from 1.
    DeclareSpace(Space),
    /// Nothing new counts in the space; what its cuts name stays.
    CloseSpace(SpaceId),
    /// Kinds are no longer allowed in a space: strictly ascending names.
    NarrowKinds(SpaceId, Vec<String>),
    /// A promise is made or its days are changed.
    SetPromise(Promise),
    /// A promise ends.
    RemovePromise(Option<PartyId>, String),
    /// A rule for decisions.
    SetRule(DecisionRule),
    /// A rule for decisions ends.
    RemoveRule(String),
    /// A label that may be given, with what it means.
    SetLabel(String, String),
    /// A label ends.
    RemoveLabel(String),
    /// An article of free text: name and Markdown.
    SetArticle(String, String),
    /// An article ends.
    RemoveArticle(String),
    /// A member's standing with a party ends, with that party's consent.
    Revoke(PartyId, PublicKey),
    /// What a node's key signed counts up to the cuts only, and is not lifted by receipts.
    CutNode(PublicKey),
}

/// A promise to answer within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Who promises; none: every party.
    pub party: Option<PartyId>,
    /// Its name, 1 to 256 bytes, unique per party.
    pub name: String,
    /// Days, 0 to 36,500.
    pub days: u64,
}

/// How a decision is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRule {
    /// Its name, unique.
    pub name: String,
    /// The method.
    pub method: Method,
    /// Ballots needed, in thousandths of those eligible: 0 to 1,000.
    pub quorum_permille: u64,
    /// Share needed, in thousandths: 0 to 1,000.
    pub share_permille: u64,
    /// Whether each party must reach the share by itself.
    pub concurrent: bool,
}

/// Methods of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// More for than against.
    Majority,
    /// Each option approved or not.
    Approval,
    /// Points per option.
    Score,
    /// Ranked by Schulze's method.
    Ranked,
    /// Nobody objects with a reason.
    Consent,
}
