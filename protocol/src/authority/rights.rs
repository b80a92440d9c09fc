//! Who reads a space, and whose contributions to it count.
//!
//! A contribution counts if there is a path from its device to a right: device, root, party, role.
//! Whatever was taken along that path must cover it. Nothing taken means now, without a question.
//!
//! Spec: `specs/access.md` §3 (readers), §4 (writers).

use super::{
    Act, Authority, Standing, Unauthorized,
    charter::Charter,
    coverage::Coverage,
    envelope::{Envelope, EnvelopeError},
    parties::Parties,
    roster::{Bar, Path, Seat, within},
};
use crate::{
    certificate::{PartyState, Readers, Space, Writers},
    entry::ErasedBy,
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::Role,
};
use std::collections::BTreeMap;

/// What holds in one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpaceRules {
    pub(super) space: Space,
    /// The resolution that closed it.
    closed: Option<EntryId>,
    /// Kinds that were allowed, each with the resolution that forbade it.
    forbidden: BTreeMap<String, EntryId>,
    /// Who is or was in a group that reads it, with the states that dropped them.
    in_groups: BTreeMap<(PublicKey, PartyId), Option<EntryId>>,
}

/// The rules of every space of the charter and every restricted space that is known here.
pub(super) fn rules(
    envelope: &Envelope,
    charter: &Charter,
    parties: &Parties,
) -> BTreeMap<SpaceId, SpaceRules> {
    let declared = charter.current().spaces.iter().map(|(id, it)| {
        let rules = SpaceRules {
            space: it.space.clone(),
            closed: it.closed,
            forbidden: it.forbidden_kinds.clone(),
            in_groups: BTreeMap::new(),
        };
        (*id, rules)
    });
    let restricted = envelope.restricted.iter().map(|(id, it)| {
        let rules = SpaceRules {
            space: it.space.clone(),
            closed: None,
            forbidden: BTreeMap::new(),
            in_groups: in_groups(&it.space.readers, parties),
        };
        (*id, rules)
    });
    declared.chain(restricted).collect()
}

/// Members of the groups, now (none) or up to the state that dropped them last.
fn in_groups(
    readers: &Readers,
    parties: &Parties,
) -> BTreeMap<(PublicKey, PartyId), Option<EntryId>> {
    let mut members = BTreeMap::new();
    let Readers::Groups(groups) = readers else {
        return members;
    };
    for (party, name) in groups {
        let Some(chain) = parties.chain(party) else {
            continue;
        };
        let mut in_this: BTreeMap<PublicKey, Option<EntryId>> = BTreeMap::new();
        let group_of = |state: &PartyState| -> Vec<PublicKey> {
            let group = state.groups.iter().find(|group| group.name == *name);
            group.map_or(Vec::new(), |group| group.keys.clone())
        };
        for id in chain.path() {
            let keys = chain.state(id).map_or(Vec::new(), group_of);
            // Who was in it on a branch that lost was so until this state.
            let lost = chain.lost_to(id).flat_map(|(_, state)| group_of(state));
            in_this.extend(lost.map(|key| (key, None)));
            for (key, dropped) in &mut in_this {
                if dropped.is_none() && keys.binary_search(key).is_err() {
                    *dropped = Some(*id);
                }
            }
            in_this.extend(keys.iter().map(|key| (*key, None)));
        }
        for (key, dropped) in in_this {
            let of = members.entry((key, *party)).or_insert(dropped);
            // Of several groups one that the key is in decides.
            if dropped.is_none() {
                *of = None;
            }
        }
    }
    members
}

/// Whether a seat makes its person a reader.
enum Reading {
    Yes,
    /// Up to what the state covers.
    Until(EntryId),
    No,
}

impl SpaceRules {
    /// 3.1: the space is for everyone.
    fn everyone_reads(&self) -> bool {
        self.space.readers == Readers::Everyone
    }

