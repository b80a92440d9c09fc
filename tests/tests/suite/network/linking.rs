//! Requests to link a device: they reach the node of the root key's holder, and a flood of others
//! does not keep one away.

use comity_client::types::HandOver;
use comity_protocol::{
    access::{LINK_MAX_BYTES, LinkAnswer, LinkConsents, LinkRequest, TypedCode},
    certificate::governance_space,
    id::{CommunityId, domain},
    key::PublicKey,
    record::consent_message,
};
use comity_tests::{
    community::key,
    nodes::{TestNode, base64},
    stranger::Stranger,
};

const WAITING_MAX: usize = 64;

/// What a new device of Ada's asks.
fn request(device: &str, node: PublicKey) -> LinkRequest {
    let (device, ada) = (key(device), key("Linking/ada").public());
    let community = CommunityId::from_bytes([7; 32]);
    let message = consent_message(governance_space(community), &ada, &device.public());
    LinkRequest {
        device: device.public(),
        slot: 1,
        node: Some(node),
        consents: vec![LinkConsents {
            community,
            by_device: device.sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
            by_node: None,
        }],
    }
}

/// Hands a request of a new device over, from its node to the other one.
async fn hand_over(from: &TestNode, to: &TestNode, request: &LinkRequest) {
    from.connect(to).await;
    let asked = HandOver {
        peer_id: to.client.status().await.unwrap().peer_id,
        request: base64(&request.encode()),
    };
    from.client.hand_over_device(&asked).await.unwrap();
}

async fn waiting(node: &TestNode) -> Vec<String> {
    let waiting = node.client.device_requests().await.unwrap();
    waiting.into_iter().map(|it| it.request).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_reaches_the_other_node_and_a_changed_one_has_another_code() {
    let (desk, phone) = (TestNode::start().await, TestNode::start().await);
    let honest = request("Linking/phone", phone.node.key());
    hand_over(&phone, &desk, &honest).await;
    let found = desk.client.device_requests().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].request, base64(&honest.encode()));
    let phones = phone.client.status().await.unwrap().peer_id;
    assert_eq!(found[0].peer_id, phones);
    // Once more: still one. Nothing is kept where it was sent from.
    hand_over(&phone, &desk, &honest).await;
    assert_eq!(waiting(&desk).await, [base64(&honest.encode())]);
    assert!(waiting(&phone).await.is_empty());

    let thief = Stranger::meeting(&desk, "Linking/thief", true).await;
    let mut changed = honest.clone();
    changed.device = key("Linking/thief").public();
    let answer = thief.link(&desk, &changed.encode()).await;
    assert_eq!(answer, Some(LinkAnswer::Waits));
    let both = [&honest, &changed].map(|it| base64(&it.encode()));
    assert_eq!(waiting(&desk).await, both);
    let codes = [&honest, &changed].map(|it| TypedCode::of(&it.encode()));
    assert_ne!(codes[0], codes[1]);
    thief.network.shutdown().await;
    phone.stop().await;
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_stays_bounded_and_the_honest_one_that_comes_last_is_there() {
    let (desk, phone) = (TestNode::start().await, TestNode::start().await);
    for number in 0..100 {
        let name = format!("Linking/flood {number}");
        let stranger = Stranger::meeting(&desk, &name, true).await;
        // A peer has one: the second replaces the first.
        for slot in 0..2 {
            let flood = LinkRequest {
                slot,
                ..request(&name, stranger.key())
            };
            let answer = stranger.link(&desk, &flood.encode()).await;
            assert_eq!(answer, Some(LinkAnswer::Waits));
        }
        stranger.network.shutdown().await;
    }
    assert_eq!(waiting(&desk).await.len(), WAITING_MAX);
    let honest = request("Linking/honest", phone.node.key());
    hand_over(&phone, &desk, &honest).await;
    let found = waiting(&desk).await;
    assert_eq!(found.len(), WAITING_MAX);
    assert_eq!(found.last(), Some(&base64(&honest.encode())));
    phone.stop().await;
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_or_too_long_is_not_kept() {
    let desk = TestNode::start().await;
    let stranger = Stranger::meeting(&desk, "Linking/nonsense", true).await;
    let answer = stranger.link(&desk, b"nonsense").await;
    assert_eq!(answer, Some(LinkAnswer::NotUnderstood));
    let mut long = request("Linking/long", stranger.key());
    while long.encode().len() <= LINK_MAX_BYTES {
        long.consents.push(long.consents[0].clone());
    }
    assert_eq!(stranger.link(&desk, &long.encode()).await, None);
    assert!(waiting(&desk).await.is_empty());
    // And the longest that fits is.
    long.consents.pop();
    let answer = stranger.link(&desk, &long.encode()).await;
    assert_eq!(answer, Some(LinkAnswer::Waits));
    assert_eq!(waiting(&desk).await, [base64(&long.encode())]);
    stranger.network.shutdown().await;
    desk.stop().await;
}
