//! The address book: who learns where nodes can be called, and who can write into it.

use super::{stop, take_part};
use comity_net::Event;
use comity_protocol::{
    access::{AddressNews, NodeAddresses},
    id::CommunityId,
    key::SecretKey,
};
use comity_tests::{
    alliance::{Alliance, party},
    community::key,
    nodes::{POLL, Stopped, TestNode, patiently},
    stranger::Stranger,
};

const ADDRESSES: &str = "/comity/addresses/1";
const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// A node of Alder, which carries others if it is public, and the node key of Birch, which is elsewhere.
async fn alder(name: &str, public: bool) -> (TestNode, Alliance, SecretKey) {
    let stopped = Stopped::new(true).at(LOOPBACK, public);
    stopped.name(&format!("{name}/alder"));
    let alder = stopped.start().await;
    let birch = key(&format!("{name}/birch"));
    let (of_a, of_b) = ([alder.node.key()], [birch.public()]);
    let founders = [party("Alder", &of_a), party("Birch", &of_b)];
    let alliance = Alliance::found(name, &founders);
    take_part(&[&alder], &alliance).await;
    (alder, alliance, birch)
}

fn says(node: &SecretKey, community: CommunityId, sequence: u64) -> NodeAddresses {
    let address = ["/ip4/192.0.2.7/tcp/7440".to_owned()];
    NodeAddresses::sign(node, community, sequence, false, &address)
}

async fn book_nodes(node: &TestNode) -> usize {
    node.client.doctor().await.unwrap().book_nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_known_nodes_signed_for_this_community_gets_into_the_book() {
    let (alder, alliance, birch) = alder("book", false).await;
    let stranger = Stranger::meeting(&alder, "book/stranger", true).await;
    stranger.greet(&alder, &[alliance.id]).await;
    let other = CommunityId::from_bytes([9; 32]);
    let nobody = key("book/nobody");
    let mut forged = says(&nobody, alliance.id, 5);
    forged.node = birch.public();
    let mut redirected = says(&birch, alliance.id, 5);
    redirected.addresses = vec!["/ip4/203.0.113.1/tcp/80".to_owned()];
    let bad = [
        (
            "a node that nobody knows",
            alliance.id,
            says(&nobody, alliance.id, 5),
        ),
        ("another's signature", alliance.id, forged),
        ("another address", alliance.id, redirected),
        (
            "said to another community",
            alliance.id,
            says(&birch, other, 5),
        ),
        (
            "a community that is not shared",
            other,
            says(&birch, other, 5),
        ),
    ];
    for (what, community, statement) in bad {
        let statements = vec![statement];
        let news = AddressNews {
            community,
            statements,
        };
        // The answer is always the same; it comes when all is done.
        assert!(stranger.tell_addresses(&alder, &news).await, "{what}");
        assert_eq!(book_nodes(&alder).await, 0, "{what}");
    }
    // What the node did sign holds, whoever brings it.
    let community = alliance.id;
    let statements = vec![says(&birch, community, 5)];
    let news = AddressNews {
        community,
        statements,
    };
    assert!(stranger.tell_addresses(&alder, &news).await);
    assert_eq!(book_nodes(&alder).await, 1);
    stop([alder]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tells_without_end_is_not_listened_to() {
    let (alder, alliance, birch) = alder("chatter", false).await;
    let stranger = Stranger::meeting(&alder, "chatter/stranger", true).await;
    stranger.greet(&alder, &[alliance.id]).await;
    let mut heard = 0;
    for sequence in 1..=100 {
        let news = AddressNews {
            community: alliance.id,
            statements: vec![says(&birch, alliance.id, sequence)],
        };
        heard += u32::from(stranger.tell_addresses(&alder, &news).await);
    }
    assert!((32..90).contains(&heard), "{heard}");
    stop([alder]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_not_told_where_nodes_are() {
    let (alder, alliance, _) = alder("whereabouts", true).await;
    let mut stranger = Stranger::meeting(&alder, "whereabouts/stranger", true).await;
    stranger.greet(&alder, &[alliance.id]).await;
    let stopped = Stopped::new(true).at(LOOPBACK, false);
    stopped.name("whereabouts/birch");
    let birch = stopped.start().await;
    take_part(&[&birch], &alliance).await;
    birch.connect(&alder).await;
    // Birch is told, which came later than the stranger.
    let told = async {
        while book_nodes(&birch).await == 0 {
            tokio::time::sleep(POLL).await;
        }
    };
    patiently("birch to be told", told).await;
    alder.client.doctor().await.unwrap();
    stranger.network.shutdown().await;
    while let Some(event) = stranger.events.recv().await {
        if let Event::IncomingStream { protocol, .. } = event {
            assert_ne!(protocol.as_ref(), ADDRESSES);
        }
    }
    stop([alder, birch]).await;
}
