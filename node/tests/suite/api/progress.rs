//! Long work is told while it goes on, in `/v0/events` and in the status.

use super::Running;
use comity_client::{
    EventStream,
    types::{BackupRequest, ReindexRequest, Task},
};
use comity_node::{
    node::{Node, NodeOptions},
    tasks::{Listener, Tasks},
};
use comity_protocol::entry::Entry;
use comity_tests::community::{Community, topic};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::timeout;

const POSTS: usize = 2_500;
/// How long a step may take to be told before it counts as forgotten.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with some thousand entries.
async fn filled() -> (Running, u64) {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let posts: Vec<Entry> = (0..POSTS)
        .map(|number| ada.device.create(space, &topic(&format!("{number}"), "…")))
        .collect();
    for posts in posts.chunks(500) {
        node.save(garden.id, &posts.iter().collect::<Vec<_>>())
            .await;
    }
    let entries = node.client.status().await.unwrap().entries;
    assert!(entries > POSTS as u64);
    (node, entries)
}

/// Told of so many pieces of work, from the first step to the last of each.
async fn until_over(events: &mut EventStream, works: usize) -> Vec<Task> {
    let mut told = Vec::new();
    let mut over = 0;
    while over < works {
        let event = timeout(PATIENCE, events.next()).await;
        let event = event.expect("the work is told of").unwrap();
        let event = event.expect("the stream goes on");
        assert_eq!(event.event == "progress", event.task.is_some(), "{event:?}");
        over += usize::from(event.task.as_ref().is_some_and(|it| it.finished));
        told.extend(event.task);
    }
    told
}

/// Each work begins at 0, never goes back nor past its total, ends once and with everything done.
fn assert_whole(told: &[Task]) -> Vec<Vec<&Task>> {
    let mut works: BTreeMap<u64, Vec<&Task>> = BTreeMap::new();
    for task in told {
        works.entry(task.id).or_default().push(task);
    }
    for steps in works.values() {
        assert_eq!(steps[0].done, 0, "{steps:?}");
        assert!(!steps[0].finished, "{steps:?}");
        assert!(steps.windows(2).all(|pair| pair[0].done <= pair[1].done));
        assert!(
            steps
                .iter()
                .all(|it| it.total.is_none_or(|all| it.done <= all))
        );
        let last = steps.last().unwrap();
        assert_eq!(Some(last.done), last.total, "{last:?}");
        assert!(last.done > 0, "{last:?}");
        let over = steps.iter().filter(|it| it.finished).count();
        assert!(over == 1 && last.finished, "{steps:?}");
    }
    works.into_values().collect()
}

fn names<'a>(works: &[Vec<&'a Task>]) -> Vec<(&'a str, &'a str)> {
    let name = |steps: &Vec<&'a Task>| (steps[0].what.as_str(), steps[0].unit.as_str());
    works.iter().map(name).collect()
}

#[tokio::test]
async fn verify_reindex_and_backup_tell_how_far_they_are() {
    let (node, entries) = filled().await;
    let bytes = node.client.status().await.unwrap().record_bytes;
    let mut events = node.client.events(None).await.unwrap();

    node.client.verify().await.unwrap();
    let told = until_over(&mut events, 3).await;
    let works = assert_whole(&told);
    let verify = "verify";
    let expected = [(verify, "bytes"), (verify, "entries"), (verify, "entries")];
    assert_eq!(names(&works), expected);
    assert_eq!(works[0].last().unwrap().total, Some(bytes));
    assert_eq!(works[1].last().unwrap().total, Some(entries));
    assert_eq!(works[2].last().unwrap().total, Some(entries));

    node.client
        .reindex(&ReindexRequest::default())
        .await
        .unwrap();
    let told = until_over(&mut events, 1).await;
    let works = assert_whole(&told);
    assert_eq!(names(&works), [("index", "bytes")]);
    assert_eq!(works[0].last().unwrap().total, Some(bytes));

    let to = node.home.path().join("copy");
    let request = BackupRequest {
        to: to.to_string_lossy().into_owned(),
    };
    node.client.backup(&request).await.unwrap();
    let told = until_over(&mut events, 1).await;
    assert_eq!(names(&assert_whole(&told)), [("backup", "bytes")]);

    let status = node.client.status().await.unwrap();
    assert_eq!(status.tasks, [], "all is over");
}

fn all_news(mut listener: Listener) -> Vec<Task> {
    listener.news()
}

#[tokio::test]
async fn opening_tells_how_far_it_is_with_and_without_an_index() {
    let (node, entries) = filled().await;
    let bytes = node.client.status().await.unwrap().record_bytes;
    let home = node.home;
    node.node.stop().await;
    drop((node.client, node.node));
    for index_is_there in [true, false] {
        if !index_is_there {
            std::fs::remove_dir_all(home.path().join("index")).unwrap();
        }
        let tasks = Tasks::default();
        let listener = tasks.listen();
        let options = NodeOptions::offline(home.path());
        let node = Node::open_telling(options, tasks.clone()).await.unwrap();
        let told = all_news(listener);
        let works = assert_whole(&told);
        let (open, index) = (("open", "entries"), ("index", "bytes"));
        if index_is_there {
            assert_eq!(names(&works), [open]);
        } else {
            assert_eq!(names(&works), [index, open]);
            assert_eq!(works[0].last().unwrap().total, Some(bytes));
        }
        assert_eq!(works.last().unwrap().last().unwrap().total, Some(entries));
        node.stop().await;
    }
}

#[tokio::test]
async fn who_comes_while_work_goes_on_is_told_of_it() {
    let home = tempfile::tempdir().unwrap();
    let tasks = Tasks::default();
    let options = NodeOptions::offline(home.path());
    let node = Node::open_telling(options, tasks.clone()).await.unwrap();
    let client = comity_client::Client::new(comity_client::Transport::InProcess(node.in_process()));
    use comity_node::tasks::{Unit, What};
    let work = tasks.begin(What::Sync, Unit::Entries, "bringing public", None);
    work.at(7, Some(9));
    let status = client.status().await.unwrap();
    let now: Vec<_> = status.tasks.iter().map(|it| (it.done, it.total)).collect();
    assert_eq!(now, [(7, Some(9))]);
    let mut events = client.events(None).await.unwrap();
    drop(work);
    let told = until_over(&mut events, 1).await;
    let steps: Vec<_> = told.iter().map(|it| (it.done, it.finished)).collect();
    assert_eq!(steps, [(7, false), (7, true)]);
    assert!(client.status().await.unwrap().tasks.is_empty());
}
