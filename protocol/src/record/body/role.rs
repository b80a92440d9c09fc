//! Roles, and sets of them.
//!
//! Spec: `specs/roster.md` (form of the records).

use super::BodyError;
use crate::codec::{Reader, Writer};
use std::collections::BTreeSet;

/// Most roles one grant names.
const ROLES_MAX: usize = 16;

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

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, BodyError> {
        let code = reader.uint()?;
        let role = Self::ALL.into_iter().find(|role| role.code() == code);
        role.ok_or(BodyError::UnknownRole(code))
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

pub(super) fn write_roles(writer: &mut Writer, roles: &Roles) {
    writer.array(roles.len());
    for role in roles {
        writer.uint(role.code());
    }
}

pub(super) fn read_roles(reader: &mut Reader<'_>) -> Result<Roles, BodyError> {
    let count = reader.array(ROLES_MAX)?;
    let mut roles = Roles::new();
    for _ in 0..count {
        let role = Role::read(reader)?;
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
