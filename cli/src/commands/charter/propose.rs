//! `comity charter propose`: from options to the changes of a resolution.

use super::{
    super::party::cuts,
    floor::Floor,
    leading::{self, Leading},
    take_floor,
};
use crate::{
    app::App,
    args::{
        charter::Propose,
        terms::{NamedText, SpaceTerms},
    },
    commands::{
        party::{named_key, read_code},
        terms::{self, Parties},
    },
    compose::party::FirstState,
    desk::parse,
    error::CommandError,
    moment::now_ms,
    random,
    session::Reach,
    ui::sanitize,
};
use comity_client::types::{CharterInfo, CharterSpace, PartyDetail};
use comity_protocol::{
    certificate::{CertificateBody, Change, Resolution, Space},
    entry::Entry,
    id::{EntryId, PartyId, SpaceId},
};

/// Proposes changes, and approves them.
pub(in crate::commands) async fn propose(app: &App, args: &Propose) -> Result<(), CommandError> {
    app.public()?;
    app.with_node(Reach::Store, async |client| {
        let identity = app.unlock()?;
        let mut floor = take_floor(app, client, &identity, args.community.as_deref()).await?;
        let charter = client.charter(&floor.community.id, None).await?;
        let parties = client.parties(&floor.community.id).await?;
        must_be_delegate(&floor, &charter, &parties)?;
        let added = added(&args.add_party)?;
        let terms = Terms {
            floor: &floor,
            charter: &charter,
            parties: &parties,
            added: &added,
        };
        let changes = terms.changes(args)?;
        if changes.is_empty() {
            return Err(
                CommandError::usage("nothing is proposed: say what should change")
                    .hint("`comity charter propose --help` lists what can"),
            );
        }
        let led = terms.led(&args.lead_over)?;
        floor.must_be_free(&charter.id).await?;
        let (pins, fork_proofs) = leading::over(&led, terms.pins()?);
        let tables = cuts::of_changes(&floor, &changes).await?;
        let body = CertificateBody::Resolution(Resolution {
            community: parse(&charter.community, "community")?,
            parent: parse(&charter.id, "state")?,
            height: charter.height + 1,
            pins,
            fork_proofs,
            proposer: identity.root()?.public(),
            nonce: random::bytes()?,
            changes,
            cuts: tables.as_ref().map(cuts::Tables::cuts).unwrap_or_default(),
            reason: args.reason.clone(),
            time_ms: now_ms(),
        });
        let with = added
            .into_iter()
            .map(|it| Entry::Certificate(it.certificate));
        floor.put(&body, with.collect(), tables).await
    })
    .await
}

fn must_be_delegate(
    floor: &Floor<'_>,
    charter: &CharterInfo,
    parties: &[PartyDetail],
) -> Result<(), CommandError> {
    let root = floor.identity.public().root.to_string();
    let in_charter = |it: &&PartyDetail| charter.parties.iter().any(|party| party.id == it.id);
    let mut speaking = parties.iter().filter(in_charter);
    match speaking.any(|it| it.delegates.iter().any(|key| key.key == root)) {
        true => Ok(()),
        false => Err(CommandError::failure(format!(
            "you cannot propose changes of {}: only delegates of its parties can",
            sanitize::line(&charter.name)
        ))
        .hint("`comity party show` lists the delegates: ask one of your party")),
    }
}

fn added(codes: &[String]) -> Result<Vec<FirstState>, CommandError> {
    codes.iter().map(|it| read_code(it)).collect()
}

/// What names stand for.
struct Terms<'a> {
    floor: &'a Floor<'a>,
    charter: &'a CharterInfo,
    parties: &'a [PartyDetail],
    added: &'a [FirstState],
}

