//! What the network tells, and who deals with it.

use super::{gossip, hello, hub::Hub, joining, linking, session, telling, words};
use comity_net::{Event, Events, PeerId, PeerStream, Verdict};
use comity_protocol::sync::Role;
use std::{sync::Arc, time::Instant};
use tracing::{debug, info, warn};

pub(super) async fn listen_to_network(hub: Arc<Hub>, mut events: Events) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { peer, address, .. } => {
                info!(%peer, %address, "connected");
                hub.connected(peer, address.to_string());
            }
            Event::Disconnected { peer, reason } => {
                info!(%peer, ?reason, "disconnected");
                hub.disconnected(&peer);
            }
            Event::DialFailed {
                peer,
                error,
                retry_in,
            } => {
                debug!(%peer, %error, ?retry_in, "not reached");
                hub.not_reached(peer, error.to_string(), retry_in);
            }
            Event::Gossip {
                source,
                group,
                topic,
                data,
                id,
            } => {
                let (hub, arrived) = (hub.clone(), Instant::now());
                let heard = hub.shared.warden.gossips(source);
                let place = hub.hearing.clone().try_acquire_owned();
                tokio::spawn(async move {
                    // Whoever floods gets ignored; what was in it comes by sync.
                    let Some(_place) = place.ok().filter(|_| heard) else {
                        hub.inner().metrics.exchange.heard.dropped.add(1);
                        let _ = hub.network.report_validation(id, Verdict::Ignore).await;
                        return;
                    };
                    let inner = hub.inner().clone();
                    let warden = hub.shared.warden.clone();
                    let from = (source, warden);
                    let verdict = gossip::hear(inner, from, (group, topic), (data, arrived)).await;
                    // Too late is no error: gossip is a hint.
                    let _ = hub.network.report_validation(id, verdict).await;
                });
            }
            Event::IncomingStream {
                peer,
                protocol,
                stream,
            } => {
                incoming(&hub, peer, protocol.as_ref(), stream);
            }
            Event::Backpressure { what, dropped } => {
                warn!(
                    ?what,
                    dropped, "the network brings more than this node takes"
                );
            }
            Event::Listening { address } => debug!(%address, "listening"),
            Event::IdentifyInfo { peer, agent, .. } => debug!(%peer, %agent, "identified"),
            Event::PingRtt { .. } => {}
            Event::ReachChanged => hub
                .reach_changed
                .send_modify(|count| *count = count.wrapping_add(1)),
        }
    }
}

pub(super) fn incoming(hub: &Arc<Hub>, peer: PeerId, protocol: &str, stream: PeerStream) {
    if !hub.shared.warden.opens(peer, protocol) {
        debug!(%peer, protocol, "a peer opens more streams than are answered");
        return;
    }
    let warden = hub.shared.warden.clone();
    match protocol {
        hello::PROTOCOL => {
            let hub = hub.clone();
            tokio::spawn(async move {
                let _talk = warden.talk(peer);
                let greeted = |greeting| hub.greeted(&peer, greeting);
                if let Err(error) = hello::answer(hub.inner(), peer, stream, greeted).await {
                    hub.hello_failed(&peer, &error);
                }
            });
        }
        session::PROTOCOL => hub.start_session(peer, Role::Acceptor, stream),
        joining::PROTOCOL => {
            let inner = hub.inner().clone();
            tokio::spawn(async move {
                let _talk = warden.talk(peer);
                joining::answer(inner, (peer, &warden), stream).await;
            });
        }
        linking::PROTOCOL => {
            let inner = hub.inner().clone();
            tokio::spawn(async move {
                let _talk = warden.talk(peer);
                linking::answer(inner, peer, stream).await;
            });
        }
        telling::PROTOCOL => {
            let hub = hub.clone();
            tokio::spawn(async move {
                let _talk = warden.talk(peer);
                telling::hear(hub, peer, stream).await;
            });
        }
        words::PROTOCOL => {
            let hub = hub.clone();
            tokio::spawn(async move {
                let _talk = warden.talk(peer);
                words::answer(hub, peer, stream).await;
            });
        }
        other => debug!(%peer, protocol = other, "an unknown protocol"),
    }
}
