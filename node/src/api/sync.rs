//! Peers: dialling them, exchanging with them, and who holds whose words.

use super::{
    App,
    error::Failure,
    extract::{Args, Body, State, blocking},
    lookup,
};
use crate::{
    projection::{read_receipt, receipts_prefix},
    random,
    store::IndexScan,
};
use axum::Json;
use comity_client::types::{
    Connect, Connected, Doctor, Holder, Holding, SpaceInfo, SyncRequest, SyncStatus,
};
use comity_protocol::{
    authority::Authority,
    certificate::governance_space,
    id::{CommunityId, SpaceId},
    key::PublicKey,
};
use serde::Deserialize;
use std::{collections::BTreeSet, sync::Arc};

/// Longest wait for a sync, in milliseconds.
const WAIT_MAX_MS: u64 = 10 * 60 * 1000;
/// Receipts read per author and space.
const RECEIPTS_MAX: usize = 1_024;

pub(super) fn no_network() -> Failure {
    Failure::unavailable("this node was opened without network")
        .hint("Start it with `comity node start`, then try again.")
}

pub(super) async fn connect(
    State(app): State<Arc<App>>,
    Body(request): Body<Connect>,
) -> Result<Json<Connected>, Failure> {
    let peers = app.inner.peers().ok_or_else(no_network)?;
    let peer_id = peers.connect(&request.address).await?;
    Ok(Json(Connected { peer_id }))
}

pub(super) async fn doctor(State(app): State<Arc<App>>) -> Result<Json<Doctor>, Failure> {
    let peers = app.inner.peers().ok_or_else(no_network)?;
    Ok(Json(peers.doctor().await))
}

pub(super) async fn sync(
    State(app): State<Arc<App>>,
    Body(request): Body<SyncRequest>,
) -> Result<Json<SyncStatus>, Failure> {
    let peers = app.inner.peers().ok_or_else(no_network)?;
    // Whether the wait sufficed is told per peer.
    peers.sync(request.wait_ms.min(WAIT_MAX_MS)).await;
    report(&app, None).await.map(Json)
}

#[derive(Deserialize)]
pub(super) struct Asked {
    author: Option<String>,
}

pub(super) async fn status(
    State(app): State<Arc<App>>,
    Args(Asked { author }): Args<Asked>,
) -> Result<Json<SyncStatus>, Failure> {
    let author = author.as_deref().map(lookup::key).transpose()?;
    report(&app, author).await.map(Json)
}

async fn report(app: &Arc<App>, author: Option<PublicKey>) -> Result<SyncStatus, Failure> {
    let (peers, unreachable) = match app.inner.peers() {
        Some(peers) => (peers.connected().await, peers.unreachable().await),
        None => (Vec::new(), Vec::new()),
    };
    blocking(app, move |app| {
        let (pending, unauthorized) = app.inner.ingest.pending();
        let mut spaces = Vec::new();
        let mut mine = Vec::new();
        for id in app.community_ids() {
            let Some(authority) = app.inner.ingest.ledger().authority(&id) else {
                continue;
            };
            for space in spaces_for_people(&authority, id) {
                if !app.shows(&space) {
                    continue;
                }
                let info = app.space_info(&authority, &space)?;
                // Records of governance have no receipts: they would change what hello compares.
                if let Some(author) = &author
                    && space != governance_space(id)
                {
                    mine.extend(holdings(app, &authority, &space, &info, author)?);
                }
                spaces.push(info);
            }
        }
        Ok(SyncStatus {
            spaces,
            peers,
            mine,
            irregular: app.irregular_chains(),
            unreachable,
            pending,
            unauthorized,
        })
    })
    .await
}

/// The space of governance, then the others by name: people look for a name, not for an id.
fn spaces_for_people(authority: &Authority, community: CommunityId) -> Vec<SpaceId> {
    let mut declared: Vec<_> = authority.spaces().iter().collect();
    declared.sort_by(|a, b| (&a.1.name, a.0).cmp(&(&b.1.name, b.0)));
    let declared = declared.into_iter().map(|(id, _)| *id);
    [governance_space(community)]
        .into_iter()
        .chain(declared)
        .collect()
}

/// Who holds the words of a person, device by device.
fn holdings(
    app: &App,
    authority: &Authority,
    space: &SpaceId,
    info: &SpaceInfo,
    author: &PublicKey,
) -> Result<Vec<Holding>, Failure> {
    let slots = authority.device_slots(author);
    let mut keys: BTreeSet<PublicKey> = slots
        .into_iter()
        .flat_map(|it| it.values())
        .copied()
        .collect();
    keys.insert(*author);
    let mut holdings = Vec::new();
    for key in keys {
        let newest = {
            let ledger = app.inner.ingest.ledger();
            ledger.newest_of(&app.inner.archive, space, &key)
        };
        let Some(newest) = newest else { continue };
        holdings.push(Holding {
            space: info.id.clone(),
            space_name: info.name.clone(),
            author: key.to_string(),
            seq: newest.seq,
            held_by: holders(app, authority, space, &key, newest.seq)?,
        });
    }
    Ok(holdings)
}

fn holders(
    app: &App,
    authority: &Authority,
    space: &SpaceId,
    author: &PublicKey,
    seq: u64,
) -> Result<Vec<Holder>, Failure> {
    let here = app.inner.public();
    let party = |node: &PublicKey| {
        let party = authority.node_party(node)?;
        Some(authority.parties().get(&party)?.name.clone())
    };
    // What is durable here needs no receipt to be known.
    let mut holders = vec![Holder {
        node: here.to_string(),
        party: party(&here),
        seq,
        time_ms: random::now_ms(),
        here: true,
    }];
    let scan = IndexScan::forward(receipts_prefix(space, author), RECEIPTS_MAX);
    let page = app.inner.archive.store().index().scan(&scan)?;
    for (key, value) in &page.items {
        let node = key.last_chunk::<32>().copied();
        // The record was verified before it was indexed.
        let (Some(node), Some((seq, time_ms))) =
            (node.map(PublicKey::from_own_record), read_receipt(value))
        else {
            continue;
        };
        if node != here {
            holders.push(Holder {
                node: node.to_string(),
                party: party(&node),
                seq,
                time_ms,
                here: false,
            });
        }
    }
    Ok(holders)
}
