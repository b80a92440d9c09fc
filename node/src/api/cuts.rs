//! `GET /v0/communities/{id}/cuts`: what is in effect here of those whom a narrowing concerns, as
//! cuts would keep it.
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
    authority::{
        Authority,
        segments::{ChainEntry, cuts_for},
    },
    certificate::SpaceCut,
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    sync::{AuthorTag, Prefix},
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Most names in each list of a request.
const NAMES_MAX: usize = 256;

/// Each a list, parted by commas; together they name something.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// Keys, as such.
    #[serde(default)]
    keys: String,
    /// Root keys, each with every device it ever linked.
    #[serde(default)]
    people: String,
    /// Parties: every key that ever had something from them.
    #[serde(default)]
    parties: String,
    /// Spaces: there everybody who ever wrote.
    #[serde(default)]
    spaces: String,
}

pub(super) async fn cuts(
    State(app): State<Arc<App>>,
    Name(id): Name,
    Args(asked): Args<Asked>,
) -> Result<Json<CutPlan>, Failure> {
    blocking(&app, move |app| {
        let community = app.find_community(&id)?;
        let authority = app.authority(&community)?;
        let concerned = Concerned::of(&authority, &asked)?;
        plan(app, community, &authority, &concerned).map(Json)
    })
    .await
}

/// Whose chains are cut.
struct Concerned {
    /// In every space.
    keys: BTreeSet<PublicKey>,
    /// Everybody who wrote in these.
    spaces: BTreeSet<SpaceId>,
}

impl Concerned {
    fn of(authority: &Authority, asked: &Asked) -> Result<Self, Failure> {
        let mut keys: BTreeSet<PublicKey> = read(&asked.keys, "keys", lookup::key)?;
        for root in read::<PublicKey>(&asked.people, "people", lookup::key)? {
            keys.extend(authority.devices_ever(&root));
            keys.insert(root);
        }
        let party =
            |text: &str| lookup::entry_id(text).map(|it| PartyId::from_bytes(*it.as_bytes()));
        for party in read(&asked.parties, "parties", party)? {
            keys.extend(authority.keys_ever_of(&party));
        }
        let space =
            |text: &str| lookup::entry_id(text).map(|it| SpaceId::from_bytes(*it.as_bytes()));
        let spaces = read(&asked.spaces, "spaces", space)?;
        let lists = [&asked.keys, &asked.people, &asked.parties, &asked.spaces];
        match lists.iter().all(|it| it.is_empty()) {
            true => Err(Failure::invalid(
                "cuts were asked for, but neither keys, people, parties nor spaces are named",
            )),
            false => Ok(Self { keys, spaces }),
        }
    }
}

fn read<T: Ord>(
    list: &str,
    what: &str,
    one: impl Fn(&str) -> Result<T, Failure>,
) -> Result<BTreeSet<T>, Failure> {
    let named = list.split(',').filter(|it| !it.is_empty());
    let named: Vec<T> = named.map(one).collect::<Result<_, _>>()?;
    match named.len() > NAMES_MAX {
        true => Err(Failure::invalid(format!(
            "cuts for {} {what} were asked for; at most {NAMES_MAX} are given at once",
            named.len()
        ))),
        false => Ok(named.into_iter().collect()),
    }
}

fn plan(
    app: &App,
    community: CommunityId,
    authority: &Authority,
    concerned: &Concerned,
) -> Result<CutPlan, Failure> {
    let mut plan = CutPlan::default();
    for space in app.shown_spaces(&community) {
        let mut chains = chains(app, space, &concerned.keys)?;
        if concerned.spaces.contains(&space) {
            chains.extend(writers(app, space)?);
        }
        if chains.is_empty() {
            continue;
        }
        let contributions = chains.values().map(|it| it.contributions).sum();
        let effective: BTreeMap<_, _> = chains
            .into_iter()
            .map(|(key, chain)| (key, chain.entries))
            .collect();
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

/// What is in effect of one key in a space.
#[derive(Default)]
struct Chain {
    entries: Vec<ChainEntry>,
    contributions: u64,
}

/// The chains of these keys; those of which nothing is in effect are left out.
fn chains(
    app: &App,
    space: SpaceId,
    keys: &BTreeSet<PublicKey>,
) -> Result<BTreeMap<PublicKey, Chain>, Failure> {
    let mut ids: Vec<EntryId> = Vec::new();
    {
        let ledger = app.inner.ingest.ledger();
        let Some(known) = ledger.spaces().get(&space) else {
            return Ok(BTreeMap::new());
        };
        for key in keys {
            let tag = AuthorTag::new(&space, key);
            // Certificates stand outside of chains, under the number 0.
            let chain = known.trie.keys_of(&tag, 1..=u64::MAX);
            ids.extend(chain.map(|(at, _)| at.id));
        }
    }
    load(app, &ids)
}

/// The chains of everybody who ever wrote a contribution in a space. Those who signed nothing but
/// records there lose nothing when the space is narrowed.
fn writers(app: &App, space: SpaceId) -> Result<BTreeMap<PublicKey, Chain>, Failure> {
    let ids: Vec<EntryId> = {
        let ledger = app.inner.ingest.ledger();
        let known = ledger.spaces().get(&space);
        let keys = known
            .into_iter()
            .flat_map(|it| it.trie.keys_under(&Prefix::ALL));
        keys.filter(|(key, _)| key.seq > 0)
            .map(|(key, _)| key.id)
            .collect()
    };
    let mut chains = load(app, &ids)?;
    chains.retain(|_, chain| chain.contributions > 0);
    Ok(chains)
}

fn load(app: &App, ids: &[EntryId]) -> Result<BTreeMap<PublicKey, Chain>, Failure> {
    let mut chains: BTreeMap<PublicKey, Chain> = BTreeMap::new();
    for id in ids {
        let (author, link, is_contribution) = match app.inner.archive.get(id)? {
            Some(Entry::Contribution(it)) => (it.header().author, it.header().link, true),
            Some(Entry::Record(it)) => (it.header().author, it.header().link, false),
            Some(Entry::Certificate(_) | Entry::Bare(_)) | None => continue,
        };
        let chain = chains.entry(author).or_default();
        chain.entries.push(ChainEntry { id: *id, link });
        chain.contributions += u64::from(is_contribution);
    }
    Ok(chains)
}

fn show(part: &SpaceCut) -> Vec<KeyCut> {
    let devices = part.devices.iter().map(|device| KeyCut {
        key: device.key.to_string(),
        last: device.last.iter().map(ToString::to_string).collect(),
    });
    devices.collect()
}
