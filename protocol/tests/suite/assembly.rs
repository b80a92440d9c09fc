//! Parties and a charter to test with, without entries or signatures: states are named by the digests
//! of what they say.

use comity_protocol::{
    authority::{
        charter::{Charter, CharterError, CharterState, ResolutionError, judge},
        parties::{Parties, PartyTrees, Words},
    },
    certificate::{
        self, CertificateBody, Change, Cuts, Genesis, PartyState, Promise, Readers, Resolution,
        Space, Writers,
    },
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::{PublicKey, SecretKey},
};
use std::collections::BTreeMap;

pub(crate) fn secret(number: u16) -> SecretKey {
    let mut seed = [0x77; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SecretKey::from_seed(&seed)
}

pub(crate) fn key(number: u16) -> PublicKey {
    secret(number).public()
}

pub(crate) fn keys(numbers: &[u16]) -> Vec<PublicKey> {
    let mut keys: Vec<_> = numbers.iter().map(|it| key(*it)).collect();
    keys.sort();
    keys
}

pub(crate) fn state_id(state: &PartyState) -> EntryId {
    certificate::body_id(&CertificateBody::Party(state.clone()).encode())
}

pub(crate) fn resolution_id(resolution: &Resolution) -> EntryId {
    certificate::body_id(&CertificateBody::Resolution(resolution.clone()).encode())
}

/// The first state of a party with these delegates, of whom a majority is needed.
pub(crate) fn first_state(name: &str, delegates: &[u16]) -> PartyState {
    let delegates = keys(delegates);
    PartyState {
        delegates_needed: delegates.len() as u64 / 2 + 1,
        delegates: delegates.clone(),
        stewards: Vec::new(),
        ..PartyState::founding(name.into(), [7; 16], delegates[0], Vec::new())
    }
}

/// A child of a state, with other delegates.
pub(crate) fn next_state(party: PartyId, parent: &PartyState, nonce: u8) -> PartyState {
    PartyState {
        parent: Some((party, state_id(parent))),
        height: parent.height + 1,
        nonce: [nonce; 16],
        proposer: parent.delegates[0],
        ..parent.clone()
    }
}

/// Everything that is known, as ids and bodies.
#[derive(Clone)]
pub(crate) struct Assembly {
    pub(crate) community: CommunityId,
    pub(crate) genesis: Genesis,
    pub(crate) ids: Vec<PartyId>,
    pub(crate) states: Vec<(EntryId, PartyState)>,
    pub(crate) resolutions: Vec<(EntryId, Resolution, Vec<PublicKey>)>,
    /// Choices and approvals.
    pub(crate) words: Words,
}

impl Assembly {
    /// Founded by parties with these delegates; a majority of parties is needed.
    pub(crate) fn new(parties: &[&[u16]]) -> Self {
        Self::with_quorum(parties, parties.len() as u64 / 2 + 1)
    }

    pub(crate) fn with_quorum(parties: &[&[u16]], party_quorum: u64) -> Self {
        let mut states = Vec::new();
        let mut ids = Vec::new();
        for (number, delegates) in parties.iter().enumerate() {
            let state = first_state(&format!("party {number}"), delegates);
            ids.push(certificate::party_id(&state));
            states.push((state_id(&state), state));
        }
        let mut sorted = ids.clone();
        sorted.sort();
        let numbers: Vec<u16> = parties.iter().flat_map(|it| it.iter().copied()).collect();
        let mut founders = keys(&numbers);
        founders.dedup();
        let genesis = Genesis {
            nonce: [2; 16],
            name: "Coffee".into(),
            purpose: "Better coffee.".into(),
            parties: sorted,
            founders,
            party_quorum,
            spaces: vec![
                Space::new("lobby", Readers::Everyone, Writers::Members),
                Space::new("two", Readers::Parties(sorted_pair(&ids)), Writers::Members),
            ],
            promises: vec![
                promise(None, "answer", 3),
                promise(Some(ids[0]), "repair", 9),
            ],
            rules: Vec::new(),
            labels: vec![("spam".into(), "Unwanted.".into())],
            articles: Vec::new(),
            continues: None,
            time_ms: 1,
        };
        Self {
            community: certificate::community_id(&genesis),
            genesis,
            ids,
            states,
            resolutions: Vec::new(),
            words: Words::new(),
        }
    }

    pub(crate) fn genesis_id(&self) -> EntryId {
        certificate::body_id(&CertificateBody::Genesis(self.genesis.clone()).encode())
    }

    pub(crate) fn space(&self, index: usize) -> SpaceId {
        let mut spaces = self.genesis.spaces(self.community);
        spaces.nth(index).unwrap().0
    }

    pub(crate) fn trees(&self) -> PartyTrees {
        let states: Vec<_> = self.states.iter().map(|(id, it)| (*id, it)).collect();
        PartyTrees::grow(&states)
    }

    pub(crate) fn parties(&self) -> Parties {
        let trees = self.trees();
        let charter = self.charter_by(&trees).ok();
        let pins = charter.map(|it| it.current().pins()).unwrap_or_default();
        Parties::follow(&trees, &pins, &self.words)
    }

    pub(crate) fn charter(&self) -> Charter {
        self.charter_by(&self.trees()).unwrap()
    }

    fn charter_by(&self, trees: &PartyTrees) -> Result<Charter, CharterError> {
        let resolutions: Vec<_> = self
            .resolutions
            .iter()
            .map(|(id, it, signers)| (*id, it, signers.as_slice()))
            .collect();
        let genesis = (self.genesis_id(), &self.genesis);
        Charter::evaluate(self.community, genesis, &resolutions, trees, &self.words)
    }

    /// Adds a party that is not in the charter yet.
    pub(crate) fn party(&mut self, name: &str, delegates: &[u16]) -> PartyId {
        let state = first_state(name, delegates);
        let party = certificate::party_id(&state);
        self.states.push((state_id(&state), state));
        self.ids.push(party);
        party
    }

    /// Adds a child of a party's state.
    pub(crate) fn grow(
        &mut self,
        party: usize,
        parent: EntryId,
        nonce: u8,
        change: impl FnOnce(&mut PartyState),
    ) -> EntryId {
        let (_, parent) = self.states.iter().find(|(id, _)| *id == parent).unwrap();
        let mut state = next_state(self.ids[party], parent, nonce);
        change(&mut state);
        let id = state_id(&state);
        self.states.push((id, state));
        id
    }

    /// Adds a child of a party's state whose id is below another's.
    pub(crate) fn grow_below(
        &mut self,
        party: usize,
        (parent, than): (EntryId, EntryId),
        change: impl Fn(&mut PartyState),
    ) -> EntryId {
        let mut nonce = 100;
        loop {
            let id = self.grow(party, parent, nonce, &change);
            if id < than {
                return id;
            }
            self.states.pop();
            nonce += 1;
        }
    }

    pub(crate) fn head(&self, party: usize) -> EntryId {
        self.parties().chain(&self.ids[party]).unwrap().current().0
    }

    /// A resolution below a state, with the pins of that state brought to the heads of the parties.
    pub(crate) fn draft(&self, parent: &CharterState, changes: Vec<Change>) -> Resolution {
        let parties = self.parties();
        let head = |party: &PartyId| (*party, parties.chain(party).unwrap().current().0);
        let mut pins: BTreeMap<PartyId, EntryId> = parent.parties.keys().map(head).collect();
        for change in &changes {
            if let Change::AddParty(party) = change {
                pins.extend([head(party)]);
            }
        }
        let proposer = parties.chain(pins.keys().next().unwrap()).unwrap();
        Resolution {
            community: self.community,
            parent: parent.id,
            height: parent.height + 1,
            pins: pins.into_iter().collect(),
            fork_proofs: Vec::new(),
            proposer: proposer.current().1.delegates[0],
            nonce: [1; 16],
            changes,
            cuts: Cuts::default(),
            reason: String::new(),
            time_ms: 1,
        }
    }

    /// Judges changes on top of what is in force, signed by these.
    pub(crate) fn judge(&self, changes: Vec<Change>, by: &[u16]) -> Result<(), ResolutionError> {
        let charter = self.charter();
        let draft = self.draft(charter.current(), changes);
        judge(&draft, &keys(by), charter.current(), &self.trees())
    }

    /// Lets a resolution in, signed by these.
    pub(crate) fn enact(&mut self, resolution: Resolution, by: &[u16]) -> EntryId {
        let id = resolution_id(&resolution);
        self.resolutions.push((id, resolution, keys(by)));
        id
    }

    /// Lets in changes on top of what is in force, which must hold.
    pub(crate) fn resolve(&mut self, changes: Vec<Change>, by: &[u16]) -> EntryId {
        let charter = self.charter();
        let draft = self.draft(charter.current(), changes);
        let judged = judge(&draft, &keys(by), charter.current(), &self.trees());
        assert_eq!(judged, Ok(()));
        self.enact(draft, by)
    }

    /// Lets in a resolution with the lowest id that its maker can find in a few tries: what a tie
    /// between branches would follow.
    pub(crate) fn enact_below(&mut self, mut it: Resolution, than: EntryId, by: &[u16]) -> EntryId {
        while resolution_id(&it) >= than {
            it.time_ms += 1;
        }
        self.enact(it, by)
    }

    /// A delegate chooses or approves.
    pub(crate) fn choose(&mut self, by: u16, chosen: EntryId) {
        self.words.entry(key(by)).or_default().insert(chosen);
    }
}

fn sorted_pair(ids: &[PartyId]) -> Vec<PartyId> {
    let mut pair: Vec<PartyId> = ids.iter().take(2).copied().collect();
    pair.sort();
    pair
}

pub(crate) fn promise(party: Option<PartyId>, name: &str, days: u64) -> Promise {
    Promise {
        party,
        name: name.into(),
        days,
    }
}

pub(crate) fn rename(name: &str) -> Change {
    Change::SetName(name.into())
}
