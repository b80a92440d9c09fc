//! What the set of governance lets in: monotone, whatever the order, whatever counts.

use crate::{
    community::{NODE, public, receipt, secret, verified},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, ZOES_NODE, device, first_state},
    sync::harness::Rng,
    times_factor,
};
use comity_protocol::{
    authority::{
        Authority, EnvelopeError, OrderFault, charter::ResolutionError, parties::StateError,
    },
    certificate::{
        Certificate, CertificateBody, Change, Cuts, DeviceCut, ErasureOrder, SealedCuts, SpaceCut,
        body_id, party_id,
    },
    entry::{Entry, Verified},
    id::{EntryId, SpaceId},
    record::{Acknowledge, BranchChoice, Proposal, RecordBody, Role, Target},
};

fn certified(body: CertificateBody, signers: &[u8]) -> Entry {
    let keys: Vec<_> = signers.iter().map(|it| secret(*it)).collect();
    Entry::Certificate(Certificate::sign(body, &keys.iter().collect::<Vec<_>>()))
}

/// A later state of our party as these delegates sign it, after changes.
fn later(
    world: &World,
    signers: &[u8],
    change: impl FnOnce(&mut comity_protocol::certificate::PartyState),
) -> Entry {
    let mut world = world.clone();
    world.amend(world.ours, signers, change);
    world.entries.pop().unwrap()
}

#[test]
fn later_states_continue_what_is_here_by_its_delegates() {
    let world = World::new();
    let authority = world.authority();
    let lets_in = |entry: &Entry| authority.lets_in(world.governance, entry);
    assert_eq!(lets_in(&later(&world, &[ADA, BEN], |_| {})), Ok(()));
    let refused = |fault| Err(EnvelopeError::State(fault));
    assert_eq!(
        lets_in(&later(&world, &[ADA], |_| {})),
        refused(StateError::TooFew {
            needed: 2,
            signed: 1
        })
    );
    let stranger = later(&world, &[ADA, BEN, STRANGER], |state| {
        state.proposer = public(ADA);
    });
    assert_eq!(
        lets_in(&stranger),
        refused(StateError::Signer(public(STRANGER)))
    );
    let proposed = later(&world, &[ADA, BEN], |state| state.proposer = public(ZOE));
    assert_eq!(lets_in(&proposed), refused(StateError::Proposer));
    let height = later(&world, &[ADA, BEN], |state| state.height = 2);
    let (expected, found) = (1, 2);
    assert_eq!(
        lets_in(&height),
        refused(StateError::Height { expected, found })
    );
    let missing = EntryId::from_bytes([9; 32]);
    let ours = world.ours;
    let orphan = later(&world, &[ADA, BEN], |state| {
        state.parent = Some((ours, missing))
    });
    assert_eq!(lets_in(&orphan), Err(EnvelopeError::Builds(missing)));
    let theirs = world.theirs;
    let parent = world.states[&ours].0;
    let other = later(&world, &[ADA, BEN], |state| {
        state.parent = Some((theirs, parent))
    });
    assert_eq!(lets_in(&other), refused(StateError::NoParent));
}

/// Both children of one state stay in the set, whichever is followed.
/// Two nodes may be told different lists of signatures of one state first.
#[test]
fn of_several_lists_of_signers_one_that_suffices_is_enough_in_any_order() {
    let world = World::new();
    let low = [ADA, BEN].into_iter().min_by_key(|it| public(*it)).unwrap();
    let by_low = |it: &mut comity_protocol::certificate::PartyState| it.proposer = public(low);
    let few = later(&world, &[low], by_low);
    let enough = later(&world, &[ADA, BEN], by_low);
    assert_eq!(few.id(), enough.id());
    let with = |more: [&Entry; 2]| {
        let mut world = world.clone();
        world.entries.extend(more.into_iter().cloned());
        world.authority()
    };
    let authority = with([&few, &enough]);
    assert_eq!(authority, with([&enough, &few]));
    let chain = authority.party_chains().chain(&world.ours).unwrap();
    assert!(chain.state(&enough.id()).is_some());
}

