//! Leading a party over to another branch of its chain: the state that the resolution names, and the
//! proof that the chain is forked.

use crate::{desk::parse, error::CommandError, ui::sanitize};
use comity_client::types::{PartyDetail, PartyStep};
use comity_protocol::{
    certificate::ForkProof,
    id::{EntryId, PartyId},
};

/// A party with the state that it is led over to.
pub(super) struct Leading {
    proof: ForkProof,
    state: EntryId,
}

impl Leading {
    /// From the state that the charter names to the branch of another one: to the end to which that
    /// branch would lead.
    pub(super) fn to(party: &PartyDetail, pinned: &str, named: &str) -> Result<Self, CommandError> {
        let states = party.states.iter().filter(|it| it.id.starts_with(named));
        let fitting: Vec<&PartyStep> = states.collect();
        let name = sanitize::line(&party.name);
        let [state] = fitting.as_slice() else {
            let made = CommandError::usage(format!("{named:?} is not one state of {name}"));
            return Err(made.hint("`comity party show` lists its states, losing branches too"));
        };
        let (before, after) = (line(party, pinned), line(party, &state.id));
        let shared = before
            .iter()
            .zip(&after)
            .take_while(|(a, b)| a == b)
            .count();
        let (Some(left), Some(right)) = (before.get(shared), after.get(shared)) else {
            return Err(CommandError::failure(format!(
                "cannot lead {name} over to {named}: that is no other branch than the one that the \
                 charter names"
            ))
            .hint("`comity charter propose --confirm-states` names the present states"));
        };
        Ok(Self {
            proof: ForkProof {
                party: parse(&party.id, "party")?,
                left: parse(left, "state")?,
                right: parse(right, "state")?,
            },
            state: parse(head(party, right), "state")?,
        })
    }
}

/// The states from the first to this one.
fn line<'a>(party: &'a PartyDetail, to: &'a str) -> Vec<&'a str> {
    let mut line = Vec::new();
    let mut at = party.states.iter().find(|it| it.id == to);
    while let Some(step) = at {
        line.push(step.id.as_str());
        let parent = step.parent.as_deref();
        at = party
            .states
            .iter()
            .find(|it| Some(it.id.as_str()) == parent);
    }
    line.reverse();
    line
}

/// Where the chain would end if it led to this state.
fn head<'a>(party: &'a PartyDetail, from: &'a str) -> &'a str {
    let mut head = from;
    loop {
        let fork = party.forks.iter().find(|it| it.parent == head);
        let only = party
            .states
            .iter()
            .find(|it| it.parent.as_deref() == Some(head));
        let next = fork.map(|it| it.winner.as_str());
        match next.or(only.map(|it| it.id.as_str())) {
            Some(next) => head = next,
            None => return head,
        }
    }
}

/// The pins of a resolution that leads these over, and its proofs.
pub(super) fn over(
    led: &[Leading],
    mut pins: Vec<(PartyId, EntryId)>,
) -> (Vec<(PartyId, EntryId)>, Vec<ForkProof>) {
    for (party, pin) in &mut pins {
        if let Some(it) = led.iter().find(|it| it.proof.party == *party) {
            *pin = it.state;
        }
    }
    let mut proofs: Vec<ForkProof> = led.iter().map(|it| it.proof).collect();
    proofs.sort();
    (pins, proofs)
}
