//! Which certificates the set lets in: the rules that each has to keep, and what it brings.
//!
//! Each rule looks at what a certificate builds on and at who signed it, never at which branch is
//! followed: losing branches stay in the set.

use super::{Envelope, EnvelopeError, Need, Refused, rules};
use crate::{
    authority::{
        charter::{self, CharterState},
        parties::PartyTrees,
    },
    certificate::{
        self, Certificate, CertificateBody, Change, Declarer, ErasureOrder, PartyState, Resolution,
        SpaceDeclaration,
    },
    id::{EntryId, PartyId},
    key::PublicKey,
};

impl Envelope {
    pub(super) fn judge_certificate(&self, certificate: &Certificate) -> Result<(), Refused> {
        let signers: Vec<PublicKey> = certificate.signers().collect();
        match certificate.body() {
            CertificateBody::Genesis(it) => Ok(rules::e1_genesis(it, self.community)?),
            CertificateBody::Party(state) => match &state.parent {
                None => self.judge_first_state(state),
                Some((_, parent)) => self.judge_later_state(state, *parent, &signers),
            },
            CertificateBody::Resolution(it) => self.judge_resolution(it, &signers),
            CertificateBody::SpaceDeclaration(it) => self.judge_declaration(it, &signers),
            CertificateBody::ErasureOrder(it) => self.judge_order(it, &signers),
        }
    }

    fn judge_first_state(&self, state: &PartyState) -> Result<(), Refused> {
        let party = certificate::party_id(state);
        rules::e12_genesis_is_here(self.genesis.as_ref())
            .and_then(|()| rules::e2_named(party, &self.named))
            .map_err(Refused::until(Need::Party(party)))
    }

    fn judge_later_state(
        &self,
        state: &PartyState,
        parent: EntryId,
        signers: &[PublicKey],
    ) -> Result<(), Refused> {
        let before = rules::e11_builds_on(parent, &self.states)?;
        let of = self.party_of(&parent, before);
        Ok(rules::e3_state(state, signers, (of, before))?)
    }

    /// The party of a state that is here.
    fn party_of(&self, id: &EntryId, state: &PartyState) -> Option<PartyId> {
        match &state.parent {
            Some((party, _)) => Some(*party),
            None => self.starts.get(id).copied(),
        }
    }

    fn judge_resolution(&self, it: &Resolution, signers: &[PublicKey]) -> Result<(), Refused> {
        rules::e10_community(it.community, self.community)?;
        let parent = rules::e11_builds_on(it.parent, &self.charters)?;
        let proofs = it.fork_proofs.iter().flat_map(|it| [it.left, it.right]);
        for state in it.pins.iter().map(|(_, state)| *state).chain(proofs) {
            rules::e11_builds_on(state, &self.states)?;
        }
        Ok(rules::e4_resolution(it, signers, parent, &self.trees)?)
    }

    /// A restricted space is declared by a party or by a person.
    fn judge_declaration(
        &self,
        it: &SpaceDeclaration,
        signers: &[PublicKey],
    ) -> Result<(), Refused> {
        rules::e10_community(it.community, self.community)?;
        match &it.declarer {
            Declarer::Party { party, state, .. } => {
                let named = rules::e11_builds_on(*state, &self.states)?;
                let of = self.party_of(state, named);
                Ok(rules::e5_party_declares(*party, (of, named), signers)?)
            }
            Declarer::Member { root, signer } => {
                let unknown = match self.keys.is_root(root) {
                    true => signer,
                    false => root,
                };
                rules::e15_person_declares(root, signer, &self.keys)
                    .map_err(Refused::until(Need::Key(*unknown)))
            }
        }
    }

    /// Whether an order of erasure is let into the set of its space, or may stand beside what it
    /// erases.
    pub(in crate::authority) fn lets_in_order(
        &self,
        it: &Certificate,
    ) -> Result<(), EnvelopeError> {
        self.judge_certificate(it).map_err(|refused| refused.reason)
    }

    fn judge_order(&self, it: &ErasureOrder, signers: &[PublicKey]) -> Result<(), Refused> {
        rules::e10_community(it.community, self.community)?;
        self.judge_space(&it.space)?;
        let charter = rules::e11_builds_on(it.charter, &self.charters)?;
        Ok(rules::e16_order(signers, charter, &self.states)?)
    }

    pub(super) fn take_certificate(&mut self, it: &Certificate, learned: &mut Vec<Need>) {
        let id = it.id();
        match it.body() {
            CertificateBody::Genesis(genesis) => {
                self.genesis = Some((id, genesis.clone()));
                for party in &genesis.parties {
                    self.named.insert(*party);
                    learned.push(Need::Party(*party));
                }
                self.trees_lag = true;
            }
            CertificateBody::Party(state) => {
                self.take_state(id, state, learned);
            }
            CertificateBody::Resolution(resolution) => {
                self.name_parties(resolution, learned);
                self.sealed.insert(id, resolution.cuts.sealed);
                let signers: Vec<PublicKey> = it.signers().collect();
                if let Some(parent) = self.charters.get(&resolution.parent)
                    && let Ok(after) = charter::enact(id, resolution, &signers, parent, &self.trees)
                {
                    self.keep_charter(after);
                }
                self.resolutions.insert(id, (resolution.clone(), signers));
                learned.push(Need::Entry(id));
            }
            CertificateBody::SpaceDeclaration(declaration) => {
                let space = it.home(self.governance_space);
                self.restricted.insert(space, declaration.clone());
            }
            CertificateBody::ErasureOrder(_) => {}
        }
    }

    fn take_state(&mut self, id: EntryId, state: &PartyState, learned: &mut Vec<Need>) {
        let party = match &state.parent {
            Some((party, _)) => {
                self.sealed.insert(id, state.cuts.sealed);
                *party
            }
            None => {
                let party = certificate::party_id(state);
                self.starts.insert(id, party);
                party
            }
        };
        self.keys.list(party, state, learned);
        self.states.insert(id, state.clone());
        self.trees_lag = true;
        learned.push(Need::Entry(id));
    }

    /// Puts the states of parties in order. False if they were.
    pub(super) fn grow_trees(&mut self) -> bool {
        if !std::mem::take(&mut self.trees_lag) {
            return false;
        }
        let states: Vec<_> = self.states.iter().map(|(id, it)| (*id, it)).collect();
        self.trees = PartyTrees::grow(&states);
        true
    }

    /// The genesis becomes the first charter state once the parties' first states are here.
    pub(super) fn found(&mut self, learned: &mut Vec<Need>) {
        let Some((id, genesis)) = &self.genesis else {
            return;
        };
        if self.charters.contains_key(id) {
            return;
        }
        let id = *id;
        if let Ok(founded) = charter::found(self.community, (id, genesis), &self.trees) {
            self.keep_charter(founded);
            learned.push(Need::Entry(id));
        }
    }

    fn keep_charter(&mut self, state: CharterState) {
        self.spaces.extend(state.spaces.keys().copied());
        self.charters.insert(state.id, state);
    }

    /// The first states of parties that a resolution would add may come in.
    pub(super) fn name_parties(&mut self, it: &Resolution, learned: &mut Vec<Need>) {
        for change in &it.changes {
            if let Change::AddParty(party) = change {
                self.named.insert(*party);
                learned.push(Need::Party(*party));
            }
        }
    }
}
