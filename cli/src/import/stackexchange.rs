//! Question-and-answer sites: `Posts.xml` of a Stack Exchange data dump.
//!
//! Three passes over the file, each a stream. The first keeps ids only: which questions there are,
//! which answers were accepted, which users need a name. The second gives the questions, the third
//! the answers, whose questions then all came before; the accepted ones follow.
//!
//! Spec: `specs/import.md` §3.

mod rows;

use super::{
    BODY_MAX_BYTES, Form, ImportError, Item, ItemKind, Origin, OriginRef, Reader, Report,
    TITLE_MAX_CHARS, html, text,
};
use rows::{Row, Rows};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

/// How a dump is read.
#[derive(Debug, Clone)]
pub struct StackExchangeOptions {
    /// Name of the site, part of each item's system; without it the name of the file's folder.
    pub site: Option<String>,
    /// Longest body of an item, in bytes.
    pub body_max_bytes: usize,
}

impl Default for StackExchangeOptions {
    fn default() -> Self {
        Self {
            site: None,
            body_max_bytes: BODY_MAX_BYTES,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Questions,
    Answers,
    Accepted,
}

/// Gives out a dump's questions, then its answers, then which were accepted.
pub struct StackExchangeReader {
    path: PathBuf,
    system: String,
    options: StackExchangeOptions,
    rows: Rows<BufReader<File>>,
    pass: Pass,
    index: Index,
    remaining: u64,
    report: Report,
}

/// What the first pass keeps.
#[derive(Default)]
struct Index {
    questions: BTreeMap<u64, QuestionState>,
    answers: BTreeSet<u64>,
    /// Question to accepted answer, of questions not yet done.
    accepted: BTreeMap<u64, u64>,
    users: BTreeMap<String, String>,
    /// Answers given out, with their question.
    given: BTreeMap<u64, u64>,
    owners: BTreeMap<u64, (String, Option<String>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum QuestionState {
    Known,
    Given,
}

impl StackExchangeReader {
    /// Opens `Posts.xml`, and `Users.xml` beside it if there is one.
    pub fn open(path: &Path, options: StackExchangeOptions) -> Result<Self, ImportError> {
        let open = |source| ImportError::Open {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(open)?.is_dir() {
            return Err(ImportError::IsAFolder {
                path: path.to_owned(),
                expected: "Posts.xml",
            });
        }
        let mut report = Report::default();
        let mut index = Index::default();
        let mut wanted = BTreeSet::new();
        for row in Rows::new(BufReader::new(File::open(path).map_err(open)?)) {
            report.read += 1;
            match row {
                Ok(row) => first_look(&row, &mut index, &mut wanted, &mut report),
                Err(broken) => report.skip(broken.name, broken.reason),
            }
        }
        load_users(
            &path.with_file_name("Users.xml"),
            &wanted,
            &mut index,
            &mut report,
        );
        let remaining = (index.questions.len() + index.answers.len() + index.accepted.len()) as u64;
        let rows = Rows::new(BufReader::new(File::open(path).map_err(open)?));
        let system = format!("stackexchange/{}", site_name(path, &options));
        Ok(Self {
            path: path.to_owned(),
            system,
            options,
            rows,
            pass: Pass::Questions,
            index,
            remaining,
            report,
        })
    }

    fn reference(&self, id: impl ToString) -> OriginRef {
        OriginRef {
            system: self.system.clone(),
            id: id.to_string(),
        }
    }

    /// The item of a row, if it is one of this pass.
    fn item(&mut self, row: &Row) -> Option<Item> {
        let id = row.number("Id")?;
        match (self.pass, row.get("PostTypeId")?) {
            (Pass::Questions, "1")
                if self.index.questions.get(&id) == Some(&QuestionState::Known) =>
            {
                self.index.questions.insert(id, QuestionState::Given);
                let title = text::one_line(row.get("Title").unwrap_or_default(), TITLE_MAX_CHARS);
                let title = if title.is_empty() {
                    "(no title)".to_owned()
                } else {
                    title
                };
                Some(self.post(
                    row,
                    id,
                    ItemKind::Topic {
                        form: Form::Question,
                        title,
                    },
                ))
            }
            (Pass::Answers, "2")
                if self.index.answers.contains(&id) && !self.index.given.contains_key(&id) =>
            {
                let question = row.number("ParentId")?;
                if self.index.questions.get(&question) != Some(&QuestionState::Given) {
                    self.index.answers.remove(&id);
                    self.remaining = self.remaining.saturating_sub(1);
                    let reason = format!("its question {question} is not in the file");
                    self.report.skip(format!("post {id}"), reason);
                    return None;
                }
                self.index.given.insert(id, question);
                let parent = self.reference(question);
                Some(self.post(
                    row,
                    id,
                    ItemKind::Reply {
                        root: parent.clone(),
                        parent,
                    },
                ))
            }
            _ => None,
        }
    }

    fn post(&mut self, row: &Row, id: u64, kind: ItemKind) -> Item {
        let mut notes = Vec::new();
        let converted = html::html_to_markdown(row.get("Body").unwrap_or_default());
        notes.extend(
            converted
                .lost
                .iter()
                .map(|what| format!("Lost from its HTML: {what}.")),
        );
        let body = text::finish_body(
            converted.markdown,
            &[],
            self.options.body_max_bytes,
            &mut notes,
        );
        if let Some(score) = row.get("Score").and_then(|score| score.parse::<i64>().ok()) {
            notes.push(format!("Score in the source: {score}."));
        }
        if row.get("ClosedDate").is_some() {
            notes.push("Closed in the source.".into());
        }
        if row.get("CommunityOwnedDate").is_some() {
            notes.push("Owned by the community in the source.".into());
        }
        if let Some(count) = row.number("CommentCount").filter(|count| *count > 0) {
            notes.push(format!("Comments not imported: {count}."));
        }
        let (author_name, author_id) = self.author(row);
        if self.index.accepted.contains_key(&id) {
            self.index
                .owners
                .insert(id, (author_name.clone(), author_id.clone()));
        }
        let licence = row
            .get("ContentLicense")
            .map(|licence| text::one_line(licence, 40));
        let origin = Origin {
            reference: self.reference(id),
            author_name,
            author_id,
            time_ms: row.get("CreationDate").and_then(parse_time),
            licence: Some(
                licence
                    .filter(|licence| !licence.is_empty())
                    .unwrap_or_else(|| "CC BY-SA".into()),
            ),
        };
        let tags = text::tags(row.get("Tags").unwrap_or_default().split(['<', '>', '|']));
        Item {
            origin,
            kind,
            body,
            tags,
            notes,
        }
    }

    fn author(&self, row: &Row) -> (String, Option<String>) {
        let id = row
            .get("OwnerUserId")
            .map(|id| text::one_line(id, 20))
            .filter(|id| !id.is_empty());
        let shown = row
            .get("OwnerDisplayName")
            .map(|name| text::one_line(name, 100))
            .filter(|name| !name.is_empty());
        let known = id.as_ref().and_then(|id| self.index.users.get(id).cloned());
        let fallback = id
            .as_ref()
            .map_or_else(|| "deleted user".to_owned(), |id| format!("user {id}"));
        (known.or(shown).unwrap_or(fallback), id)
    }

    fn accept(&mut self) -> Option<Item> {
        loop {
            let (question, answer) = self.index.accepted.pop_first()?;
            self.remaining = self.remaining.saturating_sub(1);
            if self.index.given.get(&answer) != Some(&question) {
                let reason = format!("its accepted answer {answer} is not among its answers here");
                self.report.skip(format!("post {question}"), reason);
                continue;
            }
            let (author_name, author_id) = self.index.owners.remove(&question).unwrap_or_default();
            let origin = Origin {
                reference: self.reference(format!("{question}/accepted")),
                author_name,
                author_id,
                time_ms: None,
                licence: None,
            };
            let kind = ItemKind::Accept {
                question: self.reference(question),
                answer: self.reference(answer),
            };
            return Some(Item {
                origin,
                kind,
                body: String::new(),
                tags: Vec::new(),
                notes: Vec::new(),
            });
        }
    }

    fn next_pass(&mut self) {
        self.pass = match self.pass {
            Pass::Questions => Pass::Answers,
            Pass::Answers | Pass::Accepted => Pass::Accepted,
        };
        if self.pass == Pass::Answers {
            match File::open(&self.path) {
                Ok(file) => self.rows = Rows::new(BufReader::new(file)),
                Err(error) => {
                    self.report.skip(
                        self.path.to_string_lossy(),
                        format!("cannot be read again: {error}"),
                    );
                    self.pass = Pass::Accepted;
                }
            }
        }
    }
}

impl Iterator for StackExchangeReader {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let item = loop {
            if self.pass == Pass::Accepted {
                break self.accept()?;
            }
            match self.rows.next() {
                // Broken rows were reported by the first pass.
                Some(Err(_)) => {}
                Some(Ok(row)) => {
                    if let Some(item) = self.item(&row) {
                        self.remaining = self.remaining.saturating_sub(1);
                        break item;
                    }
                }
                None => self.next_pass(),
            }
        };
        self.report.count(&item);
        Some(item)
    }
}

impl Reader for StackExchangeReader {
    fn report(&self) -> &Report {
        &self.report
    }

    fn remaining(&self) -> u64 {
        self.remaining
    }
}

fn first_look(row: &Row, index: &mut Index, wanted: &mut BTreeSet<String>, report: &mut Report) {
    let Some(id) = row.number("Id") else {
        return report.skip(&row.name, "has no Id");
    };
    let kind = row.get("PostTypeId").unwrap_or_default();
    let fresh = !index.questions.contains_key(&id) && !index.answers.contains(&id);
    match kind {
        "1" | "2" if !fresh => return report.skip(format!("post {id}"), "its Id was used before"),
        "1" => {
            index.questions.insert(id, QuestionState::Known);
            if let Some(answer) = row.number("AcceptedAnswerId") {
                index.accepted.insert(id, answer);
            }
        }
        "2" => match row.number("ParentId") {
            Some(_) => {
                index.answers.insert(id);
            }
            None => return report.skip(format!("post {id}"), "is an answer without ParentId"),
        },
        other => {
            let what = match other {
                "3" | "4" | "5" => "tag wikis",
                "6" => "moderator nominations",
                "7" | "8" => "wiki and privilege pages",
                _ => "posts of unknown kinds",
            };
            *report.left_out.entry(what.into()).or_default() += 1;
            return;
        }
    }
    if let Some(owner) = row.get("OwnerUserId").filter(|owner| owner.len() <= 20) {
        wanted.insert(owner.to_owned());
    }
}

/// Names of the users that posts refer to. Without the file, posts show "user 12".
fn load_users(path: &Path, wanted: &BTreeSet<String>, index: &mut Index, report: &mut Report) {
    let Ok(file) = File::open(path) else { return };
    for row in Rows::new(BufReader::new(file)) {
        match row {
            Ok(row) => {
                let (Some(id), Some(name)) = (row.get("Id"), row.get("DisplayName")) else {
                    continue;
                };
                let name = text::one_line(name, 100);
                if wanted.contains(id) && !name.is_empty() {
                    index.users.insert(id.to_owned(), name);
                }
            }
            Err(broken) => report.skip(format!("Users.xml, {}", broken.name), broken.reason),
        }
    }
}

fn site_name(path: &Path, options: &StackExchangeOptions) -> String {
    let folder = || {
        let absolute = std::path::absolute(path).ok()?;
        Some(
            absolute
                .parent()?
                .file_name()?
                .to_string_lossy()
                .into_owned(),
        )
    };
    let name = options.site.clone().or_else(folder).unwrap_or_default();
    let name = text::one_line(&name, 60).replace(['/', ' '], "-");
    if name.is_empty() {
        "site".to_owned()
    } else {
        name
    }
}

/// Times in dumps are UTC without saying so.
fn parse_time(text: &str) -> Option<u64> {
    let civil: jiff::civil::DateTime = text.get(..text.len().min(40))?.parse().ok()?;
    let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(utc.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests;
