//! `comity verify`, `reindex`, `backup` and `restore`.

use super::init::absolute;
use crate::{
    app::App,
    args::node::{Backup, Restore},
    error::{Attempting as _, CommandError},
    render,
    session::{self, Reach},
    ui::sanitize,
};
use comity_client::types::{BackupRequest, MaintenanceReport};
use comity_node::home::Home;
use std::{fs, path::Path};

/// Files that belong to a running node, not to its data.
const TRANSIENT: [&str; 3] = ["node.sock", "node.log", "lock"];

/// Checks everything that is stored.
pub(super) async fn verify(app: &App) -> Result<(), CommandError> {
    let work = app.with_node(Reach::Store, async |client| Ok(client.verify().await?));
    let report = app.busy("checking the record", work).await?;
    finish(app, &report, "checked")
}

/// Rebuilds the index.
pub(super) async fn reindex(app: &App) -> Result<(), CommandError> {
    let work = app.with_node(Reach::Store, async |client| Ok(client.reindex().await?));
    let report = app.busy("rebuilding the index", work).await?;
    finish(app, &report, "indexed")
}

/// Copies the node's home.
pub(super) async fn backup(app: &App, args: &Backup) -> Result<(), CommandError> {
    let to = absolute(&args.to)?;
    let request = BackupRequest {
        to: to.to_string_lossy().into_owned(),
    };
    let work = app.with_node(Reach::Store, async |client| {
        Ok(client.backup(&request).await?)
    });
    let report = app.busy("copying", work).await?;
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
    copy_tree(&args.from, &home)?;
    app.ui.warning(
        "this is the same node as before: never run both copies. Its peers bring what it has missed",
    );
    let work = app.with_node(Reach::Store, async |client| Ok(client.verify().await?));
    let report = app.busy("checking the copy", work).await?;
    finish(app, &report, "restored")
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), CommandError> {
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
            copy_tree(&path, &target)?;
        } else {
            fs::copy(&path, &target).attempting(|| format!("copy {}", path.display()))?;
            fs::File::open(&target)
                .and_then(|file| file.sync_all())
                .attempting(|| format!("write {} to disk", target.display()))?;
        }
    }
    Ok(())
}
