//! The typed client: one method per endpoint.

use crate::{
    transport::{Answer, ClientError, Transport},
    types::*,
};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::{Arc, Mutex, PoisonError};

/// A client of one node.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    readers: Arc<Mutex<Vec<String>>>,
}

type Answered<T> = Result<T, ClientError>;

impl Client {
    /// A client over this transport.
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            readers: Arc::default(),
        }
    }

    /// From here on all clones show this token of a reader (base64); none: they show none.
    pub fn read_as(&self, token: Option<String>) {
        *self.readers.lock().unwrap_or_else(PoisonError::into_inner) = token.into_iter().collect();
    }

    /// Shows one token more.
    pub fn also_read_as(&self, token: String) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if !readers.contains(&token) {
            readers.push(token);
        }
    }

    /// The tokens that are shown.
    pub fn readers(&self) -> Vec<String> {
        let readers = self.readers.lock();
        readers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the node runs in another process.
    pub fn is_remote(&self) -> bool {
        matches!(self.transport, Transport::Socket(_))
    }

    /// What the node is and how it does.
    pub async fn status(&self) -> Answered<NodeStatus> {
        self.get("/v0/status").await
    }

    /// Whether the node does what it is there for.
    pub async fn health(&self) -> Answered<Health> {
        let path = "/v0/health";
        let error = match self.get(path).await {
            Err(ClientError::Api(error)) if error.code == "unhealthy" => error,
            answered => return answered,
        };
        let details = serde_json::Value::from_iter(error.details);
        serde_json::from_value(details).map_err(|source| ClientError::Unexpected {
            path: path.to_owned(),
            source,
        })
    }

    /// What the node counts of itself, in the text format of Prometheus.
    pub async fn metrics(&self) -> Answered<Vec<u8>> {
        self.get_bytes("/v0/metrics").await
    }

    /// How the node can be reached, and what is in the way.
    pub async fn doctor(&self) -> Answered<Doctor> {
        self.get("/v0/doctor").await
    }

    /// Communities the node takes part in.
    pub async fn communities(&self) -> Answered<Vec<CommunityInfo>> {
        self.get("/v0/communities").await
    }

    /// One community, by id.
    pub async fn community(&self, id: &str) -> Answered<CommunityInfo> {
        self.get(&format!("/v0/communities/{}", escape(id))).await
    }

    /// Members, former members, and what waits for more delegates.
    pub async fn members(&self, community: &str) -> Answered<Roster> {
        self.get(&format!("/v0/communities/{}/members", escape(community)))
            .await
    }

    /// What is in effect of those whom a narrowing concerns, as cuts would keep it.
    pub async fn cuts(&self, community: &str, of: &CutQuery) -> Answered<CutPlan> {
        let lists = [
            ("keys", of.keys.join(",")),
            ("people", of.people.join(",")),
            ("parties", of.parties.join(",")),
            ("spaces", of.spaces.join(",")),
        ];
        let named = lists.iter().filter(|(_, list)| !list.is_empty());
        let pairs: Vec<(&str, &str)> = named.map(|(name, list)| (*name, list.as_str())).collect();
        let query = encode_query(&pairs);
        self.get(&format!(
            "/v0/communities/{}/cuts{query}",
            escape(community)
        ))
        .await
    }

    /// Makes the node take part in a community.
    pub async fn track(&self, request: &TrackCommunity) -> Answered<Submitted> {
        self.post("/v0/communities", request).await
    }

    /// Stops exchanging a community with others, and keeps what is here of it.
    pub async fn leave(&self, community: &str) -> Answered<CommunityInfo> {
        self.post(&format!("/v0/communities/{}/leave", escape(community)), &())
            .await
    }

    /// The charter of a community, now or at one of its states.
    pub async fn charter(&self, community: &str, at: Option<&str>) -> Answered<CharterInfo> {
        let query = at.map(|it| encode_query(&[("at", it)])).unwrap_or_default();
        self.get(&format!(
            "/v0/communities/{}/charter{query}",
            escape(community)
        ))
        .await
    }

    /// The steps of a charter: the path that is followed, then losing branches.
    pub async fn charter_log(&self, community: &str) -> Answered<Vec<CharterStep>> {
        self.get(&format!(
            "/v0/communities/{}/charter/log",
            escape(community)
        ))
        .await
    }

    /// What is proposed; with a delegate's key, what that delegate may do about it.
    pub async fn proposals(
        &self,
        community: &str,
        delegate: Option<&str>,
    ) -> Answered<Vec<ProposalInfo>> {
        let query = delegate
            .map(|it| encode_query(&[("delegate", it)]))
            .unwrap_or_default();
        self.get(&format!(
            "/v0/communities/{}/proposals{query}",
            escape(community)
        ))
        .await
    }

    /// The parties known in a community, those that are to join included.
    pub async fn parties(&self, community: &str) -> Answered<Vec<PartyDetail>> {
        self.get(&format!("/v0/communities/{}/parties", escape(community)))
            .await
    }

    /// One party, by id or the start of it.
    pub async fn party(&self, community: &str, party: &str) -> Answered<PartyDetail> {
        let (community, party) = (escape(community), escape(party));
        self.get(&format!("/v0/communities/{community}/parties/{party}"))
            .await
    }

    /// Submits signed entries.
    pub async fn submit(&self, request: &Submit) -> Answered<Submitted> {
        self.post("/v0/entries", request).await
    }

    /// A stored entry, by whole id.
    pub async fn entry(&self, id: &str) -> Answered<RawEntry> {
        self.get(&format!("/v0/entries/{}", escape(id))).await
    }

    /// What a device needs to sign its next entry in a space.
    pub async fn signing_context(&self, space: &str, author: &str) -> Answered<SigningContext> {
        let query = encode_query(&[("author", author)]);
        self.get(&format!("/v0/spaces/{}/context{query}", escape(space)))
            .await
    }

    /// Decides what the node keeps of a space.
    pub async fn keep_space(&self, space: &str, request: &KeepSpace) -> Answered<SpaceInfo> {
        self.post(&format!("/v0/spaces/{}/keep", escape(space)), request)
            .await
    }

    /// Has the node fetch words of a document and its replies that it does not keep.
    pub async fn fetch_words(&self, document: &str) -> Answered<WordsFetched> {
        self.post(&format!("/v0/documents/{}/fetch", escape(document)), &())
            .await
    }

    /// Asks the node to consent to serving a member.
    pub async fn consent(&self, request: &ConsentRequest) -> Answered<Consent> {
        self.post("/v0/consent", request).await
    }

    /// Hands the node a grant to read on a member's behalf.
    pub async fn put_grant(&self, request: &PutGrant) -> Answered<()> {
        self.post("/v0/grants", request).await
    }

    /// Asks into a community; queued until the inviting node answers.
    pub async fn join(&self, request: &StartJoin) -> Answered<JoinState> {
        self.post("/v0/joins", request).await
    }

    /// Joins under way and done.
    pub async fn joins(&self) -> Answered<Vec<JoinState>> {
        self.get("/v0/joins").await
    }

    /// Hands a connected peer a request to link a device.
    pub async fn hand_over_device(&self, request: &HandOver) -> Answered<()> {
        self.post("/v0/devices/requests", request).await
    }

    /// The requests to link devices that wait at the node, oldest first.
    pub async fn device_requests(&self) -> Answered<Vec<DeviceRequest>> {
        self.get("/v0/devices/requests").await
    }

    /// A page of documents.
    pub async fn documents(&self, query: &DocumentQuery) -> Answered<Page<DocumentSummary>> {
        let limit = query.limit.map(|limit| limit.to_string());
        let oldest = query.oldest_first.then(|| "true".to_owned());
        let stubs = query.stubs.then(|| "true".to_owned());
        let pairs: Vec<(&str, &str)> = [
            ("community", &query.community),
            ("space", &query.space),
            ("kind", &query.kind),
            ("author", &query.author),
            ("tag", &query.tag),
            ("thread", &query.thread),
            ("system", &query.system),
            ("limit", &limit),
            ("cursor", &query.cursor),
            ("oldest_first", &oldest),
            ("stubs", &stubs),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        self.get(&format!("/v0/documents{}", encode_query(&pairs)))
            .await
    }

    /// A document, now or at given heads, with its thread.
    pub async fn document(&self, id: &str, at: &[String]) -> Answered<DocumentView> {
        let heads = at.join(",");
        let query = if at.is_empty() {
            String::new()
        } else {
            encode_query(&[("at", &heads)])
        };
        self.get(&format!("/v0/documents/{}{query}", escape(id)))
            .await
    }

    /// The same with stubs, and with the part of its thread that follows `next` of the part before.
    pub async fn document_after(&self, id: &str, next: &str) -> Answered<DocumentView> {
        let query = encode_query(&[("stubs", "1"), ("after", next)]);
        self.get(&format!("/v0/documents/{}{query}", escape(id)))
            .await
    }

    /// The same with stubs, without words, in the places of what is kept and not in effect.
    pub async fn document_with_stubs(&self, id: &str, at: &[String]) -> Answered<DocumentView> {
        let heads = at.join(",");
        let pairs: &[(&str, &str)] = match at {
            [] => &[("stubs", "1")],
            _ => &[("at", &heads), ("stubs", "1")],
        };
        self.get(&format!(
            "/v0/documents/{}{}",
            escape(id),
            encode_query(pairs)
        ))
        .await
    }

    /// The contributions of a document in causal order.
    pub async fn history(&self, id: &str) -> Answered<Vec<HistoryItem>> {
        self.get(&format!("/v0/documents/{}/history", escape(id)))
            .await
    }

    /// A document with what is held of it, as if that were in effect.
    pub async fn document_with_held(&self, id: &str) -> Answered<DocumentView> {
        self.get(&format!("/v0/documents/{}?held=1", escape(id)))
            .await
    }

    /// The contributions of a document in causal order, held ones included.
    pub async fn history_with_held(&self, id: &str) -> Answered<Vec<HistoryItem>> {
        self.get(&format!("/v0/documents/{}/history?held=1", escape(id)))
            .await
    }

    /// A page of what is kept and not in effect.
    pub async fn quarantine(&self, query: &QuarantineQuery) -> Answered<Quarantine> {
        let limit = query.limit.map(|limit| limit.to_string());
        let pairs: Vec<(&str, &str)> = [
            ("community", &query.community),
            ("space", &query.space),
            ("limit", &limit),
            ("cursor", &query.cursor),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        self.get(&format!("/v0/quarantine{}", encode_query(&pairs)))
            .await
    }

    /// Records of the roster that stand in a community's set and have no effect.
    pub async fn records_without_effect(
        &self,
        community: &str,
        limit: Option<u64>,
    ) -> Answered<RecordsWithoutEffect> {
        let limit = limit.map(|limit| limit.to_string());
        let pairs: Vec<(&str, &str)> = limit.iter().map(|it| ("limit", it.as_str())).collect();
        let (community, query) = (escape(community), encode_query(&pairs));
        self.get(&format!(
            "/v0/communities/{community}/without-effect{query}"
        ))
        .await
    }

    /// Who wrote which part of a text field.
    pub async fn blame(&self, id: &str, field: &str) -> Answered<Vec<BlameSpan>> {
        let query = encode_query(&[("field", field)]);
        self.get(&format!("/v0/documents/{}/blame{query}", escape(id)))
            .await
    }

    /// A document as a standard `.automerge` file.
    pub async fn automerge(&self, id: &str) -> Answered<Vec<u8>> {
        self.get_bytes(&format!("/v0/documents/{}/automerge", escape(id)))
            .await
    }

    /// What a shortened id may stand for.
    pub async fn resolve(&self, prefix: &str) -> Answered<Vec<Candidate>> {
        self.get(&format!(
            "/v0/resolve{}",
            encode_query(&[("prefix", prefix)])
        ))
        .await
    }

    /// Which imported documents are already here.
    pub async fn origins(&self, request: &OriginsRequest) -> Answered<OriginsAnswer> {
        self.post("/v0/origins", request).await
    }

    /// Dials a peer.
    pub async fn connect(&self, request: &Connect) -> Answered<Connected> {
        self.post("/v0/connect", request).await
    }

    /// Exchanges with all connected peers, and waits if asked to.
    pub async fn sync(&self, request: &SyncRequest) -> Answered<SyncStatus> {
        self.post("/v0/sync", request).await
    }

    /// Roots, peers, receipts.
    pub async fn sync_status(&self, author: Option<&str>) -> Answered<SyncStatus> {
        let query = author
            .map(|it| encode_query(&[("author", it)]))
            .unwrap_or_default();
        self.get(&format!("/v0/sync/status{query}")).await
    }

    /// Checks the whole record: checksums, ids, signatures, links.
    pub async fn verify(&self) -> Answered<MaintenanceReport> {
        self.post("/v0/verify", &()).await
    }

    /// Rebuilds the index from the record, in another engine if the request names one.
    pub async fn reindex(&self, request: &ReindexRequest) -> Answered<MaintenanceReport> {
        self.post("/v0/reindex", request).await
    }

    /// Writes a consistent copy of the node's home.
    pub async fn backup(&self, request: &BackupRequest) -> Answered<MaintenanceReport> {
        self.post("/v0/backup", request).await
    }

    /// Asks the node to stop.
    pub async fn stop(&self) -> Answered<()> {
        self.post("/v0/stop", &()).await
    }

    /// The documents of a space, or all, as JSON lines.
    pub async fn export(&self, space: Option<&str>) -> Answered<LineStream<ExportLine>> {
        let query = space
            .map(|it| encode_query(&[("space", it)]))
            .unwrap_or_default();
        self.lines(format!("/v0/export{query}")).await
    }

    /// Events after a cursor, and then as they happen.
    pub async fn events(&self, since: Option<u64>) -> Answered<EventStream> {
        let since = since.map(|it| it.to_string());
        let query = since
            .map(|it| encode_query(&[("since", &it)]))
            .unwrap_or_default();
        self.lines(format!("/v0/events{query}")).await
    }

    async fn lines<T>(&self, path: String) -> Answered<LineStream<T>> {
        let answer = self.send(Method::GET, &path, Vec::new()).await?;
        Ok(LineStream {
            path,
            answer,
            buffer: Vec::new(),
            line: std::marker::PhantomData,
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Answered<T> {
        parse(path, &self.get_bytes(path).await?)
    }

    async fn get_bytes(&self, path: &str) -> Answered<Vec<u8>> {
        collect(self.send(Method::GET, path, Vec::new()).await?).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Answered<T> {
        let unexpected = |source| ClientError::Unexpected {
            path: path.to_owned(),
            source,
        };
        let body = serde_json::to_vec(body).map_err(unexpected)?;
        let answer = self.send(Method::POST, path, body).await?;
        parse(path, &collect(answer).await?)
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Answered<Answer> {
        let mut request = Request::builder();
        let readers = self.readers();
        if !readers.is_empty() {
            request = request.header("comity-reader", readers.join(","));
        }
        let request = request
            .method(method)
            .uri(path)
            .header("host", "comity")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ClientError::Broken(error.into()))?;
        let answer = self.transport.send(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let bytes = collect(answer).await?;
        Err(parse::<ApiError>(path, &bytes)?.into())
    }
}

/// JSON lines that arrive one after the other.
pub struct LineStream<T> {
    path: String,
    answer: Answer,
    buffer: Vec<u8>,
    line: std::marker::PhantomData<fn() -> T>,
}

/// Events as they happen.
pub type EventStream = LineStream<Event>;

impl<T: DeserializeOwned> LineStream<T> {
    /// The next line; none when the node ends the stream.
    ///
    /// # Errors
    /// If the connection breaks or the line is not understood.
    pub async fn next(&mut self) -> Answered<Option<T>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if line.len() == 1 {
                    continue;
                }
                return parse(&self.path, &line).map(Some);
            }
            match self.answer.body_mut().frame().await {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(ClientError::Broken)?;
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

async fn collect(answer: Answer) -> Answered<Vec<u8>> {
    let collected = answer
        .into_body()
        .collect()
        .await
        .map_err(ClientError::Broken)?;
    Ok(collected.to_bytes().to_vec())
}

fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Answered<T> {
    serde_json::from_slice(bytes).map_err(|source| ClientError::Unexpected {
        path: path.to_owned(),
        source,
    })
}

fn encode_query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986 and `:` and `,`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b',' => {
                out.push(byte as char);
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
