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
    render::community::continued_by,
    session::Reach,
    ui::sanitize,
};
use comity_client::types::{CharterInfo, CharterSpace, CommunityInfo, PromiseInfo};
use comity_protocol::{
    certificate::{DecisionRule, Promise, Readers, Space, Writers},
    id::PartyId,
};
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
        let own = charter.parties.iter().find(|it| mine(&it.id));
        let named = own.map(|it| it.name.as_str());
        let party = party.or(named).unwrap_or(identity.public().name.as_str());
        let node = parse(&client.status().await?.node, "node key")?;
        let first = party::create(party, random::bytes()?, root, node)?;
        let first = party::read_code(&party::code(&first));
        let first = first.map_err(|error| super::broken_code(&error))?;
        let open = charter.spaces.iter().filter(|it| it.closed_by.is_none());
        let mut not_carried = not_carried(&charter, own.map(|it| it.id.as_str()), mine);
        not_carried.sort();
        let spaces = open.filter_map(|it| continued(it, mine).transpose());
        let sides = (own.map(|it| it.id.as_str()), first.party);
        let start = Start {
            name: name.to_owned(),
            purpose: charter.purpose.clone(),
            spaces: spaces.collect::<Result<_, _>>()?,
            continues: Some((parse(&old.id, "community")?, parse(&charter.id, "state")?)),
            terms: terms(&charter, sides)?,
            nonce: random::bytes()?,
            time_ms: now_ms(),
        };
        let draft = Draft::new(start, vec![first])?;
        let own = draft.read_signature(&draft.sign(root));
        let genesis = draft.complete(vec![own.map_err(|error| super::broken_code(&error))?])?;
        let info = begin(app, client, &identity, &draft, genesis).await?;
        if app.ui.is_json() {
            let mut told = json!(info);
            if let Some(fields) = told.as_object_mut() {
                fields.insert("not_carried".into(), json!(not_carried));
            }
            return app.ui.json(&told);
        }
        app.ui.status(&format!(
            "{} goes on from {} at state {} of its charter",
            sanitize::line(&info.name),
            sanitize::line(&old.name),
            crate::render::short(&charter.id)
        ));
        for it in &not_carried {
            app.ui.warning(&format!("not carried over: {it}"));
        }
        app.ui.line(&info.id)?;
        app.ui
            .hint("its lists show what was written before, too; that stays as it was signed");
        app.ui
            .hint("who joins gets of it what everyone could read; the rest stays with its readers");
        app.ui
            .hint("let others in: `comity node start`, then `comity invite`");
        app.ui.hint(&format!(
            "take no more part in the old one, and keep it as history: `comity community leave {}`",
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

/// What the new charter cannot hold: promises of parties that take no part in it, and spaces that
/// this person does not read.
fn not_carried(
    charter: &CharterInfo,
    own: Option<&str>,
    mine: impl Fn(&String) -> bool,
) -> Vec<String> {
    let by_others = charter.promises.iter().filter_map(|it| {
        let promiser = it.party.as_deref().filter(|it| Some(*it) != own)?;
        let party = charter.parties.iter().find(|it| it.id == promiser);
        let party = party.map_or(promiser, |it| it.name.as_str());
        Some(format!(
            "the promise {} of {}, which takes no part",
            sanitize::line(&it.name),
            sanitize::line(party)
        ))
    });
    let open = charter.spaces.iter().filter(|it| it.closed_by.is_none());
    let unread = open.filter(|it| it.readers == "parties" && !it.reader_parties.iter().any(&mine));
    let unread = unread.map(|it| {
        let name = sanitize::line(&it.name);
        format!("the space {name}, which you do not read")
    });
    by_others.chain(unread).collect()
}

/// The terms of the old charter; what the forking party promised by itself its new chain promises.
fn terms(
    charter: &CharterInfo,
    (own, new): (Option<&str>, PartyId),
) -> Result<Terms, CommandError> {
    let rule = |it: &comity_client::types::RuleInfo| {
        Ok(DecisionRule {
            name: it.name.clone(),
            method: method_named(&it.method).map_err(CommandError::internal)?,
            quorum_permille: it.quorum_permille,
            share_permille: it.share_permille,
            concurrent: it.concurrent,
        })
    };
    let of_new = |it: &PromiseInfo| it.party.as_deref().is_none_or(|it| Some(it) == own);
    let promises = charter.promises.iter().filter(|it| of_new(it));
    let pair = |it: &comity_client::types::NamedText| (it.name.clone(), it.text.clone());
    Ok(Terms {
        party_quorum: None,
        promises: promises
            .map(|it| Promise {
                party: it.party.as_ref().map(|_| new),
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

/// Takes no more part in a community, and keeps what is here of it.
pub(in crate::commands) async fn leave(
    app: &App,
    community: &str,
    yes: bool,
) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let known = lookup::community(client, Some(community)).await?;
        let before = client.communities().await?;
        let name = sanitize::line(&known.name).into_owned();
        app.ui.status(&match continued_by(&known, &before).as_str() {
            "" => format!(
                "This node stops exchanging {name} with others and keeps everything it has of it, as \
                 it was signed. Membership does not end by that."
            ),
            forks => format!(
                "This node keeps everything it has of {name}, as it was signed, and goes on to exchange \
                 it, to be read as the history of {forks}. Membership does not end by that."
            ),
        });
        if !yes {
            app.confirm("Leave it?")?;
        }
        let left = client.leave(&known.id).await?;
        let after = client.communities().await?;
        let ended = ended_with(&known, &before, &after);
        if app.ui.is_json() {
            let ended: Vec<&str> = ended.iter().map(|it| it.id.as_str()).collect();
            return app.ui.json(&json!({
                "community": left.id,
                "left": left.left,
                "history": left.history,
                "continued_by": left.continued_by,
                "ended": ended,
            }));
        }
        app.ui.status(&format!("left {name}; `comity list`, `show` and `export` go on to work"));
        for it in &ended {
            let old = sanitize::line(&it.name);
            app.ui.status(&format!("its history in {old} is exchanged no longer either, and kept"));
        }
        app.ui.line(&left.id)?;
        if left.history {
            app.ui.hint(&format!(
                "others read its history here until you leave {}, too",
                continued_by(&left, &after)
            ));
        }
        Ok(())
    })
    .await
}

/// The histories that were exchanged because of a community, and are no longer.
fn ended_with<'a>(
    left: &CommunityInfo,
    before: &[CommunityInfo],
    after: &'a [CommunityInfo],
) -> Vec<&'a CommunityInfo> {
    let was_history = |id: &String| before.iter().any(|it| it.id == *id && it.history);
    let gone = after.iter().filter(|it| it.left && it.id != left.id);
    gone.filter(|it| was_history(&it.id)).collect()
}
