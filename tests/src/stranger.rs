//! A peer that speaks the wire protocols by hand, well or badly.

use crate::nodes::{POLL, TestNode, patiently};
use comity_net::{
    Config, Event, Events, FrameError, FrameReader, FrameWriter, GossipGroup, Network, NodeSeed,
    PeerId, PeerStream, StreamProtocol, error::PublishError,
};
use comity_protocol::{
    access::{AddressNews, Hello, JoinAnswer, LinkAnswer, NodeGrant},
    entry::Entry,
    id::{CommunityId, GovernanceDigest, SpaceId, digest},
    key::{PublicKey, SecretKey},
    sync::{
        Message,
        message::{ANNOUNCE_MAX, FRAME_MAX_BYTES},
    },
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{ReadHalf, WriteHalf};

const HELLO: &str = "/comity/hello/1";
const JOIN: &str = "/comity/join/1";
const LINK: &str = "/comity/link/1";
const ADDRESSES: &str = "/comity/addresses/1";
const SYNC: &str = "/comity/sync/1";
const WORDS: &str = "/comity/words/1";
const PATIENCE: Duration = Duration::from_secs(20);

/// Such a peer.
pub struct Stranger {
    /// Its side of the network.
    pub network: Network,
    /// What it hears.
    pub events: Events,
    key: PublicKey,
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// The frame that shows grants for a community.
pub fn grants(community: CommunityId, grants: &[NodeGrant]) -> Message {
    let grants = grants.iter().map(NodeGrant::shown).collect();
    Message::Grants { community, grants }
}

impl Stranger {
    /// A peer of this name that leads the conversation with a node, or follows: whoever has the
    /// lower peer id opens hello and sync.
    pub async fn meeting(node: &TestNode, name: &str, leads: bool) -> Self {
        let node_peer: PeerId = node.client.status().await.unwrap().peer_id.parse().unwrap();
        for attempt in 0_u64.. {
            let seed = digest(name.as_bytes(), &[&attempt.to_be_bytes()]);
            let protocols = [HELLO, JOIN, LINK, ADDRESSES, SYNC, WORDS]
                .map(StreamProtocol::new)
                .to_vec();
            let config = Config::new(NodeSeed::new(seed), protocols);
            let (network, events) = Network::start(config).unwrap();
            if (network.peer_id() < node_peer) == leads {
                let key = SecretKey::from_seed(&seed).public();
                let address = node.address().await.parse().unwrap();
                network.dial(address).await.unwrap();
                return Self {
                    network,
                    events,
                    key,
                };
            }
            network.shutdown().await;
        }
        unreachable!("every second key will do")
    }

    /// Its node key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    async fn open(&self, node: &TestNode, protocol: &'static str) -> PeerStream {
        let peer: PeerId = node.client.status().await.unwrap().peer_id.parse().unwrap();
        let protocol = StreamProtocol::new(protocol);
        let opened = self.network.open_stream(peer, protocol, PATIENCE).await;
        opened.unwrap()
    }

    async fn ask(&self, node: &TestNode, protocol: &'static str, bytes: &[u8]) -> Option<Vec<u8>> {
        let stream = self.open(node, protocol).await;
        let (mut reader, mut writer) = stream.into_frames(1 << 20);
        // A node may just hang up on what is broken, even before it has heard it all.
        let _ = writer.write(bytes, PATIENCE).await;
        reader.read(PATIENCE).await.ok().flatten()
    }

    /// A hello to a node, of one who takes part in these communities and knows nothing of them.
    pub fn hello_to(&self, node: &TestNode, communities: &[CommunityId]) -> Hello {
        let nothing = GovernanceDigest::from_bytes([0; 32]);
        let communities: Vec<_> = communities.iter().map(|id| (*id, nothing)).collect();
        let from_to = [&self.key, &node.node.key()];
        let seed = digest(b"hello of a stranger", &[&now_ms().to_be_bytes()]);
        Hello::new(now_ms(), from_to, &communities, &seed)
    }

    /// Says hello, naming these communities, and gives back the answer.
    pub async fn greet(&self, node: &TestNode, communities: &[CommunityId]) -> Hello {
        self.hello(node, &self.hello_to(node, communities)).await
    }

    /// Takes part in the gossip of a community with a node, as far as this side goes.
    pub async fn gossip(&self, node: &TestNode, community: CommunityId) -> GossipGroup {
        let peer: PeerId = node.client.status().await.unwrap().peer_id.parse().unwrap();
        let group = GossipGroup::new(*community.as_bytes());
        let admitted = self.network.admit_to_gossip(peer, [group].into()).await;
        assert!(admitted.unwrap());
        group
    }

    /// Publishes an entry as soon as somebody in the group listens to the topic of the space.
    pub async fn publish(&self, group: GossipGroup, space: SpaceId, entry: &Entry) {
        let topic = format!("comity/1/{space}");
        let publishing = async {
            loop {
                let published = self.network.publish(group, &topic, entry.encode());
                match published.await {
                    Err(PublishError::NoPeers) => tokio::time::sleep(POLL).await,
                    published => return published.unwrap(),
                }
            }
        };
        patiently("somebody to gossip with", publishing).await;
    }

    /// Says hello and gives back the answer.
    pub async fn hello(&self, node: &TestNode, hello: &Hello) -> Hello {
        let answer = self.ask(node, HELLO, &hello.encode()).await;
        Hello::decode(&answer.unwrap()).unwrap()
    }

    /// Sends any bytes as a hello; gives back the answer, if there is one.
    pub async fn hello_bytes(&self, node: &TestNode, bytes: &[u8]) -> Option<Vec<u8>> {
        self.ask(node, HELLO, bytes).await
    }

    /// Answers the hello that the node opens with this one.
    pub async fn answer_hello(&mut self, hello: &Hello) {
        let answering = async {
            loop {
                let event = self.events.recv().await.unwrap();
                let Event::IncomingStream {
                    protocol, stream, ..
                } = event
                else {
                    continue;
                };
                assert_eq!(protocol.as_ref(), HELLO);
                let (mut reader, mut writer) = stream.into_frames(1 << 20);
                let theirs = reader.read(PATIENCE).await.unwrap().unwrap();
                Hello::decode(&theirs).unwrap();
                writer.write(&hello.encode(), PATIENCE).await.unwrap();
                return;
            }
        };
        patiently("a hello", answering).await;
    }

    /// Sends any bytes as a join request.
    pub async fn join(&self, node: &TestNode, bytes: &[u8]) -> JoinAnswer {
        let answer = self.ask(node, JOIN, bytes).await;
        JoinAnswer::decode(&answer.unwrap()).unwrap()
    }

    /// Tells where nodes can be called; whether it got an answer, which says that it was heard.
    pub async fn tell_addresses(&self, node: &TestNode, news: &AddressNews) -> bool {
        let answer = self.ask(node, ADDRESSES, &news.encode()).await;
        answer.is_some()
    }

    /// Hands over any bytes as a request to link a device; gives back the answer, if there is one.
    pub async fn link(&self, node: &TestNode, bytes: &[u8]) -> Option<LinkAnswer> {
        let answer = self.ask(node, LINK, bytes).await?;
        Some(LinkAnswer::decode(&answer).unwrap())
    }

    /// Asks for words by any bytes; gives back the answer, if there is one.
    pub async fn words(&self, node: &TestNode, bytes: &[u8]) -> Option<Vec<u8>> {
        self.ask(node, WORDS, bytes).await
    }

    /// Opens a sync stream.
    pub async fn sync(&self, node: &TestNode) -> Conversation {
        let (reader, writer) = self.open(node, SYNC).await.into_frames(FRAME_MAX_BYTES);
        Conversation { reader, writer }
    }
}

/// An open sync stream.
pub struct Conversation {
    reader: FrameReader<ReadHalf<PeerStream>>,
    writer: FrameWriter<WriteHalf<PeerStream>>,
}

impl Conversation {
    /// Sends a message.
    pub async fn say(&mut self, message: &Message) {
        self.say_bytes(&message.encode()).await;
    }

    /// Sends any bytes as a frame.
    pub async fn say_bytes(&mut self, bytes: &[u8]) {
        self.writer.write(bytes, PATIENCE).await.unwrap();
    }

    /// Sends any bytes as a frame, unless the node has hung up.
    ///
    /// # Errors
    /// If it has.
    pub async fn try_say(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        self.writer.write(bytes, PATIENCE).await
    }

    /// The next frame; none when the node has ended the stream.
    pub async fn hear(&mut self) -> Option<Vec<u8>> {
        self.reader.read(PATIENCE).await.ok().flatten()
    }

    /// Agrees to every root until the node opens a space, which it does when governance is equal.
    ///
    /// # Panics
    /// If it ends the stream instead.
    pub async fn opened(&mut self, space: SpaceId) {
        while let Some(frame) = self.hear().await {
            let message = Message::decode(&frame).unwrap();
            let Message::Roots(roots) = message else {
                continue;
            };
            let found = roots.iter().any(|it| it.space == space);
            self.say(&Message::Roots(roots)).await;
            if found {
                return;
            }
        }
        panic!("the node hung up before it opened {space}")
    }

    /// Announces encoded entries as those of an open space and hands them over when the node asks.
    /// None that can be filed is left out, whatever it holds.
    ///
    /// # Panics
    /// If the node hangs up before it has asked for all, or one cannot be filed.
    pub async fn hand_over(&mut self, space: SpaceId, entries: &[Vec<u8>]) {
        for chunk in entries.chunks(ANNOUNCE_MAX) {
            let filed = |bytes: &Vec<u8>| {
                let (_, key) = Entry::peek(bytes).expect("an entry that can be filed");
                key.in_set_of(&space)
            };
            let mut keys: Vec<_> = chunk.iter().map(filed).collect();
            keys.sort();
            keys.dedup();
            let mut left = keys.len();
            self.say(&Message::Announce { space, keys }).await;
            while left > 0 {
                let frame = self.hear().await.expect("a node that asks");
                if let Message::Want { space: of, keys } = Message::decode(&frame).unwrap()
                    && of == space
                {
                    left -= keys.len();
                }
            }
            let (round, entries) = (0, chunk.to_vec());
            let message = Message::Entries {
                space,
                round,
                entries,
            };
            self.say(&message).await;
        }
    }
}
