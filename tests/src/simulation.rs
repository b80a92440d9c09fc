//! A community of many nodes under a virtual clock: delays, partitions, losses and lying peers, all
//! of it decided by a seed.
//!
//! Everything that matters is real: entries, the way in, stores, sets, the machines of sync sessions
//! and their frames. Only time, links and the driver that carries effects out are made here. One
//! thread, one queue of events: a seed always runs alike, so a failing one can be stepped through.

mod invariants;
mod links;
mod log;
mod malice;
mod nodes;
mod queue;
mod shared;

use crate::{
    histories::{Shape, Sight, World},
    random::Random,
};
use comity_node::{ingest::Outcome, pending::Source};
use comity_protocol::{
    certificate::governance_space,
    entry::Entry,
    id::{EntryId, SpaceId},
    sync::{Effect, Message, session::Input},
};
use links::Link;
pub use log::{Log, Step, record, seed_of};
use malice::Malice;
use nodes::Node;
use queue::{Event, Queue};
use shared::Shared;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// How large a simulation is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Parties.
    pub parties: usize,
    /// Nodes of each.
    pub nodes: usize,
    /// Deeds of people.
    pub deeds: usize,
}

impl Size {
    /// Fifty nodes of five parties.
    pub const FULL: Self = Self {
        parties: 5,
        nodes: 10,
        deeds: 120,
    };
}

/// Milliseconds between two deeds, on average.
const DEED_EVERY_MS: u64 = 600;
/// Milliseconds between two ticks of a node.
const TICK_EVERY_MS: u64 = 2_000;
/// Milliseconds between two attempts of people to have saved what was not.
const RETRY_EVERY_MS: u64 = 15_000;
/// Milliseconds from healing to when everything must be equal.
const HEALED_WITHIN_MS: u64 = 1_200_000;
/// Milliseconds between two looks whether everything is equal.
const LOOK_EVERY_MS: u64 = 5_000;

/// What does not hold.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
    /// The number of the event after which it was found.
    pub event: u64,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that happened.
    pub events: u64,
    /// Entries that people and nodes signed.
    pub entries: usize,
    /// Entries of these that were acknowledged.
    pub acknowledged: usize,
    /// Frames that were delivered.
    pub frames: u64,
    /// Peers that were caught misbehaving, each time.
    pub caught: u64,
    /// Nodes that were lost and started again.
    pub restarts: u64,
    /// Milliseconds on the virtual clock from healing until all was equal.
    pub healed_ms: u64,
    /// Height of the charter at the end.
    pub charter_height: u64,
    /// Narrowings at the end.
    pub narrowings: usize,
    /// Entries in effect at the end, on one node.
    pub in_effect: u64,
}

/// One run. See the [module documentation](self).
pub struct Simulation {
    random: Random,
    size: Size,
    world: World,
    governance: SpaceId,
    shared: Arc<Shared>,
    nodes: Vec<Node>,
    links: Vec<Link>,
    queue: Queue,
    now_ms: u64,
    /// The side of the partition that each node is on; all zero without one.
    sides: Vec<usize>,
    healed: bool,
    /// Inputs that sessions are still to handle before the next event.
    work: VecDeque<(usize, usize, Input)>,
    peers: u64,
    report: Report,
    broken: Option<Broken>,
    log: Log,
}

/// What a person sees on one node.
struct Desk<'a>(&'a Node);

impl Sight for Desk<'_> {
    fn sees(&self, id: &EntryId) -> bool {
        self.0.replica().archive.contains(id).unwrap_or(false)
    }

    fn offers(&self, space: &SpaceId) -> bool {
        self.0.reads(space)
    }
}

