//! Linking another device without giving it the root key: a ticket goes there, a code comes back:
//! whole, to be pasted, or the beginning of its digest, to be typed once nodes have handed it over.
//!
//! None holds a secret. Whoever got a ticket could make a code for a device of their own, so a
//! person links only codes that their own new device showed.

use super::Chain;
use comity_protocol::{
    access::{AccessError, LinkConsents, LinkRequest, TypedCode, TypedCodeError},
    certificate,
    codec::{CodecError, Reader, Writer},
    entry::Record,
    id::{CommunityId, domain},
    key::{PublicKey, SecretKey, Signature},
    record::{self, DeviceLink, NodeLink, RecordBody},
};
use std::{collections::BTreeSet, fmt, str::FromStr};
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
    /// The content is no request to link a device.
    #[error(transparent)]
    Request(#[from] AccessError),
    /// It is neither a whole code nor one to type.
    #[error("it is neither a whole code, which starts with {CODE_PREFIX}, nor one to type: {0}")]
    Typed(#[from] TypedCodeError),
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

/// The consents of a new device and of the node beside it, whole, as a text to be pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode(pub LinkRequest);

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
        f.write_str(&to_text(CODE_PREFIX, &self.0.encode()))
    }
}

impl FromStr for DeviceCode {
    type Err = DeviceTextError;

    fn from_str(text: &str) -> Result<Self, DeviceTextError> {
        let bytes = from_text(CODE_PREFIX, text)?;
        Ok(Self(LinkRequest::decode(&bytes)?))
    }
}

/// What a person gives to have a device linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenCode {
    /// The short code, of a request that waits at a node.
    Typed(TypedCode),
    /// All of it.
    Whole(DeviceCode),
}

impl FromStr for GivenCode {
    type Err = DeviceTextError;

    fn from_str(text: &str) -> Result<Self, DeviceTextError> {
        match text.trim_start().starts_with(CODE_PREFIX) {
            true => text.parse().map(Self::Whole),
            false => Ok(Self::Typed(text.parse()?)),
        }
    }
}

/// Why no request has the typed code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotFound {
    /// None does.
    #[error("no request with this code waits at your node")]
    None,
    /// Several do, which does not happen by chance.
    #[error(
        "{0} different requests with this code wait at your node: somebody made one to deceive"
    )]
    Several(usize),
}

/// The one request that has a typed code. The same bytes handed over twice are one request.
///
/// # Errors
/// If none has it, or several have.
pub fn requested(code: TypedCode, waiting: &[Vec<u8>]) -> Result<&[u8], NotFound> {
    the_one(code, waiting, TypedCode::of)
}

/// How codes are made is an argument: two requests with one code cannot be found to test with.
fn the_one(
    code: TypedCode,
    waiting: &[Vec<u8>],
    code_of: impl Fn(&[u8]) -> TypedCode,
) -> Result<&[u8], NotFound> {
    let different: BTreeSet<&[u8]> = waiting.iter().map(Vec::as_slice).collect();
    let fits = |it: &&[u8]| code_of(it) == code;
    let fitting: Vec<&[u8]> = different.into_iter().filter(fits).collect();
    match fitting[..] {
        [] => Err(NotFound::None),
        [one] => Ok(one),
        _ => Err(NotFound::Several(fitting.len())),
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

/// Signs, on the root key's chain, the links that a request asks for in one community.
pub fn link(
    chain: &mut Chain<'_>,
    time_ms: u64,
    request: &LinkRequest,
    slot: u64,
    consents: &LinkConsents,
) -> Vec<Record> {
    let device = RecordBody::DeviceLink(DeviceLink {
        device: request.device,
        slot,
        by_device: consents.by_device,
    });
    let mut links = vec![chain.record(time_ms, device)];
    if let (Some(node), Some(by_node)) = (request.node, consents.by_node) {
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

    fn request(slot: u64) -> LinkRequest {
        let (root, device) = (secret(1), secret(2));
        let community = CommunityId::from_bytes([5; 32]);
        LinkRequest {
            device: device.public(),
            slot,
            node: None,
            consents: vec![LinkConsents {
                community,
                by_device: consent(&device, &root.public(), community),
                by_node: None,
            }],
        }
    }

    #[test]
    fn both_forms_of_a_code_are_told_apart() {
        let request = request(3);
        let (code, typed) = (
            DeviceCode(request.clone()),
            TypedCode::of(&request.encode()),
        );
        assert_eq!(typed.to_string().parse(), Ok(GivenCode::Typed(typed)));
        assert_eq!(code.to_string().parse(), Ok(GivenCode::Whole(code.clone())));
        let cut = &code.to_string()[..40];
        assert_eq!(cut.parse::<GivenCode>(), Err(DeviceTextError::Damaged));
        assert!(matches!(
            "K7Q2-M4XD".parse::<GivenCode>(),
            Err(DeviceTextError::Typed(_))
        ));
    }

    #[test]
    fn a_typed_code_finds_the_very_request() {
        let all: Vec<Vec<u8>> = (0..4).map(|slot| request(slot).encode()).collect();
        let code = TypedCode::of(&all[2]);
        assert_eq!(requested(code, &all), Ok(&all[2][..]));
        // Handed over again by another peer: one request.
        let again = [&all[..], &all[2..3]].concat();
        assert_eq!(requested(code, &again), Ok(&all[2][..]));
        assert_eq!(requested(code, &all[..2]), Err(NotFound::None));
    }

    #[test]
    fn of_two_requests_with_one_code_neither_is_taken() {
        let all = [request(0).encode(), request(1).encode()];
        let same = |_: &[u8]| TypedCode::of(&all[0]);
        assert_eq!(the_one(same(&[]), &all, same), Err(NotFound::Several(2)));
    }

    #[test]
    fn the_links_of_a_code_verify_and_a_stolen_consent_does_not() {
        let root = secret(1);
        let community = CommunityId::from_bytes([5; 32]);
        let code = DeviceCode(request(3));
        let DeviceCode(request) = code.to_string().parse().unwrap();
        let space = certificate::governance_space(community);
        let governance = GovernanceDigest::from_bytes([0; 32]);
        let links = |by: &SecretKey| {
            let mut chain = Chain::new(by, space, governance, ChainLink::FIRST);
            link(&mut chain, 1, &request, request.slot, &request.consents[0])
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
