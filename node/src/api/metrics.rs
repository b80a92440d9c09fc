//! What the node counts of itself, as text that Prometheus reads.
//!
//! Totals of the whole node, the same for whoever asks, as those of the status are: they name nothing
//! (`specs/decisions/0013-readers-at-the-local-api.md`).

use super::{
    App,
    error::Failure,
    extract::{State, blocking},
    health::disk_free_bytes,
};
use crate::{
    metrics::Text,
    peers::{Measured, Peers, Warden},
    store::{Stats, StoreState},
};
use axum::response::{IntoResponse, Response};
use hyper::header::CONTENT_TYPE;
use std::sync::Arc;

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    let measured = match app.inner.peers() {
        Some(peers) => peers.measure().await,
        None => None,
    };
    let text = blocking(&app, move |app| {
        let stats = app.inner.archive.store().stats()?;
        let mut text = Text::default();
        ingest(&mut text, app);
        store(&mut text, app, &stats);
        exchange(&mut text, app);
        network(&mut text, measured);
        order(&mut text, app);
        rest(&mut text, app);
        Ok(text.into_string())
    })
    .await?;
    Ok(([(CONTENT_TYPE, Text::CONTENT_TYPE)], text).into_response())
}

fn ingest(text: &mut Text, app: &App) {
    let counted = app.inner.ingest.metrics();
    let refused = &counted.refused;
    text.counters(
        "comity_ingest_entries_total",
        "Entries that came in, from here and from peers, by what became of them.",
        "outcome",
        &[
            ("saved", counted.saved.get()),
            ("already_present", counted.present.get()),
            ("waiting", counted.waiting.get()),
        ],
    );
    text.counters(
        "comity_ingest_refused_total",
        "Entries that are broken for good, by what is wrong.",
        "reason",
        &[
            ("unreadable", refused.unreadable.get()),
            ("signature", refused.signature.get()),
            ("links", refused.links.get()),
            ("community", refused.community.get()),
        ],
    );
    text.gauge(
        "comity_pending_entries",
        "Entries that wait in memory for others or for authority.",
        counted.pending.get(),
    );
    let stages = &counted.stages;
    text.histograms(
        "comity_live_stage_seconds",
        "Time of each call of ingest by stage, each from the end of the one before.",
        "stage",
        &[
            ("queued", &stages.queued),
            ("verified", &stages.verified),
            ("durable", &stages.durable),
            ("visible", &stages.visible),
        ],
    );
}

fn store(text: &mut Text, app: &App, stats: &Stats) {
    let counted = &app.inner.metrics.store;
    text.histogram(
        "comity_store_commit_seconds",
        "Time of group commits that became durable, their syncs included.",
        &counted.commits,
    );
    text.histogram(
        "comity_store_fsync_seconds",
        "Time of the syncs of the record in commits.",
        &counted.syncs,
    );
    text.counter(
        "comity_store_commits_failed_total",
        "Group commits of which nothing was saved.",
        counted.failed.get(),
    );
    text.counter(
        "comity_store_written_bytes_total",
        "Bytes of the record that became durable.",
        counted.bytes.get(),
    );
    text.gauge(
        "comity_store_entries",
        "Entries of the record.",
        stats.entries,
    );
    text.gauges(
        "comity_store_disk_bytes",
        "Bytes on disk.",
        "part",
        &[("record", stats.record_bytes), ("index", stats.index_bytes)],
    );
    text.gauge(
        "comity_store_read_only",
        "Whether the store takes no writes.",
        u64::from(stats.state != StoreState::Ready),
    );
    text.gauge(
        "comity_store_damaged_places",
        "Damaged places of the record found since the node started.",
        stats.damaged as u64,
    );
    if let Ok(free) = disk_free_bytes(app.inner.home.path()) {
        text.gauge(
            "comity_disk_free_bytes",
            "Bytes left on the disk that holds the node's home.",
            free,
        );
    }
}

