//! `comity space keep`, and words that are fetched because somebody reads them.

use crate::{
    app::App, args::space::Keep, error::CommandError, lookup, render, session::Reach, ui::sanitize,
};
use comity_client::{
    Client,
    types::{DocumentView, KeepSpace},
};

/// Decides what the node keeps of a space, or shows it.
pub(super) async fn keep(app: &App, args: &Keep) -> Result<(), CommandError> {
    let space = app
        .with_node(Reach::Store, async |client| {
            let community = args.community.as_deref();
            let place = lookup::space(client, community, Some(&args.name)).await?;
            match decided(args) {
                None => Ok(place.space),
                Some(keep) => Ok(client
                    .keep_space(&place.space.id, &KeepSpace { keep })
                    .await?),
            }
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&super::space::as_json(&space));
    }
    let name = sanitize::line(&space.name).into_owned();
    app.ui
        .line(&format!("{name}: {}", render::community::kept(&space)))
}

fn decided(args: &Keep) -> Option<String> {
    match args {
        Keep { all: true, .. } => Some("everything".to_owned()),
        Keep {
            structure: true, ..
        } => Some("structure".to_owned()),
        Keep { nothing: true, .. } => Some("nothing".to_owned()),
        Keep { recent, .. } => recent.map(|days| format!("recent {days}")),
    }
}

/// How many contributions to a document and its replies are shown without their words.
pub(super) fn not_kept(view: &DocumentView) -> u64 {
    let replies = view.replies.iter().map(not_kept);
    view.summary.not_kept + replies.sum::<u64>()
}

/// Has words fetched that the node does not keep. True if some came: the document reads otherwise now.
pub(super) async fn fetch(
    app: &App,
    client: &Client,
    view: &DocumentView,
) -> Result<bool, CommandError> {
    if not_kept(view) == 0 {
        return Ok(false);
    }
    let fetched = client.fetch_words(&view.summary.id).await?;
    if fetched.lacking > 0 {
        let lacking = render::count(fetched.lacking, "contribution");
        app.ui.warning(&match fetched.asked {
            0 => format!(
                "words of {lacking} are not kept here, and no peer is connected that may read the space"
            ),
            asked => format!(
                "words of {lacking} are not kept here, and none of {} has them",
                render::count(asked, "connected peer")
            ),
        });
        app.ui.hint(
            "connect to a node that keeps them (`comity node connect MULTIADDR`), then try again",
        );
    }
    Ok(fetched.found > 0)
}
