//! What the tasks about peers share: who is connected, what each said, its session.

use super::{
    OPEN_PATIENCE, PeersError, address,
    book::{Book, BookFile},
    calling::Calling,
    conduct::Offence,
    greeting::greet,
    hello::{self, Greeting},
    session::{self, Running, Shared},
    telling,
};
use crate::{node::Inner, pending::Source};
use comity_client::types::PeerInfo;
use comity_net::{Bucket, ConnectedPeer, Direction, Multiaddr, Network, PeerId, PeerStream};
use comity_protocol::{id::CommunityId, sync::Role};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, Semaphore, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::{debug, warn};

const ADDRESSES_PER_PEER: usize = 8;
/// Peers whose last failure is remembered.
const FAILURES_MAX: usize = 256;

/// A connection on which no hello came to a good end for so long is closed.
const GREETED_WITHIN: Duration = Duration::from_secs(60);

/// A connected peer.
pub(super) struct Peer {
    pub(super) address: String,
    pub(super) greeting: Option<watch::Sender<Greeting>>,
    pub(super) session: Option<Running>,
    pub(super) greeting_task: Option<JoinHandle<()>>,
    /// Whose gossip it was admitted to last; none yet.
    pub(super) gossips: Option<BTreeSet<CommunityId>>,
    pub(super) since: Instant,
    /// Up to which change of the address book it was told, by community.
    pub(super) told: BTreeMap<CommunityId, u64>,
    /// Whether it is being told something now.
    pub(super) telling: bool,
    /// How much it may tell.
    pub(super) hearing: Bucket,
}

impl Peer {
    /// Whether there is something to exchange with it, as far as one can know: strangers who share
    /// no community, and those who never say hello, are nobody to wait for.
    pub(super) fn matters(&self) -> bool {
        match &self.greeting {
            Some(greeting) => !greeting.borrow().communities.is_empty(),
            None => self.since.elapsed() < OPEN_PATIENCE,
        }
    }
}

pub(super) struct Hub {
    pub(super) shared: Arc<Shared>,
    pub(super) network: Network,
    pub(super) peers: Mutex<BTreeMap<PeerId, Peer>>,
    pub(super) sessions: AtomicU64,
    pub(super) joins_changed: Notify,
    /// Places for gossip that is being judged.
    pub(super) hearing: Arc<Semaphore>,
    /// Places for requests for words that are being answered.
    pub(super) giving: Arc<Semaphore>,
    /// Counts changes of peers and sync states, for those who wait for one.
    pub(super) changes: watch::Sender<u64>,
    /// Told when the network found out how this node is reached.
    pub(super) reach_changed: watch::Sender<u64>,
    pub(super) book: Mutex<Book>,
    pub(super) book_file: BookFile,
    pub(super) book_changed: Notify,
    pub(super) calling: Mutex<Calling>,
    /// Why peers were not reached, the last attempt at each.
    pub(super) failures: Mutex<BTreeMap<PeerId, Failure>>,
}

/// An attempt to reach a peer that led nowhere.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) at: Instant,
    pub(super) retry_in: Option<Duration>,
}

