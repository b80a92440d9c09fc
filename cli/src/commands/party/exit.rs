//! Exit: going on elsewhere with everything, and leaving with a copy.

use super::founding::begin;
use crate::{
    app::App,
    args::terms::method_named,
    compose::party::{self, Draft, Start, Terms},
    desk::parse,
    error::CommandError,
    lookup,
    moment::now_ms,
    random,
    session::Reach,
    ui::sanitize,
};
use comity_client::types::{CharterInfo, CharterSpace};
use comity_protocol::certificate::{DecisionRule, Promise, Readers, Space, Writers};
use serde_json::json;

/// Starts a community with the history of another and a charter of its own.
pub(in crate::commands) async fn fork(
    app: &App,
    name: &str,
    party: Option<&str>,
    community: Option<&str>,
) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let old = lookup::community(client, community).await?;
        let charter = client.charter(&old.id, None).await?;
        let root = identity.root()?;
        let key = root.public().to_string();
        let parties = client.parties(&old.id).await?;
        let mine = |id: &String| {
            let members = old.members.iter().filter(|it| it.root == key);
            let of_member = members.flat_map(|it| &it.parties).any(|it| it == id);
            let speaks = parties.iter().filter(|it| it.id == *id);
            of_member || speaks.flat_map(|it| &it.delegates).any(|it| it.key == key)
        };
        let named = charter
            .parties
            .iter()
            .find(|it| mine(&it.id))
            .map(|it| it.name.as_str());
        let party = party.or(named).unwrap_or(identity.public().name.as_str());
        let node = parse(&client.status().await?.node, "node key")?;
        let first = party::create(party, random::bytes()?, root, node)?;
        let first = party::read_code(&party::code(&first));
        let first = first.map_err(|error| super::broken_code(&error))?;
        let open = charter.spaces.iter().filter(|it| it.closed_by.is_none());
        let spaces = open.filter_map(|it| continued(it, mine).transpose());
        let start = Start {
            name: name.to_owned(),
            purpose: charter.purpose.clone(),
            spaces: spaces.collect::<Result<_, _>>()?,
            continues: Some((parse(&old.id, "community")?, parse(&charter.id, "state")?)),
            terms: terms(&charter)?,
            nonce: random::bytes()?,
            time_ms: now_ms(),
        };
        let draft = Draft::new(start, vec![first])?;
        let own = draft.read_signature(&draft.sign(root));
        let genesis = draft.complete(vec![own.map_err(|error| super::broken_code(&error))?])?;
        let info = begin(app, client, &identity, &draft, genesis).await?;
        if app.ui.is_json() {
            return app.ui.json(&info);
        }
        app.ui.status(&format!(
            "{} goes on from {} at state {} of its charter",
            sanitize::line(&info.name),
            sanitize::line(&old.name),
            crate::render::short(&charter.id)
        ));
        app.ui.line(&info.id)?;
        app.ui
            .hint("its lists show what was written before, too; that stays as it was signed");
        app.ui
            .hint("let others in: `comity node start`, then `comity invite`");
        app.ui.hint(&format!(
            "stop exchanging the old one, and keep the copy: `comity community leave {}`",
            crate::render::short(&old.id)
        ));
        Ok(())
    })
    .await
}

/// The continuation of a space; none if this person may not read it.
fn continued(
    space: &CharterSpace,
    mine: impl Fn(&String) -> bool,
) -> Result<Option<Space>, CommandError> {
    let readers = match space.readers.as_str() {
        "everyone" => Readers::Everyone,
        "parties" if !space.reader_parties.iter().any(mine) => return Ok(None),
        _ => Readers::Members,
    };
    let writers = match space.writers.as_str() {
        "stewards" => Writers::Stewards,
        _ => Writers::Members,
    };
    let mut continued = Space::new(&space.name, readers, writers);
    let allowed = |it: &&String| !space.forbidden_kinds.contains(it);
    let kinds = space.kinds.as_ref();
    continued.kinds = kinds.map(|it| it.iter().filter(allowed).cloned().collect());
    continued.continues = Some(parse(&space.id, "space")?);
    Ok(Some(continued))
}

/// Terms that bind no single party of the old community.
fn terms(charter: &CharterInfo) -> Result<Terms, CommandError> {
    let rule = |it: &comity_client::types::RuleInfo| {
        Ok(DecisionRule {
            name: it.name.clone(),
            method: method_named(&it.method).map_err(CommandError::internal)?,
            quorum_permille: it.quorum_permille,
            share_permille: it.share_permille,
            concurrent: it.concurrent,
        })
    };
    let promises = charter.promises.iter().filter(|it| it.party.is_none());
    let pair = |it: &comity_client::types::NamedText| (it.name.clone(), it.text.clone());
    Ok(Terms {
        promises: promises
            .map(|it| Promise {
                party: None,
                name: it.name.clone(),
                days: it.days,
            })
            .collect(),
        rules: charter
            .rules
            .iter()
            .map(rule)
            .collect::<Result<_, CommandError>>()?,
        labels: charter.labels.iter().map(pair).collect(),
        articles: charter.articles.iter().map(pair).collect(),
    })
}

/// Stops exchanging a community, and keeps what is here of it.
pub(in crate::commands) async fn leave(
    app: &App,
    community: &str,
    yes: bool,
) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let known = lookup::community(client, Some(community)).await?;
        let name = sanitize::line(&known.name).into_owned();
        app.ui.status(&format!(
            "This node stops exchanging {name} with others and keeps everything it has of it, as it \
             was signed. Membership does not end by that."
        ));
        if !yes {
            app.confirm("Leave it?")?;
        }
        let left = client.leave(&known.id).await?;
        if app.ui.is_json() {
            return app.ui.json(&json!({ "community": left.id, "left": left.left }));
        }
        app.ui.status(&format!("left {name}; `comity list`, `show` and `export` go on to work"));
        app.ui.line(&left.id)
    })
    .await
}
