//! Builds Markdown from start tags, end tags and text, in one pass.

use super::{
    Converted,
    element::{inline_mark, language_of},
    link,
};
use crate::import::plain::{self, Edge};
use std::collections::BTreeSet;

/// Elements open at once that have an effect; deeper ones are read for their text.
const OPEN_MAX: usize = 32;
/// Quotes and list items inside each other.
const CONTAINERS_MAX: usize = 12;
/// Cells of one row, rows of one table.
const COLUMNS_MAX: usize = 32;
const ROWS_MAX: usize = 1_000;
/// Markdown beyond this is dropped; far above what an item may hold.
const OUT_MAX_BYTES: usize = 2 * 1024 * 1024;

enum Container {
    Quote,
    List { next: Option<u32> },
    Item { marker: String, fresh: bool },
}

/// An open inline element and where its content begins in the paragraph.
struct Inline {
    name: String,
    from: usize,
    href: Option<String>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<String>>,
    nested: usize,
    in_cell: bool,
}

#[derive(Default)]
pub(super) struct Writer {
    out: String,
    lost: BTreeSet<String>,
    paragraph: String,
    inlines: Vec<Inline>,
    containers: Vec<Container>,
    heading: usize,
    table: Option<Table>,
    /// Raw text of a `<pre>` or `<code>`, and the language named there.
    pre: Option<(String, String)>,
    code: Option<String>,
    /// The last block was the only one of its list item, so the next item may follow closely.
    tight: bool,
    /// Containers that have stayed open since the last block.
    shared: usize,
}

impl Writer {
    pub(super) fn lost(&mut self, what: impl Into<String>) {
        self.lost.insert(what.into());
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some((pre, _)) = &mut self.pre {
            pre.push_str(text);
        } else if let Some(code) = &mut self.code {
            code.push_str(text);
        } else {
            self.prose(text);
        }
    }

