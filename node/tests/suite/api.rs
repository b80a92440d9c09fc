//! The local API, as a client sees it.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

mod concurrency;
mod cuts;
mod documents;
mod events;
mod hidden;
mod home;
mod membership;
mod operations;
mod progress;
mod read_only;
mod readers;
mod signing;
mod submit;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client, ClientError, Transport,
    types::{ApiError, EntryResult, Submit, TrackCommunity},
};
use comity_node::node::{Node, NodeOptions};
use comity_protocol::{entry::Entry, id::CommunityId};
use comity_tests::community::Community;
use tempfile::TempDir;

/// A node without network in a folder of its own.
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) client: Client,
    pub(crate) home: TempDir,
}

impl Running {
    pub(crate) async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn open(home: TempDir) -> Self {
        let node = Node::open(NodeOptions::offline(home.path())).await.unwrap();
        let client = Client::new(Transport::InProcess(node.in_process()));
        Self { node, client, home }
    }

    /// The same node, stopped and opened again.
    pub(crate) async fn restarted(self) -> Self {
        self.node.stop().await;
        let home = self.home;
        let readers = self.client.readers();
        drop((self.client, self.node));
        let again = Self::open(home).await;
        for reader in readers {
            again.client.also_read_as(reader);
        }
        again
    }

    /// A node that takes part in a community and has its records.
    pub(crate) async fn with(community: &Community) -> Self {
        let running = Self::new().await;
        running.track(community).await;
        running
    }

    pub(crate) async fn track(&self, community: &Community) {
        let request = TrackCommunity {
            community: community.id.to_string(),
            entries: community
                .records()
                .iter()
                .map(|it| STANDARD_NO_PAD.encode(it))
                .collect(),
        };
        let reader = community.delegate.reader_token(self.node.key());
        self.client.also_read_as(reader);
        let submitted = self.client.track(&request).await.unwrap();
        for result in &submitted.results {
            assert!(
                ["saved", "already_present"].contains(&result.state.as_str()),
                "{result:?}"
            );
        }
    }

    pub(crate) async fn submit(&self, to: CommunityId, entries: &[&Entry]) -> Vec<EntryResult> {
        let request = Submit {
            community: to.to_string(),
            entries: entries.iter().map(|it| encode(it)).collect(),
        };
        self.client.submit(&request).await.unwrap().results
    }

    /// Submits entries that must all be saved.
    pub(crate) async fn save(&self, to: CommunityId, entries: &[&Entry]) {
        for result in self.submit(to, entries).await {
            assert_eq!((result.state.as_str(), &result.reason), ("saved", &None));
        }
    }
}

pub(crate) fn encode(entry: &Entry) -> String {
    STANDARD_NO_PAD.encode(entry.encode())
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    STANDARD_NO_PAD.decode(text).unwrap()
}

/// The API's error, which must be there and say something to do.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, code: &str) -> ApiError {
    match answer {
        Err(ClientError::Api(error)) => {
            assert_eq!(error.code, code, "{error:?}");
            assert!(!error.message.is_empty());
            error
        }
        other => panic!("expected the error {code}, got {other:?}"),
    }
}

#[test]
fn every_endpoint_is_specified() {
    let router = include_str!("../../src/api.rs");
    let specification = include_str!("../../../specs/http-api.md");
    let routes: Vec<&str> = router
        .split('"')
        .filter(|text| text.starts_with("/v0/"))
        .collect();
    assert!(routes.len() > 20, "{routes:?}");
    for route in routes {
        assert!(specification.contains(route), "{route} is not specified");
    }
}
