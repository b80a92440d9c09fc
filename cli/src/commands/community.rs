//! `comity community …` and `comity space list`.

use super::terms::Parties;
use crate::{
    app::App,
    args::membership::CreateCommunity,
    compose::{
        founding::{self, Founding},
        party::Terms,
    },
    desk::{Desk, parse},
    error::CommandError,
    lookup,
    moment::now_ms,
    random, render,
    session::Reach,
};
use comity_client::types::CommunityInfo;
use comity_protocol::certificate::party_id;

/// Founds a community.
pub(super) async fn create(app: &App, args: CreateCommunity) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let status = client.status().await?;
        let party = args.party.clone();
        let (root, device) = (identity.root()?, identity.device());
        let mut founding = Founding {
            name: args.name.clone(),
            purpose: args.purpose.clone(),
            party: party.unwrap_or_else(|| identity.public().name.as_str().to_owned()),
            node: parse(&status.node, "node key")?,
            spaces: Vec::new(),
            terms: Terms::default(),
            nonces: [random::bytes()?, random::bytes()?],
            time_ms: now_ms(),
        };
        let first = founding.first_state(root.public());
        let own = (first.name.clone(), party_id(&first).to_string());
        let parties = Parties {
            named: vec![own],
            of: "those that found it",
        };
        (founding.spaces, founding.terms) = parties.founding(&args)?;
        let founded = founding::found(founding, root, device, identity.public().slot)?;
        desk.found(founded.community, &founded.entries).await?;
        let community = client.community(&founded.community.to_string()).await?;
        if app.ui.is_json() {
            return app.ui.json(&community);
        }
        app.ui.status(&format!("founded {}", community.name));
        app.ui.line(&community.id)?;
        app.ui
            .hint("write something: `comity publish FILE --space SPACE`");
        app.ui
            .hint("let others in: `comity node start`, then `comity invite`");
        Ok(())
    })
    .await
}

/// Lists communities.
pub(super) async fn list(app: &App) -> Result<(), CommandError> {
    let communities = app
        .with_node(Reach::Store, async |client| {
            Ok(client.communities().await?)
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&communities);
    }
    if communities.is_empty() {
        app.ui
            .hint("none yet: `comity community create NAME`, or `comity join TICKET`");
        return Ok(());
    }
    app.ui.table(&render::community::communities(&communities))
}

/// Shows a community.
pub(super) async fn show(app: &App, named: Option<&str>) -> Result<(), CommandError> {
    let (community, known) = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, named).await?;
            Ok((community, client.communities().await?))
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&community);
    }
    render::community::community(&community, &known)
        .iter()
        .try_for_each(|line| app.ui.line(line))
}

/// Lists spaces.
pub(super) async fn spaces(app: &App, named: Option<&str>) -> Result<(), CommandError> {
    let communities: Vec<CommunityInfo> = app
        .with_node(Reach::Store, async |client| match named {
            Some(_) => Ok(vec![lookup::community(client, named).await?]),
            None => Ok(client.communities().await?),
        })
        .await?;
    let places: Vec<_> = communities.into_iter().flat_map(lookup::places).collect();
    if app.ui.is_json() {
        let spaces: Vec<_> = places
            .iter()
            .map(|it| super::space::as_json(&it.space))
            .collect();
        return app.ui.json(&spaces);
    }
    let rows = places.iter().map(|it| (&it.community, &it.space));
    app.ui.table(&render::community::spaces(rows))
}
