//! What anybody may submit: certificates of every sort that breaks one rule, with any signatures.
//!
//! Honest delegates sign what their software finds in order, malicious ones and strangers sign
//! everything. The states are all combinations of signatures. A rule is left out by mending what
//! breaks it before the real `enact` is asked, and taking what the certificate says all the same:
//! so every other rule still holds.

use super::{machine::bits, world::Rule};
use crate::assembly::{Assembly, key, rename, resolution_id, state_id};
use comity_protocol::{
    authority::{
        charter::{Charter, CharterState, ResolutionError, enact},
        parties::{PartyTrees, StateError, Words, judge_state},
    },
    certificate::{Change, ForkProof, PartyState, Readers, Resolution, Space, Writers},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
};
use stateright::{Model, Property};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

pub(super) const NO_MINORITY: &str = "no minority of parties changes the charter";
pub(super) const LED_OVER: &str = "no pin leaves the branch before it but by a proof";
pub(super) const BY_OTHERS: &str = "a party is led over by all others";
pub(super) const FOUND: &str = "what counts is in the charter, whichever is looked at first";
pub(super) const READERS: &str = "readers never widen beyond the parties of the charter";
pub(super) const QUORUM: &str = "the quorum that the charter names is one that counts";
pub(super) const DELEGATES: &str = "nobody but delegates stands under a resolution";
pub(super) const CHANGES: &str = "every resolution changes the charter";
pub(super) const ITSELF: &str = "a party is changed by its own delegates alone";
const ALL_PASS: &str = "all that is in order passes";

/// Delegates: of the parties, of whom the third is malicious; whom the first replaced since; a
/// second of the second party; and a stranger.
const DELEGATES_OF: [u16; 6] = [2, 11, 21, 1, 12, 41];
const A: u8 = 1;
const B: u8 = 2;
const C: u8 = 4;
const REPLACED: u8 = 8;
const SECOND_OF_B: u8 = 16;
const STRANGER: u8 = 32;
const MALICIOUS: u8 = C | REPLACED | SECOND_OF_B | STRANGER;

#[derive(Debug, Clone)]
enum Body {
    /// With its place: a resolution before it, or the genesis.
    Resolution(Resolution, Option<usize>),
    State(PartyState),
}

#[derive(Debug, Clone)]
struct Submission {
    id: EntryId,
    body: Body,
    /// Who may sign it.
    by: u8,
    /// Whether honest delegates sign it for another community.
    elsewhere: bool,
}

pub(super) struct Inbox {
    assembly: Assembly,
    trees: PartyTrees,
    genesis: CharterState,
    submissions: Vec<Submission>,
    /// Whether honest software finds a submission in order.
    sound: Vec<bool>,
    without: Option<Rule>,
    /// What a submission makes of its place, by who signed: it says the same whoever they are.
    enacted: Mutex<Enacted>,
}

type Enacted = BTreeMap<(usize, u8), Option<CharterState>>;

/// Who signed, by submission.
pub(super) type Signed = Vec<u8>;

fn keys(bits: u8) -> Vec<PublicKey> {
    let numbers = DELEGATES_OF.iter().enumerate();
    let mut keys: Vec<PublicKey> = numbers
        .filter(|(at, _)| bits >> at & 1 == 1)
        .map(|(_, number)| key(*number))
        .collect();
    keys.sort();
    keys
}

/// What is submitted to see that one rule is needed.
pub(super) fn against(rule: Rule) -> Inbox {
    match rule {
        Rule::Pins | Rule::Leading => pins(),
        Rule::PartySigners | Rule::PartyNumber => states(),
        _ => resolutions(rule),
    }
}

fn inbox(assembly: Assembly, submissions: Vec<Submission>) -> Inbox {
    Inbox {
        trees: assembly.trees(),
        genesis: assembly.charter().current().clone(),
        assembly,
        sound: Vec::new(),
        without: None,
        enacted: Mutex::default(),
        submissions,
    }
}

fn submission(body: Body, by: u8) -> Submission {
    let id = match &body {
        Body::Resolution(it, _) => resolution_id(it),
        Body::State(it) => state_id(it),
    };
    Submission {
        id,
        body,
        by,
        elsewhere: false,
    }
}

