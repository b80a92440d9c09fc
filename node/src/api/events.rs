//! `GET /v0/events`: what took effect, from a cursor on, and then as it happens.
//!
//! The record itself is the queue. A listener reads it from its cursor, one page after the other,
//! up to the newest entry in effect, and then waits for more: however slow it is, it misses
//! nothing and is told nothing twice, and nobody waits for it.

use super::{
    App,
    error::Failure,
    export::{Lines, lines},
    extract::{Args, blocking},
};
use crate::store::{Position, StoreError, StoredEntry};
use axum::{extract::State, response::Response};
use comity_client::types::{Event, PeerInfo};
use comity_protocol::{
    certificate::CertificateBody,
    contribution::Header,
    entry::{Entry, Record},
    id::{DocumentId, EntryId},
    record::RecordBody,
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tracing::warn;

/// Entries read at once.
const PAGE: usize = 64;
/// How often connected peers are looked at.
const PEERS_EVERY: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
pub(super) struct Asked {
    since: Option<u64>,
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Args(Asked { since }): Args<Asked>,
) -> Result<Response, Failure> {
    let applied = app.inner.ingest.applied();
    let cursor = match since {
        None => *applied.borrow(),
        Some(cursor) => blocking(&app, move |app| check_cursor(app, cursor)).await?,
    };
    let (lines, answer) = lines();
    let listener = Listener {
        app,
        lines,
        cursor,
        peers: BTreeMap::new(),
    };
    tokio::spawn(listener.run(applied));
    Ok(answer)
}

/// A cursor is where an entry begins, or 0.
fn check_cursor(app: &App, cursor: u64) -> Result<u64, Failure> {
    if cursor == 0 {
        return Ok(cursor);
    }
    match app
        .inner
        .archive
        .store()
        .read_at(Position::from_u64(cursor))
    {
        Ok(_) | Err(StoreError::Damaged { .. }) => Ok(cursor),
        Err(StoreError::NoEntry { .. }) => Err(Failure::invalid(format!(
            "{cursor} is no cursor of this node"
        ))
        .hint("Use the cursor of an event that this node told, or 0 for all events.")),
        Err(error) => Err(error.into()),
    }
}

/// The reader went away.
struct Gone;

struct Listener {
    app: Arc<App>,
    lines: Lines,
    cursor: u64,
    peers: BTreeMap<String, PeerInfo>,
}

impl Listener {
    async fn run(mut self, mut applied: tokio::sync::watch::Receiver<u64>) {
        let mut stopping = self.app.inner.stopping.subscribe();
        // Not held while entries are told: a stop must not wait for a slow reader.
        let told = tokio::select! {
            told = self.tell(&mut applied) => told,
            _ = stopping.wait_for(|it| *it) => Ok(()),
        };
        if let Err(Gone) = told {
            tracing::debug!("a listener went away");
        }
    }

    async fn tell(&mut self, applied: &mut tokio::sync::watch::Receiver<u64>) -> Result<(), Gone> {
        let mut caught_up = false;
        let mut look = tokio::time::interval(PEERS_EVERY);
        loop {
            let until = *applied.borrow_and_update();
            while self.cursor < until {
                let before = self.cursor;
                self.tell_page(until).await?;
                if self.cursor == before {
                    break;
                }
            }
            if !caught_up {
                caught_up = true;
                self.send(&self.plain("caught_up")).await?;
            }
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return Ok(()) },
                _ = look.tick() => self.tell_peers().await?,
                () = self.lines.closed() => return Err(Gone),
            }
        }
    }

    /// Tells the next entries after the cursor, at most up to `until`.
    async fn tell_page(&mut self, until: u64) -> Result<(), Gone> {
        let cursor = self.cursor;
        let read = blocking(&self.app, move |app| read_page(app, cursor, until)).await;
        match read {
            Ok((events, cursor)) => {
                for event in &events {
                    self.send(event).await?;
                }
                self.cursor = cursor;
                Ok(())
            }
            Err(failure) => {
                warn!(message = failure.message(), "events broke off");
                Err(Gone)
            }
        }
    }

    async fn tell_peers(&mut self) -> Result<(), Gone> {
        let Some(peers) = self.app.inner.peers() else {
            return Ok(());
        };
        let connected: BTreeMap<String, PeerInfo> = peers
            .connected()
            .await
            .into_iter()
            .map(|peer| (peer.peer_id.clone(), peer))
            .collect();
        let before = std::mem::replace(&mut self.peers, connected.clone());
        for (id, peer) in &connected {
            let known = before.get(id);
            if known.is_none() {
                self.send_peer("peer_connected", peer).await?;
            }
            if peer.in_sync && !known.is_some_and(|it| it.in_sync) {
                self.send_peer("in_sync", peer).await?;
            }
        }
        for (_, peer) in before.iter().filter(|(id, _)| !connected.contains_key(*id)) {
            self.send_peer("peer_disconnected", peer).await?;
        }
        Ok(())
    }

    async fn send_peer(&self, event: &str, peer: &PeerInfo) -> Result<(), Gone> {
        let of = peer.party.as_deref().map(|party| format!(" of {party}"));
        let message = format!(
            "{}{} at {}",
            peer.peer_id,
            of.unwrap_or_default(),
            peer.address
        );
        let event = Event {
            message: Some(message),
            ..self.plain(event)
        };
        self.send(&event).await
    }

    fn plain(&self, event: &str) -> Event {
        plain(event, self.cursor)
    }

    async fn send(&self, event: &Event) -> Result<(), Gone> {
        // Serializing these types does not fail: keys are texts, numbers are integers.
        let mut line = serde_json::to_vec(event).map_err(|_| Gone)?;
        line.push(b'\n');
        self.lines.send(Ok(line.into())).await.map_err(|_| Gone)
    }
}

