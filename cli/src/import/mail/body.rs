//! A message's text: which of its parts are read, and what is only named.

use super::{MailOptions, decode, header::Headers};
use crate::import::{address::Spelling, html, plain, text};
use mailparse::{DispositionType, ParsedMail};

/// Attachments that are named one by one.
const NAMED_MAX: usize = 50;
/// Parts of one message that are looked at, and how deep.
const PARTS_MAX: usize = 500;
const DEPTH_MAX: usize = 20;
/// Text that is converted, per message, in bytes: enough to fill any body.
const TEXT_MAX_BYTES: usize = 2 * 1024 * 1024;

struct Gathered<'a> {
    options: &'a MailOptions,
    spelling: Spelling,
    blocks: Vec<String>,
    attachments: Vec<String>,
    notes: Vec<String>,
    parts: usize,
}

/// The body of an item, with `heading` above and what was left outside named below.
pub(super) fn read(
    raw: &[u8],
    spelling: Spelling,
    options: &MailOptions,
    heading: &str,
    notes: &mut Vec<String>,
) -> String {
    let mut gathered = Gathered {
        options,
        spelling,
        blocks: Vec::new(),
        attachments: Vec::new(),
        notes: Vec::new(),
        parts: 0,
    };
    let clean = well_formed(raw, spelling);
    match mailparse::parse_mail(&clean) {
        Ok(mail) => gathered.part(&mail, 0),
        Err(_) => {
            gathered
                .notes
                .push("Its parts could not be told apart; the whole is shown as text.".into());
            let body = decode::guess(Headers::parse(raw, spelling).body(raw));
            gathered.plain(&body);
        }
    }
    let mut footers = gathered.attachments;
    if footers.len() > NAMED_MAX {
        let more = footers.len() - NAMED_MAX;
        footers.truncate(NAMED_MAX);
        footers.push(format!("… and {more} more attachments"));
    }
    notes.append(&mut gathered.notes);
    let body = format!("{heading}{}", gathered.blocks.join("\n\n"));
    text::finish_body(body, &footers, options.body_max_bytes, notes)
}

/// The message without header lines that would make the MIME parser give up.
fn well_formed(raw: &[u8], spelling: Spelling) -> Vec<u8> {
    let body = Headers::parse(raw, spelling).body(raw);
    let head = &raw[..raw.len() - body.len()];
    let mut clean = Vec::with_capacity(raw.len());
    let mut keep = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let continued = line.starts_with(b" ") || line.starts_with(b"\t");
        if !continued {
            let name = line
                .split(|byte| *byte == b':')
                .next()
                .unwrap_or_default()
                .trim_ascii_end();
            keep = name.len() < line.trim_ascii_end().len()
                && name.to_ascii_lowercase().starts_with(b"content-");
        }
        if keep {
            clean.extend_from_slice(line);
        }
    }
    clean.extend_from_slice(b"\n");
    clean.extend_from_slice(body);
    clean
}

