//! A community of several parties made by hand: delegates, nodes and members of each, and what they
//! sign against each other.
//!
//! The keys of a party's delegates follow from its name alone, so the same people can found two.

use crate::community::{Person, START_MS, key};
use comity_protocol::{
    certificate::{
        Certificate, CertificateBody, Change, Cuts, Declarer, DeviceCut, Genesis, PartyState,
        Readers, Resolution, Space, SpaceCut, SpaceDeclaration, Writers, community_id,
        governance_space, party_id,
    },
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId, digest, domain},
    key::PublicKey,
    record::{
        Admission, BranchChoice, DeviceLink, Invitation, RecordBody, Revocation, Role, Target,
        consent_message,
    },
};
use std::collections::BTreeMap;

/// Indices of parties, for tests to read well.
pub const A: usize = 0;
/// See [`A`].
pub const B: usize = 1;
/// See [`A`].
pub const C: usize = 2;

/// One party of an alliance.
pub struct Side {
    /// Its id.
    pub id: PartyId,
    /// Those who speak for it, members and stewards of it too.
    pub delegates: Vec<Person>,
    state: (EntryId, PartyState),
}

/// A party to be founded.
pub struct Founder<'a> {
    /// Its name, from which its keys follow.
    pub name: &'a str,
    /// How many delegates it has; more than half are needed.
    pub delegates: usize,
    /// Keys of its nodes.
    pub nodes: &'a [PublicKey],
}

/// A community of parties that decide by more than half of them.
pub struct Alliance {
    /// Its id.
    pub id: CommunityId,
    /// Its parties, as they were given.
    pub sides: Vec<Side>,
    genesis: EntryId,
    spaces: BTreeMap<String, SpaceId>,
    records: Vec<Entry>,
}

/// A party with one delegate.
pub fn party<'a>(name: &'a str, nodes: &'a [PublicKey]) -> Founder<'a> {
    Founder {
        name,
        delegates: 1,
        nodes,
    }
}

fn found_party(community: &str, founder: &Founder<'_>) -> (PartyState, Vec<Person>) {
    let name = founder.name;
    let person = |number| Person::new(&format!("{name}/delegate {number}"));
    let delegates: Vec<_> = (0..founder.delegates).map(person).collect();
    let mut keys: Vec<_> = delegates.iter().map(|it| it.root.public()).collect();
    keys.sort();
    let mut nodes = founder.nodes.to_vec();
    nodes.sort();
    let seed = [community.as_bytes(), name.as_bytes()];
    let nonce = digest(b"comity-tests/nonce\0", &seed);
    let nonce = *nonce.first_chunk::<16>().unwrap();
    let state = PartyState {
        delegates_needed: keys.len() as u64 / 2 + 1,
        proposer: keys[0],
        stewards: keys.clone(),
        delegates: keys.clone(),
        ..PartyState::founding(name.to_owned(), nonce, keys[0], nodes)
    };
    (state, delegates)
}