#[test]
fn losing_branches_are_in_the_set() {
    let mut world = World::new();
    let left = later(&world, &[ADA, BEN], |state| state.name = "Left".into());
    let right = later(&world, &[ADA, BEN], |state| state.name = "Right".into());
    world.entries.extend([left.clone(), right.clone()]);
    let followed = |world: &World| world.authority().parties()[&world.ours].name.clone();
    let first = followed(&world);
    let loser = if first == "Left" {
        right.id()
    } else {
        left.id()
    };
    for by in [ADA, BEN] {
        world.say(by, RecordBody::BranchChoice(BranchChoice { chosen: loser }));
    }
    assert_ne!(followed(&world), first);
    for entry in [left, right] {
        assert_eq!(world.authority().lets_in(world.governance, &entry), Ok(()));
    }
}

#[test]
fn a_party_comes_in_once_somebody_names_it() {
    let mut world = World::new();
    let third = first_state("Growers", &[LEO], &[]);
    let party = party_id(&third);
    let first = certified(CertificateBody::Party(third), &[LEO]);
    assert_eq!(
        world.authority().lets_in(world.governance, &first),
        Err(EnvelopeError::UnknownParty(party))
    );
    world
        .states
        .insert(party, (first.id(), first_state("Growers", &[LEO], &[])));
    let body = world.resolution(vec![Change::AddParty(party)], ADA);
    let resolved = certified(
        CertificateBody::Resolution(body.clone()),
        &[ADA, BEN, ZOE, LEO],
    );
    assert_eq!(
        world.authority().lets_in(world.governance, &resolved),
        Err(EnvelopeError::Builds(first.id())),
        "its pin is not here"
    );
    let body = CertificateBody::Resolution(body).encode();
    let proposal = |by: u8, world: &mut World| {
        let body = body.clone();
        world.say(by, RecordBody::Proposal(Proposal { body }));
    };
    proposal(STRANGER, &mut world);
    assert!(world.authority().lets_in(world.governance, &first).is_err());
    proposal(ADA, &mut world);
    assert_eq!(world.authority().lets_in(world.governance, &first), Ok(()));
    world.entries.push(first);
    let authority = world.authority();
    assert_eq!(authority.lets_in(world.governance, &resolved), Ok(()));
    let without = |signers: &[u8]| match &resolved {
        Entry::Certificate(it) => {
            authority.lets_in(world.governance, &certified(it.body().clone(), signers))
        }
        _ => unreachable!(),
    };
    let refused = |fault| Err(EnvelopeError::Resolution(Box::new(fault)));
    assert_eq!(
        without(&[ADA, BEN, ZOE]),
        refused(ResolutionError::Newcomer(party))
    );
    assert_eq!(
        without(&[ADA, BEN, LEO]),
        refused(ResolutionError::Quorum {
            needed: 2,
            approving: 1
        })
    );
    assert_eq!(
        without(&[ADA, BEN, ZOE, LEO, STRANGER]),
        refused(ResolutionError::Signer(public(STRANGER)))
    );
}

/// What was taken from a key, or from those who admitted it, does not close the set to it.
#[test]
fn known_keys_never_look_at_cuts() {
    let mut world = World::with_mia();
    world.revoke(ADA, Target::Member(public(MIA)), Cuts::default());
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.delegates = vec![public(ADA)];
        state.delegates_needed = 1;
    });
    world.admit(BEN, world.ours, LEO, &[Role::Member]);
    let mut authority = world.authority();
    assert!(!world.is_member(MIA) && !world.is_member(LEO));
    for signer in [MIA, LEO, BEN, device(MIA)] {
        let id = world.drop_device(signer, 99, Cuts::default());
        let entry = world.entries.pop().unwrap();
        assert_eq!(entry.id(), id);
        assert_eq!(
            authority.lets_in(world.governance, &entry),
            Ok(()),
            "{signer}"
        );
    }
    world.admit(MIA, world.ours, 33, &[Role::Member]);
    authority = world.authority();
    for signer in [STRANGER, 33] {
        world.drop_device(signer, 99, Cuts::default());
        let entry = world.entries.pop().unwrap();
        let verdict = authority.lets_in(world.governance, &entry);
        assert_eq!(verdict, Err(EnvelopeError::NoStanding), "{signer}");
    }
}

fn sealed_for(space: SpaceId) -> SealedCuts {
    let cut = SpaceCut {
        space,
        devices: vec![DeviceCut {
            key: public(device(MIA)),
            last: vec![EntryId::from_bytes([3; 32])],
        }],
    };
    SealedCuts::build(vec![([1; 32], cut)], &[[2; 32]; 7]).unwrap()
}

