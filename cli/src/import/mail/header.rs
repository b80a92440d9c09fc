//! Headers of a message: found, unfolded and decoded without giving up on a broken line.

use super::{MailOptions, decode};
use crate::import::{
    TITLE_MAX_CHARS,
    address::{Spelling, mask},
    text,
};

/// Headers of one message, and their bytes together, that are read.
const HEADERS_MAX: usize = 1_000;
const HEADER_BYTES_MAX: usize = 512 * 1024;
/// References of one message that are kept: its first and its last ones.
const REFERENCES_MAX: usize = 128;

/// The headers of one message.
pub(super) struct Headers {
    /// Lower-case name and undecoded value.
    fields: Vec<(String, String)>,
    pub(super) subject: String,
    body_at: usize,
    broken_lines: usize,
    spelling: Spelling,
}

impl Headers {
    /// Any bytes give headers; [`Headers::check`] says whether they look like mail.
    pub(super) fn parse(raw: &[u8], spelling: Spelling) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut at = 0;
        let mut broken_lines = 0;
        while at < raw.len() && at < HEADER_BYTES_MAX && fields.len() < HEADERS_MAX {
            let end = raw[at..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(raw.len(), |line| at + line + 1);
            let line = raw[at..end].trim_ascii_end();
            at = end;
            if line.is_empty() {
                break;
            }
            let text = decode::guess(line);
            match text.split_once(':') {
                _ if text.starts_with([' ', '\t']) => match fields.last_mut() {
                    Some((_, value)) => {
                        value.push(' ');
                        value.push_str(text.trim());
                    }
                    None => broken_lines += 1,
                },
                Some((name, value)) if is_name(name.trim_end()) => {
                    fields.push((
                        name.trim_end().to_ascii_lowercase(),
                        value.trim().to_owned(),
                    ));
                }
                _ => broken_lines += 1,
            }
        }
        let mut headers = Self {
            fields,
            subject: String::new(),
            body_at: at,
            broken_lines,
            spelling,
        };
        let subject = decode::words(&headers.first("subject").unwrap_or_default());
        headers.subject = text::one_line(&subject, TITLE_MAX_CHARS * 2);
        headers
    }

    /// Refuses what is no mail: fewer than two of the headers that every message has.
    pub(super) fn check(&self) -> Result<(), String> {
        const USUAL: [&str; 7] = [
            "from",
            "date",
            "subject",
            "message-id",
            "to",
            "received",
            "mime-version",
        ];
        let found = USUAL
            .iter()
            .filter(|name| self.first(name).is_some())
            .count();
        if found >= 2 {
            Ok(())
        } else {
            Err("is not a mail message: it lacks the usual headers".into())
        }
    }

    pub(super) fn notes(&self) -> Vec<String> {
        match self.broken_lines {
            0 => Vec::new(),
            count => vec![format!("{count} broken header lines were ignored.")],
        }
    }

