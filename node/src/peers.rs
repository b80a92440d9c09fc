//! Peers: being connected, saying hello, syncing, letting people join.
//!
//! One task listens to the network. Of two connected nodes the one with the lower peer id opens
//! hello and the sync stream, so that there is one of each whoever dialled. What a peer may read
//! follows from its hello and the authority of the moment; the session looks again whenever either
//! changes. Gossip only hurries news along: everything arrives without it (I10).

mod address;
mod chain;
mod gossip;
mod hello;
mod joining;
mod receipts;
mod session;

use crate::{node::Inner, state::JoinRecord};
pub(crate) use address::peer_of;
use comity_client::types::PeerInfo;
use comity_net::{
    Config, Event, Events, Network, NodeSeed, PeerId, PeerStream, StreamProtocol, Verdict,
};
use comity_protocol::{
    access::{JoinAnswer, JoinRefusal, JoinRequest},
    key::PublicKey,
    sync::{InFlight, Role},
};
use hello::Greeting;
use session::{Running, Shared};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{
    sync::{Notify, Semaphore, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

const OPEN_PATIENCE: Duration = Duration::from_secs(15);
/// Between attempts to have queued joins answered: first, and at most.
const JOIN_RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// Between attempts to greet a peer that did not answer well.
const GREET_RETRY: Duration = Duration::from_secs(5);
/// Between looks for communities and grants that changed.
const REFRESH: Duration = Duration::from_secs(2);
/// Gossip judged at once.
const GOSSIP_AT_ONCE_MAX: usize = 64;
const ADDRESSES_PER_PEER: usize = 8;

/// Why something with peers failed.
#[derive(Debug, Error)]
pub enum PeersError {
    /// The network cannot be started at all.
    #[error("the network cannot be started: {0}")]
    Start(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
    /// A peer cannot be reached.
    #[error("cannot reach {address}: {why}")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
    /// A join request is not one.
    #[error("the join request cannot be used: {0}")]
    BadRequest(String),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] crate::home::HomeError),
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// A connected peer.
struct Peer {
    address: String,
    greeting: Option<watch::Sender<Greeting>>,
    session: Option<Running>,
    greeting_task: Option<JoinHandle<()>>,
    since: Instant,
}

impl Peer {
    /// Whether there is something to exchange with it, as far as one can know: strangers who share
    /// no community, and those who never say hello, are nobody to wait for.
    fn matters(&self) -> bool {
        match &self.greeting {
            Some(greeting) => !greeting.borrow().communities.is_empty(),
            None => self.since.elapsed() < OPEN_PATIENCE,
        }
    }
}

struct Hub {
    shared: Arc<Shared>,
    network: Network,
    peers: Mutex<BTreeMap<PeerId, Peer>>,
    sessions: AtomicU64,
    joins_changed: Notify,
    /// Places for gossip that is being judged.
    hearing: Arc<Semaphore>,
    /// Counts changes of peers and sync states, for those who wait for one.
    changes: watch::Sender<u64>,
}

/// The node's side of the network.
pub struct Peers {
    hub: Arc<Hub>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Peers {
    pub(crate) async fn start(
        inner: &Arc<Inner>,
        listen: &[String],
        gossip: bool,
    ) -> Result<Self, PeersError> {
        let protocols = [hello::PROTOCOL, session::PROTOCOL, joining::PROTOCOL];
        let seed = NodeSeed::new(*inner.key.seed());
        let config = Config::new(seed, protocols.map(StreamProtocol::new).to_vec());
        let (network, events) =
            Network::start(config).map_err(|error| PeersError::Start(error.to_string()))?;
        for text in listen {
            let failed = |why: String| PeersError::Listen {
                address: text.clone(),
                why,
            };
            let address = address::resolve(text).await.map_err(failed)?;
            let failed = |why: String| PeersError::Listen {
                address: text.clone(),
                why,
            };
            let bound = network
                .listen(address)
                .await
                .map_err(|error| failed(error.to_string()))?;
            bound
                .iter()
                .for_each(|address| info!(%address, "listening"));
        }
        let shared = Arc::new(Shared {
            inner: inner.clone(),
            in_flight: Mutex::new(InFlight::new()),
            since: Instant::now(),
        });
        let hub = Arc::new(Hub {
            shared,
            network,
            peers: Mutex::default(),
            sessions: AtomicU64::new(0),
            joins_changed: Notify::new(),
            hearing: Arc::new(Semaphore::new(GOSSIP_AT_ONCE_MAX)),
            changes: watch::Sender::new(0),
        });
        let mut tasks = vec![
            tokio::spawn(listen_to_network(hub.clone(), events)),
            tokio::spawn(receipts::run(inner.clone())),
            tokio::spawn(keep_joining(hub.clone())),
            tokio::spawn(keep_greetings_fresh(hub.clone(), gossip)),
        ];
        if gossip {
            tasks.push(tokio::spawn(gossip::publish(
                inner.clone(),
                hub.network.clone(),
            )));
        }
        hub.call_known_peers().await;
        Ok(Self {
            hub,
            tasks: Mutex::new(tasks),
        })
    }

    /// Peers connected now.
    pub async fn connected(&self) -> Vec<PeerInfo> {
        let connected = self.hub.network.peers().await.unwrap_or_default();
        let rtts: BTreeMap<PeerId, Option<Duration>> =
            connected.into_iter().map(|it| (it.peer, it.rtt)).collect();
        let peers = self.hub.peers();
        peers
            .iter()
            .map(|(id, peer)| self.hub.describe(id, peer, &rtts))
            .collect()
    }

    /// Addresses listened on, with the peer id at the end.
    pub async fn listening(&self) -> Vec<String> {
        let addresses = self
            .hub
            .network
            .listen_addresses()
            .await
            .unwrap_or_default();
        let peer_id = self.peer_id();
        addresses
            .iter()
            .map(|address| format!("{address}/p2p/{peer_id}"))
            .collect()
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> String {
        self.hub.network.peer_id().to_string()
    }

    /// Dials an address and keeps in touch from then on; gives the peer id that answered.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn connect(&self, text: &str) -> Result<String, PeersError> {
        let failed = |why: String| PeersError::Unreachable {
            address: text.to_owned(),
            why,
        };
        let address = address::resolve(text).await.map_err(failed)?;
        let dialled = self.hub.network.dial(address.clone()).await;
        let peer = dialled.map_err(|error| failed(error.to_string()))?;
        remember(&self.hub.shared.inner, &peer, &[address.to_string()])?;
        self.hub.call(peer).await;
        Ok(peer.to_string())
    }

    /// Waits until equal with every connected peer, and at least one; false if that took longer
    /// than `wait_ms`.
    pub async fn sync(&self, wait_ms: u64) -> bool {
        let waiting = async {
            let mut changes = self.hub.changes.subscribe();
            while !self.hub.all_in_sync().await {
                // Whatever changes wakes us; a second is enough for what nobody tells.
                let _ = timeout(Duration::from_secs(1), changes.changed()).await;
            }
        };
        timeout(Duration::from_millis(wait_ms), waiting)
            .await
            .is_ok()
    }

    /// Has a join that was just queued answered soon.
    pub(crate) async fn join_queued(&self, record: &JoinRecord) {
        if let Ok(peer) = record.peer.parse() {
            self.hub.call(peer).await;
        }
        self.hub.joins_changed.notify_one();
    }

    /// Known peers that are not connected, in words.
    pub async fn unreachable(&self) -> Vec<String> {
        let known: Vec<String> = {
            let state = self.hub.shared.inner.state.read();
            state.peers.keys().cloned().collect()
        };
        let connected = self.hub.peers();
        let away = known.into_iter().filter(|known| {
            known
                .parse::<PeerId>()
                .is_ok_and(|peer| !connected.contains_key(&peer))
        });
        away.collect()
    }

    pub(crate) async fn stop(&self) {
        self.hub.network.shutdown().await;
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        let peers = std::mem::take(&mut *self.hub.peers());
        for peer in peers.into_values() {
            // It ends because its stream did; what it was committing gets finished.
            if let Some(session) = end(peer) {
                let _ = timeout(Duration::from_secs(10), session.task).await;
            }
        }
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

/// Remembers a join request so that it survives a restart, and takes part in the community.
///
/// # Errors
/// If the state cannot be written.
pub(crate) fn queue_join(
    inner: &Inner,
    request: &JoinRequest,
    encoded: &[u8],
    node: &PublicKey,
    addresses: &[String],
) -> Result<JoinRecord, PeersError> {
    let peer = address::peer_of(node)
        .ok_or_else(|| PeersError::BadRequest(format!("{node} is no key of a node")))?;
    let record = JoinRecord {
        community: request.community.to_string(),
        member: request.member.to_string(),
        peer: peer.to_string(),
        request: hex::encode(encoded),
        state: "queued".into(),
        reason: None,
        attempts: 0,
    };
    remember(inner, &peer, addresses)?;
    inner.state.change(|state| {
        state
            .communities
            .entry(record.community.clone())
            .or_default();
        let same = |it: &JoinRecord| it.community == record.community && it.member == record.member;
        state.joins.retain(|it| !same(it));
        state.joins.push(record.clone());
    })?;
    inner.ingest.track(request.community);
    Ok(record)
}

/// Keeps addresses at which a peer was or should be reached, newest first.
fn remember(inner: &Inner, peer: &PeerId, addresses: &[String]) -> Result<(), PeersError> {
    inner.state.change(|state| {
        let known = &mut state.peers.entry(peer.to_string()).or_default().addresses;
        for address in addresses.iter().rev() {
            known.retain(|it| it != address);
            known.insert(0, address.clone());
        }
        known.truncate(ADDRESSES_PER_PEER);
    })?;
    Ok(())
}

impl Hub {
    fn inner(&self) -> &Arc<Inner> {
        &self.shared.inner
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<PeerId, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn describe(
        &self,
        id: &PeerId,
        peer: &Peer,
        rtts: &BTreeMap<PeerId, Option<Duration>>,
    ) -> PeerInfo {
        let node = address::node_of(id);
        let greeting = peer
            .greeting
            .as_ref()
            .map(|it| it.borrow().clone())
            .unwrap_or_default();
        let ledger = self.inner().ingest.ledger();
        let party = node.and_then(|node| {
            greeting.communities.iter().find_map(|community| {
                let authority = ledger.authority(community)?;
                let party = authority.node_party(&node)?;
                authority
                    .parties()
                    .get(&party)
                    .map(|party| party.name.clone())
            })
        });
        let rtt = rtts.get(id).copied().flatten();
        PeerInfo {
            peer_id: id.to_string(),
            node: node.map(|node| node.to_string()).unwrap_or_default(),
            party,
            address: peer.address.clone(),
            communities: greeting
                .communities
                .iter()
                .map(ToString::to_string)
                .collect(),
            in_sync: peer
                .session
                .as_ref()
                .is_some_and(|session| *session.in_sync.borrow()),
            rtt_ms: rtt.and_then(|rtt| u64::try_from(rtt.as_millis()).ok()),
            clock_offset_ms: greeting.clock_offset_ms,
        }
    }

    async fn call_known_peers(&self) {
        let known: Vec<String> = self.inner().state.read().peers.keys().cloned().collect();
        for peer in known.iter().filter_map(|peer| peer.parse().ok()) {
            self.call(peer).await;
        }
    }

    /// Asks the network to connect to a peer and to reconnect whenever it is lost.
    async fn call(&self, peer: PeerId) {
        let known = {
            let state = self.inner().state.read();
            state
                .peers
                .get(&peer.to_string())
                .map(|it| it.addresses.clone())
                .unwrap_or_default()
        };
        let mut addresses = Vec::new();
        for text in &known {
            match address::resolve(text).await {
                Ok(address) => addresses.push(address),
                Err(why) => debug!(address = %text, %why, "an address is not usable now"),
            }
        }
        if addresses.is_empty() {
            return;
        }
        if let Err(error) = self.network.set_reconnect(peer, addresses).await {
            warn!(%peer, %error, "the peer will not be called");
        }
    }

    async fn all_in_sync(&self) -> bool {
        let mut answers = Vec::new();
        {
            let peers = self.peers();
            if !peers.values().any(Peer::matters) {
                return false;
            }
            for peer in peers.values().filter(|peer| peer.matters()) {
                let Some(session) = &peer.session else {
                    return false;
                };
                let (answer, answered) = oneshot::channel();
                if session.nudges.try_send(answer).is_err() {
                    return false;
                }
                answers.push(answered);
            }
        }
        for answer in answers {
            if !matches!(timeout(Duration::from_secs(5), answer).await, Ok(Ok(true))) {
                return false;
            }
        }
        true
    }

    /// Whether this node opens hello and sync with the peer.
    fn leads(&self, peer: &PeerId) -> bool {
        self.network.peer_id() < *peer
    }

    fn connected(self: &Arc<Self>, peer: PeerId, address: String) {
        let greeting_task = self
            .leads(&peer)
            .then(|| tokio::spawn(greet(self.clone(), peer)));
        let known = Peer {
            address,
            greeting: None,
            session: None,
            greeting_task,
            since: Instant::now(),
        };
        if let Some(before) = self.peers().insert(peer, known) {
            end(before);
        }
        // The node that a queued join waits for may be back.
        self.joins_changed.notify_one();
        self.changed();
    }

    fn disconnected(&self, peer: &PeerId) {
        if let Some(peer) = self.peers().remove(peer) {
            end(peer);
        }
        self.changed();
    }

    /// Takes note of a good hello.
    fn greeted(&self, peer: &PeerId, greeting: Greeting) {
        if greeting.clock_offset_ms.abs() > hello::CLOCK_TOLERANCE_MS {
            let minutes = greeting.clock_offset_ms / 60_000;
            self.inner().warn(format!(
                "the clock of peer {peer} is {minutes} minutes ahead of this one (negative: \
                 behind). Times shown may be wrong, and grants may look expired; check which \
                 clock is off"
            ));
        }
        let mut peers = self.peers();
        if let Some(peer) = peers.get_mut(peer) {
            match &peer.greeting {
                Some(sender) => {
                    sender.send_replace(greeting);
                }
                None => peer.greeting = Some(watch::Sender::new(greeting)),
            }
        }
        drop(peers);
        self.changed();
    }

    /// Takes note of a hello that led nowhere.
    fn hello_failed(&self, peer: &PeerId, error: &hello::HelloError) {
        match error {
            hello::HelloError::NoCommonVersion { .. } => {
                self.inner()
                    .warn(format!("cannot sync with peer {peer}: {error}"));
            }
            _ => warn!(%peer, %error, "a hello failed"),
        }
    }

    /// Starts the sync session over a stream, if the peer was greeted.
    fn start_session(self: &Arc<Self>, peer: PeerId, role: Role, stream: PeerStream) {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let mut peers = self.peers();
        let Some(known) = peers.get_mut(&peer) else {
            return;
        };
        let Some(greeting) = &known.greeting else {
            debug!(%peer, "a sync stream came before hello");
            return;
        };
        let receiver = greeting.subscribe();
        let running = session::start(self.shared.clone(), peer, number, role, stream, receiver);
        let mut in_sync = running.in_sync.clone();
        if let Some(before) = known.session.replace(running) {
            before.task.abort();
        }
        drop(peers);
        let hub = self.clone();
        // Passes changes on; ends with the session.
        tokio::spawn(async move {
            while in_sync.changed().await.is_ok() {
                hub.changed();
            }
            hub.changed();
        });
    }
}

/// Ends what runs for a peer; its session, given back, ends by itself: its stream is gone.
fn end(peer: Peer) -> Option<Running> {
    if let Some(task) = peer.greeting_task {
        task.abort();
    }
    peer.session
}

async fn listen_to_network(hub: Arc<Hub>, mut events: Events) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { peer, address, .. } => {
                info!(%peer, %address, "connected");
                hub.connected(peer, address.to_string());
            }
            Event::Disconnected { peer, reason } => {
                info!(%peer, ?reason, "disconnected");
                hub.disconnected(&peer);
            }
            Event::DialFailed {
                peer,
                error,
                retry_in,
            } => {
                debug!(%peer, %error, ?retry_in, "not reached");
            }
            Event::Gossip {
                source,
                topic,
                data,
                id,
            } => {
                let hub = hub.clone();
                let place = hub.hearing.clone().try_acquire_owned();
                tokio::spawn(async move {
                    // Whoever floods gets ignored; what was in it comes by sync.
                    let Ok(_place) = place else {
                        let _ = hub.network.report_validation(id, Verdict::Ignore).await;
                        return;
                    };
                    let inner = hub.inner().clone();
                    let verdict = gossip::hear(inner, source, topic, data).await;
                    // Too late is no error: gossip is a hint.
                    let _ = hub.network.report_validation(id, verdict).await;
                });
            }
            Event::IncomingStream {
                peer,
                protocol,
                stream,
            } => {
                incoming(&hub, peer, protocol.as_ref(), stream);
            }
            Event::Backpressure { what, dropped } => {
                warn!(
                    ?what,
                    dropped, "the network brings more than this node takes"
                );
            }
            Event::Listening { address } => debug!(%address, "listening"),
            Event::IdentifyInfo { peer, agent, .. } => debug!(%peer, %agent, "identified"),
            Event::PingRtt { .. } => {}
        }
    }
}

fn incoming(hub: &Arc<Hub>, peer: PeerId, protocol: &str, stream: PeerStream) {
    match protocol {
        hello::PROTOCOL => {
            let hub = hub.clone();
            tokio::spawn(async move {
                let greeted = |greeting| hub.greeted(&peer, greeting);
                if let Err(error) = hello::answer(hub.inner(), peer, stream, greeted).await {
                    hub.hello_failed(&peer, &error);
                }
            });
        }
        session::PROTOCOL => hub.start_session(peer, Role::Acceptor, stream),
        joining::PROTOCOL => {
            tokio::spawn(joining::answer(hub.inner().clone(), peer, stream));
        }
        other => debug!(%peer, protocol = other, "an unknown protocol"),
    }
}

/// Says hello to a peer and keeps a sync session with it until it is gone.
async fn greet(hub: Arc<Hub>, peer: PeerId) {
    loop {
        match hello::open(hub.inner(), &hub.network, peer).await {
            Ok(greeting) => {
                hub.greeted(&peer, greeting);
                let protocol = StreamProtocol::new(session::PROTOCOL);
                match hub.network.open_stream(peer, protocol, OPEN_PATIENCE).await {
                    Ok(stream) => hub.start_session(peer, Role::Opener, stream),
                    Err(error) => warn!(%peer, %error, "no sync stream"),
                }
            }
            Err(error) => hub.hello_failed(&peer, &error),
        }
        wait_for_session_to_end(&hub, &peer).await;
        sleep(GREET_RETRY).await;
    }
}

async fn wait_for_session_to_end(hub: &Hub, peer: &PeerId) {
    let in_sync = {
        let peers = hub.peers();
        let session = peers.get(peer).and_then(|peer| peer.session.as_ref());
        session.map(|session| session.in_sync.clone())
    };
    if let Some(mut in_sync) = in_sync {
        while in_sync.changed().await.is_ok() {}
    }
}

/// Says hello again when this node's communities or grants change, and keeps topics subscribed.
async fn keep_greetings_fresh(hub: Arc<Hub>, gossip: bool) {
    let mut told = None;
    let mut owed = BTreeSet::new();
    loop {
        let now = {
            let state = hub.inner().state.read();
            let communities: Vec<String> = hub
                .inner()
                .ingest
                .ledger()
                .communities()
                .keys()
                .map(ToString::to_string)
                .collect();
            (state.communities.clone(), communities)
        };
        if told.as_ref() != Some(&now) {
            if told.is_some() {
                owed = hub.peers().keys().copied().collect();
            }
            told = Some(now);
        }
        owed = say_hello_again(&hub, owed).await;
        if gossip {
            gossip::subscribe(hub.inner(), &hub.network).await;
        }
        sleep(REFRESH).await;
    }
}

/// Says hello to these peers, all at once: a silent one must not keep the others waiting. Gives
/// back those still connected that it did not work with.
async fn say_hello_again(hub: &Arc<Hub>, peers: BTreeSet<PeerId>) -> BTreeSet<PeerId> {
    let mut hellos = JoinSet::new();
    for peer in peers {
        let hub = hub.clone();
        hellos.spawn(async move {
            match hello::open(hub.inner(), &hub.network, peer).await {
                Ok(greeting) => hub.greeted(&peer, greeting),
                Err(error) => {
                    debug!(%peer, %error, "a fresh hello failed");
                    return Some(peer);
                }
            }
            None
        });
    }
    let failed = hellos.join_all().await.into_iter().flatten();
    let connected = hub.peers();
    failed.filter(|peer| connected.contains_key(peer)).collect()
}

/// Has queued joins answered, with growing pauses while nobody answers.
async fn keep_joining(hub: Arc<Hub>) {
    let mut pause = JOIN_RETRY.0;
    loop {
        let queued: Vec<JoinRecord> = {
            let state = hub.inner().state.read();
            state
                .joins
                .iter()
                .filter(|join| join.state == "queued")
                .cloned()
                .collect()
        };
        if queued.is_empty() {
            pause = JOIN_RETRY.0;
            hub.joins_changed.notified().await;
            continue;
        }
        for join in queued {
            attempt(&hub, join).await;
        }
        let still = hub
            .inner()
            .state
            .read()
            .joins
            .iter()
            .any(|join| join.state == "queued");
        if still && timeout(pause, hub.joins_changed.notified()).await.is_err() {
            pause = (pause * 2).min(JOIN_RETRY.1);
        }
    }
}

async fn attempt(hub: &Hub, mut join: JoinRecord) {
    let (Ok(peer), Ok(request)) = (join.peer.parse::<PeerId>(), hex::decode(&join.request)) else {
        return;
    };
    join.attempts = join.attempts.saturating_add(1);
    match joining::ask(&hub.network, peer, &request).await {
        Ok(JoinAnswer::Welcome(_)) => {
            join.state = "welcome".into();
            join.reason = None;
            info!(community = %join.community, "welcomed");
        }
        Ok(JoinAnswer::Refused(refusal @ JoinRefusal::Unavailable)) => {
            join.reason = Some(refusal.to_string());
        }
        Ok(JoinAnswer::Refused(refusal)) => {
            join.state = "refused".into();
            join.reason = Some(refusal.to_string());
            warn!(community = %join.community, %refusal, "a join was refused");
        }
        Err(why) => join.reason = Some(why),
    }
    let changed = hub.inner().state.change(|state| {
        let same = |it: &&mut JoinRecord| {
            it.community == join.community && it.member == join.member && it.request == join.request
        };
        if let Some(known) = state.joins.iter_mut().find(same) {
            *known = join.clone();
        }
    });
    if let Err(error) = changed {
        warn!(%error, "the outcome of a join could not be remembered");
    }
    hub.changed();
}