/// Keeps addresses at which a peer was or should be reached, newest first.
pub(super) fn remember(
    inner: &Inner,
    peer: &PeerId,
    addresses: &[String],
) -> Result<(), PeersError> {
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
    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.shared.inner
    }

    pub(super) fn peers(&self) -> MutexGuard<'_, BTreeMap<PeerId, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn calling(&self) -> MutexGuard<'_, Calling> {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write_book(&self) {
        self.book_file.write(&mut self.book());
    }

    /// Whether it is called whatever the address book says: a person named it, or a ticket.
    pub(super) fn is_bootstrap(&self, peer: &PeerId) -> bool {
        let state = self.inner().state.read();
        state.peers.contains_key(&peer.to_string())
    }

    pub(super) fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn describe(
        &self,
        id: &PeerId,
        peer: &Peer,
        connected: &BTreeMap<PeerId, ConnectedPeer>,
    ) -> PeerInfo {
        let node = address::node_of(id);
        let greeting = peer
            .greeting
            .as_ref()
            .map(|it| it.borrow().clone())
            .unwrap_or_default();
        let ledger = self.inner().ingest.ledger();
        let party = node.and_then(|node| {
            greeting.communities.keys().find_map(|community| {
                let authority = ledger.authority(community)?;
                let party = authority.node_party(&node)?;
                authority
                    .parties()
                    .get(&party)
                    .map(|party| party.name.clone())
            })
        });
        let connected = connected.get(id);
        let rtt = connected.and_then(|it| it.rtt);
        let direction = connected.and_then(ConnectedPeer::direction);
        PeerInfo {
            peer_id: id.to_string(),
            node: node.map(|node| node.to_string()).unwrap_or_default(),
            party,
            address: peer.address.clone(),
            communities: greeting
                .communities
                .keys()
                .map(ToString::to_string)
                .collect(),
            in_sync: peer
                .session
                .as_ref()
                .is_some_and(|session| *session.in_sync.borrow()),
            rtt_ms: rtt.and_then(|rtt| u64::try_from(rtt.as_millis()).ok()),
            clock_offset_ms: greeting.clock_offset_ms,
            called_here: direction == Some(Direction::Inbound),
        }
    }

    pub(super) async fn call_known_peers(&self) {
        let known: Vec<String> = self.inner().state.read().peers.keys().cloned().collect();
        let of_book = {
            let communities = hello::followed(self.inner(), &self.inner().ingest.ledger());
            self.book().nodes(&communities)
        };
        for peer in of_book.iter().filter_map(address::peer_of) {
            self.network.know(peer);
        }
        for peer in known.iter().filter_map(|peer| peer.parse().ok()) {
            self.network.know(peer);
            self.call(peer).await;
        }
    }

    /// Whether the governance of a community that both take part in knows the node behind a peer.
    fn is_known(&self, peer: &PeerId, greeting: &Greeting) -> bool {
        let Some(node) = address::node_of(peer) else {
            return false;
        };
        let ledger = self.inner().ingest.ledger();
        let mut communities = greeting.communities.keys();
        communities.any(|id| {
            let authority = ledger.authority(id);
            authority.is_some_and(|it| it.node_party(&node).is_some())
        })
    }

    /// Takes leave of those who have not said hello for too long.
    pub(super) async fn leave_silent(&self) {
        let silent: Vec<PeerId> = {
            let peers = self.peers();
            let silent = |it: &Peer| it.greeting.is_none() && it.since.elapsed() > GREETED_WITHIN;
            let silent = peers.iter().filter(|(_, it)| silent(it));
            silent.map(|(peer, _)| *peer).collect()
        };
        for peer in silent {
            debug!(%peer, "no hello; the connection is closed");
            // An error means that the network has stopped.
            let _ = self.network.disconnect(peer).await;
        }
    }

    /// Asks the network to connect to a peer and to reconnect whenever it is lost.
    pub(super) async fn call(&self, peer: PeerId) {
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
        for address in telling::stated(self, &peer).await {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return;
        }
        if let Err(error) = self.network.set_reconnect(peer, addresses).await {
            warn!(%peer, %error, "the peer will not be called");
        }
    }

    /// Is connected to a relay and has said hello: it carries nobody whom it does not know.
    ///
    /// # Errors
    /// In words, if it cannot be reached.
    pub(super) async fn be_known_to(&self, relay: Multiaddr) -> Result<(), String> {
        let dialled = self.network.dial(relay).await;
        let relay = dialled.map_err(|error| format!("the relay: {error}"))?;
        let mut changes = self.changes.subscribe();
        let greeted = async {
            let greeted = |hub: &Self| {
                let peers = hub.peers();
                peers.get(&relay).is_some_and(|it| it.greeting.is_some())
            };
            while !greeted(self) {
                // An error means that the node stops, and then nobody is greeted any more.
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let waited = timeout(OPEN_PATIENCE, greeted).await;
        waited.map_err(|_| format!("the relay {relay} did not say hello"))
    }

    pub(super) fn failures(&self) -> MutexGuard<'_, BTreeMap<PeerId, Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn not_reached(&self, peer: PeerId, why: String, retry_in: Option<Duration>) {
        self.calling().failed(&peer);
        let mut failures = self.failures();
        // As many as the network calls again by itself; those forgotten since make room.
        if failures.len() >= FAILURES_MAX && !failures.contains_key(&peer) {
            failures.pop_first();
        }
        let at = Instant::now();
        failures.insert(peer, Failure { why, at, retry_in });
        drop(failures);
        self.book_changed.notify_one();
    }

    pub(super) async fn all_in_sync(&self) -> bool {
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
    pub(super) fn leads(&self, peer: &PeerId) -> bool {
        self.network.peer_id() < *peer
    }

    pub(super) fn connected(self: &Arc<Self>, peer: PeerId, address: String) {
        let greeting_task = self
            .leads(&peer)
            .then(|| tokio::spawn(greet(self.clone(), peer)));
        let known = Peer {
            address,
            greeting: None,
            session: None,
            greeting_task,
            gossips: None,
            since: Instant::now(),
            told: BTreeMap::new(),
            telling: false,
            hearing: Bucket::new(telling::HEAR_BURST, telling::HEAR_EVERY),
        };
        if let Some(before) = self.peers().insert(peer, known) {
            end(before);
        }
        self.failures().remove(&peer);
        // The node that a queued join waits for may be back.
        self.joins_changed.notify_one();
        self.changed();
    }

    pub(super) fn disconnected(&self, peer: &PeerId) {
        if let Some(peer) = self.peers().remove(peer) {
            end(peer);
        }
        let (inner, source) = (self.inner().clone(), Source::Peer(peer.to_string()));
        // The writer may be at work for a while.
        tokio::task::spawn_blocking(move || inner.ingest.gone(&source));
        self.changed();
    }

    /// Takes note of a good hello.
    pub(super) fn greeted(&self, peer: &PeerId, greeting: Greeting) {
        if greeting.clock_offset_ms.abs() > hello::CLOCK_TOLERANCE_MS {
            let minutes = greeting.clock_offset_ms / 60_000;
            self.inner().warn(format!(
                "the clock of peer {peer} is {minutes} minutes ahead of this one (negative: \
                 behind). Times shown may be wrong, and grants may look expired; check which \
                 clock is off"
            ));
        }
        // Before the answer goes out: the peer may ask for a place as soon as it has it.
        self.network.admit(*peer, !greeting.communities.is_empty());
        if self.is_known(peer, &greeting) {
            self.network.know(*peer);
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
    pub(super) fn hello_failed(&self, peer: &PeerId, error: &hello::HelloError) {
        match error {
            hello::HelloError::NoCommonVersion { .. } => {
                self.inner()
                    .warn(format!("cannot sync with peer {peer}: {error}"));
            }
            hello::HelloError::Broken(_) => {
                warn!(%peer, %error, "a hello failed");
                self.shared.warden.offended(*peer, Offence::BrokenMessage);
            }
            _ => warn!(%peer, %error, "a hello failed"),
        }
    }

    /// Starts the sync session over a stream, if the peer was greeted.
    pub(super) fn start_session(self: &Arc<Self>, peer: PeerId, role: Role, stream: PeerStream) {
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
        let shared = self.shared.clone();
        let Some(running) = session::start(shared, peer, number, role, stream, receiver) else {
            return;
        };
        self.inner().metrics.exchange.sessions.add(1);
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
pub(super) fn end(peer: Peer) -> Option<Running> {
    if let Some(task) = peer.greeting_task {
        task.abort();
    }
    peer.session
}
