//! Makes other people's texts safe to show on a terminal.
//!
//! What peers write is hostile until shown otherwise: escape sequences move the cursor, set the
//! window title or fake output of Comity; bidirectional overrides make a text read as another one;
//! invisible characters make two names look alike; piles of combining marks run over other lines.
//! All of these are shown in a visible form, nothing is silently dropped, and ordinary text of any
//! language (joiners and emoji included) stays as it is.

use std::borrow::Cow;
use unicode_width::UnicodeWidthChar as _;

/// Most zero-width characters shown in a row; what goes beyond is counted instead.
const ZERO_WIDTH_RUN_MAX: usize = 8;

/// One line: line breaks and tabs are made visible too.
pub fn line(text: &str) -> Cow<'_, str> {
    clean(text, false)
}

/// Text of several lines: line breaks and tabs stay, `\r\n` becomes `\n`.
pub fn text(text: &str) -> Cow<'_, str> {
    clean(text, true)
}

/// Whether a character could steer a terminal, reorder text or hide in it.
pub fn is_hazard(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'   // C0, DEL and C1 controls
        | '\u{ad}' | '\u{34f}'                      // soft hyphen, grapheme joiner
        | '\u{61c}' | '\u{200e}' | '\u{200f}'       // bidirectional marks
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' // embeddings, overrides, isolates
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // fillers
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' // invisible
        | '\u{2028}' | '\u{2029}'                   // line and paragraph separators
        | '\u{fff0}'..='\u{fffb}'                   // interlinear annotation
        | '\u{e000}'..='\u{f8ff}'                   // private use: fonts draw anything there
        | '\u{1d173}'..='\u{1d17a}'                 // musical formatting
        | '\u{e0000}'..='\u{e0fff}'                 // tags
        | '\u{f0000}'..='\u{10ffff}'                // private use planes
    )
}

fn clean(text: &str, keep_lines: bool) -> Cow<'_, str> {
    let harmless = |c: char| matches!(c, ' '..='~') || (keep_lines && matches!(c, '\n' | '\t'));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut run = Run::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' if keep_lines => run.end(&mut out).push(c),
            '\r' if keep_lines && chars.peek() == Some(&'\n') => {}
            c if is_hazard(c) => show(run.end(&mut out), c),
            c if c.width() == Some(0) => run.push(&mut out, c),
            c => run.end(&mut out).push(c),
        }
    }
    run.end(&mut out);
    Cow::Owned(out)
}

/// The visible form: a control picture for C0 and DEL, the code point for the rest.
fn show(out: &mut String, c: char) {
    let picture = match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)),
        '\u{7f}' => Some('\u{2421}'),
        _ => None,
    };
    match picture {
        Some(picture) => out.push(picture),
        None => out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
    }
}

/// A run of zero-width characters, of which only the first few are shown.
#[derive(Default)]
struct Run(usize);

impl Run {
    fn push(&mut self, out: &mut String, c: char) {
        self.0 += 1;
        if self.0 <= ZERO_WIDTH_RUN_MAX {
            out.push(c);
        }
    }

    fn end<'a>(&mut self, out: &'a mut String) -> &'a mut String {
        let hidden = self.0.saturating_sub(ZERO_WIDTH_RUN_MAX);
        self.0 = 0;
        if hidden > 0 {
            out.push_str(&format!("⟨+{hidden} marks⟩"));
        }
        out
    }
}

/// Escapes hazards inside serialized JSON, where they can only stand within strings, so the value
/// stays equal and the bytes are safe to look at. Line breaks between values are kept.
pub fn json(serialized: &str) -> Cow<'_, str> {
    let hazard = |c: char| c != '\n' && is_hazard(c);
    if !serialized.chars().any(hazard) {
        return Cow::Borrowed(serialized);
    }
    let mut out = String::with_capacity(serialized.len() + 16);
    for c in serialized.chars() {
        if hazard(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_are_visible() {
        assert_eq!(line("a\u{1b}[2Jb\u{7}"), "a␛[2Jb␇");
        assert_eq!(line("\u{9b}31m"), "⟨U+009B⟩31m");
        assert_eq!(line("x\u{7f}"), "x␡");
    }

    #[test]
    fn bidirectional_overrides_and_invisible_characters_are_visible() {
        assert_eq!(line("ab\u{202e}cd"), "ab⟨U+202E⟩cd");
        assert_eq!(line("Ann\u{200b}a"), "Ann⟨U+200B⟩a");
        assert_eq!(line("\u{e0041}"), "⟨U+E0041⟩");
    }

    #[test]
    fn a_line_has_no_breaks_and_a_text_keeps_them() {
        assert_eq!(line("a\nb\tc"), "a␊b␉c");
        assert_eq!(text("a\r\nb\tc\rd"), "a\nb\tc␍d");
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        for ordinary in [
            "plain",
            "Grüße",
            "日本語",
            "می\u{200c}خواهم",
            "👩\u{200d}👩\u{200d}👧",
            "☕️",
        ] {
            assert_eq!(line(ordinary), ordinary);
        }
    }

    #[test]
    fn piles_of_combining_marks_are_cut_and_counted() {
        let pile = format!("e{}x", "\u{301}".repeat(1000));
        let shown = line(&pile);
        assert_eq!(shown.chars().filter(|c| *c == '\u{301}').count(), 8);
        assert!(shown.ends_with("⟨+992 marks⟩x"), "{shown}");
    }

    fn hostile() -> impl Strategy<Value = String> {
        let hazards = prop::sample::select(
            "\u{1b}\u{7}\u{9b}\u{9d}\r\n\t\u{202e}\u{2066}\u{200f}\u{301}\u{200b}\u{e0041}\u{2028}\u{7f}\0"
                .chars()
                .collect::<Vec<_>>(),
        );
        prop::collection::vec(prop_oneof![any::<char>(), hazards], 0..60)
            .prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_hazardous_comes_out(input in hostile()) {
            prop_assert!(!line(&input).chars().any(is_hazard));
            prop_assert!(!text(&input).chars().any(|c| is_hazard(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn cleaning_twice_changes_nothing_more(input in hostile()) {
            let once = text(&input).into_owned();
            prop_assert_eq!(text(&once), once.as_str());
        }

        #[test]
        fn nothing_visible_is_lost(input in hostile()) {
            let kept: String = line(&input).chars().collect();
            for c in input.chars().filter(|c| !is_hazard(*c) && c.width() != Some(0)) {
                prop_assert!(kept.contains(c));
            }
        }

        #[test]
        fn json_keeps_its_value_and_loses_its_hazards(input in hostile()) {
            let serialized = serde_json::to_string(&input).unwrap();
            let safe = json(&serialized);
            prop_assert!(!safe.chars().any(is_hazard));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), input);
        }
    }
}
