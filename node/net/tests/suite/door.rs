//! Calls by the dozen, over real TCP.

use comity_net::{Carrier, DoorLimits, Event, Multiaddr};
use tokio::net::TcpStream;

use crate::harness::{Node, config, patiently};

fn socket(address: &Multiaddr) -> String {
    let text = address.to_string();
    let mut parts = text.split('/').skip(2);
    let (ip, port) = (parts.next(), parts.nth(1));
    format!("{}:{}", ip.expect("an ip"), port.expect("a port"))
}

async fn refused(node: &Node, at_least: u64) {
    let refusing = async {
        while node.network.metrics().await.expect("runs").inbound_refused < at_least {
            tokio::task::yield_now().await;
        }
    };
    patiently("calls to be refused", refusing).await;
}

#[tokio::test]
async fn handshakes_that_never_end_keep_nobody_out_for_long() {
    let node = Node::start(1, Carrier::Tcp).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        let socket = TcpStream::connect(socket(&node.address)).await;
        silent.push(socket.expect("connects"));
    }
    // Of one place 16 may be under way.
    refused(&node, 24).await;
    drop(silent);
    refused(&node, 40).await;
    let other = Node::start(2, Carrier::Tcp).await;
    let dialed = other.network.dial(node.address.clone()).await;
    assert_eq!(dialed.expect("dials"), node.id());
}

#[tokio::test]
async fn strangers_leave_room_to_a_peer_that_is_known() {
    let mut with = config(1, Carrier::Tcp);
    with.limits.door = DoorLimits {
        strangers: 2,
        ..DoorLimits::default()
    };
    let mut node = Node::with(with).await;
    let mut strangers = Vec::new();
    for number in 2..4 {
        let mut stranger = Node::start(number, Carrier::Tcp).await;
        stranger.meet(&mut node).await;
        strangers.push(stranger);
    }
    let (mut late, mut known) = (
        Node::start(4, Carrier::Tcp).await,
        Node::start(5, Carrier::Tcp).await,
    );
    node.network.know(known.id());
    // A refusal after the handshake shows as success, soon followed by the end.
    if late.network.dial(node.address.clone()).await.is_ok() {
        late.disconnected_from(node.id()).await;
    }
    known.meet(&mut node).await;
    assert_eq!(node.network.peers().await.expect("runs").len(), 3);
    // When a stranger leaves there is room for another.
    let gone = strangers.pop().expect("two").network;
    let id = gone.peer_id();
    gone.shutdown().await;
    node.wait("a stranger to leave", |event| match event {
        Event::Disconnected { peer, .. } if peer == id => Some(()),
        _ => None,
    })
    .await;
    late.meet(&mut node).await;
}
