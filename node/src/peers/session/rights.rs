//! What the peer may read now, told to the machine (I9).

use super::Driver;
use crate::{ledger::Ledger, peers::grants, random};
use comity_protocol::{certificate::governance_space, id::SpaceId, sync::session::Input};
use std::{collections::BTreeSet, sync::Arc};

/// What spaces were last opened by; nothing needs to be done while it is the same.
#[derive(PartialEq)]
pub(super) struct LookedAt {
    readable: usize,
    own_grants: u64,
    decisions: u64,
    synced: usize,
    held: usize,
}

impl Driver {
    /// What the machine is to know of changes of rights: first the grants to show, then what is
    /// closed and opened.
    pub(super) fn changes_of_rights(&mut self, ledger: &Ledger) -> Vec<Input> {
        let readable = self.gate.readable(ledger, random::now_ms());
        let looked_at = LookedAt {
            readable: Arc::as_ptr(&readable).addr(),
            own_grants: *self.own_grants.borrow_and_update(),
            decisions: *self.decisions.borrow_and_update(),
            synced: self.synced_governance.len(),
            held: ledger.spaces().len(),
        };
        if self
            .looked_at
            .as_ref()
            .is_some_and(|(before, _)| *before == looked_at)
        {
            return Vec::new();
        }
        let mut inputs = self.grants_to_show(ledger);
        let kept = self.shared.inner.archive.kept();
        let may_be_open = |space: &&SpaceId| {
            let known = ledger.spaces().get(space).filter(|_| kept.exchanges(space));
            known.is_some_and(|known| {
                let governance = governance_space(known.community);
                governance == **space || self.synced_governance.contains(&governance)
            })
        };
        let now: BTreeSet<SpaceId> = readable.iter().filter(may_be_open).copied().collect();
        let (lost, gained) = (self.open.difference(&now), now.difference(&self.open));
        inputs.extend(lost.copied().map(Input::SpaceClosed));
        inputs.extend(gained.copied().map(Input::SpaceOpened));
        self.bringing.keep(&now);
        self.open = now;
        self.looked_at = Some((looked_at, readable));
        inputs
    }

    /// Grants that the peer has not been shown yet, if it may be shown any.
    fn grants_to_show(&mut self, ledger: &Ledger) -> Vec<Input> {
        let mut inputs = Vec::new();
        for community in self.greeting.borrow().communities.keys() {
            let grants = grants::to_show(&self.shared.inner, ledger, *community, self.gate.node());
            let before = self.shown.get(community);
            if before.map_or(&[][..], Vec::as_slice) != grants.as_slice() {
                self.shown.insert(*community, grants.clone());
                let community = *community;
                inputs.push(Input::ShowGrants { community, grants });
            }
        }
        inputs
    }
}
