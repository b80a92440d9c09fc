//! Mail archives: a folder of messages, Maildir, mbox, and Pipermail's text archives.
//!
//! Two passes. The first reads each message once and keeps what threading needs (ids, references,
//! subject, time, place); the second goes through the threads in order and reads each message again
//! for its text. So memory grows with the number of messages, not with their size.
//!
//! Spec: `specs/import.md` §2.

mod body;
mod date;
mod decode;
mod header;
mod source;
mod thread;

use super::{
    AddressSalt, BODY_MAX_BYTES, Form, ImportError, Item, ItemKind, Origin, OriginRef, Reader,
    Report, TITLE_MAX_CHARS,
    address::{Spelling, mask},
    plain::{Edge, escape_inline},
    text,
};
use header::Headers;
use source::{Located, Sources};
use std::{collections::HashMap, path::Path};
use thread::{Node, Placed};

/// Name of the system in every mail item's origin.
const SYSTEM: &str = "mail";

/// How mail is read.
#[derive(Clone)]
pub struct MailOptions {
    /// Secret of the importer that keys the ids of addresses.
    pub salt: AddressSalt,
    /// Leave addresses readable, in author ids and in texts.
    pub keep_addresses: bool,
    /// Longest body of an item, in bytes.
    pub body_max_bytes: usize,
    /// Longest message that is read, in bytes.
    pub message_max_bytes: usize,
}

impl MailOptions {
    /// Addresses hidden, bodies to [`BODY_MAX_BYTES`], messages to 8 MiB.
    pub fn new(salt: AddressSalt) -> Self {
        Self {
            salt,
            keep_addresses: false,
            body_max_bytes: BODY_MAX_BYTES,
            message_max_bytes: 8 * 1024 * 1024,
        }
    }

    fn visible(&self, text: &str, spelling: Spelling) -> String {
        if self.keep_addresses {
            text.to_owned()
        } else {
            mask(text, spelling)
        }
    }
}

/// Gives out the messages of an archive, thread by thread, each after the one it answers.
pub struct MailReader {
    options: MailOptions,
    sources: Sources,
    located: Vec<Located>,
    order: std::vec::IntoIter<Placed>,
    /// What each message became: its item's id, once given out.
    given: Vec<Option<Given>>,
    report: Report,
}

/// A message that was given out: its id, and its thread's topic.
#[derive(Clone)]
struct Given {
    id: String,
    root: usize,
    subject: String,
}

impl MailReader {
    /// Looks through a file or folder. Fails only if `path` itself cannot be opened.
    pub fn open(path: &Path, options: MailOptions) -> Result<Self, ImportError> {
        let mut report = Report::default();
        let mut located = Vec::new();
        let mut nodes = Vec::new();
        let mut seen: HashMap<String, String> = HashMap::new();
        let sources = Sources::open(path, &mut report)?;
        sources.scan(&options, &mut report, |place, raw, report| {
            let name = sources.name(&place);
            let node = match read_node(raw, &place, &options) {
                Ok(node) => node,
                Err(reason) => return report.skip(&name, reason),
            };
            if let Some(first) = seen.get(&node.id) {
                return report.skip(&name, format!("has the same Message-ID as {first}"));
            }
            seen.insert(node.id.clone(), name);
            nodes.push(node);
            located.push(place);
        });
        let order = thread::arrange(&nodes);
        let given = vec![None; nodes.len()];
        Ok(Self {
            options,
            sources,
            located,
            order: order.into_iter(),
            given,
            report,
        })
    }

