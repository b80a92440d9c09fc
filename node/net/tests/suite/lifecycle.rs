//! Ends and returns.

use comity_net::error::Stopped;
use comity_net::{Carrier, DisconnectReason, Event};

use crate::harness::{BOTH, HELLO, Node, PATIENCE, config, pair, patiently};

#[tokio::test]
async fn shutdown_ends_everything_and_frees_the_port() {
    for carrier in BOTH {
        let (mut a, mut b) = pair(carrier).await;
        let clone = a.network.clone();
        patiently("shutdown", a.network.shutdown()).await;
        assert_eq!(
            a.disconnected_from(b.id()).await,
            DisconnectReason::Shutdown
        );
        assert!(
            patiently("the end of events", a.events.recv())
                .await
                .is_none()
        );
        assert_eq!(clone.peers().await, Err(Stopped));
        patiently("shutdown again", clone.shutdown()).await;
        let opened = clone.open_stream(b.id(), HELLO, PATIENCE).await;
        assert!(opened.is_err());
        b.disconnected_from(a.id()).await;
        // The very same port again, at once.
        let mut again = Node::at(config(1, carrier), a.address.clone()).await;
        b.meet(&mut again).await;
    }
}

#[tokio::test]
async fn dropping_the_handle_ends_the_network() {
    let (a, mut b) = pair(Carrier::Tcp).await;
    let Node {
        network,
        mut events,
        ..
    } = a;
    let id = network.peer_id();
    drop(network);
    let ending = async { while events.recv().await.is_some() {} };
    patiently("the end of events", ending).await;
    b.disconnected_from(id).await;
}

#[tokio::test]
async fn a_peer_that_restarts_is_found_again() {
    for carrier in BOTH {
        let mut a = Node::start(1, carrier).await;
        let b = Node::start(2, carrier).await;
        let (b_id, b_address) = (b.id(), b.address.clone());
        a.network
            .set_reconnect(b_id, vec![b_address.clone()])
            .await
            .expect("room");
        a.connected_to(b_id).await;

        b.network.shutdown().await;
        a.disconnected_from(b_id).await;
        let retry = a
            .wait("DialFailed", |event| match event {
                Event::DialFailed { peer, retry_in, .. } if peer == b_id => Some(retry_in),
                _ => None,
            })
            .await;
        assert!(retry.is_some());

        let mut b = Node::at(config(2, carrier), b_address).await;
        b.connected_to(a.id()).await;
        a.connected_to(b_id).await;
        let metrics = a.network.metrics().await.expect("runs");
        assert!(metrics.reconnect_attempts >= 3, "{metrics:?}");

        assert!(a.network.forget(b_id).await.expect("runs"));
        a.network.disconnect(b_id).await.expect("runs");
        assert_eq!(a.disconnected_from(b_id).await, DisconnectReason::Requested);
        assert!(!a.network.forget(b_id).await.expect("runs"));
    }
}
