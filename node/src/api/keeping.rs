//! What this node keeps of a space, and fetching words that it does not.

use super::{
    App,
    error::Failure,
    extract::{Body, Name, State, blocking},
};
use crate::{
    keeping::{self, Keep, Kept},
    projection::{KindCode, position_of_key, thread_prefix},
    store::IndexScan,
};
use axum::Json;
use comity_client::types::{KeepSpace, SpaceInfo, WordsFetched};
use comity_protocol::{
    certificate::governance_space,
    id::{DocumentId, EntryId, SpaceId},
};
use std::sync::Arc;

/// Replies of a thread whose words are fetched with it.
const THREAD_MAX: usize = 1_000;

pub(super) async fn keep(
    State(app): State<Arc<App>>,
    Name(space): Name,
    Body(KeepSpace { keep }): Body<KeepSpace>,
) -> Result<Json<SpaceInfo>, Failure> {
    blocking(&app, move |app| {
        let keep: Keep = keep.parse().map_err(Failure::invalid)?;
        let (space, community) = app.find_space(&space)?;
        if space == governance_space(community) && !keep.is_everything() {
            return Err(Failure::refused(
                "the community's own records are always kept: who may do what follows from them",
            )
            .hint("`comity community leave` ends the exchange of a whole community."));
        }
        let kept = app.inner.archive.kept();
        kept.decide(space, keep)?;
        kept.settle(space)?;
        let inner = app.inner.clone();
        tokio::task::spawn_blocking(move || keeping::count(&inner));
        let authority = app.authority(&community)?;
        app.space_info(&authority, &space).map(Json)
    })
    .await
}

pub(super) async fn fetch(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<Json<WordsFetched>, Failure> {
    let (document, space, lacking) = blocking(&app, move |app| {
        let document = app.find_document(&id)?;
        let (space, _) = app.views_of(&document)?;
        Ok((document, space, lacking(app, &document, &space)?))
    })
    .await?;
    let mut fetched = WordsFetched::default();
    if let (Some(peers), false) = (app.inner.peers(), lacking.is_empty()) {
        let came = peers.fetch_words(space, lacking).await;
        fetched.found = came.found as u64;
        fetched.asked = came.asked as u64;
    }
    blocking(&app, move |app| {
        fetched.lacking = lacking_count(app, &document, &space)?;
        app.inner.archive.kept().settle(space)?;
        Ok(Json(fetched))
    })
    .await
}

fn lacking_count(app: &App, document: &DocumentId, space: &SpaceId) -> Result<u64, Failure> {
    Ok(lacking(app, document, space)?.len() as u64)
}

/// Contributions of a document and of the replies to it whose words are not here.
fn lacking(app: &App, document: &DocumentId, space: &SpaceId) -> Result<Vec<EntryId>, Failure> {
    let archive = &app.inner.archive;
    if !archive.kept().is_partial(space) {
        return Ok(Vec::new());
    }
    let prefix = thread_prefix(document, space, KindCode::of("reply"));
    let page = archive
        .store()
        .index()
        .scan(&IndexScan::forward(prefix, THREAD_MAX))?;
    let keys = page.items.iter();
    let replies = keys.filter_map(|(key, _)| archive.document_at(position_of_key(key)?));
    let mut lacking = Vec::new();
    for document in std::iter::once(*document).chain(replies) {
        for (_, id, _) in archive.headers_of(&document)? {
            if archive.lacks_words_of(&id)? {
                lacking.push(id);
            }
        }
    }
    Ok(lacking)
}

impl App {
    /// What is said of what is kept of a space: the decision, its state in a word, and how many
    /// contributions are here without their words.
    pub(super) fn kept_of(&self, space: &SpaceId) -> (String, String, Option<u64>) {
        let kept = self.inner.archive.kept();
        let (state, lacking) = match kept.kept(space) {
            Kept::Complete => ("complete", Some(0)),
            Kept::Partial { lacking } => ("partial", lacking),
            Kept::Nothing => ("not_exchanged", None),
        };
        (kept.of(space).to_string(), state.to_owned(), lacking)
    }

    /// Spaces that the caller may read and that are not here whole.
    pub(super) fn incomplete_spaces(&self) -> Result<Vec<SpaceInfo>, Failure> {
        let mut spaces = Vec::new();
        for community in self.community_ids() {
            let Ok(authority) = self.authority(&community) else {
                continue;
            };
            for space in self.shown_spaces(&community) {
                if self.inner.archive.kept().kept(&space) != Kept::Complete {
                    spaces.push(self.space_info(&authority, &space)?);
                }
            }
        }
        Ok(spaces)
    }

    /// Words in a space that is not exchanged would reach nobody.
    pub(super) fn refuse_unexchanged(&self, space: &SpaceId) -> Result<(), Failure> {
        let kept = self.inner.archive.kept();
        if kept.exchanges(space) || !self.shows(space) {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "nothing was saved: this node keeps nothing of the space {space}, so it would reach nobody"
        ))
        .hint("Exchange the space again with `comity space keep SPACE everything`, then try again."))
    }
}
