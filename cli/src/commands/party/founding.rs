//! A community that several parties found: drafted by one, signed by each, started by any.

use super::{broken_code, code_text, read_code};
use crate::{
    app::App,
    args::{membership::CreateCommunity, terms::method_name},
    commands::terms::Parties,
    compose::{
        codes::Code,
        party::{self, Draft, FirstState, Start},
    },
    desk::{Desk, parse},
    error::CommandError,
    identity::Identity,
    moment::{self, now_ms},
    random,
    render::{
        self,
        charter::{article, section},
        count,
    },
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{CommunityInfo, RuleInfo},
};
use comity_protocol::{
    certificate::{Certificate, DecisionRule, Readers, Space, Writers, governance_space},
    contribution::ChainLink,
    entry::Entry,
};
use serde_json::json;

/// Drafts a community with other parties, and prints the draft for them to sign.
pub(in crate::commands) async fn draft(
    app: &App,
    args: &CreateCommunity,
) -> Result<(), CommandError> {
    app.public()?;
    let mut parties = Vec::new();
    for code in &args.with {
        parties.push(read_code(code)?);
    }
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let root = identity.root()?;
        let mine = |it: &&FirstState| it.state.delegates.contains(&root.public());
        if !parties.iter().any(|it| mine(&it)) {
            let status = client.status().await?;
            let name = args.party.as_deref().unwrap_or(identity.public().name.as_str());
            let node = parse(&status.node, "node key")?;
            let first = party::create(name, random::bytes()?, root, node)?;
            let own = party::read_code(&party::code(&first));
            parties.push(own.map_err(|error| broken_code(&error))?);
        }
        let named = parties.iter();
        let named = named.map(|it| (it.state.name.clone(), it.party.to_string()));
        let known = Parties {
            named: named.collect(),
            of: "those that found it",
        };
        let (spaces, terms) = known.founding(args)?;
        let start = Start {
            name: args.name.clone(),
            purpose: args.purpose.clone(),
            spaces,
            continues: None,
            terms,
            nonce: random::bytes()?,
            time_ms: now_ms(),
        };
        let draft = Draft::new(start, parties.clone())?;
        let code = draft.code();
        if app.ui.is_json() {
            let missing = draft.missing(&[]);
            let founders: Vec<String> = missing.iter().map(ToString::to_string).collect();
            return app.ui.json(&json!({
                "draft": code,
                "community": draft.community().to_string(),
                "founders": founders,
            }));
        }
        app.ui.status(&document(&draft).join("\n"));
        app.ui.status("");
        app.ui.status("This is a draft: the community exists once every founder has signed it.");
        app.ui.line(&code)?;
        app.ui.hint("the other founders run `comity community sign DRAFT` and hand back a signature");
        app.ui.hint("then everybody runs `comity community found DRAFT SIGNATURE…`; yours is added by itself");
        Ok(())
    })
    .await
}

/// What a draft says, as its founders read it.
fn document(draft: &Draft) -> Vec<String> {
    let genesis = &draft.genesis;
    let mut lines = vec![format!("The community {}", sanitize::line(&genesis.name))];
    if !genesis.purpose.is_empty() {
        lines.push(sanitize::text(&genesis.purpose).into_owned());
    }
    lines.push(format!("drafted {}", moment::show(genesis.time_ms)));
    lines.push(String::new());
    let parties = draft.parties.len() as u64;
    lines.push(format!(
        "Founded by {}; {} of them must approve a change of the charter",
        count(parties, "party"),
        genesis.party_quorum
    ));
    for party in &draft.parties {
        lines.push(format!(
            "  {}  {}",
            sanitize::line(&party.state.name),
            party.party
        ));
        lines.extend(
            party
                .state
                .delegates
                .iter()
                .map(|it| format!("    delegate  {it}")),
        );
    }
    lines.push(String::new());
    lines.push("Spaces".to_owned());
    lines.extend(genesis.spaces.iter().map(|it| space(draft, it)));
    lines.extend(terms(draft));
    lines
}

/// Promises, rules, labels and articles: what is signed is read before.
fn terms(draft: &Draft) -> Vec<String> {
    let genesis = &draft.genesis;
    let promises = genesis.promises.iter().map(|it| {
        let party = draft
            .parties
            .iter()
            .find(|known| Some(known.party) == it.party);
        let who = party.map_or("every party", |it| it.state.name.as_str());
        format!("{}: {} by {who}", it.name, count(it.days, "day"))
    });
    let rules = genesis.rules.iter().map(rule);
    let labels = genesis.labels.iter();
    let labels = labels.map(|(name, text)| format!("{name}: {text}"));
    let mut lines = Vec::new();
    section(&mut lines, "Promises", promises);
    section(&mut lines, "Rules for decisions", rules);
    section(&mut lines, "Labels", labels);
    for (name, text) in &genesis.articles {
        lines.extend(article(name, text));
    }
    lines
}

