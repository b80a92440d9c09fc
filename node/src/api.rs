//! The local API: HTTP over the node's Unix socket, or in-process.
//!
//! Restricted spaces are there for callers who prove that they may read them, and absent for all
//! others ([`caller`]); what peers may see is decided where they ask. Handlers are thin: they read a request, let a
//! blocking thread answer it from the archive, the ledger and the views, and give JSON back.
//! Each file below is one group of endpoints.
//!
//! Spec: `specs/http-api.md`.

mod arrivals;
mod background;
mod bytes;
mod caller;
mod chains;
mod communities;
mod cuts;
mod devices;
mod document;
mod documents;
mod entries;
mod error;
mod events;
mod export;
mod extract;
mod governance;
mod health;
mod keeping;
mod lookup;
mod maintenance;
mod members;
mod membership;
mod metrics;
mod origins;
mod quarantine;
mod resolve;
mod signing;
mod status;
mod sync;

use crate::node::Inner;
use axum::{
    Router,
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use comity_client::Answer;
use error::Failure;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use std::{future::ready, sync::Arc};
use tower::ServiceExt;

pub(crate) use background::watch;

/// The node and what the API remembers between requests. Everything here can be built again.
#[derive(Clone)]
pub(crate) struct App {
    inner: Arc<Inner>,
    counts: Arc<arrivals::Counts>,
    chains: Arc<chains::Chains>,
    origins: Arc<origins::Origins>,
    caller: caller::Caller,
}

impl App {
    fn new(inner: Arc<Inner>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            counts: Arc::default(),
            chains: Arc::default(),
            origins: Arc::default(),
            caller: caller::Caller::default(),
        })
    }

    /// Forgets what follows from positions in the index.
    fn forget_caches(&self) {
        self.counts.forget();
        self.origins.forget();
        self.inner.names.forget();
    }
}

/// Marks a request that was made in this process.
#[derive(Clone, Copy)]
struct SameProcess;

pub(crate) fn router(inner: Arc<Inner>) -> Router {
    let counting = inner.clone();
    Router::new()
        .route("/v0/status", get(status::status))
        .route("/v0/health", get(health::health))
        .route("/v0/metrics", get(metrics::metrics))
        .route("/v0/stop", post(status::stop))
        .route(
            "/v0/communities",
            get(communities::list).post(communities::track),
        )
        .route("/v0/communities/{id}", get(communities::show))
        .route("/v0/communities/{id}/members", get(members::members))
        .route("/v0/communities/{id}/cuts", get(cuts::cuts))
        .route("/v0/communities/{id}/leave", post(communities::leave))
        .route("/v0/communities/{id}/charter", get(governance::charter))
        .route("/v0/communities/{id}/charter/log", get(governance::log))
        .route("/v0/communities/{id}/proposals", get(governance::proposals))
        .route("/v0/communities/{id}/parties", get(governance::parties))
        .route(
            "/v0/communities/{id}/without-effect",
            get(governance::without_effect),
        )
        .route(
            "/v0/communities/{id}/parties/{party}",
            get(governance::party),
        )
        .route("/v0/entries", post(entries::submit))
        .route("/v0/entries/{id}", get(entries::show))
        .route("/v0/spaces/{space}/context", get(signing::context))
        .route("/v0/spaces/{space}/keep", post(keeping::keep))
        .route("/v0/consent", post(membership::consent))
        .route("/v0/grants", post(membership::put_grant))
        .route("/v0/joins", get(membership::joins).post(membership::join))
        .route(
            "/v0/devices/requests",
            get(devices::waiting).post(devices::hand_over),
        )
        .route("/v0/documents", get(documents::list))
        .route("/v0/documents/{id}", get(document::show))
        .route("/v0/documents/{id}/fetch", post(keeping::fetch))
        .route("/v0/documents/{id}/history", get(document::history))
        .route("/v0/documents/{id}/blame", get(document::blame))
        .route("/v0/documents/{id}/automerge", get(document::automerge))
        .route("/v0/quarantine", get(quarantine::list))
        .route("/v0/resolve", get(resolve::resolve))
        .route("/v0/origins", post(origins::origins))
        .route("/v0/doctor", get(sync::doctor))
        .route("/v0/connect", post(sync::connect))
        .route("/v0/sync", post(sync::sync))
        .route("/v0/sync/status", get(sync::status))
        .route("/v0/verify", post(maintenance::verify))
        .route("/v0/reindex", post(maintenance::reindex))
        .route("/v0/backup", post(maintenance::backup))
        .route("/v0/export", get(export::export))
        .route("/v0/events", get(events::events))
        .fallback(|| async { Failure::not_found("there is no such endpoint in this version") })
        .method_not_allowed_fallback(|| async {
            Failure::invalid("the endpoint does not take this method")
        })
        .layer(map_response(move |answer: Response| {
            counting.metrics.answers.count(answer.status().as_u16());
            ready(answer)
        }))
        .with_state(App::new(inner))
}

/// Answers a request of a client in the same process.
pub(crate) async fn answer_in_process(router: Router, request: Request<Full<Bytes>>) -> Answer {
    let mut request = request.map(axum::body::Body::new);
    request.extensions_mut().insert(SameProcess);
    match router.oneshot(request).await {
        Ok(answer) => answer.map(|body| body.map_err(Into::into).boxed_unsync()),
        Err(never) => match never {},
    }
}