fn plain(event: &str, cursor: u64) -> Event {
    Event {
        cursor,
        event: event.to_owned(),
        id: None,
        what: None,
        document: None,
        kind: None,
        space: None,
        author: None,
        title: None,
        message: None,
    }
}

/// Events of the entries after `cursor` up to `until`, and the cursor after them.
fn read_page(app: &App, cursor: u64, until: u64) -> Result<(Vec<Event>, u64), Failure> {
    let store = app.inner.archive.store();
    let page = store.iterate(Position::from_u64(cursor), PAGE)?;
    let mut events = Vec::new();
    let mut next = cursor;
    let mut beyond = false;
    for stored in page.entries {
        let position = stored.position.to_u64();
        if position > until {
            beyond = true;
            break;
        }
        if position > cursor {
            next = position;
            events.extend(event(app, stored));
        }
    }
    // A page of nothing but damage is passed over, so that the end is reached.
    if events.is_empty() && !beyond {
        next = match page.at_end {
            true => until,
            false => page.next.to_u64(),
        };
    }
    Ok((events, next))
}

fn event(app: &App, stored: StoredEntry) -> Option<Event> {
    let (id, position) = (stored.id, stored.position.to_u64());
    let entry = match app.inner.archive.entry(stored) {
        Ok(entry) => entry,
        Err(error) => {
            warn!(%id, %error, "an entry cannot be told of");
            return None;
        }
    };
    let (space, community) = app.place_of(&entry, &id)?;
    let views = app.views(community)?;
    let (what, document) = describe(app, &entry);
    let headline = document.and_then(|document| views.headline(&document).ok());
    let (kind, title) = match headline {
        Some(headline) => (Some(headline.kind), Some(headline.title)),
        None => (None, None),
    };
    Some(Event {
        id: Some(id.to_string()),
        what: Some(what.to_owned()),
        document: document.map(|it| it.to_string()),
        kind,
        space: Some(space.to_string()),
        author: Some(views.authors.author(&entry.key().author)),
        title,
        ..plain("entry", position)
    })
}

fn describe(app: &App, entry: &Entry) -> (&'static str, Option<DocumentId>) {
    match entry {
        Entry::Contribution(it) => contribution(it.header(), it.id()),
        Entry::Record(record) => self::record(app, record),
        Entry::Certificate(certificate) => match certificate.body() {
            CertificateBody::Party(_) => ("party", None),
            CertificateBody::Genesis(_) => ("genesis", None),
        },
    }
}

fn contribution(header: &Header, id: EntryId) -> (&'static str, Option<DocumentId>) {
    let what = match header.deps() {
        [] => "create",
        _ => "edit",
    };
    (what, Some(header.document(id)))
}

fn record(app: &App, record: &Record) -> (&'static str, Option<DocumentId>) {
    use comity_protocol::pipeline::Known;
    match record.body() {
        RecordBody::Invitation(_) => ("invitation", None),
        RecordBody::Countersignature(_) => ("countersignature", None),
        RecordBody::Admission(_) => ("admission", None),
        RecordBody::DeviceLink(_) => ("device_link", None),
        RecordBody::NodeLink(_) => ("node_link", None),
        RecordBody::Receipt(_) => ("receipt", None),
        RecordBody::Erasure(erasure) => {
            let erased = app.inner.archive.contribution(erasure.contribution);
            ("erasure", erased.map(|it| it.document))
        }
    }
}
