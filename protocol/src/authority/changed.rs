//! What differs between two authorities, so that only what is affected is rebuilt.
//!
//! Spec: `specs/access.md` §5.

use super::Authority;
use crate::{id::SpaceId, key::PublicKey};
use std::collections::BTreeSet;

/// Whose rights, and in which spaces, may have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Devices: contributions by them, in any space.
    pub keys: BTreeSet<PublicKey>,
    /// Spaces: contributions by anyone there.
    pub spaces: BTreeSet<SpaceId>,
}

impl Changed {
    /// Whether nobody's rights changed anywhere.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.spaces.is_empty()
    }
}

impl Authority {
    /// Whose rights may differ from what they were by another authority of this community, cuts and
    /// receipts in the spaces aside: coverage tells those.
    ///
    /// Never too little. Whatever is not named is judged the same by both, under equal coverage.
    pub fn changed_keys(&self, before: &Self) -> Changed {
        let mut changed = Changed::default();
        let (now, then) = (&self.roster.seats, &before.roster.seats);
        let devices: BTreeSet<&PublicKey> = now.devices().chain(then.devices()).collect();
        for device in devices {
            let is_same = now
                .paths(device)
                .map(|(path, seat)| (&path.bars, seat))
                .eq(then.paths(device).map(|(path, seat)| (&path.bars, seat)));
            if !is_same {
                changed.keys.insert(*device);
            }
        }
        self.add_owners(before, &mut changed.keys);
        let spaces: BTreeSet<&SpaceId> = self.rules.keys().chain(before.rules.keys()).collect();
        let differs = |space: &&SpaceId| self.rules.get(*space) != before.rules.get(*space);
        changed.spaces = spaces.into_iter().filter(differs).copied().collect();
        changed
    }

    /// Who owns a document decides who else may edit it: all devices of a person to whom one was
    /// added.
    fn add_owners(&self, before: &Self, keys: &mut BTreeSet<PublicKey>) {
        let owners = self.envelope.keys.all_owners();
        for (device, roots) in owners {
            let known = before.envelope.keys.all_owners().get(device);
            for root in roots
                .iter()
                .filter(|root| known.is_none_or(|it| !it.contains(root)))
            {
                keys.extend(self.envelope.keys.linked_by(root));
            }
        }
    }
}
