//! Tables that fit the terminal. On a terminal the widest flexible column gives way and long cells
//! end in `…`; elsewhere nothing is cut, so that pipes get everything.

use super::sanitize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Width of a terminal that does not tell.
pub const WIDTH_FALLBACK: usize = 80;

const GAP: &str = "  ";
/// A flexible column is not made narrower than this.
const FLEXIBLE_LEAST: usize = 8;

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    title: String,
    flexible: bool,
    right: bool,
}

impl Column {
    /// Always whole, as for ids.
    pub fn whole(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            flexible: false,
            right: false,
        }
    }

    /// Whole and aligned to the right, as for numbers.
    pub fn number(title: &str) -> Self {
        Self {
            right: true,
            ..Self::whole(title)
        }
    }

    /// Cut where the line would be too long, as for titles.
    pub fn flexible(title: &str) -> Self {
        Self {
            flexible: true,
            ..Self::whole(title)
        }
    }
}

/// Rows under titles. Every cell is made safe for terminals.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty, surplus ones are left out.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        let mut row: Vec<String> = cells
            .into_iter()
            .take(self.columns.len())
            .map(|cell| sanitize::line(cell.as_ref()).into_owned())
            .collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
        self
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, fitted to `width` columns if that is given.
    pub fn render(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width);
        let titles: Vec<String> = self.columns.iter().map(|c| c.title.clone()).collect();
        std::iter::once(&titles)
            .chain(&self.rows)
            .map(|cells| self.render_row(cells, &widths))
            .collect()
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let widest = |(at, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| row[at].width());
            cells.fold(column.title.width(), usize::max)
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(widest).collect();
        let Some(width) = width else { return widths };
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        loop {
            let excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
            let flexible = (0..widths.len()).filter(|at| self.columns[*at].flexible);
            let Some(at) = flexible.max_by_key(|at| widths[*at]) else {
                return widths;
            };
            if excess == 0 || widths[at] <= FLEXIBLE_LEAST {
                return widths;
            }
            // One column at a time, so that two wide columns end up equally wide.
            widths[at] -= 1;
        }
    }

    fn render_row(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if at > 0 {
                line.push_str(GAP);
            }
            let cell = cut(cell, *width);
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if self.columns[at].right {
                line.push_str(&padding);
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.push_str(&padding);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// The beginning of a text that is at most `width` terminal columns wide, with `…` if it was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let fits = c.width().unwrap_or(0);
        let stays = fits <= left;
        left = left.saturating_sub(fits);
        stays
    });
    let mut out: String = kept.collect();
    if width > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::whole("ID"),
            Column::flexible("TITLE"),
            Column::number("REPLIES"),
        ]);
        table.row(["a1", "How do I keep beans fresh for longer?", "12"]);
        table.row(["b2", "豆\u{1b}[2J", "3"]);
        table
    }

    #[test]
    fn elsewhere_than_on_a_terminal_nothing_is_cut() {
        assert_eq!(
            table().render(None),
            [
                "ID  TITLE                                  REPLIES",
                "a1  How do I keep beans fresh for longer?       12",
                "b2  豆␛[2J                                       3",
            ]
        );
    }

    #[test]
    fn on_a_terminal_the_flexible_column_gives_way() {
        assert_eq!(
            table().render(Some(30)),
            [
                "ID  TITLE              REPLIES",
                "a1  How do I keep be…       12",
                "b2  豆␛[2J                   3",
            ]
        );
    }

    #[test]
    fn a_wide_character_is_not_cut_in_half() {
        assert_eq!(cut("豆豆豆", 4), "豆…");
        assert_eq!(cut("豆豆豆", 6), "豆豆豆");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn rows_of_any_length_are_taken() {
        let mut table = table();
        table.row(["c3"]);
        table.row(["d4", "t", "1", "surplus"]);
        let lines = table.render(Some(30));
        assert_eq!(lines[3], "c3");
        assert!(!lines[4].contains("surplus"));
    }

    proptest! {
        #[test]
        fn lines_fit_and_nothing_panics(
            cells in prop::collection::vec(any::<String>(), 0..12),
            width in 30_usize..120,
        ) {
            let mut table = Table::new([Column::flexible("A"), Column::flexible("B")]);
            for pair in cells.chunks(2) {
                table.row(pair);
            }
            for line in table.render(Some(width)) {
                prop_assert!(line.width() <= width, "{line:?}");
                prop_assert!(!line.chars().any(sanitize::is_hazard));
            }
        }
    }
}
