//! Commands about members, devices and what is not in effect.

use super::membership::RoleArgument;
use clap::{Args, Subcommand, ValueEnum};

/// `comity member …`
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List members, former members, and what waits for more delegates.
    #[command(
        after_help = "Examples:\n  comity member list\n  comity member list --community Coffee --json"
    )]
    List {
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Admit a person by key, as a delegate of a party.
    #[command(after_help = "Examples:\n  comity member admit did:key:z6Mk…\n  \
        comity member admit did:key:z6Mk… --party \"Coffee Club\" --role member --role steward")]
    Admit {
        /// The person's root key, as `comity whoami` shows it.
        key: String,
        /// What the person becomes; may be given several times.
        #[arg(long = "role", value_enum, default_value = "member")]
        roles: Vec<RoleArgument>,
        /// Where.
        #[command(flatten)]
        of: OfParty,
    },
    /// Take a person's standing with a party away, for good.
    #[command(after_help = "Examples:\n  comity member revoke Mallory\n  \
        comity member revoke did:key:z6Mk… --keep none --yes")]
    Revoke {
        /// The member, by name, root key or the end of it.
        member: String,
        /// What stays in effect of what the member wrote.
        #[arg(long, value_enum, default_value = "known")]
        keep: Keep,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Where.
        #[command(flatten)]
        of: OfParty,
    },
    /// Give a member roles, or take them away.
    #[command(subcommand)]
    Roles(RolesCommand),
    /// Agree to what another delegate has signed.
    #[command(after_help = "Example:\n  comity member approve 3f2a")]
    Approve {
        /// The id that `comity member list` shows, or the start of it.
        id: String,
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// End your own standing with a party; you keep your copy of everything.
    #[command(after_help = "Example:\n  comity member leave --party \"Coffee Club\"")]
    Leave {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Where.
        #[command(flatten)]
        of: OfParty,
    },
}

/// `comity member roles …`
#[derive(Debug, Subcommand)]
pub enum RolesCommand {
    /// Give a member a role.
    #[command(after_help = "Example:\n  comity member roles add Bob steward")]
    Add(RoleOfMember),
    /// Take a role from a member.
    #[command(after_help = "Example:\n  comity member roles remove Bob steward")]
    Remove(RoleOfMember),
}

/// A role of a member.
#[derive(Debug, Args)]
pub struct RoleOfMember {
    /// The member, by name, root key or the end of it.
    pub member: String,
    /// The role.
    #[arg(value_enum)]
    pub role: RoleArgument,
    /// Where.
    #[command(flatten)]
    pub of: OfParty,
}

/// A party of a community.
#[derive(Debug, Args)]
pub struct OfParty {
    /// The party, by name or id; by default the one you are a delegate or member of.
    #[arg(long)]
    pub party: Option<String>,
    /// The community; may be left out if there is only one.
    #[arg(long)]
    pub community: Option<String>,
}

/// What a cut leaves in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// Everything that this node knows now.
    Known,
    /// Nothing but what nodes of other parties receipted.
    None,
}

/// `comity device …`
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List your devices.
    #[command(after_help = "Example:\n  comity device list")]
    List {
        /// The community; may be left out if there is only one.
        #[arg(long)]
        community: Option<String>,
    },
    /// Make a ticket for a new device of yours, on the device that has the root key.
    #[command(after_help = "Example:\n  comity device invite")]
    Invite {
        /// Where your node can be reached, as a multiaddress; by default where it listens now.
        #[arg(long = "address", value_name = "MULTIADDR")]
        addresses: Vec<String>,
    },
    /// On the new device: make its key, and the code for `comity device link`.
    ///
    /// It asks the node that the ticket names, and shows a short code to type there. Where that node
    /// is not reached it shows a long code, to be pasted.
    #[command(after_help = "Examples:\n  comity device accept comitydevice1…\n  \
        comity device accept comitydevice1… --long")]
    Accept {
        /// The ticket, whole.
        ticket: String,
        /// Show the long code, to be pasted, and hand nothing over.
        #[arg(long)]
        long: bool,
        /// Do without a passphrase: whoever gets the files of this device can write in your name.
        #[arg(long)]
        no_passphrase: bool,
    },
    /// On the device that has the root key: link the new one.
    ///
    /// Give only a code that your own new device shows. Case, spaces and dashes of a short code do
    /// not matter; O is read as 0, I and L as 1. It is good for 15 minutes, while the node runs.
    #[command(after_help = "Examples:\n  comity device link K7Q2-M4XD-9TRB\n  \
        comity device link comitycode1…")]
    Link {
        /// The short code, or the long one, whole.
        #[arg(required = true, num_args = 1..)]
        code: Vec<String>,
    },
    /// End a device: what it signs from now on does not count.
    #[command(after_help = "Examples:\n  comity device revoke 3\n  \
        comity device revoke did:key:z6Mk… --keep none\n  \
        comity device revoke did:key:z6Mk… --party \"Coffee Club\"")]
    Revoke {
        /// The device, by its slot or key.
        device: String,
        /// What stays in effect of what it signed.
        #[arg(long, value_enum, default_value = "known")]
        keep: Keep,
        /// As a delegate of this party, rather than as the device's owner.
        #[arg(long)]
        party: Option<String>,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The community; by default every one in which the device is yours.
        #[arg(long)]
        community: Option<String>,
    },
}

/// `comity quarantine …`
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List what is kept here and not in effect, with the reasons.
    #[command(after_help = "Examples:\n  comity quarantine list\n  \
        comity quarantine list --community Coffee")]
    List {
        /// Only of this community.
        #[arg(long)]
        community: Option<String>,
        /// Most entries shown.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=500))]
        limit: u64,
    },
    /// List records of membership that have no effect, with the rule that says so.
    #[command(after_help = "Example:\n  comity quarantine records --community Coffee")]
    Records {
        /// Of this community; needed if there are several.
        #[arg(long)]
        community: Option<String>,
        /// Most records shown.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=500))]
        limit: u64,
    },
    /// Show a document with what is not in effect of it.
    #[command(after_help = "Example:\n  comity quarantine show 3f2a")]
    Show {
        /// The document, by id or the start of it.
        id: String,
    },
}
