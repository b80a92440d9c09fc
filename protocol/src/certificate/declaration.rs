//! Declarations that only readers of the space receive: internal spaces of a party, small groups.
//!
//! Spec: `specs/access.md` (restricted spaces).

use super::genesis::Space;
use crate::{
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
};

/// The declaration of a restricted space. It stands in the set of the space itself, whose id follows
/// from the id of this certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceDeclaration {
    /// The community.
    pub community: CommunityId,
    /// Who declares.
    pub declarer: Declarer,
    /// The space.
    pub space: Space,
    /// Random bytes.
    pub nonce: [u8; 16],
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Who declares a restricted space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declarer {
    /// A party, by `delegates_needed` of the named state.
    Party {
        /// The party.
        party: PartyId,
        /// The state of its chain whose delegates sign.
        state: EntryId,
        /// Under whom it is filed: a delegate of that state.
        proposer: PublicKey,
    },
    /// A member, by the root key or a device.
    Member {
        /// The root key.
        root: PublicKey,
        /// The key that signs: the root or one of its devices.
        signer: PublicKey,
    },
}

/// An erasure ordered by a quorum of parties. It stands in the set of the space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureOrder {
    /// The community.
    pub community: CommunityId,
    /// The charter state under which the parties sign.
    pub charter: EntryId,
    /// The space.
    pub space: SpaceId,
    /// The contribution whose words go.
    pub contribution: EntryId,
    /// Under whom it is filed: a delegate.
    pub proposer: PublicKey,
    /// Why; Markdown, may be empty.
    pub reason: String,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}
