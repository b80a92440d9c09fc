//! What records say, one type each, with its canonical encoding.
//!
//! Spec: `specs/contribution.md` §6 (records), §7 (erasure), `specs/roster.md` (roster records).

use crate::{
    codec::{CodecError, Reader, Writer},
    id::{EntryId, PartyId, SpaceId},
    key::{KeyError, PublicKey, Signature},
    limits::{SEQ_MAX, TIME_MAX_MS},
};
use std::collections::BTreeSet;
use thiserror::Error;

/// Most chain heads that one receipt names.
pub const RECEIPT_HEADS_MAX: usize = 256;
/// Most roles one grant names.
const ROLES_MAX: usize = 16;
/// Highest number of a device slot under one root key.
const DEVICE_SLOT_MAX: u64 = 15;
/// Most persons one invitation lets in.
const INVITATION_USES_MAX: u64 = 100_000;

/// Why bytes are not the body of a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Not canonical CBOR of the form.
    #[error("the body is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside is not usable: {0}")]
    Key(#[from] KeyError),
    /// A type this version does not know.
    #[error("record type {0} is not known here; a newer comity may read it")]
    UnknownType(u64),
    /// A role this version does not know.
    #[error("role {0} is not known here; a newer comity may read it")]
    UnknownRole(u64),
    /// A list is not strictly ascending.
    #[error("a list is not strictly ascending")]
    Order,
    /// A list that must name something is empty.
    #[error("a list that must name something is empty")]
    Empty,
}

/// What a member may do in a community, beyond reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Writes where members write.
    Member,
    /// May answer for the party.
    Steward,
    /// Signs labels for the party.
    Moderator,
    /// Speaks for another system.
    Bridge,
    /// Reads only.
    Observer,
}

impl Role {
    /// All roles, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Member,
        Self::Steward,
        Self::Moderator,
        Self::Bridge,
        Self::Observer,
    ];

    /// The code on the wire.
    pub fn code(self) -> u64 {
        match self {
            Self::Member => 1,
            Self::Steward => 2,
            Self::Moderator => 3,
            Self::Bridge => 4,
            Self::Observer => 5,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Steward => "steward",
            Self::Moderator => "moderator",
            Self::Bridge => "bridge",
            Self::Observer => "observer",
        }
    }
}

/// A set of roles.
pub type Roles = BTreeSet<Role>;

/// A delegate's offer of membership to whoever holds a key, countersigned by a named node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The party that admits.
    pub party: PartyId,
    /// Public half of the key in the ticket.
    pub invitation_key: PublicKey,
    /// The node or delegate that must countersign.
    pub countersigner: PublicKey,
    /// Roles granted.
    pub roles: Roles,
    /// How many persons it lets in, counted along the countersigner's chain.
    pub uses: u64,
    /// When it ends, milliseconds since the Unix epoch; the countersigner checks it. None: never.
    pub expires_ms: Option<u64>,
}

/// A node's confirmation that the holder of an invitation asked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countersignature {
    /// The invitation's record id.
    pub invitation: EntryId,
    /// Root key of the person who asked.
    pub member: PublicKey,
    /// The invitation key's signature under the request.
    pub by_invitation: Signature,
    /// The person's own signature under the request: nobody joins unasked.
    pub by_member: Signature,
}

/// A delegate's admission of a person without an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The party that admits.
    pub party: PartyId,
    /// Root key of the person.
    pub member: PublicKey,
    /// Roles granted.
    pub roles: Roles,
}

/// A root key's statement that a device signs for it, with the device's consent: nobody can claim
/// another's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLink {
    /// The device's key.
    pub device: PublicKey,
    /// Its slot, 0 to 15.
    pub slot: u64,
    /// The device's signature under [`consent_message`].
    pub by_device: Signature,
}

/// A root key's statement that a node serves it, with the node's consent. Such a node's receipts
/// count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLink {
    /// The node's key.
    pub node: PublicKey,
    /// The node's signature under [`consent_message`].
    pub by_node: Signature,
}

