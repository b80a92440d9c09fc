//! Joining: what the holder of a ticket asks, and the answer.
//!
//! Spec: `specs/wire.md` §3.

use super::{AccessError, within};
use crate::{
    codec::Writer,
    entry::{ENTRY_MAX_BYTES, Entry},
    id::{CommunityId, EntryId},
    key::{PublicKey, Signature},
};
use thiserror::Error;

/// Largest join request or answer, in bytes.
pub const JOIN_MAX_BYTES: usize = 64 * 1024;

const LINKS_MAX: usize = 4;

/// What the holder of a ticket sends to the node that may countersign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// The community.
    pub community: CommunityId,
    /// The invitation's record id.
    pub invitation: EntryId,
    /// Root key of the person who asks.
    pub member: PublicKey,
    /// The invitation key's signature under [`crate::record::join_message`].
    pub by_invitation: Signature,
    /// The person's signature under the same message.
    pub by_member: Signature,
    /// Records of the person's own governance chain that make the key usable: device and node links.
    pub links: Vec<Entry>,
}

impl JoinRequest {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(6)
            .bytes(self.community.as_bytes())
            .bytes(self.invitation.as_bytes());
        w.bytes(self.member.as_bytes());
        w.bytes(self.by_invitation.as_bytes())
            .bytes(self.by_member.as_bytes());
        w.array(self.links.len());
        for link in &self.links {
            w.bytes(&link.encode());
        }
        w.finish()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, JOIN_MAX_BYTES)?;
        r.array_of(6)?;
        let community = CommunityId::from_bytes(r.fixed()?);
        let invitation = EntryId::from_bytes(r.fixed()?);
        let member = PublicKey::from_bytes(r.fixed()?)?;
        let by_invitation = Signature::from_bytes(r.fixed()?);
        let by_member = Signature::from_bytes(r.fixed()?);
        let mut links = Vec::new();
        for _ in 0..r.array(LINKS_MAX)? {
            links.push(Entry::decode(r.bytes(ENTRY_MAX_BYTES)?)?);
        }
        r.end()?;
        Ok(Self {
            community,
            invitation,
            member,
            by_invitation,
            by_member,
            links,
        })
    }
}

/// Why a node did not countersign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JoinRefusal {
    /// It does not know the community or the invitation, or is not the one named.
    #[error("the node does not know this invitation; ask for a new ticket")]
    Unknown,
    /// The invitation has expired.
    #[error("the invitation has expired; ask for a new ticket")]
    Expired,
    /// All its uses are spent.
    #[error("the invitation has been used up; ask for a new ticket")]
    UsedUp,
    /// A signature in the request does not hold.
    #[error("the ticket's key does not fit the invitation; ask for a new ticket")]
    BadSignature,
    /// The node cannot write at the moment.
    #[error("the node cannot accept members at the moment; try again later")]
    Unavailable,
    /// The person's standing with the party has ended, and that binds the key for good.
    #[error("the standing of this key with the party has ended for good; come with a new key")]
    Ended,
}

impl JoinRefusal {
    const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Expired,
        Self::UsedUp,
        Self::BadSignature,
        Self::Unavailable,
        Self::Ended,
    ];
}

/// A node's answer to a join request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinAnswer {
    /// The person is in: the countersignature's id, to arrive by sync.
    Welcome(EntryId),
    /// The person is not.
    Refused(JoinRefusal),
}

impl JoinAnswer {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Welcome(id) => w.array(2).uint(0).bytes(id.as_bytes()),
            Self::Refused(why) => {
                let code = JoinRefusal::ALL
                    .iter()
                    .position(|it| it == why)
                    .unwrap_or_default();
                w.array(2).uint(1).uint(code as u64)
            }
        };
        w.finish()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, JOIN_MAX_BYTES)?;
        r.array_of(2)?;
        let answer = match r.uint_max(1)? {
            0 => Self::Welcome(EntryId::from_bytes(r.fixed()?)),
            _ => {
                let code = r.uint_max(JoinRefusal::ALL.len() as u64 - 1)?;
                Self::Refused(JoinRefusal::ALL[code as usize])
            }
        };
        r.end()?;
        Ok(answer)
    }
}
