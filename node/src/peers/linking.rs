//! Requests to link a new device: handed over by its node, kept here in memory until the holder of
//! the root key types the code that the device shows.
//!
//! Anybody may hand in anything: the code decides which request is meant, and the consents in it
//! whether it holds. So all that is done here is to keep few of them for a short while.
//!
//! Spec: `specs/wire.md` §3.1.

use super::exchange::exchange;
use crate::node::Inner;
use comity_net::{Network, PeerId, PeerStream};
use comity_protocol::access::{LINK_MAX_BYTES, LinkAnswer, LinkRequest};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tracing::{debug, info};

/// The protocol's name.
pub(crate) const PROTOCOL: &str = "/comity/link/1";
/// Most requests that wait; the oldest gives way.
pub(crate) const WAITING_MAX: usize = 64;
/// How long a request waits.
pub(crate) const WAITING_TIME: Duration = Duration::from_secs(15 * 60);
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    /// Who handed it over.
    pub(crate) peer: PeerId,
    /// Its bytes, at most [`LINK_MAX_BYTES`].
    pub(crate) request: Vec<u8>,
    /// When.
    pub(crate) since: Instant,
}

/// The requests that wait, oldest first: one of each peer.
#[derive(Debug, Default)]
struct Requests {
    waiting: VecDeque<Waiting>,
    /// Peers whose stream is being read.
    talking: BTreeSet<PeerId>,
}

impl Requests {
    fn forget_old(&mut self, now: Instant) {
        let waits = |it: &Waiting| now.saturating_duration_since(it.since) < WAITING_TIME;
        self.waiting.retain(waits);
    }

    fn keep(&mut self, peer: PeerId, request: Vec<u8>, now: Instant) {
        self.forget_old(now);
        self.waiting.retain(|it| it.peer != peer);
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting {
            peer,
            request,
            since: now,
        });
    }
}

/// What a node remembers of requests to link devices, until it stops.
#[derive(Debug, Default)]
pub(crate) struct Linking(Mutex<Requests>);

impl Linking {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits now, oldest first.
    pub(crate) fn waiting(&self, now: Instant) -> Vec<Waiting> {
        let mut requests = self.requests();
        requests.forget_old(now);
        requests.waiting.iter().cloned().collect()
    }
}

/// A peer's turn to speak: one at a time.
struct Turn<'a> {
    linking: &'a Linking,
    peer: PeerId,
}

impl<'a> Turn<'a> {
    fn of(linking: &'a Linking, peer: PeerId) -> Option<Self> {
        let free = linking.requests().talking.insert(peer);
        free.then(|| Self { linking, peer })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.linking.requests().talking.remove(&self.peer);
    }
}

/// Hands a request to a connected peer.
///
/// # Errors
/// In words, if it did not get there.
pub(crate) async fn hand_over(
    network: &Network,
    peer: PeerId,
    request: &[u8],
) -> Result<LinkAnswer, String> {
    let answer = exchange(network, peer, PROTOCOL, request, LINK_MAX_BYTES).await?;
    LinkAnswer::decode(&answer).map_err(|error| error.to_string())
}

/// Takes one request in.
pub(crate) async fn answer(inner: Arc<Inner>, peer: PeerId, stream: PeerStream) {
    let Some(_turn) = Turn::of(&inner.linking, peer) else {
        debug!(%peer, "a second request to link a device at a time");
        return;
    };
    let (mut reader, mut writer) = stream.into_frames(LINK_MAX_BYTES);
    let Ok(Some(request)) = reader.read(PATIENCE).await else {
        return;
    };
    let answer = match LinkRequest::decode(&request) {
        Ok(_) => {
            info!(%peer, "a request to link a device waits for its code");
            inner.linking.requests().keep(peer, request, Instant::now());
            LinkAnswer::Waits
        }
        Err(error) => {
            debug!(%peer, %error, "a request to link a device is none");
            LinkAnswer::NotUnderstood
        }
    };
    if let Err(error) = writer.write(&answer.encode(), PATIENCE).await {
        debug!(%peer, %error, "the answer to a link request did not get through");
    }
    let _ = writer.close(PATIENCE).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::peer_of;
    use comity_protocol::key::SecretKey;

    fn peer(number: u8) -> PeerId {
        peer_of(&SecretKey::from_seed(&[number; 32]).public()).unwrap()
    }

    #[test]
    fn the_oldest_gives_way_and_each_peer_has_one() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        for number in 0..100 {
            requests.keep(peer(number), vec![number], now);
        }
        let kept: Vec<u8> = requests.waiting.iter().map(|it| it.request[0]).collect();
        assert_eq!(kept, (36..100).collect::<Vec<_>>());
        requests.keep(peer(40), vec![200], now);
        assert_eq!(requests.waiting.len(), WAITING_MAX);
        assert!(!requests.waiting.iter().any(|it| it.request == [40]));
        assert_eq!(requests.waiting.back().unwrap().request, [200]);
    }

    #[test]
    fn a_peer_speaks_once_at_a_time() {
        let linking = Linking::default();
        let turn = Turn::of(&linking, peer(1));
        assert!(turn.is_some());
        assert!(Turn::of(&linking, peer(1)).is_none());
        // Asking in vain ends nobody's turn.
        assert!(Turn::of(&linking, peer(1)).is_none());
        assert!(Turn::of(&linking, peer(2)).is_some());
        drop(turn);
        assert!(Turn::of(&linking, peer(1)).is_some());
    }

    #[test]
    fn a_request_waits_a_quarter_of_an_hour() {
        let (linking, now) = (Linking::default(), Instant::now());
        linking.requests().keep(peer(1), vec![1], now);
        let nearly = now + WAITING_TIME - Duration::from_millis(1);
        linking.requests().keep(peer(2), vec![2], nearly);
        assert_eq!(linking.waiting(nearly).len(), 2);
        let left = linking.waiting(now + WAITING_TIME);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].request, [2]);
    }
}
