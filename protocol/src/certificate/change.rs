//! One change of the charter, as a resolution states it.
//!
//! Spec: `specs/charter.md` (form of a resolution).

use super::{
    CertificateError, TEXT_MAX_BYTES,
    genesis::PARTIES_MAX,
    parts::{check_name, contradiction, expect_fields, read_key, read_name, read_party},
    space::{Space, check_kinds, read_kinds, write_kinds},
    terms::{DecisionRule, Promise, read_promiser, write_promiser},
};
use crate::{
    codec::{Reader, Writer},
    id::{PartyId, SpaceId},
    key::PublicKey,
};

/// One change of the charter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new name of the community.
    SetName(String),
    /// A new purpose; Markdown.
    SetPurpose(String),
    /// A party joins; its pin names its state.
    AddParty(PartyId),
    /// A party is removed.
    RemoveParty(PartyId),
    /// Parties that a resolution needs.
    SetPartyQuorum(u64),
    /// A space is declared; its id follows from the resolution and the index of this change, from 1.
    DeclareSpace(Space),
    /// Nothing new counts in the space; what its cuts name stays.
    CloseSpace(SpaceId),
    /// Kinds are no longer allowed in a space: strictly ascending names.
    NarrowKinds(SpaceId, Vec<String>),
    /// A promise is made or its days are changed.
    SetPromise(Promise),
    /// A promise ends.
    RemovePromise(Option<PartyId>, String),
    /// A rule for decisions.
    SetRule(DecisionRule),
    /// A rule for decisions ends.
    RemoveRule(String),
    /// A label that may be given, with what it means.
    SetLabel(String, String),
    /// A label ends.
    RemoveLabel(String),
    /// An article of free text: name and Markdown.
    SetArticle(String, String),
    /// An article ends.
    RemoveArticle(String),
    /// A member's standing with a party ends, with that party's consent.
    Revoke(PartyId, PublicKey),
    /// What a node's key signed counts up to the cuts only, and is not lifted by receipts.
    CutNode(PublicKey),
    /// Nothing but that the resolution names the present states of the parties: it pins another state
    /// of at least one than the charter did, so that keys which that one dropped never speak for it
    /// again.
    ConfirmStates,
}

