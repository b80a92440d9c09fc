//! Certificates: self-contained statements of parties and of the community's charter.
//!
//! A certificate carries its body and, inside, the signatures that make it valid, so no cut ever
//! touches it. Where the body names who signs, a certificate with other signers is none; where it
//! does not, the states it builds on say who may, and any sufficient set of signatures is the same
//! certificate. Its id is the digest of the body and its place follows from the body. So one
//! statement is one entry, and nobody can fill a set with variants of it.
//!
//! Spec: `specs/charter.md` (form of certificates), `specs/party.md`, `specs/roster.md` (form of
//! cuts).

use crate::{
    codec::{CodecError, Origin, Reader, Writer},
    effort::{self, Effort},
    id::{CommunityId, EntryId, PartyId, SpaceId, digest, domain},
    key::{BadSignature, KeyError, PublicKey, SIGNATURE_BYTES, SecretKey, Signature},
    limits::PAYLOAD_MAX_BYTES,
};
use thiserror::Error;

mod change;
mod cuts;
mod declaration;
mod genesis;
mod parts;
mod party;
mod resolution;
mod sealed;
mod space;
mod terms;

pub use change::Change;
pub use cuts::{CUT_KEYS_MAX, CUT_SEGMENTS_MAX, CUT_SPACES_MAX, Cuts, DeviceCut, SpaceCut};
pub use declaration::{DECLARED_INDEX, Declarer, ErasureOrder, SpaceDeclaration};
pub use genesis::{GOVERNANCE_INDEX, Genesis, PARTIES_MAX, SPACES_MAX};
pub use party::{GROUPS_MAX, Group, KEYS_MAX, LEFT_MAX, PartyState};
pub use resolution::{CHANGES_MAX, ForkProof, Resolution};
pub use sealed::{CutTable, LEAF_BYTES, LEAVES_MAX, LEAVES_MIN, SealError, SealedCuts};
pub use space::{KINDS_MAX, READERS_MAX, Readers, Space, Writers};
pub use terms::{DecisionRule, Method, PROMISE_MAX_DAYS, Promise, TERMS_MAX};

/// Most signatures one certificate carries.
pub const SIGNATURES_MAX: usize = 256;
/// Largest body of a certificate, in bytes: what is left of [`PAYLOAD_MAX_BYTES`] when every
/// signature is there. So whatever can be proposed can be certified.
pub const BODY_MAX_BYTES: usize = PAYLOAD_MAX_BYTES - 32 * 1024;
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
    /// A change that this version does not know.
    #[error("change {0} of a charter is not known here; a newer comity may read it")]
    UnknownChange(u64),
    /// A method of counting that this version does not know.
    #[error("method {0} of counting is not known here; a newer comity may read it")]
    UnknownMethod(u64),
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
    /// A change of the charter.
    Resolution(Resolution),
    /// The declaration of a restricted space.
    SpaceDeclaration(SpaceDeclaration),
    /// An erasure by a quorum of parties.
    ErasureOrder(ErasureOrder),
}

