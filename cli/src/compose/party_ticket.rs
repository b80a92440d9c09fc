//! What lets another party find a community: its id, its name, and where nodes of it are.

use super::codes::{Code, CodeError};
use comity_protocol::{
    codec::{CodecError, Reader, Writer},
    id::CommunityId,
};

/// Most addresses.
pub const ADDRESSES_MAX: usize = 16;
/// Longest name or address.
pub const TEXT_MAX_BYTES: usize = 256;

/// A ticket for a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyTicket {
    /// The community.
    pub community: CommunityId,
    /// Its name.
    pub name: String,
    /// Where it can be reached.
    pub addresses: Vec<String>,
}

impl PartyTicket {
    /// Its text.
    pub fn code(&self) -> String {
        Code::Parties.text(&self.encode())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3).bytes(self.community.as_bytes()).text(&self.name);
        w.array(self.addresses.len());
        for address in &self.addresses {
            w.text(address);
        }
        w.finish()
    }

    /// Reads its text.
    ///
    /// # Errors
    /// [`CodeError`] if it is no such ticket.
    pub fn read(text: &str) -> Result<Self, CodeError> {
        Self::decode(&Code::Parties.content(text)?)
            .map_err(|error| CodeError::Content(error.to_string()))
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        r.array_of(3)?;
        let community = CommunityId::from_bytes(r.fixed()?);
        let name = r.text(TEXT_MAX_BYTES)?.to_owned();
        let count = r.array(ADDRESSES_MAX)?;
        let mut addresses = Vec::new();
        for _ in 0..count {
            addresses.push(r.text(TEXT_MAX_BYTES)?.to_owned());
        }
        r.end()?;
        Ok(Self {
            community,
            name,
            addresses,
        })
    }
}
