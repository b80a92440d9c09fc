//! What every command is given: where things are, how to ask and tell, and the way to a node.

use crate::{
    args::GlobalArgs,
    error::CommandError,
    identity::{
        Environment, Identity, IdentityError, IdentityFolder, Passphrase, PassphraseOptions,
        PublicIdentity,
        passphrase::{self, Purpose, TerminalPrompt},
    },
    reader,
    session::{Reach, Session},
    ui::{Ui, UiOptions},
};
use comity_client::Client;
use etcetera::{BaseStrategy as _, choose_base_strategy};
use std::{
    io::{BufRead as _, IsTerminal as _},
    path::PathBuf,
};

/// One run of the command line.
#[derive(Debug)]
pub struct App {
    /// What is printed.
    pub ui: Ui,
    /// What the environment says about the identity.
    pub environment: Environment,
    /// The options of every command.
    pub global: GlobalArgs,
    node: Option<Lent>,
}

/// A client of a node that somebody else opened and closes, as `comity demo` does.
struct Lent(Client);

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lent")
    }
}

impl App {
    /// A run with these options in the environment of this process.
    pub fn new(global: GlobalArgs) -> Self {
        let ui = Ui::new(UiOptions {
            json: global.json,
            quiet: global.quiet,
            color: global.color.into(),
        });
        Self {
            ui,
            environment: Environment::of_process(),
            global,
            node: None,
        }
    }

    /// A run inside another one: it prints to `ui` and speaks to a node that stays open afterwards.
    pub fn inside(
        ui: Ui,
        environment: Environment,
        global: GlobalArgs,
        node: Option<Client>,
    ) -> Self {
        Self {
            ui,
            environment,
            global,
            node: node.map(Lent),
        }
    }

    /// The node's home folder.
    ///
    /// # Errors
    /// If none was named and the platform names none.
    pub fn home(&self) -> Result<PathBuf, CommandError> {
        match self
            .global
            .home
            .as_ref()
            .filter(|it| !it.as_os_str().is_empty())
        {
            Some(path) => Ok(path.clone()),
            None => choose_base_strategy()
                .map(|strategy| strategy.data_dir().join("comity").join("node"))
                .map_err(|_| {
                    CommandError::failure(
                        "cannot tell where the node's home is: there is no home folder",
                    )
                    .hint("name it with --home or COMITY_HOME")
                }),
        }
    }

    /// The folder of the identity.
    ///
    /// # Errors
    /// If none was named and the platform names none.
    pub fn identity_folder(&self) -> Result<IdentityFolder, CommandError> {
        let named = self.global.identity.as_ref();
        match named.filter(|it| !it.as_os_str().is_empty()) {
            Some(path) => Ok(IdentityFolder::at(path)),
            None => Ok(IdentityFolder::at(self.environment.identity_path()?)),
        }
    }

    /// Who lives in the identity folder, without the passphrase.
    ///
    /// # Errors
    /// If nobody does.
    pub fn public(&self) -> Result<PublicIdentity, CommandError> {
        self.identity_folder()?.public().map_err(no_identity)
    }

    /// Opens the identity, asking for its passphrase if it has one.
    ///
    /// # Errors
    /// If there is none, or the passphrase is wrong or missing.
    pub fn unlock(&self) -> Result<Identity, CommandError> {
        let folder = self.identity_folder()?;
        let passphrase = match folder.public() {
            Ok(public) if !public.protected => Passphrase::none(),
            Err(IdentityError::Missing(path)) if !folder.is_taken() => {
                return Err(no_identity(IdentityError::Missing(path)));
            }
            _ => self.passphrase(Purpose::Unlock, false)?,
        };
        let identity = folder.unlock(&passphrase)?;
        reader::renew(&identity);
        for notice in identity.folder().notices() {
            self.ui.warning(&notice.to_string());
        }
        Ok(identity)
    }

    /// Gets a passphrase from where the person says it is.
    ///
    /// # Errors
    /// If there is none.
    pub fn passphrase(&self, purpose: Purpose, none: bool) -> Result<Passphrase, CommandError> {
        let options = PassphraseOptions {
            file: self.global.passphrase_file.clone(),
            none,
        };
        self.passphrase_from(&options, purpose)
    }

    /// The same with options of a command's own.
    ///
    /// # Errors
    /// If there is none.
    pub fn passphrase_from(
        &self,
        options: &PassphraseOptions,
        purpose: Purpose,
    ) -> Result<Passphrase, CommandError> {
        let mut prompt = TerminalPrompt;
        passphrase::obtain(options, &self.environment, &mut prompt, purpose)
            .map_err(|error| IdentityError::from(error).into())
    }

    /// Asks a question that is answered with yes or no.
    ///
    /// # Errors
    /// If there is no terminal to ask at, or the answer is not yes.
    pub fn confirm(&self, question: &str) -> Result<(), CommandError> {
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(CommandError::usage(
                "this needs your consent, and there is no terminal to ask at",
            )
            .hint("say --yes if you mean it"));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| CommandError::failure("cannot read your answer").because(&error))?;
        match answer.trim() {
            "y" | "Y" | "yes" | "Yes" => Ok(()),
            _ => Err(CommandError::failure(
                "nothing was done: you did not say yes",
            )),
        }
    }

    /// Waits for work that the node does, of these sorts (`Task::what`), and shows how far it is.
    pub async fn watching<T>(
        &self,
        label: &str,
        client: &Client,
        whats: &'static [&'static str],
        work: impl Future<Output = T>,
    ) -> T {
        if !self.ui.shows_progress() {
            return work.await;
        }
        // Listening begins before the work; without it, it only shows that the work goes on.
        let mut events = client.events(None).await.ok();
        let told = async || {
            let event = events.as_mut()?.next().await.ok()??;
            Some(event.task.into_iter().collect())
        };
        self.ui.bars(label, whats).follow(told, work).await
    }

    /// Does `work` with a client of the node, and closes what was opened for it.
    ///
    /// # Errors
    /// If no node can be reached or opened, or what `work` fails with.
    pub async fn with_node<T>(
        &self,
        reach: Reach,
        work: impl AsyncFnOnce(&Client) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        if let Some(Lent(client)) = &self.node {
            reader::show(self, client).await;
            return work(client).await;
        }
        let session = Session::open(&self.home()?, reach, &self.ui).await?;
        reader::show(self, session.client()).await;
        let result = work(session.client()).await;
        session.close().await;
        result
    }
}

fn no_identity(error: IdentityError) -> CommandError {
    match &error {
        IdentityError::Missing(path) => {
            CommandError::failure(format!("there is no identity in {} yet", path.display()))
                .hints(error.hints())
        }
        _ => error.into(),
    }
}
