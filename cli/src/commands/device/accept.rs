//! `comity device accept`: the new device makes its key, and asks to be linked.

use super::not_usable;
use crate::{
    app::App,
    compose::devices::{self, DeviceCode, DeviceTicket},
    desk::parse,
    error::CommandError,
    grants,
    identity::{DisplayName, Identity, IdentityError, Material, Slot, passphrase::Purpose},
    moment::now_ms,
    session::{Reach, require_home},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{Connect, ConsentRequest, HandOver, TrackCommunity},
};
use comity_protocol::{
    access::{LINK_MAX_BYTES, LinkConsents, LinkRequest, TypedCode},
    id::CommunityId,
    key::PublicKey,
};
use serde_json::json;
use std::collections::BTreeSet;

pub(super) async fn accept(
    app: &App,
    text: &str,
    no_passphrase: bool,
    long: bool,
) -> Result<(), CommandError> {
    let ticket: DeviceTicket = text.parse().map_err(|error| not_usable("ticket", &error))?;
    let identity = identity(app, &ticket, no_passphrase)?;
    app.with_node(Reach::Peers, async |client| {
        let node: PublicKey = parse(&client.status().await?.node, "node key")?;
        let mut consents = Vec::new();
        for community in &ticket.communities {
            let by_node = take_part(client, *community, &ticket.root).await?;
            grants::put(client, &identity, *community, node).await?;
            consents.push(LinkConsents {
                community: *community,
                by_device: devices::consent(identity.device(), &ticket.root, *community),
                by_node: Some(by_node),
            });
        }
        let reached = connect(app, client, &ticket.addresses).await;
        let code = DeviceCode(LinkRequest {
            device: identity.public().device,
            slot: ticket.slot,
            node: Some(node),
            consents,
        });
        let typed = match long {
            true => Err(None),
            false => hand_over(client, reached, &code.0).await.map_err(Some),
        };
        tell(app, &identity, &code, typed)
    })
    .await
}

/// The identity of this device, made if there is none.
fn identity(
    app: &App,
    ticket: &DeviceTicket,
    no_passphrase: bool,
) -> Result<Identity, CommandError> {
    let folder = app.identity_folder()?;
    if folder.is_taken() {
        // Asked for the code again: the same device, unless somebody else lives here.
        let public = app.public()?;
        if public.root != ticket.root {
            return Err(IdentityError::AlreadyExists(folder.path().to_owned()).into());
        }
        return app.unlock();
    }
    require_home(&app.home()?)?;
    let name = DisplayName::new(&ticket.name).map_err(IdentityError::from)?;
    let slot = u8::try_from(ticket.slot).ok().and_then(Slot::new);
    let slot = slot.unwrap_or(Slot::FIRST);
    let passphrase = app.passphrase(Purpose::New, no_passphrase)?;
    let material = Material::device_only(ticket.root, slot, name, now_ms())?;
    Ok(folder.create(material, &passphrase, app.environment.kdf())?)
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
    crate::commands::join::signature(&consent.signature)
}

/// Connects to the person's other node, and gives the peers that answered, or why none did.
async fn connect(
    app: &App,
    client: &Client,
    addresses: &[String],
) -> Result<BTreeSet<String>, String> {
    let (mut reached, mut why) = (BTreeSet::new(), None);
    for address in addresses {
        let address = address.clone();
        match client.connect(&Connect { address }).await {
            Ok(connected) => drop(reached.insert(connected.peer_id)),
            Err(error) => {
                app.ui
                    .warning(&format!("your other node was not reached: {error}"));
                why = Some("your other node was not reached".to_owned());
            }
        }
    }
    match reached.is_empty() {
        true => Err(why.unwrap_or_else(|| "the ticket names no address of your other node".into())),
        false => Ok(reached),
    }
}

/// Hands a request to the person's other node; gives its code, or why it has none.
async fn hand_over(
    client: &Client,
    reached: Result<BTreeSet<String>, String>,
    request: &LinkRequest,
) -> Result<TypedCode, String> {
    let encoded = request.encode();
    if encoded.len() > LINK_MAX_BYTES {
        return Err(format!(
            "{} communities are too many for a code that can be typed",
            request.consents.len()
        ));
    }
    let mut handed = Err("nobody was there to take it".to_owned());
    for peer_id in reached? {
        let request = STANDARD_NO_PAD.encode(&encoded);
        let asked = HandOver { peer_id, request };
        match client.hand_over_device(&asked).await {
            Ok(()) => handed = Ok(TypedCode::of(&encoded)),
            Err(error) => handed = handed.map_err(|_| error.to_string()),
        }
    }
    handed
}

/// Shows the code to type; or the whole one, and why there is no short one if that was wanted.
fn tell(
    app: &App,
    identity: &Identity,
    code: &DeviceCode,
    typed: Result<TypedCode, Option<String>>,
) -> Result<(), CommandError> {
    if app.ui.is_json() {
        let why = typed.as_ref().err().cloned().flatten();
        return app.ui.json(&json!({
            "typed": typed.ok().map(|it| it.to_string()),
            "not_handed_over": why,
            "code": code.to_string(),
            "device": code.0.device.to_string(),
        }));
    }
    for notice in identity.notices() {
        app.ui.warning(&notice.to_string());
    }
    match typed {
        Ok(typed) => {
            app.ui.line(&typed.to_string())?;
            app.ui.hint(&format!(
                "within 15 minutes, on the device that made the ticket: `comity device link {typed}`"
            ));
        }
        Err(why) => {
            if let Some(why) = why {
                app.ui
                    .warning(&format!("there is no short code to type: {why}"));
            }
            app.ui.line(&code.to_string())?;
            app.ui
                .hint("on the device that made the ticket: `comity device link CODE`");
        }
    }
    app.ui.hint("then here: `comity sync --wait`");
    Ok(())
}