#[test]
fn tables_of_cuts_come_in_where_a_narrowing_commits_to_them() {
    let mut world = World::with_mia();
    let (inner, office) = (world.space("inner"), world.space("office"));
    let sealed = sealed_for(inner);
    let cuts = Cuts {
        sealed: sealed.root(),
        ..Cuts::default()
    };
    let revoked = world.revoke(ADA, Target::Member(public(MIA)), cuts);
    let authority = world.authority();
    let lets_in = |by: u8, space: SpaceId, narrowing: EntryId, sealed: &SealedCuts| {
        let table = sealed.table(0, narrowing).unwrap();
        let record = crate::community::Chain::new(by, space).record(RecordBody::CutTable(table));
        authority.lets_in(space, &Entry::Record(record))
    };
    assert_eq!(lets_in(ADA, inner, revoked, &sealed), Ok(()));
    assert_eq!(
        lets_in(NODE, inner, revoked, &sealed),
        Ok(()),
        "whoever passes it on"
    );
    let unknown = Err(EnvelopeError::UnknownTable);
    assert_eq!(
        lets_in(STRANGER, inner, revoked, &sealed),
        Err(EnvelopeError::NoStanding)
    );
    assert_eq!(
        lets_in(ADA, office, revoked, &sealed),
        unknown,
        "another space's"
    );
    assert_eq!(
        lets_in(ADA, inner, EntryId::from_bytes([8; 32]), &sealed),
        unknown
    );
    assert_eq!(
        lets_in(ADA, office, revoked, &sealed_for(office)),
        unknown,
        "another root"
    );
}

/// A proposal says all that its certificate will: the tables may come with it, and stay.
#[test]
fn tables_of_cuts_come_in_once_the_narrowing_is_proposed() {
    let mut world = World::with_mia();
    let (inner, lobby) = (world.space("inner"), world.space("lobby"));
    let sealed = sealed_for(inner);
    let mut resolution = world.resolution(vec![Change::CloseSpace(lobby)], ADA);
    resolution.cuts.sealed = sealed.root();
    let body = CertificateBody::Resolution(resolution);
    let narrowing = body_id(&body.encode());
    let table = || RecordBody::CutTable(sealed.table(0, narrowing).unwrap());
    let lets_in = |world: &World| {
        let record = crate::community::Chain::new(ADA, inner).record(table());
        world.authority().lets_in(inner, &Entry::Record(record))
    };
    assert_eq!(lets_in(&world), Err(EnvelopeError::UnknownTable));
    let mut by_a_stranger = world.clone();
    let proposal = RecordBody::Proposal(Proposal {
        body: body.encode(),
    });
    by_a_stranger.say(STRANGER, proposal.clone());
    assert_eq!(lets_in(&by_a_stranger), Err(EnvelopeError::UnknownTable));
    world.say(ADA, proposal);
    assert_eq!(lets_in(&world), Ok(()), "proposed");
    assert!(
        world.authority().narrowings().is_empty(),
        "and nothing is taken"
    );
    let id = world.certify(body, &[ADA, BEN, ZOE]);
    assert_eq!(id, narrowing);
    assert!(world.authority().narrowings().contains_key(&narrowing));
    assert_eq!(lets_in(&world), Ok(()), "in force");

    let mut world = World::with_mia();
    let party = world.ours;
    let mut proposed = world.clone();
    proposed.amend(party, &[ADA, BEN], |state| {
        state.stewards.clear();
        state.cuts.sealed = sealed.root();
    });
    let Some(Entry::Certificate(state)) = proposed.entries.pop() else {
        panic!("a certificate is made last");
    };
    let table = RecordBody::CutTable(sealed.table(0, state.id()).unwrap());
    let body = state.body().encode();
    world.say(BEN, RecordBody::Proposal(Proposal { body }));
    let record = crate::community::Chain::new(ADA, inner).record(table);
    let verdict = world.authority().lets_in(inner, &Entry::Record(record));
    assert_eq!(verdict, Ok(()), "a state of a party, too");
}

