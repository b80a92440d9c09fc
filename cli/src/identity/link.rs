//! The statement by which a root key links a device: "this device signs for me, in this slot".
//!
//! Both keys sign it. Without the device's own signature anybody could link a device of somebody
//! else and claim its contributions.
//!
//! Spec: `specs/identity.md` §5 (device links).

use super::material::{SLOTS_MAX, Slot};
use comity_protocol::{
    codec::{CodecError, Reader, Writer},
    key::{KeyError, PublicKey, SIGNATURE_BYTES, SecretKey, Signature, verify},
    limits::TIME_MAX_MS,
};
use thiserror::Error;

/// Domain of the root key's signature. Frozen.
pub const ROOT_DOMAIN: &[u8] = b"comity/1/device-link-by-root\0";
/// Domain of the device key's signature. Frozen.
pub const DEVICE_DOMAIN: &[u8] = b"comity/1/device-link-by-device\0";

const VERSION: u64 = 1;
const STATEMENT_MAX_BYTES: usize = 128;

/// Why bytes are not a valid device link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Not canonical CBOR of this form.
    #[error("the device link is malformed")]
    Malformed(#[from] CodecError),
    /// A version this program does not know.
    #[error("the device link has version {0}, which is unknown here")]
    Version(u64),
    /// A key that cannot be used.
    #[error("the device link names an unusable key")]
    Key(#[from] KeyError),
    /// Root and device are one key.
    #[error("the device link names one key as root and device")]
    SameKey,
    /// The signature of the root key does not hold.
    #[error("the root key did not sign this device link")]
    RootSignature,
    /// The signature of the device key does not hold.
    #[error("the device key did not sign this device link")]
    DeviceSignature,
}

/// A link between a root key and a device key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLink {
    /// The person.
    pub root: PublicKey,
    /// The device that signs for the person.
    pub device: PublicKey,
    /// The slot it fills.
    pub slot: Slot,
    /// Claimed time, in milliseconds since the Unix epoch; for display only.
    pub time_ms: u64,
}

impl DeviceLink {
    /// The bytes both keys sign: `[1, root, device, slot, time]`.
    pub fn statement(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer
            .array(5)
            .uint(VERSION)
            .bytes(self.root.as_bytes())
            .bytes(self.device.as_bytes())
            .uint(self.slot.number().into())
            .uint(self.time_ms.min(TIME_MAX_MS));
        writer.finish()
    }

    fn read(statement: &[u8]) -> Result<Self, LinkError> {
        let mut reader = Reader::new(statement);
        reader.array_of(5)?;
        let version = reader.uint()?;
        if version != VERSION {
            return Err(LinkError::Version(version));
        }
        let root = PublicKey::from_bytes(reader.fixed()?)?;
        let device = PublicKey::from_bytes(reader.fixed()?)?;
        let slot = u8::try_from(reader.uint_max(u64::from(SLOTS_MAX) - 1)?)
            .ok()
            .and_then(Slot::new)
            .ok_or(CodecError::OutOfRange)?;
        let time_ms = reader.uint_max(TIME_MAX_MS)?;
        reader.end()?;
        if root == device {
            return Err(LinkError::SameKey);
        }
        Ok(Self {
            root,
            device,
            slot,
            time_ms,
        })
    }
}

/// A device link with the signatures of both keys. What it says is only reachable through
/// [`SignedDeviceLink::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDeviceLink {
    statement: Vec<u8>,
    by_root: Signature,
    by_device: Signature,
}

impl SignedDeviceLink {
    /// Links `device` to `root` in `slot`.
    pub fn sign(root: &SecretKey, device: &SecretKey, slot: Slot, time_ms: u64) -> Self {
        let link = DeviceLink {
            root: root.public(),
            device: device.public(),
            slot,
            time_ms,
        };
        let statement = link.statement();
        Self {
            by_root: root.sign(ROOT_DOMAIN, &statement),
            by_device: device.sign(DEVICE_DOMAIN, &statement),
            statement,
        }
    }

    /// Canonical CBOR: `[statement, signature by root, signature by device]`, each a byte string.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer
            .array(3)
            .bytes(&self.statement)
            .bytes(self.by_root.as_bytes())
            .bytes(self.by_device.as_bytes());
        writer.finish()
    }

    /// Reads what [`SignedDeviceLink::encode`] wrote; proves nothing yet.
    ///
    /// # Errors
    /// If the bytes are not of that form.
    pub fn decode(bytes: &[u8]) -> Result<Self, LinkError> {
        let mut reader = Reader::new(bytes);
        reader.array_of(3)?;
        let statement = reader.bytes(STATEMENT_MAX_BYTES)?.to_vec();
        let by_root = Signature::from_bytes(reader.fixed::<SIGNATURE_BYTES>()?);
        let by_device = Signature::from_bytes(reader.fixed::<SIGNATURE_BYTES>()?);
        reader.end()?;
        Ok(Self {
            statement,
            by_root,
            by_device,
        })
    }

    /// What it says, if both keys signed it.
    ///
    /// # Errors
    /// If the statement is malformed or a signature does not hold.
    pub fn verify(&self) -> Result<DeviceLink, LinkError> {
        let link = DeviceLink::read(&self.statement)?;
        verify(&link.root, ROOT_DOMAIN, &self.statement, &self.by_root)
            .map_err(|_| LinkError::RootSignature)?;
        verify(
            &link.device,
            DEVICE_DOMAIN,
            &self.statement,
            &self.by_device,
        )
        .map_err(|_| LinkError::DeviceSignature)?;
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_seed(&[byte; 32])
    }

    fn signed() -> SignedDeviceLink {
        SignedDeviceLink::sign(&key(1), &key(2), Slot::FIRST, 1_700_000_000_000)
    }

    #[test]
    fn a_link_survives_its_encoding_and_says_what_was_signed() {
        let link = SignedDeviceLink::decode(&signed().encode())
            .unwrap()
            .verify()
            .unwrap();
        assert_eq!(link.root, key(1).public());
        assert_eq!(link.device, key(2).public());
        assert_eq!((link.slot, link.time_ms), (Slot::FIRST, 1_700_000_000_000));
    }

    #[test]
    fn no_flipped_bit_survives() {
        let bytes = signed().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let verdict = SignedDeviceLink::decode(&flipped).and_then(|link| link.verify());
            assert!(verdict.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn nobody_links_the_device_of_somebody_else() {
        let mut stolen = signed();
        let link = DeviceLink {
            root: key(3).public(),
            ..stolen.verify().unwrap()
        };
        stolen.statement = link.statement();
        stolen.by_root = key(3).sign(ROOT_DOMAIN, &stolen.statement);
        assert_eq!(stolen.verify(), Err(LinkError::DeviceSignature));
    }

    #[test]
    fn a_signature_of_one_role_does_not_stand_for_the_other() {
        let link = signed();
        let swapped = SignedDeviceLink {
            by_root: key(1).sign(DEVICE_DOMAIN, &link.statement),
            ..link
        };
        assert_eq!(swapped.verify(), Err(LinkError::RootSignature));
    }

    #[test]
    fn root_and_device_must_differ() {
        let link = SignedDeviceLink::sign(&key(1), &key(1), Slot::FIRST, 0);
        assert_eq!(link.verify(), Err(LinkError::SameKey));
    }
}
