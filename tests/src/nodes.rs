//! Real nodes in this process, on loopback, each with a home that goes with it.

use crate::{
    alliance::Alliance,
    community::{Community, Person, key},
    transcript::Transcript,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{Client, Transport, types::*};
use comity_net::tap::Tap;
use comity_node::node::{Node, NodeOptions};
use comity_protocol::{
    entry::Entry,
    id::{CommunityId, SpaceId},
};
use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};
use tempfile::TempDir;

/// How long tests wait for what should happen at once, in milliseconds.
pub const PATIENCE_MS: u64 = 60_000;

/// Between looks at what nobody announces.
pub const POLL: Duration = Duration::from_millis(50);

/// A node and the client to it.
pub struct TestNode {
    /// The node.
    pub node: Node,
    /// A client in this process.
    pub client: Client,
    rest: Stopped,
}

/// What remains of a node that is stopped.
pub struct Stopped {
    home: TempDir,
    gossip: bool,
    listen: String,
    public: bool,
    tap: Option<Tap>,
    transcript: Option<Transcript>,
    /// Proofs of those who look at it.
    readers: Vec<String>,
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
        Stopped::new(gossip).start().await
    }

    /// Starts a node that keeps a transcript of what it sends and receives.
    pub async fn start_tapped() -> Self {
        let mut stopped = Stopped::new(true);
        stopped.keep_transcript();
        stopped.start().await
    }

    /// What it sent and received since its first start.
    ///
    /// # Panics
    /// If it keeps no transcript.
    pub fn transcript(&self) -> &Transcript {
        self.rest.transcript.as_ref().expect("started tapped")
    }

    /// Starts a node whose key follows from a name.
    pub async fn start_named(name: &str, gossip: bool) -> Self {
        let stopped = Stopped::new(gossip);
        stopped.name(name);
        stopped.start().await
    }

    /// Where its home is.
    pub fn home(&self) -> PathBuf {
        self.rest.home()
    }

    /// Stops the node.
    pub async fn stop(self) -> Stopped {
        self.node.stop().await;
        let readers = self.client.readers();
        Stopped {
            readers,
            ..self.rest
        }
    }

    /// Stops the node and starts it again over the same home, on the same port.
    pub async fn restart(self) -> Self {
        self.stop().await.start().await
    }

    /// Where it listens, with its peer id.
    pub async fn address(&self) -> String {
        let status = self.client.status().await.unwrap();
        status.listening[0].clone()
    }

    /// A document as it is shown.
    pub async fn show(&self, id: impl ToString) -> DocumentView {
        self.client.document(&id.to_string(), &[]).await.unwrap()
    }

    /// The entries of a space that it holds, and the root of their set.
    pub async fn set_of(&self, space: SpaceId) -> (u64, String) {
        let status = self.client.sync_status(None).await.unwrap();
        let space = space.to_string();
        let found = status.spaces.into_iter().find(|it| it.id == space);
        found.map_or((0, String::new()), |it| (it.entries, it.root))
    }

    /// Waits until it tells something that makes `look` give a value.
    ///
    /// # Panics
    /// If that takes longer than [`PATIENCE_MS`].
    pub async fn wait_for<T>(&self, what: &str, look: impl Fn(&SyncStatus) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let status = self.client.sync_status(None).await.unwrap();
                if let Some(found) = look(&status) {
                    return found;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        patiently(what, waiting).await
    }

    /// Waits until a space holds so many entries.
    pub async fn wait_for_entries(&self, space: SpaceId, entries: u64) {
        let id = space.to_string();
        let what = format!("{entries} entries");
        let enough = |status: &SyncStatus| {
            let space = status.spaces.iter().find(|it| it.id == id)?;
            (space.entries >= entries).then_some(())
        };
        self.wait_for(&what, enough).await;
    }

    /// From here on it shows what this person may read, too.
    pub fn reads(&self, person: &Person) {
        let token = person.reader_token(self.node.key());
        self.client.also_read_as(token);
    }

    /// Makes it take part in a community and gives it the records known so far.
    pub async fn take_part(&self, community: &Community) {
        self.reads(&community.delegate);
        self.follow(community.id, &community.records()).await;
    }

    /// The same for a community of several parties. It shows what delegates of any of them may read, if
    /// it has that.
    pub async fn take_part_in(&self, alliance: &Alliance) {
        for delegate in alliance.sides.iter().flat_map(|it| &it.delegates) {
            self.reads(delegate);
        }
        let records: Vec<_> = alliance.records().iter().map(Entry::encode).collect();
        self.follow(alliance.id, &records).await;
    }

    async fn follow(&self, community: CommunityId, records: &[Vec<u8>]) {
        let request = TrackCommunity {
            community: community.to_string(),
            entries: records.iter().map(|bytes| base64(bytes)).collect(),
        };
        let answer = self.client.track(&request).await.unwrap();
        for result in answer.results {
            assert!(
                matches!(result.state.as_str(), "saved" | "already_present"),
                "{result:?}"
            );
        }
    }

    /// What becomes of encoded entries that are submitted.
    pub async fn offer(&self, community: CommunityId, entries: &[Vec<u8>]) -> Vec<EntryResult> {
        let request = Submit {
            community: community.to_string(),
            entries: entries.iter().map(|bytes| base64(bytes)).collect(),
        };
        self.client.submit(&request).await.unwrap().results
    }

    /// What becomes of entries that are submitted: their states.
    pub async fn states(&self, community: CommunityId, entries: &[Entry]) -> Vec<String> {
        let encoded: Vec<_> = entries.iter().map(Entry::encode).collect();
        let results = self.offer(community, &encoded).await;
        results.into_iter().map(|it| it.state).collect()
    }

    /// Lets it read on a person's behalf.
    pub async fn grant(&self, community: CommunityId, person: &Person) {
        self.reads(person);
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

    /// Submits entries that may be there already.
    pub async fn submit_again(&self, community: CommunityId, entries: &[Entry]) {
        let request = Submit {
            community: community.to_string(),
            entries: encoded(entries),
        };
        for result in self.client.submit(&request).await.unwrap().results {
            let here = matches!(result.state.as_str(), "saved" | "already_present");
            assert!(here, "{result:?}");
        }
    }

    /// Decides what it keeps of a space.
    pub async fn keep(&self, space: SpaceId, keep: &str) -> SpaceInfo {
        let request = KeepSpace { keep: keep.into() };
        let space = space.to_string();
        self.client.keep_space(&space, &request).await.unwrap()
    }

    /// What it says of a space.
    pub async fn space_info(&self, space: SpaceId) -> SpaceInfo {
        let status = self.client.sync_status(None).await.unwrap();
        let space = space.to_string();
        let mut spaces = status.spaces.into_iter();
        spaces
            .find(|it| it.id == space)
            .expect("it shows the space")
    }

    /// Connects to another node.
    pub async fn connect(&self, other: &Self) {
        let address = other.address().await;
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

/// Waits for what should happen at once.
///
/// # Panics
/// If it takes longer than [`PATIENCE_MS`].
pub async fn patiently<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    let patience = Duration::from_millis(PATIENCE_MS);
    let waited = tokio::time::timeout(patience, waiting).await;
    waited.unwrap_or_else(|_| panic!("waited {patience:?} in vain for: {what}"))
}

impl Stopped {
    /// A fresh home.
    pub fn new(gossip: bool) -> Self {
        Self {
            readers: Vec::new(),
            home: tempfile::tempdir().unwrap(),
            gossip,
            listen: "/ip4/127.0.0.1/tcp/0".into(),
            public: false,
            tap: None,
            transcript: None,
        }
    }

    /// Has the node listen there from its next start on, as one that carries others or not.
    pub fn at(mut self, listen: &str, public: bool) -> Self {
        listen.clone_into(&mut self.listen);
        self.public = public;
        self
    }

    /// Has the node keep a transcript from its next start on.
    pub fn keep_transcript(&mut self) {
        let transcript = Transcript::default();
        self.tap = Some(transcript.tap());
        self.transcript = Some(transcript);
    }

    /// Has a tap look at what passes the node from its next start on.
    pub fn tapped_by(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Gives the node the key that follows from a name.
    pub fn name(&self, name: &str) {
        let path = self.home.path().join("node.key");
        std::fs::write(&path, key(name).seed()).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Where its home is.
    pub fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Starts it again, on the same port.
    pub async fn start(mut self) -> TestNode {
        let options = NodeOptions {
            home: self.home(),
            listen: vec![self.listen.clone()],
            network: true,
            gossip: self.gossip,
            public: self.public,
        };
        let node = match &self.tap {
            None => Node::open(options).await,
            Some(tap) => Node::open_tapped(options, tap.clone()).await,
        };
        let node = node.unwrap();
        let client = Client::new(Transport::InProcess(node.in_process()));
        for token in &self.readers {
            client.also_read_as(token.clone());
        }
        let status = client.status().await.unwrap();
        assert_eq!(status.store, "ready", "{status:?}");
        let address = &status.listening[0];
        self.listen = address.split("/p2p/").next().unwrap().to_owned();
        TestNode {
            node,
            client,
            rest: self,
        }
    }
}
