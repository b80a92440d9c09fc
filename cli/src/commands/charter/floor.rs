//! The floor where delegates speak: proposing, approving, rejecting, and seeing what came of it.

use super::{erasure, take_floor};
use crate::{
    app::App,
    args::charter::{Approve, Reject},
    commands::party::cuts,
    compose::{party, resolution},
    desk::{Desk, parse},
    error::CommandError,
    identity::Identity,
    moment::now_ms,
    render::{self, short},
    session::Reach,
    ui::sanitize,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{CommunityInfo, ProposalInfo, RefusalInfo},
};
use comity_protocol::{
    certificate::{CertificateBody, body_id},
    contribution::ChainLink,
    entry::{Entry, Record},
    id::PartyId,
    key::PublicKey,
};

/// A delegate who speaks.
pub(in crate::commands) struct Floor<'a> {
    pub(in crate::commands) app: &'a App,
    pub(in crate::commands) client: &'a Client,
    pub(in crate::commands) identity: &'a Identity,
    pub(in crate::commands) desk: Desk<'a>,
    pub(in crate::commands) community: CommunityInfo,
}

/// What a proposal is about, for messages.
pub(in crate::commands) fn short_of(item: &ProposalInfo) -> &str {
    short(&item.id)
}

/// The one proposal whose id is, or starts with, this text.
pub(in crate::commands) fn pick(
    items: Vec<ProposalInfo>,
    text: &str,
) -> Result<ProposalInfo, CommandError> {
    let mut fitting: Vec<ProposalInfo> = items
        .into_iter()
        .filter(|it| !text.is_empty() && it.id.starts_with(text))
        .collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => Err(
            CommandError::failure(format!("there is no proposal {text} here"))
                .hint("`comity charter proposals` lists them")
                .hint("if it was made elsewhere, run `comity sync` first"),
        ),
        count => Err(CommandError::usage(format!(
            "{text} stands for {count} proposals: add more digits"
        ))
        .hints(fitting.into_iter().map(|it| it.id))),
    }
}

