//! Where messages lie: which files there are, and where in each a message begins and ends.

use super::MailOptions;
use crate::import::{ImportError, Report, address::Spelling};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Longest line that is looked at whole, in bytes; only its start matters.
const LINE_MAX_BYTES: usize = 1024;

/// A message's place.
#[derive(Debug, Clone)]
pub(super) struct Located {
    file: usize,
    offset: u64,
    length: u64,
    /// In an mbox: number of the message, from 1.
    number: Option<u64>,
    /// The date in its mbox `From ` line.
    pub(super) from_line: Option<String>,
    pub(super) spelling: Spelling,
}

/// The files to read, in order of their names.
pub(super) struct Sources {
    base: PathBuf,
    files: Vec<PathBuf>,
}

impl Sources {
    pub(super) fn open(path: &Path, report: &mut Report) -> Result<Self, ImportError> {
        let open = |source| ImportError::Open {
            path: path.to_owned(),
            source,
        };
        let metadata = fs::metadata(path).map_err(open)?;
        if metadata.is_file() {
            File::open(path).map_err(open)?;
            let base = path.parent().unwrap_or(Path::new("")).to_owned();
            return Ok(Self {
                base,
                files: vec![path.to_owned()],
            });
        }
        if !metadata.is_dir() {
            return Err(ImportError::NotAFileOrFolder {
                path: path.to_owned(),
            });
        }
        let mut sources = Self {
            base: path.to_owned(),
            files: Vec::new(),
        };
        sources.add_folder(path, true, report).map_err(open)?;
        Ok(sources)
    }

    /// Adds a folder's files. Of its folders only Maildir's are entered: `tmp` holds what is not
    /// yet delivered, other folders are other mailboxes.
    fn add_folder(&mut self, folder: &Path, top: bool, report: &mut Report) -> io::Result<()> {
        let mut names: Vec<OsString> = Vec::new();
        for entry in fs::read_dir(folder)? {
            match entry {
                Ok(entry) => names.push(entry.file_name()),
                Err(error) => report.skip(
                    folder.to_string_lossy(),
                    format!("cannot be listed: {error}"),
                ),
            }
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let shown = self.shown(&path);
            let kind = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata.file_type(),
                Err(error) => {
                    report.skip(shown, format!("cannot be looked at: {error}"));
                    continue;
                }
            };
            if kind.is_file() {
                self.files.push(path);
            } else if kind.is_dir() && top && (name == "cur" || name == "new") {
                if let Err(error) = self.add_folder(&path, false, report) {
                    report.skip(shown, format!("cannot be listed: {error}"));
                }
            } else if kind.is_dir() && top && name == "tmp" {
                *report
                    .left_out
                    .entry("undelivered messages in tmp".into())
                    .or_default() += 1;
            } else if kind.is_symlink() {
                report.skip(shown, "is a symbolic link: links are not followed");
            } else if kind.is_dir() {
                report.skip(shown, "is a folder: import it by itself");
            } else {
                report.skip(shown, "is not a regular file");
            }
        }
        Ok(())
    }

    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.base)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned()
    }

    /// A message's name for people.
    pub(super) fn name(&self, place: &Located) -> String {
        let file = self.shown(&self.files[place.file]);
        match place.number {
            Some(number) => format!("{file}, message {number}"),
            None => file,
        }
    }

    /// Hands each message to `found` once, in order; what cannot be read goes into the report.
    pub(super) fn scan(
        &self,
        options: &MailOptions,
        report: &mut Report,
        mut found: impl FnMut(Located, &[u8], &mut Report),
    ) {
        for (file, path) in self.files.iter().enumerate() {
            let scanned = locate(path, file);
            let (places, failed) = match scanned {
                Ok(scanned) => scanned,
                Err(error) => (Vec::new(), Some(error)),
            };
            for place in places {
                report.read += 1;
                match self.read(&place, options.message_max_bytes) {
                    Ok(raw) => found(place, &raw, report),
                    Err(reason) => report.skip(self.name(&place), reason),
                }
            }
            if let Some(error) = failed {
                report.read += 1;
                report.skip(self.shown(path), format!("cannot be read: {error}"));
            }
        }
    }

    /// The bytes of a message; in an mbox without its quoting of `From ` lines.
    pub(super) fn read(&self, place: &Located, max_bytes: usize) -> Result<Vec<u8>, String> {
        if place.length > max_bytes as u64 {
            return Err(format!(
                "is {} bytes long, more than the {max_bytes} that are read",
                place.length
            ));
        }
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.files[place.file])?;
            file.seek(SeekFrom::Start(place.offset))?;
            let mut raw = Vec::new();
            file.take(place.length).read_to_end(&mut raw)?;
            Ok(raw)
        };
        let raw = read().map_err(|error| format!("cannot be read: {error}"))?;
        if raw.is_empty() {
            return Err("is empty".into());
        }
        Ok(if place.number.is_some() {
            unquote_from(&raw)
        } else {
            raw
        })
    }
}

