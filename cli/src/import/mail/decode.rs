//! Transfer encodings and character sets, as tolerant as mail programs have to be.

use encoding_rs::{Encoding, WINDOWS_1252};

/// Bytes of text whose character set is not, or wrongly, named: UTF-8 if they are, else Windows-1252.
pub(super) fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}

/// Text in a named character set, and whether every byte could be read.
pub(super) fn charset(bytes: &[u8], label: Option<&str>) -> (String, bool) {
    let label = label.map(|label| label.trim().trim_matches(['"', '\'']).to_ascii_lowercase());
    // "ascii" in practice means "whatever the sender's machine used".
    let known = label
        .as_deref()
        .filter(|label| !matches!(*label, "us-ascii" | "ascii" | "utf-8" | "utf8"));
    match known.and_then(|label| Encoding::for_label_no_replacement(label.as_bytes())) {
        Some(encoding) => {
            let (text, broken) = encoding.decode_without_bom_handling(bytes);
            (text.into_owned(), !broken)
        }
        None => (
            guess(bytes),
            std::str::from_utf8(bytes).is_ok() || label.is_none(),
        ),
    }
}

/// Base64 without regard to line breaks, foreign characters or missing padding.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                // Padding ends a group; some programs join several encoded pieces.
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6 | u32::from(value)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// Quoted-printable; what is not a valid escape stays as it is.
pub(super) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (content, ending) = split_ending(line);
        let content = content.trim_ascii_end();
        let (content, ending) = match content.strip_suffix(b"=") {
            Some(soft) => (soft, &[][..]),
            None => (content, ending),
        };
        unescape(content, b'=', &mut out);
        out.extend_from_slice(ending);
    }
    out
}

fn split_ending(line: &[u8]) -> (&[u8], &[u8]) {
    let length = line.len();
    let ending = if line.ends_with(b"\r\n") {
        2
    } else {
        usize::from(line.ends_with(b"\n"))
    };
    line.split_at(length - ending)
}

fn unescape(text: &[u8], sign: u8, out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let hex = |offset: usize| {
            text.get(at + offset)
                .and_then(|digit| (*digit as char).to_digit(16))
        };
        match (text[at] == sign, hex(1), hex(2)) {
            (true, Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
}

/// Decodes RFC 2047 words in a header, broken ones included: spaces inside, characters split over
/// two words, missing ends.
pub(super) fn words(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    // Bytes of adjacent words in one character set are joined before decoding.
    let mut pending: Option<(String, Vec<u8>)> = None;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        let Some((label, bytes, length)) = parse_word(word) else {
            flush(&mut pending, &mut out);
            out.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            continue;
        };
        if pending.is_none() || !before.trim().is_empty() {
            flush(&mut pending, &mut out);
            out.push_str(before);
        }
        match &mut pending {
            Some((same, joined)) if *same == label => joined.extend(bytes),
            _ => {
                flush(&mut pending, &mut out);
                pending = Some((label, bytes));
            }
        }
        rest = &word[length..];
    }
    flush(&mut pending, &mut out);
    out.push_str(rest);
    out
}

fn flush(pending: &mut Option<(String, Vec<u8>)>, out: &mut String) {
    if let Some((label, bytes)) = pending.take() {
        out.push_str(&charset(&bytes, Some(&label)).0);
    }
}

/// `=?charset?B|Q?text?=` at the start of a text: character set, bytes, length.
fn parse_word(word: &str) -> Option<(String, Vec<u8>, usize)> {
    const LABEL_MAX_BYTES: usize = 64;
    let inner = word.strip_prefix("=?")?;
    let label_end = inner
        .bytes()
        .take(LABEL_MAX_BYTES)
        .position(|byte| byte == b'?')?;
    let (label, rest) = (&inner[..label_end], &inner[label_end + 1..]);
    let label = label
        .split('*')
        .next()
        .unwrap_or(label)
        .to_ascii_lowercase();
    let encoding = rest.bytes().next()?.to_ascii_lowercase();
    let text = rest.get(1..)?.strip_prefix('?')?;
    if label.is_empty() || !matches!(encoding, b'q' | b'b') {
        return None;
    }
    let end = text.find("?=")?;
    // "=?utf-8?Q?=41?=" begins its text with an escape that looks like the end.
    let end = if end == 0 && encoding == b'q' && text.len() > 2 {
        text[2..].find("?=").map_or(0, |at| at + 2)
    } else {
        end
    };
    let content = &text[..end];
    let bytes = if encoding == b'b' {
        base64(content.as_bytes())
    } else {
        let mut bytes = Vec::new();
        unescape(content.replace('_', " ").as_bytes(), b'=', &mut bytes);
        bytes
    };
    Some((label, bytes, word.len() - text.len() + end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_words_are_decoded_even_if_broken() {
        assert_eq!(words("=?iso-8859-1?q?J=F6rg_M.?= <x>"), "Jörg M. <x>");
        assert_eq!(words("=?UTF-8?B?w7Y=?= =?utf-8?Q?=C3=B6?=  a"), "öö  a");
        assert_eq!(words("=?utf-8?Q?=C3?=\t=?utf-8?Q?=B6 x?="), "ö x");
        assert_eq!(words("=?utf-8?Q?open =?x"), "=?utf-8?Q?open =?x");
        assert_eq!(words("=?koi8-r*ru?B?8NLJ18XU?="), "Привет");
        assert_eq!(words("=?nonsense?Q?caf=E9?="), "café");
    }

    #[test]
    fn transfer_encodings_tolerate_damage() {
        assert_eq!(base64(b"aGFs\r\nbG8*h"), b"hallo!");
        assert_eq!(base64(b"aGE=bGxv"), b"hallo");
        assert_eq!(
            quoted_printable(b"a=20b= \nc=\r\nd=ZZ \n=e9"),
            b"a bcd=ZZ\n\xe9"
        );
    }

    #[test]
    fn character_sets_are_guessed_where_they_must_be() {
        assert_eq!(
            charset(b"caf\xe9", Some("us-ascii")),
            ("café".into(), false)
        );
        assert_eq!(charset("é".as_bytes(), None), ("é".into(), true));
        assert_eq!(charset(b"\x82\xa0", Some("Shift_JIS")), ("あ".into(), true));
    }
}