#[test]
fn nodes_speak_in_spaces_as_long_as_they_ever_were_nodes() {
    let mut world = World::with_mia();
    let genesis = world.entries[0].clone();
    world.amend(world.ours, &[ADA, BEN], |state| state.nodes.clear());
    let authority = world.authority();
    let lobby = world.space("lobby");
    let says = |by: u8, body: RecordBody| {
        let record = crate::community::Chain::new(by, lobby).record(body);
        authority.lets_in(lobby, &Entry::Record(record))
    };
    let acknowledge = || {
        let narrowings = vec![EntryId::from_bytes([1; 32])];
        RecordBody::Acknowledge(Acknowledge { narrowings })
    };
    for node in [NODE, ZOES_NODE] {
        assert_eq!(says(node, receipt(&genesis)), Ok(()));
        assert_eq!(says(node, acknowledge()), Ok(()));
    }
    assert_eq!(authority.node_party(&public(NODE)), None);
    for other in [ADA, MIA, STRANGER] {
        assert_eq!(says(other, acknowledge()), Err(EnvelopeError::NotANode));
    }
}

#[test]
fn parties_order_an_erasure_like_a_resolution() {
    let world = World::with_mia();
    let authority = world.authority();
    let lobby = world.space("lobby");
    let order = |charter: EntryId, space: SpaceId, signers: &[u8]| {
        let order = certified(
            CertificateBody::ErasureOrder(ErasureOrder {
                community: world.id,
                charter,
                space,
                contribution: EntryId::from_bytes([4; 32]),
                proposer: public(ADA),
                reason: String::new(),
                time_ms: 1,
            }),
            signers,
        );
        authority.lets_in(space, &order)
    };
    let now = world.charter.0;
    assert_eq!(order(now, lobby, &[ADA, BEN, ZOE]), Ok(()));
    let (needed, approving) = (2, 1);
    let too_few = Err(EnvelopeError::Order(OrderFault::Quorum {
        needed,
        approving,
    }));
    assert_eq!(order(now, lobby, &[ADA, BEN]), too_few);
    assert_eq!(order(now, lobby, &[ADA, ZOE]), too_few);
    let stranger = order(now, lobby, &[ADA, BEN, ZOE, STRANGER]);
    let fault = OrderFault::Signer(public(STRANGER));
    assert_eq!(stranger, Err(EnvelopeError::Order(fault)));
    let other = EntryId::from_bytes([1; 32]);
    assert_eq!(
        order(other, lobby, &[ADA, BEN, ZOE]),
        Err(EnvelopeError::Builds(other))
    );
}

/// Governance by honest and hostile signers: admissions, cuts at random ends, forks of parties,
/// resolutions, proposals; some of it lost.
fn any_history(rng: &mut Rng) -> World {
    let mut world = World::with_mia();
    let people = [ADA, BEN, ZOE, MIA, LEO, STRANGER, NODE, 33];
    for _ in 0..30 {
        let by = people[rng.below(people.len())];
        let whom = people[rng.below(people.len())];
        let party = [world.ours, world.theirs][rng.below(2)];
        let cuts = match rng.below(3) {
            0 => Cuts::default(),
            _ => world.cuts_at_the_end_of(&[whom, by]),
        };
        match rng.below(12) {
            0..3 => drop(world.admit(by, party, whom, &[Role::ALL[rng.below(5)]])),
            3 | 4 => drop(world.link(whom, device(whom) + rng.below(2) as u8, 0)),
            5 => {
                let target = [
                    Target::Member(public(whom)),
                    Target::Device(public(device(whom))),
                    Target::Role(public(whom), Role::Member),
                ][rng.below(3)];
                world.revoke_for(by, party, target, cuts, None);
            }
            6 => drop(world.depart(whom, cuts)),
            7 => drop(world.drop_device(whom, device(whom), cuts)),
            8 => {
                let invitation = world.invite(by, party, NODE);
                world.countersign(NODE, invitation, whom);
            }
            9 => {
                // A fork now and then: the newest state is forgotten.
                let before = world.states.clone();
                let (party, signers) = match rng.below(3) {
                    0 => (world.theirs, &[ZOE][..]),
                    _ => (world.ours, &[ADA, BEN][..]),
                };
                world.amend(party, signers, |state| {
                    let list = match rng.below(3) {
                        0 => &mut state.stewards,
                        1 => &mut state.nodes,
                        _ => &mut state.observers,
                    };
                    *list = [public(whom)].into();
                    state.cuts = cuts;
                });
                if rng.below(2) == 0 {
                    world.states = before;
                }
            }
            10 => {
                let chosen = world.entries[rng.below(world.entries.len())].id();
                world.say(by, RecordBody::BranchChoice(BranchChoice { chosen }));
            }
            _ => {
                let lobby = world.space("lobby");
                let change = match rng.below(3) {
                    0 => Change::SetName(format!("Coffee {}", rng.below(9))),
                    1 => Change::CloseSpace(lobby),
                    _ => Change::Revoke(world.ours, public(whom)),
                };
                let before = world.charter;
                let signers = [&[ADA, BEN, ZOE][..], &[ADA, BEN][..]][rng.below(2)];
                world.resolve(vec![change], signers);
                if rng.below(2) == 0 {
                    world.charter = before;
                }
            }
        }
    }
    let mut lost = rng.below(6);
    while lost > 0 {
        let at = rng.below(world.entries.len());
        world.entries.remove(at);
        lost -= 1;
    }
    world
}

