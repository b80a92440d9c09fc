//! `comity space successor`: a new space that goes on from another, usually with more readers.
//!
//! A space is succeeded by one of its own sort. Spaces of the charter are public, so their successors
//! are proposed like every change of it. A space of a party or of a few people is known to its
//! readers alone: naming it in the charter would tell everybody that it is there.

use super::{
    charter,
    space::{declare, open},
};
use crate::{
    app::App,
    args::{
        charter::Propose,
        space::Succeed,
        terms::{ReadersArgument, SpaceTerms, Successor},
    },
    desk::parse,
    error::CommandError,
    lookup::{self, Place},
    session::Reach,
    ui::sanitize,
};
use comity_protocol::{certificate::Writers, id::SpaceId};

/// Proposes or declares a successor.
pub(super) async fn succeed(app: &App, args: &Succeed) -> Result<(), CommandError> {
    app.public()?;
    let found = app
        .with_node(Reach::Store, async |client| {
            let place = lookup::space(client, args.community.as_deref(), Some(&args.old)).await?;
            let charter = client.charter(&place.community.id, None).await?;
            let in_charter = charter.spaces.iter().any(|it| it.id == place.space.id);
            Ok((place, in_charter))
        })
        .await;
    let (place, in_charter) = found?;
    app.ui.status(&format!(
        "{} keeps its readers for good. Nothing that stands there is shown in {}: authors carry over \
         what they agree to, with `comity space carry ID --to {}`.",
        place.path(),
        sanitize::line(&args.name),
        sanitize::line(&args.name)
    ));
    match in_charter {
        true => in_the_charter(app, args, &place).await,
        false => beside_the_charter(app, args, &place).await,
    }
}

async fn in_the_charter(app: &App, args: &Succeed, place: &Place) -> Result<(), CommandError> {
    let Some(readers) = &args.readers else {
        return Err(CommandError::usage("a space of the charter needs readers")
            .hint("say --readers everyone, --readers members, or parties joined by +"));
    };
    let new = SpaceTerms {
        name: args.name.clone(),
        readers: ReadersArgument::from(readers.as_str()),
        only_stewards_write: args.stewards_write,
        kinds: None,
    };
    let old = place.space.id.clone();
    let propose = Propose {
        successor: vec![Successor { old, new }],
        reason: args.reason.clone(),
        community: Some(place.community.id.clone()),
        ..Propose::default()
    };
    charter::propose(app, &propose).await
}

async fn beside_the_charter(app: &App, args: &Succeed, place: &Place) -> Result<(), CommandError> {
    if args.readers.is_some() {
        return Err(CommandError::usage(format!(
            "{} is known to its readers alone: to name it in the charter would tell everybody that \
             it is there",
            place.path()
        ))
        .hint("its successor may be for other people (--with) or other groups (--group)")
        .hint("or propose a space that names none: `comity charter propose --space`"));
    }
    let old: SpaceId = parse(&place.space.id, "space")?;
    let community = Some(place.community.id.as_str());
    let writers = match args.stewards_write {
        true => Writers::Stewards,
        false => Writers::Members,
    };
    match (place.space.readers.as_str(), args.with.is_empty()) {
        ("persons", false) => open(app, &args.name, &args.with, community, Some(old)).await,
        ("persons", true) => Err(CommandError::usage("name who reads and writes it")
            .hint("say --with MEMBER, several times if need be")),
        _ => {
            app.with_node(Reach::Store, async |client| {
                let party = args.party.as_deref();
                let space = (args.name.as_str(), writers, Some(old));
                declare(app, client, &place.community, party, &args.groups, space).await
            })
            .await
        }
    }
}
