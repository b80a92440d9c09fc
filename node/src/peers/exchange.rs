//! One frame there, one frame back, on a stream of its own.

use comity_net::{Network, PeerId, StreamProtocol};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request to a connected peer and gives its answer; neither is longer than `max_bytes`.
///
/// # Errors
/// In words, if there was no answer.
pub(super) async fn exchange(
    network: &Network,
    peer: PeerId,
    protocol: &'static str,
    request: &[u8],
    max_bytes: usize,
) -> Result<Vec<u8>, String> {
    let protocol = StreamProtocol::new(protocol);
    let stream = network
        .open_stream(peer, protocol, PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    let (mut reader, mut writer) = stream.into_frames(max_bytes);
    writer
        .write(request, PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    let answer = reader
        .read(PATIENCE)
        .await
        .map_err(|error| error.to_string())?;
    // The answer is here; how the stream ends does not matter any more.
    let _ = writer.close(PATIENCE).await;
    answer.ok_or_else(|| "the node ended the conversation without an answer".to_owned())
}
