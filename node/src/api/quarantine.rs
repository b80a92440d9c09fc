//! `GET /v0/quarantine`: what this node keeps and what is not in effect, with the reasons.

use super::{
    App,
    error::Failure,
    extract::{Args, State, blocking},
};
use crate::held::HeldEntry;
use axum::Json;
use comity_client::types::{Quarantine, QuarantineQuery, Rebuilds};
use comity_protocol::{
    id::{CommunityId, EntryId, SpaceId},
    sync::Key,
};
use std::{collections::BTreeSet, sync::Arc};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Args(query): Args<QuarantineQuery>,
) -> Result<Json<Quarantine>, Failure> {
    blocking(&app, move |app| page(app, &query).map(Json)).await
}

fn page(app: &App, query: &QuarantineQuery) -> Result<Quarantine, Failure> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid(format!(
            "a page of {limit} entries was asked for; 1 to {LIMIT_MAX} are given"
        )));
    }
    let community = query.community.as_deref();
    let community = community.map(|it| app.find_community(it)).transpose()?;
    let space = query.space.as_deref();
    let space = space.map(|it| app.find_space(it)).transpose()?;
    let after = query.cursor.as_deref();
    let after = after.map(|it| read_cursor(app, it)).transpose()?;
    let communities = app.community_ids();
    let shown: BTreeSet<SpaceId> = communities
        .iter()
        .flat_map(|it| app.shown_spaces(it))
        .collect();
    let (mut found, held) = {
        let held = app.inner.archive.held();
        let shown = |it: &&HeldEntry| shown.contains(&it.space);
        let wanted = |it: &&HeldEntry| fits(it, community, space.map(|(space, _)| space));
        let found = held.after(after).filter(shown).filter(wanted);
        let found: Vec<HeldEntry> = found.take(limit + 1).cloned().collect();
        (found, held.after(None).filter(shown).count() as u64)
    };
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next = last.map(|it| it.key.id.to_string());
    let item = |it: &HeldEntry| app.views(it.community)?.held_item(it);
    let rebuilds = app.inner.ingest.ledger().rebuilds();
    Ok(Quarantine {
        items: found.iter().filter_map(item).collect(),
        next,
        held,
        rebuilds: Rebuilds {
            changes: rebuilds.changes,
            documents: rebuilds.documents,
            last_documents: rebuilds.last_documents,
        },
    })
}

fn fits(it: &HeldEntry, community: Option<CommunityId>, space: Option<SpaceId>) -> bool {
    community.is_none_or(|wanted| wanted == it.community)
        && space.is_none_or(|wanted| wanted == it.space)
}

/// A cursor is the id of the last entry told. Its place is found also when it is in effect again.
fn read_cursor(app: &App, text: &str) -> Result<(SpaceId, Key), Failure> {
    let invalid = || {
        Failure::invalid(format!("{text:?} is no cursor"))
            .hint("Use `next` of the page before, with the same query.")
    };
    let id: EntryId = text.parse().map_err(|_| invalid())?;
    let entry = app.inner.archive.get(&id)?.ok_or_else(invalid)?;
    let space = entry.space().filter(|it| app.shows(it));
    let space = space.ok_or_else(invalid)?;
    Ok((space, entry.key().in_set_of(&space)))
}
