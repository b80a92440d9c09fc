//! Cuts: up to where what a key wrote goes on to count, as this node has it.
//!
//! In spaces that everyone reads they stand in the narrowing itself. For all others the narrowing
//! holds a root only, and the tables travel in the spaces. A table is taken in once its narrowing is
//! in force, which may be after others approved it: until then it waits beside the keys.

use crate::{
    commands::charter::floor::Floor,
    compose::Chain,
    desk::parse,
    error::{Attempting as _, CommandError},
    identity::Identity,
    moment::now_ms,
    random,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::types::{CommunityInfo, PartyDetail};
use comity_protocol::{
    certificate::{Change, Cuts, DeviceCut, SealedCuts, SpaceCut},
    entry::Entry,
    id::{EntryId, SpaceId},
    key::PublicKey,
    record::RecordBody,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// The keys that are cut in each space.
type Wanted = BTreeMap<String, BTreeSet<PublicKey>>;

/// Cuts, and what the readers of restricted spaces get of them.
#[derive(Debug)]
pub(in crate::commands) struct Tables {
    open: Vec<SpaceCut>,
    sealed: SealedCuts,
}

impl Tables {
    /// What stands in the narrowing.
    pub(in crate::commands) fn cuts(&self) -> Cuts {
        Cuts {
            open: self.open.clone(),
            sealed: self.sealed.root(),
        }
    }

    /// Keeps the tables until the narrowing is in force.
    pub(in crate::commands) fn keep(
        self,
        identity: &Identity,
        narrowing: EntryId,
    ) -> Result<(), CommandError> {
        let tables: Vec<Kept> = self
            .sealed
            .tables(narrowing)
            .map(|it| Kept {
                space: it.cut.space.to_string(),
                table: STANDARD_NO_PAD.encode(RecordBody::CutTable(it).encode()),
            })
            .collect();
        if tables.is_empty() {
            return Ok(());
        }
        let folder = folder(identity);
        let keep = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let bytes = serde_json::to_vec_pretty(&tables)?;
            std::fs::write(folder.join(format!("{narrowing}.json")), bytes)
        };
        keep().attempting(|| "keep the tables of the cuts".to_owned())
    }
}

/// A table that waits.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    space: String,
    table: String,
}

fn folder(identity: &Identity) -> PathBuf {
    identity.folder().path().join("cuts")
}

/// Cuts of these keys and of the devices behind them, in every space; none if there are no keys.
pub(in crate::commands) async fn of_keys(
    floor: &Floor<'_>,
    keys: &BTreeSet<PublicKey>,
) -> Result<Option<Tables>, CommandError> {
    if keys.is_empty() {
        return Ok(None);
    }
    let mut wanted = Wanted::new();
    everywhere(&floor.community, keys, &mut wanted)?;
    build(floor, &wanted).await.map(Some)
}

/// Cuts of what the changes of a resolution take away; none if they take nothing.
pub(in crate::commands) async fn of_changes(
    floor: &Floor<'_>,
    changes: &[Change],
    parties: &[PartyDetail],
) -> Result<Option<Tables>, CommandError> {
    if !changes.iter().any(Change::is_narrowing) {
        return Ok(None);
    }
    let community = &floor.community;
    let mut wanted = Wanted::new();
    for change in changes {
        match change {
            Change::RemoveParty(party) => {
                let party = party.to_string();
                if let Some(detail) = parties.iter().find(|it| it.id == party) {
                    everywhere(community, &keys_of_party(community, detail)?, &mut wanted)?;
                }
            }
            Change::Revoke(_, key) | Change::CutNode(key) => {
                everywhere(community, &BTreeSet::from([*key]), &mut wanted)?;
            }
            Change::CloseSpace(space) | Change::NarrowKinds(space, _) => {
                let keys = wanted.entry(space.to_string()).or_default();
                for member in &community.members {
                    for device in &member.devices {
                        keys.insert(parse(device, "key")?);
                    }
                }
            }
            _ => {}
        }
    }
    build(floor, &wanted).await.map(Some)
}

