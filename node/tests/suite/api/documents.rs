use super::{Running, refused};
use comity_client::types::DocumentQuery;
use comity_protocol::entry::Entry;
use comity_tests::community::{Community, Person, document, imported, page, profile, reply, topic};

async fn all_pages(node: &Running, query: DocumentQuery) -> Vec<String> {
    let mut query = query;
    let mut ids = Vec::new();
    loop {
        let page = node.client.documents(&query).await.unwrap();
        assert!(page.items.len() <= query.limit.unwrap_or(50));
        ids.extend(page.items.into_iter().map(|it| it.id));
        match page.next {
            None => return ids,
            cursor => query.cursor = cursor,
        }
    }
}

fn ids(entries: &[&Entry]) -> Vec<String> {
    entries.iter().map(|it| it.id().to_string()).collect()
}

#[tokio::test]
async fn pages_hold_every_document_once_in_the_order_of_arrival() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let mut posts = Vec::new();
    for number in 0..23 {
        let space = garden.space(["public", "members"][number % 2]);
        posts.push(
            ada.device
                .create(space, &topic(&format!("Post {number}"), "…")),
        );
    }
    let posts: Vec<&Entry> = posts.iter().collect();
    node.save(garden.id, &posts).await;

    for limit in [1, 5, 23, 24] {
        let oldest = DocumentQuery {
            limit: Some(limit),
            oldest_first: true,
            ..Default::default()
        };
        assert_eq!(all_pages(&node, oldest).await, ids(&posts), "limit {limit}");
        let newest = DocumentQuery {
            limit: Some(limit),
            ..Default::default()
        };
        let mut reversed = ids(&posts);
        reversed.reverse();
        assert_eq!(all_pages(&node, newest).await, reversed, "limit {limit}");
    }
    let one_space = DocumentQuery {
        space: Some(garden.space("members").to_string()),
        limit: Some(4),
        oldest_first: true,
        ..Default::default()
    };
    let expected: Vec<&Entry> = posts.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(all_pages(&node, one_space).await, ids(&expected));
}

#[tokio::test]
async fn each_filter_narrows_the_list() {
    let mut garden = Community::found("Garden", &[]);
    let mut orchard = Community::found("Orchard", &[]);
    let (mut ada, mut ben) = (garden.member("ada"), garden.member("ben"));
    let mut eve = orchard.member("eve");
    let node = Running::with(&garden).await;
    node.track(&orchard).await;
    let space = garden.space("public");
    let question = ada
        .device
        .create(space, &imported("Slugs", &["pests", "help"], "forum", "1"));
    let other = ben
        .device
        .create(space, &imported("Roses", &["help"], "list", "1"));
    let wiki = ada.device.create(space, &page("Rules", "Be kind."));
    let answer = ben
        .device
        .create(space, &reply(document(&question), "Beer."));
    let away = eve
        .device
        .create(orchard.space("public"), &topic("Apples", "Many."));
    node.save(garden.id, &[&question, &other, &wiki, &answer])
        .await;
    node.save(orchard.id, &[&away]).await;

    let text = |it: &dyn ToString| Some(it.to_string());
    let query = DocumentQuery {
        oldest_first: true,
        limit: Some(2),
        ..Default::default()
    };
    let cases = [
        (
            DocumentQuery {
                community: text(&garden.id),
                ..query.clone()
            },
            ids(&[&question, &other, &wiki, &answer]),
        ),
        (
            DocumentQuery {
                community: text(&orchard.id),
                ..query.clone()
            },
            ids(&[&away]),
        ),
        (
            DocumentQuery {
                kind: text(&"topic"),
                ..query.clone()
            },
            ids(&[&question, &other, &away]),
        ),
        (
            DocumentQuery {
                author: text(&ada.device.public()),
                ..query.clone()
            },
            ids(&[&question, &wiki]),
        ),
        (
            DocumentQuery {
                author: text(&ben.root.public()),
                ..query.clone()
            },
            ids(&[&other, &answer]),
        ),
        (
            DocumentQuery {
                tag: text(&"help"),
                ..query.clone()
            },
            ids(&[&question, &other]),
        ),
        (
            DocumentQuery {
                system: text(&"list"),
                ..query.clone()
            },
            ids(&[&other]),
        ),
        (
            DocumentQuery {
                thread: text(&question.id()),
                ..query.clone()
            },
            ids(&[&answer]),
        ),
        (
            DocumentQuery {
                tag: text(&"help"),
                author: text(&ben.device.public()),
                ..query.clone()
            },
            ids(&[&other]),
        ),
        (
            DocumentQuery {
                author: text(&Person::new("nobody").device.public()),
                ..query.clone()
            },
            ids(&[]),
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(all_pages(&node, query.clone()).await, expected, "{query:?}");
    }
    let client = &node.client;
    let odd = |query: DocumentQuery| async move { client.documents(&query).await };
    for query in [
        DocumentQuery {
            kind: text(&"poem"),
            ..query.clone()
        },
        DocumentQuery {
            limit: Some(0),
            ..query.clone()
        },
        DocumentQuery {
            limit: Some(501),
            ..query.clone()
        },
        DocumentQuery {
            cursor: text(&"later"),
            ..query.clone()
        },
        DocumentQuery {
            author: text(&"ada"),
            ..query.clone()
        },
    ] {
        refused(odd(query).await, "invalid");
    }
    let nowhere = DocumentQuery {
        space: text(&"0".repeat(64)),
        ..query
    };
    refused(odd(nowhere).await, "not_found");
}

#[tokio::test]
async fn names_follow_the_profile() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let post = ada.device.create(space, &topic("Hello", "Hm."));
    node.save(garden.id, &[&post]).await;
    let author = || async {
        let page = node.client.documents(&Default::default()).await.unwrap();
        let found = page.items.into_iter().find(|it| it.kind == "topic");
        found.unwrap().author
    };
    let before = author().await;
    assert_eq!(
        (before.name, before.party.as_deref()),
        (None, Some("Garden Ltd"))
    );
    assert_eq!(before.root, Some(ada.root.public().to_string()));

    node.save(garden.id, &[&ada.device.create(space, &profile("Ada L."))])
        .await;
    assert_eq!(author().await.name.as_deref(), Some("Ada L."));
    let info = node.client.community(&garden.id.to_string()).await.unwrap();
    let root = ada.root.public().to_string();
    let member = info.members.iter().find(|it| it.root == root).unwrap();
    assert_eq!(member.name.as_deref(), Some("Ada L."));
    assert_eq!(member.roles, ["member"]);
    assert_eq!(member.devices, [ada.device.public().to_string()]);
}

