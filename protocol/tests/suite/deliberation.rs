//! How delegates who follow the rules come to one certificate: what binds, what frees, what is shown.

use crate::assembly::{Assembly, key, keys, rename, resolution_id, secret, state_id};
use comity_protocol::{
    authority::{
        charter::{Charter, PinFault, ResolutionError},
        deliberation::{Approved, Deliberation, Flaw, Motion, Outcome, Proposed, Refusal, Voices},
        parties::{Parties, StateError},
    },
    certificate::{Certificate, CertificateBody, Change, ForkProof, PartyState, Resolution},
    id::{EntryId, domain},
    record::{Approval, Proposal, RecordBody, Rejection},
};

/// What delegates said, beside what is known.
struct Room {
    assembly: Assembly,
    proposed: Proposed,
    voices: Voices,
}

/// Parties of one delegate each: 1, 11, 21; two are needed.
fn room() -> Room {
    Room::new(Assembly::new(&[&[1], &[11], &[21]]))
}

impl Room {
    fn new(assembly: Assembly) -> Self {
        Self {
            assembly,
            proposed: Proposed::new(),
            voices: Voices::default(),
        }
    }

    fn propose(&mut self, changes: Vec<Change>) -> EntryId {
        let charter = self.assembly.charter();
        let draft = self.assembly.draft(charter.current(), changes);
        self.put(draft)
    }

    fn put(&mut self, draft: Resolution) -> EntryId {
        let id = resolution_id(&draft);
        self.proposed.insert(id, CertificateBody::Resolution(draft));
        id
    }

    fn approve(&mut self, by: u16, motion: EntryId) {
        let body = self.proposed[&motion].encode();
        let signature = secret(by).sign(domain::CERTIFICATE_SIGNATURE, &body);
        let approved = Approved::check(&body, key(by), signature).unwrap();
        assert_eq!((approved.certificate(), approved.by()), (motion, key(by)));
        self.voices.approve(approved);
    }

    fn reject(&mut self, by: u16, motion: EntryId) {
        self.voices.reject(motion, key(by));
    }

