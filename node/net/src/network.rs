//! The handle: cheap to clone, usable from any task.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::command::{Command, GossipCommand, Reply};
use crate::config::{Config, MAX_GOSSIP_BYTES, MAX_TOPIC_BYTES};
use crate::door::Known;
use crate::driver::Driver;
use crate::error::{
    DialError, ListenError, OpenError, PublishError, ReconnectError, ReserveError, StartError,
    Stopped, SubscribeError,
};
use crate::event::{Direction, GossipGroup, GossipId, PeerStream};
use crate::events::{self, Events};
use crate::metrics::Metrics;
use crate::reach::{Admission, Link, ReachReport};
use crate::streams::StreamError;
use crate::tap::Tap;

/// What the owner thinks of a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Good: pass it on.
    Accept,
    /// Bad: drop it. Nothing else happens to its sender; block it if it should go.
    Reject,
    /// Not ours to judge: drop it.
    Ignore,
}

/// A peer as it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    pub peer: PeerId,
    /// One for each connection.
    pub connections: Vec<Link>,
    /// The last ping's round trip, once there was one.
    pub rtt: Option<Duration>,
}

impl ConnectedPeer {
    /// Who called whom first.
    pub fn direction(&self) -> Option<Direction> {
        self.connections.first().map(|link| link.direction)
    }
}

/// The network of one node. It ends when every clone of this handle is dropped, or by
/// [`shutdown`](Self::shutdown).
#[derive(Clone)]
pub struct Network {
    own_id: PeerId,
    commands: mpsc::Sender<Command>,
    opening: Arc<Semaphore>,
    admission: Admission,
    known: Known,
    ended: watch::Receiver<()>,
}

impl Network {
    /// Builds the swarm and spawns its driver on the current tokio runtime.
    pub fn start(config: Config) -> Result<(Self, Events), StartError> {
        Self::start_with(config, None)
    }

    /// The same for tests that want to see what travels.
    pub fn start_tapped(config: Config, tap: Tap) -> Result<(Self, Events), StartError> {
        Self::start_with(config, Some(tap))
    }

