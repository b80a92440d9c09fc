//! Linking a device by a code that people type: what the new device hands to the node of the one
//! that has the root key, the answer, and the short code that both screens agree on.
//!
//! Spec: `specs/identity.md` §5 (typed code), `specs/wire.md` §3.1.

use super::{AccessError, within};
use crate::{
    codec::{CodecError, Writer},
    id::{CommunityId, digest, domain},
    key::{PublicKey, Signature},
};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Largest link request or answer that nodes exchange, in bytes: a request with 23 communities fits.
pub const LINK_MAX_BYTES: usize = 4 * 1024;
/// Largest request that is read from a text, in bytes.
pub const LINK_TEXT_MAX_BYTES: usize = 32 * 1024;
/// How often the digest behind a typed code is digested again. It makes every guess cost as much.
pub const TYPED_CODE_ROUNDS: u32 = 1 << 14;
/// Characters of a typed code, the dashes not counted; each stands for 5 bits.
pub const TYPED_CODE_CHARACTERS: usize = 12;

const VERSION: u64 = 1;
const SLOT_MAX: u64 = 15;
const COMMUNITIES_MAX: usize = 64;
const GROUP_CHARACTERS: usize = 4;
/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The consents to a link in one community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConsents {
    /// The community.
    pub community: CommunityId,
    /// The new device's signature under [`crate::record::consent_message`].
    pub by_device: Signature,
    /// The signature of the node beside it under the same message.
    pub by_node: Option<Signature>,
}

/// What a new device asks the holder of the root key to sign. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// The device.
    pub device: PublicKey,
    /// The slot it would fill, 0 to 15.
    pub slot: u64,
    /// The node beside it.
    pub node: Option<PublicKey>,
    /// The consents, by community; at most 64.
    pub consents: Vec<LinkConsents>,
}

impl LinkRequest {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(5).uint(VERSION).bytes(self.device.as_bytes());
        w.uint(self.slot);
        w.optional_bytes(self.node.as_ref().map(|it| &it.as_bytes()[..]));
        w.array(self.consents.len());
        for it in &self.consents {
            w.array(3).bytes(it.community.as_bytes());
            w.bytes(it.by_device.as_bytes());
            w.optional_bytes(it.by_node.as_ref().map(|it| &it.as_bytes()[..]));
        }
        w.finish()
    }

    /// Reads a request. Whether its signatures hold shows when the links are signed and checked.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, LINK_TEXT_MAX_BYTES)?;
        r.array_of(5)?;
        if r.uint_max(VERSION)? != VERSION {
            return Err(CodecError::OutOfRange.into());
        }
        let device = PublicKey::from_bytes(r.fixed()?)?;
        let slot = r.uint_max(SLOT_MAX)?;
        let node = r.optional_fixed()?.map(PublicKey::from_bytes).transpose()?;
        let mut consents = Vec::new();
        for _ in 0..r.array(COMMUNITIES_MAX)? {
            r.array_of(3)?;
            consents.push(LinkConsents {
                community: CommunityId::from_bytes(r.fixed()?),
                by_device: Signature::from_bytes(r.fixed()?),
                by_node: r.optional_fixed()?.map(Signature::from_bytes),
            });
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

/// A node's answer to a link request that it was handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkAnswer {
    /// The request waits there for somebody to type its code.
    Waits,
    /// The node could not read it.
    NotUnderstood,
}

impl LinkAnswer {
    /// The canonical encoding.
    pub fn encode(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(1).uint(match self {
            Self::Waits => 0,
            Self::NotUnderstood => 1,
        });
        w.finish()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, LINK_MAX_BYTES)?;
        r.array_of(1)?;
        let answer = match r.uint_max(1)? {
            0 => Self::Waits,
            _ => Self::NotUnderstood,
        };
        r.end()?;
        Ok(answer)
    }
}

/// The code that a person reads on the new device and types on the other: the first 60 bits of a
/// digest of exactly what was handed over.
///
/// Shown as `K7Q2-M4XD-9TRB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypedCode([u8; TYPED_CODE_CHARACTERS]);

/// A text is no typed code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TypedCodeError {
    /// Too few or too many characters.
    #[error("a code has {TYPED_CODE_CHARACTERS} characters, this has {found}")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// A character that no code has.
    #[error("no code has the character {0:?}")]
    Character(char),
}

impl TypedCode {
    /// The code of an encoded request.
    pub fn of(request: &[u8]) -> Self {
        let mut state = digest(domain::DEVICE_CODE, &[request]);
        for _ in 0..TYPED_CODE_ROUNDS {
            state = digest(domain::DEVICE_CODE_ROUND, &[&state]);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&state[..8]);
        let bits = u64::from_be_bytes(first) >> 4;
        let mut characters = [0; TYPED_CODE_CHARACTERS];
        for (place, character) in characters.iter_mut().enumerate() {
            let shift = 5 * (TYPED_CODE_CHARACTERS - 1 - place);
            *character = ALPHABET[(bits >> shift) as usize & 31];
        }
        Self(characters)
    }
}

impl fmt::Display for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, character) in self.0.iter().enumerate() {
            if place > 0 && place % GROUP_CHARACTERS == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(*character))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedCode({self})")
    }
}

impl FromStr for TypedCode {
    type Err = TypedCodeError;

    /// Case, white space and dashes do not matter; O is read as 0, I and L as 1.
    fn from_str(text: &str) -> Result<Self, TypedCodeError> {
        let mut characters = [0; TYPED_CODE_CHARACTERS];
        let mut found = 0;
        let typed = text.chars().filter(|it| !it.is_whitespace() && *it != '-');
        for typed in typed {
            let character = match typed.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let known = ALPHABET.iter().find(|it| char::from(**it) == character);
            let known = known.ok_or(TypedCodeError::Character(typed))?;
            if let Some(place) = characters.get_mut(found) {
                *place = *known;
            }
            found += 1;
        }
        match found {
            TYPED_CODE_CHARACTERS => Ok(Self(characters)),
            found => Err(TypedCodeError::Length { found }),
        }
    }
}
