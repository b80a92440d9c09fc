//! Saying hello: to peers that connect, and again when this node's communities change.

use super::{
    OPEN_PATIENCE, gossip, hello,
    hub::{Hub, Peer},
    session,
};
use comity_net::{PeerId, StreamProtocol};
use comity_protocol::{id::CommunityId, sync::Role};
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

/// Says hello again when this node's communities change, has sessions show its grants again when
/// these do, and keeps topics subscribed.
pub(super) async fn keep_greetings_fresh(hub: Arc<Hub>, gossip: bool) {
    let (mut shown, mut before) = (None, Vec::new());
    loop {
        let grants = hub.inner().state.read().communities.clone();
        if shown.as_ref() != Some(&grants) {
            shown = Some(grants);
            hub.shared.own_grants.send_modify(|version| *version += 1);
        }
        let now: Vec<CommunityId> = {
            let ledger = hub.inner().ingest.ledger();
            hello::followed(hub.inner(), &ledger)
        };
        if before != now {
            before.clone_from(&now);
            // What is shared with peers may have changed, whatever they answer.
            hub.changed();
        }
        // A peer that was greeted since knows already.
        let behind = |peer: &Peer| {
            let greeting = peer.greeting.as_ref();
            greeting.is_some_and(|it| it.borrow().told != now)
        };
        let owed = {
            let peers = hub.peers();
            let behind = peers.iter().filter(|(_, peer)| behind(peer));
            behind.map(|(peer, _)| *peer).collect()
        };
        // First, since a peer that is silent makes the hellos take long.
        if gossip {
            gossip::subscribe(hub.inner(), &hub.network).await;
        }
        say_hello_again(&hub, owed).await;
        hub.leave_silent().await;
        sleep(REFRESH).await;
    }
}

/// Says hello to these peers, all at once: a silent one must not keep the others waiting.
async fn say_hello_again(hub: &Arc<Hub>, peers: BTreeSet<PeerId>) {
    let mut hellos = JoinSet::new();
    for peer in peers {
        let hub = hub.clone();
        hellos.spawn(async move {
            match hello::open(hub.inner(), &hub.network, peer).await {
                Ok(greeting) => hub.greeted(&peer, greeting),
                Err(error) => debug!(%peer, %error, "a fresh hello failed"),
            }
        });
    }
    hellos.join_all().await;
}
