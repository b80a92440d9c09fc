//! Running commands, showing them, and waiting for what they cause.

use super::person::{LISTEN, Person};
use crate::{app::App, commands, error::CommandError, run};
use comity_client::{Client, ClientError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Longest pause between two looks while no event comes.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub(super) struct Script<'a> {
    app: &'a App,
    patience: Duration,
}

impl<'a> Script<'a> {
    pub(super) fn new(app: &'a App, patience: Duration) -> Self {
        Self { app, patience }
    }

    /// Tells the story. With `--json` only its end is printed.
    pub(super) fn say(&self, text: &str) -> Result<(), CommandError> {
        self.print(&format!("\n# {text}"))
    }

    fn print(&self, text: &str) -> Result<(), CommandError> {
        if self.app.ui.is_json() {
            Ok(())
        } else {
            self.app.ui.line(text)
        }
    }

    fn show_command(&self, person: &Person, words: &[&str]) -> Result<(), CommandError> {
        let words: Vec<String> = words.iter().map(|word| shown(word)).collect();
        self.print(&format!("{}$ comity {}", person.name, words.join(" ")))
    }

    /// Runs a command of a person and shows what it prints; gives its standard output.
    pub(super) async fn run(
        &self,
        person: &Person,
        words: &[&str],
    ) -> Result<String, CommandError> {
        self.show_command(person, words)?;
        let (app, global, captured) = person.app(words.contains(&"--json"));
        let line: Vec<String> = std::iter::once(&"comity")
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect();
        let cli = run::parse(&line, global)?;
        let work = Box::pin(commands::run(&app, cli.command));
        let ended = tokio::time::timeout(self.patience, work).await;
        let out = captured.out();
        for line in out.lines() {
            self.print(format!("  {line}").trim_end())?;
        }
        match ended {
            Ok(result) => result.map(|()| out),
            Err(_) => Err(self.too_slow(&line.join(" "))),
        }
    }

    /// Shows a command that the demonstration does by other means, having the node in its hands.
    pub(super) fn run_alone(&self, person: &Person, words: &[&str]) -> Result<(), CommandError> {
        self.show_command(person, words)
    }

    /// Starts a person's node.
    pub(super) async fn start(
        &self,
        person: &mut Person,
        network: bool,
    ) -> Result<(), CommandError> {
        self.show_command(person, &["node", "start", "--listen", LISTEN])?;
        person.start(network).await?;
        let status = person.client()?.status().await?;
        status
            .listening
            .iter()
            .try_for_each(|it| self.print(&format!("  {it}")))
    }

    /// Waits until a node says that something is so. Events only say when to look again.
    pub(super) async fn until(
        &self,
        person: &Person,
        what: &str,
        holds: impl AsyncFn(&Client) -> Result<bool, ClientError>,
    ) -> Result<(), CommandError> {
        let client = person.client()?;
        let deadline = Instant::now() + self.patience;
        let mut events = client.events(None).await?;
        loop {
            if holds(&client).await? {
                return self.print(&format!("  ({what})"));
            }
            if Instant::now() >= deadline {
                return Err(self.too_slow(what));
            }
            let next = (Instant::now() + LOOK_AGAIN).min(deadline);
            if let Ok(event) = timeout_at(next, events.next()).await
                && event?.is_none()
            {
                return Err(CommandError::internal(
                    "a node stopped telling what happens",
                ));
            }
        }
    }

    fn too_slow(&self, what: &str) -> CommandError {
        let seconds = self.patience.as_secs();
        CommandError::failure(format!("after {seconds} s still waiting: {what}"))
            .hint("allow more with --timeout")
    }
}

/// A word as one would type it: files by their name, quotes where needed, a ticket cut.
fn shown(word: &str) -> String {
    let word = match word.rsplit_once('/') {
        Some((_, name)) if name.ends_with(".md") => name,
        _ => word,
    };
    if word.starts_with("comity1") && word.len() > 24 {
        return format!("{}…", &word[..24]);
    }
    if word.contains(char::is_whitespace) {
        format!("{word:?}")
    } else {
        word.to_owned()
    }
}
