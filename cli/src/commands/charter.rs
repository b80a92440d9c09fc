//! `comity charter …`

pub(super) mod erasure;
pub(super) mod floor;
mod leading;
mod propose;

pub(super) use propose::propose;

use crate::{
    app::App,
    args::charter::CharterCommand,
    commands::party::cuts,
    compose::resolution,
    desk::{Desk, parse},
    error::CommandError,
    lookup,
    moment::now_ms,
    render,
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{CharterInfo, CommunityInfo, ForkInfo, ProposalInfo},
};
use comity_protocol::entry::Entry;
use floor::Floor;
use serde_json::json;
use similar::{ChangeTag, TextDiff};

pub(super) async fn run(app: &App, command: CharterCommand) -> Result<(), CommandError> {
    match command {
        CharterCommand::Show { at, community } => {
            show(app, at.as_deref(), community.as_deref()).await
        }
        CharterCommand::Log { community } => log(app, community.as_deref()).await,
        CharterCommand::Proposals { id, all, community } => {
            proposals(app, id.as_deref(), all, community.as_deref()).await
        }
        CharterCommand::Propose(args) => propose(app, &args).await,
        CharterCommand::Approve(args) => floor::approve(app, &args).await,
        CharterCommand::Reject(args) => floor::reject(app, &args).await,
        CharterCommand::Diff {
            from,
            to,
            community,
        } => diff(app, &from, to.as_deref(), community.as_deref()).await,
        CharterCommand::Choose { id, community } => choose(app, &id, community.as_deref()).await,
    }
}

fn lines(app: &App, lines: &[String]) -> Result<(), CommandError> {
    lines.iter().try_for_each(|line| app.ui.line(line))
}

async fn show(app: &App, at: Option<&str>, community: Option<&str>) -> Result<(), CommandError> {
    let charter = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, community).await?;
            Ok(client.charter(&community.id, at).await?)
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&charter);
    }
    lines(app, &render::charter::charter(&charter))
}

async fn log(app: &App, community: Option<&str>) -> Result<(), CommandError> {
    let steps = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, community).await?;
            Ok(client.charter_log(&community.id).await?)
        })
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&steps);
    }
    lines(app, &render::charter::log(&steps))
}

async fn proposals(
    app: &App,
    id: Option<&str>,
    all: bool,
    community: Option<&str>,
) -> Result<(), CommandError> {
    let root = app.public().ok().map(|it| it.root.to_string());
    let (community, items) = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, community).await?;
            let items = client.proposals(&community.id, root.as_deref()).await?;
            Ok((community, items))
        })
        .await?;
    if let Some(id) = id {
        let item = floor::pick(items, id)?;
        if app.ui.is_json() {
            return app.ui.json(&item);
        }
        let words = app
            .with_node(Reach::Store, async |client| {
                Ok(erasure::words_of(client, &item).await)
            })
            .await?;
        lines(app, &render::proposal::document(&item, &community.name))?;
        return lines(app, &words);
    }
    let open = |it: &ProposalInfo| matches!(it.state.as_str(), "open" | "carried");
    let shown: Vec<ProposalInfo> = items.into_iter().filter(|it| all || open(it)).collect();
    if app.ui.is_json() {
        return app.ui.json(&shown);
    }
    if shown.is_empty() {
        app.ui
            .hint("nothing is proposed: `comity charter propose` does; `--all` shows what was");
        return Ok(());
    }
    app.ui.table(&render::proposal::proposals(&shown))
}

/// What a proposal changes, or the charters at two states line by line.
async fn diff(
    app: &App,
    from: &str,
    to: Option<&str>,
    community: Option<&str>,
) -> Result<(), CommandError> {
    enum Found {
        Proposal(Box<ProposalInfo>),
        States(Box<CharterInfo>, Box<CharterInfo>),
    }
    let found = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, community).await?;
            if to.is_none() {
                let items = client.proposals(&community.id, None).await?;
                if let Ok(item) = floor::pick(items, from) {
                    return Ok(Found::Proposal(Box::new(item)));
                }
            }
            let before = client.charter(&community.id, Some(from)).await?;
            let after = client.charter(&community.id, to).await?;
            Ok(Found::States(Box::new(before), Box::new(after)))
        })
        .await?;
    match found {
        Found::Proposal(item) if app.ui.is_json() => app.ui.json(&item.changes),
        Found::Proposal(item) => {
            let changes: Vec<String> = item
                .changes
                .iter()
                .flat_map(render::charter::change)
                .collect();
            lines(app, &changes)
        }
        Found::States(before, after) if app.ui.is_json() => {
            app.ui.json(&json!({ "from": before, "to": after }))
        }
        Found::States(before, after) => lines(app, &compare(&before, &after)),
    }
}

fn compare(before: &CharterInfo, after: &CharterInfo) -> Vec<String> {
    let text = |it| render::charter::charter(it).join("\n") + "\n";
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    let marked = diff.iter_all_changes().filter_map(|change| {
        let mark = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        Some(format!("{mark} {}", change.value().trim_end()))
    });
    marked.collect()
}

/// Chooses a branch of a fork.
async fn choose(app: &App, text: &str, community: Option<&str>) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, community).await?;
        let forks = forked(client, &community).await?;
        let children = forks.iter().flat_map(|it| it.children.iter().map(move |id| (it, id)));
        let fitting: Vec<(&ForkInfo, &String)> =
            children.clone().filter(|(_, it)| it.starts_with(text)).collect();
        let (fork, chosen) = match fitting.as_slice() {
            [(fork, one)] => (*fork, (*one).clone()),
            _ => {
                let choices = children.map(|(_, it)| format!("there is {it}"));
                return Err(CommandError::failure(format!(
                    "{text} is not one branch of a fork in {}",
                    sanitize::line(&community.name)
                ))
                .hints(choices));
            }
        };
        let identity = app.unlock()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let mut chain = desk.root_chain(&community.governance_space).await?;
        let record = resolution::choose(&mut chain, now_ms(), parse(&chosen, "state")?);
        let saved = desk
            .hand_in(&community.id, vec![Entry::Record(record)])
            .await?;
        if app.ui.is_json() {
            return app
                .ui
                .json(&json!({ "chosen": chosen, "peers": saved.peers }));
        }
        app.ui.status(
            "your choice is recorded. The branch that most parties choose is followed; what you \
             approved counts as chosen, and one who chooses both counts for neither",
        );
        if fork.pinned && fork.winner != chosen {
            app.ui.warning(
                "the charter names a state of the other branch, and no choice moves that: all other \
                 parties can, by `comity charter propose --lead-over PARTY=STATE`",
            );
        }
        app.ui.line(&chosen)
    })
    .await
}

/// Every fork of the charter and of parties.
async fn forked(client: &Client, community: &CommunityInfo) -> Result<Vec<ForkInfo>, CommandError> {
    let charter = client.charter(&community.id, None).await?;
    let parties = client.parties(&community.id).await?;
    let of_parties = parties.into_iter().flat_map(|it| it.forks);
    Ok(charter.forks.into_iter().chain(of_parties).collect())
}

/// Somebody on the floor of a community: unlocked, at the desk, with a say.
pub(super) async fn take_floor<'a>(
    app: &'a App,
    client: &'a Client,
    identity: &'a crate::identity::Identity,
    community: Option<&str>,
) -> Result<Floor<'a>, CommandError> {
    let community = lookup::community(client, community).await?;
    let desk = Desk::open(app, client, identity)?;
    let mut floor = Floor {
        app,
        client,
        identity,
        desk,
        community,
    };
    cuts::hand_in_kept(&mut floor).await?;
    Ok(floor)
}