#[tokio::test]
async fn a_community_is_described() {
    let garden = Community::found("Garden", &[]);
    let node = Running::with(&garden).await;
    let all = node.client.communities().await.unwrap();
    assert_eq!(all.len(), 1);
    let info = &all[0];
    assert_eq!((info.name.as_str(), info.complete), ("Garden", true));
    assert_eq!(info.id, garden.id.to_string());
    let spaces: Vec<(&str, &str, &str)> = info
        .spaces
        .iter()
        .map(|it| (it.name.as_str(), it.readers.as_str(), it.writers.as_str()))
        .collect();
    assert_eq!(
        spaces,
        [
            ("public", "everyone", "members"),
            ("members", "members", "members"),
            ("news", "everyone", "stewards"),
        ]
    );
    assert_eq!(info.parties[0].name, "Garden Ltd");
    assert_eq!(
        info.parties[0].delegates,
        [garden.delegate.root.public().to_string()]
    );
    // Its id can be shortened.
    let short = node.client.community(&info.id[..6]).await.unwrap();
    assert_eq!(&short, info);
}

#[tokio::test]
async fn shortened_ids_are_resolved() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    // Enough documents that some share four digits.
    let posts: Vec<Entry> = (0..700)
        .map(|number| {
            ada.device
                .create(space, &topic(&format!("Post {number}"), "…"))
        })
        .collect();
    node.save(garden.id, &posts.iter().collect::<Vec<_>>())
        .await;
    let mut sorted = ids(&posts.iter().collect::<Vec<_>>());
    sorted.sort();
    let twins = sorted
        .windows(2)
        .find(|pair| pair[0][..4] == pair[1][..4])
        .expect("700 ids with 65,536 prefixes of four digits share one");

    let found = node.client.resolve(&twins[0][..4]).await.unwrap();
    let documents: Vec<&str> = found
        .iter()
        .filter(|it| it.what == "document")
        .map(|it| it.id.as_str())
        .collect();
    assert!(documents.contains(&twins[0].as_str()) && documents.contains(&twins[1].as_str()));
    assert!(
        found
            .iter()
            .any(|it| it.title.as_deref().is_some_and(|it| it.starts_with("Post")))
    );

    let error = refused(node.client.document(&twins[0][..4], &[]).await, "ambiguous");
    assert!(error.details.contains_key("candidates"));
    let view = node.client.document(&twins[0][..40], &[]).await.unwrap();
    assert_eq!(view.summary.id, twins[0]);

    let of = |id: String, what: &'static str| {
        let node = &node;
        async move {
            let found = node.client.resolve(&id[..12]).await.unwrap();
            assert_eq!(
                (found[0].id.as_str(), found[0].what.as_str()),
                (id.as_str(), what)
            );
            assert_eq!(found.len(), 1);
        }
    };
    of(space.to_string(), "space").await;
    of(garden.id.to_string(), "community").await;
    let genesis = Entry::decode(&garden.records()[0]).unwrap().id();
    of(genesis.to_string(), "record").await;
    refused(node.client.resolve("abc").await, "invalid");
    refused(node.client.resolve("wxyz").await, "invalid");
}

