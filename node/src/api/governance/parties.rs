//! Parties and their chains.

use super::{Failure, Known, changes, charter::fork, pick};
use comity_client::types::{GroupInfo, PartyDetail, PartyStep};
use comity_protocol::{
    authority::parties::PartyChain,
    certificate::PartyState,
    id::{EntryId, PartyId},
};

/// A party by name, by id, or by the start of its id.
pub(super) fn one(known: &Known<'_>, text: &str) -> Result<PartyDetail, Failure> {
    let mut chains = known.parties().iter();
    let by_name: Vec<PartyId> = known
        .parties()
        .iter()
        .filter(|(_, chain)| chain.current().1.name == text)
        .map(|(id, _)| *id)
        .collect();
    let id = match by_name.as_slice() {
        [only] => *only,
        _ => {
            let ids = chains
                .by_ref()
                .map(|(id, _)| EntryId::from_bytes(*id.as_bytes()));
            PartyId::from_bytes(*pick(ids, text, "party")?.as_bytes())
        }
    };
    let chain = known.parties().chain(&id);
    let chain = chain.ok_or_else(|| super::lookup::unknown("party", text))?;
    Ok(detail(known, id, chain))
}

pub(super) fn detail(known: &Known<'_>, id: PartyId, chain: &PartyChain) -> PartyDetail {
    let named = &known.named;
    let charter = named.authors.authority.charter();
    let (current, state) = chain.current();
    let texts = |keys: &[comity_protocol::key::PublicKey]| -> Vec<String> {
        keys.iter().map(ToString::to_string).collect()
    };
    let groups = state.groups.iter().map(|group| GroupInfo {
        name: group.name.clone(),
        members: named.keys(&group.keys),
    });
    let path = chain.path().iter().map(|it| (*it, true));
    let lost = chain.states().map(|(it, _)| (*it, false));
    let lost = lost.filter(|(it, _)| !chain.path().contains(it));
    let states = path.chain(lost).filter_map(|(id, in_force)| {
        let state = chain.state(&id)?;
        Some(step(known, chain, id, state, in_force))
    });
    PartyDetail {
        id: id.to_string(),
        name: state.name.clone(),
        in_charter: charter.is_some_and(|it| it.current().parties.contains_key(&id)),
        left: chain.left(&known.community).is_some(),
        state: current.to_string(),
        height: state.height,
        delegates: named.keys(&state.delegates),
        delegates_needed: state.delegates_needed,
        admission_needed: state.admission_needed,
        stewards: named.keys(&state.stewards),
        moderators: named.keys(&state.moderators),
        nodes: texts(&state.nodes),
        bridges: texts(&state.bridges),
        observers: named.keys(&state.observers),
        groups: groups.collect(),
        states: states.collect(),
        forks: chain.forks().iter().map(fork).collect(),
        warnings: warnings(known, id, chain),
    }
}

fn step(
    known: &Known<'_>,
    chain: &PartyChain,
    id: EntryId,
    state: &PartyState,
    in_force: bool,
) -> PartyStep {
    let parent = state.parent.map(|(_, parent)| parent);
    let before = parent.and_then(|it| chain.state(&it));
    PartyStep {
        id: id.to_string(),
        parent: parent.map(|it| it.to_string()),
        height: state.height,
        in_force,
        proposer: known.named.key(&state.proposer),
        changes: changes::of_party(&known.named, before, state),
    }
}

fn warnings(known: &Known<'_>, id: PartyId, chain: &PartyChain) -> Vec<String> {
    let mut warnings = Vec::new();
    let (_, state) = chain.current();
    if state.delegates.len() < 2 {
        warnings.push(
            "the party has one delegate: if that key is lost, nobody can speak for it ever again. \
             Add a second one"
                .to_owned(),
        );
    } else if state.delegates_needed == state.delegates.len() as u64 {
        warnings.push(
            "the party needs all of its delegates: if one key is lost, it can never change again"
                .to_owned(),
        );
    }
    if !chain.forks().is_empty() {
        let mut forked = "delegates signed two states in place of one: its chain is forked, and \
                          everybody sees that"
            .to_owned();
        if chain.forks().iter().any(|it| !it.pinned) {
            forked.push_str(". Choose a branch with `comity charter choose`");
        }
        warnings.push(forked);
    }
    warnings.extend(speaking_still(known, id, chain));
    warnings
}

/// Keys that the party dropped, for as long as the charter names a state before that.
fn speaking_still(known: &Known<'_>, id: PartyId, chain: &PartyChain) -> Option<String> {
    let charter = known.named.authors.authority.charter()?;
    let pinned = charter.current().parties.get(&id)?;
    let dropped = chain.dropped_since(pinned);
    let named = dropped.iter().map(|it| known.named.person(it));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| {
        format!(
            "the charter still names an earlier state of the party: {} can speak for it in \
             resolutions, though no delegate any more. `comity charter propose --confirm-states` \
             ends that",
            named.join(", ")
        )
    })
}
