use super::{Running, refused};
use comity_client::{
    Client, ClientError, Transport,
    types::{BackupRequest, Connect, ExportLine, ReindexRequest, SyncRequest},
};
use comity_node::node::{Node, NodeError, NodeOptions};
use comity_protocol::entry::Entry;
use comity_tests::community::{Community, document, page, put, reply, topic};
use std::os::unix::fs::PermissionsExt;

async fn export(client: &Client, space: Option<&str>) -> Vec<ExportLine> {
    let mut stream = client.export(space).await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = stream.next().await.unwrap() {
        lines.push(line);
    }
    lines
}

/// A community with some content, in causal order.
fn content() -> (Community, Vec<Entry>) {
    let mut garden = Community::found("Garden", &[]);
    let (mut ada, mut ben) = (garden.member("ada"), garden.member("ben"));
    let (public, members) = (garden.space("public"), garden.space("members"));
    let wiki = ada.device.create(public, &page("Rules", "Be kind."));
    let mut entries = vec![wiki.clone()];
    for person in [&mut ada, &mut ben] {
        let title = person.device.public().short();
        entries.push(person.device.edit(
            public,
            document(&wiki),
            &[wiki.id()],
            vec![put("title", &title)],
        ));
        let post = person.device.create(members, &topic(&title, "Hello."));
        entries.push(post.clone());
        entries.push(
            person
                .device
                .create(members, &reply(document(&post), "Hm.")),
        );
        entries.push(person.device.erase(members, post.id()));
    }
    (garden, entries)
}

#[tokio::test]
async fn exports_are_equal_whatever_the_order_of_arrival() {
    let (garden, entries) = content();
    let one = Running::with(&garden).await;
    one.save(garden.id, &entries.iter().collect::<Vec<_>>())
        .await;
    let other = Running::with(&garden).await;
    // The other node hears of everything backwards, one by one.
    for entry in entries.iter().rev() {
        other.submit(garden.id, &[entry]).await;
    }
    let lines = export(&one.client, None).await;
    assert_eq!(lines.len(), 5);
    assert!(lines.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(export(&other.client, None).await, lines);
    let space = garden.space("members").to_string();
    let some = export(&one.client, Some(&space)).await;
    assert_eq!(some.len(), 4);
    assert!(some.iter().all(|it| it.space == "members"));
    let roots = |status: comity_client::types::SyncStatus| {
        let spaces = status.spaces.into_iter();
        let facts = spaces.map(|it| (it.id, it.root, it.entries, it.documents));
        facts.collect::<Vec<_>>()
    };
    let of_one = roots(one.client.sync_status(None).await.unwrap());
    assert_eq!(of_one.len(), 4, "three spaces and the governance");
    assert_eq!(of_one, roots(other.client.sync_status(None).await.unwrap()));
    refused(
        one.client.export(Some(&"0".repeat(64))).await.map(|_| ()),
        "not_found",
    );
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let (garden, entries) = content();
    let node = Running::with(&garden).await;
    node.save(garden.id, &entries.iter().collect::<Vec<_>>())
        .await;
    let key = node.node.key();
    let lines = export(&node.client, None).await;
    let communities = node.client.communities().await.unwrap();
    let listed = node.client.documents(&Default::default()).await.unwrap();

    let node = node.restarted().await;
    assert_eq!(node.node.key(), key);
    assert_eq!(export(&node.client, None).await, lines);
    assert_eq!(node.client.communities().await.unwrap(), communities);
    assert_eq!(
        node.client.documents(&Default::default()).await.unwrap(),
        listed
    );
    // So does building the index anew.
    let report = node
        .client
        .reindex(&ReindexRequest::default())
        .await
        .unwrap();
    assert_eq!(
        report.entries,
        (garden.records().len() + entries.len()) as u64
    );
    assert_eq!(
        node.client.documents(&Default::default()).await.unwrap(),
        listed
    );
    assert_eq!(node.client.communities().await.unwrap(), communities);
}

#[tokio::test]
async fn the_index_engine_is_a_setting_of_the_home() {
    let (garden, entries) = content();
    let node = Running::with(&garden).await;
    node.save(garden.id, &entries.iter().collect::<Vec<_>>())
        .await;
    let engine = |name: &str| ReindexRequest {
        engine: Some(name.to_owned()),
    };
    let status = node.client.status().await.unwrap();
    assert_eq!(status.index_engine, "sled");
    let refused = node.client.reindex(&engine("rocks")).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("choose one of sled, fjall"), "{text}");
    node.client.reindex(&engine("fjall")).await.unwrap();
    let node = node.restarted().await;
    let status = node.client.status().await.unwrap();
    assert_eq!(status.index_engine, "fjall");
    assert_eq!(status.warnings, Vec::<String>::new());
    let report = node.client.verify().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test]
