//! `comity erase`: takes words back, and says what that means.

use super::{charter::erasure, draft::Draft, publish::say_saved};
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
    types::{Candidate, CommunityInfo, HistoryItem},
};
use comity_protocol::{
    certificate::{CertificateBody, ErasureOrder},
    entry::Entry,
    id::EntryId,
    record::{Erasure, RecordBody},
};
use serde_json::json;

pub(super) const MEANING: &str = "\
Erasing removes the words for good, here at once and at every peer as soon as it hears of it.
That something was written, by whom and when, and what others built on it, stays.
What others have copied, exported or kept in backups is out of reach.";

/// Erases words of one's own.
pub(super) async fn erase(app: &App, args: Erase) -> Result<(), CommandError> {
    if let Some(reason) = &args.reason {
        return match args.by_quorum {
            true => erasure::propose(app, &args, reason).await,
            false => order(app, &args, reason).await,
        };
    }
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

/// Begins an order that delegates of a quorum of parties sign.
async fn order(app: &App, args: &Erase, reason: &str) -> Result<(), CommandError> {
    let public = app.public()?;
    app.with_node(Reach::Store, async |client| {
        let found = lookup::id(client, &args.id, &["contribution", "document"]).await?;
        let entry = client.entry(&found.id).await?;
        let community = client.community(&entry.community).await?;
        must_be_delegate(&community, &public.root.to_string())?;
        if !args.yes {
            app.confirm("Order that these words are erased for good?")?;
        }
        let identity = app.unlock()?;
        let body = CertificateBody::ErasureOrder(ErasureOrder {
            community: parse(&entry.community, "community")?,
            charter: parse(&community.charter, "charter")?,
            space: parse(&entry.space, "space")?,
            contribution: parse(&found.id, "contribution")?,
            proposer: public.root,
            reason: reason.to_owned(),
            time_ms: now_ms(),
        });
        let mut draft = Draft::new(&entry.community, &body);
        draft.sign(identity.root()?)?;
        match draft.hand_in(client).await? {
            Some(id) => {
                app.ui.status(
                    "a quorum has signed: the words are erased here, and at every peer that hears of it",
                );
                app.ui.line(&id.to_string())
            }
            None => {
                app.ui.line(&draft.to_text())?;
                app.ui.status(
                    "This is a draft: delegates of a quorum of the parties have to sign it.",
                );
                app.ui
                    .hint("keep it in a file and send it to the next: `comity sign FILE`");
                Ok(())
            }
        }
    })
    .await
}

/// Refuses early what nodes would refuse later.
pub(super) fn must_be_delegate(community: &CommunityInfo, root: &str) -> Result<(), CommandError> {
    let mut parties = community.parties.iter();
    match parties.any(|it| it.delegates.iter().any(|key| key == root)) {
        true => Ok(()),
        false => Err(CommandError::failure(
            "you cannot order an erasure: only delegates of a party can",
        )
        .hint("`comity community show` lists the delegates: ask one of them")),
    }
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
            .hint(
                "delegates of a quorum of parties can: `comity erase ID --by-quorum --reason TEXT`",
            )
    })
}
