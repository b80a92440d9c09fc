//! Changes as people read them: from what to what.

use super::named::Named;
use comity_client::types::ChangeInfo;
use comity_protocol::{
    authority::{charter::CharterState, parties::Capacity},
    certificate::{
        Change, DecisionRule, ErasureOrder, Method, PartyState, Readers, Space, Writers,
    },
    id::PartyId,
    key::PublicKey,
};

/// A change of the charter, against the state that it changes.
pub(super) fn of_charter(named: &Named<'_>, before: &CharterState, change: &Change) -> ChangeInfo {
    match change {
        Change::SetName(name) => turned("name", "name", Some(before.name.to_string()), Some(name)),
        Change::SetPurpose(text) => turned(
            "purpose",
            "purpose",
            Some(before.purpose.to_string()),
            Some(text),
        ),
        Change::SetPartyQuorum(quorum) => {
            let old = Some(before.party_quorum.to_string());
            turned("party_quorum", "party quorum", old, Some(quorum))
        }
        Change::AddParty(_) | Change::RemoveParty(_) | Change::Revoke(..) | Change::CutNode(_) => {
            of_people(named, change)
        }
        Change::ConfirmStates => turned(
            "confirm_states",
            "states of the parties",
            Some("as the charter named them last".to_owned()),
            Some("as they are now: keys that a party dropped speak for it no more"),
        ),
        Change::DeclareSpace(_) | Change::CloseSpace(_) | Change::NarrowKinds(..) => {
            of_spaces(named, before, change)
        }
        Change::SetPromise(it) => promise(named, before, it.party, &it.name, Some(it.days)),
        Change::RemovePromise(party, name) => promise(named, before, *party, name, None),
        Change::SetRule(it) => rule(before, &it.name, Some(it)),
        Change::RemoveRule(name) => rule(before, name, None),
        Change::SetLabel(name, text) => {
            turned("label", name, before.labels.get(name).cloned(), Some(text))
        }
        Change::RemoveLabel(name) => ended("label", name, before.labels.get(name).cloned()),
        Change::SetArticle(name, text) => turned(
            "article",
            name,
            before.articles.get(name).cloned(),
            Some(text),
        ),
        Change::RemoveArticle(name) => ended("article", name, before.articles.get(name).cloned()),
    }
}

/// What an order of erasure does. What the words say is for those who read the space.
pub(super) fn of_words(named: &Named<'_>, order: &ErasureOrder) -> ChangeInfo {
    let place = format!("in {}", named.space(&order.space));
    about(
        order.contribution,
        ended("erase", &order.contribution.to_string(), Some(place)),
    )
}

fn turned(
    what: &str,
    subject: &str,
    old: Option<String>,
    new: Option<impl ToString>,
) -> ChangeInfo {
    ChangeInfo {
        what: what.to_owned(),
        subject: subject.to_owned(),
        id: None,
        old,
        new: new.map(|it| it.to_string()),
    }
}

fn ended(what: &str, subject: &str, old: Option<String>) -> ChangeInfo {
    turned(what, subject, old, None::<String>)
}

fn about(id: impl ToString, change: ChangeInfo) -> ChangeInfo {
    ChangeInfo {
        id: Some(id.to_string()),
        ..change
    }
}

fn of_people(named: &Named<'_>, change: &Change) -> ChangeInfo {
    match change {
        Change::AddParty(party) => {
            let name = named.party(party);
            about(party, turned("add_party", &name, None, Some("a party")))
        }
        Change::RemoveParty(party) => {
            let name = named.party(party);
            about(
                party,
                ended("remove_party", &name, Some("a party".to_owned())),
            )
        }
        Change::Revoke(party, member) => {
            let old = format!("a member by {}", named.party(party));
            about(member, ended("revoke", &named.person(member), Some(old)))
        }
        Change::CutNode(node) => {
            let old = Some("a node that counts".to_owned());
            about(node, ended("cut_node", &node.to_string(), old))
        }
        _ => ended("unknown", "", None),
    }
}

fn of_spaces(named: &Named<'_>, before: &CharterState, change: &Change) -> ChangeInfo {
    let name_of = |id| {
        let declared = before.spaces.get(id);
        declared.map_or_else(|| named.space(id), |it| it.space.name.clone())
    };
    let read = |id| before.spaces.get(id).map(|it| terms(named, &it.space));
    match change {
        Change::DeclareSpace(space) => {
            let mut new = terms(named, space);
            if let Some(old) = &space.successor_of {
                new.push_str(&format!(", in succession of {}", name_of(old)));
            }
            turned("space", &space.name, None, Some(new))
        }
        Change::CloseSpace(space) => {
            about(space, ended("close_space", &name_of(space), read(space)))
        }
        Change::NarrowKinds(space, kinds) => {
            let old = read(space);
            let new = format!("no new {}", kinds.join(", "));
            about(space, turned("kinds", &name_of(space), old, Some(new)))
        }
        _ => ended("unknown", "", None),
    }
}

