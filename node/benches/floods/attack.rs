//! Ten hostile peers, each with a name of its own, that do one thing without end until they are cut off.

use crate::victim::COMMUNITY;
use comity_net::{
    Config, Event, GossipGroup, Multiaddr, Network, NodeSeed, PeerId, PeerStream, StreamProtocol,
};
use comity_protocol::{
    access::Hello,
    entry::Entry,
    id::{GovernanceDigest, SpaceId, digest},
    key::{PublicKey, SecretKey},
    sync::{Message, TrieHash, message::SpaceRoot},
};
use comity_tests::{
    community::{Community, Person, topic},
    stranger::now_ms,
};
use std::{
    io::{self, BufRead},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::yield_now, time::sleep};

pub(crate) const PEERS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);
const LISTENS: Duration = Duration::from_millis(50);
const PROTOCOLS: [&str; 5] = [
    "/comity/hello/1",
    "/comity/join/1",
    "/comity/link/1",
    "/comity/addresses/1",
    "/comity/sync/1",
];

/// A flood, and whether going on with it has its peers shut out: what an honest peer might do in other
/// numbers is only slowed down.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) is_cut_off: bool,
}

const fn kind(name: &'static str, is_cut_off: bool) -> Kind {
    Kind { name, is_cut_off }
}

pub(crate) const KINDS: [Kind; 9] = [
    kind("handshakes", false),
    kind("reconnecting", false),
    kind("hellos", true),
    kind("joins", true),
    kind("broken frames", true),
    kind("many roots", false),
    kind("entries again", false),
    kind("forged gossip", true),
    kind("unauthorized gossip", false),
];

struct Attacker {
    network: Network,
    victim: PeerId,
    address: Multiaddr,
    key: PublicKey,
    node: PublicKey,
    community: Community,
    eve: Person,
}

pub(crate) fn run(kind: &str, address: &str, key: &str) {
    let cut_off: Arc<Mutex<Vec<u64>>> = Arc::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for number in 0..PEERS {
        let (kind, address) = (kind.to_owned(), address.parse().unwrap());
        let (node, cut_off) = (key.parse().unwrap(), cut_off.clone());
        runtime.spawn(async move {
            if kind == "nothing" {
                loop {
                    yield_now().await;
                }
            }
            let attacker = Attacker::new(number, address, node, cut_off).await;
            attacker.flood(&kind).await;
        });
    }
    println!("ready");
    for _ in io::stdin().lock().lines() {
        let mut cut_off = cut_off.lock().unwrap().clone();
        cut_off.sort_unstable();
        println!(
            "{}",
            serde_json::json!({"first_ms": cut_off.first(), "last_ms": cut_off.last()})
        );
    }
}

impl Attacker {
    async fn new(
        number: usize,
        address: Multiaddr,
        node: PublicKey,
        cut_off: Arc<Mutex<Vec<u64>>>,
    ) -> Self {
        let text = address.to_string();
        let victim: PeerId = text.rsplit('/').next().unwrap().parse().unwrap();
        // Whoever has the lower peer id opens hello and sync, so these have.
        let (mut attempt, began) = (0_usize, Instant::now());
        let (network, mut events, key) = loop {
            let name = [number.to_be_bytes(), attempt.to_be_bytes()];
            let seed = digest(b"floods", &[&name[0], &name[1]]);
            let protocols = PROTOCOLS.map(StreamProtocol::new).to_vec();
            let (network, events) =
                Network::start(Config::new(NodeSeed::new(seed), protocols)).unwrap();
            if network.peer_id() < victim {
                break (network, events, SecretKey::from_seed(&seed).public());
            }
            attempt += 1;
        };
        tokio::spawn(async move {
            let mut told = false;
            while let Some(event) = events.recv().await {
                if let Event::Disconnected { .. } = event
                    && !std::mem::replace(&mut told, true)
                {
                    let ms = u64::try_from(began.elapsed().as_millis()).unwrap();
                    cut_off.lock().unwrap().push(ms);
                }
            }
        });
        Self {
            network,
            victim,
            address,
            key,
            node,
            community: Community::found(COMMUNITY, &[node]),
            eve: Person::new(&format!("eve {number}")),
        }
    }

    async fn connect(&self) -> bool {
        self.network.dial(self.address.clone()).await.is_ok()
    }

    async fn open(&self, protocol: &'static str) -> Option<PeerStream> {
        let protocol = StreamProtocol::new(protocol);
        let opening = self.network.open_stream(self.victim, protocol, PATIENCE);
        opening.await.ok()
    }