/// One sound renaming, and beside or below it what breaks the rule.
fn resolutions(rule: Rule) -> Inbox {
    let assembly = Assembly::new(&[&[2], &[11], &[21]]);
    let charter = assembly.charter();
    let genesis = charter.current();
    let first = assembly.draft(genesis, vec![rename("first")]);
    let id = resolution_id(&first);
    let signers = keys(A | B);
    let after = enact(id, &first, &signers, genesis, &assembly.trees()).unwrap();
    let sound = submission(Body::Resolution(first, None), A | B | C);
    let below = |change| assembly.draft(&after, vec![change]);
    let space = |readers| Space::new("new", readers, Writers::Members);
    let persons = Readers::Persons(vec![key(41)]);
    let strangers = Readers::Parties(vec![PartyId::from_bytes([9; 32])]);
    let everybody = A | B | C;
    let broken: Vec<(Resolution, u8)> = match rule {
        Rule::Parent => vec![(
            Resolution {
                community: CommunityId::from_bytes([4; 32]),
                parent: EntryId::from_bytes([5; 32]),
                height: 2,
                ..below(rename("elsewhere"))
            },
            everybody,
        )],
        Rule::Height => {
            // Of one height, the lower id is looked at first.
            let low = |nonce| Resolution {
                height: 1,
                nonce: [nonce; 16],
                ..below(rename("low"))
            };
            let low = (2..=u8::MAX).map(low).find(|it| resolution_id(it) < id);
            vec![(low.unwrap(), everybody)]
        }
        Rule::Readers => vec![
            (below(Change::DeclareSpace(space(persons))), everybody),
            (below(Change::DeclareSpace(space(strangers))), everybody),
        ],
        Rule::Bounds => {
            // Below it, one party alone: the number is brought near where it is used as well.
            let low = below(Change::SetPartyQuorum(1));
            let id = resolution_id(&low);
            let mut single = below(rename("alone"));
            (single.parent, single.height) = (id, 3);
            vec![(low, everybody), (single, everybody)]
        }
        Rule::Signers => {
            let mut proposed = below(rename("by a stranger"));
            proposed.proposer = key(41);
            vec![
                (below(rename("with a stranger")), everybody | STRANGER),
                (proposed, everybody),
            ]
        }
        Rule::Changes => vec![
            (below(rename("first")), everybody),
            (below(Change::RemoveLabel("none".into())), everybody),
        ],
        _ => Vec::new(),
    };
    let mut submissions = vec![sound];
    for (resolution, by) in broken {
        let parent = match rule {
            Rule::Bounds if submissions.len() == 2 => 1,
            _ => 0,
        };
        submissions.push(Submission {
            elsewhere: rule == Rule::Parent,
            ..submission(Body::Resolution(resolution, Some(parent)), by)
        });
    }
    inbox(assembly, submissions)
}

/// The first party replaced a delegate whose key was stolen, and signed two states for that.
fn pins() -> Inbox {
    let mut assembly = Assembly::new(&[&[1], &[11], &[21]]);
    let (old, _) = assembly.states[0].clone();
    let party = assembly.ids[0];
    let genesis = assembly.charter().current().clone();
    let moved = |nonce, assembly: &mut Assembly| {
        assembly.grow(0, old, nonce, |state| state.delegates = keys(A))
    };
    let left = moved(3, &mut assembly);
    let right = moved(4, &mut assembly);
    let pin = |draft: &mut Resolution, state| {
        let mut pins = draft.pins.iter_mut();
        pins.find(|(it, _)| *it == party).unwrap().1 = state;
        draft.proposer = key(11);
    };
    let mut first = assembly.draft(&genesis, vec![rename("first")]);
    pin(&mut first, left);
    let signers = keys(A | B);
    let id = resolution_id(&first);
    let after = enact(id, &first, &signers, &genesis, &assembly.trees()).unwrap();
    let below = |name: &str, state: EntryId, proof: Option<(EntryId, EntryId)>| {
        let mut draft = assembly.draft(&after, vec![rename(name)]);
        pin(&mut draft, state);
        let proofs = proof.map(|(left, right)| ForkProof { party, left, right });
        draft.fork_proofs = proofs.into_iter().collect();
        Body::Resolution(draft, Some(0))
    };
    let submissions = vec![
        submission(Body::Resolution(first, None), A | B | C),
        submission(below("back", old, None), REPLACED | B | C),
        submission(
            below("back by a false proof", old, Some((left, old))),
            REPLACED | B | C,
        ),
        submission(
            below("over by a proof", right, Some((left, right))),
            A | B | C,
        ),
        submission(below("over without a proof", right, None), A | B | C),
    ];
    inbox(assembly, submissions)
}

