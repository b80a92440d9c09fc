//! Cuts: up to where what a key wrote goes on to count, as this node has it.
//!
//! In spaces that everyone reads they stand in the narrowing itself. For all others the narrowing
//! holds a root only, and the tables travel in the spaces. A proposal states the root already, so its
//! tables go into the spaces with it, and to connected peers before anybody approves: whoever stops to
//! read a space by what is proposed is told nothing of it afterwards. What could not be handed in
//! waits beside the keys for the next command.

use crate::{
    commands::charter::floor::Floor,
    compose::{Chain, narrowing::Cutting},
    error::{Attempting as _, CommandError},
    identity::Identity,
    moment::now_ms,
    random, render,
    ui::sanitize,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::types::{CutQuery, SyncRequest};
use comity_protocol::{
    certificate::{Change, Cuts},
    entry::Entry,
    id::EntryId,
    record::RecordBody,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Cuts, and what the readers of restricted spaces get of them.
#[derive(Debug)]
pub(in crate::commands) struct Tables(Cutting);

impl Tables {
    /// What stands in the narrowing.
    pub(in crate::commands) fn cuts(&self) -> Cuts {
        self.0.cuts()
    }

    /// Keeps the tables until the narrowing is proposed.
    pub(in crate::commands) fn keep(
        self,
        identity: &Identity,
        narrowing: EntryId,
    ) -> Result<(), CommandError> {
        let tables = self.0.tables(narrowing).map(|(space, table)| Kept {
            space: space.to_string(),
            table: STANDARD_NO_PAD.encode(RecordBody::CutTable(table).encode()),
        });
        let tables: Vec<Kept> = tables.collect();
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

/// Cuts that keep what is in effect of those whom a narrowing concerns, in every space that the
/// person reads; in all others nothing is listed.
pub(in crate::commands) async fn of(
    floor: &Floor<'_>,
    concerned: &CutQuery,
) -> Result<Tables, CommandError> {
    let community = &floor.community;
    let plan = floor.client.cuts(&community.id, concerned).await?;
    for space in plan.spaces.iter().filter(|it| it.contributions > 0) {
        floor.app.ui.status(&format!(
            "  {}: {} in effect now, which go on to count",
            sanitize::line(&space.name),
            render::count(space.contributions, "contribution")
        ));
    }
    Cutting::new::<CommandError>(&plan, random::bytes).map(Tables)
}

/// Cuts of what the changes of a resolution take away; none if they take nothing.
pub(in crate::commands) async fn of_changes(
    floor: &Floor<'_>,
    changes: &[Change],
) -> Result<Option<Tables>, CommandError> {
    if !changes.iter().any(Change::is_narrowing) {
        return Ok(None);
    }
    let mut concerned = CutQuery::default();
    for change in changes {
        match change {
            Change::RemoveParty(party) => concerned.parties.push(party.to_string()),
            Change::Revoke(_, key) | Change::CutNode(key) => concerned.people.push(key.to_string()),
            Change::CloseSpace(space) | Change::NarrowKinds(space, _) => {
                let space = space.to_string();
                must_be_read(floor, &space)?;
                concerned.spaces.push(space);
            }
            _ => {}
        }
    }
    floor.app.ui.status(
        "What this takes away counts up to where it stands here now. What is written until it is in \
         force, and what is in spaces that you do not read, becomes a stub then:",
    );
    of(floor, &concerned).await.map(Some)
}

/// Who does not read a space cannot say what stays of it: all that was written there would go.
fn must_be_read(floor: &Floor<'_>, space: &str) -> Result<(), CommandError> {
    match floor.community.spaces.iter().any(|it| it.id == space) {
        true => Ok(()),
        false => Err(CommandError::failure(format!(
            "cannot narrow the space {}: you do not read it, so nothing that was written there \
             would stay",
            render::short(space)
        ))
        .hint("ask a delegate who reads it to propose this")),
    }
}

/// Hands in the tables of what is proposed by now, and drops those of what never can be in force.
/// Says how many there were.
pub(in crate::commands) async fn hand_in_kept(
    floor: &mut Floor<'_>,
) -> Result<usize, CommandError> {
    let Ok(files) = std::fs::read_dir(folder(floor.identity)) else {
        return Ok(0);
    };
    let proposals = floor.proposals().await?;
    let mut handed_in = 0;
    for file in files.flatten() {
        let path = file.path();
        let name = path
            .file_stem()
            .and_then(|it| it.to_str())
            .unwrap_or_default();
        let Some(proposal) = proposals.iter().find(|it| it.id == name) else {
            continue;
        };
        if !["dead", "flawed"].contains(&proposal.state.as_str()) {
            handed_in += hand_in(floor, &path).await?;
        }
        std::fs::remove_file(&path).attempting(|| format!("remove {}", path.display()))?;
    }
    Ok(handed_in)
}

/// How long connected peers are waited for, in milliseconds.
const PEERS_MS: u64 = 10_000;

/// Hands in the tables of what was just proposed, and waits until connected peers have them.
pub(in crate::commands) async fn hand_out_kept(floor: &mut Floor<'_>) -> Result<(), CommandError> {
    if hand_in_kept(floor).await? == 0 {
        return Ok(());
    }
    let ui = &floor.app.ui;
    let unmet = "no peer has the cuts of spaces that not everyone reads yet: who stops to read one by \
                 this sees what was written there as stubs, unless this node meets theirs before it is \
                 in force";
    if !floor.client.is_remote() {
        ui.warning(unmet);
        return Ok(());
    }
    let request = SyncRequest { wait_ms: PEERS_MS };
    let work = floor.client.sync(&request);
    let label = "giving peers the cuts";
    let status = floor
        .app
        .watching(label, floor.client, &["sync"], work)
        .await?;
    if !status.peers.iter().any(|it| it.in_sync) {
        ui.warning(unmet);
    }
    Ok(())
}

async fn hand_in(floor: &mut Floor<'_>, path: &std::path::Path) -> Result<usize, CommandError> {
    let read = || format!("read {}", path.display());
    let bytes = std::fs::read(path).attempting(read)?;
    let tables: Vec<Kept> = serde_json::from_slice(&bytes).attempting(read)?;
    for kept in &tables {
        let body = STANDARD_NO_PAD.decode(&kept.table).unwrap_or_default();
        let body = RecordBody::decode(CUT_TABLE, &body).attempting(read)?;
        // Whoever has the table may pass it on: standing in the space is not asked.
        let community = &floor.community;
        let mut chain: Chain<'_> = floor.desk.statement_chain(community, &kept.space).await?;
        let record = chain.record(now_ms(), body);
        let entries = vec![Entry::Record(record)];
        floor.desk.hand_in(&community.id, entries).await?;
    }
    Ok(tables.len())
}

/// The type of a record that holds a table.
const CUT_TABLE: u64 = 19;
