//! Joining with a ticket: the way in, and everyone who must stay out.

use comity_protocol::{
    access::{JoinAnswer, JoinRefusal},
    id::EntryId,
};
use comity_tests::{
    community::{Community, Person, key, topic},
    joining::{device_link, join, request, start},
    nodes::{POLL, TestNode, patiently, wait_for_equal_roots},
    stranger::{Stranger, now_ms},
};

async fn wait_for_join(node: &TestNode, state: &str) {
    let waiting = async {
        loop {
            let joins = node.client.joins().await.unwrap();
            if joins.iter().all(|join| join.state == state) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    patiently(&format!("all joins: {state}"), waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_lets_a_person_in_once_the_inviter_is_back() {
    let alice = TestNode::start().await;
    let mut community = Community::found("Guild", &[alice.node.key()]);
    let invite = community.invite("Guild/ticket", alice.node.key(), 1, None);
    alice.take_part(&community).await;
    let (members, mut author) = (community.space("members"), community.delegate.clone());
    let minutes = author
        .device
        .create(members, &topic("Minutes", "Not for everyone."));
    alice
        .submit(community.id, std::slice::from_ref(&minutes))
        .await;
    let inviter = (alice.node.key(), alice.address().await);
    let away = alice.stop().await;

    let bob = TestNode::start().await;
    let mut carol = Person::new("Guild/carol");
    let queued = join(
        &community,
        &invite,
        &mut carol,
        &bob,
        (inviter.0, &inviter.1),
    )
    .await;
    assert_eq!(queued.state, "queued");
    let waiting = async {
        while bob.client.joins().await.unwrap()[0].attempts == 0 {
            tokio::time::sleep(POLL).await;
        }
    };
    patiently("a first attempt", waiting).await;
    let tried = &bob.client.joins().await.unwrap()[0];
    assert_eq!(tried.state, "queued");
    assert!(tried.reason.is_some(), "{tried:?}");
    // It survives a restart of the node that asks, too.
    let bob = bob.restart().await;

    let alice = away.start().await;
    wait_for_join(&bob, "member").await;
    bob.wait_for_entries(members, 1).await;
    assert_eq!(
        bob.show(minutes.id()).await.text("body"),
        Some("Not for everyone.")
    );
    let answer = carol
        .device
        .create(members, &topic("Thanks", "Glad to be here."));
    bob.submit(community.id, std::slice::from_ref(&answer))
        .await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    assert_eq!(
        alice.show(answer.id()).await.text("body"),
        Some("Glad to be here.")
    );
    // The node link counts: what reached bob's node is proven by its receipts.
    let root = carol.root.public().to_string();
    let status = alice.client.sync_status(Some(&root)).await.unwrap();
    let holders = &status.mine.iter().find(|it| it.seq == 1).unwrap().held_by;
    let bobs = bob.node.key().to_string();
    assert!(holders.iter().any(|it| it.node == bobs), "{holders:?}");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_that_do_not_hold_are_refused_with_the_reason() {
    let alice = TestNode::start().await;
    let mut community = Community::found("Lodge", &[alice.node.key()]);
    let here = alice.node.key();
    let good = community.invite("Lodge/good", here, 1, None);
    let late = community.invite("Lodge/late", here, 1, Some(now_ms() - 1_000));
    let elsewhere = community.invite("Lodge/elsewhere", key("another node").public(), 1, None);
    alice.take_part(&community).await;
    let bob = TestNode::start().await;
    let inviter = (here, alice.address().await);
    let inviter = (inviter.0, inviter.1.as_str());

    let mut first = Person::new("Lodge/first");
    join(&community, &good, &mut first, &bob, inviter).await;
    wait_for_join(&bob, "member").await;

    let unknown = EntryId::from_bytes([9; 32]);
    let ghost = Community::found("Nowhere", &[]);
    let person = |name: &str| Person::new(&format!("Lodge/{name}"));
    let used_up = person("used up");
    let forged = person("forged");
    let mut unsigned = request(&community, good.record.id(), &good.secret, &forged, vec![]);
    unsigned.by_member = unsigned.by_invitation;
    let cases = [
        (
            "used up",
            request(&community, good.record.id(), &good.secret, &used_up, vec![]),
        ),
        (
            "expired",
            request(
                &community,
                late.record.id(),
                &late.secret,
                &person("late"),
                vec![],
            ),
        ),
        (
            "does not know",
            request(
                &community,
                unknown,
                &good.secret,
                &person("unknown"),
                vec![],
            ),
        ),
        (
            "does not know",
            request(
                &community,
                elsewhere.record.id(),
                &elsewhere.secret,
                &person("elsewhere"),
                vec![],
            ),
        ),
        (
            "does not know",
            request(
                &ghost,
                good.record.id(),
                &good.secret,
                &person("ghost"),
                vec![],
            ),
        ),
        (
            "does not fit",
            request(
                &community,
                good.record.id(),
                &late.secret,
                &person("wrong key"),
                vec![],
            ),
        ),
        ("does not fit", unsigned),
    ];
    let (governance, root) = alice.set_of(community.governance()).await;
    for (reason, request) in &cases {
        start(&bob, request, inviter).await;
        let member = request.member.to_string();
        let waiting = async {
            loop {
                let joins = bob.client.joins().await.unwrap();
                let join = joins.into_iter().find(|it| it.member == member).unwrap();
                if join.state != "queued" {
                    return join;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let join = patiently(reason, waiting).await;
        assert_eq!(join.state, "refused", "{join:?}");
        let told = join.reason.unwrap();
        assert!(
            told.contains(reason) && told.contains("ask for a new ticket"),
            "{told}"
        );
    }
    assert_eq!(
        alice.set_of(community.governance()).await,
        (governance, root)
    );
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_twice_spends_one_use_and_two_at_once_share_no_last_one() {
    let alice = TestNode::start().await;
    let mut community = Community::found("Twice", &[alice.node.key()]);
    let once = community.invite("Twice/once", alice.node.key(), 1, None);
    let race = community.invite("Twice/race", alice.node.key(), 1, None);
    alice.take_part(&community).await;
    let peer = Stranger::meeting(&alice, "Twice/peer", true).await;

    let mut carol = Person::new("Twice/carol");
    let link = device_link(community.governance(), &mut carol);
    let asked = request(
        &community,
        once.record.id(),
        &once.secret,
        &carol,
        vec![link],
    )
    .encode();
    let JoinAnswer::Welcome(id) = peer.join(&alice, &asked).await else {
        panic!("refused")
    };
    let set = alice.set_of(community.governance()).await;
    assert_eq!(peer.join(&alice, &asked).await, JoinAnswer::Welcome(id));
    assert_eq!(alice.set_of(community.governance()).await, set);

    let ask = |name: &str| {
        let person = Person::new(&format!("Twice/{name}"));
        request(&community, race.record.id(), &race.secret, &person, vec![]).encode()
    };
    let (a, b, c, d) = (ask("a"), ask("b"), ask("c"), ask("d"));
    let answers = tokio::join!(
        peer.join(&alice, &a),
        peer.join(&alice, &b),
        peer.join(&alice, &c),
        peer.join(&alice, &d),
    );
    let answers: [JoinAnswer; 4] = answers.into();
    let welcome = answers
        .iter()
        .filter(|it| matches!(it, JoinAnswer::Welcome(_)));
    assert_eq!(welcome.count(), 1, "{answers:?}");
    let used_up = JoinAnswer::Refused(JoinRefusal::UsedUp);
    let refused = answers.iter().filter(|it| **it == used_up);
    assert_eq!(refused.count(), 3, "{answers:?}");
    let info = alice.client.community(&community.id.to_string()).await;
    // The delegate, carol, and one of the four.
    assert_eq!(info.unwrap().members.len(), 3);
    alice.stop().await;
}