    fn ask<T>(&self, question: impl FnOnce(&Deliberation<'_>) -> T) -> T {
        let (charter, parties): (Charter, Parties) =
            (self.assembly.charter(), self.assembly.parties());
        let proposed = self.proposed.clone();
        question(&Deliberation::weigh(
            Some(&charter),
            &parties,
            proposed,
            &self.voices,
        ))
    }

    fn motion(&self, id: EntryId) -> Motion {
        self.ask(|it| it.motion_of(&id).unwrap().clone())
    }

    fn may_approve(&self, by: u16, id: EntryId) -> Result<(), Refusal> {
        self.ask(|it| it.may_approve(&key(by), &id))
    }

    fn may_reject(&self, by: u16, id: EntryId) -> Result<(), Refusal> {
        self.ask(|it| it.may_reject(&key(by), &id))
    }
}

#[test]
fn a_motion_shows_who_approved_and_who_is_still_needed() {
    let mut it = Room::new(Assembly::new(&[&[1, 2, 3], &[11, 12, 13], &[21]]));
    let third = it.assembly.ids[2];
    let id = it.propose(vec![rename("Tea"), Change::Revoke(third, key(40))]);
    it.approve(1, id);
    it.approve(11, id);
    it.approve(12, id);
    it.reject(2, id);
    // Neither a stranger's word nor another's counts.
    it.approve(99, id);
    it.reject(98, id);
    let motion = it.motion(id);
    assert_eq!(
        (motion.outcome.clone(), motion.party_quorum),
        (Outcome::Open, 2)
    );
    let side = |party: usize| {
        let id = it.assembly.ids[party];
        motion.sides.iter().find(|it| it.side.party == id).unwrap()
    };
    let (first, second, third) = (side(0), side(1), side(2));
    assert_eq!(
        (first.approved.clone(), first.rejected.clone()),
        (keys(&[1]), keys(&[2]))
    );
    assert_eq!(first.still_needed(), 1);
    assert!(first.is_possible() && !first.approves() && !first.side.required);
    assert_eq!(first.silent().copied().collect::<Vec<_>>(), keys(&[3]));
    assert!(second.approves() && second.side.votes);
    assert!(third.side.required, "R8");
    assert!(it.ask(|it| it.assemble(&id)).is_none());
    it.approve(21, id);
    assert_eq!(it.motion(id).outcome, Outcome::Carried);
}

#[test]
fn approvals_assemble_into_a_certificate() {
    let mut it = Room::new(Assembly::new(&[&[1, 2, 3], &[11, 12, 13], &[21]]));
    let id = it.propose(vec![rename("Tea")]);
    for by in [1, 2, 3, 11, 12, 21] {
        it.approve(by, id);
    }
    let certificate = it.ask(|it| it.assemble(&id)).unwrap();
    assert_eq!((certificate.id(), certificate.check()), (id, Ok(())));
    let signers: Vec<_> = certificate.signers().collect();
    assert_eq!(signers.len(), 5, "as many of each party as it needs");
    let CertificateBody::Resolution(body) = certificate.body() else {
        panic!("a resolution");
    };
    it.assembly.resolutions.push((id, body.clone(), signers));
    assert_eq!(it.assembly.charter().current().id, id);
    assert_eq!(it.motion(id).outcome, Outcome::Certified);
    assert_eq!(it.may_approve(13, id), Err(Refusal::Passed));
}

#[test]
fn d1_a_delegate_says_one_thing_about_a_motion() {
    let mut it = room();
    let id = it.propose(vec![rename("Tea")]);
    assert_eq!(
        (it.may_approve(1, id), it.may_reject(1, id)),
        (Ok(()), Ok(()))
    );
    it.reject(1, id);
    assert_eq!(it.may_approve(1, id), Err(Refusal::Rejected));
    assert_eq!(it.may_reject(1, id), Err(Refusal::Rejected));
    it.approve(11, id);
    assert_eq!(it.may_approve(11, id), Err(Refusal::Approved));
    assert_eq!(it.may_reject(11, id), Err(Refusal::Approved));
}

#[test]
fn d2_an_approval_binds_until_the_motion_is_dead() {
    let mut it = room();
    let (one, other) = (
        it.propose(vec![rename("Tea")]),
        it.propose(vec![rename("Juice")]),
    );
    it.approve(1, one);
    it.approve(11, other);
    assert_eq!(it.may_approve(1, other), Err(Refusal::Bound(one)));
    assert_eq!(it.may_approve(11, one), Err(Refusal::Bound(other)));
    it.reject(11, one);
    assert_eq!(
        it.may_approve(1, other),
        Err(Refusal::Bound(one)),
        "21 may still approve it"
    );
    it.reject(21, one);
    assert_eq!(it.motion(one).outcome, Outcome::Dead);
    assert_eq!(it.may_approve(1, other), Ok(()));
    assert_eq!(it.may_approve(21, one), Err(Refusal::Rejected));
}

#[test]
fn d2_a_deadlock_of_three_dissolves_into_a_fourth() {
    let mut it = room();
    let motions = ["Tea", "Juice", "Milk"].map(|name| it.propose(vec![rename(name)]));
    let delegates = [1, 11, 21];
    for (by, motion) in delegates.into_iter().zip(motions) {
        it.approve(by, motion);
    }
    let fresh = it.propose(vec![rename("Water")]);
    for by in delegates {
        assert!(matches!(it.may_approve(by, fresh), Err(Refusal::Bound(_))));
    }
    for by in delegates {
        for motion in motions {
            if it.may_reject(by, motion).is_ok() {
                it.reject(by, motion);
            }
        }
    }
    for by in delegates {
        assert_eq!(it.may_approve(by, fresh), Ok(()));
        it.approve(by, fresh);
    }
    assert_eq!(it.motion(fresh).outcome, Outcome::Carried);
}

#[test]
fn d2_what_earlier_delegates_of_a_party_approved_binds_later_ones() {
    let mut it = room();
    let one = it.propose(vec![rename("Tea")]);
    it.approve(1, one);
    let root = it.assembly.head(0);
    it.assembly.grow(0, root, 1, |it| {
        it.delegates = keys(&[2]);
        it.proposer = key(1);
    });
    let other = it.propose(vec![rename("Juice")]);
    assert_eq!(it.may_approve(2, other), Err(Refusal::Bound(one)));
    assert_eq!(it.may_approve(11, other), Ok(()), "it is bound by nothing");
    it.reject(11, one);
    it.reject(21, one);
    assert_eq!(it.may_approve(2, other), Ok(()));
}

#[test]
fn d2_an_approval_of_what_is_not_here_binds() {
    let mut it = room();
    let id = it.propose(vec![rename("Tea")]);
    let unseen = EntryId::from_bytes([8; 32]);
    it.voices.approve_unseen(unseen, key(1));
    assert_eq!(it.may_approve(1, id), Err(Refusal::Unseen(unseen)));
    assert_eq!(it.may_approve(11, id), Ok(()));
    // What is certified is no longer open, proposal or not.
    it.voices = Voices::default();
    it.voices.approve_unseen(it.assembly.genesis_id(), key(1));
    assert_eq!(it.may_approve(1, id), Ok(()));
}

#[test]
fn d3_only_who_could_not_sign_any_more_kills_a_motion() {
    let mut it = Room::new(Assembly::new(&[&[1, 2, 3], &[11], &[21]]));
    let id = it.propose(vec![rename("Tea")]);
    it.reject(1, id);
    it.reject(21, id);
    assert_eq!(
        it.motion(id).outcome,
        Outcome::Open,
        "2 and 3 suffice for their party"
    );
    it.reject(2, id);
    assert_eq!(it.motion(id).outcome, Outcome::Dead);
    // The signature of someone who did both exists.
    it.approve(2, id);
    assert_eq!(it.motion(id).outcome, Outcome::Open);
    assert!(
        it.motion(id)
            .sides
            .iter()
            .all(|it| it.rejected != keys(&[1, 2]))
    );
}

#[test]
fn d3_one_party_kills_what_cannot_pass_without_it() {
    let mut it = room();
    let third = it.assembly.ids[2];
    let taking = it.propose(vec![Change::Revoke(third, key(40))]);
    let quorum = it.propose(vec![Change::SetPartyQuorum(3)]);
    let renaming = it.propose(vec![rename("Tea")]);
    for motion in [taking, quorum, renaming] {
        it.reject(21, motion);
    }
    assert_eq!(it.motion(taking).outcome, Outcome::Dead);
    assert_eq!(it.motion(quorum).outcome, Outcome::Dead);
    assert_eq!(it.motion(renaming).outcome, Outcome::Open);
    assert_eq!(it.may_approve(1, taking), Err(Refusal::Dead));
}

#[test]
fn d3_current_delegates_reject_in_place_of_those_before() {
    let mut it = room();
    let (one, other) = (
        it.propose(vec![rename("Tea")]),
        it.propose(vec![rename("Juice")]),
    );
    it.approve(1, one);
    it.reject(11, one);
    // The key of the third party is lost; a new one took its place.
    let root = it.assembly.head(2);
    it.assembly.grow(2, root, 1, |it| {
        it.delegates = keys(&[22]);
        it.proposer = key(21);
    });
    assert_eq!(it.may_approve(1, one), Err(Refusal::Approved));
    assert_eq!(it.motion(one).outcome, Outcome::Open);
    assert_eq!(it.may_reject(22, one), Ok(()));
    assert_eq!(it.may_reject(12, one), Err(Refusal::NotADelegate));
    it.reject(22, one);
    assert_eq!(it.motion(one).outcome, Outcome::Dead);
    assert!(matches!(it.may_approve(1, other), Err(Refusal::OldPin(_))));
    let fresh = it.propose(vec![rename("Milk")]);
    assert_eq!(it.may_approve(1, fresh), Ok(()));
}

#[test]
fn d4_only_what_changes_the_states_in_force_is_approved() {
    let mut it = room();
    let one = it.propose(vec![rename("Tea")]);
    let late = it.propose(vec![rename("Juice")]);
    it.approve(1, one);
    it.approve(11, one);
    assert_eq!(it.may_approve(21, late), Err(Refusal::Overtaken(one)));
    let genesis = it.assembly.genesis_id();
    let CertificateBody::Resolution(body) = it.proposed[&one].clone() else {
        panic!("a resolution");
    };
    it.assembly.enact(body, &[1, 11]);
    let refused = Refusal::NotCurrent {
        parent: genesis,
        current: one,
    };
    assert_eq!(it.may_approve(21, late), Err(refused));
    let next = it.propose(vec![rename("Milk")]);
    let root = it.assembly.head(1);
    assert_eq!(it.may_approve(21, next), Ok(()));
    // A state at which the same delegates speak voids nothing: else any party could, at any time.
    let same = it.assembly.grow(1, root, 1, |it| it.nodes = keys(&[50]));
    assert_eq!(it.may_approve(21, next), Ok(()));
    it.assembly
        .grow(1, same, 1, |it| it.delegates = keys(&[12]));
    let lags = Err(Refusal::OldPin(it.assembly.ids[1]));
    assert_eq!(it.may_approve(21, next), lags);
}

/// Its word is not asked for, so it cannot hold its removal up by moving on.
#[test]
fn d4_a_party_that_is_removed_may_be_pinned_to_any_state() {
    let mut it = room();
    let gone = it.assembly.ids[2];
    let removal = it.propose(vec![Change::RemoveParty(gone)]);
    let root = it.assembly.head(2);
    it.assembly
        .grow(2, root, 1, |it| it.delegates = keys(&[22]));
    assert_eq!(it.may_approve(1, removal), Ok(()));
    it.approve(1, removal);
    it.approve(11, removal);
    assert_eq!(it.motion(removal).outcome, Outcome::Carried);
    assert!(it.ask(|it| it.assemble(&removal)).is_some());
}

/// A certificate holds 256 signatures: a party with as many delegates approves along, and the others
/// certify all the same.
#[test]
fn a_party_with_very_many_delegates_keeps_nothing_from_being_certified() {
    let mut it = room();
    let many: Vec<u16> = (1_000..1_255).collect();
    let root = it.assembly.head(2);
    it.assembly.grow(2, root, 1, |it| {
        it.delegates = keys(&many);
        it.delegates.sort();
        it.delegates_needed = many.len() as u64;
        it.proposer = key(21);
    });
    let id = it.propose(vec![rename("Tea")]);
    for by in many.into_iter().chain([1, 11]) {
        it.approve(by, id);
    }
    assert_eq!(it.motion(id).outcome, Outcome::Carried);
    let certificate = it.ask(|it| it.assemble(&id)).expect("two parties suffice");
    assert_eq!(
        (certificate.signers().count(), certificate.check()),
        (2, Ok(()))
    );
}

/// Of a party that is led over, the charter is to name where its path would end then.
#[test]
fn d4_who_is_led_over_is_pinned_to_the_end_of_the_other_branch() {
    let mut it = room();
    let root = it.assembly.head(0);
    let left = it.assembly.grow(0, root, 1, |_| {});
    it.assembly.resolve(vec![Change::ConfirmStates], &[1, 11]);
    let right = it.assembly.grow(0, root, 2, |_| {});
    let joined = |it: &mut PartyState| it.delegates = keys(&[1, 2]);
    let end = it.assembly.grow(0, right, 3, joined);
    let charter = it.assembly.charter();
    let party = it.assembly.ids[0];
    let mut over = |state| {
        let mut draft = it.assembly.draft(charter.current(), vec![rename("Tea")]);
        let mut pins = draft.pins.iter_mut();
        pins.find(|(it, _)| *it == party).unwrap().1 = state;
        draft.proposer = key(11);
        draft.fork_proofs = vec![ForkProof { party, left, right }];
        it.put(draft)
    };
    let (early, late) = (over(right), over(end));
    assert_eq!(it.may_approve(11, early), Err(Refusal::OldPin(party)));
    assert_eq!(it.may_approve(11, late), Ok(()));
    it.approve(11, late);
    it.approve(1, late);
    assert_eq!(it.motion(late).outcome, Outcome::Open, "its own word");
    it.approve(21, late);
    assert_eq!(it.motion(late).outcome, Outcome::Carried);
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut it = room();
    let id = it.propose(vec![rename("Tea")]);
    let nothing = EntryId::from_bytes([8; 32]);
    assert_eq!(it.may_approve(1, nothing), Err(Refusal::Unknown));
    assert_eq!(it.may_approve(99, id), Err(Refusal::NotADelegate));
    assert_eq!(it.may_reject(99, id), Err(Refusal::NotADelegate));
    let charter = it.assembly.charter();
    let good = it.assembly.draft(charter.current(), vec![rename("Juice")]);
    let flawed = |it: &mut Room, edit: &dyn Fn(&mut Resolution)| {
        let mut draft = good.clone();
        edit(&mut draft);
        let id = it.put(draft);
        match it.may_approve(1, id) {
            Err(Refusal::Flawed(flaw)) => flaw,
            other => panic!("{other:?}"),
        }
    };
    let flaw = flawed(&mut it, &|it| it.parent = nothing);
    assert_eq!(flaw, Flaw::NoParent);
    let flaw = flawed(&mut it, &|it| it.height = 9);
    assert!(matches!(
        flaw,
        Flaw::Resolution(ResolutionError::Height { .. })
    ));
    let flaw = flawed(&mut it, &|it| it.proposer = key(99));
    assert_eq!(flaw, Flaw::Resolution(ResolutionError::Signer(key(99))));
    let flaw = flawed(&mut it, &|it| it.pins[0].1 = nothing);
    let fault = PinFault::Unknown;
    assert!(
        matches!(flaw, Flaw::Resolution(ResolutionError::Pin { fault: it, .. }) if it == fault)
    );
}

#[test]
fn states_of_a_party_are_deliberated_like_resolutions() {
    let mut it = Room::new(Assembly::new(&[&[1, 2, 3], &[11]]));
    let root = it.assembly.states[0].1.clone();
    let party = it.assembly.ids[0];
    let propose = |it: &mut Room, nonce, edit: &dyn Fn(&mut PartyState)| {
        let mut state = crate::assembly::next_state(party, &root, nonce);
        edit(&mut state);
        let id = state_id(&state);
        it.proposed.insert(id, CertificateBody::Party(state));
        id
    };
    let one = propose(&mut it, 1, &|_| {});
    let other = propose(&mut it, 2, &|_| {});
    let odd = propose(&mut it, 3, &|it| it.height = 3);
    assert!(matches!(
        it.motion(odd).outcome,
        Outcome::Flawed(Flaw::State(StateError::Height { .. }))
    ));
    assert_eq!(it.may_approve(11, one), Err(Refusal::NotADelegate));
    it.approve(1, one);
    assert_eq!(it.motion(one).sides[0].still_needed(), 1);
    assert_eq!(it.may_approve(1, other), Err(Refusal::Bound(one)));
    it.reject(2, one);
    assert_eq!(it.may_approve(1, other), Err(Refusal::Bound(one)));
    it.reject(3, one);
    assert_eq!(it.may_approve(1, other), Ok(()));
    it.approve(2, other);
    it.approve(3, other);
    let certificate = it.ask(|it| it.assemble(&other)).unwrap();
    assert_eq!((certificate.id(), certificate.check()), (other, Ok(())));
    let CertificateBody::Party(state) = certificate.body().clone() else {
        panic!("a state");
    };
    it.assembly.states.push((other, state));
    assert_eq!(it.motion(other).outcome, Outcome::Certified);
    let current = other;
    let parent = it.motion(one).parent;
    assert_eq!(it.may_approve(1, one), Err(Refusal::Approved));
    let late = propose(&mut it, 4, &|_| {});
    assert_eq!(
        it.may_approve(1, late),
        Err(Refusal::NotCurrent { parent, current })
    );
}

/// From records, in any order; an approval whose signature does not hold is none.
#[test]
fn records_are_gathered_whatever_their_order() {
    let mut it = room();
    let id = it.propose(vec![rename("Tea")]);
    let body = it.proposed[&id].encode();
    let signature = secret(1).sign(domain::CERTIFICATE_SIGNATURE, &body);
    let approval = |certificate| {
        RecordBody::Approval(Approval {
            certificate,
            signature,
        })
    };
    let unseen = EntryId::from_bytes([8; 32]);
    let rejection = RecordBody::Rejection(Rejection {
        certificate: id,
        reason: String::new(),
    });
    let genesis = CertificateBody::Genesis(it.assembly.genesis.clone()).encode();
    let mut records = vec![
        (key(1), approval(id)),
        (key(11), approval(id)),
        (key(21), rejection),
        (key(11), approval(unseen)),
        (key(1), RecordBody::Proposal(Proposal { body })),
        (key(1), RecordBody::Proposal(Proposal { body: genesis })),
    ];
    let gather =
        |records: &[(_, RecordBody)]| Voices::gather(records.iter().map(|(by, it)| (*by, it)));
    let (proposed, voices) = gather(&records);
    assert_eq!(proposed, it.proposed);
    records.reverse();
    assert_eq!(gather(&records), (proposed.clone(), voices.clone()));
    it.voices = voices;
    let motion = it.motion(id);
    let approved: Vec<_> = motion
        .sides
        .iter()
        .flat_map(|it| it.approved.clone())
        .collect();
    let rejected: Vec<_> = motion
        .sides
        .iter()
        .flat_map(|it| it.rejected.clone())
        .collect();
    assert_eq!((approved, rejected), (vec![key(1)], vec![key(21)]));
    assert_eq!(it.may_approve(11, id), Err(Refusal::Unseen(unseen)));
    let by_another = Approved::check(&it.proposed[&id].encode(), key(11), signature);
    assert_eq!(by_another, None);
    assert!(Certificate::assemble(it.proposed[&id].encode(), vec![]).is_err());
}
