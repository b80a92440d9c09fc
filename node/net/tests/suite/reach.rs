//! Meeting over a relay, and what a relay does for whom.

use comity_net::error::DialError;
use comity_net::reach::RELAY_CIRCUITS_PER_PEER;
use comity_net::{Carrier, Direction, Multiaddr, Network, PeerId, ReachReport};

use crate::harness::{Node, PATIENCE, SYNC, config, patiently};

/// Numbers of the keys of nodes.
const RELAY: u8 = 9;

async fn public(carrier: Carrier) -> Node {
    let mut config = config(RELAY, carrier);
    config.public = true;
    Node::with(config).await
}

/// A node that called the relay; each admits the other, as after hello.
async fn guest(number: u8, relay: &mut Node, carrier: Carrier) -> Node {
    let mut node = Node::start(number, carrier).await;
    node.meet(relay).await;
    node.network.admit(relay.id(), true);
    relay.network.admit(node.id(), true);
    node
}

/// Waits until a look at how a node is reached gives something.
async fn reach<T>(network: &Network, what: &str, look: impl Fn(&ReachReport) -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look(&network.reach().await.expect("runs")) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    patiently(what, waiting).await
}

async fn offers(node: &Node, relay: PeerId) {
    let is_there = |report: &ReachReport| {
        let known = report.relays.iter().any(|(peer, _)| *peer == relay);
        known.then_some(())
    };
    reach(&node.network, "a relay that offers itself", is_there).await;
}

/// The address of a node through the relay.
async fn circuit(node: &Node, relay: PeerId) -> Multiaddr {
    offers(node, relay).await;
    node.network.reserve(relay).await.expect("asks");
    let first = |report: &ReachReport| report.circuits().next().cloned();
    reach(&node.network, "a place at the relay", first).await
}

#[tokio::test]
async fn two_nodes_meet_over_a_third_and_exchange_streams() {
    let mut relay = public(Carrier::Memory).await;
    let mut alice = guest(1, &mut relay, Carrier::Memory).await;
    let mut bob = guest(2, &mut relay, Carrier::Memory).await;
    let address = circuit(&bob, relay.id()).await;
    let met = alice.network.dial(address).await.expect("dials");
    assert_eq!(met, bob.id());
    alice.connected_to(bob.id()).await;
    bob.connected_to(alice.id()).await;
    let links = |network: Network, peer: PeerId| async move {
        let peers = network.peers().await.expect("runs");
        let found = peers.into_iter().find(|it| it.peer == peer);
        found.expect("is connected").connections
    };
    for (node, other, way) in [
        (&alice, &bob, Direction::Outbound),
        (&bob, &alice, Direction::Inbound),
    ] {
        let links = links(node.network.clone(), other.id()).await;
        assert_eq!(links.len(), 1);
        assert!(links[0].relayed && links[0].direction == way, "{links:?}");
    }
    let opened = alice.network.open_stream(bob.id(), SYNC, PATIENCE).await;
    let (_, mut writer) = opened.expect("opens").into_frames(1 << 20);
    // More than the 128 KiB that libp2p's relay would carry.
    let frame = vec![7; 1 << 19];
    let written = writer.write(&frame, PATIENCE);
    let read = async {
        let stream = bob
            .wait("the stream", |event| match event {
                comity_net::Event::IncomingStream { stream, .. } => Some(stream),
                _ => None,
            })
            .await;
        let (mut reader, _) = stream.into_frames(1 << 20);
        reader.read(PATIENCE).await.expect("reads")
    };
    let (written, read) = tokio::join!(written, read);
    written.expect("writes");
    assert_eq!(read.as_deref(), Some(&frame[..]));
    let serving = reach(&relay.network, "what it serves", |it| it.serving).await;
    assert_eq!((serving.reservations, serving.circuits), (1, 1));
}

#[tokio::test]
async fn a_relay_gives_strangers_neither_a_place_nor_a_circuit() {
    let mut relay = public(Carrier::Memory).await;
    let bob = guest(2, &mut relay, Carrier::Memory).await;
    let address = circuit(&bob, relay.id()).await;

    let mut stranger = Node::start(3, Carrier::Memory).await;
    stranger.meet(&mut relay).await;
    stranger.network.admit(relay.id(), true);
    offers(&stranger, relay.id()).await;
    stranger.network.reserve(relay.id()).await.expect("asks");
    let refused = |report: &ReachReport| report.reservations[0].failed.clone();
    let why = reach(&stranger.network, "the refusal", refused).await;
    assert!(!why.is_empty());
    let dialed = stranger.network.dial(address.clone()).await;
    assert!(
        matches!(dialed, Err(DialError::Unreachable { .. })),
        "{dialed:?}"
    );
    assert_eq!(bob.network.peers().await.expect("runs").len(), 1);
    let refusals = |report: &ReachReport| {
        let serving = report.serving?;
        (serving.refused == 2).then_some(serving.reservations)
    };
    assert_eq!(reach(&relay.network, "two refusals", refusals).await, 1);

    // Once admitted it gets both: nothing else stood in its way.
    relay.network.admit(stranger.id(), true);
    stranger.network.dial(address).await.expect("dials");
    circuit(&stranger, relay.id()).await;
}

#[tokio::test]
async fn a_node_that_is_not_public_carries_nobody() {
    let mut other = Node::start(RELAY, Carrier::Memory).await;
    let alice = guest(1, &mut other, Carrier::Memory).await;
    alice.network.reserve(other.id()).await.expect("asks");
    let refused = |report: &ReachReport| report.reservations[0].failed.clone();
    reach(&alice.network, "the refusal", refused).await;
    let report = alice.network.reach().await.expect("runs");
    assert_eq!((report.relays.len(), report.circuits().count()), (0, 0));
    assert_eq!(other.network.reach().await.expect("runs").serving, None);
}