    /// Undecoded value of the first header of this name.
    pub(super) fn first(&self, name: &str) -> Option<String> {
        self.fields
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.clone())
    }

    /// What follows the headers.
    pub(super) fn body<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        &raw[self.body_at.min(raw.len())..]
    }

    pub(super) fn message_id(&self) -> Option<String> {
        let value = self.first("message-id")?;
        let id = ids(&value).into_iter().next().or_else(|| {
            let bare = text::origin_id(value.trim_matches(['<', '>', ' ']));
            (!bare.is_empty()).then_some(bare)
        })?;
        Some(id)
    }

    /// Ids this message refers to: oldest first, its direct parent last.
    pub(super) fn references(&self) -> Vec<String> {
        let mut references = ids(&self.first("references").unwrap_or_default());
        if references.len() > REFERENCES_MAX {
            let last = references.split_off(references.len() - REFERENCES_MAX + 1);
            references.truncate(1);
            references.extend(last);
        }
        // References name the parent last; In-Reply-To only helps if none of them is known.
        let mut parents = ids(&self.first("in-reply-to").unwrap_or_default());
        parents.truncate(REFERENCES_MAX);
        parents.retain(|id| !references.contains(id));
        if references.is_empty() {
            return parents;
        }
        let oldest = references.remove(0);
        let mut all = vec![oldest];
        all.extend(parents);
        all.extend(references);
        all
    }

    pub(super) fn has_reply_prefix(&self) -> bool {
        strip_reply_prefixes(&self.subject) != self.subject
    }

    pub(super) fn is_reply(&self) -> bool {
        self.has_reply_prefix() || !self.references().is_empty()
    }

    /// The sender's address, lower-case.
    pub(super) fn address(&self) -> Option<String> {
        self.sender().1
    }

    /// Name and id to show for the author.
    pub(super) fn author(&self, options: &MailOptions) -> (String, Option<String>) {
        let (name, address) = self.sender();
        let author_id = address.as_ref().map(|address| {
            if options.keep_addresses {
                address.clone()
            } else {
                options.salt.author_id(address)
            }
        });
        let name = if options.keep_addresses {
            name
        } else {
            mask(&name, self.spelling)
        };
        let name = text::one_line(&name, 100);
        if name.chars().any(char::is_alphanumeric) {
            return (name, author_id);
        }
        let name = match &author_id {
            Some(id) if options.keep_addresses => id.clone(),
            Some(id) => format!("unnamed {}", &id[..8]),
            None => "unknown".to_owned(),
        };
        (name, author_id)
    }

    /// What to recognise a sender by who writes from several addresses.
    pub(super) fn sender_key(&self) -> Option<String> {
        let (name, address) = self.sender();
        if name.is_empty() {
            address
        } else {
            Some(name.to_lowercase())
        }
    }

    /// Name (maybe empty) and address of the first sender.
    fn sender(&self) -> (String, Option<String>) {
        let raw = self
            .first("from")
            .or_else(|| self.first("sender"))
            .unwrap_or_default();
        let (name, address) = split_sender(&raw);
        let name = decode::words(name.trim())
            .replace("\\\"", "\"")
            .replace(['"', '\\'], "");
        let address = decode::words(address.trim()).to_lowercase();
        let address = match self.spelling {
            Spelling::Archive => address.replacen(" at ", "@", 1),
            Spelling::Usual => address,
        };
        let address: String = address
            .chars()
            .filter(|c| !c.is_whitespace() && !c.is_control())
            .collect();
        let name = name.trim().trim_matches('\'').to_owned();
        (
            name,
            (!address.is_empty() && address.len() <= 320).then_some(address),
        )
    }
}

