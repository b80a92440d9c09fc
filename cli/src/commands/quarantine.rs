//! `comity quarantine …`: what is kept here and not in effect.

use crate::{
    app::App, args::member::QuarantineCommand, error::CommandError, lookup, render, session::Reach,
};
use comity_client::{
    Client,
    types::{Quarantine, QuarantineQuery},
};

/// Pages that are looked through for a shortened id.
const PAGES_MAX: usize = 100;

/// Runs a command about what is not in effect.
pub(super) async fn run(app: &App, command: QuarantineCommand) -> Result<(), CommandError> {
    match command {
        QuarantineCommand::List { community, limit } => {
            list(app, community.as_deref(), limit).await
        }
        QuarantineCommand::Records { community, limit } => {
            records(app, community.as_deref(), limit).await
        }
        QuarantineCommand::Show { id } => show(app, &id).await,
    }
}

async fn list(app: &App, named: Option<&str>, limit: u64) -> Result<(), CommandError> {
    let page: Quarantine = app
        .with_node(Reach::Store, async |client| {
            let community = match named {
                Some(_) => Some(lookup::community(client, named).await?.id),
                None => None,
            };
            let query = QuarantineQuery {
                community,
                limit: usize::try_from(limit).ok(),
                ..QuarantineQuery::default()
            };
            Ok(client.quarantine(&query).await?)
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&page);
    }
    if page.items.is_empty() {
        app.ui.status("everything that is kept here is in effect");
        return Ok(());
    }
    app.ui.table(&render::member::held(&page.items))?;
    if page.next.is_some() {
        app.ui.hint("there is more: ask with a higher --limit");
    }
    app.ui
        .hint("`comity show --held DOCUMENT` shows the words all the same");
    Ok(())
}

/// Records of the roster are readable by everyone, so no space needs to be named.
async fn records(app: &App, named: Option<&str>, limit: u64) -> Result<(), CommandError> {
    let found = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, named).await?.id;
            let limit = Some(limit);
            Ok(client.records_without_effect(&community, limit).await?)
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&found);
    }
    if found.items.is_empty() {
        app.ui.status("every record of membership has an effect");
        return Ok(());
    }
    app.ui
        .table(&render::member::without_effect(&found.items))?;
    if found.total > found.items.len() as u64 {
        app.ui.hint("there is more: ask with a higher --limit");
    }
    Ok(())
}

async fn show(app: &App, id: &str) -> Result<(), CommandError> {
    let view = app
        .with_node(Reach::Store, async |client| {
            let document = document(client, id).await?;
            Ok(client.document_with_held(&document).await?)
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&view);
    }
    render::document::with_held(&view)
        .iter()
        .try_for_each(|line| app.ui.line(line))
}

/// The document of something held, by the start of either id. What is not in effect is in no list.
pub(super) async fn document(client: &Client, id: &str) -> Result<String, CommandError> {
    let mut query = QuarantineQuery {
        limit: Some(500),
        ..QuarantineQuery::default()
    };
    let mut found: Vec<String> = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.quarantine(&query).await?;
        for item in page.items {
            let is_meant = item.document.starts_with(id) || item.id.starts_with(id);
            if is_meant && !found.contains(&item.document) {
                found.push(item.document);
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(
            CommandError::failure(format!("nothing with the id {id} is out of effect here"))
                .hint("`comity quarantine list` shows what is")
                .hint("`comity show ID` shows what is in effect"),
        ),
        count => Err(CommandError::usage(format!(
            "{id} stands for {count} documents: add more digits"
        ))
        .hints(found)),
    }
}
