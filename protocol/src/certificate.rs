//! Certificates: self-contained statements of parties and of the community's charter.
//!
//! A certificate carries its body and, inside, the signatures of the delegates that make it
//! valid, so nothing else is needed to check it and no cut ever touches it. The body says who
//! signs, and a certificate with other signers is none; its id is the digest of the body. So one
//! statement is one entry, and nobody can fill a set with variants of it.
//!
//! Spec: `specs/charter.md` §2 (certificates), §3 (party state), §4 (genesis).

use crate::{
    codec::{CodecError, Reader, Writer},
    id::{CommunityId, EntryId, PartyId, SpaceId, digest, domain},
    key::{KeyError, PublicKey, SIGNATURE_BYTES, SecretKey, Signature},
    limits::PAYLOAD_MAX_BYTES,
};
use thiserror::Error;

mod cuts;
mod declaration;
mod genesis;
mod party;
mod resolution;

pub use cuts::{Cuts, DeviceCut, SpaceCut};
pub use declaration::{Declarer, ErasureOrder, SpaceDeclaration};
pub use genesis::{GOVERNANCE_INDEX, Genesis, PROMISES_MAX, Readers, SPACES_MAX, Space, Writers};
pub use party::{KEYS_MAX, PartyState};
pub use resolution::{CHANGES_MAX, Change, DecisionRule, ForkProof, Method, Promise, Resolution};

/// Most signatures one certificate carries.
pub const SIGNATURES_MAX: usize = 256;
/// Longest name in a certificate, in bytes.
pub const NAME_MAX_BYTES: usize = 256;
/// Longest free text in a certificate, in bytes.
pub const TEXT_MAX_BYTES: usize = 16 * 1024;

/// Why bytes are not a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Not canonical CBOR of the form.
    #[error("the certificate is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside the certificate is not usable: {0}")]
    Key(#[from] KeyError),
    /// A body of a type this version does not know.
    #[error("certificate type {0} is not known here; a newer comity may read it")]
    UnknownType(u64),
    /// A list is not strictly ascending.
    #[error("a list in the certificate is not strictly ascending")]
    Order,
    /// A signature that the body asks for is missing or does not hold, or one is by a key that the
    /// body does not name.
    #[error("the certificate is not signed by the delegates it needs")]
    NotCertified,
    /// A number contradicts the rest of the body.
    #[error("the certificate contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateBody {
    /// A state of a party's chain.
    Party(PartyState),
    /// The genesis of a community.
    Genesis(Genesis),
}

impl CertificateBody {
    /// The canonical encoding, which delegates sign.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Party(state) => state.write(&mut writer),
            Self::Genesis(genesis) => genesis.write(&mut writer),
        }
        writer.finish()
    }

    fn names_somebody(&self) -> bool {
        match self {
            Self::Party(state) => !state.delegates.is_empty(),
            Self::Genesis(genesis) => !genesis.founders.is_empty(),
        }
    }

    /// The keys that must sign, where the body alone says so: strictly ascending. A later state of
    /// a party is signed by delegates of the state before it, which it does not hold.
    fn required_signers(&self) -> Option<&[PublicKey]> {
        match self {
            Self::Party(state) if state.parent.is_none() => Some(&state.delegates),
            Self::Party(_) => None,
            Self::Genesis(genesis) => Some(&genesis.founders),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        let fields = reader.array(32)?;
        let body = match reader.uint()? {
            party::TYPE => Self::Party(PartyState::read(fields, &mut reader)?),
            genesis::TYPE => Self::Genesis(Genesis::read(fields, &mut reader)?),
            unknown => return Err(CertificateError::UnknownType(unknown)),
        };
        reader.end()?;
        Ok(body)
    }
}

/// A body and the signatures under it, structurally sound but not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    body: CertificateBody,
    body_bytes: Vec<u8>,
    signatures: Vec<(PublicKey, Signature)>,
}

impl Certificate {
    /// Signs a body with the keys of delegates: of all that [`Genesis::founders`] or the first state
    /// of a party name, which [`Certificate::check`] asks for.
    ///
    /// # Panics
    /// If the body names nobody, which [`Genesis::check`] and [`PartyState::check`] refuse.
    pub fn sign(body: CertificateBody, delegates: &[&SecretKey]) -> Self {
        assert!(
            body.names_somebody(),
            "a body is checked before it is signed, and names who signs"
        );
        let body_bytes = body.encode();
        let mut signatures: Vec<_> = delegates
            .iter()
            .map(|key| {
                (
                    key.public(),
                    key.sign(domain::CERTIFICATE_SIGNATURE, &body_bytes),
                )
            })
            .collect();
        signatures.sort_by_key(|(key, _)| *key);
        signatures.dedup_by_key(|(key, _)| *key);
        Self {
            body,
            body_bytes,
            signatures,
        }
    }

