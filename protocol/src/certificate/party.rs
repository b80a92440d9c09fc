//! A state of a party: who speaks for it and what serves it. Only the party itself changes it.

use super::{CertificateError, NAME_MAX_BYTES, read_sorted_keys, write_keys};
use crate::{
    codec::{CodecError, Reader, Writer},
    id::{EntryId, PartyId},
    key::PublicKey,
    limits::SEQ_MAX,
};

pub(super) const TYPE: u64 = 1;
const FIELDS: usize = 13;

/// Most keys in one list of a party's state.
pub const KEYS_MAX: usize = 256;

/// One state of a party's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyState {
    /// The party and the state before this one; none in the first state.
    pub parent: Option<(PartyId, EntryId)>,
    /// Position in the chain, from 0.
    pub height: u64,
    /// Random bytes that keep two parties of one name apart.
    pub nonce: [u8; 16],
    /// The party's name, 1 to 256 bytes. Names of organizations are public; those of people are not.
    pub name: String,
    /// Root keys of those who speak for the party: strictly ascending, at least one.
    pub delegates: Vec<PublicKey>,
    /// Signatures a change of the party needs: more than half of the delegates.
    pub delegates_needed: u64,
    /// Delegates an admission needs, from 1.
    pub admission_needed: u64,
    /// Root keys of members who may answer for the party.
    pub stewards: Vec<PublicKey>,
    /// Root keys of members whose labels are the party's.
    pub moderators: Vec<PublicKey>,
    /// Keys of the party's nodes.
    pub nodes: Vec<PublicKey>,
    /// Keys that speak for other systems.
    pub bridges: Vec<PublicKey>,
    /// Keys that read only.
    pub observers: Vec<PublicKey>,
}

impl PartyState {
    /// A new party with one delegate and one node, to be filled in further by the caller.
    pub fn founding(
        name: String,
        nonce: [u8; 16],
        delegate: PublicKey,
        nodes: Vec<PublicKey>,
    ) -> Self {
        Self {
            parent: None,
            height: 0,
            nonce,
            name,
            delegates: vec![delegate],
            delegates_needed: 1,
            admission_needed: 1,
            stewards: vec![delegate],
            moderators: Vec::new(),
            nodes,
            bridges: Vec::new(),
            observers: Vec::new(),
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(FIELDS).uint(TYPE);
        match &self.parent {
            None => w.null(),
            Some((party, state)) => w.array(2).bytes(party.as_bytes()).bytes(state.as_bytes()),
        };
        w.uint(self.height).bytes(&self.nonce).text(&self.name);
        write_keys(w, &self.delegates);
        w.uint(self.delegates_needed).uint(self.admission_needed);
        for keys in [
            &self.stewards,
            &self.moderators,
            &self.nodes,
            &self.bridges,
            &self.observers,
        ] {
            write_keys(w, keys);
        }
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        if fields != FIELDS {
            return Err(CodecError::WrongLength {
                expected: FIELDS,
                found: fields as u64,
            }
            .into());
        }
        let parent = if r.peek()? == crate::codec::ItemType::Null {
            r.null().map(|()| None)?
        } else {
            r.array_of(2)?;
            Some((
                PartyId::from_bytes(r.fixed()?),
                EntryId::from_bytes(r.fixed()?),
            ))
        };
        let state = Self {
            parent,
            height: r.uint_max(SEQ_MAX)?,
            nonce: r.fixed()?,
            name: r.text(NAME_MAX_BYTES)?.to_owned(),
            delegates: read_sorted_keys(r, KEYS_MAX)?,
            delegates_needed: r.uint_max(KEYS_MAX as u64)?,
            admission_needed: r.uint_max(KEYS_MAX as u64)?,
            stewards: read_sorted_keys(r, KEYS_MAX)?,
            moderators: read_sorted_keys(r, KEYS_MAX)?,
            nodes: read_sorted_keys(r, KEYS_MAX)?,
            bridges: read_sorted_keys(r, KEYS_MAX)?,
            observers: read_sorted_keys(r, KEYS_MAX)?,
        };
        state.check()?;
        Ok(state)
    }

    /// Whether the numbers of the state fit each other.
    ///
    /// # Errors
    /// [`CertificateError::Contradiction`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        let contradiction = |what| Err(CertificateError::Contradiction(what));
        let delegates = self.delegates.len() as u64;
        if self.name.trim().is_empty() {
            return contradiction("a party needs a name");
        }
        if delegates == 0 {
            return contradiction("a party needs a delegate");
        }
        if self.delegates_needed * 2 <= delegates || self.delegates_needed > delegates {
            return contradiction("delegates_needed must be more than half of the delegates");
        }
        if self.admission_needed == 0 || self.admission_needed > delegates {
            return contradiction("admission_needed must be between 1 and all delegates");
        }
        if (self.height == 0) != self.parent.is_none() {
            return contradiction("exactly the first state has no parent");
        }
        Ok(())
    }
}
