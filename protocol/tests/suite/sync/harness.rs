//! Replicas in memory, joined by links that deliver in any order a seed decides.

use comity_protocol::access::ShownGrant;
use comity_protocol::id::{CommunityId, EntryId, SpaceId, digest, domain};
use comity_protocol::sync::session::Input;
use comity_protocol::sync::{
    AuthorTag, Context, Effect, InFlight, Key, Message, PeerNumber, Replica, Role, Session, Trie,
};
use std::collections::{BTreeMap, VecDeque};

/// A small deterministic generator (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

pub(crate) fn space(number: u8) -> SpaceId {
    SpaceId::from_bytes([number; 32])
}

pub(crate) fn author(number: u64) -> AuthorTag {
    AuthorTag::from_bytes(digest(domain::TRIE_AUTHOR, &[&number.to_be_bytes()]))
}

/// Bytes of a test entry: tag, seq, and a body that makes it unique.
pub(crate) fn entry(author_number: u64, seq: u64, fork: u64, size: usize) -> Vec<u8> {
    let mut bytes = author(author_number).as_bytes().to_vec();
    bytes.extend(seq.to_be_bytes());
    bytes.extend(fork.to_be_bytes());
    bytes.resize(bytes.len().max(size), 0x5a);
    bytes
}

pub(crate) fn key_of(entry: &[u8]) -> Option<Key> {
    Some(Key {
        author: AuthorTag::from_bytes(entry.get(..32)?.try_into().ok()?),
        seq: u64::from_be_bytes(entry.get(32..40)?.try_into().ok()?),
        id: EntryId::from_bytes(digest(domain::CONTRIBUTION_ID, &[entry])),
    })
}

#[derive(Default)]
pub(crate) struct Space {
    pub(crate) trie: Trie,
    pub(crate) entries: BTreeMap<EntryId, Vec<u8>>,
}

#[derive(Default)]
pub(crate) struct Node {
    pub(crate) spaces: BTreeMap<SpaceId, Space>,
    /// Entries of these authors are refused, as a node with other governance would.
    pub(crate) refuses: Vec<AuthorTag>,
    /// What an entry depends on: it waits until that is here.
    pub(crate) needs: BTreeMap<EntryId, EntryId>,
    waiting: BTreeMap<EntryId, Vec<u8>>,
    /// Ingested entries in order of arrival.
    pub(crate) arrived: Vec<Key>,
    /// Entries that declare spaces.
    pub(crate) declarations: BTreeMap<SpaceId, Vec<u8>>,
    /// Entries that arrived, those included that were here already.
    pub(crate) received: usize,
    /// Entries that came when they were here already.
    pub(crate) repeated: usize,
}

impl Replica for Node {
    fn trie(&self, space: &SpaceId) -> Option<&Trie> {
        self.spaces.get(space).map(|space| &space.trie)
    }

    fn key_of(&self, _: &SpaceId, entry: &[u8]) -> Option<Key> {
        key_of(entry)
    }

    fn declaration(&self, space: &SpaceId) -> Option<(CommunityId, Key)> {
        let bytes = self.declarations.get(space)?;
        self.spaces
            .contains_key(space)
            .then(|| (COMMUNITY, key_of(bytes).unwrap()))
    }

    fn declares(&self, community: &CommunityId, space: &SpaceId, entry: &[u8]) -> bool {
        *community == COMMUNITY && declared_space(entry) == *space
    }

    fn takes_part(&self, community: &CommunityId) -> bool {
        *community == COMMUNITY
    }
}

pub(crate) const COMMUNITY: CommunityId = CommunityId::from_bytes([0xc0; 32]);

/// The space that an entry declares.
pub(crate) fn declared_space(entry: &[u8]) -> SpaceId {
    SpaceId::from_bytes(digest(domain::SPACE, &[COMMUNITY.as_bytes(), entry]))
}

impl Node {
    pub(crate) fn insert(&mut self, space: SpaceId, bytes: Vec<u8>) -> Option<Key> {
        let key = key_of(&bytes).unwrap();
        let space = self.spaces.entry(space).or_default();
        let local = space.trie.last_local() + 1;
        if self.refuses.contains(&key.author) || !space.trie.insert(&key, local) {
            return None;
        }
        space.entries.insert(key.id, bytes);
        Some(key)
    }

