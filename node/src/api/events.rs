//! `GET /v0/events`: what took effect, from a cursor on, and then as it happens.
//!
//! The record itself is the queue. A listener reads it from its cursor, one page after the other,
//! up to the newest entry in effect, and then waits for more: however slow it is, it misses
//! nothing and is told nothing twice, and nobody waits for it. How far long work is, it is told
//! between pages and as it happens; a slow listener is told fewer steps of it.

use super::{
    App,
    error::Failure,
    export::{Lines, lines},
    extract::{Args, State, blocking},
};
use crate::{
    ledger::Rebuilds,
    projection::LATE_WORDS,
    store::{Position, StoredEntry},
    tasks,
};
use axum::response::Response;
use comity_client::types::{Event, PeerInfo, Task};
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
    let newest = *applied.borrow();
    let cursor = since.unwrap_or(newest);
    if cursor > newest {
        return Err(Failure::invalid(format!(
            "the cursor {cursor} is ahead of everything this node has"
        ))
        .hint("Use the cursor of an event that this node told, or 0 for all events."));
    }
    let from = blocking(&app, move |app| Ok(app.position_before(cursor))).await?;
    let (lines, answer) = lines();
    let rebuilds = app.inner.ingest.ledger().rebuilds();
    let listener = Listener {
        // From here on: what the caller asks for next is not missed.
        tasks: app.inner.tasks.listen(),
        app,
        lines,
        place: Place { from, cursor },
        peers: BTreeMap::new(),
        rebuilds,
    };
    tokio::spawn(listener.run(applied));
    Ok(answer)
}

impl App {
    /// Where the newest entry at or before a cursor begins; 0 if there is none. The record is only
    /// read from where entries begin: anywhere else it looks damaged.
    fn position_before(&self, cursor: u64) -> u64 {
        let ledger = self.inner.ingest.ledger();
        let positions = ledger.spaces().values().flat_map(|it| it.trie.keys());
        positions
            .map(|(_, position)| position)
            .filter(|position| *position <= cursor)
            .max()
            .unwrap_or_default()
    }
}

/// How far a listener was told.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Where to read on.
    from: u64,
    /// Entries up to here were told.
    cursor: u64,
}

/// The reader went away.
struct Gone;

struct Listener {
    app: Arc<App>,
    lines: Lines,
    place: Place,
    tasks: tasks::Listener,
    peers: BTreeMap<String, PeerInfo>,
    rebuilds: Rebuilds,
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
            while self.place.cursor < until {
                let before = self.place;
                self.tell_page(until).await?;
                let news = self.tasks.news();
                self.tell_progress(news).await?;
                if self.place == before {
                    break;
                }
            }
            self.tell_rebuilds().await?;
            if !caught_up {
                caught_up = true;
                self.send(&self.plain("caught_up")).await?;
            }
            tokio::select! {
                changed = applied.changed() => if changed.is_err() { return Ok(()) },
                _ = look.tick() => self.tell_peers().await?,
                news = self.tasks.next() => match news {
                    Some(news) => self.tell_progress(news).await?,
                    None => return Ok(()),
                },
                () = self.lines.closed() => return Err(Gone),
            }
        }
    }

    /// Tells that other contributions may be in effect than before.
    async fn tell_rebuilds(&mut self) -> Result<(), Gone> {
        let now = self.app.inner.ingest.ledger().rebuilds();
        let before = std::mem::replace(&mut self.rebuilds, now);
        if now.changes == before.changes {
            return Ok(());
        }
        let documents = now.documents - before.documents;
        let message = format!("authority changed: {documents} documents were evaluated anew");
        let event = Event {
            message: Some(message),
            ..self.plain("rebuilt")
        };
        self.send(&event).await
    }

    /// Tells the next entries after the cursor, at most up to `until`.
    async fn tell_page(&mut self, until: u64) -> Result<(), Gone> {
        let place = self.place;
        let read = blocking(&self.app, move |app| read_page(app, place, until)).await;
        match read {
            Ok((events, place)) => {
                for event in &events {
                    self.send(event).await?;
                }
                self.place = place;
                Ok(())
            }
            Err(failure) => {
                warn!(message = failure.message(), "events broke off");
                Err(Gone)
            }
        }
    }

    async fn tell_progress(&self, news: Vec<Task>) -> Result<(), Gone> {
        for task in self.app.shown_tasks(news) {
            let event = Event {
                task: Some(task),
                ..self.plain("progress")
            };
            self.send(&event).await?;
        }
        Ok(())
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
        plain(event, self.place.cursor)
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
        task: None,
    }
}

/// Events of the next entries up to `until`, and the place after them.
fn read_page(app: &App, place: Place, until: u64) -> Result<(Vec<Event>, Place), Failure> {
    let store = app.inner.archive.store();
    let page = store.iterate(Position::from_u64(place.from), PAGE)?;
    let mut events = Vec::new();
    let mut next = place;
    for stored in page.entries {
        let position = stored.position.to_u64();
        if position > until {
            return Ok((events, next));
        }
        next.from = position;
        if position > place.cursor {
            next.cursor = position;
            events.extend(event(app, stored));
        }
    }
    next.from = page.next.to_u64();
    // Nothing but damage may stand between the last entry and the end.
    if page.at_end {
        next.cursor = until;
    }
    Ok((events, next))
}

fn event(app: &App, stored: StoredEntry) -> Option<Event> {
    let (id, position) = (stored.id, stored.position.to_u64());
    // Their contribution was told of when it came.
    if stored.kind == LATE_WORDS {
        return None;
    }
    if app.inner.archive.held().contains(&id) {
        return None;
    }
    let entry = match app.inner.archive.entry(stored) {
        Ok(entry) => entry,
        Err(error) => {
            warn!(%id, %error, "an entry cannot be told of");
            return None;
        }
    };
    if matches!(entry, Entry::Bare(_)) {
        return None;
    }
    let (space, community) = app.place_of(&entry)?;
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
    use comity_protocol::pipeline::Known;
    match entry {
        Entry::Contribution(it) => contribution(it.header(), it.id()),
        Entry::Record(record) => self::record(app, record),
        Entry::Certificate(certificate) => match certificate.body() {
            CertificateBody::Party(_) => ("party", None),
            CertificateBody::Genesis(_) => ("genesis", None),
            CertificateBody::Resolution(_) => ("resolution", None),
            CertificateBody::SpaceDeclaration(_) => ("space_declaration", None),
            CertificateBody::ErasureOrder(order) => {
                let erased = app.inner.archive.contribution(order.contribution);
                ("erasure_order", erased.map(|it| it.document))
            }
        },
        Entry::Bare(_) => ("header", None),
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
        RecordBody::Revocation(_) => ("revocation", None),
        RecordBody::Departure(_) => ("departure", None),
        RecordBody::DeviceRevocation(_) => ("device_revocation", None),
        RecordBody::InvitationApproval(_) => ("invitation_approval", None),
        RecordBody::Proposal(_) => ("proposal", None),
        RecordBody::Approval(_) => ("approval", None),
        RecordBody::Rejection(_) => ("rejection", None),
        RecordBody::BranchChoice(_) => ("branch_choice", None),
        RecordBody::Receipt(_) => ("receipt", None),
        RecordBody::Acknowledge(_) => ("acknowledge", None),
        RecordBody::CutTable(_) => ("cut_table", None),
        RecordBody::Erasure(erasure) => {
            let erased = app.inner.archive.contribution(erasure.contribution);
            ("erasure", erased.map(|it| it.document))
        }
    }
}
