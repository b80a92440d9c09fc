//! The task that owns the swarm.
//!
//! It takes commands, swarm events and timers, in no fixed order, and answers each at once. It never waits for its owner: replies go into one-shot channels, events into a
//! queue that drops rather than blocks.

mod dials;
mod gossip;
mod listens;
mod peers;
mod reach;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, identify, multiaddr::Protocol};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use crate::behaviour::{Behaviour, BehaviourEvent, ConnectionTasks, build_swarm};
use crate::command::Command;
use crate::config::{Config, Timing};
use crate::door::Known;
use crate::error::{ReconnectError, StartError};
use crate::event::{Dropped, Event, PeerStream};
use crate::events::EventSender;
use crate::metrics::Metrics;
use crate::reach::Admission;
use crate::reconnect::{MAX_RECONNECT_PEERS, Reconnect};
use crate::streams::Accepted;
use crate::tap::Tap;

use dials::Dials;
use gossip::Unjudged;
use listens::Listens;
use peers::Peers;
use reach::Reach;

/// What a peer says about itself is cut to these sizes.
const MAX_AGENT_CHARS: usize = 128;
const MAX_IDENTIFY_PROTOCOLS: usize = 64;

pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    tasks: ConnectionTasks,
    commands: mpsc::Receiver<Command>,
    events: EventSender,
    timing: Timing,
    max_dials: usize,
    peers: Peers,
    dials: Dials,
    listens: Listens,
    unjudged: Unjudged,
    reconnect: Reconnect,
    admission: Admission,
    reach: Reach,
    metrics: Metrics,
}

impl Driver {
    pub(crate) fn new(
        config: &Config,
        commands: mpsc::Receiver<Command>,
        events: EventSender,
        (admission, known): (Admission, Known),
        tap: Option<Tap>,
    ) -> Result<Self, StartError> {
        let tasks = ConnectionTasks::default();
        let swarm = build_swarm(config, &tasks, &admission, known, tap)?;
        Ok(Self {
            swarm,
            tasks,
            commands,
            events,
            timing: config.timing,
            max_dials: usize::try_from(config.limits.max_pending_connections / 2).unwrap_or(1),
            peers: Peers::default(),
            dials: Dials::default(),
            listens: Listens::default(),
            unjudged: Unjudged::default(),
            reconnect: Reconnect::new(config.timing.backoff),
            admission,
            reach: Reach::new(config.public),
            metrics: Metrics::default(),
        })
    }

    pub(crate) fn own_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    pub(crate) async fn run(mut self) {
        loop {
            let due = self.next_timer();
            tokio::select! {
                command = self.commands.recv() => match command {
                    None | Some(Command::Shutdown) => break,
                    Some(command) => self.on_command(command),
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                    self.on_timer(Instant::now());
                }
            }
        }
        self.close().await;
    }

