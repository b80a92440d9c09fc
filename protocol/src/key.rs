//! Keys, their `did:key` text form, and the one rule by which signatures are checked (I11).
//!
//! Signing uses `ed25519-dalek`. Verification is ZIP 215 through `ed25519-zebra` on every path,
//! because its single and batch forms accept exactly the same signatures; other verifiers disagree
//! with themselves about points with a small-order component, and nodes that disagree about one
//! signature stay apart for good.
//!
//! Spec: `specs/identity.md` §2 (keys), §3 (verification).

use crate::codec::Origin;
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::Signer;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Length of a public key, in bytes.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;

const DID_KEY_PREFIX: &str = "did:key:z";
/// Multicodec prefix of an Ed25519 public key (0xed as an unsigned varint).
const MULTICODEC_ED25519: [u8; 2] = [0xed, 0x01];

/// Why bytes or a text are not a usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The bytes do not encode a point of the curve.
    #[error("the bytes are not a point of the curve")]
    NotAPoint,
    /// The point has a second, canonical encoding.
    #[error("the key is not in its canonical encoding")]
    NotCanonical,
    /// The point is of small order: anyone can sign for it.
    #[error("the key is of small order, so anyone could sign for it")]
    SmallOrder,
    /// The text is not of the form `did:key:z6Mk…`.
    #[error("the text is not a did:key of an Ed25519 key (did:key:z6Mk…)")]
    NotADidKey,
}

/// A signature does not belong to its key and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not belong to this key and message")]
pub struct BadSignature;

/// A public key that is canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

impl PublicKey {
    /// Checks and wraps the encoding of a public key.
    ///
    /// # Errors
    /// If the bytes are no point, not canonical, or of small order.
    pub fn from_bytes(bytes: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, KeyError> {
        let point = CompressedEdwardsY(bytes)
            .decompress()
            .ok_or(KeyError::NotAPoint)?;
        // The other non-canonical form, x = 0 with the sign set, is of small order: compressing,
        // which costs, is for those only.
        let is_small_order = point.is_small_order();
        if !is_reduced(&bytes) || is_small_order && point.compress().0 != bytes {
            return Err(KeyError::NotCanonical);
        }
        if is_small_order {
            return Err(KeyError::SmallOrder);
        }
        Ok(Self(bytes))
    }

    /// Wraps a key that this node checked before it stored it.
    ///
    /// Only for bytes read back from a node's own record; never for anything from a peer or a file.
    pub const fn from_own_record(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Checks the key unless its bytes were checked before they were stored.
    pub(crate) fn of(bytes: [u8; PUBLIC_KEY_BYTES], origin: Origin) -> Result<Self, KeyError> {
        match origin {
            Origin::Anywhere => Self::from_bytes(bytes),
            Origin::OwnRecord => Ok(Self::from_own_record(bytes)),
        }
    }

    /// The canonical encoding.
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    /// The last eight characters of the text form, for people to look at; not unique.
    pub fn short(&self) -> String {
        let text = self.to_string();
        text[text.len() - 8..].to_owned()
    }
}

/// Whether the y coordinate (little endian, sign bit aside) is below the field's prime 2²⁵⁵ − 19.
fn is_reduced(bytes: &[u8; PUBLIC_KEY_BYTES]) -> bool {
    let high = bytes[31] & 0x7f;
    high != 0x7f || bytes[1..31].iter().any(|byte| *byte != 0xff) || bytes[0] < 0xed
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut multicodec = [0; 2 + PUBLIC_KEY_BYTES];
        multicodec[..2].copy_from_slice(&MULTICODEC_ED25519);
        multicodec[2..].copy_from_slice(&self.0);
        write!(
            f,
            "{DID_KEY_PREFIX}{}",
            bs58::encode(multicodec).into_string()
        )
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey(…{})", self.short())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let encoded = text
            .strip_prefix(DID_KEY_PREFIX)
            .ok_or(KeyError::NotADidKey)?;
        let mut multicodec = [0; 2 + PUBLIC_KEY_BYTES];
        let len = bs58::decode(encoded)
            .onto(&mut multicodec)
            .map_err(|_| KeyError::NotADidKey)?;
        if len != multicodec.len() || multicodec[..2] != MULTICODEC_ED25519 {
            return Err(KeyError::NotADidKey);
        }
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        bytes.copy_from_slice(&multicodec[2..]);
        Self::from_bytes(bytes)
    }
}

/// An Ed25519 signature as it stands on the wire; says nothing about its validity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// Wraps the bytes of a signature.
    pub const fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes: `R` then `s`.
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", hex::encode(&self.0[..4]))
    }
}

/// A secret signing key. It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// The key that belongs to a 32-byte seed (RFC 8032 secret key).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored encrypted.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        // A scalar is clamped, so its public key has large order and is encoded by the library.
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `domain ‖ message`.
    pub fn sign(&self, domain: &[u8], message: &[u8]) -> Signature {
        Signature(self.0.sign(&[domain, message].concat()).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public())
    }
}

/// Checks one signature over `domain ‖ message` by the rule of ZIP 215.
///
/// # Errors
/// [`BadSignature`] if it does not hold.
pub fn verify(
    key: &PublicKey,
    domain: &[u8],
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    VerificationKey::try_from(key.0)
        .and_then(|key| key.verify(&signature.0.into(), &[domain, message].concat()))
        .map_err(|_| BadSignature)
}

/// One signature to be checked in a batch.
#[derive(Debug, Clone)]
pub struct BatchItem {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
}

impl BatchItem {
    /// A claim that `key` signed `domain ‖ message`.
    pub fn new(key: PublicKey, domain: &[u8], message: &[u8], signature: Signature) -> Self {
        Self {
            key,
            message: [domain, message].concat(),
            signature,
        }
    }
}

/// Checks many signatures at once; the verdict of each is that of [`verify`].
///
/// `rng` supplies the blinding factors of the batch equation and must be unpredictable to those who
/// made the signatures. If the batch as a whole does not hold, it is halved until the bad ones
/// stand alone, so one bad signature among 64 costs about twice the good case.
pub fn verify_batch<R: rand_core::CryptoRng>(
    items: &[BatchItem],
    rng: &mut R,
) -> Vec<Result<(), BadSignature>> {
    let mut verdicts = vec![Ok(()); items.len()];
    verify_range(items, &mut verdicts, rng);
    verdicts
}

fn verify_range<R: rand_core::CryptoRng>(
    items: &[BatchItem],
    verdicts: &mut [Result<(), BadSignature>],
    rng: &mut R,
) {
    match items {
        [] => {}
        [item] => {
            verdicts[0] = VerificationKey::try_from(item.key.0)
                .and_then(|key| key.verify(&item.signature.0.into(), &item.message))
                .map_err(|_| BadSignature);
        }
        _ => {
            let mut batch = batch::Verifier::new();
            for item in items {
                let key = VerificationKeyBytes::from(item.key.0);
                batch.queue((key, item.signature.0.into(), item.message.as_slice()));
            }
            if batch.verify(&mut *rng).is_err() {
                let half = items.len() / 2;
                let (left, right) = verdicts.split_at_mut(half);
                verify_range(&items[..half], left, rng);
                verify_range(&items[half..], right, rng);
            }
        }
    }
}
