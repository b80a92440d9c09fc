//! `comity device …`: one person, several devices.

use super::{
    member::{self, find_member},
    narrowing::{self, Kept},
};
use crate::{
    app::App,
    args::member::{DeviceCommand, Keep, OfParty},
    compose::devices::{self, DeviceCode, DeviceTextError, DeviceTicket},
    desk::{Desk, parse},
    error::CommandError,
    grants,
    identity::{
        DisplayName, IdentityError, Material, Slot, material::SLOTS_MAX, passphrase::Purpose,
    },
    lookup,
    moment::now_ms,
    render,
    session::Reach,
};
use comity_client::{
    Client,
    types::{CommunityInfo, Connect, ConsentRequest, Roster, RosterMember, TrackCommunity},
};
use comity_protocol::{
    entry::Entry,
    id::CommunityId,
    key::PublicKey,
    record::{DeviceRevocation, RecordBody},
};
use serde_json::json;
use std::collections::BTreeSet;

/// Runs a command about devices.
pub(super) async fn run(app: &App, command: DeviceCommand) -> Result<(), CommandError> {
    match command {
        DeviceCommand::List { community } => list(app, community.as_deref()).await,
        DeviceCommand::Invite { addresses } => invite(app, &addresses).await,
        DeviceCommand::Accept {
            ticket,
            no_passphrase,
        } => accept(app, &ticket, no_passphrase).await,
        DeviceCommand::Link { code } => link(app, &code).await,
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

async fn accept(app: &App, text: &str, no_passphrase: bool) -> Result<(), CommandError> {
    let ticket: DeviceTicket = text.parse().map_err(|error| not_usable("ticket", &error))?;
    let folder = app.identity_folder()?;
    let identity = if folder.is_taken() {
        // Asked for the code again: the same device, unless somebody else lives here.
        let public = app.public()?;
        if public.root != ticket.root {
            return Err(IdentityError::AlreadyExists(folder.path().to_owned()).into());
        }
        app.unlock()?
    } else {
        crate::session::require_home(&app.home()?)?;
        let name = DisplayName::new(&ticket.name).map_err(IdentityError::from)?;
        let slot = u8::try_from(ticket.slot).ok().and_then(Slot::new);
        let slot = slot.unwrap_or(Slot::FIRST);
        let passphrase = app.passphrase(Purpose::New, no_passphrase)?;
        let material = Material::device_only(ticket.root, slot, name, now_ms())?;
        folder.create(material, &passphrase, app.environment.kdf())?
    };
    app.with_node(Reach::Peers, async |client| {
        let node: PublicKey = parse(&client.status().await?.node, "node key")?;
        let mut consents = Vec::new();
        for community in &ticket.communities {
            let by_node = take_part(client, *community, &ticket.root).await?;
            grants::put(client, &identity, *community, node).await?;
            let by_device = devices::consent(identity.device(), &ticket.root, *community);
            consents.push((*community, by_device, Some(by_node)));
        }
        for address in &ticket.addresses {
            let address = address.clone();
            if let Err(error) = client.connect(&Connect { address }).await {
                app.ui
                    .warning(&format!("your other node was not reached: {error}"));
            }
        }
        let code = DeviceCode {
            device: identity.public().device,
            slot: ticket.slot,
            node: Some(node),
            consents,
        };
        if app.ui.is_json() {
            return app.ui.json(&json!({
                "code": code.to_string(),
                "device": code.device.to_string(),
            }));
        }
        for notice in identity.notices() {
            app.ui.warning(&notice.to_string());
        }
        app.ui.line(&code.to_string())?;
        app.ui
            .hint("on the device that made the ticket: `comity device link CODE`");
        app.ui.hint("then here: `comity sync --wait`");
        Ok(())
    })
    .await
}

/// Makes the node take part in a community, and get its consent to serving the person.
async fn take_part(
    client: &Client,
    community: CommunityId,
    root: &PublicKey,
) -> Result<comity_protocol::key::Signature, CommandError> {
    let track = TrackCommunity {
        community: community.to_string(),
        entries: Vec::new(),
    };
    client.track(&track).await?;
    let consent = client
        .consent(&ConsentRequest {
            community: community.to_string(),
            root: root.to_string(),
        })
        .await?;
    super::join::signature(&consent.signature)
}

async fn link(app: &App, text: &str) -> Result<(), CommandError> {
    let code: DeviceCode = text.parse().map_err(|error| not_usable("code", &error))?;
    let root = app.public()?.root.to_string();
    app.with_node(Reach::Store, async |client| {
        let mine = mine(client, &root, None).await?;
        let identity = app.unlock()?;
        identity.root()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let mut linked = Vec::new();
        for it in &mine {
            let id: CommunityId = parse(&it.community.id, "community")?;
            let consents = code.consents.iter().find(|(community, ..)| *community == id);
            let Some((_, by_device, by_node)) = consents else {
                continue;
            };
            let key = code.device.to_string();
            if it.me.devices.iter().any(|it| it.key == key) {
                continue;
            }
            let taken = |slot: u64| it.me.devices.iter().any(|of| of.slot == Some(slot));
            let slots = std::iter::once(code.slot).chain(0..u64::from(SLOTS_MAX));
            let slot = slots.into_iter().find(|slot| !taken(*slot));
            let slot = slot.ok_or_else(no_slot)?;
            let mut chain = desk.root_chain(&it.community.governance_space).await?;
            let consents = (*by_device, *by_node);
            let links = devices::link(&mut chain, now_ms(), &code, slot, consents);
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
                "device": code.device.to_string(),
                "linked": linked,
            }));
        }
        let communities = render::count(linked.len() as u64, "community");
        app.ui.status(&format!(
            "linked in {communities}: what it writes stands under your name"
        ));
        app.ui.line(&code.device.to_string())
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
