//! Comparing what was seen with what a story shows.

use std::collections::BTreeMap;

/// Values that names stand for.
pub(super) type Values = BTreeMap<String, String>;

/// A line that stands for any lines.
const ANY_LINES: &str = "...";
const ANY_TEXT: &str = "[..]";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Any,
    Name { name: String, start: Option<usize> },
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let special = rest
            .strip_prefix(ANY_TEXT)
            .map(|after| (Piece::Any, after))
            .or_else(|| name(rest));
        if let Some((piece, after)) = special {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(piece);
            rest = after;
        } else {
            text.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// `<NAME>` or `<NAME:8>` at the start, and what comes after it.
fn name(text: &str) -> Option<(Piece, &str)> {
    let (inside, after) = text.strip_prefix('<')?.split_once('>')?;
    let (name, start) = match inside.split_once(':') {
        Some((name, start)) => (name, Some(start.parse().ok()?)),
        None => (inside, None),
    };
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(fits);
    let name = name.to_owned();
    is_name.then_some((Piece::Name { name, start }, after))
}

fn beginning(value: &str, start: Option<usize>) -> &str {
    start.map_or(value, |len| value.get(..len).unwrap_or(value))
}

/// Puts values in the place of their names.
///
/// # Errors
/// The first name that has no value.
pub(super) fn fill(text: &str, values: &Values) -> Result<String, String> {
    pieces(text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Ok(text),
            Piece::Any => Ok(ANY_TEXT.to_owned()),
            Piece::Name { name, start } => match values.get(&name) {
                Some(value) => Ok(beginning(value, start).to_owned()),
                None => Err(name),
            },
        })
        .collect()
}

/// The values after the lines were found to match; none if they do not.
pub(super) fn matches(expected: &[&str], seen: &[&str], values: &Values) -> Option<Values> {
    let Some((first, others)) = expected.split_first() else {
        return seen.is_empty().then(|| values.clone());
    };
    if *first == ANY_LINES {
        return (0..=seen.len()).find_map(|skip| matches(others, &seen[skip..], values));
    }
    let (line, rest) = seen.split_first()?;
    let values = line_matches(&pieces(first), line, values)?;
    matches(others, rest, &values)
}

fn line_matches(pieces: &[Piece], text: &str, values: &Values) -> Option<Values> {
    let Some((first, others)) = pieces.split_first() else {
        return text.is_empty().then(|| values.clone());
    };
    match first {
        Piece::Text(expected) => {
            line_matches(others, text.strip_prefix(expected.as_str())?, values)
        }
        Piece::Any => ends(text).find_map(|end| line_matches(others, &text[end..], values)),
        Piece::Name { name, start } => {
            if let Some(value) = values.get(name) {
                return line_matches(others, text.strip_prefix(beginning(value, *start))?, values);
            }
            if start.is_some() {
                return None;
            }
            // The longest word that fits.
            let word = text.find(char::is_whitespace).unwrap_or(text.len());
            let candidates: Vec<usize> = ends(&text[..word]).filter(|end| *end > 0).collect();
            candidates.into_iter().rev().find_map(|end| {
                let mut values = values.clone();
                values.insert(name.clone(), text[..end].to_owned());
                line_matches(others, &text[end..], &values)
            })
        }
    }
}

/// Every place between characters, the end included.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain(std::iter::once(text.len()))
}

/// The two texts line by line, `-` before what was expected and not seen, `+` before what was
/// seen and not expected. A line that fits what was expected counts as equal.
pub(super) fn difference(expected: &[&str], seen: &[&str], values: &Values) -> String {
    let fitted: Vec<&str> = seen
        .iter()
        .map(|line| {
            let fits =
                |it: &&&str| **it != ANY_LINES && line_matches(&pieces(it), line, values).is_some();
            expected.iter().find(fits).unwrap_or(line)
        })
        .copied()
        .collect();
    let (old, new) = (expected.join("\n") + "\n", fitted.join("\n") + "\n");
    let changes = similar::TextDiff::from_lines(&old, &new);
    let mut shown = String::new();
    for change in changes.iter_all_changes() {
        let sign = match change.tag() {
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
            similar::ChangeTag::Equal => ' ',
        };
        shown.push_str(&format!("  {sign} {}\n", change.value().trim_end()));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn names_take_a_value_once_and_keep_it() {
        let none = Values::new();
        let found = matches(&["id <ID>, again <ID:2>"], &["id abcd, again ab"], &none);
        assert_eq!(found, Some(values(&[("ID", "abcd")])));
        assert_eq!(matches(&["<ID> <ID>"], &["a b"], &none), None);
        assert_eq!(matches(&["<ID>"], &["b"], &values(&[("ID", "a")])), None);
        assert_eq!(matches(&["<ID:4>"], &["abcd"], &none), None);
    }

    #[test]
    fn wildcards_stand_for_anything_but_not_for_missing_lines() {
        let none = Values::new();
        assert!(
            matches(
                &["a [..] c", "...", "end"],
                &["a bb c", "1", "2", "end"],
                &none
            )
            .is_some()
        );
        assert!(matches(&["...", "end"], &["end"], &none).is_some());
        assert!(matches(&["a [..]", "end"], &["end"], &none).is_none());
        assert!(matches(&["a"], &["a", "b"], &none).is_none());
        assert!(matches(&["a"], &["ab"], &none).is_none());
    }

    #[test]
    fn commands_are_filled_and_unknown_names_are_named() {
        let known = values(&[("ID", "abcdef")]);
        assert_eq!(fill("show <ID:3> <ID>", &known).unwrap(), "show abc abcdef");
        assert_eq!(fill("show <TOPIC>", &known).unwrap_err(), "TOPIC");
        assert_eq!(
            fill("cat < file > other", &known).unwrap(),
            "cat < file > other"
        );
    }

    #[test]
    fn a_difference_shows_only_what_differs() {
        let shown = difference(
            &["one [..]", "two", "four"],
            &["one 1", "three", "four"],
            &Values::new(),
        );
        assert_eq!(shown, "    one [..]\n  - two\n  + three\n    four\n");
    }
}
