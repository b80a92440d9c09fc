//! `comity device …`: one person, several devices.

mod accept;

use super::{
    member::{self, find_member},
    narrowing::{self, Kept},
};
use crate::{
    app::App,
    args::member::{DeviceCommand, Keep, OfParty},
    compose::devices::{self, DeviceCode, DeviceTextError, DeviceTicket, GivenCode, NotFound},
    desk::{Desk, parse},
    error::CommandError,
    identity::material::SLOTS_MAX,
    lookup,
    moment::now_ms,
    render,
    session::{self, Reach},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{CommunityInfo, Roster, RosterMember},
};
use comity_protocol::{
    access::{LinkRequest, TypedCode},
    entry::Entry,
    id::CommunityId,
    key::PublicKey,
    record::{DeviceRevocation, RecordBody},
};
use serde_json::json;
use std::collections::BTreeSet;
use thiserror::Error;

/// Runs a command about devices.
pub(super) async fn run(app: &App, command: DeviceCommand) -> Result<(), CommandError> {
    match command {
        DeviceCommand::List { community } => list(app, community.as_deref()).await,
        DeviceCommand::Invite { addresses } => invite(app, &addresses).await,
        DeviceCommand::Accept {
            ticket,
            no_passphrase,
            long,
        } => accept::accept(app, &ticket, no_passphrase, long).await,
        DeviceCommand::Link { code } => link(app, &code.concat()).await,
        DeviceCommand::Revoke {
            device,
            keep,
            party,
            yes,
            community,
        } => {
            app.public()?;
            app.with_node(Reach::Store, async |client| match party {
                Some(party) => {
                    let of = OfParty {
                        party: Some(party),
                        community,
                    };
                    member::revoke_device(app, client, &device, keep, yes, &of).await
                }
                None => revoke(app, client, &device, keep, yes, community.as_deref()).await,
            })
            .await
        }
    }
}

/// One's own devices in a community.
struct Mine {
    community: CommunityInfo,
    roster: Roster,
    me: RosterMember,
}

/// The communities in which one is a member, or the one that is named.
async fn mine(client: &Client, root: &str, named: Option<&str>) -> Result<Vec<Mine>, CommandError> {
    let communities = match named {
        Some(_) => vec![lookup::community(client, named).await?],
        None => client.communities().await?,
    };
    let mut mine = Vec::new();
    for community in communities {
        let roster = client.members(&community.id).await?;
        if let Ok(me) = find_member(&roster, root) {
            let me = me.clone();
            mine.push(Mine {
                community,
                roster,
                me,
            });
        }
    }
    if mine.is_empty() {
        return Err(
            CommandError::failure("you are not a member of a community here yet")
                .hint("`comity community create NAME`, or `comity join TICKET`")
                .hint("a device that was linked just now: run `comity sync --wait` first"),
        );
    }
    Ok(mine)
}

async fn list(app: &App, named: Option<&str>) -> Result<(), CommandError> {
    let public = app.public()?;
    let root = public.root.to_string();
    let mine = app
        .with_node(Reach::Store, async |client| {
            mine(client, &root, named).await
        })
        .await?;
    if app.ui.is_json() {
        let all: Vec<_> = mine
            .iter()
            .map(|it| json!({ "community": it.community.id, "devices": it.me.devices }))
            .collect();
        return app.ui.json(&all);
    }
    let here = public.device.to_string();
    for it in &mine {
        if mine.len() > 1 {
            app.ui.line(&it.community.name)?;
        }
        let devices = &it.me.devices;
        app.ui
            .table(&render::member::devices(&it.roster, devices, &here))?;
    }
    Ok(())
}

async fn invite(app: &App, given: &[String]) -> Result<(), CommandError> {
    let public = app.public()?;
    let root = public.root.to_string();
    app.with_node(Reach::Store, async |client| {
        let mine = mine(client, &root, None).await?;
        // Only the root key links: said here rather than after a walk to the other device.
        app.unlock()?.root()?;
        let used: BTreeSet<u64> = mine
            .iter()
            .flat_map(|it| &it.me.devices)
            .filter_map(|it| it.slot)
            .collect();
        let slot = (0..u64::from(SLOTS_MAX)).find(|slot| !used.contains(slot));
        let slot = slot.ok_or_else(no_slot)?;
        let communities = mine.iter().map(|it| parse(&it.community.id, "community"));
        let status = client.status().await?;
        let ticket = DeviceTicket {
            root: public.root,
            name: public.name.as_str().to_owned(),
            slot,
            communities: communities.collect::<Result<_, _>>()?,
            addresses: super::join::addresses(given, &status)?,
        };
        if app.ui.is_json() {
            return app.ui.json(&json!({
                "ticket": ticket.to_string(),
                "slot": slot,
                "addresses": ticket.addresses,
            }));
        }
        app.ui.line(&ticket.to_string())?;
        app.ui.status(
            "It holds no secret: your public key, your name, your communities, your node's addresses.",
        );
        app.ui
            .hint("on the new device: `comity init --node-only`, then `comity device accept TICKET`");
        if ticket.addresses.is_empty() {
            app.ui.warning(
                "your node does not listen: the new device has to be connected by hand later",
            );
        }
        Ok(())
    })
    .await
}

fn no_slot() -> CommandError {
    CommandError::failure("all sixteen device slots of your root key are taken")
        .hint("end a device you no longer use: `comity device revoke SLOT`")
}

fn not_usable(what: &str, error: &DeviceTextError) -> CommandError {
    CommandError::failure(format!("this is not a usable {what}"))
        .because(error)
        .hint(format!("copy the whole {what} again"))
}