impl Floor<'_> {
    fn root(&self) -> PublicKey {
        self.identity.public().root
    }

    /// All proposals, with what this delegate may do about them.
    pub(in crate::commands) async fn proposals(&self) -> Result<Vec<ProposalInfo>, CommandError> {
        let root = self.root().to_string();
        Ok(self
            .client
            .proposals(&self.community.id, Some(&root))
            .await?)
    }

    /// One of them.
    pub(in crate::commands) async fn proposal(
        &self,
        id: &str,
    ) -> Result<ProposalInfo, CommandError> {
        pick(self.proposals().await?, id)
    }

    /// Refuses early what deliberation would refuse later: another child of the same state that
    /// this delegate approved, or that passes already.
    pub(in crate::commands) async fn must_be_free(&self, parent: &str) -> Result<(), CommandError> {
        let root = self.root().to_string();
        let items = self.proposals().await?;
        for other in items
            .iter()
            .filter(|it| it.parent == parent && it.kind != erasure::KIND)
        {
            let mut sides = other.parties.iter();
            let approved = sides.any(|it| it.approved.iter().any(|key| key.key == root));
            let code = match other.state.as_str() {
                "open" if approved => "bound",
                "carried" => "overtaken",
                _ => continue,
            };
            let refusal = RefusalInfo {
                code: code.to_owned(),
                reason: String::new(),
                other: Some(other.id.clone()),
            };
            return Err(refused("propose another change", &refusal));
        }
        Ok(())
    }

    /// Proposes a body and approves it, with certificates that belong to it, and says what came of it.
    pub(in crate::commands) async fn put(
        &mut self,
        body: &CertificateBody,
        with: Vec<Entry>,
        cuts: Option<cuts::Tables>,
    ) -> Result<(), CommandError> {
        let space = self.community.governance_space.clone();
        let mut chain = self.desk.root_chain(&space).await?;
        let (id, proposal) = resolution::propose(&mut chain, now_ms(), body)?;
        let mut entries = vec![Entry::Record(proposal)];
        entries.extend(with);
        // Kept first: a proposal without them would cut restricted spaces at zero.
        if let Some(cuts) = cuts {
            cuts.keep(self.identity, id)?;
        }
        self.hand_in(entries).await?;
        let item = self.proposal(&id.to_string()).await?;
        let refusal = item.you.as_ref().and_then(|it| it.approve.as_ref());
        if let Some(refusal) = refusal {
            let what = format!("approve what you propose, {}", short_of(&item));
            return Err(refused_about(&item, &what, refusal));
        }
        cuts::hand_out_kept(self).await?;
        let mut chain = self.desk.root_chain(&space).await?;
        let approval =
            resolution::approve(&mut chain, now_ms(), self.identity.root()?, &body.encode());
        self.hand_in(vec![Entry::Record(approval)]).await?;
        let item = self.settle(&id.to_string()).await?;
        if self.app.ui.is_json() {
            return self.app.ui.json(&item);
        }
        self.app.ui.status(&format!("proposed {}", short_of(&item)));
        self.tell(&item);
        self.app.ui.line(&item.id)
    }

    async fn hand_in(&mut self, entries: Vec<Entry>) -> Result<(), CommandError> {
        self.desk.hand_in(&self.community.id, entries).await?;
        Ok(())
    }

    /// Hands in the certificate of what is carried, if no node has yet.
    pub(in crate::commands) async fn settle(
        &mut self,
        id: &str,
    ) -> Result<ProposalInfo, CommandError> {
        let mut item = self.proposal(id).await?;
        // An order of erasure is put together where the words are, which may not be here.
        let hands_in = item.state == "carried" && item.kind != erasure::KIND;
        if let (true, Some(text)) = (hands_in, &item.certificate) {
            let bytes = STANDARD_NO_PAD.decode(text).ok();
            let entry = bytes.and_then(|it| Entry::decode(&it).ok());
            let entry = entry.ok_or_else(|| {
                CommandError::internal("the node put together a certificate that cannot be read")
            })?;
            self.hand_in(vec![entry]).await?;
            item = self.proposal(id).await?;
        }
        Ok(item)
    }

    /// Says how a proposal stands.
    pub(in crate::commands) fn tell(&self, item: &ProposalInfo) {
        let ui = &self.app.ui;
        match item.state.as_str() {
            "certified" if item.kind == erasure::KIND => ui.status(
                "enough approved it: the words are erased here, and at every peer that hears of it",
            ),
            "certified" => ui.status("in force: enough approved it"),
            "open" => {
                ui.status(&render::proposal::standing(item));
                let command = if item.party.is_some() {
                    "party"
                } else {
                    "charter"
                };
                ui.hint(&format!(
                    "they run `comity {command} approve {}` once it has reached them",
                    short_of(item)
                ));
            }
            _ => ui.status(&render::proposal::standing(item)),
        }
    }

    /// A delegate whose party has only just come has signed nothing here yet: membership and device
    /// come with the first word, and count as soon as the party does.
    async fn first_words(&mut self, item: &ProposalInfo) -> Result<Vec<Record>, CommandError> {
        let root = self.root().to_string();
        let mine = item.parties.iter().find(|side| {
            let mut delegates = side.silent.iter().chain(&side.approved);
            delegates.any(|it| it.key == root)
        });
        let space = self.community.governance_space.clone();
        let mut chain = self.desk.root_chain(&space).await?;
        let known = self.community.members.iter().any(|it| it.root == root);
        let Some(mine) = mine.filter(|_| !known && chain.next() == ChainLink::FIRST) else {
            return Ok(Vec::new());
        };
        let party: PartyId = parse(&mine.id, "party")?;
        let own = (self.identity.device(), self.identity.public().slot);
        let records = party::welcome_self(&mut chain, now_ms(), party, self.identity.root()?, own);
        Ok(records.into())
    }
}

/// `comity charter approve` and `comity party approve`.
pub(in crate::commands) async fn approve(app: &App, args: &Approve) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let mut floor = take_floor(app, client, &identity, args.community.as_deref()).await?;
        let item = floor.proposal(&args.id).await?;
        let what = format!("approve {}", short_of(&item));
        if let Some(refusal) = item.you.as_ref().and_then(|it| it.approve.as_ref()) {
            return Err(refused_about(&item, &what, refusal));
        }
        let body = STANDARD_NO_PAD.decode(&item.body).unwrap_or_default();
        if body_id(&body).to_string() != item.id {
            return Err(CommandError::internal(
                "the node gave a text to sign that is not the proposal",
            ));
        }
        let document = render::proposal::document(&item, &floor.community.name).join("\n");
        app.ui.status(&document);
        for line in erasure::words_of(client, &item).await {
            app.ui.status(&line);
        }
        app.ui.status(render::proposal::meaning(&item));
        if !args.yes {
            app.confirm("Approve it?")?;
        }
        let first = floor.first_words(&item).await?;
        let entries: Vec<Entry> = first.into_iter().map(Entry::Record).collect();
        if !entries.is_empty() {
            floor.hand_in(entries).await?;
        }
        let space = floor.community.governance_space.clone();
        let mut chain = floor.desk.root_chain(&space).await?;
        let approval = resolution::approve(&mut chain, now_ms(), identity.root()?, &body);
        floor.hand_in(vec![Entry::Record(approval)]).await?;
        let item = floor.settle(&item.id).await?;
        if app.ui.is_json() {
            return app.ui.json(&item);
        }
        app.ui.status(&format!("you approved {}", short_of(&item)));
        floor.tell(&item);
        app.ui.line(&item.id)
    })
    .await
}

