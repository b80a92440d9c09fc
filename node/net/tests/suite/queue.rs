//! An owner that does not take its events.

use comity_net::{Carrier, Dropped, Event};

use crate::harness::{HELLO, Node, PATIENCE, config, group, pair, patiently};

#[tokio::test]
async fn a_full_queue_stalls_nothing_and_says_what_it_dropped() {
    const MESSAGES: u64 = 40;
    let mut deaf = config(1, Carrier::Memory);
    deaf.limits.max_queued_gossip = 8;
    deaf.limits.max_queued_streams = 4;
    let mut deaf = Node::with(deaf).await;
    let mut loud = Node::start(2, Carrier::Memory).await;
    loud.meet(&mut deaf).await;
    loud.gossip_with(&deaf, &[7]).await;
    let subscribed = deaf.network.subscribe(group(7), "t").await;
    assert!(subscribed.expect("subscribes"));

    let flooding = async {
        for number in 0..MESSAGES {
            let data = number.to_be_bytes().to_vec();
            loud.publish(group(7), "t", &data).await;
        }
        while deaf.network.metrics().await.expect("runs").gossip_received < MESSAGES {
            tokio::task::yield_now().await;
        }
    };
    patiently("all gossip, while nobody takes events", flooding).await;

    // The swarm still serves: streams open, and a peer that leaves is noticed.
    loud.network
        .open_stream(deaf.id(), HELLO, PATIENCE)
        .await
        .expect("opens");
    patiently("shutdown", loud.network.shutdown()).await;

    let (mut gossip, mut dropped) = (0, 0);
    deaf.wait("Disconnected", |event| match event {
        Event::Gossip { .. } => {
            gossip += 1;
            None
        }
        Event::Backpressure {
            what: Dropped::Gossip,
            dropped: count,
        } => {
            dropped += count;
            None
        }
        Event::Disconnected { peer, .. } => (peer == loud.id()).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!(
        (gossip, dropped),
        (4, MESSAGES - 4),
        "one peer may fill half of the queue"
    );
    assert_eq!(
        deaf.network
            .metrics()
            .await
            .expect("runs")
            .queue
            .dropped_gossip,
        MESSAGES - 4
    );
}

#[tokio::test]
async fn connections_that_came_and_went_unseen_cancel_out_and_the_last_state_is_kept() {
    let mut deaf = config(1, Carrier::Memory);
    deaf.limits.max_connections = 4;
    let deaf = Node::with(deaf).await;
    let mut restless = Node::start(2, Carrier::Memory).await;
    for _ in 0..20 {
        restless
            .network
            .dial(deaf.address.clone())
            .await
            .expect("dials");
        restless.connected_to(deaf.id()).await;
        restless.network.disconnect(deaf.id()).await.expect("runs");
        restless.disconnected_from(deaf.id()).await;
        let leaving = async {
            while deaf.network.metrics().await.expect("runs").connected_peers > 0 {
                tokio::task::yield_now().await;
            }
        };
        patiently("the leave, as seen by the deaf node", leaving).await;
    }
    let opened = async {
        while deaf
            .network
            .metrics()
            .await
            .expect("runs")
            .connections_closed
            < 20
        {
            tokio::task::yield_now().await;
        }
    };
    patiently("20 closed connections", opened).await;
    let metrics = deaf.network.metrics().await.expect("runs");
    assert!(metrics.queue.coalesced_connections >= 15, "{metrics:?}");

    let Node {
        network,
        mut events,
        ..
    } = deaf;
    drop(network);
    let mut connected = false;
    let mut seen = 0;
    while let Some(event) = patiently("the rest", events.recv()).await {
        match event {
            Event::Connected { .. } => {
                assert!(!connected);
                (connected, seen) = (true, seen + 1);
            }
            Event::Disconnected { .. } => {
                assert!(connected);
                connected = false;
            }
            _ => {}
        }
    }
    assert!(!connected && (1..=5).contains(&seen), "{seen}");
}

#[tokio::test]
async fn dropping_the_events_does_not_end_the_network() {
    let (a, mut b) = pair(Carrier::Memory).await;
    drop(a.events);
    b.network
        .disconnect(a.network.peer_id())
        .await
        .expect("runs");
    b.disconnected_from(a.network.peer_id()).await;
    assert_eq!(
        b.network.dial(a.address).await.expect("dials"),
        a.network.peer_id()
    );
}