impl Simulation {
    /// The run of a seed.
    pub fn new(seed: u64, size: Size, log: Log) -> Self {
        let mut random = Random::new(seed);
        let shape = Shape {
            parties: size.parties,
            nodes: size.nodes,
            people: 3,
            declares: false,
        };
        let world = World::found(shape, &mut random);
        let count = size.parties * size.nodes;
        let mut liars: Vec<usize> = (0..count).collect();
        random.shuffle(&mut liars);
        liars.truncate(count / 10);
        let shared = Arc::<Shared>::default();
        let nodes: Vec<Node> = (0..count)
            .map(|number| {
                let malice = liars.iter().position(|it| *it == number);
                let key = world.nodes[number].public();
                Node::new(key, world.id, malice.map(Malice::of_number), &shared)
            })
            .collect();
        let mut simulation = Self {
            links: links::overlay(&nodes, size, &mut random),
            sides: vec![0; count],
            queue: Queue::default(),
            now_ms: 0,
            healed: false,
            work: VecDeque::new(),
            peers: 0,
            report: Report::default(),
            broken: None,
            random,
            size,
            governance: governance_space(world.id),
            world,
            shared,
            nodes,
            log,
        };
        simulation.plan();
        simulation
    }

    fn plan(&mut self) {
        for link in 0..self.links.len() {
            let at = self.random.below(2_000) as u64;
            self.queue.add(at, Event::Connect { link });
        }
        for node in 0..self.nodes.len() {
            let at = self.random.below(TICK_EVERY_MS as usize) as u64;
            self.queue.add(at, Event::Tick { node });
            self.queue.add(at + RETRY_EVERY_MS, Event::Retry { node });
        }
        self.queue.add(10, Event::Found);
        let mut at = 3_000;
        for _ in 0..self.size.deeds {
            at += self.random.below(2 * DEED_EVERY_MS as usize) as u64;
            self.queue.add(at, Event::Deed);
        }
        for _ in 0..4 {
            let from = self.random.below(at as usize) as u64;
            self.queue.add(from, Event::Part);
        }
        for _ in 0..self.nodes.len() / 4 {
            let from = self.random.below(at as usize) as u64;
            let node = self.random.below(self.nodes.len());
            let until = from + 1_000 + self.random.below(30_000) as u64;
            self.queue.add(from, Event::Lose { node });
            self.queue.add(until, Event::Start { node });
        }
        self.queue.add(at + 40_000, Event::Heal);
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// [`Broken`] names the first invariant that does not hold.
    pub fn run(mut self) -> Result<Report, (Broken, Log)> {
        while let Some((at_ms, event)) = self.queue.next() {
            self.now_ms = at_ms;
            self.report.events += 1;
            let node = self.touched(&event);
            let mut line = Step::new(self.report.events, at_ms, &event, node);
            let is_look = matches!(event, Event::Look { .. });
            let done = self.happen(event, &mut line);
            if let Some(node) = node {
                self.check_event(node);
                self.log.note(line, || self.nodes[node].summary());
            } else {
                self.log.note(line, String::new);
            }
            if let Some(mut broken) = self.broken.take() {
                broken.event = self.report.events;
                return Err((broken, self.log));
            }
            if is_look && done {
                self.report.entries = self.world.entries.len();
                return Ok(self.report);
            }
        }
        Ok(self.report)
    }

    /// The node that an event happens at.
    fn touched(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Arrive { link, side, .. } => Some(self.links[*link].ends[*side].node),
            Event::Tick { node } | Event::Retry { node } => Some(*node),
            Event::Start { node } => Some(*node),
            _ => None,
        }
    }

    /// True if that was all.
    fn happen(&mut self, event: Event, line: &mut Step) -> bool {
        match event {
            Event::Found => self.found(),
            Event::Deed => self.deed(line),
            Event::Connect { link } => self.connect(link),
            Event::Arrive {
                link,
                side,
                stream,
                frame,
            } => self.arrive(link, side, stream, &frame, line),
            Event::Tick { node } => {
                self.tick(node);
                self.queue
                    .add(self.now_ms + TICK_EVERY_MS, Event::Tick { node });
            }
            Event::Retry { node } => {
                self.retry(node);
                self.queue
                    .add(self.now_ms + RETRY_EVERY_MS, Event::Retry { node });
            }
            Event::Lose { node } => self.lose(node),
            Event::Start { node } => self.start(node),
            Event::Part => self.part(),
            Event::Heal => self.heal(),
            Event::Look { healed_ms } => return self.look(healed_ms),
        }
        self.settle();
        false
    }

