//! Joining: the node's consent, grants it reads under, requests to be let in.

use super::{
    App, bytes,
    error::Failure,
    extract::{Body, State, blocking},
    lookup,
};
use crate::{peers::queue_join, random, state::JoinRecord};
use axum::Json;
use comity_client::types::{Consent, ConsentRequest, JoinState, PutGrant, StartJoin};
use comity_protocol::{
    access::{JoinRequest, NodeGrant},
    certificate::governance_space,
    id::{CommunityId, domain},
    key::PublicKey,
    record::consent_message,
};
use std::sync::Arc;

/// Consents to serving a member: the member's node link is void without. It binds nothing else, so
/// the community need not be known yet.
pub(super) async fn consent(
    State(app): State<Arc<App>>,
    Body(request): Body<ConsentRequest>,
) -> Result<Json<Consent>, Failure> {
    let community = CommunityId::from_bytes(*lookup::entry_id(&request.community)?.as_bytes());
    let root = lookup::key(&request.root)?;
    let node = app.inner.public();
    let message = consent_message(governance_space(community), &root, &node);
    let signature = app.inner.key.sign(domain::NODE_CONSENT_SIGNATURE, &message);
    Ok(Json(Consent {
        node: node.to_string(),
        signature: bytes::encode(signature.as_bytes()),
    }))
}

/// Keeps a grant. Its device may still be unknown: the link can be on its way.
pub(super) async fn put_grant(
    State(app): State<Arc<App>>,
    Body(request): Body<PutGrant>,
) -> Result<Json<()>, Failure> {
    blocking(&app, move |app| {
        let encoded = bytes::decode(&request.grant, "the grant")?;
        let grant = NodeGrant::decode(&encoded).map_err(Failure::invalid)?;
        if grant.node != app.inner.public() {
            return Err(Failure::refused(format!(
                "the grant is for the node {}, this one is {}",
                grant.node,
                app.inner.public()
            ))
            .hint("Sign a grant for this node's key, as `GET /v0/status` gives it."));
        }
        grant
            .check()
            .map_err(|error| Failure::refused(format!("the grant does not hold: {error}")))?;
        if grant.expires_ms <= random::now_ms() {
            return Err(
                Failure::refused("the grant has expired, by this machine's clock")
                    .hint("Check the clocks of both machines, and sign a new grant."),
            );
        }
        // A grant that is renewed does not undo leaving.
        app.take_note(grant.community)?;
        app.inner.state.change(|state| {
            let community = state
                .communities
                .entry(grant.community.to_string())
                .or_default();
            community
                .grants
                .insert(grant.device.to_string(), hex::encode(&encoded));
        })?;
        Ok(Json(()))
    })
    .await
}

/// Asks into a community. Without network the request is kept for when there is one.
pub(super) async fn join(
    State(app): State<Arc<App>>,
    Body(request): Body<StartJoin>,
) -> Result<Json<JoinState>, Failure> {
    let queued = app.clone();
    let record = blocking(&app, move |_| queue(&queued, &request)).await?;
    if let Some(peers) = app.inner.peers() {
        peers.join_queued(&record).await;
    }
    Ok(Json(show(&app, &record)))
}

fn queue(app: &App, request: &StartJoin) -> Result<JoinRecord, Failure> {
    let node = lookup::key(&request.node)?;
    let encoded = bytes::decode(&request.request, "the join request")?;
    let join = JoinRequest::decode(&encoded).map_err(Failure::invalid)?;
    Ok(queue_join(
        &app.inner,
        &join,
        &encoded,
        &node,
        &request.addresses,
    )?)
}

pub(super) async fn joins(State(app): State<Arc<App>>) -> Result<Json<Vec<JoinState>>, Failure> {
    blocking(&app, |app| {
        let records = app.inner.state.read().joins.clone();
        Ok(Json(records.iter().map(|it| show(app, it)).collect()))
    })
    .await
}

/// A join as it stands: whoever the roster knows has arrived, whatever was answered.
fn show(app: &App, record: &JoinRecord) -> JoinState {
    let arrived = || {
        let community = record.community.parse().ok()?;
        let member: PublicKey = record.member.parse().ok()?;
        let authority = app.inner.ingest.ledger().authority(&community)?;
        Some(authority.members().contains_key(&member))
    };
    let arrived = arrived().unwrap_or(false);
    JoinState {
        community: record.community.clone(),
        member: record.member.clone(),
        state: match arrived {
            true => "member".to_owned(),
            false => record.state.clone(),
        },
        reason: record.reason.clone().filter(|_| !arrived),
        attempts: record.attempts,
    }
}
