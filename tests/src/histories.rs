//! Histories: what honest and malicious people of several parties sign, one deed after another, as a
//! seed decides.
//!
//! A [`World`] holds every key and every chain, and knows nothing of authority: whether an entry
//! counts is for replicas to find out. All it makes are real signed entries, and bytes that are
//! none ([`World::noise`]).

mod certificates;
mod content;
mod cuts;
mod deliberation;
mod dropped;
mod mischief;
mod plots;
mod removals;
pub mod replica;
mod restricted;
mod roster;
mod statements;
mod tally;
mod theft;

use crate::{
    community::{START_MS, Signer, key},
    random::Random,
};
use comity_protocol::{
    certificate::{
        Certificate, CertificateBody, Genesis, PartyState, Readers, Space, Writers, community_id,
        governance_space, party_id,
    },
    entry::Entry,
    id::{CommunityId, DocumentId, EntryId, PartyId, SpaceId},
    key::{PublicKey, SecretKey},
    record::RecordBody,
};
use cuts::Drawn;
pub(crate) use restricted::{Granted, Restricted};
use std::collections::{BTreeMap, BTreeSet};
pub use tally::Mischief;

/// A charter: its id, its height, and the state at which it pins each party.
pub type InForce = (EntryId, u64, BTreeMap<PartyId, EntryId>);

/// What whoever acts can see and reach.
pub trait Sight {
    /// Whether the entry is known where the deed is done.
    fn sees(&self, id: &EntryId) -> bool;
    /// Whether words for this space may be given to the node there.
    fn offers(&self, space: &SpaceId) -> bool;
    /// The charter in force: its id, its height, and the state at which it pins each party; none if
    /// that is not known.
    fn charter(&self) -> Option<InForce> {
        None
    }
    /// The state of a party in force; none if that is not known.
    fn state(&self, _: &PartyId) -> Option<EntryId> {
        None
    }
}

/// How a world begins.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Founding parties.
    pub parties: usize,
    /// Nodes of each.
    pub nodes: usize,
    /// People each has at the beginning, delegates included.
    pub people: usize,
    /// Whether people declare spaces by themselves.
    pub declares: bool,
}

/// A person with a root key and devices.
pub(crate) struct Actor {
    pub(crate) root: Signer,
    pub(crate) devices: Vec<Signer>,
    /// The party that took them in first, by number.
    pub(crate) party: usize,
}

/// A party as its own people see it.
pub(crate) struct Side {
    pub(crate) id: PartyId,
    /// Every certified state, forks included.
    pub(crate) states: Vec<(EntryId, PartyState)>,
    /// Its nodes, by number in [`World::nodes`].
    pub(crate) nodes: Vec<usize>,
}

/// A charter state that some parties signed.
#[derive(Clone)]
pub(crate) struct Enacted {
    pub(crate) id: EntryId,
    pub(crate) height: u64,
    pub(crate) pins: BTreeMap<PartyId, EntryId>,
}

/// A document, with everything that anybody said in it.
pub(crate) struct Paper {
    pub(crate) space: SpaceId,
    pub(crate) id: DocumentId,
    pub(crate) page: bool,
    /// The person who created it, by number.
    pub(crate) owner: usize,
    pub(crate) said: Vec<EntryId>,
}

/// Everyone and everything. See the [module documentation](self).
pub struct World {
    /// The community.
    pub id: CommunityId,
    /// Everything signed so far.
    pub entries: Vec<Entry>,
    /// Bytes that no honest node lets in.
    pub noise: Vec<Vec<u8>>,
    /// The keys of all nodes; the nodes of a party stand together.
    pub nodes: Vec<Signer>,
    shape: Shape,
    governance: SpaceId,
    sides: Vec<Side>,
    people: Vec<Actor>,
    charter: Vec<Enacted>,
    spaces: Vec<SpaceId>,
    public: SpaceId,
    restricted: Vec<Restricted>,
    /// Persons and the nodes that they let read, both by number.
    granted: Vec<(usize, usize)>,
    papers: Vec<Paper>,
    invitations: Vec<(EntryId, SecretKey, usize)>,
    narrowings: Vec<(EntryId, usize)>,
    proposals: Vec<(EntryId, Vec<u8>)>,
    /// Ids along every chain, in the order of signing.
    chains: BTreeMap<(SpaceId, PublicKey), Vec<EntryId>>,
    secrets: BTreeMap<PublicKey, SecretKey>,
    /// Persons whom somebody removed in some way, by number.
    removed: BTreeSet<usize>,
    tally: BTreeMap<Mischief, usize>,
    made: u64,
}

