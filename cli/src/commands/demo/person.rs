//! Somebody in the demonstration: folders, and a node of their own in this process.

use crate::{
    app::App,
    args::GlobalArgs,
    error::{Attempting as _, CommandError},
    identity::Environment,
    session,
    ui::{Captured, Ui, UiOptions},
};
use comity_client::Client;
use comity_node::node::{Node, NodeOptions};
use std::path::{Path, PathBuf};

/// Where the nodes listen: loopback, any port that is free.
pub(super) const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

pub(super) struct Person {
    pub(super) name: &'static str,
    folder: PathBuf,
    node: Option<(Node, Client)>,
}

impl Person {
    pub(super) fn new(name: &'static str, all: &Path) -> Self {
        Self {
            name,
            folder: all.join(name),
            node: None,
        }
    }

    fn global(&self) -> GlobalArgs {
        GlobalArgs {
            home: Some(self.folder.join("node")),
            identity: Some(self.folder.join("keys")),
            ..GlobalArgs::default()
        }
    }

    /// What one command of this person is given, and what it prints.
    pub(super) fn app(&self, json: bool) -> (App, GlobalArgs, Captured) {
        let options = UiOptions {
            json,
            ..UiOptions::default()
        };
        let (ui, captured) = Ui::captured(options, None);
        let environment = Environment {
            // Nothing here is worth protecting, and it is gone when the demonstration ends.
            fast_kdf: true,
            ..Environment::default()
        };
        let client = self.node.as_ref().map(|(_, client)| client.clone());
        let global = self.global();
        (
            App::inside(ui, environment, global.clone(), client),
            global,
            captured,
        )
    }

    /// Starts the node, with its network or without.
    pub(super) async fn start(&mut self, network: bool) -> Result<(), CommandError> {
        let options = NodeOptions {
            home: self.folder.join("node"),
            listen: if network {
                vec![LISTEN.to_owned()]
            } else {
                Vec::new()
            },
            network,
            gossip: network,
            public: false,
        };
        self.node = Some(session::open_node(options).await?);
        Ok(())
    }

    /// Stops the node, if it runs.
    pub(super) async fn stop(&mut self) {
        if let Some((node, _)) = self.node.take() {
            node.stop().await;
        }
    }

    pub(super) fn client(&self) -> Result<Client, CommandError> {
        let client = self.node.as_ref().map(|(_, client)| client.clone());
        client.ok_or_else(|| {
            CommandError::internal(format!("the node of {} does not run", self.name))
        })
    }

    /// Writes a file of this person; gives its path.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<String, CommandError> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).attempting(|| format!("write {}", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }
}