    /// Takes an entry in, unless it waits for another, and those that waited for it. The keys of what
    /// is in the set now.
    pub(crate) fn take_in(&mut self, space: SpaceId, bytes: Vec<u8>) -> Vec<Key> {
        let mut taken = Vec::new();
        let mut queue = vec![bytes];
        while let Some(bytes) = queue.pop() {
            let id = key_of(&bytes).unwrap().id;
            let held = &self.spaces.entry(space).or_default().entries;
            if let Some(needed) = self.needs.get(&id)
                && !held.contains_key(needed)
            {
                self.waiting.insert(id, bytes);
                continue;
            }
            let Some(key) = self.insert(space, bytes) else {
                continue;
            };
            taken.push(key);
            let needs = &self.needs;
            let freed = self
                .waiting
                .extract_if(.., |it, _| needs.get(it) == Some(&id));
            queue.extend(freed.map(|(_, bytes)| bytes));
        }
        taken
    }

    /// Has an entry without keeping its bytes: for sets of which nothing is sent.
    #[allow(dead_code)] // Benches have such sets, tests do not.
    pub(crate) fn insert_key(&mut self, space: SpaceId, bytes: &[u8]) {
        let trie = &mut self.spaces.entry(space).or_default().trie;
        let local = trie.last_local() + 1;
        trie.insert(&key_of(bytes).unwrap(), local);
    }

    /// Begins to hold the space that an entry declares, which stands in its set.
    pub(crate) fn declare(&mut self, entry: Vec<u8>) -> SpaceId {
        let space = declared_space(&entry);
        self.declarations.insert(space, entry.clone());
        self.insert(space, entry);
        space
    }

    pub(crate) fn root(&self, space: &SpaceId) -> comity_protocol::sync::TrieHash {
        self.spaces[space].trie.root()
    }
}

/// One end of a link.
pub(crate) struct End {
    pub(crate) node: usize,
    pub(crate) session: Session,
    /// Answers of the node that the session has not seen yet.
    pub(crate) answers: VecDeque<Input>,
    /// Frames on their way to this end.
    pub(crate) arriving: VecDeque<Vec<u8>>,
    pub(crate) in_sync: Vec<SpaceId>,
    /// Entries that arrived at this end.
    pub(crate) brought: usize,
    pub(crate) fault: Option<Effect>,
    /// Grants that the other end showed last.
    pub(crate) granted: Vec<ShownGrant>,
}

pub(crate) struct Link {
    pub(crate) ends: [End; 2],
    pub(crate) cut: bool,
}

/// What went over all links.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) entries: usize,
    pub(crate) entry_bytes: usize,
}

impl Traffic {
    pub(crate) fn overhead(&self) -> usize {
        self.bytes - self.entry_bytes
    }
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) in_flight: Vec<InFlight>,
    pub(crate) links: Vec<Link>,
    pub(crate) now_ms: u64,
    pub(crate) traffic: Traffic,
    peers: u64,
}

impl World {
    pub(crate) fn new(nodes: usize, spaces: &[SpaceId]) -> Self {
        let mut world = Self::default();
        for _ in 0..nodes {
            let mut node = Node::default();
            for space in spaces {
                node.spaces.insert(*space, Space::default());
            }
            world.nodes.push(node);
            world.in_flight.push(InFlight::new());
        }
        world
    }

    fn new_end(&mut self, node: usize, role: Role) -> End {
        self.peers += 1;
        let seed = digest(b"test-seed\0", &[&self.peers.to_be_bytes()]);
        End {
            node,
            session: Session::new(role, PeerNumber(self.peers), seed),
            answers: VecDeque::new(),
            arriving: VecDeque::new(),
            in_sync: Vec::new(),
            brought: 0,
            fault: None,
            granted: Vec::new(),
        }
    }

    /// Joins two nodes and opens all spaces of each.
    pub(crate) fn connect(&mut self, opener: usize, acceptor: usize) -> usize {
        let ends = [
            self.new_end(opener, Role::Opener),
            self.new_end(acceptor, Role::Acceptor),
        ];
        self.links.push(Link { ends, cut: false });
        let link = self.links.len() - 1;
        self.open_spaces(link);
        link
    }

    fn open_spaces(&mut self, link: usize) {
        for side in 0..2 {
            let node = self.links[link].ends[side].node;
            let spaces: Vec<_> = self.nodes[node].spaces.keys().copied().collect();
            for space in spaces {
                self.input(link, side, Input::SpaceOpened(space));
            }
        }
    }

    /// Cuts a link: everything under way is lost, and new sessions begin.
    pub(crate) fn cut(&mut self, link: usize) {
        for side in 0..2 {
            let node = self.links[link].ends[side].node;
            let old = PeerNumber(self.links[link].ends[side].session.peer().0);
            self.in_flight[node].release_peer(old);
            let role = [Role::Opener, Role::Acceptor][side];
            self.links[link].ends[side] = self.new_end(node, role);
        }
        self.open_spaces(link);
    }

