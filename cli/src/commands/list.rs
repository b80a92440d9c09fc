//! `comity list`.

use crate::{app::App, args::content::List, error::CommandError, lookup, render, session::Reach};
use comity_client::types::{DocumentQuery, Page};

/// Documents of one request when all are listed.
const PAGE_MAX: usize = 500;

/// Lists documents.
pub(super) async fn list(app: &App, args: List) -> Result<(), CommandError> {
    let author = match args.author.as_deref() {
        Some("me") => Some(app.public()?.root.to_string()),
        other => other.map(str::to_owned),
    };
    app.with_node(Reach::Store, async |client| {
        let mut query = DocumentQuery {
            kind: args.kind.clone(),
            author: author.clone(),
            tag: args.tag.clone(),
            system: args.system.clone(),
            limit: Some(if args.all {
                PAGE_MAX
            } else {
                usize::try_from(args.limit).unwrap_or(PAGE_MAX)
            }),
            cursor: args.cursor.clone(),
            oldest_first: args.oldest_first,
            stubs: true,
            ..DocumentQuery::default()
        };
        if let Some(id) = &args.thread {
            query.thread = Some(lookup::id(client, id, &["document"]).await?.id);
        }
        if args.space.is_some() {
            let place =
                lookup::space(client, args.community.as_deref(), args.space.as_deref()).await?;
            query.space = Some(place.space.id);
        } else if args.community.is_some() {
            let community = lookup::community(client, args.community.as_deref()).await?;
            query.community = Some(community.id);
        }
        let mut page = client.documents(&query).await?;
        while args.all
            && let Some(cursor) = page.next.take()
        {
            query.cursor = Some(cursor);
            let next = client.documents(&query).await?;
            page.items.extend(next.items);
            page.next = next.next;
        }
        show(app, &page)
    })
    .await
}

fn show(app: &App, page: &Page<comity_client::types::DocumentSummary>) -> Result<(), CommandError> {
    if app.ui.is_json() {
        return app.ui.json(page);
    }
    if page.items.is_empty() {
        app.ui.status("no documents here fit");
        return Ok(());
    }
    app.ui.table(&render::list::documents(&page.items))?;
    if page.items.iter().any(|it| it.held.is_some()) {
        app.ui
            .hint("what is not in effect stands in brackets; `comity show --held ID` shows it");
    }
    if let Some(cursor) = &page.next {
        app.ui
            .hint(&format!("there is more: add --cursor {cursor}, or --all"));
    }
    Ok(())
}
