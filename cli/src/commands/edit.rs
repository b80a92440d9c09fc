//! `comity edit`: from a changed text to the smallest operations that make it.

use super::{
    input, keep,
    publish::say_saved,
    readers::{Said, before_publishing},
};
use crate::{
    app::App,
    args::content::Edit,
    compose::edit,
    desk::{Desk, Saved, parse, parse_ids},
    error::CommandError,
    lookup,
    moment::now_ms,
    random, render,
    session::Reach,
};
use comity_client::types::DocumentView;
use comity_protocol::{
    document::{Draft, Operation},
    entry::Entry,
    id::{DocumentId, EntryId},
};
use serde_json::json;

/// Edits a text, or a title.
pub(super) async fn edit(app: &App, args: Edit) -> Result<(), CommandError> {
    app.public()?;
    // Before the store is opened: in `comity show … | comity edit … -` the first command needs it.
    let new = args.file.as_deref().map(input::read).transpose()?;
    app.with_node(Reach::Store, async |client| {
        let found = lookup::id(client, &args.id, &["document"]).await?;
        let at = lookup::heads(client, &args.at).await?;
        let mut view = client.document(&found.id, &at).await?;
        if keep::fetch(app, client, &view).await? {
            view = client.document(&found.id, &at).await?;
        }
        if view.summary.not_kept > 0 {
            return Err(CommandError::failure(
                "its words are not all here: there is nothing to edit yet",
            ));
        }
        if view.underived > 0 {
            app.ui.warning(
                "the newest edits are not all derived yet: yours is made on the version before \
                 them, and is merged with them",
            );
        }
        let (operations, words) = changes(&args, new.as_deref(), &view)?;
        if operations.is_empty() {
            if app.ui.is_json() {
                return app
                    .ui
                    .json(&json!({ "id": found.id, "heads": view.at, "changed": false }));
            }
            app.ui.status("nothing changed");
            return Ok(());
        }
        let drafts = edit::drafts(operations);
        let place = lookup::place_of(client, &view.summary.space).await?;
        let said = Said {
            texts: words.iter().map(String::as_str).collect(),
            thread: None,
        };
        before_publishing(app, client, &place, &said, args.yes).await?;
        let identity = app.unlock()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let mut chain = desk.device_chain(&place).await?;
        let mut entries = desk.greeting(&mut chain)?;
        let document: DocumentId = parse(&found.id, "document")?;
        let mut heads = parse_ids(&view.at)?;
        let mut sign = |heads: &[EntryId], draft: &Draft| {
            let signed = chain.edit(now_ms(), document, heads.to_vec(), draft, random::bytes()?)?;
            let id = signed.id();
            entries.push(Entry::Contribution(signed));
            Ok::<_, CommandError>(id)
        };
        while let Some(some) = edit::to_merge(&heads).map(<[_]>::to_vec) {
            let merged = sign(&some, &edit::merge())?;
            heads.drain(..some.len());
            heads.push(merged);
        }
        for draft in &drafts {
            heads = vec![sign(&heads, draft)?];
        }
        let saved = desk.hand_in(&place.community.id, entries).await?;
        report(app, &found.id, &heads, drafts.len(), &saved)
    })
    .await
}

/// The operations, and the new words as a whole.
type Changes = (Vec<Operation<String>>, Vec<String>);

fn changes(args: &Edit, new: Option<&str>, view: &DocumentView) -> Result<Changes, CommandError> {
    let mut operations = Vec::new();
    let mut words: Vec<String> = args.title.iter().cloned().collect();
    if let Some(title) = &args.title
        && view.text("title") != Some(title.as_str())
    {
        if view.text("title").is_none() {
            return Err(CommandError::usage(format!(
                "a {} has no title",
                view.summary.kind
            )));
        }
        operations.push(edit::put_text("title", title));
    }
    if args.title.is_some() && new.is_none() {
        return Ok((operations, words));
    }
    let Some(old) = view.text("body") else {
        return Err(CommandError::usage(format!(
            "a {} has no text to edit",
            view.summary.kind
        )));
    };
    if view.summary.erased && old.contains('\u{2588}') {
        return Err(CommandError::failure(
            "its words were erased: there is nothing to edit",
        ));
    }
    let new = match new {
        Some(text) => text.to_owned(),
        None => input::edit(old)?,
    };
    operations.extend(edit::operations("body", &edit::splices(old, &new)));
    words.push(new);
    Ok((operations, words))
}

fn report(
    app: &App,
    document: &str,
    heads: &[EntryId],
    edits: usize,
    saved: &Saved,
) -> Result<(), CommandError> {
    let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "id": document,
            "heads": heads,
            "changed": true,
            "contributions": saved.new,
            "saved": true,
            "peers": saved.peers,
        }));
    }
    app.ui.line(&heads.join(","))?;
    if edits > 1 {
        let parts = render::count(edits as u64, "contribution");
        app.ui
            .status(&format!("the change is large: it was signed as {parts}"));
    }
    say_saved(app, saved);
    Ok(())
}