/// What a device or node signs to consent to a link: the space binds the community.
pub fn consent_message(space: SpaceId, root: &PublicKey, linked: &PublicKey) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .array(3)
        .bytes(space.as_bytes())
        .bytes(root.as_bytes())
        .bytes(linked.as_bytes());
    writer.finish()
}

/// What the invitation key and the person both sign when asking in.
pub fn join_message(space: SpaceId, invitation: EntryId, member: &PublicKey) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .array(3)
        .bytes(space.as_bytes())
        .bytes(invitation.as_bytes())
        .bytes(member.as_bytes());
    writer.finish()
}

/// The last entry of one author's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainHead {
    /// The author's key.
    pub author: PublicKey,
    /// Sequence number of the entry.
    pub seq: u64,
    /// Id of the entry.
    pub id: EntryId,
}

/// A node's statement of what reached it in this space since its last receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Chain heads, strictly ascending: 1 to [`RECEIPT_HEADS_MAX`].
    pub heads: Vec<ChainHead>,
}

/// An author's erasure of the words of own contributions; structure stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The contribution whose words go.
    pub contribution: EntryId,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// See [`Invitation`].
    Invitation(Invitation),
    /// See [`Countersignature`].
    Countersignature(Countersignature),
    /// See [`Admission`].
    Admission(Admission),
    /// See [`DeviceLink`].
    DeviceLink(DeviceLink),
    /// See [`NodeLink`].
    NodeLink(NodeLink),
    /// See [`Receipt`].
    Receipt(Receipt),
    /// See [`Erasure`].
    Erasure(Erasure),
}

impl RecordBody {
    /// The code of the record's type.
    pub fn record_type(&self) -> u64 {
        match self {
            Self::Invitation(_) => 1,
            Self::Countersignature(_) => 2,
            Self::Admission(_) => 3,
            Self::DeviceLink(_) => 4,
            Self::NodeLink(_) => 5,
            Self::Receipt(_) => 16,
            Self::Erasure(_) => 17,
        }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let w = &mut writer;
        match self {
            Self::Invitation(it) => {
                w.array(6)
                    .bytes(it.party.as_bytes())
                    .bytes(it.invitation_key.as_bytes());
                w.bytes(it.countersigner.as_bytes());
                write_roles(w, &it.roles);
                w.uint(it.uses);
                match it.expires_ms {
                    Some(ms) => w.uint(ms),
                    None => w.null(),
                };
            }
            Self::Countersignature(it) => {
                w.array(4)
                    .bytes(it.invitation.as_bytes())
                    .bytes(it.member.as_bytes());
                w.bytes(it.by_invitation.as_bytes())
                    .bytes(it.by_member.as_bytes());
            }
            Self::Admission(it) => {
                w.array(3)
                    .bytes(it.party.as_bytes())
                    .bytes(it.member.as_bytes());
                write_roles(w, &it.roles);
            }
            Self::DeviceLink(it) => {
                w.array(3).bytes(it.device.as_bytes()).uint(it.slot);
                w.bytes(it.by_device.as_bytes());
            }
            Self::NodeLink(it) => {
                w.array(2)
                    .bytes(it.node.as_bytes())
                    .bytes(it.by_node.as_bytes());
            }
            Self::Receipt(it) => {
                w.array(it.heads.len());
                for head in &it.heads {
                    w.array(3).bytes(head.author.as_bytes()).uint(head.seq);
                    w.bytes(head.id.as_bytes());
                }
            }
            Self::Erasure(it) => {
                w.array(1).bytes(it.contribution.as_bytes());
            }
        }
        writer.finish()
    }

