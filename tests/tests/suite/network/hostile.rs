//! Peers that speak other versions, live in other times, or mean harm.

use comity_protocol::{
    access::{JoinAnswer, JoinRefusal},
    id::{EntryId, SpaceId},
    sync::{
        Key, Message, TrieHash,
        message::{Compare, SpaceRoot},
    },
};
use comity_tests::{
    community::{Community, topic},
    nodes::{TestNode, wait_for_equal_roots},
    random::Random,
    stranger::Stranger,
};
use std::time::Duration;

async fn warning(node: &TestNode, words: &[&str]) -> String {
    let waiting = async {
        loop {
            let warnings = node.client.status().await.unwrap().warnings;
            let found = warnings
                .into_iter()
                .find(|text| words.iter().all(|word| text.contains(word)));
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(comity_tests::nodes::POLL).await;
        }
    };
    comity_tests::nodes::patiently(&format!("a warning of {words:?}"), waiting).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_protocol_version_and_another_time_give_warnings_whoever_opens() {
    for leads in [true, false] {
        let node = TestNode::start_with(false).await;
        let community = Community::found("Versions", &[node.node.key()]);
        node.take_part(&community).await;
        let mut future = Stranger::meeting(&node, "Versions/future", leads).await;
        let mut newer = future.hello_to(&node, &[community.id]);
        newer.versions = vec![2];
        let mut late = Stranger::meeting(&node, "Versions/late", leads).await;
        let mut other = late.hello_to(&node, &[community.id]);
        other.time_ms -= 3 * 3_600_000;
        if leads {
            future.hello(&node, &newer).await;
            late.hello(&node, &other).await;
        } else {
            future.answer_hello(&newer).await;
            late.answer_hello(&other).await;
        }
        let text = warning(&node, &["versions [2]", "must be updated"]).await;
        assert!(
            text.contains(&future.network.peer_id().to_string()),
            "{text}"
        );
        let text = warning(&node, &["clock", "minutes"]).await;
        assert!(text.contains(&late.network.peer_id().to_string()), "{text}");
        assert!(
            text.contains("-180 minutes") || text.contains("-179 minutes"),
            "{text}"
        );
        future.network.shutdown().await;
        late.network.shutdown().await;
        node.stop().await;
    }
}

/// Messages that are well formed and make no sense, and bytes that are no messages.
fn nonsense(random: &mut Random, spaces: &[SpaceId]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for space in spaces.iter().copied() {
        let id = EntryId::from_bytes([random.below(256) as u8; 32]);
        let author = Community::found("Nobody", &[]).delegate.device.public();
        let keys = vec![Key::new(&space, &author, 1 + random.draw() % 1_000, id)];
        let root = SpaceRoot {
            space,
            root: TrieHash::from_bytes([random.below(256) as u8; 32]),
            count: 1 + random.draw() % 1_000_000,
            after: random.draw() % 5,
        };
        let compare = Compare {
            space,
            round: 1 + random.draw() % 9,
            turn: random.draw() % 9,
            salt: [random.below(256) as u8; 8],
            pull: true,
            claims: Vec::new(),
            wants: Vec::new(),
        };
        let round = compare.round;
        frames.extend(
            [
                Message::Roots(vec![root]),
                Message::Announce {
                    space,
                    keys: keys.clone(),
                },
                Message::Want { space, keys },
                Message::Credit { bytes: 1 },
                Message::Compare(compare),
                Message::Done { space, round },
                Message::Entries {
                    space,
                    round,
                    entries: vec![vec![0x80; 100]],
                },
                Message::Refuse { space },
            ]
            .map(|message| message.encode()),
        );
    }
    for length in [0, 1, 2, 33, 1_000] {
        frames.push((0..length).map(|_| random.below(256) as u8).collect());
    }
    random.shuffle(&mut frames);
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_send_nonsense_do_not_disturb_honest_ones() {
    let alice = TestNode::start().await;
    let bob = TestNode::start().await;
    let community = Community::found("Hostile", &[alice.node.key(), bob.node.key()]);
    alice.take_part(&community).await;
    bob.take_part(&community).await;
    bob.connect(&alice).await;
    bob.sync().await;
    let (public, members) = (community.space("public"), community.space("members"));
    let mut author = community.delegate.device.clone();
    let mut random = Random::new(3);
    let spaces = [community.governance(), public, members];
    let vandal = Stranger::meeting(&alice, "Hostile/vandal", true).await;
    let silent = Stranger::meeting(&alice, "Hostile/silent", true).await;
    let good = vandal.hello_to(&alice, &[community.id]);
    let mut broken = good.encode();
    broken.push(0);
    assert_eq!(vandal.hello_bytes(&alice, &broken).await, None);
    assert_eq!(vandal.hello_bytes(&alice, &[]).await, None);
    assert_eq!(vandal.hello_bytes(&alice, &vec![0x9f; 70_000]).await, None);
    let refused = JoinAnswer::Refused(JoinRefusal::BadSignature);
    assert_eq!(vandal.join(&alice, &broken).await, refused);
    vandal.network.shutdown().await;

    let mut heard = 0;
    let mut vandals = Vec::new();
    for attempt in 0..12 {
        // Who goes on like this is shut out: `attacks/conduct`.
        if attempt % 3 == 0 {
            let name = format!("Hostile/vandal {attempt}");
            vandals.push(Stranger::meeting(&alice, &name, true).await);
        }
        let vandal = vandals.last().unwrap();
        let good = vandal.hello_to(&alice, &[community.id]);
        vandal.hello(&alice, &good).await;
        let mut talk = vandal.sync(&alice).await;
        for frame in nonsense(&mut random, &spaces) {
            // The node may have had enough before we have said it all.
            if talk.try_say(&frame).await.is_err() {
                break;
            }
        }
        while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(100), talk.hear()).await
        {
            heard += 1;
        }
        let entry = author.create(public, &topic(&format!("{attempt}"), "Undisturbed."));
        let (from, to) = if attempt % 2 == 0 {
            (&alice, &bob)
        } else {
            (&bob, &alice)
        };
        from.submit(community.id, std::slice::from_ref(&entry))
            .await;
        to.wait_for_entries(public, attempt + 1).await;
    }
    assert!(heard > 0, "the node never answered: nothing was tested");
    // Neither a vandal nor one who never says a word keeps `sync` waiting.
    bob.sync().await;
    let began = std::time::Instant::now();
    let wait_ms = 40_000;
    let request = comity_client::types::SyncRequest { wait_ms };
    for vandal in vandals {
        vandal.network.shutdown().await;
    }
    alice.client.sync(&request).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    silent.network.shutdown().await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    for node in [&alice, &bob] {
        let report = node.client.verify().await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }
    alice.stop().await;
    bob.stop().await;
}
