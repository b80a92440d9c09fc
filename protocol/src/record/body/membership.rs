//! Grants of membership: invitations, their countersignatures and approvals, admissions.
//!
//! Spec: `specs/roster.md` (form of the records).

use super::{
    Body, BodyError, read_key,
    role::{Roles, read_roles, write_roles},
};
use crate::{
    codec::{ItemType, Reader, Writer},
    id::{EntryId, PartyId, SpaceId},
    key::{PublicKey, Signature},
    limits::TIME_MAX_MS,
};

/// Most persons one invitation lets in.
const INVITATION_USES_MAX: u64 = 100_000;

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
    /// The invitation's key, so that its signature is verified with the record.
    pub invitation_key: PublicKey,
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

/// Another delegate's agreement to an invitation, where a party admits by several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationApproval {
    /// The invitation's record id.
    pub invitation: EntryId,
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

impl Body for Invitation {
    fn write(&self, w: &mut Writer) {
        w.array(6)
            .bytes(self.party.as_bytes())
            .bytes(self.invitation_key.as_bytes());
        w.bytes(self.countersigner.as_bytes());
        write_roles(w, &self.roles);
        w.uint(self.uses);
        match self.expires_ms {
            Some(ms) => w.uint(ms),
            None => w.null(),
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(6)?;
        Ok(Self {
            party: PartyId::from_bytes(r.fixed()?),
            invitation_key: read_key(r)?,
            countersigner: read_key(r)?,
            roles: read_roles(r)?,
            uses: r.uint_max(INVITATION_USES_MAX)?,
            expires_ms: match r.peek()? {
                ItemType::Null => r.null().map(|()| None)?,
                _ => Some(r.uint_max(TIME_MAX_MS)?),
            },
        })
    }
}

impl Body for Countersignature {
    fn write(&self, w: &mut Writer) {
        w.array(5)
            .bytes(self.invitation.as_bytes())
            .bytes(self.invitation_key.as_bytes())
            .bytes(self.member.as_bytes());
        w.bytes(self.by_invitation.as_bytes())
            .bytes(self.by_member.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(5)?;
        Ok(Self {
            invitation: EntryId::from_bytes(r.fixed()?),
            invitation_key: read_key(r)?,
            member: read_key(r)?,
            by_invitation: Signature::from_bytes(r.fixed()?),
            by_member: Signature::from_bytes(r.fixed()?),
        })
    }
}

impl Body for Admission {
    fn write(&self, w: &mut Writer) {
        w.array(3)
            .bytes(self.party.as_bytes())
            .bytes(self.member.as_bytes());
        write_roles(w, &self.roles);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(3)?;
        Ok(Self {
            party: PartyId::from_bytes(r.fixed()?),
            member: read_key(r)?,
            roles: read_roles(r)?,
        })
    }
}

impl Body for InvitationApproval {
    fn write(&self, w: &mut Writer) {
        w.array(1).bytes(self.invitation.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(1)?;
        Ok(Self {
            invitation: EntryId::from_bytes(r.fixed()?),
        })
    }
}
