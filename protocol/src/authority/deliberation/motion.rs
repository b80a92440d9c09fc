//! A motion, how it stands, and why a delegate leaves it alone.

use crate::{
    authority::{
        charter::{ResolutionError, Side},
        parties::StateError,
    },
    certificate::CertificateBody,
    id::{EntryId, PartyId},
    key::PublicKey,
};
use thiserror::Error;

/// Why a motion can never be certified, whoever signs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Flaw {
    /// A resolution breaks a rule of the charter.
    #[error(transparent)]
    Resolution(#[from] ResolutionError),
    /// A state breaks a rule of party chains.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state that it changes is not here, or is not certified.
    #[error("the state that it changes has not arrived, or does not count")]
    NoParent,
    /// Only resolutions, later states of parties and orders of erasure are deliberated.
    #[error("it is neither a resolution, nor a later state of a party, nor an order of erasure")]
    NotAMotion,
    /// An order of erasure of another community.
    #[error("it orders an erasure in another community")]
    OtherCommunity,
    /// An order of erasure in a space that the charter it names does not declare.
    #[error(
        "the charter declares no such space: what is erased in a space that only its readers know \
         of is not proposed before everybody, its order is signed from hand to hand"
    )]
    HiddenSpace,
}

/// How a motion stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its certificate is here.
    Certified,
    /// Those who approved it suffice: [`super::Deliberation::assemble`] makes its certificate.
    Carried,
    /// More must approve.
    Open,
    /// D3: too many rejected it.
    Dead,
    /// It breaks a rule by what it says.
    Flawed(Flaw),
}

/// What the delegates of one party said about a motion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideVoices {
    /// The party, its delegates, and whether it is needed.
    pub side: Side,
    /// Its delegates who approved, ascending.
    pub approved: Vec<PublicKey>,
    /// Its delegates who rejected and did not approve, ascending.
    pub rejected: Vec<PublicKey>,
    /// Whether the party has moved on and enough of its current delegates rejected.
    pub withdrawn: bool,
}

impl SideVoices {
    /// Whether enough of its delegates approved.
    pub fn approves(&self) -> bool {
        self.still_needed() == 0
    }

    /// How many more of its delegates must approve.
    pub fn still_needed(&self) -> u64 {
        let approved = self.approved.len() as u64;
        self.side.delegates_needed.saturating_sub(approved)
    }

    /// Whether enough of its delegates could still approve.
    pub fn is_possible(&self) -> bool {
        self.able().count() as u64 >= self.side.delegates_needed
    }

    /// D3: its delegates whose signatures exist or may come.
    pub(super) fn able(&self) -> impl Iterator<Item = &PublicKey> {
        let may_sign = |key: &&PublicKey| {
            self.approved.binary_search(key).is_ok()
                || !self.withdrawn && self.rejected.binary_search(key).is_err()
        };
        self.side.delegates.iter().filter(may_sign)
    }

    /// Its delegates who said nothing.
    pub fn silent(&self) -> impl Iterator<Item = &PublicKey> {
        let spoke = |key: &&PublicKey| !self.approved.contains(key) && !self.rejected.contains(key);
        self.side.delegates.iter().filter(spoke)
    }
}

/// A proposed child and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Motion {
    /// Id of the certificate that it would make.
    pub id: EntryId,
    /// What is proposed.
    pub body: CertificateBody,
    /// The state that it would change; of an order of erasure the charter state that it names.
    pub parent: EntryId,
    /// Parties that must approve at least; 1 for a state of a party.
    pub party_quorum: u64,
    /// What each party said, ascending by party. Empty if the motion is flawed.
    pub sides: Vec<SideVoices>,
    /// How it stands.
    pub outcome: Outcome,
}

impl Motion {
    /// Whether it orders an erasure. Such a motion has no siblings: D2 does not concern it.
    pub fn is_order(&self) -> bool {
        matches!(self.body, CertificateBody::ErasureOrder(_))
    }

    pub(super) fn speaks(&self, key: &PublicKey) -> bool {
        self.sides
            .iter()
            .any(|it| it.side.delegates.binary_search(key).is_ok())
    }
}

/// Why a delegate who follows the rules does not approve or reject a motion now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such motion is here.
    #[error("no such proposal is here")]
    Unknown,
    /// It can never be certified.
    #[error("the proposal can never pass: {0}")]
    Flawed(Flaw),
    /// It is certified already.
    #[error("the proposal has passed already")]
    Passed,
    /// D4: it changes a state that is not in force.
    #[error("it changes {parent}, but in force is {current}: propose it anew on that")]
    NotCurrent {
        /// The state that it changes.
        parent: EntryId,
        /// The state in force.
        current: EntryId,
    },
    /// D4: a party has moved on since; of an order of erasure: so far that this delegate no longer
    /// speaks for it.
    #[error("party {0} has changed since it was proposed: propose it anew under its current state")]
    OldPin(PartyId),
    /// The key has no say.
    #[error("the key is no delegate of a party that has a say in it")]
    NotADelegate,
    /// D1: it was rejected by this delegate, and that binds.
    #[error("this delegate rejected it, and a rejection binds")]
    Rejected,
    /// D1: it was approved by this delegate already.
    #[error("this delegate approved it already")]
    Approved,
    /// D3: it cannot pass any more.
    #[error("too many delegates rejected it: it cannot pass any more")]
    Dead,
    /// D2: another child was approved and may still pass.
    #[error(
        "this delegate, or one before it, approved {0}, which may still pass: others must reject that first"
    )]
    Bound(EntryId),
    /// D4: another child has enough approvals.
    #[error("{0}, which changes the same state, has enough approvals already")]
    Overtaken(EntryId),
    /// D2: another approval was given to something that is not here.
    #[error("this delegate approved {0}, which has not arrived here: sync first")]
    Unseen(EntryId),
}
