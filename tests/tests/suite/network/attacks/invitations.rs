//! A ticket in the wrong hands.

use super::{HOUR_MS, stop, take_part, tapped};
use comity_protocol::{
    access::{JoinAnswer, JoinRefusal},
    record::{Countersignature, RecordBody},
};
use comity_tests::{
    alliance::{A, Alliance, Founder, party},
    community::{Person, Signer, key},
    joining::request_in,
    nodes::wait_for_equal_roots,
    stranger::{Stranger, now_ms},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_invitation_lets_in_nobody_but_the_first_who_asks_in_time_where_it_says() {
    let alder = tapped("Leaked/alder").await;
    let second = tapped("Leaked/second").await;
    let birch = tapped("Leaked/birch").await;
    let nodes = [&alder, &second, &birch];
    let (of_a, of_b) = ([alder.node.key(), second.node.key()], [birch.node.key()]);
    let founder = Founder {
        name: "Alder",
        delegates: 3,
        nodes: &of_a,
    };
    let mut alliance = Alliance::found("Leaked", &[founder, party("Birch", &of_b)]);
    let here = alder.node.key();
    let hour = Some(now_ms() + HOUR_MS);
    let used = alliance.invite((A, 0), "Leaked/used", here, hour).id();
    let late = alliance.invite((A, 0), "Leaked/late", here, Some(now_ms() - 1_000));
    let elsewhere = alliance.invite((A, 1), "Leaked/elsewhere", here, hour).id();
    take_part(&nodes, &alliance).await;
    second.connect(&alder).await;
    birch.connect(&alder).await;
    wait_for_equal_roots(&nodes).await;
    // Two of three delegates drop the third, whose key then gives an invitation.
    let dropped = alliance.sides[A].delegates[2].root.public();
    let state = alliance.next_state(A, &[0, 1], |state| {
        state.delegates.retain(|it| *it != dropped);
        state.stewards.retain(|it| *it != dropped);
    });
    alder.submit(alliance.id, &[state]).await;
    wait_for_equal_roots(&nodes).await;
    let by_dropped = alliance.invite((A, 2), "Leaked/dropped", here, hour);
    alder
        .states(alliance.id, std::slice::from_ref(&by_dropped))
        .await;

    let ask = |invitation, ticket: &str, name: &str| {
        let person = Person::new(&format!("Leaked/{name}"));
        request_in(alliance.id, invitation, &key(ticket), &person, Vec::new())
    };
    let first = ask(used, "Leaked/used", "first");
    let thief = "thief";
    let cases = [
        (&alder, ask(used, "Leaked/used", thief), JoinRefusal::UsedUp),
        (
            &alder,
            ask(late.id(), "Leaked/late", thief),
            JoinRefusal::Expired,
        ),
        (
            &alder,
            ask(by_dropped.id(), "Leaked/dropped", thief),
            JoinRefusal::Unknown,
        ),
        (
            &alder,
            ask(elsewhere, "Leaked/used", thief),
            JoinRefusal::BadSignature,
        ),
        (
            &second,
            ask(elsewhere, "Leaked/elsewhere", thief),
            JoinRefusal::Unknown,
        ),
        (
            &birch,
            ask(elsewhere, "Leaked/elsewhere", thief),
            JoinRefusal::Unknown,
        ),
    ];
    let peer = Stranger::meeting(&alder, "Leaked/peer", true).await;
    let welcome = peer.join(&alder, &first.encode()).await;
    assert!(matches!(welcome, JoinAnswer::Welcome(_)), "{welcome:?}");
    peer.network.shutdown().await;
    wait_for_equal_roots(&nodes).await;
    let before = alder.set_of(alliance.governance()).await;
    for (number, (node, request, refusal)) in cases.iter().enumerate() {
        let peer = Stranger::meeting(node, &format!("Leaked/peer {number}"), true).await;
        let answer = peer.join(node, &request.encode()).await;
        assert_eq!(answer, JoinAnswer::Refused(*refusal), "case {number}");
        peer.network.shutdown().await;
    }
    assert_eq!(alder.set_of(alliance.governance()).await, before);

    // Nodes that the invitation does not name countersign it all the same, by hand.
    for (name, node) in [("Leaked/second", &second), ("Leaked/birch", &birch)] {
        let request = ask(elsewhere, "Leaked/elsewhere", thief);
        let mut signer = Signer::new(name);
        assert_eq!(signer.public(), node.node.key());
        let status = node
            .client
            .signing_context(
                &alliance.governance().to_string(),
                &signer.public().to_string(),
            )
            .await
            .unwrap();
        if let Some(prev) = status.prev {
            let link = comity_protocol::contribution::ChainLink {
                seq: status.next_seq,
                prev: Some(prev.parse().unwrap()),
            };
            signer.set_next_link(alliance.governance(), link);
        }
        let signed = signer.record(
            alliance.governance(),
            RecordBody::Countersignature(Countersignature {
                invitation: elsewhere,
                invitation_key: key("Leaked/elsewhere").public(),
                member: request.member,
                by_invitation: request.by_invitation,
                by_member: request.by_member,
            }),
        );
        node.states(alliance.id, &[signed]).await;
    }
    wait_for_equal_roots(&nodes).await;
    let stolen = Person::new("Leaked/thief").root.public().to_string();
    for node in nodes {
        let info = node.client.community(&alliance.id.to_string()).await;
        let members = info.unwrap().members;
        let is_member = |root: &str| members.iter().any(|it| it.root == root);
        assert!(is_member(&first.member.to_string()));
        assert!(!is_member(&stolen));
    }
    stop([alder, second, birch]).await;
}