/// `Name <address>`, `address (Name)` or an address alone.
fn split_sender(raw: &str) -> (&str, &str) {
    if let Some((name, rest)) = raw.split_once('<') {
        let address = rest.split_once('>').map_or(rest, |(address, _)| address);
        return (name, address);
    }
    if let Some((address, rest)) = raw.split_once('(') {
        return (
            rest.rsplit_once(')').map_or(rest, |(name, _)| name),
            address,
        );
    }
    if raw.contains('@') || raw.contains(" at ") {
        ("", raw.split(',').next().unwrap_or(raw))
    } else {
        (raw, "")
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// Message ids in angle brackets.
fn ids(value: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((id, after)) = after.split_once('>') else {
            break;
        };
        let id = text::origin_id(id);
        if !id.is_empty() && found.last() != Some(&id) {
            found.push(id);
        }
        rest = after;
    }
    found
}

/// Marks of replies and forwards, in many languages, without their colon.
const PREFIXES: [&str; 46] = [
    "re",
    "fw",
    "fwd",
    "aw",
    "antw",
    "antwort",
    "wg",
    "sv",
    "vs",
    "vl",
    "vb",
    "vá",
    "tr",
    "rv",
    "enc",
    "res",
    "rif",
    "ref",
    "ri",
    "r",
    "i: re",
    "odp",
    "pd",
    "ynt",
    "ilt",
    "atb",
    "bls",
    "trs",
    "ha",
    "fs",
    "bz",
    "tl",
    "vidb",
    "doorst",
    "na",
    "απ",
    "σχετ",
    "προθ",
    "отв",
    "ответ",
    "пересл",
    "回复",
    "答复",
    "转发",
    "回覆",
    "轉寄",
];

/// Takes reply marks off the start of a subject, also behind a list's `[tag]`, which stays.
pub(super) fn strip_reply_prefixes(subject: &str) -> String {
    let mut tag = String::new();
    let mut rest = subject.trim();
    loop {
        if let Some(after) = strip_one(rest) {
            rest = after;
            continue;
        }
        // "[list] Re: x": the tag counts as part of the subject only once the mark is gone.
        let behind_tag = rest
            .strip_prefix('[')
            .and_then(|inner| inner.split_once(']'))
            .and_then(|(name, after)| strip_one(after.trim_start()).map(|after| (name, after)));
        match behind_tag {
            Some((name, after)) => {
                let bracketed = format!("[{name}] ");
                if !tag.contains(&bracketed) {
                    tag.push_str(&bracketed);
                }
                // "[list] Re: [list] x"
                rest = after
                    .strip_prefix(bracketed.trim_end())
                    .map_or(after, str::trim_start);
            }
            None => return format!("{tag}{rest}").trim().to_owned(),
        }
    }
}

fn strip_one(subject: &str) -> Option<&str> {
    let (mark, rest) = subject.split_once([':', '：'])?;
    // "Re[2]:", "Re(3):", "Re^2:", "Re :"
    let mark = mark
        .trim_end()
        .trim_end_matches(|c: char| c.is_ascii_digit() || "[]()^*".contains(c));
    let mark = mark.to_lowercase();
    PREFIXES
        .contains(&mark.as_str())
        .then_some(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::AddressSalt;

    fn parse(raw: &str) -> Headers {
        Headers::parse(raw.as_bytes(), Spelling::Usual)
    }

    #[test]
    fn reply_marks_of_many_languages_go() {
        for (subject, stripped) in [
            ("Re: AW: Fwd: x", "x"),
            ("RE[2]: x", "x"),
            ("回复：x", "x"),
            ("[list] Re: [list] x", "[list] x"),
            ("Re: [PATCH 1/2] a: b", "[PATCH 1/2] a: b"),
            ("Note: x", "Note: x"),
            ("Re:", ""),
            ("Σχετ: y", "y"),
        ] {
            assert_eq!(strip_reply_prefixes(subject), stripped, "{subject}");
        }
    }

    #[test]
    fn senders_in_every_spelling() {
        let options = MailOptions::new(AddressSalt::from_bytes([7; 32]));
        let author = |from: &str| parse(&format!("From: {from}\n\n")).author(&options);
        let id = Some(options.salt.author_id("a@b.org"));
        assert_eq!(
            author("\"Doe, Jo\" <A@b.org>"),
            ("Doe, Jo".into(), id.clone())
        );
        assert_eq!(
            author("a@b.org (=?utf-8?q?J=C3=B6?=)"),
            ("Jö".into(), id.clone())
        );
        assert_eq!(
            author("a@b.org <a@b.org>"),
            (format!("unnamed {}", &id.clone().unwrap()[..8]), id.clone())
        );
        assert_eq!(author(""), ("unknown".into(), None));
        let archive = Headers::parse(b"From: a at b.org (Jo)\n\n", Spelling::Archive);
        assert_eq!(archive.author(&options), ("Jo".into(), id));
    }

    #[test]
    fn broken_lines_do_not_end_the_headers() {
        let headers = parse("From x\nSubject: a\n b\nno colon here\nDate : today\r\n\r\nbody: x");
        assert_eq!(headers.subject, "a b");
        assert_eq!(headers.first("date").as_deref(), Some("today"));
        assert_eq!(headers.notes(), ["2 broken header lines were ignored."]);
        assert!(headers.check().is_ok());
        assert!(parse("{\"a\": 1}\n").check().is_err());
    }

    #[test]
    fn the_direct_parent_comes_last() {
        let headers = parse("References: <a> <b>junk<c>\nIn-Reply-To: message of <x> <c>\n\n");
        assert_eq!(headers.references(), ["a", "x", "b", "c"]);
        assert_eq!(parse("In-Reply-To: <x>\n\n").references(), ["x"]);
    }
}
