use super::{Running, refused};
use comity_protocol::entry::Entry;
use comity_protocol::id::SpaceId;
use comity_tests::community::{Community, Person, document, page, put, reply, splice, topic};

struct Edited {
    garden: Community,
    space: SpaceId,
    ada: Person,
    node: Running,
    page: Entry,
    by_ada: Entry,
    by_ben: Entry,
}

/// A page that two people edited at the same time.
async fn edited() -> Edited {
    let mut garden = Community::found("Garden", &[]);
    let (mut ada, mut ben) = (garden.member("ada"), garden.member("ben"));
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let page = ada.device.create(space, &page("Rules", "Be kind."));
    let id = document(&page);
    let by_ada = ada.device.edit(
        space,
        id,
        &[page.id()],
        vec![put("title", "Our rules"), splice(8, 0, " Always.")],
    );
    let by_ben = ben.device.edit(
        space,
        id,
        &[page.id()],
        vec![put("title", "House rules"), splice(0, 0, "Please: ")],
    );
    node.save(garden.id, &[&page, &by_ada, &by_ben]).await;
    Edited {
        garden,
        space,
        ada,
        node,
        page,
        by_ada,
        by_ben,
    }
}

#[tokio::test]
async fn concurrent_values_are_all_shown_and_texts_merge() {
    let it = edited().await;
    let id = it.page.id().to_string();
    let view = it.node.client.document(&id, &[]).await.unwrap();
    assert_eq!(view.text("body"), Some("Please: Be kind. Always."));
    let title = view.fields.iter().find(|it| it.name == "title").unwrap();
    let mut values: Vec<&str> = title
        .concurrent
        .iter()
        .map(|it| it.value.as_str().unwrap())
        .collect();
    values.sort();
    assert_eq!(values, ["House rules", "Our rules"]);
    for value in &title.concurrent {
        assert!(value.author.root.is_some(), "{value:?}");
    }
    let mut heads = [it.by_ada.id().to_string(), it.by_ben.id().to_string()];
    heads.sort();
    assert_eq!(view.at, heads);
}

#[tokio::test]
async fn a_view_at_earlier_heads_shows_what_stood_there() {
    let it = edited().await;
    let id = it.page.id().to_string();
    let at = |entry: &Entry| vec![entry.id().to_string()];
    let first = it.node.client.document(&id, &at(&it.page)).await.unwrap();
    assert_eq!(first.text("body"), Some("Be kind."));
    let second = it.node.client.document(&id, &at(&it.by_ada)).await.unwrap();
    assert_eq!(second.text("body"), Some("Be kind. Always."));
    assert_eq!(second.text("title"), Some("Our rules"));
    let nowhere = it.node.client.document(&id, &["0".repeat(64)]).await;
    refused(nowhere, "not_found");
    let nonsense = it.node.client.document(&id, &["head".into()]).await;
    refused(nonsense, "invalid");
}

#[tokio::test]
async fn history_and_blame_name_the_authors() {
    let it = edited().await;
    let id = it.page.id().to_string();
    let history = it.node.client.history(&id).await.unwrap();
    let what: Vec<(&str, &str)> = history
        .iter()
        .map(|it| (it.what.as_str(), it.verdict.as_str()))
        .collect();
    assert_eq!(
        what,
        [
            ("create", "effective"),
            ("edit", "effective"),
            ("edit", "effective")
        ]
    );
    assert_eq!(history[1].fields, ["body", "title"]);
    assert_eq!(history[1].deps, [it.page.id().to_string()]);

    let spans = it.node.client.blame(&id, "body").await.unwrap();
    let spans: Vec<(&str, &str)> = spans
        .iter()
        .map(|it| (it.text.as_str(), it.by.as_str()))
        .collect();
    let (page, ada, ben) = (
        it.page.id().to_string(),
        it.by_ada.id().to_string(),
        it.by_ben.id().to_string(),
    );
    assert_eq!(
        spans,
        [
            ("Please: ", ben.as_str()),
            ("Be kind.", page.as_str()),
            (" Always.", ada.as_str()),
        ]
    );
    refused(it.node.client.blame(&id, "colour").await, "invalid");
    let file = it.node.client.automerge(&id).await.unwrap();
    assert_eq!(
        file[..4],
        [0x85, 0x6f, 0x4a, 0x83],
        "the magic bytes of Automerge"
    );
}

#[tokio::test]
async fn a_void_edit_stays_in_the_history_with_its_reason() {
    let mut it = edited().await;
    let id = document(&it.page);
    let beyond = it
        .ada
        .device
        .edit(it.space, id, &[it.by_ada.id()], vec![splice(5_000, 1, "?")]);
    it.node.save(it.garden.id, &[&beyond]).await;
    let history = it.node.client.history(&id.to_string()).await.unwrap();
    let item = history.iter().find(|it| it.verdict == "void").unwrap();
    assert_eq!(item.id, beyond.id().to_string());
    assert!(
        item.reason.as_ref().unwrap().contains("operation 0"),
        "{item:?}"
    );
    let view = it.node.client.document(&id.to_string(), &[]).await.unwrap();
    assert_eq!(view.text("body"), Some("Please: Be kind. Always."));
    assert!(view.summary.heads.contains(&beyond.id().to_string()));
}

#[tokio::test]
async fn erased_words_are_gone_from_views_exports_and_files() {
    let mut garden = Community::found("Garden", &[]);
    let (mut ada, mut ben) = (garden.member("ada"), garden.member("ben"));
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let secret = "correct horse battery staple";
    let post = ada.device.create(space, &topic("Oops", secret));
    let answer = ben
        .device
        .create(space, &reply(document(&post), "Careful!"));
    node.save(garden.id, &[&post, &answer]).await;
    let id = post.id().to_string();
    let before = node.client.document(&id, &[]).await.unwrap();

    node.save(garden.id, &[&ada.device.erase(space, post.id())])
        .await;
    let after = node.client.document(&id, &[]).await.unwrap();
    assert!(after.summary.erased);
    assert_eq!(after.at, before.at);
    assert_eq!(after.replies.len(), 1);
    let body = after.text("body").unwrap();
    assert_eq!(body.chars().count(), secret.chars().count());
    assert!(body.chars().all(|it| it == '\u{2588}'), "{body}");
    let history = node.client.history(&id).await.unwrap();
    assert!(history[0].erased);
    let mut export = node.client.export(None).await.unwrap();
    let mut lines = 0;
    while let Some(line) = export.next().await.unwrap() {
        assert!(!serde_json::to_string(&line).unwrap().contains(secret));
        assert_eq!(
            line.erased,
            if line.id == id {
                vec![id.clone()]
            } else {
                vec![]
            }
        );
        lines += 1;
    }
    assert_eq!(lines, 2);
    node.node.stop().await;
    for file in files(node.home.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|it| it == secret.as_bytes());
        assert!(!found, "{}", file.display());
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => all.push(path),
        }
    }
    all
}
