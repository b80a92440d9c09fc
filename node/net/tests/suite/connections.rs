//! Connecting, refusing, and what each failure is called.

use std::time::Duration;

use comity_net::error::{DialError, ListenError};
use comity_net::{Carrier, Direction, DisconnectReason, Event, Multiaddr, Network};

use crate::harness::{BOTH, HELLO, Node, PATIENCE, config, pair, patiently};

#[tokio::test]
async fn two_nodes_connect_and_know_each_other() {
    for carrier in BOTH {
        let (mut a, b) = pair(carrier).await;
        let seen = a.network.peers().await.expect("runs");
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].peer, seen[0].direction()),
            (b.id(), Some(Direction::Outbound))
        );
        let seen = b.network.peers().await.expect("runs");
        assert_eq!(
            (seen[0].peer, seen[0].direction()),
            (a.id(), Some(Direction::Inbound))
        );

        let (agent, family, protocols) = a
            .wait("IdentifyInfo", |event| match event {
                Event::IdentifyInfo {
                    agent,
                    family,
                    protocols,
                    ..
                } => Some((agent, family, protocols)),
                _ => None,
            })
            .await;
        assert!(agent.starts_with("comity/"), "{agent}");
        assert_eq!(family, "/comity/1");
        assert!(
            protocols.iter().any(|protocol| protocol == HELLO.as_ref()),
            "{protocols:?}"
        );
    }
}

#[tokio::test]
async fn pings_measure_the_round_trip() {
    let (mut a, b) = pair(Carrier::Tcp).await;
    let rtt = a
        .wait("PingRtt", |event| match event {
            Event::PingRtt { peer, rtt } if peer == b.id() => Some(rtt),
            _ => None,
        })
        .await;
    assert!(rtt < PATIENCE);
    assert_eq!(a.network.peers().await.expect("runs")[0].rtt, Some(rtt));
}

#[tokio::test]
async fn dialing_a_connected_peer_again_changes_nothing() {
    let (a, b) = pair(Carrier::Tcp).await;
    let full = b
        .address
        .clone()
        .with_p2p(b.id())
        .expect("no peer in it yet");
    assert_eq!(a.network.dial(full).await.expect("dials"), b.id());
    assert_eq!(
        a.network.peers().await.expect("runs")[0].connections.len(),
        1
    );
}

#[tokio::test]
async fn each_failed_dial_has_its_own_error() {
    let (a, b) = (
        Node::start(1, Carrier::Tcp).await,
        Node::start(2, Carrier::Tcp).await,
    );

    let closed: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().expect("valid");
    match a.network.dial(closed).await {
        Err(DialError::Unreachable { target, cause }) => {
            assert!(target.contains("/tcp/1"), "{target}");
            assert!(cause.contains("refused"), "{cause}");
        }
        other => panic!("{other:?}"),
    }

    let stranger = comity_net::PeerId::random();
    let wrong = b
        .address
        .clone()
        .with_p2p(stranger)
        .expect("no peer in it yet");
    match a.network.dial(wrong).await {
        Err(DialError::WrongPeer { found, .. }) => assert_eq!(found, b.id()),
        other => panic!("{other:?}"),
    }

    let unsupported = "/ip4/127.0.0.1/udp/9/quic-v1".parse().expect("valid");
    let error = a.network.dial(unsupported).await;
    assert!(
        matches!(error, Err(DialError::Unsupported { .. })),
        "{error:?}"
    );

    let own = a.network.dial(a.address.clone()).await;
    assert!(matches!(own, Err(DialError::Own { .. })), "{own:?}");

    a.network.block(b.id()).await.expect("runs");
    let blocked = a.network.dial(b.address.clone()).await;
    assert!(
        matches!(blocked, Err(DialError::Blocked { .. })),
        "{blocked:?}"
    );
}

#[tokio::test]
async fn a_peer_that_accepts_and_stays_silent_times_out() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = silent.local_addr().expect("bound").port();
    let mut config = config(1, Carrier::Tcp);
    config.timing.connect = Duration::from_millis(300);
    let (network, _events) = Network::start(config).expect("starts");
    let address = format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("valid");
    match patiently("a typed timeout", network.dial(address)).await {
        Err(DialError::TimedOut { after, .. }) => assert_eq!(after, Duration::from_millis(300)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_blocked_peer_is_cut_off_at_once_and_cannot_return() {
    for carrier in BOTH {
        let (mut a, mut b) = pair(carrier).await;
        let stream = b
            .network
            .open_stream(a.id(), HELLO, PATIENCE)
            .await
            .expect("opens");
        let (mut reader, _writer) = stream.into_frames(100);

        assert!(a.network.block(b.id()).await.expect("runs"));
        assert_eq!(a.disconnected_from(b.id()).await, DisconnectReason::Blocked);
        assert!(a.network.peers().await.expect("runs").is_empty());
        b.disconnected_from(a.id()).await;
        let rest = patiently("the end of the stream", reader.read(PATIENCE)).await;
        assert!(!matches!(rest, Ok(Some(_))), "{rest:?}");

        // The refusal comes after the handshake: a short connection may be seen, which ends.
        if b.network.dial(a.address.clone()).await.is_ok() {
            b.disconnected_from(a.id()).await;
        }
        assert!(a.network.peers().await.expect("runs").is_empty());
        assert!(a.network.metrics().await.expect("runs").inbound_refused > 0);

        assert!(a.network.unblock(b.id()).await.expect("runs"));
        b.meet(&mut a).await;
    }
}

#[tokio::test]
async fn the_connection_limit_holds_for_both_directions() {
    let mut small = config(1, Carrier::Tcp);
    small.limits.max_connections = 1;
    let mut hub = Node::with(small).await;
    let mut first = Node::start(2, Carrier::Tcp).await;
    let mut second = Node::start(3, Carrier::Tcp).await;
    first.meet(&mut hub).await;

    if second.network.dial(hub.address.clone()).await.is_ok() {
        second.disconnected_from(hub.id()).await;
    }
    assert_eq!(hub.network.peers().await.expect("runs").len(), 1);
    match hub.network.dial(second.address.clone()).await {
        Err(DialError::LimitReached { limit, .. }) => {
            assert!(limit.contains("at most 1"), "{limit}")
        }
        other => panic!("{other:?}"),
    }

    first.network.disconnect(hub.id()).await.expect("runs");
    hub.disconnected_from(first.id()).await;
    second.meet(&mut hub).await;
}

#[tokio::test]
async fn a_taken_port_is_named_even_when_a_node_of_the_same_user_has_it() {
    for carrier in BOTH {
        let a = Node::start(1, carrier).await;
        let (other, _events) = Network::start(config(2, carrier)).expect("starts");
        match other.listen(a.address.clone()).await {
            Err(error @ ListenError::InUse { .. }) => {
                assert!(
                    error.to_string().contains(&a.address.to_string()),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_wildcard_address_names_its_interfaces() {
    let (network, _events) = Network::start(config(1, Carrier::Tcp)).expect("starts");
    let any = "/ip4/0.0.0.0/tcp/0".parse().expect("valid");
    let addresses = network.listen(any).await.expect("listens");
    let loopback = |address: &Multiaddr| address.to_string().starts_with("/ip4/127.0.0.1/tcp/");
    assert!(addresses.iter().any(loopback), "{addresses:?}");
}
