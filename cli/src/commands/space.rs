//! `comity space …`: who reads what, and spaces for a few.

use super::{
    carry::carry,
    draft::Draft,
    member::{find_member, party_of_delegate},
    succession::succeed,
};
use crate::{
    app::App,
    args::space::SpaceCommand,
    desk::parse,
    error::CommandError,
    lookup,
    moment::now_ms,
    random,
    render::{self, community::readers},
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{CommunityInfo, SpaceInfo},
};
use comity_protocol::{
    certificate::{CertificateBody, Declarer, Readers, Space, SpaceDeclaration, Writers},
    id::SpaceId,
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
        SpaceCommand::Show { name, community } => show(app, &name, community.as_deref()).await,
        SpaceCommand::Keep(args) => super::keep::keep(app, &args).await,
        SpaceCommand::Successor(args) => succeed(app, &args).await,
        SpaceCommand::Carry {
            ids,
            to,
            community,
            yes,
        } => carry(app, &ids, &to, community.as_deref(), yes).await,
        SpaceCommand::Open {
            name,
            with,
            community,
        } => open(app, &name, &with, community.as_deref(), None).await,
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
                let space = (name.as_str(), writers, None);
                declare(app, client, &community, party.as_deref(), &groups, space).await
            })
            .await
        }
    }
}

async fn show(app: &App, name: &str, community: Option<&str>) -> Result<(), CommandError> {
    let place = app
        .with_node(Reach::Store, async |client| {
            lookup::space(client, community, Some(name)).await
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&as_json(&place.space));
    }
    let mut lines = render::community::space(&place.community, &place.space).into_iter();
    lines.try_for_each(|line| app.ui.line(&line))
}

/// Opens a space for a few people; it may go on from another.
pub(super) async fn open(
    app: &App,
    name: &str,
    with: &[String],
    named: Option<&str>,
    successor_of: Option<SpaceId>,
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
            space: Space {
                successor_of,
                ..Space::new(name, readers, Writers::Members)
            },
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

/// Declares a space for a party or groups of it; it may go on from another.
pub(super) async fn declare(
    app: &App,
    client: &Client,
    community: &CommunityInfo,
    party: Option<&str>,
    groups: &[String],
    (name, writers, successor_of): (&str, Writers, Option<SpaceId>),
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
        space: Space {
            successor_of,
            ..Space::new(name, readers, writers)
        },
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

/// What a space looks like as JSON, with the readers in words.
pub(super) fn as_json(space: &SpaceInfo) -> serde_json::Value {
    let mut value = json!(space);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("readable_by".into(), readers(space).into());
    }
    value
}