    /// Says goodbye to every peer, for at most the configured time, then frees everything.
    async fn close(mut self) {
        // Commands that still wait get `Stopped` as their replies are dropped with the channel.
        self.commands.close();
        self.listens.close(&mut self.swarm);
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // An error means that the peer is gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let goodbye = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(self.timing.shutdown, goodbye).await.is_err() {
            tracing::debug!("some peers did not let go in time; their connections are cut");
        }
        for event in self.peers.end_all() {
            self.events.push(event);
        }
        drop(self.swarm);
        self.tasks.end().await;
    }

    fn next_timer(&self) -> Option<Instant> {
        let reconnect = if self.dials.reconnects() < self.max_dials {
            self.reconnect.next_due()
        } else {
            None
        };
        reconnect.into_iter().chain(self.listens.next_due()).min()
    }

    fn on_timer(&mut self, now: Instant) {
        self.listens.settle(now);
        let room = self.max_dials.saturating_sub(self.dials.reconnects());
        for (peer, addresses) in self.reconnect.due(now, room) {
            self.metrics.reconnect_attempts += 1;
            self.dial_for_reconnect(peer, addresses);
        }
    }

    fn on_command(&mut self, command: Command) {
        // A caller that no longer waits for its reply is no error, hence the ignored results.
        match command {
            Command::Listen { address, reply } => {
                self.listens.start(&mut self.swarm, address, reply);
            }
            Command::Dial { address, reply } => self.dial_address(address, reply),
            Command::Ensure { peer, reply } => self.ensure_connected(peer, reply),
            Command::OpenStream {
                peer,
                protocol,
                reply,
            } => {
                self.swarm
                    .behaviour_mut()
                    .stream
                    .open(peer, protocol, reply);
            }
            Command::Disconnect { peer, reply } => {
                let _ = reply.send(self.disconnect(peer));
            }
            Command::Block { peer, reply } => {
                let _ = reply.send(self.block(peer));
            }
            Command::Unblock { peer, reply } => {
                let _ = reply.send(self.swarm.behaviour_mut().gate.unblock_peer(peer));
            }
            Command::Gossip(command) => self.on_gossip_command(command),
            Command::Peers { reply } => {
                let _ = reply.send(self.peers.snapshot());
            }
            Command::ListenAddresses { reply } => {
                let _ = reply.send(self.own_listeners().cloned().collect());
            }
            Command::SetReconnect {
                peer,
                addresses,
                reply,
            } => {
                let _ = reply.send(self.set_reconnect(peer, addresses));
            }
            Command::Forget { peer, reply } => {
                let _ = reply.send(self.reconnect.forget(&peer));
            }
            Command::Reserve { relay, reply } => {
                let _ = reply.send(self.reserve(relay));
            }
            Command::Release { relay, reply } => {
                let _ = reply.send(self.release(&relay));
            }
            Command::Admitted { peer } => self.consider_observations(&peer),
            Command::Reach { reply } => {
                let _ = reply.send(self.reach_report());
            }
            Command::Metrics { reply } => {
                self.count_dropped_streams();
                let connected_peers = self.peers.len();
                let queue = self.events.counters();
                let _ = reply.send(Metrics {
                    connected_peers,
                    queue,
                    ..self.metrics
                });
            }
            // `run` ends the loop before it comes here.
            Command::Shutdown => {}
        }
    }

    fn set_reconnect(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<(), ReconnectError> {
        if addresses.is_empty() {
            return Err(ReconnectError::NoAddress { peer });
        }
        if self.swarm.behaviour().gate.blocked_peers().contains(&peer) {
            return Err(ReconnectError::Blocked { peer });
        }
        let connected = self.peers.is_connected(&peer);
        match self
            .reconnect
            .set(peer, addresses, connected, Instant::now())
        {
            true => Ok(()),
            false => Err(ReconnectError::TooMany {
                max: MAX_RECONNECT_PEERS,
            }),
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                self.on_closed(peer_id, connection_id, cause);
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error,
                ..
            } => {
                self.metrics.inbound_refused += 1;
                tracing::debug!(address = %send_back_addr, %error, "refused a connection");
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                self.on_dial_error(connection_id, error);
            }
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                if !self.on_place(listener_id, &address) {
                    self.listens.found(listener_id, &address);
                    self.on_own_addresses();
                }
                self.events.push(Event::Listening { address });
            }
            SwarmEvent::ExpiredListenAddr { .. } => self.on_own_addresses(),
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                self.on_place_lost(listener_id, &reason);
                self.listens.closed(listener_id, reason);
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener reported an error and goes on");
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip((group, event)) => self.on_gossip_event(group, event),
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            }) => {
                let cut = |text: String| text.chars().take(MAX_AGENT_CHARS).collect::<String>();
                self.peers.identified(&peer_id, connection_id, &info);
                self.consider_observations(&peer_id);
                let protocols = info.protocols.iter().take(MAX_IDENTIFY_PROTOCOLS);
                self.events.push(Event::IdentifyInfo {
                    peer: peer_id,
                    family: cut(info.protocol_version),
                    agent: cut(info.agent_version),
                    protocols: protocols.map(ToString::to_string).map(cut).collect(),
                    observed: info.observed_addr,
                });
            }
            BehaviourEvent::Stream((peer, accepted)) => self.on_stream(peer, accepted),
            BehaviourEvent::Reach(event) => self.on_reach_event(event),
            BehaviourEvent::Identify(_) => {}
        }
    }

    fn count_dropped_streams(&self) {
        let dropped = self.swarm.behaviour().stream.take_dropped();
        self.events.count_dropped(Dropped::IncomingStreams, dropped);
    }

    fn on_stream(&mut self, peer: PeerId, Accepted { protocol, stream }: Accepted) {
        self.count_dropped_streams();
        // The peer was blocked while its stream was on the way here.
        if !self.peers.is_connected(&peer) {
            self.events.count_dropped(Dropped::IncomingStreams, 1);
            return;
        }
        let stream = PeerStream::new(stream);
        if self.events.push(Event::IncomingStream {
            peer,
            protocol,
            stream,
        }) {
            self.metrics.streams_accepted += 1;
        }
    }
}

/// A random number for jitter; nothing secret depends on it.
fn jitter() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// The peer that an address ends with, if it does.
fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

/// libp2p wraps the one useful sentence ("connection refused") several times.
fn innermost(error: &std::io::Error) -> String {
    let mut current: &dyn std::error::Error = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

/// How long a wildcard listener is given to name its interfaces.
const INTERFACES_WAIT: Duration = Duration::from_millis(100);
