//! Our own lines: one JSON object per line, as `comity export --format jsonl` writes them.
//!
//! Lines may stand in any order; a first pass keeps ids, parents and places, so that parents can
//! come first. A line with an unknown field is refused: guessing would lose what it says.
//!
//! Spec: `specs/import.md` §4.

use super::{
    BODY_MAX_BYTES, Form, ImportError, Item, ItemKind, ORIGIN_ID_MAX_BYTES, Origin, OriginRef,
    Reader, Report, TAG_MAX_CHARS, TAGS_MAX, TITLE_MAX_CHARS, text,
};
use comity_protocol::limits::TIME_MAX_MS;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Longest line, in bytes: a body at its limit, every character of it escaped.
const LINE_MAX_BYTES: usize = 2 * 1024 * 1024;

/// How lines are read.
#[derive(Debug, Clone)]
pub struct JsonlOptions {
    /// Longest body of an item, in bytes; longer ones are cut.
    pub body_max_bytes: usize,
}

impl Default for JsonlOptions {
    fn default() -> Self {
        Self {
            body_max_bytes: BODY_MAX_BYTES,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<FormName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    origin: LineOrigin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Target>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Target>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Topic,
    Reply,
    Accept,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum FormName {
    Discussion,
    Question,
    Idea,
    Announcement,
    Note,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineOrigin {
    system: String,
    id: String,
    author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    licence: Option<String>,
}

/// Milliseconds since the Unix epoch, or RFC 3339.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Time {
    Milliseconds(u64),
    Text(String),
}

/// An id in the line's own system, or one in any.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Target {
    Id(String),
    Full(FullTarget),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullTarget {
    system: String,
    id: String,
}

/// Writes an item as one line, without its line break; [`JsonlReader`] reads it back equal.
pub fn to_json_line(item: &Item) -> String {
    let own = &item.origin.reference.system;
    let target = |target: &OriginRef| {
        if target.system == *own {
            Target::Id(target.id.clone())
        } else {
            Target::Full(FullTarget {
                system: target.system.clone(),
                id: target.id.clone(),
            })
        }
    };
    let (kind, form, title, parent, answer) = match &item.kind {
        ItemKind::Topic { form, title } => (
            Kind::Topic,
            Some(FormName::from(*form)),
            Some(title.clone()),
            None,
            None,
        ),
        ItemKind::Reply { parent, .. } => (Kind::Reply, None, None, Some(target(parent)), None),
        ItemKind::Accept { question, answer } => (
            Kind::Accept,
            None,
            None,
            Some(target(question)),
            Some(target(answer)),
        ),
    };
    let origin = LineOrigin {
        system: own.clone(),
        id: item.origin.reference.id.clone(),
        author: item.origin.author_name.clone(),
        author_id: item.origin.author_id.clone(),
        time: item.origin.time_ms.map(Time::Milliseconds),
        licence: item.origin.licence.clone(),
    };
    let (body, tags, notes) = (item.body.clone(), item.tags.clone(), item.notes.clone());
    let line = Line {
        kind,
        form,
        title,
        body,
        tags,
        notes,
        origin,
        parent,
        answer,
    };
    serde_json::to_string(&line).expect("strings, numbers and string keys always serialize")
}

/// One line's place and what it depends on.
struct Entry {
    reference: OriginRef,
    needs: Vec<OriginRef>,
    line: u64,
    offset: u64,
    length: u64,
}

/// Gives out a file's lines, parents first.
pub struct JsonlReader {
    path: PathBuf,
    options: JsonlOptions,
    entries: Vec<Entry>,
    order: std::vec::IntoIter<usize>,
    /// Thread of each item given out.
    roots: HashMap<OriginRef, OriginRef>,
    report: Report,
}

impl JsonlReader {
    /// Opens a file of lines.
    pub fn open(path: &Path, options: JsonlOptions) -> Result<Self, ImportError> {
        let open = |source| ImportError::Open {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(open)?.is_dir() {
            return Err(ImportError::IsAFolder {
                path: path.to_owned(),
                expected: "export.jsonl",
            });
        }
        let mut report = Report::default();
        let file = File::open(path).map_err(open)?;
        let entries = index(BufReader::new(file), &mut report);
        let order = parents_first(&entries, &mut report);
        let order = order.into_iter();
        Ok(Self {
            path: path.to_owned(),
            options,
            entries,
            order,
            roots: HashMap::new(),
            report,
        })
    }

    fn item(&mut self, entry: &Entry) -> Result<Item, String> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(entry.offset))?;
            let mut bytes = Vec::new();
            file.take(entry.length).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| format!("cannot be read again: {error}"))?;
        let line = parse(&bytes)?;
        let reference = entry.reference.clone();
        let kind = kind_of(&line, &reference, |parent| {
            self.roots
                .get(parent)
                .cloned()
                .ok_or_else(|| missing(parent))
        })?;
        let root = match &kind {
            ItemKind::Topic { .. } => reference.clone(),
            ItemKind::Reply { root, .. } => root.clone(),
            ItemKind::Accept { question, .. } => question.clone(),
        };
        let mut notes: Vec<String> = line
            .notes
            .iter()
            .map(|note| text::one_line(note, TITLE_MAX_CHARS))
            .collect();
        let body = text::finish_body(
            text::clean(&line.body),
            &[],
            self.options.body_max_bytes,
            &mut notes,
        );
        let origin = Origin {
            reference: reference.clone(),
            author_name: text::one_line(&line.origin.author, 100),
            author_id: line
                .origin
                .author_id
                .as_deref()
                .map(|id| text::one_line(id, 320)),
            time_ms: line.origin.time.as_ref().map(time_ms).transpose()?,
            licence: line
                .origin
                .licence
                .as_deref()
                .map(|licence| text::one_line(licence, 60)),
        };
        self.roots.insert(reference, root);
        Ok(Item {
            origin,
            kind,
            body,
            tags: text::tags(&line.tags),
            notes,
        })
    }
}

impl Iterator for JsonlReader {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let at = self.order.next()?;
            let placeholder = Entry {
                reference: self.entries[at].reference.clone(),
                needs: Vec::new(),
                line: self.entries[at].line,
                offset: 0,
                length: 0,
            };
            let entry = std::mem::replace(&mut self.entries[at], placeholder);
            match self.item(&entry) {
                Ok(item) => {
                    self.report.count(&item);
                    return Some(item);
                }
                Err(reason) => self.report.skip(format!("line {}", entry.line), reason),
            }
        }
    }
}

