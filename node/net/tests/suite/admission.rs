//! Who was not admitted learns nothing by gossip and is not heard; who was, hears of its groups.

use std::collections::BTreeSet;
use std::time::Duration;

use comity_net::config::{GOSSIP_PROTOCOL, MAX_GOSSIP_GROUPS, MAX_GOSSIP_GROUPS_PER_PEER};
use comity_net::error::{PublishError, SubscribeError};
use comity_net::tap::Way;
use comity_net::{
    Carrier, Config, Direction, Event, GossipGroup, Network, PeerStream, StreamProtocol,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{BOTH, HELLO, Node, PATIENCE, Pieces, config, group, patiently, streams_with};

const TOPIC: &str = "space-1";
const OTHER_TOPIC: &str = "space-2";

async fn subscribe(node: &Node, number: u8, topic: &str) {
    let subscribed = node.network.subscribe(group(number), topic).await;
    assert!(subscribed.expect("subscribes"));
}

/// What came by gossip, as far as the data goes.
async fn gossip(node: &mut Node) -> (GossipGroup, Vec<u8>) {
    node.wait("Gossip", |event| match event {
        Event::Gossip { group, data, .. } => Some((group, data)),
        _ => None,
    })
    .await
}

/// Publishes to nobody: no subscription has come from anyone admitted.
async fn publish_in_vain(node: &Node, number: u8, topic: &str, data: &[u8]) {
    let published = node.network.publish(group(number), topic, data.to_vec());
    assert_eq!(published.await, Err(PublishError::NoPeers));
}

/// A frame there and one back: what both said before has been said, or is on its way.
async fn exchange(from: &Node, to: &mut Node) {
    let stream = from.network.open_stream(to.id(), HELLO, PATIENCE).await;
    let (mut reader, mut writer) = stream.expect("opens").into_frames(100);
    writer.write(b"there", PATIENCE).await.expect("asks");
    let answering = to.wait("IncomingStream", |event| match event {
        Event::IncomingStream { stream, .. } => Some(stream),
        _ => None,
    });
    let (mut asked, mut answer) = answering.await.into_frames(100);
    assert!(asked.read(PATIENCE).await.expect("reads").is_some());
    answer.write(b"back", PATIENCE).await.expect("answers");
    assert!(reader.read(PATIENCE).await.expect("reads").is_some());
}

/// Nothing of this went to a peer, and no stream of gossip was opened to it.
fn assert_untold(pieces: &Pieces, to: &Node, what: &[&[u8]]) {
    let sent = |bytes| {
        let streams = streams_with(pieces, Way::Sent, bytes).into_iter();
        streams.filter(|it| it.peer == to.id()).collect::<Vec<_>>()
    };
    assert!(!sent(b"/comity/hello/1").is_empty(), "nothing seen");
    for bytes in what {
        assert_eq!(sent(bytes), [], "told {bytes:x?}");
    }
    let mut proposed = sent(GOSSIP_PROTOCOL.as_bytes());
    proposed.retain(|it| it.opened == Direction::Outbound);
    assert_eq!(proposed, [], "opened a stream of gossip");
}

/// All that went back on the stream of gossip which the peer opened for group 9.
fn sent_on_gossip(pieces: &Pieces, to: &Node) -> Vec<u8> {
    let agreed = streams_with(pieces, Way::Received, &[32, 9, 9, 9, 9]);
    let pieces = pieces.lock().expect("whole");
    let sent = pieces.iter().filter(|(on, way, _)| {
        *way == Way::Sent && on.peer == to.id() && agreed.iter().any(|it| it == on)
    });
    sent.flat_map(|(_, _, bytes)| bytes.clone()).collect()
}

#[tokio::test]
async fn a_stranger_that_speaks_gossip_and_guesses_hears_no_topic_and_no_message() {
    for carrier in BOTH {
        let (mut a, pieces) = Node::tapped(config(1, carrier)).await;
        subscribe(&a, 7, TOPIC).await;
        let mut friend = Node::start(2, carrier).await;
        let mut stranger = Node::start(3, carrier).await;
        friend.meet(&mut a).await;
        stranger.meet(&mut a).await;
        friend.gossip_with(&a, &[7]).await;
        subscribe(&friend, 7, TOPIC).await;
        // It knows group and topic, and one of each that nobody has.
        stranger.admit(a.id(), &[7, 9]).await;
        for number in [7, 9] {
            subscribe(&stranger, number, TOPIC).await;
        }
        // Both ways of telling: what is subscribed at once, and what is subscribed later.
        subscribe(&a, 7, OTHER_TOPIC).await;
        a.publish(group(7), TOPIC, b"among friends").await;
        assert_eq!(
            gossip(&mut friend).await,
            (group(7), b"among friends".to_vec())
        );
        assert!(
            a.network
                .unsubscribe(group(7), OTHER_TOPIC)
                .await
                .expect("runs")
        );
        patiently("the stranger's streams", async {
            while streams_with(&pieces, Way::Received, &[32, 9, 9, 9, 9]).is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        exchange(&a, &mut stranger).await;
        let known = group(7);
        let what = [
            TOPIC.as_bytes(),
            OTHER_TOPIC.as_bytes(),
            b"among friends",
            known.as_bytes(),
        ];
        assert_untold(&pieces, &stranger, &what);
        // On its own streams it hears which protocol is spoken, as from identify, and nothing more.
        let answer = format!("\x13/multistream/1.0.0\n\x11{GOSSIP_PROTOCOL}\n");
        assert_eq!(sent_on_gossip(&pieces, &stranger), answer.as_bytes());
        publish_in_vain(&stranger, 7, TOPIC, b"hello?").await;
        let told = streams_with(&pieces, Way::Sent, TOPIC.as_bytes());
        assert!(told.iter().all(|it| it.peer == friend.id()) && !told.is_empty());
    }
}

#[tokio::test]
async fn who_is_admitted_hears_what_comes_from_then_on_and_who_admits_first_is_heard() {
    for carrier in BOTH {
        let (mut a, pieces) = Node::tapped(config(1, carrier)).await;
        let mut b = Node::start(2, carrier).await;
        b.meet(&mut a).await;
        subscribe(&a, 7, TOPIC).await;
        subscribe(&b, 7, TOPIC).await;
        // b tells a, which is not to hear yet and leaves what comes unread.
        b.admit(a.id(), &[7]).await;
        patiently("the stream", async {
            while streams_with(&pieces, Way::Received, &[32, 7, 7, 7, 7]).is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        exchange(&b, &mut a).await;
        publish_in_vain(&a, 7, TOPIC, b"too early").await;
        assert_eq!(streams_with(&pieces, Way::Received, TOPIC.as_bytes()), []);
        a.admit(b.id(), &[7]).await;
        a.publish(group(7), TOPIC, b"in time").await;
        b.publish(group(7), TOPIC, b"back").await;
        assert_eq!(gossip(&mut b).await.1, b"in time");
        assert_eq!(gossip(&mut a).await.1, b"back");
        let early = streams_with(&pieces, Way::Sent, b"too early");
        assert!(early.is_empty());
    }
}

#[tokio::test]
async fn a_peer_hears_of_the_groups_that_it_shares_and_of_no_others() {
    let (mut a, pieces) = Node::tapped(config(1, Carrier::Memory)).await;
    let mut b = Node::start(2, Carrier::Memory).await;
    b.meet(&mut a).await;
    // The lower group is the one that is not shared, so nothing but the group keeps it away.
    subscribe(&a, 1, OTHER_TOPIC).await;
    subscribe(&a, 7, TOPIC).await;
    b.admit(a.id(), &[1, 7]).await;
    a.admit(b.id(), &[7]).await;
    for (number, topic) in [(1, OTHER_TOPIC), (1, TOPIC), (7, TOPIC), (7, OTHER_TOPIC)] {
        subscribe(&b, number, topic).await;
    }
    a.publish(group(7), TOPIC, b"shared").await;
    assert_eq!(gossip(&mut b).await, (group(7), b"shared".to_vec()));
    publish_in_vain(&a, 1, OTHER_TOPIC, b"not shared").await;
    publish_in_vain(&b, 1, OTHER_TOPIC, b"not heard").await;
    exchange(&a, &mut b).await;
    for bytes in [OTHER_TOPIC.as_bytes(), group(1).as_bytes()] {
        assert!(streams_with(&pieces, Way::Sent, bytes).is_empty());
    }
    // Admission to more leaves what there is alone.
    a.admit(b.id(), &[1, 7]).await;
    a.publish(group(1), OTHER_TOPIC, b"shared, too").await;
    assert_eq!(gossip(&mut b).await, (group(1), b"shared, too".to_vec()));
    a.publish(group(7), TOPIC, b"still shared").await;
    assert_eq!(gossip(&mut b).await, (group(7), b"still shared".to_vec()));
}

#[tokio::test]
async fn admission_ends_when_it_is_taken_back_and_with_the_last_connection() {
    for carrier in BOTH {
        let (mut a, pieces) = Node::tapped(config(1, carrier)).await;
        let mut b = Node::start(2, carrier).await;
        b.meet(&mut a).await;
        a.gossip_with(&b, &[7]).await;
        subscribe(&a, 7, TOPIC).await;
        subscribe(&b, 7, TOPIC).await;
        a.publish(group(7), TOPIC, b"first").await;
        assert_eq!(gossip(&mut b).await.1, b"first");

        // Taken back: a hears no more of b, nor b of a, and b may go on talking.
        a.admit(b.id(), &[]).await;
        publish_in_vain(&a, 7, TOPIC, b"second").await;
        subscribe(&a, 7, OTHER_TOPIC).await;
        let talking = b.network.publish(group(7), TOPIC, b"unheard".to_vec());
        assert!(talking.await.is_ok(), "it does not know yet");
        exchange(&a, &mut b).await;
        let told = streams_with(&pieces, Way::Sent, OTHER_TOPIC.as_bytes());
        assert!(told.is_empty(), "{told:?}");

        // Given again, by both, it is as before.
        b.admit(a.id(), &[]).await;
        a.gossip_with(&b, &[7]).await;
        a.publish(group(7), TOPIC, b"third").await;
        assert_eq!(gossip(&mut b).await.1, b"third");
        b.publish(group(7), TOPIC, b"fourth").await;
        assert_eq!(
            gossip(&mut a).await.1,
            b"fourth",
            "and not what was said meanwhile"
        );

        // A new connection begins with nothing.
        b.network.disconnect(a.id()).await.expect("runs");
        a.disconnected_from(b.id()).await;
        b.disconnected_from(a.id()).await;
        let gone = a
            .network
            .admit_to_gossip(b.id(), BTreeSet::from([group(7)]));
        assert!(!gone.await.expect("runs"), "nobody to admit");
        b.meet(&mut a).await;
        b.admit(a.id(), &[7]).await;
        publish_in_vain(&a, 7, TOPIC, b"fifth").await;
        exchange(&a, &mut b).await;
        assert!(streams_with(&pieces, Way::Sent, b"fifth").is_empty());
        a.admit(b.id(), &[7]).await;
        a.publish(group(7), TOPIC, b"sixth").await;
        assert_eq!(gossip(&mut b).await.1, b"sixth");
    }
}

#[tokio::test]
async fn admission_and_its_end_hold_for_each_connection_of_a_peer() {
    let (mut a, pieces) = Node::tapped(config(1, Carrier::Tcp)).await;
    let mut b = Node::start(2, Carrier::Tcp).await;
    b.meet(&mut a).await;
    a.gossip_with(&b, &[7]).await;
    for node in [&a, &b] {
        subscribe(node, 7, TOPIC).await;
    }
    a.publish(group(7), TOPIC, b"over one").await;
    assert_eq!(gossip(&mut b).await.1, b"over one");
    // Its address does not say who is there, so that the line is not known to stand already.
    // The other way round: of two that one node opens, one is closed.
    a.network.dial(b.address.clone()).await.expect("dials");
    patiently("two connections", async {
        while a.network.peers().await.expect("runs")[0].connections.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    a.publish(group(7), TOPIC, b"over either").await;
    assert_eq!(gossip(&mut b).await.1, b"over either");
    b.publish(group(7), TOPIC, b"back").await;
    assert_eq!(gossip(&mut a).await.1, b"back");

    a.admit(b.id(), &[]).await;
    publish_in_vain(&a, 7, TOPIC, b"over neither").await;
    subscribe(&a, 7, OTHER_TOPIC).await;
    exchange(&a, &mut b).await;
    let told = streams_with(&pieces, Way::Sent, OTHER_TOPIC.as_bytes());
    assert_eq!(told, []);
    b.admit(a.id(), &[]).await;
    a.gossip_with(&b, &[7]).await;
    a.publish(group(7), TOPIC, b"over both again").await;
    assert_eq!(gossip(&mut b).await.1, b"over both again");
}

#[tokio::test]
async fn groups_are_bounded_for_each_peer_and_in_all() {
    let mut quiet: Config = config(1, Carrier::Memory);
    quiet.timing.ping_interval = Duration::from_secs(60);
    let mut a = Node::with(quiet).await;
    let mut b = Node::start(2, Carrier::Memory).await;
    b.meet(&mut a).await;
    let most = u8::try_from(MAX_GOSSIP_GROUPS_PER_PEER).expect("few");
    let all: Vec<u8> = (0..=most).collect();
    a.gossip_with(&b, &all).await;
    for number in [most - 1, most] {
        subscribe(&a, number, TOPIC).await;
        subscribe(&b, number, TOPIC).await;
    }
    a.publish(group(most - 1), TOPIC, b"the last").await;
    assert_eq!(
        gossip(&mut b).await,
        (group(most - 1), b"the last".to_vec())
    );
    publish_in_vain(&a, most, TOPIC, b"one too many").await;

    let named = |number: usize| {
        let mut name = [0xff; 32];
        name[..8].copy_from_slice(&number.to_be_bytes());
        GossipGroup::new(name)
    };
    let subscribe = |network: Network, number| async move {
        let subscribed = network.subscribe(named(number), format!("topic {number}"));
        subscribed.await
    };
    // The topics are at most as many; take back what would be in the way.
    for number in [most - 1, most] {
        let taken = a.network.unsubscribe(group(number), TOPIC).await;
        assert!(taken.expect("runs"));
    }
    // The groups above, among them one for each topic.
    let made = usize::from(most) + 1;
    for number in made..MAX_GOSSIP_GROUPS {
        assert_eq!(subscribe(a.network.clone(), number).await, Ok(true));
    }
    let max = MAX_GOSSIP_GROUPS;
    let refused = subscribe(a.network.clone(), max).await;
    assert_eq!(refused, Err(SubscribeError::TooManyGroups { max }));
}

/// Whether the other side has ended a stream; it says nothing.
async fn has_ended(stream: &mut PeerStream) -> bool {
    matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn streams_of_gossip_that_wait_are_bounded_and_are_alike_whatever_they_name() {
    let mut a = Node::start(1, Carrier::Tcp).await;
    let mut b = Node::start(2, Carrier::Tcp).await;
    b.meet(&mut a).await;
    subscribe(&a, 7, TOPIC).await;
    let open = async |first: u8, name: u8| {
        let protocol = StreamProtocol::new(GOSSIP_PROTOCOL);
        let opened = b.network.open_stream(a.id(), protocol, PATIENCE).await;
        let mut stream = opened.expect("opens");
        stream.write_all(&[first]).await.expect("writes");
        stream.write_all(&[name; 32]).await.expect("writes");
        stream.flush().await.expect("writes");
        stream
    };
    let mut broken = open(31, 7).await;
    assert!(patiently("the end", has_ended(&mut broken)).await);
    let mut waiting = Vec::new();
    for name in 0..u8::try_from(MAX_GOSSIP_GROUPS_PER_PEER).expect("few") {
        waiting.push(open(32, name).await);
    }
    let mut further = open(32, 200).await;
    assert!(patiently("the end", has_ended(&mut further)).await);
    // One more of a name takes the place of the one before, of a known group as of any.
    for name in [3, 7] {
        let again = open(32, name).await;
        let mut before = std::mem::replace(&mut waiting[usize::from(name)], again);
        assert!(patiently("the end", has_ended(&mut before)).await);
    }
    for stream in &mut waiting {
        let ended = tokio::time::timeout(Duration::ZERO, has_ended(stream)).await;
        assert!(ended.is_err(), "a stream that waits has ended");
    }
}