impl CertificateBody {
    /// The canonical encoding, which delegates sign.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Party(state) => state.write(&mut writer),
            Self::Genesis(genesis) => genesis.write(&mut writer),
            Self::Resolution(resolution) => resolution.write(&mut writer),
            Self::SpaceDeclaration(declaration) => declaration.write(&mut writer),
            Self::ErasureOrder(order) => order.write(&mut writer),
        }
        writer.finish()
    }

    /// Reads a body and checks what it can contradict by itself.
    ///
    /// # Errors
    /// [`CertificateError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        Self::decode_from(Origin::Anywhere, bytes)
    }

    pub(crate) fn decode_from(origin: Origin, bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > BODY_MAX_BYTES {
            let (limit, found) = (BODY_MAX_BYTES, bytes.len() as u64);
            return Err(CodecError::TooLong { limit, found }.into());
        }
        let mut reader = Reader::over(bytes, origin);
        let fields = reader.array(32)?;
        let r = &mut reader;
        let body = match r.uint()? {
            party::TYPE => Self::Party(PartyState::read(fields, r)?),
            genesis::TYPE => Self::Genesis(Genesis::read(fields, r)?),
            resolution::TYPE => Self::Resolution(Resolution::read(fields, r)?),
            declaration::TYPE => Self::SpaceDeclaration(SpaceDeclaration::read(fields, r)?),
            declaration::ERASURE_TYPE => Self::ErasureOrder(ErasureOrder::read(fields, r)?),
            unknown => return Err(CertificateError::UnknownType(unknown)),
        };
        reader.end()?;
        Ok(body)
    }

    /// What the body can contradict by itself: names, order, numbers.
    ///
    /// # Errors
    /// [`CertificateError`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        match self {
            Self::Party(state) => state.check(),
            Self::Genesis(genesis) => genesis.check(),
            Self::Resolution(resolution) => resolution.check(),
            Self::SpaceDeclaration(declaration) => declaration.check(),
            Self::ErasureOrder(_) => Ok(()),
        }
    }

    /// Whether delegates may be asked to approve it by a proposal: a later state, a resolution or an
    /// order of erasure.
    pub fn is_proposable(&self) -> bool {
        match self {
            Self::Party(state) => state.parent.is_some(),
            Self::Resolution(_) | Self::ErasureOrder(_) => true,
            Self::Genesis(_) | Self::SpaceDeclaration(_) => false,
        }
    }

    fn names_somebody(&self) -> bool {
        match self {
            Self::Party(state) => !state.delegates.is_empty(),
            Self::Genesis(genesis) => !genesis.founders.is_empty(),
            Self::Resolution(_) | Self::SpaceDeclaration(_) | Self::ErasureOrder(_) => true,
        }
    }

    /// The keys that must sign, where the body alone says so: strictly ascending. Of the others
    /// the authority judges by states that the body does not hold: a later state of a party,
    /// resolutions, declarations by a party, orders of erasure.
    fn required_signers(&self) -> Option<&[PublicKey]> {
        match self {
            Self::Party(state) if state.parent.is_none() => Some(&state.delegates),
            Self::Genesis(genesis) => Some(&genesis.founders),
            Self::SpaceDeclaration(it) => match &it.declarer {
                Declarer::Member { signer, .. } => Some(std::slice::from_ref(signer)),
                Declarer::Party { .. } => None,
            },
            Self::Party(_) | Self::Resolution(_) | Self::ErasureOrder(_) => None,
        }
    }

    fn filed_under(&self) -> PublicKey {
        match self {
            Self::Party(state) => state.proposer,
            Self::Genesis(genesis) => genesis.founders[0],
            Self::Resolution(resolution) => resolution.proposer,
            Self::SpaceDeclaration(declaration) => declaration.filed_under(),
            Self::ErasureOrder(order) => order.proposer,
        }
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
    /// Signs a body, with all the keys that [`Certificate::check`] asks for where the body names
    /// them: founders, delegates of a first state, the member who declares a space.
    ///
    /// # Panics
    /// If the body names nobody, which [`Genesis::check`] and [`PartyState::check`] refuse.
    pub fn sign(body: CertificateBody, signers: &[&SecretKey]) -> Self {
        assert!(
            body.names_somebody(),
            "a body is checked before it is signed, and names who signs"
        );
        let body_bytes = body.encode();
        let mut signatures: Vec<_> = signers
            .iter()
            .map(|key| (key.public(), sign_body(key, &body_bytes)))
            .collect();
        signatures.sort_by_key(|(key, _)| *key);
        signatures.dedup_by_key(|(key, _)| *key);
        Self {
            body,
            body_bytes,
            signatures,
        }
    }

    /// Puts a body together with the signatures that approvals of it carry, in any order; of two
    /// by one key the first stays. [`Certificate::check`] checks them.
    ///
    /// # Errors
    /// [`CertificateError`] if the body breaks a rule, there is no signature, there are more than
    /// [`SIGNATURES_MAX`], or not those that the body names.
    pub fn assemble(
        body_bytes: Vec<u8>,
        mut signatures: Vec<(PublicKey, Signature)>,
    ) -> Result<Self, CertificateError> {
        let body = CertificateBody::decode(&body_bytes)?;
        signatures.sort_by_key(|(key, _)| *key);
        signatures.dedup_by_key(|(key, _)| *key);
        if signatures.len() > SIGNATURES_MAX {
            let (limit, found) = (SIGNATURES_MAX, signatures.len() as u64);
            return Err(CodecError::TooLong { limit, found }.into());
        }
        let certificate = Self {
            body,
            body_bytes,
            signatures,
        };
        certificate.check_signers()?;
        Ok(certificate)
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
        Self::decode_from(Origin::Anywhere, bytes)
    }

    /// Reads a certificate without the costly check of the keys in it. Only for a node's own record.
    ///
    /// # Errors
    /// As [`Certificate::decode`].
    pub fn decode_own_record(bytes: &[u8]) -> Result<Self, CertificateError> {
        Self::decode_from(Origin::OwnRecord, bytes)
    }

    fn decode_from(origin: Origin, bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::over(bytes, origin);
        reader.array_of(2)?;
        let body_bytes = reader.bytes(BODY_MAX_BYTES)?.to_vec();
        let body = CertificateBody::decode_from(origin, &body_bytes)?;
        let count = reader.array(SIGNATURES_MAX)?;
        let mut signatures: Vec<(PublicKey, Signature)> = Vec::with_capacity(count);
        for _ in 0..count {
            reader.array_of(2)?;
            let key = PublicKey::of(reader.fixed()?, origin)?;
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

    /// Id of the certificate as an entry: digest of the body. It excludes the signatures, so signing
    /// again makes no second entry, and any sufficient set of signatures is the same certificate.
    pub fn id(&self) -> EntryId {
        body_id(&self.body_bytes)
    }

    /// The canonical encoding of the body, which its signatures are over.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body_bytes
    }

    /// The key under which the entry is filed: the lowest founder of a genesis, the proposer of all
    /// that parties sign, the signer of a member's declaration. The body says it.
    pub fn first_signer(&self) -> PublicKey {
        self.body.filed_under()
    }

    /// The space whose set it stands in: a declaration in that of the space it declares, an order of
    /// erasure in that of its contribution, all others in the governance space, which is given.
    pub fn home(&self, governance_space: SpaceId) -> SpaceId {
        self.own_space().unwrap_or(governance_space)
    }

    /// The space that the body by itself binds it to; none: the governance space.
    pub(crate) fn own_space(&self) -> Option<SpaceId> {
        match &self.body {
            CertificateBody::SpaceDeclaration(it) => Some(space_id(
                it.community,
                self.id().as_bytes(),
                declaration::DECLARED_INDEX,
            )),
            CertificateBody::ErasureOrder(it) => Some(it.space),
            CertificateBody::Party(_)
            | CertificateBody::Genesis(_)
            | CertificateBody::Resolution(_) => None,
        }
    }

    /// Who signed, strictly ascending.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey> {
        self.signatures.iter().map(|(key, _)| *key)
    }

    /// Who signed, strictly ascending, each with the signature.
    pub fn signatures(&self) -> impl Iterator<Item = (PublicKey, Signature)> {
        self.signatures.iter().copied()
    }

    fn check_signers(&self) -> Result<(), CertificateError> {
        let fit = match self.body.required_signers() {
            Some(required) => self.signers().eq(required.iter().copied()),
            None => !self.signatures.is_empty(),
        };
        fit.then_some(()).ok_or(CertificateError::NotCertified)
    }

    /// Checks that every signature holds, and that there are exactly those that the body asks for,
    /// or at least one where the body does not say who signs.
    ///
    /// # Errors
    /// [`CertificateError::NotCertified`] if one is missing, too many, or does not hold.
    pub fn check(&self) -> Result<(), CertificateError> {
        self.check_signers()?;
        let holds = self
            .signatures
            .iter()
            .all(|(key, signature)| check_approval(key, &self.body_bytes, signature).is_ok());
        if holds {
            Ok(())
        } else {
            Err(CertificateError::NotCertified)
        }
    }
}

/// What a delegate signs to approve a body: the signature that an approval carries.
pub fn sign_body(key: &SecretKey, body: &[u8]) -> Signature {
    key.sign(domain::CERTIFICATE_SIGNATURE, body)
}

/// Checks that `signature` is that of `key` under a body.
///
/// # Errors
/// [`BadSignature`] if it is not.
pub fn check_approval(
    key: &PublicKey,
    body: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    crate::key::verify(key, domain::CERTIFICATE_SIGNATURE, body, signature)
}

/// The id of the certificate with this encoded body, whoever signs it.
pub fn body_id(body: &[u8]) -> EntryId {
    EntryId::from_bytes(digest(domain::CERTIFICATE_ID, &[body]))
}

/// The id of the community that a genesis with this body founds.
pub fn community_id(genesis: &Genesis) -> CommunityId {
    let body = CertificateBody::Genesis(genesis.clone()).encode();
    CommunityId::from_bytes(digest(domain::COMMUNITY, &[&body]))
}

/// The id of the party whose chain starts with this state.
pub fn party_id(first: &PartyState) -> PartyId {
    let body = CertificateBody::Party(first.clone()).encode();
    effort::add(Effort::FirstStateBytes, body.len());
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