    /// Nothing passes a link any more, and neither side knows.
    pub(crate) fn stall(&mut self, link: usize) {
        self.links[link].cut = true;
        self.links[link]
            .ends
            .iter_mut()
            .for_each(|it| it.arriving.clear());
    }

    /// Ends a link for good.
    pub(crate) fn hang_up(&mut self, link: usize) {
        for side in 0..2 {
            let node = self.links[link].ends[side].node;
            let old = self.links[link].ends[side].session.peer();
            self.in_flight[node].release_peer(old);
            let role = [Role::Opener, Role::Acceptor][side];
            self.links[link].ends[side] = self.new_end(node, role);
        }
    }

    pub(crate) fn input(&mut self, link: usize, side: usize, input: Input) {
        let end = &mut self.links[link].ends[side];
        let mut context = Context {
            replica: &self.nodes[end.node],
            in_flight: &mut self.in_flight[end.node],
            now_ms: self.now_ms,
        };
        end.session.handle(input, &mut context);
        self.perform(link, side);
    }

    fn perform(&mut self, link: usize, side: usize) {
        while let Some(effect) = self.links[link].ends[side].session.next_effect() {
            let node = self.links[link].ends[side].node;
            match effect {
                Effect::Send(message) => {
                    let frame = message.to_frame();
                    self.traffic.messages += 1;
                    self.traffic.bytes += frame.len();
                    if let Message::Entries { entries, .. } = &message {
                        self.traffic.entries += entries.len();
                        self.traffic.entry_bytes += entries.iter().map(Vec::len).sum::<usize>();
                    }
                    if !self.links[link].cut {
                        self.links[link].ends[1 - side].arriving.push_back(frame);
                    }
                }
                Effect::Load {
                    space,
                    ids,
                    max_bytes,
                } => {
                    let held = &self.nodes[node].spaces[&space].entries;
                    let mut entries = Vec::new();
                    let mut bytes = 0;
                    for id in ids {
                        let entry = held.get(&id).cloned();
                        bytes += entry.as_ref().map_or(0, Vec::len);
                        if bytes > max_bytes && !entries.is_empty() {
                            break;
                        }
                        entries.push(entry);
                    }
                    let answer = Input::Loaded { space, entries };
                    self.links[link].ends[side].answers.push_back(answer);
                }
                Effect::Ingest { space, entries } => self.ingest(link, side, space, entries),
                Effect::Learn { space, entry, .. } => {
                    let bytes = entry.len() as u64;
                    self.nodes[node].declare(entry);
                    self.told(node, space, Vec::new());
                    let answer = Input::Ingested {
                        space,
                        entries: 1,
                        bytes,
                    };
                    let answers = &mut self.links[link].ends[side].answers;
                    answers.extend([answer, Input::SpaceOpened(space)]);
                }
                Effect::Granted { grants, .. } => self.links[link].ends[side].granted = grants,
                Effect::InSync { space } => self.links[link].ends[side].in_sync.push(space),
                fault => self.links[link].ends[side].fault = Some(fault),
            }
        }
        let answers = &mut self.links[link].ends[side].answers;
        if !answers.iter().any(|input| matches!(input, Input::Writable)) {
            answers.push_back(Input::Writable);
        }
    }

    fn ingest(&mut self, link: usize, side: usize, space: SpaceId, entries: Vec<Vec<u8>>) {
        let node = self.links[link].ends[side].node;
        let bytes = entries.iter().map(|entry| entry.len() as u64).sum();
        let count = entries.len();
        let mut keys = Vec::new();
        for entry in entries {
            let key = key_of(&entry).unwrap();
            if self.nodes[node].spaces[&space].trie.contains(&key) {
                self.nodes[node].repeated += 1;
            }
            let taken = self.nodes[node].take_in(space, entry);
            self.nodes[node].arrived.extend(&taken);
            keys.extend(taken);
        }
        self.told(node, space, keys);
        let answer = Input::Ingested {
            space,
            entries: count,
            bytes,
        };
        self.links[link].ends[side].answers.push_back(answer);
    }

    /// Tells every session of a node what is new.
    fn told(&mut self, node: usize, space: SpaceId, keys: Vec<Key>) {
        self.nodes[node]
            .spaces
            .get_mut(&space)
            .unwrap()
            .trie
            .rehash();
        for link in &mut self.links {
            for end in link.ends.iter_mut().filter(|end| end.node == node) {
                end.answers.push_back(Input::Inserted {
                    space,
                    keys: keys.clone(),
                });
            }
        }
    }