    /// The founders bring what they signed, each party to a node of its own.
    fn found(&mut self) {
        let entries: Vec<Vec<u8>> = self.world.entries.iter().map(Entry::encode).collect();
        for party in 0..self.size.parties {
            let mut own = (0..self.nodes.len()).filter(|it| self.world.party_of_node(*it) == party);
            let honest = own.find(|it| self.nodes[*it].malice.is_none());
            if let Some(node) = honest {
                self.submit(node, entries.clone());
            }
        }
    }

    fn deed(&mut self, line: &mut Step) {
        let up: Vec<usize> = (0..self.nodes.len())
            .filter(|it| self.nodes[*it].is_up() && self.nodes[*it].malice.is_none())
            .collect();
        let Some(node) = self.random.pick(&up).copied() else {
            return;
        };
        let entries = self.world.act(&mut self.random, &Desk(&self.nodes[node]));
        line.detail = format!("{} entries signed at node {node}", entries.len());
        let mut bytes: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect();
        let noise = std::mem::take(&mut self.world.noise);
        bytes.extend(noise);
        self.submit(node, bytes);
        self.check_event(node);
    }

    /// People give entries to a node; what is not saved they give again later.
    fn submit(&mut self, node: usize, entries: Vec<Vec<u8>>) {
        let outcomes = self.nodes[node].replica().take(&entries, &Source::Local);
        for (bytes, outcome) in entries.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Saved | Outcome::AlreadyPresent => {
                    if let Some((_, key)) = Entry::peek(&bytes) {
                        self.nodes[node].acknowledged.push(key.id);
                        self.report.acknowledged += 1;
                    }
                }
                Outcome::Refused(_) => {}
                _ => self.nodes[node].unsaved.push(bytes),
            }
        }
        self.hear(node);
    }

    fn retry(&mut self, node: usize) {
        if !self.nodes[node].is_up() || self.nodes[node].unsaved.is_empty() {
            return;
        }
        let unsaved = std::mem::take(&mut self.nodes[node].unsaved);
        // People do not give words to a node that may not read them.
        let (now, later): (Vec<_>, Vec<_>) = unsaved.into_iter().partition(|bytes| {
            let space = Entry::peek(bytes).and_then(|(space, _)| space);
            space.is_none_or(|space| self.nodes[node].reads(&space))
        });
        self.submit(node, now);
        self.nodes[node].unsaved.extend(later);
    }

    fn lose(&mut self, node: usize) {
        if self.nodes[node].is_up() {
            self.hang_up_all(node);
            self.nodes[node].lose();
            self.report.restarts += 1;
        }
    }

    fn start(&mut self, node: usize) {
        self.nodes[node].start(self.world.id);
        if let Some(lost) = self.nodes[node].lost_acknowledged() {
            self.broken(
                "acknowledged_is_never_lost",
                format!("{lost} at node {node}"),
            );
        }
    }

    fn part(&mut self) {
        if self.healed {
            return;
        }
        let sides = 1 + self.random.below(3);
        for side in &mut self.sides {
            *side = self.random.below(sides);
        }
        self.cut_links();
    }

    fn heal(&mut self) {
        self.healed = true;
        self.sides.fill(0);
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_up() {
                self.start(node);
            }
        }
        let healed_ms = self.now_ms;
        self.queue
            .add(healed_ms + LOOK_EVERY_MS, Event::Look { healed_ms });
    }

    /// True if everything is equal now.
    fn look(&mut self, healed_ms: u64) -> bool {
        self.join_readers();
        match self.unequal() {
            None => {
                self.check_end();
                self.report.healed_ms = self.now_ms - healed_ms;
                return true;
            }
            Some(found) if self.now_ms - healed_ms > HEALED_WITHIN_MS => {
                self.broken("sets_equal_after_healing", found);
            }
            Some(_) => {
                self.queue
                    .add(self.now_ms + LOOK_EVERY_MS, Event::Look { healed_ms });
            }
        }
        false
    }

    /// Handles inputs until nothing follows any more.
    fn settle(&mut self) {
        while let Some((link, side, input)) = self.work.pop_front() {
            self.input(link, side, input);
        }
    }

    fn input(&mut self, link: usize, side: usize, input: Input) {
        let node = self.links[link].ends[side].node;
        if !self.nodes[node].is_up() {
            return;
        }
        let is_writable = matches!(input, Input::Writable);
        let Some(session) = &mut self.links[link].ends[side].session else {
            return;
        };
        self.nodes[node].handle(session, input, self.now_ms);
        if session.has_effects() || !is_writable {
            self.perform(link, side);
        }
    }

    /// Carries out the effects of a session: what is to be sent first, then the rest.
    fn perform(&mut self, link: usize, side: usize) {
        let node = self.links[link].ends[side].node;
        let mut ingests = Vec::new();
        let mut ended = false;
        let mut any = false;
        while let Some(session) = &mut self.links[link].ends[side].session
            && let Some(effect) = session.next_effect()
        {
            any = true;
            match effect {
                Effect::Send(message) => self.send(link, side, message),
                Effect::Load {
                    space,
                    ids,
                    max_bytes,
                } => {
                    let entries = self.nodes[node].load(&ids, max_bytes);
                    let loaded = Input::Loaded { space, entries };
                    self.work.push_back((link, side, loaded));
                }
                Effect::Ingest { space, entries } => ingests.push((space, entries)),
                Effect::Learn { space, entry, .. } => ingests.push((space, vec![entry])),
                // Nodes read by their own keys here.
                Effect::Granted { .. } => {}
                Effect::InSync { space } => {
                    if space == self.governance {
                        self.links[link].ends[side].synced = true;
                    }
                }
                Effect::PeerMisbehaved(how) => {
                    self.caught(link, side, &how.to_string());
                    ended = true;
                }
                Effect::Closed(_) => ended = true,
            }
        }
        for (space, entries) in ingests {
            self.ingest(link, side, space, entries);
        }
        if ended {
            return self.hang_up(link);
        }
        self.open_spaces(link, side);
        if any {
            self.work.push_back((link, side, Input::Writable));
        }
    }

    /// A peer broke the protocol: an honest one never does.
    fn caught(&mut self, link: usize, side: usize, how: &str) {
        self.report.caught += 1;
        let peer = self.links[link].ends[1 - side].node;
        let own = self.links[link].ends[side].node;
        if self.nodes[peer].malice.is_none() && self.nodes[own].malice.is_none() {
            let found = format!("node {own} says that node {peer} {how}");
            self.broken("honest_peers_trust_each_other", found);
        }
    }

    fn ingest(&mut self, link: usize, side: usize, space: SpaceId, entries: Vec<Vec<u8>>) {
        let node = self.links[link].ends[side].node;
        let peer = self.links[link].ends[1 - side].node;
        let bytes = entries.iter().map(|it| it.len() as u64).sum();
        let source = Source::Peer(format!("node {peer}"));
        self.nodes[node].replica().take(&entries, &source);
        let entries = entries.len();
        let ingested = Input::Ingested {
            space,
            entries,
            bytes,
        };
        self.work.push_back((link, side, ingested));
        self.hear(node);
    }

    /// Tells every session of a node what took effect, and lets spaces follow authority.
    fn hear(&mut self, node: usize) {
        let news = self.nodes[node].news();
        let mut keys = BTreeMap::new();
        for (space, key) in &news {
            keys.entry(*space).or_insert_with(Vec::new).extend(*key);
        }
        for (space, keys) in keys {
            for (link, side) in self.ends_of(node) {
                let keys = keys.clone();
                let inserted = Input::Inserted { space, keys };
                self.work.push_back((link, side, inserted));
            }
        }
        if self.nodes[node].authority_changed() {
            for (link, side) in self.ends_of(node) {
                self.open_spaces(link, side);
            }
        }
    }

    fn broken(&mut self, invariant: &'static str, found: String) {
        let event = self.report.events;
        self.broken.get_or_insert(Broken {
            invariant,
            found,
            event,
        });
    }

    fn message_of(&mut self, frame: &[u8]) -> Option<Message> {
        let length = Message::frame_length(frame.get(..4)?.try_into().ok()?).ok()?;
        let body = frame.get(4..)?;
        (length == body.len()).then(|| Message::decode(body).ok())?
    }
}