#[tokio::test]
async fn one_peer_holds_so_many_circuits_and_no_more() {
    let mut relay = public(Carrier::Memory).await;
    let greedy = guest(1, &mut relay, Carrier::Memory).await;
    let mut guests = Vec::new();
    let mut made = 0;
    for number in 0..u8::try_from(RELAY_CIRCUITS_PER_PEER).expect("few") + 3 {
        let guest = guest(20 + number, &mut relay, Carrier::Memory).await;
        let address = circuit(&guest, relay.id()).await;
        made += usize::from(greedy.network.dial(address).await.is_ok());
        guests.push(guest);
    }
    assert_eq!(made, RELAY_CIRCUITS_PER_PEER + 1);
}

#[tokio::test]
async fn a_place_ends_with_the_relay_and_can_be_asked_for_again() {
    let mut relay = public(Carrier::Memory).await;
    let mut bob = guest(2, &mut relay, Carrier::Memory).await;
    circuit(&bob, relay.id()).await;
    relay.network.disconnect(bob.id()).await.expect("runs");
    let lost = |report: &ReachReport| {
        let place = &report.reservations[0];
        place.addresses.is_empty().then(|| place.failed.clone())
    };
    let why = reach(&bob.network, "the loss", lost).await;
    assert!(why.is_some());
    bob.disconnected_from(relay.id()).await;
    bob.meet(&mut relay).await;
    bob.network.admit(relay.id(), true);
    relay.network.admit(bob.id(), true);
    circuit(&bob, relay.id()).await;
    assert!(bob.network.release(relay.id()).await.expect("runs"));
    let report = bob.network.reach().await.expect("runs");
    assert_eq!(report.circuits().count(), 0);
}

#[tokio::test]
async fn an_address_that_a_public_node_reached_is_confirmed() {
    let mut relay = public(Carrier::Tcp).await;
    let alice = guest(1, &mut relay, Carrier::Tcp).await;
    let probed = |report: &ReachReport| {
        let probe = report.probes.first()?;
        Some((probe.address.clone(), probe.by, probe.failed.clone()))
    };
    let (address, by, failed) = reach(&alice.network, "a probe", probed).await;
    assert_eq!(
        (address, by, failed),
        (alice.address.clone(), relay.id(), None)
    );
    let report = alice.network.reach().await.expect("runs");
    assert_eq!(report.confirmed().collect::<Vec<_>>(), [&alice.address]);
    // The connection on which it was tried is gone again.
    let waiting = async {
        loop {
            let peers = alice.network.peers().await.expect("runs");
            if peers[0].connections.len() == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    patiently("the end of the dial back", waiting).await;
}

#[tokio::test]
async fn a_relayed_connection_gives_way_to_a_direct_one() {
    let mut relay = public(Carrier::Tcp).await;
    let alice = guest(1, &mut relay, Carrier::Tcp).await;
    let bob = guest(2, &mut relay, Carrier::Tcp).await;
    // Where the relay sees them is what they offer each other.
    for node in [&alice, &bob] {
        let seen = |report: &ReachReport| (!report.observed.is_empty()).then_some(());
        reach(&node.network, "an observation", seen).await;
    }
    let address = circuit(&bob, relay.id()).await;
    alice.network.dial(address).await.expect("dials");
    for (node, other) in [(&alice, bob.id()), (&bob, alice.id())] {
        let waiting = async {
            loop {
                let peers = node.network.peers().await.expect("runs");
                let links = peers.into_iter().find(|it| it.peer == other);
                let links = links.map(|it| it.connections).unwrap_or_default();
                if !links.is_empty() && links.iter().all(|link| !link.relayed) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        patiently("a direct connection alone", waiting).await;
    }
    // On one machine the side that was called may be connected before its own call is through.
    let mut made = 0;
    for node in [&alice, &bob] {
        made += node.network.reach().await.expect("runs").punches.made;
    }
    assert!(made > 0);
}

#[tokio::test]
async fn two_calls_at_once_leave_one_connection() {
    let mut public = public(Carrier::Tcp).await;
    let alice = Node::start(1, Carrier::Tcp).await;
    let call = || alice.network.dial(public.address.clone());
    let (one, other) = tokio::join!(call(), call());
    assert_eq!(
        (one.expect("dials"), other.expect("dials")),
        (public.id(), public.id())
    );
    public.connected_to(alice.id()).await;
    let waiting = async {
        while public.network.peers().await.expect("runs")[0]
            .connections
            .len()
            > 1
        {
            tokio::task::yield_now().await;
        }
    };
    patiently("one connection alone", waiting).await;
    // So there is room for trying its address.
    alice.network.admit(public.id(), true);
    public.network.admit(alice.id(), true);
    let reached = |report: &ReachReport| report.confirmed().next().cloned();
    let reached = reach(&alice.network, "a confirmed address", reached).await;
    assert_eq!(reached, alice.address);
}

#[tokio::test]
async fn an_address_that_is_also_this_nodes_own_spoils_no_call() {
    let bob = Node::start(2, Carrier::Tcp).await;
    let mut alice = Node::start(1, Carrier::Tcp).await;
    let at = |address: &Multiaddr| address.clone().with_p2p(bob.id()).expect("no peer in it");
    let addresses = vec![at(&alice.address), at(&bob.address)];
    let called = alice.network.set_reconnect(bob.id(), addresses).await;
    called.expect("is called");
    let first = alice
        .wait("an outcome", |event| match event {
            comity_net::Event::Connected { peer, .. } => Some(Ok(peer)),
            comity_net::Event::DialFailed { error, .. } => Some(Err(error.to_string())),
            _ => None,
        })
        .await;
    assert_eq!(first, Ok(bob.id()));
}
