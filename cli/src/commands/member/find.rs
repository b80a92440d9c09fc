//! From what people type to members, parties and what waits.

use crate::{error::CommandError, render, ui::sanitize};
use comity_client::types::{
    CommunityInfo, MemberStanding, PartyInfo, PendingRecord, Roster, RosterMember,
};

/// Fewest letters of the end of a key, or of an id.
const PART_MIN: usize = 4;

/// How a person is named in a sentence.
pub(super) fn name(member: &RosterMember) -> String {
    match &member.name {
        Some(name) => sanitize::line(name).into_owned(),
        None => render::author::key_tail(&member.root),
    }
}

/// The root key and all devices of a member.
pub(in crate::commands) fn device_keys(member: &RosterMember) -> Vec<String> {
    let devices = member.devices.iter().map(|it| it.key.clone());
    std::iter::once(member.root.clone())
        .chain(devices)
        .collect()
}

/// The member that is meant: by root key, the end of it, or name.
pub(in crate::commands) fn member<'a>(
    roster: &'a Roster,
    text: &str,
) -> Result<&'a RosterMember, CommandError> {
    let tail = text.trim_start_matches('…');
    let is_meant = |it: &&RosterMember| {
        it.root == text
            || it.name.as_deref() == Some(text)
            || (tail.len() >= PART_MIN && it.root.ends_with(tail))
    };
    let found: Vec<&RosterMember> = roster.members.iter().filter(is_meant).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(
            CommandError::failure(format!("there is no member {text:?} here"))
                .hint("`comity member list` shows names and keys"),
        ),
        several => {
            let keys = several.iter().map(|it| format!("{} {}", name(it), it.root));
            Err(
                CommandError::usage(format!("several members are named {text:?}"))
                    .hints(keys)
                    .hint("name one by key"),
            )
        }
    }
}

/// A standing with a party that has not ended.
pub(super) fn standing<'a>(
    member: &'a RosterMember,
    party: &PartyInfo,
) -> Result<&'a MemberStanding, CommandError> {
    let with_party = member.standings.iter().find(|it| it.party == party.id);
    match with_party {
        Some(it) if it.ended.is_none() => Ok(it),
        Some(_) => Err(CommandError::failure(format!(
            "the standing of {} with {} has ended already",
            name(member),
            sanitize::line(&party.name)
        ))
        .hint("`comity member list` shows when and by whom")),
        None => Err(CommandError::failure(format!(
            "{} is not a member by {}",
            name(member),
            sanitize::line(&party.name)
        ))
        .hint("a party decides about its own members only")),
    }
}

/// One's own standing that is meant.
pub(super) fn own_standing<'a>(
    me: &'a RosterMember,
    community: &CommunityInfo,
    named: Option<&str>,
) -> Result<&'a MemberStanding, CommandError> {
    let held = me.standings.iter().filter(|it| it.ended.is_none());
    let meant: Vec<&MemberStanding> = held
        .filter(|it| named.is_none_or(|text| it.party_name == text || is_start(text, &it.party)))
        .collect();
    match meant.as_slice() {
        [only] => Ok(only),
        [] => Err(CommandError::failure(format!(
            "you are not a member of {} by such a party",
            sanitize::line(&community.name)
        ))
        .hint("`comity member list` shows your parties")),
        _ => Err(
            CommandError::usage("you belong to several parties: say which one")
                .hints(meant.iter().map(|it| format!("there is {}", it.party_name)))
                .hint("name it with --party"),
        ),
    }
}

/// A party for which the person may sign.
pub(in crate::commands) fn party_of_delegate<'a>(
    community: &'a CommunityInfo,
    named: Option<&str>,
    root: &str,
) -> Result<&'a PartyInfo, CommandError> {
    let of_mine = |it: &&PartyInfo| it.delegates.iter().any(|key| key == root);
    let is_named =
        |it: &&PartyInfo| named.is_none_or(|text| it.name == text || is_start(text, &it.id));
    let named: Vec<&PartyInfo> = community.parties.iter().filter(is_named).collect();
    let mine: Vec<&PartyInfo> = named.iter().copied().filter(|it| of_mine(it)).collect();
    match (mine.as_slice(), named.is_empty()) {
        ([only], _) => Ok(only),
        ([], true) => Err(CommandError::failure("there is no such party here").hints(
            community
                .parties
                .iter()
                .map(|it| format!("there is {}", it.name)),
        )),
        ([], false) => Err(CommandError::failure(
            "you cannot decide this: only delegates of the party can",
        )
        .hint("`comity community show` lists the delegates: ask one of them")),
        _ => Err(
            CommandError::usage("you are a delegate of several parties: say for which one")
                .hints(mine.iter().map(|it| format!("there is {}", it.name)))
                .hint("name it with --party"),
        ),
    }
}

