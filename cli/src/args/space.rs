//! Commands about spaces, and drafts that several delegates sign.

use clap::{Args, Subcommand};

/// `comity space …`
#[derive(Debug, Subcommand)]
pub enum SpaceCommand {
    /// List spaces, with who reads and writes them.
    #[command(after_help = "Example:\n  comity space list --community Coffee")]
    List {
        /// Only of this community.
        #[arg(long)]
        community: Option<String>,
    },
    /// Open a space for a few people whom you name; nobody else learns of it.
    #[command(after_help = "Example:\n  comity space open roasting --with Bob --with Carol")]
    Open {
        /// Its name.
        name: String,
        /// A member who reads and writes it too, by name, root key or the end of it.
        #[arg(long = "with", value_name = "MEMBER", required = true)]
        with: Vec<String>,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Declare a space for the people of your party, or for groups of it.
    #[command(
        after_help = "Examples:\n  comity space declare board --party \"Coffee Club\"\n  \
        comity space declare roasters --group roasting > draft.json"
    )]
    Declare {
        /// Its name.
        name: String,
        /// The party, by name or id; by default the one you are a delegate of.
        #[arg(long)]
        party: Option<String>,
        /// A group of the party that reads it; may be given several times. By default all of it.
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Only stewards write in it.
        #[arg(long)]
        stewards_write: bool,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
}

/// `comity sign`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  comity sign draft.json")]
pub struct Sign {
    /// The draft, a file. Your signature is added to it.
    pub file: std::path::PathBuf,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}