/// The keys that speak for a party, its members and nodes included.
pub(in crate::commands) fn keys_of_party(
    community: &CommunityInfo,
    party: &PartyDetail,
) -> Result<BTreeSet<PublicKey>, CommandError> {
    let lists = [
        &party.delegates,
        &party.stewards,
        &party.moderators,
        &party.observers,
    ];
    let listed = lists.into_iter().flatten().map(|it| &it.key);
    let members = community
        .members
        .iter()
        .filter(|it| it.parties.contains(&party.id));
    let members = members.map(|it| &it.root);
    let keys = listed
        .chain(members)
        .chain(&party.nodes)
        .chain(&party.bridges);
    keys.map(|key| parse(key, "key")).collect()
}

/// Adds keys, and the devices of those that are roots, in every space.
fn everywhere(
    community: &CommunityInfo,
    keys: &BTreeSet<PublicKey>,
    wanted: &mut Wanted,
) -> Result<(), CommandError> {
    let mut all = keys.clone();
    for key in keys {
        let root = key.to_string();
        let members = community.members.iter().filter(|it| it.root == root);
        for device in members.flat_map(|it| &it.devices) {
            all.insert(parse(device, "key")?);
        }
    }
    let spaces = community.spaces.iter().map(|it| &it.id);
    for space in spaces.chain([&community.governance_space]) {
        wanted.entry(space.clone()).or_default().extend(&all);
    }
    Ok(())
}

async fn build(floor: &Floor<'_>, wanted: &Wanted) -> Result<Tables, CommandError> {
    let (mut open, mut sealed) = (BTreeMap::new(), Vec::new());
    for (space, keys) in wanted {
        let mut devices = Vec::new();
        for key in keys {
            let context = floor
                .client
                .signing_context(space, &key.to_string())
                .await?;
            if let Some(last) = &context.prev {
                devices.push(DeviceCut {
                    key: *key,
                    last: vec![parse(last, "entry")?],
                });
            }
        }
        if devices.is_empty() {
            continue;
        }
        let id: SpaceId = parse(space, "space")?;
        let cut = SpaceCut { space: id, devices };
        let readers = floor.community.spaces.iter().find(|it| it.id == *space);
        let everyone = readers.is_none_or(|it| it.readers == "everyone");
        match everyone {
            true => drop(open.insert(id, cut)),
            false => sealed.push((random::bytes()?, cut)),
        }
    }
    let padding = (0..SealedCuts::padding(sealed.len())).map(|_| random::bytes());
    let padding = padding.collect::<Result<Vec<[u8; 32]>, _>>()?;
    let sealed = SealedCuts::build(sealed, &padding)
        .attempting(|| "seal the cuts of restricted spaces".to_owned())?;
    Ok(Tables {
        open: open.into_values().collect(),
        sealed,
    })
}

/// Hands in the tables whose narrowing is in force by now, and drops those that never will be.
pub(in crate::commands) async fn hand_in_kept(floor: &mut Floor<'_>) -> Result<(), CommandError> {
    let Ok(files) = std::fs::read_dir(folder(floor.identity)) else {
        return Ok(());
    };
    let proposals = floor.proposals().await?;
    for file in files.flatten() {
        let path = file.path();
        let name = path
            .file_stem()
            .and_then(|it| it.to_str())
            .unwrap_or_default();
        let Some(proposal) = proposals.iter().find(|it| it.id == name) else {
            continue;
        };
        let over = match proposal.state.as_str() {
            "certified" => {
                hand_in(floor, &path).await?;
                true
            }
            "dead" | "flawed" => true,
            _ => false,
        };
        if over {
            std::fs::remove_file(&path).attempting(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

async fn hand_in(floor: &mut Floor<'_>, path: &std::path::Path) -> Result<(), CommandError> {
    let read = || format!("read {}", path.display());
    let bytes = std::fs::read(path).attempting(read)?;
    let tables: Vec<Kept> = serde_json::from_slice(&bytes).attempting(read)?;
    for kept in tables {
        let body = STANDARD_NO_PAD.decode(&kept.table).unwrap_or_default();
        let body = RecordBody::decode(CUT_TABLE, &body).attempting(read)?;
        // Whoever has the table may pass it on: standing in the space is not asked.
        let mut chain: Chain<'_> = floor
            .desk
            .statement_chain(&floor.community, &kept.space)
            .await?;
        let record = chain.record(now_ms(), body);
        let community = floor.community.id.clone();
        floor
            .desk
            .hand_in(&community, vec![Entry::Record(record)])
            .await?;
    }
    Ok(())
}

/// The type of a record that holds a table.
const CUT_TABLE: u64 = 19;
