use super::{Running, refused};
use comity_protocol::contribution::ChainLink;
use comity_tests::community::{Community, Person, topic};

#[tokio::test]
async fn the_next_entry_follows_the_newest() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public").to_string();
    let author = ada.device.public().to_string();
    let context = || async { node.client.signing_context(&space, &author).await.unwrap() };

    let fresh = context().await;
    assert_eq!((fresh.next_seq, fresh.prev), (1, None));
    assert_eq!(fresh.may_write, Ok(()));
    assert_eq!(fresh.community, garden.id.to_string());
    assert_eq!(fresh.governance_space, garden.governance().to_string());

    let public = garden.space("public");
    let one = ada.device.create(public, &topic("One", "…"));
    let two = ada.device.create(public, &topic("Two", "…"));
    // Other spaces have chains of their own.
    let elsewhere = ada
        .device
        .create(garden.space("members"), &topic("Three", "…"));
    node.save(garden.id, &[&one, &two, &elsewhere]).await;
    let then = context().await;
    assert_eq!((then.next_seq, then.prev), (3, Some(two.id().to_string())));
    assert_eq!(then.governance, fresh.governance);
}

#[tokio::test]
async fn who_may_not_write_is_told_why() {
    let mut garden = Community::found("Garden", &[]);
    let ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let may_write = |space: String, key: comity_protocol::key::PublicKey| {
        let client = node.client.clone();
        async move {
            let context = client.signing_context(&space, &key.to_string()).await;
            context.unwrap().may_write
        }
    };
    let stranger = Person::new("eve").device.public();
    let public = garden.space("public").to_string();
    let reason = may_write(public, stranger).await.unwrap_err();
    assert!(reason.contains("no member"), "{reason}");
    let news = garden.space("news").to_string();
    let reason = may_write(news.clone(), ada.device.public())
        .await
        .unwrap_err();
    assert!(reason.contains("roles"), "{reason}");
    assert_eq!(
        may_write(news, garden.delegate.device.public()).await,
        Ok(())
    );
    let governance = garden.governance().to_string();
    assert_eq!(
        may_write(governance.clone(), ada.root.public()).await,
        Ok(())
    );
    assert!(may_write(governance, stranger).await.is_err());

    let nowhere = "0".repeat(64);
    let key = stranger.to_string();
    let unknown = node.client.signing_context(&nowhere, &key).await;
    refused(unknown, "not_found");
    let space = garden.space("public").to_string();
    refused(node.client.signing_context(&space, "eve").await, "invalid");
}

#[tokio::test]
async fn gaps_and_forks_are_shown_and_signing_goes_on() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let one = ada.device.create(space, &topic("One", "…"));
    let fork = ada.device.next_link(space);
    let two = ada.device.create(space, &topic("Two", "…"));
    let withheld = ada.device.create(space, &topic("Three", "…"));
    let four = ada.device.create(space, &topic("Four", "…"));
    // A device restored from an old backup signs number 2 again.
    ada.device.set_next_link(space, fork);
    let again = ada.device.create(space, &topic("Two again", "…"));
    let last = ada.device.next_link(space);
    assert_eq!(last, ChainLink::after(2, again.id()));
    node.save(garden.id, &[&one, &two, &four]).await;

    let status = node.client.sync_status(None).await.unwrap();
    assert_eq!(status.irregular.len(), 1);
    assert_eq!(status.irregular[0].gap_at, Some(3));
    assert_eq!(status.irregular[0].fork_at, None);
    assert_eq!(status.irregular[0].author, ada.device.public().to_string());

    node.save(garden.id, &[&again, &withheld]).await;
    let status = node.client.sync_status(None).await.unwrap();
    let mut both = [two.id(), again.id()];
    both.sort();
    let (one, other) = (both[0].to_string(), both[1].to_string());
    assert_eq!(status.irregular[0].gap_at, None);
    assert_eq!(status.irregular[0].fork_at, Some((2, one, other)));
    let warnings = node.client.status().await.unwrap().warnings;
    assert!(
        warnings.iter().any(|it| it.contains("forked")),
        "{warnings:?}"
    );

    let author = ada.device.public().to_string();
    let space = space.to_string();
    let context = node.client.signing_context(&space, &author).await.unwrap();
    assert_eq!(
        (context.next_seq, context.prev),
        (5, Some(four.id().to_string()))
    );
}

#[tokio::test]
async fn of_two_newest_entries_the_lowest_id_is_followed() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let one = ada.device.create(space, &topic("One", "…"));
    ada.device.set_next_link(space, ChainLink::FIRST);
    let other = ada.device.create(space, &topic("Other", "…"));
    node.save(garden.id, &[&one, &other]).await;
    let author = ada.device.public().to_string();
    let space = space.to_string();
    let context = node.client.signing_context(&space, &author).await.unwrap();
    let lowest = one.id().min(other.id()).to_string();
    assert_eq!((context.next_seq, context.prev), (2, Some(lowest)));
    let warnings = node.client.status().await.unwrap().warnings;
    assert!(
        warnings.iter().any(|it| it.contains(&author)),
        "{warnings:?}"
    );
}