fn rule(it: &DecisionRule) -> String {
    render::charter::rule(&RuleInfo {
        name: it.name.clone(),
        method: method_name(it.method).to_owned(),
        quorum_permille: it.quorum_permille,
        share_permille: it.share_permille,
        concurrent: it.concurrent,
    })
}

fn space(draft: &Draft, space: &Space) -> String {
    let readers = match &space.readers {
        Readers::Everyone => "everyone".to_owned(),
        Readers::Parties(ids) => {
            let named = draft.parties.iter().filter(|it| ids.contains(&it.party));
            let names: Vec<&str> = named.map(|it| it.state.name.as_str()).collect();
            format!("members of {}", names.join(", "))
        }
        _ => "members".to_owned(),
    };
    let mut line = format!("  {}  read by {readers}", space.name);
    if space.writers == Writers::Stewards {
        line.push_str(", written by stewards");
    }
    if let Some(kinds) = &space.kinds {
        line.push_str(&format!(", only {}", kinds.join(", ")));
    }
    sanitize::line(&line).into_owned()
}

fn read(text: &str) -> Result<Draft, CommandError> {
    let text = code_text(Code::Draft, text)?;
    Draft::read(&text).map_err(|error| broken_code(&error))
}

/// Signs a draft as a founder.
pub(in crate::commands) fn sign(app: &App, text: &str, yes: bool) -> Result<(), CommandError> {
    let root = app.public()?.root;
    let draft = read(text)?;
    if !draft.genesis.founders.contains(&root) {
        return Err(
            CommandError::failure("cannot sign: you are no founder in this draft").hint(
                "whoever drafts it names your party: `comity community create NAME --with CODE`",
            ),
        );
    }
    app.ui.status(&document(&draft).join("\n"));
    if !yes {
        app.confirm("Found it?")?;
    }
    let identity = app.unlock()?;
    let code = draft.sign(identity.root()?);
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "signature": code,
            "community": draft.community().to_string(),
        }));
    }
    app.ui.line(&code)?;
    app.ui
        .hint("hand this signature to the other founders; it holds no secret");
    app.ui
        .hint("with all of theirs, run `comity community found DRAFT SIGNATURE…`");
    Ok(())
}

/// Starts a community that all founders signed.
pub(in crate::commands) async fn found(
    app: &App,
    text: &str,
    signatures: &[String],
) -> Result<(), CommandError> {
    app.public()?;
    let draft = read(text)?;
    let mut signed = Vec::new();
    for signature in signatures {
        let text = code_text(Code::Signature, signature)?;
        signed.push(
            draft
                .read_signature(&text)
                .map_err(|error| broken_code(&error))?,
        );
    }
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let root = identity.root()?;
        if draft.genesis.founders.contains(&root.public()) {
            let own = draft.sign(root);
            signed.push(draft.read_signature(&own).map_err(|error| broken_code(&error))?);
        }
        let missing = draft.missing(&signed);
        if !missing.is_empty() {
            let party = |key| draft.party_of(key).map_or("?", |it| it.state.name.as_str());
            let names = missing.iter().map(|key| {
                format!("missing: the signature of {} ({key})", sanitize::line(party(key)))
            });
            return Err(CommandError::failure(format!(
                "cannot found {}: not every founder has signed",
                sanitize::line(&draft.genesis.name)
            ))
            .hints(names)
            .hint("they run `comity community sign DRAFT`"));
        }
        let genesis = draft.complete(signed.clone())?;
        let info = begin(app, client, &identity, &draft, genesis).await?;
        if app.ui.is_json() {
            return app.ui.json(&info);
        }
        app.ui.status(&format!("founded {}", sanitize::line(&info.name)));
        app.ui.line(&info.id)?;
        app.ui.hint("the other founders run the same command; then connect your nodes: `comity node connect ADDRESS`");
        Ok(())
    })
    .await
}

/// Makes the node take part in a community that is signed, with the founder as its member.
pub(super) async fn begin(
    app: &App,
    client: &Client,
    identity: &Identity,
    draft: &Draft,
    genesis: Certificate,
) -> Result<CommunityInfo, CommandError> {
    let root = identity.root()?;
    let parties = draft.parties.iter().map(|it| it.certificate.clone());
    let entries: Vec<Entry> = parties.chain([genesis]).map(Entry::Certificate).collect();
    let mut desk = Desk::open(app, client, identity)?;
    let community = draft.community();
    desk.found(community, &entries).await?;
    if let Some(party) = draft.party_of(&root.public()) {
        let mut chain = desk
            .root_chain(&governance_space(community).to_string())
            .await?;
        // Doing it twice must not admit the founder twice.
        if chain.next() == ChainLink::FIRST {
            let own = (identity.device(), identity.public().slot);
            let records = party::welcome_self(&mut chain, now_ms(), party.party, root, own);
            let records = records.map(Entry::Record).into();
            desk.hand_in(&community.to_string(), records).await?;
        }
    }
    Ok(client.community(&community.to_string()).await?)
}
