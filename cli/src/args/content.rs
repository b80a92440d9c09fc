//! Commands about documents.

use clap::{Args, Subcommand, ValueEnum};
use comity_protocol::document::kind::Form;
use std::path::PathBuf;

/// What somebody publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PublishKind {
    /// A topic to talk about.
    #[value(alias = "topic")]
    Discussion,
    /// A topic that asks for an answer.
    Question,
    /// A topic that asks for something to be done.
    Idea,
    /// A topic that tells everybody.
    Announcement,
    /// A topic that keeps something.
    Note,
    /// A text that everybody who may write here edits.
    Page,
}

impl PublishKind {
    /// The form of the topic; none for a page.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::Discussion => Some(Form::Discussion),
            Self::Question => Some(Form::Question),
            Self::Idea => Some(Form::Idea),
            Self::Announcement => Some(Form::Announcement),
            Self::Note => Some(Form::Note),
            Self::Page => None,
        }
    }
}

/// `comity publish`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity publish hello.md --space lobby --title Hello\n  \
    echo \"Too bitter?\" | comity publish - --kind question --title \"Espresso\" --tag grind\n  \
    comity publish post.md --origin forum:1234"
)]
pub struct Publish {
    /// The text, as Markdown: a file, or - for standard input.
    pub file: String,
    /// The space, by name, COMMUNITY/NAME or id.
    #[arg(long)]
    pub space: Option<String>,
    /// The community, if several have a space of that name.
    #[arg(long)]
    pub community: Option<String>,
    /// What it is.
    #[arg(long, value_enum, default_value = "discussion")]
    pub kind: PublishKind,
    /// Its title; by default the first heading or line of the text.
    #[arg(long)]
    pub title: Option<String>,
    /// A tag; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Where it was published before, as SYSTEM:ID.
    #[arg(long, value_parser = parse_origin, value_name = "SYSTEM:ID")]
    pub origin: Option<(String, String)>,
    /// The author there, if it is not you.
    #[arg(long, requires = "origin", value_name = "NAME")]
    pub origin_author: Option<String>,
    /// Do not ask, even if more people will read it than what it answers or names, or than what you
    /// wrote last.
    #[arg(long, short)]
    pub yes: bool,
}

fn parse_origin(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((system, id)) if !system.trim().is_empty() && !id.trim().is_empty() => {
            Ok((system.trim().to_owned(), id.trim().to_owned()))
        }
        _ => Err("the form is SYSTEM:ID, such as forum:1234".to_owned()),
    }
}

/// `comity reply`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity reply 3f2a -m \"Try a finer grind.\"\n  \
    comity reply 3f2a answer.md\n  echo thanks | comity reply 3f2a -"
)]
pub struct Reply {
    /// What to answer: id of a topic, reply or page, or the start of it.
    pub id: String,
    /// The text: a file, or - for standard input; by default your editor.
    #[arg(conflicts_with = "message")]
    pub file: Option<String>,
    /// The text itself.
    #[arg(long, short, value_name = "TEXT")]
    pub message: Option<String>,
    /// Do not ask, even if more people will read it than what it answers or names, or than what you
    /// wrote last.
    #[arg(long, short)]
    pub yes: bool,
}

/// `comity edit`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity edit 3f2a\n  comity edit 3f2a page.md\n  \
    comity show 3f2a --body | sed s/teh/the/ | comity edit 3f2a -\n  \
    comity edit 3f2a --title \"A better title\""
)]
pub struct Edit {
    /// Id of the document, or the start of it.
    pub id: String,
    /// The new text: a file, or - for standard input; by default your editor.
    pub file: Option<String>,
    /// A new title.
    #[arg(long)]
    pub title: Option<String>,
    /// The heads you saw, if not the newest; separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "HEADS")]
    pub at: Vec<String>,
    /// Do not ask, even if more people will read it than what it names.
    #[arg(long, short)]
    pub yes: bool,
}

/// `comity erase`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity erase 3f2a\n  comity erase 3f2a --yes\n  \
    comity erase 3f2a --by-quorum --reason \"a home address\"\n  \
    comity erase 3f2a --order --reason \"a home address\" > draft.json"
)]
pub struct Erase {
    /// Id of a document (everything you wrote in it) or of one contribution.
    pub id: String,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Propose the erasure of what somebody else wrote: a quorum of parties has to approve it, with
    /// `comity charter approve`. Everybody sees the proposal.
    #[arg(long, requires = "reason", group = "quorum")]
    pub by_quorum: bool,
    /// The same by a draft that delegates sign and send on, seen by readers of the space only.
    #[arg(long, requires = "reason", group = "quorum")]
    pub order: bool,
    /// Why; with `--by-quorum` everybody sees it, else whoever reads the space.
    #[arg(long, requires = "quorum", value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `comity list`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity list\n  comity list --kind question --tag grind\n  \
    comity list --space lobby --oldest-first --limit 100 --json\n  comity list --all --system mail"
)]
pub struct List {
    /// Only this community.
    #[arg(long)]
    pub community: Option<String>,
    /// Only this space.
    #[arg(long)]
    pub space: Option<String>,
    /// Only this kind: topic, reply, page, profile or accept.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only by this person: a key, or `me`.
    #[arg(long)]
    pub author: Option<String>,
    /// Only with this tag.
    #[arg(long)]
    pub tag: Option<String>,
    /// Only replies in this thread.
    #[arg(long, value_name = "ID")]
    pub thread: Option<String>,
    /// Only imported from this system.
    #[arg(long)]
    pub system: Option<String>,
    /// Most documents to list.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub limit: u64,
    /// Where to go on, as the page before said.
    #[arg(long)]
    pub cursor: Option<String>,
    /// All pages.
    #[arg(long, conflicts_with = "cursor")]
    pub all: bool,
    /// Oldest first, by arrival here.
    #[arg(long)]
    pub oldest_first: bool,
}

