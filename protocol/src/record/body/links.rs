//! Links of devices and nodes to a root key, with their consent.
//!
//! Spec: `specs/roster.md` (form of the records).

use super::{Body, BodyError, read_key};
use crate::{
    codec::{Reader, Writer},
    id::SpaceId,
    key::{PublicKey, Signature},
};

/// Highest number of a device slot under one root key.
const DEVICE_SLOT_MAX: u64 = 15;

/// A root key's statement that a device signs for it, with the device's consent: nobody can claim
/// another's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLink {
    /// The device's key.
    pub device: PublicKey,
    /// Its slot, 0 to 15.
    pub slot: u64,
    /// The device's signature under [`consent_message`].
    pub by_device: Signature,
}

/// A root key's statement that a node serves it, with the node's consent. Such a node's receipts
/// count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLink {
    /// The node's key.
    pub node: PublicKey,
    /// The node's signature under [`consent_message`].
    pub by_node: Signature,
}

/// What a device or node signs to consent to a link: the space binds the community.
pub fn consent_message(space: SpaceId, root: &PublicKey, linked: &PublicKey) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .array(3)
        .bytes(space.as_bytes())
        .bytes(root.as_bytes())
        .bytes(linked.as_bytes());
    writer.finish()
}

impl Body for DeviceLink {
    fn write(&self, w: &mut Writer) {
        w.array(3).bytes(self.device.as_bytes()).uint(self.slot);
        w.bytes(self.by_device.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(3)?;
        Ok(Self {
            device: read_key(r)?,
            slot: r.uint_max(DEVICE_SLOT_MAX)?,
            by_device: Signature::from_bytes(r.fixed()?),
        })
    }
}

impl Body for NodeLink {
    fn write(&self, w: &mut Writer) {
        w.array(2)
            .bytes(self.node.as_bytes())
            .bytes(self.by_node.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, BodyError> {
        r.array_of(2)?;
        Ok(Self {
            node: read_key(r)?,
            by_node: Signature::from_bytes(r.fixed()?),
        })
    }
}
