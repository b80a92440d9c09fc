//! Linking another device without giving it the root key: a ticket goes there, a code comes back.
//!
//! Neither holds a secret. Whoever got a ticket could make a code for a device of their own, so a
//! person links only codes that their own new device showed.

use super::Chain;
use comity_protocol::{
    certificate,
    codec::{CodecError, Reader, Writer},
    entry::Record,
    id::{CommunityId, domain},
    key::{PublicKey, SecretKey, Signature},
    record::{self, DeviceLink, NodeLink, RecordBody},
};
use std::{fmt, str::FromStr};
use thiserror::Error;

pub(super) const TICKET_PREFIX: &str = "comitydevice1";
pub(super) const CODE_PREFIX: &str = "comitycode1";
const VERSION: u64 = 1;
const SLOT_MAX: u64 = 15;
const COMMUNITIES_MAX: usize = 64;
const ADDRESSES_MAX: usize = 16;
const TEXT_MAX_BYTES: usize = 256;
const CHECKSUM_BYTES: usize = 4;
/// Longest text that is read.
const TEXT_MAX_CHARACTERS: usize = 64 * 1024;

/// Why a text is not a usable ticket or code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceTextError {
    /// It does not start like one.
    #[error("it does not start with {0}")]
    Prefix(&'static str),
    /// Characters are missing, doubled or mistyped.
    #[error("it is incomplete or mistyped; copy it again, whole")]
    Damaged,
    /// A newer format, or a broken one.
    #[error("its content is not understood: {0}")]
    Content(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside is not usable")]
    Key,
}

/// What a new device has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTicket {
    /// Whose device it will be.
    pub root: PublicKey,
    /// The person's name.
    pub name: String,
    /// A slot that was free.
    pub slot: u64,
    /// Communities to take part in.
    pub communities: Vec<CommunityId>,
    /// Where a node of the person can be reached.
    pub addresses: Vec<String>,
}

/// The consents of a new device and of the node beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// The device.
    pub device: PublicKey,
    /// The slot it would fill.
    pub slot: u64,
    /// The node beside it.
    pub node: Option<PublicKey>,
    /// By community: the device's consent, and the node's.
    pub consents: Vec<(CommunityId, Signature, Option<Signature>)>,
}

impl fmt::Display for DeviceTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut w = Writer::new();
        w.array(6).uint(VERSION).bytes(self.root.as_bytes());
        w.text(&self.name).uint(self.slot);
        w.array(self.communities.len());
        for community in &self.communities {
            w.bytes(community.as_bytes());
        }
        w.array(self.addresses.len());
        for address in &self.addresses {
            w.text(address);
        }
        f.write_str(&to_text(TICKET_PREFIX, &w.finish()))
    }
}

impl FromStr for DeviceTicket {
    type Err = DeviceTextError;

    fn from_str(text: &str) -> Result<Self, DeviceTextError> {
        let bytes = from_text(TICKET_PREFIX, text)?;
        let mut r = Reader::new(&bytes);
        r.array_of(6)?;
        version(&mut r)?;
        let ticket = Self {
            root: key(&mut r)?,
            name: r.text(TEXT_MAX_BYTES)?.to_owned(),
            slot: r.uint_max(SLOT_MAX)?,
            communities: (0..r.array(COMMUNITIES_MAX)?)
                .map(|_| Ok(CommunityId::from_bytes(r.fixed()?)))
                .collect::<Result<_, DeviceTextError>>()?,
            addresses: (0..r.array(ADDRESSES_MAX)?)
                .map(|_| Ok(r.text(TEXT_MAX_BYTES)?.to_owned()))
                .collect::<Result<_, DeviceTextError>>()?,
        };
        r.end()?;
        Ok(ticket)
    }
}

impl fmt::Display for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut w = Writer::new();
        w.array(5).uint(VERSION).bytes(self.device.as_bytes());
        w.uint(self.slot);
        w.optional_bytes(self.node.as_ref().map(|it| &it.as_bytes()[..]));
        w.array(self.consents.len());
        for (community, device, node) in &self.consents {
            w.array(3).bytes(community.as_bytes());
            w.bytes(device.as_bytes());
            w.optional_bytes(node.as_ref().map(|it| &it.as_bytes()[..]));
        }
        f.write_str(&to_text(CODE_PREFIX, &w.finish()))
    }
}

impl FromStr for DeviceCode {
    type Err = DeviceTextError;

    fn from_str(text: &str) -> Result<Self, DeviceTextError> {
        let bytes = from_text(CODE_PREFIX, text)?;
        let mut r = Reader::new(&bytes);
        r.array_of(5)?;
        version(&mut r)?;
        let (device, slot) = (key(&mut r)?, r.uint_max(SLOT_MAX)?);
        let node = r.optional_fixed()?.map(PublicKey::from_bytes);
        let node = node.transpose().map_err(|_| DeviceTextError::Key)?;
        let mut consents = Vec::new();
        for _ in 0..r.array(COMMUNITIES_MAX)? {
            r.array_of(3)?;
            let community = CommunityId::from_bytes(r.fixed()?);
            let by_device = Signature::from_bytes(r.fixed()?);
            let by_node = r.optional_fixed()?.map(Signature::from_bytes);
            consents.push((community, by_device, by_node));
        }
        r.end()?;
        Ok(Self {
            device,
            slot,
            node,
            consents,
        })
    }
}