impl Reader for JsonlReader {
    fn report(&self) -> &Report {
        &self.report
    }

    fn remaining(&self) -> u64 {
        self.order.len() as u64
    }
}

fn missing(parent: &OriginRef) -> String {
    format!(
        "what it belongs to is not in the file: {} {}",
        parent.system, parent.id
    )
}

/// Reads every line once; sound ones are kept by place.
fn index(mut input: impl BufRead, report: &mut Report) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen: HashMap<OriginRef, u64> = HashMap::new();
    let (mut offset, mut number) = (0, 0);
    let mut line = Vec::new();
    loop {
        number += 1;
        let name = format!("line {number}");
        let length = match read_line(&mut input, &mut line) {
            Ok(0) => return entries,
            Ok(length) => length,
            Err(error) => {
                report.skip(name, format!("cannot be read: {error}"));
                return entries;
            }
        };
        let start = offset;
        offset += length;
        if line.trim_ascii().is_empty() {
            continue;
        }
        report.read += 1;
        if length > LINE_MAX_BYTES as u64 {
            report.skip(
                name,
                format!("is longer than the {LINE_MAX_BYTES} bytes that are read"),
            );
            continue;
        }
        match parse(&line).and_then(|line| entry(&line, number, start, length)) {
            Err(reason) => report.skip(name, reason),
            Ok(entry) => match seen.get(&entry.reference) {
                Some(first) => report.skip(name, format!("has the same origin as line {first}")),
                None => {
                    seen.insert(entry.reference.clone(), number);
                    entries.push(entry);
                }
            },
        }
    }
}

/// Reads a line, keeping at most its limit; returns its whole length.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut length = 0;
    loop {
        let buffer = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let room = LINE_MAX_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&buffer[..used.min(room)]);
        input.consume(used);
        length += used as u64;
        if end.is_some() || used == 0 {
            return Ok(length);
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Line, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| format!("is not a line of this format: {error}"))
}

fn entry(line: &Line, number: u64, offset: u64, length: u64) -> Result<Entry, String> {
    let reference = checked(&line.origin.system, &line.origin.id)?;
    if line.tags.len() > TAGS_MAX
        || line
            .tags
            .iter()
            .any(|tag| tag.chars().count() > TAG_MAX_CHARS)
    {
        return Err(format!(
            "has more than {TAGS_MAX} tags, or one longer than {TAG_MAX_CHARS} characters"
        ));
    }
    line.origin.time.as_ref().map(time_ms).transpose()?;
    let mut needs = Vec::new();
    // Every field that a kind does not have is refused here, before anything is given out.
    match kind_of(line, &reference, |parent| Ok(parent.clone()))? {
        ItemKind::Topic { .. } => {}
        ItemKind::Reply { parent, .. } => needs.push(parent),
        ItemKind::Accept { question, answer } => needs.extend([question, answer]),
    }
    Ok(Entry {
        reference,
        needs,
        line: number,
        offset,
        length,
    })
}

