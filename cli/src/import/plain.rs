//! Plain text to Markdown that displays the same.
//!
//! Prose keeps its lines and gets its Markdown signs escaped; `>` quotes become Markdown quotes;
//! patches and anything aligned by spaces go into code fences untouched. Escapes are set only where
//! a sign could act, so that the source stays readable too.

/// Deepest quote that becomes a Markdown quote; deeper `>` signs stay text.
const QUOTE_DEPTH_MAX: usize = 12;
/// Spaces in a row, inside a line, that show that a line is aligned by hand.
const ALIGNED_SPACES: &str = "   ";

/// Turns plain text into Markdown that shows the same lines, quotes and patches.
pub fn plain_to_markdown(text: &str) -> String {
    let text = super::text::clean(text);
    let lines: Vec<(usize, &str)> = text.split('\n').map(split_quote).collect();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut previous_depth = None;
    for group in lines.chunk_by(|a, b| a.0 == b.0) {
        let depth = group[0].0;
        let content: Vec<&str> = group.iter().map(|(_, line)| *line).collect();
        let blocks = blocks(&content);
        if blocks.is_empty() {
            continue;
        }
        if let Some(previous) = previous_depth {
            out.push_str(">".repeat(depth.min(previous)).as_str());
            out.push('\n');
        }
        previous_depth = Some(depth);
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                out.push_str(&">".repeat(depth));
                out.push('\n');
            }
            for line in block {
                push_quoted(&mut out, depth, line);
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn push_quoted(out: &mut String, depth: usize, line: &str) {
    out.push_str(&">".repeat(depth));
    if depth > 0 && !line.is_empty() {
        out.push(' ');
    }
    out.push_str(line);
    out.push('\n');
}

/// Quote depth of a line, and the line without its quote signs and the one space after them.
fn split_quote(line: &str) -> (usize, &str) {
    let mut rest = line;
    let mut depth = 0;
    while depth < QUOTE_DEPTH_MAX {
        let candidate = if depth > 0 {
            rest.strip_prefix(' ').unwrap_or(rest)
        } else {
            rest
        };
        let Some(after) = candidate.strip_prefix('>') else {
            break;
        };
        rest = after;
        depth += 1;
    }
    if depth > 0 {
        (depth, rest.strip_prefix(' ').unwrap_or(rest))
    } else {
        (0, rest)
    }
}

/// Blocks of lines of one quote depth, each already Markdown.
fn blocks(lines: &[&str]) -> Vec<Vec<String>> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() {
            at += 1;
        } else if starts_patch(&lines[at..]) {
            let end = at + patch_length(&lines[at..]);
            blocks.push(fence(&lines[at..end], "diff"));
            at = end;
        } else {
            let end = at + paragraph_length(&lines[at..]);
            if lines[at..end].iter().any(|line| is_aligned(line)) {
                let end = at + aligned_length(&lines[at..]);
                blocks.push(fence(&lines[at..end], ""));
                at = end;
            } else {
                blocks.push(prose(&lines[at..end]));
                at = end;
            }
        }
    }
    blocks
}

fn paragraph_length(lines: &[&str]) -> usize {
    let mut length = 1;
    while length < lines.len()
        && !lines[length].trim().is_empty()
        && !starts_patch(&lines[length..])
    {
        length += 1;
    }
    length
}

/// Aligned paragraphs that follow each other share a fence, blank lines between them included.
fn aligned_length(lines: &[&str]) -> usize {
    let mut end = paragraph_length(lines);
    loop {
        let next = end
            + lines[end..]
                .iter()
                .take_while(|line| line.trim().is_empty())
                .count();
        if next == end || next >= lines.len() || starts_patch(&lines[next..]) {
            return end;
        }
        let next_end = next + paragraph_length(&lines[next..]);
        if !lines[next..next_end].iter().any(|line| is_aligned(line)) {
            return end;
        }
        end = next_end;
    }
}

fn is_aligned(line: &str) -> bool {
    let line = line.trim_end();
    line.starts_with("  ") || line.contains('\t') || line.contains(ALIGNED_SPACES)
}

fn starts_patch(lines: &[&str]) -> bool {
    let next = |offset: usize| lines.get(offset).copied().unwrap_or_default();
    let first = lines[0];
    first.starts_with("diff --git ")
        || (first.starts_with("--- ") && next(1).starts_with("+++ "))
        || (first.starts_with("Index: ") && next(1).starts_with("====="))
        || (first.starts_with("diff -") && next(1).starts_with("--- "))
        || is_hunk_header(first)
}

fn is_hunk_header(line: &str) -> bool {
    line.strip_prefix("@@ -").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.contains(" +")
            && rest.contains(" @@")
    })
}

