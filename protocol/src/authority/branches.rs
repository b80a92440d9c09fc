//! The known headers of one key in one space, cut into runs, so that "is it at or below this head?"
//! costs a look-up however long the chain and however often it forks.
//!
//! A run is a stretch of the chain without a known branch inside; below its lowest header stands a
//! header of another run, or nothing that is known. Each header is read once.

use crate::{contribution::ChainLink, id::EntryId, key::PublicKey};
use std::collections::{BTreeMap, BTreeSet};

/// Who signed an entry and where it stands in that key's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorLink {
    /// Who signed.
    pub author: PublicKey,
    /// The place in the chain.
    pub link: ChainLink,
}

/// The headers that are known here of one space: of contributions and of records.
pub trait ChainLinks {
    /// The author and place of an entry; none if its header is not here.
    fn link(&self, id: &EntryId) -> Option<AuthorLink>;
}

impl ChainLinks for BTreeMap<EntryId, AuthorLink> {
    fn link(&self, id: &EntryId) -> Option<AuthorLink> {
        self.get(id).copied()
    }
}

/// A header's place: its run, and its sequence number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    run: usize,
    pub(super) seq: u64,
}

/// The runs of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Branches {
    spots: BTreeMap<EntryId, Spot>,
    /// What stands below the lowest header of each run.
    below: Vec<Option<Spot>>,
    awaited: BTreeSet<EntryId>,
}

impl Branches {
    /// Reads everything at or below these heads: what `prev` leads to, as long as headers are known,
    /// are signed by `author` and count down by one.
    pub(super) fn read(
        author: PublicKey,
        heads: &BTreeSet<EntryId>,
        links: &dyn ChainLinks,
    ) -> Self {
        let mut branches = Self::default();
        let mut known = Vec::with_capacity(heads.len());
        for head in heads {
            match links.link(head) {
                Some(it) if it.author == author => known.push((it.link.seq, *head)),
                Some(_) => {}
                None => {
                    branches.awaited.insert(*head);
                }
            }
        }
        // The highest first: so a chain without forks is one run, whoever named parts of it.
        known.sort_unstable();
        for (_, head) in known.into_iter().rev() {
            branches.read_down(author, head, links);
        }
        branches
    }

    fn read_down(&mut self, author: PublicKey, head: EntryId, links: &dyn ChainLinks) {
        if self.spots.contains_key(&head) {
            return;
        }
        let run = self.below.len();
        let mut below = None;
        let mut next = Some(head);
        let mut expected = None;
        while let Some(id) = next {
            if let Some(spot) = self.spots.get(&id) {
                below = (expected == Some(spot.seq)).then_some(*spot);
                break;
            }
            let Some(found) = links.link(&id) else {
                self.awaited.insert(id);
                break;
            };
            let seq = found.link.seq;
            if found.author != author || expected.is_some_and(|it| it != seq) {
                break;
            }
            self.spots.insert(id, Spot { run, seq });
            next = found.link.prev;
            expected = seq.checked_sub(1);
        }
        self.below.push(below);
    }

    /// Where a header stands; none if no head led to it.
    pub(super) fn spot(&self, id: &EntryId) -> Option<Spot> {
        self.spots.get(id).copied()
    }

    /// Ids that heads led to and whose headers are not here.
    pub(super) fn awaited(&self) -> impl Iterator<Item = EntryId> {
        self.awaited.iter().copied()
    }
}

/// A part of the runs of one key that is closed downwards: with a header all that stands below.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reach(BTreeMap<usize, u64>);

impl Reach {
    /// Adds a header and all below it.
    pub(super) fn add(&mut self, branches: &Branches, head: Spot) {
        let mut next = Some(head);
        while let Some(spot) = next {
            let known = self.0.insert(spot.run, spot.seq);
            match known {
                None => next = branches.below[spot.run],
                Some(top) => {
                    self.0.insert(spot.run, top.max(spot.seq));
                    return;
                }
            }
        }
    }

    /// Whether it holds a header.
    pub(super) fn holds(&self, spot: Spot) -> bool {
        self.0.get(&spot.run).is_some_and(|top| spot.seq <= *top)
    }
}

/// When headers of one key were first reached, as heads are added in time: for each run the steps
/// at which its reached part grew, as (time, highest sequence number), ascending in both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Firsts(BTreeMap<usize, Vec<(u64, u64)>>);

impl Firsts {
    /// Adds a head at a time that is not before any earlier one.
    pub(super) fn add(&mut self, branches: &Branches, time: u64, head: Spot) {
        let mut next = Some(head);
        while let Some(spot) = next {
            let steps = self.0.entry(spot.run).or_default();
            match steps.last().copied() {
                Some((_, top)) if top >= spot.seq => return,
                Some((_, _)) => {
                    steps.push((time, spot.seq));
                    return;
                }
                None => {
                    steps.push((time, spot.seq));
                    next = branches.below[spot.run];
                }
            }
        }
    }

    /// The time at which a header was first reached; none if it never was.
    pub(super) fn first(&self, spot: Spot) -> Option<u64> {
        let steps = self.0.get(&spot.run)?;
        let at = steps.partition_point(|(_, top)| *top < spot.seq);
        steps.get(at).map(|(time, _)| *time)
    }
}
