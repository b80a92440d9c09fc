//! What the network tells its owner.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use crate::error::DialError;
use crate::frame::{FrameReader, FrameWriter, framed};

/// Which side opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Names a group of topics, and of peers who may hear of them: `admit_to_gossip`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GossipGroup([u8; 32]);

impl GossipGroup {
    pub fn new(name: [u8; 32]) -> Self {
        Self(name)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for GossipGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, "GossipGroup", &self.0)
    }
}

/// Identifies a gossip message: a hash over its group, its topic and its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GossipId(pub(crate) [u8; 32]);

impl GossipId {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for GossipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, "GossipId", &self.0)
    }
}

fn write_id(f: &mut fmt::Formatter<'_>, name: &str, id: &[u8; 32]) -> fmt::Result {
    write!(f, "{name}(")?;
    id[..8]
        .iter()
        .try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str("…)")
}

/// Why the last connection to a peer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisconnectReason {
    /// `disconnect` was called.
    Requested,
    /// The peer was blocked.
    Blocked,
    /// It missed two pings in a row.
    Unresponsive,
    /// Nothing used the connection for the idle time.
    Idle,
    /// This node is shutting down.
    Shutdown,
    /// The peer closed it, or the line broke.
    Lost { detail: String },
}

/// Which queue had no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    Gossip,
    IncomingStreams,
    Notices,
}

/// Something happened. [`Connected`](Event::Connected) and
/// [`Disconnected`](Event::Disconnected) are never lost to a slow consumer, and they alternate
/// per peer: they speak of peers, not of single connections.
#[derive(Debug)]
pub enum Event {
    Listening {
        address: Multiaddr,
    },
    Connected {
        peer: PeerId,
        direction: Direction,
        address: Multiaddr,
    },
    Disconnected {
        peer: PeerId,
        reason: DisconnectReason,
    },
    /// An attempt to reach a peer given to `set_reconnect` failed; the next one comes by itself.
    DialFailed {
        peer: PeerId,
        error: DialError,
        retry_in: Option<Duration>,
    },
    /// Report what it is worth with `report_validation`, or it is not passed on.
    Gossip {
        source: PeerId,
        group: GossipGroup,
        topic: String,
        data: Vec<u8>,
        id: GossipId,
    },
    IncomingStream {
        peer: PeerId,
        protocol: StreamProtocol,
        stream: PeerStream,
    },
    IdentifyInfo {
        peer: PeerId,
        /// Its protocol family, `/comity/1` for nodes like this one.
        family: String,
        agent: String,
        protocols: Vec<String>,
        /// Where the peer sees this node.
        observed: Multiaddr,
    },
    PingRtt {
        peer: PeerId,
        rtt: Duration,
    },
    /// How this node can be reached may have changed: see `Network::reach`.
    ReachChanged,
    /// This many events were dropped here since the last such event.
    Backpressure {
        what: Dropped,
        dropped: u64,
    },
}

/// A stream of bytes to one peer. Dropping it resets it.
pub struct PeerStream {
    inner: Compat<libp2p::Stream>,
}

impl PeerStream {
    pub(crate) fn new(stream: libp2p::Stream) -> Self {
        Self {
            inner: stream.compat(),
        }
    }

    /// Both halves, framed; `max_bytes` bounds a single frame in either direction.
    pub fn into_frames(
        self,
        max_bytes: usize,
    ) -> (FrameReader<ReadHalf<Self>>, FrameWriter<WriteHalf<Self>>) {
        framed(self, max_bytes)
    }
}

impl fmt::Debug for PeerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerStream")
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
