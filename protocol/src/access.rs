//! What two nodes say before they share anything: hello, grants, join requests, tickets, requests to
//! link a device, where nodes can be called, words that one of them lacks; and what a peer may read.
//!
//! Spec: `specs/wire.md` §2 (hello), §3 (join, link), §5 (grants), §7 (addresses), `specs/identity.md` §8 (tickets),
//! `specs/partial.md` §4 (words).

use crate::{
    codec::{CodecError, ItemType, Reader},
    entry::EntryError,
    id::{digest, domain},
    key::KeyError,
    limits::TIME_MAX_MS,
};
use thiserror::Error;

mod addresses;
mod clock;
mod grant;
mod hello;
mod join;
mod link;
mod reader;
mod reading;
mod ticket;
mod words;

pub use addresses::{
    ADDRESSES_MAX_BYTES, AddressNews, NODE_ADDRESS_MAX_BYTES, NODE_ADDRESSES_MAX, NodeAddresses,
    STATEMENTS_MAX, VerifiedAddresses,
};
pub use clock::{GRANTS_FOR_DOUBT_MIN, clock_in_doubt};
pub use grant::{GRANT_LIFETIME_MS, GRANTS_MAX, NodeGrant, ShownGrant, VerifiedGrant};
pub use hello::{Agreement, Blinded, COMMUNITIES_MAX, HELLO_MAX_BYTES, Hello, PROTOCOL_VERSIONS};
pub use join::{JOIN_MAX_BYTES, JoinAnswer, JoinRefusal, JoinRequest};
pub use link::{
    LINK_MAX_BYTES, LINK_TEXT_MAX_BYTES, LinkAnswer, LinkConsents, LinkRequest,
    TYPED_CODE_CHARACTERS, TYPED_CODE_ROUNDS, TypedCode, TypedCodeError,
};
pub use reader::{READER_LIFETIME_MS, ReaderError, ReaderToken};
pub use reading::{may_be_shown_grants, next_end_ms, readable_spaces};
pub use ticket::{Ticket, TicketError};
pub use words::{
    WORDS_ANSWER_MAX_BYTES, WORDS_ASKED_MAX, WORDS_REQUEST_MAX_BYTES, WordsAnswer, WordsAsked,
    WordsGiven, WordsRequest,
};

/// Why bytes are not a message of this module.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccessError {
    /// Not canonical CBOR of the form.
    #[error("the message is not in its canonical form: {0}")]
    Codec(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside the message is not usable: {0}")]
    Key(#[from] KeyError),
    /// Versions or communities are not strictly ascending.
    #[error("a list in the message is not strictly ascending")]
    Order,
    /// The communities of a hello are none, or not padded as they should be.
    #[error("a hello lists {found} communities; it must be padded to a multiple of 8, at least 8")]
    Padding {
        /// How many there are.
        found: usize,
    },
    /// An entry inside is broken.
    #[error("an entry inside the message is broken: {0}")]
    Entry(#[from] EntryError),
}

fn within(bytes: &[u8], limit: usize) -> Result<Reader<'_>, CodecError> {
    match bytes.len() {
        len if len > limit => Err(CodecError::TooLong {
            limit,
            found: len as u64,
        }),
        _ => Ok(Reader::new(bytes)),
    }
}

fn read_optional_uint(r: &mut Reader<'_>) -> Result<Option<u64>, CodecError> {
    match r.peek()? {
        ItemType::Null => r.null().map(|()| None),
        _ => r.uint_max(TIME_MAX_MS).map(Some),
    }
}

fn ticket_checksum(bytes: &[u8]) -> [u8; 4] {
    let full = digest(domain::TICKET, &[bytes]);
    [full[0], full[1], full[2], full[3]]
}