/// `comity show`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity show 3f2a\n  comity show 3f2a --at 77ab,90c1\n  \
    comity show 3f2a --body > page.md\n  comity show --held 3f2a"
)]
pub struct Show {
    /// Id of the document, or the start of it.
    pub id: String,
    /// A version: its heads, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "HEADS")]
    pub at: Vec<String>,
    /// Print the text and nothing else.
    #[arg(long)]
    pub body: bool,
    /// Show what a removal took out of effect too, as if it were not.
    #[arg(long, conflicts_with = "at")]
    pub held: bool,
}

/// `comity history`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  comity history 3f2a")]
pub struct History {
    /// Id of the document, or the start of it.
    pub id: String,
}

/// `comity diff`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  comity diff 3f2a 77ab 90c1\n  comity diff 3f2a 77ab")]
pub struct Diff {
    /// Id of the document, or the start of it.
    pub id: String,
    /// Heads of the older version, separated by commas.
    pub a: String,
    /// Heads of the newer version; by default the newest.
    pub b: Option<String>,
}

/// `comity blame`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  comity blame 3f2a")]
pub struct Blame {
    /// Id of the document, or the start of it.
    pub id: String,
    /// Which text.
    #[arg(long, default_value = "body")]
    pub field: String,
}

/// `comity import …`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Messages: a folder, a Maildir, an mbox, a pipermail text.
    #[command(
        after_help = "Examples:\n  comity import mail archive/ --space lobby --dry-run\n  \
        comity import mail list.mbox --space lobby"
    )]
    Mail {
        /// Where it goes.
        #[command(flatten)]
        into: ImportInto,
        /// Leave mail addresses readable; by default they are replaced by digests.
        #[arg(long)]
        keep_addresses: bool,
    },
    /// Questions and answers: the Posts.xml of a Stack Exchange dump.
    #[command(
        after_help = "Example:\n  comity import stackexchange coffee/Posts.xml --space lobby"
    )]
    Stackexchange {
        /// Where it goes.
        #[command(flatten)]
        into: ImportInto,
        /// Name of the site; by default the name of the file's folder.
        #[arg(long)]
        site: Option<String>,
    },
    /// Lines of JSON, one item each.
    #[command(after_help = "Example:\n  comity import jsonl items.jsonl --space lobby")]
    Jsonl {
        /// Where it goes.
        #[command(flatten)]
        into: ImportInto,
    },
}

/// Options of every import.
#[derive(Debug, Clone, Args)]
pub struct ImportInto {
    /// What to import.
    pub path: PathBuf,
    /// The space, by name, COMMUNITY/NAME or id.
    #[arg(long)]
    pub space: Option<String>,
    /// The community, if several have a space of that name.
    #[arg(long)]
    pub community: Option<String>,
    /// Read everything and report, but sign and save nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Formats of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A document a line, with every field; equal on nodes with equal sets.
    Jsonl,
    /// A tree of Markdown files.
    Markdown,
    /// A standard .automerge file per document, with its history.
    Automerge,
}

/// `comity export`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity export --format jsonl > all.jsonl\n  \
    comity export --format markdown --to notes/ --space lobby\n  \
    comity export --format automerge --to archive/"
)]
pub struct Export {
    /// The format.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: ExportFormat,
    /// Where to: a file for jsonl (standard output by default), a folder for the others.
    #[arg(long, value_name = "PATH", required_if_eq_any = [("format", "markdown"), ("format", "automerge")])]
    pub to: Option<PathBuf>,
    /// Only this space.
    #[arg(long)]
    pub space: Option<String>,
    /// The community, if several have a space of that name.
    #[arg(long, requires = "space")]
    pub community: Option<String>,
}

/// `comity watch`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  comity watch\n  comity watch --since 0 --json\n  \
    comity watch --since 120 --stop-when-caught-up"
)]
pub struct Watch {
    /// Print what happened after this cursor first; 0 for everything.
    #[arg(long, value_name = "CURSOR")]
    pub since: Option<u64>,
    /// Stop once everything up to now has been printed.
    #[arg(long)]
    pub stop_when_caught_up: bool,
}