    fn reading(&self, seat: &Seat) -> Reading {
        let is_one = match &self.space.readers {
            Readers::Everyone | Readers::Members => true,
            Readers::Parties(parties) => parties.binary_search(&seat.party).is_ok(),
            Readers::Persons(persons) => persons.binary_search(&seat.root).is_ok(),
            Readers::Groups(_) => {
                return match self.in_groups.get(&(seat.root, seat.party)) {
                    None => Reading::No,
                    Some(None) => Reading::Yes,
                    Some(Some(dropped)) => Reading::Until(*dropped),
                };
            }
        };
        if is_one { Reading::Yes } else { Reading::No }
    }

    /// The party state that dropped a seat's person from the groups that read the space.
    pub(super) fn dropped_from_group(&self, seat: &Seat) -> Option<EntryId> {
        *self.in_groups.get(&(seat.root, seat.party))?
    }

    /// What was taken from everyone here: the space itself, or kinds of documents.
    pub(super) fn narrowed_for_all(&self) -> impl Iterator<Item = EntryId> {
        self.closed
            .into_iter()
            .chain(self.forbidden.values().copied())
    }

    /// Whether nodes of a party keep the space by themselves.
    fn is_kept_by_nodes_of(&self, party: &PartyId) -> bool {
        match &self.space.readers {
            Readers::Everyone | Readers::Members => true,
            Readers::Parties(parties) => parties.binary_search(party).is_ok(),
            // Only where a reader asks them to.
            Readers::Groups(_) | Readers::Persons(_) => false,
        }
    }

    /// Whether something was taken from everyone who writes here, or from whole groups.
    pub(super) fn is_narrowed(&self) -> bool {
        let mut groups = self.in_groups.values();
        self.closed.is_some() || !self.forbidden.is_empty() || groups.any(Option::is_some)
    }

    /// The roles one of which it takes to write here.
    pub(super) fn writing_roles(&self) -> &'static [Role] {
        match self.space.writers {
            Writers::Members => &[Role::Member, Role::Steward, Role::Bridge],
            Writers::Stewards => &[Role::Steward],
        }
    }

    /// Whether the space takes, or took, documents of a kind; with what took it.
    fn takes(&self, kind: &str) -> Result<Option<&EntryId>, Unauthorized> {
        let declared = self.space.kinds.as_ref();
        if declared.is_some_and(|kinds| !kinds.iter().any(|it| it == kind)) {
            return Err(Unauthorized::KindNotAllowed);
        }
        Ok(self.forbidden.get(kind))
    }
}

/// The contribution that is asked about.
struct Asked<'a> {
    id: &'a EntryId,
    author: &'a PublicKey,
    act: Act,
    coverage: &'a dyn Coverage,
}

impl Asked<'_> {
    fn is_within(&self, bars: &[Bar]) -> Result<(), Unauthorized> {
        within(bars, self.coverage, self.author, self.id)
    }

    fn is_covered(&self, narrowing: &EntryId) -> bool {
        self.coverage.covers(narrowing, self.author, self.id)
    }
}

impl Authority {
    /// Decides whether a contribution counts by its author's own rights, now or up to a cut.
    ///
    /// `kind` is that of its document; none asks leaving kinds aside. `coverage` is that of the
    /// space; it is asked only if something was taken that matters here.
    ///
    /// # Errors
    /// [`Unauthorized`] names what says most about why not.
    pub fn authorize(
        &self,
        space: SpaceId,
        id: &EntryId,
        author: &PublicKey,
        kind: Option<&str>,
        act: Act,
        coverage: &dyn Coverage,
    ) -> Result<Standing, Unauthorized> {
        if space == self.governance_space {
            return Err(Unauthorized::WrongSpace);
        }
        if self.charter.is_none() {
            return Err(Unauthorized::NoGenesis);
        }
        let rules = self.rules.get(&space).ok_or(Unauthorized::UnknownSpace)?;
        let asked = Asked {
            id,
            author,
            act,
            coverage,
        };
        let mut refusal = Unauthorized::NotAMember;
        for (path, seat) in self.roster.seats.paths(author) {
            match self.judge_path(rules, path, seat, &asked) {
                Ok(()) => {
                    is_open(rules, &asked)?;
                    takes_kind(rules, kind, &asked)?;
                    return Ok(Standing {
                        root: seat.root,
                        party: seat.party,
                    });
                }
                Err(reason) => refusal = refusal.max(reason),
            }
        }
        Err(refusal)
    }

