//! `GET /v0/communities/{id}/cuts`: what of some keys is in effect here, as cuts would keep it.
//!
//! The node says where chains stand; whoever narrows signs the cuts, seals what not everyone reads
//! and draws the randomness for it.

use super::{
    App,
    error::Failure,
    extract::{Args, Name, State, blocking},
    lookup,
};
use axum::Json;
use comity_client::types::{CutPlan, KeyCut, SpaceCutPlan};
use comity_protocol::{
    authority::segments::{ChainEntry, cuts_for},
    certificate::SpaceCut,
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
    sync::AuthorTag,
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

/// Most keys that one request asks about.
const KEYS_MAX: usize = 256;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// Keys, parted by commas.
    keys: String,
}

pub(super) async fn cuts(
    State(app): State<Arc<App>>,
    Name(id): Name,
    Args(asked): Args<Asked>,
) -> Result<Json<CutPlan>, Failure> {
    blocking(&app, move |app| {
        let community = app.find_community(&id)?;
        let named = asked.keys.split(',').filter(|it| !it.is_empty());
        let keys = named.map(lookup::key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(Failure::invalid(format!(
                "cuts for {} keys were asked for; 1 to {KEYS_MAX} are given",
                keys.len()
            )));
        }
        plan(app, community, &keys).map(Json)
    })
    .await
}

fn plan(app: &App, community: CommunityId, keys: &[PublicKey]) -> Result<CutPlan, Failure> {
    let authority = app.authority(&community)?;
    let mut plan = CutPlan::default();
    for space in app.shown_spaces(&community) {
        let (effective, contributions) = effective(app, space, keys)?;
        if effective.is_empty() {
            continue;
        }
        let parts = cuts_for(space, &effective);
        let declared = authority.spaces().get(&space);
        plan.spaces.push(SpaceCutPlan {
            space: space.to_string(),
            name: declared.map_or_else(|| "governance".to_owned(), |it| it.name.clone()),
            // Several parts are sealed, whoever reads the space.
            open: authority.may_read(None, space) && parts.len() == 1,
            contributions,
            parts: parts.iter().map(show).collect(),
        });
    }
    Ok(plan)
}

type Effective = BTreeMap<PublicKey, Vec<ChainEntry>>;

/// The entries of each key that are in effect in a space, and how many of them are contributions.
fn effective(app: &App, space: SpaceId, keys: &[PublicKey]) -> Result<(Effective, u64), Failure> {
    let mut ids: Vec<(PublicKey, EntryId)> = Vec::new();
    {
        let ledger = app.inner.ingest.ledger();
        let Some(known) = ledger.spaces().get(&space) else {
            return Ok((Effective::new(), 0));
        };
        for key in keys {
            let tag = AuthorTag::new(&space, key);
            // Certificates stand outside of chains, under the number 0.
            let chain = known.trie.keys_of(&tag, 1..=u64::MAX);
            ids.extend(chain.map(|(at, _)| (*key, at.id)));
        }
    }
    let (mut effective, mut contributions) = (Effective::new(), 0);
    for (key, id) in ids {
        let link = match app.inner.archive.get(&id)? {
            Some(Entry::Contribution(it)) => {
                contributions += 1;
                it.header().link
            }
            Some(Entry::Record(it)) => it.header().link,
            Some(Entry::Certificate(_) | Entry::Bare(_)) | None => continue,
        };
        let of_key = effective.entry(key).or_default();
        of_key.push(ChainEntry { id, link });
    }
    Ok((effective, contributions))
}

fn show(part: &SpaceCut) -> Vec<KeyCut> {
    let devices = part.devices.iter().map(|device| KeyCut {
        key: device.key.to_string(),
        last: device.last.iter().map(ToString::to_string).collect(),
    });
    devices.collect()
}