/// mboxrd quotes `>*From ` with one more `>`; mboxo only `From `. Both are undone by taking one away.
fn unquote_from(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        let signs = line.iter().take_while(|byte| **byte == b'>').count();
        let quoted = signs > 0 && line[signs..].starts_with(b"From ");
        out.extend_from_slice(if quoted { &line[1..] } else { line });
    }
    out
}

/// Places of a file's messages, and the error that ended the search, if any.
fn locate(path: &Path, file: usize) -> io::Result<(Vec<Located>, Option<io::Error>)> {
    let mut reader = BufReader::new(File::open(path)?);
    let length = reader.get_ref().metadata()?.len();
    if !reader.fill_buf()?.starts_with(b"From ") {
        let from_line = None;
        let place = Located {
            file,
            offset: 0,
            length,
            number: None,
            from_line,
            spelling: Spelling::Usual,
        };
        return Ok((vec![place], None));
    }
    let mut places: Vec<Located> = Vec::new();
    let mut at = 0_u64;
    let mut after_blank = true;
    loop {
        let (start, size) = match read_line_start(&mut reader) {
            Ok(line) => line,
            Err(error) => {
                places.pop();
                return Ok((places, Some(error)));
            }
        };
        if let Some(separator) = from_line(&start, after_blank) {
            end_last(&mut places, at);
            let number = Some(places.len() as u64 + 1);
            let spelling = if separator.archive {
                Spelling::Archive
            } else {
                Spelling::Usual
            };
            let from_line = Some(separator.date);
            places.push(Located {
                file,
                offset: at + size,
                length: 0,
                number,
                from_line,
                spelling,
            });
        }
        if size == 0 {
            end_last(&mut places, at);
            return Ok((places, None));
        }
        after_blank = start.trim_ascii().is_empty();
        at += size;
    }
}

fn end_last(places: &mut [Located], at: u64) {
    if let Some(last) = places.last_mut() {
        last.length = at.saturating_sub(last.offset);
    }
}

/// The first bytes of the next line, and its whole length.
fn read_line_start(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, u64)> {
    let mut start = Vec::new();
    let mut size = 0_u64;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        let room = LINE_MAX_BYTES.saturating_sub(start.len());
        start.extend_from_slice(&buffer[..used.min(room)]);
        reader.consume(used);
        size += used as u64;
        if end.is_some() || used == 0 {
            return Ok((start, size));
        }
    }
}

struct Separator {
    date: String,
    archive: bool,
}

/// An mbox separator: `From sender date`. After a blank line a clock time is enough to tell it from
/// a sentence; elsewhere the whole form of `ctime` is asked for.
fn from_line(line: &[u8], after_blank: bool) -> Option<Separator> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let line = String::from_utf8_lossy(line.strip_prefix(b"From ")?);
    let words: Vec<&str> = line.split_whitespace().collect();
    let day = words.iter().position(|word| DAYS.contains(word));
    let clock = words.iter().position(|word| {
        word.contains(':')
            && word
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b':')
    })?;
    let strict = day.is_some_and(|day| clock == day + 3 && words.len() > clock + 1 && day <= 3);
    if !(strict || after_blank) {
        return None;
    }
    let date_from = day.unwrap_or(1).min(words.len());
    let archive = words.get(1) == Some(&"at");
    Some(Separator {
        date: words[date_from..].join(" "),
        archive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_told_from_sentences() {
        let date = |line: &str, blank| from_line(line.as_bytes(), blank).map(|found| found.date);
        let ctime = "From ann@x.org Tue Nov 17 12:00:00 2009\n";
        assert_eq!(
            date(ctime, false).as_deref(),
            Some("Tue Nov 17 12:00:00 2009")
        );
        assert_eq!(date("From what I saw at 12:00 it works\n", false), None);
        assert_eq!(date("From what I saw it works\n", true), None);
        assert!(
            from_line(b"From ann at x.org  Tue Nov 17 12:00:00 2009\n", false)
                .unwrap()
                .archive
        );
    }

    #[test]
    fn one_quote_sign_is_taken_away() {
        assert_eq!(
            unquote_from(b">From a\n>>From b\n> From c\nx >From"),
            b"From a\n>From b\n> From c\nx >From"
        );
    }
}
