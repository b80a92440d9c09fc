//! `comity publish` and `comity reply`.

use super::{
    input,
    readers::{Said, before_publishing, remember},
};
use crate::{
    app::App,
    args::content::{Publish, Reply},
    compose::document::{self, Origin, title_of},
    desk::{Desk, Saved, parse},
    error::CommandError,
    lookup::{self, Place},
    moment::now_ms,
    random, render,
    session::Reach,
};
use comity_client::Client;
use comity_protocol::{document::Draft, entry::Entry};
use serde_json::json;

/// Publishes a topic or a page.
pub(super) async fn publish(app: &App, args: Publish) -> Result<(), CommandError> {
    app.public()?;
    let body = input::read(&args.file)?;
    let title = args
        .title
        .clone()
        .or_else(|| title_of(&body))
        .ok_or_else(|| {
            CommandError::usage("there is no title, and no text to take one from")
                .hint("add --title TITLE")
        })?;
    let origin = args.origin.as_ref().map(|(system, id)| Origin {
        system: system.clone(),
        id: id.clone(),
        author: args.origin_author.clone(),
        time_ms: None,
        addresses_hashed: None,
    });
    let draft = match args.kind.form() {
        Some(form) => document::topic(form, &title, &body, &args.tags, origin.as_ref()),
        None => document::page(&title, &body, &args.tags, origin.as_ref()),
    };
    app.with_node(Reach::Store, async |client| {
        let place = lookup::space(client, args.community.as_deref(), args.space.as_deref()).await?;
        let origin = args.origin.iter().map(|(_, id)| id.as_str());
        let tags = args.tags.iter().map(String::as_str);
        let texts = [body.as_str(), &title].into_iter();
        let said = Said {
            texts: texts.chain(tags).chain(origin).collect(),
            thread: None,
        };
        before_publishing(app, client, &place, &said, args.yes).await?;
        create(app, client, &place, &draft).await
    })
    .await
}

/// Answers a topic, reply or page.
pub(super) async fn reply(app: &App, args: Reply) -> Result<(), CommandError> {
    app.public()?;
    let body = match (&args.message, &args.file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => input::read(file)?,
        (None, None) => input::edit("")?,
    };
    if body.trim().is_empty() {
        return Err(CommandError::usage("an empty reply says nothing").hint("give a text"));
    }
    app.with_node(Reach::Store, async |client| {
        let parent = lookup::id(client, &args.id, &["document"]).await?;
        let view = client.document(&parent.id, &[]).await?;
        let topic = match view.fields.iter().find(|field| field.name == "topic") {
            Some(field) if view.summary.kind == "reply" => reference(&field.value),
            _ => None,
        };
        let topic = topic.unwrap_or_else(|| parent.id.clone());
        let draft = document::reply(
            parse(&topic, "document")?,
            parse(&parent.id, "document")?,
            &body,
            None,
        );
        let place = lookup::place_of(client, &view.summary.space).await?;
        let said = Said {
            texts: vec![&body],
            thread: Some(&topic),
        };
        before_publishing(app, client, &place, &said, args.yes).await?;
        create(app, client, &place, &draft).await
    })
    .await
}

/// The document a reference names, however the node writes references.
fn reference(value: &serde_json::Value) -> Option<String> {
    let named = value.get("document").unwrap_or(value);
    named.as_str().map(str::to_owned)
}

async fn create(
    app: &App,
    client: &Client,
    place: &Place,
    draft: &Draft,
) -> Result<(), CommandError> {
    // What cannot be signed is said before anybody is asked for a passphrase.
    draft
        .seal([0; 32])
        .map_err(crate::compose::ComposeError::from)?;
    let identity = app.unlock()?;
    let mut desk = Desk::open(app, client, &identity)?;
    let mut chain = desk.device_chain(place).await?;
    let mut entries = desk.greeting(&mut chain)?;
    let created = chain.create(now_ms(), draft, random::bytes()?)?;
    let id = created.id().to_string();
    entries.push(Entry::Contribution(created));
    let saved = desk.hand_in(&place.community.id, entries).await?;
    remember(app, place);
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "id": id,
            "community": place.community.id,
            "space": place.space.id,
            "saved": true,
            "peers": saved.peers,
        }));
    }
    app.ui.line(&id)?;
    say_saved(app, &saved);
    Ok(())
}

/// Says where the words are: on this machine, and on their way or not.
pub(super) fn say_saved(app: &App, saved: &Saved) {
    if saved.peers == 0 {
        app.ui.status("saved here, not yet at any peer");
    } else {
        let peers = render::count(saved.peers as u64, "peer");
        app.ui.status(&format!(
            "saved here, and on its way to {peers}; `comity sync status` shows who has it"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_in_either_form() {
        assert_eq!(reference(&json!("ab")).as_deref(), Some("ab"));
        assert_eq!(
            reference(&json!({"document": "ab", "heads": []})).as_deref(),
            Some("ab")
        );
        assert_eq!(reference(&json!(7)), None);
    }
}
