//! A space as a genesis, a resolution or a declaration states it.
//!
//! Spec: `specs/charter.md` (forms that several bodies share).

use super::{
    CertificateError,
    parts::{
        check_ascending, check_name, contradiction, read_key, read_list, read_name, read_optional,
        read_party, write_keys,
    },
};
use crate::{
    codec::{CodecError, Reader, Writer},
    id::{PartyId, SpaceId},
    key::PublicKey,
    limits::KEY_MAX_BYTES,
};

/// Most parties, groups or persons that one space names as its readers.
pub const READERS_MAX: usize = 256;
/// Most kinds that one list names.
pub const KINDS_MAX: usize = 64;

/// Who may read a space. The lists are strictly ascending, with 1 to [`READERS_MAX`] items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readers {
    /// Anyone, members or not.
    Everyone,
    /// Members of the community.
    Members,
    /// Members by one of these parties.
    Parties(Vec<PartyId>),
    /// Members of one of these groups: the party and the name of the group.
    Groups(Vec<(PartyId, String)>),
    /// These persons, by root key.
    Persons(Vec<PublicKey>),
}

impl Readers {
    const EVERYONE: u64 = 0;
    const MEMBERS: u64 = 1;
    const PARTIES: u64 = 2;
    const GROUPS: u64 = 3;
    const PERSONS: u64 = 4;

    /// Whether a charter may declare a space with such readers, where everyone sees the declaration.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Everyone | Self::Members | Self::Parties(_))
    }

    fn check(&self) -> Result<(), CertificateError> {
        let count = match self {
            Self::Everyone | Self::Members => return Ok(()),
            Self::Parties(parties) => {
                check_ascending(parties)?;
                parties.len()
            }
            Self::Groups(groups) => {
                check_ascending(groups)?;
                for (_, name) in groups {
                    check_name(name, "a group needs a name")?;
                }
                groups.len()
            }
            Self::Persons(persons) => {
                check_ascending(persons)?;
                persons.len()
            }
        };
        if count == 0 {
            return contradiction("a space needs a reader");
        }
        Ok(())
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Everyone => {
                w.array(1).uint(Self::EVERYONE);
            }
            Self::Members => {
                w.array(1).uint(Self::MEMBERS);
            }
            Self::Parties(parties) => {
                w.array(2).uint(Self::PARTIES).array(parties.len());
                for party in parties {
                    w.bytes(party.as_bytes());
                }
            }
            Self::Groups(groups) => {
                w.array(2).uint(Self::GROUPS).array(groups.len());
                for (party, name) in groups {
                    w.array(2).bytes(party.as_bytes()).text(name);
                }
            }
            Self::Persons(persons) => {
                w.array(2).uint(Self::PERSONS);
                write_keys(w, persons);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        let fields = r.array(2)?;
        let (readers, expected) = match r.uint()? {
            Self::EVERYONE => (Self::Everyone, 1),
            Self::MEMBERS => (Self::Members, 1),
            listed if fields < 2 => return Err(unknown_or_short(listed)),
            Self::PARTIES => (Self::Parties(read_list(r, READERS_MAX, read_party)?), 2),
            Self::GROUPS => {
                let groups = read_list(r, READERS_MAX, |r| {
                    r.array_of(2)?;
                    Ok((read_party(r)?, read_name(r)?))
                })?;
                (Self::Groups(groups), 2)
            }
            Self::PERSONS => (Self::Persons(read_list(r, READERS_MAX, read_key)?), 2),
            unknown => return Err(unknown_or_short(unknown)),
        };
        super::parts::expect_fields(fields, expected)?;
        Ok(readers)
    }
}

fn unknown_or_short(code: u64) -> CertificateError {
    if code > Readers::PERSONS {
        return CodecError::OutOfRange.into();
    }
    let (expected, found) = (2, 1);
    CodecError::WrongLength { expected, found }.into()
}

/// Who may write in a space, of those who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Members of the community.
    Members,
    /// Stewards of its parties.
    Stewards,
}

/// A space as its declaration states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Its name, 1 to 256 bytes, unique in the declaration.
    pub name: String,
    /// Who may read; never widens.
    pub readers: Readers,
    /// Who may write.
    pub writers: Writers,
    /// Kinds of documents allowed, strictly ascending, 1 to [`KINDS_MAX`]; none: all kinds.
    pub kinds: Option<Vec<String>>,
    /// The space of this community that it succeeds, for instance with wider readers.
    pub successor_of: Option<SpaceId>,
    /// The space of another community whose history it continues, in a fork.
    pub continues: Option<SpaceId>,
}

impl Space {
    /// A space for all kinds that succeeds none.
    pub fn new(name: impl Into<String>, readers: Readers, writers: Writers) -> Self {
        Self {
            name: name.into(),
            readers,
            writers,
            kinds: None,
            successor_of: None,
            continues: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), CertificateError> {
        check_name(&self.name, "a space needs a name")?;
        self.readers.check()?;
        self.kinds.as_deref().map_or(Ok(()), check_kinds)
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(6).text(&self.name);
        self.readers.write(w);
        match self.writers {
            Writers::Members => w.uint(0),
            Writers::Stewards => w.uint(1),
        };
        match &self.kinds {
            Some(kinds) => write_kinds(w, kinds),
            None => {
                w.null();
            }
        }
        for space in [&self.successor_of, &self.continues] {
            w.optional_bytes(space.as_ref().map(|id| &id.as_bytes()[..]));
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        r.array_of(6)?;
        Ok(Self {
            name: read_name(r)?,
            readers: Readers::read(r)?,
            writers: match r.uint_max(1)? {
                0 => Writers::Members,
                _ => Writers::Stewards,
            },
            kinds: read_optional(r, read_kinds)?,
            successor_of: r.optional_fixed()?.map(SpaceId::from_bytes),
            continues: r.optional_fixed()?.map(SpaceId::from_bytes),
        })
    }
}

/// At least one, none empty, strictly ascending.
pub(super) fn check_kinds(kinds: &[String]) -> Result<(), CertificateError> {
    if kinds.is_empty() {
        return contradiction("a list of kinds names at least one");
    }
    for kind in kinds {
        check_name(kind, "a kind needs a name")?;
    }
    check_ascending(kinds)
}

pub(super) fn write_kinds(w: &mut Writer, kinds: &[String]) {
    w.array(kinds.len());
    for kind in kinds {
        w.text(kind);
    }
}

pub(super) fn read_kinds(r: &mut Reader<'_>) -> Result<Vec<String>, CertificateError> {
    read_list(r, KINDS_MAX, |r| Ok(r.text(KEY_MAX_BYTES)?.to_owned()))
}
