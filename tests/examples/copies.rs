//! Counts how many copies of each new contribution reach a node, in a community of many nodes.
//!
//! `copies --nodes 50 --contributions 100`: real nodes in this process over loopback, each connected
//! to some 24 others, which is what nodes strive for. Nodes in turn take in contributions, one
//! every `--every-ms` (default 50), and what comes to each node is watched below all protocols. A
//! copy that came by gossip counts like one that came by sync. Prints figures as JSON lines and as a
//! table; exit code 1 if one misses its target.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for tests should fail where it stands"
)]

use comity_protocol::entry::Entry;
use comity_tests::{
    arguments,
    community::{Community, Person, topic},
    figures::{Figures, Target},
    nodes::{Stopped, TestNode},
    random::Random,
    sightings::{Sightings, mark},
};
use std::{
    collections::BTreeSet,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::time::{interval, sleep};

const USAGE: &str = "copies [--nodes N] [--contributions N] [--every-ms N] [--bytes N] [--calls N]";
/// Copies that a node receives of one contribution, on average.
const COPIES_MAX: f64 = 2.5;
const LOOK_EVERY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(300);

struct Asked {
    nodes: usize,
    contributions: u32,
    every_ms: u64,
    bytes: usize,
    /// Others that each node calls.
    calls: usize,
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let figures = runtime.block_on(run(&asked));
    figures.print();
    ExitCode::from(u8::from(!figures.hold()))
}

fn asked() -> Result<Asked, ExitCode> {
    let mut asked = Asked {
        nodes: 50,
        contributions: 100,
        every_ms: 50,
        bytes: 200,
        calls: 12,
    };
    arguments::read(USAGE, |given| {
        match given.word() {
            "--nodes" => asked.nodes = given.number()?,
            "--contributions" => asked.contributions = given.number()?,
            "--every-ms" => asked.every_ms = given.number::<u64>()?.max(1),
            "--calls" => asked.calls = given.number()?,
            "--bytes" => asked.bytes = given.number()?,
            _ => return given.unknown(),
        }
        Ok(())
    })?;
    Ok(asked)
}

struct Watched {
    node: TestNode,
    sightings: Sightings,
}

async fn run(asked: &Asked) -> Figures {
    let mut figures = Figures::default();
    let (community, nodes, mut member) = gather(asked.nodes, asked.calls).await;
    let links: usize = connected(&nodes).await;
    let per_node = links as f64 / nodes.len() as f64;
    figures.add("peers per node", per_node, "", Target::None);

    let public = community.space("public");
    let began = Instant::now();
    let mut pace = interval(Duration::from_millis(asked.every_ms));
    let writers: Vec<usize> = (0..asked.contributions as usize)
        .map(|number| number % nodes.len())
        .collect();
    for (number, writer) in (0..asked.contributions).zip(&writers) {
        pace.tick().await;
        let body = format!("{}{}", mark(number), "x".repeat(asked.bytes));
        let entry: Entry = member.device.create(public, &topic("Copies", &body));
        nodes[*writer].node.submit(community.id, &[entry]).await;
    }
    seen_everywhere(&nodes, &writers).await;
    figures.add(
        "seconds until all nodes have all",
        began.elapsed().as_secs_f64(),
        "s",
        Target::None,
    );
    // What is still under way is counted, too.
    sleep(Duration::from_secs(3)).await;
    tell(&nodes, &writers, &mut figures);
    for it in nodes {
        it.node.stop().await;
    }
    figures
}

fn tell(nodes: &[Watched], writers: &[usize], figures: &mut Figures) {
    let mut counts: Vec<u32> = Vec::new();
    for (number, writer) in (0_u32..).zip(writers) {
        for (at, node) in nodes.iter().enumerate() {
            if at != *writer {
                counts.push(node.sightings.of(number));
            }
        }
    }
    counts.sort_unstable();
    let sum: u32 = counts.iter().sum();
    let mean = f64::from(sum) / counts.len() as f64;
    let at = |share: f64| f64::from(counts[((counts.len() - 1) as f64 * share) as usize]);
    figures.add("copies per node", mean, "", Target::AtMost(COPIES_MAX));
    figures.add("copies per node, p99", at(0.99), "", Target::None);
    figures.add("copies per node, most", at(1.0), "", Target::None);
    let own: u32 = (0_u32..)
        .zip(writers)
        .map(|(number, writer)| nodes[*writer].sightings.of(number))
        .sum();
    let own = f64::from(own) / writers.len() as f64;
    figures.add("copies that come back to the writer", own, "", Target::None);
}

/// Nodes of one community, each of which calls so many others.
async fn gather(count: usize, calls: usize) -> (Community, Vec<Watched>, Person) {
    let mut nodes = Vec::new();
    for _ in 0..count {
        let sightings = Sightings::default();
        let node = Stopped::new(true).tapped_by(sightings.tap()).start().await;
        nodes.push(Watched { node, sightings });
    }
    let keys: Vec<_> = nodes.iter().map(|it| it.node.node.key()).collect();
    let mut community = Community::found("Copies", &keys);
    let member = community.member("writer");
    for it in &nodes {
        it.node.take_part(&community).await;
    }
    let mut random = Random::new(1);
    let mut pairs = BTreeSet::new();
    for at in 0..count {
        for _ in 0..calls.min(count - 1) {
            let other = random.below(count);
            if other != at && pairs.insert((at.min(other), at.max(other))) {
                nodes[at].node.connect(&nodes[other].node).await;
            }
        }
    }
    (community, nodes, member)
}

/// Waits until the nodes have found each other: no new connections for five seconds. Returns the number of ends.
async fn connected(nodes: &[Watched]) -> usize {
    let began = Instant::now();
    let (mut before, mut since) = (0, Instant::now());
    loop {
        let mut ends = 0;
        for it in nodes {
            let status = it.node.client.sync_status(None).await.unwrap();
            ends += status.peers.len();
        }
        if ends != before {
            (before, since) = (ends, Instant::now());
        }
        if since.elapsed() > Duration::from_secs(5) {
            return ends;
        }
        assert!(began.elapsed() < PATIENCE, "{ends} ends and no rest");
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until every mark has come to every node but the one that wrote it.
async fn seen_everywhere(nodes: &[Watched], writers: &[usize]) {
    let began = Instant::now();
    loop {
        let unseen = |at: usize, it: &Watched| {
            let others = (0_u32..).zip(writers).filter(|(_, writer)| **writer != at);
            others
                .filter(|(number, _)| it.sightings.of(*number) == 0)
                .count()
        };
        let missing: usize = nodes
            .iter()
            .enumerate()
            .map(|(at, it)| unseen(at, it))
            .sum();
        if missing == 0 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{missing} never came");
        sleep(LOOK_EVERY).await;
    }
}
