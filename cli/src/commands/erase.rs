//! `comity erase`: takes words back, and says what that means.

use super::publish::say_saved;
use crate::{
    app::App,
    args::content::Erase,
    desk::{Desk, parse},
    error::CommandError,
    lookup,
    moment::now_ms,
    render,
    session::Reach,
};
use comity_client::{
    Client,
    types::{Candidate, HistoryItem},
};
use comity_protocol::{
    entry::Entry,
    id::EntryId,
    record::{Erasure, RecordBody},
};
use serde_json::json;

const MEANING: &str = "\
Erasing removes the words for good, here at once and at every peer as soon as it hears of it.
That something was written, by whom and when, and what others built on it, stays.
What others have copied, exported or kept in backups is out of reach.";

/// Erases words of one's own.
pub(super) async fn erase(app: &App, args: Erase) -> Result<(), CommandError> {
    let public = app.public()?;
    app.with_node(Reach::Store, async |client| {
        let found = lookup::id(client, &args.id, &["document", "contribution"]).await?;
        let (document, items) = contributions(client, &found).await?;
        let device = public.device.to_string();
        let root = public.root.to_string();
        let mine: Vec<&HistoryItem> = items
            .iter()
            .filter(|it| it.author.device == device && it.what != "merge" && !it.erased)
            .collect();
        let elsewhere = items
            .iter()
            .filter(|it| {
                it.author.device != device && it.author.root.as_deref() == Some(&root) && !it.erased
            })
            .count();
        if elsewhere > 0 {
            app.ui.warning(&format!(
                "{} by another device of yours: erase there too, since only the device that wrote \
                 words can erase them",
                render::count(elsewhere as u64, "contribution")
            ));
        }
        if mine.is_empty() {
            return nothing(&items, &device);
        }
        let what = render::count(mine.len() as u64, "contribution");
        app.ui.status(MEANING);
        if !args.yes {
            app.confirm(&format!("Erase the words of {what} of yours?"))?;
        }
        let ids = mine
            .iter()
            .map(|it| parse(&it.id, "contribution"))
            .collect::<Result<Vec<EntryId>, _>>()?;
        let view = client.document(&document, &[]).await?;
        let place = lookup::place_of(client, &view.summary.space).await?;
        let identity = app.unlock()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let mut chain = desk.erasing_chain(&place).await?;
        let entries = ids.iter().map(|id| {
            let erasure = Erasure { contribution: *id };
            Entry::Record(chain.record(now_ms(), RecordBody::Erasure(erasure)))
        });
        let entries: Vec<Entry> = entries.collect();
        let saved = desk.hand_in(&place.community.id, entries).await?;
        if app.ui.is_json() {
            let erased: Vec<String> = ids.iter().map(ToString::to_string).collect();
            return app
                .ui
                .json(&json!({ "document": document, "erased": erased, "peers": saved.peers }));
        }
        for id in &ids {
            app.ui.line(&id.to_string())?;
        }
        app.ui
            .status(&format!("the words of {what} are erased here"));
        say_saved(app, &saved);
        Ok(())
    })
    .await
}

/// The document, and of its contributions those that are meant.
async fn contributions(
    client: &Client,
    found: &Candidate,
) -> Result<(String, Vec<HistoryItem>), CommandError> {
    if found.what == "document" {
        return Ok((found.id.clone(), client.history(&found.id).await?));
    }
    let entry = client.entry(&found.id).await?;
    let document = entry.document.ok_or_else(|| {
        CommandError::failure(format!("{} is not a contribution to a document", found.id))
    })?;
    let mut items = client.history(&document).await?;
    items.retain(|it| it.id == found.id);
    Ok((document, items))
}

fn nothing(items: &[HistoryItem], device: &str) -> Result<(), CommandError> {
    let mine = items.iter().any(|it| it.author.device == device);
    Err(if mine {
        CommandError::failure("nothing to erase: your words there are erased already")
    } else {
        CommandError::failure("nothing to erase: you wrote none of it on this device")
            .hint("people erase their own words; ask the author, or the moderators of a party")
    })
}
