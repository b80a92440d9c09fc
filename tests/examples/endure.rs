//! Many real processes, some of which die all the time, under load.
//!
//! `endure --nodes 20 --minutes 10 --deaths 2 --rate 40`: each node is a process of its own, on
//! loopback and on the same disk. One person a node publishes there; together they publish so many
//! contributions a second. Each minute so many nodes are killed (SIGKILL) and started again some
//! seconds later. What a dead node did not acknowledge is handed in again. In the end all nodes must
//! hold the same, and every one of them everything that any acknowledged. Prints figures as JSON
//! lines and as a table; exit code 1 if one misses its target.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for tests should fail where it stands"
)]

use comity_client::{
    Client, Transport,
    types::{Connect, EntryResult, Submit},
};
use comity_node::node::{Node, NodeOptions};
use comity_protocol::{entry::Entry, id::CommunityId, id::SpaceId};
use comity_tests::{
    arguments,
    community::{Community, Signer, topic},
    figures::{Figures, Target},
    nodes::{Stopped, base64, encoded},
    random::Random,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::{interval, sleep};

const USAGE: &str =
    "endure [--nodes N] [--minutes N] [--deaths PER_MINUTE] [--rate PER_SECOND] [--seed N]";
/// The first word of the processes that are nodes.
const AS_NODE: &str = "--as-node";
/// Others that each node is told of in the beginning.
const FRIENDS: usize = 3;
const LOOK_EVERY: Duration = Duration::from_millis(100);
const START_PATIENCE: Duration = Duration::from_secs(60);
const CONVERGE_PATIENCE: Duration = Duration::from_secs(600);
/// Looks in a row at which all must be equal: receipts come a moment after what they receipt.
const EQUAL_LOOKS: usize = 30;
/// Entries that a node is asked about at once.
const ASK: usize = 500;

#[derive(Clone, Copy)]
struct Asked {
    nodes: usize,
    minutes: f64,
    deaths: usize,
    rate: u64,
    seed: u64,
}

/// A node: its process, its home, the way to it.
struct Member {
    home: TempDir,
    listen: String,
    process: Option<Child>,
    client: Client,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if words.next().as_deref() == Some(AS_NODE) {
        let (home, listen) = (words.next().unwrap(), words.next().unwrap());
        runtime.block_on(serve(home.into(), listen));
        return ExitCode::SUCCESS;
    }
    let asked = match asked() {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    let figures = runtime.block_on(run(asked));
    figures.print();
    ExitCode::from(u8::from(!figures.hold()))
}

fn asked() -> Result<Asked, ExitCode> {
    let mut asked = Asked {
        nodes: 20,
        minutes: 10.0,
        deaths: 2,
        rate: 40,
        seed: 1,
    };
    arguments::read(USAGE, |given| {
        match given.word() {
            "--nodes" => asked.nodes = given.number::<usize>()?.max(1),
            "--minutes" => asked.minutes = given.number()?,
            "--deaths" => asked.deaths = given.number()?,
            "--rate" => asked.rate = given.number::<u64>()?.max(1),
            "--seed" => asked.seed = given.number()?,
            _ => return given.unknown(),
        }
        Ok(())
    })?;
    Ok(asked)
}

/// A node's own process.
async fn serve(home: PathBuf, listen: String) {
    let options = NodeOptions {
        home,
        listen: vec![listen],
        network: true,
        gossip: true,
        public: false,
    };
    Node::open(options).await.unwrap().serve().await.unwrap();
}

impl Member {
    fn start(&mut self) {
        let program = std::env::current_exe().unwrap();
        let log = self.home.path().join("stderr.txt");
        let log = fs::File::options().create(true).append(true).open(log);
        let started = Command::new(program)
            .arg(AS_NODE)
            .arg(self.home.path())
            .arg(&self.listen)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn();
        self.process = Some(started.unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    async fn answers(&self) {
        let began = Instant::now();
        while self.client.status().await.is_err() {
            assert!(began.elapsed() < START_PATIENCE, "a node did not start");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Largest resident set so far, in megabytes; none while the process is down.
    fn peak_rss_mb(&self) -> Option<f64> {
        let pid = self.process.as_ref()?.id();
        let status =
            fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Ids and roots of what everybody may read.
    async fn roots(&self) -> Option<Vec<(String, String, u64)>> {
        let status = self.client.sync_status(None).await.ok()?;
        let spaces = status.spaces.into_iter();
        let mut roots: Vec<_> = spaces.map(|it| (it.id, it.root, it.entries)).collect();
        roots.sort();
        (status.pending == 0).then_some(roots)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn run(asked: Asked) -> Figures {
    let mut figures = Figures::default();
    let (community, mut members, writers) = gather(asked).await;
    let stop = Arc::new(AtomicBool::new(false));
    let space = community.space("public");
    let pause = Duration::from_secs_f64(asked.nodes as f64 / asked.rate as f64);
    let writing: Vec<_> = writers
        .into_iter()
        .zip(&members)
        .map(|(writer, member)| {
            let desk = Desk {
                socket: member.home.path().join("node.sock"),
                community: community.id,
                space,
                pause,
            };
            tokio::spawn(desk.write(writer, stop.clone()))
        })
        .collect();
    let (deaths, peak_mb) = trouble(&mut members, asked).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for it in writing {
        acknowledged.extend(it.await.unwrap());
    }
    let began = Instant::now();
    let converged = converge(&members).await;
    figures.add("processes", asked.nodes as f64, "", Target::None);
    figures.add("deaths", deaths as f64, "", Target::None);
    figures.add("acknowledged", acknowledged.len() as f64, "", Target::None);
    figures.add(
        "resident set, most of any node",
        peak_mb,
        "MB",
        Target::None,
    );
    let differing = f64::from(u8::from(!converged));
    figures.add("nodes that differ", differing, "", Target::AtMost(0.0));
    let waited = began.elapsed().as_secs_f64();
    figures.add("until all were equal", waited, "s", Target::None);
    let lost = lost(&members, &community, &acknowledged).await;
    figures.add(
        "acknowledged and lost",
        lost as f64,
        "",
        Target::AtMost(0.0),
    );
    figures
}

/// Nodes as processes, one community, a writer for each node.
async fn gather(asked: Asked) -> (Community, Vec<Member>, Vec<Signer>) {
    let mut keys = Vec::new();
    let mut members = Vec::new();
    for _ in 0..asked.nodes {
        let home = tempfile::tempdir().unwrap();
        let port = comity_tests::stories::actor::free_port();
        let stopped = Stopped::new(false).start().await;
        keys.push(stopped.node.key());
        let made = stopped.home().join("node.key");
        fs::copy(made, home.path().join("node.key")).unwrap();
        stopped.stop().await;
        let client = Client::new(Transport::Socket(home.path().join("node.sock")));
        let listen = format!("/ip4/127.0.0.1/tcp/{port}");
        let mut member = Member {
            home,
            listen,
            process: None,
            client,
        };
        member.start();
        members.push(member);
    }
    let mut community = Community::found("Endure", &keys);
    let writers: Vec<Signer> = (0..asked.nodes)
        .map(|it| community.member(&format!("writer {it}")).device)
        .collect();
    let records: Vec<String> = community.records().iter().map(|it| base64(it)).collect();
    let mut random = Random::new(asked.seed);
    let mut addresses = Vec::new();
    for it in &members {
        it.answers().await;
        let request = comity_client::types::TrackCommunity {
            community: community.id.to_string(),
            entries: records.clone(),
        };
        it.client.track(&request).await.unwrap();
        addresses.push(it.client.status().await.unwrap().listening[0].clone());
    }
    for (at, it) in members.iter().enumerate().skip(1) {
        for _ in 0..FRIENDS {
            let address = addresses[random.below(at)].clone();
            it.client.connect(&Connect { address }).await.unwrap();
        }
    }
    (community, members, writers)
}

/// Where one person works.
struct Desk {
    socket: PathBuf,
    community: CommunityId,
    space: SpaceId,
    pause: Duration,
}

impl Desk {
    /// Publishes until told to stop; gives what was acknowledged.
    async fn write(self, mut writer: Signer, stop: Arc<AtomicBool>) -> Vec<Entry> {
        let client = Client::new(Transport::Socket(self.socket));
        let (mut acknowledged, mut number) = (Vec::new(), 0);
        let mut pace = interval(self.pause);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.load(Ordering::Relaxed) {
            pace.tick().await;
            number += 1;
            let words = format!("It is the {number}. word of this writer, and not the last.");
            let entry = writer.create(self.space, &topic("Still here", &words));
            let request = Submit {
                community: self.community.to_string(),
                entries: encoded(std::slice::from_ref(&entry)),
            };
            // Nobody knows what became of it when the node died: it is handed in again.
            loop {
                match client.submit(&request).await {
                    Ok(answer) if answer.results.iter().all(is_here) => break,
                    Ok(answer) => panic!("{:?}", answer.results),
                    Err(_) => sleep(LOOK_EVERY).await,
                }
            }
            acknowledged.push(entry);
        }
        acknowledged
    }
}

fn is_here(result: &EntryResult) -> bool {
    matches!(result.state.as_str(), "saved" | "already_present")
}

/// Kills and starts nodes again until the time is over; gives the number of deaths, and the largest
/// resident set that was seen.
async fn trouble(members: &mut [Member], asked: Asked) -> (usize, f64) {
    let mut random = Random::new(asked.seed + 1);
    let (began, mut deaths, mut peak_mb) = (Instant::now(), 0, 0_f64);
    let whole = Duration::from_secs_f64(asked.minutes * 60.0);
    let mut minute = 0;
    while began.elapsed() < whole {
        let mut victims = BTreeSet::new();
        while victims.len() < asked.deaths.min(members.len()) {
            victims.insert(random.below(members.len()));
        }
        // Each has its share of the minute; the last share is calm.
        let share = Duration::from_secs(60) / (asked.deaths as u32 + 1);
        for victim in victims {
            sleep(Duration::from_millis(
                random.below(share.as_millis() as usize / 2) as u64,
            ))
            .await;
            let rss = members.iter().filter_map(Member::peak_rss_mb);
            peak_mb = rss.fold(peak_mb, f64::max);
            members[victim].kill();
            deaths += 1;
            sleep(Duration::from_millis(1_000 + random.below(9_000) as u64)).await;
            members[victim].start();
            members[victim].answers().await;
        }
        minute += 1;
        let end = (Duration::from_secs(60) * minute).min(whole);
        sleep(end.saturating_sub(began.elapsed())).await;
        eprintln!("minute {minute}: {deaths} deaths, {peak_mb:.0} MB");
    }
    let rss = members.iter().filter_map(Member::peak_rss_mb);
    (deaths, rss.fold(peak_mb, f64::max))
}

/// Waits until all nodes hold the same, and stay so; whether they came to that.
async fn converge(members: &[Member]) -> bool {
    let (began, mut equal) = (Instant::now(), 0);
    while began.elapsed() < CONVERGE_PATIENCE {
        let mut all = Vec::new();
        for it in members {
            all.push(it.roots().await);
        }
        let same = all.iter().all(|it| it.is_some() && *it == all[0]);
        equal = if same { equal + 1 } else { 0 };
        if equal == EQUAL_LOOKS {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
}

/// How many acknowledged entries are missing, over all nodes.
async fn lost(members: &[Member], community: &Community, acknowledged: &[Entry]) -> usize {
    let mut lost = 0;
    for it in members {
        for some in acknowledged.chunks(ASK) {
            let request = Submit {
                community: community.id.to_string(),
                entries: encoded(some),
            };
            // Whoever has it says so; whoever does not takes it in only now.
            let results = it.client.submit(&request).await.unwrap().results;
            lost += results
                .iter()
                .filter(|it| it.state != "already_present")
                .count();
        }
    }
    lost
}
