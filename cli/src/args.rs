//! What can be typed, as data: one source for parsing, help and completions.

pub mod charter;
pub mod content;
pub mod member;
pub mod membership;
pub mod node;
pub mod space;
pub mod terms;

use crate::ui::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const OVERVIEW: &str = "\
First steps:
  comity init --name Alice
  comity community create Coffee --party \"Coffee Club\"
  comity publish hello.md --space lobby --title \"Hello\"
  comity node start
  comity invite

Everything works without a running node too; what you write is then saved here and
travels as soon as the node runs. See it all work in a minute: comity demo

Environment:
  COMITY_HOME             the node's home folder
  COMITY_IDENTITY         the folder of your keys
  COMITY_PASSPHRASE       passphrase of your keys (or COMITY_PASSPHRASE_FILE)
  COMITY_LOG              what the node logs, such as debug or comity_node=trace";

/// A federated community node: signed documents that belong to several parties at once.
#[derive(Debug, Parser)]
#[command(
    name = "comity",
    version,
    after_help = OVERVIEW,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// The node's home folder.
    #[arg(
        long,
        global = true,
        env = "COMITY_HOME",
        value_name = "FOLDER",
        hide_env_values = true
    )]
    pub home: Option<PathBuf>,
    /// The folder of your keys.
    #[arg(
        long,
        global = true,
        env = "COMITY_IDENTITY",
        value_name = "FOLDER",
        hide_env_values = true
    )]
    pub identity: Option<PathBuf>,
    /// Print JSON, one value a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// Leave out statuses, hints and progress.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Read the passphrase of your keys from this file.
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On terminals.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a node home and an identity here.
    Init(membership::Init),
    /// Show who you are here: keys, node, communities.
    #[command(after_help = "Example:\n  comity whoami --json")]
    Whoami,
    /// Back up, restore and protect your keys.
    #[command(subcommand)]
    Identity(membership::IdentityCommand),
    /// Found and look at communities.
    #[command(subcommand)]
    Community(membership::CommunityCommand),
    /// Read, propose, approve and reject what the parties agree on.
    #[command(subcommand)]
    Charter(charter::CharterCommand),
    /// Make and change parties, and who speaks for them.
    #[command(subcommand)]
    Party(charter::PartyCommand),
    /// Look at spaces, open and declare them.
    #[command(subcommand)]
    Space(space::SpaceCommand),
    /// Add your signature to a draft that several delegates sign.
    Sign(space::Sign),
    /// Admit, revoke and list members.
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Link and end devices of yours.
    #[command(subcommand)]
    Device(member::DeviceCommand),
    /// Show what is kept here and not in effect.
    #[command(subcommand)]
    Quarantine(member::QuarantineCommand),
    /// Make a ticket that lets somebody join.
    Invite(membership::Invite),
    /// Join a community with a ticket.
    Join(membership::Join),
    /// Publish a topic or a page.
    Publish(content::Publish),
    /// Answer a topic, reply or page.
    Reply(content::Reply),
    /// Change a text.
    Edit(content::Edit),
    /// Erase words you wrote.
    Erase(content::Erase),
    /// List documents.
    List(content::List),
    /// Show a document with its thread.
    Show(content::Show),
    /// Show the steps that made a document.
    History(content::History),
    /// Show what changed between two versions of a document.
    Diff(content::Diff),
    /// Show who wrote which part of a text.
    Blame(content::Blame),
    /// Bring in what other systems hold.
    #[command(subcommand)]
    Import(content::ImportCommand),
    /// Take documents out, in formats that other tools read.
    Export(content::Export),
    /// Print a line for everything that happens.
    Watch(content::Watch),
    /// Start, stop and look at the node.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Exchange with peers now, or show who holds what.
    Sync(node::Sync),
    /// Check everything stored here: checksums, ids, signatures, links.
    #[command(after_help = "Example:\n  comity verify")]
    Verify,
    /// Rebuild the index from the record.
    Reindex(node::Reindex),
    /// Copy the node's home, also while it runs.
    Backup(node::Backup),
    /// Bring a copied node home back.
    Restore(node::Restore),
    /// See two nodes share a community, on this machine, in a temporary folder.
    Demo(node::Demo),
    /// Print completions for a shell.
    Completions(node::Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_helps_with_an_example() {
        fn walk(path: &str, command: &clap::Command) {
            let path = format!("{path} {}", command.get_name());
            if command.has_subcommands() {
                command.get_subcommands().for_each(|it| walk(&path, it));
            } else {
                let help = command.get_after_help().map(ToString::to_string);
                let help = help.unwrap_or_default();
                assert!(help.contains(path.trim()), "{path} has no example");
            }
            assert!(command.get_about().is_some(), "{path} says nothing");
        }
        walk("", &Cli::command());
    }

    /// The words of a line as a shell would part them, up to where its output goes elsewhere.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
        for letter in line.chars() {
            match letter {
                '"' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                ' ' if !quoted => words.extend(word.take()),
                '>' | '|' if !quoted => break,
                _ => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        let is_setting = |it: &&String| it.contains('=') && it.starts_with("COMITY_");
        let settings = words.iter().take_while(is_setting).count();
        words.split_off(settings)
    }

    #[test]
    fn every_example_can_be_typed_as_it_stands() {
        fn walk(command: &clap::Command, tried: &mut usize) {
            command.get_subcommands().for_each(|it| walk(it, tried));
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default().replace("\\\n", " ");
            for line in help.lines().filter(|it| it.starts_with("  ")) {
                let typed = words(line.trim());
                if typed.first().map(String::as_str) != Some("comity") {
                    continue;
                }
                if let Err(error) = Cli::try_parse_from(&typed) {
                    panic!("{line}: {error}");
                }
                *tried += 1;
            }
        }
        let mut tried = 0;
        walk(&Cli::command(), &mut tried);
        assert!(tried > 60, "only {tried} examples were found");
    }
}