/// Lines that belong to a patch. Hunk headers count their lines, so blank context lines that lost
/// their space and a signature after the last hunk are told apart.
fn patch_length(lines: &[&str]) -> usize {
    let mut at = 0;
    let mut hunk = (0_u32, 0_u32);
    while at < lines.len() {
        let line = lines[at];
        if hunk != (0, 0) {
            match line.as_bytes().first() {
                Some(b'+') => hunk.1 = hunk.1.saturating_sub(1),
                Some(b'-') => hunk.0 = hunk.0.saturating_sub(1),
                Some(b' ' | b'\t') | None => {
                    hunk = (hunk.0.saturating_sub(1), hunk.1.saturating_sub(1));
                }
                Some(b'\\') => {}
                _ => break,
            }
        } else if is_hunk_header(line) {
            hunk = hunk_counts(line);
        } else if !is_patch_header(line) {
            break;
        }
        at += 1;
    }
    while at > 1 && lines[at - 1].trim().is_empty() {
        at -= 1;
    }
    at.max(1)
}

fn hunk_counts(line: &str) -> (u32, u32) {
    let count = |sign: char| {
        let range = line.split(' ').find_map(|word| word.strip_prefix(sign))?;
        match range.split_once(',') {
            Some((_, count)) => count.parse().ok(),
            None => Some(1),
        }
    };
    (count('-').unwrap_or(0), count('+').unwrap_or(0))
}

fn is_patch_header(line: &str) -> bool {
    const STARTS: [&str; 19] = [
        "diff ",
        "index ",
        "--- ",
        "+++ ",
        "new file mode ",
        "deleted file mode ",
        "old mode ",
        "new mode ",
        "similarity index ",
        "dissimilarity index ",
        "rename from ",
        "rename to ",
        "copy from ",
        "copy to ",
        "Binary files ",
        "Index: ",
        "=====",
        "\\ No newline",
        "GIT binary ",
    ];
    STARTS.iter().any(|start| line.starts_with(start))
}

/// A code fence longer than any run of backticks inside.
pub(super) fn fence(lines: &[&str], language: &str) -> Vec<String> {
    let longest = lines
        .iter()
        .map(|line| longest_run(line, '`'))
        .max()
        .unwrap_or(0);
    let marks = "`".repeat(longest.max(2) + 1);
    let mut block = vec![format!("{marks}{language}")];
    block.extend(lines.iter().map(|line| (*line).to_owned()));
    block.push(marks);
    block
}

/// Longest run of one character in a text.
pub(super) fn longest_run(text: &str, mark: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == mark { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// A paragraph whose lines stay lines: two spaces at the end are a hard break.
fn prose(lines: &[&str]) -> Vec<String> {
    let last = lines.len() - 1;
    let escape = |(index, line): (usize, &&str)| {
        let line = escape_line_start(&escape_inline(line.trim(), Edge::Line));
        if index < last {
            format!("{line}  ")
        } else {
            line
        }
    };
    lines.iter().enumerate().map(escape).collect()
}

/// A text of one or more lines as Markdown prose.
pub(super) fn escape_text(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        prose(&lines).join("\n")
    }
}

/// What stands beside the first and last character of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Nothing: the piece is a whole line.
    Line,
    /// Something unknown: signs at the edges are escaped to be sure.
    Unknown,
    /// As `Unknown`, and the piece stands in a link's text, where brackets must not act.
    InLink,
}

