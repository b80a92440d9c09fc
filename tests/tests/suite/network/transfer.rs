//! Transfers that are cut, nodes that stop and come back, and news that travel on.

use comity_client::types::{Connect, SyncRequest};
use comity_protocol::entry::Entry;
use comity_tests::{
    community::{Community, Signer, topic},
    nodes::{TestNode, patiently, wait_for_equal_roots},
    proxy::Proxy,
};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
/// What may be on its way, unacknowledged, when a stream is cut.
const WINDOW_BYTES: u64 = comity_protocol::sync::session::WINDOW_BYTES;

async fn nodes<const N: usize>(name: &str, gossip: bool) -> ([TestNode; N], Community) {
    let mut nodes = Vec::new();
    for _ in 0..N {
        nodes.push(TestNode::start_with(gossip).await);
    }
    let keys: Vec<_> = nodes.iter().map(|node| node.node.key()).collect();
    let community = Community::found(name, &keys);
    for node in &nodes {
        node.take_part(&community).await;
    }
    let Ok(nodes) = nodes.try_into() else {
        panic!("as many as asked for")
    };
    (nodes, community)
}

fn topics(author: &mut Signer, community: &Community, count: usize, text: &str) -> Vec<Entry> {
    let space = community.space("members");
    let one = |number| author.create(space, &topic(&format!("Topic {number}"), text));
    (0..count).map(one).collect()
}

/// Whoever waits for equality after having written something is not told of the equality before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_written_is_at_a_peer_that_did_not_say_so() {
    let ([alice, bob], community) = nodes("Told", false).await;
    let mut author = community.delegate.device.clone();
    let (address, proxy) = through_proxy(&bob).await;
    alice.client.connect(&Connect { address }).await.unwrap();
    alice.sync().await;
    proxy.hold(true);
    let entries = topics(&mut author, &community, 1, "Is it there?");
    alice.submit(community.id, &entries).await;
    let request = SyncRequest { wait_ms: 300 };
    let status = alice.client.sync(&request).await.unwrap();
    assert!(!status.peers[0].in_sync, "{status:?}");
    proxy.hold(false);
    alice.sync().await;
    let state = bob.states(community.id, &entries).await;
    assert_eq!(state, ["already_present"]);
}

