//! Peers: being connected, saying hello, syncing, letting people join, taking requests to link devices.
//!
//! One task listens to the network. Of two connected nodes the one with the lower peer id opens
//! hello and the sync stream, so that there is one of each whoever dialled. What a peer may read
//! follows from its hello and the authority of the moment; the session looks again whenever either
//! changes. Gossip only hurries news along: everything arrives without it (I10).

mod account;
mod address;
mod asking;
mod book;
mod bringing;
mod calling;
mod chain;
mod conduct;
mod doctor;
mod doubts;
mod events;
mod exchange;
mod gate;
mod gossip;
mod grants;
mod greeting;
mod hello;
mod hub;
mod joining;
mod linking;
mod places;
mod receipts;
mod session;
mod telling;
mod warden;
mod words;

use crate::{
    node::{Inner, NodeOptions},
    state::JoinRecord,
};
pub(crate) use address::peer_of;
pub(crate) use asking::queue_join;
use book::BookFile;
use comity_client::types::PeerInfo;
use comity_net::{Config, Direction, Network, NodeSeed, PeerId, StreamProtocol, tap::Tap};
use comity_protocol::{
    access::LinkAnswer,
    id::{EntryId, SpaceId},
    sync::InFlight,
};
use doubts::ClockDoubts;
use hub::{Hub, end, remember};
pub(crate) use linking::Linking;
#[doc(hidden)]
pub use session::LedgerReplica;
use session::Shared;
use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::info;
pub(crate) use warden::Warden;
pub(crate) use words::Fetched;

