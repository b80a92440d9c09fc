//! Members, their devices, and what waits for delegates.

use super::{author, count, short};
use crate::ui::table::{Column, Table};
use comity_client::types::{
    CommunityInfo, Ending, HeldItem, PendingRecord, RecordWithoutEffect, Roster, RosterDevice,
    RosterMember,
};

fn name_of(member: &RosterMember) -> String {
    match &member.name {
        Some(name) => name.clone(),
        None => author::key_tail(&member.root),
    }
}

fn name_of_key(roster: &Roster, key: &str) -> String {
    let known = roster.members.iter().find(|it| it.root == key);
    known.map_or_else(|| author::key_tail(key), name_of)
}

/// Standings, one a row.
pub fn members(roster: &Roster) -> Table {
    let mut table = Table::new([
        Column::flexible("NAME"),
        Column::flexible("PARTY"),
        Column::flexible("STATE"),
        Column::number("DEVICES"),
        Column::whole("KEY"),
    ]);
    for member in &roster.members {
        let devices = member.devices.iter().filter(|it| it.ended.is_none());
        let devices = devices.count().to_string();
        for standing in &member.standings {
            let state = match &standing.ended {
                None => standing.roles.join(", "),
                Some(ending) => ended(roster, ending),
            };
            table.row([
                &name_of(member),
                &standing.party_name,
                &state,
                &devices,
                &member.root,
            ]);
        }
    }
    table
}

fn ended(roster: &Roster, ending: &Ending) -> String {
    let beyond = match ending.beyond {
        0 => String::new(),
        beyond => format!(", {} not in effect", count(beyond, "entry")),
    };
    if ending.how == "left" {
        return format!("left{beyond}");
    }
    let by: Vec<String> = ending.by.iter().map(|it| name_of_key(roster, it)).collect();
    format!("revoked by {}{beyond}", by.join(", "))
}

/// What waits for delegates, one a row.
pub fn pending(community: &CommunityInfo, roster: &Roster) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::flexible("WAITS"),
        Column::flexible("PARTY"),
        Column::whole("AGREE"),
    ]);
    for it in &roster.pending {
        let party = community.parties.iter().find(|of| of.id == it.party);
        let party = party.map(|it| it.name.clone()).unwrap_or_default();
        let agree = format!("{} of {}", it.by.len(), it.needed);
        table.row([short(&it.id), &what(roster, it), &party, &agree]);
    }
    table
}

fn what(roster: &Roster, it: &PendingRecord) -> String {
    let subject = it.subject.as_deref().unwrap_or_default();
    let who = name_of_key(roster, subject);
    let roles = it.roles.join(", ");
    match (it.what.as_str(), it.target.as_deref()) {
        ("admission", _) => format!("admission of {who} as {roles}"),
        ("invitation", _) => format!("invitation as {roles}"),
        (_, Some("device")) => format!("end of the device {who}"),
        (_, Some("role")) => format!("{who} no longer {roles}"),
        _ => format!("revocation of {who}"),
    }
}

/// A person's devices, one a row.
pub fn devices(roster: &Roster, items: &[RosterDevice], here: &str) -> Table {
    let mut table = Table::new([
        Column::number("SLOT"),
        Column::flexible("STATE"),
        Column::whole("KEY"),
    ]);
    for item in items {
        let slot = item.slot.map(|it| it.to_string()).unwrap_or_default();
        let state = match &item.ended {
            Some(ending) => ended(roster, ending),
            None if item.key == here => "linked, this device".to_owned(),
            None => "linked".to_owned(),
        };
        table.row([&slot, &state, &item.key]);
    }
    table
}

/// Records of the roster without effect, one a row.
pub fn without_effect(items: &[RecordWithoutEffect]) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::whole("WHAT"),
        Column::flexible("SIGNER"),
        Column::flexible("WHY"),
    ]);
    for item in items {
        let signer = match &item.signer.name {
            Some(name) => name.clone(),
            None => author::key_tail(&item.signer.key),
        };
        table.row([short(&item.id), &item.what, &signer, &item.reason]);
    }
    table
}

/// What is kept and not in effect, one a row.
pub fn held(items: &[HeldItem]) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::whole("DOCUMENT"),
        Column::whole("WHAT"),
        Column::flexible("AUTHOR"),
        Column::flexible("WHY"),
    ]);
    for item in items {
        table.row([
            short(&item.id),
            short(&item.document),
            &item.what,
            &author::author(&item.author),
            &item.reason,
        ]);
    }
    table
}
