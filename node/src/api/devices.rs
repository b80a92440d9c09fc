//! Requests to link devices: handing one to another node, and what was handed to this one.

use super::{
    App, bytes,
    error::Failure,
    extract::{Body, State},
    sync::no_network,
};
use axum::Json;
use comity_client::types::{DeviceRequest, HandOver};
use comity_protocol::access::{LINK_MAX_BYTES, LinkRequest};
use std::{sync::Arc, time::Instant};

/// Hands a request to a peer.
pub(super) async fn hand_over(
    State(app): State<Arc<App>>,
    Body(asked): Body<HandOver>,
) -> Result<Json<()>, Failure> {
    let request = bytes::decode(&asked.request, "the request")?;
    if request.len() > LINK_MAX_BYTES {
        return Err(Failure::too_large(format!(
            "the request has {} bytes; nodes hand over at most {LINK_MAX_BYTES}",
            request.len()
        )));
    }
    LinkRequest::decode(&request).map_err(Failure::invalid)?;
    let peers = app.inner.peers().ok_or_else(no_network)?;
    peers.hand_over(&asked.peer_id, &request).await?;
    Ok(Json(()))
}

/// What waits here, oldest first.
pub(super) async fn waiting(State(app): State<Arc<App>>) -> Json<Vec<DeviceRequest>> {
    let now = Instant::now();
    let waiting = app.inner.linking.waiting(now).into_iter();
    let shown = waiting.map(|it| DeviceRequest {
        request: bytes::encode(&it.request),
        peer_id: it.peer.to_string(),
        age_ms: u64::try_from(now.saturating_duration_since(it.since).as_millis())
            .unwrap_or(u64::MAX),
    });
    Json(shown.collect())
}
