//! Every route that reads, asked by a caller without a token about a restricted space: the answers
//! are equal to the byte whether the space is absent, empty or busy.
//!
//! Exempt are totals of the whole store, which decision 0013 leaves as they are, positions in the
//! record, and clocks: the table names each field.

use super::{Running, encode};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::types::TrackCommunity;
use comity_protocol::{
    certificate::Cuts,
    entry::Entry,
    id::SpaceId,
    record::{Role, Target},
};
use comity_tests::{
    alliance::{A, Alliance, party},
    community::{Person, document, key, put, reply, topic},
};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, fs::Permissions, os::unix::fs::PermissionsExt};

/// A question: the route as `node/src/api.rs` names it, what is asked, and the fields of the answer
/// that are exempt.
struct Asked {
    route: &'static str,
    path: String,
    body: Option<Value>,
    exempt: &'static [&'static str],
}

fn get(route: &'static str, path: impl Into<String>) -> Asked {
    Asked {
        route,
        path: path.into(),
        body: None,
        exempt: &[],
    }
}

impl Asked {
    fn but(self, exempt: &'static [&'static str]) -> Self {
        Self { exempt, ..self }
    }

    fn post(self, body: Value) -> Self {
        let body = Some(body);
        Self { body, ..self }
    }
}

/// What is known of the hidden space to somebody who guesses well.
struct Guess {
    space: SpaceId,
    declaration: Entry,
    inside: Vec<Entry>,
    public: Entry,
    by_stranger: Entry,
    /// Another community that the node takes part in.
    elsewhere: String,
}

/// Every route that reads.
fn table(alliance: &Alliance, guess: &Guess) -> Vec<Asked> {
    let delegate = &alliance.sides[A].delegates[0];
    let (device, root) = (delegate.device.public(), delegate.root.public());
    let (space, public) = (guess.space, alliance.space("public"));
    let inside = document(&guess.inside[0]);
    let edit = guess.inside[1].id();
    let open = document(&guess.public);
    let declared = guess.declaration.id();
    let party = alliance.sides[A].id;
    let of = |rest: &str| format!("/v0/communities/{}{rest}", alliance.id);
    let in_document = |rest: &str| format!("/v0/documents/{inside}{rest}");
    let digits = |id: String| format!("/v0/resolve?prefix={}", &id[..8]);
    let mut table = vec![
        get("/v0/status", "/v0/status").but(&[
            // Totals of the store, then clocks.
            "entries",
            "record_bytes",
            "index_bytes",
            "time_ms",
            "uptime_ms",
        ]),
        get("/v0/health", "/v0/health"),
        get("/v0/doctor", "/v0/doctor"),
        // Totals of the whole node, and how long they took: nothing else is left out.
        get("/v0/metrics", "/v0/metrics").but(&[
            "comity_ingest_entries_total",
            "comity_live_stage_seconds",
            "comity_store_commit_seconds",
            "comity_store_fsync_seconds",
            "comity_store_written_bytes_total",
            "comity_store_entries",
            "comity_store_disk_bytes",
            "comity_disk_free_bytes",
            "comity_api_requests_total",
            "comity_uptime_seconds",
        ]),
        get("/v0/communities", "/v0/communities"),
        get("/v0/communities/{id}", of("")),
        get("/v0/communities/{id}/members", of("/members")),
        get(
            "/v0/communities/{id}/cuts",
            of(&format!("/cuts?keys={device}")),
        ),
        get(
            "/v0/communities/{id}/cuts",
            of(&format!("/cuts?people={root}&spaces={space}")),
        ),
        get(
            "/v0/communities/{id}/cuts",
            of(&format!("/cuts?parties={party}")),
        ),
        get("/v0/communities/{id}/charter", of("/charter")),
        get(
            "/v0/communities/{id}/charter",
            of(&format!("/charter?at={declared}")),
        ),
        get("/v0/communities/{id}/charter/log", of("/charter/log")),
        get("/v0/communities/{id}/proposals", of("/proposals")),
        get(
            "/v0/communities/{id}/proposals",
            of(&format!("/proposals?delegate={root}")),
        ),
        get("/v0/communities/{id}/parties", of("/parties")),
        get("/v0/communities/{id}/without-effect", of("/without-effect")),
        get(
            "/v0/communities/{id}/parties/{party}",
            of(&format!("/parties/{party}")),
        ),
        get(
            "/v0/spaces/{space}/context",
            format!("/v0/spaces/{space}/context?author={device}"),
        ),
        get(
            "/v0/spaces/{space}/context",
            format!("/v0/spaces/{public}/context?author={device}"),
        )
        .but(&["time_ms"]),
        get("/v0/joins", "/v0/joins"),
        get("/v0/devices/requests", "/v0/devices/requests"),
        get("/v0/documents", "/v0/documents"),
        get("/v0/documents/{id}", in_document("")),
        get("/v0/documents/{id}", in_document("?held=1")),
        get("/v0/documents/{id}", in_document("?stubs=1")),
        get("/v0/documents/{id}", in_document(&format!("?at={edit}"))),
        get("/v0/documents/{id}", format!("/v0/documents/{open}")),
        get(
            "/v0/documents/{id}",
            format!("/v0/documents/{open}?at={edit}"),
        ),
        get("/v0/documents/{id}/history", in_document("/history")),
        get("/v0/documents/{id}/history", in_document("/history?held=1")),
        get("/v0/documents/{id}/blame", in_document("/blame")),
        get("/v0/documents/{id}/automerge", in_document("/automerge")),
        get("/v0/quarantine", "/v0/quarantine").but(&["rebuilds"]),
        get("/v0/quarantine", format!("/v0/quarantine?space={space}")).but(&["rebuilds"]),
        get("/v0/resolve", digits(space.to_string())),
        get("/v0/resolve", digits(declared.to_string())),
        get("/v0/sync/status", "/v0/sync/status").but(&["pending", "unauthorized"]),
        get("/v0/sync/status", format!("/v0/sync/status?author={root}"))
            // The time of the answer, for what is here.
            .but(&["pending", "unauthorized", "time_ms"]),
        get("/v0/export", "/v0/export"),
        get("/v0/export", format!("/v0/export?space={space}")),
        // Positions in the record: totals of the store.
        get("/v0/events", "/v0/events?since=0").but(&["cursor"]),
        get("/v0/origins", "/v0/origins")
            .post(json!({ "space": space.to_string(), "origins": [["mail", "1"]] })),
        get("/v0/verify", "/v0/verify")
            .post(json!({}))
            .but(&["entries", "bytes"]),
        get("/v0/entries", "/v0/entries").post(json!({
            "community": guess.elsewhere, "entries": [encode(&guess.by_stranger)],
        })),
        get("/v0/entries", "/v0/entries").post(json!({
            "community": alliance.id.to_string(), "entries": [encode(&guess.by_stranger)],
        })),
    ];
    for query in ["space", "author", "thread"] {
        let value = match query {
            "space" => space.to_string(),
            "author" => root.to_string(),
            _ => inside.to_string(),
        };
        let path = format!("/v0/documents?{query}={value}&stubs=true");
        table.push(get("/v0/documents", path));
    }
    for entry in guess.inside.iter().chain([&guess.declaration]) {
        let path = format!("/v0/entries/{}", entry.id());
        table.push(get("/v0/entries/{id}", path));
        table.push(get("/v0/resolve", digits(entry.id().to_string())));
    }
    table
}

