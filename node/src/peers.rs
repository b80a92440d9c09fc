//! Peers: being connected, saying hello, syncing, joining. (Being written.)

use crate::node::Inner;
use comity_client::types::{JoinState, PeerInfo, StartJoin};
use std::sync::Arc;
use thiserror::Error;

/// Why something with peers failed.
#[derive(Debug, Error)]
pub enum PeersError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
    /// A peer cannot be reached.
    #[error("cannot reach {address}: {why}")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        why: String,
    },
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// The node's side of the network.
pub struct Peers {}

impl Peers {
    pub(crate) async fn start(
        _inner: &Arc<Inner>,
        _listen: &[String],
        _gossip: bool,
    ) -> Result<Self, PeersError> {
        Ok(Self {})
    }

    /// Peers connected now.
    pub async fn connected(&self) -> Vec<PeerInfo> {
        Vec::new()
    }

    /// Addresses listened on, with the peer id at the end.
    pub async fn listening(&self) -> Vec<String> {
        Vec::new()
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> String {
        String::new()
    }

    /// Dials a multiaddress; gives the peer id that answered.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn connect(&self, _address: &str) -> Result<String, PeersError> {
        Err(PeersError::Stopped)
    }

    /// Waits until equal with every connected peer; false if that took longer than `wait_ms`.
    pub async fn sync(&self, _wait_ms: u64) -> bool {
        true
    }

    /// Asks into a community; retried in the background until answered.
    ///
    /// # Errors
    /// If the request cannot be read or remembered.
    pub async fn join(&self, _request: &StartJoin) -> Result<JoinState, PeersError> {
        Err(PeersError::Stopped)
    }

    /// Communities with peers known but none connected, in words.
    pub async fn unreachable(&self) -> Vec<String> {
        Vec::new()
    }

    pub(crate) async fn stop(&self) {}
}
