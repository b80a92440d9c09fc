//! The two halves of a sync stream.

use super::{super::gate::Gate, kept::write_kept};
use crate::{node::Inner, random};
use comity_net::{FrameError, FrameReader, FrameWriter, PeerStream};
use comity_protocol::sync::Message;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{ReadHalf, WriteHalf},
    sync::mpsc,
};

/// How long one frame may take to be written.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a stream may be idle between frames before reading starts anew.
const READ_PATIENCE: Duration = Duration::from_secs(3_600);

/// Decodes frames until one is broken or the stream ends.
pub(super) async fn read_frames(
    mut reader: FrameReader<ReadHalf<PeerStream>>,
    frames: mpsc::Sender<Result<Message, String>>,
    inner: Arc<Inner>,
) {
    let received = &inner.metrics.exchange.received;
    loop {
        let item = match reader.read(READ_PATIENCE).await {
            Ok(Some(frame)) => {
                received.bytes.add(frame.len() as u64);
                let message = Message::decode(&frame).map_err(|error| error.to_string());
                message.inspect(|it| received.entries.add(entries_of(it)))
            }
            Ok(None) => return,
            Err(FrameError::TimedOut { .. }) => continue,
            Err(error) => Err(error.to_string()),
        };
        let last = item.is_err();
        if frames.send(item).await.is_err() || last {
            return;
        }
    }
}

fn entries_of(message: &Message) -> u64 {
    match message {
        Message::Entries { entries, .. } => entries.len() as u64,
        _ => 0,
    }
}

/// Writes what the peer may read until there is no more to say.
pub(super) async fn write_frames(
    mut writer: FrameWriter<WriteHalf<PeerStream>>,
    mut frames: mpsc::Receiver<Message>,
    inner: &Inner,
    gate: &Gate,
) -> Result<(), String> {
    let mut erasures = inner.ingest.erasures();
    let sent = &inner.metrics.exchange.sent;
    while let Some(message) = frames.recv().await {
        // It may have waited long; what the peer may no longer read is not said any more.
        let readable = gate.readable(&inner.ingest.ledger(), random::now_ms());
        let Some(message) = message.only_about(|space| readable.contains(space)) else {
            continue;
        };
        let entries = entries_of(&message);
        let bytes = write_kept(
            &mut writer,
            Arc::new(message),
            &inner.archive,
            &mut erasures,
            WRITE_PATIENCE,
        )
        .await?;
        sent.entries.add(entries);
        sent.bytes.add(bytes);
    }
    writer
        .close(Duration::from_secs(1))
        .await
        .map_err(|error| error.to_string())
}
