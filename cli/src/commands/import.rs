//! `comity import …`: signs what a reader gives out, a batch at a time.
//!
//! Nothing is held but one batch and the ids of what came in. What is here already, by its origin,
//! is left alone, so an import can be interrupted and run again.

use super::publish::say_saved;
use crate::{
    app::App,
    args::content::{ImportCommand, ImportInto},
    compose::{
        Chain,
        imported::{self, Known},
    },
    desk::{Desk, Saved, parse},
    error::CommandError,
    identity::Identity,
    import::{
        AddressSalt, Item, ItemKind, JsonlOptions, JsonlReader, MailOptions, MailReader, OriginRef,
        Reader, StackExchangeOptions, StackExchangeReader,
    },
    lookup::{self, Place},
    moment::now_ms,
    random, render,
    session::Reach,
    ui::progress::{Progress, Unit},
};
use comity_client::{Client, types::OriginsRequest};
use comity_protocol::{
    entry::Entry,
    id::{DocumentId, digest},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Items of one batch.
const BATCH_MAX: usize = 200;
/// Domain of the key that hides addresses.
const SALT_DOMAIN: &[u8] = b"comity/1/import-salt\0";
/// Skipped pieces that are named on a terminal; `--json` names more.
const SKIPPED_SHOWN: usize = 20;

/// What an import did.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    dry_run: bool,
    read: u64,
    topics: u64,
    replies: u64,
    accepts: u64,
    new: u64,
    already_here: u64,
    skipped: Vec<SkippedPiece>,
    skipped_unnamed: u64,
    left_out: BTreeMap<String, u64>,
    peers: usize,
}

#[derive(Debug, Serialize)]
struct SkippedPiece {
    name: String,
    reason: String,
}

/// Imports.
pub(super) async fn import(app: &App, command: ImportCommand) -> Result<(), CommandError> {
    app.public()?;
    let into = match &command {
        ImportCommand::Mail { into, .. }
        | ImportCommand::Stackexchange { into, .. }
        | ImportCommand::Jsonl { into } => into.clone(),
    };
    app.with_node(Reach::Store, async |client| {
        let named = (into.community.as_deref(), into.space.as_deref());
        let place = lookup::space(client, named.0, named.1).await?;
        app.ui.status(&format!(
            "readers: {}",
            render::community::readers(&place.space)
        ));
        let identity = app.unlock()?;
        let hashed = match &command {
            ImportCommand::Mail { keep_addresses, .. } => Some(!keep_addresses),
            _ => None,
        };
        let reader = open(command, &identity, &place)?;
        let run = Run {
            app,
            client,
            identity: &identity,
            place: &place,
            hashed,
            dry_run: into.dry_run,
        };
        let outcome = run.all(reader, &into).await?;
        report(app, &outcome)
    })
    .await
}

/// The key stays the same over all imports of one person into one community, on every device.
fn salt(identity: &Identity, place: &Place) -> Result<AddressSalt, CommandError> {
    let parts: [&[u8]; 2] = [identity.root()?.seed(), place.community.id.as_bytes()];
    Ok(AddressSalt::from_bytes(digest(SALT_DOMAIN, &parts)))
}

fn open(
    command: ImportCommand,
    identity: &Identity,
    place: &Place,
) -> Result<Box<dyn Reader>, CommandError> {
    let reader: Result<Box<dyn Reader>, _> = match command {
        ImportCommand::Mail {
            into,
            keep_addresses,
        } => {
            let mut options = MailOptions::new(salt(identity, place)?);
            options.keep_addresses = keep_addresses;
            MailReader::open(&into.path, options).map(|it| Box::new(it) as _)
        }
        ImportCommand::Stackexchange { into, site } => {
            let options = StackExchangeOptions {
                site,
                ..StackExchangeOptions::default()
            };
            StackExchangeReader::open(&into.path, options).map(|it| Box::new(it) as _)
        }
        ImportCommand::Jsonl { into } => {
            JsonlReader::open(&into.path, JsonlOptions::default()).map(|it| Box::new(it) as _)
        }
    };
    reader.map_err(|error| CommandError::of(crate::error::ErrorKind::Failure, &error))
}

/// One import.
struct Run<'a> {
    app: &'a App,
    client: &'a Client,
    identity: &'a Identity,
    place: &'a Place,
    hashed: Option<bool>,
    dry_run: bool,
}

