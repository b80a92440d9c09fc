//! Grants: what gave a role, and what was taken since from those who gave it.
//!
//! What takes a signer's office does not make what the key gave never have been: it *bars* it. A
//! grant counts for a contribution if every bar in its way covers the contribution; of a grant that
//! several delegates must agree on, each word counts by itself. So of several words that no longer
//! stand freely nobody has to choose, and no further record takes a grant back.
//!
//! Spec: `specs/roster.md` §3.

use super::{Bar, RosterError, agreed};
use crate::{
    authority::Unauthorized,
    id::{EntryId, PartyId},
    key::PublicKey,
    record::{Role, Roles},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What one delegate said, as one of several who must.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::authority) struct Statement {
    pub(super) by: PublicKey,
    /// What took the office from which it was said.
    pub(super) bars: Vec<Bar>,
    /// As one of how many it counts.
    pub(super) among: u64,
    /// Where these bars cover too, each with those before it, as one of so many.
    pub(super) fewer: Vec<(Bar, u64)>,
}

impl Statement {
    /// Whether it counts where no bar covers.
    pub(super) fn is_free(&self) -> bool {
        self.bars.is_empty()
    }

    /// As one of how many it counts where these narrowings cover; none: not at all.
    fn counts(&self, covers: &dyn Fn(&Bar) -> bool) -> Option<(PublicKey, u64)> {
        if !self.bars.iter().all(covers) {
            return None;
        }
        let fewer = self.fewer.iter().take_while(|(bar, _)| covers(bar)).last();
        Some((self.by, fewer.map_or(self.among, |(_, among)| *among)))
    }

    fn all_bars(&self) -> impl Iterator<Item = &Bar> {
        self.bars
            .iter()
            .chain(self.fewer.iter().map(|(bar, _)| bar))
    }
}

/// One source of a role: by itself enough, as far as its bars cover.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::authority) struct Grant {
    /// What stands in its way whoever agreed on it.
    bars: Vec<Bar>,
    /// The words of delegates of whom enough must count. Empty: it needs none.
    said: Arc<[Statement]>,
}

impl Grant {
    /// A grant that needs nobody's word, such as the list of a state.
    pub(super) fn barred_by(bars: Vec<Bar>) -> Self {
        Self {
            bars,
            said: Arc::default(),
        }
    }

    /// What delegates said.
    ///
    /// # Errors
    /// 3.5, if they would not be enough were nothing in the way.
    pub(super) fn agreed_by(bars: Vec<Bar>, mut said: Vec<Statement>) -> Result<Self, RosterError> {
        said.sort_unstable();
        said.dedup();
        let it = Self {
            bars,
            said: said.into(),
        };
        agreed(it.said.iter().filter_map(|it| it.counts(&|_| true)))?;
        Ok(it)
    }

    /// The same with more in its way.
    pub(super) fn behind(&self, more: &[Bar]) -> Self {
        let mut bars = [&self.bars, more].concat();
        bars.sort_unstable();
        bars.dedup();
        Self {
            bars,
            said: self.said.clone(),
        }
    }

    /// 3.7: it counts where no bar covers.
    pub(super) fn freely(&self) -> Result<(), RosterError> {
        self.counts(&|_| false).map_err(RosterError::Barred)
    }

    /// Whether it counts where no bar covers.
    pub(super) fn is_free(&self) -> bool {
        self.freely().is_ok()
    }

    /// 3.6: whether it counts where these narrowings cover.
    ///
    /// # Errors
    /// The reason that says most of those bars that do not cover.
    pub(in crate::authority) fn counts(
        &self,
        covers: &dyn Fn(&EntryId) -> bool,
    ) -> Result<(), Unauthorized> {
        let covers = |bar: &Bar| covers(&bar.narrowing);
        if let Some(bar) = self.bars.iter().find(|bar| !covers(bar)) {
            return Err(bar.reason);
        }
        let said = || self.said.iter().filter_map(|it| it.counts(&covers));
        if self.said.is_empty() || agreed(said()).is_ok() {
            return Ok(());
        }
        let bars = self.said.iter().flat_map(Statement::all_bars);
        let in_the_way = bars.filter(|bar| !covers(bar));
        let most = in_the_way.map(|bar| bar.reason).max();
        Err(most.unwrap_or(Unauthorized::RoleMissing))
    }

    /// Every narrowing that may stand in its way.
    pub(in crate::authority) fn narrowings(&self) -> impl Iterator<Item = EntryId> {
        let said = self.said.iter().flat_map(Statement::all_bars);
        self.bars.iter().chain(said).map(|bar| bar.narrowing)
    }
}

/// What a role of a person in a party comes from.
#[derive(Debug, Clone)]
pub(super) enum Sources {
    /// Freely, by this record: the lowest. What else gives the role adds nothing.
    Free(EntryId),
    /// By grants that are barred, each with the lowest record of it.
    Barred(BTreeMap<Grant, EntryId>),
}

/// Roles that records grant.
#[derive(Default)]
pub(super) struct Grants(BTreeMap<(PublicKey, PartyId), BTreeMap<Role, Sources>>);

impl Grants {
    /// Adds roles that a record gives freely.
    pub(super) fn add_free(&mut self, root: PublicKey, party: PartyId, roles: &Roles, by: EntryId) {
        let of = self.0.entry((root, party)).or_default();
        for role in roles {
            let known = of.entry(*role).or_insert(Sources::Free(by));
            *known = match known {
                Sources::Free(known) => Sources::Free(by.min(*known)),
                Sources::Barred(_) => Sources::Free(by),
            };
        }
    }

    /// Adds roles by a grant.
    ///
    /// # Errors
    /// 3.7, if it does not count freely. It is added all the same, for what its bars cover.
    pub(super) fn add(
        &mut self,
        root: PublicKey,
        party: PartyId,
        roles: &Roles,
        grant: &Grant,
        by: EntryId,
    ) -> Result<(), RosterError> {
        let freely = grant.freely();
        if freely.is_ok() {
            self.add_free(root, party, roles, by);
            return freely;
        }
        let of = self.0.entry((root, party)).or_default();
        for role in roles {
            let known = of.entry(*role);
            if let Sources::Barred(grants) = known.or_insert(Sources::Barred(BTreeMap::new())) {
                let known = grants.entry(grant.clone()).or_insert(by);
                *known = by.min(*known);
            }
        }
        freely
    }

    /// By (root, party) and role.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PublicKey, PartyId, Role, &Sources)> {
        self.0.iter().flat_map(|((root, party), roles)| {
            let roles = roles.iter();
            roles.map(|(role, sources)| (*root, *party, *role, sources))
        })
    }
}

/// Statements of several delegates on one thing, with the records that made them.
#[derive(Default)]
pub(super) struct Said {
    statements: Vec<Statement>,
    records: BTreeSet<(bool, EntryId)>,
}

impl Said {
    pub(super) fn add(&mut self, statement: Statement, record: EntryId) {
        self.records.insert((!statement.is_free(), record));
        self.statements.push(statement);
    }

    /// The grant that follows, if enough said so.
    pub(super) fn grant(&mut self) -> Result<Grant, RosterError> {
        Grant::agreed_by(Vec::new(), std::mem::take(&mut self.statements))
    }

    /// The records that say so, those that stand freely first, by id.
    pub(super) fn records(&self) -> impl Iterator<Item = EntryId> {
        self.records.iter().map(|(_, id)| *id)
    }
}
