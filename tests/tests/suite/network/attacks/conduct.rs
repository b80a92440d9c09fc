//! Peers that do what no honest one does are shut out; those that are only different are not.

use comity_net::{Event, PeerId};
use comity_protocol::{
    document::Draft,
    entry::Entry,
    id::CommunityId,
    sync::{Message, message::CloseReason},
};
use comity_tests::{
    community::{Community, topic},
    nodes::{POLL, TestNode, patiently},
    stranger::Stranger,
};

/// Waits until a peer hears that it is not connected any more.
async fn cut_off(peer: &mut Stranger) {
    let waiting =
        async { while !matches!(peer.events.recv().await, Some(Event::Disconnected { .. })) {} };
    patiently("to be cut off", waiting).await;
}

/// What a node counts under this name, labels included.
async fn counted(node: &TestNode, name: &str) -> u64 {
    let text = String::from_utf8(node.client.metrics().await.unwrap()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}"))
        .trim()
        .parse()
        .unwrap()
}

async fn node_of(community: &str) -> (TestNode, Community) {
    let node = TestNode::start_with(false).await;
    let community = Community::found(community, &[node.node.key()]);
    node.take_part(&community).await;
    (node, community)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_what_is_no_message_is_shut_out_told_of_and_refused() {
    let (node, community) = node_of("Conduct").await;
    let mut vandal = Stranger::meeting(&node, "Conduct/vandal", true).await;
    vandal.greet(&node, &[community.id]).await;
    for _ in 0..5 {
        let mut talk = vandal.sync(&node).await;
        // It may have been cut off before this is said.
        let _ = talk.try_say(&[0xff; 100]).await;
        while talk.hear().await.is_some() {}
    }
    cut_off(&mut vandal).await;
    let id = vandal.network.peer_id().to_string();
    let doctor = node.client.doctor().await.unwrap();
    let [kept_out] = &doctor.kept_out[..] else {
        panic!("{:?}", doctor.kept_out)
    };
    assert_eq!((&kept_out.peer_id, kept_out.times), (&id, 1));
    assert!(kept_out.left_ms > 9 * 60_000, "{kept_out:?}");
    let warnings = node.client.status().await.unwrap().warnings;
    assert!(warnings.iter().any(|it| it.contains(&id)), "{warnings:?}");
    assert_eq!(counted(&node, "comity_peers_kept_out").await, 1);
    let offences = "comity_peer_offences_total{offence=\"broken_message\"}";
    assert_eq!(counted(&node, offences).await, 5);
    // The handshake tells who calls; after it there is nothing more.
    let address = node.address().await.parse().unwrap();
    if vandal.network.dial(address).await.is_ok() {
        cut_off(&mut vandal).await;
    }
    // Others come and go as before.
    let honest = Stranger::meeting(&node, "Conduct/honest", true).await;
    honest.greet(&node, &[community.id]).await;
    vandal.network.shutdown().await;
    honest.network.shutdown().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_on_opening_streams_is_shut_out() {
    let (node, community) = node_of("Conduct of streams").await;
    let mut flood = Stranger::meeting(&node, "Streams/flood", true).await;
    let hello = flood.hello_to(&node, &[community.id]).encode();
    let flooding = async {
        while !node
            .client
            .doctor()
            .await
            .unwrap()
            .kept_out
            .iter()
            .any(|it| it.peer_id == flood.network.peer_id().to_string())
        {
            for _ in 0..16 {
                let peer: PeerId = node.client.status().await.unwrap().peer_id.parse().unwrap();
                let protocol = comity_net::StreamProtocol::new("/comity/hello/1");
                let Ok(stream) = flood.network.open_stream(peer, protocol, POLL * 100).await else {
                    break;
                };
                let (_, mut writer) = stream.into_frames(1 << 16);
                let _ = writer.write(&hello, POLL * 100).await;
            }
        }
    };
    patiently("a flood to be shut out", flooding).await;
    cut_off(&mut flood).await;
    flood.network.shutdown().await;
    node.stop().await;
}

/// What honest software of another version, or one that knows less or more, may say.
fn strange(community: &Community, entries: &[Entry]) -> Vec<Message> {
    let space = community.space("public");
    let encoded: Vec<Vec<u8>> = entries.iter().map(Entry::encode).collect();
    let keys = entries
        .iter()
        .map(|it| it.key().in_set_of(&space))
        .collect();
    vec![
        Message::Announce { space, keys },
        Message::Entries {
            space,
            round: 0,
            entries: encoded,
        },
        Message::Refuse {
            space: community.space("members"),
        },
        Message::Done { space, round: 7 },
        Message::Close(CloseReason::Busy),
    ]
}

async fn talks_strangely(node: &TestNode, community: &Community, id: CommunityId) -> Stranger {
    let peer = Stranger::meeting(node, "Conduct/strange", true).await;
    let mut newer = peer.hello_to(node, &[id]);
    newer.versions = vec![2, 9];
    peer.hello(node, &newer).await;
    peer.greet(node, &[id]).await;
    // Nobody let this author in, as far as is known here; and its kind may be of tomorrow.
    let mut author = Community::found("Elsewhere", &[]).delegate.device;
    let draft: Draft = topic("Early", "Governance has not arrived.");
    let entries = [author.create(community.space("public"), &draft)];
    for _ in 0..12 {
        let mut talk = peer.sync(node).await;
        for message in strange(community, &entries) {
            if talk.try_say(&message.encode()).await.is_err() {
                break;
            }
        }
        // A message number that is not known.
        let mut unknown = Message::Credit { bytes: 1 }.encode();
        unknown[1] = 0x17;
        let mut talk = peer.sync(node).await;
        let _ = talk.try_say(&unknown).await;
        while talk.hear().await.is_some() {}
    }
    peer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_missing_governance_and_broken_lines_are_no_offence() {
    let (node, community) = node_of("Conduct of the honest").await;
    let peer = talks_strangely(&node, &community, community.id).await;
    for offence in ["broken_message", "broken_rule", "forged", "flood"] {
        let name = format!("comity_peer_offences_total{{offence=\"{offence}\"}}");
        assert_eq!(counted(&node, &name).await, 0, "{offence}");
    }
    // It is still listened to.
    peer.greet(&node, &[community.id]).await;
    peer.network.shutdown().await;
    node.stop().await;
}
