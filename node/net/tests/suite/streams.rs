//! Requests over streams.

use std::collections::BTreeMap;
use std::time::Duration;

use comity_net::error::{DialError, OpenError};
use comity_net::{Carrier, Dropped, Event, FrameError, Network, PeerId, StreamProtocol};
use tokio::io::AsyncWriteExt;

use crate::harness::{BOTH, HELLO, Node, PATIENCE, SYNC, config, pair, patiently};

async fn incoming(node: &mut Node) -> (PeerId, StreamProtocol, comity_net::PeerStream) {
    node.wait("IncomingStream", |event| match event {
        Event::IncomingStream {
            peer,
            protocol,
            stream,
        } => Some((peer, protocol, stream)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_hello_is_answered() {
    for carrier in BOTH {
        let (a, mut b) = pair(carrier).await;
        let (a_id, b_id) = (a.id(), b.id());
        let serving = tokio::spawn(async move {
            let (peer, protocol, stream) = incoming(&mut b).await;
            assert_eq!((peer, protocol), (a_id, HELLO));
            let (mut reader, mut writer) = stream.into_frames(1_000);
            let mut request = reader.read(PATIENCE).await.expect("reads").expect("open");
            request.reverse();
            writer.write(&request, PATIENCE).await.expect("answers");
            assert!(reader.read(PATIENCE).await.expect("clean close").is_none());
            writer.close(PATIENCE).await.expect("closes");
            b
        });
        let stream = a
            .network
            .open_stream(b_id, HELLO, PATIENCE)
            .await
            .expect("opens");
        let (mut reader, mut writer) = stream.into_frames(1_000);
        writer.write(b"olleh", PATIENCE).await.expect("asks");
        assert_eq!(
            reader.read(PATIENCE).await.expect("reads"),
            Some(b"hello".to_vec())
        );
        writer.close(PATIENCE).await.expect("closes");
        assert!(reader.read(PATIENCE).await.expect("clean close").is_none());
        patiently("the server", serving).await.expect("no panic");
    }
}

#[tokio::test]
async fn a_hostile_length_over_a_real_stream_is_refused() {
    let (a, mut b) = pair(Carrier::Tcp).await;
    let mut hostile = a
        .network
        .open_stream(b.id(), SYNC, PATIENCE)
        .await
        .expect("opens");
    hostile
        .write_all(&u32::MAX.to_be_bytes())
        .await
        .expect("writes");
    hostile.flush().await.expect("flushes");
    let (mut reader, _writer) = incoming(&mut b).await.2.into_frames(1 << 20);
    let refused = reader.read(PATIENCE).await;
    assert!(
        matches!(refused, Err(FrameError::TooLarge { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn opening_dials_first_and_names_what_is_missing() {
    let (a, mut b) = (
        Node::start(1, Carrier::Tcp).await,
        Node::start(2, Carrier::Tcp).await,
    );
    let unknown = a.network.open_stream(b.id(), HELLO, PATIENCE).await;
    assert!(
        matches!(unknown, Err(OpenError::Dial(DialError::NoAddress { .. }))),
        "{unknown:?}"
    );

    a.network
        .set_reconnect(b.id(), vec![b.address.clone()])
        .await
        .expect("room");
    let mut stream = a
        .network
        .open_stream(b.id(), HELLO, PATIENCE)
        .await
        .expect("dials, opens");
    // Negotiation is finished by whoever writes first.
    stream.write_all(b"x").await.expect("writes");
    assert_eq!(incoming(&mut b).await.0, a.id());

    let foreign = StreamProtocol::new("/comity/unheard-of/1");
    let refused = a.network.open_stream(b.id(), foreign, PATIENCE).await;
    assert!(
        matches!(refused, Err(OpenError::Unsupported { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn opening_ends_within_its_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = silent.local_addr().expect("bound").port();
    let (network, _events) = Network::start(config(1, Carrier::Tcp)).expect("starts");
    let peer = PeerId::random();
    let address = format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("valid");
    network
        .set_reconnect(peer, vec![address])
        .await
        .expect("room");
    let within = Duration::from_millis(200);
    let opened = patiently("a typed timeout", network.open_stream(peer, HELLO, within)).await;
    assert!(
        matches!(opened, Err(OpenError::TimedOut { .. })),
        "{opened:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_streams_arrives_or_is_counted() {
    const BURST: u64 = 64;
    let (a, mut b) = pair(Carrier::Tcp).await;
    let b_id = b.id();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..BURST {
        let network = a.network.clone();
        opening.spawn(async move {
            let mut stream = network
                .open_stream(b_id, HELLO, PATIENCE)
                .await
                .expect("opens");
            stream.write_all(b"x").await.expect("writes");
            stream
        });
    }
    let (mut arrived, mut dropped) = (Vec::new(), 0);
    while (arrived.len() as u64) + dropped < BURST {
        let step = b.wait("a stream or a count", |event| match event {
            Event::IncomingStream { stream, .. } => Some(Ok(stream)),
            Event::Backpressure {
                what: Dropped::IncomingStreams,
                dropped,
            } => Some(Err(dropped)),
            _ => None,
        });
        match step.await {
            Ok(stream) => arrived.push(stream),
            Err(count) => dropped += count,
        }
    }
    assert_eq!(arrived.len() as u64, BURST, "the queue had room for all");
}

/// What a node sees when its whole community returns after a restart. On this one thread,
/// `libp2p-stream` lost 39 of these 40 streams after their openers were told "open".
#[tokio::test]
async fn many_peers_that_say_hello_at_once_are_all_heard() {
    const PEERS: u8 = 40;
    let mut hub = Node::start(1, Carrier::Memory).await;
    let hub_id = hub.id();
    let mut nodes = Vec::new();
    for number in 2..2 + PEERS {
        let node = Node::start(number, Carrier::Memory).await;
        node.network.dial(hub.address.clone()).await.expect("dials");
        nodes.push(node);
    }
    let mut opening = tokio::task::JoinSet::new();
    for node in &nodes {
        let network = node.network.clone();
        opening.spawn(async move {
            let mut stream = network
                .open_stream(hub_id, HELLO, PATIENCE)
                .await
                .expect("opens");
            stream.write_all(b"x").await.expect("writes");
            stream
        });
    }
    // Streams are kept: dropping one resets it, perhaps before its opener has written.
    let mut heard = BTreeMap::new();
    while heard.len() < nodes.len() {
        let (peer, _, stream) = incoming(&mut hub).await;
        assert!(heard.insert(peer, stream).is_none(), "each only once");
    }
    let held = patiently("all openers", opening.join_all()).await;
    assert_eq!(held.len(), nodes.len());
    assert_eq!(
        hub.network
            .metrics()
            .await
            .expect("runs")
            .queue
            .dropped_streams,
        0
    );
}
