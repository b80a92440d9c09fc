//! A community of many nodes under a virtual clock: delays, partitions, losses and lying peers, all
//! of it decided by a seed.
//!
//! Everything that matters is real: entries, the way in, stores, sets, the machines of sync sessions
//! and their frames. Only time, links and the driver that carries effects out are made here. One
//! thread, one queue of events: a seed always runs alike, so a failing one can be stepped through.

mod carry;
pub mod crowd;
mod fault;
mod invariants;
mod links;
mod log;
mod malice;
mod nodes;
mod people;
mod queue;
mod rules;
mod shared;

use crate::{
    histories::{Shape, World},
    random::Random,
};
use comity_protocol::{
    certificate::governance_space,
    id::SpaceId,
    sync::{Message, session::Input},
};
pub use fault::Fault;
pub use invariants::INVARIANTS;
use links::{Link, Paths};
pub use log::{Log, Step, record, seed_of};
use malice::Malice;
use nodes::Node;
use queue::{Event, Queue};
use shared::Shared;
use std::{
    cell::RefCell,
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
    /// Restricted spaces that people declare.
    pub restricted: usize,
}

impl Size {
    /// Fifty nodes of five parties.
    pub const FULL: Self = Self {
        parties: 5,
        nodes: 10,
        deeds: 120,
        restricted: 4,
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
    /// Entries in effect at the end in restricted spaces, where most are.
    pub restricted: u64,
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
    paths: Paths,
    healed: bool,
    /// Inputs that sessions are still to handle before the next event.
    work: VecDeque<(usize, usize, Input)>,
    peers: u64,
    /// Who could ever hold which restricted space, and after how many entries that was found.
    ever: RefCell<BTreeMap<(usize, SpaceId), (usize, bool)>>,
    fault: Option<Fault>,
    /// The only invariant that is looked at, if there is a fault.
    awaited: Option<&'static str>,
    report: Report,
    broken: Option<Broken>,
    log: Log,
}

impl Simulation {
    /// The run of a seed.
    pub fn new(seed: u64, size: Size, log: Log) -> Self {
        let mut simulation = Self::with(seed, size, Paths::Wild, log, None);
        simulation.plan();
        simulation
    }

    /// The run of a seed with a fault, which ends where this invariant does not hold: no other is
    /// looked at.
    pub fn broken_by(seed: u64, size: Size, fault: Fault, invariant: &'static str) -> Self {
        let mut simulation = Self::with(seed, size, Paths::Wild, Log::Off, Some(fault));
        simulation.plan();
        simulation.awaited = Some(invariant);
        simulation
    }

    fn with(seed: u64, size: Size, paths: Paths, log: Log, fault: Option<Fault>) -> Self {
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
        liars.truncate(match paths {
            Paths::Wild => count / 10,
            Paths::Even { .. } => 0,
        });
        let shared = Arc::new(Shared::new(fault));
        let nodes: Vec<Node> = (0..count)
            .map(|number| {
                let malice = liars.iter().position(|it| *it == number);
                let key = world.nodes[number].public();
                let malice = malice.map(|it| Malice::of_number(it + seed as usize));
                Node::new(key, world.id, malice, &shared)
            })
            .collect();
        Self {
            links: match paths {
                Paths::Wild => links::overlay(&nodes, size, &mut random),
                Paths::Even { chords, .. } => links::chords(count, chords, &mut random),
            },
            paths,
            sides: vec![0; count],
            queue: Queue::default(),
            now_ms: 0,
            healed: false,
            work: VecDeque::new(),
            peers: 0,
            ever: RefCell::default(),
            fault,
            awaited: None,
            report: Report::default(),
            broken: None,
            random,
            size,
            governance: governance_space(world.id),
            world,
            shared,
            nodes,
            log,
        }
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
        for _ in 0..self.size.restricted {
            let when = 3_000 + self.random.below(at as usize / 2) as u64;
            self.queue.add(when, Event::Declare);
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
            Event::Declare => self.declare(line),
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

    fn lose(&mut self, node: usize) {
        if self.nodes[node].is_up() {
            self.hang_up_all(node);
            self.nodes[node].lose(self.fault);
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

    fn broken(&mut self, invariant: &'static str, found: String) {
        debug_assert!(INVARIANTS.contains(&invariant), "{invariant}");
        if self.awaited.is_some_and(|it| it != invariant) {
            return;
        }
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
