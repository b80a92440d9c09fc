//! `comity party …`

pub(super) mod cuts;
pub(super) mod exit;
pub(super) mod founding;
mod joining;

use super::charter::{
    floor::{self, Floor},
    take_floor,
};
use crate::{
    app::App,
    args::charter::{
        DelegatesChange, DelegatesCommand, GroupsCommand, KeysChange, KeysCommand, PartyCommand,
        PartyPlace, Thresholds,
    },
    compose::{
        codes::{Code, CodeError},
        party::{self, Edit, EditError, FirstState},
    },
    desk::parse,
    error::{Attempting as _, CommandError},
    lookup, random, render,
    session::Reach,
    ui::sanitize,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{CommunityInfo, CutQuery, PartyDetail},
};
use comity_protocol::{
    authority::parties::Capacity,
    certificate::{CertificateBody, PartyState},
    entry::Entry,
    id::EntryId,
    key::PublicKey,
};
use std::path::Path;

pub(super) async fn run(app: &App, command: PartyCommand) -> Result<(), CommandError> {
    match command {
        PartyCommand::Create { name, out } => joining::create(app, &name, out.as_deref()).await,
        PartyCommand::Show { party, community } => {
            show(app, party.as_deref(), community.as_deref()).await
        }
        PartyCommand::Invite {
            addresses,
            community,
        } => joining::invite(app, &addresses, community.as_deref()).await,
        PartyCommand::Accept { ticket, name, out } => {
            joining::accept(app, &ticket, &name, out.as_deref()).await
        }
        PartyCommand::Delegates(DelegatesCommand::Add(change)) => {
            delegates(app, change, true).await
        }
        PartyCommand::Delegates(DelegatesCommand::Remove(change)) => {
            delegates(app, change, false).await
        }
        PartyCommand::Thresholds(change) => thresholds(app, &change).await,
        PartyCommand::Nodes(command) => keys(app, Capacity::Node, command).await,
        PartyCommand::Stewards(command) => keys(app, Capacity::Steward, command).await,
        PartyCommand::Moderators(command) => keys(app, Capacity::Moderator, command).await,
        PartyCommand::Bridges(command) => keys(app, Capacity::Bridge, command).await,
        PartyCommand::Observers(command) => keys(app, Capacity::Observer, command).await,
        PartyCommand::Groups(command) => groups(app, command).await,
        PartyCommand::Leave { yes, place } => leave(app, yes, &place).await,
        PartyCommand::Approve(args) => floor::approve(app, &args).await,
        PartyCommand::Reject(args) => floor::reject(app, &args).await,
    }
}

async fn show(app: &App, party: Option<&str>, community: Option<&str>) -> Result<(), CommandError> {
    let parties = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, community).await?;
            Ok(match party {
                Some(party) => vec![client.party(&community.id, party).await?],
                None => client.parties(&community.id).await?,
            })
        })
        .await?;
    if app.ui.is_json() {
        return match party {
            Some(_) => app.ui.json(&parties[0]),
            None => app.ui.json(&parties),
        };
    }
    let root = app.public().ok().map(|it| it.root.to_string());
    for (index, party) in parties.iter().enumerate() {
        if index > 0 {
            app.ui.line("")?;
        }
        for line in render::party::party(party) {
            app.ui.line(&line)?;
        }
        let mut delegates = party.delegates.iter();
        if delegates.any(|it| Some(&it.key) == root.as_ref()) {
            warn(app, party);
        }
    }
    Ok(())
}

fn warn(app: &App, party: &PartyDetail) {
    for warning in &party.warnings {
        let name = sanitize::line(&party.name);
        app.ui.warning(&format!("{name}: {warning}"));
    }
}

async fn delegates(app: &App, change: DelegatesChange, add: bool) -> Result<(), CommandError> {
    let place = change.place.clone();
    edit(app, &place, async |community, _| {
        let key = (Capacity::Delegate, named_key(community, &change.key)?);
        let (added, removed) = if add {
            (vec![key], vec![])
        } else {
            (vec![], vec![key])
        };
        Ok(Edit {
            add: added,
            remove: removed,
            delegates_needed: change.needed,
            admission_needed: change.admission_needed,
            ..Edit::default()
        })
    })
    .await
}

async fn thresholds(app: &App, change: &Thresholds) -> Result<(), CommandError> {
    edit(app, &change.place, async |_, _| {
        Ok(Edit {
            delegates_needed: change.needed,
            admission_needed: change.admission_needed,
            ..Edit::default()
        })
    })
    .await
}