impl World {
    /// A community as it is founded, with its first people admitted and their devices linked.
    pub fn found(shape: Shape, random: &mut Random) -> Self {
        let (nodes, people, sides) = parties(shape, random);
        let mut ids: Vec<PartyId> = sides.iter().map(|it| it.id).collect();
        ids.sort();
        let states: Vec<PartyState> = sides.iter().map(|it| it.states[0].1.clone()).collect();
        let mut founders: Vec<PublicKey> =
            states.iter().flat_map(|it| it.delegates.clone()).collect();
        founders.sort();
        let genesis = Genesis {
            nonce: random.bytes(),
            name: "Grove".to_owned(),
            purpose: "Trees of several owners".to_owned(),
            parties: ids,
            founders,
            party_quorum: shape.parties as u64 / 2 + 1,
            spaces: spaces(&sides),
            promises: Vec::new(),
            rules: Vec::new(),
            labels: Vec::new(),
            articles: Vec::new(),
            continues: None,
            time_ms: START_MS,
        };
        let id = community_id(&genesis);
        let secrets = people.iter().map(|it| &it.root).chain(&nodes);
        let secrets = secrets.map(|it| (it.public(), it.secret().clone()));
        let secrets = secrets.collect();
        let spaces: Vec<SpaceId> = genesis.spaces(id).map(|(id, _)| id).collect();
        let mut world = Self {
            id,
            entries: Vec::new(),
            noise: Vec::new(),
            nodes,
            shape,
            governance: governance_space(id),
            people,
            charter: Vec::new(),
            public: spaces[0],
            spaces,
            restricted: Vec::new(),
            granted: Vec::new(),
            papers: Vec::new(),
            invitations: Vec::new(),
            narrowings: Vec::new(),
            proposals: Vec::new(),
            chains: BTreeMap::new(),
            secrets,
            removed: BTreeSet::new(),
            tally: BTreeMap::new(),
            made: 0,
            sides,
        };
        for state in states {
            let signers = state.delegates.clone();
            world.certify(CertificateBody::Party(state), &signers);
        }
        let pins = world.sides.iter().map(|it| (it.id, it.states[0].0));
        let pins = pins.collect();
        let signers = genesis.founders.clone();
        let founded = world.certify(CertificateBody::Genesis(genesis), &signers);
        world.charter.push(Enacted {
            id: founded,
            height: 0,
            pins,
        });
        for person in 0..world.people.len() {
            world.settle(person);
        }
        world
    }

    /// The spaces that were declared so far, restricted ones included.
    pub fn spaces(&self) -> &[SpaceId] {
        &self.spaces
    }

    /// The documents that were created so far.
    pub fn documents(&self) -> impl Iterator<Item = (SpaceId, DocumentId)> {
        self.papers.iter().map(|it| (it.space, it.id))
    }

    /// The party that a node was founded with, by number.
    pub fn party_of_node(&self, node: usize) -> usize {
        node / self.shape.nodes
    }

    /// Lets somebody do something. Gives back what was signed: mostly one entry.
    pub fn act(&mut self, random: &mut Random, sight: &dyn Sight) -> Vec<Entry> {
        let before = self.entries.len();
        match random.below(100) {
            0..40 => self.speak(random, sight),
            40..54 => self.keep_roster(random),
            54..64 => self.narrow(random),
            64..74 => self.decide(random, sight),
            74..84 => self.state(random, sight),
            _ => self.cheat(random, sight),
        }
        self.entries[before..].to_vec()
    }

