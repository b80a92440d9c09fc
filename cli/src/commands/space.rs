//! `comity space …`: who reads what, and spaces for a few.

use super::{draft::Draft, member::find_member, member::party_of_delegate};
use crate::{
    app::App,
    args::space::SpaceCommand,
    desk::parse,
    error::CommandError,
    lookup::{self, Place},
    moment::now_ms,
    random,
    render::community::readers,
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{CommunityInfo, SpaceInfo},
};
use comity_protocol::{
    certificate::{CertificateBody, Declarer, Readers, Space, SpaceDeclaration, Writers},
    key::PublicKey,
};
use serde_json::json;
use std::collections::BTreeSet;

/// Runs a command about spaces.
pub(super) async fn run(app: &App, command: SpaceCommand) -> Result<(), CommandError> {
    match command {
        SpaceCommand::List { community } => {
            super::community::spaces(app, community.as_deref()).await
        }
        SpaceCommand::Open {
            name,
            with,
            community,
        } => open(app, &name, &with, community.as_deref()).await,
        SpaceCommand::Declare {
            name,
            party,
            groups,
            stewards_write,
            community,
        } => {
            app.public()?;
            let writers = match stewards_write {
                true => Writers::Stewards,
                false => Writers::Members,
            };
            app.with_node(Reach::Store, async |client| {
                let community = lookup::community(client, community.as_deref()).await?;
                let space = (name.as_str(), writers);
                declare(app, client, &community, party.as_deref(), &groups, space).await
            })
            .await
        }
    }
}

async fn open(
    app: &App,
    name: &str,
    with: &[String],
    named: Option<&str>,
) -> Result<(), CommandError> {
    let public = app.public()?;
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, named).await?;
        let roster = client.members(&community.id).await?;
        let mut persons = BTreeSet::from([public.root]);
        for text in with {
            let member = find_member(&roster, text)?;
            persons.insert(parse::<PublicKey>(&member.root, "key")?);
        }
        let identity = app.unlock()?;
        let readers = Readers::Persons(persons.into_iter().collect());
        let declaration = SpaceDeclaration {
            community: parse(&community.id, "community")?,
            declarer: Declarer::Member {
                root: public.root,
                signer: public.device,
            },
            space: Space::new(name, readers, Writers::Members),
            nonce: random::bytes()?,
            time_ms: now_ms(),
        };
        check(&declaration)?;
        let mut draft = Draft::new(
            &community.id,
            &CertificateBody::SpaceDeclaration(declaration),
        );
        draft.sign(identity.device())?;
        if draft.hand_in(client).await?.is_none() {
            return Err(CommandError::failure(
                "the space was not opened: this device may not do it",
            )
            .hint("`comity member list` shows whether you are a member")
            .hint("`comity device list` shows whether this device is linked"));
        }
        tell(app, client, &community, &draft).await
    })
    .await
}

fn check(declaration: &SpaceDeclaration) -> Result<(), CommandError> {
    declaration
        .check()
        .map_err(|error| CommandError::usage("such a space cannot be declared").because(&error))
}

async fn declare(
    app: &App,
    client: &Client,
    community: &CommunityInfo,
    party: Option<&str>,
    groups: &[String],
    (name, writers): (&str, Writers),
) -> Result<(), CommandError> {
    let public = app.public()?;
    let party = party_of_delegate(community, party, &public.root.to_string())?;
    let id = parse(&party.id, "party")?;
    let known = client.party(&community.id, &party.id).await?.groups;
    if let Some(group) = groups
        .iter()
        .find(|it| known.iter().all(|of| of.name != **it))
    {
        let group = sanitize::line(group);
        return Err(CommandError::failure(format!(
            "{} has no group {group:?}: nobody would read the space",
            sanitize::line(&party.name)
        ))
        .hint("`comity party show` lists the groups")
        .hint(format!(
            "`comity party groups add {group} MEMBER…` makes it"
        )));
    }
    let readers = match groups {
        [] => Readers::Parties(vec![id]),
        groups => {
            let names: BTreeSet<&String> = groups.iter().collect();
            Readers::Groups(names.into_iter().map(|it| (id, it.clone())).collect())
        }
    };
    let declaration = SpaceDeclaration {
        community: parse(&community.id, "community")?,
        declarer: Declarer::Party {
            party: id,
            state: parse(&party.state, "state")?,
            proposer: public.root,
        },
        space: Space::new(name, readers, writers),
        nonce: random::bytes()?,
        time_ms: now_ms(),
    };
    check(&declaration)?;
    let identity = app.unlock()?;
    let mut draft = Draft::new(
        &community.id,
        &CertificateBody::SpaceDeclaration(declaration),
    );
    draft.sign(identity.root()?)?;
    if party.delegates_needed > 1 {
        app.ui.line(&draft.to_text())?;
        app.ui.status(&format!(
            "This is a draft: {} delegates of {} have to sign it, and you are the first.",
            party.delegates_needed,
            sanitize::line(&party.name)
        ));
        app.ui
            .hint("keep it in a file and send it to the next: `comity sign FILE`");
        return Ok(());
    }
    if draft.hand_in(client).await?.is_none() {
        return Err(CommandError::failure("the space was not declared")
            .hint("the party's state may have changed: run `comity sync --wait`, then try again"));
    }
    tell(app, client, community, &draft).await
}

