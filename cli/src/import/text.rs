//! Small text tools that every reader needs: nothing that reaches an item may steer a terminal,
//! span lines where one is expected, or exceed its limit.

use super::{ORIGIN_ID_MAX_BYTES, TAG_MAX_CHARS, TAGS_MAX};

/// Line endings become `\n`, control characters vanish: escape sequences must not reach a terminal.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\t' => out.push(c),
            '\u{feff}' => {}
            c if c.is_control() || is_direction_control(c) => {}
            '\u{2028}' | '\u{2029}' => out.push('\n'),
            c => out.push(c),
        }
    }
    out
}

/// Characters that make text show in another order than it is stored.
fn is_direction_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line of at most `max_chars` characters, whitespace collapsed, no control characters.
pub(super) fn one_line(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in clean(text).split_whitespace() {
        if length > 0 {
            out.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length + 1 >= max_chars {
                out.push('…');
                return out;
            }
            out.push(c);
            length += 1;
        }
    }
    out
}

/// An id of another system, of bounded length, without whitespace or control characters.
pub(super) fn origin_id(id: &str) -> String {
    let id: String = id
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !is_direction_control(*c))
        .collect();
    if id.len() <= ORIGIN_ID_MAX_BYTES {
        return id;
    }
    let digest = comity_protocol::id::digest(b"comity/1/import-long-id\0", &[id.as_bytes()]);
    format!("digest:{}", hex::encode(&digest[..16]))
}

/// Tags: one line each, bounded, without doubles, in the order of the source.
pub(super) fn tags(raw: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in raw {
        let tag = one_line(tag.as_ref(), TAG_MAX_CHARS);
        if !tag.is_empty() && !tags.contains(&tag) && tags.len() < TAGS_MAX {
            tags.push(tag);
        }
    }
    tags
}

/// Cuts at the end of the last whole line that fits; returns whether anything was cut.
pub(super) fn cut_at_line(text: &mut String, max_bytes: usize) -> bool {
    if text.len() <= max_bytes {
        return false;
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    if let Some(line_end) = text.rfind('\n') {
        text.truncate(line_end);
    }
    true
}

/// Bytes of footers (attachments, "cut here") that a body may carry beyond its cut text.
const FOOTER_ROOM_BYTES: usize = 4 * 1024;

/// A finished body: cut to its limit, what was lost named below it, the same added to the notes.
pub(super) fn finish_body(
    mut markdown: String,
    footers: &[String],
    max_bytes: usize,
    notes: &mut Vec<String>,
) -> String {
    let whole = markdown.len();
    // A finished body that is read again must come out the same, so without footers it may be full.
    let room = if footers.is_empty() && whole <= max_bytes {
        0
    } else {
        FOOTER_ROOM_BYTES
    };
    let cut = cut_at_line(&mut markdown, max_bytes.saturating_sub(room));
    markdown.truncate(markdown.trim_end().len());
    if cut {
        if let Some(fence) = open_fence(&markdown) {
            markdown.push('\n');
            markdown.push_str(&fence);
        }
        let note = format!("Cut here: the imported text was {whole} bytes long.");
        add_paragraph(&mut markdown, &note);
        notes.push(note);
    }
    let footer = super::plain::escape_text(&footers.join("\n"));
    let mut footer = footer;
    cut_at_line(&mut footer, FOOTER_ROOM_BYTES / 2);
    if !footer.is_empty() {
        add_paragraph(&mut markdown, &footer);
    }
    notes.extend_from_slice(footers);
    markdown
}

fn add_paragraph(markdown: &mut String, paragraph: &str) {
    if !markdown.is_empty() {
        markdown.push_str("\n\n");
    }
    markdown.push_str(paragraph);
}

/// The fence that a cut left open at the top level. Fences in quotes and lists end with those.
fn open_fence(markdown: &str) -> Option<String> {
    let mut open: Option<usize> = None;
    for line in markdown.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match open {
            None if ticks >= 3 => open = Some(ticks),
            Some(length) if ticks >= length && line.len() == ticks => open = None,
            _ => {}
        }
    }
    open.map(|ticks| "`".repeat(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_and_line_breaks_are_removed() {
        assert_eq!(
            clean("a\r\nb\rc\u{1b}[31md\u{9b}e\u{202e}f\0"),
            "a\nb\nc[31mdef"
        );
        assert_eq!(one_line(" a\n\tb\u{7} ", 10), "a b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    #[test]
    fn a_long_body_is_cut_at_a_line_its_fence_closed_and_the_loss_noted() {
        let mut notes = Vec::new();
        let text = format!("```\n{}", "é line\n".repeat(2000));
        let body = finish_body(text, &["Attachment <x>".into()], 8192, &mut notes);
        assert!(body.len() <= 8192);
        assert!(body.contains("é line\n```\n\nCut here: the imported text was 16004 bytes long."));
        assert!(body.ends_with("Attachment \\<x>"));
        assert_eq!(notes.len(), 2);
    }

    #[test]
    fn long_ids_become_digests() {
        assert_eq!(origin_id("a b\u{1b}"), "ab");
        assert_eq!(origin_id(&"x".repeat(600)).len(), "digest:".len() + 32);
    }
}
