//! Saying hello: to peers that connect, and again when this node's communities or grants change.

use super::{OPEN_PATIENCE, gossip, hello, hub::Hub, session};
use comity_net::{PeerId, StreamProtocol};
use comity_protocol::sync::Role;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::sleep};
use tracing::{debug, warn};

/// Between attempts to greet a peer that did not answer well.
const GREET_RETRY: Duration = Duration::from_secs(5);
/// Between looks for communities and grants that changed.
const REFRESH: Duration = Duration::from_secs(2);

/// Says hello to a peer and keeps a sync session with it until it is gone.
pub(super) async fn greet(hub: Arc<Hub>, peer: PeerId) {
    loop {
        match hello::open(hub.inner(), &hub.network, peer).await {
            Ok(greeting) => {
                hub.greeted(&peer, greeting);
                let protocol = StreamProtocol::new(session::PROTOCOL);
                match hub.network.open_stream(peer, protocol, OPEN_PATIENCE).await {
                    Ok(stream) => hub.start_session(peer, Role::Opener, stream),
                    Err(error) => warn!(%peer, %error, "no sync stream"),
                }
            }
            Err(error) => hub.hello_failed(&peer, &error),
        }
        wait_for_session_to_end(&hub, &peer).await;
        sleep(GREET_RETRY).await;
    }
}

pub(super) async fn wait_for_session_to_end(hub: &Hub, peer: &PeerId) {
    let in_sync = {
        let peers = hub.peers();
        let session = peers.get(peer).and_then(|peer| peer.session.as_ref());
        session.map(|session| session.in_sync.clone())
    };
    if let Some(mut in_sync) = in_sync {
        while in_sync.changed().await.is_ok() {}
    }
}

/// Says hello again when this node's communities or grants change, and keeps topics subscribed.
pub(super) async fn keep_greetings_fresh(hub: Arc<Hub>, gossip: bool) {
    let mut told = None;
    let mut owed = BTreeSet::new();
    loop {
        let now = {
            let state = hub.inner().state.read();
            let communities: Vec<String> = hub
                .inner()
                .ingest
                .ledger()
                .communities()
                .keys()
                .map(ToString::to_string)
                .collect();
            (state.communities.clone(), communities)
        };
        if told.as_ref() != Some(&now) {
            if told.is_some() {
                owed = hub.peers().keys().copied().collect();
            }
            told = Some(now);
        }
        // First, since a peer that is silent makes the hellos take long.
        if gossip {
            gossip::subscribe(hub.inner(), &hub.network).await;
        }
        owed = say_hello_again(&hub, owed).await;
        sleep(REFRESH).await;
    }
}

/// Says hello to these peers, all at once: a silent one must not keep the others waiting. Gives
/// back those still connected that it did not work with.
pub(super) async fn say_hello_again(hub: &Arc<Hub>, peers: BTreeSet<PeerId>) -> BTreeSet<PeerId> {
    let mut hellos = JoinSet::new();
    for peer in peers {
        let hub = hub.clone();
        hellos.spawn(async move {
            match hello::open(hub.inner(), &hub.network, peer).await {
                Ok(greeting) => hub.greeted(&peer, greeting),
                Err(error) => {
                    debug!(%peer, %error, "a fresh hello failed");
                    return Some(peer);
                }
            }
            None
        });
    }
    let failed = hellos.join_all().await.into_iter().flatten();
    let connected = hub.peers();
    failed.filter(|peer| connected.contains_key(peer)).collect()
}