/// Later states of the second party, of whose two delegates one is malicious.
fn states() -> Inbox {
    let mut assembly = Assembly::new(&[&[2], &[11, 12], &[21]]);
    let (parent, _) = assembly.states[1].clone();
    let mut next = |nonce, delegates: u8| {
        assembly.grow(1, parent, nonce, |state| {
            state.delegates = keys(delegates);
            state.delegates_needed = 1;
        });
        Body::State(assembly.states.pop().unwrap().1)
    };
    let submissions = vec![
        submission(next(3, B | SECOND_OF_B), B | SECOND_OF_B),
        submission(next(4, SECOND_OF_B), SECOND_OF_B),
        submission(next(5, C), B | SECOND_OF_B | C | STRANGER),
    ];
    inbox(assembly, submissions)
}

impl Inbox {
    /// The same without a rule, or with all.
    pub(super) fn without(mut self, rule: Option<Rule>) -> Self {
        self.without = rule;
        let all: Signed = self.submissions.iter().map(|it| it.by).collect();
        let charter = self.charter(&all, true);
        let sound = |(at, it): (usize, &Submission)| match &it.body {
            // Whoever signs beside delegates spoils it, but not what honest delegates sign.
            Body::Resolution(..) => charter.contains_key(&at) || it.by & STRANGER != 0,
            Body::State(_) => self.admits_state(it, it.by & (B | SECOND_OF_B)),
        };
        self.sound = self.submissions.iter().enumerate().map(sound).collect();
        self
    }

    /// Bounds for the report.
    pub(super) fn bounds(&self) -> String {
        let signatures: u32 = self.submissions.iter().map(|it| it.by.count_ones()).sum();
        format!(
            "{} submitted, {signatures} signatures",
            self.submissions.len()
        )
    }

    /// What counts of what is signed, by submission: in one pass from the lowest height, as the real
    /// charter is made, or in as many as it takes.
    fn charter(&self, signed: &[u8], exhaust: bool) -> BTreeMap<usize, CharterState> {
        let mut ordered: Vec<(u64, EntryId, usize, &Resolution, Option<usize>)> = Vec::new();
        for (at, it) in self.submissions.iter().enumerate() {
            if let (Body::Resolution(body, parent), true) = (&it.body, signed[at] != 0) {
                ordered.push((body.height, it.id, at, body, *parent));
            }
        }
        ordered.sort_by_key(|it| (it.0, it.1));
        let mut counted: BTreeMap<usize, CharterState> = BTreeMap::new();
        loop {
            let before = counted.len();
            for (_, id, at, body, parent) in &ordered {
                let parent = match parent {
                    None => Some(&self.genesis),
                    Some(parent) => counted.get(parent),
                };
                let Some(parent) = parent else { continue };
                let mut enacted = self.enacted.lock().unwrap();
                let state = enacted
                    .entry((*at, signed[*at]))
                    .or_insert_with(|| self.enact(*id, body, &keys(signed[*at]), parent).ok());
                if let Some(state) = state {
                    counted.insert(*at, state.clone());
                }
            }
            if !exhaust || counted.len() == before {
                return counted;
            }
        }
    }