impl Run<'_> {
    async fn all(
        &self,
        mut reader: Box<dyn Reader>,
        into: &ImportInto,
    ) -> Result<Outcome, CommandError> {
        let mut outcome = Outcome {
            dry_run: self.dry_run,
            ..Outcome::default()
        };
        let mut known = Known::new();
        let label = format!("importing {}", into.path.display());
        let mut progress = self.progress(&label, reader.remaining());
        let mut signing = if self.dry_run {
            None
        } else {
            let mut desk = Desk::open(self.app, self.client, self.identity)?;
            let mut chain = desk.device_chain(self.place).await?;
            let greeting = desk.greeting(&mut chain)?;
            Some((desk, chain, greeting))
        };
        loop {
            let batch: Vec<Item> = reader.by_ref().take(BATCH_MAX).collect();
            if batch.is_empty() {
                break;
            }
            self.batch(&batch, &mut known, signing.as_mut(), &mut outcome)
                .await?;
            progress.advance(batch.len() as u64);
            progress.set_total(progress.done() + reader.remaining());
        }
        drop(progress);
        let report = reader.report();
        outcome.read = report.read;
        (outcome.topics, outcome.replies, outcome.accepts) =
            (report.topics, report.replies, report.accepts);
        let skipped = report.skipped.iter().map(|it| SkippedPiece {
            name: it.name.clone(),
            reason: it.reason.clone(),
        });
        outcome.skipped.extend(skipped);
        outcome.skipped_unnamed = report.skipped_unnamed;
        outcome.left_out = report.left_out.clone();
        Ok(outcome)
    }

    fn progress(&self, label: &str, total: u64) -> Progress {
        let unit = Unit::things("items");
        self.app.ui.progress(label, unit, Some(total))
    }

    async fn batch(
        &self,
        batch: &[Item],
        known: &mut Known,
        signing: Option<&mut (Desk<'_>, Chain<'_>, Vec<Entry>)>,
        outcome: &mut Outcome,
    ) -> Result<(), CommandError> {
        let here = self.already_here(batch).await?;
        let mut fresh = Vec::new();
        for (item, document) in batch.iter().zip(here) {
            match document {
                Some(document) => {
                    outcome.already_here += 1;
                    known.insert(item.origin.reference.clone(), document);
                }
                None => fresh.push(item),
            }
        }
        let Some((desk, chain, entries)) = signing else {
            for item in fresh {
                outcome.new += 1;
                known.insert(
                    item.origin.reference.clone(),
                    DocumentId::from_bytes([0; 32]),
                );
            }
            return Ok(());
        };
        let mut signed = 0;
        for item in fresh {
            match self.sign(item, known, chain)? {
                Ok((id, entry)) => {
                    known.insert(item.origin.reference.clone(), id);
                    entries.push(entry);
                    signed += 1;
                }
                Err(reason) => outcome.skipped.push(SkippedPiece {
                    name: name_of(&item.origin.reference),
                    reason,
                }),
            }
        }
        if signed == 0 {
            return Ok(());
        }
        let saved: Saved = desk
            .hand_in(&self.place.community.id, std::mem::take(entries))
            .await?;
        outcome.new += signed;
        outcome.peers = saved.peers;
        Ok(())
    }

    async fn already_here(&self, batch: &[Item]) -> Result<Vec<Option<DocumentId>>, CommandError> {
        let origin = |item: &Item| {
            let reference = &item.origin.reference;
            (reference.system.clone(), reference.id.clone())
        };
        let request = OriginsRequest {
            space: self.place.space.id.clone(),
            origins: batch.iter().map(origin).collect(),
        };
        let answer = self.client.origins(&request).await?;
        if answer.documents.len() != batch.len() {
            return Err(CommandError::internal(
                "the node did not answer for every origin",
            ));
        }
        answer
            .documents
            .iter()
            .map(|it| it.as_deref().map(|id| parse(id, "document")).transpose())
            .collect()
    }

    /// What cannot be signed is skipped by name; the rest goes on.
    fn sign(
        &self,
        item: &Item,
        known: &Known,
        chain: &mut Chain<'_>,
    ) -> Result<Result<(DocumentId, Entry), String>, CommandError> {
        let Some(draft) = imported::draft(item, known, self.hashed) else {
            let what = match item.kind {
                ItemKind::Accept { .. } => "the question or the answer it names did not come in",
                _ => "what it answers did not come in",
            };
            return Ok(Err(what.to_owned()));
        };
        Ok(match chain.create(now_ms(), &draft, random::bytes()?) {
            Ok(signed) => Ok((signed.id().into(), Entry::Contribution(signed))),
            Err(error) => Err(error.to_string()),
        })
    }
}

fn name_of(reference: &OriginRef) -> String {
    format!("{} {}", reference.system, reference.id)
}

fn report(app: &App, outcome: &Outcome) -> Result<(), CommandError> {
    if app.ui.is_json() {
        return app.ui.json(outcome);
    }
    let verb = if outcome.dry_run { "would be" } else { "are" };
    app.ui.line(&format!(
        "{} new, {} already here (of {}, {}, {})",
        outcome.new,
        outcome.already_here,
        render::count(outcome.topics, "topic"),
        render::count(outcome.replies, "reply"),
        render::count(outcome.accepts, "acceptance")
    ))?;
    for (kind, count) in &outcome.left_out {
        app.ui.status(&format!("left out: {count} {kind}"));
    }
    let skipped = outcome.skipped.len() as u64 + outcome.skipped_unnamed;
    for it in outcome.skipped.iter().take(SKIPPED_SHOWN) {
        app.ui
            .warning(&format!("skipped {}: {}", it.name, it.reason));
    }
    if skipped > SKIPPED_SHOWN as u64 {
        let more = skipped - SKIPPED_SHOWN as u64;
        app.ui
            .warning(&format!("{more} more were skipped; --json names them"));
    }
    if outcome.new > 0 {
        app.ui.status(&format!(
            "they {verb} signed by you; their authors elsewhere are named, but not verified"
        ));
    }
    if !outcome.dry_run && outcome.new > 0 {
        say_saved(
            app,
            &Saved {
                new: outcome.new,
                known: 0,
                peers: outcome.peers,
            },
        );
    }
    Ok(())
}
