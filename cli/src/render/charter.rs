//! The charter and its steps, to be read like a document.

use super::{author, count, short};
use crate::{moment, ui::sanitize};
use comity_client::types::{
    ChangeInfo, CharterInfo, CharterSpace, CharterStep, ForkInfo, KeyInfo, NamedText, RuleInfo,
};

/// Lines of a text that are shown of an article or a purpose in a change.
const EXCERPT_LINES: usize = 3;

/// The name behind a key, or the end of the key.
pub fn person(who: &KeyInfo) -> String {
    match &who.name {
        Some(name) => sanitize::line(name).into_owned(),
        None => author::key_tail(&who.key),
    }
}

/// Names in a row.
pub fn people(keys: &[KeyInfo]) -> String {
    let names: Vec<String> = keys.iter().map(person).collect();
    names.join(", ")
}

/// Everything the charter says at one state.
pub fn charter(it: &CharterInfo) -> Vec<String> {
    let mut lines = vec![
        format!("Charter of {}", sanitize::line(&it.name)),
        format!(
            "state    {}  ({}{})",
            it.id,
            match it.height {
                0 => "as founded".to_owned(),
                height => count(height, "resolution"),
            },
            if it.current { "" } else { ", not in force" }
        ),
    ];
    if !it.purpose.is_empty() {
        lines.push(format!("purpose  {}", sanitize::line(&it.purpose)));
    }
    if let Some((community, at)) = &it.continues {
        lines.push(format!("continues {} at {}", short(community), short(at)));
    }
    lines.push(format!(
        "quorum   {} of {} must approve a change",
        it.party_quorum,
        count(it.parties.len() as u64, "party")
    ));
    lines.push(String::new());
    lines.push("Parties".to_owned());
    for party in &it.parties {
        let left = if party.left { "  (has left)" } else { "" };
        let name = sanitize::line(&party.name);
        lines.push(format!("  {name}  {}{left}", short(&party.id)));
        if party.pinned != party.current {
            let (pinned, current) = (short(&party.pinned), short(&party.current));
            lines.push(format!(
                "    changed since: the charter names its state {pinned}, in force is {current}"
            ));
        }
        if it.current && !party.dropped.is_empty() {
            lines.push(format!(
                "    {} can still speak for it in resolutions, though no delegate any more: `comity \
                 charter propose --confirm-states` ends that",
                people(&party.dropped)
            ));
        }
    }
    lines.push(String::new());
    lines.push("Spaces".to_owned());
    lines.extend(it.spaces.iter().map(|space| space_line(it, space)));
    section(
        &mut lines,
        "Promises",
        it.promises.iter().map(|promise| {
            let who = match &promise.party {
                None => "every party".to_owned(),
                Some(party) => party_name(it, party),
            };
            format!("{}: {} by {who}", promise.name, count(promise.days, "day"))
        }),
    );
    section(&mut lines, "Rules for decisions", it.rules.iter().map(rule));
    section(
        &mut lines,
        "Labels",
        it.labels
            .iter()
            .map(|label| format!("{}: {}", label.name, label.text)),
    );
    for NamedText { name, text } in &it.articles {
        lines.extend(article(name, text));
    }
    lines.extend(forks(&it.forks));
    lines
}

/// An article, below an empty line.
pub fn article(name: &str, text: &str) -> Vec<String> {
    let title = format!("Article: {}", sanitize::line(name));
    let text = sanitize::text(text).into_owned();
    let text = text.lines().map(|line| format!("  {line}"));
    [String::new(), title].into_iter().chain(text).collect()
}

/// Adds what there is of one sort, below an empty line and its title.
pub fn section(lines: &mut Vec<String>, title: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        lines.push(String::new());
        lines.push(title.to_owned());
        lines.extend(items.map(|it| format!("  {}", sanitize::line(&it))));
    }
}

fn party_name(charter: &CharterInfo, id: &str) -> String {
    let found = charter.parties.iter().find(|it| it.id == id);
    found.map_or_else(|| short(id).to_owned(), |it| it.name.clone())
}

/// Who may read a space.
pub fn readers(charter: &CharterInfo, space: &CharterSpace) -> String {
    match space.readers.as_str() {
        "parties" => {
            let names: Vec<String> = space
                .reader_parties
                .iter()
                .map(|it| party_name(charter, it))
                .collect();
            format!("members of {}", names.join(", "))
        }
        other => other.to_owned(),
    }
}