/// Who reads and writes a space, and which kinds it holds.
pub(super) fn terms(named: &Named<'_>, space: &Space) -> String {
    let readers = match &space.readers {
        Readers::Everyone => "everyone".to_owned(),
        Readers::Members => "members".to_owned(),
        Readers::Parties(parties) => {
            let names: Vec<String> = parties.iter().map(|it| named.party(it)).collect();
            format!("members of {}", names.join(", "))
        }
        Readers::Groups(groups) => {
            let name =
                |(party, group): &(PartyId, String)| format!("{group} of {}", named.party(party));
            groups.iter().map(name).collect::<Vec<_>>().join(", ")
        }
        Readers::Persons(keys) => {
            let names: Vec<String> = keys.iter().map(|it| named.person(it)).collect();
            names.join(", ")
        }
    };
    let writers = match space.writers {
        Writers::Members => "members",
        Writers::Stewards => "stewards",
    };
    let kinds = match &space.kinds {
        Some(kinds) => format!(", only {}", kinds.join(", ")),
        None => String::new(),
    };
    format!("read by {readers}, written by {writers}{kinds}")
}

fn promise(
    named: &Named<'_>,
    before: &CharterState,
    party: Option<PartyId>,
    name: &str,
    days: Option<u64>,
) -> ChangeInfo {
    let who = party.map_or_else(|| "every party".to_owned(), |it| named.party(&it));
    let old = before.promises.get(&(party, name.to_owned())).copied();
    let subject = format!("{name} by {who}");
    turned("promise", &subject, old.map(days_text), days.map(days_text))
}

fn days_text(days: u64) -> String {
    match days {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

fn rule(before: &CharterState, name: &str, new: Option<&DecisionRule>) -> ChangeInfo {
    let old = before.rules.get(name).map(rule_text);
    turned("rule", name, old, new.map(rule_text))
}

/// The word for a method of counting.
pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::Majority => "majority",
        Method::Approval => "approval",
        Method::Score => "score",
        Method::Ranked => "ranked",
        Method::Consent => "consent",
    }
}

fn rule_text(rule: &DecisionRule) -> String {
    let each = match rule.concurrent {
        true => ", in each party by itself",
        false => "",
    };
    format!(
        "{}, {} of those eligible take part, {} for it{each}",
        method(rule.method),
        percent(rule.quorum_permille),
        percent(rule.share_permille)
    )
}

fn percent(permille: u64) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

/// What a state of a party changes against the one before; against nothing for the first.
pub(super) fn of_party(
    named: &Named<'_>,
    before: Option<&PartyState>,
    after: &PartyState,
) -> Vec<ChangeInfo> {
    let mut changes = Vec::new();
    let mut number = |what: &str, old: Option<String>, new: String| {
        if old.as_ref() != Some(&new) {
            changes.push(turned(what, &what.replace('_', " "), old, Some(new)));
        }
    };
    number("name", before.map(|it| it.name.clone()), after.name.clone());
    let needed = |it: &PartyState| it.delegates_needed.to_string();
    number("delegates_needed", before.map(needed), needed(after));
    let needed = |it: &PartyState| it.admission_needed.to_string();
    number("admission_needed", before.map(needed), needed(after));
    for capacity in Capacity::ALL {
        let old = before.map_or(&[][..], |it| capacity.keys(it));
        changes.extend(key_changes(
            named,
            list_of(capacity),
            old,
            capacity.keys(after),
        ));
    }
    for group in &after.groups {
        let old = before.and_then(|it| it.groups.iter().find(|old| old.name == group.name));
        let old = old.map(|it| it.keys.as_slice());
        let subject = format!("group {}", group.name);
        if old.is_none() {
            let new = Some(people(named, &group.keys));
            changes.push(turned("groups", &subject, None, new));
        } else if old != Some(&group.keys) {
            let old = old.map(|it| people(named, it));
            changes.push(turned(
                "groups",
                &subject,
                old,
                Some(people(named, &group.keys)),
            ));
        }
    }
    for gone in before.map_or(&[][..], |it| &it.groups) {
        if !after.groups.iter().any(|it| it.name == gone.name) {
            let subject = format!("group {}", gone.name);
            changes.push(ended("groups", &subject, Some(people(named, &gone.keys))));
        }
    }
    let old_left = before.map_or(&[][..], |it| &it.left);
    for community in after.left.iter().filter(|it| !old_left.contains(it)) {
        let old = Some("a party of it".to_owned());
        changes.push(about(community, ended("left", &community.to_string(), old)));
    }
    changes
}

/// The word for the list of a capacity.
fn list_of(capacity: Capacity) -> &'static str {
    match capacity {
        Capacity::Delegate => "delegates",
        Capacity::Steward => "stewards",
        Capacity::Moderator => "moderators",
        Capacity::Node => "nodes",
        Capacity::Bridge => "bridges",
        Capacity::Observer => "observers",
    }
}

fn key_changes(
    named: &Named<'_>,
    list: &str,
    old: &[PublicKey],
    new: &[PublicKey],
) -> Vec<ChangeInfo> {
    let one = list.trim_end_matches('s');
    let added = new.iter().filter(|it| !old.contains(it));
    let added = added.map(|key| about(key, turned(list, &named.person(key), None, Some(one))));
    let gone = old.iter().filter(|it| !new.contains(it));
    let gone = gone.map(|key| about(key, ended(list, &named.person(key), Some(one.to_owned()))));
    added.chain(gone).collect()
}

fn people(named: &Named<'_>, keys: &[PublicKey]) -> String {
    if keys.is_empty() {
        return "nobody".to_owned();
    }
    let names: Vec<String> = keys.iter().map(|it| named.person(it)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_days_read_well() {
        assert_eq!((percent(500), percent(667)), ("50%".into(), "66.7%".into()));
        assert_eq!(
            (days_text(1), days_text(14)),
            ("1 day".into(), "14 days".into())
        );
    }
}
