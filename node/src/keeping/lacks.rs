//! How many contributions are here without their words, in memory; found anew when the node opens.
//! Only of spaces that are to be kept whole it is known which: of a large community of which little is
//! kept, the list would take more memory than the set itself.

use comity_protocol::{
    id::{EntryId, SpaceId},
    key::PublicKey,
};
use std::{collections::BTreeMap, ops::Bound};

#[derive(Debug, Default)]
struct OfSpace {
    /// Which, and who wrote them: to be looked for.
    wanted: BTreeMap<EntryId, PublicKey>,
    by_author: BTreeMap<PublicKey, u64>,
    /// How many others.
    unwanted: u64,
    /// Whether some may be missing that are not counted yet.
    is_open: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lacks {
    spaces: BTreeMap<SpaceId, OfSpace>,
}

impl Lacks {
    /// Some may be missing that are not known: they are to be counted, from nothing.
    pub(super) fn expect(&mut self, space: SpaceId) {
        let unknown = OfSpace {
            is_open: true,
            ..OfSpace::default()
        };
        self.spaces.insert(space, unknown);
    }

    pub(super) fn expected(&self) -> Vec<SpaceId> {
        let open = self.spaces.iter().filter(|(_, it)| it.is_open);
        open.map(|(space, _)| *space).collect()
    }

    pub(super) fn counted(&mut self, space: &SpaceId) {
        if let Some(of) = self.spaces.get_mut(space) {
            of.is_open = false;
        }
    }

    /// Nothing is looked for any more.
    pub(super) fn want_none(&mut self, space: &SpaceId) {
        if let Some(of) = self.spaces.get_mut(space) {
            of.unwanted += of.wanted.len() as u64;
            of.wanted.clear();
            of.by_author.clear();
        }
    }

    pub(super) fn is_complete(&self, space: &SpaceId) -> bool {
        let of = self.spaces.get(space);
        of.is_none_or(|it| !it.is_open && it.wanted.is_empty() && it.unwanted == 0)
    }

    pub(super) fn has_all_of(&self, space: &SpaceId, author: &PublicKey) -> bool {
        let of = self.spaces.get(space);
        of.is_none_or(|it| !it.is_open && !it.by_author.contains_key(author))
    }

    /// How many are missing; none while that is being counted.
    pub(super) fn count(&self, space: &SpaceId) -> Option<u64> {
        match self.spaces.get(space) {
            None => Some(0),
            Some(of) => (!of.is_open).then(|| of.unwanted + of.wanted.len() as u64),
        }
    }

    pub(super) fn add(&mut self, space: SpaceId, id: EntryId, author: PublicKey, wanted: bool) {
        let of = self.spaces.entry(space).or_default();
        match wanted {
            true if of.wanted.insert(id, author).is_none() => {
                *of.by_author.entry(author).or_default() += 1;
            }
            true => {}
            false => of.unwanted += 1,
        }
    }

    pub(super) fn remove(&mut self, space: &SpaceId, id: &EntryId) {
        let Some(of) = self.spaces.get_mut(space) else {
            return;
        };
        let Some(author) = of.wanted.remove(id) else {
            of.unwanted = of.unwanted.saturating_sub(1);
            return;
        };
        if let Some(count) = of.by_author.get_mut(&author) {
            *count -= 1;
            if *count == 0 {
                of.by_author.remove(&author);
            }
        }
    }

    pub(super) fn wanted_after(
        &self,
        place: Option<(SpaceId, EntryId)>,
    ) -> impl Iterator<Item = (SpaceId, EntryId)> {
        let spaces = match place {
            Some((first, _)) => self.spaces.range(first..),
            None => self.spaces.range(..),
        };
        spaces.flat_map(move |(space, of)| {
            let from = match place {
                Some((first, id)) if first == *space => Bound::Excluded(id),
                _ => Bound::Unbounded,
            };
            let ids = of.wanted.range((from, Bound::Unbounded));
            ids.map(|(id, _)| (*space, *id))
        })
    }
}
