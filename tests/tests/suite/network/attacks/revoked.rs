//! What those who were removed try: old grants, old times, the help of others; and what a party tries
//! on those who spoke for it.

use super::{HOUR_MS, hand_over, root, stop, take_part, talk_to, titles, told, two_parties};
use comity_client::types::QuarantineQuery;
use comity_protocol::{
    certificate::Cuts,
    contribution::ChainLink,
    document::{Draft, Kind, Reference, Value},
    entry::Entry,
    id::SpaceId,
    record::{Role, Target},
    sync::Message,
};
use comity_tests::{
    alliance::{A, Alliance, B},
    community::{Person, document, page, put, reply, splice, topic},
    nodes::{TestNode, wait_for_equal_roots},
    stranger::{Conversation, grants, now_ms},
    transcript::Moment,
};
use std::{collections::BTreeSet, time::Duration};

/// Shows grants and asks for a space; whether the node opens it. Grants are checked while frames go
/// on, so a refusal is believed when it is repeated.
async fn reads(talk: &mut Conversation, space: SpaceId, shown: &Message) -> bool {
    talk.say(shown).await;
    for _ in 0..4 {
        talk.say(&root(space)).await;
        loop {
            let frame = talk.hear().await.expect("a node that goes on talking");
            match Message::decode(&frame).unwrap() {
                Message::Roots(roots) if roots.iter().any(|it| it.space == space) => return true,
                Message::Refuse { space: of } if of == space => break,
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_that_ended_or_whose_device_or_member_is_gone_open_nothing() {
    let (alder, birch, mut alliance) = two_parties("Stale").await;
    let ada = alliance.member(A, "Stale/ada", &[Role::Member]);
    let ben = alliance.member(A, "Stale/ben", &[Role::Member]);
    take_part(&[&alder], &alliance).await;
    let members = alliance.space("members");
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let hidden = author.create(members, &topic("Hidden", "For members alone."));
    alder.submit(alliance.id, &[hidden]).await;

    let (stranger, mut talk) = talk_to(&alder, &alliance, "Stale/thief").await;
    let own = stranger.key();
    talk.opened(alliance.space("news")).await;
    let shown =
        |person: &Person, until: u64| grants(alliance.id, &[person.grant(alliance.id, own, until)]);
    let (of_ada, of_ben) = (
        shown(&ada, now_ms() + HOUR_MS),
        shown(&ben, now_ms() + HOUR_MS),
    );
    assert!(!reads(&mut talk, members, &shown(&ada, now_ms() - 1_000)).await);
    assert!(reads(&mut talk, members, &of_ada).await, "while it holds");
    // Ada's device goes, then Ben himself.
    let device = Target::Device(ada.device.public());
    let gone = alliance.narrow(A, device, Cuts::default());
    let removal = alliance.revoke(A, &ben, &[]);
    alder.submit(alliance.id, &[gone]).await;
    assert!(!reads(&mut talk, members, &of_ada).await);
    assert!(reads(&mut talk, members, &of_ben).await, "while he is in");
    alder.submit(alliance.id, &[removal]).await;
    let since = alder.transcript().now();
    for shown in [&of_ben, &of_ada] {
        assert!(!reads(&mut talk, members, shown).await);
    }
    let later = author.create(members, &topic("Later", "Said afterwards."));
    alder
        .submit(alliance.id, std::slice::from_ref(&later))
        .await;
    stranger.network.shutdown().await;
    // Nor on a new connection.
    let (stranger, mut talk) = talk_to(&alder, &alliance, "Stale/thief").await;
    assert_eq!(stranger.key(), own);
    talk.opened(alliance.space("news")).await;
    for shown in [&of_ben, &of_ada] {
        assert!(!reads(&mut talk, members, shown).await);
    }
    let peer = stranger.network.peer_id();
    assert!(!told(&alder, b"Said afterwards", peer, Moment::default()));
    assert!(!told(&alder, later.id().as_bytes(), peer, since));
    stranger.network.shutdown().await;
    stop([alder, birch]).await;
}

const EARLIER: u64 = 5;

/// A hundred contributions with times before the removal: half go on with the chain, half fork it
/// before the cut; every second one changes what was said before.
fn backdated(mallory: &Person, space: SpaceId, earlier: &[Entry]) -> Vec<Entry> {
    let mut straight = mallory.device.clone();
    let mut forked = mallory.device.clone();
    let second = earlier[1].key();
    forked.set_next_link(space, ChainLink::after(second.seq, second.id));
    let of = document(&earlier[0]);
    let mut heads = [earlier[0].id(); 2];
    let mut all = Vec::new();
    for number in 0..50 {
        for (branch, chain) in [&mut straight, &mut forked].into_iter().enumerate() {
            let entry = if number % 2 == 0 {
                let title = format!("Backdated {branch} {number}");
                chain.create(space, &topic(&title, "It was always there."))
            } else {
                let operations = vec![put("title", "Unsaid")];
                let edit = chain.edit(space, of, &[heads[branch]], operations);
                heads[branch] = edit.id();
                edit
            };
            all.push(entry);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_backdated_contributions_of_a_removed_member_take_effect_nowhere() {
    let (alder, birch, mut alliance) = two_parties("Backdated").await;
    let mut mallory = alliance.member(A, "Backdated/mallory", &[Role::Member]);
    let mut ada = alliance.member(B, "Backdated/ada", &[Role::Member]);
    take_part(&[&alder, &birch], &alliance).await;
    let public = alliance.space("public");
    let earlier: Vec<_> = (0..EARLIER)
        .map(|it| {
            let draft = topic(&format!("Earlier {it}"), "Said in time.");
            mallory.device.create(public, &draft)
        })
        .collect();
    alder.submit(alliance.id, &earlier).await;
    birch.connect(&alder).await;
    birch.wait_for_entries(public, EARLIER).await;
    wait_for_equal_roots(&[&alder, &birch]).await;
    let birch = birch.stop().await;

    // Alder's node hears the hundred before the removal, Birch's only afterwards.
    let late = backdated(&mallory, public, &earlier);
    assert_eq!(late.len(), 100);
    alder.submit(alliance.id, &late).await;
    assert!(titles(&alder, public).await.len() > 50);
    let last = earlier.last().unwrap().id();
    let removal = alliance.revoke(A, &mallory, &[(public, last)]);
    alder
        .submit(alliance.id, std::slice::from_ref(&removal))
        .await;
    let quarantine = alder.client.quarantine(&QuarantineQuery::default()).await;
    let quarantine = quarantine.unwrap();
    assert_eq!(quarantine.held, 100);
    for item in &quarantine.items {
        assert_eq!(item.reason, "after removal by Alder", "{item:?}");
    }
    let birch = birch.start().await;
    birch.connect(&alder).await;
    wait_for_equal_roots(&[&alder, &birch]).await;
    let states = birch.states(alliance.id, &late).await;
    let out = states
        .iter()
        .all(|it| it == "unauthorized" || it == "pending");
    assert!(out, "{states:?}");
    // A peer hands them to both, and then what somebody else says.
    let bytes: Vec<_> = late.iter().map(Entry::encode).collect();
    let expected: BTreeSet<_> = (0..EARLIER)
        .map(|it| format!("Earlier {it}"))
        .chain(["After".to_owned()])
        .collect();
    let honest = ada
        .device
        .create(public, &topic("After", "By somebody else."));
    let honest = [honest.encode()];
    for (name, entries) in [
        ("Backdated/late", &bytes[..]),
        ("Backdated/messenger", &honest),
    ] {
        hand_over(&birch, &alliance, name, public, entries).await;
    }
    wait_for_title(&birch, public, "After").await;
    wait_for_title(&alder, public, "After").await;
    wait_for_equal_roots(&[&alder, &birch]).await;
    for node in [&alder, &birch] {
        assert_eq!(titles(node, public).await, expected);
        let first = node.show(earlier[0].id()).await;
        assert_eq!(first.text("title"), Some("Earlier 0"));
        assert_eq!(first.summary.contributions, 1);
    }
    stop([alder, birch]).await;
}

async fn wait_for_title(node: &TestNode, space: SpaceId, title: &str) {
    comity_tests::nodes::patiently(title, async {
        while !titles(node, space).await.contains(title) {
            tokio::time::sleep(comity_tests::nodes::POLL).await;
        }
    })
    .await;
}

fn accept(topic: &Entry, reply: &Entry) -> Draft {
    let to = |entry: &Entry| Value::from(Reference::from(document(entry)));
    Draft::create(Kind::Accept, [("topic", to(topic)), ("reply", to(reply))])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_others_build_on_stays_and_gives_its_removed_author_nothing_back() {
    let (alder, birch, mut alliance) = two_parties("Adopted").await;
    let mut mallory = alliance.member(A, "Adopted/mallory", &[Role::Member, Role::Steward]);
    let mut ben = alliance.member(B, "Adopted/ben", &[Role::Member]);
    take_part(&[&alder, &birch], &alliance).await;
    let (public, news) = (alliance.space("public"), alliance.space("news"));
    let question = mallory.device.create(public, &topic("Tea?", "How long?"));
    let answer = ben
        .device
        .create(public, &reply(document(&question), "Four minutes."));
    alder
        .submit(alliance.id, &[question.clone(), answer.clone()])
        .await;
    let removal = alliance.revoke(A, &mallory, &[(public, question.id())]);
    alder.submit(alliance.id, &[removal]).await;
    birch.connect(&alder).await;
    wait_for_equal_roots(&[&alder, &birch]).await;

    let own = mallory.device.create(public, &page("Tea", "Boil water."));
    let on = ben.device.edit(
        public,
        document(&own),
        &[own.id()],
        vec![splice(0, 0, "First. ")],
    );
    let privileges = [
        mallory.device.edit(
            public,
            document(&own),
            &[on.id()],
            vec![put("title", "Mine again")],
        ),
        mallory
            .device
            .create(public, &reply(document(&question), "Five minutes.")),
        mallory.device.create(public, &accept(&question, &answer)),
        mallory.device.create(public, &page("Coffee", "Grind.")),
        mallory.device.edit(
            public,
            document(&question),
            &[question.id()],
            vec![put("title", "Coffee?")],
        ),
        mallory.device.create(news, &topic("News", "I am back.")),
    ];
    // Birch's node hears the page alone, then what Ben built on it.
    let states = birch.states(alliance.id, &[own.clone(), on.clone()]).await;
    assert_eq!(states.last().unwrap(), "saved", "{states:?}");
    wait_for_title(&alder, public, "Tea").await;
    for node in [&alder, &birch] {
        for state in node.states(alliance.id, &privileges).await {
            assert!(["unauthorized", "pending"].contains(&&*state), "{state}");
        }
    }
    wait_for_equal_roots(&[&alder, &birch]).await;
    for node in [&alder, &birch] {
        let shown = node.show(own.id()).await;
        assert_eq!(shown.text("body"), Some("First. Boil water."));
        assert_eq!(shown.text("title"), Some("Tea"));
        let topic = node.show(question.id()).await;
        assert_eq!(topic.text("title"), Some("Tea?"));
        assert_eq!(topic.replies.len(), 1);
        assert_eq!(topic.summary.accepted, None);
        assert!(!titles(node, public).await.contains("Coffee"));
        assert_eq!(titles(node, news).await, [].into());
        let info = node.client.community(&alliance.id.to_string()).await;
        let root = mallory.root.public().to_string();
        let found = info.unwrap().members.into_iter().find(|it| it.root == root);
        assert!(found.is_none_or(|it| it.roles.is_empty() && it.parties.is_empty()));
    }
    // Nor does the page open what members read.
    let (stranger, mut talk) = talk_to(&birch, &alliance, "Adopted/stranger").await;
    talk.opened(news).await;
    let grant = mallory.grant(alliance.id, stranger.key(), now_ms() + HOUR_MS);
    let shown = grants(alliance.id, &[grant]);
    assert!(!reads(&mut talk, alliance.space("members"), &shown).await);
    stranger.network.shutdown().await;
    stop([alder, birch]).await;
}

/// A party takes what a promise rests on, with no cut that names anything.
type Take = fn(&mut Alliance, &Person) -> Entry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_cannot_unsay_the_promise_that_the_other_partys_node_has_received() {
    // Not even the link of the device is named.
    promise_stays("Promised", |alliance, sten| {
        let target = Target::Member(sten.root.public());
        alliance.narrow(A, target, Cuts::default())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_cannot_unsay_by_dropping_the_delegate_who_admitted_the_steward() {
    promise_stays("Disowned", |alliance, _| {
        let heir = Person::new("Disowned/heir").root.public();
        alliance.next_state(A, &[0], |state| state.delegates = vec![heir])
    })
    .await;
}

async fn promise_stays(name: &str, take: Take) {
    let (alder, birch, mut alliance) = two_parties(name).await;
    let mut sten = alliance.member(A, &format!("{name}/sten"), &[Role::Member, Role::Steward]);
    take_part(&[&alder, &birch], &alliance).await;
    let (public, news) = (alliance.space("public"), alliance.space("news"));
    let promise = sten
        .device
        .create(news, &topic("Promise", "Delivered in May."));
    alder
        .submit(alliance.id, std::slice::from_ref(&promise))
        .await;
    birch.connect(&alder).await;
    // The promise and what both nodes say of having received it.
    for node in [&alder, &birch] {
        node.wait_for_entries(news, 3).await;
    }
    wait_for_equal_roots(&[&alder, &birch]).await;
    // Sten's device writes on, unknown to Birch's node, and Alder takes what he rests on with no
    // cut that names a word of his.
    let birch = birch.stop().await;
    let straight = sten
        .clone()
        .device
        .create(news, &topic("Later", "In June."));
    let mut forked = sten.device.clone();
    forked.set_next_link(news, ChainLink::FIRST);
    let forked = forked.create(news, &topic("Instead", "In June."));
    let elsewhere = sten.device.create(public, &topic("Beside", "In June."));
    let late = [straight, forked, elsewhere];
    alder.submit(alliance.id, &late).await;
    let removal = take(&mut alliance, &sten);
    alder
        .submit(alliance.id, std::slice::from_ref(&removal))
        .await;
    let birch = birch.start().await;
    birch.connect(&alder).await;
    wait_for_equal_roots(&[&alder, &birch]).await;
    for state in birch.states(alliance.id, &late).await {
        assert_eq!(state, "unauthorized");
    }
    wait_for_equal_roots(&[&alder, &birch]).await;
    // A node that comes later sees the same, and so does one that starts again.
    let birch = birch.restart().await;
    let later = TestNode::start().await;
    take_part(&[&later], &alliance).await;
    later.connect(&birch).await;
    later.wait_for_entries(news, 3).await;
    wait_for_equal_roots(&[&birch, &later]).await;
    for node in [&alder, &birch, &later] {
        wait_for_title(node, news, "Promise").await;
        assert_eq!(titles(node, news).await, ["Promise".to_owned()].into());
        assert_eq!(titles(node, public).await, [].into());
        let shown = node.show(promise.id()).await;
        assert_eq!(shown.text("body"), Some("Delivered in May."));
    }
    stop([alder, birch, later]).await;
}
