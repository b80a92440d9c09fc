//! Why a resolution does not count: one variant for each rule of [`super::rules`].

use crate::{id::PartyId, key::PublicKey};
use thiserror::Error;

/// Most spaces, promises, rules, labels or articles that a charter holds, of each.
pub const CHARTER_ITEMS_MAX: usize = 1_024;

/// Why a resolution does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResolutionError {
    /// R1.
    #[error("the resolution names another community or another parent")]
    Parent,
    /// R2.
    #[error("the resolution has height {found}; after its parent comes {expected}")]
    Height {
        /// One more than the parent's.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// R3.
    #[error("the state pinned for party {party} does not fit: {fault}")]
    Pin {
        /// The party.
        party: PartyId,
        /// What is wrong with the pin.
        fault: PinFault,
    },
    /// R4.
    #[error("{approving} parties approve, and {needed} are needed")]
    Quorum {
        /// Parties that a resolution needs.
        needed: u64,
        /// Parties that approve.
        approving: u64,
    },
    /// R5.
    #[error("party {0} does not approve, and changing the quorum needs all")]
    QuorumChange(PartyId),
    /// R6.
    #[error("party {0}, which is to join, does not approve or has left")]
    Newcomer(PartyId),
    /// R7.
    #[error(
        "removing parties needs all {others} others, and at least {quorum} of them; {approving} approve"
    )]
    Removal {
        /// Parties that stay.
        others: u64,
        /// Parties that a resolution needs.
        quorum: u64,
        /// Parties that stay and approve.
        approving: u64,
    },
    /// R8.
    #[error("change {change} takes something from party {party}, which does not approve")]
    Consent {
        /// Index of the change, from 0.
        change: usize,
        /// The party.
        party: PartyId,
    },
    /// R9.
    #[error("the space {name:?} that change {change} declares is not possible: {fault}")]
    Readers {
        /// Index of the change, from 0.
        change: usize,
        /// The space's name.
        name: String,
        /// What is wrong with its readers.
        fault: ReadersFault,
    },
    /// R10.
    #[error("change {change} does not fit the rest of the charter: {fault}")]
    Bounds {
        /// Index of the change, from 0.
        change: usize,
        /// What does not fit.
        fault: BoundsFault,
    },
    /// R11.
    #[error("the signer or proposer {0} is no delegate of a pinned state")]
    Signer(PublicKey),
    /// R12.
    #[error("change {change} changes nothing, or names what the charter does not hold")]
    NoChange {
        /// Index of the change, from 0.
        change: usize,
    },
    /// R13.
    #[error(
        "leading a party over to another branch of its chain needs all {others} others, and at least \
         {quorum} of them; {approving} approve"
    )]
    Leading {
        /// Parties that are not led over.
        others: u64,
        /// Parties that a resolution needs.
        quorum: u64,
        /// Parties that are not led over and approve.
        approving: u64,
    },
}

impl ResolutionError {
    /// Whether further signatures could mend it: the rest of the resolution is in order.
    pub fn is_about_approval(&self) -> bool {
        matches!(
            self,
            Self::Quorum { .. }
                | Self::QuorumChange(_)
                | Self::Newcomer(_)
                | Self::Removal { .. }
                | Self::Consent { .. }
                | Self::Leading { .. }
        )
    }

    /// Whether a party state that has not arrived could mend it.
    pub fn is_waiting(&self) -> bool {
        let fault = match self {
            Self::Pin { fault, .. } => fault,
            _ => return false,
        };
        matches!(fault, PinFault::Unknown)
    }
}

/// What is wrong with the pin of a party (R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PinFault {
    /// The resolution pins no state of it.
    #[error("it is missing")]
    Missing,
    /// The party is neither in the charter nor added.
    #[error("the party is not in the charter and not added")]
    NotAParty,
    /// The state is not here yet.
    #[error("the state has not arrived")]
    Unknown,
    /// The state does not follow the one pinned before.
    #[error("it does not follow the state pinned before, and no fork proof explains it")]
    Unrelated,
    /// A fork proof that proves nothing here, or is not needed.
    #[error("its fork proof does not lead from the one to the other")]
    ForkProof,
}

/// What is wrong with the readers of a new space (R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadersFault {
    /// Groups and persons are named in the space's own set only.
    #[error("spaces for groups and persons are not declared in the charter")]
    Restricted,
    /// A reader is no party of the charter.
    #[error("reader {0} is no party of the charter")]
    NotAParty(PartyId),
    /// The charter holds no such predecessor.
    #[error("it follows a space that the charter does not hold")]
    Predecessor,
}

/// What goes beyond a bound (R10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BoundsFault {
    /// An open space has this name.
    #[error("an open space has this name already")]
    NameTaken,
    /// A quorum must be more than half of the parties and at most all.
    #[error("the quorum must be more than half of the {parties} parties and at most all")]
    Quorum {
        /// Parties at this change.
        parties: u64,
    },
    /// The charter is full.
    #[error("a charter holds at most {CHARTER_ITEMS_MAX} of each kind")]
    Full,
}
