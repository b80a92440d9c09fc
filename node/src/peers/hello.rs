//! Hello: which communities two nodes share, told without naming any.

use crate::{ledger::Ledger, node::Inner, random};
use comity_net::{FrameError, Network, PeerId, PeerStream, StreamProtocol};
use comity_protocol::{
    access::{Agreement, HELLO_MAX_BYTES, Hello, PROTOCOL_VERSIONS},
    id::CommunityId,
    key::PublicKey,
};
use std::{collections::BTreeMap, time::Duration};
use thiserror::Error;

/// The protocol's name.
pub(crate) const PROTOCOL: &str = "/comity/hello/1";
/// How long a hello may take, each way.
const PATIENCE: Duration = Duration::from_secs(15);
/// A clock this far off is worth a warning, in milliseconds.
pub(crate) const CLOCK_TOLERANCE_MS: i64 = 10 * 60 * 1000;

/// Why two nodes did not get to know each other.
#[derive(Debug, Error)]
pub(crate) enum HelloError {
    #[error("the stream failed: {0}")]
    Stream(String),
    /// No hello of any version.
    #[error("its hello is broken: {0}")]
    Broken(String),
    #[error("its peer id holds no key that a node may have")]
    NoNodeKey,
    #[error(
        "it speaks protocol versions {theirs:?}, this node {PROTOCOL_VERSIONS:?}: one of the two \
         must be updated"
    )]
    NoCommonVersion { theirs: Vec<u64> },
}

/// What a peer said of itself, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Communities both take part in, and whether both have the same governance records.
    pub(crate) communities: BTreeMap<CommunityId, Agreement>,
    /// Communities of this node when it said its own hello.
    pub(crate) told: Vec<CommunityId>,
    /// Milliseconds the peer's clock is ahead of ours.
    pub(crate) clock_offset_ms: i64,
}

/// Opens a hello with a connected peer.
pub(crate) async fn open(
    inner: &Inner,
    network: &Network,
    peer: PeerId,
) -> Result<Greeting, HelloError> {
    let node = node_of(&peer)?;
    let protocol = StreamProtocol::new(PROTOCOL);
    let stream = network
        .open_stream(peer, protocol, PATIENCE)
        .await
        .map_err(|error| HelloError::Stream(error.to_string()))?;
    let (mut reader, mut writer) = stream.into_frames(HELLO_MAX_BYTES);
    let stream_failed = |error: comity_net::FrameError| HelloError::Stream(error.to_string());
    let (ours, told) = own(inner, &node);
    writer
        .write(&ours.encode(), PATIENCE)
        .await
        .map_err(stream_failed)?;
    let answer = reader.read(PATIENCE).await.map_err(stream_failed)?;
    // The answer is here; how the stream ends does not matter any more.
    let _ = writer.close(PATIENCE).await;
    let answer = answer.ok_or_else(|| HelloError::Stream("it ended without an answer".into()))?;
    let hello = Hello::decode(&answer).map_err(|error| HelloError::Broken(error.to_string()))?;
    check(inner, &node, &hello, told)
}

/// Answers a hello. `greeted` hears of a good one before the answer goes out: the peer opens its
/// sync stream as soon as it has the answer, and a stream from a peer not greeted is dropped.
pub(crate) async fn answer(
    inner: &Inner,
    peer: PeerId,
    stream: PeerStream,
    greeted: impl FnOnce(Greeting),
) -> Result<(), HelloError> {
    let node = node_of(&peer)?;
    let (mut reader, mut writer) = stream.into_frames(HELLO_MAX_BYTES);
    let stream_failed = |error: FrameError| match error {
        FrameError::TooLarge { .. } => HelloError::Broken(error.to_string()),
        _ => HelloError::Stream(error.to_string()),
    };
    let received = reader.read(PATIENCE).await.map_err(stream_failed)?;
    let received = received.ok_or_else(|| HelloError::Stream("it ended at once".into()))?;
    let hello = Hello::decode(&received).map_err(|error| HelloError::Broken(error.to_string()))?;
    // A peer of another version gets its answer too, so that both sides can say what is wrong.
    let (ours, told) = own(inner, &node);
    let checked = check(inner, &node, &hello, told).map(greeted);
    writer
        .write(&ours.encode(), PATIENCE)
        .await
        .map_err(stream_failed)?;
    let _ = writer.close(PATIENCE).await;
    checked
}

fn node_of(peer: &PeerId) -> Result<PublicKey, HelloError> {
    super::address::node_of(peer).ok_or(HelloError::NoNodeKey)
}

/// The communities that this node exchanges with others, ascending.
pub(super) fn followed(inner: &Inner, ledger: &Ledger) -> Vec<CommunityId> {
    let state = inner.state.read();
    let ids = ledger.communities().keys();
    ids.filter(|id| state.follows(id)).copied().collect()
}

/// This node's hello, and the communities in it.
fn own(inner: &Inner, to: &PublicKey) -> (Hello, Vec<CommunityId>) {
    let ledger = inner.ingest.ledger();
    let communities: Vec<_> = followed(inner, &ledger)
        .into_iter()
        .map(|id| (id, ledger.governance_digest(&id)))
        .collect();
    let from_to = [&inner.public(), to];
    let hello = Hello::new(random::now_ms(), from_to, &communities, &random::bytes());
    (hello, communities.into_iter().map(|(id, _)| id).collect())
}

fn check(
    inner: &Inner,
    from: &PublicKey,
    hello: &Hello,
    told: Vec<CommunityId>,
) -> Result<Greeting, HelloError> {
    if !hello
        .versions
        .iter()
        .any(|version| PROTOCOL_VERSIONS.contains(version))
    {
        return Err(HelloError::NoCommonVersion {
            theirs: hello.versions.clone(),
        });
    }
    let ledger = inner.ingest.ledger();
    let from_to = [from, &inner.public()];
    let shared = followed(inner, &ledger).into_iter().filter_map(|id| {
        let agreement = hello.agreement(from_to, id, ledger.governance_digest(&id))?;
        Some((id, agreement))
    });
    Ok(Greeting {
        communities: shared.collect(),
        told,
        clock_offset_ms: hello.time_ms as i64 - random::now_ms() as i64,
    })
}
