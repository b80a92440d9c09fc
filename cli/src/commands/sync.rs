//! `comity sync` and `comity sync status`.

use crate::{
    app::App,
    args::node::{Sync, SyncCommand},
    desk::{Desk, parse},
    error::CommandError,
    grants, render,
    session::Reach,
};
use comity_client::{
    Client,
    types::{SyncRequest, SyncStatus},
};

/// How long a node that was opened for a sync looks for its peers, in milliseconds.
const MEETING_MS: u64 = 10_000;

/// Exchanges with peers, or shows who holds what.
pub(super) async fn sync(app: &App, args: &Sync) -> Result<(), CommandError> {
    match args.command {
        Some(SyncCommand::Status) => status(app).await,
        None => exchange(app, args).await,
    }
}

async fn status(app: &App) -> Result<(), CommandError> {
    let author = app.public().ok().map(|it| it.root.to_string());
    app.with_node(Reach::Store, async |client| {
        let mut status = client.sync_status(author.as_deref()).await?;
        // Receipts are about words; records of the community travel first and need none.
        let communities = client.communities().await?;
        let governs = |space: &str| communities.iter().any(|it| it.governance_space == space);
        status.mine.retain(|it| !governs(&it.space));
        print(app, &status)
    })
    .await
}

fn print(app: &App, status: &SyncStatus) -> Result<(), CommandError> {
    if app.ui.is_json() {
        return app.ui.json(status);
    }
    render::sync::status(status)
        .iter()
        .try_for_each(|line| app.ui.line(line))
}

async fn exchange(app: &App, args: &Sync) -> Result<(), CommandError> {
    app.with_node(Reach::Peers, async |client| {
        // A node opened for this command has met nobody yet, so it must wait a little.
        let wait_ms = match (args.wait, client.is_remote()) {
            (true, _) => args.timeout,
            (false, true) => 0,
            (false, false) => args.timeout.min(MEETING_MS),
        };
        renew_grants(app, client).await?;
        let request = SyncRequest { wait_ms };
        let work = client.sync(&request);
        let label = "exchanging with peers";
        let status = app.watching(label, client, &["sync"], work).await?;
        print(app, &status)?;
        if status.peers.is_empty() {
            return Err(CommandError::failure("no peer could be reached, so nothing was exchanged")
                .hint("what you wrote is saved here and travels once a peer is reached")
                .hint("`comity node connect ADDRESS` dials one; `comity node status` shows where this node listens"));
        }
        let behind = status.peers.iter().filter(|it| !it.in_sync).count() as u64;
        if args.wait && behind > 0 {
            let peers = render::count(behind, "peer");
            return Err(CommandError::failure(format!("{peers} did not become equal in time"))
                .hint("more may be on its way: run it again, or allow more with --timeout"));
        }
        if args.wait {
            confirm_restored(app, client)?;
        }
        Ok(())
    })
    .await
}

/// Restricted spaces need a grant that has not run out. Only an identity that opens without a
/// passphrase is used unasked: `sync` must run unattended.
async fn renew_grants(app: &App, client: &Client) -> Result<(), CommandError> {
    let Ok(public) = app.public() else {
        return Ok(());
    };
    let given = app.global.passphrase_file.is_some() || app.environment.passphrase.is_some();
    if public.protected && !given && app.environment.passphrase_file.is_none() {
        return Ok(());
    }
    let root = public.root.to_string();
    let communities = client.communities().await?;
    let mine = communities
        .iter()
        .filter(|it| !it.left)
        .filter(|it| it.members.iter().any(|member| member.root == root));
    let mut identity = None;
    for community in mine {
        let identity = match &mut identity {
            Some(identity) => identity,
            none => none.insert(app.unlock()?),
        };
        let node = parse(&client.status().await?.node, "node key")?;
        grants::renew(client, identity, parse(&community.id, "community")?, node).await?;
    }
    Ok(())
}

/// After a full exchange, what others hold of a restored device's chains is known here.
fn confirm_restored(app: &App, client: &Client) -> Result<(), CommandError> {
    let folder = app.identity_folder()?;
    if !folder.is_taken() || !folder.path().join("chains.json").exists() {
        return Ok(());
    }
    let Ok(text) = std::fs::read_to_string(folder.path().join("chains.json")) else {
        return Ok(());
    };
    let restored = serde_json::from_str::<serde_json::Value>(&text)
        .is_ok_and(|chains| chains["restored_ms"].is_number());
    if !restored {
        return Ok(());
    }
    let identity = app.unlock()?;
    let mut desk = Desk::open(app, client, &identity)?;
    desk.confirm_restored()?;
    app.ui
        .status("what this device wrote before is known here again: it is safe to write");
    Ok(())
}
