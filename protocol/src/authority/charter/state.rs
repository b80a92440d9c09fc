//! What the charter says at one resolution.

use crate::{
    certificate::{DecisionRule, Genesis, Space},
    id::{CommunityId, EntryId, PartyId, SpaceId},
};
use std::{collections::BTreeMap, sync::Arc};

/// A space of the charter, and what was narrowed since it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredSpace {
    /// As it was declared. Its readers never change.
    pub space: Space,
    /// The genesis or resolution that declared it.
    pub declared_by: EntryId,
    /// The resolution that closed it.
    pub closed: Option<EntryId>,
    /// Kinds that are no longer allowed, each with the resolution that forbade it.
    pub forbidden_kinds: BTreeMap<String, EntryId>,
}

impl DeclaredSpace {
    /// Whether new documents of a kind may stand in the space: it was allowed and not forbidden since.
    pub fn allows(&self, kind: &str) -> bool {
        let declared = self.space.kinds.as_ref();
        !self.forbidden_kinds.contains_key(kind)
            && declared.is_none_or(|kinds| kinds.iter().any(|it| it == kind))
    }
}

/// Everything that the charter says at one state. States of one path share what did not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharterState {
    /// The genesis or resolution that made this state.
    pub id: EntryId,
    /// The community.
    pub community: CommunityId,
    /// Resolutions since the genesis.
    pub height: u64,
    /// Name of the community.
    pub name: Arc<str>,
    /// What it is for; Markdown.
    pub purpose: Arc<str>,
    /// The parties, each with the state of its chain that was pinned last.
    pub parties: Arc<BTreeMap<PartyId, EntryId>>,
    /// Parties that left or were removed, each with the state that was pinned last: who comes back
    /// comes by that state or one that follows it.
    pub former: Arc<BTreeMap<PartyId, EntryId>>,
    /// Parties that a resolution needs: more than half, at most all.
    pub party_quorum: u64,
    /// Spaces of the charter, closed ones included.
    pub spaces: Arc<BTreeMap<SpaceId, DeclaredSpace>>,
    /// Days promised, by who promises (none: every party) and the promise's name.
    pub promises: Arc<BTreeMap<(Option<PartyId>, String), u64>>,
    /// Rules for decisions, by name.
    pub rules: Arc<BTreeMap<String, DecisionRule>>,
    /// Labels that may be given, with what they mean.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Articles of free text, by name; Markdown.
    pub articles: Arc<BTreeMap<String, String>>,
}

impl CharterState {
    /// What the genesis says, its parties pinned at their first states.
    pub(super) fn founded(
        community: CommunityId,
        id: EntryId,
        genesis: &Genesis,
        pins: BTreeMap<PartyId, EntryId>,
    ) -> Self {
        let declared = |space: &Space| DeclaredSpace {
            space: space.clone(),
            declared_by: id,
            closed: None,
            forbidden_kinds: BTreeMap::new(),
        };
        let spaces = genesis.spaces(community);
        let promises = genesis.promises.iter();
        let rules = genesis.rules.iter();
        Self {
            id,
            community,
            height: 0,
            name: genesis.name.as_str().into(),
            purpose: genesis.purpose.as_str().into(),
            parties: Arc::new(pins),
            former: Arc::default(),
            party_quorum: genesis.party_quorum,
            spaces: Arc::new(spaces.map(|(id, space)| (id, declared(space))).collect()),
            promises: Arc::new(
                promises
                    .map(|it| ((it.party, it.name.clone()), it.days))
                    .collect(),
            ),
            rules: Arc::new(rules.map(|it| (it.name.clone(), it.clone())).collect()),
            labels: Arc::new(genesis.labels.iter().cloned().collect()),
            articles: Arc::new(genesis.articles.iter().cloned().collect()),
        }
    }

    /// The state that was pinned last, of every party that is or was in the charter.
    pub fn pins(&self) -> BTreeMap<PartyId, EntryId> {
        let all = self.former.iter().chain(self.parties.iter());
        all.map(|(party, pin)| (*party, *pin)).collect()
    }

    /// The state of a party that was pinned last.
    pub(super) fn pinned(&self, party: &PartyId) -> Option<&EntryId> {
        self.parties.get(party).or_else(|| self.former.get(party))
    }

    /// The days that a party promises by a name: its own promise, else that of every party.
    pub fn promise(&self, party: &PartyId, name: &str) -> Option<u64> {
        let of = |party| self.promises.get(&(party, name.to_owned())).copied();
        of(Some(*party)).or_else(|| of(None))
    }
}

/// The number in (n/2, n] that is nearest to `quorum`, where n is the number of parties.
pub(super) fn clamp_quorum(quorum: u64, parties: usize) -> u64 {
    let parties = parties as u64;
    quorum.min(parties).max(parties / 2 + 1)
}

/// Whether a quorum is more than half of the parties and at most all.
pub(super) fn is_quorum(quorum: u64, parties: usize) -> bool {
    clamp_quorum(quorum, parties) == quorum
}