async fn keys(app: &App, list: Capacity, command: KeysCommand) -> Result<(), CommandError> {
    let (KeysChange { keys, place }, add) = match command {
        KeysCommand::Add(change) => (change, true),
        KeysCommand::Remove(change) => (change, false),
    };
    edit(app, &place, async |community, _| {
        let keys = keys.iter().map(|it| Ok((list, named_key(community, it)?)));
        let keys = keys.collect::<Result<Vec<_>, CommandError>>()?;
        let mut edit = Edit::default();
        if add {
            edit.add = keys
        } else {
            edit.remove = keys
        }
        Ok(edit)
    })
    .await
}

async fn groups(app: &App, command: GroupsCommand) -> Result<(), CommandError> {
    let (change, add) = match command {
        GroupsCommand::Add(change) => (change, true),
        GroupsCommand::Remove(change) => (change, false),
    };
    if add && change.keys.is_empty() {
        return Err(CommandError::usage("a group needs somebody in it")
            .hint("name members: `comity party groups add NAME MEMBER…`"));
    }
    edit(app, &change.place, async |community, _| {
        let keys = change.keys.iter().map(|it| named_key(community, it));
        let keys = keys.collect::<Result<Vec<_>, CommandError>>()?;
        let group = vec![(change.name.clone(), keys)];
        let mut edit = Edit::default();
        if add {
            edit.group_add = group
        } else {
            edit.group_remove = group
        }
        Ok(edit)
    })
    .await
}

async fn leave(app: &App, yes: bool, place: &PartyPlace) -> Result<(), CommandError> {
    edit(app, place, async |community, party| {
        app.ui.status(&format!(
            "{} leaves {}: its members can write no more there, its say in the charter ends, and \
             everything that was written stays, here and there",
            sanitize::line(&party.name),
            sanitize::line(&community.name)
        ));
        if !yes {
            app.confirm("Leave?")?;
        }
        Ok(Edit {
            leave: Some(parse(&community.id, "community")?),
            ..Edit::default()
        })
    })
    .await
}

/// Proposes the next state of the party that the person speaks for.
async fn edit(
    app: &App,
    place: &PartyPlace,
    make: impl AsyncFnOnce(&CommunityInfo, &PartyDetail) -> Result<Edit, CommandError>,
) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let mut floor = take_floor(app, client, &identity, place.community.as_deref()).await?;
        let detail = my_party(&floor, place.party.as_deref()).await?;
        let edit = make(&floor.community, &detail).await?;
        let leaves = edit.leave.is_some();
        let (id, before) = state_of(client, &detail).await?;
        let party = parse(&detail.id, "party")?;
        let root = identity.root()?.public();
        let next = party::next_state(party, (id, &before), &edit, root, random::bytes()?);
        let mut next = next.map_err(|error| not_possible(&detail, &error))?;
        floor.must_be_free(&detail.state).await?;
        let concerned = concerned(client, (&detail, &before), &next, &edit).await?;
        let tables = match &concerned {
            Some(concerned) => Some(cuts::of(&floor, concerned).await?),
            None => None,
        };
        if let Some(tables) = &tables {
            next.cuts = tables.cuts();
        }
        floor
            .put(&CertificateBody::Party(next), Vec::new(), tables)
            .await?;
        if !leaves {
            warn(app, &client.party(&floor.community.id, &detail.id).await?);
        }
        Ok(())
    })
    .await
}

/// Whose chains the next state of a party cuts; none if it takes nothing.
async fn concerned(
    client: &Client,
    (detail, before): (&PartyDetail, &PartyState),
    next: &PartyState,
    edit: &Edit,
) -> Result<Option<CutQuery>, CommandError> {
    let mut people = party::dropped(before, next);
    if next.admission_needed > before.admission_needed {
        // Whom fewer delegates admitted stays: what any of them signed so far counts as it did.
        for step in detail.states.iter().filter(|it| it.in_force) {
            people.extend(state_at(client, &step.id).await?.1.delegates);
        }
    }
    let leaving = edit.leave.map(|_| detail.id.clone());
    let takes = !people.is_empty() || leaving.is_some();
    Ok(takes.then(|| CutQuery {
        people: people.iter().map(ToString::to_string).collect(),
        parties: leaving.into_iter().collect(),
        ..CutQuery::default()
    }))
}

fn not_possible(party: &PartyDetail, error: &EditError) -> CommandError {
    let name = sanitize::line(&party.name);
    let made = CommandError::failure(format!("cannot change {name}: {error}"));
    match error {
        EditError::LastDelegate => {
            made.hint("add another first: `comity party delegates add MEMBER`")
        }
        EditError::Rule(_) => made.hint(
            "a change of the party needs more than half of its delegates and at most all, an \
             admission at least one",
        ),
        EditError::Nothing | EditError::NotListed(_) | EditError::NoGroup(_) => {
            made.hint("`comity party show` shows how it is")
        }
    }
}

