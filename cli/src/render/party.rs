//! Parties: who speaks for them, what serves them, how they came about.

use super::{
    charter::{change, forks, people, person},
    count, short,
};
use crate::ui::sanitize;
use comity_client::types::PartyDetail;

/// Everything about one party.
pub fn party(it: &PartyDetail) -> Vec<String> {
    let standing = match (it.left, it.in_charter) {
        (true, _) => "has left the community",
        (false, true) => "in the charter",
        (false, false) => "not in the charter",
    };
    let mut lines = vec![
        format!("party {}  {}", sanitize::line(&it.name), it.id),
        format!("  {standing}"),
        format!("  state     {}  (number {})", it.state, it.height),
        format!(
            "  needs     {} of {} for a change, {} for an admission",
            it.delegates_needed,
            count(it.delegates.len() as u64, "delegate"),
            it.admission_needed
        ),
    ];
    for delegate in &it.delegates {
        lines.push(format!(
            "  delegate  {}  {}",
            person(delegate),
            delegate.key
        ));
    }
    for (label, keys) in [
        ("stewards ", &it.stewards),
        ("moderators", &it.moderators),
        ("observers", &it.observers),
    ] {
        if !keys.is_empty() {
            lines.push(format!("  {label} {}", people(keys)));
        }
    }
    lines.extend(it.nodes.iter().map(|key| format!("  node      {key}")));
    lines.extend(it.bridges.iter().map(|key| format!("  bridge    {key}")));
    for group in &it.groups {
        let members = people(&group.members);
        lines.push(format!(
            "  group     {}: {members}",
            sanitize::line(&group.name)
        ));
    }
    for step in it.states.iter().filter(|step| step.parent.is_some()) {
        let lost = if step.in_force {
            ""
        } else {
            "  NOT IN FORCE: a losing branch"
        };
        lines.push(format!(
            "  change {}  {} by {}{lost}",
            step.height,
            short(&step.id),
            person(&step.proposer)
        ));
        let changes = step.changes.iter().flat_map(change);
        lines.extend(changes.map(|it| format!("    {it}")));
    }
    lines.extend(forks(&it.forks));
    lines
}