fn exchange(text: &mut Text, app: &App) {
    let counted = &app.inner.metrics.exchange;
    text.counter(
        "comity_sync_sessions_total",
        "Sync sessions that were begun.",
        counted.sessions.get(),
    );
    text.counters(
        "comity_sync_entries_total",
        "Entries in frames of sync sessions.",
        "direction",
        &[
            ("sent", counted.sent.entries.get()),
            ("received", counted.received.entries.get()),
        ],
    );
    text.counters(
        "comity_sync_bytes_total",
        "Bytes of frames of sync sessions, before encryption.",
        "direction",
        &[
            ("sent", counted.sent.bytes.get()),
            ("received", counted.received.bytes.get()),
        ],
    );
    let heard = &counted.heard;
    text.counters(
        "comity_gossip_heard_total",
        "Gossip messages by what they brought; dropped: too many came at once to be looked at.",
        "outcome",
        &[
            ("new", heard.new.get()),
            ("duplicate", heard.known.get()),
            ("refused", heard.refused.get()),
            ("ignored", heard.ignored.get()),
            ("dropped", heard.dropped.get()),
        ],
    );
}

fn network(text: &mut Text, measured: Option<Measured>) {
    text.gauge(
        "comity_network_up",
        "Whether the node takes part in the network.",
        u64::from(measured.is_some()),
    );
    let measured = measured.unwrap_or_default();
    let counted = &measured.counted;
    text.gauges(
        "comity_sync_sessions",
        "Sync sessions now, by whether the sets of both sides are equal.",
        "state",
        &[
            ("in_sync", measured.in_sync as u64),
            ("exchanging", measured.exchanging as u64),
        ],
    );
    text.gauges(
        "comity_connections",
        "Connections now, by who opened them.",
        "direction",
        &[
            ("inbound", measured.inbound as u64),
            ("outbound", measured.outbound as u64),
        ],
    );
    let events = [
        ("opened", counted.connections_opened),
        ("closed", counted.connections_closed),
        ("inbound_refused", counted.inbound_refused),
        ("dial_failed", counted.dials_failed),
        ("reconnect_tried", counted.reconnect_attempts),
        ("ping_missed", counted.pings_missed),
    ];
    text.counters(
        "comity_connection_events_total",
        "What happened to connections.",
        "event",
        &events,
    );
    let gossip = [
        ("published", counted.gossip_published),
        ("received", counted.gossip_received),
        ("passed_on", counted.gossip_accepted),
        ("rejected", counted.gossip_rejected),
        ("not_sent", counted.gossip_not_sent),
        ("dropped", counted.queue.dropped_gossip),
    ];
    text.counters(
        "comity_gossip_messages_total",
        "Gossip messages as the network sees them; not_sent: a peer was too slow to take them.",
        "event",
        &gossip,
    );
}

fn order(text: &mut Text, app: &App) {
    let nobody = Warden::default();
    let warden = app.inner.peers().map_or(&nobody, Peers::warden);
    let counted = &warden.counted;
    text.counters(
        "comity_peer_offences_total",
        "What peers did that no honest one does.",
        "offence",
        &counted.offences(),
    );
    text.counters(
        "comity_peer_limits_total",
        "Times a peer met a limit; banned: it was shut out for a while.",
        "limit",
        &[
            ("banned", counted.bans.get()),
            ("not_answered", counted.unanswered.get()),
            ("not_read_from", counted.pauses.get()),
            ("gossip_not_heard", counted.muted.get()),
        ],
    );
    text.gauge(
        "comity_peers_kept_out",
        "Peers that are shut out now.",
        warden.banned().len() as u64,
    );
}

fn rest(text: &mut Text, app: &App) {
    text.gauge(
        "comity_derivation_backlog_documents",
        "Documents of which something is still to be derived in the background.",
        app.inner.library.backlog() as u64,
    );
    text.counters(
        "comity_api_requests_total",
        "Requests that the local API has answered, by status.",
        "status",
        &app.inner.metrics.answers.all(),
    );
    let uptime = app.inner.started.elapsed();
    text.gauge(
        "comity_uptime_seconds",
        "Seconds since the node started.",
        uptime.as_secs(),
    );
}