    /// A new entry of a node's own people.
    pub(crate) fn publish(&mut self, node: usize, space: SpaceId, bytes: Vec<u8>) {
        let taken = self.nodes[node].take_in(space, bytes);
        if !taken.is_empty() {
            self.told(node, space, taken);
        }
    }

    /// Everything that could happen next, as (link, side, whether a message).
    fn possible(&self) -> Vec<(usize, usize, bool)> {
        let mut all = Vec::new();
        for (number, link) in self.links.iter().enumerate() {
            for (side, end) in link.ends.iter().enumerate() {
                if !end.arriving.is_empty() && end.session.ready_for_message() {
                    all.push((number, side, true));
                }
                if !end.answers.is_empty() {
                    all.push((number, side, false));
                }
            }
        }
        all
    }

    /// Lets one thing happen; false if nothing can.
    pub(crate) fn step(&mut self, rng: &mut Rng) -> bool {
        let possible = self.possible();
        if possible.is_empty() {
            return false;
        }
        let (link, side, message) = possible[rng.below(possible.len())];
        if message {
            self.deliver(link, side);
        } else if let Some(input) = self.links[link].ends[side].answers.pop_front() {
            if matches!(input, Input::Writable) {
                self.quiet_input(link, side, input);
            } else {
                self.input(link, side, input);
            }
        }
        true
    }

    /// An input that does not cause another `Writable` by itself unless it led to something.
    fn quiet_input(&mut self, link: usize, side: usize, input: Input) {
        let end = &mut self.links[link].ends[side];
        let mut context = Context {
            replica: &self.nodes[end.node],
            in_flight: &mut self.in_flight[end.node],
            now_ms: self.now_ms,
        };
        end.session.handle(input, &mut context);
        if end.session.has_effects() {
            self.perform(link, side);
        }
    }

    pub(crate) fn deliver(&mut self, link: usize, side: usize) {
        let frame = self.links[link].ends[side].arriving.pop_front().unwrap();
        let length = Message::frame_length(frame[..4].try_into().unwrap()).unwrap();
        assert_eq!(length, frame.len() - 4);
        let message = Message::decode(&frame[4..]).unwrap();
        if let Message::Entries { entries, .. } = &message {
            let node = self.links[link].ends[side].node;
            self.nodes[node].received += entries.len();
            self.links[link].ends[side].brought += entries.len();
        }
        self.input(link, side, Input::Received(message));
    }

    /// Runs until nothing happens any more, passing time in between; panics if that never comes.
    pub(crate) fn settle(&mut self, rng: &mut Rng) {
        for _ in 0..100 {
            let mut steps = 0;
            while self.step(rng) {
                steps += 1;
                assert!(steps < 2_000_000, "no rest after {steps} steps");
            }
            let before = self.traffic;
            for _ in 0..20 {
                self.tick(2_000);
                while self.step(rng) {}
            }
            if self.traffic == before {
                return;
            }
        }
        panic!("the replicas never come to rest");
    }

    pub(crate) fn tick(&mut self, ms: u64) {
        self.now_ms += ms;
        for link in 0..self.links.len() {
            for side in 0..2 {
                self.input(link, side, Input::Tick);
            }
        }
    }

    /// One trip of time, one way: what is under way arrives, all else takes none. False if nothing
    /// was under way.
    pub(crate) fn one_way(&mut self) -> bool {
        self.answer_all();
        let mut batch = Vec::new();
        for (number, link) in self.links.iter().enumerate() {
            for (side, end) in link.ends.iter().enumerate() {
                batch.push((number, side, end.arriving.len()));
            }
        }
        for (link, side, count) in &batch {
            for _ in 0..*count {
                self.deliver(*link, *side);
            }
        }
        self.answer_all();
        batch.iter().any(|(_, _, count)| *count > 0)
    }

    pub(crate) fn settle_in_lockstep(&mut self) {
        while self.one_way() {}
    }

    fn answer_all(&mut self) {
        loop {
            let mut idle = true;
            for link in 0..self.links.len() {
                for side in 0..2 {
                    while let Some(input) = self.links[link].ends[side].answers.pop_front() {
                        idle &= matches!(input, Input::Writable);
                        self.quiet_or_loud(link, side, input);
                    }
                }
            }
            if idle {
                return;
            }
        }
    }

    fn quiet_or_loud(&mut self, link: usize, side: usize, input: Input) {
        match input {
            Input::Writable => self.quiet_input(link, side, input),
            input => self.input(link, side, input),
        }
    }

    pub(crate) fn assert_no_faults(&self) {
        for link in &self.links {
            for end in &link.ends {
                assert_eq!(end.fault, None, "at node {}", end.node);
            }
        }
    }
}
