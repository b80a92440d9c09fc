//! A document with its thread.

use super::{author, count, short};
use crate::{moment, ui::sanitize};
use comity_client::types::{DocumentView, Field};

/// Deepest indentation of a reply, in levels.
const INDENT_MAX: usize = 6;

/// Contributions that are not in effect, or adopted, and named one by one.
const HELD_SHOWN: usize = 5;

/// The lines of a document and its thread, with stubs for what is not in effect.
pub fn document(view: &DocumentView) -> Vec<String> {
    lines_of(view, held(view))
}

/// The same where what is not in effect is shown as if it were.
pub fn with_held(view: &DocumentView) -> Vec<String> {
    let mut reasons: Vec<&str> = view.held.iter().map(|it| it.reason.as_str()).collect();
    reasons.dedup();
    let count = count(view.held.len() as u64, "contribution");
    let told = (!reasons.is_empty()).then(|| {
        let reasons = reasons.join(", ");
        format!(
            "note    not in effect: {count} shown here, {}",
            sanitize::line(&reasons)
        )
    });
    lines_of(view, told.into_iter().collect())
}

/// Says what is kept of a document and not in effect.
fn held(view: &DocumentView) -> Vec<String> {
    let id = short(&view.summary.id);
    if let Some(reason) = &view.summary.held {
        let reason = sanitize::line(reason);
        return vec![format!(
            "note    {reason}; `comity show --held {id}` shows it"
        )];
    }
    let items = view.held.iter().take(HELD_SHOWN).map(|it| {
        let (author, time) = (author::author(&it.author), moment::show(it.time_ms));
        let reason = sanitize::line(&it.reason);
        let what = &it.what;
        format!("note    {what} by {author}, {time}: {reason}; `comity show --held {id}` shows it")
    });
    let mut lines: Vec<String> = items.collect();
    if view.held.len() > HELD_SHOWN {
        let more = view.held.len() - HELD_SHOWN;
        lines.push(format!("note    and {more} more that are not in effect"));
    }
    lines
}

fn lines_of(view: &DocumentView, held: Vec<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = &view.summary;
    let title = match summary.held.is_some() && view.fields.is_empty() {
        true => "(not in effect)".into(),
        false => sanitize::line(&summary.title),
    };
    lines.push(format!("{title}  [{}]", what(view)));
    lines.push(format!("id      {}", summary.id));
    lines.push(format!("space   {}", sanitize::line(&summary.space_name)));
    lines.push(format!(
        "by      {}, {}",
        author::author(&summary.author),
        times(view)
    ));
    if let Some(from) = &summary.origin {
        lines.push(format!("origin  {}", author::origin(from)));
    }
    if !summary.tags.is_empty() {
        lines.push(format!(
            "tags    {}",
            sanitize::line(&summary.tags.join(", "))
        ));
    }
    if let Some(accepted) = &summary.accepted {
        lines.push(format!("answer  {accepted}"));
    }
    lines.push(format!("heads   {}", view.at.join(",")));
    lines.extend(held);
    lines.extend(notes(view));
    lines.push(String::new());
    lines.extend(body(view, ""));
    if !view.replies.is_empty() || summary.replies > 0 {
        lines.push(String::new());
        lines.push(format!("--- {} ---", count(summary.replies, "reply")));
        thread(view, &mut lines);
    }
    lines
}

fn what(view: &DocumentView) -> String {
    let summary = &view.summary;
    match &summary.form {
        Some(form) => form.clone(),
        None => summary.kind.clone(),
    }
}

fn times(view: &DocumentView) -> String {
    let summary = &view.summary;
    let created = moment::show(summary.created_ms);
    if summary.contributions > 1 {
        let edits = count(summary.contributions - 1, "edit");
        let last = moment::show(summary.updated_ms);
        format!("{created} ({edits}, last {last})")
    } else {
        created
    }
}

fn notes(view: &DocumentView) -> Vec<String> {
    let mut notes = Vec::new();
    if view.summary.erased {
        notes.push(match &view.summary.erased_by_order {
            None => "note    words were erased by their author".to_owned(),
            Some(order) => format!(
                "note    words were erased by order {} of a quorum",
                short(order)
            ),
        });
    }
    if view.summary.not_kept > 0 {
        notes.push(format!(
            "note    words of {} are not kept here: {} stands in their place",
            count(view.summary.not_kept, "contribution"),
            '\u{2588}'
        ));
    }
    if let Some(reason) = &view.summary.void {
        notes.push(format!(
            "note    without effect: {}",
            sanitize::line(reason)
        ));
    }
    if view.underived > 0 {
        let waiting = count(view.underived, "contribution");
        notes.push(format!(
            "note    {waiting} not yet derived into this view: look again soon"
        ));
    }
    notes.extend(adopted(view));
    notes.extend(view.fields.iter().filter_map(concurrent));
    notes
}

