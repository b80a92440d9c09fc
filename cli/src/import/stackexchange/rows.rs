//! The `<row …/>` elements of a dump file, one at a time.
//!
//! An XML parser gives up at the first error, and would read an element of any length. So rows are
//! found by a small scanner first, which holds one row of bounded length and goes on behind a broken
//! one; `quick-xml` then reads the row's attributes. No entity but XML's own is expanded.

use quick_xml::{Reader, XmlVersion, events::Event};
use std::{collections::BTreeMap, io::BufRead};

/// Longest row, in bytes. The largest post bodies are 30,000 characters.
const ROW_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Attributes of one row.
pub(super) struct Row {
    pub(super) name: String,
    attributes: BTreeMap<String, String>,
}

impl Row {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }
}

/// A row that cannot be read.
pub(super) struct Broken {
    pub(super) name: String,
    pub(super) reason: String,
}

pub(super) struct Rows<R> {
    input: R,
    count: u64,
    ended: bool,
    /// A `<` that ended a broken row and may begin the next.
    pending_open: bool,
}

impl<R: BufRead> Rows<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            count: 0,
            ended: false,
            pending_open: false,
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => {
                    let byte = buffer.first().copied();
                    self.input.consume(usize::from(byte.is_some()));
                    return Ok(byte);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot be read on: {error}")),
            }
        }
    }

    /// Goes to the next `<row` and over comments. `None` at the end.
    fn find(&mut self) -> Result<bool, String> {
        let mut recent = [0_u8; 5];
        if std::mem::take(&mut self.pending_open) {
            recent[4] = b'<';
        }
        let mut in_comment = false;
        while let Some(byte) = self.byte()? {
            recent.rotate_left(1);
            recent[4] = byte;
            if in_comment {
                in_comment = &recent[2..] != b"-->";
            } else if &recent[1..] == b"<!--" {
                in_comment = true;
                recent = [0; 5];
            } else if &recent[..4] == b"<row"
                && (byte.is_ascii_whitespace() || byte == b'/' || byte == b'>')
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rest of a row, up to its `>`. `Err` holds why there is none.
    fn collect(&mut self) -> Result<Vec<u8>, String> {
        let mut row = b"<row ".to_vec();
        let mut quote = None;
        loop {
            let Some(byte) = self.byte()? else {
                return Err("ends in the middle".into());
            };
            if byte == b'<' {
                self.pending_open = true;
                return Err("is broken: an attribute or the row does not end".into());
            }
            if row.len() <= ROW_MAX_BYTES {
                row.push(byte);
            }
            match quote {
                Some(open) if byte == open => quote = None,
                None if byte == b'"' || byte == b'\'' => quote = Some(byte),
                None if byte == b'>' => break,
                _ => {}
            }
        }
        if row.len() > ROW_MAX_BYTES {
            return Err(format!(
                "is longer than the {ROW_MAX_BYTES} bytes that are read"
            ));
        }
        Ok(row)
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let found = self.find();
        self.count += 1;
        let name = format!("row {}", self.count);
        match found {
            Ok(true) => {}
            Ok(false) => {
                self.ended = true;
                return None;
            }
            Err(reason) => {
                self.ended = true;
                return Some(Err(Broken { name, reason }));
            }
        }
        let attributes = self.collect().and_then(|row| attributes(&row));
        Some(match attributes {
            Ok(attributes) => Ok(Row { name, attributes }),
            Err(reason) => Err(Broken { name, reason }),
        })
    }
}

fn attributes(row: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(row).map_err(|_| "is not UTF-8".to_owned())?;
    let broken = |error: &dyn std::fmt::Display| format!("is broken: {error}");
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let element = match reader.read_event().map_err(|error| broken(&error))? {
        Event::Empty(element) | Event::Start(element) => element,
        _ => return Err("is broken: it is no element".into()),
    };
    let mut attributes = BTreeMap::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| broken(&error))?;
        let name = attribute.key.as_ref().to_owned();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| broken(&error))?;
        attributes.insert(name, value.into_owned());
    }
    Ok(attributes)
}
