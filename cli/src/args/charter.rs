//! Commands about the charter and the parties.

use super::terms::{
    NamedFile, NamedKey, NamedText, PromiseArgument, PromiseName, RuleArgument, SpaceTerms,
    Successor,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `comity charter …`
#[derive(Debug, Subcommand)]
pub enum CharterCommand {
    /// Show what the charter says, now or at one of its states.
    #[command(after_help = "Examples:\n  comity charter show\n  comity charter show --at 3fa8")]
    Show {
        /// A state: the id of a resolution or the genesis, or its start.
        #[arg(long, value_name = "ID")]
        at: Option<String>,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Show the steps that made the charter: what changed, and who signed.
    #[command(after_help = "Example:\n  comity charter log")]
    Log {
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// List what is proposed, or show one proposal.
    #[command(
        after_help = "Examples:\n  comity charter proposals\n  comity charter proposals 3fa8"
    )]
    Proposals {
        /// Its id, or the start of it.
        id: Option<String>,
        /// Those that passed or died too.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Propose changes of the charter; that approves them in your name.
    Propose(Box<Propose>),
    /// Approve a proposal, once it was shown and you said yes.
    #[command(
        after_help = "Examples:\n  comity charter approve 3fa8\n  comity charter approve 3fa8 --yes"
    )]
    Approve(Approve),
    /// Reject a proposal: you can never approve it afterwards.
    #[command(
        after_help = "Example:\n  comity charter reject 3fa8 --reason \"the other one is better\""
    )]
    Reject(Reject),
    /// Show what a proposal changes, or what changed between two states.
    #[command(
        after_help = "Examples:\n  comity charter diff 3fa8\n  comity charter diff 3fa8 91bc"
    )]
    Diff {
        /// A proposal, or a state of the charter.
        from: String,
        /// A later state; by default the one in force.
        to: Option<String>,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Choose a branch where the charter or a party forked.
    #[command(after_help = "Example:\n  comity charter choose 3fa8")]
    Choose {
        /// One of the certified children, or its start.
        id: String,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
}

/// `comity charter propose`
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  comity charter propose --space support:everyone --reason \"one place to ask\"\n  \
    comity charter propose --space ours:Vendor+Users:stewards:topic,reply\n  \
    comity charter propose --add-party customers.party --quorum 2\n  \
    comity charter propose --promise Vendor:answer=14 --rule features=ranked:50%:60%:concurrent\n  \
    comity charter propose --article conduct=conduct.md --name \"Coffee and Tea\"\n  \
    comity charter propose --confirm-states"
)]
pub struct Propose {
    /// A party joins: its code, as `comity party create` or `accept` prints it, or a file with it.
    #[arg(long = "add-party", value_name = "CODE")]
    pub add_party: Vec<String>,
    /// A party is removed: name or id.
    #[arg(long = "remove-party", value_name = "PARTY")]
    pub remove_party: Vec<String>,
    /// Parties that a resolution needs: more than half, at most all.
    #[arg(long, value_name = "N")]
    pub quorum: Option<u64>,
    /// A new space as NAME:READERS[:WRITERS[:KINDS]]; readers are `everyone`, `members` or parties
    /// joined by `+`, writers `members` or `stewards`, kinds a list joined by commas.
    #[arg(long = "space", value_name = "SPACE")]
    pub space: Vec<SpaceTerms>,
    /// Nothing new counts in this space.
    #[arg(long = "close-space", value_name = "SPACE")]
    pub close_space: Vec<String>,
    /// Documents of these kinds are no longer allowed: SPACE=KIND[,KIND…].
    #[arg(long = "forbid", value_name = "SPACE=KINDS")]
    pub forbid: Vec<NamedText>,
    /// A space that succeeds another, such as for more readers: OLD=NAME:READERS[:WRITERS[:KINDS]].
    #[arg(long, value_name = "OLD=SPACE")]
    pub successor: Vec<Successor>,
    /// A promise in days: [PARTY:]NAME=DAYS; without a party it is every party's.
    #[arg(long, value_name = "PROMISE")]
    pub promise: Vec<PromiseArgument>,
    /// A promise ends: [PARTY:]NAME.
    #[arg(long = "remove-promise", value_name = "PROMISE")]
    pub remove_promise: Vec<PromiseName>,
    /// A rule for decisions: NAME=METHOD:QUORUM%:SHARE%[:concurrent]; methods are `majority`,
    /// `approval`, `score`, `ranked` and `consent`.
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<RuleArgument>,
    /// A rule ends.
    #[arg(long = "remove-rule", value_name = "NAME")]
    pub remove_rule: Vec<String>,
    /// A label that may be given: NAME=MEANING.
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<NamedText>,
    /// A label ends.
    #[arg(long = "remove-label", value_name = "NAME")]
    pub remove_label: Vec<String>,
    /// An article of free text: NAME=FILE.
    #[arg(long, value_name = "NAME=FILE")]
    pub article: Vec<NamedFile>,
    /// An article ends.
    #[arg(long = "remove-article", value_name = "NAME")]
    pub remove_article: Vec<String>,
    /// A new name of the community.
    #[arg(long)]
    pub name: Option<String>,
    /// A new purpose.
    #[arg(long)]
    pub purpose: Option<String>,
    /// A member's standing with a party ends, which needs that party: PARTY:MEMBER.
    #[arg(long, value_name = "PARTY:MEMBER")]
    pub revoke: Vec<NamedKey>,
    /// What a node signs from now on does not count.
    #[arg(long = "cut-node", value_name = "KEY")]
    pub cut_node: Vec<String>,
    /// The charter names the present states of all parties, and nothing else changes: keys that a party
    /// has dropped speak for it no more.
    #[arg(long = "confirm-states")]
    pub confirm_states: bool,
    /// The charter names a state of another branch of a party's chain, which takes all other parties:
    /// PARTY=STATE, the state by its id or the start of it.
    #[arg(long = "lead-over", value_name = "PARTY=STATE")]
    pub lead_over: Vec<NamedText>,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
}