fn space_line(charter: &CharterInfo, space: &CharterSpace) -> String {
    let mut line = format!(
        "  {}  {}  read by {}, written by {}",
        space.name,
        short(&space.id),
        readers(charter, space),
        space.writers
    );
    if let Some(kinds) = &space.kinds {
        line.push_str(&format!(", only {}", kinds.join(", ")));
    }
    if !space.forbidden_kinds.is_empty() {
        line.push_str(&format!(", no new {}", space.forbidden_kinds.join(", ")));
    }
    if let Some(by) = &space.closed_by {
        line.push_str(&format!(", closed by {}", short(by)));
    }
    if let Some(old) = &space.successor_of {
        line.push_str(&format!(", in succession of {}", short(old)));
    }
    if let Some(old) = &space.continues {
        line.push_str(&format!(", continues {}", short(old)));
    }
    sanitize::line(&line).into_owned()
}

/// A rule for decisions.
pub fn rule(rule: &RuleInfo) -> String {
    format!(
        "{}: {}, {} of those eligible take part, {} for it{}",
        rule.name,
        rule.method,
        percent(rule.quorum_permille),
        percent(rule.share_permille),
        if rule.concurrent {
            ", in each party by itself"
        } else {
            ""
        }
    )
}

fn percent(permille: u64) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

/// What people should know of forks; nothing if there are none.
pub fn forks(forks: &[ForkInfo]) -> Vec<String> {
    let mut lines = Vec::new();
    for fork in forks {
        lines.push(String::new());
        lines.push(format!(
            "FORK at {}: delegates certified {} in place of one. Followed is {}",
            short(&fork.parent),
            count(fork.children.len() as u64, "state"),
            short(&fork.winner)
        ));
        let decides = match fork.pinned {
            false => "`comity charter choose ID` decides",
            true => "the charter names a state of the branch that is followed, and that decides",
        };
        for child in fork.children.iter().filter(|it| **it != fork.winner) {
            lines.push(format!("  the other: {child}  ({decides})"));
        }
    }
    lines
}

/// A change from what to what.
pub fn change(it: &ChangeInfo) -> Vec<String> {
    let subject = sanitize::line(&it.subject).into_owned();
    let id = it.id.as_deref().map(|id| format!("  {}", id_of(id)));
    let id = id.unwrap_or_default();
    let one_line = |text: &str| !text.contains('\n');
    match (it.what.as_str(), &it.old, &it.new) {
        ("add_party", ..) => vec![format!("+ party {subject} joins{id}")],
        ("remove_party", ..) => vec![format!("- party {subject} is removed{id}")],
        ("close_space", Some(old), _) => {
            let old = sanitize::line(old);
            vec![format!(
                "- space {subject} is closed for new words ({old}){id}"
            )]
        }
        ("revoke", Some(old), _) => {
            vec![format!(
                "- {subject} is no longer {}{id}",
                sanitize::line(old)
            )]
        }
        ("cut_node", ..) => vec![format!(
            "- what the node {subject} signs from now on does not count"
        )],
        ("erase", Some(place), _) => {
            vec![format!(
                "- the words of {} {}",
                short(&subject),
                sanitize::line(place)
            )]
        }
        ("left", ..) => vec![format!("- the party leaves the community {subject}")],
        (list, None, Some(one)) if is_list(list) => vec![format!("+ {one} {subject}{id}")],
        (list, Some(one), None) if is_list(list) => vec![format!("- {one} {subject}{id}")],
        (what, None, Some(new)) if one_line(new) => {
            vec![format!(
                "+ {}: {}{id}",
                label(what, &subject),
                sanitize::line(new)
            )]
        }
        (what, Some(old), None) if one_line(old) => {
            vec![format!(
                "- {}: {}{id}",
                label(what, &subject),
                sanitize::line(old)
            )]
        }
        (what, Some(old), Some(new)) if one_line(old) && one_line(new) => {
            let label = label(what, &subject);
            let old = if old.is_empty() { "nothing" } else { old };
            vec![format!(
                "~ {label}: {} → {}{id}",
                sanitize::line(old),
                sanitize::line(new)
            )]
        }
        (what, old, new) => {
            let mut lines = vec![format!("~ {}:", label(what, &subject))];
            lines.extend(excerpt("- ", old.as_deref()));
            lines.extend(excerpt("+ ", new.as_deref()));
            lines
        }
    }
}

