//! The way to a node: the one that runs in this home, or one opened in this process.
//!
//! Everything that touches `comity_node` is here. A command asks for a [`Session`], talks to its
//! [`Client`], and closes it, so that what was written is flushed before the process ends.

use crate::error::CommandError;
use comity_client::{Client, ClientError, Transport};
use comity_node::{
    home::{HomeError, SOCKET_PATH_MAX_BYTES},
    node::{Node, NodeError, NodeOptions},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long a command waits for another one that has the store open.
const STORE_WAIT: Duration = Duration::from_secs(5);
/// How long a node that starts waits for one that is still flushing its store.
const NODE_STOP_WAIT: Duration = Duration::from_secs(15);
const STORE_RETRY: Duration = Duration::from_millis(100);

/// What a command needs of a node that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its store only: works offline.
    Store,
    /// Its peers too: a node opened here dials them.
    Peers,
}

/// A client, and the node behind it if it was opened here.
pub struct Session {
    client: Client,
    opened: Option<Node>,
}

impl Session {
    /// Speaks to the node that runs in `home`, or opens it here.
    ///
    /// # Errors
    /// If there is no node home, or its store cannot be opened.
    pub async fn open(home: &Path, reach: Reach) -> Result<Self, CommandError> {
        if let Some(client) = running(home).await? {
            return Ok(Self {
                client,
                opened: None,
            });
        }
        require_home(home)?;
        let options = NodeOptions {
            home: home.to_owned(),
            listen: Vec::new(),
            network: reach == Reach::Peers,
            gossip: true,
        };
        let node = open_patiently(options, STORE_WAIT).await?;
        let client = Client::new(Transport::InProcess(node.in_process()));
        Ok(Self {
            client,
            opened: Some(node),
        })
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Closes a node that was opened here.
    pub async fn close(self) {
        if let Some(node) = self.opened {
            node.stop().await;
        }
    }
}

/// Another command may have the store open for a moment; a running node would have answered.
async fn open_patiently(options: NodeOptions, wait: Duration) -> Result<Node, CommandError> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        match Node::open(options.clone()).await {
            Ok(node) => return Ok(node),
            Err(NodeError::Locked { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(STORE_RETRY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens a node of this process that takes part in the network, or keeps to its store.
///
/// # Errors
/// If its home or store cannot be opened, or it cannot listen.
pub async fn open_node(options: NodeOptions) -> Result<(Node, Client), CommandError> {
    let node = open_patiently(options, NODE_STOP_WAIT).await?;
    let client = Client::new(Transport::InProcess(node.in_process()));
    Ok((node, client))
}

/// The node that runs in `home`, if one answers.
///
/// # Errors
/// If one runs but cannot be spoken to.
pub async fn running(home: &Path) -> Result<Option<Client>, CommandError> {
    let socket = socket(home);
    if !socket.exists() {
        return Ok(None);
    }
    let client = Client::new(Transport::Socket(socket));
    match client.status().await {
        Ok(_) => Ok(Some(client)),
        // A socket that a killed node left behind.
        Err(ClientError::NoNode { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where a running node listens for commands.
pub fn socket(home: &Path) -> PathBuf {
    let home = std::fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    home.join("node.sock")
}

/// Whether a node lives in this folder.
pub fn is_home(home: &Path) -> bool {
    home.join("node.key").exists()
}

/// Fails unless a node lives in this folder.
///
/// # Errors
/// If none does.
pub fn require_home(home: &Path) -> Result<(), CommandError> {
    if is_home(home) {
        return Ok(());
    }
    Err(
        CommandError::failure(format!("there is no node home in {} yet", home.display()))
            .hint("make one, with your identity: run `comity init --name YOU`")
            .hint("if it is elsewhere, name its folder with --home or COMITY_HOME"),
    )
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let made = Self::of(crate::error::ErrorKind::Failure, &error);
        match error {
            ClientError::Api(api) => {
                let mut made = made.hints(api.hints);
                for (name, value) in &api.details {
                    made = made.hint(format!("{name}: {value}"));
                }
                made
            }
            ClientError::NoNode { .. } => made.hint("start it with `comity node start`"),
            ClientError::Broken(_) => {
                made.hint("look at `comity node status` and `comity node logs`, then try again")
            }
            ClientError::Unexpected { .. } => {
                made.hint("restart the node with the version of this command: `comity node stop`")
            }
        }
    }
}

impl From<NodeError> for CommandError {
    fn from(error: NodeError) -> Self {
        let made = Self::of(crate::error::ErrorKind::Failure, &error);
        match error {
            NodeError::Home(error) => error.into(),
            NodeError::Locked { .. } => {
                made.hint("`comity node status` shows a node that runs; wait for another command")
            }
            NodeError::AlreadyRunning { .. } => made.hint("`comity node status` shows how it does"),
            NodeError::Network(_) => {
                made.hint("choose another address with --listen, such as /ip4/0.0.0.0/tcp/7441")
            }
            NodeError::Socket { .. } => {
                made.hint("choose another home, on a local disk, with --home or COMITY_HOME")
            }
            NodeError::Store(_) => made
                .hint("check the disk, then `comity verify`")
                .hint("a copy made with `comity backup` can be brought back with `comity restore`"),
            NodeError::BadState(_) => {
                made.hint("restore state.json from a backup, or move it away")
            }
            NodeError::TooNew { .. } => {
                made.hint("update comity on this machine; until then, use the newer one")
            }
        }
    }
}

impl From<HomeError> for CommandError {
    fn from(error: HomeError) -> Self {
        let made = Self::of(crate::error::ErrorKind::Failure, &error);
        match error {
            HomeError::SocketPathTooLong { .. } => made.hint(format!(
                "choose a home whose path has at most {} bytes",
                SOCKET_PATH_MAX_BYTES - "/node.sock".len()
            )),
            HomeError::ReadOnly { path, .. } => made
                .hint("mount it writable again; systems make a disk read-only when it fails")
                .hint(format!(
                    "meanwhile work with a copy: `comity restore {} --home FOLDER`",
                    path.display()
                )),
            _ => made.hint("name the node's folder with --home or COMITY_HOME"),
        }
    }
}
