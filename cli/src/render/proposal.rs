//! A proposal as a document: what changes, who approved, who is still needed, what approving means.

use super::{
    charter::{change, people, person},
    count, short,
};
use crate::{
    moment,
    ui::{
        sanitize,
        table::{Column, Table},
    },
};
use comity_client::types::{ProposalInfo, SideInfo};

/// Proposals, one a row.
pub fn proposals(items: &[ProposalInfo]) -> Table {
    let mut table = Table::new([
        Column::whole("ID"),
        Column::whole("STATE"),
        Column::flexible("BY"),
        Column::flexible("CHANGES"),
        Column::flexible("NEEDS"),
    ]);
    for item in items {
        let changes: Vec<String> = item.changes.iter().flat_map(change).collect();
        let needs = match item.state.as_str() {
            "open" => needs(item).unwrap_or_default(),
            _ => String::new(),
        };
        table.row([
            short(&item.id),
            &item.state,
            &person(&item.proposer),
            &changes.join("; "),
            &needs,
        ]);
    }
    table
}

/// Whose approval is still missing; none if enough approved.
pub fn needs(item: &ProposalInfo) -> Option<String> {
    let lacking = |it: &&SideInfo| it.still_needed > 0;
    let mut parts: Vec<String> = item
        .parties
        .iter()
        .filter(|it| it.required)
        .filter(lacking)
        .map(party_needs)
        .collect();
    let approving = item
        .parties
        .iter()
        .filter(|it| it.votes && it.still_needed == 0);
    let required = item
        .parties
        .iter()
        .filter(|it| it.votes && it.required && it.still_needed > 0);
    let coming = (approving.count() + required.count()) as u64;
    let missing = item.party_quorum.saturating_sub(coming);
    if missing > 0 {
        let others: Vec<&SideInfo> = item
            .parties
            .iter()
            .filter(|it| it.votes && !it.required)
            .filter(lacking)
            .collect();
        match others.as_slice() {
            all if all.len() as u64 == missing => parts.extend(others.into_iter().map(party_needs)),
            _ => {
                let named: Vec<String> = others.into_iter().map(party_needs).collect();
                parts.push(format!("{missing} of {}", named.join(", ")));
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn party_needs(side: &SideInfo) -> String {
    let name = sanitize::line(&side.name);
    if !side.possible {
        return format!("{name} (which rejected it)");
    }
    let silent = people(&side.silent);
    match side.still_needed {
        1 if side.silent.len() == 1 => format!("{name} ({silent})"),
        needed => format!("{name} ({needed} of {silent})"),
    }
}

/// The whole document.
pub fn document(item: &ProposalInfo, community: &str) -> Vec<String> {
    let community = sanitize::line(community);
    let is_erasure = item.kind == "erasure";
    let about = match (&item.party, item.parties.first()) {
        _ if is_erasure => format!("words in {community}"),
        (Some(_), Some(side)) => format!("the party {}", sanitize::line(&side.name)),
        _ => format!("the charter of {community}"),
    };
    let time = item.time_ms.map(moment::show);
    let time = time.map(|it| format!(", {it}")).unwrap_or_default();
    let mut lines = vec![
        format!("Proposal {}", item.id),
        format!(
            "to {} {about}, by {}{time}",
            if is_erasure { "erase" } else { "change" },
            person(&item.proposer)
        ),
    ];
    if !item.reason.is_empty() {
        lines.push(String::new());
        lines.extend(sanitize::text(&item.reason).lines().map(str::to_owned));
    }
    lines.push(String::new());
    let heading = if is_erasure {
        "What goes"
    } else {
        "What changes"
    };
    lines.push(heading.to_owned());
    let changes = item.changes.iter().flat_map(change);
    lines.extend(changes.map(|it| format!("  {it}")));
    lines.push(String::new());
    if let Some(flaw) = &item.flaw {
        lines.push(format!("It can never pass: {flaw}"));
        return lines;
    }
    let voters = item.parties.iter().filter(|it| it.votes).count() as u64;
    lines.push(match &item.party {
        Some(_) => "Who approves".to_owned(),
        None => format!(
            "Who approves: at least {} of {}",
            item.party_quorum,
            count(voters, "party")
        ),
    });
    lines.extend(item.parties.iter().flat_map(side));
    lines.push(String::new());
    lines.push(standing(item));
    lines
}

fn side(side: &SideInfo) -> Vec<String> {
    let name = sanitize::line(&side.name);
    let joins = if side.votes { "" } else { ", which joins" };
    let state = if side.still_needed == 0 {
        "approves".to_owned()
    } else if !side.possible {
        "cannot approve any more".to_owned()
    } else {
        let must = if side.required {
            ", and nothing passes without it"
        } else {
            ""
        };
        format!(
            "{} still needed{must}",
            count(side.still_needed, "delegate")
        )
    };
    let mut lines = vec![format!("  {name}{joins}: {state}")];
    if !side.approved.is_empty() {
        lines.push(format!("    approved: {}", people(&side.approved)));
    }
    for rejected in &side.rejected {
        let reason = match rejected.reason.as_str() {
            "" => String::new(),
            reason => format!(": {}", sanitize::line(reason)),
        };
        lines.push(format!("    rejected: {}{reason}", person(&rejected.who)));
    }
    if !side.silent.is_empty() && side.still_needed > 0 {
        lines.push(format!("    not heard: {}", people(&side.silent)));
    }
    lines
}

/// How it stands, in one line.
pub fn standing(item: &ProposalInfo) -> String {
    match item.state.as_str() {
        "certified" => "Passed.".to_owned(),
        "carried" if item.kind == "erasure" => {
            "Enough approved: the words go wherever they are kept; they are not here, or not for you \
             to read."
                .to_owned()
        }
        "carried" => {
            "Enough approved: it takes effect as soon as a node puts it together.".to_owned()
        }
        "dead" => "Dead: too many rejected it, it cannot pass any more.".to_owned(),
        "flawed" => "It can never pass.".to_owned(),
        _ => match needs(item) {
            Some(needs) => format!("Not in force: needs approval by {needs}."),
            None => "Not in force yet.".to_owned(),
        },
    }
}

/// What approving it means, before somebody is asked.
pub fn meaning(item: &ProposalInfo) -> &'static str {
    match item.kind.as_str() {
        "erasure" => ERASURE_MEANING,
        _ => MEANING,
    }
}

const ERASURE_MEANING: &str = "\
Approving signs it with your root key, for good: as soon as enough others do, the words are erased at
every node that hears of it, and nobody can bring them back.";

const MEANING: &str = "\
Approving signs it with your root key, for good: it takes effect as soon as enough others do, and you
cannot approve another change of the same state unless this one is rejected by so many that it cannot pass.";

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::KeyInfo;

    fn key(name: &str) -> KeyInfo {
        KeyInfo {
            key: format!("did:key:z6Mk{name}"),
            name: Some(name.to_owned()),
        }
    }

    fn of(name: &str, approved: &[&str], silent: &[&str], needed: u64, required: bool) -> SideInfo {
        SideInfo {
            id: name.to_lowercase(),
            name: name.to_owned(),
            votes: true,
            required,
            delegates_needed: needed,
            still_needed: needed.saturating_sub(approved.len() as u64),
            possible: true,
            approved: approved.iter().map(|it| key(it)).collect(),
            rejected: Vec::new(),
            silent: silent.iter().map(|it| key(it)).collect(),
        }
    }

    fn open(quorum: u64, parties: Vec<SideInfo>) -> ProposalInfo {
        ProposalInfo {
            id: "3fa8".repeat(16),
            kind: "charter".into(),
            party: None,
            parent: "00".repeat(32),
            state: "open".into(),
            flaw: None,
            proposer: key("Ada"),
            changes: Vec::new(),
            reason: "Because\nof this".into(),
            time_ms: Some(0),
            party_quorum: quorum,
            parties,
            body: String::new(),
            certificate: None,
            you: None,
        }
    }

    #[test]
    fn who_is_still_needed_is_named() {
        let vendor = || of("Vendor", &["Ada"], &[], 1, false);
        let users = |required| of("Users", &[], &["Bob"], 1, required);
        let two = open(2, vec![vendor(), users(false)]);
        assert_eq!(needs(&two).as_deref(), Some("Users (Bob)"));
        assert_eq!(
            standing(&two),
            "Not in force: needs approval by Users (Bob)."
        );
        // One of two others suffices.
        let partners = || of("Partners", &[], &["Cy", "Di", "Ed"], 2, false);
        let three = open(2, vec![vendor(), users(false), partners()]);
        assert_eq!(
            needs(&three).as_deref(),
            Some("1 of Users (Bob), Partners (2 of Cy, Di, Ed)")
        );
        // One is required, so the quorum is reached with it.
        let three = open(2, vec![vendor(), users(true), partners()]);
        assert_eq!(needs(&three).as_deref(), Some("Users (Bob)"));
        assert_eq!(needs(&open(1, vec![vendor()])), None);
    }

    #[test]
    fn a_proposal_reads_like_a_document() {
        let item = open(
            2,
            vec![
                of("Vendor", &["Ada"], &[], 1, false),
                of("Users", &[], &["Bob"], 1, true),
            ],
        );
        let text = document(&item, "Coffee").join("\n");
        for part in [
            "to change the charter of Coffee, by Ada",
            "Because\nof this",
            "at least 2 of 2 parties",
            "  Vendor: approves\n    approved: Ada",
            "  Users: 1 delegate still needed, and nothing passes without it\n    not heard: Bob",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