/// Revocation binds party and key for good: better said before than after.
pub(super) fn refuse_revoked(
    roster: &Roster,
    party: &PartyInfo,
    key: &str,
) -> Result<(), CommandError> {
    let known = roster.members.iter().find(|it| it.root == key);
    let mut standings = known.into_iter().flat_map(|it| &it.standings);
    let ended = standings.any(|it| it.party == party.id && it.ended.is_some());
    if !ended {
        return Ok(());
    }
    Err(CommandError::failure(format!(
        "cannot admit this key: its standing with {} has ended, and that is for good",
        sanitize::line(&party.name)
    ))
    .hint("who comes back does so with a new key: `comity init` in another folder"))
}

/// What waits under an id, or the start of it.
pub(super) fn pending<'a>(roster: &'a Roster, id: &str) -> Result<&'a PendingRecord, CommandError> {
    let is_meant = |it: &&PendingRecord| it.id == id || is_start(id, &it.id);
    let found: Vec<&PendingRecord> = roster.pending.iter().filter(is_meant).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(
            CommandError::failure(format!("nothing with the id {id} waits for delegates"))
                .hint("`comity member list` shows what does")
                .hint("if it was signed elsewhere just now, run `comity sync --wait` first"),
        ),
        _ => Err(CommandError::usage(format!(
            "several things that wait start with {id}: add more digits"
        ))),
    }
}

fn is_start(text: &str, id: &str) -> bool {
    text.len() >= PART_MIN && id.starts_with(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::Ending;

    fn member_of(root: &str, name: &str, ended: bool) -> RosterMember {
        let ending = Ending {
            how: "revoked".into(),
            records: Vec::new(),
            by: Vec::new(),
            beyond: 0,
        };
        RosterMember {
            root: root.to_owned(),
            name: Some(name.to_owned()),
            standings: vec![MemberStanding {
                party: "aaaa1".into(),
                party_name: "Club".into(),
                roles: Vec::new(),
                admitted_by: None,
                ended: ended.then_some(ending),
            }],
            devices: Vec::new(),
        }
    }

    fn party() -> PartyInfo {
        PartyInfo {
            id: "aaaa1".into(),
            name: "Club".into(),
            delegates: vec!["did:me".into()],
            delegates_needed: 1,
            state: String::new(),
            nodes: Vec::new(),
        }
    }

    #[test]
    fn members_are_found_by_name_key_or_the_end_of_it() {
        let members = vec![
            member_of("did:keyABCD", "Ada", false),
            member_of("did:keyEFGH", "Bob", false),
            member_of("did:keyIJKL", "Bob", false),
        ];
        let roster = Roster {
            members,
            pending: Vec::new(),
        };
        assert_eq!(member(&roster, "Ada").unwrap().root, "did:keyABCD");
        assert_eq!(member(&roster, "…EFGH").unwrap().root, "did:keyEFGH");
        assert_eq!(member(&roster, "did:keyIJKL").unwrap().root, "did:keyIJKL");
        assert_eq!(member(&roster, "Bob").unwrap_err().exit_code(), 2);
        assert!(member(&roster, "Eve").is_err());
        assert!(member(&roster, "FGH").is_err());
    }

    #[test]
    fn an_ended_standing_cannot_be_taken_or_given_again() {
        let gone = member_of("did:keyABCD", "Ada", true);
        assert!(standing(&gone, &party()).is_err());
        let roster = Roster {
            members: vec![gone],
            pending: Vec::new(),
        };
        let error = refuse_revoked(&roster, &party(), "did:keyABCD").unwrap_err();
        assert!(error.advice()[0].contains("new key"), "{error:?}");
        assert!(refuse_revoked(&roster, &party(), "did:keyEFGH").is_ok());
    }
}
