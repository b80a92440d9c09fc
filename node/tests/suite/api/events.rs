use super::{Running, refused};
use comity_client::{EventStream, types::Event};
use comity_protocol::entry::Entry;
use comity_tests::community::{Community, document, put, topic};

async fn next(events: &mut EventStream) -> Event {
    events.next().await.unwrap().expect("the stream goes on")
}

/// The entries up to `caught_up`.
async fn until_caught_up(events: &mut EventStream) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let event = next(events).await;
        if event.event == "caught_up" {
            return all;
        }
        all.push(event);
    }
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|it| it.id.as_deref()).collect()
}

#[tokio::test]
async fn all_entries_are_told_from_the_beginning_and_after_any_cursor() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let posts: Vec<Entry> = (0..150)
        .map(|number| {
            ada.device
                .create(space, &topic(&format!("Post {number}"), "…"))
        })
        .collect();
    node.save(garden.id, &posts.iter().collect::<Vec<_>>())
        .await;

    let mut events = node.client.events(Some(0)).await.unwrap();
    let all = until_caught_up(&mut events).await;
    // Records take effect in the order of authority, posts in the order they were sent.
    let records = garden.records();
    let count = records.len();
    let mut ids_of_records: Vec<String> = records
        .iter()
        .map(|it| Entry::decode(it).unwrap().id().to_string())
        .collect();
    ids_of_records.sort();
    let mut told: Vec<&str> = ids(&all)[..count].to_vec();
    told.sort();
    assert_eq!(told, ids_of_records);
    let posted: Vec<String> = posts.iter().map(|it| it.id().to_string()).collect();
    assert_eq!(ids(&all)[count..], posted);
    let expected: Vec<String> = all.iter().filter_map(|it| it.id.clone()).collect();
    assert!(all.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
    let mut whats: Vec<&str> = all.iter().filter_map(|it| it.what.as_deref()).collect();
    whats.sort();
    whats.dedup();
    assert_eq!(
        whats,
        ["admission", "create", "device_link", "genesis", "party"]
    );
    let last = all.last().unwrap();
    assert_eq!(
        (last.what.as_deref(), last.kind.as_deref()),
        (Some("create"), Some("topic"))
    );
    assert_eq!(last.title.as_deref(), Some("Post 149"));
    assert_eq!(last.document.as_deref(), last.id.as_deref());
    let author = last.author.as_ref().unwrap();
    assert_eq!(author.party.as_deref(), Some("Garden Ltd"));

    for at in [0, 5, 63, 64, 100, all.len() - 1] {
        let mut resumed = node.client.events(Some(all[at].cursor)).await.unwrap();
        let rest = until_caught_up(&mut resumed).await;
        assert_eq!(ids(&rest), expected[at + 1..], "after event {at}");
    }
    // A cursor between two entries is as good as that of the first.
    let mut between = node.client.events(Some(all[5].cursor + 1)).await.unwrap();
    assert_eq!(ids(&until_caught_up(&mut between).await), expected[6..]);
    let ahead = node
        .client
        .events(Some(all.last().unwrap().cursor + 1))
        .await;
    refused(ahead.map(|_| ()), "invalid");
    let status = node.client.status().await.unwrap();
    assert_eq!(status.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn news_is_told_as_it_happens_and_the_stream_ends_with_the_node() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let mut live = node.client.events(None).await.unwrap();
    let start = next(&mut live).await;
    assert_eq!(start.event, "caught_up");

    let post = ada.device.create(space, &topic("Hello", "…"));
    let edit = ada.device.edit(
        space,
        document(&post),
        &[post.id()],
        vec![put("title", "Bye")],
    );
    let erase = ada.device.erase(space, post.id());
    node.save(garden.id, &[&post, &edit, &erase]).await;
    for (entry, what) in [(&post, "create"), (&edit, "edit"), (&erase, "erasure")] {
        let event = next(&mut live).await;
        assert_eq!(event.id, Some(entry.id().to_string()));
        assert_eq!(event.what.as_deref(), Some(what));
        assert_eq!(event.document, Some(post.id().to_string()));
        assert_eq!(event.space, Some(space.to_string()));
    }
    // The cursor of the start tells the same again.
    let mut again = node.client.events(Some(start.cursor)).await.unwrap();
    assert_eq!(until_caught_up(&mut again).await.len(), 3);

    node.client.stop().await.unwrap();
    assert_eq!(live.next().await.unwrap(), None);
    assert_eq!(again.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_listener_that_does_not_read_holds_nobody_up_and_misses_nothing() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let mut slow = node.client.events(None).await.unwrap();
    let mut posts = Vec::new();
    // Far more than is kept for listeners anywhere.
    for round in 0..6 {
        let more: Vec<Entry> = (0..400)
            .map(|number| {
                ada.device
                    .create(space, &topic(&format!("{round}/{number}"), "…"))
            })
            .collect();
        node.save(garden.id, &more.iter().collect::<Vec<_>>()).await;
        posts.extend(more.iter().map(|it| it.id().to_string()));
    }
    let mut told = Vec::new();
    while told.len() < posts.len() {
        told.extend(next(&mut slow).await.id);
    }
    assert_eq!(told, posts);
}
