//! Two nodes, and how many bytes travel between them.

use crate::corpus::Corpus;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{Client, Transport, types::*};
use comity_net::tap::{Tap, Way};
use comity_node::node::{Node, NodeOptions};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Between looks.
const LOOK: Duration = Duration::from_millis(2);

/// What a node sent and received on its streams, before encryption.
#[derive(Clone, Default)]
pub(crate) struct Traffic {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Traffic {
    fn tap(&self) -> Tap {
        let here = self.clone();
        Tap::new(move |_, way, bytes| {
            let counter = match way {
                Way::Sent => &here.sent,
                Way::Received => &here.received,
            };
            counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed) + self.received.load(Ordering::Relaxed)
    }
}

pub(crate) struct Side {
    pub(crate) node: Node,
    pub(crate) client: Client,
    pub(crate) traffic: Traffic,
    home: TempDir,
}

impl Side {
    pub(crate) async fn start() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    async fn over(home: TempDir) -> Self {
        let traffic = Traffic::default();
        let node = open(home.path(), &traffic).await;
        let client = Client::new(Transport::InProcess(node.in_process()));
        Self {
            node,
            client,
            traffic,
            home,
        }
    }

    pub(crate) async fn restart(self) -> Self {
        self.node.stop().await;
        Self::over(self.home).await
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) async fn take_part(&self, corpus: &Corpus, governance: &[Vec<u8>]) {
        let request = TrackCommunity {
            community: corpus.community.to_string(),
            entries: Vec::new(),
        };
        self.client.track(&request).await.unwrap();
        self.submit(corpus, governance).await;
    }

    pub(crate) async fn submit(&self, corpus: &Corpus, entries: &[Vec<u8>]) {
        for batch in entries.chunks(500) {
            let request = Submit {
                community: corpus.community.to_string(),
                entries: batch.iter().map(|it| STANDARD_NO_PAD.encode(it)).collect(),
            };
            for result in self.client.submit(&request).await.unwrap().results {
                assert_eq!(result.state, "saved", "{result:?}");
            }
        }
    }

    pub(crate) async fn connect(&self, other: &Self) {
        let status = other.client.status().await.unwrap();
        let address = status.listening[0].clone();
        self.client.connect(&Connect { address }).await.unwrap();
    }

    /// Waits until its spaces hold so many entries together, and gives how long that took.
    pub(crate) async fn wait_for(&self, since: Instant, entries: u64) -> f64 {
        loop {
            let status = self.client.sync_status(None).await.unwrap();
            if status.spaces.iter().map(|it| it.entries).sum::<u64>() >= entries {
                return since.elapsed().as_secs_f64();
            }
            assert!(since.elapsed() < PATIENCE, "waited in vain: {status:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until all its peers hold what it holds.
    pub(crate) async fn wait_in_sync(&self, since: Instant) -> f64 {
        loop {
            let status = self.client.sync_status(None).await.unwrap();
            if !status.peers.is_empty() && status.peers.iter().all(|it| it.in_sync) {
                return since.elapsed().as_secs_f64();
            }
            assert!(since.elapsed() < PATIENCE, "waited in vain: {status:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn open(home: &Path, traffic: &Traffic) -> Node {
    let options = NodeOptions {
        home: home.to_owned(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        network: true,
        gossip: true,
        public: false,
    };
    Node::open_tapped(options, traffic.tap()).await.unwrap()
}

/// A node that has everything, and one that gets it.
pub(crate) struct Pair {
    pub(crate) full: Side,
    pub(crate) fresh: Side,
}

impl Pair {
    pub(crate) async fn stop(self) {
        self.full.node.stop().await;
        self.fresh.node.stop().await;
    }
}