/// What a change is about: two changes of one thing in a resolution contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject<'a> {
    Name,
    Purpose,
    Party(PartyId),
    Quorum,
    SpaceNamed(&'a str),
    Closing(SpaceId),
    Kinds(SpaceId),
    Promise(Option<PartyId>, &'a str),
    Rule(&'a str),
    Label(&'a str),
    Article(&'a str),
    Member(PartyId, PublicKey),
    Node(PublicKey),
    States,
}

impl Change {
    /// The code on the wire.
    pub fn code(&self) -> u64 {
        match self {
            Self::SetName(_) => 1,
            Self::SetPurpose(_) => 2,
            Self::AddParty(_) => 3,
            Self::RemoveParty(_) => 4,
            Self::SetPartyQuorum(_) => 5,
            Self::DeclareSpace(_) => 6,
            Self::CloseSpace(_) => 7,
            Self::NarrowKinds(..) => 8,
            Self::SetPromise(_) => 9,
            Self::RemovePromise(..) => 10,
            Self::SetRule(_) => 11,
            Self::RemoveRule(_) => 12,
            Self::SetLabel(..) => 13,
            Self::RemoveLabel(_) => 14,
            Self::SetArticle(..) => 15,
            Self::RemoveArticle(_) => 16,
            Self::Revoke(..) => 17,
            Self::CutNode(_) => 18,
            Self::ConfirmStates => 19,
        }
    }

    /// Whether it takes rights away, so that the cuts of its resolution are about it.
    pub fn is_narrowing(&self) -> bool {
        matches!(
            self,
            Self::RemoveParty(_)
                | Self::CloseSpace(_)
                | Self::NarrowKinds(..)
                | Self::Revoke(..)
                | Self::CutNode(_)
        )
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        match self {
            Self::SetName(_) => Subject::Name,
            Self::SetPurpose(_) => Subject::Purpose,
            Self::AddParty(party) | Self::RemoveParty(party) => Subject::Party(*party),
            Self::SetPartyQuorum(_) => Subject::Quorum,
            Self::DeclareSpace(space) => Subject::SpaceNamed(&space.name),
            Self::CloseSpace(space) => Subject::Closing(*space),
            Self::NarrowKinds(space, _) => Subject::Kinds(*space),
            Self::SetPromise(it) => Subject::Promise(it.party, &it.name),
            Self::RemovePromise(party, name) => Subject::Promise(*party, name),
            Self::SetRule(DecisionRule { name, .. }) | Self::RemoveRule(name) => {
                Subject::Rule(name)
            }
            Self::SetLabel(name, _) | Self::RemoveLabel(name) => Subject::Label(name),
            Self::SetArticle(name, _) | Self::RemoveArticle(name) => Subject::Article(name),
            Self::Revoke(party, member) => Subject::Member(*party, *member),
            Self::CutNode(node) => Subject::Node(*node),
            Self::ConfirmStates => Subject::States,
        }
    }

    pub(super) fn check(&self) -> Result<(), CertificateError> {
        match self {
            Self::SetName(name) => check_name(name, "a community needs a name"),
            Self::SetPartyQuorum(0) => contradiction("a resolution needs at least one party"),
            Self::DeclareSpace(space) => {
                if !space.readers.is_public() {
                    return contradiction(
                        "a charter declares spaces for everyone, members or parties",
                    );
                }
                space.check()
            }
            Self::NarrowKinds(_, kinds) => check_kinds(kinds),
            Self::SetPromise(promise) => promise.check(),
            Self::SetRule(rule) => rule.check(),
            Self::RemovePromise(_, name)
            | Self::RemoveRule(name)
            | Self::SetLabel(name, _)
            | Self::RemoveLabel(name)
            | Self::SetArticle(name, _)
            | Self::RemoveArticle(name) => check_name(name, "what a change is about needs a name"),
            Self::SetPurpose(_)
            | Self::AddParty(_)
            | Self::RemoveParty(_)
            | Self::SetPartyQuorum(_)
            | Self::CloseSpace(_)
            | Self::Revoke(..)
            | Self::CutNode(_)
            | Self::ConfirmStates => Ok(()),
        }
    }

    fn fields(code: u64) -> usize {
        match code {
            8 | 10 | 13 | 15 | 17 => 3,
            19 => 1,
            _ => 2,
        }
    }

    pub(super) fn write(&self, w: &mut Writer) {
        let code = self.code();
        w.array(Self::fields(code)).uint(code);
        match self {
            Self::SetName(text)
            | Self::SetPurpose(text)
            | Self::RemoveRule(text)
            | Self::RemoveLabel(text)
            | Self::RemoveArticle(text) => {
                w.text(text);
            }
            Self::AddParty(party) | Self::RemoveParty(party) => {
                w.bytes(party.as_bytes());
            }
            Self::SetPartyQuorum(parties) => {
                w.uint(*parties);
            }
            Self::DeclareSpace(space) => space.write(w),
            Self::CloseSpace(space) => {
                w.bytes(space.as_bytes());
            }
            Self::NarrowKinds(space, kinds) => {
                w.bytes(space.as_bytes());
                write_kinds(w, kinds);
            }
            Self::SetPromise(promise) => promise.write(w),
            Self::RemovePromise(party, name) => {
                write_promiser(w, *party);
                w.text(name);
            }
            Self::SetRule(rule) => rule.write(w),
            Self::SetLabel(name, text) | Self::SetArticle(name, text) => {
                w.text(name).text(text);
            }
            Self::Revoke(party, member) => {
                w.bytes(party.as_bytes()).bytes(member.as_bytes());
            }
            Self::CutNode(node) => {
                w.bytes(node.as_bytes());
            }
            Self::ConfirmStates => {}
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, CertificateError> {
        let fields = r.array(8)?;
        let code = r.uint()?;
        let change = match code {
            1 => Self::SetName(read_name(r)?),
            2 => Self::SetPurpose(read_text(r)?),
            3 => Self::AddParty(read_party(r)?),
            4 => Self::RemoveParty(read_party(r)?),
            5 => Self::SetPartyQuorum(r.uint_max(PARTIES_MAX as u64)?),
            6 => Self::DeclareSpace(Space::read(r)?),
            7 => Self::CloseSpace(SpaceId::from_bytes(r.fixed()?)),
            8 => Self::NarrowKinds(SpaceId::from_bytes(r.fixed()?), read_kinds(r)?),
            9 => Self::SetPromise(Promise::read(r)?),
            10 => Self::RemovePromise(read_promiser(r)?, read_name(r)?),
            11 => Self::SetRule(DecisionRule::read(r)?),
            12 => Self::RemoveRule(read_name(r)?),
            13 => Self::SetLabel(read_name(r)?, read_text(r)?),
            14 => Self::RemoveLabel(read_name(r)?),
            15 => Self::SetArticle(read_name(r)?, read_text(r)?),
            16 => Self::RemoveArticle(read_name(r)?),
            17 => Self::Revoke(read_party(r)?, read_key(r)?),
            18 => Self::CutNode(read_key(r)?),
            19 => Self::ConfirmStates,
            unknown => return Err(CertificateError::UnknownChange(unknown)),
        };
        expect_fields(fields, Self::fields(code))?;
        Ok(change)
    }
}

fn read_text(r: &mut Reader<'_>) -> Result<String, CertificateError> {
    Ok(r.text(TEXT_MAX_BYTES)?.to_owned())
}
