//! What stays when a community or a party takes something away: all that counted so far.

use super::{charter::Table, says};

#[test]
fn a_space_that_closes_keeps_the_words_of_those_who_left() {
    let table = Table::founded();
    let file = table.0.write("words.md", "Said while here");
    let spaces = ["lobby", "members"];
    let [open, inside] = spaces.map(|space| table.ok("bob", &["publish", &file, "--space", space]));
    table.ok("bob", &["party", "leave", "--yes"]);
    says(&table.ok("keys", &["show", &inside]), &["Said while here"]);

    let closing = table.tells(
        "keys",
        &[
            "charter",
            "propose",
            "--close-space",
            "lobby",
            "--close-space",
            "members",
        ],
    );
    says(
        &closing.err,
        &[
            "in force",
            "lobby: 2 contributions in effect now",
            "members: 2",
            "becomes a stub",
        ],
    );
    for id in [&open, &inside] {
        says(&table.ok("keys", &["show", id]), &["Said while here"]);
    }
    says(
        &table.fails("keys", &["publish", &file, "--space", "lobby"]),
        &["cannot write"],
    );
}

#[test]
fn who_does_not_read_a_space_cannot_propose_to_close_it() {
    let table = Table::founded();
    let ours = table.tells("keys", &["charter", "propose", "--space", "ours:Vendor"]);
    table.ok("bob", &["charter", "approve", ours.out.trim(), "--yes"]);
    says(
        &table.fails("bob", &["charter", "propose", "--close-space", "ours"]),
        &["you do not read it", "ask a delegate"],
    );
}

#[test]
fn asking_for_more_delegates_keeps_whom_one_admitted() {
    let table = Table::founded();
    let (bob, cy) = (table.root("bob"), {
        table.ok("cy", &["init", "--name", "Cy", "--no-passphrase"]);
        table.root("cy")
    });
    let vendor = ["--party", "Vendor"];
    table.ok("keys", &["member", "admit", &cy]);
    table.ok(
        "keys",
        &[
            &["party", "delegates", "add", &bob, "--needed", "2"][..],
            &vendor,
        ]
        .concat(),
    );
    let strict = table.ok(
        "keys",
        &[
            "party",
            "delegates",
            "add",
            &cy,
            "--needed",
            "2",
            "--admission-needed",
            "2",
        ],
    );
    table.ok("bob", &["party", "approve", &strict, "--yes"]);
    let roster = table.json(&["member", "list"]);
    assert_eq!(roster["pending"], serde_json::json!([]), "{roster}");
    let members = roster["members"].as_array().unwrap();
    let of_cy = members.iter().find(|it| it["root"] == cy.as_str()).unwrap();
    assert!(of_cy["standings"][0]["ended"].is_null(), "{roster}");
}

#[test]
fn a_group_keeps_the_words_of_those_it_drops() {
    let table = Table::founded();
    let (alice, bob) = (table.root("keys"), table.root("bob"));
    table.ok("keys", &["member", "admit", &bob]);
    table.ok("keys", &["party", "groups", "add", "board", &alice, &bob]);
    table.ok("keys", &["space", "declare", "plans", "--group", "board"]);
    let file = table.0.write("plan.md", "A plan of the board");
    let plan = table.ok("bob", &["publish", &file, "--space", "plans"]);
    // The node reads the space for Alice, too: it is not Bob's copy alone.
    let answer = table.0.write("answer.md", "I agree");
    table.ok("keys", &["publish", &answer, "--space", "plans"]);
    table.ok("keys", &["party", "groups", "remove", "board", &bob]);
    says(
        &table.ok("keys", &["show", &plan]),
        &["A plan of the board"],
    );
    table.fails("bob", &["show", &plan]);
}

#[test]
fn who_leaves_alone_keeps_the_words_where_only_members_read() {
    let table = Table::founded();
    let bob = table.root("bob");
    table.ok("keys", &["member", "admit", &bob]);
    let file = table.0.write("words.md", "Said while here");
    let inside = table.ok("bob", &["publish", &file, "--space", "members"]);
    for party in ["Users", "Vendor"] {
        table.ok("bob", &["member", "leave", "--party", party, "--yes"]);
    }
    table.fails("bob", &["show", &inside]);
    says(&table.ok("keys", &["show", &inside]), &["Said while here"]);
}

#[test]
fn what_a_removal_took_stands_as_a_stub_where_it_stood() {
    let table = Table::founded();
    let question = table.0.publish("lobby", "question", "Which grinder?");
    let reply = table.ok("bob", &["reply", &question, "-m", "The loud one"]);
    let idea = {
        let file = table.0.write("idea.md", "A quiet grinder");
        table.ok(
            "bob",
            &["publish", &file, "--space", "lobby", "--kind", "idea"],
        )
    };
    let bob = table.root("bob");
    // Users' delegate takes himself out, and nothing of him stays.
    table.ok(
        "bob",
        &[
            "member", "revoke", &bob, "--keep", "none", "--party", "Users", "--yes",
        ],
    );
    let shown = table.ok("keys", &["show", &question]);
    let stub = format!(
        "after removal by Users; `comity show --held {}` shows it",
        &reply[..8]
    );
    says(&shown, &["Which grinder?", &reply, &stub]);
    assert!(!shown.contains("The loud one"), "{shown}");
    let listed = table.tells("keys", &["list"]);
    says(
        &listed.out,
        &["Which grinder?", &idea[..8], "[after removal by Users]"],
    );
    says(&listed.err, &["comity show --held"]);
    assert!(!listed.out.contains("quiet"), "{listed:?}");
    let stub = table.ok("keys", &["show", &idea[..12]]);
    says(&stub, &["not in effect", "after removal by Users"]);
    assert!(!stub.contains("quiet"), "{stub}");
    says(
        &table.ok("keys", &["show", "--held", &reply[..12]]),
        &["The loud one", "after removal by Users"],
    );

    let json = table.json(&["show", &question]);
    assert_eq!(json["replies"][0]["summary"]["id"], reply.as_str());
    assert_eq!(
        json["replies"][0]["summary"]["held"],
        "after removal by Users"
    );
    assert_eq!(json["replies"][0]["fields"], serde_json::json!([]));
    assert_eq!(json["summary"]["replies"], 0);
    let json = table.json(&["list"]);
    let items = json["items"].as_array().unwrap();
    let held = items.iter().find(|it| it["id"] == idea.as_str()).unwrap();
    assert_eq!(
        (&held["held"], &held["title"]),
        (&"after removal by Users".into(), &"".into())
    );
}