    /// Whether one path leads to the right to do it.
    fn judge_path(
        &self,
        rules: &SpaceRules,
        path: &Path,
        seat: &Seat,
        asked: &Asked<'_>,
    ) -> Result<(), Unauthorized> {
        is_a_readers(rules, seat, asked)?;
        holds_one_of(rules.writing_roles(), seat, asked)?;
        self.owns(seat, asked)?;
        nothing_bars(path, seat, asked)
    }

    /// 4.3: an owner-written document is edited by the person who ever linked what created it.
    fn owns(&self, seat: &Seat, asked: &Asked<'_>) -> Result<(), Unauthorized> {
        match asked.act {
            Act::EditOwned { owner }
                if owner != *asked.author && !self.was_linked(&owner, &seat.root) =>
            {
                Err(Unauthorized::NotTheOwner)
            }
            _ => Ok(()),
        }
    }

    /// Whether a key may erase words that a device wrote: the device itself, or a root key that
    /// linked it once. For good, so whatever was taken from either does not matter.
    ///
    /// A contribution whose words are replaced by anybody else's erasure must not be stored.
    ///
    /// # Errors
    /// [`EnvelopeError::NotTheWriter`].
    pub fn may_erase(
        &self,
        signer: &PublicKey,
        written_by: &PublicKey,
    ) -> Result<(), EnvelopeError> {
        self.envelope.lets_erase(signer, written_by)
    }

    /// Whether what stands in place of a contribution's words erases them: the proof is by someone
    /// who [may](Authority::may_erase), or an order that its space lets in (E16). Exempt from cuts.
    ///
    /// # Errors
    /// [`EnvelopeError`] says what is missing. Such a contribution must not be stored.
    pub fn judge_erasure(
        &self,
        proof: &ErasedBy,
        written_by: &PublicKey,
    ) -> Result<(), EnvelopeError> {
        match proof {
            ErasedBy::Record(it) => self.may_erase(&it.header().author, written_by),
            ErasedBy::Order(it) => self.envelope.lets_in_order(it),
        }
    }

    /// Whether a device's holder, or a node of a party, may read a space now. None: anyone.
    pub fn may_read(&self, reader: Option<&PublicKey>, space: SpaceId) -> bool {
        self.judge_reader(reader, space).is_ok()
    }

    /// The same with the reason, which must not be told to whoever asks: to those who may not read
    /// it, a space is as if it did not exist (I9).
    ///
    /// # Errors
    /// [`Unauthorized::UnknownSpace`], or [`Unauthorized::NotAReader`] if no rule lets the key read.
    pub fn judge_reader(
        &self,
        reader: Option<&PublicKey>,
        space: SpaceId,
    ) -> Result<(), Unauthorized> {
        if space == self.governance_space {
            return Ok(());
        }
        let rules = self.rules.get(&space).ok_or(Unauthorized::UnknownSpace)?;
        let by_key = |key| self.reads_by_a_seat(key, rules) || self.reads_as_a_node(key, rules);
        match rules.everyone_reads() || reader.is_some_and(by_key) {
            true => Ok(()),
            false => Err(Unauthorized::NotAReader),
        }
    }

    /// 3.2: a path leads from the device to a seat that is held now and a reader's.
    fn reads_by_a_seat(&self, device: &PublicKey, rules: &SpaceRules) -> bool {
        let mut seats = self.seats_now(device);
        seats.any(|seat| matches!(rules.reading(seat), Reading::Yes))
    }

    /// 3.3: the node is one of a party whose nodes keep the space, and no quorum has cut it.
    fn reads_as_a_node(&self, node: &PublicKey, rules: &SpaceRules) -> bool {
        let mut parties = self.parties.iter();
        !self.is_cut_node(node)
            && parties.any(|(party, state)| {
                rules.is_kept_by_nodes_of(party) && state.nodes.binary_search(node).is_ok()
            })
    }