/// Says what is in effect because others built on it: presence, never authority.
fn adopted(view: &DocumentView) -> Vec<String> {
    let items = view.adopted.iter().take(HELD_SHOWN).map(|it| {
        let (author, time) = (author::author(&it.author), moment::show(it.time_ms));
        let (what, why) = (&it.what, author::adoption(&it.adoption));
        format!("note    {what} by {author}, {time}: {why}")
    });
    let mut lines: Vec<String> = items.collect();
    if view.adopted.len() > HELD_SHOWN {
        let more = view.adopted.len() - HELD_SHOWN;
        lines.push(format!(
            "note    and {more} more that are in effect because others built on them"
        ));
    }
    lines
}

/// Values that were set at once and are both kept: shown, not chosen in silence.
fn concurrent(field: &Field) -> Option<String> {
    let others: Vec<String> = field
        .concurrent
        .iter()
        .map(|it| {
            let value = it
                .value
                .as_str()
                .map_or_else(|| it.value.to_string(), str::to_owned);
            format!(
                "{:?} by {}",
                sanitize::line(&value),
                author::author(&it.author)
            )
        })
        .collect();
    (!others.is_empty()).then(|| {
        let name = sanitize::line(&field.name);
        format!(
            "note    {name} was set by several at once: {}",
            others.join("; ")
        )
    })
}

fn body(view: &DocumentView, margin: &str) -> Vec<String> {
    let text = view.text("body").or_else(|| view.text("about"));
    let Some(text) = text else {
        return view
            .fields
            .iter()
            .filter(|field| field.name != "origin" && field.name != "title")
            .map(|field| {
                let value = field
                    .value
                    .as_str()
                    .map_or_else(|| field.value.to_string(), str::to_owned);
                format!(
                    "{margin}{}: {}",
                    sanitize::line(&field.name),
                    sanitize::line(&value)
                )
            })
            .collect();
    };
    let safe = sanitize::text(text).into_owned();
    safe.trim_end()
        .lines()
        .map(|line| format!("{margin}{line}"))
        .collect()
}

/// Replies under what they answer. Replies whose parent is on another page stand at the top level.
fn thread(root: &DocumentView, lines: &mut Vec<String>) {
    let replies: Vec<&DocumentView> = root
        .replies
        .iter()
        .filter(|it| it.summary.kind != "accept")
        .collect();
    let here: std::collections::BTreeSet<&str> =
        replies.iter().map(|it| it.summary.id.as_str()).collect();
    let parent_of = |view: &DocumentView| {
        let parent = view.summary.parent.as_deref();
        parent
            .filter(|parent| here.contains(parent))
            .map(str::to_owned)
    };
    // An explicit stack: threads may be as deep as people like. What a cycle holds is never
    // reached from the top, so it is listed at the end.
    let mut shown = std::collections::BTreeSet::new();
    let mut stack: Vec<(&DocumentView, usize)> = replies
        .iter()
        .rev()
        .filter(|it| parent_of(it).is_none())
        .map(|it| (*it, 0))
        .collect();
    let mut rest = replies.iter();
    loop {
        let Some((view, level)) = stack.pop() else {
            match rest.find(|it| !shown.contains(it.summary.id.as_str())) {
                Some(left) => stack.push((left, 0)),
                None => break,
            }
            continue;
        };
        if !shown.insert(view.summary.id.as_str()) {
            continue;
        }
        reply(view, level, root.summary.accepted.as_deref(), lines);
        let children = replies
            .iter()
            .rev()
            .filter(|it| parent_of(it).as_deref() == Some(view.summary.id.as_str()));
        stack.extend(children.map(|it| (*it, level + 1)));
    }
}

