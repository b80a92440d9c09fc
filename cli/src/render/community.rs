//! Communities: parties, spaces, members.

use super::{author, count, short};
use crate::ui::{
    sanitize,
    table::{Column, Table},
};
use comity_client::types::{CommunityInfo, MemberInfo, SpaceInfo};

/// Communities, one a row.
pub fn communities(items: &[CommunityInfo]) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::flexible("NAME"),
        Column::number("PARTIES"),
        Column::number("SPACES"),
        Column::number("MEMBERS"),
        Column::whole("STATE"),
    ]);
    for item in items {
        table.row([
            short(&item.id),
            &item.name,
            &item.parties.len().to_string(),
            &declared(item).count().to_string(),
            &item.members.len().to_string(),
            &match (item.left, item.history, item.complete) {
                (true, _, _) => "left, kept as it was".to_owned(),
                (_, true, _) => format!("history of {}", continued_by(item, items)),
                (_, _, true) => "complete".to_owned(),
                (_, _, false) => "records still missing".to_owned(),
            },
        ]);
    }
    table
}

/// The communities that continue one, by name.
pub fn continued_by(community: &CommunityInfo, known: &[CommunityInfo]) -> String {
    let names = community.continued_by.iter().map(|id| {
        let fork = known.iter().find(|it| it.id == *id);
        match fork {
            Some(fork) if !fork.name.is_empty() => sanitize::line(&fork.name).into_owned(),
            _ => short(id).to_owned(),
        }
    });
    names.collect::<Vec<_>>().join(" and ")
}

fn declared(community: &CommunityInfo) -> impl Iterator<Item = &SpaceInfo> {
    let governance = &community.governance_space;
    community
        .spaces
        .iter()
        .filter(move |it| it.id != *governance)
}

/// Who can read a space, for people.
pub fn readers(space: &SpaceInfo) -> String {
    if space.readers == "everyone" {
        return "everyone".to_owned();
    }
    let who = match (space.readers.as_str(), space.reader_names.as_slice()) {
        ("members", _) | (_, []) => "members".to_owned(),
        ("persons", names) => names.join(", "),
        (_, names) => format!("members of {}", names.join(" and ")),
    };
    let people = match space.people {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    };
    let nodes = count(space.nodes, "node");
    sanitize::line(&format!("{who} ({people}, {nodes})")).into_owned()
}

/// What the node keeps of a space, for people.
pub fn kept(space: &SpaceInfo) -> String {
    let decided = match (space.keep.as_str(), space.keep.strip_prefix("recent ")) {
        (_, Some(days)) => format!("words of the last {days} days are kept"),
        ("structure", _) => "no words are kept but those written or read here".to_owned(),
        ("nothing", _) => "nothing is kept: not exchanged, what is here is as it was".to_owned(),
        _ => "everything is kept".to_owned(),
    };
    let decided = sanitize::line(&decided).into_owned();
    match (space.kept.as_str(), space.lacking) {
        ("partial", Some(0)) => format!("{decided}; no words are missing"),
        ("partial", Some(lacking)) => {
            format!(
                "{decided}; words of {} are not here",
                count(lacking, "contribution")
            )
        }
        ("partial", None) => format!("{decided}; some words are not here"),
        _ => decided,
    }
}

/// Whether a space is here whole, in a word.
fn kept_in_a_word(space: &SpaceInfo) -> &'static str {
    match space.kept.as_str() {
        "partial" => "in part",
        "not_exchanged" => "not kept",
        _ => "whole",
    }
}