    /// The canonical encoding: `[body, [[key, signature], …]]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer
            .array(2)
            .bytes(&self.body_bytes)
            .array(self.signatures.len());
        for (key, signature) in &self.signatures {
            writer
                .array(2)
                .bytes(key.as_bytes())
                .bytes(signature.as_bytes());
        }
        writer.finish()
    }

    /// Reads a certificate; signatures are checked by [`Certificate::check`].
    ///
    /// # Errors
    /// [`CertificateError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        reader.array_of(2)?;
        let body_bytes = reader.bytes(PAYLOAD_MAX_BYTES)?.to_vec();
        let body = CertificateBody::decode(&body_bytes)?;
        let count = reader.array(SIGNATURES_MAX)?;
        let mut signatures: Vec<(PublicKey, Signature)> = Vec::with_capacity(count);
        for _ in 0..count {
            reader.array_of(2)?;
            let key = PublicKey::from_bytes(reader.fixed()?)?;
            if signatures.last().is_some_and(|(last, _)| *last >= key) {
                return Err(CertificateError::Order);
            }
            signatures.push((
                key,
                Signature::from_bytes(reader.fixed::<SIGNATURE_BYTES>()?),
            ));
        }
        reader.end()?;
        let certificate = Self {
            body,
            body_bytes,
            signatures,
        };
        certificate.check_signers()?;
        Ok(certificate)
    }

    /// What it says.
    pub fn body(&self) -> &CertificateBody {
        &self.body
    }

    /// Id of the certificate as an entry of the governance set: digest of the body. It excludes the
    /// signatures, so signing again makes no second entry.
    pub fn id(&self) -> EntryId {
        EntryId::from_bytes(digest(domain::CERTIFICATE_ID, &[&self.body_bytes]))
    }

    /// The lowest key among the founders or delegates in the body, under whom the entry is filed.
    pub fn first_signer(&self) -> PublicKey {
        match &self.body {
            CertificateBody::Party(state) => state.delegates[0],
            CertificateBody::Genesis(genesis) => genesis.founders[0],
        }
    }

    /// Who signed.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey> {
        self.signatures.iter().map(|(key, _)| *key)
    }

    fn check_signers(&self) -> Result<(), CertificateError> {
        let fit = match self.body.required_signers() {
            Some(required) => self.signers().eq(required.iter().copied()),
            None => !self.signatures.is_empty(),
        };
        fit.then_some(()).ok_or(CertificateError::NotCertified)
    }

    /// Checks that those who must have signed the body, and that every signature holds.
    ///
    /// # Errors
    /// [`CertificateError::NotCertified`] if one is missing, too many, or does not hold.
    pub fn check(&self) -> Result<(), CertificateError> {
        self.check_signers()?;
        let holds = self.signatures.iter().all(|(key, signature)| {
            crate::key::verify(
                key,
                domain::CERTIFICATE_SIGNATURE,
                &self.body_bytes,
                signature,
            )
            .is_ok()
        });
        if holds {
            Ok(())
        } else {
            Err(CertificateError::NotCertified)
        }
    }
}

/// The id of the community that a genesis with this body founds.
pub fn community_id(genesis: &Genesis) -> CommunityId {
    let body = CertificateBody::Genesis(genesis.clone()).encode();
    CommunityId::from_bytes(digest(domain::COMMUNITY, &[&body]))
}

/// The id of the party whose chain starts with this state.
pub fn party_id(first: &PartyState) -> PartyId {
    let body = CertificateBody::Party(first.clone()).encode();
    PartyId::from_bytes(digest(domain::PARTY, &[&body]))
}

/// The id of a space: digest of community, declaring record and index in it.
pub fn space_id(community: CommunityId, declared_by: &[u8; 32], index: u64) -> SpaceId {
    let parts: [&[u8]; 3] = [community.as_bytes(), declared_by, &index.to_be_bytes()];
    SpaceId::from_bytes(digest(domain::SPACE, &parts))
}

/// The space that holds a community's public governance records.
pub fn governance_space(community: CommunityId) -> SpaceId {
    space_id(community, community.as_bytes(), GOVERNANCE_INDEX)
}

fn read_sorted_keys(
    reader: &mut Reader<'_>,
    limit: usize,
) -> Result<Vec<PublicKey>, CertificateError> {
    let count = reader.array(limit)?;
    let mut keys: Vec<PublicKey> = Vec::with_capacity(count);
    for _ in 0..count {
        let key = PublicKey::from_bytes(reader.fixed()?)?;
        if keys.last().is_some_and(|last| *last >= key) {
            return Err(CertificateError::Order);
        }
        keys.push(key);
    }
    Ok(keys)
}

fn write_keys(writer: &mut Writer, keys: &[PublicKey]) {
    writer.array(keys.len());
    for key in keys {
        writer.bytes(key.as_bytes());
    }
}
