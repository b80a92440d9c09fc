//! The two halves of a sync stream.

use super::{
    super::{
        account::{cost_of, cost_of_answer},
        conduct::Offence,
        gate::Gate,
    },
    Shared,
    kept::write_kept,
};
use crate::random;
use comity_net::{FrameError, FrameReader, FrameWriter, PeerId, PeerStream};
use comity_protocol::{
    id::SpaceId,
    sync::{Message, message::MessageError},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{ReadHalf, WriteHalf},
    sync::mpsc,
    time::sleep,
};

/// How long one frame may take to be written.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a stream may be idle between frames before reading starts anew.
const READ_PATIENCE: Duration = Duration::from_secs(3_600);

/// How long a frame may take to arrive, once its first byte has.
const FRAME_PATIENCE: Duration = Duration::from_secs(120);

/// Decodes frames until one is broken or the stream ends. A peer that has used up its allowance is not
/// read from until that has filled again.
pub(super) async fn read_frames(
    mut reader: FrameReader<ReadHalf<PeerStream>>,
    frames: mpsc::Sender<Result<Message, String>>,
    shared: Arc<Shared>,
    peer: PeerId,
) {
    let (received, warden) = (&shared.inner.metrics.exchange.received, &shared.warden);
    loop {
        if let Some(pause) = warden.pause(peer) {
            sleep(pause).await;
        }
        let item = match reader.read_begun(READ_PATIENCE, FRAME_PATIENCE).await {
            Ok(Some(frame)) => {
                received.bytes.add(frame.len() as u64);
                let message = Message::decode(&frame);
                match &message {
                    Ok(it) => {
                        warden.charge(peer, cost_of(it));
                        received.entries.add(entries_of(it));
                    }
                    // That of a newer version, which honest peers of another age may speak.
                    Err(MessageError::UnknownMessage(_)) => {}
                    Err(_) => warden.offended(peer, Offence::BrokenMessage),
                }
                message.map_err(|error| error.to_string())
            }
            Ok(None) => return,
            Err(FrameError::TimedOut { .. }) => continue,
            Err(error) => {
                if matches!(error, FrameError::TooLarge { .. }) {
                    warden.offended(peer, Offence::BrokenMessage);
                }
                Err(error.to_string())
            }
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

/// The space of entries.
fn space_of(message: &Message) -> Option<SpaceId> {
    match message {
        Message::Entries { space, .. } => Some(*space),
        _ => None,
    }
}

/// Writes what the peer may read until there is no more to say.
pub(super) async fn write_frames(
    mut writer: FrameWriter<WriteHalf<PeerStream>>,
    mut frames: mpsc::Receiver<Message>,
    shared: &Shared,
    (gate, peer): (&Gate, PeerId),
) -> Result<(), String> {
    let (inner, warden) = (&shared.inner, &shared.warden);
    let mut erasures = inner.ingest.erasures();
    let sent = &inner.metrics.exchange.sent;
    while let Some(message) = frames.recv().await {
        // It may have waited long; what the peer may no longer read is not said any more.
        let readable = gate.readable(&inner.ingest.ledger(), random::now_ms());
        let Some(message) = message.only_about(|space| readable.contains(space)) else {
            continue;
        };
        let entries = entries_of(&message);
        warden.charge(peer, cost_of_answer(&message));
        let of = space_of(&message);
        let bytes = write_kept(
            &mut writer,
            Arc::new(message),
            &inner.archive,
            &mut erasures,
            WRITE_PATIENCE,
        )
        .await?;
        if let Some(space) = of {
            let held = {
                let ledger = inner.ingest.ledger();
                ledger.spaces().get(&space).map_or(0, |it| it.trie.len())
            };
            warden.gave(peer, space, (entries, bytes), held);
        }
        sent.entries.add(entries);
        sent.bytes.add(bytes);
    }
    writer
        .close(Duration::from_secs(1))
        .await
        .map_err(|error| error.to_string())
}