async fn verify_is_clean_and_finds_a_flipped_bit() {
    let (garden, entries) = content();
    let node = Running::with(&garden).await;
    node.save(garden.id, &entries.iter().collect::<Vec<_>>())
        .await;
    let report = node.client.verify().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(
        report.entries,
        (garden.records().len() + entries.len()) as u64
    );
    assert!(report.bytes > 0);

    let record = node.home.path().join("record");
    let segment = std::fs::read_dir(&record)
        .unwrap()
        .map(|it| it.unwrap().path())
        .find(|path| path.is_file() && path.metadata().unwrap().len() > 4_000)
        .unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let marker = entries[3].id();
    let reply_words = bytes.windows(3).rposition(|it| it == b"Hm.").unwrap();
    bytes[reply_words] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let report = node.client.verify().await.unwrap();
    assert!(!report.problems.is_empty(), "{marker}");
    let status = node.client.status().await.unwrap();
    assert!(
        status.warnings.iter().any(|it| it.contains("damaged")),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_backup_opens_as_the_same_node() {
    let (garden, entries) = content();
    let node = Running::with(&garden).await;
    node.save(garden.id, &entries.iter().collect::<Vec<_>>())
        .await;
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("copy");
    let request = BackupRequest {
        to: to.display().to_string(),
    };
    let report = node.client.backup(&request).await.unwrap();
    assert_eq!(
        report.entries,
        (garden.records().len() + entries.len()) as u64
    );
    refused(node.client.backup(&request).await, "invalid");
    let relative = BackupRequest { to: "copy".into() };
    refused(node.client.backup(&relative).await, "invalid");
    let mode = std::fs::metadata(to.join("node.key"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    let copy = Node::open(NodeOptions::offline(&to)).await.unwrap();
    assert_eq!(copy.key(), node.node.key());
    let client = Client::new(Transport::InProcess(copy.in_process()));
    for reader in node.client.readers() {
        client.also_read_as(reader);
    }
    assert_eq!(
        export(&client, None).await,
        export(&node.client, None).await
    );
    copy.stop().await;
}

#[tokio::test]
async fn the_socket_serves_the_same_and_stops_on_request() {
    let (garden, entries) = content();
    let home = tempfile::tempdir().unwrap();
    let node = Node::open(NodeOptions::offline(home.path())).await.unwrap();
    let socket = home.path().join("node.sock");
    let serving = tokio::spawn({
        let node = node.clone();
        async move { node.serve().await }
    });
    let client = Client::new(Transport::Socket(socket.clone()));
    let status = loop {
        match client.status().await {
            Err(ClientError::NoNode { .. }) => tokio::task::yield_now().await,
            answered => break answered.unwrap(),
        }
    };
    assert_eq!(status.pid, Some(std::process::id()));
    assert_eq!(
        (status.store.as_str(), status.store_reason),
        ("ready", None)
    );
    assert!(status.peer_id.starts_with("12D3Koo"), "{}", status.peer_id);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let running = Running {
        node: node.clone(),
        client: client.clone(),
        home,
    };
    running.track(&garden).await;
    running
        .save(garden.id, &entries.iter().collect::<Vec<_>>())
        .await;
    assert_eq!(export(&client, None).await.len(), 5);
    let same = Client::new(Transport::InProcess(node.in_process()));
    assert_eq!(same.status().await.unwrap().pid, None);
    assert!(matches!(
        node.serve().await,
        Err(NodeError::AlreadyRunning { .. })
    ));
    let mut events = client.events(None).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().event, "caught_up");

    client.stop().await.unwrap();
    assert_eq!(events.next().await.unwrap(), None);
    serving.await.unwrap().unwrap();
    assert!(!socket.exists());
    assert!(matches!(
        client.status().await,
        Err(ClientError::NoNode { .. })
    ));
}

#[tokio::test]
async fn without_network_peers_cannot_be_reached() {
    let node = Running::new().await;
    let connect = Connect {
        address: "/ip4/127.0.0.1/tcp/1".into(),
    };
    let error = refused(node.client.connect(&connect).await, "unavailable");
    assert!(!error.hints.is_empty());
    let sync = node.client.sync(&SyncRequest { wait_ms: 1 }).await;
    refused(sync, "unavailable");
}

#[tokio::test]
async fn the_words_of_an_author_are_held_here() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let post = ada.device.create(space, &topic("Hello", "…"));
    node.save(garden.id, &[&post]).await;
    let root = ada.root.public().to_string();
    let status = node.client.sync_status(Some(&root)).await.unwrap();
    let public = status
        .mine
        .iter()
        .find(|it| it.space_name == "public")
        .unwrap();
    assert_eq!(
        (public.seq, public.author.as_str()),
        (1, ada.device.public().to_string().as_str())
    );
    assert_eq!(public.held_by.len(), 1);
    assert!(public.held_by[0].here);
    assert_eq!(public.held_by[0].node, node.node.key().to_string());
}
