//! Hiding e-mail addresses, in headers and wherever they stand in a text.
//!
//! Addresses are few and guessable, so a plain digest of one is as good as the address. The digest
//! is keyed with a salt that only the importer has: it stays the same over all imports with that
//! salt, and tells others nothing.

use comity_protocol::id::digest;

/// What stands where an address stood.
const MASK: &str = "…@…";
/// Longest local part or domain that is looked at, in characters.
const PART_MAX_CHARS: usize = 256;

/// Secret of one importer. Keep it: with another salt the same people get other ids.
#[derive(Clone)]
pub struct AddressSalt([u8; 32]);

impl AddressSalt {
    /// Takes 32 random bytes that the importer stores.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Keyed id of an address: 32 hexadecimal digits.
    pub(super) fn author_id(&self, address: &str) -> String {
        let address = address.trim().to_lowercase();
        let domain = b"comity/1/import-address\0";
        hex::encode(&digest(domain, &[&self.0, address.as_bytes()])[..16])
    }

    /// Keyed id of a message that came without one, from its content. Keyed because the content
    /// holds addresses, and all the rest of it may be public.
    pub(super) fn content_id(&self, parts: &[&str]) -> String {
        let joined = parts.join("\0");
        let domain = b"comity/1/import-content\0";
        hex::encode(&digest(domain, &[&self.0, joined.as_bytes()])[..16])
    }
}

/// How addresses are written in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `name@host.org`, also `name (at) host.org`.
    Usual,
    /// Pipermail archives write `name at host.org`, which other text may also contain.
    Archive,
}

