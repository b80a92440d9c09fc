//! One document: its view, history, authorship, and its Automerge file.

use super::{
    App,
    error::Failure,
    extract::{Args, Name, State, blocking},
    lookup,
};
use crate::views::ThreadPart;
use axum::{Json, response::IntoResponse};
use comity_client::types::{BlameSpan, DocumentView, HistoryItem};
use comity_protocol::{id::EntryId, limits::DEPS_MAX};
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub(super) struct At {
    #[serde(default)]
    at: String,
    #[serde(default)]
    held: Option<u8>,
    #[serde(default)]
    stubs: Option<u8>,
    #[serde(default)]
    after: Option<String>,
}

/// Whether a flag, such as `held=1`, is set.
fn asked_for(flag: Option<u8>) -> bool {
    flag.is_some_and(|flag| flag != 0)
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Name(id): Name,
    Args(At {
        at,
        held,
        stubs,
        after,
    }): Args<At>,
) -> Result<Json<DocumentView>, Failure> {
    blocking(&app, move |app| {
        let heads = heads(&at)?;
        let document = app.find_document(&id)?;
        let (_, views) = app.views_of(&document)?;
        let part = ThreadPart {
            stubs: asked_for(stubs),
            after: after.as_deref().map(lookup::cursor).transpose()?,
        };
        Ok(Json(match asked_for(held) {
            false => views.document(&document, &heads, part)?,
            true => views.document_with_held(&document, &heads)?,
        }))
    })
    .await
}

fn heads(text: &str) -> Result<Vec<EntryId>, Failure> {
    let mut heads = text
        .split(',')
        .filter(|it| !it.is_empty())
        .map(lookup::entry_id)
        .collect::<Result<Vec<_>, _>>()?;
    heads.sort();
    heads.dedup();
    if heads.len() > DEPS_MAX {
        return Err(Failure::invalid(format!(
            "{} heads were given; a view has at most {DEPS_MAX}",
            heads.len()
        )));
    }
    Ok(heads)
}

#[derive(Deserialize)]
pub(super) struct OfHistory {
    #[serde(default)]
    held: Option<u8>,
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    Name(id): Name,
    Args(OfHistory { held }): Args<OfHistory>,
) -> Result<Json<Vec<HistoryItem>>, Failure> {
    blocking(&app, move |app| {
        let document = app.find_document(&id)?;
        let (_, views) = app.views_of(&document)?;
        Ok(Json(match asked_for(held) {
            false => views.history(&document)?,
            true => views.history_with_held(&document)?,
        }))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Field {
    #[serde(default = "body")]
    field: String,
}

fn body() -> String {
    "body".to_owned()
}

pub(super) async fn blame(
    State(app): State<Arc<App>>,
    Name(id): Name,
    Args(Field { field }): Args<Field>,
) -> Result<Json<Vec<BlameSpan>>, Failure> {
    blocking(&app, move |app| {
        let document = app.find_document(&id)?;
        let (_, views) = app.views_of(&document)?;
        Ok(Json(views.blame(&document, &field)?))
    })
    .await
}

pub(super) async fn automerge(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<impl IntoResponse, Failure> {
    blocking(&app, move |app| {
        let document = app.find_document(&id)?;
        let (_, views) = app.views_of(&document)?;
        let file = views.automerge(&document)?;
        Ok(([(CONTENT_TYPE, "application/octet-stream")], file))
    })
    .await
}