/// Whether a change adds a key to, or takes it from, one of a party's lists.
fn is_list(what: &str) -> bool {
    let lists = [
        "delegates",
        "stewards",
        "moderators",
        "nodes",
        "bridges",
        "observers",
    ];
    lists.contains(&what)
}

fn label(what: &str, subject: &str) -> String {
    let noun = noun(what);
    match noun.as_str() {
        "" => subject.to_owned(),
        noun if noun == subject => subject.to_owned(),
        noun => format!("{noun} {subject}"),
    }
}

fn noun(what: &str) -> String {
    match what {
        "kinds" => "kinds in".to_owned(),
        "groups" => String::new(),
        other => other.replace('_', " "),
    }
    .trim()
    .to_owned()
}

/// An id is shortened, a key shows its end.
fn id_of(id: &str) -> String {
    if id.starts_with("did:") {
        author::key_tail(id)
    } else {
        short(id).to_owned()
    }
}

fn excerpt(mark: &str, text: Option<&str>) -> Vec<String> {
    let text = sanitize::text(text.unwrap_or_default()).into_owned();
    let all = text.lines().count();
    let shown = text.lines().take(EXCERPT_LINES);
    let mut lines: Vec<String> = shown.map(|line| format!("    {mark}{line}")).collect();
    match all.saturating_sub(EXCERPT_LINES) {
        0 => {}
        1 => lines.push(format!("    {mark}… 1 more line")),
        more => lines.push(format!("    {mark}… {more} more lines")),
    }
    lines
}

/// The steps of a charter, oldest first.
pub fn log(steps: &[CharterStep]) -> Vec<String> {
    let mut lines = Vec::new();
    for step in steps {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let what = if step.parent.is_none() {
            "genesis"
        } else {
            "resolution"
        };
        let lost = if step.in_force {
            ""
        } else {
            "  NOT IN FORCE: a losing branch"
        };
        let time = moment::show(step.time_ms);
        lines.push(format!("{} {what} {}  {time}{lost}", step.height, step.id));
        let signers = step.signers.iter().map(|it| match &it.party {
            Some(party) => format!("{} ({})", person(&it.who), sanitize::line(party)),
            None => person(&it.who),
        });
        let signers: Vec<String> = signers.collect();
        lines.push(format!("  signed by {}", signers.join(", ")));
        if !step.reason.is_empty() {
            lines.push(format!("  reason: {}", sanitize::line(&step.reason)));
        }
        let changes = step.changes.iter().flat_map(change);
        lines.extend(changes.map(|it| format!("  {it}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(what: &str, old: Option<&str>, new: Option<&str>) -> ChangeInfo {
        ChangeInfo {
            what: what.into(),
            subject: "it".into(),
            id: None,
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
        }
    }

    #[test]
    fn a_change_says_from_what_to_what() {
        let one = |it: ChangeInfo| change(&it).join("\n");
        assert_eq!(
            one(info("promise", Some("30 days"), Some("14 days"))),
            "~ promise it: 30 days → 14 days"
        );
        assert_eq!(
            one(info("space", None, Some("read by everyone"))),
            "+ space it: read by everyone"
        );
        assert_eq!(
            one(info("rule", Some("majority"), None)),
            "- rule it: majority"
        );
        let purpose = ChangeInfo {
            subject: "purpose".into(),
            ..info("purpose", Some(""), Some("Tea"))
        };
        assert_eq!(one(purpose), "~ purpose: nothing → Tea");
        assert_eq!(
            one(info("add_party", None, Some("a party"))),
            "+ party it joins"
        );
        let long = one(info("article", Some("a\nb"), Some("1\n2\n3\n4\n5")));
        assert_eq!(
            long,
            "~ article it:\n    - a\n    - b\n    + 1\n    + 2\n    + 3\n    + … 2 more lines"
        );
    }

    #[test]
    fn words_of_others_cannot_touch_the_terminal() {
        let evil = info("label", None, Some("red\u{1b}[2J"));
        assert!(!change(&evil).join("").contains('\u{1b}'));
        let evil = info("article", Some("x"), Some("a\n\u{1b}[2J"));
        assert!(!change(&evil).join("").contains('\u{1b}'));
    }
}
