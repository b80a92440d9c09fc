//! Who belongs to a community, what waits for more delegates, and what cuts would keep.

use serde::{Deserialize, Serialize};

/// `GET /v0/communities/{id}/members`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Members and former members, by root key.
    pub members: Vec<RosterMember>,
    /// What delegates signed and more of them have to agree to.
    pub pending: Vec<PendingRecord>,
}

/// A person who is or was a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterMember {
    /// Root key.
    pub root: String,
    /// Name from the newest profile readable here, if any.
    pub name: Option<String>,
    /// Standing with each party, by party.
    pub standings: Vec<MemberStanding>,
    /// Devices, by slot and key.
    pub devices: Vec<RosterDevice>,
}

/// A person's standing with one party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStanding {
    /// The party.
    pub party: String,
    /// Its name.
    pub party_name: String,
    /// Roles held now; none once the standing has ended.
    pub roles: Vec<String>,
    /// The record that first admitted the person; unknown once the standing has ended.
    pub admitted_by: Option<String>,
    /// How it ended; none while it lasts.
    pub ended: Option<Ending>,
}

/// How a standing, or a device, came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// `revoked` or `left`.
    pub how: String,
    /// The records that say so.
    pub records: Vec<String>,
    /// Root keys of those who signed them.
    pub by: Vec<String>,
    /// Entries beyond the cuts that are kept here and not in effect.
    pub beyond: u64,
}

/// A device that a root key linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterDevice {
    /// Its key.
    pub key: String,
    /// Its slot; none if another device stands there, or none does any more.
    pub slot: Option<u64>,
    /// How it ended; none while it signs.
    pub ended: Option<Ending>,
}

/// What too few delegates of a party have signed so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRecord {
    /// The first record; others agree by naming it.
    pub id: String,
    /// `admission`, `revocation` or `invitation`.
    pub what: String,
    /// The party.
    pub party: String,
    /// `member`, `device` or `role`, with a revocation.
    pub target: Option<String>,
    /// The person's root key, or the device; none with an invitation.
    pub subject: Option<String>,
    /// Roles granted, or the one that goes.
    pub roles: Vec<String>,
    /// Delegates who agree, by root key.
    pub by: Vec<String>,
    /// Delegates that are needed.
    pub needed: u64,
}

/// Whom `GET /v0/communities/{id}/cuts` is asked about: at most 256 in each list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutQuery {
    /// Keys, as such.
    pub keys: Vec<String>,
    /// Root keys, each with every device it ever linked.
    pub people: Vec<String>,
    /// Ids of parties: every key that ever had something from them.
    pub parties: Vec<String>,
    /// Ids of spaces: there everybody who ever wrote.
    pub spaces: Vec<String>,
}

/// `GET /v0/communities/{id}/cuts`: what of those asked about is in effect, space by space.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutPlan {
    /// The spaces in which something is, by id.
    pub spaces: Vec<SpaceCutPlan>,
}

/// What a cut keeps in one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceCutPlan {
    /// The space.
    pub space: String,
    /// Its name.
    pub name: String,
    /// Whether everyone reads it, so that its cut may stand in the open.
    pub open: bool,
    /// Contributions in effect.
    pub contributions: u64,
    /// The cut in one or more parts.
    pub parts: Vec<Vec<KeyCut>>,
}

/// Up to where the chain of one key goes in one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCut {
    /// The key.
    pub key: String,
    /// The last id of every unbroken segment.
    pub last: Vec<String>,
}
