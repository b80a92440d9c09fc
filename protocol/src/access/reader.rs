//! What a person shows a node's local API to read restricted spaces there.
//!
//! Spec: `specs/http-api.md` (readers).

use super::AccessError;
use crate::{
    codec::{Reader, Writer},
    id::domain,
    key::{self, BadSignature, PublicKey, SecretKey, Signature},
    limits::TIME_MAX_MS,
};
use thiserror::Error;

/// How long a token lasts at most, in milliseconds: a day.
pub const READER_LIFETIME_MS: u64 = 24 * 60 * 60 * 1000;
/// How far clocks of one machine or house may differ, in milliseconds.
const CLOCK_LENIENCY_MS: u64 = 10 * 60 * 1000;

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReaderError {
    /// It was made for another node.
    #[error("the token is for the node {0}")]
    OtherNode(PublicKey),
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It would last longer than a token may.
    #[error("the token lasts longer than a day")]
    TooLong,
    /// The signature does not hold.
    #[error("{0}")]
    Signature(#[from] BadSignature),
}

/// A proof that whoever asks holds a device or a root key: a signature for one node, for a short
/// time. What its holder may read is for the authority to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderToken {
    /// The device or root key that signs.
    pub reader: PublicKey,
    /// The node it is for.
    pub node: PublicKey,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// The signature.
    pub signature: Signature,
}

impl ReaderToken {
    /// Signs a token.
    pub fn sign(reader: &SecretKey, node: PublicKey, expires_ms: u64) -> Self {
        let message = message(&node, expires_ms);
        Self {
            reader: reader.public(),
            node,
            expires_ms,
            signature: reader.sign(domain::READER_SIGNATURE, &message),
        }
    }

    /// Whether it proves its key to this node at this time.
    ///
    /// # Errors
    /// [`ReaderError`] says why not.
    pub fn check(&self, node: &PublicKey, now_ms: u64) -> Result<(), ReaderError> {
        if self.node != *node {
            return Err(ReaderError::OtherNode(self.node));
        }
        if self.expires_ms <= now_ms {
            return Err(ReaderError::Expired);
        }
        if self.expires_ms - now_ms > READER_LIFETIME_MS + CLOCK_LENIENCY_MS {
            return Err(ReaderError::TooLong);
        }
        let message = message(&self.node, self.expires_ms);
        let signed = domain::READER_SIGNATURE;
        Ok(key::verify(
            &self.reader,
            signed,
            &message,
            &self.signature,
        )?)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(4)
            .bytes(self.reader.as_bytes())
            .bytes(self.node.as_bytes());
        w.uint(self.expires_ms).bytes(self.signature.as_bytes());
        w.finish()
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = Reader::new(bytes);
        r.array_of(4)?;
        let token = Self {
            reader: PublicKey::from_bytes(r.fixed()?)?,
            node: PublicKey::from_bytes(r.fixed()?)?,
            expires_ms: r.uint_max(TIME_MAX_MS)?,
            signature: Signature::from_bytes(r.fixed()?),
        };
        r.end()?;
        Ok(token)
    }
}

fn message(node: &PublicKey, expires_ms: u64) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2).bytes(node.as_bytes()).uint(expires_ms);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_proves_its_key_to_one_node_for_a_day() {
        let (device, node) = (
            SecretKey::from_seed(&[1; 32]),
            SecretKey::from_seed(&[2; 32]),
        );
        let token = ReaderToken::sign(&device, node.public(), READER_LIFETIME_MS);
        assert_eq!(ReaderToken::decode(&token.encode()).as_ref(), Ok(&token));
        assert_eq!(token.check(&node.public(), 0), Ok(()));
        assert_eq!(
            token.check(&node.public(), READER_LIFETIME_MS),
            Err(ReaderError::Expired)
        );
        assert_eq!(
            token.check(&device.public(), 0),
            Err(ReaderError::OtherNode(node.public()))
        );
        let long = ReaderToken::sign(&device, node.public(), 2 * READER_LIFETIME_MS);
        assert_eq!(long.check(&node.public(), 0), Err(ReaderError::TooLong));
        let forged = ReaderToken {
            reader: node.public(),
            ..token
        };
        assert!(matches!(
            forged.check(&node.public(), 0),
            Err(ReaderError::Signature(_))
        ));
    }
}
