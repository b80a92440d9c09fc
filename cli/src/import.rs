//! Readers that turn other systems' archives into one neutral stream of items.
//!
//! They know nothing of nodes, keys or documents: whoever drives them maps each [`Item`] to a
//! document. Three promises make that simple. Parents come before their children. Two runs over the
//! same input give equal items in equal order, so importing twice can be recognised by [`OriginRef`].
//! Whatever the input, a reader neither fails half-way nor holds more than one item's text in
//! memory: what it cannot use is named in its [`Report`], and the rest goes on.
//!
//! Spec: `specs/import.md`.

mod address;
mod html;
mod jsonl;
mod mail;
mod plain;
mod stackexchange;
mod text;

use std::{collections::BTreeMap, io, path::PathBuf};
use thiserror::Error;

pub use address::AddressSalt;
pub use html::{Converted, html_to_markdown};
pub use jsonl::{JsonlOptions, JsonlReader, to_json_line};
pub use mail::{MailOptions, MailReader};
pub use plain::plain_to_markdown;
pub use stackexchange::{StackExchangeOptions, StackExchangeReader};

/// Largest body of an item by default, in bytes: the payload limit less room for title, tags, origin.
pub const BODY_MAX_BYTES: usize = comity_protocol::limits::PAYLOAD_MAX_BYTES - 16 * 1024;
/// Longest title, in characters.
pub const TITLE_MAX_CHARS: usize = 300;
/// Longest id in another system, in bytes; longer ones are replaced by a digest of them.
pub const ORIGIN_ID_MAX_BYTES: usize = 512;
/// Most tags of one item.
pub const TAGS_MAX: usize = 32;
/// Longest tag, in characters.
pub const TAG_MAX_CHARS: usize = 64;
/// Most skipped pieces that a report names; the others are only counted.
pub const SKIPPED_NAMED_MAX: usize = 10_000;

/// Names one thing in another system; what makes a second import of it recognisable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginRef {
    /// The other system, such as `mail` or `stackexchange/coffee`.
    pub system: String,
    /// Its id there, such as a Message-ID without angle brackets.
    pub id: String,
}

/// Where an item comes from and who wrote it there. Claims of the source: nothing here is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// System and id.
    pub reference: OriginRef,
    /// The author's name there.
    pub author_name: String,
    /// What tells two authors of one name apart: a keyed digest of an address, or a user id.
    pub author_id: Option<String>,
    /// When it was written, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// The licence under which it may be copied, where the source states one.
    pub licence: Option<String>,
}

/// What sort of topic a source's thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Discussion,
    Question,
    Idea,
    Announcement,
    Note,
}

/// What an item is, and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// Opens a thread.
    Topic { form: Form, title: String },
    /// Answers `parent`; `root` is the topic of the thread. Both came before.
    Reply { parent: OriginRef, root: OriginRef },
    /// The one who asked accepted this answer. Both came before.
    Accept {
        question: OriginRef,
        answer: OriginRef,
    },
}

/// One thing to bring in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub origin: Origin,
    pub kind: ItemKind,
    /// Markdown without raw HTML; empty for [`ItemKind::Accept`].
    pub body: String,
    pub tags: Vec<String>,
    /// What a reader should know about this copy: what was lost, cut, guessed or left outside.
    pub notes: Vec<String>,
}

/// A piece of the source that did not become an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is: a file name, a file and position, a line.
    pub name: String,
    /// Why it was left out.
    pub reason: String,
}

/// What a reader has done so far; complete once the reader returned `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Messages, posts or lines looked at, skipped ones included.
    pub read: u64,
    pub topics: u64,
    pub replies: u64,
    pub accepts: u64,
    /// Broken or unusable pieces, at most [`SKIPPED_NAMED_MAX`].
    pub skipped: Vec<Skipped>,
    /// How many more were skipped than are named.
    pub skipped_unnamed: u64,
    /// Sound pieces of kinds that are not imported, counted by kind.
    pub left_out: BTreeMap<String, u64>,
}

impl Report {
    /// Items given out so far.
    pub fn items(&self) -> u64 {
        self.topics + self.replies + self.accepts
    }

    /// Pieces skipped so far, named or not.
    pub fn skipped_total(&self) -> u64 {
        self.skipped.len() as u64 + self.skipped_unnamed
    }

    fn count(&mut self, item: &Item) {
        match item.kind {
            ItemKind::Topic { .. } => self.topics += 1,
            ItemKind::Reply { .. } => self.replies += 1,
            ItemKind::Accept { .. } => self.accepts += 1,
        }
    }

    fn skip(&mut self, name: impl AsRef<str>, reason: impl AsRef<str>) {
        if self.skipped.len() >= SKIPPED_NAMED_MAX {
            self.skipped_unnamed += 1;
            return;
        }
        let name = text::one_line(name.as_ref(), TITLE_MAX_CHARS);
        let reason = text::one_line(reason.as_ref(), TITLE_MAX_CHARS);
        self.skipped.push(Skipped { name, reason });
    }
}

/// What the readers have in common: items in order, and a report beside them.
pub trait Reader: Iterator<Item = Item> {
    /// What has happened so far.
    fn report(&self) -> &Report;
    /// How many items are still expected, for progress; an upper bound.
    fn remaining(&self) -> u64;
}

/// A source could not be opened at all; everything less is in the [`Report`].
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("cannot open {} for import: check that it exists and that you may read it", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot import {}: it is neither a file nor a folder; name a file or a folder", path.display())]
    NotAFileOrFolder { path: PathBuf },
    #[error("cannot import {}: it is a folder; name the file in it, such as {expected}", path.display())]
    IsAFolder {
        path: PathBuf,
        expected: &'static str,
    },
}
