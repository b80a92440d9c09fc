//! Streams as a behaviour of the swarm.
//!
//! The crate `libp2p-stream` does the same with one slot per protocol between all connections and
//! its user: streams that arrive while the slot is taken are reset without a trace, although the
//! opener was told "open". It also keeps an entry for each connection there ever was. Here streams
//! travel the swarm's own bounded path, so they come in order with `ConnectionEstablished`, and
//! what does not fit is counted.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::UpgradeInfo;
use libp2p::core::{Endpoint, util};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{InboundUpgrade, Multiaddr, OutboundUpgrade, PeerId, Stream, StreamProtocol};
use tokio::sync::oneshot;

/// Streams of one connection that wait for the swarm; it takes them within its next round.
const MAX_WAITING_PER_CONNECTION: usize = 64;

/// Why a stream was not opened.
#[derive(Debug)]
pub(crate) enum StreamError {
    Unsupported,
    Io(io::Error),
}

type OpenReply = oneshot::Sender<Result<Stream, StreamError>>;
type HandlerEvent = ConnectionHandlerEvent<Upgrade, OpenReply, Accepted>;

/// A stream that a peer opened.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) protocol: StreamProtocol,
    pub(crate) stream: Stream,
}

/// Asks a connection for a new stream.
pub(crate) struct Open {
    protocol: StreamProtocol,
    reply: OpenReply,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Open({})", self.protocol)
    }
}

pub(crate) struct Behaviour {
    protocols: Arc<[StreamProtocol]>,
    /// Emptied by the swarm before it does anything else.
    outgoing: VecDeque<ToSwarm<(PeerId, Accepted), Open>>,
    dropped: Arc<AtomicU64>,
}

impl Behaviour {
    pub(crate) fn new(protocols: &[StreamProtocol]) -> Self {
        Self {
            protocols: protocols.into(),
            outgoing: VecDeque::new(),
            dropped: Arc::default(),
        }
    }

    /// Opens a stream on any connection to `peer`. The reply is dropped if there is none.
    pub(crate) fn open(&mut self, peer: PeerId, protocol: StreamProtocol, reply: OpenReply) {
        let (handler, event) = (NotifyHandler::Any, Open { protocol, reply });
        self.outgoing.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler,
            event,
        });
    }

    /// How many incoming streams were reset for want of room, since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    fn handler(&self) -> Handler {
        Handler {
            protocols: Arc::clone(&self.protocols),
            opening: VecDeque::new(),
            accepted: VecDeque::new(),
            dropped: Arc::clone(&self.dropped),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = (PeerId, Accepted);

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        accepted: THandlerOutEvent<Self>,
    ) {
        self.outgoing
            .push_back(ToSwarm::GenerateEvent((peer, accepted)));
    }

    /// Needs no waker: the driver polls the swarm after each call of `open`, and the swarm polls
    /// its behaviours after each event of a handler.
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.outgoing.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

pub(crate) struct Handler {
    protocols: Arc<[StreamProtocol]>,
    /// Bounded by the permits for `open_stream`.
    opening: VecDeque<Open>,
    accepted: VecDeque<Accepted>,
    dropped: Arc<AtomicU64>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Accepted;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenReply;

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade, ()> {
        SubstreamProtocol::new(Upgrade(Arc::clone(&self.protocols)), ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<HandlerEvent> {
        if let Some(accepted) = self.accepted.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(accepted));
        }
        while let Some(Open { protocol, reply }) = self.opening.pop_front() {
            // The caller may have given up waiting.
            if !reply.is_closed() {
                let protocol = SubstreamProtocol::new(Upgrade(Arc::from([protocol])), reply);
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, open: Open) {
        self.opening.push_back(open);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade, (), OpenReply>) {
        // A caller that gave up waiting is no error, hence the ignored results.
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => {
                if self.accepted.len() < MAX_WAITING_PER_CONNECTION {
                    self.accepted.push_back(Accepted { protocol, stream });
                } else {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (stream, _),
                info: reply,
            }) => drop(reply.send(Ok(stream))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let error = match error {
                    StreamUpgradeError::NegotiationFailed => StreamError::Unsupported,
                    StreamUpgradeError::Timeout => StreamError::Io(io::ErrorKind::TimedOut.into()),
                    StreamUpgradeError::Io(error) => StreamError::Io(error),
                    StreamUpgradeError::Apply(never) => util::unreachable(never),
                };
                let _ = reply.send(Err(error));
            }
            _ => {}
        }
    }
}

/// Agrees on one of several protocol names, and hands out the stream as it is.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade(Arc<[StreamProtocol]>);

impl UpgradeInfo for Upgrade {
    type Info = StreamProtocol;
    type InfoIter = Vec<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.to_vec()
    }
}

impl InboundUpgrade<Stream> for Upgrade {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for Upgrade {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}
