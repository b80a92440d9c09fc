//! The keys that the governance set knows, whatever was taken from them since.
//!
//! A fact that needs two entries is settled by whichever comes last, so the order does not matter.

use super::Need;
use crate::{
    certificate::PartyState,
    id::{EntryId, PartyId},
    key::PublicKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// Known keys and how they came to be known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::authority) struct Keys {
    /// Keys in lists of parties, and persons whom a delegate or node admitted.
    roots: BTreeSet<PublicKey>,
    /// Roots, and what they linked.
    known: BTreeSet<PublicKey>,
    /// Nodes of parties, and those that roots linked.
    nodes: BTreeSet<PublicKey>,
    /// Delegates and nodes of parties.
    admitters: BTreeSet<(PartyId, PublicKey)>,
    /// Persons whom somebody admitted who is no delegate or node of that party as far as is known.
    admitted: BTreeMap<(PartyId, PublicKey), BTreeSet<PublicKey>>,
    /// The parties of invitations.
    offers: BTreeMap<EntryId, PartyId>,
    /// Countersignatures (signer, member) of invitations that are not here.
    countersigned: BTreeMap<EntryId, BTreeSet<(PublicKey, PublicKey)>>,
    /// What each signer linked: the key, and whether it is a node.
    links: BTreeMap<PublicKey, BTreeSet<(PublicKey, bool)>>,
    /// By device: the roots that linked it.
    owners: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
}

impl Keys {
    /// Whether a key may sign records in the governance space.
    pub(super) fn is_known(&self, key: &PublicKey) -> bool {
        self.known.contains(key)
    }

    /// Whether a key is that of a person.
    pub(super) fn is_root(&self, key: &PublicKey) -> bool {
        self.roots.contains(key)
    }

    /// Whether a key may sign receipts.
    pub(in crate::authority) fn is_node(&self, key: &PublicKey) -> bool {
        self.nodes.contains(key)
    }

    /// The roots that ever linked a device.
    pub(in crate::authority) fn owners(
        &self,
        device: &PublicKey,
    ) -> impl Iterator<Item = PublicKey> {
        self.owners.get(device).into_iter().flatten().copied()
    }

    /// Whether a root ever linked a device.
    pub(in crate::authority) fn was_linked(&self, device: &PublicKey, root: &PublicKey) -> bool {
        self.owners.get(device).is_some_and(|it| it.contains(root))
    }

    /// The devices that a root ever linked.
    pub(in crate::authority) fn linked_by(
        &self,
        root: &PublicKey,
    ) -> impl Iterator<Item = PublicKey> {
        let links = match self.roots.contains(root) {
            true => self.links.get(root),
            false => None,
        };
        let links = links.into_iter().flatten();
        links
            .filter(|(_, is_node)| !is_node)
            .map(|(device, _)| *device)
    }

    /// All roots that ever linked something, with whether it was a node: for comparing two sets.
    pub(in crate::authority) fn all_owners(&self) -> &BTreeMap<PublicKey, BTreeSet<PublicKey>> {
        &self.owners
    }

    /// A state of a party lists keys.
    pub(super) fn list(&mut self, party: PartyId, state: &PartyState, learned: &mut Vec<Need>) {
        let lists = [
            &state.delegates,
            &state.stewards,
            &state.moderators,
            &state.bridges,
            &state.observers,
        ];
        let groups = state.groups.iter().map(|it| &it.keys);
        for key in lists.into_iter().chain(groups).flatten() {
            self.add_root(*key, learned);
        }
        for node in &state.nodes {
            self.known.insert(*node);
            self.nodes.insert(*node);
            learned.push(Need::Key(*node));
        }
        for admitter in state.delegates.iter().chain(&state.nodes) {
            let admitter = (party, *admitter);
            if self.admitters.insert(admitter) {
                for member in self.admitted.remove(&admitter).into_iter().flatten() {
                    self.add_root(member, learned);
                }
            }
        }
    }

    /// Somebody admits a person.
    pub(super) fn admit(
        &mut self,
        party: PartyId,
        by: PublicKey,
        member: PublicKey,
        learned: &mut Vec<Need>,
    ) {
        if self.admitters.contains(&(party, by)) {
            self.add_root(member, learned);
        } else {
            self.admitted.entry((party, by)).or_default().insert(member);
        }
    }

    /// Somebody invites.
    pub(super) fn invite(&mut self, id: EntryId, party: PartyId, learned: &mut Vec<Need>) {
        self.offers.insert(id, party);
        for (by, member) in self.countersigned.remove(&id).into_iter().flatten() {
            self.admit(party, by, member, learned);
        }
    }

    /// Somebody countersigns an invitation.
    pub(super) fn countersign(
        &mut self,
        invitation: EntryId,
        by: PublicKey,
        member: PublicKey,
        learned: &mut Vec<Need>,
    ) {
        match self.offers.get(&invitation) {
            Some(party) => self.admit(*party, by, member, learned),
            None => {
                let waiting = self.countersigned.entry(invitation).or_default();
                waiting.insert((by, member));
            }
        }
    }

    /// Somebody links a device or a node.
    pub(super) fn link(
        &mut self,
        by: PublicKey,
        key: PublicKey,
        is_node: bool,
        learned: &mut Vec<Need>,
    ) {
        if self.links.entry(by).or_default().insert((key, is_node)) && self.roots.contains(&by) {
            self.add_linked(by, key, is_node, learned);
        }
    }

    fn add_root(&mut self, root: PublicKey, learned: &mut Vec<Need>) {
        if !self.roots.insert(root) {
            return;
        }
        self.known.insert(root);
        learned.push(Need::Key(root));
        for (key, is_node) in self.links.get(&root).cloned().unwrap_or_default() {
            self.add_linked(root, key, is_node, learned);
        }
    }

    fn add_linked(
        &mut self,
        root: PublicKey,
        key: PublicKey,
        is_node: bool,
        learned: &mut Vec<Need>,
    ) {
        self.known.insert(key);
        if is_node {
            self.nodes.insert(key);
        } else {
            self.owners.entry(key).or_default().insert(root);
        }
        learned.push(Need::Key(key));
    }
}
