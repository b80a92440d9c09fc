//! What takes rights away, with the cuts up to which things counted.
//!
//! Spec: `specs/roster.md` (form of the records).

use super::{Body, BodyError, read_key, role::Role};
use crate::{
    certificate::Cuts,
    codec::{CodecError, Reader, Writer},
    id::{EntryId, PartyId},
    key::PublicKey,
};

/// A delegate's part in taking standing with a party away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The party.
    pub party: PartyId,
    /// Whose standing, or which part of it.
    pub target: Target,
    /// Up to where it counted.
    pub cuts: Cuts,
    /// A narrowing by the same party whose cuts these take the place of.
    pub replaces: Option<EntryId>,
}

/// What a revocation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A member by root key, for good.
    Member(PublicKey),
    /// One device.
    Device(PublicKey),
    /// One role of a member.
    Role(PublicKey, Role),
}

impl Target {
    fn write(self, w: &mut Writer) {
        match self {
            Self::Member(root) => w.array(2).uint(0).bytes(root.as_bytes()),
            Self::Device(device) => w.array(2).uint(1).bytes(device.as_bytes()),
            Self::Role(root, role) => {
                w.array(3).uint(2).bytes(root.as_bytes());
                w.uint(role.code())
            }
        };
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        let fields = r.array(3)?;
        let (target, expected) = match r.uint()? {
            0 => (Self::Member(read_key(r)?), 2),
            1 => (Self::Device(read_key(r)?), 2),
            2 => (Self::Role(read_key(r)?, Role::read(r)?), 3),
            _ => return Err(CodecError::OutOfRange.into()),
        };
        if fields != expected {
            let found = fields as u64;
            return Err(CodecError::WrongLength { expected, found }.into());
        }
        Ok(target)
    }
}

/// A member's own end of standing with a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The party.
    pub party: PartyId,
    /// Up to where it counted.
    pub cuts: Cuts,
}

/// A root key's end of one of its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRevocation {
    /// The device's key.
    pub device: PublicKey,
    /// Up to where it counted.
    pub cuts: Cuts,
    /// A revocation of the device by the same root key whose cuts these take the place of.
    pub replaces: Option<EntryId>,
}

impl Body for Revocation {
    fn write(&self, w: &mut Writer) {
        w.array(4).bytes(self.party.as_bytes());
        self.target.write(w);
        self.cuts.write(w);
        write_replaced(w, self.replaces);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(4)?;
        Ok(Self {
            party: PartyId::from_bytes(r.fixed()?),
            target: Target::read(r)?,
            cuts: Cuts::read(r)?,
            replaces: r.optional_fixed()?.map(EntryId::from_bytes),
        })
    }
}

impl Body for Departure {
    fn write(&self, w: &mut Writer) {
        w.array(2).bytes(self.party.as_bytes());
        self.cuts.write(w);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(2)?;
        Ok(Self {
            party: PartyId::from_bytes(r.fixed()?),
            cuts: Cuts::read(r)?,
        })
    }
}

impl Body for DeviceRevocation {
    fn write(&self, w: &mut Writer) {
        w.array(3).bytes(self.device.as_bytes());
        self.cuts.write(w);
        write_replaced(w, self.replaces);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(3)?;
        Ok(Self {
            device: read_key(r)?,
            cuts: Cuts::read(r)?,
            replaces: r.optional_fixed()?.map(EntryId::from_bytes),
        })
    }
}

fn write_replaced(w: &mut Writer, replaces: Option<EntryId>) {
    w.optional_bytes(replaces.as_ref().map(|id| &id.as_bytes()[..]));
}