impl Gathered<'_> {
    fn part(&mut self, part: &ParsedMail<'_>, depth: usize) {
        self.parts += 1;
        if self.parts > PARTS_MAX || depth > DEPTH_MAX {
            let note = "It has more parts than are read.".to_owned();
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return;
        }
        let kind = part.ctype.mimetype.to_ascii_lowercase();
        if !part.subparts.is_empty() {
            return self.multipart(part, &kind, depth);
        }
        let disposition = part.get_content_disposition();
        let file = disposition
            .params
            .get("filename")
            .or_else(|| part.ctype.params.get("name"));
        let attached = disposition.disposition == DispositionType::Attachment;
        // A named text part that is shown inline is how patches are often sent.
        if kind.starts_with("text/html") && !attached {
            let text = self.decoded(part);
            self.html(&text);
        } else if kind.starts_with("text/") && kind != "text/calendar" && !attached
            || kind.starts_with("multipart/")
        {
            let text = self.decoded(part);
            self.text(part, text);
        } else {
            self.attachment(part, &kind, file.map(String::as_str));
        }
    }

    fn multipart(&mut self, part: &ParsedMail<'_>, kind: &str, depth: usize) {
        if kind != "multipart/alternative" {
            return part
                .subparts
                .iter()
                .for_each(|sub| self.part(sub, depth + 1));
        }
        // The plain form if it says anything, else the richest that is readable.
        let plain = part
            .subparts
            .iter()
            .find(|sub| is_plain(sub) && !bytes_of(sub).trim_ascii().is_empty());
        let chosen = plain.or_else(|| part.subparts.iter().rfind(|sub| holds_text(sub, 0)));
        match chosen {
            Some(sub) => self.part(sub, depth + 1),
            None => part
                .subparts
                .iter()
                .for_each(|sub| self.part(sub, depth + 1)),
        }
    }

    fn decoded(&mut self, part: &ParsedMail<'_>) -> String {
        let mut bytes = bytes_of(part);
        if bytes.len() > TEXT_MAX_BYTES {
            bytes.truncate(TEXT_MAX_BYTES);
            self.notes.push(format!(
                "Only the first {TEXT_MAX_BYTES} bytes of its text were read."
            ));
        }
        let label = part.ctype.params.get("charset").map(String::as_str);
        let (text, whole) = decode::charset(&bytes, label);
        if !whole {
            let label = text::one_line(label.unwrap_or("unknown"), 40);
            self.notes.push(format!(
                "Some characters do not fit its character set ({label}) and were guessed."
            ));
        }
        text
    }

    fn text(&mut self, part: &ParsedMail<'_>, text: String) {
        let parameter = |name: &str| {
            part.ctype
                .params
                .get(name)
                .map(|value| value.to_ascii_lowercase())
        };
        if parameter("format").as_deref() == Some("flowed") {
            let text = unflow(
                &text::clean(&text),
                parameter("delsp").as_deref() == Some("yes"),
            );
            return self.plain(&text);
        }
        self.plain(&text);
    }

    fn plain(&mut self, text: &str) {
        let text = self.options.visible(text, self.spelling);
        self.push(plain::plain_to_markdown(&text));
    }

    fn html(&mut self, text: &str) {
        let converted = html::convert(text, |run| self.options.visible(run, self.spelling));
        self.notes.extend(
            converted
                .lost
                .iter()
                .map(|what| format!("Lost from its HTML: {what}.")),
        );
        // An address may be spread over several elements.
        let markdown = self.options.visible(&converted.markdown, self.spelling);
        self.push(markdown);
    }

    fn push(&mut self, markdown: String) {
        if !markdown.trim().is_empty() {
            self.blocks.push(markdown);
        }
    }

    fn attachment(&mut self, part: &ParsedMail<'_>, kind: &str, file: Option<&str>) {
        let size = bytes_of(part).len();
        let kind = text::one_line(kind, 60);
        let name = self
            .options
            .visible(&decode::words(file.unwrap_or_default()), self.spelling);
        let name = text::one_line(&name, 120);
        let name = if name.is_empty() {
            "unnamed".to_owned()
        } else {
            name
        };
        self.attachments.push(format!(
            "Attachment not imported: {name} ({kind}, {size} bytes)"
        ));
    }
}

fn is_plain(part: &ParsedMail<'_>) -> bool {
    part.subparts.is_empty() && part.ctype.mimetype.eq_ignore_ascii_case("text/plain")
}

fn holds_text(part: &ParsedMail<'_>, depth: usize) -> bool {
    part.ctype
        .mimetype
        .to_ascii_lowercase()
        .starts_with("text/")
        || depth < DEPTH_MAX
            && part
                .subparts
                .iter()
                .take(PARTS_MAX)
                .any(|sub| holds_text(sub, depth + 1))
}

/// Content of a part, its transfer encoding undone.
fn bytes_of(part: &ParsedMail<'_>) -> Vec<u8> {
    use mailparse::MailHeaderMap;
    let encoding = part
        .headers
        .get_first_value("Content-Transfer-Encoding")
        .unwrap_or_default();
    // A multipart without boundary has no accessor that undoes its encoding.
    let body_at = mailparse::parse_headers(part.raw_bytes).map_or(0, |(_, body_at)| body_at);
    let raw = part.raw_bytes.get(body_at..).unwrap_or_default();
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => decode::base64(raw),
        "quoted-printable" => decode::quoted_printable(raw),
        _ => raw.to_vec(),
    }
}

/// Joins the lines of `format=flowed` (RFC 3676): a line that ends in a space goes on in the next
/// one of the same quote depth.
fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.split('\n') {
        let depth = line.len() - line.trim_start_matches('>').len();
        let content = &line[depth..];
        let content = content.strip_prefix(' ').unwrap_or(content);
        if open != Some(depth) || content == "-- " {
            if open.take().is_some() {
                out.push('\n');
            }
            out.push_str(&">".repeat(depth));
            if depth > 0 && !content.is_empty() {
                out.push(' ');
            } else if depth == 0 && content.starts_with('>') {
                // Stuffed because it is no quote: a space keeps it from becoming one.
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && content != "-- ";
        let shown = if flows && delete_space {
            &content[..content.len() - 1]
        } else {
            content
        };
        out.push_str(shown);
        open = flows.then_some(depth);
        if !flows {
            out.push('\n');
        }
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flowed_lines_are_joined_within_their_quote() {
        let text = "A long \nline.\n> quoted \n> on.\n>> deeper \nback\n > stuffed\n-- \nAnn";
        let joined = "A long line.\n> quoted on.\n>> deeper \nback\n > stuffed\n-- \nAnn";
        assert_eq!(unflow(text, false), joined);
        assert_eq!(unflow("ab \ncd", true), "abcd");
    }
}
