//! Restricted spaces at the local API: absent and forbidden are one answer.

use super::{Running, encode, refused};
use comity_client::{Client, Transport, types::Submit};
use comity_node::{
    node::{Node, NodeOptions},
    tasks::{Tasks, Unit, What},
};
use comity_protocol::{contribution::ChainLink, entry::Entry, id::EntryId};
use comity_tests::community::{Community, Person, document, put, topic};
use std::{fs, path::Path};

#[tokio::test]
async fn what_may_not_be_read_is_answered_as_what_does_not_exist() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let space = garden.space("members");
    let post = ada.device.create(space, &topic("Inside", "Ours."));
    let node = Running::with(&garden).await;
    node.save(garden.id, &[&post]).await;
    let id = document(&post).to_string();
    assert!(node.client.document(&id, &[]).await.is_ok());

    let stranger = Client::new(Transport::InProcess(node.node.in_process()));
    let absent = "00".repeat(32);
    let hidden = refused(stranger.document(&id, &[]).await, "not_found");
    let unknown = refused(stranger.document(&absent, &[]).await, "not_found");
    assert_eq!(
        hidden.message.replace(&id, ""),
        unknown.message.replace(&absent, "")
    );
    assert_eq!(
        (hidden.hints, hidden.details),
        (unknown.hints, unknown.details)
    );
    refused(stranger.entry(&id).await, "not_found");
    refused(stranger.history(&id).await, "not_found");
    let (place, author) = (space.to_string(), ada.device.public().to_string());
    refused(stranger.signing_context(&place, &author).await, "not_found");
    let community = stranger.community(&garden.id.to_string()).await.unwrap();
    assert!(community.spaces.iter().all(|it| it.name != "members"));
    assert!(stranger.resolve(&id[..8]).await.unwrap().is_empty());
    // A token of somebody who is no member opens nothing.
    let nobody = comity_tests::community::Person::new("nobody");
    stranger.read_as(Some(nobody.reader_token(node.node.key())));
    refused(stranger.document(&id, &[]).await, "not_found");
    stranger.read_as(Some(ada.reader_token(node.node.key())));
    assert!(stranger.document(&id, &[]).await.is_ok());
}

fn stranger_at(node: &Node) -> Client {
    Client::new(Transport::InProcess(node.in_process()))
}

/// Overwrites the only place of the record that holds these bytes.
fn damage(home: &Path, what: &[u8]) {
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            let found = bytes.windows(what.len()).position(|it| it == what);
            if let Some(place) = found {
                bytes[place] ^= 1;
                fs::write(&path, bytes).unwrap();
                return;
            }
        }
    }
    panic!("nothing of the home holds it");
}

#[tokio::test]
async fn long_work_on_a_restricted_space_is_told_to_its_readers_only() {
    let mut garden = Community::found("Garden", &[]);
    let ada = garden.member("ada");
    let home = tempfile::tempdir().unwrap();
    let tasks = Tasks::default();
    let options = NodeOptions::offline(home.path());
    let node = Node::open_telling(options, tasks.clone()).await.unwrap();
    let client = stranger_at(&node);
    let running = Running { node, client, home };
    running.track(&garden).await;
    let node = &running.node;
    let begin = |name: &str| {
        let label = format!("bringing {name}");
        let space = garden.space(name).to_string();
        tasks.begin_in(space, What::Sync, Unit::Entries, &label, Some(9))
    };
    let _work = [begin("members"), begin("public")];
    let labels = async |client: &Client| {
        let status = client.status().await.unwrap();
        let labels = status.tasks.into_iter().map(|it| it.label);
        labels.collect::<Vec<_>>()
    };
    let stranger = stranger_at(node);
    assert_eq!(labels(&stranger).await, ["bringing public"]);
    let mut events = stranger.events(None).await.unwrap();
    let mut told = Vec::new();
    loop {
        let event = events.next().await.unwrap().unwrap();
        told.extend(event.task);
        if told.iter().any(|it| it.label == "bringing public") {
            break;
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    stranger.read_as(Some(ada.reader_token(node.key())));
    assert_eq!(
        labels(&stranger).await,
        ["bringing members", "bringing public"]
    );
}

#[tokio::test]
async fn warnings_name_and_count_no_chain_of_a_restricted_space() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let space = garden.space("members");
    let one = ada.device.create(space, &topic("One", "Ours."));
    ada.device.set_next_link(space, ChainLink::FIRST);
    let other = ada.device.create(space, &topic("Other", "Ours too."));
    let node = Running::with(&garden).await;
    node.save(garden.id, &[&one, &other]).await;
    let (place, author) = (space.to_string(), ada.device.public().to_string());
    let context = node.client.signing_context(&place, &author).await;
    assert!(context.is_ok(), "{context:?}");
    let told = node.client.status().await.unwrap().warnings.join(" ");
    assert!(told.contains("1 chains are forked"), "{told}");
    let told = stranger_at(&node.node)
        .status()
        .await
        .unwrap()
        .warnings
        .join(" ");
    for secret in [place.as_str(), &author, "1 chains"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
}

#[tokio::test]
async fn a_check_names_damaged_entries_to_those_who_read_them() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let space = garden.space("members");
    let post = ada
        .device
        .create(space, &topic("Inside", "Words in our circle."));
    let node = Running::with(&garden).await;
    node.save(garden.id, &[&post]).await;
    assert_eq!(node.client.verify().await.unwrap().problems, [""; 0]);
    damage(node.home.path(), b"Words in our circle.");
    let id = post.id().to_string();
    let told = node.client.verify().await.unwrap().problems.join(" ");
    assert!(told.contains(&id), "{told}");
    let told = stranger_at(&node.node).verify().await.unwrap().problems;
    let told = told.join(" ");
    assert!(!told.contains(&id), "{told}");
    assert!(told.contains("spaces that you do not read"), "{told}");
}

#[tokio::test]
async fn what_is_handed_in_tells_nothing_of_a_space_that_is_not_read() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let mut eve = Person::new("eve");
    let space = garden.space("members");
    let post = ada.device.create(space, &topic("Inside", "Ours."));
    let node = Running::with(&garden).await;
    node.save(garden.id, &[&post]).await;
    let here = document(&post);
    let nowhere = comity_protocol::id::SpaceId::from_bytes([7; 32]);
    let absent = EntryId::from_bytes([8; 32]);
    let tries: [Entry; 4] = [
        eve.device.create(space, &topic("Mine", "Let me in.")),
        eve.device
            .edit(space, here, &[post.id()], vec![put("title", "Eve")]),
        eve.device
            .edit(space, here, &[absent], vec![put("title", "Eve")]),
        eve.device.create(nowhere, &topic("Mine", "Let me in.")),
    ];
    let request = Submit {
        community: garden.id.to_string(),
        entries: tries.iter().map(encode).collect(),
    };
    let submitted = stranger_at(&node.node).submit(&request).await.unwrap();
    let answers: Vec<_> = submitted
        .results
        .into_iter()
        .map(|it| (it.state, it.reason))
        .collect();
    assert!(answers.iter().all(|it| *it == answers[3]), "{answers:?}");
}
