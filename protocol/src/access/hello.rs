//! Hello: which communities two nodes share, told to nobody who does not know them.
//!
//! One message each way. Every community stands in it as two digests that only those can make who
//! know its id and its governance. They are bound to both node keys, to the direction and to a nonce:
//! what one peer was told fits no other conversation, and a second hello has nothing in common with
//! the first. Random entries fill the list up, so that not even the number of communities shows.
//!
//! Spec: `specs/wire.md` §2.

use super::{AccessError, within};
use crate::{
    codec::Writer,
    id::{CommunityId, GovernanceDigest, ID_BYTES, digest, domain},
    key::PublicKey,
    limits::TIME_MAX_MS,
};

/// Versions of the sync protocol this crate speaks, ascending.
pub const PROTOCOL_VERSIONS: [u64; 1] = [1];
/// Largest hello, in bytes; a longer one is refused.
pub const HELLO_MAX_BYTES: usize = 64 * 1024;
/// Most communities in a hello, padding included.
pub const COMMUNITIES_MAX: usize = 512;

const VERSIONS_MAX: usize = 16;
/// The number of communities is a multiple of this, and at least this.
const PADDED_TO: usize = 8;

/// A community of the sender, or padding; who does not know the community cannot tell which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blinded {
    /// Digest of the community's id.
    pub community: [u8; ID_BYTES],
    /// Digest of the governance that the sender has of it.
    pub governance: [u8; ID_BYTES],
}

/// How the governance of a community that both know compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// Both have the same records.
    Equal,
    /// They have not.
    Different,
}

/// The first message on a connection, one each way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Protocol versions the sender speaks, ascending.
    pub versions: Vec<u64>,
    /// The sender's clock, milliseconds since the Unix epoch: to notice clocks far off, no more.
    pub time_ms: u64,
    /// Random bytes, new in every hello.
    pub nonce: [u8; ID_BYTES],
    /// Communities the sender takes part in, and padding. Ascending.
    pub communities: Vec<Blinded>,
}

impl Hello {
    /// The hello from one node to another. `seed` must be random and never used again: nonce and
    /// padding are drawn from it. Of more than [`COMMUNITIES_MAX`] communities the first are told.
    pub fn new(
        time_ms: u64,
        [from, to]: [&PublicKey; 2],
        communities: &[(CommunityId, GovernanceDigest)],
        seed: &[u8; ID_BYTES],
    ) -> Self {
        let mut numbers = 0_u64..;
        let mut draw = || {
            let number = numbers.next().unwrap_or_default().to_be_bytes();
            digest(domain::HELLO_RANDOM, &[seed, &number])
        };
        let nonce = draw();
        let mut told: Vec<Blinded> = communities
            .iter()
            .take(COMMUNITIES_MAX)
            .map(|(community, governance)| blind(*community, *governance, [from, to], &nonce))
            .collect();
        let padded = told.len().max(1).next_multiple_of(PADDED_TO);
        told.resize_with(padded, || Blinded {
            community: draw(),
            governance: draw(),
        });
        told.sort_unstable();
        Self {
            versions: PROTOCOL_VERSIONS.to_vec(),
            time_ms,
            nonce,
            communities: told,
        }
    }

    /// Whether the sender takes part in a community that the receiver knows, and how its governance
    /// compares with the receiver's.
    pub fn agreement(
        &self,
        from_to: [&PublicKey; 2],
        community: CommunityId,
        governance: GovernanceDigest,
    ) -> Option<Agreement> {
        let wanted = blind(community, governance, from_to, &self.nonce);
        let found = self
            .communities
            .binary_search_by_key(&wanted.community, |it| it.community)
            .ok()?;
        Some(if self.communities[found].governance == wanted.governance {
            Agreement::Equal
        } else {
            Agreement::Different
        })
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4).array(self.versions.len());
        for version in &self.versions {
            w.uint(*version);
        }
        w.uint(self.time_ms).bytes(&self.nonce);
        w.array(self.communities.len());
        for it in &self.communities {
            w.array(2).bytes(&it.community).bytes(&it.governance);
        }
        w.finish()
    }

    /// Reads a hello.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, HELLO_MAX_BYTES)?;
        r.array_of(4)?;
        let mut versions: Vec<u64> = Vec::new();
        for _ in 0..r.array(VERSIONS_MAX)? {
            let version = r.uint()?;
            if versions.last().is_some_and(|last| *last >= version) {
                return Err(AccessError::Order);
            }
            versions.push(version);
        }
        let time_ms = r.uint_max(TIME_MAX_MS)?;
        let nonce = r.fixed()?;
        let found = r.array(COMMUNITIES_MAX)?;
        if found == 0 || !found.is_multiple_of(PADDED_TO) {
            return Err(AccessError::Padding { found });
        }
        let mut communities: Vec<Blinded> = Vec::new();
        for _ in 0..found {
            r.array_of(2)?;
            let it = Blinded {
                community: r.fixed()?,
                governance: r.fixed()?,
            };
            if communities
                .last()
                .is_some_and(|last| last.community >= it.community)
            {
                return Err(AccessError::Order);
            }
            communities.push(it);
        }
        r.end()?;
        Ok(Self {
            versions,
            time_ms,
            nonce,
            communities,
        })
    }
}

fn blind(
    community: CommunityId,
    governance: GovernanceDigest,
    [from, to]: [&PublicKey; 2],
    nonce: &[u8; ID_BYTES],
) -> Blinded {
    let bound = [community.as_bytes(), from.as_bytes(), to.as_bytes(), nonce];
    let [community, from, to, nonce] = bound.map(|it| &it[..]);
    Blinded {
        community: digest(domain::HELLO_COMMUNITY, &[community, from, to, nonce]),
        governance: digest(
            domain::HELLO_GOVERNANCE,
            &[community, from, to, nonce, governance.as_bytes()],
        ),
    }
}