/// The space as it stands now. Who declares a space for others is not shown it.
async fn tell(
    app: &App,
    client: &Client,
    community: &CommunityInfo,
    draft: &Draft,
) -> Result<(), CommandError> {
    let id = draft.space(&community.governance_space)?.to_string();
    let now = client.community(&community.id).await?;
    let Some(space) = now.spaces.iter().find(|it| it.id == id) else {
        if app.ui.is_json() {
            return app.ui.json(&json!({ "id": id, "community": community.id }));
        }
        app.ui
            .status("the space is declared. You are not among its readers: it is not shown to you");
        return app.ui.line(&id);
    };
    if app.ui.is_json() {
        return app.ui.json(space);
    }
    app.ui.status(&format!("readers: {}", readers(space)));
    app.ui.line(&space.id)?;
    app.ui.hint(&format!(
        "write in it: `comity publish FILE --space {}`",
        sanitize::line(&space.name)
    ));
    Ok(())
}

/// Says who will read what is about to be published. What names a document of a space with fewer
/// readers asks for consent: a name alone tells that something is there.
pub(super) async fn before_publishing(
    app: &App,
    client: &Client,
    place: &Place,
    text: &str,
    yes: bool,
) -> Result<(), CommandError> {
    app.ui
        .status(&format!("readers: {}", readers(&place.space)));
    let mut narrower = BTreeSet::new();
    for id in named_ids(text) {
        let Ok(entry) = client.entry(&id).await else {
            continue;
        };
        if entry.space != place.space.id
            && let Ok(other) = lookup::place_of(client, &entry.space).await
            && is_narrower(&other.space, &place.space)
        {
            narrower.insert(other.path());
        }
    }
    if narrower.is_empty() || yes {
        return Ok(());
    }
    let from: Vec<String> = narrower.into_iter().collect();
    app.ui.warning(&format!(
        "the text names something of {}, which fewer people read",
        from.join(", ")
    ));
    app.confirm(&format!("Publish it in {}?", place.path()))
}

/// Whether a space has fewer readers than another, as far as their sorts and numbers tell.
fn is_narrower(space: &SpaceInfo, than: &SpaceInfo) -> bool {
    let width = |it: &SpaceInfo| match it.readers.as_str() {
        "everyone" => 2,
        "members" => 1,
        _ => 0,
    };
    let (own, other) = (width(space), width(than));
    own < other || (own == 0 && other == 0 && space.reader_names != than.reader_names)
}

/// Whole ids that stand in a text.
fn named_ids(text: &str) -> BTreeSet<String> {
    const DIGITS: usize = 64;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_id = |word: &&str| {
        word.len() == DIGITS && word.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    words.filter(is_id).map(str::to_owned).collect()
}

/// What a space looks like as JSON, with the readers in words.
pub(super) fn as_json(space: &SpaceInfo) -> serde_json::Value {
    let mut value = json!(space);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("readable_by".into(), readers(space).into());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(readers: &str, names: &[&str]) -> SpaceInfo {
        SpaceInfo {
            id: String::new(),
            name: String::new(),
            community: String::new(),
            readers: readers.into(),
            writers: "members".into(),
            entries: 0,
            documents: 0,
            root: String::new(),
            reader_names: names.iter().map(ToString::to_string).collect(),
            people: 12,
            nodes: 3,
        }
    }

    #[test]
    fn readers_are_named_and_counted() {
        assert_eq!(readers(&space("everyone", &[])), "everyone");
        assert_eq!(
            readers(&space("members", &[])),
            "members (12 people, 3 nodes)"
        );
        assert_eq!(
            readers(&space("parties", &["A", "B"])),
            "members of A and B (12 people, 3 nodes)"
        );
        assert_eq!(
            readers(&space("persons", &["Ada", "Bob"])),
            "Ada, Bob (12 people, 3 nodes)"
        );
    }

    #[test]
    fn fewer_readers_are_narrower() {
        assert!(is_narrower(&space("members", &[]), &space("everyone", &[])));
        assert!(is_narrower(
            &space("parties", &["A"]),
            &space("members", &[])
        ));
        assert!(is_narrower(
            &space("parties", &["A"]),
            &space("parties", &["B"])
        ));
        assert!(!is_narrower(
            &space("everyone", &[]),
            &space("members", &[])
        ));
        assert!(!is_narrower(&space("members", &[]), &space("members", &[])));
    }

    #[test]
    fn whole_ids_are_found_wherever_they_stand() {
        let id = "ab".repeat(32);
        let text = format!("see [it](comity:{id}), not {}", "g".repeat(64));
        assert_eq!(named_ids(&text), BTreeSet::from([id]));
    }
}
