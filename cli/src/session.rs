//! The way to a node: the one that runs in this home, or one opened in this process.
//!
//! Everything that touches `comity_node` is here. A command asks for a [`Session`], talks to its
//! [`Client`], and closes it, so that what was written is flushed before the process ends.

use crate::{error::CommandError, opening, ui::Ui};
use comity_client::{Client, ClientError, Transport};
use comity_node::{
    home::{HomeError, SOCKET_PATH_MAX_BYTES},
    node::{Node, NodeError, NodeOptions},
    tasks::Tasks,
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a command waits for another one that has the store open.
const STORE_WAIT: Duration = Duration::from_secs(5);
/// How long a node that starts waits for one that is still flushing its store.
const NODE_STOP_WAIT: Duration = Duration::from_secs(15);
const STORE_RETRY: Duration = Duration::from_millis(100);
/// Work that is part of opening a store.
pub const OPENING: &[&str] = &["open", "index"];

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
    /// Speaks to the node that runs in `home`, or opens it here. If another process has the store
    /// open, waits a little; if that is a node which is still opening it, until it answers.
    ///
    /// # Errors
    /// If there is no node home, or its store cannot be opened.
    pub async fn open(home: &Path, reach: Reach, ui: &Ui) -> Result<Self, CommandError> {
        if let Some(client) = running(home).await? {
            return Ok(Self::of_running(client));
        }
        require_home(home)?;
        let options = NodeOptions {
            home: home.to_owned(),
            listen: Vec::new(),
            network: reach == Reach::Peers,
            gossip: true,
            public: false,
        };
        let mut bars = ui.bars("opening the store", OPENING);
        let mut opening = opening::Reader::new(home);
        let mut deadline = Instant::now() + STORE_WAIT;
        loop {
            let tasks = Tasks::default();
            let mut told = tasks.listen();
            let node = Node::open_telling(options.clone(), tasks);
            match bars.follow(async || told.next().await, node).await {
                Ok(node) => {
                    return Ok(Self {
                        client: Client::new(Transport::InProcess(node.in_process())),
                        opened: Some(node),
                    });
                }
                Err(NodeError::Locked { .. }) if Instant::now() < deadline => {}
                Err(error) => return Err(error.into()),
            }
            sleep(STORE_RETRY).await;
            if let Some(running) = opening.news() {
                deadline = Instant::now() + STORE_WAIT;
                bars.show_all(&running);
            }
            if let Some(client) = running(home).await? {
                return Ok(Self::of_running(client));
            }
        }
    }

    fn of_running(client: Client) -> Self {
        Self {
            client,
            opened: None,
        }
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

/// Opens a node of this process that takes part in the network, or keeps to its store, and tells
/// other processes how far it is meanwhile.
///
/// # Errors
/// If its home or store cannot be opened, or it cannot listen.
pub async fn open_node(options: NodeOptions) -> Result<(Node, Client), CommandError> {
    let deadline = Instant::now() + NODE_STOP_WAIT;
    loop {
        match open_telling(options.clone()).await {
            Ok(node) => {
                let client = Client::new(Transport::InProcess(node.in_process()));
                return Ok((node, client));
            }
            // Another command may have the store open for a moment, or a node is about to end.
            Err(NodeError::Locked { .. }) if Instant::now() < deadline => sleep(STORE_RETRY).await,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn open_telling(options: NodeOptions) -> Result<Node, NodeError> {
    let tasks = Tasks::default();
    let mut listener = tasks.listen();
    let home = options.home.clone();
    let mut node = std::pin::pin!(Node::open_telling(options, tasks.clone()));
    // Written from the first news on: until then another node may have the store open.
    let mut told = None;
    loop {
        tokio::select! {
            node = &mut node => return node,
            Some(_) = listener.next() => {
                let told = told.get_or_insert_with(|| opening::Writer::new(&home));
                told.tell(&tasks.running());
            }
        }
    }
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