#[tokio::test]
async fn origins_are_found_until_they_are_erased() {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let one = ada
        .device
        .create(space, &imported("One", &[], "forum", "1"));
    node.save(garden.id, &[&one]).await;
    let asked = |node: &Running| {
        let request = comity_client::types::OriginsRequest {
            space: space.to_string(),
            origins: [("forum", "1"), ("list", "1"), ("forum", "2")]
                .map(|(system, id)| (system.to_owned(), id.to_owned()))
                .to_vec(),
        };
        let client = node.client.clone();
        async move { client.origins(&request).await.unwrap().documents }
    };
    let id = |entry: &Entry| Some(entry.id().to_string());
    assert_eq!(asked(&node).await, [id(&one), None, None]);
    // What arrives later is found as well.
    let two = ada
        .device
        .create(space, &imported("Two", &[], "forum", "2"));
    node.save(garden.id, &[&two]).await;
    assert_eq!(asked(&node).await, [id(&one), None, id(&two)]);
    // What is erased is not, and not after a restart either.
    node.save(garden.id, &[&ada.device.erase(space, one.id())])
        .await;
    assert_eq!(asked(&node).await, [None, None, id(&two)]);
    let node = node.restarted().await;
    assert_eq!(asked(&node).await, [None, None, id(&two)]);
    // Importing it again makes it known again.
    let again = ada
        .device
        .create(space, &imported("One", &[], "forum", "1"));
    node.save(garden.id, &[&again]).await;
    assert_eq!(asked(&node).await, [id(&again), None, id(&two)]);
}

#[tokio::test]
async fn a_thread_has_all_replies_of_its_space_and_none_is_hidden_by_a_flood_from_elsewhere() {
    /// More than a view shows at once.
    const MANY: usize = 1_003;
    let mut garden = Community::found("Garden", &[]);
    let (mut ada, mut eve) = (garden.member("ada"), garden.member("eve"));
    let node = Running::with(&garden).await;
    let space = garden.space("public");
    let question = ada.device.create(space, &topic("Slugs?", "In May."));
    let root = document(&question);
    let flood = |author: &mut Person, space| -> Vec<Entry> {
        let draft = |it| reply(root, &format!("Number {it}."));
        (0..MANY)
            .map(|it| author.device.create(space, &draft(it)))
            .collect()
    };
    node.save(garden.id, &[&question]).await;
    let elsewhere = flood(&mut eve, garden.space("members"));
    let here = flood(&mut ada, space);
    for some in [&elsewhere, &here]
        .into_iter()
        .flat_map(|it| it.chunks(200))
    {
        node.save(garden.id, &some.iter().collect::<Vec<_>>()).await;
    }
    let id = question.id().to_string();
    let first = node.client.document(&id, &[]).await.unwrap();
    assert_eq!((first.replies.len(), first.summary.replies), (1_000, 1_000));
    let rest = node.client.document_after(&id, &first.next.unwrap()).await;
    let rest = rest.unwrap();
    assert_eq!(rest.next, None);
    let shown = first.replies.into_iter().chain(rest.replies);
    let shown: Vec<String> = shown.map(|it| it.summary.id).collect();
    assert_eq!(shown, ids(&here.iter().collect::<Vec<_>>()));
    refused(node.client.document_after(&id, "here").await, "invalid");
    // A list has those of all spaces that its reader reads, or of one.
    let query = DocumentQuery {
        thread: Some(id),
        limit: Some(500),
        oldest_first: true,
        ..DocumentQuery::default()
    };
    let all: Vec<&Entry> = elsewhere.iter().chain(&here).collect();
    assert_eq!(all_pages(&node, query.clone()).await, ids(&all));
    let space = Some(space.to_string());
    let narrowed = DocumentQuery { space, ..query };
    assert_eq!(
        all_pages(&node, narrowed).await,
        ids(&here.iter().collect::<Vec<_>>())
    );
}
