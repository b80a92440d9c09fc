//! `GET /v0/spaces/{space}/context`: what a device needs to sign its next entry in a space.

use super::{
    App,
    error::Failure,
    extract::{Args, Name, State, blocking},
    lookup,
};
use crate::{archive::Archive, held::Reason, ledger::Ledger, random, views::held};
use axum::Json;
use comity_client::types::SigningContext;
use comity_protocol::{
    authority::{Act, Authority, Unauthorized},
    certificate::governance_space,
    id::{EntryId, SpaceId},
    key::PublicKey,
};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub(super) struct Asked {
    author: String,
}

pub(super) async fn context(
    State(app): State<Arc<App>>,
    Name(space): Name,
    Args(Asked { author }): Args<Asked>,
) -> Result<Json<SigningContext>, Failure> {
    blocking(&app, move |app| read(app, &space, &author).map(Json)).await
}

fn read(app: &App, space: &str, author: &str) -> Result<SigningContext, Failure> {
    let author = lookup::key(author)?;
    let (space, community) = app.find_space(space)?;
    let ledger = app.inner.ingest.ledger();
    let unknown = || lookup::unknown("space", &space.to_string());
    let authority = ledger.authority(&community).ok_or_else(unknown)?;
    let newest = newest(&app.inner.archive, &ledger, &space, &author);
    let governance = ledger.governance_digest(&community);
    drop(ledger);
    if let Some(newest) = &newest
        && newest.forked
    {
        // Everybody at the node is shown warnings, so those of restricted spaces name nothing.
        app.inner.warn(match authority.may_read(None, space) {
            false => {
                "a chain is forked in a space that not everyone reads, as after a restore from \
                      an old backup; `comity sync status` shows it to readers"
                    .to_owned()
            }
            true => format!(
                "{author} signed two different entries number {} in space {space}: its chain is \
             forked, as after a restore from an old backup. New entries follow {}",
                newest.seq, newest.id
            ),
        });
    }
    Ok(SigningContext {
        space: space.to_string(),
        community: community.to_string(),
        governance_space: governance_space(community).to_string(),
        governance: governance.to_string(),
        next_seq: newest.as_ref().map_or(1, |it| it.seq + 1),
        prev: newest.map(|it| it.id.to_string()),
        time_ms: random::now_ms(),
        may_write: match app.inner.archive.kept().exchanges(&space) {
            true => may_write(&authority, space, &author)
                .map_err(|why| held::reason(&authority, &Reason::Unauthorized(why))),
            false => Err(
                "this node keeps nothing of the space, so it would reach nobody; \
                          `comity space keep` changes that"
                    .to_owned(),
            ),
        },
    })
}

/// The end of a chain.
struct Newest {
    seq: u64,
    id: EntryId,
    /// Whether another entry has the same number.
    forked: bool,
}

/// The highest entry of an author's chain, in effect or held; of several with one number the one with
/// the lowest id.
fn newest(
    archive: &Archive,
    ledger: &Ledger,
    space: &SpaceId,
    author: &PublicKey,
) -> Option<Newest> {
    let newest = ledger.newest_of(archive, space, author)?;
    let stored = ledger.stored_of(archive, space, &newest.author);
    let same = stored.keys().filter(|key| key.seq == newest.seq);
    Some(Newest {
        seq: newest.seq,
        id: newest.id,
        forked: same.count() > 1,
    })
}

fn may_write(
    authority: &Authority,
    space: SpaceId,
    author: &PublicKey,
) -> Result<(), Unauthorized> {
    if space != authority.governance_space() {
        return authority
            .authorize_contribution(space, author, Act::Create)
            .map(|_| ());
    }
    let of_party = authority
        .parties()
        .values()
        .any(|party| party.delegates.contains(author) || party.nodes.contains(author));
    match of_party || authority.members().contains_key(author) {
        true => Ok(()),
        false => Err(Unauthorized::NoStanding),
    }
}