/// Requests are handed to nodes that run.
#[derive(Debug, Error)]
#[error("no node runs here, to which a request could have been handed")]
struct NoNode;

/// The request with a typed code, from those that were handed to the node.
async fn waiting(app: &App, client: &Client, code: TypedCode) -> Result<LinkRequest, CommandError> {
    let not_taken = || CommandError::failure(format!("cannot link by the code {code}"));
    let instead = "or paste the long code, which `comity device accept TICKET --long` shows there";
    let mut waiting = Vec::new();
    for it in client.device_requests().await? {
        let request = STANDARD_NO_PAD.decode(&it.request).map_err(|error| {
            not_taken()
                .because(&error)
                .hint("restart the node with the version of this command: `comity node stop`")
        })?;
        waiting.push(request);
    }
    match devices::requested(code, &waiting) {
        Ok(request) => LinkRequest::decode(request).map_err(|error| not_usable("code", &error.into())),
        Err(NotFound::None) if session::running(&app.home()?).await?.is_none() => {
            Err(not_taken()
                .because(&NoNode)
                .hint("`comity node start` here, then `comity device accept TICKET` there again")
                .hint(instead))
        }
        Err(error @ NotFound::None) => Err(not_taken()
            .because(&error)
            .hint("compare it with what the new device shows; it is good for 15 minutes")
            .hint("not arrived: check that the new device reaches this node, and run `comity device accept TICKET` there again")
            .hint(instead)),
        Err(error @ NotFound::Several(_)) => Err(not_taken().because(&error).hint(instead)),
    }
}

async fn link(app: &App, text: &str) -> Result<(), CommandError> {
    let given: GivenCode = text.parse().map_err(|error| not_usable("code", &error))?;
    let root = app.public()?.root.to_string();
    app.with_node(Reach::Store, async |client| {
        let mine = mine(client, &root, None).await?;
        let request = match given {
            GivenCode::Whole(DeviceCode(request)) => request,
            GivenCode::Typed(code) => waiting(app, client, code).await?,
        };
        let identity = app.unlock()?;
        identity.root()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let mut linked = Vec::new();
        for it in &mine {
            let id: CommunityId = parse(&it.community.id, "community")?;
            let Some(consents) = request.consents.iter().find(|it| it.community == id) else {
                continue;
            };
            let key = request.device.to_string();
            if it.me.devices.iter().any(|it| it.key == key) {
                continue;
            }
            let taken = |slot: u64| it.me.devices.iter().any(|of| of.slot == Some(slot));
            let slots = std::iter::once(request.slot).chain(0..u64::from(SLOTS_MAX));
            let slot = slots.into_iter().find(|slot| !taken(*slot));
            let slot = slot.ok_or_else(no_slot)?;
            let mut chain = desk.root_chain(&it.community.governance_space).await?;
            let links = devices::link(&mut chain, now_ms(), &request, slot, consents);
            let links = links.into_iter().map(Entry::Record).collect();
            desk.hand_in(&it.community.id, links).await?;
            linked.push(json!({ "community": it.community.id, "slot": slot }));
        }
        if linked.is_empty() {
            return Err(CommandError::failure(
                "nothing was linked: the device is linked already, or its communities are not yours",
            )
            .hint("`comity device list` shows your devices"));
        }
        if app.ui.is_json() {
            return app.ui.json(&json!({
                "device": request.device.to_string(),
                "linked": linked,
            }));
        }
        let communities = render::count(linked.len() as u64, "community");
        app.ui.status(&format!(
            "linked in {communities}: what it writes stands under your name"
        ));
        app.ui.line(&request.device.to_string())
    })
    .await
}

async fn revoke(
    app: &App,
    client: &Client,
    device: &str,
    keep: Keep,
    yes: bool,
    named: Option<&str>,
) -> Result<(), CommandError> {
    let public = app.public()?;
    let mine = mine(client, &public.root.to_string(), named).await?;
    let mut ending: Vec<(&Mine, String, Kept)> = Vec::new();
    for it in &mine {
        let found = it.me.devices.iter().find(|of| {
            let slot = of.slot.map(|slot| slot.to_string());
            of.ended.is_none() && (of.key == device || slot.as_deref() == Some(device))
        });
        let Some(found) = found else { continue };
        let keys = std::slice::from_ref(&found.key);
        let kept = Kept::of(client, &it.community, keys, keep).await?;
        ending.push((it, found.key.clone(), kept));
    }
    let Some((_, key, _)) = ending.first() else {
        return Err(CommandError::failure(format!(
            "you have no device {device} that could be ended"
        ))
        .hint("`comity device list` shows slots and keys"));
    };
    if *key == public.device.to_string() {
        app.ui
            .warning("this is the device you are at: you cannot write with it afterwards");
    }
    for (it, _, kept) in &ending {
        kept.tell(app, &it.community);
    }
    if !yes {
        app.confirm(&format!(
            "End the device {}?",
            render::author::key_tail(key)
        ))?;
    }
    let identity = app.unlock()?;
    identity.root()?;
    let mut desk = Desk::open(app, client, &identity)?;
    let mut ids = Vec::new();
    for (it, key, kept) in &ending {
        let device: PublicKey = parse(key, "key")?;
        let body = |cuts| {
            RecordBody::DeviceRevocation(DeviceRevocation {
                device,
                cuts,
                replaces: None,
            })
        };
        ids.push(narrowing::sign(&mut desk, &it.community, kept, body).await?);
    }
    if app.ui.is_json() {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        return app.ui.json(&json!({ "device": key, "revocations": ids }));
    }
    app.ui
        .status("the device is ended: what it signs from now on does not count");
    ids.iter().try_for_each(|id| app.ui.line(&id.to_string()))
}
