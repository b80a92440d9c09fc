//! Declarations that only readers of the space receive: internal spaces of a party, small groups.
//!
//! Spec: `specs/charter.md` (form of declarations and erasure orders).

use super::{
    CertificateError, TEXT_MAX_BYTES,
    parts::{contradiction, expect_fields, read_key, read_party},
    space::{Readers, Space},
};
use crate::{
    codec::{CodecError, Reader, Writer},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    limits::TIME_MAX_MS,
};

pub(super) const TYPE: u64 = 4;
const FIELDS: usize = 6;
pub(super) const ERASURE_TYPE: u64 = 5;
const ERASURE_FIELDS: usize = 8;

/// Index of the space that a declaration declares.
pub const DECLARED_INDEX: u64 = 1;

/// The declaration of a restricted space. It stands in the set of the space itself, whose id follows
/// from the id of this certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceDeclaration {
    /// The community.
    pub community: CommunityId,
    /// Who declares.
    pub declarer: Declarer,
    /// The space. Readers of a party's: that party alone, or groups of it; of a member's: persons,
    /// the declarer among them.
    pub space: Space,
    /// Random bytes.
    pub nonce: [u8; 16],
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Who declares a restricted space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declarer {
    /// A party, by `delegates_needed` of the named state.
    Party {
        /// The party.
        party: PartyId,
        /// The state of its chain whose delegates sign.
        state: EntryId,
        /// Under whom it is filed: a delegate of that state.
        proposer: PublicKey,
    },
    /// A member, by the root key or a device.
    Member {
        /// The root key.
        root: PublicKey,
        /// The key that signs: the root or one of its devices.
        signer: PublicKey,
    },
}

impl Declarer {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Party {
                party,
                state,
                proposer,
            } => {
                w.array(4).uint(0).bytes(party.as_bytes());
                w.bytes(state.as_bytes()).bytes(proposer.as_bytes());
            }
            Self::Member { root, signer } => {
                w.array(3).uint(1).bytes(root.as_bytes());
                w.bytes(signer.as_bytes());
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        let fields = r.array(4)?;
        match r.uint()? {
            0 => {
                expect_fields(fields, 4)?;
                Ok(Self::Party {
                    party: read_party(r)?,
                    state: EntryId::from_bytes(r.fixed()?),
                    proposer: read_key(r)?,
                })
            }
            1 => {
                expect_fields(fields, 3)?;
                Ok(Self::Member {
                    root: read_key(r)?,
                    signer: read_key(r)?,
                })
            }
            _ => Err(CodecError::OutOfRange.into()),
        }
    }
}

impl SpaceDeclaration {
    /// Under whom it is filed: the proposer, or the member's key that signs.
    pub fn filed_under(&self) -> PublicKey {
        match self.declarer {
            Declarer::Party { proposer, .. } => proposer,
            Declarer::Member { signer, .. } => signer,
        }
    }

    /// Whether the declarer may name such readers.
    ///
    /// # Errors
    /// [`CertificateError`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        self.space.check()?;
        match (&self.declarer, &self.space.readers) {
            (Declarer::Party { party, .. }, Readers::Parties(parties)) if parties == &[*party] => {
                Ok(())
            }
            (Declarer::Party { party, .. }, Readers::Groups(groups))
                if groups.iter().all(|(of, _)| of == party) =>
            {
                Ok(())
            }
            (Declarer::Party { .. }, _) => {
                contradiction("a party declares spaces for itself or for its groups")
            }
            (Declarer::Member { root, .. }, Readers::Persons(persons))
                if persons.contains(root) =>
            {
                Ok(())
            }
            (Declarer::Member { .. }, _) => {
                contradiction("a member declares spaces for persons and is one of them")
            }
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(FIELDS).uint(TYPE).bytes(self.community.as_bytes());
        self.declarer.write(w);
        self.space.write(w);
        w.bytes(&self.nonce).uint(self.time_ms);
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        expect_fields(fields, FIELDS)?;
        let declaration = Self {
            community: CommunityId::from_bytes(r.fixed()?),
            declarer: Declarer::read(r)?,
            space: Space::read(r)?,
            nonce: r.fixed()?,
            time_ms: r.uint_max(TIME_MAX_MS)?,
        };
        declaration.check()?;
        Ok(declaration)
    }
}

/// An erasure ordered by a quorum of parties. It stands in the set of the space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureOrder {
    /// The community.
    pub community: CommunityId,
    /// The charter state under which the parties sign.
    pub charter: EntryId,
    /// The space.
    pub space: SpaceId,
    /// The contribution whose words go.
    pub contribution: EntryId,
    /// Under whom it is filed: a delegate.
    pub proposer: PublicKey,
    /// Why; Markdown, may be empty.
    pub reason: String,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl ErasureOrder {
    pub(super) fn write(&self, w: &mut Writer) {
        w.array(ERASURE_FIELDS).uint(ERASURE_TYPE);
        w.bytes(self.community.as_bytes());
        w.bytes(self.charter.as_bytes())
            .bytes(self.space.as_bytes())
            .bytes(self.contribution.as_bytes())
            .bytes(self.proposer.as_bytes());
        w.text(&self.reason).uint(self.time_ms);
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        expect_fields(fields, ERASURE_FIELDS)?;
        Ok(Self {
            community: CommunityId::from_bytes(r.fixed()?),
            charter: EntryId::from_bytes(r.fixed()?),
            space: SpaceId::from_bytes(r.fixed()?),
            contribution: EntryId::from_bytes(r.fixed()?),
            proposer: read_key(r)?,
            reason: r.text(TEXT_MAX_BYTES)?.to_owned(),
            time_ms: r.uint_max(TIME_MAX_MS)?,
        })
    }
}