    /// The real rules, but for the one left out.
    fn enact(
        &self,
        id: EntryId,
        resolution: &Resolution,
        signers: &[PublicKey],
        parent: &CharterState,
    ) -> Result<CharterState, ResolutionError> {
        let strict = enact(id, resolution, signers, parent, &self.trees);
        let (Err(error), Some(rule)) = (&strict, self.without) else {
            return strict;
        };
        let (mut mended, mut under) = (resolution.clone(), parent.clone());
        let mut signers = signers.to_vec();
        match (rule, error) {
            (Rule::Parent, ResolutionError::Parent) => {
                (mended.community, mended.parent) = (parent.community, parent.id);
            }
            (Rule::Height, ResolutionError::Height { expected, .. }) => mended.height = *expected,
            (Rule::Pins, ResolutionError::Pin { .. })
            | (Rule::Leading, ResolutionError::Leading { .. }) => {
                under.parties = Arc::new(mended.pins.iter().copied().collect());
                mended.fork_proofs.clear();
            }
            (Rule::Readers, ResolutionError::Readers { .. })
            | (Rule::Changes, ResolutionError::NoChange { .. }) => {
                mended.changes = vec![rename("mended")];
            }
            (Rule::Bounds, ResolutionError::Bounds { .. }) => {
                mended.changes = vec![Change::SetPartyQuorum(3)];
            }
            (Rule::Signers, ResolutionError::Signer(_)) => {
                signers.retain(|it| *it != key(41));
                mended.proposer = key(2);
            }
            _ => return strict,
        }
        let mut state = enact(id, &mended, &signers, &under, &self.trees)?;
        state.height = resolution.height;
        match (rule, resolution.changes.first()) {
            (Rule::Bounds, Some(Change::SetPartyQuorum(named))) => state.party_quorum = *named,
            (Rule::Changes, _) => state.name = parent.name.clone(),
            _ => {}
        }
        Ok(state)
    }

    fn admits_state(&self, it: &Submission, signers: u8) -> bool {
        let Body::State(state) = &it.body else {
            return false;
        };
        let (party, _) = state.parent.unwrap();
        let judged = judge_state(state, &keys(signers), self.trees.tree(&party).unwrap());
        match (judged, self.without) {
            (Ok(()), _) => true,
            (Err(StateError::Signer(_)), Some(Rule::PartySigners)) => signers.count_ones() >= 2,
            (Err(StateError::TooFew { .. }), Some(Rule::PartyNumber)) => signers != 0,
            _ => false,
        }
    }

    /// Asks of everything that counts.
    fn by_each(
        &self,
        signed: &Signed,
        holds: impl Fn(&Submission, &Resolution, u8, (&CharterState, &CharterState)) -> bool,
    ) -> bool {
        let charter = self.charter(signed, true);
        charter.iter().all(|(at, state)| {
            let submission = &self.submissions[*at];
            let Body::Resolution(resolution, parent) = &submission.body else {
                return true;
            };
            let parent = parent.map_or(&self.genesis, |it| &charter[&it]);
            holds(submission, resolution, signed[*at], (parent, state))
        })
    }

    fn is_real(&self, signed: &Signed) -> bool {
        let resolutions = self.submissions.iter().zip(signed);
        let signed_by = resolutions.filter_map(|(it, by)| match &it.body {
            Body::Resolution(body, _) => Some((it.id, body, keys(*by))),
            Body::State(_) => None,
        });
        let signed_by: Vec<_> = signed_by.collect();
        let given: Vec<(EntryId, &Resolution, &[PublicKey])> = signed_by
            .iter()
            .rev()
            .map(|(id, body, by)| (*id, *body, by.as_slice()))
            .collect();
        let genesis = (self.assembly.genesis_id(), &self.assembly.genesis);
        let community = self.assembly.community;
        let charter =
            Charter::evaluate(community, genesis, &given, &self.trees, &Words::new()).unwrap();
        let real: BTreeSet<EntryId> = charter.states().map(|(id, _)| *id).collect();
        let own = self.charter(signed, false);
        let own = own.values().map(|it| it.id).chain([self.genesis.id]);
        real == own.collect()
    }

    fn is_led_over(&self, before: &CharterState, after: &CharterState, it: &Resolution) -> bool {
        before.parties.iter().all(|(party, pin)| {
            let chain = self.trees.tree(party).unwrap();
            let now = after.parties[party];
            let mut on_branch = Some(now);
            while let Some(state) = on_branch.filter(|it| it != pin) {
                on_branch = chain.state(&state).and_then(|it| Some(it.parent?.1));
            }
            on_branch.is_some()
                || it.fork_proofs.iter().any(|proof| {
                    let parents = [proof.left, proof.right].map(|it| chain.state(&it)?.parent);
                    (proof.left, proof.right) == (*pin, now) && parents[0] == parents[1]
                })
        })
    }
}

