//! Asking into communities: requests are kept until the node that invited has answered.

use super::{
    PeersError, address,
    hub::{Hub, remember},
    joining,
};
use crate::{node::Inner, state::JoinRecord};
use comity_net::PeerId;
use comity_protocol::{
    access::{JoinAnswer, JoinRefusal, JoinRequest},
    key::PublicKey,
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tracing::{info, warn};

/// Between attempts to have queued joins answered: first, and at most.
const JOIN_RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// Remembers a join request so that it survives a restart, and takes part in the community.
///
/// # Errors
/// If the state cannot be written.
pub(crate) fn queue_join(
    inner: &Inner,
    request: &JoinRequest,
    encoded: &[u8],
    node: &PublicKey,
    addresses: &[String],
) -> Result<JoinRecord, PeersError> {
    let peer = address::peer_of(node)
        .ok_or_else(|| PeersError::BadRequest(format!("{node} is no key of a node")))?;
    let record = JoinRecord {
        community: request.community.to_string(),
        member: request.member.to_string(),
        peer: peer.to_string(),
        request: hex::encode(encoded),
        state: "queued".into(),
        reason: None,
        attempts: 0,
    };
    remember(inner, &peer, addresses)?;
    inner.state.change(|state| {
        state
            .communities
            .entry(record.community.clone())
            .or_default()
            .left = false;
        let same = |it: &JoinRecord| it.community == record.community && it.member == record.member;
        state.joins.retain(|it| !same(it));
        state.joins.push(record.clone());
    })?;
    inner.ingest.track(request.community);
    Ok(record)
}

/// Has queued joins answered, with growing pauses while nobody answers.
pub(super) async fn keep_joining(hub: Arc<Hub>) {
    let mut pause = JOIN_RETRY.0;
    loop {
        let queued: Vec<JoinRecord> = {
            let state = hub.inner().state.read();
            state
                .joins
                .iter()
                .filter(|join| join.state == "queued")
                .cloned()
                .collect()
        };
        if queued.is_empty() {
            pause = JOIN_RETRY.0;
            hub.joins_changed.notified().await;
            continue;
        }
        for join in queued {
            attempt(&hub, join).await;
        }
        let still = hub
            .inner()
            .state
            .read()
            .joins
            .iter()
            .any(|join| join.state == "queued");
        if still && timeout(pause, hub.joins_changed.notified()).await.is_err() {
            pause = (pause * 2).min(JOIN_RETRY.1);
        }
    }
}

pub(super) async fn attempt(hub: &Hub, mut join: JoinRecord) {
    let (Ok(peer), Ok(request)) = (join.peer.parse::<PeerId>(), hex::decode(&join.request)) else {
        return;
    };
    join.attempts = join.attempts.saturating_add(1);
    match joining::ask(&hub.network, peer, &request).await {
        Ok(JoinAnswer::Welcome(_)) => {
            join.state = "welcome".into();
            join.reason = None;
            info!(community = %join.community, "welcomed");
        }
        Ok(JoinAnswer::Refused(refusal @ JoinRefusal::Unavailable)) => {
            join.reason = Some(refusal.to_string());
        }
        Ok(JoinAnswer::Refused(refusal)) => {
            join.state = "refused".into();
            join.reason = Some(refusal.to_string());
            warn!(community = %join.community, %refusal, "a join was refused");
        }
        Err(why) => join.reason = Some(why),
    }
    let changed = hub.inner().state.change(|state| {
        let same = |it: &&mut JoinRecord| {
            it.community == join.community && it.member == join.member && it.request == join.request
        };
        if let Some(known) = state.joins.iter_mut().find(same) {
            *known = join.clone();
        }
    });
    if let Err(error) = changed {
        warn!(%error, "the outcome of a join could not be remembered");
    }
    hub.changed();
}
