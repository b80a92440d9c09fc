//! `comity demo`: two people, two nodes, one community, on this machine in a temporary folder.
//!
//! Every step runs the very command it prints, in this process, against a real node that listens on
//! loopback. It waits for what nodes say, never for a time to pass, and fails if anything differs.

mod person;
mod script;

use crate::{
    app::App,
    args::node::Demo,
    error::{Attempting as _, CommandError},
};
use comity_client::types::DocumentView;
use person::Person;
use script::Script;
use serde_json::json;
use std::time::Duration;

const PAGE: &str = "\
Roasting at home

Start with small batches and write down what you did.

Let the beans rest for a day before you brew.
";

/// Runs the demonstration.
pub(super) async fn demo(app: &App, args: &Demo) -> Result<(), CommandError> {
    let folder = tempfile::Builder::new()
        .prefix("comity-demo-")
        .tempdir()
        .attempting(|| "make a temporary folder")?;
    let path = folder.path().to_owned();
    if args.keep {
        let kept = folder.keep();
        app.ui
            .status(&format!("everything is in {}", kept.display()));
    }
    let script = Script::new(app, Duration::from_millis(args.timeout));
    let mut alice = Person::new("alice", &path);
    let mut bob = Person::new("bob", &path);
    let result = story(&script, &mut alice, &mut bob).await;
    alice.stop().await;
    bob.stop().await;
    let (page, of_bob) = result?;
    let (heads, text) = (page.at.clone(), page.text("body").unwrap_or_default());
    let equal = page.at == of_bob.at && page.text("body") == of_bob.text("body");
    if app.ui.is_json() {
        app.ui
            .json(&json!({ "equal": equal, "heads": heads, "text": text }))?;
    }
    if !equal {
        return Err(CommandError::internal(
            "the two nodes differ after they have met again",
        ));
    }
    script.say("Both nodes hold the same heads, the same text and equal sets.")
}

async fn story(
    script: &Script<'_>,
    alice: &mut Person,
    bob: &mut Person,
) -> Result<(DocumentView, DocumentView), CommandError> {
    found_and_join(script, alice, bob).await?;
    talk(script, alice, bob).await?;
    let page = write_apart(script, alice, bob).await?;
    meet_again(script, alice, bob, &page).await
}

async fn found_and_join(
    script: &Script<'_>,
    alice: &mut Person,
    bob: &mut Person,
) -> Result<(), CommandError> {
    script.say("Alice makes a node and an identity, founds a community, and invites Bob.")?;
    script
        .run(alice, &["init", "--name", "Alice", "--no-passphrase"])
        .await?;
    script.start(alice, true).await?;
    let create = ["community", "create", "Coffee", "--party", "Coffee Club"];
    script.run(alice, &create).await?;
    let ticket = script.run(alice, &["invite"]).await?;
    script.say("Bob, on a node of his own, joins with the ticket.")?;
    script
        .run(bob, &["init", "--name", "Bob", "--no-passphrase"])
        .await?;
    script.start(bob, true).await?;
    let joined = script
        .run(bob, &["join", ticket.trim(), "--wait", "--json"])
        .await?;
    if joined.contains(r#""state":"member""#) {
        Ok(())
    } else {
        Err(CommandError::failure("Bob did not become a member in time")
            .hint("allow more with --timeout"))
    }
}

async fn talk(script: &Script<'_>, alice: &Person, bob: &Person) -> Result<(), CommandError> {
    script.say("Alice asks a question; Bob answers.")?;
    let question = alice.write("question.md", "My espresso is bitter. What can I change?\n")?;
    let ask = [
        "publish",
        &question,
        "--space",
        "lobby",
        "--kind",
        "question",
        "--title",
        "Too bitter",
    ];
    let topic = script.run(alice, &ask).await?;
    let topic = topic.trim();
    script
        .until(bob, "the question reaches Bob", async |client| {
            Ok(client.document(topic, &[]).await.is_ok())
        })
        .await?;
    script
        .run(bob, &["reply", &topic[..12], "-m", "Try a coarser grind."])
        .await?;
    script
        .until(alice, "the answer reaches Alice", async |client| {
            Ok(client.document(topic, &[]).await?.summary.replies == 1)
        })
        .await?;
    script.run(alice, &["show", &topic[..12]]).await?;
    Ok(())
}

async fn write_apart(
    script: &Script<'_>,
    alice: &mut Person,
    bob: &mut Person,
) -> Result<String, CommandError> {
    script.say("Alice starts a page that both may edit.")?;
    let text = alice.write("page.md", PAGE)?;
    let publish = ["publish", &text, "--space", "members", "--kind", "page"];
    let page = script.run(alice, &publish).await?.trim().to_owned();
    script
        .until(bob, "the page reaches Bob", async |client| {
            Ok(client.document(&page, &[]).await.is_ok())
        })
        .await?;
    script.say("Bob goes offline. Both edit the page while they are apart.")?;
    script.run_alone(bob, &["node", "stop"])?;
    bob.stop().await;
    bob.start(false).await?;
    let edited = alice.write(
        "page.md",
        &PAGE.replace("small batches", "batches of 200 grams"),
    )?;
    script.run(alice, &["edit", &page[..12], &edited]).await?;
    let edited = bob.write("page.md", &PAGE.replace("a day", "two days"))?;
    script.run(bob, &["edit", &page[..12], &edited]).await?;
    Ok(page)
}

async fn meet_again(
    script: &Script<'_>,
    alice: &mut Person,
    bob: &mut Person,
    page: &str,
) -> Result<(DocumentView, DocumentView), CommandError> {
    script.say("Bob is online again. Neither edit is lost.")?;
    bob.stop().await;
    script.start(bob, true).await?;
    script.run(bob, &["sync", "--wait"]).await?;
    let of_alice = alice.client()?;
    script
        .until(bob, "both hold both edits and equal sets", async |client| {
            let (here, there) = (
                client.document(page, &[]).await?,
                of_alice.document(page, &[]).await?,
            );
            let settled = here.at.len() == 2 && here.underived == 0 && there.underived == 0;
            let roots = |status: comity_client::types::SyncStatus| {
                let spaces = status.spaces.into_iter();
                spaces.map(|it| (it.id, it.root)).collect::<Vec<_>>()
            };
            let equal =
                roots(client.sync_status(None).await?) == roots(of_alice.sync_status(None).await?);
            Ok(settled && equal && here.at == there.at)
        })
        .await?;
    script.run(alice, &["show", &page[..12]]).await?;
    script.run(bob, &["show", &page[..12]]).await?;
    script.run(bob, &["blame", &page[..12]]).await?;
    let views = (
        of_alice.document(page, &[]).await?,
        bob.client()?.document(page, &[]).await?,
    );
    let both = ["batches of 200 grams", "two days"];
    let text = views.0.text("body").unwrap_or_default();
    if both.iter().all(|part| text.contains(part)) {
        Ok(views)
    } else {
        Err(CommandError::internal("an edit is lost in the merged page"))
    }
}
