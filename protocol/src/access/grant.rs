//! Grants: a device's leave for a node to read on its holder's behalf.
//!
//! On the wire a grant is shown without community and node: both follow from the connection it is
//! shown on, so a grant for another node cannot even be said.
//!
//! Spec: `specs/wire.md` §6.

use super::AccessError;
use crate::{
    codec::{CodecError, Reader, Writer},
    id::{CommunityId, domain},
    key::{self, BadSignature, KeyError, PublicKey, SecretKey, Signature},
    limits::TIME_MAX_MS,
};

/// How long a grant lasts, in milliseconds: 30 days.
pub const GRANT_LIFETIME_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Most grants shown to a peer for one community.
pub const GRANTS_MAX: usize = 64;

/// A device's leave for a node to read on its holder's behalf, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGrant {
    /// The community it is for.
    pub community: CommunityId,
    /// The member's device, which signs.
    pub device: PublicKey,
    /// The node that may read; the connection must prove this key.
    pub node: PublicKey,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The device's signature.
    pub signature: Signature,
}

impl NodeGrant {
    /// Signs a grant.
    pub fn sign(
        device: &SecretKey,
        community: CommunityId,
        node: PublicKey,
        expires_ms: u64,
    ) -> Self {
        let message = grant_message(community, &node, expires_ms);
        let signature = device.sign(domain::NODE_GRANT_SIGNATURE, &message);
        Self {
            community,
            device: device.public(),
            node,
            expires_ms,
            signature,
        }
    }

    /// The grant as it is shown to a peer.
    pub fn shown(&self) -> ShownGrant {
        ShownGrant {
            device: self.device,
            expires_ms: self.expires_ms,
            signature: self.signature,
        }
    }

    /// Checks the signature; whether the device belongs to a member, and whether it has expired,
    /// are other questions.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn check(&self) -> Result<(), BadSignature> {
        let message = grant_message(self.community, &self.node, self.expires_ms);
        key::verify(
            &self.device,
            domain::NODE_GRANT_SIGNATURE,
            &message,
            &self.signature,
        )
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads a grant.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut reader = Reader::new(bytes);
        let grant = Self::read(&mut reader)?;
        reader.end()?;
        Ok(grant)
    }

    fn write(&self, w: &mut Writer) {
        w.array(5)
            .bytes(self.community.as_bytes())
            .bytes(self.device.as_bytes());
        w.bytes(self.node.as_bytes())
            .uint(self.expires_ms)
            .bytes(self.signature.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, AccessError> {
        r.array_of(5)?;
        Ok(Self {
            community: CommunityId::from_bytes(r.fixed()?),
            device: PublicKey::from_bytes(r.fixed()?)?,
            node: PublicKey::from_bytes(r.fixed()?)?,
            expires_ms: r.uint_max(TIME_MAX_MS)?,
            signature: Signature::from_bytes(r.fixed()?),
        })
    }
}

fn grant_message(community: CommunityId, node: &PublicKey, expires_ms: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .array(3)
        .bytes(community.as_bytes())
        .bytes(node.as_bytes())
        .uint(expires_ms);
    writer.finish()
}

/// A grant as it is shown on a sync stream: for the node at this end, in the community of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownGrant {
    /// The member's device, which signed.
    pub device: PublicKey,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The device's signature.
    pub signature: Signature,
}

impl ShownGrant {
    /// Checks that the device signed it for this node and community. Whether the device may read, and
    /// whether the grant has ended, are other questions.
    ///
    /// # Errors
    /// [`BadSignature`] if it is for another node or community, or forged.
    pub fn verify(
        &self,
        community: CommunityId,
        node: PublicKey,
    ) -> Result<VerifiedGrant, BadSignature> {
        let grant = NodeGrant {
            community,
            device: self.device,
            node,
            expires_ms: self.expires_ms,
            signature: self.signature,
        };
        grant.check()?;
        Ok(VerifiedGrant(grant))
    }
}

impl ShownGrant {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.array(3).bytes(self.device.as_bytes());
        w.uint(self.expires_ms).bytes(self.signature.as_bytes());
    }

    pub(crate) fn read<E: From<CodecError> + From<KeyError>>(
        r: &mut Reader<'_>,
    ) -> Result<Self, E> {
        r.array_of(3)?;
        Ok(Self {
            device: PublicKey::from_bytes(r.fixed()?)?,
            expires_ms: r.uint_max(TIME_MAX_MS)?,
            signature: Signature::from_bytes(r.fixed()?),
        })
    }
}

/// A grant whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedGrant(NodeGrant);

impl VerifiedGrant {
    /// The grant.
    pub fn grant(&self) -> &NodeGrant {
        &self.0
    }
}
