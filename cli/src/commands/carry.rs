//! `comity space carry`: one's own words, published again where more people read, with reference to
//! where they stood.
//!
//! Readers of a space never widen. What is opened up is a new space, and each author decides alone
//! what of theirs goes there: nobody can carry the words of others. What is carried is a new
//! document with the words as they are now; the old one stays where it is, for whom it is.

use super::readers::{Said, is_narrower, reasons, remember};
use crate::{
    app::App,
    compose::document::{self, Origin},
    desk::Desk,
    error::CommandError,
    lookup::{self, Place},
    moment::now_ms,
    random,
    render::{self, author::CARRIED, community::readers, short},
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{DocumentView, OriginsRequest},
};
use comity_protocol::{
    document::{Draft, kind::Form},
    entry::Entry,
    id::DocumentId,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What is carried over, and from where.
struct Piece {
    view: DocumentView,
    from: Place,
}

/// Documents of the new space by the ones whose words they carry.
type Carried = BTreeMap<String, String>;

/// Carries documents over.
pub(super) async fn carry(
    app: &App,
    ids: &[String],
    to: &str,
    community: Option<&str>,
    yes: bool,
) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let place = lookup::space(client, community, Some(to)).await?;
        let mut pieces = Vec::new();
        for id in ids {
            pieces.push(piece(app, client, id, &place).await?);
        }
        let mut carried = carried(client, &place, &pieces).await?;
        pieces.retain(|it| match carried.get(&it.view.summary.id) {
            Some(new) => {
                let (old, new) = (short(&it.view.summary.id), short(new));
                app.ui
                    .status(&format!("{old} is carried over already, as {new}"));
                false
            }
            None => true,
        });
        let pieces = in_order(pieces, &carried)?;
        if pieces.is_empty() {
            app.ui.status("nothing is left to carry over");
            return match app.ui.is_json() {
                true => app.ui.json(&json!([])),
                false => Ok(()),
            };
        }
        ask(app, client, &place, &pieces, yes).await?;
        let made = publish(app, client, &place, &pieces, &mut carried).await?;
        remember(app, &place);
        if app.ui.is_json() {
            let made = made
                .iter()
                .map(|(old, new)| json!({ "from": old, "id": new }));
            return app.ui.json(&made.collect::<Vec<_>>());
        }
        made.iter().try_for_each(|(_, new)| app.ui.line(new))
    })
    .await
}

/// One document, if it is this person's to carry.
async fn piece(app: &App, client: &Client, id: &str, to: &Place) -> Result<Piece, CommandError> {
    let found = lookup::id(client, id, &["document"]).await?;
    let view = client.document(&found.id, &[]).await?;
    let cannot = |why: &str| {
        let id = short(&found.id);
        CommandError::failure(format!("cannot carry {id} over: {why}"))
    };
    let summary = &view.summary;
    if summary.space == to.space.id {
        return Err(cannot("it stands in that space already"));
    }
    if !["topic", "reply", "page"].contains(&summary.kind.as_str()) {
        return Err(cannot(&format!(
            "a {} goes into no other space",
            summary.kind
        )));
    }
    if view.underived > 0 {
        return Err(cannot("its newest words are not derived yet").hint("try again soon"));
    }
    let history = client.history(&found.id).await?;
    if summary.void.is_some() || summary.held.is_some() || history.iter().any(|it| it.erased) {
        return Err(cannot("its words were erased or have no effect"));
    }
    if summary.not_kept > 0 {
        let hint = format!("`comity show {id}` fetches them");
        return Err(cannot("its words are not all kept here").hint(hint));
    }
    let public = app.public()?;
    let (root, device) = (public.root.to_string(), public.device.to_string());
    let is_mine = |it: &comity_client::types::Author| {
        it.root.as_deref() == Some(&root) || it.device == device
    };
    if !history.iter().all(|it| is_mine(&it.author)) {
        return Err(cannot("others wrote it, or a part of it")
            .hint("everybody carries over what they wrote themselves, if they agree to it"));
    }
    let from = lookup::place_of(client, &summary.space).await?;
    Ok(Piece { view, from })
}

/// What of these pieces, and of what they answer, is in the space already.
async fn carried(
    client: &Client,
    place: &Place,
    pieces: &[Piece],
) -> Result<Carried, CommandError> {
    let named = pieces.iter().flat_map(|it| {
        let answers = ["topic", "parent"].map(|field| reference(&it.view, field));
        answers
            .into_iter()
            .flatten()
            .chain([it.view.summary.id.clone()])
    });
    let named: BTreeSet<String> = named.collect();
    let named: Vec<String> = named.into_iter().collect();
    let request = OriginsRequest {
        space: place.space.id.clone(),
        origins: named
            .iter()
            .map(|id| (CARRIED.to_owned(), id.clone()))
            .collect(),
    };
    let answer = client.origins(&request).await?;
    let found = named.into_iter().zip(answer.documents);
    Ok(found.filter_map(|(old, new)| Some((old, new?))).collect())
}

