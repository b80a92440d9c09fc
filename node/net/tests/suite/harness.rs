//! Nodes for tests, and ways to wait for what they should see.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use comity_net::error::PublishError;
use comity_net::reconnect::Backoff;
use comity_net::tap::{Tap, TappedStream, Way};
use comity_net::{
    Carrier, Config, DisconnectReason, Event, Events, GossipGroup, GossipId, Multiaddr, Network,
    NodeSeed, PeerId, StreamProtocol,
};

pub(crate) const HELLO: StreamProtocol = StreamProtocol::new("/comity/hello/1");
pub(crate) const SYNC: StreamProtocol = StreamProtocol::new("/comity/sync/1");
pub(crate) const BOTH: [Carrier; 2] = [Carrier::Tcp, Carrier::Memory];

/// Far beyond what any step takes; only a broken node reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn group(number: u8) -> GossipGroup {
    GossipGroup::new([number; 32])
}

pub(crate) fn config(number: u8, carrier: Carrier) -> Config {
    let mut config = Config::new(NodeSeed::new([number; 32]), vec![HELLO, SYNC]);
    config.carrier = carrier;
    config.timing.backoff = Backoff {
        first_delay: Duration::from_millis(50),
        longest_delay: Duration::from_millis(400),
        stable_after: Duration::from_secs(5),
    };
    config
}

pub(crate) async fn patiently<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for: {what}"))
}

pub(crate) struct Node {
    pub(crate) network: Network,
    pub(crate) events: Events,
    pub(crate) address: Multiaddr,
}

pub(crate) type Pieces = Arc<Mutex<Vec<(TappedStream, Way, Vec<u8>)>>>;

/// A tap, and every piece of bytes that passed it.
fn recording() -> (Tap, Pieces) {
    let pieces = Pieces::default();
    let heard = Arc::clone(&pieces);
    let tap = Tap::new(move |on, way, bytes: &[u8]| {
        heard.lock().expect("whole").push((on, way, bytes.to_vec()));
    });
    (tap, pieces)
}

/// On which streams these bytes went, looked for across pieces.
pub(crate) fn streams_with(pieces: &Pieces, way: Way, needle: &[u8]) -> Vec<TappedStream> {
    let pieces = pieces.lock().expect("whole");
    let mut streams: Vec<(TappedStream, Vec<u8>)> = Vec::new();
    for (on, _, bytes) in pieces.iter().filter(|(_, its_way, _)| *its_way == way) {
        match streams.iter_mut().find(|(known, _)| known == on) {
            Some((_, all)) => all.extend_from_slice(bytes),
            None => streams.push((*on, bytes.clone())),
        }
    }
    let found = streams
        .into_iter()
        .filter(|(_, all)| all.windows(needle.len()).any(|part| part == needle));
    found.map(|(on, _)| on).collect()
}

impl Node {
    /// A node, and all that passes its streams.
    pub(crate) async fn tapped(config: Config) -> (Self, Pieces) {
        let (tap, pieces) = recording();
        let any = any(config.carrier);
        let started = Network::start_tapped(config, tap).expect("starts");
        (Self::listening(started, any).await, pieces)
    }

    pub(crate) async fn start(number: u8, carrier: Carrier) -> Self {
        Self::with(config(number, carrier)).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let any = any(config.carrier);
        Self::at(config, any).await
    }

    pub(crate) async fn at(config: Config, address: Multiaddr) -> Self {
        Self::listening(Network::start(config).expect("starts"), address).await
    }

    async fn listening((network, events): (Network, Events), address: Multiaddr) -> Self {
        let addresses = network.listen(address).await.expect("listens");
        assert_eq!(addresses.len(), 1, "{addresses:?}");
        Self {
            network,
            events,
            address: addresses[0].clone(),
        }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.network.peer_id()
    }

    /// The first event, from here on, that `pick` takes; others are passed over.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(Event) -> Option<T>,
    ) -> T {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the network has ended");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        patiently(what, waiting).await
    }

    pub(crate) async fn connected_to(&mut self, other: PeerId) {
        self.wait("Connected", |event| match event {
            Event::Connected { peer, .. } if peer == other => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn disconnected_from(&mut self, other: PeerId) -> DisconnectReason {
        self.wait("Disconnected", |event| match event {
            Event::Disconnected { peer, reason } if peer == other => Some(reason),
            _ => None,
        })
        .await
    }

    /// Dials `other`; both have seen `Connected` afterwards.
    pub(crate) async fn meet(&mut self, other: &mut Node) {
        let dialed = self
            .network
            .dial(other.address.clone())
            .await
            .expect("dials");
        assert_eq!(dialed, other.id());
        self.connected_to(other.id()).await;
        other.connected_to(self.id()).await;
    }

    /// Has a peer take part in groups of these numbers.
    pub(crate) async fn admit(&self, peer: PeerId, groups: &[u8]) {
        let groups = groups.iter().copied().map(group).collect();
        let admitted = self.network.admit_to_gossip(peer, groups).await;
        assert!(admitted.expect("runs"), "it is not connected");
    }

    /// Both take part in groups of these numbers with each other.
    pub(crate) async fn gossip_with(&self, other: &Node, groups: &[u8]) {
        self.admit(other.id(), groups).await;
        other.admit(self.id(), groups).await;
    }

    /// Publishes once the other side's subscription has arrived, which no event announces.
    pub(crate) async fn publish(&self, group: GossipGroup, topic: &str, data: &[u8]) -> GossipId {
        let publishing = async {
            loop {
                match self.network.publish(group, topic, data.to_vec()).await {
                    Err(PublishError::NoPeers) => tokio::task::yield_now().await,
                    published => return published.expect("publishes"),
                }
            }
        };
        patiently("a subscriber", publishing).await
    }
}

fn any(carrier: Carrier) -> Multiaddr {
    let any = match carrier {
        Carrier::Tcp => "/ip4/127.0.0.1/tcp/0",
        Carrier::Memory => "/memory/0",
    };
    any.parse().expect("valid")
}

pub(crate) async fn pair(carrier: Carrier) -> (Node, Node) {
    let (mut a, mut b) = (Node::start(1, carrier).await, Node::start(2, carrier).await);
    a.meet(&mut b).await;
    (a, b)
}
