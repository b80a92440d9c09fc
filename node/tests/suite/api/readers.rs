//! Restricted spaces at the local API: absent and forbidden are one answer.

use super::{Running, refused};
use comity_client::{Client, Transport};
use comity_tests::community::{Community, document, topic};

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
