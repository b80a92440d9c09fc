//! Bringing many entries is told while it goes on.

use super::two_nodes;
use comity_client::types::Task;
use comity_protocol::entry::Entry;
use comity_tests::community::topic;
use std::time::Duration;
use tokio::time::timeout;

const POSTS: u64 = 1_500;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bringing_a_space_tells_how_far_it_is_and_when_it_is_over() {
    let (alice, bob, community) = two_nodes(false).await;
    let space = community.space("public");
    let mut author = community.delegate.clone();
    let mut post = |number: u64| {
        author
            .device
            .create(space, &topic(&number.to_string(), "…"))
    };
    let posts: Vec<Entry> = (0..POSTS).map(&mut post).collect();
    for posts in posts.chunks(500) {
        alice.submit(community.id, posts).await;
    }
    let mut events = bob.client.events(None).await.unwrap();
    bob.connect(&alice).await;
    bob.sync().await;

    let mut told: Vec<Task> = Vec::new();
    while told.last().is_none_or(|task| !task.finished) {
        let event = timeout(PATIENCE, events.next()).await;
        let event = event.expect("it is told").unwrap();
        told.extend(event.expect("the stream goes on").task);
    }
    assert!(told.len() >= 2, "{told:?}");
    for task in &told {
        assert_eq!((task.id, task.what.as_str()), (told[0].id, "sync"));
        assert_eq!(task.space, Some(space.to_string()));
        assert_eq!(task.label, "bringing public");
        assert_eq!(task.unit, "entries");
        assert!(
            task.total
                .is_some_and(|total| task.done <= total && total >= POSTS)
        );
    }
    assert_eq!(told[0].done, 0);
    assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done));
    assert!(told.last().unwrap().done >= POSTS, "{told:?}");
    // What one person writes now and then is not told.
    let one = post(POSTS);
    let id = one.id().to_string();
    alice.submit(community.id, &[one]).await;
    loop {
        let event = timeout(PATIENCE, events.next()).await;
        let event = event.expect("it arrives").unwrap();
        let event = event.expect("the stream goes on");
        assert_eq!(event.task, None);
        if event.id.as_ref() == Some(&id) {
            break;
        }
    }
    assert!(bob.client.status().await.unwrap().tasks.is_empty());
}