    /// Signs a certificate with the keys of these people, as far as they are people of this world.
    fn certify(&mut self, body: CertificateBody, signers: &[PublicKey]) -> EntryId {
        let keys: Vec<&SecretKey> = signers
            .iter()
            .filter_map(|it| self.secrets.get(it))
            .collect();
        let certificate = Certificate::sign(body, &keys);
        let id = certificate.id();
        self.entries.push(Entry::Certificate(certificate));
        id
    }

    fn said(&mut self, space: SpaceId, entry: Entry) -> EntryId {
        let id = entry.id();
        let chain = self.chains.entry((space, entry.key().author));
        chain.or_default().push(id);
        self.entries.push(entry);
        id
    }

    /// A record on a root key's chain in the governance space.
    fn say(&mut self, person: usize, body: RecordBody) -> EntryId {
        let space = self.governance;
        let entry = self.people[person].root.record(space, body);
        self.said(space, entry)
    }

    fn person_with(&self, root: &PublicKey) -> Option<usize> {
        self.people.iter().position(|it| it.root.public() == *root)
    }

    /// A delegate of any state of a party, by number.
    fn delegate(&self, side: usize, random: &mut Random) -> usize {
        let (_, state) = random.pick(&self.sides[side].states).unwrap();
        let key = random.pick(&state.delegates).unwrap();
        self.person_with(key).unwrap_or(0)
    }

    fn nonce(&mut self) -> [u8; 16] {
        self.made += 1;
        u128::from(self.made).to_be_bytes()
    }
}

fn parties(shape: Shape, random: &mut Random) -> (Vec<Signer>, Vec<Actor>, Vec<Side>) {
    let (mut nodes, mut people, mut sides) = (Vec::new(), Vec::new(), Vec::new());
    for party in 0..shape.parties {
        let own: Vec<usize> = (0..shape.nodes).map(|it| nodes.len() + it).collect();
        nodes.extend(own.iter().map(|it| Signer::new(&format!("node/{it}"))));
        let first = people.len();
        people.extend((0..shape.people).map(|it| Actor {
            root: Signer::new(&format!("{party}/{it}/root")),
            devices: vec![Signer::new(&format!("{party}/{it}/device"))],
            party,
        }));
        let delegates = 1 + random.below(shape.people.min(3));
        let keys = |signers: &mut dyn Iterator<Item = PublicKey>| {
            let mut keys: Vec<PublicKey> = signers.collect();
            keys.sort();
            keys
        };
        let own_keys = keys(&mut own.iter().map(|it| nodes[*it].public()));
        let roots = people[first..first + delegates].iter();
        let roots = keys(&mut roots.map(|it: &Actor| it.root.public()));
        let founding =
            PartyState::founding(format!("Party {party}"), random.bytes(), roots[0], own_keys);
        let state = PartyState {
            delegates_needed: delegates as u64 / 2 + 1,
            admission_needed: 1 + random.below(delegates.min(2)) as u64,
            stewards: vec![roots[0]],
            delegates: roots,
            ..founding
        };
        let body = CertificateBody::Party(state.clone()).encode();
        sides.push(Side {
            id: party_id(&state),
            states: vec![(comity_protocol::certificate::body_id(&body), state)],
            nodes: own,
        });
    }
    (nodes, people, sides)
}

/// One that everyone reads, one for members, one for stewards' news, and one of each party.
fn spaces(sides: &[Side]) -> Vec<Space> {
    let mut spaces = vec![
        Space::new("lobby", Readers::Everyone, Writers::Members),
        Space::new("office", Readers::Members, Writers::Members),
        Space::new("news", Readers::Everyone, Writers::Stewards),
    ];
    spaces.extend(sides.iter().enumerate().map(|(number, side)| {
        let readers = Readers::Parties(vec![side.id]);
        Space::new(format!("inner {number}"), readers, Writers::Members)
    }));
    spaces
}

/// A key that nobody in the world knows.
fn stranger(random: &mut Random) -> SecretKey {
    key(&format!("stranger/{}", random.draw()))
}