/// The address of a node by way of a relay.
async fn through_proxy(node: &TestNode) -> (String, Proxy) {
    let address = node.address().await;
    let port: u16 = address.split('/').nth(4).unwrap().parse().unwrap();
    let proxy = Proxy::to(port).await;
    let through = address.replace(&format!("tcp/{port}/"), &format!("tcp/{}/", proxy.port()));
    (through, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_is_cut_goes_on_where_it_was() {
    let ([alice, bob], community) = nodes("Cut", false).await;
    let mut author = community.delegate.device.clone();
    let text = "A line of some length, to have bytes on the wire. ".repeat(100);
    let entries = topics(&mut author, &community, 3_000, &text);
    let total: u64 = entries.iter().map(|it| it.encode().len() as u64).sum();
    assert!(total > 3 * WINDOW_BYTES, "{total}");
    for part in entries.chunks(500) {
        alice.submit(community.id, part).await;
    }
    let (address, proxy) = through_proxy(&alice).await;
    proxy.cut_at(total / 2);
    let connect = Connect { address };
    bob.client.connect(&connect).await.unwrap();
    let away = |status: &comity_client::types::SyncStatus| {
        (status.peers.is_empty() && proxy.brought() >= total / 2).then_some(())
    };
    bob.wait_for("the cut", away).await;
    let bob = bob.stop().await;
    let brought = proxy.brought();
    assert!(brought < total / 2 + MIB, "{brought}");

    let bob = bob.start().await;
    let space = community.space("members");
    let had = bob.set_of(space).await.0;
    let whole = entries.len() as u64;
    assert!(had > 0 && had < whole, "{had}");
    proxy.cut_at(u64::MAX);
    wait_for_equal_roots(&[&alice, &bob]).await;
    assert!(bob.set_of(space).await.0 >= whole);
    let brought = proxy.brought();
    // Protocol overhead and receipts are far below a tenth.
    let bound = total + WINDOW_BYTES + total / 10;
    assert!(brought > total && brought <= bound, "{brought} of {bound}");
    println!("{total} bytes of entries, {brought} bytes brought in two goes, {had} entries kept");
    alice.stop().await;
    bob.stop().await;
}

/// Three peers have what one lacks: whoever brings which share, all of it comes about once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_peers_bring_what_one_lacks_and_hardly_a_byte_twice() {
    let ([sink, alice, bob, carol], mut community) = nodes("Shares", false).await;
    let sources = [&alice, &bob, &carol];
    let text = "A line of some length, to have bytes on the wire. ".repeat(20);
    let mut entries = Vec::new();
    for number in 0..40 {
        let mut person = community.member(&format!("author {number}"));
        entries.extend(topics(&mut person.device, &community, 60, &text));
    }
    let total: u64 = entries.iter().map(|it| it.encode().len() as u64).sum();
    let mut proxies = Vec::new();
    for source in sources {
        source.take_part(&community).await;
        for part in entries.chunks(500) {
            source.submit(community.id, part).await;
        }
        proxies.push(through_proxy(source).await);
    }
    sink.take_part(&community).await;
    for (address, _) in &proxies {
        let address = address.clone();
        sink.client.connect(&Connect { address }).await.unwrap();
    }
    wait_for_equal_roots(&[&sink, &alice, &bob, &carol]).await;
    assert!(sink.set_of(community.space("members")).await.0 >= entries.len() as u64);
    let brought: Vec<u64> = proxies.iter().map(|(_, proxy)| proxy.brought()).collect();
    let all: u64 = brought.iter().sum();
    println!("{total} bytes of entries, brought {brought:?}");
    assert!(all <= total + total / 10, "{all} of {total}: {brought:?}");
    for node in [sink, alice, bob, carol] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_travel_at_once_both_ways_without_gossip() {
    let ([alice, bob], community) = nodes("News", false).await;
    let mut author = community.delegate.device.clone();
    bob.connect(&alice).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    let space = community.space("members");
    let mut slowest = Duration::ZERO;
    for (number, (from, to)) in [(&alice, &bob), (&bob, &alice)].into_iter().enumerate() {
        let entry = topics(&mut author, &community, 1, &format!("News {number}"));
        from.submit(community.id, &entry).await;
        let submitted = Instant::now();
        let id = entry[0].id().to_string();
        let arriving = async {
            while to.client.entry(&id).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        patiently("news", arriving).await;
        slowest = slowest.max(submitted.elapsed());
        assert!(to.set_of(space).await.0 > 0);
    }
    println!("the slower way took {slowest:?}");
    // Without announcements the next comparison of roots would bring it, some seconds later.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_restarts_is_found_again_by_whoever_called_it() {
    let ([alice, bob], community) = nodes("Again", true).await;
    let mut author = community.delegate.device.clone();
    bob.connect(&alice).await;
    bob.sync().await;
    let address = alice.address().await;
    let alice = alice.stop().await;
    let gone = |status: &comity_client::types::SyncStatus| {
        (status.peers.is_empty() && status.unreachable.len() == 1).then_some(())
    };
    bob.wait_for("a lost peer", gone).await;
    let offline = topics(&mut author, &community, 3, "Meanwhile.");
    bob.submit(community.id, &offline).await;
    let alice = alice.start().await;
    assert_eq!(alice.address().await, address);
    wait_for_equal_roots(&[&alice, &bob]).await;
    alice.show(offline[2].id()).await;
    // Also when the one who called restarts.
    let bob = bob.restart().await;
    let more = topics(&mut author, &community, 1, "And after.");
    alice.submit(community.id, &more).await;
    wait_for_equal_roots(&[&alice, &bob]).await;
    bob.show(more[0].id()).await;
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_in_the_middle_passes_things_on_both_ways() {
    let ([alice, bob, carol], community) = nodes("Line", false).await;
    let mut author = community.delegate.device.clone();
    bob.connect(&alice).await;
    carol.connect(&bob).await;
    let before = topics(&mut author, &community, 20, "From one end.");
    alice.submit(community.id, &before).await;
    let all = [&alice, &bob, &carol];
    wait_for_equal_roots(&all).await;
    let back = topics(&mut author, &community, 1, "From the other.");
    carol.submit(community.id, &back).await;
    wait_for_equal_roots(&all).await;
    alice.show(back[0].id()).await;
    carol.show(before[19].id()).await;
    let status = carol.client.sync_status(None).await.unwrap();
    assert_eq!(status.peers.len(), 1, "carol knows bob only");
    for node in [alice, bob, carol] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stopped_under_load_keeps_all_it_acknowledged_and_opens_ready() {
    let ([alice, bob], community) = nodes("Load", true).await;
    let mut author = community.delegate.device.clone();
    bob.connect(&alice).await;
    let entries = topics(&mut author, &community, 2_000, "Load.");
    let (id, client) = (community.id, bob.client.clone());
    let parts: Vec<Vec<Entry>> = entries.chunks(20).map(<[Entry]>::to_vec).collect();
    let submitting = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        for part in parts {
            let request = comity_client::types::Submit {
                community: id.to_string(),
                entries: comity_tests::nodes::encoded(&part),
            };
            match client.submit(&request).await {
                Ok(answer) => {
                    assert!(answer.results.iter().all(|it| it.state == "saved"));
                    acknowledged.extend(part.iter().map(Entry::id));
                }
                Err(_) => break,
            }
        }
        acknowledged
    });
    bob.wait_for_entries(community.space("members"), 200).await;
    let bob = bob.stop().await;
    let acknowledged = submitting.await.unwrap();
    assert!(
        (200..2_000).contains(&acknowledged.len()),
        "{}",
        acknowledged.len()
    );
    let bob = bob.start().await;
    for entry in &acknowledged {
        bob.client.entry(&entry.to_string()).await.unwrap();
    }
    let status = bob.client.status().await.unwrap();
    assert_eq!(status.warnings, Vec::<String>::new());
    let report = bob.client.verify().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    wait_for_equal_roots(&[&alice, &bob]).await;
    alice.stop().await;
    bob.stop().await;
}
