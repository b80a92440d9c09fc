//! Charter, proposals and parties, as delegates and members read them.

mod changes;
mod charter;
mod named;
mod parties;
mod proposals;
mod without_effect;

use super::{
    App,
    error::Failure,
    extract::{Args, Name, blocking},
    lookup,
};
use axum::{
    Json,
    extract::{Path, State},
};
use comity_client::types::{
    CharterInfo, CharterStep, PartyDetail, ProposalInfo, RecordsWithoutEffect,
};
use comity_protocol::{
    authority::{charter::Charter, parties::Parties},
    entry::{Entry, Record},
    id::{CommunityId, EntryId},
};
use named::Named;
use serde::Deserialize;
use std::sync::Arc;

/// Records without effect that are told at once, unless the caller says how many.
const RECORDS_DEFAULT: usize = 50;
const RECORDS_MAX: usize = 500;

#[derive(Deserialize)]
pub(super) struct At {
    at: Option<String>,
}

pub(super) async fn charter(
    State(app): State<Arc<App>>,
    Name(community): Name,
    Args(At { at }): Args<At>,
) -> Result<Json<CharterInfo>, Failure> {
    blocking(&app, move |app| {
        let known = Known::of(app, &community)?;
        charter::show(&known, at.as_deref()).map(Json)
    })
    .await
}

pub(super) async fn log(
    State(app): State<Arc<App>>,
    Name(community): Name,
) -> Result<Json<Vec<CharterStep>>, Failure> {
    blocking(&app, move |app| {
        let known = Known::of(app, &community)?;
        charter::log(&known).map(Json)
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Asking {
    delegate: Option<String>,
}

pub(super) async fn proposals(
    State(app): State<Arc<App>>,
    Name(community): Name,
    Args(Asking { delegate }): Args<Asking>,
) -> Result<Json<Vec<ProposalInfo>>, Failure> {
    blocking(&app, move |app| {
        let delegate = delegate.as_deref().map(lookup::key).transpose()?;
        let known = Known::of(app, &community)?;
        Ok(Json(proposals::all(app, &known, delegate.as_ref())))
    })
    .await
}

pub(super) async fn parties(
    State(app): State<Arc<App>>,
    Name(community): Name,
) -> Result<Json<Vec<PartyDetail>>, Failure> {
    blocking(&app, move |app| {
        let known = Known::of(app, &community)?;
        let chains = known.parties().iter();
        let details = chains.map(|(id, chain)| parties::detail(&known, *id, chain));
        Ok(Json(details.collect()))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Limited {
    limit: Option<usize>,
}

pub(super) async fn without_effect(
    State(app): State<Arc<App>>,
    Name(community): Name,
    Args(Limited { limit }): Args<Limited>,
) -> Result<Json<RecordsWithoutEffect>, Failure> {
    let limit = limit.unwrap_or(RECORDS_DEFAULT);
    if !(1..=RECORDS_MAX).contains(&limit) {
        return Err(Failure::invalid(format!(
            "{limit} records were asked for; 1 to {RECORDS_MAX} are given"
        )));
    }
    blocking(&app, move |app| {
        let known = Known::of(app, &community)?;
        without_effect::all(app, &known, limit).map(Json)
    })
    .await
}

pub(super) async fn party(
    State(app): State<Arc<App>>,
    Path((community, party)): Path<(String, String)>,
) -> Result<Json<PartyDetail>, Failure> {
    blocking(&app, move |app| {
        let known = Known::of(app, &community)?;
        parties::one(&known, &party).map(Json)
    })
    .await
}

/// A community as far as its governance goes: what follows from the records, and the records of
/// deliberation themselves.
struct Known<'a> {
    community: CommunityId,
    named: Named<'a>,
    /// Certificates, and records of deliberation.
    entries: Vec<Entry>,
}

impl<'a> Known<'a> {
    fn of(app: &'a App, community: &str) -> Result<Self, Failure> {
        let community = app.find_community(community)?;
        let unknown = || lookup::unknown("community", &community.to_string());
        let authors = app.views(community).ok_or_else(unknown)?.authors;
        let ledger = app.inner.ingest.ledger();
        let held = ledger.communities().get(&community).ok_or_else(unknown)?;
        let governance = held.governance().iter();
        let entries = governance.filter(|it| proposals::is_about_governance(it));
        let entries = entries.map(|it| (**it).clone()).collect();
        drop(ledger);
        Ok(Self {
            community,
            named: Named { authors },
            entries,
        })
    }

    fn charter(&self) -> Result<&Charter, Failure> {
        self.named.authors.authority.charter().ok_or_else(|| {
            Failure::unavailable("the community's first records have not all arrived")
                .hint("`comity sync --wait` fetches them from connected peers.")
        })
    }

    fn parties(&self) -> &Parties {
        self.named.authors.authority.party_chains()
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().filter_map(|it| match it {
            Entry::Record(record) => Some(record),
            _ => None,
        })
    }
}

/// The one id of these that the text is, or starts.
fn pick(ids: impl Iterator<Item = EntryId>, text: &str, what: &str) -> Result<EntryId, Failure> {
    let fitting: Vec<EntryId> = ids.filter(|it| it.to_string().starts_with(text)).collect();
    match fitting.as_slice() {
        [one] => Ok(*one),
        [] => Err(lookup::unknown(what, text)),
        several => Err(Failure::ambiguous(format!(
            "{text} may stand for {} things of type {what}",
            several.len()
        ))
        .hint("Give more digits of the id.")),
    }
}
