//! What a person's keys are made of, and how the keys come from it.
//!
//! One 32-byte entropy makes the root key and the key of the first device; the recovery phrase is
//! that entropy in words. A device that comes later has a random seed of its own: a person who
//! restores from the phrase gets a **new** device, because the old device's chains may go on
//! elsewhere and two continuations of one chain are a fork that everybody sees.
//!
//! A device that was linked by another one has no entropy: it knows whose it is by the public half of
//! the root key, and signs with its own key alone.
//!
//! Spec: `specs/identity.md` §4 (derivation).

use super::error::IdentityError;
use crate::ui::sanitize;
use comity_protocol::{
    codec::{CodecError, Reader, Writer},
    key::{PublicKey, SecretKey},
    limits::TIME_MAX_MS,
};
use std::fmt;
use thiserror::Error;
use zeroize::Zeroizing;

/// BLAKE3 context of the root seed. Frozen.
pub const ROOT_SEED_CONTEXT: &str = "comity/1 2026 identity root seed";
/// BLAKE3 context of the first device's seed. Frozen.
pub const FIRST_DEVICE_SEED_CONTEXT: &str = "comity/1 2026 identity first device seed";

/// Device slots a root key may fill.
pub const SLOTS_MAX: u8 = 16;
/// Longest display name, in code points.
pub const NAME_MAX_CHARS: usize = 64;
/// Longest display name, in UTF-8 bytes: the longest that [`NAME_MAX_CHARS`] code points can be.
pub const NAME_MAX_BYTES: usize = 4 * NAME_MAX_CHARS;

/// A 32-byte secret that is wiped when dropped.
pub type Seed = Zeroizing<[u8; 32]>;

/// Why a text cannot be a display name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing, or only white space.
    #[error("the name is empty")]
    Empty,
    /// More than [`NAME_MAX_CHARS`] code points.
    #[error("the name has {0} characters, and at most {NAME_MAX_CHARS} are allowed")]
    TooLong(usize),
    /// A character that could steer a terminal or hide.
    #[error("the name holds the character U+{0:04X}, which is not visible")]
    Hazard(u32),
}

/// The name a person goes by on this device; others see the name in the person's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// Checks a name; white space around it is dropped.
    ///
    /// # Errors
    /// If it is empty, too long, or holds characters that are not visible.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let name = name.trim();
        let count = name.chars().count();
        if count == 0 {
            return Err(NameError::Empty);
        }
        if count > NAME_MAX_CHARS {
            return Err(NameError::TooLong(count));
        }
        match name.chars().find(|c| sanitize::is_hazard(*c)) {
            Some(hazard) => Err(NameError::Hazard(hazard.into())),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of the device slots of a root key a device fills: 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u8);

impl Slot {
    /// The slot of the first device.
    pub const FIRST: Self = Self(0);

    /// The slot of that number, if there is one.
    pub const fn new(number: u8) -> Option<Self> {
        if number < SLOTS_MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a device has of the root key.
#[derive(Clone)]
pub enum RootPart {
    /// The entropy that makes it.
    Entropy(Seed),
    /// Its public half: the device was linked by another one.
    Public(PublicKey),
}

/// The first item of what holds a material: whether an entropy or a public key follows.
pub(super) const WITH_ROOT: u64 = 1;
pub(super) const DEVICE_ONLY: u64 = 2;

/// Everything a folder or backup keeps encrypted.
#[derive(Clone)]
pub struct Material {
    pub(super) origin: RootPart,
    pub(super) device_seed: Seed,
    pub(super) slot: Slot,
    pub(super) name: DisplayName,
    pub(super) created_ms: u64,
}

impl Material {
    /// A new person, with the first device.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn generate(name: DisplayName, created_ms: u64) -> Result<Self, IdentityError> {
        Ok(Self::first_device(random_seed()?, name, created_ms))
    }

    /// The first device of the person with this entropy. Only for new entropy: see the module.
    pub fn first_device(entropy: Seed, name: DisplayName, created_ms: u64) -> Self {
        let device_seed = derive(FIRST_DEVICE_SEED_CONTEXT, &entropy);
        Self {
            origin: RootPart::Entropy(entropy),
            device_seed,
            slot: Slot::FIRST,
            name,
            created_ms,
        }
    }

    /// A new device of the person with this entropy, as after a restore from the phrase.
    ///
    /// Without `slot` one of 1 to 15 is drawn: which are free is not known before the community was
    /// reached. If it turns out taken, the device is linked in another one.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn new_device(
        entropy: Seed,
        slot: Option<Slot>,
        name: DisplayName,
        created_ms: u64,
    ) -> Result<Self, IdentityError> {
        let drawn = random_seed()?;
        let slot = slot.unwrap_or(Slot(1 + drawn[0] % (SLOTS_MAX - 1)));
        Ok(Self {
            origin: RootPart::Entropy(entropy),
            device_seed: random_seed()?,
            slot,
            name,
            created_ms,
        })
    }

