//! A community of two parties with several delegates, to take standing from.

use crate::community::{
    Chain, NODE, TICKET, TIME_MS, countersignature, device_link, genesis, node_link, public,
    secret, verified,
};
use comity_protocol::{
    authority::{Act, Authority, Standing, Unauthorized, coverage::Coverage},
    certificate::{
        self, Certificate, CertificateBody, Change, Cuts, DeviceCut, Genesis, Group, PartyState,
        Readers, Resolution, Space, SpaceCut, Writers,
    },
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{
        Admission, Departure, DeviceRevocation, Invitation, RecordBody, Revocation, Role, Roles,
        Target,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Delegates of the first party: Ada and Ben. Of the second: Zoe.
pub(crate) const ADA: u8 = 1;
pub(crate) const BEN: u8 = 5;
pub(crate) const ZOE: u8 = 6;
pub(crate) const ZOES_NODE: u8 = 7;
/// A member; devices are the person's number plus 100 and 150.
pub(crate) const MIA: u8 = 11;
pub(crate) const LEO: u8 = 12;
pub(crate) const STRANGER: u8 = 21;

pub(crate) fn device(person: u8) -> u8 {
    person + 100
}

pub(crate) fn second(person: u8) -> u8 {
    person + 150
}

/// The first state of a party by these delegates, one of whom admits alone.
pub(crate) fn first_state(name: &str, delegates: &[u8], nodes: &[u8]) -> PartyState {
    let keys = |numbers: &[u8]| {
        let mut keys: Vec<PublicKey> = numbers.iter().map(|it| public(*it)).collect();
        keys.sort();
        keys
    };
    let founding = PartyState::founding(name.into(), [1; 16], public(delegates[0]), keys(nodes));
    let delegates = keys(delegates);
    PartyState {
        delegates_needed: delegates.len() as u64 / 2 + 1,
        proposer: delegates[0],
        delegates,
        stewards: Vec::new(),
        ..founding
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) id: CommunityId,
    pub(crate) governance: SpaceId,
    pub(crate) ours: PartyId,
    pub(crate) theirs: PartyId,
    pub(crate) entries: Vec<Entry>,
    chains: BTreeMap<u8, Chain>,
    /// The newest state of each party, and the newest charter state.
    pub(crate) states: BTreeMap<PartyId, (EntryId, PartyState)>,
    pub(crate) charter: (EntryId, u64),
    spaces: BTreeMap<String, SpaceId>,
    made: u8,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| {})
    }

    /// With changes of the first states, made before anything is signed.
    pub(crate) fn with(change: impl FnOnce(&mut PartyState, &mut PartyState)) -> Self {
        let mut ours = first_state("Coffee Club", &[ADA, BEN], &[NODE]);
        let mut theirs = first_state("Roasters", &[ZOE], &[ZOES_NODE]);
        change(&mut ours, &mut theirs);
        let (our_id, their_id) = (certificate::party_id(&ours), certificate::party_id(&theirs));
        let mut parties = vec![our_id, their_id];
        parties.sort();
        let mut founders = vec![public(ADA), public(BEN), public(ZOE)];
        founders.sort();
        let with_kinds = |space: Space, kinds: &[&str]| Space {
            kinds: Some(kinds.iter().map(|it| (*it).to_owned()).collect()),
            ..space
        };
        let genesis = Genesis {
            parties,
            founders,
            party_quorum: 2,
            spaces: vec![
                Space::new("lobby", Readers::Everyone, Writers::Members),
                Space::new("office", Readers::Members, Writers::Stewards),
                Space::new("inner", Readers::Parties(vec![our_id]), Writers::Members),
                with_kinds(
                    Space::new("wiki", Readers::Members, Writers::Members),
                    &["page"],
                ),
            ],
            ..genesis()
        };
        let id = certificate::community_id(&genesis);
        let spaces = genesis.spaces(id);
        let spaces = spaces.map(|(id, it)| (it.name.clone(), id)).collect();
        let mut it = Self {
            id,
            governance: certificate::governance_space(id),
            ours: our_id,
            theirs: their_id,
            entries: Vec::new(),
            chains: BTreeMap::new(),
            states: BTreeMap::new(),
            charter: (EntryId::from_bytes([0; 32]), 0),
            spaces,
            made: 0,
        };
        it.charter.0 = it.certify(CertificateBody::Genesis(genesis), &[ADA, BEN, ZOE]);
        for (party, state) in [(our_id, ours), (their_id, theirs)] {
            let numbers: Vec<u8> = [ADA, BEN, ZOE]
                .into_iter()
                .filter(|it| state.delegates.contains(&public(*it)))
                .collect();
            let id = it.certify(CertificateBody::Party(state.clone()), &numbers);
            it.states.insert(party, (id, state));
        }
        it
    }

    /// A world with Mia admitted by our party, and a device of hers.
    pub(crate) fn with_mia() -> Self {
        let mut it = Self::new();
        it.admit(ADA, it.ours, MIA, &[Role::Member]);
        it.link(MIA, device(MIA), 0);
        it
    }

    pub(crate) fn space(&self, name: &str) -> SpaceId {
        self.spaces[name]
    }

    pub(crate) fn certify(&mut self, body: CertificateBody, signers: &[u8]) -> EntryId {
        let keys: Vec<_> = signers.iter().map(|it| secret(*it)).collect();
        let certificate = Certificate::sign(body, &keys.iter().collect::<Vec<_>>());
        let id = certificate.id();
        self.entries.push(Entry::Certificate(certificate));
        id
    }

    pub(crate) fn chain(&mut self, signer: u8) -> &mut Chain {
        let governance = self.governance;
        let chain = self.chains.entry(signer);
        chain.or_insert_with(|| Chain::new(signer, governance))
    }

    pub(crate) fn say(&mut self, signer: u8, body: RecordBody) -> EntryId {
        let record = self.chain(signer).record(body);
        let id = record.id();
        self.entries.push(Entry::Record(record));
        id
    }

    pub(crate) fn admit(&mut self, by: u8, party: PartyId, member: u8, roles: &[Role]) -> EntryId {
        let admission = Admission {
            party,
            member: public(member),
            roles: roles.iter().copied().collect(),
        };
        self.say(by, RecordBody::Admission(admission))
    }

    pub(crate) fn link(&mut self, root: u8, device: u8, slot: u64) -> EntryId {
        let record = device_link(self.chain(root), device, slot);
        let id = record.id();
        self.entries.push(Entry::Record(record));
        id
    }

    pub(crate) fn link_node(&mut self, root: u8, node: u8) {
        let record = node_link(self.chain(root), node);
        self.entries.push(Entry::Record(record));
    }

    pub(crate) fn invite(&mut self, by: u8, party: PartyId, countersigner: u8) -> EntryId {
        self.invite_for(by, party, countersigner, 9)
    }

    pub(crate) fn invite_for(
        &mut self,
        by: u8,
        party: PartyId,
        countersigner: u8,
        uses: u64,
    ) -> EntryId {
        let offer = Invitation {
            party,
            invitation_key: public(TICKET),
            countersigner: public(countersigner),
            roles: Roles::from([Role::Member]),
            uses,
            expires_ms: None,
        };
        self.say(by, RecordBody::Invitation(offer))
    }

    pub(crate) fn countersign(&mut self, by: u8, invitation: EntryId, member: u8) -> EntryId {
        let body = countersignature(self.governance, invitation, member);
        self.say(by, body)
    }

    pub(crate) fn revoke(&mut self, by: u8, target: Target, cuts: Cuts) -> EntryId {
        let party = self.ours;
        self.revoke_for(by, party, target, cuts, None)
    }

    pub(crate) fn revoke_for(
        &mut self,
        by: u8,
        party: PartyId,
        target: Target,
        cuts: Cuts,
        replaces: Option<EntryId>,
    ) -> EntryId {
        let revocation = Revocation {
            party,
            target,
            cuts,
            replaces,
        };
        self.say(by, RecordBody::Revocation(revocation))
    }

    pub(crate) fn depart(&mut self, who: u8, cuts: Cuts) -> EntryId {
        let party = self.ours;
        self.say(who, RecordBody::Departure(Departure { party, cuts }))
    }

    pub(crate) fn drop_device(&mut self, by: u8, device: u8, cuts: Cuts) -> EntryId {
        let revocation = DeviceRevocation {
            device: public(device),
            cuts,
            replaces: None,
        };
        self.say(by, RecordBody::DeviceRevocation(revocation))
    }

    /// A later state of a party, signed by these delegates.
    pub(crate) fn amend(
        &mut self,
        party: PartyId,
        signers: &[u8],
        change: impl FnOnce(&mut PartyState),
    ) -> EntryId {
        let (parent, state) = self.states[&party].clone();
        let mut proposers: Vec<PublicKey> = signers.iter().map(|it| public(*it)).collect();
        proposers.sort();
        let mut next = PartyState {
            parent: Some((party, parent)),
            height: state.height + 1,
            proposer: proposers[0],
            cuts: Cuts::default(),
            ..state
        };
        change(&mut next);
        let id = self.certify(CertificateBody::Party(next.clone()), signers);
        self.states.insert(party, (id, next));
        id
    }

    /// A resolution on the newest charter state.
    pub(crate) fn resolution(&mut self, changes: Vec<Change>, proposer: u8) -> Resolution {
        self.made += 1;
        let pins = self.states.iter().map(|(party, (id, _))| (*party, *id));
        Resolution {
            community: self.id,
            parent: self.charter.0,
            height: self.charter.1 + 1,
            pins: pins.collect(),
            fork_proofs: Vec::new(),
            proposer: public(proposer),
            nonce: [self.made; 16],
            changes,
            cuts: Cuts::default(),
            reason: String::new(),
            time_ms: TIME_MS,
        }
    }

    pub(crate) fn resolve(&mut self, changes: Vec<Change>, signers: &[u8]) -> EntryId {
        let resolution = self.resolution(changes, signers[0]);
        let id = self.certify(CertificateBody::Resolution(resolution), signers);
        self.charter = (id, self.charter.1 + 1);
        id
    }

    /// Cuts in the governance space: up to the last entry so far of each of these keys.
    pub(crate) fn cuts_at_the_end_of(&self, signers: &[u8]) -> Cuts {
        let last = |signer: &u8| Some((*signer, self.chains.get(signer)?.link.prev?));
        let ends: Vec<(u8, EntryId)> = signers.iter().filter_map(last).collect();
        self.cuts_at(&ends)
    }

    pub(crate) fn cuts_at(&self, ends: &[(u8, EntryId)]) -> Cuts {
        let mut devices: Vec<DeviceCut> = ends
            .iter()
            .map(|(signer, last)| DeviceCut {
                key: public(*signer),
                last: vec![*last],
            })
            .collect();
        if devices.is_empty() {
            return Cuts::default();
        }
        devices.sort_by_key(|it| it.key);
        devices.dedup_by_key(|it| it.key);
        let cut = SpaceCut {
            space: self.governance,
            devices,
        };
        Cuts {
            open: vec![cut],
            sealed: [0; 32],
        }
    }

    pub(crate) fn authority(&self) -> Authority {
        Authority::evaluate(self.id, &verified(&self.entries))
    }

    pub(crate) fn writes(&self, space: &str, device: u8) -> Result<Standing, Unauthorized> {
        let space = self.space(space);
        self.authority()
            .authorize_contribution(space, &public(device), Act::Create)
    }

    /// Whether a contribution counts that only these narrowings cover.
    pub(crate) fn counts_under(
        &self,
        space: &str,
        device: u8,
        narrowings: &[EntryId],
    ) -> Result<Standing, Unauthorized> {
        let covered = Covered(narrowings.iter().copied().collect());
        let (space, author, id) = (self.space(space), public(device), content());
        self.authority()
            .authorize(space, &id, &author, None, Act::Create, &covered)
    }

    pub(crate) fn is_member(&self, person: u8) -> bool {
        self.authority().members().contains_key(&public(person))
    }

    pub(crate) fn roles(&self, person: u8) -> Vec<Role> {
        let authority = self.authority();
        let of = authority.members().get(&public(person));
        let of = of.and_then(|it| it.get(&self.ours));
        of.map_or(Vec::new(), |it| it.roles.iter().copied().collect())
    }
}

/// The id of a contribution that is asked about.
pub(crate) fn content() -> EntryId {
    EntryId::from_bytes([0xcc; 32])
}

/// A coverage under which everything stands below the cuts of some narrowings.
pub(crate) struct Covered(pub(crate) BTreeSet<EntryId>);

impl Coverage for Covered {
    fn covers(&self, narrowing: &EntryId, _: &PublicKey, id: &EntryId) -> bool {
        *id == content() && self.0.contains(narrowing)
    }

    fn covers_unlifted(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool {
        self.covers(narrowing, key, id)
    }
}

pub(crate) fn group(name: &str, people: &[u8]) -> Group {
    let mut keys: Vec<PublicKey> = people.iter().map(|it| public(*it)).collect();
    keys.sort();
    Group {
        name: name.into(),
        keys,
    }
}
