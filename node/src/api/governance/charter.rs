//! The charter at one of its states, and the steps that led there.

use super::{Failure, Known, changes, pick};
use comity_client::types::{
    CharterInfo, CharterParty, CharterSpace, CharterStep, ForkInfo, NamedText, PromiseInfo,
    RuleInfo, SignerInfo,
};
use comity_protocol::{
    authority::{
        charter::{CharterState, DeclaredSpace},
        parties::Fork,
    },
    certificate::{Certificate, CertificateBody, Readers, Writers},
    entry::Entry,
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
};
use std::collections::BTreeMap;

pub(super) fn show(known: &Known<'_>, at: Option<&str>) -> Result<CharterInfo, Failure> {
    let charter = known.charter()?;
    let state = match at {
        None => charter.current(),
        Some(text) => {
            let ids = charter.states().map(|(id, _)| *id);
            let id = pick(ids, text, "state of the charter")?;
            charter.state(&id).unwrap_or(charter.current())
        }
    };
    let genesis = known.named.authors.authority.genesis();
    let continues = genesis.and_then(|it| it.continues.as_ref());
    let texts = |texts: &BTreeMap<String, String>| -> Vec<NamedText> {
        let texts = texts.iter();
        let text = |(name, text): (&String, &String)| NamedText {
            name: name.clone(),
            text: text.clone(),
        };
        texts.map(text).collect()
    };
    Ok(CharterInfo {
        community: known.community.to_string(),
        id: state.id.to_string(),
        height: state.height,
        current: state.id == charter.current().id,
        name: state.name.to_string(),
        purpose: state.purpose.to_string(),
        party_quorum: state.party_quorum,
        parties: parties(known, state),
        spaces: state.spaces.iter().map(|(id, it)| space(id, it)).collect(),
        promises: state
            .promises
            .iter()
            .map(|((party, name), days)| PromiseInfo {
                party: party.map(|it| it.to_string()),
                name: name.clone(),
                days: *days,
            })
            .collect(),
        rules: state
            .rules
            .values()
            .map(|it| RuleInfo {
                name: it.name.clone(),
                method: changes::method(it.method).to_owned(),
                quorum_permille: it.quorum_permille,
                share_permille: it.share_permille,
                concurrent: it.concurrent,
            })
            .collect(),
        labels: texts(&state.labels),
        articles: texts(&state.articles),
        continues: continues.map(|(community, at)| (community.to_string(), at.to_string())),
        forks: charter.forks().iter().map(fork).collect(),
    })
}

pub(super) fn fork(fork: &Fork) -> ForkInfo {
    ForkInfo {
        parent: fork.parent.to_string(),
        children: fork.children.iter().map(ToString::to_string).collect(),
        winner: fork.winner.to_string(),
        pinned: fork.pinned,
    }
}

fn parties(known: &Known<'_>, state: &CharterState) -> Vec<CharterParty> {
    let chain_of = |party: &PartyId| known.parties().chain(party);
    let party = |(party, pinned): (&PartyId, &EntryId)| {
        let chain = chain_of(party);
        let current = chain.map_or(*pinned, |it| it.current().0);
        let dropped = chain.map(|it| it.dropped_since(pinned)).unwrap_or_default();
        let dropped: Vec<PublicKey> = dropped.into_iter().collect();
        CharterParty {
            id: party.to_string(),
            name: known.named.party(party),
            pinned: pinned.to_string(),
            current: current.to_string(),
            dropped: known.named.keys(&dropped),
            left: chain.is_some_and(|it| it.left(&known.community).is_some()),
        }
    };
    state.parties.iter().map(party).collect()
}

fn space(id: &SpaceId, declared: &DeclaredSpace) -> CharterSpace {
    let space = &declared.space;
    let (readers, named) = match &space.readers {
        Readers::Everyone => ("everyone", &[][..]),
        Readers::Members => ("members", &[][..]),
        Readers::Parties(parties) => ("parties", parties.as_slice()),
        Readers::Groups(_) => ("groups", &[][..]),
        Readers::Persons(_) => ("persons", &[][..]),
    };
    let writers = match space.writers {
        Writers::Members => "members",
        Writers::Stewards => "stewards",
    };
    CharterSpace {
        id: id.to_string(),
        name: space.name.clone(),
        readers: readers.to_owned(),
        reader_parties: named.iter().map(ToString::to_string).collect(),
        writers: writers.to_owned(),
        kinds: space.kinds.clone(),
        forbidden_kinds: declared.forbidden_kinds.keys().cloned().collect(),
        successor_of: space.successor_of.map(|it| it.to_string()),
        continues: space.continues.map(|it| it.to_string()),
        declared_by: declared.declared_by.to_string(),
        closed_by: declared.closed.map(|it| it.to_string()),
    }
}

/// The path from the genesis on, then the losing branches.
pub(super) fn log(known: &Known<'_>) -> Result<Vec<CharterStep>, Failure> {
    let charter = known.charter()?;
    let mut certificates: BTreeMap<EntryId, &Certificate> = BTreeMap::new();
    for entry in &known.entries {
        if let Entry::Certificate(it) = entry {
            certificates.insert(it.id(), it);
        }
    }
    let path = charter.path().iter();
    let lost = charter.states().map(|(id, _)| id);
    let lost = lost.filter(|it| !charter.path().contains(it));
    let ids: Vec<(EntryId, bool)> = path
        .map(|id| (*id, true))
        .chain(lost.map(|id| (*id, false)))
        .collect();
    let steps = ids.into_iter().filter_map(|(id, in_force)| {
        let certificate = certificates.get(&id)?;
        let state = charter.state(&id)?;
        let mut step = CharterStep {
            id: id.to_string(),
            parent: None,
            height: state.height,
            in_force,
            changes: Vec::new(),
            reason: String::new(),
            signers: signers(known, state, certificate),
            time_ms: 0,
        };
        match certificate.body() {
            CertificateBody::Genesis(it) => step.time_ms = it.time_ms,
            CertificateBody::Resolution(it) => {
                let parent = charter.state(&it.parent)?;
                let changes = it.changes.iter();
                let changes = changes.map(|it| changes::of_charter(&known.named, parent, it));
                step.parent = Some(it.parent.to_string());
                step.changes = changes.collect();
                step.reason = it.reason.clone();
                step.time_ms = it.time_ms;
            }
            _ => return None,
        }
        Some(step)
    });
    Ok(steps.collect())
}

fn signers(known: &Known<'_>, state: &CharterState, certificate: &Certificate) -> Vec<SignerInfo> {
    let party_of = |key: &PublicKey| {
        let speaks = |(party, pin): &(&PartyId, &EntryId)| {
            let chain = known.parties().chain(party);
            let state = chain.and_then(|it| it.state(pin));
            state.is_some_and(|it| it.delegates.contains(key))
        };
        let found = state.parties.iter().find(speaks);
        found.map(|(party, _)| known.named.party(party))
    };
    let signer = |key: PublicKey| SignerInfo {
        who: known.named.key(&key),
        party: party_of(&key),
    };
    certificate.signers().map(signer).collect()
}
