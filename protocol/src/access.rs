//! Hello, grants, join requests and tickets: what two nodes say before they share anything.
//!
//! Spec: `specs/wire.md` §2 (hello), §3 (join), `specs/identity.md` §8 (tickets).

use crate::{
    codec::{CodecError, ItemType, Reader, Writer},
    entry::{ENTRY_MAX_BYTES, Entry, EntryError},
    id::{CommunityId, EntryId, GovernanceDigest, digest, domain},
    key::{self, BadSignature, KeyError, PublicKey, SecretKey, Signature},
    limits::TIME_MAX_MS,
};
use thiserror::Error;

mod reader;
mod ticket;

pub use reader::{READER_LIFETIME_MS, ReaderError, ReaderToken};
pub use ticket::{Ticket, TicketError};

/// Versions of the sync protocol this crate speaks, ascending.
pub const PROTOCOL_VERSIONS: [u64; 1] = [1];
/// Largest hello, in bytes; a longer one is refused.
pub const HELLO_MAX_BYTES: usize = 64 * 1024;
/// Largest join request or answer, in bytes.
pub const JOIN_MAX_BYTES: usize = 64 * 1024;
/// How long a grant lasts, in milliseconds: 30 days.
pub const GRANT_LIFETIME_MS: u64 = 30 * 24 * 60 * 60 * 1000;

const VERSIONS_MAX: usize = 16;
const COMMUNITIES_MAX: usize = 64;
const GRANTS_MAX: usize = 64;
const LINKS_MAX: usize = 4;

/// Why bytes are not a message of this module.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// Not canonical CBOR of the form.
    #[error("the message is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside the message is not usable: {0}")]
    Key(#[from] KeyError),
    /// Versions or communities are not strictly ascending.
    #[error("a list in the message is not strictly ascending")]
    Order,
    /// An entry inside is broken.
    #[error("an entry inside the message is broken: {0}")]
    Entry(#[from] EntryError),
}

/// A device's leave for a node to read on its holder's behalf, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGrant {
    /// The community it is for.
    pub community: CommunityId,
    /// The member's device, which signs.
    pub device: PublicKey,
    /// The node that may read; the connection must prove this key.
    pub node: PublicKey,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The device's signature.
    pub signature: Signature,
}

impl NodeGrant {
    /// Signs a grant.
    pub fn sign(
        device: &SecretKey,
        community: CommunityId,
        node: PublicKey,
        expires_ms: u64,
    ) -> Self {
        let message = grant_message(community, &node, expires_ms);
        let signature = device.sign(domain::NODE_GRANT_SIGNATURE, &message);
        Self {
            community,
            device: device.public(),
            node,
            expires_ms,
            signature,
        }
    }

    /// Checks the signature; whether the device belongs to a member, and whether it has expired,
    /// are other questions.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn check(&self) -> Result<(), BadSignature> {
        let message = grant_message(self.community, &self.node, self.expires_ms);
        key::verify(
            &self.device,
            domain::NODE_GRANT_SIGNATURE,
            &message,
            &self.signature,
        )
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads a grant.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut reader = Reader::new(bytes);
        let grant = Self::read(&mut reader)?;
        reader.end()?;
        Ok(grant)
    }

    fn write(&self, w: &mut Writer) {
        w.array(5)
            .bytes(self.community.as_bytes())
            .bytes(self.device.as_bytes());
        w.bytes(self.node.as_bytes())
            .uint(self.expires_ms)
            .bytes(self.signature.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, AccessError> {
        r.array_of(5)?;
        Ok(Self {
            community: CommunityId::from_bytes(r.fixed()?),
            device: PublicKey::from_bytes(r.fixed()?)?,
            node: PublicKey::from_bytes(r.fixed()?)?,
            expires_ms: r.uint_max(TIME_MAX_MS)?,
            signature: Signature::from_bytes(r.fixed()?),
        })
    }
}

fn grant_message(community: CommunityId, node: &PublicKey, expires_ms: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .array(3)
        .bytes(community.as_bytes())
        .bytes(node.as_bytes())
        .uint(expires_ms);
    writer.finish()
}

/// The first message on a connection, one each way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Protocol versions the sender speaks, ascending.
    pub versions: Vec<u64>,
    /// The sender's clock, milliseconds since the Unix epoch: to notice clocks far off, no more.
    pub time_ms: u64,
    /// Communities the sender takes part in, and the digest of the governance it has of each.
    /// Ascending.
    pub communities: Vec<(CommunityId, GovernanceDigest)>,
    /// Grants under which the sender may read restricted spaces.
    pub grants: Vec<NodeGrant>,
}

impl Hello {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4).array(self.versions.len());
        for version in &self.versions {
            w.uint(*version);
        }
        w.uint(self.time_ms).array(self.communities.len());
        for (community, governance) in &self.communities {
            w.array(2)
                .bytes(community.as_bytes())
                .bytes(governance.as_bytes());
        }
        w.array(self.grants.len());
        for grant in &self.grants {
            grant.write(&mut w);
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
        let mut communities: Vec<(CommunityId, GovernanceDigest)> = Vec::new();
        for _ in 0..r.array(COMMUNITIES_MAX)? {
            r.array_of(2)?;
            let community = CommunityId::from_bytes(r.fixed()?);
            if communities
                .last()
                .is_some_and(|(last, _)| *last >= community)
            {
                return Err(AccessError::Order);
            }
            communities.push((community, GovernanceDigest::from_bytes(r.fixed()?)));
        }
        let mut grants = Vec::new();
        for _ in 0..r.array(GRANTS_MAX)? {
            grants.push(NodeGrant::read(&mut r)?);
        }
        r.end()?;
        Ok(Self {
            versions,
            time_ms,
            communities,
            grants,
        })
    }
}

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
}

impl JoinRefusal {
    const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Expired,
        Self::UsedUp,
        Self::BadSignature,
        Self::Unavailable,
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

fn within(bytes: &[u8], limit: usize) -> Result<Reader<'_>, CodecError> {
    match bytes.len() {
        len if len > limit => Err(CodecError::TooLong {
            limit,
            found: len as u64,
        }),
        _ => Ok(Reader::new(bytes)),
    }
}

fn read_optional_uint(r: &mut Reader<'_>) -> Result<Option<u64>, CodecError> {
    match r.peek()? {
        ItemType::Null => r.null().map(|()| None),
        _ => r.uint_max(TIME_MAX_MS).map(Some),
    }
}

fn ticket_checksum(bytes: &[u8]) -> [u8; 4] {
    let full = digest(domain::TICKET, &[bytes]);
    [full[0], full[1], full[2], full[3]]
}