/// Replaces every address in a text.
pub(super) fn mask(text: &str, spelling: Spelling) -> String {
    const SIGNS: [&str; 7] = ["@", "＠", "%40", "(at)", "[at]", "<at>", " at "];
    let signs = if spelling == Spelling::Archive {
        &SIGNS[..]
    } else {
        &SIGNS[..6]
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, sign)) = next_sign(rest, signs) {
        let (before, after) = (&rest[..at], &rest[at + sign.len()..]);
        let spaced = sign.contains("at");
        let local = local_part(before, spaced);
        let domain = domain_part(after, spaced);
        match (local, domain) {
            (Some(local), Some(domain))
                if !(sign == " at " && is_common_word(&before[before.len() - local..])) =>
            {
                out.push_str(&before[..before.len() - local]);
                out.push_str(MASK);
                rest = &after[domain..];
            }
            _ => {
                out.push_str(before);
                out.push_str(sign);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn next_sign<'a>(text: &str, signs: &[&'a str]) -> Option<(usize, &'a str)> {
    // One pass over the text, so that a text full of signs stays linear.
    text.char_indices().find_map(|(at, c)| {
        if !matches!(c, '@' | '＠' | '%' | '(' | '[' | '<' | ' ') {
            return None;
        }
        let here = &text.as_bytes()[at..];
        signs
            .iter()
            .find(|sign| {
                here.len() >= sign.len() && here[..sign.len()].eq_ignore_ascii_case(sign.as_bytes())
            })
            .map(|sign| (at, *sign))
    })
}

/// Bytes at the end of `before` that are a local part.
fn local_part(before: &str, may_be_spaced: bool) -> Option<usize> {
    let trimmed = if may_be_spaced {
        before.trim_end_matches(' ')
    } else {
        before
    };
    let spaces = before.len() - trimmed.len();
    if let Some(inner) = trimmed.strip_suffix('"') {
        let open = inner
            .char_indices()
            .rev()
            .take(PART_MAX_CHARS)
            .find(|(_, c)| *c == '"')?;
        let quoted = &trimmed[open.0..];
        return (!quoted.contains('\n')).then_some(quoted.len() + spaces);
    }
    let length: usize = trimmed
        .chars()
        .rev()
        .take(PART_MAX_CHARS)
        .take_while(|c| c.is_alphanumeric() || "._%+-=~&'!#$*?^{|}".contains(*c))
        .map(char::len_utf8)
        .sum();
    let local = &trimmed[trimmed.len() - length..];
    let local = local.trim_start_matches(['.', '\'', '*', '!', '?', '&', '|', '{', '~', '=', '-']);
    local
        .chars()
        .any(char::is_alphanumeric)
        .then_some(local.len() + spaces)
}

/// Bytes at the start of `after` that are a domain with at least one dot, or an address literal.
fn domain_part(after: &str, may_be_spaced: bool) -> Option<usize> {
    let trimmed = if may_be_spaced {
        after.trim_start_matches(' ')
    } else {
        after
    };
    let spaces = after.len() - trimmed.len();
    if let Some(literal) = trimmed.strip_prefix('[') {
        let end = literal.char_indices().take(64).find(|(_, c)| *c == ']')?.0;
        let sound = literal[..end]
            .chars()
            .all(|c| c.is_ascii_hexdigit() || ".:IPv".contains(c));
        return (sound && end > 0).then_some(end + 2 + spaces);
    }
    let length: usize = trimmed
        .chars()
        .take(PART_MAX_CHARS)
        .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .map(char::len_utf8)
        .sum();
    let domain = trimmed[..length].trim_end_matches(['.', '-', '_']);
    let dotted = domain
        .split_once('.')
        .is_some_and(|(host, rest)| !host.is_empty() && rest.chars().any(char::is_alphanumeric));
    dotted.then_some(domain.len() + spaces)
}

/// In archives, "look at kernel.org" is not an address.
fn is_common_word(word: &str) -> bool {
    const WORDS: [&str; 24] = [
        "a",
        "are",
        "available",
        "be",
        "by",
        "found",
        "here",
        "hosted",
        "is",
        "it",
        "live",
        "lives",
        "look",
        "looked",
        "looking",
        "me",
        "meet",
        "online",
        "see",
        "that",
        "them",
        "this",
        "us",
        "was",
    ];
    WORDS.contains(&word.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(text: &str) -> String {
        mask(text, Spelling::Usual)
    }

    #[test]
    fn addresses_vanish_wherever_they_stand() {
        assert_eq!(
            usual("On Monday, Ann <ann.b+c@ex-ample.org> wrote:"),
            "On Monday, Ann <…@…> wrote:"
        );
        assert_eq!(usual("mailto:a%40b.org,c@d.e.f."), "mailto:…@…,…@….");
        assert_eq!(usual("\"john doe\"@example.org x@[127.0.0.1]"), "…@… …@…");
        assert_eq!(
            usual("jo (at) example.org, jo[AT]example.org jo＠example.org"),
            "…@…, …@… …@…"
        );
        assert_eq!(usual("用户@例子.公司 and a@b.c@d.e"), "…@… and …@…@d.e");
    }

    #[test]
    fn what_is_no_address_stays() {
        for text in [
            "@@ -1,2 +3,4 @@ int main(void)",
            "a@b",
            "@here",
            "look at kernel.org",
            "x @ y.z",
            "50%40",
        ] {
            assert_eq!(usual(text), text);
        }
    }

    #[test]
    fn archives_obfuscate_addresses() {
        let archive = |text| mask(text, Spelling::Archive);
        assert_eq!(archive("ann at example.org (Ann)"), "…@… (Ann)");
        assert_eq!(
            archive("have a look at kernel.org"),
            "have a look at kernel.org"
        );
    }

    #[test]
    fn ids_are_keyed_and_ignore_case() {
        let (one, two) = (
            AddressSalt::from_bytes([1; 32]),
            AddressSalt::from_bytes([2; 32]),
        );
        assert_eq!(one.author_id("A@b.c"), one.author_id(" a@B.c"));
        assert_ne!(one.author_id("a@b.c"), two.author_id("a@b.c"));
        assert_ne!(one.author_id("a@b.c"), one.content_id(&["a@b.c"]));
    }
}
