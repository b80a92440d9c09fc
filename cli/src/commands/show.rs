//! `comity show`, `history`, `diff` and `blame`.

use super::{keep, quarantine};
use crate::{
    app::App,
    args::content::{Blame, Diff, History, Show},
    error::CommandError,
    lookup, render,
    session::Reach,
    ui::sanitize,
};
use comity_client::{Client, types::DocumentView};
use serde_json::{Value, json};
use similar::TextDiff;
use std::collections::BTreeSet;

/// A document with its whole thread, with words that are not kept here fetched.
async fn whole(
    app: &App,
    client: &Client,
    id: &str,
    at: &[String],
) -> Result<DocumentView, CommandError> {
    let view = as_kept(client, id, at).await?;
    match keep::fetch(app, client, &view).await? {
        true => as_kept(client, id, at).await,
        false => Ok(view),
    }
}

async fn as_kept(client: &Client, id: &str, at: &[String]) -> Result<DocumentView, CommandError> {
    let mut view = client.document_with_stubs(id, at).await?;
    while let Some(next) = view.next.take() {
        let part = client.document_after(id, &next).await?;
        view.replies.extend(part.replies);
        view.next = part.next;
    }
    Ok(view)
}

/// Shows a document with its thread.
pub(super) async fn show(app: &App, args: Show) -> Result<(), CommandError> {
    let view = app
        .with_node(Reach::Store, async |client| {
            let found = match lookup::id(client, &args.id, &["document", "contribution"]).await {
                Ok(found) => found,
                // What is held is found by no look-up; it is shown as a stub, or as asked for.
                Err(error) => {
                    let Ok(held) = quarantine::document(client, &args.id).await else {
                        return Err(error);
                    };
                    return Ok(match args.held {
                        true => client.document_with_held(&held).await?,
                        false => client.document_with_stubs(&held, &[]).await?,
                    });
                }
            };
            if args.held {
                let entry = client.entry(&found.id).await?;
                let document = entry.document.unwrap_or(found.id);
                return Ok(client.document_with_held(&document).await?);
            }
            let at = lookup::heads(client, &args.at).await?;
            if found.what == "contribution" {
                // A step of a document stands for the document as of that step.
                let entry = client.entry(&found.id).await?;
                let document = entry.document.unwrap_or_else(|| found.id.clone());
                let at = if at.is_empty() { vec![found.id] } else { at };
                return whole(app, client, &document, &at).await;
            }
            whole(app, client, &found.id, &at).await
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&view);
    }
    if args.body {
        let text = view.text("body").unwrap_or_default();
        // A terminal must be kept safe; a file or pipe gets the text as it was written.
        return match app.ui.width() {
            Some(_) => app.ui.line(sanitize::text(text).trim_end()),
            None => app.ui.bytes(text.as_bytes()),
        };
    }
    let lines = match args.held {
        true => render::document::with_held(&view),
        false => render::document::document(&view),
    };
    lines.iter().try_for_each(|line| app.ui.line(line))
}

/// Shows the steps that made a document.
pub(super) async fn history(app: &App, args: &History) -> Result<(), CommandError> {
    let (items, view) = app
        .with_node(Reach::Store, async |client| {
            let found = lookup::id(client, &args.id, &["document"]).await?;
            let items = client.history(&found.id).await?;
            Ok((items, client.document(&found.id, &[]).await?))
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&items);
    }
    say_origin(app, &view);
    app.ui.table(&render::list::history(&items))
}

/// Shows what changed between two versions.
pub(super) async fn diff(app: &App, args: Diff) -> Result<(), CommandError> {
    let (old, new) = app
        .with_node(Reach::Store, async |client| {
            let found = lookup::id(client, &args.id, &["document"]).await?;
            let split = |heads: &str| heads.split(',').map(str::to_owned).collect::<Vec<_>>();
            let a = lookup::heads(client, &split(&args.a)).await?;
            let b = lookup::heads(client, &split(args.b.as_deref().unwrap_or_default())).await?;
            let old = client.document(&found.id, &a).await?;
            let new = client.document(&found.id, &b).await?;
            Ok((old, new))
        })
        .await?;
    let changed = changed_fields(&old, &new);
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "id": new.summary.id,
            "a": old.at,
            "b": new.at,
            "fields": changed.iter().map(|(name, before, after)| json!({
                "name": name, "before": before, "after": after,
            })).collect::<Vec<_>>(),
        }));
    }
    if changed.is_empty() {
        app.ui.status("nothing differs");
    }
    say_origin(app, &new);
    for (name, before, after) in changed {
        let name = sanitize::line(&name).into_owned();
        let (before, after) = (text(&before), text(&after));
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        let shown = diff
            .unified_diff()
            .header(&format!("a/{name}"), &format!("b/{name}"))
            .to_string();
        for line in sanitize::text(&shown).lines() {
            app.ui.line(line)?;
        }
    }
    Ok(())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => format!("{other:#}\n"),
    }
}

fn changed_fields(old: &DocumentView, new: &DocumentView) -> Vec<(String, Value, Value)> {
    let value = |view: &DocumentView, name: &str| {
        let field = view.fields.iter().find(|field| field.name == name);
        field.map_or(Value::Null, |field| field.value.clone())
    };
    let names: BTreeSet<&String> = old
        .fields
        .iter()
        .chain(&new.fields)
        .map(|it| &it.name)
        .collect();
    names
        .into_iter()
        .map(|name| (name.clone(), value(old, name), value(new, name)))
        .filter(|(_, before, after)| before != after)
        .collect()
}

/// Shows who wrote which part of a text.
pub(super) async fn blame(app: &App, args: &Blame) -> Result<(), CommandError> {
    let (spans, view) = app
        .with_node(Reach::Store, async |client| {
            let found = lookup::id(client, &args.id, &["document"]).await?;
            let spans = client.blame(&found.id, &args.field).await?;
            Ok((spans, client.document(&found.id, &[]).await?))
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&spans);
    }
    say_origin(app, &view);
    for line in render::list::adopted(&spans) {
        app.ui.warning(&line);
    }
    render::list::blame(&spans)
        .iter()
        .try_for_each(|line| app.ui.line(line))
}

/// Whoever signed an import did not write it.
fn say_origin(app: &App, view: &DocumentView) {
    if let Some(origin) = &view.summary.origin {
        app.ui.warning(&render::author::origin(origin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::document::tests::view;

    #[test]
    fn only_fields_that_differ_are_shown() {
        let (old, mut new) = (view("a", "page", "one"), view("a", "page", "two"));
        let changed = changed_fields(&old, &new);
        assert_eq!(changed, [("body".into(), json!("one"), json!("two"))]);
        new.fields.clear();
        assert_eq!(changed_fields(&old, &new)[0].2, Value::Null);
        assert!(changed_fields(&old, &old).is_empty());
    }
}
