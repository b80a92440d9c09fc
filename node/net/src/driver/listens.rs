//! Listening: finding out the actual addresses, and whether the port is really free.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Instant;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Swarm, TransportError};

use super::{INTERFACES_WAIT, ip_of};
use crate::behaviour::Behaviour;
use crate::command::Reply;
use crate::error::ListenError;

type ListenReply = Reply<Result<Vec<Multiaddr>, ListenError>>;

struct Pending {
    asked: Multiaddr,
    found: Vec<Multiaddr>,
    reply: ListenReply,
    /// Set with the first interface of a wildcard address.
    settles: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Listens {
    pending: BTreeMap<u64, Pending>,
    listeners: Vec<(ListenerId, u64)>,
    next: u64,
}

impl Listens {
    pub(super) fn start(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        asked: Multiaddr,
        reply: ListenReply,
    ) {
        let started = check_port_is_free(&asked).and_then(|()| {
            swarm
                .listen_on(asked.clone())
                .map_err(|e| explain(&asked, e))
        });
        match started {
            Ok(listener) => {
                let (found, settles) = (Vec::new(), None);
                self.next += 1;
                self.listeners.push((listener, self.next));
                self.pending.insert(
                    self.next,
                    Pending {
                        asked,
                        found,
                        reply,
                        settles,
                    },
                );
            }
            // The caller may have given up waiting.
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn number(&self, listener: ListenerId) -> Option<u64> {
        self.listeners
            .iter()
            .find(|(id, _)| *id == listener)
            .map(|(_, number)| *number)
    }

    pub(super) fn found(&mut self, listener: ListenerId, address: &Multiaddr) {
        let Some(number) = self.number(listener) else {
            return;
        };
        let Some(pending) = self.pending.get_mut(&number) else {
            return;
        };
        pending.found.push(address.clone());
        let is_wildcard = ip_of(&pending.asked).is_some_and(|ip| ip.is_unspecified());
        let now = Instant::now();
        let wait = if is_wildcard {
            now + INTERFACES_WAIT
        } else {
            now
        };
        let settles = *pending.settles.get_or_insert(wait);
        self.settle(settles.min(now));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.pending
            .values()
            .filter_map(|pending| pending.settles)
            .min()
    }

    /// Answers those who waited for interfaces long enough.
    pub(super) fn settle(&mut self, now: Instant) {
        let is_settled = |_: &u64, p: &mut Pending| p.settles.is_some_and(|at| at <= now);
        for (_, pending) in self.pending.extract_if(.., is_settled) {
            // The caller may have given up waiting.
            let _ = pending.reply.send(Ok(pending.found));
        }
    }

    pub(super) fn closed(&mut self, listener: ListenerId, reason: io::Result<()>) {
        let number = self.number(listener);
        self.listeners.retain(|(id, _)| *id != listener);
        let Some(pending) = number.and_then(|number| self.pending.remove(&number)) else {
            return;
        };
        let cause = reason
            .err()
            .unwrap_or_else(|| io::Error::other("the listener was closed"));
        // The caller may have given up waiting.
        let _ = pending.reply.send(Err(ListenError::Io {
            address: pending.asked,
            cause,
        }));
    }

    pub(super) fn close(&mut self, swarm: &mut Swarm<Behaviour>) {
        for (listener, _) in self.listeners.drain(..) {
            swarm.remove_listener(listener);
        }
    }
}

/// libp2p's TCP sets `SO_REUSEPORT` on listeners, so a second node of the same user would share
/// the port without any error, and each would get some of the other's connections. A bind without
/// that option tells the truth.
fn check_port_is_free(address: &Multiaddr) -> Result<(), ListenError> {
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) if port != 0 => Some(port),
        _ => None,
    });
    let Some((ip, port)) = ip_of(address).zip(port) else {
        return Ok(());
    };
    let ip = match ip {
        // The standard library would bind IPv4 too, where this node may be listening itself.
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    match TcpListener::bind(SocketAddr::new(ip, port)) {
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => Err(ListenError::InUse {
            address: address.clone(),
            cause,
        }),
        // Any other trouble shows, with its own words, when libp2p listens.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn explain(address: &Multiaddr, error: TransportError<io::Error>) -> ListenError {
    let address = address.clone();
    let is_memory = address
        .iter()
        .any(|part| matches!(part, Protocol::Memory(_)));
    match error {
        TransportError::MultiaddrNotSupported(_) => ListenError::Unsupported { address },
        // The memory transport has only one way to fail here.
        TransportError::Other(cause) if is_memory => ListenError::InUse { address, cause },
        TransportError::Other(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
            ListenError::InUse { address, cause }
        }
        TransportError::Other(cause) => ListenError::Io { address, cause },
    }
}