/// Removes fields of these names, at any depth.
fn leave_out(value: &mut Value, exempt: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !exempt.contains(&name.as_str()));
            fields.values_mut().for_each(|it| leave_out(it, exempt));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| leave_out(it, exempt)),
        _ => {}
    }
}

/// Status, headers and body of an answer.
type Told = (u16, Vec<String>, Vec<u8>);

/// What is answered, without what is exempt.
async fn answer(node: &Running, asked: &Asked, token: Option<&str>) -> Told {
    let method = match asked.body {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let body = asked.body.as_ref().map(ToString::to_string);
    let mut request = Request::builder().method(method).uri(&asked.path);
    if let Some(token) = token {
        request = request.header("comity-reader", token);
    }
    let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
    let answer = (node.node.in_process())(request.unwrap()).await;
    let status = answer.status().as_u16();
    let is_length = |name: &str| name == "content-length" && !asked.exempt.is_empty();
    let headers = answer.headers().iter();
    let headers = headers.filter(|(name, _)| !is_length(name.as_str()));
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let headers = headers.collect();
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    // Events never end: they are read until all that was there has been told.
    while let Some(frame) = body.frame().await {
        bytes.extend(frame.unwrap().into_data().unwrap_or_default());
        if asked.route == "/v0/events" && String::from_utf8_lossy(&bytes).contains("caught_up") {
            break;
        }
    }
    if asked.exempt.is_empty() {
        return (status, headers, bytes);
    }
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.lines().filter(|line| {
        let is_of = |it: &&str| line.starts_with(*it);
        asked.route != "/v0/metrics" || !asked.exempt.iter().any(is_of)
    });
    let lines = lines.map(|line| {
        if asked.route == "/v0/metrics" {
            return format!("{line}\n");
        }
        let mut value: Value = serde_json::from_str(line).unwrap();
        leave_out(&mut value, asked.exempt);
        format!("{value}\n")
    });
    (status, headers, lines.collect::<String>().into_bytes())
}

/// A node that takes part, with these entries after the records; all such nodes have one key.
async fn node_with(alliance: &Alliance, other: &Alliance, entries: &[&Entry]) -> Running {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("node.key");
    fs::write(&path, key("hidden/node").seed()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let node = Running::open(home).await;
    for community in [alliance, other] {
        let records = community.records().iter();
        let request = TrackCommunity {
            community: community.id.to_string(),
            entries: records
                .map(|it| STANDARD_NO_PAD.encode(it.encode()))
                .collect(),
        };
        node.client.track(&request).await.unwrap();
    }
    let delegate = &alliance.sides[A].delegates[0];
    let token = delegate.reader_token(node.node.key());
    node.client.read_as(Some(token));
    // One by one: what is handed in with a removal comes after it.
    for entry in entries {
        node.save(alliance.id, &[entry]).await;
    }
    node
}

#[tokio::test]
async fn no_route_tells_a_stranger_whether_a_hidden_space_is_absent_empty_or_busy() {
    let mut alliance = Alliance::found("Hidden", &[party("Alder", &[]), party("Birch", &[])]);
    let other = Alliance::found("Elsewhere", &[party("Cedar", &[]), party("Dogwood", &[])]);
    let mut gone = alliance.member(A, "hidden/gone", &[Role::Member]);
    let (space, declaration) = alliance.internal(A);
    let mut delegate = alliance.sides[A].delegates[0].clone();
    let public = delegate
        .device
        .create(alliance.space("public"), &topic("Open", "For all."));
    let create = delegate.device.create(space, &topic("Inside", "Ours."));
    let of = document(&create);
    let edit = delegate
        .device
        .edit(space, of, &[create.id()], vec![put("title", "Within")]);
    let answered = delegate.device.create(space, &reply(of, "Indeed."));
    // What its author's removal takes out of effect: it is held.
    let held = gone.device.create(space, &topic("Held", "Once ours."));
    let cuts = Cuts {
        open: Vec::new(),
        sealed: [9; 32],
    };
    let removal = alliance.narrow(A, Target::Member(gone.root.public()), cuts);
    let mut eve = Person::new("hidden/eve");
    let guess = Guess {
        space,
        by_stranger: eve.device.create(space, &topic("Mine", "Let me in.")),
        elsewhere: other.id.to_string(),
        inside: vec![create, edit, answered, held],
        declaration,
        public,
    };
    let outside = [&guess.public, &removal];
    let inside: Vec<&Entry> = [&guess.declaration]
        .into_iter()
        .chain(&guess.inside)
        .collect();
    let absent = node_with(&alliance, &other, &outside).await;
    let empty = node_with(&alliance, &other, &[&inside[..1], &outside].concat()).await;
    let busy = node_with(&alliance, &other, &[&inside[..], &outside].concat()).await;

    let table = table(&alliance, &guess);
    let router = include_str!("../../../src/api.rs");
    let reading = router.split(".route(").skip(1);
    let reading = reading.filter(|it| it.contains("get("));
    let routes: BTreeSet<&str> = reading.map(|it| it.split('"').nth(1).unwrap()).collect();
    let asked: BTreeSet<&str> = table.iter().map(|it| it.route).collect();
    assert!(routes.len() > 15, "{routes:?}");
    let missing: Vec<_> = routes.difference(&asked).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");

    let token = delegate.reader_token(absent.node.key());
    let (mut told_apart, mut betrayed) = (0, Vec::new());
    for question in &table {
        let of_absent = answer(&absent, question, None).await;
        for (state, node) in [("empty", &empty), ("busy", &busy)] {
            let told = answer(node, question, None).await;
            if told != of_absent {
                let shown = |it: &Told| (it.0, it.1.clone(), String::from_utf8_lossy(&it.2).into());
                let (told, absent): (_, (_, _, String)) = (shown(&told), shown(&of_absent));
                betrayed.push(format!(
                    "{} tells that the space is {state}:\n{told:?}\n{absent:?}",
                    question.path
                ));
            }
        }
        let by_reader = answer(&busy, question, Some(&token)).await;
        told_apart += usize::from(by_reader != of_absent);
    }
    assert!(betrayed.is_empty(), "{}", betrayed.join("\n\n"));
    // Those who may read are told: the questions do ask about something.
    assert!(told_apart > 20, "readers see {told_apart} differences");
}