/// `comity charter approve` and `comity party approve`
#[derive(Debug, Args)]
pub struct Approve {
    /// Its id, or the start of it.
    pub id: String,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
}

/// `comity charter reject` and `comity party reject`
#[derive(Debug, Args)]
pub struct Reject {
    /// Its id, or the start of it.
    pub id: String,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
}

/// `comity party …`
#[derive(Debug, Subcommand)]
pub enum PartyCommand {
    /// Make a party whose delegate you are, and print its code for others to add it.
    #[command(after_help = "Examples:\n  comity party create \"Tea Users\"\n  \
        comity party create \"Tea Users\" --out tea.party")]
    Create {
        /// Its name, which is public.
        name: String,
        /// Write the code into this file instead.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show parties: delegates, nodes, groups, and their chain.
    #[command(after_help = "Examples:\n  comity party show\n  comity party show \"Coffee Club\"")]
    Show {
        /// Name or id; by default all.
        party: Option<String>,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Make a ticket that lets another party ask to join. It holds no secret.
    #[command(after_help = "Example:\n  comity party invite")]
    Invite {
        /// Where your node can be reached, as a multiaddress; by default where it listens now.
        #[arg(long = "address", value_name = "MULTIADDR")]
        addresses: Vec<String>,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Follow a community with a party of your own, and print its code to hand back.
    #[command(after_help = "Example:\n  comity party accept comityparties1… --name \"Tea Users\"")]
    Accept {
        /// The ticket, or a file with it.
        ticket: String,
        /// The name of your party, which is public.
        #[arg(long)]
        name: String,
        /// Write the code into this file instead.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Change who speaks for your party.
    #[command(subcommand)]
    Delegates(DelegatesCommand),
    /// Change how many delegates have to agree.
    #[command(after_help = "Examples:\n  comity party thresholds --needed 3\n  \
        comity party thresholds --admission-needed 2")]
    Thresholds(Thresholds),
    /// Change which nodes serve your party.
    #[command(subcommand)]
    Nodes(KeysCommand),
    /// Change who may answer for your party.
    #[command(subcommand)]
    Stewards(KeysCommand),
    /// Change whose labels are your party's.
    #[command(subcommand)]
    Moderators(KeysCommand),
    /// Change which keys speak for other systems.
    #[command(subcommand)]
    Bridges(KeysCommand),
    /// Change who reads only.
    #[command(subcommand)]
    Observers(KeysCommand),
    /// Change the groups of your party.
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// Leave the community with your party.
    #[command(after_help = "Example:\n  comity party leave")]
    Leave {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Which party, if you speak for several.
        #[command(flatten)]
        place: PartyPlace,
    },
    /// Approve a change of your party that another delegate proposed.
    #[command(after_help = "Example:\n  comity party approve 3fa8")]
    Approve(Approve),
    /// Reject a change of your party: you can never approve it afterwards.
    #[command(after_help = "Example:\n  comity party reject 3fa8 --reason \"ask Bob first\"")]
    Reject(Reject),
}

/// Which party of which community.
#[derive(Debug, Clone, Default, Args)]
pub struct PartyPlace {
    /// The party, if you speak for several.
    #[arg(long)]
    pub party: Option<String>,
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
}

/// `comity party delegates …`
#[derive(Debug, Subcommand)]
pub enum DelegatesCommand {
    /// Add somebody who speaks for the party.
    #[command(after_help = "Example:\n  comity party delegates add Bob --needed 2")]
    Add(DelegatesChange),
    /// Take somebody out who spoke for the party.
    #[command(after_help = "Example:\n  comity party delegates remove did:key:z6Mk… --needed 1")]
    Remove(DelegatesChange),
}

/// A change of the delegates.
#[derive(Debug, Args)]
pub struct DelegatesChange {
    /// A member's name or root key.
    pub key: String,
    /// Delegates a change of the party needs from then on: more than half.
    #[arg(long, value_name = "N")]
    pub needed: Option<u64>,
    /// Delegates an admission needs from then on.
    #[arg(long, value_name = "N")]
    pub admission_needed: Option<u64>,
    /// Where.
    #[command(flatten)]
    pub place: PartyPlace,
}

/// `comity party thresholds`
#[derive(Debug, Args)]
pub struct Thresholds {
    /// Delegates a change of the party needs from then on: more than half.
    #[arg(long, value_name = "N", required_unless_present = "admission_needed")]
    pub needed: Option<u64>,
    /// Delegates an admission needs from then on.
    #[arg(long, value_name = "N")]
    pub admission_needed: Option<u64>,
    /// Where.
    #[command(flatten)]
    pub place: PartyPlace,
}

/// Adding to and removing from one of a party's lists.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Add keys.
    #[command(after_help = "Examples:\n  comity party nodes add did:key:z6Mk…\n  \
        comity party stewards add Bob\n  comity party moderators add Bob\n  \
        comity party bridges add did:key:z6Mk…\n  comity party observers add Eve")]
    Add(KeysChange),
    /// Remove keys; what they wrote so far goes on to count.
    #[command(
        after_help = "Examples:\n  comity party nodes remove did:key:z6Mk…\n  \
        comity party stewards remove Bob\n  comity party moderators remove Bob\n  \
        comity party bridges remove did:key:z6Mk…\n  comity party observers remove Eve"
    )]
    Remove(KeysChange),
}

/// Keys to add or remove.
#[derive(Debug, Args)]
pub struct KeysChange {
    /// Keys, or names of members.
    #[arg(required = true)]
    pub keys: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub place: PartyPlace,
}

/// `comity party groups …`
#[derive(Debug, Subcommand)]
pub enum GroupsCommand {
    /// Add people to a group, which is made if it is not there.
    #[command(after_help = "Example:\n  comity party groups add board Bob Eve")]
    Add(GroupChange),
    /// Remove people from a group, or the whole group if none is named.
    #[command(after_help = "Example:\n  comity party groups remove board Bob")]
    Remove(GroupChange),
}

/// A change of a group.
#[derive(Debug, Args)]
pub struct GroupChange {
    /// The group.
    pub name: String,
    /// Names of members, or root keys.
    pub keys: Vec<String>,
    /// Where.
    #[command(flatten)]
    pub place: PartyPlace,
}