    /// Reads the body of a record of type `record_type`.
    ///
    /// # Errors
    /// [`BodyError`] names the first rule that is broken.
    pub fn decode(record_type: u64, bytes: &[u8]) -> Result<Self, BodyError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let body = match record_type {
            1 => Self::Invitation(read_invitation(r)?),
            2 => Self::Countersignature(read_countersignature(r)?),
            3 => Self::Admission(read_admission(r)?),
            4 => Self::DeviceLink(read_device_link(r)?),
            5 => {
                r.array_of(2)?;
                let node = read_key(r)?;
                Self::NodeLink(NodeLink {
                    node,
                    by_node: Signature::from_bytes(r.fixed()?),
                })
            }
            16 => Self::Receipt(read_receipt(r)?),
            17 => {
                r.array_of(1)?;
                Self::Erasure(Erasure {
                    contribution: EntryId::from_bytes(r.fixed()?),
                })
            }
            unknown => return Err(BodyError::UnknownType(unknown)),
        };
        reader.end()?;
        Ok(body)
    }
}

pub(crate) fn read_key(reader: &mut Reader<'_>) -> Result<PublicKey, BodyError> {
    Ok(PublicKey::from_bytes(reader.fixed()?)?)
}

fn write_roles(writer: &mut Writer, roles: &Roles) {
    writer.array(roles.len());
    for role in roles {
        writer.uint(role.code());
    }
}

fn read_roles(reader: &mut Reader<'_>) -> Result<Roles, BodyError> {
    let count = reader.array(ROLES_MAX)?;
    let mut roles = Roles::new();
    for _ in 0..count {
        let code = reader.uint()?;
        let role = Role::ALL.into_iter().find(|role| role.code() == code);
        let role = role.ok_or(BodyError::UnknownRole(code))?;
        if roles.last().is_some_and(|last| *last >= role) {
            return Err(BodyError::Order);
        }
        roles.insert(role);
    }
    if roles.is_empty() {
        Err(BodyError::Empty)
    } else {
        Ok(roles)
    }
}

fn read_invitation(r: &mut Reader<'_>) -> Result<Invitation, BodyError> {
    r.array_of(6)?;
    Ok(Invitation {
        party: PartyId::from_bytes(r.fixed()?),
        invitation_key: read_key(r)?,
        countersigner: read_key(r)?,
        roles: read_roles(r)?,
        uses: r.uint_max(INVITATION_USES_MAX)?,
        expires_ms: match r.peek()? {
            crate::codec::ItemType::Null => r.null().map(|()| None)?,
            _ => Some(r.uint_max(TIME_MAX_MS)?),
        },
    })
}

fn read_countersignature(r: &mut Reader<'_>) -> Result<Countersignature, BodyError> {
    r.array_of(4)?;
    Ok(Countersignature {
        invitation: EntryId::from_bytes(r.fixed()?),
        member: read_key(r)?,
        by_invitation: Signature::from_bytes(r.fixed()?),
        by_member: Signature::from_bytes(r.fixed()?),
    })
}

fn read_admission(r: &mut Reader<'_>) -> Result<Admission, BodyError> {
    r.array_of(3)?;
    Ok(Admission {
        party: PartyId::from_bytes(r.fixed()?),
        member: read_key(r)?,
        roles: read_roles(r)?,
    })
}

fn read_device_link(r: &mut Reader<'_>) -> Result<DeviceLink, BodyError> {
    r.array_of(3)?;
    Ok(DeviceLink {
        device: read_key(r)?,
        slot: r.uint_max(DEVICE_SLOT_MAX)?,
        by_device: Signature::from_bytes(r.fixed()?),
    })
}

fn read_receipt(r: &mut Reader<'_>) -> Result<Receipt, BodyError> {
    let count = r.array(RECEIPT_HEADS_MAX)?;
    let mut heads: Vec<ChainHead> = Vec::with_capacity(count);
    for _ in 0..count {
        r.array_of(3)?;
        let author = read_key(r)?;
        let seq = r.uint_max(SEQ_MAX)?;
        let head = ChainHead {
            author,
            seq,
            id: EntryId::from_bytes(r.fixed()?),
        };
        if heads.last().is_some_and(|last| *last >= head) {
            return Err(BodyError::Order);
        }
        heads.push(head);
    }
    if heads.is_empty() {
        Err(BodyError::Empty)
    } else {
        Ok(Receipt { heads })
    }
}
