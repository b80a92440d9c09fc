//! The node itself, as far as commands touch it.

use crate::error::CommandError;
use comity_client::InProcess;
use std::path::PathBuf;

/// Stand-in until the node exists in this tree.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    pub home: PathBuf,
    pub listen: Vec<String>,
    pub network: bool,
    pub gossip: bool,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "this build has no node yet (home {home:?}, {listen} addresses, network {network}, gossip {gossip})"
)]
pub struct NodeError {
    home: PathBuf,
    listen: usize,
    network: bool,
    gossip: bool,
}

#[derive(Clone)]
pub struct Node(InProcess);

impl Node {
    pub async fn open(options: NodeOptions) -> Result<Self, NodeError> {
        Err(NodeError {
            home: options.home,
            listen: options.listen.len(),
            network: options.network,
            gossip: options.gossip,
        })
    }

    pub fn in_process(&self) -> InProcess {
        self.0.clone()
    }

    pub async fn serve(&self) -> Result<(), NodeError> {
        Ok(())
    }

    pub async fn stop(&self) {}
}

pub(super) fn is_locked(_: &NodeError) -> bool {
    false
}

pub(super) fn explain(error: &NodeError) -> CommandError {
    CommandError::of(crate::error::ErrorKind::Failure, error)
}

/// A node that runs in this process, for `comity node start --foreground` and `comity demo`.
#[derive(Clone)]
pub struct Engine(Node);

impl Engine {
    /// Opens a node that listens on `listen`; without `network` it keeps to its store.
    ///
    /// # Errors
    /// If its home or store cannot be opened, or it cannot listen.
    pub async fn open(
        home: PathBuf,
        listen: Vec<String>,
        network: bool,
        gossip: bool,
    ) -> Result<Self, CommandError> {
        let options = NodeOptions {
            home,
            listen,
            network,
            gossip,
        };
        let node = Node::open(options).await.map_err(|error| explain(&error))?;
        Ok(Self(node))
    }

    /// A client of it.
    pub fn client(&self) -> comity_client::Client {
        comity_client::Client::new(comity_client::Transport::InProcess(self.0.in_process()))
    }

    /// Serves the local API until the node is stopped.
    ///
    /// # Errors
    /// If the socket cannot be bound, or the node fails.
    pub async fn serve(&self) -> Result<(), CommandError> {
        self.0.serve().await.map_err(|error| explain(&error))
    }

    /// Stops it and flushes what it holds.
    pub async fn stop(&self) {
        self.0.stop().await;
    }
}