impl Alliance {
    /// A community of these parties with the spaces `public` (everyone reads), `members` (members
    /// read) and `news` (stewards write).
    pub fn found(name: &str, founders: &[Founder<'_>]) -> Self {
        let founded: Vec<_> = founders.iter().map(|it| found_party(name, it)).collect();
        let mut parties: Vec<_> = founded.iter().map(|(it, _)| party_id(it)).collect();
        parties.sort();
        let delegates = || founded.iter().flat_map(|(_, delegates)| delegates);
        let mut keys: Vec<_> = delegates().map(|it| it.root.public()).collect();
        keys.sort();
        let nonce = digest(b"comity-tests/nonce\0", &[name.as_bytes()]);
        let genesis = Genesis {
            nonce: *nonce.first_chunk::<16>().unwrap(),
            name: name.to_owned(),
            purpose: format!("{name} for all of us"),
            party_quorum: parties.len() as u64 / 2 + 1,
            parties,
            founders: keys,
            spaces: vec![
                Space::new("public", Readers::Everyone, Writers::Members),
                Space::new("members", Readers::Members, Writers::Members),
                Space::new("news", Readers::Everyone, Writers::Stewards),
            ],
            promises: Vec::new(),
            rules: Vec::new(),
            labels: Vec::new(),
            articles: Vec::new(),
            continues: None,
            time_ms: START_MS,
        };
        let id = community_id(&genesis);
        let spaces = genesis.spaces(id);
        let spaces = spaces.map(|(id, it)| (it.name.clone(), id)).collect();
        let secrets: Vec<_> = delegates().map(|it| it.root.secret()).collect();
        let charter = Certificate::sign(CertificateBody::Genesis(genesis), &secrets);
        let genesis = charter.id();
        let mut records = Vec::new();
        let mut sides = Vec::new();
        for (state, delegates) in &founded {
            let body = CertificateBody::Party(state.clone());
            let secrets: Vec<_> = delegates.iter().map(|it| it.root.secret()).collect();
            let certificate = Certificate::sign(body, &secrets);
            sides.push(Side {
                id: party_id(state),
                delegates: delegates.clone(),
                state: (certificate.id(), state.clone()),
            });
            records.push(Entry::Certificate(certificate));
        }
        records.push(Entry::Certificate(charter));
        let mut alliance = Self {
            id,
            sides,
            genesis,
            spaces,
            records,
        };
        for side in 0..alliance.sides.len() {
            for number in 0..alliance.sides[side].delegates.len() {
                let mut delegate = alliance.sides[side].delegates[number].clone();
                alliance.admit(side, &delegate, &[Role::Member]);
                // The first one's chain has just grown.
                delegate.root = alliance.sides[side].delegates[number].root.clone();
                alliance.link(&mut delegate);
                alliance.sides[side].delegates[number] = delegate;
            }
        }
        alliance
    }

    /// The space of its records.
    pub fn governance(&self) -> SpaceId {
        governance_space(self.id)
    }

    /// A space by name.
    pub fn space(&self, name: &str) -> SpaceId {
        self.spaces[name]
    }

    /// Its records so far, in causal order; but for narrowings, states and resolutions, which are
    /// handed out when they are signed.
    pub fn records(&self) -> &[Entry] {
        &self.records
    }

    /// A record by the first delegate of a party.
    pub fn say(&mut self, side: usize, body: RecordBody) -> Entry {
        self.say_as(side, 0, body)
    }

    /// A record by any delegate of a party.
    pub fn say_as(&mut self, side: usize, delegate: usize, body: RecordBody) -> Entry {
        let space = self.governance();
        let delegate = &mut self.sides[side].delegates[delegate];
        delegate.root.record(space, body)
    }

    /// The first delegate of a party admits a person.
    pub fn admit(&mut self, side: usize, person: &Person, roles: &[Role]) -> Entry {
        let admission = RecordBody::Admission(Admission {
            party: self.sides[side].id,
            member: person.root.public(),
            roles: roles.iter().copied().collect(),
        });
        let entry = self.say(side, admission);
        self.records.push(entry.clone());
        entry
    }

    /// A person's root key links their device.
    pub fn link(&mut self, person: &mut Person) -> Entry {
        let space = self.governance();
        let device = person.device.public();
        let message = consent_message(space, &person.root.public(), &device);
        let secret = person.device.secret();
        let by_device = secret.sign(domain::DEVICE_CONSENT_SIGNATURE, &message);
        let link = DeviceLink {
            device,
            slot: 0,
            by_device,
        };
        let entry = person.root.record(space, RecordBody::DeviceLink(link));
        self.records.push(entry.clone());
        entry
    }

    /// A new member of a party with a linked device.
    pub fn member(&mut self, side: usize, name: &str, roles: &[Role]) -> Person {
        let mut person = Person::new(name);
        self.admit(side, &person, roles);
        self.link(&mut person);
        person
    }

    /// An invitation by a delegate of a party; its key follows from `name`.
    pub fn invite(
        &mut self,
        (side, delegate): (usize, usize),
        name: &str,
        countersigner: PublicKey,
        expires_ms: Option<u64>,
    ) -> Entry {
        let offer = RecordBody::Invitation(Invitation {
            party: self.sides[side].id,
            invitation_key: key(name).public(),
            countersigner,
            roles: [Role::Member].into(),
            uses: 1,
            expires_ms,
        });
        let entry = self.say_as(side, delegate, offer);
        self.records.push(entry.clone());
        entry
    }

    /// A party takes somebody's standing, or a part of it, with these cuts.
    pub fn narrow(&mut self, side: usize, target: Target, cuts: Cuts) -> Entry {
        let party = self.sides[side].id;
        let revocation = RecordBody::Revocation(Revocation {
            party,
            target,
            cuts,
            replaces: None,
        });
        self.say(side, revocation)
    }

    /// A party removes a member. What their root key signed in the governance space stays, and what
    /// their device wrote in public spaces up to these entries.
    pub fn revoke(&mut self, side: usize, person: &Person, last: &[(SpaceId, EntryId)]) -> Entry {
        let space = self.governance();
        let cut = |space, key, last| SpaceCut {
            space,
            devices: vec![DeviceCut {
                key,
                last: vec![last],
            }],
        };
        let linked = person.root.next_link(space).prev.unwrap();
        let mut open = vec![cut(space, person.root.public(), linked)];
        let device = person.device.public();
        open.extend(last.iter().map(|(space, id)| cut(*space, device, *id)));
        open.sort_by_key(|cut| cut.space);
        let sealed = [9; 32];
        self.narrow(
            side,
            Target::Member(person.root.public()),
            Cuts { open, sealed },
        )
    }

    /// A next state of a party, signed by some of its delegates.
    pub fn next_state(
        &mut self,
        side: usize,
        signers: &[usize],
        change: impl FnOnce(&mut PartyState),
    ) -> Entry {
        let side = &mut self.sides[side];
        let signers: Vec<_> = signers.iter().map(|it| &side.delegates[*it].root).collect();
        let mut state = side.state.1.clone();
        state.parent = Some((side.id, side.state.0));
        state.height += 1;
        state.proposer = signers[0].public();
        change(&mut state);
        let secrets: Vec<_> = signers.iter().map(|it| it.secret()).collect();
        let certificate = Certificate::sign(CertificateBody::Party(state.clone()), &secrets);
        side.state = (certificate.id(), state);
        Entry::Certificate(certificate)
    }

    /// A child of the genesis, signed by all delegates of these parties, the first of whom proposes.
    pub fn resolution(&self, by: &[usize], changes: Vec<Change>) -> Entry {
        self.resolution_with(by, changes, Cuts::default())
    }

    /// The same, of which what it takes counts up to these cuts.
    pub fn resolution_with(&self, by: &[usize], changes: Vec<Change>, cuts: Cuts) -> Entry {
        let pins = self.sides.iter().map(|it| (it.id, it.state.0));
        let mut pins: Vec<_> = pins.collect();
        pins.sort();
        let body = CertificateBody::Resolution(Resolution {
            community: self.id,
            parent: self.genesis,
            height: 1,
            pins,
            fork_proofs: Vec::new(),
            proposer: self.sides[by[0]].delegates[0].root.public(),
            nonce: [0; 16],
            changes,
            cuts,
            reason: String::new(),
            time_ms: START_MS,
        });
        let signers = by.iter().flat_map(|it| &self.sides[*it].delegates);
        let secrets: Vec<_> = signers.map(|it| it.root.secret()).collect();
        Entry::Certificate(Certificate::sign(body, &secrets))
    }

    /// The first delegate of a party acknowledges a branch.
    pub fn choose(&mut self, side: usize, chosen: EntryId) -> Entry {
        self.say(side, RecordBody::BranchChoice(BranchChoice { chosen }))
    }

    /// An internal space of a party, and its declaration by all of its delegates.
    pub fn internal(&self, side: usize) -> (SpaceId, Entry) {
        let side = &self.sides[side];
        let body = CertificateBody::SpaceDeclaration(SpaceDeclaration {
            community: self.id,
            declarer: Declarer::Party {
                party: side.id,
                state: side.state.0,
                proposer: side.delegates[0].root.public(),
            },
            space: Space::new(
                "internal",
                Readers::Parties(vec![side.id]),
                Writers::Members,
            ),
            nonce: [3; 16],
            time_ms: START_MS,
        });
        let secrets: Vec<_> = side.delegates.iter().map(|it| it.root.secret()).collect();
        let certificate = Certificate::sign(body, &secrets);
        let space = certificate.home(self.governance());
        (space, Entry::Certificate(certificate))
    }
}
