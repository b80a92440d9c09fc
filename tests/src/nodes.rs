//! Real nodes in this process, on loopback, each with a home that goes with it.

use crate::community::{Community, Person};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{Client, Transport, types::*};
use comity_node::node::{Node, NodeOptions};
use comity_protocol::{entry::Entry, id::CommunityId};
use std::path::PathBuf;
use tempfile::TempDir;

/// How long tests wait for what should happen at once, in milliseconds.
pub const PATIENCE_MS: u64 = 60_000;

/// A node and the client to it.
pub struct TestNode {
    /// The node.
    pub node: Node,
    /// A client in this process.
    pub client: Client,
    home: TempDir,
    gossip: bool,
}

/// Bytes as the API wants them.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Entries as the API wants them.
pub fn encoded(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| base64(&entry.encode()))
        .collect()
}

impl TestNode {
    /// Starts a node that listens on loopback.
    pub async fn start() -> Self {
        Self::start_with(true).await
    }

    /// Starts a node, with gossip or without.
    pub async fn start_with(gossip: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (node, client) = open(home.path().to_owned(), gossip).await;
        Self {
            node,
            client,
            home,
            gossip,
        }
    }

    /// Where its home is.
    pub fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Stops the node and starts it again over the same home.
    pub async fn restart(self) -> Self {
        self.node.stop().await;
        drop(self.node);
        let (node, client) = open(self.home.path().to_owned(), self.gossip).await;
        Self {
            node,
            client,
            home: self.home,
            gossip: self.gossip,
        }
    }

    /// Makes it take part in a community and gives it the records known so far.
    pub async fn take_part(&self, community: &Community) {
        let entries = community
            .records()
            .iter()
            .map(|bytes| base64(bytes))
            .collect();
        let request = TrackCommunity {
            community: community.id.to_string(),
            entries,
        };
        let answer = self.client.track(&request).await.unwrap();
        for result in answer.results {
            assert!(
                matches!(result.state.as_str(), "saved" | "already_present"),
                "{result:?}"
            );
        }
    }

    /// Lets it read on a person's behalf.
    pub async fn grant(&self, community: CommunityId, person: &Person) {
        let grant = person.grant(community, self.node.key(), u64::MAX >> 12);
        let grant = base64(&grant.encode());
        self.client.put_grant(&PutGrant { grant }).await.unwrap();
    }

    /// Submits entries; each must be saved.
    pub async fn submit(&self, community: CommunityId, entries: &[Entry]) {
        let request = Submit {
            community: community.to_string(),
            entries: encoded(entries),
        };
        for result in self.client.submit(&request).await.unwrap().results {
            assert_eq!(result.state, "saved", "{result:?}");
        }
    }

    /// Connects to another node.
    pub async fn connect(&self, other: &Self) {
        let status = other.client.status().await.unwrap();
        let address = status.listening[0].clone();
        self.client.connect(&Connect { address }).await.unwrap();
    }

    /// Exchanges until equal with all peers.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE_MS`].
    pub async fn sync(&self) -> SyncStatus {
        let status = self
            .client
            .sync(&SyncRequest {
                wait_ms: PATIENCE_MS,
            })
            .await
            .unwrap();
        let behind: Vec<_> = status.peers.iter().filter(|peer| !peer.in_sync).collect();
        assert!(
            !status.peers.is_empty() && behind.is_empty(),
            "not in sync: {status:#?}"
        );
        status
    }

    /// Roots of all spaces by name.
    pub async fn roots(&self) -> Vec<(String, String, u64)> {
        let status = self.client.sync_status(None).await.unwrap();
        let roots = status
            .spaces
            .into_iter()
            .map(|it| (it.id, it.root, it.entries));
        let mut roots: Vec<_> = roots.collect();
        roots.sort();
        roots
    }
}

/// Waits until two nodes have equal roots: after quiet, receipts included.
///
/// # Panics
/// If that takes longer than [`PATIENCE_MS`].
pub async fn wait_for_equal_roots(nodes: &[&TestNode]) {
    let started = tokio::time::Instant::now();
    let mut equal_since = 0;
    loop {
        let mut all = Vec::new();
        for node in nodes {
            all.push(node.roots().await);
        }
        if all.windows(2).all(|pair| pair[0] == pair[1]) {
            // Receipts come a moment after what they receipt: equal must stay equal.
            equal_since += 1;
            if equal_since == 12 {
                return;
            }
        } else {
            equal_since = 0;
        }
        let waited = started.elapsed().as_millis();
        assert!(waited < u128::from(PATIENCE_MS), "roots differ: {all:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn open(home: PathBuf, gossip: bool) -> (Node, Client) {
    let options = NodeOptions {
        home,
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        network: true,
        gossip,
    };
    let node = Node::open(options).await.unwrap();
    let client = Client::new(Transport::InProcess(node.in_process()));
    (node, client)
}
