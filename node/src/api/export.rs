//! `GET /v0/export`: all documents as JSON lines.
//!
//! In the order of document ids, which is the same on all nodes, read from the index one document
//! at a time: the export of a large node needs no more memory than that of a small one.

use super::{
    App,
    error::Failure,
    extract::{Args, State, blocking},
};
use crate::{
    library::LibraryError,
    projection::{DOCUMENTS, POSITION_BYTES, position_of_key},
    store::IndexScan,
    views::ViewError,
};
use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use comity_protocol::{
    entry::Entry,
    id::{DocumentId, SpaceId},
};
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use std::{io, sync::Arc};
use tokio::sync::mpsc;
use tracing::warn;

/// Lines made ahead of the reader.
const AHEAD: usize = 64;
/// Contributions of a document that are tried before it counts as unreadable.
const TRIED_MAX: usize = 16;

#[derive(Deserialize)]
pub(super) struct Asked {
    space: Option<String>,
}

pub(super) type Lines = mpsc::Sender<Result<Bytes, io::Error>>;

/// An answer of JSON lines that are sent as they come.
pub(super) fn lines() -> (Lines, Response) {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let stream = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let headers = [(CONTENT_TYPE, "application/x-ndjson")];
    (sender, (headers, Body::from_stream(stream)).into_response())
}

pub(super) async fn export(
    State(app): State<Arc<App>>,
    Args(Asked { space }): Args<Asked>,
) -> Result<Response, Failure> {
    let space = blocking(&app, move |app| {
        let found = space.map(|it| app.find_space(&it)).transpose()?;
        Ok(found.map(|(space, _)| space))
    })
    .await?;
    let (sender, answer) = lines();
    tokio::task::spawn_blocking(move || {
        if let Err(failure) = write(&app, space, &sender) {
            // A broken connection tells the reader that the export is not whole.
            warn!(message = failure.message(), "an export broke off");
            let _ = sender.blocking_send(Err(io::Error::other(failure.message().to_owned())));
        }
    });
    Ok(answer)
}

fn write(app: &App, space: Option<SpaceId>, lines: &Lines) -> Result<(), Failure> {
    let mut after = None;
    while let Some(next) = next_document(app, after)? {
        after = Some(next.prefix);
        let Some(document) = next.document else {
            continue;
        };
        let Ok((found, views)) = app.views_of(&document) else {
            continue;
        };
        if space.is_some_and(|wanted| wanted != found) {
            continue;
        }
        let line = match views.export(&document) {
            Ok(line) => line,
            // What is not in effect is in no export: those of equal sets are equal.
            Err(ViewError::Library(LibraryError::Held { .. })) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut line = serde_json::to_vec(&line).map_err(Failure::internal)?;
        line.push(b'\n');
        if lines.blocking_send(Ok(line.into())).is_err() {
            // The reader went away.
            break;
        }
    }
    Ok(())
}

/// A document as the index names it: by the beginning of its id.
struct Next {
    prefix: Vec<u8>,
    /// None if what the record holds of it cannot be read.
    document: Option<DocumentId>,
}

/// What comes after a prefix in the order of ids, which is the same on all nodes.
fn next_document(app: &App, after: Option<Vec<u8>>) -> Result<Option<Next>, Failure> {
    // Above every position under that prefix.
    let after = after.map(|prefix| [&prefix[..], &[0xff; 9]].concat());
    let archive = &app.inner.archive;
    let scan = |prefix, limit| IndexScan::forward(prefix, limit);
    let first = archive
        .store()
        .index()
        .scan(&scan(DOCUMENTS.to_vec(), 1).after(after))?;
    let Some((key, _)) = first.items.first() else {
        return Ok(None);
    };
    let prefix = key[..key.len().saturating_sub(POSITION_BYTES)].to_vec();
    let items = archive
        .store()
        .index()
        .scan(&scan(prefix.clone(), TRIED_MAX))?
        .items;
    let document = items
        .iter()
        .find_map(|(key, _)| match archive.at(position_of_key(key)?) {
            Ok(Entry::Contribution(it)) => Some(it.header().document(it.id())),
            _ => None,
        });
    Ok(Some(Next { prefix, document }))
}
