//! Length-prefixed frames over any byte stream.
//!
//! A frame is a `u32` in big-endian order (the number of bytes that follow) and the bytes. The
//! announced length is compared with the caller's maximum before any memory is set aside, and
//! memory then grows with the bytes that really arrive, so a peer pays for what it makes us hold.
//!
//! Reader and writer are separate, because a protocol that writes while nobody reads deadlocks
//! once both sides' windows are full. Both know nothing of libp2p: tests run them over
//! `tokio::io::duplex`.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::time::timeout;

const PREFIX_BYTES: usize = 4;

/// Memory is reserved in steps of this size while a frame arrives.
const GROWTH_STEP_BYTES: usize = 64 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, Error)]
pub enum FrameError {
    #[error("the frame has {announced_bytes} bytes, at most {max_bytes} are allowed here")]
    TooLarge {
        announced_bytes: u64,
        max_bytes: usize,
    },
    #[error("the stream ended inside a frame, after {received_bytes} of its bytes")]
    Truncated { received_bytes: usize },
    #[error("no whole frame passed within {after:?}; the peer is too slow or gone")]
    TimedOut { after: Duration },
    #[error("a frame was begun and did not arrive whole within {after:?}")]
    TooSlow { after: Duration },
    #[error("an earlier frame failed half-way; close this stream and open a new one")]
    Broken,
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),
}

/// Splits a stream into its framed halves. `max_bytes` bounds a single frame in either direction.
pub fn framed<S: AsyncRead + AsyncWrite>(
    stream: S,
    max_bytes: usize,
) -> (FrameReader<ReadHalf<S>>, FrameWriter<WriteHalf<S>>) {
    let (read, write) = tokio::io::split(stream);
    (
        FrameReader::new(read, max_bytes),
        FrameWriter::new(write, max_bytes),
    )
}

/// Reads frames. Cancel safe: what has arrived stays here when a `read` is dropped or times out.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    max_bytes: usize,
    prefix: [u8; PREFIX_BYTES],
    prefix_filled: usize,
    body: Vec<u8>,
    broken: bool,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(inner: R, max_bytes: usize) -> Self {
        let prefix = [0; PREFIX_BYTES];
        Self {
            inner,
            max_bytes,
            prefix,
            prefix_filled: 0,
            body: Vec::new(),
            broken: false,
        }
    }

    /// The next frame, or `None` once the peer closed its half between two frames.
    ///
    /// `within` covers the whole frame, the wait for its first byte included. After `TimedOut`
    /// the next call goes on where this one stopped; after any other error the reader is broken.
    pub async fn read(&mut self, within: Duration) -> Result<Option<Vec<u8>>, FrameError> {
        if self.broken {
            return Err(FrameError::Broken);
        }
        match timeout(within, self.read_frame()).await {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(error)) => {
                self.broken = true;
                self.body = Vec::new();
                Err(error)
            }
            Err(_) => Err(FrameError::TimedOut { after: within }),
        }
    }

    /// The same, where a frame that has begun must be whole after `frame`: nobody holds a half-read one
    /// for as long as a stream may be idle. `TooSlow` breaks the reader.
    pub async fn read_begun(
        &mut self,
        idle: Duration,
        frame: Duration,
    ) -> Result<Option<Vec<u8>>, FrameError> {
        if self.broken {
            return Err(FrameError::Broken);
        }
        if self.prefix_filled == 0 {
            let first = timeout(idle, self.inner.read(&mut self.prefix[..1])).await;
            match first.map_err(|_| FrameError::TimedOut { after: idle })? {
                Ok(0) => return Ok(None),
                Ok(received) => self.prefix_filled = received,
                Err(error) => {
                    self.broken = true;
                    return Err(error.into());
                }
            }
        }
        let read = self.read(frame).await;
        if let Err(FrameError::TimedOut { after }) = read {
            self.broken = true;
            self.body = Vec::new();
            return Err(FrameError::TooSlow { after });
        }
        read
    }

    async fn read_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        while self.prefix_filled < PREFIX_BYTES {
            let received = self
                .inner
                .read(&mut self.prefix[self.prefix_filled..])
                .await?;
            if received == 0 {
                return match self.prefix_filled {
                    0 => Ok(None),
                    received_bytes => Err(FrameError::Truncated { received_bytes }),
                };
            }
            self.prefix_filled += received;
        }
        let announced = u32::from_be_bytes(self.prefix);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > self.max_bytes {
            let announced_bytes = u64::from(announced);
            return Err(FrameError::TooLarge {
                announced_bytes,
                max_bytes: self.max_bytes,
            });
        }
        while self.body.len() < length {
            self.read_some_body(length).await?;
        }
        self.prefix_filled = 0;
        Ok(Some(std::mem::take(&mut self.body)))
    }

    /// Appends what is there, never past `length`: the bytes behind it belong to the next frame.
    async fn read_some_body(&mut self, length: usize) -> Result<(), FrameError> {
        let filled = self.body.len();
        let step = (length - filled).min(GROWTH_STEP_BYTES);
        let (inner, body) = (&mut self.inner, &mut self.body);
        let mut chunk = [0_u8; 8 * 1024];
        let wanted = step.min(chunk.len());
        let received = std::future::poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut chunk[..wanted]);
            let polled = std::pin::Pin::new(&mut *inner).poll_read(cx, &mut buffer);
            polled.map_ok(|()| buffer.filled().len())
        })
        .await?;
        if received == 0 {
            return Err(FrameError::Truncated {
                received_bytes: PREFIX_BYTES + filled,
            });
        }
        if body.capacity() < filled + received {
            body.reserve_exact(step);
        }
        body.extend_from_slice(&chunk[..received]);
        Ok(())
    }
}

/// Writes frames. A write that fails, times out or is dropped half-way breaks the writer: the
/// peer would take the next frame for the rest of this one.
#[derive(Debug)]
pub struct FrameWriter<W> {
    inner: W,
    max_bytes: usize,
    broken: bool,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    pub fn new(inner: W, max_bytes: usize) -> Self {
        Self {
            inner,
            max_bytes,
            broken: false,
        }
    }

    /// Writes one frame and flushes it. `TooLarge` writes nothing and leaves the writer usable.
    pub async fn write(&mut self, frame: &[u8], within: Duration) -> Result<(), FrameError> {
        if self.broken {
            return Err(FrameError::Broken);
        }
        let max_bytes = self.max_bytes;
        let announced_bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        let prefix = match u32::try_from(frame.len()) {
            Ok(length) if frame.len() <= max_bytes => length.to_be_bytes(),
            _ => {
                return Err(FrameError::TooLarge {
                    announced_bytes,
                    max_bytes,
                });
            }
        };
        self.broken = true;
        let writing = async {
            self.inner.write_all(&prefix).await?;
            self.inner.write_all(frame).await?;
            self.inner.flush().await
        };
        timeout(within, writing)
            .await
            .map_err(|_| FrameError::TimedOut { after: within })??;
        self.broken = false;
        Ok(())
    }

    /// Tells the peer that no more frames come. The other direction stays open.
    pub async fn close(mut self, within: Duration) -> Result<(), FrameError> {
        let closing = self.inner.shutdown();
        timeout(within, closing)
            .await
            .map_err(|_| FrameError::TimedOut { after: within })??;
        Ok(())
    }
}
