//! Cuts: up to where what a key signed goes on to count after a narrowing.
//!
//! Spec: `specs/roster.md` (cuts).

use crate::{
    id::{EntryId, SpaceId},
    key::PublicKey,
};

/// What a narrowing leaves in force, for every space.
///
/// A space that neither list nor table names is cut at zero, to be lifted there by receipts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Cuts in the governance space and in spaces that everyone reads: strictly ascending by space.
    pub open: Vec<SpaceCut>,
    /// Root of the Merkle tree over the salted cuts of all other spaces; random if there are none.
    pub sealed: [u8; 32],
}

/// The cuts of one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceCut {
    /// The space.
    pub space: SpaceId,
    /// Strictly ascending by key.
    pub devices: Vec<DeviceCut>,
}

/// Up to where the chain of one key counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCut {
    /// A device, a root key or a node.
    pub key: PublicKey,
    /// The last id of every unbroken segment of its chain: strictly ascending, at least one.
    pub last: Vec<EntryId>,
}
