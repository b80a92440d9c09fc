//! `comity erase --by-quorum`: the erasure of what somebody else wrote, proposed in the open.

use super::{floor::short_of, take_floor};
use crate::{
    app::App,
    args::content::Erase,
    commands::erase,
    desk::parse,
    error::CommandError,
    lookup,
    moment::{self, now_ms},
    render::{self, short},
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{HistoryItem, ProposalInfo},
};
use comity_protocol::certificate::{CertificateBody, ErasureOrder};

/// What a proposal to erase is called.
pub(super) const KIND: &str = "erasure";

/// Proposes that the words of a contribution are erased, and approves it.
pub(in crate::commands) async fn propose(
    app: &App,
    args: &Erase,
    reason: &str,
) -> Result<(), CommandError> {
    let public = app.public()?;
    app.with_node(Reach::Store, async |client| {
        let found = lookup::id(client, &args.id, &["contribution", "document"]).await?;
        let entry = client.entry(&found.id).await?;
        let community = client.community(&entry.community).await?;
        erase::must_be_delegate(&community, &public.root.to_string())?;
        let charter = client.charter(&community.id, None).await?;
        if charter.spaces.iter().all(|it| it.id != entry.space) {
            return Err(CommandError::failure(
                "cannot propose that before everybody: only its readers know of the space",
            )
            .hint(format!(
                "delegates sign an order that goes from hand to hand: `comity erase {} --order \
                 --reason TEXT > draft.json`",
                short(&found.id)
            )));
        }
        let words = written(client, &found.id).await?;
        if words.is_none_or(|it| it.erased) {
            return Err(
                CommandError::failure("nothing to erase: no words are there").hint(format!(
                    "`comity history {}` shows what was written, and what is erased",
                    short(entry.document.as_deref().unwrap_or(&found.id))
                )),
            );
        }
        let open = client.proposals(&community.id, None).await?;
        let same = |it: &&ProposalInfo| {
            let alive = matches!(it.state.as_str(), "open" | "carried");
            alive && target(it) == Some(&found.id)
        };
        if let Some(other) = open.iter().find(same) {
            return Err(CommandError::failure(format!(
                "{} proposes that already",
                short_of(other)
            ))
            .hint(format!("`comity charter approve {}`", short_of(other))));
        }
        app.ui.status(erase::MEANING);
        app.ui.warning(
            "everybody reads the proposal and its reason, also who may not read the space: do not \
             repeat there what is to go",
        );
        if !args.yes {
            app.confirm("Propose that these words are erased for good?")?;
        }
        let identity = app.unlock()?;
        let mut floor = take_floor(app, client, &identity, Some(&community.id)).await?;
        let body = CertificateBody::ErasureOrder(ErasureOrder {
            community: parse(&community.id, "community")?,
            charter: parse(&charter.id, "charter")?,
            space: parse(&entry.space, "space")?,
            contribution: parse(&found.id, "contribution")?,
            proposer: public.root,
            reason: reason.to_owned(),
            time_ms: now_ms(),
        });
        floor.put(&body, Vec::new(), None).await
    })
    .await
}

/// The contribution that a proposal would erase.
fn target(item: &ProposalInfo) -> Option<&String> {
    let mut changes = item.changes.iter();
    let erased = changes.find(|it| item.kind == KIND && it.what == "erase")?;
    erased.id.as_ref()
}

/// What is known here of a contribution; none if it is none, or is kept from this reader.
async fn written(client: &Client, id: &str) -> Result<Option<HistoryItem>, CommandError> {
    let Some(document) = client.entry(id).await?.document else {
        return Ok(None);
    };
    let mut items = client.history(&document).await?.into_iter();
    Ok(items.find(|it| it.id == id))
}

/// The words that a proposal would erase, as far as they may be read here: a proposal, which
/// everybody reads, names their contribution only.
pub(super) async fn words_of(client: &Client, item: &ProposalInfo) -> Vec<String> {
    let Some(id) = target(item) else {
        return Vec::new();
    };
    let Ok(Some(it)) = written(client, id).await else {
        return vec!["The words are not here, or are not for you to read.".to_owned()];
    };
    let author = render::author::author(&it.author);
    let time = moment::show(it.time_ms);
    let state = match it.erased {
        true => "; they are erased here",
        false => "",
    };
    let mut lines = vec![format!("The words are by {author}, {time}{state}")];
    if let Ok(Some(document)) = client.entry(id).await.map(|it| it.document)
        && let Ok(view) = client.document(&document, &[]).await
    {
        let title = sanitize::line(&view.summary.title).into_owned();
        lines.push(format!("in {title:?}: `comity show {}`", short(&document)));
    }
    lines
}
