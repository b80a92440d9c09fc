//! `comity verify`, `reindex`, `backup` and `restore`.

use super::init::absolute;
use crate::{
    app::App,
    args::node::{Backup, Reindex, Restore},
    error::{Attempting as _, CommandError},
    render,
    session::{self, Reach},
    ui::{
        progress::{Progress, Unit},
        sanitize,
    },
};
use comity_client::types::{BackupRequest, MaintenanceReport, ReindexRequest};
use comity_node::home::Home;
use std::{fs, path::Path};

/// Files that belong to a running node, not to its data.
const TRANSIENT: [&str; 4] = ["node.sock", "node.log", "lock", "opening.json"];

/// Checks everything that is stored.
pub(super) async fn verify(app: &App) -> Result<(), CommandError> {
    let report = check(app, "checking the record").await?;
    finish(app, &report, "checked")
}

async fn check(app: &App, label: &str) -> Result<MaintenanceReport, CommandError> {
    app.with_node(Reach::Store, async |client| {
        let work = client.verify();
        Ok(app.watching(label, client, &["verify"], work).await?)
    })
    .await
}

/// Rebuilds the index, in another engine if one is named.
pub(super) async fn reindex(app: &App, args: &Reindex) -> Result<(), CommandError> {
    let request = ReindexRequest {
        engine: args.engine.map(|engine| engine.name().to_owned()),
    };
    let report = app
        .with_node(Reach::Store, async |client| {
            let work = client.reindex(&request);
            let label = "rebuilding the index";
            Ok(app.watching(label, client, &["index"], work).await?)
        })
        .await?;
    finish(app, &report, "indexed")
}

/// Copies the node's home.
pub(super) async fn backup(app: &App, args: &Backup) -> Result<(), CommandError> {
    let to = absolute(&args.to)?;
    let request = BackupRequest {
        to: to.to_string_lossy().into_owned(),
    };
    let report = app
        .with_node(Reach::Store, async |client| {
            let work = client.backup(&request);
            Ok(app.watching("copying", client, &["backup"], work).await?)
        })
        .await?;
    finish(app, &report, "copied")?;
    app.ui
        .hint("it holds the node's key, not yours: back that up with `comity identity backup`");
    Ok(())
}

fn finish(app: &App, report: &MaintenanceReport, done: &str) -> Result<(), CommandError> {
    if app.ui.is_json() {
        app.ui.json(report)?;
    } else {
        let entries = render::count(report.entries, "entry");
        app.ui
            .line(&format!("{done} {entries}, {}", render::size(report.bytes)))?;
        for problem in &report.problems {
            app.ui
                .line(&format!("problem: {}", sanitize::line(problem)))?;
        }
    }
    if report.problems.is_empty() {
        return Ok(());
    }
    let problems = render::count(report.problems.len() as u64, "problem");
    Err(CommandError::failure(format!("{problems} found"))
        .hint("what is damaged is fetched again from peers: run `comity sync --wait`, then `comity verify`")
        .hint("or bring back a copy with `comity restore FROM`"))
}

/// Brings a copy back into a home that holds nothing, and opens it once to see that it is whole.
pub(super) async fn restore(app: &App, args: &Restore) -> Result<(), CommandError> {
    let home = app.home()?;
    if !session::is_home(&args.from) {
        return Err(CommandError::failure(format!(
            "{} is no copy of a node home",
            args.from.display()
        ))
        .hint("name a folder that `comity backup` wrote"));
    }
    let taken = fs::read_dir(&home).is_ok_and(|mut files| files.next().is_some());
    if taken {
        return Err(CommandError::failure(format!(
            "cannot restore into {}: it is not empty",
            home.display()
        ))
        .hint("name another home with --home or COMITY_HOME, or move this one away first"));
    }
    Home::open(&home)?;
    let total = Some(bytes_of(&args.from));
    let mut progress = app.ui.progress("copying", Unit::Bytes, total);
    copy_tree(&args.from, &home, &mut progress)?;
    drop(progress);
    app.ui.warning(
        "this is the same node as before: never run both copies. Its peers bring what it has missed",
    );
    let report = check(app, "checking the copy").await?;
    finish(app, &report, "restored")
}

/// For people only, so what cannot be looked at counts nothing; copying it says why.
fn bytes_of(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |file: fs::DirEntry| match file.metadata() {
        Ok(it) if it.is_dir() => bytes_of(&file.path()),
        Ok(it) => it.len(),
        Err(_) => 0,
    };
    files.map(size).sum()
}

fn copy_tree(from: &Path, to: &Path, progress: &mut Progress) -> Result<(), CommandError> {
    fs::create_dir_all(to).attempting(|| format!("make the folder {}", to.display()))?;
    let files = fs::read_dir(from).attempting(|| format!("read the folder {}", from.display()))?;
    for file in files {
        let file = file.attempting(|| format!("read the folder {}", from.display()))?;
        let (path, target) = (file.path(), to.join(file.file_name()));
        if TRANSIENT.iter().any(|it| file.file_name() == *it) {
            continue;
        }
        let kind = file
            .file_type()
            .attempting(|| format!("look at {}", path.display()))?;
        if kind.is_dir() {
            copy_tree(&path, &target, progress)?;
        } else {
            let copied = fs::copy(&path, &target);
            let bytes = copied.attempting(|| format!("copy {}", path.display()))?;
            fs::File::open(&target)
                .and_then(|file| file.sync_all())
                .attempting(|| format!("write {} to disk", target.display()))?;
            progress.advance(bytes);
        }
    }
    Ok(())
}