    /// A device of the person with this root key, to be linked by a device that has it.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn device_only(
        root: PublicKey,
        slot: Slot,
        name: DisplayName,
        created_ms: u64,
    ) -> Result<Self, IdentityError> {
        Ok(Self {
            origin: RootPart::Public(root),
            device_seed: random_seed()?,
            slot,
            name,
            created_ms,
        })
    }

    /// The version of the form: [`WITH_ROOT`] or [`DEVICE_ONLY`].
    pub(super) fn version(&self) -> u64 {
        match self.origin {
            RootPart::Entropy(_) => WITH_ROOT,
            RootPart::Public(_) => DEVICE_ONLY,
        }
    }

    /// Appends the five items `entropy or root key, device seed, slot, name, time made`.
    pub(super) fn write(&self, writer: &mut Writer) {
        match &self.origin {
            RootPart::Entropy(entropy) => writer.bytes(entropy.as_slice()),
            RootPart::Public(root) => writer.bytes(root.as_bytes()),
        };
        writer
            .bytes(self.device_seed.as_slice())
            .uint(self.slot.0.into())
            .text(self.name.as_str())
            .uint(self.created_ms);
    }

    /// Reads what [`Material::write`] wrote in a form of this version.
    pub(super) fn read(version: u64, reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let first = Zeroizing::new(reader.fixed()?);
        let origin = match version {
            WITH_ROOT => RootPart::Entropy(first),
            _ => {
                let root = PublicKey::from_bytes(*first);
                RootPart::Public(root.map_err(|_| CodecError::OutOfRange)?)
            }
        };
        let device_seed = Zeroizing::new(reader.fixed()?);
        let slot = u8::try_from(reader.uint()?).ok().and_then(Slot::new);
        let name = DisplayName::new(reader.text(NAME_MAX_BYTES)?).ok();
        let created_ms = reader.uint_max(TIME_MAX_MS)?;
        Ok(Self {
            origin,
            device_seed,
            slot: slot.ok_or(CodecError::OutOfRange)?,
            name: name.ok_or(CodecError::OutOfRange)?,
            created_ms,
        })
    }

    /// The key that says who this person is; none on a device that another one linked.
    pub fn root(&self) -> Option<SecretKey> {
        match &self.origin {
            RootPart::Entropy(entropy) => {
                Some(SecretKey::from_seed(&derive(ROOT_SEED_CONTEXT, entropy)))
            }
            RootPart::Public(_) => None,
        }
    }

    /// The public half of the key that says who this person is.
    pub fn root_public(&self) -> PublicKey {
        match &self.origin {
            RootPart::Entropy(entropy) => {
                SecretKey::from_seed(&derive(ROOT_SEED_CONTEXT, entropy)).public()
            }
            RootPart::Public(root) => *root,
        }
    }

    /// The key that signs contributions on this device.
    pub fn device(&self) -> SecretKey {
        SecretKey::from_seed(&self.device_seed)
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material(of {:?})", self.root_public())
    }
}

fn derive(context: &'static str, entropy: &Seed) -> Seed {
    Zeroizing::new(blake3::derive_key(context, entropy.as_slice()))
}

fn random_seed() -> Result<Seed, IdentityError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(IdentityError::Randomness)?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> DisplayName {
        DisplayName::new("Ada").unwrap()
    }

    #[test]
    fn names_are_trimmed_and_checked() {
        assert_eq!(DisplayName::new("  Ada ").unwrap().as_str(), "Ada");
        assert_eq!(DisplayName::new(" "), Err(NameError::Empty));
        assert_eq!(
            DisplayName::new(&"x".repeat(65)),
            Err(NameError::TooLong(65))
        );
        assert_eq!(
            DisplayName::new("A\u{202e}b"),
            Err(NameError::Hazard(0x202e))
        );
    }

    #[test]
    fn root_and_device_are_two_keys() {
        let material = Material::first_device(Zeroizing::new([7; 32]), name(), 0);
        assert_ne!(material.root_public(), material.device().public());
    }

    #[test]
    fn a_new_device_keeps_the_root_and_changes_the_device() {
        let entropy = Zeroizing::new([7; 32]);
        let first = Material::first_device(entropy.clone(), name(), 0);
        let one = Material::new_device(entropy.clone(), None, name(), 0).unwrap();
        let two = Material::new_device(entropy, Slot::new(9), name(), 0).unwrap();
        assert_eq!(first.root_public(), one.root_public());
        assert_ne!(first.device().public(), one.device().public());
        assert_ne!(one.device().public(), two.device().public());
        assert!((1..SLOTS_MAX).contains(&one.slot.number()));
        assert_eq!(two.slot.number(), 9);
    }

    #[test]
    fn a_device_that_was_linked_knows_its_person_and_no_more() {
        let root = SecretKey::from_seed(&[7; 32]).public();
        let slot = Slot::new(3).unwrap();
        let made = Material::device_only(root, slot, name(), 5).unwrap();
        let mut writer = Writer::new();
        made.write(&mut writer);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        let back = Material::read(made.version(), &mut reader).unwrap();
        assert_eq!((back.root_public(), back.slot), (root, slot));
        assert!(back.root().is_none());
        assert_eq!(back.device().public(), made.device().public());
    }

    #[test]
    fn there_are_sixteen_slots() {
        assert_eq!((0..=255).filter_map(Slot::new).count(), 16);
    }
}
