//! A ticket: the text a member hands to the person invited.
//!
//! It holds the secret half of the invitation key, so whoever has it can join until it is used up
//! or expires; the names inside are for people and carry no authority.

use super::{read_optional_uint, ticket_checksum};
use crate::{
    codec::{CodecError, Reader, Writer},
    id::{CommunityId, EntryId},
    key::{KeyError, PublicKey},
};
use std::{fmt, str::FromStr};
use thiserror::Error;

const PREFIX: &str = "comity1";
const VERSION: u64 = 1;
const ADDRESSES_MAX: usize = 16;
/// Longest address or name, in bytes.
const TEXT_MAX_BYTES: usize = 256;
/// Longest text of a ticket without its prefix: what the limits above allow, in base 58. Decoding
/// base 58 takes quadratic time, so longer texts are refused unread.
const ENCODED_MAX_CHARACTERS: usize = 7 * 1024;

/// Why a text is not a usable ticket.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TicketError {
    /// It does not start like a ticket.
    #[error("a ticket starts with {PREFIX}")]
    NoTicket,
    /// Characters are missing, doubled or mistyped.
    #[error("the ticket is incomplete or mistyped; copy it again, whole")]
    Damaged,
    /// A newer format.
    #[error("the ticket is of version {0}, which is not known here; update comity")]
    UnknownVersion(u64),
    /// Its content breaks a rule.
    #[error("the ticket's content is broken: {0}")]
    Content(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside the ticket is not usable: {0}")]
    Key(#[from] KeyError),
}

/// What a ticket holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The community; its genesis is checked against this.
    pub community: CommunityId,
    /// The invitation's record id.
    pub invitation: EntryId,
    /// Seed of the invitation key: secret.
    pub secret: [u8; 32],
    /// The node that countersigns.
    pub node: PublicKey,
    /// Where that node can be reached: multiaddresses. The text form carries the first 16 that have
    /// at most 256 bytes.
    pub addresses: Vec<String>,
    /// The community's name, for people; at most 256 bytes.
    pub community_name: String,
    /// The inviting party's name, for people; at most 256 bytes.
    pub party_name: String,
    /// When it ends, milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

impl Ticket {
    /// What does not fit is left out, as a ticket with fewer addresses is still one.
    fn addresses_that_fit(&self) -> Vec<&String> {
        let fit = |it: &&String| it.len() <= TEXT_MAX_BYTES;
        let fitting = self.addresses.iter().filter(fit);
        fitting.take(ADDRESSES_MAX).collect()
    }

    /// The canonical encoding that the text form carries, without its checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(9).uint(VERSION).bytes(self.community.as_bytes());
        w.bytes(self.invitation.as_bytes())
            .bytes(&self.secret)
            .bytes(self.node.as_bytes());
        let addresses = self.addresses_that_fit();
        w.array(addresses.len());
        for address in addresses {
            w.text(address);
        }
        w.text(&self.community_name).text(&self.party_name);
        match self.expires_ms {
            Some(ms) => w.uint(ms),
            None => w.null(),
        };
        w.finish()
    }

    /// Reads what [`Ticket::encode`] wrote.
    ///
    /// # Errors
    /// [`TicketError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, TicketError> {
        let mut r = Reader::new(bytes);
        let fields = r.array(64)?;
        let version = r.uint()?;
        if version != VERSION {
            return Err(TicketError::UnknownVersion(version));
        }
        if fields != 9 {
            return Err(CodecError::WrongLength {
                expected: 9,
                found: fields as u64,
            }
            .into());
        }
        let ticket = Self {
            community: CommunityId::from_bytes(r.fixed()?),
            invitation: EntryId::from_bytes(r.fixed()?),
            secret: r.fixed()?,
            node: PublicKey::from_bytes(r.fixed()?)?,
            addresses: (0..r.array(ADDRESSES_MAX)?)
                .map(|_| r.text(TEXT_MAX_BYTES).map(str::to_owned))
                .collect::<Result<_, _>>()?,
            community_name: r.text(TEXT_MAX_BYTES)?.to_owned(),
            party_name: r.text(TEXT_MAX_BYTES)?.to_owned(),
            expires_ms: read_optional_uint(&mut r)?,
        };
        r.end()?;
        Ok(ticket)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.encode();
        bytes.extend(ticket_checksum(&bytes));
        write!(f, "{PREFIX}{}", bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Ticket(to {:?}, invitation {:?})",
            self.community, self.invitation
        )
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text: String = text.split_whitespace().collect();
        let encoded = text.strip_prefix(PREFIX).ok_or(TicketError::NoTicket)?;
        if encoded.len() > ENCODED_MAX_CHARACTERS {
            return Err(TicketError::Damaged);
        }
        let bytes = bs58::decode(encoded)
            .into_vec()
            .map_err(|_| TicketError::Damaged)?;
        let split = bytes.len().checked_sub(4).ok_or(TicketError::Damaged)?;
        let (content, checksum) = bytes.split_at(split);
        if checksum != ticket_checksum(content) {
            return Err(TicketError::Damaged);
        }
        Self::decode(content)
    }
}
