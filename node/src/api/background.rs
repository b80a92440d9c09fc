//! What the node does by itself so that answers stay right.

use crate::{history, node::Inner, store::StoreState};
use comity_protocol::certificate::governance_space;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::broadcast::error::RecvError;
use tracing::{info, warn};

/// How often a store that takes no writes is tried again.
const RESUME_EVERY: Duration = Duration::from_secs(3);

/// Starts it. Ends when the node stops or is dropped.
pub(crate) fn watch(inner: &Arc<Inner>) {
    tokio::spawn(resume_writing(Arc::downgrade(inner)));
    tokio::spawn(forget_names(Arc::downgrade(inner)));
    tokio::spawn(read_along(Arc::downgrade(inner)));
}

async fn resume_writing(weak: Weak<Inner>) {
    let (mut state, mut stopping) = match weak.upgrade() {
        Some(inner) => (inner.archive.store().state(), inner.stopping.subscribe()),
        None => return,
    };
    loop {
        let read_only = |state: &StoreState| *state != StoreState::Ready;
        tokio::select! {
            changed = state.wait_for(read_only) => match changed.map(|it| it.clone()) {
                Ok(StoreState::ReadOnly { reason }) => {
                    warn!(reason, "the store takes no writes");
                }
                _ => return,
            },
            _ = stopping.wait_for(|it| *it) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(RESUME_EVERY) => {}
            _ = stopping.wait_for(|it| *it) => return,
        }
        let Some(inner) = weak.upgrade() else { return };
        let tried = tokio::task::spawn_blocking(move || {
            inner.archive.store().try_resume()?;
            // An erasure that was made durable may have failed to overwrite its words.
            inner.ingest.finish_erasures()
        })
        .await;
        if let Ok(Ok(_)) = tried
            && *state.borrow() == StoreState::Ready
        {
            info!("the store takes writes again");
        }
    }
}

/// Names follow profiles, which may arrive from peers at any time.
async fn forget_names(weak: Weak<Inner>) {
    let Some(inner) = weak.upgrade() else { return };
    let mut announcements = inner.ingest.announcements();
    let mut stopping = inner.stopping.subscribe();
    drop(inner);
    loop {
        tokio::select! {
            heard = announcements.recv() => match heard {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = stopping.wait_for(|it| *it) => return,
        }
        let Some(inner) = weak.upgrade() else { return };
        inner.names.forget();
    }
}

/// A genesis says what its community continues; it and what founds it may arrive at any time.
async fn read_along(weak: Weak<Inner>) {
    let Some(inner) = weak.upgrade() else { return };
    let mut announcements = inner.ingest.announcements();
    let mut stopping = inner.stopping.subscribe();
    drop(inner);
    loop {
        let governed = tokio::select! {
            heard = announcements.recv() => match heard {
                Ok(it) => governance_space(it.community) == it.space,
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return,
            },
            _ = stopping.wait_for(|it| *it) => return,
        };
        if !governed {
            continue;
        }
        let Some(inner) = weak.upgrade() else { return };
        let noted = tokio::task::spawn_blocking(move || history::read_along(&inner)).await;
        if let Ok(Err(error)) = noted {
            warn!(%error, "what a community continues could not be noted yet");
        }
    }
}
