//! What the node is and how it does; stopping it.

use super::{
    App, SameProcess,
    error::Failure,
    extract::{State, blocking},
};
use crate::peers::{Peers, peer_of};
use crate::{random, store::StoreState};
use axum::{Extension, Json};
use comity_client::types::NodeStatus;
use std::sync::{Arc, PoisonError};

pub(super) async fn status(
    State(app): State<Arc<App>>,
    same_process: Option<Extension<SameProcess>>,
) -> Result<Json<NodeStatus>, Failure> {
    let (listening, peers) = match app.inner.peers() {
        Some(peers) => (peers.listening().await, peers.connected().await),
        None => (Vec::new(), Vec::new()),
    };
    let peer_id = peer_of(&app.inner.public())
        .map(|it| it.to_string())
        .unwrap_or_default();
    blocking(&app, move |app| {
        let stats = app.inner.archive.store().stats()?;
        let (store, store_reason) = match stats.state {
            StoreState::Ready => ("ready", None),
            StoreState::ReadOnly { reason } => ("read_only", Some(reason)),
            StoreState::Closed => ("closed", None),
        };
        Ok(Json(NodeStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: app.inner.public().to_string(),
            peer_id,
            listening,
            peers,
            communities: app.community_ids().len(),
            entries: stats.entries,
            record_bytes: stats.record_bytes,
            index_bytes: stats.index_bytes,
            index_engine: stats.index_engine.to_string(),
            store: store.to_owned(),
            store_reason,
            time_ms: random::now_ms(),
            uptime_ms: u64::try_from(app.inner.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: warnings(app, stats.damaged),
            pid: same_process.is_none().then(std::process::id),
            tasks: app.shown_tasks(app.inner.tasks.running()),
            incomplete: app.incomplete_spaces()?,
        }))
    })
    .await
}

fn warnings(app: &App, damaged: usize) -> Vec<String> {
    let mut warnings = app
        .inner
        .warnings
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if damaged > 0 {
        warnings.push(format!(
            "{damaged} places of the record are damaged; `comity verify` lists them"
        ));
    }
    let (gaps, forks) = app.count_irregular();
    if gaps > 0 {
        warnings.push(format!(
            "{gaps} chains have gaps: something was withheld or has not arrived; \
             `comity sync status` lists them"
        ));
    }
    if forks > 0 {
        warnings.push(format!(
            "{forks} chains are forked: a key signed two entries with one number, as after a \
             restore from an old backup; `comity sync status` lists them"
        ));
    }
    warnings.extend(app.inner.peers().and_then(Peers::clock_in_doubt));
    warnings.extend(app.inner.peers().and_then(Peers::kept_out));
    warnings
}

/// Asks the node to stop. The answer is given first: requests in flight finish.
pub(super) async fn stop(State(app): State<Arc<App>>) -> Json<()> {
    app.inner.stopping.send_replace(true);
    Json(())
}