    fn item(&mut self, placed: &Placed) -> Result<Item, String> {
        let place = &self.located[placed.message];
        let raw = self.sources.read(place, self.options.message_max_bytes)?;
        let headers = Headers::parse(&raw, place.spelling);
        let id = public_id(
            message_id(&headers, &raw, &self.options),
            &headers,
            &self.options,
        );
        let mut notes = headers.notes();
        let (time, guessed) = date::of_message(&headers, place.from_line.as_deref());
        notes.extend(guessed);
        let subject = header::strip_reply_prefixes(&headers.subject);
        let shown = self.options.visible(&subject, place.spelling);
        let shown = text::one_line(&shown, TITLE_MAX_CHARS);

        let parent = placed.ancestors(&self.given).next();
        let root = parent.map_or(placed.message, |parent| parent.1.root);
        let mut heading = String::new();
        let kind = match parent {
            Some((_, parent)) => {
                let topic = self.given[root].as_ref().unwrap_or(parent);
                if topic.subject != subject && !shown.is_empty() {
                    heading = format!("**Subject: {}**\n\n", escape_inline(&shown, Edge::Unknown));
                }
                let (parent, root) = (reference(&parent.id), reference(&topic.id));
                ItemKind::Reply { parent, root }
            }
            None => {
                if headers.is_reply() {
                    notes.push(NOT_IMPORTED.into());
                }
                let title = if shown.is_empty() {
                    "(no subject)".to_owned()
                } else {
                    shown
                };
                let form = Form::Discussion;
                ItemKind::Topic { form, title }
            }
        };
        if let Some(how) = placed.how {
            notes.push(how.to_owned());
        }
        let body = body::read(&raw, place.spelling, &self.options, &heading, &mut notes);
        let (author_name, author_id) = headers.author(&self.options);
        let origin = Origin {
            reference: reference(&id),
            author_name,
            author_id,
            time_ms: time,
            licence: None,
        };
        self.given[placed.message] = Some(Given { id, root, subject });
        Ok(Item {
            origin,
            kind,
            body,
            tags: Vec::new(),
            notes,
        })
    }
}

impl Iterator for MailReader {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let placed = self.order.next()?;
            match self.item(&placed) {
                Ok(item) => {
                    self.report.count(&item);
                    return Some(item);
                }
                Err(reason) => {
                    let name = self.sources.name(&self.located[placed.message]);
                    self.report.skip(name, reason);
                }
            }
        }
    }
}

impl Reader for MailReader {
    fn report(&self) -> &Report {
        &self.report
    }

    fn remaining(&self) -> u64 {
        self.order.len() as u64
    }
}

const NOT_IMPORTED: &str = "The message that this one answers is not among the imported ones.";

fn reference(id: &str) -> OriginRef {
    let system = SYSTEM.to_owned();
    OriginRef {
        system,
        id: id.to_owned(),
    }
}

fn read_node(raw: &[u8], place: &Located, options: &MailOptions) -> Result<Node, String> {
    let headers = Headers::parse(raw, place.spelling);
    headers.check()?;
    let subject = header::strip_reply_prefixes(&headers.subject).to_lowercase();
    Ok(Node {
        id: message_id(&headers, raw, options),
        references: headers.references(),
        is_reply: headers.has_reply_prefix(),
        subject,
        time_ms: date::of_message(&headers, place.from_line.as_deref()).0,
        sender: headers.sender_key(),
    })
}

/// The id by which other messages refer to this one, or one made of its content.
fn message_id(headers: &Headers, raw: &[u8], options: &MailOptions) -> String {
    headers.message_id().unwrap_or_else(|| {
        let body = String::from_utf8_lossy(headers.body(raw));
        let address = headers.address().unwrap_or_default();
        let date = headers.first("date").unwrap_or_default();
        let parts = [address.as_str(), &date, &headers.subject, body.trim()];
        format!("content:{}", options.salt.content_id(&parts))
    })
}

/// The id that an item carries. Some programs put the sender's address into the Message-ID; such an
/// id is replaced by a keyed digest of it.
fn public_id(id: String, headers: &Headers, options: &MailOptions) -> String {
    let holds_address = id.contains("git-send-email-")
        || id.contains(".git.")
        || headers
            .address()
            .is_some_and(|address| id.to_lowercase().contains(&address));
    if holds_address && !options.keep_addresses {
        return format!("hidden:{}", options.salt.content_id(&[&id]));
    }
    id
}

#[cfg(test)]
mod tests;
