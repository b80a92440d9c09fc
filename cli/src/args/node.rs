//! Commands about the node and what it holds.

use crate::moment::parse_duration;
use clap::{Args, Subcommand};
use comity_node::store::{IndexEngine, UnknownEngine};
use std::path::PathBuf;

/// `comity node …`
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Start the node.
    Start(StartNode),
    /// Stop the node.
    #[command(after_help = "Example:\n  comity node stop")]
    Stop,
    /// Show how the node does.
    #[command(after_help = "Example:\n  comity node status --json")]
    Status,
    /// Say whether the node is well, for scripts: exit code 0 if it is, 1 with the reasons if not.
    #[command(after_help = "Example:\n  comity node health || systemctl --user restart comity")]
    Health,
    /// Say who can reach the node, how peers are connected, and what is in the way.
    #[command(after_help = "Examples:\n  comity node doctor\n  comity node doctor --json")]
    Doctor,
    /// Print the log of a node that runs in the background.
    #[command(
        after_help = "Examples:\n  comity node logs\n  comity node logs --lines 200 --follow"
    )]
    Logs {
        /// How many lines from its end.
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: usize,
        /// Go on as lines are added.
        #[arg(long, short)]
        follow: bool,
    },
    /// Dial a peer.
    #[command(after_help = "Example:\n  comity node connect /ip4/192.0.2.7/tcp/7440")]
    Connect {
        /// Its multiaddress.
        address: String,
    },
}

/// `comity node start`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  comity node start\n  \
    comity node start --listen /ip4/0.0.0.0/tcp/7440 --public\n  comity node start --foreground")]
pub struct StartNode {
    /// Address to listen on, as a multiaddress; remembered for the next start. By default
    /// /ip4/0.0.0.0/tcp/7440.
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Others can call this node: let it carry members' nodes that nobody can call. Remembered for the
    /// next start.
    #[arg(long, conflicts_with = "private")]
    pub public: bool,
    /// End what `--public` began.
    #[arg(long)]
    pub private: bool,
    /// Stay in the foreground and log to standard error.
    #[arg(long, conflicts_with = "background")]
    pub foreground: bool,
    /// Run in the background and log to a file in the home (the default).
    #[arg(long)]
    pub background: bool,
    /// Send nothing over gossip; sync alone brings everything, a little later.
    #[arg(long)]
    pub no_gossip: bool,
}

/// `comity sync`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  comity sync\n  comity sync --wait\n  comity sync status --json"
)]
pub struct Sync {
    /// `comity sync status`
    #[command(subcommand)]
    pub command: Option<SyncCommand>,
    /// Wait until everything is equal with every connected peer.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: u64,
}

/// `comity sync …`
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// Show who holds your words, and whether peers are equal.
    #[command(after_help = "Example:\n  comity sync status --json")]
    Status,
}

/// `comity reindex`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  comity reindex\n  comity reindex --engine fjall")]
pub struct Reindex {
    /// Keep the index with this engine from now on.
    #[arg(long, value_parser = engine)]
    pub engine: Option<IndexEngine>,
}

fn engine(name: &str) -> Result<IndexEngine, UnknownEngine> {
    name.parse()
}

/// `comity backup`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  comity backup /mnt/backup/comity-node")]
pub struct Backup {
    /// Folder to write to; must not exist or be empty.
    pub to: PathBuf,
}

/// `comity restore`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  comity restore /mnt/backup/comity-node")]
pub struct Restore {
    /// Folder that `comity backup` wrote.
    pub from: PathBuf,
}

/// `comity demo`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  comity demo")]
pub struct Demo {
    /// Keep the temporary folder and say where it is.
    #[arg(long)]
    pub keep: bool,
    /// How long each step may take.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: u64,
}

/// `comity completions`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  comity completions bash > ~/.local/share/bash-completion/completions/comity"
)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}
