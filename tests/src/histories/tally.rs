//! What malicious people have tried so far, by kind, so that a test sees that it was tried at all.

use super::World;
use std::collections::BTreeMap;

/// A kind of mischief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    /// A chain is taken up again at an earlier place, with new words.
    Backdating,
    /// Two contributions have one place on a chain.
    EquivocationInContent,
    /// Two records have one place on a chain.
    EquivocationInGovernance,
    /// Entries of another community or for another space.
    Replay,
    /// Bytes that nobody signed so.
    Forgery,
    /// A valid certificate with fewer signatures than it had.
    StrippedCertificate,
    /// A place on a chain whose entry nobody ever sees.
    Gap,
    /// A delegate approves two children of one state.
    ApprovingTwice,
    /// A delegate approves and rejects one proposal.
    ApprovingAndRejecting,
    /// Of two children of one state each party approves one and rejects the other.
    CrossingApprovals,
    /// Somebody admits the own key.
    SelfAdmission,
    /// Somebody admits who has no say in it.
    AdmissionByAnybody,
    /// A delegate admits whom a narrowing removed before, as a delegate or as a member.
    RemovedDelegateAdmits,
    /// Somebody who was removed is admitted again.
    Readmission,
    /// A delegate removes a member of another party.
    RemovalForOthers,
    /// Delegates of a party revoke each other.
    MutualRevocation,
    /// Delegates of a party revoke one another, each the next.
    CircularRevocation,
    /// Several states of a party, each without a delegate who signed another of them.
    MutualDrop,
    /// Two resolutions, each removing a party that carries the other.
    MutualRemovalOfParties,
    /// Three resolutions, each removing a party that carries the other two.
    CircularRemovalOfParties,
    /// A cut that leaves nothing.
    CutAtZero,
    /// A cut at an id that nobody knows.
    UnknownCut,
    /// A stolen device is linked to the thief's root key.
    TheftLinked,
    /// A thief erases what the owner of the device wrote.
    TheftErases,
    /// A thief and the owner go on side by side on one chain.
    TheftForks,
    /// A thief goes on after the owner has revoked the device.
    TheftAfterRevocation,
    /// More join by an invitation than it allows.
    InvitationFlood,
    /// Delegates certify two children of one state.
    Fork,
    /// A party hands over to others, and the charter names that.
    DroppedAndNamed,
    /// Those who were dropped certify a second state after the one in which they had a say.
    DroppedKeysForkTheParty,
    /// Those who were dropped certify a second child of the charter of then.
    DroppedKeysForkTheCharter,
}

impl Mischief {
    /// Every kind.
    pub const ALL: [Self; 31] = [
        Self::Backdating,
        Self::EquivocationInContent,
        Self::EquivocationInGovernance,
        Self::Replay,
        Self::Forgery,
        Self::StrippedCertificate,
        Self::Gap,
        Self::ApprovingTwice,
        Self::ApprovingAndRejecting,
        Self::CrossingApprovals,
        Self::SelfAdmission,
        Self::AdmissionByAnybody,
        Self::RemovedDelegateAdmits,
        Self::Readmission,
        Self::RemovalForOthers,
        Self::MutualRevocation,
        Self::CircularRevocation,
        Self::MutualDrop,
        Self::MutualRemovalOfParties,
        Self::CircularRemovalOfParties,
        Self::CutAtZero,
        Self::UnknownCut,
        Self::TheftLinked,
        Self::TheftErases,
        Self::TheftForks,
        Self::TheftAfterRevocation,
        Self::InvitationFlood,
        Self::Fork,
        Self::DroppedAndNamed,
        Self::DroppedKeysForkTheParty,
        Self::DroppedKeysForkTheCharter,
    ];
}

impl World {
    /// How often each kind of mischief was tried so far.
    pub fn tally(&self) -> &BTreeMap<Mischief, usize> {
        &self.tally
    }

    pub(super) fn count(&mut self, mischief: Mischief) {
        *self.tally.entry(mischief).or_default() += 1;
    }
}
