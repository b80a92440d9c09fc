//! A new party: made, invited to a community, and told to those who add it.

use super::{broken_code, code_text};
use crate::{
    app::App,
    compose::{
        codes::Code,
        party,
        party_ticket::{ADDRESSES_MAX, PartyTicket, TEXT_MAX_BYTES},
    },
    desk::parse,
    error::{Attempting as _, CommandError},
    lookup, random,
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{Connect, NodeStatus, TrackCommunity},
};
use serde_json::json;
use std::path::Path;

/// Makes a party and prints its code.
pub(super) async fn create(app: &App, name: &str, out: Option<&Path>) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let code = make(app, client, name).await?;
        give(app, &code, out)?;
        app.ui.hint(
            "hand it to the others: `comity community create NAME --with CODE` founds a community \
             with it, `comity charter propose --add-party CODE` adds it to one",
        );
        Ok(())
    })
    .await
}

async fn make(app: &App, client: &Client, name: &str) -> Result<party::FirstState, CommandError> {
    let status = client.status().await?;
    let identity = app.unlock()?;
    let node = parse(&status.node, "node key")?;
    let first = party::create(name, random::bytes()?, identity.root()?, node)?;
    party::read_code(&party::code(&first)).map_err(|error| broken_code(&error))
}

fn give(app: &App, first: &party::FirstState, out: Option<&Path>) -> Result<(), CommandError> {
    let code = party::code(&first.certificate);
    if let Some(path) = out {
        std::fs::write(path, format!("{code}\n"))
            .attempting(|| format!("write {}", path.display()))?;
    }
    if app.ui.is_json() {
        let delegates: Vec<String> = first
            .state
            .delegates
            .iter()
            .map(ToString::to_string)
            .collect();
        return app.ui.json(&json!({
            "party": first.party.to_string(),
            "name": first.state.name,
            "delegates": delegates,
            "code": code,
        }));
    }
    app.ui.status(&format!(
        "made the party {}: you speak for it, and this node serves it",
        sanitize::line(&first.state.name)
    ));
    app.ui.warning(
        "the party has one delegate: if your root key is lost, nobody can speak for it ever again. \
         Add a second one later: `comity party delegates add MEMBER`",
    );
    match out {
        Some(path) => app.ui.line(&path.display().to_string()),
        None => app.ui.line(&code),
    }
}

/// Makes a ticket for another party.
pub(super) async fn invite(
    app: &App,
    given: &[String],
    community: Option<&str>,
) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, community).await?;
        let status = client.status().await?;
        let addresses = addresses(given, &status)?;
        let ticket = PartyTicket {
            community: parse(&community.id, "community")?,
            name: community.name.clone(),
            addresses: addresses.clone(),
        };
        let code = ticket.code();
        if app.ui.is_json() {
            return app.ui.json(&json!({
                "ticket": code,
                "community": community.id,
                "addresses": addresses,
            }));
        }
        app.ui.line(&code)?;
        app.ui.status(&format!(
            "The ticket names {} and your node's addresses. It holds no secret and lets nobody in: \
             whoever has it makes a party with `comity party accept`, and hands you its code.",
            sanitize::line(&community.name)
        ));
        if addresses.is_empty() {
            app.ui.warning(
                "nobody can reach your node: it does not listen. Run `comity node start`, or name \
                 where it will be with --address",
            );
        }
        app.ui
            .hint("then: `comity charter propose --add-party CODE`");
        Ok(())
    })
    .await
}

fn addresses(given: &[String], status: &NodeStatus) -> Result<Vec<String>, CommandError> {
    if let Some(broken) = given.iter().find(|it| !it.starts_with('/')) {
        return Err(
            CommandError::usage(format!("{broken:?} is not a multiaddress"))
                .hint("the form is /ip4/192.0.2.7/tcp/7440 or /dns4/node.example.org/tcp/7440"),
        );
    }
    let source = if given.is_empty() {
        &status.listening
    } else {
        given
    };
    let with_peer = |address: &String| match address.contains("/p2p/") {
        true => address.clone(),
        false => format!("{address}/p2p/{}", status.peer_id),
    };
    let fitting = source
        .iter()
        .map(with_peer)
        .filter(|it| it.len() <= TEXT_MAX_BYTES);
    Ok(fitting.take(ADDRESSES_MAX).collect())
}

/// Follows a community and makes a party to join it with.
pub(super) async fn accept(
    app: &App,
    ticket: &str,
    name: &str,
    out: Option<&Path>,
) -> Result<(), CommandError> {
    app.public()?;
    let text = code_text(Code::Parties, ticket)?;
    let ticket = PartyTicket::read(&text).map_err(|error| broken_code(&error))?;
    app.with_node(Reach::Store, async |client| {
        let track = TrackCommunity {
            community: ticket.community.to_string(),
            entries: Vec::new(),
        };
        client.track(&track).await?;
        let first = make(app, client, name).await?;
        let reached = connect(app, client, &ticket.addresses).await;
        give(app, &first, out)?;
        app.ui.hint(&format!(
            "hand this code to a delegate of {}, who runs `comity charter propose --add-party CODE`",
            sanitize::line(&ticket.name)
        ));
        app.ui.hint("then approve it yourself: `comity charter proposals`, `comity charter approve ID`");
        if !reached {
            for address in &ticket.addresses {
                app.ui.hint(&format!(
                    "to fetch its records: `comity node start`, then `comity node connect {address}`"
                ));
            }
        }
        Ok(())
    })
    .await
}

async fn connect(app: &App, client: &Client, addresses: &[String]) -> bool {
    if !client.is_remote() {
        return false;
    }
    let mut failed = None;
    for address in addresses {
        let request = Connect {
            address: address.clone(),
        };
        match client.connect(&request).await {
            Ok(_) => return true,
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        app.ui.warning(&format!(
            "no node of the community could be reached: {error}"
        ));
    }
    false
}
