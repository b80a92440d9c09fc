//! Commands about people, communities and spaces.

use super::terms::{NamedFile, NamedText, PromiseArgument, RuleArgument, SpaceTerms};
use crate::moment::parse_duration;
use clap::{Args, Subcommand, ValueEnum};
use comity_protocol::record::Role;
use std::path::PathBuf;

/// `comity init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  comity init --name Alice\n  \
    comity init --name Alice --no-passphrase\n  \
    COMITY_HOME=/srv/comity COMITY_IDENTITY=~/keys comity init --name Alice")]
pub struct Init {
    /// Your name, as others will see it beside what you write.
    #[arg(long)]
    pub name: Option<String>,
    /// Do without a passphrase: whoever gets your files can write in your name.
    #[arg(long)]
    pub no_passphrase: bool,
    /// Make the node home only, for a machine where nobody writes.
    #[arg(long, conflicts_with_all = ["name", "no_passphrase"])]
    pub node_only: bool,
}

/// `comity identity …`
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Write everything of your identity into one encrypted file.
    #[command(after_help = "Example:\n  comity identity backup alice.comity-backup")]
    Backup {
        /// File to write; must not exist yet.
        file: PathBuf,
    },
    /// Bring an identity back, from a backup file or from the 24 words.
    #[command(
        after_help = "Examples:\n  comity identity restore alice.comity-backup\n  \
        comity identity restore --phrase --name Alice\n  \
        comity identity restore --phrase-file words.txt --name Alice"
    )]
    Restore(RestoreIdentity),
    /// Show the 24 words that bring your identity back.
    #[command(after_help = "Example:\n  comity identity phrase")]
    Phrase,
    /// Change the passphrase.
    #[command(after_help = "Examples:\n  comity identity passphrase\n  \
        comity identity passphrase --new-passphrase-file secret.txt")]
    Passphrase {
        /// Read the new passphrase from this file.
        #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
        new_passphrase_file: Option<PathBuf>,
        /// Do without a passphrase from now on.
        #[arg(long)]
        no_passphrase: bool,
    },
}

/// `comity identity restore`
#[derive(Debug, Args)]
pub struct RestoreIdentity {
    /// The backup file.
    #[arg(required_unless_present_any = ["phrase", "phrase_file"])]
    pub file: Option<PathBuf>,
    /// Read the 24 words from standard input.
    #[arg(long, conflicts_with_all = ["file", "phrase_file"])]
    pub phrase: bool,
    /// Read the 24 words from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub phrase_file: Option<PathBuf>,
    /// Your name; with the 24 words only.
    #[arg(long, conflicts_with = "file")]
    pub name: Option<String>,
    /// Seal the restored identity without a passphrase; with the 24 words only.
    #[arg(long, conflicts_with = "file")]
    pub no_passphrase: bool,
}

