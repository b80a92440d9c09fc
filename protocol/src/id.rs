//! Identifiers: 32-byte BLAKE3 digests, each of its own type and its own hash domain.
//!
//! A domain is an ASCII string that ends in a zero byte and is hashed before the content. No two
//! uses share one, so a digest made for one purpose can never stand for another.
//!
//! Spec: `specs/contribution.md` §3 (hashes and domains).

use std::{fmt, str::FromStr};
use thiserror::Error;

/// Length of every identifier and digest, in bytes.
pub const ID_BYTES: usize = 32;

/// A text is not an identifier in its text form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expected 64 lower-case hexadecimal digits, found {0:?}")]
pub struct ParseIdError(pub String);

/// Hash domains. Each is frozen: changing one changes every identifier made with it.
pub mod domain {
    /// Id of a contribution: digest of its header.
    pub const CONTRIBUTION_ID: &[u8] = b"comity/1/contribution-id\0";
    /// Message that an author signs for a contribution.
    pub const CONTRIBUTION_SIGNATURE: &[u8] = b"comity/1/contribution-signature\0";
    /// Digest of the shape part of a payload.
    pub const SHAPE: &[u8] = b"comity/1/shape\0";
    /// Digest of the words part of a payload.
    pub const WORDS: &[u8] = b"comity/1/words\0";
    /// Id of a record (governance entry, receipt, erasure): digest of its header.
    pub const RECORD_ID: &[u8] = b"comity/1/record-id\0";
    /// Message that a signer signs for a record.
    pub const RECORD_SIGNATURE: &[u8] = b"comity/1/record-signature\0";
    /// Id of a bare header: digest of the id of what it heads.
    pub const BARE_ID: &[u8] = b"comity/1/bare-id\0";
    /// Id under which a node stores words that came after their contribution; never on any wire.
    pub const LATE_WORDS_ID: &[u8] = b"comity/1/late-words-id\0";
    /// Digest of a record's body.
    pub const RECORD_BODY: &[u8] = b"comity/1/record-body\0";
    /// Id of a certificate: digest of its body.
    pub const CERTIFICATE_ID: &[u8] = b"comity/1/certificate-id\0";
    /// Party id: digest of the first state of the party.
    pub const PARTY: &[u8] = b"comity/1/party\0";
    /// Community id: digest of the genesis document.
    pub const COMMUNITY: &[u8] = b"comity/1/community\0";
    /// Space id: digest of community, declaring record and index.
    pub const SPACE: &[u8] = b"comity/1/space\0";
    /// Digest over a set of governance records.
    pub const GOVERNANCE: &[u8] = b"comity/1/governance\0";
    /// Message that a party's delegates sign under a genesis document or certificate.
    pub const CERTIFICATE_SIGNATURE: &[u8] = b"comity/1/certificate-signature\0";
    /// Message that the holder of an invitation key signs when asking in.
    pub const JOIN_SIGNATURE: &[u8] = b"comity/1/join-signature\0";
    /// Message that a device signs to consent to being linked to a root key.
    pub const DEVICE_CONSENT_SIGNATURE: &[u8] = b"comity/1/device-consent-signature\0";
    /// Message that a node signs to consent to serving a member.
    pub const NODE_CONSENT_SIGNATURE: &[u8] = b"comity/1/node-consent-signature\0";
    /// Checksum of a ticket.
    pub const TICKET: &[u8] = b"comity/1/ticket\0";
    /// Message that a device signs to let a node read on its behalf.
    pub const NODE_GRANT_SIGNATURE: &[u8] = b"comity/1/node-grant-signature\0";
    /// Message by which a node says where it can be called.
    pub const NODE_ADDRESSES_SIGNATURE: &[u8] = b"comity/1/node-addresses-signature\0";
    /// A community in a hello, as only those recognize it who know its id.
    pub const HELLO_COMMUNITY: &[u8] = b"comity/1/hello-community\0";
    /// The governance of a community in a hello.
    pub const HELLO_GOVERNANCE: &[u8] = b"comity/1/hello-governance\0";
    /// Nonce and padding of a hello, drawn from a seed.
    pub const HELLO_RANDOM: &[u8] = b"comity/1/hello-random\0";
    /// What a typed code begins: digest of a request to link a device.
    pub const DEVICE_CODE: &[u8] = b"comity/1/device-code\0";
    /// The same digest, digested again.
    pub const DEVICE_CODE_ROUND: &[u8] = b"comity/1/device-code-round\0";
    /// Message that a device or root key signs to read at a node's local API.
    pub const READER_SIGNATURE: &[u8] = b"comity/1/reader-signature\0";
    /// Key prefix of an author in a space's trie.
    pub const TRIE_AUTHOR: &[u8] = b"comity/1/trie-author\0";
    /// Key prefix of an author's bare headers in a space's trie.
    pub const TRIE_BARE: &[u8] = b"comity/1/trie-bare\0";
    /// Digest of a leaf of a space's trie.
    pub const TRIE_LEAF: &[u8] = b"comity/1/trie-leaf\0";
    /// Digest of a branch of a space's trie.
    pub const TRIE_BRANCH: &[u8] = b"comity/1/trie-branch\0";
    /// Digest of a leaf of a tree of sealed cuts.
    pub const CUT_LEAF: &[u8] = b"comity/1/cut-leaf\0";
    /// Digest of a branch of a tree of sealed cuts.
    pub const CUT_BRANCH: &[u8] = b"comity/1/cut-branch\0";
}

/// BLAKE3 over a domain and the parts that follow it.
///
/// The parts are concatenated without separators: callers pass parts of fixed length, or one last
/// part of free length.
pub fn digest(domain: &[u8], parts: &[&[u8]]) -> [u8; ID_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(domain);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

macro_rules! identifier {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Wraps raw bytes that were read from the wire or the store.
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }

            /// The first eight hexadecimal digits, for people to look at; not unique.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text).map(Self).ok_or_else(|| ParseIdError(text.to_owned()))
            }
        }
    )*};
}

fn parse_hex(text: &str) -> Option<[u8; ID_BYTES]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; ID_BYTES];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

identifier! {
    /// Id of an entry of a space's set: a contribution or a record.
    EntryId;
    /// Id of a document: the id of the contribution that created it.
    DocumentId;
    /// Id of a space.
    SpaceId;
    /// Id of a community: digest of its genesis document.
    CommunityId;
    /// Id of a party: digest of the first state of its chain.
    PartyId;
    /// Digest over the governance records an author knew.
    GovernanceDigest;
    /// Digest of the shape part of a payload.
    ShapeHash;
    /// Digest of the words part of a payload.
    WordsHash;
}

impl From<EntryId> for DocumentId {
    fn from(created_by: EntryId) -> Self {
        Self(created_by.0)
    }
}

impl From<DocumentId> for EntryId {
    fn from(document: DocumentId) -> Self {
        Self(document.0)
    }
}