    async fn say(&self, protocol: &'static str, frames: &[&[u8]]) -> bool {
        let Some(stream) = self.open(protocol).await else {
            return false;
        };
        let (mut reader, mut writer) = stream.into_frames(1 << 20);
        for frame in frames {
            if writer.write(frame, PATIENCE).await.is_err() {
                break;
            }
        }
        // Until the victim has had enough, or has no more to say for now.
        while let Ok(Some(_)) = reader.read(LISTENS).await {}
        true
    }

    fn hello(&self) -> Vec<u8> {
        let nothing = GovernanceDigest::from_bytes([0; 32]);
        let seed = digest(b"hello of a flood", &[&now_ms().to_be_bytes()]);
        let communities = [(self.community.id, nothing)];
        Hello::new(now_ms(), [&self.key, &self.node], &communities, &seed).encode()
    }

    async fn greet(&self) {
        if let Some(stream) = self.open(PROTOCOLS[0]).await {
            let (mut reader, mut writer) = stream.into_frames(1 << 16);
            // Whether it was heard shows in what follows.
            let _ = writer.write(&self.hello(), PATIENCE).await;
            let _ = reader.read(PATIENCE).await;
        }
    }

    async fn flood(mut self, kind: &str) {
        match kind {
            "handshakes" => return self.handshakes().await,
            "reconnecting" => loop {
                self.connect().await;
                // An error means that there was no connection.
                let _ = self.network.disconnect(self.victim).await;
            },
            _ => {}
        }
        loop {
            if !self.connect().await {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            self.greet().await;
            self.while_connected(kind).await;
        }
    }

    async fn handshakes(&self) {
        let text = self.address.to_string();
        let parts: Vec<&str> = text.split('/').collect();
        let socket = format!("{}:{}", parts[2], parts[4]);
        let mut open = Vec::new();
        loop {
            if let Ok(stream) = TcpStream::connect(&socket).await {
                open.push(stream);
            }
            if open.len() > 50 {
                open.remove(0);
            }
            yield_now().await;
        }
    }

    async fn while_connected(&mut self, kind: &str) {
        let (hello, garbage) = (self.hello(), vec![0xff; 60_000]);
        let roots = Message::Roots((0..1_024_u64).map(root).collect()).encode();
        let unasked = self.unasked();
        for number in 0_u64.. {
            let goes_on = match kind {
                "hellos" => self.say(PROTOCOLS[0], &[&hello]).await,
                "joins" => self.say(PROTOCOLS[1], &[&garbage]).await,
                "broken frames" => self.say(PROTOCOLS[4], &[&garbage]).await,
                "many roots" => self.say(PROTOCOLS[4], &vec![&roots[..]; 1_000]).await,
                "entries again" => self.say(PROTOCOLS[4], &vec![&unasked[..]; 64]).await,
                _ => self.gossip(kind == "forged gossip", number).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn unasked(&mut self) -> Vec<u8> {
        let space = self.community.governance();
        let entries = self.community.records().clone();
        let round = 0;
        Message::Entries {
            space,
            round,
            entries,
        }
        .encode()
    }

    async fn gossip(&mut self, is_forged: bool, number: u64) -> bool {
        let group = GossipGroup::new(*self.community.id.as_bytes());
        let admitted = self.network.admit_to_gossip(self.victim, [group].into());
        if !matches!(admitted.await, Ok(true)) {
            return false;
        }
        let space = self.community.space("public");
        let entry = self
            .eve
            .device
            .create(space, &topic(&format!("Flood {number}"), "x"));
        let mut bytes = entry.encode();
        if is_forged {
            // The signature stands somewhere in the second half; what is hit breaks it or a digest.
            let at = forged_at(&bytes);
            bytes[at] ^= 1;
        }
        // Nobody may listen yet, or the queue may be full.
        let topic = format!("comity/1/{space}");
        if self.network.publish(group, topic, bytes).await.is_err() {
            sleep(Duration::from_millis(2)).await;
        }
        true
    }
}

/// A byte that decoding does not look at: one that leaves an entry which is not verified.
fn forged_at(bytes: &[u8]) -> usize {
    let breaks = |at: &usize| {
        let mut changed = bytes.to_vec();
        changed[*at] ^= 1;
        Entry::decode(&changed).is_ok_and(|it| comity_protocol::entry::Verified::check(it).is_err())
    };
    (0..bytes.len()).rev().find(breaks).expect("a signature")
}

fn root(number: u64) -> SpaceRoot {
    let mut space = [0; 32];
    space[..8].copy_from_slice(&number.to_be_bytes());
    SpaceRoot {
        space: SpaceId::from_bytes(space),
        root: TrieHash::from_bytes([7; 32]),
        count: 1,
        after: 0,
    }
}