const OPEN_PATIENCE: Duration = Duration::from_secs(15);
/// Gossip judged at once.
const GOSSIP_AT_ONCE_MAX: usize = 64;

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
    /// A peer was not handed a request to link a device.
    #[error("the node {peer} was not handed the request: {why}")]
    NotHandedOver {
        /// The peer.
        peer: String,
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

/// The network in numbers.
#[derive(Default)]
pub(crate) struct Measured {
    pub(crate) counted: comity_net::Metrics,
    /// Connections that others opened.
    pub(crate) inbound: usize,
    /// Connections that this node opened.
    pub(crate) outbound: usize,
    /// Sync sessions with equal sets, and others.
    pub(crate) in_sync: usize,
    pub(crate) exchanging: usize,
}

/// The node's side of the network.
pub struct Peers {
    hub: Arc<Hub>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Peers {
    pub(crate) async fn start(
        inner: &Arc<Inner>,
        options: &NodeOptions,
        tap: Option<Tap>,
    ) -> Result<Self, PeersError> {
        let protocols = [
            hello::PROTOCOL,
            session::PROTOCOL,
            joining::PROTOCOL,
            linking::PROTOCOL,
            telling::PROTOCOL,
            words::PROTOCOL,
        ];
        let seed = NodeSeed::new(*inner.key.seed());
        let mut config = Config::new(seed, protocols.map(StreamProtocol::new).to_vec());
        config.public = options.public;
        let started = match tap {
            None => Network::start(config),
            Some(tap) => Network::start_tapped(config, tap),
        };
        let (network, events) = started.map_err(|error| PeersError::Start(error.to_string()))?;
        listen(&network, &options.listen).await?;
        let shared = Arc::new(Shared {
            inner: inner.clone(),
            in_flight: Mutex::new(InFlight::new()),
            since: Instant::now(),
            gossip: options.gossip,
            own_grants: watch::Sender::new(0),
            doubts: ClockDoubts::default(),
            warden: Arc::default(),
        });
        let book_file = BookFile::new(inner.home.address_book());
        let book = book_file.read(&inner.public(), |id, node| {
            let authority = inner.ingest.ledger().authority(id);
            authority.is_some_and(|it| it.node_party(node).is_some())
        });
        let hub = Arc::new(Hub {
            shared,
            network,
            peers: Mutex::default(),
            sessions: AtomicU64::new(0),
            joins_changed: Notify::new(),
            hearing: Arc::new(Semaphore::new(GOSSIP_AT_ONCE_MAX)),
            giving: Arc::new(Semaphore::new(words::GIVING_AT_ONCE_MAX)),
            changes: watch::Sender::new(0),
            reach_changed: watch::Sender::new(0),
            book: Mutex::new(book),
            book_file,
            book_changed: Notify::new(),
            calling: Mutex::default(),
            failures: Mutex::default(),
        });
        let mut tasks = vec![
            tokio::spawn(events::listen_to_network(hub.clone(), events)),
            tokio::spawn(warden::keep_order(hub.clone())),
            tokio::spawn(receipts::run(inner.clone())),
            tokio::spawn(asking::keep_joining(hub.clone())),
            tokio::spawn(telling::keep_book(hub.clone(), options.public)),
            tokio::spawn(words::keep_whole(hub.clone())),
            tokio::spawn(greeting::keep_greetings_fresh(hub.clone(), options.gossip)),
        ];
        // A node that does not listen is there for a moment only, or wants to be left alone.
        if !options.public && !options.listen.is_empty() {
            tasks.push(tokio::spawn(places::keep_places(hub.clone())));
        }
        if options.gossip {
            tasks.push(tokio::spawn(gossip::admit(hub.clone())));
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
        let connected = connected.into_iter().map(|it| (it.peer, it)).collect();
        let peers = self.hub.peers();
        peers
            .iter()
            .map(|(id, peer)| self.hub.describe(id, peer, &connected))
            .collect()
    }

    /// What the network counts, and its connections from and to others; none once it has stopped.
    pub(crate) async fn measure(&self) -> Option<Measured> {
        let network = &self.hub.network;
        let counted = network.metrics().await.ok()?;
        let connected = network.peers().await.ok()?;
        let directions = connected.iter().flat_map(|it| &it.connections);
        let inbound = directions.filter(|it| it.direction == Direction::Inbound);
        let inbound = inbound.count();
        let all: usize = connected.iter().map(|it| it.connections.len()).sum();
        let peers = self.hub.peers();
        let sessions = peers.values().filter_map(|it| it.session.as_ref());
        let states: Vec<bool> = sessions.map(|it| *it.in_sync.borrow()).collect();
        let in_sync = states.iter().filter(|it| **it).count();
        Some(Measured {
            counted,
            inbound,
            outbound: all - inbound,
            in_sync,
            exchanging: states.len() - in_sync,
        })
    }

    /// Addresses at which others can call this node, with its peer id at the end: those it listens
    /// on, those that were reached from outside, those through relays.
    pub async fn listening(&self) -> Vec<String> {
        let report = self.hub.network.reach().await.unwrap_or_default();
        let own = report.listening.iter().chain(report.confirmed());
        let own = own.map(|address| format!("{address}/p2p/{}", self.peer_id()));
        let mut all: Vec<String> = Vec::new();
        for address in own.chain(report.circuits().map(ToString::to_string)) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
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
        if let Some(relay) = address::relay_of(&address) {
            self.hub.be_known_to(relay).await.map_err(failed)?;
        }
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

    /// Hands a connected peer a request to link a device, to wait there for its code.
    ///
    /// # Errors
    /// If it does not get there, or the peer cannot read it.
    pub(crate) async fn hand_over(&self, peer: &str, request: &[u8]) -> Result<(), PeersError> {
        let failed = |why: String| PeersError::NotHandedOver {
            peer: peer.to_owned(),
            why,
        };
        let id = peer
            .parse()
            .map_err(|_| failed("this is no peer id".into()))?;
        let answer = linking::hand_over(&self.hub.network, id, request).await;
        match answer.map_err(failed)? {
            LinkAnswer::Waits => Ok(()),
            LinkAnswer::NotUnderstood => Err(failed("it does not understand it".into())),
        }
    }

    /// Asks connected peers for words that are lacking here.
    pub(crate) async fn fetch_words(&self, space: SpaceId, ids: Vec<EntryId>) -> Fetched {
        words::fetch(&self.hub, space, ids).await
    }

    /// What is to be said about this node's clock, if the grants of peers cast doubt on it.
    pub fn clock_in_doubt(&self) -> Option<String> {
        self.hub.shared.doubts.tell()
    }

    /// What is to be said about peers that are kept out for what they did.
    pub(crate) fn kept_out(&self) -> Option<String> {
        self.hub.shared.warden.tell()
    }

    /// Who keeps order here.
    pub(crate) fn warden(&self) -> &Warden {
        &self.hub.shared.warden
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
        let hub = self.hub.clone();
        let _ = tokio::task::spawn_blocking(move || hub.write_book()).await;
    }
}

/// Listens on all of these, and says where.
async fn listen(network: &Network, addresses: &[String]) -> Result<(), PeersError> {
    for text in addresses {
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
    Ok(())
}
