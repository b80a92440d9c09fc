//! The encrypted file: Argon2id makes a key from the passphrase, XChaCha20-Poly1305 seals the
//! content and vouches for the header.
//!
//! ```text
//! kind (16) ‖ version (1) ‖ kdf (1) ‖ memory KiB, passes, lanes (4 each, big endian)
//!   ‖ salt (16) ‖ nonce (24) ‖ sealed content ‖ checksum (32)
//! ```
//!
//! The checksum at the end is not a secret and protects from nobody: it tells damage from a wrong
//! passphrase before the costly derivation runs. Who alters a file on purpose can make it fit, and
//! then meets the seal, whose associated data is the whole header.
//!
//! Spec: `specs/identity.md` §6 (encrypted files).

use super::passphrase::Passphrase;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use comity_protocol::id::{ID_BYTES, digest};
use zeroize::Zeroizing;

/// Newest version of the format this program reads, and the one it writes.
pub const ENVELOPE_VERSION: u8 = 1;
/// Hash domain of the checksum. Frozen.
pub const CHECKSUM_DOMAIN: &[u8] = b"comity/1/envelope-checksum\0";

const KIND_BYTES: usize = 16;
const KDF_ARGON2ID: u8 = 1;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const PARAMS_AT: usize = KIND_BYTES + 2;
const SALT_AT: usize = PARAMS_AT + 12;
const NONCE_AT: usize = SALT_AT + SALT_BYTES;
const HEADER_BYTES: usize = NONCE_AT + NONCE_BYTES;

/// What an encrypted file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// The `secret` of an identity folder.
    Secret,
    /// A backup.
    Backup,
}

impl EnvelopeKind {
    const ALL: [Self; 2] = [Self::Secret, Self::Backup];

    /// The first bytes of the file.
    pub const fn magic(self) -> &'static [u8; KIND_BYTES] {
        match self {
            Self::Secret => b"comity/1/secret\0",
            Self::Backup => b"comity/1/backup\0",
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Secret => "the secret of an identity folder",
            Self::Backup => "a backup of an identity",
        }
    }
}

/// The cost of making a key from a passphrase. It stands readable in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory, in KiB: 8 to 1,048,576.
    pub memory_kib: u32,
    /// Passes over the memory: 1 to 64.
    pub passes: u32,
    /// Lanes: 1 to 16, with at least 8 KiB of memory each.
    pub lanes: u32,
}

