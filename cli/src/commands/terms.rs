//! Terms of a charter: from how they are typed to what certificates hold. Which party a name means
//! depends on where it is typed.

use crate::{
    args::{
        membership::CreateCommunity,
        terms::{
            NamedFile, PromiseArgument, PromiseName, ReadersArgument, RuleArgument, SpaceTerms,
        },
    },
    compose::{founding::default_spaces, party::Terms},
    desk::parse,
    error::{Attempting as _, CommandError},
    ui::sanitize,
};
use comity_protocol::{
    certificate::{DecisionRule, Promise, Readers, Space, Writers},
    id::PartyId,
};

/// The parties that terms can name.
pub(super) struct Parties {
    /// Names and ids.
    pub(super) named: Vec<(String, String)>,
    /// What they are parties of, for people.
    pub(super) of: &'static str,
}

impl Parties {
    /// A party by name, id or the start of it.
    pub(super) fn find(&self, text: &str) -> Result<PartyId, CommandError> {
        let fits = |(name, id): &&(String, String)| name == text || id.starts_with(text);
        let fitting: Vec<_> = self.named.iter().filter(fits).collect();
        match fitting.as_slice() {
            [(_, id)] => parse(id, "party"),
            _ => {
                let known = self.named.iter();
                let known =
                    known.map(|(name, id)| format!("there is {} ({id})", sanitize::line(name)));
                let of = self.of;
                let error = CommandError::usage(format!("{text:?} is not one party of {of}"));
                Err(error.hints(known))
            }
        }
    }

    /// Who makes a promise; none: every party.
    pub(super) fn promiser(&self, it: &PromiseName) -> Result<Option<PartyId>, CommandError> {
        let party = it.party.as_deref();
        party.map(|party| self.find(party)).transpose()
    }

    pub(super) fn promise(&self, it: &PromiseArgument) -> Result<Promise, CommandError> {
        Ok(Promise {
            party: self.promiser(&it.name)?,
            name: it.name.name.clone(),
            days: it.days,
        })
    }

    pub(super) fn space(&self, terms: &SpaceTerms) -> Result<Space, CommandError> {
        let readers = match &terms.readers {
            ReadersArgument::Everyone => Readers::Everyone,
            ReadersArgument::Members => Readers::Members,
            ReadersArgument::Parties(names) => {
                let parties = names.iter().map(|it| self.find(it));
                let mut parties = parties.collect::<Result<Vec<PartyId>, _>>()?;
                parties.sort();
                parties.dedup();
                Readers::Parties(parties)
            }
        };
        let writers = match terms.only_stewards_write {
            true => Writers::Stewards,
            false => Writers::Members,
        };
        let mut space = Space::new(&terms.name, readers, writers);
        space.kinds.clone_from(&terms.kinds);
        Ok(space)
    }

    /// The spaces and terms that a community starts with.
    pub(super) fn founding(
        &self,
        args: &CreateCommunity,
    ) -> Result<(Vec<Space>, Terms), CommandError> {
        let spaces = args.spaces.iter().map(|it| self.space(it));
        let mut spaces = spaces.collect::<Result<Vec<_>, _>>()?;
        if spaces.is_empty() {
            spaces = default_spaces();
        }
        let promises = args.promise.iter().map(|it| self.promise(it));
        let terms = Terms {
            party_quorum: args.party_quorum,
            promises: promises.collect::<Result<_, _>>()?,
            rules: args.rule.iter().map(rule).collect(),
            labels: args
                .label
                .iter()
                .map(|it| (it.name.clone(), it.text.clone()))
                .collect(),
            articles: args.article.iter().map(article).collect::<Result<_, _>>()?,
        };
        Ok((spaces, terms))
    }
}

pub(super) fn rule(it: &RuleArgument) -> DecisionRule {
    DecisionRule {
        name: it.name.clone(),
        method: it.method,
        quorum_permille: it.quorum_permille,
        share_permille: it.share_permille,
        concurrent: it.concurrent,
    }
}

/// The name and the text of an article.
pub(super) fn article(it: &NamedFile) -> Result<(String, String), CommandError> {
    let text = std::fs::read_to_string(&it.file)
        .attempting(|| format!("read the article {}", it.file.display()))?;
    Ok((it.name.clone(), text))
}
