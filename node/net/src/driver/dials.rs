//! Dialing: who waits for which attempt, and what libp2p's errors mean to a person.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError as SwarmDialError};
use libp2p::{Multiaddr, PeerId, TransportError, allow_block_list, connection_limits};

use super::reach::{is_circuit, without_peer};
use super::{Driver, innermost, jitter, peer_of};
use crate::command::Reply;
use crate::error::DialError;
use crate::event::Event;

type DialReply = Reply<Result<PeerId, DialError>>;

enum Purpose {
    Caller(DialReply),
    Reconnect(PeerId),
}

struct Attempt {
    target: String,
    started: Instant,
    purpose: Purpose,
}

/// Attempts in progress. Bounded by the limit of pending connections.
#[derive(Default)]
pub(super) struct Dials {
    attempts: BTreeMap<ConnectionId, Attempt>,
    reconnects: usize,
}

impl Dials {
    pub(super) fn reconnects(&self) -> usize {
        self.reconnects
    }

    fn insert(&mut self, id: ConnectionId, attempt: Attempt) {
        self.reconnects += usize::from(matches!(attempt.purpose, Purpose::Reconnect(_)));
        self.attempts.insert(id, attempt);
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        self.reconnects -= usize::from(matches!(attempt.purpose, Purpose::Reconnect(_)));
        Some(attempt)
    }

    /// The attempt led to a connection.
    pub(super) fn succeeded(&mut self, id: ConnectionId, peer: PeerId) {
        if let Some(Attempt {
            purpose: Purpose::Caller(reply),
            ..
        }) = self.remove(id)
        {
            // The caller may have given up waiting.
            let _ = reply.send(Ok(peer));
        }
    }
}

impl Driver {
    pub(super) fn dial_address(&mut self, address: Multiaddr, reply: DialReply) {
        let target = address.to_string();
        let opts = match peer_of(&address) {
            Some(peer) if self.peers.is_connected(&peer) => {
                // The caller may have given up waiting.
                let _ = reply.send(Ok(peer));
                return;
            }
            Some(peer) => self.peer_opts(peer, vec![address]),
            None if self.reach.shows_its_port(std::slice::from_ref(&address)) => {
                DialOpts::unknown_peer_id().address(address).build()
            }
            None => DialOpts::unknown_peer_id()
                .address(address)
                .allocate_new_port()
                .build(),
        };
        self.dial(opts, target, Purpose::Caller(reply));
    }

    pub(super) fn ensure_connected(&mut self, peer: PeerId, reply: DialReply) {
        let known = self.reconnect.addresses(&peer).unwrap_or_default().to_vec();
        let outcome = match () {
            () if self.peers.is_connected(&peer) => Ok(peer),
            () if known.is_empty() => Err(DialError::NoAddress { peer }),
            () => {
                let purpose = Purpose::Caller(reply);
                return self.dial(self.peer_opts(peer, known), peer.to_string(), purpose);
            }
        };
        // The caller may have given up waiting.
        let _ = reply.send(outcome);
    }

    pub(super) fn dial_for_reconnect(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let opts = self.peer_opts(peer, addresses);
        self.dial(opts, peer.to_string(), Purpose::Reconnect(peer));
    }

    /// A fresh port for each attempt, but where the listener's own is of use: with that one, two nodes
    /// that call each other at the same moment would meet in one TCP connection that both believe to
    /// have opened.
    ///
    /// Where this node listens itself nobody else is found. Such an address, `127.0.0.1` with the usual
    /// port above all, would answer first and spoil the attempt at the others.
    fn peer_opts(&self, peer: PeerId, mut addresses: Vec<Multiaddr>) -> DialOpts {
        let own: Vec<&Multiaddr> = self.own_listeners().collect();
        addresses.retain(|it| is_circuit(it) || !own.contains(&&without_peer(it)));
        let shows_port = self.reach.shows_its_port(&addresses);
        let opts = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(addresses);
        if shows_port {
            opts.build()
        } else {
            opts.allocate_new_port().build()
        }
    }

    fn dial(&mut self, opts: DialOpts, target: String, purpose: Purpose) {
        let id = opts.connection_id();
        self.dials.insert(
            id,
            Attempt {
                target,
                started: Instant::now(),
                purpose,
            },
        );
        // libp2p tells of some failures here, and of the others by an event.
        if let Err(error) = self.swarm.dial(opts) {
            self.on_dial_error(id, error);
        }
    }

    pub(super) fn on_dial_error(&mut self, id: ConnectionId, error: SwarmDialError) {
        let Some(attempt) = self.dials.remove(id) else {
            return;
        };
        self.metrics.dials_failed += 1;
        let elapsed = attempt.started.elapsed();
        let error = explain(attempt.target, error, elapsed, self.timing.connect);
        match attempt.purpose {
            // The caller may have given up waiting.
            Purpose::Caller(reply) => drop(reply.send(Err(error))),
            Purpose::Reconnect(peer) => {
                let retry_in = self.reconnect.failed(&peer, Instant::now(), jitter());
                self.events.push(Event::DialFailed {
                    peer,
                    error,
                    retry_in,
                });
            }
        }
    }
}

fn explain(
    target: String,
    error: SwarmDialError,
    elapsed: Duration,
    connect: Duration,
) -> DialError {
    match error {
        // Every attempt names an address; libp2p leaves out those that this node listens on.
        SwarmDialError::LocalPeerId { .. } | SwarmDialError::NoAddresses => {
            DialError::Own { target }
        }
        SwarmDialError::Aborted | SwarmDialError::DialPeerConditionFalse(_) => {
            DialError::Aborted { target }
        }
        SwarmDialError::WrongPeerId { obtained, address } => DialError::WrongPeer {
            address,
            found: obtained,
        },
        SwarmDialError::Denied { cause } => {
            if cause.downcast_ref::<allow_block_list::Blocked>().is_some() {
                return DialError::Blocked { target };
            }
            let limit = match cause.downcast_ref::<connection_limits::Exceeded>() {
                Some(exceeded) => exceeded.to_string(),
                None => cause.to_string(),
            };
            DialError::LimitReached { target, limit }
        }
        SwarmDialError::Transport(causes) => explain_transport(target, causes, elapsed, connect),
    }
}

fn explain_transport(
    target: String,
    causes: Vec<(Multiaddr, TransportError<std::io::Error>)>,
    elapsed: Duration,
    connect: Duration,
) -> DialError {
    if let [(address, TransportError::MultiaddrNotSupported(_))] = causes.as_slice() {
        return DialError::Unsupported {
            address: address.clone(),
        };
    }
    // The transport wraps its timeouts in types that cannot be named; the clock tells as well.
    if elapsed >= connect {
        return DialError::TimedOut {
            target,
            after: connect,
        };
    }
    let cause = |(address, error): &(Multiaddr, TransportError<std::io::Error>)| match error {
        TransportError::MultiaddrNotSupported(_) => format!("{address} is not supported"),
        TransportError::Other(error) => format!("{address}: {}", innermost(error)),
    };
    let causes: Vec<String> = causes.iter().map(cause).collect();
    DialError::Unreachable {
        target,
        cause: causes.join(", "),
    }
}
