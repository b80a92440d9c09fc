//! Parts of a space that are fetched from different peers: keys by their first nibble.
//!
//! Tags are digests, so the parts of a set with many authors are of about one size, and an author's
//! chain is in one of them.
//!
//! Spec: `specs/sync.md` §8 (several peers).

use super::key::{Item, Prefix};

/// How many parts there are.
pub const PARTS: u32 = 16;

/// Some of the parts of a space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts(u16);

impl Parts {
    /// All of them.
    pub const ALL: Self = Self(u16::MAX);
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether these are all.
    pub const fn is_all(self) -> bool {
        self.0 == u16::MAX
    }

    /// Whether these are none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Those that are in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The first so many of them.
    pub fn first(self, count: u32) -> Self {
        let mut kept = Self::NONE;
        let bits = (0..PARTS)
            .map(|bit| 1 << bit)
            .filter(|bit| self.0 & bit > 0);
        bits.take(count as usize).for_each(|bit| kept.0 |= bit);
        kept
    }

    /// The parts in which keys under a prefix are.
    pub(crate) fn of(prefix: &Prefix) -> Self {
        match prefix.is_empty() {
            true => Self::ALL,
            false => Self(1 << prefix.nibble(0)),
        }
    }

    /// The prefixes that cover these parts and nothing else, ascending.
    pub(crate) fn prefixes(self) -> Vec<Prefix> {
        if self.is_all() {
            return vec![Prefix::ALL];
        }
        let slots = (0..PARTS as usize).filter(|slot| self.0 & (1 << slot) > 0);
        slots.map(|slot| Prefix::ALL.extended(1, slot)).collect()
    }

    /// What of these prefixes is in these parts.
    pub(crate) fn prefixes_in(self, prefixes: Vec<Prefix>) -> Vec<Prefix> {
        if self.is_all() {
            return prefixes;
        }
        let narrowed = prefixes.into_iter().flat_map(|it| match it.is_empty() {
            true => self.prefixes(),
            false if Self::of(&it).and(self).is_none() => Vec::new(),
            false => vec![it],
        });
        narrowed.collect()
    }

    /// What of these items is in these parts.
    pub(crate) fn items_in(self, items: Vec<Item>) -> Vec<Item> {
        if self.is_all() {
            return items;
        }
        let narrowed = items.into_iter().flat_map(|it| match it {
            Item::Under(prefix) => {
                let prefixes = self.prefixes_in(vec![prefix]).into_iter();
                prefixes.map(Item::Under).collect()
            }
            Item::Span { author, .. } => {
                let is_in = !Self::of(&Prefix::of_author(&author)).and(self).is_none();
                Vec::from_iter(is_in.then_some(it))
            }
        });
        narrowed.collect()
    }
}