fn version(r: &mut Reader<'_>) -> Result<(), DeviceTextError> {
    match r.uint_max(VERSION)? {
        VERSION => Ok(()),
        _ => Err(CodecError::OutOfRange.into()),
    }
}

fn key(r: &mut Reader<'_>) -> Result<PublicKey, DeviceTextError> {
    PublicKey::from_bytes(r.fixed()?).map_err(|_| DeviceTextError::Key)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    sum
}

pub(super) fn to_text(prefix: &str, bytes: &[u8]) -> String {
    let sum = checksum(bytes);
    format!("{prefix}{}", hex::encode([bytes, &sum[..]].concat()))
}

fn from_text(prefix: &'static str, text: &str) -> Result<Vec<u8>, DeviceTextError> {
    let joined: String = text.split_whitespace().collect();
    let digits = joined
        .strip_prefix(prefix)
        .ok_or(DeviceTextError::Prefix(prefix))?;
    if digits.len() > TEXT_MAX_CHARACTERS {
        return Err(DeviceTextError::Damaged);
    }
    let bytes = hex::decode(digits).map_err(|_| DeviceTextError::Damaged)?;
    match bytes.split_last_chunk::<CHECKSUM_BYTES>() {
        Some((content, sum)) if checksum(content) == *sum => Ok(content.to_vec()),
        _ => Err(DeviceTextError::Damaged),
    }
}

/// The consent of a new device to being linked to a root key in a community.
pub fn consent(device: &SecretKey, root: &PublicKey, community: CommunityId) -> Signature {
    let space = certificate::governance_space(community);
    let message = record::consent_message(space, root, &device.public());
    device.sign(domain::DEVICE_CONSENT_SIGNATURE, &message)
}

/// Signs, on the root key's chain, the links that a code asks for in one community.
pub fn link(
    chain: &mut Chain<'_>,
    time_ms: u64,
    code: &DeviceCode,
    slot: u64,
    consents: (Signature, Option<Signature>),
) -> Vec<Record> {
    let device = RecordBody::DeviceLink(DeviceLink {
        device: code.device,
        slot,
        by_device: consents.0,
    });
    let mut links = vec![chain.record(time_ms, device)];
    if let (Some(node), Some(by_node)) = (code.node, consents.1) {
        let node = RecordBody::NodeLink(NodeLink { node, by_node });
        links.push(chain.record(time_ms, node));
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::{
        contribution::ChainLink,
        entry::{Entry, Verified},
        id::GovernanceDigest,
    };

    fn secret(byte: u8) -> SecretKey {
        SecretKey::from_seed(&[byte; 32])
    }

    fn ticket() -> DeviceTicket {
        DeviceTicket {
            root: secret(1).public(),
            name: "Ada".into(),
            slot: 3,
            communities: vec![CommunityId::from_bytes([5; 32])],
            addresses: vec!["/ip4/127.0.0.1/tcp/7440".into()],
        }
    }

    #[test]
    fn tickets_come_back_and_typing_mistakes_are_found() {
        let text = ticket().to_string();
        assert_eq!(text.parse(), Ok(ticket()));
        let spaced = format!("{} {}", &text[..20], &text[20..]);
        assert_eq!(spaced.parse(), Ok(ticket()));
        let mistyped = text.replace("05", "06");
        assert_eq!(
            mistyped.parse::<DeviceTicket>(),
            Err(DeviceTextError::Damaged)
        );
        assert_eq!(
            "comity1x".parse::<DeviceTicket>(),
            Err(DeviceTextError::Prefix(TICKET_PREFIX))
        );
    }

    #[test]
    fn the_links_of_a_code_verify_and_a_stolen_consent_does_not() {
        let (root, device) = (secret(1), secret(2));
        let community = CommunityId::from_bytes([5; 32]);
        let code = DeviceCode {
            device: device.public(),
            slot: 3,
            node: None,
            consents: vec![(community, consent(&device, &root.public(), community), None)],
        };
        let code: DeviceCode = code.to_string().parse().unwrap();
        let space = certificate::governance_space(community);
        let governance = GovernanceDigest::from_bytes([0; 32]);
        let links = |by: &SecretKey| {
            let mut chain = Chain::new(by, space, governance, ChainLink::FIRST);
            let (_, by_device, by_node) = code.consents[0];
            link(&mut chain, 1, &code, code.slot, (by_device, by_node))
        };
        for link in links(&root) {
            Verified::check(Entry::Record(link)).unwrap();
        }
        // Another person cannot claim the device with it.
        for link in links(&secret(9)) {
            assert!(Verified::check(Entry::Record(link)).is_err());
        }
    }
}
