//! A look at what travels on every stream, before it is encrypted and after it is decrypted.
//!
//! Tests want to say "these words are in no frame". What the sender's own functions hand over does
//! not show that: gossip keeps messages and sends them again by itself. So the tap sits below all
//! protocols, on the substreams of each connection, and sees their every byte: what two nodes agree
//! on first (multistream-select), frames, gossip, identify, ping. Only the bookkeeping of yamux and
//! the handshake of noise lie beneath it.
//!
//! A tap is given to [`Network::start_tapped`](crate::Network::start_tapped) by the program that
//! starts the network. No configuration, command or request leads here.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};

use crate::event::Direction;

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Received,
    Sent,
}

/// Which stream bytes were on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TappedStream {
    /// Who is at the other end.
    pub peer: PeerId,
    /// Counts the connections of this tap.
    pub connection: u64,
    /// Counts the streams of this tap, so it alone tells a stream.
    pub stream: u64,
    /// Which side opened the stream.
    pub opened: Direction,
}

/// Called with each piece of bytes, in order within a stream and way. It runs on the task of the
/// connection, which waits for it.
type Look = dyn Fn(TappedStream, Way, &[u8]) + Send + Sync;

/// Looks at all streams of a network. Clones count on together.
#[derive(Clone)]
pub struct Tap {
    look: Arc<Look>,
    connections: Arc<AtomicU64>,
    streams: Arc<AtomicU64>,
}

impl Tap {
    pub fn new(look: impl Fn(TappedStream, Way, &[u8]) + Send + Sync + 'static) -> Self {
        Self {
            look: Arc::new(look),
            connections: Arc::default(),
            streams: Arc::default(),
        }
    }

    /// The connection, with this tap on whatever is opened over it.
    pub(crate) fn on(&self, peer: PeerId, inner: StreamMuxerBox) -> StreamMuxerBox {
        StreamMuxerBox::new(TappedMuxer {
            inner,
            tap: self.clone(),
            peer,
            connection: self.connections.fetch_add(1, Ordering::Relaxed),
        })
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

struct TappedMuxer {
    inner: StreamMuxerBox,
    tap: Tap,
    peer: PeerId,
    connection: u64,
}

impl TappedMuxer {
    fn on(&self, opened: Direction, inner: SubstreamBox) -> TappedSubstream {
        let here = TappedStream {
            peer: self.peer,
            connection: self.connection,
            stream: self.tap.streams.fetch_add(1, Ordering::Relaxed),
            opened,
        };
        let look = Arc::clone(&self.tap.look);
        TappedSubstream { inner, look, here }
    }
}

impl StreamMuxer for TappedMuxer {
    type Substream = TappedSubstream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<TappedSubstream, io::Error>> {
        let polled = Pin::new(&mut self.inner).poll_inbound(cx);
        polled.map_ok(|stream| self.on(Direction::Inbound, stream))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<TappedSubstream, io::Error>> {
        let polled = Pin::new(&mut self.inner).poll_outbound(cx);
        polled.map_ok(|stream| self.on(Direction::Outbound, stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

struct TappedSubstream {
    inner: SubstreamBox,
    look: Arc<Look>,
    here: TappedStream,
}

impl AsyncRead for TappedSubstream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if let Poll::Ready(Ok(read @ 1..)) = polled {
            (self.look)(self.here, Way::Received, &buffer[..read]);
        }
        polled
    }
}

/// Vectored writes come here as well, one piece at a time.
impl AsyncWrite for TappedSubstream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written @ 1..)) = polled {
            (self.look)(self.here, Way::Sent, &bytes[..written]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
