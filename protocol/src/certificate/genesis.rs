//! The genesis of a community: purpose, founding parties, public spaces, promises, rules.
//!
//! Spec: `specs/charter.md` (form of a genesis).

use super::{
    CertificateError, NAME_MAX_BYTES, SIGNATURES_MAX, TEXT_MAX_BYTES,
    parts::{
        check_ascending, check_name, check_unique, contradiction, expect_fields, read_list,
        read_optional, read_party, read_sorted_keys, write_keys,
    },
    space::Space,
    terms::{DecisionRule, Promise, TERMS_MAX, check_named, read_named, write_named},
};
use crate::{
    codec::{Reader, Writer},
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    limits::TIME_MAX_MS,
};

pub(super) const TYPE: u64 = 2;
const FIELDS: usize = 14;

/// Most parties in a genesis, and in the pins of a resolution.
pub const PARTIES_MAX: usize = 256;
/// Most spaces a genesis declares.
pub const SPACES_MAX: usize = 256;
/// Index of the governance space; declared spaces count from 1.
pub const GOVERNANCE_INDEX: u64 = 0;

/// The document whose digest is the community's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// Random bytes that keep two communities of one purpose apart.
    pub nonce: [u8; 16],
    /// Name of the community, 1 to 256 bytes.
    pub name: String,
    /// What it is for; Markdown.
    pub purpose: String,
    /// Founding parties, strictly ascending.
    pub parties: Vec<PartyId>,
    /// Delegates of the founding parties who sign, exactly these: strictly ascending. They stand in
    /// the body so that a genesis can be judged by itself, and has one set of signers.
    pub founders: Vec<PublicKey>,
    /// Parties a resolution needs: more than half.
    pub party_quorum: u64,
    /// Spaces declared here, for everyone, members or founding parties; none succeeds another.
    pub spaces: Vec<Space>,
    /// Promises, of founding parties or of all.
    pub promises: Vec<Promise>,
    /// Rules for decisions.
    pub rules: Vec<DecisionRule>,
    /// Labels that may be given: a name and what it means, in Markdown.
    pub labels: Vec<(String, String)>,
    /// Articles of free text: a name and Markdown.
    pub articles: Vec<(String, String)>,
    /// The community that it continues as a fork, and the charter state it starts from.
    pub continues: Option<(CommunityId, EntryId)>,
    /// Claimed time of founding, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl Genesis {
    /// The ids of the declared spaces, beside their declarations.
    pub fn spaces(&self, community: CommunityId) -> impl Iterator<Item = (SpaceId, &Space)> {
        self.spaces.iter().zip(1..).map(move |(space, index)| {
            (
                super::space_id(community, community.as_bytes(), index),
                space,
            )
        })
    }

    pub(super) fn write(&self, w: &mut Writer) {
        w.array(FIELDS)
            .uint(TYPE)
            .bytes(&self.nonce)
            .text(&self.name)
            .text(&self.purpose);
        w.array(self.parties.len());
        for party in &self.parties {
            w.bytes(party.as_bytes());
        }
        write_keys(w, &self.founders);
        w.uint(self.party_quorum).array(self.spaces.len());
        for space in &self.spaces {
            space.write(w);
        }
        w.array(self.promises.len());
        for promise in &self.promises {
            promise.write(w);
        }
        w.array(self.rules.len());
        for rule in &self.rules {
            rule.write(w);
        }
        for named in [&self.labels, &self.articles] {
            w.array(named.len());
            for (name, text) in named {
                write_named(w, name, text);
            }
        }
        match &self.continues {
            None => w.null(),
            Some((community, state)) => w
                .array(2)
                .bytes(community.as_bytes())
                .bytes(state.as_bytes()),
        };
        w.uint(self.time_ms);
    }

    pub(super) fn read(fields: usize, r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        expect_fields(fields, FIELDS)?;
        let genesis = Self {
            nonce: r.fixed()?,
            name: r.text(NAME_MAX_BYTES)?.to_owned(),
            purpose: r.text(TEXT_MAX_BYTES)?.to_owned(),
            parties: read_list(r, PARTIES_MAX, read_party)?,
            founders: read_sorted_keys(r, SIGNATURES_MAX)?,
            party_quorum: r.uint_max(PARTIES_MAX as u64)?,
            spaces: read_list(r, SPACES_MAX, Space::read)?,
            promises: read_list(r, TERMS_MAX, Promise::read)?,
            rules: read_list(r, TERMS_MAX, DecisionRule::read)?,
            labels: read_list(r, TERMS_MAX, read_named)?,
            articles: read_list(r, TERMS_MAX, read_named)?,
            continues: read_optional(r, |r| {
                r.array_of(2)?;
                Ok((
                    CommunityId::from_bytes(r.fixed()?),
                    EntryId::from_bytes(r.fixed()?),
                ))
            })?,
            time_ms: r.uint_max(TIME_MAX_MS)?,
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// Whether the parts of the genesis fit each other.
    ///
    /// # Errors
    /// [`CertificateError`] says what does not fit.
    pub fn check(&self) -> Result<(), CertificateError> {
        let parties = self.parties.len() as u64;
        check_name(&self.name, "a community needs a name")?;
        if parties == 0 {
            return contradiction("a community needs a party");
        }
        check_ascending(&self.parties)?;
        if self.founders.is_empty() {
            return contradiction("a community needs a founder");
        }
        if self.party_quorum * 2 <= parties || self.party_quorum > parties {
            return contradiction("party_quorum must be more than half of the parties");
        }
        self.check_spaces()?;
        self.check_terms()
    }

    fn check_spaces(&self) -> Result<(), CertificateError> {
        for space in &self.spaces {
            space.check()?;
            if !space.readers.is_public() {
                return contradiction("a charter declares spaces for everyone, members or parties");
            }
            if let super::Readers::Parties(readers) = &space.readers
                && !readers.iter().all(|party| self.has(party))
            {
                return contradiction("a space is for a party that founds nothing here");
            }
            if space.successor_of.is_some() {
                return contradiction("a genesis has no space to succeed");
            }
            if space.continues.is_some() && self.continues.is_none() {
                return contradiction("a space continues one of the community that is continued");
            }
        }
        let names = self.spaces.iter().map(|space| &space.name);
        check_unique(names, "two spaces have one name")
    }

    fn check_terms(&self) -> Result<(), CertificateError> {
        for promise in &self.promises {
            promise.check()?;
            if promise.party.is_some_and(|party| !self.has(&party)) {
                return contradiction("a promise is of a party that founds nothing here");
            }
        }
        let promises = self.promises.iter().map(|it| (it.party, &it.name));
        check_unique(promises, "two promises have one name")?;
        self.rules.iter().try_for_each(DecisionRule::check)?;
        let rules = self.rules.iter().map(|it| &it.name);
        check_unique(rules, "two rules have one name")?;
        check_named(
            &self.labels,
            "a label needs a name",
            "two labels have one name",
        )?;
        check_named(
            &self.articles,
            "an article needs a name",
            "two articles have one name",
        )
    }

    fn has(&self, party: &PartyId) -> bool {
        self.parties.binary_search(party).is_ok()
    }
}
