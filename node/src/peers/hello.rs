//! Hello: which communities two nodes share, and what the peer may read.

use crate::{node::Inner, random};
use comity_net::{Network, PeerId, PeerStream, StreamProtocol};
use comity_protocol::{
    access::{HELLO_MAX_BYTES, Hello, NodeGrant, PROTOCOL_VERSIONS},
    id::{CommunityId, SpaceId},
    key::PublicKey,
};
use std::{collections::BTreeSet, time::Duration};
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
    #[error("its hello is broken: {0}")]
    Broken(String),
    #[error(
        "it speaks protocol versions {theirs:?}, this node {PROTOCOL_VERSIONS:?}: one of the two \
         must be updated"
    )]
    NoCommonVersion { theirs: Vec<u64> },
}

/// What a peer said of itself, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Communities both take part in.
    pub(crate) communities: BTreeSet<CommunityId>,
    /// Grants bound to the peer's key, with good signatures.
    pub(crate) grants: Vec<NodeGrant>,
    /// Milliseconds the peer's clock is ahead of ours.
    pub(crate) clock_offset_ms: i64,
}

/// Opens a hello with a connected peer.
pub(crate) async fn open(
    inner: &Inner,
    network: &Network,
    peer: PeerId,
) -> Result<Greeting, HelloError> {
    let protocol = StreamProtocol::new(PROTOCOL);
    let stream = network
        .open_stream(peer, protocol, PATIENCE)
        .await
        .map_err(|error| HelloError::Stream(error.to_string()))?;
    let (mut reader, mut writer) = stream.into_frames(HELLO_MAX_BYTES);
    let stream_failed = |error: comity_net::FrameError| HelloError::Stream(error.to_string());
    writer
        .write(&own(inner).encode(), PATIENCE)
        .await
        .map_err(stream_failed)?;
    let answer = reader.read(PATIENCE).await.map_err(stream_failed)?;
    // The answer is here; how the stream ends does not matter any more.
    let _ = writer.close(PATIENCE).await;
    let answer = answer.ok_or_else(|| HelloError::Stream("it ended without an answer".into()))?;
    let hello = Hello::decode(&answer).map_err(|error| HelloError::Broken(error.to_string()))?;
    check(inner, &peer, hello)
}

/// Answers a hello. `greeted` hears of a good one before the answer goes out: the peer opens its
/// sync stream as soon as it has the answer, and a stream from a peer not greeted is dropped.
pub(crate) async fn answer(
    inner: &Inner,
    peer: PeerId,
    stream: PeerStream,
    greeted: impl FnOnce(Greeting),
) -> Result<(), HelloError> {
    let (mut reader, mut writer) = stream.into_frames(HELLO_MAX_BYTES);
    let stream_failed = |error: comity_net::FrameError| HelloError::Stream(error.to_string());
    let received = reader.read(PATIENCE).await.map_err(stream_failed)?;
    let received = received.ok_or_else(|| HelloError::Stream("it ended at once".into()))?;
    let hello = Hello::decode(&received).map_err(|error| HelloError::Broken(error.to_string()))?;
    // A stranger learns only of communities it named itself.
    let named: BTreeSet<CommunityId> = hello.communities.iter().map(|(id, _)| *id).collect();
    let mut ours = own(inner);
    ours.communities.retain(|(id, _)| named.contains(id));
    ours.grants.retain(|grant| named.contains(&grant.community));
    // A peer of another version gets its answer too, so that both sides can say what is wrong.
    let checked = check(inner, &peer, hello).map(greeted);
    writer
        .write(&ours.encode(), PATIENCE)
        .await
        .map_err(stream_failed)?;
    let _ = writer.close(PATIENCE).await;
    checked
}

fn own(inner: &Inner) -> Hello {
    let now = random::now_ms();
    let grants = {
        let state = inner.state.read();
        let encoded = state.communities.values().flat_map(|it| it.grants.values());
        let grants = encoded.filter_map(|text| NodeGrant::decode(&hex::decode(text).ok()?).ok());
        grants
            .filter(|grant| grant.expires_ms > now)
            .take(64)
            .collect()
    };
    let ledger = inner.ingest.ledger();
    let communities = ledger.communities().keys().take(64);
    Hello {
        versions: PROTOCOL_VERSIONS.to_vec(),
        time_ms: now,
        communities: communities
            .map(|id| (*id, ledger.governance_digest(id)))
            .collect(),
        grants,
    }
}

fn check(inner: &Inner, peer: &PeerId, hello: Hello) -> Result<Greeting, HelloError> {
    if !hello
        .versions
        .iter()
        .any(|version| PROTOCOL_VERSIONS.contains(version))
    {
        return Err(HelloError::NoCommonVersion {
            theirs: hello.versions,
        });
    }
    let ledger = inner.ingest.ledger();
    let ours = ledger.communities();
    let node = super::address::node_of(peer);
    let grants = hello.grants.into_iter().filter(|grant| {
        // Bound to the key this connection proved: a grant for another node is worth nothing.
        Some(grant.node) == node && ours.contains_key(&grant.community) && grant.check().is_ok()
    });
    Ok(Greeting {
        communities: hello
            .communities
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| ours.contains_key(id))
            .collect(),
        grants: grants.collect(),
        clock_offset_ms: hello.time_ms as i64 - random::now_ms() as i64,
    })
}

/// The spaces a peer may read now, governance spaces first (I9).
pub(crate) fn readable(inner: &Inner, node: Option<&PublicKey>, it: &Greeting) -> Vec<SpaceId> {
    let now = random::now_ms();
    let ledger = inner.ingest.ledger();
    let mut spaces = Vec::new();
    for community in &it.communities {
        let Some(authority) = ledger.authority(community) else {
            continue;
        };
        spaces.push(authority.governance_space());
        let readers: Vec<&PublicKey> = it
            .grants
            .iter()
            .filter(|grant| grant.community == *community && grant.expires_ms > now)
            .map(|grant| &grant.device)
            .chain(node)
            .collect();
        let open = authority.spaces().keys().filter(|space| {
            authority.may_read(None, **space)
                || readers
                    .iter()
                    .any(|reader| authority.may_read(Some(reader), **space))
        });
        spaces.extend(open);
    }
    spaces
}
