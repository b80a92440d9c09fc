//! `comity init` and `comity whoami`.

use crate::{
    app::App,
    args::membership::Init,
    error::{Attempting as _, CommandError},
    identity::{DisplayName, IdentityError, Material, passphrase::Purpose},
    moment::now_ms,
    session::{self, Reach},
};
use comity_client::types::{CommunityInfo, NodeStatus};
use comity_node::home::Home;
use serde_json::json;
use std::path::Path;

/// Makes a node home and an identity, whichever is not there yet.
pub(super) fn init(app: &App, args: &Init) -> Result<(), CommandError> {
    let path = app.home()?;
    let existed = session::is_home(&path);
    let folder = app.identity_folder()?;
    if existed && (args.node_only || folder.is_taken()) {
        let what = if args.node_only {
            "a node home"
        } else {
            "a node home and an identity"
        };
        return Err(
            CommandError::failure(format!("nothing to do: {what} is here already"))
                .hint("`comity whoami` shows whose identity it is")
                .hint("for another one, name other folders with --home and --identity"),
        );
    }
    // The identity first: if its passphrase is refused, nothing is left behind.
    let identity = if args.node_only || folder.is_taken() {
        None
    } else {
        let name = DisplayName::new(&name(args)?).map_err(IdentityError::from)?;
        let passphrase = app.passphrase(Purpose::New, args.no_passphrase)?;
        let home = Home::open(&path)?;
        home.socket()?;
        let material = Material::generate(name, now_ms())?;
        Some(folder.create(material, &passphrase, app.environment.kdf())?)
    };
    let home = Home::open(&path)?;
    home.socket()?;
    let node = home.key()?.public();
    let public = match &identity {
        Some(identity) => Some(identity.public().clone()),
        None => folder.public().ok(),
    };
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "home": home.path(),
            "node": node.to_string(),
            "identity": public.as_ref().map(|_| folder.path()),
            "name": public.as_ref().map(|it| it.name.as_str()),
            "root": public.as_ref().map(|it| it.root.to_string()),
            "device": public.as_ref().map(|it| it.device.to_string()),
        }));
    }
    let made = if existed { "is" } else { "made" };
    app.ui
        .status(&format!("node home {made} in {}", home.path().display()));
    if let Some(identity) = &identity {
        app.ui
            .status(&format!("identity made in {}", folder.path().display()));
        for notice in identity.notices() {
            app.ui.warning(&notice.to_string());
        }
        app.ui.line(&identity.public().root.to_string())?;
        app.ui
            .hint("write down the 24 words that bring you back: `comity identity phrase`");
        app.ui
            .hint("then `comity community create NAME`, or `comity join TICKET`");
    } else {
        app.ui.line(&node.to_string())?;
    }
    Ok(())
}

fn name(args: &Init) -> Result<String, CommandError> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let login = std::env::var("USER").ok();
    login.filter(|it| !it.trim().is_empty()).ok_or_else(|| {
        CommandError::usage("say your name, as others will see it").hint("add --name NAME")
    })
}

/// Who the person is, which node this is, and what it takes part in.
pub(super) async fn whoami(app: &App) -> Result<(), CommandError> {
    let folder = app.identity_folder()?;
    let public = app.public()?;
    let home = app.home()?;
    let node = ask_node(app, &home).await;
    let root = public.root.to_string();
    let memberships = node
        .iter()
        .flat_map(|(_, communities)| communities)
        .map(|community| {
            let member = community.members.iter().find(|it| it.root == root);
            json!({
                "community": community.id,
                "name": community.name,
                "roles": member.map(|it| it.roles.clone()).unwrap_or_default(),
                "member": member.is_some(),
            })
        });
    let memberships: Vec<_> = memberships.collect();
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "name": public.name.as_str(),
            "root": root,
            "device": public.device.to_string(),
            "slot": public.slot.number(),
            "identity": folder.path(),
            "protected": public.protected,
            "home": home,
            "node": node.as_ref().map(|(status, _)| &status.node),
            "communities": memberships,
        }));
    }
    app.ui
        .line(&format!("name      {}", public.name.as_str()))?;
    app.ui.line(&format!("root      {root}"))?;
    app.ui.line(&format!("device    {}", public.device))?;
    app.ui
        .line(&format!("identity  {}", folder.path().display()))?;
    app.ui.line(&format!("home      {}", home.display()))?;
    match &node {
        Some((status, _)) => app.ui.line(&format!("node      {}", status.node))?,
        // Why it cannot be asked has been said.
        None if session::is_home(&home) => {}
        None => app.ui.hint("there is no node home here yet: `comity init`"),
    }
    for it in &memberships {
        let roles: Vec<&str> = it["roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|role| role.as_str())
            .collect();
        let roles = if roles.is_empty() {
            "not a member yet".to_owned()
        } else {
            roles.join(", ")
        };
        let name = it["name"].as_str().unwrap_or_default();
        app.ui.line(&format!(
            "member    {} ({roles})",
            crate::ui::sanitize::line(name)
        ))?;
    }
    for notice in folder.notices() {
        app.ui.warning(&notice.to_string());
    }
    Ok(())
}

/// What the node here says, if there is one; without it an identity is still an identity.
async fn ask_node(app: &App, home: &Path) -> Option<(NodeStatus, Vec<CommunityInfo>)> {
    if !session::is_home(home) {
        return None;
    }
    let asked = app.with_node(Reach::Store, async |client| {
        Ok((client.status().await?, client.communities().await?))
    });
    asked
        .await
        .map_err(|error| app.ui.warning(&error.to_string()))
        .ok()
}

/// The path of a folder as an absolute one, for messages and for nodes that run elsewhere.
pub(super) fn absolute(path: &Path) -> Result<std::path::PathBuf, CommandError> {
    std::path::absolute(path).attempting(|| format!("find {}", path.display()))
}
