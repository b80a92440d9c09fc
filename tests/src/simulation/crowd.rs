//! A crowd: very many honest nodes on even, lossy links, and how long news and healing take.
//!
//! The machines are those of the [simulation](super); invariants are left to it. There is no gossip
//! here: everything goes by sync, link by link.

use super::{
    Broken, Log, Report, Simulation, Size,
    links::{self, Paths},
    queue::Event,
};
use comity_node::pending::Source;
use std::collections::BTreeSet;

/// A crowd, and the net between.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Nodes, a multiple of five: there are five parties.
    pub nodes: usize,
    /// Others that each node calls.
    pub chords: usize,
    /// Milliseconds from one end of a link to the other.
    pub one_way_ms: u64,
    /// Frames of a hundred that are lost once, and again.
    pub loss_percent: usize,
    /// Milliseconds until what was lost is sent again.
    pub again_ms: u64,
    /// Contributions that are published at once.
    pub news: usize,
    /// Contributions that are published on each side while the net is in two parts.
    pub apart: usize,
}

/// How long it took, on the virtual clock.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Longest of the shortest ways, in links.
    pub diameter: usize,
    /// Milliseconds for one round trip over one link, without loss.
    pub round_trip_ms: u64,
    /// From publishing until all nodes have all.
    pub news_ms: u64,
    /// From the first link between the two parts until all nodes have all.
    pub healed_ms: u64,
    /// What happened.
    pub report: Report,
}

impl Times {
    /// Milliseconds in round trips over the diameter.
    pub fn in_diameters(&self, ms: u64) -> f64 {
        ms as f64 / (self.diameter as u64 * self.round_trip_ms) as f64
    }
}

/// Milliseconds until everything must be equal.
const PATIENCE_MS: u64 = 1_200_000;
/// Milliseconds between two ticks of a node, as real nodes have them.
const TICK_EVERY_MS: u64 = 1_000;
const SECOND_MS: u64 = 1_000;

impl Crowd {
    /// A run of a seed.
    ///
    /// # Errors
    /// [`Broken`] says who does not get what, or who calls an honest peer a liar.
    pub fn run(self, seed: u64) -> Result<Times, Broken> {
        let size = Size {
            parties: 5,
            nodes: self.nodes / 5,
            deeds: 0,
            restricted: 0,
        };
        let paths = Paths::Even {
            chords: self.chords,
            one_way_ms: self.one_way_ms,
            loss_percent: self.loss_percent,
            again_ms: self.again_ms,
        };
        let mut net = Simulation::with(seed, size, paths, Log::Off, None);
        let count = net.nodes.len();
        let Some(diameter) = links::diameter(&net.links, count) else {
            let what = "the net of this seed is in parts: call more others".to_owned();
            return Err(unequal(&net, what));
        };
        net.begin_crowd();
        net.until_equal()?;

        let began = net.now_ms + SECOND_MS;
        net.run_until(began);
        net.publish_at(|_| true, self.news);
        net.until_equal()?;
        let news_ms = net.now_ms - began;

        for (node, side) in net.sides.iter_mut().enumerate() {
            *side = node % 2;
        }
        net.cut_links();
        net.run_until(net.now_ms + SECOND_MS);
        net.publish_at(|node| node % 2 == 0, self.apart);
        net.publish_at(|node| node % 2 == 1, self.apart);
        net.run_until(net.now_ms + 60 * SECOND_MS);
        net.sides.fill(0);
        let healed = net.now_ms;
        for link in 0..net.links.len() {
            net.connect(link);
        }
        net.settle();
        net.until_equal()?;
        Ok(Times {
            diameter,
            round_trip_ms: 2 * self.one_way_ms,
            news_ms,
            healed_ms: net.now_ms - healed,
            report: net.report,
        })
    }
}

fn unequal(net: &Simulation, found: String) -> Broken {
    Broken {
        invariant: "sets_equal_after_healing",
        found,
        event: net.report.events,
    }
}

impl Simulation {
    fn begin_crowd(&mut self) {
        for link in 0..self.links.len() {
            let at = self.random.below(SECOND_MS as usize) as u64;
            self.queue.add(at, Event::Connect { link });
        }
        for node in 0..self.nodes.len() {
            let at = self.random.below(TICK_EVERY_MS as usize) as u64;
            self.queue.add(at, Event::Tick { node });
        }
        self.queue.add(10, Event::Found);
    }

    /// One event of a crowd; gives the node that it happened at.
    fn step_crowd(&mut self, event: Event) -> Option<usize> {
        self.report.events += 1;
        let node = self.touched(&event);
        match event {
            Event::Tick { node } => {
                self.tick(node);
                let at = self.now_ms + TICK_EVERY_MS;
                self.queue.add(at, Event::Tick { node });
                self.settle();
            }
            other => {
                let mut line = super::Step::new(self.report.events, self.now_ms, &other, node);
                self.happen(other, &mut line);
            }
        }
        node
    }

    fn run_until(&mut self, ms: u64) {
        while let Some((at_ms, event)) = self.queue.next() {
            if at_ms > ms {
                self.queue.add(at_ms, event);
                break;
            }
            self.now_ms = at_ms;
            self.step_crowd(event);
        }
        self.now_ms = ms;
    }

    /// Runs until every node holds everything that was signed so far.
    fn until_equal(&mut self) -> Result<(), Broken> {
        let all = self.world.entries.len() as u64;
        let began = self.now_ms;
        let mut behind: BTreeSet<usize> = (0..self.nodes.len()).collect();
        behind.retain(|it| self.held(*it) < all);
        while !behind.is_empty() {
            if self.now_ms > began + PATIENCE_MS {
                let example = behind.first().map_or(0, |it| self.held(*it));
                let what = format!(
                    "{} nodes lack some of {all}, one has {example}",
                    behind.len()
                );
                return Err(unequal(self, what));
            }
            let (at_ms, event) = self.queue.next().expect("ticks go on");
            self.now_ms = at_ms;
            if let Some(node) = self.step_crowd(event)
                && self.held(node) >= all
            {
                behind.remove(&node);
            }
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
        }
        let sets = self.nodes[0].replica().sets();
        match self.nodes.iter().position(|it| it.replica().sets() != sets) {
            None => Ok(()),
            Some(node) => Err(unequal(
                self,
                format!("nodes 0 and {node} hold other things"),
            )),
        }
    }

    /// How many entries a node holds.
    fn held(&self, node: usize) -> u64 {
        let sets = self.nodes[node].replica().sets();
        sets.values().map(|(_, count)| count).sum()
    }

    /// People publish so many contributions at nodes of a sort.
    fn publish_at(&mut self, sort: impl Fn(usize) -> bool, count: usize) {
        let nodes: Vec<usize> = (0..self.nodes.len()).filter(|it| sort(*it)).collect();
        for _ in 0..count {
            let node = nodes[self.random.below(nodes.len())];
            let entry = self.world.publish(&mut self.random).encode();
            let outcomes = self.nodes[node].replica().take(&[entry], &Source::Local);
            self.report.acknowledged += outcomes.len();
            self.hear(node);
        }
        self.settle();
    }
}