fn only_everyone_or_parties(world: &Inbox, resolution: &Resolution) -> bool {
    let known = &world.assembly.ids;
    resolution.changes.iter().all(|change| match change {
        Change::DeclareSpace(space) => match &space.readers {
            Readers::Everyone | Readers::Members => true,
            Readers::Parties(parties) => parties.iter().all(|it| known.contains(it)),
            Readers::Groups(_) | Readers::Persons(_) => false,
        },
        _ => true,
    })
}

impl Model for Inbox {
    type State = Signed;
    type Action = (usize, u8);

    fn init_states(&self) -> Vec<Signed> {
        vec![vec![0; self.submissions.len()]]
    }

    fn actions(&self, signed: &Signed, actions: &mut Vec<(usize, u8)>) {
        let charter = self.charter(signed, true);
        for (at, it) in self.submissions.iter().enumerate() {
            let stands = match &it.body {
                Body::Resolution(_, Some(parent)) => charter.contains_key(parent),
                _ => true,
            };
            let by_honest = it.elsewhere || self.sound[at] && stands;
            for by in bits(it.by & !signed[at]) {
                if by & MALICIOUS != 0 || by_honest {
                    actions.push((at, by));
                }
            }
        }
    }

    fn next_state(&self, last: &Signed, (at, by): (usize, u8)) -> Option<Signed> {
        let mut signed = last.clone();
        signed[at] |= by;
        Some(signed)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "the real charter is this one",
                |world: &Self, signed: &Signed| world.without.is_some() || world.is_real(signed),
            ),
            Property::always(NO_MINORITY, |world: &Self, signed: &Signed| {
                world.by_each(signed, |submission, _, by, _| {
                    let here = match submission.elsewhere {
                        true => by & MALICIOUS,
                        false => by,
                    };
                    (here & (A | B | C)).count_ones() >= 2
                })
            }),
            Property::always(LED_OVER, |world: &Self, signed: &Signed| {
                world.by_each(signed, |_, it, _, (before, after)| {
                    world.is_led_over(before, after, it)
                })
            }),
            Property::always(BY_OTHERS, |world: &Self, signed: &Signed| {
                world.by_each(signed, |_, it, by, _| {
                    it.fork_proofs.is_empty() || by & (B | C) == B | C
                })
            }),
            Property::always(FOUND, |world: &Self, signed: &Signed| {
                world.charter(signed, true) == world.charter(signed, false)
            }),
            Property::always(READERS, |world: &Self, signed: &Signed| {
                world.by_each(signed, |_, it, _, _| only_everyone_or_parties(world, it))
            }),
            Property::always(QUORUM, |world: &Self, signed: &Signed| {
                world.by_each(signed, |_, _, _, (_, after)| {
                    let parties = after.parties.len() as u64;
                    (parties / 2 + 1..=parties).contains(&after.party_quorum)
                })
            }),
            Property::always(DELEGATES, |world: &Self, signed: &Signed| {
                world.by_each(signed, |_, it, by, _| {
                    by & STRANGER == 0 && it.proposer != key(41)
                })
            }),
            Property::always(CHANGES, |world: &Self, signed: &Signed| {
                world.by_each(signed, |_, _, _, (before, after)| {
                    let mut same = after.clone();
                    (same.id, same.height) = (before.id, before.height);
                    same != *before
                })
            }),
            Property::always(ITSELF, |world: &Self, signed: &Signed| {
                world
                    .submissions
                    .iter()
                    .zip(signed)
                    .all(|(it, by)| !world.admits_state(it, *by) || *by == B | SECOND_OF_B)
            }),
            Property::sometimes(ALL_PASS, |world: &Self, signed: &Signed| {
                let charter = world.charter(signed, true);
                let mut all = world.submissions.iter().enumerate();
                all.all(|(at, it)| match it.body {
                    Body::Resolution(..) => {
                        it.by & STRANGER != 0 || charter.contains_key(&at) == world.sound[at]
                    }
                    Body::State(_) => world.admits_state(it, signed[at]) || at != 0,
                })
            }),
        ]
    }
}

/// What must be found in some state.
pub(super) const EXAMPLES: [&str; 1] = [ALL_PASS];