impl Terms<'_> {
    fn changes(&self, args: &Propose) -> Result<Vec<Change>, CommandError> {
        let mut changes = Vec::new();
        changes.extend(args.name.clone().map(Change::SetName));
        changes.extend(args.purpose.clone().map(Change::SetPurpose));
        changes.extend(self.added.iter().map(|it| Change::AddParty(it.party)));
        self.must_be_enough("remove", args.remove_party.clone())?;
        for name in &args.remove_party {
            changes.push(Change::RemoveParty(self.party(name)?));
        }
        changes.extend(args.quorum.map(Change::SetPartyQuorum));
        for space in &args.space {
            changes.push(Change::DeclareSpace(self.space(space)?));
        }
        for it in &args.successor {
            let mut space = self.space(&it.new)?;
            space.successor_of = Some(self.space_id(&it.old)?);
            changes.push(Change::DeclareSpace(space));
        }
        for name in &args.close_space {
            changes.push(Change::CloseSpace(self.space_id(name)?));
        }
        for it in &args.forbid {
            let mut kinds: Vec<String> =
                it.text.split(',').map(|it| it.trim().to_owned()).collect();
            kinds.sort();
            kinds.dedup();
            changes.push(Change::NarrowKinds(self.space_id(&it.name)?, kinds));
        }
        self.terms(args, &mut changes)?;
        for it in &args.revoke {
            let key = named_key(&self.floor.community, &it.key)?;
            changes.push(Change::Revoke(self.party(&it.party)?, key));
        }
        for key in &args.cut_node {
            changes.push(Change::CutNode(named_key(&self.floor.community, key)?));
        }
        if args.confirm_states || !args.lead_over.is_empty() {
            changes.push(Change::ConfirmStates);
        }
        if args.confirm_states && args.lead_over.is_empty() {
            self.must_have_moved()?;
        }
        Ok(changes)
    }

    /// Naming the present states changes nothing where the charter names them already.
    fn must_have_moved(&self) -> Result<(), CommandError> {
        let mut parties = self.charter.parties.iter();
        match parties.any(|it| it.pinned != it.current) {
            true => Ok(()),
            false => Err(CommandError::failure(
                "cannot confirm the states of the parties: the charter names the present ones already",
            )
            .hint("`comity charter show` says where a party has changed since")),
        }
    }

    /// What `--lead-over` names.
    fn led(&self, named: &[NamedText]) -> Result<Vec<Leading>, CommandError> {
        let led = named.iter().map(|it| {
            let party = self.party(&it.name)?.to_string();
            let in_charter = self.charter.parties.iter().find(|it| it.id == party);
            let known = self.parties.iter().find(|it| it.id == party);
            let (Some(here), Some(known)) = (in_charter, known) else {
                let what = format!("{:?} is no party of the charter", it.name);
                return Err(CommandError::usage(what));
            };
            Leading::to(known, &here.pinned, &it.text)
        });
        let led: Vec<Leading> = led.collect::<Result<_, _>>()?;
        self.must_be_enough(
            "lead over",
            named.iter().map(|it| it.name.clone()).collect(),
        )?;
        Ok(led)
    }

    /// Removing and leading over take all other parties, and a quorum of them: fewer would only sign in
    /// vain.
    fn must_be_enough(&self, what: &str, names: Vec<String>) -> Result<(), CommandError> {
        let others = self.charter.parties.len().saturating_sub(names.len()) as u64;
        let quorum = self.charter.party_quorum;
        if names.is_empty() || others >= quorum {
            return Ok(());
        }
        Err(CommandError::failure(format!(
            "cannot {what} {}: that takes all other parties and at least {quorum} of them, and there \
             would be {others}",
            sanitize::line(&names.join(", "))
        ))
        .hint("part ways instead: `comity party leave` leaves with everything")
        .hint("`comity community fork NAME` goes on without the others, with the whole history"))
    }

    /// Promises, rules, labels and articles.
    fn terms(&self, args: &Propose, changes: &mut Vec<Change>) -> Result<(), CommandError> {
        for it in &args.promise {
            changes.push(Change::SetPromise(self.known().promise(it)?));
        }
        for it in &args.remove_promise {
            let promiser = self.known().promiser(it)?;
            changes.push(Change::RemovePromise(promiser, it.name.clone()));
        }
        let rules = args.rule.iter().map(terms::rule);
        changes.extend(rules.map(Change::SetRule));
        changes.extend(args.remove_rule.iter().cloned().map(Change::RemoveRule));
        let labels = args.label.iter();
        changes.extend(labels.map(|it| Change::SetLabel(it.name.clone(), it.text.clone())));
        changes.extend(args.remove_label.iter().cloned().map(Change::RemoveLabel));
        for it in &args.article {
            let (name, text) = terms::article(it)?;
            changes.push(Change::SetArticle(name, text));
        }
        changes.extend(
            args.remove_article
                .iter()
                .cloned()
                .map(Change::RemoveArticle),
        );
        Ok(())
    }

    /// A party by name, id or the start of it: of the charter, or added by the same proposal.
    fn party(&self, text: &str) -> Result<PartyId, CommandError> {
        self.known().find(text)
    }

    fn known(&self) -> Parties {
        let here = self
            .charter
            .parties
            .iter()
            .map(|it| (it.name.clone(), it.id.clone()));
        let added = self
            .added
            .iter()
            .map(|it| (it.state.name.clone(), it.party.to_string()));
        Parties {
            named: here.chain(added).collect(),
            of: "the charter",
        }
    }

    fn space_id(&self, text: &str) -> Result<SpaceId, CommandError> {
        let fits = |it: &&CharterSpace| {
            it.closed_by.is_none() && it.name == text || text.len() >= 4 && it.id.starts_with(text)
        };
        let fitting: Vec<_> = self.charter.spaces.iter().filter(fits).collect();
        match fitting.as_slice() {
            [space] => parse(&space.id, "space"),
            _ => {
                let known = self.charter.spaces.iter();
                let known = known.map(|it| format!("there is {} ({})", it.name, it.id));
                Err(
                    CommandError::usage(format!("{text:?} is not one space of the charter"))
                        .hints(known),
                )
            }
        }
    }

    fn space(&self, terms: &SpaceTerms) -> Result<Space, CommandError> {
        self.known().space(terms)
    }

    /// The state in force of every party of the charter, and the first one of those that join.
    fn pins(&self) -> Result<Vec<(PartyId, EntryId)>, CommandError> {
        let mut pins = Vec::new();
        for party in &self.charter.parties {
            pins.push((parse(&party.id, "party")?, parse(&party.current, "state")?));
        }
        for it in self.added {
            let known = self
                .parties
                .iter()
                .find(|known| known.id == it.party.to_string());
            let state = match known {
                Some(known) => parse(&known.state, "state")?,
                None => it.certificate.id(),
            };
            pins.push((it.party, state));
        }
        pins.sort();
        pins.dedup();
        Ok(pins)
    }
}
