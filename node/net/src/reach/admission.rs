//! Which connected peers a public node helps: its owner knows with whom it shares something.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use libp2p::relay::RateLimiter;
use libp2p::{Multiaddr, PeerId};

/// Connected peers, and whether each is admitted. Clones are one list.
///
/// The driver keeps the list to those who are connected, so it is bounded by the connection limit,
/// and nobody is admitted any more once the last connection is gone.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    peers: Arc<Mutex<BTreeMap<PeerId, bool>>>,
}

impl Admission {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, bool>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connected peer, or no longer; `true` if that changed something.
    pub(crate) fn set(&self, peer: PeerId, admitted: bool) -> bool {
        match self.lock().get_mut(&peer) {
            Some(known) => std::mem::replace(known, admitted) != admitted,
            None => false,
        }
    }

    pub(crate) fn allows(&self, peer: &PeerId) -> bool {
        self.lock().get(peer).copied().unwrap_or_default()
    }

    pub(crate) fn connected(&self, peer: PeerId) {
        self.lock().entry(peer).or_insert(false);
    }

    pub(crate) fn disconnected(&self, peer: &PeerId) {
        self.lock().remove(peer);
    }

    /// libp2p's relay asks its limiters before it gives anything; this one knows who is asking.
    pub(crate) fn as_limiter(&self) -> Box<dyn RateLimiter> {
        let admission = self.clone();
        Box::new(move |peer: PeerId, _: &Multiaddr, _: Instant| admission.allows(&peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connected_peer_is_admitted_and_only_while_it_is() {
        let (admission, peer) = (Admission::default(), PeerId::random());
        assert!(!admission.set(peer, true));
        assert!(!admission.allows(&peer));
        admission.connected(peer);
        assert!(!admission.allows(&peer));
        assert!(admission.set(peer, true));
        assert!(!admission.set(peer, true));
        // A second connection changes nothing.
        admission.connected(peer);
        assert!(admission.allows(&peer));
        admission.disconnected(&peer);
        assert!(!admission.allows(&peer));
    }
}
