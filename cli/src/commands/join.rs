//! `comity invite` and `comity join`.

use crate::{
    app::App,
    args::membership::{Expiry, Invite, Join},
    compose::{
        Chain,
        founding::NO_GOVERNANCE,
        joining::{self, NodeConsent, Offer},
    },
    desk::{Desk, parse},
    error::CommandError,
    grants,
    identity::Identity,
    lookup,
    moment::{self, now_ms},
    random, render,
    session::Reach,
    ui::sanitize,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{
        CommunityInfo, ConsentRequest, JoinState, NodeStatus, PartyInfo, PendingRecord, StartJoin,
        TrackCommunity,
    },
};
use comity_protocol::{
    access::{Ticket, TicketError},
    certificate,
    contribution::ChainLink,
    entry::Entry,
    key::{PublicKey, Signature},
    record::Roles,
};
use serde_json::json;
use std::{net::IpAddr, time::Duration};

/// Addresses a ticket holds at most.
const ADDRESSES_MAX: usize = 16;
/// How often a join is looked at while nothing else happens.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Makes a ticket.
pub(super) async fn invite(app: &App, args: Invite) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, args.community.as_deref()).await?;
        let identity = app.unlock()?;
        let status = client.status().await?;
        let party = party_of(&community, &identity, &status)?;
        let addresses = addresses(&args.addresses, &status)?;
        let mut desk = Desk::open(app, client, &identity)?;
        let mut chain = desk.root_chain(&community.governance_space).await?;
        let expires_ms = match args.expires {
            Expiry::Never => None,
            Expiry::After(ms) => Some(now_ms().saturating_add(ms)),
        };
        let offer = Offer {
            party: parse(&party.id, "party")?,
            party_name: party.name.clone(),
            community: parse(&community.id, "community")?,
            community_name: community.name.clone(),
            node: parse(&status.node, "node key")?,
            addresses: addresses.clone(),
            roles: args
                .roles
                .iter()
                .map(|role| (*role).into())
                .collect::<Roles>(),
            uses: args.uses,
            expires_ms,
        };
        let (invitation, ticket) = joining::invite(&mut chain, now_ms(), offer, random::bytes()?);
        let id = invitation.id();
        desk.hand_in(&community.id, vec![Entry::Record(invitation)])
            .await?;
        let text = ticket.to_string();
        if app.ui.is_json() {
            return app.ui.json(&json!({
                "ticket": text,
                "invitation": id.to_string(),
                "community": community.id,
                "party": party.id,
                "node": status.node,
                "uses": args.uses,
                "expires_ms": expires_ms,
                "addresses": addresses,
            }));
        }
        app.ui.line(&text)?;
        let roster = client.members(&community.id).await?;
        let waits = |it: &&PendingRecord| it.id == id.to_string();
        if let Some(it) = roster.pending.iter().find(waits) {
            app.ui.warning(&format!(
                "the ticket lets nobody in yet: {} of {} delegates agree. Another one runs \
                 `comity member approve {}`",
                it.by.len(),
                it.needed,
                render::short(&it.id)
            ));
        }
        explain_ticket(app, &args, &community, party, &addresses);
        Ok(())
    })
    .await
}

fn party_of<'a>(
    community: &'a CommunityInfo,
    identity: &Identity,
    status: &NodeStatus,
) -> Result<&'a PartyInfo, CommandError> {
    let root = identity.public().root.to_string();
    let mine = community
        .parties
        .iter()
        .find(|party| party.delegates.contains(&root));
    let Some(party) = mine else {
        return Err(CommandError::failure(format!(
            "you cannot invite to {}: only delegates of a party can",
            sanitize::line(&community.name)
        ))
        .hint("`comity community show` lists the delegates: ask one of them for a ticket"));
    };
    if !party.nodes.contains(&status.node) {
        return Err(CommandError::failure(format!(
            "this node cannot let anybody in: it is not a node of {}",
            sanitize::line(&party.name)
        ))
        .hint("invite from one of the party's nodes; `comity community show` lists their keys"));
    }
    Ok(party)
}