fn reply(view: &DocumentView, level: usize, accepted: Option<&str>, lines: &mut Vec<String>) {
    let margin = "  ".repeat(level.min(INDENT_MAX));
    let summary = &view.summary;
    let answer = if accepted == Some(summary.id.as_str()) {
        "  [accepted answer]"
    } else {
        ""
    };
    lines.push(String::new());
    lines.push(format!(
        "{margin}{}, {}{answer}",
        author::author(&summary.author),
        times(view)
    ));
    lines.push(format!("{margin}{}", summary.id));
    if let Some(from) = &summary.origin {
        lines.push(format!("{margin}{}", author::origin(from)));
    }
    lines.extend(
        held(view)
            .into_iter()
            .chain(notes(view))
            .map(|note| format!("{margin}{note}")),
    );
    lines.extend(body(view, &format!("{margin}  ")));
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use comity_client::types::{AdoptedItem, Adoption, Author, DocumentSummary, Origin};

    pub(crate) fn view(id: &str, kind: &str, text: &str) -> DocumentView {
        let author = Author {
            device: "did:key:z6Mkdevice".into(),
            root: None,
            name: Some("Ada".into()),
            party: Some("Club".into()),
            once: None,
        };
        let summary = DocumentSummary {
            id: id.into(),
            community: "c".into(),
            space: "s".into(),
            space_name: "lobby".into(),
            kind: kind.into(),
            form: None,
            title: format!("Title of {id}"),
            author,
            created_ms: 0,
            updated_ms: 0,
            heads: vec![id.into()],
            contributions: 1,
            replies: 0,
            parent: None,
            accepted: None,
            tags: Vec::new(),
            origin: None,
            erased: false,
            not_kept: 0,
            erased_by_order: None,
            void: None,
            held: None,
        };
        let field = Field {
            name: "body".into(),
            value: text.into(),
            by: id.into(),
            concurrent: Vec::new(),
        };
        DocumentView {
            at: summary.heads.clone(),
            summary,
            fields: vec![field],
            underived: 0,
            replies: Vec::new(),
            next: None,
            held: Vec::new(),
            adopted: Vec::new(),
        }
    }

    fn answering(id: &str, parent: &str) -> DocumentView {
        let mut reply = view(id, "reply", "text");
        reply.summary.parent = Some(parent.into());
        reply
    }

    #[test]
    fn author_and_party_stand_beside_every_text() {
        let mut topic = view("t", "topic", "first\nsecond\u{1b}]0;x");
        topic.replies = vec![answering("r", "t")];
        topic.summary.replies = 1;
        topic.replies[0].summary.origin = Some(Origin {
            system: "mail".into(),
            id: "7".into(),
            author: "Bob".into(),
            time_ms: None,
        });
        let shown = document(&topic).join("\n");
        assert_eq!(shown.matches("Ada (Club)").count(), 2, "{shown}");
        assert!(
            shown.contains("imported, author not verified: Bob, mail 7"),
            "{shown}"
        );
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn replies_stand_under_what_they_answer_and_none_is_lost() {
        let mut topic = view("t", "topic", "");
        topic.replies = vec![
            answering("a", "t"),
            answering("b", "t"),
            answering("aa", "a"),
            answering("lost", "elsewhere"),
            answering("x", "y"),
            answering("y", "x"),
        ];
        topic.summary.replies = 6;
        let lines = document(&topic);
        let at = |id: &str| lines.iter().position(|it| it.trim() == id).unwrap();
        assert!(at("a") < at("aa") && at("aa") < at("b"));
        assert!(lines[at("aa")].starts_with("  "));
        for id in ["lost", "x", "y"] {
            at(id);
        }
    }

    #[test]
    fn what_others_keep_in_effect_says_so() {
        let mut page = view("p", "page", "text");
        let named = |name: &str, party: Option<&str>| Author {
            name: Some(name.into()),
            party: party.map(str::to_owned),
            once: Some("Club".into()),
            ..page.summary.author.clone()
        };
        let item = |number: usize| AdoptedItem {
            id: format!("p{number}"),
            what: "edit".into(),
            author: named("Mallory", None),
            time_ms: 0,
            adoption: Adoption {
                by: "b".into(),
                author: named("Ben", Some("Users")),
            },
        };
        let items: Vec<AdoptedItem> = (0..HELD_SHOWN + 2).map(item).collect();
        assert!(!document(&page).join("\n").contains("built on"));
        page.adopted = items;
        let shown = document(&page).join("\n");
        let line = "note    edit by Mallory (once Club), 1970-01-01 00:00 UTC: in effect because Ben \
            (Users) built on it; its author may not write here";
        assert_eq!(shown.matches(line).count(), HELD_SHOWN, "{shown}");
        assert!(shown.contains("and 2 more that are in effect"), "{shown}");
    }

    #[test]
    fn odd_states_are_said() {
        let mut page = view("p", "page", "text");
        page.summary.erased = true;
        page.summary.void = Some("rule".into());
        page.underived = 3;
        let shown = document(&page).join("\n");
        for part in [
            "erased",
            "without effect: rule",
            "3 contributions not yet derived",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
}
