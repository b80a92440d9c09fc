//! The tap: every byte of every stream, both ways, as it is before encryption; and what it shows.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use comity_net::error::PublishError;
use comity_net::tap::{Tap, TappedStream, Way};
use comity_net::{Carrier, Direction, Event, Network, PeerId};

use crate::harness::{BOTH, HELLO, Node, PATIENCE, config, patiently};

const TOPIC: &str = "space-1";

type Pieces = Arc<Mutex<Vec<(TappedStream, Way, Vec<u8>)>>>;

fn recording() -> (Tap, Pieces) {
    let pieces = Pieces::default();
    let heard = Arc::clone(&pieces);
    let tap = Tap::new(move |on, way, bytes: &[u8]| {
        heard.lock().expect("whole").push((on, way, bytes.to_vec()));
    });
    (tap, pieces)
}

/// On which streams these bytes went, looked for across pieces.
fn streams_with(pieces: &Pieces, way: Way, needle: &[u8]) -> Vec<TappedStream> {
    let pieces = pieces.lock().expect("whole");
    let mut streams: Vec<(TappedStream, Vec<u8>)> = Vec::new();
    for (on, _, bytes) in pieces.iter().filter(|(_, its_way, _)| *its_way == way) {
        match streams.iter_mut().find(|(known, _)| known == on) {
            Some((_, all)) => all.extend_from_slice(bytes),
            None => streams.push((*on, bytes.clone())),
        }
    }
    let found = streams
        .into_iter()
        .filter(|(_, all)| all.windows(needle.len()).any(|part| part == needle));
    found.map(|(on, _)| on).collect()
}

async fn start_tapped(carrier: Carrier) -> (Node, Pieces) {
    let (tap, pieces) = recording();
    let any = match carrier {
        Carrier::Tcp => "/ip4/127.0.0.1/tcp/0",
        Carrier::Memory => "/memory/0",
    };
    let (network, events) = Network::start_tapped(config(1, carrier), tap).expect("starts");
    let listening = network.listen(any.parse().expect("valid")).await;
    let node = Node {
        network,
        events,
        address: listening.expect("listens")[0].clone(),
    };
    (node, pieces)
}

async fn publish(network: &Network, data: &[u8]) {
    let publishing = async {
        loop {
            match network.publish(TOPIC, data.to_vec()).await {
                Err(PublishError::NoPeers) => tokio::task::yield_now().await,
                published => return published.expect("publishes"),
            }
        }
    };
    patiently("a subscriber", publishing).await;
}

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
        let (mut a, pieces) = start_tapped(carrier).await;
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

        for node in [&a, &b] {
            node.network.subscribe(TOPIC).await.expect("subscribes");
        }
        publish(&a.network, b"from a").await;
        assert_eq!(gossip(&mut b).await, b"from a");
        publish(&b.network, b"from b").await;
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
    let (hub, pieces) = start_tapped(Carrier::Memory).await;
    hub.network.subscribe(TOPIC).await.expect("subscribes");
    let mut others = Vec::new();
    for number in 0..OTHERS {
        let mut config = config(number + 2, Carrier::Memory);
        config.timing.ping_interval = Duration::from_secs(1);
        let other = Node::with(config).await;
        other.network.subscribe(TOPIC).await.expect("subscribes");
        other
            .network
            .dial(hub.address.clone())
            .await
            .expect("dials");
        others.push(other);
    }
    let id = loop {
        match hub.network.publish(TOPIC, b"once".to_vec()).await {
            Err(PublishError::NoPeers) => tokio::task::yield_now().await,
            published => break published.expect("publishes"),
        }
    };
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