fn shuffled(rng: &mut Rng, entries: &[Verified<Entry>]) -> Vec<Verified<Entry>> {
    let mut entries = entries.to_vec();
    for last in (1..entries.len()).rev() {
        entries.swap(last, rng.below(last + 1));
    }
    entries
}

/// I7: every answer is a function of the set.
#[test]
fn order_and_repetition_do_not_matter() {
    let (mut worlds, mut narrowed, mut forks) = (0, 0, 0);
    for seed in 0..times_factor(40) as u64 {
        let mut rng = Rng(seed);
        let world = any_history(&mut rng);
        let entries = verified(&world.entries);
        let whole = Authority::evaluate(world.id, &entries);
        narrowed += whole.narrowings().len();
        forks += whole.charter().map_or(0, |it| it.forks().len());
        for _ in 0..5 {
            let mut other = shuffled(&mut rng, &entries);
            other.extend_from_slice(&shuffled(&mut rng, &entries)[..entries.len() / 3]);
            let other = Authority::evaluate(world.id, &other);
            assert_eq!(other, whole, "seed {seed}");
            assert!(other.changed_keys(&whole).is_empty(), "seed {seed}");
        }
        worlds += 1;
    }
    println!("{worlds} histories, {narrowed} narrowings, {forks} forks of charters");
    assert!(narrowed > worlds && forks > 0);
}

/// What a set lets in every larger set lets in: so nodes that are told in any order hold the same.
#[test]
fn letting_in_is_monotone() {
    let (mut asked, mut let_in) = (0, 0);
    for seed in 100..100 + times_factor(25) as u64 {
        let mut rng = Rng(seed);
        let world = any_history(&mut rng);
        let entries = shuffled(&mut rng, &verified(&world.entries));
        let mut before: Vec<bool> = vec![false; entries.len()];
        for end in (0..=entries.len()).step_by(4).chain([entries.len()]) {
            let authority = Authority::evaluate(world.id, &entries[..end]);
            let verdicts = entries
                .iter()
                .map(|entry| authority.lets_in(world.governance, entry).is_ok());
            let now: Vec<bool> = verdicts.collect();
            for (index, (was, is)) in before.iter().zip(&now).enumerate() {
                assert!(is >= was, "seed {seed}: entry {index} was put out at {end}");
            }
            asked += now.len();
            let_in += now.iter().filter(|it| **it).count();
            before = now;
        }
    }
    println!("{let_in} of {asked} let in, none put out");
    assert!(let_in > asked / 4 && let_in < asked);
}

/// Nodes that take in what the set lets in, one by one and trying again what waits, end with the
/// same set and the same authority, whatever the order.
#[test]
fn taking_in_one_by_one_ends_in_the_same_set() {
    for seed in 200..200 + times_factor(6) as u64 {
        let mut rng = Rng(seed);
        let world = any_history(&mut rng);
        let entries = verified(&world.entries);
        let whole = Authority::evaluate(world.id, &entries);
        for _ in 0..2 {
            let mut waiting = shuffled(&mut rng, &entries);
            let mut held = Vec::new();
            let mut authority = Authority::unknown(world.id);
            loop {
                let (taken, rest): (Vec<_>, Vec<_>) = waiting
                    .into_iter()
                    .partition(|entry| authority.lets_in(world.governance, entry).is_ok());
                waiting = rest;
                if taken.is_empty() {
                    break;
                }
                held.extend(taken);
                authority = Authority::evaluate(world.id, &held);
            }
            assert_eq!(authority, whole, "seed {seed}");
        }
    }
}