    fn start_with(config: Config, tap: Option<Tap>) -> Result<(Self, Events), StartError> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = config
            .protocols
            .iter()
            .find(|p| !seen.insert(p.as_ref().to_owned()))
        {
            return Err(StartError::ProtocolTwice(twice.clone()));
        }
        let (commands, received) = mpsc::channel(config.limits.max_queued_commands.max(1));
        let (sender, events) = events::queue(config.limits);
        let (ended_sender, ended) = watch::channel(());
        let admission = Admission::default();
        let known = Known::default();
        let seen = (admission.clone(), known.clone());
        let driver = Driver::new(&config, received, sender, seen, tap)?;
        let network = Self {
            own_id: driver.own_id(),
            commands,
            opening: Arc::new(Semaphore::new(config.limits.max_opening_streams.max(1))),
            admission,
            known,
            ended,
        };
        tokio::spawn(async move {
            // Dropped last, also when the driver panics: whoever waits for the end wakes up.
            let _ended = ended_sender;
            driver.run().await;
        });
        Ok((network, events))
    }

    pub fn peer_id(&self) -> PeerId {
        self.own_id
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    async fn ask_gossip<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> GossipCommand,
    ) -> Result<T, Stopped> {
        self.ask(|reply| Command::Gossip(command(reply))).await
    }

    /// Listens, and returns the actual addresses: the port that was chosen, the interfaces found
    /// behind a wildcard. Interfaces that come up later are told by `Event::Listening`.
    pub async fn listen(&self, address: Multiaddr) -> Result<Vec<Multiaddr>, ListenError> {
        self.ask(|reply| Command::Listen { address, reply }).await?
    }

    pub async fn listen_addresses(&self) -> Result<Vec<Multiaddr>, Stopped> {
        self.ask(|reply| Command::ListenAddresses { reply }).await
    }

    /// Connects to an address, with or without `/p2p/…` at its end. A peer that is connected
    /// already is returned at once.
    ///
    /// A peer that refuses *us* (it is full, or blocks us) does so after the handshake, so that
    /// shows as success, soon followed by `Disconnected`.
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, DialError> {
        self.ask(|reply| Command::Dial { address, reply }).await?
    }

    /// Closes all connections to a peer; `false` if there were none. A peer given to
    /// `set_reconnect` will be called again.
    pub async fn disconnect(&self, peer: PeerId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Disconnect { peer, reply }).await
    }

    /// Cuts a peer off at once, forgets its reconnect entry and refuses it from now on; `false`
    /// if it was blocked already. The list is not stored: the owner gives it again after a start.
    pub async fn block(&self, peer: PeerId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Block { peer, reply }).await
    }

    pub async fn unblock(&self, peer: PeerId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Unblock { peer, reply }).await
    }

    /// Has a connected peer take part in the gossip of these groups and no others, until it is
    /// disconnected; `false` if it is not connected. Before, it is told nothing by gossip, and not
    /// heard. Of more than [`MAX_GOSSIP_GROUPS_PER_PEER`] groups the lowest count.
    ///
    /// [`MAX_GOSSIP_GROUPS_PER_PEER`]: crate::config::MAX_GOSSIP_GROUPS_PER_PEER
    pub async fn admit_to_gossip(
        &self,
        peer: PeerId,
        groups: BTreeSet<GossipGroup>,
    ) -> Result<bool, Stopped> {
        self.ask_gossip(|reply| GossipCommand::Admit {
            peer,
            groups,
            reply,
        })
        .await
    }

    /// `false` if this node was subscribed already.
    pub async fn subscribe(
        &self,
        group: GossipGroup,
        topic: impl Into<String>,
    ) -> Result<bool, SubscribeError> {
        let topic = topic.into();
        if topic.len() > MAX_TOPIC_BYTES {
            let bytes = topic.len();
            return Err(SubscribeError::NameTooLong {
                bytes,
                max_bytes: MAX_TOPIC_BYTES,
            });
        }
        self.ask_gossip(|reply| GossipCommand::Subscribe {
            group,
            topic,
            reply,
        })
        .await?
    }

    pub async fn unsubscribe(
        &self,
        group: GossipGroup,
        topic: impl Into<String>,
    ) -> Result<bool, Stopped> {
        let topic = topic.into();
        self.ask_gossip(|reply| GossipCommand::Unsubscribe {
            group,
            topic,
            reply,
        })
        .await
    }

    /// Hands a message to the peers in the group that are subscribed to the topic.
    pub async fn publish(
        &self,
        group: GossipGroup,
        topic: impl Into<String>,
        data: Vec<u8>,
    ) -> Result<GossipId, PublishError> {
        let (topic, bytes) = (topic.into(), data.len());
        if topic.len() > MAX_TOPIC_BYTES {
            let bytes = topic.len();
            return Err(PublishError::NameTooLong {
                bytes,
                max_bytes: MAX_TOPIC_BYTES,
            });
        }
        if bytes > MAX_GOSSIP_BYTES {
            return Err(PublishError::TooLarge {
                bytes,
                max_bytes: MAX_GOSSIP_BYTES,
            });
        }
        self.ask_gossip(|reply| GossipCommand::Publish {
            group,
            topic,
            data,
            reply,
        })
        .await?
    }

    /// Says what a message from `Event::Gossip` is worth; `false` if that comes too late (some
    /// seconds after the message, or twice).
    pub async fn report_validation(&self, id: GossipId, verdict: Verdict) -> Result<bool, Stopped> {
        self.ask_gossip(|reply| GossipCommand::ReportValidation { id, verdict, reply })
            .await
    }

    /// All connected peers, ordered by id.
    pub async fn peers(&self) -> Result<Vec<ConnectedPeer>, Stopped> {
        self.ask(|reply| Command::Peers { reply }).await
    }

    /// Stays connected to a peer: calls it now, and again after each loss, with growing delays.
    pub async fn set_reconnect(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<(), ReconnectError> {
        self.ask(|reply| Command::SetReconnect {
            peer,
            addresses,
            reply,
        })
        .await?
    }

    /// Ends `set_reconnect`; a connection that stands is kept. `false` if there was no entry.
    pub async fn forget(&self, peer: PeerId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Forget { peer, reply }).await
    }

    /// Says whether a connected peer is one that this node does something for: a public node carries
    /// it and tries its addresses, and where it sees this node is worth a try. Holds from the moment
    /// this returns, and until the peer is gone.
    pub fn admit(&self, peer: PeerId, admitted: bool) {
        if self.admission.set(peer, admitted) && admitted {
            // With a full queue its observations wait for its next hello; nothing hangs on them.
            let _ = self.commands.try_send(Command::Admitted { peer });
        }
    }

    /// Keeps room for a peer from now on: whoever is not known finds less (`DoorLimits`). `false` if it
    /// was known, or too many are.
    pub fn know(&self, peer: PeerId) -> bool {
        self.known.add(peer)
    }

    /// Asks a connected peer for a place, by which others can call this node through it. Returns once
    /// it is asked; `ReachChanged` tells of the answer, and `reach` what it was.
    pub async fn reserve(&self, relay: PeerId) -> Result<(), ReserveError> {
        self.ask(|reply| Command::Reserve { relay, reply }).await?
    }

    /// Gives a place up; `false` if there was none.
    pub async fn release(&self, relay: PeerId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Release { relay, reply }).await
    }

    /// How this node can be reached, as far as it knows.
    pub async fn reach(&self) -> Result<ReachReport, Stopped> {
        self.ask(|reply| Command::Reach { reply }).await
    }

    pub async fn metrics(&self) -> Result<Metrics, Stopped> {
        self.ask(|reply| Command::Metrics { reply }).await
    }

    /// Opens a stream, connecting first (with addresses from `set_reconnect`) if need be.
    /// `within` covers everything.
    pub async fn open_stream(
        &self,
        peer: PeerId,
        protocol: StreamProtocol,
        within: Duration,
    ) -> Result<PeerStream, OpenError> {
        let opening = self.open_stream_untimed(peer, protocol.clone());
        let timed_out = |_| OpenError::TimedOut {
            peer,
            protocol,
            after: within,
        };
        timeout(within, opening).await.map_err(timed_out)?
    }

    async fn open_stream_untimed(
        &self,
        peer: PeerId,
        protocol: StreamProtocol,
    ) -> Result<PeerStream, OpenError> {
        let _permit = self.opening.acquire().await.map_err(|_| Stopped)?;
        self.ask(|reply| Command::Ensure { peer, reply }).await??;
        let (reply, answer) = oneshot::channel();
        let command = Command::OpenStream {
            peer,
            protocol: protocol.clone(),
            reply,
        };
        self.commands.send(command).await.map_err(|_| Stopped)?;
        match answer.await {
            Ok(Ok(stream)) => Ok(PeerStream::new(stream)),
            Ok(Err(StreamError::Unsupported)) => Err(OpenError::Unsupported { peer, protocol }),
            Ok(Err(StreamError::Io(cause))) => Err(OpenError::Closed { peer, cause }),
            // The connection ended with the request on its way.
            Err(_) => {
                let cause = io::ErrorKind::NotConnected.into();
                Err(OpenError::Closed { peer, cause })
            }
        }
    }

    /// Closes all connections and listeners; returns once ports are free and the driver has
    /// ended. Calling it again, or on another clone, waits for the same end.
    pub async fn shutdown(&self) {
        // An error means that the driver is gone or going, which is what we wait for.
        let _ = self.commands.send(Command::Shutdown).await;
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}