/// `comity charter reject` and `comity party reject`.
pub(in crate::commands) async fn reject(app: &App, args: &Reject) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let mut floor = take_floor(app, client, &identity, args.community.as_deref()).await?;
        let item = floor.proposal(&args.id).await?;
        if let Some(refusal) = item.you.as_ref().and_then(|it| it.reject.as_ref()) {
            let what = format!("reject {}", short_of(&item));
            return Err(refused_about(&item, &what, refusal));
        }
        let space = floor.community.governance_space.clone();
        let mut chain = floor.desk.root_chain(&space).await?;
        let of = parse(&item.id, "proposal")?;
        let rejection = resolution::reject(&mut chain, now_ms(), of, &args.reason);
        floor.hand_in(vec![Entry::Record(rejection)]).await?;
        let item = floor.proposal(&item.id).await?;
        if app.ui.is_json() {
            return app.ui.json(&item);
        }
        app.ui
            .status(&format!("you rejected {}, for good", short_of(&item)));
        floor.tell_after_rejection(&item);
        app.ui.line(&item.id)
    })
    .await
}

impl Floor<'_> {
    fn tell_after_rejection(&self, item: &ProposalInfo) {
        if item.state == "dead" && item.kind == erasure::KIND {
            self.app
                .ui
                .status("it is dead: it cannot pass any more, and the words stay");
        } else if item.state == "dead" {
            self.app.ui.status(
                "it is dead: it cannot pass any more, and whoever approved it is free to approve \
                 another",
            );
        } else {
            self.app.ui.status(&render::proposal::standing(item));
        }
    }
}

/// The same about a proposal: what is proposed anew differs.
fn refused_about(item: &ProposalInfo, what: &str, refusal: &RefusalInfo) -> CommandError {
    if item.kind != erasure::KIND {
        return refused(what, refusal);
    }
    let anew = "propose it anew: `comity erase ID --by-quorum --reason TEXT`";
    let error = |why: &str| CommandError::failure(format!("cannot {what}: {why}"));
    match refusal.code.as_str() {
        "old_pin" => error(
            "you no longer speak for the party whose earlier state the charter names",
        )
        .hint(
            "`comity charter propose --confirm-states` makes it name the present states; then propose \
             it anew",
        ),
        "not_current" => error("the charter has changed since it was proposed").hint(anew),
        "dead" => error(&sanitize::line(&refusal.reason)).hint(anew),
        _ => refused(what, refusal),
    }
}

/// Why something is not done, in words that say what helps.
pub(in crate::commands) fn refused(what: &str, refusal: &RefusalInfo) -> CommandError {
    let other = refusal.other.as_deref().map(short).unwrap_or_default();
    let why = match refusal.code.as_str() {
        "bound" => format!(
            "you, or a delegate of your party before you, approved {other}, which changes the same \
             state and may still pass"
        ),
        "overtaken" => format!("{other}, which changes the same state, has enough approvals"),
        "unseen" => format!("you approved {other}, which has not arrived here"),
        "old_pin" => "a party has changed since it was proposed".to_owned(),
        "not_current" => "it changes a state that is no longer in force".to_owned(),
        _ => sanitize::line(&refusal.reason).into_owned(),
    };
    let error = CommandError::failure(format!("cannot {what}: {why}"));
    match refusal.code.as_str() {
        "bound" => error
            .hint(format!(
                "see how it stands: `comity charter proposals {other}`"
            ))
            .hint(format!(
                "you are free again once it cannot pass any more: delegates of other parties who \
                 did not approve it run `comity charter reject {other}`"
            )),
        "overtaken" => error.hint("wait until it is in force, then propose anew on top of it"),
        "unseen" => error.hint("run `comity sync --wait`, then try again"),
        "rejected" => error.hint(
            "a rejection binds: whoever wants it after all proposes it anew, which is another \
             proposal",
        ),
        "approved" => error.hint("`comity charter proposals` shows who is still needed"),
        "not_a_delegate" => error.hint("`comity party show` lists the delegates of each party"),
        "old_pin" | "not_current" | "dead" | "flawed" => {
            error.hint("propose it anew: `comity charter propose`")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delegate_who_is_bound_learns_what_to_do() {
        let refusal = RefusalInfo {
            code: "bound".into(),
            reason: String::new(),
            other: Some("91bc".repeat(16)),
        };
        let error = refused("approve 3fa83fa8", &refusal);
        let said = format!("{error} {}", error.advice().join(" "));
        for part in [
            "approve 3fa83fa8",
            "approved 91bc91bc",
            "charter reject 91bc91bc",
        ] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }

    #[test]
    fn an_empty_id_is_no_proposal() {
        assert_eq!(pick(Vec::new(), "").unwrap_err().exit_code(), 1);
    }
}