fn reference(view: &DocumentView, field: &str) -> Option<String> {
    let field = view.fields.iter().find(|it| it.name == field)?;
    let named = field.value.get("document").unwrap_or(&field.value);
    named.as_str().map(str::to_owned)
}

/// Each reply after the topic and, as far as it comes along, the reply that it answers.
fn in_order(mut left: Vec<Piece>, carried: &Carried) -> Result<Vec<Piece>, CommandError> {
    let mut there: BTreeSet<String> = carried.keys().cloned().collect();
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let coming: BTreeSet<String> = left.iter().map(|it| it.view.summary.id.clone()).collect();
        let is_ready = |it: &Piece| {
            let topic = reference(&it.view, "topic").filter(|_| it.view.summary.kind == "reply");
            let parent = it.view.summary.parent.as_ref();
            topic.is_none_or(|it| there.contains(&it))
                && parent.is_none_or(|it| there.contains(it) || !coming.contains(it))
        };
        let (ready, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(is_ready);
        if ready.is_empty() {
            let id = rest.first().map(|it| it.view.summary.id.clone());
            return Err(CommandError::failure(format!(
                "cannot carry {} over: what it answers is not in that space",
                short(&id.unwrap_or_default())
            ))
            .hint("who wrote that carries it over first: `comity space carry`")
            .hint("or publish your words anew, as a topic of their own"));
        }
        there.extend(ready.iter().map(|it| it.view.summary.id.clone()));
        ordered.extend(ready);
        left = rest;
    }
    Ok(ordered)
}

/// Says what goes where, who will read it, and asks.
async fn ask(
    app: &App,
    client: &Client,
    place: &Place,
    pieces: &[Piece],
    yes: bool,
) -> Result<(), CommandError> {
    for it in pieces {
        let (id, title) = (short(&it.view.summary.id), &it.view.summary.title);
        let from = it.from.path();
        app.ui
            .status(&format!("  {id} {}, from {from}", sanitize::line(title)));
    }
    app.ui
        .status(&format!("readers: {}", readers(&place.space)));
    if yes {
        return Ok(());
    }
    let from: BTreeSet<String> = pieces
        .iter()
        .filter(|it| is_narrower(&it.from.space, &place.space))
        .map(|it| format!("these words stand in {}", it.from.path()))
        .collect();
    let texts = pieces.iter().flat_map(|it| it.view.text("body"));
    let said = Said {
        texts: texts.collect(),
        thread: None,
    };
    let named = reasons(app, client, place, &said).await;
    for reason in from.into_iter().chain(named) {
        app.ui
            .warning(&format!("{reason}, which fewer people read"));
    }
    let count = render::count(pieces.len() as u64, "document");
    app.confirm(&format!("Publish {count} of yours in {}?", place.path()))
}

async fn publish(
    app: &App,
    client: &Client,
    place: &Place,
    pieces: &[Piece],
    carried: &mut Carried,
) -> Result<Vec<(String, String)>, CommandError> {
    let identity = app.unlock()?;
    let mut desk = Desk::open(app, client, &identity)?;
    let mut chain = desk.device_chain(place).await?;
    let mut entries = desk.greeting(&mut chain)?;
    let mut made = Vec::new();
    for piece in pieces {
        let draft = draft(&piece.view, carried)?;
        let created = chain.create(now_ms(), &draft, random::bytes()?)?;
        let (old, new) = (piece.view.summary.id.clone(), created.id().to_string());
        carried.insert(old.clone(), new.clone());
        made.push((old, new));
        entries.push(Entry::Contribution(created));
    }
    let saved = desk.hand_in(&place.community.id, entries).await?;
    super::publish::say_saved(app, &saved);
    Ok(made)
}

/// The words as they are now, in a new document that names the old one.
fn draft(view: &DocumentView, carried: &Carried) -> Result<Draft, CommandError> {
    let summary = &view.summary;
    let origin = Origin {
        system: CARRIED.to_owned(),
        id: summary.id.clone(),
        author: None,
        time_ms: i64::try_from(summary.created_ms).ok(),
        addresses_hashed: None,
    };
    let body = view.text("body").unwrap_or_default();
    let title = view.text("title").unwrap_or_default();
    let there =
        |field: &str| -> Option<DocumentId> { carried.get(&reference(view, field)?)?.parse().ok() };
    Ok(match (summary.kind.as_str(), there("topic")) {
        ("reply", Some(topic)) => {
            let parent = there("parent").unwrap_or(topic);
            document::reply(topic, parent, body, Some(&origin))
        }
        ("reply", None) => {
            return Err(CommandError::internal(
                "a reply came before what it answers",
            ));
        }
        ("page", _) => document::page(title, body, &summary.tags, Some(&origin)),
        _ => {
            let form = Form::ALL
                .into_iter()
                .find(|it| Some(it.name()) == summary.form.as_deref())
                .unwrap_or(Form::Discussion);
            document::topic(form, title, body, &summary.tags, Some(&origin))
        }
    })
}
