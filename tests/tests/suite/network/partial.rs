//! Nodes that keep a space in part, or not at all: what they say of it, what others get from them, and
//! that nobody is worse off for having met one.

use super::two_nodes;
use comity_client::{
    ClientError,
    types::{EntryResult, Submit},
};
use comity_protocol::{
    access::{WordsAnswer, WordsAsked, WordsGiven, WordsRequest},
    entry::{Entry, Words},
    id::{EntryId, SpaceId},
};
use comity_tests::{
    community::{Community, document, profile, reply, topic},
    nodes::{POLL, TestNode, encoded, patiently, wait_for_equal_roots},
    stranger::Stranger,
};

const SECRET: &str = "Beans from the shelf behind the door";

/// Waits until a node says this of a space: `complete`, `partial` or `not_exchanged`, and how many
/// contributions lack their words.
async fn wait_for_kept(node: &TestNode, space: SpaceId, kept: &str, lacking: Option<u64>) {
    let what = format!("{kept} with {lacking:?} lacking");
    let waiting = async {
        loop {
            let info = node.space_info(space).await;
            if (info.kept.as_str(), info.lacking) == (kept, lacking) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    patiently(&what, waiting).await;
}

async fn body_of(node: &TestNode, entry: &Entry) -> String {
    let view = node.show(document(entry)).await;
    view.text("body").unwrap_or_default().to_owned()
}

async fn receipts_of(node: &TestNode, space: SpaceId, author: &Community) -> Vec<(String, u64)> {
    let author = author.delegate.device.public().to_string();
    let status = node.client.sync_status(Some(&author)).await.unwrap();
    let space = space.to_string();
    let of_space = status.mine.into_iter().filter(|it| it.space == space);
    let holders = of_space.flat_map(|it| it.held_by);
    let receipts = holders.filter(|it| !it.here).map(|it| (it.node, it.seq));
    receipts.collect()
}

/// Three nodes of a community: of the one in the middle only the shape of the space is kept.
async fn three(name: &str) -> ([TestNode; 3], Community, SpaceId) {
    let nodes = [
        TestNode::start_with(false).await,
        TestNode::start_with(false).await,
        TestNode::start_with(false).await,
    ];
    let community = Community::found(name, &nodes.each_ref().map(|it| it.node.key()));
    for node in &nodes {
        node.take_part(&community).await;
    }
    let space = community.space("public");
    let info = nodes[1].keep(space, "structure").await;
    assert_eq!(
        (info.keep.as_str(), info.kept.as_str()),
        ("structure", "complete")
    );
    (nodes, community, space)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_partial_node_passes_on_is_whole_in_all_but_words_and_these_are_fetched_later() {
    let ([full, part, other], mut community, space) = three("Between").await;
    let author = &mut community.delegate.device;
    let asked = author.create(space, &topic("Beans", SECRET));
    let answered = author.create(space, &reply(document(&asked), "On the left"));
    let edited = author.create(space, &profile("Ada"));
    let entries = [asked.clone(), answered.clone(), edited.clone()];
    full.submit(community.id, &entries).await;
    part.connect(&full).await;
    wait_for_equal_roots(&[&full, &part]).await;
    // Nothing is said about what is not kept but the plain truth.
    wait_for_kept(&part, space, "partial", Some(2)).await;
    let view = part.show(document(&asked)).await;
    assert_eq!((view.summary.not_kept, view.replies.len()), (1, 1));
    assert_eq!(view.summary.kind, "topic");
    assert!(!view.text("body").unwrap().contains("Beans"), "{view:?}");
    // Who people are is kept whatever was decided.
    assert_eq!(part.show(document(&edited)).await.summary.not_kept, 0);
    let holders = receipts_of(&full, space, &community).await;
    assert_eq!(holders, [], "who has no words says nothing of them");

    // The other end gets all that the partial node has, and says what it lacks.
    let key = full.node.key();
    let full = full.stop().await;
    other.connect(&part).await;
    wait_for_equal_roots(&[&part, &other]).await;
    wait_for_kept(&other, space, "partial", Some(2)).await;
    assert!(!body_of(&other, &asked).await.contains("Beans"));
    let export = other.client.automerge(&document(&asked).to_string()).await;
    assert!(matches!(export, Err(ClientError::Api(it)) if it.code == "unavailable"));
    let by_full = [(key.to_string(), 3)];
    let holders = receipts_of(&other, space, &community).await;
    assert_eq!(holders, by_full, "only who had all words said so");

    // Once somebody is there who has them, it has everything, and says so.
    let full = full.start().await;
    full.connect(&other).await;
    wait_for_kept(&other, space, "complete", Some(0)).await;
    assert_eq!(body_of(&other, &asked).await, SECRET);
    assert_eq!(body_of(&other, &answered).await, "On the left");
    other
        .client
        .automerge(&document(&asked).to_string())
        .await
        .unwrap();
    let here = [(other.node.key().to_string(), 3)];
    let receipted = async {
        while receipts_of(&full, space, &community).await != here {
            tokio::time::sleep(POLL).await;
        }
    };
    patiently("the receipt of the node that has all words now", receipted).await;
    wait_for_equal_roots(&[&full, &part, &other]).await;
    // Meeting a partial node took nothing from anybody.
    assert_eq!(body_of(&full, &asked).await, SECRET);
    wait_for_kept(&full, space, "complete", Some(0)).await;
    wait_for_kept(&part, space, "partial", Some(2)).await;
    for node in [&full, &part, &other] {
        let report = node.client.verify().await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
    // What is missing is missing after a start as well.
    let (other, part) = (other.restart().await, part.restart().await);
    wait_for_kept(&other, space, "complete", Some(0)).await;
    wait_for_kept(&part, space, "partial", Some(2)).await;
    assert_eq!(body_of(&other, &asked).await, SECRET);
    for node in [full, part, other] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_fetched_when_somebody_reads_them_and_stay() {
    let ([full, part, other], mut community, space) = three("Asked").await;
    let author = &mut community.delegate.device;
    let asked = author.create(space, &topic("Beans", SECRET));
    let answered = author.create(space, &reply(document(&asked), "On the left"));
    let unread = author.create(space, &topic("Milk", "Not asked for"));
    full.submit(
        community.id,
        &[asked.clone(), answered.clone(), unread.clone()],
    )
    .await;
    part.connect(&full).await;
    wait_for_equal_roots(&[&full, &part]).await;
    let id = document(&asked).to_string();
    let fetched = part.client.fetch_words(&id).await.unwrap();
    assert_eq!((fetched.found, fetched.lacking, fetched.asked), (2, 0, 1));
    assert_eq!(body_of(&part, &asked).await, SECRET);
    assert_eq!(body_of(&part, &answered).await, "On the left");
    assert!(!body_of(&part, &unread).await.contains("Not asked"));
    wait_for_kept(&part, space, "partial", Some(1)).await;

    // They are here now, with nobody around, and are passed on.
    let full = full.stop().await;
    let part = part.restart().await;
    assert_eq!(body_of(&part, &asked).await, SECRET);
    let milk = document(&unread).to_string();
    let fetched = part.client.fetch_words(&milk).await.unwrap();
    assert_eq!((fetched.found, fetched.lacking, fetched.asked), (0, 1, 0));
    other.connect(&part).await;
    wait_for_kept(&other, space, "partial", Some(1)).await;
    assert_eq!(body_of(&other, &asked).await, SECRET);

    // An erasure takes them, wherever they stand and however whole the space is by then.
    part.keep(space, "everything").await;
    let full = full.start().await;
    full.connect(&part).await;
    wait_for_kept(&part, space, "complete", Some(0)).await;
    let erasure = author.erase(space, asked.id());
    part.submit(community.id, &[erasure]).await;
    assert!(part.show(&id).await.summary.erased);
    full.stop().await;
    let stopped = part.stop().await;
    for segment in std::fs::read_dir(stopped.home().join("record")).unwrap() {
        let bytes = std::fs::read(segment.unwrap().path()).unwrap();
        let found = bytes
            .windows(SECRET.len())
            .any(|it| it == SECRET.as_bytes());
        assert!(!found, "erased words are in the record");
    }
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_that_is_kept_whole_again_is_filled_up() {
    let ([full, part, other], mut community, space) = three("Again").await;
    let author = &mut community.delegate.device;
    let topics: Vec<Entry> = (0..600)
        .map(|number| author.create(space, &topic(&format!("Topic {number}"), SECRET)))
        .collect();
    full.submit(community.id, &topics).await;
    part.connect(&full).await;
    wait_for_equal_roots(&[&full, &part]).await;
    wait_for_kept(&part, space, "partial", Some(600)).await;
    part.keep(space, "everything").await;
    wait_for_kept(&part, space, "complete", Some(0)).await;
    for topic in topics.iter().step_by(97) {
        assert_eq!(body_of(&part, topic).await, SECRET);
    }
    for node in [full, part, other] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_space_of_which_nothing_is_kept_is_not_exchanged_until_it_is_kept_again() {
    let (alice, bob, mut community) = two_nodes(true).await;
    let (space, kept) = (community.space("public"), community.space("members"));
    let author = &mut community.delegate.device;
    let before = author.create(space, &topic("Before", "Here"));
    alice
        .submit(community.id, std::slice::from_ref(&before))
        .await;
    bob.connect(&alice).await;
    wait_for_equal_roots(&[&alice, &bob]).await;

    let info = bob.keep(space, "nothing").await;
    assert_eq!(
        (info.keep.as_str(), info.kept.as_str()),
        ("nothing", "not_exchanged")
    );
    let after = author.create(space, &topic("After", "Not there"));
    let elsewhere = author.create(kept, &topic("Elsewhere", "There"));
    let set = bob.set_of(space).await;
    alice
        .submit(community.id, &[after.clone(), elsewhere.clone()])
        .await;
    bob.wait_for_entries(kept, 1).await;
    // Both say that they have nothing more to exchange.
    bob.sync().await;
    alice.sync().await;
    assert_eq!(bob.set_of(space).await, set, "it came all the same");
    // What is here stays, and nothing is written that would reach nobody.
    assert_eq!(body_of(&bob, &before).await, "Here");
    let lost = author.create(space, &topic("Lost", "Nobody hears"));
    let request = Submit {
        community: community.id.to_string(),
        entries: encoded(&[lost]),
    };
    let refused = bob.client.submit(&request).await;
    assert!(matches!(refused, Err(ClientError::Api(it)) if it.code == "refused"));
    let status = bob.client.status().await.unwrap();
    let named: Vec<_> = status
        .incomplete
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(named, ["public"]);

    // Neither after a start, until it is kept again.
    let bob = bob.restart().await;
    bob.sync().await;
    assert_eq!(bob.set_of(space).await, set);
    bob.keep(space, "everything").await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    assert_eq!(body_of(&bob, &after).await, "Not there");
    // The community's own records are always kept.
    let request = comity_client::types::KeepSpace {
        keep: "nothing".into(),
    };
    let governance = community.governance().to_string();
    let refused = bob.client.keep_space(&governance, &request).await;
    assert!(matches!(refused, Err(ClientError::Api(it)) if it.code == "refused"));
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_for_readers_and_what_is_hidden_looks_like_what_is_not_there() {
    let (alice, bob, mut community) = two_nodes(false).await;
    let (public, members) = (community.space("public"), community.space("members"));
    let author = &mut community.delegate.device;
    let open = author.create(public, &topic("Open", "For all"));
    let hidden = author.create(members, &topic("Hidden", SECRET));
    alice
        .submit(community.id, &[open.clone(), hidden.clone()])
        .await;
    let ask = |space: SpaceId, asked, ids: &[&Entry]| {
        let mut ids: Vec<EntryId> = ids.iter().map(|it| it.id()).collect();
        ids.sort();
        WordsRequest { space, asked, ids }.encode()
    };
    let stranger = Stranger::meeting(&alice, "Partial/stranger", true).await;
    // Who has not said hello is told nothing at all.
    let unheard = stranger
        .words(&alice, &ask(public, WordsAsked::Give, &[&open]))
        .await;
    assert_eq!(unheard, None);
    stranger.greet(&alice, &[community.id]).await;
    let _stream = stranger.sync(&alice).await;
    let given = |bytes: Option<Vec<u8>>| WordsAnswer::decode(&bytes.unwrap()).unwrap().0;
    let (session, ids) = (ask(public, WordsAsked::Give, &[&open]), [&open, &hidden]);
    let answered = async {
        loop {
            if let Some(answer) = stranger.words(&alice, &session).await {
                return given(Some(answer));
            }
            tokio::time::sleep(POLL).await;
        }
    };
    // What everyone reads is given, and nothing of another space along with it.
    let answer = patiently("the session", answered).await;
    assert!(matches!(&answer[..], [WordsGiven::Words(_)]), "{answer:?}");
    let mixed = given(
        stranger
            .words(&alice, &ask(public, WordsAsked::Give, &ids))
            .await,
    );
    let words = mixed.iter().filter(|it| matches!(it, WordsGiven::Words(_)));
    assert_eq!((mixed.len(), words.count()), (2, 1));
    for asked in [WordsAsked::Give, WordsAsked::Keep] {
        let of_hidden = stranger
            .words(&alice, &ask(members, asked, &[&hidden]))
            .await;
        let nowhere = SpaceId::from_bytes([8; 32]);
        let of_nothing = stranger
            .words(&alice, &ask(nowhere, asked, &[&hidden]))
            .await;
        assert_eq!(of_hidden, of_nothing);
        assert_eq!(given(of_hidden), [WordsGiven::Nothing]);
    }
    stranger.network.shutdown().await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hands_in_words_that_are_none_or_leaves_them_out() {
    let (alice, bob, mut community) = two_nodes(false).await;
    let space = community.space("public");
    let post = community
        .delegate
        .device
        .create(space, &topic("Beans", SECRET));
    let Entry::Contribution(whole) = post.clone() else {
        panic!("a contribution")
    };
    // Whoever wrote it has its words.
    let bare = Entry::Contribution(whole.clone().without_words());
    let results = alice.offer(community.id, &[bare.encode()]).await;
    assert!(matches!(&results[..], [EntryResult { state, .. }] if state == "refused"));
    // They are compared with their digest.
    let Words::Present(words) = whole.words().clone() else {
        panic!("with words")
    };
    let lacking = whole.clone().without_words();
    let mut wrong = words.clone();
    wrong[40] ^= 1;
    assert!(lacking.clone().with_words(wrong).is_err());
    assert_eq!(lacking.with_words(words).unwrap(), whole);
    alice.stop().await;
    bob.stop().await;
}