fn checked(system: &str, id: &str) -> Result<OriginRef, String> {
    let sound = |part: &str| {
        !part.is_empty() && part.len() <= ORIGIN_ID_MAX_BYTES && text::origin_id(part) == part
    };
    if sound(system) && sound(id) {
        return Ok(OriginRef {
            system: system.to_owned(),
            id: id.to_owned(),
        });
    }
    Err(format!(
        "its origin needs a system and an id, without blanks, of at most {ORIGIN_ID_MAX_BYTES} bytes"
    ))
}

fn kind_of(
    line: &Line,
    own: &OriginRef,
    root_of: impl Fn(&OriginRef) -> Result<OriginRef, String>,
) -> Result<ItemKind, String> {
    let target = |target: &Target| match target {
        Target::Id(id) => checked(&own.system, id),
        Target::Full(full) => checked(&full.system, &full.id),
    };
    match (
        line.kind,
        &line.form,
        &line.title,
        &line.parent,
        &line.answer,
    ) {
        (Kind::Topic, form, Some(title), None, None) => {
            let form = form.map_or(Form::Discussion, Form::from);
            let title = text::one_line(title, TITLE_MAX_CHARS);
            if title.is_empty() {
                Err("its title is empty".into())
            } else {
                Ok(ItemKind::Topic { form, title })
            }
        }
        (Kind::Reply, None, None, Some(parent), None) => {
            let parent = target(parent)?;
            Ok(ItemKind::Reply {
                root: root_of(&parent)?,
                parent,
            })
        }
        (Kind::Accept, None, None, Some(question), Some(answer)) if line.body.is_empty() => {
            let (question, answer) = (target(question)?, target(answer)?);
            root_of(&question)?;
            root_of(&answer)?;
            Ok(ItemKind::Accept { question, answer })
        }
        (Kind::Topic, ..) => Err("a topic has a title, and neither parent nor answer".into()),
        (Kind::Reply, ..) => Err("a reply has a parent, and neither title, form nor answer".into()),
        (Kind::Accept, ..) => {
            Err("an accept has a parent and an answer, and neither title, form nor body".into())
        }
    }
}

fn time_ms(time: &Time) -> Result<u64, String> {
    let time = match time {
        Time::Milliseconds(time) => Some(*time),
        Time::Text(text) => {
            let time = text.parse::<jiff::Timestamp>().ok();
            time.and_then(|time| u64::try_from(time.as_millisecond()).ok())
        }
    };
    let in_range = time.filter(|time| *time <= TIME_MAX_MS);
    in_range
        .ok_or_else(|| "its time is neither milliseconds nor RFC 3339, or out of range".to_owned())
}

/// Order in which each line follows what it needs, else that of the file. What needs something that
/// is not here, or itself, is skipped.
fn parents_first(entries: &[Entry], report: &mut Report) -> Vec<usize> {
    let places: HashMap<&OriginRef, usize> = entries
        .iter()
        .enumerate()
        .map(|(at, e)| (&e.reference, at))
        .collect();
    let mut missing_needs = vec![0_usize; entries.len()];
    let mut waiting_for: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    for (at, entry) in entries.iter().enumerate() {
        for need in &entry.needs {
            missing_needs[at] += 1;
            if let Some(place) = places.get(need) {
                waiting_for[*place].push(at);
            }
        }
    }
    let mut ready: std::collections::BTreeSet<usize> = (0..entries.len())
        .filter(|at| missing_needs[*at] == 0)
        .collect();
    let mut order = Vec::with_capacity(entries.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for waiting in std::mem::take(&mut waiting_for[at]) {
            missing_needs[waiting] -= 1;
            if missing_needs[waiting] == 0 {
                ready.insert(waiting);
            }
        }
    }
    for (entry, _) in entries
        .iter()
        .zip(&missing_needs)
        .filter(|(_, missing)| **missing > 0)
    {
        let absent = entry.needs.iter().find(|need| !places.contains_key(need));
        let reason = match absent {
            Some(need) => missing(need),
            None => "what it belongs to was skipped, or belongs to it in turn".to_owned(),
        };
        report.skip(format!("line {}", entry.line), reason);
    }
    order
}

impl From<Form> for FormName {
    fn from(form: Form) -> Self {
        match form {
            Form::Discussion => Self::Discussion,
            Form::Question => Self::Question,
            Form::Idea => Self::Idea,
            Form::Announcement => Self::Announcement,
            Form::Note => Self::Note,
        }
    }
}

impl From<FormName> for Form {
    fn from(form: FormName) -> Self {
        match form {
            FormName::Discussion => Self::Discussion,
            FormName::Question => Self::Question,
            FormName::Idea => Self::Idea,
            FormName::Announcement => Self::Announcement,
            FormName::Note => Self::Note,
        }
    }
}

#[cfg(test)]
mod tests;