/// Spaces, one a row.
pub fn spaces<'a>(items: impl IntoIterator<Item = (&'a CommunityInfo, &'a SpaceInfo)>) -> Table {
    let items: Vec<_> = items.into_iter().collect();
    let follows =
        |(_, it): &(_, &SpaceInfo)| it.successor_of.is_some() || !it.succeeded_by.is_empty();
    let succession_of = items.iter().any(follows);
    let columns = [
        Column::whole("ID"),
        Column::flexible("SPACE"),
        Column::flexible("COMMUNITY"),
        Column::flexible("READERS"),
        Column::whole("WRITERS"),
        Column::number("DOCUMENTS"),
    ];
    let kept_of = items.iter().any(|(_, it)| kept_in_a_word(it) != "whole");
    let more = [
        (kept_of, Column::whole("KEPT")),
        (succession_of, Column::flexible("SUCCESSION")),
    ];
    let more = more.into_iter().filter(|(is_shown, _)| *is_shown);
    let mut table = Table::new(columns.into_iter().chain(more.map(|(_, column)| column)));
    for (community, space) in items {
        let (readers, documents) = (readers(space), space.documents.to_string());
        let succession = succession(community, space).join("; ");
        let mut cells = vec![
            short(&space.id),
            &space.name,
            &community.name,
            &readers,
            &space.writers,
            &documents,
        ];
        if kept_of {
            cells.push(kept_in_a_word(space));
        }
        cells.push(&succession);
        table.row(cells);
    }
    table
}

/// What a space goes on from, and what goes on from it.
fn succession(community: &CommunityInfo, space: &SpaceInfo) -> Vec<String> {
    let name = |id: &String| {
        let named = community.spaces.iter().find(|it| it.id == *id);
        named.map_or_else(|| short(id).to_owned(), |it| it.name.clone())
    };
    let before = space.successor_of.iter();
    let before = before.map(|it| format!("goes on from {}", name(it)));
    let after = space.succeeded_by.iter();
    let after = after.map(|it| format!("goes on in {}", name(it)));
    before.chain(after).collect()
}

/// Everything about one space.
pub fn space(community: &CommunityInfo, space: &SpaceInfo) -> Vec<String> {
    let mut lines = vec![
        format!("{} of {}", space.name, community.name),
        format!("id       {}", space.id),
        format!("readers  {}", readers(space)),
        format!("writers  {}", space.writers),
        format!("holds    {}", count(space.documents, "document")),
        format!("kept     {}", kept(space)),
    ];
    let succession = succession(community, space).into_iter();
    lines.extend(succession.map(|it| format!("note     {it}")));
    let lines = lines.into_iter();
    lines.map(|it| sanitize::line(&it).into_owned()).collect()
}

/// Everything about one community.
pub fn community(item: &CommunityInfo, known: &[CommunityInfo]) -> Vec<String> {
    let mut lines = vec![
        sanitize::line(&item.name).into_owned(),
        format!("id       {}", item.id),
    ];
    if !item.purpose.is_empty() {
        lines.push(format!("purpose  {}", sanitize::line(&item.purpose)));
    }
    if item.left {
        lines.push("note     left: kept as it was, exchanged with nobody".to_owned());
    }
    if item.history {
        let forks = continued_by(item, known);
        lines.push(format!("note     history of {forks}, to be read"));
    }
    if !item.complete {
        lines.push("note     its first records have not all arrived yet".to_owned());
    }
    for party in &item.parties {
        lines.push(String::new());
        lines.push(format!(
            "party {}  {}",
            sanitize::line(&party.name),
            party.id
        ));
        lines.extend(
            party
                .delegates
                .iter()
                .map(|key| format!("  delegate  {key}")),
        );
        lines.extend(party.nodes.iter().map(|key| format!("  node      {key}")));
    }
    for space in declared(item) {
        lines.push(String::new());
        lines.push(format!(
            "space {}  {}",
            sanitize::line(&space.name),
            space.id
        ));
        lines.push(format!(
            "  read by {}, written by {}, {}",
            readers(space),
            space.writers,
            count(space.documents, "document")
        ));
    }
    lines.push(String::new());
    lines.push(count(item.members.len() as u64, "member"));
    lines.extend(item.members.iter().map(|it| member(item, it)));
    lines
}

fn member(community: &CommunityInfo, member: &MemberInfo) -> String {
    let name = member
        .name
        .clone()
        .unwrap_or_else(|| author::key_tail(&member.root));
    let parties: Vec<&str> = community
        .parties
        .iter()
        .filter(|party| member.parties.contains(&party.id))
        .map(|party| party.name.as_str())
        .collect();
    let line = format!(
        "  {name} ({})  {}  {}",
        parties.join(", "),
        member.roles.join(", "),
        member.root
    );
    sanitize::line(&line).into_owned()
}
