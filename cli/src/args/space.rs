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
    /// Show one space: who reads and writes it, what it goes on from, what goes on from it.
    #[command(after_help = "Example:\n  comity space show lobby")]
    Show {
        /// The space, by name, COMMUNITY/NAME or id.
        name: String,
        /// The community, if several have a space of that name.
        #[arg(long)]
        community: Option<String>,
    },
    /// Decide what this node keeps of a space, or show what was decided.
    ///
    /// A decision about this node's disk. It changes nothing for others and nothing of what is true:
    /// who may write, what is in effect, ballots and their counts are the same on all nodes. Words
    /// that are not kept are fetched from a connected peer when somebody reads them.
    #[command(
        after_help = "Examples:\n  comity space keep lobby --recent 90d\n  comity space keep lobby --all\n  \
        comity space keep archive --nothing\n  comity space keep lobby"
    )]
    Keep(Keep),
    /// Open up: a new space that goes on from another, usually with more readers.
    ///
    /// Readers of a space never widen: who wrote in it wrote for those who read it then. So opening
    /// up makes a successor, a space of its own that names the old one, and nothing moves there by
    /// itself. Each author carries over what they agree to: `comity space carry`.
    ///
    /// The successor of a space of the charter is proposed, like every change of the charter, and
    /// needs --readers. That of a space for a few people is opened with --with; that of a party's
    /// own space is declared by its delegates, for the party or with --group.
    #[command(
        after_help = "Examples:\n  comity space successor members open --readers everyone --reason \"Ask in public\"\n  \
        comity space successor roasting roasters --with Bob --with Carol\n  \
        comity space successor board council --group board --group advisors"
    )]
    Successor(Succeed),
    /// Carry your own words over into another space: publish them there again.
    ///
    /// Makes a new document for each, with the words as they are now, in which the old one is named.
    /// The old one stays where it is. Only words that are all your own can be carried: others carry
    /// over theirs. Replies need what they answer in that space. Asks before more people can read.
    #[command(after_help = "Example:\n  comity space carry 3f2a 77ab --to open")]
    Carry {
        /// Ids of topics, replies and pages of yours, or the start of them.
        #[arg(required = true)]
        ids: Vec<String>,
        /// The space where they are published again.
        #[arg(long, value_name = "SPACE")]
        to: String,
        /// The community, if several have a space of that name.
        #[arg(long)]
        community: Option<String>,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
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

/// `comity space keep`
#[derive(Debug, Args)]
pub struct Keep {
    /// The space, by name, COMMUNITY/NAME or id.
    pub name: String,
    /// Everything, as is usual.
    #[arg(long, group = "kept")]
    pub all: bool,
    /// Who wrote what and when of everything, and the words of these last days, such as `90d`.
    #[arg(long, value_name = "DAYS", group = "kept", value_parser = days)]
    pub recent: Option<u32>,
    /// Who wrote what and when, and no words but those written here and those somebody read.
    #[arg(long, group = "kept")]
    pub structure: bool,
    /// Nothing: the space is not exchanged any more. What is here stays as it is.
    #[arg(long, group = "kept")]
    pub nothing: bool,
    /// The community, if several have a space of that name.
    #[arg(long)]
    pub community: Option<String>,
}

fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    let days: Option<u32> = number.parse().ok();
    let days = days.filter(|it| (1..=36_500).contains(it));
    days.ok_or_else(|| "say a number of days from 1 to 36500, such as `90d`".to_owned())
}

/// `comity space successor`
#[derive(Debug, Args)]
pub struct Succeed {
    /// The space that is succeeded, by name, COMMUNITY/NAME or id.
    pub old: String,
    /// The name of the new one.
    pub name: String,
    /// Who reads it: `everyone`, `members`, or parties joined by `+`.
    #[arg(long, value_name = "READERS")]
    pub readers: Option<String>,
    /// A member who reads and writes it too, where the old one is for a few people.
    #[arg(long = "with", value_name = "MEMBER", conflicts_with = "readers")]
    pub with: Vec<String>,
    /// A group that reads it, where the old one is a party's own; by default all of the party.
    #[arg(long = "group", value_name = "GROUP", conflicts_with_all = ["readers", "with"])]
    pub groups: Vec<String>,
    /// The party that declares it, if you are a delegate of several.
    #[arg(long, conflicts_with_all = ["readers", "with"])]
    pub party: Option<String>,
    /// Only stewards write in it.
    #[arg(long, conflicts_with = "with")]
    pub stewards_write: bool,
    /// Why; only where it is proposed.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
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