/// The party that the person speaks for.
async fn my_party(floor: &Floor<'_>, named: Option<&str>) -> Result<PartyDetail, CommandError> {
    let root = floor.identity.public().root.to_string();
    let parties = floor.client.parties(&floor.community.id).await?;
    let mine = |it: &PartyDetail| it.delegates.iter().any(|key| key.key == root);
    let fits =
        |it: &PartyDetail| named.is_none_or(|name| it.name == name || it.id.starts_with(name));
    let mut fitting: Vec<PartyDetail> = parties
        .into_iter()
        .filter(|it| mine(it) && fits(it))
        .collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => Err(CommandError::failure(match named {
            Some(name) => format!("you are no delegate of {name:?} here"),
            None => "you are no delegate of a party here".to_owned(),
        })
        .hint("`comity party show` lists parties and their delegates")),
        _ => Err(
            CommandError::usage("you speak for several parties: say which with --party").hints(
                fitting
                    .iter()
                    .map(|it| format!("there is {} ({})", it.name, it.id)),
            ),
        ),
    }
}

/// The state in force, as it was signed.
async fn state_of(
    client: &Client,
    party: &PartyDetail,
) -> Result<(EntryId, PartyState), CommandError> {
    state_at(client, &party.state).await
}

async fn state_at(client: &Client, id: &str) -> Result<(EntryId, PartyState), CommandError> {
    let raw = client.entry(id).await?;
    let bytes = STANDARD_NO_PAD.decode(&raw.entry).ok();
    if let Some(Entry::Certificate(it)) = bytes.and_then(|it| Entry::decode(&it).ok())
        && let CertificateBody::Party(state) = it.body()
    {
        return Ok((it.id(), state.clone()));
    }
    Err(CommandError::internal(
        "the node gave a party's state that cannot be read",
    ))
}

/// A key: as such, or by the name of a member.
pub(super) fn named_key(community: &CommunityInfo, text: &str) -> Result<PublicKey, CommandError> {
    if text.starts_with("did:key:") {
        return text
            .parse()
            .map_err(|error: comity_protocol::key::KeyError| {
                CommandError::usage(format!("{text:?} is not a key"))
                    .because(&error)
                    .hint("keys look like did:key:z6Mk…, and are copied whole")
            });
    }
    let members = community.members.iter();
    let fitting: Vec<_> = members
        .filter(|it| it.name.as_deref() == Some(text))
        .collect();
    match fitting.as_slice() {
        [one] => parse(&one.root, "key"),
        [] => Err(CommandError::usage(format!(
            "{text:?} is neither a key nor the name of a member"
        ))
        .hint("`comity community show` lists members with their root keys")),
        several => Err(
            CommandError::usage(format!("several members are named {text:?}"))
                .hints(several.iter().map(|it| it.root.clone()))
                .hint("use the key"),
        ),
    }
}

/// The text of a code, or of the file that holds it.
pub(super) fn code_text(code: Code, text: &str) -> Result<String, CommandError> {
    if text.starts_with("comity") && !Path::new(text).exists() {
        return Ok(text.to_owned());
    }
    let found = std::fs::read_to_string(text).attempting(|| format!("read {text}"));
    found.map_err(|error| {
        error.hint(format!(
            "give the code itself, which starts with {}, or a file",
            code.prefix()
        ))
    })
}

/// The code of a party, as such or in a file.
pub(super) fn read_code(text: &str) -> Result<FirstState, CommandError> {
    let code = code_text(Code::Party, text)?;
    party::read_code(&code).map_err(|error| broken_code(&error))
}

fn broken_code(error: &CodeError) -> CommandError {
    CommandError::usage("the code cannot be used")
        .because(error)
        .hint("ask for it again, and copy it whole")
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::MemberInfo;

    #[test]
    fn keys_are_named_by_members() {
        let member = |name: &str, root: &str| MemberInfo {
            root: root.to_owned(),
            name: Some(name.to_owned()),
            parties: Vec::new(),
            roles: Vec::new(),
            devices: Vec::new(),
        };
        let key = |byte: u8| {
            comity_protocol::key::SecretKey::from_seed(&[byte; 32])
                .public()
                .to_string()
        };
        let mut community: CommunityInfo = serde_json::from_str(
            r#"{"id":"","name":"","purpose":"","complete":true,"governance_space":"",
                "governance":"","parties":[],"spaces":[],"members":[]}"#,
        )
        .unwrap();
        community.members = vec![
            member("Bob", &key(1)),
            member("Eve", &key(2)),
            member("Eve", &key(3)),
        ];
        assert_eq!(named_key(&community, "Bob").unwrap().to_string(), key(1));
        assert_eq!(named_key(&community, &key(9)).unwrap().to_string(), key(9));
        let error = named_key(&community, "Eve").unwrap_err();
        assert!(error.advice().contains(&key(3)), "{error:?}");
        for wrong in ["Ada", "did:key:z6Mk"] {
            assert_eq!(named_key(&community, wrong).unwrap_err().exit_code(), 2);
        }
    }
}
