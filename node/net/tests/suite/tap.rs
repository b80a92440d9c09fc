//! The tap: every byte of every stream, both ways, as it is before encryption; and what it shows.

use std::time::Duration;

use comity_net::tap::Way;
use comity_net::{Carrier, Direction, Event, PeerId};

use crate::harness::{BOTH, HELLO, Node, PATIENCE, config, group, streams_with};

const TOPIC: &str = "space-1";

async fn gossip(node: &mut Node) -> Vec<u8> {
    node.wait("Gossip", |event| match event {
        Event::Gossip { data, .. } => Some(data),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_tap_sees_frames_and_gossip_both_ways() {
    for carrier in BOTH {
        let (mut a, pieces) = Node::tapped(config(1, carrier)).await;
        let mut b = Node::start(2, carrier).await;
        a.meet(&mut b).await;

        let stream = a.network.open_stream(b.id(), HELLO, PATIENCE).await;
        let (mut reader, mut writer) = stream.expect("opens").into_frames(1_000);
        writer
            .write(b"how do you do", PATIENCE)
            .await
            .expect("asks");
        let answering = b.wait("IncomingStream", |event| match event {
            Event::IncomingStream { stream, .. } => Some(stream),
            _ => None,
        });
        let (_b_reader, mut b_writer) = answering.await.into_frames(1_000);
        b_writer
            .write(b"very well", PATIENCE)
            .await
            .expect("answers");
        let answer = reader.read(PATIENCE).await.expect("reads");
        assert_eq!(answer.as_deref(), Some(&b"very well"[..]));

        let sent = streams_with(&pieces, Way::Sent, b"\0\0\0\x0dhow do you do");
        let received = streams_with(&pieces, Way::Received, b"\0\0\0\x09very well");
        assert_eq!(sent, received);
        assert_eq!(
            (sent[0].peer, sent[0].opened),
            (b.id(), Direction::Outbound)
        );
        let agreed = streams_with(&pieces, Way::Sent, HELLO.as_ref().as_bytes());
        assert!(agreed.contains(&sent[0]));
        assert_eq!(streams_with(&pieces, Way::Sent, b"very well"), []);

        a.gossip_with(&b, &[7]).await;
        for node in [&a, &b] {
            node.network
                .subscribe(group(7), TOPIC)
                .await
                .expect("subscribes");
        }
        a.publish(group(7), TOPIC, b"from a").await;
        assert_eq!(gossip(&mut b).await, b"from a");
        b.publish(group(7), TOPIC, b"from b").await;
        assert_eq!(gossip(&mut a).await, b"from b");
        assert_eq!(streams_with(&pieces, Way::Sent, b"from a").len(), 1);
        assert_eq!(streams_with(&pieces, Way::Received, b"from b").len(), 1);
    }
}

/// Messages are sent once, when they are new. Offering them again for some seconds, as gossipsub
/// does by default to peers outside its mesh, would send words that have been erased meanwhile.
#[tokio::test]
async fn what_was_gossiped_is_not_offered_again() {
    // More than the mesh of one node holds, so that some are outside.
    const OTHERS: u8 = 16;
    // The first heartbeat comes after five seconds.
    const PINGS: usize = 8;
    let (mut hub, pieces) = Node::tapped(config(1, Carrier::Memory)).await;
    let subscribe = async |node: &Node| {
        let subscribed = node.network.subscribe(group(7), TOPIC).await;
        assert!(subscribed.expect("subscribes"));
    };
    subscribe(&hub).await;
    let mut others = Vec::new();
    for number in 0..OTHERS {
        let mut config = config(number + 2, Carrier::Memory);
        config.timing.ping_interval = Duration::from_secs(1);
        let mut other = Node::with(config).await;
        subscribe(&other).await;
        other.meet(&mut hub).await;
        other.gossip_with(&hub, &[7]).await;
        others.push(other);
    }
    let id = hub.publish(group(7), TOPIC, b"once").await;
    // Pings count the heartbeats of gossipsub: both come each second.
    for _ in 0..PINGS {
        others[0]
            .wait("PingRtt", |event| {
                matches!(event, Event::PingRtt { .. }).then_some(())
            })
            .await;
    }
    assert!(!streams_with(&pieces, Way::Sent, b"once").is_empty());
    let offered = streams_with(&pieces, Way::Sent, id.as_bytes());
    let offered: Vec<PeerId> = offered.into_iter().map(|it| it.peer).collect();
    assert_eq!(offered, []);
}
