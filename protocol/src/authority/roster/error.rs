//! Why a record of the roster that is in the set has no effect: one variant for each rule.

use crate::{
    authority::Unauthorized,
    id::{EntryId, PartyId},
    key::PublicKey,
};
use thiserror::Error;

/// Why a record of the roster has no effect, or gives nothing new. Numbers are those of
/// `specs/roster.md`. Other records, and certificates, may give it an effect or take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum RosterError {
    /// 3.1.
    #[error("the signer never was a delegate of party {}", .0.short())]
    NotADelegate(PartyId),
    /// 3.2, 4.1.
    #[error("the countersigner {} never was a node or delegate of the party", .0.short())]
    NotACountersigner(PublicKey),
    /// 3.3.
    #[error("party {} never was in the charter", .0.short())]
    NeverAParty(PartyId),
    /// 3.5.
    #[error("{said} of the party's delegates say so, and {needed} are needed")]
    TooFew {
        /// How many have to say the same.
        needed: u64,
        /// How many do.
        said: u64,
    },
    /// 3.7.
    #[error("it gives nothing new")]
    Barred(#[source] Unauthorized),
    /// 3.8.
    #[error("it takes nothing: {} took the office from which it was said", .0.short())]
    TakesNothing(EntryId),
    /// 4.2.
    #[error("no invitation {} is here that counts", .0.short())]
    NoInvitation(EntryId),
    /// 4.3.
    #[error("the invitation names another countersigner")]
    OtherCountersigner(PublicKey),
    /// 4.4.
    #[error("the invitation has another key")]
    OtherKey(PublicKey),
    /// 4.5.
    #[error("records of the countersigner before this one are missing here")]
    Gap,
    /// 4.6.
    #[error("the invitation was used up: it lets in {uses}")]
    UsedUp {
        /// How many it lets in.
        uses: u64,
    },
    /// 5.1.
    #[error("the signer is not a member, and never was")]
    NoSeat,
    /// 5.5.
    #[error("the signer never linked the device")]
    NotLinked(PublicKey),
    /// 6.
    #[error("what it gives was taken for good")]
    Ended(#[source] Unauthorized),
    /// `specs/cuts.md` §3.
    #[error("a later one of the same issuer takes its place")]
    Replaced,
}
