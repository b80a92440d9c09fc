//! The genesis of a community: purpose, founding parties, public spaces, promises, rules.

use super::{
    CertificateError, NAME_MAX_BYTES, SIGNATURES_MAX, TEXT_MAX_BYTES, read_sorted_keys, write_keys,
};
use crate::{
    codec::{CodecError, Reader, Writer},
    id::{CommunityId, PartyId, SpaceId},
    key::PublicKey,
    limits::TIME_MAX_MS,
};
use std::collections::BTreeSet;

pub(super) const TYPE: u64 = 2;
const FIELDS: usize = 10;

/// Most parties in a genesis.
const PARTIES_MAX: usize = 256;
/// Most spaces a genesis declares.
pub const SPACES_MAX: usize = 256;
/// Most promises a genesis makes.
pub const PROMISES_MAX: usize = 256;
/// Longest promise, in days.
const PROMISE_MAX_DAYS: u64 = 36_500;
/// Index of the governance space; declared spaces count from 1.
pub const GOVERNANCE_INDEX: u64 = 0;

/// Who may read a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Anyone, members or not.
    Everyone,
    /// Members of the community.
    Members,
}

/// Who may write in a space.
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
}

/// The document whose digest is the community's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// Random bytes that keep two communities of one purpose apart.
    pub nonce: [u8; 16],
    /// Name of the community, 1 to 256 bytes.
    pub name: String,
    /// What it is for; Markdown.
    pub purpose: String,
    /// Founding parties, strictly ascending.
    pub parties: Vec<PartyId>,
    /// Delegates of the founding parties who sign, exactly these: strictly ascending. They stand in
    /// the body so that a genesis can be judged by itself, and has one set of signers.
    pub founders: Vec<PublicKey>,
    /// Parties a resolution needs: more than half.
    pub party_quorum: u64,
    /// Spaces declared here.
    pub spaces: Vec<Space>,
    /// Promises: a name and a number of days each.
    pub promises: Vec<(String, u64)>,
    /// Claimed time of founding, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl Genesis {
    /// The ids of the declared spaces, beside their declarations.
    pub fn spaces(&self, community: CommunityId) -> impl Iterator<Item = (SpaceId, &Space)> {
        self.spaces.iter().zip(1..).map(move |(space, index)| {
            (
                super::space_id(community, community.as_bytes(), index),
                space,
            )
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(FIELDS)
            .uint(TYPE)
            .bytes(&self.nonce)
            .text(&self.name)
            .text(&self.purpose);
        w.array(self.parties.len());
        for party in &self.parties {
            w.bytes(party.as_bytes());
        }
        write_keys(w, &self.founders);
        w.uint(self.party_quorum).array(self.spaces.len());
        for space in &self.spaces {
            w.array(3).text(&space.name);
            match space.readers {
                Readers::Everyone => w.uint(0),
                Readers::Members => w.uint(1),
            };
            match space.writers {
                Writers::Members => w.uint(0),
                Writers::Stewards => w.uint(1),
            };
        }
        w.array(self.promises.len());
        for (name, days) in &self.promises {
            w.array(2).text(name).uint(*days);
        }
        w.uint(self.time_ms);
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        if fields != FIELDS {
            return Err(CodecError::WrongLength {
                expected: FIELDS,
                found: fields as u64,
            }
            .into());
        }
        let genesis = Self {
            nonce: r.fixed()?,
            name: r.text(NAME_MAX_BYTES)?.to_owned(),
            purpose: r.text(TEXT_MAX_BYTES)?.to_owned(),
            parties: read_parties(r)?,
            founders: read_sorted_keys(r, SIGNATURES_MAX)?,
            party_quorum: r.uint_max(PARTIES_MAX as u64)?,
            spaces: read_spaces(r)?,
            promises: read_promises(r)?,
            time_ms: r.uint_max(TIME_MAX_MS)?,
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// Whether the parts of the genesis fit each other.
    ///
    /// # Errors
    /// [`CertificateError::Contradiction`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        let contradiction = |what| Err(CertificateError::Contradiction(what));
        let parties = self.parties.len() as u64;
        if self.name.trim().is_empty() {
            return contradiction("a community needs a name");
        }
        if parties == 0 {
            return contradiction("a community needs a party");
        }
        if self.founders.is_empty() {
            return contradiction("a community needs a founder");
        }
        if self.party_quorum * 2 <= parties || self.party_quorum > parties {
            return contradiction("party_quorum must be more than half of the parties");
        }
        if self.spaces.iter().any(|space| space.name.trim().is_empty()) {
            return contradiction("a space needs a name");
        }
        if has_duplicates(self.spaces.iter().map(|space| &space.name)) {
            return contradiction("two spaces have one name");
        }
        if self.promises.iter().any(|(name, _)| name.trim().is_empty()) {
            return contradiction("a promise needs a name");
        }
        if has_duplicates(self.promises.iter().map(|(name, _)| name)) {
            return contradiction("two promises have one name");
        }
        Ok(())
    }
}

fn has_duplicates<'a>(names: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = BTreeSet::new();
    !names.into_iter().all(|name| seen.insert(name))
}

fn read_parties(r: &mut Reader<'_>) -> Result<Vec<PartyId>, CertificateError> {
    let count = r.array(PARTIES_MAX)?;
    let mut parties: Vec<PartyId> = Vec::with_capacity(count);
    for _ in 0..count {
        let party = PartyId::from_bytes(r.fixed()?);
        if parties.last().is_some_and(|last| *last >= party) {
            return Err(CertificateError::Order);
        }
        parties.push(party);
    }
    Ok(parties)
}

fn read_spaces(r: &mut Reader<'_>) -> Result<Vec<Space>, CertificateError> {
    let count = r.array(SPACES_MAX)?;
    let mut spaces = Vec::with_capacity(count);
    for _ in 0..count {
        r.array_of(3)?;
        spaces.push(Space {
            name: r.text(NAME_MAX_BYTES)?.to_owned(),
            readers: match r.uint_max(1)? {
                0 => Readers::Everyone,
                _ => Readers::Members,
            },
            writers: match r.uint_max(1)? {
                0 => Writers::Members,
                _ => Writers::Stewards,
            },
        });
    }
    Ok(spaces)
}

fn read_promises(r: &mut Reader<'_>) -> Result<Vec<(String, u64)>, CertificateError> {
    let count = r.array(PROMISES_MAX)?;
    let mut promises = Vec::with_capacity(count);
    for _ in 0..count {
        r.array_of(2)?;
        promises.push((
            r.text(NAME_MAX_BYTES)?.to_owned(),
            r.uint_max(PROMISE_MAX_DAYS)?,
        ));
    }
    Ok(promises)
}
