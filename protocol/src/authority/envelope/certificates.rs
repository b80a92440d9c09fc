//! Which certificates the set lets in.
//!
//! Each rule looks at what a certificate builds on and at who signed it, never at which branch is
//! followed: losing branches stay in the set.

use super::{Envelope, Need, Refused};
use crate::{
    authority::{
        Unauthorized,
        charter::{self, CharterState},
        orders,
        parties::{PartyTrees, judge_place, judge_signers},
    },
    certificate::{
        self, Certificate, CertificateBody, Change, Declarer, ErasureOrder, Genesis, PartyState,
        Resolution, SpaceDeclaration,
    },
    id::PartyId,
    key::PublicKey,
};

impl Envelope {
    pub(super) fn judge_certificate(&self, certificate: &Certificate) -> Result<(), Refused> {
        let signers: Vec<PublicKey> = certificate.signers().collect();
        match certificate.body() {
            CertificateBody::Genesis(genesis) => self.judge_genesis(genesis),
            CertificateBody::Party(state) => match &state.parent {
                None => self.judge_first_state(state),
                Some(_) => self.judge_later_state(state, &signers),
            },
            CertificateBody::Resolution(it) => self.judge_resolution(it, &signers),
            CertificateBody::SpaceDeclaration(it) => self.judge_declaration(it, &signers),
            CertificateBody::ErasureOrder(it) => self.judge_order(it, &signers),
        }
    }

    /// E1: the genesis is told by its digest.
    fn judge_genesis(&self, genesis: &Genesis) -> Result<(), Refused> {
        match certificate::community_id(genesis) == self.community {
            true => Ok(()),
            false => Err(Refused::for_good(Unauthorized::NoStanding)),
        }
    }

    /// E2: a first state is told by the digest that the genesis names, or a resolution or proposal
    /// that adds the party.
    fn judge_first_state(&self, state: &PartyState) -> Result<(), Refused> {
        let party = certificate::party_id(state);
        match (self.named.contains(&party), &self.genesis) {
            (true, _) => Ok(()),
            (false, None) => Err(Refused::until(Need::Party(party), Unauthorized::NoGenesis)),
            (false, Some(_)) => Err(Refused::until(
                Need::Party(party),
                Unauthorized::UnknownParty(party),
            )),
        }
    }

    /// E3: a later state continues a state that is here, by its delegates.
    fn judge_later_state(&self, state: &PartyState, signers: &[PublicKey]) -> Result<(), Refused> {
        let Some((party, parent)) = &state.parent else {
            return self.judge_first_state(state);
        };
        let Some(before) = self.states.get(parent) else {
            let needs = Need::Entry(*parent);
            return Err(Refused::until(needs, Unauthorized::Builds(*parent)));
        };
        if party_of(before) != *party {
            return Err(Refused::for_good(Unauthorized::Contradiction));
        }
        judge_place(state, before)
            .and_then(|()| judge_signers(signers, before))
            .map_err(|_| Refused::for_good(Unauthorized::NotCertified))
    }

    /// E4: a resolution keeps the rules of the charter at its parent.
    fn judge_resolution(&self, it: &Resolution, signers: &[PublicKey]) -> Result<(), Refused> {
        let missing = |id| {
            let needs = Need::Entry(id);
            Err(Refused::until(needs, Unauthorized::Builds(id)))
        };
        if it.community != self.community {
            return Err(Refused::for_good(Unauthorized::WrongSpace));
        }
        let Some(parent) = self.charters.get(&it.parent) else {
            return missing(it.parent);
        };
        let proofs = it.fork_proofs.iter().flat_map(|it| [it.left, it.right]);
        let named = it.pins.iter().map(|(_, state)| *state).chain(proofs);
        for state in named {
            if !self.states.contains_key(&state) {
                return missing(state);
            }
        }
        charter::judge(it, signers, parent, &self.trees)
            .map_err(|_| Refused::for_good(Unauthorized::NotCertified))
    }

    /// E5: a restricted space is declared by enough delegates of a state of a party, or by a person
    /// with the root key or a device that it linked.
    fn judge_declaration(
        &self,
        it: &SpaceDeclaration,
        signers: &[PublicKey],
    ) -> Result<(), Refused> {
        if it.community != self.community {
            return Err(Refused::for_good(Unauthorized::WrongSpace));
        }
        match &it.declarer {
            Declarer::Party { party, state, .. } => {
                let Some(known) = self.states.get(state) else {
                    let needs = Need::Entry(*state);
                    return Err(Refused::until(needs, Unauthorized::Builds(*state)));
                };
                match party_of(known) == *party && is_certified(known, signers) {
                    true => Ok(()),
                    false => Err(Refused::for_good(Unauthorized::NotCertified)),
                }
            }
            Declarer::Member { root, signer } => {
                let speaks = self.keys.is_root(root)
                    && (signer == root || self.keys.was_linked(signer, root));
                let needs = match self.keys.is_root(root) {
                    true => Need::Key(*signer),
                    false => Need::Key(*root),
                };
                match speaks {
                    true => Ok(()),
                    false => Err(Refused::until(needs, Unauthorized::NoStanding)),
                }
            }
        }
    }

    /// Whether an order of erasure is let into the set of its space, or may stand beside what it
    /// erases.
    pub(in crate::authority) fn lets_in_order(&self, it: &Certificate) -> Result<(), Unauthorized> {
        self.judge_certificate(it).map_err(|refused| refused.reason)
    }

    /// E5 for erasures: signed like a resolution whose parent is the named charter state.
    fn judge_order(&self, it: &ErasureOrder, signers: &[PublicKey]) -> Result<(), Refused> {
        if it.community != self.community || !self.knows_space(&it.space) {
            return Err(Refused::for_good(Unauthorized::UnknownSpace));
        }
        let Some(charter) = self.charters.get(&it.charter) else {
            let needs = Need::Entry(it.charter);
            return Err(Refused::until(needs, Unauthorized::Builds(it.charter)));
        };
        match orders::is_certified(signers, charter, |_, pin| self.states.get(pin)) {
            true => Ok(()),
            false => Err(Refused::for_good(Unauthorized::NotCertified)),
        }
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
                self.keys.list(party_of(state), state, learned);
                if state.parent.is_some() {
                    self.sealed.insert(id, state.cuts.sealed);
                }
                self.states.insert(id, state.clone());
                self.trees_lag = true;
                learned.push(Need::Entry(id));
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

/// The party of a state.
fn party_of(state: &PartyState) -> PartyId {
    match &state.parent {
        Some((party, _)) => *party,
        None => certificate::party_id(state),
    }
}

/// Whether enough delegates of the state signed.
fn approves(state: &PartyState, signers: &[PublicKey]) -> bool {
    let delegates = signers
        .iter()
        .filter(|key| state.delegates.binary_search(key).is_ok());
    delegates.count() as u64 >= state.delegates_needed
}

/// Whether delegates of the state signed, enough of them and nobody else.
fn is_certified(state: &PartyState, signers: &[PublicKey]) -> bool {
    approves(state, signers)
        && signers
            .iter()
            .all(|key| state.delegates.binary_search(key).is_ok())
}
