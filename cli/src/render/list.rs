//! Lists: documents, history, blame, events, candidates.

use super::{author, short};
use crate::{
    moment,
    ui::{
        sanitize,
        table::{Column, Table},
    },
};
use comity_client::types::{BlameSpan, DocumentSummary, Event, HistoryItem};
use unicode_width::UnicodeWidthStr as _;

/// Documents, one a row.
pub fn documents(items: &[DocumentSummary]) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::whole("KIND"),
        Column::flexible("TITLE"),
        Column::flexible("AUTHOR"),
        Column::whole("CREATED"),
        Column::number("REPLIES"),
        Column::flexible("SPACE"),
    ]);
    for item in items {
        let kind = item.form.as_ref().unwrap_or(&item.kind);
        let mut title = item.title.clone();
        if item.erased {
            title.push_str(" [erased]");
        }
        if item.not_kept > 0 {
            title.push_str(" [not kept here]");
        }
        if item.void.is_some() {
            title.push_str(" [without effect]");
        }
        if let Some(reason) = &item.held {
            title = format!("[{reason}]");
        }
        table.row([
            short(&item.id),
            kind,
            &title,
            &author::cell(&item.author, item.origin.as_ref()),
            &moment::show(item.created_ms),
            &item.replies.to_string(),
            &item.space_name,
        ]);
    }
    table
}

/// The steps of a document, one a row; ids whole, to be copied into `show --at` and `diff`.
pub fn history(items: &[HistoryItem]) -> Table {
    let mut table = Table::new([
        Column::whole("CONTRIBUTION"),
        Column::whole("WHAT"),
        Column::flexible("FIELDS"),
        Column::flexible("AUTHOR"),
        Column::whole("TIME"),
        Column::flexible("VERDICT"),
    ]);
    for item in items {
        let mut verdict = item.verdict.clone();
        if let Some(reason) = &item.reason {
            verdict = format!("{verdict}: {reason}");
        }
        if item.erased {
            verdict.push_str(", erased");
        }
        if item.not_kept {
            verdict.push_str(", words not kept here");
        }
        table.row([
            item.id.as_str(),
            &item.what,
            &item.fields.join(","),
            &author::author(&item.author),
            &moment::show(item.time_ms),
            &verdict,
        ]);
    }
    table
}

/// A text with the author of each part in front of each line. A line by several has one row each.
pub fn blame(spans: &[BlameSpan]) -> Vec<String> {
    let margin = |span: &BlameSpan| {
        format!(
            "{} {} {}",
            short(&span.by),
            moment::show(span.time_ms),
            author::author(&span.author)
        )
    };
    let width = spans.iter().map(|span| margin(span).width()).max();
    let width = width.unwrap_or_default();
    let mut lines = Vec::new();
    let mut line_begins = true;
    for span in spans {
        let mut who = margin(span);
        for line in span.text.split_inclusive('\n') {
            let ends = line.ends_with('\n');
            let text = line.trim_end_matches(['\n', '\r']);
            // The mere end of a line that others wrote says nothing.
            if !text.is_empty() || line_begins {
                let padding = " ".repeat(width - who.width());
                let row = format!("{who}{padding} │ {}", sanitize::line(text));
                lines.push(row.trim_end().to_owned());
                who.clear();
            }
            line_begins = ends;
        }
    }
    lines
}

/// Which contributions in a blame are in effect only because others built on them, each once.
pub fn adopted(spans: &[BlameSpan]) -> Vec<String> {
    let mut named = std::collections::BTreeSet::new();
    let adopted = spans.iter().filter_map(|span| {
        let adoption = span.adopted.as_ref()?;
        named.insert(&span.by).then(|| {
            let (by, why) = (short(&span.by), author::adoption(adoption));
            format!("{by} by {} is {why}", author::author(&span.author))
        })
    });
    adopted.collect()
}

/// One thing that happened, on one line.
pub fn event(event: &Event) -> String {
    let mut parts = vec![if event.event == "entry" {
        event.cursor.to_string()
    } else {
        "-".to_owned()
    }];
    parts.push(event.event.clone());
    parts.extend(event.what.clone());
    parts.extend(event.kind.clone());
    parts.extend(event.document.clone().or_else(|| event.id.clone()));
    parts.extend(
        event
            .title
            .as_ref()
            .map(|title| format!("{:?}", sanitize::line(title))),
    );
    parts.extend(
        event
            .author
            .as_ref()
            .map(|it| format!("by {}", author::author(it))),
    );
    parts.extend(event.message.clone());
    sanitize::line(&parts.join(" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::{Adoption, Author};

    fn ada() -> Author {
        Author {
            device: "d".into(),
            root: None,
            name: Some("Ada".into()),
            party: Some("Club".into()),
            once: None,
        }
    }

    #[test]
    fn blame_names_the_author_of_each_part_once() {
        let span = |text: &str| BlameSpan {
            text: text.into(),
            by: "0123456789".into(),
            author: ada(),
            time_ms: 0,
            adopted: None,
        };
        let lines = blame(&[span("one\ntwo\n"), span("three"), span("\n")]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("01234567 1970") && lines[0].ends_with("│ one"));
        assert!(lines[1].starts_with(' ') && lines[1].ends_with("│ two"));
        assert!(lines[2].contains("Ada (Club)"));
    }

    #[test]
    fn blame_names_what_is_adopted_once() {
        let span = |by: &str, adopted: bool| BlameSpan {
            text: "one\n".into(),
            by: by.into(),
            author: ada(),
            time_ms: 0,
            adopted: adopted.then(|| Adoption {
                by: "fedcba9876".into(),
                author: ada(),
            }),
        };
        let spans = [
            span("0123456789", true),
            span("fedcba9876", false),
            span("0123456789", true),
        ];
        assert_eq!(
            adopted(&spans),
            [
                "01234567 by Ada (Club) is in effect because Ada (Club) built on it; its author may not \
                 write here"
            ]
        );
    }

    #[test]
    fn an_event_is_one_line() {
        let happened = Event {
            cursor: 7,
            event: "entry".into(),
            id: Some("e1".into()),
            what: Some("create".into()),
            document: Some("d1".into()),
            kind: Some("topic".into()),
            space: None,
            author: Some(ada()),
            title: Some("two\nlines".into()),
            message: None,
            task: None,
        };
        let line = event(&happened);
        assert!(!line.contains('\n'));
        assert!(line.starts_with("7 entry create topic d1 "), "{line}");
        assert!(line.ends_with("by Ada (Club)"), "{line}");
    }
}