    /// Whether the holder of a device was a reader of a space once, whatever took that from the
    /// person. Never asked about what a peer gets: it is for copies that a person has at home. A
    /// device that was ended itself reads nothing. Spec: `specs/access.md` §3.
    pub fn once_read(&self, device: &PublicKey, space: SpaceId) -> bool {
        let Some(rules) = self.rules.get(&space) else {
            return false;
        };
        let mut paths = self.roster.seats.paths(device);
        paths.any(|(path, seat)| path.is_open() && !matches!(rules.reading(seat), Reading::No))
    }

    /// The party that vouched for a device's holder once, whatever ended it; of several the lowest.
    pub fn once_vouched(&self, device: &PublicKey) -> Option<PartyId> {
        let mut paths = self.roster.seats.paths(device);
        paths.next().map(|(_, seat)| seat.party)
    }

    /// Whether a person's standing with a party was ended: that binds the key for good.
    pub fn has_ended(&self, root: &PublicKey, party: &PartyId) -> bool {
        self.devices_ever(root).any(|device| {
            let mut paths = self.roster.seats.paths(&device);
            paths.any(|(_, seat)| {
                seat.root == *root && seat.party == *party && !seat.bars.is_empty()
            })
        })
    }
}

impl Authority {
    /// Whether a quorum has cut this key as a node: then it is nobody's node any more.
    pub(super) fn is_cut_node(&self, node: &PublicKey) -> bool {
        let charter = self.charter.as_ref();
        charter.is_some_and(|it| it.node_cuts().contains_key(node))
    }
}

/// 4.1: the seat is a reader's, or was up to what covers the contribution.
fn is_a_readers(rules: &SpaceRules, seat: &Seat, asked: &Asked<'_>) -> Result<(), Unauthorized> {
    match rules.reading(seat) {
        Reading::Yes => Ok(()),
        Reading::Until(dropped) if asked.is_covered(&dropped) => Ok(()),
        Reading::Until(_) | Reading::No => Err(Unauthorized::NotAReader),
    }
}

/// 4.2: the seat holds one of the roles, or held it up to what covers the contribution.
fn holds_one_of(roles: &[Role], seat: &Seat, asked: &Asked<'_>) -> Result<(), Unauthorized> {
    if roles.iter().any(|role| seat.holds(*role)) {
        return Ok(());
    }
    let mut refusal = Unauthorized::RoleMissing;
    for (_, grant) in seat.once.iter().filter(|(role, _)| roles.contains(role)) {
        match grant.counts(&|narrowing| asked.is_covered(narrowing)) {
            Ok(()) => return Ok(()),
            Err(reason) => refusal = refusal.max(reason),
        }
    }
    Err(refusal)
}

/// 4.4: what was taken from the device, or the seat, covers the contribution.
fn nothing_bars(path: &Path, seat: &Seat, asked: &Asked<'_>) -> Result<(), Unauthorized> {
    asked.is_within(&path.bars)?;
    asked.is_within(&seat.bars)
}

/// 4.5: the space is open, or what closed it covers the contribution.
fn is_open(rules: &SpaceRules, asked: &Asked<'_>) -> Result<(), Unauthorized> {
    match rules.closed {
        Some(closed) if !asked.is_covered(&closed) => Err(Unauthorized::SpaceClosed(closed)),
        _ => Ok(()),
    }
}

/// 4.6: the space takes documents of the kind, or what forbade it covers the contribution.
fn takes_kind(
    rules: &SpaceRules,
    kind: Option<&str>,
    asked: &Asked<'_>,
) -> Result<(), Unauthorized> {
    let Some(kind) = kind else { return Ok(()) };
    match rules.takes(kind)? {
        Some(forbidden) if !asked.is_covered(forbidden) => {
            Err(Unauthorized::KindForbidden(*forbidden))
        }
        _ => Ok(()),
    }
}