/// Escapes what Markdown (CommonMark with tables, strikethrough, footnotes, task lists) would act on.
pub(super) fn escape_inline(text: &str, edge: Edge) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for (at, &c) in chars.iter().enumerate() {
        if must_escape(&chars, at, edge) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn must_escape(chars: &[char], at: usize, edge: Edge) -> bool {
    let open = edge != Edge::Line;
    let next = chars.get(at + 1).copied();
    let previous = at.checked_sub(1).map(|before| chars[before]);
    let next_is = |test: &dyn Fn(char) -> bool| next.map_or(open, test);
    match chars[at] {
        '\\' => next.is_none_or(|c| c.is_ascii_punctuation()),
        '`' => true,
        '*' | '~' => {
            let blank = |side: Option<char>| side.map_or(!open, char::is_whitespace);
            !(blank(previous) && blank(next))
        }
        '_' => !run_is_harmless(chars, at, open),
        // The last case is an address, which links without any scheme.
        '<' => {
            next_is(&|c| c.is_alphabetic() || matches!(c, '/' | '!' | '?'))
                || next_is(&|c| c.is_ascii_graphic()) && (open || chars[at..].contains(&'@'))
        }
        '[' => edge == Edge::InLink || next_is(&|c| matches!(c, '^' | ' ' | 'x' | 'X' | '[')),
        ']' => edge == Edge::InLink || next_is(&|c| matches!(c, '(' | '[' | ':')),
        '&' => {
            next_is(&|c| c == '#' || c.is_ascii_alphanumeric()) && is_entity(&chars[at + 1..], open)
        }
        '|' => open,
        _ => false,
    }
}

/// Underscores inside a word, or with blanks on both sides, never emphasise.
fn run_is_harmless(chars: &[char], at: usize, open: bool) -> bool {
    const RUN_MAX: usize = 64;
    let before = chars[..at].iter().rev().take(RUN_MAX).find(|c| **c != '_');
    let after = chars[at + 1..].iter().take(RUN_MAX).find(|c| **c != '_');
    match (before, after) {
        (Some(a), Some(b)) => {
            (a.is_alphanumeric() && b.is_alphanumeric()) || (a.is_whitespace() && b.is_whitespace())
        }
        (None, Some(b)) => !open && b.is_whitespace(),
        (Some(a), None) => !open && a.is_whitespace(),
        (None, None) => !open,
    }
}

fn is_entity(after: &[char], open: bool) -> bool {
    const ENTITY_MAX: usize = 40;
    match after
        .iter()
        .take(ENTITY_MAX)
        .find(|c| !(c.is_ascii_alphanumeric() || **c == '#'))
    {
        Some(end) => *end == ';',
        None => open,
    }
}

/// Escapes the start of a line where it would open a heading, list, quote, rule or table.
pub(super) fn escape_line_start(line: &str) -> String {
    let escape_at = |at: usize| format!("{}\\{}", &line[..at], &line[at..]);
    let first = line.chars().next().unwrap_or(' ');
    let rule = |marks: &str| line.chars().all(|c| marks.contains(c) || c.is_whitespace());
    let blank_after = |length: usize| {
        line[length..]
            .chars()
            .next()
            .is_none_or(char::is_whitespace)
    };
    match first {
        '>' => escape_at(0),
        '#' => {
            let marks = line.len() - line.trim_start_matches('#').len();
            if blank_after(marks) {
                escape_at(0)
            } else {
                line.to_owned()
            }
        }
        '-' | '+' | '=' | '*' | ':' | '|' | '_' | '~'
            if rule("-|:")
                || rule("=")
                || rule("*")
                || rule("_")
                || (first == '~' && line.starts_with("~~~")) =>
        {
            escape_at(0)
        }
        '-' | '+' | '*' if blank_after(1) => escape_at(0),
        '0'..='9' => {
            let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let marked = line[digits..].starts_with(['.', ')']) && blank_after(digits + 1);
            if marked && digits <= 9 {
                escape_at(digits)
            } else {
                line.to_owned()
            }
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_keeps_its_lines_and_quotes() {
        let text = "On Monday Ann wrote:\n> > old\n> new_name * 2\n>\n> - x\nYes.\n-- \nAnn";
        let markdown =
            "On Monday Ann wrote:\n\n>> old\n>\n> new_name * 2\n>\n> \\- x\n\nYes.  \n\\--  \nAnn";
        assert_eq!(plain_to_markdown(text), markdown);
    }

    #[test]
    fn patches_and_tables_are_fenced() {
        let patch =
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@ f\n a\n\n-`b`\n+<b>\n-- \n2.39";
        let markdown = plain_to_markdown(&format!("See:\n{patch}"));
        assert_eq!(
            markdown,
            format!(
                "See:\n\n```diff\n{}\n```\n\n\\--  \n2.39",
                &patch[..patch.len() - 9]
            )
        );
        assert_eq!(
            plain_to_markdown("a    b\n```\n\n  c"),
            "````\na    b\n```\n\n  c\n````"
        );
    }

    #[test]
    fn signs_that_could_act_are_escaped_and_others_are_not() {
        let inline = |text| escape_inline(text, Edge::Line);
        assert_eq!(
            inline("snake_case _a_ *a* 2 * 3"),
            "snake_case \\_a\\_ \\*a\\* 2 * 3"
        );
        assert_eq!(
            inline("[x](javascript:y) [PATCH] a[i] <b> a < b"),
            "\\[x\\](javascript:y) [PATCH] a[i] \\<b> a < b"
        );
        assert_eq!(
            inline("a & b &amp; `c` \\n \\*"),
            "a & b \\&amp; \\`c\\` \\n \\\\\\*"
        );
        assert_eq!(escape_line_start("12. x"), "12\\. x");
        assert_eq!(escape_line_start("#include <x>"), "#include <x>");
        assert_eq!(escape_line_start("# x"), "\\# x");
        assert_eq!(escape_line_start("-----"), "\\-----");
    }
}