    fn prose(&mut self, text: &str) {
        let mut collapsed = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                ' ' | '\t' | '\n' => {
                    if !collapsed.ends_with(' ') {
                        collapsed.push(' ');
                    }
                }
                c => collapsed.push(c),
            }
        }
        let at_start = self.paragraph.is_empty() || self.paragraph.ends_with([' ', '\n']);
        let collapsed = if at_start {
            collapsed.trim_start_matches(' ')
        } else {
            &collapsed
        };
        let edge = if self.in_link() {
            Edge::InLink
        } else {
            Edge::Unknown
        };
        let escaped = plain::escape_inline(collapsed, edge);
        self.push(&escaped);
    }

    fn push(&mut self, markdown: &str) {
        if self.out.len() + self.paragraph.len() + markdown.len() <= OUT_MAX_BYTES {
            self.paragraph.push_str(markdown);
        } else if !markdown.is_empty() {
            self.lost("the end of a very long text");
        }
    }

    fn in_link(&self) -> bool {
        self.inlines.iter().any(|inline| inline.name == "a")
    }

    pub(super) fn start(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>) {
        if self.pre.is_some() {
            return self.start_in_pre(name, attribute);
        }
        if matches!(name, "a" | "img") || inline_mark(name).is_some() {
            self.escape_bang();
        }
        match name {
            "br" => self.line_break(),
            "img" => self.image(attribute),
            "code" | "tt" => self.code = Some(self.code.take().unwrap_or_default()),
            "q" => self.push("\""),
            "a" => {
                self.end_inline("a");
                self.open_inline(name, attribute("href"));
            }
            _ if inline_mark(name).is_some() => self.open_inline(name, None),
            _ => self.start_block(name, attribute),
        }
    }

    pub(super) fn end(&mut self, name: &str) {
        if self.pre.is_some() {
            if name == "pre" {
                self.end_pre();
            }
            return;
        }
        match name {
            "code" | "tt" => self.end_code(),
            "q" => self.push("\""),
            "br" => self.line_break(),
            "a" => self.end_inline(name),
            _ if inline_mark(name).is_some() => self.end_inline(name),
            _ => self.end_block(name),
        }
    }

    fn start_in_pre(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>) {
        if let Some((pre, language)) = &mut self.pre {
            match name {
                "br" => pre.push('\n'),
                "code" if language.is_empty() => *language = language_of(attribute),
                _ => {}
            }
        }
    }

    fn line_break(&mut self) {
        if self.table.is_some() || self.heading > 0 || self.in_link() || self.code.is_some() {
            return self.text(" ");
        }
        let end = self.paragraph.trim_end_matches(' ').len();
        self.paragraph.truncate(end);
        self.push("\n");
    }

    fn image(&mut self, attribute: &dyn Fn(&str) -> Option<String>) {
        let alt = attribute("alt").unwrap_or_default();
        let alt = crate::import::text::one_line(&alt, 200);
        let alt = if alt.is_empty() {
            "image".to_owned()
        } else {
            format!("image: {alt}")
        };
        let text = plain::escape_inline(&alt, Edge::InLink);
        let target = attribute("src")
            .ok_or("images without address")
            .and_then(|src| link::destination(&src));
        match target {
            Ok(target) if !self.in_link() => self.push_link(&text, &target),
            Ok(_) => self.push(&text),
            Err(why) => {
                self.lost(why.replace("links", "images").as_str());
                self.push(&text);
            }
        }
    }

    fn push_link(&mut self, text: &str, target: &str) {
        self.push(&format!("[{text}]({target})"));
    }

    /// An exclamation mark right before a link would make it an embedded image.
    fn escape_bang(&mut self) {
        let Some(before) = self.paragraph.strip_suffix('!') else {
            return;
        };
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        if backslashes.is_multiple_of(2) {
            self.paragraph.pop();
            self.push("\\!");
        }
    }

    fn open_inline(&mut self, name: &str, href: Option<String>) {
        if self.inlines.len() < OPEN_MAX {
            self.inlines.push(Inline {
                name: name.to_owned(),
                from: self.paragraph.len(),
                href,
            });
        }
    }

    fn end_inline(&mut self, name: &str) {
        if !self.inlines.iter().any(|inline| inline.name == name) {
            return;
        }
        while let Some(inline) = self.inlines.pop() {
            let found = inline.name == name;
            self.close_inline(&inline);
            if found {
                return;
            }
        }
    }

    fn close_inline(&mut self, inline: &Inline) {
        let from = inline.from.min(self.paragraph.len());
        let content = self.paragraph.split_off(from);
        let inner = content.trim_matches([' ', '\n']);
        if inner.is_empty() {
            return self.push(&content);
        }
        let (before, after) = content.split_once(inner).unwrap_or_default();
        self.push(before);
        if let Some(mark) = inline_mark(&inline.name) {
            // A mark next to the same mark would read as another one.
            if inner.starts_with(&mark[..1]) || inner.ends_with(&mark[..1]) {
                self.push(inner);
            } else {
                self.push(&format!("{mark}{inner}{mark}"));
            }
        } else {
            match inline.href.as_deref().map(link::destination) {
                Some(Ok(target)) => self.push_link(&inner.replace('\n', " "), &target),
                Some(Err(why)) => {
                    self.lost(why);
                    self.push(inner);
                }
                None => self.push(inner),
            }
        }
        self.push(after);
    }

    fn end_code(&mut self) {
        let Some(code) = self.code.take() else { return };
        let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
        if code.is_empty() {
            return;
        }
        let marks = "`".repeat(plain::longest_run(&code, '`') + 1);
        let space = if code.starts_with('`') || code.ends_with('`') {
            " "
        } else {
            ""
        };
        // A backtick before the span would lengthen its delimiter; in tables a bar ends the cell.
        let gap = if self.paragraph.ends_with('`') {
            " "
        } else {
            ""
        };
        let code = if self.table.is_some() {
            code.replace('|', "\\|")
        } else {
            code
        };
        self.push(&format!("{gap}{marks}{space}{code}{space}{marks}"));
    }

    fn start_block(&mut self, name: &str, attribute: &dyn Fn(&str) -> Option<String>) {
        self.end_code();
        if self.table.is_some() {
            return self.start_in_table(name);
        }
        self.flush();
        let room = self.containers.len() < CONTAINERS_MAX * 2;
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.heading = usize::from(name.as_bytes()[1] - b'0')
            }
            "hr" => self.block(&["---".to_owned()]),
            "pre" => self.pre = Some((String::new(), language_of(attribute))),
            "blockquote" if room => self.containers.push(Container::Quote),
            "ul" if room => self.containers.push(Container::List { next: None }),
            "ol" if room => {
                let start = attribute("start")
                    .and_then(|n| n.parse().ok())
                    .filter(|n| *n < 100_000_000);
                self.containers.push(Container::List {
                    next: Some(start.unwrap_or(1)),
                });
            }
            "li" => self.start_item(),
            "table" => self.table = Some(Table::default()),
            _ => {}
        }
    }

    fn start_item(&mut self) {
        if matches!(self.containers.last(), Some(Container::Item { .. })) {
            self.close_container(|container| matches!(container, Container::Item { .. }));
        }
        let Some(Container::List { next }) = self.containers.last_mut() else {
            return;
        };
        let marker = match next {
            Some(number) => {
                let marker = format!("{number}. ");
                *number += 1;
                marker
            }
            None => "- ".to_owned(),
        };
        self.containers.push(Container::Item {
            marker,
            fresh: true,
        });
    }

    fn end_block(&mut self, name: &str) {
        self.end_code();
        if self.table.is_some() {
            return self.end_in_table(name);
        }
        self.flush();
        match name {
            "blockquote" => self.close_container(|c| matches!(c, Container::Quote)),
            "ul" | "ol" => {
                self.close_container(|c| matches!(c, Container::List { .. }));
                self.tight = false;
            }
            "li" if self.inside_list() => {
                self.close_container(|c| matches!(c, Container::Item { .. }))
            }
            _ => {}
        }
    }

    /// The innermost list or item is an item: `</li>` must not reach through a list into another.
    fn inside_list(&self) -> bool {
        let innermost = self
            .containers
            .iter()
            .rev()
            .find(|c| !matches!(c, Container::Quote));
        matches!(innermost, Some(Container::Item { .. }))
    }

    fn close_container(&mut self, wanted: impl Fn(&Container) -> bool) {
        if let Some(at) = self.containers.iter().rposition(wanted) {
            self.containers.truncate(at);
            self.shared = self.shared.min(at);
        }
    }

    /// Ends the paragraph or heading under way.
    fn flush(&mut self) {
        while let Some(inline) = self.inlines.pop() {
            self.close_inline(&inline);
        }
        let heading = std::mem::take(&mut self.heading);
        let paragraph = std::mem::take(&mut self.paragraph);
        let lines: Vec<&str> = paragraph
            .split('\n')
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if lines.is_empty() {
            return;
        }
        if heading > 0 {
            let text = lines.join(" ");
            // A closing run of signs would be read as part of the heading's mark.
            let text = if text.ends_with('#') {
                format!("{text} \\#").replace("# \\#", "\\#")
            } else {
                text
            };
            return self.block(&[format!("{} {text}", "#".repeat(heading))]);
        }
        let last = lines.len() - 1;
        let lines: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let line = plain::escape_line_start(line);
                if index < last {
                    format!("{line}  ")
                } else {
                    line
                }
            })
            .collect();
        self.block(&lines);
    }

    fn end_pre(&mut self) {
        let Some((text, language)) = self.pre.take() else {
            return;
        };
        let text = text.strip_prefix('\n').unwrap_or(&text).trim_end();
        if !text.is_empty() {
            let lines: Vec<&str> = text.split('\n').collect();
            self.block(&plain::fence(&lines, &language));
        }
    }

    /// Writes a block with the marks of the quotes and lists around it.
    fn block(&mut self, lines: &[String]) {
        let fresh = matches!(
            self.containers.last(),
            Some(Container::Item { fresh: true, .. })
        );
        let follows_closely = fresh && self.tight;
        if !self.out.is_empty() && !follows_closely {
            let prefix = self.prefix(self.shared, false);
            self.out.push_str(prefix.trim_end());
            self.out.push('\n');
        }
        for line in lines {
            if self.out.len() + line.len() > OUT_MAX_BYTES {
                self.lost("the end of a very long text");
                break;
            }
            let prefix = self.prefix(self.containers.len(), true);
            if line.is_empty() {
                self.out.push_str(prefix.trim_end());
            } else {
                self.out.push_str(&prefix);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        self.tight = fresh;
        self.shared = self.containers.len();
    }

    /// Marks of the outer `depth` containers before a line; with `consume`, an item's marker is used up.
    fn prefix(&mut self, depth: usize, consume: bool) -> String {
        let mut prefix = String::new();
        for container in self.containers.iter_mut().take(depth) {
            match container {
                Container::Quote => prefix.push_str("> "),
                Container::List { .. } => {}
                Container::Item { marker, fresh } if *fresh && consume => {
                    *fresh = false;
                    prefix.push_str(marker);
                }
                Container::Item { marker, .. } => prefix.push_str(&" ".repeat(marker.len())),
            }
        }
        prefix
    }

    fn start_in_table(&mut self, name: &str) {
        let Some(table) = &mut self.table else { return };
        match name {
            "table" => table.nested += 1,
            "tr" if table.nested == 0 => {
                self.end_cell();
                if let Some(table) = &mut self.table
                    && table.rows.len() < ROWS_MAX
                {
                    table.rows.push(Vec::new());
                }
            }
            "td" | "th" if table.nested == 0 => {
                self.end_cell();
                if let Some(table) = &mut self.table {
                    table.in_cell = true;
                    if table.rows.is_empty() {
                        table.rows.push(Vec::new());
                    }
                }
            }
            _ => self.text(" "),
        }
    }

    fn end_in_table(&mut self, name: &str) {
        let Some(table) = &mut self.table else { return };
        match name {
            "table" if table.nested > 0 => table.nested -= 1,
            "table" => self.end_table(),
            "td" | "th" | "tr" if table.nested == 0 => self.end_cell(),
            _ => self.text(" "),
        }
    }

    fn end_cell(&mut self) {
        while let Some(inline) = self.inlines.pop() {
            self.close_inline(&inline);
        }
        let text = std::mem::take(&mut self.paragraph)
            .replace('\n', " ")
            .trim()
            .to_owned();
        let Some(table) = &mut self.table else { return };
        let in_cell = std::mem::take(&mut table.in_cell);
        if !in_cell && text.is_empty() {
            return;
        }
        let full = table.rows.len() >= ROWS_MAX;
        if table.rows.is_empty() {
            table.rows.push(Vec::new());
        }
        match table.rows.last_mut() {
            Some(row) if row.len() < COLUMNS_MAX && !full => row.push(text),
            _ => self.lost("cells of a very large table"),
        }
    }

    fn end_table(&mut self) {
        self.end_cell();
        let Some(table) = self.table.take() else {
            return;
        };
        let rows: Vec<_> = table
            .rows
            .into_iter()
            .filter(|row| !row.is_empty())
            .collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if columns == 0 {
            return;
        }
        let line = |row: &[String]| {
            let cell = |column: usize| row.get(column).map_or("", String::as_str);
            (0..columns).fold("|".to_owned(), |line, column| {
                format!("{line} {} |", cell(column))
            })
        };
        let mut lines = vec![line(&rows[0]), format!("|{}", " --- |".repeat(columns))];
        lines.extend(rows[1..].iter().map(|row| line(row)));
        self.block(&lines);
    }

    pub(super) fn finish(mut self) -> Converted {
        self.end_pre();
        self.end_code();
        if self.table.is_some() {
            self.end_table();
        }
        self.flush();
        self.out.truncate(self.out.trim_end().len());
        Converted {
            markdown: self.out,
            lost: self.lost,
        }
    }
}