pub(super) fn addresses(
    given: &[String],
    status: &NodeStatus,
) -> Result<Vec<String>, CommandError> {
    if let Some(broken) = given.iter().find(|it| !it.starts_with('/')) {
        return Err(
            CommandError::usage(format!("{broken:?} is not a multiaddress"))
                .hint("the form is /ip4/192.0.2.7/tcp/7440 or /dns4/node.example.org/tcp/7440"),
        );
    }
    let with_peer = |address: &String| {
        if address.contains("/p2p/") {
            address.clone()
        } else {
            format!("{address}/p2p/{}", status.peer_id)
        }
    };
    let source = if given.is_empty() {
        &status.listening
    } else {
        given
    };
    let mut addresses: Vec<String> = source.iter().map(with_peer).collect();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

fn explain_ticket(
    app: &App,
    args: &Invite,
    community: &CommunityInfo,
    party: &PartyInfo,
    addresses: &[String],
) {
    let ends = match args.expires {
        Expiry::Never => "it does not expire".to_owned(),
        Expiry::After(ms) => format!("it expires in {}", moment::show_duration(ms)),
    };
    app.ui.status(&format!(
        "The ticket lets {} into {} with the party {}; {ends}.",
        render::count(args.uses, "person").replace("persons", "people"),
        community.name,
        party.name
    ));
    app.ui.status(
        "It holds a secret key, the names of community and party, and your node's key and addresses: \
         whoever gets it can join, so send it as you would send a password.",
    );
    if addresses.is_empty() {
        app.ui.warning(
            "nobody can reach your node: it does not listen. Run `comity node start`, then \
             `comity invite` again, or name where it will be with --address",
        );
    }
    for address in addresses {
        app.ui
            .status(&format!("  {address}: {}", who_reaches(address)));
    }
    let for_anybody = |it: &String| [ANYBODY, ANYBODY_BY_RELAY].contains(&who_reaches(it));
    if !addresses.is_empty() && !addresses.iter().any(for_anybody) {
        app.ui
            .hint("for people elsewhere, name an address they can reach with --address");
    }
}

const ANYBODY: &str = "can be reached from anywhere, if no firewall is in between";

const ANYBODY_BY_RELAY: &str =
    "goes through a node that carries it; whoever reaches that reaches yours";

/// Who can reach an address, as far as it tells.
fn who_reaches(address: &str) -> &'static str {
    let through_relay = address.contains("/p2p-circuit");
    let mut parts = address.split('/').skip(1);
    let ip: Option<IpAddr> = match (parts.next(), parts.next()) {
        (Some("ip4" | "ip6"), Some(ip)) => ip.parse().ok(),
        _ => return ANYBODY,
    };
    match ip {
        Some(_) if through_relay => ANYBODY_BY_RELAY,
        Some(ip) if ip.is_loopback() => "can be reached from this machine only",
        Some(IpAddr::V4(ip)) if ip.is_private() || ip.is_link_local() => {
            "can be reached from the same network only"
        }
        Some(IpAddr::V6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => {
            "can be reached from the same network only"
        }
        _ => ANYBODY,
    }
}

/// Asks into a community.
pub(super) async fn join(app: &App, args: Join) -> Result<(), CommandError> {
    let Some(text) = &args.ticket else {
        return show_joins(app).await;
    };
    let ticket: Ticket = text.parse().map_err(|error: TicketError| {
        CommandError::failure("cannot join: this is not a usable ticket")
            .because(&error)
            .hint("copy the whole ticket again, or ask for a new one")
    })?;
    app.public()?;
    let reach = if args.wait {
        Reach::Peers
    } else {
        Reach::Store
    };
    app.with_node(reach, async |client| {
        let identity = app.unlock()?;
        if is_member(client, &ticket, &identity).await? {
            return Err(CommandError::failure(format!(
                "you are a member of {} already",
                sanitize::line(&ticket.community_name)
            ))
            .hint("`comity community show` shows it"));
        }
        let state = ask_in(app, client, &identity, &ticket).await?;
        let state = if args.wait {
            let timeout = Duration::from_millis(args.timeout);
            let work = wait(client, &ticket, &identity, state, timeout);
            let label = "waiting to be let in";
            app.watching(label, client, &["sync"], work).await?
        } else {
            state
        };
        if state.state == "member" {
            let node = parse(&client.status().await?.node, "node key")?;
            grants::put(client, &identity, ticket.community, node).await?;
        }
        report(app, client, &ticket, &state)
    })
    .await
}

async fn is_member(
    client: &Client,
    ticket: &Ticket,
    identity: &Identity,
) -> Result<bool, CommandError> {
    let root = identity.public().root.to_string();
    let device = identity.public().device.to_string();
    let community = ticket.community.to_string();
    let known = client.communities().await?;
    Ok(known.iter().filter(|it| it.id == community).any(|it| {
        it.members
            .iter()
            .any(|member| member.root == root && member.devices.contains(&device))
    }))
}

async fn ask_in(
    app: &App,
    client: &Client,
    identity: &Identity,
    ticket: &Ticket,
) -> Result<JoinState, CommandError> {
    let community = ticket.community.to_string();
    let track = TrackCommunity {
        community: community.clone(),
        entries: Vec::new(),
    };
    client.track(&track).await?;
    let consent = client
        .consent(&ConsentRequest {
            community: community.clone(),
            root: identity.public().root.to_string(),
        })
        .await?;
    let node: PublicKey = parse(&consent.node, "node key")?;
    let consent = NodeConsent {
        node,
        signature: signature(&consent.signature)?,
    };
    let mut desk = Desk::open(app, client, identity)?;
    let space = certificate::governance_space(ticket.community);
    let known = desk.root_chain(&space.to_string()).await?;
    let slot = identity.public().slot;
    let device = (identity.device(), slot);
    // A request that is made again before any answer has come is the same bytes, not a fork of the
    // person's chain: nothing in it depends on when it is made.
    let (mut chain, time_ms) = if known.next() == ChainLink::FIRST {
        let first = Chain::new(identity.root()?, space, NO_GOVERNANCE, ChainLink::FIRST);
        (first, identity.public().created_ms)
    } else {
        (known, now_ms())
    };
    let request = joining::request(
        &mut chain,
        time_ms,
        ticket,
        identity.root()?,
        device,
        consent,
    );
    grants::put(client, identity, ticket.community, node).await?;
    let start = StartJoin {
        node: ticket.node.to_string(),
        addresses: ticket.addresses.clone(),
        request: STANDARD_NO_PAD.encode(request.encode()),
    };
    Ok(client.join(&start).await?)
}

pub(super) fn signature(text: &str) -> Result<Signature, CommandError> {
    let bytes = STANDARD_NO_PAD.decode(text).ok();
    let bytes: Option<[u8; 64]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(Signature::from_bytes).ok_or_else(|| {
        CommandError::failure("the node's consent cannot be read")
            .hint("client and node may differ in version: restart the node")
    })
}

/// Waits until the person is a member, refused, or out of patience. Events only say when to look
/// again: what counts is what the node says of the join.
async fn wait(
    client: &Client,
    ticket: &Ticket,
    identity: &Identity,
    mut state: JoinState,
    timeout: Duration,
) -> Result<JoinState, CommandError> {
    let deadline = tokio::time::Instant::now() + timeout;
    let mut events = client.events(None).await?;
    let community = ticket.community.to_string();
    let mut listening = true;
    loop {
        let joins = client.joins().await?;
        if let Some(found) = joins
            .into_iter()
            .find(|it| it.community == community && it.member == state.member)
        {
            state = found;
        }
        // The person may be known before the device is: nothing can be written until both are.
        let done = match state.state.as_str() {
            "member" => is_member(client, ticket, identity).await?,
            other => other == "refused",
        };
        if done || tokio::time::Instant::now() >= deadline {
            return Ok(state);
        }
        let next = (tokio::time::Instant::now() + LOOK_AGAIN).min(deadline);
        if !listening {
            tokio::time::sleep_until(next).await;
        } else if let Ok(event) = tokio::time::timeout_at(next, events.next()).await {
            listening = event?.is_some();
        }
    }
}

fn report(
    app: &App,
    client: &Client,
    ticket: &Ticket,
    state: &JoinState,
) -> Result<(), CommandError> {
    let name = sanitize::line(&ticket.community_name).into_owned();
    let reason = state.reason.as_deref().unwrap_or("no reason given");
    if state.state == "refused" {
        let hint = match reason.contains("new key") {
            true => "`comity init` with `--identity` of another folder makes one",
            false => "ask whoever gave you the ticket for a new one",
        };
        return Err(CommandError::failure(format!("cannot join {name}: {reason}")).hint(hint));
    }
    if app.ui.is_json() {
        return app.ui.json(state);
    }
    match state.state.as_str() {
        "member" => app.ui.status(&format!("you are a member of {name} now")),
        "welcome" => app.ui.status(&format!(
            "you are let into {name}; its records are on their way"
        )),
        _ => {
            app.ui
                .status(&format!("asking into {name}: not answered yet"));
            if let Some(reason) = &state.reason {
                app.ui
                    .warning(&format!("the inviting node could not be reached: {reason}"));
            }
            let hint = if client.is_remote() {
                "your node goes on trying; look with `comity join --status`"
            } else {
                "the request waits here: run `comity node start`, and it goes out by itself"
            };
            app.ui.hint(hint);
        }
    }
    app.ui.line(&state.community)
}

async fn show_joins(app: &App) -> Result<(), CommandError> {
    let joins = app
        .with_node(Reach::Store, async |client| Ok(client.joins().await?))
        .await?;
    if app.ui.is_json() {
        return app.ui.json(&joins);
    }
    if joins.is_empty() {
        app.ui.status("no joins under way");
    }
    joins.iter().try_for_each(|it| {
        let reason = it
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let attempts = render::count(it.attempts.into(), "attempt");
        let line = format!("{} {} after {attempts}{reason}", it.community, it.state);
        app.ui.line(&sanitize::line(&line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_who_reaches_it() {
        assert!(who_reaches("/ip4/127.0.0.1/tcp/1").contains("this machine"));
        assert!(who_reaches("/ip4/192.168.1.2/tcp/1").contains("same network"));
        assert!(who_reaches("/ip6/fe80::1/tcp/1").contains("same network"));
        assert_eq!(who_reaches("/ip4/8.8.8.8/tcp/1"), ANYBODY);
        assert_eq!(who_reaches("/dns4/example.org/tcp/1"), ANYBODY);
    }
}