/// `comity community …`
#[derive(Debug, Subcommand)]
pub enum CommunityCommand {
    /// Found a community with your party, or draft one with others.
    Create(CreateCommunity),
    /// Sign the draft of a community that your party founds with others.
    #[command(after_help = "Example:\n  comity community sign comitydraft1…")]
    Sign {
        /// The draft, or a file with it.
        draft: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Start a community whose founders have all signed.
    #[command(after_help = "Example:\n  comity community found comitydraft1… comitysignature1…")]
    Found {
        /// The draft, or a file with it.
        draft: String,
        /// Signatures of the other founders, or files with them.
        signatures: Vec<String>,
    },
    /// Start a community with the whole history of another and a charter of your own.
    ///
    /// You found it alone, with a new party: a chain of its own that starts with you as its only
    /// delegate and this node, even where it has the name of the old one. Other delegates, members
    /// and nodes are not taken along: add them with `comity party` and `comity invite`; other parties
    /// join with their consent. Rules, labels, articles, promises of all parties and those of your
    /// own party are carried over. What cannot be is said: promises of parties that take no part,
    /// and spaces that you do not read.
    ///
    /// Whoever joins later gets the history from the nodes of the new community, too: what everyone
    /// could read, to be verified like everything else. What only members or a party could read stays
    /// with those who were readers, since the readers of a space never widen: publish again what
    /// newcomers are to know of your own words.
    #[command(after_help = "Example:\n  comity community fork \"Free Coffee\"")]
    Fork {
        /// The name of the new community.
        name: String,
        /// The name of your party in it; by default as in the old one.
        #[arg(long)]
        party: Option<String>,
        /// The community that is continued; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Take no more part in a community, and keep everything that is here of it.
    ///
    /// The node stops exchanging it with others. Where a community that it follows continues this
    /// one, it stays as the history of that, to be read, until you leave that too.
    #[command(after_help = "Example:\n  comity community leave Coffee")]
    Leave {
        /// Name or id.
        community: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// List the communities this node takes part in.
    #[command(after_help = "Example:\n  comity community list")]
    List,
    /// Show a community: parties, spaces, members.
    #[command(after_help = "Examples:\n  comity community show\n  comity community show Coffee")]
    Show {
        /// Name or id; may be left out if there is only one.
        community: Option<String>,
    },
}

/// `comity community create`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  comity community create Coffee\n  \
    comity community create Coffee --purpose \"Better coffee\" --party \"Coffee Club\" \\\n      \
    --space lobby:everyone --space workshop:members --space news:everyone:stewards\n  \
    comity community create Coffee --with customers.party --party Vendor \\\n      \
    --space ours:Vendor+Customers --promise Vendor:answer=14 --article conduct=conduct.md")]
pub struct CreateCommunity {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[arg(long, default_value = "")]
    pub purpose: String,
    /// The name of your party in it; your own name by default.
    #[arg(long)]
    pub party: Option<String>,
    /// A space as NAME:READERS[:WRITERS[:KINDS]]; readers are `everyone`, `members` or founding
    /// parties joined by `+`, writers `members` or `stewards`, kinds a list joined by commas. By
    /// default `lobby:everyone` and `members:members`.
    #[arg(long = "space", value_name = "SPACE")]
    pub spaces: Vec<SpaceTerms>,
    /// A promise in days: [PARTY:]NAME=DAYS; without a party it is every party's.
    #[arg(long, value_name = "PROMISE")]
    pub promise: Vec<PromiseArgument>,
    /// A rule for decisions: NAME=METHOD:QUORUM%:SHARE%[:concurrent]; methods are `majority`,
    /// `approval`, `score`, `ranked` and `consent`.
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<RuleArgument>,
    /// A label that may be given: NAME=MEANING.
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<NamedText>,
    /// An article of free text: NAME=FILE.
    #[arg(long, value_name = "NAME=FILE")]
    pub article: Vec<NamedFile>,
    /// Parties that a change of the charter needs: more than half, at most all; by default just
    /// more than half.
    #[arg(long = "party-quorum", value_name = "N")]
    pub party_quorum: Option<u64>,
    /// Another founding party: its code, as `comity party create` prints it, or a file with it. Then
    /// a draft is printed, for all founders to sign.
    #[arg(long = "with", value_name = "CODE")]
    pub with: Vec<String>,
}

/// A role that an invitation gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArgument {
    /// Writes where members write.
    Member,
    /// May answer for the party.
    Steward,
    /// Signs labels for the party.
    Moderator,
    /// Speaks for another system.
    Bridge,
    /// Reads only.
    Observer,
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Member => Self::Member,
            RoleArgument::Steward => Self::Steward,
            RoleArgument::Moderator => Self::Moderator,
            RoleArgument::Bridge => Self::Bridge,
            RoleArgument::Observer => Self::Observer,
        }
    }
}

/// `comity invite`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity invite\n  comity invite --uses 10 --expires 2d\n  \
    comity invite --address /dns4/node.example.org/tcp/7440"
)]
pub struct Invite {
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
    /// How many persons the ticket lets in.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub uses: u64,
    /// When it ends, such as 12h, 7d or `never`.
    #[arg(long, default_value = "7d", value_parser = parse_expiry)]
    pub expires: Expiry,
    /// What the ticket makes somebody; may be given several times.
    #[arg(long = "role", value_enum, default_value = "member")]
    pub roles: Vec<RoleArgument>,
    /// Where your node can be reached, as a multiaddress; by default where it listens now.
    #[arg(long = "address", value_name = "MULTIADDR")]
    pub addresses: Vec<String>,
}

/// When something ends, counted from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It does not.
    Never,
    /// After so many milliseconds.
    After(u64),
}

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    match text {
        "never" => Ok(Expiry::Never),
        _ => parse_duration(text).map(Expiry::After),
    }
}

/// `comity join`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity join comity1…\n  comity join comity1… --wait\n  \
    comity join --status"
)]
pub struct Join {
    /// The ticket, whole. Spaces and line breaks inside do not matter.
    #[arg(required_unless_present = "status")]
    pub ticket: Option<String>,
    /// Wait until you are a member.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: u64,
    /// Show joins under way instead.
    #[arg(long, conflicts_with_all = ["ticket", "wait"])]
    pub status: bool,
}
