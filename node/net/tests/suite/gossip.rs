//! Publishing and forwarding.

use std::collections::BTreeMap;

use comity_net::config::MAX_GOSSIP_BYTES;
use comity_net::error::PublishError;
use comity_net::{Carrier, Event, GossipId, PeerId, Verdict};

use crate::harness::{BOTH, Node, group, pair};

const TOPIC: &str = "space-1";

async fn received(node: &mut Node) -> (PeerId, Vec<u8>, GossipId) {
    node.wait("Gossip", |event| match event {
        Event::Gossip {
            source,
            group: of,
            topic,
            data,
            id,
        } => {
            assert_eq!((of, topic.as_str()), (group(7), TOPIC));
            Some((source, data, id))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_message_is_delivered_once_and_each_failure_is_typed() {
    for carrier in BOTH {
        let (a, mut b) = pair(carrier).await;
        a.gossip_with(&b, &[7]).await;
        assert_eq!(
            a.network.publish(group(7), TOPIC, vec![1]).await,
            Err(PublishError::NoPeers)
        );
        assert!(
            a.network
                .subscribe(group(7), TOPIC)
                .await
                .expect("subscribes")
        );
        assert!(
            b.network
                .subscribe(group(7), TOPIC)
                .await
                .expect("subscribes")
        );
        assert!(
            !b.network
                .subscribe(group(7), TOPIC)
                .await
                .expect("was subscribed")
        );

        let id = a.publish(group(7), TOPIC, b"first").await;
        assert_eq!(
            a.network.publish(group(7), TOPIC, b"first".to_vec()).await,
            Err(PublishError::Duplicate)
        );
        let too_large = a
            .network
            .publish(group(7), TOPIC, vec![0; MAX_GOSSIP_BYTES + 1])
            .await;
        assert!(
            matches!(too_large, Err(PublishError::TooLarge { .. })),
            "{too_large:?}"
        );
        a.publish(group(7), TOPIC, &vec![9; MAX_GOSSIP_BYTES]).await;
        a.publish(group(7), TOPIC, b"last").await;

        assert_eq!(received(&mut b).await, (a.id(), b"first".to_vec(), id));
        assert_eq!(received(&mut b).await.1.len(), MAX_GOSSIP_BYTES);
        assert_eq!(received(&mut b).await.1, b"last");
        assert!(
            b.network
                .report_validation(id, Verdict::Accept)
                .await
                .expect("runs")
        );
        assert!(
            !b.network
                .report_validation(id, Verdict::Accept)
                .await
                .expect("runs"),
            "twice"
        );
    }
}

/// a — b — c: what c gets has passed b's judgement, once.
#[tokio::test]
async fn only_accepted_messages_are_passed_on() {
    let (mut a, mut b) = pair(Carrier::Memory).await;
    let mut c = Node::start(3, Carrier::Memory).await;
    c.meet(&mut b).await;
    for node in [&a, &c] {
        node.gossip_with(&b, &[7]).await;
    }
    for node in [&a, &b, &c] {
        node.network
            .subscribe(group(7), TOPIC)
            .await
            .expect("subscribes");
    }
    // c hears nothing from a directly, so once c's words reached a, all links stand.
    c.publish(group(7), TOPIC, b"ready").await;
    let (_, _, id) = received(&mut b).await;
    b.network
        .report_validation(id, Verdict::Accept)
        .await
        .expect("runs");
    assert_eq!(received(&mut a).await, (b.id(), b"ready".to_vec(), id));

    for data in [&b"bad"[..], b"unwanted", b"good"] {
        a.publish(group(7), TOPIC, data).await;
    }
    let verdicts: BTreeMap<&[u8], Verdict> = BTreeMap::from([
        (&b"bad"[..], Verdict::Reject),
        (b"unwanted", Verdict::Ignore),
        (b"good", Verdict::Accept),
    ]);
    for _ in 0..3 {
        let (_, data, id) = received(&mut b).await;
        let verdict = verdicts[data.as_slice()];
        assert!(
            b.network
                .report_validation(id, verdict)
                .await
                .expect("runs")
        );
    }
    let (source, data, _) = received(&mut c).await;
    assert_eq!((source, data.as_slice()), (b.id(), &b"good"[..]));
    let metrics = b.network.metrics().await.expect("runs");
    assert_eq!((metrics.gossip_accepted, metrics.gossip_rejected), (2, 1));
}