impl KdfParams {
    /// What people get: 64 MiB, three passes; a fraction of a second on a laptop.
    pub const INTERACTIVE: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// For tests: protects nothing.
    pub const FOR_TESTS: Self = Self {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    /// Whether a stolen file would be cheap to attack (below the least cost OWASP recommends).
    pub const fn is_weak(&self) -> bool {
        (self.memory_kib as u64) * (self.passes as u64) < 2 * 19 * 1024
    }

    // A file must not make its reader allocate without bound.
    fn in_range(&self) -> bool {
        (8..=1024 * 1024).contains(&self.memory_kib)
            && (1..=64).contains(&self.passes)
            && (1..=16).contains(&self.lanes)
            && self.memory_kib >= 8 * self.lanes
    }
}

/// Why an encrypted file could not be written or read.
#[derive(Debug)]
pub enum EnvelopeError {
    /// It is an encrypted file of another kind.
    WrongKind {
        /// What it is.
        found: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// A newer program wrote it.
    TooNew {
        /// Its version.
        found: u8,
        /// The newest version this program reads.
        known: u8,
    },
    /// It is not what was written.
    Damaged(&'static str),
    /// The checksum holds, the seal does not: another passphrase, or altered on purpose.
    WrongPassphrase,
    /// Argon2 failed.
    Kdf(argon2::Error),
    /// The operating system gave no randomness.
    Randomness(getrandom::Error),
}

/// Seals `content` under a fresh salt and nonce.
///
/// # Errors
/// If there is no randomness, or not enough memory for the derivation.
pub fn seal(
    kind: EnvelopeKind,
    passphrase: &Passphrase,
    params: KdfParams,
    content: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let mut random = [0; SALT_BYTES + NONCE_BYTES];
    getrandom::fill(&mut random).map_err(EnvelopeError::Randomness)?;
    seal_with(kind, passphrase, params, &random, content)
}

/// Seals with a given salt and nonce (40 bytes together). For test vectors: a nonce that is used
/// twice under one key reveals both contents.
///
/// # Errors
/// If there is not enough memory for the derivation.
pub fn seal_with(
    kind: EnvelopeKind,
    passphrase: &Passphrase,
    params: KdfParams,
    salt_and_nonce: &[u8; SALT_BYTES + NONCE_BYTES],
    content: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let mut file = Vec::with_capacity(HEADER_BYTES + content.len() + TAG_BYTES + ID_BYTES);
    file.extend(kind.magic());
    file.extend([ENVELOPE_VERSION, KDF_ARGON2ID]);
    for number in [params.memory_kib, params.passes, params.lanes] {
        file.extend(number.to_be_bytes());
    }
    file.extend(salt_and_nonce);
    let key = derive_key(passphrase, params, &file[SALT_AT..NONCE_AT])?;
    let payload = Payload {
        msg: content,
        aad: &file,
    };
    let sealed = cipher(&key)
        .encrypt(&nonce(&file), payload)
        .map_err(|_| EnvelopeError::Damaged("the content is too long to seal"))?;
    file.extend(sealed);
    let checksum = digest(CHECKSUM_DOMAIN, &[&file]);
    file.extend(checksum);
    Ok(file)
}

/// Opens a file and returns its content and the cost it was sealed with.
///
/// # Errors
/// If it is of another kind or a newer version, damaged, or sealed with another passphrase.
pub fn open(
    kind: EnvelopeKind,
    passphrase: &Passphrase,
    file: &[u8],
) -> Result<(Zeroizing<Vec<u8>>, KdfParams), EnvelopeError> {
    let (header, sealed, params) = inspect(kind, file)?;
    let key = derive_key(passphrase, params, &header[SALT_AT..NONCE_AT])?;
    let payload = Payload {
        msg: sealed,
        aad: header,
    };
    let content = cipher(&key)
        .decrypt(&nonce(header), payload)
        .map_err(|_| EnvelopeError::WrongPassphrase)?;
    Ok((Zeroizing::new(content), params))
}

/// Checks everything that needs no passphrase: kind, version, checksum, cost.
///
/// # Errors
/// As [`open`], except for the passphrase.
pub fn inspect(
    kind: EnvelopeKind,
    file: &[u8],
) -> Result<(&[u8], &[u8], KdfParams), EnvelopeError> {
    let is = |kind: &EnvelopeKind| file.starts_with(kind.magic());
    match EnvelopeKind::ALL.into_iter().find(is) {
        Some(found) if found == kind => {}
        Some(found) => {
            return Err(EnvelopeError::WrongKind {
                found: found.noun(),
                expected: kind.noun(),
            });
        }
        None if file.len() < KIND_BYTES => {
            return Err(EnvelopeError::Damaged("it ends too early"));
        }
        None => return Err(EnvelopeError::Damaged("it does not begin as it should")),
    }
    match file.get(KIND_BYTES) {
        Some(&version) if version > ENVELOPE_VERSION => {
            return Err(EnvelopeError::TooNew {
                found: version,
                known: ENVELOPE_VERSION,
            });
        }
        Some(&ENVELOPE_VERSION) => {}
        Some(_) => return Err(EnvelopeError::Damaged("its version is unknown")),
        None => return Err(EnvelopeError::Damaged("it ends too early")),
    }
    if file.len() < HEADER_BYTES + TAG_BYTES + ID_BYTES {
        return Err(EnvelopeError::Damaged("it ends too early"));
    }
    let (body, checksum) = file.split_at(file.len() - ID_BYTES);
    if digest(CHECKSUM_DOMAIN, &[body]) != checksum {
        return Err(EnvelopeError::Damaged("its checksum does not fit"));
    }
    let (header, sealed) = body.split_at(HEADER_BYTES);
    let params = KdfParams {
        memory_kib: number(header, 0),
        passes: number(header, 1),
        lanes: number(header, 2),
    };
    if header[KIND_BYTES + 1] != KDF_ARGON2ID || !params.in_range() {
        return Err(EnvelopeError::Damaged(
            "its key derivation is not one this program runs",
        ));
    }
    Ok((header, sealed, params))
}

fn number(header: &[u8], index: usize) -> u32 {
    let at = PARAMS_AT + 4 * index;
    header[at..at + 4]
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn derive_key(
    passphrase: &Passphrase,
    params: KdfParams,
    salt: &[u8],
) -> Result<Zeroizing<[u8; 32]>, EnvelopeError> {
    let mut key = Zeroizing::new([0; 32]);
    Params::new(params.memory_kib, params.passes, params.lanes, Some(32))
        .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
        .and_then(|argon2| {
            argon2.hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice())
        })
        .map_err(EnvelopeError::Kdf)?;
    Ok(key)
}

fn cipher(key: &Zeroizing<[u8; 32]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(**key))
}

fn nonce(header: &[u8]) -> XNonce {
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&header[NONCE_AT..HEADER_BYTES]);
    XNonce::from(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> Vec<u8> {
        let passphrase = Passphrase::from("open");
        seal(
            EnvelopeKind::Secret,
            &passphrase,
            KdfParams::FOR_TESTS,
            b"content",
        )
        .unwrap()
    }

    fn reopen(file: &[u8], passphrase: &str) -> Result<Vec<u8>, EnvelopeError> {
        open(EnvelopeKind::Secret, &Passphrase::from(passphrase), file)
            .map(|(content, _)| content.to_vec())
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_only() {
        let file = sealed();
        assert_eq!(reopen(&file, "open").unwrap(), b"content");
        assert!(matches!(
            reopen(&file, "Open"),
            Err(EnvelopeError::WrongPassphrase)
        ));
        assert!(!file.windows(7).any(|window| window == b"content"));
    }

    #[test]
    fn two_seals_share_neither_salt_nor_nonce() {
        let (one, two) = (sealed(), sealed());
        assert_ne!(one[SALT_AT..NONCE_AT], two[SALT_AT..NONCE_AT]);
        assert_ne!(one[NONCE_AT..HEADER_BYTES], two[NONCE_AT..HEADER_BYTES]);
    }

    /// Who alters a file and makes the checksum fit again meets the seal: the header is vouched for.
    #[test]
    fn an_altered_header_is_refused_even_with_a_fitting_checksum() {
        let file = sealed();
        for at in PARAMS_AT..file.len() - ID_BYTES {
            let mut altered = file[..file.len() - ID_BYTES].to_vec();
            altered[at] ^= 1;
            let checksum = digest(CHECKSUM_DOMAIN, &[&altered]);
            altered.extend(checksum);
            assert!(reopen(&altered, "open").is_err(), "byte {at}");
        }
    }

    #[test]
    fn costs_without_bound_are_refused_before_they_are_run() {
        let mut altered = sealed();
        altered.truncate(altered.len() - ID_BYTES);
        altered[PARAMS_AT] = 0xff;
        let checksum = digest(CHECKSUM_DOMAIN, &[&altered]);
        altered.extend(checksum);
        assert!(matches!(
            reopen(&altered, "open"),
            Err(EnvelopeError::Damaged(_))
        ));
    }

    #[test]
    fn the_interactive_cost_is_not_weak_and_the_test_cost_is() {
        assert!(!KdfParams::INTERACTIVE.is_weak());
        assert!(KdfParams::FOR_TESTS.is_weak());
    }
}
