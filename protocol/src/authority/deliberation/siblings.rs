//! Which other children of a parent keep a delegate from approving one (D2, D4): found by who approved
//! them and how they stand, so that proposals which nobody approved cost nobody anything.

use super::{Motion, Outcome, Voices};
use crate::{
    effort::{self, Effort},
    id::{EntryId, PartyId},
    key::PublicKey,
};
use std::collections::BTreeMap;

/// The lowest open motion that a party approved, with the state it pins; and the lowest that pins
/// another one: whatever state somebody asks about, one of them pins another.
type LowestTwo = [Option<(EntryId, EntryId)>; 2];

/// Motions that stand in the way of others, by parent.
#[derive(Debug, Clone, Default)]
pub(super) struct Siblings {
    /// Those that are carried or certified, ascending.
    ahead: BTreeMap<EntryId, Vec<EntryId>>,
    /// Those that are open or flawed, by who approved them, ascending.
    approved: BTreeMap<(EntryId, PublicKey), Vec<EntryId>>,
    /// Open ones that some delegate of a party approved.
    by_party: BTreeMap<(EntryId, PartyId), LowestTwo>,
}

impl Siblings {
    /// Adds a motion that is no order. They come ascending by id.
    pub(super) fn add(&mut self, motion: &Motion, voices: &Voices) {
        let parent = motion.parent;
        match motion.outcome {
            Outcome::Dead => return,
            Outcome::Carried | Outcome::Certified => {
                self.ahead.entry(parent).or_default().push(motion.id);
                return;
            }
            Outcome::Open | Outcome::Flawed(_) => {}
        }
        for by in voices.approvals_of(&motion.id).into_iter().flatten() {
            let of = self.approved.entry((parent, *by.0)).or_default();
            of.push(motion.id);
        }
        // A flawed motion has no sides.
        for it in motion.sides.iter().filter(|it| !it.approved.is_empty()) {
            let (party, pinned) = (it.side.party, it.side.pinned);
            let lowest = self.by_party.entry((parent, party)).or_default();
            match lowest {
                [None, _] => lowest[0] = Some((pinned, motion.id)),
                [Some((other, _)), None] if *other != pinned => {
                    lowest[1] = Some((pinned, motion.id));
                }
                _ => {}
            }
        }
    }

    /// The lowest sibling of a motion that stands in this delegate's way.
    pub(super) fn in_the_way(&self, delegate: &PublicKey, motion: &Motion) -> Option<EntryId> {
        let mut lowest: Option<EntryId> = None;
        let mut look = |it: &EntryId| {
            effort::add(Effort::MotionsCompared, 1);
            let is_other = *it != motion.id;
            if is_other {
                lowest = Some(lowest.map_or(*it, |known| known.min(*it)));
            }
            is_other
        };
        let ahead = self.ahead.get(&motion.parent).into_iter().flatten();
        let approved = self.approved.get(&(motion.parent, *delegate));
        // They ascend: the first that is another one is the lowest.
        let _ = { ahead }.any(&mut look);
        let _ = approved.into_iter().flatten().any(&mut look);
        let mine = motion.sides.iter().map(|it| &it.side);
        for side in mine.filter(|it| it.delegates.binary_search(delegate).is_ok()) {
            let of_party = self.by_party.get(&(motion.parent, side.party));
            let of_party = of_party.into_iter().flatten().flatten();
            for (_, other) in of_party.filter(|(pinned, _)| *pinned != side.pinned) {
                look(other);
            }
        }
        lowest
    }
}
