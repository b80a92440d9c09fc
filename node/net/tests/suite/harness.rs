//! Nodes for tests, and ways to wait for what they should see.

use std::future::Future;
use std::time::Duration;

use comity_net::reconnect::Backoff;
use comity_net::{
    Carrier, Config, DisconnectReason, Event, Events, Multiaddr, Network, NodeSeed, PeerId,
    StreamProtocol,
};

pub(crate) const HELLO: StreamProtocol = StreamProtocol::new("/comity/hello/1");
pub(crate) const SYNC: StreamProtocol = StreamProtocol::new("/comity/sync/1");
pub(crate) const BOTH: [Carrier; 2] = [Carrier::Tcp, Carrier::Memory];

/// Far beyond what any step takes; only a broken node reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

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

impl Node {
    pub(crate) async fn start(number: u8, carrier: Carrier) -> Self {
        Self::with(config(number, carrier)).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let any = match config.carrier {
            Carrier::Tcp => "/ip4/127.0.0.1/tcp/0",
            Carrier::Memory => "/memory/0",
        };
        Self::at(config, any.parse().expect("valid")).await
    }

    pub(crate) async fn at(config: Config, address: Multiaddr) -> Self {
        let (network, events) = Network::start(config).expect("starts");
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
}

pub(crate) async fn pair(carrier: Carrier) -> (Node, Node) {
    let (mut a, mut b) = (Node::start(1, carrier).await, Node::start(2, carrier).await);
    a.meet(&mut b).await;
    (a, b)
}
