//! A state of a party: who speaks for it and what serves it. Only the party itself changes it.
//!
//! Spec: `specs/party.md` (form of a party state).

use super::{
    CertificateError, Cuts, NAME_MAX_BYTES,
    parts::{
        check_ascending, check_name, contradiction, expect_fields, read_key, read_list, read_name,
        read_optional, read_party, read_sorted_keys, write_keys,
    },
};
use crate::{
    codec::{Reader, Writer},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
    limits::SEQ_MAX,
};

pub(super) const TYPE: u64 = 1;
const FIELDS: usize = 17;

/// Most keys in one list of a party's state.
pub const KEYS_MAX: usize = 256;
/// Most groups of a party.
pub const GROUPS_MAX: usize = 256;
/// Most communities that a party names as left.
pub const LEFT_MAX: usize = 256;

/// Members of a party who share the reading of its spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name, 1 to 256 bytes, unique in the party.
    pub name: String,
    /// Root keys: strictly ascending, at most [`KEYS_MAX`]; may be empty.
    pub keys: Vec<PublicKey>,
}

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
    /// Root keys of members who read only.
    pub observers: Vec<PublicKey>,
    /// Groups, strictly ascending by name, at most [`GROUPS_MAX`].
    pub groups: Vec<Group>,
    /// Communities that the party has left: strictly ascending, at most [`LEFT_MAX`]; none in the
    /// first state.
    pub left: Vec<CommunityId>,
    /// Under whom the state is filed: a delegate of the state before it; in the first state its
    /// lowest delegate.
    pub proposer: PublicKey,
    /// Up to where what this state drops counted; none in the first state.
    pub cuts: Cuts,
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
            groups: Vec::new(),
            left: Vec::new(),
            proposer: delegate,
            cuts: Cuts::default(),
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
        w.array(self.groups.len());
        for group in &self.groups {
            w.array(2).text(&group.name);
            write_keys(w, &group.keys);
        }
        w.array(self.left.len());
        for community in &self.left {
            w.bytes(community.as_bytes());
        }
        w.bytes(self.proposer.as_bytes());
        self.cuts.write(w);
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        expect_fields(fields, FIELDS)?;
        let state = Self {
            parent: read_optional(r, |r| {
                r.array_of(2)?;
                Ok((read_party(r)?, EntryId::from_bytes(r.fixed()?)))
            })?,
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
            groups: read_list(r, GROUPS_MAX, |r| {
                r.array_of(2)?;
                Ok(Group {
                    name: read_name(r)?,
                    keys: read_sorted_keys(r, KEYS_MAX)?,
                })
            })?,
            left: read_list(r, LEFT_MAX, |r| Ok(CommunityId::from_bytes(r.fixed()?)))?,
            proposer: read_key(r)?,
            cuts: Cuts::read(r)?,
        };
        state.check()?;
        Ok(state)
    }

    /// Whether the parts of the state fit each other. Whether they fit the state before is for the
    /// authority to judge.
    ///
    /// # Errors
    /// [`CertificateError`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        let delegates = self.delegates.len() as u64;
        check_name(&self.name, "a party needs a name")?;
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
        for group in &self.groups {
            check_name(&group.name, "a group needs a name")?;
        }
        check_ascending(self.groups.iter().map(|group| &group.name))?;
        check_ascending(&self.left)?;
        self.cuts.check()?;
        if self.parent.is_none() {
            self.check_first()?;
        }
        Ok(())
    }

    fn check_first(&self) -> Result<(), CertificateError> {
        if self.delegates.first() != Some(&self.proposer) {
            return contradiction("the lowest delegate proposes the first state");
        }
        if !self.left.is_empty() {
            return contradiction("a new party has left no community");
        }
        if !self.cuts.is_none() {
            return contradiction("the first state drops nothing");
        }
        Ok(())
    }
}
